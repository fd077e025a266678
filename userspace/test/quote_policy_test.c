// SPDX-License-Identifier: MIT
/*
 * A policy accepts what it names, and nothing that it does not
 *
 * Copyright The dstack for Linux authors
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <libdstack.h>
#include <libdstack_quote.h>
#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>

#define DAY	86400
#define DATE	1700000000	/* of the level */

#define STATUS(suffix) LIBDSTACK_TCB_##suffix

static struct libdstack_quote_policy policy;
static struct libdstack_verdict verdict;
static struct libdstack_failure failure;

/* A TD that nothing is to be said against, on a platform that is up to date. */
static void good_td(void)
{
	memset(&verdict, 0, sizeof(verdict));
	verdict.kind = LIBDSTACK_QUOTE_TD;
	verdict.quote_version = 5;
	verdict.status = STATUS(UP_TO_DATE);
	verdict.td.attributes[3] = 0x10;	/* SEPT_VE_DISABLE */
	verdict.tcb_eval_number = 20;
	verdict.tcb_time = DATE;
	verdict.judged_at = DATE + 30 * DAY;
	memset(verdict.ppid, 7, sizeof(verdict.ppid));
	memset(verdict.td.report_data, 0x5a, sizeof(verdict.td.report_data));
}

static int check(void)
{
	return libdstack_quote_policy_check(&policy, &verdict, NULL, NULL,
					    &failure);
}

static void assert_accepted(void)
{
	assert_int_equal(check(), 0);
	assert_int_equal(failure.reason, LIBDSTACK_REASON_NONE);
	assert_string_equal(failure.text, "");
}

static void assert_refused(const char *step)
{
	assert_int_equal(check(), -EKEYREJECTED);
	assert_int_equal(failure.reason, LIBDSTACK_REASON_POLICY);
	assert_string_equal(failure.step, step);
	assert_string_not_equal(failure.text, "");
}

static int parse(const char *text)
{
	return libdstack_quote_policy_parse(text, strlen(text), &policy,
					    &failure);
}

/* The policy has these members, and is accepted. */
static void use(const char *members)
{
	char text[512];

	snprintf(text, sizeof(text), "{\"version\":1,%s}", members);
	assert_int_equal(parse(text), 0);
}

static int setup(void **state)
{
	(void)state;
	libdstack_quote_policy_default(&policy);
	good_td();
	return 0;
}

/* Attack 52: exactly these two, unless the policy says otherwise. */
static void attack_52_each_status_is_a_choice(void **state)
{
	enum libdstack_tcb_status s;

	(void)state;
	for (s = 0; s < __LIBDSTACK_TCB_MAX; s++) {
		verdict.status = s;
		libdstack_quote_policy_default(&policy);
		if (s <= STATUS(SW_HARDENING_NEEDED))
			assert_accepted();
		else
			assert_refused("TCB status");
		/* A bit for each; none is enough for what is revoked. */
		policy.tcb_allowed = 1U << s;
		if (s < STATUS(REVOKED))
			assert_accepted();
		else
			assert_refused("TCB status");
		policy.tcb_allowed = ~(1U << s);
		assert_refused("TCB status");
	}
}

/* Attack 52: to the second. */
static void attack_52_grace_ends_exactly(void **state)
{
	static const struct {
		enum libdstack_tcb_status status;
		bool forgiven;
	} cases[] = {
		{ STATUS(OUT_OF_DATE), true },
		{ STATUS(TD_RELAUNCH_ADVISED), true },
		{ STATUS(OUT_OF_DATE_CONFIGURATION_NEEDED), false },
		{ STATUS(CONFIGURATION_NEEDED), false },
		{ STATUS(REVOKED), false },
		{ STATUS(NOT_SUPPORTED), false },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		libdstack_quote_policy_default(&policy);
		policy.grace = 30 * DAY;
		verdict.status = cases[i].status;
		verdict.judged_at = DATE + 30 * DAY;
		if (cases[i].forgiven)
			assert_accepted();
		else
			assert_refused("TCB status");
		verdict.judged_at++;
		assert_refused("TCB status");
		verdict.judged_at--;
		policy.grace--;
		assert_refused("TCB status");
		policy.grace = 0;
		assert_refused("TCB status");
	}
	/* It makes up for age alone. */
	policy.grace = 30 * DAY;
	policy.tcb_allowed |= 1U << STATUS(CONFIGURATION_NEEDED);
	verdict.status = STATUS(OUT_OF_DATE_CONFIGURATION_NEEDED);
	assert_accepted();
	/* A level without a date has no age. */
	verdict.tcb_time = 0;
	assert_refused("TCB status");
}

