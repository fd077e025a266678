// SPDX-License-Identifier: MIT
/*
 * Containers: every form gives what was put in, and hostile ones nothing
 *
 * Copyright The dstack for Linux authors
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <malloc.h>
#include <string.h>

#include "attestation/attestation.h"
#include "container_fixture.h"
#include "vectors.h"

static const struct container_event events[] = {
	{ "system-preparing", "", 0 },
	{ "app-id", "0123456789abcdefghij", 20 },
	{ "key-provider", "{\"name\":\"none\",\"id\":\"\"}", 23 },
	{ "odd \"\xc3\xa9\" name", "x", 1 },
};

static const struct container_parts parts = {
	.quote = "no quote", .quote_len = 8, .events = events,
	.nr_events = 4, .report_data = { 1, 2, 3 }, .config = "{}",
};

static struct libdstack_attestation *a;
static struct libdstack_failure failure;

static int parse(const void *data, size_t len)
{
	/* So that a byte too far is noticed. */
	void *copy = malloc(len ? len : 1);
	int err;

	memcpy(copy, data, len);
	a = NULL;
	err = libdstack_attestation_parse(copy, len, &a, &failure);
	free(copy);
	if (err) {
		assert_null(a);
		assert_string_equal(failure.step, "attestation container");
		assert_string_not_equal(failure.text, "");
	} else {
		assert_int_equal(failure.reason, LIBDSTACK_REASON_NONE);
	}
	return err;
}

static void done(void)
{
	libdstack_attestation_free(a);
	a = NULL;
}

static void assert_span(const struct libdstack_span *span, const void *data,
			size_t len)
{
	assert_int_equal(span->len, len);
	assert_memory_equal(span->data, data, len);
}

static void assert_is_parts(void)
{
	size_t i;

	assert_int_equal(a->tee, LIBDSTACK_TEE_TDX);
	assert_span(&a->evidence, parts.quote, parts.quote_len);
	assert_span(&a->config, parts.config, strlen(parts.config));
	assert_true(a->have_report_data);
	assert_memory_equal(a->report_data, parts.report_data, 64);
	assert_int_equal(a->boot.count, 0);
	assert_int_equal(a->runtime.count, 4);
	for (i = 0; i < 4; i++) {
		const struct libdstack_event *e = &a->runtime.events[i];

		assert_string_equal(e->name, events[i].name);
		assert_int_equal(e->payload_len, events[i].len);
		assert_memory_equal(e->payload, events[i].payload,
				    events[i].len);
	}
}

static void all_forms_say_the_same(void **state)
{
	struct container c;

	(void)state;
	container_scale(&c, &parts);
	assert_int_equal(parse(c.data, c.len), 0);
	assert_int_equal(a->form, LIBDSTACK_FORM_SCALE);
	assert_is_parts();
	done();
	container_msgpack(&c, &parts);
	assert_int_equal(parse(c.data, c.len), 0);
	assert_int_equal(a->form, LIBDSTACK_FORM_MSGPACK);
	assert_is_parts();
	assert_false(a->pod);
	done();
}

static void container_cut_off_anywhere_is_refused(void **state)
{
	struct container c;
	size_t len;
	int form;

	(void)state;
	for (form = 0; form < 2; form++) {
		(form ? container_msgpack : container_scale)(&c, &parts);
		for (len = 0; len < c.len; len++)
			assert_true(parse(c.data, len) < 0);
		c.data[c.len] = 0;
		assert_int_equal(parse(c.data, c.len + 1), -EBADMSG);
	}
}

/* What is accepted in spite of a flip says something else, or the same. */
static void flipped_bits_do_no_harm(void **state)
{
	struct container c;
	size_t bit;
	int form;

	(void)state;
	for (form = 0; form < 2; form++) {
		(form ? container_msgpack : container_scale)(&c, &parts);
		for (bit = 0; bit < 8 * c.len; bit++) {
			c.data[bit / 8] ^= 1 << bit % 8;
			if (!parse(c.data, c.len))
				done();
			c.data[bit / 8] ^= 1 << bit % 8;
		}
	}
}

