/* SPDX-License-Identifier: MIT */
/*
 * One service of a compose file, while it is read
 *
 * Copyright The dstack for Linux authors
 */
#ifndef RUN_SERVICE_H
#define RUN_SERVICE_H

#include "run.h"

struct service {
	const struct run_input *input;
	const struct app_container *grants;	/* NULL: none */
	const char *name;
	yyjson_mut_doc *doc;
	yyjson_mut_val *out;		/* what is given to the program */
};

/* Says which service and which key.  -EBADMSG. */
int service_refuse(const struct service *s, const char *key, const char *fmt,
		   ...) __attribute__((format(printf, 3, 4)));
/* True if app-compose.json lets this service have it. */
bool service_may(const struct service *s, const char *word);
/* The same; else it is refused, and the line says how to ask for it. */
int service_need(const struct service *s, const char *key, const char *word);

/* *@service gets its section and its image; *@out is what is to be run. */
int service_read(const struct run_input *input, yyjson_mut_doc *doc,
		 const char *name, yyjson_mut_val *value,
		 struct run_service *service, yyjson_mut_val **out);

/* check.c: *@value becomes NULL where nothing has to be said to podman. */
int check_privileged(const struct service *s, const char *key,
		     yyjson_mut_val **value);
int check_devices(const struct service *s, const char *key,
		  yyjson_mut_val **value);
int check_capabilities(const struct service *s, const char *key,
		       yyjson_mut_val **value);
int check_security_opt(const struct service *s, const char *key,
		       yyjson_mut_val **value);
int check_network_mode(const struct service *s, const char *key,
		       yyjson_mut_val **value);
int check_pid(const struct service *s, const char *key,
	      yyjson_mut_val **value);
int check_private(const struct service *s, const char *key,
		  yyjson_mut_val **value);
int check_userns(const struct service *s, const char *key,
		 yyjson_mut_val **value);
int check_platform(const struct service *s, const char *key,
		   yyjson_mut_val **value);
int check_labels(const struct service *s, const char *key,
		 yyjson_mut_val **value);
int check_logging(const struct service *s, const char *key,
		  yyjson_mut_val **value);
int check_deploy(const struct service *s, const char *key,
		 yyjson_mut_val **value);
int check_name(const struct service *s, const char *key,
	       yyjson_mut_val **value);

/* mount.c */
int check_volumes(const struct service *s, const char *key,
		  yyjson_mut_val **value);
int check_tmpfs(const struct service *s, const char *key,
		yyjson_mut_val **value);

#endif /* RUN_SERVICE_H */
