// SPDX-License-Identifier: MIT
/*
 * A configuration is read whole, or not at all; and what is asked about is
 * what was verified
 *
 * Copyright The dstack for Linux authors
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kmsd_auth_fixture.h"

#define H32	"0101010101010101010101010101010101010101010101010101010101010101"
#define ADDRESS	"0x0202020202020202020202020202020202020202"
#define CHAIN_OF(id) \
	"\"type\":\"chain\",\"chain_id\":" id ",\"kms_contract\":\"" ADDRESS "\""
#define CHAIN	CHAIN_OF("1")
#define URLS	",\"rpc_urls\":[\"https://a\",\"https://b\",\"https://c\"]"
#define CODE	",\"known_code\":{\"proxies\":[\"" H32 "\"]}"

#define LIGHT(fields)	",\"light_client\":{" fields "}"

static void only_in_so_many_words_everything_is_allowed(void **state)
{
	struct auth_boot boot = some_boot();
	struct auth_options options = { .tell = hear_line };
	struct chain_why why = { "" };
	struct auth_verdict verdict;
	struct auth_config config;
	struct auth_info info;
	struct auth *auth;

	(void)state;
	assert_int_equal(config_of("{\"type\":\"dev\"}", &config), -EBADMSG);
	assert_non_null(strstr(said, "allow_everything"));
	assert_int_equal(config_of("{\"type\":\"dev\",\"allow_everything\":false}",
				   &config), -EBADMSG);
	assert_int_equal(config_of("{\"type\":\"dev\",\"allow_everything\":\"true\"}",
				   &config), -EBADMSG);
	assert_int_equal(config_of("{\"type\":\"dev\",\"allow_everything\":true}",
				   &config), 0);
	options.config = &config;
	assert_int_equal(auth_open(&options, &auth), 0);
	assert_non_null(strstr(said, "whoever asks gets keys"));
	assert_int_equal(auth_app(auth, &boot, WEB_NOW, &verdict, &why), 0);
	assert_true(verdict.allowed);
	assert_int_equal(verdict.how, AUTH_BY_DEV);
	assert_string_equal(verdict.gateway_app_id, "any");
	assert_int_equal(auth_info(auth, WEB_NOW, &info, &why), 0);
	assert_string_equal(info.gateway_app_id, "any");
	assert_string_equal(info.kms_contract, "");
	auth_close(auth);
	auth_config_clear(&config);
}

static void nothing_said_allows_nothing(void **state)
{
	struct auth_config config = { AUTH_TYPE_NONE };
	const struct auth_options options = {
		.config = &config, .tell = hear_line,
	};
	struct auth *auth;

	(void)state;
	said[0] = 0;
	assert_int_equal(auth_open(&options, &auth), -EINVAL);
	assert_null(auth);
	assert_non_null(strstr(said, "nothing says who may have keys"));
}

static void what_is_wrong_is_refused_by_name(void **state)
{
	static const struct {
		const char *text, *want;
	} bad[] = {
		{ "{}", "auth.type" },
		{ "{\"type\":\"none\"}", "auth.type" },
		{ "{\"type\":7}", "auth.type" },
		{ "{\"type\":\"dev\",\"type\":\"dev\"}", "occurs twice" },
		{ "{\"type\":\"dev\",\"allow_everything\":true,\"url\":\"x\"}",
		  "auth.url" },
		{ "{\"type\":\"webhook\"}", "auth.url" },
		{ "{\"type\":\"webhook\",\"url\":\"https://a\",\"timeout_ms\":99}",
		  "auth.timeout_ms" },
		{ "{\"type\":\"webhook\",\"url\":\"https://a\",\"timeout_ms\":\"5\"}",
		  "auth.timeout_ms" },
		{ "{\"type\":\"webhook\",\"url\":\"https://a\",\"rpc_urls\":[]}",
		  "auth.rpc_urls" },
		{ "{\"type\":\"chain\"}", "auth.rpc_urls" },
		{ "{\"type\":\"chain\"" URLS "}", "auth.chain_id" },
		{ "{\"type\":\"chain\",\"chain_id\":1" URLS CODE "}",
		  "auth.kms_contract" },
		{ "{" CHAIN ",\"rpc_urls\":[]" CODE "}", "auth.rpc_urls" },
		{ "{" CHAIN URLS "}", "auth.known_code" },
		{ "{" CHAIN URLS CODE ",\"quorum\":1}", "auth.quorum" },
		{ "{" CHAIN URLS CODE ",\"quorum\":4}", "auth.quorum" },
		{ "{" CHAIN URLS CODE ",\"block\":\"pending\"}", "auth.block" },
		{ "{" CHAIN URLS CODE ",\"max_head_age_s\":0}",
		  "auth.max_head_age_s" },
		{ "{" CHAIN URLS CODE ",\"head_s\":61}", "auth.head_s" },
		{ "{" CHAIN URLS CODE ",\"allow_unproven\":1}",
		  "auth.allow_unproven" },
		{ "{" CHAIN URLS ",\"known_code\":{\"proxies\":[\"0x01\"]}}",
		  "auth.known_code.proxies" },
		{ "{" CHAIN URLS ",\"known_code\":{\"proxy\":[]}}",
		  "auth.known_code.proxy" },
		{ "{" CHAIN URLS CODE LIGHT("\"beacon_urls\":[\"https://b\"]")
		  "}",
		  "auth.light_client.checkpoint" },
		{ "{" CHAIN URLS CODE LIGHT("\"checkpoint\":\"" H32 "\"") "}",
		  "auth.light_client.beacon_urls" },
		{ "{" CHAIN_OF("2") URLS CODE LIGHT("") "}",
		  "auth.light_client" },
		{ "{" CHAIN URLS CODE ",\"allow_everything\":true}",
		  "auth.allow_everything" },
	};
	const struct auth_config none = { AUTH_TYPE_NONE };
	struct auth_config config;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (config_of(bad[i].text, &config) != -EBADMSG)
			fail_msg("this is taken: %s", bad[i].text);
		if (!strstr(said, bad[i].want))
			fail_msg("%s: %s", bad[i].text, said);
		assert_memory_equal(&config, &none, sizeof(none));
	}
}

static void chain_is_read_with_what_is_usual(void **state)
{
	struct auth_config config;

	(void)state;
	assert_int_equal(config_of("{" CHAIN URLS ",\"known_code\":{"
				   "\"proxies\":[\"0x" H32 "\"],"
				   "\"kms_upstream\":[\"" H32 "\"],"
				   "\"app_linux\":[\"" H32 "\",\"" H32 "\"]},"
				   "\"light_client\":{\"beacon_urls\":[\"https://b\"],"
				   "\"checkpoint\":\"0x" H32 "\"}}", &config),
			 0);
	assert_int_equal(config.type, AUTH_TYPE_CHAIN);
	assert_int_equal(config.quorum, 2);
	assert_string_equal(config.tag, "finalized");
	assert_int_equal(config.limits.max_age, 1800);
	assert_int_equal(config.limits.max_ahead, 10);
	assert_int_equal(config.head_ms, 3000);
	assert_int_equal(config.timeout_ms, 5000);
	assert_false(config.allow_unproven);
	assert_int_equal(config.kms[19], 2);
	assert_int_equal(config.nr_proxies, 1);
	assert_int_equal(config.nr_codes, 3);
	assert_int_equal(config.codes[0].layout, CHAIN_KMS_UPSTREAM);
	assert_int_equal(config.codes[2].layout, CHAIN_APP_LINUX);
	assert_int_equal(config.codes[2].hash[31], 1);
	assert_string_equal(config.beacon_urls[0], "https://b");
	auth_config_clear(&config);
}

static void servers_elsewhere_are_asked_by_tls(void **state)
{
	struct auth_options options = { .tell = hear_line };
	struct auth_config config;
	struct auth *auth;

	(void)state;
	assert_int_equal(config_of("{" CHAIN ",\"rpc_urls\":[\"https://a\",\"http://k.example/my-key\"]"
				   CODE "}", &config), 0);
	options.config = &config;
	assert_int_equal(auth_open(&options, &auth), -EINVAL);
	assert_non_null(strstr(said, "rpc_urls[1]"));
	assert_null(strstr(said, "my-key"));
	auth_config_clear(&config);
}

/*
 * Evidence
 */

