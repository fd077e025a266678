// SPDX-License-Identifier: MIT
/*
 * What all ioctls of /dev/dstack have in common: sizes, flags, pointers, order
 *
 * Copyright The dstack for Linux authors
 */
#include "keys.h"

#define WORDS_MAX	2	/* words of a structure that must be zero */
#define UNKNOWN_NR	(_IOC_NR(DSTACK_ACT_FOR) + 1)
#define UNKNOWN_CMD	_IO(DSTACK_IOC_TYPE, UNKNOWN_NR)

/* What to call, and a page that a structure can end, with nothing behind it. */
struct target {
	int fd;
	int file;
	uint8_t *page;
	size_t page_size;
	uint8_t buf[DSTACK_QUOTE_MAX];
	int32_t hmac, aead;	/* handles of the application */
	uint8_t blob[DSTACK_SEAL_OVERHEAD];
};

/* One ioctl: how to call it right, and which bits must not be set. */
struct shape {
	unsigned long cmd;
	size_t size;
	void (*fill)(struct target *t, void *arg);
	struct {
		size_t at;
		uint32_t known;
	} words[WORDS_MAX];
};

static void fill_info(struct target *t, void *arg)
{
	(void)t;
	(void)arg;
}

static void fill_get_quote(struct target *t, void *arg)
{
	struct dstack_get_quote *get = arg;

	get->quote = address(t->buf);
	get->quote_len = sizeof(t->buf);
}

static void fill_read_log(struct target *t, void *arg)
{
	struct dstack_read_log *get = arg;

	get->buf = address(t->buf);
	get->buf_len = sizeof(t->buf);
}

static void fill_extend(struct target *t, void *arg)
{
	struct dstack_extend *extend = arg;

	(void)t;
	memcpy(extend->name, "selftest", sizeof("selftest"));
}

static void fill_why(struct target *t, void *arg)
{
	struct dstack_why *why = arg;

	why->fd = t->file;
	why->kind = DSTACK_KIND_EXEC;
}

static void fill_get_key(struct target *t, void *arg)
{
	struct dstack_get_key *get = arg;

	ask_for(get, DSTACK_KEY_BYTES, DSTACK_SCOPE_APP, "");
	get->delivery = DSTACK_DELIVER_BYTES;
	get->bytes = address(t->buf);
}

static void fill_hmac(struct target *t, void *arg)
{
	((struct dstack_hmac *)arg)->key = t->hmac;
}

static void fill_seal(struct target *t, void *arg)
{
	struct dstack_seal *seal = arg;

	seal->key = t->aead;
	seal->blob = address(t->buf);
	seal->blob_len = sizeof(t->buf);
}

static void fill_unseal(struct target *t, void *arg)
{
	struct dstack_unseal *unseal = arg;

	unseal->key = t->aead;
	unseal->blob = address(t->blob);
	unseal->blob_len = sizeof(t->blob);
}

static void fill_act_for(struct target *t, void *arg)
{
	(void)t;
	((struct dstack_act_for *)arg)->pid = getpid();
}

#define AT(type, field) offsetof(struct type, field)

FIXTURE(ioctl)
{
	struct target t;
	struct genl genl;
	struct libdstack_control *control;
};

FIXTURE_VARIANT(ioctl)
{
	struct shape shape;
};

FIXTURE_VARIANT_ADD(ioctl, info)
{
	.shape = {
		.cmd = DSTACK_INFO,
		.size = DSTACK_INFO_SIZE_VER0,
		.fill = fill_info,
		.words = { { AT(dstack_info, __reserved), 0 } },
	},
};

FIXTURE_VARIANT_ADD(ioctl, get_quote)
{
	.shape = {
		.cmd = DSTACK_GET_QUOTE,
		.size = DSTACK_GET_QUOTE_SIZE_VER0,
		.fill = fill_get_quote,
		.words = {
			{ AT(dstack_get_quote, flags), DSTACK_QUOTE_F_BOUND },
			{ AT(dstack_get_quote, __reserved), 0 },
		},
	},
};

