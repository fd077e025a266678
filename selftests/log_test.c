// SPDX-License-Identifier: MIT
/*
 * The event log: reading it, waiting for it, adding to it
 *
 * Copyright The dstack for Linux authors
 */
#include "dstack_test.h"
#include "event_log.h"

#include <poll.h>

#define RECORD_SIZE	sizeof(struct dstack_log_record)
#define WRITERS		4
#define EVENTS		50	/* of each writer */
#define EVENTS_OFTEN	2000
#define EVENTS_BURST	1000
#define PAYLOAD_BIG	3968	/* takes 4 KiB of kernel memory */
#define MUCH		1048576	/* waits when POLLPRI says so, at the latest */

FIXTURE(log)
{
	int fd;
	int pause;
	struct libdstack_control *control;
	uint64_t buf[DSTACK_READ_LOG_MAX / sizeof(uint64_t)];
};

/* The daemon stands still, or it would take payloads away while we look. */
FIXTURE_SETUP(log)
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

FIXTURE_TEARDOWN(log)
{
	resume(&self->pause);
	EXPECT_EQ(0, daemon_catch_up(self->control));
	libdstack_control_close(self->control);
	close(self->fd);
}

/*
 * DSTACK_READ_LOG
 */

TEST_F(log, begins_with_start_of_the_module)
{
	struct dstack_log_record *record = (void *)self->buf;
	struct dstack_read_log get;

	ASSERT_EQ(0, read_log(self->fd, 0, self->buf, 65536, &get));
	EXPECT_EQ(0, record->seq);
	EXPECT_TRUE(record->flags & DSTACK_RECORD_F_DRAINED ||
		    !memcmp(record->data, "dstack.start", 12));
}

TEST_F(log, buffer_past_the_limit_rejected)
{
	struct dstack_read_log get;

	EXPECT_EQ(-EINVAL, read_log(self->fd, 0, self->buf,
				    DSTACK_READ_LOG_MAX + 1, &get));
	EXPECT_EQ(-EINVAL, read_log(self->fd, 0, self->buf, UINT32_MAX, &get));
	EXPECT_EQ(0, read_log(self->fd, 0, self->buf, DSTACK_READ_LOG_MAX,
			      &get));
}

TEST_F(log, position_past_the_end_rejected)
{
	uint64_t count = log_count(self->fd);
	struct dstack_read_log get;

	EXPECT_EQ(-ERANGE, read_log(self->fd, count + 1, self->buf, 65536,
				    &get));
	EXPECT_EQ(-ERANGE, read_log(self->fd, UINT64_MAX, self->buf, 65536,
				    &get));
	/* The buffer's limit comes first. */
	EXPECT_EQ(-EINVAL, read_log(self->fd, count + 1, self->buf,
				    UINT32_MAX, &get));
}

TEST_F(log, end_is_empty)
{
	uint64_t count = log_count(self->fd);
	struct dstack_read_log get;

	ASSERT_EQ(0, read_log(self->fd, count, NULL, 0, &get));
	EXPECT_EQ(0, get.out_len);
	EXPECT_EQ(count, get.out_next);
	EXPECT_EQ(count, get.out_count);
}

TEST_F(log, bad_buffer_rejected)
{
	struct dstack_read_log get;

	EXPECT_EQ(-EFAULT, read_log(self->fd, 0, NULL, 65536, &get));
	EXPECT_EQ(-EFAULT, read_log(self->fd, 0, (void *)-4096L, 65536, &get));
}

TEST_F(log, only_whole_records_are_copied)
{
	struct dstack_log_record *record = (void *)self->buf;
	uint32_t len, size[2];
	struct dstack_read_log get;
	uint64_t seq, second;

	ASSERT_EQ(0, add_event(self->fd, "first", "0123456789", 10, &seq));
	ASSERT_EQ(0, add_event(self->fd, "second", "01234567", 8, &second));
	ASSERT_EQ(seq + 1, second);
	ASSERT_EQ(0, read_log(self->fd, seq, self->buf, 65536, &get));
	size[0] = record->size;
	size[1] = get.out_len - record->size;

	for (len = 0; len <= size[0] + size[1]; len++) {
		uint32_t nr = (len >= size[0]) + (len >= size[0] + size[1]);
		int err = nr ? 0 : -ENOSPC;

		memset(self->buf, 0x5a, size[0] + size[1] + 8);
		ASSERT_EQ(err, read_log(self->fd, seq, self->buf, len, &get))
			TH_LOG("with %u bytes", len);
		EXPECT_EQ(second + 1, get.out_count);
		EXPECT_EQ(0x5a, ((uint8_t *)self->buf)[len]);
		if (!nr)
			continue;
		EXPECT_EQ(nr == 1 ? size[0] : size[0] + size[1], get.out_len);
		EXPECT_EQ(seq + nr, get.out_next);
	}
}

