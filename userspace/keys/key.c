// SPDX-License-Identifier: MIT
/*
 * What is done with one key, whatever its algorithm
 *
 * Copyright The dstack for Linux authors
 */
#include "primitives.h"

#include <errno.h>
#include <openssl/evp.h>
#include <string.h>

#define DIGEST_MIN	16	/* of Verify */
#define BASE64_LEN(n)	(((n) + 2) / 3 * 4)

int agent_key_public(enum agent_algorithm algorithm,
		     const uint8_t key[DSTACK_KEY_SIZE],
		     struct agent_public *public)
{
	memset(public, 0, sizeof(*public));
	switch (algorithm) {
	case AGENT_SECP256K1:
	case AGENT_SECP256K1_PREHASHED:
		public->len = AGENT_SECP256K1_SIZE;
		return secp_public(key, public->bytes);
	case AGENT_ED25519:
		public->len = AGENT_ED25519_SIZE;
		return ed_public(key, public->bytes);
	default:
		return -EINVAL;
	}
}

/* Of the alphabet that URLs can have, and without what fills up at the end. */
static void to_base64url(const struct agent_public *public, char *out)
{
	size_t i, digits = (8 * public->len + 5) / 6;

	EVP_EncodeBlock((unsigned char *)out, public->bytes, public->len);
	for (i = 0; i < digits; i++)
		out[i] = out[i] == '+' ? '-' : out[i] == '/' ? '_' : out[i];
	out[digits] = '\0';
}

int agent_key_report_data(enum agent_algorithm algorithm,
			  const struct agent_public *public,
			  uint8_t out[AGENT_REPORT_DATA_SIZE])
{
	bool ed = algorithm == AGENT_ED25519;
	char key[BASE64_LEN(AGENT_SECP256K1_SIZE) + 1] = "";
	char text[AGENT_REPORT_DATA_SIZE + 1] = "";

	if (algorithm == AGENT_UNSUPPORTED ||
	    public->len != (ed ? AGENT_ED25519_SIZE : AGENT_SECP256K1_SIZE))
		return -EINVAL;
	to_base64url(public, key);
	snprintf(text, sizeof(text), "dip1::%s-pk:%s",
		 ed ? "ed25519" : "secp256k1c", key);
	memcpy(out, text, AGENT_REPORT_DATA_SIZE);
	return 0;
}

static int refuse(const char **why, const char *text)
{
	*why = text;
	return -EINVAL;
}

static int sign_secp(const uint8_t key[DSTACK_KEY_SIZE],
		     const uint8_t digest[HASH_SIZE],
		     uint8_t signature[AGENT_SIGNATURE_SIZE], const char **why)
{
	int err = secp_sign(key, digest, signature);

	return err == -EINVAL ?
		refuse(why, "the key is none of secp256k1: take another path") :
		err;
}

int agent_sign(enum agent_algorithm algorithm,
	       const uint8_t key[DSTACK_KEY_SIZE], const void *data, size_t len,
	       uint8_t signature[AGENT_SIGNATURE_SIZE], const char **why)
{
	const struct part part = { data, len };
	uint8_t digest[HASH_SIZE];
	int err;

	*why = "the signature could not be made";
	switch (algorithm) {
	case AGENT_SECP256K1:
		err = hash_parts(HASH_SHA256, &part, 1, digest);
		return err ?: sign_secp(key, digest, signature, why);
	case AGENT_SECP256K1_PREHASHED:
		if (len != AGENT_PREHASHED_SIZE)
			return refuse(why, "secp256k1_prehashed signs a hash of exactly 32 bytes");
		return sign_secp(key, data, signature, why);
	case AGENT_ED25519:
		return ed_sign(key, data, len, signature);
	default:
		return refuse(why, AGENT_UNSUPPORTED_TEXT);
	}
}

/*
 * What upstream takes a hash for: the first 32 bytes of a longer one, a shorter
 * one with zeros before it, and none of less than 16.
 */
static bool take_digest(const struct agent_signed *what,
			uint8_t digest[HASH_SIZE])
{
	size_t len = what->len < HASH_SIZE ? what->len : HASH_SIZE;

	if (len < DIGEST_MIN)
		return false;
	memset(digest, 0, HASH_SIZE - len);
	memcpy(digest + HASH_SIZE - len, what->data, len);
	return true;
}

static int verify_secp(const struct agent_signed *what, bool *valid,
		       const char **why)
{
	const struct part part = { what->data, what->len };
	uint8_t digest[HASH_SIZE];
	int err = 0;

	if (!secp_is_public(what->public_key, what->public_len))
		return refuse(why, "the public key is no point of secp256k1: want 33 bytes, or 65");
	if (what->signature_len != AGENT_SIGNATURE_SIZE ||
	    !secp_is_signature(what->signature))
		return refuse(why, "the signature is none of secp256k1: want the 64 bytes of r and s");
	if (what->algorithm == AGENT_SECP256K1)
		err = hash_parts(HASH_SHA256, &part, 1, digest);
	else if (!take_digest(what, digest))
		return 0;
	return err ?: secp_verify(what->public_key, what->public_len, digest,
				  what->signature, valid);
}

static int verify_ed(const struct agent_signed *what, bool *valid,
		     const char **why)
{
	if (!ed_is_public(what->public_key, what->public_len))
		return refuse(why, "the public key is none of ed25519: want the 32 bytes of a point");
	if (what->signature_len != AGENT_SIGNATURE_SIZE)
		return refuse(why, "the signature is none of ed25519: want 64 bytes");
	return ed_verify(what->public_key, what->data, what->len,
			 what->signature, valid);
}

int agent_verify(const struct agent_signed *what, bool *valid,
		 const char **why)
{
	*valid = false;
	*why = "the signature could not be verified";
	switch (what->algorithm) {
	case AGENT_SECP256K1:
	case AGENT_SECP256K1_PREHASHED:
		return verify_secp(what, valid, why);
	case AGENT_ED25519:
		return verify_ed(what, valid, why);
	default:
		return refuse(why, AGENT_UNSUPPORTED_TEXT);
	}
}
