// SPDX-License-Identifier: MIT
/*
 * DSTACK_WHY: the verdict on a file, asked for and not carried out
 *
 * Copyright The dstack for Linux authors
 */
#include "dstack_test.h"

#include <sys/epoll.h>
#include <sys/socket.h>

#define DISK_FILE	"/var/tmp/dstack-selftest-why"
#define MEMORY_FILE	"/dev/shm/dstack-selftest-why"
#define CONTENT		"what a file of these tests contains\n"

FIXTURE(why)
{
	int fd;
	int file;
	uint8_t digest[DSTACK_DIGEST_SIZE];
	struct libdstack_control *control;
	struct libdstack_status before;
	struct container c;
	struct dstack_why why;
};

/* A file with CONTENT, open only for reading; it has no name any more. */
static int make_file(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0700);
	int file = -1;

	if (fd < 0)
		return -errno;
	if (write(fd, CONTENT, strlen(CONTENT)) == strlen(CONTENT))
		file = open(path, O_RDONLY | O_CLOEXEC);
	close(fd);
	unlink(path);
	return file;
}

FIXTURE_SETUP(why)
{
	struct piece piece = { CONTENT, strlen(CONTENT) };

	self->fd = device_open();
	if (self->fd == -ENOENT)
		SKIP(return, "no " DEVICE ": load the module");
	ASSERT_LE(0, self->fd);
	self->file = make_file(DISK_FILE);
	ASSERT_LE(0, self->file);
	hash("SHA256", &piece, 1, self->digest);
	ASSERT_EQ(0, libdstack_control_open(&self->control));
	ASSERT_EQ(0, libdstack_status(self->control, &self->before));
	ASSERT_EQ(0, container_add(self->control, &self->c, "why"));
}

FIXTURE_TEARDOWN(why)
{
	EXPECT_EQ(0, libdstack_set_state(self->control, self->before.state));
	EXPECT_EQ(0, container_remove(self->control, &self->c));
	libdstack_control_close(self->control);
	close(self->file);
	close(self->fd);
}

static int ask(int fd, int file, uint32_t kind, const char *id,
	       struct dstack_why *why)
{
	memset(why, 0, sizeof(*why));
	why->size = sizeof(*why);
	why->fd = file;
	why->kind = kind;
	memcpy(why->id, id, strlen(id));
	return device_call(fd, DSTACK_WHY, why);
}

/* As root of the host, for our container. */
static int ask_for(FIXTURE_DATA(why) * self, int file, uint32_t kind)
{
	return ask(self->fd, file, kind, self->c.as.id, &self->why);
}

static bool digest_is_zero(const struct dstack_why *why)
{
	static const struct dstack_digest none;

	return !memcmp(&why->out_digest, &none, sizeof(none));
}

/*
 * What is wrong with the question
 */

TEST_F(why, one_known_kind_is_asked_for)
{
	struct dstack_why *why = &self->why;
	uint32_t kind;

	for (kind = 0; kind < 64; kind++) {
		bool one = kind == DSTACK_KIND_EXEC ||
			   kind == DSTACK_KIND_MAP ||
			   kind == DSTACK_KIND_SCRIPT ||
			   kind == DSTACK_KIND_KERNEL ||
			   kind == DSTACK_KIND_CONTROL;

		EXPECT_EQ(one ? 0 : -EINVAL,
			  ask(self->fd, self->file, kind, "", why))
			TH_LOG("kind %u", kind);
	}
	EXPECT_EQ(-EINVAL, ask(self->fd, self->file, UINT32_MAX, "", why));
}

TEST_F(why, id_without_end_rejected)
{
	struct dstack_why *why = &self->why;

	ask(self->fd, self->file, DSTACK_KIND_EXEC, "", why);
	memset(why->id, 'n', sizeof(why->id));
	EXPECT_EQ(-EINVAL, device_call(self->fd, DSTACK_WHY, why));
	why->id[sizeof(why->id) - 1] = '\0';
	EXPECT_EQ(-ENOENT, device_call(self->fd, DSTACK_WHY, why));
}

