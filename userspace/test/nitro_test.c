// SPDX-License-Identifier: MIT
/*
 * Documents of Nitro are genuine as far as AWS's chain goes, or refused
 *
 * Copyright The dstack for Linux authors
 *
 * Reads $DSTACK_VECTORS/nitro and, of dstack, the documents within.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>

#include "nitro_fixture.h"
#include "vectors.h"

#define CONTAINER	4	/* bytes before real documents */
#define OK_TIME		1766668537	/* 2025-12-25T13:15:37Z */
#define DSTACK_TIME	1766678659	/* 2025-12-25T16:04:19Z */

static struct nitro_fixture f;
static struct libdstack_nitro_verdict v;

static int verify_at(time_t now)
{
	return libdstack_nitro_verify(f.document.data, f.document.len,
				      f.root_der, f.root_len, now, &v);
}

static void accepted(void)
{
	int err = verify_at(PKI_NOW);

	if (err)
		fail_msg("%s: %s", v.failure.step, v.failure.text);
	assert_string_equal(v.failure.step, "");
}

static void refused(int err, enum libdstack_reason reason, const char *step)
{
	assert_int_equal(verify_at(PKI_NOW), err);
	assert_int_equal(v.failure.reason, reason);
	assert_string_equal(v.failure.step, step);
	assert_string_not_equal(v.failure.text, "");
}

static void malformed(void)
{
	refused(-EBADMSG, LIBDSTACK_REASON_MALFORMED, "document format");
}

static void document_says_what_it_says(void **state)
{
	(void)state;
	nitro_fixture_make(&f);
	accepted();
	assert_string_equal(v.document.module_id, "i-0-enc0");
	assert_int_equal(v.document.timestamp, PKI_NOW * 1000ULL);
	assert_int_equal(v.document.pcrs, 0xf);
	assert_int_equal(v.document.pcr[3][47], 4);
	assert_int_equal(v.document.nonce.len, 5);
	assert_memory_equal(v.document.nonce.data, "nonce", 5);
	assert_non_null(v.document.user_data.data);
	assert_int_equal(v.document.user_data.len, 0);
	assert_null(v.document.public_key.data);
	assert_false(v.document.tpm);
	assert_int_equal(v.earliest_expiry, PKI_NOW + 9 * PKI_DAY);
}

static void tagged_document_is_the_same(void **state)
{
	(void)state;
	nitro_fixture_make(&f);
	memmove(f.document.data + 1, f.document.data, f.document.len++);
	f.document.data[0] = 0xd2;
	accepted();
	f.document.data[0] = 0xd3;
	malformed();
}

/* What AWS's own library writes. */
static void map_may_end_with_a_break(void **state)
{
	(void)state;
	nitro_fixture_make(&f);
	f.payload.data[0] = 0xbf;
	f.payload.data[f.payload.len++] = 0xff;
	nitro_fixture_sign(&f);
	accepted();
	f.payload.len--;
	nitro_fixture_sign(&f);
	malformed();
}

static void document_of_a_nitro_tpm_is_told_apart(void **state)
{
	(void)state;
	nitro_fixture_make(&f);
	f.payload.len = 0;
	cbor_put(&f.payload, CBOR_MAP, 6);
	nitro_put_rest(&f);
	nitro_put_pcrs(&f.payload, "nitrotpm_pcrs");
	nitro_fixture_sign(&f);
	accepted();
	assert_true(v.document.tpm);
}

/* Begins a payload with @pairs, of which these are the rest. */
static void begin(int pairs)
{
	f.payload.len = 0;
	cbor_put(&f.payload, CBOR_MAP, pairs);
	nitro_put_rest(&f);
}

static void malformed_though_signed(void)
{
	nitro_fixture_sign(&f);
	malformed();
}

