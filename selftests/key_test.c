// SPDX-License-Identifier: MIT
/*
 * Keys: what they are, who gets them, and what is recorded
 *
 * Copyright The dstack for Linux authors
 */
#include "event_log.h"
#include "key_job.h"

/*
 * What they are
 */

static const struct vector {
	const char *path;
	uint32_t kind;
	bool v1;
	const char *key;
} vectors[] = {
	{ "vms", DSTACK_KEY_SECP256K1, false,
	  "9db79b3fefe69f2a7b7efbc908c854bf845a629023361f2c9cb3db09fb99010f" },
	{ "vms", DSTACK_KEY_ED25519, false,
	  "9db79b3fefe69f2a7b7efbc908c854bf845a629023361f2c9cb3db09fb99010f" },
	{ "vms", DSTACK_KEY_P256, false,
	  "9db79b3fefe69f2a7b7efbc908c854bf845a629023361f2c9cb3db09fb99010f" },
	{ "test", DSTACK_KEY_BYTES, false,
	  "52786aa123b0971e283af97f32e25767483d099d66e6c40afeb3a49046b5379e" },
	{ "", DSTACK_KEY_SECP256K1, true,
	  "59f60584ce6fd2a3a31997256db9d77322463fc8a6b1520110401bcb1ee92387" },
	{ "", DSTACK_KEY_ED25519, true,
	  "b023493030669cf22e9cafa6a464d4cf3ae4edfe5474ec796710f21ea011946d" },
	{ "storage-encryption", DSTACK_KEY_SECP256K1, true,
	  "5510330f86902ddae38c6d89c93a8408019332c17a429e1abd01c4a28d1544a6" },
	{ "storage-encryption", DSTACK_KEY_ED25519, true,
	  "3c4c3ece12fa99ccb93fc0090877f80e70545fdd971e2ac93d3398c4684538d3" },
	{ "a/b/c", DSTACK_KEY_SECP256K1, true,
	  "7f0973449298085d2d36a3b4c4d3243c100ba1981ffa885fe9e9dee883e69538" },
};

static const char *to_hex(const uint8_t *data, size_t len)
{
	static char hex[2 * DSTACK_KEY_SIZE_MAX + 1];

	return libdstack_to_hex(data, len, hex);
}

TEST_F(key, of_the_app_equal_upstreams_of_both_derivations)
{
	struct job *job = job_new();
	size_t i;

	for (i = 0; i < ARRAY_SIZE(vectors); i++) {
		ask_for(&job->get, vectors[i].kind, DSTACK_SCOPE_APP,
			vectors[i].path);
		if (vectors[i].v1)
			job->get.flags = DSTACK_KEY_F_V1;
		EXPECT_EQ(0, bytes_in(&self->a, job));
		EXPECT_STREQ(vectors[i].key, to_hex(job->key, DSTACK_KEY_SIZE));
		EXPECT_EQ(self->epoch, job->get.epoch);
	}
}

TEST_F(key, of_the_app_are_the_same_in_every_container)
{
	struct job *job = job_new();
	uint8_t first[DSTACK_KEY_SIZE];

	ask_for(&job->get, DSTACK_KEY_BYTES, DSTACK_SCOPE_APP, "shared");
	ASSERT_EQ(0, bytes_in(&self->a, job));
	memcpy(first, job->key, sizeof(first));
	job->get.epoch = 0;
	ASSERT_EQ(0, bytes_in(&self->b, job));
	EXPECT_EQ(0, memcmp(first, job->key, sizeof(first)));
}

struct info {
	uint8_t data[512];
	size_t len;
};

static void frame(struct info *info, const void *data, uint32_t len)
{
	uint32_t be = htobe32(len);

	memcpy(info->data + info->len, &be, sizeof(be));
	memcpy(info->data + info->len + sizeof(be), data, len);
	info->len += sizeof(be) + len;
}

