/* SPDX-License-Identifier: MIT */
/*
 * Quotes of TPMs that tests make themselves
 *
 * Copyright The dstack for Linux authors
 */
#ifndef TPM_FIXTURE_H
#define TPM_FIXTURE_H

#include <libdstack_tpm.h>
#include <openssl/ecdsa.h>
#include <tss2/tss2_mu.h>

#include "pki.h"

#define TPM_FIXTURE_MAX	2048

struct tpm_fixture {
	EVP_PKEY *rsa, *ec;
	TPMS_ATTEST attest;		/* to be changed before signing */
	struct libdstack_tpm_bank bank;
	uint8_t message[TPM_FIXTURE_MAX], signature[TPM_FIXTURE_MAX];
	struct libdstack_tpm_quote quote;
};

/* SHA-256 over registers 0 to 2 of the fixture's bank. */
static inline void tpm_fixture_digest(struct tpm_fixture *f)
{
	TPM2B_DIGEST *digest = &f->attest.attested.quote.pcrDigest;
	uint8_t all[3 * 32];
	int i;

	for (i = 0; i < 3; i++)
		memcpy(all + i * 32, f->bank.value[i], 32);
	digest->size = 32;
	assert_true(EVP_Digest(all, sizeof(all), digest->buffer, NULL,
			       EVP_sha256(), NULL));
}

/* Nonce "nonce"; each byte of registers 0 to 2 is its number plus one. */
static inline void tpm_fixture_attest(struct tpm_fixture *f)
{
	TPMS_ATTEST *a = &f->attest;
	int i;

	memset(a, 0, sizeof(*a));
	memset(&f->bank, 0, sizeof(f->bank));
	f->bank.alg = TPM2_ALG_SHA256;
	f->bank.mask = 7;
	for (i = 0; i < 3; i++)
		memset(f->bank.value[i], i + 1, 32);
	a->magic = TPM2_GENERATED_VALUE;
	a->type = TPM2_ST_ATTEST_QUOTE;
	a->extraData.size = 5;
	memcpy(a->extraData.buffer, "nonce", 5);
	a->clockInfo.resetCount = 6;
	a->clockInfo.safe = 1;
	a->attested.quote.pcrSelect.count = 1;
	a->attested.quote.pcrSelect.pcrSelections[0].hash = TPM2_ALG_SHA256;
	a->attested.quote.pcrSelect.pcrSelections[0].sizeofSelect = 3;
	a->attested.quote.pcrSelect.pcrSelections[0].pcrSelect[0] = 7;
	tpm_fixture_digest(f);
}

static inline void tpm_fixture_marshal(struct tpm_fixture *f)
{
	size_t len = 0;

	assert_true(!Tss2_MU_TPMS_ATTEST_Marshal(&f->attest, f->message,
						 sizeof(f->message), &len));
	f->quote.message = f->message;
	f->quote.message_len = len;
	f->quote.banks = &f->bank;
	f->quote.nr_banks = 1;
}

static inline size_t tpm_raw_sign(struct tpm_fixture *f, EVP_PKEY *key,
				  uint8_t *out, size_t size, const char *md)
{
	EVP_MD_CTX *ctx = pki_signer(key, md, false);

	assert_true(EVP_DigestSign(ctx, out, &size, f->message,
				   f->quote.message_len) > 0);
	EVP_MD_CTX_free(ctx);
	return size;
}

/* As TPMs marshal it. */
static inline void tpm_fixture_put(struct tpm_fixture *f,
				   const TPMT_SIGNATURE *signature)
{
	size_t len = 0;

	assert_true(!Tss2_MU_TPMT_SIGNATURE_Marshal(signature, f->signature,
						    sizeof(f->signature),
						    &len));
	f->quote.signature = f->signature;
	f->quote.signature_len = len;
}

static inline void tpm_fixture_sign_rsa(struct tpm_fixture *f, uint16_t hash,
					const char *md)
{
	TPMT_SIGNATURE s = { .sigAlg = TPM2_ALG_RSASSA };
	TPMS_SIGNATURE_RSASSA *rsa = &s.signature.rsassa;

	tpm_fixture_marshal(f);
	rsa->hash = hash;
	rsa->sig.size = tpm_raw_sign(f, f->rsa, rsa->sig.buffer,
				     sizeof(rsa->sig.buffer), md);
	tpm_fixture_put(f, &s);
}

