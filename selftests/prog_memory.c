// SPDX-License-Identifier: MIT
/*
 * Ways to execute what was never a file
 *
 * Copyright The dstack for Linux authors
 *
 * Usage: prog_memory [-w] FILE WAY...
 *
 * For each way prints its name and "ran", if code that this program wrote was
 * executed, "mapped", if the code of FILE became executable by other means than
 * mapping it so, or the name of the errno.  With -w, a line is read from
 * standard input before each way but the first.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "prog.h"

#define PAGE	4096
#define RW	(PROT_READ | PROT_WRITE)
#define RX	(PROT_READ | PROT_EXEC)
#define RWX	(RW | PROT_EXEC)
#define ANON	(MAP_PRIVATE | MAP_ANONYMOUS)
#ifndef SHM_EXEC
#define SHM_EXEC 0100000
#endif

/* mov $42, %eax; ret */
static const unsigned char code[] = { 0xb8, 42, 0, 0, 0, 0xc3 };
static const char *file;

/* What a way leaves: executable memory, or NULL. */
static void *fill(void *at)
{
	return at == MAP_FAILED ? NULL : memcpy(at, code, sizeof(code));
}

static void *make(void *at, int prot)
{
	return at && !mprotect(at, PAGE, prot) ? at : NULL;
}

static void *map(int prot, int flags)
{
	void *at = mmap(NULL, PAGE, prot, flags, -1, 0);

	return at == MAP_FAILED ? NULL : at;
}

static void *map_file(int prot, int flags)
{
	int fd = open(file, O_RDONLY);
	void *at;

	if (fd < 0)
		return NULL;
	at = mmap(NULL, PAGE, prot, flags, fd, 0);
	close(fd);
	return at == MAP_FAILED ? NULL : at;
}

static void *fill_if(void *at)
{
	return at ? fill(at) : NULL;
}

static void *written(void)
{
	return fill_if(map(RWX, ANON));
}

static void *written_first(void)
{
	return make(fill_if(map(RW, ANON)), RX);
}

static void *written_and_open(void)
{
	return make(fill_if(map(RW, ANON)), RWX);
}

static void *shared(void)
{
	return fill_if(map(RWX, MAP_SHARED | MAP_ANONYMOUS));
}

static void *shared_first(void)
{
	return make(fill_if(map(RW, MAP_SHARED | MAP_ANONYMOUS)), RX);
}

static void *moved(void)
{
	void *at = fill_if(map(RW, ANON)), *to = map(PROT_NONE, ANON);

	if (!at || !to)
		return NULL;
	at = mremap(at, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, to);
	return at == MAP_FAILED ? NULL : make(at, RX);
}

/* Not by sbrk(), of which musl has none. */
static void *grow_heap(void)
{
	uintptr_t at = syscall(SYS_brk, 0);

	at += PAGE - at % PAGE;
	if ((uintptr_t)syscall(SYS_brk, at + PAGE) != at + PAGE)
		return NULL;
	return fill((void *)at);
}

static void *heap(void)
{
	return make(grow_heap(), RX);
}

static void *implied_heap(void)
{
	return personality(READ_IMPLIES_EXEC) < 0 ? NULL : grow_heap();
}

static void *stack(void)
{
	uintptr_t here = (uintptr_t)__builtin_frame_address(0);

	/* Far below what this program uses; the stack grows to there. */
	return make(fill((void *)(here - here % PAGE - 16 * PAGE)), RWX);
}

static void *keyed(void)
{
	void *at = fill_if(map(RW, ANON));

	/* Key -1 is none: what mprotect() does, by another call. */
	if (!at || syscall(SYS_pkey_mprotect, at, PAGE, RX, -1))
		return NULL;
	return at;
}

static void *implied(void)
{
	if (personality(READ_IMPLIES_EXEC) < 0)
		return NULL;
	return fill_if(map(RW, ANON));
}

static void *implied_later(void)
{
	void *at = fill_if(map(PROT_WRITE, ANON));

	if (personality(READ_IMPLIES_EXEC) < 0)
		return NULL;
	return make(at, PROT_READ);
}

static void *inherited(void)
{
	void *at = fill_if(map(RW, ANON));
	int status;
	pid_t pid;

	pid = fork();
	if (pid < 0)
		return NULL;
	if (!pid)
		_exit(make(at, RX) ? 0 : errno);
	if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		return NULL;
	errno = WEXITSTATUS(status);
	return errno ? NULL : make(at, RX);
}

static void *segment(void)
{
	int id = shmget(IPC_PRIVATE, PAGE, IPC_CREAT | 0700);
	void *at;

	if (id < 0)
		return NULL;
	at = shmat(id, NULL, SHM_EXEC);
	shmctl(id, IPC_RMID, NULL);
	return at == (void *)-1 ? NULL : fill(at);
}

static void *segment_later(void)
{
	int id = shmget(IPC_PRIVATE, PAGE, IPC_CREAT | 0700);
	void *at;

	if (id < 0)
		return NULL;
	at = shmat(id, NULL, 0);
	shmctl(id, IPC_RMID, NULL);
	return at == (void *)-1 ? NULL : make(fill(at), RX);
}

static void *writable_file(void)
{
	return fill_if(map_file(RWX, MAP_PRIVATE));
}

