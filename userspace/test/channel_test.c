// SPDX-License-Identifier: MIT
/*
 * The bound channel: evidence counts for one connection, one side, one name
 *
 * Copyright The dstack for Linux authors
 *
 * Attacks are pairs: with evidence for a nonce, as challenges are usually
 * answered, they succeed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/rand.h>
#include <pthread.h>
#include <sys/socket.h>

#include "ratls_fixture.h"

static const char * const guest_name[] = { "guest.test", NULL };
static const char * const other_name[] = { "other.test", NULL };
static const char * const no_name[] = { "", NULL };

static struct pair p;
static struct libdstack_channel *client, *server;
static struct libdstack_channel_side client_side, server_side;
static struct libdstack_failure failure;
static uint8_t last_evidence[CONTAINER_MAX];
static size_t last_len;

static int attest_as(const uint8_t report_data[64], void *data,
		     uint8_t **evidence, size_t *len)
{
	static struct container c;

	make_evidence(data, report_data, &c);
	*evidence = malloc(c.len);
	memcpy(*evidence, c.data, c.len);
	*len = c.len;
	memcpy(last_evidence, c.data, c.len);
	last_len = c.len;
	return 0;
}

/* A replay: what was made before. */
static int attest_again(const uint8_t report_data[64], void *data,
			uint8_t **evidence, size_t *len)
{
	(void)report_data;
	(void)data;
	*evidence = malloc(last_len);
	memcpy(*evidence, last_evidence, last_len);
	*len = last_len;
	return 0;
}

