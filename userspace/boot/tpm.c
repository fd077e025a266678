// SPDX-License-Identifier: MIT
/*
 * The TPM: a register, and the key over what is sealed
 *
 * Copyright The dstack for Linux authors
 *
 * By tpm2-tss, which speaks to it.  Who runs the TPM can do with it what he
 * likes; what is between it and us reads nothing and changes nothing.
 */
#include "tpm.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <tss2/tss2_tctildr.h>

/* Of a response code: of which handle, parameter or session it speaks. */
#define WHOSE_BITS	(TPM2_RC_P | TPM2_RC_N_MASK)

/* The owner's password is empty in a machine that is given to us. */
static const ESYS_TR no = ESYS_TR_NONE, owner = ESYS_TR_PASSWORD;

static const TPMT_SYM_DEF_OBJECT aes = {
	.algorithm = TPM2_ALG_AES, .keyBits.aes = 128,
	.mode.aes = TPM2_ALG_CFB,
};

int tpm_fail(TSS2_RC rc, const char *what)
{
	return boot_fail(-EIO, "the TPM can't %s (0x%08x, 'tpm2_rc_decode' explains it): key_provider 'tpm' needs one that is there, and whose owner has no password",
			 what, rc);
}

bool tpm_is_absent(TSS2_RC rc)
{
	return (rc & ~(TSS2_RC)WHOSE_BITS) == TPM2_RC_HANDLE;
}

int tpm_open(const char *tcti, struct tpm *tpm)
{
	TSS2_RC rc;

	*tpm = (struct tpm){ .parent = ESYS_TR_NONE };
	/* Messages are ours: what is absent is no error of the library. */
	if (setenv("TSS2_LOG", "all+none", 1))
		return -ENOMEM;
	rc = Tss2_TctiLdr_Initialize(tcti, &tpm->tcti);
	if (!rc)
		rc = Esys_Initialize(&tpm->esys, tpm->tcti, NULL);
	if (!rc)
		return 0;
	tpm_close(tpm);
	return boot_fail(-ENODEV, "can't reach a TPM at '%s' (0x%08x): has this machine one? --tpm names another",
			 tcti, rc);
}

void tpm_close(struct tpm *tpm)
{
	Esys_Finalize(&tpm->esys);
	Tss2_TctiLdr_Finalize(&tpm->tcti);
}

int tpm_pcr_read(struct tpm *tpm, uint8_t value[TPM_PCR_SIZE])
{
	const TPML_PCR_SELECTION wanted = { .count = 1, .pcrSelections = { {
		.hash = TPM2_ALG_SHA256, .sizeofSelect = 3,
		.pcrSelect = { 0, 1 << (TPM_PCR - 8), 0 } } } };
	TPML_PCR_SELECTION *got = NULL;
	TPML_DIGEST *values = NULL;
	TSS2_RC rc = Esys_PCR_Read(tpm->esys, no, no, no, &wanted, NULL, &got,
				   &values);
	int err = 0;

	if (rc)
		return tpm_fail(rc, "read a register");
	if (values->count == 1 && values->digests[0].size == TPM_PCR_SIZE)
		memcpy(value, values->digests[0].buffer, TPM_PCR_SIZE);
	else
		err = boot_fail(-EOPNOTSUPP, "the TPM has no registers of SHA-256 ('tpm2_pcrallocate' gives it some)");
	Esys_Free(got);
	Esys_Free(values);
	return err;
}

int tpm_pcr_extend(struct tpm *tpm, const uint8_t digest[TPM_PCR_SIZE])
{
	TPML_DIGEST_VALUES digests = {
		.count = 1, .digests[0].hashAlg = TPM2_ALG_SHA256,
	};
	TSS2_RC rc;

	memcpy(digests.digests[0].digest.sha256, digest, TPM_PCR_SIZE);
	rc = Esys_PCR_Extend(tpm->esys, ESYS_TR_PCR14, owner, no, no, &digests);
	return rc ? tpm_fail(rc, "extend a register") : 0;
}

