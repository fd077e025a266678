// SPDX-License-Identifier: MIT
/*
 * What "dstackd agent" is told
 *
 * Copyright The dstack for Linux authors
 */
#include "agent_options.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../agent/agent.h"

#define SOCKET		"/run/dstack.sock"
#define TAPPD		"/run/tappd.sock"
#define EXIT_USAGE	2
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
	      "  --log FILE           the event log (default: " DSTACKD_LOG ")\n"
	      "  --app DIR            the application, as its boot left it: app-compose.json,\n"
	      "                       .sys-config.json and .appkeys.json, whose root key goes to the\n"
	      "                       module, and signs for the keys that come of it\n"
	      "  --key-epoch N        the key epoch of these (default: 0, which is upstream's)\n"
	      "  --quote-rate N       quotes that a container may have made in a second; 0: any number\n"
	      "                       (default: " STRING(AGENT_QUOTE_RATE) ")\n"
	      "  --quote-burst N      how many at once, after a while of none\n"
	      "                       (default: " STRING(AGENT_QUOTE_BURST) ")\n",
	      out);
}

/* Returns -1 to go on, or the exit status. */
static int add_socket(const char *arg, struct agent_options *opt)
{
	const char *path = strchr(arg, '=');
	size_t len = path ? path - arg : 0;

	if (opt->nr == AGENT_SOCKETS_MAX) {
		msg("--container-socket: at most %d", AGENT_SOCKETS_MAX -
		    AGENT_SOCKETS);
		return EXIT_USAGE;
	}
	if (!len || len >= DSTACK_SECTION_SIZE || !path[1]) {
		msg("--container-socket: SECTION=PATH, where a section has 1 to %d characters, not '%s'",
		    DSTACK_SECTION_SIZE - 1, arg);
		return EXIT_USAGE;
	}
	memcpy(opt->sections[opt->nr], arg, len);
	opt->paths[opt->nr++] = path + 1;
	return -1;
}

static int set_epoch(const char *arg, struct agent_options *opt)
{
	if (libdstack_parse_u64(arg, UINT64_MAX, &opt->key_epoch))
		return -1;
	msg("a key epoch is a number, not '%s'", arg);
	return EXIT_USAGE;
}

static int set_quotes(const char *arg, uint64_t *quotes)
{
	if (libdstack_parse_u64(arg, QUOTES_MAX, quotes))
		return -1;
	msg("a number of quotes is at most %d, not '%s'", QUOTES_MAX, arg);
	return EXIT_USAGE;
}

/* Returns -1 to go on, or the exit status. */
static int set(int c, const char *arg, struct agent_options *opt)
{
	switch (c) {
	case 's':
		opt->paths[AGENT_SOCKET_GUEST] = arg;
		return -1;
	case 't':
		opt->paths[AGENT_SOCKET_TAPPD] = arg;
		return -1;
	case 'c':
		return add_socket(arg, opt);
	case 'l':
		opt->log = arg;
		return -1;
	case 'a':
		opt->app = arg;
		return -1;
	case 'e':
		return set_epoch(arg, opt);
	case 'q':
		return set_quotes(arg, &opt->quote_rate);
	case 'b':
		return set_quotes(arg, &opt->quote_burst);
	case 'h':
		usage(stdout);
		return EXIT_SUCCESS;
	default:
		usage(stderr);
		return EXIT_USAGE;
	}
}

int agent_options_parse(int argc, char **argv, struct agent_options *opt)
{
	static const struct option options[] = {
		{ "socket", required_argument, NULL, 's' },
		{ "tappd-socket", required_argument, NULL, 't' },
		{ "container-socket", required_argument, NULL, 'c' },
		{ "log", required_argument, NULL, 'l' },
		{ "app", required_argument, NULL, 'a' },
		{ "key-epoch", required_argument, NULL, 'e' },
		{ "quote-rate", required_argument, NULL, 'q' },
		{ "quote-burst", required_argument, NULL, 'b' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 }
	};
	int c, status;

	*opt = (struct agent_options){
		.paths = { SOCKET, TAPPD }, .nr = AGENT_SOCKETS,
		.log = DSTACKD_LOG, .quote_rate = AGENT_QUOTE_RATE,
		.quote_burst = AGENT_QUOTE_BURST,
	};
	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		status = set(c, optarg, opt);
		if (status >= 0)
			return status;
	}
	if (optind == argc)
		return -1;
	usage(stderr);
	return EXIT_USAGE;
}
