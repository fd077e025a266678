// SPDX-License-Identifier: MIT
/*
 * Measure a launch as the firmware of the CPU does
 *
 * Copyright The dstack for Linux authors
 *
 * Each page becomes part of the measurement with its address and type: SEV-SNP
 * firmware ABI, SNP_LAUNCH_UPDATE.  The VMM adds the firmware first, then the
 * sections that it asks for, and at last the state of each virtual CPU.
 */
#include "launch.h"

#include <errno.h>
#include <openssl/sha.h>
#include <string.h>

#include "../failure.h"

#define DIGEST_SIZE	48
#define FOUR_GIB	(1ULL << 32)
#define VMSA_ADDRESS	0xfffffffff000ULL
#define RESET_EIP	0xfffffff0U

enum page_type {
	PAGE_NORMAL = 1, PAGE_VMSA = 2, PAGE_ZERO = 3, PAGE_SECRETS = 5,
	PAGE_CPUID = 6,
};

/* PAGE_INFO of the ABI. */
enum {
	AT_CONTENTS = DIGEST_SIZE, AT_LENGTH = 2 * DIGEST_SIZE,
	AT_TYPE = AT_LENGTH + 2, AT_ADDRESS = 104, INFO_SIZE = 112,
};

/* One prediction. */
struct launch {
	const struct libdstack_snp_guest *guest;
	struct launch_firmware fw;
	uint8_t digest[DIGEST_SIZE];
	struct libdstack_failure *failure;
};

static void add_digest(struct launch *l, enum page_type type, uint64_t address,
		       const uint8_t contents[DIGEST_SIZE])
{
	uint8_t info[INFO_SIZE] = { 0 };
	int i;

	memcpy(info, l->digest, DIGEST_SIZE);
	memcpy(info + AT_CONTENTS, contents, DIGEST_SIZE);
	info[AT_LENGTH] = INFO_SIZE;
	info[AT_TYPE] = type;
	for (i = 0; i < 8; i++)
		info[AT_ADDRESS + i] = address >> 8 * i;
	SHA384(info, sizeof(info), l->digest);
}

static void add_page(struct launch *l, enum page_type type, uint64_t address,
		     const uint8_t page[LAUNCH_PAGE])
{
	uint8_t contents[DIGEST_SIZE];

	SHA384(page, LAUNCH_PAGE, contents);
	add_digest(l, type, address, contents);
}

/* Contents that the CPU's firmware makes itself are not measured. */
static void add_blank(struct launch *l, enum page_type type, uint64_t address,
		      uint32_t pages)
{
	static const uint8_t none[DIGEST_SIZE];

	for (; pages--; address += LAUNCH_PAGE)
		add_digest(l, type, address, none);
}

static void add_firmware(struct launch *l)
{
	const struct libdstack_snp_guest *g = l->guest;
	const uint8_t *p = g->firmware;
	size_t at;

	if (g->firmware_digest) {
		memcpy(l->digest, g->firmware_digest, DIGEST_SIZE);
		return;
	}
	for (at = 0; at < g->firmware_len; at += LAUNCH_PAGE)
		add_page(l, PAGE_NORMAL, FOUR_GIB - g->firmware_len + at,
			 p + at);
}

/* GUID, size of the whole entry, hash. */
static uint8_t *put_hash(uint8_t *p, const uint8_t guid[16],
			 const uint8_t hash[SHA256_DIGEST_LENGTH])
{
	memcpy(p, guid, 16);
	p[16] = 16 + 2 + SHA256_DIGEST_LENGTH;
	memcpy(p + 18, hash, SHA256_DIGEST_LENGTH);
	return p + 18 + SHA256_DIGEST_LENGTH;
}

/* With its NUL, and with no more than that if there is none. */
static void hash_cmdline(const char *cmdline,
			 uint8_t hash[SHA256_DIGEST_LENGTH])
{
	if (!cmdline)
		cmdline = "";
	SHA256((const uint8_t *)cmdline, strlen(cmdline) + 1, hash);
}

/* The page in which OVMF looks for the hashes of what the VMM hands over. */
static bool add_hashes(struct launch *l, uint64_t address)
{
	static const uint8_t table[16] = {
		0x06, 0xd6, 0x38, 0x94, 0x22, 0x4f, 0xc9, 0x4c,
		0xb4, 0x79, 0xa7, 0x93, 0xd4, 0x11, 0xfd, 0x21
	};
	static const uint8_t cmdline[16] = {
		0xd8, 0x2d, 0xd0, 0x97, 0x20, 0xbd, 0x94, 0x4c,
		0xaa, 0x78, 0xe7, 0x71, 0x4d, 0x36, 0xab, 0x2a
	};
	static const uint8_t initrd[16] = {
		0x31, 0xf7, 0xba, 0x44, 0x2f, 0x3a, 0xd7, 0x4b,
		0x9a, 0xf1, 0x41, 0xe2, 0x91, 0x69, 0x78, 0x1d
	};
	static const uint8_t kernel[16] = {
		0x37, 0x94, 0xe7, 0x4d, 0xd2, 0xab, 0x7f, 0x42,
		0xb8, 0x35, 0xd5, 0xb1, 0x72, 0xd2, 0x04, 0x5b
	};
	const struct libdstack_snp_guest *g = l->guest;
	const size_t size = 18 + 3 * (18 + SHA256_DIGEST_LENGTH);
	const size_t offset = l->fw.hashes % LAUNCH_PAGE;
	uint8_t page[LAUNCH_PAGE] = { 0 }, hash[SHA256_DIGEST_LENGTH];
	uint8_t *p = page + offset;

	if (!l->fw.hashes || offset + size > LAUNCH_PAGE)
		return false;
	memcpy(p, table, sizeof(table));
	p[16] = size;
	p += 18;
	hash_cmdline(g->cmdline, hash);
	p = put_hash(p, cmdline, hash);
	SHA256(NULL, 0, hash);
	p = put_hash(p, initrd, g->initrd ? g->initrd : hash);
	put_hash(p, kernel, g->kernel);
	add_page(l, PAGE_NORMAL, address, page);
	return true;
}

