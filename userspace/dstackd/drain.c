// SPDX-License-Identifier: MIT
/*
 * From the module's memory to the disk
 *
 * Copyright The dstack for Linux authors
 *
 * Store, sync, acknowledge: in this order, an event is always in the module or
 * on the disk, and whoever comes next can tell which from the digests.
 */
#include "dstackd.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int take_digest(const struct dstack_log_record *record, void *arg)
{
	struct kernel_log *kernel = arg;

	if (kernel->count == kernel->cap) {
		uint64_t cap = kernel->cap ? 2 * kernel->cap : 1024;
		void *digests = reallocarray(kernel->digests, cap,
					     DSTACK_REGISTER_SIZE);

		if (!digests)
			return -ENOMEM;
		kernel->digests = digests;
		kernel->cap = cap;
	}
	memcpy(kernel->digests[kernel->count++], record->digest,
	       DSTACK_REGISTER_SIZE);
	return 0;
}

static int read_kernel(struct drain *drain, struct kernel_log *kernel)
{
	struct libdstack_status status;
	uint64_t seq;
	int err;

	memset(kernel, 0, sizeof(*kernel));
	err = libdstack_status(drain->control, &status);
	if (err)
		return err;
	memcpy(kernel->base, status.base, sizeof(kernel->base));
	memcpy(kernel->start, status.log_start, sizeof(kernel->start));
	kernel->acked = status.log_acked;
	kernel->first = status.log_first;
	kernel->count = status.log_first;
	kernel->cap = status.log_count + 1;
	kernel->digests = calloc(kernel->cap, DSTACK_REGISTER_SIZE);
	if (!kernel->digests)
		return -ENOMEM;
	seq = kernel->first;
	return libdstack_read_log(drain->device, &seq, take_digest, kernel);
}

int drain_open(struct drain *drain, struct libdstack_control *control,
	       const char *path)
{
	memset(drain, 0, sizeof(*drain));
	drain->control = control;
	drain->path = path;
	drain->store.fd = -1;
	drain->device = libdstack_device_open();
	return drain->device < 0 ? drain->device : 0;
}

/* An error of the disk is said when it is another than the last time. */
static int store_failed(struct drain *drain, int err)
{
	const char *why = err == -EINVAL ? "not a regular file" :
			  strerror(-err);

	if (drain->failing != err) {
		msg("can't store events in '%s': %s; trying again until it works, until then the kernel keeps them",
		    drain->path, why);
		notify_manager("STATUS=Can't store events in %s: %s",
			       drain->path, why);
	}
	drain->failing = err;
	return 1;
}

static void store_works(struct drain *drain)
{
	if (drain->failing)
		msg_at(LOG_INFO, "events are stored in '%s' again",
		       drain->path);
	if (drain->failing || !drain->told)
		notify_manager("STATUS=Storing events in %s", drain->path);
	drain->failing = 0;
	drain->told = true;
}

/* At the start, and whenever somebody did something to the file. */
static int recover(struct drain *drain)
{
	struct kernel_log kernel;
	int err;

	err = read_kernel(drain, &kernel);
	if (err)
		goto out;
	drain->acked = kernel.acked;
	if (drain->store.fd < 0)
		err = store_open(&drain->store, drain->path);
	if (!err)
		err = store_recover(&drain->store, &kernel, &drain->next);
	drain->recovered = !err;
	if (err)
		err = store_failed(drain, err);
out:
	free(kernel.digests);
	return err;
}

static int ensure_store(struct drain *drain)
{
	const char *what;
	int err;

	if (drain->recovered) {
		err = store_check(&drain->store, &what);
		if (err)
			return store_failed(drain, err);
		if (!what)
			return 0;
		msg("'%s' was %s by somebody else: repairing it with what dstackd and the kernel have",
		    drain->path, what);
		drain->recovered = false;
	}
	return recover(drain);
}

static int taken_by_other(uint64_t seq)
{
	msg("event %" PRIu64 " was taken by somebody else: is another program acknowledging the log?",
	    seq);
	return -EBUSY;
}

static int take_record(const struct dstack_log_record *record, void *arg)
{
	struct drain *drain = arg;

	if (drain->store.len >= BATCH_BYTES)
		return 1;
	if (record->flags & DSTACK_RECORD_F_DRAINED)
		return taken_by_other(record->seq);
	return store_add(&drain->store, (const char *)record->data,
			 record->name_len, record->data + record->name_len,
			 record->payload_len, record->digest);
}

static int acknowledge(struct drain *drain)
{
	int err;

	if (drain->acked == drain->next)
		return 0;
	err = libdstack_ack_log(drain->control, drain->next);
	if (!err)
		drain->acked = drain->next;
	return err;
}

int drain_run(struct drain *drain)
{
	int more = 1, err;

	err = ensure_store(drain);
	/* Also what the last dstackd stored, but had no time to say so. */
	if (!err)
		err = acknowledge(drain);
	/* What comes after the end of the log was seen is for the next time. */
	while (!err && more) {
		uint64_t seq = drain->next;

		drain->store.len = 0;
		more = libdstack_read_log(drain->device, &seq, take_record,
					  drain);
		if (more == -ENODATA)
			return taken_by_other(drain->next);
		if (more < 0)
			return more;
		err = store_commit(&drain->store);
		if (err)
			return store_failed(drain, err);
		drain->next = seq;
		err = acknowledge(drain);
		notify_alive();
	}
	if (!err)
		store_works(drain);
	return err;
}

void drain_close(struct drain *drain)
{
	store_close(&drain->store);
	if (drain->device >= 0)
		close(drain->device);
	drain->device = -1;
}
