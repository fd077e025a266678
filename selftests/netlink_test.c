// SPDX-License-Identifier: MIT
/*
 * The control plane: who may use it, and what it makes of nonsense
 *
 * Copyright The dstack for Linux authors
 */
#include "dstack_test.h"
#include "genl.h"

#include <bpf/bpf.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#define PAYLOAD_MAX	4096
#define UNKNOWN_ATTR	(DSTACK_A_MAX + 1)

static const uint8_t digest[DSTACK_DIGEST_SIZE];

FIXTURE(netlink)
{
	struct genl genl;
	struct libdstack_control *control;
	struct libdstack_status before;
};

FIXTURE_SETUP(netlink)
{
	int err = genl_open(&self->genl);

	if (err == -ENOENT)
		SKIP(return, "no family " DSTACK_GENL_NAME ": load the module");
	ASSERT_EQ(0, err);
	ASSERT_EQ(0, libdstack_control_open(&self->control));
	ASSERT_EQ(0, libdstack_status(self->control, &self->before));
}

/* Nothing here may change what the machine does. */
FIXTURE_TEARDOWN(netlink)
{
	struct libdstack_status after;

	EXPECT_EQ(0, libdstack_status(self->control, &after));
	EXPECT_EQ(self->before.state, after.state);
	EXPECT_EQ(self->before.hooks, after.hooks);
	EXPECT_EQ(self->before.containers, after.containers);
	EXPECT_EQ(self->before.policy_epoch, after.policy_epoch);
	libdstack_control_close(self->control);
	genl_close(&self->genl);
}

/*
 * Well-formed requests, for everybody to be refused
 */

static struct nl_msg *ask_ack(struct genl *genl, uint64_t count)
{
	struct nl_msg *msg = genl_new(genl, DSTACK_CMD_LOG_ACK, 0);

	nla_put_u64(msg, DSTACK_A_LOG_ACKED, count);
	return msg;
}

static struct nl_msg *ask_begin(struct genl *genl)
{
	struct nl_msg *msg = genl_new(genl, DSTACK_CMD_POLICY_BEGIN, 0);

	nla_put_u32(msg, DSTACK_A_POLICY_SIZE, 64);
	nla_put(msg, DSTACK_A_POLICY_DOCUMENT, sizeof(digest), digest);
	return msg;
}

static struct nl_msg *ask_hooks(struct genl *genl,
				const int links[__DSTACK_HOOK_MAX])
{
	struct nl_msg *msg = genl_new(genl, DSTACK_CMD_HOOKS_SET, 0);

	nla_put(msg, DSTACK_A_LINKS, __DSTACK_HOOK_MAX * sizeof(*links), links);
	return msg;
}

/* The same link everywhere, but for one hook. */
static struct nl_msg *ask_hooks_but(struct genl *genl, int link, int hook,
				    int other)
{
	int links[__DSTACK_HOOK_MAX], i;

	for (i = 0; i < __DSTACK_HOOK_MAX; i++)
		links[i] = i == hook ? other : link;
	return ask_hooks(genl, links);
}

/*
 * Ask for everything.  What all answer, or -EPROTO if they differ: nothing of
 * it changes anything even if it is not refused.
 */
static int ask_all(struct genl *genl)
{
	struct nl_msg *msgs[] = {
		genl_new(genl, DSTACK_CMD_STATUS_GET, 0),
		genl_state(genl, DSTACK_STATE_LOCKED),
		ask_begin(genl),
		genl_new(genl, DSTACK_CMD_POLICY_COMMIT, 0),
		genl_add(genl, "x", -1),
		genl_new(genl, DSTACK_CMD_CONTAINER_GET, NLM_F_DUMP),
		genl_event(genl, "dstack.x", "", 0),
		ask_ack(genl, UINT64_MAX),
		ask_hooks_but(genl, -1, 0, -1),
	};
	int err, first = 1;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(msgs); i++) {
		err = genl_ask(genl, msgs[i]);
		if (first != 1 && err != first) {
			fprintf(stderr, "# request %zu: %d, not %d\n", i, err,
				first);
			return -EPROTO;
		}
		first = err;
	}
	return first;
}

/*
 * Who may
 */

