/* SPDX-License-Identifier: MIT */
/*
 * Headers of LUKS2 as cryptsetup makes them, and others
 *
 * Copyright The dstack for Linux authors
 */
#ifndef LUKS_FIXTURE_H
#define LUKS_FIXTURE_H

#include <endian.h>
#include <openssl/sha.h>
#include <stdbool.h>
#include <string.h>

#include "../lib/luks.h"

#define LUKS_TEST_SIZE	16384U
#define LUKS_TEST_LEN	16777216U
#define LUKS_JSON(cipher, slots) \
	"{\"keyslots\":{" slots "},\"tokens\":{},\"segments\":{\"0\":{" \
	"\"type\":\"crypt\",\"offset\":\"16777216\",\"size\":\"dynamic\"," \
	"\"iv_tweak\":\"0\",\"encryption\":\"" cipher "\"," \
	"\"sector_size\":4096}},\"digests\":{\"0\":{\"type\":\"pbkdf2\"," \
	"\"keyslots\":[\"0\"],\"segments\":[\"0\"],\"hash\":\"sha256\"," \
	"\"iterations\":1000,\"salt\":\"\",\"digest\":\"\"}},\"config\":{" \
	"\"json_size\":\"12288\",\"keyslots_size\":\"16744448\"}}"
#define LUKS_SLOT(number, area) \
	"\"" number "\":{\"type\":\"luks2\",\"key_size\":64," \
	"\"af\":{\"type\":\"luks1\",\"stripes\":4000,\"hash\":\"sha256\"}," \
	"\"area\":{\"type\":\"raw\",\"offset\":\"" area "\"," \
	"\"size\":\"258048\",\"encryption\":\"aes-xts-plain64\"," \
	"\"key_size\":64},\"kdf\":{\"type\":\"pbkdf2\"," \
	"\"hash\":\"sha256\",\"iterations\":1000,\"salt\":\"\"}}"

/* As the specification has it: big-endian, with a checksum of all. */
static inline void luks_put(uint8_t *disk, bool second, uint64_t number,
			    const char *json)
{
	uint8_t *at = disk + (second ? LUKS_TEST_SIZE : 0);
	uint64_t offset = htobe64(second ? LUKS_TEST_SIZE : 0);
	uint64_t size = htobe64(LUKS_TEST_SIZE);

	memset(at, 0, LUKS_TEST_SIZE);
	memcpy(at, second ? "SKUL\xba\xbe" : "LUKS\xba\xbe", 6);
	at[7] = 2;
	number = htobe64(number);
	memcpy(at + 8, &size, 8);
	memcpy(at + 16, &number, 8);
	strcpy((char *)at + 72, "sha256");
	memcpy(at + 256, &offset, 8);
	strcpy((char *)at + 4096, json);
	SHA256(at, LUKS_TEST_SIZE, at + 448);
}

#endif /* LUKS_FIXTURE_H */
