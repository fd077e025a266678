/* SPDX-License-Identifier: MIT */
/*
 * Documents of Nitro, and their certificates, that tests make themselves
 *
 * Copyright The dstack for Linux authors
 */
#ifndef NITRO_FIXTURE_H
#define NITRO_FIXTURE_H

#include <libdstack_nitro.h>
#include <openssl/ecdsa.h>

#include "pki.h"

#define NITRO_FIXTURE_MAX	8192

enum { CBOR_UINT, CBOR_NEGATIVE, CBOR_BYTES, CBOR_TEXT, CBOR_ARRAY, CBOR_MAP };

#define CBOR_NULL	0xf6

/* CBOR in the making. */
struct nitro_cbor {
	uint8_t data[NITRO_FIXTURE_MAX];
	size_t len;
};

struct nitro_fixture {
	EVP_PKEY *root_key, *ca_key, *key;
	X509 *root, *ca, *leaf;
	uint8_t *root_der;
	size_t root_len;
	const char *module_id;		/* NULL: i-0-enc0 */
	const void *user_data;		/* NULL: it is empty */
	size_t user_data_len;
	uint8_t image;			/* another one, if it is not 0 */
	bool debug;			/* registers are zeros */
	struct nitro_cbor payload;	/* to be changed before signing */
	struct nitro_cbor document;
};

static inline void cbor_put(struct nitro_cbor *c, int major, uint64_t value)
{
	int bytes = value < 24 ? 0 : value < 256 ? 1 : value < 65536 ? 2 : 8;

	c->data[c->len++] = major << 5 | (!bytes ? (int)value : bytes == 1 ?
					  24 : bytes == 2 ? 25 : 27);
	while (bytes--)
		c->data[c->len++] = value >> 8 * bytes;
}

static inline void cbor_put_bytes(struct nitro_cbor *c, int major,
				  const void *data, size_t len)
{
	cbor_put(c, major, len);
	memcpy(c->data + c->len, data, len);
	c->len += len;
}

static inline void cbor_put_text(struct nitro_cbor *c, const char *text)
{
	cbor_put_bytes(c, CBOR_TEXT, text, strlen(text));
}

static inline void cbor_put_cert(struct nitro_cbor *c, X509 *cert)
{
	uint8_t *der;
	size_t len = pki_der(cert, &der);

	cbor_put_bytes(c, CBOR_BYTES, der, len);
	OPENSSL_free(der);
}

/* Registers 0 to 3: each byte is that of the register before it and @step. */
static inline void nitro_put_registers(struct nitro_cbor *c, const char *name,
				       int first, int step)
{
	uint8_t pcr[48];
	int i;

	cbor_put_text(c, name);
	cbor_put(c, CBOR_MAP, 4);
	for (i = 0; i < 4; i++) {
		memset(pcr, first + i * step, sizeof(pcr));
		cbor_put(c, CBOR_UINT, i);
		cbor_put_bytes(c, CBOR_BYTES, pcr, sizeof(pcr));
	}
}

/* Each byte is the register's number plus one. */
static inline void nitro_put_pcrs(struct nitro_cbor *c, const char *name)
{
	nitro_put_registers(c, name, 1, 1);
}

/* What all documents have but for their registers: five pairs. */
static inline void nitro_put_rest(struct nitro_fixture *f)
{
	struct nitro_cbor *c = &f->payload;

	cbor_put_text(c, "module_id");
	cbor_put_text(c, f->module_id ? f->module_id : "i-0-enc0");
	cbor_put_text(c, "digest");
	cbor_put_text(c, "SHA384");
	cbor_put_text(c, "timestamp");
	cbor_put(c, CBOR_UINT, PKI_NOW * 1000ULL);
	cbor_put_text(c, "certificate");
	cbor_put_cert(c, f->leaf);
	cbor_put_text(c, "cabundle");
	cbor_put(c, CBOR_ARRAY, 2);
	cbor_put_cert(c, f->root);
	cbor_put_cert(c, f->ca);
}

