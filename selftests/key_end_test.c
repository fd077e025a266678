// SPDX-License-Identifier: MIT
/*
 * Keys: who cannot use them, how many there may be, and when they end
 *
 * Copyright The dstack for Linux authors
 */
#include "key_job.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>

#define EACH	256	/* keys of one container in keyrings: kmod/bounds.h */

/*
 * Attacks
 */

static int read_handle(void *arg)
{
	struct job *job = arg;
	char buf[256];
	int key = get_handle(device_open(), DSTACK_KEY_HMAC, "mac");

	(void)job;
	return key < 0 ? key :
	       keyctl(KEYCTL_READ, key, address(buf), sizeof(buf), 0);
}

static int read_delivered(void *arg)
{
	struct job *job = arg;
	char buf[256];
	int key;

	ask_for(&job->get, DSTACK_KEY_BYTES, DSTACK_SCOPE_CONTAINER, "disk");
	key = get_in_ring(device_open(), &job->get, job->kind,
			  KEY_SPEC_PROCESS_KEYRING, "disk");
	return key < 0 ? key :
	       keyctl(KEYCTL_READ, key, address(buf), sizeof(buf), 0);
}

static bool cannot_read(int err)
{
	return err == -EOPNOTSUPP || err == -EACCES;
}

TEST_F(key, attack_60_payload_cannot_be_read)
{
	struct job *job = job_new();

	EXPECT_TRUE(cannot_read(in_cgroup(self->a.cgroup, read_handle, job)));
	job->kind = DSTACK_DELIVER_LOGON;
	EXPECT_TRUE(cannot_read(in_cgroup(self->a.cgroup, read_delivered,
					  job)));
	job->kind = DSTACK_DELIVER_FSCRYPT;
	EXPECT_TRUE(cannot_read(in_cgroup(self->a.cgroup, read_delivered,
					  job)));
}

static int change_handle(void *arg)
{
	int key = get_handle(device_open(), DSTACK_KEY_HMAC, "mac");

	(void)arg;
	if (key < 0)
		return key;
	if (keyctl(KEYCTL_UPDATE, key, address("x"), 1, 0) >= 0 ||
	    keyctl(KEYCTL_SETPERM, key, 0x3f3f3f3f, 0, 0) >= 0 ||
	    keyctl(KEYCTL_CHOWN, key, NOBODY, NOBODY, 0) >= 0)
		return -EPROTO;
	return 0;
}

TEST_F(key, attack_60_handle_cannot_be_changed)
{
	EXPECT_EQ(0, in_cgroup(self->a.cgroup, change_handle, NULL));
}

static int forge(const char *payload, size_t len)
{
	long key = syscall(SYS_add_key, "dstack", "dstack:forged", payload, len,
			   KEY_SPEC_PROCESS_KEYRING);

	return key < 0 ? -errno : 0;
}

TEST_F(key, attack_61_handle_cannot_be_forged)
{
	char payload[512] = { 0 };

	EXPECT_EQ(-EPERM, forge(NULL, 0));
	EXPECT_EQ(-EPERM, forge(payload, 1));
	EXPECT_EQ(-EPERM, forge(payload, sizeof(payload)));
}

static int use_serial(void *arg)
{
	struct job *job = arg;

	return hmac(device_open(), job->serial, "x", 1, job->tag);
}

static int join_ring_and_use(void *arg)
{
	struct job *job = arg;
	int err = keyctl(KEYCTL_LINK, job->serial, KEY_SPEC_PROCESS_KEYRING, 0,
			 0);

	return err < 0 ? err : use_serial(arg);
}

/* Root elsewhere knows the number; it possesses nothing. */
TEST_F(key, attack_61_handle_of_another_process_is_eacces)
{
	struct job *job = job_new();
	pid_t pid = start_in(&self->a, hold_handle, job);

	ASSERT_EQ(0, wait_serial(job));
	EXPECT_EQ(-EACCES, in_cgroup(self->a.cgroup, use_serial, job));
	EXPECT_EQ(-EACCES, in_cgroup(self->b.cgroup, use_serial, job));
	EXPECT_EQ(-EACCES, in_cgroup(self->b.cgroup, join_ring_and_use, job));
	EXPECT_EQ(-EACCES, in_child(use_serial, job));
	EXPECT_EQ(-EACCES, in_child(join_ring_and_use, job));
	EXPECT_EQ(0, go_on(job, pid));
}

/* In a session keyring that both have: the container counts. */
static int get_in_session(void *arg)
{
	struct job *job = arg;

	ask_for(&job->get, DSTACK_KEY_HMAC, DSTACK_SCOPE_CONTAINER, "mac");
	job->serial = get_in_ring(device_open(), &job->get,
				  DSTACK_DELIVER_HANDLE,
				  KEY_SPEC_SESSION_KEYRING, "shared");
	return job->serial < 0 ? job->serial : use_serial(job);
}

