// SPDX-License-Identifier: MIT
/*
 * A log of firmware replays to what the registers hold, or is refused
 *
 * Copyright The dstack for Linux authors
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <openssl/sha.h>
#include <string.h>

#include "tcg_fixture.h"
#include "vectors.h"

#define EV_SEPARATOR	4
#define TDREPORT_RTMRS	(512 + 208)
#define QUOTE_RTMRS	376	/* in version 4 */
#define BOOT		0x7	/* RTMR0 to 2 */

static const uint16_t sha384[] = { LIBDSTACK_TCG_SHA384 };
static const uint16_t two[] = { LIBDSTACK_TCG_SHA1, LIBDSTACK_TCG_SHA256 };

static struct tcg_fixture f;
static struct libdstack_tcg_log log_;
static struct libdstack_failure why;

static int parse(void)
{
	return libdstack_tcg_log_parse(f.data, f.len, &log_, &why);
}

/* Two events in register 1, one in 2, one in none; digests 1 to 4. */
static void make(const uint16_t *algs, uint32_t nr)
{
	tcg_begin(&f, algs, nr);
	tcg_add(&f, 1, EV_SEPARATOR, algs, nr, 1, "a", 1);
	tcg_add(&f, 1, EV_SEPARATOR, algs, nr, 2, "bc", 2);
	tcg_add(&f, 2, EV_SEPARATOR, algs, nr, 3, "", 0);
	tcg_add(&f, 2, LIBDSTACK_TCG_EV_NO_ACTION, algs, nr, 4, "", 0);
}

static void refused(int err, enum libdstack_reason reason)
{
	assert_int_equal(parse(), err);
	assert_int_equal(why.reason, reason);
	assert_string_equal(why.step, "event log format");
	assert_string_not_equal(why.text, "");
	assert_int_equal(log_.nr_events, 0);
}

static void malformed(void)
{
	refused(-EBADMSG, LIBDSTACK_REASON_MALFORMED);
}

static void unsupported(void)
{
	refused(-EOPNOTSUPP, LIBDSTACK_REASON_UNSUPPORTED);
}

/* SHA-384 of @value and a digest of which each byte is @fill. */
static void extend(uint8_t value[48], uint8_t fill)
{
	uint8_t buf[96];

	memcpy(buf, value, 48);
	memset(buf + 48, fill, 48);
	SHA384(buf, sizeof(buf), value);
}

static void events_come_in_order_with_all_their_digests(void **state)
{
	struct libdstack_tcg_event event = { 0 };
	size_t nr = 0;

	(void)state;
	make(two, 2);
	assert_int_equal(parse(), 0);
	assert_int_equal(log_.nr_events, 4);
	assert_int_equal(log_.nr_banks, 2);
	while (libdstack_tcg_log_next(&log_, &event)) {
		nr++;
		assert_int_equal(*libdstack_tcg_digest(&log_, &event,
						       LIBDSTACK_TCG_SHA1), nr);
		assert_int_equal(libdstack_tcg_digest(&log_, &event,
						      LIBDSTACK_TCG_SHA256)[31],
				 nr);
		assert_null(libdstack_tcg_digest(&log_, &event,
						 LIBDSTACK_TCG_SHA384));
	}
	assert_int_equal(nr, 4);
}

static void replay_extends_what_was_extended(void **state)
{
	uint8_t value[LIBDSTACK_TCG_DIGEST_MAX], want[48] = { 0 };

	(void)state;
	make(sha384, 1);
	assert_int_equal(parse(), 0);
	extend(want, 1);
	extend(want, 2);
	assert_int_equal(libdstack_tcg_replay(&log_, LIBDSTACK_TCG_SHA384, 1,
					      value, &why), 0);
	assert_memory_equal(value, want, 48);
	/* What took no action is in no register. */
	memset(want, 0, sizeof(want));
	extend(want, 3);
	assert_int_equal(libdstack_tcg_replay(&log_, LIBDSTACK_TCG_SHA384, 2,
					      value, &why), 0);
	assert_memory_equal(value, want, 48);
	assert_int_equal(libdstack_tcg_replay(&log_, LIBDSTACK_TCG_SHA256, 2,
					      value, &why), -EOPNOTSUPP);
	assert_string_equal(why.step, "event log replay");
}

