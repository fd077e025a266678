// SPDX-License-Identifier: MIT
/*
 * The container "V0": SCALE
 *
 * Copyright The dstack for Linux authors
 *
 *	00, quote, runtime events, report data (64 bytes), config
 *
 * The quote is an enumeration of the TEEs.  Nothing may follow.
 */
#include "attestation.h"

#include <errno.h>
#include <string.h>

/* What the smallest ones take. */
#define EVENT_LEAST	11	/* imr, type, three lengths */
#define RUNTIME_LEAST	2
#define CERT_LEAST	1
#define PCR_LEAST	6
#define TPM_EVENT_LEAST	5
#define TPM_PLATFORMS	4

static int refused(struct att *att, const struct scale *s)
{
	return att_fail(att, REASON(MALFORMED), "SCALE: %s", s->why);
}

static int read_events(struct att *att, struct scale *s)
{
	uint32_t nr = scale_count(s, EVENT_LEAST,
				  2 * LIBDSTACK_ATTESTATION_EVENTS_MAX);
	int err = 0;

	while (!err && nr--) {
		struct att_event event = {
			.imr = scale_u32(s), .version = 0,
		};

		event.type = scale_u32(s);
		event.digest = scale_bytes(s);
		event.name = scale_bytes(s);
		event.payload = scale_bytes(s);
		err = s->why ? refused(att, s) : att_add_listed(att, &event);
	}
	return err;
}

static int read_runtime_events(struct att *att, struct scale *s)
{
	uint32_t nr = scale_count(s, RUNTIME_LEAST,
				  LIBDSTACK_ATTESTATION_EVENTS_MAX);
	int err = 0;

	while (!err && nr--) {
		struct att_event event = {
			.imr = ATT_RUNTIME_REGISTER, .type = DSTACK_EVENT_TYPE,
		};

		event.name = scale_bytes(s);
		event.payload = scale_bytes(s);
		err = s->why ? refused(att, s) : att_add_runtime(att, &event);
	}
	return err;
}

static int read_pcrs(struct att *att, struct scale *s)
{
	struct libdstack_tpm_evidence *tpm = &att->out->tpm;
	size_t i;

	tpm->nr_pcrs = scale_count(s, PCR_LEAST,
				   LIBDSTACK_ATTESTATION_PCRS_MAX);
	tpm->pcrs = att_alloc(att->out, tpm->nr_pcrs * sizeof(*tpm->pcrs));
	if (!tpm->pcrs)
		return att_no_memory(att);
	for (i = 0; i < tpm->nr_pcrs; i++) {
		tpm->pcrs[i].index = scale_u32(s);
		tpm->pcrs[i].algorithm = scale_bytes(s);
		tpm->pcrs[i].value = scale_bytes(s);
	}
	return 0;
}

static int read_tpm_events(struct att *att, struct scale *s)
{
	struct libdstack_tpm_evidence *tpm = &att->out->tpm;
	size_t i;

	tpm->nr_events = scale_count(s, TPM_EVENT_LEAST,
				     LIBDSTACK_ATTESTATION_TPM_EVENTS_MAX);
	tpm->events = att_alloc(att->out,
				tpm->nr_events * sizeof(*tpm->events));
	if (!tpm->events)
		return att_no_memory(att);
	for (i = 0; i < tpm->nr_events; i++) {
		tpm->events[i].pcr = scale_u32(s);
		tpm->events[i].digest = scale_bytes(s);
	}
	return 0;
}

static int read_tpm(struct att *att, struct scale *s)
{
	struct libdstack_tpm_evidence *tpm = &att->out->tpm;
	int err;

	tpm->message = scale_bytes(s);
	tpm->signature = scale_bytes(s);
	err = read_pcrs(att, s);
	if (err)
		return err;
	tpm->ak_cert = scale_bytes(s);
	/* What the guest calls its platform, which proves nothing. */
	if (scale_u8(s) >= TPM_PLATFORMS)
		scale_refuse(s, "a TPM of an unknown platform");
	return read_tpm_events(att, s);
}

static int read_tdx(struct att *att, struct scale *s)
{
	att->out->evidence = scale_bytes(s);
	return read_events(att, s);
}

static int read_gcp(struct att *att, struct scale *s)
{
	int err = read_tdx(att, s);

	return err ? err : read_tpm(att, s);
}

static int read_document(struct att *att, struct scale *s)
{
	att->out->evidence = scale_bytes(s);
	return 0;
}

static int read_snp(struct att *att, struct scale *s)
{
	size_t i;

	att->out->evidence = scale_bytes(s);
	att->out->nr_certs = scale_count(s, CERT_LEAST,
					 LIBDSTACK_ATTESTATION_CERTS_MAX);
	for (i = 0; i < att->out->nr_certs; i++)
		att->out->certs[i] = scale_bytes(s);
	att->out->mr_config = scale_bytes(s);
	return 0;
}

/* By the tag of the enumeration. */
static const struct {
	enum libdstack_tee tee;
	int (*read)(struct att *att, struct scale *s);
} kinds[] = {
	{ LIBDSTACK_TEE_TDX, read_tdx },
	{ LIBDSTACK_TEE_GCP_TDX, read_gcp },
	{ LIBDSTACK_TEE_NITRO_ENCLAVE, read_document },
	{ LIBDSTACK_TEE_SEV_SNP, read_snp },
	{ LIBDSTACK_TEE_AWS_NITRO_TPM, read_document },
};

static int read_stack(struct att *att, struct scale *s)
{
	struct libdstack_span report_data;
	int err;

	err = read_runtime_events(att, s);
	if (err)
		return err;
	report_data = scale_fixed(s, DSTACK_REPORT_DATA_SIZE);
	att->out->config = scale_bytes(s);
	if (s->why)
		return refused(att, s);
	err = att_report_data(att, &report_data);
	return err ? err : att_check_lists(att);
}

int att_read_scale(struct att *att, struct scale *s)
{
	uint8_t version = scale_u8(s), tag = scale_u8(s);
	int err;

	if (s->why)
		return refused(att, s);
	if (version)
		return att_fail(att, REASON(UNSUPPORTED),
				"SCALE container of version %u", version);
	if (tag >= sizeof(kinds) / sizeof(kinds[0]))
		return att_fail(att, REASON(UNSUPPORTED),
				"evidence of unknown kind %u", tag);
	att->out->tee = kinds[tag].tee;
	att->out->form = LIBDSTACK_FORM_SCALE;
	err = kinds[tag].read(att, s);
	if (!err)
		err = s->why ? refused(att, s) : read_stack(att, s);
	if (!err && s->left)
		err = att_fail(att, REASON(MALFORMED),
			       "%zu bytes follow the container", s->left);
	return err;
}

int att_parse_scale(struct att *att)
{
	struct scale s;

	scale_init(&s, att->input.data, att->input.len);
	return att_read_scale(att, &s);
}
