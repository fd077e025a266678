/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tracepoints: what was decided, recorded, and put in force
 *
 * Copyright The dstack for Linux authors
 */
#ifndef _DSTACK_TRACE_TRACE_H
#define _DSTACK_TRACE_TRACE_H

#include <linux/types.h>
#include <uapi/linux/dstack.h>

void dstack_trace_vet(const char *id, u32 kind, u32 reason, u64 epoch,
		      const struct dstack_digest *digest, int err);
void dstack_trace_extend(u64 seq, const char *name,
			 const u8 digest[DSTACK_REGISTER_SIZE], int err);
void dstack_trace_policy(u64 epoch, u32 rules,
			 const u8 table[DSTACK_DIGEST_SIZE], int err);

#endif /* _DSTACK_TRACE_TRACE_H */
