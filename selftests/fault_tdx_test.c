// SPDX-License-Identifier: MIT
/*
 * What callers see when the TEE or the host fails, errno by errno
 *
 * Copyright The dstack for Linux authors
 *
 * For a machine whose TDX module was told to fail, of which run-tests.sh says
 * how.  When a fault strikes is not counted here, but waited for.
 */
#include "dstack_test.h"

#include <libgen.h>
#include <sys/time.h>

#define EVENTS_MAX	400	/* until a fault of extends has struck */
#define QUOTES		24	/* until all faults of quotes have */
#define QUOTES_MAX	80	/* until the one that is never answered */

FIXTURE(fault)
{
	int fd;
	struct libdstack_control *control;
	uint8_t quote[DSTACK_QUOTE_MAX];
};

FIXTURE_SETUP(fault)
{
	self->fd = device_open();
	if (self->fd == -ENOENT)
		SKIP(return, "no " DEVICE ": load the module");
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, libdstack_control_open(&self->control));
}

/* Whatever failed, the log replays to the register. */
FIXTURE_TEARDOWN(fault)
{
	EXPECT_EQ(0, log_replays(self->control, self->fd));
	libdstack_control_close(self->control);
	close(self->fd);
}

static uint64_t log_count(FIXTURE_DATA(fault) * self)
{
	struct libdstack_status status;

	return libdstack_status(self->control, &status) ? UINT64_MAX :
							   status.log_count;
}

static int extend(int fd)
{
	uint64_t seq;

	return libdstack_extend(fd, "fault", "x", 1, &seq);
}

/* Until one fails; every other one is an event. */
static int extend_until_error(FIXTURE_DATA(fault) * self)
{
	uint64_t count = log_count(self);
	int i, err = 0;

	for (i = 0; !err && i < EVENTS_MAX; i++) {
		err = extend(self->fd);
		count += !err;
	}
	return count == log_count(self) ? err : -EPROTO;
}

/*
 * A program for containers
 */

static const char *program(void)
{
	static char path[4096];
	ssize_t len = readlink("/proc/self/exe", path, sizeof(path) - 16);

	path[len < 0 ? 0 : len] = '\0';
	dirname(path);
	return strcat(path, "/prog_hello");
}

static int exec_program(void *unused)
{
	(void)unused;
	close(STDOUT_FILENO);
	execl(program(), "prog_hello", NULL);
	return -errno;
}

static int approve_program(FIXTURE_DATA(fault) * self, const char *section)
{
	static const uint8_t app_id[DSTACK_APP_ID_SIZE];
	struct dstack_digest digest = { .alg = DSTACK_ALG_SHA256 };
	struct libdstack_policy *policy;
	struct libdstack_status now;
	uint8_t active[DSTACK_APP_ID_SIZE];
	int fd = open(program(), O_RDONLY | O_CLOEXEC), err;

	err = file_sha256(fd, digest.value);
	close(fd);
	err = err ?: libdstack_status(self->control, &now) ?:
	      libdstack_policy_new(app_id, now.policy_epoch + 1, &policy);
	if (err)
		return err;
	err = libdstack_policy_add(policy, section, &digest, DSTACK_KIND_EXEC,
				   NULL) ?:
	      libdstack_ensure_policy(self->control, policy, active);
	libdstack_policy_free(policy);
	return err;
}

static uint32_t state(FIXTURE_DATA(fault) * self)
{
	struct libdstack_status status;

	return libdstack_status(self->control, &status) ? UINT32_MAX :
							   status.state;
}

/*
 * The register
 */

/* Needs extend-invalid=4: what cannot be recorded does not happen. */
TEST_F(fault, refused_extend_is_eio_and_nothing_happens)
{
	struct container c, other;
	uint64_t count;

	ASSERT_EQ(0, container_add(self->control, &c, "fault"));
	ASSERT_EQ(0, approve_program(self, c.as.section));
	ASSERT_EQ(0, libdstack_set_state(self->control, DSTACK_STATE_ENFORCE));
	EXPECT_EQ(0, in_cgroup(c.cgroup, exec_program, NULL));
	EXPECT_EQ(-EIO, extend_until_error(self));
	count = log_count(self);
	EXPECT_EQ(-EIO, in_cgroup(c.cgroup, exec_program, NULL));
	EXPECT_EQ(-EIO, libdstack_set_state(self->control,
					    DSTACK_STATE_MEASURE));
	EXPECT_EQ(DSTACK_STATE_ENFORCE, state(self));
	EXPECT_EQ(-EIO, container_add(self->control, &other, "fault-other"));
	EXPECT_EQ(count, log_count(self));

	EXPECT_EQ(0, in_cgroup(c.cgroup, exec_program, NULL));
	EXPECT_EQ(count + 1, log_count(self));
	EXPECT_EQ(0, container_add(self->control, &other, "fault-other"));
	EXPECT_EQ(0, container_remove(self->control, &other));
	EXPECT_EQ(0, libdstack_set_state(self->control, DSTACK_STATE_MEASURE));
	EXPECT_EQ(0, container_remove(self->control, &c));
}

