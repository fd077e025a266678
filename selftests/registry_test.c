// SPDX-License-Identifier: MIT
/*
 * Containers: registering them, and whose process is whose
 *
 * Copyright The dstack for Linux authors
 */
#include "dstack_test.h"
#include "genl.h"

#define PARENT		CGROUP_ROOT "/selftest-parent"
#define CHILD		PARENT "/child"

FIXTURE(registry)
{
	struct genl genl;
	struct libdstack_control *control;
	struct libdstack_status before;
	struct container c;
	int cgroup;
};

/* A cgroup that is not registered yet. */
FIXTURE_SETUP(registry)
{
	int err = genl_open(&self->genl);

	if (err == -ENOENT)
		SKIP(return, "no family " DSTACK_GENL_NAME ": load the module");
	ASSERT_EQ(0, err);
	ASSERT_EQ(0, libdstack_control_open(&self->control));
	ASSERT_EQ(0, libdstack_status(self->control, &self->before));
	container_name(&self->c, "registry");
	self->cgroup = cgroup_make(self->c.cgroup);
	ASSERT_LE(0, self->cgroup);
}

FIXTURE_TEARDOWN(registry)
{
	struct libdstack_status after;

	close(self->cgroup);
	EXPECT_EQ(0, cgroup_remove(self->c.cgroup));
	EXPECT_EQ(0, libdstack_status(self->control, &after));
	EXPECT_EQ(self->before.containers, after.containers);
	libdstack_control_close(self->control);
	genl_close(&self->genl);
}

static int add(struct genl *genl, const char *id, int cgroup)
{
	return genl_ask(genl, genl_add(genl, id, cgroup));
}

static int add_section(struct genl *genl, const char *id, int cgroup,
		       const char *section)
{
	struct nl_msg *msg = genl_add(genl, id, cgroup);

	nla_put_string(msg, DSTACK_A_SECTION, section);
	return genl_ask(genl, msg);
}

static int take_away(struct genl *genl, const char *id)
{
	struct nl_msg *msg = genl_new(genl, DSTACK_CMD_CONTAINER_REMOVE, 0);

	nla_put_string(msg, DSTACK_A_ID, id);
	return genl_ask(genl, msg);
}

/* A process that died may be in its cgroup for a moment longer. */
static int forget(struct genl *genl, const char *id)
{
	int ms, err = -EBUSY;

	for (ms = 0; err == -EBUSY && ms < PATIENCE_MS; ms += 10) {
		err = take_away(genl, id);
		if (err == -EBUSY)
			sleep_ms(10);
	}
	return err;
}

/*
 * CONTAINER_ADD
 */

TEST_F(registry, only_cgroups_are_containers)
{
	int procs, fds[] = { -1, 1 << 20, open("/", O_RDONLY | O_CLOEXEC),
			     open("/proc/self/cgroup", O_RDONLY | O_CLOEXEC),
			     self->genl.fd };
	struct genl *genl = &self->genl;
	size_t i;

	procs = openat(self->cgroup, "cgroup.procs", O_RDONLY | O_CLOEXEC);
	ASSERT_LE(0, procs);
	for (i = 0; i < ARRAY_SIZE(fds); i++)
		EXPECT_EQ(-EBADF, add(genl, self->c.as.id, fds[i]))
			TH_LOG("file %zu", i);
	EXPECT_EQ(-EBADF, add(genl, self->c.as.id, procs));
	EXPECT_STRNE("", genl->why);
	close(procs);
	close(fds[2]);
	close(fds[3]);
}

TEST_F(registry, removed_cgroup_rejected)
{
	ASSERT_EQ(0, rmdir(self->c.cgroup));
	EXPECT_EQ(-EBADF, add(&self->genl, self->c.as.id, self->cgroup));
	ASSERT_EQ(0, mkdir(self->c.cgroup, 0755));
}

