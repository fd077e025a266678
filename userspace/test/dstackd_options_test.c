// SPDX-License-Identifier: MIT
/*
 * What dstackd is told by a file and by its command line
 *
 * Copyright The dstack for Linux authors
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../dstackd/options.h"

static char dir[] = "/tmp/dstackd-options-XXXXXX";
static char path[128], said[8192];

/* Instead of the program's own. */
void msg(const char *fmt, ...)
{
	size_t len = strlen(said);
	va_list args;

	va_start(args, fmt);
	vsnprintf(said + len, sizeof(said) - len, fmt, args);
	va_end(args);
	strncat(said, "\n", sizeof(said) - strlen(said) - 1);
}

struct options {
	const char *text, *items[4];
	size_t nr;
	uint64_t number;
	bool started;
};

static bool set(void *to, int key, const char *text)
{
	struct options *opt = to;

	if (key == 't') {
		opt->text = text;
	} else if (key == 'n') {
		return libdstack_parse_u64(text, 100, &opt->number);
	} else if (key == 'l') {
		if (opt->nr == 4)
			return false;
		opt->items[opt->nr++] = text;
	} else {
		opt->started = true;
	}
	return true;
}

static void usage(FILE *out)
{
	(void)out;
}

static const struct option_spec specs[] = {
	{ "text", 't', OPTION_TEXT }, { "number", 'n', OPTION_NUMBER },
	{ "item", 'l', OPTION_LIST }, { "start", 's', OPTION_START },
	{ NULL, 0, 0 }
};

static const struct option_role role = { "agent", specs, usage, set };
static struct option_file *file;

static void keep(const char *text, size_t len)
{
	FILE *out = fopen(path, "w");

	assert_non_null(out);
	assert_int_equal(fwrite(text, 1, len, out), len);
	assert_int_equal(fclose(out), 0);
	assert_int_equal(chmod(path, 0644), 0);
}

/* With the file, and up to three words behind it. */
static int ask(struct options *opt, const char *a, const char *b, const char *c)
{
	char *argv[] = {
		"test", "--config", path, (char *)a, (char *)b, (char *)c, NULL
	};
	int argc = 3 + !!a + !!b + !!c;

	*said = '\0';
	options_free(file);
	*opt = (struct options){ 0 };
	return options_read(&role, argc, argv, opt, &file);
}

static int ask_file(const char *text)
{
	struct options opt;

	keep(text, strlen(text));
	return ask(&opt, NULL, NULL, NULL);
}

static void file_says_what_options_say(void **state)
{
	static const char text[] = "{\"agent\": {\"text\": \"a\", "
		"\"number\": 7, \"item\": [\"x\", \"y\"]}}";
	struct options opt;

	(void)state;
	keep(text, strlen(text));
	assert_int_equal(ask(&opt, NULL, NULL, NULL), -1);
	assert_string_equal(opt.text, "a");
	assert_int_equal(opt.number, 7);
	assert_int_equal(opt.nr, 2);
	assert_string_equal(opt.items[1], "y");
	assert_string_equal(said, "");
}

static void command_line_wins(void **state)
{
	struct options opt;

	(void)state;
	assert_int_equal(ask_file("{\"agent\": {\"text\": \"a\"}}"), -1);
	assert_int_equal(ask(&opt, "--text=b", "--item=z", "--start"), -1);
	assert_string_equal(opt.text, "b");
	assert_int_equal(opt.nr, 1);
	assert_true(opt.started);
}

static void object_of_another_role_is_let_be(void **state)
{
	(void)state;
	assert_int_equal(ask_file("{\"dstackd\": {\"state\": \"x\"}}"), -1);
	assert_int_equal(ask_file("{}"), -1);
	assert_int_equal(ask_file("{\"agent\": {\"text\": null}}"), -1);
}

static void refused(const char *text, const char *why)
{
	assert_int_equal(ask_file(text), EXIT_USAGE);
	assert_null(file);
	if (!strstr(said, why))
		fail_msg("no '%s' in '%s'", why, said);
	/* Whoever has to mend it finds it. */
	assert_non_null(strstr(said, path));
}

static void what_is_not_known_is_refused_by_name(void **state)
{
	(void)state;
	refused("{\"agents\": {}}", "agents: not known");
	refused("{\"agent\": {\"txt\": \"a\"}}", "agent.txt: not known");
	refused("{\"agent\": {\"start\": true}}", "agent.start: not known");
	refused("{\"agent\": {\"config\": \"/x\"}}", "config: not known");
	refused("{\"agent\": {\"text\": \"a\", \"text\": \"b\"}}",
		"agent.text: occurs twice");
}

