// SPDX-License-Identifier: MIT
/*
 * Is the platform, the TDX module and the quoting enclave up to date
 *
 * Copyright The dstack for Linux authors
 */
#include "dcap.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define STATUS(suffix) LIBDSTACK_TCB_##suffix

static const char * const status_names[__LIBDSTACK_TCB_MAX] = {
	[STATUS(UP_TO_DATE)] = "UpToDate",
	[STATUS(SW_HARDENING_NEEDED)] = "SWHardeningNeeded",
	[STATUS(CONFIGURATION_NEEDED)] = "ConfigurationNeeded",
	[STATUS(CONFIGURATION_AND_SW_HARDENING_NEEDED)] =
		"ConfigurationAndSWHardeningNeeded",
	[STATUS(OUT_OF_DATE)] = "OutOfDate",
	[STATUS(OUT_OF_DATE_CONFIGURATION_NEEDED)] =
		"OutOfDateConfigurationNeeded",
	[STATUS(TD_RELAUNCH_ADVISED)] = "TDRelaunchAdvised",
	[STATUS(TD_RELAUNCH_ADVISED_CONFIGURATION_NEEDED)] =
		"TDRelaunchAdvisedConfigurationNeeded",
	[STATUS(REVOKED)] = "Revoked",
	[STATUS(NOT_SUPPORTED)] = "NotSupported",
	[STATUS(NONE)] = "none",
};

const char *libdstack_tcb_status_name(enum libdstack_tcb_status status)
{
	return status < __LIBDSTACK_TCB_MAX ? status_names[status] : "unknown";
}

enum libdstack_tcb_status libdstack_tcb_status_from_name(const char *name)
{
	int i;

	for (i = 0; i < __LIBDSTACK_TCB_MAX; i++)
		if (!strcmp(status_names[i], name))
			break;
	return i;
}

static bool masked_equal(const uint8_t *value, const uint8_t *mask,
			 const uint8_t *want, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++)
		if ((value[i] & mask[i]) != want[i])
			return false;
	return true;
}

static bool all_zero(const uint8_t *p, size_t len)
{
	while (len--)
		if (*p++)
			return false;
	return true;
}

/* True if no component from @first on is below the level's. */
static bool reaches(const uint8_t have[DCAP_SVNS],
		    const uint8_t want[DCAP_SVNS], int first)
{
	int i;

	for (i = first; i < DCAP_SVNS; i++)
		if (have[i] < want[i])
			return false;
	return true;
}

/* The highest level that an enclave or a module with this SVN reaches. */
static const struct dcap_level *isv_level(const struct dcap_levels *levels,
					  uint16_t svn)
{
	size_t i;

	for (i = 0; i < levels->nr; i++)
		if (levels->level[i].isvsvn <= svn)
			return &levels->level[i];
	return NULL;
}

static uint16_t get_le16(const uint8_t *p)
{
	return p[0] | p[1] << 8;
}

static const struct dcap_level *qe_level(const struct dcap *d)
{
	return isv_level(&d->qe.levels, get_le16(d->quote.qe_report + 258));
}

/* The quoting enclave is the one that Intel published. */
int dcap_qe_identity_check(struct dcap *d)
{
	const uint8_t *report = d->quote.qe_report;
	const struct dcap_qe_identity *qe = &d->qe;
	uint32_t misc = get_le16(report + 16) |
		(uint32_t)get_le16(report + 18) << 16;
	const struct dcap_level *level;

	if ((misc & qe->miscselect_mask) != qe->miscselect)
		return dcap_fail(d, REASON(MISMATCH),
				 "the quoting enclave's MISCSELECT differs");
	if (!masked_equal(report + 48, qe->attributes_mask, qe->attributes,
			  sizeof(qe->attributes)))
		return dcap_fail(d, REASON(MISMATCH),
				 "the quoting enclave's attributes differ");
	if (memcmp(report + 128, qe->mrsigner, sizeof(qe->mrsigner)))
		return dcap_fail(d, REASON(MISMATCH),
				 "the quoting enclave has another signer");
	if (get_le16(report + 256) != qe->isvprodid)
		return dcap_fail(d, REASON(MISMATCH),
				 "the quoting enclave is another product");
	level = qe_level(d);
	if (!level) {
		d->verdict->qe_status = STATUS(NOT_SUPPORTED);
		return dcap_fail(d, REASON(LEVEL),
				 "the quoting enclave is below every level");
	}
	d->verdict->qe_status = level->status;
	return 0;
}

