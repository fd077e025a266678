// SPDX-License-Identifier: MIT
/*
 * HTTP with TLS, for other machines: who is let in, for how long, as whom
 *
 * Copyright The dstack for Linux authors
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "../http/tls.h"

#define PATIENCE_S	20
#define HANDSHAKES	100
#define REQUEST		"GET /who HTTP/1.1\r\n\r\n"

static struct http *http;
static struct http_tls *tls;
static pthread_t loop;
static struct sockaddr_in address;
static char at[32];
static EVP_PKEY *key;
static char answer[4096];

/* The handler: who asks, and with what. */

static void name_of(X509 *cert, char *name, int size)
{
	*name = '\0';
	if (cert)
		X509_NAME_get_text_by_NID(X509_get_subject_name(cert),
					  NID_commonName, name, size);
}

static void handle(void *arg, const struct http_request *request,
		   struct http_reply *reply)
{
	char name[64], *text;
	int len;

	(void)arg;
	name_of(request->cert, name, sizeof(name));
	len = asprintf(&text, "[%s] [%s] %d %zu.", request->caller.id, name,
		       sk_X509_num(request->chain), request->len);
	if (len < 0)
		abort();
	*reply = (struct http_reply){
		.status = 200, .type = "text/plain", .body = text, .len = len,
	};
}

static X509 *make_cert(const char *name)
{
	X509 *cert = X509_new();
	X509_NAME *subject;

	assert_non_null(cert);
	X509_set_version(cert, X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(cert), 1);
	X509_gmtime_adj(X509_getm_notBefore(cert), -60);
	X509_gmtime_adj(X509_getm_notAfter(cert), 3600);
	subject = X509_get_subject_name(cert);
	X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC,
				   (const unsigned char *)name, -1, -1, 0);
	X509_set_issuer_name(cert, subject);
	X509_set_pubkey(cert, key);
	assert_true(X509_sign(cert, key, EVP_sha256()));
	return cert;
}

static void use_cert(SSL_CTX *ctx, const char *name)
{
	X509 *cert = make_cert(name);

	assert_int_equal(SSL_CTX_use_certificate(ctx, cert), 1);
	assert_int_equal(SSL_CTX_use_PrivateKey(ctx, key), 1);
	X509_free(cert);
}

static SSL_CTX *server_context(const char *name)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());

	assert_non_null(ctx);
	use_cert(ctx, name);
	return ctx;
}

static void *run_loop(void *arg)
{
	return (void *)(intptr_t)http_run(arg);
}

static int open_at(struct http **out, bool shared, struct http_limits limits)
{
	static const char *const paths[] = { at };
	struct http_config config = {
		.paths = paths, .nr = 1, .handle = handle, .tls = tls,
		.by_address = true, .shares_ports = shared, .limits = limits,
	};

	return http_open(out, &config);
}

static void choose_port(void)
{
	socklen_t len = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	address = (struct sockaddr_in){
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	if (bind(fd, (struct sockaddr *)&address, len) ||
	    getsockname(fd, (struct sockaddr *)&address, &len))
		abort();
	close(fd);
	snprintf(at, sizeof(at), "127.0.0.1:%d", ntohs(address.sin_port));
}

static void start(struct http_limits limits)
{
	SSL_CTX *ctx;

	key = EVP_EC_gen("P-256");
	assert_non_null(key);
	ctx = server_context("first");
	assert_int_equal(http_tls_new(ctx, &tls), 0);
	SSL_CTX_free(ctx);
	choose_port();
	assert_int_equal(open_at(&http, true, limits), 0);
	assert_int_equal(pthread_create(&loop, NULL, run_loop, http), 0);
}

static void stop(void)
{
	http_stop(http);
	pthread_join(loop, NULL);
	assert_int_equal(http_close(http), 0);
	http_tls_free(tls);
	tls = NULL;
	EVP_PKEY_free(key);
	ERR_clear_error();
}

/* A client */

struct client {
	SSL_CTX *ctx;
	SSL *ssl;
	int fd;
};

static int dial(void)
{
	struct timeval time = { .tv_sec = PATIENCE_S };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (connect(fd, (struct sockaddr *)&address, sizeof(address)))
		abort();
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &time, sizeof(time));
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int));
	return fd;
}

static void client_init(struct client *client, const char *name)
{
	client->ctx = SSL_CTX_new(TLS_client_method());
	assert_non_null(client->ctx);
	/* For a server of old. */
	SSL_CTX_set_security_level(client->ctx, 0);
	if (name)
		use_cert(client->ctx, name);
}

static bool shake_hands(struct client *client)
{
	client->fd = dial();
	client->ssl = SSL_new(client->ctx);
	assert_non_null(client->ssl);
	SSL_set_fd(client->ssl, client->fd);
	return SSL_connect(client->ssl) == 1;
}

static void hang_up(struct client *client)
{
	SSL_free(client->ssl);
	close(client->fd);
}

static void client_end(struct client *client)
{
	hang_up(client);
	SSL_CTX_free(client->ctx);
}

