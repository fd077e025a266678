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

int kmsd_check_image(const struct kmsd *kmsd,
		     const struct libdstack_peer *peer, struct image_why *why)
{
	const struct kmsd_options *options = kmsd->options;
	const struct libdstack_id *hash = &peer->identity.os_image_hash;

	if (options->any_image ||
	    images_know(options->images, &peer->verdict.quote.td, hash))
		return 0;
	if (kmsd->images && hash->len == IMAGE_HASH)
		return check_files(kmsd, peer, why);
	snprintf(why->text, sizeof(why->text),
		 "the measurements are none that are known of its OS image");
	return -EACCES;
}
