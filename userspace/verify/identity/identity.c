// SPDX-License-Identifier: MIT
/*
 * All of an identity or nothing
 *
 * Copyright The dstack for Linux authors
 */
#include "identity.h"

#include <string.h>

void ident_begin(const struct libdstack_attestation *a,
		 struct libdstack_identity *identity,
		 struct libdstack_failure *failure)
{
	memset(identity, 0, sizeof(*identity));
	memset(failure, 0, sizeof(*failure));
	identity->tee = a->tee;
	verify_step(failure, "identity");
}

bool ident_copy(char *out, size_t size, const char *text)
{
	size_t len = text ? strlen(text) : size;

	if (len >= size)
		return false;
	memcpy(out, text, len + 1);
	return true;
}

int ident_end(int err, struct libdstack_identity *identity,
	      struct libdstack_failure *failure)
{
	if (err)
		memset(identity, 0, sizeof(*identity));
	else
		memset(failure, 0, sizeof(*failure));
	return err;
}
