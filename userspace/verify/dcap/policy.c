// SPDX-License-Identifier: MIT
/*
 * Is a genuine quote what was asked for
 *
 * Copyright The dstack for Linux authors
 */
#include "dcap.h"

#include <errno.h>
#include <libdstack_quote.h>
#include <openssl/sha.h>
#include <string.h>

#define STATUS(suffix)	LIBDSTACK_TCB_##suffix

#define ENCLAVE_DEBUG	2	/* in the first byte of its attributes */

/* One check of a policy. */
struct check {
	const struct libdstack_quote_policy *policy;
	const struct libdstack_verdict *verdict;
	struct libdstack_failure failure;
	char input[LIBDSTACK_TEXT_MAX];
};

#define REFUSE(c, ...) \
	verify_fail(&(c)->failure, REASON(POLICY), __VA_ARGS__)
#define SEE(c, ...) snprintf((c)->input, sizeof((c)->input), __VA_ARGS__)

void libdstack_quote_policy_default(struct libdstack_quote_policy *policy)
{
	memset(policy, 0, sizeof(*policy));
	policy->tcb_allowed = 1U << STATUS(UP_TO_DATE) |
		1U << STATUS(SW_HARDENING_NEEDED);
	/* What only the TD itself gains from. */
	policy->td_attributes_allowed = LIBDSTACK_TD_SEPT_VE_DISABLE |
		LIBDSTACK_TD_LASS | LIBDSTACK_TD_PKS | LIBDSTACK_TD_KL |
		LIBDSTACK_TD_PERFMON;
	policy->td_attributes_required = LIBDSTACK_TD_SEPT_VE_DISABLE;
}

void libdstack_quote_device(const struct libdstack_verdict *verdict,
			    uint8_t device[32])
{
	SHA256(verdict->ppid, sizeof(verdict->ppid), device);
}

/* As it would be called if it were not out of date. */
static enum libdstack_tcb_status forgiven(enum libdstack_tcb_status status)
{
	switch (status) {
	case STATUS(OUT_OF_DATE):
	case STATUS(TD_RELAUNCH_ADVISED):
		return STATUS(UP_TO_DATE);
	case STATUS(OUT_OF_DATE_CONFIGURATION_NEEDED):
	case STATUS(TD_RELAUNCH_ADVISED_CONFIGURATION_NEEDED):
		return STATUS(CONFIGURATION_NEEDED);
	default:
		return status;
	}
}

static bool allows(const struct libdstack_quote_policy *policy,
		   enum libdstack_tcb_status status)
{
	/* Nothing allows what is revoked or unknown. */
	return status < STATUS(REVOKED) && policy->tcb_allowed & 1U << status;
}

/* The last second of grace belongs to it. */
static bool in_grace(const struct check *c)
{
	const struct libdstack_verdict *v = c->verdict;

	return c->policy->grace && v->tcb_time &&
		v->judged_at - v->tcb_time <= (int64_t)c->policy->grace;
}

static int check_status(struct check *c)
{
	const struct libdstack_verdict *v = c->verdict;
	const char *name = libdstack_tcb_status_name(v->status);

	SEE(c, "%s of %.10s", name, v->tcb_date);
	if (allows(c->policy, v->status) ||
	    (in_grace(c) && allows(c->policy, forgiven(v->status))))
		return 0;
	return REFUSE(c, "%s is a TCB status that the policy does not allow: update the platform, or allow it",
		      name);
}

/* True if @list, with "," between, has the @len bytes of @word. */
static bool has_word(const char *list, const char *word, size_t len)
{
	while (*list) {
		size_t n = strcspn(list, ",");

		if (n == len && !memcmp(list, word, len))
			return true;
		list += n;
		list += *list == ',';
	}
	return false;
}

static int check_advisories(struct check *c)
{
	const char *p = c->verdict->advisories;
	size_t len;

	SEE(c, "%.200s", *p ? p : "none");
	if (!c->policy->limit_advisories)
		return 0;
	for (; *p; p += len, p += *p == ',') {
		len = strcspn(p, ",");
		if (!has_word(c->policy->advisories, p, len))
			return REFUSE(c, "advisory %.*s is open, and not one that the policy accepts",
				      (int)len, p);
	}
	return 0;
}

static int check_evaluation(struct check *c)
{
	const uint32_t have = c->verdict->tcb_eval_number;

	SEE(c, "%u, at least %u", have, c->policy->min_eval_number);
	if (have >= c->policy->min_eval_number)
		return 0;
	return REFUSE(c, "the collateral is of evaluation %u, older than %u that the policy wants",
		      have, c->policy->min_eval_number);
}

static uint64_t le64(const uint8_t *p)
{
	uint64_t value = 0;
	int i;

	for (i = 7; i >= 0; i--)
		value = value << 8 | p[i];
	return value;
}

/* What the worst of the bits that are not allowed mean. */
static const char *attribute_text(uint64_t bits)
{
	if (bits & LIBDSTACK_TD_DEBUG)
		return "a debug TD: its host reads and writes its memory";
	if (bits & LIBDSTACK_TD_UNTRUSTED)
		return "bits are set that make the TD untrusted";
	if (bits & LIBDSTACK_TD_MIGRATABLE)
		return "it can migrate: its migration service was not checked";
	return "attributes are set that the policy does not allow";
}

