// SPDX-License-Identifier: MIT
/*
 * dstackd agent: the guest agent's sockets
 *
 * Copyright The dstack for Linux authors
 *
 * A role of its own in a process of its own: what clients do to it does not
 * reach the one that keeps the log.
 */
#include "agent_options.h"

#include <ctype.h>
#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "../agent/agent.h"
#include "../http/http.h"
#include "../agent/metrics/metrics.h"
#include "../agent/routes.h"

#define PATH_SHOWN	64
#define REFUSALS_BURST	20	/* lines about refusals; one more a second */
#define REST		30	/* s without use: then memory is let go */
#define LARGE		131072	/* bytes: memory for them is not kept */

struct server {
	struct agent agent;
	struct agent_options *opt;
	int argc;		/* what they came of, */
	char **argv;		/* and a file that may change */
	struct metrics_counters counters;
	struct http *http;
	int signals, timer;
	int refusals;		/* lines that may still be written, */
	unsigned int left_out;	/* and that were not */
	unsigned int seconds;	/* that it has been serving */
};

/* What a client sent, as far as it is good for a line. */
static void disarm(const char *path, char out[PATH_SHOWN + 1])
{
	size_t i;

	for (i = 0; i < PATH_SHOWN && path[i]; i++)
		out[i] = isalnum((unsigned char)path[i]) ||
			strchr("/._-", path[i]) ? path[i] : '?';
	out[i] = '\0';
}

/* Few of them: a container that is refused must not fill the disk with it. */
static void tell_refusal(struct server *server,
			 const struct http_request *request, int status)
{
	char path[PATH_SHOWN + 1];

	if (status < 400)
		return;
	if (__atomic_fetch_sub(&server->refusals, 1, __ATOMIC_RELAXED) <= 0) {
		__atomic_add_fetch(&server->left_out, 1, __ATOMIC_RELAXED);
		return;
	}
	disarm(request->path, path);
	msg_at(LOG_WARNING,
	       "agent: container '%s' of section '%s' (process %d): %s: status %d",
	       request->caller.id, request->caller.section,
	       (int)request->caller.pid, path, status);
}

static const struct rpc_mount *routes_of(const struct http_request *request)
{
	if (request->remote)
		return agent_worker_routes;
	return request->socket == AGENT_SOCKET_TAPPD ? agent_tappd_routes :
		agent_routes;
}

static void call_method(struct server *server,
			const struct http_request *request,
			struct http_reply *reply)
{
	const struct rpc_request call = {
		.method = request->method, .path = request->path,
		.query = request->query, .content_type = request->content_type,
		.body = request->body, .len = request->len,
	};
	struct agent agent = server->agent;
	struct http_caller caller = request->caller;
	struct rpc_reply answer = { 0 };

	if (request->remote)
		caller.device = libdstack_device_open();
	else if (request->socket >= AGENT_SOCKETS)
		agent.section = server->opt->sections[request->socket];
	rpc_serve(routes_of(request), &agent, &caller, &call, &answer);
	if (request->remote)
		caller_forget(&caller);
	reply->status = answer.status;
	reply->retry_after = answer.retry_after;
	reply->type = answer.type;
	reply->body = answer.body;
	reply->len = answer.len;
}

/* What is here is about all containers, and so for none. */
static void tell_metrics(struct server *server,
			 const struct http_request *request,
			 struct http_reply *reply)
{
	struct agent_quote_stats quotes;
	char *text = NULL;

	if (request->caller.cgroup_id) {
		reply->status = 403;
	} else if (strcmp(request->path, "/metrics") != 0) {
		reply->status = 404;
	} else {
		agent_quotes_stats(server->agent.quotes, &quotes);
		if (!metrics_text(&server->counters, &quotes, &text,
				  &reply->len))
			reply->status = 200;
		reply->type = METRICS_TYPE;
		reply->body = text;
	}
}

static void handle(void *arg, const struct http_request *request,
		   struct http_reply *reply)
{
	struct server *server = arg;

	if (request->socket == AGENT_SOCKET_METRICS)
		tell_metrics(server, request, reply);
	else
		call_method(server, request, reply);
	metrics_count(&server->counters,
		      METRICS_REPLIES + (unsigned int)reply->status / 100);
	tell_refusal(server, request, reply->status);
}

/* Asked for each request: who is it now? */
static int container_of(void *arg, pid_t pid, struct http_caller *caller)
{
	(void)arg;
	return agent_device_find(pid, caller);
}

static void tell(const char *text)
{
	msg("agent: %s", text);
}

/*
 * Watching
 */

/* What can't be had, or not without a restart, leaves all as it is. */
static void reload(struct server *server)
{
	struct agent_options wanted;
	const char *fixed = NULL;
	bool good;

	notify_reloading();
	good = agent_options_read(server->argc, server->argv, &wanted) < 0;
	if (good)
		fixed = agent_options_fixed(server->opt, &wanted);
	if (!good) {
		msg("agent: the configuration is not good: it stays as it was");
	} else if (fixed) {
		msg("agent: to change %s takes a restart: the configuration stays as it was",
		    fixed);
	} else {
		server->opt->quote_rate = wanted.quote_rate;
		server->opt->quote_burst = wanted.quote_burst;
		agent_quotes_limit(server->agent.quotes, wanted.quote_rate,
				   wanted.quote_burst);
		msg_at(LOG_INFO, "agent: the configuration is read");
	}
	agent_options_free(&wanted);
	notify_manager("READY=1");
}

static void on_signal(void *arg)
{
	struct server *server = arg;
	struct signalfd_siginfo info;

	if (read(server->signals, &info, sizeof(info)) != sizeof(info))
		return;
	if (info.ssi_signo == SIGHUP)
		reload(server);
	else
		http_stop(server->http);
}

