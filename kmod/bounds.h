/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Every bound of the module
 *
 * Copyright The dstack for Linux authors
 */
#ifndef _DSTACK_BOUNDS_H
#define _DSTACK_BOUNDS_H

#include <linux/sizes.h>

/* Bytes of records that wait for the daemon; past it, container execs fail. */
#define DSTACK_LOG_PENDING_MAX	SZ_16M

/*
 * Of these, what only the operator's changes may use, and what else only
 * containers of which little waits.
 */
#define DSTACK_LOG_RESERVE	SZ_1M
#define DSTACK_LOG_SPARE	SZ_1M
#define DSTACK_LOG_LITTLE	SZ_8K

/* When so much waits, POLLPRI tells a daemon that gathers not to. */
#define DSTACK_LOG_PENDING_HIGH	SZ_1M

/* Digests that stay when the daemon has stored the events: 3 MiB. */
#define DSTACK_LOG_DIGESTS	65536ULL

/*
 * What a container may record a second, and how much at once when it was quiet
 * before: events of its own; and files that are not approved.
 */
#define DSTACK_QUOTA_RATE	64
#define DSTACK_QUOTA_BURST	16384LL

/* Registered containers. */
#define DSTACK_CONTAINERS_MAX	4096
#define DSTACK_CONTAINERS_BITS	10	/* of the table they are found in */

/* Files that one container remembers as measured (about 100 bytes each). */
#define DSTACK_SEEN_MAX		65536

/* Remembered digests, about 200 bytes each, less when memory is short. */
#define DSTACK_CACHE_MAX	32768
#define DSTACK_CACHE_BITS	13	/* of the table they are found in */

/* Bytes of a file that are hashed between two looks at signals. */
#define DSTACK_HASH_CHUNK	SZ_16K

/* A register that is busy is asked again this often, 50 us to 100 us apart. */
#define DSTACK_BUSY_RETRIES	2000

/* The VMM has this long to answer a quote request. */
#define DSTACK_QUOTE_TIMEOUT_MS	30000
#define DSTACK_QUOTE_POLL_MS	5

/* How often, and how far apart, what runs is compared with a former policy. */
#define DSTACK_LOOKS_MIN	3
#define DSTACK_LOOKS_MAX	20
#define DSTACK_LOOK_MS		50

/* A process that changes its mappings is asked again so often in one look. */
#define DSTACK_MMAP_TRIES	20

/* Tables of former policies that wait for it; past it, loading one waits. */
#define DSTACK_FORMERS_MAX	SZ_64M

/* Dropped files of one container that are recorded, one event each. */
#define DSTACK_DROPPED_MAX	8

/* Walks over all processes until each of a container has its signal. */
#define DSTACK_SIGNAL_WALKS	200

/* Block devices that count as dm-verity or authenticated. */
#define DSTACK_DEVICES_MAX	256

/* Root keys, of all applications and key epochs. */
#define DSTACK_ROOTS_MAX	64

/* Keys in keyrings: of all containers, and of one. */
#define DSTACK_GRANTS_MAX	65536
#define DSTACK_GRANTS_EACH	256

/* One netlink message of policy table. */
#define DSTACK_CHUNK_MAX	SZ_32K

#endif /* _DSTACK_BOUNDS_H */
