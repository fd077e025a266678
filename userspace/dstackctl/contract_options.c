// SPDX-License-Identifier: MIT
/*
 * dstackctl contract: what every command of it begins with
 *
 * Copyright The dstack for Linux authors
 */
#include "contract.h"

#include <curl/curl.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <time.h>
#include <unistd.h>

#define FILE_MAX	(1U << 20)
#define KEY_TEXT_MAX	80
#define GWEI		1000000000ULL
#define MAX_FEE		100		/* gwei */
#define MAX_AGE		1800		/* seconds: final blocks are old */
#define MAX_AHEAD	60
#define MAX_WAIT	3600
#define WAIT		120
#define TIMEOUT_MS	20000

static const struct option known[] = {
	{ "rpc", required_argument, NULL, 'r' },
	{ "chain", required_argument, NULL, 'c' },
	{ "yes-chain", required_argument, NULL, 'y' },
	{ "quorum", required_argument, NULL, 'q' },
	{ "ca-file", required_argument, NULL, 'C' },
	{ "block", required_argument, NULL, 't' },
	{ "max-age", required_argument, NULL, 'm' },
	{ "pins", required_argument, NULL, 'p' },
	{ "kms", required_argument, NULL, 'k' },
	{ "app", required_argument, NULL, 'a' },
	{ "key", required_argument, NULL, 'K' },
	{ "from", required_argument, NULL, 'F' },
	{ "max-fee", required_argument, NULL, 'f' },
	{ "wait", required_argument, NULL, 'w' },
	{ "dry-run", no_argument, NULL, 'd' },
	{ "build", required_argument, NULL, 'b' },
	{ "owner", required_argument, NULL, 'o' },
	{ "boot", required_argument, NULL, 'B' },
	{ "as-kms", no_argument, NULL, 'M' },
	{ "root", required_argument, NULL, 'R' },
	{ "device", required_argument, NULL, 'D' },
	{ "compose-hash", required_argument, NULL, 'H' },
	{ "any-device", no_argument, NULL, 'N' },
	{ "require-tcb", no_argument, NULL, 'T' },
	{ "disable-upgrades", no_argument, NULL, 'U' },
	{ "ask", no_argument, NULL, 'A' },
	{ "json", no_argument, NULL, 'j' },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 }
};

static const char *name_of(int c)
{
	const struct option *option = known;

	while (option->val != c)
		option++;
	return option->name;
}

static bool set_number(const char *arg, uint64_t max, uint64_t *out)
{
	return libdstack_parse_u64(arg, max, out);
}

static bool set_hash(const char *arg, uint8_t out[32])
{
	if (arg[0] == '0' && arg[1] == 'x')
		arg += 2;
	return hex_decode(arg, out, 32);
}

static bool set_address(const char *arg, uint8_t *address, bool *has)
{
	*has = contract_address(arg, address);
	return *has;
}

static bool set_server(const char *arg, struct contract_options *options)
{
	if (options->client.nr == CHAIN_SERVERS_MAX)
		return false;
	options->urls[options->client.nr++] = arg;
	return true;
}

static bool set_tag(const char *arg, struct chain_client *client)
{
	client->tag = arg;
	return !strcmp(arg, "finalized") || !strcmp(arg, "safe") ||
		!strcmp(arg, "latest");
}

static bool set_servers_option(int c, const char *arg,
			       struct contract_options *options)
{
	uint64_t value = 0;

	switch (c) {
	case 'r':
		return set_server(arg, options);
	case 'y':
		options->yes_chain = true;
		__attribute__((fallthrough));
	case 'c':
		options->has_chain = true;
		return set_number(arg, INT64_MAX, &options->client.chain_id);
	case 'q':
		if (!set_number(arg, CHAIN_SERVERS_MAX, &value))
			return false;
		options->client.quorum = value;
		return true;
	case 'C':
		options->client.ca_file = arg;
		return true;
	case 't':
		return set_tag(arg, &options->client);
	case 'm':
		options->has_age = true;
		return set_number(arg, INT64_MAX, &options->max_age);
	case 'f':
		return set_number(arg, UINT32_MAX, &options->max_fee);
	case 'w':
		return set_number(arg, MAX_WAIT, &options->wait);
	default:
		return false;
	}
}

