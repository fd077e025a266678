// SPDX-License-Identifier: GPL-2.0-only
/*
 * No exec of a container without its hook
 *
 * Copyright The dstack for Linux authors
 *
 * Links that the module was handed may be of programs that never call it, and
 * BPF may fail in ways that nobody thought of.  A binary format that comes
 * first is asked about every exec, BPF or not: what the hook did not see is
 * denied.
 */
#include <linux/binfmts.h>
#include <linux/cleanup.h>
#include <linux/kernel.h>
#include <linux/module.h>
#include <linux/sched.h>

#include "identity.h"
#include "root.h"
#include "vet.h"
#include "witness.h"

/*
 * Bits of the personality that an exec clears are for security modules to
 * choose.  No personality has these: the hook has just been there, and it has
 * been there at all.
 */
#define SEEN	0x40000000U
#define KNOWN	0x20000000U

/* The verdict on what was vetted, and recorded, already. */
static int ask(const struct linux_binprm *bprm)
{
	struct dstack_container *container __free(dstack_container) =
		dstack_vet_where();
	struct dstack_verdict verdict;

	if (!container)
		return 0;
	dstack_vet_ask(bprm->file, dstack_vet_kind(bprm), container, &verdict);
	return verdict.err;
}

/*
 * Once for the program, and again for each interpreter.  Another format that
 * came later, binfmt_misc for one, may have been asked first; what it runs
 * comes here.
 */
static int look(struct linux_binprm *bprm)
{
	unsigned int saw = bprm->per_clear;

	bprm->per_clear &= ~SEEN;
	if (saw & SEEN || !dstack_vet_judges())
		return -ENOEXEC;	/* ask the next format */
	/* Asked again, after a module with another format was loaded. */
	if (saw & KNOWN)
		return ask(bprm) ?: -ENOEXEC;
	/* Whoever got around the hooks shall find no key. */
	dstack_root_wipe();
	pr_notice_ratelimited("'%s' denied: no hook saw this exec; restart dstackd in state off\n",
			      current->comm);
	return -EACCES;
}

static struct linux_binfmt format = {
	.module = THIS_MODULE,
	.load_binary = look,
};

/**
 * dstack_witness_init() - look at every exec
 */
void __init dstack_witness_init(void)
{
	insert_binfmt(&format);
}

/**
 * dstack_witness_exit() - do so no more
 */
void dstack_witness_exit(void)
{
	unregister_binfmt(&format);
}

/**
 * dstack_witness_saw() - a hook has vetted this
 * @bprm: of bprm_check_security
 */
void dstack_witness_saw(struct linux_binprm *bprm)
{
	bprm->per_clear |= SEEN | KNOWN;
}
