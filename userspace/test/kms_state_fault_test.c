// SPDX-License-Identifier: MIT
/*
 * Whatever fails, and whenever the KMS is ended: the old state, or the new
 *
 * Copyright The dstack for Linux authors
 *
 * The system calls that write are stood in for here.  A change is made again
 * and again: each time the next of its calls fails, or ends the program.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kms_fault_seam.h"
#include "kms_state_fixture.h"

#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>

/*
 * Changes
 */

static struct key_epoch next;
static struct state *kms;

static int add(void)
{
	return state_add_epoch(kms, &next);
}

static int retire(void)
{
	return state_retire_epoch(kms, 0, 1800000000);
}

static int set_head(void)
{
	static const struct state_head head = { .number = 9, .time = 9 };

	kms->head_due_ms = 0;
	return state_set_head(kms, &head);
}

static bool is_added(void)
{
	return state_count(kms) == 3;
}

static bool is_retired(void)
{
	static struct key_epoch epoch;
	static const uint8_t zero[32];

	state_get_epoch(kms, 0, &epoch);
	assert_int_equal(!epoch.retired,
			 memcmp(epoch.ca, zero, sizeof(zero)) != 0);
	return epoch.retired;
}

static bool is_ahead(void)
{
	struct state_head head;

	state_get_head(kms, &head);
	return head.number == 9;
}

static const struct change {
	int (*make)(void);
	bool (*is_made)(void);
	bool stays_in_memory;
} changes[] = {
	{ add, is_added, false }, { retire, is_retired, false },
	/* What was final is so, whether or not the disk knows. */
	{ set_head, is_ahead, true },
};

#define CHANGES (sizeof(changes) / sizeof(changes[0]))

static uint8_t base[FILE_MAX];
static size_t base_len;

/* Epochs 0 and 1, of which every test begins. */
static int set_up(void **st)
{
	(void)st;
	state_begin();
	assert_int_equal(create(&kms), 0);
	epoch_make(1, &next);
	assert_int_equal(state_add_epoch(kms, &next), 0);
	epoch_make(2, &next);
	assert_int_equal(state_close(kms), 0);
	kms = NULL;
	base_len = load_file("state", base);
	options.witness = memory;
	return 0;
}

static int tear_down(void **st)
{
	(void)st;
	countdown = -1;
	state_end();
	return 0;
}

static void begin_again(void)
{
	char note[160];

	snprintf(note, sizeof(note), "%s/state-written", memory);
	unlink(note);
	put_file("state", base, base_len);
	assert_int_equal(state_open(&options, &kms), 0);
}

static int count_calls(const struct change *change)
{
	begin_again();
	arm(NONE, -1);
	assert_int_equal(change->make(), 0);
	assert_int_equal(state_close(kms), 0);
	return calls;
}

/* An error leaves memory as it was, and the disk old or new; then it works. */
static void fail_at(const struct change *change, enum fault what, int when)
{
	bool made;
	int err;

	begin_again();
	arm(what, when);
	err = change->make();
	countdown = -1;
	made = change->is_made();
	assert_int_equal(made, !err || change->stays_in_memory);
	if (change->stays_in_memory)
		kms->head_is_new = false;
	assert_int_equal(state_close(kms), 0);
	assert_int_equal(state_open(&options, &kms), 0);
	if (!err)
		assert_true(change->is_made());
	if (!change->is_made())
		assert_int_equal(change->make(), 0);
	assert_true(change->is_made());
	assert_int_equal(state_close(kms), 0);
}

static void failure_of_any_call_leaves_old_or_new(void **st)
{
	const struct change *change = changes;
	int i, nr;

	(void)st;
	for (; change < changes + CHANGES; change++) {
		nr = count_calls(change);
		/* It writes and stores at least: open, write, sync, rename. */
		assert_in_range(nr, 7, 100);
		for (i = 0; i < nr; i++) {
			fail_at(change, FAILS, i);
			fail_at(change, HALF, i);
		}
	}
}

/* After a failure in this process the same change is made again by itself. */
static void change_that_failed_can_be_made_at_once(void **st)
{
	int i, nr = count_calls(&changes[0]);

	(void)st;
	for (i = 0; i < nr; i++) {
		begin_again();
		arm(FAILS, i);
		if (add())
			assert_int_equal(add(), 0);
		countdown = -1;
		assert_int_equal(state_close(kms), 0);
		assert_int_equal(state_open(&options, &kms), 0);
		assert_true(is_added());
		assert_int_equal(state_close(kms), 0);
	}
}

