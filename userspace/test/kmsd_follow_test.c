// SPDX-License-Identifier: MIT
/*
 * What a KMS says of an application that runs, and whom it believes meanwhile
 *
 * Copyright The dstack for Linux authors
 *
 * Verification and the chain are the test's: what is under test is when they
 * are asked, and what is made of what they say.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <kms.pb-c.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../kmsd/kmsd.h"

static struct kmsd kmsd;
static struct http_request request;
static X509 *cert;
static Kms__GetAppStateResponse answer;
static struct rpc_error error;

/* What happened, and what is to. */
static int begun, verified, self_asked, asked;
static int verify_err, self_err, auth_err;
static const char *image;
static struct auth_verdict verdict;
static uint8_t boot_id, asked_id;
static int64_t clock_ahead;

time_t __wrap_time(time_t *out);
time_t __real_time(time_t *out);

time_t __wrap_time(time_t *out)
{
	time_t now = __real_time(NULL) + clock_ahead;

	if (out)
		*out = now;
	return now;
}

int visit_begin(struct visit *visit)
{
	begun++;
	visit->now = time(NULL);
	return self_err;
}

int visit_verify_booted(struct visit *visit, const char *vm_config)
{
	(void)vm_config;
	verified++;
	memset(visit->boot.app_id, boot_id, sizeof(visit->boot.app_id));
	return verify_err;
}

int visit_check_image(struct visit *visit, struct image_why *why)
{
	(void)visit;
	if (!image)
		return 0;
	snprintf(why->text, sizeof(why->text), "%s", image);
	return -EACCES;
}

void visit_end(struct visit *visit)
{
	(void)visit;
}

int self_allowed(struct kmsd *of, time_t now, struct rpc_error *out)
{
	(void)of;
	(void)now;
	(void)out;
	self_asked++;
	return self_err;
}

int auth_app(struct auth *auth, const struct auth_boot *boot, uint64_t now,
	     struct auth_verdict *out, struct chain_why *why)
{
	(void)auth;
	(void)now;
	asked++;
	asked_id = boot->app_id[0];
	strcpy(why->text, "no server answers");
	*out = verdict;
	return auth_err;
}

const char *auth_how_name(enum auth_how how)
{
	return how == AUTH_BY_PROOF ? "proof" : "webhook";
}

static void forget_answer(void)
{
	ProtobufCMessage *msg = &answer.base;
	void *copy = malloc(sizeof(answer));

	memcpy(copy, msg, sizeof(answer));
	protobuf_c_message_free_unpacked(copy, NULL);
	kms__get_app_state_response__init(&answer);
}

static int ask(void)
{
	Kms__GetAppStateRequest in = KMS__GET_APP_STATE_REQUEST__INIT;

	forget_answer();
	memset(&error, 0, sizeof(error));
	return kmsd_get_app_state(&kmsd, &request, &in.base, &answer.base,
				  &error);
}

static void new_connection(void)
{
	X509_free(cert);
	cert = X509_new();
	assert_non_null(cert);
	request.cert = cert;
}

static int setup(void **state)
{
	(void)state;
	kms__get_app_state_response__init(&answer);
	begun = 0;
	verified = 0;
	self_asked = 0;
	asked = 0;
	verify_err = 0;
	self_err = 0;
	auth_err = 0;
	image = NULL;
	clock_ahead = 0;
	boot_id = 1;
	verdict = (struct auth_verdict){
		.allowed = true, .how = AUTH_BY_PROOF,
		.block = { .number = 70, .time = 7000 },
		.policy_epoch = 3,
		.kms_keys = { .current = 2, .previous_ends = 9,
			      .first_live = 1 },
	};
	memset(verdict.block.hash, 7, sizeof(verdict.block.hash));
	memset(verdict.policy_root, 8, sizeof(verdict.policy_root));
	new_connection();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	forget_answer();
	X509_free(cert);
	cert = NULL;
	return 0;
}

static void evidence_is_looked_at_once_for_a_connection(void **state)
{
	int i;

	(void)state;
	for (i = 0; i < 5; i++)
		assert_int_equal(ask(), 0);
	assert_int_equal(verified, 1);
	assert_int_equal(begun, 1);
	/* The chain is another matter: what it says changes. */
	assert_int_equal(asked, 5);
	assert_int_equal(self_asked, 4);
}

static void no_verdict_outlives_its_connection(void **state)
{
	(void)state;
	assert_int_equal(ask(), 0);
	new_connection();
	verify_err = -EKEYREJECTED;
	assert_int_equal(ask(), -EKEYREJECTED);
	assert_int_equal(verified, 2);
	assert_int_equal(asked, 1);
	/* Who was refused is not taken for known. */
	assert_int_equal(ask(), -EKEYREJECTED);
	assert_int_equal(verified, 3);
}

