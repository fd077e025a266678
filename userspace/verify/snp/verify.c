// SPDX-License-Identifier: MIT
/*
 * Verify a report: the steps, in order
 *
 * Copyright The dstack for Linux authors
 */
#include "snp.h"

#include <string.h>

#include "../signature.h"

int snp_fail(struct snp *s, enum libdstack_reason reason, const char *fmt, ...)
{
	va_list args;
	int err;

	va_start(args, fmt);
	err = verify_failv(&s->verdict->failure, reason, fmt, args);
	va_end(args);
	return err;
}

static void reverse(uint8_t to[SNP_SCALAR_SIZE], const uint8_t *from)
{
	size_t i;

	for (i = 0; i < SNP_SCALAR_SIZE; i++)
		to[i] = from[SNP_SCALAR_SIZE - 1 - i];
}

static int check_signature(struct snp *s)
{
	const struct signed_data what = { s->data, SNP_SIGNED_SIZE, "SHA384" };
	EVP_PKEY *key = X509_get0_pubkey(s->leaf);
	uint8_t r_be[SNP_SCALAR_SIZE], s_be[SNP_SCALAR_SIZE];

	if (!signature_key_is_on(key, SIGNATURE_P384))
		return snp_fail(s, REASON(UNSUPPORTED),
				"the key is not on P-384");
	reverse(r_be, s->data + SNP_SIGNED_SIZE);
	reverse(s_be, s->data + SNP_SIGNED_SIZE + SNP_SCALAR_SIZE);
	if (!signature_ecdsa(key, r_be, s_be, SNP_SCALAR_SIZE, &what))
		return snp_fail(s, REASON(SIGNATURE),
				"the certificate's key did not sign the report");
	return 0;
}

static const struct step {
	const char *name;
	int (*check)(struct snp *s);
} steps[] = {
	{ "report format", snp_report_parse },
	{ "certificates", snp_certs_read },
	{ "trusted root", snp_root_check },
	{ "certificate chain", snp_chain_check },
	{ "revocation list", snp_crl_check },
	{ "report signature", check_signature },
	{ "platform", snp_vcek_check },
};

static int run_steps(struct snp *s)
{
	size_t i;
	int err;

	for (i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		err = steps[i].check(s);
		if (!err)
			continue;
		verify_step(&s->verdict->failure, steps[i].name);
		return err;
	}
	return 0;
}

int libdstack_snp_verify(const void *report, size_t len,
			 const struct libdstack_snp_chain *chain, time_t now,
			 struct libdstack_snp_verdict *verdict)
{
	struct snp s = {
		.data = report, .len = len, .chain = chain, .now = now,
		.verdict = verdict,
	};
	int err;

	memset(verdict, 0, sizeof(*verdict));
	verdict->earliest_expiry = INT64_MAX;
	err = run_steps(&s);
	X509_CRL_free(s.crl);
	X509_free(s.root);
	certs_free(s.certs);
	return err;
}