static int ask_on_own_socket(void *unused)
{
	struct genl genl;

	(void)unused;
	return genl_open(&genl) ?: ask_all(&genl);
}

static int ask_as_nobody(void *unused)
{
	return become_nobody() ? -ECHILD : ask_on_own_socket(unused);
}

static int ask_on_socket_of_root(void *genl)
{
	return become_nobody() ? -ECHILD : ask_all(genl);
}

static int ask_on_socket_of_nobody(void *unused)
{
	struct genl genl;

	(void)unused;
	if (setresuid(NOBODY, NOBODY, 0) || genl_open(&genl) ||
	    setresuid(0, 0, 0))
		return -ECHILD;
	return ask_all(&genl);
}

static int ask_as_root_of_namespace(void *unused)
{
	return unshare(CLONE_NEWUSER) ? -ECHILD : ask_on_own_socket(unused);
}

static int ask_in_network_namespace(void *unused)
{
	return unshare(CLONE_NEWNET) ? -ECHILD : ask_on_own_socket(unused);
}

TEST_F(netlink, nobody_refused)
{
	EXPECT_EQ(-EPERM, in_child(ask_as_nobody, NULL));
}

TEST_F(netlink, nobody_refused_on_socket_of_root)
{
	EXPECT_EQ(-EPERM, in_child(ask_on_socket_of_root, &self->genl));
}

TEST_F(netlink, root_refused_on_socket_of_nobody)
{
	EXPECT_EQ(-EPERM, in_child(ask_on_socket_of_nobody, NULL));
}

TEST_F(netlink, root_of_a_user_namespace_refused)
{
	EXPECT_EQ(-EPERM, in_child(ask_as_root_of_namespace, NULL));
}

TEST_F(netlink, invisible_in_other_network_namespaces)
{
	EXPECT_EQ(-ENOENT, in_child(ask_in_network_namespace, NULL));
}

static int ask_on_given_socket(void *genl)
{
	return ask_all(genl);
}

TEST_F(netlink, root_of_a_container_refused)
{
	struct container c;

	ASSERT_EQ(0, container_add(self->control, &c, "netlink"));
	EXPECT_EQ(-EACCES, in_cgroup(c.cgroup, ask_on_own_socket, NULL));
	EXPECT_EQ(-EACCES, in_cgroup(c.cgroup, ask_on_given_socket,
				     &self->genl));
	/* No capability comes before no part in it. */
	EXPECT_EQ(-EPERM, in_cgroup(c.cgroup, ask_as_nobody, NULL));
	EXPECT_EQ(0, container_remove(self->control, &c));
}

/*
 * Attributes
 */

TEST_F(netlink, missing_attributes_rejected)
{
	static const struct {
		int cmd;
		int attrs[3];
	} needs[] = {
		{ DSTACK_CMD_STATE_SET, { DSTACK_A_STATE } },
		{ DSTACK_CMD_POLICY_BEGIN,
		  { DSTACK_A_POLICY_SIZE, DSTACK_A_POLICY_DOCUMENT } },
		{ DSTACK_CMD_POLICY_DATA, { DSTACK_A_POLICY_CHUNK } },
		{ DSTACK_CMD_CONTAINER_ADD,
		  { DSTACK_A_ID, DSTACK_A_CGROUP_FD, DSTACK_A_APP_ID } },
		{ DSTACK_CMD_CONTAINER_REMOVE, { DSTACK_A_ID } },
		{ DSTACK_CMD_EVENT_ADD,
		  { DSTACK_A_EVENT_NAME, DSTACK_A_EVENT_PAYLOAD } },
		{ DSTACK_CMD_LOG_ACK, { DSTACK_A_LOG_ACKED } },
		{ DSTACK_CMD_HOOKS_SET, { DSTACK_A_LINKS } },
		{ DSTACK_CMD_DEVICE_ADD,
		  { DSTACK_A_DEVICE, DSTACK_A_STORAGE } },
		{ DSTACK_CMD_DEVICE_REMOVE, { DSTACK_A_DEVICE } },
	};
	struct genl *genl = &self->genl;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(needs); i++)
		EXPECT_EQ(-EINVAL,
			  genl_ask(genl, genl_new(genl, needs[i].cmd, 0)))
			TH_LOG("command %d", needs[i].cmd);
}

