// SPDX-License-Identifier: MIT
/*
 * One line of what a KMS gave
 *
 * Copyright The dstack for Linux authors
 */
#include "audit_line.h"

#include <errno.h>
#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>
#include <yyjson.h>

#define HEX_MAX	(2 * AUDIT_HASH_SIZE + 1)

/* A document that is being made; once there is no memory it stays so. */
struct line {
	yyjson_mut_doc *doc;
	yyjson_mut_val *object;
	bool failed;
};

static void put(struct line *line, const char *name, yyjson_mut_val *value)
{
	if (!value || !yyjson_mut_obj_add_val(line->doc, line->object, name,
					      value))
		line->failed = true;
}

static void put_text(struct line *line, const char *name, const char *text)
{
	put(line, name, yyjson_mut_strcpy(line->doc, text));
}

static void put_number(struct line *line, const char *name, uint64_t value)
{
	put(line, name, yyjson_mut_uint(line->doc, value));
}

static void put_hex(struct line *line, const char *name, const void *data,
		    size_t len)
{
	char hex[HEX_MAX];

	put_text(line, name, libdstack_to_hex(data, len, hex));
}

static void put_boot(struct line *line, const struct auth_boot *boot)
{
	put_text(line, "tee", boot->tee_variant);
	put_hex(line, "app_id", boot->app_id, sizeof(boot->app_id));
	put_hex(line, "instance_id", boot->instance_id.data,
		boot->instance_id.len);
	put_hex(line, "compose_hash", boot->compose_hash,
		sizeof(boot->compose_hash));
	put_hex(line, "os_image_hash", boot->os_image_hash,
		sizeof(boot->os_image_hash));
	put_hex(line, "device_id", boot->device_id, sizeof(boot->device_id));
	put_hex(line, "mr_system", boot->mr_system, sizeof(boot->mr_system));
	put_hex(line, "mr_aggregated", boot->mr_aggregated,
		sizeof(boot->mr_aggregated));
	put_text(line, "tcb_status", boot->tcb_status);
}

static void put_verdict(struct line *line, const struct auth_verdict *verdict)
{
	put_text(line, "by", auth_how_name(verdict->how));
	if (verdict->block.number) {
		put_number(line, "block", verdict->block.number);
		put_hex(line, "block_hash", verdict->block.hash,
			sizeof(verdict->block.hash));
	}
	if (verdict->policy_epoch) {
		put_number(line, "policy_epoch", verdict->policy_epoch);
		put_hex(line, "policy_root", verdict->policy_root,
			sizeof(verdict->policy_root));
	}
}

static void put_entry(struct line *line, const struct audit_entry *entry)
{
	const struct auth_verdict *verdict = entry->verdict;
	const char *refused = entry->refused ? entry->refused :
		verdict->allowed ? NULL : verdict->reason;

	put_number(line, "time", entry->time);
	put_text(line, "method", entry->method);
	put_text(line, "from", entry->from);
	put_boot(line, entry->boot);
	put_hex(line, "evidence", entry->evidence, sizeof(entry->evidence));
	put_verdict(line, verdict);
	if (entry->moved_from) {
		put_hex(line, "moved_from", entry->moved_from,
			sizeof(entry->boot->device_id));
		put_number(line, "moved_s", entry->moved_s);
	}
	if (refused)
		put_text(line, "refused", refused);
	else
		put_number(line, "key_epoch", entry->epoch);
}

static int finish(struct line *line, char **text, size_t *len)
{
	*text = line->failed ? NULL :
		yyjson_mut_write(line->doc, YYJSON_WRITE_NEWLINE_AT_END |
				 YYJSON_WRITE_ESCAPE_UNICODE, len);
	if (!*text)
		return -ENOMEM;
	if (*len <= AUDIT_LINE_MAX)
		return 0;
	free(*text);
	return -EMSGSIZE;
}

int audit_line_write(const struct audit_entry *entry, struct audit_head *head,
		     char **text, size_t *len)
{
	struct line line = { .doc = yyjson_mut_doc_new(NULL) };
	int err;

	if (!line.doc)
		return -ENOMEM;
	line.object = yyjson_mut_obj(line.doc);
	yyjson_mut_doc_set_root(line.doc, line.object);
	put_number(&line, "line", head->lines + 1);
	put_hex(&line, "before", head->hash, sizeof(head->hash));
	put_entry(&line, entry);
	err = finish(&line, text, len);
	yyjson_mut_doc_free(line.doc);
	if (err)
		return err;
	head->lines++;
	SHA256((const uint8_t *)*text, *len - 1, head->hash);
	return 0;
}

/* What is said of the line before it. */
static bool read_link(const char *text, size_t len, struct audit_head *before)
{
	yyjson_doc *doc = yyjson_read(text, len, 0);
	yyjson_val *root = yyjson_doc_get_root(doc);
	yyjson_val *line = yyjson_obj_get(root, "line");
	yyjson_val *hash = yyjson_obj_get(root, "before");
	bool good;

	good = yyjson_is_uint(line) && yyjson_get_uint(line) &&
		yyjson_is_str(hash) &&
		libdstack_from_hex(yyjson_get_str(hash), yyjson_get_len(hash),
				   before->hash, sizeof(before->hash));
	if (good)
		before->lines = yyjson_get_uint(line) - 1;
	yyjson_doc_free(doc);
	return good;
}

int audit_line_read(const char *text, size_t len, struct audit_head *head)
{
	struct audit_head before;

	if (!read_link(text, len, &before))
		return -EBADMSG;
	head->lines = before.lines + 1;
	SHA256((const uint8_t *)text, len, head->hash);
	return 0;
}

bool audit_line_follows(const char *text, size_t len,
			const struct audit_head *head)
{
	struct audit_head before;

	return read_link(text, len, &before) && before.lines == head->lines &&
		!memcmp(before.hash, head->hash, sizeof(head->hash));
}
