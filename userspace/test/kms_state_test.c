// SPDX-License-Identifier: MIT
/*
 * What a KMS keeps comes back as it was, or is refused
 *
 * Copyright The dstack for Linux authors
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kms_state_fixture.h"

static struct state *open_state;
static uint8_t file[FILE_MAX], other[FILE_MAX];
static struct key_epoch epochs[3], got;

static int set_up(void **st)
{
	(void)st;
	state_begin();
	memset(seal_key, 1, sizeof(seal_key));
	assert_int_equal(create(&open_state), 0);
	return 0;
}

static int tear_down(void **st)
{
	(void)st;
	state_close(open_state);
	open_state = NULL;
	state_end();
	return 0;
}

static int reopen(void)
{
	assert_int_equal(state_close(open_state), 0);
	return state_open(&options, &open_state);
}

/* A file that is not what was written is refused with a line that says so. */
static void assert_refused(int err, const char *text)
{
	*said = '\0';
	assert_int_equal(state_open(&options, &open_state), err);
	assert_null(open_state);
	if (!strstr(said, text))
		fail_msg("'%s' is not about '%s'", said, text);
}

static void shut(void)
{
	assert_int_equal(state_close(open_state), 0);
	open_state = NULL;
}

static const struct state_head *head_of(uint64_t number)
{
	static struct state_head head;

	head = (struct state_head){ .number = number, .time = 1000 + number };
	memset(head.hash, number, sizeof(head.hash));
	return &head;
}

/*
 * It comes back
 */

static void what_was_stored_is_there_again(void **st)
{
	struct state_head head;
	struct key_epoch want;

	(void)st;
	epoch_make(0, &want);
	assert_int_equal(reopen(), 0);
	assert_int_equal(state_count(open_state), 1);
	state_get_epoch(open_state, 0, &got);
	assert_memory_equal(got.ca, want.ca, 32);
	assert_memory_equal(got.k256, want.k256, 32);
	assert_memory_equal(got.temp_ca, want.temp_ca, 32);
	assert_memory_equal(got.k256_public, want.k256_public, 33);
	assert_int_equal(got.created, want.created);
	assert_int_equal(got.succession_len, 0);
	assert_string_equal(state_domain(open_state), DOMAIN);
	assert_int_equal(state_generation(open_state), 1);
	state_get_head(open_state, &head);
	assert_int_equal(head.number, 0);
}

static void roots_are_in_no_file_in_the_clear(void **st)
{
	struct key_epoch want;
	size_t len;

	(void)st;
	epoch_make(0, &want);
	len = load_file("state", file);
	assert_null(memmem(file, len, want.ca, 32));
	assert_null(memmem(file, len, want.k256, 32));
	assert_null(memmem(file, len, want.temp_ca, 32));
}

static void attack_71_second_bootstrap_is_refused(void **st)
{
	struct state *second;
	size_t len;

	(void)st;
	shut();
	len = load_file("state", file);
	assert_int_equal(create(&second), -EEXIST);
	assert_null(second);
	assert_non_null(strstr(said, "set up once"));
	assert_int_equal(load_file("state", other), len);
	assert_memory_equal(file, other, len);
	/* Nor over something that only has the name. */
	assert_int_equal(unlink(path_of("state")), 0);
	assert_int_equal(symlink("/nonexistent", path_of("state")), 0);
	assert_int_equal(create(&second), -EEXIST);
}

static void absent_state_is_said_to_be_absent(void **st)
{
	(void)st;
	shut();
	assert_int_equal(unlink(path_of("state")), 0);
	assert_int_equal(state_open(&options, &open_state), -ENOENT);
}

static void two_kmss_do_not_share_it(void **st)
{
	struct state *second;

	(void)st;
	assert_int_equal(state_open(&options, &second), -EBUSY);
	assert_non_null(strstr(said, "another KMS has it"));
	assert_int_equal(reopen(), 0);
}

/*
 * Epochs
 */

static void epochs_are_added_and_kept_in_order(void **st)
{
	(void)st;
	epoch_make(1, &epochs[1]);
	epoch_make(7, &epochs[2]);
	assert_int_equal(state_add_epoch(open_state, &epochs[1]), 0);
	assert_int_equal(state_add_epoch(open_state, &epochs[2]), 0);
	assert_int_equal(reopen(), 0);
	assert_int_equal(state_count(open_state), 3);
	state_get_epoch(open_state, 2, &got);
	assert_memory_equal(&got, &epochs[2], sizeof(got));
	state_get_newest(open_state, &got);
	assert_int_equal(got.number, 7);
}

