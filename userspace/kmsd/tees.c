// SPDX-License-Identifier: MIT
/*
 * Whether evidence of another TEE than TDX is good enough
 *
 * Copyright The dstack for Linux authors
 */
#include "tees.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

void tees_trust(const struct tees *tees, struct libdstack_trust *trust)
{
	trust->tees = 1U << LIBDSTACK_TEE_TDX;
	if (!tees)
		return;
	if (tees->snp) {
		trust->tees |= 1U << LIBDSTACK_TEE_SEV_SNP;
		trust->snp = &tees->chain;
	}
	if (tees->nitro) {
		trust->tees |= 1U << LIBDSTACK_TEE_NITRO_ENCLAVE;
		trust->nitro_root = tees->nitro_root;
		trust->nitro_root_len = tees->nitro_root_len;
	}
}

const char *tees_object(enum libdstack_tee tee)
{
	switch (tee) {
	case LIBDSTACK_TEE_SEV_SNP:
		return "sev_snp";
	case LIBDSTACK_TEE_NITRO_ENCLAVE:
		return "nitro";
	default:
		return NULL;
	}
}

static int refuse(struct libdstack_failure *failure, const char *text)
{
	memset(failure, 0, sizeof(*failure));
	failure->reason = LIBDSTACK_REASON_POLICY;
	snprintf(failure->step, sizeof(failure->step), "policy");
	snprintf(failure->text, sizeof(failure->text), "%s", text);
	return -EKEYREJECTED;
}

static int check_snp(const struct tees *tees,
		     const struct libdstack_snp_verdict *snp,
		     struct libdstack_failure *failure)
{
	struct libdstack_snp_policy policy = { .allow_debug = false };

	if (snp->product >= __LIBDSTACK_SNP_PRODUCT_MAX ||
	    !tees->products[snp->product].known)
		return refuse(failure, "\"sev_snp.min_tcb\" has no levels for such a CPU");
	policy.min_tcb = tees->products[snp->product].min;
	return libdstack_snp_check(&snp->report, &policy, failure);
}

int tees_check(const struct tees *tees, const struct libdstack_peer *peer,
	       time_t now, struct libdstack_failure *failure)
{
	static const struct libdstack_nitro_policy enclave;

	switch (peer->identity.tee) {
	case LIBDSTACK_TEE_SEV_SNP:
		if (tees && tees->snp)
			return check_snp(tees, &peer->snp, failure);
		break;
	case LIBDSTACK_TEE_NITRO_ENCLAVE:
		if (tees && tees->nitro)
			return libdstack_nitro_check(&peer->nitro.document,
						     &enclave, now, failure);
		break;
	default:
		break;
	}
	return refuse(failure, "evidence of this TEE is not accepted here");
}

bool tees_know_image(const struct tees *tees, const struct libdstack_peer *peer)
{
	const struct libdstack_id *hash = &peer->identity.os_image_hash;
	const struct tees_image *image;
	size_t i;

	if (!tees || hash->len != sizeof(image->hash))
		return false;
	for (i = 0; i < tees->nr_images; i++) {
		image = &tees->images[i];
		if (!memcmp(image->hash, hash->data, sizeof(image->hash)) &&
		    !memcmp(image->measurement, peer->snp.report.measurement,
			    sizeof(image->measurement)))
			return true;
	}
	return false;
}
