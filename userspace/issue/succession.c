// SPDX-License-Identifier: MIT
/*
 * The roots of an epoch vouch for those of the next
 *
 * Copyright The dstack for Linux authors
 *
 * Both roots do: whoever checks signatures pins the one, whoever checks
 * certificates the other, app-compose.json's key_provider_id among them.
 */
#include "room.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>

#define CONTEXT		"dstack-kms-succession-v1:"
#define MESSAGE_SIZE	(sizeof(CONTEXT) - 1 + ISSUE_BE64_SIZE + \
			 AGENT_SECP256K1_SIZE + ISSUE_CA_HASH_SIZE)

/* What is signed: all lengths are fixed, so nothing needs a frame. */
static void write_message(const struct issue_succession *record,
			  uint8_t out[MESSAGE_SIZE])
{
	size_t len = strlen(CONTEXT);

	memcpy(out, CONTEXT, len);
	issue_put_be64(record->epoch, out + len);
	len += ISSUE_BE64_SIZE;
	memcpy(out + len, record->k256, sizeof(record->k256));
	len += sizeof(record->k256);
	memcpy(out + len, record->ca, sizeof(record->ca));
}

static int sign_by_ca(const struct issue *issue, const uint8_t *message,
		      struct issue_succession *record)
{
	uint8_t *made;
	size_t len;
	int err;

	err = libdstack_csr_sign(issue->ca[ISSUE_ROOT_CA].key, message,
				 MESSAGE_SIZE, &made, &len);
	if (err)
		return -EIO;
	if (len <= sizeof(record->ca_signature))
		memcpy(record->ca_signature, made, len);
	else
		err = -EIO;
	record->ca_signature_len = len;
	free(made);
	return err;
}

int issue_succession_make(const struct issue *issue, uint64_t epoch,
			  const struct issue_public *next,
			  struct issue_succession *record)
{
	const struct part spki = { next->ca, sizeof(next->ca) };
	uint8_t bytes[MESSAGE_SIZE];
	const struct part message = { bytes, sizeof(bytes) };
	int err;

	if (!epoch || !secp_is_public(next->k256, sizeof(next->k256)))
		return -EINVAL;
	*record = (struct issue_succession){ .epoch = epoch };
	memcpy(record->k256, next->k256, sizeof(record->k256));
	err = hash_parts(HASH_SHA256, &spki, 1, record->ca);
	if (err)
		return err;
	write_message(record, bytes);
	return issue_vouch(issue->roots->k256, &message, 1,
			   record->k256_signature) ?:
		sign_by_ca(issue, bytes, record);
}

/* What is signed names a key, or nobody can follow. */
static bool is_record(const struct issue_succession *record)
{
	return record->epoch &&
		secp_is_public(record->k256, sizeof(record->k256));
}

int issue_succession_check_k256(const struct issue_succession *record,
				const uint8_t root[AGENT_SECP256K1_SIZE])
{
	uint8_t bytes[MESSAGE_SIZE], digest[HASH_SIZE];
	const struct part message = { bytes, sizeof(bytes) };
	uint8_t signer[AGENT_SECP256K1_SIZE];
	int err;

	if (!is_record(record))
		return -EBADMSG;
	write_message(record, bytes);
	err = hash_parts(HASH_KECCAK256, &message, 1, digest) ?:
		secp_recover(record->k256_signature, digest, signer);
	if (err)
		return err == -EINVAL ? -EBADMSG : err;
	return memcmp(signer, root, sizeof(signer)) ? -EKEYREJECTED : 0;
}

static bool holds(const struct issue_succession *record, EVP_PKEY *key)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	uint8_t message[MESSAGE_SIZE];
	bool good;

	write_message(record, message);
	good = ctx &&
		EVP_DigestVerifyInit(ctx, NULL, EVP_sha256(), NULL, key) == 1 &&
		EVP_DigestVerify(ctx, record->ca_signature,
				 record->ca_signature_len, message,
				 sizeof(message)) == 1;
	EVP_MD_CTX_free(ctx);
	return good;
}

int issue_succession_check_ca(const struct issue_succession *record,
			      const uint8_t root[ISSUE_SPKI_SIZE])
{
	const uint8_t *p = root;
	EVP_PKEY *key;
	int err = -EINVAL;

	if (!is_record(record) || !record->ca_signature_len ||
	    record->ca_signature_len > sizeof(record->ca_signature))
		return -EBADMSG;
	key = d2i_PUBKEY(NULL, &p, ISSUE_SPKI_SIZE);
	if (key && p256_is(key))
		err = holds(record, key) ? 0 : -EKEYREJECTED;
	EVP_PKEY_free(key);
	ERR_clear_error();
	return err;
}
