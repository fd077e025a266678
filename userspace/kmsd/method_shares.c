// SPDX-License-Identifier: MIT
/*
 * Shares: kept for other KMSs, given back to them, and dealt to them
 *
 * Copyright The dstack for Linux authors
 *
 * Who brings or wants one is judged as who wants roots is: by its evidence, the
 * contract and its image.  A KMS that the contract does not allow any more, or
 * its device, gets no share, and its state does not open again.
 */
#include <errno.h>
#include <openssl/sha.h>
#include <quorum.pb-c.h>
#include <stdlib.h>
#include <string.h>

#include "../daemon/daemon.h"
#include "../keys/primitives.h"
#include "sharing.h"

#define VERSION		1
#define INSTANCE_TAG	"dstack-kms-quorum-instance-v1"

/* An instance of one machine, whatever version of a KMS it is. */
static int instance_of(const struct visit *visit,
		       uint8_t who[QUORUM_HASH_SIZE])
{
	const struct auth_boot *boot = &visit->boot;
	const struct part parts[] = {
		{ INSTANCE_TAG, sizeof(INSTANCE_TAG) },
		{ boot->device_id, sizeof(boot->device_id) },
		{ boot->instance_id.data, boot->instance_id.len },
	};

	return hash_parts(HASH_SHA256, parts, 3, who);
}

static int begin(struct visit *visit, const char *vm_config)
{
	if (!visit->kmsd->sharing)
		return rpc_fail(visit->error, -EOPNOTSUPP,
				"this KMS keeps no shares: it has no \"quorum\"");
	return visit_begin(visit) ?: visit_verify(visit, vm_config) ?:
		visit_judge(visit, auth_kms);
}

static int take_bytes(const char *name, const ProtobufCBinaryData *in,
		      uint8_t *out, size_t len, struct rpc_error *error)
{
	if (in->len != len)
		return rpc_fail(error, -EINVAL, "%s has %zu bytes, not %zu",
				name, in->len, len);
	memcpy(out, in->data, len);
	return 0;
}

static int take_generation(uint64_t in, uint32_t *out, struct rpc_error *error)
{
	*out = (uint32_t)in;
	return in == *out ? 0 : rpc_fail(error, -EINVAL,
					 "that is no generation");
}

static int take_share(const Quorum__KeepShareRequest *in, struct share *share,
		      struct quorum_deposit *deposit, struct rpc_error *error)
{
	const char *why;

	if (!in->share.len)
		return 0;
	deposit->share = share;
	if (share_read(in->share.data, in->share.len, share, &why))
		return rpc_fail(error, -EINVAL, "%s", why);
	return take_bytes("check", &in->check, deposit->check,
			  sizeof(deposit->check), error);
}

static int keep(struct visit *visit, const Quorum__KeepShareRequest *in,
		struct share *share, Quorum__KeepShareResponse *out)
{
	struct quorum_deposit deposit = { .share = NULL };
	struct rpc_error *error = visit->error;
	uint8_t who[QUORUM_HASH_SIZE];
	const char *why;
	int err;

	err = take_bytes("owner", &in->owner, deposit.owner,
			 sizeof(deposit.owner), error) ?:
		take_generation(in->in_use, &deposit.in_use, error) ?:
		take_share(in, share, &deposit, error) ?:
		instance_of(visit, who);
	if (err)
		return err;
	out->generation = deposit.share ? share->generation : deposit.in_use;
	err = quorum_keep(visit->kmsd->sharing->keeper, who, &deposit, &why);
	return err ? rpc_fail(error, err, "%s", why) : visit_grant(visit, 0);
}

KMSD_CALL(kmsd_keep_share)
{
	const Quorum__KeepShareRequest *in = (const void *)request;
	struct visit visit = {
		.kmsd = kmsd, .from = from, .method = "KeepShare",
		.error = error,
	};
	void *share = NULL;
	int err;

	err = begin(&visit, in->vm_config) ?:
		libdstack_secret_alloc(sizeof(struct share), &share) ?:
		keep(&visit, in, share, (void *)response);
	libdstack_secret_free(share, sizeof(struct share));
	visit_end(&visit);
	return err;
}

