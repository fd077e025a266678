// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) The dstack for Linux authors
 *
 * Claims about TDCALL and TDG.VP.VMCALL.
 */
#include "unit.h"

#include <string.h>

#include "crypto.h"

#define REPORT_GPA	0x1400
#define DATA_GPA	0x2040

/* One TDCALL whose operands are rcx and rdx only. */
static uint64_t leaf(struct td *td, uint64_t rax, uint64_t rcx, uint64_t rdx)
{
	uint64_t regs[REG_COUNT] = { [RAX] = rax, [RCX] = rcx, [RDX] = rdx };

	return call(td, regs);
}

static uint64_t hypercall(struct td *td, uint64_t function, uint64_t r12,
			  uint64_t r13)
{
	uint64_t regs[REG_COUNT] = {
		[RAX] = TDG_VP_VMCALL, [R11] = function,
		[R12] = r12, [R13] = r13,
	};

	CHECK(call(td, regs) == TDX_SUCCESS);
	return regs[R10];
}

static void vp_info_tells_width_attributes_and_vcpus(void)
{
	uint64_t regs[REG_COUNT] = { [RAX] = TDG_VP_INFO };
	struct td td;

	make_td(&td, "vcpus=3", false);
	CHECK(tdcall(&td, 2, regs) == CALL_DONE && regs[RAX] == TDX_SUCCESS);
	CHECK(regs[RCX] == 53 && regs[RDX] == TD_ATTR_SEPT_VE_DISABLE);
	CHECK(regs[R8] == (3ull << 32 | 3) && regs[R9] == 2);
	td_exit(&td);
}

static void unknown_leaves_are_refused_by_rax(void)
{
	struct td td;

	make_td(&td, "", false);
	CHECK(leaf(&td, 99, 0, 0) == TDX_OPERAND_INVALID);
	CHECK(leaf(&td, TDG_VP_VEINFO_GET, 0, 0) == TDX_NO_VALID_VE_INFO);
	td_exit(&td);
}

static void report_has_the_data_and_is_genuine(void)
{
	struct tdx_report report;
	struct td td;

	make_td(&td, "", false);
	memset(guest_memory + DATA_GPA, 0xa5, 64);
	CHECK(leaf(&td, TDG_MR_REPORT, REPORT_GPA, DATA_GPA) == TDX_SUCCESS);
	memcpy(&report, guest_memory + REPORT_GPA, sizeof(report));
	CHECK(report.type[0] == 0x81 && report.report_data[63] == 0xa5);
	CHECK(!memcmp(report.mrtd, td.config.mrtd, TDX_DIGEST));
	CHECK(report_is_genuine(&td, &report));
	td_exit(&td);
}

static void misplaced_report_operands_are_refused_by_name(void)
{
	uint64_t regs[REG_COUNT] = {
		[RAX] = TDG_MR_REPORT, [RCX] = REPORT_GPA, [RDX] = DATA_GPA,
		[R8] = 1,
	};
	struct td td;

	make_td(&td, "", false);
	CHECK(leaf(&td, TDG_MR_REPORT, REPORT_GPA + 512, DATA_GPA) ==
	      (TDX_OPERAND_INVALID | TDX_OPERAND_RCX));
	CHECK(leaf(&td, TDG_MR_REPORT, REPORT_GPA, DATA_GPA + 32) ==
	      (TDX_OPERAND_INVALID | TDX_OPERAND_RDX));
	CHECK(leaf(&td, TDG_MR_REPORT, REPORT_GPA | SHARED, DATA_GPA) ==
	      (TDX_OPERAND_INVALID | TDX_OPERAND_RCX));
	CHECK(leaf(&td, TDG_MR_REPORT, REPORT_GPA, GUEST_MEMORY) ==
	      (TDX_OPERAND_INVALID | TDX_OPERAND_RDX));
	CHECK(leaf(&td, TDG_MR_REPORT, GUEST_MEMORY, DATA_GPA) ==
	      (TDX_OPERAND_INVALID | TDX_OPERAND_RCX));
	CHECK(call(&td, regs) == (TDX_OPERAND_INVALID | TDX_OPERAND_R8));
	td_exit(&td);
}

