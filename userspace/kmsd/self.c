// SPDX-License-Identifier: MIT
/*
 * The KMS's own evidence
 *
 * Copyright The dstack for Linux authors
 *
 * A KMS that the contract does not allow, or no more, gives nothing to anybody:
 * whoever has approved its code can take that back.
 */
#include "kmsd.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../attest/attest.h"
#include "../daemon/daemon.h"

struct self {
	struct libdstack_peer peer;
	struct auth_boot boot;
};

int self_attest(struct kmsd *kmsd,
		const uint8_t report_data[DSTACK_REPORT_DATA_SIZE],
		uint8_t **data, size_t *len)
{
	return attest_make(NULL, report_data, kmsd->vm_config, true,
			   LIBDSTACK_FORM_SCALE, data, len);
}

/* As ratls/evidence.c does for others; there is no key that it is for. */
static int verify(struct kmsd *kmsd, struct libdstack_peer *peer,
		  struct libdstack_failure *failure)
{
	const struct libdstack_attestation *att = peer->attestation;
	const struct libdstack_trust *trust = &kmsd->trust;
	struct libdstack_collateral *collateral = NULL;
	time_t now = time(NULL);
	int err;

	err = trust->find(att->evidence.data, att->evidence.len, now,
			  trust->data, &collateral, failure);
	if (err)
		return err;
	err = libdstack_attestation_verify(att, collateral, trust->root,
					   trust->root_len, now,
					   &peer->verdict);
	libdstack_collateral_free(collateral);
	*failure = peer->verdict.failure;
	if (err)
		return err;
	return libdstack_identity_of_td(att, &peer->verdict.quote.td,
					peer->verdict.quote.ppid, 0,
					&peer->identity, failure);
}

static int identify(struct kmsd *kmsd, struct self *self)
{
	static const uint8_t zeros[DSTACK_REPORT_DATA_SIZE];
	struct libdstack_failure failure = { 0 };
	struct chain_why why = { "" };
	uint8_t *data = NULL;
	size_t len;
	int err;

	err = self_attest(kmsd, zeros, &data, &len);
	if (err)
		return err;
	err = libdstack_attestation_parse(data, len, &self->peer.attestation,
					  &failure) ?:
		verify(kmsd, &self->peer, &failure);
	free(data);
	if (err) {
		msg("its own evidence does not hold: %s: %s", failure.step,
		    failure.text);
		return err;
	}
	err = auth_boot_of(&self->peer, NULL, &self->boot, &why);
	if (err)
		msg("its own evidence: %s", why.text);
	return err;
}

int self_open(struct kmsd *kmsd, struct self **out)
{
	struct self *self = calloc(1, sizeof(*self));
	int err = self ? identify(kmsd, self) : -ENOMEM;

	if (err)
		self_close(self);
	else
		*out = self;
	return err;
}

void self_close(struct self *self)
{
	if (!self)
		return;
	libdstack_peer_clear(&self->peer);
	free(self);
}

const struct auth_boot *self_boot(const struct self *self)
{
	return &self->boot;
}

const struct libdstack_peer *self_peer(const struct self *self)
{
	return &self->peer;
}

int self_allowed(struct kmsd *kmsd, time_t now, struct rpc_error *error)
{
	struct auth_verdict verdict;
	struct chain_why why;
	int err;

	if (!kmsd->self)
		return 0;
	err = auth_kms(kmsd->auth, &kmsd->self->boot, (uint64_t)now, &verdict,
		       &why);
	if (err)
		return rpc_fail(error, err,
				"nobody says whether this may be a KMS: %s",
				why.text);
	epochs_limit(kmsd->epochs, &verdict);
	if (verdict.allowed)
		return 0;
	return rpc_fail(error, -EACCES, "KMS self authorization denied: %s",
			verdict.reason);
}
