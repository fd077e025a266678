// SPDX-License-Identifier: MIT
/*
 * What keys are derived from: RFC 4231, RFC 5869, upstream's values, and ours
 *
 * Copyright The dstack for Linux authors
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <libdstack.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <stdlib.h>
#include <string.h>

#include "kdf.h"
#include "mac.h"

#define BYTES_MAX 256

struct bytes {
	size_t len;
	uint8_t data[BYTES_MAX];
};

static struct bytes hex(const char *text)
{
	struct bytes bytes = { .len = strlen(text) / 2 };

	assert_true(bytes.len <= BYTES_MAX);
	assert_true(libdstack_from_hex(text, strlen(text), bytes.data,
				       bytes.len));
	return bytes;
}

static struct dstack_mac *key_of(const void *data, size_t len)
{
	struct dstack_mac *mac;

	assert_int_equal(dstack_mac_alloc(data, len, &mac), 0);
	return mac;
}

static struct dstack_mac *extract(const void *salt, size_t salt_len,
				  const struct bytes *ikm)
{
	struct dstack_mac *mac = key_of(salt, salt_len), *prk;
	const struct dstack_bytes part = { ikm->data, ikm->len };
	uint8_t out[DSTACK_KEY_TAG_SIZE];

	assert_int_equal(dstack_mac(mac, &part, 1, out), 0);
	prk = key_of(out, sizeof(out));
	dstack_mac_free(mac);
	return prk;
}

/*
 * RFC 4231: key, data and tag of its cases; all but 5, which cuts the tag.
 */
static const struct mac_case {
	const char *key, *data, *tag;
} mac_cases[] = {
	{ "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", "4869205468657265",
	  "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7" },
	{ "4a656665",
	  "7768617420646f2079612077616e7420666f72206e6f7468696e673f",
	  "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843" },
	{ "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
	  "dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd",
	  "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe" },
	{ "0102030405060708090a0b0c0d0e0f10111213141516171819",
	  "cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd",
	  "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b" },
};

static const char long_data[] =
	"Test Using Larger Than Block-Size Key - Hash Key First";

static void check_tag(const struct dstack_mac *mac, const uint8_t *data,
		      size_t len, size_t cut, const char *tag)
{
	const struct dstack_bytes parts[] = {
		{ data, cut }, { data + cut, len - cut },
	};
	struct bytes want = hex(tag);
	uint8_t out[DSTACK_KEY_TAG_SIZE];

	assert_int_equal(dstack_mac(mac, parts, 2, out), 0);
	assert_memory_equal(out, want.data, sizeof(out));
}

