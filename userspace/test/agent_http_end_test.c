// SPDX-License-Identifier: MIT
/*
 * The agent's HTTP server: who asks, its sockets, its end, and hostile clients
 *
 * Copyright The dstack for Linux authors
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sys/random.h>

#include "../rpc/wipe.h"
#include "agent_http_fixture.h"

#define GARBAGE		10000
#define MEMORY_CHUNK	1048576UL

static struct answer answer;
static atomic_int victim;

/* Callers */

static void caller_is_found_with_every_request(void **state)
{
	char want[32];
	pid_t child;
	int fd, before;

	(void)state;
	start((struct http_limits){ 0 });
	fd = dial_as_child(&child);
	snprintf(want, sizeof(want), "0 0 c%d", (int)child);
	assert_true(say(fd, GET_PLAIN));
	assert_int_equal(hear(fd, &answer), 200);
	assert_non_null(strstr(answer.body, want));
	before = asked;
	assert_int_equal(ask(fd, GET_PLAIN), 200);
	assert_int_equal(asked, before + 1);
	close(fd);
	end_child(child);
	assert_int_equal(stop(), 0);
}

/* It is its creator's, whoever holds it. */
static void connection_of_a_caller_that_ended_is_403(void **state)
{
	pid_t child;
	int fd;

	(void)state;
	start((struct http_limits){ 0 });
	fd = dial_as_child(&child);
	assert_int_equal(ask(fd, GET_PLAIN), 200);
	end_child(child);
	assert_true(say(fd, GET_PLAIN));
	assert_int_equal(hear(fd, &answer), 403);
	assert_non_null(strstr(answer.body, "{\"error\":\""));
	assert_true(is_closed(fd));
	close(fd);
	assert_int_equal(stop(), 0);
}

/* The child ends once its PID has been looked up: it may be another's then. */
static int kill_and_find(void *arg, pid_t pid, struct http_caller *caller)
{
	(void)arg;
	strcpy(caller->id, DSTACK_HOST_ID);
	if (pid == victim)
		end_child(pid);
	return 0;
}

static void caller_that_ends_meanwhile_is_403(void **state)
{
	pid_t child;
	int fd;

	(void)state;
	start((struct http_limits){ 0 });
	fd = dial_as_child(&child);
	assert_int_equal(ask(fd, GET_PLAIN), 200);
	victim = child;
	container_of = kill_and_find;
	assert_int_equal(ask(fd, GET_PLAIN), 403);
	close(fd);
	assert_int_equal(stop(), 0);
}

static atomic_int devices;	/* that were opened */

/* As the agent does it, but for what the device is. */
static int find_with_device(void *arg, pid_t pid, struct http_caller *caller)
{
	caller->device = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (caller->device < 0)
		return -errno;
	devices++;
	return kill_and_find(arg, pid, caller);
}

static int count_descriptors(void)
{
	int fd, nr = 0;

	for (fd = 0; fd < 1024; fd++)
		nr += fcntl(fd, F_GETFD) >= 0;
	return nr;
}

static void device_is_opened_once_for_a_request_and_closed_after(void **state)
{
	int fd, before, child;

	(void)state;
	victim = 0;
	before = count_descriptors();
	start((struct http_limits){ .call_ms = 300 });
	fd = dial();
	assert_int_equal(ask(fd, GET_PLAIN), 200);
	container_of = find_with_device;
	devices = 0;
	assert_int_equal(ask(fd, GET_PLAIN), 200);
	assert_true(device_was_open);
	assert_int_equal(devices, 1);
	/* Nobody waits for this one any more when it ends. */
	assert_int_equal(ask(fd, GET_HELD), 504);
	close(fd);
	/* This one ends before anybody acts for it. */
	container_of = default_container_of;
	fd = dial_as_child(&child);
	assert_int_equal(ask(fd, GET_PLAIN), 200);
	victim = child;
	container_of = find_with_device;
	assert_int_equal(ask(fd, GET_PLAIN), 403);
	close(fd);
	assert_int_equal(stop(), 0);
	assert_int_equal(devices, 3);
	assert_int_equal(count_descriptors(), before);
}

static int find_none(void *arg, pid_t pid, struct http_caller *caller)
{
	(void)arg;
	(void)pid;
	(void)caller;
	return -EIO;
}

