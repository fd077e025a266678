// SPDX-License-Identifier: MIT
/*
 * Root keys in state locked, when somebody got around the hooks
 *
 * Copyright The dstack for Linux authors
 *
 * Afterwards nothing at all can be executed: it is the last test of a machine,
 * and the machine's own command.
 */
#include "dstack_test.h"
#include "genl.h"
#include "keys.h"
#include "other_link.h"

#define LOCKDOWN	"/sys/kernel/security/lockdown"

FIXTURE(locked_end)
{
	struct genl genl;
	struct libdstack_control *control;
	struct container c;
};

FIXTURE_SETUP(locked_end)
{
	ASSERT_EQ(0, genl_open(&self->genl));
	ASSERT_EQ(0, libdstack_control_open(&self->control));
	ASSERT_EQ(0, container_add(self->control, &self->c, "end"));
	ASSERT_EQ(0, key_policy_all(&self->genl, self->control));
}

FIXTURE_TEARDOWN(locked_end)
{
	libdstack_control_close(self->control);
	genl_close(&self->genl);
}

/* In the place of each hook, a link that sees no exec. */
static int blind_hooks(struct libdstack_control *control, const char *cgroup)
{
	int link = other_link(cgroup), links[__DSTACK_HOOK_MAX], err;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(links); i++)
		links[i] = link;
	err = libdstack_set_hooks(control, links);
	close(link);
	return err;
}

static int lock_down(void)
{
	static const char level[] = "confidentiality";
	int fd = open(LOCKDOWN, O_WRONLY | O_CLOEXEC);
	ssize_t written = write(fd, level, strlen(level));

	close(fd);
	return written == (ssize_t)strlen(level) ? 0 : -EPERM;
}

static int exec_true(void *unused)
{
	(void)unused;
	execl("/bin/true", "true", NULL);
	return -errno;
}

TEST_F(locked_end, exec_that_no_hook_saw_is_denied_and_the_keys_are_gone)
{
	static const uint32_t states[] = {
		DSTACK_STATE_MEASURE, DSTACK_STATE_ENFORCE, DSTACK_STATE_LOCKED
	};
	uint64_t epoch;
	size_t i;

	ASSERT_EQ(0, libdstack_set_state(self->control, DSTACK_STATE_OFF));
	ASSERT_EQ(0, blind_hooks(self->control, self->c.cgroup));
	ASSERT_EQ(0, lock_down());
	for (i = 0; i < ARRAY_SIZE(states); i++)
		ASSERT_EQ(0, libdstack_set_state(self->control, states[i]));
	ASSERT_EQ(0, load_next_root(&self->genl, &epoch, root_key));
	ASSERT_EQ(1, count_roots(self->control));
	EXPECT_EQ(-EACCES, in_cgroup(self->c.cgroup, exec_true, NULL));
	EXPECT_EQ(0, count_roots(self->control));
	/* The host is no better. */
	ASSERT_EQ(0, load_next_root(&self->genl, &epoch, root_key));
	EXPECT_EQ(-EACCES, in_cgroup("/sys/fs/cgroup", exec_true, NULL));
	EXPECT_EQ(0, count_roots(self->control));
}

TEST_HARNESS_MAIN
