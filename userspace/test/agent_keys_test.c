// SPDX-License-Identifier: MIT
/*
 * An application's keys: RFC 6979, RFC 8032, upstream's values, hostile clients
 *
 * Copyright The dstack for Linux authors
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "../keys/keys.h"
#include "agent_keys_fixture.h"

#define BELOW	"fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364140"
#define ABOVE	"fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364142"
#define ZERO	"0000000000000000000000000000000000000000000000000000000000000000"
#define ONE	"0000000000000000000000000000000000000000000000000000000000000001"
#define FULL	"ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"

static const char *why;

static bool verify(enum agent_algorithm algorithm, const struct bytes *data,
		   const struct bytes *signature, const struct bytes *public)
{
	const struct agent_signed what = {
		.algorithm = algorithm, .data = data->data, .len = data->len,
		.signature = signature->data, .signature_len = signature->len,
		.public_key = public->data, .public_len = public->len,
	};
	bool valid;

	assert_int_equal(agent_verify(&what, &valid, &why), 0);
	return valid;
}

static void assert_malformed(enum agent_algorithm algorithm,
			     const struct bytes *signature,
			     const struct bytes *public, const char *says)
{
	const struct agent_signed what = {
		.algorithm = algorithm, .data = "", .len = 0,
		.signature = signature->data, .signature_len = signature->len,
		.public_key = public->data, .public_len = public->len,
	};
	bool valid = true;

	assert_int_equal(agent_verify(&what, &valid, &why), -EINVAL);
	assert_false(valid);
	assert_non_null(strstr(why, says));
}

static struct bytes sign(enum agent_algorithm algorithm, const char *key,
			 const struct bytes *data)
{
	struct bytes secret = hex(key), out = { .len = AGENT_SIGNATURE_SIZE };

	assert_int_equal(agent_sign(algorithm, secret.data, data->data,
				    data->len, out.data, &why), 0);
	return out;
}

/*
 * Names.
 */

static void names_are_taken_where_upstream_takes_them(void **state)
{
	(void)state;
	assert_int_equal(agent_algorithm_of_key(""), AGENT_SECP256K1);
	assert_int_equal(agent_algorithm_of_key("k256"), AGENT_SECP256K1);
	assert_int_equal(agent_algorithm_of_key("secp256k1"), AGENT_SECP256K1);
	assert_int_equal(agent_algorithm_of_key("ed25519"), AGENT_ED25519);
	assert_int_equal(agent_algorithm_of_signature("k256"),
			 AGENT_SECP256K1);
	assert_int_equal(agent_algorithm_of_signature("secp256k1_prehashed"),
			 AGENT_SECP256K1_PREHASHED);
	assert_int_equal(agent_algorithm_of_v1("secp256k1"), AGENT_SECP256K1);
	assert_int_equal(agent_algorithm_of_v1("ed25519"), AGENT_ED25519);
}

static void names_are_refused_where_upstream_refuses_them(void **state)
{
	(void)state;
	assert_int_equal(agent_algorithm_of_key("secp256k1_prehashed"),
			 AGENT_UNSUPPORTED);
	assert_int_equal(agent_algorithm_of_key("rsa"), AGENT_UNSUPPORTED);
	assert_int_equal(agent_algorithm_of_key("Ed25519"), AGENT_UNSUPPORTED);
	assert_int_equal(agent_algorithm_of_signature(""), AGENT_UNSUPPORTED);
	assert_int_equal(agent_algorithm_of_v1(""), AGENT_UNSUPPORTED);
	assert_int_equal(agent_algorithm_of_v1("k256"), AGENT_UNSUPPORTED);
	assert_int_equal(agent_algorithm_of_v1("secp256k1_prehashed"),
			 AGENT_UNSUPPORTED);
}

static void unsupported_algorithm_is_upstreams_text(void **state)
{
	uint8_t key[DSTACK_KEY_SIZE] = { 1 }, signature[AGENT_SIGNATURE_SIZE];
	const struct agent_signed what = { .algorithm = AGENT_UNSUPPORTED };
	struct agent_public public;
	bool valid = true;

	(void)state;
	assert_int_equal(agent_sign(AGENT_UNSUPPORTED, key, "", 0, signature,
				    &why), -EINVAL);
	assert_string_equal(why, "Unsupported algorithm");
	assert_int_equal(agent_verify(&what, &valid, &why), -EINVAL);
	assert_string_equal(why, "Unsupported algorithm");
	assert_false(valid);
	assert_int_equal(agent_key_public(AGENT_UNSUPPORTED, key, &public),
			 -EINVAL);
}

