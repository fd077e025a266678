// SPDX-License-Identifier: MIT
/*
 * Files of application's keys
 *
 * Copyright The dstack for Linux authors
 */
#include "fuzz.h"

#include <stdlib.h>

#define assert_true(ok)		must(ok)
#define assert_non_null(p)	must(p)

#include "../test/app_keys_fixture.h"

static void tell(const char *message)
{
	must(*message && strlen(message) < LIBDSTACK_MESSAGE_MAX);
}

static bool is_text(const char *text, size_t room)
{
	size_t i, len = strnlen(text, room);

	for (i = 0; i < len; i++)
		if (!(text[i] >= ' ' && text[i] <= '~') && text[i] != '\n' &&
		    text[i] != '\r')
			return false;
	return len < room;
}

/* What was read is what others rely on. */
static void check(const struct agent_app_keys *keys)
{
	struct agent_public public;

	must(!agent_key_public(AGENT_SECP256K1, keys->k256_key, &public));
	must(public.len == keys->k256_public.len &&
	     !memcmp(public.bytes, keys->k256_public.bytes, public.len));
	must(!keys->k256_signature_len ||
	     keys->k256_signature_len == AGENT_LINK_SIZE);
	must(keys->provider <= AGENT_PROVIDER_KMS);
	must(!keys->provider_id_len == !keys->provider);
	must(keys->provider_id_len <= AGENT_PROVIDER_ID_MAX);
	must(!keys->pinned_id_len || keys->provider == AGENT_PROVIDER_KMS);
	must(keys->pinned_id_len <= AGENT_PROVIDER_ID_MAX);
	must(!*keys->ca_key == (keys->provider == AGENT_PROVIDER_KMS));
	must(is_text(keys->gateway_app_id, AGENT_GATEWAY_MAX));
	must(is_text(keys->kms_url, AGENT_URL_MAX));
	must(is_text(keys->ca_cert, AGENT_PEM_MAX) && *keys->ca_cert);
	must(is_text(keys->ca_key, AGENT_PEM_MAX));
	must(is_text(keys->temp_ca_cert, AGENT_PEM_MAX));
	must(is_text(keys->temp_ca_key, AGENT_PEM_MAX));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	char *text = fuzz_copy(data, len);
	struct agent_app_keys *keys;

	if (!agent_app_keys_parse("file", text, len, tell, &keys))
		check(keys);
	else
		must(!keys);
	agent_app_keys_free(keys);
	free(text);
	return 0;
}

void fuzz_seeds(void)
{
	static const char *const kinds[] = { "None", "Local", "Tpm", "Kms" };
	char *text;
	size_t i;

	make_authority();
	for (i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		text = text_of(kinds[i]);
		fuzz_seed_text(text);
		free(text);
	}
	fuzz_seed_text("{\"key_provider\":{\"None\":{\"key\":\"\\n\"}}}");
}
