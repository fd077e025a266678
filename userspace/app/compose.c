// SPDX-License-Identifier: MIT
/*
 * app-compose.json: what an application wants of its machine
 *
 * Copyright The dstack for Linux authors
 */
#include "app.h"

#include <errno.h>
#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>

#include "compose.h"
#include "json.h"

#define FILE_NAME	"app-compose.json"
#define NAME_MAX_LEN	1024
#define SCRIPT_MAX	APP_COMPOSE_MAX
#define VOLUMES_MAX	256

static const char *const providers[] = {
	[APP_PROVIDER_NONE] = "none", [APP_PROVIDER_LOCAL] = "local",
	[APP_PROVIDER_KMS] = "kms", [APP_PROVIDER_TPM] = "tpm",
};

const char *app_key_provider_name(enum app_key_provider provider)
{
	return providers[provider];
}

/* A number for what there was before 3, text for all: "3", and not "03". */
static int take_manifest_version(const struct app_json *json,
				 struct app_compose *compose)
{
	yyjson_val *value = app_json_find(json, "manifest_version");
	const char *text = yyjson_get_str(value);
	uint64_t number = yyjson_get_uint(value);

	if (text && yyjson_get_len(value) == 1 && *text >= '1' && *text <= '3')
		number = *text - '0';
	else if (!yyjson_is_uint(value) || number > 2)
		number = 0;
	if (!number)
		return app_json_refuse(json, "manifest_version", "want 1, 2 or \"3\": no other is known here");
	compose->manifest_version = number;
	return 0;
}

static bool has_feature(char **features, const char *name)
{
	for (; *features; features++)
		if (!strcmp(*features, name))
			return true;
	return false;
}

/* What is deprecated counts where the newer field is not there. */
static int take_key_provider(const struct app_json *json,
			     struct app_compose *compose)
{
	yyjson_val *value = app_json_find(json, "key_provider");
	bool kms = false, local = false;
	size_t i;
	int err;

	err = app_json_bool(json, "kms_enabled", &kms) ?:
		app_json_bool(json, "local_key_provider_enabled", &local) ?:
		app_json_hex(json, "key_provider_id", compose->key_provider_id,
			     sizeof(compose->key_provider_id),
			     &compose->key_provider_id_len);
	if (err)
		return err;
	if (!value) {
		compose->key_provider = kms ? APP_PROVIDER_KMS :
			local ? APP_PROVIDER_LOCAL : APP_PROVIDER_NONE;
		return 0;
	}
	for (i = 0; i < sizeof(providers) / sizeof(*providers); i++) {
		if (!yyjson_equals_str(value, providers[i]))
			continue;
		compose->key_provider = i;
		return 0;
	}
	return app_json_refuse(json, "key_provider", "want \"none\", \"kms\", \"local\" or \"tpm\"");
}

static int take_flags(const struct app_json *json, struct app_compose *compose)
{
	bool tproxy = false;
	char **features;
	int err;

	compose->public_tcbinfo = true;
	compose->secure_time = true;
	err = app_json_bool(json, "public_logs", &compose->public_logs) ?:
		app_json_bool(json, "public_sysinfo",
			      &compose->public_sysinfo) ?:
		app_json_bool(json, "public_tcbinfo",
			      &compose->public_tcbinfo) ?:
		app_json_bool(json, "no_instance_id",
			      &compose->no_instance_id) ?:
		app_json_bool(json, "secure_time", &compose->secure_time) ?:
		app_json_bool(json, "gateway_enabled",
			      &compose->gateway_enabled) ?:
		app_json_bool(json, "tproxy_enabled", &tproxy) ?:
		app_json_list(json, "features", APP_LIST_MAX, NAME_MAX_LEN,
			      &features);
	if (err)
		return err;
	compose->gateway_enabled |= tproxy || has_feature(features,
							  "tproxy-net");
	app_json_free_list(features);
	return 0;
}

static int take_storage(const struct app_json *json,
			struct app_compose *compose)
{
	int err = app_json_text(json, "storage_fs", 16, &compose->storage_fs);
	yyjson_val *volumes = app_json_find(json, "verity_volumes");

	if (err)
		return err;
	if (compose->storage_fs && strcmp(compose->storage_fs, "ext4") &&
	    strcmp(compose->storage_fs, "zfs"))
		return app_json_refuse(json, "storage_fs", "want \"ext4\" or \"zfs\"");
	if (volumes && (!yyjson_is_arr(volumes) ||
			yyjson_arr_size(volumes) > VOLUMES_MAX))
		return app_json_refuse(json, "verity_volumes", "want an array of at most %d volumes",
				       VOLUMES_MAX);
	compose->verity_volumes = yyjson_arr_size(volumes);
	return 0;
}

static int take_event_log_version(const struct app_json *json,
				  struct app_compose *compose)
{
	yyjson_val *value = app_json_find(json, "event_log_version");
	uint64_t version = value ? yyjson_get_uint(value) : 1;

