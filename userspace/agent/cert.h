/* SPDX-License-Identifier: MIT */
/*
 * Certificates for containers, by the application's own authority or its KMS
 *
 * Copyright The dstack for Linux authors
 */
#ifndef AGENT_CERT_H
#define AGENT_CERT_H

#include <libdstack_ratls.h>

#include "agent.h"

#define AGENT_CERT_NAMES_MAX	LIBDSTACK_CSR_NAMES_MAX

/* What a certificate shall be like; texts are the caller's. */
struct agent_cert {
	EVP_PKEY *key;
	const char *subject;		/* "": none */
	char *const *names;
	size_t nr_names;
	bool evidence, app_info;	/* to be in it */
	bool server, client;
	bool have_not_before, have_not_after;
	uint64_t not_before, not_after;	/* of those that it has */
	/* Whose authority signs: of a key that was derived, its own epoch's. */
	bool derived;
	uint64_t key_epoch;
	/* Filled in by agent_cert_issue(). */
	uint8_t *spki, *container, *info;
	size_t spki_len, container_len, info_len;
};

/*
 * Texts in PEM, of which the first is the certificate, each malloc'ed, in an
 * array that is as well.
 */
struct agent_chain_text {
	size_t nr;
	char **pem;
};

/* cert.c */

/* For a container, if its policy allows it. */
int agent_cert_issue(const struct agent *agent,
		     const struct http_caller *caller,
		     struct agent_cert *cert, struct agent_chain_text *chain,
		     struct rpc_error *error);

/* For ourselves, of cert->key_epoch: @caller is asked for evidence alone. */
int agent_cert_make(const struct agent *agent,
		    const struct http_caller *caller,
		    struct agent_cert *cert, struct agent_chain_text *chain,
		    struct rpc_error *error);

/* cert_own.c: signed here, with the key of the application's own CA */
int agent_cert_sign_own(const struct agent *agent,
			const struct agent_cert *cert,
			struct agent_chain_text *chain,
			struct rpc_error *error);

/* cert_kms.c: signed there, by way of a process that asks it */
int agent_cert_sign_kms(const struct agent *agent,
			const struct agent_cert *cert,
			struct agent_chain_text *chain,
			struct rpc_error *error);

#endif /* AGENT_CERT_H */