/* What is said to @text, in @answer: as it comes, in one record. */
static bool ask(struct client *client, const char *text)
{
	int len = 0, n;

	if (SSL_write(client->ssl, text, strlen(text)) <= 0)
		return false;
	do {
		n = SSL_read(client->ssl, answer + len,
			     sizeof(answer) - 1 - len);
		if (n <= 0)
			return false;
		len += n;
		answer[len] = '\0';
	} while (!strstr(answer, "\r\n\r\n") || answer[len - 1] != '.');
	return true;
}

static void server_name(const struct client *client, char *name, int size)
{
	X509 *cert = SSL_get1_peer_certificate(client->ssl);

	name_of(cert, name, size);
	X509_free(cert);
}

static bool is_closed_within(int fd, int ms)
{
	struct pollfd polled = { .fd = fd, .events = POLLIN };
	char byte;

	while (poll(&polled, 1, ms) > 0)
		if (recv(fd, &byte, 1, 0) <= 0)
			return true;
	return false;
}

static void versions_1_2_and_1_3_are_served_and_no_older(void **state)
{
	static const int versions[] = {
		TLS1_1_VERSION, TLS1_2_VERSION, TLS1_3_VERSION
	};
	struct client client;
	size_t i;

	(void)state;
	start((struct http_limits){ 0 });
	for (i = 0; i < 3; i++) {
		client_init(&client, NULL);
		SSL_CTX_set_min_proto_version(client.ctx, versions[i]);
		SSL_CTX_set_max_proto_version(client.ctx, versions[i]);
		assert_int_equal(shake_hands(&client), i > 0);
		if (i)
			assert_true(ask(&client, REQUEST));
		client_end(&client);
	}
	stop();
}

static void certificate_reaches_the_handler_unjudged(void **state)
{
	struct client client;

	(void)state;
	start((struct http_limits){ 0 });
	client_init(&client, "somebody");
	assert_true(shake_hands(&client));
	assert_true(ask(&client, REQUEST));
	assert_non_null(strstr(answer, "[somebody]"));
	client_end(&client);
	stop();
}

static void who_has_no_certificate_is_served_without(void **state)
{
	struct client client;

	(void)state;
	start((struct http_limits){ 0 });
	client_init(&client, NULL);
	assert_true(shake_hands(&client));
	assert_true(ask(&client, REQUEST));
	assert_non_null(strstr(answer, "[(127.0.0.1)] [] 0 0."));
	client_end(&client);
	stop();
}

/* Somebody else's certificate, without its key. */
static void certificate_without_its_key_is_refused(void **state)
{
	EVP_PKEY *own = EVP_EC_gen("P-256"), *server;
	struct client client;
	X509 *cert;

	(void)state;
	start((struct http_limits){ 0 });
	client_init(&client, NULL);
	cert = make_cert("stolen");
	server = key;
	key = own;
	/* Of the thief's key, so that OpenSSL takes the pair; then swapped. */
	use_cert(client.ctx, "stolen");
	key = server;
	assert_int_equal(SSL_CTX_use_certificate(client.ctx, cert), 1);
	assert_int_equal(SSL_CTX_check_private_key(client.ctx), 0);
	assert_false(shake_hands(&client) && ask(&client, REQUEST) &&
		     strstr(answer, "[stolen]"));
	X509_free(cert);
	EVP_PKEY_free(own);
	client_end(&client);
	stop();
}

static void neither_sessions_nor_renegotiation(void **state)
{
	struct client client;
	SSL_SESSION *session;

	(void)state;
	start((struct http_limits){ 0 });
	client_init(&client, NULL);
	SSL_CTX_set_max_proto_version(client.ctx, TLS1_2_VERSION);
	assert_true(shake_hands(&client));
	assert_true(ask(&client, REQUEST));
	session = SSL_get1_session(client.ssl);
	assert_true(SSL_renegotiate(client.ssl) != 1 ||
		    SSL_do_handshake(client.ssl) != 1);
	hang_up(&client);
	client.fd = dial();
	client.ssl = SSL_new(client.ctx);
	SSL_set_fd(client.ssl, client.fd);
	SSL_set_session(client.ssl, session);
	assert_int_equal(SSL_connect(client.ssl), 1);
	assert_int_equal(SSL_session_reused(client.ssl), 0);
	SSL_SESSION_free(session);
	client_end(&client);
	stop();
}

static void what_is_no_handshake_is_closed(void **state)
{
	static const char junk[] = REQUEST;
	struct client client;
	int fd;

	(void)state;
	start((struct http_limits){ 0 });
	fd = dial();
	assert_true(send(fd, junk, sizeof(junk), MSG_NOSIGNAL) > 0);
	assert_true(is_closed_within(fd, 5000));
	close(fd);
	client_init(&client, NULL);
	assert_true(shake_hands(&client));
	assert_true(ask(&client, REQUEST));
	client_end(&client);
	stop();
}

