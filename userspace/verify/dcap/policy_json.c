// SPDX-License-Identifier: MIT
/*
 * The JSON form of a policy for quotes
 *
 * Copyright The dstack for Linux authors
 *
 * A member that nothing here knows would be a condition that nobody checks, so
 * it is refused, as are values that could be read in two ways.
 */
#include "dcap.h"

#include <errno.h>
#include <libdstack_quote.h>
#include <openssl/sha.h>
#include <string.h>

#define VERSION	1

struct reader {
	struct libdstack_quote_policy *policy;
	const char *why;	/* what a member must be */
};

static bool bad(struct reader *r, const char *why)
{
	r->why = why;
	return false;
}

static bool get_version(struct reader *r, const json_t *value)
{
	return (json_is_integer(value) &&
		json_integer_value(value) == VERSION) ||
		bad(r, "must be 1");
}

static bool get_u32(struct reader *r, const json_t *value, uint32_t *out)
{
	json_int_t number = json_integer_value(value);

	if (!json_is_integer(value) || number < 0 || number > UINT32_MAX)
		return bad(r, "must be a number below 2^32");
	*out = number;
	return true;
}

static bool get_bool(struct reader *r, const json_t *value, bool *out)
{
	*out = json_is_true(value);
	return json_is_boolean(value) || bad(r, "must be true or false");
}

/* A string without a NUL in it, or NULL. */
static const char *text_of(const json_t *value)
{
	const char *text = json_string_value(value);

	return text && strlen(text) == json_string_length(value) ? text : NULL;
}

static bool get_statuses(struct reader *r, const json_t *value)
{
	static const char why[] =
		"must be an array of TCB statuses, without Revoked";
	enum libdstack_tcb_status status;
	const char *name;
	size_t i;

	if (!json_is_array(value))
		return bad(r, why);
	r->policy->tcb_allowed = 0;
	for (i = 0; i < json_array_size(value); i++) {
		name = text_of(json_array_get(value, i));
		status = name ? libdstack_tcb_status_from_name(name) :
				__LIBDSTACK_TCB_MAX;
		if (status >= LIBDSTACK_TCB_REVOKED)
			return bad(r, why);
		r->policy->tcb_allowed |= 1U << status;
	}
	return true;
}

static bool get_grace(struct reader *r, const json_t *value)
{
	return get_u32(r, value, &r->policy->grace);
}

static bool get_evaluation(struct reader *r, const json_t *value)
{
	return get_u32(r, value, &r->policy->min_eval_number);
}

static bool get_advisories(struct reader *r, const json_t *value)
{
	static const char why[] =
		"must be an array of advisories, of at most 1023 characters";
	const size_t cap = sizeof(r->policy->advisories);
	char *out = r->policy->advisories;
	size_t i, len = 0;
	const char *name;

	if (!json_is_array(value))
		return bad(r, why);
	r->policy->limit_advisories = true;
	for (i = 0; i < json_array_size(value); i++) {
		name = text_of(json_array_get(value, i));
		if (!name || !*name || strchr(name, ',') ||
		    len + strlen(name) + 2 > cap)
			return bad(r, why);
		len += snprintf(out + len, cap - len, "%s%s", len ? "," : "",
				name);
	}
	return true;
}

static uint64_t attribute_bit(const char *name)
{
	static const struct {
		const char *name;
		uint64_t bit;
	} known[] = {
		{ "DEBUG", LIBDSTACK_TD_DEBUG },
		{ "HGS_PLUS_PROF", LIBDSTACK_TD_HGS_PLUS_PROF },
		{ "PERF_PROF", LIBDSTACK_TD_PERF_PROF },
		{ "PMT_PROF", LIBDSTACK_TD_PMT_PROF },
		{ "ICSSD", LIBDSTACK_TD_ICSSD },
		{ "LASS", LIBDSTACK_TD_LASS },
		{ "SEPT_VE_DISABLE", LIBDSTACK_TD_SEPT_VE_DISABLE },
		{ "MIGRATABLE", LIBDSTACK_TD_MIGRATABLE },
		{ "PKS", LIBDSTACK_TD_PKS },
		{ "KL", LIBDSTACK_TD_KL },
		{ "TPA", LIBDSTACK_TD_TPA },
		{ "PERFMON", LIBDSTACK_TD_PERFMON },
	};
	size_t i;

	for (i = 0; name && i < sizeof(known) / sizeof(known[0]); i++)
		if (!strcmp(known[i].name, name))
			return known[i].bit;
	return 0;
}