/* As Documentation/userspace-api/dstack.rst says. */
static void derive(const char *kind, uint8_t image, const char *path,
		   const char *purpose, uint64_t epoch, uint32_t len,
		   uint8_t *out)
{
	uint8_t app_id[DSTACK_APP_ID_SIZE] = { 0 };
	uint8_t digest[DSTACK_DIGEST_SIZE];
	uint64_t epoch_be = htobe64(epoch);
	uint32_t len_be = htobe32(len);
	struct info info = { .len = 0 };

	memset(digest, image, sizeof(digest));
	frame(&info, "key", 3);
	frame(&info, "container", 9);
	frame(&info, kind, strlen(kind));
	frame(&info, app_id, sizeof(app_id));
	frame(&info, digest, sizeof(digest));
	frame(&info, path, strlen(path));
	frame(&info, purpose, strlen(purpose));
	frame(&info, &epoch_be, sizeof(epoch_be));
	frame(&info, &len_be, sizeof(len_be));
	frame(&info, "", 0);
	hkdf(root_key, "dstack-key-v1", info.data, info.len, out, len);
}

TEST_F(key, of_a_container_are_derived_as_documented)
{
	static const uint32_t lengths[] = { 16, 31, 32, 33, 63, 64 };
	struct job *job = job_new();
	uint8_t key[DSTACK_KEY_SIZE_MAX];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(lengths); i++) {
		ask_for(&job->get, DSTACK_KEY_BYTES, DSTACK_SCOPE_CONTAINER,
			"db/main");
		job->get.purpose = address("disk");
		job->get.purpose_len = 4;
		job->get.key_len = lengths[i];
		ASSERT_EQ(0, bytes_in(&self->a, job));
		derive("bytes", 0xa1, "db/main", "disk", self->epoch,
		       lengths[i], key);
		EXPECT_EQ(0, memcmp(key, job->key, lengths[i]));
	}
	ask_for(&job->get, DSTACK_KEY_ED25519, DSTACK_SCOPE_CONTAINER, "sign");
	ASSERT_EQ(0, bytes_in(&self->b, job));
	derive("ed25519", 0xb2, "sign", "", self->epoch, DSTACK_KEY_SIZE, key);
	EXPECT_EQ(0, memcmp(key, job->key, DSTACK_KEY_SIZE));
}

static void pair(struct dstack_get_key *get, const char *path,
		 const char *purpose)
{
	get->path = address(path);
	get->path_len = strlen(path);
	get->purpose = address(purpose);
	get->purpose_len = strlen(purpose);
	get->epoch = 0;
}

/* Which byte is whose: nothing moves from one part to the next. */
TEST_F(key, contexts_do_not_collide)
{
	static const char *const pairs[][2] = {
		{ "ab", "c" }, { "a", "bc" }, { "abc", "" }, { "", "abc" },
		{ "ab", "" }, { "a", "b" },
	};
	uint8_t seen[ARRAY_SIZE(pairs) * 3][DSTACK_KEY_SIZE];
	struct job *job = job_new();
	size_t i, j, nr = 0;

	for (i = 0; i < ARRAY_SIZE(pairs); i++) {
		ask_for(&job->get, DSTACK_KEY_BYTES, DSTACK_SCOPE_CONTAINER,
			"");
		pair(&job->get, pairs[i][0], pairs[i][1]);
		ASSERT_EQ(0, bytes_in(&self->a, job));
		memcpy(seen[nr++], job->key, DSTACK_KEY_SIZE);
		job->get.epoch = 0;
		ASSERT_EQ(0, bytes_in(&self->b, job));
		memcpy(seen[nr++], job->key, DSTACK_KEY_SIZE);
		job->get.epoch = 0;
		job->get.kind = DSTACK_KEY_HMAC;
		ASSERT_EQ(0, bytes_in(&self->a, job));
		memcpy(seen[nr++], job->key, DSTACK_KEY_SIZE);
	}
	for (i = 0; i < nr; i++)
		for (j = 0; j < i; j++)
			EXPECT_NE(0, memcmp(seen[i], seen[j],
					    DSTACK_KEY_SIZE));
}

TEST_F(key, shorter_one_is_no_beginning_of_a_longer)
{
	struct job *job = job_new();
	uint8_t shorter[16];

	ask_for(&job->get, DSTACK_KEY_BYTES, DSTACK_SCOPE_CONTAINER, "x");
	job->get.key_len = sizeof(shorter);
	ASSERT_EQ(0, bytes_in(&self->a, job));
	memcpy(shorter, job->key, sizeof(shorter));
	job->get.key_len = DSTACK_KEY_SIZE_MAX;
	job->get.epoch = 0;
	ASSERT_EQ(0, bytes_in(&self->a, job));
	EXPECT_NE(0, memcmp(shorter, job->key, sizeof(shorter)));
}

