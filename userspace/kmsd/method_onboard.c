// SPDX-License-Identifier: MIT
/*
 * How a KMS gets its keys: once, and for who may ask
 *
 * Copyright The dstack for Linux authors
 */
#include <errno.h>
#include <kms.pb-c.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "kmsd.h"

/* Evidence for the roots, beside the state and in the answer. */
static int attest_roots(struct kmsd *kmsd, const struct issue_public *public,
			Kms__BootstrapResponse *out)
{
	uint8_t report_data[DSTACK_REPORT_DATA_SIZE], *data = NULL;
	size_t len = 0;
	int err;

	err = issue_report_data(public, report_data) ?:
		self_attest(kmsd, report_data, &data, &len) ?:
		state_write_info(kmsd->state, data, len) ?:
		rpc_put_bytes(&out->attestation, data, len);
	free(data);
	return err;
}

static int answer(struct kmsd *kmsd, Kms__BootstrapResponse *out)
{
	uint64_t epoch = EPOCH_OLDEST;
	const struct issue *issue = epochs_get(kmsd->epochs, &epoch);
	struct issue_public public;

	if (!issue)
		return -ENOKEY;
	public = *issue_public(issue);
	epochs_put(kmsd->epochs);
	return rpc_put_bytes(&out->ca_pubkey, public.ca, sizeof(public.ca)) ?:
		rpc_put_bytes(&out->k256_pubkey, public.k256,
			      sizeof(public.k256)) ?:
		attest_roots(kmsd, &public, out);
}

/* Only while there are none: whoever comes second is told so. */
KMSD_CALL(kmsd_bootstrap)
{
	const Kms__BootstrapRequest *in = (const void *)request;
	int err;

	(void)from;
	if (kmsd->state)
		return rpc_fail(error, -EEXIST, "this KMS has its keys already");
	err = self_allowed(kmsd, time(NULL), error);
	if (err)
		return err;
	err = kmsd_make_roots(kmsd, in->domain) ?:
		answer(kmsd, (void *)response);
	if (err == -EINVAL)
		return rpc_fail(error, err, "'%s' is no name of a host",
				in->domain);
	if (err)
		return rpc_fail(error, err, "can't make the keys of a KMS: %s",
				strerror(-err));
	if (kmsd->onboarding)
		http_stop(kmsd->onboarding);
	return 0;
}

/* What an operator writes into the contract before this may be a KMS. */
KMSD_CALL(kmsd_attestation_info)
{
	Kms__AttestationInfoResponse *out = (void *)response;
	const struct libdstack_peer *peer;
	const struct auth_boot *boot;
	struct auth_info info = { 0 };
	struct chain_why why;
	int err;

	(void)from;
	(void)request;
	if (!kmsd->self)
		return rpc_fail(error, -ENODATA,
				"this KMS does not ask about itself");
	boot = self_boot(kmsd->self);
	peer = self_peer(kmsd->self);
	auth_info(kmsd->auth, (uint64_t)time(NULL), &info, &why);
	err = rpc_put_bytes(&out->device_id, boot->device_id,
			    sizeof(boot->device_id));
	if (!err)
		err = rpc_put_bytes(&out->mr_aggregated, boot->mr_aggregated,
				    sizeof(boot->mr_aggregated));
	if (!err)
		err = rpc_put_bytes(&out->os_image_hash, boot->os_image_hash,
				    sizeof(boot->os_image_hash));
	if (!err)
		err = rpc_put_bytes(&out->ppid, peer->verdict.quote.ppid,
				    sizeof(peer->verdict.quote.ppid));
	if (!err)
		err = rpc_put_text(&out->tee_variant, boot->tee_variant);
	if (!err)
		err = rpc_put_text(&out->site_name, kmsd->options->site_name ?
				   kmsd->options->site_name : "");
	if (!err)
		err = rpc_put_text(&out->kms_contract_address,
				   info.kms_contract);
	return err;
}