TEST_F(key, attack_61_handle_in_a_shared_keyring_is_of_its_container)
{
	struct job *job = job_new();

	ASSERT_LT(0, keyctl(KEYCTL_JOIN_SESSION_KEYRING, 0, 0, 0, 0));
	EXPECT_EQ(0, in_cgroup(self->a.cgroup, get_in_session, job));
	EXPECT_EQ(0, in_cgroup(self->a.cgroup, use_serial, job));
	EXPECT_EQ(-EACCES, in_cgroup(self->b.cgroup, use_serial, job));
	EXPECT_EQ(-EACCES, in_child(use_serial, job));
	/* A name is taken once in a keyring. */
	EXPECT_EQ(-EEXIST, in_cgroup(self->a.cgroup, get_in_session, job));
}

static int in_namespaces(void *arg)
{
	if (unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID |
		    CLONE_NEWCGROUP))
		return -ECHILD;
	return in_child(get_in_session, arg);
}

TEST_F(key, works_in_user_and_pid_namespaces)
{
	struct job *job = job_new();

	EXPECT_EQ(0, in_cgroup(self->a.cgroup, in_namespaces, job));
	EXPECT_EQ(-EACCES, in_cgroup(self->b.cgroup, use_serial, job));
}

/* As stock profiles of container runtimes: none of the three is there. */
static int without_keyctl(void *arg)
{
	static struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_keyctl, 3, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_add_key, 2, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_request_key, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
	};
	const struct sock_fprog prog = { ARRAY_SIZE(filter), filter };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog) ||
	    keyctl(KEYCTL_GET_KEYRING_ID, KEY_SPEC_SESSION_KEYRING, 0, 0, 0) !=
	    -EPERM)
		return -ECHILD;
	return get_in_session(arg);
}

TEST_F(key, works_where_seccomp_denies_keyctl)
{
	EXPECT_EQ(0, in_cgroup(self->a.cgroup, without_keyctl, job_new()));
}

/*
 * How they end
 */

TEST_F(key, attack_62_policy_that_drops_the_path_revokes_it)
{
	static const struct term other[] = {
		{ "other", __DSTACK_KEY_KIND_ALL, __DSTACK_SCOPE_ALL,
		  __DSTACK_DELIVER_ALL },
	};
	struct job *job = job_new();
	pid_t pid = start_in(&self->a, hold_handle, job);

	ASSERT_EQ(0, wait_serial(job));
	ASSERT_EQ(0, key_policy(&self->genl, self->control, other, 1));
	/* Allowed again: what was revoked stays so. */
	ASSERT_EQ(0, key_policy_all(&self->genl, self->control));
	EXPECT_EQ(-EKEYREVOKED, go_on(job, pid));
	ask_for(&job->get, DSTACK_KEY_HMAC, DSTACK_SCOPE_CONTAINER, "mac");
	EXPECT_EQ(0, bytes_in(&self->a, job));
}

TEST_F(key, policy_that_keeps_the_path_keeps_it)
{
	struct job *job = job_new();
	pid_t pid = start_in(&self->a, hold_handle, job);

	ASSERT_EQ(0, wait_serial(job));
	ASSERT_EQ(0, key_policy_all(&self->genl, self->control));
	EXPECT_EQ(0, go_on(job, pid));
}

/* The test has the keys of types whose payload is a secret. */
static int hold_delivered(void *arg)
{
	struct job *job = arg;
	char text[256];
	int key;

	ask_for(&job->get, DSTACK_KEY_BYTES, DSTACK_SCOPE_CONTAINER, "disk");
	key = get_in_ring(device_open(), &job->get, job->kind,
			  KEY_SPEC_PROCESS_KEYRING, "disk");
	if (key < 0)
		return key;
	job->serial = key;
	while (__atomic_load_n(&job->serial, __ATOMIC_SEQ_CST))
		sleep_ms(5);
	key = keyctl(KEYCTL_DESCRIBE, key, address(text), sizeof(text), 0);
	return key < 0 ? key : 0;
}

TEST_F(key, attack_62_delivered_keys_are_revoked_too)
{
	static const uint32_t deliveries[] = {
		DSTACK_DELIVER_LOGON, DSTACK_DELIVER_FSCRYPT,
	};
	struct job *job = job_new();
	size_t i;
	pid_t pid;

	for (i = 0; i < ARRAY_SIZE(deliveries); i++) {
		ASSERT_EQ(0, key_policy_all(&self->genl, self->control));
		job->kind = deliveries[i];
		pid = start_in(&self->a, hold_delivered, job);
		ASSERT_EQ(0, wait_serial(job));
		ASSERT_EQ(0, key_policy(&self->genl, self->control, NULL, 0));
		EXPECT_EQ(-EKEYREVOKED, go_on(job, pid));
	}
}

TEST_F(key, wiped_roots_revoke_all)
{
	struct job *job = job_new();
	pid_t pid = start_in(&self->a, hold_handle, job);

	ASSERT_EQ(0, wait_serial(job));
	ASSERT_EQ(0, wipe_roots(&self->genl));
	EXPECT_EQ(-EKEYREVOKED, go_on(job, pid));
}

