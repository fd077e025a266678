// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) The dstack for Linux authors
 *
 * TDCALL: the leaves that a guest kernel uses, with the module's checks.
 */
#include "td.h"

#include <inttypes.h>
#include <string.h>

#include "crypto.h"

#define REPORT_ALIGN		1024
#define REPORT_DATA_ALIGN	64
#define EXTEND_DATA_ALIGN	64
#define LAST_FIELD		UINT64_MAX

static uint64_t vp_info(struct td *td, unsigned int vcpu, uint64_t *regs)
{
	regs[RCX] = td->config.gpa_width;
	regs[RDX] = td->config.attributes;
	regs[R8] = td->config.vcpus | td->config.vcpus << 32;
	regs[R9] = vcpu;
	regs[R10] = 0;
	regs[R11] = 0;
	return TDX_SUCCESS;
}

static uint64_t mr_report(struct td *td, const uint64_t *regs)
{
	uint8_t data[TDX_REPORT_DATA];
	struct tdx_report report;

	if (fault_strikes(&td->config.report_busy))
		return TDX_OPERAND_BUSY;
	if (fault_strikes(&td->config.report_invalid))
		return TDX_OPERAND_INVALID | TDX_OPERAND_RCX;
	if (!td_private_gpa(td, regs[RCX], REPORT_ALIGN))
		return TDX_OPERAND_INVALID | TDX_OPERAND_RCX;
	if (!td_private_gpa(td, regs[RDX], REPORT_DATA_ALIGN))
		return TDX_OPERAND_INVALID | TDX_OPERAND_RDX;
	if (regs[R8])
		return TDX_OPERAND_INVALID | TDX_OPERAND_R8;
	if (guest_read(regs[RDX], data, sizeof(data)))
		return TDX_OPERAND_INVALID | TDX_OPERAND_RDX;
	report_build(td, data, &report);
	if (guest_write(regs[RCX], &report, sizeof(report)))
		return TDX_OPERAND_INVALID | TDX_OPERAND_RCX;
	return TDX_SUCCESS;
}

static uint64_t rtmr_extend(struct td *td, const uint64_t *regs)
{
	uint8_t data[TDX_DIGEST];

	if (fault_strikes(&td->config.extend_busy))
		return TDX_OPERAND_BUSY;
	if (fault_strikes(&td->config.extend_invalid))
		return TDX_OPERAND_INVALID | TDX_OPERAND_RCX;
	if (!td_private_gpa(td, regs[RCX], EXTEND_DATA_ALIGN))
		return TDX_OPERAND_INVALID | TDX_OPERAND_RCX;
	if (regs[RDX] >= TDX_RTMRS)
		return TDX_OPERAND_INVALID | TDX_OPERAND_RDX;
	if (guest_read(regs[RCX], data, sizeof(data)))
		return TDX_OPERAND_INVALID | TDX_OPERAND_RCX;
	sha384_extend(td->rtmr[regs[RDX]], data);
	return TDX_SUCCESS;
}

/* Return: whether the field exists; *writable is NULL when it is constant. */
static bool find_field(struct td *td, uint64_t id, uint64_t *value,
		       uint64_t **writable)
{
	*writable = NULL;
	switch (id) {
	case TDCS_NOTIFY_ENABLES:
		*writable = &td->notify_enables;
		break;
	case TDCS_TD_CTLS:
		*writable = &td->td_ctls;
		break;
	case TDCS_CONFIG_FLAGS:
		*value = 0;
		return true;
	case TDCS_TOPOLOGY_ENUM_CONFIGURED:
		*value = 1;
		return true;
	default:
		return false;
	}
	*value = **writable;
	return true;
}

static uint64_t vm_read_write(struct td *td, uint64_t *regs, bool write)
{
	uint64_t id = regs[RDX], value, mask = regs[R9];
	uint64_t *field;

	if (regs[RCX])
		return TDX_OPERAND_INVALID | TDX_OPERAND_RCX;
	if (!find_field(td, id, &value, &field))
		return TDX_METADATA_FIELD_ID_INCORRECT | TDX_OPERAND_RDX;
	if (write && !field)
		return TDX_METADATA_FIELD_NOT_WRITABLE | TDX_OPERAND_RDX;
	if (write)
		*field = (value & ~mask) | (regs[R8] & mask);
	else
		regs[RDX] = LAST_FIELD;
	regs[R8] = value;
	return TDX_SUCCESS;
}

static uint64_t leaf_status(struct td *td, unsigned int vcpu, uint64_t *regs)
{
	switch (regs[RAX]) {
	case TDG_VP_INFO:
		return vp_info(td, vcpu, regs);
	case TDG_MR_RTMR_EXTEND:
		return rtmr_extend(td, regs);
	case TDG_VP_VEINFO_GET:
		/* Shared and private memory alias, so no #VE is ever raised. */
		return TDX_NO_VALID_VE_INFO;
	case TDG_MR_REPORT:
		return mr_report(td, regs);
	case TDG_MEM_PAGE_ACCEPT:
		return td_accept_page(td, regs[RCX]);
	case TDG_VM_RD:
		return vm_read_write(td, regs, false);
	case TDG_VM_WR:
		return vm_read_write(td, regs, true);
	default:
		return TDX_OPERAND_INVALID | TDX_OPERAND_RAX;
	}
}

/**
 * tdcall() - do what TDCALL does
 * @td: the trust domain
 * @vcpu: index of the calling vCPU
 * @regs: its registers, changed as the instruction would
 *
 * Return: what the vCPU does next.
 */
enum call_result tdcall(struct td *td, unsigned int vcpu,
			uint64_t regs[REG_COUNT])
{
	uint64_t leaf = regs[RAX], rcx = regs[RCX], rdx = regs[RDX];

	service_deliver_late(td);
	if (leaf == TDG_VP_VMCALL)
		return tdvmcall(td, regs);
	regs[RAX] = leaf_status(td, vcpu, regs);
	td_trace(td, "vcpu %u leaf %" PRIu64 " rcx %#" PRIx64 " rdx %#" PRIx64
		 ": %#" PRIx64, vcpu, leaf, rcx, rdx, regs[RAX]);
	return CALL_DONE;
}
