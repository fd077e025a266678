// SPDX-License-Identifier: MIT
/*
 * A state in shares: what there is for it, and how it is opened
 *
 * Copyright The dstack for Linux authors
 *
 * After an outage of all KMSs none has roots, and each needs shares of others:
 * so each gives those while it waits for its own, with a certificate that only
 * its evidence speaks for.
 */
#include "sharing.h"

#include <errno.h>
#include <libdstack_ratls.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../daemon/daemon.h"

#define SUBJECT		"dstack-kms"
#define NOT_BEFORE	157766400	/* 1975, as all of a KMS */
#define VALID_S		(3650 * 86400LL)

static size_t count(char *const *list)
{
	size_t nr = 0;

	while (list && list[nr])
		nr++;
	return nr;
}

static int open_parts(struct sharing *sharing)
{
	struct kmsd *kmsd = sharing->kmsd;
	const struct kmsd_options *options = kmsd->options;
	const struct state_seal *inner = kmsd->state_options.seal;
	const struct quorum_keeper_options keeper = {
		.dir = options->keep, .seal = inner,
		.tell = kmsd->state_options.tell,
	};
	const struct quorum_options quorum = {
		.inner = inner, .peers = &sharing->peers,
	};
	uint16_t id = 0;
	int err;

	peers_init(&sharing->asked, kmsd, options->peers,
		   count(options->peers), &sharing->peers);
	err = quorum_keeper_open(&keeper, &sharing->keeper) ?:
		quorum_open(&quorum, &sharing->quorum);
	if (err)
		return err;
	/* What is wrong with it is said when it is opened. */
	sharing->is_shared =
		!state_sealed_as(kmsd->state_options.dir, &id) &&
		id == STATE_SEAL_QUORUM;
	if (sharing->is_shared)
		kmsd->state_options.seal = quorum_seal(sharing->quorum);
	return 0;
}

int sharing_open(struct kmsd *kmsd)
{
	struct sharing *sharing;

	if (!kmsd->options->keep)
		return 0;
	sharing = calloc(1, sizeof(*sharing));
	if (!sharing)
		return -ENOMEM;
	sharing->kmsd = kmsd;
	pthread_mutex_init(&sharing->lock, NULL);
	pthread_cond_init(&sharing->news, NULL);
	kmsd->sharing = sharing;
	return open_parts(sharing);
}

void sharing_close(struct sharing *sharing)
{
	if (!sharing)
		return;
	quorum_keeper_close(sharing->keeper);
	quorum_close(sharing->quorum);
	pthread_cond_destroy(&sharing->news);
	pthread_mutex_destroy(&sharing->lock);
	free(sharing);
}

bool sharing_is_shared(const struct sharing *sharing)
{
	return sharing && sharing->is_shared;
}

void sharing_settle(struct sharing *sharing)
{
	quorum_settle(sharing->quorum, &sharing->peers);
}

/*
 * Until there are enough shares
 */

bool sharing_is_ended(struct sharing *sharing)
{
	bool is_ended;

	pthread_mutex_lock(&sharing->lock);
	is_ended = sharing->is_ended;
	pthread_mutex_unlock(&sharing->lock);
	return is_ended;
}

bool sharing_wait(struct sharing *sharing, unsigned int seconds)
{
	struct timespec until;
	int err = 0;
	bool is_ended;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += seconds;
	pthread_mutex_lock(&sharing->lock);
	while (!sharing->is_ended && !err)
		err = pthread_cond_timedwait(&sharing->news, &sharing->lock,
					     &until);
	is_ended = sharing->is_ended;
	pthread_mutex_unlock(&sharing->lock);
	return !is_ended;
}

static void *gather(void *arg)
{
	struct sharing *sharing = arg;

	/* Nobody else sees it before it is whole. */
	sharing->err = state_open(&sharing->kmsd->state_options,
				  &sharing->state);
	http_stop(sharing->http);
	return NULL;
}

int sharing_begin(struct sharing *sharing, struct http *http)
{
	sigset_t set, before;
	int err;

	/* Signals are for the thread that serves. */
	sigfillset(&set);
	sharing->http = http;
	pthread_sigmask(SIG_SETMASK, &set, &before);
	err = -pthread_create(&sharing->thread, NULL, gather, sharing);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return err;
}

int sharing_end(struct sharing *sharing, struct state **state)
{
	pthread_mutex_lock(&sharing->lock);
	sharing->is_ended = true;
	pthread_cond_signal(&sharing->news);
	pthread_mutex_unlock(&sharing->lock);
	pthread_join(sharing->thread, NULL);
	*state = sharing->err ? NULL : sharing->state;
	return sharing->err;
}

/*
 * Who it is meanwhile
 */

static X509 *make_cert(struct kmsd *kmsd, EVP_PKEY *key)
{
	struct libdstack_ratls_request request = {
		.key = key, .subject = SUBJECT, .server = true,
		.not_before = NOT_BEFORE, .not_after = time(NULL) + VALID_S,
	};
	uint8_t report_data[DSTACK_REPORT_DATA_SIZE], *evidence = NULL;
	X509 *cert = NULL;
	size_t len = 0;

	if (!libdstack_ratls_report_data(key, report_data) &&
	    !self_attest(kmsd, report_data, &evidence, &len)) {
		request.evidence = (struct libdstack_span){ evidence, len };
		cert = libdstack_ratls_make(&request);
	}
	free(evidence);
	return cert;
}

int sharing_tls_context(struct kmsd *kmsd, SSL_CTX **out)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *cert = key ? make_cert(kmsd, key) : NULL;
	int err = -EIO;

	if (ctx && cert && SSL_CTX_use_certificate(ctx, cert) == 1 &&
	    SSL_CTX_use_PrivateKey(ctx, key) == 1)
		err = 0;
	X509_free(cert);
	EVP_PKEY_free(key);
	if (err) {
		SSL_CTX_free(ctx);
		msg("can't make the certificate that it waits for shares with");
	} else {
		*out = ctx;
	}
	return err;
}
