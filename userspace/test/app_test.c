// SPDX-License-Identifier: MIT
/*
 * What an application is: what its files say, and what they can't
 *
 * Copyright The dstack for Linux authors
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "../app/app.h"
#include "vectors.h"

/* What every document needs, and the way to one more field. */
#define HEAD	"{\"manifest_version\":\"3\",\"name\":\"n\",\"runner\":\"r\""
#define WITH(fields)	HEAD "," fields "}"

static char said[LIBDSTACK_MESSAGE_MAX];

static void tell(const char *message)
{
	snprintf(said, sizeof(said), "%s", message);
}

static void assert_says(const char *what)
{
	if (!strstr(said, what))
		fail_msg("'%s' is not in: %s", what, said);
}

static struct app_compose *read_text(const char *text)
{
	struct app_compose *compose;

	*said = '\0';
	assert_int_equal(app_compose_parse(text, strlen(text), &compose, tell),
			 0);
	assert_string_equal(said, "");
	return compose;
}

static void refuse(const char *text, const char *says)
{
	struct app_compose *compose;

	*said = '\0';
	assert_int_equal(app_compose_parse(text, strlen(text), &compose, tell),
			 -EBADMSG);
	assert_null(compose);
	assert_says("app-compose.json: ");
	assert_says(says);
}

static void assert_hex(const uint8_t *data, size_t len, const char *hex)
{
	char text[2 * 64 + 1];

	assert_string_equal(libdstack_to_hex(data, len, text), hex);
}

/* The hash that this very document has in the event log of a real machine. */
static void a_real_document_has_the_hash_it_measured(void **state)
{
	struct vector v = vector_load("dstack/near-mpc-app_compose.json");
	const struct app_instance none = { 0 };
	struct app_compose *compose;
	uint8_t id[APP_ID_SIZE];

	(void)state;
	assert_int_equal(app_compose_parse(v.data, v.len, &compose, tell), 0);
	assert_hex(compose->hash, APP_HASH_SIZE,
		   "2911e1f733466216dedb862d6d669e11256ee7a34ce4dbc66c4b807ba7a9c895");
	app_id_of(compose, &none, id);
	assert_memory_equal(id, compose->hash, sizeof(id));
	/* What is deprecated chooses the provider, as it did. */
	assert_int_equal(compose->key_provider, APP_PROVIDER_LOCAL);
	assert_true(compose->no_instance_id && compose->public_tcbinfo);
	assert_int_equal(compose->manifest_version, 2);
	app_compose_free(compose);
	free(v.data);
}

static void upstreams_simulator_is_read(void **state)
{
	struct vector v = vector_load("dstack/simulator-app-compose.json");
	struct app_compose *compose;

	(void)state;
	assert_int_equal(app_compose_parse(v.data, v.len, &compose, tell), 0);
	assert_string_equal(compose->name, "guest-agent");
	assert_int_equal(compose->key_provider, APP_PROVIDER_KMS);
	assert_int_equal(compose->key_provider_id_len, 0);
	assert_true(compose->public_logs && compose->public_sysinfo &&
		    compose->public_tcbinfo && compose->gateway_enabled);
	assert_false(compose->secure_time || compose->no_instance_id);
	assert_null(compose->allowed_envs[0]);
	assert_string_equal(compose->storage_fs, "ext4");
	assert_int_equal(compose->event_log_version, 1);
	assert_string_equal(compose->requirements.gpu_policy, "{}");
	assert_false(compose->has_agent);
	assert_int_equal(compose->state, APP_STATE_UNSAID);
	app_compose_free(compose);
	free(v.data);
}

static void every_byte_of_the_document_counts(void **state)
{
	struct app_compose *a = read_text(HEAD "}"), *b = read_text(HEAD " }");

	(void)state;
	assert_memory_not_equal(a->hash, b->hash, APP_HASH_SIZE);
	assert_string_equal(b->text, HEAD " }");
	app_compose_free(a);
	app_compose_free(b);
}

static void fields_of_others_are_left_alone(void **state)
{
	(void)state;
	app_compose_free(read_text(WITH("\"new\":{\"x\":[1]},\"name2\":0")));
}

static void what_is_said_twice_is_refused(void **state)
{
	(void)state;
	refuse(WITH("\"name\":\"n\""), "name: occurs twice");
	/* Others may read what nobody here does. */
	refuse(WITH("\"bash_script\":\"a\",\"bash_script\":\"b\""),
	       "bash_script: occurs twice");
	refuse(WITH("\"requirements\":{\"platforms\":[],\"platforms\":[]}"),
	       "requirements.platforms: occurs twice");
	refuse(WITH("\"dstack\":{\"state\":\"measure\",\"state\":\"measure\"}"),
	       "dstack.state: occurs twice");
}

