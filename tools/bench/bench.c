// SPDX-License-Identifier: MIT
/*
 * Measures, in guest instructions, what a program asks of the kernel
 *
 * Copyright The dstack for Linux authors
 *
 * Runs in a machine that counts instructions; scripts/bench.sh boots it.  Each
 * command prints a line for each series of samples that it took.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench.h"

struct command {
	const char *name;
	int (*run)(const struct options *opt, char **args);
	int min_args;
	const char *args;
	const char *help;
};

static const struct command commands[] = {
	{ "calibrate", cmd_calibrate, 0, "", "loops of known length" },
	{ "exec", cmd_exec, 1, "FILE...", "posix_spawn, exec, exit, wait" },
	{ "map", cmd_map, 1, "FILE", "mmap(PROT_READ | PROT_EXEC)" },
	{ "pin", cmd_pin, 1, "FILE...", "map them, until killed" },
	{ "hash", cmd_hash, 1, "FILE", "SHA-256 of it, mapped, by AF_ALG" },
	{ "content", cmd_content, 1, "FILE", "read it, and its SHA-256" },
	{ "extend", cmd_extend, 0, "", "DSTACK_EXTEND of 32 bytes" },
	{ "why", cmd_why, 2, "ID FILE...", "DSTACK_WHY, \"\": for itself" },
	{ "key", cmd_key, 1, "WHAT", "bytes, handle, hmac, seal or unseal" },
	{ "settle", cmd_settle, 0, "", "wait until dstackd stored the log" },
};

#define COMMANDS (sizeof(commands) / sizeof(commands[0]))

void die(const char *what)
{
	fprintf(stderr, "bench: can't %s: %s\n", what, strerror(errno));
	exit(1);
}

static int usage(void)
{
	size_t i;

	fputs("Usage: bench [OPTION]... COMMAND [ARG]...\n\n"
	      "  -N NAME    of the series (default: the command)\n"
	      "  -c CGROUP  move to this cgroup directory first\n"
	      "  -w N       rounds before the first sample (default 0)\n"
	      "  -n N       samples (default 1)\n"
	      "  -p PHASE   what tools/profile counts them as (default 0: no)\n"
	      "  -o PID     exec: say too what this process took meanwhile\n\n",
	      stderr);
	for (i = 0; i < COMMANDS; i++)
		fprintf(stderr, "  %-9s %-10s  %s\n", commands[i].name,
			commands[i].args, commands[i].help);
	fputs("\nOf several files, each sample takes the next.\n", stderr);
	return 2;
}

void series_init(struct series *series, size_t cap)
{
	series->values = malloc(cap * sizeof(*series->values));
	if (!series->values)
		die("allocate");
	memset(series->values, 0xff, cap * sizeof(*series->values));
	series->cap = cap;
	series->count = 0;
}

void series_add(struct series *series, uint64_t value)
{
	if (series->count < series->cap)
		series->values[series->count++] = value;
}

void series_print(const struct series *series, const char *name)
{
	size_t i;

	fputs(name, stdout);
	for (i = 0; i < series->count; i++)
		printf(" %llu", (unsigned long long)series->values[i]);
	putchar('\n');
}

void enter(const char *cgroup)
{
	char path[4096];
	int fd;

	if (!cgroup)
		return;
	snprintf(path, sizeof(path), "%s/cgroup.procs", cgroup);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, "0", 1) != 1)
		die("enter the cgroup");
	close(fd);
}

void read_whole(int fd)
{
	static char buf[65536];
	off_t at = 0;
	ssize_t got;

	while ((got = pread(fd, buf, sizeof(buf), at)) > 0)
		at += got;
	if (got < 0)
		die("read the file");
}

static bool parse_number(const char *text, size_t *value)
{
	char *end;

	*value = strtoul(text, &end, 10);
	return end != text && !*end;
}

static bool take_option(int c, struct options *opt)
{
	switch (c) {
	case 'N':
		opt->name = optarg;
		return true;
	case 'c':
		opt->cgroup = optarg;
		return true;
	case 'w':
		return parse_number(optarg, &opt->warm);
	case 'n':
		return parse_number(optarg, &opt->count);
	case 'p':
		return parse_number(optarg, &opt->phase);
	case 'o':
		return parse_number(optarg, &opt->other);
	default:
		return false;
	}
}

static int parse(int argc, char **argv, struct options *opt)
{
	int c;

	while ((c = getopt(argc, argv, "+N:c:w:n:p:o:")) != -1)
		if (!take_option(c, opt))
			return -1;
	return optind < argc ? 0 : -1;
}

int main(int argc, char **argv)
{
	struct options opt = { .count = 1 };
	size_t i;

	if (parse(argc, argv, &opt))
		return usage();
	for (i = 0; i < COMMANDS; i++) {
		if (strcmp(commands[i].name, argv[optind]))
			continue;
		if (argc - optind - 1 < commands[i].min_args)
			return usage();
		if (!opt.name)
			opt.name = commands[i].name;
		return commands[i].run(&opt, argv + optind + 1);
	}
	return usage();
}