TEST_F(why, unknown_container_unknown)
{
	struct dstack_why *why = &self->why;
	const char *near = "selftest-wh";

	EXPECT_EQ(-ENOENT, ask(self->fd, self->file, DSTACK_KIND_EXEC, near,
			       why));
	EXPECT_EQ(-ENOENT, ask(self->fd, self->file, DSTACK_KIND_EXEC, ":",
			       why));
}

TEST_F(why, bad_descriptor_rejected)
{
	int path = open("/proc/self/exe", O_PATH | O_CLOEXEC);

	ASSERT_LE(0, path);
	EXPECT_EQ(-EBADF, ask_for(self, -1, DSTACK_KIND_EXEC));
	EXPECT_EQ(-EBADF, ask_for(self, 1 << 20, DSTACK_KIND_EXEC));
	EXPECT_EQ(-EBADF, ask_for(self, path, DSTACK_KIND_EXEC));
	EXPECT_EQ(-EBADF, ask(self->fd, -1, DSTACK_KIND_EXEC, "", &self->why));
	close(path);
}

/* Kind and id, who asks for whom, who there is, the file. */
TEST_F(why, checks_come_in_order)
{
	struct dstack_why *why = &self->why;

	EXPECT_EQ(-EINVAL, ask(self->fd, -1, 0, "selftest-none", why));
	EXPECT_EQ(-ENOENT, ask(self->fd, -1, DSTACK_KIND_MAP, "selftest-none",
			       why));
	EXPECT_EQ(-EBADF, ask_for(self, -1, DSTACK_KIND_MAP));
}

struct question {
	int fd;			/* of the device, -1: open it */
	int file;
	const char *id;
	bool as_nobody;
	bool of_host;		/* is that the reason expected? */
};

/* 0 if it was answered for the right one. */
static int put(void *arg)
{
	const struct question *question = arg;
	int fd = question->fd < 0 ? device_open() : question->fd;
	struct dstack_why why;

	if (question->as_nobody && become_nobody())
		return -ECHILD;
	return ask(fd, question->file, DSTACK_KIND_EXEC, question->id, &why) ?:
	       (why.out_reason == DSTACK_REASON_HOST) == question->of_host ?
	       0 : -EXDEV;
}

TEST_F(why, nobody_asks_only_for_himself)
{
	struct question question = {
		.fd = self->fd, .file = self->file, .as_nobody = true,
		.id = "", .of_host = true,
	};

	EXPECT_EQ(0, in_child(put, &question));
	question.id = DSTACK_HOST_ID;
	EXPECT_EQ(0, in_child(put, &question));
	question.id = self->c.as.id;
	EXPECT_EQ(-EPERM, in_child(put, &question));
	/* Nobody learns who there is. */
	question.id = "selftest-none";
	EXPECT_EQ(-EPERM, in_child(put, &question));
	question.file = -1;
	EXPECT_EQ(-EPERM, in_child(put, &question));
}

TEST_F(why, container_asks_only_for_itself)
{
	struct question question = {
		.fd = -1, .file = self->file, .id = "",
	};
	const char *cgroup = self->c.cgroup;

	EXPECT_EQ(0, in_cgroup(cgroup, put, &question));
	question.id = self->c.as.id;
	EXPECT_EQ(0, in_cgroup(cgroup, put, &question));
	question.as_nobody = true;
	EXPECT_EQ(0, in_cgroup(cgroup, put, &question));
	question.as_nobody = false;
	question.id = DSTACK_HOST_ID;
	EXPECT_EQ(-EPERM, in_cgroup(cgroup, put, &question));
	question.id = "selftest-none";
	EXPECT_EQ(-EPERM, in_cgroup(cgroup, put, &question));
}

/*
 * The answer
 */

