// SPDX-License-Identifier: MIT
/*
 * Programs that do a part of the work
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
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../spawn/spawn.h"

#define OUTPUT_MAX	1000

static const char *const path_only[] = { "PATH=/usr/bin:/bin", NULL };
static struct spawn_text said;
static struct spawn_line line;

static int forget(void **state)
{
	(void)state;
	free(said.data);
	said = (struct spawn_text){ .max = OUTPUT_MAX };
	memset(&line, 0, sizeof(line));
	return 0;
}

/* @spawn says what is not usual. */
static int shell(struct spawn spawn, const char *script)
{
	const char *const argv[] = { "sh", "-c", script, NULL };

	spawn.argv = argv;
	spawn.env = spawn.env ? spawn.env : path_only;
	spawn.timeout_ms = spawn.timeout_ms ? spawn.timeout_ms : 20000;
	spawn.out = (struct spawn_ear){ spawn_keep, &said };
	if (!spawn.together)
		spawn.err = (struct spawn_ear){ spawn_keep_line, &line };
	return spawn_run(&spawn);
}

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

/* Nobody is left in it but who is dead, and waits for its new parent. */
static bool group_is_gone(pid_t group)
{
	char command[128];
	int i;

	snprintf(command, sizeof(command),
		 "cat /proc/[0-9]*/stat 2>/dev/null | grep -q ') [^Z] [0-9]* %d '",
		 group);
	for (i = 0; i < 200; i++) {
		if (system(command))
			return true;
		usleep(10000);
	}
	return false;
}

static void exit_status_is_told(void **state)
{
	(void)state;
	assert_int_equal(shell((struct spawn){}, "true"), 0);
	assert_int_equal(shell((struct spawn){}, "exit 3"), 3);
	assert_int_equal(shell((struct spawn){}, "exit 127"), 127);
	assert_int_equal(shell((struct spawn){}, "kill -9 $$"),
			 SPAWN_EXIT_SIGNAL + SIGKILL);
}

static void what_does_not_begin_is_no_exit_status(void **state)
{
	const char *const none[] = { "/nonexistent", NULL };
	const char *const file[] = { "/etc/passwd", NULL };
	struct spawn spawn = { .argv = none };

	(void)state;
	assert_int_equal(spawn_run(&spawn), -ENOENT);
	spawn.argv = file;
	assert_int_equal(spawn_run(&spawn), -EACCES);
	assert_int_equal(shell((struct spawn){ .dir = "/nonexistent" },
			       "true"), -ENOENT);
}

static void environment_is_what_is_given(void **state)
{
	static const char *const env[] = { "PATH=/usr/bin:/bin", "A=b", NULL };
	const char *const argv[] = { "/usr/bin/env", NULL };
	struct spawn spawn = { .argv = argv, .out = { spawn_keep, &said } };

	(void)state;
	setenv("DSTACK_TEST", "ours", 1);
	assert_int_equal(spawn_run(&spawn), 0);
	assert_null(said.data);
	spawn.env = env;
	assert_int_equal(spawn_run(&spawn), 0);
	assert_string_equal(said.data, "PATH=/usr/bin:/bin\nA=b\n");
}

/* Ours was chosen for us. */
static void path_is_the_one_that_is_given(void **state)
{
	static const char *const elsewhere[] = { "PATH=/nonexistent", NULL };

	(void)state;
	assert_int_equal(shell((struct spawn){ .env = elsewhere }, "true"),
			 -ENOENT);
}

static void no_file_of_ours_is_open_in_it(void **state)
{
	int fd = open("/dev/null", O_RDONLY), high = fcntl(fd, F_DUPFD, 77);

	(void)state;
	assert_int_equal(high, 77);
	/* ls has its directory, and that is all. */
	assert_int_equal(shell((struct spawn){}, "ls /proc/self/fd"), 0);
	assert_string_equal(said.data, "0\n1\n2\n3\n");
	close(fd);
	close(high);
}

