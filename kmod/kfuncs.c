// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the BPF LSM programs call
 *
 * Copyright The dstack for Linux authors
 */
#include <linux/binfmts.h>
#include <linux/bpf.h>
#include <linux/btf.h>
#include <linux/btf_ids.h>
#include <linux/kernel.h>
#include <linux/module.h>

#include "block.h"
#include "guard.h"
#include "kfuncs.h"
#include "memory.h"
#include "tamper.h"
#include "vet.h"
#include "witness.h"

__bpf_kfunc_start_defs();

/**
 * bpf_dstack_vet_exec() - a program, script or interpreter is about to run
 * @bprm: of bprm_check_security, which is called once for each of them
 *
 * Return: 0 or -errno, as dstack_vet_exec().
 */
__bpf_kfunc int bpf_dstack_vet_exec(struct linux_binprm *bprm)
{
	dstack_witness_saw(bprm);
	return dstack_vet_exec(bprm);
}

/**
 * bpf_dstack_vet_map() - a file or memory is about to be mapped executable
 * @file__nullable: of mmap_file; NULL for anonymous memory, whatever the
 *	program checked: on 6.12 the verifier takes the argument for non-NULL
 *	and deletes the program's own check
 * @prot: what the memory is to have
 * @flags: MAP_PRIVATE or MAP_SHARED, and others
 *
 * Return: 0 or -errno, as dstack_memory_map().
 */
__bpf_kfunc int bpf_dstack_vet_map(struct file *file__nullable,
				   unsigned long prot, unsigned long flags)
{
	return dstack_memory_map(file__nullable, prot, flags);
}

/**
 * bpf_dstack_vet_memory() - anonymous memory is about to be mapped executable
 * @prot: what it is to have
 * @flags: MAP_PRIVATE or MAP_SHARED, and others
 *
 * Return: 0 or -errno, as dstack_memory_map().
 */
__bpf_kfunc int bpf_dstack_vet_memory(unsigned long prot, unsigned long flags)
{
	return dstack_memory_map(NULL, prot, flags);
}

/**
 * bpf_dstack_vet_protect() - memory is about to become executable
 * @vma: of file_mprotect
 * @prot: what the memory is to have
 *
 * Return: 0 or -errno, as dstack_memory_protect().
 */
__bpf_kfunc int bpf_dstack_vet_protect(struct vm_area_struct *vma,
				       unsigned long prot)
{
	return dstack_memory_protect(vma, prot);
}

/**
 * bpf_dstack_vet_fault() - a file is being made that may fill memory
 * @name: of inode_init_security_anon: what kind of file
 *
 * Return: 0 or -errno, as dstack_memory_fault().
 */
__bpf_kfunc int bpf_dstack_vet_fault(const struct qstr *name)
{
	return dstack_memory_fault(name);
}

/**
 * bpf_dstack_vet_check() - somebody asks whether a file may run
 * @bprm: of bprm_creds_for_exec, for AT_EXECVE_CHECK
 *
 * Return: 0 or -errno, as dstack_vet_check().
 */
__bpf_kfunc int bpf_dstack_vet_check(struct linux_binprm *bprm)
{
	return dstack_vet_check(bprm->file);
}

/**
 * bpf_dstack_vet_open() - a file is being opened for writing, or a device
 * @file: of file_open
 *
 * Return: 0 or -errno, as dstack_guard_open().
 */
__bpf_kfunc int bpf_dstack_vet_open(struct file *file)
{
	return dstack_guard_open(file);
}

/**
 * bpf_dstack_note_resize() - a file is about to change its size
 * @dentry: of inode_setattr
 */
__bpf_kfunc void bpf_dstack_note_resize(struct dentry *dentry)
{
	dstack_guard_resize(dentry);
}

/**
 * bpf_dstack_note_super() - a file system is about to be mounted
 * @sb: of sb_alloc_security
 */
__bpf_kfunc void bpf_dstack_note_super(struct super_block *sb)
{
	dstack_guard_super(sb);
}

/**
 * bpf_dstack_guard_trace() - a process is about to be attached to
 * @tracee: of ptrace_access_check, or who calls for ptrace_traceme
 *
 * Return: 0 or -errno, as dstack_tamper_trace().
 */
__bpf_kfunc int bpf_dstack_guard_trace(struct task_struct *tracee)
{
	return dstack_tamper_trace(tracee);
}

/**
 * bpf_dstack_guard_prctl() - the caller changes what it is taken for
 * @option: of task_prctl
 *
 * Return: 0 or -errno, as dstack_tamper_prctl().
 */
__bpf_kfunc int bpf_dstack_guard_prctl(u32 option)
{
	return dstack_tamper_prctl(option);
}

/**
 * bpf_dstack_guard_capable() - the caller uses a capability
 * @cap: of capable
 *
 * Return: 0 or -errno, as dstack_tamper_capable().
 */
__bpf_kfunc int bpf_dstack_guard_capable(u32 cap)
{
	return dstack_tamper_capable(cap);
}

/**
 * bpf_dstack_guard_read_file() - the kernel reads code, or what steers it
 * @file__nullable: of kernel_read_file
 * @id: enum kernel_read_file_id
 *
 * Return: 0 or -errno, as dstack_guard_read_file().
 */
