// SPDX-License-Identifier: MIT
/*
 * The sockets of a KMS, and who comes by which
 *
 * Copyright The dstack for Linux authors
 *
 * Handshakes cost the loop that has the connection, so there may be several
 * loops at the same ports.  The first one also has the admin's sockets, and
 * what happens once a second.
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "../agent/agent.h"
#include "../daemon/daemon.h"
#include "../http/tls.h"
#include "kmsd.h"

#define BODY_MAX	10485760	/* as upstream */
#define HEAD_MAX	65536
#define CONNECTIONS	4096
#define OF_ONE		1024		/* connections of one address */
#define CERT_S		86400		/* its certificate is made anew */
#define PATHS_MAX	16
#define LOOPS_MAX	64

struct server {
	struct kmsd *kmsd;
	const char *paths[PATHS_MAX];
	size_t nr_public, nr;
	struct http *http[LOOPS_MAX];
	pthread_t threads[LOOPS_MAX];
	size_t loops;
	struct http_tls *tls;
	const struct rpc_mount *routes;	/* of what is public */
	int (*context)(struct kmsd *kmsd, SSL_CTX **ctx);
	int signals, timer;
	time_t certified;
	uint64_t epoch;			/* whose root that was */
	bool ended;
};

/*
 * Requests
 */

static void say(struct http_reply *reply, int status, const char *text)
{
	reply->status = status;
	reply->type = "text/plain; charset=utf-8";
	reply->body = strdup(text);
	reply->len = reply->body ? strlen(text) : 0;
}

static void tell_metrics(struct kmsd *kmsd, struct http_reply *reply)
{
	const struct kmsd_counters *counters = &kmsd->counters;
	const struct {
		const char *name, *help;
		unsigned long long value;
	} all[] = {
		{ "moved", "instances that had keys on another machine before",
		  atomic_load(&counters->moved) },
		{ "attestation_requests", "requests with evidence",
		  atomic_load(&counters->attestations) },
		{ "attestation_failures", "of these, evidence that fails",
		  atomic_load(&counters->attestation_failures) },
		{ "given", "keys and certificates that were given",
		  atomic_load(&counters->given) },
		{ "denied", "requests that were denied",
		  atomic_load(&counters->denied) },
		{ "authorization_failures", "requests nobody decided about",
		  atomic_load(&counters->failed) },
		{ "limited", "requests that came too soon",
		  atomic_load(&counters->limited) },
		{ "turned_away", "connections of who had too many for nothing",
		  atomic_load(&counters->turned_away) },
	};
	char text[2048];
	size_t i, len = 0;

	for (i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len,
			"# HELP dstack_kms_%s_total %s\n"
			"# TYPE dstack_kms_%s_total counter\n"
			"dstack_kms_%s_total %llu\n", all[i].name, all[i].help,
			all[i].name, all[i].name, all[i].value);
	say(reply, 200, text);
}

/* Root on this machine, and in no container. */
static bool is_admin(const struct http_request *request)
{
	return !request->remote && !request->caller.uid &&
		!request->caller.cgroup_id;
}

static void call_method(struct kmsd *kmsd, const struct rpc_mount *mounts,
			const struct http_request *request,
			struct http_reply *reply)
{
	const struct rpc_request call = {
		.method = request->method, .path = request->path,
		.query = request->query, .content_type = request->content_type,
		.body = request->body, .len = request->len,
	};
	struct rpc_reply answer = { 0 };

	rpc_serve(mounts, kmsd, request, &call, &answer);
	reply->status = answer.status;
	reply->retry_after = answer.retry_after;
	reply->type = answer.type;
	reply->body = answer.body;
	reply->len = answer.len;
}

/* Of strangers, whatever they ask for. */
static bool is_too_soon(struct kmsd *kmsd, const struct http_request *request,
			struct http_reply *reply)
{
	int status = limits_status(kmsd, LIMIT_REQUESTS, request->caller.id,
				   &reply->retry_after);

	if (status)
		say(reply, status, "429: too many requests from this address\n");
	return status != 0;
}

static void call_public(struct server *server,
			const struct http_request *request,
			struct http_reply *reply)
{
	if (!is_too_soon(server->kmsd, request, reply))
		call_method(server->kmsd, server->routes, request, reply);
}

