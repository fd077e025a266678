/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The control plane's part about policies: they come in pieces
 *
 * Copyright The dstack for Linux authors
 */
#ifndef _DSTACK_NETLINK_POLICY_H
#define _DSTACK_NETLINK_POLICY_H

#include <linux/types.h>

struct genl_info;
struct sk_buff;

int dstack_netlink_policy_begin(struct sk_buff *skb, struct genl_info *info);
int dstack_netlink_policy_data(struct sk_buff *skb, struct genl_info *info);
int dstack_netlink_policy_commit(struct sk_buff *skb, struct genl_info *info);
void dstack_netlink_policy_gone(u32 portid);
void dstack_netlink_policy_exit(void);

#endif /* _DSTACK_NETLINK_POLICY_H */
