// SPDX-License-Identifier: MIT
/*
 * A genuine quote holds, and none that was changed, or whose collateral was
 *
 * Copyright The dstack for Linux authors
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>

#include "vectors_fixture.h"

#define GOOD_QUOTE	"tdx4-b0c06f-near-mpc.bin"
#define GOOD_COLLATERAL	"b0c06f-2026-08.json"
#define GOOD_TIME	1786621538	/* 2026-08-13T11:45:38Z */
#define PADDING		70		/* unsigned bytes behind the quote */

/* One genuine quote, its collateral, and a time at which it holds. */
static struct {
	struct blob quote;
	struct libdstack_collateral *collateral;
} good;

static void need_good(void)
{
	need_vectors();
	if (good.quote.data)
		return;
	good.quote = load("quotes/", GOOD_QUOTE);
	good.collateral = load_collateral(GOOD_COLLATERAL);
}

static int verify_at(const void *quote, size_t len, time_t now,
		     struct libdstack_verdict *v)
{
	return libdstack_quote_verify(quote, len, good.collateral, root.data,
				      root.len, now, v);
}

static void intels_root_is_known_by_its_key(void **state)
{
	struct libdstack_verdict v;

	(void)state;
	need_good();
	assert_int_equal(libdstack_quote_verify(good.quote.data, good.quote.len,
						good.collateral, NULL, 0,
						GOOD_TIME, &v), 0);
	assert_int_equal(v.status, LIBDSTACK_TCB_UP_TO_DATE);
}

static void root_must_be_a_certificate(void **state)
{
	struct libdstack_verdict v;

	(void)state;
	need_good();
	assert_int_equal(libdstack_quote_verify(good.quote.data, good.quote.len,
						good.collateral, "", 0,
						GOOD_TIME, &v), -EBADMSG);
	assert_string_equal(v.failure.step, "trusted root");
}

/*
 * Which bytes may differ: those behind the signature data, which nobody signed
 * and nobody reads, and no other.  Line ends of the certificates, the final NUL
 * and the outer algorithms are not signed either, but have only one form.
 */
static bool may_differ(size_t i)
{
	return i >= good.quote.len - PADDING;
}

/* The first and the last bit of every byte, and each of every seventh. */
static void flipped_bit_anywhere_is_rejected(void **state)
{
	struct libdstack_verdict v;
	size_t i, bit;
	int err;

	(void)state;
	need_good();
	assert_int_equal(libdstack_collateral_check(good.collateral, root.data,
						    root.len, &v.failure), 0);
	for (i = 0; i < good.quote.len; i++) {
		for (bit = 0; bit < 8; bit += i % 7 ? 7 : 1) {
			good.quote.data[i] ^= 1 << bit;
			err = verify_at(good.quote.data, good.quote.len,
					GOOD_TIME, &v);
			good.quote.data[i] ^= 1 << bit;
			if (!err != may_differ(i))
				fail_msg("a flip of bit %zu of byte %zu: %d",
					 bit, i, err);
			assert_true(!err == !v.failure.step[0]);
		}
	}
	assert_int_equal(verify_at(good.quote.data, good.quote.len, GOOD_TIME,
				   &v), 0);
}

static void padding_may_hold_anything(void **state)
{
	struct libdstack_verdict v;

	(void)state;
	need_good();
	good.quote.data[good.quote.len - PADDING] ^= 1;
	good.quote.data[good.quote.len - 1] ^= 1;
	assert_int_equal(verify_at(good.quote.data, good.quote.len, GOOD_TIME,
				   &v), 0);
	assert_int_equal(verify_at(good.quote.data, good.quote.len - PADDING,
				   GOOD_TIME, &v), 0);
	good.quote.data[good.quote.len - PADDING] ^= 1;
	good.quote.data[good.quote.len - 1] ^= 1;
}

