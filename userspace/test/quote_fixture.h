/* SPDX-License-Identifier: MIT */
/*
 * Quotes that tests make themselves
 *
 * Copyright The dstack for Linux authors
 */
#ifndef QUOTE_FIXTURE_H
#define QUOTE_FIXTURE_H

#include <stdint.h>
#include <string.h>

/* The test platform. */
#define MODULE_VERSION	1
#define MODULE_SVN	11
#define UCODE_SVN	4
#define QE_SVN		6
#define QE_PRODID	2
#define QE_SIGNER	"dstack test quoting enclave signer"

/* Offsets in a TD report and in an enclave's report. */
#define TD_SVN		0
#define TD_SIGNER	64
#define TD_SEAM_ATTRIBUTES 112
#define TD_ATTRIBUTES	120
#define TD_SVN2		584
#define TD_SERVICE	600
#define QE_MISC		16
#define QE_ATTRIBUTES	48
#define QE_MRSIGNER	128
#define QE_PRODID_AT	256
#define QE_SVN_AT	258
#define QE_REPORT_DATA	320

#define FIXTURE_AUTH_SIZE	32
#define FIXTURE_MAX		32768

/* A quote and where its parts are. */
struct fixture {
	uint8_t data[FIXTURE_MAX];
	size_t len;
	size_t body, sig_len, signature, key, qe_cert, qe_report, qe_signature;
	size_t auth_len, auth, chain_cert, chain;
};

static inline void put_le(uint8_t *p, uint64_t value, int bytes)
{
	while (bytes--) {
		*p++ = value;
		value >>= 8;
	}
}

static inline size_t fixture_add(struct fixture *f, size_t len)
{
	size_t at = f->len;

	f->len += len;
	return at;
}

/* Types of bodies, as version 5 numbers them. */
enum { FIXTURE_SGX = 1, FIXTURE_TD10, FIXTURE_TD15 };

/*
 * A well-formed quote of @version 3 (enclaves only), 4 or 5, in which each
 * byte of the body is its offset; not signed.
 */
static inline void fixture_make_body(struct fixture *f, int version, int type,
				     const char *chain, size_t chain_len)
{
	static const uint8_t vendor[16] = {
		0x93, 0x9a, 0x72, 0x33, 0xf7, 0x9c, 0x4c, 0xa9,
		0x94, 0x0a, 0x0d, 0xb3, 0x95, 0x7f, 0x06, 0x07
	};
	static const size_t sizes[] = { 0, 384, 584, 648 };
	size_t i, size = sizes[type], descriptor;

	memset(f, 0, sizeof(*f));
	fixture_add(f, 48);
	put_le(f->data, version, 2);
	put_le(f->data + 2, 2, 2);
	put_le(f->data + 4, type == FIXTURE_SGX ? 0 : 0x81, 4);
	memcpy(f->data + 12, vendor, sizeof(vendor));
	if (version == 5) {
		descriptor = fixture_add(f, 6);
		put_le(f->data + descriptor, type, 2);
		put_le(f->data + descriptor + 2, size, 4);
	}
	f->body = fixture_add(f, size);
	for (i = 0; i < size; i++)
		f->data[f->body + i] = i;
	f->sig_len = fixture_add(f, 4);
	f->signature = fixture_add(f, 64);
	f->key = fixture_add(f, 64);
	f->qe_cert = fixture_add(f, version > 3 ? 6 : 0);
	f->qe_report = fixture_add(f, 384);
	f->qe_signature = fixture_add(f, 64);
	f->auth_len = fixture_add(f, 2);
	f->auth = fixture_add(f, FIXTURE_AUTH_SIZE);
	f->chain_cert = fixture_add(f, 6);
	f->chain = fixture_add(f, chain_len);
	memcpy(f->data + f->chain, chain, chain_len);
	put_le(f->data + f->sig_len, f->len - f->signature, 4);
	if (version > 3) {
		put_le(f->data + f->qe_cert, 6, 2);
		put_le(f->data + f->qe_cert + 2, f->len - f->qe_report, 4);
	}
	put_le(f->data + f->auth_len, FIXTURE_AUTH_SIZE, 2);
	put_le(f->data + f->chain_cert, 5, 2);
	put_le(f->data + f->chain_cert + 2, chain_len, 4);
}

/* Of a TD: @version 4 or 5, a TD 1.0 or 1.5 body. */
static inline void fixture_make(struct fixture *f, int version, int td15,
				const char *chain, size_t chain_len)
{
	fixture_make_body(f, version, td15 ? FIXTURE_TD15 : FIXTURE_TD10,
			  chain, chain_len);
}

#endif /* QUOTE_FIXTURE_H */
