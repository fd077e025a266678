// SPDX-License-Identifier: MIT
/*
 * Messages to the control plane that are torn, huge, or made by chance
 *
 * Copyright The dstack for Linux authors
 *
 * Nothing of it changes what the machine does, and each refusal has its errno.
 */
#include "dstack_test.h"
#include "chance.h"
#include "genl.h"

#include <sched.h>

#define MESSAGES	4000
#define MESSAGE_MAX	65536
#define FILL		0xff

FIXTURE(abuse)
{
	struct genl genl;
	struct libdstack_control *control;
	struct libdstack_status before;
};

FIXTURE_SETUP(abuse)
{
	int err = genl_open(&self->genl);

	if (err == -ENOENT)
		SKIP(return, "no family " DSTACK_GENL_NAME ": load the module");
	ASSERT_EQ(0, err);
	ASSERT_EQ(0, libdstack_control_open(&self->control));
	ASSERT_EQ(0, libdstack_status(self->control, &self->before));
	expect_message("netlink: '.*': attribute type .* invalid length");
	expect_message("netlink: .* bytes leftover after parsing attributes");
	/* Devices by chance: some have a driver that makes them when asked. */
	expect_message("block device autoloading is deprecated");
	/* And that it did not say that each time. */
	expect_message("nla.*: [0-9]* callbacks suppressed");
}

FIXTURE_TEARDOWN(abuse)
{
	struct libdstack_status after;

	ASSERT_EQ(0, libdstack_status(self->control, &after));
	EXPECT_EQ(self->before.state, after.state);
	EXPECT_EQ(self->before.hooks, after.hooks);
	EXPECT_EQ(self->before.containers, after.containers);
	EXPECT_EQ(self->before.policy_epoch, after.policy_epoch);
	EXPECT_EQ(0, memcmp(self->before.policy_table, after.policy_table,
			    sizeof(after.policy_table)));
	EXPECT_LE(self->before.log_acked, after.log_acked);
	libdstack_control_close(self->control);
	genl_close(&self->genl);
}

/*
 * Bytes as they are
 */

union message {
	struct nlmsghdr hdr;
	uint8_t bytes[MESSAGE_MAX];
};

/* Take over what libnl has built. */
static size_t put(struct genl *genl, union message *to, struct nl_msg *msg)
{
	size_t len = nlmsg_hdr(msg)->nlmsg_len;

	nl_complete_msg(genl->sock, msg);
	memcpy(to, nlmsg_hdr(msg), len);
	nlmsg_free(msg);
	return len;
}

static int send_bytes(struct genl *genl, const void *bytes, size_t len)
{
	return send(genl->fd, bytes, len, 0) < 0 ? -errno : 0;
}

/*
 * The next answer's error; -EAGAIN: there is none, and there will be none, for
 * the kernel answers while it is being sent to.
 */
static int next_answer(struct genl *genl)
{
	static uint8_t buf[GENL_ROOM];
	struct nlmsghdr *hdr = (void *)buf;
	ssize_t len;

	for (;;) {
		len = recv(genl->fd, buf, sizeof(buf), MSG_DONTWAIT);
		if (len < 0)
			return -errno;
		if (hdr->nlmsg_type == NLMSG_ERROR) {
			genl->why[0] = '\0';
			genl_keep_why(genl, hdr);
		}
		if (hdr->nlmsg_type == NLMSG_ERROR ||
		    hdr->nlmsg_type == NLMSG_DONE)
			return *(int *)nlmsg_data(hdr);
	}
}

static int ask_bytes(struct genl *genl, const void *bytes, size_t len)
{
	return send_bytes(genl, bytes, len) ?: next_answer(genl);
}

/* Something harmless and right. */
static size_t put_state(FIXTURE_DATA(abuse) * self, union message *message)
{
	memset(message, 0, sizeof(*message));
	return put(&self->genl, message,
		   genl_state(&self->genl, self->before.state));
}

TEST_F(abuse, right_bytes_are_answered)
{
	static union message message;
	size_t len = put_state(self, &message);

	EXPECT_EQ(0, ask_bytes(&self->genl, &message, len));
	EXPECT_EQ(-EAGAIN, next_answer(&self->genl));
}

TEST_F(abuse, messages_without_their_headers_rejected)
{
	static union message message;
	size_t len = put_state(self, &message);

	for (len = NLMSG_HDRLEN; len < NLMSG_HDRLEN + GENL_HDRLEN; len++) {
		message.hdr.nlmsg_len = len;
		EXPECT_EQ(-EINVAL, ask_bytes(&self->genl, &message, len))
			TH_LOG("%zu bytes", len);
	}
}

