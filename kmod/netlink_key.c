// SPDX-License-Identifier: GPL-2.0-only
/*
 * The control plane's part about root keys
 *
 * Copyright The dstack for Linux authors
 */
#include <linux/kernel.h>
#include <linux/string.h>
#include <net/genetlink.h>
#include <net/netlink.h>

#include "custody.h"
#include "netlink_key.h"

static void say_key(struct netlink_ext_ack *extack, int err)
{
	switch (err) {
	case -EEXIST:
		NL_SET_ERR_MSG(extack,
			       "the application has a root key of this epoch, see 'dstackctl key list'");
		break;
	case -ESTALE:
		NL_SET_ERR_MSG(extack,
			       "this key epoch was retired: take a higher one");
		break;
	case -ENOSPC:
		NL_SET_ERR_MSG(extack, "too many root keys");
		break;
	case -EPERM:
		NL_SET_ERR_MSG(extack,
			       "in state off nobody knows what runs: no keys");
		break;
	case -ENOTRECOVERABLE:
		NL_SET_ERR_MSG(extack,
			       "the register was extended by somebody else: no keys until the next boot");
		break;
	case -ENOENT:
		NL_SET_ERR_MSG(extack,
			       "this application never had a root key");
		break;
	case -EINVAL:
		NL_SET_ERR_MSG(extack, "no key epoch could follow this one");
		break;
	}
}

/* The message is the sender's memory too, and is freed as any other. */
static void wipe(struct nlattr *attr)
{
	memzero_explicit(nla_data(attr), nla_len(attr));
}

static const u8 *app_of(const struct genl_info *info)
{
	return nla_data(info->attrs[DSTACK_A_APP_ID]);
}

static u64 epoch_of(const struct genl_info *info)
{
	return nla_get_u64(info->attrs[DSTACK_A_KEY_EPOCH]);
}

/**
 * dstack_netlink_key_load() - DSTACK_CMD_KEY_LOAD
 * @skb: unused
 * @info: the request, in which the root key is wiped
 *
 * Return: 0; -EINVAL without application, epoch or key; as
 * dstack_custody_load().
 */
int dstack_netlink_key_load(struct sk_buff *skb, struct genl_info *info)
{
	bool local = nla_get_flag(info->attrs[DSTACK_A_KEY_LOCAL]);
	u8 key[DSTACK_KEY_ROOT_SIZE];
	int err;

	if (GENL_REQ_ATTR_CHECK(info, DSTACK_A_KEY_ROOT))
		return -EINVAL;
	memcpy(key, nla_data(info->attrs[DSTACK_A_KEY_ROOT]), sizeof(key));
	wipe(info->attrs[DSTACK_A_KEY_ROOT]);
	if (GENL_REQ_ATTR_CHECK(info, DSTACK_A_APP_ID) ||
	    GENL_REQ_ATTR_CHECK(info, DSTACK_A_KEY_EPOCH)) {
		err = -EINVAL;
	} else {
		err = dstack_custody_load(app_of(info), epoch_of(info), key,
					  local);
		say_key(info->extack, err);
	}
	memzero_explicit(key, sizeof(key));
	return err;
}

/**
 * dstack_netlink_key_retire() - DSTACK_CMD_KEY_RETIRE
 * @skb: unused
 * @info: the request
 *
 * Return: 0; -EINVAL without application or epoch; as dstack_custody_retire().
 */
int dstack_netlink_key_retire(struct sk_buff *skb, struct genl_info *info)
{
	int err;

	if (GENL_REQ_ATTR_CHECK(info, DSTACK_A_APP_ID) ||
	    GENL_REQ_ATTR_CHECK(info, DSTACK_A_KEY_EPOCH))
		return -EINVAL;
	err = dstack_custody_retire(app_of(info), epoch_of(info));
	say_key(info->extack, err);
	return err;
}

/**
 * dstack_netlink_key_wipe() - DSTACK_CMD_KEY_WIPE
 * @skb: unused
 * @info: unused
 *
 * Return: as dstack_custody_wipe().
 */
int dstack_netlink_key_wipe(struct sk_buff *skb, struct genl_info *info)
{
	return dstack_custody_wipe();
}

/**
 * dstack_netlink_key_put() - one root key of the list
 * @msg: the answer
 * @facts: what may be told of it
 *
 * Return: 0 or -EMSGSIZE.
 */
int dstack_netlink_key_put(struct sk_buff *msg,
			   const struct dstack_root_facts *facts)
{
	if (nla_put(msg, DSTACK_A_APP_ID, sizeof(facts->app_id),
		    facts->app_id) ||
	    nla_put_u64_64bit(msg, DSTACK_A_KEY_EPOCH, facts->epoch,
			      DSTACK_A_PAD) ||
	    nla_put(msg, DSTACK_A_KEY_ID, sizeof(facts->id), facts->id))
		return -EMSGSIZE;
	return 0;
}
