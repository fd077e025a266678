// SPDX-License-Identifier: MIT
/*
 * The daemon's loop: wait, gather, store
 *
 * Copyright The dstack for Linux authors
 *
 * An exec that wakes us costs as much as one that does not, many times over.
 * So the first event of a burst wakes us, and then we look away for a moment:
 * what comes in it is one batch and one sync.
 */
#include "dstackd.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#define FOREVER		(-1)
#define GATHER_MS	50
#define BACKOFF_MIN_MS	100
#define BACKOFF_MAX_MS	10000

static int signals;
static bool ending;

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

int serve_init(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	signals = signalfd(-1, &set, SFD_CLOEXEC);
	return signals < 0 ? -errno : 0;
}

static void take_signal(struct libdstack_control *control)
{
	struct signalfd_siginfo info;

	if (read(signals, &info, sizeof(info)) != sizeof(info))
		return;
	if (info.ssi_signo != SIGHUP)
		ending = true;
	/* State off made the module let go of the hooks. */
	else if (!hooks_ensure(control))
		msg("the hooks are attached");
}

/* Until the device has one of @events, a signal came, or @ms passed. */
static int pause_for(const struct drain *drain, short events, int ms)
{
	int64_t end = now_ms() + ms;

	while (!ending) {
		struct pollfd fds[2] = {
			{ .fd = signals, .events = POLLIN },
			{ .fd = events ? drain->device : -1, .events = events },
		};
		int64_t left = end - now_ms();
		int n;

		if (ms == FOREVER)
			left = INT_MAX;
		n = poll(fds, 2, left > 0 ? (int)left : 0);
		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0 && fds[0].revents)
			take_signal(drain->control);
		if (n > 0 || left <= 0)
			break;
	}
	return 0;
}

/* Only an error of the disk is worth trying again. */
int serve(struct drain *drain)
{
	int backoff = BACKOFF_MIN_MS, err = 0;

	while (!ending) {
		if (drain->failing)
			err = pause_for(drain, 0, backoff);
		else
			err = pause_for(drain, POLLIN, FOREVER) ?:
			      pause_for(drain, POLLPRI, GATHER_MS);
		if (err)
			break;
		err = drain_run(drain);
		if (err && !drain->failing)
			break;
		backoff = !err ? BACKOFF_MIN_MS :
			2 * backoff < BACKOFF_MAX_MS ? 2 * backoff :
			BACKOFF_MAX_MS;
	}
	notify_manager("STOPPING=1");
	/* What comes after this waits in the module. */
	return ending ? drain_run(drain) : err;
}