static void wrong_types_are_refused_by_name(void **state)
{
	static const char *const fields[][2] = {
		{ "\"public_logs\":\"true\"", "public_logs: want true" },
		{ "\"secure_time\":1", "secure_time: want true" },
		{ "\"allowed_envs\":\"A\"", "allowed_envs: want an array" },
		{ "\"allowed_envs\":[1]", "allowed_envs: [0]: want a string" },
		{ "\"key_provider\":\"sgx\"", "key_provider: want" },
		{ "\"key_provider_id\":\"0\"", "key_provider_id: want" },
		{ "\"key_provider_id\":\"zz\"", "key_provider_id: want" },
		{ "\"storage_fs\":\"btrfs\"", "storage_fs: want" },
		{ "\"event_log_version\":3", "event_log_version: want" },
		{ "\"event_log_version\":\"1\"", "event_log_version: want" },
		{ "\"init_script\":[\"a\",\"a\",\"a\",\"a\",\"a\",\"a\"]",
		  "init_script: want an array of at most 5" },
		{ "\"init_script\":\"a\\u0000b\"", "init_script: want" },
		{ "\"verity_volumes\":{}", "verity_volumes: want" },
		{ "\"requirements\":[]", "requirements: want an object" },
		{ "\"requirements\":{\"os\":1}", "requirements.os: not known" },
		{ "\"requirements\":{\"launch_token_hash\":\"00\"}",
		  "requirements.launch_token_hash: want 64" },
		{ "\"requirements\":{\"gpu_policy\":{\"attest_gpu\":null}}",
		  "requirements.gpu_policy.attest_gpu: want" },
		{ "\"dstack\":{\"x\":1}", "dstack.x: not known" },
		{ "\"dstack\":{\"policy\":\"p\"}", "dstack.policy: want" },
		{ "\"dstack\":{\"policy\":{\"sha256\":\"00\"}}",
		  "dstack.policy.sha256: want" },
		{ "\"dstack\":{\"policy\":{\"sha256\":\"00\",\"a\":1}}",
		  "dstack.policy.a: not known" },
		{ "\"dstack\":{\"containers\":{\"web\":[]}}",
		  "dstack.containers.web: want" },
		{ "\"dstack\":{\"containers\":{\"web\":{\"section\":\"a b\"}}}",
		  "web.section: want" },
		{ "\"dstack\":{\"containers\":{\"web\":{\"allow\":[\"all\"]}}}",
		  "web.allow: 'all': want" },
		{ "\"dstack\":{\"containers\":{\"web\":{\"x\":1}}}",
		  "web.x: not known" },
		{ "\"dstack\":{\"state\":\"off\"}", "dstack.state: want" },
		{ "\"dstack\":{\"state\":\"locked\"}", "without \"policy\"" },
		{ "\"dstack\":{\"agent\":{\"web\":{}}}", "web.methods: is" },
		{ "\"dstack\":{\"agent\":{\"web\":null}}", "web: want" },
		{ "\"dstack\":{\"follow\":7}", "dstack.follow" },
		{ "\"dstack\":{\"follow\":{\"other\":7}}", "other" },
		{ "\"dstack\":{\"follow\":{\"interval_s\":0}}",
		  "interval_s" },
		{ "\"dstack\":{\"follow\":{\"grace_s\":-1}}", "grace_s" },
		{ "\"dstack\":{\"agent\":{\"w w\":{}}}", "a section's name" },
	};
	char text[512];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(fields) / sizeof(*fields); i++) {
		snprintf(text, sizeof(text), HEAD ",%s}", fields[i][0]);
		refuse(text, fields[i][1]);
	}
}

static void what_is_no_document_is_refused(void **state)
{
	struct app_compose *compose;

	(void)state;
	refuse("", "not JSON");
	refuse("[]", "want an object");
	refuse(HEAD ",}", "not JSON");
	refuse(HEAD "} x", "not JSON");
	refuse("{\"name\":\"\xff\"}", "not JSON");
	refuse("{\"name\":\"n\",\"runner\":\"r\"}", "manifest_version: want");
	refuse("{\"manifest_version\":2,\"runner\":\"r\"}", "name: is missing");
	refuse("{\"manifest_version\":3,\"name\":\"n\",\"runner\":\"r\"}",
	       "manifest_version: want");
	refuse("{\"manifest_version\":\"03\",\"name\":\"n\",\"runner\":\"r\"}",
	       "manifest_version: want");
	/* A NUL in the file itself ends it for who reads it as a string. */
	assert_int_equal(app_compose_parse(HEAD "}\0x", sizeof(HEAD "}\0x") - 1,
					   &compose, tell), -EBADMSG);
	assert_null(compose);
}

