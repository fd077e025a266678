/* SPDX-License-Identifier: MIT */
/*
 * What the rooms of the quote verifier share
 *
 * Copyright The dstack for Linux authors
 *
 * quote.c takes a quote apart, body.c its report, collateral.c holds what
 * Intel publishes about platforms and trust.c checks it, pem.c, chain.c and
 * ecdsa.c check signatures, pck.c reads a platform's certificate, platform.c
 * checks it and what it signed, known.c remembers that, tcb_json.c and tcb.c
 * compare it with the published levels, and verify.c puts the steps in order.
 */
#ifndef DCAP_H
#define DCAP_H

#include <jansson.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <pthread.h>
#include <stdatomic.h>

#include "lib.h"
#include "../certs.h"
#include "../failure.h"

#define DCAP_SIGNATURE_SIZE	64	/* r, s */
#define DCAP_KEY_SIZE		64	/* x, y on P-256 */
#define DCAP_QE_REPORT_SIZE	384
#define DCAP_SVNS		16	/* components of a platform's TCB */
#define DCAP_FMSPC_SIZE		6
#define DCAP_PCEID_SIZE		2
#define DCAP_PPID_SIZE		16
#define DCAP_CHAIN_LENGTH	3	/* of a quote: PCK, its CA, root */
#define DCAP_DATE_SIZE		21	/* "2026-08-13T10:45:38Z" */

/* quote.c */

enum dcap_body {
	DCAP_BODY_SGX = 1,
	DCAP_BODY_TD10 = 2,
	DCAP_BODY_TD15 = 3,
};

/* A quote taken apart; all pointers lead into it. */
struct dcap_quote {
	uint16_t version;
	uint16_t body_type;		/* enum dcap_body */
	const uint8_t *signed_part;	/* header, descriptor, body */
	size_t signed_len;
	const uint8_t *body;
	size_t body_len;
	const uint8_t *signature;
	const uint8_t *key;		/* attestation key */
	const uint8_t *qe_report;
	const uint8_t *qe_signature;
	const uint8_t *qe_auth;
	size_t qe_auth_len;
	const char *chain;		/* PEM */
	size_t chain_len;
};

/* 0; -EBADMSG or, of a kind that nothing here knows, -EOPNOTSUPP with *why. */
int dcap_quote_parse(const void *data, size_t len, struct dcap_quote *quote,
		     const char **why);

/* body.c */

void dcap_quote_td(const struct dcap_quote *quote, struct libdstack_td *td);
/* @report: DCAP_QE_REPORT_SIZE bytes, of any enclave. */
void dcap_enclave(const uint8_t *report, struct libdstack_enclave *enclave);

/* collateral.c */

struct dcap_trust;

struct libdstack_collateral {
	json_t *doc;			/* owns the texts */
	const char *tcb_info, *qe_identity;	/* exactly as signed */
	uint8_t tcb_info_signature[DCAP_SIGNATURE_SIZE];
	uint8_t qe_identity_signature[DCAP_SIGNATURE_SIZE];
	STACK_OF(X509) *tcb_info_chain, *qe_identity_chain, *pck_crl_chain;
	X509_CRL *root_crl, *pck_crl;
	struct dcap_trust *trust;	/* once it was checked */
	atomic_uint shared;		/* by so many besides the first */
};

/* For one more libdstack_collateral_free(). */
struct libdstack_collateral *
dcap_collateral_share(struct libdstack_collateral *c);

/* pck.c */

/* What the certificate of a platform says about it. */
struct dcap_pck {
	EVP_PKEY *key;			/* borrowed from the certificate */
	uint8_t ppid[DCAP_PPID_SIZE];
	uint8_t fmspc[DCAP_FMSPC_SIZE];
	uint8_t pceid[DCAP_PCEID_SIZE];
	uint8_t svn[DCAP_SVNS];
	uint16_t pcesvn;
};

/* 0 or -EBADMSG with *why. */
int dcap_pck_parse(X509 *cert, struct dcap_pck *pck, const char **why);
/* The extension alone; all but the key. */
bool dcap_pck_read(const void *data, size_t len, struct dcap_pck *pck);

/* tcb_json.c */

