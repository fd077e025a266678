// SPDX-License-Identifier: MIT
/*
 * Sealed blobs and HMAC: who opens them, and what is wrong if nobody does
 *
 * Copyright The dstack for Linux authors
 */
#include "keys.h"

#include <stddef.h>

#define TEXT		"eight by"		/* and the blob has 200 bytes */
#define BLOB		(sizeof(TEXT) - 1 + DSTACK_SEAL_OVERHEAD)
#define LARGE		1048576

/* The header, as Documentation/userspace-api/dstack.rst has it. */
#define AT_VERSION	8
#define AT_FLAGS	10
#define AT_EPOCH	16

FIXTURE(seal)
{
	struct genl genl;
	struct libdstack_control *control;
	struct container a, b;
	uint64_t epoch;
	struct job *job;
};

/* What a process of a container is to do, and what came of it. */
struct job {
	const char *path;
	const char *purpose;
	uint32_t scope;
	uint32_t flags;
	bool fixed;
	uint64_t epoch;
	uint32_t check;
	uint8_t blob[BLOB];
	char text[sizeof(TEXT)];
};

FIXTURE_SETUP(seal)
{
	int err = genl_open(&self->genl);

	if (err == -ENOENT)
		SKIP(return, "no family " DSTACK_GENL_NAME ": load the module");
	ASSERT_EQ(0, err);
	ASSERT_EQ(0, libdstack_control_open(&self->control));
	ASSERT_EQ(0, key_policy_all(&self->genl, self->control));
	ASSERT_EQ(0, key_container(self->control, &self->a, "seal-a", 0xa1));
	ASSERT_EQ(0, key_container(self->control, &self->b, "seal-b", 0xb2));
	ASSERT_EQ(0, load_next_root(&self->genl, &self->epoch, root_key));
	self->job = mmap(NULL, sizeof(*self->job), PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, self->job);
	self->job->path = "box";
	self->job->purpose = "";
	self->job->scope = DSTACK_SCOPE_CONTAINER;
}

FIXTURE_TEARDOWN(seal)
{
	munmap(self->job, sizeof(*self->job));
	EXPECT_EQ(0, wipe_roots(&self->genl));
	EXPECT_EQ(0, container_remove(self->control, &self->a));
	EXPECT_EQ(0, container_remove(self->control, &self->b));
	libdstack_control_close(self->control);
	genl_close(&self->genl);
}

static int job_handle(int fd, const struct job *job, uint32_t kind)
{
	struct dstack_get_key get;

	ask_for(&get, kind, job->scope, job->path);
	get.purpose = address(job->purpose);
	get.purpose_len = strlen(job->purpose);
	if (job->fixed)
		of_epoch(&get, job->epoch);
	return get_in_ring(fd, &get, DSTACK_DELIVER_HANDLE,
			   KEY_SPEC_PROCESS_KEYRING, "box");
}

static int do_seal(void *arg)
{
	struct job *job = arg;
	int fd = device_open(), key = job_handle(fd, job, DSTACK_KEY_AEAD);

	return key < 0 ? key : seal(fd, key, job->flags, TEXT,
				    sizeof(TEXT) - 1, job->blob);
}

static int do_unseal(void *arg)
{
	struct job *job = arg;
	int fd = device_open(), key = job_handle(fd, job, DSTACK_KEY_AEAD);

	if (key < 0)
		return key;
	memset(job->text, 0, sizeof(job->text));
	return unseal(fd, key, job->blob, sizeof(job->blob), job->text,
		      &job->check);
}

#define EXPECT_REFUSED(errno_, check_, container) \
do { \
	EXPECT_EQ(-(errno_), in_cgroup((container).cgroup, do_unseal, \
				       self->job)); \
	EXPECT_EQ(check_, self->job->check); \
	EXPECT_EQ(0, self->job->text[0]); \
} while (0)

static bool opens(const struct container *c, struct job *job)
{
	return !in_cgroup(c->cgroup, do_unseal, job) &&
	       !strcmp(job->text, TEXT) && job->check == DSTACK_SEAL_OK;
}

TEST_F(seal, blob_opens_for_its_container)
{
	struct job *job = self->job;
	uint8_t first[BLOB];

	ASSERT_EQ(0, in_cgroup(self->a.cgroup, do_seal, job));
	EXPECT_TRUE(opens(&self->a, job));
	memcpy(first, job->blob, sizeof(first));
	/* Sealed again it is another blob: each has a key of its own. */
	ASSERT_EQ(0, in_cgroup(self->a.cgroup, do_seal, job));
	EXPECT_NE(0, memcmp(first, job->blob, sizeof(first)));
	EXPECT_NE(0, memcmp(first + BLOB - 24, job->blob + BLOB - 24, 8));
}

