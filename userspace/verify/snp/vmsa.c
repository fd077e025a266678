// SPDX-License-Identifier: MIT
/*
 * The state in which a virtual CPU begins
 *
 * Copyright The dstack for Linux authors
 *
 * Save area: AMD64 Architecture Programmer's Manual, volume 2, appendix B.
 * What is in it differs with the VMM, and is measured.
 */
#include "launch.h"

#include <string.h>

#define RESET_EIP	0xfffffff0U	/* of the first CPU */

enum {
	AT_ES = 0x00, AT_CS = 0x10, AT_SS = 0x20, AT_DS = 0x30, AT_FS = 0x40,
	AT_GS = 0x50, AT_GDTR = 0x60, AT_LDTR = 0x70, AT_IDTR = 0x80,
	AT_TR = 0x90, AT_EFER = 0xd0, AT_CR4 = 0x148, AT_CR0 = 0x158,
	AT_DR7 = 0x160, AT_DR6 = 0x168, AT_RFLAGS = 0x170, AT_RIP = 0x178,
	AT_PAT = 0x268, AT_RDX = 0x310, AT_FEATURES = 0x3b0, AT_XCR0 = 0x3e8,
	AT_MXCSR = 0x408, AT_X87_FCW = 0x410,
};

static void put(uint8_t *p, uint64_t value, int bytes)
{
	for (; bytes--; value >>= 8)
		*p++ = value;
}

/* All of them have the limit of real mode. */
static void put_segment(uint8_t *p, uint16_t selector, uint16_t attributes,
			uint64_t base)
{
	put(p, selector, 2);
	put(p + 2, attributes, 2);
	put(p + 4, 0xffff, 4);
	put(p + 8, base, 8);
}

static void put_segments(uint8_t *page, bool ec2, uint32_t eip)
{
	put_segment(page + AT_ES, 0, 0x93, 0);
	put_segment(page + AT_CS, 0xf000, ec2 && eip == RESET_EIP ? 0x9a : 0x9b,
		    eip & 0xffff0000);
	put_segment(page + AT_SS, 0, ec2 ? 0x92 : 0x93, 0);
	put_segment(page + AT_DS, 0, 0x93, 0);
	put_segment(page + AT_FS, 0, 0x93, 0);
	put_segment(page + AT_GS, 0, 0x93, 0);
	put_segment(page + AT_GDTR, 0, 0, 0);
	put_segment(page + AT_LDTR, 0, 0x82, 0);
	put_segment(page + AT_IDTR, 0, 0, 0);
	put_segment(page + AT_TR, 0, ec2 ? 0x83 : 0x8b, 0);
}

void launch_vmsa(const struct libdstack_snp_guest *guest, uint32_t eip,
		 uint8_t page[LAUNCH_PAGE])
{
	const bool ec2 = guest->vmm == LIBDSTACK_SNP_EC2;

	memset(page, 0, LAUNCH_PAGE);
	put_segments(page, ec2, eip);
	put(page + AT_EFER, 0x1000, 8);		/* SVME */
	put(page + AT_CR4, 0x40, 8);		/* MCE */
	put(page + AT_CR0, 0x10, 8);		/* ET */
	put(page + AT_DR7, 0x400, 8);
	put(page + AT_DR6, 0xffff0ff0, 8);
	put(page + AT_RFLAGS, 2, 8);
	put(page + AT_RIP, eip & 0xffff, 8);
	put(page + AT_PAT, 0x7040600070406, 8);
	put(page + AT_FEATURES, guest->features, 8);
	put(page + AT_XCR0, 1, 8);
	if (ec2)
		return;
	put(page + AT_RDX, guest->cpu_signature, 8);
	put(page + AT_MXCSR, 0x1f80, 4);
	put(page + AT_X87_FCW, 0x37f, 2);
}
