// SPDX-License-Identifier: MIT
/*
 * The report of dstackctl verify, for people and as JSON
 *
 * Copyright The dstack for Linux authors
 */
#include "verify.h"

#include <stdarg.h>
#include <string.h>

bool report_add(struct report *report, bool ok, const char *name,
		const char *fmt, ...)
{
	va_list args;
	size_t i = report->nr;

	if (i == CHECKS_MAX) {
		report->failed = true;
		return false;
	}
	report->nr++;
	report->checks[i].name = name;
	report->checks[i].ok = ok;
	va_start(args, fmt);
	vsnprintf(report->checks[i].detail, sizeof(report->checks[i].detail),
		  fmt, args);
	va_end(args);
	report->failed = report->failed || !ok;
	return ok;
}

void report_print(const struct report *report)
{
	size_t i;

	for (i = 0; i < report->nr; i++) {
		printf("%-5s %-14s ", report->checks[i].ok ? "ok" : "FAIL",
		       report->checks[i].name);
		print_safe(stdout, report->checks[i].detail,
			   strlen(report->checks[i].detail));
		putchar('\n');
	}
}

json_t *report_json(const struct report *report)
{
	json_t *array = json_array();
	size_t i;

	for (i = 0; i < report->nr; i++)
		json_array_append_new(array,
				      json_pack("{s:s, s:b, s:s}", "name",
						report->checks[i].name, "ok",
						report->checks[i].ok, "detail",
						report->checks[i].detail));
	return array;
}

static void print_hex(const char *name, const void *data, size_t len)
{
	char hex[2 * DSTACK_REPORT_DATA_SIZE + 1];

	printf("      %-14s %s\n", name, libdstack_to_hex(data, len, hex));
}

void verdict_print(const struct libdstack_verdict *verdict)
{
	const struct libdstack_td *td = &verdict->td;

	print_hex("report data", td->report_data, sizeof(td->report_data));
	print_hex("MRTD", td->mr_td, sizeof(td->mr_td));
	print_hex("RTMR0", td->rtmr[0], sizeof(td->rtmr[0]));
	print_hex("RTMR1", td->rtmr[1], sizeof(td->rtmr[1]));
	print_hex("RTMR2", td->rtmr[2], sizeof(td->rtmr[2]));
	print_hex("RTMR3", td->rtmr[3], sizeof(td->rtmr[3]));
	if (*verdict->advisories) {
		printf("      %-14s ", "advisories");
		print_safe(stdout, verdict->advisories,
			   strlen(verdict->advisories));
		putchar('\n');
	}
}

static void set_hex(json_t *obj, const char *key, const void *data, size_t len)
{
	char hex[2 * DSTACK_REPORT_DATA_SIZE + 1];

	json_object_set_new(obj, key,
			    json_string(libdstack_to_hex(data, len, hex)));
}

json_t *verdict_json(const struct libdstack_verdict *verdict)
{
	const char *status = libdstack_tcb_status_name(verdict->status);
	const struct libdstack_td *td = &verdict->td;
	json_t *obj;

	obj = json_pack("{s:i, s:s, s:s, s:s, s:I, s:I}",
			"version", verdict->quote_version,
			"tcb_status", status,
			"tcb_date", verdict->tcb_date,
			"advisories", verdict->advisories,
			"tcb_evaluation", (json_int_t)verdict->tcb_eval_number,
			"collateral_expires",
			(json_int_t)verdict->earliest_expiry);
	if (!obj)
		return NULL;
	set_hex(obj, "fmspc", verdict->fmspc, sizeof(verdict->fmspc));
	set_hex(obj, "attributes", td->attributes, sizeof(td->attributes));
	set_hex(obj, "xfam", td->xfam, sizeof(td->xfam));
	set_hex(obj, "report_data", td->report_data, sizeof(td->report_data));
	set_hex(obj, "mrtd", td->mr_td, sizeof(td->mr_td));
	set_hex(obj, "rtmr0", td->rtmr[0], sizeof(td->rtmr[0]));
	set_hex(obj, "rtmr1", td->rtmr[1], sizeof(td->rtmr[1]));
	set_hex(obj, "rtmr2", td->rtmr[2], sizeof(td->rtmr[2]));
	set_hex(obj, "rtmr3", td->rtmr[3], sizeof(td->rtmr[3]));
	set_hex(obj, "mrconfigid", td->mr_config_id, sizeof(td->mr_config_id));
	set_hex(obj, "mrowner", td->mr_owner, sizeof(td->mr_owner));
	set_hex(obj, "mrownerconfig", td->mr_owner_config,
		sizeof(td->mr_owner_config));
	return obj;
}
