// SPDX-License-Identifier: MIT
/*
 * Genuine quotes get the verdict that Intel's rules give them
 *
 * Copyright The dstack for Linux authors
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <libdstack_quote.h>

#include "vectors_fixture.h"

/* One row of expected.json, and what goes with it. */
struct row {
	const json_t *expect, *manifest;
	struct blob quote;
	struct libdstack_collateral *collateral;
	time_t time;
	struct libdstack_verdict v;
};

typedef void (*row_fn)(struct row *row);

static void with_row(const json_t *manifest, const json_t *expect, row_fn fn)
{
	struct row row = { .expect = expect, .manifest = manifest };

	row.quote = load("quotes/", text_of(expect, "quote"));
	row.collateral = load_collateral(text_of(expect, "collateral"));
	row.time = parse_time(text_of(expect, "time"));
	fn(&row);
	libdstack_collateral_free(row.collateral);
	free(row.quote.data);
}

static void with_all_rows(row_fn fn)
{
	struct blob text;
	json_t *doc, *expect;
	size_t i;

	need_vectors();
	text = load("", "expected.json");
	doc = json_loadb(text.data, text.len, 0, NULL);
	json_array_foreach(json_object_get(doc, "expect"), i, expect)
		with_row(json_object_get(doc, "manifest"), expect, fn);
	assert_true(i >= 31);
	json_decref(doc);
	free(text.data);
}

static int verify_at(struct row *row, time_t now)
{
	return libdstack_quote_verify(row->quote.data, row->quote.len,
				      row->collateral, root.data, root.len,
				      now, &row->v);
}

static bool is_true(const struct row *row, const char *key)
{
	return json_is_true(json_object_get(row->expect, key));
}

static void assert_is(const struct row *row, const char *key, const char *have)
{
	assert_string_equal(have, text_of(row->expect, key));
}

/* The debug attribute of either kind. */
static bool is_debug(const struct libdstack_verdict *v)
{
	return v->kind == LIBDSTACK_QUOTE_TD ? v->td.attributes[0] & 1 :
		v->enclave.attributes[0] & 2;
}

static void check_verdict(struct row *row)
{
	const struct libdstack_verdict *v = &row->v;
	int err = verify_at(row, row->time);
	char list[4096];

	if (!is_true(row, "ok")) {
		assert_int_equal(err, -EKEYREJECTED);
		assert_int_equal(v->failure.reason, LIBDSTACK_REASON_LEVEL);
		assert_int_equal(v->status, LIBDSTACK_TCB_NOT_SUPPORTED);
		return;
	}
	assert_int_equal(err, 0);
	assert_is(row, "status", libdstack_tcb_status_name(v->status));
	assert_is(row, "qe", libdstack_tcb_status_name(v->qe_status));
	assert_is(row, "module", libdstack_tcb_status_name(v->module_status));
	assert_is(row, "tcb_date", v->tcb_date);
	join(json_object_get(row->expect, "advisories"), list, sizeof(list));
	assert_string_equal(v->advisories, list);
	assert_int_equal(is_debug(v), is_true(row, "debug"));
	assert_string_equal(v->failure.step, "");
}

static void every_quote_gets_its_verdict(void **state)
{
	(void)state;
	with_all_rows(check_verdict);
}

static const json_t *manifest_of(const struct row *row, const char *what,
				 const char *key)
{
	return json_object_get(json_object_get(row->manifest, what),
			       text_of(row->expect, key));
}

/* What the list says of a quote is what is read from it. */
static void check_fields(struct row *row)
{
	const json_t *quote = manifest_of(row, "quotes", "quote");
	const json_t *c = manifest_of(row, "collateral", "collateral");
	const struct libdstack_verdict *v = &row->v;
	char hex[2 * 48 + 1];

	verify_at(row, row->time);
	assert_string_equal(libdstack_to_hex(v->fmspc, 6, hex),
			    text_of(quote, "fmspc"));
	assert_int_equal(v->quote_version,
			 json_integer_value(json_object_get(quote, "version")));
	assert_int_equal(v->tcb_eval_number,
			 json_integer_value(json_object_get(c, "eval")));
	if (v->kind != LIBDSTACK_QUOTE_TD)
		return;
	assert_string_equal(libdstack_to_hex(v->td.mr_td, 48, hex),
			    text_of(quote, "mrtd"));
	assert_string_equal(libdstack_to_hex(v->td.rtmr[3], 48, hex),
			    text_of(quote, "rtmr3"));
	assert_string_equal(libdstack_to_hex(v->td.tee_tcb_svn, 16, hex),
			    text_of(quote, "tee_tcb_svn"));
}

static void fields_are_those_of_the_list(void **state)
{
	(void)state;
	with_all_rows(check_fields);
}