TEST_F(log, records_are_well_formed)
{
	struct dstack_read_log get = { 0 };
	uint64_t seq, count, next = 0;
	uint32_t at;

	ASSERT_EQ(0, add_event(self->fd, "formed", "odd", 3, &seq));
	count = log_count(self->fd);
	while (next < count) {
		ASSERT_EQ(0, read_log(self->fd, next, self->buf, 65536, &get));
		for (at = 0; at < get.out_len; next++) {
			const struct dstack_log_record *record =
				(void *)self->buf + at;
			bool drained = record->flags & DSTACK_RECORD_F_DRAINED;
			uint32_t used = RECORD_SIZE + record->name_len +
					record->payload_len;

			ASSERT_EQ(next, record->seq);
			ASSERT_EQ((used + 7) / 8 * 8, record->size);
			EXPECT_EQ(0, record->flags & ~DSTACK_RECORD_F_DRAINED);
			EXPECT_EQ(0, record->__reserved);
			EXPECT_EQ(drained, !record->name_len);
			EXPECT_TRUE(drained || digest_matches(record));
			for (; used < record->size; used++)
				EXPECT_EQ(0, ((uint8_t *)record)[used]);
			at += record->size;
		}
		ASSERT_EQ(next, get.out_next);
	}
	EXPECT_LT(seq, next);
}

TEST_F(log, digest_stays_when_the_daemon_has_stored)
{
	struct dstack_log_record *record = (void *)self->buf;
	uint8_t digest[DSTACK_REGISTER_SIZE];
	struct dstack_read_log get;
	uint64_t seq;

	ASSERT_EQ(0, add_event(self->fd, "stored", "data", 4, &seq));
	ASSERT_EQ(0, read_log(self->fd, seq, self->buf, 65536, &get));
	ASSERT_EQ(0, record->flags);
	memcpy(digest, record->digest, sizeof(digest));
	resume(&self->pause);
	ASSERT_EQ(0, daemon_catch_up(self->control));
	ASSERT_EQ(0, read_log(self->fd, seq, self->buf, RECORD_SIZE, &get));
	EXPECT_EQ(DSTACK_RECORD_F_DRAINED, record->flags);
	EXPECT_EQ(RECORD_SIZE, record->size);
	EXPECT_EQ(0, record->name_len);
	EXPECT_EQ(0, record->payload_len);
	EXPECT_EQ(0, memcmp(digest, record->digest, sizeof(digest)));
}

/*
 * poll()
 */

static int add_later(void *arg)
{
	uint64_t seq;

	sleep_ms(200);
	return add_event(*(int *)arg, "later", NULL, 0, &seq);
}

TEST_F(log, poll_wakes_when_the_log_grows)
{
	struct pollfd fds = { .fd = self->fd, .events = POLLIN };
	struct dstack_read_log get;
	uint64_t count;
	pid_t pid;

	/* Nothing was read on this descriptor yet. */
	EXPECT_EQ(1, poll(&fds, 1, 0));
	count = log_count(self->fd);
	ASSERT_EQ(0, read_log(self->fd, count, NULL, 0, &get));
	EXPECT_EQ(0, poll(&fds, 1, 0));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid)
		_exit(-add_later(&self->fd));
	EXPECT_EQ(1, poll(&fds, 1, PATIENCE_MS));
	EXPECT_EQ(POLLIN, fds.revents);
	EXPECT_EQ(0, wait_child(pid));
	/* Until it is read. */
	EXPECT_EQ(1, poll(&fds, 1, 0));
	ASSERT_EQ(0, read_log(self->fd, count, self->buf, 65536, &get));
	EXPECT_EQ(0, poll(&fds, 1, 0));
}

