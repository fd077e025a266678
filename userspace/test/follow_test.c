// SPDX-License-Identifier: MIT
/*
 * A guest that follows a contract: what it believes, and what it does then
 *
 * Copyright The dstack for Linux authors
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../follow/follow.h"

#define ID	"abababababababababababababababababababab"
#define HOST	"\"host\":{\"allow\":[],\"measure\":\"first\"}"
#define WEB	"\"web\":{\"allow\":[],\"revoked\":\"kill\"}"
#define POLICY(epoch, id, containers) \
	"{\"version\":1,\"epoch\":" epoch ",\"app_id\":\"" id "\"," \
	"\"containers\":{" containers "}}"

static struct follow_view view;
static struct kms_app_state state;
static struct follow_active active;
static struct follow_document document;
static const uint8_t app_id[APP_ID_SIZE] = {
	[0 ... APP_ID_SIZE - 1] = 0xab
};

static const char *why;
static char dir[64], said[1024];
static int fd = -1;

void follow_say(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(said, sizeof(said), fmt, args);
	va_end(args);
}

void follow_tell(const char *line)
{
	follow_say("%s", line);
}

static int setup(void **unused)
{
	(void)unused;
	view = (struct follow_view){ .block = 100, .since_ms = 1000 };
	state = (struct kms_app_state){ .allowed = true, .block = 101 };
	active = (struct follow_active){ .epoch = 5 };
	memset(active.document, 1, sizeof(active.document));
	memset(state.policy_root, 1, sizeof(state.policy_root));
	document.text = NULL;
	*said = '\0';
	strcpy(dir, "/tmp/follow-XXXXXX");
	assert_non_null(mkdtemp(dir));
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0;
}

static int teardown(void **unused)
{
	char command[128];

	(void)unused;
	follow_document_free(&document);
	close(fd);
	snprintf(command, sizeof(command), "rm -r %s", dir);
	return system(command);
}

static enum follow_step judge(const struct kms_app_state *of, int64_t now)
{
	return follow_judge(&view, of, &active, now, &why);
}

static void who_is_allowed_goes_on(void **unused)
{
	(void)unused;
	assert_int_equal(judge(&state, 9000), FOLLOW_KEEP);
	assert_int_equal(view.block, 101);
	assert_int_equal(view.since_ms, 9000);
	state.policy_epoch = 5;
	assert_int_equal(judge(&state, 9000), FOLLOW_KEEP);
	/* Of a policy that app-compose.json is ahead of. */
	state.policy_epoch = 4;
	state.policy_root[0] = 2;
	assert_int_equal(judge(&state, 9000), FOLLOW_KEEP);
}

static void who_is_denied_is_stopped_whatever_else_is_said(void **unused)
{
	(void)unused;
	state.allowed = false;
	assert_int_equal(judge(&state, 9000), FOLLOW_WITHDRAW);
	assert_null(why);
	state.policy_epoch = 9;
	assert_int_equal(judge(&state, 9000), FOLLOW_WITHDRAW);
	assert_int_equal(view.block, 101);
}

static void older_block_is_no_answer(void **unused)
{
	(void)unused;
	state.block = 99;
	assert_int_equal(judge(&state, 9000), FOLLOW_WAIT);
	assert_non_null(strstr(why, "older"));
	/* Neither a denial nor an approval of then is one of now. */
	state.allowed = false;
	assert_int_equal(judge(&state, 9000), FOLLOW_WAIT);
	/* Nor is what nobody has proven. */
	state = (struct kms_app_state){ .allowed = true };
	assert_int_equal(judge(&state, 9000), FOLLOW_WAIT);
	assert_int_equal(view.block, 100);
	assert_int_equal(view.since_ms, 1000);
}

static void the_same_block_may_be_seen_again(void **unused)
{
	(void)unused;
	state.block = 100;
	assert_int_equal(judge(&state, 9000), FOLLOW_KEEP);
}

static void without_a_grace_nobody_who_answers_changes_nothing(void **unused)
{
	(void)unused;
	assert_int_equal(judge(NULL, INT64_MAX), FOLLOW_WAIT);
	assert_non_null(why);
}

static void grace_ends_and_begins_anew_with_an_answer(void **unused)
{
	(void)unused;
	view.grace_s = 10;
	assert_int_equal(judge(NULL, 10999), FOLLOW_WAIT);
	assert_int_equal(judge(NULL, 11000), FOLLOW_WITHDRAW);
	assert_non_null(why);
	assert_int_equal(judge(&state, 12000), FOLLOW_KEEP);
	assert_int_equal(judge(NULL, 21999), FOLLOW_WAIT);
	assert_int_equal(judge(NULL, 22000), FOLLOW_WITHDRAW);
}

static void policy_that_is_newer_is_loaded(void **unused)
{
	(void)unused;
	view.grace_s = 10;
	state.policy_epoch = 6;
	assert_int_equal(judge(&state, 5000), FOLLOW_LOAD);
	/* Until it is, nothing is in order. */
	assert_int_equal(view.since_ms, 1000);
	assert_int_equal(follow_judge_without(&view, 10999), FOLLOW_WAIT);
	assert_int_equal(follow_judge_without(&view, 11000), FOLLOW_WITHDRAW);
	active.withdrawn = true;
	assert_int_equal(judge(&state, 5000), FOLLOW_LOAD);
}

static void another_policy_of_the_same_epoch_is_not_followed(void **unused)
{
	(void)unused;
	view.grace_s = 10;
	state.policy_epoch = 5;
	state.policy_root[31] = 2;
	assert_int_equal(judge(&state, 5000), FOLLOW_WAIT);
	assert_non_null(strstr(why, "same epoch"));
	assert_int_equal(judge(&state, 11000), FOLLOW_WITHDRAW);
	/* What is left of the one that was is the same policy. */
	active.withdrawn = true;
	assert_int_equal(judge(&state, 5000), FOLLOW_KEEP);
}