	if (version != 1 && version != 2)
		return app_json_refuse(json, "event_log_version", "want 1 or 2");
	compose->event_log_version = version;
	return 0;
}

/* One text, or several of them since manifest version 3. */
static int take_init_scripts(const struct app_json *json,
			     struct app_compose *compose)
{
	yyjson_val *value = app_json_find(json, "init_script");

	if (yyjson_is_arr(value)) {
		if (compose->manifest_version < 3)
			return app_json_refuse(json, "init_script", "an array of scripts needs \"manifest_version\": \"3\"");
		return app_json_list(json, "init_script", APP_INIT_SCRIPTS_MAX,
				     SCRIPT_MAX, &compose->init_scripts);
	}
	compose->init_scripts = calloc(2, sizeof(*compose->init_scripts));
	if (!compose->init_scripts)
		return -ENOMEM;
	return app_json_text(json, "init_script", SCRIPT_MAX,
			     compose->init_scripts);
}

static int take_names(const struct app_json *json, struct app_compose *compose)
{
	yyjson_val *value;
	int err = app_json_text(json, "name", NAME_MAX_LEN, &compose->name) ?:
		app_json_text(json, "runner", NAME_MAX_LEN, &compose->runner);

	if (err)
		return err;
	if (!compose->name)
		return app_json_refuse(json, "name", "is missing");
	if (!compose->runner)
		return app_json_refuse(json, "runner", "is missing");
	value = app_json_find(json, "pre_launch_script");
	compose->has_pre_launch_script = value && !yyjson_equals_str(value, "");
	err = app_json_text(json, "docker_compose_file", APP_COMPOSE_MAX,
			    &compose->docker_compose_file);
	if (err)
		return err;
	return app_json_list(json, "allowed_envs", APP_LIST_MAX, NAME_MAX_LEN,
			     &compose->allowed_envs);
}

static int take_all(const struct app_json *json, struct app_compose *compose)
{
	return app_json_check(json, NULL) ?:
		take_manifest_version(json, compose) ?:
		take_names(json, compose) ?:
		take_flags(json, compose) ?:
		take_key_provider(json, compose) ?:
		take_storage(json, compose) ?:
		take_event_log_version(json, compose) ?:
		take_init_scripts(json, compose) ?:
		app_compose_requirements(json, compose) ?:
		app_compose_extension(json, compose);
}

static int parse(const char *text, size_t len, struct app_compose *compose,
		 libdstack_message_fn tell)
{
	struct app_json json = { .file = FILE_NAME, .object = "",
				 .tell = tell };
	yyjson_doc *doc;
	int err;

	compose->text = malloc(len + 1);
	if (!compose->text)
		return -ENOMEM;
	memcpy(compose->text, text, len);
	compose->text[len] = '\0';
	compose->len = len;
	SHA256((const uint8_t *)text, len, compose->hash);
	err = app_json_open(&json, text, len, &doc);
	if (err)
		return err;
	err = take_all(&json, compose);
	yyjson_doc_free(doc);
	return err;
}

int app_compose_parse(const char *text, size_t len, struct app_compose **out,
		      libdstack_message_fn tell)
{
	struct app_compose *compose;
	int err;

	*out = NULL;
	if (len > APP_COMPOSE_MAX) {
		tell(FILE_NAME ": larger than 50 MiB");
		return -EFBIG;
	}
	compose = calloc(1, sizeof(*compose));
	err = compose ? parse(text, len, compose, tell) : -ENOMEM;
	if (err == -ENOMEM)
		tell(FILE_NAME ": not enough memory to read it");
	if (err)
		app_compose_free(compose);
	else
		*out = compose;
	return err;
}

static void free_agent(struct app_compose *compose)
{
	size_t i;

	for (i = 0; i < compose->agent_nr; i++) {
		free(compose->agent[i].section);
		app_json_free_list(compose->agent[i].methods);
	}
	free(compose->agent);
}

static void free_containers(struct app_compose *compose)
{
	size_t i;

	for (i = 0; i < compose->containers_nr; i++) {
		free(compose->containers[i].service);
		free(compose->containers[i].section);
		app_json_free_list(compose->containers[i].allow);
	}
	free(compose->containers);
}

void app_compose_free(struct app_compose *compose)
{
	if (!compose)
		return;
	free(compose->text);
	free(compose->name);
	free(compose->runner);
	free(compose->docker_compose_file);
	free(compose->storage_fs);
	free(compose->policy);
	app_json_free_list(compose->allowed_envs);
	app_json_free_list(compose->init_scripts);
	free(compose->requirements.os_version);
	app_json_free_list(compose->requirements.platforms);
	free(compose->requirements.gpu_rego);
	free_agent(compose);
	free_containers(compose);
	free(compose);
}
