/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The control plane: generic netlink family "dstack"
 *
 * Copyright The dstack for Linux authors
 */
#ifndef _DSTACK_NETLINK_H
#define _DSTACK_NETLINK_H

int dstack_netlink_init(void);
void dstack_netlink_exit(void);

#endif /* _DSTACK_NETLINK_H */
