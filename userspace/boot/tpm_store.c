// SPDX-License-Identifier: MIT
/*
 * Where the TPM keeps what was sealed
 *
 * Copyright The dstack for Linux authors
 *
 * It is written by one command: as a whole, or not at all.
 */
#include "tpm.h"

#include <errno.h>
#include <string.h>

#define PIECE	512	/* which every TPM reads at once */

static const ESYS_TR no = ESYS_TR_NONE, owner = ESYS_TR_PASSWORD;

/* -ENODATA: it is not there. */
static int find(struct tpm *tpm, ESYS_TR *index, size_t *size)
{
	TPM2B_NV_PUBLIC *public;
	TSS2_RC rc = Esys_TR_FromTPMPublic(tpm->esys, TPM_INDEX, no, no, no,
					   index);

	if (tpm_is_absent(rc))
		return -ENODATA;
	if (!rc)
		rc = Esys_NV_ReadPublic(tpm->esys, *index, no, no, no, &public,
					NULL);
	if (rc)
		return tpm_fail(rc, "look at what it keeps");
	*size = public->nvPublic.dataSize;
	Esys_Free(public);
	return 0;
}

int tpm_load(struct tpm *tpm, uint8_t blob[TPM_BLOB_MAX], size_t *len)
{
	TPM2B_MAX_NV_BUFFER *data;
	ESYS_TR index;
	size_t at, n;
	int err = find(tpm, &index, len);
	TSS2_RC rc;

	if (err)
		return err;
	if (*len > TPM_BLOB_MAX)
		return boot_fail(-EBADMSG, "what the TPM has at 0x%x is longer than anything that was sealed: who uses that index?",
				 TPM_INDEX);
	for (at = 0; at < *len; at += n) {
		n = *len - at < PIECE ? *len - at : PIECE;
		rc = Esys_NV_Read(tpm->esys, ESYS_TR_RH_OWNER, index, owner, no,
				  no, n, at, &data);
		/* Ended between making room for it and writing it. */
		if (rc == TPM2_RC_NV_UNINITIALIZED)
			return -ENODATA;
		if (rc)
			return tpm_fail(rc, "read what it keeps");
		if (data->size != n) {
			Esys_Free(data);
			return tpm_fail(TPM2_RC_FAILURE, "read what it keeps");
		}
		memcpy(blob + at, data->buffer, n);
		Esys_Free(data);
	}
	return 0;
}

static int define(struct tpm *tpm, size_t len, ESYS_TR *index)
{
	const TPM2B_NV_PUBLIC public = { .nvPublic = {
		.nvIndex = TPM_INDEX, .nameAlg = TPM2_ALG_SHA256,
		.attributes = TPMA_NV_OWNERREAD | TPMA_NV_OWNERWRITE,
		.dataSize = len,
	} };
	const TPM2B_AUTH none = { 0 };
	TSS2_RC rc;

	rc = Esys_NV_DefineSpace(tpm->esys, ESYS_TR_RH_OWNER, owner, no, no,
				 &none, &public, index);
	return rc ? tpm_fail(rc, "make room for a seed") : 0;
}

/* There is nothing in it: tpm_load() said so. */
static int make_room(struct tpm *tpm, size_t len, ESYS_TR *index)
{
	size_t size;
	int err = find(tpm, index, &size);
	TSS2_RC rc;

	if (err == -ENODATA)
		return define(tpm, len, index);
	if (err || size == len)
		return err;
	rc = Esys_NV_UndefineSpace(tpm->esys, ESYS_TR_RH_OWNER, *index, owner,
				   no, no);
	return rc ? tpm_fail(rc, "make room for a seed") :
		define(tpm, len, index);
}

int tpm_store(struct tpm *tpm, const uint8_t *blob, size_t len)
{
	TPM2B_MAX_NV_BUFFER data = { .size = len };
	ESYS_TR index;
	int err = make_room(tpm, len, &index);
	TSS2_RC rc;

	if (err)
		return err;
	memcpy(data.buffer, blob, len);
	rc = Esys_NV_Write(tpm->esys, ESYS_TR_RH_OWNER, index, owner, no, no,
			   &data, 0);
	return rc ? tpm_fail(rc, "keep a seed") : 0;
}
