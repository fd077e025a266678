// SPDX-License-Identifier: GPL-2.0-only
/*
 * The control plane: generic netlink family "dstack"
 *
 * Copyright The dstack for Linux authors
 *
 * Only parses and answers; what a command does is in control.c.  Commands are
 * for CAP_SYS_ADMIN in the initial namespaces, and never for a container,
 * however privileged.  Documentation/netlink/specs/dstack.yaml.
 */
#include <linux/capability.h>
#include <linux/cleanup.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/kernel.h>
#include <linux/magic.h>
#include <linux/module.h>
#include <linux/netlink.h>
#include <linux/notifier.h>
#include <linux/string.h>
#include <net/genetlink.h>
#include <net/netlink.h>

#include "backend.h"
#include "block.h"
#include "cache.h"
#include "control.h"
#include "event.h"
#include "identity.h"
#include "key.h"
#include "bounds.h"
#include "log.h"
#include "measure.h"
#include "netlink.h"
#include "netlink_block.h"
#include "netlink_key.h"
#include "netlink_policy.h"
#include "policy.h"
#include "quota.h"
#include "vet.h"

static struct genl_family family;

static int need(struct genl_info *info, enum dstack_attr attr)
{
	if (GENL_REQ_ATTR_CHECK(info, attr))
		return -EINVAL;
	return 0;
}

/* May the caller, who is not always the opener of the socket, control us? */
static int may_control(struct sk_buff *skb, struct netlink_ext_ack *extack)
{
	struct dstack_container *container __free(dstack_container) = NULL;

	if (!netlink_capable(skb, CAP_SYS_ADMIN)) {
		NL_SET_ERR_MSG(extack,
			       "CAP_SYS_ADMIN in the initial user namespace is needed");
		return -EPERM;
	}
	container = dstack_identity_current();
	if (container) {
		NL_SET_ERR_MSG(extack,
			       "a container has no part in the control plane");
		return -EACCES;
	}
	return 0;
}

static int pre_doit(const struct genl_split_ops *ops, struct sk_buff *skb,
		    struct genl_info *info)
{
	int err;

	err = may_control(skb, info->extack);
	if (err || ops->cmd == DSTACK_CMD_STATUS_GET)
		return err;
	err = dstack_vet_control();
	if (err)
		NL_SET_ERR_MSG(info->extack,
			       "the state is locked, and the policy's section \"host\" does not approve this program for \"control\"");
	return err;
}

static int put_log(struct sk_buff *msg)
{
	struct dstack_log_stats stats;
	const struct dstack_fold *fold;
	int err;

	err = dstack_log_stats(&stats);
	if (err)
		return err;
	fold = &stats.fold;
	if (nla_put(msg, DSTACK_A_REGISTER, sizeof(fold->value), fold->value) ||
	    nla_put(msg, DSTACK_A_BASE, sizeof(fold->base), fold->base) ||
	    nla_put_u32(msg, DSTACK_A_DIVERGED, dstack_measure_diverged()) ||
	    nla_put_u64_64bit(msg, DSTACK_A_LOG_COUNT, fold->count,
			      DSTACK_A_PAD) ||
	    nla_put_u64_64bit(msg, DSTACK_A_LOG_ACKED, stats.acked,
			      DSTACK_A_PAD) ||
	    nla_put_u64_64bit(msg, DSTACK_A_LOG_PENDING, stats.pending,
			      DSTACK_A_PAD) ||
	    nla_put_u64_64bit(msg, DSTACK_A_LOG_MEMORY, stats.memory,
			      DSTACK_A_PAD) ||
	    nla_put_u64_64bit(msg, DSTACK_A_LOG_FIRST, fold->first,
			      DSTACK_A_PAD) ||
	    nla_put(msg, DSTACK_A_LOG_START, sizeof(fold->start), fold->start))
		return -EMSGSIZE;
	return 0;
}

static int put_policy(struct sk_buff *msg)
{
	struct dstack_policy_facts facts;

	dstack_policy_facts(&facts);
	if (nla_put_u64_64bit(msg, DSTACK_A_POLICY_EPOCH, facts.epoch,
			      DSTACK_A_PAD) ||
	    (facts.epoch && nla_put(msg, DSTACK_A_APP_ID,
				    sizeof(facts.app_id), facts.app_id)) ||
	    nla_put(msg, DSTACK_A_POLICY_TABLE, sizeof(facts.table_digest),
		    facts.table_digest) ||
	    nla_put(msg, DSTACK_A_POLICY_DOCUMENT,
		    sizeof(facts.document_digest), facts.document_digest))
		return -EMSGSIZE;
	return 0;
}