static void attack_63_retired_epoch_has_no_roots_and_does_not_return(void **st)
{
	size_t len;

	(void)st;
	state_get_epoch(open_state, 0, &epochs[0]);
	epoch_make(1, &epochs[1]);
	assert_int_equal(state_add_epoch(open_state, &epochs[1]), 0);
	assert_int_equal(state_retire_epoch(open_state, 0, 1800000000), 0);
	state_get_epoch(open_state, 0, &got);
	assert_int_equal(got.retired, 1800000000);
	assert_true(!got.ca[0] && !memcmp(got.ca, got.ca + 1, 31));
	assert_memory_equal(got.ca, got.k256, 32);
	assert_memory_equal(got.ca, got.temp_ca, 32);
	/* What was public stays. */
	assert_string_equal(got.ca_cert, epochs[0].ca_cert);
	assert_int_equal(state_retire_epoch(open_state, 0, 1900000000), 0);
	assert_int_equal(state_add_epoch(open_state, &epochs[0]), -EEXIST);
	assert_int_equal(reopen(), 0);
	state_get_epoch(open_state, 0, &got);
	assert_int_equal(got.retired, 1800000000);
	assert_int_equal(state_add_epoch(open_state, &epochs[0]), -EEXIST);
	/* Not in what is sealed either. */
	len = content_write(open_state->content, file);
	assert_true(len > 0);
	assert_null(memmem(file, len, epochs[0].ca, 32));
	assert_null(memmem(file, len, epochs[0].k256, 32));
	assert_null(memmem(file, len, epochs[0].temp_ca, 32));
}

static void last_epoch_is_not_retired(void **st)
{
	(void)st;
	assert_int_equal(state_retire_epoch(open_state, 0, 9), -EBUSY);
	assert_int_equal(state_retire_epoch(open_state, 5, 9), -ENOENT);
	state_get_newest(open_state, &got);
	assert_int_equal(got.number, 0);
	assert_int_equal(got.retired, 0);
}

struct wrong_epoch {
	const char *text;
	size_t offset, len;
};

/* What is taken from another epoch, and what is then wrong. */
static const struct wrong_epoch wrong_epochs[] = {
	{ "the root CA is not", offsetof(struct key_epoch, ca), 32 },
	{ "the root CA is not", offsetof(struct key_epoch, ca_cert),
	  KEY_EPOCH_CERT_MAX },
	{ "the temporary CA is not", offsetof(struct key_epoch, temp_ca), 32 },
	{ "the temporary CA is not", offsetof(struct key_epoch, temp_ca_cert),
	  KEY_EPOCH_CERT_MAX },
	{ "secp256k1", offsetof(struct key_epoch, k256), 32 },
	{ "secp256k1", offsetof(struct key_epoch, k256_public), 33 },
};

static void parts_of_an_epoch_must_belong_together(void **st)
{
	const struct wrong_epoch *w = wrong_epochs;
	size_t i;

	(void)st;
	epoch_make(2, &epochs[2]);
	for (i = 0; i < sizeof(wrong_epochs) / sizeof(*w); i++, w++) {
		epoch_make(1, &epochs[1]);
		memcpy((char *)&epochs[1] + w->offset,
		       (char *)&epochs[2] + w->offset, w->len);
		assert_int_equal(state_add_epoch(open_state, &epochs[1]),
				 -EINVAL);
		assert_non_null(strstr(said, w->text));
		assert_int_equal(state_count(open_state), 1);
	}
	epoch_make(1, &epochs[1]);
	epochs[1].succession_len = AGENT_LINK_SIZE - 1;
	assert_int_equal(state_add_epoch(open_state, &epochs[1]), -EINVAL);
	epochs[1].succession_len = KEY_SUCCESSION_MAX + 1;
	assert_int_equal(state_add_epoch(open_state, &epochs[1]), -EINVAL);
	epoch_make(0, &epochs[1]);
	epochs[1].number = 1;
	assert_int_equal(state_add_epoch(open_state, &epochs[1]), -EINVAL);
	assert_non_null(strstr(said, "the same root"));
	epoch_make(1, &epochs[1]);
	assert_int_equal(state_add_epoch(open_state, &epochs[1]), 0);
}