static void fields_must_be_known_and_there_once(void **state)
{
	(void)state;
	nitro_fixture_make(&f);
	begin(5);				/* no registers */
	malformed_though_signed();
	begin(7);				/* registers twice */
	nitro_put_pcrs(&f.payload, "pcrs");
	nitro_put_pcrs(&f.payload, "nitrotpm_pcrs");
	malformed_though_signed();
	begin(7);
	nitro_put_pcrs(&f.payload, "pcrs");
	cbor_put_text(&f.payload, "digest");
	cbor_put_text(&f.payload, "SHA384");
	malformed_though_signed();
	begin(7);				/* one that nobody knows */
	nitro_put_pcrs(&f.payload, "pcrs");
	cbor_put_text(&f.payload, "digests");
	cbor_put_text(&f.payload, "SHA384");
	nitro_fixture_sign(&f);
	refused(-EOPNOTSUPP, LIBDSTACK_REASON_UNSUPPORTED, "document format");
	begin(6);				/* more after the end */
	nitro_put_pcrs(&f.payload, "pcrs");
	cbor_put(&f.payload, CBOR_UINT, 0);
	malformed_though_signed();
}

/* The registers of the payload that begin() began. */
static void put_pcr(uint64_t index, size_t size)
{
	static const uint8_t zero[64];

	cbor_put(&f.payload, CBOR_UINT, index);
	cbor_put_bytes(&f.payload, CBOR_BYTES, zero, size);
}

static void registers_have_their_size_and_are_there_once(void **state)
{
	(void)state;
	nitro_fixture_make(&f);
	begin(6);
	cbor_put_text(&f.payload, "pcrs");
	cbor_put(&f.payload, CBOR_MAP, 1);
	put_pcr(31, 48);
	nitro_fixture_sign(&f);
	accepted();
	begin(6);
	cbor_put_text(&f.payload, "pcrs");
	cbor_put(&f.payload, CBOR_MAP, 1);
	put_pcr(32, 48);
	malformed_though_signed();
	begin(6);
	cbor_put_text(&f.payload, "pcrs");
	cbor_put(&f.payload, CBOR_MAP, 1);
	put_pcr(0, 32);
	malformed_though_signed();
	begin(6);
	cbor_put_text(&f.payload, "pcrs");
	cbor_put(&f.payload, CBOR_MAP, 2);
	put_pcr(0, 48);
	put_pcr(0, 48);
	malformed_though_signed();
}

static void other_algorithms_and_headers_are_rejected(void **state)
{
	(void)state;
	nitro_fixture_make(&f);
	f.document.data[5]++;			/* -36 is ES512 */
	refused(-EOPNOTSUPP, LIBDSTACK_REASON_UNSUPPORTED, "document format");
	/* A second header, that nobody signs. */
	nitro_fixture_make(&f);
	memmove(f.document.data + 9, f.document.data + 7, f.document.len - 7);
	f.document.len += 2;
	memcpy(f.document.data + 6, "\xa1\4\4", 3);
	malformed();
}

static void document_cut_off_anywhere_is_rejected(void **state)
{
	uint8_t *copy;
	size_t len;

	(void)state;
	nitro_fixture_make(&f);
	for (len = 0; len < f.document.len; len++) {
		copy = malloc(len ? len : 1);
		assert_non_null(copy);
		memcpy(copy, f.document.data, len);
		assert_int_equal(libdstack_nitro_verify(copy, len, f.root_der,
							f.root_len, PKI_NOW,
							&v), -EBADMSG);
		free(copy);
	}
	f.document.data[f.document.len++] = 0;
	malformed();
}

static void flipped_bit_anywhere_is_rejected(void **state)
{
	size_t i;

	(void)state;
	nitro_fixture_make(&f);
	for (i = 0; i < f.document.len; i++) {
		f.document.data[i] ^= 1 << i % 8;
		if (!verify_at(PKI_NOW))
			fail_msg("a flip in byte %zu was accepted", i);
		f.document.data[i] ^= 1 << i % 8;
	}
	accepted();
}