FIXTURE_VARIANT_ADD(ioctl, read_log)
{
	.shape = {
		.cmd = DSTACK_READ_LOG,
		.size = DSTACK_READ_LOG_SIZE_VER0,
		.fill = fill_read_log,
		.words = { { AT(dstack_read_log, flags), 0 } },
	},
};

FIXTURE_VARIANT_ADD(ioctl, extend)
{
	.shape = {
		.cmd = DSTACK_EXTEND,
		.size = DSTACK_EXTEND_SIZE_VER0,
		.fill = fill_extend,
		.words = { { AT(dstack_extend, flags), 0 },
			   { AT(dstack_extend, __reserved), 0 } },
	},
};

FIXTURE_VARIANT_ADD(ioctl, why)
{
	.shape = {
		.cmd = DSTACK_WHY,
		.size = DSTACK_WHY_SIZE_VER0,
		.fill = fill_why,
		.words = { { AT(dstack_why, flags), 0 } },
	},
};

FIXTURE_VARIANT_ADD(ioctl, get_key)
{
	.shape = {
		.cmd = DSTACK_GET_KEY,
		.size = DSTACK_GET_KEY_SIZE_VER0,
		.fill = fill_get_key,
		.words = {
			{ AT(dstack_get_key, flags), __DSTACK_KEY_F_ALL },
		},
	},
};

FIXTURE_VARIANT_ADD(ioctl, hmac)
{
	.shape = {
		.cmd = DSTACK_HMAC,
		.size = DSTACK_HMAC_SIZE_VER0,
		.fill = fill_hmac,
		.words = { { AT(dstack_hmac, flags), __DSTACK_HMAC_F_ALL } },
	},
};

FIXTURE_VARIANT_ADD(ioctl, seal)
{
	.shape = {
		.cmd = DSTACK_SEAL,
		.size = DSTACK_SEAL_SIZE_VER0,
		.fill = fill_seal,
		.words = { { AT(dstack_seal, flags), __DSTACK_SEAL_F_ALL },
			   { AT(dstack_seal, __reserved), 0 } },
	},
};

FIXTURE_VARIANT_ADD(ioctl, unseal)
{
	.shape = {
		.cmd = DSTACK_UNSEAL,
		.size = DSTACK_UNSEAL_SIZE_VER0,
		.fill = fill_unseal,
		.words = { { AT(dstack_unseal, flags), 0 } },
	},
};

FIXTURE_VARIANT_ADD(ioctl, act_for)
{
	.shape = {
		.cmd = DSTACK_ACT_FOR,
		.size = DSTACK_ACT_FOR_SIZE_VER0,
		.fill = fill_act_for,
		.words = { { AT(dstack_act_for, flags), 0 },
			   { AT(dstack_act_for, __reserved), 0 } },
	},
};

/* Of the application, in the process keyring. */
static int handle_of(int fd, uint32_t kind, const char *name)
{
	struct dstack_get_key get;

	ask_for(&get, kind, DSTACK_SCOPE_APP, "");
	return get_in_ring(fd, &get, DSTACK_DELIVER_HANDLE,
			   KEY_SPEC_PROCESS_KEYRING, name);
}

FIXTURE_SETUP(ioctl)
{
	struct target *t = &self->t;
	uint64_t epoch;

	t->fd = device_open();
	if (t->fd == -ENOENT)
		SKIP(return, "no " DEVICE ": load the module");
	ASSERT_LE(0, t->fd);
	t->file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	ASSERT_LE(0, t->file);
	t->page_size = getpagesize();
	t->page = mmap(NULL, 2 * t->page_size, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, (void *)t->page);
	ASSERT_EQ(0, munmap(t->page + t->page_size, t->page_size));
	ASSERT_EQ(0, genl_open(&self->genl));
	ASSERT_EQ(0, libdstack_control_open(&self->control));
	ASSERT_EQ(0, key_policy_all(&self->genl, self->control));
	ASSERT_EQ(0, load_next_root(&self->genl, &epoch, root_key));
	t->hmac = handle_of(t->fd, DSTACK_KEY_HMAC, "hmac");
	ASSERT_LT(0, t->hmac);
	t->aead = handle_of(t->fd, DSTACK_KEY_AEAD, "aead");
	ASSERT_LT(0, t->aead);
	ASSERT_EQ(0, seal(t->fd, t->aead, 0, NULL, 0, t->blob));
}

