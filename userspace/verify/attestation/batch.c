// SPDX-License-Identifier: MIT
/*
 * A part of a batch of report data that share a quote
 *
 * Copyright The dstack for Linux authors
 */
#include "attestation.h"

#include <errno.h>
#include <libdstack_batch.h>
#include <openssl/crypto.h>
#include <string.h>

#define BATCH_VALUES	64U	/* of a reply, the log being a text */

static int malformed(struct libdstack_failure *failure, const char *what)
{
	verify_fail(failure, REASON(MALFORMED), "batch: %s", what);
	verify_step(failure, "batch format");
	return -EBADMSG;
}

static bool get_u64(const json_t *obj, const char *name, uint64_t *out)
{
	const json_t *value = json_object_get(obj, name);

	*out = json_integer_value(value);
	return json_is_integer(value) && json_integer_value(value) >= 0;
}

static bool get_id(const json_t *value, char id[DSTACK_ID_SIZE])
{
	size_t len = json_string_length(value);

	if (!json_is_string(value) || !len || len >= DSTACK_ID_SIZE ||
	    strlen(json_string_value(value)) != len)
		return false;
	memcpy(id, json_string_value(value), len);
	return true;
}

static bool get_path(const json_t *list, struct libdstack_batch *part)
{
	const json_t *value;
	size_t i;

	if (!json_is_array(list) ||
	    json_array_size(list) > LIBDSTACK_BATCH_DEPTH)
		return false;
	part->nr = json_array_size(list);
	json_array_foreach(list, i, value)
		if (!att_hex_fixed(value, part->path[i],
				   sizeof(part->path[i])))
			return false;
	return true;
}

static bool get_program(const json_t *value, struct dstack_digest *digest)
{
	return json_is_string(value) &&
		libdstack_digest_from_text(json_string_value(value), digest);
}

/* NULL, or what is wrong. */
static const char *read_part(const json_t *obj, struct libdstack_batch *part)
{
	static const char *const names[] = {
		"index", "count", "path", "container", "salt", "report_data",
		"program", "policy_epoch", NULL
	};
	const char *wrong = att_members(obj, names);

	if (wrong)
		return wrong;
	if (!get_u64(obj, "index", &part->index) ||
	    !get_u64(obj, "count", &part->count) ||
	    !get_u64(obj, "policy_epoch", &part->epoch))
		return "index, count and policy_epoch are numbers";
	if (part->count > LIBDSTACK_BATCH_MAX || part->index >= part->count)
		return "count is at most 1024, and index less than that";
	if (!get_path(json_object_get(obj, "path"), part))
		return "path is up to ten hashes, each 64 hex digits";
	if (!get_id(json_object_get(obj, "container"), part->id))
		return "container is an id";
	if (!att_hex_fixed(json_object_get(obj, "salt"), part->salt,
			   sizeof(part->salt)) ||
	    !att_hex_fixed(json_object_get(obj, "report_data"),
			   part->report_data, sizeof(part->report_data)))
		return "salt is 64 hex digits, report_data 128";
	if (!get_program(json_object_get(obj, "program"), &part->program))
		return "program is a digest as policies have them";
	return NULL;
}

int libdstack_batch_parse(const char *text, size_t len,
			  struct libdstack_batch *part,
			  struct libdstack_failure *failure)
{
	const char *wrong = NULL;
	json_t *doc, *inner;

	memset(part, 0, sizeof(*part));
	memset(failure, 0, sizeof(*failure));
	if (len > LIBDSTACK_BATCH_FILE_MAX)
		return malformed(failure, "it is larger than 32 MiB");
	doc = att_json(failure, text, len, BATCH_VALUES, "batch");
	if (!doc)
		return failure->reason == REASON(MEMORY) ? -ENOMEM : -EBADMSG;
	inner = json_object_get(doc, "batch");
	wrong = read_part(inner ? inner : doc, part);
	if (wrong)
		malformed(failure, wrong);
	json_decref(doc);
	return wrong ? -EBADMSG : 0;
}

static int refuse(struct libdstack_failure *failure, const char *step,
		  const char *why)
{
	int err = verify_fail(failure, REASON(MISMATCH), "%s", why);

	verify_step(failure, step);
	return err;
}

static int check_wanted(const struct libdstack_batch *part,
			const struct libdstack_batch_wanted *wanted,
			struct libdstack_failure *failure)
{
	if (wanted->id && strcmp(wanted->id, part->id))
		return refuse(failure, "batch container",
			      "another container asked for this part");
	if (wanted->report_data &&
	    CRYPTO_memcmp(wanted->report_data, part->report_data,
			  sizeof(part->report_data)))
		return refuse(failure, "batch report data",
			      "the part carries other data: it was made for somebody else, or is replayed");
	if (wanted->program &&
	    (wanted->program->alg != part->program.alg ||
	     memcmp(wanted->program->value, part->program.value,
		    sizeof(part->program.value))))
		return refuse(failure, "batch program",
			      "another program vouches for the batch");
	return 0;
}

int libdstack_batch_check(const struct libdstack_batch *part,
			  const struct libdstack_batch_wanted *wanted,
			  const uint8_t report_data[DSTACK_REPORT_DATA_SIZE],
			  struct libdstack_failure *failure)
{
	uint8_t own[DSTACK_REPORT_DATA_SIZE];
	int err;

	memset(failure, 0, sizeof(*failure));
	err = check_wanted(part, wanted, failure);
	if (err)
		return err;
	err = libdstack_batch_report_data(part, own);
	if (err == -EBADMSG)
		return malformed(failure, "its path has not the length that index and count have");
	if (err) {
		verify_fail(failure, REASON(MEMORY), "no memory");
		return -ENOMEM;
	}
	if (memcmp(own, report_data, sizeof(own)))
		return refuse(failure, "batch path",
			      "the part does not lead to what the quote carries: it is of another batch, or something of it was changed");
	return 0;
}
