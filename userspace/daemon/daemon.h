/* SPDX-License-Identifier: MIT */
/*
 * What daemons say: lines for people, words for the service manager
 *
 * Copyright The dstack for Linux authors
 */
#ifndef DAEMON_H
#define DAEMON_H

#include <stdint.h>
#include <syslog.h>

/* message.c */

/* Who says it; "dstackd" unless it was called. */
void msg_name(const char *program);
/*
 * One line to stderr, or to syslog once the daemon is in the background: what
 * is wrong; and what has another level of syslog(3).
 */
void msg(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void msg_at(int level, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
void msg_use_syslog(void);
/* The library's message callback. */
void library_message(const char *message);

/* notify.c */

/* Finds out who started us, and whether we are watched. */
void notify_init(void);
/* Tells the service manager, if there is one: "READY=1" and the like. */
void notify_manager(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* Until it is told "READY=1". */
void notify_reloading(void);
/* Says that we are alive if it is time to.  For where work gets on. */
void notify_alive(void);
/* For how long one may wait before notify_alive() is due: @ms at most. */
int notify_patience(int ms);
/* Of CLOCK_MONOTONIC. */
int64_t now_us(void);
int64_t now_ms(void);

#endif /* DAEMON_H */
