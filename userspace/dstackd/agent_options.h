/* SPDX-License-Identifier: MIT */
/*
 * What "dstackd agent" is told
 *
 * Copyright The dstack for Linux authors
 */
#ifndef AGENT_OPTIONS_H
#define AGENT_OPTIONS_H

#include "dstackd.h"

#define AGENT_SOCKETS_MAX	66	/* two, and those of sections */

enum { AGENT_SOCKET_GUEST, AGENT_SOCKET_TAPPD, AGENT_SOCKETS };

struct agent_options {
	const char *paths[AGENT_SOCKETS_MAX];
	/* For whom those are that are not for everybody. */
	char sections[AGENT_SOCKETS_MAX][DSTACK_SECTION_SIZE];
	size_t nr;
	const char *log, *app;
	uint64_t key_epoch;
	uint64_t quote_rate, quote_burst;
};

/* Returns -1 to go on, or the exit status. */
int agent_options_parse(int argc, char **argv, struct agent_options *opt);

#endif /* AGENT_OPTIONS_H */
