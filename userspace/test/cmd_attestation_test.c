// SPDX-License-Identifier: MIT
/*
 * dstackctl verify: real evidence of others, from one end to the other
 *
 * Copyright The dstack for Linux authors
 *
 * Reads $DSTACK_VECTORS/dcap and $DSTACK_VECTORS/dstack.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>
#include <sys/stat.h>

#include "cmd_fixture.h"

#include "../dstackctl/verify.h"

int cmd_verify(int argc, char **argv);

static const char *vectors;

static int setup(void **state)
{
	(void)state;
	vectors = getenv("DSTACK_VECTORS");
	if (vectors && access(vectors, R_OK))
		vectors = NULL;
	if (!vectors)
		print_message("# no test vectors: set DSTACK_VECTORS to their directory\n");
	return 0;
}

/* What follows "verify": file, collateral of dcap/, time; options. */
struct command {
	const char *file, *collateral, *at, *more;
};

/* "%" stands for the vectors' directory. */
static char *put(char *out, const char *text)
{
	for (; *text; text++)
		out += *text == '%' ?
			sprintf(out, "%s", vectors) : sprintf(out, "%c", *text);
	*out++ = ' ';
	*out = '\0';
	return out;
}

/* Runs it with --json. */
static json_t *verify_json(const struct command *command, int *status)
{
	char line[4096], *out = line;
	json_t *doc;

	if (!vectors)
		skip();
	out = put(out, command->file);
	if (command->collateral) {
		out = put(out, "--collateral");
		out += sprintf(out, "%s/dcap/collateral/%s ", vectors,
			       command->collateral);
	}
	if (command->at) {
		out = put(out, "--at");
		out = put(out, command->at);
	}
	if (command->more)
		out = put(out, command->more);
	put(out, "--json");
	*status = run(cmd_verify, "verify", line);
	doc = json_loads(output, JSON_REJECT_DUPLICATES, NULL);
	assert_non_null(doc);
	return doc;
}

static const char *text(const json_t *doc, const char *key)
{
	const char *value = json_string_value(json_object_get(doc, key));

	return value ? value : "";
}

static const char *of_identity(const json_t *doc, const char *key)
{
	return text(json_object_get(doc, "identity"), key);
}

/*
 * Every row of expected.json, through the command, as the default policy has
 * it: trusted are UpToDate and SWHardeningNeeded, without debugging and
 * service TDs.
 */
static void every_published_verdict_is_reported(void **state)
{
	char path[4096], quote[256];
	struct command command = { .file = quote };
	json_t *file, *row, *doc;
	const char *want, *status;
	size_t i;
	bool trusted;
	int code;

	(void)state;
	if (!vectors)
		skip();
	snprintf(path, sizeof(path), "%s/dcap/expected.json", vectors);
	file = json_load_file(path, 0, NULL);
	assert_non_null(file);
	json_array_foreach(json_object_get(file, "expect"), i, row) {
		snprintf(quote, sizeof(quote), "quote %%/dcap/quotes/%s",
			 text(row, "quote"));
		command.collateral = text(row, "collateral");
		command.at = text(row, "time");
		doc = verify_json(&command, &code);
		status = text(doc, "tcb_status");
		want = text(row, "status");
		assert_string_equal(status, *want ? want : "NotSupported");
		assert_true(!*want ||
			    json_equal(json_object_get(doc, "advisory_ids"),
				       json_object_get(row, "advisories")));
		trusted = json_is_true(json_object_get(doc, "trusted"));
		assert_int_equal(trusted, !strcmp(status, "UpToDate") &&
				 !strstr(text(row, "quote"), "debug") &&
				 !strstr(text(row, "quote"), "servicetd"));
		assert_int_equal(trusted, code == EXIT_SUCCESS);
		assert_int_equal(trusted, !*text(doc, "step"));
		assert_int_equal(trusted, !strcmp(text(doc, "reason"), "none"));
		json_decref(doc);
	}
	assert_true(i > 30);
	json_decref(file);
}

static void dstack_attestation_is_verified_end_to_end(void **state)
{
	static const struct command command = {
		"attestation %/dstack/quote-report.json",
		"90c06f-2026-02.json", "2026-02-18T11:58:51Z", NULL
	};
	int code;
	json_t *doc = verify_json(&command, &code);

	(void)state;
	assert_int_equal(code, EXIT_SUCCESS);
	assert_string_equal(text(doc, "tcb_status"), "UpToDate");
	assert_string_equal(of_identity(doc, "app_id"),
			    "3763bc34552cf3a27ff71ad5f7a90471562a1a2d");
	assert_string_equal(of_identity(doc, "key_provider"), "local-sgx");
	/* As computed from upstream's formula, by somebody else. */
	assert_string_equal(of_identity(doc, "mr_system"),
			    "e1ae776a1492d4f87937b7e563d265c16300be4aba5d748207587023bb7dbb75");
	assert_string_equal(of_identity(doc, "mr_aggregated"),
			    "233c659f83048505bb1ef7f105245aa80f5d04e3d096c329da272d7ee13fbf38");
	json_decref(doc);
}

static void tcb_info_of_another_party_explains_its_quote(void **state)
{
	static const char info[] =
		"--tcb-info %/dstack/near-mpc-tcb_info.json";
	static const struct command own = {
		"quote %/dcap/quotes/tdx4-b0c06f-near-mpc.bin",
		"b0c06f-2026-08.json", "2026-08-13T11:45:38Z", info
	}, other = {
		"quote %/dcap/quotes/tdx4-b0c06f-phala.bin",
		"b0c06f-2025-07.json", "2025-06-19T11:32:27Z", info
	};
	int code;
	json_t *doc = verify_json(&own, &code);

	(void)state;
	assert_int_equal(code, EXIT_SUCCESS);
	assert_int_equal(strncmp(of_identity(doc, "compose_hash"), "2911e1f7",
				 8), 0);
	assert_int_equal(strncmp(of_identity(doc, "compose_hash"),
				 of_identity(doc, "app_id"), 40), 0);
	json_decref(doc);
	doc = verify_json(&other, &code);
	assert_int_equal(code, EXIT_FAILURE);
	assert_true(json_is_null(json_object_get(doc, "identity")));
	json_decref(doc);
}

