// SPDX-License-Identifier: MIT
/*
 * Containers: which form, and what of them is the same in all
 *
 * Copyright The dstack for Linux authors
 */
#include "attestation.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define TYPE_AT	4	/* of the TEE, in a quote */

static const char *const tee_names[__LIBDSTACK_TEE_MAX] = {
	[LIBDSTACK_TEE_TDX] = "dstack-tdx",
	[LIBDSTACK_TEE_GCP_TDX] = "dstack-gcp-tdx",
	[LIBDSTACK_TEE_NITRO_ENCLAVE] = "dstack-nitro-enclave",
	[LIBDSTACK_TEE_SEV_SNP] = "dstack-amd-sev-snp",
	[LIBDSTACK_TEE_AWS_NITRO_TPM] = "dstack-aws-nitro-tpm",
};

const char *libdstack_tee_name(enum libdstack_tee tee)
{
	return tee < __LIBDSTACK_TEE_MAX ? tee_names[tee] : NULL;
}

int att_fail(struct att *att, enum libdstack_reason reason,
	     const char *fmt, ...)
{
	va_list args;
	int err;

	va_start(args, fmt);
	err = verify_failv(att->failure, reason, fmt, args);
	va_end(args);
	return err;
}

int att_no_memory(struct att *att)
{
	return att_fail(att, REASON(MEMORY), "no memory");
}

bool att_is_td_quote(const struct libdstack_span *quote)
{
	static const uint8_t type[4] = { 0x81 };

	return quote->len >= TYPE_AT + sizeof(type) &&
		!memcmp(quote->data + TYPE_AT, type, sizeof(type));
}

int att_report_data(struct att *att, const struct libdstack_span *value)
{
	if (value->len != sizeof(att->out->report_data))
		return att_fail(att, REASON(MALFORMED),
				"report data of %zu bytes, not %d", value->len,
				DSTACK_REPORT_DATA_SIZE);
	memcpy(att->out->report_data, value->data, value->len);
	att->out->have_report_data = true;
	return 0;
}

int att_parse(struct att *att)
{
	uint8_t first = att->input.len ? att->input.data[0] : 0xff;

	if (first == 0x00)
		return att_parse_scale(att);
	if ((first & 0xf0) == 0x80 || first == 0xde || first == 0xdf)
		return att_parse_msgpack(att);
	if (first == '{')
		return att_parse_json(att);
	return att_fail(att, REASON(UNSUPPORTED),
			"neither SCALE (00), MessagePack nor a JSON object; a bare quote is verified as such");
}

/*
 * @parse fills a new container from a copy of the input.  @quote: what a text
 * is about that has none in it.
 */
static int make(const void *data, size_t len,
		const struct libdstack_span *quote,
		int (*parse)(struct att *att),
		struct libdstack_attestation **attestation,
		struct libdstack_failure *failure)
{
	struct att att = { .failure = failure, .quote = quote };
	int err;

	memset(failure, 0, sizeof(*failure));
	verify_step(failure, "attestation container");
	if (len > LIBDSTACK_ATTESTATION_MAX)
		return att_fail(&att, REASON(MALFORMED),
				"more than %u bytes",
				LIBDSTACK_ATTESTATION_MAX);
	att.out = calloc(1, sizeof(*att.out));
	if (!att.out)
		return att_no_memory(&att);
	err = att_copy(att.out, data, len, &att.input) ? parse(&att) :
		att_no_memory(&att);
	dstack_log_clear(&att.listed);
	if (err) {
		libdstack_attestation_free(att.out);
		return err;
	}
	memset(failure, 0, sizeof(*failure));
	*attestation = att.out;
	return 0;
}

int libdstack_attestation_parse(const void *data, size_t len,
				struct libdstack_attestation **attestation,
				struct libdstack_failure *failure)
{
	return make(data, len, NULL, att_parse, attestation, failure);
}

int libdstack_tcb_info_parse(const char *text, size_t len,
			     const void *quote, size_t quote_len,
			     struct libdstack_attestation **attestation,
			     struct libdstack_failure *failure)
{
	const struct libdstack_span of = { quote, quote_len };

	return make(text, len, &of, att_parse_tcb_info, attestation, failure);
}

int att_from_quote(const struct libdstack_span *quote,
		   const struct libdstack_span *log,
		   struct libdstack_attestation **attestation,
		   struct libdstack_failure *failure)
{
	return make(log->data, log->len, quote, att_parse_log, attestation,
		    failure);
}
