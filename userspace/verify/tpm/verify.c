// SPDX-License-Identifier: MIT
/*
 * Verify a quote: signature, then registers
 *
 * Copyright The dstack for Linux authors
 */
#include "tpm.h"

#include <string.h>

#include "../signature.h"

static int check_signature(const struct libdstack_tpm_quote *q,
			   const struct libdstack_tpm_key *key,
			   const struct tpm_signature *s,
			   struct libdstack_failure *failure)
{
	const struct signed_data what = { q->message, q->message_len, s->md };
	bool good;

	if (s->ecdsa)
		good = signature_ecdsa(key->pkey, s->data, s->data + s->len,
				       s->len, &what);
	else
		good = signature_rsassa(key->pkey, s->data, s->len, &what);
	return good ? 0 : verify_fail(failure, REASON(SIGNATURE),
				      "the attestation key did not sign the quote");
}

static const struct libdstack_tpm_bank *
find_bank(const struct libdstack_tpm_bank *banks, size_t nr, uint16_t alg)
{
	size_t i;

	for (i = 0; i < nr; i++)
		if (banks[i].alg == alg)
			return &banks[i];
	return NULL;
}

/* Values that nobody quoted would look as if they were proven. */
static int take_values(const struct libdstack_tpm_quote *q,
		       struct libdstack_tpm_verdict *v)
{
	const struct libdstack_tpm_bank *given;
	size_t i;

	if (q->nr_banks != v->nr_banks)
		return verify_fail(&v->failure, REASON(MISMATCH),
				   "%zu banks were quoted, %zu are given",
				   v->nr_banks, q->nr_banks);
	for (i = 0; i < v->nr_banks; i++) {
		given = find_bank(q->banks, q->nr_banks, v->bank[i].alg);
		if (!given || given->mask != v->bank[i].mask)
			return verify_fail(&v->failure, REASON(MISMATCH),
					   "not the registers of bank 0x%x that were quoted, 0x%x",
					   v->bank[i].alg, v->bank[i].mask);
		memcpy(v->bank[i].value, given->value, sizeof(given->value));
	}
	return 0;
}

static bool digest_bank(EVP_MD_CTX *ctx, const struct libdstack_tpm_bank *bank)
{
	const size_t size = libdstack_tcg_digest_size(bank->alg);
	bool good = true;
	unsigned int i;

	for (i = 0; good && i < LIBDSTACK_TCG_PCRS; i++)
		if (bank->mask & 1U << i)
			good = EVP_DigestUpdate(ctx, bank->value[i], size);
	return good;
}

/* The hash is the signature's: TPM 2.0 part 3, TPM2_Quote. */
static int check_values(struct libdstack_tpm_verdict *v, const char *md)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	uint8_t digest[EVP_MAX_MD_SIZE];
	unsigned int len = 0;
	bool good;
	size_t i;

	good = ctx && EVP_DigestInit_ex(ctx, EVP_get_digestbyname(md), NULL);
	for (i = 0; good && i < v->nr_banks; i++)
		good = digest_bank(ctx, &v->bank[i]);
	good = good && EVP_DigestFinal_ex(ctx, digest, &len);
	EVP_MD_CTX_free(ctx);
	if (!good)
		return verify_fail(&v->failure, REASON(MEMORY),
				   "out of memory");
	if (len != v->pcr_digest_len || memcmp(digest, v->pcr_digest, len))
		return verify_fail(&v->failure, REASON(MISMATCH),
				   "the registers held other values when they were quoted");
	v->pcrs_proven = true;
	return 0;
}

static int fail_step(struct libdstack_tpm_verdict *v, const char *step, int err)
{
	verify_step(&v->failure, step);
	return err;
}

int libdstack_tpm_quote_verify(const struct libdstack_tpm_quote *quote,
			       const struct libdstack_tpm_key *key,
			       struct libdstack_tpm_verdict *verdict)
{
	struct tpm_signature signature;
	const size_t rsa_size = EVP_PKEY_is_a(key->pkey, "RSA") ?
		EVP_PKEY_get_size(key->pkey) : 0;
	int err;

	memset(verdict, 0, sizeof(*verdict));
	err = tpm_message_parse(quote->message, quote->message_len, verdict);
	if (err)
		return fail_step(verdict, "quote format", err);
	err = tpm_signature_parse(quote->signature, quote->signature_len,
				  rsa_size, &signature, &verdict->failure);
	if (err)
		return fail_step(verdict, "signature format", err);
	err = check_signature(quote, key, &signature, &verdict->failure);
	if (err)
		return fail_step(verdict, "quote signature", err);
	if (!quote->nr_banks)
		return 0;
	err = take_values(quote, verdict);
	if (!err)
		err = check_values(verdict, signature.md);
	return err ? fail_step(verdict, "registers", err) : 0;
}
