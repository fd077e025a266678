// SPDX-License-Identifier: MIT
/*
 * Fields of a JSON object, as the files of an application have them
 *
 * Copyright The dstack for Linux authors
 *
 * yyjson keeps fields that occur twice and strings with NUL in them; here both
 * are refused.
 */
#include "json.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define NAME_SHOWN	64	/* bytes of a name that is wrong */
#define NAME_LETTERS	"ABCDEFGHIJKLMNOPQRSTUVWXYZ" \
			"abcdefghijklmnopqrstuvwxyz0123456789_.-"

int app_json_refuse(const struct app_json *json, const char *field,
		    const char *fmt, ...)
{
	char line[LIBDSTACK_MESSAGE_MAX];
	const char *dot = *json->object && *field ? "." : "";
	const char *colon = *json->object || *field ? ": " : "";
	size_t len;
	va_list args;

	len = snprintf(line, sizeof(line) / 2, "%s: %s%s%s%s", json->file,
		       json->object, dot, field, colon);
	va_start(args, fmt);
	vsnprintf(line + len, sizeof(line) - len, fmt, args);
	va_end(args);
	json->tell(line);
	return -EBADMSG;
}

/* A name may be anything; only one that looks like a name is shown. */
static const char *shown(yyjson_val *name)
{
	const char *text = yyjson_get_str(name);
	size_t len = yyjson_get_len(name);

	return len && len <= NAME_SHOWN && strspn(text, NAME_LETTERS) == len ?
		text : "(a field)";
}

int app_json_open(struct app_json *json, const char *text, size_t len,
		  yyjson_doc **doc)
{
	yyjson_read_err error;

	/* Without YYJSON_READ_INSITU, @text is only read. */
	*doc = yyjson_read_opts((char *)text, len, 0, NULL, &error);
	if (!*doc && error.code == YYJSON_READ_ERROR_MEMORY_ALLOCATION)
		return -ENOMEM;
	if (!*doc)
		return app_json_refuse(json, "", "not JSON: %s at byte %zu",
				       error.msg, error.pos);
	json->value = yyjson_doc_get_root(*doc);
	if (yyjson_is_obj(json->value))
		return 0;
	yyjson_doc_free(*doc);
	*doc = NULL;
	return app_json_refuse(json, "", "want an object { ... }");
}

static bool is_known(yyjson_val *name, const char *const *known)
{
	if (!known)
		return true;
	for (; *known; known++)
		if (yyjson_equals_str(name, *known))
			return true;
	return false;
}

int app_json_check(const struct app_json *json, const char *const *known)
{
	yyjson_val *names[APP_FIELDS_MAX], *name, *value;
	size_t i, j, nr;

	/* An object that is not there has no names. */
	if (!json->value)
		return 0;
	if (yyjson_obj_size(json->value) > APP_FIELDS_MAX)
		return app_json_refuse(json, "", "more than %d fields",
				       APP_FIELDS_MAX);
	yyjson_obj_foreach(json->value, i, nr, name, value) {
		if (!is_known(name, known))
			return app_json_refuse(json, shown(name), "not known; remove it or correct its name");
		for (j = 0; j < i; j++)
			if (yyjson_equals(names[j], name))
				return app_json_refuse(json, shown(name), "occurs twice; remove one");
		names[i] = name;
	}
	return 0;
}

yyjson_val *app_json_find(const struct app_json *json, const char *field)
{
	yyjson_val *value = yyjson_obj_get(json->value, field);

	return yyjson_is_null(value) ? NULL : value;
}

int app_json_enter(const struct app_json *json, const char *field,
		   const char *object, struct app_json *inner)
{
	*inner = *json;
	inner->object = object;
	inner->value = app_json_find(json, field);
	if (!inner->value || yyjson_is_obj(inner->value))
		return 0;
	return app_json_refuse(json, field, "want an object { ... }");
}

