// SPDX-License-Identifier: MIT
/*
 * Attack 76: whatever is uploaded, the former policy stays until a whole, right
 * and newer one has come
 *
 * Copyright The dstack for Linux authors
 *
 * It stays in force, not just in the status: what it approves is approved and
 * what it does not is denied, all the time.
 */
#include "dstack_test.h"
#include "chance.h"
#include "upload.h"

#define TABLES		1000
#define MESSAGES	3000
#define UPLOADERS	4
#define UPLOADS		100	/* of each */
#define BEGINNERS	16

FIXTURE(abuse)
{
	int fd;
	int good, bad;
	struct genl genl, other;
	struct libdstack_control *control;
	struct libdstack_status before;
	struct container c;
	struct table table;
};

/* Approves what @good is, and nothing else. */
static int load_policy(FIXTURE_DATA(abuse) * self)
{
	static const uint8_t app_id[DSTACK_APP_ID_SIZE];
	struct dstack_digest digest = { .alg = DSTACK_ALG_SHA256 };
	struct libdstack_policy *policy;
	uint8_t active[DSTACK_APP_ID_SIZE];
	int err;

	err = file_sha256(self->good, digest.value) ?:
	      libdstack_status(self->control, &self->before) ?:
	      libdstack_policy_new(app_id, self->before.policy_epoch + 2,
				   &policy);
	if (err)
		return err;
	err = libdstack_policy_add(policy, self->c.as.section, &digest,
				   DSTACK_KIND_EXEC, NULL) ?:
	      libdstack_ensure_policy(self->control, policy, active);
	libdstack_policy_free(policy);
	return err ?: libdstack_set_state(self->control,
					  DSTACK_STATE_ENFORCE) ?:
		      libdstack_status(self->control, &self->before);
}

FIXTURE_SETUP(abuse)
{
	int err = genl_open(&self->genl);

	if (err == -ENOENT)
		SKIP(return, "no family " DSTACK_GENL_NAME ": load the module");
	ASSERT_EQ(0, err);
	ASSERT_EQ(0, genl_open(&self->other));
	ASSERT_EQ(0, libdstack_control_open(&self->control));
	self->fd = device_open();
	ASSERT_LE(0, self->fd);
	self->good = open("/bin/true", O_RDONLY | O_CLOEXEC);
	self->bad = open("/bin/false", O_RDONLY | O_CLOEXEC);
	ASSERT_LE(0, self->good);
	ASSERT_LE(0, self->bad);
	ASSERT_EQ(0, container_add(self->control, &self->c, "abuse"));
	ASSERT_EQ(0, load_policy(self));
	/* Whatever becomes of it, it is older than what is active. */
	make_table(&self->table, self->before.policy_epoch - 1);
}

FIXTURE_TEARDOWN(abuse)
{
	EXPECT_EQ(0, libdstack_set_state(self->control, DSTACK_STATE_MEASURE));
	EXPECT_EQ(0, container_remove(self->control, &self->c));
	close(self->good);
	close(self->bad);
	close(self->fd);
	libdstack_control_close(self->control);
	genl_close(&self->other);
	genl_close(&self->genl);
}

static bool verdict_is(FIXTURE_DATA(abuse) * self, int file, int verdict)
{
	struct dstack_why why = { .size = sizeof(why), .fd = file,
				  .kind = DSTACK_KIND_EXEC };

	memcpy(why.id, self->c.as.id, sizeof(why.id));
	return !device_call(self->fd, DSTACK_WHY, &why) &&
	       why.out_verdict == verdict &&
	       why.out_epoch == self->before.policy_epoch;
}

static bool policy_stays(FIXTURE_DATA(abuse) * self)
{
	return verdict_is(self, self->good, 0) &&
	       verdict_is(self, self->bad, -EACCES) &&
	       policy_unchanged(self->control, &self->before);
}

TEST_F(abuse, attack_76_stale_table_leaves_the_policy)
{
	ASSERT_TRUE(policy_stays(self));
	EXPECT_EQ(-ESTALE, load(&self->genl, &self->table,
				sizeof(self->table)));
	EXPECT_TRUE(policy_stays(self));
}

static int load_epoch(FIXTURE_DATA(abuse) * self, uint64_t epoch, bool good)
{
	static const uint8_t app_id[DSTACK_APP_ID_SIZE];
	struct dstack_digest digest = { .alg = DSTACK_ALG_SHA256 };
	uint8_t active[DSTACK_APP_ID_SIZE];
	struct libdstack_policy *policy;
	int err;

	err = file_sha256(self->good, digest.value) ?:
	      libdstack_policy_new(app_id, epoch, &policy);
	if (err)
		return err;
	if (good)
		err = libdstack_policy_add(policy, self->c.as.section, &digest,
					   DSTACK_KIND_EXEC, NULL);
	err = err ?: libdstack_ensure_policy(self->control, policy, active);
	libdstack_policy_free(policy);
	return err ?: libdstack_status(self->control, &self->before);
}