struct dcap_level {
	uint8_t sgx[DCAP_SVNS], tdx[DCAP_SVNS];	/* of a platform */
	uint16_t pcesvn;
	uint16_t isvsvn;			/* of an enclave or module */
	enum libdstack_tcb_status status;
	char date[DCAP_DATE_SIZE];
	int64_t time;				/* the same */
	json_t *advisories;			/* strings; NULL: none */
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
	bool tdx;				/* or else SGX */
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
	bool tdx;				/* or else SGX */
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

/* chain.c: when something holds, and what makes it end */

struct dcap_window {
	int64_t from, to;
	const char *from_what, *to_what;
};

void dcap_window_open(struct dcap_window *window);
void dcap_window_narrow(struct dcap_window *window, const char *what,
			int64_t from, int64_t to);
/* To what is also within @other. */
void dcap_window_meet(struct dcap_window *window,
		      const struct dcap_window *other);

/* known.c */

struct dcap;

#define DCAP_KNOWN_MAX	16

/* A platform whose certificates hold under a root and its collateral. */
struct dcap_platform {
	char *text;			/* its chain, as it was in a quote */
	size_t len;
	X509 *cert;
	struct dcap_pck pck;
	struct dcap_window window;
};

/* Those of the latest quotes, for all threads. */
struct dcap_known {
	pthread_mutex_t lock;
	struct dcap_platform list[DCAP_KNOWN_MAX];
	unsigned int next;		/* to be replaced */
};

struct dcap_known *dcap_known_open(void);
void dcap_known_close(struct dcap_known *known);
/* True if exactly this chain is known; sets @d's cert, pck and window. */
bool dcap_known_find(struct dcap_known *known, struct dcap *d);
/* @window: that of the chain alone.  Without memory nothing is kept. */
void dcap_known_add(struct dcap_known *known, const struct dcap *d,
		    const struct dcap_window *window);

/* trust.c */

/* Collateral that holds under a root, in its window. */
struct dcap_trust {
	struct dcap_known *known;	/* NULL: used only once */
	X509 *root;
	void *root_data;		/* as it was given; NULL: Intel's */
	size_t root_len;
	X509_STORE *store;		/* the root and its revocation list */
	X509 *pck_ca;			/* borrowed: who issued pck_crl */
	struct dcap_window window;
	struct dcap_tcb_info tcb_info;
	struct dcap_qe_identity qe;
};

void dcap_trust_close(struct dcap_trust *trust);
/* True if @trust was checked under this root, NULL for Intel's. */
bool dcap_trust_is_of(const struct dcap_trust *trust, const void *root,
		      size_t root_len);

/* verify.c */

/* One verification. */
struct dcap {
	const struct libdstack_collateral *collateral;
	const void *quote_data;
	size_t quote_len;
	const struct libdstack_quote_options *options;
	struct libdstack_verdict *verdict;
	struct libdstack_failure *failure;	/* of the step that runs */
	char input[LIBDSTACK_TEXT_MAX];		/* of that step */

	struct dcap_quote quote;
	struct dcap_trust *trust;
	struct dcap_window window;
	X509 *cert;			/* of the platform */
	struct dcap_pck pck;
	/* What the platform's parts reach; NULL: nothing. */
	const struct dcap_level *qe_level, *module_level;
};

struct dcap_step {
	const char *name;
	int (*check)(struct dcap *d);
	bool last;		/* nothing can be said once it failed */
};

/* The steps that look at nothing but collateral, in trust.c. */
extern const struct dcap_step dcap_trust_steps[];
extern const size_t dcap_nr_trust_steps;

/* verify_fail() for the step that runs. */
int dcap_fail(struct dcap *d, enum libdstack_reason reason, const char *fmt,
	      ...)
	__attribute__((format(printf, 3, 4)));
/* Says what the step that runs looks at. */
void dcap_input(struct dcap *d, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* Returns 0 or -errno of the first that failed. */
int dcap_run(struct dcap *d, const struct dcap_step *steps, size_t nr);

/* pem.c */

struct dcap_der {
	const uint8_t *data;
	size_t len;
};

/*
 * PEM of exactly @nr certificates and nothing else, for free(*owner), which
 * holds what @der leads to.
 */
bool dcap_pem_split(const char *pem, size_t len, size_t nr,
		    struct dcap_der *der, uint8_t **owner);
/* NULL with the error cleared, also for what is not DER. */
X509 *dcap_cert_parse(const struct dcap_der *der);
bool dcap_cert_is(X509 *cert, const struct dcap_der *der);
STACK_OF(X509) *dcap_chain_parse(const char *pem, size_t len, int nr);

/* chain.c */

bool dcap_root_is_intel(X509 *root);
/* @root_crl may be NULL. */
X509_STORE *dcap_store_open(X509 *root, X509_CRL *root_crl);
/* Each is signed by the next, the last is in @store; flags of X509_V_FLAG_*. */
int dcap_links_check(X509_STORE *store, STACK_OF(X509) *chain,
		     unsigned long flags, struct libdstack_failure *failure);
/*
 * Each is signed by the next, the last is the trusted root, and the root's
 * list revokes none; whatever the time, which narrows @window.
 */
int dcap_chain_check(struct dcap *d, STACK_OF(X509) *chain, const char *what,
		     struct dcap_window *window);
/* @issuer signed the list, and no part of it asks for more than is done. */
int dcap_crl_check(struct dcap *d, X509_CRL *crl, X509 *issuer,
		   const char *what, struct dcap_window *window);
/* For the validity of a certificate. */
int dcap_window_cert(struct dcap *d, X509 *cert, const char *what,
		     struct dcap_window *window);

/* ecdsa.c */

EVP_PKEY *dcap_ecdsa_key(const uint8_t raw[DCAP_KEY_SIZE]);
/* ECDSA with SHA-256 and a P-256 key. */
bool dcap_ecdsa_verify(EVP_PKEY *key, const uint8_t raw[DCAP_SIGNATURE_SIZE],
		       const void *data, size_t len);

/* platform.c */

int dcap_check_certificate(struct dcap *d);
int dcap_check_qe_report(struct dcap *d);
int dcap_check_attestation_key(struct dcap *d);
int dcap_check_quote_signature(struct dcap *d);

/* tcb.c */

int dcap_check_platform_type(struct dcap *d);
int dcap_check_qe(struct dcap *d);
int dcap_check_module(struct dcap *d);
int dcap_check_level(struct dcap *d);

#endif /* DCAP_H */