/* Needs extend-busy=4007: twice until patience ends, then for a moment. */
TEST_F_TIMEOUT(fault, busy_register_is_waited_for_and_then_ebusy, 60)
{
	struct container c;
	uint64_t count;

	ASSERT_EQ(0, container_add(self->control, &c, "fault"));
	EXPECT_EQ(-EBUSY, extend_until_error(self));
	count = log_count(self);
	/* In MEASURE as well: what runs unrecorded is what must not be. */
	EXPECT_EQ(DSTACK_STATE_MEASURE, state(self));
	EXPECT_EQ(-EBUSY, in_cgroup(c.cgroup, exec_program, NULL));
	EXPECT_EQ(count, log_count(self));
	EXPECT_EQ(0, in_cgroup(c.cgroup, exec_program, NULL));
	EXPECT_EQ(count + 1, log_count(self));
	EXPECT_EQ(0, container_remove(self->control, &c));
}

/*
 * Quotes
 */

static int get_quote(FIXTURE_DATA(fault) * self, struct dstack_get_quote *get)
{
	memset(get, 0, sizeof(*get));
	get->size = sizeof(*get);
	get->quote = address(self->quote);
	get->quote_len = sizeof(self->quote);
	return device_call(self->fd, DSTACK_GET_QUOTE, get);
}

/*
 * Needs report-busy=2001, report-invalid=1, quote-down=1, quote-error=1 and
 * quote-huge=1, none of them at the same request.
 */
TEST_F_TIMEOUT(fault, failed_quotes_have_their_errno_and_leave_the_next, 60)
{
	unsigned int eio = 0, ebusy = 0, eproto = 0, good = 0;
	struct dstack_get_quote get, before;
	int i, err, last = 0;

	for (i = 0; i < QUOTES; i++) {
		err = get_quote(self, &get);
		eio += err == -EIO;
		ebusy += err == -EBUSY;
		eproto += err == -EPROTO;
		good += !err;
		/* After each of them comes one that succeeds. */
		EXPECT_TRUE(!err || !last)
			TH_LOG("quote %d: %d after %d", i, err, last);
		last = err;
		before = (struct dstack_get_quote){
			.size = sizeof(get), .quote = address(self->quote),
			.quote_len = sizeof(self->quote),
		};
		if (err)
			EXPECT_EQ(0, memcmp(&before, &get, sizeof(get)));
	}
	EXPECT_EQ(3, eio);
	EXPECT_EQ(1, ebusy);
	EXPECT_EQ(1, eproto);
	EXPECT_EQ(QUOTES - 5, good);
}

static void wake_up(int unused)
{
	(void)unused;
}

/* A signal now and then, so that waiting ends. */
static void signals(long us)
{
	const struct itimerval timer = { { 0, us }, { 0, us } };
	struct sigaction action = { .sa_handler = wake_up };

	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &timer, NULL);
}

static int execs_and_extends(void *arg)
{
	return extend(*(int *)arg);
}

/* Needs quote-stuck=1, of the last of all: the host never answers. */
TEST_F_TIMEOUT(fault, signal_ends_the_wait_and_the_host_still_owes, 60)
{
	struct dstack_get_quote get;
	struct container c;
	int i, err = 0;

	signals(20000);
	for (i = 0; !err && i < QUOTES_MAX; i++)
		err = get_quote(self, &get);
	signals(0);
	EXPECT_EQ(-EINTR, err);
	EXPECT_EQ(-EBUSY, get_quote(self, &get));
	EXPECT_EQ(-EBUSY, get_quote(self, &get));
	/* Nobody else waits for the host. */
	EXPECT_EQ(0, in_child(execs_and_extends, &self->fd));
	ASSERT_EQ(0, container_add(self->control, &c, "fault"));
	EXPECT_EQ(0, in_cgroup(c.cgroup, exec_program, NULL));
	EXPECT_EQ(0, container_remove(self->control, &c));
}

TEST_HARNESS_MAIN
