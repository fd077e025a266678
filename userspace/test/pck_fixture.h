/* SPDX-License-Identifier: MIT */
/*
 * The SGX extension of a platform's certificate, as tests make it
 *
 * Copyright The dstack for Linux authors
 */
#ifndef PCK_FIXTURE_H
#define PCK_FIXTURE_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define PCK_PARTS	4	/* PPID, TCB, PCEID, FMSPC */
#define PCK_SVNS	18	/* of the TCB */

/* A value that is shorter than 2^16, behind its head; returns its length. */
static inline size_t pck_wrap(uint8_t *out, uint8_t tag, const void *value,
			      size_t len)
{
	size_t n = 0;

	out[n++] = tag;
	if (len > 255)
		out[n++] = 0x82;
	else if (len > 127)
		out[n++] = 0x81;
	if (len > 255)
		out[n++] = len >> 8;
	out[n++] = len;
	memmove(out + n, value, len);
	return n + len;
}

/* (id, value), the id being that of SGX with @ids behind it. */
static inline size_t pck_pair(uint8_t *out, const uint8_t *ids, size_t nr,
			      uint8_t tag, const void *value, size_t len)
{
	uint8_t oid[16] = {
		0x2a, 0x86, 0x48, 0x86, 0xf8, 0x4d, 0x01, 0x0d, 0x01
	};
	uint8_t buf[2048];
	size_t n;

	memcpy(oid + 9, ids, nr);
	n = pck_wrap(buf, 6, oid, 9 + nr);
	n += pck_wrap(buf + n, tag, value, len);
	return pck_wrap(out, 0x30, buf, n);
}

/* Component i is i, PCESVN 0x0102. */
static inline size_t pck_tcb(uint8_t *out, int skip, int twice)
{
	static const uint8_t pcesvn[2] = { 1, 2 }, cpusvn[16];
	size_t n = 0;
	int i, k;

	for (i = 1; i <= PCK_SVNS; i++) {
		uint8_t ids[2] = { 2, i }, svn = i;

		for (k = i == skip ? 1 : 0; k < (i == twice ? 2 : 1); k++)
			n += i == 18 ?
				pck_pair(out + n, ids, 2, 4, cpusvn, 16) :
				i == 17 ?
				pck_pair(out + n, ids, 2, 2, pcesvn, 2) :
				pck_pair(out + n, ids, 2, 2, &svn, 1);
	}
	return n;
}

/*
 * The extension, but for @skip, a part from 1 or 16 and a component from 1,
 * and with @twice two times; 0: none.
 */
static inline size_t pck_extension(uint8_t *out, int skip, int twice)
{
	static const uint8_t ppid[16] = "platform's name";
	static const uint8_t pceid[2], fmspc[6] = { 1, 2, 3, 4, 5, 6 };
	uint8_t tcb[1500], list[2048];
	size_t n = 0, len;
	uint8_t part;
	int k;

	for (part = 1; part <= PCK_PARTS; part++)
		for (k = part == skip ? 1 : 0; k < (part == twice ? 2 : 1);
		     k++) {
			len = pck_tcb(tcb, skip - 16, twice - 16);
			n += part == 1 ?
				pck_pair(list + n, &part, 1, 4, ppid, 16) :
				part == 2 ?
				pck_pair(list + n, &part, 1, 0x30, tcb, len) :
				part == 3 ?
				pck_pair(list + n, &part, 1, 4, pceid, 2) :
				pck_pair(list + n, &part, 1, 4, fmspc, 6);
		}
	return pck_wrap(out, 0x30, list, n);
}

#endif /* PCK_FIXTURE_H */
