// SPDX-License-Identifier: MIT
/*
 * A program whose only purpose is to run: prints "hello" and its arguments
 *
 * Copyright The dstack for Linux authors
 *
 * Static, so that one digest is all it takes.  Bytes appended to it change the
 * digest and nothing else: that is how tests make unapproved programs.
 */
#include <stdio.h>

int main(int argc, char **argv)
{
	int i;

	printf("hello");
	for (i = 1; i < argc; i++)
		printf(" %s", argv[i]);
	putchar('\n');
	return 0;
}
