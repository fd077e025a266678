// SPDX-License-Identifier: MIT
/*
 * TCB info and QE identity: from JSON to structures
 *
 * Copyright The dstack for Linux authors
 *
 * The texts come from Intel and their signature was checked, so a member that
 * is not known here is one that Intel added since: it is skipped.  What is
 * known must be there and make sense.
 */
#include "dcap.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define LEVELS_MAX	256
#define MODULES_MAX	64

/* What was wrong, for one document. */
struct reader {
	const char *field;		/* the first that was */
	bool out_of_memory;
};

static bool bad(struct reader *r, const char *field)
{
	if (!r->field)
		r->field = field;
	return false;
}

static bool get_hex(struct reader *r, const json_t *obj, const char *key,
		    void *out, size_t len)
{
	const json_t *value = json_object_get(obj, key);

	return libdstack_from_hex(json_string_value(value),
				  json_string_length(value), out, len) ||
		bad(r, key);
}

static bool get_number(struct reader *r, const json_t *obj, const char *key,
		       json_int_t max, json_int_t *out)
{
	const json_t *value = json_object_get(obj, key);

	*out = json_integer_value(value);
	return (json_is_integer(value) && *out >= 0 && *out <= max) ||
		bad(r, key);
}

/* One of two kinds: of a TD, or of an enclave. */
static bool get_kind(struct reader *r, const json_t *obj, const char *td,
		     const char *enclave, bool *is_td)
{
	const char *value = json_string_value(json_object_get(obj, "id"));

	*is_td = value && !strcmp(value, td);
	return *is_td || (value && !strcmp(value, enclave)) || bad(r, "id");
}

/* "2026-08-13T10:45:38Z" and no other form. */
static bool get_time(struct reader *r, const json_t *obj, const char *key,
		     int64_t *out)
{
	const char *value = json_string_value(json_object_get(obj, key));
	char again[DCAP_DATE_SIZE];
	struct tm tm = { .tm_year = 0 };
	const char *end;

	if (!value)
		return bad(r, key);
	end = strptime(value, "%Y-%m-%dT%H:%M:%SZ", &tm);
	if (!end || *end)
		return bad(r, key);
	*out = timegm(&tm);
	return (strftime(again, sizeof(again), "%Y-%m-%dT%H:%M:%SZ", &tm) &&
		!strcmp(again, value)) || bad(r, key);
}

/* How many entries; bounds what is allocated. */
static bool get_array(struct reader *r, const json_t *obj, const char *key,
		      size_t max, const json_t **out)
{
	*out = json_object_get(obj, key);
	return (json_is_array(*out) && json_array_size(*out) <= max) ||
		bad(r, key);
}

static bool get_components(struct reader *r, const json_t *tcb,
			   const char *key, uint8_t out[DCAP_SVNS])
{
	const json_t *array;
	json_int_t svn;
	size_t i;

	if (!get_array(r, tcb, key, DCAP_SVNS, &array) ||
	    json_array_size(array) != DCAP_SVNS)
		return bad(r, key);
	for (i = 0; i < DCAP_SVNS; i++) {
		if (!get_number(r, json_array_get(array, i), "svn", UINT8_MAX,
				&svn))
			return false;
		out[i] = svn;
	}
	return true;
}

static bool get_sgx_tcb(struct reader *r, const json_t *tcb,
			struct dcap_level *level)
{
	json_int_t pcesvn;

	if (!get_components(r, tcb, "sgxtcbcomponents", level->sgx) ||
	    !get_number(r, tcb, "pcesvn", UINT16_MAX, &pcesvn))
		return false;
	level->pcesvn = pcesvn;
	return true;
}

static bool get_tdx_tcb(struct reader *r, const json_t *tcb,
			struct dcap_level *level)
{
	return get_components(r, tcb, "tdxtcbcomponents", level->tdx) &&
		get_sgx_tcb(r, tcb, level);
}

static bool get_isvsvn(struct reader *r, const json_t *tcb,
		       struct dcap_level *level)
{
	json_int_t isvsvn;

	if (!get_number(r, tcb, "isvsvn", UINT16_MAX, &isvsvn))
		return false;
	level->isvsvn = isvsvn;
	return true;
}

typedef bool (*tcb_fn)(struct reader *r, const json_t *tcb,
		       struct dcap_level *level);