static int fail(struct launch *l, const char *what)
{
	return verify_fail(l->failure, REASON(MALFORMED), "%s", what);
}

static int add_section(struct launch *l, const struct launch_section *s)
{
	const uint32_t pages = s->size / LAUNCH_PAGE;

	switch (s->type) {
	case LAUNCH_MEMORY:
	case LAUNCH_CALLING_AREA:
		add_blank(l, PAGE_ZERO, s->address, pages);
		return 0;
	case LAUNCH_SECRETS:
		add_blank(l, PAGE_SECRETS, s->address, 1);
		return 0;
	case LAUNCH_CPUID:
		/* EC2 adds it when all others are there. */
		if (l->guest->vmm != LIBDSTACK_SNP_EC2)
			add_blank(l, PAGE_CPUID, s->address, 1);
		return 0;
	case LAUNCH_KERNEL_HASHES:
		if (!l->guest->kernel)
			add_blank(l, PAGE_ZERO, s->address, pages);
		else if (!add_hashes(l, s->address))
			return fail(l, "the firmware does not say where in their page the hashes of a kernel go");
		return 0;
	default:
		return verify_fail(l->failure, REASON(UNSUPPORTED),
				   "the firmware has a section of unknown type %u",
				   s->type);
	}
}

/* Each of whole pages, one at least, and not too many together. */
static bool sections_fit(const struct launch_firmware *fw)
{
	size_t pages = 0;
	uint32_t i;

	for (i = 0; i < fw->sections; i++) {
		if (fw->section[i].address % LAUNCH_PAGE ||
		    fw->section[i].size % LAUNCH_PAGE || !fw->section[i].size)
			return false;
		pages += fw->section[i].size / LAUNCH_PAGE;
	}
	return pages <= LAUNCH_PAGES_MAX;
}

static bool has_section(const struct launch_firmware *fw, uint32_t type)
{
	uint32_t i;

	for (i = 0; i < fw->sections; i++)
		if (fw->section[i].type == type)
			return true;
	return false;
}

static int add_sections(struct launch *l)
{
	uint32_t i;
	int err = 0;

	if (!sections_fit(&l->fw))
		return fail(l, "the firmware's sections are not of whole pages, or too large");
	if (l->guest->kernel && !has_section(&l->fw, LAUNCH_KERNEL_HASHES))
		return fail(l, "the firmware has no place for hashes of a kernel: boot it from a disk, or take another firmware");
	for (i = 0; !err && i < l->fw.sections; i++)
		err = add_section(l, &l->fw.section[i]);
	for (i = 0; !err && i < l->fw.sections; i++)
		if (l->fw.section[i].type == LAUNCH_CPUID &&
		    l->guest->vmm == LIBDSTACK_SNP_EC2)
			add_blank(l, PAGE_CPUID, l->fw.section[i].address, 1);
	return err;
}

static int add_cpus(struct launch *l)
{
	uint8_t page[LAUNCH_PAGE];
	uint32_t i;

	if (l->guest->vcpus > 1 && !l->fw.reset_eip)
		return fail(l, "the firmware does not say where other CPUs than the first begin");
	launch_vmsa(l->guest, RESET_EIP, page);
	add_page(l, PAGE_VMSA, VMSA_ADDRESS, page);
	launch_vmsa(l->guest, l->fw.reset_eip, page);
	for (i = 1; i < l->guest->vcpus; i++)
		add_page(l, PAGE_VMSA, VMSA_ADDRESS, page);
	return 0;
}

static bool is_guest(const struct libdstack_snp_guest *g)
{
	return g->firmware && g->firmware_len && g->vcpus &&
		g->firmware_len % LAUNCH_PAGE == 0 &&
		g->firmware_len <= LIBDSTACK_SNP_FIRMWARE_MAX &&
		g->vcpus <= LIBDSTACK_SNP_VCPUS_MAX &&
		(g->vmm == LIBDSTACK_SNP_QEMU || g->vmm == LIBDSTACK_SNP_EC2) &&
		(g->kernel || (!g->initrd && !g->cmdline));
}

static int measure(struct launch *l)
{
	const char *why;
	int err;

	why = launch_firmware_parse(l->guest->firmware, l->guest->firmware_len,
				    &l->fw);
	if (why)
		return fail(l, why);
	add_firmware(l);
	err = add_sections(l);
	return err ? err : add_cpus(l);
}

int libdstack_snp_measure(const struct libdstack_snp_guest *guest,
			  uint8_t measurement[48],
			  struct libdstack_failure *failure)
{
	struct launch l = { .guest = guest, .failure = failure };
	int err;

	memset(measurement, 0, DIGEST_SIZE);
	memset(failure, 0, sizeof(*failure));
	if (is_guest(guest)) {
		err = measure(&l);
	} else {
		fail(&l, "firmware is not of whole pages, the number of CPUs not possible, or there is a command line without a kernel");
		err = -EINVAL;
	}
	if (err)
		verify_step(failure, "launch measurement");
	else
		memcpy(measurement, l.digest, DIGEST_SIZE);
	return err;
}
