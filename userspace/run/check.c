// SPDX-License-Identifier: MIT
/*
 * Keys that give a container more than a container has
 *
 * Copyright The dstack for Linux authors
 *
 * Some can be had if app-compose.json says so, by a word for each: it is
 * measured, and who relies on the application reads it there.  What would end
 * a container's identity can't be had.
 */
#include "service.h"

#include <errno.h>
#include <string.h>

#define REPLICAS_MAX	64
#define NAME_MAX_LEN	128

/* "" for what is no text. */
static const char *text_of(yyjson_mut_val *value)
{
	const char *text = yyjson_mut_get_str(value);

	return text ? text : "";
}

int check_privileged(const struct service *s, const char *key,
		     yyjson_mut_val **value)
{
	if (yyjson_mut_get_bool(*value))
		return service_need(s, key, "privileged");
	*value = NULL;
	return 0;
}

int check_devices(const struct service *s, const char *key,
		  yyjson_mut_val **value)
{
	yyjson_mut_arr_iter iter = yyjson_mut_arr_iter_with(*value);
	yyjson_mut_val *item;
	bool ours = yyjson_mut_is_arr(*value);

	/* Through this one a container asks for itself, and nobody else. */
	while ((item = yyjson_mut_arr_iter_next(&iter)))
		if (strcmp(text_of(item), "/dev/dstack") &&
		    strcmp(text_of(item), "/dev/dstack:/dev/dstack"))
			ours = false;
	return ours ? 0 : service_need(s, key, "devices");
}

/* docker gives each container these. */
static const char *const usual_capabilities[] = {
	"AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL",
	"MKNOD", "NET_BIND_SERVICE", "NET_RAW", "SETFCAP", "SETGID", "SETPCAP",
	"SETUID", "SYS_CHROOT", NULL
};

int check_capabilities(const struct service *s, const char *key,
		       yyjson_mut_val **value)
{
	yyjson_mut_arr_iter iter = yyjson_mut_arr_iter_with(*value);
	yyjson_mut_val *item;

	while ((item = yyjson_mut_arr_iter_next(&iter))) {
		const char *name = text_of(item);

		if (!strncmp(name, "CAP_", 4))
			name += 4;
		if (!run_is_one_of(name, usual_capabilities))
			return service_need(s, key, "capabilities");
	}
	return 0;
}

int check_security_opt(const struct service *s, const char *key,
		       yyjson_mut_val **value)
{
	static const char *const harmless[] = {
		"no-new-privileges", "no-new-privileges:true",
		"no-new-privileges=true", NULL
	};
	yyjson_mut_arr_iter iter = yyjson_mut_arr_iter_with(*value);
	yyjson_mut_val *item;

	while ((item = yyjson_mut_arr_iter_next(&iter)))
		if (!run_is_one_of(text_of(item), harmless))
			return service_need(s, key, "security-options");
	return 0;
}

int check_network_mode(const struct service *s, const char *key,
		       yyjson_mut_val **value)
{
	static const char *const own[] = { "none", "bridge", NULL };
	const char *mode = text_of(*value);

	if (run_is_one_of(mode, own) || !strncmp(mode, "service:", 8))
		return 0;
	if (!strcmp(mode, "host"))
		return service_need(s, key, "host-network");
	return service_refuse(s, key, "want \"none\", \"bridge\", \"service:NAME\" or \"host\"");
}

int check_pid(const struct service *s, const char *key, yyjson_mut_val **value)
{
	if (!strcmp(text_of(*value), "host"))
		return service_need(s, key, "host-pid");
	return check_private(s, key, value);
}

/* Which it is anyway. */
int check_private(const struct service *s, const char *key,
		  yyjson_mut_val **value)
{
	if (strcmp(text_of(*value), "private") != 0)
		return service_refuse(s, key, "a container has its own: leave it out");
	*value = NULL;
	return 0;
}

