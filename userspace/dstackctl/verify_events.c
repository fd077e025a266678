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

static void print_root(const struct libdstack_run *run)
{
	put("root key ", &run->reason);
	put(": app ", &run->type);
	put(", epoch ", &run->path);
	put(", id ", &run->digest);
	putchar('\n');
}

static void print_run(const struct libdstack_run *run)
{
	if (run->kind == LIBDSTACK_RUN_CONTAINER) {
		print_container(run);
		return;
	}
	if (run->kind == LIBDSTACK_RUN_ROOT) {
		print_root(run);
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

/* How the members of struct libdstack_run are called, which each kind has. */
static const struct names {
	const char *digest, *reason, *type, *path;
} names[__LIBDSTACK_RUN_MAX] = {
	[LIBDSTACK_RUN_CONTAINER] = { "image", "section", "app", "path" },
	[LIBDSTACK_RUN_EXEC] = { "digest", "reason", "kind", "path" },
	[LIBDSTACK_RUN_SCRIPT] = { "digest", "reason", "kind", "path" },
	[LIBDSTACK_RUN_MAP] = { "digest", "reason", "kind", "path" },
	[LIBDSTACK_RUN_DENIED] = { "digest", "reason", "kind", "path" },
	[LIBDSTACK_RUN_REVOKED] = { "digest", "reason", "kind", "path" },
	[LIBDSTACK_RUN_EVENT] = { "name", "reason", "kind", "path" },
	[LIBDSTACK_RUN_KEY] = { "purpose", "delivery", "kind", "path" },
	[LIBDSTACK_RUN_ROOT] = { "key", "action", "app", "epoch" },
};

static json_t *run_json(const struct libdstack_run *run)
{
	const struct names *name = &names[run->kind];
	json_t *obj = json_pack("{s:s, s:I}", "what",
				libdstack_run_name(run->kind), "count",
				(json_int_t)run->count);

	set(obj, "id", &run->id);
	set(obj, name->digest, &run->digest);
	set(obj, name->reason, &run->reason);
	set(obj, name->type, &run->type);
	set(obj, name->path, &run->path);
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
