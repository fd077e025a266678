// SPDX-License-Identifier: MIT
/*
 * Certificates and their keys, as texts
 *
 * Copyright The dstack for Linux authors
 */
#include "pem.h"

#include <errno.h>
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

char *pem_write_cert(X509 *cert)
{
	BIO *out = BIO_new(BIO_s_mem());
	char *text = NULL, *data;
	long len;

	if (out && PEM_write_bio_X509(out, cert) == 1) {
		len = BIO_get_mem_data(out, &data);
		text = strndup(data, len);
	}
	BIO_free(out);
	return text;
}

/* ECPrivateKey of RFC 5915: the sequence, version 1, 32 bytes. */
static bool take_scalar(const uint8_t *der, int len,
			uint8_t out[DSTACK_KEY_SIZE])
{
	static const uint8_t version[] = { 2, 1, 1, 4, DSTACK_KEY_SIZE };
	const int at = 2 + sizeof(version);

	if (len < at + DSTACK_KEY_SIZE || der[0] != 0x30 ||
	    der[1] != len - 2 || memcmp(der + 2, version, sizeof(version)) != 0)
		return false;
	memcpy(out, der + at, DSTACK_KEY_SIZE);
	return true;
}

static bool is_p256_algorithm(const X509_ALGOR *algorithm)
{
	const ASN1_OBJECT *name;
	const void *group;
	int type;

	X509_ALGOR_get0(&name, &type, &group, algorithm);
	return OBJ_obj2nid(name) == NID_X9_62_id_ecPublicKey &&
		type == V_ASN1_OBJECT &&
		OBJ_obj2nid(group) == NID_X9_62_prime256v1;
}

/* The structure wipes what it has when it is freed. */
static bool read_pkcs8(const uint8_t *der, long len,
		       uint8_t out[DSTACK_KEY_SIZE])
{
	const uint8_t *p = der, *inner;
	PKCS8_PRIV_KEY_INFO *info = d2i_PKCS8_PRIV_KEY_INFO(NULL, &p, len);
	const X509_ALGOR *algorithm;
	int inner_len;
	bool good;

	good = info && p == der + len &&
		PKCS8_pkey_get0(NULL, &inner, &inner_len, &algorithm, info) &&
		is_p256_algorithm(algorithm) &&
		take_scalar(inner, inner_len, out);
	PKCS8_PRIV_KEY_INFO_free(info);
	return good;
}

int pem_read_scalar(const char *text, uint8_t out[DSTACK_KEY_SIZE])
{
	BIO *in = begin(text, "-----BEGIN PRIVATE KEY-----");
	unsigned char *der = NULL;
	bool good = false;
	long len;

	if (in && PEM_bytes_read_bio_secmem(&der, &len, NULL,
					    PEM_STRING_PKCS8INF, in, NULL,
					    no_passphrase) == 1) {
		good = at_end(in) && read_pkcs8(der, len, out);
		OPENSSL_secure_clear_free(der, len);
	}
	BIO_free(in);
	ERR_clear_error();
	return good ? 0 : -EINVAL;
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
