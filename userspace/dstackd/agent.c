// SPDX-License-Identifier: MIT
/*
 * dstackd agent: the guest agent's sockets
 *
 * Copyright The dstack for Linux authors
 *
 * A role of its own in a process of its own: what clients do to it does not
 * reach the one that keeps the log.
 */
#include "dstackd.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "../agent/agent.h"
#include "../agent/http/http.h"
#include "../agent/routes.h"

#define SOCKET		"/run/dstack.sock"
#define TAPPD		"/run/tappd.sock"
#define LOG		DSTACKD_LOG
#define EXIT_USAGE	2
#define QUOTES_MAX	100000	/* a second */
#define STRING_OF(x)	#x
#define STRING(x)	STRING_OF(x)
#define REFUSALS_BURST	20	/* lines about refusals; one more a second */

enum { SOCKET_GUEST, SOCKET_TAPPD, SOCKETS };

struct options {
	const char *paths[SOCKETS];
	const char *log, *app_keys;
	uint64_t key_epoch;
	uint64_t quote_rate, quote_burst;
};

struct server {
	struct agent agent;
	struct http *http;
	int signals, timer;
	int refusals;		/* lines that may still be written */
};

static void agent_usage(FILE *out)
{
	fputs("Usage: dstackd agent [OPTION]...\n\n"
	      "Serves the guest agent's API to containers, each of which gets what its policy allows.\n\n"
	      "  --socket PATH        API v0 and v1 (default: " SOCKET ")\n"
	      "  --tappd-socket PATH  the API before these (default: " TAPPD ")\n"
	      "  --log FILE           the event log (default: " LOG ")\n"
	      "  --app-keys FILE      the application's keys, as upstream's .appkeys.json: the root key\n"
	      "                       goes to the module, and signs for the keys that come of it\n"
	      "  --key-epoch N        the key epoch of these (default: 0, which is upstream's)\n"
	      "  --quote-rate N       quotes that a container may have made in a second; 0: any number\n"
	      "                       (default: " STRING(AGENT_QUOTE_RATE) ")\n"
	      "  --quote-burst N      how many at once, after a while of none\n"
	      "                       (default: " STRING(AGENT_QUOTE_BURST) ")\n",
	      out);
}

/* One at most: a container that is refused must not fill the disk with it. */
static void tell_refusal(struct server *server,
			 const struct http_request *request, int status)
{
	if (status < 400 ||
	    __atomic_fetch_sub(&server->refusals, 1, __ATOMIC_RELAXED) <= 0)
		return;
	msg("agent: container '%s' (process %d): status %d", request->caller.id,
	    (int)request->caller.pid, status);
}

static void handle(void *arg, const struct http_request *request,
		   struct http_reply *reply)
{
	struct server *server = arg;
	const struct rpc_request call = {
		.method = request->method, .path = request->path,
		.query = request->query, .content_type = request->content_type,
		.body = request->body, .len = request->len,
	};
	struct rpc_reply answer = { 0 };

	rpc_serve(request->socket == SOCKET_TAPPD ? agent_tappd_routes :
		  agent_routes, &server->agent, &request->caller, &call,
		  &answer);
	reply->status = answer.status;
	reply->retry_after = answer.retry_after;
	reply->type = answer.type;
	reply->body = answer.body;
	reply->len = answer.len;
	tell_refusal(server, request, answer.status);
}

/* Asked for each request: who is it now? */
static int container_of(void *arg, pid_t pid, struct agent_caller *caller)
{
	struct libdstack_acts_for who;
	int fd = libdstack_device_open(), err;

	(void)arg;
	if (fd < 0)
		return fd;
	err = libdstack_act_for(fd, pid, &who);
	close(fd);
	if (err)
		return err;
	memcpy(caller->id, who.id, sizeof(caller->id));
	memcpy(caller->section, who.section, sizeof(caller->section));
	caller->cgroup_id = who.cgroup_id;
	return 0;
}

static void tell(const char *text)
{
	msg("agent: %s", text);
}

/*
 * Watching
 */

static void on_signal(void *arg)
{
	struct server *server = arg;
	struct signalfd_siginfo info;

	if (read(server->signals, &info, sizeof(info)) == sizeof(info))
		http_stop(server->http);
}

