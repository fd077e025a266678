// SPDX-License-Identifier: MIT
/*
 * Attack 35: what an ioctl that fails leaves behind, and other hostile callers
 *
 * Copyright The dstack for Linux authors
 */
#include "dstack_test.h"

#include <poll.h>

#define FILL		0xa5
#define ARG_MAX_SIZE	256
#define BUF_SIZE	65536

/* Memory that ends with the first page; all of it below 4 GiB. */
struct memory {
	uint8_t *page;
	size_t size;
};

FIXTURE(refusal)
{
	int fd;
	int file;
	struct memory memory;
	uint8_t *buf;
	struct libdstack_control *control;
};

static void *map_low(size_t size)
{
	return mmap(NULL, size, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
}

FIXTURE_SETUP(refusal)
{
	struct memory *memory = &self->memory;

	self->fd = device_open();
	if (self->fd == -ENOENT)
		SKIP(return, "no " DEVICE ": load the module");
	ASSERT_LE(0, self->fd);
	self->file = open("/bin/true", O_RDONLY | O_CLOEXEC);
	ASSERT_LE(0, self->file);
	/* In one piece: the hole must stay one, whatever else is mapped. */
	memory->size = getpagesize();
	memory->page = map_low(2 * memory->size + BUF_SIZE);
	ASSERT_NE(MAP_FAILED, (void *)memory->page);
	ASSERT_EQ(0, munmap(memory->page + memory->size, memory->size));
	self->buf = memory->page + 2 * memory->size;
	ASSERT_EQ(0, libdstack_control_open(&self->control));
}

FIXTURE_TEARDOWN(refusal)
{
	libdstack_control_close(self->control);
	munmap(self->buf, BUF_SIZE);
	munmap(self->memory.page, self->memory.size);
	close(self->file);
	close(self->fd);
}

static uint64_t log_count(FIXTURE_DATA(refusal) * self)
{
	struct libdstack_status status;

	return libdstack_status(self->control, &status) ? UINT64_MAX :
							   status.log_count;
}

/*
 * Right calls, of which something is made wrong.  Outputs hold FILL before.
 */

static void fill_out(void *arg, size_t first, size_t size)
{
	memset((uint8_t *)arg + first, FILL, size - first);
}

static size_t right_info(FIXTURE_DATA(refusal) * self, void *arg)
{
	struct dstack_info *info = arg;

	(void)self;
	fill_out(arg, offsetof(struct dstack_info, out_abi), sizeof(*info));
	info->__reserved = 0;
	return sizeof(*info);
}

static size_t right_quote(FIXTURE_DATA(refusal) * self, void *arg)
{
	struct dstack_get_quote *get = arg;

	fill_out(arg, offsetof(struct dstack_get_quote, out_log_count),
		 sizeof(*get));
	get->quote = address(self->buf);
	get->quote_len = BUF_SIZE;
	return sizeof(*get);
}

static size_t right_read(FIXTURE_DATA(refusal) * self, void *arg)
{
	struct dstack_read_log *get = arg;

	fill_out(arg, offsetof(struct dstack_read_log, out_len), sizeof(*get));
	get->buf = address(self->buf);
	get->buf_len = BUF_SIZE;
	return sizeof(*get);
}

static size_t right_extend(FIXTURE_DATA(refusal) * self, void *arg)
{
	struct dstack_extend *extend = arg;

	fill_out(arg, offsetof(struct dstack_extend, out_seq), sizeof(*extend));
	memcpy(extend->name, "refusal", sizeof("refusal"));
	extend->data = address(self->buf);
	extend->data_len = 16;
	return sizeof(*extend);
}

static size_t right_why(FIXTURE_DATA(refusal) * self, void *arg)
{
	struct dstack_why *why = arg;

	fill_out(arg, offsetof(struct dstack_why, out_verdict), sizeof(*why));
	why->__reserved = 0;
	why->fd = self->file;
	why->kind = DSTACK_KIND_EXEC;
	return sizeof(*why);
}

static const struct right {
	unsigned long cmd;
	size_t (*make)(FIXTURE_DATA(refusal) * self, void *arg);
} rights[] = {
	{ DSTACK_INFO, right_info }, { DSTACK_GET_QUOTE, right_quote },
	{ DSTACK_READ_LOG, right_read }, { DSTACK_EXTEND, right_extend },
	{ DSTACK_WHY, right_why },
};

static size_t make_right(FIXTURE_DATA(refusal) * self,
			 const struct right *right, void *arg)
{
	uint32_t size;

	memset(arg, 0, ARG_MAX_SIZE);
	size = right->make(self, arg);
	memcpy(arg, &size, sizeof(size));
	return size;
}

/* One mistake; @field is a u32 of the structure. */
static const struct mistake {
	size_t nr;			/* in rights[] */
	size_t field;
	uint32_t value;
	int err;
} mistakes[] = {
	{ 0, 0, 4, -EINVAL },
	{ 0, offsetof(struct dstack_info, __reserved), 1, -EOPNOTSUPP },
	{ 1, offsetof(struct dstack_get_quote, flags), 2, -EOPNOTSUPP },
	{ 1, offsetof(struct dstack_get_quote, __reserved), 1, -EOPNOTSUPP },
	{ 1, offsetof(struct dstack_get_quote, quote), 8, -EFAULT },
	{ 2, offsetof(struct dstack_read_log, flags), 1, -EOPNOTSUPP },
	{ 2, offsetof(struct dstack_read_log, buf_len), UINT32_MAX, -EINVAL },
	{ 2, offsetof(struct dstack_read_log, seq) + 4, 1, -ERANGE },
	{ 2, offsetof(struct dstack_read_log, buf_len), 71, -ENOSPC },
	{ 2, offsetof(struct dstack_read_log, buf), 8, -EFAULT },
	{ 3, offsetof(struct dstack_extend, flags), 1, -EOPNOTSUPP },
	{ 3, offsetof(struct dstack_extend, name), ':', -EINVAL },
	{ 3, offsetof(struct dstack_extend, data_len),
	  DSTACK_USER_DATA_MAX + 1, -EINVAL },
	{ 3, offsetof(struct dstack_extend, data), 8, -EFAULT },
	{ 4, offsetof(struct dstack_why, flags), 1, -EOPNOTSUPP },
	{ 4, offsetof(struct dstack_why, __reserved), 1, -EOPNOTSUPP },
	{ 4, offsetof(struct dstack_why, kind), 3, -EINVAL },
	{ 4, offsetof(struct dstack_why, id), ':', -ENOENT },
	{ 4, offsetof(struct dstack_why, fd), UINT32_MAX, -EBADF },
};

TEST_F(refusal, attack_35_structure_is_left_as_it_was)
{
	uint8_t arg[ARG_MAX_SIZE] __attribute__((aligned(8)));
	uint8_t before[ARG_MAX_SIZE];
	uint64_t count = log_count(self);
	size_t i;

	for (i = 0; i < ARRAY_SIZE(mistakes); i++) {
		const struct mistake *mistake = &mistakes[i];
		const struct right *right = &rights[mistake->nr];

		make_right(self, right, arg);
		memcpy(arg + mistake->field, &mistake->value,
		       sizeof(mistake->value));
		memcpy(before, arg, sizeof(before));
		EXPECT_EQ(mistake->err,
			  device_call(self->fd, right->cmd, arg))
			TH_LOG("mistake %zu", i);
		/* How many events there are is told with ENOSPC. */
		if (mistake->err == -ENOSPC)
			continue;
		EXPECT_EQ(0, memcmp(before, arg, sizeof(before)))
			TH_LOG("mistake %zu", i);
	}
	EXPECT_EQ(count, log_count(self));
}

TEST_F(refusal, structures_may_lie_anywhere)
{
	size_t i, at;

	for (i = 0; i < ARRAY_SIZE(rights); i++)
		for (at = 0; at < 8; at++) {
			void *arg = self->memory.page + at;

			make_right(self, &rights[i], arg);
			EXPECT_EQ(0, device_call(self->fd, rights[i].cmd, arg))
				TH_LOG("ioctl %zu at byte %zu", i, at);
		}
}

/* What cannot be told must not happen. */
TEST_F(refusal, attack_35_event_whose_place_cannot_be_told_is_none)
{
	uint64_t count = log_count(self);
	struct memory *memory = &self->memory;

	make_right(self, &rights[3], memory->page);
	ASSERT_EQ(0, mprotect(memory->page, memory->size, PROT_READ));
	EXPECT_EQ(-EFAULT, device_call(self->fd, DSTACK_EXTEND, memory->page));
	EXPECT_EQ(count, log_count(self));
}

TEST_F(refusal, attack_35_buffers_across_unmapped_memory_rejected)
{
	struct memory *memory = &self->memory;
	uint64_t edge = address(memory->page + memory->size - 8);
	uint64_t count = log_count(self);
	struct dstack_get_quote quote;
	struct dstack_extend extend;
	struct dstack_read_log get;

	memset(&quote, 0, sizeof(quote));
	make_right(self, &rights[3], self->buf);
	memcpy(&extend, self->buf, sizeof(extend));
	extend.data = edge;
	EXPECT_EQ(-EFAULT, device_call(self->fd, DSTACK_EXTEND, &extend));
	EXPECT_EQ(count, log_count(self));
	quote.size = sizeof(quote);
	quote.quote = edge;
	quote.quote_len = BUF_SIZE;
	EXPECT_EQ(-EFAULT, device_call(self->fd, DSTACK_GET_QUOTE, &quote));
	memset(&get, 0, sizeof(get));
	get.size = sizeof(get);
	get.buf = edge;
	get.buf_len = BUF_SIZE;
	EXPECT_EQ(-EFAULT, device_call(self->fd, DSTACK_READ_LOG, &get));
}

/* poll() goes by what was read, not by what was tried. */
TEST_F(refusal, failed_read_is_still_to_be_read)
{
	struct pollfd fds = { .fd = self->fd, .events = POLLIN };
	struct dstack_read_log get = {
		.size = sizeof(get), .buf = 8, .buf_len = BUF_SIZE,
	};

	EXPECT_EQ(-EFAULT, device_call(self->fd, DSTACK_READ_LOG, &get));
	EXPECT_EQ(1, poll(&fds, 1, 0));
	get.buf_len = 0;
	EXPECT_EQ(-ENOSPC, device_call(self->fd, DSTACK_READ_LOG, &get));
	EXPECT_EQ(1, poll(&fds, 1, 0));
	get.seq = log_count(self);
	EXPECT_EQ(0, device_call(self->fd, DSTACK_READ_LOG, &get));
	EXPECT_EQ(0, poll(&fds, 1, 0));
}

#ifdef __x86_64__
static int compat_calls(void *arg)
{
	FIXTURE_DATA(refusal) * self = arg;
	uint8_t *page = self->memory.page;
	size_t i, size;
	int err;

	for (i = 0; i < ARRAY_SIZE(rights); i++) {
		make_right(self, &rights[i], page);
		err = compat_ioctl(self->fd, rights[i].cmd, page);
		if (err)
			return err;
	}
	for (i = 0; i < ARRAY_SIZE(mistakes); i++) {
		make_right(self, &rights[mistakes[i].nr], page);
		memcpy(page + mistakes[i].field, &mistakes[i].value, 4);
		err = compat_ioctl(self->fd, rights[mistakes[i].nr].cmd, page);
		if (err != mistakes[i].err)
			return -EPROTO;
	}
	for (i = 0; i < ARRAY_SIZE(rights); i++) {
		size = make_right(self, &rights[i], page);
		memmove(page + self->memory.size - size + 4, page, size - 4);
		err = compat_ioctl(self->fd, rights[i].cmd,
				   page + self->memory.size - size + 4);
		if (err != -EFAULT || compat_ioctl(self->fd, rights[i].cmd,
						   (void *)-1L) != -EFAULT)
			return -EFAULT;
	}
	return 0;
}

TEST_F(refusal, attack_35_32_bit_calls_get_the_same_answers)
{
	int err = in_child(compat_calls, self);

	/* Some kernels have none where a VMM could fake them. */
	if (err == -EINTR)
		SKIP(return, "this kernel takes no 32-bit system calls");
	EXPECT_EQ(0, err);
}
#endif

TEST_HARNESS_MAIN
