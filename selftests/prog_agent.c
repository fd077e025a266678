// SPDX-License-Identifier: MIT
/*
 * Clients of the guest agent, among them such as no SDK is
 *
 * Copyright The dstack for Linux authors
 *
 *	prog_agent orphan SOCKET FILE PATH BODY
 *		a child connects, prints its pid and ends; once it has and FILE
 *		is there, this process, which has the connection, too, asks
 *	prog_agent given SOCKET FILE PATH BODY
 *		the same, but the child waits for this one to have asked
 *	prog_agent many SOCKET PROCESSES EACH PATH BODY
 *		so many processes with so many connections, all of them open
 *		before the first asks; the times that answers took, sorted
 *	prog_agent flood SOCKET COUNT PATH BODY
 *		one after the other; how many got which status, and the last
 *		refusal
 *	prog_agent first SOCKET PATH [COMMAND]...
 *		until it is answered; with a command that is started first, how
 *		long that took, and how much of it was the command's own time
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ANSWER_MAX	65536
#define EACH_MAX	1024
#define PATIENCE_MS	60000
#define STATUS_MAX	600

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ULL + t.tv_nsec;
}

static int connect_to(int fd, const char *path)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };

	strncpy(to.sun_path, path, sizeof(to.sun_path) - 1);
	return connect(fd, (struct sockaddr *)&to, sizeof(to));
}

static int dial(const char *path)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd >= 0 && !connect_to(fd, path))
		return fd;
	close(fd);
	return -1;
}

static int ask(int fd, const char *path, const char *body)
{
	char text[4096];
	int len = snprintf(text, sizeof(text),
			   "POST %s HTTP/1.1\r\nHost: x\r\n"
			   "Content-Type: application/json\r\n"
			   "Content-Length: %zu\r\n\r\n%s", path, strlen(body),
			   body);

	return len < (int)sizeof(text) &&
		send(fd, text, len, MSG_NOSIGNAL) == len ? 0 : -1;
}

/* How much of an answer is there: 0 if not all of it. */
static int complete(const char *text, size_t len)
{
	const char *end = memmem(text, len, "\r\n\r\n", 4);
	const char *size = memmem(text, len, "Content-Length: ", 16);

	return end && size &&
		len >= (size_t)(end + 4 - text) + atoi(size + 16);
}

/* Its status, with the answer in @text; -1: there was none. */
static int hear(int fd, char text[ANSWER_MAX])
{
	size_t len = 0;
	ssize_t got;

	for (;;) {
		got = read(fd, text + len, ANSWER_MAX - 1 - len);
		if (got <= 0)
			return -1;
		len += got;
		text[len] = '\0';
		if (complete(text, len))
			return atoi(text + strlen("HTTP/1.1 "));
	}
}

static const char *body_of(const char *text)
{
	const char *end = strstr(text, "\r\n\r\n");

	return end ? end + 4 : "";
}

static void wait_for(const char *file)
{
	while (access(file, F_OK))
		usleep(10000);
}

/*
 * A connection that another process made
 */

static void be_the_one_that_connects(int fd, const char *path, int stays)
{
	if (connect_to(fd, path))
		_exit(1);
	printf("%d\n", (int)getpid());
	fflush(stdout);
	if (stays)
		pause();
	/* So that it was there when it was asked who it is. */
	usleep(500000);
	_exit(0);
}

static int other_connects(char **arg, int stays)
{
	int fd = socket(AF_UNIX, SOCK_STREAM, 0), status;
	static char text[ANSWER_MAX];
	pid_t child = fork();

	if (!child)
		be_the_one_that_connects(fd, arg[0], stays);
	if (!stays)
		waitpid(child, NULL, 0);
	wait_for(arg[1]);
	status = ask(fd, arg[2], arg[3]) ? -1 : hear(fd, text);
	printf("%s\n%d\n", body_of(text), status);
	if (stays) {
		kill(child, 9);
		waitpid(child, NULL, 0);
	}
	return 0;
}

/*
 * Many at once
 */

struct board {
	int ready, failed, go;
	uint32_t took_us[];
};

static void ask_all(const int *fd, int each, char **arg, struct board *board,
		    uint32_t *took)
{
	static char text[ANSWER_MAX];
	static struct pollfd polls[EACH_MAX];
	uint64_t start = now_ns();
	int i, left = each;

	for (i = 0; i < each; i++) {
		polls[i] = (struct pollfd){ .fd = fd[i], .events = POLLIN };
		if (ask(fd[i], arg[0], arg[1]))
			__atomic_add_fetch(&board->failed, 1, __ATOMIC_SEQ_CST);
	}
	while (left && poll(polls, each, PATIENCE_MS) > 0) {
		for (i = 0; i < each; i++) {
			if (polls[i].fd < 0 || !polls[i].revents)
				continue;
			if (hear(polls[i].fd, text) != 200)
				__atomic_add_fetch(&board->failed, 1,
						   __ATOMIC_SEQ_CST);
			took[i] = (now_ns() - start) / 1000;
			polls[i].fd = -1;
			left--;
		}
	}
	__atomic_add_fetch(&board->failed, left, __ATOMIC_SEQ_CST);
}

