// SPDX-License-Identifier: MIT
/*
 * Descriptors of /dev/dstack that go from one container to another
 *
 * Copyright The dstack for Linux authors
 *
 * However a descriptor came to its holder: the caller must be in the container
 * of whoever opened it, or every ioctl is EACCES.
 */
#include "dstack_test.h"

#include <sched.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#define INNER_CGROUP	"/inner"
#define NOT_EVEN_SENT	ECHILD

FIXTURE(passing)
{
	struct libdstack_control *control;
	struct container a, b, inner;
	int sockets[2];
};

/* A container in a container, of which the outer one holds only the rest. */
static int add_inner(struct libdstack_control *control,
		     const struct container *outer, struct container *inner)
{
	int fd, err;

	container_name(inner, "passing-inner");
	snprintf(inner->cgroup, sizeof(inner->cgroup), "%.100s" INNER_CGROUP,
		 outer->cgroup);
	fd = cgroup_make(inner->cgroup);
	if (fd < 0)
		return fd;
	err = libdstack_add_container(control, fd, &inner->as);
	close(fd);
	return err;
}

FIXTURE_SETUP(passing)
{
	int fd = device_open();

	if (fd == -ENOENT)
		SKIP(return, "no " DEVICE ": load the module");
	ASSERT_LE(0, fd);
	close(fd);
	ASSERT_EQ(0, libdstack_control_open(&self->control));
	ASSERT_EQ(0, container_add(self->control, &self->a, "passing-a"));
	ASSERT_EQ(0, container_add(self->control, &self->b, "passing-b"));
	ASSERT_EQ(0, add_inner(self->control, &self->a, &self->inner));
	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, self->sockets));
}

FIXTURE_TEARDOWN(passing)
{
	close(self->sockets[0]);
	close(self->sockets[1]);
	EXPECT_EQ(0, container_remove(self->control, &self->inner));
	EXPECT_EQ(0, container_remove(self->control, &self->a));
	EXPECT_EQ(0, container_remove(self->control, &self->b));
	libdstack_control_close(self->control);
}

/*
 * What a holder gets
 */

/* 0 if INFO answers, else what all of them say; -EPROTO if they differ. */
static int use(int fd)
{
	struct dstack_info info = { .size = sizeof(info) };
	uint32_t request[64] = { 0 };
	int err = device_call(fd, DSTACK_INFO, &info);
	size_t i;

	for (i = 0; err && i < ARRAY_SIZE(ioctls); i++) {
		request[0] = ioctls[i].size;
		if (device_call(fd, ioctls[i].cmd, request) != err ||
		    device_call(fd, ioctls[i].cmd, NULL) != err)
			return -EPROTO;
	}
	return err;
}

/* As whom the kernel knows the caller on this descriptor. */
static int is_id(int fd, const char *id)
{
	struct dstack_info info = { .size = sizeof(info) };

	return device_call(fd, DSTACK_INFO, &info) ?:
	       strcmp((char *)info.out_id, id) ? -EXDEV : 0;
}

/*
 * Through a socket
 */

union control {
	char space[CMSG_SPACE(sizeof(int))];
	struct cmsghdr align;
};

static int send_fd(int sock, int fd)
{
	char byte = 0;
	struct iovec iov = { &byte, 1 };
	union control control = { 0 };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = &control, .msg_controllen = sizeof(control),
	};
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);

	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(sizeof(fd));
	memcpy(CMSG_DATA(cmsg), &fd, sizeof(fd));
	return sendmsg(sock, &msg, 0) == 1 ? 0 : -NOT_EVEN_SENT;
}

static int receive_fd(int sock)
{
	char byte;
	struct iovec iov = { &byte, 1 };
	union control control;
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = &control, .msg_controllen = sizeof(control),
	};
	struct cmsghdr *cmsg;
	int fd;

	if (recvmsg(sock, &msg, MSG_CMSG_CLOEXEC | MSG_DONTWAIT) != 1)
		return -NOT_EVEN_SENT;
	cmsg = CMSG_FIRSTHDR(&msg);
	if (!cmsg || cmsg->cmsg_type != SCM_RIGHTS)
		return -NOT_EVEN_SENT;
	memcpy(&fd, CMSG_DATA(cmsg), sizeof(fd));
	return fd;
}

static int open_and_send(void *sockets)
{
	int fd = device_open();

	return use(fd) ?: send_fd(((int *)sockets)[0], fd);
}

static int receive_and_use(void *sockets)
{
	return use(receive_fd(((int *)sockets)[1]));
}

static int receive_and_send_on(void *sockets)
{
	int fd = receive_fd(((int *)sockets)[1]);

	return use(fd) != -EACCES ? -EPROTO :
				    send_fd(((int *)sockets)[0], fd);
}

/* What @to gets of a descriptor that @from has opened; NULL is the host. */
static int pass(int *sockets, const char *from, const char *to)
{
	return in_cgroup(from, open_and_send, sockets) ?:
	       in_cgroup(to, receive_and_use, sockets);
}

TEST_F(passing, descriptor_is_of_use_where_it_was_opened)
{
	EXPECT_EQ(0, pass(self->sockets, NULL, NULL));
	EXPECT_EQ(0, pass(self->sockets, self->a.cgroup, self->a.cgroup));
	EXPECT_EQ(0, pass(self->sockets, self->inner.cgroup,
			  self->inner.cgroup));
}

