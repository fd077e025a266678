// SPDX-License-Identifier: MIT
/*
 * dstackctl verify cert and connect: who is behind a certificate, and who
 * answers
 *
 * Copyright The dstack for Linux authors
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <arpa/inet.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "cmd_fixture.h"
#include "ratls_fixture.h"

#define BODY_MAX	65536

int cmd_verify(int argc, char **argv);

static char cert_file[64], socket_file[64];

/* What every command needs to judge guests of the test platform. */
static int verify_json(const char *what, const char *more, json_t **doc)
{
	char args[2048];
	int status;

	snprintf(args, sizeof(args),
		 "%s --root %s/base/root.pem --collateral %s/base/collateral.json --json %s",
		 what, dir, dir, more);
	status = run(cmd_verify, "verify", args);
	*doc = json_loads(output, JSON_REJECT_DUPLICATES, NULL);
	return status;
}

static const char *text(const json_t *doc, const char *key)
{
	const char *value = json_string_value(json_object_get(doc, key));

	return value ? value : "";
}

static void write_cert(X509 *cert)
{
	FILE *file;

	snprintf(cert_file, sizeof(cert_file), "%s/cert.pem", dir);
	file = fopen(cert_file, "w");
	assert_non_null(file);
	PEM_write_X509(file, cert);
	fclose(file);
}

static void certificate_says_whose_key_it_has(void **state)
{
	char what[256], hex[41];
	json_t *doc;
	X509 *cert;

	(void)state;
	need_guests();
	cert = make_cert(&alice);
	write_cert(cert);
	X509_free(cert);
	snprintf(what, sizeof(what), "cert %s", cert_file);
	assert_int_equal(verify_json(what, "", &doc), EXIT_SUCCESS);
	assert_string_equal(text(doc, "tcb_status"), "UpToDate");
	assert_string_equal(text(json_object_get(doc, "identity"),
				 "instance_id"),
			    libdstack_to_hex(alice.instance, 20, hex));
	json_decref(doc);
}

/* Attack 68: evidence in a certificate for another key. */
static void attack_68_evidence_for_another_key_is_refused(void **state)
{
	static struct container c;
	struct libdstack_ratls_request r;
	char what[256];
	json_t *doc;
	X509 *cert;

	(void)state;
	need_guests();
	fill_request(&alice, &c, &r);
	r.key = bob.key;
	cert = libdstack_ratls_make(&r);
	assert_non_null(cert);
	write_cert(cert);
	X509_free(cert);
	snprintf(what, sizeof(what), "cert %s", cert_file);
	assert_int_equal(verify_json(what, "", &doc), EXIT_FAILURE);
	assert_string_equal(text(doc, "reason"), "mismatch");
	assert_true(json_is_null(json_object_get(doc, "identity")));
	json_decref(doc);
}

/*
 * Servers: one connection each
 */

struct server {
	int fd;
	const struct guest *guest;	/* of a TLS server */
	const char *body;		/* of an agent */
	pthread_t thread;
	char url[160];
};

static void *serve_tls(void *arg)
{
	struct server *server = arg;
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
	int fd = accept(server->fd, NULL, NULL);
	SSL *ssl;
	char c;

	pair_cert(ctx, server->guest);
	ssl = SSL_new(ctx);
	SSL_set_fd(ssl, fd);
	if (SSL_accept(ssl) == 1)
		SSL_read(ssl, &c, 1);	/* until the client has seen enough */
	SSL_free(ssl);
	SSL_CTX_free(ctx);
	close(fd);
	return NULL;
}

static void *serve_agent(void *arg)
{
	struct server *server = arg;
	int fd = accept(server->fd, NULL, NULL);
	char request[4096];

	if (read(fd, request, sizeof(request)) > 0)
		dprintf(fd, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n%s",
			strlen(server->body), server->body);
	close(fd);
	return NULL;
}

