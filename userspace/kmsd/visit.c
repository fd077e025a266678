// SPDX-License-Identifier: MIT
/*
 * One who asks: by evidence, judged, written down
 *
 * Copyright The dstack for Linux authors
 */
#include <errno.h>
#include <openssl/sha.h>
#include <string.h>
#include <time.h>

#include "../daemon/daemon.h"
#include "kmsd.h"

static int check_rate(struct visit *visit)
{
	int status = limits_status(visit->kmsd, LIMIT_EVIDENCE,
				   visit->from->caller.id,
				   &visit->error->retry_after);

	if (!status)
		return 0;
	visit->error->status = status;
	return rpc_fail(visit->error, -EBUSY, "too many requests from %s",
			visit->from->caller.id);
}

int visit_begin(struct visit *visit)
{
	visit->now = time(NULL);
	return check_rate(visit) ?:
		self_allowed(visit->kmsd, visit->now, visit->error);
}

static int not_verified(struct visit *visit, int err,
			const struct libdstack_failure *failure)
{
	const struct libdstack_attestation *att = visit->peer.attestation;
	const char *object = att ? tees_object(att->tee) : NULL;

	atomic_fetch_add(&visit->kmsd->counters.attestation_failures, 1);
	if (object && !(visit->kmsd->trust.tees & 1U << att->tee))
		return rpc_fail(visit->error, err,
				"attestation verification failed: evidence of %s is not accepted here: it takes \"%s\" in the KMS's configuration",
				libdstack_tee_name(att->tee), object);
	return rpc_fail(visit->error, err,
			"attestation verification failed: %s: %s",
			failure->step, failure->text);
}

/*
 * Guests of old say what machine they are beside their evidence, and enclaves
 * which application they are.
 */
static int take_claims(struct visit *visit, const char *vm_config,
		       struct libdstack_failure *failure)
{
	struct libdstack_peer *peer = &visit->peer;
	struct libdstack_span *config = &peer->attestation->config;

	if (!config->len && *vm_config)
		*config = (struct libdstack_span){
			(const uint8_t *)vm_config, strlen(vm_config)
		};
	else if (peer->identity.tee != LIBDSTACK_TEE_NITRO_ENCLAVE)
		return 0;
	return kmsd_identify(peer, 0, &peer->identity, failure);
}

static int remember(struct visit *visit,
		    const struct libdstack_identity *identity)
{
	const struct libdstack_span *evidence =
		&visit->peer.attestation->evidence;
	struct chain_why why;
	int err;

	SHA256(evidence->data, evidence->len, visit->evidence);
	err = auth_boot_of(&visit->peer, identity, &visit->boot, &why);
	return err ? rpc_fail(visit->error, err, "%s", why.text) : 0;
}

static int verify(struct visit *visit, const char *vm_config)
{
	const struct http_request *from = visit->from;
	struct libdstack_failure failure = { 0 };
	int err;

	if (!from->cert)
		return rpc_fail(visit->error, -EKEYREJECTED,
				"No attestation provided");
	atomic_fetch_add(&visit->kmsd->counters.attestations, 1);
	err = libdstack_ratls_verify(from->cert, from->chain,
				     X509_PURPOSE_SSL_CLIENT,
				     &visit->kmsd->trust, visit->now,
				     &visit->peer, &failure) ?:
		take_claims(visit, vm_config, &failure);
	return err ? not_verified(visit, err, &failure) : 0;
}

int visit_verify(struct visit *visit, const char *vm_config)
{
	return verify(visit, vm_config) ?: remember(visit, NULL);
}

/* As it booted: nothing counts that was measured after that. */
static int remember_boot(struct visit *visit)
{
	struct libdstack_identity boot;
	struct libdstack_failure failure = { 0 };
	int err;

	err = kmsd_identify(&visit->peer, LIBDSTACK_IDENTITY_F_BOOT, &boot,
			    &failure);
	return err ? not_verified(visit, err, &failure) :
		remember(visit, &boot);
}

int visit_verify_booted(struct visit *visit, const char *vm_config)
{
	return verify(visit, vm_config) ?: remember_boot(visit);
}

int visit_verify_csr(struct visit *visit, const ProtobufCBinaryData *csr,
		     const ProtobufCBinaryData *signature, uint32_t version,
		     struct libdstack_csr *parsed)
{
	struct libdstack_failure failure = { 0 };
	int err;

