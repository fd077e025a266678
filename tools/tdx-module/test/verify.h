/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Copyright (C) The dstack for Linux authors
 *
 * A check of quotes that shares no code with what makes them.
 */
#ifndef TDX_TEST_VERIFY_H
#define TDX_TEST_VERIFY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Checks structure, both signatures, the attestation key's binding and the
 * certificate chain up to ROOT_PEM with the CRLs beside it.
 * Return: NULL if all hold, else the first that does not.
 */
const char *verify_quote(const uint8_t *quote, size_t size, const char *pki);

/*
 * Checks collateral.json of a PKI directory: its keys, both signed texts, and
 * that their signer leads to the root and is not revoked.
 * Return: NULL if all hold, else the first that does not.
 */
const char *verify_collateral(const char *pki);

/* Shared by the two. */
struct x509_store_st;
struct evp_pkey_st;
bool signature_holds(struct evp_pkey_st *key, const uint8_t raw[64],
		     const uint8_t *data, size_t size);
struct x509_store_st *open_store(const char *pki);

#endif
