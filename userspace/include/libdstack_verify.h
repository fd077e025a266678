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
 * -ENODATA	nothing to judge the evidence by could be had
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
	LIBDSTACK_REASON_UNAVAILABLE,	/* nothing to judge it by */
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
 * One check, for who wants to show all of them.  If it holds, @reason is
 * LIBDSTACK_REASON_NONE and @text empty.
 */
struct libdstack_step {
	const char *name;
	enum libdstack_reason reason;
	char input[LIBDSTACK_TEXT_MAX];	/* what was looked at */
	char text[LIBDSTACK_TEXT_MAX];	/* why it does not hold */
};

/* Called once for each check, in order; what is not reached is not shown. */
typedef void (*libdstack_step_fn)(void *data,
				  const struct libdstack_step *step);

/*
 * A quote of TDX or SGX against collateral and a pinned root
 */

#define LIBDSTACK_COLLATERAL_MAX	1048576U	/* bytes of its file */
#define LIBDSTACK_ADVISORIES_MAX	1024

/* What a quote speaks for. */
enum libdstack_quote_kind {
	LIBDSTACK_QUOTE_NONE,		/* not known: no quote was read */
	LIBDSTACK_QUOTE_TD,
	LIBDSTACK_QUOTE_ENCLAVE,
};

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

/* What an enclave's report says; numbers in the order of this machine. */
struct libdstack_enclave {
	uint8_t cpu_svn[16], attributes[16];
	uint32_t misc_select;
	uint8_t mr_enclave[32], mr_signer[32];
	uint8_t ext_prod_id[16], family_id[16], config_id[64];
	uint16_t prod_id, svn, config_svn;
	uint8_t report_data[DSTACK_REPORT_DATA_SIZE];
};

struct libdstack_verdict {
	/*
	 * Of platform, module and QE.  Known as soon as all signatures hold,
	 * even if something else does not.
	 */
	enum libdstack_tcb_status status;
	enum libdstack_tcb_status qe_status, module_status;
	uint16_t quote_version;
	enum libdstack_quote_kind kind;
	/* Of the kind; the other is zeros.  Proven only if no step failed. */
	struct libdstack_td td;
	struct libdstack_enclave enclave;
	uint8_t fmspc[6];
	uint8_t ppid[16];		/* which platform it is */
	struct libdstack_failure failure;
	char advisories[LIBDSTACK_ADVISORIES_MAX]; /* sorted, "," between */
	char tcb_date[32];
	int64_t tcb_time;		/* the same, Unix time */
	uint32_t tcb_eval_number;	/* tcbEvaluationDataNumber */
	int64_t earliest_expiry;	/* of all collateral, Unix time */
	int64_t judged_at;		/* the time that was judged at */
};

struct libdstack_collateral;

/* The JSON form described in tools/tdx-module/README.md. */
int libdstack_collateral_read(const char *path,
			      struct libdstack_collateral **collateral);
int libdstack_collateral_parse(const char *text, size_t len,
			       struct libdstack_collateral **collateral);
/*
 * Checks chains, lists and signatures once, so that verifying with the same
 * root needs to check only what the quote brings along; what else a verdict
 * says stays the same.  Once this has returned 0, threads can share
 * @collateral.  0 or -errno and @failure, as of libdstack_quote_verify().
 */
int libdstack_collateral_check(struct libdstack_collateral *collateral,
			       const void *root, size_t root_len,
			       struct libdstack_failure *failure);
void libdstack_collateral_free(struct libdstack_collateral *collateral);
/* As Intel writes it; the second returns __LIBDSTACK_TCB_MAX for no status. */
const char *libdstack_tcb_status_name(enum libdstack_tcb_status status);
enum libdstack_tcb_status libdstack_tcb_status_from_name(const char *name);

struct libdstack_quote_options {
	const void *root;	/* the only trusted root, DER or PEM; NULL: */
	size_t root_len;	/* Intel's, known by its key */
	time_t now;		/* to judge at */
	/*
	 * Compare all sixteen TDX components.  Intel leaves out the first two,
	 * which are the module's own, if that is judged by its identity.
	 */
	bool all_components;
	libdstack_step_fn step;	/* or NULL */
	void *step_data;
};

/*
 * Every signature, chain and level.  0 when the quote is genuine, whatever its
 * status and attributes, which libdstack_quote_policy_check() judges; or
 * -errno of the first step that failed, which @verdict names.
 */
int libdstack_quote_verify_with(const void *quote, size_t len,
				const struct libdstack_collateral *collateral,
				const struct libdstack_quote_options *options,
				struct libdstack_verdict *verdict);
/* The same, with a root and a time. */
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
