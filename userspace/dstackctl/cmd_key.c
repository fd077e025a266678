// SPDX-License-Identifier: MIT
/*
 * dstackctl key: keys of this container, and the root keys they come from
 *
 * Copyright The dstack for Linux authors
 */
#include "keys.h"

#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <jansson.h>
#include <linux/keyctl.h>
#include <string.h>
#include <unistd.h>

static void usage(FILE *out)
{
	fputs("Usage: dstackctl key get [OPTION]... PATH\n"
	      "       dstackctl key list [--json]\n"
	      "       dstackctl key load --app-id HEX --epoch N [--local] --file FILE|-\n"
	      "       dstackctl key load --app-id HEX --epoch N [--local] --test\n"
	      "       dstackctl key revoke --app-id HEX --epoch N\n"
	      "       dstackctl key revoke --all\n\n"
	      "get: a key of this container, or outside of containers of the host\n"
	      "  --deliver D       handle (default), logon, fscrypt or bytes\n"
	      "  --kind K          bytes, hmac, aead, ed25519, secp256k1 or p256 (default: aead\n"
	      "                    with a handle, else bytes)\n"
	      "  --scope S         container (default) or app\n"
	      "  --purpose TEXT    what it is for; not in scope app\n"
	      "  --epoch N         key epoch (default: the newest)\n"
	      "  --v1              upstream's second derivation; ed25519 and secp256k1, scope app\n"
	      "  --length N        16 to 64 bytes (default: 32)\n"
	      "  --keyring R       session (default), process or thread\n"
	      "  --name NAME       there it is called dstack:NAME (default: PATH, each other\n"
	      "                    character than [A-Za-z0-9._-] as '-')\n"
	      "  --output FILE     with bytes: to a new file, for its owner alone, and not to\n"
	      "                    standard output\n\n"
	      "load: let keys be derived from a root key\n"
	      "  --app-id HEX      the 20 bytes that name the application\n"
	      "  --file FILE       32 bytes, in a file for its owner alone; '-': standard input\n"
	      "  --test            a root key that everybody knows; on the sim backend only\n"
	      "  --local           it is of this machine alone: the event does not name it, so\n"
	      "                    that machines of one image measure the same\n\n"
	      "revoke: forget the root keys of an application up to this key epoch, until the\n"
	      "next boot; or all, which can be loaded again\n", out);
}

#define LENGTH_OPTION	'l'
#define V1_OPTION	'1'

struct get {
	struct libdstack_key key;
	const char *output;
	char name[DSTACK_KEY_NAME_SIZE];
};

/* What a path is called in a keyring if nobody says. */
static void name_after(const char *path, char name[DSTACK_KEY_NAME_SIZE])
{
	size_t i;

	for (i = 0; i < DSTACK_KEY_NAME_SIZE - 1 && path[i]; i++)
		name[i] = isalnum((unsigned char)path[i]) ||
			  strchr("._-", path[i]) ? path[i] : '-';
	name[i] = '\0';
}

static bool set_length(const char *arg, struct libdstack_key *key)
{
	uint64_t value;

	if (!libdstack_parse_u64(arg, DSTACK_KEY_SIZE_MAX, &value) ||
	    value < DSTACK_KEY_SIZE_MIN) {
		error_msg("--length is %d to %d, not '%s'",
			  DSTACK_KEY_SIZE_MIN, DSTACK_KEY_SIZE_MAX, arg);
		return false;
	}
	key->len = value;
	return true;
}

static bool set_get_option(int c, const char *arg, struct get *get)
{
	switch (c) {
	case LENGTH_OPTION:
		return set_length(arg, &get->key);
	case V1_OPTION:
		get->key.flags |= DSTACK_KEY_F_V1;
		return true;
	case 'n':
		get->key.name = arg;
		return true;
	case 'o':
		get->output = arg;
		return true;
	default:
		return set_key_option(c, arg, &get->key);
	}
}

/* What follows from the options and PATH.  False after a message. */
static bool complete(struct get *get, const char *path)
{
	struct libdstack_key *key = &get->key;
	bool bytes = key->delivery == DSTACK_DELIVER_BYTES;

	if (key->delivery == DSTACK_DELIVER_AGENT) {
		error_msg("keys of delivery agent are for services that act for a container");
		return false;
	}
	key->path = path;
	key->path_len = strlen(path);
	if (!key->kind)
		key->kind = key->delivery == DSTACK_DELIVER_HANDLE ?
			    DSTACK_KEY_AEAD : DSTACK_KEY_BYTES;
	if (bytes && (key->name || key->keyring)) {
		error_msg("bytes go to no keyring: without --name and --keyring");
		return false;
	}
	if (get->output && !bytes) {
		error_msg("--output is for --deliver bytes: this key is not told");
		return false;
	}
	if (bytes)
		return true;
	if (!key->keyring)
		key->keyring = KEY_SPEC_SESSION_KEYRING;
	if (!key->name) {
		name_after(path, get->name);
		key->name = get->name;
	}
	return true;
}

