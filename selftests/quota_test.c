// SPDX-License-Identifier: MIT
/*
 * A container that records too much: what is refused, and to whom
 *
 * Copyright The dstack for Linux authors
 */
#include "dstack_test.h"
#include "event_log.h"

/* As kmod/bounds.h has them; first what waits for a daemon that is away. */
#define PENDING_MAX	16777216
#define SHARED		(PENDING_MAX - 2 * 1048576)	/* if they flood */
#define SHARE		(SHARED / 4)	/* of one alone */
#define USER_SHARE	(SHARED / 7)	/* ... for events of its own */
#define RATE		64
#define BURST		16384
#define FLOODS		24	/* each leaves 6/7 of what there is */

FIXTURE(quota)
{
	int fd;
	int pause;
	struct libdstack_control *control;
};

/* The daemon stands still, so that what is recorded waits for it. */
FIXTURE_SETUP(quota)
{
	self->fd = device_open();
	if (self->fd == -ENOENT)
		SKIP(return, "no " DEVICE ": load the module");
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, libdstack_control_open(&self->control));
	ASSERT_EQ(0, daemon_catch_up(self->control));
	self->pause = daemon_pause();
	ASSERT_LE(0, self->pause);
}

FIXTURE_TEARDOWN(quota)
{
	resume(&self->pause);
	EXPECT_EQ(0, daemon_catch_up(self->control));
	libdstack_control_close(self->control);
	close(self->fd);
}

static int exec_true(void *unused)
{
	(void)unused;
	execl("/bin/true", "true", NULL);
	return -errno;
}

/* Events of the caller's own until it gets an errno. */
static int flood(void *arg)
{
	static const uint8_t data[DSTACK_USER_DATA_MAX];
	int fd = device_open(), err = fd < 0 ? fd : 0;
	uint64_t seq;

	(void)arg;
	while (!err)
		err = add_event(fd, "flood", data, sizeof(data), &seq);
	return err;
}

/* Files that are no programs, each with another content. */
static int flood_execs(void *unused)
{
	static const char path[] = "/var/tmp/selftest-flood";
	char *argv[] = { (char *)path, NULL }, text[32];
	int fd, len, nr = 0, err;

	(void)unused;
	do {
		fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);
		len = snprintf(text, sizeof(text), "file %d\n", nr++);
		err = fd < 0 || write(fd, text, len) != len ? -errno : 0;
		close(fd);
		if (!err) {
			execv(path, argv);
			err = -errno;
		}
	} while (err == -ENOEXEC);
	unlink(path);
	return err;
}

static int count_this(const struct libdstack_container *c, void *arg)
{
	struct container *wanted = arg;

	if (!strcmp(c->id, wanted->as.id))
		wanted->as = *c;
	return 0;
}

/* What the module says of a container now. */
static int look(struct libdstack_control *control, struct container *c)
{
	return libdstack_list_containers(control, count_this, c);
}