static void handle(void *arg, const struct http_request *request,
		   struct http_reply *reply)
{
	struct server *server = arg;
	struct kmsd *kmsd = server->kmsd;

	if (!strcmp(request->path, "/health"))
		say(reply, 200, "OK\n");
	else if (request->socket < server->nr_public)
		call_public(server, request, reply);
	else if (!is_admin(request))
		say(reply, 403, "403: this is for the KMS's operator\n");
	else if (!strcmp(request->path, "/metrics"))
		tell_metrics(kmsd, reply);
	else
		call_method(kmsd, kmsd_admin_routes, request, reply);
}

static bool admit(void *arg, const char *id)
{
	const struct server *server = arg;
	struct kmsd *kmsd = server->kmsd;

	if (limits_allow(kmsd->limits, LIMIT_CONNECTIONS, id))
		return true;
	atomic_fetch_add(&kmsd->counters.turned_away, 1);
	return false;
}

static void unused(void *arg, const char *id)
{
	const struct server *server = arg;

	limits_take(server->kmsd->limits, LIMIT_CONNECTIONS, id);
}

static int container_of(void *arg, pid_t pid, struct http_caller *caller)
{
	(void)arg;
	return agent_device_find(pid, caller);
}

static void tell(const char *text)
{
	msg("%s", text);
}

/*
 * What happens meanwhile
 */

static void stop(struct server *server)
{
	size_t i;

	for (i = 0; i < server->loops; i++)
		http_stop(server->http[i]);
}

static void on_signal(void *arg)
{
	struct server *server = arg;
	struct signalfd_siginfo info;

	if (read(server->signals, &info, sizeof(info)) != sizeof(info))
		return;
	server->ended = true;
	stop(server);
}

/* The old one is good for years: a day more does no harm. */
static void renew(struct server *server, uint64_t epoch)
{
	bool other = epoch != server->epoch;
	SSL_CTX *ctx;

	server->certified = time(NULL);
	server->epoch = epoch;
	if (server->context(server->kmsd, &ctx))
		return;
	if (other && kmsd_prove_roots(server->kmsd))
		msg("there is no evidence of the roots of key epoch %llu: it is tried again at the next start",
		    (unsigned long long)epoch);
	http_tls_use(server->tls, ctx);
	SSL_CTX_free(ctx);
}

/* It is under the root of the oldest epoch that lives, if one does. */
static void look_at_certificate(struct server *server)
{
	uint64_t epoch = epochs_oldest(server->kmsd->epochs);

	if (time(NULL) - server->certified >= CERT_S ||
	    (epoch != server->epoch && epoch != EPOCH_OLDEST))
		renew(server, epoch);
}

static void on_second(void *arg)
{
	struct server *server = arg;
	uint64_t times;

	if (read(server->timer, &times, sizeof(times)) != sizeof(times))
		return;
	notify_alive();
	rpc_json_rest();
	if (server->tls)
		look_at_certificate(server);
}

static int watch(struct server *server)
{
	static const struct itimerspec second = {
		.it_interval.tv_sec = 1, .it_value.tv_sec = 1,
	};
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	server->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	server->timer = timerfd_create(CLOCK_MONOTONIC,
				       TFD_CLOEXEC | TFD_NONBLOCK);
	if (server->signals < 0 || server->timer < 0 ||
	    timerfd_settime(server->timer, 0, &second, NULL))
		return -errno;
	return http_watch(server->http[0], server->signals, on_signal,
			  server) ?:
		http_watch(server->http[0], server->timer, on_second, server);
}

/*
 * Sockets
 */

static int add_paths(struct server *server, char *const *paths)
{
	for (; paths && *paths; paths++) {
		if (server->nr == PATHS_MAX)
			return -E2BIG;
		server->paths[server->nr++] = *paths;
	}
	return 0;
}