TEST_F(seal, blob_does_not_hold_its_text)
{
	ASSERT_EQ(0, in_cgroup(self->a.cgroup, do_seal, self->job));
	EXPECT_EQ(NULL, memmem(self->job->blob, BLOB, TEXT, sizeof(TEXT) - 1));
}

TEST_F(seal, blob_of_the_app_opens_for_each_container_of_it)
{
	self->job->scope = DSTACK_SCOPE_APP;
	ASSERT_EQ(0, in_cgroup(self->a.cgroup, do_seal, self->job));
	EXPECT_TRUE(opens(&self->b, self->job));
	self->job->scope = DSTACK_SCOPE_CONTAINER;
	EXPECT_REFUSED(EKEYREJECTED, DSTACK_SEAL_IMAGE, self->b);
}

TEST_F(seal, attack_65_other_image_is_refused_as_that)
{
	ASSERT_EQ(0, in_cgroup(self->a.cgroup, do_seal, self->job));
	EXPECT_REFUSED(EKEYREJECTED, DSTACK_SEAL_IMAGE, self->b);
	EXPECT_TRUE(opens(&self->a, self->job));
}

TEST_F(seal, attack_65_other_path_or_purpose_is_refused_as_that)
{
	struct job *job = self->job;

	ASSERT_EQ(0, in_cgroup(self->a.cgroup, do_seal, job));
	job->path = "bo";
	job->purpose = "x";
	EXPECT_REFUSED(EKEYREJECTED, DSTACK_SEAL_NAME, self->a);
	job->path = "box";
	EXPECT_REFUSED(EKEYREJECTED, DSTACK_SEAL_NAME, self->a);
}

TEST_F(seal, attack_65_other_policy_is_refused_as_that)
{
	struct job *job = self->job;

	job->flags = DSTACK_SEAL_F_POLICY;
	ASSERT_EQ(0, in_cgroup(self->a.cgroup, do_seal, job));
	EXPECT_TRUE(opens(&self->a, job));
	ASSERT_EQ(0, key_policy_all(&self->genl, self->control));
	EXPECT_REFUSED(EKEYREJECTED, DSTACK_SEAL_POLICY, self->a);
	/* Without the flag, policies come and go. */
	job->flags = 0;
	ASSERT_EQ(0, in_cgroup(self->a.cgroup, do_seal, job));
	ASSERT_EQ(0, key_policy_all(&self->genl, self->control));
	EXPECT_TRUE(opens(&self->a, job));
}

TEST_F(seal, attack_65_other_root_key_is_refused_as_a_changed_blob)
{
	uint64_t le = htole64(self->epoch + 1), next;

	ASSERT_EQ(0, in_cgroup(self->a.cgroup, do_seal, self->job));
	ASSERT_EQ(0, load_next_root(&self->genl, &next, other_key));
	ASSERT_EQ(self->epoch + 1, next);
	memcpy(self->job->blob + AT_EPOCH, &le, sizeof(le));
	EXPECT_REFUSED(EBADMSG, DSTACK_SEAL_TAG, self->a);
}

TEST_F(seal, attack_63_blobs_of_both_epochs_open_until_one_is_retired)
{
	struct job *job = self->job;
	uint8_t first[BLOB];
	uint64_t next;

	ASSERT_EQ(0, in_cgroup(self->a.cgroup, do_seal, job));
	memcpy(first, job->blob, sizeof(first));
	ASSERT_EQ(0, load_next_root(&self->genl, &next, other_key));
	EXPECT_TRUE(opens(&self->a, job));
	/* Who asked for one epoch gets that. */
	job->fixed = true;
	job->epoch = next;
	EXPECT_REFUSED(EKEYREVOKED, DSTACK_SEAL_EPOCH, self->a);
	job->fixed = false;
	ASSERT_EQ(0, in_cgroup(self->a.cgroup, do_seal, job));
	EXPECT_TRUE(opens(&self->a, job));
	ASSERT_EQ(0, retire_roots(&self->genl, self->epoch));
	EXPECT_TRUE(opens(&self->a, job));
	memcpy(job->blob, first, sizeof(first));
	EXPECT_REFUSED(EKEYREVOKED, DSTACK_SEAL_EPOCH, self->a);
}

TEST_F(seal, epoch_that_is_not_loaded_is_enokey)
{
	uint64_t le = htole64(1ULL << 50);

	ASSERT_EQ(0, in_cgroup(self->a.cgroup, do_seal, self->job));
	memcpy(self->job->blob + AT_EPOCH, &le, sizeof(le));
	EXPECT_REFUSED(ENOKEY, DSTACK_SEAL_EPOCH, self->a);
}

