/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Room to work in
 *
 * Copyright The dstack for Linux authors
 */
#ifndef _DSTACK_DRAFT_H
#define _DSTACK_DRAFT_H

#include <linux/cleanup.h>
#include <linux/limits.h>

#include "event.h"
#include "bounds.h"

/**
 * struct dstack_draft - what is too large for the stack
 * @ev: an event on its way
 * @path: for file_path()
 * @chunk: the piece of a file that is being hashed
 */
struct dstack_draft {
	struct dstack_event ev;
	char path[PATH_MAX];
	u8 chunk[DSTACK_HASH_CHUNK];
};

struct dstack_draft *dstack_draft_get(void);
void dstack_draft_put(struct dstack_draft *draft);
void dstack_draft_exit(void);

DEFINE_FREE(dstack_draft, struct dstack_draft *, dstack_draft_put(_T))

#endif /* _DSTACK_DRAFT_H */
