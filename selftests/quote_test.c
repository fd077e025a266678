// SPDX-License-Identifier: MIT
/*
 * Quotes: what is in them, and that the log explains each of them
 *
 * Copyright The dstack for Linux authors
 */
#include "dstack_test.h"

#include <endian.h>

/* TDX quote v4: the TD report behind a header of 48 bytes. */
#define TDX_REPORT_DATA		568
#define TDX_RTMR3		520
#define TDX_QUOTE_MIN		632
/* What the sim backend answers: 8 bytes of magic, then both. */
#define SIM_REPORT_DATA		8
#define SIM_REGISTER		72
#define SIM_QUOTE_SIZE		120

#define QUOTES			20
#define WORKERS			4

FIXTURE(quote)
{
	int fd;
	bool sim;
	struct libdstack_control *control;
	struct container a, b;
	struct dstack_get_quote get;
	uint8_t data[DSTACK_QUOTE_MAX];
};

FIXTURE_SETUP(quote)
{
	struct dstack_info info = { .size = sizeof(info) };

	self->fd = device_open();
	if (self->fd == -ENOENT)
		SKIP(return, "no " DEVICE ": load the module");
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, device_call(self->fd, DSTACK_INFO, &info));
	self->sim = info.out_backend == DSTACK_BACKEND_SIM;
	ASSERT_EQ(0, libdstack_control_open(&self->control));
	ASSERT_EQ(0, container_add(self->control, &self->a, "quote-a"));
	ASSERT_EQ(0, container_add(self->control, &self->b, "quote-b"));
	self->get.size = sizeof(self->get);
	self->get.quote = address(self->data);
	self->get.quote_len = sizeof(self->data);
}

FIXTURE_TEARDOWN(quote)
{
	EXPECT_EQ(0, container_remove(self->control, &self->a));
	EXPECT_EQ(0, container_remove(self->control, &self->b));
	libdstack_control_close(self->control);
	close(self->fd);
}

/* Are report data and register where verifiers look for them? */
static bool quote_holds(bool sim, const uint8_t *quote,
			const struct dstack_get_quote *get)
{
	size_t data = sim ? SIM_REPORT_DATA : TDX_REPORT_DATA;
	size_t value = sim ? SIM_REGISTER : TDX_RTMR3;

	if (sim ? get->quote_len != SIM_QUOTE_SIZE :
		  get->quote_len < TDX_QUOTE_MIN)
		return false;
	return !memcmp(quote + data, get->report_data,
		       sizeof(get->report_data)) &&
	       !memcmp(quote + value, get->out_register,
		       sizeof(get->out_register));
}

TEST_F(quote, has_report_data_and_register)
{
	uint8_t wanted[DSTACK_REPORT_DATA_SIZE];
	size_t i;

	for (i = 0; i < sizeof(wanted); i++)
		wanted[i] = i;
	memcpy(self->get.report_data, wanted, sizeof(wanted));
	ASSERT_EQ(0, device_call(self->fd, DSTACK_GET_QUOTE, &self->get));
	EXPECT_EQ(0, memcmp(wanted, self->get.report_data, sizeof(wanted)));
	EXPECT_TRUE(quote_holds(self->sim, self->data, &self->get));
}

TEST_F(quote, magic_tells_the_backend)
{
	static const uint8_t sim[] = "DSTKSIM1", tdx[] = { 4, 0 };

	ASSERT_EQ(0, device_call(self->fd, DSTACK_GET_QUOTE, &self->get));
	EXPECT_EQ(self->sim, !memcmp(sim, self->data, sizeof(sim) - 1));
	EXPECT_EQ(!self->sim, !memcmp(tdx, self->data, sizeof(tdx)));
}

TEST_F(quote, short_buffer_gets_the_length)
{
	struct dstack_get_quote *get = &self->get;
	uint32_t len;

	memset(self->data, 0x5a, sizeof(self->data));
	get->quote_len = 0;
	ASSERT_EQ(-ENOSPC, device_call(self->fd, DSTACK_GET_QUOTE, get));
	len = get->quote_len;
	ASSERT_LT(0, len);
	ASSERT_GE(sizeof(self->data), len);
	get->quote_len = len - 1;
	EXPECT_EQ(-ENOSPC, device_call(self->fd, DSTACK_GET_QUOTE, get));
	EXPECT_EQ(len, get->quote_len);
	EXPECT_EQ(0x5a, self->data[0]);
	EXPECT_EQ(0, device_call(self->fd, DSTACK_GET_QUOTE, get));
	EXPECT_EQ(len, get->quote_len);
	EXPECT_TRUE(quote_holds(self->sim, self->data, get));
}

TEST_F(quote, bad_buffer_rejected)
{
	self->get.quote = -4096ULL;
	EXPECT_EQ(-EFAULT, device_call(self->fd, DSTACK_GET_QUOTE, &self->get));
	self->get.quote = 0;
	EXPECT_EQ(-EFAULT, device_call(self->fd, DSTACK_GET_QUOTE, &self->get));
}