static int check_td_attributes(struct check *c)
{
	const struct libdstack_quote_policy *p = c->policy;
	uint64_t bits = le64(c->verdict->td.attributes);
	uint64_t bad = bits & ~p->td_attributes_allowed;

	SEE(c, "0x%016llx%s", (unsigned long long)bits,
	    bits & LIBDSTACK_TD_DEBUG ? ", a debug TD" : "");
	if (bad)
		return REFUSE(c, "%s (0x%llx)", attribute_text(bad),
			      (unsigned long long)bad);
	bad = p->td_attributes_required & ~bits;
	if (bad & LIBDSTACK_TD_SEPT_VE_DISABLE)
		return REFUSE(c, "SEPT_VE_DISABLE is off: its host can take pages away unseen");
	if (bad)
		return REFUSE(c, "attributes are off that the policy requires (0x%llx)",
			      (unsigned long long)bad);
	return 0;
}

static int check_attributes(struct check *c)
{
	const uint8_t *bits = c->verdict->enclave.attributes;

	if (c->verdict->kind == LIBDSTACK_QUOTE_TD)
		return check_td_attributes(c);
	SEE(c, "0x%016llx", (unsigned long long)le64(bits));
	if (bits[0] & ENCLAVE_DEBUG && !c->policy->enclave_debug)
		return REFUSE(c, "a debug enclave: its host reads and writes its memory");
	return 0;
}

static int check_service_td(struct check *c)
{
	static const uint8_t none[48];
	const uint8_t *have = c->verdict->td.mr_service_td;
	char hex[2 * sizeof(none) + 1];

	SEE(c, "%s", memcmp(have, none, sizeof(none)) ?
	    libdstack_to_hex(have, sizeof(none), hex) : "none");
	if (c->policy->any_service_td ||
	    !memcmp(have, c->policy->mr_service_td, sizeof(none)))
		return 0;
	return REFUSE(c, "a service TD is bound to the TD that the policy does not name, or it lacks the one that is named");
}

static int check_device(struct check *c)
{
	uint8_t device[32];
	char hex[2 * sizeof(device) + 1];
	size_t i;

	libdstack_quote_device(c->verdict, device);
	SEE(c, "%s", libdstack_to_hex(device, sizeof(device), hex));
	for (i = 0; i < c->policy->nr_devices; i++)
		if (!memcmp(device, c->policy->device[i], sizeof(device)))
			return 0;
	if (!c->policy->nr_devices)
		return 0;
	return REFUSE(c, "the platform is not one of the %zu devices that the policy names",
		      c->policy->nr_devices);
}

static int check_report_data(struct check *c)
{
	const struct libdstack_verdict *v = c->verdict;
	const uint8_t *have = v->kind == LIBDSTACK_QUOTE_TD ?
		v->td.report_data : v->enclave.report_data;

	if (!c->policy->pin_report_data) {
		SEE(c, "not compared: nothing to compare with was given");
		return 0;
	}
	SEE(c, "as given");
	if (!memcmp(have, c->policy->report_data, DSTACK_REPORT_DATA_SIZE))
		return 0;
	return REFUSE(c, "the quote carries other data: it was made for somebody else, or is replayed");
}

static const struct {
	const char *name;
	int (*check)(struct check *c);
} checks[] = {
	{ "TCB status", check_status },
	{ "advisories", check_advisories },
	{ "evaluation", check_evaluation },
	{ "attributes", check_attributes },
	{ "service TD", check_service_td },
	{ "device", check_device },
	{ "report data", check_report_data },
};

static void show(const struct check *c, const char *name,
		 libdstack_step_fn step, void *step_data)
{
	struct libdstack_step s = {
		.name = name, .reason = c->failure.reason,
	};

	memcpy(s.input, c->input, sizeof(s.input));
	memcpy(s.text, c->failure.text, sizeof(s.text));
	step(step_data, &s);
}

/* All of them, so that who watches sees more than the first. */
static int run_checks(const struct libdstack_quote_policy *policy,
		      const struct libdstack_verdict *verdict,
		      libdstack_step_fn step, void *step_data,
		      struct libdstack_failure *failure)
{
	int err, first = 0;
	size_t i;

	for (i = 0; i < sizeof(checks) / sizeof(checks[0]); i++) {
		struct check c = { .policy = policy, .verdict = verdict };

		err = checks[i].check(&c);
		if (step)
			show(&c, checks[i].name, step, step_data);
		if (!err || first)
			continue;
		first = err;
		*failure = c.failure;
		verify_step(failure, checks[i].name);
	}
	return first;
}

int libdstack_quote_policy_check(const struct libdstack_quote_policy *policy,
				 const struct libdstack_verdict *verdict,
				 libdstack_step_fn step, void *step_data,
				 struct libdstack_failure *failure)
{
	const struct libdstack_failure *f = &verdict->failure;

	memset(failure, 0, sizeof(*failure));
	if (f->reason != REASON(NONE)) {
		verify_step(failure, f->step);
		return verify_fail(failure, f->reason, "%s", f->text);
	}
	if (verdict->kind == LIBDSTACK_QUOTE_NONE) {
		verify_step(failure, checks[0].name);
		return verify_fail(failure, REASON(POLICY),
				   "no quote was verified");
	}
	return run_checks(policy, verdict, step, step_data, failure);
}
