// SPDX-License-Identifier: MIT
/*
 * Which TCB level a platform reaches, and what its documents must hold
 *
 * Copyright The dstack for Linux authors
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "dcap/dcap.h"

#define HEX48_ZERO \
	"000000000000000000000000000000000000000000000000" \
	"000000000000000000000000000000000000000000000000"
#define DATES \
	"\"issueDate\":\"2026-01-01T00:00:00Z\"," \
	"\"nextUpdate\":\"2026-02-01T00:00:00Z\","
#define SIGNER \
	"\"mrsigner\":\"" HEX48_ZERO "\",\"attributes\":\"0000000000000000\"," \
	"\"attributesMask\":\"FFFFFFFFFFFFFFFF\""

static json_t *components(int svn)
{
	json_t *array = json_array();
	int i;

	for (i = 0; i < DCAP_SVNS; i++)
		json_array_append_new(array, json_pack("{s:i}", "svn", svn));
	return array;
}

/* A level that asks for @svn of everything. */
static json_t *platform_level(int svn, const char *status)
{
	return json_pack("{s:{s:o, s:o, s:i}, s:s, s:s}", "tcb",
			 "sgxtcbcomponents", components(svn),
			 "tdxtcbcomponents", components(svn), "pcesvn", svn,
			 "tcbDate", "2025-01-01T00:00:00Z",
			 "tcbStatus", status);
}

/* Levels at 9, 7 and 5; modules of version 1 from 6 and of version 2 none. */
static json_t *tcb_info(void)
{
	static const char text[] =
		"{\"id\":\"TDX\",\"version\":3," DATES
		"\"fmspc\":\"00806F050000\",\"pceId\":\"0000\",\"tcbType\":0,"
		"\"tcbEvaluationDataNumber\":20,\"tdxModule\":{" SIGNER "},"
		"\"tdxModuleIdentities\":[{\"id\":\"TDX_01\"," SIGNER ","
		"\"tcbLevels\":[{\"tcb\":{\"isvsvn\":6},"
		"\"tcbDate\":\"2025-01-01T00:00:00Z\","
		"\"tcbStatus\":\"UpToDate\"}]},"
		"{\"id\":\"TDX_02\"," SIGNER ",\"tcbLevels\":[]}]}";
	json_t *doc = json_loads(text, 0, NULL);

	json_object_set_new(doc, "tcbLevels",
			    json_pack("[o, o, o]",
				      platform_level(9, "UpToDate"),
				      platform_level(7, "SWHardeningNeeded"),
				      platform_level(5, "OutOfDate")));
	return doc;
}

static json_t *qe_identity(void)
{
	static const char text[] =
		"{\"id\":\"TD_QE\",\"version\":2," DATES
		"\"tcbEvaluationDataNumber\":20,\"miscselect\":\"00000100\","
		"\"miscselectMask\":\"FFFFFF00\","
		"\"attributes\":\"11000000000000000000000000000000\","
		"\"attributesMask\":\"FBFFFFFFFFFFFFFF0000000000000000\","
		"\"mrsigner\":\"DC9E2A7C6F948F17474E34A7FC43ED030F7C1563F1BABDDF6340C82E0E54A8C5\","
		"\"isvprodid\":2,\"tcbLevels\":[{\"tcb\":{\"isvsvn\":4},"
		"\"tcbDate\":\"2025-01-01T00:00:00Z\","
		"\"tcbStatus\":\"UpToDate\"}]}";

	return json_loads(text, 0, NULL);
}

/* Parse, with *field what was wrong, and free. */
static int parse_tcb_info(const json_t *doc, const char **field)
{
	struct dcap_tcb_info info = { .issued = 0 };
	char *text = json_dumps(doc, 0);
	int err = dcap_tcb_info_parse(text, &info, field);

	dcap_tcb_info_free(&info);
	free(text);
	return err;
}

static int parse_qe_identity(const json_t *doc, const char **field)
{
	struct dcap_qe_identity qe = { .issued = 0 };
	char *text = json_dumps(doc, 0);
	int err = dcap_qe_identity_parse(text, &qe, field);

	dcap_qe_identity_free(&qe);
	free(text);
	return err;
}

/* A platform, everything of which is at 9 and its module of version 1. */
static struct libdstack_verdict verdict;
static struct libdstack_quote_options options;
static struct libdstack_failure failure;
static struct dcap_trust trust;
static uint8_t qe_report[DCAP_QE_REPORT_SIZE];

