// SPDX-License-Identifier: MIT
/*
 * The container "V1": MessagePack
 *
 * Copyright The dstack for Linux authors
 *
 *	{version: 1, platform: {kind, data}, stack: {kind, data}}
 *
 * Members go by name, in any order; unknown ones are refused.
 */
#include "attestation.h"

#include <errno.h>
#include <string.h>

#define VERSION 1

static int malformed(struct att *att, const char *what)
{
	return att_fail(att, REASON(MALFORMED),
			"MessagePack: %s: a member is missing, unknown or of another type",
			what);
}

static bool read_version(const msgpack_object *obj, uint32_t *version)
{
	*version = 0;
	return !obj || mp_u32(obj, version);
}

static bool read_event(struct att *att, const msgpack_object *obj,
		       struct att_event *event)
{
	static const char *const names[] = {
		"imr", "event_type", "event", "event_payload", "?digest",
		"?version", "?preimage", NULL
	};
	const msgpack_object *field[MP_FIELDS_MAX];

	/* The preimage follows from the rest, and is not asked. */
	return mp_fields(obj, names, field) &&
		mp_u32(field[0], &event->imr) &&
		mp_u32(field[1], &event->type) &&
		mp_text(field[2], &event->name) &&
		mp_bytes(att->out, field[3], &event->payload) &&
		(!field[4] || mp_bytes(att->out, field[4], &event->digest)) &&
		read_version(field[5], &event->version);
}

static bool read_runtime_event(struct att *att, const msgpack_object *obj,
			       struct att_event *event)
{
	static const char *const names[] = {
		"event", "payload", "?version", NULL
	};
	const msgpack_object *field[MP_FIELDS_MAX];

	event->imr = ATT_RUNTIME_REGISTER;
	event->type = DSTACK_EVENT_TYPE;
	return mp_fields(obj, names, field) &&
		mp_text(field[0], &event->name) &&
		mp_bytes(att->out, field[1], &event->payload) &&
		read_version(field[2], &event->version);
}

static int read_list(struct att *att, const msgpack_object *list,
		     const char *what,
		     bool (*read)(struct att *att, const msgpack_object *obj,
				  struct att_event *event),
		     int (*add)(struct att *att, const struct att_event *event))
{
	uint32_t i;
	int err = 0;

	if (list->type != MSGPACK_OBJECT_ARRAY)
		return malformed(att, what);
	for (i = 0; !err && i < list->via.array.size; i++) {
		struct att_event event = { .imr = 0 };

		err = read(att, &list->via.array.ptr[i], &event) ?
			add(att, &event) : malformed(att, what);
	}
	return err;
}

static int read_quote(struct att *att, const msgpack_object *quote,
		      const msgpack_object *log)
{
	if (!mp_bytes(att->out, quote, &att->out->evidence))
		return malformed(att, "quote");
	return read_list(att, log, "event_log", read_event, att_add_listed);
}

static int read_tdx(struct att *att, const msgpack_object *data)
{
	static const char *const names[] = { "quote", "event_log", NULL };
	const msgpack_object *field[MP_FIELDS_MAX];

	if (!mp_fields(data, names, field))
		return malformed(att, "tdx");
	return read_quote(att, field[0], field[1]);
}

static bool read_pcr(struct att *att, const msgpack_object *obj,
		     struct libdstack_tpm_pcr *pcr)
{
	static const char *const names[] = {
		"index", "algorithm", "value", NULL
	};
	const msgpack_object *field[MP_FIELDS_MAX];

	return mp_fields(obj, names, field) && mp_u32(field[0], &pcr->index) &&
		mp_text(field[1], &pcr->algorithm) &&
		mp_bytes(att->out, field[2], &pcr->value);
}

static bool read_tpm_event(struct att *att, const msgpack_object *obj,
			   struct libdstack_tpm_event *event)
{
	static const char *const names[] = { "pcr_index", "digest", NULL };
	const msgpack_object *field[MP_FIELDS_MAX];

	return mp_fields(obj, names, field) && mp_u32(field[0], &event->pcr) &&
		mp_bytes(att->out, field[1], &event->digest);
}