static void roots_and_links_are_checked(void **state)
{
	uint8_t *der;
	size_t len;

	(void)state;
	nitro_fixture_make(&f);
	assert_int_equal(libdstack_nitro_verify(f.document.data, f.document.len,
						NULL, 0, PKI_NOW, &v),
			 -EKEYREJECTED);
	assert_int_equal(v.failure.reason, LIBDSTACK_REASON_ROOT);
	assert_int_equal(libdstack_nitro_verify(f.document.data, f.document.len,
						"", 0, PKI_NOW, &v), -EBADMSG);
	assert_string_equal(v.failure.step, "trusted root");
	/* Not the root, though it issued the leaf. */
	len = pki_der(f.ca, &der);
	assert_int_equal(libdstack_nitro_verify(f.document.data, f.document.len,
						der, len, PKI_NOW, &v),
			 -EKEYREJECTED);
	assert_int_equal(v.failure.reason, LIBDSTACK_REASON_CHAIN);
	OPENSSL_free(der);
	nitro_fixture_certs(&f, true);
	nitro_fixture_payload(&f);
	nitro_fixture_sign(&f);
	refused(-EKEYREJECTED, LIBDSTACK_REASON_CHAIN, "certificate chain");
}

static void certificates_hold_for_their_time_only(void **state)
{
	(void)state;
	nitro_fixture_make(&f);
	assert_int_equal(verify_at(PKI_NOW + 10 * PKI_DAY), -EKEYEXPIRED);
	assert_int_equal(v.failure.reason, LIBDSTACK_REASON_EXPIRED);
	assert_int_equal(verify_at(PKI_NOW - 10 * PKI_DAY), -EKEYEXPIRED);
	assert_int_equal(v.failure.reason, LIBDSTACK_REASON_EARLY);
}

static void attack_47_bombs_are_rejected(void **state)
{
	static uint8_t big[LIBDSTACK_NITRO_DOCUMENT_MAX + 1];
	int i;

	(void)state;
	nitro_fixture_make(&f);
	memcpy(big, f.document.data, f.document.len);
	assert_int_equal(libdstack_nitro_verify(big, sizeof(big), NULL, 0,
						PKI_NOW, &v), -EBADMSG);
	/* Arrays in arrays, as deep as it goes. */
	memset(big, 0x81, sizeof(big));
	assert_int_equal(libdstack_nitro_verify(big, sizeof(big) - 1, NULL, 0,
						PKI_NOW, &v), -EBADMSG);
	/* More registers, pairs and certificates than memory. */
	begin(6);
	cbor_put_text(&f.payload, "pcrs");
	cbor_put(&f.payload, CBOR_MAP, UINT64_MAX - 1);
	malformed_though_signed();
	f.payload.len = 0;
	cbor_put(&f.payload, CBOR_MAP, UINT64_MAX - 1);
	malformed_though_signed();
	f.payload.len = 0;
	cbor_put(&f.payload, CBOR_MAP, 1);
	cbor_put_text(&f.payload, "cabundle");
	cbor_put(&f.payload, CBOR_ARRAY, 20);
	for (i = 0; i < 20; i++)
		cbor_put_bytes(&f.payload, CBOR_BYTES, f.root_der, f.root_len);
	malformed_though_signed();
	f.payload.len = 0;
	cbor_put(&f.payload, CBOR_MAP, 1);
	cbor_put_text(&f.payload, "nonce");
	cbor_put(&f.payload, CBOR_BYTES, UINT64_MAX);
	malformed_though_signed();
}

