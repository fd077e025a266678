// SPDX-License-Identifier: MIT
/*
 * Documents of Nitro, and what the device answers
 *
 * Copyright The dstack for Linux authors
 */
#include "fuzz.h"

#include <stdlib.h>

#define assert_true(ok)		must(ok)
#define assert_non_null(p)	must(p)

#include "../test/nitro_fixture.h"

static bool is_within(const struct libdstack_nitro_data *part,
		      const uint8_t *data, size_t len)
{
	return !part->data ||
		(part->data >= data && part->data + part->len <= data + len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const struct libdstack_nitro_policy policy;
	static struct libdstack_nitro_verdict v;
	uint8_t *copy = fuzz_copy(data, len);
	struct libdstack_failure failure;
	const void *document;
	size_t document_len;

	must(!libdstack_nitro_verify(copy, len, NULL, 0, PKI_NOW, &v) ||
	     *v.failure.text);
	must(is_within(&v.document.nonce, copy, len) &&
	     is_within(&v.document.user_data, copy, len) &&
	     is_within(&v.document.public_key, copy, len));
	libdstack_nitro_check(&v.document, &policy, PKI_NOW, &failure);
	if (!libdstack_nitro_unwrap(copy, len, &document, &document_len,
				    &failure))
		must((const uint8_t *)document + document_len == copy + len);
	free(copy);
	return 0;
}

void fuzz_seeds(void)
{
	static struct nitro_fixture f;
	static struct nitro_cbor answer;

	nitro_fixture_make(&f);
	fuzz_seed(f.document.data, f.document.len);
	f.payload.data[0] = 0xbf;
	f.payload.data[f.payload.len++] = 0xff;
	nitro_fixture_sign(&f);
	fuzz_seed(f.document.data, f.document.len);
	cbor_put(&answer, CBOR_MAP, 1);
	cbor_put_text(&answer, "Attestation");
	cbor_put(&answer, CBOR_MAP, 1);
	cbor_put_text(&answer, "document");
	cbor_put_bytes(&answer, CBOR_BYTES, f.document.data, f.document.len);
	fuzz_seed(answer.data, answer.len);
	nitro_fixture_free(&f);
}
