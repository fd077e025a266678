/* SPDX-License-Identifier: MIT */
/*
 * The control plane without the library: anything can be asked of it
 *
 * Copyright The dstack for Linux authors
 */
#ifndef DSTACK_GENL_H
#define DSTACK_GENL_H

#include <errno.h>
#include <libdstack.h>
#include <linux/netlink.h>
#include <netlink/attr.h>
#include <netlink/genl/ctrl.h>
#include <netlink/genl/genl.h>
#include <netlink/netlink.h>
#include <string.h>
#include <sys/socket.h>

#define GENL_ROOM	131072	/* of a request, more than any should have */

/* One socket, and what the kernel last said about a mistake. */
struct genl {
	struct nl_sock *sock;
	int fd;
	int family;
	char why[256];
};

static inline int genl_open(struct genl *genl)
{
	int one = 1, size = 4 * GENL_ROOM;

	memset(genl, 0, sizeof(*genl));
	genl->sock = nl_socket_alloc();
	if (!genl->sock || genl_connect(genl->sock))
		return -ENOTCONN;
	genl->fd = nl_socket_get_fd(genl->sock);
	setsockopt(genl->fd, SOL_NETLINK, NETLINK_EXT_ACK, &one, sizeof(one));
	setsockopt(genl->fd, SOL_NETLINK, NETLINK_CAP_ACK, &one, sizeof(one));
	setsockopt(genl->fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	genl->family = genl_ctrl_resolve(genl->sock, DSTACK_GENL_NAME);
	return genl->family == -NLE_OBJ_NOTFOUND ? -ENOENT :
	       genl->family < 0 ? -EIO : 0;
}

static inline void genl_close(struct genl *genl)
{
	nl_socket_free(genl->sock);
	genl->sock = NULL;
}

static inline struct nl_msg *genl_new(struct genl *genl, int cmd, int flags)
{
	struct nl_msg *msg = nlmsg_alloc_size(GENL_ROOM);

	if (!msg || !genlmsg_put(msg, NL_AUTO_PORT, NL_AUTO_SEQ, genl->family,
				 0, flags | NLM_F_ACK, cmd,
				 DSTACK_GENL_VERSION))
		abort();
	return msg;
}

static inline void genl_keep_why(struct genl *genl, struct nlmsghdr *hdr)
{
	struct nlmsgerr *err = nlmsg_data(hdr);
	size_t skip = NLMSG_ALIGN(sizeof(*err));
	struct nlattr *attr;

	if (!(hdr->nlmsg_flags & NLM_F_ACK_TLVS) ||
	    !(hdr->nlmsg_flags & NLM_F_CAPPED))
		return;
	attr = nla_find((void *)((char *)err + skip),
			nlmsg_datalen(hdr) - skip, NLMSGERR_ATTR_MSG);
	if (attr)
		nla_strlcpy(genl->why, attr, sizeof(genl->why));
}

/*
 * Send what was built, take it away, and return the kernel's answer.  What
 * comes first may be one that could not be received in its time.
 */
static inline int genl_ask(struct genl *genl, struct nl_msg *msg)
{
	static char buf[GENL_ROOM];
	struct nlmsghdr *hdr;
	uint32_t seq;
	ssize_t len;
	int err;

	genl->why[0] = '\0';
	nl_complete_msg(genl->sock, msg);
	hdr = nlmsg_hdr(msg);
	seq = hdr->nlmsg_seq;
	len = send(genl->fd, hdr, hdr->nlmsg_len, 0);
	err = len < 0 ? -errno : 0;
	nlmsg_free(msg);
	while (!err) {
		int left = recv(genl->fd, buf, sizeof(buf), 0);

		if (left < 0)
			return -errno;
		for (hdr = (void *)buf; nlmsg_ok(hdr, left);
		     hdr = nlmsg_next(hdr, &left)) {
			if (hdr->nlmsg_seq != seq)
				continue;
			if (hdr->nlmsg_type == NLMSG_ERROR)
				genl_keep_why(genl, hdr);
			/* Both begin with the error. */
			if (hdr->nlmsg_type == NLMSG_ERROR ||
			    hdr->nlmsg_type == NLMSG_DONE)
				return *(int *)nlmsg_data(hdr);
		}
	}
	return err;
}

/* Commands that are answered with a list, and with nothing else. */
static inline int is_list(int cmd)
{
	return cmd == DSTACK_CMD_CONTAINER_GET ||
	       cmd == DSTACK_CMD_DEVICE_GET || cmd == DSTACK_CMD_KEY_GET;
}

/*
 * Requests of several tests
 */

static inline struct nl_msg *genl_state(struct genl *genl, uint32_t state)
{
	struct nl_msg *msg = genl_new(genl, DSTACK_CMD_STATE_SET, 0);

	nla_put_u32(msg, DSTACK_A_STATE, state);
	return msg;
}

static inline struct nl_msg *genl_event(struct genl *genl, const char *name,
					const void *payload, size_t len)
{
	struct nl_msg *msg = genl_new(genl, DSTACK_CMD_EVENT_ADD, 0);

	nla_put_string(msg, DSTACK_A_EVENT_NAME, name);
	nla_put(msg, DSTACK_A_EVENT_PAYLOAD, len, payload);
	return msg;
}

static inline struct nl_msg *genl_add(struct genl *genl, const char *id,
				      int cgroup)
{
	static const uint8_t app_id[DSTACK_APP_ID_SIZE];
	struct nl_msg *msg = genl_new(genl, DSTACK_CMD_CONTAINER_ADD, 0);

	nla_put_string(msg, DSTACK_A_ID, id);
	nla_put_u32(msg, DSTACK_A_CGROUP_FD, cgroup);
	nla_put(msg, DSTACK_A_APP_ID, sizeof(app_id), app_id);
	return msg;
}

#endif /* DSTACK_GENL_H */