static void attack_52_advisories_are_accepted_by_name(void **state)
{
	(void)state;
	strcpy(verdict.advisories, "INTEL-SA-00001,INTEL-SA-00002");
	assert_accepted();
	use("\"advisories\":[\"INTEL-SA-00002\",\"INTEL-SA-00001\"]");
	assert_accepted();
	use("\"advisories\":[\"INTEL-SA-00001\"]");
	assert_refused("advisories");
	assert_non_null(strstr(failure.text, "INTEL-SA-00002"));
	/* Nothing of a name is a name. */
	use("\"advisories\":[\"INTEL-SA-00001\",\"INTEL-SA-0000\",\"INTEL-SA-000022\"]");
	assert_refused("advisories");
	use("\"advisories\":[]");
	assert_refused("advisories");
	verdict.advisories[0] = '\0';
	assert_accepted();
	/* A list that did not fit is not one that was seen whole. */
	use("\"advisories\":[\"INTEL-SA-00001\"]");
	strcpy(verdict.advisories, "INTEL-SA-00001,...");
	assert_refused("advisories");
}

/* Attack 53: collateral of an older evaluation. */
static void attack_53_older_evaluation_is_refused(void **state)
{
	(void)state;
	policy.min_eval_number = 20;
	assert_accepted();
	policy.min_eval_number = 21;
	assert_refused("evaluation");
	use("\"min_tcb_evaluation\":20");
	assert_accepted();
	verdict.tcb_eval_number = 19;
	assert_refused("evaluation");
}

/* Attack 51: one bit of the attributes each. */
static void attack_51_every_attribute_is_a_choice(void **state)
{
	const uint64_t fine = LIBDSTACK_TD_SEPT_VE_DISABLE |
		LIBDSTACK_TD_LASS | LIBDSTACK_TD_PKS | LIBDSTACK_TD_KL |
		LIBDSTACK_TD_PERFMON;
	int bit;

	(void)state;
	for (bit = 0; bit < 64; bit++) {
		good_td();
		verdict.td.attributes[bit / 8] |= 1 << bit % 8;
		if (fine >> bit & 1)
			assert_accepted();
		else
			assert_refused("attributes");
	}
	good_td();
	verdict.td.attributes[3] = 0;
	assert_refused("attributes");
	assert_non_null(strstr(failure.text, "SEPT_VE_DISABLE is off"));
}

static void attack_51_debug_and_migration_are_named(void **state)
{
	(void)state;
	verdict.td.attributes[0] = 1;
	assert_refused("attributes");
	assert_non_null(strstr(failure.text, "a debug TD"));
	use("\"td_attributes_allowed\":[\"DEBUG\",\"SEPT_VE_DISABLE\"]");
	assert_accepted();
	verdict.td.attributes[0] = 3;
	assert_refused("attributes");
	verdict.td.attributes[0] = 0;
	verdict.td.attributes[3] |= 0x20;
	assert_refused("attributes");
	assert_non_null(strstr(failure.text, "it can migrate"));
	use("\"td_attributes_allowed\":[\"MIGRATABLE\"],\"td_attributes_required\":[]");
	assert_refused("attributes");
	verdict.td.attributes[3] = 0x20;
	assert_accepted();
}

static void attack_51_service_td_must_be_the_named_one(void **state)
{
	char text[256], hex[97];

	(void)state;
	verdict.td.mr_service_td[47] = 1;
	assert_refused("service TD");
	memset(hex, '0', sizeof(hex) - 1);
	hex[96] = '\0';
	hex[95] = '1';
	snprintf(text, sizeof(text), "{\"version\":1,\"mr_service_td\":\"%s\"}",
		 hex);
	assert_int_equal(parse(text), 0);
	assert_accepted();
	/* One that is named must be there. */
	verdict.td.mr_service_td[47] = 0;
	assert_refused("service TD");
	use("\"mr_service_td\":\"any\"");
	assert_accepted();
	verdict.td.mr_service_td[0] = 9;
	assert_accepted();
}

static void attack_51_debug_enclave_is_refused(void **state)
{
	(void)state;
	memset(&verdict.td, 0, sizeof(verdict.td));
	verdict.kind = LIBDSTACK_QUOTE_ENCLAVE;
	verdict.enclave.attributes[0] = 5;
	assert_accepted();
	verdict.enclave.attributes[0] = 7;
	assert_refused("attributes");
	use("\"enclave_debug\":true");
	assert_accepted();
}

