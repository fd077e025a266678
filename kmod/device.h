/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * /dev/dstack: what a process asks for itself
 *
 * Copyright The dstack for Linux authors
 */
#ifndef _DSTACK_DEVICE_H
#define _DSTACK_DEVICE_H

int dstack_device_init(void);
void dstack_device_exit(void);

#endif /* _DSTACK_DEVICE_H */
