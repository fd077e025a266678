// SPDX-License-Identifier: MIT
/*
 * Ten thousand keys of a hundred containers at once, and two processors
 *
 * Copyright The dstack for Linux authors
 */
#include "keys.h"

#include <sched.h>
#include <time.h>

#define CONTAINERS	100
#define KEYS_EACH		100	/* of each */
#define FIRST_UID	100000
#define CALLS		4000
#define ROUNDS_MIN	5
#define PATIENCE_S	60	/* for a moment when the host is idle */

/* Shared with the processes in the containers. */
struct board {
	int ready;	/* processes that have their keys */
	int go;		/* ... and may use them */
	int used;	/* keys that worked */
	int revoked;	/* ... and keys that had ended */
	int wrong;
	int second;	/* use them once more */
};

FIXTURE(keys)
{
	struct genl genl;
	struct libdstack_control *control;
	struct container *containers;
	pid_t pids[CONTAINERS];
	struct board *board;
	uint64_t epoch;
	int count;
};

FIXTURE_SETUP(keys)
{
	char name[32];
	int err = genl_open(&self->genl);

	if (err == -ENOENT)
		SKIP(return, "no family " DSTACK_GENL_NAME ": load the module");
	ASSERT_EQ(0, err);
	ASSERT_EQ(0, libdstack_control_open(&self->control));
	ASSERT_EQ(0, key_policy_all(&self->genl, self->control));
	ASSERT_EQ(0, load_next_root(&self->genl, &self->epoch, root_key));
	self->board = mmap(NULL, sizeof(*self->board), PROT_READ | PROT_WRITE,
			   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, self->board);
	self->containers = calloc(CONTAINERS, sizeof(*self->containers));
	ASSERT_NE(NULL, self->containers);
	for (self->count = 0; self->count < CONTAINERS; self->count++) {
		snprintf(name, sizeof(name), "keys-%d", self->count);
		ASSERT_EQ(0, key_container(self->control,
					   &self->containers[self->count],
					   name, self->count + 1));
	}
}

FIXTURE_TEARDOWN(keys)
{
	int i;

	for (i = 0; i < self->count; i++) {
		cgroup_kill(self->containers[i].cgroup);
		if (self->pids[i])
			waitpid(self->pids[i], NULL, 0);
	}
	for (i = 0; i < self->count; i++)
		EXPECT_EQ(0, container_remove(self->control,
					      &self->containers[i]));
	free(self->containers);
	EXPECT_EQ(0, wipe_roots(&self->genl));
	libdstack_control_close(self->control);
	genl_close(&self->genl);
}

static void add(int *number, int by)
{
	__atomic_add_fetch(number, by, __ATOMIC_SEQ_CST);
}

static int read_now(const int *number)
{
	return __atomic_load_n(number, __ATOMIC_SEQ_CST);
}

static int wait_for(const int *number, int wanted)
{
	int ms;

	for (ms = 0; ms < 10 * PATIENCE_MS; ms += 10) {
		if (read_now(number) >= wanted)
			return 0;
		sleep_ms(10);
	}
	return -ETIMEDOUT;
}

static void use_all(int fd, const int *keys, struct board *board)
{
	uint8_t tag[DSTACK_KEY_TAG_SIZE];
	int i, err;

	for (i = 0; i < KEYS_EACH; i++) {
		err = hmac(fd, keys[i], "x", 1, tag);
		if (!err)
			add(&board->used, 1);
		else if (err == -EKEYREVOKED)
			add(&board->revoked, 1);
		else
			add(&board->wrong, 1);
	}
}

/* As users of their own, each with the quota of any user. */
static void hold_keys(const char *cgroup, int number, struct board *board)
{
	int fd = device_open(), keys[KEYS_EACH], i;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (cgroup_enter(cgroup))
		_exit(1);
	close(fd);
	fd = device_open();
	if (setresuid(FIRST_UID + number, FIRST_UID + number,
		      FIRST_UID + number))
		_exit(2);
	for (i = 0; i < KEYS_EACH; i++) {
		keys[i] = get_handle(fd, DSTACK_KEY_HMAC, "mac");
		if (keys[i] < 0)
			add(&board->wrong, 1);
	}
	add(&board->ready, 1);
	while (!read_now(&board->go))
		sleep_ms(10);
	use_all(fd, keys, board);
	while (!read_now(&board->second))
		sleep_ms(10);
	use_all(fd, keys, board);
	_exit(0);
}

