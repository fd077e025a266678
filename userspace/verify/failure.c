// SPDX-License-Identifier: MIT
/*
 * Why evidence was refused
 *
 * Copyright The dstack for Linux authors
 */
#include "failure.h"

#include <errno.h>
#include <stdio.h>

#include "lib.h"

static const struct {
	const char *name;
	int err;
} reasons[__LIBDSTACK_REASON_MAX] = {
	[REASON(NONE)] = { "none", 0 },
	[REASON(MALFORMED)] = { "malformed", -EBADMSG },
	[REASON(UNSUPPORTED)] = { "unsupported", -EOPNOTSUPP },
	[REASON(ROOT)] = { "root", -EKEYREJECTED },
	[REASON(CHAIN)] = { "chain", -EKEYREJECTED },
	[REASON(SIGNATURE)] = { "signature", -EKEYREJECTED },
	[REASON(EARLY)] = { "early", -EKEYEXPIRED },
	[REASON(EXPIRED)] = { "expired", -EKEYEXPIRED },
	[REASON(REVOKED)] = { "revoked", -EKEYREVOKED },
	[REASON(MISMATCH)] = { "mismatch", -EKEYREJECTED },
	[REASON(LEVEL)] = { "level", -EKEYREJECTED },
	[REASON(POLICY)] = { "policy", -EKEYREJECTED },
	[REASON(MEMORY)] = { "memory", -ENOMEM },
	[REASON(UNAVAILABLE)] = { "unavailable", -ENODATA },
};

const char *libdstack_reason_name(enum libdstack_reason reason)
{
	return reason < __LIBDSTACK_REASON_MAX ? reasons[reason].name : NULL;
}

int verify_failv(struct libdstack_failure *failure,
		 enum libdstack_reason reason, const char *fmt, va_list args)
{
	failure->reason = reason;
	vsnprintf(failure->text, sizeof(failure->text), fmt, args);
	dstack_disarm(failure->text);
	return reasons[reason].err;
}

int verify_fail(struct libdstack_failure *failure,
		enum libdstack_reason reason, const char *fmt, ...)
{
	va_list args;
	int err;

	va_start(args, fmt);
	err = verify_failv(failure, reason, fmt, args);
	va_end(args);
	return err;
}

void verify_step(struct libdstack_failure *failure, const char *name)
{
	snprintf(failure->step, sizeof(failure->step), "%s", name);
}
