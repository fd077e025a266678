// SPDX-License-Identifier: MIT
/*
 * dstackctl: the operator's command
 *
 * Copyright The dstack for Linux authors
 */
#include "dstackctl.h"

#include <string.h>

static const struct command {
	const char *name;
	int (*fn)(int argc, char **argv);
	const char *description;
} commands[] = {
	{ "status", cmd_status, "what the kernel module is doing" },
	{ "top", cmd_top, "which containers run what, as it happens" },
	{ "doctor", cmd_doctor, "what works here, and how to mend the rest" },
	{ "state", cmd_state, "measure, enforce, or neither" },
	{ "policy", cmd_policy, "write, check and load policies" },
	{ "run", cmd_run, "run a command as a container of its own" },
	{ "container", cmd_container, "list, add and remove containers" },
	{ "device", cmd_device, "which block devices check what they read" },
	{ "key", cmd_key, "get keys, and load what they come from" },
	{ "seal", cmd_seal, "make data a blob that only its owner opens" },
	{ "unseal", cmd_unseal, "open such a blob" },
	{ "why", cmd_why, "explain the verdict on a file" },
	{ "log", cmd_log, "show the event log" },
	{ "quote", cmd_quote, "get evidence for a relying party" },
	{ "verify", cmd_verify, "verify a quote and its event log" },
	{ "mr", cmd_mr, "which measurements a TD will have" },
	{ "volume", cmd_volume, "open an encrypted disk, its key unseen" },
	{ "contract", cmd_contract, "what the contracts on the chain allow" },
	{ "kms", cmd_kms, "the KMS that runs on this machine" },
	{ "replay", cmd_replay, "compute the register from an event log" },
};

static void usage(FILE *out)
{
	size_t i;

	fputs("Usage: dstackctl COMMAND [OPTION]...\n\nCommands:\n", out);
	for (i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		fprintf(out, "  %-10s %s\n", commands[i].name,
			commands[i].description);
	fputs("\n'dstackctl COMMAND --help' explains a command; dstackctl(1) "
	      "explains all.\n", out);
}

void library_message(const char *message)
{
	error_msg("%s", message);
}

/* A full disk or a closed pipe must not look like success. */
static int flush_stdout(int status)
{
	if (!ferror(stdout) && !fflush(stdout))
		return status;
	error_msg("can't write to standard output");
	return status ? status : EXIT_FAILURE;
}

int main(int argc, char **argv)
{
	size_t i;

	libdstack_set_message_callback(library_message);
	if (argc < 2) {
		usage(stderr);
		return EXIT_USAGE;
	}
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") ||
	    !strcmp(argv[1], "help")) {
		usage(stdout);
		return flush_stdout(EXIT_SUCCESS);
	}
	for (i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (!strcmp(argv[1], commands[i].name))
			return flush_stdout(commands[i].fn(argc - 1, argv + 1));
	error_msg("unknown command '%s', see 'dstackctl --help'", argv[1]);
	return EXIT_USAGE;
}
