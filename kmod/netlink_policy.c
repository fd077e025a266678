// SPDX-License-Identifier: GPL-2.0-only
/*
 * The control plane's part about policies: they come in pieces
 *
 * Copyright The dstack for Linux authors
 */
#include <linux/cleanup.h>
#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <net/genetlink.h>
#include <net/netlink.h>

#include "control.h"
#include "bounds.h"
#include "netlink_policy.h"

/**
 * struct upload - a policy table on its way in
 * @owner: port of the socket that sends it, 0 if none does
 * @table: room for all of it
 * @size: bytes of it
 * @used: bytes that have come
 * @document: SHA-256 of the document
 *
 * One at a time: another BEGIN, or the end of the socket, drops it.
 */
static struct upload {
	u32 owner;
	u8 *table;
	u32 size;
	u32 used;
	u8 document[DSTACK_DIGEST_SIZE];
} upload;

static DEFINE_MUTEX(upload_lock);

static void drop_upload(void)
{
	lockdep_assert_held(&upload_lock);
	kvfree(upload.table);
	memset(&upload, 0, sizeof(upload));
}

/**
 * dstack_netlink_policy_begin() - DSTACK_CMD_POLICY_BEGIN
 * @skb: unused
 * @info: the request
 *
 * Return: 0; -EINVAL without size or digest, -EFBIG for a bad size, -ENOMEM.
 */
int dstack_netlink_policy_begin(struct sk_buff *skb, struct genl_info *info)
{
	u32 size;

	if (GENL_REQ_ATTR_CHECK(info, DSTACK_A_POLICY_SIZE) ||
	    GENL_REQ_ATTR_CHECK(info, DSTACK_A_POLICY_DOCUMENT))
		return -EINVAL;
	size = nla_get_u32(info->attrs[DSTACK_A_POLICY_SIZE]);
	if (!size || size > DSTACK_TABLE_MAX) {
		NL_SET_ERR_MSG(info->extack, "table size out of bounds");
		return -EFBIG;
	}
	guard(mutex)(&upload_lock);
	drop_upload();
	upload.table = kvmalloc(size, GFP_KERNEL);
	if (!upload.table)
		return -ENOMEM;
	upload.owner = info->snd_portid;
	upload.size = size;
	nla_memcpy(upload.document, info->attrs[DSTACK_A_POLICY_DOCUMENT],
		   sizeof(upload.document));
	return 0;
}

/**
 * dstack_netlink_policy_data() - DSTACK_CMD_POLICY_DATA
 * @skb: unused
 * @info: the request
 *
 * Return: 0; -EINVAL without data, -ENOENT if this socket began no upload,
 * -EOVERFLOW past the size that was announced.
 */
int dstack_netlink_policy_data(struct sk_buff *skb, struct genl_info *info)
{
	const struct nlattr *chunk = info->attrs[DSTACK_A_POLICY_CHUNK];

	if (GENL_REQ_ATTR_CHECK(info, DSTACK_A_POLICY_CHUNK))
		return -EINVAL;
	guard(mutex)(&upload_lock);
	if (!upload.table || upload.owner != info->snd_portid) {
		NL_SET_ERR_MSG(info->extack, "no upload was begun on this socket");
		return -ENOENT;
	}
	if (nla_len(chunk) > upload.size - upload.used) {
		NL_SET_ERR_MSG(info->extack, "more data than was announced");
		return -EOVERFLOW;
	}
	memcpy(upload.table + upload.used, nla_data(chunk), nla_len(chunk));
	upload.used += nla_len(chunk);
	return 0;
}

/**
 * dstack_netlink_policy_commit() - DSTACK_CMD_POLICY_COMMIT
 * @skb: unused
 * @info: the request
 *
 * Return: 0; -ENOENT if this socket began no upload, -ENODATA if some of it is
 * missing; as dstack_control_policy().
 */
int dstack_netlink_policy_commit(struct sk_buff *skb, struct genl_info *info)
{
	const char *why = NULL;
	int err;

	guard(mutex)(&upload_lock);
	if (!upload.table || upload.owner != info->snd_portid) {
		NL_SET_ERR_MSG(info->extack, "no upload was begun on this socket");
		return -ENOENT;
	}
	if (upload.used != upload.size) {
		NL_SET_ERR_MSG(info->extack, "less data than was announced");
		return -ENODATA;
	}
	err = dstack_control_policy(upload.table, upload.size,
				    upload.document, &why);
	if (!err)
		upload.table = NULL;	/* it is the active policy now */
	if (err && why)
		NL_SET_ERR_MSG_FMT(info->extack, "%s", why);
	drop_upload();
	return err;
}

/**
 * dstack_netlink_policy_gone() - a sender that goes away drops its upload
 * @portid: of its socket, in the initial network namespace
 */
void dstack_netlink_policy_gone(u32 portid)
{
	guard(mutex)(&upload_lock);
	if (upload.table && upload.owner == portid)
		drop_upload();
}

/**
 * dstack_netlink_policy_exit() - drop whatever came
 */
void dstack_netlink_policy_exit(void)
{
	guard(mutex)(&upload_lock);
	drop_upload();
}
