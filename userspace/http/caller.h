/* SPDX-License-Identifier: MIT */
/*
 * Who is at the other end of a socket
 *
 * Copyright The dstack for Linux authors
 *
 * The process that connected answers for a connection, whoever holds it by
 * now.  Functions return 0 or -errno.
 */
#ifndef HTTP_CALLER_H
#define HTTP_CALLER_H

#include <linux/dstack.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct call;

/* All who come from other machines: no container has such an id. */
#define CALLER_REMOTE	"(remote)"

#define CALLER_ADDRESS_MAX	48	/* with its () and NUL */

struct http_caller {
	/*
	 * Container, DSTACK_HOST_ID, or CALLER_REMOTE without all else; that is
	 * "(192.0.2.1)" where strangers are told apart.
	 */
	char id[DSTACK_ID_SIZE];
	char section[DSTACK_SECTION_SIZE];	/* of the policy */
	uint64_t cgroup_id;		/* 0: the host */
	pid_t pid;
	uid_t uid;
	/* What acts for it as it was found: its call's to close; -1: none. */
	int device;
	/* Of its request: not for caller_find() to set. */
	int64_t deadline_ms;		/* of CLOCK_MONOTONIC; 0: none */
	struct call *call;		/* http's, for http_leave(); or NULL */
};

/* How the container of a process is found. */
struct caller_lookup {
	/*
	 * Fills in what the kernel says, with a device if there is one.  Called
	 * by one thread at a time.
	 */
	int (*container_of)(void *arg, pid_t pid, struct http_caller *caller);
	void *arg;
};

/* The process that connected a socket: this very one, ended or not. */
struct caller_peer {
	int pidfd;			/* -1: none */
	pid_t pid;
	uid_t uid;
	bool remote;			/* it is none of this machine */
	char address[CALLER_ADDRESS_MAX];	/* then; "": not looked at */
};

/*
 * Never waits.  -ESRCH: it has ended, or is in a PID namespace that is not
 * below ours.
 */
int caller_peer_of(int socket, struct caller_peer *peer);
/* Of one that is remote: its address. */
int caller_address_of(int socket, struct caller_peer *peer);
void caller_peer_close(struct caller_peer *peer);
/*
 * The container that it is in now, to @caller, with what acts for it.  -ESRCH:
 * it has ended, and nothing is to be closed.
 */
int caller_find(const struct caller_lookup *lookup,
		const struct caller_peer *peer, struct http_caller *caller);
/* Nothing acts for it any more. */
void caller_forget(struct http_caller *caller);

#endif /* HTTP_CALLER_H */
