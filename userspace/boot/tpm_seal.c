// SPDX-License-Identifier: MIT
/*
 * A seed that the TPM gives to this firmware, kernel and application alone
 *
 * Copyright The dstack for Linux authors
 *
 * Upstream's policy: what registers 0, 2 and 14 have, in SHA-256.
 */
#include "tpm.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <string.h>
#include <tss2/tss2_mu.h>

static const ESYS_TR no = ESYS_TR_NONE;

static const TPML_PCR_SELECTION registers = { .count = 1, .pcrSelections = { {
	.hash = TPM2_ALG_SHA256, .sizeofSelect = 3,
	.pcrSelect = { 1 << 0 | 1 << 2, 1 << (TPM_PCR - 8), 0 } } } };

/* A session in which the registers were looked at. */
static int start_policy(struct tpm *tpm, ESYS_TR *session)
{
	/* Of what they have now: the TPM reads them itself. */
	static const TPM2B_DIGEST now;
	int err = tpm_session(tpm, TPM2_SE_POLICY, session);
	TSS2_RC rc;

	if (err)
		return err;
	rc = Esys_PolicyPCR(tpm->esys, *session, no, no, no, &now, &registers);
	if (!rc)
		return 0;
	Esys_FlushContext(tpm->esys, *session);
	return tpm_fail(rc, "make a policy of its registers");
}

static int get_policy(struct tpm *tpm, TPM2B_DIGEST *out)
{
	TPM2B_DIGEST *digest;
	ESYS_TR session;
	int err = start_policy(tpm, &session);
	TSS2_RC rc;

	if (err)
		return err;
	rc = Esys_PolicyGetDigest(tpm->esys, session, no, no, no, &digest);
	Esys_FlushContext(tpm->esys, session);
	if (rc)
		return tpm_fail(rc, "make a policy of its registers");
	*out = *digest;
	Esys_Free(digest);
	return 0;
}

static int join(const TPM2B_PUBLIC *public, const TPM2B_PRIVATE *private,
		uint8_t blob[TPM_BLOB_MAX], size_t *len)
{
	uint8_t first[sizeof(*public)], second[sizeof(*private)];
	struct libdstack_span parts[2] = { { first, 0 }, { second, 0 } };

	if (Tss2_MU_TPM2B_PUBLIC_Marshal(public, first, sizeof(first),
					 &parts[0].len) ||
	    Tss2_MU_TPM2B_PRIVATE_Marshal(private, second, sizeof(second),
					  &parts[1].len) ||
	    !tpm_blob_join(parts, blob, len))
		return boot_fail(-EMSGSIZE, "what the TPM sealed is too long");
	return 0;
}

/* No password opens it: registers alone. */
static int create(struct tpm *tpm, ESYS_TR session,
		  const TPM2B_SENSITIVE_CREATE *sensitive,
		  uint8_t blob[TPM_BLOB_MAX], size_t *len)
{
	TPM2B_PUBLIC template = { .publicArea = {
		.type = TPM2_ALG_KEYEDHASH, .nameAlg = TPM2_ALG_SHA256,
		.objectAttributes = TPMA_OBJECT_FIXEDTPM |
			TPMA_OBJECT_FIXEDPARENT,
		.parameters.keyedHashDetail.scheme.scheme = TPM2_ALG_NULL,
	} }, *public;
	const TPML_PCR_SELECTION none = { 0 };
	const TPM2B_DATA nothing = { 0 };
	TPM2B_PRIVATE *private;
	int err = get_policy(tpm, &template.publicArea.authPolicy);
	TSS2_RC rc;

	if (err)
		return err;
	rc = Esys_Create(tpm->esys, tpm->parent, session, no, no, sensitive,
			 &template, &nothing, &none, &private, &public, NULL,
			 NULL, NULL);
	if (rc)
		return tpm_fail(rc, "seal");
	err = join(public, private, blob, len);
	Esys_Free(public);
	Esys_Free(private);
	return err;
}

