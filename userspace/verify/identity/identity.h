/* SPDX-License-Identifier: MIT */
/*
 * What the files of the identity room share
 *
 * Copyright The dstack for Linux authors
 *
 * td.c, snp.c and enclave.c put an identity together, events.c reads it from
 * the log, config.c from what the guest was configured with, and runs.c and
 * kernel_events.c read the events of our module.
 */
#ifndef IDENTITY_H
#define IDENTITY_H

#include <libdstack_identity.h>

#include "../attestation/attestation.h"

#define IDENT_HASH_SIZE		32
#define IDENT_APP_ID_SIZE	20

/* hash.c */

/* Of the parts as one message, by OpenSSL's name.  False: no such hash. */
bool ident_hash(const char *name, const struct libdstack_span *parts,
		size_t nr, uint8_t out[IDENT_HASH_SIZE]);
bool ident_sha256(const struct libdstack_span *parts, size_t nr,
		  uint8_t out[IDENT_HASH_SIZE]);
int ident_no_hash(struct libdstack_failure *failure);

static inline struct libdstack_span ident_span(const void *data, size_t len)
{
	return (struct libdstack_span){ data, len };
}

static inline bool ident_is(const struct libdstack_id *id, const void *data,
			    size_t len)
{
	return id->len == len && !memcmp(id->data, data, len);
}

/* identity.c */

void ident_begin(const struct libdstack_attestation *a,
		 struct libdstack_identity *identity,
		 struct libdstack_failure *failure);
/* Nobody gets half an identity.  Returns @err. */
int ident_end(int err, struct libdstack_identity *identity,
	      struct libdstack_failure *failure);

/* A text that must fit. */
bool ident_copy(char *out, size_t size, const char *text);

/* events.c */

/* What the events up to system-ready, or boot-mr-done, say. */
int ident_read_events(const struct libdstack_log *log, bool boot,
		      struct libdstack_identity *identity,
		      struct libdstack_failure *failure);
/* "{"name":...,"id":...}" into its parts. */
int ident_key_provider(const void *text, size_t len,
		       struct libdstack_identity *identity,
		       struct libdstack_failure *failure);
/* Of the measured text, zeros without one. */
bool ident_mr_key_provider(const struct libdstack_identity *identity,
			   uint8_t out[IDENT_HASH_SIZE]);

/* config.c */

/* What a configuration says, if it does: a VmConfig, or one in a SysConfig. */
int ident_read_config(const struct libdstack_span *config,
		      struct libdstack_identity *identity,
		      struct libdstack_failure *failure);

/* What an MrConfigV3 document says. */
struct ident_mr_config {
	struct libdstack_id app_id, compose_hash, instance_id, gpu_policy_hash;
	char key_provider[16];
	char key_provider_id[LIBDSTACK_KEY_PROVIDER_MAX];
	struct libdstack_id init_scripts[LIBDSTACK_INIT_SCRIPTS_MAX];
	size_t nr_init_scripts;
};

/* The hash that HOST_DATA and MRCONFIGID hold of the document's bytes. */
bool ident_mr_config_hash(const struct libdstack_span *document,
			  uint8_t out[IDENT_HASH_SIZE]);
int ident_read_mr_config(const struct libdstack_span *document,
			 struct ident_mr_config *config,
			 struct libdstack_failure *failure);

#endif /* IDENTITY_H */
