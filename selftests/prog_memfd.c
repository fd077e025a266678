// SPDX-License-Identifier: MIT
/*
 * Runs or maps a copy of a file that has no name: a memfd, or shared memory
 *
 * Copyright The dstack for Linux authors
 *
 * What comes of it is the copy's own output, "mapped", or the name of an errno.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "prog.h"

#ifndef MFD_EXEC
#define MFD_EXEC 0x0010U
#endif
#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010
#endif
#ifndef F_SEAL_EXEC
#define F_SEAL_EXEC 0x0020
#endif

enum how { BY_FD, BY_PROC, MAP, SHM };

static const struct {
	char letter;
	int seal;
} seals[] = {
	{ 'w', F_SEAL_WRITE }, { 's', F_SEAL_SHRINK }, { 'g', F_SEAL_GROW },
	{ 'f', F_SEAL_FUTURE_WRITE }, { 'x', F_SEAL_EXEC },
};

static void *content;
static size_t size;

static int usage(void)
{
	fputs("Usage: prog_memfd [-c CGROUP] [-xk] [-s SEALS] [-p|-m|-i] FILE\n\n"
	      "  -c CGROUP  move to this cgroup directory first\n"
	      "  -x         create it with MFD_EXEC\n"
	      "  -k         keep a shared mapping that writes it\n"
	      "  -s SEALS   of w(rite), s(hrink), g(row), f(uture write), x (exec)\n"
	      "  -p         run it by /proc/self/fd/N, not by its descriptor\n"
	      "  -m         map it executable\n"
	      "  -i         the same, with a segment of shmget()\n", stderr);
	return 2;
}

static int fail(void)
{
	puts(errno_name());
	return 126;
}

static int load(const char *file)
{
	int fd = open(file, O_RDONLY | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st))
		return -1;
	size = st.st_size;
	content = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
	close(fd);
	return content == MAP_FAILED ? -1 : 0;
}

static int seals_of(const char *letters)
{
	int all = 0;
	size_t i;

	for (i = 0; i < sizeof(seals) / sizeof(seals[0]); i++)
		if (strchr(letters, seals[i].letter))
			all |= seals[i].seal;
	return all;
}

static int make_memfd(unsigned int flags, int keep, const char *letters)
{
	int fd = memfd_create("copy", MFD_ALLOW_SEALING | flags);

	if (fd < 0 || write(fd, content, size) != (ssize_t)size)
		return -1;
	if (keep && mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
			 0) == MAP_FAILED)
		return -1;
	if (*letters && fcntl(fd, F_ADD_SEALS, seals_of(letters)))
		return -1;
	return fd;
}

static int map(int fd)
{
	if (mmap(NULL, size, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0) ==
	    MAP_FAILED)
		return fail();
	puts("mapped");
	return 0;
}

static int attach(void)
{
	int id = shmget(IPC_PRIVATE, size, IPC_CREAT | 0700);
	void *at = id < 0 ? (void *)-1 : shmat(id, NULL, 0);

	if (at != (void *)-1) {
		memcpy(at, content, size);
		shmdt(at);
		at = shmat(id, NULL, SHM_EXEC | SHM_RDONLY);
	}
	if (at == (void *)-1)
		fail();
	else
		puts("mapped");
	shmctl(id, IPC_RMID, NULL);
	return 0;
}

static int run(int fd, enum how how, char **argv)
{
	char path[32];

	if (how == MAP)
		return map(fd);
	if (how == BY_PROC) {
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		execv(path, argv);
	} else {
		syscall(SYS_execveat, fd, "", argv, environ, AT_EMPTY_PATH);
	}
	return fail();
}

int main(int argc, char **argv)
{
	const char *cgroup = NULL, *letters = "";
	unsigned int flags = 0;
	enum how how = BY_FD;
	int c, fd, keep = 0;

	while ((c = getopt(argc, argv, "+c:xks:pmi")) != -1) {
		switch (c) {
		case 'c':
			cgroup = optarg;
			break;
		case 'x':
			flags = MFD_EXEC;
			break;
		case 'k':
			keep = 1;
			break;
		case 's':
			letters = optarg;
			break;
		case 'p':
			how = BY_PROC;
			break;
		case 'm':
			how = MAP;
			break;
		case 'i':
			how = SHM;
			break;
		default:
			return usage();
		}
	}
	if (argc != optind + 1)
		return usage();
	if ((cgroup && enter_cgroup(cgroup)) || load(argv[optind])) {
		perror("prog_memfd");
		return 1;
	}
	if (how == SHM)
		return attach();
	fd = make_memfd(flags, keep, letters);
	return fd < 0 ? fail() : run(fd, how, argv + optind);
}
