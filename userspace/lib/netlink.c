// SPDX-License-Identifier: MIT
/*
 * Requests to the generic netlink family "dstack", and their answers
 *
 * Copyright The dstack for Linux authors
 */
#include "lib.h"
#include "netlink.h"

#include <errno.h>
#include <linux/netlink.h>
#include <netlink/genl/ctrl.h>
#include <netlink/genl/genl.h>
#include <netlink/netlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

struct libdstack_control {
	struct nl_sock *sock;
	int family;
	/* The request under way. */
	const char *what;
	dstack_reply_fn fn;
	void *arg;
	uint32_t seq;
	int err;
	bool done;
};

const struct nla_policy dstack_attr_policy[__DSTACK_A_MAX] = {
	[DSTACK_A_STATE] = { .type = NLA_U32 },
	[DSTACK_A_BACKEND] = { .type = NLA_U32 },
	[DSTACK_A_BACKEND_FLAGS] = { .type = NLA_U32 },
	[DSTACK_A_REGISTER] = { .minlen = DSTACK_REGISTER_SIZE,
				.maxlen = DSTACK_REGISTER_SIZE },
	[DSTACK_A_BASE] = { .minlen = DSTACK_REGISTER_SIZE,
			    .maxlen = DSTACK_REGISTER_SIZE },
	[DSTACK_A_DIVERGED] = { .type = NLA_U32 },
	[DSTACK_A_LOG_COUNT] = { .type = NLA_U64 },
	[DSTACK_A_LOG_ACKED] = { .type = NLA_U64 },
	[DSTACK_A_LOG_PENDING] = { .type = NLA_U64 },
	[DSTACK_A_HOOKS] = { .type = NLA_U32 },
	[DSTACK_A_MODE] = { .type = NLA_U32 },
	[DSTACK_A_POLICY_EPOCH] = { .type = NLA_U64 },
	[DSTACK_A_POLICY_TABLE] = { .minlen = DSTACK_DIGEST_SIZE,
				    .maxlen = DSTACK_DIGEST_SIZE },
	[DSTACK_A_POLICY_DOCUMENT] = { .minlen = DSTACK_DIGEST_SIZE,
				       .maxlen = DSTACK_DIGEST_SIZE },
	[DSTACK_A_CONTAINERS] = { .type = NLA_U32 },
	[DSTACK_A_ID] = { .type = NLA_NUL_STRING,
			  .maxlen = DSTACK_ID_SIZE },
	[DSTACK_A_SECTION] = { .type = NLA_NUL_STRING,
			       .maxlen = DSTACK_SECTION_SIZE },
	[DSTACK_A_CGROUP_ID] = { .type = NLA_U64 },
	[DSTACK_A_APP_ID] = { .minlen = DSTACK_APP_ID_SIZE,
			      .maxlen = DSTACK_APP_ID_SIZE },
	[DSTACK_A_IMAGE] = { .minlen = DSTACK_DIGEST_SIZE,
			     .maxlen = DSTACK_DIGEST_SIZE },
	[DSTACK_A_ALLOWED] = { .type = NLA_U64 },
	[DSTACK_A_DENIED] = { .type = NLA_U64 },
	[DSTACK_A_CACHE_HITS] = { .type = NLA_U64 },
	[DSTACK_A_CACHE_MISSES] = { .type = NLA_U64 },
	[DSTACK_A_LOG_MEMORY] = { .type = NLA_U64 },
	[DSTACK_A_LOG_FIRST] = { .type = NLA_U64 },
	[DSTACK_A_LOG_START] = { .minlen = DSTACK_REGISTER_SIZE,
				 .maxlen = DSTACK_REGISTER_SIZE },
	[DSTACK_A_REFUSED] = { .type = NLA_U64 },
	[DSTACK_A_DEVICE] = { .type = NLA_U32 },
	[DSTACK_A_STORAGE] = { .type = NLA_U32 },
	[DSTACK_A_ROOT] = { .minlen = DSTACK_ROOT_MIN,
			    .maxlen = DSTACK_ROOT_MAX },
	[DSTACK_A_KEY_EPOCH] = { .type = NLA_U64 },
	[DSTACK_A_KEY_ID] = { .minlen = DSTACK_KEY_ID_SIZE,
			      .maxlen = DSTACK_KEY_ID_SIZE },
	[DSTACK_A_KEYS] = { .type = NLA_U32 },
};