static void extend_is_sha384_of_register_and_data(void)
{
	uint8_t both[96] = { 0 }, expect[48];
	struct td td;

	make_td(&td, "", false);
	memset(guest_memory + DATA_GPA, 7, 48);
	memset(both + 48, 7, 48);
	sha384(both, sizeof(both), expect);
	CHECK(leaf(&td, TDG_MR_RTMR_EXTEND, DATA_GPA, 3) == TDX_SUCCESS);
	CHECK(!memcmp(td.rtmr[3], expect, 48));
	CHECK(!memcmp(td.rtmr[2], td.config.rtmr[2], 48));
	td_exit(&td);
}

static void bad_extends_change_nothing(void)
{
	struct td td;

	make_td(&td, "extend-busy=1@3 extend-invalid=1@3", false);
	CHECK(leaf(&td, TDG_MR_RTMR_EXTEND, DATA_GPA, 4) ==
	      (TDX_OPERAND_INVALID | TDX_OPERAND_RDX));
	CHECK(leaf(&td, TDG_MR_RTMR_EXTEND, DATA_GPA + 8, 3) ==
	      (TDX_OPERAND_INVALID | TDX_OPERAND_RCX));
	CHECK(leaf(&td, TDG_MR_RTMR_EXTEND, DATA_GPA | SHARED, 3) ==
	      (TDX_OPERAND_INVALID | TDX_OPERAND_RCX));
	CHECK(leaf(&td, TDG_MR_RTMR_EXTEND, DATA_GPA, 3) == TDX_OPERAND_BUSY);
	CHECK(leaf(&td, TDG_MR_RTMR_EXTEND, DATA_GPA, 3) ==
	      (TDX_OPERAND_INVALID | TDX_OPERAND_RCX));
	CHECK(!memcmp(td.rtmr, td.config.rtmr, sizeof(td.rtmr)));
	CHECK(leaf(&td, TDG_MR_RTMR_EXTEND, DATA_GPA, 3) == TDX_SUCCESS);
	td_exit(&td);
}

static void metadata_fields_keep_what_is_written(void)
{
	uint64_t regs[REG_COUNT] = {
		[RAX] = TDG_VM_WR, [RDX] = TDCS_TD_CTLS,
		[R8] = 0xff, [R9] = 0xc,
	};
	struct td td;

	make_td(&td, "", false);
	CHECK(call(&td, regs) == TDX_SUCCESS && regs[R8] == 0);
	regs[RAX] = TDG_VM_RD;
	regs[RDX] = TDCS_TD_CTLS;
	CHECK(call(&td, regs) == TDX_SUCCESS && regs[R8] == 0xc);
	CHECK(leaf(&td, TDG_VM_RD, 0, 0x1234) ==
	      (TDX_METADATA_FIELD_ID_INCORRECT | TDX_OPERAND_RDX));
	CHECK(leaf(&td, TDG_VM_WR, 0, TDCS_CONFIG_FLAGS) ==
	      (TDX_METADATA_FIELD_NOT_WRITABLE | TDX_OPERAND_RDX));
	CHECK(leaf(&td, TDG_VM_RD, 1, TDCS_TD_CTLS) ==
	      (TDX_OPERAND_INVALID | TDX_OPERAND_RCX));
	td_exit(&td);
}

static void pages_are_accepted_once_and_come_back_empty(void)
{
	struct td td;

	make_td(&td, "", false);
	memset(guest_memory + 0x3000, 0xee, 0x1000);
	CHECK(leaf(&td, TDG_MEM_PAGE_ACCEPT, 0x3000, 0) ==
	      TDX_PAGE_ALREADY_ACCEPTED);
	CHECK(guest_memory[0x3000] == 0xee);
	CHECK(!hypercall(&td, TDVMCALL_MAP_GPA, 0x3000 | SHARED, 0x1000));
	CHECK(td_shared_range(&td, 0x3000, 0x1000));
	CHECK(!hypercall(&td, TDVMCALL_MAP_GPA, 0x3000, 0x1000));
	CHECK(!td_shared_range(&td, 0x3000, 0x1000));
	CHECK(leaf(&td, TDG_MEM_PAGE_ACCEPT, 0x3000, 0) == TDX_SUCCESS);
	CHECK(guest_memory[0x3000] == 0 && guest_memory[0x3fff] == 0);
	CHECK(leaf(&td, TDG_MEM_PAGE_ACCEPT, 0x3000, 0) ==
	      TDX_PAGE_ALREADY_ACCEPTED);
	td_exit(&td);
}