/* Zeros, but for the length. */
static void put_zeros(struct nl_msg *msg, int attr, int len)
{
	static const uint8_t zeros[65536];

	nla_put(msg, attr, len, zeros);
}

TEST_F(netlink, attributes_of_wrong_length_rejected)
{
	static const struct {
		int cmd, attr, good, err;
	} sized[] = {
		{ DSTACK_CMD_STATE_SET, DSTACK_A_STATE, 4, -EINVAL },
		{ DSTACK_CMD_POLICY_BEGIN, DSTACK_A_POLICY_SIZE, 4, -EINVAL },
		{ DSTACK_CMD_POLICY_BEGIN, DSTACK_A_POLICY_DOCUMENT, 32,
		  -ERANGE },
		{ DSTACK_CMD_CONTAINER_ADD, DSTACK_A_CGROUP_FD, 4, -EINVAL },
		{ DSTACK_CMD_CONTAINER_ADD, DSTACK_A_APP_ID, 20, -ERANGE },
		{ DSTACK_CMD_CONTAINER_ADD, DSTACK_A_IMAGE, 32, -ERANGE },
		{ DSTACK_CMD_LOG_ACK, DSTACK_A_LOG_ACKED, 8, -EINVAL },
		{ DSTACK_CMD_HOOKS_SET, DSTACK_A_LINKS,
		  __DSTACK_HOOK_MAX * sizeof(int), -ERANGE },
		{ DSTACK_CMD_DEVICE_ADD, DSTACK_A_DEVICE, 4, -EINVAL },
		{ DSTACK_CMD_DEVICE_ADD, DSTACK_A_STORAGE, 4, -EINVAL },
		{ DSTACK_CMD_DEVICE_REMOVE, DSTACK_A_DEVICE, 4, -EINVAL },
	};
	static const int off[] = { -1, 1, 4 };
	struct genl *genl = &self->genl;
	size_t i, j;

	expect_message("netlink: '.*': attribute type .* invalid length");
	for (i = 0; i < ARRAY_SIZE(sized); i++)
		for (j = 0; j < ARRAY_SIZE(off); j++) {
			struct nl_msg *msg = genl_new(genl, sized[i].cmd, 0);

			put_zeros(msg, sized[i].attr, sized[i].good + off[j]);
			EXPECT_EQ(sized[i].err, genl_ask(genl, msg))
				TH_LOG("attribute %d, %+d bytes",
				       sized[i].attr, off[j]);
		}
}

TEST_F(netlink, oversized_attributes_rejected)
{
	static const struct {
		int cmd, attr, max, err;
	} bounded[] = {
		{ DSTACK_CMD_POLICY_DATA, DSTACK_A_POLICY_CHUNK, 32768,
		  -ERANGE },
		{ DSTACK_CMD_EVENT_ADD, DSTACK_A_EVENT_PAYLOAD, PAYLOAD_MAX,
		  -ERANGE },
		{ DSTACK_CMD_DEVICE_ADD, DSTACK_A_ROOT, DSTACK_ROOT_MAX,
		  -ERANGE },
	};
	struct genl *genl = &self->genl;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(bounded); i++) {
		struct nl_msg *msg = genl_new(genl, bounded[i].cmd, 0);

		put_zeros(msg, bounded[i].attr, bounded[i].max + 1);
		EXPECT_EQ(bounded[i].err, genl_ask(genl, msg))
			TH_LOG("attribute %d", bounded[i].attr);
	}
}

