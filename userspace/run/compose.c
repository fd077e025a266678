// SPDX-License-Identifier: MIT
/*
 * A compose file, as it is given to the compose program
 *
 * Copyright The dstack for Linux authors
 */
#include "service.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/sha.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define PROJECT		"dstack"
#define LABEL		"org.dstack.compose"
#define NAME_LETTERS	"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-"

int run_refuse(libdstack_message_fn tell, int err, const char *fmt, ...)
{
	char line[LIBDSTACK_MESSAGE_MAX] = "docker_compose_file: ", *p;
	size_t len = strlen(line);
	va_list args;

	va_start(args, fmt);
	vsnprintf(line + len, sizeof(line) - len, fmt, args);
	va_end(args);
	/* Half of it may be the file's. */
	for (p = line; *p; p++)
		if (*p < ' ' || *p > '~')
			*p = '?';
	tell(line);
	return err;
}

bool run_is_one_of(const char *text, const char *const *words)
{
	for (; *words; words++)
		if (!strcmp(text, *words))
			return true;
	return false;
}

bool run_name_ok(const char *name)
{
	return *name && !strchr("._-", *name) &&
		strspn(name, NAME_LETTERS) == strlen(name);
}

static bool has_dollar(yyjson_mut_val *value)
{
	yyjson_mut_obj_iter object = yyjson_mut_obj_iter_with(value);
	yyjson_mut_arr_iter array = yyjson_mut_arr_iter_with(value);
	const char *text = yyjson_mut_get_str(value);
	yyjson_mut_val *item;
	bool found = text && strchr(text, '$');

	while (!found && (item = yyjson_mut_obj_iter_next(&object)))
		found = has_dollar(yyjson_mut_obj_iter_get_val(item));
	while (!found && (item = yyjson_mut_arr_iter_next(&array)))
		found = has_dollar(item);
	return found;
}

static bool name_ok(const char *name)
{
	return name && strlen(name) < DSTACK_SECTION_SIZE && run_name_ok(name);
}

static int check_resource(const struct run_input *input, const char *what,
			  const char *name, yyjson_mut_val *value,
			  const char *driver, const char *const *known)
{
	yyjson_mut_obj_iter iter = yyjson_mut_obj_iter_with(value);
	yyjson_mut_val *key, *said;

	if (!yyjson_mut_is_obj(value) && !yyjson_mut_is_null(value))
		return run_refuse(input->tell, -EBADMSG, "%s: '%.64s': want a mapping",
				  what, name);
	while ((key = yyjson_mut_obj_iter_next(&iter)))
		if (!run_is_one_of(yyjson_mut_get_str(key), known))
			return run_refuse(input->tell, -EBADMSG, "%s: '%.64s': '%.64s' is not taken: leave it out",
					  what, name, yyjson_mut_get_str(key));
	said = yyjson_mut_obj_get(value, "driver");
	if (said && !yyjson_mut_equals_str(said, driver))
		return run_refuse(input->tell, -EBADMSG, "%s: '%.64s': driver: want \"%s\"",
				  what, name, driver);
	said = yyjson_mut_obj_get(value, "name");
	if (!name_ok(name) || (said && !name_ok(yyjson_mut_get_str(said))))
		return run_refuse(input->tell, -EBADMSG, "%s: '%.64s': want a name of letters, digits, . _ and -",
				  what, name);
	return 0;
}

/*
 * Volumes and networks that are made for this application.  A volume with
 * options is a mount of whatever they say; an external one is somebody's.
 */
static int check_resources(const struct run_input *input,
			   yyjson_mut_val *root, const char *what,
			   const char *driver, const char *const *known)
{
	yyjson_mut_val *list = yyjson_mut_obj_get(root, what), *name;
	yyjson_mut_obj_iter iter = yyjson_mut_obj_iter_with(list);
	int err = 0;

	if (list && !yyjson_mut_is_obj(list) && !yyjson_mut_is_null(list))
		return run_refuse(input->tell, -EBADMSG, "%s: want a mapping",
				  what);
	while (!err && (name = yyjson_mut_obj_iter_next(&iter)))
		err = check_resource(input, what, yyjson_mut_get_str(name),
				     yyjson_mut_obj_iter_get_val(name), driver,
				     known);
	return err;
}

static int check_outer(const struct run_input *input, yyjson_mut_val *root)
{
	static const char *const known[] = { "version", "name", "services",
					     "volumes", "networks", NULL };
	static const char *const volume[] = { "driver", "labels", "name",
					      NULL };
	static const char *const network[] = {
		"driver", "labels", "name", "internal", "enable_ipv6", "ipam",
		NULL
	};
	yyjson_mut_obj_iter iter = yyjson_mut_obj_iter_with(root);
	yyjson_mut_val *key;

	while ((key = yyjson_mut_obj_iter_next(&iter))) {
		const char *text = yyjson_mut_get_str(key);

		if (!strncmp(text, "x-", 2))
			continue;
		if (!run_is_one_of(text, known))
			return run_refuse(input->tell, -EBADMSG, "'%.64s' is not taken: want services, volumes, networks",
					  text);
		if (strcmp(text, "services") &&
		    has_dollar(yyjson_mut_obj_iter_get_val(key)))
			return run_refuse(input->tell, -EBADMSG, "%s: no variables here",
					  text);
	}
	return check_resources(input, root, "volumes", "local", volume) ?:
		check_resources(input, root, "networks", "bridge", network);
}

/* What containers, volumes and networks are called by. */
static int take_project(const struct run_input *input, yyjson_mut_val *root,
			struct run_compose *compose)
{
	yyjson_mut_val *value = yyjson_mut_obj_get(root, "name");
	const char *name = yyjson_mut_get_str(value);

