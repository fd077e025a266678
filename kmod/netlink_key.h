/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The control plane's part about root keys
 *
 * Copyright The dstack for Linux authors
 */
#ifndef _DSTACK_NETLINK_KEY_H
#define _DSTACK_NETLINK_KEY_H

#include "root.h"

struct genl_info;
struct sk_buff;

int dstack_netlink_key_load(struct sk_buff *skb, struct genl_info *info);
int dstack_netlink_key_retire(struct sk_buff *skb, struct genl_info *info);
int dstack_netlink_key_wipe(struct sk_buff *skb, struct genl_info *info);
int dstack_netlink_key_put(struct sk_buff *msg,
			   const struct dstack_root_facts *facts);

#endif /* _DSTACK_NETLINK_KEY_H */
