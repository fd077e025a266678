// SPDX-License-Identifier: MIT
/*
 * The bound channel: its messages, and what each side checks
 *
 * Copyright The dstack for Linux authors
 */
#include "ratls.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>

#define MAGIC		"DSCH"
#define MAGIC_SIZE	4
#define VERSION		1
#define HEAD_SIZE	12
#define NONCE_SIZE	LIBDSTACK_CHANNEL_NONCE_SIZE
#define HELLO_SIZE	(1 + NONCE_SIZE)	/* flag and nonce */
#define BODY_MAX	(HELLO_SIZE + LIBDSTACK_ATTESTATION_MAX)

enum message {
	CLIENT_HELLO = 1,	/* wants evidence?, nonce */
	SERVER_EVIDENCE,	/* the same, and evidence */
	CLIENT_EVIDENCE,
};

enum state {
	BEGIN,			/* client: nothing was sent */
	WAIT_CLIENT_HELLO,
	WAIT_SERVER_EVIDENCE,
	WAIT_CLIENT_EVIDENCE,
	DONE,
	BROKEN,			/* and it stays so */
};

struct libdstack_channel {
	const struct libdstack_channel_side *side;
	bool server, peer_wants, verified;
	enum state state;
	time_t now;
	struct ratls_binding binding;
	struct libdstack_peer peer;
	struct libdstack_failure failure;
};

int libdstack_channel_prepare(SSL_CTX *ctx)
{
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
	if (SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION) != 1 ||
	    SSL_CTX_set_num_tickets(ctx, 0) != 1 ||
	    SSL_CTX_set_max_early_data(ctx, 0) != 1)
		return -EOPNOTSUPP;
	return 0;
}

static uint8_t *own_nonce(struct libdstack_channel *c)
{
	return c->server ? c->binding.server_nonce : c->binding.client_nonce;
}

static uint8_t *peer_nonce(struct libdstack_channel *c)
{
	return c->server ? c->binding.client_nonce : c->binding.server_nonce;
}

static int open_channel(SSL *ssl, struct libdstack_channel *c)
{
	int err;

	err = ratls_binding_open(ssl, c->side->names, &c->binding,
				 &c->failure);
	if (!err && RAND_bytes(own_nonce(c), NONCE_SIZE) != 1)
		err = verify_fail(&c->failure, REASON(MEMORY),
				  "no random bytes");
	return err;
}

int libdstack_channel_open(SSL *ssl, const struct libdstack_channel_side *side,
			   time_t now, struct libdstack_channel **channel,
			   struct libdstack_failure *failure)
{
	struct libdstack_channel *c = calloc(1, sizeof(*c));
	int err;

	memset(failure, 0, sizeof(*failure));
	verify_step(failure, "connection");
	if (!c)
		return verify_fail(failure, REASON(MEMORY), "no memory");
	c->side = side;
	c->server = SSL_is_server(ssl);
	c->state = c->server ? WAIT_CLIENT_HELLO : BEGIN;
	c->now = now;
	c->failure = *failure;
	err = open_channel(ssl, c);
	ERR_clear_error();
	if (err) {
		*failure = c->failure;
		libdstack_channel_free(c);
		return err;
	}
	memset(failure, 0, sizeof(*failure));
	*channel = c;
	return 0;
}

void libdstack_channel_free(struct libdstack_channel *channel)
{
	if (!channel)
		return;
	ratls_binding_close(&channel->binding);
	libdstack_peer_clear(&channel->peer);
	free(channel);
}

bool libdstack_channel_done(const struct libdstack_channel *channel)
{
	return channel->state == DONE;
}

const struct libdstack_failure *
libdstack_channel_failure(const struct libdstack_channel *channel)
{
	return &channel->failure;
}

const struct libdstack_peer *
libdstack_channel_peer(const struct libdstack_channel *channel)
{
	return channel->state == DONE && channel->verified ? &channel->peer :
							     NULL;
}

static int malformed(struct libdstack_channel *c, const char *why)
{
	return verify_fail(&c->failure, REASON(MALFORMED), "%s", why);
}

int libdstack_channel_message_len(const void *data, size_t len,
				  size_t *message_len)
{
	const uint8_t *p = data;
	size_t body;

	*message_len = 0;
	if (len < HEAD_SIZE)
		return 0;
	body = (size_t)p[8] << 24 | p[9] << 16 | p[10] << 8 | p[11];
	if (memcmp(p, MAGIC, MAGIC_SIZE) || p[4] != VERSION || p[6] || p[7] ||
	    body > BODY_MAX)
		return -EBADMSG;
	*message_len = HEAD_SIZE + body;
	return 0;
}