TEST_F_TIMEOUT(quota, container_that_floods_is_refused_and_no_other, 100)
{
	struct container bad, good;
	uint64_t seq, first;

	expect_message("exec in container selftest-bad denied: .*-105");
	ASSERT_EQ(0, container_add(self->control, &bad, "bad"));
	ASSERT_EQ(0, container_add(self->control, &good, "good"));
	first = log_count(self->fd);
	EXPECT_EQ(-ENOBUFS, in_cgroup(bad.cgroup, flood, NULL));
	EXPECT_EQ(0, look(self->control, &bad));
	EXPECT_EQ(1, bad.as.refused);
	EXPECT_LT(USER_SHARE - USER_SHARE / 16, bad.as.pending);
	EXPECT_GT(USER_SHARE + 8192, bad.as.pending);
	/* Its own programs come before its own events. */
	EXPECT_EQ(0, in_cgroup(bad.cgroup, exec_true, NULL));
	EXPECT_EQ(-ENOBUFS, in_cgroup(bad.cgroup, flood_execs, NULL));
	EXPECT_EQ(0, look(self->control, &bad));
	EXPECT_LT(SHARE - SHARE / 16, bad.as.pending);
	EXPECT_GT(SHARE + 8192, bad.as.pending);
	EXPECT_EQ(-ENOBUFS, in_cgroup(bad.cgroup, exec_true, NULL));
	EXPECT_EQ(0, in_cgroup(good.cgroup, exec_true, NULL));
	EXPECT_EQ(0, in_child(exec_true, NULL));
	EXPECT_EQ(0, add_event(self->fd, "host", NULL, 0, &seq));
	EXPECT_EQ(0, look(self->control, &bad));
	EXPECT_EQ(3, bad.as.refused);
	EXPECT_EQ(0, look(self->control, &good));
	EXPECT_EQ(0, good.as.refused);
	/* What was refused is said. */
	EXPECT_EQ(1, count_records(self->fd, first, "dstack.quota",
				   "v=1 id=selftest-bad what=room count=1"));
	EXPECT_EQ(1, count_records(self->fd, first, "dstack.quota",
				   "v=1 id=selftest-bad what=room count=2"));

	resume(&self->pause);
	ASSERT_EQ(0, daemon_catch_up(self->control));
	EXPECT_EQ(0, look(self->control, &bad));
	EXPECT_EQ(0, bad.as.pending);
	EXPECT_EQ(0, in_cgroup(bad.cgroup, exec_true, NULL));
	EXPECT_EQ(0, container_remove(self->control, &bad));
	EXPECT_EQ(0, container_remove(self->control, &good));
}

static int refuse_three_times(void *arg)
{
	int i, err = 0;

	for (i = 0; i < 3; i++)
		err = flood(arg);
	return err;
}

/* Not a power of two: said when the container goes. */
TEST_F_TIMEOUT(quota, last_refusals_are_said_at_the_end, 100)
{
	struct container c;
	uint64_t first;

	ASSERT_EQ(0, container_add(self->control, &c, "log"));
	first = log_count(self->fd);
	EXPECT_EQ(-ENOBUFS, in_cgroup(c.cgroup, refuse_three_times, NULL));
	EXPECT_EQ(0, count_records(self->fd, first, "dstack.quota",
				   "v=1 id=selftest-log what=room count=3"));
	EXPECT_EQ(0, container_remove(self->control, &c));
	EXPECT_EQ(1, count_records(self->fd, first, "dstack.quota",
				   "v=1 id=selftest-log what=room count=3"));
}

/* With a daemon that drains, it is a matter of time. */
static int add_too_often(void *arg)
{
	int fd = device_open(), err = fd < 0 ? fd : 0;
	time_t start = time(NULL);
	uint64_t added = 0, seq;

	(void)arg;
	while (!err || err == -ENOBUFS) {
		err = add_event(fd, "often", NULL, 0, &seq);
		if (!err)
			added++;
		else if (err == -ENOBUFS)
			sleep_ms(10);
	}
	/* The burst, and what the time allows. */
	if (added < BURST ||
	    added > BURST + (uint64_t)(time(NULL) - start + 2) * RATE)
		err = -ERANGE;
	sleep_ms(1000);
	return err == -EDQUOT ? add_event(fd, "later", NULL, 0, &seq) : err;
}

TEST_F_TIMEOUT(quota, attack_46_too_many_user_events_are_edquot, 100)
{
	struct container bad, good;
	int i;

	resume(&self->pause);
	ASSERT_EQ(0, container_add(self->control, &bad, "bad"));
	ASSERT_EQ(0, container_add(self->control, &good, "good"));
	EXPECT_EQ(0, in_cgroup(bad.cgroup, add_too_often, NULL));
	EXPECT_EQ(0, look(self->control, &bad));
	EXPECT_LE(1, bad.as.refused);
	/* A rate of its own: what it runs is recorded. */
	EXPECT_EQ(0, in_cgroup(bad.cgroup, exec_true, NULL));
	EXPECT_EQ(0, in_cgroup(good.cgroup, exec_true, NULL));
	for (i = 0; i < 5 && daemon_catch_up(self->control); i++)
		;
	EXPECT_EQ(0, container_remove(self->control, &bad));
	EXPECT_EQ(0, container_remove(self->control, &good));
}

