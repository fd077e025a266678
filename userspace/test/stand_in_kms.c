// SPDX-License-Identifier: MIT
/*
 * The stand-in's server: HTTPS by libevent, on a thread of its own
 *
 * Copyright The dstack for Linux authors
 */
#include "stand_in_kms.h"

#include <arpa/inet.h>
#include <event2/buffer.h>
#include <event2/bufferevent_ssl.h>
#include <event2/event.h>
#include <event2/http.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define CERT_LIST_MAX	(4 << 20)
#define BODY_MAX	(16 << 20)
#define OVERSIZE	(6 << 20)
#define DAY		86400
#define PREFIX		"/prpc/"
#define SERVICE		"KMS."

struct stand_in_server {
	struct event_base *base;
	struct evhttp *http;
	struct event *stop;
	SSL_CTX *ctx;
	EVP_PKEY *key;
	int stop_fd;
	pthread_t thread;
};

const char *stand_in_fault_name(enum stand_in_fault fault)
{
	static const char *const names[__STAND_IN_MAX] = {
		[STAND_IN_GOOD] = "good", [STAND_IN_USAGE] = "usage",
		[STAND_IN_NO_USAGE] = "no-usage",
		[STAND_IN_OTHER_ISSUER] = "other-issuer",
		[STAND_IN_OTHER_NAME] = "other-name",
		[STAND_IN_EXPIRED] = "expired",
		[STAND_IN_BAD_EXTENSION] = "bad-extension",
		[STAND_IN_SILENT] = "silent", [STAND_IN_CLOSES] = "closes",
		[STAND_IN_TRUNCATES] = "truncates",
		[STAND_IN_OVERSIZE] = "oversize",
		[STAND_IN_REDIRECTS] = "redirects", [STAND_IN_ERROR] = "error",
		[STAND_IN_DENIES] = "denies", [STAND_IN_GARBAGE] = "garbage",
		[STAND_IN_NUMBER] = "number", [STAND_IN_TWICE] = "twice",
		[STAND_IN_TEMP_CA] = "temp-ca", [STAND_IN_ROOT] = "root",
		[STAND_IN_ROOT_CHANGES] = "root-changes",
		[STAND_IN_SHORT_DISK] = "short-disk",
		[STAND_IN_LONG_ENV] = "long-env",
		[STAND_IN_NO_K256] = "no-k256",
		[STAND_IN_ZERO_K256] = "zero-k256",
		[STAND_IN_SHORT_SIGNATURE] = "short-signature",
		[STAND_IN_SHORT_IMAGE] = "short-image",
		[STAND_IN_GATEWAY] = "gateway",
		[STAND_IN_NO_CHAIN] = "no-chain",
		[STAND_IN_OTHER_KEY] = "other-key",
		[STAND_IN_OTHER_CHAIN] = "other-chain",
		[STAND_IN_OLD] = "old", [STAND_IN_AHEAD] = "ahead",
		[STAND_IN_NO_NEW] = "no-new",
		[STAND_IN_OTHER_APP] = "other-app",
		[STAND_IN_TWO_ROOTS] = "two-roots",
		[STAND_IN_KEY_CHANGES] = "key-changes",
		[STAND_IN_NO_SET] = "no-set", [STAND_IN_TWO_SETS] = "two-sets",
		[STAND_IN_OTHER_SET] = "other-set",
		[STAND_IN_OTHER_TEMP] = "other-temp",
		[STAND_IN_SHORT_SET] = "short-set",
		[STAND_IN_SHORT_EPOCH] = "short-epoch",
		[STAND_IN_OTHER_EPOCH] = "other-epoch",
		[STAND_IN_EPOCH_TWICE] = "epoch-twice",
		[STAND_IN_RETIRED_ROOTS] = "retired-roots",
		[STAND_IN_SHORT_POLICY] = "short-policy",
		[STAND_IN_LIVES_LATER] = "lives-later",
		[STAND_IN_WRONG_NUMBER] = "wrong-number",
		[STAND_IN_BACKWARDS] = "backwards",
		[STAND_IN_NONE_OF_THEM] = "none-of-them",
	};

	return fault < __STAND_IN_MAX ? names[fault] : NULL;
}

/*
 * Its certificate, one for each connection
 */

static const char *name_of(const struct stand_in_kms *kms)
{
	return kms->config.name ? kms->config.name : "127.0.0.1";
}

static const char *usage_of(enum stand_in_fault fault)
{
	return fault == STAND_IN_USAGE ? "app:custom" :
		fault == STAND_IN_NO_USAGE ? NULL : "kms:rpc";
}

