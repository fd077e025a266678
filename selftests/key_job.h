/* SPDX-License-Identifier: MIT */
/*
 * What processes of containers do with keys, for the tests of keys
 *
 * Copyright The dstack for Linux authors
 */
#ifndef DSTACK_KEY_JOB_H
#define DSTACK_KEY_JOB_H

#include "keys.h"

#include <stdlib.h>

FIXTURE(key)
{
	int fd;
	struct genl genl;
	struct libdstack_control *control;
	struct libdstack_status before;
	struct container a, b;
	uint64_t epoch;
};

FIXTURE_SETUP(key)
{
	self->fd = device_open();
	if (self->fd == -ENOENT)
		SKIP(return, "no " DEVICE ": load the module");
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, genl_open(&self->genl));
	ASSERT_EQ(0, libdstack_control_open(&self->control));
	ASSERT_EQ(0, libdstack_status(self->control, &self->before));
	ASSERT_NE(DSTACK_STATE_OFF, self->before.state);
	ASSERT_EQ(0, key_policy_all(&self->genl, self->control));
	ASSERT_EQ(0, key_container(self->control, &self->a, "key-a", 0xa1));
	ASSERT_EQ(0, key_container(self->control, &self->b, "key-b", 0xb2));
	ASSERT_EQ(0, load_next_root(&self->genl, &self->epoch, root_key));
}

FIXTURE_TEARDOWN(key)
{
	EXPECT_EQ(0, wipe_roots(&self->genl));
	EXPECT_EQ(0, container_remove(self->control, &self->a));
	EXPECT_EQ(0, container_remove(self->control, &self->b));
	EXPECT_EQ(0, libdstack_set_state(self->control, self->before.state));
	libdstack_control_close(self->control);
	genl_close(&self->genl);
	close(self->fd);
}

/* What a process of a container does; shared with it where it answers. */
struct job {
	struct dstack_get_key get;
	uint8_t key[DSTACK_KEY_SIZE_MAX];
	uint8_t tag[DSTACK_KEY_TAG_SIZE];
	int32_t serial;
	const char *path;
	uint32_t kind;
};

static inline struct job *job_new(void)
{
	struct job *job = mmap(NULL, sizeof(*job), PROT_READ | PROT_WRITE,
			       MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (job == MAP_FAILED)
		abort();
	return job;
}

static inline int do_raw(void *arg)
{
	return device_call(device_open(), DSTACK_GET_KEY,
			   &((struct job *)arg)->get);
}

static inline int do_bytes(void *arg)
{
	struct job *job = arg;

	return get_bytes(device_open(), &job->get, job->key);
}

/* The bytes of a key, as a container gets them. */
static inline int bytes_in(const struct container *c, struct job *job)
{
	memset(job->key, 0, sizeof(job->key));
	return in_cgroup(c->cgroup, do_bytes, job);
}

static inline int hold_handle(void *arg)
{
	struct job *job = arg;
	int fd = device_open();
	int key = get_handle(fd, DSTACK_KEY_HMAC, "mac");
	int err;

	if (key < 0)
		return key;
	err = hmac(fd, key, "x", 1, job->tag);
	if (err)
		return err;
	job->serial = key;
	/* Until the test has done what ends it. */
	while (__atomic_load_n(&job->serial, __ATOMIC_SEQ_CST))
		sleep_ms(5);
	return hmac(fd, key, "x", 1, job->tag);
}

static inline pid_t start_in(const struct container *c, child_fn fn, void *arg)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	_exit(cgroup_enter(c->cgroup) ? 255 : -fn(arg));
}

static inline int wait_serial(const struct job *job)
{
	int ms;

	for (ms = 0; ms < PATIENCE_MS; ms += 5) {
		if (__atomic_load_n(&job->serial, __ATOMIC_SEQ_CST))
			return 0;
		sleep_ms(5);
	}
	return -ETIMEDOUT;
}

static inline int go_on(struct job *job, pid_t pid)
{
	__atomic_store_n(&job->serial, 0, __ATOMIC_SEQ_CST);
	return wait_child(pid);
}

#endif /* DSTACK_KEY_JOB_H */
