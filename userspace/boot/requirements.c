// SPDX-License-Identifier: MIT
/*
 * Is this machine what the application requires?
 *
 * Copyright The dstack for Linux authors
 *
 * What can't be checked here is refused by its name: an application that wants
 * to be sure of something must not run where nobody looked.
 */
#include "boot.h"

#include <errno.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <yyjson.h>

#include "local.h"

#define DMI_PRODUCT	"/sys/class/dmi/id/product_name"
#define GCE_PRODUCT	"Google Compute Engine"
#define GPU_VENDORS	"/sys/bus/pci/devices/*/vendor"
#define NVIDIA		"0x10de\n"
#define LOCKDOWN	"/sys/kernel/security/lockdown"
#define LINE_SIZE	128

static int refuse(const char *field, const char *why)
{
	return boot_fail(-EOPNOTSUPP, BOOT_COMPOSE ": %s: %s", field, why);
}

/* The first line of a file of sysfs; "" if there is none. */
static void read_line(const char *path, char line[LINE_SIZE])
{
	FILE *file = fopen(path, "re");

	*line = '\0';
	if (!file)
		return;
	if (!fgets(line, LINE_SIZE, file))
		*line = '\0';
	fclose(file);
}

/* As upstream names them; NULL: none that it knows. */
static const char *platform_of(const struct boot *boot)
{
	char product[LINE_SIZE];

	if (boot->backend != DSTACK_BACKEND_TDX)
		return NULL;
	read_line(DMI_PRODUCT, product);
	return strncmp(product, GCE_PRODUCT, strlen(GCE_PRODUCT)) ?
		"dstack-tdx" : "dstack-gcp-tdx";
}

static int check_platform(const struct boot *boot)
{
	char *const *allowed = boot->compose->requirements.platforms;
	const char *platform = platform_of(boot);

	if (!allowed)
		return 0;
	for (; platform && *allowed; allowed++)
		if (!strcmp(*allowed, platform))
			return 0;
	return boot_fail(-EOPNOTSUPP, BOOT_COMPOSE ": requirements.platforms: this machine is '%s', which is not among them",
			 platform ? platform : "none that attests to others");
}

/* Of the host's vm_config: 1 "legacy", 0 "lite", or -EBADMSG. */
static int is_legacy(const char *vm_config)
{
	yyjson_doc *doc = yyjson_read(vm_config, strlen(vm_config), 0);
	yyjson_val *value = yyjson_obj_get(yyjson_doc_get_root(doc),
					   "tdx_attestation_variant");
	int legacy = !doc ? -EBADMSG :
		!value || yyjson_equals_str(value, "legacy") ? 1 :
		yyjson_equals_str(value, "lite") ? 0 : -EBADMSG;

	yyjson_doc_free(doc);
	return legacy;
}

/* What the host says of it; that of the tables is in every boot's log. */
static int check_acpi(const struct boot *boot)
{
	static const char field[] = "requirements.tdx_measure_acpi_tables";
	enum app_choice choice =
		boot->compose->requirements.tdx_measure_acpi_tables;
	int legacy;

	if (choice == APP_UNSAID)
		return 0;
	if (boot->backend != DSTACK_BACKEND_TDX)
		return refuse(field, "this machine is no TD");
	legacy = choice == APP_YES;
	if (is_legacy(boot->config->vm_config) != legacy)
		return refuse(field, "the host's vm_config has another tdx_attestation_variant");
	return 0;
}

static int check_token(const struct boot *boot)
{
	const struct app_requirements *requirements =
		&boot->compose->requirements;

	if (!requirements->has_launch_token_hash)
		return 0;
	if (!boot->user_config.data)
		return refuse("requirements.launch_token_hash", "the host gave no .user-config with a token in it");
	return app_launch_token_check(boot->user_config.data,
				      boot->user_config.len,
				      requirements->launch_token_hash,
				      boot_tell);
}

