// SPDX-License-Identifier: MIT
/*
 * The environment as a text: read, and written for who uses it
 *
 * Copyright The dstack for Linux authors
 *
 * Values are secrets.  yyjson decodes them where they stand, and has what else
 * it needs from memory that is wiped.
 */
#include "boot.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <yyjson.h>

#define ITEMS_MAX	1024
#define NAME_MAX_LEN	255
#define VALUE_MAX	131072
#define TOTAL_MAX	1048576
#define DOC_MAX		(16U << 20)	/* of what yyjson makes of it */
#define LETTERS		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_"
#define QUOTED		" \t\n\v\f\r|&;<>()$`\\\"'"
#define ESCAPED		"\\\"$`"

struct item {
	const char *name, *value;
	size_t value_len, at;
};

struct reader {
	char *const *allowed;
	struct item items[ITEMS_MAX];
	size_t nr, total, skipped;
};

static int refuse(const char *why)
{
	return boot_fail(-EBADMSG, BOOT_ENCRYPTED_ENV ": %s", why);
}

static bool is_allowed(const struct reader *reader, const char *name,
		       size_t len)
{
	char *const *allowed;

	for (allowed = reader->allowed; *allowed; allowed++)
		if (strlen(*allowed) == len && !memcmp(*allowed, name, len))
			return true;
	return false;
}

static bool is_name(const char *name, size_t len)
{
	return len && len <= NAME_MAX_LEN && strchr(LETTERS, *name) &&
		strspn(name, LETTERS "0123456789") == len;
}

static int take_item(struct reader *reader, yyjson_val *pair)
{
	yyjson_val *name = yyjson_obj_get(pair, "key");
	yyjson_val *value = yyjson_obj_get(pair, "value");
	size_t len = yyjson_get_len(name), value_len = yyjson_get_len(value);
	struct item *item = &reader->items[reader->nr];

	if (!yyjson_is_str(name) || !yyjson_is_str(value))
		return refuse("want { \"key\": \"...\", \"value\": \"...\" } for each variable");
	if (!is_allowed(reader, yyjson_get_str(name), len)) {
		reader->skipped++;
		return 0;
	}
	if (!is_name(yyjson_get_str(name), len))
		return refuse("a variable's name has 1 to 255 letters, digits and '_', and begins with no digit");
	if (value_len > VALUE_MAX)
		return refuse("a value is longer than 128 KiB");
	if (memchr(yyjson_get_str(value), '\0', value_len))
		return refuse("a value has NUL in it, which no variable can have");
	reader->total += len + value_len;
	if (reader->total > TOTAL_MAX)
		return refuse("all of it is longer than 1 MiB");
	*item = (struct item){ yyjson_get_str(name), yyjson_get_str(value),
			       value_len, reader->nr };
	reader->nr++;
	return 0;
}

static int by_name(const void *a, const void *b)
{
	const struct item *x = a, *y = b;
	int order = strcmp(x->name, y->name);

	return order ? order : x->at < y->at ? -1 : 1;
}

/* In order of names, and of one that occurs twice the last. */
static void sort(struct reader *reader)
{
	size_t i, kept = 0;

	qsort(reader->items, reader->nr, sizeof(*reader->items), by_name);
	for (i = 0; i < reader->nr; i++) {
		if (i + 1 < reader->nr && !strcmp(reader->items[i].name,
						  reader->items[i + 1].name))
			continue;
		reader->items[kept++] = reader->items[i];
	}
	reader->nr = kept;
}

static int take_all(struct reader *reader, yyjson_val *root)
{
	yyjson_val *env = yyjson_obj_get(root, "env"), *pair;
	size_t i, nr;
	int err = 0;

	if (!yyjson_is_arr(env))
		return refuse("want { \"env\": [ ... ] }");
	if (yyjson_arr_size(env) > ITEMS_MAX)
		return refuse("more than 1024 variables");
	yyjson_arr_foreach(env, i, nr, pair) {
		err = take_item(reader, pair);
		if (err)
			return err;
	}
	sort(reader);
	return 0;
}