int tpm_seal(struct tpm *tpm, const uint8_t seed[DSTACK_KEY_SIZE],
	     uint8_t blob[TPM_BLOB_MAX], size_t *len)
{
	TPM2B_SENSITIVE_CREATE *sensitive;
	ESYS_TR session;
	void *memory;
	int err = libdstack_secret_alloc(sizeof(*sensitive), &memory);

	if (err)
		return err;
	sensitive = memory;
	sensitive->sensitive.data.size = DSTACK_KEY_SIZE;
	memcpy(sensitive->sensitive.data.buffer, seed, DSTACK_KEY_SIZE);
	err = tpm_parent(tpm) ?: tpm_session(tpm, TPM2_SE_HMAC, &session);
	if (!err) {
		err = create(tpm, session, sensitive, blob, len);
		Esys_FlushContext(tpm->esys, session);
	}
	libdstack_secret_free(memory, sizeof(*sensitive));
	return err;
}

static int load(struct tpm *tpm, const uint8_t *blob, size_t len, ESYS_TR *key)
{
	struct libdstack_span parts[2];
	TPM2B_PRIVATE private = { 0 };
	TPM2B_PUBLIC public = { 0 };
	size_t at = 0, end = 0;
	TSS2_RC rc;

	if (!tpm_blob_split(blob, len, parts) ||
	    Tss2_MU_TPM2B_PUBLIC_Unmarshal(parts[0].data, parts[0].len, &at,
					   &public) || at != parts[0].len ||
	    Tss2_MU_TPM2B_PRIVATE_Unmarshal(parts[1].data, parts[1].len, &end,
					    &private) || end != parts[1].len)
		return boot_fail(-EBADMSG, "what the TPM has at 0x%x is nothing that was sealed: 'tpm2_nvundefine 0x%x' gives it up",
				 TPM_INDEX, TPM_INDEX);
	rc = Esys_Load(tpm->esys, tpm->parent, ESYS_TR_PASSWORD, ESYS_TR_NONE,
		       ESYS_TR_NONE, &private, &public, key);
	return !rc ? 0 : boot_fail(-EKEYREJECTED, "what is at 0x%x was not sealed by this TPM's key (0x%08x): is it another TPM, or was it cleared? 'tpm2_nvundefine 0x%x' gives the seed up, and all that it was for",
				   TPM_INDEX, rc, TPM_INDEX);
}

static int take(const TPM2B_SENSITIVE_DATA *data, uint8_t seed[DSTACK_KEY_SIZE])
{
	if (data->size != DSTACK_KEY_SIZE)
		return boot_fail(-EBADMSG, "the TPM's seed has %u bytes, not %d",
				 data->size, DSTACK_KEY_SIZE);
	memcpy(seed, data->buffer, DSTACK_KEY_SIZE);
	return 0;
}

static int open_loaded(struct tpm *tpm, ESYS_TR key,
		       uint8_t seed[DSTACK_KEY_SIZE])
{
	TPM2B_SENSITIVE_DATA *data;
	ESYS_TR session;
	int err = start_policy(tpm, &session);
	TSS2_RC rc;

	if (err)
		return err;
	rc = Esys_Unseal(tpm->esys, key, session, no, no, &data);
	Esys_FlushContext(tpm->esys, session);
	if (rc)
		return boot_fail(-EKEYREJECTED, "the TPM does not unseal (0x%08x): firmware, kernel or application are not those that the seed was sealed for, and only they get it; 'tpm2_nvundefine 0x%x' gives the seed up, and all that it was for",
				 rc, TPM_INDEX);
	err = take(data, seed);
	OPENSSL_cleanse(data, sizeof(*data));
	Esys_Free(data);
	return err;
}

int tpm_unseal(struct tpm *tpm, const uint8_t *blob, size_t len,
	       uint8_t seed[DSTACK_KEY_SIZE])
{
	ESYS_TR key;
	int err = tpm_parent(tpm) ?: load(tpm, blob, len, &key);

	if (err)
		return err;
	err = open_loaded(tpm, key, seed);
	Esys_FlushContext(tpm->esys, key);
	return err;
}
