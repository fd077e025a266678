// SPDX-License-Identifier: MIT
/*
 * Variables of a compose file, from the application's environment
 *
 * Copyright The dstack for Linux authors
 *
 * $NAME, ${NAME}, ${NAME:-text}, ${NAME-text}, ${NAME:?text}, ${NAME?text},
 * ${NAME:+text}, ${NAME+text}, and $$ for a dollar.  The text in braces is
 * taken as it is, without variables of its own.
 */
#include "run.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define LETTERS	"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_"
#define DIGITS	"0123456789"

struct expansion {
	yyjson_val *environment;
	FILE *out;
	const char *why;
};

static int refuse(struct expansion *e, const char *why)
{
	e->why = why;
	return -EBADMSG;
}

/* How many bytes of it are a name. */
static size_t name_len(const char *text)
{
	return strspn(text, LETTERS) ? strspn(text, LETTERS DIGITS) : 0;
}

static const char *value_of(const struct expansion *e, const char *name,
			    size_t len)
{
	return yyjson_get_str(yyjson_obj_getn(e->environment, name, len));
}

/* What follows the name in braces: an operator and a text. */
static int put_operator(struct expansion *e, const char *value,
			const char *op, size_t len)
{
	bool set = value && (*op != ':' || *value);

	if (!len) {
		fputs(value ? value : "", e->out);
		return 0;
	}
	if (*op == ':') {
		op++;
		len--;
	}
	if (!len || !strchr("-?+", *op))
		return refuse(e, "what is in ${...} is not NAME, or NAME with one of :- - :? ? :+ +");
	if (memchr(op, '$', len))
		return refuse(e, "no variables in the text of a variable");
	if (*op == '?' && !set)
		return refuse(e, "a variable that has to be set is not in the environment");
	if (*op == '+' ? set : !set)
		fwrite(op + 1, 1, len - 1, e->out);
	else if (*op != '+')
		fputs(value, e->out);
	return 0;
}

static int put_braced(struct expansion *e, const char **text)
{
	const char *name = *text + 1, *end = strchr(name, '}');
	size_t len = name_len(name);

	if (!end || !len || name + len > end)
		return refuse(e, "\"${\" without a name, or without \"}\"");
	*text = end + 1;
	return put_operator(e, value_of(e, name, len), name + len,
			    end - name - len);
}

/* @text: behind a dollar. */
static int put_variable(struct expansion *e, const char **text)
{
	size_t len = name_len(*text);

	if (**text == '{')
		return put_braced(e, text);
	if (**text == '$') {
		fputc('$', e->out);
		++*text;
		return 0;
	}
	if (!len)
		return refuse(e, "a single \"$\": write \"$$\"");
	put_operator(e, value_of(e, *text, len), "", 0);
	*text += len;
	return 0;
}

static int expand(struct expansion *e, const char *text)
{
	int err = 0;

	while (*text && !err) {
		size_t len = strcspn(text, "$");

		fwrite(text, 1, len, e->out);
		text += len;
		if (*text++)
			err = put_variable(e, &text);
		else
			break;
	}
	return err;
}

int run_vars_expand(const char *text, yyjson_val *environment, char **out,
		    const char **why)
{
	struct expansion e = { .environment = environment };
	size_t len;
	int err;

	*out = NULL;
	*why = NULL;
	e.out = open_memstream(out, &len);
	if (!e.out)
		return -ENOMEM;
	err = expand(&e, text);
	if (fclose(e.out))
		err = -ENOMEM;
	if (err) {
		free(*out);
		*out = NULL;
		*why = e.why;
	}
	return err;
}