/* Its epoch is used up; the next one is free for who comes after. */
TEST_F(abuse, policy_is_withdrawn_within_its_epoch_and_not_restored)
{
	uint64_t epoch = self->before.policy_epoch;

	EXPECT_EQ(-ESTALE, load_epoch(self, epoch - 1, false));
	EXPECT_TRUE(policy_stays(self));
	EXPECT_EQ(0, load_epoch(self, epoch, false));
	EXPECT_EQ(epoch, self->before.policy_epoch);
	EXPECT_TRUE(verdict_is(self, self->good, -EACCES));
	EXPECT_EQ(-ESTALE, load_epoch(self, epoch, true));
	EXPECT_TRUE(verdict_is(self, self->good, -EACCES));
	EXPECT_EQ(0, load_epoch(self, epoch + 1, true));
	EXPECT_TRUE(verdict_is(self, self->good, 0));
}

/* At every moment of an upload: also when all has come but the commit. */
TEST_F(abuse, attack_76_half_an_upload_leaves_the_policy)
{
	const uint8_t *bytes = (void *)&self->table;
	size_t at, piece = 8;

	ASSERT_EQ(0, begin(&self->genl, sizeof(self->table)));
	for (at = 0; at < sizeof(self->table); at += piece) {
		ASSERT_EQ(-ENODATA, commit(&self->genl));
		ASSERT_TRUE(policy_stays(self))
			TH_LOG("after %zu bytes", at);
		ASSERT_EQ(0, data(&self->genl, bytes + at, piece));
	}
	EXPECT_TRUE(policy_stays(self));
	EXPECT_EQ(-ESTALE, commit(&self->genl));
	EXPECT_TRUE(policy_stays(self));
}

/* Some bytes become others.  What is left of it is malformed or stale. */
TEST_F_TIMEOUT(abuse, attack_76_tables_by_chance_leave_the_policy, 60)
{
	uint64_t start = seed(), state = start;
	int i, err, malformed = 0;

	for (i = 0; i < TABLES; i++) {
		uint8_t bytes[sizeof(self->table)];
		unsigned int wrongs = 1 + below(&state, 4);
		size_t at, size = sizeof(bytes);

		memcpy(bytes, &self->table, sizeof(bytes));
		while (wrongs--) {
			at = below(&state, sizeof(bytes));
			/* A higher epoch would not be stale. */
			if (at / 8 != offsetof(struct table,
					       header.epoch) / 8)
				bytes[at] = any(&state);
		}
		if (!below(&state, 8))
			size = 1 + below(&state, sizeof(bytes));
		err = load(&self->genl, bytes, size);
		malformed += err == -EBADMSG;
		EXPECT_TRUE(err == -EBADMSG || err == -ESTALE)
			TH_LOG("table %d: %d; FUZZ_SEED=%#jx", i, err,
			       (uintmax_t)start);
		EXPECT_STRNE("", self->genl.why);
		if (i % 100 == 0)
			EXPECT_TRUE(policy_stays(self));
	}
	EXPECT_LT(TABLES / 2, malformed);
	EXPECT_GT(TABLES, malformed);
	EXPECT_TRUE(policy_stays(self));
}

/*
 * Messages by chance, from two sockets; the answer to each is known
 */

struct model {
	int owner;		/* 0 or 1, -1: nobody has begun */
	uint32_t size, used;
};

static int expect_begin(struct model *model, int who, uint32_t size)
{
	if (!size || size > DSTACK_TABLE_MAX)
		return -EFBIG;
	model->owner = who;
	model->size = size;
	model->used = 0;
	return 0;
}

static int expect_data(struct model *model, int who, uint32_t len)
{
	if (model->owner != who)
		return -ENOENT;
	if (len > model->size - model->used)
		return -EOVERFLOW;
	model->used += len;
	return 0;
}

static int expect_commit(struct model *model, int who)
{
	if (model->owner != who)
		return -ENOENT;
	if (model->used != model->size)
		return -ENODATA;
	model->owner = -1;
	return -EBADMSG;
}

