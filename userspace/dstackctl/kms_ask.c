// SPDX-License-Identifier: MIT
/*
 * One request to a KMS on this machine, at its operator's socket
 *
 * Copyright The dstack for Linux authors
 */
#include "kms_admin.h"

#include <curl/curl.h>
#include <errno.h>

#define ANSWER_MAX	(32U << 20)	/* evidence, in hex */
#define SECONDS		60L
#define SHOWN		600		/* bytes of a reason */
#define IDENTITY \
	"'dstackctl kms identity' says what to allow in the contract"

struct answer {
	char *data;
	size_t len;
	long status;
};

/* What a person does about what a KMS says: a part of that, and the hint. */
static const struct {
	const char *said, *hint;
} hints[] = {
	{
		"no keys",
		"'dstackctl kms bootstrap DOMAIN' makes some, 'dstackctl kms onboard URL DOMAIN' takes over another KMS's",
	},
	{
		"has its keys already",
		"'dstackctl kms status' shows them; keys are made once",
	},
	{ "OS image is not allowed", IDENTITY },
	{ "Aggregated MR not allowed", IDENTITY },
	{ "not allowed to boot on this device", IDENTITY },
	{
		"nobody says whether",
		"look at \"auth\" of dstack-kms.json, and at the servers that it names",
	},
	{
		"key epoch lives than",
		"'dstackctl contract key-epoch announce' does",
	},
	{
		"is the newest",
		"'dstackctl kms epoch start' does",
	},
	{
		"is not ours",
		"Documentation/admin-guide/kms.rst, \"Key epochs\", says how this comes about",
	},
	{
		"can't be asked",
		"is that the other KMS's address, and does it serve?",
	},
	{ NULL, NULL }
};

static size_t receive(char *data, size_t size, size_t nr, void *arg)
{
	struct answer *answer = arg;
	size_t len = size * nr;
	char *more;

	if (len > ANSWER_MAX - answer->len)
		return 0;
	more = realloc(answer->data, answer->len + len + 1);
	if (!more)
		return 0;
	memcpy(more + answer->len, data, len);
	answer->data = more;
	answer->len += len;
	more[answer->len] = '\0';
	return len;
}

static CURLcode perform(const char *socket, const char *url, const char *body,
			struct answer *answer)
{
	CURL *curl = curl_easy_init();
	CURLcode code = CURLE_OUT_OF_MEMORY;

	if (!curl)
		return code;
	curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, socket);
	curl_easy_setopt(curl, CURLOPT_URL, url);
	curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body);
	curl_easy_setopt(curl, CURLOPT_PROXY, "");
	curl_easy_setopt(curl, CURLOPT_TIMEOUT, SECONDS);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, receive);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, answer);
	code = curl_easy_perform(curl);
	curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &answer->status);
	curl_easy_cleanup(curl);
	return code;
}

/* It is another program's text: no terminal obeys it. */
static int refused(const char *socket, const struct answer *answer,
		   const json_t *json)
{
	const char *text = json_string_value(json_object_get(json, "error"));
	size_t i, len;

	if (answer->status == 403) {
		error_msg("the KMS at '%s' is for root, and in no container",
			  socket);
		return -EPERM;
	}
	if (!text || !*text) {
		error_msg("what is at '%s' is no KMS's admin socket (HTTP %ld)",
			  socket, answer->status);
		return -EPROTO;
	}
	len = strlen(text);
	fputs("dstackctl: the KMS says: ", stderr);
	print_safe(stderr, text, len < SHOWN ? len : SHOWN);
	fputc('\n', stderr);
	for (i = 0; hints[i].said; i++)
		if (strstr(text, hints[i].said)) {
			error_msg("%s", hints[i].hint);
			break;
		}
	return -EACCES;
}

static int unreachable(const char *socket, CURLcode code)
{
	if (code == CURLE_OPERATION_TIMEDOUT)
		error_msg("the KMS at '%s' has not answered in %ld s: 'dstackctl kms status' says whether it did what was asked",
			  socket, SECONDS);
	else
		error_msg("can't ask the KMS at '%s': %s: does dstack-kms run here, and is that in \"admin\" of its configuration?",
			  socket, curl_easy_strerror(code));
	return -EHOSTUNREACH;
}

static int read_answer(const char *socket, const struct answer *raw,
		       json_t **answer)
{
	json_t *json = raw->data ? json_loadb(raw->data, raw->len, 0, NULL) :
		NULL;

	if (raw->status == 200 && json_is_object(json)) {
		*answer = json;
		return 0;
	}
	if (raw->status == 200) {
		error_msg("what is at '%s' does not answer as a KMS does",
			  socket);
		json_decref(json);
		return -EPROTO;
	}
	refused(socket, raw, json);
	json_decref(json);
	return -EACCES;
}

int kms_admin_ask(const char *socket, const char *method, json_t *args,
		  json_t **answer)
{
	struct answer raw = { .data = NULL };
	char url[128], *body;
	CURLcode code;
	int err;

	snprintf(url, sizeof(url), "http://kms/prpc/%s?json", method);
	body = args ? json_dumps(args, JSON_COMPACT) : strdup("null");
	json_decref(args);
	if (!body) {
		error_msg("out of memory");
		return -ENOMEM;
	}
	code = perform(socket, url, body, &raw);
	free(body);
	err = code ? unreachable(socket, code) :
		read_answer(socket, &raw, answer);
	free(raw.data);
	return err;
}
