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

#include "../daemon/daemon.h"
#include "kmsd.h"

static int get_public(struct kmsd *kmsd, uint64_t *epoch,
		      struct issue_public *public)
{
	struct rpc_error error = { 0 };
	const struct issue *issue;

	*epoch = EPOCH_OLDEST;
	issue = epochs_get(kmsd->epochs, 0, epoch, &error);
	if (!issue)
		return -ENOKEY;
	*public = *issue_public(issue);
	epochs_put(kmsd->epochs);
	return 0;
}

static int attest(struct kmsd *kmsd, struct issue_public *public,
		  uint8_t **data, size_t *len)
{
	uint8_t report_data[DSTACK_REPORT_DATA_SIZE];
	uint64_t epoch;

	return get_public(kmsd, &epoch, public) ?:
		issue_report_data(public, report_data) ?:
		self_attest(kmsd, report_data, data, len) ?:
		state_write_info(kmsd->state, epoch, *data, *len);
}

int kmsd_prove_roots(struct kmsd *kmsd)
{
	struct issue_public public;
	uint8_t *data = NULL;
	size_t len = 0;
	int err = attest(kmsd, &public, &data, &len);

	free(data);
	return err;
}

static int answer(struct kmsd *kmsd, Kms__BootstrapResponse *out)
{
	struct issue_public public;
	uint8_t *data = NULL;
	size_t len = 0;
	int err = attest(kmsd, &public, &data, &len);

	if (!err)
		err = rpc_put_bytes(&out->ca_pubkey, public.ca,
				    sizeof(public.ca));
	if (!err)
		err = rpc_put_bytes(&out->k256_pubkey, public.k256,
				    sizeof(public.k256));
	if (!err)
		err = rpc_put_bytes(&out->attestation, data, len);
	free(data);
	return err;
}

static int check_new(const struct kmsd *kmsd, const char *domain,
		     struct rpc_error *error)
{
	if (kmsd->state)
		return rpc_fail(error, -EEXIST, "this KMS has its keys already");
	return state_domain_ok(domain) ? 0 :
		rpc_fail(error, -EINVAL, "'%s' is no name of a host", domain);
}

/* They are there, whatever becomes of the answer: it begins to serve. */
static void go_on(struct kmsd *kmsd)
{
	if (kmsd->onboarding)
		http_stop(kmsd->onboarding);
}

/* With the lock: of two who ask at a time, one is told that it was second. */
static int make(struct kmsd *kmsd, const char *domain,
		Kms__BootstrapResponse *out, struct rpc_error *error)
{
	int err = check_new(kmsd, domain, error);

	if (err)
		return err;
	err = kmsd_make_roots(kmsd, domain);
	if (err)
		return rpc_fail(error, err, "can't make the keys of a KMS: %s",
				strerror(-err));
	go_on(kmsd);
	err = answer(kmsd, out);
	return err ? rpc_fail(error, err,
			      "the keys are made, but there is no evidence of it yet: %s",
			      strerror(-err)) : 0;
}

KMSD_CALL(kmsd_bootstrap)
{
	const Kms__BootstrapRequest *in = (const void *)request;
	int err = self_allowed(kmsd, time(NULL), error);

	(void)from;
	if (err)
		return err;
	pthread_mutex_lock(&kmsd->onboard_lock);
	err = make(kmsd, in->domain, (void *)response, error);
	pthread_mutex_unlock(&kmsd->onboard_lock);
	return err;
}

/* With the lock, as make(). */
static int take_over(struct kmsd *kmsd, const Kms__OnboardRequest *in,
		     Kms__OnboardResponse *out, struct rpc_error *error)
{
	struct issue_public public;
	uint64_t epoch;
	int err = check_new(kmsd, in->domain, error) ?:
		kmsd_take_roots(kmsd, in->source_url, in->domain, error);

	if (err)
		return err;
	go_on(kmsd);
	err = get_public(kmsd, &epoch, &public);
	if (!err)
		err = rpc_put_bytes(&out->k256_pubkey, public.k256,
				    sizeof(public.k256));
	if (!err && kmsd_prove_roots(kmsd))
		msg("there is no evidence yet of whose roots these are: it is tried again at the next start");
	return err;
}

KMSD_CALL(kmsd_onboard)
{
	const Kms__OnboardRequest *in = (const void *)request;
	int err = self_allowed(kmsd, time(NULL), error);

	(void)from;
	if (err)
		return err;
	pthread_mutex_lock(&kmsd->onboard_lock);
	err = take_over(kmsd, in, (void *)response, error);
	pthread_mutex_unlock(&kmsd->onboard_lock);
	return err;
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
