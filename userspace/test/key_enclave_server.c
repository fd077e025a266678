// SPDX-License-Identifier: MIT
/*
 * The stand-in's server: the host's API and its PCCS, by libevent
 *
 * Copyright The dstack for Linux authors
 */
#include "key_enclave.h"

#include <arpa/inet.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/http.h>
#include <pthread.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define API		"/api/GetSealingKey"
#define BODY_MAX	(1 << 20)
#define OVERSIZE	(1 << 20)

struct key_enclave_server {
	struct event_base *base;
	struct evhttp *http;
	struct event *stop;
	int stop_fd;
	pthread_t thread;
};

const char *key_enclave_fault_name(enum key_enclave_fault fault)
{
	static const char *const names[__KEY_ENCLAVE_MAX] = {
		[KEY_ENCLAVE_GOOD] = "good", [KEY_ENCLAVE_SILENT] = "silent",
		[KEY_ENCLAVE_CLOSES] = "closes",
		[KEY_ENCLAVE_TRUNCATES] = "truncates",
		[KEY_ENCLAVE_OVERSIZE] = "oversize",
		[KEY_ENCLAVE_REDIRECTS] = "redirects",
		[KEY_ENCLAVE_ERROR] = "error",
		[KEY_ENCLAVE_DENIES] = "denies",
		[KEY_ENCLAVE_GARBAGE] = "garbage",
		[KEY_ENCLAVE_TWICE] = "twice",
		[KEY_ENCLAVE_NUMBER] = "number",
		[KEY_ENCLAVE_SHORT_BOX] = "short-box",
		[KEY_ENCLAVE_LONG_BOX] = "long-box",
		[KEY_ENCLAVE_OTHER_READER] = "other-reader",
		[KEY_ENCLAVE_NO_QUOTE] = "no-quote",
		[KEY_ENCLAVE_NO_ENCLAVE] = "no-enclave",
		[KEY_ENCLAVE_OTHER_BOX] = "other-box",
		[KEY_ENCLAVE_MORE_DATA] = "more-data",
		[KEY_ENCLAVE_SIGNATURE] = "signature",
		[KEY_ENCLAVE_DEBUG] = "debug", [KEY_ENCLAVE_TD] = "td",
		[KEY_ENCLAVE_NO_COLLATERAL] = "no-collateral",
		[KEY_ENCLAVE_OUT_OF_DATE] = "out-of-date",
	};

	return fault < __KEY_ENCLAVE_MAX ? names[fault] : NULL;
}

static void add_header(struct evhttp_request *request, const char *name,
		       const char *value)
{
	evhttp_add_header(evhttp_request_get_output_headers(request), name,
			  value);
}

static void reply(struct evhttp_request *request, int status,
		  const void *data, size_t len)
{
	struct evbuffer *body = evbuffer_new();

	stand_in_need(body && !evbuffer_add(body, data, len));
	evhttp_send_reply(request, status, "Answer", body);
	evbuffer_free(body);
}

static void reply_text(struct evhttp_request *request, int status,
		       const char *text)
{
	reply(request, status, text, strlen(text));
}

/*
 * The PCCS
 */

static const char *member(const json_t *doc, const char *name)
{
	const char *text = json_string_value(json_object_get(doc, name));

	stand_in_need(text);
	return text;
}

/* A chain in a header is written as in a URL. */
static void add_chain(struct evhttp_request *request, const char *header,
		      const char *pem)
{
	char *encoded = evhttp_uriencode(pem, -1, 0);

	stand_in_need(encoded);
	add_header(request, header, encoded);
	free(encoded);
}

static void reply_signed(struct evhttp_request *request, const json_t *doc,
			 const char *header, const char *name,
			 const char *text, const char *signature,
			 const char *chain)
{
	char *body;

	add_chain(request, header, member(doc, chain));
	stand_in_need(asprintf(&body, "{\"%s\":%s,\"signature\":\"%s\"}", name,
			       member(doc, text),
			       member(doc, signature)) > 0);
	reply_text(request, 200, body);
	free(body);
}

static bool serve_collateral(struct evhttp_request *request,
			     const json_t *doc, const char *path)
{
	if (!strcmp(path, "tcb")) {
		reply_signed(request, doc, "TCB-Info-Issuer-Chain", "tcbInfo",
			     "tcb_info", "tcb_info_signature",
			     "tcb_info_issuer_chain");
	} else if (!strcmp(path, "qe/identity")) {
		reply_signed(request, doc, "SGX-Enclave-Identity-Issuer-Chain",
			     "enclaveIdentity", "qe_identity",
			     "qe_identity_signature",
			     "qe_identity_issuer_chain");
	} else if (!strcmp(path, "pckcrl")) {
		add_chain(request, "SGX-PCK-CRL-Issuer-Chain",
			  member(doc, "pck_crl_issuer_chain"));
		reply_text(request, 200, member(doc, "pck_crl"));
	} else if (!strcmp(path, "rootcacrl")) {
		reply_text(request, 200, member(doc, "root_ca_crl"));
	} else {
		return false;
	}
	return true;
}

static bool serve_pccs(const struct key_enclave *enclave,
		       struct evhttp_request *request, const char *path)
{
	static const char td[] = "/tdx/certification/v4/";
	static const char sgx[] = "/sgx/certification/v4/";
	const struct key_enclave_platform *platform = &enclave->platform;
	int fault = enclave->fault;

	if (fault == KEY_ENCLAVE_NO_COLLATERAL)
		return false;
	if (!strncmp(path, td, strlen(td)))
		return serve_collateral(request, platform->td,
					path + strlen(td));
	return !strncmp(path, sgx, strlen(sgx)) &&
		serve_collateral(request, fault == KEY_ENCLAVE_OUT_OF_DATE ?
				 platform->old : platform->enclaves,
				 path + strlen(sgx));
}