static bool get_advisories(struct reader *r, const json_t *obj,
			   struct dcap_level *level)
{
	size_t i;

	level->advisories = json_incref(json_object_get(obj, "advisoryIDs"));
	if (!level->advisories)
		return true;
	if (!json_is_array(level->advisories))
		return bad(r, "advisoryIDs");
	for (i = 0; i < json_array_size(level->advisories); i++)
		if (!json_is_string(json_array_get(level->advisories, i)))
			return bad(r, "advisoryIDs");
	return true;
}

static bool get_level(struct reader *r, const json_t *obj, tcb_fn get_tcb,
		      struct dcap_level *level)
{
	const char *status = json_string_value(json_object_get(obj,
							       "tcbStatus"));

	level->status = status ? libdstack_tcb_status_from_name(status) :
				 __LIBDSTACK_TCB_MAX;
	/* The others are results, not levels. */
	if (level->status > LIBDSTACK_TCB_OUT_OF_DATE_CONFIGURATION_NEEDED &&
	    level->status != LIBDSTACK_TCB_REVOKED)
		return bad(r, "tcbStatus");
	if (!get_time(r, obj, "tcbDate", &level->time))
		return false;
	snprintf(level->date, sizeof(level->date), "%s",
		 json_string_value(json_object_get(obj, "tcbDate")));
	return get_tcb(r, json_object_get(obj, "tcb"), level) &&
		get_advisories(r, obj, level);
}

static bool get_levels(struct reader *r, const json_t *obj, tcb_fn get_tcb,
		       struct dcap_levels *levels)
{
	const json_t *array;
	size_t i;

	if (!get_array(r, obj, "tcbLevels", LEVELS_MAX, &array))
		return false;
	levels->level = calloc(json_array_size(array) + 1,
			       sizeof(*levels->level));
	if (!levels->level) {
		r->out_of_memory = true;
		return false;
	}
	levels->nr = json_array_size(array);
	for (i = 0; i < levels->nr; i++)
		if (!get_level(r, json_array_get(array, i), get_tcb,
			       &levels->level[i]))
			return false;
	return true;
}

static bool get_signer(struct reader *r, const json_t *obj,
		       struct dcap_module *module)
{
	return get_hex(r, obj, "mrsigner", module->mrsigner,
		       sizeof(module->mrsigner)) &&
		get_hex(r, obj, "attributes", module->attributes,
			sizeof(module->attributes)) &&
		get_hex(r, obj, "attributesMask", module->attributes_mask,
			sizeof(module->attributes_mask));
}

/* The id is "TDX_" and the version in two hex digits. */
static bool get_module(struct reader *r, const json_t *obj,
		       struct dcap_module *module)
{
	const char *id = json_string_value(json_object_get(obj, "id"));

	if (!id || strncmp(id, "TDX_", 4) ||
	    !libdstack_from_hex(id + 4, strlen(id + 4), &module->version, 1))
		return bad(r, "id");
	return get_signer(r, obj, module) &&
		get_levels(r, obj, get_isvsvn, &module->levels);
}

static bool get_modules(struct reader *r, const json_t *doc,
			struct dcap_tcb_info *info)
{
	const json_t *array;
	size_t i;

	if (!get_signer(r, json_object_get(doc, "tdxModule"),
			&info->base))
		return false;
	/* Before there were modules of version 1 the list was left out. */
	if (!json_object_get(doc, "tdxModuleIdentities"))
		return true;
	if (!get_array(r, doc, "tdxModuleIdentities", MODULES_MAX,
		       &array))
		return false;
	info->modules = calloc(json_array_size(array) + 1,
			       sizeof(*info->modules));
	if (!info->modules) {
		r->out_of_memory = true;
		return false;
	}
	info->nr_modules = json_array_size(array);
	for (i = 0; i < info->nr_modules; i++)
		if (!get_module(r, json_array_get(array, i),
				&info->modules[i]))
			return false;
	return true;
}

static bool get_tcb_info(struct reader *r, const json_t *doc,
			 struct dcap_tcb_info *info)
{
	json_int_t version, type, eval;

