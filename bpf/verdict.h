/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What every hook returns
 *
 * Copyright The dstack for Linux authors
 */
#ifndef _DSTACK_VERDICT_H
#define _DSTACK_VERDICT_H

#include <linux/errno.h>
#include <bpf/bpf_helpers.h>

#define MAX_ERRNO	4095

/*
 * The verifier wants to see, in all 64 bits, that a hook returns 0 or an errno.
 * Anything else would be a bug of ours, and is a denial.
 */
static __always_inline long verdict(int err)
{
	long ret = err;

	/* Else the compiler would compare, and so bound, the lower half. */
	barrier_var(ret);
	return ret > 0 || ret < -MAX_ERRNO ? -EACCES : ret;
}

#endif /* _DSTACK_VERDICT_H */
