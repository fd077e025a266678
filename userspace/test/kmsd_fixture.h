/* SPDX-License-Identifier: MIT */
/*
 * KMSs of one test, each with its state and, for the other, its port
 *
 * Copyright The dstack for Linux authors
 *
 * Evidence is of the test platform, and who may be a KMS, or have keys, is what
 * the test says: here are attest_make() and what kmsd/auth/auth.c has.
 */
#ifndef KMSD_FIXTURE_H
#define KMSD_FIXTURE_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <yyjson.h>

#include "../attest/attest.h"
#include "../http/tls.h"
#include "../kms/kms.h"
#include "../kmsd/kmsd.h"
#include "ratls_fixture.h"

#include "kms_state_fixture.h"

#define CONFIG_OF_TESTS "{\"os_image_hash\":\"" \
	"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"}"

/* A KMS. */
struct node {
	struct kmsd kmsd;
	struct kmsd_options options;
	char dir[128], audit[128], url[64];
	int port;			/* 0: another one each time */
	const struct rpc_mount *routes;	/* NULL: all */
	/* Who it is at its port; NULL: as one that has roots. */
	int (*context)(struct kmsd *kmsd, SSL_CTX **ctx);
	struct http *http;
	struct http_tls *tls;
	pthread_t thread;
};

static struct {
	bool kms_denied, app_denied;
	int err;			/* nobody says */
	struct chain_epochs kms_keys, app_keys;
	uint64_t block;			/* 0: it is no contract */
	int asked;			/* about KMSs */
	int spared;			/* so often none was denied */
	const uint8_t *only_compose;	/* that the application has; or NULL */
	struct auth_boot app;		/* the last that was asked about */
} contract;

/*
 * Stand-ins
 */

int attest_make(const char *log,
		const uint8_t report_data[DSTACK_REPORT_DATA_SIZE],
		const char *vm_config, bool stripped,
		enum libdstack_attestation_form form, uint8_t **out,
		size_t *len)
{
	struct container_event events[4];
	struct container_parts parts = {
		.events = events, .config = vm_config,
	};
	static struct container c;

	(void)log;
	(void)stripped;
	(void)form;
	parts.nr_events = guest_events(&bob, events);
	make(4, 0);
	memset(f.data + f.body + TD_CONFIG_ID, 0, 3 * 48);
	memcpy(f.data + f.body + TD_REPORT_DATA, report_data, 64);
	set_register(events, parts.nr_events);
	sign_quote(attest);
	parts.quote = f.data;
	parts.quote_len = f.len;
	memcpy(parts.report_data, report_data, 64);
	container_scale(&c, &parts);
	*out = malloc(c.len);
	memcpy(*out, c.data, c.len);
	*len = c.len;
	return 0;
}

const char *auth_how_name(enum auth_how how)
{
	return how == AUTH_BY_PROOF ? "proof" : "dev";
}

static int judge(bool denied, const char *reason, struct auth_verdict *judged,
		 struct chain_why *why)
{
	memset(judged, 0, sizeof(*judged));
	if (contract.err)
		return chain_fail(why, contract.err, "no server answers");
	judged->how = contract.block ? AUTH_BY_PROOF : AUTH_BY_DEV;
	judged->allowed = !denied;
	snprintf(judged->reason, sizeof(judged->reason), "%s",
		 denied ? reason : "");
	judged->block.number = contract.block;
	judged->block.time = contract.block;
	judged->kms_keys = contract.kms_keys;
	judged->app_keys = contract.app_keys;
	return 0;
}

int auth_app(struct auth *auth, const struct auth_boot *boot, uint64_t now,
	     struct auth_verdict *judged, struct chain_why *why)
{
	(void)auth;
	(void)now;
	contract.app = *boot;
	if (contract.only_compose &&
	    memcmp(boot->compose_hash, contract.only_compose, 32) != 0)
		return judge(true, "Compose hash not allowed", judged, why);
	return judge(contract.app_denied, "Aggregated MR not allowed", judged,
		     why);
}