static void begin(struct dcap *d, const uint8_t *report)
{
	memset(d, 0, sizeof(*d));
	memset(&verdict, 0, sizeof(verdict));
	memset(&trust, 0, sizeof(trust));
	verdict.kind = LIBDSTACK_QUOTE_TD;
	verdict.qe_status = LIBDSTACK_TCB_UP_TO_DATE;
	d->verdict = &verdict;
	d->options = &options;
	d->failure = &failure;
	d->trust = &trust;
	d->quote.qe_report = report;
}

static void platform(struct dcap *d)
{
	const char *field;
	char *text;
	json_t *doc;

	begin(d, qe_report);
	memset(d->pck.svn, 9, sizeof(d->pck.svn));
	memset(verdict.td.tee_tcb_svn, 9, 16);
	verdict.td.tee_tcb_svn[1] = 1;
	d->pck.pcesvn = 9;
	memcpy(d->pck.fmspc, "\x00\x80\x6f\x05\x00\x00", 6);
	doc = tcb_info();
	text = json_dumps(doc, 0);
	assert_int_equal(dcap_tcb_info_parse(text, &trust.tcb_info, &field), 0);
	free(text);
	json_decref(doc);
}

static int check(struct dcap *d)
{
	int err = dcap_check_platform_type(d);

	if (!err)
		err = dcap_check_module(d);
	return err ? err : dcap_check_level(d);
}

static void assert_status(struct dcap *d, enum libdstack_tcb_status want)
{
	int err = check(d);

	assert_int_equal(err, want == LIBDSTACK_TCB_NOT_SUPPORTED ?
			 -EKEYREJECTED : 0);
	assert_int_equal(verdict.status, want);
	dcap_tcb_info_free(&trust.tcb_info);
}

/* One SVN of the platform, or PCESVN, decides the level. */
static void every_component_is_compared(void **state)
{
	static const struct {
		uint8_t svn;
		enum libdstack_tcb_status want;
	} cases[] = {
		{ 255, LIBDSTACK_TCB_UP_TO_DATE },
		{ 9, LIBDSTACK_TCB_UP_TO_DATE },
		{ 8, LIBDSTACK_TCB_SW_HARDENING_NEEDED },
		{ 7, LIBDSTACK_TCB_SW_HARDENING_NEEDED },
		{ 6, LIBDSTACK_TCB_OUT_OF_DATE },
		{ 5, LIBDSTACK_TCB_OUT_OF_DATE },
		{ 4, LIBDSTACK_TCB_NOT_SUPPORTED },
		{ 0, LIBDSTACK_TCB_NOT_SUPPORTED },
	};
	struct dcap d;
	size_t i, k;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		for (k = 0; k < DCAP_SVNS; k++) {
			platform(&d);
			d.pck.svn[k] = cases[i].svn;
			assert_status(&d, cases[i].want);
		}
		for (k = 2; k < DCAP_SVNS; k++) {
			platform(&d);
			verdict.td.tee_tcb_svn[k] = cases[i].svn;
			assert_status(&d, cases[i].want);
		}
		platform(&d);
		d.pck.pcesvn = cases[i].svn;
		assert_status(&d, cases[i].want);
	}
}

/* A module of version 0 has no levels of its own: its SVN is a component. */
static void module_of_version_0_is_a_component(void **state)
{
	struct dcap d;

	(void)state;
	platform(&d);
	verdict.td.tee_tcb_svn[1] = 0;
	assert_status(&d, LIBDSTACK_TCB_NOT_SUPPORTED);
	/* Where no level asks for anything at index 1. */
	platform(&d);
	verdict.td.tee_tcb_svn[1] = 0;
	verdict.td.tee_tcb_svn[0] = 8;
	for (size_t i = 0; i < trust.tcb_info.levels.nr; i++)
		trust.tcb_info.levels.level[i].tdx[1] = 0;
	assert_status(&d, LIBDSTACK_TCB_SW_HARDENING_NEEDED);
}

static void module_needs_a_level_of_its_own(void **state)
{
	struct dcap d;

	(void)state;
	platform(&d);
	verdict.td.tee_tcb_svn[0] = 6;
	assert_status(&d, LIBDSTACK_TCB_UP_TO_DATE);
	platform(&d);
	verdict.td.tee_tcb_svn[0] = 5;
	assert_status(&d, LIBDSTACK_TCB_NOT_SUPPORTED);
	platform(&d);
	verdict.td.tee_tcb_svn[1] = 2;
	assert_status(&d, LIBDSTACK_TCB_NOT_SUPPORTED);
}

