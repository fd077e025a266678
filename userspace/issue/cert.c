// SPDX-License-Identifier: MIT
/*
 * The certificate of the KMS itself
 *
 * Copyright The dstack for Linux authors
 */
#include "room.h"

#include <errno.h>
#include <string.h>

#define USAGE		"kms:rpc"
#define COMMON_NAME_MAX	64	/* X.520; names of hosts are longer */

int issue_validity(const struct issue *issue, time_t now,
		   struct libdstack_ratls_request *request, const char **why)
{
	const struct issue_authority *root = &issue->ca[ISSUE_ROOT_CA];

	if (now < root->not_before || now >= root->not_after)
		return issue_fail(why, -EKEYEXPIRED,
				  "the KMS's root certificate is not valid now: is its clock right?");
	request->not_before = root->not_before > ISSUE_NOT_BEFORE ?
		root->not_before : ISSUE_NOT_BEFORE;
	request->not_after = root->not_after - now < ISSUE_VALID_S ?
		root->not_after : now + ISSUE_VALID_S;
	return 0;
}

static int make(struct libdstack_ratls_request *request, char **pem,
		const char **why)
{
	X509 *cert;
	int err;

	if (!p256_is(request->key))
		return issue_fail(why, -EOPNOTSUPP,
				  "the KMS's own key is not on P-256");
	err = issue_make_cert(request, &cert, pem);
	X509_free(cert);
	return err ? issue_fail(why, err,
				"can't make the KMS's own certificate") : 0;
}

int issue_rpc_cert(const struct issue *issue, EVP_PKEY *key,
		   const char *domain, const struct libdstack_span *evidence,
		   time_t now, char **pem, const char **why)
{
	const char *const names[] = { domain, NULL };
	struct libdstack_ratls_request request = {
		.key = key, .alt_names = names, .usage = USAGE,
		.evidence = *evidence,
		.issuer = issue->ca[ISSUE_ROOT_CA].cert,
		.issuer_key = issue->ca[ISSUE_ROOT_CA].key,
	};

	*pem = NULL;
	if (!issue_is_host(domain))
		return issue_fail(why, -EINVAL,
				  "the KMS's domain is no name or address of a host");
	/* A longer one is in the other name, at which clients look. */
	if (strlen(domain) <= COMMON_NAME_MAX)
		request.subject = domain;
	return issue_validity(issue, now, &request, why) ?:
		make(&request, pem, why);
}
