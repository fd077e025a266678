/* SPDX-License-Identifier: MIT */
/*
 * A server in the test's process, and clients that are as rude as need be
 *
 * Copyright The dstack for Linux authors
 */
#ifndef AGENT_HTTP_FIXTURE_H
#define AGENT_HTTP_FIXTURE_H

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../http/http.h"

#define REPLY_MAX	65536
#define PATIENCE_S	20	/* of a client of a server that hangs */
#define GET_HELD	"GET /held HTTP/1.1\r\n\r\n"
#define GET_PLAIN	"GET /plain HTTP/1.1\r\n\r\n"

static char dir[64], paths[2][96];
static const char *const sockets[] = { paths[0], paths[1] };
static struct http *http;
static pthread_t loop;
static atomic_bool held;	/* requests for /held return once it is not */
static atomic_int holding;	/* how many don't yet */
static atomic_int asked;	/* how often a container was asked for */

static void make_dir(void)
{
	strcpy(dir, "/tmp/agent-http-XXXXXX");
	if (!mkdtemp(dir))
		abort();
	snprintf(paths[0], sizeof(paths[0]), "%s/dstack.sock", dir);
	snprintf(paths[1], sizeof(paths[1]), "%s/tappd.sock", dir);
}

static inline int setup(void **state)
{
	(void)state;
	make_dir();
	return 0;
}

static inline int teardown(void **state)
{
	(void)state;
	return rmdir(dir);
}

#define claim(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

static void sleep_ms(long ms)
{
	struct timespec time = { ms / 1000, ms % 1000 * 1000000 };

	nanosleep(&time, NULL);
}

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

/* This process is the host; others are containers with their PIDs as names. */
static int default_container_of(void *arg, pid_t pid,
				struct http_caller *caller)
{
	(void)arg;
	asked++;
	if (pid == getpid()) {
		strcpy(caller->id, DSTACK_HOST_ID);
		return 0;
	}
	snprintf(caller->id, sizeof(caller->id), "c%d", (int)pid);
	caller->cgroup_id = (uint64_t)pid;
	return 0;
}

typedef int (*find_fn)(void *arg, pid_t pid, struct http_caller *caller);

static _Atomic(find_fn) container_of = default_container_of;

static int find_container(void *arg, pid_t pid, struct http_caller *caller)
{
	find_fn find = container_of;

	return find(arg, pid, caller);
}

static void set_reply(struct http_reply *reply, const void *body, size_t len)
{
	reply->status = 200;
	reply->type = "application/json";
	reply->body = malloc(len + 1);
	memcpy(reply->body, body, len);
	reply->len = len;
}

static atomic_bool device_was_open;	/* while a call was handled */

static void hold(void)
{
	holding++;
	while (held)
		sleep_ms(5);
	holding--;
}

static void handle(void *arg, const struct http_request *request,
		   struct http_reply *reply)
{
	char text[1024];

	(void)arg;
	device_was_open = fcntl(request->caller.device, F_GETFD) >= 0;
	if (!strcmp(request->path, "/silent"))
		return;
	if (!strcmp(request->path, "/held"))
		hold();
	if (!strcmp(request->path, "/echo")) {
		set_reply(reply, request->body, request->len);
		return;
	}
	if (!strcmp(request->path, "/big")) {
		reply->len = strtoul(request->query, NULL, 10);
		reply->status = 200;
		reply->body = calloc(1, reply->len);
		return;
	}
	snprintf(text, sizeof(text), "%s %s?%s %s %u %zu %s",
		 request->method, request->path, request->query,
		 request->content_type, request->socket, request->len,
		 request->caller.id);
	set_reply(reply, text, strlen(text));
}

static void show_message(const char *text)
{
	fprintf(stderr, "# %s\n", text);
}

static void *run_loop(void *arg)
{
	(void)arg;
	return (void *)(intptr_t)http_run(http);
}

static int open_server(struct http_limits limits, size_t nr)
{
	struct http_config config = {
		.paths = sockets,
		.nr = nr,
		.handle = handle,
		.lookup.container_of = find_container,
		.message = show_message,
		.limits = limits,
	};

	container_of = default_container_of;
	held = true;
	return http_open(&http, &config);
}

static inline void start(struct http_limits limits)
{
	if (open_server(limits, 2) || pthread_create(&loop, NULL, run_loop,
						     NULL))
		abort();
}

