// SPDX-License-Identifier: MIT
/*
 * What evidence of a channel is bound to
 *
 * Copyright The dstack for Linux authors
 */
#include "ratls.h"

#include <errno.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define EXPORTER_LABEL	"EXPORTER-dstack-channel-v1"
#define TAG		"dstack-channel-v1"
#define FIELDS		7

/*
 * A handshake of another kind has no fresh signature of the peer, or an
 * exporter that does not cover it.
 */
static int check_connection(SSL *ssl, struct libdstack_failure *failure)
{
	if (!SSL_is_init_finished(ssl))
		return verify_fail(failure, REASON(MISMATCH),
				   "the handshake is not over");
	if (SSL_version(ssl) != TLS1_3_VERSION)
		return verify_fail(failure, REASON(UNSUPPORTED),
				   "the connection is %s, not TLS 1.3",
				   SSL_get_version(ssl));
	if (SSL_session_reused(ssl))
		return verify_fail(failure, REASON(MISMATCH),
				   "the session was resumed: nobody proved a key in this handshake");
	if (SSL_get_early_data_status(ssl) == SSL_EARLY_DATA_ACCEPTED)
		return verify_fail(failure, REASON(MISMATCH),
				   "early data was accepted, which can be replayed");
	return 0;
}

/* Empty without a certificate. */
static bool take_key(X509 *cert, uint8_t **spki, size_t *spki_len)
{
	int len = 0;

	*spki = NULL;
	if (cert)
		len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(cert), spki);
	*spki_len = len > 0 ? len : 0;
	return !cert || len > 0;
}

/* A client's certificate stays at home if no server asked for one. */
static X509 *own_certificate(SSL *ssl)
{
	int nid;

	return SSL_get_signature_type_nid(ssl, &nid) ?
		SSL_get_certificate(ssl) : NULL;
}

static int take_keys(SSL *ssl, struct ratls_binding *binding,
		     struct libdstack_failure *failure)
{
	X509 *peer = SSL_get0_peer_certificate(ssl);
	X509 *own = own_certificate(ssl);
	bool server = SSL_is_server(ssl);

	if (!take_key(server ? own : peer, &binding->server_key,
		      &binding->server_key_len) ||
	    !take_key(server ? peer : own, &binding->client_key,
		      &binding->client_key_len))
		return verify_fail(failure, REASON(MEMORY), "no memory");
	if (!binding->server_key_len)
		return verify_fail(failure, REASON(UNSUPPORTED),
				   "the server has no certificate");
	return 0;
}

static bool is_among(const char *const *names, const char *name)
{
	for (; names && *names; names++)
		if (!strcasecmp(*names, name))
			return true;
	return false;
}

static int take_name(SSL *ssl, const char *const *names,
		     struct ratls_binding *binding,
		     struct libdstack_failure *failure)
{
	const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);

	if (!name)
		name = "";
	if (!is_among(names, name) && SSL_is_server(ssl))
		return verify_fail(failure, REASON(MISMATCH),
				   "the client asked for '%s', which is no name of this server",
				   name);
	if (!is_among(names, name))
		return verify_fail(failure, REASON(MISMATCH),
				   "this connection asked for '%s', and another name is expected",
				   name);
	binding->name = strdup(name);
	return binding->name ? 0 :
		verify_fail(failure, REASON(MEMORY), "no memory");
}

int ratls_binding_open(SSL *ssl, const char *const *names,
		       struct ratls_binding *binding,
		       struct libdstack_failure *failure)
{
	const size_t size = sizeof(binding->exporter);
	int err;

	err = check_connection(ssl, failure);
	if (!err)
		err = take_keys(ssl, binding, failure);
	if (!err)
		err = take_name(ssl, names, binding, failure);
	if (!err && SSL_export_keying_material(ssl, binding->exporter, size,
					       EXPORTER_LABEL,
					       strlen(EXPORTER_LABEL), NULL, 0,
					       0) != 1)
		err = verify_fail(failure, REASON(UNSUPPORTED),
				  "the connection has no exporter");
	return err;
}

void ratls_binding_close(struct ratls_binding *binding)
{
	OPENSSL_free(binding->server_key);
	OPENSSL_free(binding->client_key);
	free(binding->name);
	OPENSSL_cleanse(binding, sizeof(*binding));
}

static size_t put_field(uint8_t *out, const struct libdstack_span *field)
{
	uint8_t head[4] = {
		field->len >> 24, field->len >> 16, field->len >> 8, field->len
	};

	memcpy(out, head, sizeof(head));
	if (field->len)
		memcpy(out + sizeof(head), field->data, field->len);
	return sizeof(head) + field->len;
}

int ratls_binding_report_data(const struct ratls_binding *binding,
			      bool of_server,
			      uint8_t out[DSTACK_REPORT_DATA_SIZE])
{
	const char *role = of_server ? "server" : "client";
	const struct libdstack_span fields[FIELDS] = {
		{ (const uint8_t *)role, strlen(role) },
		{ binding->exporter, sizeof(binding->exporter) },
		{ binding->server_key, binding->server_key_len },
		{ binding->client_key, binding->client_key_len },
		{ (const uint8_t *)binding->name, strlen(binding->name) },
		{ binding->client_nonce, sizeof(binding->client_nonce) },
		{ binding->server_nonce, sizeof(binding->server_nonce) },
	};
	size_t i, len = 0;
	uint8_t *content;
	int err;

	for (i = 0; i < FIELDS; i++)
		len += 4 + fields[i].len;
	content = malloc(len);
	if (!content)
		return -ENOMEM;
	for (len = 0, i = 0; i < FIELDS; i++)
		len += put_field(content + len, &fields[i]);
	err = libdstack_report_data(TAG, NULL, content, len, out);
	OPENSSL_cleanse(content, len);
	free(content);
	return err;
}
