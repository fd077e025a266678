// SPDX-License-Identifier: MIT
/*
 * Are genuine registers those that were asked for
 *
 * Copyright The dstack for Linux authors
 */
#include "tpm.h"

#include <string.h>

static int fail_policy(struct libdstack_failure *failure, const char *why)
{
	verify_step(failure, "policy");
	return verify_fail(failure, REASON(POLICY), "%s", why);
}

/* The proven values of a bank, or NULL if they don't include @mask. */
static const struct libdstack_tpm_bank *
proven(const struct libdstack_tpm_verdict *v, uint16_t alg, uint32_t mask)
{
	size_t i;

	for (i = 0; v->pcrs_proven && i < v->nr_banks; i++)
		if (v->bank[i].alg == alg)
			return (v->bank[i].mask & mask) == mask ? &v->bank[i] :
								  NULL;
	return NULL;
}

int libdstack_tpm_check_log(const struct libdstack_tpm_verdict *verdict,
			    const struct libdstack_tcg_log *log, uint16_t alg,
			    uint32_t mask, struct libdstack_failure *failure)
{
	const struct libdstack_tpm_bank *bank = proven(verdict, alg, mask);
	uint8_t value[LIBDSTACK_TCG_DIGEST_MAX];
	unsigned int i;
	int err;

	memset(failure, 0, sizeof(*failure));
	if (!bank || !mask)
		return fail_policy(failure,
				   "the quote does not prove all of the registers that the log shall replay to");
	for (i = 0; i < LIBDSTACK_TCG_PCRS; i++) {
		if (!(mask & 1U << i))
			continue;
		err = libdstack_tcg_replay(log, alg, i, value, failure);
		if (err)
			return err;
		if (!memcmp(value, bank->value[i],
			    libdstack_tcg_digest_size(alg)))
			continue;
		verify_step(failure, "event log replay");
		return verify_fail(failure, REASON(MISMATCH),
				   "register %u is not what the log replays to: the log is of another boot, or was changed",
				   i);
	}
	return 0;
}

static const char *judge_bank(const struct libdstack_tpm_verdict *v,
			      const struct libdstack_tpm_bank *want)
{
	const struct libdstack_tpm_bank *bank = proven(v, want->alg,
						       want->mask);
	unsigned int i;

	if (!bank)
		return "the quote does not prove all registers asked for";
	for (i = 0; i < LIBDSTACK_TCG_PCRS; i++)
		if (want->mask & 1U << i &&
		    memcmp(bank->value[i], want->value[i],
			   libdstack_tcg_digest_size(want->alg)))
			return "a register does not hold what was asked for";
	return NULL;
}

int libdstack_tpm_check(const struct libdstack_tpm_verdict *verdict,
			const struct libdstack_tpm_policy *policy,
			struct libdstack_failure *failure)
{
	const char *why = NULL;
	size_t i;

	memset(failure, 0, sizeof(*failure));
	if (policy->nonce &&
	    (verdict->nonce_len != policy->nonce_len ||
	     memcmp(verdict->nonce, policy->nonce, policy->nonce_len)))
		return fail_policy(failure, "the nonce is not that asked for");
	for (i = 0; i < verdict->nr_banks; i++)
		if (verdict->bank[i].alg == LIBDSTACK_TCG_SHA1 &&
		    !policy->allow_sha1)
			return fail_policy(failure,
					   "the quote is of a SHA-1 bank: quote another");
	for (i = 0; !why && i < policy->nr_banks; i++)
		why = judge_bank(verdict, &policy->banks[i]);
	return why ? fail_policy(failure, why) : 0;
}
