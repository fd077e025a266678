// SPDX-License-Identifier: MIT
/*
 * Take a quote apart
 *
 * Copyright The dstack for Linux authors
 *
 * Layout: Intel's SGX ECDSA Quote Library API for version 3, TDX DCAP Quoting
 * Library API for versions 4 and 5.  All integers are little-endian.
 */
#include "dcap.h"

#include <errno.h>
#include <string.h>

#include "../cursor.h"

#define HEADER_SIZE		48
#define TEE_SGX			0
#define TEE_TDX			0x81
#define KEY_ECDSA_P256		2
#define CERT_QE_REPORT		6
#define CERT_PEM_CHAIN		5

#define SIM_MAGIC		"DSTKSIM1"

/* Refused: as malformed, or as something that nothing here knows. */
struct refusal {
	const char *why;
	bool unknown;
};

static bool bad(struct refusal *r, const char *why)
{
	r->why = why;
	return false;
}

static bool unknown(struct refusal *r, const char *why)
{
	r->unknown = true;
	return bad(r, why);
}

static bool parse_header(struct cursor *in, struct dcap_quote *quote,
			 uint32_t *tee, struct refusal *r)
{
	static const uint8_t intel[16] = {
		0x93, 0x9a, 0x72, 0x33, 0xf7, 0x9c, 0x4c, 0xa9,
		0x94, 0x0a, 0x0d, 0xb3, 0x95, 0x7f, 0x06, 0x07
	};
	uint16_t key_type;

	if (in->left < HEADER_SIZE)
		return bad(r, "cut off in the header");
	cursor_u16(in, &quote->version);
	cursor_u16(in, &key_type);
	cursor_u32(in, tee);
	if (quote->version < 3 || quote->version > 5)
		return unknown(r, "not a quote of version 3, 4 or 5");
	/* In version 3 there were enclaves only, and the field had no name. */
	if (*tee != TEE_SGX && (*tee != TEE_TDX || quote->version == 3))
		return unknown(r, "neither a quote of a TD nor of an enclave");
	if (key_type != KEY_ECDSA_P256)
		return unknown(r, "the attestation key is not ECDSA on P-256");
	cursor_take(in, 4);	/* reserved; once the SVNs of two enclaves */
	if (memcmp(cursor_take(in, sizeof(intel)), intel, sizeof(intel)))
		return unknown(r, "the quoting enclave is not Intel's");
	cursor_take(in, 20);	/* user data */
	return true;
}

/* The size that goes with a type, 0 for what is none. */
static uint32_t body_size(uint16_t type)
{
	static const uint32_t sizes[] = {
		[DCAP_BODY_SGX] = 384,
		[DCAP_BODY_TD10] = 584,
		[DCAP_BODY_TD15] = 648,
	};

	return type < sizeof(sizes) / sizeof(sizes[0]) ? sizes[type] : 0;
}

static bool parse_body(struct cursor *in, struct dcap_quote *quote,
		       uint32_t tee, struct refusal *r)
{
	uint16_t type = tee == TEE_TDX ? DCAP_BODY_TD10 : DCAP_BODY_SGX;
	uint32_t size = body_size(type);

	if (quote->version == 5 &&
	    !(cursor_u16(in, &type) && cursor_u32(in, &size)))
		return bad(r, "cut off in the body's descriptor");
	quote->body_type = type;
	quote->body_len = size;
	if (!body_size(type))
		return unknown(r, "the body is neither a TD's nor an enclave's report");
	if (tee != (type == DCAP_BODY_SGX ? TEE_SGX : TEE_TDX))
		return bad(r, "the body is not of the kind that the header says");
	if (size != body_size(type))
		return bad(r, "the body's size is not that of its type");
	quote->body = cursor_take(in, size);
	return quote->body || bad(r, "cut off in the report");
}

/* Certification data must end exactly where its container does. */
static bool take_certification(struct cursor *in, uint16_t *type)
{
	uint32_t size;

	return cursor_u16(in, type) && cursor_u32(in, &size) &&
		size == in->left;
}

static bool parse_qe(struct cursor *in, struct dcap_quote *quote,
		     struct refusal *r)
{
	uint16_t auth_len, type;

	quote->qe_report = cursor_take(in, DCAP_QE_REPORT_SIZE);
	quote->qe_signature = cursor_take(in, DCAP_SIGNATURE_SIZE);
	if (!quote->qe_report || !quote->qe_signature ||
	    !cursor_u16(in, &auth_len))
		return bad(r, "cut off in the quoting enclave's report");
	quote->qe_auth_len = auth_len;
	quote->qe_auth = cursor_take(in, auth_len);
	if (!quote->qe_auth)
		return bad(r, "cut off in the quoting enclave's data");
	if (!take_certification(in, &type))
		return bad(r, "no certificate chain, or of a wrong size");
	/* Others name a platform whose certificate must be fetched first. */
	if (type != CERT_PEM_CHAIN)
		return unknown(r, "the quote does not carry its certificates (type 5): let the platform's quote provider add them");
	quote->chain = (const char *)in->p;
	quote->chain_len = in->left;
	return true;
}

static bool parse_signature(struct cursor *in, struct dcap_quote *quote,
			    struct refusal *r)
{
	uint16_t type;

	quote->signature = cursor_take(in, DCAP_SIGNATURE_SIZE);
	quote->key = cursor_take(in, DCAP_KEY_SIZE);
	if (!quote->signature || !quote->key)
		return bad(r, "cut off in the signature");
	/* Since version 4 what follows is certification data itself. */
	if (quote->version > 3) {
		if (!take_certification(in, &type))
			return bad(r, "no quoting enclave's report, or of a wrong size");
		if (type != CERT_QE_REPORT)
			return unknown(r, "the attestation key is not certified by a quoting enclave's report (type 6)");
	}
	return parse_qe(in, quote, r);
}

static bool parse(const void *data, size_t len, struct dcap_quote *quote,
		  struct refusal *r)
{
	struct cursor in = { data, len };
	uint32_t size, tee;

	if (len > DSTACK_QUOTE_MAX)
		return bad(r, "larger than any quote");
	if (!parse_header(&in, quote, &tee, r) ||
	    !parse_body(&in, quote, tee, r))
		return false;
	quote->signed_part = data;
	quote->signed_len = in.p - quote->signed_part;
	if (!cursor_u32(&in, &size) || size > in.left)
		return bad(r, "cut off before the end of the signature data");
	/* What follows is padding: nobody signed it, nobody reads it. */
	in.left = size;
	return parse_signature(&in, quote, r);
}

int dcap_quote_parse(const void *data, size_t len, struct dcap_quote *quote,
		     const char **why)
{
	struct refusal r = { .why = NULL };
	bool good = parse(data, len, quote, &r);

	*why = r.why;
	if (good)
		return 0;
	return r.unknown ? -EOPNOTSUPP : -EBADMSG;
}

int libdstack_sim_quote_parse(const void *quote, size_t len,
			      struct libdstack_sim_quote *sim)
{
	const size_t magic_len = strlen(SIM_MAGIC);

	if (len < magic_len || memcmp(quote, SIM_MAGIC, magic_len))
		return -ENODATA;
	if (len != magic_len + sizeof(*sim))
		return -EBADMSG;
	memcpy(sim, (const uint8_t *)quote + magic_len, sizeof(*sim));
	return 0;
}
