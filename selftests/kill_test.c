// SPDX-License-Identifier: MIT
/*
 * dstackd killed at every step
 *
 * Copyright The dstack for Linux authors
 *
 * A tracer counts what dstackd does to files and what it acknowledges, and
 * kills it before the first, the second, ... until it comes to its end.  After
 * each kill the next dstackd must find a file from which it goes on, with
 * every event once.  Between two of these steps nothing that outlives the
 * process changes.
 */
#include "dstack_test.h"

#include <glob.h>
#include <linux/filter.h>
#include <linux/genetlink.h>
#include <linux/netlink.h>
#include <linux/seccomp.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>

#define LOG_FILE	"/var/lib/dstack/log.jsonl"
#define STEPS_MAX	100
#define SURVIVED	1	/* run_until(): it was not killed */

/* What happens to the file before dstackd starts. */
typedef int (*prepare_fn)(void);

FIXTURE(kill)
{
	struct libdstack_control *control;
	int fd;
};

static int add_event(int fd, const char *name)
{
	struct dstack_extend extend = { .size = sizeof(extend) };

	memcpy(extend.name, name, strlen(name));
	return device_call(fd, DSTACK_EXTEND, &extend);
}

static int daemon_stop(void)
{
	pid_t pid = daemon_pid();
	int ms;

	if (pid < 0)
		return 0;
	kill(pid, SIGTERM);
	for (ms = 0; process_state(pid) && ms < 2 * PATIENCE_MS; ms += 10)
		sleep_ms(10);
	return process_state(pid) ? -ETIMEDOUT : 0;
}

static int run_daemon(void *unused)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	(void)unused;
	dup2(null, STDOUT_FILENO);
	dup2(null, STDERR_FILENO);
	execl("/usr/sbin/dstackd", "dstackd", "--daemonize", NULL);
	return -errno;
}

static int daemon_start(void)
{
	return in_child(run_daemon, NULL);
}

FIXTURE_SETUP(kill)
{
	self->fd = device_open();
	if (self->fd == -ENOENT)
		SKIP(return, "no " DEVICE ": load the module");
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, libdstack_control_open(&self->control));
	ASSERT_EQ(0, daemon_catch_up(self->control));
	ASSERT_EQ(0, daemon_stop());
}

/* The damaged files that were kept: each must find a name of its own. */
static void remove_kept(void)
{
	glob_t found;
	size_t i;

	if (glob(LOG_FILE ".*", 0, NULL, &found))
		return;
	for (i = 0; i < found.gl_pathc; i++)
		unlink(found.gl_pathv[i]);
	globfree(&found);
}

FIXTURE_TEARDOWN(kill)
{
	remove_kept();
	if (daemon_pid() < 0)
		EXPECT_EQ(0, daemon_start());
	libdstack_control_close(self->control);
	close(self->fd);
}

/*
 * The tracer
 */

static bool peek(pid_t pid, uint64_t at, void *buf, size_t len)
{
	struct iovec local = { buf, len };
	struct iovec remote = { (void *)(uintptr_t)at, len };

	return process_vm_readv(pid, &local, 1, &remote, 1, 0) == (ssize_t)len;
}

/* Does this message of sendmsg(2) acknowledge events? */
static bool is_ack(pid_t pid, uint64_t at)
{
	struct {
		struct nlmsghdr nl;
		struct genlmsghdr genl;
	} head;
	struct msghdr msg;
	struct iovec iov;

	return peek(pid, at, &msg, sizeof(msg)) &&
	       peek(pid, address(msg.msg_iov), &iov, sizeof(iov)) &&
	       peek(pid, address(iov.iov_base), &head, sizeof(head)) &&
	       head.nl.nlmsg_type != GENL_ID_CTRL &&
	       head.genl.cmd == DSTACK_CMD_LOG_ACK;
}

