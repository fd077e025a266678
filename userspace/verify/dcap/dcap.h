/* SPDX-License-Identifier: MIT */
/*
 * What the rooms of the quote verifier share
 *
 * Copyright The dstack for Linux authors
 *
 * quote.c takes a quote apart, collateral.c holds what Intel publishes about
 * platforms, chain.c and ecdsa.c check signatures, pck.c reads a platform's
 * certificate, tcb_json.c and tcb.c compare it with the published levels, and
 * verify.c puts the steps in order.
 */
#ifndef DCAP_H
#define DCAP_H

#include <jansson.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#include <lib.h>

#include "../failure.h"

#define DCAP_SIGNATURE_SIZE	64	/* r, s */
#define DCAP_KEY_SIZE		64	/* x, y on P-256 */
#define DCAP_QE_REPORT_SIZE	384
#define DCAP_SVNS		16	/* components of a platform's TCB */
#define DCAP_FMSPC_SIZE		6
#define DCAP_PCEID_SIZE		2

/* quote.c */

/* A quote taken apart; all pointers lead into it. */
struct dcap_quote {
	uint16_t version;
	bool td15;			/* a TD 1.5 body */
	const uint8_t *signed_part;	/* header, descriptor, body */
	size_t signed_len;
	const uint8_t *body;
	const uint8_t *signature;
	const uint8_t *key;		/* attestation key */
	const uint8_t *qe_report;
	const uint8_t *qe_signature;
	const uint8_t *qe_auth;
	size_t qe_auth_len;
	const char *chain;		/* PEM */
	size_t chain_len;
};

/* 0 or -EBADMSG with *why. */
int dcap_quote_parse(const void *data, size_t len, struct dcap_quote *quote,
		     const char **why);
void dcap_quote_td(const struct dcap_quote *quote, struct libdstack_td *td);

/* collateral.c */

struct libdstack_collateral {
	json_t *doc;			/* owns the texts */
	const char *tcb_info, *qe_identity;	/* exactly as signed */
	uint8_t tcb_info_signature[DCAP_SIGNATURE_SIZE];
	uint8_t qe_identity_signature[DCAP_SIGNATURE_SIZE];
	STACK_OF(X509) *tcb_info_chain, *qe_identity_chain, *pck_crl_chain;
	X509_CRL *root_crl, *pck_crl;
};

/* pck.c */

/* What the certificate of a platform says about it. */
struct dcap_pck {
	EVP_PKEY *key;			/* borrowed from the certificate */
	uint8_t fmspc[DCAP_FMSPC_SIZE];
	uint8_t pceid[DCAP_PCEID_SIZE];
	uint8_t svn[DCAP_SVNS];
	uint16_t pcesvn;
};

/* 0 or -EBADMSG with *why. */
int dcap_pck_parse(X509 *cert, struct dcap_pck *pck, const char **why);

/* tcb_json.c */

struct dcap_level {
	uint8_t sgx[DCAP_SVNS], tdx[DCAP_SVNS];	/* of a platform */
	uint16_t pcesvn;
	uint16_t isvsvn;			/* of an enclave or module */
	enum libdstack_tcb_status status;
	const char *date;
	const json_t *advisories;		/* NULL: none */
};

struct dcap_levels {
	struct dcap_level *level;		/* the highest first */
	size_t nr;
};

/* Who signed a TDX module, and how it must be configured. */
struct dcap_module {
	uint8_t version;
	uint8_t mrsigner[48];
	uint8_t attributes[8], attributes_mask[8];
	struct dcap_levels levels;
};

struct dcap_tcb_info {
	json_t *doc;
	int64_t issued, expires;
	uint8_t fmspc[DCAP_FMSPC_SIZE];
	uint8_t pceid[DCAP_PCEID_SIZE];
	uint32_t eval_number;
	struct dcap_module base;		/* modules of version 0 */
	struct dcap_module *modules;
	size_t nr_modules;
	struct dcap_levels levels;
};

struct dcap_qe_identity {
	json_t *doc;
	int64_t issued, expires;
	uint32_t miscselect, miscselect_mask;
	uint8_t attributes[16], attributes_mask[16];
	uint8_t mrsigner[32];
	uint16_t isvprodid;
	uint32_t eval_number;
	struct dcap_levels levels;
};

/* 0, -ENOMEM or -EBADMSG with *field; free in every case. */
int dcap_tcb_info_parse(const char *text, struct dcap_tcb_info *info,
			const char **field);
void dcap_tcb_info_free(struct dcap_tcb_info *info);
int dcap_qe_identity_parse(const char *text, struct dcap_qe_identity *qe,
			   const char **field);
void dcap_qe_identity_free(struct dcap_qe_identity *qe);

/* verify.c */

/* One verification. */
struct dcap {
	const struct libdstack_collateral *collateral;
	const void *quote_data;
	size_t quote_len;
	const void *root_data;
	size_t root_len;
	time_t now;
	struct libdstack_verdict *verdict;

	struct dcap_quote quote;
	X509 *root;
	X509_STORE *store;
	STACK_OF(X509) *chain;		/* of the quote: PCK, its CA, root */
	struct dcap_pck pck;
	struct dcap_tcb_info tcb_info;
	struct dcap_qe_identity qe;
};

/* verify_fail() for the verdict. */
int dcap_fail(struct dcap *d, enum libdstack_reason reason, const char *fmt,
	      ...)
	__attribute__((format(printf, 3, 4)));
/* Remembers the earliest of all times. */
void dcap_expires(struct dcap *d, int64_t when);

/* chain.c */

/* PEM of @nr certificates and nothing else.  NULL with the error cleared. */
STACK_OF(X509) *dcap_chain_parse(const char *pem, size_t len, int nr);
void dcap_chain_free(STACK_OF(X509) *chain);
X509 *dcap_root_parse(const void *data, size_t len);
bool dcap_root_is_intel(X509 *root);
bool dcap_common_name_is(X509 *cert, const char *name);
int dcap_store_open(struct dcap *d);
/* The chain holds now, against the CRLs, and ends in the trusted root. */
int dcap_chain_check(struct dcap *d, STACK_OF(X509) *chain);

/* ecdsa.c */

EVP_PKEY *dcap_ecdsa_key(const uint8_t raw[DCAP_KEY_SIZE]);
/* ECDSA with SHA-256 and a P-256 key. */
bool dcap_ecdsa_verify(EVP_PKEY *key, const uint8_t raw[DCAP_SIGNATURE_SIZE],
		       const void *data, size_t len);

/* tcb.c */

int dcap_qe_identity_check(struct dcap *d);
int dcap_tcb_check(struct dcap *d);

#endif /* DCAP_H */
