// SPDX-License-Identifier: MIT
/*
 * A program of another ABI than the kernel's own: 32-bit, or x32
 *
 * Copyright The dstack for Linux authors
 *
 * Without a C library.  Prints "hello"; with an argument it executes that file
 * instead, by its own ABI's call, and prints "EACCES" or "error" if it fails.
 */
#ifndef __x86_64__	/* which x32 is as well */

#define NR_WRITE	4
#define NR_EXECVE	11
#define NR_EXIT		1

asm(".globl _start\n"
	"_start:\n"
	"	mov %esp, %eax\n"
	"	and $-16, %esp\n"
	"	sub $12, %esp\n"
	"	push %eax\n"
	"	call start\n");

static long call(long nr, long a, long b, long c)
{
	long ret = nr;

	asm volatile("int $0x80"
		     : "+a" (ret)
		     : "b" (a), "c" (b), "d" (c)
		     : "memory", "cc");
	return ret;
}

#else /* x32 */

#define X32_BIT		0x40000000
#define NR_WRITE	(X32_BIT + 1)
#define NR_EXECVE	(X32_BIT + 520)
#define NR_EXIT		(X32_BIT + 60)

asm(".globl _start\n"
	"_start:\n"
	"	mov %esp, %edi\n"
	"	and $-16, %esp\n"
	"	call start\n");

static long call(long nr, long a, long b, long c)
{
	long ret = nr;

	asm volatile("syscall"
		     : "+a" (ret)
		     : "D" (a), "S" (b), "d" (c)
		     : "memory", "cc", "rcx", "r11");
	return ret;
}

#endif

static void say(const char *text, long len)
{
	call(NR_WRITE, 1, (long)text, len);
}

/* What the kernel has put on the stack: argc, argv, NULL. */
void start(long *stack);
void start(long *stack)
{
	char **argv = (char **)(stack + 1);
	long err;

	if (stack[0] < 2) {
		say("hello\n", 6);
	} else {
		err = call(NR_EXECVE, (long)argv[1], (long)(argv + 1), 0);
		if (err == -13)
			say("EACCES\n", 7);
		else
			say("error\n", 6);
	}
	for (;;)
		call(NR_EXIT, 0, 0, 0);
}
