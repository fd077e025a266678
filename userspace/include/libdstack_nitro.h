/* SPDX-License-Identifier: MIT */
/*
 * libdstack_nitro: attestation documents of AWS Nitro
 *
 * Copyright The dstack for Linux authors
 *
 * A document is a COSE_Sign1 (RFC 9052) with ES384, whose payload is described
 * in AWS's "Nitro Enclaves NSM API", "Attestation process".
 */
#ifndef LIBDSTACK_NITRO_H
#define LIBDSTACK_NITRO_H

#include <libdstack_verify.h>

#ifdef __cplusplus
extern "C" {
#endif

#define LIBDSTACK_NITRO_DOCUMENT_MAX	16384U	/* bytes */
#define LIBDSTACK_NITRO_PCRS		32
#define LIBDSTACK_NITRO_PCR_SIZE	48	/* SHA-384 */
#define LIBDSTACK_NITRO_MODULE_MAX	128
#define LIBDSTACK_NITRO_DATA_MAX	1024U	/* of each of the three below */

/* What the enclave put in; NULL if nothing. */
struct libdstack_nitro_data {
	const uint8_t *data;		/* within the document */
	size_t len;
};

struct libdstack_nitro_document {
	bool tpm;			/* of a NitroTPM, not of an enclave */
	char module_id[LIBDSTACK_NITRO_MODULE_MAX];
	uint64_t timestamp;		/* milliseconds, Unix time */
	uint32_t pcrs;			/* bit i: the document has PCR i */
	uint8_t pcr[LIBDSTACK_NITRO_PCRS][LIBDSTACK_NITRO_PCR_SIZE];
	struct libdstack_nitro_data public_key, user_data, nonce;
};

struct libdstack_nitro_verdict {
	struct libdstack_nitro_document document; /* proven if no step failed */
	int64_t earliest_expiry;	/* of certificates, Unix time */
	struct libdstack_failure failure;
};

/*
 * The document in what the enclave's device answers, {"Attestation":
 * {"document": ...}}, as a pointer into it.  -EBADMSG.
 */
int libdstack_nitro_unwrap(const void *response, size_t len,
			   const void **document, size_t *document_len,
			   struct libdstack_failure *failure);
/*
 * Chain and signature.  @root: DER or PEM; NULL: AWS's, known by its SHA-256.
 * The verdict points into @document.
 */
int libdstack_nitro_verify(const void *document, size_t len,
			   const void *root, size_t root_len, time_t now,
			   struct libdstack_nitro_verdict *verdict);

/* All zeros and NULLs: an enclave without debugging, of any kind. */
struct libdstack_nitro_policy {
	bool allow_debug;		/* PCR 0, 1 or 2 is zero */
	bool tpm;			/* of a NitroTPM instead */
	uint32_t max_age;		/* seconds; 0: any */
	/* NULL: any. */
	const uint8_t *pcr[LIBDSTACK_NITRO_PCRS];
	struct libdstack_nitro_data public_key, user_data, nonce;
};

/* -EKEYREJECTED: genuine, but not what @policy asks for. */
int libdstack_nitro_check(const struct libdstack_nitro_document *document,
			  const struct libdstack_nitro_policy *policy,
			  time_t now, struct libdstack_failure *failure);

#ifdef __cplusplus
}
#endif

#endif /* LIBDSTACK_NITRO_H */
