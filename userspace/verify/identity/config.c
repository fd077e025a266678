// SPDX-License-Identifier: MIT
/*
 * What a guest was configured with
 *
 * Copyright The dstack for Linux authors
 *
 * The configuration in a container is a claim, and only the hash of the image
 * is taken from it.  The document of an MrConfigV3 is bound by its hash, which
 * hardware reports.
 */
#include "identity.h"

#include <errno.h>
#include <string.h>

#define CONFIG_VALUES	1024U

static int error_of(const struct libdstack_failure *failure)
{
	return failure->reason == REASON(MEMORY) ? -ENOMEM : -EBADMSG;
}

static int read_image(const json_t *doc, struct libdstack_identity *identity,
		      struct libdstack_failure *failure)
{
	const json_t *hash = json_object_get(doc, "os_image_hash");
	struct libdstack_id *have = &identity->os_image_hash;
	struct libdstack_id said = { .len = IDENT_HASH_SIZE };

	if (!hash || !json_string_length(hash))
		return 0;
	if (!att_hex_fixed(hash, said.data, said.len))
		return verify_fail(failure, REASON(MALFORMED),
				   "the configuration's os_image_hash is not 64 hex digits");
	/* So far it is what an event says. */
	if (have->len && !ident_is(have, said.data, said.len))
		return verify_fail(failure, REASON(MISMATCH),
				   "the configuration's os_image_hash is not the one that was measured");
	identity->os_image_measured = have->len;
	*have = said;
	return 0;
}

/* Older guests give the whole SysConfig, with the VmConfig as a text in it. */
static int read_object(const json_t *doc, struct libdstack_identity *identity,
		       struct libdstack_failure *failure)
{
	const json_t *text = json_object_get(doc, "vm_config");
	json_t *inner;
	int err;

	if (!text || !json_string_length(text))
		return read_image(doc, identity, failure);
	inner = att_json(failure, json_string_value(text),
			 json_string_length(text), CONFIG_VALUES, "vm_config");
	if (!inner)
		return error_of(failure);
	err = read_image(inner, identity, failure);
	json_decref(inner);
	return err;
}

int ident_read_config(const struct libdstack_span *config,
		      struct libdstack_identity *identity,
		      struct libdstack_failure *failure)
{
	json_t *doc;
	int err;

	identity->os_image_measured = identity->os_image_hash.len;
	if (!config->len)
		return 0;
	doc = att_json(failure, config->data, config->len, CONFIG_VALUES,
		       "configuration");
	if (!doc)
		return error_of(failure);
	err = json_is_object(doc) ? read_object(doc, identity, failure) :
		verify_fail(failure, REASON(MALFORMED),
			    "the configuration is no JSON object");
	json_decref(doc);
	return err;
}

bool ident_mr_config_hash(const struct libdstack_span *document,
			  uint8_t out[IDENT_HASH_SIZE])
{
	/* With the NUL that C puts behind it. */
	static const char domain[] = "dstack-mr-config-v3:";
	const struct libdstack_span parts[] = {
		ident_span(domain, sizeof(domain)), *document,
	};

	return ident_sha256(parts, 2, out);
}

/* @len bytes of hex; an absent one is empty. */
static bool read_id(const json_t *value, size_t len, struct libdstack_id *id)
{
	id->len = 0;
	if (!value || json_is_null(value) ||
	    (json_is_string(value) && !json_string_length(value)))
		return true;
	id->len = len;
	return att_hex_fixed(value, id->data, len);
}

static bool read_scripts(const json_t *list, struct ident_mr_config *config)
{
	size_t i, nr = json_array_size(list);

	if (!list || json_is_null(list))
		return true;
	if (!json_is_array(list) || nr > LIBDSTACK_INIT_SCRIPTS_MAX)
		return false;
	config->nr_init_scripts = nr;
	for (i = 0; i < nr; i++)
		if (!read_id(json_array_get(list, i), IDENT_HASH_SIZE,
			     &config->init_scripts[i]))
			return false;
	return true;
}

/* Other places call the local one after where it runs. */
static bool read_provider(const json_t *doc, struct ident_mr_config *config)
{
	const char *kind =
		json_string_value(json_object_get(doc, "key_provider"));
	const json_t *id = json_object_get(doc, "key_provider_id");
	const char *hex = json_string_value(id);

	if (kind && !strcmp(kind, "local"))
		kind = "local-sgx";
	if (!ident_copy(config->key_provider, sizeof(config->key_provider),
			kind))
		return false;
	if (!id || json_is_null(id))
		return true;
	return ident_copy(config->key_provider_id,
			  sizeof(config->key_provider_id), hex) &&
		strspn(hex, "0123456789abcdef") == strlen(hex);
}

static bool read_document(const json_t *doc, struct ident_mr_config *config)
{
	static const char *const names[] = {
		"compose_hash", "key_provider", "?app_id", "?instance_id",
		"?gpu_policy_hash", "?init_script_hashes", "?key_provider_id",
		"?version", NULL
	};
	const json_t *version = json_object_get(doc, "version");

	return !att_members(doc, names) &&
		(!version || json_integer_value(version) == 3) &&
		read_id(json_object_get(doc, "app_id"), IDENT_APP_ID_SIZE,
			&config->app_id) &&
		read_id(json_object_get(doc, "compose_hash"), IDENT_HASH_SIZE,
			&config->compose_hash) && config->compose_hash.len &&
		read_id(json_object_get(doc, "instance_id"), IDENT_APP_ID_SIZE,
			&config->instance_id) &&
		read_id(json_object_get(doc, "gpu_policy_hash"),
			IDENT_HASH_SIZE, &config->gpu_policy_hash) &&
		read_scripts(json_object_get(doc, "init_script_hashes"),
			     config) &&
		read_provider(doc, config);
}

int ident_read_mr_config(const struct libdstack_span *document,
			 struct ident_mr_config *config,
			 struct libdstack_failure *failure)
{
	json_t *doc;
	int err = 0;

	memset(config, 0, sizeof(*config));
	doc = att_json(failure, document->data, document->len, CONFIG_VALUES,
		       "mr_config");
	if (!doc)
		return error_of(failure);
	if (!read_document(doc, config))
		err = verify_fail(failure, REASON(MALFORMED),
				  "mr_config is no MrConfigV3: a member is missing, unknown or of another size");
	json_decref(doc);
	return err;
}
