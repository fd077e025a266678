/* SPDX-License-Identifier: MIT */
/*
 * What a table of device-mapper vouches for
 *
 * Copyright The dstack for Linux authors
 */
#ifndef DSTACK_LIB_MAPPER_H
#define DSTACK_LIB_MAPPER_H

#include <libdstack.h>

/*
 * Sets storage and root of @device from its only target.  -EBADMSG, after a
 * message, if that does not check every read against a root hash or a key.
 * @params is written to: it may hold a key, and is wiped.
 */
int dstack_mapper_judge(const char *type, char *params,
			struct libdstack_device *device);

#endif /* DSTACK_LIB_MAPPER_H */
