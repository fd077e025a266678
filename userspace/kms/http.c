// SPDX-License-Identifier: MIT
/*
 * One request to one KMS, and nothing believed about how it answers
 *
 * Copyright The dstack for Linux authors
 *
 * By libcurl.  Time and sizes are bounded; there are no redirections, no
 * proxies, no other protocols, and no connection serves two requests, each of
 * which has its own idea of who the other side must be: but for who keeps a
 * connection, and with it that idea.
 */
#include "room.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "../rpc/wipe.h"

#define PATH		"/prpc"
#define URL_MAX		1024

static void *wipe_calloc(size_t nr, size_t size)
{
	void *data;

	if (size && nr > SIZE_MAX / size)
		return NULL;
	data = wipe_alloc(nr * size);
	return data ? memset(data, 0, nr * size) : NULL;
}

static char *wipe_strdup(const char *text)
{
	size_t size = strlen(text) + 1;
	char *copy = wipe_alloc(size);

	return copy ? memcpy(copy, text, size) : NULL;
}

int kms_init(void)
{
	return curl_global_init_mem(CURL_GLOBAL_DEFAULT, wipe_alloc, wipe_free,
				    wipe_realloc, wipe_strdup, wipe_calloc) ?
		-ENOMEM : 0;
}

/*
 * URLs
 */

static bool part_is(CURLU *url, CURLUPart part, const char *want)
{
	char *have = NULL;
	bool same;

	if (curl_url_get(url, part, &have, 0))
		return !want;
	same = want && !strcmp(have, want);
	curl_free(have);
	return same;
}

/* Whoever is between reads what is not https, and it has keys in it. */
static bool is_good(const char *text)
{
	CURLU *url = curl_url();
	bool good = url && strlen(text) < URL_MAX &&
		!curl_url_set(url, CURLUPART_URL, text, 0) &&
		part_is(url, CURLUPART_SCHEME, "https") &&
		part_is(url, CURLUPART_USER, NULL) &&
		part_is(url, CURLUPART_PASSWORD, NULL) &&
		part_is(url, CURLUPART_QUERY, NULL) &&
		part_is(url, CURLUPART_FRAGMENT, NULL);

	curl_url_cleanup(url);
	return good;
}

char *kms_url(struct kms_call *call, const char *method)
{
	size_t len = strlen(call->url);
	const char *path = PATH;
	char *whole;

	if (!is_good(call->url)) {
		kms_fail(call, -EINVAL,
			 "its URL is not of the form https://NAME:PORT");
		return NULL;
	}
	while (len && call->url[len - 1] == '/')
		len--;
	/* Some write the path as well. */
	if (len >= strlen(PATH) &&
	    !strncmp(call->url + len - strlen(PATH), PATH, strlen(PATH)))
		path = "";
	if (asprintf(&whole, "%.*s%s/%s?json", (int)len, call->url, path,
		     method) >= 0)
		return whole;
	kms_fail(call, -ENOMEM, "out of memory");
	return NULL;
}

/*
 * Requests
 */

static size_t keep(char *data, size_t size, size_t nr, void *arg)
{
	struct kms_body *body = arg;
	size_t len = size * nr;

	if (len > body->max - body->len) {
		body->too_large = true;
		return 0;
	}
	memcpy(body->data + body->len, data, len);
	body->len += len;
	return len;
}

static void set_limits(CURL *curl, const struct kms_call *call,
		       struct kms_body *body)
{
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS,
			 (long)(call->end - kms_now_ms()));
	curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "https");
	/* Not what the environment says either. */
	curl_easy_setopt(curl, CURLOPT_PROXY, "");
	curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, keep);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, body);
}

static int judge(struct kms_call *call, CURLcode code, const char *text,
		 const struct kms_body *body)
{
	if (!*text)
		text = curl_easy_strerror(code);
	/* Said by server.c, which knows more about it, or not. */
	if (code == CURLE_PEER_FAILED_VERIFICATION)
		return kms_fail(call, -EKEYREJECTED, "%s", text);
	if (call->why[0])
		return -EKEYREJECTED;
	if (body->too_large)
		return kms_fail(call, -EBADMSG,
				"its answer is larger than %zu bytes",
				body->max);
	if (code && body->status && code != CURLE_OPERATION_TIMEDOUT &&
	    code != CURLE_OUT_OF_MEMORY)
		return kms_fail(call, -EBADMSG, "its answer ends early: %s",
				text);
	switch (code) {
	case CURLE_OK:
		return 0;
	case CURLE_OUT_OF_MEMORY:
		return kms_fail(call, -ENOMEM, "out of memory");
	case CURLE_OPERATION_TIMEDOUT:
		return kms_fail(call, -EHOSTUNREACH,
				"it did not answer in time: %s", text);
	case CURLE_WEIRD_SERVER_REPLY:
	case CURLE_UNSUPPORTED_PROTOCOL:
		return kms_fail(call, -EBADMSG, "its answer is no HTTP: %s",
				text);
	default:
		return kms_fail(call, -EHOSTUNREACH, "can't be asked: %s",
				text);
	}
}

static int perform(struct kms_call *call, CURL *curl, struct kms_body *body)
{
	char text[CURL_ERROR_SIZE] = "";
	CURLcode code;

	curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, text);
	code = curl_easy_perform(curl);
	curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, NULL);
	curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &body->status);
	return judge(call, code, text, body);
}

/* Unless it is kept. */
static void hang_up(const struct kms_call *call, CURL *curl)
{
	if (curl != call->curl)
		curl_easy_cleanup(curl);
}

int kms_http_post(struct kms_call *call, const char *url, const void *data,
		  size_t len, struct kms_body *body)
{
	/* No "Expect": a KMS is not asked whether it would like to be asked. */
	struct curl_slist second = { (char[]){ "Expect:" }, NULL };
	struct curl_slist headers = {
		(char[]){ "Content-Type: application/json" }, &second
	};
	void *room = NULL;
	CURL *curl;
	int err;

	if (kms_now_ms() >= call->end)
		return kms_fail(call, -EHOSTUNREACH,
				"it did not answer in time");
	curl = call->curl ? call->curl : curl_easy_init();
	err = curl ? libdstack_secret_alloc(body->max, &room) : -ENOMEM;
	if (err) {
		hang_up(call, curl);
		return kms_fail(call, -ENOMEM, "out of memory");
	}
	body->data = room;
	set_limits(curl, call, body);
	curl_easy_setopt(curl, CURLOPT_URL, url);
	curl_easy_setopt(curl, CURLOPT_HTTPHEADER, &headers);
	curl_easy_setopt(curl, CURLOPT_POSTFIELDS, data);
	curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)len);
	err = kms_server_use(curl, call);
	if (!err)
		err = perform(call, curl, body);
	hang_up(call, curl);
	return err;
}

void kms_body_free(struct kms_body *body)
{
	libdstack_secret_free(body->data, body->max);
	body->data = NULL;
}
