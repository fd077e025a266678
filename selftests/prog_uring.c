// SPDX-License-Identifier: MIT
/*
 * Opens, writes and truncates files through io_uring
 *
 * Copyright The dstack for Linux authors
 *
 *	prog_uring write FILE TEXT	over its first bytes
 *	prog_uring truncate FILE	to nothing
 *	prog_uring hold FILE		open it until standard input ends
 *
 * Prints "worked", or the name of the errno.
 */
#include <linux/io_uring.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "prog.h"

static struct {
	int fd;
	char *rings;
	struct io_uring_sqe *entries;
	struct io_uring_params params;
} ring;

static int set_up(void)
{
	size_t size;

	ring.fd = syscall(SYS_io_uring_setup, 1, &ring.params);
	if (ring.fd < 0)
		return -1;
	size = ring.params.cq_off.cqes +
	       ring.params.cq_entries * sizeof(struct io_uring_cqe);
	ring.rings = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED,
			  ring.fd, IORING_OFF_SQ_RING);
	ring.entries = mmap(NULL, sizeof(*ring.entries), PROT_READ | PROT_WRITE,
			    MAP_SHARED, ring.fd, IORING_OFF_SQES);
	return ring.rings == MAP_FAILED || ring.entries == MAP_FAILED ? -1 : 0;
}

static uint32_t *word(uint32_t offset)
{
	return (uint32_t *)(ring.rings + offset);
}

/* One at a time: the kernel has taken it when this returns. */
static int submit(const struct io_uring_sqe *entry)
{
	const struct io_uring_cqe *done =
		(void *)(ring.rings + ring.params.cq_off.cqes);
	uint32_t *tail = word(ring.params.sq_off.tail);
	uint32_t *head = word(ring.params.cq_off.head);
	uint32_t mask = *word(ring.params.cq_off.ring_mask);
	int result;

	ring.entries[0] = *entry;
	word(ring.params.sq_off.array)[0] = 0;
	__atomic_store_n(tail, *tail + 1, __ATOMIC_RELEASE);
	if (syscall(SYS_io_uring_enter, ring.fd, 1, 1, IORING_ENTER_GETEVENTS,
		    NULL, 0) != 1)
		return -1;
	result = done[*head & mask].res;
	__atomic_store_n(head, *head + 1, __ATOMIC_RELEASE);
	if (result >= 0)
		return result;
	errno = -result;
	return -1;
}

static int open_file(const char *file)
{
	const struct io_uring_sqe entry = {
		.opcode = IORING_OP_OPENAT, .fd = AT_FDCWD,
		.addr = (uintptr_t)file, .open_flags = O_WRONLY,
	};

	return submit(&entry);
}

static int write_file(const char *file, const char *text)
{
	const struct io_uring_sqe entry = {
		.opcode = IORING_OP_WRITE, .fd = open_file(file),
		.addr = (uintptr_t)text, .len = strlen(text),
	};

	return entry.fd < 0 ? -1 : submit(&entry);
}

static int truncate_file(const char *file)
{
	const struct io_uring_sqe entry = {
		.opcode = IORING_OP_OPENAT, .fd = AT_FDCWD,
		.addr = (uintptr_t)file, .open_flags = O_WRONLY | O_TRUNC,
	};

	return submit(&entry);
}

static int hold_file(const char *file)
{
	char byte;
	int fd = open_file(file);

	if (fd < 0)
		return -1;
	puts("worked");
	fflush(stdout);
	while (read(STDIN_FILENO, &byte, 1) > 0)
		;
	_exit(0);
}

int main(int argc, char **argv)
{
	int err = -1;

	if (argc < 3 || set_up())
		err = -1;
	else if (!strcmp(argv[1], "write") && argc == 4)
		err = write_file(argv[2], argv[3]);
	else if (!strcmp(argv[1], "truncate"))
		err = truncate_file(argv[2]);
	else if (!strcmp(argv[1], "hold"))
		err = hold_file(argv[2]);
	puts(err < 0 ? errno_name() : "worked");
	return 0;
}
