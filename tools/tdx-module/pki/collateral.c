// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) The dstack for Linux authors
 *
 * TCB info (id TDX, version 3) and QE identity (id TD_QE, version 2), in the
 * layout of Intel's service, for the platform in platform.h.  Of enclaves they
 * are SGX and QE, and have nothing of modules.
 *
 * Each list of levels holds, highest first: a newer level, if the platform is
 * to be found behind; the platform's own, with the wanted status, unless it
 * is to be unsupported; and an older one.
 */
#include "collateral.h"

#include <stdio.h>
#include <string.h>
#include <jansson.h>

#include "crypto.h"
#include "platform.h"

#define DATE_NEW	"2026-02-11T00:00:00Z"
#define DATE_CURRENT	"2025-08-13T00:00:00Z"
#define DATE_OLD	"2024-03-13T00:00:00Z"
#define ADVISORY	"TEST-SA-00001"
#define ADVISORY_OLD	"TEST-SA-00002"
#define COMPONENTS	16

static const uint8_t sgx_svn[COMPONENTS] = PLATFORM_SGX_TCB_SVN;
static const uint8_t tdx_svn[COMPONENTS] = PLATFORM_TEE_TCB_SVN;

struct component_name {
	const char *category, *type;
};

static const struct component_name sgx_names[COMPONENTS] = {
	{ "BIOS", "Early Microcode Update" },
	{ "OS/VMM", "SGX Late Microcode Update" },
	{ "OS/VMM", "TXT SINIT" },
	{ "BIOS", NULL },
	{ "BIOS", NULL },
	{ "BIOS", NULL },
	{ NULL, NULL },
	{ "OS/VMM", "SEAMLDR ACM" },
};

static const struct component_name tdx_names[COMPONENTS] = {
	{ "OS/VMM", "TDX Module" },
	{ "OS/VMM", "TDX Module" },
	{ "OS/VMM", "TDX Late Microcode Update" },
};

static json_t *hex_string(const uint8_t *data, size_t size)
{
	char text[2 * 48 + 1] = "";
	size_t i;

	for (i = 0; i < size && i < 48; i++)
		snprintf(text + 2 * i, 3, "%02X", data[i]);
	return json_string(text);
}

static json_t *date_string(time_t when)
{
	char text[32];
	struct tm tm;

	gmtime_r(&when, &tm);
	strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm);
	return json_string(text);
}

static bool is(const char *status, const char *other)
{
	return !strcmp(status, other);
}

/* Whether someone better off must exist for this status to make sense. */
static bool is_behind(const char *status)
{
	return is(status, "OutOfDate") || is(status, "Revoked") ||
	       is(status, "OutOfDateConfigurationNeeded") ||
	       is(status, STATUS_UNSUPPORTED);
}

/* The status of the older level: what was revoked stays revoked below. */
static const char *status_below(const char *status)
{
	return is(status, "Revoked") ? status : "OutOfDate";
}

static json_t *level(json_t *tcb, const char *date, const char *status,
		     const char *advisory)
{
	json_t *object = json_object();

	json_object_set_new(object, "tcb", tcb);
	json_object_set_new(object, "tcbDate", json_string(date));
	json_object_set_new(object, "tcbStatus", json_string(status));
	if (advisory)
		json_object_set_new(object, "advisoryIDs",
				    json_pack("[s]", advisory));
	return object;
}

/* A tcb of the given step away from the platform's own: 1, 0 or -1. */
typedef json_t *(*tcb_maker)(int step);

/*
 * Unsupported: neither the own nor the older level may be listed, for a
 * platform matches every level that asks for less than it has.
 */
static json_t *levels(tcb_maker make, const char *status)
{
	json_t *list = json_array();

	if (is_behind(status))
		json_array_append_new(list, level(make(1), DATE_NEW,
						  "UpToDate", NULL));
	if (is(status, STATUS_UNSUPPORTED))
		return list;
	json_array_append_new(list, level(make(0), DATE_CURRENT, status,
					  is(status, "UpToDate") ?
					  NULL : ADVISORY));
	json_array_append_new(list, level(make(-1), DATE_OLD,
					  status_below(status), ADVISORY_OLD));
	return list;
}

static json_t *components(const uint8_t *svn, int bumped, int step,
			  const struct component_name *names)
{
	json_t *list = json_array(), *entry;
	int i;

	for (i = 0; i < COMPONENTS; i++) {
		entry = json_pack("{s:i}", "svn",
				  svn[i] + (i == bumped ? step : 0));
		if (names[i].category)
			json_object_set_new(entry, "category",
					    json_string(names[i].category));
		if (names[i].type)
			json_object_set_new(entry, "type",
					    json_string(names[i].type));
		json_array_append_new(list, entry);
	}
	return list;
}