static struct libdstack_peer peer;

static int good_peer(void **state)
{
	struct libdstack_identity *id = &peer.identity;

	(void)state;
	memset(&peer, 0, sizeof(peer));
	id->tee = LIBDSTACK_TEE_TDX;
	id->app_id.len = 20;
	id->compose_hash.len = 32;
	id->os_image_hash.len = 32;
	id->instance_id.len = 20;
	id->instance_id.data[0] = 9;
	id->mr_aggregated[0] = 1;
	strcpy(id->key_provider_info, "{}");
	peer.verdict.quote.status = LIBDSTACK_TCB_OUT_OF_DATE;
	strcpy(peer.verdict.quote.advisories, "INTEL-SA-1");
	return 0;
}

static void boot_is_what_was_verified(void **state)
{
	struct libdstack_identity early;
	struct chain_why why = { "" };
	struct auth_boot boot;

	(void)state;
	assert_int_equal(auth_boot_of(&peer, NULL, &boot, &why), 0);
	assert_string_equal(boot.tee_variant, "dstack-tdx");
	assert_string_equal(boot.tcb_status, "OutOfDate");
	assert_string_equal(boot.advisories, "INTEL-SA-1");
	assert_int_equal(boot.mr_aggregated[0], 1);
	assert_int_equal(boot.instance_id.len, 20);
	assert_int_equal(boot.instance_id.data[0], 9);
	assert_string_equal(boot.key_provider_info, "{}");
	/* For a certificate: that of the boot. */
	early = peer.identity;
	early.mr_aggregated[0] = 2;
	assert_int_equal(auth_boot_of(&peer, &early, &boot, &why), 0);
	assert_int_equal(boot.mr_aggregated[0], 2);
	/* Other TEEs have no such status. */
	peer.identity.tee = LIBDSTACK_TEE_SEV_SNP;
	assert_int_equal(auth_boot_of(&peer, NULL, &boot, &why), 0);
	assert_string_equal(boot.tee_variant, "dstack-amd-sev-snp");
	assert_string_equal(boot.tcb_status, "");
	assert_string_equal(boot.advisories, "");
}

