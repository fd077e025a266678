// SPDX-License-Identifier: MIT
/*
 * Calls in the wrong state: while the module looks at nothing
 *
 * Copyright The dstack for Linux authors
 *
 * OFF lets go of the hooks; dstackd takes hold of them again when told to.
 */
#include "dstack_test.h"
#include "genl.h"
#include "keys.h"
#include "other_link.h"

FIXTURE(off)
{
	int fd;
	int file;
	struct genl genl;
	struct libdstack_control *control;
	struct container c;
};

static uint32_t hooks(struct libdstack_control *control)
{
	struct libdstack_status status;

	return libdstack_status(control, &status) ? 0 : status.hooks;
}

static int hooks_come_back(struct libdstack_control *control)
{
	pid_t daemon = daemon_pid();
	int ms;

	if (daemon < 0 || kill(daemon, SIGHUP))
		return -ESRCH;
	for (ms = 0; !hooks(control); ms += 10) {
		if (ms >= PATIENCE_MS)
			return -ETIMEDOUT;
		sleep_ms(10);
	}
	return 0;
}

FIXTURE_SETUP(off)
{
	int err = genl_open(&self->genl);

	if (err == -ENOENT)
		SKIP(return, "no family " DSTACK_GENL_NAME ": load the module");
	ASSERT_EQ(0, err);
	ASSERT_EQ(0, libdstack_control_open(&self->control));
	self->fd = device_open();
	ASSERT_LE(0, self->fd);
	self->file = open("/bin/true", O_RDONLY | O_CLOEXEC);
	ASSERT_LE(0, self->file);
	ASSERT_EQ(0, container_add(self->control, &self->c, "off"));
	ASSERT_EQ(0, libdstack_set_state(self->control, DSTACK_STATE_OFF));
}

FIXTURE_TEARDOWN(off)
{
	EXPECT_EQ(0, hooks_come_back(self->control));
	EXPECT_EQ(0, libdstack_set_state(self->control, DSTACK_STATE_MEASURE));
	EXPECT_EQ(0, container_remove(self->control, &self->c));
	close(self->file);
	close(self->fd);
	libdstack_control_close(self->control);
	genl_close(&self->genl);
}

TEST_F(off, no_state_that_looks_without_hooks)
{
	static const uint32_t states[] = { DSTACK_STATE_MEASURE,
					   DSTACK_STATE_ENFORCE,
					   DSTACK_STATE_LOCKED };
	struct genl *genl = &self->genl;
	struct libdstack_status before, after;
	size_t i;

	ASSERT_EQ(0, libdstack_status(self->control, &before));
	EXPECT_EQ(0, before.hooks);
	EXPECT_EQ(DSTACK_STATE_OFF, before.state);
	for (i = 0; i < ARRAY_SIZE(states); i++) {
		EXPECT_EQ(-ENOLINK,
			  genl_ask(genl, genl_state(genl, states[i])));
		EXPECT_NE(NULL, strstr(genl->why, "start dstackd first"));
	}
	EXPECT_EQ(0, genl_ask(genl, genl_state(genl, DSTACK_STATE_OFF)));
	ASSERT_EQ(0, libdstack_status(self->control, &after));
	EXPECT_EQ(before.state, after.state);
	EXPECT_EQ(before.log_count, after.log_count);
}

static int exec_true(void *unused)
{
	(void)unused;
	execl("/bin/true", "true", NULL);
	return -errno;
}

TEST_F(off, nothing_is_recorded_or_counted)
{
	struct libdstack_status before, after;

	ASSERT_EQ(0, libdstack_status(self->control, &before));
	EXPECT_EQ(0, in_cgroup(self->c.cgroup, exec_true, NULL));
	ASSERT_EQ(0, libdstack_status(self->control, &after));
	EXPECT_EQ(before.log_count, after.log_count);
	EXPECT_EQ(before.allowed + before.denied, after.allowed + after.denied);
	/* The same exec, once somebody looks. */
	ASSERT_EQ(0, hooks_come_back(self->control));
	ASSERT_EQ(0, libdstack_set_state(self->control, DSTACK_STATE_MEASURE));
	EXPECT_EQ(0, in_cgroup(self->c.cgroup, exec_true, NULL));
	ASSERT_EQ(0, libdstack_status(self->control, &after));
	EXPECT_LT(before.log_count + 1, after.log_count);
	EXPECT_LT(before.allowed + before.denied, after.allowed + after.denied);
	ASSERT_EQ(0, libdstack_set_state(self->control, DSTACK_STATE_OFF));
}

TEST_F(off, verdict_says_off)
{
	struct dstack_why why = { .size = sizeof(why), .fd = self->file,
				  .kind = DSTACK_KIND_EXEC };

	memcpy(why.id, self->c.as.id, sizeof(why.id));
	EXPECT_EQ(0, device_call(self->fd, DSTACK_WHY, &why));
	EXPECT_EQ(0, why.out_verdict);
	EXPECT_EQ(DSTACK_REASON_OFF, why.out_reason);
	/* What is wrong with the question still is. */
	why.kind = 0;
	EXPECT_EQ(-EINVAL, device_call(self->fd, DSTACK_WHY, &why));
}

