// SPDX-License-Identifier: MIT
/*
 * What a service mounts: volumes, its own data, the agent's sockets
 *
 * Copyright The dstack for Linux authors
 *
 * Each mount is written anew in compose's long form, in which a comma or a
 * colon of a path means nothing.
 */
#include "service.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define CGROUPS		"/sys/fs/cgroup"

/* Who calls there is told apart by the kernel. */
static const char *const sockets[] = {
	"/var/run/dstack.sock", "/run/dstack.sock",
	"/var/run/tappd.sock", "/run/tappd.sock", NULL
};

struct mount {
	const char *type, *source, *target;
	bool read_only;
	yyjson_mut_val *tmpfs;		/* its options, or NULL */
};

/* True if one is the other, or below it. */
static bool overlap(const char *a, const char *b)
{
	size_t a_len = strcmp(a, "/") ? strlen(a) : 0;
	size_t b_len = strcmp(b, "/") ? strlen(b) : 0;
	size_t len = a_len < b_len ? a_len : b_len;

	return !strncmp(a, b, len) && (!a[len] || a[len] == '/' || !len) &&
		(!b[len] || b[len] == '/' || !len);
}

/* Paths that mean what they say, also on a command line. */
static bool path_ok(const char *path)
{
	const char *p;

	if (*path != '/' || strlen(path) >= PATH_MAX)
		return false;
	for (p = path; *p; p++)
		if ((unsigned char)*p < ' ' || *p == 0x7f ||
		    strchr(",:\"\\", *p))
			return false;
	for (p = path; (p = strstr(p, "/.")); p += 2)
		if (!p[2] || p[2] == '/' || !strcmp(p + 2, ".") ||
		    !strncmp(p + 2, "./", 2))
			return false;
	return true;
}

/* Where it leads now, links and all; as it is if there is nothing. */
static int check_path(const struct service *s, const char *path)
{
	char real[PATH_MAX], dir[PATH_MAX];

	if (!realpath(path, real))
		snprintf(real, sizeof(real), "%s", path);
	if (!realpath(s->input->dir, dir))
		snprintf(dir, sizeof(dir), "%s", s->input->dir);
	if (overlap(real, CGROUPS))
		return service_refuse(s, "volumes", "'%.200s': with the host's cgroups a container could leave its own",
				      path);
	if (overlap(real, dir))
		return service_refuse(s, "volumes", "'%.200s': the application's keys are there",
				      path);
	return 0;
}

/* podman-compose makes a directory of what is not there, in the agent's way. */
static int check_socket(const struct service *s, const char *path)
{
	struct stat st;

	if (!s->input->live || (!stat(path, &st) && S_ISSOCK(st.st_mode)))
		return 0;
	return service_refuse(s, "volumes", "'%s' is not there: start dstack-agent ('systemctl start dstack-agent')",
			      path);
}

static int check_bind(const struct service *s, struct mount *m)
{
	char path[PATH_MAX];
	yyjson_mut_val *copy;
	const char *rest = m->source;

	if (run_is_one_of(m->source, sockets))
		return check_socket(s, m->source);
	if (*m->source == '/') {
		if (!path_ok(m->source))
			return service_refuse(s, "volumes", "'%.200s': want a path without \"..\", commas and colons",
					      m->source);
		return service_need(s, "volumes", "host-paths") ?:
			check_path(s, m->source);
	}
	/* "." and what is below: nobody but the application has it. */
	rest += strspn(rest, ".") == 1 ? 1 : 0;
	rest += *rest == '/';
	snprintf(path, sizeof(path), "%s%s%s", s->input->data,
		 *rest ? "/" : "", rest);
	if (!path_ok(path) || rest == m->source)
		return service_refuse(s, "volumes", "'%.200s': want a path that begins with \"/\" or \"./\", without \"..\", commas and colons",
				      m->source);
	copy = yyjson_mut_strcpy(s->doc, path);
	m->source = yyjson_mut_get_str(copy);
	return copy ? check_path(s, path) : -ENOMEM;
}

static int check_mount(const struct service *s, struct mount *m)
{
	if (!m->target || !path_ok(m->target))
		return service_refuse(s, "volumes", "'%.200s': want a path in the container, without \"..\", commas and colons",
				      m->target ? m->target : "");
	if (!strcmp(m->type, "bind"))
		return m->source ? check_bind(s, m) :
			service_refuse(s, "volumes", "source: is missing");
	if (!strcmp(m->type, "tmpfs"))
		return 0;
	if (strcmp(m->type, "volume") != 0)
		return service_refuse(s, "volumes", "type '%.32s': want volume, bind or tmpfs",
				      m->type);
	if (!m->source || run_name_ok(m->source))
		return 0;
	return service_refuse(s, "volumes", "'%.64s' is no name of a volume",
			      m->source);
}

/* [SOURCE:]TARGET[:OPTIONS] */
static int parse_short(const struct service *s, const char *text,
		       struct mount *m)
{
	static const char *const ignored[] = {
		"rw", "z", "Z", "cached", "delegated", "consistent", "rprivate",
		"private", NULL
	};
	char *copy = strdup(text), *part[4] = { NULL }, *next = copy, *option;
	yyjson_mut_val *kept;
	size_t nr = 0;
	int err = 0;

