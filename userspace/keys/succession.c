// SPDX-License-Identifier: MIT
/*
 * Is a root the successor of the one that is known
 *
 * Copyright The dstack for Linux authors
 *
 * Both roots of an epoch sign: whoever checks signatures pins the one, whoever
 * checks certificates the other, app-compose.json's key_provider_id among them.
 */
#include "succession.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509.h>
#include <string.h>

#include "p256.h"

#define BE64_SIZE	8

/* All lengths are fixed, so nothing needs a frame. */
void key_succession_message(const struct key_succession *record,
			    uint8_t out[KEY_SUCCESSION_MESSAGE_SIZE])
{
	size_t len = strlen(KEY_SUCCESSION_CONTEXT);
	int i;

	memcpy(out, KEY_SUCCESSION_CONTEXT, len);
	for (i = 0; i < BE64_SIZE; i++)
		out[len++] = record->epoch >> (8 * (BE64_SIZE - 1 - i));
	memcpy(out + len, record->k256, sizeof(record->k256));
	len += sizeof(record->k256);
	memcpy(out + len, record->ca, sizeof(record->ca));
}

int key_succession_name(struct key_succession *record, uint64_t epoch,
			const uint8_t k256[AGENT_SECP256K1_SIZE],
			const uint8_t ca[KEY_CA_SIZE])
{
	const struct part spki = { ca, KEY_CA_SIZE };

	record->epoch = epoch;
	memcpy(record->k256, k256, sizeof(record->k256));
	return hash_parts(HASH_SHA256, &spki, 1, record->ca);
}

/* What is signed names a key, or nobody can follow. */
static bool is_record(const struct key_succession *record)
{
	return record->epoch &&
		secp_is_public(record->k256, sizeof(record->k256));
}

int key_succession_check_k256(const struct key_succession *record,
			      const uint8_t root[AGENT_SECP256K1_SIZE])
{
	uint8_t bytes[KEY_SUCCESSION_MESSAGE_SIZE], digest[HASH_SIZE];
	const struct part message = { bytes, sizeof(bytes) };
	uint8_t signer[AGENT_SECP256K1_SIZE];
	int err;

	if (!is_record(record))
		return -EBADMSG;
	key_succession_message(record, bytes);
	err = hash_parts(HASH_KECCAK256, &message, 1, digest) ?:
		secp_recover(record->k256_signature, digest, signer);
	if (err)
		return err == -EINVAL ? -EBADMSG : err;
	return memcmp(signer, root, sizeof(signer)) ? -EKEYREJECTED : 0;
}

static bool holds(const struct key_succession *record, EVP_PKEY *key)
{
	uint8_t message[KEY_SUCCESSION_MESSAGE_SIZE];
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	bool good;

	key_succession_message(record, message);
	good = ctx &&
		EVP_DigestVerifyInit(ctx, NULL, EVP_sha256(), NULL, key) == 1 &&
		EVP_DigestVerify(ctx, record->ca_signature,
				 record->ca_signature_len, message,
				 sizeof(message)) == 1;
	EVP_MD_CTX_free(ctx);
	return good;
}

int key_succession_check_ca(const struct key_succession *record,
			    const uint8_t root[KEY_CA_SIZE])
{
	const uint8_t *p = root;
	EVP_PKEY *key;
	int err = -EINVAL;

	if (!is_record(record) || !record->ca_signature_len ||
	    record->ca_signature_len > sizeof(record->ca_signature))
		return -EBADMSG;
	key = d2i_PUBKEY(NULL, &p, KEY_CA_SIZE);
	if (key && p256_is(key))
		err = holds(record, key) ? 0 : -EKEYREJECTED;
	EVP_PKEY_free(key);
	ERR_clear_error();
	return err;
}

size_t key_succession_write(const struct key_succession *record,
			    uint8_t out[KEY_SUCCESSION_MAX])
{
	size_t len = sizeof(record->k256_signature);

	memcpy(out, record->k256_signature, len);
	memcpy(out + len, record->ca_signature, record->ca_signature_len);
	return len + record->ca_signature_len;
}

bool key_succession_read(const uint8_t *data, size_t len,
			 struct key_succession *record)
{
	size_t first = sizeof(record->k256_signature);

	if (len <= first || len > KEY_SUCCESSION_MAX)
		return false;
	memcpy(record->k256_signature, data, first);
	record->ca_signature_len = len - first;
	memcpy(record->ca_signature, data + first, record->ca_signature_len);
	return true;
}