FIXTURE_TEARDOWN(ioctl)
{
	EXPECT_EQ(0, wipe_roots(&self->genl));
	libdstack_control_close(self->control);
	genl_close(&self->genl);
	munmap(self->t.page, self->t.page_size);
	close(self->t.file);
	close(self->t.fd);
}

/* A right call that says that it has @size bytes; they end the page. */
static void *prepare(struct target *t, const struct shape *shape, uint32_t size)
{
	uint8_t *arg = t->page + t->page_size -
		       (size > shape->size ? size : shape->size);

	memset(t->page, 0, t->page_size);
	shape->fill(t, arg);
	memcpy(arg, &size, sizeof(size));
	return arg;
}

TEST_F(ioctl, size_of_abi_1_accepted)
{
	const struct shape *shape = &variant->shape;
	void *arg = prepare(&self->t, shape, shape->size);

	EXPECT_EQ(0, device_call(self->t.fd, shape->cmd, arg));
	EXPECT_EQ(shape->size, *(uint32_t *)arg);
}

TEST_F(ioctl, every_smaller_size_rejected)
{
	const struct shape *shape = &variant->shape;
	uint32_t size;

	for (size = 0; size < shape->size; size++) {
		void *arg = prepare(&self->t, shape, size);

		EXPECT_EQ(-EINVAL, device_call(self->t.fd, shape->cmd, arg))
			TH_LOG("with size %u", size);
	}
}

TEST_F(ioctl, zero_tail_accepted)
{
	const struct shape *shape = &variant->shape;
	static const uint32_t tails[] = { 1, 4, 8, 1000 };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(tails); i++) {
		uint32_t size = shape->size + tails[i];
		void *arg = prepare(&self->t, shape, size);

		/* There are calls that a file takes once. */
		close(self->t.fd);
		self->t.fd = device_open();
		EXPECT_EQ(0, device_call(self->t.fd, shape->cmd, arg))
			TH_LOG("with size %u", size);
	}
}

TEST_F(ioctl, nonzero_tail_rejected)
{
	const struct shape *shape = &variant->shape;
	uint32_t at, size = shape->size + 8;

	for (at = shape->size; at < size; at++) {
		uint8_t *arg = prepare(&self->t, shape, size);

		arg[at] = 1;
		EXPECT_EQ(-E2BIG, device_call(self->t.fd, shape->cmd, arg))
			TH_LOG("with byte %u", at);
	}
}

TEST_F(ioctl, tail_is_left_alone)
{
	const struct shape *shape = &variant->shape;
	uint8_t *arg = prepare(&self->t, shape, shape->size);

	arg -= 8;
	memset(arg, 0, shape->size + 8);
	shape->fill(&self->t, arg);
	*(uint32_t *)arg = shape->size;
	memset(arg + shape->size, 0x5a, 8);
	EXPECT_EQ(0, device_call(self->t.fd, shape->cmd, arg));
	EXPECT_EQ(0x5a, arg[shape->size]);
	EXPECT_EQ(0x5a, arg[shape->size + 7]);
}

/* The kernel would look for zeros in gigabytes, deaf to signals. */
TEST_F(ioctl, size_past_a_page_rejected)
{
	const struct shape *shape = &variant->shape;
	static const uint32_t sizes[] = { 1U << 20, UINT32_MAX };
	size_t i;
	void *zeros = mmap(NULL, sizes[0], PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ASSERT_NE(MAP_FAILED, zeros);
	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		shape->fill(&self->t, zeros);
		*(uint32_t *)zeros = sizes[i];
		EXPECT_EQ(-E2BIG, device_call(self->t.fd, shape->cmd, zeros))
			TH_LOG("with size %u", sizes[i]);
	}
	munmap(zeros, sizes[0]);
}

