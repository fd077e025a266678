/* SPDX-License-Identifier: MIT */
/*
 * What is in the event log already
 *
 * Copyright The dstack for Linux authors
 */
#ifndef BOOT_EVENTS_H
#define BOOT_EVENTS_H

#include "boot.h"

/* One event of those that only a boot makes. */
struct boot_event {
	char name[DSTACK_NAME_SIZE];
	uint8_t *payload;
	size_t len;
};

struct boot_events {
	struct boot_event *items;
	size_t nr;
};

/* Those of the kernel's log, in its order.  For boot_events_free(). */
int boot_events_read(struct boot *boot, struct boot_events *events);
void boot_events_free(struct boot_events *events);
/* One more, if its name is a boot's: the others are nobody's business. */
int boot_events_add(struct boot_events *events, const char *name,
		    size_t name_len, const void *payload, size_t len);
/*
 * The event at place @at: 1 if it is there and says this, 0 if there is none
 * yet; -EBUSY, after a message, if another is.  @data NULL with @any: whatever
 * it says.
 */
int boot_events_find(const struct boot_events *events, size_t at,
		     const char *name, const void *data, size_t len, bool any);

#endif /* BOOT_EVENTS_H */
