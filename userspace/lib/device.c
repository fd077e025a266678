// SPDX-License-Identifier: MIT
/*
 * /dev/dstack: what a process asks for itself
 *
 * Copyright The dstack for Linux authors
 */
#include "lib.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "scan.h"

#define DEVICE_PATH	"/dev/dstack"
/* Some hundred events; one with the longest payload needs 4.3 KiB. */
#define READ_LOG_BUF	262144

int libdstack_device_open(void)
{
	const char *path = secure_getenv("DSTACK_DEVICE");
	int fd, err;

	if (!path)
		path = DEVICE_PATH;
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd >= 0)
		return fd;
	err = -errno;
	if (err == -ENOENT || err == -ENXIO || err == -ENODEV)
		dstack_message("no device '%s': load the module first, with 'modprobe dstack', or pass the device into this container",
			       path);
	else
		dstack_message("can't open '%s': %s", path, strerror(-err));
	return err;
}

/* The errnos that mean the same for every ioctl get their words here. */
int dstack_device_error(int err, const char *what)
{
	switch (err) {
	case -ENOTTY:
		dstack_message("can't %s: not a dstack device, or its module is too old",
			       what);
		break;
	case -ENOBUFS:
		dstack_message("can't %s: too many events wait for dstackd to store them",
			       what);
		break;
	case -EDQUOT:
		dstack_message("can't %s: this container did so too often, more will be possible later",
			       what);
		break;
	case -E2BIG:
	case -EOPNOTSUPP:
		dstack_message("can't %s: the loaded dstack module is older than this program and doesn't know the request",
			       what);
		break;
	default:
		dstack_message("can't %s: %s", what, strerror(-err));
	}
	return err;
}

static int device_ioctl(int fd, unsigned long cmd, const char *what, void *arg)
{
	return ioctl(fd, cmd, arg) ? dstack_device_error(-errno, what) : 0;
}

int libdstack_info(int fd, struct dstack_info *info)
{
	int err;

	memset(info, 0, sizeof(*info));
	info->size = sizeof(*info);
	err = device_ioctl(fd, DSTACK_INFO, "ask the dstack module", info);
	info->out_id[sizeof(info->out_id) - 1] = '\0';
	return err;
}

int libdstack_get_quote(int fd, uint32_t flags,
			const uint8_t report_data[DSTACK_REPORT_DATA_SIZE],
			struct libdstack_quote *quote)
{
	struct dstack_get_quote req = {
		.size = sizeof(req),
		.flags = flags,
		.quote_len = DSTACK_QUOTE_MAX,
	};
	int err;

	memset(quote, 0, sizeof(*quote));
	quote->data = malloc(DSTACK_QUOTE_MAX);
	if (!quote->data)
		return -ENOMEM;
	memcpy(req.report_data, report_data, sizeof(req.report_data));
	req.quote = (uintptr_t)quote->data;
	err = device_ioctl(fd, DSTACK_GET_QUOTE, "get a quote", &req);
	if (!err && req.quote_len > DSTACK_QUOTE_MAX)
		err = -EPROTO;
	if (err) {
		libdstack_quote_free(quote);
		return err;
	}
	quote->len = req.quote_len;
	quote->log_count = req.out_log_count;
	memcpy(quote->report_data, req.report_data, sizeof(quote->report_data));
	memcpy(quote->register_value, req.out_register,
	       sizeof(quote->register_value));
	return 0;
}

void libdstack_quote_free(struct libdstack_quote *quote)
{
	free(quote->data);
	quote->data = NULL;
	quote->len = 0;
}

int libdstack_extend(int fd, const char *name, const void *data, size_t len,
		     uint64_t *seq)
{
	struct dstack_extend req = {
		.size = sizeof(req),
		.data = (uintptr_t)data,
		.data_len = len,
	};
	int err;

	if (strlen(name) >= sizeof(req.name)) {
		dstack_message("event name '%.16s...' has more than %zu characters",
			       name, sizeof(req.name) - 1);
		return -EINVAL;
	}
	if (len > DSTACK_USER_DATA_MAX) {
		dstack_message("event data of %zu bytes, more than %d",
			       len, DSTACK_USER_DATA_MAX);
		return -EMSGSIZE;
	}
	memcpy(req.name, name, strlen(name));
	err = device_ioctl(fd, DSTACK_EXTEND, "extend the register", &req);
	if (!err && seq)
		*seq = req.out_seq;
	return err;
}

