// SPDX-License-Identifier: MIT
/*
 * Keys of a seed that a TPM keeps
 *
 * Copyright The dstack for Linux authors
 *
 * The seed is sealed for what was measured of the application before there are
 * keys.  Once they are stored the register goes on, and until the machine
 * starts anew nobody gets the seed, whatever else he gets.
 */
#include "provider.h"

#include <errno.h>
#include <openssl/rand.h>

#include "tpm.h"

/* What is used is what the TPM will give again. */
static int make(struct tpm *tpm, uint8_t seed[DSTACK_KEY_SIZE])
{
	uint8_t blob[TPM_BLOB_MAX];
	size_t len;
	int err;

	boot_say("the TPM has no seed: a new one is sealed");
	if (RAND_priv_bytes(seed, DSTACK_KEY_SIZE) != 1)
		return boot_fail(-EIO, "no random numbers");
	err = tpm_seal(tpm, seed, blob, &len);
	return err ?: tpm_store(tpm, blob, len) ?: tpm_load(tpm, blob, &len) ?:
		tpm_unseal(tpm, blob, len, seed);
}

static int get(struct tpm *tpm, uint8_t seed[DSTACK_KEY_SIZE])
{
	uint8_t blob[TPM_BLOB_MAX];
	size_t len;
	int err = tpm_load(tpm, blob, &len);

	if (err == -ENODATA)
		return make(tpm, seed);
	return err ?: tpm_unseal(tpm, blob, len, seed);
}

int provider_ask_tpm(struct boot *boot)
{
	struct tpm tpm;
	void *seed;
	int err = libdstack_secret_alloc(DSTACK_KEY_SIZE, &seed);

	if (err)
		return err;
	boot_say("the keys are as safe as the TPM at '%s', and whoever runs it has them",
		 boot->opt->tpm);
	err = tpm_open(boot->opt->tpm, &tpm);
	if (!err) {
		err = tpm_follow(boot, &tpm) ?: get(&tpm, seed) ?:
			seed_keys(seed, boot->keys);
		tpm_close(&tpm);
	}
	libdstack_secret_free(seed, DSTACK_KEY_SIZE);
	return err;
}

int provider_follow_tpm(struct boot *boot)
{
	struct tpm tpm;
	int err = tpm_open(boot->opt->tpm, &tpm);

	if (err)
		return err;
	err = tpm_follow(boot, &tpm);
	tpm_close(&tpm);
	return err;
}
