// SPDX-License-Identifier: MIT
/*
 * The launch token: only who knows it starts this application
 *
 * Copyright The dstack for Linux authors
 */
#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <string.h>

#include "app.h"
#include "json.h"

#define FILE_NAME	".user-config"
#define DOMAIN		"dstack-launch-token/v1:"
#define TOKEN_MIN	32	/* bytes: its hash is public */

static bool hash_token(const char *token, size_t len,
		       uint8_t hash[APP_HASH_SIZE])
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	bool good = ctx && EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) &&
		EVP_DigestUpdate(ctx, DOMAIN, strlen(DOMAIN)) &&
		EVP_DigestUpdate(ctx, token, len) &&
		EVP_DigestFinal_ex(ctx, hash, NULL);

	EVP_MD_CTX_free(ctx);
	return good;
}

static int check(const struct app_json *json,
		 const uint8_t want[APP_HASH_SIZE])
{
	yyjson_val *value = app_json_find(json, "launch_token");
	uint8_t hash[APP_HASH_SIZE];

	if (!yyjson_is_str(value) || yyjson_get_len(value) < TOKEN_MIN)
		return app_json_refuse(json, "launch_token", "want a string of at least %d bytes",
				       TOKEN_MIN);
	if (!hash_token(yyjson_get_str(value), yyjson_get_len(value), hash))
		return -ENOMEM;
	if (CRYPTO_memcmp(hash, want, sizeof(hash)))
		return app_json_refuse(json, "launch_token", "is not the one of requirements.launch_token_hash");
	return 0;
}

int app_launch_token_check(const char *text, size_t len,
			   const uint8_t hash[APP_HASH_SIZE],
			   libdstack_message_fn tell)
{
	struct app_json json = { .file = FILE_NAME, .object = "",
				 .tell = tell }, inner;
	yyjson_doc *doc;
	int err = app_json_open(&json, text, len, &doc);

	if (err)
		return err;
	err = app_json_check(&json, NULL) ?:
		app_json_enter(&json, "dstack", "dstack", &inner) ?:
		app_json_check(&inner, NULL) ?:
		check(&inner, hash);
	yyjson_doc_free(doc);
	return err;
}