/*
 * Public keys.
 */

static void public_keys_are_upstreams(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(key_cases) / sizeof(*key_cases); i++) {
		const struct key_case *c = &key_cases[i];
		struct bytes key = derive(APP_KEY, c), want = hex(c->public);
		struct agent_public public;

		if (c->key)
			assert_hex(key.data, key.len, c->key);
		assert_int_equal(agent_key_public(c->algorithm, key.data,
						  &public), 0);
		assert_int_equal(public.len, want.len);
		assert_memory_equal(public.bytes, want.data, want.len);
	}
}

static void scalar_that_is_no_key_is_refused(void **state)
{
	static const char *const none[] = { ZERO, ORDER, ABOVE, FULL };
	uint8_t signature[AGENT_SIGNATURE_SIZE];
	struct agent_public public;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(none) / sizeof(*none); i++) {
		struct bytes key = hex(none[i]), hash = hex(ONE);

		assert_int_equal(agent_key_public(AGENT_SECP256K1, key.data,
						  &public), -EINVAL);
		assert_int_equal(agent_sign(AGENT_SECP256K1, key.data, "", 0,
					    signature, &why), -EINVAL);
		assert_non_null(strstr(why, "another path"));
		assert_int_equal(agent_sign(AGENT_SECP256K1_PREHASHED,
					    key.data, hash.data, hash.len,
					    signature, &why), -EINVAL);
		/* Any 32 bytes are a key of Ed25519. */
		assert_int_equal(agent_key_public(AGENT_ED25519, key.data,
						  &public), 0);
	}
}

static void first_and_last_scalar_are_keys(void **state)
{
	struct bytes one = hex(ONE), last = hex(BELOW);
	struct agent_public public;

	(void)state;
	assert_int_equal(agent_key_public(AGENT_SECP256K1, one.data, &public),
			 0);
	assert_hex(public.bytes, public.len,
		   "0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798");
	assert_int_equal(agent_key_public(AGENT_SECP256K1, last.data, &public),
			 0);
	assert_hex(public.bytes, public.len,
		   "0379be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798");
}

static void report_data_of_keys_are_upstreams(void **state)
{
	static const char secp[] = "dip1::secp256k1c-pk:"
		"A6t_JdVkVdMAocH3f1f20WGT6JzdntxcXimUtEax8zc9";
	static const char ed[AGENT_REPORT_DATA_SIZE] =
		"dip1::ed25519-pk:5Pbre1Amf1hrp2V2bbfKlIfxpQb2pJAmrgmhxgVoG9s";
	uint8_t out[AGENT_REPORT_DATA_SIZE];
	struct bytes key = hex(VMS_KEY);
	struct agent_public public;

	(void)state;
	assert_int_equal(agent_key_public(AGENT_SECP256K1, key.data, &public),
			 0);
	assert_int_equal(agent_key_report_data(AGENT_SECP256K1, &public, out),
			 0);
	assert_memory_equal(out, secp, sizeof(out));
	assert_int_equal(agent_key_report_data(AGENT_ED25519, &public, out),
			 -EINVAL);
	assert_int_equal(agent_key_public(AGENT_ED25519, key.data, &public), 0);
	assert_int_equal(agent_key_report_data(AGENT_ED25519, &public, out), 0);
	assert_memory_equal(out, ed, sizeof(out));
}

/*
 * Signatures.
 */

/* As others have published them for the nonces of RFC 6979, with low s. */
static const struct rfc6979_case {
	const char *key, *signature, *text;
} rfc6979_cases[] = {
	{ ONE,
	  "934b1ea10a4b3c1757e2b0c017d0b6143ce3c9a7e6a4a49860d7a6ab210ee3d82442ce9d2b916064108014783e923ec36b49743e2ffa1c4496f01a512aafd9e5",
	  "Satoshi Nakamoto" },
	{ BELOW,
	  "fd567d121db66e382991534ada77a6bd3106f0a1098c231e47993447cd6af2d06b39cd0eb1bc8603e159ef5c20a5c8ad685a45b06ce9bebed3f153d10d93bed5",
	  "Satoshi Nakamoto" },
	{ "f8b8af8ce3c7cca5e300d33939540c10d45ce001b8f252bfbc57ba0342904181",
	  "7063ae83e7f62bbb171798131b4a0564b956930092b33b07b395615d9ec7e15c58dfcc1e00a35e1572f366ffe34ba0fc47db1e7189759b9fb233c5b05ab388ea",
	  "Alan Turing" },
};