static int get_bytes(int fd, struct get *get)
{
	size_t len = get->key.len ? get->key.len : DSTACK_KEY_SIZE;
	void *bytes;
	int err;

	err = libdstack_secret_alloc(len, &bytes);
	if (err) {
		error_msg_errno(err, "can't get memory for the key");
		return err;
	}
	err = libdstack_get_key(fd, &get->key, bytes, NULL) ?:
		write_secret(get->output, bytes, len);
	libdstack_secret_free(bytes, len);
	return err;
}

static int get_handle(int fd, struct get *get)
{
	int32_t serial;
	int err = libdstack_get_key(fd, &get->key, NULL, &serial);

	if (!err)
		printf("%d " DSTACK_KEY_NAME_PREFIX "%s epoch %" PRIu64 "\n",
		       serial, get->key.name, get->key.epoch);
	return err;
}

static int run_get(struct get *get)
{
	bool bytes = get->key.delivery == DSTACK_DELIVER_BYTES;
	int fd, err;

	/* Before the key is out, which is an event. */
	if (bytes && !get->output && isatty(STDOUT_FILENO)) {
		error_msg("key bytes don't go to a terminal: use --output, or a pipe");
		return EXIT_FAILURE;
	}
	fd = libdstack_device_open();
	if (fd < 0)
		return EXIT_FAILURE;
	err = bytes ? get_bytes(fd, get) : get_handle(fd, get);
	close(fd);
	return err ? EXIT_FAILURE : EXIT_SUCCESS;
}

static int key_get(int argc, char **argv)
{
	static const struct option options[] = {
		{ "deliver", required_argument, NULL, 'd' },
		{ "kind", required_argument, NULL, 'K' },
		{ "scope", required_argument, NULL, 's' },
		{ "purpose", required_argument, NULL, 'p' },
		{ "epoch", required_argument, NULL, 'e' },
		{ "v1", no_argument, NULL, V1_OPTION },
		{ "length", required_argument, NULL, LENGTH_OPTION },
		{ "keyring", required_argument, NULL, 'k' },
		{ "name", required_argument, NULL, 'n' },
		{ "output", required_argument, NULL, 'o' },
		{ NULL, 0, NULL, 0 }
	};
	struct get get = {
		.key = {
			.scope = DSTACK_SCOPE_CONTAINER,
			.delivery = DSTACK_DELIVER_HANDLE,
		},
	};
	int c;

	while ((c = getopt_long(argc, argv, "o:", options, NULL)) != -1)
		if (!set_get_option(c, optarg, &get))
			return usage_hint("key");
	if (optind != argc - 1) {
		error_msg("the key's path is needed");
		return usage_hint("key");
	}
	return complete(&get, argv[optind]) ? run_get(&get) :
					      usage_hint("key");
}

static int print_root(const struct libdstack_root *root, void *arg)
{
	char app[2 * DSTACK_APP_ID_SIZE + 1], id[2 * DSTACK_KEY_ID_SIZE + 1];

	(void)arg;
	printf("%s %10" PRIu64 " %s\n",
	       libdstack_to_hex(root->app_id, sizeof(root->app_id), app),
	       root->epoch, libdstack_to_hex(root->id, sizeof(root->id), id));
	return 0;
}

int append_root(const struct libdstack_root *root, void *arg)
{
	char app[2 * DSTACK_APP_ID_SIZE + 1], id[2 * DSTACK_KEY_ID_SIZE + 1];
	json_t *item;

	item = json_pack("{s:s, s:I, s:s}", "app_id",
			 libdstack_to_hex(root->app_id, sizeof(root->app_id),
					  app),
			 "epoch", (json_int_t)root->epoch, "key_id",
			 libdstack_to_hex(root->id, sizeof(root->id), id));
	return json_array_append_new(arg, item) ? -ENOMEM : 0;
}

static int list(struct libdstack_control *control, void *array)
{
	if (array)
		return libdstack_list_roots(control, append_root, array);
	printf("%-40s %10s %s\n", "APP ID", "EPOCH", "KEY ID");
	return libdstack_list_roots(control, print_root, NULL);
}

int cmd_key(int argc, char **argv)
{
	if (argc < 2)
		return usage_hint("key");
	if (!strcmp(argv[1], "--help")) {
		usage(stdout);
		return EXIT_SUCCESS;
	}
	if (!strcmp(argv[1], "get"))
		return key_get(argc - 1, argv + 1);
	if (!strcmp(argv[1], "list"))
		return list_command(argc - 1, argv + 1, "key", list);
	if (!strcmp(argv[1], "load"))
		return key_load(argc - 1, argv + 1);
	if (!strcmp(argv[1], "revoke"))
		return key_revoke(argc - 1, argv + 1);
	error_msg("unknown 'key %s'", argv[1]);
	return usage_hint("key");
}
