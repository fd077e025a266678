// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) The dstack for Linux authors
 *
 * The trust domain's state: registers, and which pages are shared.
 */
#include "td.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crypto.h"

#define ACCEPT_LEVEL_MASK	7u
#define ACCEPT_LEVELS		2u	/* 4 KiB and 2 MiB */

static bool bit_test(const uint8_t *map, uint64_t page)
{
	return map[page / 8] & (1u << (page % 8));
}

static void bit_put(uint8_t *map, uint64_t page, bool value)
{
	if (value)
		map[page / 8] |= (uint8_t)(1u << (page % 8));
	else
		map[page / 8] &= (uint8_t)~(1u << (page % 8));
}

int td_init(struct td *td, const struct td_config *config)
{
	memset(td, 0, sizeof(*td));
	td->config = *config;
	memcpy(td->rtmr, config->rtmr, sizeof(td->rtmr));
	random_bytes(td->mac_key, sizeof(td->mac_key));
	td->shared = calloc(TD_PAGES / 8, 1);
	td->pending = calloc(TD_PAGES / 8, 1);
	if (!td->shared || !td->pending) {
		td_exit(td);
		return -ENOMEM;
	}
	return 0;
}

void td_exit(struct td *td)
{
	size_t i;

	for (i = 0; i < TD_LATE_QUOTES; i++)
		free(td->late[i].data);
	free(td->shared);
	free(td->pending);
	quoter_close(td->quoter);
	memset(td, 0, sizeof(*td));
}

uint64_t td_shared_bit(const struct td *td)
{
	return 1ull << (td->config.gpa_width - 1);
}

/* An operand of the TDX module itself must lie in the TD's own memory. */
bool td_private_gpa(const struct td *td, uint64_t gpa, uint64_t align)
{
	return gpa < td_shared_bit(td) && gpa % align == 0;
}

/* Both ends inside what MapGPA can have shared; size is not zero. */
static bool page_range(uint64_t gpa, uint64_t size)
{
	const uint64_t end = (uint64_t)TD_PAGES * TDX_PAGE;

	return size && gpa < end && size <= end - gpa;
}

/*
 * Whether the guest shared every page of a buffer it hands to the host. A
 * real host would otherwise read ciphertext and lose its writes, so a driver
 * that forgets to share must fail here too.
 */
bool td_shared_range(const struct td *td, uint64_t gpa, uint64_t size)
{
	uint64_t page;

	if (!page_range(gpa, size))
		return false;
	for (page = gpa / TDX_PAGE; page <= (gpa + size - 1) / TDX_PAGE; page++)
		if (!bit_test(td->shared, page))
			return false;
	return true;
}

uint64_t td_map_gpa(struct td *td, uint64_t gpa, uint64_t size)
{
	bool share = gpa & td_shared_bit(td);
	uint64_t page, last;

	gpa &= ~td_shared_bit(td);
	if (gpa % TDX_PAGE || size % TDX_PAGE)
		return TDVMCALL_ALIGN_ERROR;
	if (!page_range(gpa, size))
		return TDVMCALL_INVALID_OPERAND;
	td->shares = true;
	last = (gpa + size) / TDX_PAGE;
	for (page = gpa / TDX_PAGE; page < last; page++) {
		if (!share && bit_test(td->shared, page))
			bit_put(td->pending, page, true);
		else if (share)
			bit_put(td->pending, page, false);
		bit_put(td->shared, page, share);
	}
	return TDVMCALL_SUCCESS;
}

static bool all_pending(const struct td *td, uint64_t first, uint64_t pages)
{
	uint64_t page;

	for (page = first; page < first + pages; page++)
		if (!bit_test(td->pending, page))
			return false;
	return true;
}

/*
 * TDG.MEM.PAGE.ACCEPT: gives zeroed private memory in place of a page that
 * was shared. Zeroing matters: a guest must not see its shared data again.
 */
uint64_t td_accept_page(struct td *td, uint64_t gpa_and_level)
{
	static const uint8_t zeroes[TDX_PAGE];
	uint64_t level = gpa_and_level & ACCEPT_LEVEL_MASK;
	uint64_t gpa = gpa_and_level & ~(uint64_t)ACCEPT_LEVEL_MASK;
	uint64_t pages, first, page;

	if (level >= ACCEPT_LEVELS)
		return TDX_OPERAND_INVALID | TDX_OPERAND_RCX;
	pages = level ? 512 : 1;
	if (!td_private_gpa(td, gpa, pages * TDX_PAGE) ||
	    !page_range(gpa, pages * TDX_PAGE))
		return TDX_OPERAND_INVALID | TDX_OPERAND_RCX;
	first = gpa / TDX_PAGE;
	if (!all_pending(td, first, pages))
		return level ? TDX_PAGE_SIZE_MISMATCH | TDX_OPERAND_RCX :
			       TDX_PAGE_ALREADY_ACCEPTED;
	for (page = first; page < first + pages; page++) {
		if (guest_write(page * TDX_PAGE, zeroes, sizeof(zeroes)))
			return TDX_OPERAND_INVALID | TDX_OPERAND_RCX;
		bit_put(td->pending, page, false);
	}
	return TDX_SUCCESS;
}

/* Counts a call of the fault's kind. Return: whether this one must fail. */
bool fault_strikes(struct fault *fault)
{
	uint64_t nth = fault->seen++;

	return nth >= fault->after && nth - fault->after < fault->count;
}

void td_trace(const struct td *td, const char *format, ...)
{
	va_list args;

	if (!td->config.debug)
		return;
	va_start(args, format);
	fputs("tdx-module: ", stderr);
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
	va_end(args);
}
