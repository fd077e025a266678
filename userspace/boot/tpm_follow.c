// SPDX-License-Identifier: MIT
/*
 * A register of the TPM that follows the boot's events
 *
 * Copyright The dstack for Linux authors
 *
 * As upstream has it where there is a TPM: each event once more, in SHA-256.
 * The register itself is the state, so that no event is there twice.  Without
 * the kernel's own events: what is sealed is for an application, and not for
 * what happened in between.
 */
#include "tpm.h"

#include <errno.h>
#include <string.h>

#include "../keys/primitives.h"

/* Version 1 of an event's digest. */
static bool digest(const struct boot_event *event, uint8_t out[TPM_PCR_SIZE])
{
	static const char type[] = "\x01\x00\x00\x08:";
	const struct part parts[] = {
		{ type, sizeof(type) - 1 },
		{ event->name, strlen(event->name) },
		{ ":", 1 },
		{ event->payload, event->len },
	};

	return !hash_parts(HASH_SHA256, parts, 4, out);
}

static bool fold(const struct boot_event *event, uint8_t value[TPM_PCR_SIZE])
{
	uint8_t own[TPM_PCR_SIZE];
	const struct part parts[] = {
		{ value, TPM_PCR_SIZE }, { own, sizeof(own) },
	};

	return digest(event, own) && !hash_parts(HASH_SHA256, parts, 2, value);
}

bool tpm_fold(const struct boot_events *events, size_t nr,
	      uint8_t value[TPM_PCR_SIZE])
{
	size_t i;

	memset(value, 0, TPM_PCR_SIZE);
	for (i = 0; i < nr; i++)
		if (!fold(&events->items[i], value))
			return false;
	return true;
}

/* How many of them it has; -EBUSY: it has something else. */
static int count(const struct boot_events *events,
		 const uint8_t value[TPM_PCR_SIZE], size_t *nr)
{
	uint8_t at[TPM_PCR_SIZE];

	for (*nr = 0; *nr <= events->nr; ++*nr) {
		if (!tpm_fold(events, *nr, at))
			return -ENOMEM;
		if (!memcmp(at, value, sizeof(at)))
			return 0;
	}
	return boot_fail(-EBUSY, "register %d of the TPM has something that this boot did not measure: reboot, with nothing that extends it",
			 TPM_PCR);
}

/* Up to event @nr: later ones were measured by a start that ended too early. */
static int extend(struct tpm *tpm, const struct boot_events *events, size_t nr)
{
	uint8_t value[TPM_PCR_SIZE], own[TPM_PCR_SIZE];
	size_t at;
	int err = tpm_pcr_read(tpm, value) ?: count(events, value, &at);

	for (; !err && at < nr && at < events->nr; at++)
		err = digest(&events->items[at], own) ?
			tpm_pcr_extend(tpm, own) : -ENOMEM;
	return err;
}

int tpm_follow(struct boot *boot, struct tpm *tpm)
{
	struct boot_events events;
	int err = boot_events_read(boot, &events);

	if (err)
		return err;
	err = extend(tpm, &events, boot->measured);
	boot_events_free(&events);
	return err;
}