int check_userns(const struct service *s, const char *key,
		 yyjson_mut_val **value)
{
	static const char *const known[] = { "host", "auto", "", NULL };

	if (!run_is_one_of(text_of(*value), known))
		return service_refuse(s, key, "want \"host\", which is none of its own, or \"auto\"");
	if (!*text_of(*value))
		*value = NULL;
	return 0;
}

int check_platform(const struct service *s, const char *key,
		   yyjson_mut_val **value)
{
	if (strcmp(text_of(*value), "linux/amd64") != 0)
		return service_refuse(s, key, "this machine is linux/amd64");
	*value = NULL;
	return 0;
}

/* By these we and podman-compose know a container, and podman replaces it. */
static bool is_taken(const char *label)
{
	static const char *const taken[] = {
		"org.dstack.", "io.podman.", "io.containers.",
		"com.docker.compose.", "PODMAN_", NULL
	};
	size_t i;

	for (i = 0; taken[i]; i++)
		if (!strncmp(label, taken[i], strlen(taken[i])))
			return true;
	return false;
}

int check_labels(const struct service *s, const char *key,
		 yyjson_mut_val **value)
{
	yyjson_mut_obj_iter object = yyjson_mut_obj_iter_with(*value);
	yyjson_mut_arr_iter array = yyjson_mut_arr_iter_with(*value);
	yyjson_mut_val *item;

	while ((item = yyjson_mut_obj_iter_next(&object)) ||
	       (item = yyjson_mut_arr_iter_next(&array)))
		if (is_taken(text_of(item)))
			return service_refuse(s, key, "'%.64s' is a name that others look for",
					      text_of(item));
	return 0;
}

/* Where logs go is podman's business: as options say, it could be any file. */
int check_logging(const struct service *s, const char *key,
		  yyjson_mut_val **value)
{
	static const char *const known[] = { "json-file", "k8s-file",
					     "journald", "none", NULL };
	yyjson_mut_val *driver = yyjson_mut_obj_get(*value, "driver");
	yyjson_mut_val *options = yyjson_mut_obj_get(*value, "options");
	yyjson_mut_val *size = yyjson_mut_obj_get(options, "max-size");
	yyjson_mut_val *kept = yyjson_mut_obj(s->doc), *inner;

	if (driver && !run_is_one_of(text_of(driver), known))
		return service_refuse(s, key, "want driver json-file, k8s-file, journald or none");
	if (!kept ||
	    !yyjson_mut_obj_add_str(s->doc, kept, "driver",
				    driver ? text_of(driver) : "k8s-file"))
		return -ENOMEM;
	inner = size ? yyjson_mut_obj_add_obj(s->doc, kept, "options") : NULL;
	if (inner && !yyjson_mut_obj_add_str(s->doc, inner, "max-size",
					     text_of(size)))
		return -ENOMEM;
	*value = kept;
	return 0;
}

/* GPUs are asked for in here as well. */
int check_deploy(const struct service *s, const char *key,
		 yyjson_mut_val **value)
{
	yyjson_mut_val *resources = yyjson_mut_obj_get(*value, "resources");
	yyjson_mut_val *replicas = yyjson_mut_obj_get(*value, "replicas");

	if (replicas && (!yyjson_mut_is_int(replicas) ||
			 yyjson_mut_get_sint(replicas) < 0 ||
			 yyjson_mut_get_sint(replicas) > REPLICAS_MAX))
		return service_refuse(s, key, "replicas: want a number up to %d",
				      REPLICAS_MAX);
	if (!yyjson_mut_obj_getn(yyjson_mut_obj_get(resources, "reservations"),
				 "devices", 7))
		return 0;
	return service_need(s, key, "devices");
}

int check_name(const struct service *s, const char *key,
	       yyjson_mut_val **value)
{
	const char *name = text_of(*value);

	if (strlen(name) < NAME_MAX_LEN && run_name_ok(name))
		return 0;
	return service_refuse(s, key, "no name of a container");
}
