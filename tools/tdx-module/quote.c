// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) The dstack for Linux authors
 *
 * The quoting enclave: an attestation key, and what certifies it.
 *
 * A quote is header and TD report, signed by the attestation key; the key is
 * named in a report of the enclave, which the platform's key (PCK) signed;
 * the PCK's certificate chain comes along.
 */
#include "quote.h"

#include <endian.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <openssl/pem.h>

#include "crypto.h"
#include "platform.h"

#define CHAIN_MAX	8192

struct quoter {
	EVP_PKEY *attest;
	uint8_t attest_public[P256_RAW_SIZE];
	uint8_t auth[QUOTE_QE_AUTH_SIZE];
	struct sgx_report_body enclave;
	uint8_t enclave_signature[P256_RAW_SIZE];
	size_t chain_size;		/* the final NUL included */
	char chain[CHAIN_MAX];
};

/* Bytes appended to a bounded buffer; an overflow is kept until the end. */
struct writer {
	uint8_t *data;
	size_t size;
	size_t used;
	bool full;
};

static void put(struct writer *out, const void *data, size_t size)
{
	if (size > out->size - out->used) {
		out->full = true;
		return;
	}
	memcpy(out->data + out->used, data, size);
	out->used += size;
}

static void put_le16(struct writer *out, uint16_t value)
{
	value = htole16(value);
	put(out, &value, sizeof(value));
}

static void put_le32(struct writer *out, uint32_t value)
{
	value = htole32(value);
	put(out, &value, sizeof(value));
}

static FILE *open_in(const char *dir, const char *name)
{
	char path[4096];
	int len = snprintf(path, sizeof(path), "%s/%s", dir, name);

	if (len < 0 || (size_t)len >= sizeof(path)) {
		errno = ENAMETOOLONG;
		return NULL;
	}
	return fopen(path, "rb");
}

static int read_pck_key(const char *dir, EVP_PKEY **key)
{
	FILE *file = open_in(dir, PKI_PCK_KEY);

	if (!file)
		return -errno;
	*key = PEM_read_PrivateKey(file, NULL, NULL, NULL);
	fclose(file);
	return *key ? 0 : -EINVAL;
}

static int read_chain(struct quoter *quoter, const char *dir)
{
	FILE *file = open_in(dir, PKI_PCK_CHAIN);
	size_t got;

	if (!file)
		return -errno;
	got = fread(quoter->chain, 1, CHAIN_MAX, file);
	fclose(file);
	if (!got || got == CHAIN_MAX)
		return -EFBIG;
	/* Intel's service ends the chain with NUL; readers must cope. */
	quoter->chain[got] = '\0';
	quoter->chain_size = got + 1;
	return 0;
}

static void describe_enclave(struct quoter *quoter)
{
	static const uint8_t cpusvn[16] = PLATFORM_CPUSVN;
	static const uint8_t attributes[16] = PLATFORM_QE_ATTRIBUTES;
	static const char signer[] = PLATFORM_QE_SIGNER_LABEL;
	static const char enclave[] = PLATFORM_QE_ENCLAVE_LABEL;
	uint8_t named[P256_RAW_SIZE + QUOTE_QE_AUTH_SIZE];
	struct sgx_report_body *body = &quoter->enclave;

	memcpy(body->cpusvn, cpusvn, sizeof(cpusvn));
	memcpy(body->attributes, attributes, sizeof(attributes));
	sha256(enclave, sizeof(enclave) - 1, body->mrenclave);
	sha256(signer, sizeof(signer) - 1, body->mrsigner);
	body->isvprodid[0] = PLATFORM_QE_PRODID;
	body->isvsvn[0] = PLATFORM_QE_SVN;
	memcpy(named, quoter->attest_public, P256_RAW_SIZE);
	memcpy(named + P256_RAW_SIZE, quoter->auth, QUOTE_QE_AUTH_SIZE);
	sha256(named, sizeof(named), body->report_data);
}

static int make_attestation_key(struct quoter *quoter, EVP_PKEY *pck)
{
	quoter->attest = p256_generate();
	if (!quoter->attest ||
	    p256_public_raw(quoter->attest, quoter->attest_public))
		return -EIO;
	random_bytes(quoter->auth, sizeof(quoter->auth));
	describe_enclave(quoter);
	return p256_sign_raw(pck, &quoter->enclave, sizeof(quoter->enclave),
			     quoter->enclave_signature);
}

