/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * No exec of a container without its hook
 *
 * Copyright The dstack for Linux authors
 */
#ifndef _DSTACK_WITNESS_H
#define _DSTACK_WITNESS_H

struct linux_binprm;

void dstack_witness_init(void);
void dstack_witness_exit(void);
void dstack_witness_saw(struct linux_binprm *bprm);

#endif /* _DSTACK_WITNESS_H */