static void each_connection_is_asked_about_its_own(void **state)
{
	X509 *other = X509_new(), *mine = cert;

	(void)state;
	assert_int_equal(ask(), 0);
	boot_id = 2;
	request.cert = other;
	assert_int_equal(ask(), 0);
	assert_int_equal(asked_id, 2);
	request.cert = mine;
	assert_int_equal(ask(), 0);
	assert_int_equal(asked_id, 1);
	X509_free(other);
}

static void evidence_is_looked_at_again_after_a_while(void **state)
{
	(void)state;
	assert_int_equal(ask(), 0);
	clock_ahead = 500;
	assert_int_equal(ask(), 0);
	assert_int_equal(verified, 1);
	clock_ahead = 700;
	assert_int_equal(ask(), 0);
	assert_int_equal(verified, 2);
	/* Nor does a clock that goes back make it young. */
	clock_ahead = 0;
	assert_int_equal(ask(), 0);
	assert_int_equal(verified, 3);
	clock_ahead = 700;
	verify_err = -EKEYREJECTED;
	assert_int_equal(ask(), -EKEYREJECTED);
}

static void a_kms_that_may_not_be_one_says_nothing(void **state)
{
	(void)state;
	assert_int_equal(ask(), 0);
	self_err = -EACCES;
	assert_int_equal(ask(), -EACCES);
	assert_int_equal(asked, 1);
	assert_false(answer.allowed);
}

static void what_the_chain_says_is_said(void **state)
{
	(void)state;
	assert_int_equal(ask(), 0);
	assert_true(answer.allowed);
	assert_string_equal(answer.reason, "");
	assert_string_equal(answer.how, "proof");
	assert_int_equal(answer.block_number, 70);
	assert_int_equal(answer.block_time, 7000);
	assert_int_equal(answer.block_hash.len, 32);
	assert_int_equal(answer.policy_epoch, 3);
	assert_memory_equal(answer.policy_root.data, verdict.policy_root, 32);
	assert_int_equal(answer.kms_keys->current, 2);
	assert_int_equal(answer.kms_keys->previous_ends, 9);
	assert_int_equal(answer.kms_keys->first_live, 1);
	assert_int_equal(answer.app_keys->current, 0);
}

static void a_denial_is_an_answer_with_its_block(void **state)
{
	(void)state;
	verdict.allowed = false;
	verdict.policy_epoch = 0;
	strcpy(verdict.reason, "Exec policy revoked");
	assert_int_equal(ask(), 0);
	assert_false(answer.allowed);
	assert_string_equal(answer.reason, "Exec policy revoked");
	assert_int_equal(answer.block_number, 70);
	assert_int_equal(answer.policy_root.len, 0);
}

static void measurements_that_nobody_knows_are_a_denial(void **state)
{
	(void)state;
	image = "not that image";
	assert_int_equal(ask(), 0);
	assert_false(answer.allowed);
	assert_string_equal(answer.reason, "not that image");
	/* It was found with the evidence, and holds as long. */
	image = NULL;
	assert_int_equal(ask(), 0);
	assert_false(answer.allowed);
}

static void nobody_who_decides_is_no_answer(void **state)
{
	(void)state;
	auth_err = -EHOSTUNREACH;
	assert_int_equal(ask(), -EHOSTUNREACH);
	assert_string_equal(error.text,
			    "authorization failed: no server answers");
	assert_int_equal(kmsd.counters.failed, 1);
}

static void a_webhook_has_no_block_to_name(void **state)
{
	(void)state;
	verdict = (struct auth_verdict){
		.allowed = true, .how = AUTH_BY_WEBHOOK,
	};
	assert_int_equal(ask(), 0);
	assert_true(answer.allowed);
	assert_string_equal(answer.how, "webhook");
	assert_int_equal(answer.block_number, 0);
	assert_int_equal(answer.policy_epoch, 0);
	assert_int_equal(answer.kms_keys->current, 0);
}

#define CLAIM(name)	cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CLAIM(evidence_is_looked_at_once_for_a_connection),
		CLAIM(no_verdict_outlives_its_connection),
		CLAIM(each_connection_is_asked_about_its_own),
		CLAIM(evidence_is_looked_at_again_after_a_while),
		CLAIM(a_kms_that_may_not_be_one_says_nothing),
		CLAIM(what_the_chain_says_is_said),
		CLAIM(a_denial_is_an_answer_with_its_block),
		CLAIM(measurements_that_nobody_knows_are_a_denial),
		CLAIM(nobody_who_decides_is_no_answer),
		CLAIM(a_webhook_has_no_block_to_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
