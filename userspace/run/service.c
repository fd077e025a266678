// SPDX-License-Identifier: MIT
/*
 * One service of a compose file: each key is known, or refused
 *
 * Copyright The dstack for Linux authors
 *
 * Variables come from the environment, which is encrypted to the application
 * and by whoever: they say what a program is told, and never what is run nor
 * what it may do.
 */
#include "service.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "event.h"

/* What a value may be. */
#define TEXT	1U	/* or a number */
#define FLAG	2U	/* true or false */
#define LIST	4U	/* of texts and numbers */
#define MAP	8U
#define VARS	16U	/* variables in it are replaced */
#define LISTS	(TEXT | LIST)

typedef int (*check_fn)(const struct service *s, const char *key,
			yyjson_mut_val **value);

struct key {
	const char *name;
	unsigned int shape;	/* 0: it is left out */
	check_fn check;		/* NULL: none */
	const char *refused;	/* why; NULL: it is not */
};

int service_refuse(const struct service *s, const char *key, const char *fmt,
		   ...)
{
	char text[LIBDSTACK_MESSAGE_MAX / 2];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	return run_refuse(s->input->tell, -EBADMSG, "service '%.64s': %.64s: %s",
			  s->name, key, text);
}

bool service_may(const struct service *s, const char *word)
{
	char **allowed = s->grants ? s->grants->allow : NULL;

	for (; allowed && *allowed; allowed++)
		if (!strcmp(*allowed, word))
			return true;
	return false;
}

int service_need(const struct service *s, const char *key, const char *word)
{
	if (service_may(s, word))
		return 0;
	return service_refuse(s, key, "it would be more than a container: leave it out, or say so in app-compose.json: \"dstack\": {\"containers\": {\"%s\": {\"allow\": [\"%s\"]}}}",
			      s->name, word);
}

#define NO_ANNOTATIONS "app-compose.json says what a container is registered as: \"dstack\": {\"containers\": ...}"
#define NO_BUILD "images are built before, and pinned by their digest"
#define NO_FILES "nothing outside of app-compose.json is read: write it there"
#define NO_SECRETS "use the encrypted environment, and \"environment\""

static const struct key keys[] = {
	{ "annotations", 0, NULL, NO_ANNOTATIONS },
	{ "attach", 0, NULL, NULL },
	{ "build", 0, NULL, NO_BUILD },
	{ "cap_add", LIST, check_capabilities, NULL },
	{ "cap_drop", LIST, NULL, NULL },
	{ "cgroup", TEXT, check_private, NULL },
	{ "cgroup_parent", 0, NULL,
	  "a container is its cgroup, and podman makes it" },
	{ "command", LISTS | VARS, NULL, NULL },
	{ "configs", 0, NULL, NO_SECRETS },
	{ "container_name", TEXT, check_name, NULL },
	{ "cpu_shares", TEXT, NULL, NULL },
	{ "cpus", TEXT, NULL, NULL },
	{ "cpuset", TEXT, NULL, NULL },
	{ "depends_on", LIST | MAP, NULL, NULL },
	{ "deploy", MAP, check_deploy, NULL },
	{ "device_cgroup_rules", LIST, check_devices, NULL },
	{ "devices", LIST, check_devices, NULL },
	{ "dns", LISTS, NULL, NULL },
	{ "dns_opt", LISTS, NULL, NULL },
	{ "dns_search", LISTS, NULL, NULL },
	{ "entrypoint", LISTS | VARS, NULL, NULL },
	{ "env_file", 0, NULL, NO_FILES },
	{ "environment", LIST | MAP | VARS, NULL, NULL },
	{ "expose", LIST, NULL, NULL },
	{ "extends", 0, NULL, NO_FILES },
	{ "extra_hosts", LIST | MAP | VARS, NULL, NULL },
	{ "gpus", LISTS, check_devices, NULL },
	{ "group_add", LIST, NULL, NULL },
	{ "healthcheck", MAP | VARS, NULL, NULL },
	{ "hostname", TEXT | VARS, NULL, NULL },
	{ "image", TEXT, NULL, NULL },
	{ "init", FLAG, NULL, NULL },
	{ "ipc", TEXT, check_private, NULL },
	{ "labels", LIST | MAP | VARS, check_labels, NULL },
	{ "links", LIST, NULL, NULL },
	{ "logging", MAP, check_logging, NULL },
	{ "mac_address", TEXT, NULL, NULL },
	{ "mem_limit", TEXT, NULL, NULL },
	{ "mem_reservation", TEXT, NULL, NULL },
	{ "mem_swappiness", TEXT, NULL, NULL },
	{ "memswap_limit", TEXT, NULL, NULL },
	{ "network_mode", TEXT, check_network_mode, NULL },
	{ "networks", LIST | MAP, NULL, NULL },
	{ "oom_kill_disable", FLAG, NULL, NULL },
	{ "oom_score_adj", TEXT, NULL, NULL },
	{ "pid", TEXT, check_pid, NULL },
	{ "pids_limit", TEXT, NULL, NULL },
	{ "platform", TEXT, check_platform, NULL },
	{ "ports", LIST | VARS, NULL, NULL },
	{ "privileged", FLAG, check_privileged, NULL },
	{ "profiles", LIST, NULL, NULL },
	{ "pull_policy", 0, NULL, NULL },
	{ "read_only", FLAG, NULL, NULL },
	{ "restart", TEXT, NULL, NULL },
	{ "runtime", 0, NULL,
	  "containers are registered by podman's own runtime" },
	{ "secrets", 0, NULL, NO_SECRETS },
	{ "security_opt", LIST, check_security_opt, NULL },
	{ "shm_size", TEXT, NULL, NULL },
	{ "stdin_open", FLAG, NULL, NULL },
	{ "stop_grace_period", TEXT, NULL, NULL },
	{ "stop_signal", TEXT, NULL, NULL },
	{ "sysctls", LIST | MAP, NULL, NULL },
	{ "tmpfs", LISTS, check_tmpfs, NULL },
	{ "tty", FLAG, NULL, NULL },
	{ "ulimits", MAP, NULL, NULL },
	{ "user", TEXT, NULL, NULL },
	{ "userns_mode", TEXT, check_userns, NULL },
	{ "uts", TEXT, check_private, NULL },
	{ "volumes", LIST, check_volumes, NULL },
	{ "volumes_from", 0, NULL, "name the volume in each service" },
	{ "working_dir", TEXT, NULL, NULL },
};