static void register_0_begins_with_the_locality(void **state)
{
	uint8_t value[LIBDSTACK_TCG_DIGEST_MAX], want[48] = { [47] = 3 };

	(void)state;
	tcg_begin(&f, sha384, 1);
	tcg_add(&f, 0, LIBDSTACK_TCG_EV_NO_ACTION, sha384, 1, 0,
		"StartupLocality\0\3", 17);
	tcg_add(&f, 0, EV_SEPARATOR, sha384, 1, 1, "", 0);
	assert_int_equal(parse(), 0);
	extend(want, 1);
	assert_int_equal(libdstack_tcg_replay(&log_, LIBDSTACK_TCG_SHA384, 0,
					      value, &why), 0);
	assert_memory_equal(value, want, 48);
}

static void locality_is_said_once_and_before_all_else(void **state)
{
	(void)state;
	tcg_begin(&f, sha384, 1);
	tcg_add(&f, 0, EV_SEPARATOR, sha384, 1, 1, "", 0);
	tcg_add(&f, 0, LIBDSTACK_TCG_EV_NO_ACTION, sha384, 1, 0,
		"StartupLocality\0\3", 17);
	malformed();
	tcg_begin(&f, sha384, 1);
	tcg_add(&f, 0, LIBDSTACK_TCG_EV_NO_ACTION, sha384, 1, 0,
		"StartupLocality\0\3", 17);
	tcg_add(&f, 0, LIBDSTACK_TCG_EV_NO_ACTION, sha384, 1, 0,
		"StartupLocality\0\3", 17);
	malformed();
	tcg_begin(&f, sha384, 1);
	tcg_add(&f, 0, LIBDSTACK_TCG_EV_NO_ACTION, sha384, 1, 0,
		"StartupLocality\0\5", 17);
	malformed();
}

static void data_is_measured_if_every_digest_is_its_own(void **state)
{
	struct libdstack_tcg_event event = { 0 };
	size_t digest = 0;

	(void)state;
	tcg_begin(&f, two, 2);
	tcg_add(&f, 5, EV_SEPARATOR, two, 2, 0, "data", 4);
	assert_int_equal(parse(), 0);
	assert_true(libdstack_tcg_log_next(&log_, &event));
	assert_false(libdstack_tcg_data_is_measured(&log_, &event));
	digest = event.digest[0] - f.data;
	SHA1((const uint8_t *)"data", 4, f.data + digest);
	assert_false(libdstack_tcg_data_is_measured(&log_, &event));
	digest = event.digest[1] - f.data;
	SHA256((const uint8_t *)"data", 4, f.data + digest);
	assert_true(libdstack_tcg_data_is_measured(&log_, &event));
}

static void first_event_must_say_what_the_others_are_like(void **state)
{
	(void)state;
	make(sha384, 1);
	f.data[4] = EV_SEPARATOR;
	unsupported();
	make(sha384, 1);
	f.data[32 + 14] = '2';	/* Event02 has no banks */
	unsupported();
}

static void banks_must_be_known_and_of_their_size(void **state)
{
	static const uint16_t twice[] = { 0xc, 0xc }, unknown[] = { 0xc, 0x77 };
	static const uint16_t many[] = { 4, 0xb, 0xc, 0xd, 0x12, 0x27, 0x28,
					 0x29, 0x4 };

	(void)state;
	tcg_begin(&f, unknown, 2);
	unsupported();
	tcg_begin(&f, twice, 2);
	malformed();
	tcg_begin(&f, many, 9);
	malformed();
	tcg_begin(&f, many, 8);
	assert_int_equal(parse(), 0);
	tcg_begin(&f, sha384, 0);
	malformed();
	make(sha384, 1);
	f.data[32 + 30] = 20;
	malformed();
	make(sha384, 1);
	f.data[32 + 32] = 1;	/* more vendor data than there is */
	malformed();
}

