// SPDX-License-Identifier: MIT
/*
 * The agent's HTTP server: framing, limits, deadlines
 *
 * Copyright The dstack for Linux authors
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "agent_http_fixture.h"

#define MIB		1048576UL

static const struct http_limits quick = {
	.receive_ms = 500,
	.call_ms = 500,
	.send_ms = 500,
	.idle_ms = 500,
	.drain_ms = 5000,
};

static struct answer answer;

/* Framing */

static void reply_has_content_length_and_is_not_chunked(void **state)
{
	int fd;

	(void)state;
	start((struct http_limits){ 0 });
	fd = dial();
	assert_int_equal(ask(fd, "POST /echo HTTP/1.1\r\nHost: localhost\r\n"
			     "Content-Length: 5\r\n\r\nhello"), 200);
	assert_true(say(fd, "POST /echo HTTP/1.1\r\nContent-Length: 5\r\n\r\n"
			"again"));
	assert_int_equal(hear(fd, &answer), 200);
	assert_non_null(strstr(answer.head, "\r\nContent-Length: 5\r\n"));
	assert_non_null(strstr(answer.head,
			       "\r\nContent-Type: application/json\r\n"));
	assert_null(strcasestr(answer.head, "Transfer-Encoding"));
	assert_string_equal(answer.body, "again");
	close(fd);
	assert_int_equal(stop(), 0);
}

static void empty_reply_has_content_length_0(void **state)
{
	int fd;

	(void)state;
	start((struct http_limits){ 0 });
	fd = dial();
	assert_true(say(fd, "POST /echo HTTP/1.1\r\n\r\n"));
	assert_int_equal(hear(fd, &answer), 200);
	assert_non_null(strstr(answer.head, "\r\nContent-Length: 0\r\n"));
	close(fd);
	assert_int_equal(stop(), 0);
}

static void old_client_gets_content_length_too(void **state)
{
	int fd;

	(void)state;
	start((struct http_limits){ 0 });
	fd = dial();
	assert_true(say(fd, "GET /plain HTTP/1.0\r\n\r\n"));
	assert_int_equal(hear(fd, &answer), 200);
	assert_true(is_closed(fd));
	close(fd);
	assert_int_equal(stop(), 0);
}

static void handler_is_told_what_was_sent(void **state)
{
	int fd;

	(void)state;
	start((struct http_limits){ 0 });
	fd = dial_at(paths[1]);
	assert_true(say(fd, "POST http://localhost/prpc/Tappd.Info?json&a=%20"
			" HTTP/1.1\r\nContent-Type: application/json\r\n"
			"Content-Length: 2\r\n\r\n{}"));
	assert_int_equal(hear(fd, &answer), 200);
	assert_string_equal(answer.body, "POST /prpc/Tappd.Info?json&a=%20 "
			    "application/json 1 2 host");
	close(fd);
	assert_int_equal(stop(), 0);
}

static void pipelined_requests_are_answered_in_order(void **state)
{
	char text[64], want[64];
	int fd, i;

	(void)state;
	start((struct http_limits){ 0 });
	fd = dial();
	for (i = 0; i < 100; i++) {
		snprintf(text, sizeof(text), "GET /n%d HTTP/1.1\r\n\r\n", i);
		assert_true(say(fd, text));
	}
	shutdown(fd, SHUT_WR);
	for (i = 0; i < 100; i++) {
		assert_int_equal(hear(fd, &answer), 200);
		snprintf(want, sizeof(want), "GET /n%d?  0 0 host", i);
		assert_string_equal(answer.body, want);
	}
	assert_true(is_closed(fd));
	close(fd);
	assert_int_equal(stop(), 0);
}

static void half_closed_client_gets_its_reply(void **state)
{
	int i, fd;

	(void)state;
	start((struct http_limits){ 0 });
	for (i = 0; i < 50; i++) {
		fd = dial();
		assert_true(say(fd, "POST /echo HTTP/1.1\r\n"
				"Content-Length: 3\r\n\r\nabc"));
		shutdown(fd, SHUT_WR);
		assert_int_equal(hear(fd, &answer), 200);
		assert_string_equal(answer.body, "abc");
		assert_true(is_closed(fd));
		close(fd);
	}
	assert_int_equal(stop(), 0);
}