/* Of what runs now nobody will ever know. */
TEST_F(off, root_keys_are_wiped_and_none_is_taken)
{
	uint64_t epoch;

	EXPECT_EQ(-EPERM, load_root(&self->genl, 1 << 20, root_key));
	EXPECT_NE(NULL, strstr(self->genl.why, "no keys"));
	ASSERT_EQ(0, hooks_come_back(self->control));
	ASSERT_EQ(0, libdstack_set_state(self->control, DSTACK_STATE_MEASURE));
	ASSERT_EQ(0, load_next_root(&self->genl, &epoch, root_key));
	ASSERT_EQ(0, libdstack_set_state(self->control, DSTACK_STATE_OFF));
	EXPECT_EQ(0, count_roots(self->control));
}

static int bytes_of_app(void *unused)
{
	struct dstack_get_key get;
	uint8_t key[DSTACK_KEY_SIZE];

	(void)unused;
	ask_for(&get, DSTACK_KEY_BYTES, DSTACK_SCOPE_APP, "p");
	return get_bytes(device_open(), &get, key);
}

/* Before, now, and when somebody looks again. */
TEST_F(off, container_that_was_there_gets_no_keys_any_more)
{
	struct container later;
	uint64_t epoch;

	EXPECT_EQ(-EACCES, in_cgroup(self->c.cgroup, bytes_of_app, NULL));
	ASSERT_EQ(0, hooks_come_back(self->control));
	ASSERT_EQ(0, libdstack_set_state(self->control, DSTACK_STATE_MEASURE));
	ASSERT_EQ(0, key_policy_all(&self->genl, self->control));
	ASSERT_EQ(0, load_next_root(&self->genl, &epoch, root_key));
	EXPECT_EQ(-EACCES, in_cgroup(self->c.cgroup, bytes_of_app, NULL));
	ASSERT_EQ(0, container_add(self->control, &later, "later"));
	EXPECT_EQ(0, in_cgroup(later.cgroup, bytes_of_app, NULL));
	EXPECT_EQ(0, container_remove(self->control, &later));
	ASSERT_EQ(0, libdstack_set_state(self->control, DSTACK_STATE_OFF));
}

/* Evidence does not end: the log says that nobody looked. */
TEST_F(off, the_other_calls_work)
{
	static uint8_t buf[DSTACK_QUOTE_MAX];
	struct dstack_info info = { .size = sizeof(info) };
	struct dstack_get_quote quote = {
		.size = sizeof(quote), .quote = address(buf),
		.quote_len = sizeof(buf),
	};
	struct replay replay = { .fd = self->fd };
	struct libdstack_status status;
	uint64_t seq;

	EXPECT_EQ(0, device_call(self->fd, DSTACK_INFO, &info));
	EXPECT_EQ(DSTACK_STATE_OFF, info.out_state);
	EXPECT_EQ(0, libdstack_extend(self->fd, "off", "x", 1, &seq));
	ASSERT_EQ(0, device_call(self->fd, DSTACK_GET_QUOTE, &quote));
	EXPECT_LT(seq, quote.out_log_count);
	ASSERT_EQ(0, libdstack_status(self->control, &status));
	replay_begin(&replay, &status);
	EXPECT_EQ(0, replay_to(&replay, quote.out_log_count));
	EXPECT_EQ(0, memcmp(replay.value, quote.out_register,
			    sizeof(replay.value)));
}

TEST_F(off, exec_that_no_hook_saw_is_denied_and_the_keys_are_gone)
{
	static const uint32_t states[] = { DSTACK_STATE_MEASURE,
					   DSTACK_STATE_ENFORCE };
	int link = other_link(self->c.cgroup), links[__DSTACK_HOOK_MAX];
	uint64_t epoch;
	size_t i;

	expect_message("denied: no hook saw this exec");
	ASSERT_LE(0, link);
	for (i = 0; i < ARRAY_SIZE(links); i++)
		links[i] = link;
	EXPECT_EQ(0, in_cgroup(self->c.cgroup, exec_true, NULL));
	ASSERT_EQ(0, libdstack_set_hooks(self->control, links));
	for (i = 0; i < ARRAY_SIZE(states); i++) {
		EXPECT_EQ(0, libdstack_set_state(self->control, states[i]));
		ASSERT_EQ(0, load_next_root(&self->genl, &epoch, root_key));
		EXPECT_EQ(-EACCES, in_cgroup(self->c.cgroup, exec_true, NULL));
		EXPECT_EQ(0, count_roots(self->control));
		EXPECT_EQ(0, system("true"));
	}
	EXPECT_EQ(0, libdstack_set_state(self->control, DSTACK_STATE_OFF));
	close(link);
}

TEST_HARNESS_MAIN
