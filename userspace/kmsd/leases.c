// SPDX-License-Identifier: MIT
/*
 * On which machine an instance had its keys last
 *
 * Copyright The dstack for Linux authors
 */
#include "leases.h"

#include <errno.h>
#include <openssl/sha.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#define BUCKETS		4096

struct lease {
	TAILQ_ENTRY(lease) link;
	LIST_ENTRY(lease) same;		/* of a bucket */
	uint8_t instance[SHA256_DIGEST_LENGTH];
	uint8_t machine[LEASES_MACHINE];
	uint64_t time;
};

TAILQ_HEAD(lease_list, lease);
LIST_HEAD(lease_bucket, lease);

struct leases {
	pthread_mutex_t lock;		/* of all that follows */
	uint64_t seconds;
	size_t nr;
	struct lease_list all;		/* the oldest is first */
	struct lease_bucket buckets[BUCKETS];
};

int leases_open(uint64_t seconds, struct leases **out)
{
	struct leases *leases = calloc(1, sizeof(*leases));

	if (!leases)
		return -ENOMEM;
	pthread_mutex_init(&leases->lock, NULL);
	TAILQ_INIT(&leases->all);
	leases->seconds = seconds;
	*out = leases;
	return 0;
}

static void forget(struct leases *leases, struct lease *lease)
{
	TAILQ_REMOVE(&leases->all, lease, link);
	LIST_REMOVE(lease, same);
	leases->nr--;
	free(lease);
}

void leases_close(struct leases *leases)
{
	struct lease *lease, *next;

	if (!leases)
		return;
	for (lease = TAILQ_FIRST(&leases->all); lease; lease = next) {
		next = TAILQ_NEXT(lease, link);
		free(lease);
	}
	pthread_mutex_destroy(&leases->lock);
	free(leases);
}

static void name_of(const struct auth_boot *boot,
		    uint8_t instance[SHA256_DIGEST_LENGTH])
{
	uint8_t ids[2 * DSTACK_APP_ID_SIZE];

	memcpy(ids, boot->app_id, DSTACK_APP_ID_SIZE);
	memcpy(ids + DSTACK_APP_ID_SIZE, boot->instance_id.data,
	       DSTACK_APP_ID_SIZE);
	SHA256(ids, sizeof(ids), instance);
}

static size_t bucket_of(const uint8_t instance[SHA256_DIGEST_LENGTH])
{
	return (size_t)(instance[0] << 8 | instance[1]) % BUCKETS;
}

static struct lease *find(struct leases *leases,
			  const uint8_t instance[SHA256_DIGEST_LENGTH])
{
	struct lease *lease;

	LIST_FOREACH(lease, &leases->buckets[bucket_of(instance)], same)
		if (!memcmp(lease->instance, instance, SHA256_DIGEST_LENGTH))
			return lease;
	return NULL;
}

static struct lease *add(struct leases *leases,
			 const uint8_t instance[SHA256_DIGEST_LENGTH])
{
	struct lease *lease = calloc(1, sizeof(*lease));

	if (!lease)
		return NULL;
	if (leases->nr == LEASES_MAX)
		forget(leases, TAILQ_FIRST(&leases->all));
	memcpy(lease->instance, instance, SHA256_DIGEST_LENGTH);
	TAILQ_INSERT_TAIL(&leases->all, lease, link);
	LIST_INSERT_HEAD(&leases->buckets[bucket_of(instance)], lease, same);
	leases->nr++;
	return lease;
}

static void compare(const struct lease *lease,
		    const uint8_t machine[LEASES_MACHINE], uint64_t now,
		    struct lease_moved *moved)
{
	moved->moved = memcmp(lease->machine, machine,
			      sizeof(lease->machine)) != 0;
	memcpy(moved->machine, lease->machine, sizeof(moved->machine));
	/* A clock that was set back ends no lease. */
	moved->seconds = now > lease->time ? now - lease->time : 0;
}

static int take(struct leases *leases, const struct auth_boot *boot,
		const uint8_t machine[LEASES_MACHINE], uint64_t now,
		struct lease_moved *moved)
{
	uint8_t instance[SHA256_DIGEST_LENGTH];
	struct lease *lease;

	name_of(boot, instance);
	lease = find(leases, instance);
	if (lease) {
		compare(lease, machine, now, moved);
		if (moved->moved && moved->seconds < leases->seconds)
			return -EBUSY;
		TAILQ_REMOVE(&leases->all, lease, link);
		TAILQ_INSERT_TAIL(&leases->all, lease, link);
	} else {
		lease = add(leases, instance);
	}
	if (!lease)
		return -ENOMEM;
	memcpy(lease->machine, machine, sizeof(lease->machine));
	lease->time = now;
	return 0;
}

int leases_take(struct leases *leases, const struct auth_boot *boot,
		const uint8_t machine[LEASES_MACHINE], uint64_t now,
		struct lease_moved *moved)
{
	int err;

	memset(moved, 0, sizeof(*moved));
	if (!boot->instance_id.len)
		return 0;
	pthread_mutex_lock(&leases->lock);
	err = take(leases, boot, machine, now, moved);
	pthread_mutex_unlock(&leases->lock);
	return err;
}