/* Attack 48: another nonce, one bit of it. */
static void attack_48_report_data_must_be_as_given(void **state)
{
	size_t i;

	(void)state;
	policy.pin_report_data = true;
	memset(policy.report_data, 0x5a, sizeof(policy.report_data));
	assert_accepted();
	for (i = 0; i < sizeof(policy.report_data); i++) {
		policy.report_data[i] ^= 1 << i % 8;
		assert_refused("report data");
		policy.report_data[i] ^= 1 << i % 8;
	}
	/* Of enclaves, the enclave's. */
	verdict.kind = LIBDSTACK_QUOTE_ENCLAVE;
	assert_refused("report data");
	memcpy(verdict.enclave.report_data, policy.report_data,
	       sizeof(policy.report_data));
	assert_accepted();
}

/* Attack 58: a quote that is well signed, by a platform that nobody listed. */
static void attack_58_unlisted_platform_is_refused(void **state)
{
	uint8_t device[32];
	char hex[65], text[256];

	(void)state;
	libdstack_quote_device(&verdict, device);
	snprintf(text, sizeof(text),
		 "{\"version\":1,\"devices\":[\"%064d\",\"%s\"]}", 0,
		 libdstack_to_hex(device, sizeof(device), hex));
	assert_int_equal(parse(text), 0);
	assert_accepted();
	verdict.ppid[15] ^= 1;
	assert_refused("device");
	policy.nr_devices = 1;
	verdict.ppid[15] ^= 1;
	assert_refused("device");
	policy.nr_devices = 0;
	assert_accepted();
}

static void device_is_the_hash_of_the_ppid(void **state)
{
	uint8_t device[32], want[32];

	(void)state;
	SHA256(verdict.ppid, sizeof(verdict.ppid), want);
	libdstack_quote_device(&verdict, device);
	assert_memory_equal(device, want, sizeof(want));
}

/* No policy makes up for a quote that is not genuine. */
static void refused_quote_stays_refused(void **state)
{
	(void)state;
	policy.tcb_allowed = ~0U;
	verdict.failure.reason = LIBDSTACK_REASON_EXPIRED;
	strcpy(verdict.failure.step, "validity");
	strcpy(verdict.failure.text, "expired");
	assert_int_equal(check(), -EKEYEXPIRED);
	assert_int_equal(failure.reason, LIBDSTACK_REASON_EXPIRED);
	assert_string_equal(failure.step, "validity");
	memset(&verdict, 0, sizeof(verdict));
	assert_refused("TCB status");
}

static void count_step(void *data, const struct libdstack_step *step)
{
	size_t *counts = data;

	counts[0]++;
	counts[1] += step->reason != LIBDSTACK_REASON_NONE;
	assert_string_not_equal(step->input, "");
	assert_true(!step->reason == !step->text[0]);
}

static void every_condition_is_shown(void **state)
{
	size_t counts[2] = { 0, 0 };

	(void)state;
	verdict.status = STATUS(OUT_OF_DATE);
	verdict.td.attributes[0] = 1;
	policy.min_eval_number = 21;
	assert_int_equal(libdstack_quote_policy_check(&policy, &verdict,
						      count_step, counts,
						      &failure),
			 -EKEYREJECTED);
	assert_string_equal(failure.step, "TCB status");
	assert_int_equal(counts[0], 7);
	assert_int_equal(counts[1], 3);
}

#define V "{\"version\":1,"

/* Attack 76, for this kind of policy. */
static void attack_76_policy_of_another_shape_is_refused(void **state)
{
	static const char * const bad[] = {
		"", "[]", "{}", "1", "{\"version\":1", "{\"version\":1}x",
		"{\"version\":2}", "{\"version\":\"1\"}", "{\"version\":1.0}",
		"{\"version\":true}", "{\"version\":1,\"version\":1}",
		V "\"more\":1}", V "\"Version\":1}",
		V "\"tcb_status\":\"UpToDate\"}", V "\"tcb_status\":[1]}",
		V "\"tcb_status\":[\"uptodate\"]}",
		V "\"tcb_status\":[\"Revoked\"]}",
		V "\"tcb_status\":[\"NotSupported\"]}",
		V "\"tcb_status\":[\"none\"]}",
		V "\"tcb_status\":[\"UpToDate\\u0000\"]}",
		V "\"grace_seconds\":-1}", V "\"grace_seconds\":4294967296}",
		V "\"grace_seconds\":1.5}", V "\"grace_seconds\":\"1\"}",
		V "\"min_tcb_evaluation\":null}",
		V "\"advisories\":\"INTEL-SA-00001\"}",
		V "\"advisories\":[\"\"]}", V "\"advisories\":[\"a,b\"]}",
		V "\"td_attributes_allowed\":0}",
		V "\"td_attributes_allowed\":[\"debug\"]}",
		V "\"td_attributes_required\":[0]}",
		V "\"enclave_debug\":1}", V "\"mr_service_td\":\"00\"}",
		V "\"mr_service_td\":null}", V "\"report_data\":\"00\"}",
		V "\"report_data\":7}", V "\"devices\":[]}",
		V "\"devices\":\"any\"}", V "\"devices\":[\"00\"]}",
		V "\"devices\":[null]}",
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (parse(bad[i]) != -EBADMSG)
			fail_msg("accepted: %s", bad[i]);
		assert_int_equal(failure.reason, LIBDSTACK_REASON_MALFORMED);
		assert_string_not_equal(failure.text, "");
	}
	assert_int_equal(parse("{\"version\":1}"), 0);
	assert_accepted();
}