/*
 * What is refused
 */

struct refusal {
	const char *what;
	int err;
	void (*change)(struct dstack_get_key *get);
};

#define CHANGE(name, statement) \
	static void name(struct dstack_get_key *get) { statement; }

CHANGE(no_kind, get->kind = 0)
CHANGE(two_kinds, get->kind = DSTACK_KEY_BYTES | DSTACK_KEY_HMAC)
CHANGE(unknown_kind, get->kind = 64)
CHANGE(no_scope, get->scope = 0)
CHANGE(two_scopes, get->scope = __DSTACK_SCOPE_ALL)
CHANGE(unknown_scope, get->scope = 4)
CHANGE(no_delivery, get->delivery = 0)
CHANGE(two_deliveries, get->delivery = 12)
CHANGE(unknown_delivery, get->delivery = 32)
CHANGE(too_short, get->key_len = 15)
CHANGE(too_long, get->key_len = 65)
CHANGE(long_seed, get->kind = DSTACK_KEY_ED25519; get->key_len = 64)
CHANGE(purpose_of_app, get->scope = DSTACK_SCOPE_APP; get->purpose_len = 1)
CHANGE(long_path, get->path_len = DSTACK_KEY_PATH_MAX + 1)
CHANGE(long_purpose, get->purpose_len = DSTACK_KEY_PURPOSE_MAX + 1)
CHANGE(unknown_flag, get->flags = 4)
CHANGE(epoch_without_flag, get->epoch = 1)
CHANGE(v1_of_container, get->flags = DSTACK_KEY_F_V1;
	get->kind = DSTACK_KEY_ED25519)
CHANGE(v1_of_bytes, get->flags = DSTACK_KEY_F_V1;
	get->scope = DSTACK_SCOPE_APP)
CHANGE(v1_of_p256, get->flags = DSTACK_KEY_F_V1;
	get->scope = DSTACK_SCOPE_APP; get->kind = DSTACK_KEY_P256)
CHANGE(keyring_for_bytes, get->keyring = KEY_SPEC_PROCESS_KEYRING)
CHANGE(name_for_bytes, get->name[0] = 'x')
CHANGE(bytes_in_ring, get->delivery = DSTACK_DELIVER_LOGON;
	get->keyring = KEY_SPEC_PROCESS_KEYRING; get->name[0] = 'x')
CHANGE(handle_of_bytes, get->delivery = DSTACK_DELIVER_HANDLE; get->bytes = 0;
	get->keyring = KEY_SPEC_PROCESS_KEYRING; get->name[0] = 'x')
CHANGE(logon_of_seed, get->delivery = DSTACK_DELIVER_LOGON; get->bytes = 0;
	get->kind = DSTACK_KEY_P256;
	get->keyring = KEY_SPEC_PROCESS_KEYRING; get->name[0] = 'x')
CHANGE(user_keyring, get->delivery = DSTACK_DELIVER_LOGON; get->bytes = 0;
	get->keyring = KEY_SPEC_USER_KEYRING; get->name[0] = 'x')
CHANGE(somebodys_keyring, get->delivery = DSTACK_DELIVER_LOGON; get->bytes = 0;
	get->keyring = 1; get->name[0] = 'x')
CHANGE(no_name, get->delivery = DSTACK_DELIVER_LOGON; get->bytes = 0;
	get->keyring = KEY_SPEC_PROCESS_KEYRING)
CHANGE(bad_name, get->delivery = DSTACK_DELIVER_LOGON; get->bytes = 0;
	get->keyring = KEY_SPEC_PROCESS_KEYRING; get->name[0] = '/')
CHANGE(endless_name, get->delivery = DSTACK_DELIVER_LOGON; get->bytes = 0;
	get->keyring = KEY_SPEC_PROCESS_KEYRING;
	memset(get->name, 'x', sizeof(get->name)))
CHANGE(bad_path, get->path = 1)
CHANGE(bad_purpose, get->purpose = 1; get->purpose_len = 1)
CHANGE(bad_buffer, get->bytes = 1)
CHANGE(unknown_epoch, get->flags = DSTACK_KEY_F_EPOCH; get->epoch = 1ULL << 60)

#define REFUSAL(err, name) { #name, err, name }

