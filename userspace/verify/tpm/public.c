// SPDX-License-Identifier: MIT
/*
 * Keys of TPMs that the caller knows
 *
 * Copyright The dstack for Linux authors
 */
#include "tpm.h"

#include <openssl/err.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>
#include <tss2/tss2_mu.h>

#include "../cursor.h"
#include "../keys.h"
#include "../signature.h"

#define PUBLIC_MAX	1024
#define DEFAULT_E	65537

/*
 * A key that may sign anything could sign what only looks like a quote; one
 * that can leave its TPM proves nothing about it.
 */
#define WANTED		(TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT | \
			 TPMA_OBJECT_SENSITIVEDATAORIGIN | \
			 TPMA_OBJECT_RESTRICTED | TPMA_OBJECT_SIGN_ENCRYPT)

int tpm_key_new(EVP_PKEY *pkey, struct libdstack_tpm_key **key,
		struct libdstack_failure *failure)
{
	if (!keys_is_strong(pkey)) {
		EVP_PKEY_free(pkey);
		return verify_fail(failure, REASON(UNSUPPORTED),
				   "the key is neither RSA with 2048 to 4096 bits nor on P-256 or P-384");
	}
	*key = calloc(1, sizeof(**key));
	if (!*key) {
		EVP_PKEY_free(pkey);
		return verify_fail(failure, REASON(MEMORY), "out of memory");
	}
	(*key)->pkey = pkey;
	return 0;
}

void libdstack_tpm_key_free(struct libdstack_tpm_key *key)
{
	if (!key)
		return;
	EVP_PKEY_free(key->pkey);
	free(key);
}

bool libdstack_tpm_key_equal(const struct libdstack_tpm_key *a,
			     const struct libdstack_tpm_key *b)
{
	return EVP_PKEY_eq(a->pkey, b->pkey) == 1;
}

static bool take_be16(struct cursor *in, uint16_t *value)
{
	const uint8_t *p = cursor_take(in, 2);

	if (p)
		*value = p[0] << 8 | p[1];
	return p;
}

/* A TPM2B of at most @max bytes. */
static bool take_sized(struct cursor *in, size_t max)
{
	uint16_t size;

	return take_be16(in, &size) && size <= max && cursor_take(in, size);
}

/* Algorithm of hash, attributes, policy. */
static bool walk_front(struct cursor *in, uint16_t *type)
{
	uint16_t name;

	return take_be16(in, type) && take_be16(in, &name) &&
		cursor_take(in, 4) &&
		take_sized(in, sizeof(((TPM2B_DIGEST *)0)->buffer));
}

/* Size and exponent, or curve and derivation; then the key itself. */
static bool walk_key(struct cursor *in, uint16_t type)
{
	const size_t coordinate = sizeof(((TPM2B_ECC_PARAMETER *)0)->buffer);
	const size_t modulus = sizeof(((TPM2B_PUBLIC_KEY_RSA *)0)->buffer);
	uint16_t curve, kdf;

	if (type == TPM2_ALG_RSA)
		return cursor_take(in, 6) && take_sized(in, modulus);
	return take_be16(in, &curve) && take_be16(in, &kdf) &&
		kdf == TPM2_ALG_NULL && take_sized(in, coordinate) &&
		take_sized(in, coordinate);
}

/*
 * tss2-mu prints when it meets what it does not know or what is too long for
 * its structures.  A key that signs quotes has no symmetric algorithm, one of
 * two schemes, and no derivation function.
 */
static bool is_signing_key(const void *data, size_t len)
{
	struct cursor in = { data, len };
	uint16_t type, symmetric, scheme, hash;

	return walk_front(&in, &type) && take_be16(&in, &symmetric) &&
		take_be16(&in, &scheme) && take_be16(&in, &hash) &&
		symmetric == TPM2_ALG_NULL &&
		((type == TPM2_ALG_RSA && scheme == TPM2_ALG_RSASSA) ||
		 (type == TPM2_ALG_ECC && scheme == TPM2_ALG_ECDSA)) &&
		walk_key(&in, type);
}

