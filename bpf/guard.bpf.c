// SPDX-License-Identifier: GPL-2.0-only
/*
 * Where the module sees who reaches for it, or for what it watches
 *
 * Copyright The dstack for Linux authors
 *
 * These hooks fire rarely, or leave before they call: what they cost is in
 * nobody's way.
 */
#include <linux/bpf.h>
#include <linux/capability.h>
#include <linux/prctl.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "verdict.h"

#define PTRACE_MODE_ATTACH	0x2	/* as in linux/ptrace.h */

struct cred {} __attribute__((preserve_access_index));
struct user_namespace {} __attribute__((preserve_access_index));
struct task_struct {} __attribute__((preserve_access_index));
struct file {} __attribute__((preserve_access_index));

struct bpf_prog {
	enum bpf_prog_type type;
} __attribute__((preserve_access_index));

extern int bpf_dstack_guard_trace(struct task_struct *tracee) __ksym;
extern int bpf_dstack_guard_prctl(__u32 option) __ksym;
extern int bpf_dstack_guard_capable(__u32 cap) __ksym;
extern int bpf_dstack_guard_read_file(struct file *file__nullable,
				      __u32 id) __ksym;
extern int bpf_dstack_guard_load_data(__u32 id) __ksym;
extern int bpf_dstack_guard_bpf(__u32 cmd) __ksym;
extern int bpf_dstack_guard_bpf_prog(__u32 type) __ksym;

/* Reading what /proc says of a process is no attachment. */
SEC("lsm/ptrace_access_check")
long BPF_PROG(dstack_trace, struct task_struct *child, unsigned int mode,
	      long ret)
{
	if (ret || !(mode & PTRACE_MODE_ATTACH))
		return ret;
	return verdict(bpf_dstack_guard_trace(child));
}

SEC("lsm/ptrace_traceme")
long BPF_PROG(dstack_traceme, struct task_struct *parent, long ret)
{
	if (ret)
		return ret;
	return verdict(bpf_dstack_guard_trace(bpf_get_current_task_btf()));
}

/* What a process is taken for: its executable. */
SEC("lsm/task_prctl")
long BPF_PROG(dstack_prctl, int option, unsigned long arg2, unsigned long arg3,
	      unsigned long arg4, unsigned long arg5, long ret)
{
	if (ret || option != PR_SET_MM ||
	    (arg2 != PR_SET_MM_EXE_FILE && arg2 != PR_SET_MM_MAP))
		return ret;
	return verdict(bpf_dstack_guard_prctl(option));
}

SEC("lsm/capable")
long BPF_PROG(dstack_capable, struct cred *cred, struct user_namespace *ns,
	      int cap, unsigned int opts, long ret)
{
	if (ret || cap != CAP_SYS_MODULE)
		return ret;
	return verdict(bpf_dstack_guard_capable(cap));
}

/* Modules, firmware and kernels, from a file or from memory. */
SEC("lsm.s/kernel_read_file")
long BPF_PROG(dstack_read_file, struct file *file, unsigned int id,
	      unsigned int contents, long ret)
{
	if (ret)
		return ret;
	return verdict(bpf_dstack_guard_read_file(file, id));
}

SEC("lsm/kernel_load_data")
long BPF_PROG(dstack_load_data, unsigned int id, unsigned int contents,
	      long ret)
{
	if (ret)
		return ret;
	return verdict(bpf_dstack_guard_load_data(id));
}

SEC("lsm/bpf")
long BPF_PROG(dstack_bpf, int cmd, union bpf_attr *attr, unsigned int size)
{
	return verdict(bpf_dstack_guard_bpf(cmd));
}

/* A new descriptor for a program, by whatever way. */
SEC("lsm/bpf_prog")
long BPF_PROG(dstack_bpf_prog, struct bpf_prog *prog, long ret)
{
	if (ret)
		return ret;
	return verdict(bpf_dstack_guard_bpf_prog(prog->type));
}

char LICENSE[] SEC("license") = "GPL";
