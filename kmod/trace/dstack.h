/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The tracepoints; trace.c says what their arguments are
 *
 * Copyright The dstack for Linux authors
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM dstack

#if !defined(_DSTACK_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define _DSTACK_TRACE_H

#include <linux/tracepoint.h>
#include <linux/types.h>
#include <uapi/linux/dstack.h>

#define dstack_show_kind(kind)						\
	__print_symbolic(kind,						\
		{ DSTACK_KIND_EXEC, "exec" },				\
		{ DSTACK_KIND_MAP, "map" },				\
		{ DSTACK_KIND_SCRIPT, "script" },			\
		{ DSTACK_KIND_KERNEL, "kernel" },			\
		{ DSTACK_KIND_CONTROL, "control" },			\
		{ DSTACK_KIND_MEMORY, "memory" })

#define dstack_show_alg(alg)						\
	__print_symbolic(alg,						\
		{ DSTACK_ALG_NONE, "none" },				\
		{ DSTACK_ALG_SHA256, "sha256" },			\
		{ DSTACK_ALG_FSVERITY_SHA256, "fsverity-sha256" })

#define dstack_show_reason(reason)					\
	__print_symbolic(reason,					\
		{ DSTACK_REASON_APPROVED, "approved" },			\
		{ DSTACK_REASON_NO_POLICY, "no-policy" },		\
		{ DSTACK_REASON_NO_SECTION, "no-section" },		\
		{ DSTACK_REASON_UNKNOWN, "unknown-digest" },		\
		{ DSTACK_REASON_KIND, "other-kind" },			\
		{ DSTACK_REASON_WRITER, "open-for-writing" },		\
		{ DSTACK_REASON_STORAGE, "untrusted-storage" },		\
		{ DSTACK_REASON_UNSEALED, "unsealed-memfd" },		\
		{ DSTACK_REASON_DIVERGED, "register-diverged" },	\
		{ DSTACK_REASON_INTERNAL, "internal-error" },		\
		{ DSTACK_REASON_MEMORY, "memory" },			\
		{ DSTACK_REASON_UNSEEN, "unseen" })

TRACE_EVENT(dstack_vet,
	TP_PROTO(const char *id, u32 kind, u32 reason, u64 epoch,
		 const struct dstack_digest *digest, int err),
	TP_ARGS(id, kind, reason, epoch, digest, err),
	TP_STRUCT__entry(
		__string(id, id)
		__field(u32, kind)
		__field(u32, reason)
		__field(u64, epoch)
		__field(u32, alg)
		__array(u8, digest, DSTACK_DIGEST_SIZE)
		__field(int, err)
	),
	TP_fast_assign(
		__assign_str(id);
		__entry->kind = kind;
		__entry->reason = reason;
		__entry->epoch = epoch;
		__entry->alg = digest->alg;
		memcpy(__entry->digest, digest->value, DSTACK_DIGEST_SIZE);
		__entry->err = err;
	),
	TP_printk("id=%s kind=%s reason=%s epoch=%llu digest=%s:%s err=%d",
		  __get_str(id), dstack_show_kind(__entry->kind),
		  dstack_show_reason(__entry->reason), __entry->epoch,
		  dstack_show_alg(__entry->alg),
		  __print_hex_str(__entry->digest, DSTACK_DIGEST_SIZE),
		  __entry->err)
);

TRACE_EVENT(dstack_extend,
	TP_PROTO(u64 seq, const char *name, const u8 *digest, int err),
	TP_ARGS(seq, name, digest, err),
	TP_STRUCT__entry(
		__field(u64, seq)
		__string(name, name)
		__array(u8, digest, DSTACK_REGISTER_SIZE)
		__field(int, err)
	),
	TP_fast_assign(
		__entry->seq = seq;
		__assign_str(name);
		memcpy(__entry->digest, digest, DSTACK_REGISTER_SIZE);
		__entry->err = err;
	),
	TP_printk("seq=%llu name=%s digest=%s err=%d", __entry->seq,
		  __get_str(name),
		  __print_hex_str(__entry->digest, DSTACK_REGISTER_SIZE),
		  __entry->err)
);

TRACE_EVENT(dstack_policy,
	TP_PROTO(u64 epoch, u32 rules, const u8 *table, int err),
	TP_ARGS(epoch, rules, table, err),
	TP_STRUCT__entry(
		__field(u64, epoch)
		__field(u32, rules)
		__array(u8, table, DSTACK_DIGEST_SIZE)
		__field(int, err)
	),
	TP_fast_assign(
		__entry->epoch = epoch;
		__entry->rules = rules;
		memcpy(__entry->table, table, DSTACK_DIGEST_SIZE);
		__entry->err = err;
	),
	TP_printk("epoch=%llu rules=%u table=sha256:%s err=%d", __entry->epoch,
		  __entry->rules,
		  __print_hex_str(__entry->table, DSTACK_DIGEST_SIZE),
		  __entry->err)
);

#endif /* _DSTACK_TRACE_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH trace
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE dstack
#include <trace/define_trace.h>
