// SPDX-License-Identifier: MIT
/*
 * Downloads of images
 *
 * Copyright The dstack for Linux authors
 *
 * Nothing is believed of who answers: what came is looked at by its hash.  So
 * only time and size matter, and that a request stays the one that was meant.
 */
#include <curl/curl.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "room.h"

#define URL_MAX		1024
#define ARCHIVE_MAX	(4ULL << 30)	/* bytes */
#define SLOW_BYTES	1024L		/* a second, for so many seconds: */
#define SLOW_S		30L

struct sink {
	int fd;
	uint64_t len;
	int err;
};

bool image_url_ok(const char *url)
{
	const char *place = strstr(url, IMAGE_URL_HASH);

	return strlen(url) < URL_MAX && place &&
		!strstr(place + 1, IMAGE_URL_HASH) &&
		(!strncmp(url, "https://", 8) || !strncmp(url, "http://", 7));
}

static char *url_of(const char *url, const char *hash)
{
	const char *place = strstr(url, IMAGE_URL_HASH);
	char *whole;

	return asprintf(&whole, "%.*s%s%s", (int)(place - url), url, hash,
			place + strlen(IMAGE_URL_HASH)) < 0 ? NULL : whole;
}

static size_t keep(char *data, size_t size, size_t nr, void *arg)
{
	struct sink *sink = arg;
	size_t len = size * nr, done = 0;
	ssize_t n;

	if (len > ARCHIVE_MAX - sink->len) {
		sink->err = -EFBIG;
		return 0;
	}
	while (done < len) {
		n = write(sink->fd, data + done, len - done);
		if (n < 0 && errno != EINTR) {
			sink->err = -errno;
			return 0;
		}
		done += n > 0 ? n : 0;
	}
	sink->len += len;
	return len;
}

static void set_limits(CURL *curl, const struct image_options *options,
		       struct sink *sink)
{
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_TIMEOUT, (long)options->seconds);
	curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, SLOW_BYTES);
	curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, SLOW_S);
	curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "https,http");
	/* Not what the environment says either. */
	curl_easy_setopt(curl, CURLOPT_PROXY, "");
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, keep);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, sink);
}

/* libcurl's own texts name the host, and no more of the URL. */
static int judge(CURL *curl, CURLcode code, const struct sink *sink,
		 struct image_why *why)
{
	long status = 0;

	curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
	if (sink->err == -EFBIG)
		return image_fail(why, -EBADMSG,
				  "what is offered as it is larger than %llu bytes",
				  ARCHIVE_MAX);
	if (sink->err)
		return image_fail(why, sink->err, "it can't be stored: %s",
				  strerror(-sink->err));
	if (code)
		return image_fail(why, -EHOSTUNREACH,
				  "it can't be fetched: %s",
				  curl_easy_strerror(code));
	if (status == 404)
		return image_fail(why, -ENOENT,
				  "it is neither here nor where images are fetched from");
	return status == 200 ? 0 :
		image_fail(why, -EHOSTUNREACH,
			   "it can't be fetched: HTTP status %ld", status);
}

int image_fetch(const struct image_options *options, const char *hash, int fd,
		struct image_why *why)
{
	struct sink sink = { .fd = fd };
	char *url = url_of(options->url, hash);
	CURL *curl = curl_easy_init();
	int err;

	if (url && curl) {
		set_limits(curl, options, &sink);
		curl_easy_setopt(curl, CURLOPT_URL, url);
		err = judge(curl, curl_easy_perform(curl), &sink, why);
	} else {
		err = image_fail(why, -ENOMEM, "out of memory");
	}
	curl_easy_cleanup(curl);
	free(url);
	return err;
}