static void files_are_right_where_we_have_none(void **state)
{
	struct spawn spawn = { .input = "given", .input_len = 5 };
	pid_t pid = fork();
	int status;

	(void)state;
	if (!pid) {
		/* What is opened next has their numbers. */
		close_range(0, 2, 0);
		status = shell(spawn, "cat; echo error >&2");
		_exit(status || !said.data || strcmp(said.data, "given") ||
		      strcmp(line.text, "error"));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void signals_are_as_at_the_beginning(void **state)
{
	static const uint64_t ignore[4] = { (uintptr_t)SIG_IGN };
	sigset_t set, old;

	(void)state;
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, &old);
	signal(SIGHUP, SIG_IGN);
	/* Which the C library has for itself, and whoever started us not. */
	assert_int_equal(syscall(SYS_rt_sigaction, 32, ignore, NULL, 8), 0);
	assert_int_equal(shell((struct spawn){},
			       "grep -E 'Sig(Blk|Ign):' /proc/self/status"),
			 0);
	signal(SIGHUP, SIG_DFL);
	assert_string_equal(said.data, "SigBlk:\t0000000000000000\n"
			    "SigIgn:\t0000000000000000\n");
	/* And ours are as they were. */
	sigprocmask(SIG_SETMASK, &old, &set);
	assert_true(sigismember(&set, SIGTERM));
	assert_false(sigismember(&set, SIGINT));
}

static void input_comes_whole_and_ends(void **state)
{
	struct spawn spawn = { .input_len = 1000000 };
	char *input = malloc(spawn.input_len);

	(void)state;
	memset(input, 'x', spawn.input_len);
	spawn.input = input;
	assert_int_equal(shell(spawn, "wc -c"), 0);
	assert_int_equal(atol(said.data), spawn.input_len);
	/* Nor is who does not read it a mistake of ours. */
	assert_int_equal(shell(spawn, "exit 3"), 3);
	free(input);
}

static void without_input_it_reads_none(void **state)
{
	(void)state;
	assert_int_equal(shell((struct spawn){ .dir = "/usr" }, "cat; pwd"), 0);
	assert_string_equal(said.data, "/usr\n");
}

static void output_is_bounded(void **state)
{
	(void)state;
	assert_int_equal(shell((struct spawn){}, "printf %01000d 7"), 0);
	assert_int_equal(said.len, OUTPUT_MAX);
	assert_int_equal(strlen(said.data), OUTPUT_MAX);
	forget(state);
	assert_int_equal(shell((struct spawn){}, "printf %01001d 7"), -EFBIG);
	forget(state);
	assert_int_equal(shell((struct spawn){}, "exec yes"), -EFBIG);
}

static void last_line_of_its_errors_is_kept(void **state)
{
	(void)state;
	assert_int_equal(shell((struct spawn){},
			       "echo 1 >&2; echo 2 >&2; exit 3"), 3);
	assert_string_equal(line.text, "2");
	forget(state);
	assert_int_equal(shell((struct spawn){}, "printf %0999d 7 >&2"), 0);
	assert_int_equal(strlen(line.text), SPAWN_LINE_MAX - 1);
}

static void errors_may_be_heard_as_output(void **state)
{
	(void)state;
	assert_int_equal(shell((struct spawn){ .together = true },
			       "echo 1; echo 2 >&2; echo 3"), 0);
	assert_string_equal(said.data, "1\n2\n3\n");
}

static void deadline_ends_the_whole_group(void **state)
{
	int64_t begin = now_ms();

	(void)state;
	assert_int_equal(shell((struct spawn){ .timeout_ms = 300 },
			       "echo $$; sleep 100 & (sleep 100; :) & "
			       "exec >&- 2>&-; wait"), -ETIMEDOUT);
	assert_true(now_ms() - begin < 10000);
	assert_true(group_is_gone(atoi(said.data)));
}

static void who_may_end_in_order_is_asked_to_first(void **state)
{
	struct spawn spawn = { .timeout_ms = 300, .grace_ms = 10000 };
	int64_t begin = now_ms();

	(void)state;
	assert_int_equal(shell(spawn, "trap exit TERM; "
			       "while :; do sleep 0.05; done"), -ETIMEDOUT);
	/* Before its grace is over. */
	assert_true(now_ms() - begin < 8000);
	spawn.grace_ms = 300;
	assert_int_equal(shell(spawn, "trap '' TERM; echo $$; "
			       "while :; do sleep 0.05; done"), -ETIMEDOUT);
	assert_true(group_is_gone(atoi(said.data)));
}

static void what_it_leaves_behind_is_not_waited_for(void **state)
{
	int64_t begin = now_ms();

	(void)state;
	assert_int_equal(shell((struct spawn){}, "sleep 60 & echo $!"), 0);
	assert_true(now_ms() - begin < 10000);
	assert_int_equal(kill(atoi(said.data), SIGKILL), 0);
}

/* It may say more than can be read in the meantime. */
static void what_is_left_behind_is_not_heard_for_ever(void **state)
{
	const char *const argv[] = { "sh", "-c", "yes & echo $! >&2", NULL };
	struct spawn spawn = {
		.argv = argv, .env = path_only, .out = { spawn_ignore, NULL },
		.err = { spawn_keep_line, &line }, .timeout_ms = 20000,
	};

	(void)state;
	assert_int_equal(spawn_run(&spawn), 0);
	/* Or it has noticed that nobody hears it. */
	kill(atoi(line.text), SIGKILL);
}

static void it_ends_with_us(void **state)
{
	const char *const argv[] = { "sh", "-c", "echo $$; exec sleep 100",
				     NULL };
	struct spawn spawn = { .argv = argv, .env = path_only };
	int fds[2], group = 0;
	FILE *file;
	pid_t pid;

	(void)state;
	assert_int_equal(pipe(fds), 0);
	pid = fork();
	if (!pid) {
		dup2(fds[1], STDOUT_FILENO);
		_exit(spawn_run(&spawn));
	}
	close(fds[1]);
	file = fdopen(fds[0], "r");
	assert_int_equal(fscanf(file, "%d", &group), 1);
	fclose(file);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	assert_true(group_is_gone(group));
}

#define ONE(name)	cmocka_unit_test_setup_teardown(name, forget, forget)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ONE(exit_status_is_told),
		ONE(what_does_not_begin_is_no_exit_status),
		ONE(environment_is_what_is_given),
		ONE(path_is_the_one_that_is_given),
		ONE(no_file_of_ours_is_open_in_it),
		ONE(files_are_right_where_we_have_none),
		ONE(signals_are_as_at_the_beginning),
		ONE(input_comes_whole_and_ends),
		ONE(without_input_it_reads_none),
		ONE(output_is_bounded),
		ONE(last_line_of_its_errors_is_kept),
		ONE(errors_may_be_heard_as_output),
		ONE(deadline_ends_the_whole_group),
		ONE(who_may_end_in_order_is_asked_to_first),
		ONE(what_it_leaves_behind_is_not_waited_for),
		ONE(what_is_left_behind_is_not_heard_for_ever),
		ONE(it_ends_with_us),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