static void device_answers_with_the_document(void **state)
{
	static struct nitro_cbor answer;
	struct libdstack_failure why;
	const void *document;
	size_t len, i;

	(void)state;
	nitro_fixture_make(&f);
	answer.len = 0;
	cbor_put(&answer, CBOR_MAP, 1);
	cbor_put_text(&answer, "Attestation");
	cbor_put(&answer, CBOR_MAP, 1);
	cbor_put_text(&answer, "document");
	cbor_put_bytes(&answer, CBOR_BYTES, f.document.data, f.document.len);
	assert_int_equal(libdstack_nitro_unwrap(answer.data, answer.len,
						&document, &len, &why), 0);
	assert_int_equal(len, f.document.len);
	assert_memory_equal(document, f.document.data, len);
	for (i = 0; i < answer.len; i++)
		assert_int_equal(libdstack_nitro_unwrap(answer.data, i,
							&document, &len, &why),
				 -EBADMSG);
	answer.len = 0;
	cbor_put(&answer, CBOR_MAP, 1);
	cbor_put_text(&answer, "Error");
	cbor_put_text(&answer, "InvalidOperation");
	assert_int_equal(libdstack_nitro_unwrap(answer.data, answer.len,
						&document, &len, &why),
			 -EBADMSG);
}

static void policy_refuses(const struct libdstack_nitro_policy *policy)
{
	struct libdstack_failure why;

	assert_int_equal(libdstack_nitro_check(&v.document, policy, PKI_NOW,
					       &why), -EKEYREJECTED);
	assert_int_equal(why.reason, LIBDSTACK_REASON_POLICY);
	assert_string_equal(why.step, "policy");
}

static void policy_accepts(const struct libdstack_nitro_policy *policy)
{
	struct libdstack_failure why;

	assert_int_equal(libdstack_nitro_check(&v.document, policy, PKI_NOW,
					       &why), 0);
	assert_string_equal(why.step, "");
}

static void policy_refuses_what_was_not_allowed(void **state)
{
	struct libdstack_nitro_policy policy = { .allow_debug = false };

	(void)state;
	nitro_fixture_make(&f);
	accepted();
	policy_accepts(&policy);
	memset(v.document.pcr[2], 0, sizeof(v.document.pcr[2]));
	policy_refuses(&policy);
	policy.allow_debug = true;
	policy_accepts(&policy);
	policy.allow_debug = false;
	v.document.pcr[2][0] = 1;
	v.document.pcrs &= ~1U;
	policy_refuses(&policy);
	v.document.pcrs |= 1;
	policy.tpm = true;
	policy_refuses(&policy);
	v.document.tpm = true;
	policy_accepts(&policy);
	policy.tpm = false;
	policy_refuses(&policy);
}

static void policy_compares_what_it_was_given(void **state)
{
	struct libdstack_nitro_policy policy = { .max_age = 1 };
	uint8_t pcr[48];

	(void)state;
	nitro_fixture_make(&f);
	accepted();
	policy_accepts(&policy);
	v.document.timestamp -= 2000;
	policy_refuses(&policy);
	v.document.timestamp += 3000;
	policy_refuses(&policy);
	v.document.timestamp -= 1000;
	memset(pcr, 4, sizeof(pcr));
	policy.pcr[3] = pcr;
	policy_accepts(&policy);
	pcr[47] = 0;
	policy_refuses(&policy);
	policy.pcr[3] = NULL;
	policy.pcr[4] = v.document.pcr[4];	/* zeros, but not said so */
	policy_refuses(&policy);
	policy.pcr[4] = NULL;
	policy.user_data.data = (const uint8_t *)"";
	policy_accepts(&policy);
	policy.public_key.data = (const uint8_t *)"";
	policy_refuses(&policy);
}

static void attack_48_document_of_another_nonce_rejected(void **state)
{
	struct libdstack_nitro_policy policy = { .allow_debug = false };

	(void)state;
	nitro_fixture_make(&f);
	accepted();
	policy.nonce.data = (const uint8_t *)"nonce";
	policy.nonce.len = 5;
	policy_accepts(&policy);
	policy.nonce.len = 4;
	policy_refuses(&policy);
	policy.nonce.data = (const uint8_t *)"Nonce";
	policy.nonce.len = 5;
	policy_refuses(&policy);
}

