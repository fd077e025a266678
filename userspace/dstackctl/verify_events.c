// SPDX-License-Identifier: MIT
/*
 * What a log tells: containers, and the programs that ran in them
 *
 * Copyright The dstack for Linux authors
 *
 * Values are shown as the kernel wrote them, %XX for all that is not plain:
 * a container chooses the names of its files, but not what they look like.
 */
#include "verify.h"

#include <errno.h>
#include <inttypes.h>
#include <search.h>
#include <string.h>

#include "event.h"

/* All events of one container that say the same; pointers into the log. */
struct row {
	enum dstack_event_id event;
	struct dstack_bytes id;
	struct dstack_bytes digest;	/* of a container: its image */
	struct dstack_bytes reason;	/* of a container: its section */
	struct dstack_bytes kind;	/* of a container: its app */
	struct dstack_bytes path;	/* where it was seen first */
	uint64_t count;
};

struct summary {
	void *rows;			/* tsearch(3) tree of struct row */
	size_t events, later;
	struct dstack_bytes state, epoch, table, document;
};

static int compare_bytes(const struct dstack_bytes *a,
			 const struct dstack_bytes *b)
{
	size_t len = a->len < b->len ? a->len : b->len;
	int order = len ? memcmp(a->data, b->data, len) : 0;

	if (order)
		return order;
	return a->len < b->len ? -1 : a->len > b->len;
}

static int compare_rows(const void *left, const void *right)
{
	const struct row *a = left, *b = right;
	int order = compare_bytes(&a->id, &b->id);

	if (!order)
		order = (int)a->event - (int)b->event;
	if (!order)
		order = compare_bytes(&a->digest, &b->digest);
	if (!order)
		order = compare_bytes(&a->reason, &b->reason);
	if (!order)
		order = compare_bytes(&a->kind, &b->kind);
	return order;
}

static struct dstack_bytes get(const struct dstack_event_fields *fields,
			       const char *key)
{
	const struct dstack_bytes *value = dstack_event_field(fields, key);

	return value ? *value : (struct dstack_bytes){ "", 0 };
}

static bool is(const struct dstack_bytes *value, const char *text)
{
	return value->len == strlen(text) &&
		!memcmp(value->data, text, value->len);
}

/* Digits that a kernel wrote; anything else counts as much as it can. */
static uint64_t number(const struct dstack_bytes *value)
{
	char text[24];
	uint64_t n;

	if (value->len >= sizeof(text))
		return UINT64_MAX;
	memcpy(text, value->data, value->len);
	text[value->len] = '\0';
	return parse_u64(text, UINT64_MAX, &n) ? n : UINT64_MAX;
}

static bool make_row(const struct dstack_event_fields *fields,
		     struct row *row)
{
	struct dstack_bytes action;

	*row = (struct row){
		.event = fields->id, .id = get(fields, "id"), .count = 1,
	};
	switch (fields->id) {
	case DSTACK_EVENT_CONTAINER:
		action = get(fields, "action");
		row->digest = get(fields, "image");
		row->reason = get(fields, "section");
		row->kind = get(fields, "app");
		return is(&action, "add");
	case DSTACK_EVENT_EXEC:
	case DSTACK_EVENT_SCRIPT:
	case DSTACK_EVENT_MAP:
	case DSTACK_EVENT_DENY:
		row->digest = get(fields, "digest");
		row->reason = get(fields, "reason");
		row->kind = get(fields, "kind");
		row->path = get(fields, "path");
		return true;
	case DSTACK_EVENT_REVOKE:
		row->digest = get(fields, "digest");
		row->reason = get(fields, "action");
		row->path = get(fields, "path");
		return true;
	case DSTACK_EVENT_USER:
		row->digest = get(fields, "name");
		return true;
	default:
		return false;
	}
}

static int add_row(struct summary *summary, const struct row *row,
		   const struct dstack_event_fields *fields)
{
	struct row **found, *new;
	struct dstack_bytes times;

	new = malloc(sizeof(*new));
	if (!new)
		return -ENOMEM;
	*new = *row;
	new->count = 0;
	found = tsearch(new, &summary->rows, compare_rows);
	if (!found || *found != new)
		free(new);
	if (!found)
		return -ENOMEM;
	if (row->event != DSTACK_EVENT_DENY) {
		(*found)->count++;
		return 0;
	}
	/* Denials are recorded at 1, 2, 4, 8, ..., each with its number. */
	times = get(fields, "count");
	if (number(&times) > (*found)->count)
		(*found)->count = number(&times);
	return 0;
}