static void what_is_newer_than_the_manifest_is_refused(void **state)
{
	(void)state;
	refuse("{\"manifest_version\":2,\"name\":\"n\",\"runner\":\"r\",\"requirements\":{}}",
	       "requirements: needs \"manifest_version\": \"3\"");
	refuse("{\"manifest_version\":2,\"name\":\"n\",\"runner\":\"r\",\"init_script\":[]}",
	       "init_script: an array of scripts needs");
}

static void requirements_are_read(void **state)
{
	static const char text[] = WITH("\"requirements\":{\"os_version\":\">=0.1\",\"platforms\":[],"
		"\"tdx_measure_acpi_tables\":false,\"launch_token_hash\":\""
		"9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08\","
		"\"gpu_policy\":{\"attest_gpu\":false,\"allow_debug\":true}}");
	struct app_compose *compose = read_text(text);
	const struct app_requirements *r = &compose->requirements;

	(void)state;
	assert_string_equal(r->os_version, ">=0.1");
	assert_non_null(r->platforms);
	assert_null(r->platforms[0]);
	assert_int_equal(r->tdx_measure_acpi_tables, APP_NO);
	assert_true(r->has_launch_token_hash);
	assert_hex(r->launch_token_hash, 4, "9f86d081");
	assert_false(r->attest_gpu);
	assert_string_equal(r->gpu_policy,
			    "{\"allow_debug\":true,\"attest_gpu\":false}");
	app_compose_free(compose);
}

static void nothing_is_required_where_nothing_is_said(void **state)
{
	struct app_compose *compose = read_text(HEAD "}");

	(void)state;
	assert_null(compose->requirements.platforms);
	assert_null(compose->requirements.os_version);
	assert_int_equal(compose->requirements.tdx_measure_acpi_tables,
			 APP_UNSAID);
	assert_false(compose->requirements.has_launch_token_hash);
	assert_true(compose->requirements.attest_gpu && compose->secure_time &&
		    compose->public_tcbinfo);
	assert_int_equal(compose->key_provider, APP_PROVIDER_NONE);
	assert_null(compose->init_scripts[0]);
	app_compose_free(compose);
}

static void the_extension_names_methods_by_section(void **state)
{
	static const char text[] = WITH("\"dstack\":{\"policy\":{\"a\":1},\"state\":\"enforce\","
		"\"agent\":{\"web\":{\"methods\":[\"GetKey\",\"Info\"]},"
		"\"db\":{\"methods\":[]}}}");
	struct app_compose *compose = read_text(text);

	(void)state;
	assert_string_equal(compose->policy, "{\"a\":1}");
	assert_int_equal(compose->state, DSTACK_STATE_ENFORCE);
	assert_true(compose->has_agent);
	assert_int_equal(compose->agent_nr, 2);
	assert_string_equal(compose->agent[0].section, "web");
	assert_string_equal(compose->agent[0].methods[1], "Info");
	assert_null(compose->agent[0].methods[2]);
	assert_string_equal(compose->agent[1].section, "db");
	assert_null(compose->agent[1].methods[0]);
	app_compose_free(compose);
}

static void how_it_follows_has_defaults(void **state)
{
	static const char text[] = WITH("\"dstack\":{\"follow\":{\"grace_s\":60,\"interval_s\":5}}");
	struct app_compose *compose = read_text(WITH("\"dstack\":{}"));

	(void)state;
	assert_int_equal(compose->follow_interval_s, 1);
	assert_int_equal(compose->follow_grace_s, 0);
	app_compose_free(compose);
	compose = read_text(text);
	assert_int_equal(compose->follow_interval_s, 5);
	assert_int_equal(compose->follow_grace_s, 60);
	app_compose_free(compose);
}

static void a_policy_is_left_to_its_reader(void **state)
{
	static const char text[] = WITH("\"dstack\":{\"policy\":{\"a\":1,\"a\":2}}");
	struct app_compose *compose = read_text(text);

	(void)state;
	assert_string_equal(compose->policy, "{\"a\":1,\"a\":2}");
	app_compose_free(compose);
}

