// SPDX-License-Identifier: MIT
/*
 * Requests to servers that are not believed
 *
 * Copyright The dstack for Linux authors
 */
#include "http.h"

#include <curl/curl.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rpc.h"

#define IDLE_MAX	32	/* handles; each keeps its connection */
#define ORIGIN_MAX	256

/* A handle, and whom it was used to ask.  libcurl knows the rest of it. */
struct idle {
	void *curl;
	char origin[ORIGIN_MAX];
};

struct chain_pool {
	pthread_mutex_t lock;
	size_t nr;
	struct idle idle[IDLE_MAX];	/* who was used last is the last */
};

struct body {
	char *data;
	size_t len, room, max;
	bool too_large;
};

int chain_client_init(void)
{
	return curl_global_init(CURL_GLOBAL_DEFAULT) ? -ENOMEM : 0;
}

/*
 * Connections
 */

struct chain_pool *chain_pool_new(void)
{
	struct chain_pool *pool = calloc(1, sizeof(*pool));

	if (pool)
		pthread_mutex_init(&pool->lock, NULL);
	return pool;
}

void chain_pool_free(struct chain_pool *pool)
{
	if (!pool)
		return;
	while (pool->nr)
		curl_easy_cleanup(pool->idle[--pool->nr].curl);
	pthread_mutex_destroy(&pool->lock);
	free(pool);
}

static void name_origin(const struct chain_request *request, char *out)
{
	const char *host = strstr(request->url, "://");
	size_t len = host ? host + 3 - request->url : 0;

	len += strcspn(request->url + len, "/?#");
	snprintf(out, ORIGIN_MAX, "%.*s %s", (int)len, request->url,
		 request->socket ? request->socket : "");
}

static void drop(struct chain_pool *pool, size_t i)
{
	memmove(&pool->idle[i], &pool->idle[i + 1],
		(--pool->nr - i) * sizeof(pool->idle[0]));
}

/* One whose connection is to the same server, the last that was used. */
static CURL *take(struct chain_pool *pool, const char *origin)
{
	CURL *curl = NULL;
	size_t i;

	if (pool) {
		pthread_mutex_lock(&pool->lock);
		for (i = pool->nr; i-- && !curl;) {
			if (strcmp(pool->idle[i].origin, origin))
				continue;
			curl = pool->idle[i].curl;
			drop(pool, i);
		}
		pthread_mutex_unlock(&pool->lock);
	}
	return curl ? curl : curl_easy_init();
}

static void give(struct chain_pool *pool, CURL *curl, const char *origin)
{
	CURL *old = curl;
	struct idle *idle;

	if (pool) {
		old = NULL;
		/* Nothing of the request stays, its connection does. */
		curl_easy_reset(curl);
		pthread_mutex_lock(&pool->lock);
		if (pool->nr == IDLE_MAX) {
			old = pool->idle[0].curl;
			drop(pool, 0);
		}
		idle = &pool->idle[pool->nr++];
		idle->curl = curl;
		memcpy(idle->origin, origin, ORIGIN_MAX);
		pthread_mutex_unlock(&pool->lock);
	}
	curl_easy_cleanup(old);
}

/*
 * Requests
 */

static bool is_local(const char *host)
{
	return !strcmp(host, "127.0.0.1") || !strcmp(host, "[::1]") ||
	       !strcmp(host, "localhost");
}

bool chain_http_is_good(const struct chain_request *request)
{
	bool plain = request->plain || request->socket;
	char *scheme = NULL, *host = NULL;
	CURLU *url = curl_url();
	bool good = url && request->url &&
		!curl_url_set(url, CURLUPART_URL, request->url, 0) &&
		!curl_url_get(url, CURLUPART_SCHEME, &scheme, 0) &&
		!curl_url_get(url, CURLUPART_HOST, &host, 0) &&
		(!strcmp(scheme, "https") ||
		 (!strcmp(scheme, "http") && (plain || is_local(host))));

	curl_free(scheme);
	curl_free(host);
	curl_url_cleanup(url);
	return good;
}

