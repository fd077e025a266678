/* SPDX-License-Identifier: MIT */
/*
 * What the parts of dstackd share
 *
 * Copyright The dstack for Linux authors
 *
 * Functions return 0 or -errno, after a message.
 */
#ifndef DSTACKD_H
#define DSTACKD_H

#include <libdstack.h>

#include "../daemon/daemon.h"
#include "store.h"

#define DSTACKD_LOG	"/var/lib/dstack/log.jsonl"

/* agent.c */

/* "dstackd agent": serves the guest agent's API.  The exit status. */
int agent_main(int argc, char **argv);

/* hooks.c */

/*
 * Attaches the BPF programs and hands them to the module, which keeps them
 * attached without us.  Returns 1 if it did, 0 if an earlier dstackd had.
 */
int hooks_ensure(struct libdstack_control *control);

/* devices.c */

/* Registers this block device, unless it is. */
int device_ensure(struct libdstack_control *control, const char *path);

/* policy.c */

/* Loads this policy, unless it or a newer one is active. */
int policy_ensure(struct libdstack_control *control, const char *path);

/* drain.c */

struct drain {
	struct libdstack_control *control;
	int device;
	const char *path;
	struct store store;
	bool recovered;		/* the file holds the events [0, next) */
	uint64_t next;		/* first event that is not stored */
	uint64_t acked;		/* events that the module knows to be stored */
	int failing;		/* why the last attempt to store failed, or 0 */
	bool told;		/* ... that it works */
};

int drain_open(struct drain *drain, struct libdstack_control *control,
	       const char *path);
/*
 * Makes the file what it should be if it is not, stores what the module has by
 * now, then acknowledges it.  Returns 1, after saying so once, if the disk has
 * an error and it is worth trying again.
 */
int drain_run(struct drain *drain);
void drain_close(struct drain *drain);

/* serve.c */

/* From here on signals wait for serve(). */
int serve_init(void);
/*
 * Stores events as they come, until SIGTERM; then what there is.  SIGHUP means
 * to call @reload, and to store again.
 */
int serve(struct drain *drain, void (*reload)(void *arg), void *arg);

#endif /* DSTACKD_H */