static void other_platform_type_is_rejected(void **state)
{
	struct dcap d;
	size_t i;

	(void)state;
	for (i = 0; i < DCAP_FMSPC_SIZE + DCAP_PCEID_SIZE; i++) {
		platform(&d);
		if (i < DCAP_FMSPC_SIZE)
			d.pck.fmspc[i] ^= 1;
		else
			d.pck.pceid[i - DCAP_FMSPC_SIZE] ^= 1;
		assert_int_equal(dcap_check_platform_type(&d), -EKEYREJECTED);
		dcap_tcb_info_free(&trust.tcb_info);
	}
}

static void masks_hide_what_they_don_t_name(void **state)
{
	struct dcap d;
	const char *field;
	char *text;
	json_t *doc = qe_identity();
	uint8_t report[DCAP_QE_REPORT_SIZE] = { 0 };

	(void)state;
	begin(&d, report);
	text = json_dumps(doc, 0);
	assert_int_equal(dcap_qe_identity_parse(text, &trust.qe, &field), 0);
	/* The masks leave out the low byte, and bit 2 and the upper half. */
	report[16] = 0xff;
	report[17] = 1;
	report[48] = 0x15;
	memset(report + 56, 0xff, 8);
	memcpy(report + 128, trust.qe.mrsigner, 32);
	report[256] = 2;
	report[258] = 4;
	assert_int_equal(dcap_check_qe(&d), 0);
	report[17] = 0;
	assert_int_equal(dcap_check_qe(&d), -EKEYREJECTED);
	report[17] = 1;
	report[55] = 1;
	assert_int_equal(dcap_check_qe(&d), -EKEYREJECTED);
	report[55] = 0;
	report[258] = 3;
	assert_int_equal(dcap_check_qe(&d), -EKEYREJECTED);
	assert_int_equal(verdict.qe_status, LIBDSTACK_TCB_NOT_SUPPORTED);
	dcap_qe_identity_free(&trust.qe);
	free(text);
	json_decref(doc);
}

/* Each member missing, null and of another type. */
static void assert_members_needed(json_t *(*make)(void),
				  int (*parse)(const json_t *, const char **),
				  const char *optional)
{
	json_t *doc = make(), *copy, *value;
	const char *key, *field;

	assert_int_equal(parse(doc, &field), 0);
	json_object_foreach(doc, key, value) {
		copy = json_deep_copy(doc);
		json_object_set_new(copy, key, json_null());
		assert_int_equal(parse(copy, &field), -EBADMSG);
		json_object_set_new(copy, key, json_true());
		assert_int_equal(parse(copy, &field), -EBADMSG);
		json_object_del(copy, key);
		if (strcmp(key, optional))
			assert_int_equal(parse(copy, &field), -EBADMSG);
		json_decref(copy);
	}
	json_decref(doc);
}

static void every_member_is_needed(void **state)
{
	(void)state;
	assert_members_needed(tcb_info, parse_tcb_info, "tdxModuleIdentities");
	assert_members_needed(qe_identity, parse_qe_identity, "");
}

static void members_must_make_sense(void **state)
{
	static const struct {
		const char *key, *value;
	} cases[] = {
		{ "id", "\"SEV\"" }, { "version", "2" }, { "version", "4" },
		{ "tcbType", "1" }, { "tcbEvaluationDataNumber", "-1" },
		{ "tcbEvaluationDataNumber", "4294967296" },
		{ "fmspc", "\"00\"" }, { "fmspc", "\"00806F05000g\"" },
		{ "pceId", "\"000000\"" },
		{ "issueDate", "\"2026-01-01\"" },
		{ "issueDate", "\"2026-01-01T00:00:00+00:00\"" },
		{ "issueDate", "\"2026-1-1T0:0:0Z\"" },
		{ "issueDate", "\" 2026-01-01T00:00:00Z\"" },
		{ "nextUpdate", "\"2026-02-30T00:00:00Z\"" },
		{ "nextUpdate", "\"2026-02-01T00:00:00Z \"" },
		{ "nextUpdate", "1" },
		{ "tcbLevels", "[{}]" }, { "tcbLevels", "[3]" },
		{ "tdxModuleIdentities", "[{}]" }, { "tdxModule", "{}" },
	};
	const char *field;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		json_t *doc = tcb_info();

		json_object_set_new(doc, cases[i].key,
				    json_loads(cases[i].value, JSON_DECODE_ANY,
					       NULL));
		assert_int_equal(parse_tcb_info(doc, &field), -EBADMSG);
		json_decref(doc);
	}
}

