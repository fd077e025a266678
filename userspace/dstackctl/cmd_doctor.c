// SPDX-License-Identifier: MIT
/*
 * dstackctl doctor: what works here, what is missing, how to mend it
 *
 * Copyright The dstack for Linux authors
 */
#include "doctor.h"

#include <getopt.h>
#include <jansson.h>
#include <stdarg.h>

/* In an order in which each can build on those before. */
static const struct check {
	const char *name;
	enum doctor_verdict (*fn)(struct doctor *d);
} checks[] = {
	{ "bpf-lsm", doctor_lsm },
	{ "btf", doctor_btf },
	{ "cgroup2", doctor_cgroup },
	{ "clock", doctor_clock },
	{ "module", doctor_device },
	{ "backend", doctor_backend },
	{ "control", doctor_control },
	{ "hooks", doctor_hooks },
	{ "register", doctor_register },
	{ "log", doctor_log },
	{ "space", doctor_space },
	{ "policy", doctor_policy },
	{ "state", doctor_state },
	{ "keys", doctor_keys },
	{ "quote", doctor_quote },
	{ "runtime", doctor_runtime },
	{ "oci-hook", doctor_oci_hook },
	{ "agent", doctor_agent },
};

static const char *const verdicts[] = {
	[DOCTOR_OK] = "ok",
	[DOCTOR_WARN] = "warn",
	[DOCTOR_FAIL] = "fail",
	[DOCTOR_SKIP] = "skip",
};

static void usage(FILE *out)
{
	fputs("Usage: dstackctl doctor [--json]\n\n"
	      "Says what works on this machine, what does not, and how to mend it.  Exits 1 if\n"
	      "something fails.  Changes nothing; it makes one quote.\n", out);
}

enum doctor_verdict doctor_say(struct doctor *d, enum doctor_verdict verdict,
			       const char *mend, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(d->found, sizeof(d->found), fmt, args);
	va_end(args);
	snprintf(d->mend, sizeof(d->mend), "%s", mend ?: "");
	return verdict;
}

static void print_text(const char *name, enum doctor_verdict verdict,
		       const struct doctor *d)
{
	printf("%-4s  %-10s  %s\n", verdicts[verdict], name, d->found);
	if (*d->mend)
		printf("                  to mend it: %s\n", d->mend);
}

static int append(json_t *all, const char *name, enum doctor_verdict verdict,
		  const struct doctor *d)
{
	return json_array_append_new(all, json_pack("{s:s, s:s, s:s, s:s}",
						    "check", name, "verdict",
						    verdicts[verdict], "found",
						    d->found, "mend", d->mend));
}

/* Returns the exit status.  @all: NULL for text. */
static int examine(json_t *all)
{
	int status = EXIT_SUCCESS;
	struct doctor d = { 0 };
	size_t i;

	for (i = 0; i < sizeof(checks) / sizeof(checks[0]); i++) {
		enum doctor_verdict verdict = checks[i].fn(&d);

		if (verdict == DOCTOR_FAIL)
			status = EXIT_FAILURE;
		if (!all)
			print_text(checks[i].name, verdict, &d);
		else if (append(all, checks[i].name, verdict, &d))
			return EXIT_FAILURE;
	}
	return status;
}

static int examine_json(void)
{
	json_t *all = json_array();
	int status = examine(all);

	if (!all || json_dumpf(all, stdout, JSON_INDENT(2))) {
		error_msg("out of memory");
		status = EXIT_FAILURE;
	}
	putchar('\n');
	json_decref(all);
	return status;
}

int cmd_doctor(int argc, char **argv)
{
	static const struct option options[] = {
		{ "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 }
	};
	bool json = false;
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 'j':
			json = true;
			break;
		case 'h':
			usage(stdout);
			return EXIT_SUCCESS;
		default:
			return usage_hint("doctor");
		}
	}
	if (optind != argc)
		return usage_hint("doctor");
	/* What fails is said by the check. */
	libdstack_set_message_callback(NULL);
	return json ? examine_json() : examine(NULL);
}
