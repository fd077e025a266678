/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the BPF LSM programs call
 *
 * Copyright The dstack for Linux authors
 */
#ifndef _DSTACK_KFUNCS_H
#define _DSTACK_KFUNCS_H

int dstack_kfuncs_init(void);

#endif /* _DSTACK_KFUNCS_H */