static void tell_left_out(struct server *server)
{
	unsigned int nr = __atomic_exchange_n(&server->left_out, 0,
					      __ATOMIC_RELAXED);

	if (nr)
		msg_at(LOG_WARNING, "agent: %u more were refused", nr);
}

static void on_second(void *arg)
{
	struct server *server = arg;
	uint64_t times;

	if (read(server->timer, &times, sizeof(times)) != sizeof(times))
		return;
	notify_alive();
	if (server->agent.epochs)
		agent_epochs_look(server->agent.epochs);
	if (++server->seconds % REST == 0) {
		attest_log_rest(server->agent.log);
		rpc_json_rest();
	}
	if (__atomic_load_n(&server->refusals, __ATOMIC_RELAXED) < 0)
		__atomic_store_n(&server->refusals, 0, __ATOMIC_RELAXED);
	if (__atomic_load_n(&server->refusals, __ATOMIC_RELAXED) <
	    REFUSALS_BURST)
		__atomic_add_fetch(&server->refusals, 1, __ATOMIC_RELAXED);
	tell_left_out(server);
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
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	server->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	server->timer = timerfd_create(CLOCK_MONOTONIC,
				       TFD_CLOEXEC | TFD_NONBLOCK);
	if (server->signals < 0 || server->timer < 0 ||
	    timerfd_settime(server->timer, 0, &second, NULL))
		return -errno;
	return http_watch(server->http, server->signals, on_signal, server) ?:
		http_watch(server->http, server->timer, on_second, server);
}

/*
 * The application
 */

/* The root key that is there must be the one that vouches for its keys. */
static int load_root(struct libdstack_control *control,
		     const struct libdstack_status *status,
		     struct agent_epochs *epochs)
{
	const struct agent_app_keys *keys;
	struct rpc_error none = { 0 };
	int err;

	if (!status->policy_epoch) {
		msg("agent: no policy says which application this is: load one first");
		return -ENODATA;
	}
	keys = agent_epochs_get(epochs, AGENT_EPOCH_OLDEST, &none);
	if (!keys)
		return -ENOKEY;
	err = libdstack_ensure_root(control, status->policy_app_id,
				    keys->key_epoch, keys->k256_key,
				    agent_app_keys_flags(keys));
	agent_epochs_put(epochs);
	return err;
}

static int install(const struct agent_app *app, const struct agent_options *opt)
{
	struct libdstack_control *control;
	struct libdstack_status status;
	int err = libdstack_control_open(&control);

	if (err)
		return err;
	err = libdstack_status(control, &status) ?:
		agent_app_check(app, opt->log, status.log_count, tell) ?:
		load_root(control, &status, app->epochs);
	libdstack_control_close(control);
	return err;
}

static int take_app(struct server *server, struct agent_app **app)
{
	const struct agent_options *opt = server->opt;
	int err;

	if (!opt->app)
		return 0;
	err = agent_app_read(opt->app, opt->key_epoch, tell, app) ?:
		install(*app, opt);
	if (err)
		return err;
	server->agent.app = *app;
	server->agent.app_dir = opt->app;
	server->agent.epochs = (*app)->epochs;
	server->agent.terms = (*app)->terms;
	server->agent.vm_config = (*app)->config->vm_config;
	return 0;
}

static int serve_agent(struct agent_options *opt, int argc, char **argv)
{
	struct server server = {
		.agent = { .vm_config = "" }, .opt = opt,
		.argc = argc, .argv = argv,
		.signals = -1, .timer = -1, .refusals = REFUSALS_BURST,
	};
	const struct http_config config = {
		.paths = opt->paths, .nr = opt->nr, .handle = handle,
		.version = AGENT_VERSION, .arg = &server,
		.lookup.container_of = container_of,
		.message = tell,
	};
	const struct agent_quote_config quotes = {
		.rate = opt->quote_rate, .burst = opt->quote_burst,
	};
	struct agent_app *app = NULL;
	int err, left;

	server.agent.counters = &server.counters;
	notify_init();
	/* Replies with a log are large, and given back when they are sent. */
	mallopt(M_MMAP_THRESHOLD, LARGE);
	/* Keys are here for moments: in no core dump, and not for our peers. */
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0))
		return -errno;
	err = http_open(&server.http, &config);
	if (err)
		return err;
	err = watch(&server) ?: attest_log_open(opt->log, &server.agent.log) ?:
	      agent_shared_open(&server.agent.shared) ?:
	      agent_demo_open(tell, &server.agent.demo) ?:
	      take_app(&server, &app) ?:
	      agent_quotes_open(&server.agent.quotes, &quotes);
	/* From here on clients hear what is wrong, and the log how often. */
	libdstack_set_message_callback(NULL);
	if (!err) {
		notify_manager("READY=1");
		err = http_run(server.http);
		notify_manager("STOPPING=1");
	}
	left = http_close(server.http) ?:
	       agent_demo_close(server.agent.demo) ?:
	       agent_quotes_close(server.agent.quotes);
	/* Who has not returned still uses it. */
	if (!left) {
		agent_app_free(app);
		attest_log_close(server.agent.log);
		agent_shared_close(server.agent.shared);
	}
	/* A host that owes a quote is no failure of ours. */
	return err ? err : left == -EBUSY ? 0 : left;
}

int agent_main(int argc, char **argv)
{
	struct agent_options opt;
	int status = agent_options_read(argc, argv, &opt);

	if (status >= 0)
		return status;
	status = serve_agent(&opt, argc, argv) ? EXIT_FAILURE : EXIT_SUCCESS;
	agent_options_free(&opt);
	return status;
}
