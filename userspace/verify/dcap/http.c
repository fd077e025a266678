// SPDX-License-Identifier: MIT
/*
 * Ask a PCCS, and believe nothing about how it answers
 *
 * Copyright The dstack for Linux authors
 *
 * Sizes and the time of all requests together are bounded, redirections are
 * refused, and so is what is not HTTP.
 */
#include "source.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define DEFAULT_TIMEOUT_MS	30000
#define HEADER_BYTES_MAX	65536
#define CHAIN_MAX		32768	/* decoded */

struct dcap_http {
	CURL *curl;
	struct timespec end;
};

/* One reply, as far as it has come. */
struct body {
	char *data;
	size_t len, max;
	bool too_large;
	size_t headers;
};

static int unavailable(struct libdstack_failure *failure, const char *url,
		       const char *why)
{
	return verify_fail(failure, REASON(UNAVAILABLE), "%.140s: %s", url,
			   why);
}

static long ms_left(const struct dcap_http *http)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (http->end.tv_sec - now.tv_sec) * 1000 +
		(http->end.tv_nsec - now.tv_nsec) / 1000000;
}

static size_t keep(char *data, size_t size, size_t nr, void *arg)
{
	struct body *body = arg;
	size_t len = size * nr;
	char *more;

	if (len > body->max - body->len) {
		body->too_large = true;
		return 0;
	}
	more = realloc(body->data, body->len + len + 1);
	if (!more)
		return 0;
	memcpy(more + body->len, data, len);
	body->data = more;
	body->len += len;
	more[body->len] = '\0';
	return len;
}

static size_t count_header(char *data, size_t size, size_t nr, void *arg)
{
	struct body *body = arg;

	(void)data;
	body->headers += size * nr;
	body->too_large = body->headers > HEADER_BYTES_MAX;
	return body->too_large ? 0 : size * nr;
}

uint32_t dcap_http_timeout_ms(const struct libdstack_collateral_source *source)
{
	return source->timeout_ms ? source->timeout_ms : DEFAULT_TIMEOUT_MS;
}

struct dcap_http *dcap_http_open(const struct libdstack_collateral_source *src,
				 struct libdstack_failure *failure)
{
	uint32_t ms = dcap_http_timeout_ms(src);
	struct dcap_http *http = calloc(1, sizeof(*http));
	CURL *curl = curl_easy_init();

	if (!http || !curl) {
		curl_easy_cleanup(curl);
		free(http);
		verify_fail(failure, REASON(MEMORY), "out of memory");
		return NULL;
	}
	http->curl = curl;
	clock_gettime(CLOCK_MONOTONIC, &http->end);
	http->end.tv_sec += ms / 1000;
	http->end.tv_nsec += ms % 1000 * 1000000;
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, keep);
	curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, count_header);
	curl_easy_setopt(curl, CURLOPT_USERAGENT, "libdstack");
	if (src->ca_file)
		curl_easy_setopt(curl, CURLOPT_CAINFO, src->ca_file);
	return http;
}

void dcap_http_close(struct dcap_http *http)
{
	if (!http)
		return;
	curl_easy_cleanup(http->curl);
	free(http);
}

/*
 * Without TLS anybody in between could serve what was once true; so it is for
 * this machine, and *plain, and no proxy has a part in it.
 */
static bool is_safe(const char *url, bool *plain)
{
	char *scheme = NULL, *host = NULL;
	CURLU *parts = curl_url();
	bool safe = false;

	if (parts && !curl_url_set(parts, CURLUPART_URL, url, 0) &&
	    !curl_url_get(parts, CURLUPART_SCHEME, &scheme, 0) &&
	    !curl_url_get(parts, CURLUPART_HOST, &host, 0)) {
		*plain = !strcmp(scheme, "http");
		safe = !strcmp(scheme, "https") ||
			(*plain && (!strcmp(host, "127.0.0.1") ||
				    !strcmp(host, "[::1]") ||
				    !strcmp(host, "localhost")));
	}
	curl_free(scheme);
	curl_free(host);
	curl_url_cleanup(parts);
	return safe;
}

/* The only header of that name, its "%0A" and the like decoded. */
static bool get_chain(CURL *curl, const char *name, char **chain)
{
	struct curl_header *header;
	char *text;
	int len;

	if (curl_easy_header(curl, name, 0, CURLH_HEADER, -1, &header) ||
	    header->amount != 1)
		return false;
	text = curl_easy_unescape(curl, header->value, 0, &len);
	if (text && len > 0 && len <= CHAIN_MAX && strlen(text) == (size_t)len)
		*chain = strdup(text);
	curl_free(text);
	return *chain;
}

static int judge(struct dcap_http *http, const char *url, CURLcode code,
		 const struct body *body, struct libdstack_failure *failure)
{
	char why[64];
	long status = 0;

	if (body->too_large)
		return unavailable(failure, url, "the reply is too large");
	if (code)
		return unavailable(failure, url, curl_easy_strerror(code));
	curl_easy_getinfo(http->curl, CURLINFO_RESPONSE_CODE, &status);
	if (status == 200)
		return 0;
	snprintf(why, sizeof(why), status / 100 == 3 ?
		 "it redirects (HTTP %ld), which is refused" : "HTTP %ld",
		 status);
	return unavailable(failure, url, why);
}

int dcap_http_get(struct dcap_http *http, const char *url, const char *header,
		  size_t max, struct dcap_reply *reply,
		  struct libdstack_failure *failure)
{
	struct body body = { .max = max };
	CURL *curl = http->curl;
	long ms = ms_left(http);
	bool plain = false;
	CURLcode code;
	int err;

	memset(reply, 0, sizeof(*reply));
	if (!is_safe(url, &plain))
		return unavailable(failure, url,
				   "neither https nor on this machine");
	if (ms <= 0)
		return unavailable(failure, url, "out of time");
	curl_easy_setopt(curl, CURLOPT_URL, url);
	curl_easy_setopt(curl, CURLOPT_PROXY, plain ? "" : NULL);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, &body);
	curl_easy_setopt(curl, CURLOPT_HEADERDATA, &body);
	curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, ms);
	code = curl_easy_perform(curl);
	reply->data = body.data;
	reply->len = body.len;
	err = judge(http, url, code, &body, failure);
	if (!err && !reply->data)
		err = unavailable(failure, url, "an empty reply");
	if (!err && header && !get_chain(curl, header, &reply->chain))
		err = unavailable(failure, url,
				  "no header with the issuer's chain, or several");
	return err;
}

void dcap_reply_free(struct dcap_reply *reply)
{
	free(reply->data);
	free(reply->chain);
}
