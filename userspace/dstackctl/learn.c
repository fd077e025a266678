// SPDX-License-Identifier: MIT
/*
 * From the events of a log to the rules of a policy
 *
 * Copyright The dstack for Linux authors
 */
#include "learn.h"

#include <errno.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>

#include "dstackctl.h"
#include "event.h"
#include "words.h"

/* A container that the log says is registered. */
struct container {
	char id[DSTACK_ID_SIZE];
	char section[DSTACK_SECTION_SIZE];
};

/* @containers: a tsearch(3) tree of struct container. */
struct learner {
	void *containers;
	const struct libdstack_policy *base;
	bool replace;
	struct libdstack_policy *policy;
	struct learnt *learnt;
	const char *searched;
	bool found, memory;	/* of the section that was searched */
};

static int compare_ids(const void *a, const void *b)
{
	const struct container *left = a, *right = b;

	return strcmp(left->id, right->id);
}

/* False if it does not fit, which no event of the kernel's does. */
static bool get(const struct dstack_event_fields *fields, const char *key,
		char *out, size_t size)
{
	const struct dstack_bytes *value = dstack_event_field(fields, key);
	int len = value ? dstack_event_unescape(value, out, size - 1) : -1;

	if (len < 0)
		return false;
	out[len] = '\0';
	return strlen(out) == (size_t)len;
}

static int malformed(const char *what)
{
	error_msg("the log has an event of the kernel's with a malformed %s",
		  what);
	return -EBADMSG;
}

static void forget(struct learner *learner, const struct container *container)
{
	struct container **found, *old;

	found = tfind(container, &learner->containers, compare_ids);
	old = found ? *found : NULL;
	tdelete(container, &learner->containers, compare_ids);
	free(old);
}

static int is_section(const struct libdstack_section *section, void *arg)
{
	struct learner *learner = arg;

	if (strcmp(section->name, learner->searched) != 0)
		return 0;
	learner->found = true;
	learner->memory = section->memory;
	return 0;
}

static bool has_section(struct learner *learner,
			const struct libdstack_policy *policy, const char *name)
{
	learner->searched = name;
	learner->found = false;
	learner->memory = false;
	libdstack_policy_each_section(policy, is_section, learner);
	return learner->found;
}

static int copy_terms(const struct libdstack_section *section, void *arg)
{
	struct learner *learner = arg;
	struct libdstack_policy *to = learner->policy;
	uint32_t i;
	int err;

	err = libdstack_policy_set_measure(to, section->name,
					   section->measure) ?:
		libdstack_policy_set_memory(to, section->name,
					    section->memory ||
					    learner->memory) ?:
		libdstack_policy_set_revoked(to, section->name,
					     section->revoked);
	for (i = 0; !err && i < LIBDSTACK_KINDS; i++)
		err = libdstack_policy_set_storage(to, section->name, 1U << i,
						   section->accept[i],
						   section->trust[i]);
	return err;
}

static int copy_keys(const struct libdstack_key_term *term, void *arg)
{
	struct learner *learner = arg;

	return libdstack_policy_set_keys(learner->policy, term);
}

static int copy_rule(const struct libdstack_rule *rule, void *arg)
{
	struct learner *learner = arg;

	return libdstack_policy_add(learner->policy, rule->section,
				    &rule->digest, rule->kinds, rule->path);
}

/*
 * Those whose section was seen are replaced, if that was asked for.  What the
 * section was seen to need is what has_section() has found last.
 */
static int copy_section(const struct libdstack_section *section, void *arg)
{
	struct learner *learner = arg;
	bool seen = has_section(learner, learner->policy, section->name);
	int err = copy_terms(section, learner);

	if (!err)
		err = libdstack_policy_each_keys(learner->base, section->name,
						 copy_keys, learner);
	if (err || (seen && learner->replace))
		return err;
	return libdstack_policy_each_rule(learner->base, section->name,
					  copy_rule, learner);
}