static void caller_that_cannot_be_found_is_403(void **state)
{
	int fd;

	(void)state;
	start((struct http_limits){ 0 });
	fd = dial();
	assert_int_equal(ask(fd, GET_PLAIN), 200);
	container_of = find_none;
	assert_int_equal(ask(fd, GET_PLAIN), 403);
	close(fd);
	fd = dial();
	assert_true(is_closed(fd));
	close(fd);
	assert_int_equal(stop(), 0);
}

static void peer_that_is_no_socket_is_refused(void **state)
{
	struct caller_peer peer;

	(void)state;
	assert_int_equal(caller_peer_of(STDIN_FILENO, &peer), -ENOTSOCK);
	assert_int_equal(peer.pidfd, -1);
}

/* The end */

static void stop_answers_what_was_asked_before(void **state)
{
	int busy[4], idle, i;

	(void)state;
	/* One caller has all but one of them. */
	start((struct http_limits){ .workers = 3 });
	idle = dial();
	assert_int_equal(ask(idle, GET_PLAIN), 200);
	for (i = 0; i < 4; i++) {
		busy[i] = dial();
		assert_true(say(busy[i], GET_HELD));
	}
	wait_for(&holding, 2);
	http_stop(http);
	assert_true(is_closed(idle));
	held = false;
	for (i = 0; i < 4; i++) {
		assert_int_equal(hear(busy[i], &answer), 200);
		assert_non_null(strstr(answer.head, "Connection: close"));
		assert_true(is_closed(busy[i]));
		close(busy[i]);
	}
	close(idle);
	assert_int_equal(stop(), 0);
}

static void close_without_run_leaves_nothing(void **state)
{
	int fd;

	(void)state;
	assert_int_equal(open_server((struct http_limits){ 0 }, 2), 0);
	fd = dial();
	assert_int_equal(http_close(http), 0);
	close(fd);
}

