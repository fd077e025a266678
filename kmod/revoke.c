// SPDX-License-Identifier: GPL-2.0-only
/*
 * What runs although a newer policy dropped it
 *
 * Copyright The dstack for Linux authors
 *
 * A former policy stays here for some looks at all processes of containers.  A
 * file that one of them runs or has mapped, that a former policy approved and
 * the active one does not, is recorded, and then the container's section says
 * what becomes of it.  The first look comes at once.  The others find who was
 * approved before the change and began to run after it: an exec is approved,
 * recorded, and some time later the program is there.
 *
 * Nothing here waits for a process of a container: a process can keep its own
 * mmap lock for as long as it likes.
 */
#include <linux/cleanup.h>
#include <linux/dcache.h>
#include <linux/delay.h>
#include <linux/err.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/kernel.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/mmap_lock.h>
#include <linux/pid.h>
#include <linux/rcupdate.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/string.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "digest.h"
#include "draft.h"
#include "event.h"
#include "identity.h"
#include "bounds.h"
#include "measure.h"
#include "policy.h"
#include "revoke.h"
#include "seen.h"
#include "signal.h"
#include "storage.h"
#include "words.h"

#define MAPPINGS	16	/* files that are taken out of a mm at a time */

/**
 * struct dropped - a file that a container runs and may not any more
 * @digest: of it
 * @file: held until it is recorded, then NULL
 * @processes: how many have it
 * @last: the last of them
 */
struct dropped {
	struct dstack_digest digest;
	struct file *file;
	u64 processes;
	int last;
};

/**
 * struct hit - a container that has files which no longer are approved
 * @node: in hits
 * @container: held
 * @epoch: of the policy that does not approve them
 * @action: what is to become of it
 * @fresh: something is not recorded yet
 * @searched: for a dropped file among all that it ever ran, in this look
 * @nr: how many
 * @files: which; more change nothing
 */
struct hit {
	struct list_head node;
	struct dstack_container *container;
	u64 epoch;
	enum dstack_action action;
	bool fresh;
	bool searched;
	u32 nr;
	struct dropped files[DSTACK_DROPPED_MAX];
};

/* Policies that came since the last look, and their bytes with the others'. */
static DEFINE_SPINLOCK(lock);
static LIST_HEAD(arrived);
static size_t held;
static DECLARE_WAIT_QUEUE_HEAD(room);

/* The worker's own. */
static LIST_HEAD(formers);
static LIST_HEAD(hits);
static bool unsettled;		/* something was about to run */
static bool last;		/* of the looks that some former policy has */

static void look(struct work_struct *work);
static DECLARE_DELAYED_WORK(work, look);
static struct workqueue_struct *queue;

static struct hit *hit_of(struct dstack_container *container)
{
	struct hit *hit;

	list_for_each_entry(hit, &hits, node)
		if (hit->container == container)
			return hit;
	hit = kzalloc_obj(*hit, GFP_KERNEL);
	if (!hit)
		return NULL;	/* the next look finds it again */
	kref_get(&container->ref);
	hit->container = container;
	list_add_tail(&hit->node, &hits);
	return hit;
}

static void forget_files(struct hit *hit)
{
	while (hit->nr) {
		hit->nr--;
		if (hit->files[hit->nr].file)
			fput(hit->files[hit->nr].file);
	}
}

static void forget_hits(void)
{
	struct hit *hit, *next;

	list_for_each_entry_safe(hit, next, &hits, node) {
		forget_files(hit);
		dstack_identity_put(hit->container);
		kfree(hit);
	}
	INIT_LIST_HEAD(&hits);
}

static void add_file(struct hit *hit, struct file *file,
		     const struct dstack_digest *digest, int process)
{
	struct dropped *dropped = hit->files;
	u32 i;

	for (i = 0; i < hit->nr; i++, dropped++) {
		if (memcmp(&dropped->digest, digest, sizeof(*digest)))
			continue;
		dropped->processes += dropped->last != process;
		dropped->last = process;
		return;
	}
	if (hit->nr == DSTACK_DROPPED_MAX)
		return;
	hit->nr++;
	dropped->digest = *digest;
	dropped->file = get_file(file);
	dropped->processes = 1;
	dropped->last = process;
	hit->fresh = true;
}