TEST_F(passing, descriptor_of_the_host_refused_in_containers)
{
	EXPECT_EQ(-EACCES, pass(self->sockets, NULL, self->a.cgroup));
	EXPECT_EQ(-EACCES, pass(self->sockets, NULL, self->inner.cgroup));
}

TEST_F(passing, descriptor_of_a_container_refused_on_the_host)
{
	EXPECT_EQ(-EACCES, pass(self->sockets, self->a.cgroup, NULL));
	EXPECT_EQ(-EACCES, pass(self->sockets, self->inner.cgroup, NULL));
}

TEST_F(passing, descriptor_of_a_container_refused_in_another)
{
	EXPECT_EQ(-EACCES, pass(self->sockets, self->a.cgroup,
				self->b.cgroup));
	EXPECT_EQ(-EACCES, pass(self->sockets, self->b.cgroup,
				self->a.cgroup));
}

TEST_F(passing, containers_in_containers_are_others)
{
	EXPECT_EQ(-EACCES, pass(self->sockets, self->a.cgroup,
				self->inner.cgroup));
	EXPECT_EQ(-EACCES, pass(self->sockets, self->inner.cgroup,
				self->a.cgroup));
}

TEST_F(passing, descriptor_that_comes_back_is_of_use_again)
{
	ASSERT_EQ(0, in_cgroup(self->a.cgroup, open_and_send, self->sockets));
	EXPECT_EQ(0, in_cgroup(self->b.cgroup, receive_and_send_on,
			       self->sockets));
	EXPECT_EQ(0, in_cgroup(self->a.cgroup, receive_and_use,
			       self->sockets));
}

/* Whoever sends is not asked: who has opened it counts. */
TEST_F(passing, sender_in_between_changes_nothing)
{
	ASSERT_EQ(0, in_child(open_and_send, self->sockets));
	EXPECT_EQ(0, in_cgroup(self->b.cgroup, receive_and_send_on,
			       self->sockets));
	EXPECT_EQ(-EACCES, in_cgroup(self->a.cgroup, receive_and_use,
				     self->sockets));
}

/*
 * In other ways
 */

struct theft {
	pid_t pid;
	int fd;
};

static int take_from_process(void *arg)
{
	const struct theft *theft = arg;
	int pidfd = syscall(SYS_pidfd_open, theft->pid, 0);

	return use(syscall(SYS_pidfd_getfd, pidfd, theft->fd, 0));
}

TEST_F(passing, descriptor_taken_from_a_process_refused)
{
	struct theft theft = { .pid = getpid(), .fd = device_open() };

	ASSERT_LE(0, theft.fd);
	EXPECT_EQ(0, in_child(take_from_process, &theft));
	EXPECT_EQ(-EACCES, in_cgroup(self->a.cgroup, take_from_process,
				     &theft));
	close(theft.fd);
}

struct move {
	const char *to;
	int namespaces;
	bool nobody;
};

static int open_and_move(void *arg)
{
	const struct move *move = arg;
	int fd = device_open();

	if (move->to && cgroup_enter(move->to))
		return -NOT_EVEN_SENT;
	if (move->namespaces && unshare(move->namespaces))
		return -NOT_EVEN_SENT;
	if (move->nobody && become_nobody())
		return -NOT_EVEN_SENT;
	return use(fd);
}

TEST_F(passing, descriptor_kept_on_the_way_to_another_container_refused)
{
	struct move move = { .to = self->b.cgroup };

	EXPECT_EQ(-EACCES, in_cgroup(self->a.cgroup, open_and_move, &move));
	move.to = self->inner.cgroup;
	EXPECT_EQ(-EACCES, in_cgroup(self->a.cgroup, open_and_move, &move));
	move.to = CGROUP_ROOT;
	EXPECT_EQ(-EACCES, in_cgroup(self->a.cgroup, open_and_move, &move));
}

/* Who one is, and in which namespaces, is no part of it. */
TEST_F(passing, descriptor_kept_with_fewer_rights_is_of_use)
{
	struct move move = { .nobody = true };

	EXPECT_EQ(0, in_cgroup(self->a.cgroup, open_and_move, &move));
	move.nobody = false;
	move.namespaces = CLONE_NEWUSER | CLONE_NEWCGROUP | CLONE_NEWNS |
			  CLONE_NEWNET;
	EXPECT_EQ(0, in_cgroup(self->a.cgroup, open_and_move, &move));
}

struct reopening {
	int fd;
	const char *id;
};

/* That is no passing on: it is opened once more, by somebody else. */
static int open_again(void *arg)
{
	const struct reopening *reopening = arg;
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", reopening->fd);
	fd = open(path, O_RDWR | O_CLOEXEC);
	return fd < 0 ? -errno : is_id(fd, reopening->id);
}

TEST_F(passing, descriptor_opened_again_is_of_the_new_opener)
{
	struct reopening reopening = {
		.fd = device_open(), .id = self->a.as.id,
	};

	ASSERT_LE(0, reopening.fd);
	EXPECT_EQ(0, in_cgroup(self->a.cgroup, open_again, &reopening));
	reopening.id = DSTACK_HOST_ID;
	EXPECT_EQ(0, in_child(open_again, &reopening));
	close(reopening.fd);
}

TEST_HARNESS_MAIN