static void on_second(void *arg)
{
	struct server *server = arg;
	uint64_t times;

	if (read(server->timer, &times, sizeof(times)) != sizeof(times))
		return;
	notify_alive();
	if (__atomic_load_n(&server->refusals, __ATOMIC_RELAXED) < 0)
		__atomic_store_n(&server->refusals, 0, __ATOMIC_RELAXED);
	if (__atomic_load_n(&server->refusals, __ATOMIC_RELAXED) <
	    REFUSALS_BURST)
		__atomic_add_fetch(&server->refusals, 1, __ATOMIC_RELAXED);
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
 * Keys
 */

/* The root key that is there must be the one that vouches for its keys. */
static int load_root(const struct agent_app_keys *keys, uint64_t epoch)
{
	struct libdstack_control *control;
	struct libdstack_status status;
	int err = libdstack_control_open(&control);

	if (err)
		return err;
	err = libdstack_status(control, &status);
	if (!err && !status.policy_epoch) {
		msg("agent: no policy says which application this is: load one first");
		err = -ENODATA;
	}
	if (!err)
		err = libdstack_ensure_root(control, status.policy_app_id,
					    epoch, keys->k256_key);
	libdstack_control_close(control);
	return err;
}

static int take_keys(struct server *server, const struct options *opt,
		     struct agent_app_keys **keys)
{
	int err;

	if (!opt->app_keys)
		return 0;
	err = agent_app_keys_read(opt->app_keys, tell, keys);
	if (!err)
		err = load_root(*keys, opt->key_epoch);
	server->agent.keys = *keys;
	return err;
}

static int serve_agent(const struct options *opt)
{
	struct server server = {
		.agent.log = opt->log, .signals = -1, .timer = -1,
		.refusals = REFUSALS_BURST,
	};
	const struct http_config config = {
		.paths = opt->paths, .nr = SOCKETS, .handle = handle,
		.arg = &server, .lookup.container_of = container_of,
		.message = tell,
	};
	const struct agent_quote_config quotes = {
		.rate = opt->quote_rate, .burst = opt->quote_burst,
	};
	struct agent_app_keys *keys = NULL;
	int err, left;

	notify_init();
	/* Keys are here for moments: in no core dump, and not for our peers. */
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0))
		return -errno;
	err = http_open(&server.http, &config);
	if (err)
		return err;
	err = watch(&server) ?: take_keys(&server, opt, &keys) ?:
	      agent_quotes_open(&server.agent.quotes, &quotes);
	/* From here on clients hear what is wrong, and the log how often. */
	libdstack_set_message_callback(NULL);
	if (!err) {
		notify_manager("READY=1");
		err = http_run(server.http);
		notify_manager("STOPPING=1");
	}
	left = http_close(server.http) ?:
	       agent_quotes_close(server.agent.quotes);
	/* Who has not returned still uses them. */
	if (!left)
		agent_app_keys_free(keys);
	/* A host that owes a quote is no failure of ours. */
	return err ? err : left == -EBUSY ? 0 : left;
}

/* Returns -1 to go on, or the exit status. */
static int parse_agent(int argc, char **argv, struct options *opt)
{
	static const struct option options[] = {
		{ "socket", required_argument, NULL, 's' },
		{ "tappd-socket", required_argument, NULL, 't' },
		{ "log", required_argument, NULL, 'l' },
		{ "app-keys", required_argument, NULL, 'k' },
		{ "key-epoch", required_argument, NULL, 'e' },
		{ "quote-rate", required_argument, NULL, 'q' },
		{ "quote-burst", required_argument, NULL, 'b' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 }
	};
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 's':
			opt->paths[SOCKET_GUEST] = optarg;
			break;
		case 't':
			opt->paths[SOCKET_TAPPD] = optarg;
			break;
		case 'l':
			opt->log = optarg;
			break;
		case 'k':
			opt->app_keys = optarg;
			break;
		case 'e':
			if (libdstack_parse_u64(optarg, UINT64_MAX,
						&opt->key_epoch))
				break;
			msg("a key epoch is a number, not '%s'", optarg);
			return EXIT_USAGE;
		case 'q':
		case 'b':
			if (libdstack_parse_u64(optarg, QUOTES_MAX, c == 'q' ?
						&opt->quote_rate :
						&opt->quote_burst))
				break;
			msg("a number of quotes is at most %d, not '%s'",
			    QUOTES_MAX, optarg);
			return EXIT_USAGE;
		case 'h':
			agent_usage(stdout);
			return EXIT_SUCCESS;
		default:
			agent_usage(stderr);
			return EXIT_USAGE;
		}
	}
	if (optind != argc) {
		agent_usage(stderr);
		return EXIT_USAGE;
	}
	return -1;
}

int agent_main(int argc, char **argv)
{
	struct options opt = {
		.paths = { SOCKET, TAPPD },
		.log = LOG,
		.quote_rate = AGENT_QUOTE_RATE,
		.quote_burst = AGENT_QUOTE_BURST,
	};
	int status = parse_agent(argc, argv, &opt);

	if (status >= 0)
		return status;
	return serve_agent(&opt) ? EXIT_FAILURE : EXIT_SUCCESS;
}
