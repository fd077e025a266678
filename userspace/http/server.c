// SPDX-License-Identifier: MIT
/*
 * The server: what it is made of, its loop, its end
 *
 * Copyright The dstack for Linux authors
 *
 * libevent's objects are touched by the loop's thread alone, and other threads
 * wake it through an eventfd: so libevent needs no locks of its own.
 */
#include "server.h"

#include <errno.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/listener.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "../rpc/wipe.h"

#define TICK_MS		100
#define MESSAGE_MAX	512
/*
 * Descriptors that are not of connections.  Each of these has its socket, and
 * for its request a pidfd, and then what acts for the caller.
 */
#define OTHER_FDS	512
#define FDS_OF_ONE	3

static const struct http_limits defaults = {
	.connections = 4096,
	.caller_connections = 1024,
	.remote_connections = 128,
	.caller_queue = 1024,
	.workers = 4,
	.workers_max = 256,
	.head = 73728,		/* a query of 64 KiB, and what is around it */
	.body = 10485760,
	.remote_head = 16384,	/* nothing that strangers ask for is long */
	.remote_body = 16384,
	.receive_ms = 10000,
	.call_ms = 10000,
	.send_ms = 10000,
	.idle_ms = 10000,
	.drain_ms = 10000,
};

int64_t http_now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

void http_message(const struct http *http, const char *fmt, ...)
{
	char text[MESSAGE_MAX];
	va_list args;

	if (!http->config.message)
		return;
	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	http->config.message(text);
}

static struct timeval interval(unsigned int ms)
{
	return (struct timeval){
		.tv_sec = ms / 1000,
		.tv_usec = ms % 1000 * 1000,
	};
}

static void set(unsigned int *limit, unsigned int value)
{
	if (!*limit)
		*limit = value;
}

static void set_size(size_t *limit, size_t value)
{
	if (!*limit)
		*limit = value;
}

static void set_limits(struct http_limits *limits)
{
	set(&limits->connections, defaults.connections);
	set(&limits->caller_connections,
	    defaults.caller_connections);
	set(&limits->remote_connections, defaults.remote_connections);
	set(&limits->caller_queue, defaults.caller_queue);
	set(&limits->workers, defaults.workers);
	set(&limits->workers_max, defaults.workers_max);
	set_size(&limits->head, defaults.head);
	set_size(&limits->body, defaults.body);
	set_size(&limits->remote_head, defaults.remote_head);
	set_size(&limits->remote_body, defaults.remote_body);
	set(&limits->receive_ms, defaults.receive_ms);
	set(&limits->call_ms, defaults.call_ms);
	set(&limits->send_ms, defaults.send_ms);
	set(&limits->idle_ms, defaults.idle_ms);
	set(&limits->drain_ms, defaults.drain_ms);
	if (limits->workers_max < limits->workers)
		limits->workers_max = limits->workers;
}

/* As many as we may have; fewer connections if that is too few. */
static int get_descriptors(struct http *http)
{
	struct http_limits *limits = &http->limits;
	rlim_t want = (rlim_t)limits->connections * FDS_OF_ONE + OTHER_FDS;
	struct rlimit has;

	if (getrlimit(RLIMIT_NOFILE, &has))
		return -errno;
	if (has.rlim_cur >= want)
		return 0;
	has.rlim_cur = want < has.rlim_max ? want : has.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &has))
		return -errno;
	if (has.rlim_cur < want) {
		if (has.rlim_cur < OTHER_FDS + FDS_OF_ONE) {
			http_message(http, "too few files may be open: raise the limit to %llu",
				     (unsigned long long)want);
			return -EMFILE;
		}
		limits->connections = (has.rlim_cur - OTHER_FDS) / FDS_OF_ONE;
	}
	return 0;
}

/* libevent warns of what clients do; they could fill the journal with it. */
static void ignore(int severity, const char *text)
{
	(void)severity;
	(void)text;
}

