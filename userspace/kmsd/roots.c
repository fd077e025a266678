// SPDX-License-Identifier: MIT
/*
 * Where roots come of: chance, or another KMS
 *
 * Copyright The dstack for Linux authors
 *
 * Who asks for either has kmsd->onboard_lock.
 */
#include <errno.h>
#include <string.h>
#include <time.h>

#include "../kms/kms.h"
#include "kmsd.h"

/* Within the time that whoever asks for it waits. */
#define PEER_S	25

static int begin(struct kmsd *kmsd)
{
	return epochs_open(kmsd->state, time(NULL), &kmsd->epochs);
}

int kmsd_make_roots(struct kmsd *kmsd, const char *domain)
{
	return epochs_create(&kmsd->state_options, domain, time(NULL),
			     &kmsd->state) ?: begin(kmsd);
}

/*
 * Of another KMS
 */

/* @roots are to be wiped, whatever comes of it. */
static int ask_peer(struct kmsd *kmsd, const char *url,
		    struct kms_roots *roots, struct rpc_error *error)
{
	const char *const urls[] = { url };
	struct kms kms;
	int err;

	other_begin();
	other_ask(kmsd, urls, PEER_S, &kms);
	err = kms_get_roots(&kms, kmsd_is_kms, kmsd, roots);
	return err ? rpc_fail(error, err, "%s", other_said(err)) : 0;
}

int kmsd_fetch_roots(struct kmsd *kmsd, const char *url,
		     struct epochs_news *news, struct rpc_error *error)
{
	struct kms_roots roots;
	int err = ask_peer(kmsd, url, &roots, error);

	if (err)
		return err;
	err = epochs_take(kmsd->epochs, roots.epochs, roots.nr, time(NULL),
			  news, error);
	kms_roots_wipe(&roots);
	return err;
}

int kmsd_take_roots(struct kmsd *kmsd, const char *url, const char *domain,
		    struct rpc_error *error)
{
	struct kms_roots roots;
	int err = ask_peer(kmsd, url, &roots, error);

	if (err)
		return err;
	err = state_create(&kmsd->state_options, domain, roots.epochs,
			   roots.nr, &kmsd->state) ?: begin(kmsd);
	kms_roots_wipe(&roots);
	return err ? rpc_fail(error, err, "can't keep the roots of %s: %s",
			      url, strerror(-err)) : 0;
}