static void secp256k1_signs_with_nonces_of_rfc_6979(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rfc6979_cases) / sizeof(*rfc6979_cases); i++) {
		const struct rfc6979_case *c = &rfc6979_cases[i];
		struct bytes data = text(c->text), hash = sha256(&data);
		struct bytes plain = sign(AGENT_SECP256K1, c->key, &data);
		struct bytes hashed = sign(AGENT_SECP256K1_PREHASHED, c->key,
					   &hash);
		struct bytes public = public_of(AGENT_SECP256K1, c->key);

		assert_hex(plain.data, plain.len, c->signature);
		assert_memory_equal(hashed.data, plain.data, plain.len);
		assert_true(verify(AGENT_SECP256K1, &data, &plain, &public));
		assert_true(verify(AGENT_SECP256K1_PREHASHED, &hash, &plain,
				   &public));
		assert_false(verify(AGENT_SECP256K1, &hash, &plain, &public));
	}
}

/* RFC 8032, 7.1: tests 1 to 3 and that of "abc" hashed. */
static const struct rfc8032_case {
	const char *key, *data, *signature, *public;
} rfc8032_cases[] = {
	{ "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
	  "",
	  "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
	  "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a" },
	{ "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
	  "72",
	  "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
	  "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c" },
	{ "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
	  "af82",
	  "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
	  "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025" },
	{ "833fe62409237b9d62ec77587520911e9a759cec1d19755b7da901b96dca3d42",
	  "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
	  "dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b58909351fc9ac90b3ecfdfbc7c66431e0303dca179c138ac17ad9bef1177331a704",
	  "ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf" },
};

static void ed25519_signs_as_in_rfc_8032(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rfc8032_cases) / sizeof(*rfc8032_cases); i++) {
		const struct rfc8032_case *c = &rfc8032_cases[i];
		struct bytes data = hex(c->data), public;
		struct bytes signature = sign(AGENT_ED25519, c->key, &data);

		public = public_of(AGENT_ED25519, c->key);
		assert_hex(public.data, public.len, c->public);
		assert_hex(signature.data, signature.len, c->signature);
		assert_true(verify(AGENT_ED25519, &data, &signature, &public));
	}
}

/* Protobuf has no bytes where a field is empty. */
static void nothing_at_all_is_signed_and_verified(void **state)
{
	static const enum agent_algorithm all[] = {
		AGENT_SECP256K1, AGENT_ED25519
	};
	uint8_t signature[AGENT_SIGNATURE_SIZE];
	struct bytes key = hex(VMS_KEY);
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(all) / sizeof(*all); i++) {
		struct bytes public = public_of(all[i], VMS_KEY);
		const struct agent_signed what = {
			.algorithm = all[i], .signature = signature,
			.signature_len = sizeof(signature),
			.public_key = public.data, .public_len = public.len,
		};
		bool valid;

		assert_int_equal(agent_sign(all[i], key.data, NULL, 0,
					    signature, &why), 0);
		assert_int_equal(agent_verify(&what, &valid, &why), 0);
		assert_true(valid);
	}
}

static void hash_of_another_length_is_not_signed(void **state)
{
	uint8_t signature[AGENT_SIGNATURE_SIZE], data[64] = { 0 };
	struct bytes key = hex(VMS_KEY);
	size_t len;

	(void)state;
	for (len = 0; len <= sizeof(data); len++) {
		int want = len == AGENT_PREHASHED_SIZE ? 0 : -EINVAL;

		assert_int_equal(agent_sign(AGENT_SECP256K1_PREHASHED,
					    key.data, data, len, signature,
					    &why), want);
		if (want)
			assert_non_null(strstr(why, "exactly 32 bytes"));
	}
}

/* The bytes [@from, 32) of a hash that begins with zeros, and @more behind. */
static bool verify_cut(size_t from, size_t more)
{
	struct bytes hash = hex("0000000000000000000000000000000001020304050607080910111213141516");
	struct bytes signature = sign(AGENT_SECP256K1_PREHASHED, VMS_KEY,
				      &hash);
	struct bytes public = public_of(AGENT_SECP256K1, VMS_KEY);
	struct bytes data = { .len = 32 - from + more };

	memcpy(data.data, hash.data + from, 32 - from);
	memset(data.data + 32 - from, 0x5a, more);
	return verify(AGENT_SECP256K1_PREHASHED, &data, &signature, &public);
}

static void cut_hash_is_verified_as_upstream_does(void **state)
{
	size_t n;

	(void)state;
	for (n = 0; n <= 16; n++)
		assert_true(verify_cut(n, 0));
	for (n = 17; n <= 32; n++)
		assert_false(verify_cut(n, 0));
	for (n = 1; n <= 64; n++)
		assert_true(verify_cut(0, n));
	assert_false(verify_cut(1, 1));
}

