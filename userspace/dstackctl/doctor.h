/* SPDX-License-Identifier: MIT */
/*
 * dstackctl doctor: what its checks share
 *
 * Copyright The dstack for Linux authors
 */
#ifndef DOCTOR_H
#define DOCTOR_H

#include "dstackctl.h"

#define DOCTOR_TEXT	512

enum doctor_verdict {
	DOCTOR_OK,
	DOCTOR_WARN,		/* works, with less than it could promise */
	DOCTOR_FAIL,
	DOCTOR_SKIP,		/* can't be said, as something before failed */
};

/* What was found out so far, and by the check that runs. */
struct doctor {
	struct dstack_info info;
	struct libdstack_status status;
	bool have_info, have_status;
	char found[DOCTOR_TEXT];	/* one line */
	char mend[DOCTOR_TEXT];		/* what to do; empty: nothing */
};

/* Sets what was found, and what to do about it (NULL: nothing). */
enum doctor_verdict doctor_say(struct doctor *d, enum doctor_verdict verdict,
			       const char *mend, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* doctor_machine.c: the kernel, and what is installed */
enum doctor_verdict doctor_lsm(struct doctor *d);
enum doctor_verdict doctor_btf(struct doctor *d);
enum doctor_verdict doctor_cgroup(struct doctor *d);
enum doctor_verdict doctor_clock(struct doctor *d);
enum doctor_verdict doctor_runtime(struct doctor *d);
enum doctor_verdict doctor_oci_hook(struct doctor *d);
enum doctor_verdict doctor_space(struct doctor *d);

/* doctor_module.c: the module, and who serves it */
enum doctor_verdict doctor_device(struct doctor *d);
enum doctor_verdict doctor_backend(struct doctor *d);
enum doctor_verdict doctor_control(struct doctor *d);
enum doctor_verdict doctor_hooks(struct doctor *d);
enum doctor_verdict doctor_register(struct doctor *d);
enum doctor_verdict doctor_log(struct doctor *d);
enum doctor_verdict doctor_policy(struct doctor *d);
enum doctor_verdict doctor_state(struct doctor *d);
enum doctor_verdict doctor_keys(struct doctor *d);
enum doctor_verdict doctor_quote(struct doctor *d);
enum doctor_verdict doctor_agent(struct doctor *d);

#endif /* DOCTOR_H */
