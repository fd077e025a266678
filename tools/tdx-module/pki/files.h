/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Copyright (C) The dstack for Linux authors
 *
 * Files of a PKI directory. All functions print what went wrong and return
 * 0 or -errno.
 */
#ifndef TDX_PKI_FILES_H
#define TDX_PKI_FILES_H

#include <stddef.h>
#include <openssl/x509.h>

#include "cert.h"

int file_write(const char *dir, const char *name, const void *data,
	       size_t size);

/* NAME.key and NAME.pem */
int identity_write(const char *dir, const char *name,
		   const struct identity *identity);
int identity_read(const char *dir, const char *name,
		  struct identity *identity);

/* A text of certificates, leaf first, freed by the caller; NULL: no memory. */
char *chain_text(X509 *const *certs, size_t count);

/* Two hexadecimal digits a byte, freed by the caller. */
char *hex_text(const unsigned char *data, size_t size);

#endif