static void chunked_request_is_put_together(void **state)
{
	int fd;

	(void)state;
	start((struct http_limits){ 0 });
	fd = dial();
	assert_true(say(fd, "POST /echo HTTP/1.1\r\n"
			"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"));
	sleep_ms(20);
	assert_true(say(fd, "4\r\ndefg\r\n0\r\n\r\n"));
	assert_int_equal(hear(fd, &answer), 200);
	assert_string_equal(answer.body, "abcdefg");
	close(fd);
	assert_int_equal(stop(), 0);
}

static void client_that_asks_first_is_told_to_continue(void **state)
{
	int fd;

	(void)state;
	start((struct http_limits){ 0 });
	fd = dial();
	assert_int_equal(ask(fd, "POST /echo HTTP/1.1\r\n"
			     "Expect: 100-continue\r\n"
			     "Content-Length: 2\r\n\r\n"), 100);
	assert_int_equal(ask(fd, "ok"), 200);
	close(fd);
	fd = dial();
	assert_int_equal(ask(fd, "POST /echo HTTP/1.1\r\n"
			     "Expect: 100-continue\r\n"
			     "Content-Length: 2\r\n\r\n"), 100);
	close(fd);
	assert_int_equal(stop(), 0);
}

static void lengths_that_disagree_are_refused(void **state)
{
	static const char *const heads[] = {
		"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n",
		"Content-Length: 1\r\nContent-Length: 2\r\n",
		"Content-Length: -1\r\n",
		"Content-Length: 1x\r\n",
		"Content-Length: 99999999999999999999999\r\n",
		"Transfer-Encoding: chunked, gzip\r\n",
		"Transfer-Encoding: gzip\r\n",
	};
	char text[256];
	size_t i;
	int fd;

	(void)state;
	start(quick);
	for (i = 0; i < sizeof(heads) / sizeof(*heads); i++) {
		fd = dial();
		snprintf(text, sizeof(text), "POST /echo HTTP/1.1\r\n%s\r\n1",
			 heads[i]);
		assert_int_not_equal(ask(fd, text), 200);
		close(fd);
	}
	assert_int_equal(stop(), 0);
}

static void other_methods_are_405(void **state)
{
	static const char *const methods[] = {
		"PUT", "DELETE", "OPTIONS", "PATCH", "TRACE",
	};
	char text[64];
	size_t i;
	int fd;

	(void)state;
	start((struct http_limits){ 0 });
	for (i = 0; i < sizeof(methods) / sizeof(*methods); i++) {
		fd = dial();
		snprintf(text, sizeof(text), "%s /x HTTP/1.1\r\n\r\n",
			 methods[i]);
		assert_true(say(fd, text));
		assert_int_equal(hear(fd, &answer), 405);
		assert_non_null(strstr(answer.body, "{\"error\":\""));
		close(fd);
	}
	/* The length is that of a body which does not follow. */
	fd = dial();
	assert_true(say(fd, "HEAD /x HTTP/1.1\r\n\r\n"));
	assert_int_equal(hear(fd, &answer), 0);
	assert_non_null(strstr(answer.head, "HTTP/1.1 405 "));
	assert_int_equal(answer.len, 0);
	close(fd);
	assert_int_equal(stop(), 0);
}

static void reply_that_the_handler_did_not_make_is_500(void **state)
{
	int fd;

	(void)state;
	start((struct http_limits){ 0 });
	fd = dial();
	assert_true(say(fd, "GET /silent HTTP/1.1\r\n\r\n"));
	assert_int_equal(hear(fd, &answer), 500);
	assert_non_null(strstr(answer.body, "{\"error\":\""));
	close(fd);
	assert_int_equal(stop(), 0);
}

/* Time */

