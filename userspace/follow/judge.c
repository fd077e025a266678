// SPDX-License-Identifier: MIT
/*
 * What follows from what was seen
 *
 * Copyright The dstack for Linux authors
 *
 * Nothing here asks, waits or acts, so all of it is under test.
 */
#include "follow.h"

#include <string.h>

enum follow_step follow_judge_without(const struct follow_view *view,
				      int64_t now_ms)
{
	if (!view->grace_s ||
	    now_ms - view->since_ms < (int64_t)view->grace_s * 1000)
		return FOLLOW_WAIT;
	return FOLLOW_WITHDRAW;
}

/*
 * A policy that comes later has the higher epoch.  One of app-compose.json that
 * is ahead of the contract was approved with it.
 */
static enum follow_step compare(const struct kms_app_state *state,
				const struct follow_active *active,
				const char **why)
{
	if (!state->policy_epoch || state->policy_epoch < active->epoch)
		return FOLLOW_KEEP;
	if (state->policy_epoch > active->epoch)
		return FOLLOW_LOAD;
	if (active->withdrawn ||
	    !memcmp(state->policy_root, active->document, DSTACK_DIGEST_SIZE))
		return FOLLOW_KEEP;
	*why = "another policy of the same epoch is in force";
	return FOLLOW_WAIT;
}

enum follow_step follow_judge(struct follow_view *view,
			      const struct kms_app_state *state,
			      const struct follow_active *active,
			      int64_t now_ms, const char **why)
{
	enum follow_step step = FOLLOW_WAIT;

	*why = NULL;
	if (!state) {
		*why = "no KMS says what is true";
	} else if (state->block < view->block) {
		*why = "what the KMS says is older than what was known before";
	} else {
		view->block = state->block;
		step = state->allowed ? compare(state, active, why) :
			FOLLOW_WITHDRAW;
	}
	if (step == FOLLOW_WAIT)
		return follow_judge_without(view, now_ms);
	/* Of LOAD it is known once it is loaded. */
	if (step == FOLLOW_KEEP)
		view->since_ms = now_ms;
	return step;
}
