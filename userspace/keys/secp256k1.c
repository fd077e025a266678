// SPDX-License-Identifier: MIT
/*
 * secp256k1, by libsecp256k1
 *
 * Copyright The dstack for Linux authors
 *
 * One context for all threads: the library only reads it once it is made.  It
 * is blinded with random bytes first, against whoever can time or listen, and
 * without them nothing is signed.  One for each call would cost another
 * multiplication each and be no better blinded.
 */
#include "primitives.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <pthread.h>
#include <secp256k1.h>
#include <secp256k1_recovery.h>
#include <string.h>

#define SEED_SIZE		32
#define UNCOMPRESSED_SIZE	65
#define TAG_EVEN		2
#define TAG_ODD			3
#define TAG_UNCOMPRESSED	4
#define RECOVERY_IDS		4

static pthread_once_t make_once = PTHREAD_ONCE_INIT;
static secp256k1_context *context;

static void make(void)
{
	secp256k1_context *made;
	uint8_t seed[SEED_SIZE];

	made = secp256k1_context_create(SECP256K1_CONTEXT_NONE);
	if (RAND_priv_bytes(seed, sizeof(seed)) == 1 &&
	    secp256k1_context_randomize(made, seed))
		context = made;
	else
		secp256k1_context_destroy(made);
	OPENSSL_cleanse(seed, sizeof(seed));
}

static const secp256k1_context *get_context(void)
{
	pthread_once(&make_once, make);
	return context;
}

static int write_public(const secp256k1_context *ctx,
			const secp256k1_pubkey *public,
			uint8_t out[AGENT_SECP256K1_SIZE])
{
	size_t len = AGENT_SECP256K1_SIZE;

	return secp256k1_ec_pubkey_serialize(ctx, out, &len, public,
					     SECP256K1_EC_COMPRESSED) ?
		0 : -EIO;
}

int secp_public(const uint8_t key[DSTACK_KEY_SIZE],
		uint8_t public[AGENT_SECP256K1_SIZE])
{
	const secp256k1_context *ctx = get_context();
	secp256k1_pubkey point;

	if (!ctx)
		return -EIO;
	if (!secp256k1_ec_pubkey_create(ctx, &point, key))
		return -EINVAL;
	return write_public(ctx, &point, public);
}

int secp_public_point(const uint8_t key[DSTACK_KEY_SIZE],
		      uint8_t point[SECP_POINT_SIZE])
{
	const secp256k1_context *ctx = get_context();
	uint8_t tagged[UNCOMPRESSED_SIZE];
	size_t len = sizeof(tagged);
	secp256k1_pubkey public;

	if (!ctx)
		return -EIO;
	if (!secp256k1_ec_pubkey_create(ctx, &public, key))
		return -EINVAL;
	if (!secp256k1_ec_pubkey_serialize(ctx, tagged, &len, &public,
					   SECP256K1_EC_UNCOMPRESSED))
		return -EIO;
	memcpy(point, tagged + 1, SECP_POINT_SIZE);
	return 0;
}

/*
 * The library's own nonces are those of RFC 6979 with SHA-256, and its s is in
 * the lower half: all that it can refuse is the key.
 */
int secp_sign(const uint8_t key[DSTACK_KEY_SIZE],
	      const uint8_t digest[HASH_SIZE],
	      uint8_t signature[AGENT_SIGNATURE_SIZE])
{
	const secp256k1_context *ctx = get_context();
	secp256k1_ecdsa_signature made;

	if (!ctx)
		return -EIO;
	if (!secp256k1_ecdsa_sign(ctx, &made, digest, key, NULL, NULL))
		return -EINVAL;
	return secp256k1_ecdsa_signature_serialize_compact(ctx, signature,
							   &made) ? 0 : -EIO;
}

int secp_sign_link(const uint8_t key[DSTACK_KEY_SIZE],
		   const uint8_t digest[HASH_SIZE],
		   uint8_t link[AGENT_LINK_SIZE])
{
	const secp256k1_context *ctx = get_context();
	secp256k1_ecdsa_recoverable_signature made;
	int id;

	if (!ctx)
		return -EIO;
	if (!secp256k1_ecdsa_sign_recoverable(ctx, &made, digest, key, NULL,
					      NULL))
		return -EINVAL;
	if (!secp256k1_ecdsa_recoverable_signature_serialize_compact(ctx, link,
								     &id,
								     &made))
		return -EIO;
	link[AGENT_SIGNATURE_SIZE] = id;
	return 0;
}

/* The library would take hybrid keys as well, which no upstream does. */
static bool parse_public(const secp256k1_context *ctx, const uint8_t *public,
			 size_t len, secp256k1_pubkey *out)
{
	bool form = len == AGENT_SECP256K1_SIZE ?
		public[0] == TAG_EVEN || public[0] == TAG_ODD :
		len == UNCOMPRESSED_SIZE && public[0] == TAG_UNCOMPRESSED;

	return form && secp256k1_ec_pubkey_parse(ctx, out, public, len);
}

bool secp_is_public(const uint8_t *public, size_t len)
{
	const secp256k1_context *ctx = get_context();
	secp256k1_pubkey point;

	return ctx && parse_public(ctx, public, len, &point);
}

bool secp_is_signature(const uint8_t signature[AGENT_SIGNATURE_SIZE])
{
	static const uint8_t zero[AGENT_SIGNATURE_SIZE / 2];
	const secp256k1_context *ctx = get_context();
	secp256k1_ecdsa_signature parsed;

	return ctx && memcmp(signature, zero, sizeof(zero)) &&
		memcmp(signature + sizeof(zero), zero, sizeof(zero)) &&
		secp256k1_ecdsa_signature_parse_compact(ctx, &parsed,
							signature);
}

int secp_verify(const uint8_t *public, size_t len,
		const uint8_t digest[HASH_SIZE],
		const uint8_t signature[AGENT_SIGNATURE_SIZE], bool *valid)
{
	const secp256k1_context *ctx = get_context();
	secp256k1_ecdsa_signature parsed;
	secp256k1_pubkey point;

	if (!ctx)
		return -EIO;
	if (!parse_public(ctx, public, len, &point) ||
	    !secp256k1_ecdsa_signature_parse_compact(ctx, &parsed, signature))
		return -EINVAL;
	*valid = secp256k1_ecdsa_verify(ctx, &parsed, digest, &point);
	return 0;
}

/* Two signatures of one statement would be two links: s has one form. */
static bool is_low(const secp256k1_context *ctx,
		   const secp256k1_ecdsa_recoverable_signature *signature)
{
	secp256k1_ecdsa_signature plain;

	return secp256k1_ecdsa_recoverable_signature_convert(ctx, &plain,
							     signature) &&
		!secp256k1_ecdsa_signature_normalize(ctx, NULL, &plain);
}

int secp_recover(const uint8_t link[AGENT_LINK_SIZE],
		 const uint8_t digest[HASH_SIZE],
		 uint8_t public[AGENT_SECP256K1_SIZE])
{
	const secp256k1_context *ctx = get_context();
	secp256k1_ecdsa_recoverable_signature parsed;
	int id = link[AGENT_SIGNATURE_SIZE];
	secp256k1_pubkey point;

	if (!ctx)
		return -EIO;
	if (id >= RECOVERY_IDS ||
	    !secp256k1_ecdsa_recoverable_signature_parse_compact(ctx, &parsed,
								 link, id) ||
	    !is_low(ctx, &parsed) ||
	    !secp256k1_ecdsa_recover(ctx, &point, &parsed, digest))
		return -EINVAL;
	return write_public(ctx, &point, public);
}
