// SPDX-License-Identifier: MIT
/*
 * "dstack" of app-compose.json: what containers of the application may do
 *
 * Copyright The dstack for Linux authors
 *
 * Upstream does not know it and leaves it alone; it is part of the compose
 * hash as everything is.  Nothing is left alone in here.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "compose.h"
#include "event.h"
#include "words.h"

#define METHOD_MAX	64	/* bytes of a name */
#define FOLLOW_INTERVAL_MAX	3600
#define FOLLOW_GRACE_MAX	31536000

/* { "sha256": HEX }: of a file that is delivered with the document. */
static int take_policy_hash(const struct app_json *json,
			    struct app_compose *compose)
{
	static const char *const known[] = { "sha256", NULL };
	struct app_json inner;

	return app_json_enter(json, "policy", "dstack.policy", &inner) ?:
		app_json_check(&inner, known) ?:
		app_json_id(&inner, "sha256", compose->policy_hash,
			    sizeof(compose->policy_hash),
			    &compose->has_policy_hash);
}

static int take_policy(const struct app_json *json, struct app_compose *compose)
{
	yyjson_val *value = app_json_find(json, "policy");
	yyjson_write_err error;

	if (!value)
		return 0;
	if (!yyjson_is_obj(value))
		return app_json_refuse(json, "policy", "want a policy { ... }");
	if (yyjson_obj_get(value, "sha256"))
		return take_policy_hash(json, compose);
	/* Who reads it as a policy looks at what is in it. */
	compose->policy = yyjson_val_write_opts(value, 0, NULL, NULL, &error);
	return compose->policy ? 0 : -ENOMEM;
}

/* "off" is no state that an application can ask for. */
static int take_state(const struct app_json *json, struct app_compose *compose)
{
	yyjson_val *value = app_json_find(json, "state");
	uint32_t state;

	compose->state = APP_STATE_UNSAID;
	if (!value)
		return 0;
	for (state = DSTACK_STATE_MEASURE; state < __DSTACK_STATE_MAX;
	     state++) {
		if (!yyjson_equals_str(value, dstack_state_name(state)))
			continue;
		compose->state = state;
		return 0;
	}
	return app_json_refuse(json, "state", "want \"measure\", \"enforce\" or \"locked\"");
}

/* How a machine that runs follows the contract; see kms-follow.rst. */
static int take_follow(const struct app_json *outer,
		       struct app_compose *compose)
{
	static const char *const known[] = { "interval_s", "grace_s", NULL };
	struct app_json json;
	int err;

	compose->follow_interval_s = 1;
	err = app_json_enter(outer, "follow", "dstack.follow", &json) ?:
		app_json_check(&json, known);
	if (err || !json.value)
		return err;
	return app_json_number(&json, "interval_s", 1, FOLLOW_INTERVAL_MAX,
			       &compose->follow_interval_s) ?:
		app_json_number(&json, "grace_s", 0, FOLLOW_GRACE_MAX,
				&compose->follow_grace_s);
}

static int take_section(const struct app_json *json, yyjson_val *name,
			struct app_agent_section *section)
{
	static const char *const known[] = { "methods", NULL };
	struct app_json inner;
	int err;

	section->section = strndup(yyjson_get_str(name), DSTACK_SECTION_SIZE);
	if (!section->section)
		return -ENOMEM;
	err = app_json_enter(json, section->section, section->section, &inner);
	if (!err && !inner.value)
		err = app_json_refuse(json, section->section, "want { \"methods\": [ ... ] }");
	err = err ?: app_json_check(&inner, known);
	if (err)
		return err;
	if (!app_json_find(&inner, "methods"))
		return app_json_refuse(&inner, "methods", "is missing");
	return app_json_list(&inner, "methods", APP_LIST_MAX, METHOD_MAX,
			     &section->methods);
}

/* A name that no section can have would let a section do everything. */
static int check_section(const struct app_json *json, yyjson_val *name)
{
	const char *text = yyjson_get_str(name);
	size_t i, len = yyjson_get_len(name);

	for (i = 0; i < len; i++)
		if (text[i] <= ' ' || text[i] > '~')
			break;
	if (len && i == len && len < DSTACK_SECTION_SIZE)
		return 0;
	return app_json_refuse(json, "", "a section's name has 1 to %d printable letters",
			       DSTACK_SECTION_SIZE - 1);
}

