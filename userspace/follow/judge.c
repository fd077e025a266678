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

#define AGAIN_FIRST_MS	5000
#define AGAIN_MOST_MS	300000

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

/*
 * Key epochs
 */

/* The block's time counts, as for who gives keys. */
static bool has_ended(const struct kms_app_state *state, uint64_t epoch)
{
	const struct kms_key_epochs *kms = &state->kms_keys;

	if (epoch < kms->first_live || epoch < state->app_keys.first_live)
		return true;
	if (epoch >= kms->current)
		return false;
	return epoch < kms->current - 1 ||
		state->block_time >= kms->previous_ends;
}

/* No block: no contract said anything.  Of an older one nothing is believed. */
static bool is_known(const struct follow_view *view,
		     const struct kms_app_state *state)
{
	return state && state->block && state->block == view->block;
}

static enum follow_move move_on(const struct follow_view *view,
				const struct kms_app_state *state,
				const struct follow_epochs *epochs,
				int64_t now_ms, uint64_t *epoch,
				const char **why)
{
	uint64_t current = state->kms_keys.current;
	bool ended = has_ended(state, epochs->has);

	/* Nothing goes before what comes in its place is there. */
	if (epochs->disk_waits)
		return FOLLOW_STAY;
	if (epochs->next > epochs->has)
		return ended ? FOLLOW_END : FOLLOW_STAY;
	if (current > epochs->has && !has_ended(state, current)) {
		*epoch = current;
		return state->allowed && now_ms >= view->again_ms ?
			FOLLOW_FETCH : FOLLOW_STAY;
	}
	if (ended)
		*why = "its key epoch has ended, and no later one lives";
	return FOLLOW_STAY;
}

enum follow_move follow_judge_epochs(const struct follow_view *view,
				     const struct kms_app_state *state,
				     const struct follow_epochs *epochs,
				     int64_t now_ms, uint64_t *epoch,
				     const char **why)
{
	*why = NULL;
	if (epochs->older_root)
		return FOLLOW_RETIRE;
	/* Where keys were taken away there are none to add to. */
	if (epochs->next > epochs->has && epochs->has_root &&
	    !epochs->next_root)
		return FOLLOW_ADD;
	if (epochs->disk_waits && now_ms >= view->again_ms)
		return FOLLOW_DISK;
	if (!is_known(view, state))
		return FOLLOW_STAY;
	return move_on(view, state, epochs, now_ms, epoch, why);
}

void follow_judge_failed(struct follow_view *view, int64_t now_ms)
{
	int64_t wait_ms = AGAIN_FIRST_MS;
	unsigned int i;

	for (i = 0; i < view->failed && wait_ms < AGAIN_MOST_MS; i++)
		wait_ms *= 2;
	if (wait_ms > AGAIN_MOST_MS)
		wait_ms = AGAIN_MOST_MS;
	view->failed++;
	view->again_ms = now_ms + wait_ms;
}
