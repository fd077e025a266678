// SPDX-License-Identifier: MIT
/*
 * Requests that wait for something keep no others waiting
 *
 * Copyright The dstack for Linux authors
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>

#include "agent_http_fixture.h"

#define GET_WAIT	"GET /wait HTTP/1.1\r\n\r\n"
#define GET_LIMITED	"GET /limited HTTP/1.1\r\n\r\n"
#define WAITERS		12	/* of 20 threads, with 8 that are kept */

static const struct http_limits limits = { .workers = 2, .workers_max = 20 };
static struct answer answer;
static atomic_int refused;	/* requests that must not wait */
static atomic_int went_on;	/* requests that did */
static atomic_int running, most;	/* past http_return(), at a time */

static void wait_and_run(const struct http_request *request,
			 struct http_reply *reply)
{
	int now;

	if (http_leave(&request->caller)) {
		refused++;
		reply->status = 503;
		return;
	}
	hold();
	http_return(&request->caller);
	now = ++running;
	if (now > most)
		most = now;
	sleep_ms(10);
	running--;
	went_on++;
	if (*request->query) {
		reply->len = strtoul(request->query, NULL, 10);
		reply->status = 200;
		reply->body = calloc(1, reply->len);
	} else {
		set_reply(reply, "waited", 6);
	}
}

static void handle_waits(void *arg, const struct http_request *request,
			 struct http_reply *reply)
{
	if (!strcmp(request->path, "/wait")) {
		wait_and_run(request, reply);
	} else if (!strcmp(request->path, "/limited")) {
		set_reply(reply, "later", 5);
		reply->status = 429;
		reply->retry_after = 3;
	} else {
		handle(arg, request, reply);
	}
}

static void start_waits(struct http_limits these)
{
	struct http_config config = {
		.paths = sockets,
		.nr = 2,
		.handle = handle_waits,
		.lookup.container_of = find_container,
		.message = show_message,
		.limits = these,
	};

	held = true;
	refused = 0;
	went_on = 0;
	most = 0;
	if (http_open(&http, &config) ||
	    pthread_create(&loop, NULL, run_loop, NULL))
		abort();
}

static int threads(void)
{
	DIR *dir_of_tasks = opendir("/proc/self/task");
	int nr = -2;			/* "." and ".." */

	if (!dir_of_tasks)
		abort();
	while (readdir(dir_of_tasks))
		nr++;
	closedir(dir_of_tasks);
	return nr;
}

/* Threads that were joined are seen for a moment still. */
static void assert_threads(int nr)
{
	int64_t end = now_ms() + 2000;

	while (threads() != nr && now_ms() < end)
		sleep_ms(5);
	assert_int_equal(threads(), nr);
}

#define GET_WAIT_BIG	"GET /wait?5000000 HTTP/1.1\r\n\r\n"
#define BIG		5000000
#define BIG_WAITERS	8

/* All that comes, in the order that it comes in. */
static void read_all(const int *fds)
{
	static const char status[] = "HTTP/1.1 200";
	struct pollfd polled[BIG_WAITERS];
	size_t all[BIG_WAITERS] = { 0 };
	char data[65536];
	int i, left = BIG_WAITERS;
	ssize_t len;

	for (i = 0; i < BIG_WAITERS; i++)
		polled[i] = (struct pollfd){ fds[i], POLLIN, 0 };
	while (left) {
		assert_true(poll(polled, BIG_WAITERS, 10000) > 0);
		for (i = 0; i < BIG_WAITERS; i++) {
			if (!polled[i].revents)
				continue;
			len = read(polled[i].fd, data, sizeof(data));
			assert_true(len > 0);
			if (!all[i])
				assert_memory_equal(data, status,
						    strlen(status));
			all[i] += (size_t)len;
			if (all[i] < BIG)
				continue;
			close(polled[i].fd);
			polled[i].fd = -1;
			left--;
		}
	}
}

/* As many of one log, after one quote, are large. */
static void replies_that_are_not_taken_keep_those_that_waited(void **state)
{
	int fds[BIG_WAITERS], i;

	(void)state;
	start_waits(limits);
	for (i = 0; i < BIG_WAITERS; i++) {
		fds[i] = dial();
		assert_true(say(fds[i], GET_WAIT_BIG));
	}
	wait_for(&holding, BIG_WAITERS);
	held = false;
	sleep_ms(300);
	assert_true(went_on >= 2 && went_on <= 4);
	read_all(fds);
	assert_int_equal(went_on, BIG_WAITERS);
	assert_int_equal(stop(), 0);
}

