// SPDX-License-Identifier: MIT
/*
 * Evidence of each TEE: is it good enough, whose is it, of which machine
 *
 * Copyright The dstack for Linux authors
 *
 * An enclave of Nitro is its image, and has no register for anything else:
 * which application it is, and which instance, it says itself, by the key that
 * its document is for.  That is no proof, and needs none: the application's
 * contract decides by the compose hash, which for an enclave is that of its
 * image, and so whoever says that it is another's is denied there.
 */
#include <errno.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "kmsd.h"

#define READY		"system-ready"
#define ENCLAVE		"-enc"		/* behind the instance of EC2 */

/* Anyone whom nobody can look into: who may have what is asked. */
int kmsd_accept(const struct libdstack_peer *peer, void *data,
		struct libdstack_failure *failure)
{
	const struct kmsd *kmsd = data;

	if (peer->identity.tee != LIBDSTACK_TEE_TDX)
		return tees_check(kmsd->options->tees, peer, time(NULL),
				  failure);
	return libdstack_quote_policy_check(&kmsd->options->policy,
					    &peer->verdict.quote, NULL, NULL,
					    failure);
}

/*
 * Whose it is
 */

static int refuse(struct libdstack_failure *failure, const char *name,
		  const char *what)
{
	memset(failure, 0, sizeof(*failure));
	failure->reason = LIBDSTACK_REASON_MALFORMED;
	snprintf(failure->step, sizeof(failure->step), "identity");
	snprintf(failure->text, sizeof(failure->text), "event '%s' %s", name,
		 what);
	return -EBADMSG;
}

/* What the one event of that name says, before the boot was complete. */
static int take_claim(const struct libdstack_log *log, const char *name,
		      struct libdstack_id *id,
		      struct libdstack_failure *failure)
{
	const struct libdstack_event *event = log->events;
	const struct libdstack_event *end = event + log->count;
	bool found = false;

	for (; event < end && strcmp(event->name, READY) != 0; event++) {
		if (strcmp(event->name, name) != 0)
			continue;
		if (found)
			return refuse(failure, name, "is there twice");
		if (event->payload_len &&
		    event->payload_len != DSTACK_APP_ID_SIZE)
			return refuse(failure, name, "is not of 20 bytes");
		found = true;
		id->len = (uint8_t)event->payload_len;
		memcpy(id->data, event->payload, event->payload_len);
	}
	return 0;
}

static int identify_enclave(const struct libdstack_peer *peer,
			    struct libdstack_identity *identity,
			    struct libdstack_failure *failure)
{
	const struct libdstack_attestation *att = peer->attestation;
	const struct libdstack_nitro_document *doc = &peer->nitro.document;

	return libdstack_identity_of_enclave(att, doc->pcr, doc->module_id,
					     identity, failure) ?:
		take_claim(&att->runtime, "app-id", &identity->app_id,
			   failure) ?:
		take_claim(&att->runtime, "instance-id",
			   &identity->instance_id, failure);
}

int kmsd_identify(const struct libdstack_peer *peer, uint32_t flags,
		  struct libdstack_identity *identity,
		  struct libdstack_failure *failure)
{
	const struct libdstack_attestation *att = peer->attestation;
	const struct libdstack_snp_report *report = &peer->snp.report;

	switch (att->tee) {
	case LIBDSTACK_TEE_SEV_SNP:
		return libdstack_identity_of_snp(att, report->measurement,
						 report->host_data,
						 report->chip_id, identity,
						 failure);
	case LIBDSTACK_TEE_NITRO_ENCLAVE:
		return identify_enclave(peer, identity, failure);
	default:
		return libdstack_identity_of_td(att, &peer->verdict.quote.td,
						peer->verdict.quote.ppid,
						flags, identity, failure);
	}
}

/*
 * Of which machine
 */

static bool instance_of_ec2(const char *module_id,
			    uint8_t machine[LEASES_MACHINE])
{
	const char *end = strstr(module_id, ENCLAVE);

	if (!end || end == module_id)
		return false;
	SHA256((const uint8_t *)module_id, end - module_id, machine);
	return true;
}

/* A cloud's key signs for chips whose ids it may keep to itself. */
static bool names_chip(const struct libdstack_snp_report *report)
{
	static const uint8_t none[sizeof(report->chip_id)];

	return memcmp(report->chip_id, none, sizeof(none)) != 0;
}

bool kmsd_machine(const struct libdstack_peer *peer,
		  uint8_t machine[LEASES_MACHINE])
{
	if (peer->identity.tee == LIBDSTACK_TEE_NITRO_ENCLAVE)
		return instance_of_ec2(peer->nitro.document.module_id,
				       machine);
	if (peer->identity.tee == LIBDSTACK_TEE_SEV_SNP &&
	    !names_chip(&peer->snp.report))
		return false;
	memcpy(machine, peer->identity.device_id, LEASES_MACHINE);
	return true;
}
