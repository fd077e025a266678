// SPDX-License-Identifier: MIT
/*
 * Attack 35: calls of /dev/dstack that nobody in their right mind would make
 *
 * Copyright The dstack for Linux authors
 *
 * Whatever is asked for, the answer is a documented errno, the kernel lives,
 * and the log replays to the register.  FUZZ_SEED repeats a run.
 */
#include "dstack_test.h"
#include "chance.h"

#include <pthread.h>

#define CALLS		6000	/* of each thread */
#define THREADS		4
#define PAGES		4	/* two to write, one to read, a hole */
#define WINDOW		(1ULL << 32)
#define KERNEL_ADDRESS	0xffffffff81000000ULL
#define NAME_GOOD	"good-name"
#define NAME_BAD	"bad:name "

/* What Documentation/userspace-api/dstack.rst says that each can return. */
static const struct shape {
	unsigned int nr;
	uint32_t size;
	unsigned int weight;
	int errnos[12];
} shapes[] = {
	{ _IOC_NR(DSTACK_INFO), DSTACK_INFO_SIZE_VER0, 20, { EOPNOTSUPP } },
	{ _IOC_NR(DSTACK_GET_QUOTE), DSTACK_GET_QUOTE_SIZE_VER0, 3,
	  { EOPNOTSUPP, ENOTRECOVERABLE, ENOSPC, EBUSY, ETIMEDOUT, EINTR,
	    EPROTO, EIO, ENOMEM } },
	{ _IOC_NR(DSTACK_READ_LOG), DSTACK_READ_LOG_SIZE_VER0, 25,
	  { EOPNOTSUPP, ERANGE, ENOSPC, ENOMEM } },
	{ _IOC_NR(DSTACK_EXTEND), DSTACK_EXTEND_SIZE_VER0, 25,
	  { EOPNOTSUPP, EPERM, ENOBUFS, EBUSY, EIO, ENOMEM } },
	{ _IOC_NR(DSTACK_WHY), DSTACK_WHY_SIZE_VER0, 25,
	  { EOPNOTSUPP, EPERM, ENOENT, EBADF } },
	{ _IOC_NR(DSTACK_WHY) + 1, 64, 2, { ENOTTY } },
};

static const int errnos_of_all[] = { 0, EACCES, EFAULT, EINVAL, E2BIG };

static bool documented(const struct shape *shape, int err)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(errnos_of_all); i++)
		if (err == -errnos_of_all[i])
			return true;
	for (i = 0; i < ARRAY_SIZE(shape->errnos); i++)
		if (shape->errnos[i] && err == -shape->errnos[i])
			return true;
	return false;
}

static const struct shape *any_shape(uint64_t *state)
{
	unsigned int i, total = 0, at;

	for (i = 0; i < ARRAY_SIZE(shapes); i++)
		total += shapes[i].weight;
	at = below(state, total);
	for (i = 0; at >= shapes[i].weight; i++)
		at -= shapes[i].weight;
	return &shapes[i];
}

/*
 * The memory that calls are made with: threads share it, so that what one asks
 * for changes under the kernel's eyes
 */

struct arena {
	uint8_t *window;
	uint8_t *bytes;
	size_t page;
	int fd;
	int file;
	const char *id;
};

/* Mostly in the first page, or across the end of one. */
static uint8_t *any_place(struct arena *arena, uint64_t *state)
{
	unsigned int page = below(state, PAGES);

	switch (below(state, 8)) {
	case 0:
		return NULL;
	case 1:
		return arena->bytes + page * arena->page -
		       (page ? 8 * below(state, 32) : 0);
	case 2:
		return arena->bytes + page * arena->page +
		       below(state, arena->page);
	default:
		return arena->bytes + 8 * below(state, 64);
	}
}

static uint64_t any_pointer(struct arena *arena, uint64_t *state)
{
	if (!below(state, 16))
		return KERNEL_ADDRESS;
	return address(any_place(arena, state));
}