TEST_F(registry, malformed_ids_and_sections_rejected)
{
	static const char * const names[] = {
		"", " ", "a b", "a:b", "a/b", "../a", "a=b", "a%", "\xff",
	};
	struct genl *genl = &self->genl;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(names); i++) {
		EXPECT_EQ(-EINVAL, add(genl, names[i], self->cgroup))
			TH_LOG("id '%s'", names[i]);
		EXPECT_EQ(-EINVAL, add_section(genl, self->c.as.id,
					       self->cgroup, names[i]))
			TH_LOG("section '%s'", names[i]);
	}
	EXPECT_STRNE("", genl->why);
}

TEST_F(registry, nobody_else_is_the_host)
{
	struct genl *genl = &self->genl;

	EXPECT_EQ(-EINVAL, add(genl, DSTACK_HOST_ID, self->cgroup));
	EXPECT_EQ(-ENOENT, take_away(genl, DSTACK_HOST_ID));
	/* A section may have that name. */
	EXPECT_EQ(0, add_section(genl, self->c.as.id, self->cgroup,
				 DSTACK_HOST_ID));
	EXPECT_EQ(0, forget(genl, self->c.as.id));
}

/* @len letters. */
static const char *letters(size_t len)
{
	static char text[2][DSTACK_ID_SIZE + 1];
	static int next;

	next ^= 1;
	memset(text[next], 'n', len);
	text[next][len] = '\0';
	return text[next];
}

TEST_F(registry, id_takes_127_bytes_and_section_63)
{
	struct genl *genl = &self->genl;
	const char *id = letters(127);

	EXPECT_EQ(0, add_section(genl, id, self->cgroup, letters(63)));
	EXPECT_EQ(0, forget(genl, id));
}

TEST_F(registry, longer_ids_and_sections_rejected)
{
	struct genl *genl = &self->genl;

	EXPECT_EQ(-EINVAL, add_section(genl, letters(128), self->cgroup, "x"));
	EXPECT_EQ(-EINVAL, take_away(genl, letters(128)));
	EXPECT_EQ(-EINVAL, add_section(genl, self->c.as.id, self->cgroup,
				       letters(64)));
}

/* Nobody gets the section of a name that was cut. */
TEST_F(registry, long_id_needs_a_section)
{
	struct genl *genl = &self->genl;

	EXPECT_EQ(-EINVAL, add(genl, letters(64), self->cgroup));
	EXPECT_STRNE("", genl->why);
	EXPECT_EQ(0, add_section(genl, letters(64), self->cgroup, "x"));
	EXPECT_EQ(0, forget(genl, letters(64)));
	EXPECT_EQ(0, add(genl, letters(63), self->cgroup));
	EXPECT_EQ(0, forget(genl, letters(63)));
}

TEST_F(registry, id_and_cgroup_are_registered_once)
{
	struct genl *genl = &self->genl;
	int other = cgroup_make(PARENT);

	ASSERT_LE(0, other);
	ASSERT_EQ(0, add(genl, self->c.as.id, self->cgroup));
	EXPECT_EQ(-EEXIST, add(genl, self->c.as.id, self->cgroup));
	EXPECT_EQ(-EEXIST, add(genl, "selftest-other", self->cgroup));
	EXPECT_EQ(-EEXIST, add(genl, self->c.as.id, other));
	EXPECT_STRNE("", genl->why);
	/* Ids are as long as they are. */
	EXPECT_EQ(0, add(genl, "selftest-registr", other));
	EXPECT_EQ(0, forget(genl, "selftest-registr"));
	EXPECT_EQ(0, forget(genl, self->c.as.id));
	close(other);
	EXPECT_EQ(0, cgroup_remove(PARENT));
}

TEST_F(registry, refused_id_can_be_used_later)
{
	struct genl *genl = &self->genl;

	EXPECT_EQ(-EINVAL, add_section(genl, self->c.as.id, self->cgroup, ""));
	EXPECT_EQ(-EBADF, add(genl, self->c.as.id, -1));
	EXPECT_EQ(0, add(genl, self->c.as.id, self->cgroup));
	EXPECT_EQ(0, forget(genl, self->c.as.id));
	EXPECT_EQ(0, add(genl, self->c.as.id, self->cgroup));
	EXPECT_EQ(0, forget(genl, self->c.as.id));
}