static int add_container(struct learner *learner,
			 const struct dstack_event_fields *fields)
{
	struct container key, *new, **found;
	char action[16];

	if (!get(fields, "id", key.id, sizeof(key.id)) ||
	    !get(fields, "section", key.section, sizeof(key.section)) ||
	    !get(fields, "action", action, sizeof(action)) ||
	    !dstack_event_name_ok(key.section))
		return malformed("container");
	forget(learner, &key);
	if (strcmp(action, "add") != 0)
		return 0;
	new = malloc(sizeof(*new));
	if (!new)
		return -ENOMEM;
	*new = key;
	found = tsearch(new, &learner->containers, compare_ids);
	if (!found) {
		free(new);
		return -ENOMEM;
	}
	learner->learnt->containers++;
	return libdstack_policy_add_section(learner->policy, key.section);
}

/* Executable memory that is no file's has no digest: the section allows it. */
static int add_memory(struct learner *learner, const char *section)
{
	learner->learnt->memory++;
	return libdstack_policy_set_memory(learner->policy, section, true);
}

static bool is_memory(const struct dstack_event_fields *fields)
{
	char reason[32];

	return get(fields, "reason", reason, sizeof(reason)) &&
		!strcmp(reason, dstack_reason_name(DSTACK_REASON_MEMORY));
}

static int add_file(struct learner *learner, uint32_t kind,
		    const struct dstack_event_fields *fields)
{
	char text[LIBDSTACK_DIGEST_TEXT], path[LIBDSTACK_POLICY_PATH_MAX];
	struct dstack_digest digest;
	struct container key, **found;
	bool named;
	int err;

	if (!get(fields, "id", key.id, sizeof(key.id)) ||
	    !get(fields, "digest", text, sizeof(text)))
		return malformed("id or digest");
	found = tfind(&key, &learner->containers, compare_ids);
	if (!found) {
		error_msg("container '%s' runs files, but nothing says that it was registered",
			  key.id);
		return -EBADMSG;
	}
	if (is_memory(fields))
		return add_memory(learner, (*found)->section);
	if (!libdstack_digest_from_text(text, &digest)) {
		learner->learnt->unknown++;
		return 0;
	}
	named = get(fields, "path", path, sizeof(path));
	err = libdstack_policy_add(learner->policy, (*found)->section, &digest,
				   kind, named ? path : NULL);
	/* A name that no document can have: the rule goes without. */
	if (err == -EINVAL && named)
		err = libdstack_policy_add(learner->policy, (*found)->section,
					   &digest, kind, NULL);
	if (!err)
		learner->learnt->files++;
	return err;
}

static int take_event(struct learner *learner,
		      const struct libdstack_event *event)
{
	struct dstack_event_fields fields;
	int err = dstack_event_decode(event->name, event->payload,
				      event->payload_len, &fields);

	if (err == -EBADMSG)
		return malformed("payload");
	if (err)
		return 0;	/* not the kernel's */
	switch (fields.id) {
	case DSTACK_EVENT_START:
		/* A boot, or the module anew: nothing is registered yet. */
		tdestroy(learner->containers, free);
		learner->containers = NULL;
		return 0;
	case DSTACK_EVENT_CONTAINER:
		return add_container(learner, &fields);
	case DSTACK_EVENT_EXEC:
		return add_file(learner, DSTACK_KIND_EXEC, &fields);
	case DSTACK_EVENT_SCRIPT:
		return add_file(learner, DSTACK_KIND_SCRIPT, &fields);
	case DSTACK_EVENT_MAP:
		return add_file(learner, DSTACK_KIND_MAP, &fields);
	default:
		return 0;
	}
}

int learn(const struct libdstack_log *log, size_t count,
	  const struct libdstack_policy *base, bool replace,
	  struct libdstack_policy *policy, struct learnt *learnt)
{
	struct learner learner = {
		.base = base, .replace = replace, .policy = policy,
		.learnt = learnt,
	};
	size_t i;
	int err = 0;

	for (i = 0; !err && i < count; i++)
		err = take_event(&learner, &log->events[i]);
	tdestroy(learner.containers, free);
	if (!err && base)
		err = libdstack_policy_each_section(base, copy_section,
						    &learner);
	if (err == -ENOMEM)
		error_msg("not enough memory");
	return err;
}