/* Sends @text a byte at a time; for how long did it take to be closed? */
static int64_t drip(const char *text)
{
	int64_t start_ms = now_ms();
	int fd = dial();

	while (*text && now_ms() < start_ms + 5000) {
		if (!say_bytes(fd, text++, 1))
			break;
		sleep_ms(50);
	}
	assert_true(is_closed(fd));
	close(fd);
	return now_ms() - start_ms;
}

static void slow_head_is_closed(void **state)
{
	(void)state;
	start(quick);
	assert_in_range(drip("GET /aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"),
			400, 1500);
	assert_int_equal(stop(), 0);
}

static void slow_body_is_closed(void **state)
{
	(void)state;
	start(quick);
	assert_in_range(drip("POST /e HTTP/1.1\r\nContent-Length: 9\r\n\r\nab"),
			400, 1500);
	assert_int_equal(stop(), 0);
}

static void silent_clients_are_closed(void **state)
{
	int fresh, kept;

	(void)state;
	start(quick);
	fresh = dial();
	kept = dial();
	assert_int_equal(ask(kept, GET_PLAIN), 200);
	sleep_ms(300);
	assert_int_equal(ask(kept, GET_PLAIN), 200);
	sleep_ms(300);
	assert_int_equal(ask(kept, GET_PLAIN), 200);
	assert_true(is_closed(fresh));
	assert_true(is_closed(kept));
	close(fresh);
	close(kept);
	assert_int_equal(stop(), 0);
}

static void client_that_does_not_take_its_reply_is_closed(void **state)
{
	static char data[65536];
	size_t taken = 0;
	ssize_t n;
	int fd;

	(void)state;
	start(quick);
	fd = dial();
	assert_true(say(fd, "GET /big?8000000 HTTP/1.1\r\n\r\n"));
	sleep_ms(1200);
	while ((n = read_some(fd, data, sizeof(data))) > 0)
		taken += (size_t)n;
	assert_int_equal(n, 0);
	assert_true(taken < 8000000);
	close(fd);
	assert_int_equal(stop(), 0);
}

static void stuck_call_is_504_and_its_thread_comes_back(void **state)
{
	struct http_limits limits = quick;
	int fds[2], i;

	(void)state;
	limits.workers = 1;
	limits.workers_max = 4;
	start(limits);
	for (i = 0; i < 2; i++) {
		fds[i] = dial();
		assert_true(say(fds[i], GET_HELD));
		wait_for(&holding, i + 1);
		assert_int_equal(hear(fds[i], &answer), 504);
		assert_non_null(strstr(answer.body, "{\"error\":\""));
		assert_true(is_closed(fds[i]));
		close(fds[i]);
		/* Another thread is there for who comes now. */
		fds[i] = dial();
		assert_int_equal(ask(fds[i], GET_PLAIN), i ? 504 : 200);
		close(fds[i]);
	}
	held = false;
	wait_for(&holding, 0);
	fds[0] = dial();
	assert_int_equal(ask(fds[0], GET_PLAIN), 200);
	close(fds[0]);
	assert_int_equal(stop(), 0);
}

static void caller_that_is_stuck_leaves_threads_to_others(void **state)
{
	struct http_limits limits = quick;
	int fds[8], other, i;
	pid_t child;

	(void)state;
	limits.workers = 2;
	limits.workers_max = 4;
	start(limits);
	for (i = 0; i < 8; i++) {
		fds[i] = dial();
		assert_true(say(fds[i], GET_HELD));
	}
	for (i = 0; i < 8; i++)
		assert_int_equal(hear(fds[i], &answer), 504);
	for (i = 0; i < 8; i++)
		close(fds[i]);
	other = dial_as_child(&child);
	assert_int_equal(ask(other, GET_PLAIN), 200);
	close(other);
	end_child(child);
	assert_int_equal(stop(), 0);
}