/* As of states that were written when only the first of them was kept. */
static void record_of_one_signature_is_stored_and_read(void **st)
{
	(void)st;
	epoch_make(1, &epochs[1]);
	epochs[1].succession_len = AGENT_LINK_SIZE;
	assert_int_equal(state_add_epoch(open_state, &epochs[1]), 0);
	assert_int_equal(reopen(), 0);
	state_get_epoch(open_state, 1, &got);
	assert_int_equal(got.succession_len, AGENT_LINK_SIZE);
	assert_memory_equal(got.succession, epochs[1].succession,
			    AGENT_LINK_SIZE);
}

static void certificates_are_renewed_for_the_same_keys(void **st)
{
	(void)st;
	epoch_make(0, &epochs[0]);
	epoch_make(1, &epochs[1]);
	epoch_cert(epochs[0].ca, 1, epochs[0].ca_cert);
	assert_int_equal(state_set_certs(open_state, 0, epochs[0].ca_cert,
					 epochs[0].temp_ca_cert), 0);
	assert_int_equal(reopen(), 0);
	state_get_newest(open_state, &got);
	assert_string_equal(got.ca_cert, epochs[0].ca_cert);
	assert_int_equal(state_set_certs(open_state, 0, epochs[1].ca_cert,
					 epochs[0].temp_ca_cert), -EINVAL);
	state_get_newest(open_state, &got);
	assert_string_equal(got.ca_cert, epochs[0].ca_cert);
}

static void there_is_room_for_all_epochs(void **st)
{
	uint64_t i;

	(void)st;
	for (i = 1; i < KEY_EPOCHS_MAX; i++) {
		epoch_make(i, &epochs[1]);
		assert_int_equal(state_add_epoch(open_state, &epochs[1]), 0);
	}
	epoch_make(i, &epochs[1]);
	assert_int_equal(state_add_epoch(open_state, &epochs[1]), -ENOSPC);
	assert_int_equal(reopen(), 0);
	assert_int_equal(state_count(open_state), KEY_EPOCHS_MAX);
}

static void domains_are_names_of_hosts(void **st)
{
	static const char *const bad[] = {
		"", ".", "a..b", "-a", "a-", "a b", "a/b", "a.", "\xc3\xa4",
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
	};
	char longest[STATE_DOMAIN_MAX + 2];
	size_t i;

	(void)st;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(state_domain_ok(bad[i]));
	for (i = 0; i < STATE_DOMAIN_MAX; i++)
		longest[i] = i % 2 ? '.' : 'a';
	longest[i] = '\0';
	assert_true(state_domain_ok(longest));
	strcpy(longest + i, "a");
	assert_false(state_domain_ok(longest));
}

/*
 * Heads
 */

static void heads_do_not_go_back(void **st)
{
	struct state_head head;

	(void)st;
	assert_int_equal(state_set_head(open_state, head_of(100)), 0);
	assert_int_equal(state_set_head(open_state, head_of(100)), 0);
	assert_int_equal(state_set_head(open_state, head_of(99)), -ESTALE);
	head = *head_of(100);
	head.hash[0] ^= 1;
	assert_int_equal(state_set_head(open_state, &head), -ESTALE);
	head = *head_of(101);
	head.time = 1099;
	assert_int_equal(state_set_head(open_state, &head), -ESTALE);
	assert_int_equal(reopen(), 0);
	state_get_head(open_state, &head);
	assert_memory_equal(&head, head_of(100), sizeof(head));
	assert_int_equal(state_set_head(open_state, head_of(99)), -ESTALE);
	assert_int_equal(state_set_head(open_state, head_of(101)), 0);
}

static void heads_are_written_once_in_a_while(void **st)
{
	uint64_t i;

	(void)st;
	nr_sealed = 0;
	for (i = 1; i <= 10000; i++)
		assert_int_equal(state_set_head(open_state, head_of(i)), 0);
	assert_int_equal(nr_sealed, 0);
	open_state->head_due_ms = 0;
	assert_int_equal(state_set_head(open_state, head_of(i++)), 0);
	assert_int_equal(nr_sealed, 1);
	assert_int_equal(state_set_head(open_state, head_of(i)), 0);
	assert_int_equal(nr_sealed, 1);
	/* The last one is not lost if the KMS ends in good order. */
	assert_int_equal(reopen(), 0);
	assert_int_equal(nr_sealed, 2);
	state_get_head(open_state, &open_state->content->head);
	assert_int_equal(open_state->content->head.number, i);
}

/*
 * Another file in its place
 */

