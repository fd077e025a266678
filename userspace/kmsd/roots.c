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

#include "../daemon/daemon.h"
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

/* What was said last of the KMS that was asked: with the lock. */
static char peer_said[LIBDSTACK_MESSAGE_MAX];

static void note(const char *line)
{
	snprintf(peer_said, sizeof(peer_said), "%s", line);
	msg("%s", line);
}

static int attest(void *arg, const uint8_t report_data[64], uint8_t **data,
		  size_t *len)
{
	return self_attest(arg, report_data, data, len);
}

int kmsd_is_kms(const struct libdstack_peer *peer, void *arg,
		struct libdstack_failure *failure)
{
	struct kmsd *kmsd = arg;
	struct auth_verdict verdict;
	struct chain_why why = { "" };
	struct image_why image;
	struct auth_boot boot;
	int err;

	err = auth_boot_of(peer, NULL, &boot, &why) ?:
		auth_kms(kmsd->auth, &boot, (uint64_t)time(NULL), &verdict,
			 &why);
	if (!err && !verdict.allowed)
		err = chain_fail(&why, -EACCES, "%s", verdict.reason);
	if (!err) {
		err = kmsd_check_image(kmsd, peer, &image);
		if (err)
			err = chain_fail(&why, err, "%s", image.text);
	}
	if (err)
		snprintf(failure->text, sizeof(failure->text), "%.*s",
			 (int)sizeof(failure->text) - 1, why.text);
	return err;
}

/* @roots are to be wiped, whatever comes of it. */
static int ask_peer(struct kmsd *kmsd, const char *url,
		    struct kms_roots *roots, struct rpc_error *error)
{
	const char *const urls[] = { url };
	const struct kms kms = {
		.urls = urls, .nr = 1, .vm_config = kmsd->vm_config,
		.trust = &kmsd->trust, .attest = attest, .arg = kmsd,
		.tell = note, .timeout_s = PEER_S, .total_s = PEER_S,
	};
	int err;

	peer_said[0] = '\0';
	err = kms_get_roots(&kms, kmsd_is_kms, kmsd, roots);
	return err ? rpc_fail(error, err, "%s", *peer_said ? peer_said :
			      strerror(-err)) : 0;
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