struct asked {
	const char *id;
	int cgroup;
};

static int add_from_here(void *arg)
{
	const struct asked *asked = arg;
	struct genl genl;

	return genl_open(&genl) ?: add(&genl, asked->id, asked->cgroup);
}

TEST_F(registry, cgroup_of_the_caller_or_above_rejected)
{
	int parent = cgroup_make(PARENT), child = cgroup_make(CHILD);
	int root = open(CGROUP_ROOT, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct asked asked = { .id = self->c.as.id };

	ASSERT_LE(0, parent);
	ASSERT_LE(0, child);
	ASSERT_LE(0, root);
	asked.cgroup = root;
	EXPECT_EQ(-ELOOP, in_child(add_from_here, &asked));
	asked.cgroup = child;
	EXPECT_EQ(-ELOOP, in_cgroup(CHILD, add_from_here, &asked));
	asked.cgroup = parent;
	EXPECT_EQ(-ELOOP, in_cgroup(CHILD, add_from_here, &asked));
	/* Below it is another matter. */
	asked.cgroup = child;
	EXPECT_EQ(0, in_cgroup(PARENT, add_from_here, &asked));
	EXPECT_EQ(0, forget(&self->genl, self->c.as.id));
	close(parent);
	close(child);
	close(root);
	EXPECT_EQ(0, cgroup_remove(CHILD));
	EXPECT_EQ(0, cgroup_remove(PARENT));
}

/*
 * CONTAINER_GET
 */

static int find_container(const struct libdstack_container *c, void *arg)
{
	struct libdstack_container *wanted = arg;

	if (strcmp(c->id, wanted->id))
		return 0;
	*wanted = *c;
	return 1;
}

TEST_F(registry, dump_tells_what_was_registered)
{
	struct libdstack_container found = { 0 };
	struct libdstack_container *as = &self->c.as;
	struct stat st;

	memset(as->app_id, 0xa1, sizeof(as->app_id));
	memset(as->image, 0x1a, sizeof(as->image));
	ASSERT_EQ(0, libdstack_add_container(self->control, self->cgroup, as));
	strcpy(found.id, as->id);
	EXPECT_EQ(1, libdstack_list_containers(self->control, find_container,
					       &found));
	EXPECT_STREQ("selftest", found.section);
	EXPECT_EQ(0, memcmp(as->app_id, found.app_id, sizeof(found.app_id)));
	EXPECT_EQ(0, memcmp(as->image, found.image, sizeof(found.image)));
	/* A cgroup's id is its inode's number. */
	EXPECT_EQ(0, fstat(self->cgroup, &st));
	EXPECT_EQ(st.st_ino, found.cgroup_id);
	EXPECT_EQ(0, found.allowed);
	EXPECT_EQ(0, found.denied);
	EXPECT_EQ(0, forget(&self->genl, as->id));
	EXPECT_EQ(0, libdstack_list_containers(self->control, find_container,
					       &found));
}

TEST_F(registry, section_is_the_id_unless_given)
{
	struct libdstack_container found = { 0 };

	ASSERT_EQ(0, add(&self->genl, self->c.as.id, self->cgroup));
	strcpy(found.id, self->c.as.id);
	EXPECT_EQ(1, libdstack_list_containers(self->control, find_container,
					       &found));
	EXPECT_STREQ(self->c.as.id, found.section);
	EXPECT_EQ(0, forget(&self->genl, self->c.as.id));
}

static int count_container(const struct libdstack_container *c, void *arg)
{
	(void)c;
	++*(int *)arg;
	return 0;
}

/* More than one message holds. */
TEST_F_TIMEOUT(registry, dump_has_all_of_many, 60)
{
	int fds[100], count = 0;
	struct genl *genl = &self->genl;
	char path[256], id[32];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(fds); i++) {
		snprintf(id, sizeof(id), "selftest-many-%zu", i);
		snprintf(path, sizeof(path), "%s/%s", self->c.cgroup, id);
		fds[i] = cgroup_make(path);
		ASSERT_LE(0, fds[i]);
		EXPECT_EQ(0, add(genl, id, fds[i]));
	}
	EXPECT_EQ(0, libdstack_list_containers(self->control, count_container,
					       &count));
	EXPECT_EQ(self->before.containers + ARRAY_SIZE(fds), count);
	for (i = 0; i < ARRAY_SIZE(fds); i++) {
		snprintf(id, sizeof(id), "selftest-many-%zu", i);
		snprintf(path, sizeof(path), "%s/%s", self->c.cgroup, id);
		close(fds[i]);
		EXPECT_EQ(0, forget(genl, id));
		EXPECT_EQ(0, cgroup_remove(path));
	}
}

