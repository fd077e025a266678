// SPDX-License-Identifier: MIT
/*
 * The object of the configuration that says who decides
 *
 * Copyright The dstack for Linux authors
 */
#include "auth.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib.h"

#define TEXT_MAX	1024		/* bytes of a URL or a path */
#define CODES_MAX	256		/* of each layout */
#define HASH_TEXT_MAX	(2 + 2 * CHAIN_HASH)

static const struct {
	const char *name;
	enum auth_type type;
	/* What it may have besides. */
	const char *const fields[16];
} types[] = {
	{ "dev", AUTH_TYPE_DEV, {
		"type", "allow_everything", "gateway_app_id", NULL } },
	{ "webhook", AUTH_TYPE_WEBHOOK, {
		"type", "url", "unix_socket", "plain_http", "ca_file",
		"timeout_ms", NULL } },
	{ "chain", AUTH_TYPE_CHAIN, {
		"type", "rpc_urls", "quorum", "chain_id", "kms_contract",
		"block", "max_head_age_s", "max_clock_skew_s", "head_s",
		"allow_unproven", "known_code", "light_client", "ca_file",
		"timeout_ms", NULL } },
};

static int missing(const struct app_json *json, const char *field)
{
	return app_json_refuse(json, field, "has to be there");
}

static int get_bytes(const struct app_json *json, const char *field,
		     uint8_t *out, size_t len)
{
	bool found;
	int err = app_json_id(json, field, out, len, &found);

	return err ? err : found ? 0 : missing(json, field);
}

static int get_list(const struct app_json *json, const char *field,
		    char ***out)
{
	int err = app_json_list(json, field, CHAIN_SERVERS_MAX, TEXT_MAX, out);

	return err ? err : **out ? 0 : missing(json, field);
}

static int get_common(const struct app_json *json, struct auth_config *config)
{
	int err = app_json_text(json, "ca_file", TEXT_MAX, &config->ca_file);

	config->timeout_ms = 5000;
	return err ? err : app_json_number(json, "timeout_ms", 100, 60000,
					   &config->timeout_ms);
}

static int read_dev(const struct app_json *json, struct auth_config *config)
{
	bool everything = false;
	int err = app_json_bool(json, "allow_everything", &everything);

	if (!err && !everything)
		err = app_json_refuse(json, "allow_everything", "has to be true: with this type whoever asks gets keys");
	if (!err)
		err = app_json_text(json, "gateway_app_id",
				    AUTH_GATEWAY_MAX - 1,
				    &config->gateway_app_id);
	if (!err && !config->gateway_app_id) {
		config->gateway_app_id = strdup("any");
		err = config->gateway_app_id ? 0 : -ENOMEM;
	}
	return err;
}

static int read_webhook(const struct app_json *json,
			struct auth_config *config)
{
	size_t len;
	int err = app_json_text(json, "url", TEXT_MAX, &config->url);

	if (!err && !config->url)
		err = missing(json, "url");
	if (!err)
		err = app_json_text(json, "unix_socket", TEXT_MAX,
				    &config->socket);
	if (!err)
		err = app_json_bool(json, "plain_http", &config->plain_http);
	if (!err)
		err = get_common(json, config);
	if (err)
		return err;
	len = strlen(config->url);
	if (len && config->url[len - 1] == '/')
		config->url[len - 1] = 0;
	return 0;
}

/*
 * Chains
 */

/* Hashes of a list, at most @room of them to @out, *@nr of which there are. */
static int get_hashes(const struct app_json *json, const char *field,
		      uint8_t (**out)[CHAIN_HASH], size_t *nr)
{
	char **list = NULL;
	int err = app_json_list(json, field, CODES_MAX, HASH_TEXT_MAX, &list);
	const char *text;

	*nr = 0;
	if (err)
		return err;
	*out = calloc(CODES_MAX, sizeof(**out));
	if (!*out)
		err = -ENOMEM;
	for (; !err && list[*nr]; ++*nr) {
		text = list[*nr];
		text += strncmp(text, "0x", 2) ? 0 : 2;
		if (strlen(text) != 2 * CHAIN_HASH ||
		    !libdstack_from_hex(text, 2 * CHAIN_HASH, (*out)[*nr],
					CHAIN_HASH))
			err = app_json_refuse(json, field,
					      "[%zu]: want %d hex digits", *nr,
					      2 * CHAIN_HASH);
	}
	app_json_free_list(list);
	return err;
}

static int add_codes(const struct app_json *json, const char *field,
		     enum chain_layout layout, struct auth_config *config)
{
	uint8_t (*hashes)[CHAIN_HASH] = NULL;
	struct chain_code *more;
	size_t nr = 0, i;
	int err = get_hashes(json, field, &hashes, &nr);

	if (!err && nr) {
		more = reallocarray(config->codes, config->nr_codes + nr,
				    sizeof(*more));
		if (more)
			config->codes = more;
		else
			err = -ENOMEM;
	}
	for (i = 0; !err && i < nr; i++) {
		more = &config->codes[config->nr_codes++];
		memcpy(more->hash, hashes[i], CHAIN_HASH);
		more->layout = layout;
	}
	free(hashes);
	return err;
}

