// SPDX-License-Identifier: MIT
/*
 * Certificates in PEM, written in the only way that is accepted
 *
 * Copyright The dstack for Linux authors
 *
 * PEM readers skip what they don't understand, and base64 and BER have more
 * than one way to write the same.  Only the text that OpenSSL itself would
 * write is accepted, whatever its line ends, so that nothing unsigned can be
 * hidden in it.
 */
#include "dcap.h"

#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>

#define BEGIN	"-----BEGIN CERTIFICATE-----"
#define END	"-----END CERTIFICATE-----"

/* The text without line ends.  Returns its length. */
static size_t join_lines(const char *pem, size_t len, char *out)
{
	size_t i, nr = 0;

	for (i = 0; i < len; i++)
		if (pem[i] != '\n' && pem[i] != '\r')
			out[nr++] = pem[i];
	return nr;
}

/* @text is exactly what encoding @der gives.  @again has room for that. */
static bool is_base64_of(const char *text, size_t len,
			 const struct dcap_der *der, char *again)
{
	return (size_t)EVP_EncodeBlock((uint8_t *)again, der->data,
				       der->len) == len &&
		!memcmp(again, text, len);
}

/* One certificate off the front of *text, into *out and *der. */
static bool take_cert(const char **text, size_t *left, uint8_t **out,
		      char *again, struct dcap_der *der)
{
	const char *p = *text + strlen(BEGIN), *end;
	size_t len, pad = 0;
	int nr;

	if (*left < strlen(BEGIN END) || memcmp(*text, BEGIN, strlen(BEGIN)))
		return false;
	end = memmem(p, *left - strlen(BEGIN), END, strlen(END));
	if (!end || end == p)
		return false;
	len = end - p;
	while (pad < 2 && pad < len && p[len - 1 - pad] == '=')
		pad++;
	nr = EVP_DecodeBlock(*out, (const uint8_t *)p, len);
	if (nr <= (int)pad)
		return false;
	der->data = *out;
	der->len = nr - pad;
	*out += nr;
	*left -= end + strlen(END) - *text;
	*text = end + strlen(END);
	return is_base64_of(p, len, der, again);
}

bool dcap_pem_split(const char *pem, size_t len, size_t nr,
		    struct dcap_der *der, uint8_t **owner)
{
	/* The text, what it decodes to, and one of them encoded again. */
	char *text = malloc(3 * len + 16), *again;
	const char *at = text;
	size_t i, left;
	uint8_t *out;
	bool good;

	*owner = (uint8_t *)text;
	if (!text)
		return false;
	/* Quotes end their chain with a NUL, mostly. */
	if (len && !pem[len - 1])
		len--;
	again = text + 2 * len;
	out = (uint8_t *)text + len;
	left = join_lines(pem, len, text);
	good = left;
	for (i = 0; good && i < nr; i++)
		good = take_cert(&at, &left, &out, again, &der[i]);
	return good && !left;
}

bool dcap_cert_is(X509 *cert, const struct dcap_der *der)
{
	uint8_t *again = NULL;
	int len = i2d_X509(cert, &again);
	bool same = len >= 0 && (size_t)len == der->len &&
		!memcmp(again, der->data, der->len);

	OPENSSL_free(again);
	return same;
}

X509 *dcap_cert_parse(const struct dcap_der *der)
{
	const unsigned char *p = der->data;
	X509 *cert = d2i_X509(NULL, &p, der->len);

	if (cert && !dcap_cert_is(cert, der)) {
		X509_free(cert);
		cert = NULL;
	}
	ERR_clear_error();
	return cert;
}

STACK_OF(X509) *dcap_chain_parse(const char *pem, size_t len, int nr)
{
	STACK_OF(X509) *chain = sk_X509_new_null();
	struct dcap_der der[DCAP_CHAIN_LENGTH];
	uint8_t *owner = NULL;
	bool good;
	X509 *cert;
	int i;

	good = chain && nr <= DCAP_CHAIN_LENGTH &&
		dcap_pem_split(pem, len, nr, der, &owner);
	for (i = 0; good && i < nr; i++) {
		cert = dcap_cert_parse(&der[i]);
		good = cert && sk_X509_push(chain, cert);
		if (!good)
			X509_free(cert);
	}
	free(owner);
	if (good)
		return chain;
	certs_free(chain);
	return NULL;
}
