// SPDX-License-Identifier: MIT
/*
 * Take an event log apart
 *
 * Copyright The dstack for Linux authors
 *
 * The first event has the form of TPM 1.2 and says in its data which digests
 * all others carry: TCG_EfiSpecIDEvent, then TCG_PCR_EVENT2 one after the
 * other.  All integers are little-endian.
 */
#include "tcg.h"

#include <string.h>

#include "../cursor.h"

#define SPEC_ID		"Spec ID Event03"	/* and its NUL */
#define LOCALITY	"StartupLocality"	/* and its NUL */
#define SHA1_SIZE	20

static const struct {
	uint16_t alg, size;
} algs[] = {
	{ LIBDSTACK_TCG_SHA1, SHA1_SIZE },
	{ LIBDSTACK_TCG_SHA256, 32 },
	{ LIBDSTACK_TCG_SHA384, 48 },
	{ LIBDSTACK_TCG_SHA512, 64 },
	{ LIBDSTACK_TCG_SM3, 32 },
	{ 0x27, 32 },	/* SHA-3 */
	{ 0x28, 48 },
	{ 0x29, 64 },
};

size_t libdstack_tcg_digest_size(uint16_t alg)
{
	size_t i;

	for (i = 0; i < sizeof(algs) / sizeof(algs[0]); i++)
		if (algs[i].alg == alg)
			return algs[i].size;
	return 0;
}

int tcg_bank(const struct libdstack_tcg_log *log, uint16_t alg)
{
	unsigned int i;

	for (i = 0; i < log->nr_banks; i++)
		if (log->bank[i].alg == alg)
			return i;
	return -1;
}

static int cut_off(struct libdstack_failure *failure)
{
	return verify_fail(failure, REASON(MALFORMED),
			   "the log ends in the middle of an event");
}

static int parse_bank(struct cursor *in, struct libdstack_tcg_log *log,
		      struct libdstack_failure *failure)
{
	uint16_t alg, size;

	if (!cursor_u16(in, &alg) || !cursor_u16(in, &size))
		return cut_off(failure);
	if (!libdstack_tcg_digest_size(alg))
		return verify_fail(failure, REASON(UNSUPPORTED),
				   "digests of an unknown algorithm, 0x%x",
				   alg);
	if (size != libdstack_tcg_digest_size(alg) || tcg_bank(log, alg) >= 0)
		return verify_fail(failure, REASON(MALFORMED),
				   "digests of algorithm 0x%x twice, or with %u bytes",
				   alg, size);
	log->bank[log->nr_banks].alg = alg;
	log->bank[log->nr_banks].size = size;
	log->nr_banks++;
	return 0;
}

/* Signature, class, version, errata, size of integers, banks, vendor's data. */
static int parse_spec_id(struct cursor *in, struct libdstack_tcg_log *log,
			 struct libdstack_failure *failure)
{
	const uint8_t *id = cursor_take(in, sizeof(SPEC_ID));
	uint8_t vendor_len;
	uint32_t nr;
	int err = 0;

	if (!id || memcmp(id, SPEC_ID, sizeof(SPEC_ID)))
		return verify_fail(failure, REASON(UNSUPPORTED),
				   "the log does not begin with \"" SPEC_ID
				   "\": only logs with several banks are known");
	if (!cursor_take(in, 8) || !cursor_u32(in, &nr))
		return cut_off(failure);
	if (!nr || nr > LIBDSTACK_TCG_BANKS_MAX)
		return verify_fail(failure, REASON(MALFORMED),
				   "%u banks: 1 to %d are possible", nr,
				   LIBDSTACK_TCG_BANKS_MAX);
	while (nr-- && !err)
		err = parse_bank(in, log, failure);
	if (err)
		return err;
	if (!cursor_u8(in, &vendor_len) || vendor_len != in->left)
		return verify_fail(failure, REASON(MALFORMED),
				   "the first event has another size than its parts");
	return 0;
}

static int parse_header(struct cursor *in, struct libdstack_tcg_log *log,
			struct libdstack_failure *failure)
{
	struct cursor spec_id;
	uint32_t mr, type, size;

	if (!cursor_u32(in, &mr) || !cursor_u32(in, &type) ||
	    !cursor_take(in, SHA1_SIZE) || !cursor_u32(in, &size))
		return cut_off(failure);
	if (type != LIBDSTACK_TCG_EV_NO_ACTION)
		return verify_fail(failure, REASON(UNSUPPORTED),
				   "the first event does not say what the others are like");
	spec_id.p = cursor_take(in, size);
	spec_id.left = size;
	if (!spec_id.p)
		return cut_off(failure);
	return parse_spec_id(&spec_id, log, failure);
}