TEST_F(why, host_may_run_anything)
{
	struct dstack_why *why = &self->why;
	static const uint32_t kinds[] = { DSTACK_KIND_EXEC, DSTACK_KIND_MAP,
					  DSTACK_KIND_SCRIPT };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(kinds); i++) {
		ASSERT_EQ(0, ask(self->fd, self->file, kinds[i], "", why));
		EXPECT_EQ(0, why->out_verdict);
		EXPECT_EQ(DSTACK_REASON_HOST, why->out_reason);
		EXPECT_TRUE(digest_is_zero(why));
	}
}

TEST_F(why, digest_is_that_of_the_content)
{
	int exe = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	struct dstack_why *why = &self->why;
	uint8_t digest[DSTACK_DIGEST_SIZE];

	ASSERT_LE(0, exe);
	ASSERT_EQ(0, file_sha256(exe, digest));
	ASSERT_EQ(0, ask_for(self, exe, DSTACK_KIND_EXEC));
	EXPECT_EQ(DSTACK_ALG_SHA256, why->out_digest.alg);
	EXPECT_EQ(0, memcmp(digest, why->out_digest.value, sizeof(digest)));
	EXPECT_EQ(self->before.policy_epoch, why->out_epoch);
	EXPECT_EQ(0, why->out_kinds);
	/* What ENFORCE would deny, MEASURE lets run. */
	EXPECT_EQ(0, why->out_verdict);
	EXPECT_NE(DSTACK_REASON_APPROVED, why->out_reason);
	close(exe);
}

TEST_F(why, asking_is_no_event)
{
	struct libdstack_status first, last;

	ASSERT_EQ(0, libdstack_status(self->control, &first));
	ASSERT_EQ(0, ask_for(self, self->file, DSTACK_KIND_EXEC));
	ASSERT_EQ(0, ask_for(self, self->file, DSTACK_KIND_MAP));
	ASSERT_EQ(0, libdstack_status(self->control, &last));
	EXPECT_EQ(first.log_count, last.log_count);
	EXPECT_EQ(first.denied, last.denied);
	EXPECT_EQ(first.allowed, last.allowed);
}