static void each_event_has_each_bank_once(void **state)
{
	static const uint16_t swapped[] = { 0xb, 4 }, twice[] = { 4, 4 };
	static const uint16_t other[] = { 4, 0xc };
	struct libdstack_tcg_event event = { 0 };

	(void)state;
	tcg_begin(&f, two, 2);
	tcg_add(&f, 1, EV_SEPARATOR, swapped, 2, 7, "", 0);
	assert_int_equal(parse(), 0);
	assert_true(libdstack_tcg_log_next(&log_, &event));
	assert_ptr_equal(event.digest[1] + 32 + 2, event.digest[0]);

	tcg_begin(&f, two, 2);
	tcg_add(&f, 1, EV_SEPARATOR, two, 1, 7, "", 0);
	malformed();
	tcg_begin(&f, two, 2);
	tcg_add(&f, 1, EV_SEPARATOR, twice, 2, 7, "", 0);
	malformed();
	tcg_begin(&f, two, 2);
	tcg_add(&f, 1, EV_SEPARATOR, other, 2, 7, "", 0);
	malformed();
}

static void log_may_be_followed_by_fill_and_nothing_else(void **state)
{
	size_t len;

	(void)state;
	make(sha384, 1);
	len = f.len;
	memset(f.data + len, 0xff, 100);
	for (f.len = len; f.len <= len + 100; f.len++)
		assert_int_equal(parse(), 0);
	f.len = len + 100;
	assert_int_equal(log_.nr_events, 4);
	f.data[len + 99] = 0;
	malformed();
	memset(f.data + len, 0, 100);
	assert_int_equal(parse(), 0);
	f.data[len + 99] = 1;
	malformed();
}

static void registers_that_do_not_exist_are_rejected(void **state)
{
	(void)state;
	tcg_begin(&f, sha384, 1);
	tcg_add(&f, 23, EV_SEPARATOR, sha384, 1, 0, "", 0);
	assert_int_equal(parse(), 0);
	tcg_add(&f, 24, EV_SEPARATOR, sha384, 1, 0, "", 0);
	malformed();
	tcg_begin(&f, sha384, 1);
	tcg_add(&f, UINT32_MAX, LIBDSTACK_TCG_EV_NO_ACTION, sha384, 1, 0, "",
		0);
	assert_int_equal(parse(), 0);
}

/* Where an event ends, a log may end, too; its replay is another, then. */
static void log_cut_off_within_an_event_is_rejected(void **state)
{
	static const size_t event = 4 + 4 + 4 + 2 + 48 + 4;
	const size_t ends[] = { 65, 65 + event + 1, 65 + 2 * event + 3,
				65 + 3 * event + 3, 65 + 4 * event + 3 };
	size_t len, next = 0;
	uint8_t *copy;
	int err;

	(void)state;
	make(sha384, 1);
	assert_int_equal(f.len, ends[4]);
	for (len = 0; len <= f.len; len++) {
		copy = malloc(len ? len : 1);
		assert_non_null(copy);
		memcpy(copy, f.data, len);
		err = libdstack_tcg_log_parse(copy, len, &log_, &why);
		if (len == ends[next]) {
			assert_int_equal(err, 0);
			assert_int_equal(log_.nr_events, next++);
		} else {
			assert_int_not_equal(err, 0);
		}
		free(copy);
	}
}

static void attack_47_log_beyond_its_bound_is_rejected(void **state)
{
	size_t len = LIBDSTACK_TCG_LOG_MAX + 1;
	uint8_t *big = malloc(len);

	(void)state;
	assert_non_null(big);
	make(sha384, 1);
	memset(big, 0xff, len);
	memcpy(big, f.data, f.len);
	assert_int_equal(libdstack_tcg_log_parse(big, len, &log_, &why),
			 -EBADMSG);
	assert_int_equal(libdstack_tcg_log_parse(big, len - 1, &log_, &why),
			 0);
	free(big);
}

static void attack_47_lengths_that_lie_are_rejected(void **state)
{
	/* Size of the first event, its banks; an event's digests and size. */
	static const size_t at[] = { 28, 32 + 24, 65 + 8, 65 + 62 };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(at) / sizeof(at[0]); i++) {
		make(sha384, 1);
		memset(f.data + at[i], 0xff, 4);
		malformed();
		make(sha384, 1);
		f.data[at[i] + 3] = 0x80;
		malformed();
	}
}

