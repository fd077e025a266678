// SPDX-License-Identifier: MIT
/*
 * Does a container's log explain the registers of its quote
 *
 * Copyright The dstack for Linux authors
 */
#include "attestation.h"

#include <errno.h>
#include <string.h>

/* "ACPI DATA": what upstream keeps of a boot's events in certificates. */
#define ACPI_TYPE	10

/*
 * A log whose boot events were left out but for those that describe the
 * machine: it explains register 3 only, and does not claim more.
 */
static bool is_stripped(const struct libdstack_log *boot)
{
	size_t i;

	for (i = 0; i < boot->count; i++)
		if (boot->events[i].imr || boot->events[i].event_type !=
		    ACPI_TYPE)
			return false;
	return true;
}

static int fold_boot(const struct libdstack_log *boot, uint32_t imr,
		     uint8_t value[DSTACK_REGISTER_SIZE])
{
	size_t i;
	int err = 0;

	memset(value, 0, DSTACK_REGISTER_SIZE);
	for (i = 0; !err && i < boot->count; i++)
		if (boot->events[i].imr == imr)
			err = dstack_event_fold(value, boot->events[i].digest);
	return err;
}

static int explain_boot(const struct libdstack_log *boot,
			const struct libdstack_td *td, bool replayed[4],
			struct libdstack_failure *failure)
{
	uint8_t value[DSTACK_REGISTER_SIZE];
	uint32_t imr;

	if (is_stripped(boot))
		return 0;
	for (imr = 0; imr < ATT_RUNTIME_REGISTER; imr++) {
		if (fold_boot(boot, imr, value))
			return verify_fail(failure, REASON(MEMORY),
					   "no memory to hash");
		if (memcmp(value, td->rtmr[imr], sizeof(value)))
			return verify_fail(failure, REASON(MISMATCH),
					   "the boot's events do not replay to RTMR%u: one is missing, added, out of order or of another boot",
					   imr);
		replayed[imr] = true;
	}
	return 0;
}

static int explain_runtime(const struct libdstack_log *log,
			   const struct libdstack_td *td, bool replayed[4],
			   struct libdstack_failure *failure)
{
	uint8_t value[DSTACK_REGISTER_SIZE] = { 0 };
	size_t bad = 0;
	int err;

	err = libdstack_log_replay(log, log->count, value, &bad);
	if (err == -EBADMSG)
		return verify_fail(failure, REASON(MISMATCH),
				   "event %zu ('%s') was changed: its digest is not that of its name and payload",
				   bad, log->events[bad].name);
	if (err)
		return verify_fail(failure, REASON(MEMORY), "can't replay");
	if (log->count && att_is_zero(td->rtmr[3], sizeof(value)))
		return verify_fail(failure, REASON(MISMATCH),
				   "RTMR3 is zero: nothing was recorded in that TD, and the log has events");
	if (memcmp(value, td->rtmr[ATT_RUNTIME_REGISTER], sizeof(value)))
		return verify_fail(failure, REASON(MISMATCH),
				   "the %zu runtime events do not replay to RTMR3: one is missing, added, out of order or of another TD",
				   log->count);
	replayed[ATT_RUNTIME_REGISTER] = true;
	return 0;
}

static int check_report_data(const struct libdstack_attestation *a,
			     const struct libdstack_td *td,
			     struct libdstack_failure *failure)
{
	uint8_t want[DSTACK_REPORT_DATA_SIZE];

	if (a->have_report_data &&
	    memcmp(a->report_data, td->report_data, sizeof(want)))
		return verify_fail(failure, REASON(MISMATCH),
				   "the container's report data is not the quote's");
	if (!a->pod)
		return 0;
	if (libdstack_report_data(LIBDSTACK_TAG_APP_DATA, NULL,
				  a->payload.data, a->payload.len, want))
		return verify_fail(failure, REASON(MEMORY), "can't hash");
	if (memcmp(want, td->report_data, sizeof(want)))
		return verify_fail(failure, REASON(MISMATCH),
				   "the report data is not the hash of the pod's payload");
	return 0;
}

int libdstack_attestation_explains(const struct libdstack_attestation *att,
				   const struct libdstack_td *td,
				   bool replayed[4],
				   struct libdstack_failure *failure)
{
	int err;

	memset(failure, 0, sizeof(*failure));
	memset(replayed, 0, ATT_REGISTERS * sizeof(*replayed));
	verify_step(failure, "report data");
	err = check_report_data(att, td, failure);
	if (err)
		return err;
	verify_step(failure, "event log");
	err = explain_runtime(&att->runtime, td, replayed, failure);
	if (!err)
		err = explain_boot(&att->boot, td, replayed, failure);
	if (!err)
		memset(failure, 0, sizeof(*failure));
	return err;
}