static int put_share(const struct share *share, ProtobufCBinaryData *out)
{
	uint8_t data[SHARES_FILE_MAX];
	size_t len = share_write(share, data);
	int err = rpc_put_bytes(out, data, len);

	explicit_bzero(data, sizeof(data));
	return err;
}

static int give(struct visit *visit, const Quorum__GiveShareRequest *in,
		struct share *share, Quorum__GiveShareResponse *out)
{
	struct rpc_error *error = visit->error;
	uint8_t who[QUORUM_HASH_SIZE];
	struct quorum_claim claim;
	const char *why;
	int err;

	err = take_bytes("owner", &in->owner, claim.owner,
			 sizeof(claim.owner), error) ?:
		take_generation(in->generation, &claim.generation, error) ?:
		take_bytes("proof", &in->proof, claim.proof,
			   sizeof(claim.proof), error) ?:
		instance_of(visit, who);
	if (err)
		return err;
	err = quorum_give(visit->kmsd->sharing->keeper, who, &claim, share,
			  &why);
	if (!err)
		return put_share(share, &out->share) ?: visit_grant(visit, 0);
	msg("a share was not given to %s: %s", visit->from->caller.id, why);
	return rpc_fail(error, err, "%s", why);
}

KMSD_CALL(kmsd_give_share)
{
	const Quorum__GiveShareRequest *in = (const void *)request;
	struct visit visit = {
		.kmsd = kmsd, .from = from, .method = "GiveShare",
		.error = error,
	};
	void *share = NULL;
	int err;

	err = begin(&visit, in->vm_config) ?:
		libdstack_secret_alloc(sizeof(struct share), &share) ?:
		give(&visit, in, share, (void *)response);
	libdstack_secret_free(share, sizeof(struct share));
	visit_end(&visit);
	return err;
}

/* Whoever asks sees our certificate, and shows nothing. */
KMSD_CALL(kmsd_greet)
{
	(void)kmsd;
	(void)from;
	(void)request;
	(void)error;
	((Quorum__Greeting *)response)->version = VERSION;
	return 0;
}

/*
 * The operator's
 */

static int share_out(struct kmsd *kmsd, uint64_t k, char *const *urls,
		     size_t nr, struct rpc_error *error)
{
	struct quorum_peers peers;
	struct asked asked;
	int err;

	if (k < SHARES_MIN || nr > QUORUM_PEERS_MAX || k > nr + 1)
		return rpc_fail(error, -EINVAL,
				"it takes 2 at least of this KMS and 31 others at most, and not more than there are");
	peers_init(&asked, kmsd, urls, nr, &peers);
	err = quorum_share_out(kmsd->sharing->quorum, kmsd->state, (uint8_t)k,
			       &peers);
	return err ? rpc_fail(error, err,
			      "the state is not shared out, and opens as before: %s",
			      other_said(err)) : 0;
}

KMSD_CALL(kmsd_share_out)
{
	const Quorum__ShareOutRequest *in = (const void *)request;
	Quorum__ShareOutResponse *out = (void *)response;
	struct sharing *sharing = kmsd->sharing;
	struct shares_plan plan;
	int err;

	(void)from;
	if (!sharing || !kmsd->state)
		return rpc_fail(error, -EOPNOTSUPP,
				"this KMS has no \"quorum\", or no keys yet");
	err = share_out(kmsd, in->k ? in->k : kmsd->options->quorum_k,
			in->n_peers ? in->peers : sharing->asked.urls,
			in->n_peers ? in->n_peers : sharing->peers.nr, error);
	if (err || !quorum_get_plan(sharing->quorum, &plan))
		return err;
	out->generation = plan.generation;
	out->k = plan.k;
	out->n = plan.n;
	return 0;
}