static EVP_PKEY *rsa_key(const TPMT_PUBLIC *public)
{
	const TPM2B_PUBLIC_KEY_RSA *n = &public->unique.rsa;
	uint32_t value = public->parameters.rsaDetail.exponent;
	uint8_t e[4];
	int i;

	if (!value)
		value = DEFAULT_E;
	for (i = 3; i >= 0; i--, value >>= 8)
		e[i] = value;
	return keys_rsa(n->buffer, n->size, e, sizeof(e));
}

/* Coordinates may come without their leading zeros. */
static EVP_PKEY *ec_key(const TPMT_PUBLIC *public)
{
	const TPM2B_ECC_PARAMETER *x = &public->unique.ecc.x;
	const TPM2B_ECC_PARAMETER *y = &public->unique.ecc.y;
	const bool p256 = public->parameters.eccDetail.curveID ==
		TPM2_ECC_NIST_P256;
	const size_t len = p256 ? 32 : 48;
	uint8_t point[2][48] = { 0 };

	if ((!p256 && public->parameters.eccDetail.curveID !=
	     TPM2_ECC_NIST_P384) || x->size > len || y->size > len)
		return NULL;
	memcpy(point[0] + len - x->size, x->buffer, x->size);
	memcpy(point[1] + len - y->size, y->buffer, y->size);
	return keys_ec(p256 ? SIGNATURE_P256 : SIGNATURE_P384, point[0],
		       point[1], len);
}

static int from_public(const void *data, size_t len,
		       struct libdstack_tpm_key **key,
		       struct libdstack_failure *failure)
{
	TPMT_PUBLIC public;
	size_t at = 0;

	if (len > PUBLIC_MAX || !is_signing_key(data, len))
		return verify_fail(failure, REASON(UNSUPPORTED),
				   "not the public part of a key for RSASSA or ECDSA, or cut off");
	memset(&public, 0, sizeof(public));
	if (Tss2_MU_TPMT_PUBLIC_Unmarshal(data, len, &at, &public) || at != len)
		return verify_fail(failure, REASON(MALFORMED),
				   "the public part is cut off, or something follows it");
	if ((public.objectAttributes & WANTED) != WANTED ||
	    public.objectAttributes & TPMA_OBJECT_DECRYPT)
		return verify_fail(failure, REASON(MISMATCH),
				   "the key may sign more than quotes, or leave its TPM: attributes 0x%x",
				   public.objectAttributes);
	return tpm_key_new(public.type == TPM2_ALG_RSA ? rsa_key(&public) :
							 ec_key(&public),
			   key, failure);
}

int libdstack_tpm_key_from_public(const void *data, size_t len,
				  struct libdstack_tpm_key **key,
				  struct libdstack_failure *failure)
{
	int err;

	*key = NULL;
	memset(failure, 0, sizeof(*failure));
	err = from_public(data, len, key, failure);
	if (err)
		verify_step(failure, "attestation key");
	return err;
}

int libdstack_tpm_key_from_spki(const void *data, size_t len,
				struct libdstack_tpm_key **key,
				struct libdstack_failure *failure)
{
	const unsigned char *p = data;
	EVP_PKEY *pkey = NULL;
	int err;

	*key = NULL;
	memset(failure, 0, sizeof(*failure));
	if (len <= PUBLIC_MAX)
		pkey = d2i_PUBKEY(NULL, &p, len);
	ERR_clear_error();
	if (pkey && p == (const unsigned char *)data + len) {
		err = tpm_key_new(pkey, key, failure);
	} else {
		EVP_PKEY_free(pkey);
		err = verify_fail(failure, REASON(MALFORMED),
				  "not a SubjectPublicKeyInfo in DER");
	}
	if (err)
		verify_step(failure, "attestation key");
	return err;
}
