// SPDX-License-Identifier: MIT
/*
 * podman and podman-compose
 *
 * Copyright The dstack for Linux authors
 *
 * docker has no hook that registers a container before its first program; so
 * it is podman, whatever else the machine has.
 */
#include "run.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PODMAN		"podman"
#define COMPOSE		"podman-compose"
#define LABEL		"io.podman.compose.project"
#define TRIES		3
#define PULL_SECONDS	1800
#define UP_SECONDS	900
#define ASK_SECONDS	60
#define LIST_MAX	(16U << 20)
#define FILTER_MAX	192
#define EXIT_NOT_FOUND	127
#define DOCKER_TOO	"; docker is here, but has no hook that registers a container before its first program"

static void tell(const struct run_engine *engine, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

static void tell(const struct run_engine *engine, const char *fmt, ...)
{
	char line[LIBDSTACK_MESSAGE_MAX];
	va_list args;

	va_start(args, fmt);
	vsnprintf(line, sizeof(line), fmt, args);
	va_end(args);
	engine->tell(line);
}

static bool has_docker(void)
{
	return !access("/usr/bin/docker", X_OK) ||
		!access("/usr/local/bin/docker", X_OK);
}

/* What the program said itself is in the lines before. */
static int refuse(const struct run_engine *engine, const char *program,
		  const char *what, int status)
{
	if (status == -ENOENT || status == EXIT_NOT_FOUND)
		tell(engine, "%s is not installed, and is what runs containers%s",
		     program, has_docker() ? DOCKER_TOO : "");
	else if (status == -ETIMEDOUT)
		tell(engine, "%s: %s took too long and was ended", program,
		     what);
	else if (status < 0)
		tell(engine, "%s: %s: %s", program, what, strerror(-status));
	else
		tell(engine, "%s: %s failed (exit status %d)", program, what,
		     status);
	return status < 0 ? status : -ECHILD;
}

static int ask(const struct run_engine *engine, const char *const *argv,
	       const char *what, char **output, size_t *len)
{
	struct spawn_text text = { .max = LIST_MAX };
	const struct spawn_ear ear = { spawn_keep, &text };
	int status = run_command(argv, ASK_SECONDS * engine->time_scale, &ear,
				 NULL);

	if (!status && !text.data)
		status = spawn_keep(&text, "", 0);
	*output = text.data;
	*len = text.len;
	if (!status)
		return 0;
	free(text.data);
	return refuse(engine, PODMAN, what, status);
}

int run_engine_store(const struct run_engine *engine, struct run_store *store)
{
	static const char *const argv[] = {
		PODMAN, "info", "--format",
		"{{.Store.GraphDriverName}} {{.Store.GraphRoot}}", NULL
	};
	char *text, *root;
	size_t len;
	int err;

	err = ask(engine, argv, "info", &text, &len);
	if (err)
		return err;
	text[strcspn(text, "\n")] = '\0';
	root = strchr(text, ' ');
	if (root && root[1] == '/' && strlen(root) < sizeof(store->root) &&
	    (size_t)(root - text) < sizeof(store->driver)) {
		*root++ = '\0';
		memcpy(store->root, root, strlen(root) + 1);
		memcpy(store->driver, text, strlen(text) + 1);
	} else {
		tell(engine, "podman does not say where its images are");
		err = -EBADMSG;
	}
	free(text);
	return err;
}

static int pull_once(const struct run_engine *engine, const char *name)
{
	const char *const argv[] = { PODMAN, "pull", name, NULL };
	struct run_pull pull = {
		.name = name, .tell = engine->tell,
		.began_ms = spawn_now_ms(),
	};
	struct spawn_lines lines;
	const struct spawn_ear err = { spawn_lines_hear, &lines };
	int status;

	spawn_lines_start(&lines, run_pull_tell, &pull);
	status = run_command(argv, PULL_SECONDS * engine->time_scale, NULL,
			     &err);
	spawn_lines_end(&lines);
	return status;
}

/* A registry that does not answer now may do so in a moment. */
int run_engine_pull(const struct run_engine *engine,
		    const struct run_image *image)
{
	int status = 0, try;

	for (try = 1; try <= TRIES; try++) {
		tell(engine, "pulling %s%s", image->name,
		     try == 1 ? "" : ", once more");
		status = pull_once(engine, image->name);
		if (!status || status == -ENOENT)
			break;
		if (try < TRIES)
			sleep(5 * try);
	}
	return status ? refuse(engine, PODMAN, "pull", status) : 0;
}

/* Images are there, and the file says everything: it asks for nothing. */
int run_engine_up(const struct run_engine *engine, const char *project)
{
	const char *const argv[] = {
		COMPOSE, "--project-name", project, "--file", engine->file,
		"--in-pod", "false", "up", "--detach", "--no-build",
		"--remove-orphans", NULL
	};
	int status = run_command(argv, UP_SECONDS * engine->time_scale, NULL,
				 NULL);

	return status ? refuse(engine, COMPOSE, "up", status) : 0;
}

static void make_filter(char filter[FILTER_MAX], const char *project)
{
	snprintf(filter, FILTER_MAX, "label=" LABEL "=%s", project);
}

/* Volumes stay, as an application's data do. */
int run_engine_down(const struct run_engine *engine, const char *project)
{
	char filter[FILTER_MAX];
	const char *const argv[] = { PODMAN, "rm", "--force", "--filter",
				     filter, NULL };
	int status;

	make_filter(filter, project);
	status = run_command(argv, UP_SECONDS * engine->time_scale, NULL,
			     NULL);
	return status ? refuse(engine, PODMAN, "rm", status) : 0;
}

static const char *text_in(yyjson_val *object, const char *name)
{
	const char *text = yyjson_get_str(yyjson_obj_get(object, name));

	return text ? text : "";
}

static int each(yyjson_val *list, run_container_fn fn, void *arg)
{
	yyjson_val *item, *labels;
	size_t i, nr;
	int err;

	yyjson_arr_foreach(list, i, nr, item) {
		struct run_container container;

		labels = yyjson_obj_get(item, "Labels");
		container.id = text_in(item, "Id");
		container.state = text_in(item, "State");
		container.service = text_in(labels,
					    "com.docker.compose.service");
		container.hash = text_in(labels, "org.dstack.compose");
		err = fn(&container, arg);
		if (err)
			return err;
	}
	return 0;
}

int run_engine_each(const struct run_engine *engine, const char *project,
		    run_container_fn fn, void *arg)
{
	char filter[FILTER_MAX], *text;
	const char *const argv[] = { PODMAN, "ps", "--all", "--no-trunc",
				     "--filter", filter, "--format", "json",
				     NULL };
	yyjson_doc *doc;
	size_t len;
	int err;

	make_filter(filter, project);
	err = ask(engine, argv, "ps", &text, &len);
	if (err)
		return err;
	doc = yyjson_read(text, len, 0);
	free(text);
	if (!yyjson_is_arr(yyjson_doc_get_root(doc))) {
		tell(engine, "podman does not say which containers there are");
		err = -EBADMSG;
	}
	err = err ?: each(yyjson_doc_get_root(doc), fn, arg);
	yyjson_doc_free(doc);
	return err;
}