/* Each bank of the log once, in any order. */
static bool parse_digests(const struct libdstack_tcg_log *log,
			  struct cursor *in, struct libdstack_tcg_event *event)
{
	unsigned int i;
	uint16_t alg;
	uint32_t nr;
	int bank;

	if (!cursor_u32(in, &nr) || nr != log->nr_banks)
		return false;
	for (i = 0; i < nr; i++) {
		if (!cursor_u16(in, &alg))
			return false;
		bank = tcg_bank(log, alg);
		if (bank < 0 || event->digest[bank])
			return false;
		event->digest[bank] = cursor_take(in, log->bank[bank].size);
		if (!event->digest[bank])
			return false;
	}
	return true;
}

static bool parse_event(const struct libdstack_tcg_log *log, struct cursor *in,
			struct libdstack_tcg_event *event)
{
	uint32_t size;

	memset(event, 0, sizeof(*event));
	if (!cursor_u32(in, &event->mr) || !cursor_u32(in, &event->type) ||
	    !parse_digests(log, in, event) || !cursor_u32(in, &size))
		return false;
	event->data = cursor_take(in, size);
	event->len = size;
	event->end = in->p - log->data;
	return event->data;
}

/* Firmware's area is larger than its log; nothing but this may follow. */
static bool is_fill(const struct cursor *in)
{
	size_t i;

	if (in->left && in->p[0] && in->p[0] != 0xff)
		return false;
	for (i = 1; i < in->left; i++)
		if (in->p[i] != in->p[0])
			return false;
	return true;
}

/* PCR 0 is what it begins with as long as nothing was measured to it. */
static bool note_locality(struct libdstack_tcg_log *log,
			  const struct libdstack_tcg_event *event, bool *begun)
{
	if (event->mr)
		return true;
	if (event->type != LIBDSTACK_TCG_EV_NO_ACTION) {
		*begun = true;
		return true;
	}
	if (event->len != sizeof(LOCALITY) + 1 ||
	    memcmp(event->data, LOCALITY, sizeof(LOCALITY)))
		return true;
	if (*begun)
		return false;
	*begun = true;
	log->locality = event->data[sizeof(LOCALITY)];
	return log->locality <= 4;
}

static int parse_events(struct cursor *in, struct libdstack_tcg_log *log,
			struct libdstack_failure *failure)
{
	struct libdstack_tcg_event event;
	bool begun = false;
	struct cursor at;

	while (!is_fill(in)) {
		at = *in;
		if (!parse_event(log, in, &event))
			return verify_fail(failure, REASON(MALFORMED),
					   "event %zu is cut off or without its %u digests",
					   log->nr_events + 1, log->nr_banks);
		/* What is in no register may name one that does not exist. */
		if (event.mr >= LIBDSTACK_TCG_PCRS &&
		    event.type != LIBDSTACK_TCG_EV_NO_ACTION)
			return verify_fail(failure, REASON(MALFORMED),
					   "event %zu is in register %u: there are %d",
					   log->nr_events + 1, event.mr,
					   LIBDSTACK_TCG_PCRS);
		if (!note_locality(log, &event, &begun))
			return verify_fail(failure, REASON(MALFORMED),
					   "event %zu changes what register 0 began with",
					   log->nr_events + 1);
		log->nr_events++;
		log->len += in->p - at.p;
	}
	return 0;
}

int libdstack_tcg_log_parse(const void *data, size_t len,
			    struct libdstack_tcg_log *log,
			    struct libdstack_failure *failure)
{
	struct cursor in = { data, len };
	int err;

	memset(log, 0, sizeof(*log));
	memset(failure, 0, sizeof(*failure));
	if (len > LIBDSTACK_TCG_LOG_MAX)
		err = verify_fail(failure, REASON(MALFORMED),
				  "%zu bytes of event log: more than %u", len,
				  LIBDSTACK_TCG_LOG_MAX);
	else
		err = parse_header(&in, log, failure);
	log->data = in.p;
	if (!err)
		err = parse_events(&in, log, failure);
	if (!err)
		return 0;
	memset(log, 0, sizeof(*log));
	verify_step(failure, "event log format");
	return err;
}

bool libdstack_tcg_log_next(const struct libdstack_tcg_log *log,
			    struct libdstack_tcg_event *event)
{
	struct cursor in = { log->data + event->end, log->len - event->end };

	return in.left && parse_event(log, &in, event);
}

const uint8_t *libdstack_tcg_digest(const struct libdstack_tcg_log *log,
				    const struct libdstack_tcg_event *event,
				    uint16_t alg)
{
	int bank = tcg_bank(log, alg);

	return bank < 0 ? NULL : event->digest[bank];
}
