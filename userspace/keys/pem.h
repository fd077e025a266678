/* SPDX-License-Identifier: MIT */
/*
 * Certificates and their keys, as texts
 *
 * Copyright The dstack for Linux authors
 */
#ifndef KEYS_PEM_H
#define KEYS_PEM_H

#include <libdstack.h>
#include <openssl/x509.h>

/* As the functions below want them, or NULL: OpenSSL's errors stay. */
X509 *pem_read_cert(const char *text);
EVP_PKEY *pem_read_key(const char *text);
/* For free(); NULL: no memory. */
char *pem_write_cert(X509 *cert);

/*
 * The scalar of a key that pem_is_key(), and no copy of it anywhere else:
 * OpenSSL's reader of keys leaves some.  -EINVAL: it is none.
 */
int pem_read_scalar(const char *text, uint8_t out[DSTACK_KEY_SIZE]);

/* One certificate, and nothing else. */
bool pem_is_cert(const char *text);
/* One key of P-256 in PKCS #8, without a passphrase, and nothing else. */
bool pem_is_key(const char *text);
/* Both are what they should be, and belong together. */
bool pem_is_pair(const char *cert, const char *key);

#endif /* KEYS_PEM_H */
