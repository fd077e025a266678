/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Room to write an event in
 *
 * Copyright The dstack for Linux authors
 */
#ifndef _DSTACK_DRAFT_H
#define _DSTACK_DRAFT_H

#include <linux/cleanup.h>
#include <linux/limits.h>

#include "event.h"

/**
 * struct dstack_draft - an event on its way, and the path that it names
 * @ev: the event
 * @path: for file_path()
 */
struct dstack_draft {
	struct dstack_event ev;
	char path[PATH_MAX];
};

struct dstack_draft *dstack_draft_get(void);
void dstack_draft_put(struct dstack_draft *draft);
void dstack_draft_exit(void);

DEFINE_FREE(dstack_draft, struct dstack_draft *, dstack_draft_put(_T))

#endif /* _DSTACK_DRAFT_H */