/* Room for a message, and its head; *@body is what follows that. */
static uint8_t *new_message(enum message type, size_t body_len, uint8_t **body)
{
	uint8_t *out = calloc(1, HEAD_SIZE + body_len);
	const uint8_t head[HEAD_SIZE] = {
		'D', 'S', 'C', 'H', VERSION, type, 0, 0,
		body_len >> 24, body_len >> 16, body_len >> 8, body_len
	};

	if (!out)
		return NULL;
	memcpy(out, head, sizeof(head));
	*body = out + HEAD_SIZE;
	return out;
}

/* Our evidence, if the peer wants it. */
static int attest(struct libdstack_channel *c, uint8_t **evidence, size_t *len)
{
	uint8_t report_data[DSTACK_REPORT_DATA_SIZE];
	int err;

	*evidence = NULL;
	*len = 0;
	verify_step(&c->failure, "own evidence");
	if (!c->peer_wants)
		return 0;
	if (!c->side->attest)
		return verify_fail(&c->failure, REASON(POLICY),
				   "the peer wants evidence, and this side has none");
	if (ratls_binding_report_data(&c->binding, c->server, report_data))
		return verify_fail(&c->failure, REASON(MEMORY), "can't hash");
	err = c->side->attest(report_data, c->side->data, evidence, len);
	if (!err && *evidence && *len && *len <= LIBDSTACK_ATTESTATION_MAX)
		return 0;
	if (err)
		verify_fail(&c->failure, REASON(POLICY),
			    "this side can't make evidence: %s",
			    strerror(-err));
	else
		err = verify_fail(&c->failure, REASON(MALFORMED),
				  "this side's evidence is empty or too long");
	free(*evidence);
	*evidence = NULL;
	return err;
}

/* Flag and nonce, in front of evidence or alone. */
static void put_hello(struct libdstack_channel *c, uint8_t *body)
{
	body[0] = !!c->side->trust;
	memcpy(body + 1, own_nonce(c), NONCE_SIZE);
}

static int send_evidence(struct libdstack_channel *c, enum message type,
			 size_t hello, uint8_t **out, size_t *out_len)
{
	uint8_t *evidence, *body;
	size_t len;
	int err;

	err = attest(c, &evidence, &len);
	if (err)
		return err;
	*out = new_message(type, hello + len, &body);
	if (*out) {
		*out_len = HEAD_SIZE + hello + len;
		if (hello)
			put_hello(c, body);
		if (len)
			memcpy(body + hello, evidence, len);
	}
	free(evidence);
	return *out ? 0 : verify_fail(&c->failure, REASON(MEMORY), "no memory");
}

static int take_hello(struct libdstack_channel *c, const uint8_t *body,
		      size_t len)
{
	if (len < HELLO_SIZE || body[0] > 1)
		return malformed(c, "no flag and nonce");
	c->peer_wants = body[0];
	memcpy(peer_nonce(c), body + 1, NONCE_SIZE);
	/* Of what was said here nothing may come back. */
	if (!memcmp(peer_nonce(c), own_nonce(c), NONCE_SIZE))
		return verify_fail(&c->failure, REASON(MISMATCH),
				   "the peer's nonce is this side's own");
	return 0;
}

static int check_evidence(struct libdstack_channel *c, const uint8_t *data,
			  size_t len)
{
	const struct libdstack_trust *trust = c->side->trust;
	uint8_t want[DSTACK_REPORT_DATA_SIZE];
	int err;

	verify_step(&c->failure, "peer's evidence");
	if (!trust)
		return len ? malformed(c, "evidence that was not asked for") :
			0;
	if (!len)
		return verify_fail(&c->failure, REASON(POLICY),
				   "the peer gave no evidence");
	err = libdstack_attestation_parse(data, len, &c->peer.attestation,
					  &c->failure);
	if (err)
		return err;
	if (ratls_binding_report_data(&c->binding, !c->server, want))
		return verify_fail(&c->failure, REASON(MEMORY), "can't hash");
	err = ratls_check_evidence(want, trust, c->now, &c->peer, &c->failure);
	if (!err)
		err = ratls_check_policy(trust, &c->peer, &c->failure);
	c->verified = !err;
	return err;
}

static int begin(struct libdstack_channel *c, uint8_t **out, size_t *out_len)
{
	uint8_t *body;

	*out = new_message(CLIENT_HELLO, HELLO_SIZE, &body);
	if (!*out)
		return verify_fail(&c->failure, REASON(MEMORY), "no memory");
	put_hello(c, body);
	*out_len = HEAD_SIZE + HELLO_SIZE;
	c->state = WAIT_SERVER_EVIDENCE;
	return 0;
}

