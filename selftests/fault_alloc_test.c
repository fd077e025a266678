// SPDX-License-Identifier: MIT
/*
 * Every allocation fails once, on its own
 *
 * Copyright The dstack for Linux authors
 *
 * Needs a kernel with fault injection (scripts/debug/config).  An operation is
 * repeated, and each time one allocation later in it fails, until none is left.
 * Whatever failed: nothing was recorded that did not happen, the log replays to
 * the register, and no program ran that may not.
 */
#include "dstack_test.h"
#include "upload.h"

#include <libgen.h>

#define DEBUGFS		"/sys/kernel/debug"
#define FAULTS_MAX	4000	/* no operation allocates as often */

FIXTURE(alloc)
{
	int fd, file;
	int nth;	/* of this thread, open before anything fails */
	struct libdstack_control *control;
	struct genl genl;
	struct container c;
};

static int set(const char *path, const char *value)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC), err;

	if (fd < 0)
		return -errno;
	err = write(fd, value, strlen(value)) < 0 ? -errno : 0;
	close(fd);
	return err;
}

/* Sleeping allocations too, in all sizes, without a trace of each. */
static int prepare(void)
{
	static const char *const settings[][2] = {
		{ DEBUGFS "/failslab/ignore-gfp-wait", "N" },
		{ DEBUGFS "/failslab/verbose", "0" },
		{ DEBUGFS "/fail_page_alloc/ignore-gfp-wait", "N" },
		{ DEBUGFS "/fail_page_alloc/ignore-gfp-highmem", "N" },
		{ DEBUGFS "/fail_page_alloc/min-order", "0" },
		{ DEBUGFS "/fail_page_alloc/verbose", "0" },
	};
	size_t i;
	int err = 0;

	for (i = 0; !err && i < ARRAY_SIZE(settings); i++)
		err = set(settings[i][0], settings[i][1]);
	return err;
}

/*
 * From now on the @nth allocation of the task behind @fd fails; 0: none.  This
 * and has_failed() allocate nothing: they do not count, and do not fail.
 */
static int fail_nth(int fd, unsigned int nth)
{
	char text[16];
	int len = snprintf(text, sizeof(text), "%u", nth);

	return pwrite(fd, text, len, 0) == len ? 0 : -errno;
}

/* Has what fail_nth() announced come to pass? */
static bool has_failed(int fd)
{
	char text[16] = "";

	if (pread(fd, text, sizeof(text) - 1, 0) <= 0)
		abort();
	return !atoi(text);
}

static int open_nth(pid_t pid)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/fail-nth", pid);
	return open(path, O_RDWR | O_CLOEXEC);
}

static const char *program(const char *name)
{
	static char path[4096];
	ssize_t len = readlink("/proc/self/exe", path, sizeof(path) - 32);

	path[len < 0 ? 0 : len] = '\0';
	dirname(path);
	return strcat(strcat(path, "/"), name);
}

static uint64_t epoch(struct libdstack_control *control)
{
	struct libdstack_status status;

	return libdstack_status(control, &status) ? UINT64_MAX :
						    status.policy_epoch;
}

static uint64_t log_count(struct libdstack_control *control)
{
	struct libdstack_status status;

	return libdstack_status(control, &status) ? 0 : status.log_count;
}

static int approve(FIXTURE_DATA(alloc) * self)
{
	static const uint8_t app_id[DSTACK_APP_ID_SIZE];
	struct dstack_digest digest = { .alg = DSTACK_ALG_SHA256 };
	struct libdstack_policy *policy;
	uint8_t active[DSTACK_APP_ID_SIZE];
	int fd = open(program("prog_hello"), O_RDONLY | O_CLOEXEC), err;

	err = file_sha256(fd, digest.value);
	close(fd);
	err = err ?: libdstack_policy_new(app_id, epoch(self->control) + 1,
					  &policy);
	if (err)
		return err;
	err = libdstack_policy_add(policy, self->c.as.section, &digest,
				   DSTACK_KIND_EXEC, NULL) ?:
	      libdstack_ensure_policy(self->control, policy, active);
	libdstack_policy_free(policy);
	return err;
}

FIXTURE_SETUP(alloc)
{
	if (access("/proc/self/fail-nth", W_OK) || prepare())
		SKIP(return, "no fault injection in this kernel");
	self->fd = device_open();
	ASSERT_LE(0, self->fd);
	self->nth = open_nth(getpid());
	ASSERT_LE(0, self->nth);
	self->file = open(program("prog_hello"), O_RDONLY | O_CLOEXEC);
	ASSERT_LE(0, self->file);
	ASSERT_EQ(0, libdstack_control_open(&self->control));
	ASSERT_EQ(0, genl_open(&self->genl));
	ASSERT_EQ(0, container_add(self->control, &self->c, "alloc"));
	ASSERT_EQ(0, approve(self));
	ASSERT_EQ(0, libdstack_set_state(self->control, DSTACK_STATE_ENFORCE));
	/* What others say who found no memory. */
	expect_message("Huh VM_FAULT_OOM leaked out to the #PF handler");
	expect_message("cgroup: .* failed to add .*, err=-12");
}

FIXTURE_TEARDOWN(alloc)
{
	EXPECT_EQ(0, log_replays(self->control, self->fd));
	EXPECT_EQ(0, libdstack_set_state(self->control, DSTACK_STATE_MEASURE));
	EXPECT_EQ(0, container_remove(self->control, &self->c));
	genl_close(&self->genl);
	libdstack_control_close(self->control);
	close(self->file);
	close(self->nth);
	close(self->fd);
}

/*
 * Programs
 */

struct exec {
	const char *cgroup, *program;
	unsigned int nth;
	bool failed;		/* out: an allocation did */
	int status;		/* out: of waitpid() */
};