static void client_may_leave_while_its_call_runs(void **state)
{
	int i, fd;

	(void)state;
	start((struct http_limits){ .workers = 2 });
	for (i = 0; i < 20; i++) {
		fd = dial();
		assert_true(say(fd, GET_HELD));
		if (!i)
			wait_for(&holding, 1);
		close(fd);
	}
	held = false;
	fd = dial();
	assert_int_equal(ask(fd, GET_PLAIN), 200);
	close(fd);
	assert_int_equal(stop(), 0);
}

/* Size and number */

static void huge_head_is_refused(void **state)
{
	static char line[80000];
	int fd;

	(void)state;
	start(quick);
	memset(line, 'a', sizeof(line) - 1);
	fd = dial();
	say(fd, "GET /x HTTP/1.1\r\nA: ");
	say(fd, line);
	assert_int_equal(hear(fd, &answer), 400);
	close(fd);
	fd = dial();
	say(fd, line);
	assert_int_equal(hear(fd, &answer), 400);
	close(fd);
	assert_int_equal(stop(), 0);
}

static bool post(int fd, size_t len)
{
	static char data[65536];
	char head[96];

	snprintf(head, sizeof(head),
		 "POST /plain HTTP/1.1\r\nContent-Length: %zu\r\n\r\n", len);
	if (!say(fd, head))
		return false;
	for (; len >= sizeof(data); len -= sizeof(data))
		if (!say_bytes(fd, data, sizeof(data)))
			return false;
	return say_bytes(fd, data, len);
}

static void body_of_10_mib_is_taken_and_more_is_413(void **state)
{
	int fd;

	(void)state;
	start((struct http_limits){ 0 });
	fd = dial();
	assert_true(post(fd, 10 * MIB));
	assert_int_equal(hear(fd, &answer), 200);
	assert_non_null(strstr(answer.body, " 10485760 "));
	assert_true(post(fd, 10 * MIB + 1));
	assert_int_equal(hear(fd, &answer), 413);
	close(fd);
	fd = dial();
	assert_int_equal(ask(fd, "POST /plain HTTP/1.1\r\n"
			     "Transfer-Encoding: chunked\r\n\r\nA00001\r\n"),
			 413);
	close(fd);
	assert_int_equal(stop(), 0);
}

static void large_requests_of_a_caller_take_turns(void **state)
{
	static char data[131072];
	int first, second;

	(void)state;
	start((struct http_limits){ 0 });
	first = dial();
	assert_true(say(first, "POST /plain HTTP/1.1\r\n"
			"Content-Length: 131073\r\n\r\n"));
	assert_true(say_bytes(first, data, sizeof(data)));
	sleep_ms(1000);
	second = dial();
	say(second, "POST /plain HTTP/1.1\r\nContent-Length: 131072\r\n\r\n");
	assert_true(say_bytes(second, data, sizeof(data)));
	sleep_ms(300);
	assert_int_equal(recv(second, data, 1, MSG_DONTWAIT), -1);
	/* Small ones need no turn. */
	assert_int_equal(ask(first, "x"), 200);
	assert_int_equal(hear(second, &answer), 200);
	close(first);
	close(second);
	assert_int_equal(stop(), 0);
}

static void caller_that_does_not_take_its_replies_waits(void **state)
{
	int fds[4], other, i;
	pid_t child;

	(void)state;
	start((struct http_limits){ 0 });
	for (i = 0; i < 3; i++) {
		fds[i] = dial();
		assert_true(say(fds[i], "GET /big?4000000 HTTP/1.1\r\n\r\n"));
	}
	sleep_ms(200);
	fds[3] = dial();
	assert_true(say(fds[3], GET_PLAIN));
	other = dial_as_child(&child);
	assert_int_equal(ask(other, GET_PLAIN), 200);
	assert_int_equal(recv(fds[3], &answer, 1, MSG_DONTWAIT), -1);
	close(fds[0]);
	close(fds[1]);
	assert_int_equal(hear(fds[3], &answer), 200);
	close(fds[2]);
	close(fds[3]);
	close(other);
	end_child(child);
	assert_int_equal(stop(), 0);
}