static uint32_t any_length(uint64_t *state)
{
	static const uint32_t lengths[] = {
		0, 1, 16, 71, 72, 120, 1024, 1025, 4096, 8192, 16384,
		DSTACK_READ_LOG_MAX, DSTACK_READ_LOG_MAX + 1, UINT32_MAX,
	};

	return lengths[below(state, ARRAY_SIZE(lengths))];
}

static uint32_t any_size(const struct shape *shape, uint64_t *state)
{
	const uint32_t sizes[] = {
		0, 1, 3, shape->size - 1, shape->size + 1, shape->size + 8,
		4096, 4097, UINT32_MAX, any(state),
	};

	if (below(state, 3))
		return shape->size;
	return sizes[below(state, ARRAY_SIZE(sizes))];
}

/* Right, but for what is chosen by lot. */
static void fill(struct arena *arena, unsigned int nr, void *arg,
		 uint64_t *state)
{
	static const char * const names[] = {
		"fuzz", NAME_GOOD, NAME_BAD, "", "dstack.exec",
	};
	const char * const ids[] = { "", DSTACK_HOST_ID, arena->id, "nobody" };
	struct dstack_get_quote *quote = arg;
	struct dstack_read_log *read = arg;
	struct dstack_extend *extend = arg;
	struct dstack_why *why = arg;

	switch (_IO(DSTACK_IOC_TYPE, nr)) {
	case DSTACK_GET_QUOTE:
		quote->flags = below(state, 3);
		quote->quote = any_pointer(arena, state);
		quote->quote_len = any_length(state);
		break;
	case DSTACK_READ_LOG:
		read->seq = below(state, 4) ? below(state, 100) : any(state);
		read->buf = any_pointer(arena, state);
		read->buf_len = any_length(state);
		break;
	case DSTACK_EXTEND:
		strcpy((char *)extend->name,
		       names[below(state, ARRAY_SIZE(names))]);
		extend->data = any_pointer(arena, state);
		extend->data_len = any_length(state);
		break;
	case DSTACK_WHY:
		why->fd = below(state, 2) ? arena->file :
			  (int)below(state, 24) - 1;
		why->kind = below(state, 6);
		strcpy((char *)why->id, ids[below(state, ARRAY_SIZE(ids))]);
		break;
	}
}

/* The structure as it should be, and then some of it as it should not. */
static void make(struct arena *arena, const struct shape *shape, void *arg,
		 uint64_t *state)
{
	union {
		uint32_t words[64];
		uint64_t align;
	} call;
	unsigned int wrong = below(state, 3), i;

	memset(&call, 0, sizeof(call));
	fill(arena, shape->nr, &call, state);
	for (i = 0; i < wrong; i++)
		call.words[below(state, shape->size / 4)] =
			below(state, 2) ? any(state) : below(state, 4);
	call.words[0] = any_size(shape, state);
	memcpy(arg, &call, shape->size);
}

static bool writable(const struct arena *arena, const uint8_t *at, size_t len)
{
	return at >= arena->bytes && at + len <= arena->bytes + 2 * arena->page;
}

/*
 * A pointer of which chance has chosen the lower half must not meet anything
 * else of ours, such as a stack: all such addresses are taken.
 */
static int make_arena(struct arena *arena)
{
	uint64_t start;

	arena->page = getpagesize();
	arena->window = mmap(NULL, 2 * WINDOW, PROT_NONE,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
			     -1, 0);
	if (arena->window == MAP_FAILED)
		return -errno;
	start = (address(arena->window) + WINDOW - 1) / WINDOW * WINDOW;
	arena->bytes = arena->window + (start - address(arena->window)) +
		       WINDOW / 2;
	if (mprotect(arena->bytes, 2 * arena->page, PROT_READ | PROT_WRITE) ||
	    mprotect(arena->bytes + 2 * arena->page, arena->page, PROT_READ))
		return -errno;
	return 0;
}

/*
 * Many calls
 */

struct fuzzer {
	struct arena *arena;
	uint64_t state;
	unsigned int answered;		/* without an error */
	int bad;			/* an errno that nobody promised */
	unsigned int bad_nr;
};

