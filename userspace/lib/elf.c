// SPDX-License-Identifier: MIT
/*
 * Is an ELF file a program or a library
 *
 * Copyright The dstack for Linux authors
 *
 * Three bounded reads (header, program headers, dynamic section), which libelf
 * translates.  libelf never sees the file itself: its own reader allocates
 * what a section count of a hostile file asks for.
 */
#include "lib.h"

#include <errno.h>
#include <libelf.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "scan.h"

#define HEADERS_MAX	65536	/* bytes of program headers: the kernel's */
#define DYNAMIC_MAX	1048576	/* bytes of a dynamic section */

/* What of the file decides, once classes and byte orders are translated. */
struct elf {
	int fd;
	bool is64;
	unsigned int encoding;
	unsigned int type;
	uint64_t phoff, phnum;
	uint64_t dynamic, dynamic_size;
	bool interp, soname, pie;
};

/* Fewer than @len bytes at the end of the file. */
static ssize_t read_at(int fd, void *buf, size_t len, uint64_t offset)
{
	size_t done = 0;

	if (offset > INT64_MAX - len)
		return 0;
	while (done < len) {
		ssize_t n = pread(fd, (char *)buf + done, len - done,
				  offset + done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (!n)
			break;
		done += n;
	}
	return done;
}

static bool translate(const struct elf *elf, Elf_Type type, void *out,
		      size_t out_size, void *in, size_t in_size)
{
	Elf_Data from = {
		.d_buf = in, .d_type = type, .d_size = in_size,
		.d_version = EV_CURRENT,
	};
	Elf_Data to = {
		.d_buf = out, .d_type = type, .d_size = out_size,
		.d_version = EV_CURRENT,
	};

	return elf->is64 ? elf64_xlatetom(&to, &from, elf->encoding) :
		elf32_xlatetom(&to, &from, elf->encoding);
}

static void take_header64(struct elf *elf, const Elf64_Ehdr *header)
{
	elf->type = header->e_type;
	elf->phoff = header->e_phoff;
	if (header->e_phentsize == sizeof(Elf64_Phdr))
		elf->phnum = header->e_phnum;
}

static void take_header32(struct elf *elf, const Elf32_Ehdr *header)
{
	elf->type = header->e_type;
	elf->phoff = header->e_phoff;
	if (header->e_phentsize == sizeof(Elf32_Phdr))
		elf->phnum = header->e_phnum;
}

/* Returns 1 for an ELF header, 0 for anything else. */
static int read_header(struct elf *elf)
{
	union {
		Elf64_Ehdr h64;
		Elf32_Ehdr h32;
	} raw, header;
	size_t size;
	ssize_t n;

	n = read_at(elf->fd, &raw, sizeof(raw), 0);
	if (n < 0)
		return n;
	if ((size_t)n < sizeof(raw.h32) ||
	    memcmp(raw.h32.e_ident, ELFMAG, SELFMAG) ||
	    raw.h32.e_ident[EI_VERSION] != EV_CURRENT)
		return 0;
	elf->encoding = raw.h32.e_ident[EI_DATA];
	elf->is64 = raw.h32.e_ident[EI_CLASS] == ELFCLASS64;
	if ((elf->encoding != ELFDATA2LSB && elf->encoding != ELFDATA2MSB) ||
	    (!elf->is64 && raw.h32.e_ident[EI_CLASS] != ELFCLASS32))
		return 0;
	size = elf->is64 ? sizeof(raw.h64) : sizeof(raw.h32);
	if ((size_t)n < size ||
	    !translate(elf, ELF_T_EHDR, &header, size, &raw, size))
		return 0;
	if (elf->is64)
		take_header64(elf, &header.h64);
	else
		take_header32(elf, &header.h32);
	return 1;
}

static void take_segment(struct elf *elf, uint32_t type, uint64_t offset,
			 uint64_t size)
{
	if (type == PT_INTERP)
		elf->interp = true;
	if (type != PT_DYNAMIC)
		return;
	elf->dynamic = offset;
	elf->dynamic_size = size;
}

/* Returns 1, or 0 if the file has no table that the kernel would take. */
static int read_segments(struct elf *elf)
{
	size_t one = elf->is64 ? sizeof(Elf64_Phdr) : sizeof(Elf32_Phdr);
	size_t i, size = elf->phnum * one;
	char *raw, *headers;
	ssize_t n;

	if (!size || size > HEADERS_MAX)
		return 0;
	raw = malloc(2 * size);
	if (!raw)
		return -ENOMEM;
	headers = raw + size;
	n = read_at(elf->fd, raw, size, elf->phoff);
	if (n == (ssize_t)size &&
	    translate(elf, ELF_T_PHDR, headers, size, raw, size)) {
		const Elf64_Phdr *p64 = (const void *)headers;
		const Elf32_Phdr *p32 = (const void *)headers;

		for (i = 0; i < elf->phnum; i++)
			if (elf->is64)
				take_segment(elf, p64[i].p_type,
					     p64[i].p_offset, p64[i].p_filesz);
			else
				take_segment(elf, p32[i].p_type,
					     p32[i].p_offset, p32[i].p_filesz);
		n = 1;
	} else if (n > 0) {
		n = 0;
	}
	free(raw);
	return n;
}

/* Returns false after the last entry. */
static bool take_entry(struct elf *elf, int64_t tag, uint64_t value)
{
	if (tag == DT_SONAME)
		elf->soname = true;
	if (tag == DT_FLAGS_1 && value & DF_1_PIE)
		elf->pie = true;
	return tag != DT_NULL;
}

static void take_entries(struct elf *elf, const char *entries, size_t nr)
{
	const Elf64_Dyn *d64 = (const void *)entries;
	const Elf32_Dyn *d32 = (const void *)entries;
	size_t i;

	for (i = 0; i < nr; i++)
		if (!(elf->is64 ?
		      take_entry(elf, d64[i].d_tag, d64[i].d_un.d_val) :
		      take_entry(elf, d32[i].d_tag, d32[i].d_un.d_val)))
			return;
}

/* Returns 1, or 0 if the dynamic section lies outside the file. */
static int read_dynamic(struct elf *elf)
{
	size_t one = elf->is64 ? sizeof(Elf64_Dyn) : sizeof(Elf32_Dyn);
	size_t size;
	char *raw;
	ssize_t n;

	if (!elf->dynamic_size)
		return 1;
	if (elf->dynamic_size > DYNAMIC_MAX)
		return 0;
	size = elf->dynamic_size - elf->dynamic_size % one;
	if (!size)
		return 1;
	raw = malloc(2 * size);
	if (!raw)
		return -ENOMEM;
	n = read_at(elf->fd, raw, size, elf->dynamic);
	if (n == (ssize_t)size &&
	    translate(elf, ELF_T_DYN, raw + size, size, raw, size)) {
		take_entries(elf, raw + size, size / one);
		n = 1;
	} else if (n > 0) {
		n = 0;
	}
	free(raw);
	return n;
}

/*
 * A position-independent program looks like a library.  What has a name for
 * others to link with is a library whatever else it says: the dynamic loader
 * is one, and as a program it would run any file that is approved for mapping.
 * What asks for a loader without the flag is a program of an older linker.
 */
static uint32_t judge(const struct elf *elf)
{
	if (elf->type == ET_EXEC)
		return DSTACK_KIND_EXEC;
	if (elf->soname)
		return DSTACK_KIND_MAP;
	return elf->pie || elf->interp ? DSTACK_KIND_EXEC : DSTACK_KIND_MAP;
}

/**
 * scan_elf_kinds() - the kinds that an ELF file should be approved for
 * @fd: readable at any offset
 * @kinds: 0 for object files, core dumps and what the kernel would not load
 *
 * Return: 0 or -errno from reading.
 */
int scan_elf_kinds(int fd, uint32_t *kinds)
{
	struct elf elf = { .fd = fd };
	int ret;

	*kinds = 0;
	elf_version(EV_CURRENT);
	ret = read_header(&elf);
	if (ret <= 0)
		return ret;
	if (elf.type != ET_EXEC && elf.type != ET_DYN)
		return 0;
	ret = read_segments(&elf);
	if (ret > 0 && elf.type == ET_DYN)
		ret = read_dynamic(&elf);
	if (ret <= 0)
		return ret;
	*kinds = judge(&elf);
	return 0;
}
