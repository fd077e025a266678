/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Copyright (C) The dstack for Linux authors
 *
 * Quotes: a TDREPORT signed so that a stranger can check it.
 */
#ifndef TDX_QUOTE_H
#define TDX_QUOTE_H

#include <stddef.h>
#include <stdint.h>

#include "tdx.h"

#define QUOTE_MAX	16384

struct quoter;

/*
 * Opens the platform's identity in a directory made by mkpki and makes a new
 * attestation key, which it certifies. Return: 0 or -errno, *name then names
 * the file at fault.
 */
int quoter_open(struct quoter **quoter, const char *pki, const char **name);
void quoter_close(struct quoter *quoter);

/*
 * Writes a version 4 quote of a report whose origin the caller has checked.
 * Return: its size, or -EMSGSIZE or -EIO.
 */
int quote_build(const struct quoter *quoter, const struct tdx_report *report,
		uint8_t *quote, size_t size);

/* Where the signature over header and body starts in a quote. */
#define QUOTE_SIGNED_SIZE \
	(sizeof(struct tdx_quote_header) + sizeof(struct tdx_quote_body))
#define QUOTE_SIGNATURE_OFFSET	(QUOTE_SIGNED_SIZE + 4)

#endif
