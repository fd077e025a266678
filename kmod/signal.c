// SPDX-License-Identifier: GPL-2.0-only
/*
 * All processes of the machine, one by one, and all of a container at once
 *
 * Copyright The dstack for Linux authors
 *
 * A process that has been sent SIGKILL or SIGSTOP cannot fork any more: fork
 * looks for signals where the child becomes visible.  So a walk that finds
 * every process of a container with its signal found them all, but for a child
 * that is not in its parent's cgroup yet, where it comes a moment after it
 * became visible: hence several such walks.
 */
#include <linux/delay.h>
#include <linux/kernel.h>
#include <linux/pid.h>
#include <linux/pid_namespace.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/sched/jobctl.h>
#include <linux/sched/signal.h>

#include "identity.h"
#include "limits.h"
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

/* Nothing of this is locked: what looks as if it were not is sent again. */
static bool has_signal(struct task_struct *task, int sig)
{
	const struct signal_struct *signal = task->signal;

	if (READ_ONCE(signal->flags) & SIGNAL_GROUP_EXIT ||
	    sigismember((sigset_t *)&signal->shared_pending.signal, sig))
		return true;
	return sig == SIGSTOP &&
		(READ_ONCE(signal->flags) & SIGNAL_STOP_STOPPED ||
		 READ_ONCE(task->jobctl) & JOBCTL_STOP_PENDING);
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

/* Is this one done with: not ours, dead, or on its way to be. */
static bool settled(struct pid *pid, const struct dstack_container *container,
		    int sig)
{
	struct dstack_container *found __free(dstack_container) = NULL;
	struct task_struct *task;
	bool done;

	rcu_read_lock();
	task = pid_task(pid, PIDTYPE_TGID);
	task = task ? living(task) : NULL;
	done = !task || has_signal(task, sig);
	if (!done)
		found = dstack_identity_of(task);
	rcu_read_unlock();
	return done || found != container;
}

static bool walk(const struct dstack_container *container, int sig)
{
	bool quiet = true;
	struct pid *pid;
	int nr = 1;

	while ((pid = dstack_signal_next(&nr))) {
		if (!settled(pid, container, sig)) {
			/* As the kernel: the first process obeys it as well. */
			kill_pid(pid, sig, 1);
			quiet = false;
		}
		put_pid(pid);
		cond_resched();
	}
	return quiet;
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
	int i, quiet = 0;

	for (i = 0; i < DSTACK_SIGNAL_WALKS && quiet < 3; i++) {
		if (walk(container, sig))
			quiet++;
		else
			quiet = 0;
		usleep_range(1000, 5000);
	}
	if (quiet < 3)
		pr_notice_ratelimited("container %s has processes that go on in spite of signal %d\n",
				      container->id, sig);
}