static X509 *make_cert(const struct stand_in_kms *kms, EVP_PKEY *key,
		       enum stand_in_fault fault)
{
	const struct stand_in_roots *issuer = fault == STAND_IN_OTHER_ISSUER ?
		&kms->others : &kms->roots;
	const char *const names[] = {
		fault == STAND_IN_OTHER_NAME ? "other.test" : name_of(kms), NULL
	};
	struct libdstack_ratls_request request = {
		.key = key, .subject = names[0], .alt_names = names,
		.usage = usage_of(fault), .not_before = time(NULL) - DAY,
		.not_after = time(NULL) + (fault == STAND_IN_EXPIRED ? -9 :
					   DAY),
		.issuer = issuer->ca, .issuer_key = issuer->ca_key,
	};
	uint8_t report_data[DSTACK_REPORT_DATA_SIZE], *evidence = NULL;
	size_t len = 0;
	X509 *cert;

	if (kms->config.attest)
		stand_in_need(!libdstack_ratls_report_data(key, report_data) &&
			      !kms->config.attest(report_data, &evidence,
						  &len));
	request.evidence = (struct libdstack_span){ evidence, len };
	if (fault == STAND_IN_BAD_EXTENSION)
		request.app_id = (struct libdstack_span){
			(const uint8_t *)"7 bytes", 7
		};
	cert = libdstack_ratls_make(&request);
	free(evidence);
	stand_in_need(cert);
	return cert;
}

static struct bufferevent *on_connection(struct event_base *base, void *arg)
{
	struct stand_in_kms *kms = arg;
	SSL *ssl = SSL_new(kms->server->ctx);
	EVP_PKEY *key = kms->server->key;
	X509 *cert;

	kms->connections++;
	if (kms->fault == STAND_IN_KEY_CHANGES)
		key = EVP_EC_gen("P-256");
	else
		EVP_PKEY_up_ref(key);
	stand_in_need(key && ssl);
	cert = make_cert(kms, key, kms->fault);
	stand_in_need(SSL_use_certificate(ssl, cert) == 1 &&
		      SSL_use_PrivateKey(ssl, key) == 1);
	X509_free(cert);
	EVP_PKEY_free(key);
	return bufferevent_openssl_socket_new(base, -1, ssl,
					      BUFFEREVENT_SSL_ACCEPTING,
					      BEV_OPT_CLOSE_ON_FREE);
}

/* Clients may show a certificate, which then must be under the temporary CA. */
static SSL_CTX *make_context(const struct stand_in_kms *kms)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());

	stand_in_need(ctx);
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_num_tickets(ctx, 0);
	SSL_CTX_set_max_cert_list(ctx, CERT_LIST_MAX);
	stand_in_need(X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx),
					  kms->roots.temp_ca) == 1 &&
		      SSL_CTX_add_client_CA(ctx, kms->roots.temp_ca) == 1);
	return ctx;
}

/*
 * Requests
 */

static struct bufferevent *connection_of(struct evhttp_request *request)
{
	struct evhttp_connection *connection;

	connection = evhttp_request_get_connection(request);
	return evhttp_connection_get_bufferevent(connection);
}

static void add_header(struct evhttp_request *request, const char *name,
		       const char *value)
{
	evhttp_add_header(evhttp_request_get_output_headers(request), name,
			  value);
}

/* True if that was the answer, or that there is none. */
static bool misbehave(struct evhttp_request *request, enum stand_in_fault fault)
{
	struct evbuffer *body;

	switch (fault) {
	case STAND_IN_SILENT:
		return true;
	case STAND_IN_CLOSES:
		shutdown(bufferevent_getfd(connection_of(request)), SHUT_RDWR);
		return true;
	case STAND_IN_REDIRECTS:
		add_header(request, "Location", "https://127.0.0.1/");
		evhttp_send_reply(request, 302, "Found", NULL);
		return true;
	case STAND_IN_OVERSIZE:
		body = evbuffer_new();
		while (evbuffer_get_length(body) < OVERSIZE)
			evbuffer_add(body, "                ", 16);
		evhttp_send_reply(request, 200, "OK", body);
		evbuffer_free(body);
		return true;
	default:
		return false;
	}
}

static void send_answer(struct evhttp_request *request,
			const struct stand_in_call *call)
{
	struct evbuffer *body = evbuffer_new();
	char len[32];

	stand_in_need(body && !evbuffer_add(body, call->answer,
					    call->answer_len));
	add_header(request, "Content-Type", "application/json");
	add_header(request, "X-App-Version", "stand-in");
	if (call->fault == STAND_IN_TRUNCATES) {
		snprintf(len, sizeof(len), "%zu", call->answer_len + 10);
		add_header(request, "Content-Length", len);
		add_header(request, "Connection", "close");
	}
	evhttp_send_reply(request, call->status, "Answer", body);
	evbuffer_free(body);
}

