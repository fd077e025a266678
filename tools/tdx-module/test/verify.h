/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Copyright (C) The dstack for Linux authors
 *
 * A check of quotes that shares no code with what makes them.
 */
#ifndef TDX_TEST_VERIFY_H
#define TDX_TEST_VERIFY_H

#include <stddef.h>
#include <stdint.h>

/*
 * Checks structure, both signatures, the attestation key's binding and the
 * certificate chain up to ROOT_PEM with the CRLs beside it.
 * Return: NULL if all hold, else the first that does not.
 */
const char *verify_quote(const uint8_t *quote, size_t size, const char *pki);

#endif
