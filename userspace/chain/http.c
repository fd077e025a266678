// SPDX-License-Identifier: MIT
/*
 * One request to one server of a chain
 *
 * Copyright The dstack for Linux authors
 *
 * By libcurl.  Time and sizes are bounded; there are no redirections, proxies
 * or other protocols.  Over plain HTTP only this machine is asked.
 */
#include <curl/curl.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "rpc.h"

struct body {
	char *data;
	size_t len, room;
	bool too_large;
};

int chain_client_init(void)
{
	return curl_global_init(CURL_GLOBAL_DEFAULT) ? -ENOMEM : 0;
}

static bool is_local(const char *host)
{
	return !strcmp(host, "127.0.0.1") || !strcmp(host, "[::1]") ||
	       !strcmp(host, "localhost");
}

static bool is_good(const char *text)
{
	char *scheme = NULL, *host = NULL;
	CURLU *url = curl_url();
	bool good = url && !curl_url_set(url, CURLUPART_URL, text, 0) &&
		!curl_url_get(url, CURLUPART_SCHEME, &scheme, 0) &&
		!curl_url_get(url, CURLUPART_HOST, &host, 0) &&
		(!strcmp(scheme, "https") ||
		 (!strcmp(scheme, "http") && is_local(host)));

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

	if (len > CHAIN_REPLY_MAX - body->len) {
		body->too_large = true;
		return 0;
	}
	if (len > body->room - body->len) {
		room = 2 * (body->len + len);
		more = realloc(body->data, room);
		if (!more)
			return 0;
		body->data = more;
		body->room = room;
	}
	if (len)
		memcpy(body->data + body->len, data, len);
	body->len += len;
	return len;
}

static void set_limits(CURL *curl, const struct chain_client *client,
		       struct body *body)
{
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, client->timeout_ms);
	curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "https,http");
	/* Not what the environment says either. */
	curl_easy_setopt(curl, CURLOPT_PROXY, "");
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, keep);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, body);
	if (client->ca_file)
		curl_easy_setopt(curl, CURLOPT_CAINFO, client->ca_file);
}

/* Its own texts name the host, and no more of the URL. */
static int perform(CURL *curl, const struct body *body, struct chain_why *why)
{
	CURLcode code = curl_easy_perform(curl);
	long status = 0;

	curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
	if (body->too_large)
		return chain_fail(why, -EBADMSG,
				  "its answer is larger than %u bytes",
				  CHAIN_REPLY_MAX);
	if (code)
		return chain_fail(why, -EHOSTUNREACH, "it can't be asked: %s",
				  curl_easy_strerror(code));
	if (status != 200)
		return chain_fail(why, -EHOSTUNREACH,
				  "it answers with HTTP status %ld", status);
	return 0;
}

int chain_http_post(const struct chain_client *client, const char *url,
		    const char *text, char **reply, size_t *len,
		    struct chain_why *why)
{
	struct curl_slist headers = {
		(char[]){ "Content-Type: application/json" }, NULL
	};
	struct body body = { .data = NULL };
	CURL *curl;
	int err;

	*reply = NULL;
	if (!is_good(url))
		return chain_fail(why, -EINVAL,
				  "its URL is not https, nor http to this machine");
	curl = curl_easy_init();
	if (!curl)
		return chain_fail(why, -ENOMEM, "out of memory");
	set_limits(curl, client, &body);
	curl_easy_setopt(curl, CURLOPT_URL, url);
	curl_easy_setopt(curl, CURLOPT_HTTPHEADER, &headers);
	curl_easy_setopt(curl, CURLOPT_POSTFIELDS, text);
	err = perform(curl, &body, why);
	curl_easy_cleanup(curl);
	if (err) {
		free(body.data);
		return err;
	}
	*reply = body.data;
	*len = body.len;
	return 0;
}
