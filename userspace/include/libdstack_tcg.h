/* SPDX-License-Identifier: MIT */
/*
 * libdstack_tcg: what firmware, boot loader and kernel measured
 *
 * Copyright The dstack for Linux authors
 *
 * Logs as TPMs have them (/sys/kernel/security/tpm0/binary_bios_measurements)
 * and as TDs have them (/sys/firmware/acpi/tables/data/CCEL).  Layout: TCG PC
 * Client Platform Firmware Profile 1.06, "Event Logging"; registers of TDs:
 * UEFI 2.11, "Confidential Computing".
 *
 * A log is only a claim.  Once its replay gives what a quote says of the
 * registers, its events' digests, their order and their number are proven.
 * The data beside a digest is not: it proves something only where
 * libdstack_tcg_data_is_measured() says so, or where the caller knows how that
 * type of event is measured.  The type of an event is proven by neither.
 */
#ifndef LIBDSTACK_TCG_H
#define LIBDSTACK_TCG_H

#include <libdstack_verify.h>

#ifdef __cplusplus
extern "C" {
#endif

#define LIBDSTACK_TCG_LOG_MAX		1048576U	/* bytes */
#define LIBDSTACK_TCG_BANKS_MAX		8
#define LIBDSTACK_TCG_DIGEST_MAX	64
#define LIBDSTACK_TCG_PCRS		24	/* registers 0 to 23 */
#define LIBDSTACK_TCG_RTMRS		4

/* Numbers of algorithms, as TPMs have them. */
#define LIBDSTACK_TCG_SHA1	0x04
#define LIBDSTACK_TCG_SHA256	0x0b
#define LIBDSTACK_TCG_SHA384	0x0c
#define LIBDSTACK_TCG_SHA512	0x0d
#define LIBDSTACK_TCG_SM3	0x12

/* The one type of event that is in no register. */
#define LIBDSTACK_TCG_EV_NO_ACTION	3U

/* A log that is well-formed to its end. */
struct libdstack_tcg_log {
	const uint8_t *data;		/* borrowed: events after the first */
	size_t len;			/* without what fills the area */
	size_t nr_events;
	unsigned int nr_banks;
	struct {
		uint16_t alg;
		uint16_t size;		/* of a digest */
	} bank[LIBDSTACK_TCG_BANKS_MAX];
	uint8_t locality;		/* what PCR 0 begins with */
};

/* All pointers lead into the log. */
struct libdstack_tcg_event {
	uint32_t mr;			/* PCR; of a TD: RTMR plus one */
	uint32_t type;			/* EV_*; not proven by anything */
	const uint8_t *digest[LIBDSTACK_TCG_BANKS_MAX];	/* of log->bank[] */
	const uint8_t *data;
	size_t len;
	size_t end;			/* where the next one begins */
};

/*
 * @log borrows @data, which must stay; it is empty on error.  -EBADMSG:
 * malformed, longer than LIBDSTACK_TCG_LOG_MAX, or cut off; -EOPNOTSUPP: of a
 * version that has no banks, or with a bank of an algorithm that is not known.
 */
int libdstack_tcg_log_parse(const void *data, size_t len,
			    struct libdstack_tcg_log *log,
			    struct libdstack_failure *failure);
/*
 * The event after @event, or the first if that is all zeros; false at the end.
 *
 *	struct libdstack_tcg_event event = { 0 };
 *
 *	while (libdstack_tcg_log_next(&log, &event))
 *		...
 */
bool libdstack_tcg_log_next(const struct libdstack_tcg_log *log,
			    struct libdstack_tcg_event *event);
/* NULL where the log has no such bank. */
const uint8_t *libdstack_tcg_digest(const struct libdstack_tcg_log *log,
				    const struct libdstack_tcg_event *event,
				    uint16_t alg);
/* Bytes of a digest; 0 for an algorithm that is not known. */
size_t libdstack_tcg_digest_size(uint16_t alg);
/*
 * Is the digest, in each bank that can be computed here and in one at least,
 * that of the data?
 */
bool libdstack_tcg_data_is_measured(const struct libdstack_tcg_log *log,
				    const struct libdstack_tcg_event *event);
/*
 * What register @mr holds after all events: libdstack_tcg_digest_size(@alg)
 * bytes to @value.  -EOPNOTSUPP: no such bank, or OpenSSL lacks the algorithm.
 */
int libdstack_tcg_replay(const struct libdstack_tcg_log *log, uint16_t alg,
			 uint32_t mr, uint8_t value[LIBDSTACK_TCG_DIGEST_MAX],
			 struct libdstack_failure *failure);
/*
 * A TD's log.  -EOPNOTSUPP: not in SHA-384 alone, so not of TDX; -EBADMSG: an
 * event in a register that no RTMR is behind.
 */
int libdstack_tcg_replay_rtmrs(const struct libdstack_tcg_log *log,
			       uint8_t rtmr[LIBDSTACK_TCG_RTMRS][48],
			       struct libdstack_failure *failure);
/*
 * The log replays to those registers of a proven @td that @mask has bits for.
 * RTMR3 has what came after boot, in which firmware's log has no part.
 * -EKEYREJECTED: to others.
 */
int libdstack_tcg_check_rtmrs(const struct libdstack_tcg_log *log,
			      const struct libdstack_td *td, unsigned int mask,
			      struct libdstack_failure *failure);

/* The ACPI table that says where a TD's log is. */
struct libdstack_tcg_ccel {
	uint8_t type, subtype;		/* 2: TDX */
	uint64_t log_len, log_address;
};

#define LIBDSTACK_TCG_CCEL_TDX	2

/* -EBADMSG; -EOPNOTSUPP: not of TDX. */
int libdstack_tcg_ccel_parse(const void *data, size_t len,
			     struct libdstack_tcg_ccel *ccel,
			     struct libdstack_failure *failure);

#ifdef __cplusplus
}
#endif

#endif /* LIBDSTACK_TCG_H */
