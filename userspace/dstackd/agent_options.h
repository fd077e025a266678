/* SPDX-License-Identifier: MIT */
/*
 * What "dstackd agent" is told
 *
 * Copyright The dstack for Linux authors
 */
#ifndef AGENT_OPTIONS_H
#define AGENT_OPTIONS_H

#include "options.h"

#define AGENT_SOCKETS_MAX	68	/* four, and those of sections */

enum {
	AGENT_SOCKET_GUEST, AGENT_SOCKET_TAPPD, AGENT_SOCKET_METRICS,
	AGENT_SOCKET_EXTERNAL, AGENT_SOCKETS
};

struct agent_options {
	const char *paths[AGENT_SOCKETS_MAX];
	/* For whom those are that are not for everybody. */
	char sections[AGENT_SOCKETS_MAX][DSTACK_SECTION_SIZE];
	size_t nr;
	const char *log, *app;
	uint64_t key_epoch;
	uint64_t quote_rate, quote_burst;
	struct option_file *file;	/* what texts of it may be in */
};

/* Returns -1 to go on, or the exit status. */
int agent_options_read(int argc, char **argv, struct agent_options *opt);
void agent_options_free(struct agent_options *opt);
/* The first that differs and can't be changed at run time, or NULL. */
const char *agent_options_fixed(const struct agent_options *now,
				const struct agent_options *wanted);

#endif /* AGENT_OPTIONS_H */
