// SPDX-License-Identifier: MIT
/*
 * MR_CONFIG_ID: what the host said of the application before the machine began
 *
 * Copyright The dstack for Linux authors
 *
 * The first byte says in which of three ways; a register of zeros says nothing.
 */
#include "boot.h"

#include <errno.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>

#include "../app/json.h"

#define V3_DOMAIN	"dstack-mr-config-v3:"

static int differs(const char *what)
{
	return boot_fail(-EKEYREJECTED, "MR_CONFIG_ID: the host started this machine for another %s: correct it, or start the machine anew",
			 what);
}

static bool hash_parts(const char *algorithm, const struct libdstack_span *part,
		       size_t nr, uint8_t hash[APP_HASH_SIZE])
{
	EVP_MD *md = EVP_MD_fetch(NULL, algorithm, NULL);
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	bool good = md && ctx && EVP_DigestInit_ex2(ctx, md, NULL);

	for (; good && nr; nr--, part++)
		good = EVP_DigestUpdate(ctx, part->data, part->len);
	good = good && EVP_DigestFinal_ex(ctx, hash, NULL);
	EVP_MD_CTX_free(ctx);
	EVP_MD_free(md);
	return good;
}

static bool compute_v2(const struct config_id *local,
		       uint8_t hash[APP_HASH_SIZE])
{
	const uint8_t provider = local->provider;
	const struct libdstack_span parts[] = {
		{ local->compose_hash, APP_HASH_SIZE },
		{ local->app_id, APP_ID_SIZE },
		{ &provider, 1 },
		{ local->provider_id, local->provider_id_len },
	};

	return hash_parts("KECCAK-256", parts, 4, hash);
}

static bool compute_v3(const struct config_id *local,
		       uint8_t hash[APP_HASH_SIZE])
{
	const struct libdstack_span parts[] = {
		/* With its NUL. */
		{ (const uint8_t *)V3_DOMAIN, sizeof(V3_DOMAIN) },
		{ (const uint8_t *)local->document, strlen(local->document) },
	};

	return hash_parts("SHA256", parts, 2, hash);
}

/* What a field of the document says, if it is there, must be what is so. */
static int compare(const struct app_json *json, const char *field,
		   const uint8_t *want, size_t len)
{
	uint8_t value[APP_PROVIDER_ID_MAX];
	size_t got;
	int err;

	if (!app_json_find(json, field))
		return 0;
	err = app_json_hex(json, field, value, sizeof(value), &got);
	if (err)
		return err;
	return got == len && (!len || !memcmp(value, want, len)) ? 0 :
		differs(field);
}

/*
 * The root that gives keys, or the one that the application pins: whoever
 * writes the document knows that one.
 */
static int compare_provider(const struct app_json *json,
			    const struct config_id *local)
{
	uint8_t value[APP_PROVIDER_ID_MAX];
	size_t got;

	if (local->pinned_id_len && app_json_find(json, "key_provider_id") &&
	    !app_json_hex(json, "key_provider_id", value, sizeof(value),
			  &got) &&
	    got == local->pinned_id_len &&
	    !memcmp(value, local->pinned_id, got))
		return 0;
	return compare(json, "key_provider_id", local->provider_id,
		       local->provider_id_len);
}

static int compare_scripts(const struct app_json *json,
			   const struct config_id *local)
{
	char *const *script = local->init_scripts;
	char digits[2 * APP_HASH_SIZE + 1], **hashes, **hash;
	uint8_t bytes[APP_HASH_SIZE];
	int err;

	if (!app_json_find(json, "init_script_hashes"))
		return 0;
	err = app_json_list(json, "init_script_hashes", APP_LIST_MAX,
			    2 * APP_HASH_SIZE, &hashes);
	if (err)
		return err;
	for (hash = hashes; *hash && *script; hash++, script++) {
		SHA256((const uint8_t *)*script, strlen(*script), bytes);
		if (strcasecmp(*hash, libdstack_to_hex(bytes, sizeof(bytes),
						       digits)))
			break;
	}
	err = *hash || *script ? differs("init_script") : 0;
	app_json_free_list(hashes);
	return err;
}

static int compare_all(const struct app_json *json,
		       const struct config_id *local)
{
	static const char *const known[] = {
		"version", "app_id", "compose_hash", "gpu_policy_hash",
		"init_script_hashes", "instance_id", "key_provider",
		"key_provider_id", NULL
	};
	int err = app_json_check(json, known);

	if (err)
		return err;
	if (app_json_find(json, "version") &&
	    yyjson_get_uint(app_json_find(json, "version")) != 3)
		return app_json_refuse(json, "version", "want 3");
	if (!app_json_find(json, "compose_hash"))
		return app_json_refuse(json, "compose_hash", "is missing");
	if (!yyjson_equals_str(app_json_find(json, "key_provider"),
			       app_key_provider_name(local->provider)))
		return differs("key_provider");
	return compare(json, "compose_hash", local->compose_hash,
		       APP_HASH_SIZE) ?:
		compare(json, "app_id", local->app_id, APP_ID_SIZE) ?:
		compare(json, "gpu_policy_hash", local->gpu_policy_hash,
			APP_HASH_SIZE) ?:
		compare(json, "instance_id", local->instance_id,
			local->instance_id_len) ?:
		compare_provider(json, local) ?:
		compare_scripts(json, local);
}

static int check_document(const struct config_id *local)
{
	struct app_json json = { .file = "mr_config of " BOOT_SYS_CONFIG,
				 .object = "", .tell = boot_tell };
	yyjson_doc *doc;
	int err;

	if (!local->document)
		return boot_fail(-EKEYREJECTED, "MR_CONFIG_ID is of version 3, and the host gave no mr_config that explains it");
	err = app_json_open(&json, local->document, strlen(local->document),
			    &doc);
	if (err)
		return err;
	err = compare_all(&json, local);
	yyjson_doc_free(doc);
	return err;
}

int config_id_check(const uint8_t value[BOOT_CONFIG_ID_SIZE],
		    const struct config_id *local)
{
	static const uint8_t none[BOOT_CONFIG_ID_SIZE];
	uint8_t want[BOOT_CONFIG_ID_SIZE] = { value[0] };
	int err = 0;

	if (!memcmp(value, none, sizeof(none)))
		return 0;
	switch (value[0]) {
	case 1:
		memcpy(want + 1, local->compose_hash, APP_HASH_SIZE);
		break;
	case 2:
		err = compute_v2(local, want + 1) ? 0 : -ENOMEM;
		break;
	case 3:
		err = check_document(local);
		if (!err && !compute_v3(local, want + 1))
			err = -ENOMEM;
		break;
	default:
		return boot_fail(-EOPNOTSUPP, "MR_CONFIG_ID is of version %u: 1, 2 and 3 are known here",
				 value[0]);
	}
	if (err)
		return err;
	return memcmp(want, value, sizeof(want)) ?
		differs(value[0] == 1 ? "compose hash" :
			value[0] == 2 ?
			"compose hash, application, or key provider" :
			"mr_config") : 0;
}