static void a_policy_can_be_a_file_of_this_hash(void **state)
{
	static const char text[] = WITH("\"dstack\":{\"state\":\"locked\",\"policy\":{\"sha256\":\"ab00000000000000000000000000000000000000000000000000000000000000\"}}");
	struct app_compose *compose = read_text(text);

	(void)state;
	assert_null(compose->policy);
	assert_true(compose->has_policy_hash);
	assert_int_equal(compose->policy_hash[0], 0xab);
	app_compose_free(compose);
}

static void services_have_sections_and_allowances(void **state)
{
	static const char text[] = WITH("\"dstack\":{\"containers\":{\"web\":{\"section\":\"s\",\"allow\":[\"devices\"]},\"db\":{}}}");
	struct app_compose *compose = read_text(text);

	(void)state;
	assert_int_equal(compose->containers_nr, 2);
	assert_string_equal(compose->containers[0].service, "web");
	assert_string_equal(compose->containers[0].section, "s");
	assert_string_equal(compose->containers[0].allow[0], "devices");
	assert_null(compose->containers[0].allow[1]);
	assert_string_equal(compose->containers[1].service, "db");
	assert_null(compose->containers[1].section);
	app_compose_free(compose);
}

static void too_many_fields_are_refused(void **state)
{
	char text[8192] = HEAD;
	size_t len = strlen(text), i;

	(void)state;
	for (i = 0; i < 300; i++)
		len += snprintf(text + len, sizeof(text) - len,
				",\"f%zu\":%zu", i, i);
	snprintf(text + len, sizeof(text) - len, "}");
	refuse(text, "more than 256 fields");
}

static void a_configuration_is_read(void **state)
{
	struct vector v = vector_load("dstack/simulator-sys-config.json");
	struct app_sys_config *config;

	(void)state;
	assert_int_equal(app_sys_config_parse(v.data, v.len, &config, tell), 0);
	assert_string_equal(config->kms_urls[0],
			    "https://kms.1022.dstack.org:12001");
	assert_null(config->kms_urls[1]);
	assert_string_equal(config->host_api_url, "vsock://2:12000/api");
	assert_string_equal(config->pccs_url, "");
	assert_non_null(strstr(config->vm_config, "\"os_image_hash\""));
	assert_null(config->mr_config);
	app_sys_config_free(config);
	free(v.data);
}

static int parse_config(const char *text, struct app_sys_config **config)
{
	*said = '\0';
	return app_sys_config_parse(text, strlen(text), config, tell);
}

static void older_and_newer_names_mean_the_same(void **state)
{
	struct app_sys_config *config;

	(void)state;
	assert_int_equal(parse_config("{\"tproxy_urls\":[\"a\"],"
				      "\"collateral_urls\":{\"pccs\":\"b\",\"x\":1}}",
				      &config), 0);
	assert_string_equal(config->gateway_urls[0], "a");
	assert_string_equal(config->pccs_url, "b");
	assert_string_equal(config->vm_config, "");
	app_sys_config_free(config);
	assert_int_equal(parse_config("{\"tproxy_urls\":[],\"gateway_urls\":[]}",
				      &config), -EBADMSG);
	assert_says("tproxy_urls: is another name");
	assert_int_equal(parse_config("{\"kms_urls\":[\"a\",null]}", &config),
			 -EBADMSG);
	assert_says("kms_urls: [1]");
	assert_int_equal(parse_config("{\"vm_config\":{}}", &config), -EBADMSG);
	assert_says("vm_config: want a string");
	assert_null(config);
}

static void files_are_as_large_as_upstreams(void **state)
{
	char *text = calloc(1, APP_SYS_CONFIG_MAX + 1);
	struct app_instance instance;
	struct app_sys_config *config;

	(void)state;
	assert_non_null(text);
	memset(text, ' ', APP_SYS_CONFIG_MAX + 1);
	text[0] = '{';
	text[APP_INSTANCE_MAX] = '}';
	assert_int_equal(app_instance_parse(text, APP_INSTANCE_MAX + 1,
					    &instance, tell), -EFBIG);
	assert_says(".instance_info: larger than 10240 bytes");
	assert_int_equal(app_sys_config_parse(text, APP_SYS_CONFIG_MAX + 1,
					      &config, tell), -EFBIG);
	assert_int_equal(app_sys_config_parse(text, APP_SYS_CONFIG_MAX, &config,
					      tell), 0);
	app_sys_config_free(config);
	free(text);
}