static void what_is_left_has_the_host_and_the_epoch(void **unused)
{
	static const char text[] = "{\"version\":1,\"epoch\":7,"
		"\"containers\":{" HOST "," WEB "}}";
	struct follow_document left, again;
	struct libdstack_policy *policy;

	(void)unused;
	assert_int_equal(follow_document_complete(text, app_id, &document), 0);
	assert_int_equal(follow_document_withdraw(&document, &left), 0);
	assert_string_equal(left.text,
			    "{\"version\":1,\"epoch\":7,\"containers\":{" HOST
			    "},\"app_id\":\"" ID "\"}");
	assert_memory_not_equal(left.digest, document.digest, 32);
	assert_int_equal(libdstack_policy_parse(left.text, strlen(left.text),
						&policy), 0);
	assert_memory_equal(libdstack_policy_app_id(policy), app_id,
			    APP_ID_SIZE);
	libdstack_policy_free(policy);
	assert_int_equal(follow_document_withdraw(&left, &again), 0);
	assert_memory_equal(left.digest, again.digest, 32);
	follow_document_free(&left);
	follow_document_free(&again);
}

static void put(const char *text, size_t len)
{
	char root[65], path[192];
	FILE *file;

	libdstack_to_hex(state.policy_root, 32, root);
	snprintf(path, sizeof(path), "%s/policy-%s.json", dir, root);
	file = fopen(path, "w");
	assert_non_null(file);
	assert_int_equal(fwrite(text, 1, len, file), len);
	fclose(file);
}

static int find(const char *text)
{
	struct follow_document right = { .text = NULL };
	int err;

	assert_int_equal(follow_document_take(strdup(text), &right), 0);
	memcpy(state.policy_root, right.digest, 32);
	follow_document_free(&right);
	put(text, strlen(text));
	err = follow_document_find(fd, &state, app_id, &document);
	if (err)
		assert_null(document.text);
	follow_document_free(&document);
	return err;
}

static void policy_is_found_by_its_digest(void **unused)
{
	(void)unused;
	state.policy_epoch = 6;
	assert_int_equal(find(POLICY("6", ID, WEB)), 0);
	/* Written in another way it has the same one. */
	assert_int_equal(find(" " POLICY("6", ID, WEB)), 0);
	state.policy_root[0] ^= 1;
	assert_int_equal(follow_document_find(fd, &state, app_id, &document),
			 -ENOENT);
	assert_null(document.text);
}

static void policy_that_is_not_the_one_is_refused(void **unused)
{
	static const char other[] = POLICY("6", ID, HOST);
	static const char zero[] = POLICY("6", ID, WEB) "\0";

	(void)unused;
	state.policy_epoch = 6;
	put(other, strlen(other));
	assert_int_equal(follow_document_find(fd, &state, app_id, &document),
			 -EKEYREJECTED);
	assert_non_null(strstr(said, "its digest is another"));
	assert_int_equal(find(POLICY("7", ID, WEB)), -EKEYREJECTED);
	assert_non_null(strstr(said, "was announced as that of 6"));
	assert_int_equal(find(POLICY("6",
				     "00ababababababababababababababababababab",
				     WEB)), -EKEYREJECTED);
	assert_non_null(strstr(said, "another application"));
	put(zero, sizeof(zero));
	assert_int_equal(follow_document_find(fd, &state, app_id, &document),
			 -EBADMSG);
	put("{", 1);
	assert_int_equal(follow_document_find(fd, &state, app_id, &document),
			 -EBADMSG);
}

static void link_is_not_followed(void **unused)
{
	char root[65], name[128];

	(void)unused;
	libdstack_to_hex(state.policy_root, 32, root);
	snprintf(name, sizeof(name), "policy-%s.json", root);
	assert_int_equal(symlinkat("/etc/passwd", fd, name), 0);
	assert_true(follow_document_find(fd, &state, app_id, &document) < 0);
	assert_null(document.text);
}

static void block_is_kept_from_one_start_to_the_next(void **unused)
{
	const struct follow_options options = { .run = dir };
	struct follow follow = { .options = &options, .run = fd };
	uint64_t block;

	(void)unused;
	assert_int_equal(record_read_block(fd, &block), 0);
	assert_int_equal(block, 0);
	follow.view.block = 12345;
	assert_int_equal(record_write(&follow, &state), 0);
	assert_int_equal(record_read_block(fd, &block), 0);
	assert_int_equal(block, 12345);
	assert_int_equal(record_replace(fd, "follow.block", "many\n"), 0);
	assert_int_equal(record_read_block(fd, &block), -EBADMSG);
}

#define CLAIM(name)	cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CLAIM(who_is_allowed_goes_on),
		CLAIM(who_is_denied_is_stopped_whatever_else_is_said),
		CLAIM(older_block_is_no_answer),
		CLAIM(the_same_block_may_be_seen_again),
		CLAIM(without_a_grace_nobody_who_answers_changes_nothing),
		CLAIM(grace_ends_and_begins_anew_with_an_answer),
		CLAIM(policy_that_is_newer_is_loaded),
		CLAIM(another_policy_of_the_same_epoch_is_not_followed),
		CLAIM(what_is_left_has_the_host_and_the_epoch),
		CLAIM(policy_is_found_by_its_digest),
		CLAIM(policy_that_is_not_the_one_is_refused),
		CLAIM(link_is_not_followed),
		CLAIM(block_is_kept_from_one_start_to_the_next),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