TEST_F(abuse, torn_messages_are_no_messages)
{
	static const uint32_t wrong[] = { 0, 1, NLMSG_HDRLEN - 1, 4096,
					  UINT32_MAX };
	static union message message;
	size_t len = put_state(self, &message), i;

	for (i = 0; i < ARRAY_SIZE(wrong); i++) {
		message.hdr.nlmsg_len = wrong[i];
		EXPECT_EQ(-EAGAIN, ask_bytes(&self->genl, &message, len))
			TH_LOG("length %u", wrong[i]);
	}
	message.hdr.nlmsg_len = len;
	for (i = 1; i < len; i++) {
		EXPECT_EQ(-EAGAIN, ask_bytes(&self->genl, &message, i))
			TH_LOG("%zu of %zu bytes", i, len);
	}
	EXPECT_EQ(0, ask_bytes(&self->genl, &message, len));
}

TEST_F(abuse, reserved_bytes_rejected)
{
	static union message message;
	size_t len = put_state(self, &message);
	struct genlmsghdr *genl = nlmsg_data(&message.hdr);

	genl->reserved = 1;
	EXPECT_EQ(-EINVAL, ask_bytes(&self->genl, &message, len));
}

TEST_F(abuse, nested_attributes_rejected)
{
	static union message message;
	size_t len = put_state(self, &message);
	struct nlattr *attr = genlmsg_data(nlmsg_data(&message.hdr));

	attr->nla_type |= NLA_F_NESTED;
	EXPECT_EQ(-EINVAL, ask_bytes(&self->genl, &message, len));
}

TEST_F(abuse, dumps_of_what_is_no_list_rejected)
{
	struct genl *genl = &self->genl;
	int cmd;

	for (cmd = DSTACK_CMD_STATUS_GET; cmd < __DSTACK_CMD_MAX; cmd++) {
		int dump = is_list(cmd) ? 0 : NLM_F_DUMP;

		EXPECT_EQ(-EOPNOTSUPP,
			  genl_ask(genl, genl_new(genl, cmd, dump)))
			TH_LOG("command %d", cmd);
	}
}

/* What is wrong with one says nothing about the next. */
TEST_F(abuse, each_message_of_several_is_answered)
{
	struct genl *genl = &self->genl;
	static union message message;
	uint8_t *at = message.bytes;
	static const int answers[] = { -EINVAL, 0, -EINVAL, -ENOENT, 0 };
	struct nl_msg *msgs[] = {
		genl_state(genl, DSTACK_STATE_LOCKED),
		genl_state(genl, self->before.state),
		genl_event(genl, "dstack.x", "", 0),
		genl_new(genl, DSTACK_CMD_POLICY_COMMIT, 0),
		genl_state(genl, self->before.state),
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(msgs); i++)
		at += NLMSG_ALIGN(put(genl, (void *)at, msgs[i]));
	EXPECT_EQ(0, send_bytes(genl, &message, at - message.bytes));
	for (i = 0; i < ARRAY_SIZE(answers); i++) {
		EXPECT_EQ(answers[i], next_answer(genl))
			TH_LOG("answer %zu", i);
	}
	EXPECT_EQ(-EAGAIN, next_answer(genl));
}

TEST_F(abuse, message_full_of_attributes_is_one_request)
{
	struct nl_msg *msg = genl_state(&self->genl, self->before.state);
	int i;

	for (i = 0; i < GENL_ROOM / 16; i++)
		ASSERT_EQ(0, nla_put_u32(msg, DSTACK_A_STATE,
					 self->before.state));
	EXPECT_EQ(0, genl_ask(&self->genl, msg));
	/* The last one counts. */
	msg = genl_state(&self->genl, self->before.state);
	ASSERT_EQ(0, nla_put_u32(msg, DSTACK_A_STATE, DSTACK_STATE_LOCKED));
	EXPECT_EQ(-EINVAL, genl_ask(&self->genl, msg));
}

