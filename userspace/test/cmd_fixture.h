/* SPDX-License-Identifier: MIT */
/*
 * Run a command of dstackctl in the test's process, and see what it says
 *
 * Copyright The dstack for Linux authors
 *
 * The test includes the command's .c file, and dstackctl/common.c, first.
 */
#ifndef CMD_FIXTURE_H
#define CMD_FIXTURE_H

#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ARGS_MAX	24

/* Standard output of the last command. */
static char output[65536];

/* @args are separated by spaces.  Returns the exit status. */
static int run(int (*cmd)(int argc, char **argv), const char *command,
	       const char *args)
{
	char text[4096], *argv[ARGS_MAX + 1] = { (char *)command };
	FILE *out = tmpfile();
	int argc = 1, status, saved;
	size_t len;
	char *p;

	snprintf(text, sizeof(text), "%s", args);
	for (p = strtok(text, " "); p; p = strtok(NULL, " "))
		argv[argc++] = p;
	fflush(stdout);
	saved = dup(STDOUT_FILENO);
	dup2(fileno(out), STDOUT_FILENO);
	optind = 0;
	status = cmd(argc, argv);
	fflush(stdout);
	dup2(saved, STDOUT_FILENO);
	close(saved);
	rewind(out);
	len = fread(output, 1, sizeof(output) - 1, out);
	output[len] = '\0';
	fclose(out);
	return status;
}

static inline void assert_says(const char *text)
{
	if (!strstr(output, text))
		fail_msg("'%s' is not in: %s", text, output);
}

#endif /* CMD_FIXTURE_H */