TEST_F(why, storage_is_classified)
{
	int memfd = memfd_create("why", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	int memory = make_file(MEMORY_FILE);
	int proc = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
	int sysfs = open("/sys/kernel/notes", O_RDONLY | O_CLOEXEC);
	struct dstack_why *why = &self->why;

	ASSERT_LE(0, memfd);
	ASSERT_LE(0, memory);
	ASSERT_LE(0, proc);
	ASSERT_LE(0, sysfs);
	ASSERT_EQ(0, ask_for(self, self->file, DSTACK_KIND_EXEC));
	EXPECT_EQ(DSTACK_STORAGE_DISK, why->out_storage);
	EXPECT_EQ(0, memcmp(self->digest, why->out_digest.value,
			    sizeof(self->digest)));
	ASSERT_EQ(0, ask_for(self, memory, DSTACK_KIND_EXEC));
	EXPECT_EQ(DSTACK_STORAGE_MEMORY, why->out_storage);
	EXPECT_EQ(0, memcmp(self->digest, why->out_digest.value,
			    sizeof(self->digest)));
	ASSERT_EQ(0, ask_for(self, memfd, DSTACK_KIND_EXEC));
	EXPECT_EQ(DSTACK_STORAGE_MEMFD_OPEN, why->out_storage);
	EXPECT_EQ(DSTACK_REASON_UNSEALED, why->out_reason);
	EXPECT_TRUE(digest_is_zero(why));
	ASSERT_EQ(0, ask_for(self, proc, DSTACK_KIND_EXEC));
	EXPECT_EQ(DSTACK_STORAGE_PSEUDO, why->out_storage);
	EXPECT_EQ(DSTACK_REASON_STORAGE, why->out_reason);
	ASSERT_EQ(0, ask_for(self, sysfs, DSTACK_KIND_EXEC));
	EXPECT_EQ(DSTACK_STORAGE_PSEUDO, why->out_storage);
	EXPECT_EQ(DSTACK_REASON_STORAGE, why->out_reason);
}

TEST_F(why, memfd_counts_once_nothing_can_change_it)
{
	static const int seals[] = { F_SEAL_GROW, F_SEAL_SHRINK, F_SEAL_WRITE };
	int memfd = memfd_create("why", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	struct dstack_why *why = &self->why;
	char path[64];
	size_t i;
	int file;

	ASSERT_LE(0, memfd);
	ASSERT_EQ(strlen(CONTENT), write(memfd, CONTENT, strlen(CONTENT)));
	for (i = 0; i < ARRAY_SIZE(seals); i++) {
		ASSERT_EQ(0, ask_for(self, memfd, DSTACK_KIND_EXEC));
		EXPECT_EQ(DSTACK_REASON_UNSEALED, why->out_reason);
		ASSERT_EQ(0, fcntl(memfd, F_ADD_SEALS, seals[i]));
	}
	/* The first descriptor is still one for writing. */
	snprintf(path, sizeof(path), "/proc/self/fd/%d", memfd);
	file = open(path, O_RDONLY | O_CLOEXEC);
	ASSERT_LE(0, file);
	close(memfd);
	ASSERT_EQ(0, ask_for(self, file, DSTACK_KIND_EXEC));
	EXPECT_EQ(DSTACK_STORAGE_MEMFD, why->out_storage);
	EXPECT_EQ(0, memcmp(self->digest, why->out_digest.value,
			    sizeof(self->digest)));
	close(file);
}

TEST_F(why, file_open_for_writing_is_said_to_be)
{
	char path[64];
	int writer;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", self->file);
	writer = open(path, O_WRONLY | O_CLOEXEC);
	ASSERT_LE(0, writer);
	ASSERT_EQ(0, ask_for(self, self->file, DSTACK_KIND_EXEC));
	EXPECT_EQ(DSTACK_REASON_WRITER, self->why.out_reason);
	EXPECT_TRUE(digest_is_zero(&self->why));
	close(writer);
	ASSERT_EQ(0, ask_for(self, self->file, DSTACK_KIND_EXEC));
	EXPECT_NE(DSTACK_REASON_WRITER, self->why.out_reason);
}

/* Neither hangs nor hashes. */
TEST_F(why, what_is_no_file_is_never_approved)
{
	int pipes[2], sockets[2];
	const int files[] = {
		pipe(pipes) ? -1 : pipes[0],
		socketpair(AF_UNIX, SOCK_STREAM, 0, sockets) ? -1 : sockets[0],
		open("/", O_RDONLY | O_DIRECTORY), open("/dev/zero", O_RDONLY),
		epoll_create1(0), self->fd,
		open("/proc/self/ns/pid", O_RDONLY), open("/proc", O_RDONLY),
		open(DISK_FILE, O_WRONLY | O_CREAT, 0600),
	};
	struct dstack_why *why = &self->why;
	size_t i;

	unlink(DISK_FILE);
	for (i = 0; i < ARRAY_SIZE(files); i++) {
		ASSERT_LE(0, files[i])
			TH_LOG("file %zu", i);
		EXPECT_EQ(0, ask_for(self, files[i], DSTACK_KIND_EXEC));
		EXPECT_NE(DSTACK_REASON_APPROVED, why->out_reason);
		EXPECT_EQ(0, why->out_kinds);
		EXPECT_TRUE(digest_is_zero(why))
			TH_LOG("file %zu", i);
	}
}

/*
 * The answer under a policy.  It stays: epochs only rise.
 */

static int load_policy(FIXTURE_DATA(why) * self, uint32_t kinds)
{
	static const uint8_t app_id[DSTACK_APP_ID_SIZE];
	struct dstack_digest digest = { .alg = DSTACK_ALG_SHA256 };
	struct libdstack_policy *policy;
	struct libdstack_status now;
	uint8_t active[DSTACK_APP_ID_SIZE];
	int err;

	err = libdstack_status(self->control, &now) ?:
	      libdstack_policy_new(app_id, now.policy_epoch + 1, &policy);
	if (err)
		return err;
	memcpy(digest.value, self->digest, sizeof(digest.value));
	err = libdstack_policy_add(policy, self->c.as.section, &digest,
				   kinds, NULL) ?:
	      libdstack_ensure_policy(self->control, policy, active);
	libdstack_policy_free(policy);
	return err;
}

TEST_F(why, policy_decides)
{
	static const struct {
		uint32_t named, kind, kinds, reason;
	} cases[] = {
		{ DSTACK_KIND_EXEC, DSTACK_KIND_EXEC,
		  DSTACK_KIND_EXEC | DSTACK_KIND_MAP, DSTACK_REASON_APPROVED },
		{ DSTACK_KIND_EXEC, DSTACK_KIND_MAP,
		  DSTACK_KIND_EXEC | DSTACK_KIND_MAP, DSTACK_REASON_APPROVED },
		{ DSTACK_KIND_EXEC, DSTACK_KIND_SCRIPT,
		  DSTACK_KIND_EXEC | DSTACK_KIND_MAP, DSTACK_REASON_KIND },
		{ DSTACK_KIND_MAP, DSTACK_KIND_MAP,
		  DSTACK_KIND_MAP, DSTACK_REASON_APPROVED },
		{ DSTACK_KIND_MAP, DSTACK_KIND_EXEC,
		  DSTACK_KIND_MAP, DSTACK_REASON_KIND },
		{ DSTACK_KIND_SCRIPT, DSTACK_KIND_SCRIPT,
		  DSTACK_KIND_SCRIPT, DSTACK_REASON_APPROVED },
		{ DSTACK_KIND_SCRIPT, DSTACK_KIND_EXEC,
		  DSTACK_KIND_SCRIPT, DSTACK_REASON_KIND },
	};
	struct dstack_why *why = &self->why;
	struct libdstack_status now;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		ASSERT_EQ(0, load_policy(self, cases[i].named));
		ASSERT_EQ(0, libdstack_status(self->control, &now));
		ASSERT_EQ(0, ask_for(self, self->file, cases[i].kind));
		EXPECT_EQ(cases[i].reason, why->out_reason)
			TH_LOG("case %zu", i);
		EXPECT_EQ(cases[i].kinds, why->out_kinds)
			TH_LOG("case %zu", i);
		EXPECT_EQ(now.policy_epoch, why->out_epoch);
		EXPECT_EQ(0, why->out_verdict);
	}
}

TEST_F(why, enforce_denies_what_is_not_named)
{
	int exe = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	int dir = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct dstack_why *why = &self->why;

	ASSERT_LE(0, exe);
	ASSERT_EQ(0, load_policy(self, DSTACK_KIND_EXEC));
	ASSERT_EQ(0, libdstack_set_state(self->control, DSTACK_STATE_ENFORCE));
	EXPECT_EQ(0, ask_for(self, self->file, DSTACK_KIND_EXEC));
	EXPECT_EQ(0, why->out_verdict);
	EXPECT_EQ(DSTACK_REASON_APPROVED, why->out_reason);
	EXPECT_EQ(0, ask_for(self, self->file, DSTACK_KIND_SCRIPT));
	EXPECT_EQ(-EACCES, why->out_verdict);
	EXPECT_EQ(DSTACK_REASON_KIND, why->out_reason);
	EXPECT_EQ(0, ask_for(self, exe, DSTACK_KIND_EXEC));
	EXPECT_EQ(-EACCES, why->out_verdict);
	EXPECT_EQ(DSTACK_REASON_UNKNOWN, why->out_reason);
	EXPECT_EQ(0, ask_for(self, dir, DSTACK_KIND_EXEC));
	EXPECT_EQ(-EACCES, why->out_verdict);
	EXPECT_EQ(DSTACK_REASON_INTERNAL, why->out_reason);
	/* The host may still repair it all. */
	EXPECT_EQ(0, ask(self->fd, exe, DSTACK_KIND_EXEC, "", why));
	EXPECT_EQ(0, why->out_verdict);
	close(exe);
	close(dir);
}

TEST_HARNESS_MAIN