TEST_F_TIMEOUT(keys, ten_thousand_of_a_hundred_containers_live_at_once, 300)
{
	struct libdstack_status status;
	struct board *board = self->board;
	int i;

	for (i = 0; i < CONTAINERS; i++) {
		self->pids[i] = fork();
		ASSERT_LE(0, self->pids[i]);
		if (!self->pids[i])
			hold_keys(self->containers[i].cgroup, i, board);
	}
	ASSERT_EQ(0, wait_for(&board->ready, CONTAINERS));
	EXPECT_EQ(0, read_now(&board->wrong));
	add(&board->go, 1);
	EXPECT_EQ(0, wait_for(&board->used, CONTAINERS * KEYS_EACH));
	EXPECT_EQ(0, read_now(&board->wrong));
	/* All of them end with the roots. */
	ASSERT_EQ(0, wipe_roots(&self->genl));
	add(&board->second, 1);
	EXPECT_EQ(0, wait_for(&board->revoked, CONTAINERS * KEYS_EACH));
	EXPECT_EQ(CONTAINERS * KEYS_EACH, read_now(&board->used));
	EXPECT_EQ(0, read_now(&board->wrong));
	EXPECT_EQ(0, libdstack_status(self->control, &status));
}

struct worker {
	int cpu;
	struct board *board;
};

static int derive_many(void *arg)
{
	const struct worker *worker = arg;
	int fd = device_open(), key = get_handle(fd, DSTACK_KEY_HMAC, "mac");
	uint8_t tag[DSTACK_KEY_TAG_SIZE];
	cpu_set_t cpus;
	int i, err = 0;

	CPU_ZERO(&cpus);
	CPU_SET(worker->cpu, &cpus);
	if (key < 0 || sched_setaffinity(0, sizeof(cpus), &cpus))
		return -EPROTO;
	add(&worker->board->ready, 1);
	while (!read_now(&worker->board->go))
		sched_yield();
	for (i = 0; i < CALLS && !err; i++)
		err = hmac(fd, key, "x", 1, tag);
	return err;
}

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

/* Seconds that so many processes take, each on a processor of its own. */
static double time_workers(FIXTURE_DATA(keys) * self, int nr)
{
	struct board *board = self->board;
	struct worker workers[2];
	pid_t pids[2];
	double begin;
	int i, err = 0;

	memset(board, 0, sizeof(*board));
	for (i = 0; i < nr; i++) {
		workers[i].cpu = i;
		workers[i].board = board;
		pids[i] = fork();
		if (!pids[i]) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			_exit(cgroup_enter(self->containers[i].cgroup) ? 255 :
			      -derive_many(&workers[i]));
		}
	}
	if (wait_for(&board->ready, nr))
		return 0;
	begin = now();
	add(&board->go, 1);
	for (i = 0; i < nr; i++)
		err = wait_child(pids[i]) ?: err;
	return err ? 0 : now() - begin;
}

static double min(double a, double b)
{
	return a < b ? a : b;
}

/* The host may be busy: the best round of either counts. */
TEST_F_TIMEOUT(keys, two_processors_derive_nearly_twice_as_much, 300)
{
	double end = now() + PATIENCE_S, one = PATIENCE_S, two = PATIENCE_S;
	int round;

	if (sysconf(_SC_NPROCESSORS_ONLN) < 2)
		SKIP(return, "there is one processor");
	for (round = 0; round < ROUNDS_MIN ||
	     (2 * one < 1.5 * two && now() < end); round++) {
		one = min(one, time_workers(self, 1));
		two = min(two, time_workers(self, 2));
		ASSERT_LT(0, one);
		ASSERT_LT(0, two);
	}
	TH_LOG("two processors do %.2f times the work of one", 2 * one / two);
	EXPECT_LE(1.5 * two, 2 * one);
}

TEST_HARNESS_MAIN