static int on_client_hello(struct libdstack_channel *c, const uint8_t *body,
			   size_t len, uint8_t **out, size_t *out_len)
{
	int err;

	if (len != HELLO_SIZE)
		return malformed(c, "no flag and nonce");
	err = take_hello(c, body, len);
	if (!err)
		err = send_evidence(c, SERVER_EVIDENCE, HELLO_SIZE, out,
				    out_len);
	if (!err)
		c->state = WAIT_CLIENT_EVIDENCE;
	return err;
}

static int on_server_evidence(struct libdstack_channel *c, const uint8_t *body,
			      size_t len, uint8_t **out, size_t *out_len)
{
	int err;

	err = take_hello(c, body, len);
	if (!err)
		err = check_evidence(c, body + HELLO_SIZE, len - HELLO_SIZE);
	if (!err)
		err = send_evidence(c, CLIENT_EVIDENCE, 0, out, out_len);
	if (!err)
		c->state = DONE;
	return err;
}

static int on_client_evidence(struct libdstack_channel *c, const uint8_t *body,
			      size_t len)
{
	int err = check_evidence(c, body, len);

	if (!err)
		c->state = DONE;
	return err;
}

static int on_message(struct libdstack_channel *c, const uint8_t *in,
		      size_t in_len, uint8_t **out, size_t *out_len)
{
	const uint8_t *body = in + HEAD_SIZE;
	size_t len;

	if (libdstack_channel_message_len(in, in_len, &len) || len != in_len)
		return malformed(c, "not one message of a channel");
	len -= HEAD_SIZE;
	if (c->state == WAIT_CLIENT_HELLO && in[5] == CLIENT_HELLO)
		return on_client_hello(c, body, len, out, out_len);
	if (c->state == WAIT_SERVER_EVIDENCE && in[5] == SERVER_EVIDENCE)
		return on_server_evidence(c, body, len, out, out_len);
	if (c->state == WAIT_CLIENT_EVIDENCE && in[5] == CLIENT_EVIDENCE)
		return on_client_evidence(c, body, len);
	return malformed(c, "a message out of turn");
}

int libdstack_channel_step(struct libdstack_channel *channel,
			   const void *in, size_t in_len,
			   uint8_t **out, size_t *out_len)
{
	struct libdstack_channel *c = channel;
	int err;

	*out = NULL;
	*out_len = 0;
	if (c->state == DONE || c->state == BROKEN)
		return -EINVAL;
	memset(&c->failure, 0, sizeof(c->failure));
	verify_step(&c->failure, "channel");
	if (in)
		err = on_message(c, in, in_len, out, out_len);
	else if (c->state == BEGIN)
		err = begin(c, out, out_len);
	else
		return 0;
	if (err)
		c->state = BROKEN;
	else
		memset(&c->failure, 0, sizeof(c->failure));
	return err;
}

static int read_all(SSL *ssl, uint8_t *out, size_t len)
{
	size_t got;

	for (; len; out += got, len -= got)
		if (SSL_read_ex(ssl, out, len, &got) != 1)
			return -EIO;
	return 0;
}

static int read_message(SSL *ssl, uint8_t **message, size_t *len)
{
	uint8_t head[HEAD_SIZE];
	int err;

	*message = NULL;
	err = read_all(ssl, head, sizeof(head));
	if (!err)
		err = libdstack_channel_message_len(head, sizeof(head), len);
	if (err)
		return err;
	*message = malloc(*len);
	if (!*message)
		return -ENOMEM;
	memcpy(*message, head, sizeof(head));
	return read_all(ssl, *message + sizeof(head), *len - sizeof(head));
}

static int exchange(SSL *ssl, struct libdstack_channel *c, const uint8_t *in,
		    size_t in_len)
{
	uint8_t *out;
	size_t len, written;
	int err;

	err = libdstack_channel_step(c, in, in_len, &out, &len);
	if (!err && out && SSL_write_ex(ssl, out, len, &written) != 1)
		err = -EIO;
	free(out);
	return err;
}

int libdstack_channel_run(SSL *ssl, struct libdstack_channel *channel)
{
	uint8_t *in;
	size_t len;
	int err;

	err = exchange(ssl, channel, NULL, 0);
	while (!err && channel->state != DONE) {
		err = read_message(ssl, &in, &len);
		if (!err)
			err = exchange(ssl, channel, in, len);
		free(in);
	}
	return err;
}