static int put_counters(struct sk_buff *msg)
{
	u64 allowed, denied, hits, misses;

	dstack_vet_stats(&allowed, &denied);
	dstack_cache_stats(&hits, &misses);
	if (nla_put_u32(msg, DSTACK_A_CONTAINERS, dstack_identity_count()) ||
	    nla_put_u32(msg, DSTACK_A_KEYS, dstack_key_count()) ||
	    nla_put_u64_64bit(msg, DSTACK_A_ALLOWED, allowed, DSTACK_A_PAD) ||
	    nla_put_u64_64bit(msg, DSTACK_A_DENIED, denied, DSTACK_A_PAD) ||
	    nla_put_u64_64bit(msg, DSTACK_A_CACHE_HITS, hits, DSTACK_A_PAD) ||
	    nla_put_u64_64bit(msg, DSTACK_A_CACHE_MISSES, misses,
			      DSTACK_A_PAD))
		return -EMSGSIZE;
	return 0;
}

static int put_status(struct sk_buff *msg)
{
	if (nla_put_u32(msg, DSTACK_A_STATE, dstack_policy_state()) ||
	    nla_put_u32(msg, DSTACK_A_BACKEND, dstack_backend()->id) ||
	    nla_put_u32(msg, DSTACK_A_BACKEND_FLAGS,
			dstack_backend()->flags) ||
	    nla_put_u32(msg, DSTACK_A_HOOKS, dstack_control_hooks_held()))
		return -EMSGSIZE;
	return put_log(msg) ?: put_policy(msg) ?: put_counters(msg);
}

static int do_status(struct sk_buff *skb, struct genl_info *info)
{
	struct sk_buff *msg;
	void *hdr;
	int err = -EMSGSIZE;

	msg = genlmsg_new(GENLMSG_DEFAULT_SIZE, GFP_KERNEL);
	if (!msg)
		return -ENOMEM;
	hdr = genlmsg_iput(msg, info);
	if (hdr)
		err = put_status(msg);
	if (err) {
		nlmsg_free(msg);
		return err;
	}
	genlmsg_end(msg, hdr);
	return genlmsg_reply(msg, info);
}

static int do_state(struct sk_buff *skb, struct genl_info *info)
{
	const char *why = NULL;
	int err;

	if (need(info, DSTACK_A_STATE))
		return -EINVAL;
	err = dstack_control_state(nla_get_u32(info->attrs[DSTACK_A_STATE]),
				   &why);
	if (err && why)
		NL_SET_ERR_MSG_FMT(info->extack, "%s", why);
	return err;
}

static void fill_container(struct dstack_container *container,
			   struct nlattr **attrs)
{
	nla_strscpy(container->id, attrs[DSTACK_A_ID], sizeof(container->id));
	/* An id that is too long for it leaves a section that is refused. */
	if (attrs[DSTACK_A_SECTION])
		nla_strscpy(container->section, attrs[DSTACK_A_SECTION],
			    sizeof(container->section));
	else if (strlen(container->id) < sizeof(container->section))
		strscpy(container->section, container->id);
	nla_memcpy(container->app_id, attrs[DSTACK_A_APP_ID],
		   sizeof(container->app_id));
	if (attrs[DSTACK_A_IMAGE])
		nla_memcpy(container->image, attrs[DSTACK_A_IMAGE],
			   sizeof(container->image));
	if (attrs[DSTACK_A_FLAGS])
		container->flags = nla_get_u32(attrs[DSTACK_A_FLAGS]);
}

static void say_add(struct netlink_ext_ack *extack, int err)
{
	switch (err) {
	case -EINVAL:
		NL_SET_ERR_MSG(extack,
			       "id is 1 to 127, section 1 to 63 of [A-Za-z0-9._-]; an id is not \"host\", and a long one needs a section");
		break;
	case -EOPNOTSUPP:
		NL_SET_ERR_MSG(extack,
			       "this kernel has no securebits that make interpreters ask (Linux 6.14 has), or these are flags of a later module");
		break;
	case -EEXIST:
		NL_SET_ERR_MSG(extack,
			       "this id or cgroup is registered already, see 'dstackctl container list'");
		break;
	case -ELOOP:
		NL_SET_ERR_MSG(extack,
			       "the caller itself is in this cgroup: give the container one of its own");
		break;
	case -ENOSPC:
		NL_SET_ERR_MSG(extack, "too many containers");
		break;
	}
}

