// SPDX-License-Identifier: MIT
/*
 * Policies that a host shares with a guest that follows a contract
 *
 * Copyright The dstack for Linux authors
 *
 * What is left of one, and one that gets the application's id, is a policy of
 * the same epoch, in which nothing else has changed.
 */
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "../follow/follow.h"

/* main.c's, with nobody to read them. */
void follow_say(const char *fmt, ...)
{
	must(*fmt);
}

void follow_tell(const char *line)
{
	must(*line);
}

static const uint8_t app_id[APP_ID_SIZE] = { 0xab };

static bool is_app_id(const uint8_t *id)
{
	return !memcmp(id, app_id, APP_ID_SIZE);
}

static struct libdstack_policy *read_again(const struct follow_document *from)
{
	uint8_t digest[DSTACK_DIGEST_SIZE];
	struct libdstack_policy *policy;

	must(from->text);
	must(!libdstack_policy_parse(from->text, strlen(from->text), &policy));
	must(!libdstack_policy_digest(policy, digest) &&
	     !memcmp(digest, from->digest, sizeof(digest)));
	return policy;
}

static int is_host(const struct libdstack_section *section, void *arg)
{
	*(size_t *)arg += 1;
	must(!strcmp(section->name, DSTACK_HOST_ID));
	return 0;
}

static void withdraw(const struct follow_document *from)
{
	struct libdstack_policy *before = read_again(from), *after;
	struct follow_document left;
	size_t sections = 0;

	if (!follow_document_withdraw(from, &left)) {
		after = read_again(&left);
		must(!libdstack_policy_each_section(after, is_host, &sections));
		must(sections <= 1);
		must(libdstack_policy_epoch(after) ==
		     libdstack_policy_epoch(before));
		must(!memcmp(libdstack_policy_app_id(after),
			     libdstack_policy_app_id(before), APP_ID_SIZE));
		libdstack_policy_free(after);
		follow_document_free(&left);
	} else {
		must(!left.text);
	}
	libdstack_policy_free(before);
}

static void complete(const char *text)
{
	struct follow_document document;
	struct libdstack_policy *policy;

	if (follow_document_complete(text, app_id, &document)) {
		must(!document.text);
		return;
	}
	policy = read_again(&document);
	must(is_app_id(libdstack_policy_app_id(policy)) ||
	     strstr(text, "app_id") || strchr(text, '\\'));
	libdstack_policy_free(policy);
	withdraw(&document);
	follow_document_free(&document);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct follow_document document;
	char *text = strndup((const char *)data, len);

	must(text);
	complete(text);
	if (!follow_document_take(text, &document)) {
		withdraw(&document);
		follow_document_free(&document);
	}
	return 0;
}

#define HEAD	"{\"version\":1,\"epoch\":7,"
#define OF_APP	"\"app_id\":\"abababababababababababababababababababab\","
#define HOST	"\"host\":{\"allow\":[],\"measure\":\"first\"}"
#define WEB	"\"web\":{\"allow\":[],\"revoked\":\"kill\"}"

void fuzz_seeds(void)
{
	fuzz_seed_text(HEAD "\"containers\":{" HOST "," WEB "}}");
	fuzz_seed_text(HEAD OF_APP "\"containers\":{" HOST "," WEB "}}");
	fuzz_seed_text(HEAD OF_APP "\"containers\":{" WEB "}}");
	fuzz_seed_text(" " HEAD "\"containers\":{}}");
}
