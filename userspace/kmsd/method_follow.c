// SPDX-License-Identifier: MIT
/*
 * What is true now of an application that runs
 *
 * Copyright The dstack for Linux authors
 *
 * It is asked for each second, over one connection.  The evidence of who asks
 * is looked at once for a connection, and again now and then, as collateral
 * changes; what the chain says is looked at each time.  What was found hangs on
 * the certificate as TLS has it, which is of one connection and ends with it:
 * sessions are not resumed.
 *
 * Nothing is given here, so nothing is written down.
 */
#include <errno.h>
#include <kms.pb-c.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "kmsd.h"

#define KNOWN_S		600		/* then evidence is looked at again */

/* Whoever has this connection. */
struct known {
	time_t verified;
	bool other_image;		/* than it says: why */
	struct image_why why;
	struct auth_boot boot;
};

static pthread_once_t once = PTHREAD_ONCE_INIT;
static int slot = -1;

static void forget(void *parent, void *data, CRYPTO_EX_DATA *ad, int index,
		   long argl, void *argp)
{
	(void)parent;
	(void)ad;
	(void)index;
	(void)argl;
	(void)argp;
	free(data);
}

static void make_slot(void)
{
	slot = X509_get_ex_new_index(0, NULL, NULL, NULL, forget);
}

/* Those of one connection come one after the other. */
static struct known *recall(const struct visit *visit)
{
	struct known *known = NULL;

	pthread_once(&once, make_slot);
	if (visit->from->cert && slot >= 0)
		known = X509_get_ex_data(visit->from->cert, slot);
	/* A clock that was set back makes nothing young. */
	if (known && (visit->now < known->verified ||
		      visit->now - known->verified >= KNOWN_S))
		known = NULL;
	return known;
}

static int keep(struct visit *visit, struct known **out)
{
	struct known *known = X509_get_ex_data(visit->from->cert, slot);
	struct image_why why = { "" };
	int err = visit_check_image(visit, &why);

	if (err && err != -EACCES)
		return err;
	if (!known) {
		known = calloc(1, sizeof(*known));
		if (!known ||
		    !X509_set_ex_data(visit->from->cert, slot, known)) {
			free(known);
			return -ENOMEM;
		}
	}
	known->verified = visit->now;
	known->boot = visit->boot;
	known->other_image = err;
	known->why = why;
	*out = known;
	return 0;
}

static int identify(struct visit *visit, const char *vm_config,
		    struct known **known)
{
	visit->now = time(NULL);
	*known = recall(visit);
	if (*known)
		return self_allowed(visit->kmsd, visit->now, visit->error);
	return visit_begin(visit) ?: visit_verify_booted(visit, vm_config) ?:
		keep(visit, known);
}

static int put_epochs(const struct chain_epochs *epochs, Kms__KeyEpochs **out)
{
	Kms__KeyEpochs *to = malloc(sizeof(*to));

	if (!to)
		return -ENOMEM;
	kms__key_epochs__init(to);
	to->current = epochs->current;
	to->previous_ends = epochs->previous_ends;
	to->first_live = epochs->first_live;
	*out = to;
	return 0;
}

static int put_policy(const struct auth_verdict *verdict,
		      Kms__GetAppStateResponse *out)
{
	out->policy_epoch = verdict->policy_epoch;
	return verdict->policy_epoch ?
		rpc_put_bytes(&out->policy_root, verdict->policy_root,
			      sizeof(verdict->policy_root)) : 0;
}

/* Where no chain was asked there is no block to name. */
static int put_chain(const struct auth_verdict *verdict,
		     Kms__GetAppStateResponse *out)
{
	if (verdict->how != AUTH_BY_PROOF && verdict->how != AUTH_BY_ASKING)
		return 0;
	out->block_number = verdict->block.number;
	out->block_time = verdict->block.time;
	return rpc_put_bytes(&out->block_hash, verdict->block.hash,
			     sizeof(verdict->block.hash)) ?:
		put_policy(verdict, out);
}

static int tell_state(struct visit *visit, const struct known *known,
		      Kms__GetAppStateResponse *out)
{
	struct auth_verdict *verdict = &visit->verdict;
	const char *reason;
	struct chain_why why;
	int err;

	err = auth_app(visit->kmsd->auth, &known->boot, (uint64_t)visit->now,
		       verdict, &why);
	if (err) {
		atomic_fetch_add(&visit->kmsd->counters.failed, 1);
		return rpc_fail(visit->error, err, "authorization failed: %s",
				why.text);
	}
	out->allowed = verdict->allowed && !known->other_image;
	reason = out->allowed ? "" :
		verdict->allowed ? known->why.text : verdict->reason;
	return rpc_put_text(&out->reason, reason) ?:
		rpc_put_text(&out->how, auth_how_name(verdict->how)) ?:
		put_chain(verdict, out) ?:
		put_epochs(&verdict->kms_keys, &out->kms_keys) ?:
		put_epochs(&verdict->app_keys, &out->app_keys);
}

KMSD_CALL(kmsd_get_app_state)
{
	const Kms__GetAppStateRequest *in = (const void *)request;
	struct visit visit = {
		.kmsd = kmsd, .from = from, .method = "GetAppState",
		.error = error,
	};
	struct known *known;
	int err = identify(&visit, in->vm_config, &known) ?:
		tell_state(&visit, known, (void *)response);

	visit_end(&visit);
	return err;
}