int app_json_bool(const struct app_json *json, const char *field, bool *out)
{
	yyjson_val *value = app_json_find(json, field);

	if (!value)
		return 0;
	if (!yyjson_is_bool(value))
		return app_json_refuse(json, field, "want true or false");
	*out = yyjson_get_bool(value);
	return 0;
}

int app_json_number(const struct app_json *json, const char *field,
		    uint64_t from, uint64_t to, uint64_t *out)
{
	yyjson_val *value = app_json_find(json, field);

	if (!value)
		return 0;
	if (!yyjson_is_uint(value) || yyjson_get_uint(value) < from ||
	    yyjson_get_uint(value) > to)
		return app_json_refuse(json, field,
				       "want a number from %llu to %llu",
				       (unsigned long long)from,
				       (unsigned long long)to);
	*out = yyjson_get_uint(value);
	return 0;
}

/* yyjson has checked that it is UTF-8. */
static char *copy_text(yyjson_val *value, size_t max)
{
	const char *text = yyjson_get_str(value);
	size_t len = yyjson_get_len(value);

	if (!text || len > max || memchr(text, '\0', len)) {
		errno = EBADMSG;
		return NULL;
	}
	return strndup(text, len);
}

int app_json_text(const struct app_json *json, const char *field, size_t max,
		  char **out)
{
	yyjson_val *value = app_json_find(json, field);

	if (!value)
		return 0;
	*out = copy_text(value, max);
	if (*out)
		return 0;
	if (errno == ENOMEM)
		return -ENOMEM;
	return app_json_refuse(json, field, "want a string of at most %zu bytes, without NUL",
			       max);
}

int app_json_hex(const struct app_json *json, const char *field, uint8_t *out,
		 size_t room, size_t *len)
{
	yyjson_val *value = app_json_find(json, field);
	const char *text = yyjson_get_str(value);
	size_t digits = yyjson_get_len(value);

	*len = 0;
	if (!value)
		return 0;
	if (text && !strncmp(text, "0x", 2)) {
		text += 2;
		digits -= 2;
	}
	if (text && digits / 2 <= room &&
	    libdstack_from_hex(text, digits, out, digits / 2)) {
		*len = digits / 2;
		return 0;
	}
	return app_json_refuse(json, field, "want a string of at most %zu hex digits, an even number",
			       2 * room);
}

int app_json_id(const struct app_json *json, const char *field, uint8_t *out,
		size_t len, bool *found)
{
	size_t got;
	int err = app_json_hex(json, field, out, len, &got);

	if (!err && got && got != len)
		err = app_json_refuse(json, field, "want %zu hex digits",
				      2 * len);
	*found = !err && got;
	return err;
}

static int copy_list(const struct app_json *json, const char *field,
		     yyjson_val *array, size_t max, char **list)
{
	yyjson_val *value;
	size_t i, nr;

	yyjson_arr_foreach(array, i, nr, value) {
		list[i] = copy_text(value, max);
		if (list[i])
			continue;
		if (errno == ENOMEM)
			return -ENOMEM;
		return app_json_refuse(json, field, "[%zu]: want a string of at most %zu bytes, without NUL",
				       i, max);
	}
	return 0;
}

int app_json_list(const struct app_json *json, const char *field, size_t nr,
		  size_t max, char ***out)
{
	yyjson_val *value = app_json_find(json, field);
	char **list;
	int err;

	if (value && (!yyjson_is_arr(value) || yyjson_arr_size(value) > nr))
		return app_json_refuse(json, field, "want an array of at most %zu strings",
				       nr);
	list = calloc(yyjson_arr_size(value) + 1, sizeof(*list));
	if (!list)
		return -ENOMEM;
	err = value ? copy_list(json, field, value, max, list) : 0;
	if (err)
		app_json_free_list(list);
	else
		*out = list;
	return err;
}

void app_json_free_list(char **list)
{
	char **p;

	for (p = list; p && *p; p++)
		free(*p);
	free(list);
}
