// SPDX-License-Identifier: MIT
/*
 * What guest agents answer in JSON: GetQuote, Attest, and Info's TCB info
 *
 * Copyright The dstack for Linux authors
 */
#include "attestation.h"

#include <errno.h>
#include <openssl/sha.h>
#include <string.h>

#include "dcap/dcap.h"

#define REPLY_VALUES	32U	/* of an object that holds texts */
#define LOG_VALUES	(8 * LIBDSTACK_ATTESTATION_EVENTS_MAX)

static int hex_failure(struct att *att, int err, const char *name)
{
	if (err == -ENOMEM)
		return att_no_memory(att);
	return att_fail(att, REASON(MALFORMED), "%s is not hex", name);
}

static bool get_u32(const json_t *obj, const char *name, uint32_t *out)
{
	const json_t *value = json_object_get(obj, name);
	json_int_t number = json_integer_value(value);

	*out = number;
	return json_is_integer(value) && number >= 0 && number <= UINT32_MAX;
}

static int read_event(struct att *att, const json_t *obj)
{
	static const char *const names[] = {
		"imr", "event_type", "event", "event_payload", "digest",
		"?version", "?preimage", NULL
	};
	const json_t *name = json_object_get(obj, "event");
	struct att_event event = {
		.name = { (const uint8_t *)json_string_value(name),
			  json_string_length(name) },
	};
	const char *wrong = att_members(obj, names);
	int err;

	if (!wrong && (!json_is_string(name) ||
		       !get_u32(obj, "imr", &event.imr) ||
		       !get_u32(obj, "event_type", &event.type) ||
		       (json_object_get(obj, "version") &&
			!get_u32(obj, "version", &event.version))))
		wrong = "a number or name";
	if (wrong)
		return att_fail(att, REASON(MALFORMED),
				"event log: a member is missing, unknown or of another type: %s",
				wrong);
	err = att_hex(att->out, json_object_get(obj, "event_payload"),
		      &event.payload);
	if (!err)
		err = att_hex(att->out, json_object_get(obj, "digest"),
			      &event.digest);
	if (err)
		return hex_failure(att, err, "an event's payload or digest");
	return att_add_listed(att, &event);
}

static int read_events(struct att *att, const json_t *list)
{
	const json_t *obj;
	size_t i;
	int err = 0;

	if (!json_is_array(list))
		return att_fail(att, REASON(MALFORMED),
				"the event log is not an array");
	json_array_foreach(list, i, obj) {
		err = read_event(att, obj);
		if (err)
			return err;
	}
	att_adopt_listed(att);
	return 0;
}

static int error_of(const struct att *att)
{
	return att->failure->reason == REASON(MEMORY) ? -ENOMEM : -EBADMSG;
}

/* The event log is a text in the text. */
static int read_log_text(struct att *att, const json_t *text)
{
	json_t *list;
	int err;

	if (!json_is_string(text))
		return att_fail(att, REASON(MALFORMED),
				"event_log is not a text");
	list = att_json(att->failure, json_string_value(text),
			json_string_length(text), LOG_VALUES, "event log");
	if (!list)
		return error_of(att);
	err = read_events(att, list);
	json_decref(list);
	return err;
}

static int copy_text(struct att *att, const json_t *text,
		     struct libdstack_span *copy)
{
	if (!json_is_string(text))
		return att_fail(att, REASON(MALFORMED),
				"a member is not a text");
	return att_copy(att->out, json_string_value(text),
			json_string_length(text), copy) ? 0 :
		att_no_memory(att);
}

static int read_report_data(struct att *att, const json_t *value)
{
	struct libdstack_span data;
	int err;

	if (!value)
		return 0;
	err = att_hex(att->out, value, &data);
	return err ? hex_failure(att, err, "report_data") :
		att_report_data(att, &data);
}

/* The reply of GetQuote, and what a verifier is asked with. */
static int read_get_quote(struct att *att, const json_t *obj)
{
	const json_t *config = json_object_get(obj, "vm_config");
	int err;

	att->out->tee = LIBDSTACK_TEE_TDX;
	err = att_hex(att->out, json_object_get(obj, "quote"),
		      &att->out->evidence);
	if (err)
		return hex_failure(att, err, "quote");
	err = read_report_data(att, json_object_get(obj, "report_data"));
	if (!err && config)
		err = copy_text(att, config, &att->out->config);
	if (err)
		return err;
	return read_log_text(att, json_object_get(obj, "event_log"));
}

/* A container in hex. */
static int read_attest(struct att *att, const json_t *obj)
{
	int err = att_hex(att->out, json_object_get(obj, "attestation"),
			  &att->input);

	if (err)
		return hex_failure(att, err, "attestation");
	if (att->input.len && att->input.data[0] == '{')
		return att_fail(att, REASON(MALFORMED),
				"attestation is JSON again, not a container");
	return att_parse(att);
}

static int read_reply(struct att *att, const json_t *obj)
{
	static const char *const quote[] = {
		"quote", "event_log", "?report_data", "?vm_config", NULL
	};
	static const char *const attest[] = { "attestation", NULL };
	const char *wrong;

	if (!att_members(obj, attest))
		return read_attest(att, obj);
	wrong = att_members(obj, quote);
	if (wrong)
		return att_fail(att, REASON(MALFORMED),
				"neither {attestation} nor {quote, event_log, report_data, vm_config}: a member is missing or unknown: %s",
				wrong);
	return read_get_quote(att, obj);
}

