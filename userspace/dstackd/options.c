// SPDX-License-Identifier: MIT
/*
 * What a role of dstackd is told: by a file, and by its command line
 *
 * Copyright The dstack for Linux authors
 */
#include "options.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../app/app.h"
#include "../app/json.h"

#define FILE_MAX	65536		/* bytes */
#define SPECS_MAX	24
#define ROLES		2

/* Of every role, and of no file. */
enum { KEY_CONFIG = 256, KEY_CHECK, KEY_HELP, KEYS_OWN = 3 };

struct option_file {
	yyjson_doc *doc;
	char *text;
};

void options_free(struct option_file *file)
{
	if (!file)
		return;
	yyjson_doc_free(file->doc);
	free(file->text);
	free(file);
}

static void tell(const char *text)
{
	msg("%s", text);
}

/*
 * The file
 */

/* Whoever may write to it says what dstackd loads, and whom it serves. */
static int check_owner(int dir, const char *path, const char *name)
{
	struct stat st;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW))
		return -errno;
	if (st.st_uid && st.st_uid != geteuid())
		msg("%s: belongs to user %u: chown root it", path, st.st_uid);
	else if (st.st_mode & 0022)
		msg("%s: others may write to it: chmod go-w it", path);
	else
		return 0;
	return -EPERM;
}

/* Returns -ENOENT without a message. */
static int load(const char *path, struct option_file *file, size_t *len)
{
	const char *slash = strrchr(path, '/');
	char *parent = slash ? strndup(path, slash - path + 1) : strdup(".");
	const char *name = slash ? slash + 1 : path;
	int dir, err;

	if (!parent)
		return -ENOMEM;
	dir = open(parent, O_PATH | O_DIRECTORY | O_CLOEXEC);
	free(parent);
	if (dir < 0) {
		err = -errno;
		if (err != -ENOENT)
			msg("%s: %s", path, strerror(-err));
		return err;
	}
	err = check_owner(dir, path, name) ?:
		app_file_read(dir, name, FILE_MAX, &file->text, len, tell);
	close(dir);
	return err;
}

static bool take_text(const struct option_role *role,
		      const struct app_json *json,
		      const struct option_spec *spec, yyjson_val *value,
		      void *options)
{
	const char *text = yyjson_get_str(value);

	if (!text || strlen(text) != yyjson_get_len(value))
		return !app_json_refuse(json, spec->name, "want a text");
	return role->set(options, spec->key, text) ||
		!app_json_refuse(json, spec->name, "can't be that");
}

static bool take_number(const struct option_role *role,
			const struct app_json *json,
			const struct option_spec *spec, yyjson_val *value,
			void *options)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRIu64, yyjson_get_uint(value));
	if (!yyjson_is_uint(value))
		return !app_json_refuse(json, spec->name, "want a number");
	return role->set(options, spec->key, text) ||
		!app_json_refuse(json, spec->name, "can't be that");
}

static bool take_list(const struct option_role *role,
		      const struct app_json *json,
		      const struct option_spec *spec, yyjson_val *value,
		      void *options)
{
	yyjson_val *item;
	size_t i, nr;

	if (!yyjson_is_arr(value))
		return !app_json_refuse(json, spec->name, "want a list [ ... ]");
	yyjson_arr_foreach(value, i, nr, item)
		if (!take_text(role, json, spec, item, options))
			return false;
	return true;
}

static bool take(const struct option_role *role, const struct app_json *json,
		 const struct option_spec *spec, void *options)
{
	yyjson_val *value = app_json_find(json, spec->name);

	if (!value)
		return true;
	switch (spec->kind) {
	case OPTION_NUMBER:
		return take_number(role, json, spec, value, options);
	case OPTION_LIST:
		return take_list(role, json, spec, value, options);
	default:
		return take_text(role, json, spec, value, options);
	}
}

