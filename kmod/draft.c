// SPDX-License-Identifier: GPL-2.0-only
/*
 * Room to work in
 *
 * Copyright The dstack for Linux authors
 *
 * Any event fits into a draft, and most events are small: where the kernel
 * clears new memory, that would take longer than writing the event, or hashing
 * a small file.  Every CPU keeps one.
 */
#include <linux/percpu.h>
#include <linux/slab.h>

#include "draft.h"

static DEFINE_PER_CPU(struct dstack_draft *, spare);

/**
 * dstack_draft_get() - room for one event or file
 *
 * Return: the room, for dstack_draft_put(), with what was in it last; NULL if
 * there is no memory.
 */
struct dstack_draft *dstack_draft_get(void)
{
	struct dstack_draft *draft = this_cpu_xchg(spare, NULL);

	return draft ?: kmalloc_obj(*draft, GFP_KERNEL);
}

/**
 * dstack_draft_put() - give it back
 * @draft: may be NULL
 */
void dstack_draft_put(struct dstack_draft *draft)
{
	if (draft)
		kfree(this_cpu_xchg(spare, draft));
}

/**
 * dstack_draft_exit() - free what is kept; nobody works any more
 */
void dstack_draft_exit(void)
{
	int cpu;

	for_each_possible_cpu(cpu)
		kfree(per_cpu(spare, cpu));
}