/* Alice serves, bob comes; both attest and both want to know. */
static void begin(void)
{
	need_guests();
	pair_contexts(&p);
	pair_cert(p.server_ctx, &alice);
	pair_cert(p.client_ctx, &bob);
	SSL_CTX_set_verify(p.server_ctx, SSL_VERIFY_PEER |
			   SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	assert_int_equal(libdstack_ratls_use(p.client_ctx, &trust), 0);
	assert_int_equal(libdstack_ratls_use(p.server_ctx, &trust), 0);
	assert_int_equal(libdstack_channel_prepare(p.client_ctx), 0);
	assert_int_equal(libdstack_channel_prepare(p.server_ctx), 0);
	client_side = (struct libdstack_channel_side){
		.names = guest_name, .attest = attest_as, .data = &bob,
		.trust = &trust,
	};
	server_side = (struct libdstack_channel_side){
		.names = guest_name, .attest = attest_as, .data = &alice,
		.trust = &trust,
	};
}

static void end(void)
{
	libdstack_channel_free(client);
	libdstack_channel_free(server);
	client = NULL;
	server = NULL;
	pair_close(&p);
}

static void connect_to(const char *name)
{
	pair_connect(&p, name);
	if (!pair_handshake(&p))
		fail_msg("%s: %s", refusal.step, refusal.text);
}

static int open_client(void)
{
	return libdstack_channel_open(p.client, &client_side, time(NULL),
				      &client, &failure);
}

static int open_server(void)
{
	return libdstack_channel_open(p.server, &server_side, time(NULL),
				      &server, &failure);
}

static void open_both(void)
{
	if (open_client() || open_server())
		fail_msg("%s: %s", failure.step, failure.text);
}

/* Passes one message on, which it frees; *message is then the answer. */
static int pass(struct libdstack_channel *to, uint8_t **message, size_t *len)
{
	uint8_t *out;
	size_t out_len;
	int err;

	err = libdstack_channel_step(to, *message, *len, &out, &out_len);
	if (err)
		failure = *libdstack_channel_failure(to);
	assert_true(!err || !out);
	free(*message);
	*message = out;
	*len = out_len;
	return err;
}

/* All of it; the error of whom it failed at. */
static int exchange(void)
{
	uint8_t *message = NULL;
	size_t len = 0;
	int err;

	err = pass(client, &message, &len);
	if (!err)
		err = pass(server, &message, &len);
	if (!err)
		err = pass(client, &message, &len);
	if (!err)
		err = pass(server, &message, &len);
	free(message);
	return err;
}

static void both_sides_know_each_other(void **state)
{
	const struct libdstack_peer *peer;

	(void)state;
	begin();
	connect_to("guest.test");
	open_both();
	assert_null(libdstack_channel_peer(client));
	if (exchange())
		fail_msg("%s: %s", failure.step, failure.text);
	assert_true(libdstack_channel_done(client));
	assert_true(libdstack_channel_done(server));
	peer = libdstack_channel_peer(client);
	assert_memory_equal(peer->identity.instance_id.data, alice.instance,
			    20);
	peer = libdstack_channel_peer(server);
	assert_memory_equal(peer->identity.instance_id.data, bob.instance, 20);
	end();
}

static void one_side_may_be_anybody(void **state)
{
	(void)state;
	begin();
	SSL_CTX_set_verify(p.server_ctx, SSL_VERIFY_NONE, NULL);
	server_side.trust = NULL;
	client_side.attest = NULL;
	connect_to("guest.test");
	open_both();
	if (exchange())
		fail_msg("%s: %s", failure.step, failure.text);
	assert_non_null(libdstack_channel_peer(client));
	assert_null(libdstack_channel_peer(server));
	end();
	/* Who is asked, and has none, says so. */
	begin();
	client_side.attest = NULL;
	connect_to("guest.test");
	open_both();
	assert_int_equal(exchange(), -EKEYREJECTED);
	assert_string_equal(failure.step, "own evidence");
	end();
}

static void connection_is_attested_again(void **state)
{
	int i;

	(void)state;
	begin();
	connect_to("guest.test");
	for (i = 0; i < 2; i++) {
		open_both();
		assert_int_equal(exchange(), 0);
		libdstack_channel_free(client);
		libdstack_channel_free(server);
	}
	client = NULL;
	server = NULL;
	/* A new policy is in force. */
	only_instance = bob.instance;
	open_both();
	assert_int_equal(exchange(), -EACCES);
	assert_string_equal(failure.step, "policy");
	end();
}

/*
 * What challenges are usually answered with: evidence for the nonce.
 */
static int naive_verify(const uint8_t nonce[32])
{
	struct libdstack_peer peer = { .attestation = NULL };
	uint8_t want[64];
	int err;

	libdstack_report_data("nonce", NULL, nonce, 32, want);
	err = libdstack_attestation_parse(last_evidence, last_len,
					  &peer.attestation, &failure);
	if (!err)
		err = ratls_check_evidence(want, &trust, time(NULL), &peer,
					   &failure);
	libdstack_peer_clear(&peer);
	return err;
}

static void naive_attest(const struct guest *guest, const uint8_t nonce[32])
{
	static struct container c;
	uint8_t report_data[64];

	libdstack_report_data("nonce", NULL, nonce, 32, report_data);
	make_evidence(guest, report_data, &c);
	memcpy(last_evidence, c.data, c.len);
	last_len = c.len;
}

/*
 * Attack 69, relay: bob wants to talk to a guest.  Mallory ends his connection,
 * has one of her own to alice, and passes the messages on.
 */
static void attack_69_relay_passes_a_nonce(void **state)
{
	uint8_t nonce[32];

	(void)state;
	begin();
	/* From bob by mallory to alice, and alice's answer back. */
	assert_int_equal(RAND_bytes(nonce, sizeof(nonce)), 1);
	naive_attest(&alice, nonce);
	assert_int_equal(naive_verify(nonce), 0);
	pair_close(&p);
}

static void attack_69_relay_is_refused(void **state)
{
	struct pair to_mallory;
	uint8_t *message = NULL;
	size_t len = 0;

	(void)state;
	/* Bob to mallory; even with alice's key she would not pass. */
	begin();
	connect_to("guest.test");
	assert_int_equal(open_client(), 0);
	to_mallory = p;
	begin();
	connect_to("guest.test");
	assert_int_equal(open_server(), 0);
	assert_int_equal(pass(client, &message, &len), 0);
	assert_int_equal(pass(server, &message, &len), 0);
	assert_int_equal(pass(client, &message, &len), -EKEYREJECTED);
	assert_string_equal(failure.step, "report data");
	assert_null(libdstack_channel_peer(client));
	free(message);
	end();
	pair_close(&to_mallory);
}

/* Attack 69, diversion: the network leads to another genuine guest. */
static void attack_69_diversion_by_name_is_refused(void **state)
{
	(void)state;
	begin();
	server_side.names = other_name;
	connect_to("guest.test");
	assert_int_equal(open_server(), -EKEYREJECTED);
	assert_string_equal(failure.step, "connection");
	/* Who was asked for nothing serves nothing, unless it says so. */
	SSL_free(p.client);
	SSL_free(p.server);
	connect_to(NULL);
	assert_int_equal(open_server(), -EKEYREJECTED);
	assert_int_equal(open_client(), -EKEYREJECTED);
	server_side.names = no_name;
	client_side.names = no_name;
	open_both();
	assert_int_equal(exchange(), 0);
	end();
}

/* The same name, the same application: the policy knows whom it wants. */
static void attack_69_diversion_to_a_twin_is_refused(void **state)
{
	(void)state;
	begin();
	server_side.data = &bob;
	connect_to("guest.test");
	open_both();
	assert_int_equal(exchange(), 0);
	libdstack_channel_free(client);
	libdstack_channel_free(server);
	only_instance = alice.instance;
	open_both();
	assert_int_equal(exchange(), -EACCES);
	assert_string_equal(failure.step, "policy");
	end();
}

/* Attack 69, reflection: alice gets her own evidence back. */
static void attack_69_reflection_passes_without_roles(void **state)
{
	uint8_t nonce[32] = { 0 };

	(void)state;
	begin();
	/* Both challenge with the same nonce, as mallory takes alice's. */
	naive_attest(&alice, nonce);
	assert_int_equal(naive_verify(nonce), 0);
	assert_int_equal(naive_verify(nonce), 0);
	pair_close(&p);
}

static void attack_69_reflection_is_refused(void **state)
{
	uint8_t *message = NULL, *back;
	size_t len = 0;

	(void)state;
	begin();
	client_side.attest = attest_again;
	client_side.trust = NULL;
	connect_to("guest.test");
	open_both();
	/* The server makes evidence for mallory, who sends it back. */
	client_side.trust = &trust;
	assert_int_equal(exchange(), -EKEYREJECTED);
	assert_string_equal(failure.step, "report data");
	libdstack_channel_free(client);
	libdstack_channel_free(server);
	/* And a nonce of one's own that comes back is nobody's. */
	open_both();
	assert_int_equal(pass(client, &message, &len), 0);
	back = malloc(len);
	memcpy(back, message, len);
	assert_int_equal(pass(server, &message, &len), 0);
	memcpy(message + 12, back + 12, 33);
	assert_int_equal(pass(client, &message, &len), -EKEYREJECTED);
	free(message);
	free(back);
	end();
}

/* Attack 48: evidence of an earlier run on the same connection. */
static void attack_48_replay_in_a_connection_is_refused(void **state)
{
	(void)state;
	begin();
	SSL_CTX_set_verify(p.server_ctx, SSL_VERIFY_NONE, NULL);
	server_side.trust = NULL;
	connect_to("guest.test");
	open_both();
	assert_int_equal(exchange(), 0);
	libdstack_channel_free(client);
	libdstack_channel_free(server);
	server_side.attest = attest_again;
	open_both();
	assert_int_equal(exchange(), -EKEYREJECTED);
	assert_string_equal(failure.step, "report data");
	end();
}

/* Attack 70: an older TLS, whose handshake can be bent. */
static void attack_70_downgrade_is_refused(void **state)
{
	(void)state;
	begin();
	SSL_CTX_set_max_proto_version(p.client_ctx, TLS1_2_VERSION);
	SSL_CTX_set_min_proto_version(p.client_ctx, TLS1_2_VERSION);
	pair_connect(&p, "guest.test");
	assert_false(pair_handshake(&p));
	SSL_free(p.client);
	SSL_free(p.server);
	/* Contexts that nobody prepared: the channel looks itself. */
	SSL_CTX_set_min_proto_version(p.server_ctx, TLS1_2_VERSION);
	connect_to("guest.test");
	assert_int_equal(SSL_version(p.client), TLS1_2_VERSION);
	assert_int_equal(open_client(), -EOPNOTSUPP);
	assert_int_equal(open_server(), -EOPNOTSUPP);
	assert_string_equal(failure.step, "connection");
	end();
}

static struct ssl_session_st *session;

static int keep_session(SSL *ssl, SSL_SESSION *given)
{
	(void)ssl;
	SSL_SESSION_free(session);
	session = given;
	return 1;
}

/* A first connection that leaves a ticket, and a second with it. */
static bool resume(bool prepared)
{
	char byte;
	bool reused;

	begin();
	SSL_CTX_set_session_id_context(p.server_ctx, (const uint8_t *)"t", 1);
	SSL_CTX_sess_set_new_cb(p.client_ctx, keep_session);
	if (!prepared) {
		SSL_CTX_set_num_tickets(p.server_ctx, 1);
		SSL_CTX_clear_options(p.server_ctx, SSL_OP_NO_TICKET);
		SSL_CTX_clear_options(p.client_ctx, SSL_OP_NO_TICKET);
		SSL_CTX_set_session_cache_mode(p.server_ctx,
					       SSL_SESS_CACHE_SERVER);
		SSL_CTX_set_session_cache_mode(p.client_ctx,
					       SSL_SESS_CACHE_CLIENT);
	}
	connect_to("guest.test");
	SSL_read(p.client, &byte, 1);
	ERR_clear_error();
	/* Sessions of connections that broke off are not kept. */
	SSL_set_shutdown(p.client, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
	SSL_set_shutdown(p.server, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
	SSL_free(p.client);
	SSL_free(p.server);
	pair_connect(&p, "guest.test");
	if (session)
		SSL_set_session(p.client, session);
	assert_true(pair_handshake(&p));
	reused = SSL_session_reused(p.client);
	SSL_SESSION_free(session);
	session = NULL;
	return reused;
}

/* Attack 70: a session from before the policy that is now in force. */
static void attack_70_resumption_passes_unprepared_tls(void **state)
{
	(void)state;
	assert_true(resume(false));
	/* No certificate was looked at, so the policy was not asked. */
	assert_string_equal(refusal.text, "");
	assert_int_equal(open_client(), -EKEYREJECTED);
	assert_int_equal(open_server(), -EKEYREJECTED);
	assert_non_null(strstr(failure.text, "resumed"));
	end();
}

static void attack_70_resumption_is_refused(void **state)
{
	(void)state;
	assert_false(resume(true));
	open_both();
	assert_int_equal(exchange(), 0);
	end();
}

/* Each of them, and none runs into the next. */
static void every_field_is_bound(void **state)
{
	struct ratls_binding b = {
		.server_key = (uint8_t *)"server", .server_key_len = 6,
		.client_key = (uint8_t *)"client", .client_key_len = 6,
		.name = "name",
	};
	uint8_t *const bytes[] = { b.exporter, b.client_nonce, b.server_nonce };
	uint8_t want[64], other[64];
	struct ratls_binding c = b;
	size_t i;

	(void)state;
	assert_int_equal(ratls_binding_report_data(&b, true, want), 0);
	assert_int_equal(ratls_binding_report_data(&b, false, other), 0);
	assert_memory_not_equal(want, other, 64);
	for (i = 0; i < 3; i++) {
		bytes[i][31] ^= 1;
		assert_int_equal(ratls_binding_report_data(&b, true, other),
				 0);
		assert_memory_not_equal(want, other, 64);
		bytes[i][31] ^= 1;
	}
	c.server_key_len--;
	ratls_binding_report_data(&c, true, other);
	assert_memory_not_equal(want, other, 64);
	c = b;
	c.client_key_len = 0;
	ratls_binding_report_data(&c, true, other);
	assert_memory_not_equal(want, other, 64);
	c = b;
	c.name = "names";
	ratls_binding_report_data(&c, true, other);
	assert_memory_not_equal(want, other, 64);
	/* The same bytes in a row, cut elsewhere. */
	c = b;
	c.server_key = (uint8_t *)"serverclient";
	c.server_key_len = 12;
	c.client_key_len = 0;
	ratls_binding_report_data(&c, true, other);
	assert_memory_not_equal(want, other, 64);
	ratls_binding_report_data(&b, true, other);
	assert_memory_equal(want, other, 64);
}

static void handshake_must_be_over(void **state)
{
	(void)state;
	begin();
	pair_connect(&p, "guest.test");
	assert_int_equal(open_client(), -EKEYREJECTED);
	end();
}

/* One bit of each byte of the head, and of some of the rest. */
static void changed_messages_are_refused(void **state)
{
	uint8_t *message = NULL, *copy, *out;
	size_t len = 0, i, out_len;

	(void)state;
	begin();
	connect_to("guest.test");
	assert_int_equal(open_client(), 0);
	assert_int_equal(pass(client, &message, &len), 0);
	assert_int_equal(len, 12 + 33);
	for (i = 0; i < 13; i++) {
		copy = malloc(len);
		memcpy(copy, message, len);
		copy[i] ^= 2;
		assert_int_equal(open_server(), 0);
		assert_true(libdstack_channel_step(server, copy, len, &out,
						   &out_len) < 0);
		libdstack_channel_free(server);
		free(copy);
	}
	free(message);
	server = NULL;
	end();
}

static void broken_run_stays_broken(void **state)
{
	uint8_t *message = NULL, *copy, *out;
	size_t len = 0, out_len;

	(void)state;
	begin();
	connect_to("guest.test");
	open_both();
	assert_int_equal(pass(client, &message, &len), 0);
	copy = malloc(len);
	memcpy(copy, message, len);
	/* Out of turn: a client's hello is nothing for a client. */
	assert_int_equal(libdstack_channel_step(client, copy, len, &out,
						&out_len), -EBADMSG);
	assert_int_equal(pass(server, &message, &len), 0);
	assert_int_equal(libdstack_channel_step(client, message, len, &out,
						&out_len), -EINVAL);
	assert_false(libdstack_channel_done(client));
	assert_null(libdstack_channel_peer(client));
	free(copy);
	free(message);
	end();
}

/* Attack 47: lengths are looked at before anything is allocated. */
static void attack_47_message_has_a_bound(void **state)
{
	uint8_t head[12] = { 'D', 'S', 'C', 'H', 1, 2, 0, 0, 0, 0xa0, 0, 33 };
	size_t len;

	(void)state;
	assert_int_equal(libdstack_channel_message_len(head, 11, &len), 0);
	assert_int_equal(len, 0);
	assert_int_equal(libdstack_channel_message_len(head, 12, &len), 0);
	assert_int_equal(len, 12 + LIBDSTACK_ATTESTATION_MAX + 33);
	head[11]++;
	assert_int_equal(libdstack_channel_message_len(head, 12, &len),
			 -EBADMSG);
	head[8] = 0xff;
	assert_int_equal(libdstack_channel_message_len(head, 12, &len),
			 -EBADMSG);
}

static void *run_server(void *arg)
{
	int *result = arg;

	*result = SSL_accept(p.server) == 1 ? 0 : -EIO;
	if (!*result)
		*result = open_server();
	if (!*result)
		*result = libdstack_channel_run(p.server, server);
	return NULL;
}

/* Over a socket, blocking. */
static void run_does_all_steps(void **state)
{
	int fd[2], result = -1;
	pthread_t thread;

	(void)state;
	begin();
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fd), 0);
	p.client = SSL_new(p.client_ctx);
	p.server = SSL_new(p.server_ctx);
	SSL_set_fd(p.client, fd[0]);
	SSL_set_fd(p.server, fd[1]);
	SSL_set_tlsext_host_name(p.client, "guest.test");
	/* One makes evidence while the other waits. */
	assert_int_equal(pthread_create(&thread, NULL, run_server, &result),
			 0);
	assert_int_equal(SSL_connect(p.client), 1);
	assert_int_equal(open_client(), 0);
	assert_int_equal(libdstack_channel_run(p.client, client), 0);
	pthread_join(thread, NULL);
	assert_int_equal(result, 0);
	assert_non_null(libdstack_channel_peer(server));
	end();
	close(fd[0]);
	close(fd[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_sides_know_each_other),
		cmocka_unit_test(one_side_may_be_anybody),
		cmocka_unit_test(connection_is_attested_again),
		cmocka_unit_test(attack_69_relay_passes_a_nonce),
		cmocka_unit_test(attack_69_relay_is_refused),
		cmocka_unit_test(attack_69_diversion_by_name_is_refused),
		cmocka_unit_test(attack_69_diversion_to_a_twin_is_refused),
		cmocka_unit_test(attack_69_reflection_passes_without_roles),
		cmocka_unit_test(attack_69_reflection_is_refused),
		cmocka_unit_test(attack_48_replay_in_a_connection_is_refused),
		cmocka_unit_test(attack_70_downgrade_is_refused),
		cmocka_unit_test(attack_70_resumption_passes_unprepared_tls),
		cmocka_unit_test(attack_70_resumption_is_refused),
		cmocka_unit_test(every_field_is_bound),
		cmocka_unit_test(handshake_must_be_over),
		cmocka_unit_test(changed_messages_are_refused),
		cmocka_unit_test(broken_run_stays_broken),
		cmocka_unit_test(attack_47_message_has_a_bound),
		cmocka_unit_test(run_does_all_steps),
	};

	return cmocka_run_group_tests_name("channel", tests, NULL,
					   guests_teardown);
}
