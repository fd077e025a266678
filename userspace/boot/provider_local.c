// SPDX-License-Identifier: MIT
/*
 * Keys of a seed that an enclave of the host makes
 *
 * Copyright The dstack for Linux authors
 *
 * It makes it of this machine's registers as they are when it is asked, which
 * is once what the application is was measured, and nothing more: so it is
 * asked at that place alone, and what it gave is stored before the register
 * goes on.
 */
#include "provider.h"

#include <errno.h>
#include <stdlib.h>

#include "../kms/kms.h"
#include "events.h"
#include "lib.h"
#include "local.h"

#define FILE_MAX	65536

/* Seconds, of each: less than the step has. */
#define HOST_S		60
#define COLLATERAL_S	60

/* Files that options name, as long as they are needed. */
struct files {
	char *root, *policy;
	size_t root_len, policy_len;
};

static int attest(void *arg,
		  const uint8_t report_data[DSTACK_REPORT_DATA_SIZE],
		  struct libdstack_quote *quote)
{
	const struct boot *boot = arg;

	return libdstack_get_quote(boot->device, 0, report_data, quote);
}

static int read_files(const struct boot_options *opt, struct files *files)
{
	int err = 0;

	if (opt->enclave_root)
		err = dstack_file_read(opt->enclave_root, FILE_MAX,
				       &files->root, &files->root_len);
	if (!err && opt->enclave_policy)
		err = dstack_file_read(opt->enclave_policy,
				       LIBDSTACK_QUOTE_POLICY_MAX,
				       &files->policy, &files->policy_len);
	return err;
}

static int set_policy(const struct boot_options *opt,
		      const struct files *files,
		      struct libdstack_quote_policy *policy)
{
	struct libdstack_failure failure;
	int err;

	libdstack_quote_policy_default(policy);
	if (!files->policy)
		return 0;
	err = libdstack_quote_policy_parse(files->policy, files->policy_len,
					   policy, &failure);
	return err ? boot_fail(err, "'%s': %s", opt->enclave_policy,
			       failure.text) : 0;
}

/* Intel's own service has its root's list elsewhere than others do. */
static void set_source(const struct boot *boot, const struct files *files,
		       struct libdstack_collateral_source *source)
{
	bool named = *boot->config->pccs_url;

	*source = (struct libdstack_collateral_source){
		.url = named ? boot->config->pccs_url : LIBDSTACK_PCS_URL,
		.root_crl_url = named ? NULL : LIBDSTACK_PCS_ROOT_CRL_URL,
		.timeout_ms = COLLATERAL_S * 1000 * boot->opt->time_scale,
		.root = files->root, .root_len = files->root_len,
	};
}

static int get(struct boot *boot, const struct files *files,
	       uint8_t seed[DSTACK_KEY_SIZE])
{
	struct agent_app_keys *keys = boot->keys;
	struct local local = {
		.url = boot->config->host_api_url,
		.timeout_s = HOST_S * boot->opt->time_scale,
		.enclave = boot->compose->key_provider_id,
		.enclave_len = boot->compose->key_provider_id_len,
		.attest = attest, .arg = boot,
	};
	int err;

	set_source(boot, files, &local.source);
	err = set_policy(boot->opt, files, &local.policy) ?:
		local_get(&local, seed, keys->provider_id);
	if (err)
		return err;
	keys->provider_id_len = LOCAL_ENCLAVE_SIZE;
	return seed_keys(seed, keys);
}

/* It would make another key of a register that has gone on. */
static int check_place(struct boot *boot)
{
	struct boot_events events;
	int err = boot_events_read(boot, &events);
	bool is_late;

	if (err)
		return err;
	is_late = events.nr > boot->measured;
	boot_events_free(&events);
	if (!is_late)
		return 0;
	return boot_fail(-EBUSY, "this machine has measured more than its application, and '%s' has no keys any more: the enclave would give others now; reboot",
			 boot->opt->dir);
}

int provider_ask_local(struct boot *boot)
{
	struct files files = { .root = NULL };
	void *seed;
	int err = check_place(boot);

	if (err)
		return err;
	err = kms_init() ?: libdstack_secret_alloc(DSTACK_KEY_SIZE, &seed);
	if (err)
		return boot_fail(err, "no memory to ask the host with");
	boot_say("the host's enclave does not say for which machine it makes a key: whoever controls the host can have it give one that he knows");
	err = read_files(boot->opt, &files) ?: get(boot, &files, seed);
	libdstack_secret_free(seed, DSTACK_KEY_SIZE);
	free(files.root);
	free(files.policy);
	return err;
}