	atomic_fetch_add(&visit->kmsd->counters.attestations, 1);
	err = libdstack_csr_verify(csr->data, csr->len, version,
				   signature->data, signature->len,
				   &visit->kmsd->trust, visit->now, parsed,
				   &visit->peer, &failure) ?:
		take_claims(visit, "", &failure);
	return err ? not_verified(visit, err, &failure) : remember_boot(visit);
}

static int write_down(struct visit *visit, const char *refused, uint64_t epoch)
{
	const struct audit_entry entry = {
		.method = visit->method, .from = visit->from->caller.id,
		.time = (uint64_t)visit->now, .boot = &visit->boot,
		.verdict = &visit->verdict, .refused = refused,
		.epoch = epoch, .moved_s = visit->moved.seconds,
		.moved_from = visit->moved.moved ? visit->moved.machine :
			NULL,
	};
	struct audit_entry line = entry;
	int err;

	memcpy(line.evidence, visit->evidence, sizeof(line.evidence));
	err = audit_add(visit->kmsd->audit, &line);
	if (!err)
		return 0;
	visit->error->status = 500;
	return rpc_fail(visit->error, err,
			"the KMS can't write down what it gives: %s",
			strerror(-err));
}

static int deny(struct visit *visit, const char *reason, const char *refused)
{
	atomic_fetch_add(&visit->kmsd->counters.denied, 1);
	return write_down(visit, refused, 0) ?:
		rpc_fail(visit->error, -EACCES, "Boot denied: %s", reason);
}

int visit_check_image(struct visit *visit, struct image_why *why)
{
	int err = kmsd_check_image(visit->kmsd, &visit->peer, why);

	if (!err || err == -EACCES)
		return err;
	atomic_fetch_add(&visit->kmsd->counters.failed, 1);
	visit->error->status = 503;
	visit->error->retry_after = 5;
	return rpc_fail(visit->error, err, "its OS image: %s", why->text);
}

/* Of an instance, as far as one machine alone may have its keys. */
static int take_lease(struct visit *visit)
{
	static const char busy[] =
		"this instance has its keys on another machine";
	static const char unknown[] =
		"its evidence does not tell its machine from others, "
		"and \"lease_s\" asks for that";
	struct kmsd *kmsd = visit->kmsd;
	uint8_t machine[LEASES_MACHINE];
	int err;

	if (!visit->boot.instance_id.len)
		return 0;
	if (!kmsd_machine(&visit->peer, machine))
		return kmsd->options->lease_s ? deny(visit, unknown, unknown) :
			0;
	err = leases_take(kmsd->leases, &visit->boot, machine,
			  (uint64_t)visit->now, &visit->moved);
	if (visit->moved.moved)
		atomic_fetch_add(&kmsd->counters.moved, 1);
	if (err == -EBUSY)
		return deny(visit, busy, busy);
	return err ? rpc_fail(visit->error, err, "out of memory") : 0;
}

int visit_judge(struct visit *visit,
		int (*ask)(struct auth *auth, const struct auth_boot *boot,
			   uint64_t now, struct auth_verdict *verdict,
			   struct chain_why *why))
{
	static const char no_td[] =
		"roots and shares are for KMSs, which run in TDs";
	struct image_why image;
	struct chain_why why;
	int err;

	if (ask == auth_kms && visit->peer.identity.tee != LIBDSTACK_TEE_TDX)
		return deny(visit, no_td, no_td);
	err = ask(visit->kmsd->auth, &visit->boot, (uint64_t)visit->now,
		  &visit->verdict, &why);
	if (err) {
		atomic_fetch_add(&visit->kmsd->counters.failed, 1);
		return rpc_fail(visit->error, err,
				"authorization failed: %s", why.text);
	}
	epochs_limit(visit->kmsd->epochs, &visit->verdict);
	if (!visit->verdict.allowed)
		return deny(visit, visit->verdict.reason, NULL);
	err = visit_check_image(visit, &image);
	if (err)
		return err == -EACCES ? deny(visit, image.text, image.text) :
			err;
	return ask == auth_app ? take_lease(visit) : 0;
}

uint64_t visit_floor(const struct visit *visit)
{
	const struct chain_epochs *keys = &visit->verdict.app_keys;

	return keys->known ? keys->first_live : 0;
}

int visit_grant(struct visit *visit, uint64_t epoch)
{
	int err = write_down(visit, NULL, epoch);

	if (!err)
		atomic_fetch_add(&visit->kmsd->counters.given, 1);
	return err;
}

void visit_end(struct visit *visit)
{
	libdstack_peer_clear(&visit->peer);
}
