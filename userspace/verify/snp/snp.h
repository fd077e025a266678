/* SPDX-License-Identifier: MIT */
/*
 * What the rooms of the SEV-SNP verifier share
 *
 * Copyright The dstack for Linux authors
 *
 * report.c takes a report apart, chain.c leads from AMD's root to the key that
 * signed it, vcek.c reads what that key's certificate says of the platform,
 * verify.c puts the steps in order, and policy.c judges what is genuine.
 */
#ifndef SNP_H
#define SNP_H

#include <libdstack_snp.h>

#include "../certs.h"
#include "../failure.h"

#define SNP_SIGNED_SIZE		0x2a0
#define SNP_SCALAR_SIZE		72	/* of r and of s, little-endian */
#define SNP_CHIP_SIZE		64
#define SNP_TURIN_CHIP_SIZE	8

/* One verification. */
struct snp {
	const uint8_t *data;
	size_t len;
	const struct libdstack_snp_chain *chain;
	time_t now;
	struct libdstack_snp_verdict *verdict;

	STACK_OF(X509) *certs;
	X509 *leaf, *ca;	/* borrowed from certs */
	X509 *root;
	X509_CRL *crl;
};

/* verify_fail() for the verdict. */
int snp_fail(struct snp *s, enum libdstack_reason reason, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* report.c */

int snp_report_parse(struct snp *s);
/* What a report of this product means by eight bytes of levels. */
void snp_tcb_decode(enum libdstack_snp_product product, const uint8_t raw[8],
		    struct libdstack_snp_tcb *tcb);
/* Needs the product. */
void snp_report_levels(struct snp *s);

/* chain.c */

int snp_certs_read(struct snp *s);
int snp_root_check(struct snp *s);
int snp_chain_check(struct snp *s);
int snp_crl_check(struct snp *s);

/* vcek.c */

int snp_vcek_check(struct snp *s);

#endif /* SNP_H */
