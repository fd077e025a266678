// SPDX-License-Identifier: MIT
/*
 * Answers of a webhook, and configurations of who may have keys
 *
 * Copyright The dstack for Linux authors
 *
 * 'v': an answer to a question, 'i': what the webhook is, 'c': a configuration.
 */
#include "fuzz.h"

/* Its readers are nobody else's. */
#include "../kmsd/auth/webhook.c"

static void hear(const char *line)
{
	must(*line);
}

static bool is_text(const char *text, size_t room)
{
	size_t len = strnlen(text, room), i;

	for (i = 0; i < len; i++)
		if ((unsigned char)text[i] < ' ' || text[i] == 0x7f)
			return false;
	return len < room;
}

static void verdict(yyjson_val *reply)
{
	struct auth_verdict said = { .how = AUTH_BY_NOBODY };
	struct chain_why why = { "" };

	if (get_verdict(reply, &said, &why)) {
		must(why.text[0] && !said.allowed && !said.how);
		return;
	}
	must(said.how == AUTH_BY_WEBHOOK && !why.text[0]);
	must(said.allowed == yyjson_is_true(yyjson_obj_get(reply,
							   "isAllowed")));
	must(is_text(said.reason, sizeof(said.reason)));
	must(is_text(said.gateway_app_id, sizeof(said.gateway_app_id)));
}

static void info(yyjson_val *reply)
{
	struct auth_info said = { .chain_id = 0 };
	struct chain_why why = { "" };

	if (!get_info(reply, &said, &why))
		must(is_text(said.kms_contract, sizeof(said.kms_contract)));
	else
		must(why.text[0]);
}

static void config(const char *text, size_t len)
{
	struct app_json json = {
		.file = "fuzz", .object = "auth", .tell = hear,
	};
	struct auth_config read;
	yyjson_doc *doc;

	if (app_json_open(&json, text, len, &doc))
		return;
	if (auth_config_read(&json, &read)) {
		must(read.type == AUTH_TYPE_NONE && !read.url &&
		     !read.rpc_urls);
	} else {
		must(read.type != AUTH_TYPE_CHAIN ||
		     (read.quorum && read.chain_id && read.rpc_urls[0]));
		auth_config_clear(&read);
	}
	yyjson_doc_free(doc);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	yyjson_doc *doc;
	char *text;

	if (!len)
		return 0;
	text = fuzz_copy(data + 1, len - 1);
	if (*data == 'c') {
		config(text, len - 1);
	} else {
		doc = yyjson_read(text, len - 1, 0);
		if (*data == 'v')
			verdict(yyjson_doc_get_root(doc));
		else
			info(yyjson_doc_get_root(doc));
		yyjson_doc_free(doc);
	}
	free(text);
	return 0;
}

#define ADDRESS	"0x0202020202020202020202020202020202020202"
#define HASH	"0101010101010101010101010101010101010101010101010101010101010101"

void fuzz_seeds(void)
{
	fuzz_seed_text("v{\"isAllowed\":true,\"gatewayAppId\":\"0x1\","
		       "\"reason\":\"\"}");
	fuzz_seed_text("i{\"status\":\"ok\",\"kmsContractAddr\":\"0x1\","
		       "\"gatewayAppId\":\"g\",\"chainId\":1,"
		       "\"appImplementation\":\"0x2\"}");
	fuzz_seed_text("c{\"type\":\"dev\",\"allow_everything\":true,"
		       "\"gateway_app_id\":\"any\"}");
	fuzz_seed_text("c{\"type\":\"webhook\",\"url\":\"https://a/\","
		       "\"unix_socket\":\"/a\",\"plain_http\":false,"
		       "\"ca_file\":\"/b\",\"timeout_ms\":1000}");
	fuzz_seed_text("c{\"type\":\"chain\",\"chain_id\":1,"
		       "\"kms_contract\":\"" ADDRESS "\","
		       "\"rpc_urls\":[\"https://a\",\"https://b\"],"
		       "\"quorum\":2,\"block\":\"finalized\",\"head_s\":3,"
		       "\"known_code\":{\"proxies\":[\"" HASH "\"],"
		       "\"app_linux\":[\"" HASH "\"]},"
		       "\"light_client\":{\"beacon_urls\":[\"https://c\"],"
		       "\"checkpoint\":\"" HASH "\"}}");
}