static bool is_list(const msgpack_object *obj, uint32_t most)
{
	return obj->type == MSGPACK_OBJECT_ARRAY &&
		obj->via.array.size <= most;
}

static bool read_pcrs(struct att *att, const msgpack_object *list)
{
	struct libdstack_tpm_evidence *tpm = &att->out->tpm;
	size_t i;

	if (!is_list(list, LIBDSTACK_ATTESTATION_PCRS_MAX))
		return false;
	tpm->nr_pcrs = list->via.array.size;
	tpm->pcrs = att_alloc(att->out, tpm->nr_pcrs * sizeof(*tpm->pcrs));
	for (i = 0; tpm->pcrs && i < tpm->nr_pcrs; i++)
		if (!read_pcr(att, &list->via.array.ptr[i], &tpm->pcrs[i]))
			return false;
	return tpm->pcrs;
}

static bool read_tpm_events(struct att *att, const msgpack_object *list)
{
	struct libdstack_tpm_evidence *tpm = &att->out->tpm;
	size_t i;

	if (!is_list(list, LIBDSTACK_ATTESTATION_TPM_EVENTS_MAX))
		return false;
	tpm->nr_events = list->via.array.size;
	tpm->events = att_alloc(att->out,
				tpm->nr_events * sizeof(*tpm->events));
	for (i = 0; tpm->events && i < tpm->nr_events; i++)
		if (!read_tpm_event(att, &list->via.array.ptr[i],
				    &tpm->events[i]))
			return false;
	return tpm->events;
}

static bool read_tpm(struct att *att, const msgpack_object *obj)
{
	static const char *const names[] = {
		"message", "signature", "pcr_values", "ak_cert", "platform",
		"event_log", NULL
	};
	struct libdstack_tpm_evidence *tpm = &att->out->tpm;
	const msgpack_object *field[MP_FIELDS_MAX];

	/* What the guest calls its platform proves nothing. */
	return mp_fields(obj, names, field) &&
		mp_bytes(att->out, field[0], &tpm->message) &&
		mp_bytes(att->out, field[1], &tpm->signature) &&
		read_pcrs(att, field[2]) &&
		mp_bytes(att->out, field[3], &tpm->ak_cert) &&
		read_tpm_events(att, field[5]);
}

static int read_gcp(struct att *att, const msgpack_object *data)
{
	static const char *const names[] = {
		"quote", "event_log", "tpm_quote", NULL
	};
	const msgpack_object *field[MP_FIELDS_MAX];

	if (!mp_fields(data, names, field))
		return malformed(att, "gcp-tdx");
	if (!read_tpm(att, field[2]))
		return malformed(att, "tpm_quote");
	return read_quote(att, field[0], field[1]);
}

static int read_document(struct att *att, const msgpack_object *data,
			 const char *name)
{
	const char *const names[] = { name, NULL };
	const msgpack_object *field[MP_FIELDS_MAX];

	if (!mp_fields(data, names, field) ||
	    !mp_bytes(att->out, field[0], &att->out->evidence))
		return malformed(att, name);
	return 0;
}

static int read_enclave(struct att *att, const msgpack_object *data)
{
	return read_document(att, data, "nsm_quote");
}

static int read_nitro_tpm(struct att *att, const msgpack_object *data)
{
	return read_document(att, data, "attestation_doc");
}

static bool read_certs(struct att *att, const msgpack_object *list)
{
	size_t i;

	if (!is_list(list, LIBDSTACK_ATTESTATION_CERTS_MAX))
		return false;
	att->out->nr_certs = list->via.array.size;
	for (i = 0; i < att->out->nr_certs; i++)
		if (!mp_bytes(att->out, &list->via.array.ptr[i],
			      &att->out->certs[i]))
			return false;
	return true;
}