/* Of several callers, as each has a share. */
static void wait_as_many(int *fds, pid_t *children)
{
	int i;

	for (i = 0; i < WAITERS; i++) {
		fds[i] = dial_as_child(&children[i]);
		assert_true(say(fds[i], GET_WAIT));
	}
	wait_for(&holding, WAITERS);
}

static void requests_that_wait_keep_no_others_waiting(void **state)
{
	pid_t children[WAITERS];
	int fds[WAITERS], fd, i, before;

	(void)state;
	start_waits(limits);
	fd = dial();
	assert_int_equal(ask(fd, GET_PLAIN), 200);
	before = threads();
	wait_as_many(fds, children);
	for (i = 0; i < 50; i++)
		assert_int_equal(ask(fd, GET_PLAIN), 200);
	/* One more has to be told so. */
	assert_int_equal(ask(fd, GET_WAIT), 503);
	assert_int_equal(refused, 1);
	assert_int_equal(ask(fd, GET_PLAIN), 200);
	held = false;
	for (i = 0; i < WAITERS; i++) {
		assert_int_equal(hear(fds[i], &answer), 200);
		close(fds[i]);
		end_child(children[i]);
	}
	/* All went on, but not all at once, and as many threads are left. */
	assert_true(most <= (int)limits.workers);
	assert_int_equal(ask(fd, GET_PLAIN), 200);
	assert_threads(before);
	held = true;
	wait_as_many(fds, children);
	held = false;
	for (i = 0; i < WAITERS; i++) {
		assert_int_equal(hear(fds[i], &answer), 200);
		close(fds[i]);
		end_child(children[i]);
	}
	close(fd);
	assert_int_equal(stop(), 0);
}

static void request_that_waits_too_long_is_504(void **state)
{
	struct http_limits these = limits;
	int waits = -1, fd, before;
	pid_t child;

	(void)state;
	these.call_ms = 300;
	start_waits(these);
	fd = dial();
	assert_int_equal(ask(fd, GET_PLAIN), 200);
	before = threads();
	waits = dial_as_child(&child);
	assert_true(say(waits, GET_WAIT));
	assert_int_equal(hear(waits, &answer), 504);
	assert_int_equal(ask(fd, GET_PLAIN), 200);
	held = false;
	wait_for(&holding, 0);
	assert_int_equal(ask(fd, GET_PLAIN), 200);
	assert_threads(before);
	close(waits);
	end_child(child);
	close(fd);
	assert_int_equal(stop(), 0);
}

static void one_caller_waits_in_half_of_all_threads_at_most(void **state)
{
	int fds[WAITERS], fd, i;
	pid_t child;

	(void)state;
	start_waits(limits);
	for (i = 0; i < WAITERS; i++) {
		fds[i] = dial();
		assert_true(say(fds[i], GET_WAIT));
	}
	wait_for(&holding, 10);
	sleep_ms(100);
	assert_int_equal(holding, 10);
	fd = dial_as_child(&child);
	assert_int_equal(ask(fd, GET_PLAIN), 200);
	held = false;
	for (i = 0; i < WAITERS; i++) {
		assert_int_equal(hear(fds[i], &answer), 200);
		close(fds[i]);
	}
	close(fd);
	end_child(child);
	assert_int_equal(stop(), 0);
}

static void stop_answers_those_that_wait(void **state)
{
	pid_t children[WAITERS];
	int fds[WAITERS], i;

	(void)state;
	start_waits(limits);
	wait_as_many(fds, children);
	http_stop(http);
	sleep_ms(50);
	held = false;
	for (i = 0; i < WAITERS; i++) {
		assert_int_equal(hear(fds[i], &answer), 200);
		close(fds[i]);
		end_child(children[i]);
	}
	assert_int_equal(stop(), 0);
}

static void reply_says_when_to_ask_again(void **state)
{
	int fd;

	(void)state;
	start_waits(limits);
	fd = dial();
	assert_true(say(fd, GET_LIMITED));
	assert_int_equal(hear(fd, &answer), 429);
	assert_non_null(strstr(answer.head, "\r\nRetry-After: 3\r\n"));
	assert_true(say(fd, GET_PLAIN));
	assert_int_equal(hear(fd, &answer), 200);
	assert_null(strstr(answer.head, "Retry-After"));
	close(fd);
	assert_int_equal(stop(), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		claim(requests_that_wait_keep_no_others_waiting),
		claim(replies_that_are_not_taken_keep_those_that_waited),
		claim(request_that_waits_too_long_is_504),
		claim(one_caller_waits_in_half_of_all_threads_at_most),
		claim(stop_answers_those_that_wait),
		claim(reply_says_when_to_ask_again),
	};

	return cmocka_run_group_tests_name("agent_http_wait", tests, NULL,
					   NULL);
}
