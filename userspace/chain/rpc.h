/* SPDX-License-Identifier: MIT */
/*
 * Servers that tell of a chain, and what is made of what they say
 *
 * Copyright The dstack for Linux authors
 *
 * A server is never named by its URL, which may have a key in it.
 */
#ifndef CHAIN_RPC_H
#define CHAIN_RPC_H

#include "http.h"
#include "policy.h"

#define CHAIN_SERVERS_MAX	8
#define CHAIN_REPLY_MAX		(2U << 20)
#define CHAIN_SLOTS_MAX		64

struct chain_client {
	const char *const *urls;	/* https, or http to this machine */
	size_t nr;
	size_t quorum;			/* more than half of them */
	uint64_t chain_id;
	const char *tag;		/* "finalized", "safe" or "latest" */
	const char *ca_file;		/* NULL: the system's */
	long timeout_ms;		/* of one request */
	struct chain_limits limits;
	struct chain_pool *pool;	/* NULL: no connection is kept */
};

/* One block, by whose header everything is proven. */
struct chain_view {
	const struct chain_client *client;
	struct chain_header header;
	bool agrees[CHAIN_SERVERS_MAX];	/* who has it, to be asked first */
};

/* Before the first thread; curl_global_cleanup() is the caller's. */
int chain_client_init(void);

/*
 * The newest block that as many servers as the quorum say is the chain's; it
 * becomes the head.  Whoever is behind, on a fork or on another chain does not
 * count.  What this shows is that so many say so, and no more: where there is a
 * light client, its header is put in the view instead.
 */
int chain_client_agree(const struct chain_client *client,
		       struct chain_head *head, uint64_t now,
		       struct chain_view *view, struct chain_why *why);
/*
 * Of struct chain_source; @view: a struct chain_view.  One server that can do
 * it is enough.
 */
int chain_view_prove(void *view, const uint8_t address[CHAIN_ADDRESS],
		     struct chain_slot *slots, size_t nr,
		     struct chain_account *account, struct chain_why *why);

/* call.c */

/*
 * Where chain_app_allowed() or chain_kms_allowed() says -EOPNOTSUPP, and an
 * operator wants it: what as many servers as the quorum say that the contract
 * says.  It sets what is decided and that it is not proven; the rest of
 * *verdict is as it was.
 */
int chain_view_ask(const struct chain_view *view,
		   const uint8_t kms[CHAIN_ADDRESS],
		   const struct chain_boot *boot, bool is_kms,
		   struct chain_verdict *verdict, struct chain_why *why);

/* http.c, http.h */

/* POSTs @body and reads what comes; *@reply is for free(). */
int chain_http_post(const struct chain_client *client, const char *url,
		    const char *body, char **reply, size_t *len,
		    struct chain_why *why);

/* rpc.c */

/* *@result is in *@doc, which is for yyjson_doc_free(). */
int chain_rpc_ask(const struct chain_client *client, const char *url,
		  const char *method, const char *params, yyjson_doc **doc,
		  yyjson_val **result, struct chain_why *why);
/*
 * The same for what may be refused: *@refusal is the server's error then, in
 * *@doc, and the result -EREMOTEIO.  Else it is NULL.
 */
int chain_rpc_try(const struct chain_client *client, const char *url,
		  const char *method, const char *params, yyjson_doc **doc,
		  yyjson_val **result, yyjson_val **refusal,
		  struct chain_why *why);

#endif /* CHAIN_RPC_H */