static void each_changed_byte_is_noticed(void **st)
{
	size_t i, len;

	(void)st;
	shut();
	len = load_file("state", file);
	for (i = 0; i < len; i += i < 64 ? 1 : 61) {
		file[i] ^= 1;
		put_file("state", file, len);
		assert_true(state_open(&options, &open_state) < 0);
		file[i] ^= 1;
	}
	put_file("state", file, len);
	assert_int_equal(state_open(&options, &open_state), 0);
}

static void each_length_but_the_whole_is_refused(void **st)
{
	size_t i, len;

	(void)st;
	shut();
	len = load_file("state", file);
	for (i = 0; i < len; i += i < 64 ? 1 : 61) {
		put_file("state", file, i);
		assert_refused(-EBADMSG, i < HEADER_SIZE ? "no state of a KMS" :
			       "cut short");
	}
	put_file("state", file, len + 1);
	assert_refused(-EBADMSG, "behind its end");
	assert_int_equal(truncate(path_of("state"), FILE_MAX), 0);
	assert_refused(-EFBIG, "too large");
}

static void unknown_version_is_refused(void **st)
{
	size_t len;

	(void)st;
	shut();
	len = load_file("state", file);
	file[8] = 2;
	put_file("state", file, len);
	assert_refused(-EPROTONOSUPPORT, "of another version");
}

static void other_seals_are_not_tried(void **st)
{
	size_t len;

	(void)st;
	shut();
	len = load_file("state", file);
	file[10] ^= 1;
	put_file("state", file, len);
	assert_refused(-EPROTONOSUPPORT, "sealed in another way");
}

static void state_of_another_machine_does_not_open(void **st)
{
	(void)st;
	shut();
	seal_key[0] ^= 1;
	assert_refused(-EBADMSG, "another machine or application");
	seal_key[0] ^= 1;
}

static void header_is_that_which_was_sealed(void **st)
{
	size_t len;

	(void)st;
	shut();
	len = load_file("state", file);
	file[16]++;
	put_file("state", file, len);
	assert_refused(-EBADMSG, "not the one that was sealed");
}

static void files_that_others_may_read_are_refused(void **st)
{
	(void)st;
	shut();
	assert_int_equal(chmod(path_of("state"), 0640), 0);
	assert_refused(-EPERM, "mode 0600");
	assert_int_equal(chmod(path_of("state"), 0600), 0);
	assert_int_equal(chmod(where, 0750), 0);
	assert_refused(-EPERM, "mode 0700");
	assert_int_equal(chmod(where, 0700), 0);
	assert_int_equal(state_open(&options, &open_state), 0);
}

static void links_and_other_things_are_not_followed(void **st)
{
	char aside[160], second[160];

	(void)st;
	shut();
	snprintf(aside, sizeof(aside), "%s/aside", work);
	assert_int_equal(rename(path_of("state"), aside), 0);
	assert_int_equal(symlink(aside, path_of("state")), 0);
	assert_refused(-EPERM, "plain file");
	assert_int_equal(unlink(path_of("state")), 0);
	assert_int_equal(link(aside, path_of("state")), 0);
	assert_refused(-EPERM, "no other name");
	assert_int_equal(unlink(path_of("state")), 0);
	assert_int_equal(mkfifo(path_of("state"), 0600), 0);
	assert_refused(-EPERM, "plain file");
	assert_int_equal(unlink(path_of("state")), 0);
	assert_int_equal(rename(aside, path_of("state")), 0);
	snprintf(second, sizeof(second), "%s/link.d", work);
	assert_int_equal(symlink(where, second), 0);
	options.dir = second;
	assert_refused(-EPERM, "no link");
	options.dir = where;
	assert_int_equal(state_open(&options, &open_state), 0);
}

/*
 * The same machine, an older file
 */

static void old_file_put_back(void)
{
	size_t len = load_file("state", file);

	epoch_make(1, &epochs[1]);
	assert_int_equal(state_add_epoch(open_state, &epochs[1]), 0);
	assert_int_equal(state_retire_epoch(open_state, 0, 5), 0);
	shut();
	put_file("state", file, len);
}

static void attack_59_old_file_opens_without_a_witness(void **st)
{
	(void)st;
	old_file_put_back();
	assert_int_equal(state_open(&options, &open_state), 0);
	assert_int_equal(state_count(open_state), 1);
}

