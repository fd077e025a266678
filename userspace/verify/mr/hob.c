// SPDX-License-Identifier: MIT
/*
 * The list of memory that QEMU hands to a TD's firmware
 *
 * Copyright The dstack for Linux authors
 *
 * UEFI Platform Initialization Specification, volume 3, "HOB": a handoff table,
 * then one resource for each range.  What the firmware runs from is accepted,
 * all else is not.  OVMF measures the list before it uses it.  QEMU writes no
 * memory top or bottom, and puts no end behind what is measured.
 */
#include "mr.h"

#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>

#define HANDOFF_SIZE	56
#define RESOURCE_SIZE	48
#define END_SIZE	8
#define HIGH_MEMORY	(1ULL << 32)

/* Resource types. */
#define SYSTEM_MEMORY	0
#define UNACCEPTED	7

struct list {
	uint8_t data[HANDOFF_SIZE + 2 * (MR_SECTIONS_MAX + 1) * RESOURCE_SIZE];
	size_t len;
};

static void add_range(struct list *list, uint32_t type, uint64_t start,
		      uint64_t end)
{
	uint8_t *p = list->data + list->len;

	if (start == end)
		return;
	mr_put(p, 3, 2);
	mr_put(p + 2, RESOURCE_SIZE, 2);
	mr_put(p + 24, type, 4);
	mr_put(p + 28, 7, 4);		/* present, initialized, tested */
	mr_put(p + 32, start, 8);
	mr_put(p + 40, end - start, 8);
	list->len += RESOURCE_SIZE;
}

static void add_handoff(struct list *list, uint64_t address)
{
	mr_put(list->data, 1, 2);
	mr_put(list->data + 2, HANDOFF_SIZE, 2);
	mr_put(list->data + 8, 9, 4);	/* version */
	mr_put(list->data + 48, address + list->len + END_SIZE, 8);
}

static bool is_accepted(const struct tdvf_section *s)
{
	return s->type == TDVF_TD_HOB || s->type == TDVF_TEMP_MEM;
}

static int by_address(const void *a, const void *b)
{
	const struct tdvf_section *const *x = a, *const *y = b;

	return ((*x)->address > (*y)->address) -
		((*x)->address < (*y)->address);
}

/* Accepted memory and what lies between, up to @low. */
static const char *add_low(struct list *list, const struct tdvf *tdvf,
			   uint64_t low)
{
	const struct tdvf_section *sorted[MR_SECTIONS_MAX] = { NULL };
	uint64_t at = 0;
	size_t i, nr = 0;

	for (i = 0; i < tdvf->nr; i++)
		if (is_accepted(&tdvf->section[i]))
			sorted[nr++] = &tdvf->section[i];
	qsort(sorted, nr, sizeof(sorted[0]), by_address);
	for (i = 0; i < nr; i++) {
		if (sorted[i]->address < at)
			return "the firmware's sections overlap";
		if (sorted[i]->address + sorted[i]->size > low)
			return "less memory than the firmware needs";
		add_range(list, UNACCEPTED, at, sorted[i]->address);
		at = sorted[i]->address + sorted[i]->size;
		add_range(list, SYSTEM_MEMORY, sorted[i]->address, at);
	}
	add_range(list, UNACCEPTED, at, low);
	return NULL;
}

int hob_digest(const struct tdvf *tdvf, uint64_t memory,
	       uint8_t digest[LIBDSTACK_MR_SIZE],
	       struct libdstack_failure *failure)
{
	const struct tdvf_section *place = tdvf_find(tdvf, TDVF_TD_HOB);
	uint64_t low = linux_image_low_memory(memory);
	struct list list = { .len = HANDOFF_SIZE };
	const char *why;

	if (!place)
		return verify_fail(failure, REASON(MALFORMED),
				   "firmware: no place for a list of memory");
	why = add_low(&list, tdvf, low);
	if (why)
		return verify_fail(failure, REASON(MALFORMED), "%s", why);
	add_range(&list, UNACCEPTED, HIGH_MEMORY, HIGH_MEMORY + memory - low);
	add_handoff(&list, place->address);
	SHA384(list.data, list.len, digest);
	return 0;
}
