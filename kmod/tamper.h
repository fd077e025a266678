/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What would undo the enforcement, or reach into what is enforced
 *
 * Copyright The dstack for Linux authors
 */
#ifndef _DSTACK_TAMPER_H
#define _DSTACK_TAMPER_H

#include <linux/types.h>

struct task_struct;

void dstack_tamper_exit(void);

int dstack_tamper_trace(struct task_struct *tracee);
int dstack_tamper_memory(void);
int dstack_tamper_prctl(u32 option);
int dstack_tamper_read_file(u32 id);
int dstack_tamper_load_data(u32 id);
int dstack_tamper_capable(u32 cap);
int dstack_tamper_bpf(u32 cmd);
int dstack_tamper_bpf_prog(u32 type);
int dstack_tamper_disk(void);
int dstack_tamper_mount(void);

#endif /* _DSTACK_TAMPER_H */