static int do_container_add(struct sk_buff *skb, struct genl_info *info)
{
	struct dstack_container *container;
	u32 fd;
	int err;

	if (need(info, DSTACK_A_ID) || need(info, DSTACK_A_CGROUP_FD) ||
	    need(info, DSTACK_A_APP_ID))
		return -EINVAL;
	fd = nla_get_u32(info->attrs[DSTACK_A_CGROUP_FD]);
	container = dstack_identity_alloc(fd);
	if (IS_ERR(container)) {
		if (container == ERR_PTR(-EBADF))
			NL_SET_ERR_MSG(info->extack,
				       "not a directory of the cgroup v2 hierarchy");
		return PTR_ERR(container);
	}
	fill_container(container, info->attrs);
	err = dstack_control_add(container);
	if (err) {
		say_add(info->extack, err);
		dstack_identity_put(container);
	}
	return err;
}

static int do_container_remove(struct sk_buff *skb, struct genl_info *info)
{
	char id[DSTACK_ID_SIZE];
	int err;

	if (need(info, DSTACK_A_ID))
		return -EINVAL;
	nla_strscpy(id, info->attrs[DSTACK_A_ID], sizeof(id));
	err = dstack_control_remove(id);
	if (err == -ENOENT)
		NL_SET_ERR_MSG(info->extack, "no container has this id");
	if (err == -EBUSY)
		NL_SET_ERR_MSG(info->extack, "processes are left in its cgroup");
	return err;
}

static int put_container(struct sk_buff *msg,
			 const struct dstack_container *container)
{
	if (nla_put_string(msg, DSTACK_A_ID, container->id) ||
	    nla_put_string(msg, DSTACK_A_SECTION, container->section) ||
	    nla_put(msg, DSTACK_A_APP_ID, sizeof(container->app_id),
		    container->app_id) ||
	    nla_put(msg, DSTACK_A_IMAGE, sizeof(container->image),
		    container->image) ||
	    nla_put_u64_64bit(msg, DSTACK_A_CGROUP_ID, container->cgroup_id,
			      DSTACK_A_PAD) ||
	    nla_put_u64_64bit(msg, DSTACK_A_ALLOWED,
			      atomic64_read(&container->allowed),
			      DSTACK_A_PAD) ||
	    nla_put_u64_64bit(msg, DSTACK_A_DENIED,
			      atomic64_read(&container->denied),
			      DSTACK_A_PAD) ||
	    nla_put_u64_64bit(msg, DSTACK_A_LOG_PENDING,
			      READ_ONCE(container->quota->waiting),
			      DSTACK_A_PAD) ||
	    nla_put_u64_64bit(msg, DSTACK_A_REFUSED,
			      dstack_quota_refused(container->quota),
			      DSTACK_A_PAD) ||
	    nla_put_u32(msg, DSTACK_A_MODE, READ_ONCE(container->mode)) ||
	    nla_put_u32(msg, DSTACK_A_FLAGS, container->flags))
		return -EMSGSIZE;
	return 0;
}

static void *dump_begin(struct sk_buff *msg, struct netlink_callback *cb,
			u8 cmd)
{
	return genlmsg_put(msg, NETLINK_CB(cb->skb).portid,
			   cb->nlh->nlmsg_seq, &family, NLM_F_MULTI, cmd);
}

static int dump_end(struct sk_buff *msg, void *hdr, int err)
{
	if (err)
		genlmsg_cancel(msg, hdr);
	else
		genlmsg_end(msg, hdr);
	return err;
}

static int dump_one(struct sk_buff *msg, struct netlink_callback *cb,
		    const struct dstack_container *container)
{
	void *hdr = dump_begin(msg, cb, DSTACK_CMD_CONTAINER_GET);

	if (!hdr)
		return -EMSGSIZE;
	return dump_end(msg, hdr, put_container(msg, container));
}