static inline void nitro_fixture_payload(struct nitro_fixture *f)
{
	struct nitro_cbor *c = &f->payload;

	c->len = 0;
	cbor_put(c, CBOR_MAP, 9);
	nitro_put_rest(f);
	nitro_put_registers(c, "pcrs", f->debug ? 0 : 1 + f->image,
			    !f->debug);
	cbor_put_text(c, "nonce");
	cbor_put_bytes(c, CBOR_BYTES, "nonce", 5);
	cbor_put_text(c, "user_data");
	cbor_put_bytes(c, CBOR_BYTES, f->user_data ? f->user_data : "",
		       f->user_data ? f->user_data_len : 0);
	cbor_put_text(c, "public_key");
	c->data[c->len++] = CBOR_NULL;
}

static inline void nitro_raw_signature(struct nitro_fixture *f,
				       const void *data, size_t len,
				       uint8_t raw[96])
{
	EVP_MD_CTX *ctx = pki_signer(f->key, NULL, false);
	const unsigned char *p;
	uint8_t der[256];
	size_t der_len = sizeof(der);
	ECDSA_SIG *sig;

	assert_true(EVP_DigestSign(ctx, der, &der_len, data, len) > 0);
	p = der;
	sig = d2i_ECDSA_SIG(NULL, &p, der_len);
	assert_non_null(sig);
	BN_bn2binpad(ECDSA_SIG_get0_r(sig), raw, 48);
	BN_bn2binpad(ECDSA_SIG_get0_s(sig), raw + 48, 48);
	ECDSA_SIG_free(sig);
	EVP_MD_CTX_free(ctx);
}

/* The document: the payload as it is, signed by the leaf's key. */
static inline void nitro_fixture_sign(struct nitro_fixture *f)
{
	static const uint8_t header[] = { 0xa1, 1, 0x38, 34 };
	struct nitro_cbor *c = &f->document;
	static struct nitro_cbor what;
	uint8_t raw[96];

	what.len = 0;
	cbor_put(&what, CBOR_ARRAY, 4);
	cbor_put_text(&what, "Signature1");
	cbor_put_bytes(&what, CBOR_BYTES, header, sizeof(header));
	cbor_put_bytes(&what, CBOR_BYTES, "", 0);
	cbor_put_bytes(&what, CBOR_BYTES, f->payload.data, f->payload.len);
	nitro_raw_signature(f, what.data, what.len, raw);
	c->len = 0;
	cbor_put(c, CBOR_ARRAY, 4);
	cbor_put_bytes(c, CBOR_BYTES, header, sizeof(header));
	cbor_put(c, CBOR_MAP, 0);
	cbor_put_bytes(c, CBOR_BYTES, f->payload.data, f->payload.len);
	cbor_put_bytes(c, CBOR_BYTES, raw, sizeof(raw));
}

static inline void nitro_fixture_certs(struct nitro_fixture *f, bool leaf_is_ca)
{
	const struct pki_spec root = {
		.name = "root", .key = f->root_key, .ca = true,
	};
	struct pki_spec ca = {
		.name = "zone", .key = f->ca_key, .issuer_key = f->root_key,
		.ca = true,
	};
	struct pki_spec leaf = {
		.name = "enclave", .key = f->key, .issuer_key = f->ca_key,
		.ca = leaf_is_ca,
	};

	X509_free(f->root);
	X509_free(f->ca);
	X509_free(f->leaf);
	OPENSSL_free(f->root_der);
	f->root = pki_cert(&root);
	ca.issuer = f->root;
	f->ca = pki_cert(&ca);
	leaf.issuer = f->ca;
	f->leaf = pki_cert(&leaf);
	f->root_len = pki_der(f->root, &f->root_der);
}

/* A document that is good at PKI_NOW; keys are made once. */
static inline void nitro_fixture_make(struct nitro_fixture *f)
{
	if (!f->key) {
		f->root_key = pki_ec_key("P-384");
		f->ca_key = pki_ec_key("P-384");
		f->key = pki_ec_key("P-384");
	}
	nitro_fixture_certs(f, false);
	nitro_fixture_payload(f);
	nitro_fixture_sign(f);
}

static inline void nitro_fixture_free(struct nitro_fixture *f)
{
	X509_free(f->root);
	X509_free(f->ca);
	X509_free(f->leaf);
	OPENSSL_free(f->root_der);
	EVP_PKEY_free(f->root_key);
	EVP_PKEY_free(f->ca_key);
	EVP_PKEY_free(f->key);
}

#endif /* NITRO_FIXTURE_H */
