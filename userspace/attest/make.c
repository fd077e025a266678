// SPDX-License-Identifier: MIT
/*
 * An attestation of this machine, from its parts
 *
 * Copyright The dstack for Linux authors
 */
#include "attest.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib.h"

/* Why an event log is not to be had, for who asked. */
static const char too_large[] =
	"the event log is larger than 8 MiB: read it from /dev/dstack";
static const char not_stored[] =
	"dstackd has not stored the event log yet: try again";
static const char another[] =
	"the event log is not this register's: dstackctl replay says why";
static const char unreadable[] = "can't read the event log that dstackd keeps";

static const char *log_help(int err)
{
	if (err == -EFBIG)
		return too_large;
	if (err == -EBADMSG)
		return another;
	return err == -EAGAIN ? not_stored : unreadable;
}

int attest_explain(struct attest_log *log, struct attest_evidence *evidence,
		   const char **why)
{
	int err = attest_log_text(log, evidence->quote.log_count,
				  evidence->quote.register_value,
				  &evidence->log);

	if (err) {
		*why = log_help(err);
		return err;
	}
	err = attest_boot_read(ATTEST_CCEL, &evidence->boot);
	if (err)
		*why = "can't read what the firmware measured (" ATTEST_CCEL
			")";
	return err;
}

void attest_evidence_free(struct attest_evidence *evidence)
{
	libdstack_quote_free(&evidence->quote);
	free(evidence->log);
	dstack_log_clear(&evidence->boot);
	evidence->log = NULL;
}

int attest_parts(const struct attest_evidence *evidence, const char *config,
		 struct libdstack_attestation *parts)
{
	struct libdstack_log *runtime;
	int err;

	err = libdstack_log_parse(evidence->log, strlen(evidence->log),
				  &runtime);
	if (err)
		return err;
	*parts = (struct libdstack_attestation){
		.tee = LIBDSTACK_TEE_TDX,
		.evidence = { evidence->quote.data, evidence->quote.len },
		.config = { (const uint8_t *)config, strlen(config) },
		.boot = evidence->boot, .runtime = *runtime,
		.have_report_data = true,
	};
	memcpy(parts->report_data, evidence->quote.report_data,
	       sizeof(parts->report_data));
	free(runtime);
	return 0;
}

void attest_parts_free(struct libdstack_attestation *parts)
{
	dstack_log_clear(&parts->runtime);
}

static int encode(const struct attest_evidence *evidence, const char *config,
		  bool stripped, enum libdstack_attestation_form form,
		  uint8_t **out, size_t *len)
{
	struct libdstack_attestation parts;
	int err = attest_parts(evidence, config, &parts);

	if (err)
		return err;
	err = attest_encode(&parts, form, stripped, out, len);
	attest_parts_free(&parts);
	if (err)
		dstack_message("can't write an attestation: %s",
			       strerror(-err));
	return err;
}

static int gather(struct attest_log *log,
		  const uint8_t report_data[DSTACK_REPORT_DATA_SIZE],
		  struct attest_evidence *evidence)
{
	const char *why = "can't get a quote";
	int fd = libdstack_device_open(), err;

	if (fd < 0)
		return fd;
	err = libdstack_get_quote(fd, 0, report_data, &evidence->quote);
	close(fd);
	if (!err)
		err = attest_explain(log, evidence, &why);
	if (err)
		dstack_message("%s: %s", why, strerror(-err));
	return err;
}

int attest_make(const char *log,
		const uint8_t report_data[DSTACK_REPORT_DATA_SIZE],
		const char *vm_config, bool stripped,
		enum libdstack_attestation_form form, uint8_t **out,
		size_t *len)
{
	struct attest_evidence evidence = { .log = NULL };
	struct attest_log *file;
	int err = attest_log_open(log ?: ATTEST_LOG, &file);

	if (err)
		return err;
	err = gather(file, report_data, &evidence) ?:
		encode(&evidence, vm_config, stripped, form, out, len);
	attest_evidence_free(&evidence);
	attest_log_close(file);
	return err;
}
