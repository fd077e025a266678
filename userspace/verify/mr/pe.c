// SPDX-License-Identifier: MIT
/*
 * The hash of a PE file that its signature covers
 *
 * Copyright The dstack for Linux authors
 *
 * Microsoft, "PE Format", and "Windows Authenticode Portable Executable
 * Signature Format": the headers without checksum and without the directory
 * entry of the signature, the sections in the order in which they lie in the
 * file, and what is behind them, but not the signature.
 */
#include "mr.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#define PE_SIGNATURE	4
#define COFF_SIZE	20
#define SECTION_SIZE	40
#define SECTIONS_MAX	96
#define CHECKSUM	64	/* in the optional header */
#define PE32		0x10b
#define PE32_PLUS	0x20b
#define SECURITY	4	/* which directory entry is the signature's */

/* Where in the file things are. */
struct pe {
	const uint8_t *data;
	size_t len;
	size_t checksum, entry, headers_end;
	size_t signature, signature_len;	/* at the end */
	struct range {
		size_t at, len;
	} section[SECTIONS_MAX];
	size_t nr;
};

static const char *parse_optional(struct pe *pe, size_t at, size_t len)
{
	const uint8_t *p = pe->data + at;
	size_t directories, count;

	if (len < 2 || (mr_get16(p) != PE32 && mr_get16(p) != PE32_PLUS))
		return "neither PE32 nor PE32+";
	directories = mr_get16(p) == PE32 ? 96 : 112;
	if (len < directories)
		return "cut off in the optional header";
	pe->checksum = at + CHECKSUM;
	pe->headers_end = mr_get32(p + 60);
	count = mr_get32(p + directories - 4);
	pe->entry = at + directories + SECURITY * 8;
	if (count > (len - directories) / 8)
		return "more directory entries than there is room for";
	if (count <= SECURITY) {
		pe->entry = 0;
		return NULL;
	}
	pe->signature = mr_get32(pe->data + pe->entry);
	pe->signature_len = mr_get32(pe->data + pe->entry + 4);
	/* What is behind a signature would be hashed by some, not by others. */
	if (pe->signature_len && (pe->signature_len > pe->len ||
				  pe->signature != pe->len - pe->signature_len))
		return "the signature is not at the end of the file";
	return NULL;
}

static int by_place(const void *a, const void *b)
{
	const struct range *x = a, *y = b;

	return (x->at > y->at) - (x->at < y->at);
}

static const char *parse_sections(struct pe *pe, size_t at, size_t nr)
{
	size_t i, end = pe->len - pe->signature_len;
	struct range *range;

	if (nr > SECTIONS_MAX || nr * SECTION_SIZE > pe->len - at)
		return "more sections than there is room for";
	if (pe->headers_end < at + nr * SECTION_SIZE || pe->headers_end > end)
		return "headers of a wrong size";
	for (i = 0; i < nr; i++, at += SECTION_SIZE) {
		range = &pe->section[pe->nr];
		range->len = mr_get32(pe->data + at + 16);
		range->at = mr_get32(pe->data + at + 20);
		if (!range->len)
			continue;
		if (range->len > end || range->at > end - range->len)
			return "a section outside of the file";
		pe->nr++;
	}
	qsort(pe->section, pe->nr, sizeof(pe->section[0]), by_place);
	for (i = 0, at = pe->headers_end; i < pe->nr; i++) {
		if (pe->section[i].at < at)
			return "sections that overlap";
		at = pe->section[i].at + pe->section[i].len;
	}
	return NULL;
}

static const char *parse(struct pe *pe)
{
	size_t at, optional;
	const char *why;

	if (pe->len < 64 || memcmp(pe->data, "MZ", 2))
		return "no MZ header";
	at = mr_get32(pe->data + 60);
	if (at > pe->len - 64 || pe->len - at < PE_SIGNATURE + COFF_SIZE ||
	    memcmp(pe->data + at, "PE\0\0", PE_SIGNATURE))
		return "no PE header";
	at += PE_SIGNATURE;
	optional = mr_get16(pe->data + at + 16);
	if (optional > pe->len - at - COFF_SIZE)
		return "cut off in the optional header";
	why = parse_optional(pe, at + COFF_SIZE, optional);
	return why ? why :
		parse_sections(pe, at + COFF_SIZE + optional,
			       mr_get16(pe->data + at + 2));
}

static int add(EVP_MD_CTX *ctx, const struct pe *pe, size_t from, size_t to)
{
	return from >= to || EVP_DigestUpdate(ctx, pe->data + from, to - from);
}

static int add_headers(EVP_MD_CTX *ctx, const struct pe *pe)
{
	size_t behind = pe->checksum + 4;

	return add(ctx, pe, 0, pe->checksum) &&
		(pe->entry ? add(ctx, pe, behind, pe->entry) &&
			     add(ctx, pe, pe->entry + 8, pe->headers_end) :
			     add(ctx, pe, behind, pe->headers_end));
}

static int hash(const struct pe *pe, const EVP_MD *md, EVP_MD_CTX *ctx,
		uint8_t *out)
{
	size_t i, done = pe->headers_end;

	if (!ctx || !EVP_DigestInit_ex(ctx, md, NULL) || !add_headers(ctx, pe))
		return -ENOMEM;
	for (i = 0; i < pe->nr; i++) {
		if (!add(ctx, pe, pe->section[i].at,
			 pe->section[i].at + pe->section[i].len))
			return -ENOMEM;
		done += pe->section[i].len;
	}
	/* As many bytes as were not hashed yet, whatever lies between. */
	if (!add(ctx, pe, done, pe->len - pe->signature_len) ||
	    !EVP_DigestFinal_ex(ctx, out, NULL))
		return -ENOMEM;
	return 0;
}

int libdstack_mr_authenticode(const void *image, size_t len,
			      const char *algorithm, uint8_t *out,
			      struct libdstack_failure *failure)
{
	const EVP_MD *md = EVP_get_digestbyname(algorithm);
	struct pe pe = { .data = image, .len = len };
	EVP_MD_CTX *ctx;
	const char *why = parse(&pe);
	int err;

	if (why)
		return verify_fail(failure, REASON(MALFORMED),
				   "kernel: not a PE file: %s", why);
	if (!md)
		return verify_fail(failure, REASON(UNSUPPORTED),
				   "no hash '%s'", algorithm);
	ctx = EVP_MD_CTX_new();
	err = hash(&pe, md, ctx, out);
	EVP_MD_CTX_free(ctx);
	return err ? verify_fail(failure, REASON(MEMORY), "out of memory") : 0;
}