static void container_of_the_simulator_is_verified(void **state)
{
	static const struct command command = {
		"attestation %/dstack/simulator-attestation.bin",
		"b0c06f-2026-08.json", "2026-08-13T11:45:38Z", NULL
	};
	int code;
	json_t *doc = verify_json(&command, &code);

	(void)state;
	assert_int_equal(code, EXIT_SUCCESS);
	assert_string_equal(text(doc, "tee"), "tdx");
	json_decref(doc);
}

static void report_of_amd_is_verified_with_its_chain(void **state)
{
	struct command command = {
		"attestation %/dstack/sev-snp-attestation.json", NULL,
		"2026-07-01T00:00:00Z", "--certs %/snp/milan-ark.pem"
	};
	int code;
	json_t *doc = verify_json(&command, &code);

	(void)state;
	assert_int_equal(code, EXIT_SUCCESS);
	assert_string_equal(text(doc, "tee"), "sev-snp");
	json_decref(doc);
	/* Another product's. */
	command.more = "--certs %/snp/genoa-ark.pem";
	doc = verify_json(&command, &code);
	assert_int_equal(code, EXIT_FAILURE);
	json_decref(doc);
}

static void enclaves_document_is_verified_at_its_time(void **state)
{
	static const char nitro[] =
		"attestation %/dstack/nitro_attestation.bin";
	static const struct {
		struct command command;
		int code;
		const char *reason;
	} cases[] = {
		{ { nitro, NULL, "2025-12-25T16:04:19Z", NULL }, 0, "none" },
		{ { nitro, NULL, "2025-12-26T16:04:19Z", NULL }, 1, "expired" },
		{ { "attestation %/dstack/nitro_attestation_dbg.bin", NULL,
		    "2025-12-25T08:20:46Z", NULL }, 1, "policy" },
	};
	json_t *doc;
	size_t i;
	int code;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		doc = verify_json(&cases[i].command, &code);
		assert_int_equal(code, cases[i].code);
		assert_string_equal(text(doc, "reason"), cases[i].reason);
		json_decref(doc);
	}
}

static void every_step_is_explained(void **state)
{
	static const struct command command = {
		"quote %/dcap/quotes/tdx4-b0c06f-phala.bin",
		"b0c06f-2025-07.json", "2025-06-19T11:32:27Z", "--explain"
	};
	const json_t *step;
	size_t i;
	int code;
	json_t *doc = verify_json(&command, &code);

	(void)state;
	assert_int_equal(code, EXIT_SUCCESS);
	assert_true(json_array_size(json_object_get(doc, "steps")) > 10);
	json_array_foreach(json_object_get(doc, "steps"), i, step) {
		assert_true(json_is_true(json_object_get(step, "ok")));
		assert_string_not_equal(text(step, "name"), "");
		assert_string_not_equal(text(step, "detail"), "");
		assert_null(strstr(text(step, "detail"), "-1 revoked"));
	}
	json_decref(doc);
}

/* Offline, with nothing kept. */
static void collateral_that_cannot_be_had_is_said(void **state)
{
	static const struct command command = {
		"quote %/dcap/quotes/tdx4-b0c06f-phala.bin", NULL,
		"2025-06-19T11:32:27Z", "--cache /tmp"
	};
	int code;
	json_t *doc = verify_json(&command, &code);

	(void)state;
	assert_int_equal(code, EXIT_FAILURE);
	assert_string_equal(text(doc, "step"), "collateral");
	assert_string_equal(text(doc, "reason"), "unavailable");
	json_decref(doc);
}

/* What is refused has a step, a reason and a text, and exits with 1. */
static void what_is_no_evidence_is_refused(void **state)
{
	static const struct command commands[] = {
		{ .file = "attestation /dev/null" },
		{ .file = "attestation /etc/passwd" },
		{ .file = "attestation %/dcap/quotes/tdx4-b0c06f-phala.bin" },
		{ "quote /etc/passwd", "b0c06f-2025-07.json", NULL, NULL },
	};
	json_t *doc;
	size_t i;
	int code;

	(void)state;
	for (i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		doc = verify_json(&commands[i], &code);
		assert_int_equal(code, EXIT_FAILURE);
		assert_false(json_is_true(json_object_get(doc, "trusted")));
		assert_string_not_equal(text(doc, "step"), "");
		assert_string_not_equal(text(doc, "reason"), "none");
		assert_string_not_equal(text(doc, "text"), "");
		json_decref(doc);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_published_verdict_is_reported),
		cmocka_unit_test(dstack_attestation_is_verified_end_to_end),
		cmocka_unit_test(tcb_info_of_another_party_explains_its_quote),
		cmocka_unit_test(container_of_the_simulator_is_verified),
		cmocka_unit_test(report_of_amd_is_verified_with_its_chain),
		cmocka_unit_test(enclaves_document_is_verified_at_its_time),
		cmocka_unit_test(every_step_is_explained),
		cmocka_unit_test(collateral_that_cannot_be_had_is_said),
		cmocka_unit_test(what_is_no_evidence_is_refused),
	};

	return cmocka_run_group_tests_name("cmd_attestation", tests, setup,
					   NULL);
}
