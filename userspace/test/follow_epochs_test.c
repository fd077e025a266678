// SPDX-License-Identifier: MIT
/*
 * A guest that follows key epochs: what it does when, and ended anywhere
 *
 * Copyright The dstack for Linux authors
 *
 * The module, the KMS and the disk are the test's; files are files.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "follow_epochs_fixture.h"

/*
 * A machine that was booted with keys of an epoch
 */

static void boot(uint64_t epoch)
{
	struct kms kms = { .provider_id_len = 91 };
	struct kms_app_keys from;
	struct agent_app_keys *keys;
	void *memory;
	char *text;
	size_t len;

	assert_int_equal(libdstack_secret_alloc(sizeof(*keys), &memory), 0);
	keys = memory;
	assert_int_equal(kms_get_app_keys(&kms, epoch, &from), 0);
	assert_int_equal(kms_app_keys_keep(&from, keys), 0);
	assert_int_equal(agent_app_keys_write(keys, &text, &len), 0);
	assert_int_equal(record_replace(follow.app, AGENT_APP_KEYS_FILE, text),
			 0);
	libdstack_secret_free(text, AGENT_APP_KEYS_FILE_MAX);
	agent_app_keys_free(keys);
	kms_app_keys_wipe(&from);
	memset(module, 0, sizeof(*module));
	module->nr = 1;
	module->epochs[0] = epoch;
	module->keys[0] = byte_of(epoch);
	module->disk = byte_of(epoch);
	assert_int_equal(record_replace(follow.app, DISK_HEADER, "header"), 0);
}

static int setup(void **unused)
{
	(void)unused;
	kill_at = 0;
	no_kms = false;
	old_keys = false;
	no_disk = false;
	*said = '\0';
	strcpy(dir, "/tmp/epochs-XXXXXX");
	assert_non_null(mkdtemp(dir));
	options = (struct follow_options){ .app = dir };
	follow = (struct follow){
		.options = &options, .view.block = 100,
		.app = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC),
	};
	memcpy(follow.app_id, app_id, sizeof(app_id));
	state = (struct kms_app_state){
		.allowed = true, .block = 100, .block_time = 1000,
	};
	boot(0);
	return 0;
}

static int teardown(void **unused)
{
	char command[128];

	(void)unused;
	agent_app_keys_free_all(follow.keys);
	close(follow.app);
	snprintf(command, sizeof(command), "rm -r %s", dir);
	return system(command);
}

/* As at the start of the process. */
static void begin(void)
{
	assert_int_equal(epochs_read(&follow), 0);
	assert_int_equal(epochs_pin(&follow, follow.keys[0]), 0);
}

static int look_at(const struct kms_app_state *of, int64_t now)
{
	assert_int_equal(epochs_look(&follow), 0);
	return epochs_follow(&follow, of, now, &why);
}

static void look(void)
{
	assert_int_equal(look_at(&state, 1000), 0);
}

static void overlap(void)
{
	state.kms_keys = (struct kms_key_epochs){
		.current = 1, .previous_ends = 2000,
	};
}

static void ended(void)
{
	overlap();
	state.block_time = 2000;
}

static bool is_there(const char *name)
{
	return !faccessat(follow.app, name, F_OK, 0);
}

static void assert_has(uint64_t epoch, bool next)
{
	assert_int_equal(follow.keys[0]->key_epoch, epoch);
	assert_int_equal(follow.keys[0]->disk_key[0], byte_of(epoch));
	assert_int_equal(module->disk, byte_of(follow.keys[next]->key_epoch));
	assert_int_equal(!!follow.keys[1], next);
	assert_int_equal(is_there(AGENT_APP_KEYS_NEXT), next);
	assert_int_equal(module->nr, next ? 2 : 1);
	assert_true(find(epoch) >= 0);
	if (next)
		assert_true(find(follow.keys[1]->key_epoch) >= 0);
}

static void epoch_that_does_not_move_changes_nothing(void **unused)
{
	(void)unused;
	begin();
	look();
	assert_has(0, false);
	assert_null(why);
	assert_int_equal(module->loads, 0);
}

static void next_epoch_is_there_beside_the_old_one(void **unused)
{
	(void)unused;
	begin();
	overlap();
	look();
	assert_has(0, true);
	assert_int_equal(follow.keys[1]->key_epoch, 1);
	assert_int_equal(module->fetched, 1);
	assert_int_equal(module->retired, 0);
	/* It is fetched once. */
	look();
	assert_int_equal(module->fetched, 1);
	assert_int_equal(module->loads, 1);
}

