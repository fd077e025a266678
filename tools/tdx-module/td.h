/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Copyright (C) The dstack for Linux authors
 *
 * The one trust domain that the module keeps, and the calls on it.
 *
 * Nothing here knows QEMU: guest registers are a plain array and guest memory
 * is reached through guest_read() and guest_write(), which main.c provides in
 * the plugin and test/unit.c in the tests.
 */
#ifndef TDX_TD_H
#define TDX_TD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "quote.h"
#include "tdx.h"

/* A guest's general registers, in the order of their x86 encoding. */
enum reg {
	RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI,
	R8, R9, R10, R11, R12, R13, R14, R15,
	REG_COUNT
};

/* What is left to do with the vCPU after a call. */
enum call_result {
	CALL_DONE,
	CALL_IDLE,		/* the guest has nothing to run on this vCPU */
	CALL_STOP,		/* the guest declared itself dead */
};

/**
 * struct fault - calls of one kind that are to fail
 * @after: that many calls succeed first
 * @count: that many fail then
 * @seen: calls so far
 */
struct fault {
	uint64_t after;
	uint64_t count;
	uint64_t seen;
};

/**
 * struct td_config - what the plugin's arguments say
 *
 * Digests of a TD that no argument named are those of labels (args.c), so
 * that a mix-up of two registers is visible.
 */
struct td_config {
	char *pki;
	uint8_t mrtd[TDX_DIGEST];
	uint8_t mrconfigid[TDX_DIGEST];
	uint8_t mrowner[TDX_DIGEST];
	uint8_t mrownerconfig[TDX_DIGEST];
	uint8_t rtmr[TDX_RTMRS][TDX_DIGEST];
	uint64_t attributes;
	uint64_t xfam;
	uint64_t gpa_width;
	uint64_t vcpus;
	uint64_t idle_us;		/* longest sleep in HLT, 0: none */
	uint64_t quote_late_ms;
	bool debug;
	struct fault report_busy;
	struct fault report_invalid;
	struct fault extend_busy;
	struct fault extend_invalid;
	struct fault quote_stuck;
	struct fault quote_huge;
	struct fault quote_corrupt;
	struct fault quote_foreign;
	struct fault quote_error;
	struct fault quote_down;
	struct fault quote_slow;	/* which are late; none: all */
};

/* Pages below this may be shared with the host: 64 GiB. */
#define TD_PAGES		(1u << 24)
#define TD_LATE_QUOTES		8

struct late_quote {
	uint64_t gpa;
	uint64_t due_ms;
	uint32_t size;			/* 0: slot is free */
	uint8_t *data;
};

/**
 * struct td - the trust domain
 * @config: its arguments, faults counted down in place
 * @rtmr: run-time measurement registers
 * @mac_key: makes TDREPORTs of this run recognisable, as the CPU's key does
 * @td_ctls: TDCS.TD_CTLS
 * @notify_enables: TDCS.NOTIFY_ENABLES
 * @shared: one bit per page the guest shared by MapGPA
 * @pending: one bit per page taken back but not yet accepted
 * @shares: the guest has called MapGPA
 * @warned: the user was told that it should have
 * @quoter: signs quotes; NULL when no PKI was given
 * @late: quotes the guest waits for
 *
 * One lock in main.c covers all of it; functions here expect it held.
 */
struct td {
	struct td_config config;
	uint8_t rtmr[TDX_RTMRS][TDX_DIGEST];
	uint8_t mac_key[32];
	uint64_t td_ctls;
	uint64_t notify_enables;
	uint8_t *shared;
	uint8_t *pending;
	bool shares;
	bool warned;
	struct quoter *quoter;
	struct late_quote late[TD_LATE_QUOTES];
};

/* td.c */
int td_init(struct td *td, const struct td_config *config);
void td_exit(struct td *td);
uint64_t td_shared_bit(const struct td *td);
bool td_private_gpa(const struct td *td, uint64_t gpa, uint64_t align);
bool td_shared_range(const struct td *td, uint64_t gpa, uint64_t size);
uint64_t td_map_gpa(struct td *td, uint64_t gpa, uint64_t size);
uint64_t td_accept_page(struct td *td, uint64_t gpa_and_level);
bool fault_strikes(struct fault *fault);
void td_trace(const struct td *td, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* args.c */
void config_defaults(struct td_config *config, unsigned int vcpus);
int config_parse(struct td_config *config, int argc, char **argv);
void config_free(struct td_config *config);

/* report.c */
void report_build(const struct td *td, const uint8_t data[TDX_REPORT_DATA],
		  struct tdx_report *report);
bool report_is_genuine(const struct td *td, const struct tdx_report *report);

/* tdcall.c, tdvmcall.c, service.c */
enum call_result tdcall(struct td *td, unsigned int vcpu,
			uint64_t regs[REG_COUNT]);
enum call_result tdvmcall(struct td *td, uint64_t regs[REG_COUNT]);
uint64_t service_get_quote(struct td *td, uint64_t gpa, uint64_t size);
void service_deliver_late(struct td *td);
uint64_t service_clock_ms(void);

/* Provided by whoever holds the guest. Return: 0 or -EFAULT. */
int guest_read(uint64_t gpa, void *data, size_t size);
int guest_write(uint64_t gpa, const void *data, size_t size);

#endif