static bool get_bits(struct reader *r, const json_t *value, uint64_t *bits)
{
	static const char why[] = "must be an array of names of TD attributes";
	uint64_t bit;
	size_t i;

	if (!json_is_array(value))
		return bad(r, why);
	*bits = 0;
	for (i = 0; i < json_array_size(value); i++) {
		bit = attribute_bit(text_of(json_array_get(value, i)));
		if (!bit)
			return bad(r, why);
		*bits |= bit;
	}
	return true;
}

static bool get_allowed(struct reader *r, const json_t *value)
{
	return get_bits(r, value, &r->policy->td_attributes_allowed);
}

static bool get_required(struct reader *r, const json_t *value)
{
	return get_bits(r, value, &r->policy->td_attributes_required);
}

static bool get_enclave_debug(struct reader *r, const json_t *value)
{
	return get_bool(r, value, &r->policy->enclave_debug);
}

static bool get_service_td(struct reader *r, const json_t *value)
{
	struct libdstack_quote_policy *p = r->policy;
	const char *text = text_of(value);

	p->any_service_td = text && !strcmp(text, "any");
	return p->any_service_td ||
		libdstack_from_hex(text, json_string_length(value),
				   p->mr_service_td,
				   sizeof(p->mr_service_td)) ||
		bad(r, "must be 96 hex digits, or \"any\"");
}

static bool get_report_data(struct reader *r, const json_t *value)
{
	struct libdstack_quote_policy *p = r->policy;

	p->pin_report_data = true;
	return libdstack_from_hex(json_string_value(value),
				  json_string_length(value), p->report_data,
				  sizeof(p->report_data)) ||
		bad(r, "must be 128 hex digits");
}

static bool get_devices(struct reader *r, const json_t *value)
{
	struct libdstack_quote_policy *p = r->policy;
	const json_t *item;
	size_t i;

	/* An empty list would allow nobody, and must not mean everybody. */
	if (!json_array_size(value) ||
	    json_array_size(value) > LIBDSTACK_QUOTE_DEVICES_MAX)
		return bad(r, "must be an array of 1 to 64 devices");
	p->nr_devices = json_array_size(value);
	for (i = 0; i < p->nr_devices; i++) {
		item = json_array_get(value, i);
		if (!libdstack_from_hex(json_string_value(item),
					json_string_length(item),
					p->device[i], sizeof(p->device[i])))
			return bad(r, "must have devices of 64 hex digits");
	}
	return true;
}

static const struct member {
	const char *name;
	bool (*get)(struct reader *r, const json_t *value);
} members[] = {
	{ "version", get_version },
	{ "tcb_status", get_statuses },
	{ "grace_seconds", get_grace },
	{ "advisories", get_advisories },
	{ "min_tcb_evaluation", get_evaluation },
	{ "td_attributes_allowed", get_allowed },
	{ "td_attributes_required", get_required },
	{ "enclave_debug", get_enclave_debug },
	{ "mr_service_td", get_service_td },
	{ "report_data", get_report_data },
	{ "devices", get_devices },
};

static const struct member *find_member(const char *name)
{
	size_t i;

	for (i = 0; i < sizeof(members) / sizeof(members[0]); i++)
		if (!strcmp(members[i].name, name))
			return &members[i];
	return NULL;
}

static int read_members(struct reader *r, json_t *doc,
			struct libdstack_failure *failure)
{
	const struct member *member;
	const char *key;
	json_t *value;

	if (!json_object_get(doc, "version"))
		return verify_fail(failure, REASON(MALFORMED),
				   "no \"version\": write \"version\": 1");
	json_object_foreach(doc, key, value) {
		member = find_member(key);
		if (!member)
			return verify_fail(failure, REASON(MALFORMED),
					   "\"%s\" is not a known member",
					   key);
		if (!member->get(r, value))
			return verify_fail(failure, REASON(MALFORMED),
					   "\"%s\" %s", key, r->why);
	}
	return 0;
}

int libdstack_quote_policy_parse(const char *text, size_t len,
				 struct libdstack_quote_policy *policy,
				 struct libdstack_failure *failure)
{
	struct reader r = { .policy = policy };
	json_error_t error;
	json_t *doc;
	int err;

	memset(failure, 0, sizeof(*failure));
	verify_step(failure, "policy");
	libdstack_quote_policy_default(policy);
	if (len > LIBDSTACK_QUOTE_POLICY_MAX)
		return verify_fail(failure, REASON(MALFORMED),
				   "larger than any policy");
	doc = json_loadb(text, len, JSON_REJECT_DUPLICATES, &error);
	if (!doc)
		return verify_fail(failure, REASON(MALFORMED),
				   "line %d: %s", error.line, error.text);
	if (json_is_object(doc))
		err = read_members(&r, doc, failure);
	else
		err = verify_fail(failure, REASON(MALFORMED),
				  "must be an object");
	json_decref(doc);
	if (!err)
		memset(failure, 0, sizeof(*failure));
	return err;
}
