// SPDX-License-Identifier: GPL-2.0-only
/*
 * Where the module sees what runs and what changes: hook, kfunc, return
 *
 * Copyright The dstack for Linux authors
 *
 * The programs carry no policy and no state.  One object serves every kernel:
 * libbpf finds the kfuncs by name, and the few members that are read here by
 * the kernel's BTF.
 */
#include <linux/bpf.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "verdict.h"

#define PROT_EXEC	0x4
#define FMODE_WRITE	0x2	/* as in linux/fs.h, both since Linux 2.6 */
#define ATTR_SIZE	0x8
#define S_IFMT		0170000
#define S_IFCHR		0020000
#define S_IFBLK		0060000

struct mnt_idmap {} __attribute__((preserve_access_index));
struct dentry {} __attribute__((preserve_access_index));
struct super_block {} __attribute__((preserve_access_index));
struct block_device {} __attribute__((preserve_access_index));
struct vm_area_struct {} __attribute__((preserve_access_index));
struct qstr {} __attribute__((preserve_access_index));

/* Since 6.14; where it is not, nobody can ask. */
struct linux_binprm {
	unsigned int is_check : 1;
} __attribute__((preserve_access_index));

struct inode {
	unsigned short i_mode;
} __attribute__((preserve_access_index));

struct file {
	unsigned int f_mode;
	struct inode *f_inode;
} __attribute__((preserve_access_index));

struct iattr {
	unsigned int ia_valid;
} __attribute__((preserve_access_index));

extern int bpf_dstack_vet_exec(struct linux_binprm *bprm) __ksym;
extern int bpf_dstack_vet_map(struct file *file__nullable, unsigned long prot,
			      unsigned long flags) __ksym;
extern int bpf_dstack_vet_memory(unsigned long prot,
				 unsigned long flags) __ksym;
extern int bpf_dstack_vet_protect(struct vm_area_struct *vma,
				  unsigned long prot) __ksym;
extern int bpf_dstack_vet_fault(const struct qstr *name) __ksym;
extern int bpf_dstack_vet_check(struct linux_binprm *bprm) __ksym;
extern int bpf_dstack_vet_open(struct file *file) __ksym;
extern void bpf_dstack_note_resize(struct dentry *dentry) __ksym;
extern void bpf_dstack_note_super(struct super_block *sb) __ksym;
extern int bpf_dstack_vet_mount(const struct super_block *sb) __ksym;
extern void bpf_dstack_note_root(struct block_device *bdev, int type,
				 const void *value, unsigned long size) __ksym;

/* Programs, scripts, and the interpreters of both. */
SEC("lsm.s/bprm_check_security")
long BPF_PROG(dstack_exec, struct linux_binprm *bprm, long ret)
{
	if (ret)
		return ret;
	return verdict(bpf_dstack_vet_exec(bprm));
}

/* Whether a file may run, of an interpreter that was given it. */
SEC("lsm.s/bprm_creds_for_exec")
long BPF_PROG(dstack_check, struct linux_binprm *bprm, long ret)
{
	if (ret || !bpf_core_field_exists(bprm->is_check) ||
	    !BPF_CORE_READ_BITFIELD(bprm, is_check))
		return ret;
	return verdict(bpf_dstack_vet_check(bprm));
}

/*
 * Libraries, loaders, and memory that is no file's.  7.x demands the check;
 * 6.12 takes the file for non-NULL and deletes it, so the kfunc checks again.
 */
SEC("lsm.s/mmap_file")
long BPF_PROG(dstack_map, struct file *file, unsigned long reqprot,
	      unsigned long prot, unsigned long flags, long ret)
{
	if (ret || !(prot & PROT_EXEC))
		return ret;
	if (!file)
		return verdict(bpf_dstack_vet_memory(prot, flags));
	return verdict(bpf_dstack_vet_map(file, prot, flags));
}

SEC("lsm/file_mprotect")
long BPF_PROG(dstack_protect, struct vm_area_struct *vma,
	      unsigned long reqprot, unsigned long prot, long ret)
{
	if (ret || !(prot & PROT_EXEC))
		return ret;
	return verdict(bpf_dstack_vet_protect(vma, prot));
}

/* userfaultfd(2), and few others, of which few are made. */
SEC("lsm/inode_init_security_anon")
long BPF_PROG(dstack_fault, struct inode *inode, const struct qstr *name,
	      const struct inode *context, long ret)
{
	return ret ? ret : verdict(bpf_dstack_vet_fault(name));
}

static __always_inline int is_device(struct file *file)
{
	unsigned short type = file->f_inode->i_mode & S_IFMT;

	return type == S_IFBLK || type == S_IFCHR;
}

/* Of the many opens few are for writing or of devices: these cost a call. */
SEC("lsm.s/file_open")
long BPF_PROG(dstack_open, struct file *file, long ret)
{
	if (ret || (!(file->f_mode & FMODE_WRITE) && !is_device(file)))
		return ret;
	return verdict(bpf_dstack_vet_open(file));
}

SEC("lsm/inode_setattr")
long BPF_PROG(dstack_resize, struct mnt_idmap *idmap, struct dentry *dentry,
	      struct iattr *attr, long ret)
{
	if (!ret && attr->ia_valid & ATTR_SIZE)
		bpf_dstack_note_resize(dentry);
	return ret;
}

SEC("lsm/sb_alloc_security")
long BPF_PROG(dstack_super, struct super_block *sb, long ret)
{
	if (!ret)
		bpf_dstack_note_super(sb);
	return ret;
}

SEC("lsm.s/sb_kern_mount")
long BPF_PROG(dstack_mount, const struct super_block *sb, long ret)
{
	return ret ?: verdict(bpf_dstack_vet_mount(sb));
}

/* 6.12 does not let a program read an argument of type const void *. */
SEC("lsm/bdev_setintegrity")
long BPF_PROG(dstack_root, struct block_device *bdev, int type,
	      const void *unread, unsigned long size, long ret)
{
	__u64 value = 0;

	if (!ret && !bpf_get_func_arg(ctx, 2, &value))
		bpf_dstack_note_root(bdev, type, (void *)value, size);
	return ret;
}

char LICENSE[] SEC("license") = "GPL";