static int take_agent(const struct app_json *outer, struct app_compose *compose)
{
	yyjson_val *name, *value;
	struct app_json json;
	size_t i, nr;
	int err;

	err = app_json_enter(outer, "agent", "dstack.agent", &json) ?:
		app_json_check(&json, NULL);
	if (err || !json.value)
		return err;
	compose->has_agent = true;
	compose->agent = calloc(yyjson_obj_size(json.value) + 1,
				sizeof(*compose->agent));
	if (!compose->agent)
		return -ENOMEM;
	yyjson_obj_foreach(json.value, i, nr, name, value) {
		compose->agent_nr = i + 1;
		err = check_section(&json, name) ?:
			take_section(&json, name, &compose->agent[i]);
		if (err)
			return err;
	}
	return 0;
}

/* What a service may be given that no container has by itself. */
static const char *const allowances[] = {
	"capabilities", "devices", "host-network", "host-paths", "host-pid",
	"privileged", "security-options", NULL
};

static int check_allowances(const struct app_json *json, char **allow)
{
	size_t i;

	for (; allow && *allow; allow++) {
		for (i = 0; allowances[i]; i++)
			if (!strcmp(*allow, allowances[i]))
				break;
		if (!allowances[i])
			return app_json_refuse(json, "allow", "'%.64s': want capabilities, devices, host-network, host-paths, host-pid, privileged or security-options",
					       *allow);
	}
	return 0;
}

static int take_container(const struct app_json *json, yyjson_val *name,
			  struct app_container *container)
{
	static const char *const known[] = { "section", "allow", NULL };
	struct app_json inner;
	int err;

	container->service = strndup(yyjson_get_str(name),
				     DSTACK_SECTION_SIZE);
	if (!container->service)
		return -ENOMEM;
	err = app_json_enter(json, container->service, container->service,
			     &inner);
	if (!err && !inner.value)
		err = app_json_refuse(json, container->service, "want { \"section\": ..., \"allow\": [ ... ] }");
	err = err ?: app_json_check(&inner, known) ?:
		app_json_text(&inner, "section", DSTACK_SECTION_SIZE - 1,
			      &container->section);
	if (!err && container->section &&
	    !dstack_event_name_ok(container->section))
		err = app_json_refuse(&inner, "section", "want 1 to %d of A-Z a-z 0-9 . _ -",
				      DSTACK_SECTION_SIZE - 1);
	return err ?: app_json_list(&inner, "allow", APP_LIST_MAX, METHOD_MAX,
				    &container->allow) ?:
		check_allowances(&inner, container->allow);
}

static int take_containers(const struct app_json *outer,
			   struct app_compose *compose)
{
	yyjson_val *name, *value;
	struct app_json json;
	size_t i, nr;
	int err;

	err = app_json_enter(outer, "containers", "dstack.containers", &json) ?:
		app_json_check(&json, NULL);
	if (err || !json.value)
		return err;
	compose->containers = calloc(yyjson_obj_size(json.value) + 1,
				     sizeof(*compose->containers));
	if (!compose->containers)
		return -ENOMEM;
	yyjson_obj_foreach(json.value, i, nr, name, value) {
		compose->containers_nr = i + 1;
		err = check_section(&json, name) ?:
			take_container(&json, name, &compose->containers[i]);
		if (err)
			return err;
	}
	return 0;
}

int app_compose_extension(const struct app_json *json,
			  struct app_compose *compose)
{
	static const char *const known[] = {
		"policy", "state", "agent", "containers", "follow", NULL
	};
	struct app_json inner;
	int err = app_json_enter(json, "dstack", "dstack", &inner);

	err = err ?: app_json_check(&inner, known) ?:
		take_policy(&inner, compose) ?:
		take_state(&inner, compose) ?:
		take_agent(&inner, compose) ?:
		take_containers(&inner, compose) ?:
		take_follow(&inner, compose);
	if (!err && compose->state >= DSTACK_STATE_ENFORCE &&
	    compose->state != APP_STATE_UNSAID && !compose->policy &&
	    !compose->has_policy_hash)
		err = app_json_refuse(&inner, "state", "nothing can be enforced without \"policy\"");
	return err;
}