static void hmac_is_that_of_rfc_4231_however_it_is_cut(void **state)
{
	uint8_t aa[131];
	struct dstack_mac *mac;
	size_t i, cut;

	(void)state;
	for (i = 0; i < sizeof(mac_cases) / sizeof(mac_cases[0]); i++) {
		struct bytes key = hex(mac_cases[i].key);
		struct bytes data = hex(mac_cases[i].data);

		mac = key_of(key.data, key.len);
		for (cut = 0; cut <= data.len; cut++)
			check_tag(mac, data.data, data.len, cut,
				  mac_cases[i].tag);
		dstack_mac_free(mac);
	}
	/* Case 6: a key that is hashed first. */
	memset(aa, 0xaa, sizeof(aa));
	mac = key_of(aa, sizeof(aa));
	check_tag(mac, (const uint8_t *)long_data, strlen(long_data), 7,
		  "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
	dstack_mac_free(mac);
}

/* Upstream's first derivation has the path alone as info: any expand is one. */
static void check_expand(struct dstack_mac *prk, const struct bytes *info,
			 const char *okm)
{
	struct dstack_key_name name = {
		.kind = DSTACK_KEY_ED25519, .scope = DSTACK_SCOPE_APP,
		.path_len = info->len,
	};
	struct bytes want = hex(okm);
	uint8_t out[DSTACK_KEY_SIZE_MAX];

	name.key_len = want.len;
	memcpy(name.path, info->data, info->len);
	assert_int_equal(dstack_kdf_expand(prk, &name, 1, NULL, out), 0);
	assert_memory_equal(out, want.data, want.len);
	dstack_mac_free(prk);
}

static struct bytes count_up(uint8_t from, size_t len)
{
	struct bytes bytes = { .len = len };
	size_t i;

	for (i = 0; i < len; i++)
		bytes.data[i] = from + i;
	return bytes;
}

/* Of case 2 the first two blocks, which is as much as a key may have. */
static void hkdf_is_that_of_rfc_5869(void **state)
{
	struct bytes ikm = hex("0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b");
	struct bytes none = { .len = 0 };
	struct bytes salt = count_up(0, 13), info = count_up(0xf0, 10);
	struct bytes long_ikm = count_up(0, 80), long_salt = count_up(0x60, 80);
	struct bytes long_info = count_up(0xb0, 80);

	(void)state;
	check_expand(extract(salt.data, salt.len, &ikm), &info,
		     "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865");
	check_expand(extract(long_salt.data, long_salt.len, &long_ikm),
		     &long_info,
		     "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c59045a99cac7827271cb41c65e590e09da3275600c2f09b8367793a9aca3db71");
	check_expand(extract(NULL, 0, &ikm), &none,
		     "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8");
}

static const char root_hex[] =
	"1a2b3c4d5e6f7a8b9c0d1e2f3a4b5c6d7e8f9a0b1c2d3e4f5a6b7c8d9e0f1a2b";

static void derive(const struct dstack_key_name *name, uint64_t epoch,
		   const uint8_t *blob, uint8_t out[DSTACK_KEY_SIZE_MAX])
{
	const struct dstack_bytes *salt =
		dstack_kdf_salt(dstack_kdf_salt_of(name));
	struct bytes root = hex(root_hex);
	struct dstack_mac *prk = extract(salt->data, salt->len, &root);

	assert_true(dstack_kdf_name_ok(name));
	assert_int_equal(dstack_kdf_expand(prk, name, epoch, blob, out), 0);
	dstack_mac_free(prk);
}

/* Values that upstream's own tests pin. */
static const struct upstream_case {
	bool v1;
	uint32_t kind;
	const char *path, *key;
} upstream_cases[] = {
	{ false, DSTACK_KEY_SECP256K1, "766d73",
	  "9db79b3fefe69f2a7b7efbc908c854bf845a629023361f2c9cb3db09fb99010f" },
	{ false, DSTACK_KEY_BYTES, "74657374",
	  "52786aa123b0971e283af97f32e25767483d099d66e6c40afeb3a49046b5379e" },
	{ true, DSTACK_KEY_SECP256K1, "",
	  "59f60584ce6fd2a3a31997256db9d77322463fc8a6b1520110401bcb1ee92387" },
	{ true, DSTACK_KEY_ED25519, "",
	  "b023493030669cf22e9cafa6a464d4cf3ae4edfe5474ec796710f21ea011946d" },
	{ true, DSTACK_KEY_SECP256K1, "73746f726167652d656e6372797074696f6e",
	  "5510330f86902ddae38c6d89c93a8408019332c17a429e1abd01c4a28d1544a6" },
	{ true, DSTACK_KEY_ED25519, "73746f726167652d656e6372797074696f6e",
	  "3c4c3ece12fa99ccb93fc0090877f80e70545fdd971e2ac93d3398c4684538d3" },
	{ true, DSTACK_KEY_SECP256K1, "612f622f63",
	  "7f0973449298085d2d36a3b4c4d3243c100ba1981ffa885fe9e9dee883e69538" },
	{ true, DSTACK_KEY_ED25519, "6b003a6579",
	  "42da8bf0b479ed125c370e3b91f982735bf08ff592abbd586985affa43ee96a1" },
};

static struct dstack_key_name app_key(const struct upstream_case *c)
{
	struct dstack_key_name name = {
		.kind = c->kind, .scope = DSTACK_SCOPE_APP, .v1 = c->v1,
		.key_len = DSTACK_KEY_SIZE,
	};
	struct bytes path = hex(c->path);

	name.path_len = path.len;
	memcpy(name.path, path.data, path.len);
	return name;
}

static void keys_of_the_app_are_upstreams(void **state)
{
	uint8_t key[DSTACK_KEY_SIZE_MAX];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(upstream_cases) / sizeof(upstream_cases[0]);
	     i++) {
		struct dstack_key_name name = app_key(&upstream_cases[i]);
		struct bytes want = hex(upstream_cases[i].key);

		/* Upstream has no epochs; the root has, and it changed. */
		derive(&name, i, NULL, key);
		assert_memory_equal(key, want.data, DSTACK_KEY_SIZE);
	}
}

