// SPDX-License-Identifier: MIT
/*
 * A service of the host that speaks for the containers that it serves
 *
 * Copyright The dstack for Linux authors
 */
#include "event_log.h"
#include "key_job.h"

static int idle(void *arg)
{
	__atomic_store_n((int32_t *)arg, 1, __ATOMIC_SEQ_CST);
	while (pause())
		;
	return 0;
}

/* A process in this container that does nothing. */
static pid_t start_idle(const struct container *c)
{
	struct job *job = job_new();
	pid_t pid = start_in(c, idle, &job->serial);

	return wait_serial(job) ?: pid;
}

static void stop_idle(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static int act_for(int fd, pid_t pid, struct dstack_act_for *act)
{
	memset(act, 0, sizeof(*act));
	act->size = sizeof(*act);
	act->pid = pid;
	return device_call(fd, DSTACK_ACT_FOR, act);
}

/* A file that speaks for a process of this container. */
static int agent_of(const struct container *c)
{
	struct dstack_act_for act;
	pid_t pid = start_idle(c);
	int fd = device_open(), err;

	err = pid < 0 ? pid : act_for(fd, pid, &act);
	stop_idle(pid);
	return err ?: fd;
}

TEST_F(key, agent_is_told_for_whom_it_acts)
{
	struct dstack_info info = { .size = sizeof(info) };
	struct dstack_act_for act;
	struct stat st;
	pid_t pid = start_idle(&self->a);
	int fd = device_open();

	ASSERT_LT(0, pid);
	ASSERT_EQ(0, stat(self->a.cgroup, &st));
	EXPECT_EQ(0, act_for(fd, pid, &act));
	EXPECT_STREQ(self->a.as.id, (const char *)act.out_id);
	EXPECT_EQ(st.st_ino, act.out_cgroup_id);
	EXPECT_STREQ(self->a.as.section, (const char *)act.out_section);
	EXPECT_EQ(0, device_call(fd, DSTACK_INFO, &info));
	EXPECT_STREQ(self->a.as.id, (const char *)info.out_id);
	stop_idle(pid);
	close(fd);
}

TEST_F(key, agent_can_act_for_the_host)
{
	struct dstack_act_for act;
	int fd = device_open();

	EXPECT_EQ(0, act_for(fd, getpid(), &act));
	EXPECT_STREQ(DSTACK_HOST_ID, (const char *)act.out_id);
	EXPECT_STREQ(DSTACK_HOST_ID, (const char *)act.out_section);
	EXPECT_EQ(0, act.out_cgroup_id);
	/* ... and is refused what is its own container's alone. */
	EXPECT_EQ(-EBUSY, act_for(fd, getpid(), &act));
	close(fd);
}

TEST_F(key, agent_gets_the_keys_of_whom_it_acts_for)
{
	struct job *job = job_new();
	struct dstack_get_key get;
	uint8_t key[DSTACK_KEY_SIZE];
	int fd = agent_of(&self->a), own = device_open();

	ASSERT_LE(0, fd);
	ask_for(&job->get, DSTACK_KEY_SECP256K1, DSTACK_SCOPE_CONTAINER, "s");
	ASSERT_EQ(0, bytes_in(&self->a, job));
	ask_for(&get, DSTACK_KEY_SECP256K1, DSTACK_SCOPE_CONTAINER, "s");
	get.delivery = DSTACK_DELIVER_AGENT;
	get.bytes = address(key);
	ASSERT_EQ(0, device_call(fd, DSTACK_GET_KEY, &get));
	EXPECT_EQ(0, memcmp(key, job->key, sizeof(key)));
	/* For nobody else is there such a delivery. */
	get.epoch = 0;
	EXPECT_EQ(-EPERM, device_call(own, DSTACK_GET_KEY, &get));
	job->get = get;
	EXPECT_EQ(-EPERM, in_cgroup(self->a.cgroup, do_raw, job));
	close(fd);
	close(own);
}

TEST_F(key, agent_gets_no_more_than_the_policy_lets_the_container_have)
{
	static const struct term terms[] = {
		{ "sign/", DSTACK_KEY_ED25519, DSTACK_SCOPE_APP,
		  DSTACK_DELIVER_AGENT },
	};
	struct dstack_get_key get;
	uint8_t key[DSTACK_KEY_SIZE];
	int fd = agent_of(&self->a);

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, key_policy(&self->genl, self->control, terms, 1));
	ask_for(&get, DSTACK_KEY_ED25519, DSTACK_SCOPE_APP, "sign/x");
	EXPECT_EQ(-EACCES, get_bytes(fd, &get, key));
	get.delivery = DSTACK_DELIVER_AGENT;
	EXPECT_EQ(0, device_call(fd, DSTACK_GET_KEY, &get));
	get.epoch = 0;
	get.path = address("else");
	get.path_len = 4;
	EXPECT_EQ(-EACCES, device_call(fd, DSTACK_GET_KEY, &get));
	close(fd);
}

