// SPDX-License-Identifier: MIT
/*
 * What firmware, boot loader and kernel measured before us
 *
 * Copyright The dstack for Linux authors
 *
 * The log is the machine's, in memory that the host could have written: it is
 * shown, and whoever verifies replays it.
 */
#include "attest.h"

#include <errno.h>
#include <libdstack_tcg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib.h"

#define RTMRS		3	/* that a boot writes; the fourth is ours */
#define ACPI_TYPE	10
#define ACPI_DATA	"ACPI DATA"

/* What upstream calls the events that describe the machine, in their order. */
static const char *const acpi_names[] = {
	"acpi-loader", "acpi-rsdp", "acpi-tables",
};

bool attest_is_acpi(uint32_t imr, uint32_t type, const void *data, size_t len)
{
	return !imr && type == ACPI_TYPE && len == strlen(ACPI_DATA) &&
		!memcmp(data, ACPI_DATA, len);
}

static const char *name_of(const struct libdstack_tcg_event *event,
			   size_t *acpi)
{
	if (*acpi == sizeof(acpi_names) / sizeof(acpi_names[0]) ||
	    !attest_is_acpi(event->mr - 1, event->type, event->data,
			    event->len))
		return "";
	return acpi_names[(*acpi)++];
}

/* Name and payload share one allocation, which the name starts. */
static int add(struct libdstack_log *boot, size_t *cap, const char *name,
	       const struct libdstack_tcg_event *from, const uint8_t *digest)
{
	struct libdstack_event event = {
		.imr = from->mr - 1, .event_type = from->type,
		.payload_len = from->len,
	};
	size_t name_len = strlen(name) + 1;
	int err;

	event.name = malloc(name_len + from->len);
	if (!event.name)
		return -ENOMEM;
	memcpy(event.name, name, name_len);
	event.payload = (uint8_t *)event.name + name_len;
	memcpy(event.payload, from->data, from->len);
	memcpy(event.digest, digest, sizeof(event.digest));
	err = dstack_log_add(boot, cap, &event);
	if (err)
		free(event.name);
	return err;
}

static int add_all(const struct libdstack_tcg_log *log,
		   struct libdstack_log *boot)
{
	struct libdstack_tcg_event event = { 0 };
	const uint8_t *digest;
	size_t cap = 0, acpi = 0;
	int err = 0;

	while (!err && libdstack_tcg_log_next(log, &event)) {
		/* What is in no register explains none. */
		if (event.type == LIBDSTACK_TCG_EV_NO_ACTION)
			continue;
		digest = libdstack_tcg_digest(log, &event,
					      LIBDSTACK_TCG_SHA384);
		if (!digest || !event.mr || event.mr > RTMRS)
			return -EBADMSG;
		err = add(boot, &cap, name_of(&event, &acpi), &event, digest);
	}
	return err;
}

int attest_boot_parse(const void *data, size_t len, struct libdstack_log *boot)
{
	struct libdstack_failure failure;
	struct libdstack_tcg_log log;
	int err;

	memset(boot, 0, sizeof(*boot));
	if (libdstack_tcg_log_parse(data, len, &log, &failure))
		return -EBADMSG;
	err = add_all(&log, boot);
	if (err)
		dstack_log_clear(boot);
	return err;
}

int attest_boot_read(const char *path, struct libdstack_log *boot)
{
	size_t len;
	char *data;
	int err;

	memset(boot, 0, sizeof(*boot));
	if (access(path, F_OK) && errno == ENOENT)
		return 0;
	err = dstack_file_read(path, LIBDSTACK_TCG_LOG_MAX, &data, &len);
	if (err)
		return err;
	err = attest_boot_parse(data, len, boot);
	free(data);
	return err;
}
