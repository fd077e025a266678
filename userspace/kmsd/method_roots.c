// SPDX-License-Identifier: MIT
/*
 * The roots of this KMS, for another one that may have them
 *
 * Copyright The dstack for Linux authors
 *
 * Upstream's KMSs have one set of roots, and read that; ours read all epochs,
 * so that whoever takes over has each key that was ever given and is not
 * retired.
 */
#include <errno.h>
#include <kms.pb-c.h>
#include <stdlib.h>

#include "kmsd.h"

static int put_set(const struct issue *issue, const struct key_epoch *epoch,
		   Kms__GetKmsKeyResponse *out)
{
	Kms__KmsKeys *keys = malloc(sizeof(*keys));

	out->keys = malloc(sizeof(*out->keys));
	if (!keys || !out->keys) {
		free(keys);
		return -ENOMEM;
	}
	kms__kms_keys__init(keys);
	out->n_keys = 1;
	out->keys[0] = keys;
	out->temp_ca_key = issue_key(issue, ISSUE_TEMP_CA);
	keys->ca_key = issue_key(issue, ISSUE_ROOT_CA);
	if (!out->temp_ca_key || !keys->ca_key)
		return -ENOMEM;
	return rpc_put_bytes(&keys->k256_key, epoch->k256,
			     sizeof(epoch->k256));
}

static int put_scalars(const struct key_epoch *epoch, Kms__KmsEpoch *out)
{
	if (epoch->retired)
		return 0;
	return rpc_put_bytes(&out->ca_key, epoch->ca, sizeof(epoch->ca)) ?:
		rpc_put_bytes(&out->temp_ca_key, epoch->temp_ca,
			      sizeof(epoch->temp_ca)) ?:
		rpc_put_bytes(&out->k256_key, epoch->k256,
			      sizeof(epoch->k256));
}

static int put_epoch(const struct key_epoch *epoch, Kms__KmsEpoch *out)
{
	out->number = epoch->number;
	out->created = epoch->created;
	out->retired = epoch->retired;
	return put_scalars(epoch, out) ?:
		rpc_put_bytes(&out->k256_pubkey, epoch->k256_public,
			      sizeof(epoch->k256_public)) ?:
		rpc_put_text(&out->ca_cert, epoch->ca_cert) ?:
		rpc_put_text(&out->temp_ca_cert, epoch->temp_ca_cert) ?:
		rpc_put_bytes(&out->succession, epoch->succession,
			      epoch->succession_len);
}

static int add_epoch(const struct key_epoch *epoch,
		     Kms__GetKmsKeyResponse *out)
{
	Kms__KmsEpoch *message = malloc(sizeof(*message));

	if (!message)
		return -ENOMEM;
	kms__kms_epoch__init(message);
	out->epochs[out->n_epochs++] = message;
	return put_epoch(epoch, message);
}

/* What the contract has ended is given to nobody, as if it were retired. */
static void leave_out_ended(const struct epochs *epochs,
			    struct key_epoch *epoch)
{
	uint64_t ended = epoch->retired ? 0 :
		epochs_ended(epochs, epoch->number);

	if (!ended)
		return;
	epoch->retired = ended;
	key_epoch_wipe(epoch);
}

/* @epoch: for each of them in turn; the set is @number's. */
static int put_all(struct visit *visit, const struct issue *issue,
		   uint64_t number, struct key_epoch *epoch,
		   Kms__GetKmsKeyResponse *out)
{
	struct state *state = visit->kmsd->state;
	size_t i, nr = state_count(state);
	int err = 0;

	out->epochs = calloc(nr, sizeof(*out->epochs));
	if (!out->epochs)
		return -ENOMEM;
	for (i = 0; !err && i < nr; i++) {
		state_get_epoch(state, i, epoch);
		leave_out_ended(visit->kmsd->epochs, epoch);
		err = add_epoch(epoch, out);
		if (!err && epoch->number == number)
			err = put_set(issue, epoch, out);
	}
	return err;
}

static int give(struct visit *visit, Kms__GetKmsKeyResponse *out)
{
	uint64_t number = EPOCH_OLDEST;
	const struct issue *issue;
	void *memory = NULL;
	int err;

	issue = epochs_get(visit->kmsd->epochs, 0, &number, visit->error);
	if (!issue)
		return -ENOKEY;
	err = libdstack_secret_alloc(sizeof(struct key_epoch), &memory) ?:
		put_all(visit, issue, number, memory, out);
	libdstack_secret_free(memory, sizeof(struct key_epoch));
	epochs_put(visit->kmsd->epochs);
	return err ? err : visit_grant(visit, number);
}

KMSD_CALL(kmsd_get_kms_key)
{
	const Kms__GetKmsKeyRequest *in = (const void *)request;
	struct visit visit = {
		.kmsd = kmsd, .from = from, .method = "GetKmsKey",
		.error = error,
	};
	int err = visit_begin(&visit) ?: visit_verify(&visit, in->vm_config) ?:
		visit_judge(&visit, auth_kms) ?:
		give(&visit, (void *)response);

	visit_end(&visit);
	return err;
}
