// SPDX-License-Identifier: MIT
/*
 * Take a quote apart
 *
 * Copyright The dstack for Linux authors
 *
 * Layout: Intel's TDX DCAP Quoting Library API, "Quote Generation", versions
 * 4 and 5.  All integers are little-endian.
 */
#include "dcap.h"

#include <endian.h>
#include <errno.h>
#include <string.h>

#define HEADER_SIZE		48
#define TEE_TDX			0x81
#define KEY_ECDSA_P256		2
#define CERT_QE_REPORT		6
#define CERT_PEM_CHAIN		5
#define BODY_TD10		2
#define BODY_TD15		3
#define BODY_TD10_SIZE		584
#define BODY_TD15_SIZE		648

#define SIM_MAGIC		"DSTKSIM1"

/* What is left to read. */
struct cursor {
	const uint8_t *p;
	size_t left;
};

/* The next @len bytes, or NULL. */
static const uint8_t *take(struct cursor *in, size_t len)
{
	const uint8_t *p = in->p;

	if (in->left < len)
		return NULL;
	in->p += len;
	in->left -= len;
	return p;
}

static bool take_u16(struct cursor *in, uint16_t *value)
{
	const uint8_t *p = take(in, 2);

	if (p)
		*value = p[0] | p[1] << 8;
	return p;
}

static bool take_u32(struct cursor *in, uint32_t *value)
{
	const uint8_t *p = take(in, 4);

	if (p)
		*value = p[0] | p[1] << 8 | p[2] << 16 | (uint32_t)p[3] << 24;
	return p;
}

static const char *parse_header(struct cursor *in, struct dcap_quote *quote)
{
	static const uint8_t intel[16] = {
		0x93, 0x9a, 0x72, 0x33, 0xf7, 0x9c, 0x4c, 0xa9,
		0x94, 0x0a, 0x0d, 0xb3, 0x95, 0x7f, 0x06, 0x07
	};
	uint16_t key_type;
	uint32_t tee;

	if (in->left < HEADER_SIZE)
		return "cut off in the header";
	take_u16(in, &quote->version);
	take_u16(in, &key_type);
	take_u32(in, &tee);
	if (quote->version != 4 && quote->version != 5)
		return "not a quote of version 4 or 5";
	if (tee != TEE_TDX)
		return "not a quote of a TD";
	if (key_type != KEY_ECDSA_P256)
		return "the attestation key is not ECDSA on P-256";
	take(in, 4);	/* reserved */
	if (memcmp(take(in, sizeof(intel)), intel, sizeof(intel)))
		return "the quoting enclave is not Intel's";
	take(in, 20);	/* user data */
	return NULL;
}

static const char *parse_body(struct cursor *in, struct dcap_quote *quote)
{
	uint16_t type = BODY_TD10;
	uint32_t size = BODY_TD10_SIZE;

	if (quote->version == 5 &&
	    !(take_u16(in, &type) && take_u32(in, &size)))
		return "cut off in the body's descriptor";
	quote->td15 = type == BODY_TD15;
	if (type != BODY_TD10 && type != BODY_TD15)
		return "the body is not a TD report";
	if (size != (quote->td15 ? BODY_TD15_SIZE : BODY_TD10_SIZE))
		return "the body's size is not that of its type";
	quote->body = take(in, size);
	return quote->body ? NULL : "cut off in the TD report";
}

/* Certification data must end exactly where its container does. */
static bool take_certification(struct cursor *in, uint16_t want)
{
	uint16_t type;
	uint32_t size;

	return take_u16(in, &type) && take_u32(in, &size) && type == want &&
		size == in->left;
}

static const char *parse_signature(struct cursor *in, struct dcap_quote *quote)
{
	uint16_t auth_len;

	quote->signature = take(in, DCAP_SIGNATURE_SIZE);
	quote->key = take(in, DCAP_KEY_SIZE);
	if (!quote->signature || !quote->key)
		return "cut off in the signature";
	if (!take_certification(in, CERT_QE_REPORT))
		return "no quoting enclave's report, or of a wrong size";
	quote->qe_report = take(in, DCAP_QE_REPORT_SIZE);
	quote->qe_signature = take(in, DCAP_SIGNATURE_SIZE);
	if (!quote->qe_report || !quote->qe_signature ||
	    !take_u16(in, &auth_len))
		return "cut off in the quoting enclave's report";
	quote->qe_auth_len = auth_len;
	quote->qe_auth = take(in, auth_len);
	if (!quote->qe_auth)
		return "cut off in the quoting enclave's data";
	if (!take_certification(in, CERT_PEM_CHAIN))
		return "no certificate chain, or of a wrong size";
	quote->chain = (const char *)in->p;
	quote->chain_len = in->left;
	return NULL;
}

int dcap_quote_parse(const void *data, size_t len, struct dcap_quote *quote,
		     const char **why)
{
	struct cursor in = { data, len };
	uint32_t size;

	*why = NULL;
	if (len > DSTACK_QUOTE_MAX)
		*why = "larger than any quote";
	if (!*why)
		*why = parse_header(&in, quote);
	if (!*why)
		*why = parse_body(&in, quote);
	if (*why)
		return -EBADMSG;
	quote->signed_part = data;
	quote->signed_len = in.p - quote->signed_part;
	if (!take_u32(&in, &size) || size > in.left) {
		*why = "cut off before the end of the signature data";
		return -EBADMSG;
	}
	/* What follows is padding: nobody signed it, nobody reads it. */
	in.left = size;
	*why = parse_signature(&in, quote);
	return *why ? -EBADMSG : 0;
}

void dcap_quote_td(const struct dcap_quote *quote, struct libdstack_td *td)
{
	struct cursor in = { quote->body, quote->td15 ? BODY_TD15_SIZE :
						       BODY_TD10_SIZE };
	const struct {
		void *to;
		size_t len;
	} fields[] = {
		{ td->tee_tcb_svn, sizeof(td->tee_tcb_svn) },
		{ td->mr_seam, sizeof(td->mr_seam) },
		{ td->mr_signer_seam, sizeof(td->mr_signer_seam) },
		{ td->seam_attributes, sizeof(td->seam_attributes) },
		{ td->attributes, sizeof(td->attributes) },
		{ td->xfam, sizeof(td->xfam) },
		{ td->mr_td, sizeof(td->mr_td) },
		{ td->mr_config_id, sizeof(td->mr_config_id) },
		{ td->mr_owner, sizeof(td->mr_owner) },
		{ td->mr_owner_config, sizeof(td->mr_owner_config) },
		{ td->rtmr, sizeof(td->rtmr) },
		{ td->report_data, sizeof(td->report_data) },
		{ td->tee_tcb_svn2, sizeof(td->tee_tcb_svn2) },
		{ td->mr_service_td, sizeof(td->mr_service_td) },
	};
	size_t i;

	memset(td, 0, sizeof(*td));
	for (i = 0; i < sizeof(fields) / sizeof(fields[0]) && in.left; i++)
		memcpy(fields[i].to, take(&in, fields[i].len), fields[i].len);
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
