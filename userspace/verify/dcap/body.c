// SPDX-License-Identifier: MIT
/*
 * What the report in a quote says: fields in the order of their bytes
 *
 * Copyright The dstack for Linux authors
 */
#include "dcap.h"

#include <string.h>

struct field {
	void *to;		/* NULL: reserved */
	size_t len;
};

/* As many of the fields as @len bytes have. */
static void take_fields(const uint8_t *p, size_t len,
			const struct field *fields, size_t nr)
{
	size_t i;

	for (i = 0; i < nr && len >= fields[i].len; i++) {
		if (fields[i].to)
			memcpy(fields[i].to, p, fields[i].len);
		p += fields[i].len;
		len -= fields[i].len;
	}
}

#define FIELD(member)	{ (member), sizeof(member) }
#define NR(array)	(sizeof(array) / sizeof((array)[0]))

void dcap_quote_td(const struct dcap_quote *quote, struct libdstack_td *td)
{
	const struct field fields[] = {
		FIELD(td->tee_tcb_svn), FIELD(td->mr_seam),
		FIELD(td->mr_signer_seam), FIELD(td->seam_attributes),
		FIELD(td->attributes), FIELD(td->xfam), FIELD(td->mr_td),
		FIELD(td->mr_config_id), FIELD(td->mr_owner),
		FIELD(td->mr_owner_config), FIELD(td->rtmr),
		FIELD(td->report_data),
		/* since TD 1.5 */
		FIELD(td->tee_tcb_svn2), FIELD(td->mr_service_td),
	};

	memset(td, 0, sizeof(*td));
	take_fields(quote->body, quote->body_len, fields, NR(fields));
}

static uint16_t get_le16(const uint8_t *p)
{
	return p[0] | p[1] << 8;
}

void dcap_enclave(const uint8_t *report, struct libdstack_enclave *enclave)
{
	uint8_t misc[4], prod_id[2], svn[2], config_svn[2];
	const struct field fields[] = {
		FIELD(enclave->cpu_svn), FIELD(misc), { NULL, 12 },
		FIELD(enclave->ext_prod_id), FIELD(enclave->attributes),
		FIELD(enclave->mr_enclave), { NULL, 32 },
		FIELD(enclave->mr_signer), { NULL, 32 },
		FIELD(enclave->config_id), FIELD(prod_id), FIELD(svn),
		FIELD(config_svn), { NULL, 42 }, FIELD(enclave->family_id),
		FIELD(enclave->report_data),
	};

	memset(enclave, 0, sizeof(*enclave));
	take_fields(report, DCAP_QE_REPORT_SIZE, fields, NR(fields));
	enclave->misc_select = get_le16(misc) |
		(uint32_t)get_le16(misc + 2) << 16;
	enclave->prod_id = get_le16(prod_id);
	enclave->svn = get_le16(svn);
	enclave->config_svn = get_le16(config_svn);
}