static const struct key *find_key(const char *name)
{
	size_t i;

	for (i = 0; i < sizeof(keys) / sizeof(*keys); i++)
		if (!strcmp(keys[i].name, name))
			return &keys[i];
	return NULL;
}

/* Text with its variables, and every dollar twice: nobody replaces it again. */
static int expand_text(const struct service *s, const struct key *key,
		       yyjson_mut_val *value)
{
	const char *text = yyjson_mut_get_str(value), *why;
	yyjson_mut_val *copy;
	char *plain, *p, *twice;
	int err;

	if (!strchr(text, '$'))
		return 0;
	if (!(key->shape & VARS))
		return service_refuse(s, key->name, "no variables here: the environment does not decide what is run");
	err = run_vars_expand(text, s->input->environment, &plain, &why);
	if (err)
		return why ? service_refuse(s, key->name, "%s", why) : err;
	twice = malloc(2 * strlen(plain) + 1);
	for (p = plain, text = twice; twice && *p; p++) {
		*twice++ = *p;
		if (*p == '$')
			*twice++ = '$';
	}
	free(plain);
	if (!twice)
		return -ENOMEM;
	*twice = '\0';
	copy = yyjson_mut_strcpy(s->doc, text);
	free((char *)text);
	return copy && yyjson_mut_set_str(value, yyjson_mut_get_str(copy)) ?
		0 : -ENOMEM;
}

/* It was read with a bound on its depth. */
static int expand(const struct service *s, const struct key *key,
		  yyjson_mut_val *value)
{
	yyjson_mut_obj_iter object = yyjson_mut_obj_iter_with(value);
	yyjson_mut_arr_iter array = yyjson_mut_arr_iter_with(value);
	yyjson_mut_val *item;
	int err = 0;

	if (yyjson_mut_is_str(value))
		return expand_text(s, key, value);
	while (!err && (item = yyjson_mut_obj_iter_next(&object)))
		err = expand(s, key, yyjson_mut_obj_iter_get_val(item));
	while (!err && (item = yyjson_mut_arr_iter_next(&array)))
		err = expand(s, key, item);
	return err;
}

static bool is_text(yyjson_mut_val *value)
{
	return yyjson_mut_is_str(value) || yyjson_mut_is_int(value);
}

