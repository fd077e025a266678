// SPDX-License-Identifier: MIT
/*
 * dstackctl verify: what was checked
 *
 * Copyright The dstack for Linux authors
 */
#include "verify.h"

#include <stdarg.h>
#include <string.h>

static void fail_with(struct report *report, const char *step,
		      enum libdstack_reason reason, const char *text)
{
	if (report->failed)
		return;
	report->failed = true;
	report->reason = reason;
	snprintf(report->step, sizeof(report->step), "%s", step);
	snprintf(report->text, sizeof(report->text), "%s", text);
}

/* The detail of a new check; of one too many, what cannot be trusted. */
static char *new_check(struct report *report, const char *name, bool step,
		       enum libdstack_reason reason)
{
	size_t i = report->nr;

	if (i == CHECKS_MAX) {
		fail_with(report, name, LIBDSTACK_REASON_MEMORY,
			  "more checks than there is room for");
		return NULL;
	}
	report->nr++;
	report->checks[i].name = name;
	report->checks[i].step = step;
	report->checks[i].reason = reason;
	return report->checks[i].detail;
}

bool report_add(struct report *report, bool ok, const char *name,
		const char *fmt, ...)
{
	enum libdstack_reason reason = ok ? LIBDSTACK_REASON_NONE :
					    LIBDSTACK_REASON_MISMATCH;
	char *detail = new_check(report, name, false, reason);
	va_list args;

	if (!detail)
		return false;
	va_start(args, fmt);
	vsnprintf(detail, sizeof(report->checks[0].detail), fmt, args);
	va_end(args);
	if (!ok)
		fail_with(report, name, reason, detail);
	return ok;
}

bool report_failure(struct report *report, const char *name,
		    const struct libdstack_failure *failure)
{
	const char *step = *failure->step ? failure->step : name;
	char *detail = new_check(report, name, false, failure->reason);

	if (detail)
		snprintf(detail, sizeof(report->checks[0].detail), "%s%s%s",
			 failure->step, *failure->step ? ": " : "",
			 failure->text);
	fail_with(report, step, failure->reason, failure->text);
	return false;
}

void report_step(void *data, const struct libdstack_step *step)
{
	struct report *report = data;
	char *detail = new_check(report, step->name, true, step->reason);

	if (detail)
		snprintf(detail, sizeof(report->checks[0].detail), "%s%s%s",
			 step->input, *step->input && *step->text ? ": " : "",
			 step->text);
}

void report_print(const struct report *report, bool explain)
{
	size_t i;

	for (i = 0; i < report->nr; i++) {
		if (report->checks[i].step && !explain)
			continue;
		printf("%-5s %-*s ", report->checks[i].reason ? "FAIL" : "ok",
		       explain ? 26 : 14, report->checks[i].name);
		print_safe(stdout, report->checks[i].detail,
			   strlen(report->checks[i].detail));
		putchar('\n');
	}
}

json_t *report_json(const struct report *report, bool steps)
{
	json_t *array = json_array();
	const char *reason;
	size_t i;

	for (i = 0; i < report->nr; i++) {
		if (report->checks[i].step != steps)
			continue;
		reason = libdstack_reason_name(report->checks[i].reason);
		json_array_append_new(array,
				      json_pack("{s:s, s:b, s:s, s:s}",
						"name", report->checks[i].name,
						"ok",
						!report->checks[i].reason,
						"reason", reason, "detail",
						report->checks[i].detail));
	}
	return array;
}