static void quote_cut_off_anywhere_is_rejected(void **state)
{
	struct libdstack_verdict v;
	size_t len;
	char *copy;

	(void)state;
	need_good();
	for (len = 0; len < good.quote.len - PADDING; len++) {
		copy = malloc(len ? len : 1);
		memcpy(copy, good.quote.data, len);
		assert_int_equal(verify_at(copy, len, GOOD_TIME, &v), -EBADMSG);
		free(copy);
	}
}

/* Attack 53: collateral has its time, and so has the verdict. */
static void attack_53_collateral_counts_only_in_its_time(void **state)
{
	const time_t from = parse_time("2026-08-13T10:45:38Z");
	const time_t to = parse_time("2026-09-11T23:57:11Z");
	struct libdstack_verdict v;

	(void)state;
	need_good();
	assert_int_equal(verify_at(good.quote.data, good.quote.len, from, &v),
			 0);
	assert_int_equal(v.earliest_expiry, to);
	assert_int_equal(verify_at(good.quote.data, good.quote.len, to - 1,
				   &v), 0);
	assert_int_equal(verify_at(good.quote.data, good.quote.len, from - 1,
				   &v), -EKEYEXPIRED);
	assert_int_equal(verify_at(good.quote.data, good.quote.len, to + 1,
				   &v), -EKEYEXPIRED);
	assert_int_equal(verify_at(good.quote.data, good.quote.len, 0, &v),
			 -EKEYEXPIRED);
}

static void collateral_of_another_platform_is_rejected(void **state)
{
	const time_t now = parse_time("2026-02-18T11:58:51Z");
	struct libdstack_collateral *c;
	struct libdstack_verdict v;

	(void)state;
	need_good();
	c = load_collateral("90c06f-2026-02.json");
	assert_int_equal(libdstack_quote_verify(good.quote.data, good.quote.len,
						c, root.data, root.len, now,
						&v), -EKEYREJECTED);
	assert_string_equal(v.failure.step, "platform type");
	assert_int_equal(v.failure.reason, LIBDSTACK_REASON_MISMATCH);
	libdstack_collateral_free(c);
}

static void collateral_of_sgx_is_rejected(void **state)
{
	struct libdstack_collateral *c;
	struct libdstack_verdict v;
	struct blob quote;

	(void)state;
	need_vectors();
	quote = load("quotes/", "tdx4-b0c06f-phala.bin");
	c = load_collateral("sgx-00a06711-2025-07.json");
	assert_true(libdstack_quote_verify(quote.data, quote.len, c, root.data,
					   root.len,
					   parse_time("2025-06-19T11:56:11Z"),
					   &v) < 0);
	/* The list is of the other CA, which is found first. */
	assert_int_equal(v.failure.reason, LIBDSTACK_REASON_MISMATCH);
	libdstack_collateral_free(c);
	free(quote.data);
}

/* Expired collateral is refused, and still tells what the platform is worth. */
static void status_is_known_whatever_the_time(void **state)
{
	static const time_t times[] = { 0, GOOD_TIME - 86400, INT32_MAX };
	struct libdstack_verdict v;
	size_t i;

	(void)state;
	need_good();
	for (i = 0; i < 3; i++) {
		assert_int_equal(verify_at(good.quote.data, good.quote.len,
					   times[i], &v), -EKEYEXPIRED);
		assert_string_equal(v.failure.step, "validity");
		assert_int_equal(v.failure.reason, times[i] > GOOD_TIME ?
				 LIBDSTACK_REASON_EXPIRED :
				 LIBDSTACK_REASON_EARLY);
		assert_int_equal(v.status, LIBDSTACK_TCB_UP_TO_DATE);
		assert_int_equal(v.tcb_eval_number, 20);
		assert_int_equal(v.judged_at, times[i]);
	}
}

struct watch {
	char seen[1024];
	size_t steps, failed;
};

