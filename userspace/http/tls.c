// SPDX-License-Identifier: MIT
/*
 * TLS for who serves other machines
 *
 * Copyright The dstack for Linux authors
 *
 * A handshake is a part of the connection's time without a request, so it is
 * bounded by idle_ms, and runs on the loop's thread.  Who has many of them runs
 * several servers at one port (http_config.shares_ports).
 */
#include "tls.h"

#include <errno.h>
#include <event2/bufferevent_ssl.h>
#include <openssl/err.h>
#include <stdlib.h>

#include "server.h"

/* A certificate may have evidence in it, with a log of many events. */
#define CERT_LIST_MAX	1048576

/* The handshake goes on: who it is matters to who asks for something. */
static int on_verify(X509_STORE_CTX *ctx, void *arg)
{
	(void)arg;
	X509_STORE_CTX_set_error(ctx, X509_V_OK);
	return 1;
}

static void prepare(SSL_CTX *ctx)
{
	SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
	SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_TICKET |
			    SSL_OP_CLEANSE_PLAINTEXT |
			    SSL_OP_CIPHER_SERVER_PREFERENCE |
			    /* Nothing of strangers is unpacked. */
			    SSL_OP_NO_RX_CERTIFICATE_COMPRESSION);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_num_tickets(ctx, 0);
	SSL_CTX_set_max_cert_list(ctx, CERT_LIST_MAX);
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_cert_verify_callback(ctx, on_verify, NULL);
}

static struct bufferevent *accept_tls(struct http_tls *tls,
				      struct event_base *base)
{
	struct bufferevent *bev;
	SSL *ssl;

	pthread_mutex_lock(&tls->lock);
	ssl = SSL_new(tls->ctx);
	pthread_mutex_unlock(&tls->lock);
	if (!ssl)
		return NULL;
	bev = bufferevent_openssl_socket_new(base, -1, ssl,
					     BUFFEREVENT_SSL_ACCEPTING,
					     BEV_OPT_CLOSE_ON_FREE);
	if (bev)
		/* Requests say their length: an early end shows. */
		bufferevent_openssl_set_allow_dirty_shutdown(bev, 1);
	else
		SSL_free(ssl);
	ERR_clear_error();
	return bev;
}

static void peer(struct bufferevent *bev, struct http_request *request)
{
	SSL *ssl = bufferevent_openssl_get_ssl(bev);
	STACK_OF(X509) *chain = ssl ? SSL_get_peer_cert_chain(ssl) : NULL;

	request->cert = ssl ? SSL_get1_peer_certificate(ssl) : NULL;
	request->chain = chain ? X509_chain_up_ref(chain) : NULL;
}

int http_tls_new(SSL_CTX *ctx, struct http_tls **out)
{
	struct http_tls *tls = calloc(1, sizeof(*tls));

	if (!tls)
		return -ENOMEM;
	tls->accept = accept_tls;
	tls->peer = peer;
	pthread_mutex_init(&tls->lock, NULL);
	http_tls_use(tls, ctx);
	*out = tls;
	return 0;
}

void http_tls_use(struct http_tls *tls, SSL_CTX *ctx)
{
	SSL_CTX *old;

	prepare(ctx);
	SSL_CTX_up_ref(ctx);
	pthread_mutex_lock(&tls->lock);
	old = tls->ctx;
	tls->ctx = ctx;
	pthread_mutex_unlock(&tls->lock);
	SSL_CTX_free(old);
}

void http_tls_free(struct http_tls *tls)
{
	if (!tls)
		return;
	SSL_CTX_free(tls->ctx);
	pthread_mutex_destroy(&tls->lock);
	free(tls);
}
