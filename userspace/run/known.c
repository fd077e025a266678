// SPDX-License-Identifier: MIT
/*
 * Whether the kernel knows what podman runs as what it should be
 *
 * Copyright The dstack for Linux authors
 *
 * A hook registers each container.  Whether podman was told to call it is a
 * file of this machine: here it is looked at what came of it.
 */
#include "run.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define CONTAINERS_MAX	4096

struct check {
	const struct run_compose *compose;
	struct libdstack_container *registered;
	size_t nr;
	libdstack_message_fn tell;
	bool *running, *ended;		/* of each service */
};

static int keep(const struct libdstack_container *container, void *arg)
{
	struct check *check = arg;

	if (check->nr == CONTAINERS_MAX)
		return -E2BIG;
	check->registered[check->nr++] = *container;
	return 0;
}

static const struct libdstack_container *find(const struct check *check,
					      const char *id)
{
	size_t i;

	for (i = 0; i < check->nr; i++)
		if (!strcmp(check->registered[i].id, id))
			return &check->registered[i];
	return NULL;
}

static int refuse(const struct check *check, const struct run_service *service,
		  const char *id, const char *why)
{
	char line[LIBDSTACK_MESSAGE_MAX];

	snprintf(line, sizeof(line), "service '%s' runs as container %.12s, which the kernel %s: see that podman's hooks_dir has /usr/share/containers/oci/hooks.d",
		 service->name, id, why);
	check->tell(line);
	return -EPERM;
}

static int check_registered(const struct check *check,
			    const struct run_service *service, const char *id)
{
	const struct libdstack_container *found = find(check, id);

	if (!found)
		return refuse(check, service, id, "does not know");
	if (strcmp(found->section, service->section) != 0)
		return refuse(check, service, id, "knows by another section");
	if (memcmp(found->image, service->image.digest,
		   sizeof(found->image)) != 0)
		return refuse(check, service, id, "knows by another image");
	return 0;
}

static int look(const struct run_container *container, void *arg)
{
	const struct check *check = arg;
	size_t i;

	if (strcmp(container->hash, check->compose->hash) != 0)
		return 0;
	for (i = 0; i < check->compose->nr; i++)
		if (!strcmp(check->compose->services[i].name,
			    container->service))
			break;
	if (i == check->compose->nr)
		return 0;
	if (!strcmp(container->state, "exited") ||
	    !strcmp(container->state, "stopped"))
		check->ended[i] = true;
	if (strcmp(container->state, "running") != 0)
		return 0;
	check->running[i] = true;
	return check_registered(check, &check->compose->services[i],
				container->id);
}

static void count(const struct check *check, struct run_known *known)
{
	size_t i;

	for (i = 0; i < check->compose->nr; i++)
		if (check->running[i])
			known->running++;
		else if (check->ended[i])
			known->ended++;
		else
			known->absent++;
}

int run_known_check(const struct run_engine *engine,
		    const struct run_compose *compose,
		    struct libdstack_control *control,
		    struct run_known *known)
{
	bool running[RUN_SERVICES_MAX] = { false };
	bool ended[RUN_SERVICES_MAX] = { false };
	struct check check = {
		.compose = compose, .tell = engine->tell,
		.running = running, .ended = ended,
	};
	int err;

	memset(known, 0, sizeof(*known));
	check.registered = calloc(CONTAINERS_MAX, sizeof(*check.registered));
	if (!check.registered)
		return -ENOMEM;
	err = libdstack_list_containers(control, keep, &check) ?:
		run_engine_each(engine, compose->project, look, &check);
	free(check.registered);
	if (!err)
		count(&check, known);
	return err;
}