TEST_F_TIMEOUT(abuse, attack_76_uploads_by_chance_leave_the_policy, 60)
{
	static const uint32_t sizes[] = { 0, 1, 64, 200, DSTACK_TABLE_MAX + 1 };
	static const uint8_t zeros[256];
	struct model model = { .owner = -1 };
	uint64_t start = seed(), state = start;
	int i, want, err, refused = 0;

	for (i = 0; i < MESSAGES; i++) {
		int who = below(&state, 2);
		struct genl *genl = who ? &self->other : &self->genl;
		uint32_t size = sizes[below(&state, ARRAY_SIZE(sizes))];
		uint32_t len = below(&state, 2) ? below(&state, 100) :
						  model.size - model.used;

		if (len > sizeof(zeros))
			len = sizeof(zeros);
		switch (below(&state, 8)) {
		case 0:
			want = expect_begin(&model, who, size);
			err = begin(genl, size);
			break;
		case 1:
		case 2:
			want = expect_commit(&model, who);
			err = commit(genl);
			refused += err == -EBADMSG;
			break;
		default:
			want = expect_data(&model, who, len);
			err = data(genl, zeros, len);
		}
		ASSERT_EQ(want, err)
			TH_LOG("message %d; FUZZ_SEED=%#jx", i,
			       (uintmax_t)start);
	}
	/* Some got as far as being looked at. */
	EXPECT_LT(0, refused);
	EXPECT_TRUE(policy_stays(self));
}

/*
 * Many at once
 */

struct uploader {
	const struct table *table;
	int *looked_at;			/* shared, of each its own */
};

static int upload_often(void *arg)
{
	struct uploader *uploader = arg;
	struct genl genl;
	int i, err;

	err = genl_open(&genl);
	for (i = 0; i < UPLOADS && !err; i++) {
		err = load(&genl, uploader->table, sizeof(*uploader->table));
		if (!err)
			return -EPROTO;
		*uploader->looked_at += err == -ESTALE;
		if (err == -ESTALE || err == -ENOENT)
			err = 0;
	}
	return err;
}

static int drop_sockets(void *unused)
{
	struct genl genl;
	int i, err = 0;

	(void)unused;
	for (i = 0; i < UPLOADS && !err; i++) {
		err = genl_open(&genl) ?: begin(&genl, sizeof(struct table));
		genl_close(&genl);
	}
	return err;
}

static pid_t start(child_fn fn, void *arg)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	_exit(-fn(arg));
}

TEST_F_TIMEOUT(abuse, attack_76_uploads_at_once_leave_the_policy, 60)
{
	int *looked_at = mmap(NULL, getpagesize(), PROT_READ | PROT_WRITE,
			      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct uploader uploader = { .table = &self->table };
	pid_t pids[UPLOADERS], dropper;
	int i, sum = 0;

	ASSERT_NE(MAP_FAILED, (void *)looked_at);
	for (i = 0; i < UPLOADERS; i++) {
		uploader.looked_at = &looked_at[i];
		pids[i] = start(upload_often, &uploader);
		ASSERT_LT(0, pids[i]);
	}
	dropper = start(drop_sockets, NULL);
	ASSERT_LT(0, dropper);
	for (i = 0; i < 20; i++)
		EXPECT_TRUE(policy_stays(self));
	EXPECT_EQ(0, wait_child(dropper));
	for (i = 0; i < UPLOADERS; i++) {
		EXPECT_EQ(0, wait_child(pids[i]));
		sum += looked_at[i];
	}
	EXPECT_LT(0, sum);
	EXPECT_TRUE(policy_stays(self));
}

static long vmalloc_kib(void)
{
	FILE *file = fopen("/proc/meminfo", "re");
	char line[128];
	long kib = -1;

	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "VmallocUsed: %ld", &kib) == 1)
			break;
	if (file)
		fclose(file);
	return kib;
}

/* Who has begun and does not go on must not be many. */
TEST_F(abuse, attack_76_uploads_that_wait_take_the_memory_of_one)
{
	struct genl sockets[BEGINNERS];
	long before = vmalloc_kib();
	int i;

	ASSERT_LE(0, before);
	for (i = 0; i < BEGINNERS; i++) {
		ASSERT_EQ(0, genl_open(&sockets[i]));
		ASSERT_EQ(0, begin(&sockets[i], DSTACK_TABLE_MAX));
	}
	EXPECT_GT(before + 2 * DSTACK_TABLE_MAX / 1024, vmalloc_kib());
	for (i = 0; i < BEGINNERS; i++)
		genl_close(&sockets[i]);
	EXPECT_GT(before + DSTACK_TABLE_MAX / 1024, vmalloc_kib());
	EXPECT_TRUE(policy_stays(self));
}

TEST_HARNESS_MAIN