TEST_F(quote, attack_49_claim_to_be_bound_refused)
{
	struct dstack_get_quote *get = &self->get;

	memcpy(get->report_data, DSTACK_BOUND_TAG, DSTACK_BOUND_TAG_SIZE);
	EXPECT_EQ(-EACCES, device_call(self->fd, DSTACK_GET_QUOTE, get));
	get->report_data[DSTACK_REPORT_DATA_SIZE - 1] = 1;
	EXPECT_EQ(-EACCES, device_call(self->fd, DSTACK_GET_QUOTE, get));
	/* Nobody will take this one for bound. */
	get->report_data[DSTACK_BOUND_TAG_SIZE - 1] = 1;
	EXPECT_EQ(0, device_call(self->fd, DSTACK_GET_QUOTE, get));
}

TEST_F(quote, unknown_flag_comes_before_claim)
{
	struct dstack_get_quote *get = &self->get;

	memcpy(get->report_data, DSTACK_BOUND_TAG, DSTACK_BOUND_TAG_SIZE);
	get->flags = ~(uint32_t)__DSTACK_QUOTE_F_ALL;
	EXPECT_EQ(-EOPNOTSUPP, device_call(self->fd, DSTACK_GET_QUOTE, get));
}

/* What Documentation/userspace-api/dstack.rst says a bound quote has. */
static int expected_binding(const char *id, const uint8_t *nonce,
			    uint64_t epoch,
			    uint8_t out[DSTACK_REPORT_DATA_SIZE])
{
	uint32_t id_len = htole32(strlen(id));
	uint32_t alg = htole32(DSTACK_ALG_SHA256);
	uint8_t digest[DSTACK_DIGEST_SIZE];
	uint64_t le_epoch = htole64(epoch);
	const struct piece pieces[] = {
		{ DSTACK_BOUND_TAG, DSTACK_BOUND_TAG_SIZE },
		{ nonce, DSTACK_REPORT_DATA_SIZE },
		{ &id_len, sizeof(id_len) }, { id, strlen(id) },
		{ &alg, sizeof(alg) }, { digest, sizeof(digest) },
		{ &le_epoch, sizeof(le_epoch) },
	};
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	int err;

	if (fd < 0)
		return -errno;
	err = file_sha256(fd, digest);
	close(fd);
	memcpy(out, DSTACK_BOUND_TAG, DSTACK_BOUND_TAG_SIZE);
	hash("SHA384", pieces, ARRAY_SIZE(pieces), out + DSTACK_BOUND_TAG_SIZE);
	return err;
}

/* A bound quote for the caller, whoever that is. */
struct bound {
	const char *id;
	uint64_t epoch;
	bool sim;
	uint8_t nonce[DSTACK_REPORT_DATA_SIZE];
};

static int bound_is_as_expected(void *arg)
{
	uint8_t expected[DSTACK_REPORT_DATA_SIZE];
	uint8_t *data = malloc(DSTACK_QUOTE_MAX);
	const struct bound *bound = arg;
	struct dstack_get_quote get = {
		.size = sizeof(get), .flags = DSTACK_QUOTE_F_BOUND,
		.quote = address(data), .quote_len = DSTACK_QUOTE_MAX,
	};
	int fd = device_open();
	int err;

	if (fd < 0)
		return fd;
	memcpy(get.report_data, bound->nonce, sizeof(get.report_data));
	err = device_call(fd, DSTACK_GET_QUOTE, &get) ?:
	      expected_binding(bound->id, bound->nonce, bound->epoch, expected);
	if (!err && memcmp(expected, get.report_data, sizeof(expected)))
		err = -EBADMSG;
	if (!err && !quote_holds(bound->sim, data, &get))
		err = -EPROTO;
	free(data);
	close(fd);
	return err;
}

TEST_F(quote, attack_49_bound_names_nonce_caller_program_and_epoch)
{
	struct libdstack_status status;
	struct bound bound = { .sim = self->sim };

	ASSERT_EQ(0, libdstack_status(self->control, &status));
	bound.epoch = status.policy_epoch;
	bound.id = DSTACK_HOST_ID;
	EXPECT_EQ(0, in_child(bound_is_as_expected, &bound));
	bound.id = self->a.as.id;
	EXPECT_EQ(0, in_cgroup(self->a.cgroup, bound_is_as_expected, &bound));
	bound.id = self->b.as.id;
	EXPECT_EQ(0, in_cgroup(self->b.cgroup, bound_is_as_expected, &bound));
	/* The expectation itself can fail. */
	EXPECT_EQ(-EBADMSG,
		  in_cgroup(self->a.cgroup, bound_is_as_expected, &bound));
}