static void serve(struct stand_in_kms *kms, struct evhttp_request *request,
		  const char *method)
{
	struct evbuffer *in = evhttp_request_get_input_buffer(request);
	SSL *ssl = bufferevent_openssl_get_ssl(connection_of(request));
	struct stand_in_call call = {
		.config = &kms->config, .roots = &kms->roots,
		.others = &kms->others, .fault = kms->fault,
		.state = &kms->state,
		.client = SSL_get1_peer_certificate(ssl),
		.body = evbuffer_pullup(in, -1),
		.len = evbuffer_get_length(in),
	};

	stand_in_answer(&call, method);
	send_answer(request, &call);
	free(call.answer);
	X509_free(call.client);
}

/* POST /prpc/[KMS.]METHOD?json is all that is spoken here. */
static void on_request(struct evhttp_request *request, void *arg)
{
	const struct evhttp_uri *uri = evhttp_request_get_evhttp_uri(request);
	const char *path = evhttp_uri_get_path(uri);
	const char *query = evhttp_uri_get_query(uri);
	struct stand_in_kms *kms = arg;

	kms->requests++;
	if (misbehave(request, kms->fault))
		return;
	if (evhttp_request_get_command(request) != EVHTTP_REQ_POST ||
	    !path || strncmp(path, PREFIX, strlen(PREFIX)) != 0 ||
	    !query || strcmp(query, "json") != 0) {
		evhttp_send_error(request, 404, NULL);
		return;
	}
	path += strlen(PREFIX);
	if (!strncmp(path, SERVICE, strlen(SERVICE)))
		path += strlen(SERVICE);
	serve(kms, request, path);
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
	struct stand_in_server *server = arg;

	event_base_dispatch(server->base);
	return NULL;
}

static void bind_to(struct stand_in_kms *kms)
{
	const char *at = kms->config.listen ? kms->config.listen : "127.0.0.1";
	struct evhttp_bound_socket *bound;
	struct sockaddr_in address;
	socklen_t len = sizeof(address);

	bound = evhttp_bind_socket_with_handle(kms->server->http, at,
					       kms->config.port);
	stand_in_need(bound);
	stand_in_need(!getsockname(evhttp_bound_socket_get_fd(bound),
				   (struct sockaddr *)&address, &len));
	snprintf(kms->url, sizeof(kms->url), "https://%s:%d", name_of(kms),
		 ntohs(address.sin_port));
}

static void start_server(struct stand_in_kms *kms)
{
	struct stand_in_server *server = calloc(1, sizeof(*server));

	stand_in_need(server);
	kms->server = server;
	server->ctx = make_context(kms);
	server->key = EVP_EC_gen("P-256");
	server->base = event_base_new();
	stand_in_need(server->base);
	server->http = evhttp_new(server->base);
	server->stop_fd = eventfd(0, EFD_CLOEXEC);
	server->stop = event_new(server->base, server->stop_fd, EV_READ,
				 on_stop, server->base);
	stand_in_need(server->http && server->key && server->stop &&
		      !event_add(server->stop, NULL));
	evhttp_set_max_body_size(server->http, BODY_MAX);
	evhttp_set_bevcb(server->http, on_connection, kms);
	evhttp_set_gencb(server->http, on_request, kms);
	bind_to(kms);
	stand_in_need(!pthread_create(&server->thread, NULL, run, server));
}

struct stand_in_kms *stand_in_start(const struct stand_in_config *config)
{
	struct stand_in_kms *kms = calloc(1, sizeof(*kms));
	uint8_t other[STAND_IN_SEED];

	stand_in_need(kms);
	kms->config = *config;
	memcpy(other, config->seed, sizeof(other));
	other[0] ^= 0x80;
	stand_in_roots_init(&kms->roots, config->seed);
	stand_in_roots_init(&kms->others, other);
	start_server(kms);
	return kms;
}

void stand_in_stop(struct stand_in_kms *kms)
{
	struct stand_in_server *server = kms->server;

	stand_in_need(!eventfd_write(server->stop_fd, 1));
	pthread_join(server->thread, NULL);
	event_free(server->stop);
	close(server->stop_fd);
	evhttp_free(server->http);
	event_base_free(server->base);
	SSL_CTX_free(server->ctx);
	EVP_PKEY_free(server->key);
	free(server);
	stand_in_roots_clear(&kms->roots);
	stand_in_roots_clear(&kms->others);
	free(kms);
}
