// SPDX-License-Identifier: MIT
/*
 * What nobody can do without: handshakes, signatures
 *
 * Copyright The dstack for Linux authors
 */
#include "kmsd_load.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../keys/p256.h"

#define TIMES		50

/*
 * Handshakes
 */

/* As http/tls.c: whoever it is. */
static int on_verify(X509_STORE_CTX *ctx, void *arg)
{
	(void)arg;
	X509_STORE_CTX_set_error(ctx, X509_V_OK);
	return 1;
}

static void prepare(SSL_CTX *ctx)
{
	SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
	SSL_CTX_set_num_tickets(ctx, 0);
	SSL_CTX_set_max_cert_list(ctx, 1 << 20);
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER |
			   SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	SSL_CTX_set_cert_verify_callback(ctx, on_verify, NULL);
}

static void serve(SSL_CTX *ctx, int listener)
{
	SSL *ssl;
	int fd;

	for (;;) {
		fd = accept(listener, NULL, NULL);
		if (fd < 0)
			continue;
		ssl = SSL_new(ctx);
		SSL_set_fd(ssl, fd);
		load_need(SSL_accept(ssl) == 1, "a bare handshake fails");
		SSL_shutdown(ssl);
		SSL_free(ssl);
		close(fd);
	}
}

pid_t load_bare_start(struct sockaddr_in *at)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	SSL_CTX *ctx = load_server_context();
	socklen_t len = sizeof(*at);
	pid_t pid;

	prepare(ctx);
	at->sin_port = 0;
	load_need(!bind(fd, (struct sockaddr *)at, len) && !listen(fd, 128) &&
		  !getsockname(fd, (struct sockaddr *)at, &len),
		  "no server of handshakes");
	pid = fork();
	load_need(pid >= 0, "no processes");
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		serve(ctx, fd);
	}
	close(fd);
	SSL_CTX_free(ctx);
	return pid;
}

void load_bare_stop(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

/*
 * Signatures, and keys on curves
 */

static const uint8_t scalar[DSTACK_KEY_SIZE] = { 1, 2, 3 };
static const uint8_t digest[32] = { 4, 5, 6 };
static EVP_PKEY_CTX *verifier;
static uint8_t signature[80];
static size_t signature_len = sizeof(signature);

static void verify(void)
{
	load_need(EVP_PKEY_verify(verifier, signature, signature_len, digest,
				  sizeof(digest)) == 1, "a signature fails");
}

static void sign_k256(void)
{
	uint8_t link[65];

	load_need(!secp_sign_link(scalar, digest, link), "no signature");
}

static void make_p256(void)
{
	EVP_PKEY *key = p256_key(scalar);

	load_need(key, "no key on P-256");
	EVP_PKEY_free(key);
}

static void make_secp256k1(void)
{
	uint8_t public[33];

	load_need(!secp_public(scalar, public), "no key on secp256k1");
}

static double cost_of(void (*fn)(void))
{
	double start = load_cpu(0);
	int i;

	for (i = 0; i < TIMES; i++)
		fn();
	return (load_cpu(0) - start) / TIMES;
}

void load_primitives(struct load_primitives *cost)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");

	verifier = EVP_PKEY_CTX_new(key, NULL);
	signature_len = sizeof(signature);
	load_need(EVP_PKEY_sign_init(verifier) == 1 &&
		  EVP_PKEY_sign(verifier, signature, &signature_len, digest,
				sizeof(digest)) == 1 &&
		  EVP_PKEY_verify_init(verifier) == 1, "no signature");
	cost->verify = cost_of(verify);
	cost->sign_k256 = cost_of(sign_k256);
	cost->p256 = cost_of(make_p256);
	cost->secp256k1 = cost_of(make_secp256k1);
	EVP_PKEY_CTX_free(verifier);
	EVP_PKEY_free(key);
}
