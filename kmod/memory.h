/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * May this memory be executed
 *
 * Copyright The dstack for Linux authors
 */
#ifndef _DSTACK_MEMORY_H
#define _DSTACK_MEMORY_H

struct file;
struct qstr;
struct vm_area_struct;

void dstack_memory_exit(void);

int dstack_memory_map(struct file *file, unsigned long prot,
		      unsigned long flags);
int dstack_memory_fault(const struct qstr *name);
int dstack_memory_protect(struct vm_area_struct *vma, unsigned long prot);

#endif /* _DSTACK_MEMORY_H */
