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
#include <unistd.h>

#define FOREVER		(-1)
#define GATHER_MS	50
#define BACKOFF_MIN_MS	100
#define BACKOFF_MAX_MS	10000

static int signals;
static bool ending, reloading;

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

/* Storing comes next in any case. */
static void take_signal(void)
{
	struct signalfd_siginfo info;

	if (read(signals, &info, sizeof(info)) != sizeof(info))
		return;
	if (info.ssi_signo == SIGHUP) {
		notify_reloading();
		reloading = true;
	} else {
		ending = true;
	}
}

/* Until the device has one of @events, a signal came, or @ms passed. */
static int pause_for(const struct drain *drain, short events, int ms)
{
	int64_t end = now_ms() + ms;

	while (!ending && !reloading) {
		struct pollfd fds[2] = {
			{ .fd = signals, .events = POLLIN },
			{ .fd = events ? drain->device : -1, .events = events },
		};
		int64_t left = ms == FOREVER ? INT_MAX : end - now_ms();
		int n;

		n = poll(fds, 2, left > 0 ? notify_patience((int)left) : 0);
		if (n < 0 && errno != EINTR)
			return -errno;
		notify_alive();
		if (n > 0 && fds[0].revents)
			take_signal();
		if (n > 0 || left <= 0)
			break;
	}
	return 0;
}

static int store(struct drain *drain, void (*reload)(void *arg), void *arg)
{
	int err;

	if (reloading)
		reload(arg);
	err = drain_run(drain);
	if (reloading)
		notify_manager("READY=1");
	reloading = false;
	return err;
}

int serve(struct drain *drain, void (*reload)(void *arg), void *arg)
{
	int backoff = BACKOFF_MIN_MS, err = 0;

	while (!ending && err >= 0) {
		if (drain->failing)
			err = pause_for(drain, 0, backoff);
		else
			err = pause_for(drain, POLLIN, FOREVER) ?:
			      pause_for(drain, POLLPRI, GATHER_MS);
		if (!err && !ending)
			err = store(drain, reload, arg);
		backoff = !err ? BACKOFF_MIN_MS :
			2 * backoff < BACKOFF_MAX_MS ? 2 * backoff :
			BACKOFF_MAX_MS;
	}
	notify_manager("STOPPING=1");
	/* What comes after this waits in the module. */
	return err < 0 ? err : drain_run(drain);
}