/*
 * CONTAINER_REMOVE
 */

TEST_F(registry, unknown_cannot_be_removed)
{
	EXPECT_EQ(-ENOENT, take_away(&self->genl, "selftest-unknown"));
	EXPECT_EQ(-ENOENT, take_away(&self->genl, ""));
	EXPECT_STRNE("", self->genl.why);
}

/* A process that is in this cgroup when we return, and waits there. */
static pid_t sit_in(const char *cgroup)
{
	int fds[2], err = -EPIPE;
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC))
		return -errno;
	pid = fork();
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		err = cgroup_enter(cgroup);
		if (write(fds[1], &err, sizeof(err)) != sizeof(err))
			_exit(1);
		for (;;)
			pause();
	}
	close(fds[1]);
	if (read(fds[0], &err, sizeof(err)) != sizeof(err))
		err = -EPIPE;
	close(fds[0]);
	return err ?: pid;
}

TEST_F(registry, populated_cannot_be_removed)
{
	struct genl *genl = &self->genl;
	pid_t pid;

	ASSERT_EQ(0, add(genl, self->c.as.id, self->cgroup));
	pid = sit_in(self->c.cgroup);
	ASSERT_LT(0, pid);
	EXPECT_EQ(-EBUSY, take_away(genl, self->c.as.id));
	EXPECT_STRNE("", genl->why);
	kill(pid, SIGKILL);
	wait_child(pid);
	EXPECT_EQ(0, forget(genl, self->c.as.id));
}

/* 0 if the module takes us for the container of this id. */
static int am(void *id)
{
	struct dstack_info info = { .size = sizeof(info) };
	int fd = device_open();
	int err = device_call(fd, DSTACK_INFO, &info);

	close(fd);
	return err ?: strcmp(id, (char *)info.out_id) ? -EXDEV : 0;
}

/*
 * Cgroups that were removed
 */

/* The cgroup of this path is another one afterwards. */
static int renew(const char *path, int *cgroup)
{
	close(*cgroup);
	if (rmdir(path))
		return -errno;
	*cgroup = cgroup_make(path);
	return *cgroup < 0 ? *cgroup : 0;
}

TEST_F(registry, container_of_a_removed_cgroup_can_be_removed)
{
	struct genl *genl = &self->genl;

	ASSERT_EQ(0, add(genl, self->c.as.id, self->cgroup));
	ASSERT_EQ(0, renew(self->c.cgroup, &self->cgroup));
	EXPECT_EQ(0, take_away(genl, self->c.as.id));
	EXPECT_EQ(-ENOENT, take_away(genl, self->c.as.id));
}

TEST_F(registry, id_of_a_removed_cgroup_is_free)
{
	struct libdstack_container found = { 0 };
	struct genl *genl = &self->genl;
	struct stat st;

	ASSERT_EQ(0, add(genl, self->c.as.id, self->cgroup));
	ASSERT_EQ(0, renew(self->c.cgroup, &self->cgroup));
	EXPECT_EQ(0, add(genl, self->c.as.id, self->cgroup));
	strcpy(found.id, self->c.as.id);
	EXPECT_EQ(1, libdstack_list_containers(self->control, find_container,
					       &found));
	EXPECT_EQ(0, fstat(self->cgroup, &st));
	EXPECT_EQ(st.st_ino, found.cgroup_id);
	EXPECT_EQ(0, forget(genl, self->c.as.id));
	EXPECT_EQ(-ENOENT, take_away(genl, self->c.as.id));
}

