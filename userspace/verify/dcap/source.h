/* SPDX-License-Identifier: MIT */
/*
 * Where collateral comes from: what the rooms of the cache share
 *
 * Copyright The dstack for Linux authors
 *
 * memory.c keeps collateral for many threads, cache.c keeps it in files, pccs.c
 * knows the service's requests, reply.c what it answers, http.c how to ask.
 */
#ifndef SOURCE_H
#define SOURCE_H

#include <libdstack_collateral.h>

#include "dcap.h"

/* Which collateral: one file of the cache. */
struct dcap_key {
	bool tdx;		/* or else SGX */
	bool processor;		/* its CA, or else the platform CA */
	uint8_t fmspc[DCAP_FMSPC_SIZE];
};

/* source.c */

/* For a quote whose certificates lead to the root. */
int dcap_key_of_quote(const struct libdstack_collateral_source *source,
		      const void *quote, size_t len, struct dcap_key *key,
		      struct libdstack_failure *failure);
/* The same, while nothing of the quote was verified. */
int dcap_key_claimed(const void *quote, size_t len, struct dcap_key *key,
		     struct libdstack_failure *failure);
/* The collateral is checked, of this key, and valid at @now. */
int dcap_key_check(const struct libdstack_collateral_source *source,
		   const struct dcap_key *key, struct libdstack_collateral *c,
		   time_t now, struct libdstack_failure *failure);

/* http.c */

#define DCAP_URL_MAX	1024

struct dcap_reply {
	char *data;		/* NUL-terminated behind @len bytes */
	size_t len;
	char *chain;		/* the header that was asked for, decoded */
};

struct dcap_http;

/* Of all requests of one opened connection. */
uint32_t dcap_http_timeout_ms(const struct libdstack_collateral_source *source);

/* NULL with @failure. */
struct dcap_http *dcap_http_open(const struct libdstack_collateral_source *src,
				 struct libdstack_failure *failure);
void dcap_http_close(struct dcap_http *http);
/*
 * One GET, of at most @max bytes.  @header: one that must be there, or NULL.
 * dcap_reply_free() it in every case.
 */
int dcap_http_get(struct dcap_http *http, const char *url, const char *header,
		  size_t max, struct dcap_reply *reply,
		  struct libdstack_failure *failure);
void dcap_reply_free(struct dcap_reply *reply);

/* reply.c */

/* The text of @member as it stands in the reply, and its signature. */
struct dcap_signed {
	const char *text;
	size_t len;
	char signature[2 * DCAP_SIGNATURE_SIZE + 1];
};

bool dcap_reply_signed(const char *data, size_t len, const char *member,
		       struct dcap_signed *out);
/* DER in hex digits, from DER, PEM or hex digits; for free().  Or NULL. */
char *dcap_reply_crl(const char *data, size_t len);

/* pccs.c */

/* The text of a collateral file, for free(). */
int dcap_pccs_fetch(const struct libdstack_collateral_source *source,
		    const struct dcap_key *key, char **text,
		    struct libdstack_failure *failure);

#endif /* SOURCE_H */