static void end_at(const struct change *change, enum fault what, int when)
{
	int status;
	pid_t pid;

	begin_again();
	assert_int_equal(state_close(kms), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		if (state_open(&options, &kms))
			_exit(1);
		arm(what, when);
		_exit(change->make() ? 2 : 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 99);
	assert_int_equal(state_open(&options, &kms), 0);
	if (!change->is_made())
		assert_int_equal(change->make(), 0);
	assert_int_equal(state_close(kms), 0);
}

static void end_at_any_call_leaves_old_or_new(void **st)
{
	const struct change *change = changes;
	int i, nr;

	(void)st;
	for (; change < changes + CHANGES; change++) {
		nr = count_calls(change);
		for (i = 0; i < nr; i++) {
			end_at(change, DIES_BEFORE, i);
			end_at(change, DIES_AFTER, i);
		}
	}
}

/* Until it is told to be there, it is not; then it is, and only once. */
static void end_of_the_first_one_leaves_none_or_it(void **st)
{
	int i, err, status;
	pid_t pid;

	(void)st;
	for (i = 0; i < 40; i++) {
		unlink(path_of("state"));
		unlink(path_of(".new"));
		state_end();
		pid = fork();
		assert_true(pid >= 0);
		if (!pid) {
			arm(i % 2 ? DIES_BEFORE : DIES_AFTER, i / 2);
			mkdir(work, 0700);
			_exit(create(&kms) ? 2 : 0);
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFEXITED(status) && WEXITSTATUS(status) != 2);
		err = state_open(&options, &kms);
		assert_true(!err || (err == -ENOENT && WEXITSTATUS(status)));
		if (err)
			assert_int_equal(create(&kms), 0);
		assert_int_equal(state_close(kms), 0);
		if (!WEXITSTATUS(status))
			break;
	}
	assert_in_range(i, 10, 39);
}

/* Writes heads until it is killed, and tells how many. */
static void write_heads(_Atomic uint64_t *written)
{
	struct state_head head;

	if (state_open(&options, &kms))
		_exit(1);
	state_get_head(kms, &head);
	for (;;) {
		head.number++;
		head.time++;
		kms->head_due_ms = 0;
		if (state_set_head(kms, &head))
			_exit(2);
		*written = head.number;
	}
}

/* As it happens: at no call in particular. */
static void kill_at_any_time_leaves_the_last_or_the_next(void **st)
{
	_Atomic uint64_t *written;
	struct state_head head = { .number = 0 };
	uint64_t begin;
	pid_t pid;
	int round;

	(void)st;
	written = mmap(NULL, sizeof(*written), PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(written, MAP_FAILED);
	for (round = 0; round < 60; round++) {
		begin = head.number;
		pid = fork();
		assert_true(pid >= 0);
		if (!pid)
			write_heads(written);
		while (*written <= begin && !waitpid(pid, NULL, WNOHANG))
			usleep(100);
		usleep(997 * round % 5000);
		assert_int_equal(kill(pid, SIGKILL), 0);
		assert_int_equal(waitpid(pid, NULL, 0), pid);
		assert_int_equal(state_open(&options, &kms), 0);
		state_get_head(kms, &head);
		assert_true(head.number == *written ||
			    head.number == *written + 1);
		assert_int_equal(state_close(kms), 0);
	}
	munmap((void *)written, sizeof(*written));
}

/*
 * What a light client believes
 */

static int keep_light(char what)
{
	const char data[] = { what, what };

	return state_keep_light(kms, &seal_of_tests, data, sizeof(data));
}

static void assert_light_is_whole(bool is_new)
{
	char data[16];
	size_t len = sizeof(data);

	assert_int_equal(state_load_light(kms, &seal_of_tests, data, &len), 0);
	assert_int_equal(len, 2);
	assert_int_equal(data[0], data[1]);
	assert_true(data[0] == 'b' || (data[0] == 'a' && !is_new));
}

static void end_light_at(enum fault what, int when)
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (!pid) {
		arm(what, when);
		_exit(keep_light('b') ? 2 : 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 99);
	assert_light_is_whole(false);
}

static void light_client_is_kept_whole_or_as_it_was(void **st)
{
	int i, nr, err;

	(void)st;
	begin_again();
	arm(NONE, -1);
	assert_int_equal(keep_light('a'), 0);
	nr = calls;
	assert_in_range(nr, 6, 100);
	for (i = 0; i < 2 * nr; i++) {
		arm(NONE, -1);
		assert_int_equal(keep_light('a'), 0);
		end_light_at(i % 2 ? DIES_BEFORE : DIES_AFTER, i / 2);
		assert_int_equal(keep_light('a'), 0);
		arm(i % 2 ? FAILS : HALF, i / 2);
		err = keep_light('b');
		countdown = -1;
		assert_light_is_whole(!err);
	}
	assert_int_equal(state_close(kms), 0);
}

static void full_disk_does_not_slow_down_requests(void **st)
{
	struct state_head head = { .number = 1, .time = 1 };

	(void)st;
	begin_again();
	kms->head_due_ms = 0;
	arm(FAILS, 1);
	assert_int_equal(state_set_head(kms, &head), -ENOSPC);
	assert_non_null(strstr(said, "No space left"));
	/* Not before it is due again, and what is known is known. */
	head.number++;
	arm(NONE, -1);
	assert_int_equal(state_set_head(kms, &head), 0);
	assert_int_equal(calls, 0);
	state_get_head(kms, &head);
	assert_int_equal(head.number, 2);
	assert_int_equal(state_close(kms), 0);
}

int main(void)
{
#define ONE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		ONE(failure_of_any_call_leaves_old_or_new),
		ONE(change_that_failed_can_be_made_at_once),
		ONE(end_at_any_call_leaves_old_or_new),
		ONE(end_of_the_first_one_leaves_none_or_it),
		ONE(kill_at_any_time_leaves_the_last_or_the_next),
		ONE(light_client_is_kept_whole_or_as_it_was),
		ONE(full_disk_does_not_slow_down_requests),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
