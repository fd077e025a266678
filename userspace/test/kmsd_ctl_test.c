// SPDX-License-Identifier: MIT
/*
 * dstackctl kms, and the KMS that it asks
 *
 * Copyright The dstack for Linux authors
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../dstackctl/kms_admin.h"
#include "cmd_fixture.h"
#include "kmsd_fixture.h"

static struct node one, other;
static char at[160], errors[8192];
static int forbidden;			/* who asks is not the operator */

static void handle_admin(void *arg, const struct http_request *asked,
			 struct http_reply *reply)
{
	if (forbidden) {
		reply->status = 403;
		reply->type = "text/plain";
		reply->body = strdup("403\n");
		reply->len = 4;
		return;
	}
	handle_mounts(arg, kmsd_admin_routes, asked, reply);
}

static int no_container(void *arg, pid_t pid, struct http_caller *caller)
{
	(void)arg;
	(void)pid;
	(void)caller;
	return 0;
}

static void begin(void)
{
	const char *const paths[] = { at };
	const struct http_config config = {
		.paths = paths, .nr = 1, .version = KMSD_VERSION,
		.handle = handle_admin, .arg = &one, .message = note,
		.lookup.container_of = no_container,
	};

	kmsd_begin();
	forbidden = 0;
	node_open(&one, "one");
	snprintf(at, sizeof(at), "%s/admin.sock", work);
	assert_int_equal(http_open(&one.http, &config), 0);
	assert_int_equal(pthread_create(&one.thread, NULL, run_node, one.http),
			 0);
}

static int end(void **state)
{
	(void)state;
	if (!one.kmsd.options)
		return 0;
	node_stop(&one);
	node_close(&one);
	if (other.kmsd.options) {
		node_stop(&other);
		node_close(&other);
	}
	state_end();
	return 0;
}

/* Its status; what it says is in output[] and errors[]. */
static int kms(const char *command)
{
	char args[1024];
	FILE *file = tmpfile();
	int saved = dup(STDERR_FILENO), result;
	size_t len;

	snprintf(args, sizeof(args), "%s --socket %s", command, at);
	dup2(fileno(file), STDERR_FILENO);
	result = run(cmd_kms, "kms", args);
	fflush(stderr);
	dup2(saved, STDERR_FILENO);
	close(saved);
	rewind(file);
	len = fread(errors, 1, sizeof(errors) - 1, file);
	errors[len] = '\0';
	fclose(file);
	return result;
}

static void assert_errors(const char *text)
{
	if (!strstr(errors, text))
		fail_msg("'%s' is not in: %s", text, errors);
}

static void roots_are_made_once_and_shown(void **state)
{
	(void)state;
	begin();
	assert_int_equal(kms("status"), 0);
	assert_says("keys:    none yet: 'dstackctl kms bootstrap DOMAIN'");
	assert_int_equal(kms("bootstrap kms.example"), 0);
	assert_says("The roots are made");
	assert_int_equal(kms("status"), 0);
	assert_says("domain:  kms.example");
	assert_says("may be:  a KMS");
	assert_says("0     lives        20");
	assert_says("No contract says which live");
	assert_int_equal(kms("bootstrap kms.example"), 1);
	assert_errors("the KMS says: this KMS has its keys already");
	assert_errors("'dstackctl kms status' shows them");
}

static void epochs_start_and_are_retired(void **state)
{
	(void)state;
	begin();
	assert_int_equal(kms("epoch start"), 1);
	assert_errors("no keys yet");
	assert_errors("'dstackctl kms bootstrap DOMAIN' makes some");
	assert_int_equal(kms("bootstrap kms.example"), 0);
	assert_int_equal(kms("epoch retire 0"), 1);
	assert_errors("'dstackctl kms epoch start' does");
	assert_int_equal(kms("epoch start"), 0);
	assert_says("dstackctl kms epoch fetch");
	assert_int_equal(kms("epoch retire 0"), 0);
	assert_int_equal(kms("status"), 0);
	assert_says("0     retired      20");
	assert_says("1     lives        20");
	assert_int_equal(kms("epoch retire 5"), 1);
	assert_errors("this KMS has no key epoch 5");
}

