/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Copyright (C) The dstack for Linux authors
 *
 * Numbers and layouts of the TDX module and its quotes that guests see.
 *
 * Sources: Intel TDX Module ABI specification, the Guest-Host Communication
 * Interface (GHCI), and the TDX DCAP quoting library's quote format. All
 * integers are little-endian in memory.
 */
#ifndef TDX_TDX_H
#define TDX_TDX_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#define TDX_CPUID_LEAF		0x21
#define TDX_PAGE		4096u
#define TDX_DIGEST		48u	/* SHA-384 */
#define TDX_REPORT_DATA		64u
#define TDX_RTMRS		4u
#define TDX_TEE_TYPE		0x81

enum tdcall_leaf {
	TDG_VP_VMCALL		= 0,
	TDG_VP_INFO		= 1,
	TDG_MR_RTMR_EXTEND	= 2,
	TDG_VP_VEINFO_GET	= 3,
	TDG_MR_REPORT		= 4,
	TDG_MEM_PAGE_ACCEPT	= 6,
	TDG_VM_RD		= 7,
	TDG_VM_WR		= 8,
};

/* Completion status of a TDCALL; the low half names the operand at fault. */
#define TDX_SUCCESS			0ull
#define TDX_OPERAND_INVALID		0xc000010000000000ull
#define TDX_OPERAND_BUSY		0x8000020000000000ull
#define TDX_NO_VALID_VE_INFO		0xc000070400000000ull
#define TDX_PAGE_ALREADY_ACCEPTED	0x00000b0a00000000ull
#define TDX_PAGE_SIZE_MISMATCH		0xc0000b0b00000000ull
#define TDX_METADATA_FIELD_ID_INCORRECT	0xc0000c0000000000ull
#define TDX_METADATA_FIELD_NOT_WRITABLE	0xc0000c0200000000ull

enum tdx_operand {
	TDX_OPERAND_RAX = 0,
	TDX_OPERAND_RCX = 1,
	TDX_OPERAND_RDX = 2,
	TDX_OPERAND_R8	= 8,
};

/* Sub-functions of TDG.VP.VMCALL, in r11. */
enum tdvmcall {
	TDVMCALL_HLT			= 12,
	TDVMCALL_IO			= 30,
	TDVMCALL_GET_INFO		= 0x10000,
	TDVMCALL_MAP_GPA		= 0x10001,
	TDVMCALL_GET_QUOTE		= 0x10002,
	TDVMCALL_REPORT_FATAL_ERROR	= 0x10003,
};

#define TDVMCALL_SUCCESS		0ull
#define TDVMCALL_INVALID_OPERAND	0x8000000000000000ull
#define TDVMCALL_ALIGN_ERROR		0x8000000000000002ull

/* Attributes of a TD. */
#define TD_ATTR_DEBUG			(1ull << 0)
#define TD_ATTR_SEPT_VE_DISABLE		(1ull << 28)

/* Metadata fields that guests read or write by TDG.VM.RD and TDG.VM.WR. */
#define TDCS_NOTIFY_ENABLES		0x9100000000000010ull
#define TDCS_TOPOLOGY_ENUM_CONFIGURED	0x9100000000000019ull
#define TDCS_CONFIG_FLAGS		0x1110000300000016ull
#define TDCS_TD_CTLS			0x1110000300000017ull

/* TDREPORT_STRUCT, what TDG.MR.REPORT writes. */
struct tdx_report {
	uint8_t type[4];		/* type, subtype, version, 0 */
	uint8_t reserved1[12];
	uint8_t cpusvn[16];
	uint8_t tcb_info_hash[48];	/* SHA-384 of tcb_* below */
	uint8_t td_info_hash[48];	/* SHA-384 of attributes onward */
	uint8_t report_data[64];
	uint8_t reserved2[32];
	uint8_t mac[32];		/* over everything before it */
	uint8_t tcb_valid[8];
	uint8_t tcb_svn[16];
	uint8_t tcb_mrseam[48];
	uint8_t tcb_mrsignerseam[48];
	uint8_t tcb_attributes[8];
	uint8_t tcb_reserved[111];
	uint8_t reserved3[17];
	uint8_t attributes[8];
	uint8_t xfam[8];
	uint8_t mrtd[48];
	uint8_t mrconfigid[48];
	uint8_t mrowner[48];
	uint8_t mrownerconfig[48];
	uint8_t rtmr[4][48];
	uint8_t servtd_hash[48];
	uint8_t td_reserved[64];
};

#define TDX_REPORT_TCB_INFO_SIZE	239
#define TDX_REPORT_TD_INFO_SIZE		512

static_assert(sizeof(struct tdx_report) == 1024, "TDREPORT_STRUCT");
static_assert(offsetof(struct tdx_report, report_data) == 128, "REPORTDATA");
static_assert(offsetof(struct tdx_report, mac) == 224, "MAC");
static_assert(offsetof(struct tdx_report, reserved3) ==
	      256 + TDX_REPORT_TCB_INFO_SIZE, "TEE_TCB_INFO");
static_assert(offsetof(struct tdx_report, attributes) == 512, "TDINFO");
static_assert(offsetof(struct tdx_report, rtmr) == 720, "RTMR");

/* Head of the buffer that TDVMCALL_GET_QUOTE shares with the host. */
struct tdx_quote_buf {
	uint64_t version;
	uint64_t status;
	uint32_t in_len;
	uint32_t out_len;
};

#define GET_QUOTE_VERSION		1
#define GET_QUOTE_SUCCESS		0ull
#define GET_QUOTE_IN_FLIGHT		0xffffffffffffffffull
#define GET_QUOTE_ERROR			0x8000000000000000ull
#define GET_QUOTE_UNAVAILABLE		0x8000000000000001ull

/* Quote, version 4: header and TD report, the part that is signed. */
struct tdx_quote_header {
	uint8_t version[2];
	uint8_t att_key_type[2];
	uint8_t tee_type[4];
	uint8_t reserved[4];
	uint8_t qe_vendor[16];
	uint8_t user_data[20];
};

struct tdx_quote_body {
	uint8_t tee_tcb_svn[16];
	uint8_t mrseam[48];
	uint8_t mrsignerseam[48];
	uint8_t seamattributes[8];
	uint8_t tdattributes[8];
	uint8_t xfam[8];
	uint8_t mrtd[48];
	uint8_t mrconfigid[48];
	uint8_t mrowner[48];
	uint8_t mrownerconfig[48];
	uint8_t rtmr[4][48];
	uint8_t report_data[64];
};

/* Report of the quoting enclave, signed by the PCK. */
struct sgx_report_body {
	uint8_t cpusvn[16];
	uint8_t miscselect[4];
	uint8_t reserved1[28];
	uint8_t attributes[16];
	uint8_t mrenclave[32];
	uint8_t reserved2[32];
	uint8_t mrsigner[32];
	uint8_t reserved3[96];
	uint8_t isvprodid[2];
	uint8_t isvsvn[2];
	uint8_t reserved4[60];
	uint8_t report_data[64];
};

static_assert(sizeof(struct tdx_quote_header) == 48, "quote header");
static_assert(sizeof(struct tdx_quote_body) == 584, "TD report 1.0");
static_assert(sizeof(struct sgx_report_body) == 384, "SGX report body");

#define QUOTE_KEY_ECDSA_P256		2
#define QUOTE_CERT_PCK_CHAIN		5
#define QUOTE_CERT_QE_REPORT		6
#define QUOTE_QE_AUTH_SIZE		32

#endif