TEST_F(quote, nonce_may_look_bound)
{
	struct libdstack_status status;
	struct bound bound = { .id = DSTACK_HOST_ID, .sim = self->sim };

	ASSERT_EQ(0, libdstack_status(self->control, &status));
	bound.epoch = status.policy_epoch;
	memcpy(bound.nonce, DSTACK_BOUND_TAG, DSTACK_BOUND_TAG_SIZE);
	EXPECT_EQ(0, in_child(bound_is_as_expected, &bound));
}

TEST_F(quote, bound_differs_with_every_nonce)
{
	struct dstack_get_quote *get = &self->get;
	uint8_t first[DSTACK_REPORT_DATA_SIZE];

	get->flags = DSTACK_QUOTE_F_BOUND;
	ASSERT_EQ(0, device_call(self->fd, DSTACK_GET_QUOTE, get));
	memcpy(first, get->report_data, sizeof(first));
	memset(get->report_data, 0, sizeof(get->report_data));
	get->report_data[DSTACK_REPORT_DATA_SIZE - 1] = 1;
	ASSERT_EQ(0, device_call(self->fd, DSTACK_GET_QUOTE, get));
	EXPECT_EQ(0, memcmp(first, get->report_data, DSTACK_BOUND_TAG_SIZE));
	EXPECT_NE(0, memcmp(first, get->report_data, sizeof(first)));
}

static int start_replay(struct replay *replay, int fd,
			struct libdstack_control *control)
{
	struct libdstack_status status;
	int err = libdstack_status(control, &status);

	memset(replay, 0, sizeof(*replay));
	replay->fd = fd;
	replay_begin(replay, &status);
	return err;
}

TEST_F(quote, user_event_is_in_the_next)
{
	struct dstack_get_quote *get = &self->get;
	struct replay replay;
	uint64_t seq;

	ASSERT_EQ(0, start_replay(&replay, self->fd, self->control));
	ASSERT_EQ(0, libdstack_extend(self->fd, "quote", "x", 1, &seq));
	ASSERT_EQ(0, device_call(self->fd, DSTACK_GET_QUOTE, get));
	EXPECT_LT(seq, get->out_log_count);
	ASSERT_EQ(0, replay_to(&replay, get->out_log_count));
	EXPECT_EQ(0, memcmp(replay.value, get->out_register,
			    sizeof(replay.value)));
}

/* Programs start on every CPU, all the time, while the log is replayed. */
TEST_F_TIMEOUT(quote, replays_at_every_moment, 120)
{
	struct dstack_get_quote *get = &self->get;
	uint64_t first = 0, last = 0;
	struct replay replay;
	int i;

	ASSERT_EQ(0, start_replay(&replay, self->fd, self->control));
	for (i = 0; i < WORKERS; i++)
		ASSERT_LT(0, spawn_forever(i % 2 ? self->a.cgroup :
						   self->b.cgroup,
					   "/bin/true"));
	for (i = 0; i < QUOTES; i++) {
		get->report_data[0] = i;
		get->quote_len = sizeof(self->data);
		ASSERT_EQ(0, device_call(self->fd, DSTACK_GET_QUOTE, get));
		EXPECT_EQ(i, get->report_data[0]);
		EXPECT_TRUE(quote_holds(self->sim, self->data, get));
		ASSERT_LE(last, get->out_log_count);
		last = get->out_log_count;
		first = first ?: last;
		ASSERT_EQ(0, replay_to(&replay, last));
		ASSERT_EQ(0, memcmp(replay.value, get->out_register,
				    sizeof(replay.value)))
			TH_LOG("quote %d, %ju events", i, (uintmax_t)last);
		sleep_ms(50);
	}
	EXPECT_LT(first, last);
}

struct asker {
	uint8_t who;
	bool sim;
};

static int ask_often(void *arg)
{
	const struct asker *asker = arg;
	uint8_t *data = malloc(DSTACK_QUOTE_MAX);
	int i, err = 0, fd = device_open();

	for (i = 0; !err && i < QUOTES / 2; i++) {
		struct dstack_get_quote get = {
			.size = sizeof(get), .report_data = { asker->who, i },
			.quote = address(data), .quote_len = DSTACK_QUOTE_MAX,
		};

		err = device_call(fd, DSTACK_GET_QUOTE, &get);
		if (!err && (get.report_data[0] != asker->who ||
			     get.report_data[1] != i ||
			     !quote_holds(asker->sim, data, &get)))
			err = -EPROTO;
	}
	return err;
}

TEST_F_TIMEOUT(quote, everyone_gets_his_own, 60)
{
	struct asker asker = { .sim = self->sim };
	pid_t pids[WORKERS];
	int i;

	for (i = 0; i < WORKERS; i++) {
		asker.who = i + 1;
		pids[i] = fork();
		ASSERT_LE(0, pids[i]);
		if (!pids[i])
			_exit(-in_cgroup(i % 2 ? self->a.cgroup : NULL,
					 ask_often, &asker));
	}
	for (i = 0; i < WORKERS; i++)
		EXPECT_EQ(0, wait_child(pids[i]));
}

TEST_HARNESS_MAIN