static void attack_59_old_file_is_refused_with_a_witness(void **st)
{
	(void)st;
	options.witness = memory;
	assert_int_equal(reopen(), 0);
	old_file_put_back();
	assert_refused(-ESTALE, "an old file was put back");
	/* A state of the same generation is not the one that was written. */
	assert_int_equal(unlink(path_of("state")), 0);
	options.witness = NULL;
	assert_int_equal(create(&open_state), 0);
	assert_int_equal(state_set_head(open_state, head_of(1)), 0);
	assert_int_equal(reopen(), 0);
	assert_int_equal(state_set_head(open_state, head_of(2)), 0);
	shut();
	options.witness = memory;
	assert_refused(-ESTALE, "another file was put there");
}

static void what_was_written_last_opens_with_a_witness(void **st)
{
	(void)st;
	options.witness = memory;
	assert_int_equal(reopen(), 0);
	epoch_make(1, &epochs[1]);
	assert_int_equal(state_add_epoch(open_state, &epochs[1]), 0);
	assert_int_equal(reopen(), 0);
	assert_int_equal(state_set_head(open_state, head_of(1)), 0);
	assert_int_equal(reopen(), 0);
	assert_int_equal(state_generation(open_state), 3);
}

static void witness_on_a_disk_is_none(void **st)
{
	char disk[160];
	struct state *second;

	(void)st;
	shut();
	snprintf(disk, sizeof(disk), "%s/witness.d", work);
	options.witness = disk;
	if (!state_open(&options, &second)) {
		/* All of /tmp is in memory here. */
		assert_int_equal(state_close(second), 0);
		skip();
	}
	assert_non_null(strstr(said, "must be in memory"));
}

/*
 * What is public
 */

static void info_has_upstreams_shape(void **st)
{
	char want[4096], hex[512];
	uint8_t *spki = NULL;
	struct stat stat_of;
	EVP_PKEY *key;
	size_t len;
	int n;

	(void)st;
	assert_false(state_has_info(open_state));
	assert_int_equal(state_write_info(open_state, 0, "\x01\x02", 2), 0);
	assert_true(state_has_info(open_state));
	epoch_make(0, &epochs[0]);
	key = p256_key(epochs[0].ca);
	n = i2d_PUBKEY(key, &spki);
	assert_true(n > 0);
	len = snprintf(want, sizeof(want), "{\"ca_pubkey\":\"%s\",",
		       libdstack_to_hex(spki, n, hex));
	snprintf(want + len, sizeof(want) - len,
		 "\"k256_pubkey\":\"%s\",\"attestation\":\"0102\"}\n",
		 libdstack_to_hex(epochs[0].k256_public, 33, hex));
	len = load_file(STATE_INFO, file);
	assert_int_equal(len, strlen(want));
	assert_memory_equal(file, want, len);
	assert_int_equal(stat(path_of(STATE_INFO), &stat_of), 0);
	assert_int_equal(stat_of.st_mode & 0777, 0644);
	OPENSSL_free(spki);
	EVP_PKEY_free(key);
}

int main(void)
{
#define ONE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		ONE(what_was_stored_is_there_again),
		ONE(roots_are_in_no_file_in_the_clear),
		ONE(attack_71_second_bootstrap_is_refused),
		ONE(absent_state_is_said_to_be_absent),
		ONE(two_kmss_do_not_share_it),
		ONE(epochs_are_added_and_kept_in_order),
		ONE(attack_63_retired_epoch_has_no_roots_and_does_not_return),
		ONE(last_epoch_is_not_retired),
		ONE(parts_of_an_epoch_must_belong_together),
		ONE(record_of_one_signature_is_stored_and_read),
		ONE(certificates_are_renewed_for_the_same_keys),
		ONE(there_is_room_for_all_epochs),
		ONE(domains_are_names_of_hosts),
		ONE(heads_do_not_go_back),
		ONE(heads_are_written_once_in_a_while),
		ONE(each_changed_byte_is_noticed),
		ONE(each_length_but_the_whole_is_refused),
		ONE(unknown_version_is_refused),
		ONE(other_seals_are_not_tried),
		ONE(state_of_another_machine_does_not_open),
		ONE(header_is_that_which_was_sealed),
		ONE(files_that_others_may_read_are_refused),
		ONE(links_and_other_things_are_not_followed),
		ONE(attack_59_old_file_opens_without_a_witness),
		ONE(attack_59_old_file_is_refused_with_a_witness),
		ONE(what_was_written_last_opens_with_a_witness),
		ONE(witness_on_a_disk_is_none),
		ONE(info_has_upstreams_shape),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