/* Not only its own id: what died anywhere is no longer counted. */
TEST_F(registry, removed_cgroups_leave_the_registry)
{
	struct libdstack_status status;
	struct genl *genl = &self->genl;
	char path[256], id[32];
	int i, fd;

	for (i = 0; i < 3; i++) {
		snprintf(id, sizeof(id), "selftest-dead-%d", i);
		snprintf(path, sizeof(path), "%s/%s", self->c.cgroup, id);
		fd = cgroup_make(path);
		ASSERT_LE(0, fd);
		EXPECT_EQ(0, add(genl, id, fd));
		close(fd);
		/* Of these, all are gone but the one just added. */
		EXPECT_EQ(0, rmdir(path));
		EXPECT_EQ(0, libdstack_status(self->control, &status));
		EXPECT_EQ(self->before.containers + 1, status.containers);
	}
	EXPECT_EQ(0, add(genl, self->c.as.id, self->cgroup));
	EXPECT_EQ(-ENOENT, take_away(genl, "selftest-dead-2"));
	EXPECT_EQ(0, forget(genl, self->c.as.id));
}

/* Payloads, one a line. */
struct last_events {
	char text[4096];
};

static int append_event(const struct dstack_log_record *record, void *arg)
{
	struct last_events *last = arg;
	size_t len = strlen(last->text);

	snprintf(last->text + len, sizeof(last->text) - len, "%.*s\n",
		 (int)record->payload_len,
		 (const char *)record->data + record->name_len);
	return 0;
}

TEST_F(registry, heir_is_recorded_after_the_end_of_the_dead)
{
	struct genl *genl = &self->genl;
	struct last_events last = { 0 };
	struct libdstack_status status;
	int pause, fd = device_open();
	char *removed, *added;

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, add(genl, self->c.as.id, self->cgroup));
	ASSERT_EQ(0, renew(self->c.cgroup, &self->cgroup));
	ASSERT_EQ(0, daemon_catch_up(self->control));
	pause = daemon_pause();
	ASSERT_LE(0, pause);
	ASSERT_EQ(0, libdstack_status(self->control, &status));
	ASSERT_EQ(0, add(genl, self->c.as.id, self->cgroup));
	EXPECT_EQ(0, libdstack_read_log(fd, &status.log_count, append_event,
					&last));
	removed = strstr(last.text, "v=1 action=remove id=selftest-registry ");
	added = strstr(last.text, "v=1 action=add id=selftest-registry ");
	EXPECT_TRUE(removed == last.text) TH_LOG("%s", last.text);
	EXPECT_TRUE(removed && removed < added) TH_LOG("%s", last.text);
	close(pause);
	close(fd);
	EXPECT_EQ(0, forget(genl, self->c.as.id));
}

/* Whoever sits in it is not set free by another registration. */
TEST_F(registry, populated_cgroup_is_not_taken_for_a_removed_one)
{
	struct genl *genl = &self->genl;
	int other = cgroup_make(PARENT);
	pid_t pid;

	ASSERT_LE(0, other);
	ASSERT_EQ(0, add(genl, self->c.as.id, self->cgroup));
	pid = sit_in(self->c.cgroup);
	ASSERT_LT(0, pid);
	EXPECT_EQ(-EBUSY, rmdir(self->c.cgroup) ? -errno : 0);
	EXPECT_EQ(-EEXIST, add(genl, self->c.as.id, other));
	EXPECT_EQ(0, add(genl, "selftest-other", other));
	EXPECT_EQ(0, in_cgroup(self->c.cgroup, am, self->c.as.id));
	EXPECT_EQ(0, forget(genl, "selftest-other"));
	kill(pid, SIGKILL);
	wait_child(pid);
	EXPECT_EQ(0, forget(genl, self->c.as.id));
	close(other);
	EXPECT_EQ(0, cgroup_remove(PARENT));
}

/*
 * Whose process is whose
 */