static int dump_containers(struct sk_buff *msg, struct netlink_callback *cb)
{
	struct dstack_container *container;
	unsigned long next = cb->args[0];
	int err;

	/* pre_doit is not called for dumps. */
	err = may_control(cb->skb, cb->extack);
	if (err)
		return err;
	while (!err && (container = dstack_identity_next(&next))) {
		err = dump_one(msg, cb, container);
		if (!err)
			cb->args[0] = next;
		dstack_identity_put(container);
	}
	return msg->len;
}

static int dump_block(struct sk_buff *msg, struct netlink_callback *cb,
		      const struct dstack_block *block)
{
	void *hdr = dump_begin(msg, cb, DSTACK_CMD_DEVICE_GET);

	if (!hdr)
		return -EMSGSIZE;
	return dump_end(msg, hdr, dstack_netlink_block_put(msg, block));
}

static int dump_key(struct sk_buff *msg, struct netlink_callback *cb,
		    const struct dstack_root_facts *facts)
{
	void *hdr = dump_begin(msg, cb, DSTACK_CMD_KEY_GET);

	if (!hdr)
		return -EMSGSIZE;
	return dump_end(msg, hdr, dstack_netlink_key_put(msg, facts));
}

static int dump_keys(struct sk_buff *msg, struct netlink_callback *cb)
{
	struct dstack_root_facts facts;
	int err;

	err = may_control(cb->skb, cb->extack);
	if (err)
		return err;
	while (dstack_root_nth(cb->args[0], &facts) &&
	       !dump_key(msg, cb, &facts))
		cb->args[0]++;
	return msg->len;
}

static int dump_devices(struct sk_buff *msg, struct netlink_callback *cb)
{
	unsigned long next = cb->args[0];
	struct dstack_block block;
	int err;

	err = may_control(cb->skb, cb->extack);
	if (err)
		return err;
	while (dstack_block_next(&next, &block) &&
	       !dump_block(msg, cb, &block))
		cb->args[0] = next;
	return msg->len;
}

static int do_event(struct sk_buff *skb, struct genl_info *info)
{
	const struct nlattr *payload = info->attrs[DSTACK_A_EVENT_PAYLOAD];
	char name[DSTACK_NAME_SIZE];
	int err;

	if (need(info, DSTACK_A_EVENT_NAME) ||
	    need(info, DSTACK_A_EVENT_PAYLOAD))
		return -EINVAL;
	nla_strscpy(name, info->attrs[DSTACK_A_EVENT_NAME], sizeof(name));
	err = dstack_control_event(name, nla_data(payload), nla_len(payload));
	if (err == -EINVAL)
		NL_SET_ERR_MSG(info->extack,
			       "a name is 1 to 63 of [A-Za-z0-9._-] and does not start with \"dstack.\"");
	return err;
}

static int do_ack(struct sk_buff *skb, struct genl_info *info)
{
	int err;

	if (need(info, DSTACK_A_LOG_ACKED))
		return -EINVAL;
	err = dstack_log_ack(nla_get_u64(info->attrs[DSTACK_A_LOG_ACKED]));
	if (err)
		NL_SET_ERR_MSG(info->extack,
			       "the log has no such range to acknowledge");
	return err;
}

/*
 * Files elsewhere may have such a name, but not in the kernel's own place.  A
 * link's first descriptor has the one, those made from its id the other.
 */
static bool is_bpf_link(const struct file *file)
{
	const struct dentry *dentry = file->f_path.dentry;

	return dentry->d_sb->s_magic == ANON_INODE_FS_MAGIC &&
	       (!strcmp(dentry->d_name.name, "bpf_link") ||
		!strcmp(dentry->d_name.name, "bpf-link"));
}

static void put_links(struct file *links[__DSTACK_HOOK_MAX])
{
	size_t i;

	for (i = 0; i < __DSTACK_HOOK_MAX; i++)
		if (links[i])
			fput(links[i]);
}

static struct file *get_link(u32 fd)
{
	struct file *file = fget(fd);

	if (file && is_bpf_link(file))
		return file;
	if (file)
		fput(file);
	return NULL;
}

