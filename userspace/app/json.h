/* SPDX-License-Identifier: MIT */
/*
 * Fields of a JSON object, as the files of an application have them
 *
 * Copyright The dstack for Linux authors
 */
#ifndef APP_JSON_H
#define APP_JSON_H

#include <libdstack.h>
#include <yyjson.h>

#define APP_FIELDS_MAX	256	/* of one object */

struct app_json {
	const char *file;	/* what the text is, for the line */
	const char *object;	/* the object that is read; "": the outer */
	libdstack_message_fn tell;
	yyjson_val *value;	/* that object */
};

/* Says what is wrong with a field of the object.  -EBADMSG. */
int app_json_refuse(const struct app_json *json, const char *field,
		    const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/*
 * The document of a text, which has to be an object; *doc is for
 * yyjson_doc_free().
 */
int app_json_open(struct app_json *json, const char *text, size_t len,
		  yyjson_doc **doc);
/*
 * What every object must be: its names occur once.  @known: all names that it
 * may have, NULL-ended; or NULL, if others are nobody's business.
 */
int app_json_check(const struct app_json *json, const char *const *known);

/* The field; NULL if it is not there, or null. */
yyjson_val *app_json_find(const struct app_json *json, const char *field);
/* *@inner: of the object that is a field; without a value if there is none. */
int app_json_enter(const struct app_json *json, const char *field,
		   const char *object, struct app_json *inner);

/* Each of these leaves *@out as it is where there is no such field. */
int app_json_bool(const struct app_json *json, const char *field, bool *out);
int app_json_number(const struct app_json *json, const char *field,
		    uint64_t from, uint64_t to, uint64_t *out);
/* Text without NUL, for free(); @max bytes at most. */
int app_json_text(const struct app_json *json, const char *field, size_t max,
		  char **out);
/* Up to @room bytes as hex, "0x" before it or not; *@len of them. */
int app_json_hex(const struct app_json *json, const char *field, uint8_t *out,
		 size_t room, size_t *len);
/* As many bytes as @len; *@found whether there are any. */
int app_json_id(const struct app_json *json, const char *field, uint8_t *out,
		size_t len, bool *found);
/* NULL-ended, for app_json_free_list(). */
int app_json_list(const struct app_json *json, const char *field, size_t nr,
		  size_t max, char ***out);
void app_json_free_list(char **list);

#endif /* APP_JSON_H */
