// SPDX-License-Identifier: MIT
/*
 * Requests for certificates, as upstream's KMS takes them: SCALE
 *
 * Copyright The dstack for Linux authors
 *
 * Version 2 ends with a container of evidence, which has no length of its own;
 * version 1 with a quote and a log.  What is asked for comes before.
 */
#include "ratls.h"

#include <errno.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>

#define SPKI_MAX	1024

static bool read_option(struct scale *s)
{
	return scale_bool(s);
}

static bool read_time(struct scale *s, uint64_t *value)
{
	bool have = read_option(s);

	*value = have ? scale_u64(s) : 0;
	return have;
}

static void read_config(struct scale *s, struct libdstack_csr *csr)
{
	size_t i;

	csr->have_org_name = read_option(s);
	if (csr->have_org_name)
		csr->org_name = scale_bytes(s);
	csr->subject = scale_bytes(s);
	csr->nr_alt_names = scale_count(s, 1, LIBDSTACK_CSR_NAMES_MAX);
	for (i = 0; i < csr->nr_alt_names; i++)
		csr->alt_names[i] = scale_bytes(s);
	csr->server = scale_bool(s);
	csr->client = scale_bool(s);
	csr->ext_quote = scale_bool(s);
	if (csr->version < 2)
		return;
	csr->ext_app_info = scale_bool(s);
	csr->have_not_before = read_time(s, &csr->not_before);
	csr->have_not_after = read_time(s, &csr->not_after);
}

static void read_evidence(struct scale *s, struct libdstack_csr *csr)
{
	if (csr->version == 2) {
		csr->attestation = scale_fixed(s, s->left);
		return;
	}
	csr->quote = scale_bytes(s);
	csr->event_log = scale_bytes(s);
	if (s->left)
		scale_refuse(s, "something follows");
}

int libdstack_csr_parse(const void *data, size_t len, uint32_t version,
			struct libdstack_csr *csr,
			struct libdstack_failure *failure)
{
	static const char confirm[] = LIBDSTACK_CSR_CONFIRM;
	struct libdstack_span text;
	struct scale s;

	memset(csr, 0, sizeof(*csr));
	memset(failure, 0, sizeof(*failure));
	verify_step(failure, "certificate request");
	if (version != 1 && version != 2)
		return verify_fail(failure, REASON(UNSUPPORTED),
				   "version %u; 1 and 2 are known", version);
	csr->version = version;
	scale_init(&s, data, len);
	text = scale_bytes(&s);
	if (!s.why && (text.len != sizeof(confirm) - 1 ||
		       memcmp(text.data, confirm, text.len)))
		scale_refuse(&s, "it does not begin as a request does");
	csr->pubkey = scale_bytes(&s);
	read_config(&s, csr);
	read_evidence(&s, csr);
	if (s.why)
		return verify_fail(failure, REASON(MALFORMED), "SCALE: %s",
				   s.why);
	memset(failure, 0, sizeof(*failure));
	return 0;
}

/* What is written, or only its length as long as there is no buffer. */
struct writer {
	uint8_t *data;
	size_t len;
};

static void put(struct writer *w, const void *data, size_t len)
{
	if (w->data && len)
		memcpy(w->data + w->len, data, len);
	w->len += len;
}

static void put_number(struct writer *w, uint64_t value, int bytes)
{
	uint8_t byte;

	for (; bytes--; value >>= 8) {
		byte = value;
		put(w, &byte, 1);
	}
}

static void put_length(struct writer *w, size_t n)
{
	if (n < 1 << 6)
		put_number(w, n << 2, 1);
	else if (n < 1 << 14)
		put_number(w, n << 2 | 1, 2);
	else
		put_number(w, n << 2 | 2, 4);
}

static void put_bytes(struct writer *w, const struct libdstack_span *span)
{
	put_length(w, span->len);
	put(w, span->data, span->len);
}

static void put_time(struct writer *w, bool have, uint64_t value)
{
	put_number(w, have, 1);
	if (have)
		put_number(w, value, 8);
}

static void put_config(struct writer *w, const struct libdstack_csr *csr)
{
	size_t i;

	put_number(w, csr->have_org_name, 1);
	if (csr->have_org_name)
		put_bytes(w, &csr->org_name);
	put_bytes(w, &csr->subject);
	put_length(w, csr->nr_alt_names);
	for (i = 0; i < csr->nr_alt_names; i++)
		put_bytes(w, &csr->alt_names[i]);
	put_number(w, csr->server, 1);
	put_number(w, csr->client, 1);
	put_number(w, csr->ext_quote, 1);
	if (csr->version < 2)
		return;
	put_number(w, csr->ext_app_info, 1);
	put_time(w, csr->have_not_before, csr->not_before);
	put_time(w, csr->have_not_after, csr->not_after);
}

static void put_csr(struct writer *w, const struct libdstack_csr *csr)
{
	static const char confirm[] = LIBDSTACK_CSR_CONFIRM;

	put_length(w, sizeof(confirm) - 1);
	put(w, confirm, sizeof(confirm) - 1);
	put_bytes(w, &csr->pubkey);
	put_config(w, csr);
	if (csr->version == 2) {
		put(w, csr->attestation.data, csr->attestation.len);
		return;
	}
	put_bytes(w, &csr->quote);
	put_bytes(w, &csr->event_log);
}

int libdstack_csr_encode(const struct libdstack_csr *csr, uint8_t **data,
			 size_t *len)
{
	struct writer w = { .data = NULL };

	if ((csr->version != 1 && csr->version != 2) ||
	    csr->nr_alt_names > LIBDSTACK_CSR_NAMES_MAX ||
	    csr->pubkey.len > SPKI_MAX)
		return -EINVAL;
	put_csr(&w, csr);
	if (w.len > LIBDSTACK_ATTESTATION_MAX)
		return -EINVAL;
	w.data = malloc(w.len);
	if (!w.data)
		return -ENOMEM;
	w.len = 0;
	put_csr(&w, csr);
	*data = w.data;
	*len = w.len;
	return 0;
}

int libdstack_csr_sign(EVP_PKEY *key, const void *data, size_t len,
		       uint8_t **signature, size_t *signature_len)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	size_t size = EVP_PKEY_get_size(key);
	uint8_t *out = malloc(size ? size : 1);
	bool good;

	good = ctx && out &&
		EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, key) == 1 &&
		EVP_DigestSign(ctx, out, &size, data, len) == 1;
	EVP_MD_CTX_free(ctx);
	ERR_clear_error();
	if (!good) {
		free(out);
		return -EINVAL;
	}
	*signature = out;
	*signature_len = size;
	return 0;
}
