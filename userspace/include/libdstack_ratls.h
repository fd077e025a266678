/* SPDX-License-Identifier: MIT */
/*
 * libdstack_ratls: TLS with attestation
 *
 * Copyright The dstack for Linux authors
 *
 * Certificates that carry evidence for their key, and evidence that is bound
 * to one connection.  Documentation/verify/ratls.rst has the formats, and says
 * what each protects from.
 */
#ifndef LIBDSTACK_RATLS_H
#define LIBDSTACK_RATLS_H

#include <curl/curl.h>
#include <libdstack_identity.h>
#include <libdstack_nitro.h>
#include <libdstack_snp.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#ifdef __cplusplus
extern "C" {
#endif

#define LIBDSTACK_USAGE_MAX	32	/* with NUL */

/* What is in a certificate.  Nothing of it is verified. */
struct libdstack_ratls {
	struct libdstack_attestation *attestation;	/* NULL: none */
	struct libdstack_id app_id;
	char usage[LIBDSTACK_USAGE_MAX];
	bool have_info;
	struct libdstack_identity info;	/* the issuer's word */
	uint8_t *spki;			/* the key as it is written */
	size_t spki_len;
};

int libdstack_ratls_parse(X509 *cert, struct libdstack_ratls *ratls,
			  struct libdstack_failure *failure);
/* What @ratls holds; it may be all zeros. */
void libdstack_ratls_clear(struct libdstack_ratls *ratls);

/* Who was verified. */
struct libdstack_peer {
	struct libdstack_attestation *attestation;
	/* Of the kind that identity.tee says; the others are zeros. */
	struct libdstack_attestation_verdict verdict;	/* TDX */
	struct libdstack_snp_verdict snp;
	struct libdstack_nitro_verdict nitro;
	struct libdstack_identity identity;
	char usage[LIBDSTACK_USAGE_MAX];	/* empty: none, or nobody's */
};

/* What @peer holds; it may be all zeros. */
void libdstack_peer_clear(struct libdstack_peer *peer);

/* The evidence alone: no issuer is trusted, and none is needed. */
#define LIBDSTACK_RATLS_F_ANY_ISSUER	(1U << 0)

/* Whom to trust.  Must stay while something uses it. */
struct libdstack_trust {
	/*
	 * Bits 1U << enum libdstack_tee: the kinds of evidence that accept()
	 * knows how to judge; 0: TDX alone.
	 */
	uint32_t tees;
	const struct libdstack_collateral *collateral;	/* TDX; NULL: */
	/* that of the quote's platform, which is freed after its use. */
	int (*find)(const void *quote, size_t len, time_t now, void *data,
		    struct libdstack_collateral **collateral,
		    struct libdstack_failure *failure);
	const void *root;		/* of TDX; NULL: pinned */
	size_t root_len;
	const struct libdstack_snp_chain *snp;	/* certificates besides those */
					/* in the evidence, root; or NULL */
	const void *nitro_root;		/* NULL: pinned */
	size_t nitro_root_len;
	X509_STORE *issuers;		/* of certificates, or the flag */
	uint32_t flags;			/* LIBDSTACK_RATLS_F_* */
	const char *usage;		/* that a certificate must have */
	/*
	 * Is this one good enough: TCB status, attributes, identity?  Returns
	 * 0, or -errno with a text.  NULL: nobody is.
	 */
	int (*accept)(const struct libdstack_peer *peer, void *data,
		      struct libdstack_failure *failure);
	/* In callbacks: which time to judge at, time(2) say. */
	time_t (*clock)(time_t *out);
	/* In callbacks: why a certificate was refused; or NULL. */
	void (*refused)(const struct libdstack_failure *failure, void *data);
	void *data;
};

/*
 * A certificate and what came with it, of a @purpose (X509_PURPOSE_SSL_SERVER,
 * X509_PURPOSE_SSL_CLIENT).  0 or -errno, as of evidence.  @peer is to be
 * cleared in both cases.
 */
int libdstack_ratls_verify(X509 *cert, STACK_OF(X509) *chain, int purpose,
			   const struct libdstack_trust *trust, time_t now,
			   struct libdstack_peer *peer,
			   struct libdstack_failure *failure);
/*
 * All handshakes of @ctx verify their peer so.  Sets SSL_VERIFY_PEER, and that
 * clients must have a certificate.  -EINVAL: @trust has no clock or policy.
 */
int libdstack_ratls_use(SSL_CTX *ctx, const struct libdstack_trust *trust);
CURLcode libdstack_ratls_curl(CURL *curl, const struct libdstack_trust *trust);

/* A certificate to be made. */
struct libdstack_ratls_request {
	EVP_PKEY *key;			/* on P-256 */
	const char *org_name, *subject;	/* organisation may be NULL */
	const char *const *alt_names;	/* names and addresses, up to NULL */
	bool server, client;		/* extended usage; neither: any */
	bool ca;			/* issues others, */
	uint32_t ca_level;		/* and has so many CAs below it */
	int64_t not_before, not_after;
	const char *usage;		/* or NULL */
	struct libdstack_span app_id;	/* or empty */
	struct libdstack_span app_info;	/* encoded, or empty */
	struct libdstack_span evidence;	/* a container, or empty */
	struct libdstack_span quote, event_log;	/* of old, or empty */
	X509 *issuer;			/* NULL: self-signed */
	EVP_PKEY *issuer_key;
};

/* What app_info is of this application, for free(). */
int libdstack_ratls_info(const struct libdstack_identity *identity,
			 uint8_t **data, size_t *len);
/* NULL: no memory, or a part that can't be. */
X509 *libdstack_ratls_make(const struct libdstack_ratls_request *request);
/* What evidence for the key must carry.  -EOPNOTSUPP: not on P-256. */
int libdstack_ratls_report_data(EVP_PKEY *key,
				uint8_t out[DSTACK_REPORT_DATA_SIZE]);

/*
 * requests for certificates, as a KMS takes them
 */

#define LIBDSTACK_CSR_NAMES_MAX	64
#define LIBDSTACK_CSR_CONFIRM	"please sign cert:"

struct libdstack_csr {
	uint32_t version;		/* 1 or 2: how it is written */
	struct libdstack_span pubkey;	/* SPKI, DER */
	bool have_org_name;
	struct libdstack_span org_name, subject;
	struct libdstack_span alt_names[LIBDSTACK_CSR_NAMES_MAX];
	size_t nr_alt_names;
	bool server, client, ext_quote;
	bool ext_app_info;				/* 2 */
	bool have_not_before, have_not_after;		/* 2 */
	uint64_t not_before, not_after;
	struct libdstack_span attestation;		/* 2 */
	struct libdstack_span quote, event_log;		/* 1 */
};

/* Spans lead into @data. */
int libdstack_csr_parse(const void *data, size_t len, uint32_t version,
			struct libdstack_csr *csr,
			struct libdstack_failure *failure);
/* For free().  -EINVAL, -ENOMEM. */
int libdstack_csr_encode(const struct libdstack_csr *csr, uint8_t **data,
			 size_t *len);
/* ECDSA with SHA-256, in DER, for free(). */
int libdstack_csr_sign(EVP_PKEY *key, const void *data, size_t len,
		       uint8_t **signature, size_t *signature_len);
/*
 * What a signer of requests must see: the request's own key signed it, and the
 * evidence in it is for that key and accepted.
 */
int libdstack_csr_verify(const void *data, size_t len, uint32_t version,
			 const void *signature, size_t signature_len,
			 const struct libdstack_trust *trust, time_t now,
			 struct libdstack_csr *csr,
			 struct libdstack_peer *peer,
			 struct libdstack_failure *failure);

/*
 * the bound channel
 */

#define LIBDSTACK_CHANNEL_NONCE_SIZE	32

/* What this side is and wants. */
struct libdstack_channel_side {
	/*
	 * Client: the name that it asked for, "" for none; server: all that are
	 * its own, "" if it has to do without, up to NULL.
	 */
	const char *const *names;
	/*
	 * Evidence for this report data, for free().  NULL: this side has none.
	 */
	int (*attest)(const uint8_t report_data[DSTACK_REPORT_DATA_SIZE],
		      void *data, uint8_t **evidence, size_t *len);
	void *data;			/* of attest() */
	const struct libdstack_trust *trust;	/* NULL: peer may be anybody */
};

struct libdstack_channel;

/* Only TLS 1.3, full handshakes, no tickets, no early data. */
int libdstack_channel_prepare(SSL_CTX *ctx);
/*
 * After the handshake.  -EOPNOTSUPP, -EKEYREJECTED: the connection is not as it
 * must be.  @side must stay.
 */
int libdstack_channel_open(SSL *ssl, const struct libdstack_channel_side *side,
			   time_t now, struct libdstack_channel **channel,
			   struct libdstack_failure *failure);
void libdstack_channel_free(struct libdstack_channel *channel);
/*
 * @in: one message of the peer, NULL to begin.  *@out: for free(), what to send
 * to it, NULL: nothing.  The run is over once libdstack_channel_done().
 */
int libdstack_channel_step(struct libdstack_channel *channel,
			   const void *in, size_t in_len,
			   uint8_t **out, size_t *out_len);
bool libdstack_channel_done(const struct libdstack_channel *channel);
/* Of the last step that failed. */
const struct libdstack_failure *
libdstack_channel_failure(const struct libdstack_channel *channel);
/* Once done; NULL if nobody was to be verified. */
const struct libdstack_peer *
libdstack_channel_peer(const struct libdstack_channel *channel);
/* Bytes of the message that begins so, of which @len are there; 0: more. */
int libdstack_channel_message_len(const void *data, size_t len,
				  size_t *message_len);
/* All steps, on a connection that blocks. */
int libdstack_channel_run(SSL *ssl, struct libdstack_channel *channel);

#ifdef __cplusplus
}
#endif

#endif /* LIBDSTACK_RATLS_H */
