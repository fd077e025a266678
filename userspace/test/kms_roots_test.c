// SPDX-License-Identifier: MIT
/*
 * A KMS takes over roots: from one that shows what it is, on one key
 *
 * Copyright The dstack for Linux authors
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kms_fixture.h"

static struct kms_roots roots;
static int allowed;			/* what the next question gives, */
static int asked;			/* and how often it was asked */

static int allow(const struct libdstack_peer *peer, void *arg,
		 struct libdstack_failure *failure)
{
	assert_ptr_equal(arg, &roots);
	assert_int_equal(peer->identity.app_id.len, 20);
	asked++;
	if (allowed)
		snprintf(failure->text, sizeof(failure->text), "%s",
			 "KMS image not allowed");
	return allowed;
}

static int get(void)
{
	kms_roots_wipe(&roots);
	nr_told = 0;
	asked = 0;
	return kms_get_roots(&kms, allow, &roots, &roots);
}

/* The first shows evidence, and is asked. */
static void begin(void)
{
	need_guests();
	allowed = 0;
	kms.trust = &trust;
	first->config.attest = attest_kms;
	first->config.epochs = 0;
}

static int tear_down(void **state)
{
	(void)state;
	kms_roots_wipe(&roots);
	first->config.attest = NULL;
	return 0;
}

static void assert_epoch(uint64_t number)
{
	static struct key_epoch want;
	const struct key_epoch *epoch = &roots.epochs[number];

	stand_in_epoch(&first->roots, number, &want);
	assert_int_equal(epoch->number, number);
	assert_memory_equal(epoch->ca, want.ca, 32);
	assert_memory_equal(epoch->k256, want.k256, 32);
	assert_memory_equal(epoch->temp_ca, want.temp_ca, 32);
	assert_memory_equal(epoch->k256_public, want.k256_public, 33);
	assert_int_equal(epoch->succession_len, want.succession_len);
	assert_memory_equal(epoch->succession, want.succession,
			    want.succession_len);
}

static void one_set_of_upstreams_is_epoch_0(void **state)
{
	const struct issue *issue = first->roots.issue;

	(void)state;
	begin();
	assert_int_equal(get(), 0);
	assert_int_equal(roots.nr, 1);
	assert_epoch(0);
	assert_string_equal(roots.epochs[0].ca_cert,
			    issue_cert(issue, ISSUE_ROOT_CA));
	assert_string_equal(roots.epochs[0].temp_ca_cert,
			    issue_cert(issue, ISSUE_TEMP_CA));
	assert_int_equal(roots.epochs[0].retired, 0);
	assert_int_equal(nr_told, 0);
	assert_int_equal(asked, 1);
	assert_int_equal(first->requests, 2);
}

static void all_epochs_of_ours_come(void **state)
{
	(void)state;
	begin();
	first->config.epochs = 3;
	assert_int_equal(get(), 0);
	assert_int_equal(roots.nr, 3);
	assert_epoch(0);
	assert_epoch(1);
	assert_epoch(2);
}

struct refusal {
	enum stand_in_fault fault;
	size_t epochs;
	int err;
	const char *text;
};

static const struct refusal refusals[] = {
	{ STAND_IN_USAGE, 0, -EKEYREJECTED, "is for 'app:custom', not" },
	{ STAND_IN_OTHER_ISSUER, 0, -EKEYREJECTED, "not lead to its root" },
	{ STAND_IN_ROOT, 0, -EBADMSG, "a CA that signed itself" },
	{ STAND_IN_TEMP_CA, 0, -EBADMSG, "its temporary CA" },
	{ STAND_IN_DENIES, 0, -EACCES, "refused: Boot denied" },
	{ STAND_IN_OVERSIZE, 0, -EBADMSG, "larger than" },
	{ STAND_IN_TRUNCATES, 0, -EBADMSG, "ends early" },
	{ STAND_IN_NO_SET, 0, -EBADMSG, "0 sets of roots, not one" },
	{ STAND_IN_TWO_SETS, 0, -EBADMSG, "2 sets of roots, not one" },
	{ STAND_IN_OTHER_SET, 0, -EBADMSG, "ca_key is not the key" },
	{ STAND_IN_OTHER_TEMP, 0, -EBADMSG, "temp_ca_key is not the key" },
	{ STAND_IN_SHORT_SET, 0, -EBADMSG, "k256_key has 31 bytes" },
	{ STAND_IN_SHORT_EPOCH, 2, -EBADMSG, "temp_ca_key has 31 bytes" },
	{ STAND_IN_OTHER_EPOCH, 2, -EBADMSG, "of none of its epochs" },
	{ STAND_IN_EPOCH_TWICE, 2, -EBADMSG, "do not rise" },
	{ STAND_IN_RETIRED_ROOTS, 2, -EBADMSG, "retired has roots" },
};