/* Wiped in every buffer: before libevent has allocated anything. */
static void init_libevent(void)
{
	static bool done;

	if (done)
		return;
	done = true;
	event_set_mem_functions(wipe_alloc, wipe_realloc, wipe_free);
	event_set_log_callback(ignore);
	signal(SIGPIPE, SIG_IGN);
}

static void on_drain(evutil_socket_t fd, short what, void *arg)
{
	struct http *http = arg;

	(void)fd;
	(void)what;
	event_base_loopbreak(http->base);
}

static void drain(struct http *http)
{
	struct timeval time = interval(http->limits.drain_ms);

	http->draining = true;
	connection_pause(http, true);
	evtimer_add(http->drain, &time);
	if (!http->connections)
		event_base_loopbreak(http->base);
}

static void on_wake(evutil_socket_t fd, short what, void *arg)
{
	struct http *http = arg;
	eventfd_t count;

	(void)what;
	eventfd_read(fd, &count);
	exchange_done(http);
	if (atomic_load(&http->stop) && !http->draining)
		drain(http);
}

/* Time is looked at only while there is somebody whom it can run out for. */
static void tick_again(struct http *http)
{
	struct timeval time = interval(TICK_MS);

	if ((http->connections || http->paused) &&
	    !evtimer_pending(http->tick, NULL))
		evtimer_add(http->tick, &time);
}

static void on_fresh(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	connection_welcome(arg);
	tick_again(arg);
}

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	connection_tick(arg);
	tick_again(arg);
}

/* What is asked for and taken back before it waits costs no system call. */
static struct event_base *new_base(void)
{
	struct event_config *config = event_config_new();
	struct event_base *base = NULL;

	if (config &&
	    !event_config_set_flag(config,
				   EVENT_BASE_FLAG_EPOLL_USE_CHANGELIST))
		base = event_base_new_with_config(config);
	if (config)
		event_config_free(config);
	return base;
}

static int init_events(struct http *http)
{
	http->base = new_base();
	if (!http->base)
		return -ENOMEM;
	http->wake = event_new(http->base, http->wake_fd, EV_READ | EV_PERSIST,
			       on_wake, http);
	http->fresh_event = event_new(http->base, -1, 0, on_fresh, http);
	http->tick = evtimer_new(http->base, on_tick, http);
	http->drain = evtimer_new(http->base, on_drain, http);
	if (!http->wake || !http->fresh_event || !http->tick || !http->drain ||
	    event_add(http->wake, NULL))
		return -ENOMEM;
	return 0;
}

static void bound(const struct http_limits *limits, bool remote,
		  struct evhttp *evhttp)
{
	evhttp_set_max_headers_size(evhttp, (ev_ssize_t)(remote ?
				    limits->remote_head : limits->head));
	evhttp_set_max_body_size(evhttp, (ev_ssize_t)(remote ?
				 limits->remote_body : limits->body));
}

static int listen_at(struct http *http, struct listener *listener,
		     const char *path)
{
	const char *what = NULL;
	int err;

	listener->socket.shared = http->config.shares_ports;
	listener->socket.waiting = http->limits.remote_connections;
	err = socket_open(&listener->socket, path, &what);
	if (err) {
		http_message(http, "can't listen at '%s': %s", path,
			     what ? what : strerror(-err));
		return err;
	}
	listener->evhttp = evhttp_new(http->base);
	if (!listener->evhttp)
		return -ENOMEM;
	bound(&http->limits, listener->socket.remote, listener->evhttp);
	evhttp_set_flags(listener->evhttp, EVHTTP_SERVER_LINGERING_CLOSE);
	/* All of them: the error for others than ours is then ours, too. */
	evhttp_set_allowed_methods(listener->evhttp, UINT16_MAX);
	evhttp_set_bevcb(listener->evhttp, connection_accept, listener);
	evhttp_set_gencb(listener->evhttp, exchange_begin, listener);
	listener->accept = evconnlistener_new(http->base, NULL, NULL,
					      LEV_OPT_CLOSE_ON_EXEC, 0,
					      listener->socket.fd);
	if (!listener->accept)
		return -ENOMEM;
	evconnlistener_set_error_cb(listener->accept, connection_refused);
	if (!evhttp_bind_listener(listener->evhttp, listener->accept)) {
		evconnlistener_free(listener->accept);
		listener->accept = NULL;
		return -ENOMEM;
	}
	return 0;
}

