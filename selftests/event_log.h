/* SPDX-License-Identifier: MIT */
/*
 * The event log, as the tests of it use it
 *
 * Copyright The dstack for Linux authors
 */
#ifndef EVENT_LOG_H
#define EVENT_LOG_H

#include "dstack_test.h"

static inline int read_log(int fd, uint64_t seq, void *buf, uint32_t len,
			   struct dstack_read_log *get)
{
	memset(get, 0, sizeof(*get));
	get->size = sizeof(*get);
	get->seq = seq;
	get->buf = address(buf);
	get->buf_len = len;
	return device_call(fd, DSTACK_READ_LOG, get);
}

static inline uint64_t log_count(int fd)
{
	struct dstack_read_log get;

	/* No buffer: nothing fits, but the count comes back. */
	read_log(fd, 0, NULL, 0, &get);
	return get.out_count;
}

static inline int add_event(int fd, const char *name, const void *data,
			    uint32_t len, uint64_t *seq)
{
	struct dstack_extend extend = {
		.size = sizeof(extend), .data = address(data), .data_len = len,
	};
	int err;

	memcpy(extend.name, name, strlen(name));
	err = device_call(fd, DSTACK_EXTEND, &extend);
	*seq = extend.out_seq;
	return err;
}

static inline bool record_is(const struct dstack_log_record *record,
			     const char *name, const void *payload, size_t len)
{
	return record->name_len == strlen(name) &&
	       !memcmp(record->data, name, strlen(name)) &&
	       record->payload_len == len &&
	       !memcmp(record->data + record->name_len, payload, len);
}

/*
 * How many records there are from @seq on with this name and payload, which is
 * gone once dstackd has stored it.
 */
struct wanted {
	const char *name, *payload;
	int found;
};

static inline int compare_record(const struct dstack_log_record *record,
				 void *arg)
{
	struct wanted *wanted = arg;

	wanted->found += record_is(record, wanted->name, wanted->payload,
				   strlen(wanted->payload));
	return 0;
}

static inline int count_records(int fd, uint64_t seq, const char *name,
				const char *payload)
{
	struct wanted wanted = { .name = name, .payload = payload };
	int err = libdstack_read_log(fd, &seq, compare_record, &wanted);

	return err ?: wanted.found;
}

/* The status is one moment: its register is the replay of its count. */
static inline int status_replays(struct libdstack_control *control,
				 struct replay *replay)
{
	struct libdstack_status status;
	int err;

	err = libdstack_status(control, &status);
	if (!err && !replay->next)
		replay_begin(replay, &status);
	err = err ?: replay_to(replay, status.log_count);
	if (!err && memcmp(replay->value, status.register_value,
			   sizeof(replay->value)))
		err = -EBADMSG;
	return err;
}

/* Let the daemon go on that daemon_pause() stopped. */
static inline void resume(int *pause)
{
	if (*pause >= 0)
		close(*pause);
	*pause = -1;
}

#endif /* EVENT_LOG_H */