TEST_F(netlink, strings_without_end_rejected)
{
	static const struct {
		int cmd, attr, size;
	} strings[] = {
		{ DSTACK_CMD_CONTAINER_ADD, DSTACK_A_ID, DSTACK_ID_SIZE },
		{ DSTACK_CMD_CONTAINER_ADD, DSTACK_A_SECTION,
		  DSTACK_SECTION_SIZE },
		{ DSTACK_CMD_CONTAINER_REMOVE, DSTACK_A_ID, DSTACK_ID_SIZE },
		{ DSTACK_CMD_EVENT_ADD, DSTACK_A_EVENT_NAME,
		  DSTACK_NAME_SIZE },
	};
	struct genl *genl = &self->genl;
	char text[DSTACK_ID_SIZE + 1];
	size_t i, j;

	for (i = 0; i < ARRAY_SIZE(strings); i++) {
		/* Without a NUL; with one, behind the longest; empty. */
		const int lens[] = { 8, strings[i].size + 1, 0 };

		memset(text, 'n', sizeof(text));
		text[strings[i].size] = '\0';
		for (j = 0; j < ARRAY_SIZE(lens); j++) {
			struct nl_msg *msg = genl_new(genl, strings[i].cmd, 0);

			nla_put(msg, strings[i].attr, lens[j], text);
			EXPECT_EQ(-EINVAL, genl_ask(genl, msg))
				TH_LOG("attribute %d, %d bytes",
				       strings[i].attr, lens[j]);
		}
	}
}

TEST_F(netlink, unknown_attributes_rejected)
{
	struct genl *genl = &self->genl;
	int cmd;

	for (cmd = DSTACK_CMD_STATUS_GET; cmd < __DSTACK_CMD_MAX; cmd++) {
		int dump = is_list(cmd) ? NLM_F_DUMP : 0;
		struct nl_msg *msg = genl_new(genl, cmd, dump);

		nla_put_u32(msg, UNKNOWN_ATTR, 0);
		EXPECT_EQ(-EINVAL, genl_ask(genl, msg))
			TH_LOG("command %d", cmd);
	}
}

TEST_F(netlink, attributes_of_other_commands_rejected)
{
	struct genl *genl = &self->genl;
	struct nl_msg *msg = genl_state(genl, self->before.state);

	nla_put_u64(msg, DSTACK_A_LOG_ACKED, 0);
	EXPECT_EQ(-EINVAL, genl_ask(genl, msg));
	msg = genl_event(genl, "selftest", "", 0);
	nla_put_string(msg, DSTACK_A_ID, "x");
	EXPECT_EQ(-EINVAL, genl_ask(genl, msg));
}

TEST_F(netlink, attributes_past_the_end_rejected)
{
	static const uint16_t lens[] = { 0, 3, 9, 0xffff };
	struct genl *genl = &self->genl;
	size_t i;

	expect_message("netlink: .* bytes leftover after parsing attributes");
	for (i = 0; i < ARRAY_SIZE(lens); i++) {
		struct nl_msg *msg = genl_state(genl, self->before.state);
		struct nlattr *attr = genlmsg_data(genlmsg_hdr(nlmsg_hdr(msg)));

		attr->nla_len = lens[i];
		EXPECT_EQ(-EINVAL, genl_ask(genl, msg))
			TH_LOG("length %u", lens[i]);
	}
}

TEST_F(netlink, unknown_commands_unknown)
{
	static const int cmds[] = { 0, __DSTACK_CMD_MAX, 255 };
	struct genl *genl = &self->genl;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(cmds); i++)
		EXPECT_EQ(-EOPNOTSUPP,
			  genl_ask(genl, genl_new(genl, cmds[i], 0)))
			TH_LOG("command %d", cmds[i]);
}

/*
 * DEVICE_ADD, DEVICE_REMOVE
 */

static struct nl_msg *device_add(struct genl *genl, dev_t dev,
				 uint32_t storage, int root)
{
	struct nl_msg *msg = genl_new(genl, DSTACK_CMD_DEVICE_ADD, 0);

	nla_put_u32(msg, DSTACK_A_DEVICE, minor(dev) | major(dev) << 8);
	nla_put_u32(msg, DSTACK_A_STORAGE, storage);
	if (root >= 0)
		put_zeros(msg, DSTACK_A_ROOT, root);
	return msg;
}

