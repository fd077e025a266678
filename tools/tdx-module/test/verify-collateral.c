// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) The dstack for Linux authors
 *
 * Checks of a PKI directory's collateral.json.
 */
#include "verify.h"

#include <stdio.h>
#include <string.h>
#include <jansson.h>
#include <openssl/pem.h>
#include <openssl/x509_vfy.h>

static const char *const keys[] = {
	"pck_crl_issuer_chain", "root_ca_crl", "pck_crl",
	"tcb_info_issuer_chain", "tcb_info", "tcb_info_signature",
	"qe_identity_issuer_chain", "qe_identity", "qe_identity_signature",
};

#define KEY_COUNT	(sizeof(keys) / sizeof(keys[0]))

static json_t *read_bundle(const char *pki)
{
	char path[4096];

	snprintf(path, sizeof(path), "%s/collateral.json", pki);
	return json_load_file(path, JSON_REJECT_DUPLICATES, NULL);
}

static const char *check_keys(json_t *bundle)
{
	size_t i;

	if (json_object_size(bundle) != KEY_COUNT)
		return "collateral has missing or extra members";
	for (i = 0; i < KEY_COUNT; i++)
		if (!json_string_value(json_object_get(bundle, keys[i])))
			return "a member of the collateral is no string";
	return NULL;
}

static const char *text(json_t *bundle, const char *key, const char *suffix)
{
	char name[64];

	snprintf(name, sizeof(name), "%s%s", key, suffix);
	return json_string_value(json_object_get(bundle, name));
}

static bool raw_signature(const char *hex, uint8_t raw[64])
{
	int i;

	if (strlen(hex) != 128)
		return false;
	for (i = 0; i < 64; i++)
		if (sscanf(hex + 2 * i, "%2hhx", &raw[i]) != 1)
			return false;
	return true;
}

static bool leads_to_root(X509 *cert, const char *pki)
{
	X509_STORE *store = open_store(pki);
	X509_STORE_CTX *ctx = X509_STORE_CTX_new();
	bool ok = store && X509_STORE_CTX_init(ctx, store, cert, NULL) == 1 &&
		  X509_verify_cert(ctx) == 1;

	X509_STORE_CTX_free(ctx);
	X509_STORE_free(store);
	return ok;
}

static const char *check_signed(json_t *bundle, const char *key,
				const char *pki)
{
	const char *body = text(bundle, key, ""), *problem = NULL;
	BIO *bio = BIO_new_mem_buf(text(bundle, key, "_issuer_chain"), -1);
	X509 *signer = PEM_read_bio_X509(bio, NULL, NULL, NULL);
	uint8_t raw[64];

	if (!signer || !leads_to_root(signer, pki))
		problem = "the signer does not lead to the root";
	else if (!raw_signature(text(bundle, key, "_signature"), raw) ||
		 !signature_holds(X509_get0_pubkey(signer), raw,
				  (const uint8_t *)body, strlen(body)))
		problem = "a signature does not hold";
	X509_free(signer);
	BIO_free(bio);
	return problem;
}

const char *verify_collateral(const char *pki)
{
	json_t *bundle = read_bundle(pki);
	const char *problem;

	if (!bundle)
		return "collateral.json is missing or no JSON";
	problem = check_keys(bundle);
	if (!problem)
		problem = check_signed(bundle, "tcb_info", pki);
	if (!problem)
		problem = check_signed(bundle, "qe_identity", pki);
	json_decref(bundle);
	return problem;
}