/* Change the first level's member, or its tcb's. */
static int parse_with_level(const char *key, json_t *value, bool in_tcb)
{
	json_t *doc = tcb_info();
	json_t *level = json_array_get(json_object_get(doc, "tcbLevels"), 0);
	const char *field;
	int err;

	if (in_tcb)
		level = json_object_get(level, "tcb");
	json_object_set_new(level, key, value);
	err = parse_tcb_info(doc, &field);
	json_decref(doc);
	return err;
}

static void levels_must_make_sense(void **state)
{
	static const char * const results[] = {
		"TDRelaunchAdvised", "NotSupported", "none", "", "uptodate",
	};
	json_t *array = components(3);
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(results) / sizeof(results[0]); i++)
		assert_int_equal(parse_with_level("tcbStatus",
						  json_string(results[i]),
						  false), -EBADMSG);
	assert_int_equal(parse_with_level("tcbDate", json_string("today"),
					  false), -EBADMSG);
	assert_int_equal(parse_with_level("advisoryIDs", json_string("x"),
					  false), -EBADMSG);
	assert_int_equal(parse_with_level("advisoryIDs", json_pack("[i]", 1),
					  false), -EBADMSG);
	assert_int_equal(parse_with_level("pcesvn", json_integer(65536), true),
			 -EBADMSG);
	assert_int_equal(parse_with_level("sgxtcbcomponents", components(256),
					  true), -EBADMSG);
	assert_int_equal(parse_with_level("tdxtcbcomponents", components(-1),
					  true), -EBADMSG);
	json_array_remove(array, 0);
	assert_int_equal(parse_with_level("tdxtcbcomponents", array, true),
			 -EBADMSG);
	/* What Intel adds is skipped. */
	assert_int_equal(parse_with_level("more", json_true(), false), 0);
}

static void too_many_levels_are_refused(void **state)
{
	json_t *doc = tcb_info();
	json_t *levels = json_object_get(doc, "tcbLevels");
	const char *field;

	(void)state;
	while (json_array_size(levels) < 256)
		json_array_append_new(levels, platform_level(1, "OutOfDate"));
	assert_int_equal(parse_tcb_info(doc, &field), 0);
	json_array_append_new(levels, platform_level(1, "OutOfDate"));
	assert_int_equal(parse_tcb_info(doc, &field), -EBADMSG);
	assert_string_equal(field, "tcbLevels");
	json_decref(doc);
}

static void advisories_are_a_sorted_union(void **state)
{
	struct dcap d;
	json_t *some = json_pack("[s, s]", "B", "A");
	json_t *more = json_pack("[s, s]", "A", "C");
	json_t *many = json_array();
	char name[64];
	int i;

	(void)state;
	platform(&d);
	trust.tcb_info.levels.level[0].advisories = some;
	trust.tcb_info.modules[0].levels.level[0].advisories = more;
	assert_int_equal(check(&d), 0);
	assert_string_equal(verdict.advisories, "A,B,C");
	/* More than there is room for end in dots, within the room. */
	for (i = 0; i < 300; i++) {
		snprintf(name, sizeof(name), "INTEL-SA-%05d", i);
		json_array_append_new(many, json_string(name));
	}
	trust.tcb_info.levels.level[0].advisories = many;
	assert_int_equal(check(&d), 0);
	assert_true(strlen(verdict.advisories) < sizeof(verdict.advisories));
	assert_non_null(strstr(verdict.advisories, ",..."));
	/* Which has the other two by now. */
	dcap_tcb_info_free(&trust.tcb_info);
	json_decref(some);
}

static void status_names_go_both_ways(void **state)
{
	int i;

	(void)state;
	for (i = 0; i < __LIBDSTACK_TCB_MAX; i++) {
		const char *name = libdstack_tcb_status_name(i);

		assert_int_equal(libdstack_tcb_status_from_name(name), i);
	}
	assert_int_equal(libdstack_tcb_status_from_name("unheard"),
			 __LIBDSTACK_TCB_MAX);
	assert_string_equal(libdstack_tcb_status_name(__LIBDSTACK_TCB_MAX),
			    "unknown");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_component_is_compared),
		cmocka_unit_test(module_of_version_0_is_a_component),
		cmocka_unit_test(module_needs_a_level_of_its_own),
		cmocka_unit_test(other_platform_type_is_rejected),
		cmocka_unit_test(masks_hide_what_they_don_t_name),
		cmocka_unit_test(every_member_is_needed),
		cmocka_unit_test(members_must_make_sense),
		cmocka_unit_test(levels_must_make_sense),
		cmocka_unit_test(too_many_levels_are_refused),
		cmocka_unit_test(advisories_are_a_sorted_union),
		cmocka_unit_test(status_names_go_both_ways),
	};

	return cmocka_run_group_tests_name("levels", tests, NULL, NULL);
}