static int do_hooks(struct sk_buff *skb, struct genl_info *info)
{
	struct file *links[__DSTACK_HOOK_MAX];
	u32 fds[__DSTACK_HOOK_MAX];
	bool all = true;
	size_t i;
	int err = -EINVAL;

	if (need(info, DSTACK_A_LINKS))
		return -EINVAL;
	nla_memcpy(fds, info->attrs[DSTACK_A_LINKS], sizeof(fds));
	for (i = 0; i < __DSTACK_HOOK_MAX; i++) {
		links[i] = get_link(fds[i]);
		all = all && links[i];
	}
	if (all)
		err = dstack_control_hooks(links);
	else
		NL_SET_ERR_MSG(info->extack,
			       "a descriptor is not one of a BPF link");
	if (err == -EBUSY)
		NL_SET_ERR_MSG(info->extack,
			       "hooks are held already; state off lets go of them");
	if (err)
		put_links(links);
	return err;
}

static const struct nla_policy state_policy[] = {
	[DSTACK_A_STATE] = { .type = NLA_U32 },
};

static const struct nla_policy begin_policy[] = {
	[DSTACK_A_POLICY_SIZE] = { .type = NLA_U32 },
	[DSTACK_A_POLICY_DOCUMENT] = NLA_POLICY_EXACT_LEN(DSTACK_DIGEST_SIZE),
};

static const struct nla_policy data_policy[] = {
	[DSTACK_A_POLICY_CHUNK] = { .type = NLA_BINARY,
				    .len = DSTACK_CHUNK_MAX },
};

static const struct nla_policy add_policy[] = {
	[DSTACK_A_ID] = { .type = NLA_NUL_STRING, .len = DSTACK_ID_SIZE - 1 },
	[DSTACK_A_SECTION] = { .type = NLA_NUL_STRING,
			       .len = DSTACK_SECTION_SIZE - 1 },
	[DSTACK_A_CGROUP_FD] = { .type = NLA_U32 },
	[DSTACK_A_APP_ID] = NLA_POLICY_EXACT_LEN(DSTACK_APP_ID_SIZE),
	[DSTACK_A_IMAGE] = NLA_POLICY_EXACT_LEN(DSTACK_DIGEST_SIZE),
	[DSTACK_A_FLAGS] = { .type = NLA_U32 },
};

static const struct nla_policy remove_policy[] = {
	[DSTACK_A_ID] = { .type = NLA_NUL_STRING, .len = DSTACK_ID_SIZE - 1 },
};

static const struct nla_policy event_policy[] = {
	[DSTACK_A_EVENT_NAME] = { .type = NLA_NUL_STRING,
				  .len = DSTACK_NAME_SIZE - 1 },
	[DSTACK_A_EVENT_PAYLOAD] = { .type = NLA_BINARY,
				     .len = DSTACK_PAYLOAD_MAX },
};

static const struct nla_policy ack_policy[] = {
	[DSTACK_A_LOG_ACKED] = { .type = NLA_U64 },
};

static const struct nla_policy hooks_policy[] = {
	[DSTACK_A_LINKS] = NLA_POLICY_EXACT_LEN(__DSTACK_HOOK_MAX *
						sizeof(u32)),
};

static const struct nla_policy device_policy[] = {
	[DSTACK_A_DEVICE] = { .type = NLA_U32 },
	[DSTACK_A_STORAGE] = { .type = NLA_U32 },
	[DSTACK_A_ROOT] = { .type = NLA_BINARY, .len = DSTACK_ROOT_MAX },
};

static const struct nla_policy number_policy[] = {
	[DSTACK_A_DEVICE] = { .type = NLA_U32 },
};

static const struct nla_policy load_policy[] = {
	[DSTACK_A_APP_ID] = NLA_POLICY_EXACT_LEN(DSTACK_APP_ID_SIZE),
	[DSTACK_A_KEY_EPOCH] = { .type = NLA_U64 },
	[DSTACK_A_KEY_ROOT] = NLA_POLICY_EXACT_LEN(DSTACK_KEY_ROOT_SIZE),
	[DSTACK_A_KEY_LOCAL] = { .type = NLA_FLAG },
};

static const struct nla_policy retire_policy[] = {
	[DSTACK_A_APP_ID] = NLA_POLICY_EXACT_LEN(DSTACK_APP_ID_SIZE),
	[DSTACK_A_KEY_EPOCH] = { .type = NLA_U64 },
};