	if (!get_kind(r, doc, "TDX", "SGX", &info->tdx) ||
	    !get_number(r, doc, "version", 3, &version) ||
	    !get_number(r, doc, "tcbType", 0, &type) ||
	    !get_number(r, doc, "tcbEvaluationDataNumber", UINT32_MAX, &eval))
		return false;
	if (version != 3)
		return bad(r, "version");
	info->eval_number = eval;
	return get_time(r, doc, "issueDate", &info->issued) &&
		get_time(r, doc, "nextUpdate", &info->expires) &&
		get_hex(r, doc, "fmspc", info->fmspc, sizeof(info->fmspc)) &&
		get_hex(r, doc, "pceId", info->pceid, sizeof(info->pceid)) &&
		(!info->tdx || get_modules(r, doc, info)) &&
		get_levels(r, doc, info->tdx ? get_tdx_tcb : get_sgx_tcb,
			   &info->levels);
}

/* The number is printed with its most significant byte first. */
static bool get_hex32(struct reader *r, const json_t *doc, const char *key,
		      uint32_t *out)
{
	uint8_t b[4];

	if (!get_hex(r, doc, key, b, sizeof(b)))
		return false;
	*out = (uint32_t)b[0] << 24 | b[1] << 16 | b[2] << 8 | b[3];
	return true;
}

static bool get_qe_identity(struct reader *r, const json_t *doc,
			    struct dcap_qe_identity *qe)
{
	json_int_t version, isvprodid, eval;

	if (!get_kind(r, doc, "TD_QE", "QE", &qe->tdx) ||
	    !get_number(r, doc, "version", 2, &version) ||
	    !get_number(r, doc, "isvprodid", UINT16_MAX, &isvprodid) ||
	    !get_number(r, doc, "tcbEvaluationDataNumber", UINT32_MAX, &eval))
		return false;
	if (version != 2)
		return bad(r, "version");
	qe->isvprodid = isvprodid;
	qe->eval_number = eval;
	return get_time(r, doc, "issueDate", &qe->issued) &&
		get_time(r, doc, "nextUpdate", &qe->expires) &&
		get_hex32(r, doc, "miscselect", &qe->miscselect) &&
		get_hex32(r, doc, "miscselectMask", &qe->miscselect_mask) &&
		get_hex(r, doc, "attributes", qe->attributes,
			sizeof(qe->attributes)) &&
		get_hex(r, doc, "attributesMask", qe->attributes_mask,
			sizeof(qe->attributes_mask)) &&
		get_hex(r, doc, "mrsigner", qe->mrsigner,
			sizeof(qe->mrsigner)) &&
		get_levels(r, doc, get_isvsvn, &qe->levels);
}

static int result(const struct reader *r, bool good, const char **field)
{
	*field = r->field ? r->field : "";
	if (good)
		return 0;
	return r->out_of_memory ? -ENOMEM : -EBADMSG;
}

/* What is kept of it was copied; advisories hold themselves. */
int dcap_tcb_info_parse(const char *text, struct dcap_tcb_info *info,
			const char **field)
{
	struct reader r = { .field = NULL };
	json_error_t error;
	json_t *doc;
	bool good;

	doc = json_loads(text, JSON_REJECT_DUPLICATES, &error);
	good = doc ? get_tcb_info(&r, doc, info) : bad(&r, "JSON");
	json_decref(doc);
	return result(&r, good, field);
}

static void free_levels(struct dcap_levels *levels)
{
	size_t i;

	for (i = 0; i < levels->nr; i++)
		json_decref(levels->level[i].advisories);
	free(levels->level);
}

void dcap_tcb_info_free(struct dcap_tcb_info *info)
{
	size_t i;

	for (i = 0; i < info->nr_modules; i++)
		free_levels(&info->modules[i].levels);
	free(info->modules);
	free_levels(&info->levels);
}

int dcap_qe_identity_parse(const char *text, struct dcap_qe_identity *qe,
			   const char **field)
{
	struct reader r = { .field = NULL };
	json_error_t error;
	json_t *doc;
	bool good;

	doc = json_loads(text, JSON_REJECT_DUPLICATES, &error);
	good = doc ? get_qe_identity(&r, doc, qe) : bad(&r, "JSON");
	json_decref(doc);
	return result(&r, good, field);
}

void dcap_qe_identity_free(struct dcap_qe_identity *qe)
{
	free_levels(&qe->levels);
}