static bool opens_device(pid_t pid, const struct user_regs_struct *regs)
{
	char path[sizeof(DEVICE)];

	return regs->orig_rax == SYS_openat &&
	       peek(pid, regs->rsi, path, sizeof(path)) &&
	       !memcmp(path, DEVICE, sizeof(path));
}

/* What may change something that outlives the process, and its waiting. */
static const long calls[] = {
	SYS_openat, SYS_sendmsg, SYS_poll, SYS_write, SYS_pwrite64,
	SYS_ftruncate, SYS_fsync, SYS_fdatasync, SYS_mkdir, SYS_link,
	SYS_linkat, SYS_rename, SYS_renameat, SYS_renameat2, SYS_unlink,
	SYS_unlinkat,
};

static bool outlives_us(pid_t pid, const struct user_regs_struct *regs)
{
	switch (regs->orig_rax) {
	case SYS_openat:
		return regs->rdx & O_CREAT;
	case SYS_sendmsg:
		return is_ack(pid, regs->rsi);
	case SYS_write:
		return regs->rdi > STDERR_FILENO;
	default:
		return true;
	}
}

/* From here on the tracer sees these calls, before they are done. */
static int show_calls(void)
{
	struct sock_filter filter[2 * ARRAY_SIZE(calls) + 2], *at = filter;
	struct sock_fprog prog = { ARRAY_SIZE(filter), filter };
	size_t i;

	*at++ = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
		offsetof(struct seccomp_data, nr));
	for (i = 0; i < ARRAY_SIZE(calls); i++) {
		*at++ = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K,
						     calls[i], 0, 1);
		*at++ = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K,
						     SECCOMP_RET_TRACE);
	}
	*at = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog);
}

/* Where the traced process stands. */
struct tracee {
	pid_t pid;
	int kill_at;		/* step before which it dies */
	int step;
	bool counts;		/* past the lock file and the hooks */
	int visits;		/* it had nothing to do so often */
};

/* It waits: give it something to do, and at last its end. */
static int keep_busy(struct tracee *t, struct libdstack_control *control,
		     int fd)
{
	struct libdstack_status status;
	int err;

	err = libdstack_status(control, &status);
	if (err || status.log_acked != status.log_count)
		return err;
	if (t->visits++ < 2)
		return add_event(fd, "kill.one") ?: add_event(fd, "kill.two");
	if (t->visits > 3)
		return 0;
	/* It stores this one because it ends. */
	err = add_event(fd, "kill.last");
	kill(t->pid, SIGTERM);
	return err;
}

/* It is about to call the kernel.  True: it was killed. */
static bool at_call(struct tracee *t, struct libdstack_control *control, int fd)
{
	struct user_regs_struct regs;

	if (ptrace(PTRACE_GETREGS, t->pid, NULL, &regs))
		return false;
	if (!t->counts)
		t->counts = opens_device(t->pid, &regs);
	else if (regs.orig_rax == SYS_poll)
		keep_busy(t, control, fd);
	else if (outlives_us(t->pid, &regs) && ++t->step == t->kill_at)
		return !kill(t->pid, SIGKILL);
	return false;
}

static pid_t start_traced(void)
{
	pid_t pid = fork();
	int null;

	if (pid)
		return pid;
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	dup2(null, STDERR_FILENO);
	ptrace(PTRACE_TRACEME, 0, NULL, NULL);
	raise(SIGSTOP);
	if (show_calls())
		_exit(126);
	execl("/usr/sbin/dstackd", "dstackd", "--foreground", NULL);
	_exit(127);
}

