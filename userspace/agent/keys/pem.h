/* SPDX-License-Identifier: MIT */
/*
 * Certificates and their keys, as texts
 *
 * Copyright The dstack for Linux authors
 */
#ifndef AGENT_PEM_H
#define AGENT_PEM_H

#include <stdbool.h>

/* One certificate, and nothing else. */
bool pem_is_cert(const char *text);
/* One key of P-256 in PKCS #8, without a passphrase, and nothing else. */
bool pem_is_key(const char *text);
/* Both are what they should be, and belong together. */
bool pem_is_pair(const char *cert, const char *key);

#endif /* AGENT_PEM_H */
