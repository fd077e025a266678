/* SPDX-License-Identifier: MIT */
/*
 * A PCCS on loopback that serves a collateral file, well or badly
 *
 * Copyright The dstack for Linux authors
 */
#ifndef PCCS_FIXTURE_H
#define PCCS_FIXTURE_H

#include <arpa/inet.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>

#include "pki_fixture.h"

enum pccs_mode {
	PCCS_GOOD, PCCS_ERROR, PCCS_REDIRECT, PCCS_EMPTY, PCCS_GARBAGE,
	PCCS_TRUNCATED, PCCS_CUT_JSON, PCCS_ENDLESS, PCCS_MANY_HEADERS,
	PCCS_NO_CHAIN, PCCS_TWO_CHAINS, PCCS_BAD_CHAIN, PCCS_NO_SIGNATURE,
	PCCS_EXTRA_MEMBER, PCCS_SILENT, PCCS_TRICKLE, PCCS_CLOSED, PCCS_HTTP09,
	__PCCS_MAX
};

static struct {
	int fd, port;
	atomic_int mode, requests, delay_ms;
	json_t *doc;		/* only changed while nobody asks */
	pthread_t thread;
} pccs;

/* A client that has seen enough is no failure. */
static inline bool pccs_write(int fd, const char *text)
{
	return send(fd, text, strlen(text), MSG_NOSIGNAL) >= 0;
}

static inline const char *pccs_member(const char *key)
{
	return json_string_value(json_object_get(pccs.doc, key));
}

/* As services write a chain into a header. */
static inline char *pccs_encode(const char *pem)
{
	char *out = malloc(3 * strlen(pem) + 1), *p = out;

	for (; *pem; pem++) {
		if (strchr("\n +=/", *pem))
			p += sprintf(p, "%%%02X", *pem);
		else
			*p++ = *pem;
	}
	*p = '\0';
	return out;
}

static inline void pccs_reply(int fd, const char *header, const char *pem,
			      const char *body)
{
	char *encoded = pccs_encode(pem ? pem : ""), *text, line[65536];
	int mode = pccs.mode, n = 0;

	line[0] = '\0';
	if (mode == PCCS_BAD_CHAIN)
		strcpy(encoded, "%00%ff");
	if (header && mode != PCCS_NO_CHAIN)
		n = sprintf(line, "%s: %s\r\n", header, encoded);
	if (header && mode == PCCS_TWO_CHAINS)
		sprintf(line + n, "%s: %s\r\n", header, encoded);
	if (asprintf(&text, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\nConnection: close\r\n%s\r\n%s",
		     strlen(body) + (mode == PCCS_TRUNCATED ? 10 : 0), line,
		     mode == PCCS_CUT_JSON ? "" : body) < 0)
		abort();
	if (mode == PCCS_CUT_JSON) {
		free(text);
		if (asprintf(&text, "HTTP/1.1 200 OK\r\nConnection: close\r\n%s\r\n%.*s",
			     line, (int)strlen(body) / 2, body) < 0)
			abort();
	}
	pccs_write(fd, text);
	free(text);
	free(encoded);
}

static inline void pccs_signed(int fd, const char *header, const char *member,
			       const char *name)
{
	char key[64], *body;
	const char *more = pccs.mode == PCCS_EXTRA_MEMBER ? ",\"a\":1" : "";
	const char *text = pccs_member(name), *signature;

	snprintf(key, sizeof(key), "%s_signature", name);
	signature = pccs_member(key);
	if (pccs.mode == PCCS_NO_SIGNATURE)
		signature = "";
	if (asprintf(&body, "{\"%s\":%s,\"signature\":\"%s\"%s}", member, text,
		     signature, more) < 0)
		abort();
	snprintf(key, sizeof(key), "%s_issuer_chain", name);
	pccs_reply(fd, header, pccs_member(key), body);
	free(body);
}

/* A client that closed its end: sending nothing would not show it. */
static inline bool pccs_gone(int fd)
{
	char c;

	return !recv(fd, &c, 1, MSG_DONTWAIT);
}

static inline void pccs_forever(int fd, const char *head, const char *piece,
				int pause_ms)
{
	int i;

	pccs_write(fd, head);
	for (i = 0; i < 100000 && !pccs_gone(fd); i++) {
		if (!pccs_write(fd, piece))
			break;
		usleep(pause_ms * 1000);
	}
}

