// SPDX-License-Identifier: MIT
/*
 * Requests for certificates: upstream's bytes, and who signed them
 *
 * Copyright The dstack for Linux authors
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>

#include "ratls_fixture.h"

static struct libdstack_csr csr;
static struct libdstack_failure failure;

/* The zeros of an empty container follow. */
static size_t vector(const char *hex, size_t zeros, uint8_t *out)
{
	size_t len = strlen(hex) / 2;

	assert_true(libdstack_from_hex(hex, 2 * len, out, len));
	memset(out + len, 0, zeros);
	return len + zeros;
}

static void assert_text(const struct libdstack_span *span, const char *text)
{
	assert_int_equal(span->len, strlen(text));
	assert_memory_equal(span->data, text, span->len);
}

static void assert_encodes_to(const uint8_t *want, size_t want_len)
{
	uint8_t *data;
	size_t len;

	assert_int_equal(libdstack_csr_encode(&csr, &data, &len), 0);
	assert_int_equal(len, want_len);
	assert_memory_equal(data, want, len);
	free(data);
}

#define HEAD \
	"44706c65617365207369676e20636572743a0c0102030040746573742e6578616d706c652e636f6d"

static void requests_are_written_as_upstream_does(void **state)
{
	struct libdstack_attestation *a;
	uint8_t data[256];
	size_t len;

	(void)state;
	len = vector(HEAD "00010000000000", 70, data);
	assert_int_equal(len, 117);
	assert_int_equal(libdstack_csr_parse(data, len, 2, &csr, &failure), 0);
	assert_text(&csr.pubkey, "\x01\x02\x03");
	assert_text(&csr.subject, "test.example.com");
	assert_false(csr.have_org_name);
	assert_int_equal(csr.nr_alt_names, 0);
	assert_true(csr.server);
	assert_false(csr.client || csr.ext_quote || csr.ext_app_info);
	assert_false(csr.have_not_before || csr.have_not_after);
	assert_int_equal(csr.attestation.len, 70);
	assert_encodes_to(data, len);
	assert_int_equal(libdstack_attestation_parse(csr.attestation.data,
						     csr.attestation.len, &a,
						     &failure), 0);
	libdstack_attestation_free(a);
	len = vector(HEAD "0001000100000000000409", 67, data);
	assert_int_equal(len, 118);
	assert_int_equal(libdstack_csr_parse(data, len, 2, &csr, &failure), 0);
	assert_true(csr.ext_quote);
	assert_encodes_to(data, len);
}

static void every_field_comes_back(void **state)
{
	uint8_t *data, *again;
	size_t len, again_len;
	uint32_t version;

	(void)state;
	for (version = 1; version <= 2; version++) {
		csr = (struct libdstack_csr){
			.version = version, .have_org_name = true,
			.org_name = { (const uint8_t *)"org", 3 },
			.subject = { (const uint8_t *)"subject", 7 },
			.pubkey = { (const uint8_t *)"key", 3 },
			.alt_names = { { (const uint8_t *)"a", 1 },
				       { (const uint8_t *)"b", 1 } },
			.nr_alt_names = 2, .client = true,
			.ext_app_info = version == 2,
			.have_not_before = version == 2, .not_before = 5,
			.have_not_after = version == 2, .not_after = 1ULL << 40,
			.attestation = { (const uint8_t *)"evidence", 8 },
			.quote = { (const uint8_t *)"quote", 5 },
			.event_log = { (const uint8_t *)"[]", 2 },
		};
		assert_int_equal(libdstack_csr_encode(&csr, &data, &len), 0);
		assert_int_equal(libdstack_csr_parse(data, len, version, &csr,
						     &failure), 0);
		assert_text(&csr.org_name, "org");
		assert_text(&csr.alt_names[1], "b");
		assert_int_equal(csr.not_after, version == 2 ? 1ULL << 40 : 0);
		assert_text(version == 2 ? &csr.attestation : &csr.quote,
			    version == 2 ? "evidence" : "quote");
		assert_int_equal(libdstack_csr_encode(&csr, &again, &again_len),
				 0);
		assert_int_equal(again_len, len);
		assert_memory_equal(data, again, len);
		free(again);
		free(data);
	}
	csr.version = 3;
	assert_int_equal(libdstack_csr_encode(&csr, &data, &len), -EINVAL);
	assert_int_equal(libdstack_csr_parse("", 0, 3, &csr, &failure),
			 -EOPNOTSUPP);
}

