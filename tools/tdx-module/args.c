// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) The dstack for Linux authors
 *
 * The plugin's arguments: key=value, every one checked, none ignored.
 */
#include "td.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crypto.h"

#define VALUE_MAX	4096
#define XFAM_DEFAULT	0x602e7ull	/* x87 to AVX-512, PKRU, AMX */
#define FAULT_ALL	"all"

/*
 * QEMU's page-table walker takes no notice of bit 52, so with this width
 * the shared bit costs nothing. See README.md before choosing another.
 */
#define GPA_WIDTH_DEFAULT	53

enum arg_type {
	ARG_STRING,
	ARG_DIGEST,
	ARG_NUMBER,
	ARG_SWITCH,
	ARG_FAULT,
	ARG_MEASURE,		/* a file to hash into a register */
};

struct arg {
	const char *name;
	enum arg_type type;
	size_t offset;
	uint64_t min;
	uint64_t max;
};

#define FIELD(member)	offsetof(struct td_config, member)
#define RTMR(n)		(FIELD(rtmr) + (n) * TDX_DIGEST)
#define ARG(name, type, member) { name, type, FIELD(member), 0, 0 }
#define NUMBER(name, member, min, max) \
	{ name, ARG_NUMBER, FIELD(member), min, max }

static const struct arg known_args[] = {
	ARG("pki", ARG_STRING, pki),
	ARG("mrtd", ARG_DIGEST, mrtd),
	ARG("mrconfigid", ARG_DIGEST, mrconfigid),
	ARG("mrowner", ARG_DIGEST, mrowner),
	ARG("mrownerconfig", ARG_DIGEST, mrownerconfig),
	{ "rtmr0", ARG_DIGEST, RTMR(0), 0, 0 },
	{ "rtmr1", ARG_DIGEST, RTMR(1), 0, 0 },
	{ "rtmr2", ARG_DIGEST, RTMR(2), 0, 0 },
	{ "kernel", ARG_MEASURE, RTMR(1), 0, 0 },
	{ "cmdline", ARG_MEASURE, RTMR(2), 0, 0 },
	{ "initrd", ARG_MEASURE, RTMR(2), 0, 0 },
	NUMBER("attributes", attributes, 0, UINT64_MAX),
	NUMBER("xfam", xfam, 0, UINT64_MAX),
	NUMBER("gpaw", gpa_width, 48, 53),
	NUMBER("vcpus", vcpus, 1, 4096),
	NUMBER("idle-us", idle_us, 0, 10000),
	NUMBER("quote-late", quote_late_ms, 0, 600000),
	ARG("debug", ARG_SWITCH, debug),
	ARG("report-busy", ARG_FAULT, report_busy),
	ARG("report-invalid", ARG_FAULT, report_invalid),
	ARG("extend-busy", ARG_FAULT, extend_busy),
	ARG("extend-invalid", ARG_FAULT, extend_invalid),
	ARG("quote-stuck", ARG_FAULT, quote_stuck),
	ARG("quote-huge", ARG_FAULT, quote_huge),
	ARG("quote-corrupt", ARG_FAULT, quote_corrupt),
	ARG("quote-foreign", ARG_FAULT, quote_foreign),
	ARG("quote-error", ARG_FAULT, quote_error),
	ARG("quote-down", ARG_FAULT, quote_down),
	ARG("quote-slow", ARG_FAULT, quote_slow),
};

#define KNOWN_ARGS	(sizeof(known_args) / sizeof(known_args[0]))

static int complain(const char *name, const char *problem)
{
	fprintf(stderr, "tdx-module: argument '%s' %s\n", name, problem);
	return -EINVAL;
}

static void label_digest(const char *register_name, uint8_t digest[TDX_DIGEST])
{
	char label[64];
	int len = snprintf(label, sizeof(label), "dstack test %s",
			   register_name);

	sha384(label, (size_t)len, digest);
}

/**
 * config_defaults() - a TD as no argument has described it yet
 * @config: filled in
 * @vcpus: how many vCPUs the machine has
 *
 * MRTD and RTMR0, which stand for firmware that this machine does not run,
 * are digests of labels; what nobody configured is zero, as on real machines.
 */
void config_defaults(struct td_config *config, unsigned int vcpus)
{
	memset(config, 0, sizeof(*config));
	label_digest("mrtd", config->mrtd);
	label_digest("rtmr0", config->rtmr[0]);
	config->attributes = TD_ATTR_SEPT_VE_DISABLE;
	config->xfam = XFAM_DEFAULT;
	config->gpa_width = GPA_WIDTH_DEFAULT;
	config->vcpus = vcpus;
	config->idle_us = 1000;
}