TEST_F(registry, process_belongs_to_its_nearest_container)
{
	struct genl *genl = &self->genl;
	int parent = cgroup_make(PARENT), child = cgroup_make(CHILD);

	ASSERT_LE(0, parent);
	ASSERT_LE(0, child);
	EXPECT_EQ(0, in_cgroup(CHILD, am, "host"));
	ASSERT_EQ(0, add(genl, "selftest-parent", parent));
	EXPECT_EQ(0, in_cgroup(PARENT, am, "selftest-parent"));
	EXPECT_EQ(0, in_cgroup(CHILD, am, "selftest-parent"));
	ASSERT_EQ(0, add(genl, "selftest-child", child));
	EXPECT_EQ(0, in_cgroup(CHILD, am, "selftest-child"));
	EXPECT_EQ(0, in_cgroup(PARENT, am, "selftest-parent"));
	EXPECT_EQ(0, in_cgroup(self->c.cgroup, am, "host"));
	EXPECT_EQ(0, in_child(am, "host"));
	EXPECT_EQ(0, forget(genl, "selftest-child"));
	EXPECT_EQ(0, in_cgroup(CHILD, am, "selftest-parent"));
	EXPECT_EQ(0, forget(genl, "selftest-parent"));
	close(parent);
	close(child);
	EXPECT_EQ(0, cgroup_remove(CHILD));
	EXPECT_EQ(0, cgroup_remove(PARENT));
}

/* What all ioctls say on this descriptor, or -EPROTO if they differ. */
static int all_say(void *arg)
{
	uint32_t request[64] = { 0 };
	int fd = *(int *)arg, err, first = 1;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(ioctls); i++) {
		request[0] = ioctls[i].size;
		err = device_call(fd, ioctls[i].cmd, request);
		if (first != 1 && err != first)
			return -EPROTO;
		/* Whose it is comes before what it is. */
		if (device_call(fd, ioctls[i].cmd, NULL) != err)
			return -EPROTO;
		first = err;
	}
	if (device_call(fd, _IO(DSTACK_IOC_TYPE, 0xff), NULL) != -ENOTTY)
		return -EPROTO;
	return first;
}

static int open_then_leave(void *unused)
{
	int fd = device_open();

	(void)unused;
	return cgroup_enter(CGROUP_ROOT) ? -ECHILD : all_say(&fd);
}

TEST_F(registry, descriptor_of_the_host_is_of_no_use_in_a_container)
{
	int fd = device_open();

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, add(&self->genl, self->c.as.id, self->cgroup));
	EXPECT_EQ(-EACCES, in_cgroup(self->c.cgroup, all_say, &fd));
	EXPECT_EQ(0, forget(&self->genl, self->c.as.id));
	EXPECT_EQ(0, in_cgroup(self->c.cgroup, am, "host"));
	close(fd);
}

TEST_F(registry, descriptor_of_a_container_is_of_no_use_outside)
{
	ASSERT_EQ(0, add(&self->genl, self->c.as.id, self->cgroup));
	EXPECT_EQ(-EACCES, in_cgroup(self->c.cgroup, open_then_leave, NULL));
	EXPECT_EQ(0, forget(&self->genl, self->c.as.id));
}

struct revival {
	struct genl *genl;
	const char *id, *path;
	int cgroup;
};

/* Open inside, go out, have the container registered anew, come back. */
static int open_in_former_life(void *arg)
{
	struct revival *revival = arg;
	int fd = device_open();

	if (cgroup_enter(CGROUP_ROOT) ||
	    forget(revival->genl, revival->id) ||
	    add(revival->genl, revival->id, revival->cgroup) ||
	    cgroup_enter(revival->path))
		return -ECHILD;
	return all_say(&fd);
}

TEST_F(registry, descriptor_dies_with_its_registration)
{
	struct revival revival = {
		.genl = &self->genl, .id = self->c.as.id,
		.path = self->c.cgroup, .cgroup = self->cgroup,
	};

	ASSERT_EQ(0, add(&self->genl, self->c.as.id, self->cgroup));
	EXPECT_EQ(-EACCES, in_cgroup(self->c.cgroup, open_in_former_life,
				     &revival));
	EXPECT_EQ(0, forget(&self->genl, self->c.as.id));
}

TEST_HARNESS_MAIN