static void load_td(const char *name, size_t at, struct libdstack_td *td)
{
	struct vector v = vector_load(name);

	memset(td, 0, sizeof(*td));
	assert_true(v.len >= at + sizeof(td->rtmr));
	memcpy(td->rtmr, v.data + at, sizeof(td->rtmr));
	free(v.data);
}

/* The digests of register 1 are 1 and 2, of register 2 it is 3. */
static void make_td(struct libdstack_td *td)
{
	make(sha384, 1);
	memset(td, 0, sizeof(*td));
	extend(td->rtmr[0], 1);
	extend(td->rtmr[0], 2);
	extend(td->rtmr[1], 3);
}

static void td_log_is_compared_as_far_as_asked_for(void **state)
{
	struct libdstack_td td;

	(void)state;
	make_td(&td);
	assert_int_equal(parse(), 0);
	assert_int_equal(libdstack_tcg_check_rtmrs(&log_, &td, 0xf, &why), 0);
	assert_string_equal(why.step, "");
	td.rtmr[3][0] ^= 1;
	assert_int_equal(libdstack_tcg_check_rtmrs(&log_, &td, BOOT, &why), 0);
	assert_int_equal(libdstack_tcg_check_rtmrs(&log_, &td, 0xf, &why),
			 -EKEYREJECTED);
	assert_int_equal(why.reason, LIBDSTACK_REASON_MISMATCH);
	assert_non_null(strstr(why.text, "RTMR3"));
}

static void td_log_has_sha384_and_rtmrs_alone(void **state)
{
	static const uint16_t sm3[] = { LIBDSTACK_TCG_SM3 };
	static const uint16_t more[] = { 0xc, 0xb };
	uint8_t rtmr[LIBDSTACK_TCG_RTMRS][48];

	(void)state;
	make(sm3, 1);
	assert_int_equal(parse(), 0);
	assert_int_equal(libdstack_tcg_replay_rtmrs(&log_, rtmr, &why),
			 -EOPNOTSUPP);
	make(more, 2);
	assert_int_equal(parse(), 0);
	assert_int_equal(libdstack_tcg_replay_rtmrs(&log_, rtmr, &why),
			 -EOPNOTSUPP);
	make(sha384, 1);
	tcg_add(&f, 0, EV_SEPARATOR, sha384, 1, 1, "", 0);
	assert_int_equal(parse(), 0);
	assert_int_equal(libdstack_tcg_replay_rtmrs(&log_, rtmr, &why),
			 -EBADMSG);
	make(sha384, 1);
	tcg_add(&f, 5, EV_SEPARATOR, sha384, 1, 1, "", 0);
	assert_int_equal(parse(), 0);
	assert_int_equal(libdstack_tcg_replay_rtmrs(&log_, rtmr, &why),
			 -EBADMSG);
	assert_string_equal(why.step, "event log replay");
}

/* What is in the fixture is what an attacker made of make_td()'s log. */
static void no_longer_replays(void)
{
	struct tcg_fixture changed = f;
	struct libdstack_td td;

	make_td(&td);
	f = changed;
	assert_int_equal(parse(), 0);
	assert_int_equal(libdstack_tcg_check_rtmrs(&log_, &td, 0xf, &why),
			 -EKEYREJECTED);
	assert_int_equal(why.reason, LIBDSTACK_REASON_MISMATCH);
}

static void attack_43_changed_logs_do_not_replay(void **state)
{
	(void)state;
	tcg_begin(&f, sha384, 1);	/* reordered */
	tcg_add(&f, 1, EV_SEPARATOR, sha384, 1, 2, "", 0);
	tcg_add(&f, 1, EV_SEPARATOR, sha384, 1, 1, "", 0);
	tcg_add(&f, 2, EV_SEPARATOR, sha384, 1, 3, "", 0);
	no_longer_replays();
	tcg_begin(&f, sha384, 1);	/* dropped */
	tcg_add(&f, 1, EV_SEPARATOR, sha384, 1, 1, "", 0);
	tcg_add(&f, 2, EV_SEPARATOR, sha384, 1, 3, "", 0);
	no_longer_replays();
	make(sha384, 1);		/* duplicated */
	tcg_add(&f, 2, EV_SEPARATOR, sha384, 1, 3, "", 0);
	no_longer_replays();
	tcg_begin(&f, sha384, 1);	/* in another register */
	tcg_add(&f, 1, EV_SEPARATOR, sha384, 1, 1, "", 0);
	tcg_add(&f, 2, EV_SEPARATOR, sha384, 1, 2, "", 0);
	tcg_add(&f, 2, EV_SEPARATOR, sha384, 1, 3, "", 0);
	no_longer_replays();
	make(sha384, 1);		/* said to have taken no action */
	f.data[65 + 4] = LIBDSTACK_TCG_EV_NO_ACTION;
	no_longer_replays();
}