static void an_instance_is_its_seed_and_its_application(void **state)
{
	static const char text[] =
		"{\"instance_id_seed\":\"1111111111111111111111111111111111111111\","
		"\"instance_id\":\"\","
		"\"app_id\":\"0x2222222222222222222222222222222222222222\"}";
	struct app_compose *compose = read_text(HEAD "}");
	struct app_instance instance, again;
	uint8_t app[APP_ID_SIZE], id[APP_ID_SIZE];
	char *written;

	(void)state;
	assert_int_equal(app_instance_parse(text, sizeof(text) - 1, &instance,
					    tell), 0);
	assert_true(instance.has_app_id && instance.has_seed);
	app_id_of(compose, &instance, app);
	assert_hex(app, APP_ID_SIZE, "2222222222222222222222222222222222222222");
	assert_true(app_instance_id_of(&instance, app, id));
	assert_hex(id, APP_ID_SIZE, "560a7517314907699bf671b50a7066504fe3f04a");
	written = app_instance_text(&instance, id);
	assert_int_equal(app_instance_parse(written, strlen(written), &again,
					    tell), 0);
	assert_memory_equal(&again, &instance, sizeof(again));
	free(written);
	app_compose_free(compose);
}

static void an_instance_of_another_shape_is_refused(void **state)
{
	struct app_instance instance;

	(void)state;
	assert_int_equal(app_instance_parse("{}", 2, &instance, tell), 0);
	assert_false(instance.has_app_id || instance.has_seed);
	assert_int_equal(app_instance_parse("{\"app_id\":\"00\"}", 15,
					    &instance, tell), -EBADMSG);
	assert_says(".instance_info: app_id: want 40 hex digits");
	assert_int_equal(app_instance_parse("[]", 2, &instance, tell),
			 -EBADMSG);
}

static int check_token(const char *text)
{
	uint8_t hash[APP_HASH_SIZE];

	assert_true(libdstack_from_hex("28faa1319055d733ad9651f5ab7689c15b04609846bcd27b3c5bc8df6246f5a3",
				       64, hash, sizeof(hash)));
	*said = '\0';
	return app_launch_token_check(text, strlen(text), hash, tell);
}

static void only_who_knows_the_token_starts_it(void **state)
{
	(void)state;
	assert_int_equal(check_token("{\"x\":1,\"dstack\":{\"launch_token\":"
				     "\"unit-test-launch-token-0000000001\"}}"),
			 0);
	assert_string_equal(said, "");
	assert_int_equal(check_token("{\"dstack\":{\"launch_token\":"
				     "\"unit-test-launch-token-0000000002\"}}"),
			 -EBADMSG);
	assert_says(".user-config: dstack.launch_token: is not the one");
	/* What is short can be guessed. */
	assert_int_equal(check_token("{\"dstack\":{\"launch_token\":\"x\"}}"),
			 -EBADMSG);
	assert_says("at least 32 bytes");
	assert_int_equal(check_token("{}"), -EBADMSG);
	assert_int_equal(check_token("{\"dstack\":1}"), -EBADMSG);
	assert_int_equal(check_token("launch_token"), -EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_real_document_has_the_hash_it_measured),
		cmocka_unit_test(upstreams_simulator_is_read),
		cmocka_unit_test(every_byte_of_the_document_counts),
		cmocka_unit_test(fields_of_others_are_left_alone),
		cmocka_unit_test(what_is_said_twice_is_refused),
		cmocka_unit_test(wrong_types_are_refused_by_name),
		cmocka_unit_test(what_is_no_document_is_refused),
		cmocka_unit_test(what_is_newer_than_the_manifest_is_refused),
		cmocka_unit_test(requirements_are_read),
		cmocka_unit_test(nothing_is_required_where_nothing_is_said),
		cmocka_unit_test(the_extension_names_methods_by_section),
		cmocka_unit_test(how_it_follows_has_defaults),
		cmocka_unit_test(a_policy_is_left_to_its_reader),
		cmocka_unit_test(a_policy_can_be_a_file_of_this_hash),
		cmocka_unit_test(services_have_sections_and_allowances),
		cmocka_unit_test(too_many_fields_are_refused),
		cmocka_unit_test(a_configuration_is_read),
		cmocka_unit_test(older_and_newer_names_mean_the_same),
		cmocka_unit_test(files_are_as_large_as_upstreams),
		cmocka_unit_test(an_instance_is_its_seed_and_its_application),
		cmocka_unit_test(an_instance_of_another_shape_is_refused),
		cmocka_unit_test(only_who_knows_the_token_starts_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
