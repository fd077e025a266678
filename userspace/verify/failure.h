/* SPDX-License-Identifier: MIT */
/*
 * Why evidence was refused: what the rooms of the verifier share
 *
 * Copyright The dstack for Linux authors
 */
#ifndef FAILURE_H
#define FAILURE_H

#include <libdstack_verify.h>
#include <stdarg.h>

#define REASON(name)	LIBDSTACK_REASON_##name

/*
 * Says why, in one line without control characters.  Returns the -errno that
 * goes with the reason.
 */
int verify_failv(struct libdstack_failure *failure,
		 enum libdstack_reason reason, const char *fmt, va_list args)
	__attribute__((format(printf, 3, 0)));
int verify_fail(struct libdstack_failure *failure,
		enum libdstack_reason reason, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* Says which step it was that failed. */
void verify_step(struct libdstack_failure *failure, const char *name);

#endif /* FAILURE_H */
