// SPDX-License-Identifier: MIT
/*
 * The identity behind an SNP report
 *
 * Copyright The dstack for Linux authors
 *
 * SNP has no register to extend: all of the identity is in a document whose
 * hash was given to the launch as HOST_DATA.
 */
#include "identity.h"

#include <errno.h>
#include <string.h>

static int check_document(const struct libdstack_span *document,
			  const uint8_t host_data[32],
			  struct libdstack_failure *failure)
{
	uint8_t hash[IDENT_HASH_SIZE];

	if (!ident_mr_config_hash(document, hash))
		return ident_no_hash(failure);
	if (!memcmp(hash, host_data, sizeof(hash)))
		return 0;
	return verify_fail(failure, REASON(MISMATCH),
			   "HOST_DATA is not the hash of the mr_config in the container");
}

/* As upstream would have written the event. */
static int take_provider(const struct ident_mr_config *config,
			 struct libdstack_identity *identity,
			 struct libdstack_failure *failure)
{
	char text[LIBDSTACK_KEY_PROVIDER_MAX + 64];
	int len;

	len = snprintf(text, sizeof(text), "{\"name\":\"%s\",\"id\":\"%s\"}",
		       config->key_provider, config->key_provider_id);
	return ident_key_provider(text, len, identity, failure);
}

static int take_document(const struct libdstack_span *document,
			 struct libdstack_identity *identity,
			 struct libdstack_failure *failure)
{
	struct ident_mr_config config;
	int err;

	err = ident_read_mr_config(document, &config, failure);
	if (err)
		return err;
	identity->app_id = config.app_id;
	identity->compose_hash = config.compose_hash;
	identity->instance_id = config.instance_id;
	identity->gpu_policy_hash = config.gpu_policy_hash;
	memcpy(identity->init_scripts, config.init_scripts,
	       sizeof(config.init_scripts));
	identity->nr_init_scripts = config.nr_init_scripts;
	identity->config_bound = true;
	return take_provider(&config, identity, failure);
}

static bool make_hashes(const uint8_t measurement[48],
			const uint8_t host_data[32], const uint8_t chip_id[64],
			struct libdstack_identity *identity)
{
	const struct libdstack_span launch[] = {
		ident_span(measurement, 48), ident_span(host_data, 32),
	};
	const struct libdstack_span chip = ident_span(chip_id, 64);

	return ident_sha256(launch, 1, identity->mr_system) &&
		ident_sha256(launch, 2, identity->mr_aggregated) &&
		ident_sha256(&chip, 1, identity->device_id);
}

static int make_identity(const struct libdstack_attestation *a,
			 const uint8_t measurement[48],
			 const uint8_t host_data[32],
			 const uint8_t chip_id[64],
			 struct libdstack_identity *identity,
			 struct libdstack_failure *failure)
{
	int err;

	if (a->tee != LIBDSTACK_TEE_SEV_SNP)
		return verify_fail(failure, REASON(UNSUPPORTED),
				   "not evidence of SEV-SNP");
	err = check_document(&a->mr_config, host_data, failure);
	if (!err)
		err = take_document(&a->mr_config, identity, failure);
	if (!err)
		err = ident_read_config(&a->config, identity, failure);
	if (!err && !make_hashes(measurement, host_data, chip_id, identity))
		err = ident_no_hash(failure);
	return err;
}

int libdstack_identity_of_snp(const struct libdstack_attestation *att,
			      const uint8_t measurement[48],
			      const uint8_t host_data[32],
			      const uint8_t chip_id[64],
			      struct libdstack_identity *identity,
			      struct libdstack_failure *failure)
{
	int err;

	ident_begin(att, identity, failure);
	err = make_identity(att, measurement, host_data, chip_id,
			    identity, failure);
	return ident_end(err, identity, failure);
}