/**
 * struct question - a file in a container, and what is said of it
 * @container: where
 * @kind: its role
 * @file: which
 * @process: who has it
 * @storage: what it rests on
 * @digest: its digest, none if it has none that can be trusted
 * @now: what the active policy says
 * @former: what one said that approved it
 */
struct question {
	struct dstack_container *container;
	enum dstack_kind kind;
	struct file *file;
	int process;
	enum dstack_storage storage;
	struct dstack_digest digest;
	struct dstack_policy_answer now, former;
};

static void drop(struct question *q, const struct dstack_digest *digest)
{
	struct hit *hit = hit_of(q->container);

	if (!hit)
		return;
	if (hit->epoch != q->now.epoch)
		forget_files(hit);
	hit->epoch = q->now.epoch;
	/* Whose section is gone has what was last said of it. */
	hit->action = q->now.reason == DSTACK_REASON_NO_SECTION ?
		q->former.revoked : q->now.revoked;
	add_file(hit, q->file, digest, q->process);
}

/* What a container ran once, of which the digest alone is known. */
static bool was_dropped(const struct dstack_digest *digest, u32 kinds,
			void *arg)
{
	struct dstack_policy_answer now;
	struct question *q = arg;
	struct dstack_policy *former;

	dstack_policy_ask(q->container->section, q->kind, q->storage, digest,
			  &now);
	list_for_each_entry(former, &formers, node) {
		dstack_policy_consult(former, q->container->section, q->kind,
				      q->storage, digest, &q->former);
		if (q->former.kinds & kinds & ~now.kinds)
			return true;
	}
	return false;
}

/*
 * A file that no policy approves was changed after it was mapped, if it could
 * be mapped at all.  What it was nobody knows: it is taken for a dropped one if
 * the container ran any.
 */
static void drop_changed(struct question *q)
{
	struct hit *hit = hit_of(q->container);
	struct dstack_digest digest;

	if (!hit || hit->searched)
		return;
	hit->searched = true;
	if (dstack_seen_find(&q->container->seen, was_dropped, q, &digest))
		drop(q, &digest);
}

static void ask(struct question *q)
{
	struct dstack_policy *former;

	q->storage = dstack_storage_class(q->file);
	memset(&q->digest, 0, sizeof(q->digest));
	/* What may wait for somebody else for ever is not read. */
	if (__DSTACK_STORAGE_ACCEPTABLE & 1U << q->storage)
		dstack_digest_file(q->file, &q->digest);
	dstack_policy_ask(q->container->section, q->kind, q->storage,
			  &q->digest, &q->now);
	if (q->now.reason == DSTACK_REASON_APPROVED &&
	    q->digest.alg != DSTACK_ALG_NONE)
		return;
	list_for_each_entry(former, &formers, node) {
		dstack_policy_consult(former, q->container->section, q->kind,
				      q->storage, &q->digest, &q->former);
		if (q->former.reason == DSTACK_REASON_APPROVED &&
		    q->digest.alg != DSTACK_ALG_NONE) {
			drop(q, &q->digest);
			return;
		}
	}
	drop_changed(q);
}

/* Some moments, which honest processes do with less than. */
static bool lock_mappings(struct mm_struct *mm)
{
	int i;

	for (i = 0; i < DSTACK_MMAP_TRIES; i++) {
		if (mmap_read_trylock(mm))
			return true;
		usleep_range(50, 200);
	}
	return false;
}

/*
 * The next executable mappings of files, each file once in a row.  -EBUSY if
 * somebody is at them.
 */
static int take_mappings(struct mm_struct *mm, unsigned long *addr,
			 struct file *files[MAPPINGS])
{
	struct vm_area_struct *vma;
	int nr = 0;