static bool is_list(const char *name, yyjson_mut_val *value)
{
	/* These have entries with a longer form. */
	bool objects = !strcmp(name, "ports") || !strcmp(name, "volumes");
	yyjson_mut_arr_iter iter;
	yyjson_mut_val *item;

	if (!yyjson_mut_arr_iter_init(value, &iter))
		return false;
	while ((item = yyjson_mut_arr_iter_next(&iter)))
		if (!is_text(item) && !(objects && yyjson_mut_is_obj(item)))
			return false;
	return true;
}

static int check_shape(const struct service *s, const struct key *key,
		       yyjson_mut_val *value)
{
	if (((key->shape & TEXT) && is_text(value)) ||
	    ((key->shape & FLAG) && yyjson_mut_is_bool(value)) ||
	    ((key->shape & LIST) && is_list(key->name, value)) ||
	    ((key->shape & MAP) && yyjson_mut_is_obj(value)))
		return 0;
	return service_refuse(s, key->name, "want %s%s%s",
			      key->shape & FLAG ? "true or false" :
			      key->shape & TEXT ? "a text" : "",
			      key->shape & LIST ? key->shape & TEXT ?
			      ", or a list" : "a list" : "",
			      key->shape & MAP ? key->shape & LIST ?
			      ", or a mapping" : "a mapping" : "");
}

static int take_key(const struct service *s, yyjson_mut_val *name,
		    yyjson_mut_val *value)
{
	const char *text = yyjson_mut_get_str(name);
	const struct key *key = find_key(text);
	int err;

	if (!strncmp(text, "x-", 2))
		return 0;
	if (!key)
		return service_refuse(s, text, "not known: leave it out");
	if (key->refused)
		return service_refuse(s, text, "%s", key->refused);
	if (!key->shape || yyjson_mut_is_null(value))
		return 0;
	err = check_shape(s, key, value) ?: expand(s, key, value);
	if (!err && key->check)
		err = key->check(s, text, &value);
	if (err || !value)
		return err;
	return yyjson_mut_obj_add(s->out, name, value) ? 0 : -ENOMEM;
}

static int take_keys(const struct service *s, yyjson_mut_val *value)
{
	yyjson_mut_obj_iter iter = yyjson_mut_obj_iter_with(value);
	yyjson_mut_val *name;
	int err = 0;

	while (!err && (name = yyjson_mut_obj_iter_next(&iter)))
		err = take_key(s, name, yyjson_mut_obj_iter_remove(&iter));
	return err;
}

static int take_image(const struct service *s, struct run_service *service)
{
	const char *text = yyjson_mut_get_str(yyjson_mut_obj_get(s->out,
								 "image"));
	const char *why;

	if (!text)
		return service_refuse(s, "image", "is missing");
	if (run_image_parse(text, &service->image, &why))
		return service_refuse(s, "image", "'%.200s': %s", text, why);
	yyjson_mut_obj_remove_key(s->out, "image");
	return yyjson_mut_obj_add_str(s->doc, s->out, "image",
				      service->image.name) ? 0 : -ENOMEM;
}

/* What was asked for by its name alone, and what is not there, is left out. */
static int add_variable(const struct service *s, yyjson_mut_val *env,
			const char *name, size_t len, const char *value)
{
	yyjson_mut_val *key = yyjson_mut_strncpy(s->doc, name, len);
	size_t i;

	for (i = 0; i < len; i++)
		if (name[i] <= ' ' || name[i] > '~')
			break;
	if (!len || i < len)
		return service_refuse(s, "environment", "the name of a variable has printable letters only");
	if (key && yyjson_mut_obj_get(env, yyjson_mut_get_str(key)))
		return service_refuse(s, "environment", "'%.64s' is there twice",
				      yyjson_mut_get_str(key));
	if (!value)
		return 0;
	return yyjson_mut_obj_add(env, key, yyjson_mut_strcpy(s->doc, value)) ?
		0 : -ENOMEM;
}

/* Of what is in the environment a dollar is a dollar. */
static int add_given(const struct service *s, yyjson_mut_val *env,
		     const char *name, size_t len)
{
	const struct key key = { "environment", TEXT | VARS, NULL,
				 NULL };
	char buffer[256];
	yyjson_mut_val *value;
	int err;

	if (!yyjson_obj_getn(s->input->environment, name, len) ||
	    len > sizeof(buffer) - 4)
		return add_variable(s, env, name, len, NULL);
	snprintf(buffer, sizeof(buffer), "${%.*s}", (int)len, name);
	value = yyjson_mut_strcpy(s->doc, buffer);
	err = value ? expand_text(s, &key, value) : -ENOMEM;
	return err ?: add_variable(s, env, name, len,
				   yyjson_mut_get_str(value));
}