static void event_lists_must_agree(void **state)
{
	struct container c;
	uint8_t *last;

	(void)state;
	container_scale(&c, &parts);
	/* The last event's payload, in the list to replay. */
	last = c.data + c.len - 3 - 64 - 1;
	assert_int_equal(*last, 'x');
	*last = 'y';
	assert_int_equal(parse(c.data, c.len), -EKEYREJECTED);
	assert_int_equal(failure.reason, LIBDSTACK_REASON_MISMATCH);
}

/* Of the event compose-hash, payload abcd; of app-data:test. */
#define V2_DIGEST "9dde1673f544faa94b921825209593ddde08d0baf9cd6990175dffaf3081f1bb10311d56de189491feb33842a050ad7b"
#define APP_DATA_TEST "1864e059be7e1ec12d9fe9da903d3711e0d72edab19f044cc9d6ac90c32b996b545a9979309bd19c36b803941e8e3485115e9b794001f2b9f367f6e03c52e532"

static void second_rule_of_digests_is_known(void **state)
{
	static const struct container_event event = {
		"compose-hash", "\xab\xcd", 2
	};
	char hex[2 * DSTACK_REGISTER_SIZE + 1];
	struct container_parts p = parts;
	struct container c;

	(void)state;
	p.events = &event;
	p.nr_events = 1;
	p.version = 2;
	container_msgpack(&c, &p);
	assert_int_equal(parse(c.data, c.len), 0);
	libdstack_to_hex(a->runtime.events[0].digest, DSTACK_REGISTER_SIZE,
			 hex);
	assert_string_equal(hex, V2_DIGEST);
	done();
	p.version = 3;
	container_msgpack(&c, &p);
	assert_int_equal(parse(c.data, c.len), -EOPNOTSUPP);
	/* Its canonical JSON would need escapes. */
	p.version = 2;
	p.events = &events[3];
	container_msgpack(&c, &p);
	assert_int_equal(parse(c.data, c.len), -EOPNOTSUPP);
}

static void unknown_versions_and_kinds_are_refused(void **state)
{
	struct container c;
	uint8_t *kind;

	(void)state;
	container_scale(&c, &parts);
	c.data[1] = 5;
	assert_int_equal(parse(c.data, c.len), -EOPNOTSUPP);
	container_msgpack(&c, &parts);
	c.data[9] = 2;
	assert_int_equal(parse(c.data, c.len), -EOPNOTSUPP);
	container_msgpack(&c, &parts);
	kind = memmem(c.data, c.len, "tdx", 3);
	*kind = 'T';
	assert_int_equal(parse(c.data, c.len), -EOPNOTSUPP);
	container_msgpack(&c, &parts);
	kind = memmem(c.data, c.len, "config", 6);
	*kind = 'C';
	assert_int_equal(parse(c.data, c.len), -EBADMSG);
	assert_int_equal(parse("\x04\x02", 2), -EOPNOTSUPP);
	assert_int_equal(parse("", 0), -EOPNOTSUPP);
}

static void pod_payload_is_what_the_report_data_hashes(void **state)
{
	struct container_parts p = parts;
	struct libdstack_td td = { .rtmr = { { 0 } } };
	struct container c;
	bool replayed[4];

	(void)state;
	p.pod = "test";
	p.nr_events = 0;
	assert_int_equal(libdstack_report_data("app-data", NULL, "test", 4,
					       p.report_data), 0);
	memcpy(td.report_data, p.report_data, 64);
	container_msgpack(&c, &p);
	assert_int_equal(parse(c.data, c.len), 0);
	assert_true(a->pod);
	assert_int_equal(libdstack_attestation_explains(a, &td, replayed,
							&failure), 0);
	done();
	p.pod = "text";
	container_msgpack(&c, &p);
	assert_int_equal(parse(c.data, c.len), 0);
	assert_int_equal(libdstack_attestation_explains(a, &td, replayed,
							&failure),
			 -EKEYREJECTED);
	assert_string_equal(failure.step, "report data");
	done();
}

