/* SPDX-License-Identifier: MIT */
/*
 * Listening sockets, made or inherited
 *
 * Copyright The dstack for Linux authors
 */
#ifndef HTTP_SOCKET_H
#define HTTP_SOCKET_H

#include <stdbool.h>
#include <sys/types.h>

struct http_socket {
	const char *path;		/* the caller's */
	bool remote;			/* it is an address */
	bool shared;			/* and others of us listen there, too */
	unsigned int waiting;		/* to be accepted, if it is remote */
	int fd;				/* -1: none */
	bool made;			/* by us, who remove it then */
	dev_t dev;			/* what is at @path if so */
	ino_t ino;
};

/*
 * @socket says how.  0 or -errno; *what is set to what is wrong, in words, or
 * stays.
 */
int socket_open(struct http_socket *socket, const char *path,
		const char **what);
void socket_close(struct http_socket *socket);
/* Every socket has been opened: nobody else takes what was inherited. */
void socket_inherited_done(void);

#endif /* HTTP_SOCKET_H */
