// SPDX-License-Identifier: MIT
/*
 * The certificate that a KMS shows
 *
 * Copyright The dstack for Linux authors
 *
 * Under its root, with evidence for its key.  The key lives as long as the
 * context that has it, and no longer than a day.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../daemon/daemon.h"
#include "../http/tls.h"
#include "../keys/pem.h"
#include "kmsd.h"

static int fill(SSL_CTX *ctx, EVP_PKEY *key, const char *own, const char *root)
{
	X509 *cert = pem_read_cert(own), *ca = pem_read_cert(root);
	int err = -ENOMEM;

	if (cert && ca && SSL_CTX_use_certificate(ctx, cert) == 1 &&
	    SSL_CTX_use_PrivateKey(ctx, key) == 1 &&
	    SSL_CTX_add1_chain_cert(ctx, ca) == 1)
		err = 0;
	X509_free(cert);
	X509_free(ca);
	return err;
}

static int make_cert(struct kmsd *kmsd, EVP_PKEY *key, char **own, char **root)
{
	uint8_t report_data[DSTACK_REPORT_DATA_SIZE], *data = NULL;
	struct libdstack_span evidence;
	uint64_t epoch = EPOCH_OLDEST;
	struct rpc_error error = { 0 };
	const char *why = "no memory";
	const struct issue *issue;
	size_t len = 0;
	int err;

	err = libdstack_ratls_report_data(key, report_data) ?:
		self_attest(kmsd, report_data, &data, &len);
	if (err)
		return err;
	evidence = (struct libdstack_span){ data, len };
	issue = epochs_get(kmsd->epochs, 0, &epoch, &error);
	if (issue) {
		*root = strdup(issue_cert(issue, ISSUE_ROOT_CA));
		err = issue_rpc_cert(issue, key, state_domain(kmsd->state),
				     &evidence, time(NULL), own, &why);
		epochs_put(kmsd->epochs);
	} else {
		err = -ENOKEY;
		why = error.text;
	}
	free(data);
	if (!err && !*root)
		err = -ENOMEM;
	if (err)
		msg("can't make its certificate: %s", why);
	return err;
}

int kmsd_tls_context(struct kmsd *kmsd, SSL_CTX **out)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
	EVP_PKEY *key = EVP_EC_gen("P-256");
	char *own = NULL, *root = NULL;
	int err = -ENOMEM;

	if (ctx && key)
		err = make_cert(kmsd, key, &own, &root) ?:
			fill(ctx, key, own, root);
	free(own);
	free(root);
	EVP_PKEY_free(key);
	if (err)
		SSL_CTX_free(ctx);
	else
		*out = ctx;
	return err;
}