#define PCCS_OK "HTTP/1.1 200 OK\r\n"

/* True if that was the answer. */
static inline bool pccs_misbehave(int fd)
{
	static char kib[1025];

	memset(kib, 'x', sizeof(kib) - 1);
	switch (pccs.mode) {
	case PCCS_ERROR:
		pccs_write(fd, "HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n");
		return true;
	case PCCS_REDIRECT:
		pccs_write(fd, "HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: http://127.0.0.1/\r\n\r\n");
		return true;
	case PCCS_EMPTY:
		pccs_write(fd, PCCS_OK "Content-Length: 0\r\n\r\n");
		return true;
	case PCCS_GARBAGE:
		pccs_reply(fd, "TCB-Info-Issuer-Chain", "\x01\x02", "<html>");
		return true;
	case PCCS_ENDLESS:
		pccs_forever(fd, PCCS_OK "\r\n", kib, 0);
		return true;
	case PCCS_MANY_HEADERS:
		pccs_forever(fd, PCCS_OK, "X-More: and more of it\r\n", 0);
		return true;
	case PCCS_SILENT:
		pccs_forever(fd, "", "", 1);
		return true;
	case PCCS_TRICKLE:
		pccs_forever(fd, PCCS_OK "Content-Length: 99999\r\n\r\n", "x",
			     20);
		return true;
	case PCCS_HTTP09:
		pccs_write(fd, "just a text\n");
		return true;
	default:
		return pccs.mode == PCCS_CLOSED;
	}
}

#define PCCS_CRL "ca=platform&encoding=der "

static inline void pccs_serve(int fd, const char *request)
{
	usleep(pccs.delay_ms * 1000);
	if (pccs_misbehave(fd))
		return;
	if (strstr(request, "GET /tdx/certification/v4/tcb?fmspc="))
		pccs_signed(fd, "TCB-Info-Issuer-Chain", "tcbInfo",
			    "tcb_info");
	else if (strstr(request, "GET /tdx/certification/v4/qe/identity "))
		pccs_signed(fd, "SGX-Enclave-Identity-Issuer-Chain",
			    "enclaveIdentity", "qe_identity");
	else if (strstr(request, "GET /sgx/certification/v4/pckcrl?" PCCS_CRL))
		pccs_reply(fd, "SGX-PCK-CRL-Issuer-Chain",
			   pccs_member("pck_crl_issuer_chain"),
			   pccs_member("pck_crl"));
	else if (strstr(request, "GET /sgx/certification/v4/rootcacrl "))
		pccs_reply(fd, NULL, NULL, pccs_member("root_ca_crl"));
	else
		pccs_write(fd, "HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n");
}

static inline void *pccs_loop(void *arg)
{
	char request[4096];
	ssize_t n;
	int fd;

	(void)arg;
	while ((fd = accept(pccs.fd, NULL, NULL)) >= 0) {
		n = recv(fd, request, sizeof(request) - 1, 0);
		request[n > 0 ? n : 0] = '\0';
		if (n > 0) {
			pccs.requests++;
			pccs_serve(fd, request);
		}
		close(fd);
	}
	return NULL;
}

static inline void pccs_start(void)
{
	struct sockaddr_in at = { .sin_family = AF_INET };
	socklen_t len = sizeof(at);

	if (pccs.port)
		return;
	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	pccs.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(pccs.fd, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(listen(pccs.fd, 64), 0);
	assert_int_equal(getsockname(pccs.fd, (struct sockaddr *)&at, &len),
			 0);
	pccs.port = ntohs(at.sin_port);
	assert_int_equal(pthread_create(&pccs.thread, NULL, pccs_loop, NULL),
			 0);
}

/* What it serves from now on: the collateral of that directory. */
static inline void pccs_use(const char *name)
{
	char file[256], *text;
	size_t len;

	snprintf(file, sizeof(file), "%s/collateral.json", name);
	text = load(file, &len);
	json_decref(pccs.doc);
	pccs.doc = json_loadb(text, len, 0, NULL);
	free(text);
}

static inline void pccs_stop(void)
{
	if (!pccs.port)
		return;
	shutdown(pccs.fd, SHUT_RDWR);
	pthread_join(pccs.thread, NULL);
	close(pccs.fd);
	json_decref(pccs.doc);
}

#endif /* PCCS_FIXTURE_H */