static void full_queue_is_503(void **state)
{
	int fds[6], i, full = 0;

	(void)state;
	start((struct http_limits){ .workers = 1, .caller_queue = 2 });
	for (i = 0; i < 6; i++) {
		fds[i] = dial();
		assert_true(say(fds[i], GET_HELD));
		if (!i)
			wait_for(&holding, 1);
	}
	/* One runs, two wait. */
	for (i = 3; i < 6; i++) {
		full += hear(fds[i], &answer) == 503;
		assert_non_null(strstr(answer.body, "{\"error\":\""));
	}
	assert_int_equal(full, 3);
	held = false;
	for (i = 0; i < 3; i++)
		assert_int_equal(hear(fds[i], &answer), 200);
	/* Its connection lives on. */
	assert_int_equal(ask(fds[5], GET_PLAIN), 200);
	for (i = 0; i < 6; i++)
		close(fds[i]);
	assert_int_equal(stop(), 0);
}

static void caller_has_so_many_connections_and_another_its_own(void **state)
{
	int fds[3], other, status, i;
	pid_t child;

	(void)state;
	start((struct http_limits){ .caller_connections = 2 });
	for (i = 0; i < 2; i++) {
		fds[i] = dial();
		assert_int_equal(ask(fds[i], GET_PLAIN), 200);
	}
	fds[2] = dial();
	assert_true(is_closed(fds[2]));
	other = dial_as_child(&child);
	assert_int_equal(ask(other, GET_PLAIN), 200);
	close(fds[0]);
	close(fds[2]);
	/* As soon as the server has seen that one is gone. */
	for (i = 0, status = 0; status != 200 && i < 100; i++) {
		sleep_ms(50);
		fds[0] = dial();
		status = ask(fds[0], GET_PLAIN);
		close(fds[0]);
	}
	assert_int_equal(status, 200);
	close(fds[1]);
	close(other);
	end_child(child);
	assert_int_equal(stop(), 0);
}

static void connections_past_the_last_wait_for_their_turn(void **state)
{
	int fds[3], i;

	(void)state;
	start((struct http_limits){ .connections = 2 });
	for (i = 0; i < 3; i++) {
		fds[i] = dial();
		assert_true(say(fds[i], GET_PLAIN));
	}
	assert_int_equal(hear(fds[0], &answer), 200);
	assert_int_equal(hear(fds[1], &answer), 200);
	sleep_ms(200);
	assert_int_equal(recv(fds[2], &answer, 1, MSG_DONTWAIT), -1);
	close(fds[0]);
	assert_int_equal(hear(fds[2], &answer), 200);
	close(fds[1]);
	close(fds[2]);
	assert_int_equal(stop(), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		claim(reply_has_content_length_and_is_not_chunked),
		claim(empty_reply_has_content_length_0),
		claim(old_client_gets_content_length_too),
		claim(handler_is_told_what_was_sent),
		claim(pipelined_requests_are_answered_in_order),
		claim(half_closed_client_gets_its_reply),
		claim(chunked_request_is_put_together),
		claim(client_that_asks_first_is_told_to_continue),
		claim(lengths_that_disagree_are_refused),
		claim(other_methods_are_405),
		claim(reply_that_the_handler_did_not_make_is_500),
		claim(slow_head_is_closed),
		claim(slow_body_is_closed),
		claim(silent_clients_are_closed),
		claim(client_that_does_not_take_its_reply_is_closed),
		claim(stuck_call_is_504_and_its_thread_comes_back),
		claim(caller_that_is_stuck_leaves_threads_to_others),
		claim(client_may_leave_while_its_call_runs),
		claim(huge_head_is_refused),
		claim(body_of_10_mib_is_taken_and_more_is_413),
		claim(large_requests_of_a_caller_take_turns),
		claim(caller_that_does_not_take_its_replies_waits),
		claim(full_queue_is_503),
		claim(caller_has_so_many_connections_and_another_its_own),
		claim(connections_past_the_last_wait_for_their_turn),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