TEST_F(key, attack_63_epochs_differ_and_live_side_by_side)
{
	struct job *job = job_new();
	uint8_t old[DSTACK_KEY_SIZE];
	uint64_t next;

	ask_for(&job->get, DSTACK_KEY_BYTES, DSTACK_SCOPE_CONTAINER, "p");
	ASSERT_EQ(0, bytes_in(&self->a, job));
	memcpy(old, job->key, sizeof(old));
	ASSERT_EQ(0, load_next_root(&self->genl, &next, other_key));
	job->get.epoch = 0;
	ASSERT_EQ(0, bytes_in(&self->a, job));
	EXPECT_EQ(next, job->get.epoch);
	EXPECT_NE(0, memcmp(old, job->key, sizeof(old)));
	of_epoch(&job->get, self->epoch);
	ASSERT_EQ(0, bytes_in(&self->a, job));
	EXPECT_EQ(0, memcmp(old, job->key, sizeof(old)));
}

/* The same root key in two epochs gives a container two keys. */
TEST_F(key, epoch_is_part_of_what_a_containers_key_is_made_of)
{
	struct job *job = job_new();
	uint8_t old[DSTACK_KEY_SIZE];
	uint64_t next;

	ask_for(&job->get, DSTACK_KEY_BYTES, DSTACK_SCOPE_CONTAINER, "p");
	ASSERT_EQ(0, bytes_in(&self->a, job));
	memcpy(old, job->key, sizeof(old));
	ASSERT_EQ(0, load_next_root(&self->genl, &next, root_key));
	job->get.epoch = 0;
	ASSERT_EQ(0, bytes_in(&self->a, job));
	EXPECT_NE(0, memcmp(old, job->key, sizeof(old)));
}

TEST_F(key, attack_63_retired_epoch_is_refused_and_does_not_come_back)
{
	struct job *job = job_new();
	pid_t pid = start_in(&self->a, hold_handle, job);
	uint64_t next;

	ASSERT_EQ(0, wait_serial(job));
	ASSERT_EQ(0, load_next_root(&self->genl, &next, other_key));
	ASSERT_EQ(0, retire_roots(&self->genl, self->epoch));
	EXPECT_EQ(-EKEYREVOKED, go_on(job, pid));
	ask_for(&job->get, DSTACK_KEY_BYTES, DSTACK_SCOPE_CONTAINER, "p");
	EXPECT_EQ(0, bytes_in(&self->a, job));
	of_epoch(&job->get, self->epoch);
	EXPECT_EQ(-EKEYREVOKED, bytes_in(&self->a, job));
	EXPECT_EQ(-ESTALE, load_root(&self->genl, self->epoch, root_key));
	EXPECT_EQ(-ESTALE, retire_roots(&self->genl, self->epoch));
	EXPECT_EQ(-EEXIST, load_root(&self->genl, next, root_key));
}

static int exec_true(void *unused)
{
	(void)unused;
	execl("/bin/true", "true", NULL);
	return -errno;
}

TEST_F(key, none_once_measure_let_something_run_that_is_not_approved)
{
	struct job *job = job_new();
	pid_t pid;

	if (self->before.state != DSTACK_STATE_MEASURE)
		SKIP(return, "the state is not measure");
	pid = start_in(&self->a, hold_handle, job);
	ASSERT_EQ(0, wait_serial(job));
	ASSERT_EQ(0, in_cgroup(self->a.cgroup, exec_true, NULL));
	EXPECT_EQ(-EKEYREVOKED, go_on(job, pid));
	ask_for(&job->get, DSTACK_KEY_BYTES, DSTACK_SCOPE_CONTAINER, "p");
	EXPECT_EQ(-EACCES, bytes_in(&self->a, job));
	/* The other one has nothing to do with it. */
	EXPECT_EQ(0, bytes_in(&self->b, job));
}

/*
 * How many there may be
 */

static int get_many(void *arg)
{
	int fd = device_open(), i, key;

	(void)arg;
	for (i = 0; i < EACH; i++) {
		key = get_handle(fd, DSTACK_KEY_HMAC, "many");
		if (key < 0)
			return key;
	}
	key = get_handle(fd, DSTACK_KEY_HMAC, "one more");
	if (key != -EDQUOT)
		return -EPROTO;
	/* What is unlinked makes room. */
	if (keyctl(KEYCTL_CLEAR, KEY_SPEC_PROCESS_KEYRING, 0, 0, 0))
		return -EPROTO;
	for (i = 0; i < 1000; i++) {
		key = get_handle(fd, DSTACK_KEY_HMAC, "one more");
		if (key != -EDQUOT)
			return key < 0 ? key : 0;
		sleep_ms(10);
	}
	return -ETIMEDOUT;
}

TEST_F(key, more_than_256_of_a_container_are_edquot)
{
	EXPECT_EQ(0, in_cgroup(self->a.cgroup, get_many, NULL));
}

TEST_HARNESS_MAIN
