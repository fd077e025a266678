// SPDX-License-Identifier: MIT
/*
 * Do the parts of key epochs belong together
 *
 * Copyright The dstack for Linux authors
 *
 * What is stored, or comes from another KMS, is looked at before anything is
 * derived from it: a root whose certificate is another's would sign what nobody
 * can verify.
 */
#include "epoch.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "p256.h"
#include "pem.h"

static bool is_zero(const uint8_t scalar[DSTACK_KEY_SIZE])
{
	static const uint8_t zero[DSTACK_KEY_SIZE];

	return !CRYPTO_memcmp(scalar, zero, sizeof(zero));
}

/* A certificate of a CA that signed itself. */
static X509 *read_root(const char *pem)
{
	X509 *cert = pem_read_cert(pem);

	if (cert && X509_check_ca(cert) == 1 &&
	    X509_verify(cert, X509_get0_pubkey(cert)) == 1)
		return cert;
	X509_free(cert);
	return NULL;
}

/* With @live the certificate must be for that scalar. */
static bool ca_is_good(const char *pem, const uint8_t *scalar, bool live)
{
	EVP_PKEY *key = live ? p256_key(scalar) : NULL;
	X509 *cert = read_root(pem);
	bool good;

	good = cert && (!live || (key && EVP_PKEY_eq(X509_get0_pubkey(cert),
						     key) == 1));
	X509_free(cert);
	EVP_PKEY_free(key);
	ERR_clear_error();
	return good;
}

static bool k256_is_good(const struct key_epoch *epoch, bool live)
{
	uint8_t public[AGENT_SECP256K1_SIZE];

	if (!live)
		return secp_is_public(epoch->k256_public, sizeof(public));
	return !secp_public(epoch->k256, public) &&
		!memcmp(public, epoch->k256_public, sizeof(public));
}

static bool text_ends(const char text[KEY_EPOCH_CERT_MAX])
{
	return strnlen(text, KEY_EPOCH_CERT_MAX) < KEY_EPOCH_CERT_MAX;
}

int key_epoch_ca(const struct key_epoch *epoch, uint8_t ca[KEY_CA_SIZE])
{
	X509 *cert = pem_read_cert(epoch->ca_cert);
	uint8_t *spki = NULL;
	int len = cert ? i2d_X509_PUBKEY(X509_get_X509_PUBKEY(cert), &spki) : 0;

	if (len == KEY_CA_SIZE)
		memcpy(ca, spki, KEY_CA_SIZE);
	OPENSSL_free(spki);
	X509_free(cert);
	ERR_clear_error();
	return len == KEY_CA_SIZE ? 0 : -EBADMSG;
}

static const char *look_at(const struct key_epoch *epoch)
{
	uint8_t ca[KEY_CA_SIZE];
	bool live = !epoch->retired;

	if (epoch->number > KEY_EPOCH_NUMBER_MAX ||
	    epoch->created > KEY_EPOCH_NUMBER_MAX ||
	    epoch->retired > KEY_EPOCH_NUMBER_MAX)
		return "a number is too large";
	if (epoch->succession_len &&
	    (epoch->succession_len < AGENT_LINK_SIZE ||
	     epoch->succession_len > sizeof(epoch->succession)))
		return "a record of succession has another length";
	if (!live && !(is_zero(epoch->ca) && is_zero(epoch->temp_ca) &&
		       is_zero(epoch->k256)))
		return "an epoch that is retired has roots";
	if (!text_ends(epoch->ca_cert) || !text_ends(epoch->temp_ca_cert))
		return "a certificate has no end";
	if (!ca_is_good(epoch->ca_cert, epoch->ca, live))
		return "the root CA is not one certificate of a CA that "
		       "signed itself, for its key";
	if (key_epoch_ca(epoch, ca))
		return "the key of the root CA is not written as one on P-256";
	if (!ca_is_good(epoch->temp_ca_cert, epoch->temp_ca, live))
		return "the temporary CA is not one certificate of a CA that "
		       "signed itself, for its key";
	if (!k256_is_good(epoch, live))
		return "the root of secp256k1 and its public key do not "
		       "belong together";
	return NULL;
}

static const char *compare(const struct key_epoch *before,
			   const struct key_epoch *epoch)
{
	if (before->number >= epoch->number)
		return "numbers of epochs do not rise";
	if (!memcmp(before->k256_public, epoch->k256_public,
		    sizeof(epoch->k256_public)) ||
	    !strcmp(before->ca_cert, epoch->ca_cert))
		return "two epochs have the same root";
	return NULL;
}

int key_epochs_check(const struct key_epoch *epochs, size_t nr,
		     const char **why)
{
	size_t i, j, live = 0;

	*why = nr && nr <= KEY_EPOCHS_MAX ? NULL :
		"there are no epochs, or more than 64";
	for (i = 0; i < nr && !*why; i++) {
		live += !epochs[i].retired;
		*why = look_at(&epochs[i]);
		for (j = 0; j < i && !*why; j++)
			*why = compare(&epochs[j], &epochs[i]);
	}
	if (!*why && !live)
		*why = "all epochs are retired";
	return *why ? -EINVAL : 0;
}

void key_epoch_wipe(struct key_epoch *epoch)
{
	OPENSSL_cleanse(epoch->ca, sizeof(epoch->ca));
	OPENSSL_cleanse(epoch->temp_ca, sizeof(epoch->temp_ca));
	OPENSSL_cleanse(epoch->k256, sizeof(epoch->k256));
}