static void *fuzz(void *arg)
{
	struct fuzzer *fuzzer = arg;
	struct arena *arena = fuzzer->arena;
	uint64_t *state = &fuzzer->state;
	int i, err;

	for (i = 0; i < CALLS && !fuzzer->bad; i++) {
		const struct shape *shape = any_shape(state);
		uint8_t *at = any_place(arena, state);

		if (writable(arena, at, shape->size))
			make(arena, shape, at, state);
		err = device_call(arena->fd, _IO(DSTACK_IOC_TYPE, shape->nr),
				  at);
		if (!err)
			fuzzer->answered++;
		if (!documented(shape, err)) {
			fuzzer->bad = err;
			fuzzer->bad_nr = shape->nr;
		}
	}
	return NULL;
}

/* Several threads on one descriptor and in one memory. */
static int fuzz_many(struct arena *arena, size_t nr)
{
	struct fuzzer fuzzers[THREADS] = { 0 };
	pthread_t threads[THREADS];
	uint64_t start = seed();
	size_t i;
	int err;

	err = make_arena(arena);
	if (err)
		return err;
	for (i = 0; i < nr; i++) {
		fuzzers[i].arena = arena;
		fuzzers[i].state = start + i * 7919;
		if (pthread_create(&threads[i], NULL, fuzz, &fuzzers[i]))
			return -EAGAIN;
	}
	for (i = 0; i < nr; i++) {
		pthread_join(threads[i], NULL);
		if (fuzzers[i].bad)
			fprintf(stderr, "# ioctl %u: %s with FUZZ_SEED=%#jx\n",
				fuzzers[i].bad_nr, strerror(-fuzzers[i].bad),
				(uintmax_t)start);
		if (fuzzers[i].bad || fuzzers[i].answered < CALLS / 100)
			err = -EPROTO;
	}
	munmap(arena->window, 2 * WINDOW);
	return err;
}

FIXTURE(fuzz)
{
	struct arena arena;
	struct libdstack_control *control;
	struct container c;
};

FIXTURE_SETUP(fuzz)
{
	self->arena.fd = device_open();
	if (self->arena.fd == -ENOENT)
		SKIP(return, "no " DEVICE ": load the module");
	ASSERT_LE(0, self->arena.fd);
	self->arena.file = open("/bin/true", O_RDONLY | O_CLOEXEC);
	ASSERT_LE(0, self->arena.file);
	ASSERT_EQ(0, libdstack_control_open(&self->control));
	ASSERT_EQ(0, container_add(self->control, &self->c, "fuzz"));
	self->arena.id = self->c.as.id;
}

/* The log replays to the register after everything that is done here. */
FIXTURE_TEARDOWN(fuzz)
{
	ASSERT_EQ(0, container_remove(self->control, &self->c));
	EXPECT_EQ(0, log_replays(self->control, self->arena.fd));
	libdstack_control_close(self->control);
	close(self->arena.file);
	close(self->arena.fd);
}

TEST_F_TIMEOUT(fuzz, attack_35_random_calls_of_the_host, 60)
{
	EXPECT_EQ(0, fuzz_many(&self->arena, 1));
}

TEST_F_TIMEOUT(fuzz, attack_35_random_calls_of_threads_that_share_memory, 60)
{
	EXPECT_EQ(0, fuzz_many(&self->arena, THREADS));
}

/* Nobody, with a descriptor of its own. */
static int fuzz_inside(void *arg)
{
	struct arena *arena = arg;

	arena->fd = device_open();
	if (arena->fd < 0 || become_nobody())
		return -ECHILD;
	return fuzz_many(arena, THREADS);
}

TEST_F_TIMEOUT(fuzz, attack_35_random_calls_of_nobody_in_a_container, 60)
{
	struct arena arena = self->arena;

	EXPECT_EQ(0, in_cgroup(self->c.cgroup, fuzz_inside, &arena));
}

TEST_HARNESS_MAIN