static bool set_value(int c, const char *arg, struct contract_options *options)
{
	switch (c) {
	case 'p':
		options->pins = arg;
		return true;
	case 'K':
		options->key = arg;
		return true;
	case 'b':
		options->build = arg;
		return true;
	case 'B':
		options->boot = arg;
		return true;
	case 'k':
		return set_address(arg, options->kms, &options->has_kms);
	case 'a':
		return set_address(arg, options->app, &options->has_app);
	case 'o':
		return set_address(arg, options->owner, &options->has_owner);
	case 'F':
		return set_address(arg, options->from, &options->has_from);
	case 'R':
		options->has_root = true;
		return set_hash(arg, options->root);
	case 'D':
		return set_hash(arg, options->device);
	case 'H':
		return set_hash(arg, options->compose_hash);
	default:
		return set_servers_option(c, arg, options);
	}
}

static bool set_flag(int c, struct contract_options *options)
{
	bool *flag = c == 'd' ? &options->dry_run :
		c == 'M' ? &options->as_kms :
		c == 'N' ? &options->any_device :
		c == 'T' ? &options->require_tcb :
		c == 'U' ? &options->no_upgrades :
		c == 'A' ? &options->ask :
		c == 'j' ? &options->json : &options->help;

	*flag = true;
	return true;
}

bool contract_options(int argc, char **argv, const char *allowed,
		      struct contract_options *options)
{
	bool good;
	int c;

	memset(options, 0, sizeof(*options));
	options->client.urls = options->urls;
	options->client.timeout_ms = TIMEOUT_MS;
	options->max_fee = MAX_FEE;
	options->max_age = MAX_AGE;
	options->wait = WAIT;
	while ((c = getopt_long(argc, argv, "h", known, NULL)) != -1) {
		if (c == '?')
			return false;
		if (!strchr(allowed, c)) {
			error_msg("--%s is not for 'contract %s'", name_of(c),
				  argv[0]);
			return false;
		}
		good = optarg ? set_value(c, optarg, options) :
			set_flag(c, options);
		if (!good) {
			error_msg("--%s can't be '%s'", name_of(c), optarg);
			return false;
		}
	}
	return true;
}

/*
 * Sessions
 */

int contract_error(int err, const struct chain_why *why)
{
	error_msg("%s", why->text[0] ? why->text : strerror(-err));
	return err;
}

static int read_pins(struct contract_session *session)
{
	const char *path = session->options->pins;
	struct chain_why why = { "" };
	void *text;
	size_t len;
	int err;

	session->pins.known.proxies = session->pins.proxies;
	session->pins.known.codes = session->pins.codes;
	if (!path)
		return 0;
	err = read_file(path, FILE_MAX, &text, &len);
	if (err)
		return err;
	err = contract_pins_read(text, len, &session->pins, &why);
	free(text);
	if (err)
		error_msg("'%s' has no pins: %s", path, why.text);
	return err;
}

bool contract_is_test_chain(uint64_t id)
{
	return id == 31337 || id == 1337;
}

/*
 * A server that chose the chain could have a transaction signed for another
 * than the operator thinks of.
 */