/* Attack 53: to the second, whatever the verdict is in between. */
static void check_window(struct row *row)
{
	const json_t *c = manifest_of(row, "collateral", "collateral");
	const time_t from = parse_time(text_of(c, "valid_from"));
	const time_t to = parse_time(text_of(c, "valid_to"));
	const struct libdstack_verdict *v = &row->v;
	int in_time = verify_at(row, row->time);
	enum libdstack_tcb_status status = v->status;

	assert_int_equal(v->earliest_expiry, to);
	assert_int_equal(verify_at(row, to), in_time);
	assert_int_equal(verify_at(row, to + 1), -EKEYEXPIRED);
	assert_int_equal(v->failure.reason, LIBDSTACK_REASON_EXPIRED);
	assert_int_equal(v->status, status);
	assert_int_equal(verify_at(row, from - 1), -EKEYEXPIRED);
	assert_int_equal(v->failure.reason, LIBDSTACK_REASON_EARLY);
	assert_int_equal(v->status, status);
}

static void attack_53_collateral_has_its_time(void **state)
{
	(void)state;
	with_all_rows(check_window);
}

/*
 * @phala/dcap-qvl compares all sixteen components, and refuses what here is
 * for the policy to judge: with that option and the default policy the answers
 * are the same.
 */
static void check_agreement(struct row *row)
{
	const char *theirs = text_of(row->expect, "dcap_qvl_js");
	struct libdstack_quote_options opt = {
		.root = root.data, .root_len = root.len, .now = row->time,
		.all_components = true,
	};
	struct libdstack_quote_policy policy;
	struct libdstack_failure failure;
	const char *name;

	libdstack_quote_verify_with(row->quote.data, row->quote.len,
				    row->collateral, &opt, &row->v);
	name = libdstack_tcb_status_name(row->v.status);
	if (!strncmp(theirs, "ERR No matching TCB level", 25)) {
		assert_int_equal(row->v.status, LIBDSTACK_TCB_NOT_SUPPORTED);
		return;
	}
	assert_int_equal(row->v.failure.reason, LIBDSTACK_REASON_NONE);
	libdstack_quote_policy_default(&policy);
	policy.tcb_allowed = ~0U;
	libdstack_quote_policy_check(&policy, &row->v, NULL, NULL, &failure);
	if (!strcmp(theirs, "ERR Debug mode is enabled")) {
		assert_string_equal(failure.step, "attributes");
	} else if (!strcmp(theirs, "ERR Invalid mr service td")) {
		assert_string_equal(failure.step, "service TD");
	} else {
		assert_string_equal(failure.step, "");
		assert_int_equal(strncmp(theirs, name, strlen(name)), 0);
		assert_int_equal(theirs[strlen(name)], ' ');
	}
}

static void stricter_component_rule_agrees_with_phala(void **state)
{
	(void)state;
	with_all_rows(check_agreement);
}

static bool is_service_td(const struct row *row)
{
	return strstr(text_of(row->expect, "quote"), "servicetd");
}

/* Attacks 51 and 52, with quotes that somebody made in earnest. */
static void check_policy(struct row *row)
{
	struct libdstack_quote_policy policy;
	struct libdstack_failure failure;
	int err = verify_at(row, row->time), judged;
	bool good = !err && !is_true(row, "debug") && !is_service_td(row) &&
		row->v.status <= LIBDSTACK_TCB_SW_HARDENING_NEEDED;

	libdstack_quote_policy_default(&policy);
	judged = libdstack_quote_policy_check(&policy, &row->v, NULL, NULL,
					      &failure);
	assert_int_equal(!judged, good);
	if (err)
		assert_int_equal(judged, err);
	else if (judged)
		assert_int_equal(failure.reason, LIBDSTACK_REASON_POLICY);
}

static void attack_51_52_default_policy_is_exact(void **state)
{
	(void)state;
	with_all_rows(check_policy);
}

/* Attack 54: every length of every quote, up to its signature data's end. */
static void check_truncation(struct row *row)
{
	struct dcap_quote q;
	const char *why;
	size_t end, len;

	assert_int_equal(dcap_quote_parse(row->quote.data, row->quote.len, &q,
					  &why), 0);
	end = (const char *)q.chain + q.chain_len - row->quote.data;
	for (len = 0; len < end; len += len < 700 ? 1 : 13) {
		char *copy = malloc(len ? len : 1);

		memcpy(copy, row->quote.data, len);
		assert_int_equal(dcap_quote_parse(copy, len, &q, &why),
				 -EBADMSG);
		free(copy);
	}
}

static void attack_54_truncated_quotes_are_refused(void **state)
{
	(void)state;
	with_all_rows(check_truncation);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_quote_gets_its_verdict),
		cmocka_unit_test(fields_are_those_of_the_list),
		cmocka_unit_test(attack_53_collateral_has_its_time),
		cmocka_unit_test(stricter_component_rule_agrees_with_phala),
		cmocka_unit_test(attack_51_52_default_policy_is_exact),
		cmocka_unit_test(attack_54_truncated_quotes_are_refused),
	};

	return cmocka_run_group_tests_name("vectors", tests, NULL, NULL);
}
