/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The control plane's part about block devices
 *
 * Copyright The dstack for Linux authors
 */
#ifndef _DSTACK_NETLINK_BLOCK_H
#define _DSTACK_NETLINK_BLOCK_H

struct dstack_block;
struct genl_info;
struct sk_buff;

int dstack_netlink_block_add(struct sk_buff *skb, struct genl_info *info);
int dstack_netlink_block_remove(struct sk_buff *skb, struct genl_info *info);
int dstack_netlink_block_put(struct sk_buff *msg,
			     const struct dstack_block *block);

#endif /* _DSTACK_NETLINK_BLOCK_H */
