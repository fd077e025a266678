// SPDX-License-Identifier: GPL-2.0-only
/*
 * May this memory be executed
 *
 * Copyright The dstack for Linux authors
 *
 * What a file holds is vetted by its digest.  Memory that is no file's, that
 * can be written while it is executed, or that was written since it was mapped
 * has none: a section of the policy allows it or not.
 *
 * Who changes the protection of memory holds its lock, and the hook may not
 * sleep.  It decides by what is at hand.  What is to be recorded is recorded by
 * the same task on its way back to user space: before it can execute anything.
 */
#include <linux/cleanup.h>
#include <linux/dcache.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/module.h>
#include <linux/rcupdate.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/task_work.h>

#include "identity.h"
#include "memory.h"
#include "storage.h"
#include "vet.h"

/**
 * struct late - a decision that is recorded before the task runs on
 * @work: of the task
 * @container: where; NULL if there is nothing to record
 * @file: what the memory was mapped from, NULL for none
 * @kind: DSTACK_KIND_MEMORY or DSTACK_KIND_MAP
 * @verdict: what was decided
 */
struct late {
	struct callback_head work;
	struct dstack_container *container;
	struct file *file;
	enum dstack_kind kind;
	struct dstack_verdict verdict;
};

static bool was_late;		/* there was such work since the start */

/**
 * dstack_memory_exit() - nobody is in the code of this room any more
 *
 * Work that waits has a reference to the module, and drops it with its last
 * but one instruction.
 */
void dstack_memory_exit(void)
{
	if (READ_ONCE(was_late))
		synchronize_rcu_tasks();
}

static void settle(struct late *late)
{
	bool denied = late->verdict.err;

	if (!late->container ||
	    late->verdict.reason == DSTACK_REASON_APPROVED)
		return;
	/* Who may sleep can look at the file itself. */
	if (!denied && late->kind == DSTACK_KIND_MAP)
		dstack_vet_ask(late->file, late->kind, late->container,
			       &late->verdict);
	if (late->verdict.reason == DSTACK_REASON_OFF)
		return;
	/* What is executable already, and can't be recorded, must not run. */
	if (dstack_vet_settle(late->file, late->kind, late->container,
			      &late->verdict) && !denied)
		send_sig(SIGKILL, current, 1);
}

static void run_late(struct callback_head *work)
{
	struct late *late = container_of(work, struct late, work);

	settle(late);
	if (late->file)
		fput(late->file);
	dstack_identity_put(late->container);
	kfree(late);
	module_put(THIS_MODULE);
}

/* Work of the current task, which still has to be filled in. */
static struct late *add_late(void)
{
	struct late *late = kzalloc_obj(*late, GFP_ATOMIC | __GFP_NOWARN);

	if (!late)
		return NULL;
	init_task_work(&late->work, run_late);
	if (!try_module_get(THIS_MODULE))
		goto err_free;
	if (task_work_add(current, &late->work, TWA_RESUME))
		goto err_put;
	if (!READ_ONCE(was_late))
		WRITE_ONCE(was_late, true);
	return late;

err_put:
	module_put(THIS_MODULE);
err_free:
	kfree(late);
	return NULL;
}

/* Without a file, or with one that is only how the kernel has memory. */
static bool is_anonymous(const struct file *file)
{
	return !file || dstack_storage_is_memory(file);
}

/* Apart, because what follows is on the way of every library. */
static noinline int map_memory(struct file *file)
{
	struct dstack_container *container __free(dstack_container) =
		dstack_vet_where();
	struct dstack_verdict verdict;

	if (!container)
		return 0;
	dstack_vet_memory(container, &verdict);
	if (verdict.reason == DSTACK_REASON_APPROVED)
		return 0;
	return dstack_vet_settle(file, DSTACK_KIND_MEMORY, container,
				 &verdict);
}

/**
 * dstack_memory_map() - decide, record, and let it be mapped executable or not
 * @file: what is mapped, open for reading; NULL for anonymous memory
 * @prot: PROT_EXEC and what else
 * @flags: MAP_PRIVATE or MAP_SHARED, and others
 *
 * Shared memory that can be written is of a file that somebody has open for
 * writing, and is denied as that.
 *
 * Context: sleeps; called by the hooks with no lock of the module held.
 * Return: as dstack_vet().
 */
int dstack_memory_map(struct file *file, unsigned long prot,
		      unsigned long flags)
{
	int err = 0;

	if (is_anonymous(file))
		return map_memory(file);
	if (prot & PROT_WRITE && (flags & MAP_TYPE) == MAP_PRIVATE)
		err = map_memory(file);
	return err ?: dstack_vet(file, DSTACK_KIND_MAP);
}

/*
 * Still what the file holds, and not to be written.  Whoever wrote to private
 * memory of a file gave it an anon_vma first, for which he needed the lock that
 * the caller holds.
 */
static bool is_content(const struct vm_area_struct *vma, unsigned long prot)
{
	if (is_anonymous(vma->vm_file))
		return false;
	return vma->vm_flags & VM_SHARED ||
		!(vma->anon_vma || prot & PROT_WRITE);
}

/* @vma: what becomes executable; NULL: some memory that is no file's. */
static int vet(const struct vm_area_struct *vma, unsigned long prot)
{
	struct dstack_container *container;
	struct late *late = add_late();

	if (!late)
		return -ENOMEM;
	container = dstack_vet_where();
	if (!container)
		return 0;
	late->container = container;
	if (vma && vma->vm_file)
		late->file = get_file(vma->vm_file);
	if (vma && is_content(vma, prot)) {
		late->kind = DSTACK_KIND_MAP;
		dstack_vet_peek(vma->vm_file, container, &late->verdict);
	} else {
		late->kind = DSTACK_KIND_MEMORY;
		dstack_vet_memory(container, &late->verdict);
	}
	return late->verdict.err;
}

/**
 * dstack_memory_protect() - decide whether memory becomes executable
 * @vma: the memory, whose address space is locked
 * @prot: PROT_EXEC and what else it is to have
 *
 * Context: does not sleep.  The current task records it later.
 * Return: 0; -EACCES by policy; -ENOMEM.
 */
int dstack_memory_protect(struct vm_area_struct *vma, unsigned long prot)
{
	/* What it has it may keep. */
	if (vma->vm_flags & VM_EXEC &&
	    (vma->vm_flags & VM_WRITE || !(prot & PROT_WRITE)))
		return 0;
	return dstack_vet_judges() ? vet(vma, prot) : 0;
}

/**
 * dstack_memory_fault() - decide whether a file is made that may fill memory
 * @name: what kind of file
 *
 * With a userfaultfd a process fills its pages when they are used first: also
 * those of a file in memory that it mapped executable and not writable.
 *
 * Context: does not sleep.  The current task records it later.
 * Return: as dstack_memory_protect().
 */
int dstack_memory_fault(const struct qstr *name)
{
	if (strcmp(name->name, "[userfaultfd]"))
		return 0;
	return dstack_vet_judges() ? vet(NULL, 0) : 0;
}