static int read_snp(struct att *att, const msgpack_object *data)
{
	static const char *const names[] = {
		"report", "cert_chain", "mr_config", NULL
	};
	const msgpack_object *field[MP_FIELDS_MAX];

	if (!mp_fields(data, names, field) ||
	    !mp_bytes(att->out, field[0], &att->out->evidence) ||
	    !read_certs(att, field[1]) ||
	    !mp_text(field[2], &att->out->mr_config))
		return malformed(att, "sev-snp");
	return 0;
}

static const struct {
	const char *name;
	enum libdstack_tee tee;
	int (*read)(struct att *att, const msgpack_object *data);
} kinds[] = {
	{ "tdx", LIBDSTACK_TEE_TDX, read_tdx },
	{ "gcp-tdx", LIBDSTACK_TEE_GCP_TDX, read_gcp },
	{ "nitro-enclave", LIBDSTACK_TEE_NITRO_ENCLAVE, read_enclave },
	{ "sev-snp", LIBDSTACK_TEE_SEV_SNP, read_snp },
	{ "aws-nitro-tpm", LIBDSTACK_TEE_AWS_NITRO_TPM, read_nitro_tpm },
};

static const char *const kind_data[] = { "kind", "data", NULL };

static int read_platform(struct att *att, const msgpack_object *obj)
{
	const msgpack_object *field[MP_FIELDS_MAX];
	size_t i;

	if (!mp_fields(obj, kind_data, field))
		return malformed(att, "platform");
	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (!mp_is(field[0], kinds[i].name))
			continue;
		att->out->tee = kinds[i].tee;
		return kinds[i].read(att, field[1]);
	}
	return att_fail(att, REASON(UNSUPPORTED), "a platform of unknown kind");
}

static int read_stack_data(struct att *att, const msgpack_object *data)
{
	static const char *const plain[] = {
		"report_data", "runtime_events", "config", NULL
	};
	static const char *const pod[] = {
		"report_data", "runtime_events", "config",
		"report_data_payload", NULL
	};
	const msgpack_object *field[MP_FIELDS_MAX];
	struct libdstack_span report_data;
	int err;

	if (!mp_fields(data, att->out->pod ? pod : plain, field) ||
	    !mp_bytes(att->out, field[0], &report_data) ||
	    !mp_text(field[2], &att->out->config) ||
	    (att->out->pod && !mp_text(field[3], &att->out->payload)))
		return malformed(att, "stack");
	err = att_report_data(att, &report_data);
	return err ? err : read_list(att, field[1], "runtime_events",
				     read_runtime_event, att_add_runtime);
}

static int read_stack(struct att *att, const msgpack_object *obj)
{
	const msgpack_object *field[MP_FIELDS_MAX];

	if (!mp_fields(obj, kind_data, field))
		return malformed(att, "stack");
	att->out->pod = mp_is(field[0], "dstack-pod");
	if (!att->out->pod && !mp_is(field[0], "dstack"))
		return att_fail(att, REASON(UNSUPPORTED),
				"a stack of unknown kind");
	return read_stack_data(att, field[1]);
}

static int read_container(struct att *att, const msgpack_object *obj)
{
	static const char *const names[] = {
		"version", "platform", "stack", NULL
	};
	const msgpack_object *field[MP_FIELDS_MAX];
	uint32_t version;
	int err;

	if (!mp_fields(obj, names, field) || !mp_u32(field[0], &version))
		return malformed(att, "container");
	if (version != VERSION)
		return att_fail(att, REASON(UNSUPPORTED),
				"MessagePack container of version %u", version);
	att->out->form = LIBDSTACK_FORM_MSGPACK;
	err = read_platform(att, field[1]);
	if (!err)
		err = read_stack(att, field[2]);
	return err ? err : att_check_lists(att);
}

int att_parse_msgpack(struct att *att)
{
	msgpack_object obj;
	msgpack_zone zone;
	const char *why;
	int err;

	err = mp_parse(att->input.data, att->input.len, &zone, &obj, &why);
	if (err)
		return att_fail(att, err == -ENOMEM ? REASON(MEMORY) :
				REASON(MALFORMED), "MessagePack: %s", why);
	err = read_container(att, &obj);
	msgpack_zone_destroy(&zone);
	return err;
}