static bool has_gpu(void)
{
	char vendor[LINE_SIZE];
	bool found = false;
	glob_t paths;
	size_t i;

	if (glob(GPU_VENDORS, 0, NULL, &paths))
		return false;
	for (i = 0; i < paths.gl_pathc && !found; i++) {
		read_line(paths.gl_pathv[i], vendor);
		found = !strcmp(vendor, NVIDIA);
	}
	globfree(&paths);
	return found;
}

static int check_gpu(const struct boot *boot)
{
	const struct app_requirements *requirements =
		&boot->compose->requirements;

	if (requirements->gpu_rego)
		return refuse("requirements.gpu_policy.rego", "evidence of GPUs is not judged here");
	if (requirements->attest_gpu && has_gpu())
		return refuse("requirements.gpu_policy.attest_gpu", "there is a GPU, and GPUs are not attested here: say false, or start the machine without it");
	return 0;
}

/* A clock that the host set must not decide what has expired. */
static int check_time(const struct boot *boot)
{
	static const char *const argv[] = {
		"chronyc", "waitsync", "20", "0.1", NULL
	};
	int status;

	if (!boot->compose->secure_time)
		return 0;
	status = run(argv, NULL, 0);
	if (status == -ENOENT)
		return refuse("secure_time", "there is no chronyc here to ask whether the clock is right: install chrony with NTS servers, or say false");
	if (status)
		return refuse("secure_time", "chrony has not set the clock yet: are its servers reachable?");
	return 0;
}

/* The module would say so when the keys are out already. */
static int check_lockdown(const struct boot *boot)
{
	char line[LINE_SIZE];

	if (boot->compose->state != DSTACK_STATE_LOCKED)
		return 0;
	read_line(LOCKDOWN, line);
	if (!strstr(line, "[confidentiality]"))
		return refuse("dstack.state", "'locked' needs a kernel that was booted with lockdown=confidentiality");
	return 0;
}

static int check_rest(const struct boot *boot)
{
	const struct app_compose *compose = boot->compose;

	if (compose->requirements.os_version)
		return refuse("requirements.os_version", "this is not upstream's system, and has no version of it");
	if (compose->event_log_version != 1)
		return refuse("event_log_version", "the kernel writes version 1");
	if (compose->verity_volumes)
		return refuse("verity_volumes", "they are not mounted here");
	if (compose->key_provider_id_len &&
	    (compose->key_provider == APP_PROVIDER_NONE ||
	     compose->key_provider == APP_PROVIDER_TPM))
		return refuse("key_provider_id", "this key_provider has no identity");
	return 0;
}

/* Another instance each time would never get the same seed. */
static int check_instance(const struct boot *boot)
{
	enum app_key_provider provider = boot->compose->key_provider;

	if (!boot->instance_id_len || boot->instance_given)
		return 0;
	if (provider == APP_PROVIDER_TPM)
		return refuse("key_provider", "'tpm' seals for one instance: the host has to share .instance_info with an instance_id_seed that stays, or the application to say no_instance_id");
	if (provider == APP_PROVIDER_LOCAL)
		return refuse("key_provider", "'local' makes a key for one instance: the host has to share .instance_info with an instance_id_seed that stays, or the application to say no_instance_id");
	return 0;
}

/* An enclave of the host makes it of a TD's registers. */
static int check_local(const struct boot *boot)
{
	size_t len = boot->compose->key_provider_id_len;

	if (boot->compose->key_provider != APP_PROVIDER_LOCAL)
		return 0;
	if (boot->backend != DSTACK_BACKEND_TDX)
		return refuse("key_provider", "'local' is a key that is made of a TD's registers, and this machine is none");
	if (len && len != LOCAL_ENCLAVE_SIZE)
		return refuse("key_provider_id", "of 'local' it is an MRENCLAVE, of 64 hex digits");
	if (!*boot->config->host_api_url)
		return refuse("key_provider", "'local' is asked of the host's API, and .sys-config.json has no host_api_url");
	return 0;
}

int requirements_check(struct boot *boot)
{
	return check_rest(boot) ?: check_local(boot) ?: check_instance(boot) ?:
		check_platform(boot) ?: check_acpi(boot) ?:
		check_token(boot) ?: check_gpu(boot) ?:
		check_lockdown(boot) ?: check_time(boot);
}
