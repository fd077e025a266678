// SPDX-License-Identifier: MIT
/*
 * Certificates for applications
 *
 * Copyright The dstack for Linux authors
 *
 * Who asks chooses names, purposes and times, none of which say who it is: the
 * application's id, its authority and the usage come from here.
 */
#include "room.h"

#include <errno.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>

#include "../attest/attest.h"

#define APP_CA		"Dstack App CA"
#define USAGE_CA	"app:ca"
#define USAGE		"app:custom"

/* A client's texts, as strings. */
struct names {
	char organisation[ISSUE_X520_SIZE], subject[ISSUE_X520_SIZE];
	char text[LIBDSTACK_CSR_NAMES_MAX][ISSUE_HOST_MAX + 1];
	const char *alt[LIBDSTACK_CSR_NAMES_MAX + 1];
};

/* One certificate that is made, and what it takes. */
struct leaf {
	struct libdstack_ratls_request request;
	struct names names;
	uint8_t *evidence, *info;
};

/*
 * The application's authority: its key is always the same
 */

static int derive_app_ca(const struct issue *issue, const uint8_t *app_id,
			 struct issue_authority *app)
{
	const struct part context[] = {
		{ app_id, DSTACK_APP_ID_SIZE }, issue_text("app-ca"),
	};
	uint8_t scalar[DSTACK_KEY_SIZE];
	int err = p256_derive(issue->roots->ca, context, 2, scalar);

	if (!err)
		app->key = p256_key(scalar);
	explicit_bzero(scalar, sizeof(scalar));
	return err ?: app->key ? 0 : -EIO;
}

static int make_app_ca(const struct issue *issue, const uint8_t *app_id,
		       time_t now, struct issue_authority *app,
		       const char **why)
{
	struct libdstack_ratls_request request = {
		.org_name = ISSUE_ORGANISATION, .subject = APP_CA, .ca = true,
		.usage = USAGE_CA, .app_id = { app_id, DSTACK_APP_ID_SIZE },
		.issuer = issue->ca[ISSUE_ROOT_CA].cert,
		.issuer_key = issue->ca[ISSUE_ROOT_CA].key,
	};
	int err = issue_validity(issue, now, &request, why);

	if (err)
		return err;
	err = derive_app_ca(issue, app_id, app);
	request.key = app->key;
	app->not_before = request.not_before;
	app->not_after = request.not_after;
	if (!err)
		err = issue_make_cert(&request, &app->cert, &app->pem);
	return err ? issue_fail(why, err, "can't make the application's CA") :
		0;
}

static void drop_app_ca(struct issue_authority *app)
{
	EVP_PKEY_free(app->key);
	X509_free(app->cert);
	free(app->pem);
}

/*
 * What was asked for
 */

static bool copy_alt_name(const struct libdstack_span *span,
			  char out[ISSUE_HOST_MAX + 1])
{
	if (!span->len || span->len > ISSUE_HOST_MAX ||
	    memchr(span->data, '\0', span->len))
		return false;
	memcpy(out, span->data, span->len);
	out[span->len] = '\0';
	return issue_is_alt_name(out);
}

static int copy_alt_names(const struct libdstack_csr *csr, struct names *names,
			  const char **why)
{
	size_t i;

	if (csr->nr_alt_names > LIBDSTACK_CSR_NAMES_MAX)
		return issue_fail(why, -EINVAL,
				  "more names than a certificate has");
	for (i = 0; i < csr->nr_alt_names; i++) {
		if (!copy_alt_name(&csr->alt_names[i], names->text[i]))
			return issue_fail(why, -EINVAL,
					  "an alternative name is no name or address of a host");
		names->alt[i] = names->text[i];
	}
	return 0;
}

/* An empty name is none: there is no certificate with one. */
static int take_names(const struct libdstack_csr *csr, struct leaf *leaf,
		      const char **why)
{
	static const struct libdstack_span none;
	struct names *names = &leaf->names;

	if (!issue_copy_x520(&csr->subject, names->subject) ||
	    !issue_copy_x520(csr->have_org_name ? &csr->org_name : &none,
			     names->organisation))
		return issue_fail(why, -EINVAL,
				  "subject and organisation have at most 64 characters each, in UTF-8, none of them for control");
	leaf->request.subject = *names->subject ? names->subject : NULL;
	leaf->request.org_name = *names->organisation ?
		names->organisation : NULL;
	leaf->request.alt_names = names->alt;
	return copy_alt_names(csr, names, why);
}

static int64_t bounded(uint64_t value, int64_t from, int64_t to)
{
	if (value > INT64_MAX || (int64_t)value > to)
		return to;
	return (int64_t)value < from ? from : (int64_t)value;
}

/* Not longer than its authority, whatever was asked for. */
static int take_times(const struct libdstack_csr *csr,
		      const struct issue_authority *app, struct leaf *leaf,
		      const char **why)
{
	const int64_t from = app->not_before, to = app->not_after;
	struct libdstack_ratls_request *request = &leaf->request;

	request->not_before = csr->have_not_before ?
		bounded(csr->not_before, from, to) : from;
	request->not_after = csr->have_not_after ?
		bounded(csr->not_after, from, to) : to;
	if (request->not_before >= request->not_after)
		return issue_fail(why, -EINVAL,
				  "not_before must be before not_after, and some of it within the validity of the KMS's root");
	return 0;
}

