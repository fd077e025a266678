/* SPDX-License-Identifier: MIT */
/*
 * Attestations of this machine: a quote, the log that explains it, and the
 * containers in which both are sent
 *
 * Copyright The dstack for Linux authors
 *
 * make.c puts one together from log.c, boot.c and the device; encode.c, scale.c
 * and msgpack.c write it, and text.c its log.  verify/attestation/ reads it.
 * Functions return 0 or -errno.
 */
#ifndef ATTEST_H
#define ATTEST_H

#include <libdstack_attestation.h>

/* Where dstackd keeps the log, and the kernel the firmware's. */
#define ATTEST_LOG	"/var/lib/dstack/log.jsonl"
#define ATTEST_CCEL	"/sys/firmware/acpi/tables/data/CCEL"

/* log.c */

/* The file that dstackd keeps, with what was read of it, for many threads. */
struct attest_log;

int attest_log_open(const char *path, struct attest_log **log);
/* To be called now and then: what was not used in between is not kept. */
void attest_log_rest(struct attest_log *log);
/* @log may be NULL. */
void attest_log_close(struct attest_log *log);
/*
 * Its first @count events as a JSON array, for free(), after which the register
 * has @value; that is not asked if it is NULL.  Waits a moment for dstackd to
 * store them.  -EAGAIN: it has not; -EFBIG: they are more than 8 MiB; -EBADMSG:
 * the register has another value after them.
 */
int attest_log_text(struct attest_log *log, uint64_t count,
		    const uint8_t *value, char **text);

/* A line with its newline.  Other than 0 ends it; not -EAGAIN. */
typedef int (*attest_log_fn)(const char *line, size_t len, void *arg);

/*
 * Calls @fn for each of the first @count events of the file @path, once more
 * from the first if it has waited for dstackd meanwhile.  However many.
 */
int attest_log_each(const char *path, uint64_t count, attest_log_fn fn,
		    void *arg);

/* boot.c */

/*
 * What the firmware measured before us, to dstack_log_clear(): nothing where
 * @path is missing.  -EBADMSG: that is no log of a TD.
 */
int attest_boot_read(const char *path, struct libdstack_log *boot);
/* The same as upstream shows it: some of them have names there. */
int attest_boot_parse(const void *data, size_t len, struct libdstack_log *boot);

/* Is it one of those that describe the machine? */
bool attest_is_acpi(uint32_t imr, uint32_t type, const void *data, size_t len);

/* make.c */

/* A quote, and what explains it. */
struct attest_evidence {
	struct libdstack_quote quote;
	char *log;			/* register 3, in JSON */
	struct libdstack_log boot;	/* registers 0 to 2 */
};

/*
 * Adds what explains evidence->quote.  Whoever gets an error gets @why, too, a
 * static text of what could not be done and what to do about it.
 */
int attest_explain(struct attest_log *log, struct attest_evidence *evidence,
		   const char **why);
void attest_evidence_free(struct attest_evidence *evidence);

/*
 * The evidence as a container's parts, for attest_parts_free().  They borrow
 * from @evidence and @config.
 */
int attest_parts(const struct attest_evidence *evidence, const char *config,
		 struct libdstack_attestation *parts);
void attest_parts_free(struct libdstack_attestation *parts);

/*
 * All of that for the host itself: a container for free().  @log: NULL for
 * ATTEST_LOG.  Says through the library's message callback what went wrong.
 */
int attest_make(const char *log,
		const uint8_t report_data[DSTACK_REPORT_DATA_SIZE],
		const char *vm_config, bool stripped,
		enum libdstack_attestation_form form, uint8_t **out,
		size_t *len);

/* text.c */

/*
 * The log of all registers as a JSON array, for free().  @stripped: without
 * what the firmware recorded beside the digests.
 */
int attest_text(const struct attest_evidence *evidence, bool stripped,
		char **text);

/* encode.c */

/*
 * @parts of a TD, written.  @stripped: as certificates have it, where of the
 * boot's events those are left that describe the machine, and the runtime's
 * have no digests, which follow from the rest.  -EOPNOTSUPP: of another TEE, or
 * an event whose digest is not of version 1; -EFBIG: nobody would read it.
 */
int attest_encode(const struct libdstack_attestation *parts,
		  enum libdstack_attestation_form form, bool stripped,
		  uint8_t **out, size_t *len);

#endif /* ATTEST_H */
