// SPDX-License-Identifier: MIT
/*
 * Is a genuine report good enough
 *
 * Copyright The dstack for Linux authors
 */
#include "snp.h"

#include <string.h>

#define KNOWN_BITS	((1ULL << 26) - 1)

static bool reaches(const struct libdstack_snp_tcb *tcb,
		    const struct libdstack_snp_tcb *min)
{
	return tcb->fmc >= min->fmc && tcb->bootloader >= min->bootloader &&
		tcb->tee >= min->tee && tcb->snp >= min->snp &&
		tcb->microcode >= min->microcode;
}

/* What is wrong with the guest's own policy, or NULL. */
static const char *guest_policy(const struct libdstack_snp_report *r,
				const struct libdstack_snp_policy *p)
{
	if (!(r->policy & LIBDSTACK_SNP_POLICY_ONE))
		return "bit 17 of the guest's policy is not set";
	if (r->policy & ~KNOWN_BITS && !p->allow_unknown_bits)
		return "the guest's policy has bits that are not known";
	if (r->policy & LIBDSTACK_SNP_POLICY_DEBUG && !p->allow_debug)
		return "the guest can be debugged: the host reads its memory";
	if (r->policy & LIBDSTACK_SNP_POLICY_MIGRATE && !p->allow_migration)
		return "a migration agent can move the guest";
	return NULL;
}

static const char *levels(const struct libdstack_snp_report *r,
			  const struct libdstack_snp_policy *p)
{
	if (r->vmpl > p->max_vmpl)
		return "the report was asked for at a less trusted VMPL";
	if (!reaches(&r->reported, &p->min_tcb))
		return "the platform's levels are too low: have it updated";
	/* The host may go back to what is committed at any time. */
	if (!reaches(&r->committed, &p->min_tcb))
		return "the platform may go back to levels that are too low";
	if (r->guest_svn < p->min_guest_svn)
		return "the guest's security version is too low";
	return NULL;
}

static const char *values(const struct libdstack_snp_report *r,
			  const struct libdstack_snp_policy *p)
{
	const struct {
		const uint8_t *want, *is;
		size_t size;
		const char *why;
	} pairs[] = {
		{ p->report_data, r->report_data, sizeof(r->report_data),
		  "the report data is not that asked for" },
		{ p->measurement, r->measurement, sizeof(r->measurement),
		  "another guest was launched" },
		{ p->host_data, r->host_data, sizeof(r->host_data),
		  "the host data is not that asked for" },
		{ p->id_key_digest, r->id_key_digest, sizeof(r->id_key_digest),
		  "the guest's identity was signed by another key" },
		{ p->author_key_digest, r->author_key_digest,
		  sizeof(r->author_key_digest),
		  "the key of the guest's identity has another author" },
		{ p->chip_id, r->chip_id, sizeof(r->chip_id),
		  "the guest runs on another chip" },
	};
	size_t i;

	for (i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++)
		if (pairs[i].want &&
		    memcmp(pairs[i].want, pairs[i].is, pairs[i].size))
			return pairs[i].why;
	return NULL;
}

int libdstack_snp_check(const struct libdstack_snp_report *report,
			const struct libdstack_snp_policy *policy,
			struct libdstack_failure *failure)
{
	const char *why = guest_policy(report, policy);

	memset(failure, 0, sizeof(*failure));
	if (!why)
		why = levels(report, policy);
	if (!why)
		why = values(report, policy);
	if (!why)
		return 0;
	verify_step(failure, "policy");
	return verify_fail(failure, REASON(POLICY), "%s", why);
}