static void report_data_is_hashed_as_upstream_does(void **state)
{
	uint8_t out[64], again[64];
	char hex[129];

	(void)state;
	assert_int_equal(libdstack_report_data("app-data", NULL, "test", 4,
					       out), 0);
	assert_string_equal(libdstack_to_hex(out, 64, hex), APP_DATA_TEST);
	assert_int_equal(libdstack_report_data("app-data", "", "test", 4,
					       again), 0);
	assert_memory_equal(out, again, 64);
	assert_int_equal(libdstack_report_data("", "keccak256", "", 0, out),
			 0);
	assert_int_equal(libdstack_report_data("", "sha3-256", "", 0, again),
			 0);
	assert_memory_not_equal(out, again, 32);
	assert_memory_equal(out + 32, again + 32, 32);
	assert_int_equal(libdstack_report_data("x", "raw", out, 64, again),
			 0);
	assert_memory_equal(out, again, 64);
	assert_int_equal(libdstack_report_data("x", "raw", out, 63, again),
			 -EINVAL);
	assert_int_equal(libdstack_report_data("x", "md5", out, 64, again),
			 -EOPNOTSUPP);
}

/* Attack 47: heads that promise what does not follow, and deep nests. */
static void attack_47_promises_cost_nothing(void **state)
{
	static const char bombs[][8] = {
		"\x81\xdd\xff\xff\xff\xff", "\xdf\xff\xff\xff\xff",
		"\xdf\x80\x00\x00\x00", "\x81\xc6\xff\xff\xff\xff",
		"\x81\xdb\xff\xff\xff\xff", "\x81\xa1\x61\xc7",
	};
	struct mallinfo2 before = mallinfo2();
	uint8_t nest[64];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bombs) / sizeof(bombs[0]); i++)
		assert_int_equal(parse(bombs[i], 6), -EBADMSG);
	memset(nest, 0x91, sizeof(nest));
	nest[0] = 0x81;
	assert_int_equal(parse(nest, sizeof(nest)), -EBADMSG);
	assert_string_equal(failure.text, "MessagePack: nested too deep");
	/* SCALE: a log of 2^28 events, a text of a gigabyte. */
	assert_int_equal(parse("\0\0\0\xfe\xff\xff\xff\0\0\0\0\0", 12),
			 -EBADMSG);
	assert_int_equal(parse("\0\0\x03\0\0\0\x40", 7), -EBADMSG);
	assert_true(mallinfo2().uordblks < before.uordblks + 65536);
}

/* A megabyte of JSON that would be many more once it is parsed. */
static void attack_47_json_is_counted_before_it_is_parsed(void **state)
{
	const size_t len = 1 << 20;
	char *text = malloc(len);

	(void)state;
	memset(text, '[', len);
	memcpy(text, "{\"quote\":", 9);
	assert_int_equal(parse(text, len), -EBADMSG);
	assert_non_null(strstr(failure.text, "values"));
	memset(text, ',', len);
	memcpy(text, "{\"quote\":[1", 11);
	assert_int_equal(parse(text, len), -EBADMSG);
	assert_non_null(strstr(failure.text, "values"));
	free(text);
	assert_int_equal(parse("{\"attestation\":\"7b7d\"}", 22), -EBADMSG);
}