/* How often a process went to sleep of its own accord, -1 if it is gone. */
static long sleeps(pid_t pid)
{
	char path[64], line[128];
	long nr = -1;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	file = fopen(path, "re");
	if (!file)
		return -1;
	while (fgets(line, sizeof(line), file))
		if (sscanf(line, "voluntary_ctxt_switches: %ld", &nr) == 1)
			break;
	fclose(file);
	return nr;
}

static int wait_for_much(void *arg)
{
	struct pollfd fds = { .fd = *(int *)arg, .events = POLLPRI };
	int n = poll(&fds, 1, 4 * PATIENCE_MS);

	return n == 1 && fds.revents == POLLPRI ? 0 : -ETIMEDOUT;
}

/* With nobody to drain, so many bytes of kernel memory. */
static int let_wait(struct libdstack_control *control, size_t nr)
{
	static const uint8_t payload[PAYLOAD_BIG];
	int err = 0;

	for (; !err && nr; nr -= 4096)
		err = libdstack_add_event(control, "selftest-much", payload,
					  sizeof(payload));
	return err;
}

/* A daemon that gathers events is neither woken by each nor too late. */
TEST_F_TIMEOUT(log, poll_for_much_is_not_woken_by_little, 100)
{
	struct pollfd fds = { .fd = self->fd, .events = POLLPRI };
	pid_t pid = fork();
	long before;
	int ms;

	ASSERT_LE(0, pid);
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		_exit(-wait_for_much(&self->fd));
	}
	for (ms = 0; process_state(pid) != 'S' && ms < PATIENCE_MS; ms += 10)
		sleep_ms(10);
	before = sleeps(pid);
	ASSERT_EQ(0, let_wait(self->control, MUCH / 2));
	EXPECT_EQ(before, sleeps(pid));
	EXPECT_EQ(0, poll(&fds, 1, 0));
	ASSERT_EQ(0, let_wait(self->control, MUCH / 2));
	EXPECT_EQ(0, wait_child(pid));
	EXPECT_EQ(1, poll(&fds, 1, 0));
	resume(&self->pause);
	EXPECT_EQ(0, daemon_catch_up(self->control));
	EXPECT_EQ(0, poll(&fds, 1, 0));
}

/* Each of its sleeps is a wake-up that somebody's exec may have paid for. */
TEST_F(log, burst_is_stored_in_few_batches)
{
	long before;
	uint64_t seq;
	int i;

	resume(&self->pause);
	ASSERT_EQ(0, daemon_catch_up(self->control));
	before = sleeps(daemon_pid());
	ASSERT_LE(0, before);
	for (i = 0; i < EVENTS_BURST; i++)
		ASSERT_EQ(0, add_event(self->fd, "burst", NULL, 0, &seq));
	EXPECT_EQ(0, daemon_catch_up(self->control));
	EXPECT_GT(EVENTS_BURST / 4, sleeps(daemon_pid()) - before);
}

TEST_F(log, poll_is_of_each_descriptor)
{
	int other = device_open();
	struct pollfd fds = { .fd = other, .events = POLLIN };
	struct dstack_read_log get;

	ASSERT_LE(0, other);
	ASSERT_EQ(0, read_log(self->fd, log_count(self->fd), NULL, 0, &get));
	EXPECT_EQ(1, poll(&fds, 1, 0));
	close(other);
}

/*
 * DSTACK_EXTEND
 */

TEST_F(log, user_event_names_its_sender)
{
	static const char payload[] =
		"v=1 id=host name=my-Event_0.1 data=00ff3d2520";
	static const uint8_t data[] = { 0x00, 0xff, '=', '%', ' ' };
	struct dstack_log_record *record = (void *)self->buf;
	struct dstack_read_log get;
	uint64_t seq, count = log_count(self->fd);

	ASSERT_EQ(0, add_event(self->fd, "my-Event_0.1", data, sizeof(data),
			       &seq));
	EXPECT_EQ(count, seq);
	ASSERT_EQ(0, read_log(self->fd, seq, self->buf, 65536, &get));
	EXPECT_TRUE(record_is(record, "dstack.user", payload,
			      sizeof(payload) - 1));
	EXPECT_TRUE(digest_matches(record));
}

