/* SPDX-License-Identifier: MIT */
/*
 * Key epochs of a KMS that is none
 *
 * Copyright The dstack for Linux authors
 */
#ifndef KEY_EPOCH_FIXTURE_H
#define KEY_EPOCH_FIXTURE_H

#include <libdstack_ratls.h>
#include <openssl/pem.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../keys/epoch.h"
#include "../keys/p256.h"

static inline void epoch_need(bool good)
{
	if (!good)
		abort();
}

/* A certificate of a CA for this scalar. */
static inline void epoch_cert(const uint8_t scalar[DSTACK_KEY_SIZE],
			      uint32_t level, char out[KEY_EPOCH_CERT_MAX])
{
	const struct libdstack_ratls_request request = {
		.key = p256_key(scalar), .org_name = "Dstack",
		.subject = level ? "Dstack KMS CA" : "Dstack Client Temp CA",
		.ca = true, .ca_level = level, .not_before = 157766400,
		.not_after = time(NULL) + 86400,
	};
	X509 *cert = libdstack_ratls_make(&request);
	BIO *pem = BIO_new(BIO_s_mem());
	char *data;
	long len;

	epoch_need(cert && pem && PEM_write_bio_X509(pem, cert) == 1);
	len = BIO_get_mem_data(pem, &data);
	epoch_need(len > 0 && len < KEY_EPOCH_CERT_MAX);
	memcpy(out, data, len);
	out[len] = '\0';
	BIO_free(pem);
	X509_free(cert);
	EVP_PKEY_free(request.key);
}

static inline void epoch_scalar(uint64_t number, const char *what,
				uint8_t out[DSTACK_KEY_SIZE])
{
	static const uint8_t seed[DSTACK_KEY_SIZE] = "of tests";
	const struct part parts[] = {
		{ what, strlen(what) }, { &number, sizeof(number) },
	};

	epoch_need(!p256_derive(seed, parts, 2, out));
}

/* The same roots for the same number. */
static inline void epoch_make(uint64_t number, struct key_epoch *epoch)
{
	memset(epoch, 0, sizeof(*epoch));
	epoch->number = number;
	epoch->created = 1700000000 + number;
	epoch_scalar(number, "ca", epoch->ca);
	epoch_scalar(number, "temp ca", epoch->temp_ca);
	epoch_scalar(number, "k256", epoch->k256);
	epoch_need(!secp_public(epoch->k256, epoch->k256_public));
	epoch_cert(epoch->ca, 1, epoch->ca_cert);
	epoch_cert(epoch->temp_ca, 0, epoch->temp_ca_cert);
	if (!number)
		return;
	epoch->succession_len = KEY_SUCCESSION_MAX;
	memset(epoch->succession, 's', KEY_SUCCESSION_MAX);
}

#endif /* KEY_EPOCH_FIXTURE_H */