/* Upstream's public key of v0 path "vms" as Ed25519. */
static void ed25519_seed_gives_upstreams_public_key(void **state)
{
	const struct upstream_case c = {
		false, DSTACK_KEY_ED25519, "766d73", ""
	};
	struct bytes want = hex("e4f6eb7b50267f586ba765766db7ca9487f1a506f6a49026ae09a1c605681bdb");
	struct dstack_key_name name = app_key(&c);
	uint8_t key[DSTACK_KEY_SIZE_MAX], public[DSTACK_KEY_SIZE];
	size_t len = sizeof(public);
	EVP_PKEY *pair;

	(void)state;
	derive(&name, 1, NULL, key);
	pair = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, key,
					    DSTACK_KEY_SIZE);
	assert_non_null(pair);
	assert_int_equal(EVP_PKEY_get_raw_public_key(pair, public, &len), 1);
	assert_memory_equal(public, want.data, sizeof(public));
	EVP_PKEY_free(pair);
}

/*
 * Our derivation once more, with OpenSSL's HKDF and the info as kdf.h has it.
 */

static void add(struct bytes *info, const void *data, size_t len)
{
	uint8_t be[] = { 0, 0, len >> 8, len };

	assert_true(info->len + sizeof(be) + len <= BYTES_MAX);
	memcpy(info->data + info->len, be, sizeof(be));
	if (len)
		memcpy(info->data + info->len + sizeof(be), data, len);
	info->len += sizeof(be) + len;
}

static void hkdf(const struct bytes *info, uint8_t *out, size_t len)
{
	EVP_KDF *kdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
	EVP_KDF_CTX *ctx = EVP_KDF_CTX_new(kdf);
	struct bytes root = hex(root_hex);
	char digest[] = "SHA256", salt[] = "dstack-key-v1";
	const OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest,
						 0),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY,
						  root.data, root.len),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SALT, salt,
						  strlen(salt)),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO,
						  (void *)info->data,
						  info->len),
		OSSL_PARAM_construct_end(),
	};

	assert_int_equal(EVP_KDF_derive(ctx, out, len, params), 1);
	EVP_KDF_CTX_free(ctx);
	EVP_KDF_free(kdf);
}

static struct dstack_key_name own_key(void)
{
	struct dstack_key_name name = {
		.kind = DSTACK_KEY_AEAD, .scope = DSTACK_SCOPE_CONTAINER,
		.key_len = DSTACK_KEY_SIZE, .path_len = 4, .purpose_len = 3,
		.path = "disk", .purpose = "tls",
	};

	memset(name.app_id, 0xa1, sizeof(name.app_id));
	memset(name.image, 0x17, sizeof(name.image));
	return name;
}

static void check_own(const struct dstack_key_name *name, const char *scope,
		      const char *kind, const uint8_t *blob)
{
	const uint8_t epoch[8] = { 0, 0, 0, 5, 0, 0, 0, 9 };
	const uint8_t key_len[4] = { 0, 0, 0, name->key_len };
	uint8_t want[DSTACK_KEY_SIZE_MAX], got[DSTACK_KEY_SIZE_MAX];
	struct bytes info = { .len = 0 };

	add(&info, "key", 3);
	add(&info, scope, strlen(scope));
	add(&info, kind, strlen(kind));
	add(&info, name->app_id, sizeof(name->app_id));
	add(&info, name->image,
	    name->scope == DSTACK_SCOPE_APP ? 0 : sizeof(name->image));
	add(&info, name->path, name->path_len);
	add(&info, name->purpose, name->purpose_len);
	add(&info, epoch, sizeof(epoch));
	add(&info, key_len, sizeof(key_len));
	add(&info, blob, blob ? DSTACK_KDF_BLOB_SIZE : 0);
	hkdf(&info, want, name->key_len);
	derive(name, 0x500000009, blob, got);
	assert_memory_equal(got, want, name->key_len);
}

static void our_keys_are_hkdf_of_what_is_documented(void **state)
{
	struct dstack_key_name name = own_key();
	uint8_t blob[DSTACK_KDF_BLOB_SIZE];

	(void)state;
	memset(blob, 0x5a, sizeof(blob));
	check_own(&name, "container", "aead", NULL);
	check_own(&name, "container", "aead", blob);
	name.kind = DSTACK_KEY_BYTES;
	for (name.key_len = DSTACK_KEY_SIZE_MIN;
	     name.key_len <= DSTACK_KEY_SIZE_MAX; name.key_len++)
		check_own(&name, "container", "bytes", NULL);
	name.key_len = DSTACK_KEY_SIZE;
	name.kind = DSTACK_KEY_SECP256K1;
	check_own(&name, "container", "secp256k1", NULL);
	name.kind = DSTACK_KEY_HMAC;
	name.scope = DSTACK_SCOPE_APP;
	name.purpose_len = 0;
	check_own(&name, "app", "hmac", NULL);
}

