/* SPDX-License-Identifier: MIT */
/*
 * A TPM that keeps an application's seed
 *
 * Copyright The dstack for Linux authors
 *
 * Functions return 0 or -errno, after a message.
 */
#ifndef BOOT_TPM_H
#define BOOT_TPM_H

#include <tss2/tss2_esys.h>

#include "events.h"

#define TPM_PCR		14	/* upstream's, for what was measured */
#define TPM_PCR_SIZE	32	/* of its SHA-256 bank */
#define TPM_BLOB_MAX	1024	/* what one command writes */

/* Upstream's places: of the key over what is sealed, and of that. */
#define TPM_PARENT	0x81000100
#define TPM_INDEX	0x01801101

struct tpm {
	ESYS_CONTEXT *esys;
	TSS2_TCTI_CONTEXT *tcti;
	ESYS_TR parent;		/* ESYS_TR_NONE: not looked for */
};

/* tpm.c */

int tpm_open(const char *tcti, struct tpm *tpm);
void tpm_close(struct tpm *tpm);
/* After a message: what a command gave, as an -errno. */
int tpm_fail(TSS2_RC rc, const char *what);
/* Whether it says that there is nothing by this handle. */
bool tpm_is_absent(TSS2_RC rc);
int tpm_pcr_read(struct tpm *tpm, uint8_t value[TPM_PCR_SIZE]);
int tpm_pcr_extend(struct tpm *tpm, const uint8_t digest[TPM_PCR_SIZE]);
/* The key, and if there is none a new one. */
int tpm_parent(struct tpm *tpm);
/* A session in which nobody between reads what is said. */
int tpm_session(struct tpm *tpm, TPM2_SE type, ESYS_TR *session);

/* tpm_seal.c: under what the registers have now */

int tpm_seal(struct tpm *tpm, const uint8_t seed[DSTACK_KEY_SIZE],
	     uint8_t blob[TPM_BLOB_MAX], size_t *len);
int tpm_unseal(struct tpm *tpm, const uint8_t *blob, size_t len,
	       uint8_t seed[DSTACK_KEY_SIZE]);

/* tpm_store.c: where it stays */

/* -ENODATA, of which nothing is said: there is none. */
int tpm_load(struct tpm *tpm, uint8_t blob[TPM_BLOB_MAX], size_t *len);
int tpm_store(struct tpm *tpm, const uint8_t *blob, size_t len);

/* tpm_blob.c: upstream's form, of a public and a private part */

bool tpm_blob_join(const struct libdstack_span parts[2],
		   uint8_t blob[TPM_BLOB_MAX], size_t *len);
bool tpm_blob_split(const uint8_t *blob, size_t len,
		    struct libdstack_span parts[2]);

/* tpm_follow.c */

/* The register has the boot's events, as far as they were measured. */
int tpm_follow(struct boot *boot, struct tpm *tpm);
/* What @nr events make of zeros.  False if it can't be computed. */
bool tpm_fold(const struct boot_events *events, size_t nr,
	      uint8_t value[TPM_PCR_SIZE]);

#endif /* BOOT_TPM_H */