/* What a boot event or one of the kernel's says, nobody else can say. */
TEST_F(log, attack_42_user_event_cannot_pass_for_another)
{
	static const char * const names[] = {
		"compose-hash", "boot-mr-done", "system-ready", "app-id",
		"dstack.exec", "dstack.user", "dstack.policy",
	};
	struct dstack_log_record *record = (void *)self->buf;
	struct dstack_read_log get;
	char payload[128];
	uint64_t seq;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(names); i++) {
		snprintf(payload, sizeof(payload),
			 "v=1 id=host name=%s data=6f6b", names[i]);
		ASSERT_EQ(0, add_event(self->fd, names[i], "ok", 2, &seq));
		ASSERT_EQ(0, read_log(self->fd, seq, self->buf, 65536, &get));
		EXPECT_TRUE(record_is(record, "dstack.user", payload,
				      strlen(payload)));
	}
}

TEST_F(log, malformed_names_rejected)
{
	static const char * const names[] = {
		"", ":", "a:b", " ", "a b", "/", "a/b", "a=b", "a%b", "a\nb",
		"\x7f", "\xc3\xa4", "a\tb", "name:",
	};
	uint64_t count = log_count(self->fd), seq;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(names); i++)
		EXPECT_EQ(-EINVAL, add_event(self->fd, names[i], "x", 1, &seq))
			TH_LOG("name '%s'", names[i]);
	EXPECT_EQ(count, log_count(self->fd));
}

TEST_F(log, name_takes_63_bytes_and_a_nul)
{
	struct dstack_extend extend = { .size = sizeof(extend) };

	memset(extend.name, 'n', sizeof(extend.name));
	EXPECT_EQ(-EINVAL, device_call(self->fd, DSTACK_EXTEND, &extend));
	extend.name[sizeof(extend.name) - 1] = '\0';
	EXPECT_EQ(0, device_call(self->fd, DSTACK_EXTEND, &extend));
}

TEST_F(log, data_takes_1024_bytes)
{
	static const uint8_t data[DSTACK_USER_DATA_MAX + 1];
	struct dstack_log_record *record = (void *)self->buf;
	struct dstack_read_log get;
	uint64_t seq;

	EXPECT_EQ(-EINVAL, add_event(self->fd, "long", data, sizeof(data),
				     &seq));
	EXPECT_EQ(-EINVAL, add_event(self->fd, "long", data, UINT32_MAX,
				     &seq));
	ASSERT_EQ(0, add_event(self->fd, "long", data, sizeof(data) - 1,
			       &seq));
	ASSERT_EQ(0, read_log(self->fd, seq, self->buf, 65536, &get));
	EXPECT_EQ(strlen("v=1 id=host name=long data=") +
		  2 * DSTACK_USER_DATA_MAX, record->payload_len);
	EXPECT_EQ(0, add_event(self->fd, "empty", NULL, 0, &seq));
}

TEST_F(log, bad_data_pointer_rejected)
{
	uint64_t seq, count = log_count(self->fd);

	EXPECT_EQ(-EFAULT, add_event(self->fd, "fault", NULL, 1, &seq));
	EXPECT_EQ(-EFAULT, add_event(self->fd, "fault", (void *)-8L, 8, &seq));
	EXPECT_EQ(count, log_count(self->fd));
}

struct sender {
	int fd;
	const char *name;
	const void *data;
};

/* On a descriptor that root opened, or on one of its own. */
static int add_as_nobody(void *arg)
{
	struct sender *sender = arg;
	int fd = sender->fd < 0 ? device_open() : sender->fd;
	uint64_t seq;

	if (fd < 0 || become_nobody())
		return -ECHILD;
	return add_event(fd, sender->name, sender->data, 1, &seq);
}

TEST_F(log, host_needs_a_capability_to_extend)
{
	struct sender sender = { .fd = self->fd, .name = "x", .data = "x" };
	uint64_t count = log_count(self->fd);

	EXPECT_EQ(-EPERM, in_child(add_as_nobody, &sender));
	/* Before the data is looked at, after the name. */
	sender.data = NULL;
	EXPECT_EQ(-EPERM, in_child(add_as_nobody, &sender));
	sender.name = ":";
	EXPECT_EQ(-EINVAL, in_child(add_as_nobody, &sender));
	EXPECT_EQ(count, log_count(self->fd));
}