static void each_fault_is_refused_and_named(void **state)
{
	const struct refusal *r = refusals;
	size_t i;

	(void)state;
	begin();
	for (i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++, r++) {
		first->fault = r->fault;
		first->config.epochs = r->epochs;
		assert_int_equal(get(), r->err);
		assert_told(first, r->text);
		assert_int_equal(nr_told, 1);
		assert_null(roots.epochs);
	}
	/* And nothing but the fault was the reason. */
	first->fault = STAND_IN_GOOD;
	assert_int_equal(get(), 0);
}

/* Who passes one connection on, and answers the other himself. */
static void attack_69_other_key_on_the_second_connection_is_refused(void **st)
{
	struct kms_app_keys keys;

	(void)st;
	begin();
	first->fault = STAND_IN_KEY_CHANGES;
	assert_int_equal(get(), -EKEYREJECTED);
	assert_told(first, "another key than when its evidence");
	/* It was shown no evidence, and asked for nothing. */
	assert_int_equal(first->requests, 1);
	/* Each of them by itself is good. */
	assert_int_equal(kms_get_app_keys(&kms, KMS_EPOCH_OLDEST, &keys), 0);
	kms_app_keys_wipe(&keys);
}

static void without_evidence_it_is_asked_nothing(void **state)
{
	(void)state;
	begin();
	first->config.attest = NULL;
	assert_int_equal(get(), -EKEYREJECTED);
	assert_told(first, "carries no evidence");
	assert_int_equal(first->requests, 0);
	assert_int_equal(asked, 0);
}

static void evidence_that_is_not_accepted_is_refused(void **state)
{
	(void)state;
	begin();
	only_instance = alice.instance;
	assert_int_equal(get(), -EKEYREJECTED);
	assert_told(first, "policy");
	assert_int_equal(first->requests, 0);
	only_instance = bob.instance;
	assert_int_equal(get(), 0);
}

static void kms_that_is_not_allowed_sees_no_evidence(void **state)
{
	(void)state;
	begin();
	allowed = -EACCES;
	assert_int_equal(get(), -EKEYREJECTED);
	assert_told(first, "it may not be a KMS: KMS image not allowed");
	assert_int_equal(first->requests, 1);
	assert_int_equal(asked, 1);
}

static void root_can_be_pinned_as_well(void **state)
{
	uint8_t *id = NULL;
	int len = i2d_PUBKEY(another->roots.ca_key, &id);

	(void)state;
	begin();
	kms.provider_id = id;
	kms.provider_id_len = len;
	assert_int_equal(get(), -EKEYREJECTED);
	assert_told(first, "it is another KMS");
	OPENSSL_free(id);
}

static void nobody_is_asked_without_a_judge(void **state)
{
	(void)state;
	begin();
	kms.trust = NULL;
	assert_int_equal(get(), -EINVAL);
	kms.trust = &trust;
	assert_int_equal(kms_get_roots(&kms, NULL, NULL, &roots), -EINVAL);
	assert_int_equal(first->requests, 0);
}

static int roots_teardown(void **state)
{
	kms_teardown(state);
	return guests_teardown(state);
}

int main(void)
{
#define ONE(name) cmocka_unit_test_setup_teardown(name, kms_reset, tear_down)
	const struct CMUnitTest tests[] = {
		ONE(one_set_of_upstreams_is_epoch_0),
		ONE(all_epochs_of_ours_come),
		ONE(each_fault_is_refused_and_named),
		ONE(attack_69_other_key_on_the_second_connection_is_refused),
		ONE(without_evidence_it_is_asked_nothing),
		ONE(evidence_that_is_not_accepted_is_refused),
		ONE(kms_that_is_not_allowed_sees_no_evidence),
		ONE(root_can_be_pinned_as_well),
		ONE(nobody_is_asked_without_a_judge),
	};

	return cmocka_run_group_tests_name("kms_roots", tests, kms_setup,
					   roots_teardown);
}