static const struct refusal refusals[] = {
	REFUSAL(EINVAL, no_kind), REFUSAL(EINVAL, two_kinds),
	REFUSAL(EINVAL, unknown_kind), REFUSAL(EINVAL, no_scope),
	REFUSAL(EINVAL, two_scopes), REFUSAL(EINVAL, unknown_scope),
	REFUSAL(EINVAL, no_delivery), REFUSAL(EINVAL, two_deliveries),
	REFUSAL(EINVAL, unknown_delivery), REFUSAL(EINVAL, too_short),
	REFUSAL(EINVAL, too_long), REFUSAL(EINVAL, long_seed),
	REFUSAL(EINVAL, purpose_of_app),
	REFUSAL(EINVAL, long_path), REFUSAL(EINVAL, long_purpose),
	REFUSAL(EOPNOTSUPP, unknown_flag), REFUSAL(EINVAL, epoch_without_flag),
	REFUSAL(EINVAL, v1_of_container), REFUSAL(EINVAL, v1_of_bytes),
	REFUSAL(EINVAL, v1_of_p256), REFUSAL(EINVAL, keyring_for_bytes),
	REFUSAL(EINVAL, name_for_bytes), REFUSAL(EINVAL, bytes_in_ring),
	REFUSAL(EINVAL, handle_of_bytes), REFUSAL(EINVAL, logon_of_seed),
	REFUSAL(EINVAL, user_keyring), REFUSAL(EINVAL, somebodys_keyring),
	REFUSAL(EINVAL, no_name), REFUSAL(EINVAL, bad_name),
	REFUSAL(EINVAL, endless_name), REFUSAL(EFAULT, bad_path),
	REFUSAL(EFAULT, bad_purpose), REFUSAL(EFAULT, bad_buffer),
	REFUSAL(ENOKEY, unknown_epoch),
};

TEST_F(key, calls_that_make_no_sense_are_refused_as_documented)
{
	struct job *job = job_new();
	size_t i;

	for (i = 0; i < ARRAY_SIZE(refusals); i++) {
		ask_for(&job->get, DSTACK_KEY_BYTES, DSTACK_SCOPE_CONTAINER,
			"p");
		job->get.delivery = DSTACK_DELIVER_BYTES;
		job->get.bytes = address(job->key);
		refusals[i].change(&job->get);
		EXPECT_EQ(-refusals[i].err,
			  in_cgroup(self->a.cgroup, do_raw, job))
			TH_LOG("%s", refusals[i].what);
	}
}

TEST_F(key, of_a_container_without_image_is_enodata)
{
	struct job *job = job_new();
	struct container plain;

	ASSERT_EQ(0, container_add(self->control, &plain, "key-plain"));
	ask_for(&job->get, DSTACK_KEY_BYTES, DSTACK_SCOPE_CONTAINER, "p");
	EXPECT_EQ(-ENODATA, bytes_in(&plain, job));
	ask_for(&job->get, DSTACK_KEY_BYTES, DSTACK_SCOPE_APP, "p");
	EXPECT_EQ(0, bytes_in(&plain, job));
	EXPECT_EQ(0, container_remove(self->control, &plain));
}

TEST_F(key, without_a_root_key_is_enokey)
{
	struct job *job = job_new();

	ASSERT_EQ(0, wipe_roots(&self->genl));
	ask_for(&job->get, DSTACK_KEY_BYTES, DSTACK_SCOPE_CONTAINER, "p");
	EXPECT_EQ(-ENOKEY, bytes_in(&self->a, job));
}

