// SPDX-License-Identifier: MIT
/*
 * Listening sockets, made or inherited
 *
 * Copyright The dstack for Linux authors
 *
 * Whoever may write to the directory of a socket could put another in its
 * place, and be told the secrets of its clients.
 */
#include "socket.h"

#include <errno.h>
#include <event2/util.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define FIRST_INHERITED	3
#define BACKLOG		4096	/* the kernel has its own bound, too */
#define MODE		0777	/* who may do what is decided per request */

/* How many sockets the service manager gave us: sd_listen_fds(3). */
static int inherited_count(void)
{
	const char *pid = getenv("LISTEN_PID"), *fds = getenv("LISTEN_FDS");
	unsigned long n;
	char *end;

	if (!pid || !fds || strtoul(pid, &end, 10) != (unsigned long)getpid() ||
	    *end)
		return 0;
	n = strtoul(fds, &end, 10);
	return *end || n > 64 ? 0 : (int)n;
}

void socket_inherited_done(void)
{
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_FDNAMES");
}

/* Is it a stream socket that listens at what @path leads to? */
static bool listens_at(int fd, const char *path)
{
	struct sockaddr_un name = { 0 };
	struct stat own, want;
	int value = 0;
	socklen_t len = sizeof(value);

	if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &value, &len) || !value ||
	    getsockopt(fd, SOL_SOCKET, SO_TYPE, &value, &len) ||
	    value != SOCK_STREAM)
		return false;
	len = sizeof(name) - 1;
	if (getsockname(fd, (struct sockaddr *)&name, &len) ||
	    name.sun_family != AF_UNIX || !*name.sun_path)
		return false;
	return !stat(name.sun_path, &own) && !stat(path, &want) &&
		own.st_dev == want.st_dev && own.st_ino == want.st_ino;
}

static int inherit(struct http_socket *sock)
{
	int fd, end = FIRST_INHERITED + inherited_count();

	for (fd = FIRST_INHERITED; fd < end; fd++) {
		if (!listens_at(fd, sock->path))
			continue;
		if (fcntl(fd, F_SETFD, FD_CLOEXEC) ||
		    fcntl(fd, F_SETFL, O_NONBLOCK))
			return -errno;
		sock->fd = fd;
		return 0;
	}
	return -ENOENT;
}

/* The directory is ours, and nobody else may write to it. */
static int check_directory(const char *path, const char **what)
{
	char dir[PATH_MAX];
	const char *slash = strrchr(path, '/');
	struct stat st;
	size_t len;

	if (*path != '/' || !slash[1]) {
		*what = "the path must begin with '/' and name a socket";
		return -EINVAL;
	}
	len = slash == path ? 1 : (size_t)(slash - path);
	if (len >= sizeof(dir))
		return -ENAMETOOLONG;
	memcpy(dir, path, len);
	dir[len] = '\0';
	if (stat(dir, &st)) {
		*what = "its directory can't be looked at";
		return -errno;
	}
	if ((st.st_uid && st.st_uid != geteuid()) ||
	    (st.st_mode & 0022)) {
		*what = "others may write to its directory: chmod go-w it";
		return -EPERM;
	}
	return 0;
}

/* A socket that nobody listens at is left of a server that was killed. */
static int remove_stale(const struct sockaddr_un *name, const char **what)
{
	struct stat st;
	int fd, err;

	if (lstat(name->sun_path, &st))
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(st.st_mode)) {
		*what = "what is in its place is no socket: remove it";
		return -EEXIST;
	}
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	err = connect(fd, (const struct sockaddr *)name, sizeof(*name)) ?
		-errno : 0;
	close(fd);
	if (err != -ECONNREFUSED) {
		*what = "somebody serves it: end that first";
		return -EADDRINUSE;
	}
	return unlink(name->sun_path) ? -errno : 0;
}

/* Nobody can connect before listen(), by when the mode is right. */
static int bind_at(struct http_socket *sock, const struct sockaddr_un *name)
{
	struct stat st;

	if (bind(sock->fd, (const struct sockaddr *)name, sizeof(*name)))
		return -errno;
	if (lstat(sock->path, &st))
		return -errno;
	sock->made = true;
	sock->dev = st.st_dev;
	sock->ino = st.st_ino;
	if (chmod(sock->path, MODE) || listen(sock->fd, BACKLOG))
		return -errno;
	return 0;
}

static int make(struct http_socket *sock, const char **what)
{
	struct sockaddr_un name = { .sun_family = AF_UNIX };
	int err;

	if (strlen(sock->path) >= sizeof(name.sun_path)) {
		*what = "a socket's path has at most 107 bytes";
		return -ENAMETOOLONG;
	}
	memcpy(name.sun_path, sock->path, strlen(sock->path) + 1);
	err = check_directory(sock->path, what) ?: remove_stale(&name, what);
	if (err)
		return err;
	sock->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
			  0);
	return sock->fd < 0 ? -errno : bind_at(sock, &name);
}

/* Of other machines: there is nothing in the file system to look after. */
static int make_remote(struct http_socket *sock, const char **what)
{
	struct sockaddr_storage name = { 0 };
	const int yes = 1;
	int len = sizeof(name), port;

	if (evutil_parse_sockaddr_port(sock->path, (struct sockaddr *)&name,
				       &len))
		port = 0;
	else if (name.ss_family == AF_INET6)
		port = ((struct sockaddr_in6 *)&name)->sin6_port;
	else
		port = ((struct sockaddr_in *)&name)->sin_port;
	if (!port) {
		*what = "it is neither an absolute path nor ADDRESS:PORT";
		return -EINVAL;
	}
	sock->fd = socket(name.ss_family, SOCK_STREAM | SOCK_CLOEXEC |
			  SOCK_NONBLOCK, 0);
	/* What is accepted there has it, too: a reply is sent in two parts. */
	if (sock->fd < 0 ||
	    setsockopt(sock->fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes)) ||
	    setsockopt(sock->fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)) ||
	    (sock->shared && setsockopt(sock->fd, SOL_SOCKET, SO_REUSEPORT,
					&yes, sizeof(yes))) ||
	    bind(sock->fd, (struct sockaddr *)&name, len) ||
	    listen(sock->fd, sock->waiting < BACKLOG ? (int)sock->waiting :
		   BACKLOG))
		return -errno;
	return 0;
}

int socket_open(struct http_socket *sock, const char *path, const char **what)
{
	int err;

	sock->path = path;
	sock->fd = -1;
	sock->remote = *path != '/';
	err = sock->remote ? make_remote(sock, what) : inherit(sock);
	if (err == -ENOENT)
		err = make(sock, what);
	if (err)
		socket_close(sock);
	return err;
}

void socket_close(struct http_socket *sock)
{
	struct stat st;

	if (sock->fd >= 0)
		close(sock->fd);
	sock->fd = -1;
	/* Another server may have put its own there. */
	if (sock->made && !lstat(sock->path, &st) && st.st_dev == sock->dev &&
	    st.st_ino == sock->ino)
		unlink(sock->path);
	sock->made = false;
}
