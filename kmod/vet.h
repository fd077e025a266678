/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * May this file run, here and now
 *
 * Copyright The dstack for Linux authors
 */
#ifndef _DSTACK_VET_H
#define _DSTACK_VET_H

#include <linux/types.h>
#include <uapi/linux/dstack.h>

struct dstack_container;
struct file;
struct linux_binprm;

/**
 * struct dstack_verdict - what is decided about a file, and why
 * @err: 0, or what the exec or mmap gives
 * @reason: why
 * @storage: what the file rests on
 * @kinds: kinds that the policy names the digest for
 * @epoch: of the policy asked, 0 if none was
 * @mode: which execs of the container the policy wants recorded
 * @memory: the policy lets it have executable memory that is no file's
 * @digest: the file's, none if it was not read
 */
struct dstack_verdict {
	int err;
	enum dstack_reason reason;
	enum dstack_storage storage;
	u32 kinds;
	u64 epoch;
	enum dstack_mode mode;
	bool memory;
	struct dstack_digest digest;
};

bool dstack_vet_judges(void);
struct dstack_container *dstack_vet_where(void);
enum dstack_kind dstack_vet_kind(const struct linux_binprm *bprm);
int dstack_vet_exec(struct linux_binprm *bprm);
int dstack_vet(struct file *file, enum dstack_kind kind);
int dstack_vet_check(struct file *file);
void dstack_vet_ask(struct file *file, enum dstack_kind kind,
		    const struct dstack_container *container,
		    struct dstack_verdict *verdict);
int dstack_vet_control(void);
void dstack_vet_peek(struct file *file, struct dstack_container *container,
		     struct dstack_verdict *verdict);
void dstack_vet_memory(const struct dstack_container *container,
		       struct dstack_verdict *verdict);
int dstack_vet_settle(struct file *file, enum dstack_kind kind,
		      struct dstack_container *container,
		      struct dstack_verdict *verdict);
void dstack_vet_stats(u64 *allowed_out, u64 *denied_out);

#endif /* _DSTACK_VET_H */
