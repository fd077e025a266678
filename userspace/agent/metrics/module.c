// SPDX-License-Identifier: MIT
/*
 * What the module of this machine counts
 *
 * Copyright The dstack for Linux authors
 */
#include "metrics.h"

#include <errno.h>
#include <stdlib.h>

struct list {
	struct libdstack_container *containers;
	size_t nr, room;
};

static int append(const struct libdstack_container *container, void *arg)
{
	struct list *list = arg;
	struct libdstack_container *more;
	size_t room = list->room ? 2 * list->room : 16;

	if (list->nr == list->room) {
		more = reallocarray(list->containers, room, sizeof(*more));
		if (!more)
			return -ENOMEM;
		list->containers = more;
		list->room = room;
	}
	list->containers[list->nr++] = *container;
	return 0;
}

int metrics_text(const struct metrics_counters *counters,
		 const struct agent_quote_stats *quotes, char **text,
		 size_t *len)
{
	struct metrics_source source = {
		.counters = counters, .quotes = quotes,
	};
	struct libdstack_control *control;
	struct libdstack_status status;
	struct list list = { 0 };
	int err = libdstack_control_open(&control);

	if (!err) {
		err = libdstack_status(control, &status) ?:
			libdstack_list_containers(control, append, &list);
		libdstack_control_close(control);
	}
	if (!err) {
		source.status = &status;
		source.containers = list.containers;
		source.nr_containers = list.nr;
	}
	/* Whoever watches must see that it does not answer. */
	err = metrics_write(&source, text, len);
	free(list.containers);
	return err;
}
