/* SPDX-License-Identifier: MIT */
/*
 * dstackctl verify: what its rooms share
 *
 * Copyright The dstack for Linux authors
 *
 * cmd_verify.c reads the arguments, verify_input.c the files that they name;
 * verify_quote.c, verify_batch.c, verify_attestation.c, verify_cert.c and
 * verify_connect.c verify what each is for, into an outcome, which
 * verify_outcome.c prints.
 */
#ifndef VERIFY_H
#define VERIFY_H

#include <jansson.h>
#include <libdstack_batch.h>
#include <libdstack_identity.h>
#include <libdstack_quote.h>
#include <openssl/x509.h>
#include <time.h>

#include "dstackctl.h"

/* verify_log.c */

/* Where a log is compared with a register. */
struct log_position {
	uint8_t base[DSTACK_REGISTER_SIZE];	/* before the first event */
	uint64_t count;		/* in: if @fixed; out: events covered */
	bool fixed;
};

/* cmd_verify.c */

struct request {
	const char *file;		/* what is to be verified */
	const char *log, *tcb_info, *root, *collateral, *policy_file, *certs;
	const char *pccs, *pccs_ca, *cache;	/* where to get collateral */
	const char *ca;			/* who may issue certificates */
	const char *batch, *container;	/* a part, and whose it must be */
	struct dstack_digest program;	/* that must vouch for it, or none */
	struct libdstack_quote_policy policy;
	bool relaxed;			/* by options, more than the file */
	bool all_components, insecure_sim, explain, json;
	time_t now;
	struct log_position at;
};

/* verify_report.c */

#define CHECKS_MAX 96

/* What was checked, in order.  The first that fails is why it is refused. */
struct report {
	struct {
		const char *name;
		bool step;		/* one of many, for --explain */
		enum libdstack_reason reason;
		char detail[2 * LIBDSTACK_TEXT_MAX + LIBDSTACK_STEP_MAX];
	} checks[CHECKS_MAX];
	size_t nr;
	bool failed;
	char step[LIBDSTACK_STEP_MAX];
	char text[LIBDSTACK_TEXT_MAX];
	enum libdstack_reason reason;
};

/* Adds a check with its result, MISMATCH if not @ok.  Returns @ok. */
bool report_add(struct report *report, bool ok, const char *name,
		const char *fmt, ...) __attribute__((format(printf, 4, 5)));
/* Adds a check that failed for a reason of the library's.  Returns false. */
bool report_failure(struct report *report, const char *name,
		    const struct libdstack_failure *failure);
/* A libdstack_step_fn; @data is the report. */
void report_step(void *data, const struct libdstack_step *step);
void report_print(const struct report *report, bool explain);
json_t *report_json(const struct report *report, bool steps);

/* verify_outcome.c */

/* All that is known in the end. */
struct outcome {
	struct report report;
	const char *tee;		/* "tdx" and so on */
	bool insecure;			/* it proves nothing, as allowed */
	bool have_quote, have_identity, have_report_data;
	struct libdstack_verdict quote;
	struct libdstack_identity identity;
	uint8_t report_data[DSTACK_REPORT_DATA_SIZE];
	struct libdstack_runs *runs;	/* NULL: no log of a kernel */
	const struct libdstack_batch *part;	/* NULL: none was proven */
};

/* Prints it.  Returns the exit status. */
int outcome_print(const struct request *request, const struct outcome *outcome);

/* verify_input.c */

struct input {
	void *data, *root, *certs;
	size_t len, root_len, certs_len;
	struct libdstack_log *log;
	struct libdstack_attestation *attestation;
	struct libdstack_collateral *collateral;
	struct libdstack_batch batch;
	bool pin_report_data;		/* of the part, not of the quote */
};

/* These return 0 or -errno, after a message; the second all but the file. */
int input_read(const struct request *request, size_t max, struct input *in);
int input_read_others(const struct request *request, struct input *in);
/*
 * Collateral for this quote; none, and a failure in the report, if it could not
 * be had.
 */
int input_get_collateral(const struct request *request, struct input *in,
			 const void *quote, size_t len, struct outcome *out);
void input_free(struct input *in);

/* verify_log.c */

/* A prefix of the log explains @want, and is what a kernel would write. */
bool check_log(struct report *report, const struct libdstack_log *log,
	       struct log_position *at,
	       const uint8_t want[DSTACK_REGISTER_SIZE]);

/* verify_events.c */

/* What ran, according to the log. */
void runs_print(const struct libdstack_runs *runs);
json_t *runs_json(const struct libdstack_runs *runs);

/* verify_quote.c */

/* Genuine, and good enough for the policy; fills in what @out says of it. */
bool check_quote(const struct request *request, const struct input *in,
		 const void *quote, size_t len, struct outcome *out);
/* These return 0 or -errno, after a message: nothing was verified then. */
int verify_quote(struct request *request, struct input *in,
		 struct outcome *out);

/* verify_batch.c */

/* 0 or -errno, after a message. */
int batch_read(struct request *request, struct input *in, struct outcome *out);
/* The quote has the part that is wanted, or none is. */
bool check_batch(const struct request *request, const struct input *in,
		 struct outcome *out);

/* verify_attestation.c */

bool check_identity(const struct input *in, struct outcome *out);
int verify_attestation(struct request *request, struct input *in,
		       struct outcome *out);
/* The same of what is in @in already. */
int verify_container(struct request *request, struct input *in,
		     struct outcome *out);

/* verify_cert.c */

int verify_cert(struct request *request, struct input *in,
		struct outcome *out);
/* The first is the leaf.  NULL: not PEM, nor one in DER. */
STACK_OF(X509) *parse_certs(const void *data, size_t len);
int verify_certs(const struct request *request, struct input *in,
		 STACK_OF(X509) *certs, struct outcome *out);

/* verify_connect.c */

int verify_connect(struct request *request, struct input *in,
		   struct outcome *out);

#endif /* VERIFY_H */