static int nl_errno(int nlerr)
{
	switch (nlerr < 0 ? -nlerr : nlerr) {
	case NLE_NOMEM:
		return -ENOMEM;
	case NLE_PERM:
	case NLE_NOACCESS:
		return -EPERM;
	case NLE_OBJ_NOTFOUND:
		return -ENOENT;
	case NLE_INTR:
		return -EINTR;
	case NLE_AGAIN:
		return -EAGAIN;
	case NLE_DUMP_INTR:
		return -ESTALE;
	case NLE_MSGSIZE:
	case NLE_RANGE:
		return -EMSGSIZE;
	default:
		return -EIO;
	}
}

/* The kernel's own words about an error, or NULL. */
static const char *extack_text(struct nlmsgerr *nlerr)
{
	struct nlmsghdr *hdr = (void *)((char *)nlerr - NLMSG_HDRLEN);
	size_t skip = sizeof(*nlerr);
	struct nlattr *attr;

	if (!(hdr->nlmsg_flags & NLM_F_ACK_TLVS))
		return NULL;
	/* Without the CAPPED flag our whole request comes back first. */
	if (!(hdr->nlmsg_flags & NLM_F_CAPPED))
		skip += nlerr->msg.nlmsg_len - NLMSG_HDRLEN;
	skip = NLMSG_ALIGN(skip);
	if (hdr->nlmsg_len < NLMSG_HDRLEN + skip)
		return NULL;
	attr = nla_find((void *)((char *)nlerr + skip),
			hdr->nlmsg_len - NLMSG_HDRLEN - skip,
			NLMSGERR_ATTR_MSG);
	if (!attr || nla_len(attr) < 1 ||
	    ((char *)nla_data(attr))[nla_len(attr) - 1])
		return NULL;
	return nla_data(attr);
}

/*
 * Whoever had no memory to receive an answer has left it in the socket: it is
 * not the answer to what was asked since.
 */
static int on_seq_check(struct nl_msg *msg, void *arg)
{
	const struct libdstack_control *control = arg;

	return nlmsg_hdr(msg)->nlmsg_seq == control->seq ? NL_OK : NL_SKIP;
}

static int on_error(struct sockaddr_nl *from, struct nlmsgerr *nlerr, void *arg)
{
	struct libdstack_control *control = arg;
	const char *text = extack_text(nlerr);

	(void)from;
	control->err = nlerr->error;
	control->done = true;
	if (text)
		dstack_message("can't %s: %s", control->what, text);
	else if (nlerr->error == -EPERM)
		dstack_message("can't %s: not permitted: be root, outside of any container",
			       control->what);
	else
		dstack_message("can't %s: %s", control->what,
			       strerror(-nlerr->error));
	return NL_STOP;
}

static int on_ack(struct nl_msg *msg, void *arg)
{
	struct libdstack_control *control = arg;

	(void)msg;
	control->done = true;
	return NL_STOP;
}

/* The end of a dump carries the error that ended it. */
static int on_finish(struct nl_msg *msg, void *arg)
{
	struct libdstack_control *control = arg;
	struct nlmsghdr *hdr = nlmsg_hdr(msg);
	int err = 0;

	if (nlmsg_datalen(hdr) >= (int)sizeof(err))
		memcpy(&err, nlmsg_data(hdr), sizeof(err));
	control->done = true;
	if (err < 0 && !control->err) {
		control->err = err;
		dstack_message("can't %s: %s", control->what, strerror(-err));
	}
	return NL_STOP;
}

static int on_valid(struct nl_msg *msg, void *arg)
{
	struct libdstack_control *control = arg;
	struct nlattr *attrs[__DSTACK_A_MAX];
	int err;

	if (!control->fn || control->err)
		return NL_OK;
	err = genlmsg_parse(nlmsg_hdr(msg), 0, attrs, DSTACK_A_MAX,
			    dstack_attr_policy);
	control->err = err ? -EPROTO : control->fn(attrs, control->arg);
	if (control->err == -EPROTO)
		dstack_message("can't %s: the module's answer makes no sense: program and module are of different versions",
			       control->what);
	return NL_OK;
}

