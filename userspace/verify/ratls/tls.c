// SPDX-License-Identifier: MIT
/*
 * Certificates with attestation in handshakes
 *
 * Copyright The dstack for Linux authors
 *
 * A session that is resumed brings no certificate along, and would outlive the
 * policy that it was accepted under: there is none.
 */
#include "ratls.h"

#include <errno.h>
#include <openssl/x509v3.h>
#include <string.h>

/* A certificate has a log in it, of as many events as there were. */
#define CERTS_MAX	1048576

/* What the application asked for by SSL_set1_host() and its like. */
static int check_host(X509_STORE_CTX *ctx, X509 *cert,
		      struct libdstack_failure *failure)
{
	X509_VERIFY_PARAM *param = X509_STORE_CTX_get0_param(ctx);
	const char *host = X509_VERIFY_PARAM_get0_host(param, 0);

	if (!host || X509_check_host(cert, host, 0,
				     X509_VERIFY_PARAM_get_hostflags(param),
				     NULL) == 1)
		return 0;
	verify_step(failure, "server's name");
	return verify_fail(failure, REASON(MISMATCH),
			   "the certificate is not for '%s'", host);
}

static bool is_server(const X509_STORE_CTX *ctx)
{
	SSL *ssl = X509_STORE_CTX_get_ex_data(ctx,
			SSL_get_ex_data_X509_STORE_CTX_idx());

	return ssl && SSL_is_server(ssl);
}

static int verify_callback(X509_STORE_CTX *ctx, void *arg)
{
	int purpose = is_server(ctx) ? X509_PURPOSE_SSL_CLIENT :
				       X509_PURPOSE_SSL_SERVER;
	X509 *cert = X509_STORE_CTX_get0_cert(ctx);
	const struct libdstack_trust *trust = arg;
	struct libdstack_failure failure;
	struct libdstack_peer peer;
	int err;

	err = libdstack_ratls_verify(cert, X509_STORE_CTX_get0_untrusted(ctx),
				     purpose, trust, trust->clock(NULL), &peer,
				     &failure);
	if (!err)
		err = check_host(ctx, cert, &failure);
	libdstack_peer_clear(&peer);
	X509_STORE_CTX_set_error(ctx, X509_V_OK);
	if (err)
		X509_STORE_CTX_set_error(ctx,
					 X509_V_ERR_APPLICATION_VERIFICATION);
	if (err && trust->refused)
		trust->refused(&failure, trust->data);
	return !err;
}

int libdstack_ratls_use(SSL_CTX *ctx, const struct libdstack_trust *trust)
{
	if (!trust->clock || !trust->accept)
		return -EINVAL;
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
	SSL_CTX_set_num_tickets(ctx, 0);
	SSL_CTX_set_max_early_data(ctx, 0);
	SSL_CTX_set_max_cert_list(ctx, CERTS_MAX);
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER |
			   SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	SSL_CTX_set_cert_verify_callback(ctx, verify_callback, (void *)trust);
	return 0;
}

static CURLcode curl_callback(CURL *curl, void *ctx, void *trust)
{
	(void)curl;
	return libdstack_ratls_use(ctx, trust) ? CURLE_SSL_CERTPROBLEM :
						 CURLE_OK;
}

CURLcode libdstack_ratls_curl(CURL *curl, const struct libdstack_trust *trust)
{
	CURLcode code;

	if (!trust->clock || !trust->accept)
		return CURLE_BAD_FUNCTION_ARGUMENT;
	code = curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 1L);
	if (!code)
		code = curl_easy_setopt(curl, CURLOPT_SSL_SESSIONID_CACHE, 0L);
	if (!code)
		code = curl_easy_setopt(curl, CURLOPT_SSL_CTX_DATA,
					(void *)trust);
	return code ? code : curl_easy_setopt(curl, CURLOPT_SSL_CTX_FUNCTION,
					      curl_callback);
}