static void roots_are_taken_over_from_another(void **state)
{
	char command[256];

	(void)state;
	begin();
	node_open(&other, "other");
	assert_int_equal(kmsd_make_roots(&other.kmsd, "127.0.0.1"), 0);
	node_serve(&other);
	snprintf(command, sizeof(command), "onboard %s second.example",
		 other.url);
	assert_int_equal(kms(command), 0);
	assert_says("The roots are taken over");
	ask_and_drop(&other, kmsd_admin_routes, "/prpc/Admin.StartEpoch",
		     "null");
	snprintf(command, sizeof(command), "epoch fetch %s --json", other.url);
	assert_int_equal(kms(command), 0);
	assert_says("\"added\": [");
	assert_int_equal(kms("onboard https://127.0.0.1:1 second.example"), 1);
	assert_errors("has its keys already");
}

static void what_the_contract_lacks_is_named(void **state)
{
	(void)state;
	begin();
	contract.kms_denied = true;
	assert_int_equal(kms("bootstrap kms.example"), 1);
	assert_errors("KMS self authorization denied: Aggregated MR not allowed");
	assert_errors("'dstackctl kms identity' says what to allow");
	assert_int_equal(kms("identity"), 0);
	assert_says("dstackctl contract allow kms-mr ");
	assert_says("dstackctl contract allow os-image aaaaaaaa");
	assert_says("dstackctl contract allow kms-device ");
	assert_int_equal(kms("status"), 0);
	assert_says("may be:  KMS self authorization denied");
}

static void record_is_counted_for_who_notes_it(void **state)
{
	(void)state;
	begin();
	assert_int_equal(kms("audit"), 0);
	assert_says("record:  0 lines, SHA-256 of the last: 0000");
	assert_says("dstack-kms --check-audit");
}

static void json_is_the_answer(void **state)
{
	json_t *json;

	(void)state;
	begin();
	assert_int_equal(kms("bootstrap kms.example"), 0);
	assert_int_equal(kms("status --json"), 0);
	json = json_loads(output, 0, NULL);
	assert_true(json_is_object(json));
	assert_int_equal(json_array_size(json_object_get(json, "epochs")), 1);
	json_decref(json);
}

static void wrong_usage_is_told(void **state)
{
	static const char *const bad[] = {
		"", "nothing", "bootstrap", "onboard https://a:1", "epoch",
		"epoch end", "epoch start 1", "epoch retire", "status now",
		"epoch retire -1", "epoch retire x", "audit --file",
		"epoch retire 18446744073709551615",
	};
	size_t i;

	(void)state;
	begin();
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(kms(bad[i]), EXIT_USAGE);
		assert_errors("See 'dstackctl kms --help'");
	}
	assert_int_equal(kms("--help"), 0);
	assert_says("Usage: dstackctl kms");
}

static void who_can_not_be_asked_is_named(void **state)
{
	(void)state;
	begin();
	forbidden = 1;
	assert_int_equal(kms("status"), 1);
	assert_errors("is for root, and in no container");
	assert_int_equal(run(cmd_kms, "kms", "status --socket /nowhere"), 1);
}

int main(void)
{
#define ONE(name) cmocka_unit_test_teardown(name, end)
	const struct CMUnitTest tests[] = {
		ONE(roots_are_made_once_and_shown),
		ONE(epochs_start_and_are_retired),
		ONE(roots_are_taken_over_from_another),
		ONE(what_the_contract_lacks_is_named),
		ONE(record_is_counted_for_who_notes_it),
		ONE(json_is_the_answer),
		ONE(wrong_usage_is_told),
		ONE(who_can_not_be_asked_is_named),
	};

	return cmocka_run_group_tests_name("kmsd_ctl", tests, kmsd_setup,
					   guests_teardown);
}