/* The object of another role is that one's to judge. */
static bool take_file(const struct option_role *role, struct app_json *json,
		      void *options)
{
	static const char *const roles[ROLES + 1] = { "dstackd", "agent" };
	const char *known[SPECS_MAX + 1] = { NULL };
	const struct option_spec *spec;
	struct app_json inner;
	size_t nr = 0;

	for (spec = role->specs; spec->name; spec++)
		if (spec->kind != OPTION_START)
			known[nr++] = spec->name;
	if (app_json_check(json, roles) ||
	    app_json_enter(json, role->name, role->name, &inner) ||
	    app_json_check(&inner, known))
		return false;
	if (!inner.value)
		return true;
	for (spec = role->specs; spec->name; spec++)
		if (!take(role, &inner, spec, options))
			return false;
	return true;
}

/* @path NULL: the usual file, which need not be there. */
static bool read_file(const struct option_role *role, const char *path,
		      void *options, struct option_file **out)
{
	struct app_json json = {
		.file = path ? path : DSTACKD_CONFIG, .object = "",
		.tell = tell,
	};
	struct option_file *file = calloc(1, sizeof(*file));
	bool good = false;
	size_t len;
	int err;

	*out = NULL;
	if (!file)
		return false;
	err = load(json.file, file, &len);
	if (err == -ENOENT && !path)
		good = true;
	else if (err == -ENOENT)
		msg("%s: %s", path, strerror(ENOENT));
	else if (!err && !app_json_open(&json, file->text, len, &file->doc))
		good = take_file(role, &json, options);
	if (good && file->doc)
		*out = file;
	else
		options_free(file);
	return good;
}

/*
 * The command line
 */

static void usage(const struct option_role *role, FILE *out)
{
	role->usage(out);
	fputs("  --config FILE  what is said there holds where no option says other\n"
	      "                 (default: " DSTACKD_CONFIG ", if it is there)\n"
	      "  --check-config say whether all of this is right, and exit\n",
	      out);
}

static void fill(const struct option_role *role, struct option *options)
{
	const struct option_spec *spec;

	for (spec = role->specs; spec->name; spec++)
		*options++ = (struct option){
			spec->name, spec->kind == OPTION_START ? no_argument :
			required_argument, NULL, spec->key
		};
	*options++ = (struct option){
		"config", required_argument, NULL, KEY_CONFIG
	};
	*options++ = (struct option){
		"check-config", no_argument, NULL, KEY_CHECK
	};
	*options = (struct option){ "help", no_argument, NULL, KEY_HELP };
}

struct line {
	const char *config;
	bool check;
};

/* What is about the file, as that comes before the rest of the line. */
static int read_line(const struct option_role *role, int argc, char **argv,
		     const struct option *options, struct line *line)
{
	int c;

	optind = 0;
	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == KEY_CONFIG) {
			line->config = optarg;
		} else if (c == KEY_CHECK) {
			line->check = true;
		} else if (c == KEY_HELP) {
			usage(role, stdout);
			return EXIT_SUCCESS;
		} else if (c == '?') {
			usage(role, stderr);
			return EXIT_USAGE;
		}
	}
	if (optind == argc)
		return -1;
	usage(role, stderr);
	return EXIT_USAGE;
}

static bool take_line(const struct option_role *role, int argc, char **argv,
		      const struct option *options, void *to)
{
	int c;

	optind = 0;
	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1)
		if (c < KEY_CONFIG && !role->set(to, c, optarg))
			return false;
	return true;
}

int options_read(const struct option_role *role, int argc, char **argv,
		 void *options, struct option_file **file)
{
	struct option known[SPECS_MAX + KEYS_OWN + 1] = { 0 };
	struct line line = { 0 };
	int status;

	*file = NULL;
	fill(role, known);
	status = read_line(role, argc, argv, known, &line);
	if (status >= 0)
		return status;
	if (read_file(role, line.config, options, file) &&
	    take_line(role, argc, argv, known, options)) {
		if (!line.check)
			return -1;
		status = EXIT_SUCCESS;
	} else {
		status = EXIT_USAGE;
	}
	options_free(*file);
	*file = NULL;
	return status;
}