static void attack_47_containers_and_lists_are_bounded(void **state)
{
	size_t i, nr = LIBDSTACK_ATTESTATION_EVENTS_MAX + 1, len;
	uint8_t *data = calloc(1, LIBDSTACK_ATTESTATION_MAX + 1);

	(void)state;
	assert_int_equal(parse(data, LIBDSTACK_ATTESTATION_MAX + 1),
			 -EBADMSG);
	/* One boot event more than there may be. */
	len = 3;
	data[len++] = (nr << 2 | 2) & 0xff;
	data[len++] = (nr << 2) >> 8 & 0xff;
	data[len++] = (nr << 2) >> 16 & 0xff;
	data[len++] = 0;
	for (i = 0; i < nr; i++) {
		len += 8;
		data[len] = 48 << 2;
		len += 1 + 48 + 2;
	}
	assert_int_equal(parse(data, len + 70), -EBADMSG);
	assert_string_equal(failure.text, "more than 65536 events");
	free(data);
}

/*
 * Evidence of real machines
 */

#define SIMULATOR_TIME	1786621538	/* 2026-08-13T11:45:38Z */
#define REPORT_TIME	1771415931	/* 2026-02-18T11:58:51Z */

static struct libdstack_collateral *load_collateral(const char *name)
{
	struct libdstack_collateral *c;
	struct vector v = vector_load(name);

	assert_int_equal(libdstack_collateral_parse(v.data, v.len, &c), 0);
	free(v.data);
	return c;
}

static void parse_vector(const char *name)
{
	struct vector v = vector_load(name);

	if (parse(v.data, v.len))
		fail_msg("%s: %s", name, failure.text);
	free(v.data);
}

static void assert_verifies(const char *collateral, time_t now)
{
	struct libdstack_collateral *c = load_collateral(collateral);
	struct libdstack_attestation_verdict v;
	int i;

	if (libdstack_attestation_verify(a, c, NULL, 0, now, &v))
		fail_msg("%s: %s", v.failure.step, v.failure.text);
	assert_int_equal(v.quote.status, LIBDSTACK_TCB_UP_TO_DATE);
	for (i = 0; i < 4; i++)
		assert_true(v.replayed[i]);
	libdstack_collateral_free(c);
}

static void upstreams_simulator_is_verified(void **state)
{
	(void)state;
	parse_vector("dstack/simulator-attestation.bin");
	assert_int_equal(a->form, LIBDSTACK_FORM_SCALE);
	assert_int_equal(a->runtime.count, 9);
	assert_string_equal(a->runtime.events[8].name, "system-ready");
	assert_verifies("dcap/collateral/b0c06f-2026-08.json", SIMULATOR_TIME);
	done();
}

static void reply_of_get_quote_is_verified(void **state)
{
	(void)state;
	parse_vector("dstack/quote-report.json");
	assert_int_equal(a->form, LIBDSTACK_FORM_JSON);
	assert_int_equal(a->runtime.count, 8);
	assert_int_equal(a->boot.count, 20);
	assert_true(a->have_report_data);
	assert_verifies("dcap/collateral/90c06f-2026-02.json", REPORT_TIME);
	done();
}

static struct libdstack_attestation *parse_near(const char *quote)
{
	struct vector info = vector_load("dstack/near-mpc-tcb_info.json");
	struct vector q = vector_load(quote);

	a = NULL;
	libdstack_tcb_info_parse(info.data, info.len, q.data, q.len, &a,
				 &failure);
	free(info.data);
	free(q.data);
	return a;
}

static void tcb_info_of_another_party_is_verified(void **state)
{
	(void)state;
	assert_non_null(parse_near("dcap/quotes/tdx4-b0c06f-near-mpc.bin"));
	assert_verifies("dcap/collateral/b0c06f-2026-08.json", SIMULATOR_TIME);
	assert_int_equal(a->app_compose.data[0], '{');
	done();
}