static void handshake_that_never_ends_is_closed_in_time(void **state)
{
	/* Of a record of 512 bytes, the beginning. */
	static const uint8_t hello[] = { 22, 3, 1, 2, 0, 1, 0, 1, 252 };
	struct client client;
	int fd, i;

	(void)state;
	start((struct http_limits){ .idle_ms = 1000 });
	fd = dial();
	assert_true(send(fd, hello, sizeof(hello), MSG_NOSIGNAL) > 0);
	/* A byte now and then buys no time, and nobody waits for it. */
	for (i = 0; i < 8; i++) {
		poll(NULL, 0, 100);
		assert_true(send(fd, "", 1, MSG_NOSIGNAL) > 0);
	}
	client_init(&client, NULL);
	assert_true(shake_hands(&client));
	assert_true(ask(&client, REQUEST));
	assert_true(is_closed_within(fd, 5000));
	close(fd);
	client_end(&client);
	stop();
}

static void connections_have_a_bound_and_more_wait(void **state)
{
	struct client client;
	int fds[3], i;

	(void)state;
	start((struct http_limits){
		.remote_connections = 3, .idle_ms = 1500,
	});
	for (i = 0; i < 3; i++)
		fds[i] = dial();
	client_init(&client, NULL);
	/* Those that say nothing make way in the end. */
	assert_true(shake_hands(&client));
	assert_true(ask(&client, REQUEST));
	for (i = 0; i < 3; i++) {
		assert_true(is_closed_within(fds[i], 5000));
		close(fds[i]);
	}
	client_end(&client);
	stop();
}

static void bodies_have_a_bound_of_their_own(void **state)
{
	static char text[20100];
	struct client client;

	(void)state;
	start((struct http_limits){ .remote_body = 20000 });
	client_init(&client, NULL);
	assert_true(shake_hands(&client));
	snprintf(text, sizeof(text),
		 "POST / HTTP/1.1\r\nContent-Length: 20000\r\n\r\n");
	memset(text + strlen(text), 'x', 20000);
	assert_true(ask(&client, text));
	assert_non_null(strstr(answer, " 20000."));
	assert_false(ask(&client,
			 "POST / HTTP/1.1\r\nContent-Length: 20001\r\n\r\n"));
	client_end(&client);
	stop();
}

static void context_is_replaced_and_connections_stay(void **state)
{
	struct client old, new;
	char name[64];
	SSL_CTX *ctx;

	(void)state;
	start((struct http_limits){ 0 });
	client_init(&old, NULL);
	assert_true(shake_hands(&old));
	ctx = server_context("second");
	http_tls_use(tls, ctx);
	SSL_CTX_free(ctx);
	client_init(&new, NULL);
	assert_true(shake_hands(&new));
	server_name(&new, name, sizeof(name));
	assert_string_equal(name, "second");
	server_name(&old, name, sizeof(name));
	assert_string_equal(name, "first");
	assert_true(ask(&old, REQUEST));
	assert_true(ask(&new, REQUEST));
	client_end(&old);
	client_end(&new);
	stop();
}

static void several_servers_share_a_port_if_they_say_so(void **state)
{
	struct http *other;

	(void)state;
	start((struct http_limits){ 0 });
	assert_int_equal(open_at(&other, false, (struct http_limits){ 0 }),
			 -EADDRINUSE);
	assert_int_equal(open_at(&other, true, (struct http_limits){ 0 }), 0);
	assert_int_equal(http_close(other), 0);
	stop();
}

static double seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec + now.tv_nsec / 1e9;
}

static void new_connections_do_not_wait(void **state)
{
	struct client client;
	double began;
	int i;

	(void)state;
	start((struct http_limits){ 0 });
	client_init(&client, "somebody");
	began = seconds();
	for (i = 0; i < HANDSHAKES; i++) {
		assert_true(shake_hands(&client));
		assert_true(ask(&client, REQUEST));
		hang_up(&client);
	}
	print_message("# %d new connections, a request each: %.1f ms each\n",
		      HANDSHAKES, 1e3 * (seconds() - began) / HANDSHAKES);
	SSL_CTX_free(client.ctx);
	stop();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(versions_1_2_and_1_3_are_served_and_no_older),
		cmocka_unit_test(certificate_reaches_the_handler_unjudged),
		cmocka_unit_test(who_has_no_certificate_is_served_without),
		cmocka_unit_test(certificate_without_its_key_is_refused),
		cmocka_unit_test(neither_sessions_nor_renegotiation),
		cmocka_unit_test(what_is_no_handshake_is_closed),
		cmocka_unit_test(handshake_that_never_ends_is_closed_in_time),
		cmocka_unit_test(connections_have_a_bound_and_more_wait),
		cmocka_unit_test(bodies_have_a_bound_of_their_own),
		cmocka_unit_test(context_is_replaced_and_connections_stay),
		cmocka_unit_test(several_servers_share_a_port_if_they_say_so),
		cmocka_unit_test(new_connections_do_not_wait),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests_name("http_tls", tests, NULL, NULL);
}
