// SPDX-License-Identifier: MIT
/*
 * dstackctl verify cert: who has the key of a certificate
 *
 * Copyright The dstack for Linux authors
 */
#include "verify.h"

#include <errno.h>
#include <libdstack_ratls.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <string.h>

/* Evidence in a certificate has the whole log of its machine. */
#define CERT_FILE_MAX	16777216U

/* What a certificate is judged by, and into what. */
struct judged {
	const struct request *request;
	struct outcome *out;
};

static int accept_peer(const struct libdstack_peer *peer, void *data,
		       struct libdstack_failure *failure)
{
	const struct judged *judged = data;
	struct outcome *out = judged->out;

	out->tee = "tdx";
	out->have_quote = true;
	out->quote = peer->verdict.quote;
	out->have_report_data = true;
	memcpy(out->report_data, out->quote.td.report_data,
	       sizeof(out->report_data));
	out->have_identity = true;
	out->identity = peer->identity;
	return libdstack_quote_policy_check(&judged->request->policy,
					    &out->quote, report_step,
					    &out->report, failure);
}

/* OpenSSL would ask at the terminal. */
static int no_passphrase(char *buf, int size, int writing, void *arg)
{
	(void)buf;
	(void)size;
	(void)writing;
	(void)arg;
	return -1;
}

STACK_OF(X509) *parse_certs(const void *data, size_t len)
{
	STACK_OF(X509) *certs = sk_X509_new_null();
	BIO *bio = BIO_new_mem_buf(data, len);
	const unsigned char *der = data;
	X509 *cert;

	while ((cert = PEM_read_bio_X509(bio, NULL, no_passphrase, NULL)))
		sk_X509_push(certs, cert);
	if (!sk_X509_num(certs)) {
		cert = d2i_X509(NULL, &der, len);
		if (cert)
			sk_X509_push(certs, cert);
	}
	ERR_clear_error();
	BIO_free(bio);
	if (sk_X509_num(certs))
		return certs;
	sk_X509_free(certs);
	return NULL;
}

static X509_STORE *read_issuers(const char *path)
{
	X509_STORE *store = X509_STORE_new();

	if (store && X509_STORE_load_file(store, path))
		return store;
	X509_STORE_free(store);
	ERR_clear_error();
	error_msg("'%s' holds no certificates in PEM", path);
	return NULL;
}

/* Collateral is for a quote, which the certificate brings along. */
static int get_collateral(const struct request *request, struct input *in,
			  X509 *cert, struct outcome *out)
{
	struct libdstack_failure failure;
	struct libdstack_ratls ratls;
	int err = 0;

	if (libdstack_ratls_parse(cert, &ratls, &failure))
		report_failure(&out->report, "certificate", &failure);
	else if (!ratls.attestation)
		report_add(&out->report, false, "certificate",
			   "it carries no evidence");
	else
		err = input_get_collateral(request, in,
					   ratls.attestation->evidence.data,
					   ratls.attestation->evidence.len,
					   out);
	libdstack_ratls_clear(&ratls);
	return err;
}

static void check_cert(const struct request *request, const struct input *in,
		       STACK_OF(X509) *certs, X509_STORE *issuers,
		       struct outcome *out)
{
	struct judged judged = { request, out };
	const struct libdstack_trust trust = {
		.collateral = in->collateral,
		.root = in->root, .root_len = in->root_len,
		.issuers = issuers,
		.flags = issuers ? 0 : LIBDSTACK_RATLS_F_ANY_ISSUER,
		.accept = accept_peer, .data = &judged,
	};
	struct libdstack_failure failure;
	struct libdstack_peer peer;
	int err;

	err = libdstack_ratls_verify(sk_X509_value(certs, 0), certs,
				     X509_PURPOSE_SSL_SERVER, &trust,
				     request->now, &peer, &failure);
	libdstack_peer_clear(&peer);
	if (err) {
		/* Nothing that was read before is proven then. */
		out->have_identity = false;
		report_failure(&out->report, "certificate", &failure);
		return;
	}
	report_add(&out->report, true, "certificate",
		   "its key is the TD's, as the TD's own evidence says; issuer %s",
		   issuers ? "trusted" : "not looked at");
	report_add(&out->report, true, "policy", "platform %s, as allowed",
		   libdstack_tcb_status_name(out->quote.status));
}

int verify_certs(const struct request *request, struct input *in,
		 STACK_OF(X509) *certs, struct outcome *out)
{
	X509_STORE *issuers = NULL;
	int err;

	if (request->ca) {
		issuers = read_issuers(request->ca);
		if (!issuers)
			return -EBADMSG;
	}
	err = get_collateral(request, in, sk_X509_value(certs, 0), out);
	if (!err && in->collateral)
		check_cert(request, in, certs, issuers, out);
	X509_STORE_free(issuers);
	return err;
}

int verify_cert(struct request *request, struct input *in,
		struct outcome *out)
{
	STACK_OF(X509) *certs;
	int err;

	err = input_read(request, CERT_FILE_MAX, in);
	if (err)
		return err;
	certs = parse_certs(in->data, in->len);
	if (!certs) {
		error_msg("'%s' is not a certificate, PEM or DER",
			  request->file);
		return -EBADMSG;
	}
	err = verify_certs(request, in, certs, out);
	sk_X509_pop_free(certs, X509_free);
	return err;
}
