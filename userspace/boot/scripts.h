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

/* script_say.c */

/* What it says, line by line, and not more than a log can take. */
struct script_output {
	size_t nr;		/* of the script */
	size_t len;
	char line[256];
	bool cut;		/* the rest of this line is left out */
	size_t room;		/* lines that may follow */
	size_t left_out;	/* lines */
	int64_t since;		/* microseconds */
};

void script_output_start(struct script_output *out, size_t nr, int64_t now);
void script_output_add(struct script_output *out, const char *data, size_t len,
		       int64_t now);
void script_output_end(struct script_output *out);

#endif /* BOOT_SCRIPTS_H */