static void each_flipped_bit_is_noticed(enum agent_algorithm algorithm)
{
	struct bytes data = text("what was signed");
	struct bytes public = public_of(algorithm, VMS_KEY);
	struct bytes signature = sign(algorithm, VMS_KEY, &data);
	size_t i;

	for (i = 0; i < 8 * data.len; i++) {
		struct bytes changed = flip(&data, i);

		assert_false(verify(algorithm, &changed, &signature, &public));
	}
	for (i = 0; i < 8 * signature.len; i++) {
		struct bytes changed = flip(&signature, i);

		assert_false(verify(algorithm, &data, &changed, &public));
	}
}

static void flipped_bits_do_not_verify(void **state)
{
	(void)state;
	each_flipped_bit_is_noticed(AGENT_SECP256K1);
	each_flipped_bit_is_noticed(AGENT_ED25519);
}

/* It is then another key, or none. */
static void flipped_bits_of_public_keys_do_not_verify(void **state)
{
	static const enum agent_algorithm all[] = {
		AGENT_SECP256K1, AGENT_ED25519
	};
	struct bytes data = text("what was signed");
	size_t i, j;

	(void)state;
	for (i = 0; i < sizeof(all) / sizeof(*all); i++) {
		struct bytes public = public_of(all[i], VMS_KEY);
		struct bytes signature = sign(all[i], VMS_KEY, &data);

		for (j = 0; j < 8 * public.len; j++) {
			struct bytes changed = flip(&public, j);
			const struct agent_signed what = {
				.algorithm = all[i], .data = data.data,
				.len = data.len, .signature = signature.data,
				.signature_len = signature.len,
				.public_key = changed.data,
				.public_len = changed.len,
			};
			bool valid = true;

			if (agent_verify(&what, &valid, &why))
				assert_non_null(strstr(why, "public key"));
			assert_false(valid);
		}
	}
}

static void high_s_does_not_verify_and_is_no_error(void **state)
{
	struct bytes data = text("what was signed");
	struct bytes public = public_of(AGENT_SECP256K1, VMS_KEY);
	struct bytes low = sign(AGENT_SECP256K1, VMS_KEY, &data);
	struct bytes high = high_s(low);

	(void)state;
	assert_true(verify(AGENT_SECP256K1, &data, &low, &public));
	assert_false(verify(AGENT_SECP256K1, &data, &high, &public));
}

static void malformed_signatures_are_errors(void **state)
{
	static const char *const none[] = {
		ZERO ONE, ONE ZERO, ORDER ONE, ONE ORDER, FULL FULL, ONE,
		ONE ONE "00", ""
	};
	struct bytes secp = public_of(AGENT_SECP256K1, VMS_KEY);
	struct bytes ed = public_of(AGENT_ED25519, VMS_KEY);
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(none) / sizeof(*none); i++) {
		struct bytes signature = hex(none[i]);

		assert_malformed(AGENT_SECP256K1, &signature, &secp,
				 "the signature is none");
		assert_malformed(AGENT_SECP256K1_PREHASHED, &signature, &secp,
				 "the signature is none");
		if (signature.len != AGENT_SIGNATURE_SIZE)
			assert_malformed(AGENT_ED25519, &signature, &ed,
					 "the signature is none");
	}
}

#define GX	"79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798"
#define GY	"483ada7726a3c4655da4fbfc0e1108a8fd17b448a68554199c47d08ffb10d4b8"

static void malformed_secp256k1_keys_are_errors(void **state)
{
	static const char *const none[] = {
		"", "02", "04" GX, "00" GX, "05" GX, "02" FULL, "02" ZERO,
		"02" GX "00", "03", "06" GX GY, "07" GX GY, "04" GX GX,
		"02" GX GY, "04" GX GY "00", GX, "00"
	};
	struct bytes signature = hex(ONE ONE);
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(none) / sizeof(*none); i++) {
		struct bytes public = hex(none[i]);

		assert_malformed(AGENT_SECP256K1, &signature, &public,
				 "the public key is no point");
	}
}

static void uncompressed_secp256k1_keys_verify(void **state)
{
	struct bytes data = text("Satoshi Nakamoto");
	struct bytes signature = hex(rfc6979_cases[0].signature);
	struct bytes public = hex("04" GX GY);

	(void)state;
	assert_true(verify(AGENT_SECP256K1, &data, &signature, &public));
}

