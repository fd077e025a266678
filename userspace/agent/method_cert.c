// SPDX-License-Identifier: MIT
/*
 * GetTlsKey, IssueCert and DeriveKey: a key and its certificate
 *
 * Copyright The dstack for Linux authors
 */
#include "cert.h"

#include <errno.h>
#include <openssl/err.h>
#include <string.h>

#include "../keys/p256.h"
#include "../rpc/codec.h"
#include "metrics/metrics.h"

#include <guest_v0.pb-c.h>
#include <tappd.pb-c.h>

static int put_key(const EVP_PKEY *key, char **field)
{
	char *pem = p256_pem(key);
	int err = pem ? rpc_put_text(field, pem) : -ENOMEM;

	rpc_wiping_allocator.free(NULL, pem);
	return err;
}

/* The key is @cert's, which it has no more afterwards. */
static int answer(const struct agent *agent, const struct http_caller *caller,
		  struct agent_cert *cert, Guest__V0__GetTlsKeyResponse *out,
		  struct rpc_error *error)
{
	struct agent_chain_text chain = { .nr = 0 };
	int err = -ENOMEM;

	if (cert->key)
		err = agent_cert_issue(agent, caller, cert, &chain, error);
	out->n_certificate_chain = chain.nr;
	out->certificate_chain = chain.pem;
	if (!err)
		err = put_key(cert->key, &out->key);
	EVP_PKEY_free(cert->key);
	ERR_clear_error();
	return err;
}

AGENT_CALL(agent_issue_cert)
{
	const Guest__V0__GetTlsKeyRequest *in = (const void *)request;
	struct agent_cert cert = {
		.key = EVP_EC_gen("P-256"),
		.subject = in->subject, .names = in->alt_names,
		.nr_names = in->n_alt_names, .evidence = in->usage_ra_tls,
		.server = in->usage_server_auth,
		.client = in->usage_client_auth, .app_info = in->with_app_info,
		.not_before = in->not_before, .not_after = in->not_after,
	};

	cert.have_not_before = in->begin_case ==
		GUEST__V0__GET_TLS_KEY_REQUEST__BEGIN_NOT_BEFORE;
	cert.have_not_after = in->end_case ==
		GUEST__V0__GET_TLS_KEY_REQUEST__END_NOT_AFTER;
	return answer(agent, caller, &cert,
		      (Guest__V0__GetTlsKeyResponse *)response, error);
}

/* The same key each time, which the policy lets the container have as bytes. */
static EVP_PKEY *derive(const struct agent *agent,
			const struct http_caller *caller, const char *path,
			uint64_t *epoch, struct rpc_error *error)
{
	const struct agent_key_request ask = {
		.kind = DSTACK_KEY_P256, .delivery = DSTACK_DELIVER_BYTES,
		.path = path, .path_len = strlen(path),
	};
	uint8_t scalar[DSTACK_KEY_SIZE];
	EVP_PKEY *key = NULL;

	if (!agent_get_key(caller, &ask, scalar, epoch, error))
		key = p256_key(scalar);
	if (key)
		metrics_count(agent->counters, METRICS_KEYS);
	explicit_bzero(scalar, sizeof(scalar));
	return key;
}

AGENT_CALL(agent_tappd_derive_key)
{
	const Tappd__DeriveKeyRequest *in = (const void *)request;
	struct agent_cert cert = {
		.derived = !in->random_seed,
		.subject = in->subject, .names = in->alt_names,
		.nr_names = in->n_alt_names, .evidence = in->usage_ra_tls,
		.server = in->usage_server_auth,
		.client = in->usage_client_auth,
	};

	cert.key = in->random_seed ? EVP_EC_gen("P-256") :
		derive(agent, caller, in->path, &cert.key_epoch, error);
	return answer(agent, caller, &cert,
		      (Guest__V0__GetTlsKeyResponse *)response, error);
}
