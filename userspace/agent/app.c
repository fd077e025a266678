// SPDX-License-Identifier: MIT
/*
 * The application that is served: what the boot left about it
 *
 * Copyright The dstack for Linux authors
 */
#include "agent.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COMPOSE_EVENT	"compose-hash"
#define READY_EVENT	"system-ready"

int agent_say(libdstack_message_fn tell, int err, const char *fmt, ...)
{
	char text[LIBDSTACK_MESSAGE_MAX];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	tell(text);
	return err;
}

static int path_in(const char *dir, const char *name, char path[PATH_MAX])
{
	return snprintf(path, PATH_MAX, "%s/%s", dir, name) < PATH_MAX ? 0 :
		-ENAMETOOLONG;
}

static int read_all(struct agent_app *app, const char *dir, uint64_t epoch,
		    libdstack_message_fn tell)
{
	char path[PATH_MAX];

	return path_in(dir, "app-compose.json", path) ?:
		app_compose_read(path, &app->compose, tell) ?:
		agent_terms_new(app->compose, tell, &app->terms) ?:
		path_in(dir, ".sys-config.json", path) ?:
		app_sys_config_read(path, &app->config, tell) ?:
		agent_epochs_open(dir, epoch, tell, &app->epochs);
}

int agent_app_read(const char *dir, uint64_t epoch, libdstack_message_fn tell,
		   struct agent_app **out)
{
	struct agent_app *app = calloc(1, sizeof(*app));
	int err = app ? read_all(app, dir, epoch, tell) : -ENOMEM;

	if (err)
		agent_app_free(app);
	else
		*out = app;
	return err;
}

void agent_app_free(struct agent_app *app)
{
	if (!app)
		return;
	agent_epochs_close(app->epochs);
	app_sys_config_free(app->config);
	agent_terms_free(app->terms);
	app_compose_free(app->compose);
	free(app);
}

const struct libdstack_event *
agent_app_measured(const struct libdstack_log *log)
{
	size_t i;

	for (i = 0; i < log->count; i++) {
		if (!strcmp(log->events[i].name, COMPOSE_EVENT))
			return &log->events[i];
		if (!strcmp(log->events[i].name, READY_EVENT))
			break;
	}
	return NULL;
}

/* Of the file that is here? */
static bool says_same(const struct libdstack_event *event,
		      const struct agent_app *app)
{
	return event->payload_len == APP_HASH_SIZE &&
		!memcmp(event->payload, app->compose->hash, APP_HASH_SIZE);
}

enum measured { MEASURED_SAME = 1, MEASURED_OTHER, MEASURED_NONE };

/* The whole boot is before READY_EVENT, however much is before the boot. */
static int look_at(const char *line, size_t len, void *arg)
{
	const struct libdstack_event *event;
	struct libdstack_log *log;
	int ret;

	/* Most are others, and not to be taken apart for that. */
	if (!strstr(line, COMPOSE_EVENT) && !strstr(line, READY_EVENT))
		return 0;
	ret = libdstack_log_parse(line, len, &log);
	if (ret)
		return ret;
	event = agent_app_measured(log);
	if (event)
		ret = says_same(event, arg) ? MEASURED_SAME : MEASURED_OTHER;
	else if (log->count && !strcmp(log->events[0].name, READY_EVENT))
		ret = MEASURED_NONE;
	libdstack_log_free(log);
	return ret;
}

int agent_app_check(const struct agent_app *app, const char *log_path,
		    uint64_t count, libdstack_message_fn tell)
{
	int found = attest_log_each(log_path, count, look_at, (void *)app);

	if (found < 0)
		return agent_say(tell, found, "can't read the event log '%s': %s",
				 log_path, strerror(-found));
	if (found == MEASURED_OTHER)
		return agent_say(tell, -EKEYREJECTED, "app-compose.json is not the one that this boot measured: put that back, or reboot");
	if (found != MEASURED_SAME)
		agent_say(tell, 0, "no boot measured app-compose.json: Info will be refused");
	return 0;
}
