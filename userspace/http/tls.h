/* SPDX-License-Identifier: MIT */
/*
 * TLS for who serves other machines
 *
 * Copyright The dstack for Linux authors
 *
 * Apart from the rest, so that who serves only its own machine needs no libssl.
 * Whom to believe is the handler's business: every certificate is taken, if its
 * owner has the key.
 */
#ifndef HTTP_TLS_H
#define HTTP_TLS_H

#include <openssl/ssl.h>

#include "http.h"

/*
 * For http_config.tls, which it must outlive.  @ctx has a certificate with its
 * key, and whatever else its owner wants; versions before 1.2, sessions and new
 * handshakes on old connections are ruled out here.  -ENOMEM.
 */
int http_tls_new(SSL_CTX *ctx, struct http_tls **tls);
/* For the connections from now on, from any thread. */
void http_tls_use(struct http_tls *tls, SSL_CTX *ctx);
void http_tls_free(struct http_tls *tls);

#endif /* HTTP_TLS_H */