static void old_epoch_goes_when_it_has_ended(void **unused)
{
	(void)unused;
	begin();
	overlap();
	look();
	state.block_time = 1999;
	look();
	assert_has(0, true);
	state.block_time = 2000;
	look();
	assert_has(1, false);
	assert_int_equal(module->retired, 1);
	assert_int_equal(module->floor, 1);
	assert_non_null(strstr(said, "key epoch 0 has ended"));
	/* Its root is a KMS's no more. */
	assert_int_equal(follow.pin[0], 0x21);
}

static void attack_63_epoch_that_went_does_not_come_back(void **unused)
{
	static const uint8_t old[DSTACK_KEY_ROOT_SIZE] = { 0x10 };

	(void)unused;
	begin();
	ended();
	look();
	assert_has(1, false);
	/* Whatever is said then. */
	state.kms_keys = (struct kms_key_epochs){ .current = 0 };
	look();
	assert_has(1, false);
	assert_int_equal(libdstack_ensure_root(NULL, app_id, 0, old, 0),
			 -ESTALE);
	/* Nor by a block that is older than one that was seen. */
	follow.view.block = 101;
	overlap();
	state.kms_keys.current = 2;
	look();
	assert_has(1, false);
}

static void machine_that_missed_the_overlap_moves_on_at_once(void **unused)
{
	(void)unused;
	begin();
	state.kms_keys = (struct kms_key_epochs){
		.current = 5, .previous_ends = 2000,
	};
	look();
	assert_has(5, false);
	assert_int_equal(module->floor, 1);
	assert_int_equal(module->fetched, 1);
}

static void one_epoch_comes_after_the_other(void **unused)
{
	(void)unused;
	begin();
	overlap();
	look();
	state.kms_keys.current = 2;
	state.kms_keys.previous_ends = 3000;
	look();
	assert_has(1, true);
	assert_int_equal(follow.keys[1]->key_epoch, 2);
	state.block_time = 3000;
	look();
	assert_has(2, false);
	assert_int_equal(module->floor, 2);
}

static void revoked_epoch_ends_before_its_time(void **unused)
{
	(void)unused;
	begin();
	overlap();
	look();
	state.kms_keys.first_live = 1;
	look();
	assert_has(1, false);
	teardown(NULL);
	setup(NULL);
	begin();
	overlap();
	look();
	/* By the application's own contract, for itself. */
	state.app_keys.first_live = 1;
	look();
	assert_has(1, false);
}

static void nothing_goes_before_something_else_is_there(void **unused)
{
	(void)unused;
	begin();
	/* The only one is revoked. */
	state.kms_keys = (struct kms_key_epochs){ .first_live = 1 };
	look();
	assert_has(0, false);
	assert_non_null(strstr(why, "no later one lives"));
	ended();
	no_kms = true;
	look();
	assert_has(0, false);
	assert_int_equal(module->retired, 0);
}

static void keys_that_can_not_be_had_are_asked_for_later(void **unused)
{
	(void)unused;
	begin();
	overlap();
	no_kms = true;
	look();
	assert_int_equal(follow.view.again_ms, 6000);
	no_kms = false;
	assert_int_equal(look_at(&state, 5999), 0);
	assert_has(0, false);
	no_kms = true;
	assert_int_equal(look_at(&state, 6000), 0);
	assert_int_equal(follow.view.again_ms, 16000);
	follow.view.failed = 1000000;
	assert_int_equal(look_at(&state, 16000), 0);
	assert_int_equal(follow.view.again_ms, 316000);
	no_kms = false;
	assert_int_equal(look_at(&state, 316000), 0);
	assert_has(0, true);
	assert_int_equal(follow.view.failed, 0);
}

static void key_of_a_disk_does_not_go_before_the_disk_has_moved(void **unused)
{
	(void)unused;
	begin();
	overlap();
	no_disk = true;
	look();
	assert_int_equal(follow.view.again_ms, 6000);
	/* New keys do not wait for it. */
	assert_int_equal(module->nr, 2);
	ended();
	look();
	assert_int_equal(follow.keys[0]->key_epoch, 0);
	assert_true(is_there(AGENT_APP_KEYS_NEXT));
	assert_int_equal(module->retired, 0);
	no_disk = false;
	assert_int_equal(look_at(&state, 6000), 0);
	assert_has(1, false);
	/* Where there is none nothing waits. */
	teardown(NULL);
	setup(NULL);
	assert_int_equal(unlinkat(follow.app, DISK_HEADER, 0), 0);
	module->disk = byte_of(1);
	no_disk = true;
	begin();
	ended();
	look();
	assert_has(1, false);
}

