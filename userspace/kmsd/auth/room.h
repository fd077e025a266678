/* SPDX-License-Identifier: MIT */
/*
 * What the files of the room share
 *
 * Copyright The dstack for Linux authors
 */
#ifndef KMSD_AUTH_ROOM_H
#define KMSD_AUTH_ROOM_H

#include "auth.h"

/* Verdicts come all zeros: denied, by nobody. */
struct auth_ops {
	int (*open)(struct auth *auth, struct chain_why *why);
	void (*close)(struct auth *auth);	/* NULL: nothing is held */
	int (*ask)(struct auth *auth, const struct auth_boot *boot,
		   bool is_kms, uint64_t now, struct auth_verdict *verdict,
		   struct chain_why *why);
	int (*info)(struct auth *auth, uint64_t now, struct auth_info *info,
		    struct chain_why *why);
};

extern const struct auth_ops auth_webhook, auth_chain;

struct auth {
	const struct auth_ops *ops;
	const struct auth_config *config;
	struct auth_options options;
	struct chain_pool *pool;
	void *own;			/* the back end's */
};

/* One line to whoever listens. */
void auth_say(const struct auth *auth, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

#endif /* KMSD_AUTH_ROOM_H */
