// SPDX-License-Identifier: MIT
/*
 * What the KMS's operator sees and does: its key epochs
 *
 * Copyright The dstack for Linux authors
 *
 * At the admin's sockets alone.  Upstream has none of it: its KMSs have the
 * same roots for ever.
 */
#include <errno.h>
#include <kms.pb-c.h>
#include <stdlib.h>
#include <string.h>

#include "kmsd.h"

static int need_keys(const struct kmsd *kmsd, struct rpc_error *error)
{
	return kmsd->epochs ? 0 :
		rpc_fail(error, -ENOKEY, "this KMS has no keys yet: Bootstrap or Onboard comes first");
}

/* Who may not be a KMS, or no more, makes no new roots. */
static int may_change(struct kmsd *kmsd, struct rpc_error *error)
{
	return need_keys(kmsd, error) ?: self_allowed(kmsd, time(NULL), error);
}

/*
 * Status
 */

static int put_epoch(struct state *state, const struct epoch_shown *shown,
		     size_t i, struct key_epoch *epoch, Kms__EpochStatus *out)
{
	state_get_epoch(state, i, epoch);
	out->number = shown->number;
	out->created = epoch->created;
	out->retired = epoch->retired;
	return rpc_put_text(&out->state, shown->life) ?:
		rpc_put_bytes(&out->k256_pubkey, shown->public.k256,
			      sizeof(shown->public.k256)) ?:
		rpc_put_text(&out->ca_cert, epoch->ca_cert) ?:
		rpc_put_bytes(&out->succession, shown->succession,
			      shown->succession_len);
}

static int add_epoch(struct kmsd *kmsd, size_t i, struct key_epoch *epoch,
		     Kms__StatusResponse *out)
{
	Kms__EpochStatus *status;
	struct epoch_shown shown;

	if (!epochs_show(kmsd->epochs, i, &shown))
		return -ENODATA;
	status = malloc(sizeof(*status));
	if (!status)
		return -ENOMEM;
	kms__epoch_status__init(status);
	out->epochs[out->n_epochs++] = status;
	return put_epoch(kmsd->state, &shown, i, epoch, status);
}

static int put_epochs(struct kmsd *kmsd, Kms__StatusResponse *out)
{
	void *memory;
	size_t i;
	int err = libdstack_secret_alloc(sizeof(struct key_epoch), &memory);

	out->epochs = calloc(KEY_EPOCHS_MAX, sizeof(*out->epochs));
	if (!err && !out->epochs)
		err = -ENOMEM;
	for (i = 0; !err && i < KEY_EPOCHS_MAX; i++)
		err = add_epoch(kmsd, i, memory, out);
	libdstack_secret_free(memory, sizeof(struct key_epoch));
	return err == -ENODATA ? 0 : err;
}

static void put_contract(struct kmsd *kmsd, Kms__StatusResponse *out)
{
	struct chain_epochs limits;
	struct state_head head;

	if (epochs_get_limits(kmsd->epochs, &limits)) {
		out->contract_case =
			KMS__STATUS_RESPONSE__CONTRACT_CONTRACT_EPOCH;
		out->contract_epoch = limits.current;
	}
	state_get_head(kmsd->state, &head);
	out->block = head.number;
	out->block_time = head.time;
}

static int put_audit(struct kmsd *kmsd, Kms__StatusResponse *out)
{
	struct audit_head head;

	audit_get_head(kmsd->audit, &head);
	out->audit_lines = head.lines;
	return rpc_put_bytes(&out->audit_hash, head.hash, sizeof(head.hash));
}

static void put_counters(struct kmsd *kmsd, Kms__StatusResponse *out)
{
	out->given = atomic_load(&kmsd->counters.given);
	out->denied = atomic_load(&kmsd->counters.denied);
	out->failed = atomic_load(&kmsd->counters.failed) +
		atomic_load(&kmsd->counters.attestation_failures);
}

/* Whether it may be a KMS is asked, and else nothing is known of epochs. */
static int put_self(struct kmsd *kmsd, Kms__StatusResponse *out)
{
	struct rpc_error why = { 0 };
	int err = self_allowed(kmsd, time(NULL), &why);

	if (err == -ENOMEM)
		return err;
	return err ? rpc_put_text(&out->trouble, why.text) : 0;
}

KMSD_CALL(kmsd_status)
{
	Kms__StatusResponse *out = (void *)response;
	int err = put_self(kmsd, out);

	(void)from;
	(void)request;
	(void)error;
	if (!err)
		err = rpc_put_text(&out->version, KMSD_VERSION) ?:
			put_audit(kmsd, out);
	put_counters(kmsd, out);
	if (err || !kmsd->epochs)
		return err;
	out->generation = state_generation(kmsd->state);
	put_contract(kmsd, out);
	return rpc_put_text(&out->domain, state_domain(kmsd->state)) ?:
		put_epochs(kmsd, out);
}

/*
 * Changes
 */

KMSD_CALL(kmsd_start_epoch)
{
	Kms__KeyEpoch *out = (void *)response;
	int err = may_change(kmsd, error);

	(void)from;
	(void)request;
	if (err)
		return err;
	err = epochs_start(kmsd->epochs, time(NULL), &out->key_epoch);
	if (err)
		return rpc_fail(error, err, "no key epoch can be started: %s",
				strerror(-err));
	out->epoch_case = KMS__KEY_EPOCH__EPOCH_KEY_EPOCH;
	return 0;
}

/* Also of who may not be a KMS any more: it takes away. */
KMSD_CALL(kmsd_retire_epoch)
{
	const Kms__KeyEpoch *in = (const void *)request;
	Kms__KeyEpoch *out = (void *)response;
	int err = need_keys(kmsd, error);

	(void)from;
	if (!err && in->epoch_case != KMS__KEY_EPOCH__EPOCH_KEY_EPOCH)
		err = rpc_fail(error, -EINVAL,
			       "which one? key_epoch has to be there");
	if (!err)
		err = epochs_retire(kmsd->epochs, in->key_epoch, time(NULL),
				    error);
	if (err)
		return err;
	out->key_epoch = in->key_epoch;
	out->epoch_case = KMS__KEY_EPOCH__EPOCH_KEY_EPOCH;
	return 0;
}

static int put_numbers(const uint64_t *from, size_t nr, size_t *n,
		       uint64_t **out)
{
	*out = calloc(nr + 1, sizeof(**out));
	if (!*out)
		return -ENOMEM;
	memcpy(*out, from, nr * sizeof(*from));
	*n = nr;
	return 0;
}

KMSD_CALL(kmsd_fetch_epochs)
{
	const Kms__FetchEpochsRequest *in = (const void *)request;
	Kms__FetchEpochsResponse *out = (void *)response;
	struct epochs_news news;
	int err = may_change(kmsd, error);

	(void)from;
	if (err)
		return err;
	pthread_mutex_lock(&kmsd->onboard_lock);
	err = kmsd_fetch_roots(kmsd, in->source_url, &news, error);
	pthread_mutex_unlock(&kmsd->onboard_lock);
	if (err)
		return err;
	return put_numbers(news.added, news.nr_added, &out->n_added,
			   &out->added) ?:
		put_numbers(news.retired, news.nr_retired, &out->n_retired,
			    &out->retired);
}
