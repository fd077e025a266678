// SPDX-License-Identifier: GPL-2.0-only
/*
 * Where the module sees execs and executable mappings: hook, kfunc, return
 *
 * Copyright The dstack for Linux authors
 *
 * The programs carry no policy and no state.  One object serves every kernel:
 * the types are opaque here, and libbpf finds the kfuncs by name.
 */
#include <linux/bpf.h>
#include <linux/errno.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#define MAX_ERRNO 4095

struct linux_binprm {} __attribute__((preserve_access_index));
struct file {} __attribute__((preserve_access_index));

extern int bpf_dstack_vet_exec(struct linux_binprm *bprm) __ksym;
extern int bpf_dstack_vet_map(struct file *file__nullable,
			      unsigned long prot) __ksym;

/*
 * The verifier wants to see, in all 64 bits, that a hook returns 0 or an errno.
 * Anything else would be a bug of ours, and is a denial.
 */
static __always_inline long verdict(int err)
{
	long ret = err;

	/* Else the compiler would compare, and so bound, the lower half. */
	barrier_var(ret);
	return ret > 0 || ret < -MAX_ERRNO ? -EACCES : ret;
}

/* Programs, scripts, and the interpreters of both. */
SEC("lsm.s/bprm_check_security")
long BPF_PROG(dstack_exec, struct linux_binprm *bprm, long ret)
{
	if (ret)
		return ret;
	return verdict(bpf_dstack_vet_exec(bprm));
}

/*
 * Libraries and loaders.  Anonymous memory has no file: 7.x demands the check,
 * 6.12 deletes it and passes NULL on, so the kfunc checks again.
 */
SEC("lsm.s/mmap_file")
long BPF_PROG(dstack_map, struct file *file, unsigned long reqprot,
	      unsigned long prot, unsigned long flags, long ret)
{
	if (ret)
		return ret;
	if (!file)
		return 0;
	return verdict(bpf_dstack_vet_map(file, prot));
}

char LICENSE[] SEC("license") = "GPL";