/*
 * The host's API
 */

static void close_now(struct evhttp_request *request)
{
	struct evhttp_connection *connection;
	struct bufferevent *bev;

	connection = evhttp_request_get_connection(request);
	bev = evhttp_connection_get_bufferevent(connection);
	shutdown(bufferevent_getfd(bev), SHUT_RDWR);
}

static void reply_oversize(struct evhttp_request *request)
{
	char *text = malloc(OVERSIZE);

	stand_in_need(text);
	memset(text, ' ', OVERSIZE);
	reply(request, 200, text, OVERSIZE);
	free(text);
}

/* True if that was the answer, or that there is none. */
static bool misbehave(struct evhttp_request *request, int fault)
{
	switch (fault) {
	case KEY_ENCLAVE_SILENT:
		return true;
	case KEY_ENCLAVE_CLOSES:
		close_now(request);
		return true;
	case KEY_ENCLAVE_OVERSIZE:
		reply_oversize(request);
		return true;
	case KEY_ENCLAVE_REDIRECTS:
		add_header(request, "Location", "http://127.0.0.1/");
		reply_text(request, 302, "");
		return true;
	case KEY_ENCLAVE_ERROR:
		reply_text(request, 500, "<html>");
		return true;
	case KEY_ENCLAVE_DENIES:
		reply_text(request, 400,
			   "{\"error\":\"Key provider is \\u001b[2Jnot enabled\"}");
		return true;
	case KEY_ENCLAVE_GARBAGE:
		reply_text(request, 200, "{\"encrypted_key\":");
		return true;
	default:
		return false;
	}
}

static void serve_api(struct key_enclave *enclave,
		      struct evhttp_request *request)
{
	struct evbuffer *in = evhttp_request_get_input_buffer(request);
	char len[32], *text;

	if (misbehave(request, enclave->fault))
		return;
	text = key_enclave_answer(&enclave->config, &enclave->platform,
				  enclave->fault,
				  (const char *)evbuffer_pullup(in, -1),
				  evbuffer_get_length(in));
	if (!text) {
		reply_text(request, 400, "{\"error\":\"no quote of a TD\"}");
		return;
	}
	add_header(request, "Content-Type", "application/json");
	if (enclave->fault == KEY_ENCLAVE_TRUNCATES) {
		snprintf(len, sizeof(len), "%zu", strlen(text) + 10);
		add_header(request, "Content-Length", len);
		add_header(request, "Connection", "close");
	}
	reply_text(request, 200, text);
	free(text);
}

/* POST /api/GetSealingKey?json is all that is spoken here. */
static void on_request(struct evhttp_request *request, void *arg)
{
	const struct evhttp_uri *uri = evhttp_request_get_evhttp_uri(request);
	const char *path = evhttp_uri_get_path(uri);
	const char *query = evhttp_uri_get_query(uri);
	struct key_enclave *enclave = arg;

	enclave->requests++;
	if (evhttp_request_get_command(request) == EVHTTP_REQ_POST) {
		if (!strcmp(path, API) && query && !strcmp(query, "json")) {
			serve_api(enclave, request);
			return;
		}
	} else if (serve_pccs(enclave, request, path)) {
		return;
	}
	reply_text(request, 404, "");
}

/*
 * Life
 */

static void on_stop(evutil_socket_t fd, short what, void *base)
{
	(void)fd;
	(void)what;
	event_base_loopbreak(base);
}

static void *run(void *arg)
{
	struct key_enclave_server *server = arg;

	event_base_dispatch(server->base);
	return NULL;
}

static void bind_to(struct key_enclave *enclave)
{
	const char *at = enclave->config.listen ?: "127.0.0.1";
	struct evhttp_bound_socket *bound;
	struct sockaddr_in address;
	socklen_t len = sizeof(address);

	bound = evhttp_bind_socket_with_handle(enclave->server->http, at,
					       enclave->config.port);
	stand_in_need(bound);
	stand_in_need(!getsockname(evhttp_bound_socket_get_fd(bound),
				   (struct sockaddr *)&address, &len));
	snprintf(enclave->url, sizeof(enclave->url), "http://%s:%d", at,
		 ntohs(address.sin_port));
}

struct key_enclave *key_enclave_start(const struct key_enclave_config *config)
{
	struct key_enclave *enclave = calloc(1, sizeof(*enclave));
	struct key_enclave_server *server = calloc(1, sizeof(*server));

	stand_in_need(enclave && server);
	enclave->config = *config;
	enclave->server = server;
	key_enclave_open(&enclave->platform, config->pki);
	server->base = event_base_new();
	stand_in_need(server->base);
	server->http = evhttp_new(server->base);
	server->stop_fd = eventfd(0, EFD_CLOEXEC);
	server->stop = event_new(server->base, server->stop_fd, EV_READ,
				 on_stop, server->base);
	stand_in_need(server->http && server->stop &&
		      !event_add(server->stop, NULL));
	evhttp_set_max_body_size(server->http, BODY_MAX);
	evhttp_set_gencb(server->http, on_request, enclave);
	bind_to(enclave);
	stand_in_need(!pthread_create(&server->thread, NULL, run, server));
	return enclave;
}

void key_enclave_stop(struct key_enclave *enclave)
{
	struct key_enclave_server *server = enclave->server;

	stand_in_need(!eventfd_write(server->stop_fd, 1));
	pthread_join(server->thread, NULL);
	event_free(server->stop);
	close(server->stop_fd);
	evhttp_free(server->http);
	event_base_free(server->base);
	free(server);
	key_enclave_close(&enclave->platform);
	free(enclave);
}