static void attack_47_policy_beyond_the_limit_is_refused(void **state)
{
	size_t len = LIBDSTACK_QUOTE_POLICY_MAX + 1, i;
	char *text = malloc(len + 1);

	(void)state;
	memset(text, ' ', len);
	memcpy(text, "{\"version\":1}", 13);
	text[len] = '\0';
	assert_int_equal(libdstack_quote_policy_parse(text, len, &policy,
						      &failure), -EBADMSG);
	assert_int_equal(libdstack_quote_policy_parse(text, len - 1, &policy,
						      &failure), 0);
	/* deep nesting, many devices, many advisories */
	memset(text, '[', len);
	assert_int_equal(parse(text), -EBADMSG);
	i = sprintf(text, V "\"advisories\":[");
	while (i < 2000)
		i += sprintf(text + i, "\"INTEL-SA-%zu\",", i);
	sprintf(text + i, "\"last\"]}");
	assert_int_equal(parse(text), -EBADMSG);
	i = sprintf(text, V "\"devices\":[");
	while (i < 65 * 67)
		i += sprintf(text + i, "\"%064d\",", 1);
	sprintf(text + i, "\"%064d\"]}", 1);
	assert_int_equal(parse(text), -EBADMSG);
	free(text);
}

static void cut_off_policy_is_refused(void **state)
{
	static const char text[] =
		V "\"tcb_status\":[\"UpToDate\",\"OutOfDate\"],"
		"\"grace_seconds\":5,\"min_tcb_evaluation\":17,"
		"\"td_attributes_required\":[\"SEPT_VE_DISABLE\"],"
		"\"mr_service_td\":\"any\",\"enclave_debug\":false}";
	size_t len;

	(void)state;
	assert_int_equal(parse(text), 0);
	assert_int_equal(policy.grace, 5);
	assert_int_equal(policy.tcb_allowed, 1U << STATUS(UP_TO_DATE) |
			 1U << STATUS(OUT_OF_DATE));
	for (len = 0; len < sizeof(text) - 1; len++) {
		char *copy = malloc(len ? len : 1);

		memcpy(copy, text, len);
		assert_int_equal(libdstack_quote_policy_parse(copy, len,
							      &policy,
							      &failure),
				 -EBADMSG);
		free(copy);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(attack_52_each_status_is_a_choice),
		cmocka_unit_test(attack_52_grace_ends_exactly),
		cmocka_unit_test(attack_52_advisories_are_accepted_by_name),
		cmocka_unit_test(attack_53_older_evaluation_is_refused),
		cmocka_unit_test(attack_51_every_attribute_is_a_choice),
		cmocka_unit_test(attack_51_debug_and_migration_are_named),
		cmocka_unit_test(attack_51_service_td_must_be_the_named_one),
		cmocka_unit_test(attack_51_debug_enclave_is_refused),
		cmocka_unit_test(attack_48_report_data_must_be_as_given),
		cmocka_unit_test(attack_58_unlisted_platform_is_refused),
		cmocka_unit_test(device_is_the_hash_of_the_ppid),
		cmocka_unit_test(refused_quote_stays_refused),
		cmocka_unit_test(every_condition_is_shown),
		cmocka_unit_test(attack_76_policy_of_another_shape_is_refused),
		cmocka_unit_test(attack_47_policy_beyond_the_limit_is_refused),
		cmocka_unit_test(cut_off_policy_is_refused),
	};
	const size_t nr = sizeof(tests) / sizeof(tests[0]);
	struct CMUnitTest fresh[sizeof(tests) / sizeof(tests[0])];
	size_t i;

	memcpy(fresh, tests, sizeof(tests));
	for (i = 0; i < nr; i++)
		fresh[i].setup_func = setup;
	return cmocka_run_group_tests_name("quote_policy", fresh, NULL, NULL);
}
