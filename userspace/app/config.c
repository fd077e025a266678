// SPDX-License-Identifier: MIT
/*
 * .sys-config.json and .instance_info: what the host says of the machine
 *
 * Copyright The dstack for Linux authors
 *
 * Neither is measured.
 */
#include "app.h"

#include <errno.h>
#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"

#define CONFIG_FILE	".sys-config.json"
#define INSTANCE_FILE	".instance_info"
#define URLS_MAX	64
#define URL_MAX		2048

static int take_urls(const struct app_json *json, struct app_sys_config *config)
{
	bool both = app_json_find(json, "gateway_urls") &&
		app_json_find(json, "tproxy_urls");
	const char *gateways = app_json_find(json, "tproxy_urls") ?
		"tproxy_urls" : "gateway_urls";
	int err;

	if (both)
		return app_json_refuse(json, "tproxy_urls", "is another name of gateway_urls; remove one");
	err = app_json_list(json, "kms_urls", URLS_MAX, URL_MAX,
			    &config->kms_urls);
	if (err)
		return err;
	return app_json_list(json, gateways, URLS_MAX, URL_MAX,
			     &config->gateway_urls);
}

/* Newer files have it in an object of such addresses. */
static int take_pccs(const struct app_json *json, struct app_sys_config *config)
{
	struct app_json inner;
	int err = app_json_text(json, "pccs_url", URL_MAX, &config->pccs_url) ?:
		app_json_enter(json, "collateral_urls", "collateral_urls",
			       &inner) ?:
		app_json_check(&inner, NULL);

	if (err || !app_json_find(&inner, "pccs"))
		return err;
	free(config->pccs_url);
	config->pccs_url = NULL;
	return app_json_text(&inner, "pccs", URL_MAX, &config->pccs_url);
}

static int or_empty(char **text)
{
	if (!*text)
		*text = strdup("");
	return *text ? 0 : -ENOMEM;
}

static int take_config(const struct app_json *json,
		       struct app_sys_config *config)
{
	return app_json_check(json, NULL) ?:
		take_urls(json, config) ?:
		take_pccs(json, config) ?:
		app_json_text(json, "docker_registry", URL_MAX,
			      &config->docker_registry) ?:
		app_json_text(json, "host_api_url", URL_MAX,
			      &config->host_api_url) ?:
		app_json_text(json, "vm_config", APP_SYS_CONFIG_MAX,
			      &config->vm_config) ?:
		app_json_text(json, "mr_config", APP_SYS_CONFIG_MAX,
			      &config->mr_config) ?:
		or_empty(&config->pccs_url) ?:
		or_empty(&config->docker_registry) ?:
		or_empty(&config->host_api_url) ?:
		or_empty(&config->vm_config);
}

/* What there is of room on the stack of a parser: nothing of a file. */
static int open_file(struct app_json *json, const char *text, size_t len,
		     size_t max, yyjson_doc **doc)
{
	if (len <= max)
		return app_json_open(json, text, len, doc);
	app_json_refuse(json, "", "larger than %zu bytes", max);
	return -EFBIG;
}

int app_sys_config_parse(const char *text, size_t len,
			 struct app_sys_config **out, libdstack_message_fn tell)
{
	struct app_json json = { .file = CONFIG_FILE, .object = "",
				 .tell = tell };
	struct app_sys_config *config;
	yyjson_doc *doc = NULL;
	int err;

	*out = NULL;
	config = calloc(1, sizeof(*config));
	err = config ? open_file(&json, text, len, APP_SYS_CONFIG_MAX, &doc) :
		-ENOMEM;
	if (!err)
		err = take_config(&json, config);
	yyjson_doc_free(doc);
	if (err == -ENOMEM)
		tell(CONFIG_FILE ": not enough memory to read it");
	if (err)
		app_sys_config_free(config);
	else
		*out = config;
	return err;
}

void app_sys_config_free(struct app_sys_config *config)
{
	if (!config)
		return;
	app_json_free_list(config->kms_urls);
	app_json_free_list(config->gateway_urls);
	free(config->pccs_url);
	free(config->docker_registry);
	free(config->host_api_url);
	free(config->vm_config);
	free(config->mr_config);
	free(config);
}

/* The instance's id is computed, whatever the file says of it. */
int app_instance_parse(const char *text, size_t len,
		       struct app_instance *instance, libdstack_message_fn tell)
{
	struct app_json json = { .file = INSTANCE_FILE, .object = "",
				 .tell = tell };
	uint8_t id[APP_ID_SIZE];
	yyjson_doc *doc = NULL;
	bool has_id;
	int err;

	memset(instance, 0, sizeof(*instance));
	err = open_file(&json, text, len, APP_INSTANCE_MAX, &doc);
	if (!err)
		err = app_json_check(&json, NULL) ?:
			app_json_id(&json, "app_id", instance->app_id,
				    sizeof(instance->app_id),
				    &instance->has_app_id) ?:
			app_json_id(&json, "instance_id_seed", instance->seed,
				    sizeof(instance->seed),
				    &instance->has_seed) ?:
			app_json_id(&json, "instance_id", id, sizeof(id),
				    &has_id);
	yyjson_doc_free(doc);
	if (err == -ENOMEM)
		tell(INSTANCE_FILE ": not enough memory to read it");
	if (err)
		memset(instance, 0, sizeof(*instance));
	return err;
}

char *app_instance_text(const struct app_instance *instance,
			const uint8_t instance_id[APP_ID_SIZE])
{
	char app[2 * APP_ID_SIZE + 1] = "", seed[2 * APP_SEED_SIZE + 1] = "";
	char id[2 * APP_ID_SIZE + 1] = "", *text;

	if (instance->has_app_id)
		libdstack_to_hex(instance->app_id, APP_ID_SIZE, app);
	if (instance->has_seed)
		libdstack_to_hex(instance->seed, APP_SEED_SIZE, seed);
	if (instance_id)
		libdstack_to_hex(instance_id, APP_ID_SIZE, id);
	if (asprintf(&text, "{\"instance_id_seed\":\"%s\",\"instance_id\":\"%s\",\"app_id\":\"%s\"}\n",
		     seed, id, app) < 0)
		return NULL;
	return text;
}

void app_id_of(const struct app_compose *compose,
	       const struct app_instance *instance, uint8_t id[APP_ID_SIZE])
{
	memcpy(id, instance->has_app_id ? instance->app_id : compose->hash,
	       APP_ID_SIZE);
}

bool app_instance_id_of(const struct app_instance *instance,
			const uint8_t app_id[APP_ID_SIZE],
			uint8_t id[APP_ID_SIZE])
{
	uint8_t from[APP_SEED_SIZE + APP_ID_SIZE], hash[APP_HASH_SIZE];

	memcpy(from, instance->seed, APP_SEED_SIZE);
	memcpy(from + APP_SEED_SIZE, app_id, APP_ID_SIZE);
	if (!SHA256(from, sizeof(from), hash))
		return false;
	memcpy(id, hash, APP_ID_SIZE);
	return true;
}
