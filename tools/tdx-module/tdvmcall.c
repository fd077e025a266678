// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) The dstack for Linux authors
 *
 * TDG.VP.VMCALL: what the guest asks of the host, of which this plugin plays
 * the part that a TD cannot do without.
 */
#include "td.h"

#include <endian.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define FATAL_TEXT_REGS	8

/*
 * The text comes in registers, eight bytes each, in the GHCI's order; it need
 * not end in NUL and the guest is not to be trusted with a terminal.
 */
static void print_fatal_error(const uint64_t *regs)
{
	static const enum reg order[FATAL_TEXT_REGS] = {
		R14, R15, RBX, RDI, RSI, R8, R9, RDX
	};
	char text[FATAL_TEXT_REGS * 8 + 1];
	uint64_t word;
	size_t i;

	for (i = 0; i < FATAL_TEXT_REGS; i++) {
		word = htole64(regs[order[i]]);
		memcpy(text + i * 8, &word, sizeof(word));
	}
	text[sizeof(text) - 1] = '\0';
	for (i = 0; text[i]; i++)
		if (text[i] < ' ' || text[i] > '~')
			text[i] = '?';
	fprintf(stderr,
		"tdx-module: the guest reports a fatal error, code %#" PRIx64
		": %s\n", regs[R12], text);
}

/*
 * Before its #VE handler exists a kernel writes to the serial port by this
 * call. Nothing answers behind it: reads give what an empty bus gives.
 */
static uint64_t port_io(uint64_t *regs)
{
	bool write = regs[R13];

	if (regs[R12] != 1 && regs[R12] != 2 && regs[R12] != 4)
		return TDVMCALL_INVALID_OPERAND;
	if (!write)
		regs[R11] = UINT32_MAX >> (32 - 8 * regs[R12]);
	return TDVMCALL_SUCCESS;
}

static uint64_t get_info(uint64_t *regs)
{
	if (regs[R12])
		return TDVMCALL_INVALID_OPERAND;
	regs[R11] = 0;
	regs[R12] = 0;
	regs[R13] = 0;
	regs[R14] = 0;
	return TDVMCALL_SUCCESS;
}

/**
 * tdvmcall() - do what the host does for TDG.VP.VMCALL
 * @td: the trust domain
 * @regs: the vCPU's registers; rax and r10 get the two statuses
 *
 * Return: what the vCPU does next.
 */
enum call_result tdvmcall(struct td *td, uint64_t regs[REG_COUNT])
{
	uint64_t function = regs[R11], r12 = regs[R12], r13 = regs[R13];
	uint64_t status = TDVMCALL_INVALID_OPERAND;

	regs[RAX] = TDX_SUCCESS;
	/* A number in r10 asks for another host's private interface. */
	if (regs[R10])
		function = UINT64_MAX;
	switch (function) {
	case TDVMCALL_HLT:
		regs[R10] = TDVMCALL_SUCCESS;
		return CALL_IDLE;
	case TDVMCALL_IO:
		status = port_io(regs);
		break;
	case TDVMCALL_GET_INFO:
		status = get_info(regs);
		break;
	case TDVMCALL_MAP_GPA:
		status = td_map_gpa(td, r12, r13);
		break;
	case TDVMCALL_GET_QUOTE:
		status = service_get_quote(td, r12, r13);
		break;
	case TDVMCALL_REPORT_FATAL_ERROR:
		print_fatal_error(regs);
		return CALL_STOP;
	}
	regs[R10] = status;
	td_trace(td, "vmcall %#" PRIx64 " r12 %#" PRIx64 " r13 %#" PRIx64
		 ": %#" PRIx64, function, r12, r13, status);
	return CALL_DONE;
}