static void start_tls(struct server *server, const struct guest *guest)
{
	struct sockaddr_in at = { .sin_family = AF_INET };
	socklen_t len = sizeof(at);

	server->guest = guest;
	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	server->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(server->fd, (void *)&at, sizeof(at)), 0);
	assert_int_equal(listen(server->fd, 1), 0);
	assert_int_equal(getsockname(server->fd, (void *)&at, &len), 0);
	snprintf(server->url, sizeof(server->url), "connect https://127.0.0.1:%u",
		 ntohs(at.sin_port));
	assert_int_equal(pthread_create(&server->thread, NULL, serve_tls,
					server), 0);
}

static void start_agent(struct server *server, const char *body)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };

	server->body = body;
	snprintf(socket_file, sizeof(socket_file), "%s/agent.sock", dir);
	unlink(socket_file);
	snprintf(at.sun_path, sizeof(at.sun_path), "%s", socket_file);
	server->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(server->fd, (void *)&at, sizeof(at)), 0);
	assert_int_equal(listen(server->fd, 1), 0);
	snprintf(server->url, sizeof(server->url), "connect unix:%s",
		 socket_file);
	assert_int_equal(pthread_create(&server->thread, NULL, serve_agent,
					server), 0);
}

static void stop(struct server *server)
{
	pthread_join(server->thread, NULL);
	close(server->fd);
}

static void server_is_the_td_whose_evidence_it_shows(void **state)
{
	struct server server;
	char hex[41];
	json_t *doc;

	(void)state;
	need_guests();
	start_tls(&server, &bob);
	assert_int_equal(verify_json(server.url, "", &doc), EXIT_SUCCESS);
	stop(&server);
	assert_string_equal(text(json_object_get(doc, "identity"),
				 "instance_id"),
			    libdstack_to_hex(bob.instance, 20, hex));
	json_decref(doc);
}

/* What a guest's agent answers to GetQuote. */
static char *agent_reply(const uint8_t report_data[64])
{
	static struct container c;
	char *log = make_log(&alice), *quote, *body;
	json_t *reply;

	make_evidence(&alice, report_data, &c);
	quote = malloc(2 * f.len + 1);
	reply = json_pack("{s:s, s:s, s:s}", "quote",
			  libdstack_to_hex(f.data, f.len, quote), "event_log",
			  log, "vm_config", "{}");
	body = json_dumps(reply, 0);
	json_decref(reply);
	free(quote);
	free(log);
	return body;
}

/* Attack 48: an agent that answers with evidence of another day. */
static void attack_48_agent_must_answer_for_the_nonce(void **state)
{
	static const uint8_t old[64] = { 0x48 };
	struct server server;
	json_t *doc;
	char *body;

	(void)state;
	need_guests();
	body = agent_reply(old);
	start_agent(&server, body);
	assert_int_equal(verify_json(server.url, "", &doc), EXIT_FAILURE);
	stop(&server);
	assert_string_equal(text(doc, "tcb_status"), "UpToDate");
	assert_string_equal(text(doc, "reason"), "policy");
	json_decref(doc);
	free(body);
}

static void agent_that_sends_no_evidence_is_refused(void **state)
{
	struct server server;
	json_t *doc;

	(void)state;
	need_guests();
	start_agent(&server, "{\"quote\":\"00\"}");
	assert_int_equal(verify_json(server.url, "", &doc), EXIT_FAILURE);
	stop(&server);
	assert_string_equal(text(doc, "reason"), "malformed");
	json_decref(doc);
}

static void nobody_there_is_no_verdict(void **state)
{
	json_t *doc;

	(void)state;
	need_guests();
	assert_int_equal(verify_json("connect unix:/nonexistent", "", &doc),
			 EXIT_FAILURE);
	assert_null(doc);
	assert_int_equal(verify_json("connect http://127.0.0.1", "", &doc),
			 EXIT_FAILURE);
	assert_null(doc);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(certificate_says_whose_key_it_has),
		cmocka_unit_test(attack_68_evidence_for_another_key_is_refused),
		cmocka_unit_test(server_is_the_td_whose_evidence_it_shows),
		cmocka_unit_test(attack_48_agent_must_answer_for_the_nonce),
		cmocka_unit_test(agent_that_sends_no_evidence_is_refused),
		cmocka_unit_test(nobody_there_is_no_verdict),
	};

	return cmocka_run_group_tests_name("cmd_connect", tests, NULL,
					   guests_teardown);
}
