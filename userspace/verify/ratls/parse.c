// SPDX-License-Identifier: MIT
/*
 * A certificate with attestation, taken apart
 *
 * Copyright The dstack for Linux authors
 */
#include "ratls.h"

#include <errno.h>
#include <openssl/x509.h>
#include <string.h>

#define APP_ID_SIZE	20

bool ratls_spki_usual(const uint8_t *spki, size_t len)
{
	/* ecPublicKey on prime256v1, a bit string, an uncompressed point. */
	static const uint8_t head[] = {
		0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce,
		0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d,
		0x03, 0x01, 0x07, 0x03, 0x42, 0x00, 0x04
	};

	return len == RATLS_SPKI_SIZE && !memcmp(spki, head, sizeof(head));
}

void libdstack_ratls_clear(struct libdstack_ratls *ratls)
{
	libdstack_attestation_free(ratls->attestation);
	OPENSSL_free(ratls->spki);
	memset(ratls, 0, sizeof(*ratls));
}

static int read_app_id(const struct libdstack_span *value,
		       struct libdstack_ratls *ratls,
		       struct libdstack_failure *failure)
{
	if (!value->data)
		return 0;
	if (value->len != APP_ID_SIZE)
		return verify_fail(failure, REASON(MALFORMED),
				   "an application id of %zu bytes",
				   value->len);
	ratls->app_id.len = APP_ID_SIZE;
	memcpy(ratls->app_id.data, value->data, APP_ID_SIZE);
	return 0;
}

static int read_usage(const struct libdstack_span *value,
		      struct libdstack_ratls *ratls,
		      struct libdstack_failure *failure)
{
	size_t i;

	for (i = 0; i < value->len && value->len < LIBDSTACK_USAGE_MAX; i++)
		if (value->data[i] <= ' ' || value->data[i] > '~')
			break;
	if (i < value->len)
		return verify_fail(failure, REASON(MALFORMED),
				   "the certificate's usage is no short text");
	if (value->len)
		memcpy(ratls->usage, value->data, value->len);
	return 0;
}

static int read_evidence(const struct ratls_extensions *ext,
			 struct libdstack_ratls *ratls,
			 struct libdstack_failure *failure)
{
	const struct libdstack_span *container = &ext->value[RATLS_ATTESTATION];
	const struct libdstack_span *quote = &ext->value[RATLS_QUOTE];
	const struct libdstack_span *have;
	int err;

	if (!container->data && !quote->data)
		return 0;
	if (!container->data)
		return ratls_read_legacy(quote, &ext->value[RATLS_EVENT_LOG],
					 &ratls->attestation, failure);
	err = libdstack_attestation_parse(container->data, container->len,
					  &ratls->attestation, failure);
	if (err || !quote->data)
		return err;
	/* For readers of old: it must not be another guest's. */
	have = &ratls->attestation->evidence;
	if (have->len == quote->len &&
	    !memcmp(have->data, quote->data, quote->len))
		return 0;
	return verify_fail(failure, REASON(MISMATCH),
			   "the certificate's quote is not the one in its container");
}

static int read_info(const struct libdstack_span *value,
		     struct libdstack_ratls *ratls,
		     struct libdstack_failure *failure)
{
	if (!value->data)
		return 0;
	ratls->have_info = true;
	return ratls_read_info(value, &ratls->info, failure);
}

static int parse(X509 *cert, struct libdstack_ratls *ratls,
		 struct libdstack_failure *failure)
{
	struct ratls_extensions ext;
	int len, err;

	len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(cert), &ratls->spki);
	if (len <= 0)
		return verify_fail(failure, REASON(MALFORMED),
				   "the certificate has no key");
	ratls->spki_len = len;
	err = ratls_extensions(cert, &ext, failure);
	if (!err)
		err = read_app_id(&ext.value[RATLS_APP_ID], ratls, failure);
	if (!err)
		err = read_usage(&ext.value[RATLS_USAGE], ratls, failure);
	if (!err)
		err = read_info(&ext.value[RATLS_APP_INFO], ratls, failure);
	return err ? err : read_evidence(&ext, ratls, failure);
}

int libdstack_ratls_parse(X509 *cert, struct libdstack_ratls *ratls,
			  struct libdstack_failure *failure)
{
	int err;

	memset(ratls, 0, sizeof(*ratls));
	memset(failure, 0, sizeof(*failure));
	err = parse(cert, ratls, failure);
	if (!err) {
		memset(failure, 0, sizeof(*failure));
		return 0;
	}
	verify_step(failure, "certificate");
	libdstack_ratls_clear(ratls);
	return err;
}
