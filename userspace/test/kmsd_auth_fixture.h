/* SPDX-License-Identifier: MIT */
/*
 * A server on the loopback that keeps connections and says what a test wants
 *
 * Copyright The dstack for Linux authors
 */
#ifndef KMSD_AUTH_FIXTURE_H
#define KMSD_AUTH_FIXTURE_H

#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "../kmsd/auth/auth.h"

#define WEB_HEARD_MAX	16384
#define WEB_OPEN_MAX	64
#define WEB_NOW		1800000000ULL

struct web {
	pthread_t thread;
	int listener;
	char url[64];
	/* The whole answer goes to @fd; false: the connection ends. */
	bool (*answer)(int fd, const char *request);
	atomic_int connections, requests, live;
	pthread_mutex_t lock;
	int open[WEB_OPEN_MAX];		/* descriptors + 1 */
	char heard[WEB_HEARD_MAX];	/* the last request */
};

static inline bool web_send(int fd, const char *data, size_t len)
{
	ssize_t nr;

	while (len && (nr = send(fd, data, len, MSG_NOSIGNAL)) > 0) {
		data += nr;
		len -= nr;
	}
	return !len;
}

static inline bool web_reply(int fd, const char *status, const void *body,
			     size_t len)
{
	char head[256];

	snprintf(head, sizeof(head), "HTTP/1.1 %s\r\nContent-Length: %zu\r\n\r\n",
		 status, len);
	return web_send(fd, head, strlen(head)) && web_send(fd, body, len);
}

/* The whole request, as long as it says that it is. */
static inline bool web_hear(int fd, char *text)
{
	size_t len = 0, want;
	const char *body, *field;
	ssize_t nr;

	while (len < WEB_HEARD_MAX - 1) {
		nr = recv(fd, text + len, WEB_HEARD_MAX - 1 - len, 0);
		if (nr <= 0)
			return false;
		len += nr;
		text[len] = 0;
		body = strstr(text, "\r\n\r\n");
		field = strstr(text, "Content-Length: ");
		want = field ? strtoul(field + 16, NULL, 10) : 0;
		if (body && strlen(body + 4) >= want)
			return true;
	}
	return false;
}

/* Puts @to where @from was; the test fails if all are in use. */
static inline void web_swap(struct web *web, int from, int to)
{
	size_t i = 0;

	pthread_mutex_lock(&web->lock);
	while (i < WEB_OPEN_MAX && web->open[i] != from)
		i++;
	if (i == WEB_OPEN_MAX)
		abort();
	web->open[i] = to;
	if (from)
		close(from - 1);
	pthread_mutex_unlock(&web->lock);
}

struct web_talk {
	struct web *web;
	int fd;
};

static inline void *web_talk(void *arg)
{
	struct web_talk *talk = arg;
	struct web *web = talk->web;
	char *request = malloc(WEB_HEARD_MAX);

	while (web_hear(talk->fd, request)) {
		web->requests++;
		pthread_mutex_lock(&web->lock);
		memcpy(web->heard, request, WEB_HEARD_MAX);
		pthread_mutex_unlock(&web->lock);
		if (!web->answer(talk->fd, request))
			break;
	}
	web_swap(web, talk->fd + 1, 0);
	free(request);
	free(talk);
	web->live--;
	return NULL;
}

static inline void *web_serve(void *arg)
{
	struct web *web = arg;
	struct web_talk *talk;
	pthread_t thread;
	int fd;

	while ((fd = accept(web->listener, NULL, NULL)) >= 0) {
		web->connections++;
		web->live++;
		web_swap(web, 0, fd + 1);
		talk = malloc(sizeof(*talk));
		*talk = (struct web_talk){ web, fd };
		if (pthread_create(&thread, NULL, web_talk, talk))
			abort();
		pthread_detach(thread);
	}
	return NULL;
}

static inline void web_listen(struct web *web, int family, void *at,
			      socklen_t len)
{
	pthread_mutex_init(&web->lock, NULL);
	web->listener = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (bind(web->listener, at, len) || listen(web->listener, 64) ||
	    pthread_create(&web->thread, NULL, web_serve, web))
		abort();
}

static inline void web_start(struct web *web)
{
	struct sockaddr_in at = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	socklen_t len = sizeof(at);

	web_listen(web, AF_INET, &at, len);
	if (getsockname(web->listener, (void *)&at, &len))
		abort();
	snprintf(web->url, sizeof(web->url), "http://127.0.0.1:%d",
		 ntohs(at.sin_port));
}

static inline void web_stop(struct web *web)
{
	size_t i;

	shutdown(web->listener, SHUT_RDWR);
	pthread_join(web->thread, NULL);
	close(web->listener);
	/* A test that failed has not closed its own. */
	pthread_mutex_lock(&web->lock);
	for (i = 0; i < WEB_OPEN_MAX; i++)
		if (web->open[i])
			shutdown(web->open[i] - 1, SHUT_RDWR);
	pthread_mutex_unlock(&web->lock);
	while (web->live)
		usleep(1000);
	pthread_mutex_destroy(&web->lock);
}

/* What tests of configurations and of back ends share. */

static char said[8192];			/* lines, each with its end */

static inline void hear_line(const char *line)
{
	size_t len = strlen(said);

	snprintf(said + len, sizeof(said) - len, "%s\n", line);
}

static inline int config_of(const char *text, struct auth_config *config)
{
	struct app_json json = {
		.file = "kms.json", .object = "auth", .tell = hear_line,
	};
	yyjson_doc *doc;
	int err;

	said[0] = 0;
	err = app_json_open(&json, text, strlen(text), &doc);
	if (err)
		return err;
	err = auth_config_read(&json, config);
	yyjson_doc_free(doc);
	return err;
}

static inline struct auth_boot some_boot(void)
{
	struct auth_boot boot = {
		.tee_variant = "dstack-tdx", .tcb_status = "UpToDate",
		.instance_id.len = DSTACK_APP_ID_SIZE,
		.key_provider_info = "{\"name\":\"kms\",\"id\":\"00\"}",
		.advisories = "INTEL-SA-00837,INTEL-SA-00960",
	};

	memset(boot.app_id, 0xa1, sizeof(boot.app_id));
	memset(boot.compose_hash, 0xc2, 32);
	memset(boot.os_image_hash, 0x53, 32);
	memset(boot.device_id, 0xd4, 32);
	memset(boot.mr_system, 0x15, 32);
	memset(boot.mr_aggregated, 0x16, 32);
	memset(boot.instance_id.data, 0x17, DSTACK_APP_ID_SIZE);
	return boot;
}

#endif /* KMSD_AUTH_FIXTURE_H */
