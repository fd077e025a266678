// SPDX-License-Identifier: MIT
/*
 * dstackctl seal, unseal: data that only its container opens again
 *
 * Copyright The dstack for Linux authors
 */
#include "keys.h"

#include <errno.h>
#include <getopt.h>
#include <linux/keyctl.h>
#include <string.h>
#include <unistd.h>

#define BLOB_MAX (DSTACK_KEY_DATA_MAX + DSTACK_SEAL_OVERHEAD)

struct options {
	struct libdstack_key key;
	uint32_t flags;			/* DSTACK_SEAL_F_* */
	const char *output;
};

static void usage_seal(FILE *out)
{
	fputs("Usage: dstackctl seal [OPTION]... PATH <data >blob\n\n"
	      "Makes of standard input, at most 1 MiB, a blob that only the same container's\n"
	      "image of the same application opens again, on any machine.\n\n"
	      "  --scope container|app  who opens it: this image (default), or the application\n"
	      "  --purpose TEXT         part of the key's name, as PATH is\n"
	      "  --epoch N              key epoch (default: the newest)\n"
	      "  --policy               it opens under the policy that is active now only\n"
	      "  -o, --output FILE      write the blob there\n", out);
}

static void usage_unseal(FILE *out)
{
	fputs("Usage: dstackctl unseal [OPTION]... PATH <blob >data\n\n"
	      "Opens what 'dstackctl seal' made with the same options, or says which check the\n"
	      "blob did not pass.\n\n"
	      "  --scope container|app  as it was sealed\n"
	      "  --purpose TEXT         as it was sealed\n"
	      "  --epoch N              open blobs of this key epoch only (default: of any)\n"
	      "  -o, --output FILE      write the data there, a new file for its owner alone\n",
	      out);
}

/* EXIT_USAGE if there is nothing to do but to return *status. */
static int parse(int argc, char **argv, bool unseal, struct options *options,
		 int *status)
{
	static const struct option known[] = {
		{ "scope", required_argument, NULL, 's' },
		{ "purpose", required_argument, NULL, 'p' },
		{ "epoch", required_argument, NULL, 'e' },
		{ "output", required_argument, NULL, 'o' },
		{ "help", no_argument, NULL, 'h' },
		{ "policy", no_argument, NULL, 'P' },
		{ NULL, 0, NULL, 0 }
	};
	int c;

	*status = EXIT_SUCCESS;
	while ((c = getopt_long(argc, argv, "o:", known, NULL)) != -1) {
		if (c == 'h') {
			(unseal ? usage_unseal : usage_seal)(stdout);
			return EXIT_USAGE;
		}
		if (c == 'o')
			options->output = optarg;
		else if (c == 'P' && !unseal)
			options->flags |= DSTACK_SEAL_F_POLICY;
		else if (!set_key_option(c, optarg, &options->key))
			break;
	}
	if (c == -1 && optind == argc - 1) {
		options->key.path = argv[optind];
		options->key.path_len = strlen(argv[optind]);
		return EXIT_SUCCESS;
	}
	if (c == -1)
		error_msg("the key's path is needed");
	*status = usage_hint(unseal ? "unseal" : "seal");
	return EXIT_USAGE;
}

static int seal(int fd, int32_t serial, const struct options *options,
		const void *data, size_t len)
{
	size_t blob_len = len + DSTACK_SEAL_OVERHEAD;
	void *blob = malloc(blob_len);
	int err;

	if (!blob)
		return -ENOMEM;
	err = libdstack_seal(fd, serial, options->flags, data, len, blob) ?:
		write_file(options->output ?: "-", blob, blob_len);
	free(blob);
	return err;
}

static int unseal(int fd, int32_t serial, const struct options *options,
		  const void *blob, size_t blob_len)
{
	size_t len = DSTACK_KEY_DATA_MAX;
	enum dstack_seal_check check;
	void *data;
	int err;

	err = libdstack_secret_alloc(DSTACK_KEY_DATA_MAX, &data);
	if (err)
		return err;
	err = libdstack_unseal(fd, serial, blob, blob_len, data, &len,
			       &check) ?:
		write_secret(options->output, data, len);
	libdstack_secret_free(data, DSTACK_KEY_DATA_MAX);
	return err;
}

/*
 * The handle is in a keyring that goes with this process.  Input first: who
 * may not ask should not leave a writer with a broken pipe.
 */
static int run(bool open, struct options *options)
{
	size_t max = open ? BLOB_MAX : DSTACK_KEY_DATA_MAX, len;
	int32_t serial;
	void *input;
	int fd, err;

	err = libdstack_secret_read(STDIN_FILENO, "standard input", max, &input,
				    &len);
	if (err)
		return EXIT_FAILURE;
	fd = libdstack_device_open();
	err = fd < 0 ? fd : libdstack_get_key(fd, &options->key, NULL, &serial);
	if (!err)
		err = (open ? unseal : seal)(fd, serial, options, input, len);
	if (fd >= 0)
		close(fd);
	libdstack_secret_free(input, max + 1);
	return err ? EXIT_FAILURE : EXIT_SUCCESS;
}

static int parse_and_run(int argc, char **argv, bool open)
{
	struct options options = {
		.key = {
			.kind = DSTACK_KEY_AEAD,
			.scope = DSTACK_SCOPE_CONTAINER,
			.delivery = DSTACK_DELIVER_HANDLE,
			.keyring = KEY_SPEC_PROCESS_KEYRING,
			.name = "dstackctl",
		},
	};
	int status;

	if (parse(argc, argv, open, &options, &status))
		return status;
	return run(open, &options);
}

int cmd_seal(int argc, char **argv)
{
	return parse_and_run(argc, argv, false);
}

int cmd_unseal(int argc, char **argv)
{
	return parse_and_run(argc, argv, true);
}
