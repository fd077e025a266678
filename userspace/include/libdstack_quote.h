/* SPDX-License-Identifier: MIT */
/*
 * libdstack_quote: is a genuine quote good enough
 *
 * Copyright The dstack for Linux authors
 *
 * libdstack_quote_verify() says that a quote is genuine and what it says;
 * whether that is what was asked for is decided here, by a policy that names
 * each of its conditions.
 */
#ifndef LIBDSTACK_QUOTE_H
#define LIBDSTACK_QUOTE_H

#include <libdstack_verify.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Attributes of a TD: Intel TDX Module ABI, "ATTRIBUTES".  Others: reserved. */
#define LIBDSTACK_TD_DEBUG		(1ULL << 0)
#define LIBDSTACK_TD_HGS_PLUS_PROF	(1ULL << 4)
#define LIBDSTACK_TD_PERF_PROF		(1ULL << 5)
#define LIBDSTACK_TD_PMT_PROF		(1ULL << 6)
#define LIBDSTACK_TD_UNTRUSTED		0xffULL	/* its host sees into it */
#define LIBDSTACK_TD_ICSSD		(1ULL << 16)
#define LIBDSTACK_TD_LASS		(1ULL << 27)
#define LIBDSTACK_TD_SEPT_VE_DISABLE	(1ULL << 28)
#define LIBDSTACK_TD_MIGRATABLE		(1ULL << 29)
#define LIBDSTACK_TD_PKS		(1ULL << 30)
#define LIBDSTACK_TD_KL			(1ULL << 31)
#define LIBDSTACK_TD_TPA		(1ULL << 62)
#define LIBDSTACK_TD_PERFMON		(1ULL << 63)

#define LIBDSTACK_QUOTE_POLICY_MAX	65536U	/* bytes of its JSON form */
#define LIBDSTACK_QUOTE_DEVICES_MAX	64

struct libdstack_quote_policy {
	uint32_t tcb_allowed;	/* bits 1U << enum libdstack_tcb_status */
	/*
	 * For as many seconds after the date of its level, a platform that is
	 * out of date counts as if it were not.
	 */
	uint32_t grace;
	uint32_t min_eval_number;	/* of tcbEvaluationDataNumber */
	bool limit_advisories;		/* to those that are named here, */
	char advisories[LIBDSTACK_ADVISORIES_MAX];	/* "," between */
	uint64_t td_attributes_allowed;	/* bits that may be set, and those */
	uint64_t td_attributes_required;	/* that must be */
	bool enclave_debug;		/* enclaves may be of that kind */
	bool any_service_td;		/* or only the one with this hash, */
	uint8_t mr_service_td[48];	/* zeros: none at all */
	bool pin_report_data;		/* to exactly these bytes */
	uint8_t report_data[DSTACK_REPORT_DATA_SIZE];
	size_t nr_devices;		/* 0: any */
	uint8_t device[LIBDSTACK_QUOTE_DEVICES_MAX][32]; /* SHA-256 of PPIDs */
};

/*
 * UpToDate and SWHardeningNeeded, whatever the advisories, the evaluation, the
 * report data and the device; TDs and enclaves that nobody can debug, no
 * migration, no service TD, no reserved attribute, and SEPT_VE_DISABLE on.
 */
void libdstack_quote_policy_default(struct libdstack_quote_policy *policy);
/*
 * The JSON form: an object with "version": 1 and what differs from the
 * default.  Documentation/verify/quotes.rst has its members; others are
 * refused.  0 or -EBADMSG with @failure.
 */
int libdstack_quote_policy_parse(const char *text, size_t len,
				 struct libdstack_quote_policy *policy,
				 struct libdstack_failure *failure);
/* What policies call this platform: SHA-256 of its PPID. */
void libdstack_quote_device(const struct libdstack_verdict *verdict,
			    uint8_t device[32]);
/*
 * @step, which may be NULL, is told of every condition.  0; -EKEYREJECTED and
 * in @failure the first that is not met, for the reason POLICY; or what the
 * verdict itself says if the quote was not even genuine.
 */
int libdstack_quote_policy_check(const struct libdstack_quote_policy *policy,
				 const struct libdstack_verdict *verdict,
				 libdstack_step_fn step, void *step_data,
				 struct libdstack_failure *failure);

#ifdef __cplusplus
}
#endif

#endif /* LIBDSTACK_QUOTE_H */