/* 1,600 blobs that differ in one bit. */
static int flip_each(void *arg)
{
	struct job *job = arg;
	int fd = device_open(), key = job_handle(fd, job, DSTACK_KEY_AEAD);
	uint32_t seen[__DSTACK_SEAL_MAX] = { 0 };
	char text[sizeof(TEXT)] = { 0 };
	size_t bit;
	int err;

	for (bit = 0; bit < 8 * BLOB; bit++) {
		job->blob[bit / 8] ^= 1 << bit % 8;
		err = unseal(fd, key, job->blob, BLOB, text, &job->check);
		job->blob[bit / 8] ^= 1 << bit % 8;
		if (!err || text[0] || job->check == DSTACK_SEAL_OK ||
		    job->check >= __DSTACK_SEAL_MAX)
			return -EPROTO;
		seen[job->check]++;
	}
	/* Each check had its turn but that of a policy, which was not asked. */
	for (bit = 1; bit < __DSTACK_SEAL_MAX; bit++)
		if (!seen[bit] && bit != DSTACK_SEAL_POLICY)
			return -ENODATA;
	return unseal(fd, key, job->blob, BLOB, text, &job->check);
}

TEST_F(seal, blob_with_any_bit_flipped_is_refused)
{
	ASSERT_EQ(200, BLOB);
	ASSERT_EQ(0, in_cgroup(self->a.cgroup, do_seal, self->job));
	EXPECT_EQ(0, in_cgroup(self->a.cgroup, flip_each, self->job));
}

static int cut_each(void *arg)
{
	struct job *job = arg;
	int fd = device_open(), key = job_handle(fd, job, DSTACK_KEY_AEAD);
	uint8_t longer[BLOB + 8] = { 0 };
	char text[sizeof(longer)];
	size_t len;

	memcpy(longer, job->blob, BLOB);
	for (len = 0; len <= sizeof(longer); len++)
		if (len != BLOB &&
		    (unseal(fd, key, longer, len, text, &job->check) !=
		     -EBADMSG || job->check != DSTACK_SEAL_FORMAT))
			return -EPROTO;
	return 0;
}

TEST_F(seal, blob_cut_short_or_made_longer_is_refused)
{
	ASSERT_EQ(0, in_cgroup(self->a.cgroup, do_seal, self->job));
	EXPECT_EQ(0, in_cgroup(self->a.cgroup, cut_each, self->job));
}

static int large(void *arg)
{
	struct job *job = arg;
	int fd = device_open(), key = job_handle(fd, job, DSTACK_KEY_AEAD);
	static uint8_t data[LARGE + 1], blob[LARGE + 1 + DSTACK_SEAL_OVERHEAD];
	static uint8_t back[LARGE + 1];
	size_t i;

	for (i = 0; i < LARGE; i++)
		data[i] = i * 7 + i / 251;
	if (seal(fd, key, 0, data, LARGE + 1, blob) != -EINVAL ||
	    seal(fd, key, 0, data, LARGE, blob) ||
	    unseal(fd, key, blob, LARGE + DSTACK_SEAL_OVERHEAD, back,
		   &job->check) || memcmp(data, back, LARGE))
		return -EPROTO;
	return unseal(fd, key, blob, sizeof(blob), back, &job->check) ==
	       -EINVAL ? 0 : -EPROTO;
}

TEST_F(seal, up_to_a_mebibyte_and_not_one_byte_more)
{
	EXPECT_EQ(0, in_cgroup(self->a.cgroup, large, self->job));
}

static int empty(void *arg)
{
	struct job *job = arg;
	int fd = device_open(), key = job_handle(fd, job, DSTACK_KEY_AEAD);

	return seal(fd, key, 0, NULL, 0, job->blob) ?:
	       unseal(fd, key, job->blob, DSTACK_SEAL_OVERHEAD, NULL,
		      &job->check);
}

TEST_F(seal, nothing_can_be_sealed_too)
{
	EXPECT_EQ(0, in_cgroup(self->a.cgroup, empty, self->job));
}

static int small_buffers(void *arg)
{
	struct job *job = arg;
	int fd = device_open(), key = job_handle(fd, job, DSTACK_KEY_AEAD);
	struct dstack_seal in = {
		.size = sizeof(in), .key = key, .data = address(TEXT),
		.data_len = sizeof(TEXT) - 1, .blob = address(job->blob),
		.blob_len = BLOB - 1,
	};
	struct dstack_unseal out = {
		.size = sizeof(out), .key = key, .blob = address(job->blob),
		.blob_len = BLOB, .data = address(job->text), .data_len = 3,
	};

	if (device_call(fd, DSTACK_SEAL, &in) != -ENOSPC || in.blob_len != BLOB)
		return -EPROTO;
	if (device_call(fd, DSTACK_SEAL, &in))
		return -EPROTO;
	if (device_call(fd, DSTACK_UNSEAL, &out) != -ENOSPC ||
	    out.data_len != sizeof(TEXT) - 1)
		return -EPROTO;
	return device_call(fd, DSTACK_UNSEAL, &out);
}

