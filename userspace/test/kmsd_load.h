/* SPDX-License-Identifier: MIT */
/*
 * Many who ask a KMS for keys at a time, and what that costs
 *
 * Copyright The dstack for Linux authors
 */
#ifndef KMSD_LOAD_H
#define KMSD_LOAD_H

#include <netinet/in.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#define LOAD_SAID	2048
#define LOAD_EVIDENCE	65		/* SHA-256 of a quote, hex, with NUL */

/* One instance of an application, with evidence for its key. */
struct load_app {
	SSL_CTX *ctx;
	char evidence[LOAD_EVIDENCE];
};

/* What comes of a number of connections. */
struct load_result {
	long given, refused, failed;
	double seconds, cpu;		/* cpu: of the server */
	uint32_t *us;			/* of each that was given */
	char said[LOAD_SAID];		/* to one that was refused, in JSON */
};

struct load {
	struct sockaddr_in at, from;	/* from: port 0, or all zeros */
	unsigned int clients;
	unsigned int first;		/* number of the first instance */
	bool fresh;			/* evidence of its own for each */
	bool bare;			/* a handshake, and no request */
	FILE *given;			/* a line for each; or NULL */
	pid_t server;			/* 0: its time is not measured */
};

void load_need(bool good, const char *what);
double load_now(void);

/* kmsd_load_evidence.c */

/* @app: 40 hex digits; NULL: an application of the tests. */
void load_platform(const char *pki, const char *config, const char *app);
/* For load_app_end().  Any thread. */
void load_app_make(struct load_app *app, unsigned int number);
void load_app_end(struct load_app *app);
/* Its key and its certificate, in PEM, for others who speak TLS. */
void load_app_write(const struct load_app *app, const char *path);
/* What a server shows, which is a KMS's in size. */
SSL_CTX *load_server_context(void);

/* kmsd_load_ask.c: @nr connections, of @apps in turn. */
void load_ask(const struct load *load, const struct load_app *apps,
	      size_t nr_apps, long nr, struct load_result *result);
/* CPU of a process, in s. */
double load_cpu(pid_t pid);

/* kmsd_load_cost.c */

/* A server that does handshakes and nothing else, in a child. */
pid_t load_bare_start(struct sockaddr_in *at);
void load_bare_stop(pid_t pid);

struct load_primitives {
	double verify, sign_k256, p256, secp256k1;	/* s */
};

void load_primitives(struct load_primitives *cost);

#endif /* KMSD_LOAD_H */