TEST_F(key, what_an_agent_takes_is_an_event_of_the_container)
{
	struct dstack_get_key get;
	uint8_t key[DSTACK_KEY_SIZE];
	char wanted[512];
	int fd = agent_of(&self->a), pause = daemon_pause();
	uint64_t seq = log_count(self->fd);

	ASSERT_LE(0, fd);
	ASSERT_LE(0, pause);
	ask_for(&get, DSTACK_KEY_P256, DSTACK_SCOPE_APP, "tls");
	get.delivery = DSTACK_DELIVER_AGENT;
	get.bytes = address(key);
	ASSERT_EQ(0, device_call(fd, DSTACK_GET_KEY, &get));
	snprintf(wanted, sizeof(wanted),
		 "v=1 id=%s path=tls purpose= kind=p256 scope=app epoch=%llu delivery=agent",
		 self->a.as.id, (unsigned long long)self->epoch);
	EXPECT_EQ(1, count_records(self->fd, seq, "dstack.key", wanted));
	resume(&pause);
	close(fd);
}

TEST_F(key, what_an_agent_records_is_an_event_of_the_container)
{
	struct dstack_extend extend = { .size = sizeof(extend) };
	char wanted[512];
	int fd = agent_of(&self->b), pause = daemon_pause();
	uint64_t seq = log_count(self->fd);

	ASSERT_LE(0, fd);
	ASSERT_LE(0, pause);
	memcpy(extend.name, "said", sizeof("said"));
	EXPECT_EQ(0, device_call(fd, DSTACK_EXTEND, &extend));
	snprintf(wanted, sizeof(wanted), "v=1 id=%s name=said data=",
		 self->b.as.id);
	EXPECT_EQ(1, count_records(self->fd, seq, "dstack.user", wanted));
	resume(&pause);
	close(fd);
}

TEST_F(key, agent_gets_no_quote_that_names_a_program)
{
	struct dstack_get_quote get = { .size = sizeof(get),
					.flags = DSTACK_QUOTE_F_BOUND };
	int fd = agent_of(&self->a);

	ASSERT_LE(0, fd);
	EXPECT_EQ(-EOPNOTSUPP, device_call(fd, DSTACK_GET_QUOTE, &get));
	close(fd);
}

static int act_from_inside(void *arg)
{
	struct dstack_act_for act;

	return act_for(device_open(), *(pid_t *)arg, &act);
}

static int act_as_nobody(void *arg)
{
	struct dstack_act_for act;
	int fd = device_open(), err = become_nobody();

	return err ?: act_for(fd, *(pid_t *)arg, &act);
}

/* Attack 60: B's keys by way of who serves both. */
TEST_F(key, attack_60_nobody_else_acts_for_a_container)
{
	pid_t pid = start_idle(&self->b);

	ASSERT_LT(0, pid);
	EXPECT_EQ(-EPERM, in_cgroup(self->a.cgroup, act_from_inside, &pid));
	EXPECT_EQ(-EPERM, in_cgroup(self->b.cgroup, act_from_inside, &pid));
	EXPECT_EQ(-EPERM, in_child(act_as_nobody, &pid));
	stop_idle(pid);
}

struct passed {
	int fd;
	uint8_t key[DSTACK_KEY_SIZE];
};

static int use_passed(void *arg)
{
	struct passed *passed = arg;
	struct dstack_get_key get;

	ask_for(&get, DSTACK_KEY_BYTES, DSTACK_SCOPE_APP, "x");
	return get_bytes(passed->fd, &get, passed->key);
}

/* Attack 62: a descriptor in other hands. */
TEST_F(key, attack_62_file_of_an_agent_is_of_no_use_in_a_container)
{
	struct passed passed = { .fd = agent_of(&self->a) };

	ASSERT_LE(0, passed.fd);
	EXPECT_EQ(0, in_child(use_passed, &passed));
	EXPECT_EQ(-EACCES, in_cgroup(self->a.cgroup, use_passed, &passed));
	EXPECT_EQ(-EACCES, in_cgroup(self->b.cgroup, use_passed, &passed));
	close(passed.fd);
}

TEST_F(key, agent_acts_for_one_container_and_no_other)
{
	struct dstack_act_for act;
	pid_t pid = start_idle(&self->b);
	int fd = agent_of(&self->a);

	ASSERT_LT(0, pid);
	ASSERT_LE(0, fd);
	EXPECT_EQ(-EBUSY, act_for(fd, pid, &act));
	stop_idle(pid);
	close(fd);
}

TEST_F(key, nobody_acts_for_a_process_that_is_not)
{
	struct dstack_act_for act;
	pid_t pid = start_idle(&self->a);
	int fd = device_open();

	ASSERT_LT(0, pid);
	stop_idle(pid);
	EXPECT_EQ(-ESRCH, act_for(fd, pid, &act));
	EXPECT_EQ(-ESRCH, act_for(fd, 0, &act));
	EXPECT_EQ(-ESRCH, act_for(fd, -1, &act));
	/* It speaks for who opened it, as before. */
	EXPECT_EQ(0, act_for(fd, getpid(), &act));
	close(fd);
}

TEST_F(key, nobody_acts_for_a_container_that_is_gone)
{
	struct dstack_info info = { .size = sizeof(info) };
	struct container gone;
	int fd;

	ASSERT_EQ(0, container_add(self->control, &gone, "key-gone"));
	fd = agent_of(&gone);
	ASSERT_LE(0, fd);
	EXPECT_EQ(0, container_remove(self->control, &gone));
	EXPECT_EQ(-ESTALE, device_call(fd, DSTACK_INFO, &info));
	/* Nor for the next one of that name. */
	ASSERT_EQ(0, container_add(self->control, &gone, "key-gone"));
	EXPECT_EQ(-ESTALE, device_call(fd, DSTACK_INFO, &info));
	EXPECT_EQ(0, container_remove(self->control, &gone));
	close(fd);
}

TEST_HARNESS_MAIN