static const struct genl_ops ops[] = {
	{ .cmd = DSTACK_CMD_STATUS_GET, .doit = do_status },
	{ .cmd = DSTACK_CMD_STATE_SET, .doit = do_state,
	  .policy = state_policy, .maxattr = ARRAY_SIZE(state_policy) - 1 },
	{ .cmd = DSTACK_CMD_POLICY_BEGIN, .doit = dstack_netlink_policy_begin,
	  .policy = begin_policy, .maxattr = ARRAY_SIZE(begin_policy) - 1 },
	{ .cmd = DSTACK_CMD_POLICY_DATA, .doit = dstack_netlink_policy_data,
	  .policy = data_policy, .maxattr = ARRAY_SIZE(data_policy) - 1 },
	{ .cmd = DSTACK_CMD_POLICY_COMMIT,
	  .doit = dstack_netlink_policy_commit },
	{ .cmd = DSTACK_CMD_CONTAINER_ADD, .doit = do_container_add,
	  .policy = add_policy, .maxattr = ARRAY_SIZE(add_policy) - 1 },
	{ .cmd = DSTACK_CMD_CONTAINER_REMOVE, .doit = do_container_remove,
	  .policy = remove_policy, .maxattr = ARRAY_SIZE(remove_policy) - 1 },
	{ .cmd = DSTACK_CMD_CONTAINER_GET, .dumpit = dump_containers },
	{ .cmd = DSTACK_CMD_EVENT_ADD, .doit = do_event,
	  .policy = event_policy, .maxattr = ARRAY_SIZE(event_policy) - 1 },
	{ .cmd = DSTACK_CMD_LOG_ACK, .doit = do_ack,
	  .policy = ack_policy, .maxattr = ARRAY_SIZE(ack_policy) - 1 },
	{ .cmd = DSTACK_CMD_HOOKS_SET, .doit = do_hooks,
	  .policy = hooks_policy, .maxattr = ARRAY_SIZE(hooks_policy) - 1 },
	{ .cmd = DSTACK_CMD_DEVICE_ADD, .doit = dstack_netlink_block_add,
	  .policy = device_policy, .maxattr = ARRAY_SIZE(device_policy) - 1 },
	{ .cmd = DSTACK_CMD_DEVICE_REMOVE, .doit = dstack_netlink_block_remove,
	  .policy = number_policy, .maxattr = ARRAY_SIZE(number_policy) - 1 },
	{ .cmd = DSTACK_CMD_DEVICE_GET, .dumpit = dump_devices },
	{ .cmd = DSTACK_CMD_KEY_LOAD, .doit = dstack_netlink_key_load,
	  .policy = load_policy, .maxattr = ARRAY_SIZE(load_policy) - 1 },
	{ .cmd = DSTACK_CMD_KEY_RETIRE, .doit = dstack_netlink_key_retire,
	  .policy = retire_policy, .maxattr = ARRAY_SIZE(retire_policy) - 1 },
	{ .cmd = DSTACK_CMD_KEY_WIPE, .doit = dstack_netlink_key_wipe },
	{ .cmd = DSTACK_CMD_KEY_GET, .dumpit = dump_keys },
};

static struct genl_family family __ro_after_init = {
	.name = DSTACK_GENL_NAME,
	.version = DSTACK_GENL_VERSION,
	.module = THIS_MODULE,
	.ops = ops,
	.n_ops = ARRAY_SIZE(ops),
	.pre_doit = pre_doit,
};

/* A sender that goes away takes its half of a policy with it. */
static int socket_gone(struct notifier_block *nb, unsigned long event,
		       void *data)
{
	const struct netlink_notify *notify = data;

	if (event != NETLINK_URELEASE || notify->protocol != NETLINK_GENERIC)
		return NOTIFY_DONE;
	if (net_eq(notify->net, &init_net))
		dstack_netlink_policy_gone(notify->portid);
	return NOTIFY_DONE;
}

static struct notifier_block notifier = { .notifier_call = socket_gone };

/**
 * dstack_netlink_init() - register the family
 *
 * Return: 0 or -errno of the registration.
 */
int __init dstack_netlink_init(void)
{
	int err;

	err = netlink_register_notifier(&notifier);
	if (err)
		return err;
	err = genl_register_family(&family);
	if (err)
		netlink_unregister_notifier(&notifier);
	return err;
}

/**
 * dstack_netlink_exit() - unregister it
 */
void dstack_netlink_exit(void)
{
	genl_unregister_family(&family);
	netlink_unregister_notifier(&notifier);
	dstack_netlink_policy_exit();
}