TEST_F(key, policy_says_which_path_kind_scope_and_delivery)
{
	static const struct term terms[] = {
		{ "app/", DSTACK_KEY_BYTES, DSTACK_SCOPE_APP,
		  DSTACK_DELIVER_BYTES },
		{ "db/", DSTACK_KEY_BYTES, DSTACK_SCOPE_CONTAINER,
		  DSTACK_DELIVER_BYTES },
	};
	struct job *job = job_new();

	ASSERT_EQ(0, key_policy(&self->genl, self->control, terms, 2));
	ask_for(&job->get, DSTACK_KEY_BYTES, DSTACK_SCOPE_CONTAINER, "db/x");
	EXPECT_EQ(0, bytes_in(&self->a, job));
	ask_for(&job->get, DSTACK_KEY_BYTES, DSTACK_SCOPE_CONTAINER, "db");
	EXPECT_EQ(-EACCES, bytes_in(&self->a, job));
	ask_for(&job->get, DSTACK_KEY_BYTES, DSTACK_SCOPE_APP, "db/x");
	EXPECT_EQ(-EACCES, bytes_in(&self->a, job));
	ask_for(&job->get, DSTACK_KEY_BYTES, DSTACK_SCOPE_APP, "app/x");
	EXPECT_EQ(0, bytes_in(&self->a, job));
	ask_for(&job->get, DSTACK_KEY_ED25519, DSTACK_SCOPE_APP, "app/x");
	EXPECT_EQ(-EACCES, bytes_in(&self->a, job));
	/* A handle is another delivery. */
	ask_for(&job->get, DSTACK_KEY_BYTES, DSTACK_SCOPE_CONTAINER, "db/x");
	job->get.delivery = DSTACK_DELIVER_LOGON;
	job->get.keyring = KEY_SPEC_PROCESS_KEYRING;
	job->get.name[0] = 'x';
	EXPECT_EQ(-EACCES, in_cgroup(self->a.cgroup, do_raw, job));
}

TEST_F(key, none_in_a_section_without_terms)
{
	struct job *job = job_new();

	ASSERT_EQ(0, key_policy(&self->genl, self->control, NULL, 0));
	ask_for(&job->get, DSTACK_KEY_BYTES, DSTACK_SCOPE_APP, "p");
	EXPECT_EQ(-EACCES, bytes_in(&self->a, job));
	EXPECT_EQ(-EACCES, in_child(do_bytes, job));
}

/* Whose application the policy is not for. */
TEST_F(key, of_another_application_is_eacces)
{
	struct job *job = job_new();
	struct container c;
	int fd;

	container_name(&c, "key-foreign");
	c.as.app_id[0] = 1;
	fd = cgroup_make(c.cgroup);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, libdstack_add_container(self->control, fd, &c.as));
	close(fd);
	ask_for(&job->get, DSTACK_KEY_BYTES, DSTACK_SCOPE_APP, "p");
	EXPECT_EQ(-EACCES, bytes_in(&c, job));
	EXPECT_EQ(0, container_remove(self->control, &c));
}

/* The host has terms of its own, and no image. */
TEST_F(key, of_the_host_is_the_apps)
{
	struct job *job = job_new();

	ask_for(&job->get, DSTACK_KEY_BYTES, DSTACK_SCOPE_APP, "test");
	ASSERT_EQ(0, in_child(do_bytes, job));
	EXPECT_STREQ(vectors[3].key, to_hex(job->key, DSTACK_KEY_SIZE));
	ask_for(&job->get, DSTACK_KEY_BYTES, DSTACK_SCOPE_CONTAINER, "test");
	EXPECT_EQ(-ENODATA, in_child(do_bytes, job));
}

/*
 * What is recorded
 */

static int check_record(int fd, uint64_t seq, const char *name,
			const char *payload)
{
	uint64_t buf[512];
	const struct dstack_log_record *record = (const void *)buf;
	struct dstack_read_log get;
	int err = read_log(fd, seq, buf, sizeof(buf), &get);

	return err ?: record_is(record, name, payload, strlen(payload)) ?
		      0 : -EBADMSG;
}

TEST_F(key, bytes_are_an_event_and_handles_are_none)
{
	struct job *job = job_new();
	char payload[256];
	uint64_t seq;
	int pause = daemon_pause();
	pid_t pid;

	ASSERT_LE(0, pause);
	seq = log_count(self->fd);
	ask_for(&job->get, DSTACK_KEY_BYTES, DSTACK_SCOPE_CONTAINER, "a b%");
	ASSERT_EQ(0, bytes_in(&self->a, job));
	EXPECT_EQ(seq + 1, log_count(self->fd));
	snprintf(payload, sizeof(payload),
		 "v=1 id=selftest-key-a path=a%%20b%%25 purpose= kind=bytes scope=container epoch=%llu delivery=bytes",
		 (unsigned long long)self->epoch);
	EXPECT_EQ(0, check_record(self->fd, seq, "dstack.key", payload));
	pid = start_in(&self->a, hold_handle, job);
	ASSERT_EQ(0, wait_serial(job));
	EXPECT_EQ(seq + 1, log_count(self->fd));
	EXPECT_EQ(0, go_on(job, pid));
	resume(&pause);
}

TEST_HARNESS_MAIN
