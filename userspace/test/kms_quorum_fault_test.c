// SPDX-License-Identifier: MIT
/*
 * Whatever fails while a state is shared out, and whenever it ends: it opens
 *
 * Copyright The dstack for Linux authors
 *
 * All KMSs are one program here, so each write of any of them fails once, or
 * ends them all; what is on their disks must open the state afterwards.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kms_fault_seam.h"
#include "kms_quorum_fixture.h"

#include <sys/wait.h>

static struct quorum *quorum;
static struct state *state;

static int tear_down(void **st)
{
	(void)st;
	countdown = -1;
	quorum_end();
	return 0;
}

static void end(void)
{
	assert_int_equal(state_close(state), 0);
	state = NULL;
	quorum_close(quorum);
	quorum = NULL;
}

static void begin(void)
{
	quorum = new_quorum(&machines[0]);
	assert_int_equal(start(quorum, &state), 0);
}

static int share_out(void)
{
	return quorum_share_out(quorum, state, 2, &peers);
}

static void assert_opens(void)
{
	static struct key_epoch epoch, want;

	begin();
	epoch_make(0, &want);
	state_get_epoch(state, 0, &epoch);
	assert_memory_equal(epoch.ca, want.ca, sizeof(want.ca));
}

/* A fresh state, or one in shares already. */
static void make(bool is_shared)
{
	quorum_begin(3);
	begin();
	if (is_shared)
		assert_int_equal(share_out(), 0);
}

static int count_calls(bool is_shared)
{
	make(is_shared);
	arm(NONE, -1);
	assert_int_equal(share_out(), 0);
	end();
	quorum_end();
	return calls;
}

static void reopen_keepers(void)
{
	close_keepers();
	open_keepers();
}

/* Nothing is retried by the one that failed. */
static void fail_at(bool is_shared, enum fault what, int when)
{
	make(is_shared);
	arm(what, when);
	share_out();
	countdown = -1;
	end();
	reopen_keepers();
	assert_opens();
	assert_int_equal(share_out(), 0);
	end();
	reopen_keepers();
	assert_opens();
	end();
	quorum_end();
}

/* Here it is, and with a head in between, which is written as it is now. */
static void retry_at(bool is_shared, int when)
{
	static const struct state_head head = { .number = 9, .time = 9 };

	make(is_shared);
	arm(FAILS, when);
	if (share_out()) {
		state->head_due_ms = 0;
		assert_int_equal(state_set_head(state, &head), 0);
		assert_int_equal(share_out(), 0);
	}
	countdown = -1;
	end();
	reopen_keepers();
	assert_opens();
	end();
	quorum_end();
}

/* Two in a row: what the second deal does while the file is in doubt. */
static void fail_twice_at(int first, int second)
{
	make(true);
	arm(FAILS, first);
	share_out();
	arm(FAILS, second);
	share_out();
	countdown = -1;
	end();
	reopen_keepers();
	assert_opens();
	end();
	quorum_end();
}

static void end_at(bool is_shared, enum fault what, int when)
{
	int status;
	pid_t pid;

	make(is_shared);
	end();
	close_keepers();
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		open_keepers();
		quorum = new_quorum(&machines[0]);
		if (start(quorum, &state))
			_exit(1);
		arm(what, when);
		_exit(share_out() ? 2 : 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 99);
	open_keepers();
	assert_opens();
	assert_int_equal(share_out(), 0);
	end();
	reopen_keepers();
	assert_opens();
	end();
	quorum_end();
}

static void failure_of_any_call_leaves_what_opens(void **st)
{
	int i, nr, is_shared;

	(void)st;
	for (is_shared = 0; is_shared < 2; is_shared++) {
		nr = count_calls(is_shared);
		/* Three states, and two that are told afterwards. */
		assert_in_range(nr, 30, 100);
		for (i = 0; i < nr; i++) {
			fail_at(is_shared, FAILS, i);
			fail_at(is_shared, HALF, i);
			retry_at(is_shared, i);
		}
	}
	quorum_begin(3);
}

static void failures_of_two_deals_leave_what_opens(void **st)
{
	int i, j, nr = count_calls(true);

	(void)st;
	/* The third of five files that are written is the state. */
	for (i = 2 * nr / 5; i <= 3 * nr / 5; i++)
		for (j = nr / 5; j < nr; j += 2)
			fail_twice_at(i, j);
	quorum_begin(3);
}

static void end_at_any_call_leaves_what_opens(void **st)
{
	int i, nr, is_shared;

	(void)st;
	for (is_shared = 0; is_shared < 2; is_shared++) {
		nr = count_calls(is_shared);
		for (i = 0; i < nr; i++) {
			end_at(is_shared, DIES_BEFORE, i);
			end_at(is_shared, DIES_AFTER, i);
		}
	}
	quorum_begin(3);
}

#define TEST(name) cmocka_unit_test_teardown(name, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(failure_of_any_call_leaves_what_opens),
		TEST(failures_of_two_deals_leave_what_opens),
		TEST(end_at_any_call_leaves_what_opens),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
