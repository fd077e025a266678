// SPDX-License-Identifier: MIT
/*
 * dstackctl key load, revoke: root keys come, and go
 *
 * Copyright The dstack for Linux authors
 */
#include "keys.h"

#include <errno.h>
#include <getopt.h>
#include <string.h>
#include <unistd.h>

/* For development: everybody knows it. */
static const char test_root[DSTACK_KEY_ROOT_SIZE + 1] =
	"dstack development root, public!";

struct root_options {
	uint8_t app_id[DSTACK_APP_ID_SIZE];
	uint64_t epoch;
	const char *file;
	bool have_app, have_epoch, test, all;
	unsigned int flags;
};

static bool set_root_option(int c, const char *arg,
			    struct root_options *options)
{
	switch (c) {
	case 'a':
		options->have_app = hex_decode(arg, options->app_id,
					       sizeof(options->app_id));
		if (!options->have_app)
			error_msg("--app-id must be %d hex digits, not '%s'",
				  2 * DSTACK_APP_ID_SIZE, arg);
		return options->have_app;
	case 'e':
		options->have_epoch = libdstack_parse_u64(arg, UINT64_MAX,
							  &options->epoch);
		if (!options->have_epoch)
			error_msg("--epoch must be a number, not '%s'", arg);
		return options->have_epoch;
	case 'f':
		options->file = arg;
		return true;
	case 't':
		options->test = true;
		return true;
	case 'l':
		options->flags |= LIBDSTACK_ROOT_LOCAL;
		return true;
	case 'A':
		options->all = true;
		return true;
	default:
		return false;
	}
}

static bool parse_root(int argc, char **argv, const struct option *known,
		       struct root_options *options)
{
	int c;

	while ((c = getopt_long(argc, argv, "", known, NULL)) != -1)
		if (!set_root_option(c, optarg, options))
			return false;
	return optind == argc;
}

static int read_root(const char *path, void **root)
{
	bool use_stdin = !strcmp(path, "-");
	const char *name = use_stdin ? "standard input" : path;
	int fd = use_stdin ? STDIN_FILENO : libdstack_secret_open(path);
	int err;
	size_t len;

	if (fd < 0)
		return fd;
	err = libdstack_secret_read(fd, name, DSTACK_KEY_ROOT_SIZE, root, &len);
	if (!use_stdin)
		close(fd);
	if (err || len == DSTACK_KEY_ROOT_SIZE)
		return err;
	libdstack_secret_free(*root, DSTACK_KEY_ROOT_SIZE + 1);
	error_msg("'%s' has %zu bytes, a root key %d, as they are and not as text",
		  name, len, DSTACK_KEY_ROOT_SIZE);
	return -EINVAL;
}

/* Where evidence proves something, so must keys. */
static int allow_test(struct libdstack_control *control)
{
	struct libdstack_status status;
	int err = libdstack_status(control, &status);

	if (err || status.backend_flags & DSTACK_BACKEND_F_INSECURE)
		return err;
	error_msg("--test is for development, on the sim backend: everybody knows this root key");
	return -EPERM;
}

static int load(const struct root_options *options, const uint8_t *root)
{
	struct libdstack_control *control;
	int err;

	err = libdstack_control_open(&control);
	if (err)
		return err;
	if (options->test)
		err = allow_test(control);
	if (!err)
		err = libdstack_load_root(control, options->app_id,
					  options->epoch, root, options->flags);
	libdstack_control_close(control);
	return err;
}

static int load_file(const struct root_options *options)
{
	void *root;
	int err = read_root(options->file, &root);

	if (err)
		return err;
	err = load(options, root);
	libdstack_secret_free(root, DSTACK_KEY_ROOT_SIZE + 1);
	return err;
}

int key_load(int argc, char **argv)
{
	static const struct option known[] = {
		{ "app-id", required_argument, NULL, 'a' },
		{ "epoch", required_argument, NULL, 'e' },
		{ "file", required_argument, NULL, 'f' },
		{ "test", no_argument, NULL, 't' },
		{ "local", no_argument, NULL, 'l' },
		{ NULL, 0, NULL, 0 }
	};
	struct root_options options = { .file = NULL };
	int err;

	if (!parse_root(argc, argv, known, &options))
		return usage_hint("key");
	if (!options.have_app || !options.have_epoch ||
	    options.test == !!options.file) {
		error_msg("--app-id, --epoch and one of --file and --test are needed");
		return usage_hint("key");
	}
	err = options.test ? load(&options, (const uint8_t *)test_root) :
			     load_file(&options);
	return err ? EXIT_FAILURE : EXIT_SUCCESS;
}

int key_revoke(int argc, char **argv)
{
	static const struct option known[] = {
		{ "app-id", required_argument, NULL, 'a' },
		{ "epoch", required_argument, NULL, 'e' },
		{ "all", no_argument, NULL, 'A' },
		{ NULL, 0, NULL, 0 }
	};
	struct root_options options = { .file = NULL };
	struct libdstack_control *control;
	int err;

	if (!parse_root(argc, argv, known, &options))
		return usage_hint("key");
	if (options.all ? options.have_app || options.have_epoch :
			  !options.have_app || !options.have_epoch) {
		error_msg("--app-id and --epoch are needed, or --all alone");
		return usage_hint("key");
	}
	err = libdstack_control_open(&control);
	if (err)
		return EXIT_FAILURE;
	err = options.all ? libdstack_wipe_roots(control) :
			    libdstack_retire_roots(control, options.app_id,
						   options.epoch);
	libdstack_control_close(control);
	return err ? EXIT_FAILURE : EXIT_SUCCESS;
}