/*
 * No two contexts give one key.
 */

#define KEYS_MAX 64

struct keys {
	size_t nr;
	uint8_t key[KEYS_MAX][DSTACK_KEY_SIZE_MIN];
};

static void expect_new(struct keys *keys, const struct dstack_key_name *name,
		       uint64_t epoch, const uint8_t *blob)
{
	uint8_t out[DSTACK_KEY_SIZE_MAX];
	size_t i;

	derive(name, epoch, blob, out);
	assert_true(keys->nr < KEYS_MAX);
	for (i = 0; i < keys->nr; i++)
		assert_memory_not_equal(keys->key[i], out,
					DSTACK_KEY_SIZE_MIN);
	memcpy(keys->key[keys->nr++], out, DSTACK_KEY_SIZE_MIN);
}

/* "disktls" with the border between path and purpose anywhere. */
static void move_the_border(struct keys *keys)
{
	static const char text[] = "disktls";
	struct dstack_key_name name = own_key();
	size_t i, len = strlen(text);

	for (i = 0; i <= len; i++) {
		if (i == 4)	/* which is own_key() */
			continue;
		name.path_len = i;
		name.purpose_len = len - i;
		memcpy(name.path, text, i);
		memcpy(name.purpose, text + i, len - i);
		expect_new(keys, &name, 1, NULL);
	}
}

/* A purpose that is what would come behind a shorter one. */
static void imitate_the_rest(struct keys *keys)
{
	struct dstack_key_name name = own_key();
	struct bytes rest = { .len = 0 };
	const uint8_t epoch[8] = { 0, 0, 0, 0, 0, 0, 0, 1 };

	add(&rest, name.purpose, name.purpose_len);
	add(&rest, epoch, sizeof(epoch));
	name.purpose_len = rest.len;
	memcpy(name.purpose, rest.data, rest.len);
	expect_new(keys, &name, 1, NULL);
	name.path_len += name.purpose_len;
	memcpy(name.path + 4, rest.data, rest.len);
	name.purpose_len = 0;
	expect_new(keys, &name, 1, NULL);
}

static void change_each_part(struct keys *keys)
{
	const uint8_t zeros[DSTACK_KDF_BLOB_SIZE] = { 0 };
	struct dstack_key_name name = own_key();
	uint32_t kind;

	expect_new(keys, &name, 1, NULL);
	expect_new(keys, &name, 2, NULL);
	expect_new(keys, &name, 1ULL << 32, NULL);
	expect_new(keys, &name, 1, zeros);
	name.app_id[DSTACK_APP_ID_SIZE - 1] ^= 1;
	expect_new(keys, &name, 1, NULL);
	name = own_key();
	name.image[0] ^= 1;
	expect_new(keys, &name, 1, NULL);
	name = own_key();
	for (kind = DSTACK_KEY_BYTES; kind <= DSTACK_KEY_P256; kind <<= 1) {
		name.kind = kind;
		if (kind != DSTACK_KEY_AEAD)
			expect_new(keys, &name, 1, NULL);
	}
	/* A key is no beginning of a longer one. */
	name.kind = DSTACK_KEY_BYTES;
	name.key_len = DSTACK_KEY_SIZE_MIN;
	expect_new(keys, &name, 1, NULL);
	name.key_len = DSTACK_KEY_SIZE_MAX;
	expect_new(keys, &name, 1, NULL);
}

static void keys_of_the_app(struct keys *keys)
{
	struct dstack_key_name name = {
		.scope = DSTACK_SCOPE_APP, .key_len = DSTACK_KEY_SIZE,
		.path_len = 4, .path = "disk", .kind = DSTACK_KEY_AEAD,
	};

	expect_new(keys, &name, 1, NULL);
	name.kind = DSTACK_KEY_HMAC;
	expect_new(keys, &name, 1, NULL);
	name.kind = DSTACK_KEY_BYTES;
	expect_new(keys, &name, 1, NULL);
	name.kind = DSTACK_KEY_ED25519;
	name.v1 = true;
	expect_new(keys, &name, 1, NULL);
	name.kind = DSTACK_KEY_SECP256K1;
	expect_new(keys, &name, 1, NULL);
}