static int know_chain(struct contract_session *session)
{
	struct contract_options *options = session->options;
	struct chain_client *client = &options->client;
	struct chain_why why = { "" };
	int err;

	if (session->pins.chain_id && options->has_chain &&
	    session->pins.chain_id != client->chain_id) {
		error_msg("the pins are of chain %" PRIu64 ", not %" PRIu64,
			  session->pins.chain_id, client->chain_id);
		return -EINVAL;
	}
	if (session->pins.chain_id)
		client->chain_id = session->pins.chain_id;
	if (session->pins.chain_id || options->has_chain)
		return 0;
	err = contract_chain_id(client, &client->chain_id, &why);
	if (err)
		return contract_error(err, &why);
	if (contract_is_test_chain(client->chain_id))
		return 0;
	error_msg("a server says that this is chain %" PRIu64 ", which is none for tests: name yours by --chain",
		  client->chain_id);
	return -EPERM;
}

/* Blocks of test chains are of any time. */
static void set_limits(struct contract_options *options)
{
	struct chain_client *client = &options->client;
	bool test = contract_is_test_chain(client->chain_id);

	client->limits.max_age = test && !options->has_age ? UINT64_MAX :
		options->max_age;
	client->limits.max_ahead = test ? UINT64_MAX : MAX_AHEAD;
	if (!client->tag)
		client->tag = test ? "latest" : "finalized";
}

/* 64 digits, with or without "0x" and the end of the line. */
static int decode_key(char *text, size_t len, uint8_t *key)
{
	if (len && text[len - 1] == '\n')
		len--;
	if (len >= 2 && text[0] == '0' && text[1] == 'x') {
		text += 2;
		len -= 2;
	}
	return libdstack_from_hex(text, len, key, 32) ? 0 : -EINVAL;
}

static int read_key(struct contract_session *session)
{
	const char *path = session->options->key;
	int fd = libdstack_secret_open(path);
	void *text;
	size_t len;
	int err;

	if (fd < 0)
		return fd;
	err = libdstack_secret_read(fd, path, KEY_TEXT_MAX, &text, &len);
	close(fd);
	if (err)
		return err;
	err = libdstack_secret_alloc(32, &session->key);
	if (!err)
		err = decode_key(text, len, session->key) ?:
			contract_key_address(session->key,
					     session->sender.from);
	libdstack_secret_free(text, KEY_TEXT_MAX + 1);
	if (err)
		error_msg("'%s' has no key of secp256k1: it is 64 hex digits",
			  path);
	return err;
}

static int know_sender(struct contract_session *session)
{
	struct contract_options *options = session->options;
	int err = 0;

	session->sender.client = &options->client;
	session->sender.max_fee = options->max_fee * GWEI;
	session->sender.wait = options->wait;
	memcpy(session->sender.from, options->from, CHAIN_ADDRESS);
	if (options->key)
		err = read_key(session);
	session->sender.key = session->key;
	if (err || session->key || options->dry_run)
		return err;
	error_msg("--key FILE is needed to send, or --dry-run");
	return -EINVAL;
}

int contract_open(struct contract_session *session,
		  struct contract_options *options, bool sends)
{
	int err;

	memset(session, 0, sizeof(*session));
	session->options = options;
	if (!options->client.nr) {
		error_msg("--rpc URL is needed, for each server");
		return -EINVAL;
	}
	if (!options->client.quorum)
		options->client.quorum = options->client.nr / 2 + 1;
	err = chain_client_init();
	if (err)
		return err;
	err = read_pins(session) ?: know_chain(session);
	if (err)
		return err;
	set_limits(options);
	if (!options->has_kms && session->pins.has_kms) {
		memcpy(options->kms, session->pins.kms, CHAIN_ADDRESS);
		options->has_kms = true;
	}
	return sends ? know_sender(session) : 0;
}

void contract_close(struct contract_session *session)
{
	libdstack_secret_free(session->key, 32);
	curl_global_cleanup();
}

int contract_look(struct contract_session *session)
{
	struct chain_head head = { .number = 0 };
	struct chain_why why = { "" };
	int err = chain_client_agree(&session->options->client, &head,
				     time(NULL), &session->view, &why);

	session->source.prove = chain_view_prove;
	session->source.arg = &session->view;
	session->source.time = session->view.header.time;
	return err ? contract_error(err, &why) : 0;
}