static void boot_without_an_identity_is_refused(void **state)
{
	struct libdstack_identity *id = &peer.identity, other;
	struct libdstack_id *parts[] = {
		&id->app_id, &id->compose_hash, &id->os_image_hash,
	};
	struct chain_why why = { "" };
	struct auth_boot boot;
	size_t i;

	(void)state;
	for (i = 0; i < 3; i++) {
		parts[i]->len--;
		assert_int_equal(auth_boot_of(&peer, NULL, &boot, &why),
				 -EINVAL);
		parts[i]->len++;
	}
	id->instance_id.len = 7;
	assert_int_equal(auth_boot_of(&peer, NULL, &boot, &why), -EINVAL);
	id->instance_id.len = 0;
	assert_int_equal(auth_boot_of(&peer, NULL, &boot, &why), 0);
	other = *id;
	other.tee = LIBDSTACK_TEE_GCP_TDX;
	assert_int_equal(auth_boot_of(&peer, &other, &boot, &why), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_in_so_many_words_everything_is_allowed),
		cmocka_unit_test(nothing_said_allows_nothing),
		cmocka_unit_test(what_is_wrong_is_refused_by_name),
		cmocka_unit_test(chain_is_read_with_what_is_usual),
		cmocka_unit_test(servers_elsewhere_are_asked_by_tls),
		cmocka_unit_test_setup(boot_is_what_was_verified, good_peer),
		cmocka_unit_test_setup(boot_without_an_identity_is_refused,
				       good_peer),
	};

	return cmocka_run_group_tests_name("kmsd_auth_config", tests, NULL,
					   NULL);
}
