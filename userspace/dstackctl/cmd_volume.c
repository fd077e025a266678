// SPDX-License-Identifier: MIT
/*
 * dstackctl volume: encrypted disks whose key nobody sees
 *
 * Copyright The dstack for Linux authors
 */
#include "dstackctl.h"

#include <getopt.h>

#define DEFAULT_PATH "volume"

static void usage(FILE *out)
{
	fputs("Usage: dstackctl volume open [--key PATH] [--readonly] DEVICE NAME\n\n"
	      "Opens a LUKS2 volume as /dev/mapper/NAME, with the application's key of\n"
	      "PATH (default: " DEFAULT_PATH "), 64 bytes, which go from the module to\n"
	      "dm-crypt and nowhere else.  'dmsetup remove NAME' closes it.\n\n"
	      "The header must be as this makes it, with the same key as --volume-key-file:\n"
	      "  cryptsetup luksFormat --type luks2 --cipher aes-xts-plain64\n"
	      "             --key-size 512 --pbkdf pbkdf2 DEVICE\n\n"
	      "  --key PATH   of the key; the policy's section \"host\" approves it for\n"
	      "               kind bytes, scope app, delivery logon\n"
	      "  --readonly   nothing is written to DEVICE\n", out);
}

static int volume_open(int argc, char **argv)
{
	static const struct option options[] = {
		{ "key", required_argument, NULL, 'k' },
		{ "readonly", no_argument, NULL, 'r' },
		{ NULL, 0, NULL, 0 }
	};
	const char *path = DEFAULT_PATH;
	bool readonly = false;
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == 'k')
			path = optarg;
		else if (c == 'r')
			readonly = true;
		else
			return usage_hint("volume");
	}
	if (argc - optind != 2)
		return usage_hint("volume");
	return libdstack_open_volume(argv[optind], argv[optind + 1], path,
				     readonly) ? EXIT_FAILURE : EXIT_SUCCESS;
}

int cmd_volume(int argc, char **argv)
{
	if (argc > 1 && !strcmp(argv[1], "--help")) {
		usage(stdout);
		return EXIT_SUCCESS;
	}
	if (argc > 1 && !strcmp(argv[1], "open"))
		return volume_open(argc - 1, argv + 1);
	return usage_hint("volume");
}