static void *patched(void)
{
	return make(fill_if(map_file(RW, MAP_PRIVATE)), RX);
}

static void *patched_back(void)
{
	return make(fill_if(make(map_file(RX, MAP_PRIVATE), RW)), RX);
}

static void *made_writable(void)
{
	return fill_if(make(map_file(RX, MAP_PRIVATE), RWX));
}

/*
 * Only read and executed, of an approved file on a tmpfs, which FILE is.  Its
 * first page is filled before the kernel does it.
 */
static void *filled(void)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = { .mode = UFFDIO_REGISTER_MODE_MISSING };
	struct uffdio_copy copy = { .len = PAGE };
	int fd = syscall(SYS_userfaultfd, O_CLOEXEC | UFFD_USER_MODE_ONLY);
	void *at = map_file(RX, MAP_PRIVATE), *from = fill_if(map(RW, ANON));

	if (fd < 0 || !at || !from)
		return NULL;
	copy.dst = (uintptr_t)at;
	reg.range.start = copy.dst;
	reg.range.len = PAGE;
	copy.src = (uintptr_t)from;
	if (ioctl(fd, UFFDIO_API, &api) || ioctl(fd, UFFDIO_REGISTER, &reg) ||
	    ioctl(fd, UFFDIO_COPY, &copy))
		return NULL;
	return at;
}

/* Is of a file, and still has its content. */
static void *memfd(void)
{
	int fd = memfd_create("code", 0);
	void *at;

	if (fd < 0 || write(fd, code, sizeof(code)) != sizeof(code))
		return NULL;
	at = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0);
	close(fd);
	return at == MAP_FAILED ? NULL : make(at, RX);
}

static void *file_later(void)
{
	return make(map_file(PROT_READ, MAP_PRIVATE), RX);
}

static void *file_later_shared(void)
{
	return make(map_file(PROT_READ, MAP_SHARED), RX);
}

static void *file_once_writable(void)
{
	return make(map_file(RW, MAP_PRIVATE), RX);
}

static void *file_there_and_back(void)
{
	return make(make(map_file(RX, MAP_PRIVATE), PROT_READ), RX);
}

static void *file_written_elsewhere(void)
{
	void *at = map_file(PROT_READ, MAP_PRIVATE);
	int fd = open(file, O_RDWR);

	if (fd < 0)
		return NULL;
	at = make(at, RX);
	close(fd);
	return at;
}

static const struct way {
	const char *name;
	void *(*make)(void);
	int is_file;		/* what is executable is the file's, not ours */
} ways[] = {
	{ "written", written, 0 },
	{ "written_first", written_first, 0 },
	{ "written_and_open", written_and_open, 0 },
	{ "shared", shared, 0 },
	{ "shared_first", shared_first, 0 },
	{ "moved", moved, 0 },
	{ "heap", heap, 0 },
	{ "stack", stack, 0 },
	{ "keyed", keyed, 0 },
	{ "inherited", inherited, 0 },
	{ "segment", segment, 0 },
	{ "segment_later", segment_later, 0 },
	{ "writable_file", writable_file, 0 },
	{ "patched", patched, 0 },
	{ "patched_back", patched_back, 0 },
	{ "made_writable", made_writable, 0 },
	{ "implied", implied, 0 },
	{ "implied_later", implied_later, 0 },
	{ "filled", filled, 0 },
	{ "implied_heap", implied_heap, 0 },
	{ "memfd", memfd, 0 },
	{ "file_later", file_later, 1 },
	{ "file_later_shared", file_later_shared, 1 },
	{ "file_once_writable", file_once_writable, 1 },
	{ "file_there_and_back", file_there_and_back, 1 },
	{ "file_written_elsewhere", file_written_elsewhere, 1 },
};

static const char *run(const struct way *way)
{
	void *at = way->make();

	if (!at)
		return errno_name();
	if (way->is_file)
		return "mapped";
	return ((int (*)(void))at)() == 42 ? "ran" : "strange";
}

/* In a child: personality and mappings are those of one way only. */
static int try(const struct way *way)
{
	pid_t pid;
	int status;

	pid = fork();
	if (pid < 0)
		return 1;
	if (!pid) {
		printf("%s %s\n", way->name, run(way));
		exit(0);
	}
	if (waitpid(pid, &status, 0) != pid)
		return 1;
	if (WIFSIGNALED(status))
		printf("%s signal %d\n", way->name, WTERMSIG(status));
	fflush(stdout);
	return 0;
}

static int try_named(const char *name)
{
	size_t i;
	int found = 0;

	for (i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		if (strcmp(name, "all") && strcmp(name, ways[i].name))
			continue;
		found = 1;
		if (try(&ways[i]))
			return 1;
	}
	return !found;
}

int main(int argc, char **argv)
{
	int wait = argc > 1 && !strcmp(argv[1], "-w");
	char line[64];
	int i;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc < 3 + wait)
		return 2;
	file = argv[1 + wait];
	for (i = 2 + wait; i < argc; i++) {
		if (wait && i > 3 && !fgets(line, sizeof(line), stdin))
			return 1;
		if (try_named(argv[i]))
			return 2;
	}
	return 0;
}
