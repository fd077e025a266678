// SPDX-License-Identifier: MIT
/*
 * Certificates and their keys, as texts
 *
 * Copyright The dstack for Linux authors
 */
#include "pem.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <string.h>

#include "p256.h"

/* Without a passphrase, OpenSSL would ask the terminal for one. */
static char no_passphrase[] = "";

/* Other text before it, or a second one behind it, is somebody's mistake. */
static BIO *begin(const char *text, const char *label)
{
	if (strncmp(text, label, strlen(label)) != 0)
		return NULL;
	return BIO_new_mem_buf(text, -1);
}

static bool at_end(BIO *in)
{
	char *rest;
	long len = BIO_get_mem_data(in, &rest);

	return !len || (len > 0 && strspn(rest, "\r\n") == (size_t)len);
}

X509 *pem_read_cert(const char *text)
{
	BIO *in = begin(text, "-----BEGIN CERTIFICATE-----");
	X509 *cert = NULL;

	if (in)
		cert = PEM_read_bio_X509(in, NULL, NULL, no_passphrase);
	if (cert && !at_end(in)) {
		X509_free(cert);
		cert = NULL;
	}
	BIO_free(in);
	return cert;
}

EVP_PKEY *pem_read_key(const char *text)
{
	BIO *in = begin(text, "-----BEGIN PRIVATE KEY-----");
	EVP_PKEY *key = NULL;

	if (in)
		key = PEM_read_bio_PrivateKey(in, NULL, NULL, no_passphrase);
	if (key && !(at_end(in) && p256_is(key))) {
		EVP_PKEY_free(key);
		key = NULL;
	}
	BIO_free(in);
	return key;
}

bool pem_is_cert(const char *text)
{
	X509 *cert = pem_read_cert(text);

	X509_free(cert);
	ERR_clear_error();
	return cert;
}

bool pem_is_key(const char *text)
{
	EVP_PKEY *key = pem_read_key(text);

	EVP_PKEY_free(key);
	ERR_clear_error();
	return key;
}

bool pem_is_pair(const char *cert_text, const char *key_text)
{
	X509 *cert = pem_read_cert(cert_text);
	EVP_PKEY *key = pem_read_key(key_text);
	bool pair = cert && key && X509_check_private_key(cert, key) == 1;

	EVP_PKEY_free(key);
	X509_free(cert);
	ERR_clear_error();
	return pair;
}
