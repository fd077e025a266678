// SPDX-License-Identifier: MIT
/*
 * The agent's HTTP server for other machines, beside its sockets
 *
 * Copyright The dstack for Linux authors
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <netinet/in.h>

#include "agent_http_fixture.h"

static struct answer answer;
static struct sockaddr_in address;
static char remote[32];

/* One that is free, or was just now. */
static void choose_port(void)
{
	socklen_t len = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	address = (struct sockaddr_in){
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	if (bind(fd, (struct sockaddr *)&address, len) ||
	    getsockname(fd, (struct sockaddr *)&address, &len))
		abort();
	close(fd);
	snprintf(remote, sizeof(remote), "127.0.0.1:%d",
		 ntohs(address.sin_port));
}

static void start_remote(struct http_limits limits)
{
	static const char *const all[] = { paths[0], remote };
	struct http_config config = {
		.paths = all, .nr = 2, .handle = handle, .version = "7",
		.lookup.container_of = find_container,
		.message = show_message, .limits = limits,
	};

	choose_port();
	held = true;
	if (http_open(&http, &config) ||
	    pthread_create(&loop, NULL, run_loop, NULL))
		abort();
}

static int dial_remote(void)
{
	const struct timeval time = { .tv_sec = PATIENCE_S };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (connect(fd, (struct sockaddr *)&address, sizeof(address)))
		abort();
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &time, sizeof(time));
	return fd;
}

static bool hears_within(int fd, int ms)
{
	struct pollfd polled = { .fd = fd, .events = POLLIN };

	return poll(&polled, 1, ms) > 0;
}

static void strangers_are_told_apart(void **state)
{
	int fd, before;

	(void)state;
	start_remote((struct http_limits){ 0 });
	before = asked;
	fd = dial_remote();
	assert_true(say(fd, GET_PLAIN));
	assert_int_equal(hear(fd, &answer), 200);
	assert_non_null(strstr(answer.body, CALLER_REMOTE));
	assert_non_null(strstr(answer.head, "X-App-Version: 7\r\n"));
	assert_int_equal(asked, before);
	close(fd);
	fd = dial();
	assert_true(say(fd, GET_PLAIN));
	assert_int_equal(hear(fd, &answer), 200);
	assert_null(strstr(answer.body, CALLER_REMOTE));
	assert_null(strstr(answer.head, "X-App-Version"));
	close(fd);
	assert_int_equal(stop(), 0);
}

static void their_connections_take_none_of_the_sockets(void **state)
{
	int fds[4], fd, i;

	(void)state;
	start_remote((struct http_limits){
		.connections = 16, .remote_connections = 3,
	});
	for (i = 0; i < 3; i++) {
		fds[i] = dial_remote();
		assert_int_equal(ask(fds[i], GET_PLAIN), 200);
	}
	fds[3] = dial_remote();
	assert_true(say(fds[3], GET_PLAIN));
	assert_false(hears_within(fds[3], 300));
	fd = dial();
	assert_int_equal(ask(fd, GET_PLAIN), 200);
	close(fds[0]);
	assert_int_equal(hear(fds[3], &answer), 200);
	for (i = 1; i < 4; i++)
		close(fds[i]);
	close(fd);
	assert_int_equal(stop(), 0);
}

static void they_have_one_thread_together(void **state)
{
	int fds[3], fd, i;

	(void)state;
	start_remote((struct http_limits){ .workers = 4 });
	for (i = 0; i < 3; i++) {
		fds[i] = dial_remote();
		assert_true(say(fds[i], GET_HELD));
	}
	wait_for(&holding, 1);
	fd = dial();
	for (i = 0; i < 20; i++)
		assert_int_equal(ask(fd, GET_PLAIN), 200);
	assert_int_equal(holding, 1);
	held = false;
	for (i = 0; i < 3; i++) {
		assert_int_equal(hear(fds[i], &answer), 200);
		close(fds[i]);
	}
	close(fd);
	assert_int_equal(stop(), 0);
}

static void what_they_send_is_short(void **state)
{
	static const char head[] =
		"POST / HTTP/1.1\r\nContent-Length: 16385\r\n\r\n";
	static char body[16385];
	int fd;

	(void)state;
	start_remote((struct http_limits){ 0 });
	fd = dial_remote();
	assert_true(say(fd, head));
	say_bytes(fd, body, sizeof(body));
	assert_int_equal(hear(fd, &answer), 413);
	close(fd);
	assert_int_equal(stop(), 0);
}

static void address_that_is_none_is_refused(void **state)
{
	static const char *const none[] = {
		"", "8090", "localhost:8090", "127.0.0.1", "[::1]", "::1:8",
		"127.0.0.1:0", "127.0.0.1:70000", "run/dstack.sock",
	};
	struct http_config config = {
		.nr = 1, .handle = handle,
		.lookup.container_of = find_container,
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
		config.paths = &none[i];
		if (http_open(&http, &config) != -EINVAL)
			fail_msg("'%s' is taken", none[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		claim(strangers_are_told_apart),
		claim(their_connections_take_none_of_the_sockets),
		claim(they_have_one_thread_together),
		claim(what_they_send_is_short),
		claim(address_that_is_none_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
