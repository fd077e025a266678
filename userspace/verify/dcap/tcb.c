// SPDX-License-Identifier: MIT
/*
 * Is the platform, the TDX module and the quoting enclave up to date
 *
 * Copyright The dstack for Linux authors
 */
#include "dcap.h"

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

/* Collateral is of the kind of the quote, and of its platform. */
int dcap_check_platform_type(struct dcap *d)
{
	const struct dcap_tcb_info *info = &d->trust->tcb_info;
	const struct dcap_pck *pck = &d->pck;
	char have[2 * DCAP_FMSPC_SIZE + 1], want[2 * DCAP_FMSPC_SIZE + 1];

	libdstack_to_hex(pck->fmspc, sizeof(pck->fmspc), have);
	libdstack_to_hex(info->fmspc, sizeof(info->fmspc), want);
	dcap_input(d, "platform %s, TCB info %s", have, want);
	if (d->verdict->kind !=
	    (info->tdx ? LIBDSTACK_QUOTE_TD : LIBDSTACK_QUOTE_ENCLAVE))
		return dcap_fail(d, REASON(MISMATCH),
				 "the TCB info is for %s, the quote is not: get that of the other kind",
				 info->tdx ? "TDX" : "SGX");
	if (memcmp(pck->fmspc, info->fmspc, sizeof(pck->fmspc)))
		return dcap_fail(d, REASON(MISMATCH),
				 "the TCB info is for another platform type (FMSPC): %s instead of %s",
				 want, have);
	if (memcmp(pck->pceid, info->pceid, sizeof(pck->pceid)))
		return dcap_fail(d, REASON(MISMATCH),
				 "the TCB info is for another provisioning enclave (PCEID)");
	return 0;
}

/* The quoting enclave is the one that Intel published. */
static const char *other_enclave(const struct libdstack_enclave *report,
				 const struct dcap_qe_identity *qe)
{
	if ((report->misc_select & qe->miscselect_mask) != qe->miscselect)
		return "the quoting enclave's MISCSELECT differs";
	if (!masked_equal(report->attributes, qe->attributes_mask,
			  qe->attributes, sizeof(qe->attributes)))
		return "the quoting enclave's attributes differ";
	if (memcmp(report->mr_signer, qe->mrsigner, sizeof(qe->mrsigner)))
		return "the quoting enclave has another signer";
	if (report->prod_id != qe->isvprodid)
		return "the quoting enclave is another product";
	return NULL;
}

/* What is below every level is supported by nobody, whatever else it is. */
static int below_every_level(struct dcap *d, enum libdstack_tcb_status *status,
			     const char *text)
{
	*status = STATUS(NOT_SUPPORTED);
	d->verdict->status = STATUS(NOT_SUPPORTED);
	return dcap_fail(d, REASON(LEVEL), "%s", text);
}

int dcap_check_qe(struct dcap *d)
{
	const struct dcap_qe_identity *qe = &d->trust->qe;
	struct libdstack_enclave report;
	const char *why;

	dcap_enclave(d->quote.qe_report, &report);
	dcap_input(d, "product %u, version %u", report.prod_id, report.svn);
	why = other_enclave(&report, qe);
	if (why)
		return dcap_fail(d, REASON(MISMATCH), "%s", why);
	d->qe_level = isv_level(&qe->levels, report.svn);
	if (!d->qe_level)
		return below_every_level(d, &d->verdict->qe_status,
					 "the quoting enclave is below every level");
	d->verdict->qe_status = d->qe_level->status;
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

/* The TDX module is Intel's; one of version 0 has no level of its own. */
int dcap_check_module(struct dcap *d)
{
	struct libdstack_verdict *v = d->verdict;
	const struct libdstack_td *td = &v->td;
	const uint8_t version = td->tee_tcb_svn[1];
	const struct dcap_module *module;

	if (v->kind != LIBDSTACK_QUOTE_TD) {
		dcap_input(d, "none: an enclave needs no module");
		return 0;
	}
	dcap_input(d, "version %u, SVN %u", version, td->tee_tcb_svn[0]);
	module = find_module(&d->trust->tcb_info, version);
	if (!module)
		return below_every_level(d, &v->module_status,
					 "no identity of a TDX module has its version");
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
	d->module_level = isv_level(&module->levels, td->tee_tcb_svn[0]);
	if (!d->module_level)
		return below_every_level(d, &v->module_status,
					 "the TDX module is below every level");
	v->module_status = d->module_level->status;
	return 0;
}

/*
 * The highest level of the SGX part alone, and of both parts; for an enclave
 * there is only the first.
 */
static void find_levels(const struct dcap *d, const struct dcap_level **sgx,
			const struct dcap_level **tdx)
{
	const uint8_t *svn = d->verdict->td.tee_tcb_svn;
	const struct dcap_levels *levels = &d->trust->tcb_info.levels;
	const bool td = d->verdict->kind == LIBDSTACK_QUOTE_TD;
	/* Version and SVN of a versioned module have levels of their own. */
	const int first = svn[1] && !d->options->all_components ? 2 : 0;
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
		if (!td || reaches(svn, level->tdx, first))
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
	const struct dcap_tcb_info *info = &d->trust->tcb_info;
	const struct dcap_module *module = find_module(info, svn[1]);
	const struct dcap_level *newest = info->levels.level;
	uint16_t want;

	if (!module || !info->levels.nr)
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

	if (d->quote.body_type != DCAP_BODY_TD15 ||
	    is_bad(v->qe_status) || is_bad(sgx) ||
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
static void set_advisories(struct dcap *d, const struct dcap_level *platform)
{
	char *out = d->verdict->advisories;
	const size_t cap = sizeof(d->verdict->advisories);
	const char *list[256];
	const char *last = "";
	size_t i, len = 0, nr = 0;

	nr = collect(platform, list, nr, 256);
	nr = collect(d->module_level, list, nr, 256);
	nr = collect(d->qe_level, list, nr, 256);
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

int dcap_check_level(struct dcap *d)
{
	struct libdstack_verdict *v = d->verdict;
	const struct dcap_level *sgx, *tdx;

	v->tcb_eval_number = d->trust->tcb_info.eval_number;
	find_levels(d, &sgx, &tdx);
	if (!tdx) {
		v->status = STATUS(NOT_SUPPORTED);
		return dcap_fail(d, REASON(LEVEL),
				 "the platform is below every TCB level");
	}
	snprintf(v->tcb_date, sizeof(v->tcb_date), "%s", tdx->date);
	v->tcb_time = tdx->time;
	set_advisories(d, tdx);
	/* What a module or an enclave lost, no platform gives back. */
	if (v->status != STATUS(NOT_SUPPORTED)) {
		v->status = merge(tdx->status, v->module_status, v->qe_status);
		v->status = relaunch(d, sgx->status, v->status);
	}
	dcap_input(d, "level of %.10s: %s; with module and enclave: %s",
		   tdx->date, libdstack_tcb_status_name(tdx->status),
		   libdstack_tcb_status_name(v->status));
	if (v->status == STATUS(REVOKED))
		return dcap_fail(d, REASON(REVOKED), "the TCB level is revoked");
	return 0;
}