/* Those after the first serve what is public, and no admin. */
static int open_loop(struct server *server)
{
	const struct kmsd_options *options = server->kmsd->options;
	const struct http_config config = {
		.paths = server->paths,
		.nr = server->loops ? server->nr_public : server->nr,
		.version = KMSD_VERSION, .handle = handle, .arg = server,
		.tls = server->tls, .by_address = true,
		.shares_ports = options->loops > 1,
		.admit = admit, .unused = unused,
		.lookup.container_of = container_of, .message = tell,
		.limits = {
			.connections = CONNECTIONS,
			.caller_connections = OF_ONE,
			.remote_connections = CONNECTIONS,
			.workers = (unsigned int)options->workers,
			.remote_head = HEAD_MAX, .remote_body = BODY_MAX,
			.call_ms = 30000,
		},
	};
	int err = http_open(&server->http[server->loops], &config);

	if (!err)
		server->loops++;
	return err;
}

static void *run_loop(void *arg)
{
	http_run(arg);
	return NULL;
}

static int run(struct server *server)
{
	size_t i, started = 1;
	int err = watch(server);

	for (; !err && started < server->loops; started++)
		err = -pthread_create(&server->threads[started], NULL,
				      run_loop, server->http[started]);
	if (!err) {
		notify_manager("READY=1");
		err = http_run(server->http[0]);
	}
	stop(server);
	for (i = 1; i < started; i++)
		pthread_join(server->threads[i], NULL);
	/* Once it has keys it goes on at its other sockets. */
	if (server->ended)
		notify_manager("STOPPING=1");
	return err;
}

static int close_all(struct server *server, int err)
{
	int left;

	while (server->loops) {
		left = http_close(server->http[--server->loops]);
		err = err ? err : left;
	}
	if (server->signals >= 0)
		close(server->signals);
	if (server->timer >= 0)
		close(server->timer);
	return err;
}

int kmsd_serve_onboarding(struct kmsd *kmsd, bool *ended)
{
	struct server server = {
		.kmsd = kmsd, .signals = -1, .timer = -1,
	};
	int err = add_paths(&server, kmsd->options->admin);

	if (!err && !server.nr) {
		msg("there are no keys, and nobody who could have some made: it has neither \"admin\" nor \"domain\"");
		err = -ENOKEY;
	}
	err = err ?: open_loop(&server);
	if (!err) {
		kmsd->onboarding = server.http[0];
		msg_at(LOG_INFO, "there are no keys yet: ask for a Bootstrap or an Onboard at \"admin\"");
		err = run(&server);
		kmsd->onboarding = NULL;
	}
	*ended = server.ended;
	return close_all(&server, err);
}

static int open_public(struct server *server)
{
	SSL_CTX *ctx = NULL;
	int err = server->context(server->kmsd, &ctx) ?:
		http_tls_new(ctx, &server->tls) ?:
		add_paths(server, server->kmsd->options->listen);

	SSL_CTX_free(ctx);
	server->certified = time(NULL);
	server->nr_public = server->nr;
	return err;
}

int kmsd_serve_sharing(struct kmsd *kmsd, bool *ended)
{
	struct server server = {
		.kmsd = kmsd, .signals = -1, .timer = -1,
		.routes = kmsd_sharing_routes, .context = sharing_tls_context,
		.epoch = EPOCH_OLDEST,
	};
	struct state *state = NULL;
	int opened, err = open_public(&server) ?: open_loop(&server) ?:
		sharing_begin(kmsd->sharing, server.http[0]);

	if (!err) {
		msg_at(LOG_INFO, "other KMSs have to give their shares before there are keys; meanwhile it gives them theirs");
		err = run(&server);
		opened = sharing_end(kmsd->sharing, &state);
		*ended = server.ended;
		err = err ? err : *ended ? 0 : opened;
	}
	err = close_all(&server, err);
	/* Not before: who was answered last saw no state. */
	kmsd->state = state;
	if (err != -ETIMEDOUT)
		http_tls_free(server.tls);
	return err;
}

int kmsd_serve(struct kmsd *kmsd)
{
	struct server server = {
		.kmsd = kmsd, .signals = -1, .timer = -1,
		.epoch = epochs_oldest(kmsd->epochs),
		.routes = kmsd_routes, .context = kmsd_tls_context,
	};
	int err = open_public(&server) ?:
		add_paths(&server, kmsd->options->admin);

	while (!err && server.loops < kmsd->options->loops)
		err = open_loop(&server);
	err = err ?: run(&server);
	err = close_all(&server, err);
	if (!err)
		http_tls_free(server.tls);
	return err;
}
