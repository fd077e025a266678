// SPDX-License-Identifier: MIT
/*
 * Headers of LUKS2, read strictly
 *
 * Copyright The dstack for Linux authors
 *
 * The header lies on a disk that the host may write to.  It is taken as it was
 * read once, and only in the one form that is needed: whatever could make the
 * data be written in the clear, or with another key, or show that somebody
 * added a way in, is refused.  The format is that of the LUKS2 On-Disk Format
 * Specification, version 1.1.3.
 */
#include "lib.h"
#include "luks.h"

#include <endian.h>
#include <errno.h>
#include <jansson.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#define CIPHER		"aes-xts-plain64"
#define MAGIC		"LUKS\xba\xbe"
#define SECOND_MAGIC	"SKUL\xba\xbe"
#define VERSION		2
#define CSUM_SIZE	64
#define SHA256_SIZE	32
#define ITERATIONS_MIN	1000
#define STRIPES		4000
#define AF_STRIPES_HASH	"sha256"

/* The binary part, big-endian. */
struct binary {
	char magic[6];
	uint16_t version;
	uint64_t hdr_size;
	uint64_t seqid;
	char label[48];
	char csum_alg[32];
	uint8_t salt[64];
	char uuid[40];
	char subsystem[48];
	uint64_t hdr_offset;
	char __padding[184];
	uint8_t csum[CSUM_SIZE];
	char __padding4096[7 * 512];
} __attribute__((packed));

_Static_assert(sizeof(struct binary) == 4096, "as on the disk");

static int refuse(const char *what)
{
	dstack_message("the LUKS header is not one to trust: %s", what);
	return -EBADMSG;
}

static size_t size_of(const void *data, size_t len, const char *magic)
{
	const struct binary *binary = data;
	uint64_t size;

	if (len < sizeof(*binary) ||
	    memcmp(binary->magic, magic, sizeof(binary->magic)) ||
	    be16toh(binary->version) != VERSION) {
		refuse("it is none of LUKS2");
		return 0;
	}
	size = be64toh(binary->hdr_size);
	/* A power of two, of which there are nine. */
	if (size < LUKS_SIZE_MIN || size > LUKS_SIZE_MAX || size & (size - 1)) {
		refuse("no header has this size");
		return 0;
	}
	return size;
}

size_t dstack_luks_size(const void *data, size_t len)
{
	return size_of(data, len, MAGIC);
}

static bool zeros(const void *data, size_t len)
{
	const uint8_t *byte = data;

	while (len--)
		if (*byte++)
			return false;
	return true;
}

/* Of everything, the checksum itself as zeros. */
static int check_sum(const uint8_t *data, size_t size)
{
	const struct binary *binary = (const void *)data;
	const size_t at = offsetof(struct binary, csum);
	static const uint8_t none[CSUM_SIZE];
	uint8_t digest[SHA256_SIZE];
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	bool ok;

	ok = ctx && EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) &&
	     EVP_DigestUpdate(ctx, data, at) &&
	     EVP_DigestUpdate(ctx, none, sizeof(none)) &&
	     EVP_DigestUpdate(ctx, data + at + CSUM_SIZE,
			      size - at - CSUM_SIZE) &&
	     EVP_DigestFinal_ex(ctx, digest, NULL);
	EVP_MD_CTX_free(ctx);
	if (!ok)
		return -ENOMEM;
	return memcmp(digest, binary->csum, sizeof(digest)) ?
	       refuse("its checksum is wrong") : 0;
}

static int check_binary(const struct binary *binary, size_t offset)
{
	if (strncmp(binary->csum_alg, "sha256", sizeof(binary->csum_alg)) ||
	    !zeros(binary->csum + SHA256_SIZE, CSUM_SIZE - SHA256_SIZE))
		return refuse("its checksum is not of SHA-256");
	if (be64toh(binary->hdr_offset) != offset)
		return refuse("it says that it is somewhere else");
	if (!zeros(binary->label, sizeof(binary->label)) ||
	    !zeros(binary->subsystem, sizeof(binary->subsystem)))
		return refuse("it has a label or a subsystem");
	return 0;
}

