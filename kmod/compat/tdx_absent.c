// SPDX-License-Identifier: GPL-2.0-only
/*
 * The tdx backend on kernels that cannot extend an RTMR
 *
 * Copyright The dstack for Linux authors
 *
 * tdx_mcall_extend_rtmr() came with 6.16.  Without it a module would have to
 * carry its own TDCALL, which nobody could review.  Drop when minimum >= 6.16.
 */
#include <linux/errno.h>

#include "../backend_ops.h"

static int tdx_absent_probe(void)
{
	return -EOPNOTSUPP;
}

const struct dstack_backend_ops dstack_backend_tdx = {
	.name = "tdx",
	.id = DSTACK_BACKEND_TDX,
	.probe = tdx_absent_probe,
};
