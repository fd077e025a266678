// SPDX-License-Identifier: MIT
/*
 * Who is at the other end of a socket
 *
 * Copyright The dstack for Linux authors
 *
 * A PID is a number that another process may have next.  The pidfd stands for
 * the one that connected: as long as that has not ended, nobody else has its
 * number, and what was found by the number is about it.
 */
#include "caller.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD	77	/* Linux 6.5 */
#endif

/* A pidfd is readable once its process has ended. */
static int alive(int pidfd)
{
	struct pollfd fd = { .fd = pidfd, .events = POLLIN };
	int n = poll(&fd, 1, 0);

	if (n < 0)
		return -errno;
	return n ? -ESRCH : 0;
}

int caller_peer_of(int socket, struct caller_peer *peer)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);

	peer->pidfd = -1;
	if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &cred, &len))
		return -errno;
	/* 0 is what a process is called that we can't see. */
	if (cred.pid <= 0)
		return -ESRCH;
	len = sizeof(peer->pidfd);
	if (getsockopt(socket, SOL_SOCKET, SO_PEERPIDFD, &peer->pidfd, &len)) {
		peer->pidfd = -1;
		/* What kernels before 6.16 say of one that has ended. */
		return errno == EINVAL ? -ESRCH : -errno;
	}
	peer->pid = cred.pid;
	peer->uid = cred.uid;
	return 0;
}

int caller_address_of(int socket, struct caller_peer *peer)
{
	struct sockaddr_storage name;
	socklen_t len = sizeof(name);
	char host[CALLER_ADDRESS_MAX - 2];

	if (getpeername(socket, (struct sockaddr *)&name, &len))
		return -errno;
	if (getnameinfo((struct sockaddr *)&name, len, host, sizeof(host),
			NULL, 0, NI_NUMERICHOST))
		return -EAFNOSUPPORT;
	snprintf(peer->address, sizeof(peer->address), "(%s)", host);
	return 0;
}

void caller_peer_close(struct caller_peer *peer)
{
	if (peer->pidfd >= 0)
		close(peer->pidfd);
	peer->pidfd = -1;
}

int caller_find(const struct caller_lookup *lookup,
		const struct caller_peer *peer, struct http_caller *caller)
{
	int err;

	memset(caller->id, 0, sizeof(caller->id));
	memset(caller->section, 0, sizeof(caller->section));
	caller->cgroup_id = 0;
	caller->device = -1;
	if (peer->remote) {
		snprintf(caller->id, sizeof(caller->id), "%s", *peer->address ?
			 peer->address : CALLER_REMOTE);
		return 0;
	}
	caller->pid = peer->pid;
	caller->uid = peer->uid;
	err = lookup->container_of(lookup->arg, peer->pid, caller);
	/* Only now: it may have ended, and its number be another's, before. */
	err = err ?: alive(peer->pidfd);
	if (err)
		caller_forget(caller);
	return err;
}

void caller_forget(struct http_caller *caller)
{
	if (caller->device >= 0)
		close(caller->device);
	caller->device = -1;
}