static int connect_socket(struct libdstack_control *control)
{
	struct nl_sock *sock = control->sock;
	int one = 1, err;

	err = genl_connect(sock);
	if (err) {
		dstack_message("can't open a netlink socket: %s",
			       nl_geterror(err));
		return nl_errno(err);
	}
	/* Older kernels have neither; then errors are only numbers. */
	(void)setsockopt(nl_socket_get_fd(sock), SOL_NETLINK, NETLINK_EXT_ACK,
			 &one, sizeof(one));
	(void)setsockopt(nl_socket_get_fd(sock), SOL_NETLINK, NETLINK_CAP_ACK,
			 &one, sizeof(one));
	control->family = genl_ctrl_resolve(sock, DSTACK_GENL_NAME);
	if (control->family < 0) {
		err = nl_errno(control->family);
		if (err == -ENOENT) {
			dstack_message("the dstack module is not loaded: load it with 'modprobe dstack' (for development without a TEE: 'modprobe dstack backend=sim')");
			return -ENODEV;
		}
		dstack_message("can't find netlink family '%s': %s",
			       DSTACK_GENL_NAME, nl_geterror(control->family));
		return err;
	}
	nl_socket_modify_cb(sock, NL_CB_SEQ_CHECK, NL_CB_CUSTOM, on_seq_check,
			    control);
	nl_socket_modify_cb(sock, NL_CB_VALID, NL_CB_CUSTOM, on_valid, control);
	nl_socket_modify_cb(sock, NL_CB_ACK, NL_CB_CUSTOM, on_ack, control);
	nl_socket_modify_cb(sock, NL_CB_FINISH, NL_CB_CUSTOM, on_finish,
			    control);
	nl_socket_modify_err_cb(sock, NL_CB_CUSTOM, on_error, control);
	return 0;
}

int libdstack_control_open(struct libdstack_control **control)
{
	struct libdstack_control *new = calloc(1, sizeof(*new));
	int err;

	*control = NULL;
	if (!new)
		return -ENOMEM;
	new->sock = nl_socket_alloc();
	err = new->sock ? connect_socket(new) : -ENOMEM;
	if (err) {
		libdstack_control_close(new);
		return err;
	}
	*control = new;
	return 0;
}

void libdstack_control_close(struct libdstack_control *control)
{
	if (!control)
		return;
	nl_socket_free(control->sock);
	free(control);
}

struct nl_msg *dstack_request_new(struct libdstack_control *control, int cmd,
				  int flags, size_t room)
{
	struct nl_msg *msg = nlmsg_alloc_size(NLMSG_HDRLEN + GENL_HDRLEN +
					      256 + room);

	if (msg && !genlmsg_put(msg, NL_AUTO_PORT, NL_AUTO_SEQ,
				control->family, 0, flags, cmd,
				DSTACK_GENL_VERSION)) {
		nlmsg_free(msg);
		return NULL;
	}
	return msg;
}

void dstack_request_wipe(struct nl_msg *msg)
{
	struct nlmsghdr *hdr = nlmsg_hdr(msg);

	explicit_bzero(nlmsg_data(hdr), nlmsg_datalen(hdr));
	nlmsg_free(msg);
}

static int take_answers(struct libdstack_control *control, int err)
{
	while (err >= 0 && !control->done)
		err = nl_recvmsgs_default(control->sock);
	if (control->err)
		return control->err;
	if (err >= 0)
		return 0;
	if (err != -NLE_DUMP_INTR)
		dstack_message("can't %s: netlink: %s", control->what,
			       nl_geterror(err));
	return nl_errno(err);
}

static void begin(struct libdstack_control *control, const char *what,
		  dstack_reply_fn fn, void *arg)
{
	control->what = what;
	control->fn = fn;
	control->arg = arg;
	control->err = 0;
	control->done = false;
}

int dstack_request(struct libdstack_control *control, struct nl_msg *msg,
		   const char *what, dstack_reply_fn fn, void *arg)
{
	int err;

	begin(control, what, fn, arg);
	err = nl_send_auto(control->sock, msg);
	control->seq = nlmsg_hdr(msg)->nlmsg_seq;
	nlmsg_free(msg);
	return take_answers(control, err);
}

int dstack_request_secret(struct libdstack_control *control,
			  struct nl_msg *msg, const char *what)
{
	int err;

	begin(control, what, NULL, NULL);
	err = nl_send_auto(control->sock, msg);
	control->seq = nlmsg_hdr(msg)->nlmsg_seq;
	/* The kernel has a copy, and wipes that. */
	dstack_request_wipe(msg);
	return take_answers(control, err);
}
