/* SPDX-License-Identifier: MIT */
/*
 * Reports of SEV-SNP, and their certificates, that tests make themselves
 *
 * Copyright The dstack for Linux authors
 */
#ifndef SNP_FIXTURE_H
#define SNP_FIXTURE_H

#include <libdstack_snp.h>
#include <openssl/ecdsa.h>

#include "pki.h"

#define SNP_FIXTURE_CERTS	3	/* leaf, ASK, ARK */

struct snp_fixture {
	uint8_t report[LIBDSTACK_SNP_REPORT_SIZE];
	EVP_PKEY *ark_key, *ask_key, *key;
	X509 *ark, *ask;
	struct libdstack_snp_blob certs[SNP_FIXTURE_CERTS];
	struct libdstack_snp_chain chain;
	struct pki_spec leaf;	/* of the leaf, to be changed before issuing */
};

static inline void snp_level(struct snp_fixture *f, const char *oid,
			     uint8_t level)
{
	struct pki_extension *e = &f->leaf.extension[f->leaf.nr_extensions++];

	e->oid = oid;
	e->len = 0;
	e->value[e->len++] = V_ASN1_INTEGER;
	e->value[e->len++] = level > 0x7f ? 2 : 1;
	if (level > 0x7f)
		e->value[e->len++] = 0;
	e->value[e->len++] = level;
}

static inline void snp_extension(struct snp_fixture *f, const char *oid,
				 const void *value, size_t len)
{
	struct pki_extension *e = &f->leaf.extension[f->leaf.nr_extensions++];

	e->oid = oid;
	e->len = len;
	memcpy(e->value, value, len);
}

/* A report of version 3 of a Milan, each byte of its chip's id being 7. */
static inline void snp_fixture_report(struct snp_fixture *f)
{
	memset(f->report, 0, sizeof(f->report));
	f->report[0] = 3;
	f->report[0x0a] = 2;			/* policy */
	f->report[0x34] = 1;			/* ECDSA */
	memset(f->report + 0x50, 0xd1, 64);	/* report data */
	memset(f->report + 0x90, 0xd2, 48);	/* measurement */
	memset(f->report + 0xc0, 0xd3, 32);	/* host data */
	f->report[0x188] = 0x19;
	f->report[0x189] = 1;
	memset(f->report + 0x1a0, 7, 64);
	/* Levels: boot loader 1, TEE 2, SNP 3, microcode 200. */
	memcpy(f->report + 0x180, "\1\2\0\0\0\0\3\310", 8);
	memcpy(f->report + 0x1e0, "\1\2\0\0\0\0\3\310", 8);
}

static inline void snp_fixture_leaf(struct snp_fixture *f)
{
	uint8_t chip[64];

	memset(chip, 7, sizeof(chip));
	memset(&f->leaf, 0, sizeof(f->leaf));
	f->leaf.name = "SEV-VCEK";
	f->leaf.key = f->key;
	f->leaf.issuer = f->ask;
	f->leaf.issuer_key = f->ask_key;
	f->leaf.pss = true;
	snp_extension(f, "1.3.6.1.4.1.3704.1.2", "\x16\x08Milan-B0", 10);
	snp_level(f, "1.3.6.1.4.1.3704.1.3.1", 1);
	snp_level(f, "1.3.6.1.4.1.3704.1.3.2", 2);
	snp_level(f, "1.3.6.1.4.1.3704.1.3.3", 3);
	snp_level(f, "1.3.6.1.4.1.3704.1.3.4", 0);
	snp_level(f, "1.3.6.1.4.1.3704.1.3.8", 200);
	snp_extension(f, "1.3.6.1.4.1.3704.1.4", chip, sizeof(chip));
}

static inline void snp_fixture_put(struct snp_fixture *f, int i, X509 *cert)
{
	uint8_t *der;

	OPENSSL_free((void *)f->certs[i].data);
	f->certs[i].len = pki_der(cert, &der);
	f->certs[i].data = der;
}

/* The leaf as f->leaf says. */
static inline void snp_fixture_issue(struct snp_fixture *f)
{
	X509 *leaf = pki_cert(&f->leaf);

	snp_fixture_put(f, 0, leaf);
	X509_free(leaf);
}

static inline void snp_fixture_cas(struct snp_fixture *f, const char *ark,
				   const char *ask)
{
	const struct pki_spec root = {
		.name = ark, .key = f->ark_key, .ca = true, .pss = true,
	};
	struct pki_spec ca = {
		.name = ask, .key = f->ask_key, .issuer_key = f->ark_key,
		.ca = true, .pss = true,
	};

	X509_free(f->ark);
	X509_free(f->ask);
	f->ark = pki_cert(&root);
	ca.issuer = f->ark;
	f->ask = pki_cert(&ca);
	snp_fixture_put(f, 1, f->ask);
	snp_fixture_put(f, 2, f->ark);
	f->chain.certs = f->certs;
	f->chain.nr_certs = SNP_FIXTURE_CERTS;
	f->chain.root = f->certs[2].data;
	f->chain.root_len = f->certs[2].len;
}

/* r and s, little-endian, as the fields have them. */
static inline void snp_fixture_sign(struct snp_fixture *f)
{
	EVP_MD_CTX *ctx = pki_signer(f->key, NULL, false);
	const unsigned char *p;
	uint8_t der[256];
	size_t len = sizeof(der);
	ECDSA_SIG *sig;

	assert_true(EVP_DigestSign(ctx, der, &len, f->report, 0x2a0) > 0);
	p = der;
	sig = d2i_ECDSA_SIG(NULL, &p, len);
	assert_non_null(sig);
	BN_bn2lebinpad(ECDSA_SIG_get0_r(sig), f->report + 0x2a0, 72);
	BN_bn2lebinpad(ECDSA_SIG_get0_s(sig), f->report + 0x2e8, 72);
	ECDSA_SIG_free(sig);
	EVP_MD_CTX_free(ctx);
}

/* All of it, good at PKI_NOW; keys are made once. */
static inline void snp_fixture_make(struct snp_fixture *f)
{
	if (!f->key) {
		f->ark_key = pki_rsa_key();
		f->ask_key = pki_rsa_key();
		f->key = pki_ec_key("P-384");
	}
	snp_fixture_cas(f, "ARK-Milan", "SEV-Milan");
	snp_fixture_leaf(f);
	snp_fixture_issue(f);
	snp_fixture_report(f);
	snp_fixture_sign(f);
	f->chain.crl = NULL;
}

static inline void snp_fixture_free(struct snp_fixture *f)
{
	int i;

	for (i = 0; i < SNP_FIXTURE_CERTS; i++)
		OPENSSL_free((void *)f->certs[i].data);
	X509_free(f->ark);
	X509_free(f->ask);
	EVP_PKEY_free(f->ark_key);
	EVP_PKEY_free(f->ask_key);
	EVP_PKEY_free(f->key);
}

#endif /* SNP_FIXTURE_H */
