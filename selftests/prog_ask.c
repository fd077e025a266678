// SPDX-License-Identifier: MIT
/*
 * Many requests to the guest agent at once
 *
 * Copyright The dstack for Linux authors
 *
 * prog_ask [-o DIR] [-s SECONDS] SOCKET COUNT PATH [JSON]
 *
 * Each has a connection of its own.  In JSON, # is the number of the request in
 * four hex digits.  Prints for each its number, the status, when its reply was
 * there, in ms, and in how many seconds it says to ask again.  With -o replies
 * are files of that name.  With -s the next is sent where a reply came, until
 * that time is over.  0 is the status of a connection that was closed.
 */
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define COUNT_MAX	1000
#define REQUEST_MAX	4096
#define REPLY_MAX	16777216
#define WAIT_MS		60000

struct request {
	char *reply;
	size_t len, room;
	long long sent_ms;
};

static struct request requests[COUNT_MAX];
static struct pollfd fds[COUNT_MAX];
static const char *path, *json, *dir;
static long long until_ms;

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static long long now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

static int dial(const char *name)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", name);
	if (fd < 0 || connect(fd, (struct sockaddr *)&addr, sizeof(addr)))
		fail(name);
	return fd;
}

static void put_json(char *out, size_t size, int number)
{
	const char *from = json;
	size_t len = 0;

	for (; *from && len + 5 < size; from++) {
		if (*from == '#')
			len += snprintf(out + len, size - len, "%04x", number);
		else
			out[len++] = *from;
	}
	out[len] = '\0';
}

static void send_request(int i)
{
	char body[REQUEST_MAX], text[2 * REQUEST_MAX];
	int len;

	put_json(body, sizeof(body), i);
	len = snprintf(text, sizeof(text),
		       "POST %s HTTP/1.1\r\nContent-Type: application/json\r\n"
		       "Content-Length: %zu\r\n\r\n%s", path, strlen(body),
		       body);
	requests[i].sent_ms = now_ms();
	requests[i].len = 0;
	if (send(fds[i].fd, text, len, MSG_NOSIGNAL) != len)
		fail("send");
}

static void save(int i, const char *body, size_t len)
{
	char name[4096];
	FILE *file;

	if (!dir)
		return;
	snprintf(name, sizeof(name), "%s/%d", dir, i);
	file = fopen(name, "w");
	if (!file || fwrite(body, 1, len, file) != len || fclose(file))
		fail(name);
}

/* The length of the whole reply, or 0 if its head is not there yet. */
static size_t whole(const struct request *request, const char **body)
{
	const char *end = strstr(request->reply, "\r\n\r\n"), *length;

	if (!end)
		return 0;
	*body = end + 4;
	length = strstr(request->reply, "Content-Length: ");
	return *body - request->reply +
		(length && length < end ? strtoul(length + 16, NULL, 10) : 0);
}

static void done(int i, int status)
{
	const char *later = status ?
		strstr(requests[i].reply, "\r\nRetry-After: ") : NULL;

	printf("%d %d %lld %d\n", i, status, now_ms() - requests[i].sent_ms,
	       later ? atoi(later + strlen("\r\nRetry-After: ")) : 0);
	if (status && now_ms() < until_ms) {
		send_request(i);
		return;
	}
	close(fds[i].fd);
	fds[i].fd = -1;
}

static void receive(int i)
{
	struct request *request = &requests[i];
	const char *body;
	size_t want;
	ssize_t n;

	if (request->len + 65536 >= request->room) {
		request->room = 2 * request->room + 131072;
		request->reply = realloc(request->reply, request->room);
		if (!request->reply || request->room > REPLY_MAX)
			fail("a reply");
	}
	n = recv(fds[i].fd, request->reply + request->len, 65536, 0);
	if (n <= 0) {
		done(i, 0);
		return;
	}
	request->len += n;
	request->reply[request->len] = '\0';
	want = whole(request, &body);
	if (!want || request->len < want)
		return;
	save(i, body, request->reply + want - body);
	done(i, atoi(request->reply + strlen("HTTP/1.1 ")));
}

static bool serve(int count)
{
	bool left = false;
	int i, n = poll(fds, count, WAIT_MS);

	if (n < 0 && errno == EINTR)
		return true;
	if (n <= 0)
		fail("no reply");
	for (i = 0; i < count; i++) {
		if (fds[i].fd >= 0 && fds[i].revents)
			receive(i);
		left |= fds[i].fd >= 0;
	}
	return left;
}

int main(int argc, char **argv)
{
	int i, c, count;

	while ((c = getopt(argc, argv, "o:s:")) != -1) {
		if (c == 'o')
			dir = optarg;
		else if (c == 's')
			until_ms = now_ms() + 1000LL * atoi(optarg);
		else
			return 2;
	}
	if (argc - optind < 3)
		return 2;
	count = atoi(argv[optind + 1]);
	path = argv[optind + 2];
	json = argv[optind + 3] ? argv[optind + 3] : "";
	if (count < 1 || count > COUNT_MAX)
		return 2;
	for (i = 0; i < count; i++) {
		fds[i].fd = dial(argv[optind]);
		fds[i].events = POLLIN;
	}
	for (i = 0; i < count; i++)
		send_request(i);
	while (serve(count))
		;
	return 0;
}