static void watch(void *data, const struct libdstack_step *step)
{
	struct watch *w = data;
	size_t len = strlen(w->seen);

	snprintf(w->seen + len, sizeof(w->seen) - len, "%s;", step->name);
	w->steps++;
	w->failed += step->reason != LIBDSTACK_REASON_NONE;
	assert_string_not_equal(step->input, "");
	assert_true(!step->text[0] == !step->reason);
}

static void every_step_is_shown_with_what_it_looked_at(void **state)
{
	static const char all[] =
		"quote format;trusted root;root revocation list;"
		"platform revocation list;TCB info;QE identity;"
		"platform certificate;quoting enclave's report;attestation key;"
		"quote signature;platform type;validity;quoting enclave;"
		"TDX module;TCB level;";
	struct watch w = { .steps = 0 }, again = { .steps = 0 };
	struct libdstack_quote_options opt = {
		.now = GOOD_TIME, .step = watch, .step_data = &w,
	};
	struct libdstack_verdict v;

	(void)state;
	need_good();
	assert_int_equal(libdstack_quote_verify_with(good.quote.data,
						     good.quote.len,
						     good.collateral, &opt, &v),
			 0);
	assert_string_equal(w.seen, all);
	assert_int_equal(w.failed, 0);
	/* Also when one does not hold, but the rest can be judged. */
	opt.now = 0;
	opt.step_data = &again;
	assert_int_equal(libdstack_quote_verify_with(good.quote.data,
						     good.quote.len,
						     good.collateral, &opt, &v),
			 -EKEYEXPIRED);
	assert_string_equal(again.seen, all);
	assert_int_equal(again.failed, 1);
}

/* Checked under one root, judged under another. */
static void checked_collateral_is_not_trusted_elsewhere(void **state)
{
	static const char junk[] = "no certificate";
	struct libdstack_failure failure;
	struct libdstack_verdict v;

	(void)state;
	need_good();
	assert_int_equal(libdstack_collateral_check(good.collateral, NULL, 0,
						    &failure), 0);
	assert_int_equal(failure.reason, LIBDSTACK_REASON_NONE);
	assert_int_equal(libdstack_quote_verify(good.quote.data, good.quote.len,
						good.collateral, junk,
						sizeof(junk), GOOD_TIME, &v),
			 -EBADMSG);
	assert_int_equal(libdstack_collateral_check(good.collateral, junk,
						    sizeof(junk), &failure),
			 -EBADMSG);
	assert_string_equal(failure.step, "trusted root");
	/* What was checked before is kept. */
	assert_int_equal(verify_at(good.quote.data, good.quote.len, GOOD_TIME,
				   &v), 0);
}

static void enclave_of_sgx_needs_its_own_collateral(void **state)
{
	struct libdstack_verdict v;
	struct blob quote;

	(void)state;
	need_good();
	quote = load("quotes/", "sgx3-00a067110000.bin");
	assert_int_equal(verify_at(quote.data, quote.len, GOOD_TIME, &v),
			 -EKEYREJECTED);
	assert_int_equal(v.failure.reason, LIBDSTACK_REASON_MISMATCH);
	assert_int_equal(v.kind, LIBDSTACK_QUOTE_ENCLAVE);
	free(quote.data);
}

/* Verify with one member of the collateral changed. */
static int verify_with(const json_t *doc, const char *key, const char *value)
{
	json_t *copy = json_copy((json_t *)doc);
	struct libdstack_collateral *c;
	struct libdstack_verdict v;
	char *text;
	int err;

	json_object_set_new(copy, key, json_string(value));
	text = json_dumps(copy, 0);
	err = libdstack_collateral_parse(text, strlen(text), &c);
	if (!err) {
		err = libdstack_quote_verify(good.quote.data, good.quote.len,
					     c, root.data, root.len, GOOD_TIME,
					     &v);
		libdstack_collateral_free(c);
	}
	free(text);
	json_decref(copy);
	return err;
}