/* The document in a container of dstack's, whose length is a compact one. */
static int verify_vector(const char *name, size_t skip_bytes, time_t now)
{
	static struct vector file;
	size_t len;

	free(file.data);	/* the last verdict pointed into it */
	file = vector_load(name);
	len = file.len;
	if (skip_bytes)
		len = ((uint8_t)file.data[2] | (uint8_t)file.data[3] << 8) >> 2;
	assert_true(skip_bytes + len <= file.len);
	return libdstack_nitro_verify(file.data + skip_bytes, len, NULL, 0,
				      now, &v);
}

static void real_documents_are_genuine_at_their_time(void **state)
{
	struct libdstack_nitro_policy policy = { .allow_debug = false };

	(void)state;
	assert_int_equal(verify_vector("nitro/nsm-ok.bin", CONTAINER, OK_TIME),
			 0);
	assert_int_equal(v.document.timestamp / 1000, OK_TIME);
	policy_accepts(&policy);
	assert_int_equal(verify_vector("nitro/nsm-ok.bin", CONTAINER,
				       OK_TIME + 3 * 3600 + 1), -EKEYEXPIRED);
	assert_int_equal(v.failure.reason, LIBDSTACK_REASON_EXPIRED);
	assert_int_equal(verify_vector("nitro/nsm-ok.bin", CONTAINER,
				       OK_TIME - 4), -EKEYEXPIRED);
	assert_int_equal(v.failure.reason, LIBDSTACK_REASON_EARLY);
	assert_int_equal(verify_vector("dstack/nitro_attestation.bin",
				       CONTAINER, DSTACK_TIME), 0);
	assert_int_equal(v.document.timestamp / 1000, DSTACK_TIME);
	policy_accepts(&policy);
}

static void real_document_of_a_debugged_enclave_fails(void **state)
{
	struct libdstack_nitro_policy policy = { .allow_debug = false };

	(void)state;
	verify_vector("dstack/nitro_attestation_dbg.bin", CONTAINER, 0);
	assert_int_equal(verify_vector("dstack/nitro_attestation_dbg.bin",
				       CONTAINER,
				       v.document.timestamp / 1000), 0);
	policy_refuses(&policy);
	policy.allow_debug = true;
	policy_accepts(&policy);
}

static void real_document_with_a_bad_signature_fails(void **state)
{
	(void)state;
	verify_vector("nitro/bad-sig.cbor", 0, 0);
	assert_int_equal(verify_vector("nitro/bad-sig.cbor", 0,
				       v.document.timestamp / 1000),
			 -EKEYREJECTED);
	assert_int_equal(v.failure.reason, LIBDSTACK_REASON_SIGNATURE);
	assert_string_equal(v.failure.step, "document signature");
}

static int drop_fixture(void **state)
{
	(void)state;
	nitro_fixture_free(&f);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(document_says_what_it_says),
		cmocka_unit_test(tagged_document_is_the_same),
		cmocka_unit_test(map_may_end_with_a_break),
		cmocka_unit_test(document_of_a_nitro_tpm_is_told_apart),
		cmocka_unit_test(fields_must_be_known_and_there_once),
		cmocka_unit_test(registers_have_their_size_and_are_there_once),
		cmocka_unit_test(other_algorithms_and_headers_are_rejected),
		cmocka_unit_test(document_cut_off_anywhere_is_rejected),
		cmocka_unit_test(flipped_bit_anywhere_is_rejected),
		cmocka_unit_test(roots_and_links_are_checked),
		cmocka_unit_test(certificates_hold_for_their_time_only),
		cmocka_unit_test(attack_47_bombs_are_rejected),
		cmocka_unit_test(device_answers_with_the_document),
		cmocka_unit_test(policy_refuses_what_was_not_allowed),
		cmocka_unit_test(policy_compares_what_it_was_given),
		cmocka_unit_test(attack_48_document_of_another_nonce_rejected),
		cmocka_unit_test(real_documents_are_genuine_at_their_time),
		cmocka_unit_test(real_document_of_a_debugged_enclave_fails),
		cmocka_unit_test(real_document_with_a_bad_signature_fails),
	};

	return cmocka_run_group_tests(tests, NULL, drop_fixture);
}
