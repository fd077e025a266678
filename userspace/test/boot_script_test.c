// SPDX-License-Identifier: MIT
/*
 * Scripts of an application: how they end, and what the log has of them
 *
 * Copyright The dstack for Linux authors
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../boot/scripts.h"

static char dir[] = "/tmp/boot-script-XXXXXX", said[65536];

static int setup(void **state)
{
	(void)state;
	return mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	return rmdir(dir);
}

/* What goes to standard error meanwhile is in said[]. */
static int run_script(const char *text, unsigned int seconds)
{
	struct script script = { .dir = dir, .seconds = seconds, .nr = 1 };
	int old = dup(STDERR_FILENO), status;
	FILE *file, *out = tmpfile();
	size_t n;

	assert_true(asprintf(&script.file, "%s/script", dir) > 0);
	file = fopen(script.file, "w");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
	dup2(fileno(out), STDERR_FILENO);
	status = script_run(&script);
	dup2(old, STDERR_FILENO);
	close(old);
	rewind(out);
	n = fread(said, 1, sizeof(said) - 1, out);
	said[n] = '\0';
	fclose(out);
	unlink(script.file);
	free(script.file);
	return status;
}

static size_t lines(void)
{
	const char *at;
	size_t nr = 0;

	for (at = said; (at = strchr(at, '\n')); at++)
		nr++;
	return nr;
}

static void status_is_the_scripts(void **state)
{
	(void)state;
	assert_int_equal(run_script("true", 60), 0);
	assert_int_equal(run_script("exit 3", 60), 3);
	assert_int_equal(run_script("kill -9 $$", 60), 128 + 9);
	/* Not what a missing bash gives. */
	assert_int_equal(run_script("/nowhere/program", 60), 127);
}

static void it_begins_with_nothing_of_ours(void **state)
{
	(void)state;
	setenv("A_SECRET", "of ours", 1);
	assert_int_equal(run_script("pwd; env | sort; umask; cat", 60), 0);
	assert_non_null(strstr(said, dir));
	assert_non_null(strstr(said, "HOME=/root\n"));
	assert_non_null(strstr(said, "0022\n"));
	assert_null(strstr(said, "A_SECRET"));
}

static void both_outputs_are_told_line_by_line(void **state)
{
	(void)state;
	assert_int_equal(run_script("echo one; echo two >&2; printf three", 60),
			 0);
	assert_string_equal(said, "dstack-boot: init_script 1: one\n"
			    "dstack-boot: init_script 1: two\n"
			    "dstack-boot: init_script 1: three\n");
}

static void terminals_are_not_spoken_to(void **state)
{
	(void)state;
	assert_int_equal(run_script("printf '\\033[2J\\200\\r\\0x\\n'", 60), 0);
	assert_string_equal(said, "dstack-boot: init_script 1: ?[2J???x\n");
}

static void long_lines_are_cut(void **state)
{
	(void)state;
	assert_int_equal(run_script("printf '%0999d\\nshort\\n' 0", 60), 0);
	assert_non_null(strstr(said, "000...\n"));
	assert_non_null(strstr(said, ": short\n"));
	assert_true(strlen(said) < 400);
}

static void floods_are_counted_and_left_out(void **state)
{
	(void)state;
	assert_int_equal(run_script("for ((i = 0; i < 20000; i++)); do echo x; done",
				    60), 0);
	assert_true(lines() < 2000);
	assert_non_null(strstr(said, " lines were left out\n"));
}

static void endless_is_ended_with_what_it_started(void **state)
{
	char *path;

	(void)state;
	assert_true(asprintf(&path, "%s/late", dir) > 0);
	assert_int_equal(run_script("(sleep 3; : >late) & exec >&- 2>&-; wait",
				    1), -ETIMEDOUT);
	sleep(3);
	assert_int_equal(access(path, F_OK), -1);
	free(path);
}

static void what_it_leaves_behind_is_not_waited_for(void **state)
{
	int64_t begin = now_us();

	(void)state;
	assert_int_equal(run_script("sleep 30 & echo $!", 60), 0);
	assert_true(now_us() - begin < 20 * 1000000LL);
	kill(atoi(strrchr(said, ' ')), SIGKILL);
}

/* Gone, or dead and not yet waited for by whoever is its parent then. */
static bool has_ended(int pid)
{
	char path[64], state = 'Z';
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	file = fopen(path, "r");
	if (!file)
		return true;
	if (fscanf(file, "%*d (bash) %c", &state) != 1)
		state = 'Z';
	fclose(file);
	return state == 'Z';
}

static void it_ends_with_whoever_runs_it(void **state)
{
	int pid = 0, runner = fork(), tries;
	char *path;
	FILE *file;

	(void)state;
	if (!runner)
		_exit(run_script("echo $$ >pid; while sleep 1; do :; done",
				 60));
	assert_true(asprintf(&path, "%s/pid", dir) > 0);
	for (tries = 0; !pid && tries < 1000; tries++) {
		usleep(20000);
		file = fopen(path, "r");
		if (file && fscanf(file, "%d", &pid) != 1)
			pid = 0;
		if (file)
			fclose(file);
	}
	assert_int_not_equal(pid, 0);
	assert_false(has_ended(pid));
	kill(runner, SIGKILL);
	waitpid(runner, NULL, 0);
	for (tries = 0; !has_ended(pid) && tries < 1000; tries++)
		usleep(20000);
	assert_true(has_ended(pid));
	unlink(path);
	free(path);
	assert_true(asprintf(&path, "%s/script", dir) > 0);
	unlink(path);
	free(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(status_is_the_scripts),
		cmocka_unit_test(it_begins_with_nothing_of_ours),
		cmocka_unit_test(both_outputs_are_told_line_by_line),
		cmocka_unit_test(terminals_are_not_spoken_to),
		cmocka_unit_test(long_lines_are_cut),
		cmocka_unit_test(floods_are_counted_and_left_out),
		cmocka_unit_test(endless_is_ended_with_what_it_started),
		cmocka_unit_test(what_it_leaves_behind_is_not_waited_for),
		cmocka_unit_test(it_ends_with_whoever_runs_it),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