TEST_F(ioctl, unknown_bits_rejected)
{
	const struct shape *shape = &variant->shape;
	size_t i;
	uint32_t bit;

	for (i = 0; i < WORDS_MAX && shape->words[i].at; i++)
		for (bit = 1; bit; bit <<= 1) {
			uint8_t *arg = prepare(&self->t, shape, shape->size);

			if (bit & shape->words[i].known)
				continue;
			memcpy(arg + shape->words[i].at, &bit, sizeof(bit));
			EXPECT_EQ(-EOPNOTSUPP,
				  device_call(self->t.fd, shape->cmd, arg))
				TH_LOG("bit %#x of word %zu", bit, i);
		}
	EXPECT_NE(0, i);
}

TEST_F(ioctl, bad_pointer_rejected)
{
	const struct shape *shape = &variant->shape;
	uint8_t *end = self->t.page + self->t.page_size;
	uint32_t size = shape->size;

	EXPECT_EQ(-EFAULT, device_call(self->t.fd, shape->cmd, NULL));
	EXPECT_EQ(-EFAULT, device_call(self->t.fd, shape->cmd, (void *)-8L));
	EXPECT_EQ(-EFAULT, device_call(self->t.fd, shape->cmd, end));
	/* The size can be read, but not the rest. */
	memcpy(end - 8, &size, sizeof(size));
	EXPECT_EQ(-EFAULT, device_call(self->t.fd, shape->cmd, end - 8));
}

TEST_F(ioctl, read_only_memory_rejected)
{
	const struct shape *shape = &variant->shape;
	void *arg = prepare(&self->t, shape, shape->size);

	ASSERT_EQ(0, mprotect(self->t.page, self->t.page_size, PROT_READ));
	EXPECT_EQ(-EFAULT, device_call(self->t.fd, shape->cmd, arg));
}

TEST_F(ioctl, every_other_encoding_unknown)
{
	const struct shape *shape = &variant->shape;
	unsigned int nr = _IOC_NR(shape->cmd);
	void *arg = prepare(&self->t, shape, shape->size);
	const unsigned long others[] = {
		_IOC(_IOC_READ, DSTACK_IOC_TYPE, nr, 0),
		_IOC(_IOC_WRITE, DSTACK_IOC_TYPE, nr, 0),
		_IOC(_IOC_WRITE, DSTACK_IOC_TYPE, nr, shape->size),
		_IOC(_IOC_READ | _IOC_WRITE, DSTACK_IOC_TYPE, nr,
		     shape->size),
		_IOC(_IOC_NONE, DSTACK_IOC_TYPE, nr, shape->size),
		_IO(DSTACK_IOC_TYPE + 1, nr),
		_IO(DSTACK_IOC_TYPE - 1, nr),
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(others); i++)
		EXPECT_EQ(-ENOTTY, device_call(self->t.fd, others[i], arg))
			TH_LOG("command %#lx", others[i]);
}

/*
 * The order of checks is ABI: command, size, tail, unknown bits, the rest.
 * What is wrong is taken away step by step.
 */
TEST_F(ioctl, checks_come_in_order)
{
	const struct shape *shape = &variant->shape;
	uint32_t bad = ~shape->words[0].known;
	uint8_t *arg = prepare(&self->t, shape, shape->size + 8);
	uint32_t small = shape->size - 1, size = shape->size;

	arg[shape->size] = 1;
	memcpy(arg + shape->words[0].at, &bad, sizeof(bad));
	memcpy(arg, &small, sizeof(small));
	EXPECT_EQ(-ENOTTY, device_call(self->t.fd, UNKNOWN_CMD, arg));
	EXPECT_EQ(-EINVAL, device_call(self->t.fd, shape->cmd, arg));
	size += 8;
	memcpy(arg, &size, sizeof(size));
	EXPECT_EQ(-E2BIG, device_call(self->t.fd, shape->cmd, arg));
	arg[shape->size] = 0;
	/* Whatever else is asked for is nonsense, too. */
	memset(arg + sizeof(size), 0xff, shape->size - sizeof(size));
	EXPECT_EQ(-EOPNOTSUPP, device_call(self->t.fd, shape->cmd, arg));
	arg = prepare(&self->t, shape, shape->size);
	EXPECT_EQ(0, device_call(self->t.fd, shape->cmd, arg));
}

