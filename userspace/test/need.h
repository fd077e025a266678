/* SPDX-License-Identifier: MIT */
/*
 * What can't go wrong in tests
 *
 * Copyright The dstack for Linux authors
 */
#ifndef NEED_H
#define NEED_H

#include <stdio.h>
#include <stdlib.h>

/* Ends the program, if it does. */
#define stand_in_need(what) \
	do { \
		if (!(what)) { \
			fprintf(stderr, "stand-in: %s:%d: %s\n", __FILE__, \
				__LINE__, #what); \
			abort(); \
		} \
	} while (0)

#endif /* NEED_H */
