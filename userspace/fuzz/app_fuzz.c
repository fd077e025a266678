// SPDX-License-Identifier: MIT
/*
 * Files that say what an application is
 *
 * Copyright The dstack for Linux authors
 *
 * The first byte says which of them it is.
 */
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "../app/app.h"

static void tell(const char *message)
{
	must(*message && strlen(message) < LIBDSTACK_MESSAGE_MAX);
}

static void check_compose(const struct app_compose *compose, size_t len)
{
	size_t i;

	must(compose->len == len && compose->name && compose->runner);
	must(compose->manifest_version >= 1 && compose->manifest_version <= 3);
	must(compose->key_provider <= APP_PROVIDER_TPM);
	must(compose->key_provider_id_len <= APP_PROVIDER_ID_MAX);
	must(compose->event_log_version == 1 ||
	     compose->event_log_version == 2);
	must(compose->allowed_envs && compose->init_scripts);
	must(*compose->requirements.gpu_policy == '{');
	must(compose->state == APP_STATE_UNSAID ||
	     (compose->state >= DSTACK_STATE_MEASURE &&
	      compose->state < __DSTACK_STATE_MAX));
	must(!compose->agent_nr || compose->has_agent);
	for (i = 0; i < compose->agent_nr; i++)
		must(compose->agent[i].methods &&
		     strlen(compose->agent[i].section) < DSTACK_SECTION_SIZE);
}

static void try_compose(const char *text, size_t len)
{
	struct app_compose *compose;

	if (!app_compose_parse(text, len, &compose, tell))
		check_compose(compose, len);
	else
		must(!compose);
	app_compose_free(compose);
}

static void try_config(const char *text, size_t len)
{
	struct app_sys_config *config;

	if (!app_sys_config_parse(text, len, &config, tell))
		must(config->kms_urls && config->gateway_urls &&
		     config->vm_config && config->pccs_url &&
		     config->host_api_url && config->docker_registry);
	else
		must(!config);
	app_sys_config_free(config);
}

/* What was read can be written, and is then read as the same. */
static void try_instance(const char *text, size_t len)
{
	struct app_instance instance, again;
	char *written;

	if (app_instance_parse(text, len, &instance, tell))
		return;
	written = app_instance_text(&instance, NULL);
	must(written && !app_instance_parse(written, strlen(written), &again,
					    tell));
	must(!memcmp(&instance, &again, sizeof(again)));
	free(written);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	char *text;

	if (!len)
		return 0;
	text = fuzz_copy(data + 1, len - 1);
	if (*data == 'c')
		try_config(text, len - 1);
	else if (*data == 'i')
		try_instance(text, len - 1);
	else
		try_compose(text, len - 1);
	free(text);
	return 0;
}

void fuzz_seeds(void)
{
	fuzz_seed_text("a{\"manifest_version\":2,\"name\":\"n\",\"runner\":\"r\",\"features\":[\"tproxy-net\"],\"kms_enabled\":true,\"allowed_envs\":[\"A\"],\"init_script\":\"x\"}");
	fuzz_seed_text("a{\"manifest_version\":\"3\",\"name\":\"n\",\"runner\":\"r\",\"key_provider\":\"tpm\",\"key_provider_id\":\"0x00\",\"storage_fs\":\"ext4\",\"event_log_version\":1,\"init_script\":[\"x\",\"y\"],\"verity_volumes\":[]}");
	fuzz_seed_text("a{\"manifest_version\":\"3\",\"name\":\"n\",\"runner\":\"r\",\"requirements\":{\"os_version\":\">=0\",\"platforms\":[\"dstack-tdx\"],\"tdx_measure_acpi_tables\":true,\"gpu_policy\":{\"attest_gpu\":false,\"rego\":\"x\"}}}");
	fuzz_seed_text("a{\"manifest_version\":\"3\",\"name\":\"n\",\"runner\":\"r\",\"dstack\":{\"policy\":{},\"state\":\"locked\",\"agent\":{\"web\":{\"methods\":[\"GetKey\"]}}}}");
	fuzz_seed_text("a{\"manifest_version\":2,\"name\":\"n\",\"runner\":\"docker-compose\",\"docker_compose_file\":\"services: {}\",\"dstack\":{\"policy\":{\"sha256\":\"0000000000000000000000000000000000000000000000000000000000000000\"},\"containers\":{\"web\":{\"section\":\"s\",\"allow\":[\"devices\"]}}}}");
	fuzz_seed_text("c{\"kms_urls\":[\"u\"],\"tproxy_urls\":[],\"collateral_urls\":{\"pccs\":\"p\"},\"vm_config\":\"{}\",\"mr_config\":\"{}\"}");
	fuzz_seed_text("i{\"instance_id_seed\":\"1111111111111111111111111111111111111111\",\"app_id\":\"2222222222222222222222222222222222222222\",\"instance_id\":\"\"}");
}
