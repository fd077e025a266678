// SPDX-License-Identifier: MIT
/*
 * What we show to KMSs: a key, and evidence for it
 *
 * Copyright The dstack for Linux authors
 */
#include "room.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SUBJECT		"RA-TLS TEMP Cert"
/* From 1975 on, as upstream: the clock of a machine that boots may be wrong. */
#define NOT_BEFORE	157766400
#define VALID_S		(3650 * 86400LL)

static int make_evidence(const struct kms *kms, struct kms_asker *asker)
{
	uint8_t report_data[DSTACK_REPORT_DATA_SIZE];
	int err;

	asker->key = EVP_EC_gen("P-256");
	if (!asker->key)
		return -ENOMEM;
	err = libdstack_ratls_report_data(asker->key, report_data);
	if (!err)
		err = kms->attest(kms->arg, report_data, &asker->evidence,
				  &asker->evidence_len);
	return err;
}

int kms_asker_init(const struct kms *kms, struct kms_asker *asker)
{
	char line[128];
	int err;

	*asker = (struct kms_asker){ .key = NULL };
	err = make_evidence(kms, asker);
	if (err && kms->tell) {
		snprintf(line, sizeof(line),
			 "no KMS was asked: no evidence of this machine could be had: %s",
			 strerror(-err));
		kms->tell(line);
	}
	return err;
}

void kms_asker_clear(struct kms_asker *asker)
{
	EVP_PKEY_free(asker->key);
	free(asker->evidence);
	*asker = (struct kms_asker){ .key = NULL };
}

int kms_asker_show(struct kms_call *call, const struct kms_asker *asker,
		   const struct kms_temp_ca *ca)
{
	const struct libdstack_ratls_request request = {
		.key = asker->key, .subject = SUBJECT, .client = true,
		.not_before = NOT_BEFORE, .not_after = time(NULL) + VALID_S,
		.evidence = { asker->evidence, asker->evidence_len },
		.issuer = ca ? ca->cert : NULL,
		.issuer_key = ca ? ca->key : NULL,
	};

	call->root = ca ? ca->root : NULL;
	call->key = asker->key;
	call->cert = libdstack_ratls_make(&request);
	return call->cert ? 0 :
		kms_fail(call, -EBADMSG,
			 "no certificate can be made under its temporary CA");
}