int quoter_open(struct quoter **result, const char *pki, const char **name)
{
	struct quoter *quoter = calloc(1, sizeof(*quoter));
	EVP_PKEY *pck = NULL;
	int err;

	*name = PKI_PCK_KEY;
	if (!quoter)
		return -ENOMEM;
	err = read_pck_key(pki, &pck);
	if (!err)
		err = make_attestation_key(quoter, pck);
	EVP_PKEY_free(pck);
	if (!err) {
		*name = PKI_PCK_CHAIN;
		err = read_chain(quoter, pki);
	}
	if (err) {
		quoter_close(quoter);
		return err;
	}
	*result = quoter;
	return 0;
}

void quoter_close(struct quoter *quoter)
{
	if (!quoter)
		return;
	EVP_PKEY_free(quoter->attest);
	free(quoter);
}

static void put_header(struct writer *out)
{
	static const uint8_t intel_qe_vendor[16] = {
		0x93, 0x9a, 0x72, 0x33, 0xf7, 0x9c, 0x4c, 0xa9,
		0x94, 0x0a, 0x0d, 0xb3, 0x95, 0x7f, 0x06, 0x07
	};
	struct tdx_quote_header header = {
		.version = { 4 },
		.att_key_type = { QUOTE_KEY_ECDSA_P256 },
		.tee_type = { TDX_TEE_TYPE },
	};

	memcpy(header.qe_vendor, intel_qe_vendor, sizeof(intel_qe_vendor));
	put(out, &header, sizeof(header));
}

static void put_body(struct writer *out, const struct tdx_report *report)
{
	struct tdx_quote_body body = { 0 };

	memcpy(body.tee_tcb_svn, report->tcb_svn, sizeof(body.tee_tcb_svn));
	memcpy(body.mrseam, report->tcb_mrseam, TDX_DIGEST);
	memcpy(body.mrsignerseam, report->tcb_mrsignerseam, TDX_DIGEST);
	memcpy(body.seamattributes, report->tcb_attributes, 8);
	memcpy(body.tdattributes, report->attributes, 8);
	memcpy(body.xfam, report->xfam, 8);
	memcpy(body.mrtd, report->mrtd, TDX_DIGEST);
	memcpy(body.mrconfigid, report->mrconfigid, TDX_DIGEST);
	memcpy(body.mrowner, report->mrowner, TDX_DIGEST);
	memcpy(body.mrownerconfig, report->mrownerconfig, TDX_DIGEST);
	memcpy(body.rtmr, report->rtmr, sizeof(body.rtmr));
	memcpy(body.report_data, report->report_data, TDX_REPORT_DATA);
	put(out, &body, sizeof(body));
}

/* Enclave report, its signature, what it names besides the key, the chain. */
static void put_certification(struct writer *out, const struct quoter *quoter)
{
	size_t inner = sizeof(quoter->enclave) + P256_RAW_SIZE +
		       2 + QUOTE_QE_AUTH_SIZE + 2 + 4 + quoter->chain_size;

	put_le16(out, QUOTE_CERT_QE_REPORT);
	put_le32(out, (uint32_t)inner);
	put(out, &quoter->enclave, sizeof(quoter->enclave));
	put(out, quoter->enclave_signature, P256_RAW_SIZE);
	put_le16(out, QUOTE_QE_AUTH_SIZE);
	put(out, quoter->auth, QUOTE_QE_AUTH_SIZE);
	put_le16(out, QUOTE_CERT_PCK_CHAIN);
	put_le32(out, (uint32_t)quoter->chain_size);
	put(out, quoter->chain, quoter->chain_size);
}

int quote_build(const struct quoter *quoter, const struct tdx_report *report,
		uint8_t *quote, size_t size)
{
	struct writer out = { .data = quote, .size = size };
	uint8_t signature[P256_RAW_SIZE];
	uint32_t signature_size;

	put_header(&out);
	put_body(&out, report);
	if (out.full)
		return -EMSGSIZE;
	if (p256_sign_raw(quoter->attest, quote, out.used, signature))
		return -EIO;
	put_le32(&out, 0);
	put(&out, signature, sizeof(signature));
	put(&out, quoter->attest_public, P256_RAW_SIZE);
	put_certification(&out, quoter);
	if (out.full)
		return -EMSGSIZE;
	signature_size = htole32((uint32_t)(out.used - QUOTE_SIGNATURE_OFFSET));
	memcpy(quote + QUOTE_SIGNED_SIZE, &signature_size,
	       sizeof(signature_size));
	return (int)out.used;
}
