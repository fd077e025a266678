// SPDX-License-Identifier: MIT
/*
 * Attack 35: memory and descriptors that change while an ioctl uses them
 *
 * Copyright The dstack for Linux authors
 */
#include "dstack_test.h"

#include <poll.h>
#include <pthread.h>
#include <sched.h>

#define THREADS		4
#define RACES		4000
#define NAME_GOOD	"good-name"
#define NAME_BAD	"bad:name "

FIXTURE(change)
{
	int fd;
	struct libdstack_control *control;
};

FIXTURE_SETUP(change)
{
	self->fd = device_open();
	if (self->fd == -ENOENT)
		SKIP(return, "no " DEVICE ": load the module");
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, libdstack_control_open(&self->control));
}

/* The log replays to the register after everything that is done here. */
FIXTURE_TEARDOWN(change)
{
	EXPECT_EQ(0, log_replays(self->control, self->fd));
	libdstack_control_close(self->control);
	close(self->fd);
}

/*
 * Double fetch
 */

struct flip {
	_Atomic bool stop;
	struct dstack_extend *extend;
};

/* What was checked must be what is used. */
static void *flip_name_and_length(void *arg)
{
	struct flip *flip = arg;
	struct dstack_extend *extend = flip->extend;

	while (!flip->stop) {
		memcpy(extend->name, NAME_BAD, sizeof(NAME_BAD));
		extend->data_len = UINT32_MAX;
		extend->size = UINT32_MAX;
		extend->flags = 1;
		sched_yield();
		memcpy(extend->name, NAME_GOOD, sizeof(NAME_GOOD));
		extend->data_len = 4;
		extend->flags = 0;
		extend->size = sizeof(*extend);
		sched_yield();
	}
	return NULL;
}

static int check_name(const struct dstack_log_record *record, void *count)
{
	static const char whole[] =
		"dstack.userv=1 id=host name=" NAME_GOOD " data=";
	size_t len = record->name_len + record->payload_len;

	/* Others may be at work, too. */
	if (!memmem(record->data, len, "name=", 5))
		return 0;
	++*(uint64_t *)count;
	if (len < sizeof(whole) - 1 ||
	    memcmp(record->data, whole, sizeof(whole) - 1))
		return -EBADMSG;
	return len > sizeof(whole) - 1 + 8 ? -EMSGSIZE : 0;
}

TEST_F_TIMEOUT(change, attack_35_structure_that_changes_is_read_once, 60)
{
	struct dstack_extend extend = {
		.size = sizeof(extend), .data = address("data"), .data_len = 4,
		.name = NAME_GOOD,
	};
	struct flip flip = { .extend = &extend };
	uint64_t done = 0, seen = 0, seq;
	struct libdstack_status status;
	pthread_t thread;
	int i, err, pause;

	ASSERT_EQ(0, daemon_catch_up(self->control));
	pause = daemon_pause();
	ASSERT_LE(0, pause);
	ASSERT_EQ(0, libdstack_status(self->control, &status));
	ASSERT_EQ(0, pthread_create(&thread, NULL, flip_name_and_length,
				    &flip));
	for (i = 0; i < RACES; i++) {
		/* As long as all were alike: is the other thread there? */
		if (i && (!done || done == (uint64_t)i))
			sleep_ms(1);
		err = device_call(self->fd, DSTACK_EXTEND, &extend);
		done += !err;
		EXPECT_TRUE(!err || err == -EINVAL || err == -E2BIG ||
			    err == -EOPNOTSUPP)
			TH_LOG("error %d", err);
	}
	flip.stop = true;
	pthread_join(thread, NULL);
	seq = status.log_count;
	EXPECT_EQ(0, libdstack_read_log(self->fd, &seq, check_name,
					&seen));
	EXPECT_EQ(done, seen);
	/* Both came: what is right, and what is not. */
	EXPECT_LT(0, done);
	EXPECT_GT(RACES, done);
	close(pause);
}

/*
 * Buffers in the structure itself
 */

TEST_F(change, attack_35_records_over_their_own_request)
{
	struct dstack_read_log get = {
		.size = sizeof(get), .buf = address(&get),
		.buf_len = sizeof(struct dstack_log_record),
	};
	struct {
		struct dstack_read_log get;
		uint8_t behind[DSTACK_READ_LOG_SIZE_VER0];
	} twice;
	int err;

	/* The first events are stored by now: their records have no content. */
	ASSERT_EQ(0, daemon_catch_up(self->control));
	twice.get = get;
	twice.get.buf = address(&twice.get);
	memset(twice.behind, 0x5a, sizeof(twice.behind));
	err = device_call(self->fd, DSTACK_READ_LOG, &twice.get);
	EXPECT_EQ(0, err);
	EXPECT_EQ(sizeof(struct dstack_log_record), twice.get.out_len);
	EXPECT_EQ(1, twice.get.out_next);
	/* 72 bytes of record, 48 of them under the structure that came last. */
	EXPECT_EQ(0x5a, twice.behind[24]);
}

TEST_F(change, attack_35_event_of_its_own_request)
{
	struct dstack_extend extend = {
		.size = sizeof(extend), .name = "itself",
		.data = address(&extend), .data_len = sizeof(extend),
	};

	EXPECT_EQ(0, device_call(self->fd, DSTACK_EXTEND, &extend));
	EXPECT_LT(0, extend.out_seq);
	EXPECT_EQ(sizeof(extend), extend.size);
}

/*
 * Descriptors that go away
 */

struct slot {
	_Atomic bool stop;
	_Atomic int fd;
	int base;
	int bad;
};

static void *call_and_poll(void *arg)
{
	struct slot *slot = arg;
	struct dstack_info info = { .size = sizeof(info) };

	while (!slot->stop) {
		struct pollfd fds = { .fd = slot->fd, .events = POLLIN };
		int err = device_call(slot->fd, DSTACK_INFO, &info);

		if (err && err != -EBADF)
			slot->bad = err;
		poll(&fds, 1, 0);
	}
	return NULL;
}

TEST_F_TIMEOUT(change, attack_35_descriptors_closed_during_calls, 60)
{
	struct slot slot = { .fd = -1 };
	pthread_t threads[THREADS];
	int i, fd;

	for (i = 0; i < THREADS; i++)
		ASSERT_EQ(0, pthread_create(&threads[i], NULL, call_and_poll,
					    &slot));
	for (i = 0; i < RACES; i++) {
		fd = device_open();
		ASSERT_LE(0, fd);
		slot.fd = fd;
		if (i % 2)
			sched_yield();
		close(fd);
	}
	slot.stop = true;
	for (i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	EXPECT_EQ(0, slot.bad);
}

TEST_HARNESS_MAIN
