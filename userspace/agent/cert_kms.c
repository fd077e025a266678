// SPDX-License-Identifier: MIT
/*
 * Certificates that the KMS signs
 *
 * Copyright The dstack for Linux authors
 *
 * Another process asks it: TLS, and what another machine answers, are not for a
 * process that has keys and serves everybody.
 */
#include "cert.h"

#include <errno.h>
#include <kms.pb-c.h>
#include <stdlib.h>
#include <string.h>

#include "../keys/pem.h"
#include "../rpc/codec.h"
#include "../spawn/spawn.h"
#include "metrics/metrics.h"

#define BOOT		"/usr/sbin/dstack-boot"
#define TIMEOUT		"7"	/* s, that a KMS has */
#define TIMEOUT_MS	8000	/* of the process; then the client is told */
#define OUTPUT_MAX	(4U << 20)
#define AT_ONCE		4
#define CHAIN_MAX	8
#define END		"-----END CERTIFICATE-----\n"

static int running;		/* processes */

/*
 * The request
 */

static struct libdstack_span span_of(const char *text)
{
	return (struct libdstack_span){
		(const uint8_t *)text, strlen(text)
	};
}

static int make_csr(const struct agent_cert *cert, uint8_t **data, size_t *len)
{
	struct libdstack_csr csr = {
		.version = 2, .pubkey = { cert->spki, cert->spki_len },
		.subject = span_of(cert->subject),
		.nr_alt_names = cert->nr_names, .server = cert->server,
		.client = cert->client, .ext_quote = cert->evidence,
		.ext_app_info = cert->app_info,
		.have_not_before = cert->have_not_before,
		.have_not_after = cert->have_not_after,
		.not_before = cert->not_before, .not_after = cert->not_after,
		.attestation = { cert->container, cert->container_len },
	};
	size_t i;

	for (i = 0; i < cert->nr_names; i++)
		csr.alt_names[i] = span_of(cert->names[i]);
	return libdstack_csr_encode(&csr, data, len);
}

/* What dstack-boot sign-cert reads. */
static int make_input(const struct agent_cert *cert, void **text, size_t *len)
{
	Kms__SignCertRequest request = KMS__SIGN_CERT_REQUEST__INIT;
	ProtobufCBinaryData *csr = &request.csr, *sign = &request.signature;
	int err;

	err = make_csr(cert, &csr->data, &csr->len);
	if (err)
		return err;
	err = libdstack_csr_sign(cert->key, csr->data, csr->len, &sign->data,
				 &sign->len) ?:
		rpc_json_write(&request.base, text, len);
	free(csr->data);
	free(sign->data);
	return err;
}

/*
 * The answer: one certificate after the other
 */

static int put_one(struct agent_chain_text *chain, const char *text, size_t len)
{
	char *pem = chain->nr < CHAIN_MAX ? strndup(text, len) : NULL;

	if (!pem || !pem_is_cert(pem)) {
		free(pem);
		return -EBADMSG;
	}
	chain->pem[chain->nr++] = pem;
	return 0;
}

static int take_output(const char *text, struct agent_chain_text *chain)
{
	const char *end;
	int err = 0;

	chain->pem = calloc(CHAIN_MAX, sizeof(chain->pem[0]));
	if (!chain->pem)
		return -ENOMEM;
	for (; !err && *text; text = end) {
		end = strstr(text, END);
		if (!end)
			return -EBADMSG;
		end += strlen(END);
		err = put_one(chain, text, end - text);
	}
	return err ? err : chain->nr ? 0 : -EBADMSG;
}

static int refused(const char *program, const char *said, int err,
		   struct rpc_error *error)
{
	switch (err) {
	case -ECHILD:
		return rpc_fail(error, err, "the KMS signed nothing: %s", said);
	case -ETIMEDOUT:
		return rpc_fail(error, err,
				"the KMS did not sign in time: try again");
	case -EFBIG:
	case -EBADMSG:
		return rpc_fail(error, err,
				"what was signed is no chain of certificates");
	default:
		return rpc_fail(error, err, "'%s' can't be run: %s",
				program, strerror(-err));
	}
}

static int run(const struct agent *agent, uint64_t epoch, const void *input,
	       size_t len, struct agent_chain_text *chain,
	       struct rpc_error *error)
{
	char number[24];
	const char *const argv[] = {
		agent->boot ? agent->boot : BOOT, "sign-cert", "--app",
		agent->app_dir, "--key-epoch", number, "--timeout", TIMEOUT,
		NULL
	};
	struct spawn_text text = { .max = OUTPUT_MAX };
	struct spawn_line said = { .len = 0 };
	const struct spawn spawn = {
		.argv = argv, .input = input, .input_len = len,
		.out = { spawn_keep, &text }, .err = { spawn_keep_line, &said },
		.timeout_ms = TIMEOUT_MS,
	};
	int err;

	snprintf(number, sizeof(number), "%llu", (unsigned long long)epoch);
	err = spawn_run(&spawn);
	if (err > 0)
		err = -ECHILD;
	metrics_count(agent->counters, METRICS_KMS_CALLS);
	if (err)
		metrics_count(agent->counters, METRICS_KMS_FAILURES);
	else
		err = take_output(text.data ? text.data : "", chain);
	free(text.data);
	return err && err != -ENOMEM ? refused(argv[0], said.text, err, error) :
		err;
}

int agent_cert_sign_kms(const struct agent *agent,
			const struct agent_cert *cert,
			struct agent_chain_text *chain,
			struct rpc_error *error)
{
	void *input = NULL;
	size_t len;
	int err;

	if (!agent->app_dir)
		return rpc_fail(error, -ENODATA,
				"this agent was not told where its application is (dstackd agent --app DIR)");
	err = make_input(cert, &input, &len);
	if (err)
		return err;
	if (__atomic_add_fetch(&running, 1, __ATOMIC_RELAXED) > AT_ONCE) {
		error->status = 503;
		err = rpc_fail(error, -EBUSY,
			       "the KMS is signing %d other certificates: try again",
			       AT_ONCE);
	} else {
		err = run(agent, cert->key_epoch, input, len, chain, error);
	}
	__atomic_sub_fetch(&running, 1, __ATOMIC_RELAXED);
	free(input);
	return err;
}