/* A value as a line for systemd's EnvironmentFile=. */
static char *put_value(char *to, const struct item *item)
{
	const char *from = item->value, *end = from + item->value_len;
	bool quote = strcspn(from, QUOTED) != item->value_len;

	/* Some blanks are not ASCII: what is in quotes means the same. */
	for (; from < end && !quote; from++)
		quote = *from & 0x80;
	if (quote)
		*to++ = '"';
	for (from = item->value; from < end; from++) {
		if (*from == '\n') {
			*to++ = '\\';
			*to++ = 'n';
			continue;
		}
		if (strchr(ESCAPED, *from))
			*to++ = '\\';
		*to++ = *from;
	}
	if (quote)
		*to++ = '"';
	return to;
}

static void write_shell(const struct reader *reader, struct env_text *text)
{
	char *to = text->shell;
	size_t i;

	for (i = 0; i < reader->nr; i++) {
		to = stpcpy(to, reader->items[i].name);
		*to++ = '=';
		to = put_value(to, &reader->items[i]);
		*to++ = '\n';
	}
	text->shell_len = to - text->shell;
}

static int write_json(const struct reader *reader, const yyjson_alc *memory,
		      struct env_text *text)
{
	yyjson_mut_doc *doc = yyjson_mut_doc_new(memory);
	yyjson_mut_val *root = doc ? yyjson_mut_obj(doc) : NULL;
	char *json = NULL;
	size_t i, len = 0;
	bool good = root;

	for (i = 0; good && i < reader->nr; i++)
		good = yyjson_mut_obj_add_strn(doc, root, reader->items[i].name,
					       reader->items[i].value,
					       reader->items[i].value_len);
	if (good) {
		yyjson_mut_doc_set_root(doc, root);
		json = yyjson_mut_write_opts(doc, 0, memory, &len, NULL);
	}
	/* All of it is in @memory, and goes with it. */
	if (!json || len > ENV_TEXT_MAX)
		return -ENOMEM;
	memcpy(text->json, json, len);
	text->json_len = len;
	return 0;
}

static int read_into(char *plain, size_t len, struct reader *reader,
		     void *memory, struct env_text *text)
{
	yyjson_alc alc;
	yyjson_doc *doc;
	int err;

	if (!yyjson_alc_pool_init(&alc, memory, DOC_MAX))
		return -ENOMEM;
	doc = yyjson_read_opts(plain, len, 0, &alc, NULL);
	if (!doc)
		return refuse("what is in it is not JSON");
	err = take_all(reader, yyjson_doc_get_root(doc));
	if (err)
		return err;
	write_shell(reader, text);
	text->count = reader->nr;
	text->skipped = reader->skipped;
	return write_json(reader, &alc, text);
}

int env_read(char *plain, size_t len, char *const *allowed,
	     struct env_text *text)
{
	void *memory = NULL, *shell = NULL, *json = NULL, *made = NULL;
	struct reader *reader;
	int err;

	memset(text, 0, sizeof(*text));
	err = libdstack_secret_alloc(DOC_MAX, &memory) ?:
		libdstack_secret_alloc(sizeof(*reader), &made) ?:
		libdstack_secret_alloc(ENV_TEXT_MAX, &shell) ?:
		libdstack_secret_alloc(ENV_TEXT_MAX, &json);
	text->shell = shell;
	text->json = json;
	if (!err) {
		reader = made;
		reader->allowed = allowed;
		err = read_into(plain, len, reader, memory, text);
	}
	libdstack_secret_free(memory, DOC_MAX);
	libdstack_secret_free(made, sizeof(*reader));
	if (err)
		env_text_free(text);
	return err;
}

void env_text_free(struct env_text *text)
{
	libdstack_secret_free(text->shell, ENV_TEXT_MAX);
	libdstack_secret_free(text->json, ENV_TEXT_MAX);
	memset(text, 0, sizeof(*text));
}