TEST_F(netlink, devices_of_no_such_class_rejected)
{
	static const struct {
		uint32_t storage;
		int root;
	} wrong[] = {
		{ DSTACK_STORAGE_DISK, -1 }, { DSTACK_STORAGE_FSVERITY, 32 },
		{ __DSTACK_STORAGE_MAX, -1 }, { UINT32_MAX, 32 },
		{ DSTACK_STORAGE_DMVERITY, -1 },
		{ DSTACK_STORAGE_DMVERITY, 0 }, { DSTACK_STORAGE_DMVERITY, 31 },
		{ DSTACK_STORAGE_AUTHENTICATED, 32 },
	};
	struct genl *genl = &self->genl;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(wrong); i++)
		EXPECT_EQ(-EINVAL,
			  genl_ask(genl, device_add(genl, makedev(1, 0),
						    wrong[i].storage,
						    wrong[i].root)))
			TH_LOG("storage %u", wrong[i].storage);
	EXPECT_STRNE("", genl->why);
}

TEST_F(netlink, devices_that_are_not_of_device_mapper_rejected)
{
	struct genl *genl = &self->genl;
	struct stat root;

	ASSERT_EQ(0, stat("/", &root));
	EXPECT_EQ(-ENOTBLK,
		  genl_ask(genl, device_add(genl, root.st_dev,
					    DSTACK_STORAGE_AUTHENTICATED, -1)));
	EXPECT_STRNE("", genl->why);
}

TEST_F(netlink, devices_that_are_not_there_rejected)
{
	struct nl_msg *msg = genl_new(&self->genl, DSTACK_CMD_DEVICE_REMOVE,
				      0);
	struct genl *genl = &self->genl;

	EXPECT_EQ(-ENXIO,
		  genl_ask(genl, device_add(genl, makedev(4095, 255),
					    DSTACK_STORAGE_DMVERITY, 32)));
	nla_put_u32(msg, DSTACK_A_DEVICE, UINT32_MAX);
	EXPECT_EQ(-ENOENT, genl_ask(genl, msg));
}

/*
 * STATE_SET
 */

TEST_F(netlink, unknown_states_rejected)
{
	static const uint32_t states[] = {
		__DSTACK_STATE_MAX, UINT32_MAX,
	};
	struct genl *genl = &self->genl;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(states); i++)
		EXPECT_EQ(-EOPNOTSUPP,
			  genl_ask(genl, genl_state(genl, states[i])))
			TH_LOG("state %u", states[i]);
	EXPECT_STRNE("", genl->why);
}

TEST_F(netlink, locked_does_not_follow_measure)
{
	struct genl *genl = &self->genl;

	ASSERT_EQ(DSTACK_STATE_MEASURE, self->before.state);
	EXPECT_EQ(-EINVAL,
		  genl_ask(genl, genl_state(genl, DSTACK_STATE_LOCKED)));
	EXPECT_NE(NULL, strstr(genl->why, "follows enforce"));
}

TEST_F(netlink, same_state_is_no_event)
{
	struct genl *genl = &self->genl;
	struct libdstack_status after;

	EXPECT_EQ(0, genl_ask(genl, genl_state(genl, self->before.state)));
	ASSERT_EQ(0, libdstack_status(self->control, &after));
	EXPECT_EQ(self->before.log_count, after.log_count);
}

/*
 * EVENT_ADD
 */

TEST_F(netlink, malformed_and_reserved_events_rejected)
{
	static const char * const names[] = {
		"", " ", "a b", "a:b", "a/b", "a=b", "a\nb", "\xff",
		"dstack.x", "dstack.exec", "dstack.user", "dstack.",
	};
	struct genl *genl = &self->genl;
	struct libdstack_status after;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(names); i++)
		EXPECT_EQ(-EINVAL, genl_ask(genl, genl_event(genl, names[i],
							     "x", 1)))
			TH_LOG("name '%s'", names[i]);
	EXPECT_STRNE("", genl->why);
	ASSERT_EQ(0, libdstack_status(self->control, &after));
	EXPECT_EQ(self->before.log_count, after.log_count);
}

static int take_first(const struct dstack_log_record *record, void *copy)
{
	memcpy(copy, record, record->size);
	return 1;
}