static int add_entry(const struct service *s, yyjson_mut_val *env,
		     const char *name, size_t len, yyjson_mut_val *value)
{
	char number[32];

	if (yyjson_mut_is_null(value))
		return add_given(s, env, name, len);
	if (yyjson_mut_is_bool(value))
		return add_variable(s, env, name, len,
				    yyjson_mut_get_bool(value) ? "true" :
				    "false");
	if (yyjson_mut_is_str(value))
		return add_variable(s, env, name, len,
				    yyjson_mut_get_str(value));
	if (!yyjson_mut_is_int(value))
		return service_refuse(s, "environment", "'%.64s': want a text",
				      name);
	snprintf(number, sizeof(number), "%lld",
		 (long long)yyjson_mut_get_sint(value));
	return add_variable(s, env, name, len, number);
}

/* All forms become one: NAME: value. */
static int take_environment(const struct service *s)
{
	yyjson_mut_val *old = yyjson_mut_obj_remove_key(s->out, "environment");
	yyjson_mut_val *env = yyjson_mut_obj(s->doc), *item;
	yyjson_mut_obj_iter object = yyjson_mut_obj_iter_with(old);
	yyjson_mut_arr_iter array = yyjson_mut_arr_iter_with(old);
	int err = env ? 0 : -ENOMEM;

	while (!err && (item = yyjson_mut_obj_iter_next(&object)))
		err = add_entry(s, env, yyjson_mut_get_str(item),
				yyjson_mut_get_len(item),
				yyjson_mut_obj_iter_get_val(item));
	while (!err && (item = yyjson_mut_arr_iter_next(&array))) {
		const char *text = yyjson_mut_get_str(item);
		size_t len = strcspn(text ? text : "", "=");

		if (!text)
			return service_refuse(s, "environment", "want NAME=value");
		err = text[len] ? add_variable(s, env, text, len,
					       text + len + 1) :
			add_given(s, env, text, len);
	}
	if (err || !old)
		return err;
	return yyjson_mut_obj_add_val(s->doc, s->out, "environment", env) ?
		0 : -ENOMEM;
}

/* Who it is, for the hook that registers it. */
static int annotate(const struct service *s, const struct run_service *service)
{
	yyjson_mut_val *list = yyjson_mut_obj_add_obj(s->doc, s->out,
						      "annotations");
	const char *digest = strrchr(service->image.name, '@') + 1;

	/* podman is told never to look for images: they were checked. */
	return list &&
		yyjson_mut_obj_add_str(s->doc, list, "org.dstack.section",
				       service->section) &&
		yyjson_mut_obj_add_str(s->doc, list, "org.dstack.app-id",
				       s->input->app_id) &&
		yyjson_mut_obj_add_str(s->doc, list, "org.dstack.image-digest",
				       digest) &&
		yyjson_mut_obj_add_str(s->doc, s->out, "pull_policy",
				       "never") ? 0 : -ENOMEM;
}

static const struct app_container *grants_of(const struct app_compose *app,
					     const char *name)
{
	size_t i;

	for (i = 0; i < app->containers_nr; i++)
		if (!strcmp(app->containers[i].service, name))
			return &app->containers[i];
	return NULL;
}

int service_read(const struct run_input *input, yyjson_mut_doc *doc,
		 const char *name, yyjson_mut_val *value,
		 struct run_service *service, yyjson_mut_val **out)
{
	struct service s = {
		.input = input, .name = name, .doc = doc,
		.grants = grants_of(input->app, name),
		.out = yyjson_mut_obj(doc),
	};

	*out = s.out;
	service->name = name;
	if (!s.out)
		return -ENOMEM;
	if (!dstack_event_name_ok(name))
		return service_refuse(&s, "name", "want 1 to %d of A-Z a-z 0-9 . _ -",
				      DSTACK_SECTION_SIZE - 1);
	if (!yyjson_mut_is_obj(value))
		return service_refuse(&s, "name", "want a mapping");
	snprintf(service->section, sizeof(service->section), "%s",
		 s.grants && s.grants->section ? s.grants->section : name);
	return take_keys(&s, value) ?: take_image(&s, service) ?:
		take_environment(&s) ?: annotate(&s, service);
}