/* SURVIVED if it ended by itself, 0 if it was killed at this step. */
static int run_until(int step, struct libdstack_control *control, int fd)
{
	struct tracee t = { .pid = start_traced(), .kill_at = step };
	bool killed = false;
	int status, signal;

	if (t.pid < 0 || waitpid(t.pid, &status, 0) != t.pid)
		return -ECHILD;
	ptrace(PTRACE_SETOPTIONS, t.pid, NULL,
	       PTRACE_O_EXITKILL | PTRACE_O_TRACESECCOMP);
	while (!WIFEXITED(status) && !WIFSIGNALED(status)) {
		signal = WSTOPSIG(status);
		if (signal == SIGSTOP || signal == SIGTRAP)
			signal = 0;
		if (status >> 16 == PTRACE_EVENT_SECCOMP && !killed)
			killed = at_call(&t, control, fd);
		ptrace(PTRACE_CONT, t.pid, NULL, signal);
		if (waitpid(t.pid, &status, 0) != t.pid)
			return -ECHILD;
	}
	if (killed)
		return WIFSIGNALED(status) ? 0 : -EINTR;
	return WIFEXITED(status) && !WEXITSTATUS(status) ? SURVIVED : -EIO;
}

/*
 * Claims
 */

/* As many lines as events, and they replay to the register: each once. */
static int file_holds_all(struct libdstack_control *control)
{
	struct libdstack_status status;
	struct libdstack_log *log;
	size_t bad;
	int err;

	err = libdstack_status(control, &status) ?:
	      libdstack_log_read(LOG_FILE, &log);
	if (err)
		return err;
	if (log->count != status.log_count)
		err = log->count < status.log_count ? -ENODATA : -E2BIG;
	else
		err = libdstack_log_replay(log, log->count, status.base, &bad);
	if (!err && memcmp(status.base, status.register_value,
			   sizeof(status.base)))
		err = -EBADMSG;
	libdstack_log_free(log);
	return err;
}

/* The next dstackd repairs what there is to repair. */
static int next_one_goes_on(struct libdstack_control *control)
{
	return daemon_start() ?: daemon_catch_up(control) ?:
	       file_holds_all(control) ?: daemon_stop();
}

static int append(const char *text, size_t len)
{
	int fd = open(LOG_FILE, O_WRONLY | O_APPEND | O_CLOEXEC);
	int err = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, text, len) != (ssize_t)len)
		err = -EIO;
	close(fd);
	return err;
}

static int tear(void)
{
	return append("{\"imr\":3", 8);
}

/* The first line once more: what must be written anew, and nothing is lost. */
static int double_a_line(void)
{
	char *line = NULL;
	size_t size = 0;
	FILE *file = fopen(LOG_FILE, "re");
	ssize_t len;
	int err;

	if (!file)
		return -errno;
	len = getline(&line, &size, file);
	err = len > 0 ? append(line, len) : -ENODATA;
	free(line);
	fclose(file);
	return err;
}

/* How many steps there were, or -errno. */
static int sweep(struct libdstack_control *control, int fd, prepare_fn prepare)
{
	int step, err;

	for (step = 1; step < STEPS_MAX; step++) {
		/* One that waits, so that there is something to do at once. */
		err = add_event(fd, "kill.waits") ?: prepare();
		if (err)
			return err;
		remove_kept();
		err = run_until(step, control, fd);
		if (err == SURVIVED)
			return file_holds_all(control) ?: step - 1;
		if (!err)
			err = next_one_goes_on(control);
		if (err) {
			fprintf(stderr, "# killed at step %d: %s\n", step,
				strerror(-err));
			return err;
		}
	}
	return -E2BIG;
}

TEST_F_TIMEOUT(kill, at_every_step_with_a_torn_file, 110)
{
	int steps = sweep(self->control, self->fd, tear);

	TH_LOG("%d steps", steps);
	/* Open, cut, and at least three batches of write, sync, acknowledge. */
	EXPECT_LE(11, steps);
}

TEST_F_TIMEOUT(kill, at_every_step_with_a_file_to_be_written_anew, 110)
{
	int steps = sweep(self->control, self->fd, double_a_line);

	TH_LOG("%d steps", steps);
	/* Also open, write, sync, link, rename, sync. */
	EXPECT_LE(16, steps);
}

TEST_HARNESS_MAIN