/* The record of an event, as long as the daemon is stopped. */
static int event_recorded(struct genl *genl, struct libdstack_control *control,
			  const char *name, const void *payload, size_t len)
{
	static uint64_t buf[1024];
	const struct dstack_log_record *record = (void *)buf;
	struct libdstack_status status;
	int fd = device_open();
	uint64_t seq;
	int err;

	err = libdstack_status(control, &status) ?:
	      genl_ask(genl, genl_event(genl, name, payload, len));
	seq = status.log_count;
	if (!err && libdstack_read_log(fd, &seq, take_first, buf) != 1)
		err = -ENODATA;
	if (!err && (record->name_len != strlen(name) ||
		     memcmp(record->data, name, strlen(name)) ||
		     record->payload_len != len ||
		     memcmp(record->data + strlen(name), payload, len) ||
		     !digest_matches(record)))
		err = -EBADMSG;
	close(fd);
	return err;
}

TEST_F(netlink, event_is_recorded_as_it_came)
{
	struct genl *genl = &self->genl;
	static uint8_t payload[PAYLOAD_MAX] = "\0 =%\n\xff raw";
	char name[64];
	int pause;

	ASSERT_EQ(0, daemon_catch_up(self->control));
	pause = daemon_pause();
	ASSERT_LE(0, pause);
	EXPECT_EQ(0, event_recorded(genl, self->control, "selftest-event",
				    payload, sizeof(payload)));
	EXPECT_EQ(0, event_recorded(genl, self->control, "selftest-event", "",
				    0));
	EXPECT_EQ(0, event_recorded(genl, self->control, "dstack", "x", 1));
	memset(name, 'n', 63);
	name[63] = '\0';
	EXPECT_EQ(0, event_recorded(genl, self->control, name, "x", 1));
	close(pause);
}

/*
 * LOG_ACK
 */

TEST_F(netlink, acknowledgement_past_the_end_or_back_rejected)
{
	struct genl *genl = &self->genl;
	struct libdstack_status status;

	ASSERT_EQ(0, libdstack_add_event(self->control, "selftest-ack", "", 0));
	ASSERT_EQ(0, daemon_catch_up(self->control));
	ASSERT_EQ(0, libdstack_status(self->control, &status));
	EXPECT_EQ(-ERANGE, genl_ask(genl, ask_ack(genl, UINT64_MAX)));
	EXPECT_EQ(-ERANGE,
		  genl_ask(genl, ask_ack(genl, status.log_count + 1)));
	EXPECT_EQ(-ERANGE,
		  genl_ask(genl, ask_ack(genl, status.log_acked - 1)));
	EXPECT_EQ(-ERANGE, genl_ask(genl, ask_ack(genl, 0)));
	EXPECT_STRNE("", genl->why);
	EXPECT_EQ(0, genl_ask(genl, ask_ack(genl, status.log_acked)));
}

/*
 * HOOKS_SET
 */

/* Some link of the machine: those of the hooks are there at least. */
static int any_link(void)
{
	uint32_t id = 0;

	return bpf_link_get_next_id(id, &id) ? -errno :
	       bpf_link_get_fd_by_id(id);
}

TEST_F(netlink, only_bpf_links_are_hooks)
{
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	int fake = open("/tmp/bpf_link", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	int link = any_link();
	const int others[] = { -1, 1 << 20, null, self->genl.fd, fake };
	struct genl *genl = &self->genl;
	size_t i;
	int hook;

	unlink("/tmp/bpf_link");
	ASSERT_LE(0, null);
	ASSERT_LE(0, fake);
	ASSERT_LE(0, link);
	for (i = 0; i < ARRAY_SIZE(others); i++)
		for (hook = 0; hook < __DSTACK_HOOK_MAX; hook++)
			EXPECT_EQ(-EINVAL,
				  genl_ask(genl, ask_hooks_but(genl, link, hook,
							       others[i])))
				TH_LOG("file %zu, hook %d", i, hook);
	EXPECT_STRNE("", genl->why);
	close(null);
	close(fake);
	close(link);
}

TEST_F(netlink, held_hooks_stay)
{
	struct genl *genl = &self->genl;
	int link = any_link();

	ASSERT_LE(0, link);
	ASSERT_EQ((1U << __DSTACK_HOOK_MAX) - 1, self->before.hooks);
	EXPECT_EQ(-EBUSY, genl_ask(genl, ask_hooks_but(genl, link, 0, link)));
	EXPECT_STRNE("", genl->why);
	close(link);
}

TEST_HARNESS_MAIN