FIXTURE(device)
{
	int fd;
	struct libdstack_control *control;
};

FIXTURE_SETUP(device)
{
	self->fd = device_open();
	if (self->fd == -ENOENT)
		SKIP(return, "no " DEVICE ": load the module");
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, libdstack_control_open(&self->control));
}

FIXTURE_TEARDOWN(device)
{
	libdstack_control_close(self->control);
	close(self->fd);
}

TEST_F(device, unknown_numbers_unknown)
{
	unsigned int nr;

	for (nr = UNKNOWN_NR; nr <= _IOC_NRMASK; nr++)
		EXPECT_EQ(-ENOTTY, device_call(self->fd,
					       _IO(DSTACK_IOC_TYPE, nr), NULL))
			TH_LOG("number %u", nr);
}

TEST_F(device, unknown_command_comes_before_bad_pointer)
{
	EXPECT_EQ(-ENOTTY, device_call(self->fd, UNKNOWN_CMD, (void *)-8L));
}

static int try_open(void *unused)
{
	int fd;

	(void)unused;
	if (become_nobody())
		return -ECHILD;
	fd = device_open();
	return fd < 0 ? fd : 0;
}

TEST_F(device, nobody_cannot_open)
{
	EXPECT_EQ(-EACCES, in_child(try_open, NULL));
}

TEST_F(device, read_write_and_seek_refused)
{
	char byte = 0;

	EXPECT_EQ(-1, read(self->fd, &byte, 1));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-1, write(self->fd, &byte, 1));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-1, lseek(self->fd, 0, SEEK_SET));
	EXPECT_EQ(ESPIPE, errno);
	EXPECT_EQ(MAP_FAILED,
		  mmap(NULL, 1, PROT_READ, MAP_SHARED, self->fd, 0));
	EXPECT_EQ(ENODEV, errno);
}

TEST_F(device, info_describes_the_module)
{
	const char *backend = getenv("DSTACK_BACKEND");
	struct dstack_info info = { .size = sizeof(info) };
	static const uint8_t host[DSTACK_ID_SIZE] = DSTACK_HOST_ID;
	struct libdstack_status status;
	bool sim;

	memset(info.out_id, 0xff, sizeof(info.out_id));
	ASSERT_EQ(0, device_call(self->fd, DSTACK_INFO, &info));
	ASSERT_EQ(0, libdstack_status(self->control, &status));
	EXPECT_EQ(DSTACK_ABI, info.out_abi);
	EXPECT_EQ(0, info.out_errata);
	EXPECT_EQ(status.backend, info.out_backend);
	EXPECT_EQ(status.backend_flags, info.out_backend_flags);
	EXPECT_EQ(status.state, info.out_state);
	EXPECT_EQ(0, memcmp(host, info.out_id, sizeof(host)));
	EXPECT_TRUE(info.out_features & DSTACK_FEATURE_SIM);
	EXPECT_TRUE(info.out_features & DSTACK_FEATURE_BPF_LSM);
	sim = info.out_backend == DSTACK_BACKEND_SIM;
	EXPECT_EQ(sim ? DSTACK_BACKEND_F_INSECURE : 0, info.out_backend_flags);
	if (!sim)
		EXPECT_TRUE(info.out_features & DSTACK_FEATURE_TDX);
	if (backend)
		EXPECT_EQ(!strcmp(backend, "sim"), sim);
}

#ifdef __x86_64__
static int compat_info(void *arg)
{
	struct dstack_info *info;

	info = mmap(NULL, getpagesize(), PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	if (info == MAP_FAILED)
		return -errno;
	info->size = sizeof(*info);
	return compat_ioctl(*(int *)arg, DSTACK_INFO, info) ?:
	       info->out_abi == DSTACK_ABI ? 0 : -EPROTO;
}

TEST_F(device, works_from_32_bit_calls)
{
	int err = in_child(compat_info, &self->fd);

	/* Some kernels have none where a VMM could fake them. */
	if (err == -EINTR)
		SKIP(return, "this kernel takes no 32-bit system calls");
	EXPECT_EQ(0, err);
}
#endif

TEST_HARNESS_MAIN