int tpm_session(struct tpm *tpm, TPM2_SE type, ESYS_TR *session)
{
	static const TPMA_SESSION attributes = TPMA_SESSION_DECRYPT |
		TPMA_SESSION_ENCRYPT | TPMA_SESSION_CONTINUESESSION;
	const TPMT_SYM_DEF symmetric = {
		.algorithm = TPM2_ALG_AES, .keyBits.aes = 128,
		.mode.aes = TPM2_ALG_CFB,
	};
	TSS2_RC rc;

	rc = Esys_StartAuthSession(tpm->esys, tpm->parent, ESYS_TR_NONE,
				   no, no, no, NULL, type, &symmetric,
				   TPM2_ALG_SHA256, session);
	if (!rc)
		rc = Esys_TRSess_SetAttributes(tpm->esys, *session, attributes,
					       0xff);
	return rc ? tpm_fail(rc, "begin a session") : 0;
}

/* Whoever stored the key there: does it keep what it is given? */
static int check_parent(struct tpm *tpm)
{
	static const TPMA_OBJECT want = TPMA_OBJECT_RESTRICTED |
		TPMA_OBJECT_DECRYPT | TPMA_OBJECT_FIXEDTPM |
		TPMA_OBJECT_FIXEDPARENT;
	TPM2B_PUBLIC *public = NULL;
	TSS2_RC rc = Esys_ReadPublic(tpm->esys, tpm->parent, no, no, no,
				     &public, NULL, NULL);
	bool good;

	if (rc)
		return tpm_fail(rc, "read its key");
	good = (public->publicArea.objectAttributes & want) == want;
	Esys_Free(public);
	return good ? 0 : boot_fail(-EKEYREJECTED, "the TPM's key 0x%x is not one that keeps what it seals: remove it ('tpm2_evictcontrol'), and another is made",
				    TPM_PARENT);
}

static int make_parent(struct tpm *tpm)
{
	const TPM2B_PUBLIC template = { .publicArea = {
		.type = TPM2_ALG_ECC, .nameAlg = TPM2_ALG_SHA256,
		.objectAttributes = TPMA_OBJECT_RESTRICTED |
			TPMA_OBJECT_DECRYPT | TPMA_OBJECT_FIXEDTPM |
			TPMA_OBJECT_FIXEDPARENT | TPMA_OBJECT_USERWITHAUTH |
			TPMA_OBJECT_SENSITIVEDATAORIGIN | TPMA_OBJECT_NODA,
		.parameters.eccDetail = {
			.symmetric = aes, .curveID = TPM2_ECC_NIST_P256,
			.scheme.scheme = TPM2_ALG_NULL,
			.kdf.scheme = TPM2_ALG_NULL,
		},
	} };
	const TPM2B_SENSITIVE_CREATE sensitive = { 0 };
	const TPML_PCR_SELECTION none = { 0 };
	const TPM2B_DATA nothing = { 0 };
	ESYS_TR key;
	TSS2_RC rc;

	rc = Esys_CreatePrimary(tpm->esys, ESYS_TR_RH_OWNER, owner, no, no,
				&sensitive, &template, &nothing, &none, &key,
				NULL, NULL, NULL, NULL);
	if (rc)
		return tpm_fail(rc, "make a key");
	rc = Esys_EvictControl(tpm->esys, ESYS_TR_RH_OWNER, key, owner, no, no,
			       TPM_PARENT, &tpm->parent);
	Esys_FlushContext(tpm->esys, key);
	return rc ? tpm_fail(rc, "keep a key") : 0;
}

int tpm_parent(struct tpm *tpm)
{
	TSS2_RC rc;

	if (tpm->parent != ESYS_TR_NONE)
		return 0;
	rc = Esys_TR_FromTPMPublic(tpm->esys, TPM_PARENT, no, no, no,
				   &tpm->parent);
	if (tpm_is_absent(rc))
		return make_parent(tpm);
	return rc ? tpm_fail(rc, "find its key") : check_parent(tpm);
}