static int take_key(const struct libdstack_csr *csr, struct leaf *leaf,
		    const char **why)
{
	const uint8_t *p = csr->pubkey.data;
	EVP_PKEY *key = NULL;

	if (csr->pubkey.len == ISSUE_SPKI_SIZE)
		key = d2i_PUBKEY(NULL, &p, ISSUE_SPKI_SIZE);
	leaf->request.key = key;
	ERR_clear_error();
	if (key && p256_is(key) && p == csr->pubkey.data + ISSUE_SPKI_SIZE)
		return 0;
	return issue_fail(why, -EINVAL,
			  "the key to be certified is not on P-256, or not written as an uncompressed point of a named curve");
}

/* What the issuer says of who is behind the evidence. */
static int take_info(const struct issue_request *request, struct leaf *leaf,
		     const char **why)
{
	size_t len;
	int err;

	if (!request->csr->ext_app_info)
		return 0;
	err = libdstack_ratls_info(request->identity, &leaf->info, &len);
	if (err)
		return issue_fail(why, err,
				  "can't write what the application is");
	leaf->request.app_info = (struct libdstack_span){ leaf->info, len };
	return 0;
}

/*
 * Stripped, as certificates have it.  What is of another TEE than TDX, or has
 * events whose digests do not follow from what is left, stays as it came.
 */
static int take_evidence(const struct issue_request *request,
			 struct leaf *leaf, const char **why)
{
	struct libdstack_attestation parts = *request->attestation;
	const struct libdstack_csr *csr = request->csr;
	size_t len;
	int err;

	if (!csr->ext_quote)
		return 0;
	/* Of which requests of version 1 have only what is in the quote. */
	parts.have_report_data = true;
	err = libdstack_report_data(LIBDSTACK_TAG_RATLS_CERT, NULL,
				    csr->pubkey.data, csr->pubkey.len,
				    parts.report_data) ?:
		attest_encode(&parts, parts.form == LIBDSTACK_FORM_MSGPACK ?
			      parts.form : LIBDSTACK_FORM_SCALE, true,
			      &leaf->evidence, &len);
	if (!err)
		leaf->request.evidence =
			(struct libdstack_span){ leaf->evidence, len };
	else if (err == -EOPNOTSUPP && csr->version == 2 &&
		 parts.form != LIBDSTACK_FORM_JSON)
		leaf->request.evidence = csr->attestation;
	else
		return issue_fail(why, err,
				  "can't write the evidence into the certificate");
	return 0;
}

/*
 * The chain
 */

static int fill_leaf(const struct issue_request *request,
		     const struct issue_authority *app, struct leaf *leaf,
		     const char **why)
{
	const struct libdstack_csr *csr = request->csr;

	leaf->request = (struct libdstack_ratls_request){
		.server = csr->server, .client = csr->client, .usage = USAGE,
		.app_id = {
			request->identity->app_id.data, DSTACK_APP_ID_SIZE
		},
		.issuer = app->cert, .issuer_key = app->key,
	};
	return take_key(csr, leaf, why) ?: take_names(csr, leaf, why) ?:
		take_times(csr, app, leaf, why) ?:
		take_info(request, leaf, why) ?:
		take_evidence(request, leaf, why);
}

static int make_leaf(const struct issue_request *request,
		     const struct issue_authority *app, char **pem,
		     const char **why)
{
	struct leaf *leaf = calloc(1, sizeof(*leaf));
	X509 *cert = NULL;
	int err;

	if (!leaf)
		return issue_fail(why, -ENOMEM, "no memory");
	err = fill_leaf(request, app, leaf, why);
	if (!err && issue_make_cert(&leaf->request, &cert, pem))
		err = issue_fail(why, -EIO, "can't make the certificate");
	X509_free(cert);
	EVP_PKEY_free(leaf->request.key);
	free(leaf->evidence);
	free(leaf->info);
	free(leaf);
	return err;
}

static int make_chain(const struct issue *issue,
		      const struct issue_request *request,
		      struct issue_authority *app, struct issue_chain *chain,
		      const char **why)
{
	int err = make_leaf(request, app, &chain->pem[0], why);

	if (err)
		return err;
	chain->pem[1] = app->pem;
	app->pem = NULL;
	chain->pem[2] = strdup(issue_cert(issue, ISSUE_ROOT_CA));
	return chain->pem[2] ? 0 : issue_fail(why, -ENOMEM, "no memory");
}

int issue_sign(const struct issue *issue, const struct issue_request *request,
	       time_t now, struct issue_chain *chain, const char **why)
{
	const struct libdstack_id *app_id = &request->identity->app_id;
	struct issue_authority app = { .key = NULL };
	int err;

	*chain = (struct issue_chain){ { NULL } };
	if (app_id->len != DSTACK_APP_ID_SIZE)
		return issue_fail(why, -EINVAL,
				  "who asks is no application: it has no id of 20 bytes");
	err = make_app_ca(issue, app_id->data, now, &app, why) ?:
		make_chain(issue, request, &app, chain, why);
	drop_app_ca(&app);
	if (err)
		issue_chain_free(chain);
	return err;
}

void issue_chain_free(struct issue_chain *chain)
{
	size_t i;

	for (i = 0; i < ISSUE_CHAIN; i++) {
		free(chain->pem[i]);
		chain->pem[i] = NULL;
	}
}