	if (!lock_mappings(mm))
		return -EBUSY;
	for (vma = find_vma(mm, *addr); vma && nr < MAPPINGS;
	     vma = find_vma(mm, *addr)) {
		*addr = vma->vm_end;
		if (vma->vm_file && vma->vm_flags & VM_EXEC &&
		    !(nr && files[nr - 1] == vma->vm_file))
			files[nr++] = get_file(vma->vm_file);
	}
	mmap_read_unlock(mm);
	return nr;
}

static void ask_for_mappings(struct question *q, struct mm_struct *mm,
			     struct file *program)
{
	const struct inode *inode = dstack_storage_inode(program);
	struct file *files[MAPPINGS];
	unsigned long addr = 0;
	int i, nr;

	q->kind = DSTACK_KIND_MAP;
	do {
		nr = take_mappings(mm, &addr, files);
		for (i = 0; i < nr; i++) {
			q->file = files[i];
			if (dstack_storage_inode(q->file) != inode)
				ask(q);
			fput(files[i]);
		}
		cond_resched();
	} while (nr == MAPPINGS);
	if (nr >= 0)
		return;
	unsettled = true;
	/* A process that never lets anybody see them hides something. */
	q->file = program;
	if (last)
		drop_changed(q);
}

static void ask_for_mm(struct question *q, struct mm_struct *mm)
{
	struct file *program;

	rcu_read_lock();
	program = get_file_rcu(&mm->exe_file);
	rcu_read_unlock();
	/* A process on its way out. */
	if (!program)
		return;
	q->kind = DSTACK_KIND_EXEC;
	q->file = program;
	ask(q);
	ask_for_mappings(q, mm, program);
	fput(program);
}

/* The first thread may have ended, and has no memory then. */
static struct mm_struct *mm_of(struct task_struct *process,
			       struct dstack_container **container)
{
	struct mm_struct *mm = NULL;
	struct task_struct *task;

	for_each_thread(process, task) {
		if (task->flags & PF_KTHREAD)
			break;
		mm = get_task_mm(task);
		if (!mm)
			continue;
		*container = dstack_identity_of(task);
		if (*container && task->in_execve)
			unsettled = true;
		break;
	}
	return mm;
}

static void look_at(struct pid *pid)
{
	struct dstack_container *container __free(dstack_container) = NULL;
	struct question q = { .process = pid_nr(pid) };
	struct mm_struct *mm = NULL;
	struct task_struct *task;

	rcu_read_lock();
	task = pid_task(pid, PIDTYPE_TGID);
	if (task)
		mm = mm_of(task, &container);
	rcu_read_unlock();
	if (mm && container) {
		q.container = container;
		ask_for_mm(&q, mm);
	}
	if (mm)
		mmput(mm);
}

static int record(const struct hit *hit, const struct dropped *dropped,
		  enum dstack_action action)
{
	struct dstack_draft *draft __free(dstack_draft) = dstack_draft_get();
	struct dstack_event *ev;
	const char *path;

	if (!draft)
		return -ENOMEM;
	ev = &draft->ev;
	path = d_path(file_user_path(dropped->file), draft->path,
		      sizeof(draft->path));
	dstack_event_begin(ev, DSTACK_EVENT_REVOKE);
	dstack_event_str(ev, "id", hit->container->id);
	dstack_event_file(ev, "digest", &dropped->digest);
	dstack_event_str(ev, "action", dstack_action_name(action));
	dstack_event_u64(ev, "epoch", hit->epoch);
	dstack_event_u64(ev, "processes", dropped->processes);
	dstack_event_path(ev, "path", IS_ERR(path) ? "?" : path);
	return dstack_measure(ev, NULL);
}

