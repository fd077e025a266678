// SPDX-License-Identifier: MIT
/*
 * An end to what takes too long
 *
 * Copyright The dstack for Linux authors
 *
 * A host that does not answer, a disk that hangs: a thread of its own ends the
 * program then, wherever the other one waits.
 */
#include "boot.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed;
static struct timespec end;
static unsigned int allowed;
static const char *limited;		/* NULL: nothing is */
static bool running;

int64_t now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000LL + ts.tv_nsec / 1000;
}

static void *watch(void *arg)
{
	(void)arg;
	pthread_mutex_lock(&lock);
	for (;;) {
		if (!limited)
			pthread_cond_wait(&changed, &lock);
		else if (pthread_cond_timedwait(&changed, &lock, &end) ==
			 ETIMEDOUT && limited)
			break;
	}
	boot_say("'%s' was not done after %u s, and is given up: start dstack-boot again once what it waits for is there",
		 limited, allowed);
	_exit(EXIT_FAILURE);
}

static int start(void)
{
	pthread_condattr_t attr;
	pthread_t thread;

	if (running)
		return 0;
	if (pthread_condattr_init(&attr) ||
	    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC) ||
	    pthread_cond_init(&changed, &attr) ||
	    pthread_create(&thread, NULL, watch, NULL))
		return -ENOMEM;
	pthread_detach(thread);
	running = true;
	return 0;
}

int limit_start(const char *what, unsigned int seconds)
{
	int err = start();

	if (err)
		return boot_fail(err, "can't watch the time");
	pthread_mutex_lock(&lock);
	clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_sec += seconds;
	allowed = seconds;
	limited = what;
	pthread_cond_signal(&changed);
	pthread_mutex_unlock(&lock);
	return 0;
}

void limit_end(void)
{
	pthread_mutex_lock(&lock);
	limited = NULL;
	pthread_cond_signal(&changed);
	pthread_mutex_unlock(&lock);
}
