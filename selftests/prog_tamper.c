// SPDX-License-Identifier: MIT
/*
 * Tries one thing that a container, or in state locked nobody, may do
 *
 * Copyright The dstack for Linux authors
 *
 * Prints "worked", or the name of the errno.  "prog_tamper victim" prints its
 * pid and waits to be the object of the others.
 */
#include <linux/bpf.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "prog.h"

/* At the same place in each process of this static program. */
static char target[] = "good";

static long victim(const char *arg)
{
	(void)arg;
	printf("%d\n", getpid());
	fflush(stdout);
	return pause();
}

static long traceme(const char *arg)
{
	(void)arg;
	return ptrace(PTRACE_TRACEME, 0, NULL, NULL);
}

static long attach(const char *pid)
{
	return ptrace(PTRACE_ATTACH, atoi(pid), NULL, NULL);
}

static long seize(const char *pid)
{
	return ptrace(PTRACE_SEIZE, atoi(pid), NULL, NULL);
}

static long vm_write(const char *pid)
{
	char text[] = "evil";
	struct iovec from = { text, sizeof(text) };
	struct iovec to = { target, sizeof(target) };

	return process_vm_writev(atoi(pid), &from, 1, &to, 1, 0);
}

static long take_fd(const char *pid)
{
	int pidfd = syscall(SYS_pidfd_open, atoi(pid), 0);

	return pidfd < 0 ? -1 : syscall(SYS_pidfd_getfd, pidfd, 1, 0);
}

static long write_memory(const char *pid)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/%s/mem", pid);
	fd = open(path, O_RDWR);
	if (fd < 0)
		return -1;
	return pwrite(fd, "evil", 4, (off_t)(unsigned long)target);
}

static long read_memory(const char *pid)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%s/mem", pid);
	return open(path, O_RDONLY);
}

/* Everything of the old program must be gone first: EBUSY says we got there. */
static long become(const char *file)
{
	int fd = open(file, O_RDONLY);
	long err = prctl(PR_SET_MM, PR_SET_MM_EXE_FILE, fd, 0, 0);

	return err && errno == EBUSY ? 0 : err;
}

static long load_file(const char *file)
{
	return syscall(SYS_finit_module, open(file, O_RDONLY), "", 0);
}

static long load_memory(const char *file)
{
	static char image[1 << 20];
	int fd = open(file, O_RDONLY);
	ssize_t len = read(fd, image, sizeof(image));

	return len < 0 ? -1 : syscall(SYS_init_module, image, len, "");
}

static long unload(const char *name)
{
	return syscall(SYS_delete_module, name, O_NONBLOCK);
}

static long unload_by_force(const char *name)
{
	return syscall(SYS_delete_module, name, O_NONBLOCK | O_TRUNC);
}

/* No segment: takes away the kernel that was loaded before. */
static long kexec(const char *arg)
{
	(void)arg;
	return syscall(SYS_kexec_load, 0, 0, NULL, 0);
}

static long kexec_file(const char *file)
{
	int fd = open(file, O_RDONLY);

	return syscall(SYS_kexec_file_load, fd, -1, 1, "", 4 /* no initrd */);
}

static long bpf(int cmd, union bpf_attr *attr)
{
	return syscall(SYS_bpf, cmd, attr, sizeof(*attr));
}

static long load_prog(enum bpf_prog_type type)
{
	static const struct bpf_insn code[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	union bpf_attr attr;

	memset(&attr, 0, sizeof(attr));
	attr.prog_type = type;
	attr.insns = (unsigned long)code;
	attr.insn_cnt = 2;
	attr.license = (unsigned long)"GPL";
	return bpf(BPF_PROG_LOAD, &attr);
}

static long load_tracing(const char *arg)
{
	(void)arg;
	return load_prog(BPF_PROG_TYPE_KPROBE);
}

static long load_device(const char *arg)
{
	(void)arg;
	return load_prog(BPF_PROG_TYPE_CGROUP_DEVICE);
}

/* Of all programs there are the first: one of the module's. */
static long take_prog(const char *arg)
{
	union bpf_attr attr;

	(void)arg;
	memset(&attr, 0, sizeof(attr));
	if (bpf(BPF_PROG_GET_NEXT_ID, &attr))
		return -1;
	attr.prog_id = attr.next_id;
	attr.next_id = 0;
	return bpf(BPF_PROG_GET_FD_BY_ID, &attr);
}

static long take_link(const char *arg)
{
	union bpf_attr attr;

	(void)arg;
	memset(&attr, 0, sizeof(attr));
	if (bpf(BPF_LINK_GET_NEXT_ID, &attr))
		return -1;
	attr.link_id = attr.next_id;
	attr.next_id = 0;
	return bpf(BPF_LINK_GET_FD_BY_ID, &attr);
}

static const struct {
	const char *name;
	long (*fn)(const char *arg);
} attempts[] = {
	{ "victim", victim },
	{ "traceme", traceme },
	{ "attach", attach },
	{ "seize", seize },
	{ "vm-write", vm_write },
	{ "take-fd", take_fd },
	{ "write-memory", write_memory },
	{ "read-memory", read_memory },
	{ "become", become },
	{ "load-file", load_file },
	{ "load-memory", load_memory },
	{ "unload", unload },
	{ "unload-by-force", unload_by_force },
	{ "kexec", kexec },
	{ "kexec-file", kexec_file },
	{ "load-tracing", load_tracing },
	{ "load-device", load_device },
	{ "take-prog", take_prog },
	{ "take-link", take_link },
};

int main(int argc, char **argv)
{
	size_t i;

	for (i = 0; i < sizeof(attempts) / sizeof(attempts[0]); i++) {
		if (argc < 2 || strcmp(argv[1], attempts[i].name) != 0)
			continue;
		if (attempts[i].fn(argc > 2 ? argv[2] : "") < 0)
			puts(errno_name());
		else
			puts("worked");
		return 0;
	}
	return 2;
}
