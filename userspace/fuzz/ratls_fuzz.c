// SPDX-License-Identifier: MIT
/*
 * Certificates with attestation, and requests for them
 *
 * Copyright The dstack for Linux authors
 *
 * The first byte says what the rest is: the value of an extension, a whole
 * certificate, a request.
 */
#include "fuzz.h"

#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>

#include "../test/container_fixture.h"
#include "ratls/ratls.h"

#define A_CERTIFICATE	0x40
#define A_REQUEST	0x41	/* of version 1; the next of version 2 */

static EVP_PKEY *key;

static void check_cert(X509 *cert)
{
	struct libdstack_failure failure;
	struct libdstack_ratls ratls;
	int err;

	err = libdstack_ratls_parse(cert, &ratls, &failure);
	must(!err == !failure.reason);
	must(!err || (!ratls.attestation && !ratls.spki));
	must(strlen(ratls.usage) < sizeof(ratls.usage));
	libdstack_ratls_clear(&ratls);
}

static void try_certificate(const uint8_t *data, size_t len)
{
	const uint8_t *p = data;
	X509 *cert = d2i_X509(NULL, &p, (long)len);

	if (cert)
		check_cert(cert);
	X509_free(cert);
	ERR_clear_error();
}

/* The value as it would be in a certificate; a quote has its log with it. */
static void try_extension(int slot, const uint8_t *data, size_t len)
{
	struct libdstack_ratls_request r = { .key = key, .subject = "fuzz" };
	const struct libdstack_span value = { data, len };
	X509 *cert;

	if (slot == RATLS_EVENT_LOG) {
		r.quote = (struct libdstack_span){ (const uint8_t *)"q", 1 };
		r.event_log = value;
	} else if (slot == RATLS_APP_INFO) {
		r.app_info = value;
	} else {
		r.evidence = value;
	}
	cert = libdstack_ratls_make(&r);
	must(cert);
	check_cert(cert);
	X509_free(cert);
}

static void try_request(uint32_t version, const uint8_t *data, size_t len)
{
	struct libdstack_failure failure;
	struct libdstack_csr csr;
	uint8_t *again;
	size_t again_len;

	if (libdstack_csr_parse(data, len, version, &csr, &failure)) {
		must(failure.reason);
		return;
	}
	if (libdstack_csr_encode(&csr, &again, &again_len))
		return;
	/* There is one way to write a request. */
	must(again_len == len && !memcmp(again, data, len));
	free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	uint8_t *copy;

	if (!len)
		return 0;
	if (!key)
		key = EVP_EC_gen("P-256");
	copy = fuzz_copy(data + 1, len - 1);
	if (*data < A_CERTIFICATE)
		try_extension(*data, copy, len - 1);
	else if (*data == A_CERTIFICATE)
		try_certificate(copy, len - 1);
	else
		try_request(*data == A_REQUEST ? 1 : 2, copy, len - 1);
	free(copy);
	return 0;
}

static void seed(uint8_t what, const void *data, size_t len)
{
	uint8_t *copy = malloc(len + 1);

	must(copy);
	copy[0] = what;
	memcpy(copy + 1, data, len);
	fuzz_seed(copy, len + 1);
	free(copy);
}

static void seed_certificate(const struct container *c)
{
	static const char * const names[] = { "fuzz.test", "::1", NULL };
	struct libdstack_ratls_request r = {
		.key = EVP_EC_gen("P-256"), .subject = "fuzz",
		.alt_names = names, .usage = "app:custom",
		.app_id = { (const uint8_t *)"01234567890123456789", 20 },
		.evidence = { c->data, c->len },
	};
	X509 *cert = libdstack_ratls_make(&r);
	uint8_t *der = NULL;
	int len = i2d_X509(cert, &der);

	must(len > 0);
	seed(A_CERTIFICATE, der, len);
	OPENSSL_free(der);
	X509_free(cert);
	EVP_PKEY_free(r.key);
}

static void seed_request(uint32_t version, const struct container *c)
{
	struct libdstack_csr csr = {
		.version = version, .subject = { (const uint8_t *)"a", 1 },
		.pubkey = { (const uint8_t *)"key", 3 },
		.nr_alt_names = 1, .have_org_name = true,
		.have_not_after = version == 2,
		.attestation = { c->data, c->len },
	};
	uint8_t *data;
	size_t len;

	must(!libdstack_csr_encode(&csr, &data, &len));
	seed(version == 1 ? A_REQUEST : A_REQUEST + 1, data, len);
	free(data);
}

void fuzz_seeds(void)
{
	static const char log[] =
		"[{\"imr\":3,\"event_type\":134217729,\"digest\":\"\","
		"\"event\":\"app-id\",\"event_payload\":\"00\"}]";
	/* The log "[]", as gzip has it. */
	static const uint8_t gzip[] = {
		'E', 'L', 'G', 'Z', 'v', '1', 0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0,
		3, 0x8b, 0x8e, 5, 0, 0x29, 0xbb, 0x4c, 0x0d, 2, 0, 0, 0
	};
	static const uint8_t info[] = { 0x98, 0xc4, 1, 1, 0xc4, 0 };
	struct container_parts parts = { .quote = "q", .quote_len = 1,
					 .config = "{}" };
	static struct container c;

	container_scale(&c, &parts);
	seed(RATLS_ATTESTATION, c.data, c.len);
	seed(RATLS_EVENT_LOG, log, sizeof(log) - 1);
	seed(RATLS_EVENT_LOG, gzip, sizeof(gzip));
	seed(RATLS_APP_INFO, info, sizeof(info));
	seed_certificate(&c);
	seed_request(1, &c);
	seed_request(2, &c);
}
