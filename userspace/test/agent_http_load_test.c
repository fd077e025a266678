// SPDX-License-Identifier: MIT
/*
 * The agent's HTTP server: a thousand clients at a time
 *
 * Copyright The dstack for Linux authors
 *
 * The server is a process of its own here, whose memory is looked at.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sys/resource.h>

#include "agent_http_fixture.h"

#define CLIENTS		1000
#define REQUESTS	5	/* of each, one after the other */
#define MEMORY_KIB	16384
#define REQUEST		"POST /echo HTTP/1.1\r\nHost: localhost\r\n"	\
			"Content-Type: application/json\r\n"		\
			"Content-Length: 17\r\n\r\n{\"path\":\"/a/b/c\"}"

struct client {
	int fd, done;
	int64_t asked_us;
	char reply[512];
	size_t len;
};

static struct client clients[CLIENTS];
static int64_t latency[CLIENTS * REQUESTS];

static int64_t now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000LL + now.tv_nsec / 1000;
}

/* Serves until the other end of @channel is closed. */
static void serve(int channel)
{
	char byte;

	start((struct http_limits){ 0 });
	if (write(channel, "r", 1) != 1 || read(channel, &byte, 1) < 0)
		abort();
	_exit(stop() ? 1 : 0);
}

static long memory_kib(pid_t pid, const char *name)
{
	char path[64], line[128];
	long value = -1;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	file = fopen(path, "r");
	while (fgets(line, sizeof(line), file))
		if (!strncmp(line, name, strlen(name)))
			value = strtol(line + strlen(name), NULL, 10);
	fclose(file);
	return value;
}

static void ask_again(struct client *client)
{
	client->len = 0;
	client->asked_us = now_us();
	assert_true(say(client->fd, REQUEST));
}

/* How many replies are here in full: 0 or 1. */
static int take_reply(struct client *client)
{
	ssize_t n = recv(client->fd, client->reply + client->len,
			 sizeof(client->reply) - 1 - client->len, 0);
	const char *body;

	assert_true(n > 0);
	client->len += (size_t)n;
	client->reply[client->len] = '\0';
	body = strstr(client->reply, "\r\n\r\n");
	if (!body || strlen(body + 4) < 17)
		return 0;
	assert_memory_equal(client->reply, "HTTP/1.1 200 ", 13);
	assert_string_equal(body + 4, "{\"path\":\"/a/b/c\"}");
	return 1;
}

static int by_value(const void *a, const void *b)
{
	const int64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/* Each asks again as soon as it has its reply. */
static void ask_all(void)
{
	static struct pollfd fds[CLIENTS];
	size_t replies = 0;
	int i;

	for (i = 0; i < CLIENTS; i++) {
		fds[i] = (struct pollfd){ clients[i].fd, POLLIN, 0 };
		ask_again(&clients[i]);
	}
	while (replies < CLIENTS * REQUESTS) {
		assert_true(poll(fds, CLIENTS, PATIENCE_S * 1000) > 0);
		for (i = 0; i < CLIENTS; i++) {
			if (!fds[i].revents || !take_reply(&clients[i]))
				continue;
			latency[replies++] = now_us() - clients[i].asked_us;
			if (++clients[i].done < REQUESTS)
				ask_again(&clients[i]);
			else
				fds[i].fd = -1;
		}
	}
}

static void thousand_clients_get_replies_from_16_mib(void **state)
{
	const struct rlimit files = { 4096, 4096 };
	int channel[2], i, status;
	int64_t start_us;
	pid_t server;
	char byte;

	(void)state;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &files), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, channel), 0);
	make_dir();
	server = fork();
	if (!server) {
		close(channel[0]);
		serve(channel[1]);
	}
	close(channel[1]);
	assert_int_equal(read(channel[0], &byte, 1), 1);
	print_message("# %ld KiB before\n", memory_kib(server, "VmRSS:"));
	for (i = 0; i < CLIENTS; i++) {
		clients[i].fd = dial();
		assert_true(clients[i].fd >= 0);
	}
	start_us = now_us();
	ask_all();
	start_us = now_us() - start_us;
	qsort(latency, CLIENTS * REQUESTS, sizeof(*latency), by_value);
	print_message("# %ld KiB at most, %ld of them no file's\n",
		      memory_kib(server, "VmHWM:"),
		      memory_kib(server, "RssAnon:"));
	print_message("# %d replies in %lld ms; half within %lld ms, 99%% within %lld ms\n",
		      CLIENTS * REQUESTS, (long long)start_us / 1000,
		      (long long)latency[CLIENTS * REQUESTS / 2] / 1000,
		      (long long)latency[CLIENTS * REQUESTS / 100 * 99] / 1000);
	assert_in_range(memory_kib(server, "VmHWM:"), 1, MEMORY_KIB);
	for (i = 0; i < CLIENTS; i++)
		close(clients[i].fd);
	close(channel[0]);
	assert_int_equal(waitpid(server, &status, 0), server);
	assert_int_equal(status, 0);
	assert_int_equal(rmdir(dir), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(thousand_clients_get_replies_from_16_mib),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
