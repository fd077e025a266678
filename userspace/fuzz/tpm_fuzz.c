// SPDX-License-Identifier: MIT
/*
 * Quotes of TPMs, their signatures and keys
 *
 * Copyright The dstack for Linux authors
 *
 * The first byte says how many bytes of the rest are the quote's, by eights.
 */
#include "fuzz.h"

#include <stdlib.h>

#define assert_true(ok)		must(ok)
#define assert_non_null(p)	must(p)

#include "../test/tpm_fixture.h"
#include "tpm/tpm.h"

static void check_key(const uint8_t *data, size_t len)
{
	struct libdstack_failure failure;
	struct libdstack_tpm_key *key;

	must(!libdstack_tpm_key_from_public(data, len, &key, &failure) ==
	     !*failure.text);
	libdstack_tpm_key_free(key);
	libdstack_tpm_key_from_spki(data, len, &key, &failure);
	libdstack_tpm_key_free(key);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static struct libdstack_tpm_verdict v;
	struct tpm_signature signature;
	uint8_t *message, *rest;
	size_t size;

	if (!len)
		return 0;
	size = *data * 8 < (int)len - 1 ? *data * 8 : (int)len - 1;
	message = fuzz_copy(data + 1, size);
	rest = fuzz_copy(data + 1 + size, len - 1 - size);
	if (!libdstack_tpm_message_parse(message, size, &v))
		must(v.nonce_len <= sizeof(v.nonce) &&
		     v.nr_banks <= LIBDSTACK_TPM_BANKS_MAX);
	if (!tpm_signature_parse(rest, len - 1 - size, 256, &signature,
				 &v.failure))
		must(signature.len * (signature.ecdsa ? 2 : 1) <=
		     sizeof(signature.data));
	check_key(rest, len - 1 - size);
	free(message);
	free(rest);
	return 0;
}

static void seed(const struct tpm_fixture *f, const void *rest, size_t len)
{
	uint8_t out[1 + 2 * TPM_FIXTURE_MAX] = { 0 };
	size_t padded = (f->quote.message_len + 7) / 8 * 8;

	out[0] = padded / 8;
	memcpy(out + 1, f->message, f->quote.message_len);
	memcpy(out + 1 + padded, rest, len);
	fuzz_seed(out, 1 + padded + len);
	memcpy(out + 1 + f->quote.message_len, rest, len);
	fuzz_seed(out, 1 + f->quote.message_len + len);
}

void fuzz_seeds(void)
{
	static struct tpm_fixture f;
	uint8_t public[TPM_FIXTURE_MAX];
	size_t len;

	tpm_fixture_make(&f);
	seed(&f, f.signature, f.quote.signature_len);
	len = tpm_public(f.rsa, TPMA_OBJECT_RESTRICTED, public);
	seed(&f, public, len);
	len = tpm_public(f.ec, TPMA_OBJECT_RESTRICTED, public);
	seed(&f, public, len);
	tpm_fixture_sign_ec(&f);
	seed(&f, f.signature, f.quote.signature_len);
	tpm_fixture_free(&f);
}
