// SPDX-License-Identifier: MIT
/*
 * Images, what was measured of them, and one at a time
 *
 * Copyright The dstack for Linux authors
 *
 * Reading an image costs seconds, and fetching one minutes.  One thread does
 * that, a few wait for it, and others are told to come again, so that there are
 * always threads for those whose images are known.
 */
#include "image.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "room.h"

#define ENTRIES		64	/* images, each with a size of memory */
#define WAITERS		2
#define WAIT_S		20
#define FAILED_S	30	/* before what failed is tried again */
#define NEW		".new"	/* what is being unpacked */

/* An image on machines of one kind, or why it is none. */
struct entry {
	uint8_t image[IMAGE_HASH];
	uint64_t memory;		/* 0: nothing is here */
	int err;
	int64_t until;			/* of an error, in seconds */
	struct image_why why;
	struct image_registers registers;
};

struct image_store {
	struct image_options options;
	struct image_acpi acpi;
	int dir;
	pthread_mutex_t lock;		/* of all that follows */
	pthread_cond_t done;
	bool busy;			/* a thread reads or fetches one */
	unsigned int waiters;
	uint64_t clears;		/* what began before does not count */
	size_t next;			/* entry to be replaced */
	struct entry entries[ENTRIES];
};

static int64_t now_s(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec;
}

