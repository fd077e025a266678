// SPDX-License-Identifier: MIT
/*
 * The application's keys by their key epochs, as the boot and who follows the
 * KMS leave them
 *
 * Copyright The dstack for Linux authors
 *
 * What the module gives is of its newest epoch, and what vouches for it must be
 * of the same one.  Whoever loads the next root key stores its file before, so
 * an epoch that is not known here is in a file that was not read yet.
 */
#include "agent.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define WRITER_FIRST	PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP

/* Which file it is: each is replaced as a whole. */
struct stamp {
	dev_t dev;
	ino_t ino;
	struct timespec changed;
};

struct agent_epochs {
	char *dir;
	libdstack_message_fn tell;
	uint64_t unnamed;		/* of a file that says none */
	enum agent_provider provider;
	pthread_rwlock_t lock;		/* of all below */
	struct stamp stamps[AGENT_APP_KEYS_ALL];
	struct agent_app_keys *keys[AGENT_APP_KEYS_ALL];
};

static void take_stamp(const char *dir, const char *name, struct stamp *stamp)
{
	char path[PATH_MAX];
	struct stat st;

	memset(stamp, 0, sizeof(*stamp));
	if (snprintf(path, sizeof(path), "%s/%s", dir, name) >=
	    (int)sizeof(path) || stat(path, &st))
		return;
	stamp->dev = st.st_dev;
	stamp->ino = st.st_ino;
	stamp->changed = st.st_ctim;
}

static void take_stamps(const char *dir, struct stamp stamps[])
{
	take_stamp(dir, AGENT_APP_KEYS_FILE, &stamps[0]);
	take_stamp(dir, AGENT_APP_KEYS_NEXT, &stamps[1]);
}

static bool is_same(const struct stamp *a, const struct stamp *b)
{
	return a->dev == b->dev && a->ino == b->ino &&
		a->changed.tv_sec == b->changed.tv_sec &&
		a->changed.tv_nsec == b->changed.tv_nsec;
}

/* With the lock.  What can't be read leaves what was. */
static int read_files(struct agent_epochs *epochs)
{
	struct agent_app_keys *keys[AGENT_APP_KEYS_ALL];
	struct stamp stamps[AGENT_APP_KEYS_ALL];
	int err;

	/* Before they are read: what comes meanwhile is read again. */
	take_stamps(epochs->dir, stamps);
	err = agent_app_keys_read_all(epochs->dir, epochs->tell, keys);
	/* What is wrong with them is said once. */
	if (err != -ENOMEM)
		memcpy(epochs->stamps, stamps, sizeof(stamps));
	if (err)
		return err;
	if (!keys[0]->key_epoch)
		keys[0]->key_epoch = epochs->unnamed;
	agent_app_keys_free_all(epochs->keys);
	memcpy(epochs->keys, keys, sizeof(keys));
	epochs->provider = keys[0]->provider;
	return 0;
}

int agent_epochs_open(const char *dir, uint64_t unnamed,
		      libdstack_message_fn tell, struct agent_epochs **out)
{
	struct agent_epochs *epochs = calloc(1, sizeof(*epochs));
	pthread_rwlockattr_t attr;
	int err = -ENOMEM;

	if (!epochs)
		return err;
	epochs->tell = tell;
	epochs->unnamed = unnamed;
	epochs->dir = strdup(dir);
	pthread_rwlockattr_init(&attr);
	pthread_rwlockattr_setkind_np(&attr, WRITER_FIRST);
	pthread_rwlock_init(&epochs->lock, &attr);
	pthread_rwlockattr_destroy(&attr);
	if (epochs->dir)
		err = read_files(epochs);
	if (err)
		agent_epochs_close(epochs);
	else
		*out = epochs;
	return err;
}

void agent_epochs_close(struct agent_epochs *epochs)
{
	if (!epochs)
		return;
	agent_app_keys_free_all(epochs->keys);
	pthread_rwlock_destroy(&epochs->lock);
	free(epochs->dir);
	free(epochs);
}

enum agent_provider agent_epochs_provider(const struct agent_epochs *epochs)
{
	return epochs->provider;
}

/* With the lock. */
static const struct agent_app_keys *find(const struct agent_epochs *epochs,
					 uint64_t epoch)
{
	struct agent_app_keys *const *keys = epochs->keys;

	if (keys[1] && (epoch == AGENT_EPOCH_NEWEST ||
			epoch == keys[1]->key_epoch))
		return keys[1];
	return epoch == AGENT_EPOCH_NEWEST || epoch == AGENT_EPOCH_OLDEST ||
		epoch == keys[0]->key_epoch ? keys[0] : NULL;
}

void agent_epochs_look(struct agent_epochs *epochs)
{
	struct stamp now[AGENT_APP_KEYS_ALL];
	bool same;

	take_stamps(epochs->dir, now);
	pthread_rwlock_rdlock(&epochs->lock);
	same = is_same(&now[0], &epochs->stamps[0]) &&
		is_same(&now[1], &epochs->stamps[1]);
	pthread_rwlock_unlock(&epochs->lock);
	if (same)
		return;
	pthread_rwlock_wrlock(&epochs->lock);
	read_files(epochs);
	pthread_rwlock_unlock(&epochs->lock);
}

const struct agent_app_keys *agent_epochs_get(struct agent_epochs *epochs,
					      uint64_t epoch,
					      struct rpc_error *error)
{
	const struct agent_app_keys *keys;
	int i;

	for (i = 0; i < 2; i++) {
		if (i)
			agent_epochs_look(epochs);
		pthread_rwlock_rdlock(&epochs->lock);
		keys = find(epochs, epoch);
		if (keys)
			return keys;
		pthread_rwlock_unlock(&epochs->lock);
	}
	error->status = 503;
	rpc_fail(error, -EAGAIN,
		 "what vouches for keys of key epoch %llu is not here: try again",
		 (unsigned long long)epoch);
	return NULL;
}

void agent_epochs_put(struct agent_epochs *epochs)
{
	pthread_rwlock_unlock(&epochs->lock);
}