static void no_two_contexts_collide(void **state)
{
	struct keys keys = { .nr = 0 };

	(void)state;
	change_each_part(&keys);
	move_the_border(&keys);
	imitate_the_rest(&keys);
	keys_of_the_app(&keys);
}

/* What upstream makes of one path is one value for every kind it has. */
static void first_derivation_has_one_key_for_every_kind(void **state)
{
	struct upstream_case c = {
		false, DSTACK_KEY_BYTES, "766d73", upstream_cases[0].key
	};
	struct bytes want = hex(c.key);
	uint8_t key[DSTACK_KEY_SIZE_MAX];

	(void)state;
	for (; c.kind <= DSTACK_KEY_P256; c.kind <<= 1) {
		struct dstack_key_name name = app_key(&c);

		derive(&name, 1, NULL, key);
		assert_int_equal(!memcmp(key, want.data, DSTACK_KEY_SIZE),
				 c.kind != DSTACK_KEY_HMAC &&
				 c.kind != DSTACK_KEY_AEAD);
	}
}

static void root_is_named_without_being_told(void **state)
{
	const struct dstack_bytes *salt = dstack_kdf_salt(DSTACK_KDF_OWN);
	uint8_t id[DSTACK_KEY_ID_SIZE], want[DSTACK_KEY_SIZE];
	struct bytes root = hex(root_hex), info = { .len = 0 };
	struct dstack_mac *prk = extract(salt->data, salt->len, &root);

	(void)state;
	add(&info, "id", 2);
	hkdf(&info, want, sizeof(want));
	assert_int_equal(dstack_kdf_id(prk, id), 0);
	assert_memory_equal(id, want, sizeof(id));
	dstack_mac_free(prk);
}

/* What there is no key for. */
static void names_that_do_not_fit_together_are_refused(void **state)
{
	struct dstack_key_name good = own_key(), bad;
	size_t i;

#define BAD(change) do {			\
	bad = good;				\
	change;					\
	assert_false(dstack_kdf_name_ok(&bad));	\
} while (0)

	(void)state;
	assert_true(dstack_kdf_name_ok(&good));
	BAD(bad.kind = 0);
	BAD(bad.kind = DSTACK_KEY_HMAC | DSTACK_KEY_AEAD);
	for (i = 6; i < 32; i++)
		BAD(bad.kind = 1U << i);
	BAD(bad.scope = 0);
	BAD(bad.scope = __DSTACK_SCOPE_ALL);
	BAD(bad.scope = 4);
	BAD(bad.scope = DSTACK_SCOPE_APP);		/* with a purpose */
	BAD(bad.key_len = DSTACK_KEY_SIZE - 1);
	BAD(bad.key_len = DSTACK_KEY_SIZE + 1);
	BAD(bad.path_len = DSTACK_KEY_PATH_MAX + 1);
	BAD(bad.purpose_len = DSTACK_KEY_PURPOSE_MAX + 1);
	BAD(bad.v1 = true);				/* of a container */
	good.kind = DSTACK_KEY_BYTES;
	BAD(bad.key_len = DSTACK_KEY_SIZE_MIN - 1);
	BAD(bad.key_len = DSTACK_KEY_SIZE_MAX + 1);
	good.scope = DSTACK_SCOPE_APP;
	good.purpose_len = 0;
	assert_true(dstack_kdf_name_ok(&good));
	BAD(bad.key_len = DSTACK_KEY_SIZE_MIN - 1);
	BAD(bad.v1 = true);				/* of bytes */
	good.kind = DSTACK_KEY_P256;
	BAD(bad.v1 = true);
	good.kind = DSTACK_KEY_ED25519;
	good.v1 = true;
	assert_true(dstack_kdf_name_ok(&good));
#undef BAD
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hmac_is_that_of_rfc_4231_however_it_is_cut),
		cmocka_unit_test(hkdf_is_that_of_rfc_5869),
		cmocka_unit_test(keys_of_the_app_are_upstreams),
		cmocka_unit_test(ed25519_seed_gives_upstreams_public_key),
		cmocka_unit_test(our_keys_are_hkdf_of_what_is_documented),
		cmocka_unit_test(no_two_contexts_collide),
		cmocka_unit_test(first_derivation_has_one_key_for_every_kind),
		cmocka_unit_test(root_is_named_without_being_told),
		cmocka_unit_test(names_that_do_not_fit_together_are_refused),
	};

	return cmocka_run_group_tests_name("kdf", tests, NULL, NULL);
}
