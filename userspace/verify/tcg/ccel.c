// SPDX-License-Identifier: MIT
/*
 * The event log of a TD
 *
 * Copyright The dstack for Linux authors
 *
 * It counts registers from MRTD, so RTMR0 is 1.  The table is that of ACPI 6.5.
 */
#include "tcg.h"

#include <string.h>

#include "../cursor.h"

#define CCEL_SIZE	56
#define RTMR_SIZE	48

/* An event that no RTMR has would be one that nothing proves. */
static int check_registers(const struct libdstack_tcg_log *log,
			   struct libdstack_failure *failure)
{
	struct libdstack_tcg_event event = { 0 };

	if (log->nr_banks != 1 || log->bank[0].alg != LIBDSTACK_TCG_SHA384)
		return verify_fail(failure, REASON(UNSUPPORTED),
				   "the log's digests are not SHA-384 alone: it is not of TDX");
	while (libdstack_tcg_log_next(log, &event))
		if (event.type != LIBDSTACK_TCG_EV_NO_ACTION &&
		    (!event.mr || event.mr > LIBDSTACK_TCG_RTMRS))
			return verify_fail(failure, REASON(MALFORMED),
					   "an event is in register %u, which is no RTMR",
					   event.mr);
	return 0;
}

int libdstack_tcg_replay_rtmrs(const struct libdstack_tcg_log *log,
			       uint8_t rtmr[LIBDSTACK_TCG_RTMRS][48],
			       struct libdstack_failure *failure)
{
	uint8_t value[LIBDSTACK_TCG_DIGEST_MAX];
	uint32_t i;
	int err;

	memset(failure, 0, sizeof(*failure));
	memset(rtmr, 0, (size_t)LIBDSTACK_TCG_RTMRS * RTMR_SIZE);
	err = check_registers(log, failure);
	if (err)
		verify_step(failure, "event log replay");
	for (i = 0; !err && i < LIBDSTACK_TCG_RTMRS; i++) {
		err = libdstack_tcg_replay(log, LIBDSTACK_TCG_SHA384, i + 1,
					   value, failure);
		memcpy(rtmr[i], value, RTMR_SIZE);
	}
	return err;
}

int libdstack_tcg_check_rtmrs(const struct libdstack_tcg_log *log,
			      const struct libdstack_td *td, unsigned int mask,
			      struct libdstack_failure *failure)
{
	uint8_t rtmr[LIBDSTACK_TCG_RTMRS][48];
	unsigned int i;
	int err;

	err = libdstack_tcg_replay_rtmrs(log, rtmr, failure);
	if (err)
		return err;
	for (i = 0; i < LIBDSTACK_TCG_RTMRS; i++) {
		if (!(mask & 1U << i) ||
		    !memcmp(rtmr[i], td->rtmr[i], RTMR_SIZE))
			continue;
		verify_step(failure, "event log replay");
		return verify_fail(failure, REASON(MISMATCH),
				   "RTMR%u is not what the log replays to: the log is of another boot, or was changed",
				   i);
	}
	return 0;
}

static uint8_t sum_of(const uint8_t *data, size_t len)
{
	uint8_t sum = 0;

	while (len--)
		sum += *data++;
	return sum;
}

static int parse_table(struct cursor *in, struct libdstack_tcg_ccel *ccel,
		       struct libdstack_failure *failure)
{
	const uint8_t *table = in->p;
	size_t len = in->left;
	uint32_t size;

	if (len != CCEL_SIZE || memcmp(cursor_take(in, 4), "CCEL", 4) ||
	    !cursor_u32(in, &size) || size != len || sum_of(table, len))
		return verify_fail(failure, REASON(MALFORMED),
				   "not a CCEL table, or its checksum is wrong");
	cursor_take(in, 28);	/* revision, checksum, who made it */
	cursor_u8(in, &ccel->type);
	cursor_u8(in, &ccel->subtype);
	cursor_take(in, 2);
	cursor_u64(in, &ccel->log_len);
	cursor_u64(in, &ccel->log_address);
	if (ccel->type != LIBDSTACK_TCG_CCEL_TDX)
		return verify_fail(failure, REASON(UNSUPPORTED),
				   "the table is not of TDX but of type %u",
				   ccel->type);
	return 0;
}

int libdstack_tcg_ccel_parse(const void *data, size_t len,
			     struct libdstack_tcg_ccel *ccel,
			     struct libdstack_failure *failure)
{
	struct cursor in = { data, len };
	int err;

	memset(ccel, 0, sizeof(*ccel));
	memset(failure, 0, sizeof(*failure));
	err = parse_table(&in, ccel, failure);
	if (err)
		verify_step(failure, "CCEL table");
	return err;
}
