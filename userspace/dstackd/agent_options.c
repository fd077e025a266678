// SPDX-License-Identifier: MIT
/*
 * What "dstackd agent" is told
 *
 * Copyright The dstack for Linux authors
 */
#include "agent_options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../agent/agent.h"

#define SOCKET		"/run/dstack.sock"
#define TAPPD		"/run/tappd.sock"
#define QUOTES_MAX	100000	/* a second */
#define STRING_OF(x)	#x
#define STRING(x)	STRING_OF(x)

static void usage(FILE *out)
{
	fputs("Usage: dstackd agent [OPTION]...\n\n"
	      "Serves the guest agent's API to containers, each of which gets what its policy allows.\n\n"
	      "  --socket PATH        API v0 and v1 (default: " SOCKET ")\n"
	      "  --tappd-socket PATH  the API before these (default: " TAPPD ")\n"
	      "  --container-socket SECTION=PATH\n"
	      "                       API v0 and v1, for containers of this section alone; may be\n"
	      "                       given for many\n"
	      "  --metrics-socket PATH\n"
	      "                       what is counted, for Prometheus; for the host alone\n"
	      "  --external ADDRESS:PORT\n"
	      "                       Info, Version, Health and GetAttestationForAppKey for other\n"
	      "                       machines, by HTTP without TLS; upstream's is 0.0.0.0:8090\n"
	      "  --log FILE           the event log (default: " DSTACKD_LOG ")\n"
	      "  --app DIR            the application, as its boot left it: app-compose.json,\n"
	      "                       .sys-config.json and .appkeys.json, whose root key goes to the\n"
	      "                       module, and signs for the keys that come of it\n"
	      "  --key-epoch N        the key epoch of these, if they don't say it (default: 0)\n"
	      "  --quote-rate N       quotes that a container may have made in a second; 0: any number\n"
	      "                       (default: " STRING(AGENT_QUOTE_RATE) ")\n"
	      "  --quote-burst N      how many at once, after a while of none\n"
	      "                       (default: " STRING(AGENT_QUOTE_BURST) ")\n",
	      out);
}

/* What is no path would be an address of other machines. */
static bool set_socket(const char *path, const char **out)
{
	if (*path != '/') {
		msg("a socket needs an absolute path, not '%s'", path);
		return false;
	}
	*out = path;
	return true;
}

static bool add_socket(const char *arg, struct agent_options *opt)
{
	const char *path = strchr(arg, '=');
	size_t len = path ? path - arg : 0;

	if (opt->nr == AGENT_SOCKETS_MAX) {
		msg("--container-socket: at most %d", AGENT_SOCKETS_MAX -
		    AGENT_SOCKETS);
		return false;
	}
	if (!len || len >= DSTACK_SECTION_SIZE || !path[1]) {
		msg("--container-socket: SECTION=PATH, where a section has 1 to %d characters, not '%s'",
		    DSTACK_SECTION_SIZE - 1, arg);
		return false;
	}
	memcpy(opt->sections[opt->nr], arg, len);
	return set_socket(path + 1, &opt->paths[opt->nr++]);
}

static bool set_external(const char *arg, struct agent_options *opt)
{
	if (*arg == '/') {
		msg("--external: ADDRESS:PORT, not '%s'", arg);
		return false;
	}
	opt->paths[AGENT_SOCKET_EXTERNAL] = arg;
	return true;
}

static bool set_epoch(const char *arg, struct agent_options *opt)
{
	if (libdstack_parse_u64(arg, UINT64_MAX, &opt->key_epoch))
		return true;
	msg("a key epoch is a number, not '%s'", arg);
	return false;
}

static bool set_quotes(const char *arg, uint64_t *quotes)
{
	if (libdstack_parse_u64(arg, QUOTES_MAX, quotes))
		return true;
	msg("a number of quotes is at most %d, not '%s'", QUOTES_MAX, arg);
	return false;
}

static const struct option_spec specs[] = {
	{ "socket", 's', OPTION_TEXT },
	{ "tappd-socket", 't', OPTION_TEXT },
	{ "metrics-socket", 'm', OPTION_TEXT },
	{ "external", 'x', OPTION_TEXT },
	{ "container-socket", 'c', OPTION_LIST },
	{ "log", 'l', OPTION_TEXT },
	{ "app", 'a', OPTION_TEXT },
	{ "key-epoch", 'e', OPTION_NUMBER },
	{ "quote-rate", 'q', OPTION_NUMBER },
	{ "quote-burst", 'b', OPTION_NUMBER },
	{ NULL, 0, 0 }
};

static bool set(void *options, int key, const char *arg)
{
	struct agent_options *opt = options;

	switch (key) {
	case 's':
		return set_socket(arg, &opt->paths[AGENT_SOCKET_GUEST]);
	case 't':
		return set_socket(arg, &opt->paths[AGENT_SOCKET_TAPPD]);
	case 'm':
		return set_socket(arg, &opt->paths[AGENT_SOCKET_METRICS]);
	case 'x':
		return set_external(arg, opt);
	case 'c':
		return add_socket(arg, opt);
	case 'l':
		opt->log = arg;
		return true;
	case 'a':
		opt->app = arg;
		return true;
	case 'e':
		return set_epoch(arg, opt);
	case 'q':
		return set_quotes(arg, &opt->quote_rate);
	default:
		return set_quotes(arg, &opt->quote_burst);
	}
}

static const struct option_role role = { "agent", specs, usage, set };

int agent_options_read(int argc, char **argv, struct agent_options *opt)
{
	*opt = (struct agent_options){
		.paths = { SOCKET, TAPPD }, .nr = AGENT_SOCKETS,
		.log = DSTACKD_LOG, .quote_rate = AGENT_QUOTE_RATE,
		.quote_burst = AGENT_QUOTE_BURST,
	};
	return options_read(&role, argc, argv, opt, &opt->file);
}

void agent_options_free(struct agent_options *opt)
{
	options_free(opt->file);
	opt->file = NULL;
}

static bool same(const char *a, const char *b)
{
	return a && b ? !strcmp(a, b) : a == b;
}

static bool same_sockets(const struct agent_options *a,
			 const struct agent_options *b)
{
	size_t i;

	if (a->nr != b->nr)
		return false;
	for (i = 0; i < a->nr; i++)
		if (!same(a->paths[i], b->paths[i]) ||
		    strcmp(a->sections[i], b->sections[i]) != 0)
			return false;
	return true;
}

const char *agent_options_fixed(const struct agent_options *now,
				const struct agent_options *wanted)
{
	if (!same_sockets(now, wanted))
		return "a socket";
	if (!same(now->log, wanted->log))
		return "log";
	if (!same(now->app, wanted->app))
		return "app";
	return now->key_epoch != wanted->key_epoch ? "key-epoch" : NULL;
}