static struct vector load_log(const char *name)
{
	struct vector v = vector_load(name);

	assert_int_equal(libdstack_tcg_log_parse(v.data, v.len, &log_, &why),
			 0);
	return v;
}

static void logs_of_real_tds_replay(void **state)
{
	struct libdstack_td td;
	struct vector v;

	(void)state;
	v = load_log("eventlog/cos113-ccel.bin");
	assert_int_equal(log_.nr_events, 43);
	load_td("dcap/quotes/tdx4-00806f05-cos113.bin", QUOTE_RTMRS, &td);
	assert_int_equal(libdstack_tcg_check_rtmrs(&log_, &td, 0xf, &why), 0);
	free(v.data);

	v = load_log("eventlog/live1-ccel.bin");
	load_td("eventlog/live1-tdreport.bin", TDREPORT_RTMRS, &td);
	assert_int_equal(libdstack_tcg_check_rtmrs(&log_, &td, BOOT, &why), 0);
	free(v.data);

	v = load_log("eventlog/dstack-ccel.bin");
	assert_int_equal(log_.nr_events, 18);
	load_td("dcap/quotes/tdx4-b0c06f-tappd.bin", QUOTE_RTMRS, &td);
	assert_int_equal(libdstack_tcg_check_rtmrs(&log_, &td, 1, &why), 0);
	free(v.data);
}

static void attack_48_log_of_another_boot_is_rejected(void **state)
{
	struct libdstack_td td;
	struct vector v;

	(void)state;
	v = load_log("eventlog/dstack-ccel.bin");
	load_td("dcap/quotes/tdx4-b0c06f-tappd.bin", QUOTE_RTMRS, &td);
	assert_int_equal(libdstack_tcg_check_rtmrs(&log_, &td, 3, &why),
			 -EKEYREJECTED);
	assert_non_null(strstr(why.text, "RTMR1"));
	free(v.data);
	v = load_log("eventlog/live1-ccel.bin");
	load_td("dcap/quotes/tdx4-00806f05-cos113.bin", QUOTE_RTMRS, &td);
	assert_int_equal(libdstack_tcg_check_rtmrs(&log_, &td, BOOT, &why),
			 -EKEYREJECTED);
	free(v.data);
}

static void log_of_alibaba_goes_on_in_rtmr3(void **state)
{
	uint8_t rtmr[LIBDSTACK_TCG_RTMRS][48], zero[48] = { 0 };
	struct vector v;

	(void)state;
	v = load_log("eventlog/alibaba-aael-ccel.bin");
	assert_int_equal(log_.nr_events, 87);
	assert_int_equal(libdstack_tcg_replay_rtmrs(&log_, rtmr, &why), 0);
	assert_memory_not_equal(rtmr[3], zero, sizeof(zero));
	free(v.data);
}

static void log_of_hygon_is_not_of_tdx(void **state)
{
	uint8_t rtmr[LIBDSTACK_TCG_RTMRS][48];
	struct vector v;

	(void)state;
	v = load_log("eventlog/hygon-csv-ccel.bin");
	assert_int_equal(log_.bank[0].alg, LIBDSTACK_TCG_SM3);
	assert_int_equal(libdstack_tcg_replay_rtmrs(&log_, rtmr, &why),
			 -EOPNOTSUPP);
	assert_int_equal(why.reason, LIBDSTACK_REASON_UNSUPPORTED);
	free(v.data);
}

