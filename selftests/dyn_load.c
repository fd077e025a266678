// SPDX-License-Identifier: MIT
/*
 * A dynamic program: prints "main", and loads the libraries it is given
 *
 * Copyright The dstack for Linux authors
 *
 * "-" waits for a line on standard input, "+FILE" loads FILE once more, into a
 * namespace of its own.
 */
#include <dlfcn.h>
#include <stdio.h>

static void *load(const char *name)
{
	if (*name == '+')
		return dlmopen(LM_ID_NEWLM, name + 1, RTLD_NOW);
	return dlopen(name, RTLD_NOW);
}

int main(int argc, char **argv)
{
	int i, failed = 0;
	char line[16];

	puts("main");
	for (i = 1; i < argc; i++) {
		fflush(stdout);
		if (argv[i][0] == '-' && !argv[i][1]) {
			if (!fgets(line, sizeof(line), stdin))
				return 2;
			continue;
		}
		if (load(argv[i]))
			continue;
		puts(dlerror());
		failed = 1;
	}
	return failed;
}