static int parse(struct att *att, size_t values,
		 int (*read)(struct att *att, const json_t *obj))
{
	json_t *obj;
	int err;

	obj = att_json(att->failure, att->input.data, att->input.len, values,
		       "JSON");
	if (!obj)
		return error_of(att);
	att->out->form = LIBDSTACK_FORM_JSON;
	err = read(att, obj);
	json_decref(obj);
	return err;
}

int att_parse_json(struct att *att)
{
	return parse(att, REPLY_VALUES, read_reply);
}

/* What it says of the quote's registers is what the quote says. */
static int check_registers(struct att *att, const json_t *obj)
{
	struct dcap_quote quote;
	struct libdstack_td td;
	uint8_t value[DSTACK_REGISTER_SIZE];
	const char *why;
	size_t i;

	if (!att_is_td_quote(att->quote))
		return att_fail(att, REASON(UNSUPPORTED),
				"the quote is not of a TD");
	if (dcap_quote_parse(att->quote->data, att->quote->len, &quote, &why))
		return att_fail(att, REASON(MALFORMED), "quote: %s", why);
	dcap_quote_td(&quote, &td);
	for (i = 0; i <= ATT_REGISTERS; i++) {
		static const char *const names[] = {
			"rtmr0", "rtmr1", "rtmr2", "rtmr3", "mrtd"
		};
		const uint8_t *have = i < ATT_REGISTERS ? td.rtmr[i] : td.mr_td;

		if (!att_hex_fixed(json_object_get(obj, names[i]), value,
				   sizeof(value)))
			return att_fail(att, REASON(MALFORMED),
					"%s is not 96 hex digits", names[i]);
		if (memcmp(value, have, sizeof(value)))
			return att_fail(att, REASON(MISMATCH),
					"%s is not that of the quote: they are of different guests or times",
					names[i]);
	}
	return 0;
}

/* The form that other containers say it in. */
static int make_config(struct att *att, const json_t *hash)
{
	uint8_t bytes[32];
	char *text;
	bool copied;
	json_t *obj;

	/* "": the guest was not told, and has not measured it. */
	if (!hash || (json_is_string(hash) && !json_string_length(hash)))
		return 0;
	if (!att_hex_fixed(hash, bytes, sizeof(bytes)))
		return att_fail(att, REASON(MALFORMED),
				"os_image_hash is not 64 hex digits");
	obj = json_pack("{s:O}", "os_image_hash", hash);
	text = obj ? json_dumps(obj, JSON_COMPACT) : NULL;
	json_decref(obj);
	copied = text && att_copy(att->out, text, strlen(text),
				  &att->out->config);
	free(text);
	return copied ? 0 : att_no_memory(att);
}

static int read_app_compose(struct att *att, const json_t *obj)
{
	uint8_t claimed[32], hash[32];
	struct libdstack_span *text = &att->out->app_compose;
	int err = copy_text(att, json_object_get(obj, "app_compose"), text);

	if (err)
		return err;
	SHA256(text->data, text->len, hash);
	if (!att_hex_fixed(json_object_get(obj, "compose_hash"), claimed,
			   sizeof(claimed)) ||
	    memcmp(claimed, hash, sizeof(hash)))
		return att_fail(att, REASON(MISMATCH),
				"compose_hash is not that of app_compose");
	return 0;
}

static int read_tcb_info(struct att *att, const json_t *obj)
{
	static const char *const names[] = {
		"mrtd", "rtmr0", "rtmr1", "rtmr2", "rtmr3", "compose_hash",
		"app_compose", "event_log", "?os_image_hash", "?device_id",
		"?mr_aggregated", NULL
	};
	const char *wrong = att_members(obj, names);
	int err;

	if (wrong)
		return att_fail(att, REASON(MALFORMED),
				"TCB info: a member is missing or unknown: %s",
				wrong);
	att->out->tee = LIBDSTACK_TEE_TDX;
	if (!att_copy(att->out, att->quote->data, att->quote->len,
		      &att->out->evidence))
		return att_no_memory(att);
	err = check_registers(att, obj);
	if (!err)
		err = make_config(att, json_object_get(obj, "os_image_hash"));
	if (!err)
		err = read_app_compose(att, obj);
	return err ? err : read_events(att, json_object_get(obj, "event_log"));
}

int att_parse_tcb_info(struct att *att)
{
	return parse(att, LOG_VALUES, read_tcb_info);
}

int att_parse_log(struct att *att)
{
	json_t *list = att_json(att->failure, att->input.data, att->input.len,
				LOG_VALUES, "event log");
	int err;

	if (!list)
		return error_of(att);
	att->out->tee = LIBDSTACK_TEE_TDX;
	att->out->form = LIBDSTACK_FORM_JSON;
	err = att_copy(att->out, att->quote->data, att->quote->len,
		       &att->out->evidence) ? read_events(att, list) :
		att_no_memory(att);
	json_decref(list);
	return err;
}
