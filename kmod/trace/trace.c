// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tracepoints: what was decided, recorded, and put in force
 *
 * Copyright The dstack for Linux authors
 *
 * Whatever calls a tracepoint has half of the kernel's types in its debug
 * information, and when BTF is made of that (7.3, pahole 1.30) these do not
 * become those of vmlinux, and others with them: the verifier then refuses the
 * kfuncs, whose arguments are of types of this module.  So only this file calls
 * them, and it is built without debug information.
 */
#include <linux/module.h>
#include <linux/trace_events.h>

#include "trace.h"

/* Nor are there BTF ids of what has no BTF; the build would ask for them. */
#undef CONFIG_DEBUG_INFO_BTF

#define CREATE_TRACE_POINTS
#include "dstack.h"

/**
 * dstack_trace_vet() - a decision about a file that is to run in a container
 * @id: the container
 * @kind: enum dstack_kind
 * @reason: enum dstack_reason
 * @epoch: of the policy that was asked
 * @digest: the file
 * @err: what the exec or mmap gets
 */
void dstack_trace_vet(const char *id, u32 kind, u32 reason, u64 epoch,
		      const struct dstack_digest *digest, int err)
{
	trace_dstack_vet(id, kind, reason, epoch, digest, err);
}

/**
 * dstack_trace_extend() - an event, and what became of it
 * @seq: its position in the log; meaningless after an error
 * @name: of the event
 * @digest: what the register was extended with
 * @err: 0, or why neither log nor register has it
 */
void dstack_trace_extend(u64 seq, const char *name,
			 const u8 digest[DSTACK_REGISTER_SIZE], int err)
{
	trace_dstack_extend(seq, name, digest, err);
}

/**
 * dstack_trace_policy() - a policy that wanted to become the active one
 * @epoch: of it
 * @rules: how many
 * @table: SHA-256 of its table
 * @err: 0, or why the former one stays
 */
void dstack_trace_policy(u64 epoch, u32 rules,
			 const u8 table[DSTACK_DIGEST_SIZE], int err)
{
	trace_dstack_policy(epoch, rules, table, err);
}
