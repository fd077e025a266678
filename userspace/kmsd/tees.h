/* SPDX-License-Identifier: MIT */
/*
 * TEEs besides TDX, for applications: which are on, and what is good enough
 *
 * Copyright The dstack for Linux authors
 *
 * All of them are off unless the configuration has their object.  What AMD and
 * AWS call genuine is not good enough by itself: of SEV-SNP the operator says
 * which levels are, and which measurements OS images have.
 */
#ifndef KMSD_TEES_H
#define KMSD_TEES_H

#include <libdstack_ratls.h>

#include "../app/json.h"

#define TEES_IMAGES_MAX	4096	/* launches of all images */

struct tees_image {
	uint8_t hash[32], measurement[48];
};

/* What the objects "sev_snp" and "nitro" say. */
struct tees {
	bool snp, nitro;
	char *certs, *snp_root, *nitro_root;
	struct libdstack_snp_blob blob;		/* of certs */
	struct libdstack_snp_chain chain;	/* of both */
	size_t nitro_root_len;
	struct {
		bool known;		/* else none of it is good enough */
		struct libdstack_snp_tcb min;
	} products[__LIBDSTACK_SNP_PRODUCT_MAX];
	struct tees_image *images;
	size_t nr_images;
};

/* tees_config.c */

/* Of @json, the whole configuration.  -EBADMSG and the like after a line. */
int tees_read(const struct app_json *json, struct tees **tees);
void tees_free(struct tees *tees);

/* tees.c.  NULL is none: all are off. */

/* Those that are on; @tees has to stay. */
void tees_trust(const struct tees *tees, struct libdstack_trust *trust);
/* The object that turns such evidence on; NULL: nothing does. */
const char *tees_object(enum libdstack_tee tee);
/* Is genuine evidence of another TEE good enough?  -EKEYREJECTED. */
int tees_check(const struct tees *tees, const struct libdstack_peer *peer,
	       time_t now, struct libdstack_failure *failure);
/* Did that guest of SEV-SNP boot the image that it says it did? */
bool tees_know_image(const struct tees *tees,
		     const struct libdstack_peer *peer);

#endif /* KMSD_TEES_H */
