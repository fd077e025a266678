/* SPDX-License-Identifier: MIT */
/*
 * libdstack_tpm: quotes of TPMs, and of the virtual ones of clouds
 *
 * Copyright The dstack for Linux authors
 *
 * Structures: TCG's "TPM 2.0 Library", part 2: TPMS_ATTEST, TPMT_SIGNATURE and
 * TPMT_PUBLIC, as TPMs marshal them.
 */
#ifndef LIBDSTACK_TPM_H
#define LIBDSTACK_TPM_H

#include <libdstack_tcg.h>

#ifdef __cplusplus
extern "C" {
#endif

#define LIBDSTACK_TPM_BANKS_MAX		4
#define LIBDSTACK_TPM_NONCE_MAX		64
#define LIBDSTACK_TPM_MESSAGE_MAX	1024U	/* bytes */

/* The registers that @mask has bits for. */
struct libdstack_tpm_bank {
	uint16_t alg;			/* LIBDSTACK_TCG_SHA256 and so on */
	uint32_t mask;
	uint8_t value[LIBDSTACK_TCG_PCRS][LIBDSTACK_TCG_DIGEST_MAX];
};

/*
 * The key that signs quotes (AK), and why it is believed
 */

struct libdstack_tpm_key;

/* One or more certificates, as evidence carries them. */
struct libdstack_tpm_blob {
	const void *data;		/* one in DER, or some in PEM */
	size_t len;
};

struct libdstack_tpm_chain {
	const struct libdstack_tpm_blob *certs;	/* the key's is first */
	size_t nr_certs;
	const void *root;		/* DER or PEM; NULL: of a known cloud */
	size_t root_len;
};

/*
 * The key of a certificate that leads to @chain's root.  With none given, the
 * certificates must hold the root of Google's or Microsoft's virtual TPMs,
 * which are known by their SHA-256.
 */
int libdstack_tpm_key_from_chain(const struct libdstack_tpm_chain *chain,
				 time_t now, struct libdstack_tpm_key **key,
				 struct libdstack_failure *failure);
/*
 * A TPMT_PUBLIC whose owner the caller knows.  Refused unless it is a key that
 * signs nothing but what its TPM made: restricted, and never outside of it.
 */
int libdstack_tpm_key_from_public(const void *data, size_t len,
				  struct libdstack_tpm_key **key,
				  struct libdstack_failure *failure);
/* A SubjectPublicKeyInfo, in DER, that the caller knows to be such a key. */
int libdstack_tpm_key_from_spki(const void *data, size_t len,
				struct libdstack_tpm_key **key,
				struct libdstack_failure *failure);
void libdstack_tpm_key_free(struct libdstack_tpm_key *key);
/* The same key, wherever it came from. */
bool libdstack_tpm_key_equal(const struct libdstack_tpm_key *a,
			     const struct libdstack_tpm_key *b);

/*
 * Quotes
 */

struct libdstack_tpm_quote {
	const void *message;		/* TPMS_ATTEST */
	size_t message_len;
	const void *signature;		/* TPMT_SIGNATURE, or RSASSA alone */
	size_t signature_len;
	/* What registers are said to hold; none: they stay unproven. */
	const struct libdstack_tpm_bank *banks;
	size_t nr_banks;
};

struct libdstack_tpm_verdict {
	uint8_t nonce[LIBDSTACK_TPM_NONCE_MAX];
	size_t nonce_len;
	uint64_t clock;			/* milliseconds that the TPM was on */
	uint32_t resets, restarts;
	bool clock_is_safe;
	uint64_t firmware;		/* version */
	uint8_t pcr_digest[LIBDSTACK_TCG_DIGEST_MAX];
	size_t pcr_digest_len;
	/* What was quoted, in that order; the values, if pcrs_proven. */
	struct libdstack_tpm_bank bank[LIBDSTACK_TPM_BANKS_MAX];
	size_t nr_banks;
	bool pcrs_proven;
	struct libdstack_failure failure;
};

/* What a TPMS_ATTEST says: nothing of it is proven. */
int libdstack_tpm_message_parse(const void *message, size_t len,
				struct libdstack_tpm_verdict *verdict);
/*
 * Signature, and that the registers are those that were quoted: no other banks
 * or registers may be given.  RSASSA or ECDSA, with SHA-256, -384 or -512.
 */
int libdstack_tpm_quote_verify(const struct libdstack_tpm_quote *quote,
			       const struct libdstack_tpm_key *key,
			       struct libdstack_tpm_verdict *verdict);
/*
 * @log replays to those registers of bank @alg that @mask has bits for, all of
 * which must be proven.  -EKEYREJECTED: to others.
 */
int libdstack_tpm_check_log(const struct libdstack_tpm_verdict *verdict,
			    const struct libdstack_tcg_log *log, uint16_t alg,
			    uint32_t mask, struct libdstack_failure *failure);

struct libdstack_tpm_policy {
	const uint8_t *nonce;		/* NULL: any */
	size_t nonce_len;
	bool allow_sha1;		/* banks */
	/* What registers must hold; all of them must be proven. */
	const struct libdstack_tpm_bank *banks;
	size_t nr_banks;
};

/* -EKEYREJECTED: genuine, but not what @policy asks for. */
int libdstack_tpm_check(const struct libdstack_tpm_verdict *verdict,
			const struct libdstack_tpm_policy *policy,
			struct libdstack_failure *failure);

#ifdef __cplusplus
}
#endif

#endif /* LIBDSTACK_TPM_H */