	compose->project = name ? name : PROJECT;
	if (!value || name_ok(name))
		return 0;
	return run_refuse(input->tell, -EBADMSG, "name: want letters, digits, . _ and -");
}

static int take_services(const struct run_input *input, yyjson_mut_val *root,
			 yyjson_mut_val *out, struct run_compose *compose)
{
	yyjson_mut_val *services = yyjson_mut_obj_get(root, "services"), *name;
	yyjson_mut_val *list = yyjson_mut_obj_add_obj(compose->doc, out,
						      "services"), *one;
	size_t nr = yyjson_mut_obj_size(services);
	yyjson_mut_obj_iter iter;
	int err = 0;

	if (!nr || nr > RUN_SERVICES_MAX)
		return run_refuse(input->tell, -EBADMSG, "services: want 1 to %u",
				  RUN_SERVICES_MAX);
	compose->services = calloc(nr, sizeof(*compose->services));
	if (!compose->services || !list)
		return -ENOMEM;
	iter = yyjson_mut_obj_iter_with(services);
	while (!err && (name = yyjson_mut_obj_iter_next(&iter))) {
		err = service_read(input, compose->doc,
				   yyjson_mut_get_str(name),
				   yyjson_mut_obj_iter_remove(&iter),
				   &compose->services[compose->nr++], &one);
		if (!err && !yyjson_mut_obj_add(list, name, one))
			err = -ENOMEM;
	}
	return err;
}

/* Who is given something has to be there: a name may be misspelt. */
static int check_grants(const struct run_input *input,
			const struct run_compose *compose)
{
	size_t i, j;

	for (i = 0; i < input->app->containers_nr; i++) {
		for (j = 0; j < compose->nr; j++)
			if (!strcmp(input->app->containers[i].service,
				    compose->services[j].name))
				break;
		if (j == compose->nr)
			return run_refuse(input->tell, -EBADMSG, "there is no service '%.64s', of which \"dstack\".\"containers\" speaks",
					  input->app->containers[i].service);
	}
	return 0;
}

/* By this a container is known to be of this file. */
static bool add_label(yyjson_mut_doc *doc, yyjson_mut_val *service,
		      const char *hash)
{
	yyjson_mut_val *labels = yyjson_mut_obj_get(service, "labels");
	char text[sizeof(LABEL) + 1 + 2 * APP_HASH_SIZE];

	snprintf(text, sizeof(text), LABEL "=%s", hash);
	if (yyjson_mut_is_arr(labels))
		return yyjson_mut_arr_add_strcpy(doc, labels, text);
	if (!labels)
		labels = yyjson_mut_obj_add_obj(doc, service, "labels");
	return labels && yyjson_mut_obj_add_strcpy(doc, labels, LABEL, hash);
}

static void wipe_text(struct run_compose *compose)
{
	if (compose->text)
		OPENSSL_cleanse(compose->text, compose->len);
	free(compose->text);
	compose->text = NULL;
}

static int write_text(struct run_compose *compose)
{
	compose->text = yyjson_mut_write(compose->doc, YYJSON_WRITE_PRETTY,
					 &compose->len);
	return compose->text ? 0 : -ENOMEM;
}

static int finish(struct run_compose *compose, yyjson_mut_val *services)
{
	yyjson_mut_obj_iter iter = yyjson_mut_obj_iter_with(services);
	uint8_t hash[APP_HASH_SIZE];
	yyjson_mut_val *name;
	int err;

	err = write_text(compose);
	if (err)
		return err;
	SHA256((const uint8_t *)compose->text, compose->len, hash);
	libdstack_to_hex(hash, sizeof(hash), compose->hash);
	wipe_text(compose);
	while ((name = yyjson_mut_obj_iter_next(&iter)))
		if (!add_label(compose->doc, yyjson_mut_obj_iter_get_val(name),
			       compose->hash))
			return -ENOMEM;
	return write_text(compose);
}

static int build(const struct run_input *input, struct run_compose *compose)
{
	yyjson_mut_val *root = yyjson_mut_doc_get_root(compose->doc);
	yyjson_mut_val *out = yyjson_mut_obj(compose->doc), *value;
	static const char *const kept[] = { "volumes", "networks", NULL };
	size_t i;
	int err;

	if (!out)
		return -ENOMEM;
	err = check_outer(input, root) ?: take_project(input, root, compose) ?:
		take_services(input, root, out, compose) ?:
		check_grants(input, compose);
	if (err)
		return err;
	for (i = 0; kept[i]; i++) {
		value = yyjson_mut_obj_remove_key(root, kept[i]);
		if (value && !yyjson_mut_is_null(value) &&
		    !yyjson_mut_obj_add_val(compose->doc, out, kept[i], value))
			return -ENOMEM;
	}
	yyjson_mut_doc_set_root(compose->doc, out);
	return finish(compose, yyjson_mut_obj_get(out, "services"));
}

int run_compose_read(const char *text, const struct run_input *input,
		     struct run_compose **out)
{
	struct run_compose *compose = calloc(1, sizeof(*compose));
	int err;

	*out = NULL;
	if (!compose)
		return run_refuse(input->tell, -ENOMEM, "not enough memory");
	err = run_yaml_parse(text, strlen(text), &compose->doc, input->tell);
	err = err ?: build(input, compose);
	if (err == -ENOMEM)
		run_refuse(input->tell, err, "not enough memory");
	if (err)
		run_compose_free(compose);
	else
		*out = compose;
	return err;
}

void run_compose_free(struct run_compose *compose)
{
	if (!compose)
		return;
	yyjson_mut_doc_free(compose->doc);
	free(compose->services);
	wipe_text(compose);
	free(compose);
}