static void say(const struct image_store *store, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

static void say(const struct image_store *store, const char *fmt, ...)
{
	char line[LIBDSTACK_MESSAGE_MAX];
	va_list args;

	va_start(args, fmt);
	vsnprintf(line, sizeof(line), fmt, args);
	va_end(args);
	store->options.tell(line);
}

/*
 * Life
 */

static int open_parts(struct image_store *store)
{
	const struct image_options *options = &store->options;

	if (options->url && !image_url_ok(options->url)) {
		say(store, "image_url: want http or https, and " IMAGE_URL_HASH " once");
		return -EINVAL;
	}
	store->dir = open(options->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (store->dir < 0) {
		say(store, "%s: %s", options->dir, strerror(errno));
		return -errno;
	}
	/* Of one who ended while it was unpacking. */
	image_remove(store->dir, NEW);
	return options->acpi ? image_acpi_read(options->acpi, options->tell,
					       &store->acpi) : 0;
}

static void init_locks(struct image_store *store)
{
	pthread_condattr_t attr;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_mutex_init(&store->lock, NULL);
	pthread_cond_init(&store->done, &attr);
	pthread_condattr_destroy(&attr);
}

int image_store_open(const struct image_options *options,
		     struct image_store **out)
{
	struct image_store *store = calloc(1, sizeof(*store));
	int err;

	if (!store)
		return -ENOMEM;
	store->options = *options;
	store->dir = -1;
	init_locks(store);
	err = open_parts(store);
	if (err)
		image_store_close(store);
	else
		*out = store;
	return err;
}

void image_store_close(struct image_store *store)
{
	if (!store)
		return;
	if (store->dir >= 0)
		close(store->dir);
	pthread_cond_destroy(&store->done);
	pthread_mutex_destroy(&store->lock);
	free(store);
}

/*
 * One image
 */

static int open_image(struct image_store *store, const char *name)
{
	int fd = openat(store->dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW |
			O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

/* To a place of its own, which becomes the image once it is known to be it. */
static int unpack(struct image_store *store, int archive,
		  const uint8_t hash[IMAGE_HASH], const char *name,
		  struct image_files *files, struct image_why *why)
{
	int dir, err;

	if (mkdirat(store->dir, NEW, 0700))
		return image_fail(why, -errno, "it can't be stored: %s",
				  strerror(errno));
	dir = open_image(store, NEW);
	err = dir < 0 ? image_fail(why, dir, "it can't be stored: %s",
				   strerror(-dir)) :
		image_unpack(archive, dir, why) ?:
		image_files_read(dir, hash, store->options.tell, files, why);
	if (dir >= 0)
		close(dir);
	if (!err && renameat2(store->dir, NEW, store->dir, name,
			      RENAME_NOREPLACE)) {
		err = image_fail(why, -errno, "it can't be stored: %s",
				 strerror(errno));
		image_files_clear(files);
	}
	if (err)
		image_remove(store->dir, NEW);
	return err;
}

static int fetch(struct image_store *store, const uint8_t hash[IMAGE_HASH],
		 const char *name, struct image_files *files,
		 struct image_why *why)
{
	int fd, err;

	if (!store->options.url)
		return image_fail(why, -ENOENT, "its OS image is not here");
	fd = openat(store->dir, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (fd < 0)
		return image_fail(why, -errno, "it can't be stored: %s",
				  strerror(errno));
	err = image_fetch(&store->options, name, fd, why);
	if (!err && lseek(fd, 0, SEEK_SET))
		err = image_fail(why, -errno, "%s", strerror(errno));
	err = err ?: unpack(store, fd, hash, name, files, why);
	close(fd);
	if (!err)
		say(store, "OS image %s was fetched", name);
	return err;
}

static int read_files(struct image_store *store,
		      const uint8_t hash[IMAGE_HASH], struct image_files *files,
		      struct image_why *why)
{
	char name[2 * IMAGE_HASH + 1];
	int dir, err;

	libdstack_to_hex(hash, IMAGE_HASH, name);
	dir = open_image(store, name);
	if (dir == -ENOENT)
		return fetch(store, hash, name, files, why);
	if (dir < 0)
		return image_fail(why, -EBADMSG,
				  "its OS image is no directory: %s",
				  strerror(-dir));
	err = image_files_read(dir, hash, store->options.tell, files, why);
	close(dir);
	return err;
}

static void make_entry(struct image_store *store, struct entry *entry)
{
	struct image_files files = { 0 };

	entry->err = read_files(store, entry->image, &files, &entry->why) ?:
		image_measure(&files, entry->memory, &store->acpi,
			      &entry->registers, &entry->why);
	image_files_clear(&files);
	entry->until = now_s() + FAILED_S;
	if (entry->err)
		say(store, "OS image: %s", entry->why.text);
}

/*
 * All of them
 */

static struct entry *find(struct image_store *store,
			  const uint8_t hash[IMAGE_HASH], uint64_t memory)
{
	struct entry *entry = store->entries;
	size_t i;

	for (i = 0; i < ENTRIES; i++, entry++)
		if (entry->memory && entry->memory == memory &&
		    !memcmp(entry->image, hash, IMAGE_HASH) &&
		    (!entry->err || entry->until > now_s()))
			return entry;
	return NULL;
}

/* The lock is held, but not meanwhile. */
static void work(struct image_store *store, const uint8_t hash[IMAGE_HASH],
		 uint64_t memory)
{
	struct entry entry = { .memory = memory };
	uint64_t clears = store->clears;

	memcpy(entry.image, hash, IMAGE_HASH);
	store->busy = true;
	pthread_mutex_unlock(&store->lock);
	make_entry(store, &entry);
	pthread_mutex_lock(&store->lock);
	store->busy = false;
	if (clears == store->clears) {
		store->entries[store->next] = entry;
		store->next = (store->next + 1) % ENTRIES;
	}
	pthread_cond_broadcast(&store->done);
}

static int busy(struct image_why *why)
{
	return image_fail(why, -EAGAIN,
			  "an OS image is being looked at: ask again");
}

static int wait_for(struct image_store *store, struct image_why *why)
{
	struct timespec end = { .tv_sec = now_s() + WAIT_S };
	int err = 0;

	if (store->waiters == WAITERS)
		return busy(why);
	store->waiters++;
	while (store->busy && !err)
		err = pthread_cond_timedwait(&store->done, &store->lock, &end);
	store->waiters--;
	return store->busy ? busy(why) : 0;
}

int image_store_check(struct image_store *store,
		      const struct image_guest *guest, struct image_why *why)
{
	const struct entry *entry;
	uint64_t memory;
	int err = image_config_read(guest->config, guest->config_len, &memory,
				    why);

	if (err)
		return err;
	if (!memory)
		return image_fail(why, -EBADMSG, "its vm_config has no memory");
	pthread_mutex_lock(&store->lock);
	while (!err && !(entry = find(store, guest->hash, memory))) {
		if (store->busy)
			err = wait_for(store, why);
		else
			work(store, guest->hash, memory);
	}
	if (!err && entry->err) {
		*why = entry->why;
		err = entry->err;
	} else if (!err) {
		err = image_compare(&entry->registers, guest->td, why);
	}
	pthread_mutex_unlock(&store->lock);
	return err;
}

/*
 * Forgetting
 */

/* *@all: "all"; *@any: something is meant. */
static bool read_which(const char *text, uint8_t hash[IMAGE_HASH], bool *all,
		       bool *any)
{
	*all = !strcmp(text, "all");
	*any = *text;
	return *all || !*any ||
		libdstack_from_hex(text, strlen(text), hash, IMAGE_HASH);
}

static void remove_files(struct image_store *store, const uint8_t *hash)
{
	char name[2 * IMAGE_HASH + 1];
	uint8_t bytes[IMAGE_HASH];
	struct dirent *entry;
	DIR *dir;
	int fd;

	if (hash) {
		libdstack_to_hex(hash, IMAGE_HASH, name);
		image_remove(store->dir, name);
		return;
	}
	fd = open_image(store, ".");
	dir = fd < 0 ? NULL : fdopendir(fd);
	while (dir && (entry = readdir(dir)))
		if (libdstack_from_hex(entry->d_name, strlen(entry->d_name),
				       bytes, IMAGE_HASH))
			image_remove(store->dir, entry->d_name);
	if (dir)
		closedir(dir);
	else if (fd >= 0)
		close(fd);
}

/* @hash: NULL for all. */
static void forget(struct image_store *store, const uint8_t *hash)
{
	size_t i;

	store->clears++;
	for (i = 0; i < ENTRIES; i++)
		if (!hash || !memcmp(store->entries[i].image, hash, IMAGE_HASH))
			store->entries[i].memory = 0;
}

int image_store_clear(struct image_store *store, const char *image,
		      const char *config, struct image_why *why)
{
	uint8_t hash[IMAGE_HASH], unused[IMAGE_HASH];
	bool all, any, any_config, all_configs;

	if (!read_which(image, hash, &all, &any))
		return image_fail(why, -EINVAL,
				  "image_hash: want \"all\" or 64 hex digits");
	if (!read_which(config, unused, &all_configs, &any_config))
		return image_fail(why, -EINVAL,
				  "config_hash: want \"all\" or 64 hex digits");
	pthread_mutex_lock(&store->lock);
	/* They are not kept by configurations, but by what is in these. */
	if (any || any_config)
		forget(store, all || any_config ? NULL : hash);
	if (any && store->options.url)
		remove_files(store, all ? NULL : hash);
	pthread_mutex_unlock(&store->lock);
	return 0;
}
