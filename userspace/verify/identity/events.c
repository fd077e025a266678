// SPDX-License-Identifier: MIT
/*
 * What dstack's own events say of a guest
 *
 * Copyright The dstack for Linux authors
 *
 * The boot ends with system-ready; what is recorded later may come from the
 * application, and is never identity.  As upstream's search takes the first
 * event of a name, a second one before the end is somebody's attempt.
 */
#include "identity.h"

#include <errno.h>
#include <string.h>

#define READY	"system-ready"

/* What of an identity an event fills, and how long it must be. */
static const struct {
	const char *name;
	size_t at, len;
	bool may_be_empty;
} fields[] = {
	{ "app-id", offsetof(struct libdstack_identity, app_id),
	  IDENT_APP_ID_SIZE, false },
	{ "compose-hash", offsetof(struct libdstack_identity, compose_hash),
	  IDENT_HASH_SIZE, false },
	{ "instance-id", offsetof(struct libdstack_identity, instance_id),
	  IDENT_APP_ID_SIZE, true },
	{ "os-image-hash", offsetof(struct libdstack_identity, os_image_hash),
	  IDENT_HASH_SIZE, false },
	{ "gpu-policy-hash",
	  offsetof(struct libdstack_identity, gpu_policy_hash),
	  IDENT_HASH_SIZE, false },
};

#define FIELDS	(sizeof(fields) / sizeof(fields[0]))
#define KEY_PROVIDER FIELDS	/* in the set of those seen */

static int wrong_size(const struct libdstack_event *event,
		      struct libdstack_failure *failure)
{
	return verify_fail(failure, REASON(MALFORMED),
			   "event '%s' has %zu bytes", event->name,
			   event->payload_len);
}

static int seen_twice(const struct libdstack_event *event,
		      struct libdstack_failure *failure)
{
	return verify_fail(failure, REASON(MISMATCH),
			   "event '%s' was recorded twice before the boot was complete",
			   event->name);
}

static int read_field(const struct libdstack_event *event, size_t i,
		      struct libdstack_identity *identity,
		      struct libdstack_failure *failure)
{
	struct libdstack_id *id = (void *)((char *)identity + fields[i].at);

	if (event->payload_len != fields[i].len &&
	    (event->payload_len || !fields[i].may_be_empty))
		return wrong_size(event, failure);
	id->len = event->payload_len;
	memcpy(id->data, event->payload, event->payload_len);
	return 0;
}

static int read_init_script(const struct libdstack_event *event,
			    struct libdstack_identity *identity,
			    struct libdstack_failure *failure)
{
	struct libdstack_id *id;

	if (event->payload_len != IDENT_HASH_SIZE)
		return wrong_size(event, failure);
	if (identity->nr_init_scripts == LIBDSTACK_INIT_SCRIPTS_MAX)
		return verify_fail(failure, REASON(MALFORMED),
				   "more than %d init scripts",
				   LIBDSTACK_INIT_SCRIPTS_MAX);
	id = &identity->init_scripts[identity->nr_init_scripts++];
	id->len = IDENT_HASH_SIZE;
	memcpy(id->data, event->payload, IDENT_HASH_SIZE);
	return 0;
}

int ident_key_provider(const void *text, size_t len,
		       struct libdstack_identity *identity,
		       struct libdstack_failure *failure)
{
	static const char *const names[] = { "name", "id", NULL };
	const char *name, *id;
	json_t *doc;
	int err = 0;

	if (len >= sizeof(identity->key_provider_info) ||
	    memchr(text, 0, len))
		return verify_fail(failure, REASON(MALFORMED),
				   "key-provider is no text of at most %zu bytes",
				   sizeof(identity->key_provider_info) - 1);
	doc = att_json(failure, text, len, 8, "key-provider");
	if (!doc)
		return failure->reason == REASON(MEMORY) ? -ENOMEM : -EBADMSG;
	name = json_string_value(json_object_get(doc, "name"));
	id = json_string_value(json_object_get(doc, "id"));
	if (att_members(doc, names) ||
	    !ident_copy(identity->key_provider, sizeof(identity->key_provider),
			name) ||
	    !ident_copy(identity->key_provider_id,
			sizeof(identity->key_provider_id), id) ||
	    strspn(id, "0123456789abcdefABCDEF") != strlen(id))
		err = verify_fail(failure, REASON(MALFORMED),
				  "key-provider is not {name, id}");
	memcpy(identity->key_provider_info, text, len);
	identity->key_provider_info[len] = '\0';
	json_decref(doc);
	return err;
}

bool ident_mr_key_provider(const struct libdstack_identity *identity,
			   uint8_t out[IDENT_HASH_SIZE])
{
	const char *text = identity->key_provider_info;
	struct libdstack_span part = ident_span(text, strlen(text));

	memset(out, 0, IDENT_HASH_SIZE);
	return !part.len || ident_sha256(&part, 1, out);
}

static size_t field_of(const struct libdstack_event *event)
{
	size_t i;

	for (i = 0; i < FIELDS; i++)
		if (!strcmp(fields[i].name, event->name))
			return i;
	return strcmp(event->name, "key-provider") ? FIELDS + 1 : KEY_PROVIDER;
}

/* @seen: a bit for each field that an event has filled. */
static int read_event(const struct libdstack_event *event, uint32_t *seen,
		      struct libdstack_identity *identity,
		      struct libdstack_failure *failure)
{
	size_t i = field_of(event);

	if (!strcmp(event->name, "init-script-hash"))
		return read_init_script(event, identity, failure);
	if (i > KEY_PROVIDER)
		return 0;
	if (*seen & 1U << i)
		return seen_twice(event, failure);
	*seen |= 1U << i;
	if (i == KEY_PROVIDER)
		return ident_key_provider(event->payload, event->payload_len,
					  identity, failure);
	return read_field(event, i, identity, failure);
}

int ident_read_events(const struct libdstack_log *log, bool boot,
		      struct libdstack_identity *identity,
		      struct libdstack_failure *failure)
{
	uint32_t seen = 0;
	size_t i;
	int err;

	for (i = 0; i < log->count; i++) {
		const struct libdstack_event *event = &log->events[i];

		if (!strcmp(event->name, READY)) {
			identity->ready = true;
			break;
		}
		err = read_event(event, &seen, identity, failure);
		if (err)
			return err;
	}
	/* Upstream reads all of these from the log of the whole boot. */
	if (boot) {
		*identity->key_provider_info = '\0';
		*identity->key_provider = '\0';
		*identity->key_provider_id = '\0';
	}
	return 0;
}