static int get_codes(const struct app_json *json, struct auth_config *config)
{
	static const struct {
		const char *name;
		enum chain_layout layout;
	} layouts[] = {
		{ "kms_upstream", CHAIN_KMS_UPSTREAM },
		{ "kms_linux", CHAIN_KMS_LINUX },
		{ "app_upstream", CHAIN_APP_UPSTREAM },
		{ "app_linux", CHAIN_APP_LINUX },
	};
	static const char *const known[] = {
		"proxies", "kms_upstream", "kms_linux", "app_upstream",
		"app_linux", NULL
	};
	struct app_json inner;
	size_t i;
	int err = app_json_enter(json, "known_code", "auth.known_code",
				 &inner);

	if (!err && !inner.value)
		err = missing(json, "known_code");
	if (!err)
		err = app_json_check(&inner, known);
	if (!err)
		err = get_hashes(&inner, "proxies", &config->proxies,
				 &config->nr_proxies);
	for (i = 0; !err && i < sizeof(layouts) / sizeof(layouts[0]); i++)
		err = add_codes(&inner, layouts[i].name, layouts[i].layout,
				config);
	return err;
}

static int get_light(const struct app_json *json, struct auth_config *config)
{
	static const char *const known[] = {
		"beacon_urls", "checkpoint", NULL
	};
	struct app_json inner;
	int err = app_json_enter(json, "light_client", "auth.light_client",
				 &inner);

	if (err || !inner.value)
		return err;
	if (config->chain_id != 1)
		return app_json_refuse(json, "light_client", "is for chain_id 1 alone");
	err = app_json_check(&inner, known);
	if (!err)
		err = get_list(&inner, "beacon_urls", &config->beacon_urls);
	return err ? err : get_bytes(&inner, "checkpoint", config->checkpoint,
				     CHAIN_HASH);
}

static int get_block(const struct app_json *json, struct auth_config *config)
{
	int err = app_json_text(json, "block", TEXT_MAX, &config->tag);

	if (!err && !config->tag) {
		config->tag = strdup("finalized");
		err = config->tag ? 0 : -ENOMEM;
	}
	if (!err && strcmp(config->tag, "finalized") &&
	    strcmp(config->tag, "safe") && strcmp(config->tag, "latest"))
		err = app_json_refuse(json, "block", "want \"finalized\", \"safe\" or \"latest\"");
	return err;
}

/* Seconds in the file. */
static int get_times(const struct app_json *json, struct auth_config *config)
{
	uint64_t head_s = 3;
	int err;

	config->limits.max_age = 1800;
	config->limits.max_ahead = 10;
	err = app_json_number(json, "max_head_age_s", 10, 86400,
			      &config->limits.max_age);
	if (!err)
		err = app_json_number(json, "max_clock_skew_s", 0, 300,
				      &config->limits.max_ahead);
	if (!err)
		err = app_json_number(json, "head_s", 0, 60, &head_s);
	config->head_ms = 1000 * head_s;
	return err;
}

/* Else two parts of the servers could agree on two chains. */
static int get_servers(const struct app_json *json,
		       struct auth_config *config)
{
	int err = get_list(json, "rpc_urls", &config->rpc_urls);
	size_t nr = 0;

	if (err)
		return err;
	while (config->rpc_urls[nr])
		nr++;
	config->quorum = nr / 2 + 1;
	return app_json_number(json, "quorum", nr / 2 + 1, nr, &config->quorum);
}

static int read_chain(const struct app_json *json, struct auth_config *config)
{
	int err = get_servers(json, config);

	if (!err)
		err = app_json_number(json, "chain_id", 1, UINT64_MAX,
				      &config->chain_id);
	if (!err && !config->chain_id)
		err = missing(json, "chain_id");
	if (!err)
		err = get_bytes(json, "kms_contract", config->kms,
				CHAIN_ADDRESS);
	if (!err)
		err = get_block(json, config);
	if (!err)
		err = get_times(json, config);
	if (!err)
		err = app_json_bool(json, "allow_unproven",
				    &config->allow_unproven);
	if (!err)
		err = get_codes(json, config);
	if (!err)
		err = get_light(json, config);
	return err ? err : get_common(json, config);
}

static int read_type(const struct app_json *json, struct auth_config *config,
		     const char *name)
{
	size_t i = 0;
	int err;

	while (i < sizeof(types) / sizeof(types[0]) &&
	       (!name || strcmp(types[i].name, name)))
		i++;
	if (i == sizeof(types) / sizeof(types[0]))
		return app_json_refuse(json, "type", "want \"chain\", \"webhook\" or \"dev\"");
	err = app_json_check(json, types[i].fields);
	if (err)
		return err;
	switch (types[i].type) {
	case AUTH_TYPE_DEV:
		err = read_dev(json, config);
		break;
	case AUTH_TYPE_WEBHOOK:
		err = read_webhook(json, config);
		break;
	default:
		err = read_chain(json, config);
	}
	/* Last: what was read in part allows nothing. */
	if (!err)
		config->type = types[i].type;
	return err;
}

int auth_config_read(const struct app_json *json, struct auth_config *config)
{
	char *name = NULL;
	int err;

	memset(config, 0, sizeof(*config));
	/* Before the type is known, names can at least not occur twice. */
	err = app_json_check(json, NULL);
	if (!err)
		err = app_json_text(json, "type", TEXT_MAX, &name);
	if (!err)
		err = read_type(json, config, name);
	free(name);
	if (err)
		auth_config_clear(config);
	return err;
}

void auth_config_clear(struct auth_config *config)
{
	free(config->gateway_app_id);
	free(config->url);
	free(config->socket);
	free(config->ca_file);
	free(config->tag);
	free(config->proxies);
	free(config->codes);
	app_json_free_list(config->rpc_urls);
	app_json_free_list(config->beacon_urls);
	memset(config, 0, sizeof(*config));
}