/* In a child: what a handler that never returns uses is left behind. */
static void close_does_not_wait_for_ever(void **state)
{
	pid_t child;
	int status;

	(void)state;
	child = fork();
	if (!child) {
		start((struct http_limits){ .drain_ms = 200, .call_ms = 100 });
		say(dial(), GET_HELD);
		wait_for(&holding, 1);
		http_stop(http);
		pthread_join(loop, NULL);
		_exit(http_close(http) == -ETIMEDOUT ? 0 : 1);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

static void on_pipe(void *arg)
{
	char byte;

	if (read(*(int *)arg, &byte, 1) == 1)
		http_stop(http);
}

static void loop_watches_what_it_is_asked_to(void **state)
{
	int ends[2];

	(void)state;
	assert_int_equal(pipe(ends), 0);
	assert_int_equal(open_server((struct http_limits){ 0 }, 2), 0);
	assert_int_equal(http_watch(http, ends[0], on_pipe, ends), 0);
	assert_int_equal(pthread_create(&loop, NULL, run_loop, NULL), 0);
	assert_int_equal(write(ends[1], "x", 1), 1);
	pthread_join(loop, NULL);
	assert_int_equal(http_close(http), 0);
	close(ends[0]);
	close(ends[1]);
}

/* Sockets */

static void sockets_are_for_all_and_are_removed(void **state)
{
	struct stat st;
	mode_t mask = umask(077);

	(void)state;
	start((struct http_limits){ 0 });
	umask(mask);
	assert_int_equal(stat(paths[1], &st), 0);
	assert_int_equal(st.st_mode, S_IFSOCK | 0777);
	assert_int_equal(stop(), 0);
	assert_int_equal(stat(paths[1], &st), -1);
}

static void stale_socket_is_replaced_and_a_served_one_is_not(void **state)
{
	struct sockaddr_un name = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	(void)state;
	strcpy(name.sun_path, paths[0]);
	assert_int_equal(bind(fd, (struct sockaddr *)&name, sizeof(name)), 0);
	assert_int_equal(listen(fd, 1), 0);
	assert_int_equal(open_server((struct http_limits){ 0 }, 1),
			 -EADDRINUSE);
	assert_int_equal(access(paths[0], F_OK), 0);
	close(fd);
	assert_int_equal(open_server((struct http_limits){ 0 }, 1), 0);
	assert_int_equal(http_close(http), 0);
}

static void what_is_no_socket_is_left_alone(void **state)
{
	struct stat st;
	int fd = open(paths[1], O_CREAT | O_WRONLY | O_CLOEXEC, 0600);

	(void)state;
	close(fd);
	assert_int_equal(open_server((struct http_limits){ 0 }, 2), -EEXIST);
	assert_int_equal(stat(paths[1], &st), 0);
	assert_true(S_ISREG(st.st_mode));
	assert_int_equal(stat(paths[0], &st), -1);
	unlink(paths[1]);
	assert_int_equal(symlink(paths[0], paths[1]), 0);
	assert_int_equal(open_server((struct http_limits){ 0 }, 2), -EEXIST);
	assert_int_equal(unlink(paths[1]), 0);
}

static void socket_of_another_is_not_removed(void **state)
{
	struct sockaddr_un name = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	(void)state;
	assert_int_equal(open_server((struct http_limits){ 0 }, 1), 0);
	assert_int_equal(unlink(paths[0]), 0);
	strcpy(name.sun_path, paths[0]);
	assert_int_equal(bind(fd, (struct sockaddr *)&name, sizeof(name)), 0);
	assert_int_equal(http_close(http), 0);
	assert_int_equal(unlink(paths[0]), 0);
	close(fd);
}

static void directory_that_others_may_write_to_is_refused(void **state)
{
	(void)state;
	chmod(dir, 0777);
	assert_int_equal(open_server((struct http_limits){ 0 }, 1), -EPERM);
	chmod(dir, 0720);
	assert_int_equal(open_server((struct http_limits){ 0 }, 1), -EPERM);
	chmod(dir, 0700);
}

/* In a child, whose descriptor 3 is the service manager's. */
static void inherited_socket_is_used(void **state)
{
	struct sockaddr_un name = { .sun_family = AF_UNIX };
	char pid[16];
	pid_t child;
	int fd, status;

	(void)state;
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	strcpy(name.sun_path, paths[1]);
	assert_int_equal(bind(fd, (struct sockaddr *)&name, sizeof(name)), 0);
	assert_int_equal(listen(fd, 8), 0);
	child = fork();
	if (!child) {
		dup2(fd, 3);
		snprintf(pid, sizeof(pid), "%d", (int)getpid());
		setenv("LISTEN_PID", pid, 1);
		setenv("LISTEN_FDS", "1", 1);
		start((struct http_limits){ 0 });
		fd = dial_at(paths[1]);
		status = ask(fd, GET_PLAIN);
		stop();
		/* It is for the service manager to remove. */
		_exit(status == 200 && !getenv("LISTEN_FDS") &&
		      !access(paths[1], F_OK) && access(paths[0], F_OK) ?
		      0 : 1);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	close(fd);
	assert_int_equal(unlink(paths[1]), 0);
}

/* Hostile clients */

static void fill_with_garbage(unsigned char *data, size_t len, int kind)
{
	static const char *const starts[] = {
		"", "POST /echo HTTP/1.1\r\n", "GET / HTTP/1.1\r\nA:",
		"POST /echo HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",
		"POST /echo HTTP/1.1\r\nContent-Length: 40\r\n\r\n",
		"GET /\0\xff HTTP/9.9\r\n\r\n",
	};
	const char *first = starts[kind % 6];
	size_t i;

	for (i = 0; i < len; i++)
		data[i] = (unsigned char)rand();
	/* Lines, now and then. */
	for (i = 0; i + 2 < len && kind % 2; i += 1 + (size_t)rand() % 40)
		memcpy(data + i, "\r\n", 2);
	memcpy(data, first, strlen(first));
}

static void garbage_is_answered_or_closed(void **state)
{
	unsigned char data[512];
	int i, fd, status, answered = 0, closed = 0;

	(void)state;
	start((struct http_limits){ 0 });
	srand(7);
	for (i = 0; i < GARBAGE; i++) {
		fill_with_garbage(data, sizeof(data), i);
		fd = dial();
		assert_true(fd >= 0);
		say_bytes(fd, data, 64 + (size_t)rand() % 448);
		shutdown(fd, SHUT_WR);
		status = hear(fd, &answer);
		assert_int_not_equal(status, -1);
		answered += status > 0;
		closed += !status;
		close(fd);
	}
	print_message("# %d of %d were answered, %d closed\n", answered,
		      GARBAGE, closed);
	fd = dial();
	assert_int_equal(ask(fd, GET_PLAIN), 200);
	close(fd);
	assert_int_equal(stop(), 0);
}

/* Secrets */

static void memory_is_wiped_before_it_is_freed(void **state)
{
	unsigned char *data = wipe_alloc(64), *more;

	(void)state;
	assert_non_null(data);
	memset(data, 0xa5, 64);
	more = wipe_realloc(data, 128);
	assert_int_equal(more[63], 0xa5);
	more = wipe_realloc(more, 8);
	assert_int_equal(more[7], 0xa5);
	wipe_free(more);
	wipe_free(NULL);
	assert_null(wipe_alloc(SIZE_MAX));
	assert_null(wipe_realloc(NULL, SIZE_MAX - 8));
}

/* @mask keeps what is looked for out of this very memory. */
static size_t count_in(const unsigned char *data, size_t len,
		       const unsigned char *masked, unsigned char mask)
{
	size_t i, j, n = 0;

	for (i = 0; i + 32 <= len; i++) {
		for (j = 0; j < 32; j++)
			if ((data[i + j] ^ mask) != masked[j])
				break;
		n += j == 32;
	}
	return n;
}

static size_t count_in_memory(const unsigned char *masked, unsigned char mask)
{
	static unsigned char chunk[MEMORY_CHUNK];
	unsigned long from, to, at;
	FILE *maps = fopen("/proc/self/maps", "r");
	int mem = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
	size_t found = 0;
	char line[512], flags[8];
	ssize_t n;

	while (fgets(line, sizeof(line), maps)) {
		if (sscanf(line, "%lx-%lx %7s", &from, &to, flags) != 3 ||
		    strncmp(flags, "rw", 2) || to - from > 1UL << 30)
			continue;
		for (at = from; at < to; at += MEMORY_CHUNK) {
			n = pread(mem, chunk, to - at < MEMORY_CHUNK ?
				  to - at : MEMORY_CHUNK, (off_t)at);
			if (n > 0)
				found += count_in(chunk, (size_t)n, masked,
						  mask);
			memset(chunk, 0, sizeof(chunk));
		}
	}
	fclose(maps);
	close(mem);
	return found;
}

/* A child sends and receives them, so that only the server's are here. */
static void bodies_leave_nothing_behind(void **state)
{
	static const char head[] =
		"POST /echo HTTP/1.1\r\nContent-Length: 96\r\n\r\n";
	unsigned char masked[32], secret[96], mask = 0x5a;
	int status;
	size_t i;
	pid_t child;

	(void)state;
	assert_int_equal(getrandom(masked, sizeof(masked), 0), 32);
	start((struct http_limits){ 0 });
	child = fork();
	if (!child) {
		int fd = dial();

		for (i = 0; i < sizeof(secret); i++)
			secret[i] = masked[i % 32] ^ mask;
		say(fd, head);
		say_bytes(fd, secret, sizeof(secret));
		_exit(hear(fd, &answer) == 200 &&
		      !memcmp(answer.body, secret, sizeof(secret)) ? 0 : 1);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	assert_int_equal(stop(), 0);
	assert_int_equal(count_in_memory(masked, mask), 0);
	/* The search does find what is there. */
	for (i = 0; i < 32; i++)
		secret[i] = masked[i] ^ mask;
	assert_true(count_in_memory(masked, mask) > 0);
	memset(secret, 0, sizeof(secret));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		claim(caller_is_found_with_every_request),
		claim(connection_of_a_caller_that_ended_is_403),
		claim(caller_that_ends_meanwhile_is_403),
		claim(device_is_opened_once_for_a_request_and_closed_after),
		claim(caller_that_cannot_be_found_is_403),
		claim(peer_that_is_no_socket_is_refused),
		claim(stop_answers_what_was_asked_before),
		claim(close_without_run_leaves_nothing),
		claim(close_does_not_wait_for_ever),
		claim(loop_watches_what_it_is_asked_to),
		claim(sockets_are_for_all_and_are_removed),
		claim(stale_socket_is_replaced_and_a_served_one_is_not),
		claim(what_is_no_socket_is_left_alone),
		claim(socket_of_another_is_not_removed),
		claim(directory_that_others_may_write_to_is_refused),
		claim(inherited_socket_is_used),
		claim(garbage_is_answered_or_closed),
		claim(memory_is_wiped_before_it_is_freed),
		claim(bodies_leave_nothing_behind),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