static bool is(const json_t *object, const char *key, const char *text)
{
	const char *value = json_string_value(json_object_get(object, key));

	return value && !strcmp(value, text);
}

/* The only member of an object, which must be called "0". */
static json_t *only(const json_t *root, const char *key)
{
	json_t *object = json_object_get(root, key);

	return json_object_size(object) == 1 ? json_object_get(object, "0") :
					       NULL;
}

static bool is_empty(const json_t *object)
{
	return json_is_object(object) && !json_object_size(object);
}

/* Numbers of 64 bits are strings of digits in this JSON. */
static bool number(const json_t *object, const char *key, uint64_t *value)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text && libdstack_parse_u64(text, UINT64_MAX, value);
}

static int check_segment(const json_t *root, size_t header, struct luks *luks)
{
	const json_t *segment = only(root, "segments");
	uint64_t tweak;

	if (!segment || !is(segment, "type", "crypt"))
		return refuse("there is not one segment of type crypt");
	if (!is(segment, "encryption", CIPHER))
		return refuse("the cipher is not " CIPHER);
	if (json_object_get(segment, "integrity") ||
	    json_object_get(segment, "flags"))
		return refuse("the segment has integrity or flags");
	if (!is(segment, "size", "dynamic") ||
	    !number(segment, "iv_tweak", &tweak) || tweak)
		return refuse("the segment is not all that follows the header");
	luks->sector_size = json_integer_value(json_object_get(segment,
							       "sector_size"));
	if (luks->sector_size != 512 && luks->sector_size != 4096)
		return refuse("sectors have neither 512 nor 4096 bytes");
	if (!number(segment, "offset", &luks->offset) ||
	    luks->offset < 2 * header || luks->offset % 4096 ||
	    luks->offset > INT64_MAX)
		return refuse("the data begins nowhere sensible");
	return 0;
}

static int check_kdf(const json_t *kdf)
{
	json_int_t rounds = json_integer_value(json_object_get(kdf,
							       "iterations"));

	if (!is(kdf, "type", "pbkdf2") || !is(kdf, "hash", "sha256"))
		return refuse("the keyslot is not derived with PBKDF2 and SHA-256");
	return rounds < ITERATIONS_MIN ?
	       refuse("the keyslot is derived with too few rounds") : 0;
}

/* Behind both headers, and before the data, which was looked at already. */
static int check_area(const json_t *area, size_t header, struct luks *luks)
{
	if (!is(area, "type", "raw") || !is(area, "encryption", CIPHER))
		return refuse("the keyslot is not encrypted with " CIPHER);
	if (!number(area, "offset", &luks->area) ||
	    !number(area, "size", &luks->area_size) ||
	    luks->area < 2 * header || luks->area > luks->offset ||
	    luks->area_size > luks->offset - luks->area)
		return refuse("the keyslot is nowhere sensible");
	return 0;
}

static int check_keyslot(const json_t *root, size_t header, struct luks *luks)
{
	const json_t *slot = only(root, "keyslots"), *af, *area;

	if (!slot)
		return refuse("there is not one keyslot, but none or several");
	if (!is(slot, "type", "luks2") ||
	    json_integer_value(json_object_get(slot, "key_size")) !=
	    (json_int_t)LUKS_KEY_SIZE)
		return refuse("the keyslot is not of a key of 64 bytes");
	area = json_object_get(slot, "area");
	if (check_area(area, header, luks))
		return -EBADMSG;
	af = json_object_get(slot, "af");
	if (!is(af, "type", "luks1") || !is(af, "hash", AF_STRIPES_HASH) ||
	    json_integer_value(json_object_get(af, "stripes")) != STRIPES)
		return refuse("the keyslot is not spread as usual");
	return check_kdf(json_object_get(slot, "kdf"));
}

