// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) The dstack for Linux authors
 *
 * The host's quote service: takes a TDREPORT out of shared memory, leaves a
 * quote there, and misbehaves when told to.
 */
#include "td.h"

#include <endian.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "crypto.h"

#define OUT_LEN_OFFSET	offsetof(struct tdx_quote_buf, out_len)
#define STATUS_OFFSET	offsetof(struct tdx_quote_buf, status)
#define DATA_OFFSET	sizeof(struct tdx_quote_buf)

uint64_t service_clock_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void put_status(uint64_t gpa, uint64_t status)
{
	status = htole64(status);
	guest_write(gpa + STATUS_OFFSET, &status, sizeof(status));
}

static void put_out_len(uint64_t gpa, uint32_t out_len)
{
	out_len = htole32(out_len);
	guest_write(gpa + OUT_LEN_OFFSET, &out_len, sizeof(out_len));
}

/* Status last: the guest polls it and may read the rest at once. */
static void put_quote(uint64_t gpa, const uint8_t *quote, uint32_t size)
{
	guest_write(gpa + DATA_OFFSET, quote, size);
	put_out_len(gpa, size);
	put_status(gpa, GET_QUOTE_SUCCESS);
}

static void refuse(struct td *td, uint64_t gpa, uint64_t status,
		   const char *why)
{
	td_trace(td, "no quote: %s", why);
	put_out_len(gpa, 0);
	put_status(gpa, status);
}

/* A correct quote of a TD that is not this one, for the same report data. */
static void become_another_td(struct tdx_report *report)
{
	static const char label[] = "dstack test: another TD";
	size_t i;

	sha384(label, sizeof(label) - 1, report->mrtd);
	for (i = 0; i < TDX_RTMRS; i++)
		memset(report->rtmr[i], 0, TDX_DIGEST);
}

static void answer_late(struct td *td, uint64_t gpa, const uint8_t *quote,
			uint32_t size)
{
	struct late_quote *late;
	size_t i;

	for (i = 0; i < TD_LATE_QUOTES; i++) {
		late = &td->late[i];
		if (late->size)
			continue;
		late->data = malloc(size);
		if (!late->data)
			break;
		memcpy(late->data, quote, size);
		late->gpa = gpa;
		late->size = size;
		late->due_ms = service_clock_ms() + td->config.quote_late_ms;
		put_status(gpa, GET_QUOTE_IN_FLIGHT);
		return;
	}
	refuse(td, gpa, GET_QUOTE_UNAVAILABLE, "too many requests wait");
}

/**
 * service_deliver_late() - hand out quotes whose time has come
 * @td: the trust domain
 *
 * Guest memory can only be written from a vCPU, so this runs at each TDCALL;
 * an idle guest makes one per timer tick and vCPU at least.
 */
void service_deliver_late(struct td *td)
{
	struct late_quote *late;
	size_t i;

	for (i = 0; i < TD_LATE_QUOTES; i++) {
		late = &td->late[i];
		if (!late->size || service_clock_ms() < late->due_ms)
			continue;
		if (!td->shares ||
		    td_shared_range(td, late->gpa, DATA_OFFSET + late->size))
			put_quote(late->gpa, late->data, late->size);
		free(late->data);
		memset(late, 0, sizeof(*late));
	}
}

static bool is_late(struct td *td)
{
	struct td_config *config = &td->config;

	return config->quote_late_ms &&
		(!config->quote_slow.count ||
		 fault_strikes(&config->quote_slow));
}

static void answer(struct td *td, uint64_t gpa, uint64_t size,
		   struct tdx_report *report)
{
	uint8_t quote[QUOTE_MAX];
	int got;

	if (fault_strikes(&td->config.quote_foreign))
		become_another_td(report);
	got = quote_build(td->quoter, report, quote, sizeof(quote));
	if (got < 0 || (uint64_t)got > size - DATA_OFFSET) {
		refuse(td, gpa, GET_QUOTE_ERROR, "it cannot be made or is too large");
		return;
	}
	if (fault_strikes(&td->config.quote_corrupt))
		quote[QUOTE_SIGNATURE_OFFSET] ^= 1;
	if (is_late(td))
		answer_late(td, gpa, quote, (uint32_t)got);
	else
		put_quote(gpa, quote, (uint32_t)got);
	if (fault_strikes(&td->config.quote_huge))
		put_out_len(gpa, (uint32_t)(size - DATA_OFFSET + 1));
}

static void handle_request(struct td *td, uint64_t gpa, uint64_t size)
{
	struct tdx_quote_buf head;
	struct tdx_report report;

	if (guest_read(gpa, &head, sizeof(head)) ||
	    guest_read(gpa + DATA_OFFSET, &report, sizeof(report)))
		return;
	if (le64toh(head.version) != GET_QUOTE_VERSION ||
	    le32toh(head.in_len) != sizeof(report)) {
		refuse(td, gpa, GET_QUOTE_ERROR, "unknown request");
		return;
	}
	if (!td->quoter || fault_strikes(&td->config.quote_down)) {
		refuse(td, gpa, GET_QUOTE_UNAVAILABLE, "the service is down");
		return;
	}
	if (fault_strikes(&td->config.quote_stuck)) {
		put_status(gpa, GET_QUOTE_IN_FLIGHT);
		return;
	}
	if (fault_strikes(&td->config.quote_error)) {
		refuse(td, gpa, GET_QUOTE_ERROR, "told to fail");
		return;
	}
	if (!report_is_genuine(td, &report)) {
		refuse(td, gpa, GET_QUOTE_ERROR, "not a report of this module");
		return;
	}
	answer(td, gpa, size, &report);
}

/*
 * Linux shares memory only if it takes the CPU for an Intel one. A guest that
 * does not is still served, for the sake of a first try, and its user told.
 */
static bool shared_or_excused(struct td *td, uint64_t gpa, uint64_t size)
{
	if (td->shares)
		return (gpa & td_shared_bit(td)) &&
		       td_shared_range(td, gpa & ~td_shared_bit(td), size);
	if (!td->warned)
		fputs("tdx-module: the guest shares no memory, unlike a real TD: start QEMU with -cpu max,vendor=GenuineIntel\n",
		      stderr);
	td->warned = true;
	return true;
}

/**
 * service_get_quote() - TDG.VP.VMCALL<GetQuote>
 * @td: the trust domain
 * @gpa: the buffer, an address with the shared bit
 * @size: its size, a multiple of 4096
 *
 * Return: the call's status. The request's own is in the buffer, as for any
 * request that was understood.
 */
uint64_t service_get_quote(struct td *td, uint64_t gpa, uint64_t size)
{
	if (gpa % TDX_PAGE || !size || size % TDX_PAGE)
		return TDVMCALL_ALIGN_ERROR;
	if (!shared_or_excused(td, gpa, size))
		return TDVMCALL_INVALID_OPERAND;
	handle_request(td, gpa & ~td_shared_bit(td), size);
	return TDVMCALL_SUCCESS;
}
