// SPDX-License-Identifier: MIT
/*
 * Certificates: for everybody the temporary CA, for applications their own
 *
 * Copyright The dstack for Linux authors
 */
#include <errno.h>
#include <kms.pb-c.h>
#include <stdlib.h>

#include "kmsd.h"

/* On purpose for everybody: who is under it has shown nothing by that. */
KMSD_CALL(kmsd_get_temp_ca)
{
	Kms__GetTempCaCertResponse *out = (void *)response;
	uint64_t epoch = EPOCH_OLDEST;
	const struct issue *issue;
	int err;

	(void)from;
	(void)request;
	err = self_allowed(kmsd, time(NULL), error);
	if (err)
		return err;
	issue = epochs_get(kmsd->epochs, 0, &epoch, error);
	if (!issue)
		return -ENOKEY;
	out->temp_ca_key = issue_key(issue, ISSUE_TEMP_CA);
	err = out->temp_ca_key ? 0 : -ENOMEM;
	err = err ?: rpc_put_text(&out->temp_ca_cert,
				  issue_cert(issue, ISSUE_TEMP_CA)) ?:
		rpc_put_text(&out->ca_cert, issue_cert(issue, ISSUE_ROOT_CA));
	epochs_put(kmsd->epochs);
	return err;
}

static int put_chain(const struct issue_chain *chain,
		     Kms__SignCertResponse *out)
{
	int i, err = 0;

	for (i = 0; !err && i < ISSUE_CHAIN; i++)
		err = rpc_add_text(&out->n_certificate_chain,
				   &out->certificate_chain, chain->pem[i]);
	return err;
}

static int put_epochs(struct visit *visit, uint64_t epoch,
		      Kms__SignCertResponse *out)
{
	out->epoch_case = KMS__SIGN_CERT_RESPONSE__EPOCH_KEY_EPOCH;
	out->key_epoch = epoch;
	return epochs_list(visit->kmsd->epochs, visit_floor(visit),
			   &out->n_key_epochs, &out->key_epochs);
}

static int sign(struct visit *visit, const struct libdstack_csr *csr,
		uint64_t epoch, Kms__SignCertResponse *out)
{
	const struct issue_request request = {
		.csr = csr, .attestation = visit->peer.attestation,
		.identity = &visit->peer.identity,
	};
	struct issue_chain chain = { { NULL } };
	const struct issue *issue;
	const char *why = "no memory";
	int err;

	issue = epochs_get(visit->kmsd->epochs, visit_floor(visit), &epoch,
			   visit->error);
	if (!issue)
		return -ENOKEY;
	err = issue_sign(issue, &request, visit->now, &chain, &why);
	epochs_put(visit->kmsd->epochs);
	if (err)
		return rpc_fail(visit->error, err, "%s", why);
	err = put_chain(&chain, out) ?: put_epochs(visit, epoch, out);
	issue_chain_free(&chain);
	return err ? err : visit_grant(visit, epoch);
}

KMSD_CALL(kmsd_sign_cert)
{
	const Kms__SignCertRequest *in = (const void *)request;
	struct visit visit = {
		.kmsd = kmsd, .from = from, .method = "SignCert",
		.error = error,
	};
	bool named = in->epoch_case == KMS__SIGN_CERT_REQUEST__EPOCH_KEY_EPOCH;
	struct libdstack_csr csr;
	int err = visit_begin(&visit);

	if (!err && in->api_version != 1 && in->api_version != 2)
		err = rpc_fail(error, -EPROTONOSUPPORT,
			       "Unsupported API version: %llu",
			       (unsigned long long)in->api_version);
	err = err ?: visit_verify_csr(&visit, &in->csr, &in->signature,
				      (uint32_t)in->api_version, &csr) ?:
		visit_judge(&visit, auth_app) ?:
		sign(&visit, &csr, named ? in->key_epoch : EPOCH_OLDEST,
		     (void *)response);
	visit_end(&visit);
	return err;
}
