/* SPDX-License-Identifier: MIT */
/*
 * On which machine an instance had its keys last
 *
 * Copyright The dstack for Linux authors
 *
 * A disk that was copied, and started on another machine as well, is the same
 * instance to everybody.  Only whoever gives it keys sees both.
 */
#ifndef KMSD_LEASES_H
#define KMSD_LEASES_H

#include "auth/auth.h"

#define LEASES_MAX	65536		/* instances; the oldest makes room */
#define LEASES_MACHINE	32		/* bytes that tell machines apart */

struct leases;

/* What is known of the one before, if that was another machine. */
struct lease_moved {
	bool moved;
	uint8_t machine[LEASES_MACHINE];
	uint64_t seconds;		/* since it had keys there */
};

/* @seconds: for how long one machine alone has keys; 0: it is only noticed. */
int leases_open(uint64_t seconds, struct leases **leases);
void leases_close(struct leases *leases);
/*
 * @machine has the keys of @boot's instance from now on, unless another has
 * them: -EBUSY.  Who has no instance id shares a disk with all others, and is
 * not looked at.  For many threads.
 */
int leases_take(struct leases *leases, const struct auth_boot *boot,
		const uint8_t machine[LEASES_MACHINE], uint64_t now,
		struct lease_moved *moved);

#endif /* KMSD_LEASES_H */
