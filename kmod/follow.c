// SPDX-License-Identifier: GPL-2.0-only
/*
 * Containers that become what the policy in force wants
 *
 * Copyright The dstack for Linux authors
 *
 * A container changes at its first exec under a policy that wants it otherwise,
 * and the log says so before it is in force.  A policy that is older than the
 * one that chose last is history, and changes nothing.
 */
#include <linux/cleanup.h>
#include <linux/compiler.h>
#include <linux/errno.h>

#include "draft.h"
#include "event.h"
#include "follow.h"
#include "identity.h"
#include "measure.h"
#include "words.h"

/**
 * struct turn - a container on its way to something else
 * @container: which
 * @mode: to this mode, or
 * @memory: to this right to memory of its own
 * @epoch: of the policy that wants it
 */
struct turn {
	struct dstack_container *container;
	enum dstack_mode mode;
	bool memory;
	u64 epoch;
};

static int record(enum dstack_event_id id, const struct turn *turn,
		  const char *from, const char *to, bool (*done)(void *arg),
		  void (*publish)(void *arg))
{
	struct dstack_draft *draft __free(dstack_draft) = dstack_draft_get();
	struct dstack_event *ev;

	if (!draft)
		return -ENOMEM;
	ev = &draft->ev;
	dstack_event_begin(ev, id);
	ev->quota = turn->container->quota;
	dstack_event_str(ev, "id", turn->container->id);
	dstack_event_str(ev, "from", from);
	dstack_event_str(ev, "to", to);
	dstack_event_u64(ev, "epoch", turn->epoch);
	return dstack_measure_publish(ev, done, publish, (void *)turn, NULL);
}

static bool has_mode(void *arg)
{
	const struct turn *turn = arg;

	return turn->container->mode == turn->mode ||
		turn->container->mode_epoch > turn->epoch;
}

static void set_mode(void *arg)
{
	const struct turn *turn = arg;

	WRITE_ONCE(turn->container->mode, turn->mode);
	turn->container->mode_epoch = turn->epoch;
}

/**
 * dstack_follow_mode() - record the execs that the policy wants recorded
 * @container: about to exec
 * @mode: what the policy wants
 * @epoch: of the policy
 *
 * Context: sleeps.
 * Return: 0, or as dstack_measure().
 */
int dstack_follow_mode(struct dstack_container *container,
		       enum dstack_mode mode, u64 epoch)
{
	const struct turn turn = {
		.container = container, .mode = mode, .epoch = epoch,
	};
	enum dstack_mode from = READ_ONCE(container->mode);

	if (from == mode)
		return 0;
	return record(DSTACK_EVENT_MODE, &turn, dstack_mode_name(from),
		      dstack_mode_name(mode), has_mode, set_mode);
}

static bool has_memory(void *arg)
{
	const struct turn *turn = arg;

	return turn->container->memory == turn->memory ||
		turn->container->memory_epoch > turn->epoch;
}

static void set_memory(void *arg)
{
	const struct turn *turn = arg;

	WRITE_ONCE(turn->container->memory, turn->memory);
	turn->container->memory_epoch = turn->epoch;
}

static const char *memory_name(bool memory)
{
	return memory ? "allowed" : "denied";
}

/**
 * dstack_follow_memory() - may it have executable memory that is no file's
 * @container: about to exec
 * @memory: what the policy says
 * @epoch: of the policy
 *
 * Context: sleeps.
 * Return: 0, or as dstack_measure().
 */
int dstack_follow_memory(struct dstack_container *container, bool memory,
			 u64 epoch)
{
	const struct turn turn = {
		.container = container, .memory = memory, .epoch = epoch,
	};
	bool from = READ_ONCE(container->memory);

	if (from == memory)
		return 0;
	return record(DSTACK_EVENT_MEMORY, &turn, memory_name(from),
		      memory_name(memory), has_memory, set_memory);
}