static void large_pages_are_accepted_whole_or_not_at_all(void)
{
	struct td td;

	make_td(&td, "", false);
	CHECK(!hypercall(&td, TDVMCALL_MAP_GPA, SHARED, 0x1ff000));
	CHECK(!hypercall(&td, TDVMCALL_MAP_GPA, 0, 0x1ff000));
	CHECK(leaf(&td, TDG_MEM_PAGE_ACCEPT, 1, 0) ==
	      (TDX_PAGE_SIZE_MISMATCH | TDX_OPERAND_RCX));
	CHECK(leaf(&td, TDG_MEM_PAGE_ACCEPT, 0x1001, 0) ==
	      (TDX_OPERAND_INVALID | TDX_OPERAND_RCX));
	CHECK(leaf(&td, TDG_MEM_PAGE_ACCEPT, 2, 0) ==
	      (TDX_OPERAND_INVALID | TDX_OPERAND_RCX));
	td_exit(&td);
}

static void mapping_is_checked_and_bounded(void)
{
	const uint64_t end = (uint64_t)TD_PAGES * TDX_PAGE;
	struct td td;

	make_td(&td, "", false);
	CHECK(hypercall(&td, TDVMCALL_MAP_GPA, 0x3010, 0x1000) ==
	      TDVMCALL_ALIGN_ERROR);
	CHECK(hypercall(&td, TDVMCALL_MAP_GPA, 0x3000, 0x10) ==
	      TDVMCALL_ALIGN_ERROR);
	CHECK(hypercall(&td, TDVMCALL_MAP_GPA, 0x3000, 0) ==
	      TDVMCALL_INVALID_OPERAND);
	CHECK(hypercall(&td, TDVMCALL_MAP_GPA, end, 0x1000) ==
	      TDVMCALL_INVALID_OPERAND);
	CHECK(hypercall(&td, TDVMCALL_MAP_GPA, 0x1000, ~0xfffull) ==
	      TDVMCALL_INVALID_OPERAND);
	CHECK(!hypercall(&td, TDVMCALL_MAP_GPA, end - 0x1000, 0x1000));
	td_exit(&td);
}

static void halt_idles(void)
{
	uint64_t regs[REG_COUNT] = { [R11] = TDVMCALL_HLT };
	struct td td;

	make_td(&td, "", false);
	CHECK(tdcall(&td, 0, regs) == CALL_IDLE && !regs[R10]);
	td_exit(&td);
}

static void unknown_hypercalls_are_refused(void)
{
	uint64_t regs[REG_COUNT] = { [R10] = 1, [R11] = TDVMCALL_HLT };
	struct td td;

	make_td(&td, "", false);
	CHECK(hypercall(&td, 31, 0, 0) == TDVMCALL_INVALID_OPERAND);
	CHECK(call(&td, regs) == TDX_SUCCESS);
	CHECK(regs[R10] == TDVMCALL_INVALID_OPERAND);
	td_exit(&td);
}

static void ports_read_as_an_empty_bus(void)
{
	uint64_t regs[REG_COUNT] = {
		[R11] = TDVMCALL_IO, [R12] = 1, [R13] = 0, [R14] = 0x3f8,
	};
	struct td td;

	make_td(&td, "", false);
	CHECK(call(&td, regs) == TDX_SUCCESS && !regs[R10]);
	CHECK(regs[R11] == 0xff);
	CHECK(hypercall(&td, TDVMCALL_IO, 3, 0) == TDVMCALL_INVALID_OPERAND);
	td_exit(&td);
}

#define CLAIM(name) { #name, name }

const struct claim call_claims[] = {
	CLAIM(vp_info_tells_width_attributes_and_vcpus),
	CLAIM(unknown_leaves_are_refused_by_rax),
	CLAIM(report_has_the_data_and_is_genuine),
	CLAIM(misplaced_report_operands_are_refused_by_name),
	CLAIM(extend_is_sha384_of_register_and_data),
	CLAIM(bad_extends_change_nothing),
	CLAIM(metadata_fields_keep_what_is_written),
	CLAIM(pages_are_accepted_once_and_come_back_empty),
	CLAIM(large_pages_are_accepted_whole_or_not_at_all),
	CLAIM(mapping_is_checked_and_bounded),
	CLAIM(halt_idles),
	CLAIM(unknown_hypercalls_are_refused),
	CLAIM(ports_read_as_an_empty_bus),
	{ NULL, NULL },
};