TEST_F(seal, small_buffers_are_enospc_with_the_size)
{
	EXPECT_EQ(0, in_cgroup(self->a.cgroup, small_buffers, self->job));
}

static int odd_calls(void *arg)
{
	struct job *job = arg;
	int fd = device_open(), key = job_handle(fd, job, DSTACK_KEY_AEAD);
	struct dstack_seal in = { .size = sizeof(in), .key = key };
	struct dstack_unseal out = { .size = sizeof(out), .key = key };
	struct dstack_hmac mac = { .size = sizeof(mac), .key = key };

	/* A key of another kind, and what is no key. */
	if (device_call(fd, DSTACK_HMAC, &mac) != -EINVAL)
		return 1;
	mac.key = keyctl(KEYCTL_GET_KEYRING_ID, KEY_SPEC_PROCESS_KEYRING, 0, 0,
			 0);
	if (device_call(fd, DSTACK_HMAC, &mac) != -EINVAL)
		return 2;
	mac.key = 0;
	if (device_call(fd, DSTACK_HMAC, &mac) != -EINVAL)
		return 3;
	mac.key = KEY_SPEC_PROCESS_KEYRING;
	if (device_call(fd, DSTACK_HMAC, &mac) != -EINVAL)
		return 4;
	mac.key = INT32_MAX;
	if (device_call(fd, DSTACK_HMAC, &mac) != -ENOKEY)
		return 5;
	mac.flags = 2;
	in.flags = 2;
	out.flags = 1;
	if (device_call(fd, DSTACK_HMAC, &mac) != -EOPNOTSUPP ||
	    device_call(fd, DSTACK_SEAL, &in) != -EOPNOTSUPP ||
	    device_call(fd, DSTACK_UNSEAL, &out) != -EOPNOTSUPP)
		return 6;
	in.flags = 0;
	in.__reserved = 1;
	if (device_call(fd, DSTACK_SEAL, &in) != -EOPNOTSUPP)
		return 7;
	in.__reserved = 0;
	in.data = 1;
	in.data_len = 1;
	in.blob_len = BLOB;
	if (device_call(fd, DSTACK_SEAL, &in) != -EFAULT)
		return 8;
	out.flags = 0;
	out.blob = 1;
	out.blob_len = BLOB;
	return device_call(fd, DSTACK_UNSEAL, &out) == -EFAULT ? 0 : 9;
}

TEST_F(seal, calls_that_make_no_sense_are_refused_as_documented)
{
	EXPECT_EQ(0, in_cgroup(self->a.cgroup, odd_calls, self->job));
}

/*
 * HMAC
 */

static int macs(void *arg)
{
	struct job *job = arg;
	int fd = device_open(), key = job_handle(fd, job, DSTACK_KEY_HMAC);
	uint8_t tag[DSTACK_KEY_TAG_SIZE], bytes[DSTACK_KEY_SIZE];
	uint8_t wanted[EVP_MAX_MD_SIZE];
	struct dstack_hmac mac = {
		.size = sizeof(mac), .flags = DSTACK_HMAC_F_VERIFY, .key = key,
		.data = address(TEXT), .data_len = sizeof(TEXT) - 1,
	};
	struct dstack_get_key get;
	size_t size;
	int i;

	if (key < 0)
		return key;
	ask_for(&get, DSTACK_KEY_HMAC, DSTACK_SCOPE_CONTAINER, job->path);
	if (hmac(fd, key, TEXT, sizeof(TEXT) - 1, tag) ||
	    get_bytes(fd, &get, bytes))
		return 1;
	if (!EVP_Q_mac(NULL, "HMAC", NULL, "SHA256", NULL, bytes, sizeof(bytes),
		       (const void *)TEXT, sizeof(TEXT) - 1, wanted,
		       sizeof(wanted), &size) || size != sizeof(tag) ||
	    memcmp(tag, wanted, size))
		return 2;
	memcpy(mac.tag, tag, sizeof(tag));
	if (device_call(fd, DSTACK_HMAC, &mac))
		return 3;
	for (i = 0; i < 256; i++) {
		mac.tag[i / 8] ^= 1 << i % 8;
		if (device_call(fd, DSTACK_HMAC, &mac) != -EBADMSG)
			return 4;
		mac.tag[i / 8] ^= 1 << i % 8;
	}
	return 0;
}

TEST_F(seal, hmac_is_that_of_the_key_and_verifies)
{
	EXPECT_EQ(0, in_cgroup(self->a.cgroup, macs, self->job));
}

TEST_HARNESS_MAIN