static void log_of_a_tpm_has_more_banks(void **state)
{
	uint8_t value[LIBDSTACK_TCG_DIGEST_MAX];
	struct vector v;

	(void)state;
	v = load_log("eventlog/dstack-tpm-eventlog.bin");
	assert_int_equal(log_.nr_events, 45);
	assert_int_equal(log_.nr_banks, 3);
	assert_int_equal(libdstack_tcg_replay(&log_, LIBDSTACK_TCG_SHA256, 0,
					      value, &why), 0);
	free(v.data);
}

static void real_logs_cut_off_are_other_logs(void **state)
{
	struct libdstack_td td;
	size_t len, end;
	struct vector v;
	uint8_t *copy;

	(void)state;
	v = load_log("eventlog/live1-ccel.bin");
	load_td("eventlog/live1-tdreport.bin", TDREPORT_RTMRS, &td);
	end = log_.data + log_.len - (const uint8_t *)v.data;
	for (len = 0; len < end; len++) {
		copy = malloc(len ? len : 1);
		assert_non_null(copy);
		memcpy(copy, v.data, len);
		if (!libdstack_tcg_log_parse(copy, len, &log_, &why))
			assert_int_not_equal(libdstack_tcg_check_rtmrs(&log_,
								       &td,
								       BOOT,
								       &why),
					     0);
		free(copy);
	}
	free(v.data);
}

static void ccel_table_says_where_the_log_is(void **state)
{
	struct libdstack_tcg_ccel ccel;
	uint8_t sum = 0;
	struct vector v;
	size_t i;

	(void)state;
	v = vector_load("eventlog/cos113-ccel-acpi-table.bin");
	assert_int_equal(libdstack_tcg_ccel_parse(v.data, v.len, &ccel, &why),
			 0);
	assert_int_equal(ccel.type, LIBDSTACK_TCG_CCEL_TDX);
	assert_int_equal(ccel.log_len, 0x40000);
	assert_int_equal(ccel.log_address, 0xbedbf000);
	for (i = 0; i < v.len; i++) {
		assert_int_equal(libdstack_tcg_ccel_parse(v.data, i, &ccel,
							  &why), -EBADMSG);
		v.data[i] ^= 1;
		assert_int_equal(libdstack_tcg_ccel_parse(v.data, v.len, &ccel,
							  &why), -EBADMSG);
		v.data[i] ^= 1;
	}
	/* Another TEE's, and well-formed. */
	v.data[36] = 1;
	v.data[9]++;
	for (i = 0; i < v.len; i++)
		sum += v.data[i];
	assert_int_equal(sum, 0);
	assert_int_equal(libdstack_tcg_ccel_parse(v.data, v.len, &ccel, &why),
			 -EOPNOTSUPP);
	free(v.data);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(events_come_in_order_with_all_their_digests),
		cmocka_unit_test(replay_extends_what_was_extended),
		cmocka_unit_test(register_0_begins_with_the_locality),
		cmocka_unit_test(locality_is_said_once_and_before_all_else),
		cmocka_unit_test(data_is_measured_if_every_digest_is_its_own),
		cmocka_unit_test(first_event_must_say_what_the_others_are_like),
		cmocka_unit_test(banks_must_be_known_and_of_their_size),
		cmocka_unit_test(each_event_has_each_bank_once),
		cmocka_unit_test(log_may_be_followed_by_fill_and_nothing_else),
		cmocka_unit_test(registers_that_do_not_exist_are_rejected),
		cmocka_unit_test(log_cut_off_within_an_event_is_rejected),
		cmocka_unit_test(attack_47_log_beyond_its_bound_is_rejected),
		cmocka_unit_test(attack_47_lengths_that_lie_are_rejected),
		cmocka_unit_test(td_log_is_compared_as_far_as_asked_for),
		cmocka_unit_test(td_log_has_sha384_and_rtmrs_alone),
		cmocka_unit_test(attack_43_changed_logs_do_not_replay),
		cmocka_unit_test(logs_of_real_tds_replay),
		cmocka_unit_test(attack_48_log_of_another_boot_is_rejected),
		cmocka_unit_test(log_of_alibaba_goes_on_in_rtmr3),
		cmocka_unit_test(log_of_hygon_is_not_of_tdx),
		cmocka_unit_test(log_of_a_tpm_has_more_banks),
		cmocka_unit_test(real_logs_cut_off_are_other_logs),
		cmocka_unit_test(ccel_table_says_where_the_log_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