static inline void tpm_fixture_sign_ec(struct tpm_fixture *f)
{
	TPMT_SIGNATURE s = { .sigAlg = TPM2_ALG_ECDSA };
	TPMS_SIGNATURE_ECDSA *ec = &s.signature.ecdsa;
	const unsigned char *p;
	uint8_t der[256];
	ECDSA_SIG *sig;
	size_t len;

	tpm_fixture_marshal(f);
	len = tpm_raw_sign(f, f->ec, der, sizeof(der), "SHA256");
	p = der;
	sig = d2i_ECDSA_SIG(NULL, &p, len);
	assert_non_null(sig);
	ec->hash = TPM2_ALG_SHA256;
	ec->signatureR.size = BN_bn2bin(ECDSA_SIG_get0_r(sig),
					ec->signatureR.buffer);
	ec->signatureS.size = BN_bn2bin(ECDSA_SIG_get0_s(sig),
					ec->signatureS.buffer);
	ECDSA_SIG_free(sig);
	tpm_fixture_put(f, &s);
}

/* A quote that is good; keys are made once. */
static inline void tpm_fixture_make(struct tpm_fixture *f)
{
	if (!f->rsa) {
		f->rsa = pki_rsa_key();
		f->ec = pki_ec_key("P-256");
	}
	tpm_fixture_attest(f);
	tpm_fixture_sign_rsa(f, TPM2_ALG_SHA256, "SHA256");
}

/* The public part of a key, as its TPM marshals it. */
static inline size_t tpm_public(EVP_PKEY *key, uint32_t attributes,
				uint8_t out[TPM_FIXTURE_MAX])
{
	TPMT_PUBLIC p = { .nameAlg = TPM2_ALG_SHA256 };
	const bool rsa = EVP_PKEY_is_a(key, "RSA");
	BIGNUM *a = NULL, *b = NULL;
	size_t len = 0;

	p.objectAttributes = attributes;
	assert_true(EVP_PKEY_get_bn_param(key, rsa ? "n" : "qx", &a) &&
		    EVP_PKEY_get_bn_param(key, rsa ? "e" : "qy", &b));
	if (rsa) {
		p.type = TPM2_ALG_RSA;
		p.parameters.rsaDetail.symmetric.algorithm = TPM2_ALG_NULL;
		p.parameters.rsaDetail.scheme.scheme = TPM2_ALG_RSASSA;
		p.parameters.rsaDetail.scheme.details.rsassa.hashAlg =
			TPM2_ALG_SHA256;
		p.parameters.rsaDetail.keyBits = EVP_PKEY_get_bits(key);
		p.unique.rsa.size = BN_bn2bin(a, p.unique.rsa.buffer);
	} else {
		p.type = TPM2_ALG_ECC;
		p.parameters.eccDetail.symmetric.algorithm = TPM2_ALG_NULL;
		p.parameters.eccDetail.scheme.scheme = TPM2_ALG_ECDSA;
		p.parameters.eccDetail.scheme.details.ecdsa.hashAlg =
			TPM2_ALG_SHA256;
		p.parameters.eccDetail.curveID = TPM2_ECC_NIST_P256;
		p.parameters.eccDetail.kdf.scheme = TPM2_ALG_NULL;
		p.unique.ecc.x.size = BN_bn2bin(a, p.unique.ecc.x.buffer);
		p.unique.ecc.y.size = BN_bn2bin(b, p.unique.ecc.y.buffer);
	}
	BN_free(a);
	BN_free(b);
	assert_true(!Tss2_MU_TPMT_PUBLIC_Marshal(&p, out, TPM_FIXTURE_MAX,
						 &len));
	return len;
}

static inline void tpm_fixture_free(struct tpm_fixture *f)
{
	EVP_PKEY_free(f->rsa);
	EVP_PKEY_free(f->ec);
}

#endif /* TPM_FIXTURE_H */
