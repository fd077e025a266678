// SPDX-License-Identifier: MIT
/*
 * From AMD's root to the key that signed the report
 *
 * Copyright The dstack for Linux authors
 *
 * ARK, the root of a product line; ASK (or ASVK), which signs certificates of
 * chips (or of clouds); VCEK (or VLEK), which signs reports.
 */
#include "snp.h"

#include <string.h>

#define CHAIN_LENGTH	3

static const struct {
	const char *name, *ark, *ask, *asvk;
	uint8_t root[SHA256_DIGEST_LENGTH];	/* of the ARK's DER */
} products[__LIBDSTACK_SNP_PRODUCT_MAX] = {
	[LIBDSTACK_SNP_MILAN] = {
		"Milan", "ARK-Milan", "SEV-Milan", "SEV-VLEK-Milan",
		{ 0x69, 0xd0, 0x63, 0xb4, 0x53, 0x44, 0xd2, 0x6a,
		  0x2e, 0x94, 0xe1, 0xf4, 0x21, 0x0d, 0xe4, 0x9e,
		  0xf5, 0x55, 0x30, 0x82, 0x87, 0xd4, 0xc1, 0x74,
		  0x44, 0x5c, 0x95, 0x63, 0x9a, 0x54, 0x0b, 0xcd }
	},
	[LIBDSTACK_SNP_GENOA] = {
		"Genoa", "ARK-Genoa", "SEV-Genoa", "SEV-VLEK-Genoa",
		{ 0x4c, 0x65, 0x98, 0xd1, 0x9c, 0x18, 0x71, 0x9c,
		  0x5d, 0xfd, 0x4a, 0x7d, 0x33, 0x5f, 0x67, 0x4e,
		  0x5b, 0xfe, 0x1d, 0x8f, 0x80, 0x0c, 0xea, 0x2c,
		  0xf2, 0x70, 0xc1, 0x0d, 0x10, 0x3d, 0xb2, 0xf1 }
	},
	[LIBDSTACK_SNP_TURIN] = {
		"Turin", "ARK-Turin", "SEV-Turin", "SEV-VLEK-Turin",
		{ 0x1f, 0x08, 0x41, 0x61, 0xa4, 0x4b, 0xb6, 0xd9,
		  0x37, 0x78, 0xa9, 0x04, 0x87, 0x7d, 0x48, 0x19,
		  0xca, 0xfa, 0x5d, 0x05, 0xef, 0x41, 0x93, 0xb2,
		  0xde, 0xd9, 0xdd, 0x9c, 0x73, 0xdd, 0x3f, 0x6a }
	},
};

const char *libdstack_snp_product_name(enum libdstack_snp_product product)
{
	return product < __LIBDSTACK_SNP_PRODUCT_MAX ? products[product].name :
						       NULL;
}

/* The one with this name, which a signature has yet to confirm. */
static X509 *find(const struct snp *s, const char *name)
{
	int i;

	for (i = 0; i < sk_X509_num(s->certs); i++)
		if (certs_name_is(sk_X509_value(s->certs, i), name))
			return sk_X509_value(s->certs, i);
	return NULL;
}

int snp_certs_read(struct snp *s)
{
	const struct libdstack_snp_chain *c = s->chain;
	size_t i;
	int err = 0;

	s->certs = sk_X509_new_null();
	if (!s->certs)
		return snp_fail(s, REASON(MEMORY), "out of memory");
	for (i = 0; !err && i < c->nr_certs; i++)
		err = certs_add(s->certs, c->certs[i].data, c->certs[i].len,
				&s->verdict->failure);
	if (err)
		return err;
	s->leaf = find(s, s->verdict->report.vlek ? "SEV-VLEK" : "SEV-VCEK");
	if (!s->leaf)
		return snp_fail(s, REASON(MISMATCH),
				"no certificate is of a %s, which the report says signed it",
				s->verdict->report.vlek ? "VLEK" : "VCEK");
	return 0;
}

static int given_root(struct snp *s)
{
	s->root = certs_parse(s->chain->root, s->chain->root_len);
	if (!s->root)
		return snp_fail(s, REASON(MALFORMED),
				"neither DER nor PEM of a certificate");
	return 0;
}

static int pinned_root(struct snp *s)
{
	enum libdstack_snp_product product;
	X509 *ark;

	for (product = LIBDSTACK_SNP_MILAN;
	     product < __LIBDSTACK_SNP_PRODUCT_MAX; product++) {
		ark = find(s, products[product].ark);
		if (!ark || !certs_digest_is(ark, products[product].root))
			continue;
		X509_up_ref(ark);
		s->root = ark;
		return 0;
	}
	return snp_fail(s, REASON(ROOT),
			"none of the certificates is an ARK of AMD's: add it to them, or give another root");
}

/* The root says what product this is, and so how levels are written. */
int snp_root_check(struct snp *s)
{
	enum libdstack_snp_product product;
	int err;

	err = s->chain->root ? given_root(s) : pinned_root(s);
	if (err)
		return err;
	for (product = LIBDSTACK_SNP_MILAN;
	     product < __LIBDSTACK_SNP_PRODUCT_MAX; product++)
		if (certs_name_is(s->root, products[product].ark))
			break;
	if (product == __LIBDSTACK_SNP_PRODUCT_MAX)
		return snp_fail(s, REASON(UNSUPPORTED),
				"the root is not called ARK-Milan, ARK-Genoa or ARK-Turin");
	s->verdict->product = product;
	snp_report_levels(s);
	return 0;
}

/* Salt and mask follow from the hash in what AMD signs. */
static bool is_pss_sha384(X509 *cert)
{
	int md, key;

	return X509_get_signature_info(cert, &md, &key, NULL, NULL) == 1 &&
		md == NID_sha384 && key == EVP_PKEY_RSA_PSS;
}

int snp_chain_check(struct snp *s)
{
	const char *ca = s->verdict->report.vlek ?
		products[s->verdict->product].asvk :
		products[s->verdict->product].ask;
	struct certs_path path = {
		.leaf = s->leaf, .others = s->certs, .root = s->root,
		.min = CHAIN_LENGTH, .max = CHAIN_LENGTH, .now = s->now,
	};

	s->ca = find(s, ca);
	if (!s->ca)
		return snp_fail(s, REASON(CHAIN),
				"no certificate is called %s: add it", ca);
	if (!is_pss_sha384(s->leaf) || !is_pss_sha384(s->ca) ||
	    !is_pss_sha384(s->root))
		return snp_fail(s, REASON(UNSUPPORTED),
				"a certificate is not signed by RSA-PSS with SHA-384");
	if (X509_NAME_cmp(X509_get_issuer_name(s->leaf),
			  X509_get_subject_name(s->ca)))
		return snp_fail(s, REASON(CHAIN),
				"the first certificate was not issued by %s",
				ca);
	return certs_check(&path, &s->verdict->earliest_expiry,
			   &s->verdict->failure);
}

/* It lists certificates that the ARK issued.  None: nothing is revoked. */
int snp_crl_check(struct snp *s)
{
	struct certs_path path = {
		.leaf = s->ca, .others = s->certs, .root = s->root,
		.min = CHAIN_LENGTH - 1, .max = CHAIN_LENGTH - 1,
		.now = s->now,
	};

	if (!s->chain->crl)
		return 0;
	s->crl = certs_parse_crl(s->chain->crl, s->chain->crl_len);
	if (!s->crl)
		return snp_fail(s, REASON(MALFORMED),
				"neither DER nor PEM of a revocation list");
	path.crl = s->crl;
	return certs_check(&path, &s->verdict->earliest_expiry,
			   &s->verdict->failure);
}