int auth_kms(struct auth *auth, const struct auth_boot *boot, uint64_t now,
	     struct auth_verdict *judged, struct chain_why *why)
{
	(void)auth;
	(void)now;
	assert_memory_equal(boot->app_id, APP, 20);
	contract.asked++;
	return judge(contract.kms_denied &&
		     contract.asked > contract.spared,
		     "Aggregated MR not allowed", judged, why);
}

int auth_info(struct auth *auth, uint64_t now, struct auth_info *info,
	      struct chain_why *why)
{
	(void)auth;
	(void)now;
	(void)why;
	memset(info, 0, sizeof(*info));
	return 0;
}

static inline int find_base(const void *quote, size_t len, time_t now,
			    void *data, struct libdstack_collateral **found,
			    struct libdstack_failure *failure)
{
	(void)quote;
	(void)len;
	(void)now;
	(void)data;
	(void)failure;
	*found = read_collateral("base");
	return 0;
}

/*
 * KMSs
 */

/* One that asks about itself, without keys. */
static inline void node_open(struct node *node, const char *name)
{
	memset(node, 0, sizeof(*node));
	snprintf(node->dir, sizeof(node->dir), "%s/%s", work, name);
	snprintf(node->audit, sizeof(node->audit), "%s/%s.jsonl", work, name);
	node->options.any_image = true;
	node->kmsd.options = &node->options;
	node->kmsd.state_options = (struct state_options){
		.dir = node->dir, .seal = &seal_of_tests, .tell = note,
	};
	node->kmsd.vm_config = CONFIG_OF_TESTS;
	trust.collateral = NULL;
	trust.find = find_base;
	node->kmsd.trust = trust;
	pthread_mutex_init(&node->kmsd.onboard_lock, NULL);
	assert_int_equal(limits_open(&node->options, &node->kmsd.limits), 0);
	assert_int_equal(leases_open(0, &node->kmsd.leases), 0);
	assert_int_equal(audit_open(node->audit, note, &node->kmsd.audit), 0);
	assert_int_equal(self_open(&node->kmsd, &node->kmsd.self), 0);
}

static inline void node_close(struct node *node)
{
	self_close(node->kmsd.self);
	audit_close(node->kmsd.audit);
	limits_close(node->kmsd.limits);
	leases_close(node->kmsd.leases);
	epochs_close(node->kmsd.epochs);
	assert_int_equal(state_close(node->kmsd.state), 0);
	memset(node, 0, sizeof(*node));
}

static inline void handle_mounts(struct node *node,
				 const struct rpc_mount *mounts,
				 const struct http_request *request,
				 struct http_reply *reply)
{
	const struct rpc_request call = {
		.method = request->method, .path = request->path,
		.query = request->query, .content_type = request->content_type,
		.body = request->body, .len = request->len,
	};
	struct rpc_reply answer = { 0 };

	rpc_serve(mounts, &node->kmsd, request, &call, &answer);
	reply->status = answer.status;
	reply->type = answer.type;
	reply->body = answer.body;
	reply->len = answer.len;
}

static inline void handle(void *arg, const struct http_request *request,
			  struct http_reply *reply)
{
	struct node *node = arg;

	handle_mounts(node, node->routes ? node->routes : kmsd_routes, request,
		      reply);
}

static inline int free_port(void)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	socklen_t len = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	epoch_need(fd >= 0 && !bind(fd, (struct sockaddr *)&address, len) &&
		   !getsockname(fd, (struct sockaddr *)&address, &len));
	close(fd);
	return ntohs(address.sin_port);
}

static inline void *run_node(void *arg)
{
	http_run(arg);
	return NULL;
}