/* Attack 48: the log, or what is said of the registers, is of another TD. */
static void attack_48_log_of_another_td_is_refused(void **state)
{
	struct libdstack_attestation_verdict v;
	struct libdstack_collateral *c;
	struct libdstack_log other;

	(void)state;
	assert_null(parse_near("dcap/quotes/tdx4-b0c06f-phala.bin"));
	assert_int_equal(failure.reason, LIBDSTACK_REASON_MISMATCH);
	c = load_collateral("dcap/collateral/b0c06f-2026-08.json");
	parse_vector("dstack/simulator-attestation.bin");
	/* One event less, as if it had not happened. */
	other = a->runtime;
	a->runtime.count--;
	assert_int_equal(libdstack_attestation_verify(a, c, NULL, 0,
						      SIMULATOR_TIME, &v),
			 -EKEYREJECTED);
	assert_string_equal(v.failure.step, "event log");
	assert_false(v.replayed[3]);
	a->runtime = other;
	a->boot.events[0].digest[0] ^= 1;
	assert_int_equal(libdstack_attestation_verify(a, c, NULL, 0,
						      SIMULATOR_TIME, &v),
			 -EKEYREJECTED);
	assert_false(v.replayed[0]);
	done();
	libdstack_collateral_free(c);
}

static void snp_and_nitro_are_handed_out(void **state)
{
	struct libdstack_attestation_verdict v;

	(void)state;
	parse_vector("dstack/sev_snp_attestation.bin");
	assert_int_equal(a->tee, LIBDSTACK_TEE_SEV_SNP);
	assert_int_equal(a->evidence.len, 1184);
	assert_memory_equal(a->report_data, "attest-test-fixture-2026", 24);
	assert_memory_equal(a->report_data, a->evidence.data + 0x50, 64);
	assert_int_equal(libdstack_attestation_verify(a, NULL, NULL, 0, 0, &v),
			 -EOPNOTSUPP);
	done();
	parse_vector("dstack/sev-snp-attestation.json");
	assert_int_equal(a->tee, LIBDSTACK_TEE_SEV_SNP);
	assert_true(a->nr_certs > 0);
	assert_int_equal(a->mr_config.data[0], '{');
	done();
	parse_vector("dstack/nitro_attestation.bin");
	assert_int_equal(a->tee, LIBDSTACK_TEE_NITRO_ENCLAVE);
	assert_memory_equal(a->evidence.data, "\x84\x44\xa1\x01\x38\x22", 6);
	done();
	parse_vector("dstack/nitro_attestation_dbg.bin");
	assert_int_equal(a->tee, LIBDSTACK_TEE_NITRO_ENCLAVE);
	done();
}

static void real_container_cut_off_anywhere_is_refused(void **state)
{
	struct vector v = vector_load("dstack/simulator-attestation.bin");
	size_t len;

	(void)state;
	for (len = 0; len < v.len; len++)
		assert_true(parse(v.data, len) < 0);
	free(v.data);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_forms_say_the_same),
		cmocka_unit_test(container_cut_off_anywhere_is_refused),
		cmocka_unit_test(flipped_bits_do_no_harm),
		cmocka_unit_test(event_lists_must_agree),
		cmocka_unit_test(second_rule_of_digests_is_known),
		cmocka_unit_test(unknown_versions_and_kinds_are_refused),
		cmocka_unit_test(pod_payload_is_what_the_report_data_hashes),
		cmocka_unit_test(report_data_is_hashed_as_upstream_does),
		cmocka_unit_test(attack_47_promises_cost_nothing),
		cmocka_unit_test(attack_47_json_is_counted_before_it_is_parsed),
		cmocka_unit_test(attack_47_containers_and_lists_are_bounded),
		cmocka_unit_test(upstreams_simulator_is_verified),
		cmocka_unit_test(reply_of_get_quote_is_verified),
		cmocka_unit_test(tcb_info_of_another_party_is_verified),
		cmocka_unit_test(attack_48_log_of_another_td_is_refused),
		cmocka_unit_test(snp_and_nitro_are_handed_out),
		cmocka_unit_test(real_container_cut_off_anywhere_is_refused),
	};

	return cmocka_run_group_tests_name("attestation", tests, NULL, NULL);
}
