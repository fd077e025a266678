// SPDX-License-Identifier: MIT
/*
 * One KMS after the other, until one gives what was asked for
 *
 * Copyright The dstack for Linux authors
 *
 * A person must hear why it was none.  That the last of five could not be
 * reached is not it if the first one said that this application is not allowed.
 */
#include "room.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define TIMEOUT_S	30
#define TOTAL_S		120
#define TELL_MAX	(KMS_WHY_MAX + 1200)
#define URL_SHOWN	1024

int64_t kms_now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

void kms_make_plain(char *text)
{
	for (; *text; text++)
		if (*text < ' ' || *text > '~')
			*text = '?';
}

int kms_fail(struct kms_call *call, int err, const char *fmt, ...)
{
	va_list args;

	if (!call->why[0]) {
		va_start(args, fmt);
		vsnprintf(call->why, sizeof(call->why), fmt, args);
		va_end(args);
		kms_make_plain(call->why);
	}
	return err;
}

static void tell(const struct kms *kms, const char *before,
		 const struct kms_call *call)
{
	char line[TELL_MAX], url[URL_SHOWN];

	snprintf(url, sizeof(url), "%s", call->url);
	kms_make_plain(url);
	snprintf(line, sizeof(line), "%sKMS '%s': %s", before, url,
		 call->why[0] ? call->why : strerror(-call->err));
	if (kms->tell)
		kms->tell(line);
}

static void say(const struct kms *kms, const char *line)
{
	if (kms->tell)
		kms->tell(line);
}

/* What a person has to mend first. */
static int weight(int err)
{
	switch (err) {
	case 0:
		return 0;
	case -EHOSTUNREACH:
		return 2;
	case -EBADMSG:
		return 3;
	case -EKEYREJECTED:
		return 4;
	case -EACCES:
		return 5;
	case -ENOMEM:
		return 6;
	default:
		return 1;
	}
}

static void ask_one(const struct kms *kms, size_t i, int64_t end,
		    int (*ask)(struct kms_call *call, void *arg), void *arg,
		    struct kms_call *call)
{
	int64_t one = kms->timeout_s ? kms->timeout_s : TIMEOUT_S;
	int64_t now = kms_now_ms();

	*call = (struct kms_call){
		.kms = kms, .url = kms->urls[i], .end = now + one * 1000,
	};
	if (call->end > end)
		call->end = end;
	if (now >= end)
		call->err = kms_fail(call, -EHOSTUNREACH,
				     "was not asked: there is no time left");
	else
		call->err = ask(call, arg);
	if (call->err)
		tell(kms, "", call);
}

int kms_run(const struct kms *kms,
	    int (*ask)(struct kms_call *call, void *arg), void *arg)
{
	int64_t all = kms->total_s ? kms->total_s : TOTAL_S;
	int64_t end = kms_now_ms() + all * 1000;
	struct kms_call call, first = { .err = 0 };
	size_t i;

	if (!kms->nr) {
		say(kms, "there is no KMS to ask: name one in kms_urls of .sys-config.json");
		return -EINVAL;
	}
	for (i = 0; i < kms->nr && first.err != -ENOMEM; i++) {
		ask_one(kms, i, end, ask, arg, &call);
		if (!call.err)
			return 0;
		if (weight(call.err) > weight(first.err))
			first = call;
	}
	if (kms->nr > 1)
		tell(kms, "no KMS gave what was asked for; look at this first: ",
		     &first);
	return first.err;
}