/* At a port of its own, for the other. */
static inline void node_serve(struct node *node)
{
	char at[32];
	const char *const paths[] = { at };
	struct http_config config = {
		.paths = paths, .nr = 1, .version = KMSD_VERSION,
		.by_address = true, .handle = handle, .arg = node,
		.message = note,
		.limits = { .remote_head = 65536, .remote_body = 1 << 20 },
	};
	SSL_CTX *ctx = NULL;
	int port = node->port ? node->port : free_port();

	snprintf(at, sizeof(at), "127.0.0.1:%d", port);
	snprintf(node->url, sizeof(node->url), "https://%s/prpc", at);
	node->context = node->context ? node->context : kmsd_tls_context;
	assert_int_equal(node->context(&node->kmsd, &ctx), 0);
	assert_int_equal(http_tls_new(ctx, &node->tls), 0);
	SSL_CTX_free(ctx);
	config.tls = node->tls;
	assert_int_equal(http_open(&node->http, &config), 0);
	assert_int_equal(pthread_create(&node->thread, NULL, run_node,
					node->http), 0);
}

/* As the server does it in the second after its oldest epoch has changed. */
static inline void node_renew(struct node *node)
{
	SSL_CTX *ctx = NULL;

	assert_int_equal(kmsd_tls_context(&node->kmsd, &ctx), 0);
	http_tls_use(node->tls, ctx);
	SSL_CTX_free(ctx);
}

static inline void node_stop(struct node *node)
{
	http_stop(node->http);
	pthread_join(node->thread, NULL);
	assert_int_equal(http_close(node->http), 0);
	if (node->tls)
		http_tls_free(node->tls);
	node->http = NULL;
	node->tls = NULL;
}

/*
 * Requests, as they come from a port or from the admin's socket
 */

static X509 *client;			/* with evidence, for who has it */
static char answered[1 << 20];
static int status;

/* What it answers is in answered[]; the fields, for yyjson_doc_free(). */
static inline yyjson_doc *ask_node(struct node *node,
				   const struct rpc_mount *mounts,
				   const char *path, const char *json)
{
	const struct http_request from = {
		.method = "POST", .path = path, .query = "json",
		.caller.id = "(127.0.0.1)", .remote = true, .cert = client,
	};
	const struct rpc_request request = {
		.method = "POST", .path = path, .query = "json",
		.body = json, .len = strlen(json),
	};
	struct rpc_reply reply = { 0 };

	rpc_serve(mounts, &node->kmsd, &from, &request, &reply);
	epoch_need(reply.len < sizeof(answered));
	memcpy(answered, reply.body, reply.len);
	answered[reply.len] = '\0';
	status = reply.status;
	rpc_reply_free(&reply);
	return yyjson_read(answered, strlen(answered), 0);
}

static inline const char *text_of(yyjson_doc *doc, const char *name)
{
	yyjson_val *root_of = yyjson_doc_get_root(doc);
	const char *text = yyjson_get_str(yyjson_obj_get(root_of, name));

	return text ? text : "";
}

static inline uint64_t number_of(yyjson_doc *doc, const char *name)
{
	return yyjson_get_uint(yyjson_obj_get(yyjson_doc_get_root(doc), name));
}

static inline void ask_and_drop(struct node *node,
				const struct rpc_mount *mounts,
				const char *path, const char *json)
{
	yyjson_doc_free(ask_node(node, mounts, path, json));
}

static inline void assert_refused(const char *why)
{
	if (status == 400 && strstr(answered, "\"error\"") &&
	    strstr(answered, why))
		return;
	print_error("%d %s is not '%s'\n", status, answered, why);
	fail();
}

/*
 * Beginning and end
 */

static inline int kmsd_setup(void **state)
{
	(void)state;
	signal(SIGPIPE, SIG_IGN);
	return kms_init();
}

static inline void kmsd_begin(void)
{
	need_guests();
	memset(&contract, 0, sizeof(contract));
	state_begin();
}

#endif /* KMSD_FIXTURE_H */
