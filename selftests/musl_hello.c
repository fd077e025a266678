// SPDX-License-Identifier: MIT
/*
 * prog_hello, but dynamic and with the other C library
 *
 * Copyright The dstack for Linux authors
 */
#include <stdio.h>

int main(void)
{
	puts("hello");
	return 0;
}
