/* SPDX-License-Identifier: MIT */
/*
 * Event logs that tests make themselves
 *
 * Copyright The dstack for Linux authors
 */
#ifndef TCG_FIXTURE_H
#define TCG_FIXTURE_H

#include <libdstack_tcg.h>
#include <string.h>

#define TCG_FIXTURE_MAX	8192

struct tcg_fixture {
	uint8_t data[TCG_FIXTURE_MAX];
	size_t len;
};

static inline void tcg_put(struct tcg_fixture *f, uint64_t value, int bytes)
{
	for (; bytes--; value >>= 8)
		f->data[f->len++] = value;
}

static inline void tcg_put_bytes(struct tcg_fixture *f, const void *data,
				 size_t len)
{
	memcpy(f->data + f->len, data, len);
	f->len += len;
}

/* The first event, which says that these are the banks. */
static inline void tcg_begin(struct tcg_fixture *f, const uint16_t *algs,
			     uint32_t nr)
{
	uint32_t i;

	f->len = 0;
	tcg_put(f, 0, 4);
	tcg_put(f, LIBDSTACK_TCG_EV_NO_ACTION, 4);
	memset(f->data + f->len, 0, 20);
	f->len += 20;
	tcg_put(f, 16 + 8 + 4 + 4 * nr + 1, 4);
	tcg_put_bytes(f, "Spec ID Event03", 16);
	tcg_put(f, 0, 4);	/* platform class */
	tcg_put(f, 0x02000200, 4);	/* version, errata, size of integers */
	tcg_put(f, nr, 4);
	for (i = 0; i < nr; i++) {
		tcg_put(f, algs[i], 2);
		tcg_put(f, libdstack_tcg_digest_size(algs[i]), 2);
	}
	tcg_put(f, 0, 1);
}

/* Digests of which each byte is @fill. */
static inline void tcg_add(struct tcg_fixture *f, uint32_t mr, uint32_t type,
			   const uint16_t *algs, uint32_t nr, uint8_t fill,
			   const void *data, uint32_t len)
{
	uint32_t i;

	tcg_put(f, mr, 4);
	tcg_put(f, type, 4);
	tcg_put(f, nr, 4);
	for (i = 0; i < nr; i++) {
		tcg_put(f, algs[i], 2);
		memset(f->data + f->len, fill,
		       libdstack_tcg_digest_size(algs[i]));
		f->len += libdstack_tcg_digest_size(algs[i]);
	}
	tcg_put(f, len, 4);
	tcg_put_bytes(f, data, len);
}

#endif /* TCG_FIXTURE_H */
