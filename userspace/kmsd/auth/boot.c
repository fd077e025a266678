// SPDX-License-Identifier: MIT
/*
 * What is asked about, of verified evidence
 *
 * Copyright The dstack for Linux authors
 */
#include "auth.h"

#include <errno.h>
#include <string.h>

static int copy_id(const struct libdstack_id *id, size_t len, void *out,
		   const char *what, struct chain_why *why)
{
	if (id->len != len)
		return chain_fail(why, -EINVAL,
				  "the evidence has %u bytes of %s, not %zu",
				  id->len, what, len);
	memcpy(out, id->data, len);
	return 0;
}

static int copy_ids(const struct libdstack_identity *identity,
		    struct auth_boot *boot, struct chain_why *why)
{
	int err = copy_id(&identity->app_id, sizeof(boot->app_id),
			  boot->app_id, "app id", why);

	if (!err)
		err = copy_id(&identity->compose_hash, 32, boot->compose_hash,
			      "compose hash", why);
	if (!err)
		err = copy_id(&identity->os_image_hash, 32,
			      boot->os_image_hash, "OS image hash", why);
	if (!err && identity->instance_id.len)
		err = copy_id(&identity->instance_id, DSTACK_APP_ID_SIZE,
			      boot->instance_id.data, "instance id", why);
	boot->instance_id.len = identity->instance_id.len;
	return err;
}

/* Other TEEs have levels of their own, which are judged before. */
static int copy_tcb(const struct libdstack_peer *peer, enum libdstack_tee tee,
		    struct auth_boot *boot, struct chain_why *why)
{
	const struct libdstack_verdict *quote = &peer->verdict.quote;

	boot->tcb_status = "";
	if (tee != LIBDSTACK_TEE_TDX && tee != LIBDSTACK_TEE_GCP_TDX)
		return 0;
	boot->tcb_status = libdstack_tcb_status_name(quote->status);
	memcpy(boot->advisories, quote->advisories, sizeof(boot->advisories));
	return boot->tcb_status ? 0 :
		chain_fail(why, -EINVAL, "the quote has no TCB status");
}

int auth_boot_of(const struct libdstack_peer *peer,
		 const struct libdstack_identity *identity,
		 struct auth_boot *boot, struct chain_why *why)
{
	int err;

	memset(boot, 0, sizeof(*boot));
	if (!identity)
		identity = &peer->identity;
	if (identity->tee != peer->identity.tee)
		return chain_fail(why, -EINVAL,
				  "the identity is not of this evidence");
	boot->tee_variant = libdstack_tee_name(identity->tee);
	if (!boot->tee_variant)
		return chain_fail(why, -EINVAL, "the evidence is of no TEE");
	memcpy(boot->device_id, identity->device_id, 32);
	memcpy(boot->mr_system, identity->mr_system, 32);
	memcpy(boot->mr_aggregated, identity->mr_aggregated, 32);
	memcpy(boot->key_provider_info, identity->key_provider_info,
	       sizeof(boot->key_provider_info));
	err = copy_ids(identity, boot, why);
	return err ? err : copy_tcb(peer, identity->tee, boot, why);
}