/* What cannot be recorded is ended all the same. */
static void act(struct hit *hit)
{
	enum dstack_action action = hit->action;
	int err = 0;
	u32 i;

	/* Who only measures lets everything run. */
	if (dstack_policy_state() == DSTACK_STATE_MEASURE)
		action = DSTACK_ACTION_LOG;
	for (i = 0; i < hit->nr; i++) {
		struct dropped *dropped = &hit->files[i];

		if (!dropped->file)
			continue;
		err = record(hit, dropped, action) ?: err;
		fput(dropped->file);
		dropped->file = NULL;
	}
	if (err)
		pr_notice_ratelimited("container %s runs what epoch %llu dropped, which could not be recorded (%d)\n",
				      hit->container->id, hit->epoch, err);
	if (action == DSTACK_ACTION_KILL)
		dstack_signal_container(hit->container, SIGKILL);
	else if (action == DSTACK_ACTION_FREEZE)
		dstack_signal_container(hit->container, SIGSTOP);
}

static void look_at_all(void)
{
	struct pid *pid;
	struct hit *hit;
	int nr = 1;

	unsettled = false;
	list_for_each_entry(hit, &hits, node)
		hit->searched = false;
	while ((pid = dstack_signal_next(&nr))) {
		look_at(pid);
		put_pid(pid);
		cond_resched();
	}
	list_for_each_entry(hit, &hits, node) {
		if (hit->fresh)
			act(hit);
		hit->fresh = false;
	}
}

static void release(struct list_head *done)
{
	struct dstack_policy *former, *next;
	size_t size = 0;

	if (list_empty(done))
		return;
	/* Whoever asked them when they were active is through then. */
	synchronize_rcu();
	list_for_each_entry_safe(former, next, done, node) {
		size += former->size;
		dstack_policy_free(former);
	}
	INIT_LIST_HEAD(done);
	spin_lock(&lock);
	held -= size;
	spin_unlock(&lock);
	wake_up_all(&room);
}

/* As often as is needed, and a little more; as long as something starts. */
static void look(struct work_struct *unused)
{
	struct dstack_policy *former, *next;
	LIST_HEAD(done);

	spin_lock(&lock);
	list_splice_tail_init(&arrived, &formers);
	spin_unlock(&lock);
	if (list_empty(&formers))
		return;
	last = list_first_entry(&formers, struct dstack_policy, node)->looks ==
		DSTACK_LOOKS_MAX - 1;
	if (dstack_policy_state() != DSTACK_STATE_OFF)
		look_at_all();
	list_for_each_entry_safe(former, next, &formers, node) {
		former->looks++;
		if (former->looks >= DSTACK_LOOKS_MAX ||
		    (former->looks >= DSTACK_LOOKS_MIN && !unsettled))
			list_move(&former->node, &done);
	}
	release(&done);
	if (list_empty(&formers))
		forget_hits();
	else
		queue_delayed_work(queue, &work,
				   msecs_to_jiffies(DSTACK_LOOK_MS));
}

/**
 * dstack_revoke_former() - look for what another policy dropped
 * @former: the policy that was active before; taken over; may be NULL
 *
 * Context: sleeps, if many policies come after one another.
 */
void dstack_revoke_former(struct dstack_policy *former)
{
	if (!former)
		return;
	spin_lock(&lock);
	list_add_tail(&former->node, &arrived);
	held += former->size;
	spin_unlock(&lock);
	mod_delayed_work(queue, &work, 0);
	wait_event_killable(room, READ_ONCE(held) <= DSTACK_FORMERS_MAX);
}

/**
 * dstack_revoke_init() - be ready for dstack_revoke_former()
 *
 * Return: 0 or -ENOMEM.
 */
int __init dstack_revoke_init(void)
{
	queue = alloc_ordered_workqueue("dstack_revoke", 0);
	return queue ? 0 : -ENOMEM;
}

/**
 * dstack_revoke_exit() - forget the former policies
 *
 * In state OFF, in which alone the module unloads, nothing is looked for.
 */
void dstack_revoke_exit(void)
{
	cancel_delayed_work_sync(&work);
	destroy_workqueue(queue);
	list_splice_tail_init(&arrived, &formers);
	release(&formers);
	forget_hits();
}