int libdstack_file_kind(int file, uint32_t *kind)
{
	char magic[2];
	ssize_t n = pread(file, magic, sizeof(magic), 0);
	int err;

	if (n < 0)
		return -errno;
	if (n == sizeof(magic) && !memcmp(magic, "#!", sizeof(magic))) {
		*kind = DSTACK_KIND_SCRIPT;
		return 0;
	}
	err = scan_elf_kinds(file, kind);
	/* What no rule could name would still have to pass as a program. */
	if (!err && !*kind)
		*kind = DSTACK_KIND_EXEC;
	return err;
}

int libdstack_why(int fd, int file, uint32_t kind, const char *id,
		  struct dstack_why *why)
{
	memset(why, 0, sizeof(*why));
	why->size = sizeof(*why);
	why->fd = file;
	why->kind = kind;
	if (id && strlen(id) >= sizeof(why->id)) {
		dstack_message("container id '%.16s...' has more than %zu characters",
			       id, sizeof(why->id) - 1);
		return -EINVAL;
	}
	if (id)
		memcpy(why->id, id, strlen(id));
	if (!ioctl(fd, DSTACK_WHY, why))
		return 0;
	if (errno == ENOENT) {
		dstack_message("no container has the id '%s': see 'dstackctl container list'",
			       id ?: "");
		return -ENOENT;
	}
	return dstack_device_error(-errno, "ask for the verdict");
}

static const char *act_for_help(int err)
{
	switch (err) {
	case -EPERM:
		return "that is for root, and not inside a container";
	case -EACCES:
		return "the state is locked, and the policy's section \"host\" "
		       "does not approve this program for \"control\"";
	case -ESRCH:
		return "there is no such process";
	default:
		return NULL;
	}
}

int libdstack_act_for(int fd, pid_t pid, struct libdstack_acts_for *who)
{
	struct dstack_act_for req = { .size = sizeof(req), .pid = pid };
	const char *help;
	int err;

	if (ioctl(fd, DSTACK_ACT_FOR, &req)) {
		err = -errno;
		help = act_for_help(err);
		if (!help)
			return dstack_device_error(err, "act for a process");
		dstack_message("can't act for process %d: %s", pid, help);
		return err;
	}
	memcpy(who->id, req.out_id, sizeof(who->id));
	who->id[sizeof(who->id) - 1] = '\0';
	memcpy(who->section, req.out_section, sizeof(who->section));
	who->section[sizeof(who->section) - 1] = '\0';
	who->cgroup_id = req.out_cgroup_id;
	return 0;
}

/* Is the next record whole, and the one that was asked for? */
static bool record_ok(const struct dstack_log_record *record, size_t room,
		      uint64_t seq)
{
	return room >= sizeof(*record) && record->size <= room &&
		record->size >= sizeof(*record) && record->size % 8 == 0 &&
		record->seq == seq &&
		(uint64_t)record->name_len + record->payload_len <=
		record->size - sizeof(*record);
}

/* Hand over what one ioctl returned. */
static int each_record(const uint8_t *buf, size_t len, uint64_t *seq,
		       libdstack_record_fn fn, void *arg)
{
	int err;

	while (len) {
		const struct dstack_log_record *record = (const void *)buf;

		if (!record_ok(record, len, *seq)) {
			dstack_message("the kernel's log makes no sense at event %llu",
				       (unsigned long long)*seq);
			return -EPROTO;
		}
		err = fn(record, arg);
		if (err)
			return err;
		buf += record->size;
		len -= record->size;
		++*seq;
	}
	return 0;
}

static int read_log(int fd, struct dstack_read_log *req)
{
	if (!ioctl(fd, DSTACK_READ_LOG, req))
		return 0;
	if (errno != ENODATA)
		return dstack_device_error(-errno, "read the event log");
	dstack_message("the kernel has forgotten the events before event %llu, which dstackd has stored",
		       (unsigned long long)req->out_next);
	return -ENODATA;
}

int libdstack_read_log(int fd, uint64_t *seq, libdstack_record_fn fn,
		       void *arg)
{
	struct dstack_read_log req;
	uint8_t *buf;
	int err;

	buf = malloc(READ_LOG_BUF);
	if (!buf)
		return -ENOMEM;
	do {
		memset(&req, 0, sizeof(req));
		req.size = sizeof(req);
		req.seq = *seq;
		req.buf = (uintptr_t)buf;
		req.buf_len = READ_LOG_BUF;
		err = read_log(fd, &req);
		if (err == -ENODATA)
			*seq = req.out_next;
		if (!err && req.out_len > READ_LOG_BUF)
			err = -EPROTO;
		if (!err)
			err = each_record(buf, req.out_len, seq, fn, arg);
	} while (!err && req.out_len);
	free(buf);
	return err;
}