static void exec_with_fault(struct exec *exec)
{
	siginfo_t info;
	pid_t pid = fork();
	int fd;

	if (!pid) {
		close(STDOUT_FILENO);
		fd = open_nth(getpid());
		if (cgroup_enter(exec->cgroup) || fail_nth(fd, exec->nth))
			_exit(255);
		execl(exec->program, exec->program, NULL);
		_exit(254);
	}
	/* It must still be there to be asked. */
	waitid(P_PID, pid, &info, WEXITED | WNOWAIT);
	fd = open_nth(pid);
	exec->failed = has_failed(fd);
	close(fd);
	waitpid(pid, &exec->status, 0);
}

TEST_F_TIMEOUT(alloc, attack_38_exec_fails_or_is_recorded, 3000)
{
	struct exec exec = { .cgroup = self->c.cgroup, .nth = 1, .failed = 1 };
	uint64_t ran = 0, before = log_count(self->control);

	exec.program = program("prog_hello");
	for (; exec.failed && exec.nth < FAULTS_MAX; exec.nth++) {
		exec_with_fault(&exec);
		ASSERT_NE(255, WEXITSTATUS(exec.status));
		ran += WIFEXITED(exec.status) && !WEXITSTATUS(exec.status);
	}
	TH_LOG("%u allocations, %lu runs all the same", exec.nth - 2, ran - 1);
	EXPECT_LT(10, exec.nth);
	EXPECT_GT(FAULTS_MAX, exec.nth);
	EXPECT_EQ(0, WEXITSTATUS(exec.status));
	/* The host's programs are not recorded, and nothing else is here. */
	EXPECT_LE(before + ran, log_count(self->control));
}

TEST_F_TIMEOUT(alloc, attack_38_unapproved_program_never_runs, 3000)
{
	struct exec exec = { .cgroup = self->c.cgroup, .nth = 1, .failed = 1 };

	exec.program = program("prog_settle");
	for (; exec.failed && exec.nth < FAULTS_MAX; exec.nth++) {
		exec_with_fault(&exec);
		ASSERT_TRUE(WIFEXITED(exec.status));
		ASSERT_EQ(254, WEXITSTATUS(exec.status))
			TH_LOG("allocation %u", exec.nth);
	}
	EXPECT_LT(5, exec.nth);
	EXPECT_GT(FAULTS_MAX, exec.nth);
}

/*
 * Calls
 */

static int do_extend(FIXTURE_DATA(alloc) * self)
{
	uint64_t seq;

	return libdstack_extend(self->fd, "alloc", "x", 1, &seq);
}

static int do_quote(FIXTURE_DATA(alloc) * self)
{
	static uint8_t buf[DSTACK_QUOTE_MAX];
	struct dstack_get_quote quote = {
		.size = sizeof(quote), .quote = address(buf),
		.quote_len = sizeof(buf),
	};

	return device_call(self->fd, DSTACK_GET_QUOTE, &quote);
}

static int do_why(FIXTURE_DATA(alloc) * self)
{
	struct dstack_why why = {
		.size = sizeof(why), .fd = self->file,
		.kind = DSTACK_KIND_EXEC,
	};

	memcpy(why.id, self->c.as.id, sizeof(why.id));
	return device_call(self->fd, DSTACK_WHY, &why);
}

static int do_open(FIXTURE_DATA(alloc) * self)
{
	int fd = device_open();

	(void)self;
	if (fd < 0)
		return fd;
	close(fd);
	return 0;
}

static int do_state(FIXTURE_DATA(alloc) * self)
{
	return libdstack_set_state(self->control, DSTACK_STATE_MEASURE) ?:
	       libdstack_set_state(self->control, DSTACK_STATE_ENFORCE);
}

static int do_policy(FIXTURE_DATA(alloc) * self)
{
	struct table table;

	make_table(&table, epoch(self->control) + 1);
	return load(&self->genl, &table, sizeof(table));
}

static int do_container(FIXTURE_DATA(alloc) * self)
{
	struct container other;
	int err = container_add(self->control, &other, "alloc-other");

	if (!err)
		err = container_remove(self->control, &other);
	/* Whatever there is, it must be possible to get rid of it. */
	if (err) {
		fail_nth(self->nth, 0);
		libdstack_remove_container(self->control, other.as.id);
		cgroup_remove(other.cgroup);
	}
	return err;
}

/*
 * What a call changes is an event, or did not happen.  Memory may be short in
 * other parts of the kernel, too, and then the call fails in its own way.
 */
TEST_F_TIMEOUT(alloc, attack_36_calls_fail_cleanly, 3000)
{
	static const struct {
		const char *name;
		int (*fn)(FIXTURE_DATA(alloc) * self);
	} calls[] = {
		{ "extend", do_extend }, { "quote", do_quote },
		{ "why", do_why }, { "open", do_open },
		{ "state", do_state }, { "policy", do_policy },
		{ "container", do_container },
	};
	unsigned int nth;
	bool failed;
	size_t i;
	int err;

	for (i = 0; i < ARRAY_SIZE(calls); i++) {
		failed = true;
		for (nth = 1; failed && nth < FAULTS_MAX; nth++) {
			ASSERT_EQ(0, fail_nth(self->nth, nth));
			err = calls[i].fn(self);
			failed = has_failed(self->nth);
			ASSERT_EQ(0, fail_nth(self->nth, 0));
		}
		EXPECT_EQ(0, err)
			TH_LOG("%s", calls[i].name);
		EXPECT_EQ(0, log_replays(self->control, self->fd))
			TH_LOG("%s", calls[i].name);
		TH_LOG("%s: %u allocations", calls[i].name, nth - 2);
	}
}

TEST_HARNESS_MAIN