void config_free(struct td_config *config)
{
	free(config->pki);
	config->pki = NULL;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

static int parse_digest(const char *name, const char *value, uint8_t *digest)
{
	size_t i;

	if (strlen(value) != 2 * TDX_DIGEST ||
	    strspn(value, "0123456789abcdefABCDEF") != 2 * TDX_DIGEST)
		return complain(name, "needs 96 hexadecimal digits");
	for (i = 0; i < TDX_DIGEST; i++)
		digest[i] = (uint8_t)(hex_digit(value[2 * i]) << 4 |
				      hex_digit(value[2 * i + 1]));
	return 0;
}

/* A number that starts with a digit: no sign, no blanks. */
static bool parse_u64(const char *text, const char **end, uint64_t *number)
{
	char *stop;

	if (text[0] < '0' || text[0] > '9')
		return false;
	errno = 0;
	*number = strtoull(text, &stop, 0);
	*end = stop;
	return !errno;
}

static int parse_number(const struct arg *arg, const char *value,
			uint64_t *number)
{
	char problem[80];
	const char *end;

	if (parse_u64(value, &end, number) && !*end &&
	    *number >= arg->min && *number <= arg->max)
		return 0;
	snprintf(problem, sizeof(problem),
		 "needs a number from %" PRIu64 " to %" PRIu64,
		 arg->min, arg->max);
	return complain(arg->name, problem);
}

/* COUNT[@AFTER], COUNT may be "all". */
static int parse_fault(const char *name, const char *value,
		       struct fault *fault)
{
	const char *end;

	fault->after = 0;
	fault->seen = 0;
	if (!strncmp(value, FAULT_ALL, strlen(FAULT_ALL))) {
		fault->count = UINT64_MAX;
		end = value + strlen(FAULT_ALL);
	} else if (!parse_u64(value, &end, &fault->count)) {
		return complain(name, "needs COUNT[@AFTER], or all[@AFTER]");
	}
	if (*end == '@' && parse_u64(end + 1, &end, &fault->after) && !*end)
		return 0;
	return *end ? complain(name, "needs COUNT[@AFTER], or all[@AFTER]") : 0;
}

static int parse_switch(const char *name, const char *value, bool *on)
{
	*on = !strcmp(value, "on");
	if (!*on && strcmp(value, "off"))
		return complain(name, "needs on or off");
	return 0;
}

static int measure_file(const char *name, const char *path, uint8_t *rtmr)
{
	uint8_t digest[TDX_DIGEST];
	int err = sha384_file(path, digest);

	if (err) {
		fprintf(stderr, "tdx-module: can't measure %s '%s': %s\n",
			name, path, strerror(-err));
		return err;
	}
	sha384_extend(rtmr, digest);
	return 0;
}

static int parse_value(const struct arg *arg, const char *value,
		       struct td_config *config)
{
	void *field = (char *)config + arg->offset;

	switch (arg->type) {
	case ARG_STRING:
		*(char **)field = strdup(value);
		return *(char **)field ? 0 : -ENOMEM;
	case ARG_DIGEST:
		return parse_digest(arg->name, value, field);
	case ARG_NUMBER:
		return parse_number(arg, value, field);
	case ARG_SWITCH:
		return parse_switch(arg->name, value, field);
	case ARG_FAULT:
		return parse_fault(arg->name, value, field);
	case ARG_MEASURE:
		return measure_file(arg->name, value, field);
	}
	return -EINVAL;
}

/* The one "name=value" of that name, NULL when there is none. */
static const char *find_value(const char *name, int argc, char **argv,
			      int *matches)
{
	const char *value = NULL;
	size_t len = strlen(name);
	int i;

	*matches = 0;
	for (i = 0; i < argc; i++) {
		if (strncmp(argv[i], name, len) || argv[i][len] != '=')
			continue;
		value = argv[i] + len + 1;
		++*matches;
	}
	return value;
}

static int refuse_unknown(const char *text)
{
	size_t len = strcspn(text, "="), i;

	for (i = 0; i < KNOWN_ARGS; i++)
		if (text[len] && strlen(known_args[i].name) == len &&
		    !strncmp(known_args[i].name, text, len))
			return 0;
	fprintf(stderr, "tdx-module: unknown argument '%s', known are:", text);
	for (i = 0; i < KNOWN_ARGS; i++)
		fprintf(stderr, " %s", known_args[i].name);
	fputc('\n', stderr);
	return -EINVAL;
}

/* A register is either given or computed from files, never a mixture. */
static int refuse_conflicts(int argc, char **argv)
{
	static const char *const pairs[][2] = {
		{ "rtmr1", "kernel" },
		{ "rtmr2", "cmdline" },
		{ "rtmr2", "initrd" },
	};
	int given, measured;
	size_t i;

	for (i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		find_value(pairs[i][0], argc, argv, &given);
		find_value(pairs[i][1], argc, argv, &measured);
		if (given && measured)
			return complain(pairs[i][1],
					"sets a register that is given too");
	}
	return 0;
}

/**
 * config_parse() - take in the plugin's arguments
 * @config: defaults before, what was asked for after
 * @argc: number of arguments
 * @argv: each "name=value"
 *
 * Values are taken in the order of the table, so that files are measured in
 * boot order whatever the order of the arguments.
 *
 * Return: 0 or -errno, after saying on stderr what is wrong.
 */
int config_parse(struct td_config *config, int argc, char **argv)
{
	const char *value;
	int err, matches, i;
	size_t a;

	for (i = 0; i < argc; i++) {
		err = refuse_unknown(argv[i]);
		if (err)
			return err;
	}
	err = refuse_conflicts(argc, argv);
	for (a = 0; !err && a < KNOWN_ARGS; a++) {
		value = find_value(known_args[a].name, argc, argv, &matches);
		if (!value)
			continue;
		if (matches > 1)
			err = complain(known_args[a].name, "is given twice");
		else if (!*value || strlen(value) > VALUE_MAX)
			err = complain(known_args[a].name,
				       "is empty or too long");
		else
			err = parse_value(&known_args[a], value, config);
	}
	return err;
}
