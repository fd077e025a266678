// SPDX-License-Identifier: GPL-2.0-only
/*
 * The control plane's part about block devices
 *
 * Copyright The dstack for Linux authors
 */
#include <linux/err.h>
#include <linux/kdev_t.h>
#include <linux/kernel.h>
#include <net/genetlink.h>
#include <net/netlink.h>

#include "block.h"
#include "control.h"
#include "netlink_block.h"

static void say_device(struct netlink_ext_ack *extack, int err)
{
	switch (err) {
	case -EINVAL:
		NL_SET_ERR_MSG(extack,
			       "storage is dm-verity with a root hash, or authenticated without");
		break;
	case -ENOTBLK:
		NL_SET_ERR_MSG(extack, "not a device of device-mapper");
		break;
	case -EROFS:
		NL_SET_ERR_MSG(extack,
			       "a device of dm-verity that can be written is none");
		break;
	case -EEXIST:
		NL_SET_ERR_MSG(extack,
			       "this device is registered already, see 'dstackctl device list'");
		break;
	case -ENOSPC:
		NL_SET_ERR_MSG(extack, "too many devices");
		break;
	case -ENOLINK:
		NL_SET_ERR_MSG(extack,
			       "no hooks are held: start dstackd first");
		break;
	case -EPERM:
		NL_SET_ERR_MSG(extack, "not in state locked");
		break;
	}
}

static dev_t device_of(const struct genl_info *info)
{
	return new_decode_dev(nla_get_u32(info->attrs[DSTACK_A_DEVICE]));
}

/**
 * dstack_netlink_block_add() - DSTACK_CMD_DEVICE_ADD
 * @skb: unused
 * @info: the request
 *
 * Return: 0; -EINVAL without device or storage; as dstack_block_open() and
 * dstack_control_device().
 */
int dstack_netlink_block_add(struct sk_buff *skb, struct genl_info *info)
{
	const struct nlattr *root = info->attrs[DSTACK_A_ROOT];
	struct dstack_block *block;
	u32 storage;
	int err;

	if (GENL_REQ_ATTR_CHECK(info, DSTACK_A_DEVICE) ||
	    GENL_REQ_ATTR_CHECK(info, DSTACK_A_STORAGE))
		return -EINVAL;
	storage = nla_get_u32(info->attrs[DSTACK_A_STORAGE]);
	block = dstack_block_open(device_of(info), storage,
				  root ? nla_data(root) : NULL,
				  root ? nla_len(root) : 0);
	err = PTR_ERR_OR_ZERO(block);
	if (!err) {
		err = dstack_control_device(block);
		if (err)
			dstack_block_close(block);
	}
	say_device(info->extack, err);
	return err;
}

/**
 * dstack_netlink_block_remove() - DSTACK_CMD_DEVICE_REMOVE
 * @skb: unused
 * @info: the request
 *
 * Return: 0; -EINVAL without device; as dstack_control_no_device().
 */
int dstack_netlink_block_remove(struct sk_buff *skb, struct genl_info *info)
{
	int err;

	if (GENL_REQ_ATTR_CHECK(info, DSTACK_A_DEVICE))
		return -EINVAL;
	err = dstack_control_no_device(device_of(info));
	if (err == -ENOENT)
		NL_SET_ERR_MSG(info->extack, "this device is not registered");
	return err;
}

/**
 * dstack_netlink_block_put() - one device of the list
 * @msg: the answer
 * @block: the device
 *
 * Return: 0 or -EMSGSIZE.
 */
int dstack_netlink_block_put(struct sk_buff *msg,
			     const struct dstack_block *block)
{
	/* One that got another root hash says what it counts as: a disk. */
	u32 storage = block->stale ? DSTACK_STORAGE_DISK : block->storage;

	if (nla_put_u32(msg, DSTACK_A_DEVICE, new_encode_dev(block->dev)) ||
	    nla_put_u32(msg, DSTACK_A_STORAGE, storage) ||
	    (block->root_len &&
	     nla_put(msg, DSTACK_A_ROOT, block->root_len, block->root)))
		return -EMSGSIZE;
	return 0;
}
