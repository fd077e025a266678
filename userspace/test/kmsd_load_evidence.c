// SPDX-License-Identifier: MIT
/*
 * Who asks: keys, quotes, certificates
 *
 * Copyright The dstack for Linux authors
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>

#include "kmsd_evidence_fixture.h"
#include "kmsd_load.h"

/* What makes quotes has one of them at a time. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static X509 *temp_ca;
static EVP_PKEY *temp_key;
static struct container container;
static char app_id[DSTACK_APP_ID_SIZE];

void load_platform(const char *pki, const char *config, const char *app)
{
	const struct libdstack_ratls_request request = {
		.key = EVP_EC_gen("P-256"), .subject = "Temp CA", .ca = true,
		.not_before = time(NULL) - 60, .not_after = time(NULL) + 864000,
	};

	use_pki(pki);
	guest_config = config;
	if (app) {
		load_need(libdstack_from_hex(app, strlen(app), app_id,
					     sizeof(app_id)),
			  "want 40 hex digits of an application");
		guest_app = app_id;
	}
	temp_key = request.key;
	temp_ca = libdstack_ratls_make(&request);
	assert_non_null(temp_ca);
}

static X509 *certify(const struct guest *guest)
{
	struct libdstack_ratls_request request;
	X509 *cert;

	fill_request(guest, &container, &request);
	request.not_after += 864000;
	request.issuer = temp_ca;
	request.issuer_key = temp_key;
	cert = libdstack_ratls_make(&request);
	assert_non_null(cert);
	return cert;
}

static void use(SSL_CTX *ctx, EVP_PKEY *key, X509 *cert)
{
	assert_non_null(ctx);
	assert_int_equal(SSL_CTX_use_certificate(ctx, cert), 1);
	assert_int_equal(SSL_CTX_use_PrivateKey(ctx, key), 1);
}

void load_app_make(struct load_app *app, unsigned int number)
{
	char instance[21];
	const struct guest guest = { EVP_EC_gen("P-256"), instance };
	uint8_t hash[SHA256_DIGEST_LENGTH];
	X509 *cert;

	snprintf(instance, sizeof(instance), "instance %11u", number);
	pthread_mutex_lock(&lock);
	cert = certify(&guest);
	SHA256(f.data, f.len, hash);
	pthread_mutex_unlock(&lock);
	libdstack_to_hex(hash, sizeof(hash), app->evidence);
	app->ctx = SSL_CTX_new(TLS_client_method());
	use(app->ctx, guest.key, cert);
	SSL_CTX_set_session_cache_mode(app->ctx, SSL_SESS_CACHE_OFF);
	X509_free(cert);
	EVP_PKEY_free(guest.key);
}

void load_app_end(struct load_app *app)
{
	SSL_CTX_free(app->ctx);
}

void load_app_write(const struct load_app *app, const char *path)
{
	FILE *out = fopen(path, "we");

	load_need(out, "can't write that file");
	assert_int_equal(PEM_write_PrivateKey(out,
					      SSL_CTX_get0_privatekey(app->ctx),
					      NULL, NULL, 0, NULL, NULL), 1);
	assert_int_equal(PEM_write_X509(out,
					SSL_CTX_get0_certificate(app->ctx)),
			 1);
	load_need(!fclose(out), "can't write that file");
}

SSL_CTX *load_server_context(void)
{
	const struct guest guest = { EVP_EC_gen("P-256"),
				     "which only shakes hands" };
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
	X509 *cert = certify(&guest);

	use(ctx, guest.key, cert);
	assert_int_equal(SSL_CTX_add1_chain_cert(ctx, temp_ca), 1);
	X509_free(cert);
	EVP_PKEY_free(guest.key);
	return ctx;
}
