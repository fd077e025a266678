// SPDX-License-Identifier: MIT
/*
 * What a KMS gave is written down before it is given, and nobody changes it
 *
 * Copyright The dstack for Linux authors
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../kmsd/audit.h"
#include "../kmsd/audit_line.h"

#define LINES	20
#define THREADS	8

static char path[64], said[512];
static struct audit *audit;
static struct auth_boot boot = { .tee_variant = "dstack-tdx" };
static struct auth_verdict verdict = { .allowed = true };

static void tell(const char *line)
{
	snprintf(said, sizeof(said), "%s", line);
}

static int setup(void **state)
{
	int fd;

	(void)state;
	strcpy(path, "/tmp/kmsd-audit-XXXXXX");
	fd = mkstemp(path);
	close(fd);
	boot.tcb_status = "UpToDate";
	memset(boot.app_id, 7, sizeof(boot.app_id));
	verdict.allowed = true;
	*said = '\0';
	return audit_open(path, tell, &audit);
}

static int teardown(void **state)
{
	(void)state;
	audit_close(audit);
	audit = NULL;
	return unlink(path);
}

static int add(void)
{
	const struct audit_entry entry = {
		.method = "GetAppKey", .from = "(192.0.2.1)", .time = 1,
		.boot = &boot, .verdict = &verdict, .epoch = 3,
	};

	return audit_add(audit, &entry);
}

static void add_lines(int nr)
{
	while (nr--)
		assert_int_equal(add(), 0);
}

static int reopen(void)
{
	audit_close(audit);
	audit = NULL;
	return audit_open(path, tell, &audit);
}

/* Where a check ends: 0, or the first line that is wrong. */
static uint64_t check(struct audit_head *head)
{
	FILE *file = fopen(path, "re");
	uint64_t bad;
	int err;

	assert_non_null(file);
	memset(head, 0, sizeof(*head));
	err = audit_check(file, head, &bad);
	fclose(file);
	assert_true(!err || err == -EBADMSG);
	return err ? bad : 0;
}

static char *read_all(size_t *len)
{
	static char text[2 * LINES * AUDIT_LINE_MAX];
	FILE *file = fopen(path, "r");

	*len = fread(text, 1, sizeof(text) - 1, file);
	text[*len] = '\0';
	fclose(file);
	return text;
}

static void write_all(const char *text, size_t len)
{
	FILE *file = fopen(path, "w");

	assert_int_equal(fwrite(text, 1, len, file), len);
	fclose(file);
}

static void lines_follow_one_another_over_restarts(void **state)
{
	struct audit_head head, own;

	(void)state;
	assert_int_equal(check(&head), 0);
	assert_int_equal(head.lines, 0);
	add_lines(LINES);
	assert_int_equal(reopen(), 0);
	add_lines(LINES);
	assert_int_equal(check(&head), 0);
	assert_int_equal(head.lines, 2 * LINES);
	audit_get_head(audit, &own);
	assert_memory_equal(&own, &head, sizeof(head));
}

static void line_says_who_got_what_and_by_what(void **state)
{
	size_t len;
	char *text;

	(void)state;
	verdict.block.number = 99;
	add_lines(1);
	verdict.block.number = 0;
	text = read_all(&len);
	assert_non_null(strstr(text, "\"app_id\":\"0707"));
	assert_non_null(strstr(text, "\"block\":99"));
	assert_non_null(strstr(text, "\"key_epoch\":3"));
	assert_null(strstr(text, "refused"));
	verdict.allowed = false;
	strcpy(verdict.reason, "Compose hash \"not\"\nallowed");
	add_lines(1);
	*verdict.reason = '\0';
	text = read_all(&len);
	assert_non_null(strstr(text, "\\\"not\\\"\\nallowed\"}\n"));
}

/* Each byte of the first lines; those behind show it. */
static void a_changed_byte_is_noticed(void **state)
{
	struct audit_head head, whole;
	size_t len, first, i;
	char *text;

	(void)state;
	add_lines(3);
	assert_int_equal(check(&whole), 0);
	text = read_all(&len);
	first = strchr(strchr(text, '\n') + 1, '\n') - text + 1;
	for (i = 0; i < first; i++) {
		text[i] ^= 1;
		write_all(text, len);
		assert_true(check(&head));
		text[i] ^= 1;
	}
	write_all(text, len);
	assert_int_equal(check(&head), 0);
	assert_memory_equal(&head, &whole, sizeof(head));
}

static void lines_that_are_missing_or_move_are_noticed(void **state)
{
	struct audit_head head;
	char *text, *second, *third;
	size_t len;

	(void)state;
	add_lines(3);
	text = read_all(&len);
	second = strchr(text, '\n') + 1;
	third = strchr(second, '\n') + 1;
	write_all(second, text + len - second);
	assert_int_equal(check(&head), 1);
	memmove(second, third, text + len - third);
	write_all(text, len - (third - second));
	assert_int_equal(check(&head), 2);
}

static void what_was_not_finished_is_cut_off(void **state)
{
	struct audit_head head;
	size_t len, cut;
	char *text;

	(void)state;
	add_lines(2);
	text = read_all(&len);
	for (cut = 1; cut < 100; cut += 7) {
		write_all(text, len - cut);
		assert_int_equal(reopen(), 0);
		audit_get_head(audit, &head);
		assert_int_equal(head.lines, 1);
	}
	add_lines(1);
	assert_int_equal(check(&head), 0);
	assert_int_equal(head.lines, 2);
}

static void file_of_somebody_else_is_left_alone(void **state)
{
	static const char other[] = "{\"line\": \"no\"}\n";
	size_t len;

	(void)state;
	write_all(other, strlen(other));
	assert_int_equal(reopen(), -EBADMSG);
	assert_non_null(strstr(said, "move it away"));
	assert_string_equal(read_all(&len), other);
	chmod(path, 0666);
	write_all("", 0);
	assert_int_equal(reopen(), -EPERM);
}

/* Nothing is given then, and what was written in part is no line. */
static void full_disk_refuses_and_leaves_whole_lines(void **state)
{
	struct rlimit limit, old;
	struct audit_head head;
	size_t len;

	(void)state;
	add_lines(2);
	read_all(&len);
	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &old);
	limit = old;
	limit.rlim_cur = len + 10;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	assert_true(add() < 0);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
	assert_int_equal(check(&head), 0);
	assert_int_equal(head.lines, 2);
	add_lines(1);
	assert_int_equal(check(&head), 0);
	assert_int_equal(head.lines, 3);
}

static void *add_many(void *failed)
{
	int i;

	for (i = 0; i < LINES; i++)
		if (add())
			*(bool *)failed = true;
	return NULL;
}

static void threads_write_whole_lines(void **state)
{
	pthread_t threads[THREADS];
	bool failed = false;
	struct audit_head head;
	int i;

	(void)state;
	for (i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, add_many,
						&failed), 0);
	for (i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	assert_false(failed);
	assert_int_equal(check(&head), 0);
	assert_int_equal(head.lines, THREADS * LINES);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(lines_follow_one_another_over_restarts),
		TEST(line_says_who_got_what_and_by_what),
		TEST(a_changed_byte_is_noticed),
		TEST(lines_that_are_missing_or_move_are_noticed),
		TEST(what_was_not_finished_is_cut_off),
		TEST(file_of_somebody_else_is_left_alone),
		TEST(full_disk_refuses_and_leaves_whole_lines),
		TEST(threads_write_whole_lines),
	};

	return cmocka_run_group_tests_name("kmsd_audit", tests, NULL, NULL);
}
