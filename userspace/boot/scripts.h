/* SPDX-License-Identifier: MIT */
/*
 * One script of the application
 *
 * Copyright The dstack for Linux authors
 */
#ifndef BOOT_SCRIPTS_H
#define BOOT_SCRIPTS_H

#include "boot.h"

#define SCRIPT_S	300	/* at most, each */

struct script {
	char *file, *dir;	/* where it is, and where it begins */
	unsigned int seconds;	/* then all of it is killed */
	size_t nr;		/* in what it says */
};

/* script.c */

/* How bash ended; -errno: it did not begin, or -ETIMEDOUT. */
int script_run(const struct script *script);

#endif /* BOOT_SCRIPTS_H */
