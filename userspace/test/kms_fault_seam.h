/* SPDX-License-Identifier: MIT */
/*
 * System calls that write, of which one fails or ends the program
 *
 * Copyright The dstack for Linux authors
 *
 * For one file of a program: it defines them.
 */
#ifndef KMS_FAULT_SEAM_H
#define KMS_FAULT_SEAM_H

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum fault {
	NONE,
	FAILS,			/* with ENOSPC, and does nothing */
	HALF,			/* a write: a part of it, then as above */
	DIES_BEFORE, DIES_AFTER,
};

static enum fault fault;
static int countdown = -1;		/* calls until the fault; -1: off */
static int calls;

/* True if this call is the one. */
static bool is_due(void)
{
	calls++;
	if (countdown < 0 || countdown--)
		return false;
	if (fault == DIES_BEFORE)
		_exit(99);
	return true;
}

static bool fails(bool due)
{
	if (!due || (fault != FAILS && fault != HALF))
		return false;
	errno = ENOSPC;
	return true;
}

static long done(bool due, long result)
{
	if (due && fault == DIES_AFTER)
		_exit(99);
	return result;
}

ssize_t write(int fd, const void *data, size_t len)
{
	bool due = is_due();

	if (due && fault == HALF) {
		countdown = 0;
		fault = FAILS;
		return syscall(SYS_write, fd, data, len / 2);
	}
	return fails(due) ? -1 :
		done(due, syscall(SYS_write, fd, data, len));
}

int fsync(int fd)
{
	bool due = is_due();

	return fails(due) ? -1 : done(due, syscall(SYS_fsync, fd));
}

int fchmod(int fd, mode_t mode)
{
	bool due = is_due();

	return fails(due) ? -1 : done(due, syscall(SYS_fchmod, fd, mode));
}

int renameat(int from, const char *old, int to, const char *new)
{
	bool due = is_due();

	return fails(due) ? -1 :
		done(due, syscall(SYS_renameat, from, old, to, new));
}

int unlinkat(int dir, const char *name, int flags)
{
	bool due = is_due();

	return fails(due) ? -1 :
		done(due, syscall(SYS_unlinkat, dir, name, flags));
}

int openat(int dir, const char *name, int flags, ...)
{
	bool due = is_due();
	va_list args;
	mode_t mode;

	va_start(args, flags);
	mode = va_arg(args, mode_t);
	va_end(args);
	return fails(due) ? -1 :
		done(due, syscall(SYS_openat, dir, name, flags, mode));
}

static void arm(enum fault what, int when)
{
	fault = what;
	countdown = when;
	calls = 0;
}

#endif /* KMS_FAULT_SEAM_H */
