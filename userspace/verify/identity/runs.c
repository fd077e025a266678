// SPDX-License-Identifier: MIT
/*
 * What a log tells: containers, and the programs that ran in them
 *
 * Copyright The dstack for Linux authors
 */
#include <errno.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>

#include "identity.h"

static const char *const run_names[__LIBDSTACK_RUN_MAX] = {
	[LIBDSTACK_RUN_CONTAINER] = "container",
	[LIBDSTACK_RUN_EXEC] = "exec",
	[LIBDSTACK_RUN_SCRIPT] = "script",
	[LIBDSTACK_RUN_MAP] = "map",
	[LIBDSTACK_RUN_DENIED] = "denied",
	[LIBDSTACK_RUN_REVOKED] = "revoked",
	[LIBDSTACK_RUN_EVENT] = "event",
	[LIBDSTACK_RUN_KEY] = "key",
	[LIBDSTACK_RUN_ROOT] = "root key",
};

const char *libdstack_run_name(enum libdstack_run_kind kind)
{
	return kind < __LIBDSTACK_RUN_MAX ? run_names[kind] : NULL;
}

/* Being made: a tsearch(3) tree of struct libdstack_run. */
struct tree {
	void *root;
	struct libdstack_runs *runs;
};

static int compare_spans(const struct libdstack_span *a,
			 const struct libdstack_span *b)
{
	size_t len = a->len < b->len ? a->len : b->len;
	int order = len ? memcmp(a->data, b->data, len) : 0;

	if (order)
		return order;
	return a->len < b->len ? -1 : a->len > b->len;
}

static int compare_runs(const void *left, const void *right)
{
	const struct libdstack_run *a = left, *b = right;
	int order = compare_spans(&a->id, &b->id);

	if (!order)
		order = (int)a->kind - (int)b->kind;
	if (!order)
		order = compare_spans(&a->digest, &b->digest);
	if (!order)
		order = compare_spans(&a->reason, &b->reason);
	if (!order)
		order = compare_spans(&a->type, &b->type);
	/* A key is what its path says; a file runs wherever it lies. */
	if (!order && a->kind >= LIBDSTACK_RUN_KEY)
		order = compare_spans(&a->path, &b->path);
	return order;
}

static struct libdstack_span get(const struct dstack_event_fields *fields,
				 const char *key)
{
	const struct dstack_bytes *value = dstack_event_field(fields, key);

	return value ? ident_span(value->data, value->len) : ident_span("", 0);
}

static bool is(const struct libdstack_span *value, const char *text)
{
	return value->len == strlen(text) &&
		!memcmp(value->data, text, value->len);
}

/* Digits that a kernel wrote; anything else counts as much as it can. */
static uint64_t number(const struct libdstack_span *value)
{
	uint64_t n = 0;
	size_t i;

	if (!value->len || value->len > 19)
		return UINT64_MAX;
	for (i = 0; i < value->len; i++) {
		if (value->data[i] < '0' || value->data[i] > '9')
			return UINT64_MAX;
		n = 10 * n + value->data[i] - '0';
	}
	return n;
}

/* How the events are called that say what a file was used for. */
static const struct {
	enum dstack_event_id id;
	enum libdstack_run_kind kind;
} uses[] = {
	{ DSTACK_EVENT_EXEC, LIBDSTACK_RUN_EXEC },
	{ DSTACK_EVENT_SCRIPT, LIBDSTACK_RUN_SCRIPT },
	{ DSTACK_EVENT_MAP, LIBDSTACK_RUN_MAP },
	{ DSTACK_EVENT_DENY, LIBDSTACK_RUN_DENIED },
};

static bool make_use(const struct dstack_event_fields *fields,
		     struct libdstack_run *run)
{
	size_t i;

	for (i = 0; i < sizeof(uses) / sizeof(uses[0]); i++) {
		if (uses[i].id != fields->id)
			continue;
		run->kind = uses[i].kind;
		run->digest = get(fields, "digest");
		run->reason = get(fields, "reason");
		run->type = get(fields, "kind");
		run->path = get(fields, "path");
		return true;
	}
	return false;
}

static bool make_run(const struct dstack_event_fields *fields,
		     struct libdstack_run *run)
{
	struct libdstack_span action = get(fields, "action");

