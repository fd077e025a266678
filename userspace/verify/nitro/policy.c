// SPDX-License-Identifier: MIT
/*
 * Is a genuine document good enough
 *
 * Copyright The dstack for Linux authors
 */
#include "nitro.h"

#include <string.h>

#define DEBUG_PCRS	3	/* registers 0 to 2 measure the image */
#define MS		1000

static bool is_zero(const uint8_t pcr[LIBDSTACK_NITRO_PCR_SIZE])
{
	static const uint8_t zero[LIBDSTACK_NITRO_PCR_SIZE];

	return !memcmp(pcr, zero, sizeof(zero));
}

/* In debug mode the host sees the console, and registers are zeros. */
static bool is_debugged(const struct libdstack_nitro_document *d)
{
	unsigned int i;

	for (i = 0; i < DEBUG_PCRS; i++)
		if (!(d->pcrs & 1U << i) || is_zero(d->pcr[i]))
			return true;
	return false;
}

static bool is_young(const struct libdstack_nitro_document *d,
		     const struct libdstack_nitro_policy *p, time_t now)
{
	const int64_t made = d->timestamp / MS;

	return !p->max_age || (made <= now && now - made <= p->max_age);
}

static bool is_same(const struct libdstack_nitro_data *is,
		    const struct libdstack_nitro_data *want)
{
	if (!want->data)
		return true;
	return is->data && is->len == want->len &&
		!memcmp(is->data, want->data, want->len);
}

static const char *judge(const struct libdstack_nitro_document *d,
			 const struct libdstack_nitro_policy *p, time_t now)
{
	unsigned int i;

	if (d->tpm != p->tpm)
		return d->tpm ? "of a NitroTPM, not of an enclave" :
				"of an enclave, not of a NitroTPM";
	if (!d->tpm && !p->allow_debug && is_debugged(d))
		return "the enclave runs in debug mode: PCR 0, 1 or 2 is zero";
	if (!is_young(d, p, now))
		return "the document is too old, or of a time to come";
	for (i = 0; i < LIBDSTACK_NITRO_PCRS; i++)
		if (p->pcr[i] && (!(d->pcrs & 1U << i) ||
				  memcmp(p->pcr[i], d->pcr[i],
					 LIBDSTACK_NITRO_PCR_SIZE)))
			return "a PCR is not what was asked for";
	if (!is_same(&d->nonce, &p->nonce))
		return "the nonce is not that asked for";
	if (!is_same(&d->user_data, &p->user_data))
		return "the user data is not that asked for";
	if (!is_same(&d->public_key, &p->public_key))
		return "the public key is not that asked for";
	return NULL;
}

int libdstack_nitro_check(const struct libdstack_nitro_document *document,
			  const struct libdstack_nitro_policy *policy,
			  time_t now, struct libdstack_failure *failure)
{
	const char *why = judge(document, policy, now);

	memset(failure, 0, sizeof(*failure));
	if (!why)
		return 0;
	verify_step(failure, "policy");
	return verify_fail(failure, REASON(POLICY), "%s", why);
}