/* It says whose volume key it is; which we do not take from here. */
static int check_digest(const json_t *root)
{
	const json_t *digest = only(root, "digests");
	const json_t *slots = json_object_get(digest, "keyslots");
	const json_t *segments = json_object_get(digest, "segments");
	json_int_t rounds = json_integer_value(json_object_get(digest,
							       "iterations"));

	if (!digest || !is(digest, "type", "pbkdf2") ||
	    !is(digest, "hash", "sha256") || rounds < ITERATIONS_MIN)
		return refuse("there is not one digest of PBKDF2 and SHA-256");
	if (json_array_size(slots) != 1 || json_array_size(segments) != 1 ||
	    strcmp(json_string_value(json_array_get(slots, 0)) ?: "", "0") ||
	    strcmp(json_string_value(json_array_get(segments, 0)) ?: "", "0"))
		return refuse("the digest is not of the keyslot and the segment");
	return 0;
}

static int check_config(const json_t *root)
{
	const json_t *config = json_object_get(root, "config");

	if (!is_empty(json_object_get(root, "tokens")))
		return refuse("it has tokens");
	if (!json_is_object(config))
		return refuse("it has no config");
	if (json_object_get(config, "requirements") ||
	    json_object_get(config, "flags"))
		return refuse("it has flags or requirements, as while it is encrypted anew");
	return 0;
}

static int check_json(const char *text, size_t size, size_t header,
		      struct luks *luks)
{
	size_t len = strnlen(text, size);
	json_error_t error;
	json_t *root;
	int err;

	if (len == size || !zeros(text + len, size - len))
		return refuse("its JSON does not end");
	root = json_loadb(text, len, JSON_REJECT_DUPLICATES, &error);
	if (!root)
		return refuse("its JSON is malformed");
	/* These five, and no other. */
	err = json_object_size(root) != 5 ?
	      refuse("its JSON has other members than it should") :
	      check_config(root) ?: check_segment(root, header, luks) ?:
	      check_keyslot(root, header, luks) ?: check_digest(root);
	json_decref(root);
	return err;
}

/* Which is @offset bytes into the disk. */
static int check_at(const void *data, size_t size, size_t offset,
		    struct luks *luks)
{
	int err = check_sum(data, size) ?: check_binary(data, offset);

	if (err)
		return err;
	return check_json((const char *)data + sizeof(struct binary),
			  size - sizeof(struct binary), size, luks);
}

int dstack_luks_check(const void *data, size_t size, struct luks *luks)
{
	if (dstack_luks_size(data, size) != size)
		return -EBADMSG;
	return check_at(data, size, 0, luks);
}

/* It is as far from the beginning as each of them is long. */
static uint8_t *find_second(uint8_t *data, size_t len)
{
	const size_t magic = sizeof(SECOND_MAGIC) - 1;
	size_t at;

	for (at = LUKS_SIZE_MIN; at <= LUKS_SIZE_MAX && at <= len / 2; at *= 2)
		if (!memcmp(data + at, SECOND_MAGIC, magic))
			return size_of(data + at, at, SECOND_MAGIC) == at ?
				data + at : NULL;
	return NULL;
}

int dstack_luks_keep_checked(void *data, size_t len, struct luks *luks)
{
	size_t size = dstack_luks_size(data, len);
	uint8_t *second;

	if (size && size <= len / 2 && !dstack_luks_check(data, size, luks)) {
		memset((uint8_t *)data + size, 0, size);
		return 0;
	}
	second = find_second(data, len);
	if (!second)
		return -EBADMSG;
	size = second - (uint8_t *)data;
	if (check_at(second, size, size, luks))
		return -EBADMSG;
	dstack_message("the second LUKS header is taken, which is a good one");
	memset(data, 0, size);
	return 0;
}