/*
 * Half of all numbers are the y of a point.  y = 2 is none; 0, 1 and -1 are;
 * those from 2^255 - 19 on are taken for what they are modulo that, as upstream
 * does.
 */
static void malformed_ed25519_keys_are_errors(void **state)
{
	static const char *const keys[] = {
		ZERO,
		"0100000000000000000000000000000000000000000000000000000000000000",
		"0100000000000000000000000000000000000000000000000000000000000080",
		"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	};
	static const char *const none[] = {
		"", "00", ZERO "00",
		"0200000000000000000000000000000000000000000000000000000000000000",
		"0200000000000000000000000000000000000000000000000000000000000080",
		"efffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	};
	struct bytes signature = hex(ONE FULL), data = text("x");
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(none) / sizeof(*none); i++) {
		struct bytes public = hex(none[i]);

		assert_malformed(AGENT_ED25519, &signature, &public,
				 "the public key is none");
	}
	for (i = 0; i < sizeof(keys) / sizeof(*keys); i++) {
		struct bytes public = hex(keys[i]);

		assert_false(verify(AGENT_ED25519, &data, &signature,
				    &public));
	}
}

/* Each key that there is, is a point; of random bytes half are. */
static void every_ed25519_key_is_a_point(void **state)
{
	struct bytes data = text("x"), seed = hex(ONE), garbage = hex(FULL);
	size_t i, points = 0;

	(void)state;
	for (i = 0; i < 512; i++) {
		char key[2 * DSTACK_KEY_SIZE + 1];
		struct bytes public, signature;
		bool valid;

		seed = sha256(&seed);
		libdstack_to_hex(seed.data, seed.len, key);
		public = public_of(AGENT_ED25519, key);
		signature = sign(AGENT_ED25519, key, &data);
		assert_true(verify(AGENT_ED25519, &data, &signature, &public));
		garbage = sha256(&garbage);
		points += !agent_verify(&(const struct agent_signed){
			AGENT_ED25519, data.data, data.len, signature.data,
			garbage.data, signature.len, garbage.len
		}, &valid, &why);
	}
	assert_in_range(points, 200, 312);
}

/*
 * Threads.
 */

#define THREADS	8

static void *sign_often(void *arg)
{
	const struct rfc6979_case *c = &rfc6979_cases[0];
	struct bytes data = text(c->text), want = hex(c->signature);
	unsigned int i;

	for (i = 0; i < 50; i++) {
		struct bytes made = sign(AGENT_SECP256K1, c->key, &data);

		if (memcmp(made.data, want.data, want.len))
			return arg;
	}
	return NULL;
}

static void threads_sign_at_the_same_time(void **state)
{
	pthread_t threads[THREADS];
	void *wrong;
	size_t i;

	(void)state;
	for (i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, sign_often,
						threads), 0);
	for (i = 0; i < THREADS; i++) {
		pthread_join(threads[i], &wrong);
		assert_null(wrong);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(threads_sign_at_the_same_time),
		cmocka_unit_test(names_are_taken_where_upstream_takes_them),
		cmocka_unit_test(names_are_refused_where_upstream_refuses_them),
		cmocka_unit_test(unsupported_algorithm_is_upstreams_text),
		cmocka_unit_test(public_keys_are_upstreams),
		cmocka_unit_test(scalar_that_is_no_key_is_refused),
		cmocka_unit_test(first_and_last_scalar_are_keys),
		cmocka_unit_test(report_data_of_keys_are_upstreams),
		cmocka_unit_test(secp256k1_signs_with_nonces_of_rfc_6979),
		cmocka_unit_test(ed25519_signs_as_in_rfc_8032),
		cmocka_unit_test(nothing_at_all_is_signed_and_verified),
		cmocka_unit_test(hash_of_another_length_is_not_signed),
		cmocka_unit_test(cut_hash_is_verified_as_upstream_does),
		cmocka_unit_test(flipped_bits_do_not_verify),
		cmocka_unit_test(flipped_bits_of_public_keys_do_not_verify),
		cmocka_unit_test(high_s_does_not_verify_and_is_no_error),
		cmocka_unit_test(malformed_signatures_are_errors),
		cmocka_unit_test(malformed_secp256k1_keys_are_errors),
		cmocka_unit_test(uncompressed_secp256k1_keys_verify),
		cmocka_unit_test(malformed_ed25519_keys_are_errors),
		cmocka_unit_test(every_ed25519_key_is_a_point),
	};

	return cmocka_run_group_tests_name("agent_keys", tests, NULL, NULL);
}