static int add_event(struct summary *summary,
		     const struct libdstack_event *event)
{
	struct dstack_event_fields fields;
	struct row row;

	if (dstack_event_decode(event->name, event->payload,
				event->payload_len, &fields))
		return 0;
	if (fields.id == DSTACK_EVENT_STATE)
		summary->state = get(&fields, "to");
	if (fields.id == DSTACK_EVENT_POLICY) {
		summary->epoch = get(&fields, "epoch");
		summary->table = get(&fields, "table");
		summary->document = get(&fields, "document");
	}
	return make_row(&fields, &row) ? add_row(summary, &row, &fields) : 0;
}

struct summary *summary_make(const struct libdstack_log *log, size_t count)
{
	struct summary *summary = calloc(1, sizeof(*summary));
	size_t i;

	if (!summary)
		return NULL;
	summary->events = count;
	summary->later = log->count - count;
	for (i = 0; i < count; i++) {
		if (add_event(summary, &log->events[i])) {
			summary_free(summary);
			return NULL;
		}
	}
	return summary;
}

void summary_free(struct summary *summary)
{
	if (summary)
		tdestroy(summary->rows, free);
	free(summary);
}

static const char *verb(const struct row *row)
{
	switch (row->event) {
	case DSTACK_EVENT_EXEC:
		return "exec";
	case DSTACK_EVENT_SCRIPT:
		return "script";
	case DSTACK_EVENT_MAP:
		return "map";
	case DSTACK_EVENT_DENY:
		return "denied";
	case DSTACK_EVENT_REVOKE:
		return "revoked";
	default:
		return "event";
	}
}

/* Values of the log hold printable ASCII only: the decoder saw to it. */
static void put(const char *before, const struct dstack_bytes *value)
{
	printf("%s%.*s", before, (int)value->len, (const char *)value->data);
}

static void print_container(const struct row *row)
{
	put("container ", &row->id);
	put(": section ", &row->reason);
	put(", app ", &row->kind);
	put(", image ", &row->digest);
	putchar('\n');
}

static void print_row(const void *node, VISIT visit, void *arg)
{
	const struct row *row = *(struct row * const *)node;

	(void)arg;
	if (visit != postorder && visit != leaf)
		return;
	if (row->event == DSTACK_EVENT_CONTAINER) {
		print_container(row);
		return;
	}
	printf("  %-6s %6" PRIu64 " x", verb(row), row->count);
	put(" ", &row->digest);
	if (row->event == DSTACK_EVENT_USER) {
		put(" in ", &row->id);
	} else {
		put(" ", &row->path);
		put(" ", &row->reason);
	}
	putchar('\n');
}

void summary_print(const struct summary *summary)
{
	printf("\n%zu events are covered by the quote, %zu later ones are not.\n",
	       summary->events, summary->later);
	if (summary->state.len) {
		put("state     ", &summary->state);
		putchar('\n');
	}
	if (summary->epoch.len) {
		put("policy    epoch ", &summary->epoch);
		put(", table ", &summary->table);
		put(", document ", &summary->document);
		putchar('\n');
	}
	twalk_r(summary->rows, print_row, NULL);
}

static void set(json_t *obj, const char *key, const struct dstack_bytes *value)
{
	if (value->len)
		json_object_set_new(obj, key,
				    json_stringn(value->data, value->len));
}

static void append_row(const void *node, VISIT visit, void *arg)
{
	const struct row *row = *(struct row * const *)node;
	bool container = row->event == DSTACK_EVENT_CONTAINER;
	json_t *obj;

	if (visit != postorder && visit != leaf)
		return;
	obj = json_pack("{s:s, s:I}", "what",
			container ? "container" : verb(row),
			"count", (json_int_t)row->count);
	set(obj, "id", &row->id);
	set(obj, container ? "image" : row->event == DSTACK_EVENT_USER ?
	    "name" : "digest", &row->digest);
	set(obj, container ? "section" : "reason", &row->reason);
	set(obj, container ? "app" : "kind", &row->kind);
	set(obj, "path", &row->path);
	json_array_append_new(arg, obj);
}

json_t *summary_json(const struct summary *summary)
{
	json_t *rows = json_array();
	json_t *obj;

	twalk_r(summary->rows, append_row, rows);
	obj = json_pack("{s:I, s:I, s:o}", "covered",
			(json_int_t)summary->events, "later",
			(json_int_t)summary->later, "containers", rows);
	if (!obj)
		return NULL;
	set(obj, "state", &summary->state);
	set(obj, "policy_epoch", &summary->epoch);
	set(obj, "policy_table", &summary->table);
	set(obj, "policy_document", &summary->document);
	return obj;
}