static void be_one_of_many(char **arg, int each, struct board *board,
			   uint32_t *took)
{
	static int fd[EACH_MAX];
	int i;

	for (i = 0; i < each; i++) {
		fd[i] = dial(arg[0]);
		if (fd[i] < 0)
			_exit(1);
	}
	__atomic_add_fetch(&board->ready, 1, __ATOMIC_SEQ_CST);
	while (!__atomic_load_n(&board->go, __ATOMIC_SEQ_CST))
		usleep(1000);
	ask_all(fd, each, arg + 3, board, took);
	_exit(0);
}

static int by_size(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static void tell(struct board *board, int nr, int ended)
{
	qsort(board->took_us, nr, sizeof(board->took_us[0]), by_size);
	printf("clients %d failed %d p50_us %u p99_us %u max_us %u\n", nr,
	       board->failed + ended, board->took_us[nr / 2],
	       board->took_us[nr * 99 / 100], board->took_us[nr - 1]);
}

static int many(char **arg)
{
	int processes = atoi(arg[1]), each = atoi(arg[2]);
	int i, status, ended = 0, nr = processes * each;
	size_t size = sizeof(struct board) + nr * sizeof(uint32_t);
	struct board *board = mmap(NULL, size, PROT_READ | PROT_WRITE,
				   MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (board == MAP_FAILED || each > EACH_MAX || nr < 1)
		return 2;
	for (i = 0; i < processes; i++)
		if (!fork())
			be_one_of_many(arg, each, board,
				       board->took_us + (size_t)i * each);
	for (i = 0; i < PATIENCE_MS &&
	     __atomic_load_n(&board->ready, __ATOMIC_SEQ_CST) < processes; i++)
		usleep(1000);
	__atomic_store_n(&board->go, 1, __ATOMIC_SEQ_CST);
	while (wait(&status) > 0)
		ended += status ? each : 0;
	tell(board, nr, ended);
	return board->failed || ended ? 1 : 0;
}

static int flood(char **arg)
{
	static unsigned int seen[STATUS_MAX];
	static char text[ANSWER_MAX], why[ANSWER_MAX];
	int i, status, count = atoi(arg[1]), fd = dial(arg[0]);

	for (i = 0; i < count; i++) {
		status = ask(fd, arg[2], arg[3]) ? -1 : hear(fd, text);
		if (status < 0 || status >= STATUS_MAX)
			return 1;
		seen[status]++;
		if (status != 200)
			strcpy(why, body_of(text));
	}
	for (i = 0; i < STATUS_MAX; i++)
		if (seen[i])
			printf("%d %u\n", i, seen[i]);
	printf("%s\n", why);
	return 0;
}

static int answers(char **arg)
{
	static char text[ANSWER_MAX];
	int fd = dial(arg[0]);
	int good = fd >= 0 && !ask(fd, arg[1], "") && hear(fd, text) == 200;

	close(fd);
	return good;
}

static void tell_time(pid_t pid, uint64_t start)
{
	uint64_t took = now_ns() - start;
	struct timespec own;
	clockid_t clock;

	if (clock_getcpuclockid(pid, &clock) || clock_gettime(clock, &own))
		return;
	printf("pid %d ns %llu own_ns %llu\n", (int)pid,
	       (unsigned long long)took,
	       (unsigned long long)own.tv_sec * 1000000000 + own.tv_nsec);
}

static int first(char **arg)
{
	uint64_t start = now_ns(), end = start + PATIENCE_MS * 1000000ULL;
	pid_t pid = arg[2] ? fork() : 0;

	if (arg[2] && !pid) {
		/* What it says must not keep a pipe of ours open. */
		dup2(2, 1);
		execvp(arg[2], arg + 2);
		_exit(127);
	}
	while (now_ns() < end) {
		if (answers(arg)) {
			if (pid)
				tell_time(pid, start);
			return 0;
		}
		usleep(1000);
	}
	return 1;
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		int args;
	} modes[] = {
		{ "orphan", 4 }, { "given", 4 }, { "many", 5 }, { "flood", 4 },
		{ "first", 2 },
	};
	size_t i;

	for (i = 0; argc > 1 && i < sizeof(modes) / sizeof(modes[0]); i++)
		if (!strcmp(modes[i].name, argv[1]) &&
		    (argc == modes[i].args + 2 ||
		     (argc > modes[i].args + 2 && i == 4)))
			break;
	argv += 2;
	switch (argc > 1 ? i : 5) {
	case 0:
	case 1:
		return other_connects(argv, i == 1);
	case 2:
		return many(argv);
	case 3:
		return flood(argv);
	case 4:
		return first(argv);
	default:
		return 2;
	}
}
