/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Copyright (C) The dstack for Linux authors
 *
 * Unit tests: a table of claims, a guest's memory, and a TD to call.
 */
#ifndef TDX_TEST_UNIT_H
#define TDX_TEST_UNIT_H

#include <stdbool.h>
#include <stddef.h>

#include "td.h"

#define GUEST_MEMORY	(1u << 20)
#define SHARED		(1ull << 52)

struct claim {
	const char *name;
	void (*test)(void);
};

extern const struct claim arg_claims[], call_claims[], quote_claims[];

extern uint8_t guest_memory[GUEST_MEMORY];
extern const char *test_pki;

/* Notes a failure of the running claim, with the place. */
void unit_fail(const char *file, int line, const char *what);
#define CHECK(condition) \
	((condition) ? (void)0 : unit_fail(__FILE__, __LINE__, #condition))

/* Parses arguments given as one string, separated by blanks, quietly. */
int parse_quietly(struct td_config *config, const char *arguments);

/* A TD made with arguments; with_pki adds the quote service. */
void make_td(struct td *td, const char *arguments, bool with_pki);

/* One TDCALL; returns rax, and all registers in regs. */
uint64_t call(struct td *td, uint64_t regs[REG_COUNT]);

#endif
