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

#include "store.h"

/* message.c */

/* One line to stderr, or to syslog once the daemon is in the background. */
void msg(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void msg_use_syslog(void);
/* The library's message callback. */
void library_message(const char *message);
/* Tells the service manager, if there is one: "READY=1" and the like. */
void notify_manager(const char *state);

/* hooks.c */

/*
 * Attaches the BPF programs and hands them to the module, which keeps them
 * attached without us.  Nothing to do if an earlier dstackd did that.
 */
int hooks_ensure(struct libdstack_control *control);

/* drain.c */

struct drain {
	struct libdstack_control *control;
	int device;
	struct store store;
	uint64_t next;		/* first event that is not stored */
	uint64_t acked;		/* events that the module knows to be stored */
	bool failing;		/* the last attempt to store failed */
};

/* Opens the log file and finds out where the last dstackd stopped. */
int drain_open(struct drain *drain, struct libdstack_control *control,
	       const char *path);
/*
 * Stores what the module has by now, then acknowledges it.  An error of
 * the disk is said once and can be tried again; drain->failing tells it from
 * an error that cannot.
 */
int drain_run(struct drain *drain);
void drain_close(struct drain *drain);

/* serve.c */

/* From here on signals wait for serve(). */
int serve_init(void);
/* Stores events as they come, until SIGTERM; then what there is. */
int serve(struct drain *drain);

#endif /* DSTACKD_H */
