/* SPDX-License-Identifier: MIT */
/*
 * How the containers of an application are run
 *
 * Copyright The dstack for Linux authors
 *
 *	yaml.c		the compose file's text, as a JSON document
 *	vars.c		variables in it, from the application's environment
 *	compose.c	the document, as it is given to the compose program
 *	service.c	one service: each key is known, or refused
 *	check.c		keys that give a container more than a container has
 *	mount.c		what a service mounts
 *	image.c		names of images
 *	store.c		what podman's store has under such a name
 *	command.c	programs that do a part of the work
 *	pull.c		how far an image is that is being pulled
 *	engine.c	podman and podman-compose
 *	known.c		whether the kernel knows what podman runs
 *	app.c		"dstack-boot app"
 *
 * The compose file is measured, and its author trusted to choose what runs.
 * What it says is read once and written anew, without anything that two
 * programs could read in two ways: what was checked is what is run.
 *
 * Functions return 0 or -errno, after one line to @tell.
 */
#ifndef RUN_H
#define RUN_H

#include <libdstack.h>
#include <yyjson.h>

#include "../app/app.h"
#include "../spawn/spawn.h"

#define RUN_COMPOSE_MAX		(1U << 20)	/* bytes of the text */
#define RUN_DOCUMENT_MAX	(4U << 20)	/* of what it expands to */
#define RUN_NODES_MAX		20000U		/* values in it */
#define RUN_KEYS_MAX		1024U		/* of one mapping */
#define RUN_DEPTH_MAX		32U
#define RUN_SERVICES_MAX	64U
#define RUN_ENVIRONMENT_MAX	(4U << 20)	/* bytes of its file */
#define RUN_IMAGE_MAX		512U		/* with the NUL */

/* An image that can't change: a repository's whole name and a digest. */
struct run_image {
	char repository[RUN_IMAGE_MAX];
	char name[RUN_IMAGE_MAX + 80];		/* REPOSITORY@sha256:HEX */
	uint8_t digest[DSTACK_DIGEST_SIZE];
};

struct run_service {
	const char *name;		/* in the document */
	char section[DSTACK_SECTION_SIZE];
	struct run_image image;
};

struct run_compose {
	yyjson_mut_doc *doc;
	const char *project;		/* in the document */
	struct run_service *services;
	size_t nr;
	char *text;			/* for the compose program */
	size_t len;
	char hash[2 * APP_HASH_SIZE + 1];	/* of @text, in hex */
};

/* What a compose file is read with. */
struct run_input {
	const struct app_compose *app;
	const char *app_id;		/* 40 hex digits */
	const char *dir;		/* no container may see this one */
	const char *data;		/* "./" of a compose file */
	yyjson_val *environment;	/* an object of texts; NULL: none */
	bool live;			/* the agent's sockets must be there */
	libdstack_message_fn tell;
};

/* Says what is wrong, in one line of printable letters.  Returns @err. */
int run_refuse(libdstack_message_fn tell, int err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* @words: NULL-ended. */
bool run_is_one_of(const char *text, const char *const *words);
/* What podman takes for the name of something. */
bool run_name_ok(const char *name);

/* yaml.c */

/* Text to a document of objects, arrays, texts, whole numbers, booleans. */
int run_yaml_parse(const char *text, size_t len, yyjson_mut_doc **out,
		   libdstack_message_fn tell);

/* vars.c */

/* *@out: @text with its variables, for free().  -EBADMSG: and *@why says so. */
int run_vars_expand(const char *text, yyjson_val *environment, char **out,
		    const char **why);

/* image.c */

/* -EINVAL: not pinned by a digest, or no name; *@why says which. */
int run_image_parse(const char *text, struct run_image *image,
		    const char **why);

/* compose.c */

int run_compose_read(const char *text, const struct run_input *input,
		     struct run_compose **out);
/* Takes NULL. */
void run_compose_free(struct run_compose *compose);

/* store.c */

/* Where podman keeps images. */
struct run_store {
	char root[4096];
	char driver[64];
};

/*
 * The manifest under that name has that digest, its configuration is the one
 * that it names, and the layers are those that the configuration names.
 * -ENOENT, of which nothing is said: the image is not there.
 */
int run_store_check(const struct run_store *store,
		    const struct run_image *image,
		    libdstack_message_fn tell);

/* command.c */

/*
 * Its exit status, or as spawn_run().  @out: NULL if nobody wants to know;
 * @err: NULL if it goes where ours goes.
 */
int run_command(const char *const *argv, unsigned int seconds,
		const struct spawn_ear *out, const struct spawn_ear *err);

/* pull.c */

struct run_pull {
	const char *name;		/* of the image */
	size_t layers;			/* begun, or found to be here */
	int64_t began_ms;		/* of spawn_now_ms() */
	libdstack_message_fn tell;
};

/* A line of "podman pull", as spawn_lines tells it. */
void run_pull_tell(void *pull, const char *line);

/* engine.c */

struct run_engine {
	const char *file;		/* the document, for podman-compose */
	unsigned int time_scale;	/* of all limits */
	libdstack_message_fn tell;
};

/* A container of the project, as podman has it. */
struct run_container {
	const char *id, *service, *hash, *state;
};

typedef int (*run_container_fn)(const struct run_container *container,
				void *arg);

int run_engine_store(const struct run_engine *engine, struct run_store *store);
int run_engine_pull(const struct run_engine *engine,
		    const struct run_image *image);
int run_engine_up(const struct run_engine *engine, const char *project);
int run_engine_down(const struct run_engine *engine, const char *project);
int run_engine_each(const struct run_engine *engine, const char *project,
		    run_container_fn fn, void *arg);

/* known.c */

/* What became of the services; the kernel knows all that run as theirs. */
struct run_known {
	size_t running, ended, absent;
};

/*
 * -EPERM: a container runs that is not registered as what it should be.  Of
 * containers made of another compose file nothing is taken.
 */
int run_known_check(const struct run_engine *engine,
		    const struct run_compose *compose,
		    struct libdstack_control *control,
		    struct run_known *known);

/* app.c */

/* "dstack-boot app": its exit status.  argv[0] is "app". */
int run_app_main(int argc, char **argv);

#endif /* RUN_H */
