// SPDX-License-Identifier: MIT
/*
 * The identity behind the document of a Nitro enclave
 *
 * Copyright The dstack for Linux authors
 *
 * An enclave is its image: PCR 0, 1 and 2 are all that there is to measure.  A
 * debug enclave has zeros there, and no identity.
 */
#include "identity.h"

#include <errno.h>
#include <string.h>

#define PCRS_SIZE	(3 * 48)

static bool make_hashes(const uint8_t pcr[3][48], const char *module_id,
			struct libdstack_identity *identity)
{
	const struct libdstack_span image = ident_span(pcr, PCRS_SIZE);
	/* "i-1234-enc5678": the instance that it runs in is "i". */
	const char *dash = strchr(module_id, '-');
	const struct libdstack_span device =
		ident_span(module_id, dash ? dash - module_id : 0);

	memset(identity->mr_system, 0, sizeof(identity->mr_system));
	if (!ident_sha256(&image, 1, identity->mr_system) ||
	    !ident_sha256(&device, 1, identity->device_id))
		return false;
	memcpy(identity->mr_aggregated, identity->mr_system, IDENT_HASH_SIZE);
	return true;
}

static int make_identity(const struct libdstack_attestation *a,
			 const uint8_t pcr[3][48], const char *module_id,
			 struct libdstack_identity *identity,
			 struct libdstack_failure *failure)
{
	static const uint8_t debug[3][48];
	struct libdstack_id *image = &identity->os_image_hash;
	int err;

	if (a->tee != LIBDSTACK_TEE_NITRO_ENCLAVE)
		return verify_fail(failure, REASON(UNSUPPORTED),
				   "not evidence of a Nitro enclave");
	if (!memcmp(pcr, debug, sizeof(debug)))
		return verify_fail(failure, REASON(POLICY),
				   "a debug enclave: nothing was measured");
	if (!make_hashes(pcr, module_id, identity))
		return ident_no_hash(failure);
	/* Its events are in no register; what they say is not proven. */
	err = ident_read_config(&a->config, identity, failure);
	if (err)
		return err;
	if (image->len && !ident_is(image, identity->mr_system, 32))
		return verify_fail(failure, REASON(MISMATCH),
				   "os_image_hash is not that of the PCRs");
	image->len = IDENT_HASH_SIZE;
	memcpy(image->data, identity->mr_system, IDENT_HASH_SIZE);
	identity->os_image_measured = true;
	identity->compose_hash = *image;
	return 0;
}

int libdstack_identity_of_enclave(const struct libdstack_attestation *att,
				  const uint8_t pcr[3][48],
				  const char *module_id,
				  struct libdstack_identity *identity,
				  struct libdstack_failure *failure)
{
	int err;

	ident_begin(att, identity, failure);
	err = make_identity(att, pcr, module_id, identity, failure);
	return ident_end(err, identity, failure);
}
