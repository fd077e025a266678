/* SPDX-License-Identifier: MIT */
/*
 * From the events of a log to the rules of a policy
 *
 * Copyright The dstack for Linux authors
 */
#ifndef DSTACKCTL_LEARN_H
#define DSTACKCTL_LEARN_H

#include <libdstack.h>
#include <stdbool.h>
#include <stddef.h>

struct learnt {
	size_t files;		/* events that made or named a rule */
	size_t containers;	/* that were registered */
	size_t unknown;		/* events of files without a digest */
	size_t memory;		/* events of memory that is no file's */
};

/*
 * Adds to @policy, which is empty, what @base says (or NULL), and a rule for
 * each file that ran in a container within the first @count events, which were
 * replayed.  @replace: @base's rules of sections that were seen are left out.
 * Returns 0 or -errno, after a message.
 */
int learn(const struct libdstack_log *log, size_t count,
	  const struct libdstack_policy *base, bool replace,
	  struct libdstack_policy *policy, struct learnt *learnt);

#endif /* DSTACKCTL_LEARN_H */