static void who_is_denied_is_not_asked_for(void **unused)
{
	(void)unused;
	begin();
	overlap();
	state.allowed = false;
	look();
	assert_has(0, false);
	assert_int_equal(module->fetched, 0);
}

static void without_a_chain_no_epoch_is_followed(void **unused)
{
	(void)unused;
	begin();
	ended();
	state.block = 0;
	follow.view.block = 0;
	look();
	assert_has(0, false);
	assert_int_equal(look_at(NULL, 1000), 0);
	assert_has(0, false);
}

static void keys_that_were_taken_away_stay_away(void **unused)
{
	(void)unused;
	begin();
	overlap();
	look();
	module->nr = 0;
	look();
	assert_int_equal(module->nr, 0);
	/* Both come back with a policy. */
	assert_int_equal(epochs_restore(&follow), 0);
	assert_has(0, true);
	/* What ended meanwhile does not. */
	module->nr = 0;
	state.block_time = 2000;
	look();
	assert_int_equal(module->nr, 0);
	assert_int_equal(module->floor, 1);
	assert_int_equal(epochs_restore(&follow), 0);
	assert_has(1, false);
}

static void old_keys_under_a_new_number_are_refused(void **unused)
{
	(void)unused;
	begin();
	overlap();
	old_keys = true;
	look();
	assert_has(0, false);
	assert_non_null(strstr(said, "keys of key epoch 0 as those of 1"));
}

/*
 * Ended anywhere
 */

/* Nobody finds a file that is none, or a root key whose file is missing. */
static void check_between(void)
{
	struct agent_app_keys *keys[AGENT_APP_KEYS_ALL];
	uint64_t newest = 0;
	size_t i;

	assert_int_equal(agent_app_keys_read_all(dir, follow_tell, keys), 0);
	for (i = 0; i < module->nr; i++)
		if (module->epochs[i] > newest)
			newest = module->epochs[i];
	assert_true(newest == keys[0]->key_epoch ||
		    (keys[1] && newest == keys[1]->key_epoch));
	agent_app_keys_free_all(keys);
}

static int in_a_process(int at, bool with_overlap)
{
	pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (!pid) {
		kill_at = at;
		begin();
		overlap();
		if (with_overlap)
			look();
		ended();
		look();
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void sweep(bool overlap_first, bool overlap_then)
{
	int at, status = KILLED;

	for (at = 1; status == KILLED; at++) {
		boot(0);
		unlinkat(follow.app, AGENT_APP_KEYS_NEXT, 0);
		status = in_a_process(at, overlap_first);
		check_between();
		assert_int_equal(in_a_process(0, overlap_then), 0);
		begin();
		assert_has(1, false);
		assert_int_equal(module->floor, 1);
		assert_true(module->loads <= 1);
	}
	assert_int_equal(status, 0);
	assert_true(at > 8);
}

static void ended_at_each_step_it_is_done_by_the_next_start(void **unused)
{
	(void)unused;
	sweep(true, true);
	sweep(true, false);
	sweep(false, false);
}

#define CLAIM(name)	cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CLAIM(epoch_that_does_not_move_changes_nothing),
		CLAIM(next_epoch_is_there_beside_the_old_one),
		CLAIM(old_epoch_goes_when_it_has_ended),
		CLAIM(attack_63_epoch_that_went_does_not_come_back),
		CLAIM(machine_that_missed_the_overlap_moves_on_at_once),
		CLAIM(one_epoch_comes_after_the_other),
		CLAIM(revoked_epoch_ends_before_its_time),
		CLAIM(nothing_goes_before_something_else_is_there),
		CLAIM(keys_that_can_not_be_had_are_asked_for_later),
		CLAIM(key_of_a_disk_does_not_go_before_the_disk_has_moved),
		CLAIM(who_is_denied_is_not_asked_for),
		CLAIM(without_a_chain_no_epoch_is_followed),
		CLAIM(keys_that_were_taken_away_stay_away),
		CLAIM(old_keys_under_a_new_number_are_refused),
		CLAIM(ended_at_each_step_it_is_done_by_the_next_start),
	};

	module = mmap(NULL, sizeof(*module), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	make_authority();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
