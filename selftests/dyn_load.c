// SPDX-License-Identifier: MIT
/*
 * A dynamic program: prints "main", and loads the libraries it is given
 *
 * Copyright The dstack for Linux authors
 */
#include <dlfcn.h>
#include <stdio.h>

int main(int argc, char **argv)
{
	int i, failed = 0;

	puts("main");
	fflush(stdout);
	for (i = 1; i < argc; i++) {
		if (dlopen(argv[i], RTLD_NOW))
			continue;
		puts(dlerror());
		failed = 1;
	}
	return failed;
}