	while (next && nr < 4)
		part[nr++] = strsep(&next, ":");
	if (!copy || next || nr > 3) {
		free(copy);
		return copy ? service_refuse(s, "volumes", "'%.200s': want SOURCE:TARGET or SOURCE:TARGET:OPTIONS",
					     text) : -ENOMEM;
	}
	if (nr == 2 && *part[1] != '/') {
		part[2] = part[1];
		part[1] = NULL;
	}
	while ((option = strsep(&part[2], ",")) && !err) {
		m->read_only = m->read_only || !strcmp(option, "ro");
		if (strcmp(option, "ro") && !run_is_one_of(option, ignored))
			err = service_refuse(s, "volumes", "option '%.32s' is not taken: want ro or rw",
					     option);
	}
	kept = yyjson_mut_strcpy(s->doc, part[1] ? part[1] : part[0]);
	m->target = yyjson_mut_get_str(kept);
	kept = yyjson_mut_strcpy(s->doc, part[0]);
	m->source = part[1] ? yyjson_mut_get_str(kept) : NULL;
	m->type = m->source && strchr("/.~", *m->source) ? "bind" : "volume";
	free(copy);
	return err;
}

static int parse_long(const struct service *s, yyjson_mut_val *value,
		      struct mount *m)
{
	static const char *const known[] = {
		"type", "source", "target", "read_only", "bind", "volume",
		"tmpfs", "consistency", NULL
	};
	yyjson_mut_val *bind = yyjson_mut_obj_get(value, "bind"), *key;
	yyjson_mut_val *propagation = yyjson_mut_obj_get(bind, "propagation");
	yyjson_mut_obj_iter iter = yyjson_mut_obj_iter_with(value);

	while ((key = yyjson_mut_obj_iter_next(&iter)))
		if (!run_is_one_of(yyjson_mut_get_str(key), known))
			return service_refuse(s, "volumes", "'%.64s' is not known: leave it out",
					      yyjson_mut_get_str(key));
	if (propagation && !yyjson_mut_equals_str(propagation, "rprivate") &&
	    !yyjson_mut_equals_str(propagation, "private"))
		return service_refuse(s, "volumes", "bind.propagation: want \"rprivate\": what it mounts stays in the container");
	m->type = yyjson_mut_get_str(yyjson_mut_obj_get(value, "type"));
	m->source = yyjson_mut_get_str(yyjson_mut_obj_get(value, "source"));
	m->target = yyjson_mut_get_str(yyjson_mut_obj_get(value, "target"));
	m->read_only = yyjson_mut_get_bool(yyjson_mut_obj_get(value,
							      "read_only"));
	m->tmpfs = yyjson_mut_obj_get(value, "tmpfs");
	if (m->type)
		return 0;
	return service_refuse(s, "volumes", "type: is missing");
}

static int write_mount(const struct service *s, const struct mount *m,
		       yyjson_mut_val *list)
{
	yyjson_mut_val *object = yyjson_mut_arr_add_obj(s->doc, list);
	yyjson_mut_val *size = yyjson_mut_obj_get(m->tmpfs, "size"), *inner;
	bool ok = object &&
		yyjson_mut_obj_add_strcpy(s->doc, object, "type", m->type) &&
		yyjson_mut_obj_add_strcpy(s->doc, object, "target", m->target);

	if (ok && m->source && strcmp(m->type, "tmpfs") != 0)
		ok = yyjson_mut_obj_add_strcpy(s->doc, object, "source",
					       m->source);
	if (ok && m->read_only)
		ok = yyjson_mut_obj_add_bool(s->doc, object, "read_only", true);
	if (ok && yyjson_mut_is_int(size)) {
		inner = yyjson_mut_obj_add_obj(s->doc, object, "tmpfs");
		ok = inner &&
			yyjson_mut_obj_add_sint(s->doc, inner, "size",
						yyjson_mut_get_sint(size));
	}
	return ok ? 0 : -ENOMEM;
}

int check_volumes(const struct service *s, const char *key,
		  yyjson_mut_val **value)
{
	yyjson_mut_arr_iter iter = yyjson_mut_arr_iter_with(*value);
	yyjson_mut_val *list = yyjson_mut_arr(s->doc), *item;
	int err = list ? 0 : -ENOMEM;

	while (!err && (item = yyjson_mut_arr_iter_next(&iter))) {
		const char *text = yyjson_mut_get_str(item);
		struct mount m = { .type = NULL };

		if (!text && !yyjson_mut_is_obj(item))
			return service_refuse(s, key, "want SOURCE:TARGET");
		err = text ? parse_short(s, text, &m) :
			parse_long(s, item, &m);
		err = err ?: check_mount(s, &m) ?: write_mount(s, &m, list);
	}
	*value = list;
	return err;
}

/* PATH[:OPTIONS] of memory, which is nobody else's. */
int check_tmpfs(const struct service *s, const char *key,
		yyjson_mut_val **value)
{
	yyjson_mut_arr_iter iter = yyjson_mut_arr_iter_with(*value);
	yyjson_mut_val *item = yyjson_mut_is_arr(*value) ?
		yyjson_mut_arr_iter_next(&iter) : *value;

	for (; item; item = yyjson_mut_arr_iter_next(&iter)) {
		const char *text = yyjson_mut_get_str(item);

		if (!text || *text != '/')
			return service_refuse(s, key, "want a path in the container");
	}
	return 0;
}
