// SPDX-License-Identifier: MIT
/*
 * As many containers as there can be, and one more
 *
 * Copyright The dstack for Linux authors
 */
#include "dstack_test.h"
#include "genl.h"

#define CONTAINERS_MAX	4096	/* as kmod/bounds.h has it */
#define CROWD		CGROUP_ROOT "/selftest-crowd"

FIXTURE(crowd)
{
	struct genl genl;
	struct libdstack_control *control;
	struct libdstack_status before;
};

FIXTURE_SETUP(crowd)
{
	int err = genl_open(&self->genl);

	if (err == -ENOENT)
		SKIP(return, "no family " DSTACK_GENL_NAME ": load the module");
	ASSERT_EQ(0, err);
	ASSERT_EQ(0, libdstack_control_open(&self->control));
	ASSERT_EQ(0, libdstack_status(self->control, &self->before));
	/* No controllers below this one: its children cost little. */
	ASSERT_EQ(0, mkdir(CROWD, 0755));
}

static void member(char *path, size_t size, unsigned int nr)
{
	snprintf(path, size, CROWD "/%u", nr);
}

static int add(struct genl *genl, unsigned int nr)
{
	char path[128], id[32];
	int fd, err;

	member(path, sizeof(path), nr);
	snprintf(id, sizeof(id), "selftest-crowd-%u", nr);
	fd = cgroup_make(path);
	if (fd < 0)
		return fd;
	err = genl_ask(genl, genl_add(genl, id, fd));
	close(fd);
	return err;
}

FIXTURE_TEARDOWN(crowd)
{
	char path[128];
	unsigned int nr;

	for (nr = 0; nr < CONTAINERS_MAX + 3; nr++) {
		member(path, sizeof(path), nr);
		rmdir(path);
	}
	EXPECT_EQ(0, cgroup_remove(CROWD));
	libdstack_control_close(self->control);
	genl_close(&self->genl);
}

TEST_F_TIMEOUT(crowd, one_more_than_there_can_be_is_enospc, 100)
{
	struct libdstack_status full, after;
	struct genl *genl = &self->genl;
	char path[128];
	unsigned int nr;
	int err = 0;

	for (nr = 0; !err && nr <= CONTAINERS_MAX; nr++)
		err = add(genl, nr);
	ASSERT_EQ(-ENOSPC, err);
	EXPECT_NE(NULL, strstr(genl->why, "too many containers"));
	ASSERT_EQ(0, libdstack_status(self->control, &full));
	EXPECT_EQ(CONTAINERS_MAX, full.containers);
	/* Refused is not recorded. */
	EXPECT_EQ(-ENOSPC, add(genl, nr));
	ASSERT_EQ(0, libdstack_status(self->control, &after));
	EXPECT_EQ(full.log_count, after.log_count);

	/* Those of removed cgroups make way, all of them. */
	for (nr = 0; nr < CONTAINERS_MAX + 3; nr++) {
		member(path, sizeof(path), nr);
		rmdir(path);
	}
	EXPECT_EQ(0, add(genl, 0));
	ASSERT_EQ(0, libdstack_status(self->control, &after));
	EXPECT_EQ(self->before.containers + 1, after.containers);
	EXPECT_EQ(0, daemon_catch_up(self->control));
}

TEST_HARNESS_MAIN