/* What only the operator does, with events as long as they can be. */
static int come_and_go(struct libdstack_control *control,
		       const struct container *c)
{
	struct libdstack_container as = c->as;
	int fd = open(c->cgroup, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int err = fd < 0 ? -errno : 0;

	memset(as.id, 'x', sizeof(as.id) - 1);
	while (!err)
		err = libdstack_add_container(control, fd, &as) ?:
		      libdstack_remove_container(control, as.id);
	close(fd);
	return err;
}

/* The last one may have come and not gone. */
static void let_go(struct libdstack_control *control)
{
	char id[DSTACK_ID_SIZE] = "";

	memset(id, 'x', sizeof(id) - 1);
	libdstack_remove_container(control, id);
}

/* However many flood, one that does not has room; and the operator has more. */
TEST_F_TIMEOUT(quota, full_log_refuses_and_loses_nothing, 200)
{
	static struct container floods[FLOODS];
	struct replay replay = { .fd = self->fd };
	struct libdstack_status status;
	struct container c, last;
	uint64_t seq, count;
	char name[16];
	int i, fd;

	expect_message("exec in container selftest-log denied: .*-105");
	ASSERT_EQ(0, container_add(self->control, &c, "log"));
	container_name(&last, "last");
	for (i = 0; i < FLOODS; i++) {
		snprintf(name, sizeof(name), "flood-%d", i);
		ASSERT_EQ(0, container_add(self->control, &floods[i], name));
		EXPECT_EQ(-ENOBUFS, in_cgroup(floods[i].cgroup, flood, NULL));
	}
	EXPECT_EQ(0, in_cgroup(c.cgroup, exec_true, NULL));
	EXPECT_EQ(0, libdstack_status(self->control, &status));
	EXPECT_LT(SHARED - SHARE / 4, status.log_pending);
	EXPECT_GT(SHARED + 8192, status.log_pending);
	fd = cgroup_make(last.cgroup);
	ASSERT_LE(0, fd);
	close(fd);
	EXPECT_EQ(-ENOBUFS, come_and_go(self->control, &last));
	EXPECT_EQ(0, libdstack_status(self->control, &status));
	EXPECT_LE(PENDING_MAX, status.log_pending);
	EXPECT_GT(PENDING_MAX + 8192, status.log_pending);

	count = log_count(self->fd);
	EXPECT_EQ(-ENOBUFS, add_event(self->fd, "full", NULL, 0, &seq));
	EXPECT_EQ(-ENOBUFS, libdstack_add_event(self->control, "full", "", 0));
	EXPECT_EQ(-ENOBUFS, in_cgroup(c.cgroup, exec_true, NULL));
	EXPECT_EQ(-ENOBUFS, container_forget(self->control, &c));
	/* The host can still run what repairs it. */
	EXPECT_EQ(0, in_child(exec_true, NULL));
	EXPECT_EQ(count, log_count(self->fd));
	EXPECT_EQ(0, status_replays(self->control, &replay));

	resume(&self->pause);
	/* There is much to store. */
	for (i = 0; i < 10 && daemon_catch_up(self->control); i++)
		;
	EXPECT_GT(10, i);
	EXPECT_EQ(0, add_event(self->fd, "full", NULL, 0, &seq));
	EXPECT_EQ(count, seq);
	EXPECT_EQ(0, in_cgroup(c.cgroup, exec_true, NULL));
	for (i = 0; i < FLOODS; i++)
		EXPECT_EQ(0, container_remove(self->control, &floods[i]));
	EXPECT_EQ(0, container_remove(self->control, &c));
	let_go(self->control);
	EXPECT_EQ(0, cgroup_remove(last.cgroup));
	EXPECT_EQ(0, status_replays(self->control, &replay));
}

TEST_HARNESS_MAIN