static const struct dcap_module *find_module(const struct dcap_tcb_info *info,
					     uint8_t version)
{
	size_t i;

	if (!version)
		return &info->base;
	for (i = 0; i < info->nr_modules; i++)
		if (info->modules[i].version == version)
			return &info->modules[i];
	return NULL;
}

/* The TDX module is Intel's; *level is NULL for one of version 0. */
static int check_module(struct dcap *d, const struct dcap_level **level)
{
	const struct libdstack_td *td = &d->verdict->td;
	uint8_t version = td->tee_tcb_svn[1];
	const struct dcap_module *module = find_module(&d->tcb_info, version);

	*level = NULL;
	if (!module)
		return dcap_fail(d, REASON(LEVEL),
				 "TDX module version %u is unknown", version);
	if (memcmp(td->mr_signer_seam, module->mrsigner,
		   sizeof(module->mrsigner)))
		return dcap_fail(d, REASON(MISMATCH),
				 "the TDX module has another signer");
	if (!all_zero(td->seam_attributes, sizeof(td->seam_attributes)) ||
	    !masked_equal(td->seam_attributes, module->attributes_mask,
			  module->attributes, sizeof(module->attributes)))
		return dcap_fail(d, REASON(MISMATCH),
				 "the TDX module's attributes differ");
	if (!version)
		return 0;
	*level = isv_level(&module->levels, td->tee_tcb_svn[0]);
	if (!*level) {
		d->verdict->module_status = STATUS(NOT_SUPPORTED);
		d->verdict->status = STATUS(NOT_SUPPORTED);
		return dcap_fail(d, REASON(LEVEL),
				 "the TDX module is below every level");
	}
	d->verdict->module_status = (*level)->status;
	return 0;
}

/* The highest level of the SGX part alone, and of both parts. */
static void find_levels(const struct dcap *d, const struct dcap_level **sgx,
			const struct dcap_level **tdx)
{
	const uint8_t *svn = d->verdict->td.tee_tcb_svn;
	const struct dcap_levels *levels = &d->tcb_info.levels;
	/* Version and SVN of a versioned module have levels of their own. */
	int first = svn[1] ? 2 : 0;
	size_t i;

	*sgx = NULL;
	*tdx = NULL;
	for (i = 0; i < levels->nr && !*tdx; i++) {
		const struct dcap_level *level = &levels->level[i];

		if (!reaches(d->pck.svn, level->sgx, 0) ||
		    d->pck.pcesvn < level->pcesvn)
			continue;
		if (!*sgx)
			*sgx = level;
		if (reaches(svn, level->tdx, first))
			*tdx = level;
	}
}

static bool is_out_of_date(enum libdstack_tcb_status status)
{
	return status == STATUS(OUT_OF_DATE) ||
		status == STATUS(OUT_OF_DATE_CONFIGURATION_NEEDED);
}

static bool is_bad(enum libdstack_tcb_status status)
{
	return is_out_of_date(status) || status == STATUS(REVOKED);
}

/* A platform is not better than the module and the enclave on it. */
static enum libdstack_tcb_status merge(enum libdstack_tcb_status platform,
				       enum libdstack_tcb_status module,
				       enum libdstack_tcb_status qe)
{
	if (platform == STATUS(REVOKED) || module == STATUS(REVOKED) ||
	    qe == STATUS(REVOKED))
		return STATUS(REVOKED);
	if (!is_out_of_date(module) && !is_out_of_date(qe))
		return platform;
	switch (platform) {
	case STATUS(UP_TO_DATE):
	case STATUS(SW_HARDENING_NEEDED):
		return STATUS(OUT_OF_DATE);
	case STATUS(CONFIGURATION_NEEDED):
	case STATUS(CONFIGURATION_AND_SW_HARDENING_NEEDED):
		return STATUS(OUT_OF_DATE_CONFIGURATION_NEEDED);
	default:
		return platform;
	}
}

