/* SPDX-License-Identifier: MIT */
/*
 * Which measurements an OS image has
 *
 * Copyright The dstack for Linux authors
 *
 * A guest says itself which image it booted.  That is true if its measurements
 * are those of the image, which the operator has predicted (dstackctl mr) for
 * the machines that there are.  Contracts allow images by that name.
 */
#ifndef KMSD_IMAGES_H
#define KMSD_IMAGES_H

#include <libdstack_ratls.h>

#include "../app/json.h"

#define IMAGES_MAX	4096	/* machines of all images */

struct images;

/*
 * Of the list @field of @json: objects with os_image_hash and mrtd, rtmr0,
 * rtmr1, rtmr2, each in hex; several may be of one image.  -EBADMSG or -ENOMEM,
 * after a line.  Without that field no image is known.
 */
int images_read(const struct app_json *json, const char *field,
		struct images **images);
void images_free(struct images *images);
/* Whether that TD booted the image that it says it did. */
bool images_know(const struct images *images, const struct libdstack_td *td,
		 const struct libdstack_id *os_image_hash);

#endif /* KMSD_IMAGES_H */
