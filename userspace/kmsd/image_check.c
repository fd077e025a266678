// SPDX-License-Identifier: MIT
/*
 * Whether a machine booted the OS image that it says it did
 *
 * Copyright The dstack for Linux authors
 */
#include <errno.h>
#include <stdio.h>

#include "kmsd.h"

static int check_files(const struct kmsd *kmsd,
		       const struct libdstack_peer *peer,
		       struct image_why *why)
{
	const struct libdstack_attestation *att = peer->attestation;
	const struct image_guest guest = {
		.hash = peer->identity.os_image_hash.data,
		.config = att->config.data, .config_len = att->config.len,
		.td = &peer->verdict.quote.td,
	};
	int err = image_store_check(kmsd->images, &guest, why);

	return err == -ENOENT || err == -EBADMSG ? -EACCES : err;
}

static int check_td(const struct kmsd *kmsd, const struct libdstack_peer *peer,
		    struct image_why *why)
{
	const struct images *images = kmsd->options->images;
	const struct libdstack_id *hash = &peer->identity.os_image_hash;

	if (images_know(images, &peer->verdict.quote.td, hash))
		return 0;
	if (kmsd->images && hash->len == IMAGE_HASH)
		return check_files(kmsd, peer, why);
	snprintf(why->text, sizeof(why->text),
		 "the measurements are none that are known of its OS image");
	return -EACCES;
}

static int check_snp(const struct kmsd *kmsd, const struct libdstack_peer *peer,
		     struct image_why *why)
{
	if (tees_know_image(kmsd->options->tees, peer))
		return 0;
	snprintf(why->text, sizeof(why->text),
		 "its launch measurement is none that \"sev_snp.images\" has of its OS image");
	return -EACCES;
}

int kmsd_check_image(const struct kmsd *kmsd,
		     const struct libdstack_peer *peer, struct image_why *why)
{
	if (kmsd->options->any_image)
		return 0;
	switch (peer->identity.tee) {
	case LIBDSTACK_TEE_TDX:
		return check_td(kmsd, peer, why);
	case LIBDSTACK_TEE_SEV_SNP:
		return check_snp(kmsd, peer, why);
	case LIBDSTACK_TEE_NITRO_ENCLAVE:
		/* Its hash is that of its measurements. */
		return 0;
	default:
		snprintf(why->text, sizeof(why->text),
			 "nothing is known of OS images on its TEE");
		return -EACCES;
	}
}
