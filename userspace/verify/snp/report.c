// SPDX-License-Identifier: MIT
/*
 * Take a report apart
 *
 * Copyright The dstack for Linux authors
 *
 * All integers are little-endian.  Fields of later versions lie where earlier
 * ones have zeros.
 */
#include "snp.h"

#include <stddef.h>
#include <string.h>

#define ALGORITHM_ECDSA_P384	1
#define FLAG_AUTHOR_KEY		1U
#define FLAG_MASK_CHIP_KEY	2U	/* then there is no signature */
#define SIGNER(flags)		((flags) >> 2 & 7)
#define SIGNER_VCEK		0
#define SIGNER_VLEK		1

enum {
	AT_VERSION = 0, AT_GUEST_SVN = 4, AT_POLICY = 8, AT_VMPL = 0x30,
	AT_ALGORITHM = 0x34, AT_CURRENT = 0x38, AT_PLATFORM = 0x40,
	AT_FLAGS = 0x48, AT_REPORTED = 0x180, AT_CPUID = 0x188,
	AT_COMMITTED = 0x1e0, AT_CURRENT_FIRMWARE = 0x1e8,
	AT_COMMITTED_FIRMWARE = 0x1ec, AT_LAUNCH = 0x1f0,
	AT_LAUNCH_MITIGATIONS = 0x1f8, AT_CURRENT_MITIGATIONS = 0x200,
	AT_SIGNATURE = 0x2a0,
};

/* Bytes that mean nothing before this version: from, to, version. */
static const struct {
	uint16_t from, to, until;
} reserved[] = {
	{ 0x04c, 0x050, UINT16_MAX },
	{ 0x188, 0x18b, 3 },
	{ 0x18b, 0x1a0, UINT16_MAX },
	{ 0x1eb, 0x1ec, UINT16_MAX },
	{ 0x1ef, 0x1f0, UINT16_MAX },
	{ 0x1f8, 0x208, 5 },
	{ 0x208, 0x2a0, UINT16_MAX },
	/* Nobody signed these. */
	{ 0x330, LIBDSTACK_SNP_REPORT_SIZE, UINT16_MAX },
};

static uint64_t get(const uint8_t *p, int bytes)
{
	uint64_t value = 0;

	while (bytes--)
		value = value << 8 | p[bytes];
	return value;
}

static void get_firmware(const uint8_t *p, struct libdstack_snp_firmware *fw)
{
	fw->build = p[0];
	fw->minor = p[1];
	fw->major = p[2];
}

static void copy_bytes(const uint8_t *data, struct libdstack_snp_report *r)
{
	const struct {
		uint16_t at, size;
		void *to;
	} fields[] = {
		{ 0x010, sizeof(r->family_id), r->family_id },
		{ 0x020, sizeof(r->image_id), r->image_id },
		{ 0x050, sizeof(r->report_data), r->report_data },
		{ 0x090, sizeof(r->measurement), r->measurement },
		{ 0x0c0, sizeof(r->host_data), r->host_data },
		{ 0x0e0, sizeof(r->id_key_digest), r->id_key_digest },
		{ 0x110, sizeof(r->author_key_digest), r->author_key_digest },
		{ 0x140, sizeof(r->report_id), r->report_id },
		{ 0x160, sizeof(r->report_id_ma), r->report_id_ma },
		{ 0x1a0, sizeof(r->chip_id), r->chip_id },
	};
	size_t i;

	for (i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		memcpy(fields[i].to, data + fields[i].at, fields[i].size);
}

static void copy_numbers(const uint8_t *data, struct libdstack_snp_report *r)
{
	r->guest_svn = get(data + AT_GUEST_SVN, 4);
	r->policy = get(data + AT_POLICY, 8);
	r->vmpl = get(data + AT_VMPL, 4);
	r->platform_info = get(data + AT_PLATFORM, 8);
	r->cpu_family = data[AT_CPUID];
	r->cpu_model = data[AT_CPUID + 1];
	r->cpu_stepping = data[AT_CPUID + 2];
	get_firmware(data + AT_CURRENT_FIRMWARE, &r->current_firmware);
	get_firmware(data + AT_COMMITTED_FIRMWARE, &r->committed_firmware);
	r->launch_mitigations = get(data + AT_LAUNCH_MITIGATIONS, 8);
	r->current_mitigations = get(data + AT_CURRENT_MITIGATIONS, 8);
}

void snp_tcb_decode(enum libdstack_snp_product product, const uint8_t raw[8],
		    struct libdstack_snp_tcb *tcb)
{
	const bool turin = product == LIBDSTACK_SNP_TURIN;

	tcb->fmc = turin ? raw[0] : 0;
	tcb->bootloader = raw[turin ? 1 : 0];
	tcb->tee = raw[turin ? 2 : 1];
	tcb->snp = raw[turin ? 3 : 6];
	tcb->microcode = raw[7];
}

void snp_report_levels(struct snp *s)
{
	struct libdstack_snp_report *r = &s->verdict->report;
	const enum libdstack_snp_product product = s->verdict->product;

	snp_tcb_decode(product, s->data + AT_CURRENT, &r->current);
	snp_tcb_decode(product, s->data + AT_REPORTED, &r->reported);
	snp_tcb_decode(product, s->data + AT_COMMITTED, &r->committed);
	snp_tcb_decode(product, s->data + AT_LAUNCH, &r->launch);
}

static int check_reserved(struct snp *s)
{
	size_t i, at;

	for (i = 0; i < sizeof(reserved) / sizeof(reserved[0]); i++) {
		if (s->verdict->report.version >= reserved[i].until)
			continue;
		for (at = reserved[i].from; at < reserved[i].to; at++)
			if (s->data[at])
				return snp_fail(s, REASON(UNSUPPORTED),
						"byte 0x%zx has no meaning in version %u, but is not zero",
						at, s->verdict->report.version);
	}
	return 0;
}

static int check_signer(struct snp *s)
{
	const uint32_t flags = get(s->data + AT_FLAGS, 4);
	const unsigned int signer = SIGNER(flags);

	if (get(s->data + AT_ALGORITHM, 4) != ALGORITHM_ECDSA_P384)
		return snp_fail(s, REASON(UNSUPPORTED),
				"the signature is not ECDSA on P-384");
	if (flags & FLAG_MASK_CHIP_KEY)
		return snp_fail(s, REASON(SIGNATURE),
				"the host masks the chip's key: the report is not signed");
	if (flags >> 5 || (signer != SIGNER_VCEK && signer != SIGNER_VLEK))
		return snp_fail(s, REASON(UNSUPPORTED),
				"signed by an unknown key, flags 0x%x", flags);
	s->verdict->report.vlek = signer == SIGNER_VLEK;
	s->verdict->report.author_key = flags & FLAG_AUTHOR_KEY;
	return 0;
}

int snp_report_parse(struct snp *s)
{
	struct libdstack_snp_report *r = &s->verdict->report;
	int err;

	if (s->len != LIBDSTACK_SNP_REPORT_SIZE)
		return snp_fail(s, REASON(MALFORMED),
				"%zu bytes: reports have %d", s->len,
				LIBDSTACK_SNP_REPORT_SIZE);
	r->version = get(s->data + AT_VERSION, 4);
	if (r->version != 2 && r->version != 3 && r->version != 5)
		return snp_fail(s, REASON(UNSUPPORTED),
				"version %u: 2, 3 and 5 are known", r->version);
	copy_bytes(s->data, r);
	copy_numbers(s->data, r);
	err = check_reserved(s);
	return err ? err : check_signer(s);
}
