/* SPDX-License-Identifier: MIT */
/*
 * libdstack_verify: is this evidence genuine, and what does it say
 *
 * Copyright The dstack for Linux authors
 *
 * For relying parties: it needs no module and no TEE.  Nothing here prints,
 * reads a clock or asks the network, but for what libdstack_fetch_* do: the
 * time to judge at and the roots to trust are arguments.  Verifying says that
 * evidence is genuine; whether it is good enough is the caller's policy.
 *
 * Functions return 0 or -errno, and say in a struct libdstack_failure why
 * evidence was refused:
 *
 * -EBADMSG	not in the form that its kind has
 * -EOPNOTSUPP	a kind, version or algorithm that nothing here knows
 * -EKEYREJECTED a signature, chain, identity or level does not hold
 * -EKEYEXPIRED	something is not valid at that time
 * -EKEYREVOKED	a certificate or level was revoked
 * -ENOMEM	no memory: nothing is known of the evidence
 */
#ifndef LIBDSTACK_VERIFY_H
#define LIBDSTACK_VERIFY_H

#include <linux/dstack.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Why evidence was refused: stable words for programs. */
enum libdstack_reason {
	LIBDSTACK_REASON_NONE,		/* it was not */
	LIBDSTACK_REASON_MALFORMED,
	LIBDSTACK_REASON_UNSUPPORTED,	/* no such kind or version */
	LIBDSTACK_REASON_ROOT,		/* not the trusted root */
	LIBDSTACK_REASON_CHAIN,		/* certificates do not lead to it */
	LIBDSTACK_REASON_SIGNATURE,
	LIBDSTACK_REASON_EARLY,		/* not yet valid at that time */
	LIBDSTACK_REASON_EXPIRED,
	LIBDSTACK_REASON_REVOKED,
	LIBDSTACK_REASON_MISMATCH,	/* parts that do not belong together */
	LIBDSTACK_REASON_LEVEL,		/* below every published level */
	LIBDSTACK_REASON_POLICY,	/* genuine, but not good enough */
	LIBDSTACK_REASON_MEMORY,
	__LIBDSTACK_REASON_MAX
};

#define LIBDSTACK_STEP_MAX	64
#define LIBDSTACK_TEXT_MAX	256

/* The first check that did not hold; empty texts if all did. */
struct libdstack_failure {
	enum libdstack_reason reason;
	char step[LIBDSTACK_STEP_MAX];
	char text[LIBDSTACK_TEXT_MAX];	/* one line for a person */
};

/* "signature" and so on; NULL for what is no reason. */
const char *libdstack_reason_name(enum libdstack_reason reason);

/*
 * A quote of TDX against collateral and a pinned root
 */

#define LIBDSTACK_COLLATERAL_MAX	1048576U	/* bytes of its file */
#define LIBDSTACK_ADVISORIES_MAX	1024

enum libdstack_tcb_status {
	LIBDSTACK_TCB_UP_TO_DATE,
	LIBDSTACK_TCB_SW_HARDENING_NEEDED,
	LIBDSTACK_TCB_CONFIGURATION_NEEDED,
	LIBDSTACK_TCB_CONFIGURATION_AND_SW_HARDENING_NEEDED,
	LIBDSTACK_TCB_OUT_OF_DATE,
	LIBDSTACK_TCB_OUT_OF_DATE_CONFIGURATION_NEEDED,
	LIBDSTACK_TCB_TD_RELAUNCH_ADVISED,
	LIBDSTACK_TCB_TD_RELAUNCH_ADVISED_CONFIGURATION_NEEDED,
	LIBDSTACK_TCB_REVOKED,
	LIBDSTACK_TCB_NOT_SUPPORTED,	/* below every level */
	LIBDSTACK_TCB_NONE,		/* not judged */
	__LIBDSTACK_TCB_MAX
};

/* What a TD report says; offsets are resolved, bytes as in the quote. */
struct libdstack_td {
	uint8_t tee_tcb_svn[16];
	uint8_t mr_seam[48], mr_signer_seam[48], seam_attributes[8];
	uint8_t attributes[8], xfam[8];
	uint8_t mr_td[48], mr_config_id[48], mr_owner[48], mr_owner_config[48];
	uint8_t rtmr[4][48];
	uint8_t report_data[DSTACK_REPORT_DATA_SIZE];
	uint8_t tee_tcb_svn2[16], mr_service_td[48];	/* zeros before 1.5 */
};

struct libdstack_verdict {
	enum libdstack_tcb_status status;	/* of platform, module and QE */
	enum libdstack_tcb_status qe_status, module_status;
	uint16_t quote_version;
	struct libdstack_td td;		/* proven only if no step failed */
	uint8_t fmspc[6];
	struct libdstack_failure failure;
	char advisories[LIBDSTACK_ADVISORIES_MAX]; /* sorted, "," between */
	char tcb_date[32];
	uint32_t tcb_eval_number;
	int64_t earliest_expiry;	/* of all collateral, Unix time */
};

struct libdstack_collateral;

/* The JSON form described in tools/tdx-module/README.md. */
int libdstack_collateral_read(const char *path,
			      struct libdstack_collateral **collateral);
int libdstack_collateral_parse(const char *text, size_t len,
			       struct libdstack_collateral **collateral);
void libdstack_collateral_free(struct libdstack_collateral *collateral);
/* As Intel writes it; the second returns __LIBDSTACK_TCB_MAX for no status. */
const char *libdstack_tcb_status_name(enum libdstack_tcb_status status);
enum libdstack_tcb_status libdstack_tcb_status_from_name(const char *name);
/*
 * Every signature, chain and level.  @root: the only trusted root, DER or PEM;
 * NULL: Intel's, known by its key.  @now: the time to judge at.  0 when the
 * quote is genuine, whatever its status and attributes, which the caller's
 * policy must judge; -EBADMSG malformed, -EKEYREJECTED a signature, chain,
 * identity or level does not hold, -EKEYEXPIRED collateral not valid at @now,
 * -EKEYREVOKED a revoked certificate or level.  What is wrong is said in
 * @verdict, not by a message.
 */
int libdstack_quote_verify(const void *quote, size_t len,
			   const struct libdstack_collateral *collateral,
			   const void *root, size_t root_len, time_t now,
			   struct libdstack_verdict *verdict);

/* What the sim backend answers instead of a quote: it proves nothing. */
struct libdstack_sim_quote {
	uint8_t report_data[DSTACK_REPORT_DATA_SIZE];
	uint8_t register_value[DSTACK_REGISTER_SIZE];
};

/* -ENODATA: not of the sim backend; -EBADMSG: malformed. */
int libdstack_sim_quote_parse(const void *quote, size_t len,
			      struct libdstack_sim_quote *sim);

#ifdef __cplusplus
}
#endif

#endif /* LIBDSTACK_VERIFY_H */
