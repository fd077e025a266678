// SPDX-License-Identifier: MIT
/*
 * Another KMS: how it is asked, and whether it may be one
 *
 * Copyright The dstack for Linux authors
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "../daemon/daemon.h"
#include "../kms/kms.h"
#include "kmsd.h"

/* Whoever asked is told what was said last, and all of it is in the log. */
static _Thread_local char said[LIBDSTACK_MESSAGE_MAX];

void other_begin(void)
{
	said[0] = '\0';
}

void other_tell(const char *line)
{
	snprintf(said, sizeof(said), "%s", line);
	msg("%s", line);
}

const char *other_said(int err)
{
	return *said ? said : strerror(-err);
}

static int attest(void *arg, const uint8_t report_data[64], uint8_t **data,
		  size_t *len)
{
	return self_attest(arg, report_data, data, len);
}

void other_ask(struct kmsd *kmsd, const char *const url[1],
	       unsigned int seconds, struct kms *kms)
{
	*kms = (struct kms){
		.urls = url, .nr = 1, .vm_config = kmsd->vm_config,
		.trust = &kmsd->trust, .attest = attest, .arg = kmsd,
		.tell = other_tell, .timeout_s = seconds, .total_s = seconds,
	};
}

int kmsd_is_kms(const struct libdstack_peer *peer, void *arg,
		struct libdstack_failure *failure)
{
	struct kmsd *kmsd = arg;
	struct auth_verdict verdict;
	struct chain_why why = { "" };
	struct image_why image;
	struct auth_boot boot;
	int err = 0;

	if (peer->identity.tee != LIBDSTACK_TEE_TDX)
		err = chain_fail(&why, -EACCES,
				 "its evidence is not of a TD, and KMSs run in those");
	err = err ?: auth_boot_of(peer, NULL, &boot, &why) ?:
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