static void request_cut_off_anywhere_is_refused(void **state)
{
	uint8_t data[256], *copy;
	size_t len, cut;

	(void)state;
	len = vector(HEAD "00010000000000", 0, data);
	for (cut = 0; cut < len; cut++) {
		copy = malloc(cut ? cut : 1);
		memcpy(copy, data, cut);
		assert_int_equal(libdstack_csr_parse(copy, cut, 2, &csr,
						     &failure), -EBADMSG);
		free(copy);
	}
	data[1] ^= 1;
	assert_int_equal(libdstack_csr_parse(data, len, 2, &csr, &failure),
			 -EBADMSG);
}

/*
 * Signed requests
 */

static struct libdstack_peer peer;

struct request {
	uint8_t *data, *signature;
	size_t len, signature_len;
	uint32_t version;
};

static struct request make_request(const struct guest *guest, EVP_PKEY *signer,
				   uint32_t version)
{
	static struct container c;
	struct request r = { .version = version };
	uint8_t report_data[64], *spki = NULL;
	char *log = make_log(guest);

	assert_int_equal(libdstack_ratls_report_data(guest->key, report_data),
			 0);
	make_evidence(guest, report_data, &c);
	csr = (struct libdstack_csr){
		.version = version, .subject = { (const uint8_t *)"a", 1 },
		.attestation = { c.data, c.len }, .quote = { f.data, f.len },
		.event_log = { (uint8_t *)log, strlen(log) },
	};
	csr.pubkey.len = i2d_PUBKEY(guest->key, &spki);
	csr.pubkey.data = spki;
	assert_int_equal(libdstack_csr_encode(&csr, &r.data, &r.len), 0);
	assert_int_equal(libdstack_csr_sign(signer, r.data, r.len, &r.signature,
					    &r.signature_len), 0);
	OPENSSL_free(spki);
	free(log);
	return r;
}

static int verify(const struct request *r)
{
	int err = libdstack_csr_verify(r->data, r->len, r->version,
				       r->signature, r->signature_len, &trust,
				       time(NULL), &csr, &peer, &failure);

	libdstack_peer_clear(&peer);
	assert_true(!err == !failure.reason);
	return err;
}

static void drop(struct request *r)
{
	free(r->data);
	free(r->signature);
}

static void request_of_a_guest_is_accepted(void **state)
{
	struct request r;
	uint32_t version;

	(void)state;
	need_guests();
	for (version = 1; version <= 2; version++) {
		r = make_request(&alice, alice.key, version);
		if (verify(&r))
			fail_msg("%s: %s", failure.step, failure.text);
		assert_string_equal(accepted, alice.instance);
		trust.accept = NULL;
		assert_int_equal(verify(&r), -EKEYREJECTED);
		trust.accept = accept_app;
		drop(&r);
	}
}

/* Attack 68: another key signs, or another key is in it. */
static void attack_68_request_for_another_key_is_refused(void **state)
{
	struct guest mallory = { bob.key, alice.instance };
	struct request r;
	uint8_t *key;

	(void)state;
	need_guests();
	mallory.key = bob.key;
	r = make_request(&alice, bob.key, 2);
	assert_int_equal(verify(&r), -EKEYREJECTED);
	assert_int_equal(failure.reason, LIBDSTACK_REASON_SIGNATURE);
	drop(&r);
	/* Evidence for alice's key, in a request that bob's key signs. */
	r = make_request(&alice, alice.key, 2);
	assert_int_equal(libdstack_csr_parse(r.data, r.len, 2, &csr, &failure),
			 0);
	key = (uint8_t *)csr.pubkey.data;
	i2d_PUBKEY(mallory.key, &key);
	free(r.signature);
	assert_int_equal(libdstack_csr_sign(mallory.key, r.data, r.len,
					    &r.signature, &r.signature_len), 0);
	assert_int_equal(verify(&r), -EKEYREJECTED);
	assert_string_equal(failure.step, "report data");
	r.signature[r.signature_len - 1] ^= 1;
	assert_int_equal(verify(&r), -EKEYREJECTED);
	assert_string_equal(failure.step, "certificate request");
	drop(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(requests_are_written_as_upstream_does),
		cmocka_unit_test(every_field_comes_back),
		cmocka_unit_test(request_cut_off_anywhere_is_refused),
		cmocka_unit_test(request_of_a_guest_is_accepted),
		cmocka_unit_test(attack_68_request_for_another_key_is_refused),
	};

	return cmocka_run_group_tests_name("csr", tests, NULL,
					   guests_teardown);
}
