// SPDX-License-Identifier: MIT
/*
 * The chain's hash, and how a refusal is said
 *
 * Copyright The dstack for Linux authors
 */
#include "chain.h"

#include <openssl/evp.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Fetched once: a proof has dozens of hashes. */
static EVP_MD *keccak;
static pthread_once_t fetched = PTHREAD_ONCE_INIT;

static void fetch(void)
{
	keccak = EVP_MD_fetch(NULL, "KECCAK-256", NULL);
}

bool chain_keccak(const void *data, size_t len, uint8_t hash[CHAIN_HASH])
{
	pthread_once(&fetched, fetch);
	return keccak && EVP_Digest(data, len, hash, NULL, keccak, NULL) == 1;
}

bool chain_mapping_slot(const uint8_t key[32], const uint8_t slot[32],
			uint8_t out[32])
{
	uint8_t both[64];

	memcpy(both, key, 32);
	memcpy(both + 32, slot, 32);
	return chain_keccak(both, sizeof(both), out);
}

int chain_fail(struct chain_why *why, int err, const char *fmt, ...)
{
	va_list args;
	char *p;

	/* The first reason is the one that says what to mend. */
	if (why->text[0])
		return err;
	va_start(args, fmt);
	vsnprintf(why->text, sizeof(why->text), fmt, args);
	va_end(args);
	/* Parts of it may be a server's words. */
	for (p = why->text; *p; p++)
		if (*p < ' ' || *p > '~')
			*p = '?';
	return err;
}