static size_t keep(char *data, size_t size, size_t nr, void *arg)
{
	struct body *body = arg;
	size_t len = size * nr, room;
	char *more;

	if (len > body->max - body->len) {
		body->too_large = true;
		return 0;
	}
	if (len >= body->room - body->len) {
		room = 2 * (body->len + len) + 1;
		more = realloc(body->data, room);
		if (!more)
			return 0;
		body->data = more;
		body->room = room;
	}
	memcpy(body->data + body->len, data, len);
	body->len += len;
	body->data[body->len] = 0;
	return len;
}

static void set_limits(CURL *curl, const struct chain_request *request,
		       struct body *body)
{
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, request->timeout_ms);
	curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "https,http");
	/* Not what the environment says either. */
	curl_easy_setopt(curl, CURLOPT_PROXY, "");
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, keep);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, body);
	if (request->ca_file)
		curl_easy_setopt(curl, CURLOPT_CAINFO, request->ca_file);
}

static struct curl_slist *set_request(CURL *curl,
				      const struct chain_request *request)
{
	struct curl_slist *headers, *more;
	char accept[64];

	snprintf(accept, sizeof(accept), "Accept: %s",
		 request->accept ? request->accept : "*/*");
	headers = curl_slist_append(NULL, accept);
	curl_easy_setopt(curl, CURLOPT_URL, request->url);
	curl_easy_setopt(curl, CURLOPT_USERAGENT, request->agent);
	curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, request->socket);
	if (headers && request->body) {
		curl_easy_setopt(curl, CURLOPT_POSTFIELDS, request->body);
		more = curl_slist_append(headers,
					 "Content-Type: application/json");
		if (!more) {
			curl_slist_free_all(headers);
			return NULL;
		}
	}
	curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
	return headers;
}

/* Its own texts name the host, and no more of the URL. */
static int perform(CURL *curl, const struct body *body, struct chain_why *why)
{
	CURLcode code = curl_easy_perform(curl);
	long status = 0;

	curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
	if (body->too_large)
		return chain_fail(why, -EBADMSG,
				  "its answer is larger than %zu bytes",
				  body->max);
	if (code)
		return chain_fail(why, -EHOSTUNREACH, "it can't be asked: %s",
				  curl_easy_strerror(code));
	if (status < 200 || status > 299)
		return chain_fail(why, -EHOSTUNREACH,
				  "it answers with HTTP status %ld", status);
	return 0;
}

int chain_http_ask(struct chain_pool *pool,
		   const struct chain_request *request, char **reply,
		   size_t *len, struct chain_why *why)
{
	struct body body = { .max = request->max };
	char origin[ORIGIN_MAX] = "";
	struct curl_slist *headers;
	CURL *curl;
	int err;

	*reply = NULL;
	*len = 0;
	if (!chain_http_is_good(request))
		return chain_fail(why, -EINVAL,
				  "its URL is not https, nor http to this machine");
	name_origin(request, origin);
	curl = take(pool, origin);
	if (!curl)
		return chain_fail(why, -ENOMEM, "out of memory");
	set_limits(curl, request, &body);
	headers = set_request(curl, request);
	err = headers ? perform(curl, &body, why) :
		chain_fail(why, -ENOMEM, "out of memory");
	give(pool, curl, origin);
	curl_slist_free_all(headers);
	if (!err && !body.data) {
		body.data = calloc(1, 1);
		err = body.data ? 0 : chain_fail(why, -ENOMEM,
						 "out of memory");
	}
	if (err) {
		free(body.data);
		return err;
	}
	*reply = body.data;
	*len = body.len;
	return 0;
}

int chain_http_post(const struct chain_client *client, const char *url,
		    const char *body, char **reply, size_t *len,
		    struct chain_why *why)
{
	const struct chain_request request = {
		.url = url, .body = body, .ca_file = client->ca_file,
		.timeout_ms = client->timeout_ms, .max = CHAIN_REPLY_MAX,
	};

	return chain_http_ask(client->pool, &request, reply, len, why);
}
