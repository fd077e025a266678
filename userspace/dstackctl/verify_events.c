// SPDX-License-Identifier: MIT
/*
 * What ran in a TD, for people and as JSON
 *
 * Copyright The dstack for Linux authors
 */
#include "verify.h"

#include <inttypes.h>

/* Values of the log hold printable ASCII only: the decoder saw to it. */
static void put(const char *before, const struct libdstack_span *value)
{
	printf("%s%.*s", before, (int)value->len, (const char *)value->data);
}

static void print_container(const struct libdstack_run *run)
{
	put("container ", &run->id);
	put(": section ", &run->reason);
	put(", app ", &run->type);
	put(", image ", &run->digest);
	putchar('\n');
}

static void print_run(const struct libdstack_run *run)
{
	if (run->kind == LIBDSTACK_RUN_CONTAINER) {
		print_container(run);
		return;
	}
	printf("  %-6s %6" PRIu64 " x", libdstack_run_name(run->kind),
	       run->count);
	put(" ", &run->digest);
	if (run->kind == LIBDSTACK_RUN_EVENT) {
		put(" in ", &run->id);
	} else {
		put(" ", &run->path);
		put(" ", &run->reason);
	}
	putchar('\n');
}

void runs_print(const struct libdstack_runs *runs)
{
	size_t i;

	printf("\n%zu events are covered by the quote, %zu later ones are not.\n",
	       runs->events, runs->later);
	if (runs->state.len) {
		put("state     ", &runs->state);
		putchar('\n');
	}
	if (runs->epoch.len) {
		put("policy    epoch ", &runs->epoch);
		put(", table ", &runs->table);
		put(", document ", &runs->document);
		putchar('\n');
	}
	for (i = 0; i < runs->nr; i++)
		print_run(&runs->run[i]);
}

static void set(json_t *obj, const char *key,
		const struct libdstack_span *value)
{
	if (value->len)
		json_object_set_new(obj, key,
				    json_stringn((const char *)value->data,
						 value->len));
}

static json_t *run_json(const struct libdstack_run *run)
{
	bool container = run->kind == LIBDSTACK_RUN_CONTAINER;
	json_t *obj = json_pack("{s:s, s:I}", "what",
				libdstack_run_name(run->kind), "count",
				(json_int_t)run->count);

	set(obj, "id", &run->id);
	set(obj, container ? "image" : run->kind == LIBDSTACK_RUN_EVENT ?
	    "name" : "digest", &run->digest);
	set(obj, container ? "section" : "reason", &run->reason);
	set(obj, container ? "app" : "kind", &run->type);
	set(obj, "path", &run->path);
	return obj;
}

json_t *runs_json(const struct libdstack_runs *runs)
{
	json_t *rows = json_array();
	json_t *obj;
	size_t i;

	for (i = 0; i < runs->nr; i++)
		json_array_append_new(rows, run_json(&runs->run[i]));
	obj = json_pack("{s:I, s:I, s:o}", "covered",
			(json_int_t)runs->events, "later",
			(json_int_t)runs->later, "containers", rows);
	if (!obj)
		return NULL;
	set(obj, "state", &runs->state);
	set(obj, "policy_epoch", &runs->epoch);
	set(obj, "policy_table", &runs->table);
	set(obj, "policy_document", &runs->document);
	return obj;
}
