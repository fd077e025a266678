// SPDX-License-Identifier: MIT
/*
 * Connections, each with a handshake of its own
 *
 * Copyright The dstack for Linux authors
 */
#include "kmsd_load.h"

#include <netinet/tcp.h>
#include <openssl/err.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define PATIENCE_S	30
#define ANSWER_MAX	65536
#define BODY		"{\"api_version\":1,\"vm_config\":\"\"}"
#define REQUEST		"POST /prpc/GetAppKey?json HTTP/1.1\r\n" \
			"Host: kms\r\nContent-Type: application/json\r\n" \
			"Content-Length: %zu\r\nConnection: close\r\n\r\n%s"

struct work {
	const struct load *load;
	const struct load_app *apps;
	size_t nr_apps;
	long nr;
	struct load_result *result;
	atomic_long next, given, refused, failed;
	atomic_flag said;
};

void load_need(bool good, const char *what)
{
	if (good)
		return;
	fprintf(stderr, "kmsd-load: %s\n", what);
	exit(1);
}

double load_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

double load_cpu(pid_t pid)
{
	struct timespec t;
	clockid_t clock;

	load_need(!clock_getcpuclockid(pid, &clock) &&
		  !clock_gettime(clock, &t), "the server has ended");
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int dial(const struct load *load)
{
	static const struct timeval patience = { .tv_sec = PATIENCE_S };
	static const int yes = 1;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	load_need(fd >= 0, "no sockets");
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
	if ((load->from.sin_family &&
	     bind(fd, (const void *)&load->from, sizeof(load->from))) ||
	    connect(fd, (const void *)&load->at, sizeof(load->at))) {
		close(fd);
		return -1;
	}
	return fd;
}

/* All that is sent, up to its end: an HTTP status, or 0. */
static int take_answer(SSL *ssl, char *answer)
{
	int len = 0, n, status = 0;
	const char *body;
	size_t said = 0;

	while ((n = SSL_read(ssl, answer + len, ANSWER_MAX - 1 - len)) > 0)
		len += n;
	answer[len] = '\0';
	body = strstr(answer, "\r\n\r\n");
	if (!body || sscanf(answer, "HTTP/1.1 %d ", &status) != 1)
		return 0;
	answer = strstr(answer, "Content-Length: ");
	if (answer && answer < body)
		said = strtoul(answer + strlen("Content-Length: "), NULL, 10);
	return said == strlen(body + 4) ? status : 0;
}

static int converse(const struct load *load, SSL *ssl, char *answer)
{
	int len;

	if (SSL_connect(ssl) != 1)
		return 0;
	if (load->bare) {
		/* In TLS 1.3 the server is done later than we are. */
		SSL_read(ssl, answer, 1);
		return 200;
	}
	len = snprintf(answer, ANSWER_MAX, REQUEST, strlen(BODY), BODY);
	if (SSL_write(ssl, answer, len) != len)
		return 0;
	return take_answer(ssl, answer);
}

static int ask(const struct load *load, const struct load_app *app,
	       char *answer)
{
	SSL *ssl = SSL_new(app->ctx);
	int status = 0, fd = dial(load);

	*answer = '\0';
	if (fd >= 0) {
		SSL_set_fd(ssl, fd);
		status = converse(load, ssl, answer);
		close(fd);
	}
	SSL_free(ssl);
	ERR_clear_error();
	return status;
}

static void keep_refusal(struct work *work, const char *answer)
{
	const char *body = strstr(answer, "\r\n\r\n{");

	if (body && !atomic_flag_test_and_set(&work->said))
		snprintf(work->result->said, LOAD_SAID, "%s", body + 4);
}

static void note(struct work *work, const struct load_app *app, int status,
		 double seconds)
{
	if (status != 200) {
		atomic_fetch_add(status ? &work->refused : &work->failed, 1);
		return;
	}
	work->result->us[atomic_fetch_add(&work->given, 1)] =
		(uint32_t)(seconds * 1e6);
	if (work->load->given) {
		fprintf(work->load->given, "%s\n", app->evidence);
		fflush(work->load->given);
	}
}

static void *client(void *arg)
{
	char *answer = malloc(ANSWER_MAX);
	struct work *work = arg;
	struct load_app own;
	const struct load_app *app;
	double start;
	int status;
	long i;

	while ((i = atomic_fetch_add(&work->next, 1)) < work->nr) {
		if (work->load->fresh)
			load_app_make(&own, work->load->first + i);
		app = work->load->fresh ? &own : &work->apps[i % work->nr_apps];
		start = load_now();
		status = ask(work->load, app, answer);
		if (status != 200)
			keep_refusal(work, answer);
		note(work, app, status, load_now() - start);
		if (work->load->fresh)
			load_app_end(&own);
	}
	free(answer);
	return NULL;
}

static void run(struct work *work)
{
	unsigned int i, nr = work->load->clients;
	pthread_t *threads = calloc(nr, sizeof(*threads));

	for (i = 0; i < nr; i++)
		load_need(!pthread_create(&threads[i], NULL, client, work),
			  "no threads");
	for (i = 0; i < nr; i++)
		pthread_join(threads[i], NULL);
	free(threads);
}

void load_ask(const struct load *load, const struct load_app *apps,
	      size_t nr_apps, long nr, struct load_result *result)
{
	struct work work = {
		.load = load, .apps = apps, .nr_apps = nr_apps, .nr = nr,
		.result = result,
	};
	double cpu = load->server ? load_cpu(load->server) : 0;
	double start = load_now();

	result->us = malloc(nr * sizeof(*result->us));
	*result->said = '\0';
	run(&work);
	result->seconds = load_now() - start;
	result->cpu = load->server ? load_cpu(load->server) - cpu : 0;
	result->given = work.given;
	result->refused = work.refused;
	result->failed = work.failed;
}