/* Another character of the same kind, so that the text stays well-formed. */
static char other(char c)
{
	if (c >= '0' && c <= '9')
		return '0' + (c - '0' + 1) % 10;
	if (c >= 'a' && c < 'z')
		return c + 1;
	return c == 'z' ? 'a' : c == 'A' ? 'B' : 'A';
}

/* Signed texts, signatures, chains and lists: some characters of each. */
static void changed_collateral_is_rejected(void **state)
{
	struct blob text;
	const char *key;
	json_t *doc, *value;

	(void)state;
	need_good();
	text = load("collateral/", GOOD_COLLATERAL);
	doc = json_loadb(text.data, text.len, 0, NULL);
	json_object_foreach(doc, key, value) {
		char *changed = strdup(json_string_value(value));
		size_t i, len = strlen(changed);

		assert_int_equal(verify_with(doc, key, changed), 0);
		for (i = 0; i < len; i += 1 + len / 60) {
			char was = changed[i];

			if (was == '\n')
				continue;
			changed[i] = other(was);
			if (!verify_with(doc, key, changed))
				fail_msg("'%s': a change at %zu was accepted",
					 key, i);
			changed[i] = was;
		}
		/* Cut off, and with something behind it. */
		changed[len - 2] = '\0';
		assert_true(verify_with(doc, key, changed) < 0);
		free(changed);
	}
	json_decref(doc);
	free(text.data);
}

static void assert_collateral_refused(const json_t *doc)
{
	struct libdstack_collateral *c = NULL;
	char *text = json_dumps(doc, 0);

	assert_int_equal(libdstack_collateral_parse(text, strlen(text), &c),
			 -EBADMSG);
	assert_null(c);
	free(text);
}

static void collateral_of_another_shape_is_refused(void **state)
{
	struct libdstack_collateral *c;
	struct blob text;
	const char *key;
	json_t *doc, *copy, *value;

	(void)state;
	need_good();
	text = load("collateral/", GOOD_COLLATERAL);
	doc = json_loadb(text.data, text.len, 0, NULL);
	json_object_foreach(doc, key, value) {
		copy = json_copy(doc);
		json_object_del(copy, key);
		assert_collateral_refused(copy);
		json_object_set_new(copy, key, json_null());
		assert_collateral_refused(copy);
		json_decref(copy);
	}
	copy = json_copy(doc);
	json_object_set_new(copy, "more", json_string(""));
	assert_collateral_refused(copy);
	json_decref(copy);
	assert_int_equal(libdstack_collateral_parse("[]", 2, &c), -EBADMSG);
	assert_int_equal(libdstack_collateral_parse("", 0, &c), -EBADMSG);
	assert_int_equal(libdstack_collateral_parse(text.data, text.len - 2,
						    &c), -EBADMSG);
	json_decref(doc);
	free(text.data);
}

static int teardown(void **state)
{
	(void)state;
	libdstack_collateral_free(good.collateral);
	free(good.quote.data);
	free(root.data);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(intels_root_is_known_by_its_key),
		cmocka_unit_test(root_must_be_a_certificate),
		cmocka_unit_test(flipped_bit_anywhere_is_rejected),
		cmocka_unit_test(padding_may_hold_anything),
		cmocka_unit_test(quote_cut_off_anywhere_is_rejected),
		cmocka_unit_test(attack_53_collateral_counts_only_in_its_time),
		cmocka_unit_test(collateral_of_another_platform_is_rejected),
		cmocka_unit_test(collateral_of_sgx_is_rejected),
		cmocka_unit_test(status_is_known_whatever_the_time),
		cmocka_unit_test(every_step_is_shown_with_what_it_looked_at),
		cmocka_unit_test(checked_collateral_is_not_trusted_elsewhere),
		cmocka_unit_test(enclave_of_sgx_needs_its_own_collateral),
		cmocka_unit_test(changed_collateral_is_rejected),
		cmocka_unit_test(collateral_of_another_shape_is_refused),
	};

	return cmocka_run_group_tests_name("verify", tests, NULL, teardown);
}