__bpf_kfunc int bpf_dstack_guard_read_file(struct file *file__nullable, u32 id)
{
	return file__nullable ? dstack_guard_read_file(file__nullable, id) :
				-EACCES;
}

/**
 * bpf_dstack_guard_load_data() - the same from memory
 * @id: enum kernel_load_data_id
 *
 * Return: 0 or -errno, as dstack_tamper_load_data().
 */
__bpf_kfunc int bpf_dstack_guard_load_data(u32 id)
{
	return dstack_tamper_load_data(id);
}

/**
 * bpf_dstack_guard_bpf() - bpf(2) is called
 * @cmd: enum bpf_cmd
 *
 * Return: 0 or -errno, as dstack_tamper_bpf().
 */
__bpf_kfunc int bpf_dstack_guard_bpf(u32 cmd)
{
	return dstack_tamper_bpf(cmd);
}

/**
 * bpf_dstack_guard_bpf_prog() - somebody gets a descriptor of a BPF program
 * @type: enum bpf_prog_type
 *
 * Return: 0 or -errno, as dstack_tamper_bpf_prog().
 */
__bpf_kfunc int bpf_dstack_guard_bpf_prog(u32 type)
{
	return dstack_tamper_bpf_prog(type);
}

/**
 * bpf_dstack_vet_mount() - somebody is about to see a mounted file system
 * @sb: of sb_kern_mount
 *
 * Return: 0 or -errno, as dstack_guard_mount().
 */
__bpf_kfunc int bpf_dstack_vet_mount(const struct super_block *sb)
{
	return dstack_guard_mount(sb);
}

/**
 * bpf_dstack_note_root() - a device gets a property that its target vouches for
 * @bdev: of bdev_setintegrity
 * @type: enum lsm_integrity_type
 * @value__ign: what that type says; the verifier takes it for a number
 * @size: bytes of it
 */
__bpf_kfunc void bpf_dstack_note_root(struct block_device *bdev, int type,
				      const void *value__ign, size_t size)
{
	dstack_block_note(bdev, type, value__ign, size);
}

__bpf_kfunc_end_defs();

BTF_KFUNCS_START(dstack_kfunc_ids)
BTF_ID_FLAGS(func, bpf_dstack_vet_exec, KF_SLEEPABLE | KF_TRUSTED_ARGS)
BTF_ID_FLAGS(func, bpf_dstack_vet_map, KF_SLEEPABLE | KF_TRUSTED_ARGS)
BTF_ID_FLAGS(func, bpf_dstack_vet_memory, KF_SLEEPABLE)
BTF_ID_FLAGS(func, bpf_dstack_vet_protect, KF_TRUSTED_ARGS)
BTF_ID_FLAGS(func, bpf_dstack_vet_fault, KF_TRUSTED_ARGS)
BTF_ID_FLAGS(func, bpf_dstack_vet_check, KF_SLEEPABLE | KF_TRUSTED_ARGS)
BTF_ID_FLAGS(func, bpf_dstack_vet_open, KF_SLEEPABLE | KF_TRUSTED_ARGS)
BTF_ID_FLAGS(func, bpf_dstack_note_resize, KF_TRUSTED_ARGS)
BTF_ID_FLAGS(func, bpf_dstack_note_super, KF_TRUSTED_ARGS)
BTF_ID_FLAGS(func, bpf_dstack_guard_trace, KF_TRUSTED_ARGS)
BTF_ID_FLAGS(func, bpf_dstack_guard_prctl)
BTF_ID_FLAGS(func, bpf_dstack_guard_capable)
BTF_ID_FLAGS(func, bpf_dstack_guard_read_file, KF_SLEEPABLE | KF_TRUSTED_ARGS)
BTF_ID_FLAGS(func, bpf_dstack_guard_load_data)
BTF_ID_FLAGS(func, bpf_dstack_guard_bpf)
BTF_ID_FLAGS(func, bpf_dstack_guard_bpf_prog)
BTF_ID_FLAGS(func, bpf_dstack_vet_mount, KF_SLEEPABLE | KF_TRUSTED_ARGS)
BTF_ID_FLAGS(func, bpf_dstack_note_root, KF_TRUSTED_ARGS)
BTF_KFUNCS_END(dstack_kfunc_ids)

/* Tracing programs share the registration, and have no business here. */
static int lsm_only(const struct bpf_prog *prog, u32 kfunc_id)
{
	if (btf_id_set8_contains(&dstack_kfunc_ids, kfunc_id) &&
	    prog->type != BPF_PROG_TYPE_LSM)
		return -EACCES;
	return 0;
}

static const struct btf_kfunc_id_set dstack_kfunc_set = {
	.owner = THIS_MODULE,
	.set = &dstack_kfunc_ids,
	.filter = lsm_only,
};

/**
 * dstack_kfuncs_init() - register them
 *
 * Without BTF of this module the registration warns and returns 0: nothing
 * would be enforced, and nobody told.  So look first.
 *
 * Return: 0, -ENOEXEC without module BTF, or as the registration.
 */
int __init dstack_kfuncs_init(void)
{
	if (!THIS_MODULE->btf_data_size) {
		pr_err("this module has no BTF: build it where vmlinux and pahole are\n");
		return -ENOEXEC;
	}
	return register_btf_kfunc_id_set(BPF_PROG_TYPE_LSM, &dstack_kfunc_set);
}