static void what_has_another_kind_is_refused(void **state)
{
	(void)state;
	refused("[]", "want an object");
	refused("{\"agent\": []}", "want an object");
	refused("{\"agent\": {\"text\": 1}}", "want a text");
	refused("{\"agent\": {\"text\": \"a\\u0000b\"}}", "want a text");
	refused("{\"agent\": {\"number\": \"1\"}}", "want a number");
	refused("{\"agent\": {\"number\": -1}}", "want a number");
	refused("{\"agent\": {\"number\": 1.5}}", "want a number");
	refused("{\"agent\": {\"item\": \"a\"}}", "want a list");
	refused("{\"agent\": {\"item\": [1]}}", "want a text");
	refused("{\"agent\": {\"text\": \"a\"}", "not JSON");
}

static void what_an_option_refuses_is_refused_where_it_is(void **state)
{
	(void)state;
	refused("{\"agent\": {\"number\": 101}}", "agent.number: can't be");
	refused("{\"agent\": {\"item\": [\"1\",\"2\",\"3\",\"4\",\"5\"]}}",
		"agent.item: can't be");
}

static void file_of_more_than_64_kib_is_refused(void **state)
{
	char *text = malloc(65538);
	struct options opt;

	(void)state;
	assert_non_null(text);
	memset(text, ' ', 65538);
	memcpy(text, "{}", 2);
	keep(text, 65536);
	assert_int_equal(ask(&opt, NULL, NULL, NULL), -1);
	keep(text, 65537);
	assert_int_equal(ask(&opt, NULL, NULL, NULL), EXIT_USAGE);
	assert_non_null(strstr(said, "larger than"));
	free(text);
}

static void file_that_others_may_write_to_is_refused(void **state)
{
	struct options opt;

	(void)state;
	assert_int_equal(ask_file("{}"), -1);
	assert_int_equal(chmod(path, 0664), 0);
	assert_int_equal(ask(&opt, NULL, NULL, NULL), EXIT_USAGE);
	assert_non_null(strstr(said, "chmod go-w"));
}

static void links_and_pipes_are_no_files(void **state)
{
	struct options opt;

	(void)state;
	unlink(path);
	assert_int_equal(symlink("/etc/passwd", path), 0);
	assert_int_equal(ask(&opt, NULL, NULL, NULL), EXIT_USAGE);
	unlink(path);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(ask(&opt, NULL, NULL, NULL), EXIT_USAGE);
	assert_non_null(strstr(said, "a pipe"));
	unlink(path);
	assert_int_equal(ask(&opt, NULL, NULL, NULL), EXIT_USAGE);
	assert_non_null(strstr(said, "No such file"));
}

static void file_is_checked_and_nothing_started(void **state)
{
	struct options opt;

	(void)state;
	assert_int_equal(ask_file("{\"agent\": {\"number\": 1}}"), -1);
	assert_int_equal(ask(&opt, "--check-config", NULL, NULL),
			 EXIT_SUCCESS);
	assert_int_equal(ask(&opt, "--check-config", "--number=x", NULL),
			 EXIT_USAGE);
	assert_int_equal(ask_file("{\"agent\": {\"number\": []}}"), EXIT_USAGE);
	assert_int_equal(ask(&opt, "--check-config", NULL, NULL), EXIT_USAGE);
}

static int make_dir(void **state)
{
	(void)state;
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/dstackd.json", dir);
	return 0;
}

static int remove_dir(void **state)
{
	(void)state;
	options_free(file);
	unlink(path);
	return rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(file_says_what_options_say),
		cmocka_unit_test(command_line_wins),
		cmocka_unit_test(object_of_another_role_is_let_be),
		cmocka_unit_test(what_is_not_known_is_refused_by_name),
		cmocka_unit_test(what_has_another_kind_is_refused),
		cmocka_unit_test(what_an_option_refuses_is_refused_where_it_is),
		cmocka_unit_test(file_of_more_than_64_kib_is_refused),
		cmocka_unit_test(file_that_others_may_write_to_is_refused),
		cmocka_unit_test(links_and_pipes_are_no_files),
		cmocka_unit_test(file_is_checked_and_nothing_started),
	};

	return cmocka_run_group_tests_name("dstackd_options", tests, make_dir,
					   remove_dir);
}
