/* SPDX-License-Identifier: MIT */
/*
 * Reports of Azure's paravisor that tests make themselves
 *
 * Copyright The dstack for Linux authors
 */
#ifndef AZURE_FIXTURE_H
#define AZURE_FIXTURE_H

#include <libdstack_azure.h>
#include <openssl/sha.h>
#include <stdio.h>

#include "pki.h"

#define AZURE_FIXTURE_MAX	4096
#define AZURE_RUNTIME		(32 + 1184 + 20)	/* where the JSON is */

struct azure_fixture {
	uint8_t hcl[AZURE_FIXTURE_MAX];
	size_t len;
	char json[2048];	/* to be changed before it is put together */
};

static inline void azure_put(uint8_t *p, uint32_t value)
{
	int i;

	for (i = 0; i < 4; i++, value >>= 8)
		p[i] = value;
}

/* A number of @key as JWKs have it. */
static inline void azure_number(EVP_PKEY *key, const char *name, char *out)
{
	uint8_t raw[512];
	BIGNUM *number = NULL;
	int len;

	assert_true(EVP_PKEY_get_bn_param(key, name, &number));
	len = BN_bn2bin(number, raw);
	BN_free(number);
	EVP_EncodeBlock((unsigned char *)out, raw, len);
	for (; *out && *out != '='; out++)
		*out = *out == '+' ? '-' : *out == '/' ? '_' : *out;
	*out = '\0';
}

static inline void azure_json(struct azure_fixture *f, EVP_PKEY *key)
{
	char n[700], e[16];

	azure_number(key, "n", n);
	azure_number(key, "e", e);
	snprintf(f->json, sizeof(f->json),
		 "{\"keys\":[{\"kid\":\"HCLAkPub\",\"kty\":\"RSA\",\"e\":\"%s\",\"n\":\"%s\"},{\"kid\":\"HCLEkPub\"}],\"vm-configuration\":{\"console-enabled\":true,\"secure-boot\":true,\"vmUniqueId\":\"vm-1\"},\"user-data\":\"%0128d\"}",
		 e, n, 7);
}

/* All of it around the JSON and a report of the hardware. */
static inline void azure_assemble(struct azure_fixture *f,
				  const uint8_t report[1184], uint32_t type)
{
	const size_t len = strlen(f->json);
	uint8_t *p = f->hcl;

	memset(p, 0, sizeof(f->hcl));
	memcpy(p, "HCLA", 4);
	azure_put(p + 4, 2);
	azure_put(p + 8, AZURE_RUNTIME + len);
	azure_put(p + 12, 2);
	memcpy(p + 32, report, 1184);
	p += 32 + 1184;
	azure_put(p, len + 20);
	azure_put(p + 4, 1);
	azure_put(p + 8, type);
	azure_put(p + 12, 1);
	azure_put(p + 16, len);
	memcpy(p + 20, f->json, len);
	f->len = AZURE_RUNTIME + len + 100;
}

#endif /* AZURE_FIXTURE_H */
