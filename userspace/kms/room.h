/* SPDX-License-Identifier: MIT */
/*
 * What the files of the KMS client share
 *
 * Copyright The dstack for Linux authors
 *
 * run.c goes from one KMS to the next, http.c asks one, server.c judges its
 * certificate, reply.c reads what it answers, temp_ca.c and asker.c make the
 * certificate that evidence is sent in, succession.c follows the root that is
 * pinned; app_keys.c, sign_cert.c, env_key.c,
 * roots.c, peer.c and app_state.c are what is asked for.
 */
#ifndef KMS_ROOM_H
#define KMS_ROOM_H

#include "kms.h"

#include <curl/curl.h>

#include "../rpc/codec.h"

#define KMS_WHY_MAX	512
#define KMS_KEYS_MAX	65536		/* bytes of a reply with keys */
#define KMS_CERTS_MAX	(4U << 20)	/* of one with certificates */
#define KMS_ROOTS_MAX	(512U << 10)	/* of one with all epochs */

/* Who answered, by its evidence alone: its root comes later. */
struct kms_attested {
	EVP_PKEY *key;			/* NULL: nobody did yet */
	struct libdstack_peer peer;
};

/* One KMS while it is asked. */
struct kms_call {
	const struct kms *kms;
	const char *url;
	int64_t end;			/* ms of CLOCK_MONOTONIC */
	/* Who it must be; NULL: anybody, so nothing it says is believed, */
	X509 *root;
	/* but by evidence; and from then on, whoever has that key. */
	struct kms_attested *attested;
	bool followed;			/* it is not the pinned one itself */
	X509 *cert;			/* who we are, or NULL */
	EVP_PKEY *key;
	/*
	 * For all requests from now on, of which none may differ in what is
	 * above; NULL: a connection for each.
	 */
	CURL *curl;
	int err;
	char why[KMS_WHY_MAX];		/* the first reason */
};

/* run.c */

int kms_fail(struct kms_call *call, int err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* Another machine's words, which nothing shall obey: printable ASCII. */
void kms_make_plain(char *text);
int64_t kms_now_ms(void);
/* Asks one after the other, until ask() returns 0 or -ENOMEM. */
int kms_run(const struct kms *kms,
	    int (*ask)(struct kms_call *call, void *arg), void *arg);

/* roots.c */

/* May it be a KMS?  Before it sees who we are. */
int kms_check_allowed(struct kms_call *call, kms_allow_fn allow, void *arg);
void kms_attested_clear(struct kms_attested *attested);

/* http.c */

struct kms_body {
	char *data;			/* of kms_body_free() */
	size_t len, max;
	bool too_large;
	long status;
};

/* The whole URL of a method, for free(); or NULL with why. */
char *kms_url(struct kms_call *call, const char *method);
int kms_http_post(struct kms_call *call, const char *url, const void *data,
		  size_t len, struct kms_body *body);
void kms_body_free(struct kms_body *body);

/* server.c */

/* All that is TLS, on a handle for one request. */
int kms_server_use(CURL *curl, struct kms_call *call);

/* reply.c */

struct kms_reply {
	struct rpc_memory memory;	/* of @msg, wiped in the end */
	ProtobufCMessage *msg;
};

/* What a KMS answers in @body, as a message of this kind. */
int kms_reply_read(struct kms_call *call,
		   const ProtobufCMessageDescriptor *desc,
		   const struct kms_body *body, struct kms_reply *reply);
void kms_reply_free(struct kms_reply *reply);
/* Sends a message and reads the answer, of at most @max bytes. */
int kms_ask(struct kms_call *call, const char *method, const void *request,
	    const ProtobufCMessageDescriptor *desc, size_t max,
	    struct kms_reply *reply);

/* succession.c */

enum kms_root { KMS_ROOT_CA, KMS_ROOT_K256 };

/*
 * Whether @to succeeds @from, another root of that kind, by records that the
 * KMS shows.  -EKEYREJECTED: it does not, with @what and why not.
 */
int kms_follow_root(struct kms_call *call, enum kms_root which,
		    const uint8_t *from, const uint8_t *to, const char *what);

/* temp_ca.c */

/* What a KMS gives to anybody: nothing here says who it is. */
struct kms_temp_ca {
	char *cert_pem, *key_pem;
	X509 *cert, *root;
	EVP_PKEY *key;
};

/* A root that signed itself, on P-256; or NULL with why. */
X509 *kms_root_read(struct kms_call *call, const char *pem);
/* Its key as it is measured, of OPENSSL_free(). */
int kms_root_id(struct kms_call *call, X509 *root, uint8_t **id, size_t *len);
int kms_temp_ca_read(struct kms_call *call, const ProtobufCMessage *msg,
		     struct kms_temp_ca *ca);
/* Its root is the one that is pinned, or succeeds it: call->followed. */
int kms_temp_ca_get(struct kms_call *call, struct kms_temp_ca *ca);
void kms_temp_ca_clear(struct kms_temp_ca *ca);

/* asker.c */

/* Who we are to every KMS that is asked. */
struct kms_asker {
	EVP_PKEY *key;
	uint8_t *evidence;
	size_t evidence_len;
};

/* Both before any KMS is asked, with a line if that can't be had. */
int kms_asker_init(const struct kms *kms, struct kms_asker *asker);
void kms_asker_clear(struct kms_asker *asker);
/*
 * From now on the KMS must be @ca's root, and sees evidence.  NULL: it stays
 * the one that was attested, which may have no root.  call->cert is the
 * caller's to free.
 */
int kms_asker_show(struct kms_call *call, const struct kms_asker *asker,
		   const struct kms_temp_ca *ca);

#endif /* KMS_ROOM_H */
