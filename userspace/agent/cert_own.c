// SPDX-License-Identifier: MIT
/*
 * Certificates that the application's own authority signs
 *
 * Copyright The dstack for Linux authors
 *
 * The authority is derived at boot from what the application's keys come of.
 * Its key is in the agent's memory, where the application's root key is, and no
 * container gets it.
 */
#include "cert.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../keys/pem.h"

#define USAGE	"app:custom"

static X509 *make(const struct agent_cert *cert, X509 *ca, EVP_PKEY *ca_key)
{
	const char *names[AGENT_CERT_NAMES_MAX + 1] = { NULL };
	const struct libdstack_ratls_request request = {
		.key = cert->key,
		.subject = *cert->subject ? cert->subject : NULL,
		.alt_names = names, .server = cert->server,
		.client = cert->client, .not_before = cert->not_before,
		.not_after = cert->not_after, .usage = USAGE,
		.app_info = { cert->info, cert->info_len },
		.evidence = { cert->container,
			      cert->evidence ? cert->container_len : 0 },
		.issuer = ca, .issuer_key = ca_key,
	};

	if (cert->nr_names)
		memcpy(names, cert->names, cert->nr_names * sizeof(names[0]));
	return libdstack_ratls_make(&request);
}

static int put_chain(X509 *cert, const char *ca, struct agent_chain_text *chain)
{
	chain->pem = calloc(2, sizeof(chain->pem[0]));
	if (!chain->pem)
		return -ENOMEM;
	chain->nr = 2;
	chain->pem[0] = pem_write_cert(cert);
	chain->pem[1] = strdup(ca);
	return chain->pem[0] && chain->pem[1] ? 0 : -ENOMEM;
}

static int sign_with(const struct agent_app_keys *keys,
		     const struct agent_cert *cert,
		     struct agent_chain_text *chain, struct rpc_error *error)
{
	X509 *ca = pem_read_cert(keys->ca_cert), *made = NULL;
	EVP_PKEY *ca_key = pem_read_key(keys->ca_key);
	int err = 0;

	if (ca && ca_key)
		made = make(cert, ca, ca_key);
	if (!made)
		err = rpc_fail(error, -EINVAL,
			       "no certificate can be made of this");
	else
		err = put_chain(made, keys->ca_cert, chain);
	X509_free(made);
	EVP_PKEY_free(ca_key);
	X509_free(ca);
	return err;
}

int agent_cert_sign_own(const struct agent *agent,
			const struct agent_cert *cert,
			struct agent_chain_text *chain,
			struct rpc_error *error)
{
	const struct agent_app_keys *keys;
	int err;

	keys = agent_epochs_get(agent->epochs, cert->key_epoch, error);
	if (!keys)
		return -EAGAIN;
	err = sign_with(keys, cert, chain, error);
	agent_epochs_put(agent->epochs);
	return err;
}