static inline int stop(void)
{
	void *err;

	held = false;
	http_stop(http);
	pthread_join(loop, &err);
	return (int)(intptr_t)err ?: http_close(http);
}

/* Clients.  They give up after PATIENCE_S. */

static int dial_at(const char *path)
{
	struct sockaddr_un name = { .sun_family = AF_UNIX };
	struct timeval time = { .tv_sec = PATIENCE_S };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strcpy(name.sun_path, path);
	if (connect(fd, (struct sockaddr *)&name, sizeof(name))) {
		close(fd);
		return -errno;
	}
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &time, sizeof(time));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &time, sizeof(time));
	return fd;
}

static inline int dial(void)
{
	return dial_at(paths[0]);
}

/* False: the server has closed. */
static bool say_bytes(int fd, const void *bytes, size_t len)
{
	size_t done = 0;
	ssize_t n;

	for (; done < len; done += (size_t)n) {
		n = send(fd, (const char *)bytes + done, len - done,
			 MSG_NOSIGNAL);
		if (n <= 0)
			return false;
	}
	return true;
}

static bool say(int fd, const char *text)
{
	return say_bytes(fd, text, strlen(text));
}

struct answer {
	int status;			/* 0: closed; -1: nothing in time */
	char head[2048];
	char body[REPLY_MAX];
	size_t len;
};

static ssize_t read_some(int fd, void *data, size_t len)
{
	ssize_t n = recv(fd, data, len, 0);

	return n < 0 && errno == ECONNRESET ? 0 : n;
}

/* One reply and not a byte more: what is behind it is another's. */
static int hear(int fd, struct answer *answer)
{
	const char *at;
	size_t len = 0;
	ssize_t n;

	memset(answer, 0, sizeof(*answer));
	while (!strstr(answer->head, "\r\n\r\n")) {
		if (len == sizeof(answer->head) - 1)
			abort();
		n = read_some(fd, answer->head + len, 1);
		if (n <= 0)
			return answer->status = n ? -1 : 0;
		len++;
	}
	at = strcasestr(answer->head, "Content-Length: ");
	if (sscanf(answer->head, "HTTP/1.%*c %d ", &answer->status) != 1 ||
	    (!at && answer->status != 100))
		abort();
	len = at ? strtoul(strchr(at, ' '), NULL, 10) : 0;
	for (; answer->len < len; answer->len += (size_t)n) {
		n = read_some(fd, answer->body + answer->len,
			      len - answer->len);
		if (n <= 0)
			return answer->status = n ? -1 : 0;
	}
	return answer->status;
}

/* The status, 0 if the server closed without one. */
static inline int ask(int fd, const char *text)
{
	static struct answer answer;

	if (!say(fd, text))
		return 0;
	return hear(fd, &answer);
}

/* Does the server close, in the end, without another word? */
static inline bool is_closed(int fd)
{
	char byte;

	return read_some(fd, &byte, 1) == 0;
}

static inline void wait_for(atomic_int *count, int value)
{
	int64_t end = now_ms() + PATIENCE_S * 1000;

	while (*count != value && now_ms() < end)
		sleep_ms(5);
	if (*count != value)
		abort();
}

/* A descriptor over a socket: *@fd < 0 sends none and receives one. */
static void pass(int channel, int *fd)
{
	char byte = 0, control[CMSG_SPACE(sizeof(int))] = { 0 };
	struct iovec iov = { &byte, 1 };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = control, .msg_controllen = sizeof(control),
	};
	struct cmsghdr *cmsg;

	if (*fd < 0) {
		if (recvmsg(channel, &msg, 0) != 1 || !CMSG_FIRSTHDR(&msg))
			abort();
		memcpy(fd, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(int));
		return;
	}
	cmsg = CMSG_FIRSTHDR(&msg);
	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(cmsg), fd, sizeof(int));
	if (sendmsg(channel, &msg, 0) != 1)
		abort();
}

/* A connection that a child has made, who lives until it is killed. */
static inline int dial_as_child(pid_t *child)
{
	int channel[2], fd = -1;

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, channel))
		abort();
	*child = fork();
	if (!*child) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		fd = dial();
		pass(channel[1], &fd);
		close(fd);
		for (;;)
			pause();
	}
	close(channel[1]);
	pass(channel[0], &fd);
	close(channel[0]);
	return fd;
}

static inline void end_child(pid_t child)
{
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
}

#endif /* AGENT_HTTP_FIXTURE_H */