TEST_F(abuse, message_past_all_bounds_is_not_taken)
{
	size_t size = 64U << 20;
	struct nlmsghdr *hdr = mmap(NULL, size, PROT_READ | PROT_WRITE,
				    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	static union message message;

	ASSERT_NE(MAP_FAILED, (void *)hdr);
	memcpy(hdr, &message, put_state(self, &message));
	hdr->nlmsg_len = size;
	EXPECT_EQ(-EMSGSIZE, send_bytes(&self->genl, hdr, size));
	munmap(hdr, size);
}

/*
 * Who may, and that the answer says why not
 */

struct refusal {
	struct genl *genl;
	const char *why;
	int namespaces;
	bool nobody;
};

static int status_refused(void *arg)
{
	struct refusal *refusal = arg;
	struct genl *genl = refusal->genl;
	int err;

	if ((refusal->namespaces && unshare(refusal->namespaces)) ||
	    (refusal->nobody && become_nobody()))
		return -ECHILD;
	err = genl_ask(genl, genl_new(genl, DSTACK_CMD_STATUS_GET, 0));
	if (err && !strstr(genl->why, refusal->why))
		return -EPROTO;
	return err;
}

TEST_F(abuse, refusal_says_which_capability_is_needed)
{
	struct refusal refusal = {
		.genl = &self->genl, .nobody = true,
		.why = "CAP_SYS_ADMIN in the initial user namespace",
	};

	EXPECT_EQ(-EPERM, in_child(status_refused, &refusal));
}

TEST_F(abuse, root_of_a_user_namespace_refused_on_socket_of_root)
{
	struct refusal refusal = {
		.genl = &self->genl, .namespaces = CLONE_NEWUSER,
		.why = "CAP_SYS_ADMIN in the initial user namespace",
	};

	EXPECT_EQ(-EPERM, in_child(status_refused, &refusal));
	refusal.namespaces |= CLONE_NEWNET | CLONE_NEWPID | CLONE_NEWNS |
			      CLONE_NEWCGROUP;
	EXPECT_EQ(-EPERM, in_child(status_refused, &refusal));
}

TEST_F(abuse, refusal_says_that_containers_have_no_part)
{
	struct refusal refusal = {
		.genl = &self->genl, .why = "a container has no part",
	};
	struct container c;

	ASSERT_EQ(0, container_add(self->control, &c, "abuse"));
	EXPECT_EQ(-EACCES, in_cgroup(c.cgroup, status_refused, &refusal));
	EXPECT_EQ(0, container_remove(self->control, &c));
}

/* The socket's network namespace counts, and that is still the first. */
TEST_F(abuse, root_in_another_network_namespace_needs_an_old_socket)
{
	struct refusal refusal = {
		.genl = &self->genl, .namespaces = CLONE_NEWNET, .why = "",
	};

	EXPECT_EQ(0, in_child(status_refused, &refusal));
}

/*
 * By chance.  No message has a value that would be taken, so only what asks or
 * begins may be answered by 0, whatever becomes of the rest.
 */

static struct nl_msg *any_request(struct genl *genl, uint64_t *state)
{
	uint8_t fill[1024];
	struct nl_msg *msg;

	memset(fill, FILL, sizeof(fill));
	switch (below(state, 9)) {
	case 7:
		msg = genl_new(genl, DSTACK_CMD_DEVICE_ADD, 0);
		nla_put_u32(msg, DSTACK_A_DEVICE, any(state));
		nla_put_u32(msg, DSTACK_A_STORAGE, DSTACK_STORAGE_DMVERITY);
		nla_put(msg, DSTACK_A_ROOT, 32, fill);
		return msg;
	case 0:
		return genl_state(genl, DSTACK_STATE_LOCKED);
	case 1:
		msg = genl_new(genl, DSTACK_CMD_POLICY_BEGIN, 0);
		nla_put_u32(msg, DSTACK_A_POLICY_SIZE, 64);
		nla_put(msg, DSTACK_A_POLICY_DOCUMENT, 32, fill);
		return msg;
	case 2:
		msg = genl_new(genl, DSTACK_CMD_POLICY_DATA, 0);
		nla_put(msg, DSTACK_A_POLICY_CHUNK, below(state, 100), fill);
		return msg;
	case 3:
		return genl_add(genl, "x", -1);
	case 4:
		return genl_event(genl, "dstack.x", fill, below(state, 1000));
	case 5:
		msg = genl_new(genl, DSTACK_CMD_LOG_ACK, 0);
		nla_put_u64(msg, DSTACK_A_LOG_ACKED, UINT64_MAX);
		return msg;
	case 6:
		msg = genl_new(genl, DSTACK_CMD_HOOKS_SET, 0);
		nla_put(msg, DSTACK_A_LINKS, __DSTACK_HOOK_MAX * 4, fill);
		return msg;
	}
	return genl_new(genl, 1 + below(state, __DSTACK_CMD_MAX),
			below(state, 2) ? NLM_F_DUMP : 0);
}

/* One of the attributes, or the header of one that is not there. */
static struct nlattr *any_attr(union message *message, uint64_t *state)
{
	struct nlattr *attr = genlmsg_data(nlmsg_data(&message->hdr));
	int left = message->hdr.nlmsg_len - NLMSG_HDRLEN - GENL_HDRLEN;
	unsigned int skip = below(state, 3);

	while (skip-- && nla_ok(attr, left))
		attr = nla_next(attr, &left);
	return attr;
}

static size_t append(union message *message, size_t len, uint64_t *state)
{
	struct nlattr *attr = (void *)(message->bytes + NLMSG_ALIGN(len));
	unsigned int more = below(state, 64);

	if (NLMSG_ALIGN(len) + sizeof(*attr) + more > sizeof(*message))
		return len;
	memset(attr, FILL, sizeof(*attr) + more);
	if (below(state, 2)) {
		attr->nla_type = below(state, DSTACK_A_MAX + 4);
		attr->nla_len = sizeof(*attr) + more;
	}
	return NLMSG_ALIGN(len) + sizeof(*attr) + more;
}

/* Spoil one thing; what the message says of its length stays true, mostly. */
static size_t spoil(union message *message, size_t len, uint64_t *state)
{
	static const uint16_t lens[] = { 0, 1, 3, 4, 5, 8, 12, 24, 36, 65535 };
	struct genlmsghdr *genl = nlmsg_data(&message->hdr);

	switch (below(state, 8)) {
	case 0:
		any_attr(message, state)->nla_len =
			lens[below(state, ARRAY_SIZE(lens))];
		break;
	case 1:
		any_attr(message, state)->nla_type = any(state);
		break;
	case 2:
		any_attr(message, state)->nla_type =
			below(state, DSTACK_A_MAX + 2);
		break;
	case 3:
		len = NLMSG_HDRLEN + below(state, len - NLMSG_HDRLEN + 1);
		break;
	case 4:
		genl->cmd = below(state, __DSTACK_CMD_MAX + 2);
		break;
	case 5:
		genl->version = any(state);
		genl->reserved = below(state, 4) ? 0 : any(state);
		break;
	default:
		len = append(message, len, state);
	}
	message->hdr.nlmsg_len = len;
	return len;
}

static bool may_succeed(int cmd)
{
	return cmd == DSTACK_CMD_STATUS_GET || cmd == DSTACK_CMD_EVENT_ADD ||
	       is_list(cmd) || cmd == DSTACK_CMD_KEY_WIPE ||
	       cmd == DSTACK_CMD_POLICY_BEGIN || cmd == DSTACK_CMD_POLICY_DATA;
}

static bool errno_is_documented(int err)
{
	static const int errnos[] = {
		EPERM, EACCES, EINVAL, ERANGE, EOPNOTSUPP, ENOENT, EFBIG,
		EOVERFLOW, ENODATA, EBADMSG, ESTALE, EBADF, EEXIST, ELOOP,
		ENOSPC, EBUSY, ENOLINK, ENOBUFS, EIO, ENOMEM, EAGAIN,
		ENXIO, ENODEV, ENOTBLK, EROFS,
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(errnos); i++)
		if (err == -errnos[i])
			return true;
	return false;
}

struct fuzz {
	struct genl *genl;
	bool nobody;
};

static int fuzz(void *arg)
{
	const struct fuzz *fuzz = arg;
	struct genl *genl = fuzz->genl;
	uint64_t start = seed(), state = start;
	static union message message;
	int i, err, cmd, refused = 0;

	if (fuzz->nobody && become_nobody())
		return -ECHILD;
	for (i = 0; i < MESSAGES; i++) {
		size_t len = put(genl, &message,
				 any_request(genl, &state));
		unsigned int wrongs = 1 + below(&state, 3);

		while (wrongs-- && len >= NLMSG_HDRLEN + GENL_HDRLEN)
			len = spoil(&message, len, &state);
		cmd = len < NLMSG_HDRLEN + GENL_HDRLEN ? 0 :
			((struct genlmsghdr *)nlmsg_data(&message.hdr))->cmd;
		err = ask_bytes(genl, &message, len);
		refused += err < 0;
		if (err < 0 ? errno_is_documented(err) :
			      may_succeed(cmd) && !fuzz->nobody)
			continue;
		fprintf(stderr, "# message %d, command %d: %d; FUZZ_SEED=%#jx\n",
			i, cmd, err, (uintmax_t)start);
		return -EPROTO;
	}
	return refused > MESSAGES / 4 ? 0 : -ENODATA;
}

TEST_F_TIMEOUT(abuse, messages_by_chance_change_nothing, 240)
{
	struct fuzz args = { .genl = &self->genl };

	EXPECT_EQ(0, fuzz(&args));
}

TEST_F_TIMEOUT(abuse, messages_by_chance_of_nobody_are_all_refused, 60)
{
	struct fuzz args = { .genl = &self->genl, .nobody = true };

	EXPECT_EQ(0, in_child(fuzz, &args));
}

TEST_HARNESS_MAIN
