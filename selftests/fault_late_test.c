// SPDX-License-Identifier: MIT
/*
 * A host that takes longer than anybody waits for a quote
 *
 * Copyright The dstack for Linux authors
 *
 * For a machine whose quotes arrive later than 30 seconds: quote-late=45000.
 */
#include "dstack_test.h"

#include <pthread.h>

#define LEAST_MS	29000
#define MOST_MS		44000

struct asker {
	_Atomic bool done;
	int fd;
	int err;
	long ms;
};

static long now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int get_quote(int fd)
{
	static uint8_t quote[DSTACK_QUOTE_MAX];
	struct dstack_get_quote get = {
		.size = sizeof(get), .quote = address(quote),
		.quote_len = sizeof(quote),
	};

	return device_call(fd, DSTACK_GET_QUOTE, &get);
}

static void *ask(void *arg)
{
	struct asker *asker = arg;
	long start = now_ms();

	asker->err = get_quote(asker->fd);
	asker->ms = now_ms() - start;
	asker->done = true;
	return NULL;
}

FIXTURE(late)
{
	struct asker asker;
};

FIXTURE_SETUP(late)
{
	self->asker.fd = device_open();
	if (self->asker.fd == -ENOENT)
		SKIP(return, "no " DEVICE ": load the module");
	ASSERT_LE(0, self->asker.fd);
}

FIXTURE_TEARDOWN(late)
{
	close(self->asker.fd);
}

TEST_F_TIMEOUT(late, host_that_is_late_is_etimedout_and_nobody_else_waits, 100)
{
	struct asker *asker = &self->asker;
	pthread_t thread;
	long start, longest = 0;
	uint64_t seq;

	ASSERT_EQ(0, pthread_create(&thread, NULL, ask, asker));
	while (!asker->done) {
		start = now_ms();
		EXPECT_EQ(0, libdstack_extend(asker->fd, "late", "", 0, &seq));
		if (now_ms() - start > longest)
			longest = now_ms() - start;
		sleep_ms(50);
	}
	pthread_join(thread, NULL);
	EXPECT_EQ(-ETIMEDOUT, asker->err);
	EXPECT_LT(LEAST_MS, asker->ms);
	EXPECT_GT(MOST_MS, asker->ms);
	EXPECT_GT(LEAST_MS / 2, longest);
	/* The host still owes it. */
	EXPECT_EQ(-EBUSY, get_quote(asker->fd));
}

TEST_HARNESS_MAIN