	*run = (struct libdstack_run){ .id = get(fields, "id") };
	switch (fields->id) {
	case DSTACK_EVENT_CONTAINER:
		run->kind = LIBDSTACK_RUN_CONTAINER;
		run->digest = get(fields, "image");
		run->reason = get(fields, "section");
		run->type = get(fields, "app");
		return is(&action, "add");
	case DSTACK_EVENT_REVOKE:
		run->kind = LIBDSTACK_RUN_REVOKED;
		run->digest = get(fields, "digest");
		run->reason = action;
		run->path = get(fields, "path");
		return true;
	case DSTACK_EVENT_USER:
		run->kind = LIBDSTACK_RUN_EVENT;
		run->digest = get(fields, "name");
		return true;
	case DSTACK_EVENT_KEY:
		run->kind = LIBDSTACK_RUN_KEY;
		run->digest = get(fields, "purpose");
		run->reason = get(fields, "delivery");
		run->type = get(fields, "kind");
		run->path = get(fields, "path");
		return true;
	case DSTACK_EVENT_ROOT:
		run->kind = LIBDSTACK_RUN_ROOT;
		run->digest = get(fields, "key");
		run->reason = action;
		run->type = get(fields, "app");
		run->path = get(fields, "epoch");
		return true;
	default:
		return make_use(fields, run);
	}
}

/* Denials are recorded at 1, 2, 4, 8, ..., each with its number. */
static void count(struct libdstack_run *run,
		  const struct dstack_event_fields *fields)
{
	struct libdstack_span times = get(fields, "count");

	if (run->kind != LIBDSTACK_RUN_DENIED)
		run->count++;
	else if (number(&times) > run->count)
		run->count = number(&times);
}

static int add_run(struct tree *tree, const struct libdstack_run *run,
		   const struct dstack_event_fields *fields)
{
	struct libdstack_run **found, *new = malloc(sizeof(*new));

	if (!new)
		return -ENOMEM;
	*new = *run;
	found = tsearch(new, &tree->root, compare_runs);
	if (!found || *found != new)
		free(new);
	else
		tree->runs->nr++;
	if (!found)
		return -ENOMEM;
	count(*found, fields);
	return 0;
}

static int add_event(struct tree *tree, const struct libdstack_event *event)
{
	struct libdstack_runs *runs = tree->runs;
	struct dstack_event_fields fields;
	struct libdstack_run run;

	if (dstack_event_decode(event->name, event->payload,
				event->payload_len, &fields))
		return 0;
	if (fields.id == DSTACK_EVENT_STATE)
		runs->state = get(&fields, "to");
	if (fields.id == DSTACK_EVENT_POLICY) {
		runs->epoch = get(&fields, "epoch");
		runs->table = get(&fields, "table");
		runs->document = get(&fields, "document");
	}
	return make_run(&fields, &run) ? add_run(tree, &run, &fields) : 0;
}

static void collect(const void *node, VISIT visit, void *arg)
{
	struct libdstack_runs *runs = arg;

	if (visit == postorder || visit == leaf)
		runs->run[runs->nr++] = **(struct libdstack_run * const *)node;
}

static int flatten(struct tree *tree)
{
	struct libdstack_runs *runs = tree->runs;

	runs->run = calloc(runs->nr + 1, sizeof(*runs->run));
	if (!runs->run)
		return -ENOMEM;
	runs->nr = 0;
	twalk_r(tree->root, collect, runs);
	return 0;
}

int libdstack_runs_of_log(const struct libdstack_log *log, size_t count,
			  struct libdstack_runs **runs)
{
	struct tree tree = { .runs = calloc(1, sizeof(**runs)) };
	size_t i;
	int err = 0;

	if (!tree.runs)
		return -ENOMEM;
	tree.runs->events = count;
	tree.runs->later = log->count - count;
	for (i = 0; !err && i < count; i++)
		err = add_event(&tree, &log->events[i]);
	if (!err)
		err = flatten(&tree);
	tdestroy(tree.root, free);
	if (err)
		libdstack_runs_free(tree.runs);
	else
		*runs = tree.runs;
	return err;
}

void libdstack_runs_free(struct libdstack_runs *runs)
{
	if (runs)
		free(runs->run);
	free(runs);
}