/* Steps differ in the microcode: first component of SGX, third of TDX. */
static json_t *sgx_tcb(int step)
{
	json_t *tcb = json_object();

	json_object_set_new(tcb, "sgxtcbcomponents",
			    components(sgx_svn, 0, step, sgx_names));
	json_object_set_new(tcb, "pcesvn", json_integer(PLATFORM_PCE_SVN));
	return tcb;
}

static json_t *tdx_tcb(int step)
{
	json_t *tcb = sgx_tcb(step);

	json_object_set_new(tcb, "tdxtcbcomponents",
			    components(tdx_svn, 2, step, tdx_names));
	return tcb;
}

static json_t *module_tcb(int step)
{
	return json_pack("{s:i}", "isvsvn", PLATFORM_MODULE_SVN + step);
}

static json_t *enclave_tcb(int step)
{
	return json_pack("{s:i}", "isvsvn", PLATFORM_QE_SVN + step);
}

/* Signer and attributes of Intel's modules: all zero, all compared. */
static void add_module_identity(json_t *object)
{
	static const uint8_t zeroes[48];
	json_t *mask = json_string("FFFFFFFFFFFFFFFF");

	json_object_set_new(object, "mrsigner", hex_string(zeroes, 48));
	json_object_set_new(object, "attributes", hex_string(zeroes, 8));
	json_object_set_new(object, "attributesMask", mask);
}

static json_t *module_identities(const char *status)
{
	json_t *identity = json_object();
	char id[16];

	snprintf(id, sizeof(id), "TDX_%02X", PLATFORM_MODULE_VERSION);
	json_object_set_new(identity, "id", json_string(id));
	add_module_identity(identity);
	json_object_set_new(identity, "tcbLevels", levels(module_tcb, status));
	return json_pack("[o]", identity);
}

static json_t *document(const char *id, int version,
			const struct period *period)
{
	json_t *object = json_object();

	json_object_set_new(object, "id", json_string(id));
	json_object_set_new(object, "version", json_integer(version));
	json_object_set_new(object, "issueDate", date_string(period->from));
	json_object_set_new(object, "nextUpdate", date_string(period->to));
	return object;
}

static char *text_of(json_t *object)
{
	char *text = json_dumps(object, JSON_COMPACT);

	json_decref(object);
	return text;
}

static void add_modules(json_t *info, const char *status)
{
	json_t *module = json_object();

	add_module_identity(module);
	json_object_set_new(info, "tdxModule", module);
	json_object_set_new(info, "tdxModuleIdentities",
			    module_identities(status));
}

char *tcb_info_text(const struct collateral_plan *plan)
{
	static const uint8_t pce_id[2] = PLATFORM_PCE_ID;
	json_t *info = document(plan->enclaves ? "SGX" : "TDX", 3,
				&plan->tcb_info);

	json_object_set_new(info, "fmspc", hex_string(plan->fmspc, 6));
	json_object_set_new(info, "pceId", hex_string(pce_id, 2));
	json_object_set_new(info, "tcbType", json_integer(0));
	json_object_set_new(info, "tcbEvaluationDataNumber",
			    json_integer(plan->eval_number));
	if (!plan->enclaves)
		add_modules(info, plan->module_status);
	json_object_set_new(info, "tcbLevels",
			    levels(plan->enclaves ? sgx_tcb : tdx_tcb,
				   plan->tcb_status));
	return text_of(info);
}

char *qe_identity_text(const struct collateral_plan *plan)
{
	static const char signer[] = PLATFORM_QE_SIGNER_LABEL;
	static const uint8_t attributes[16] = { 0x11 };
	static const uint8_t mask[16] = {
		0xfb, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff
	};
	json_t *identity = document(plan->enclaves ? "QE" : "TD_QE", 2,
				    &plan->qe_identity);
	uint8_t mrsigner[32];

	sha256(signer, sizeof(signer) - 1, mrsigner);
	json_object_set_new(identity, "tcbEvaluationDataNumber",
			    json_integer(plan->eval_number));
	json_object_set_new(identity, "miscselect", json_string("00000000"));
	json_object_set_new(identity, "miscselectMask",
			    json_string("FFFFFFFF"));
	json_object_set_new(identity, "attributes", hex_string(attributes, 16));
	json_object_set_new(identity, "attributesMask", hex_string(mask, 16));
	json_object_set_new(identity, "mrsigner", hex_string(mrsigner, 32));
	json_object_set_new(identity, "isvprodid",
			    json_integer(PLATFORM_QE_PRODID));
	json_object_set_new(identity, "tcbLevels",
			    levels(enclave_tcb, plan->qe_status));
	return text_of(identity);
}
