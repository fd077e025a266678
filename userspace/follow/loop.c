// SPDX-License-Identifier: MIT
/*
 * One look a second
 *
 * Copyright The dstack for Linux authors
 */
#include "follow.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <time.h>

#define SAY_AGAIN_MS	60000	/* that what was said is still so */

/* What was said, so that it is not said each second. */
struct told {
	enum follow_step step;
	bool any, withdrawn, answered;
	int64_t at_ms;
	bool failing;			/* and others said why */
	int64_t failing_ms;
	int64_t stays_ms;		/* though its key epoch has ended */
};

static int64_t now_ms(void)
{
	struct timespec now;

	/* With the time that a machine is suspended, which is in the grace. */
	clock_gettime(CLOCK_BOOTTIME, &now);
	return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

/* Is it worth a line? */
static bool is_news(struct told *told, enum follow_step step, bool withdrawn,
		    bool answered)
{
	int64_t now = now_ms();
	bool same = told->any && told->step == step &&
		told->withdrawn == withdrawn && told->answered == answered;

	if (same && (step == FOLLOW_KEEP || now - told->at_ms < SAY_AGAIN_MS))
		return false;
	told->step = step;
	told->any = true;
	told->withdrawn = withdrawn;
	told->answered = answered;
	told->at_ms = now;
	return true;
}

static void say_kept(const struct follow *follow,
		     const struct kms_app_state *state)
{
	unsigned long long epoch = follow->module.epoch;

	if (follow->module.withdrawn)
		follow_say("allowed again by block %llu, but the policy of epoch %llu was withdrawn: announce one with a higher epoch, or boot again",
			   (unsigned long long)state->block, epoch);
	else
		follow_say("allowed by block %llu, under the policy of epoch %llu",
			   (unsigned long long)state->block, epoch);
}

static void say_withdrawn(const struct kms_app_state *state, const char *why,
			  int err)
{
	if (err)
		follow_say("the policy can't be withdrawn: %s", strerror(-err));
	else if (why)
		follow_say("withdrawn, as grace is over: %s", why);
	else
		follow_say("withdrawn: %s (block %llu): containers run nothing new, and have no keys",
			   state->reason, (unsigned long long)state->block);
}

static enum follow_step load(struct follow *follow,
			     const struct kms_app_state *state,
			     const char **why)
{
	int err = act_load(follow, state);

	if (!err) {
		follow->view.since_ms = now_ms();
		follow_say("the policy of epoch %llu is in force, by block %llu",
			   (unsigned long long)state->policy_epoch,
			   (unsigned long long)state->block);
		return FOLLOW_KEEP;
	}
	*why = "the policy in force can't be loaded";
	if (err == -ENOENT)
		*why = "the policy in force is not shared by the host";
	return follow_judge_without(&follow->view, now_ms());
}

static void say_stays(struct told *told, const char *why)
{
	int64_t now = now_ms();

	if (!why || (told->stays_ms && now - told->stays_ms < SAY_AGAIN_MS))
		return;
	told->stays_ms = now;
	follow_say("%s: nothing is changed", why);
}

static int move_on(struct follow *follow, const struct kms_app_state *state,
		   struct told *told)
{
	const char *why;
	int err = epochs_follow(follow, state, now_ms(), &why);

	say_stays(told, why);
	return err;
}

static int look_at_policy(struct follow *follow,
			  const struct kms_app_state *state,
			  struct told *told)
{
	const char *why;
	enum follow_step step;
	int err = 0;

	step = follow_judge(&follow->view, state, &follow->module, now_ms(),
			    &why);
	if (step == FOLLOW_LOAD)
		step = load(follow, state, &why);
	/* Somebody may have brought keys since. */
	if (step == FOLLOW_WITHDRAW || follow->module.withdrawn) {
		err = act_withdraw(follow);
		if (!err)
			err = act_look(follow);
	}
	if (!is_news(told, step, follow->module.withdrawn, state))
		return err;
	if (step == FOLLOW_WITHDRAW)
		say_withdrawn(state, why, err);
	else if (step == FOLLOW_KEEP)
		say_kept(follow, state);
	else
		follow_say("%s: nothing is changed", why);
	return err;
}

/* @state: NULL, nobody answered.  What is to be denied is so first. */
static int look(struct follow *follow, const struct kms_app_state *state,
		struct told *told)
{
	return act_look(follow) ?: look_at_policy(follow, state, told) ?:
		move_on(follow, state, told);
}

static int keep_record(const struct follow *follow,
		       const struct kms_app_state *state, bool hush)
{
	int err = record_write(follow, state);

	if (err && !hush)
		follow_say("can't write to '%s': %s", follow->options->run,
			   strerror(-err));
	return err;
}

static void ask(struct follow *follow, struct told *told)
{
	struct kms_app_state state, *answer = NULL;
	int64_t began = now_ms();
	bool hush = told->failing && began - told->failing_ms < SAY_AGAIN_MS;
	bool looked, kept;

	follow_hush(hush);
	if (!kms_get_app_state(follow->session, &state))
		answer = &state;
	follow->answers += !!answer;
	follow->failures += !answer;
	looked = !look(follow, answer, told);
	kept = !keep_record(follow, answer, hush);
	told->failing = !answer || !looked || !kept;
	if (told->failing && !hush)
		told->failing_ms = began;
}

int loop_run(struct follow *follow, unsigned int interval_s)
{
	const struct timespec interval = { .tv_sec = interval_s };
	struct told told = { .any = false };
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	if (sigprocmask(SIG_BLOCK, &set, NULL))
		return -errno;
	follow->view.since_ms = now_ms();
	do {
		ask(follow, &told);
	} while (sigtimedwait(&set, NULL, &interval) < 0);
	return 0;
}
