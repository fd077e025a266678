/* SPDX-License-Identifier: MIT */
/*
 * What a role of dstackd is told: by a file, and by its command line
 *
 * Copyright The dstack for Linux authors
 *
 * Both know the same options by the same names, and each option is read in one
 * place.  The command line comes last, and wins.
 */
#ifndef DSTACKD_OPTIONS_H
#define DSTACKD_OPTIONS_H

#include "dstackd.h"

#define DSTACKD_CONFIG	"/etc/dstack/dstackd.json"
#define EXIT_USAGE	2

enum option_kind {
	OPTION_TEXT = 1,
	OPTION_NUMBER,
	OPTION_LIST,		/* may be given many times */
	OPTION_START,		/* without a value, and not in a file */
};

struct option_spec {
	const char *name;	/* NULL: no more */
	int key;		/* a letter */
	enum option_kind kind;
};

struct option_role {
	const char *name;	/* of its object in the file */
	const struct option_spec *specs;
	void (*usage)(FILE *out);
	/* Keeps @text, or says what is wrong with it. */
	bool (*set)(void *options, int key, const char *text);
};

/* What texts of a file are in. */
struct option_file;

/*
 * Returns -1 to go on, or the exit status.  With -1, @file is what texts that
 * set() kept may be in, for options_free(), or NULL.
 */
int options_read(const struct option_role *role, int argc, char **argv,
		 void *options, struct option_file **file);
void options_free(struct option_file *file);

#endif /* DSTACKD_OPTIONS_H */