static int init_listeners(struct http *http)
{
	int err = 0;
	size_t i;

	http->listeners = calloc(http->config.nr, sizeof(*http->listeners));
	if (!http->listeners)
		return -ENOMEM;
	for (i = 0; !err && i < http->config.nr; i++) {
		struct listener *listener =
			&http->listeners[http->nr_listeners];

		if (!http->config.paths[i])
			continue;
		listener->http = http;
		listener->index = i;
		http->nr_listeners++;
		err = listen_at(http, listener, http->config.paths[i]);
	}
	socket_inherited_done();
	return err;
}

int http_open(struct http **out, const struct http_config *config)
{
	struct http *http = calloc(1, sizeof(*http));
	int err;

	if (!http)
		return -ENOMEM;
	init_libevent();
	http->config = *config;
	http->limits = config->limits;
	set_limits(&http->limits);
	SIMPLEQ_INIT(&http->fresh);
	SLIST_INIT(&http->watches);
	http->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	err = http->wake_fd < 0 ? -errno : get_descriptors(http) ?:
	      init_events(http) ?: init_listeners(http) ?:
	      pool_open(&http->pool, config, &http->limits, http->wake_fd);
	if (err)
		http_close(http);
	else
		*out = http;
	return err;
}

static void on_watch(evutil_socket_t fd, short what, void *arg)
{
	struct watch *watch = arg;

	(void)fd;
	(void)what;
	watch->fn(watch->arg);
}

int http_watch(struct http *http, int fd, void (*fn)(void *arg), void *arg)
{
	struct watch *watch = calloc(1, sizeof(*watch));

	if (!watch)
		return -ENOMEM;
	watch->fn = fn;
	watch->arg = arg;
	watch->event = event_new(http->base, fd, EV_READ | EV_PERSIST,
				 on_watch, watch);
	if (!watch->event || event_add(watch->event, NULL)) {
		if (watch->event)
			event_free(watch->event);
		free(watch);
		return -ENOMEM;
	}
	SLIST_INSERT_HEAD(&http->watches, watch, link);
	return 0;
}

int http_run(struct http *http)
{
	return event_base_dispatch(http->base) < 0 ? -EIO : 0;
}

void http_stop(struct http *http)
{
	atomic_store(&http->stop, true);
	eventfd_write(http->wake_fd, 1);
}

static void free_events(struct http *http)
{
	struct event *events[] = {
		http->wake, http->fresh_event, http->tick, http->drain,
	};
	struct watch *watch;
	size_t i;

	while ((watch = SLIST_FIRST(&http->watches))) {
		SLIST_REMOVE_HEAD(&http->watches, link);
		event_free(watch->event);
		free(watch);
	}
	for (i = 0; i < sizeof(events) / sizeof(*events); i++)
		if (events[i])
			event_free(events[i]);
	if (http->base)
		event_base_free(http->base);
}

int http_close(struct http *http)
{
	int err = 0;
	size_t i;

	/* Connections know their listener: they end with it. */
	http->draining = true;
	connection_welcome(http);
	for (i = 0; i < http->nr_listeners; i++) {
		if (http->listeners[i].evhttp)
			evhttp_free(http->listeners[i].evhttp);
		socket_close(&http->listeners[i].socket);
	}
	free_events(http);
	if (http->pool)
		err = pool_close(http->pool);
	if (err)
		http_message(http, "a request is still being handled: giving up");
	else if (http->wake_fd >= 0)
		close(http->wake_fd);
	free(http->listeners);
	free(http->table);
	free(http);
	return err;
}
