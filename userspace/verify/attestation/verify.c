// SPDX-License-Identifier: MIT
/*
 * Is a container's evidence genuine, and explained by its log
 *
 * Copyright The dstack for Linux authors
 */
#include "attestation.h"

#include <string.h>

int libdstack_attestation_verify(const struct libdstack_attestation *att,
				 const struct libdstack_collateral *collateral,
				 const void *root, size_t root_len, time_t now,
				 struct libdstack_attestation_verdict *verdict)
{
	const struct libdstack_attestation *a = att;
	int err;

	memset(verdict, 0, sizeof(*verdict));
	verify_step(&verdict->failure, "kind of evidence");
	if (a->tee != LIBDSTACK_TEE_TDX)
		return verify_fail(&verdict->failure, REASON(UNSUPPORTED),
				   "evidence of %s: give it to the verifier of that kind",
				   libdstack_tee_name(a->tee));
	if (!att_is_td_quote(&a->evidence))
		return verify_fail(&verdict->failure, REASON(UNSUPPORTED),
				   "the quote is not of a TD");
	err = libdstack_quote_verify(a->evidence.data, a->evidence.len,
				     collateral, root, root_len, now,
				     &verdict->quote);
	verdict->failure = verdict->quote.failure;
	if (err)
		return err;
	return libdstack_attestation_explains(a, &verdict->quote.td,
					      verdict->replayed,
					      &verdict->failure);
}
