// SPDX-License-Identifier: MIT
/*
 * MRTD of a firmware
 *
 * Copyright The dstack for Linux authors
 *
 * Metadata: Intel, "TDX Virtual Firmware Design Guide", chapter 11; its place:
 * OVMF's table of GUIDs at the end of the file.  MRTD: "TDX Module Base
 * Architecture Specification", TDH.MEM.PAGE.ADD and TDH.MR.EXTEND: a SHA-384 of
 * one block for each page, and three for each 256 bytes of content.
 */
#include "mr.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

#include "../ovmf.h"

#define DESCRIPTOR_SIZE	16
#define SECTION_SIZE	32
#define BLOCK		128		/* of the hash */
#define CHUNK		256		/* that one MR.EXTEND measures */

/* The TDX module's memory map ends here: 52 bits of address. */
#define ADDRESS_MAX	(1ULL << 52)
/* No firmware needs more; each page costs a hash. */
#define SIZE_MAX_ALL	(256ULL << 20)

/* e47a6535-984a-4798-865e-4685a7bf8ec2 */
static const uint8_t metadata_guid[OVMF_GUID_SIZE] = {
	0x35, 0x65, 0x7a, 0xe4, 0x4a, 0x98, 0x98, 0x47,
	0x86, 0x5e, 0x46, 0x85, 0xa7, 0xbf, 0x8e, 0xc2
};

static int bad(struct libdstack_failure *failure, const char *why)
{
	return verify_fail(failure, REASON(MALFORMED), "firmware: %s", why);
}

/* Where the metadata is, counted from the end of the file, or 0. */
static uint32_t metadata_offset(const void *data, size_t len)
{
	const uint8_t *entry;
	size_t size;

	entry = ovmf_find(data, len, metadata_guid, &size);
	return entry && size == sizeof(uint32_t) ? mr_get32(entry) : 0;
}

static const char *parse_section(const struct libdstack_mr_file *image,
				 const uint8_t *p, struct tdvf_section *s)
{
	uint32_t offset = mr_get32(p), type = mr_get32(p + 24);
	uint32_t attributes = mr_get32(p + 28);

	s->len = mr_get32(p + 4);
	s->address = mr_get64(p + 8);
	s->size = mr_get64(p + 16);
	s->type = type;
	s->extend = attributes & 1;
	s->augment = attributes & 2;
	if (type >= __TDVF_MAX || attributes & ~3U)
		return "a section of unknown type or attributes";
	if (s->len > image->len || offset > image->len - s->len)
		return "a section outside of the file";
	if (s->address % MR_PAGE || s->size % MR_PAGE || !s->size ||
	    s->len > s->size || s->address >= ADDRESS_MAX ||
	    s->size > SIZE_MAX_ALL)
		return "a section is no sensible range of pages";
	s->data = s->len ? (const uint8_t *)image->data + offset : NULL;
	if (s->extend && s->augment)
		return "a section that is measured and not there";
	return NULL;
}

int tdvf_parse(const struct libdstack_mr_file *image, struct tdvf *tdvf,
	       struct libdstack_failure *failure)
{
	const uint8_t *p;
	const char *why;
	uint64_t all = 0;
	uint32_t offset;
	size_t i;

	memset(tdvf, 0, sizeof(*tdvf));
	if (image->len > LIBDSTACK_MR_FILE_MAX)
		return bad(failure, "no file of a sensible size");
	offset = metadata_offset(image->data, image->len);
	if (offset < DESCRIPTOR_SIZE || offset > image->len)
		return bad(failure, "no TDX metadata: is it OVMF for TDX?");
	p = (const uint8_t *)image->data + image->len - offset;
	if (memcmp(p, "TDVF", 4) || mr_get32(p + 8) != 1)
		return bad(failure, "no TDX metadata of version 1");
	tdvf->nr = mr_get32(p + 12);
	if (!tdvf->nr || tdvf->nr > MR_SECTIONS_MAX ||
	    tdvf->nr > (offset - DESCRIPTOR_SIZE) / SECTION_SIZE ||
	    mr_get32(p + 4) != DESCRIPTOR_SIZE + tdvf->nr * SECTION_SIZE)
		return bad(failure, "TDX metadata of a wrong length");
	for (i = 0; i < tdvf->nr; i++) {
		why = parse_section(image, p + DESCRIPTOR_SIZE +
				    i * SECTION_SIZE, &tdvf->section[i]);
		all += tdvf->section[i].size;
		if (!why && all > SIZE_MAX_ALL)
			why = "more memory than any firmware needs";
		if (why)
			return bad(failure, why);
	}
	return 0;
}

const struct tdvf_section *tdvf_find(const struct tdvf *tdvf,
				     enum tdvf_type type)
{
	size_t i;

	for (i = 0; i < tdvf->nr; i++)
		if (tdvf->section[i].type == type)
			return &tdvf->section[i];
	return NULL;
}

/* The block that says what is done to this address. */
static int add_block(EVP_MD_CTX *ctx, const char *what, uint64_t address)
{
	uint8_t block[BLOCK] = { 0 };

	snprintf((char *)block, 16, "%s", what);
	mr_put(block + 16, address, 8);
	return EVP_DigestUpdate(ctx, block, sizeof(block));
}

static int add_page(EVP_MD_CTX *ctx, const struct tdvf_section *s, uint64_t at)
{
	return s->augment ||
		add_block(ctx, "MEM.PAGE.ADD", s->address + at);
}

static int extend_page(EVP_MD_CTX *ctx, const struct tdvf_section *s,
		       uint64_t at)
{
	uint8_t page[MR_PAGE] = { 0 };
	size_t i;

	if (!s->extend)
		return 1;
	if (at < s->len)
		memcpy(page, s->data + at,
		       s->len - at < MR_PAGE ? s->len - at : MR_PAGE);
	for (i = 0; i < MR_PAGE; i += CHUNK)
		if (!add_block(ctx, "MR.EXTEND", s->address + at + i) ||
		    !EVP_DigestUpdate(ctx, page + i, CHUNK))
			return 0;
	return 1;
}

static int add_section(EVP_MD_CTX *ctx, const struct tdvf_section *s,
		       bool two_pass)
{
	uint64_t at;

	for (at = 0; at < s->size; at += MR_PAGE)
		if (!add_page(ctx, s, at) ||
		    (!two_pass && !extend_page(ctx, s, at)))
			return 0;
	for (at = 0; two_pass && at < s->size; at += MR_PAGE)
		if (!extend_page(ctx, s, at))
			return 0;
	return 1;
}

int tdvf_mrtd(const struct tdvf *tdvf, bool two_pass,
	      uint8_t mrtd[LIBDSTACK_MR_SIZE])
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	int ok = ctx && EVP_DigestInit_ex(ctx, EVP_sha384(), NULL);
	size_t i;

	for (i = 0; ok && i < tdvf->nr; i++)
		ok = add_section(ctx, &tdvf->section[i], two_pass);
	ok = ok && EVP_DigestFinal_ex(ctx, mrtd, NULL);
	EVP_MD_CTX_free(ctx);
	return ok ? 0 : -ENOMEM;
}
