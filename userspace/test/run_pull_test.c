// SPDX-License-Identifier: MIT
/*
 * How far an image is that is being pulled is told to a person
 *
 * Copyright The dstack for Linux authors
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "../run/run.h"

#define NAME	"reg.example/a/web@sha256:01"
#define A	"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define B	"bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

static char told[1 << 20];
static size_t nr;

static void keep(const char *line)
{
	strcat(strcat(told, line), "\n");
	nr++;
}

/* As it would come from podman. */
static void pull(const char *text, size_t len)
{
	struct run_pull how = { .name = NAME, .tell = keep,
				.began_ms = spawn_now_ms() };
	struct spawn_lines lines;

	*told = '\0';
	nr = 0;
	spawn_lines_start(&lines, run_pull_tell, &how);
	assert_int_equal(spawn_lines_hear(&lines, text, len), 0);
	spawn_lines_end(&lines);
}

static void layers_are_counted(void **state)
{
	static const char text[] = "Copying blob sha256:" A "\n"
		"Copying blob sha256:" B "\nCopying config sha256:" A "\n";
	static const char want[] =
		"pulling " NAME ": layer 1 (aaaaaaaaaaaa) after 0 s\n"
		"pulling " NAME ": layer 2 (bbbbbbbbbbbb) after 0 s\n"
		"pulling " NAME ": all 2 layers are here after 0 s\n";

	(void)state;
	pull(text, strlen(text));
	assert_string_equal(told, want);
}

static void what_a_registry_says_is_escaped_and_cut(void **state)
{
	char text[5000] = "Error: \033[2J\200\r";

	(void)state;
	pull(text, strlen(text));
	assert_string_equal(told, "podman: Error: ?[2J??\n");
	memset(text, 'x', sizeof(text));
	pull(text, sizeof(text));
	assert_int_equal(nr, 1);
	assert_true(strlen(told) < 300);
}

static void floods_are_counted_and_left_out(void **state)
{
	static char text[40000];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(text); i += 2)
		memcpy(text + i, "x\n", 2);
	pull(text, sizeof(text));
	assert_true(nr < 300);
	assert_non_null(strstr(told, " lines were left out\n"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(layers_are_counted),
		cmocka_unit_test(what_a_registry_says_is_escaped_and_cut),
		cmocka_unit_test(floods_are_counted_and_left_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