/* Does tee_tcb_svn2, the module that runs now, reach the newest levels. */
static bool runs_newest(const struct dcap *d)
{
	const uint8_t *svn = d->verdict->td.tee_tcb_svn2;
	const struct dcap_module *module = find_module(&d->tcb_info, svn[1]);
	const struct dcap_level *newest = d->tcb_info.levels.level;
	uint16_t want;

	if (!module || !d->tcb_info.levels.nr)
		return false;
	if (svn[1] && !module->levels.nr)
		return false;
	want = svn[1] ? module->levels.level[0].isvsvn : newest->tdx[0];
	return svn[0] >= want && svn[2] >= newest->tdx[2];
}

/*
 * The module was updated under a TD that runs: its report carries the module
 * it was launched on and the one it runs on, and only a relaunch is missing.
 */
static enum libdstack_tcb_status relaunch(const struct dcap *d,
					  enum libdstack_tcb_status sgx,
					  enum libdstack_tcb_status merged)
{
	const struct libdstack_verdict *v = d->verdict;

	if (!d->quote.td15 || is_bad(v->qe_status) || is_bad(sgx) ||
	    !is_out_of_date(merged) || !is_out_of_date(v->module_status) ||
	    !runs_newest(d))
		return merged;
	return merged == STATUS(OUT_OF_DATE) ? STATUS(TD_RELAUNCH_ADVISED) :
		STATUS(TD_RELAUNCH_ADVISED_CONFIGURATION_NEEDED);
}

static int compare_text(const void *a, const void *b)
{
	return strcmp(*(const char * const *)a, *(const char * const *)b);
}

/* Adds the level's advisories to @list.  Returns the new number. */
static size_t collect(const struct dcap_level *level, const char **list,
		      size_t nr, size_t max)
{
	size_t i;

	if (!level || !level->advisories)
		return nr;
	for (i = 0; i < json_array_size(level->advisories) && nr < max; i++)
		list[nr++] = json_string_value(json_array_get(level->advisories,
							      i));
	return nr;
}

/* The union, sorted; what does not fit is shown as "...". */
static void set_advisories(struct dcap *d, const struct dcap_level *platform,
			   const struct dcap_level *module)
{
	char *out = d->verdict->advisories;
	const size_t cap = sizeof(d->verdict->advisories);
	const char *list[256];
	const char *last = "";
	size_t i, len = 0, nr = 0;

	nr = collect(platform, list, nr, 256);
	nr = collect(module, list, nr, 256);
	nr = collect(qe_level(d), list, nr, 256);
	qsort(list, nr, sizeof(list[0]), compare_text);
	for (i = 0; i < nr; i++) {
		if (!strcmp(list[i], last))
			continue;
		last = list[i];
		/* Always leaves room for the dots. */
		if (len + strlen(last) + 6 > cap) {
			snprintf(out + len, cap - len, "%s",
				 len ? ",..." : "...");
			return;
		}
		len += sprintf(out + len, "%s%s", len ? "," : "", last);
	}
}

int dcap_tcb_check(struct dcap *d)
{
	struct libdstack_verdict *v = d->verdict;
	const struct dcap_level *sgx, *tdx, *module;
	int err;

	if (memcmp(d->pck.fmspc, d->tcb_info.fmspc, sizeof(d->pck.fmspc)) ||
	    memcmp(d->pck.pceid, d->tcb_info.pceid, sizeof(d->pck.pceid)))
		return dcap_fail(d, REASON(MISMATCH),
				 "the TCB info is for another platform type");
	err = check_module(d, &module);
	if (err)
		return err;
	find_levels(d, &sgx, &tdx);
	if (!tdx) {
		v->status = STATUS(NOT_SUPPORTED);
		return dcap_fail(d, REASON(LEVEL),
				 "the platform is below every TCB level");
	}
	v->status = merge(tdx->status, v->module_status, v->qe_status);
	v->status = relaunch(d, sgx->status, v->status);
	v->tcb_eval_number = d->tcb_info.eval_number;
	snprintf(v->tcb_date, sizeof(v->tcb_date), "%s", tdx->date);
	set_advisories(d, tdx, module);
	if (v->status == STATUS(REVOKED))
		return dcap_fail(d, REASON(REVOKED), "the TCB level is revoked");
	return 0;
}
