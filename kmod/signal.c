// SPDX-License-Identifier: GPL-2.0-only
/*
 * All processes of the machine, one by one, and all of a container at once
 *
 * Copyright The dstack for Linux authors
 *
 * A process that has been sent SIGKILL cannot fork any more: fork looks for it
 * where the child becomes visible.  It looks for SIGSTOP only when it begins,
 * so that a process is done with when it has stopped, not before.  Either way a
 * child is not in its parent's cgroup when it becomes visible, but some time
 * later, which is long if its parent gets no CPU.  It has not run until then,
 * and its parent tells whose it is.  So a walk that finds every process of a
 * container stopped or about to die, and none whose container is not known yet,
 * has found them all.
 */
#include <linux/cleanup.h>
#include <linux/delay.h>
#include <linux/kernel.h>
#include <linux/pid.h>
#include <linux/pid_namespace.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/sched/jobctl.h>
#include <linux/sched/signal.h>

#include "identity.h"
#include "bounds.h"
#include "signal.h"

/**
 * dstack_signal_next() - walk the processes
 * @nr: where to start, from 1; is set to where to go on
 *
 * What is there from the beginning of a walk to its end is found by it.
 *
 * Return: the process, for put_pid(), or NULL at the end.
 */
struct pid *dstack_signal_next(int *nr)
{
	struct pid *pid;

	rcu_read_lock();
	while ((pid = find_ge_pid(*nr, &init_pid_ns))) {
		*nr = pid_nr(pid) + 1;
		if (pid_task(pid, PIDTYPE_TGID))
			break;
	}
	get_pid(pid);
	rcu_read_unlock();
	return pid;
}

/* What a walk finds; what is further down matters more. */
enum finding {
	SETTLED,	/* not ours, stopped, dead, or on its way to be */
	OPEN,		/* may yet have a child, or become ours */
	AT_LARGE,
};

/* Nothing of this is locked: what looks as if it were not is sent again. */
static enum finding obeys(struct task_struct *task, int sig)
{
	const struct signal_struct *signal = task->signal;
	unsigned int flags = READ_ONCE(signal->flags);
	bool pending = sigismember((sigset_t *)&signal->shared_pending.signal,
				   sig);

	if (flags & SIGNAL_GROUP_EXIT)
		return SETTLED;
	if (sig == SIGKILL)
		return pending ? SETTLED : AT_LARGE;
	if (flags & SIGNAL_STOP_STOPPED)
		return SETTLED;
	return pending || READ_ONCE(task->jobctl) & JOBCTL_STOP_PENDING ?
		OPEN : AT_LARGE;
}

/* Of its threads one that still lives; the first may have ended. */
static struct task_struct *living(struct task_struct *process)
{
	struct task_struct *task;

	for_each_thread(process, task)
		if (!READ_ONCE(task->exit_state))
			return task;
	return NULL;
}

static enum finding find(struct pid *pid,
			 const struct dstack_container *container, int sig)
{
	struct dstack_container *found;
	struct task_struct *task, *parent;
	bool unborn;

	guard(rcu)();
	task = pid_task(pid, PIDTYPE_TGID);
	task = task ? living(task) : NULL;
	if (!task)
		return SETTLED;
	/* Before the cgroup, so that it has one if it is not new any more. */
	unborn = READ_ONCE(task->__state) == TASK_NEW;
	smp_rmb();	/* pairs with the lock that wake_up_new_task() takes */
	found = dstack_identity_peek(task);
	if (!found && unborn) {
		parent = rcu_dereference(task->real_parent);
		found = dstack_identity_peek(parent);
	}
	if (found == container)
		return obeys(task, sig);
	/* A child can be given another parent than the process that forks. */
	return !found && unborn ? OPEN : SETTLED;
}

static enum finding walk(const struct dstack_container *container, int sig)
{
	enum finding found, most = SETTLED;
	struct pid *pid;
	int nr = 1;

	while ((pid = dstack_signal_next(&nr))) {
		found = find(pid, container, sig);
		/* As the kernel: the first process obeys it as well. */
		if (found == AT_LARGE)
			kill_pid(pid, sig, 1);
		most = max(most, found);
		put_pid(pid);
		cond_resched();
	}
	return most;
}

/**
 * dstack_signal_container() - send a signal to each process of a container
 * @container: whose
 * @sig: SIGKILL or SIGSTOP
 *
 * Those that fork meanwhile do not escape.
 *
 * Context: sleeps.
 */
void dstack_signal_container(const struct dstack_container *container, int sig)
{
	enum finding found = SETTLED;
	int i, quiet = 0;

	for (i = 0; i < DSTACK_SIGNAL_WALKS && quiet < 3; i++) {
		found = walk(container, sig);
		quiet = found == SETTLED ? quiet + 1 : 0;
		usleep_range(1000, 5000);
	}
	/* Who waits in the kernel is open for as long. */
	if (found == AT_LARGE)
		pr_notice_ratelimited("container %s has processes that go on in spite of signal %d\n",
				      container->id, sig);
}