TEST_F(log, container_extends_without_capability_in_its_own_name)
{
	static const char payload[] = "v=1 id=selftest-log name=host data=78";
	struct sender sender = { .fd = -1, .name = "host", .data = "x" };
	struct dstack_log_record *record = (void *)self->buf;
	struct dstack_read_log get;
	struct container c;
	uint64_t seq;

	ASSERT_EQ(0, container_add(self->control, &c, "log"));
	seq = log_count(self->fd);
	EXPECT_EQ(0, in_cgroup(c.cgroup, add_as_nobody, &sender));
	EXPECT_EQ(0, read_log(self->fd, seq, self->buf, 65536, &get));
	EXPECT_TRUE(record_is(record, "dstack.user", payload,
			      sizeof(payload) - 1));
	EXPECT_EQ(0, container_remove(self->control, &c));
}

/*
 * Many at once
 */

struct writer {
	char name[16];
	uint64_t buf[8192];
};

/* Every event must be found where its writer was told. */
static int write_and_find(void *arg)
{
	struct writer *writer = arg;
	struct dstack_log_record *record = (void *)writer->buf;
	struct dstack_read_log get;
	int i, err, fd = device_open();
	char name[32], payload[128];
	uint64_t seq;

	for (i = 0; i < EVENTS; i++) {
		snprintf(name, sizeof(name), "%s.%d", writer->name, i);
		snprintf(payload, sizeof(payload), "v=1 id=host name=%s data=",
			 name);
		err = add_event(fd, name, NULL, 0, &seq) ?:
		      read_log(fd, seq, writer->buf, sizeof(writer->buf), &get);
		if (err)
			return err;
		if (record->seq != seq ||
		    !record_is(record, "dstack.user", payload, strlen(payload)))
			return -EBADMSG;
	}
	close(fd);
	return 0;
}

static int extend_often(void *arg)
{
	int i, err = 0;
	uint64_t seq;

	for (i = 0; !err && i < EVENTS_OFTEN; i++)
		err = add_event(*(int *)arg, "again", NULL, 0, &seq);
	return err;
}

/* What comes while we look is there the next time, and no error. */
TEST_F(log, end_that_moves_is_no_error)
{
	uint64_t first = log_count(self->fd), next = first;
	struct dstack_read_log get;
	pid_t worker = fork();

	ASSERT_LE(0, worker);
	if (!worker) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		_exit(-extend_often(&self->fd));
	}
	while (next < first + EVENTS_OFTEN) {
		ASSERT_EQ(0, read_log(self->fd, next, self->buf,
				      sizeof(self->buf), &get))
			TH_LOG("from event %ju", (uintmax_t)next);
		ASSERT_EQ(get.out_count, get.out_next);
		next = get.out_next;
		/* This one takes longer: more can come meanwhile. */
		ASSERT_EQ(0, read_log(self->fd, first, self->buf,
				      sizeof(self->buf), &get));
		ASSERT_LE(next, get.out_next);
		ASSERT_EQ(get.out_count, get.out_next);
	}
	EXPECT_EQ(0, wait_child(worker));
}

TEST_F_TIMEOUT(log, replays_while_many_write, 120)
{
	static struct writer writer;
	struct replay replay = { .fd = self->fd };
	struct container c;
	pid_t pids[WRITERS];
	uint64_t first;
	int i;

	ASSERT_EQ(0, container_add(self->control, &c, "log"));
	EXPECT_LT(0, spawn_forever(c.cgroup, "/bin/true"));
	EXPECT_EQ(0, status_replays(self->control, &replay));
	first = replay.next;
	for (i = 0; i < WRITERS; i++) {
		snprintf(writer.name, sizeof(writer.name), "w%d", i);
		pids[i] = fork();
		ASSERT_LE(0, pids[i]);
		if (!pids[i])
			_exit(-write_and_find(&writer));
	}
	for (i = 0; i < EVENTS; i++) {
		EXPECT_EQ(0, status_replays(self->control, &replay));
		sleep_ms(10);
	}
	for (i = 0; i < WRITERS; i++)
		EXPECT_EQ(0, wait_child(pids[i]));
	EXPECT_EQ(0, container_remove(self->control, &c));
	EXPECT_EQ(0, status_replays(self->control, &replay));
	EXPECT_LT(first + WRITERS * EVENTS, replay.next);
}

TEST_HARNESS_MAIN
