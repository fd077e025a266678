// SPDX-License-Identifier: MIT
/*
 * "requirements" of app-compose.json: what the machine must be
 *
 * Copyright The dstack for Linux authors
 *
 * Here it is only read: who boots the application checks what it can, and
 * refuses the rest.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "compose.h"

#define VERSION_MAX	256
#define PLATFORMS_MAX	64

/* In the order that RFC 8785 wants. */
static const char *const gpu_fields[] = {
	"allow_debug", "allow_devtools", "allow_insecure_boot", "attest_gpu",
	"rego", NULL
};

/*
 * With nothing but true and false in it, its one form is easily written; for
 * a program in it, which nobody here could run, none is needed.  @out has
 * room for all of @gpu_fields.
 */
static int write_gpu_policy(const struct app_json *json, char *out)
{
	const char *comma = "", *const *field;
	bool value;
	int err;

	out = stpcpy(out, "{");
	for (field = gpu_fields; *field; field++) {
		if (!yyjson_obj_get(json->value, *field) ||
		    !strcmp(*field, "rego"))
			continue;
		if (!app_json_find(json, *field))
			return app_json_refuse(json, *field, "want true or false");
		err = app_json_bool(json, *field, &value);
		if (err)
			return err;
		out += sprintf(out, "%s\"%s\":%s", comma, *field,
			       value ? "true" : "false");
		comma = ",";
	}
	stpcpy(out, "}");
	return 0;
}

static int take_gpu_policy(const struct app_json *json,
			   struct app_requirements *requirements)
{
	struct app_json gpu;
	int err = app_json_enter(json, "gpu_policy", "requirements.gpu_policy",
				 &gpu);

	requirements->attest_gpu = true;
	if (err)
		return err;
	return app_json_check(&gpu, gpu_fields) ?:
		app_json_bool(&gpu, "attest_gpu", &requirements->attest_gpu) ?:
		app_json_text(&gpu, "rego", APP_COMPOSE_MAX,
			      &requirements->gpu_rego) ?:
		write_gpu_policy(&gpu, requirements->gpu_policy);
}

static int take_platforms(const struct app_json *json,
			  struct app_requirements *requirements)
{
	/* An empty list is one, and means none. */
	if (!app_json_find(json, "platforms"))
		return 0;
	return app_json_list(json, "platforms", PLATFORMS_MAX, VERSION_MAX,
			     &requirements->platforms);
}

static int take_choice(const struct app_json *json, const char *field,
		       enum app_choice *out)
{
	bool choice = false;
	int err = app_json_bool(json, field, &choice);

	if (!err && app_json_find(json, field))
		*out = choice ? APP_YES : APP_NO;
	return err;
}

int app_compose_requirements(const struct app_json *json,
			     struct app_compose *compose)
{
	static const char *const known[] = {
		"os_version", "platforms", "tdx_measure_acpi_tables",
		"launch_token_hash", "gpu_policy", NULL
	};
	struct app_requirements *requirements = &compose->requirements;
	struct app_json inner;
	int err = app_json_enter(json, "requirements", "requirements", &inner);

	if (err)
		return err;
	/* Who does not know the field must not boot what needs it. */
	if (inner.value && compose->manifest_version < 3)
		return app_json_refuse(json, "requirements", "needs \"manifest_version\": \"3\"");
	err = app_json_check(&inner, known);
	if (err)
		return err;
	return app_json_text(&inner, "os_version", VERSION_MAX,
			     &requirements->os_version) ?:
		take_platforms(&inner, requirements) ?:
		take_choice(&inner, "tdx_measure_acpi_tables",
			    &requirements->tdx_measure_acpi_tables) ?:
		app_json_id(&inner, "launch_token_hash",
			    requirements->launch_token_hash, APP_HASH_SIZE,
			    &requirements->has_launch_token_hash) ?:
		take_gpu_policy(&inner, requirements);
}
