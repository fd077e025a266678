/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The digests of events, and what they make of the register
 *
 * Copyright The dstack for Linux authors
 */
#ifndef _DSTACK_FOLD_H
#define _DSTACK_FOLD_H

#include <linux/types.h>
#include <uapi/linux/dstack.h>

/**
 * struct dstack_fold - where the fold stands
 * @base: the register before the first event
 * @value: the register after @count events
 * @count: events that are folded
 * @first: the first event whose digest is kept
 * @start: the register before that event
 * @memory: bytes of memory that the digests take
 */
struct dstack_fold {
	u8 base[DSTACK_REGISTER_SIZE];
	u8 value[DSTACK_REGISTER_SIZE];
	u64 count;
	u64 first;
	u8 start[DSTACK_REGISTER_SIZE];
	u64 memory;
};

void dstack_fold_init(const u8 start[DSTACK_REGISTER_SIZE]);
void dstack_fold_exit(void);

int dstack_fold_reserve(u64 seq);
void dstack_fold_put(u64 seq, const u8 digest[DSTACK_REGISTER_SIZE]);
bool dstack_fold_digest(u64 seq, u8 digest[DSTACK_REGISTER_SIZE]);
int dstack_fold_to(u64 end, struct dstack_fold *fold);
void dstack_fold_forget(u64 end);
u64 dstack_fold_first(void);

#endif /* _DSTACK_FOLD_H */
