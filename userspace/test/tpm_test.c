// SPDX-License-Identifier: MIT
/*
 * Quotes of TPMs are of the key that is believed, or refused
 *
 * Copyright The dstack for Linux authors
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "tcg_fixture.h"
#include "tpm_fixture.h"

#define AK	(TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT | \
		 TPMA_OBJECT_SENSITIVEDATAORIGIN | TPMA_OBJECT_RESTRICTED | \
		 TPMA_OBJECT_SIGN_ENCRYPT)

static struct tpm_fixture f;
static struct libdstack_tpm_verdict v;
static struct libdstack_tpm_key *rsa, *ec;
static struct libdstack_failure why;

static struct libdstack_tpm_key *spki_key(EVP_PKEY *pkey)
{
	struct libdstack_tpm_key *key;
	uint8_t *der = NULL;
	int len = i2d_PUBKEY(pkey, &der);

	assert_int_equal(libdstack_tpm_key_from_spki(der, len, &key, &why), 0);
	OPENSSL_free(der);
	return key;
}

static void make(void)
{
	tpm_fixture_make(&f);
	if (rsa)
		return;
	rsa = spki_key(f.rsa);
	ec = spki_key(f.ec);
}

static int verify(void)
{
	return libdstack_tpm_quote_verify(&f.quote, rsa, &v);
}

static void accepted(void)
{
	if (verify())
		fail_msg("%s: %s", v.failure.step, v.failure.text);
	assert_string_equal(v.failure.step, "");
}

static void refused(int err, enum libdstack_reason reason, const char *step)
{
	assert_int_equal(verify(), err);
	assert_int_equal(v.failure.reason, reason);
	assert_string_equal(v.failure.step, step);
	assert_string_not_equal(v.failure.text, "");
	assert_false(v.pcrs_proven);
}

/* Signs again what was changed. */
static void refused_though_signed(int err, enum libdstack_reason reason,
				  const char *step)
{
	tpm_fixture_sign_rsa(&f, TPM2_ALG_SHA256, "SHA256");
	refused(err, reason, step);
}

static void quote_says_what_it_says(void **state)
{
	(void)state;
	make();
	accepted();
	assert_int_equal(v.nonce_len, 5);
	assert_memory_equal(v.nonce, "nonce", 5);
	assert_int_equal(v.resets, 6);
	assert_true(v.clock_is_safe);
	assert_true(v.pcrs_proven);
	assert_int_equal(v.nr_banks, 1);
	assert_int_equal(v.bank[0].alg, LIBDSTACK_TCG_SHA256);
	assert_int_equal(v.bank[0].mask, 7);
	assert_int_equal(v.bank[0].value[2][31], 3);
}

static void signature_has_three_forms(void **state)
{
	(void)state;
	make();
	f.quote.signature = f.signature + 6;	/* RSASSA alone */
	f.quote.signature_len -= 6;
	accepted();
	tpm_fixture_sign_ec(&f);
	assert_int_equal(libdstack_tpm_quote_verify(&f.quote, ec, &v), 0);
	assert_true(v.pcrs_proven);
	/* And the key of one does not do for another. */
	refused(-EKEYREJECTED, LIBDSTACK_REASON_SIGNATURE, "quote signature");
	tpm_fixture_sign_rsa(&f, TPM2_ALG_SHA256, "SHA256");
	assert_int_equal(libdstack_tpm_quote_verify(&f.quote, ec, &v),
			 -EKEYREJECTED);
}

static void weak_hash_and_other_schemes_are_rejected(void **state)
{
	(void)state;
	make();
	tpm_fixture_sign_rsa(&f, TPM2_ALG_SHA1, "SHA1");
	refused(-EOPNOTSUPP, LIBDSTACK_REASON_UNSUPPORTED, "signature format");
	make();
	f.signature[1] = TPM2_ALG_RSAPSS;
	refused(-EOPNOTSUPP, LIBDSTACK_REASON_UNSUPPORTED, "signature format");
	/* The registers' digest has the hash of the signature. */
	make();
	tpm_fixture_sign_rsa(&f, TPM2_ALG_SHA384, "SHA384");
	refused(-EKEYREJECTED, LIBDSTACK_REASON_MISMATCH, "registers");
	f.quote.nr_banks = 0;
	accepted();
	assert_false(v.pcrs_proven);
}

static void other_messages_are_no_quotes(void **state)
{
	(void)state;
	make();
	f.message[0] ^= 1;
	refused(-EOPNOTSUPP, LIBDSTACK_REASON_UNSUPPORTED, "quote format");
	make();
	f.message[5] = 0x17;	/* a certified key */
	refused(-EOPNOTSUPP, LIBDSTACK_REASON_UNSUPPORTED, "quote format");
	make();
	f.quote.message_len++;
	refused(-EBADMSG, LIBDSTACK_REASON_MALFORMED, "quote format");
	make();
	f.quote.signature_len++;
	refused(-EBADMSG, LIBDSTACK_REASON_MALFORMED, "signature format");
}

/* What @run prints to stderr: nothing. */
static void prints_nothing(void (*run)(void))
{
	char path[] = "/tmp/tpm_test.XXXXXX";
	int file = mkstemp(path), old = dup(STDERR_FILENO);
	off_t size;

	assert_true(file >= 0 && old >= 0);
	unlink(path);
	fflush(stderr);
	dup2(file, STDERR_FILENO);
	run();
	fflush(stderr);
	dup2(old, STDERR_FILENO);
	close(old);
	size = lseek(file, 0, SEEK_END);
	close(file);
	assert_int_equal(size, 0);
}

static void flip_each(uint8_t *data, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++) {
		data[i] ^= 1 << i % 8;
		if (!verify())
			fail_msg("a flip in byte %zu was accepted", i);
		data[i] ^= 1 << i % 8;
	}
}

static void flip_all(void)
{
	flip_each(f.message, f.quote.message_len);
	flip_each(f.signature, f.quote.signature_len);
}

static void flipped_bit_anywhere_is_rejected(void **state)
{
	(void)state;
	make();
	prints_nothing(flip_all);
	accepted();
}

static void cut_all(void)
{
	struct libdstack_tpm_quote q = f.quote;
	uint8_t *copy;
	size_t len;

	for (len = 0; len < f.quote.message_len; len++) {
		copy = malloc(len ? len : 1);
		assert_non_null(copy);
		memcpy(copy, f.message, len);
		q.message = copy;
		q.message_len = len;
		assert_int_not_equal(libdstack_tpm_quote_verify(&q, rsa, &v),
				     0);
		free(copy);
	}
	q = f.quote;
	for (len = 0; len < f.quote.signature_len; len++) {
		copy = malloc(len ? len : 1);
		assert_non_null(copy);
		memcpy(copy, f.signature, len);
		q.signature = copy;
		q.signature_len = len;
		assert_int_not_equal(libdstack_tpm_quote_verify(&q, rsa, &v),
				     0);
		free(copy);
	}
}

static void quote_cut_off_anywhere_is_rejected(void **state)
{
	(void)state;
	make();
	prints_nothing(cut_all);
}

static void registers_must_be_those_that_were_quoted(void **state)
{
	struct libdstack_tpm_bank two[2];

	(void)state;
	make();
	f.bank.value[1][0] ^= 1;
	refused(-EKEYREJECTED, LIBDSTACK_REASON_MISMATCH, "registers");
	make();
	f.bank.mask = 3;
	refused(-EKEYREJECTED, LIBDSTACK_REASON_MISMATCH, "registers");
	f.bank.mask = 0xf;
	refused(-EKEYREJECTED, LIBDSTACK_REASON_MISMATCH, "registers");
	make();
	f.bank.alg = LIBDSTACK_TCG_SHA384;
	refused(-EKEYREJECTED, LIBDSTACK_REASON_MISMATCH, "registers");
	make();
	two[0] = f.bank;
	two[1] = f.bank;
	two[1].alg = LIBDSTACK_TCG_SHA384;
	f.quote.banks = two;
	f.quote.nr_banks = 2;
	refused(-EKEYREJECTED, LIBDSTACK_REASON_MISMATCH, "registers");
	f.quote.nr_banks = 0;
	accepted();
	assert_false(v.pcrs_proven);
	assert_int_equal(v.pcr_digest_len, 32);
}

static void attack_47_selections_that_lie_are_rejected(void **state)
{
	TPML_PCR_SELECTION *select = &f.attest.attested.quote.pcrSelect;
	int i;

	(void)state;
	make();			/* one bank twice */
	select->pcrSelections[1] = select->pcrSelections[0];
	select->count = 2;
	refused_though_signed(-EBADMSG, LIBDSTACK_REASON_MALFORMED,
			      "quote format");
	make();			/* more than 24 registers */
	select->pcrSelections[0].sizeofSelect = 4;
	refused_though_signed(-EBADMSG, LIBDSTACK_REASON_MALFORMED,
			      "quote format");
	make();			/* a bank that nobody knows */
	select->pcrSelections[0].hash = 0x77;
	refused_though_signed(-EOPNOTSUPP, LIBDSTACK_REASON_UNSUPPORTED,
			      "quote format");
	make();			/* more banks than there are */
	for (i = 0; i < 5; i++) {
		select->pcrSelections[i] = select->pcrSelections[0];
		select->pcrSelections[i].hash = i < 4 ?
			TPM2_ALG_SHA256 + i : TPM2_ALG_SHA1;
	}
	select->pcrSelections[3].hash = TPM2_ALG_SM3_256;
	select->count = 5;
	refused_though_signed(-EBADMSG, LIBDSTACK_REASON_MALFORMED,
			      "quote format");
	make();			/* lengths beyond the end */
	memset(f.message + 6, 0xff, 2);
	refused(-EBADMSG, LIBDSTACK_REASON_MALFORMED, "quote format");
	make();
	f.quote.message_len = LIBDSTACK_TPM_MESSAGE_MAX + 1;
	refused(-EBADMSG, LIBDSTACK_REASON_MALFORMED, "quote format");
	make();
	memset(f.signature + 4, 0xff, 2);
	refused(-EBADMSG, LIBDSTACK_REASON_MALFORMED, "signature format");
}

static int from_public(EVP_PKEY *pkey, uint32_t attributes)
{
	struct libdstack_tpm_key *key;
	uint8_t data[TPM_FIXTURE_MAX];
	size_t len = tpm_public(pkey, attributes, data);
	int err;

	err = libdstack_tpm_key_from_public(data, len, &key, &why);
	if (!err)
		assert_true(libdstack_tpm_key_equal(key, pkey == f.rsa ? rsa :
						    ec));
	else
		assert_string_equal(why.step, "attestation key");
	libdstack_tpm_key_free(key);
	return err;
}

static void key_must_sign_nothing_but_what_its_tpm_made(void **state)
{
	static const uint32_t bits[] = {
		TPMA_OBJECT_FIXEDTPM, TPMA_OBJECT_FIXEDPARENT,
		TPMA_OBJECT_SENSITIVEDATAORIGIN, TPMA_OBJECT_RESTRICTED,
		TPMA_OBJECT_SIGN_ENCRYPT
	};
	size_t i;

	(void)state;
	make();
	assert_int_equal(from_public(f.rsa, AK), 0);
	assert_int_equal(from_public(f.ec, AK | TPMA_OBJECT_USERWITHAUTH), 0);
	for (i = 0; i < sizeof(bits) / sizeof(bits[0]); i++) {
		assert_int_equal(from_public(f.rsa, AK & ~bits[i]),
				 -EKEYREJECTED);
		assert_int_equal(why.reason, LIBDSTACK_REASON_MISMATCH);
	}
	assert_int_equal(from_public(f.rsa, AK | TPMA_OBJECT_DECRYPT),
			 -EKEYREJECTED);
}

static uint8_t public_part[TPM_FIXTURE_MAX];
static size_t public_len;

static void change_public(void)
{
	struct libdstack_tpm_key *key;
	size_t i;

	for (i = 0; i < public_len; i++) {
		public_part[i] ^= 0xff;
		libdstack_tpm_key_from_public(public_part, public_len, &key,
					      &why);
		libdstack_tpm_key_free(key);
		public_part[i] ^= 0xff;
		assert_int_not_equal(libdstack_tpm_key_from_public(public_part,
								   i, &key,
								   &why), 0);
	}
}

static void malformed_public_part_is_rejected_silently(void **state)
{
	(void)state;
	make();
	public_len = tpm_public(f.rsa, AK, public_part);
	prints_nothing(change_public);
	public_len = tpm_public(f.ec, AK, public_part);
	prints_nothing(change_public);
}

static void weak_keys_are_rejected(void **state)
{
	EVP_PKEY *weak = EVP_RSA_gen(1024), *other = pki_ec_key("P-521");
	struct libdstack_tpm_key *key;
	uint8_t *der = NULL;
	int len;

	(void)state;
	make();
	assert_int_equal(from_public(weak, AK), -EOPNOTSUPP);
	len = i2d_PUBKEY(other, &der);
	assert_int_equal(libdstack_tpm_key_from_spki(der, len, &key, &why),
			 -EOPNOTSUPP);
	assert_int_equal(libdstack_tpm_key_from_spki(der, len - 1, &key, &why),
			 -EBADMSG);
	assert_string_equal(why.step, "attestation key");
	OPENSSL_free(der);
	EVP_PKEY_free(weak);
	EVP_PKEY_free(other);
}

/* A root, and a leaf for @key that is a CA itself if @ca. */
static void make_chain(uint8_t *der[2], struct libdstack_tpm_blob blob[2],
		       bool ca)
{
	struct pki_spec root = { .name = "root", .key = f.ec, .ca = true };
	struct pki_spec leaf = {
		.name = "ak", .key = f.rsa, .issuer_key = f.ec, .ca = ca,
	};
	X509 *cert[2];
	int i;

	cert[1] = pki_cert(&root);
	leaf.issuer = cert[1];
	cert[0] = pki_cert(&leaf);
	for (i = 0; i < 2; i++) {
		blob[i].len = pki_der(cert[i], &der[i]);
		blob[i].data = der[i];
		X509_free(cert[i]);
	}
}

static int from_chain(const struct libdstack_tpm_chain *chain, time_t now)
{
	struct libdstack_tpm_key *key;
	int err = libdstack_tpm_key_from_chain(chain, now, &key, &why);

	if (!err)
		assert_true(libdstack_tpm_key_equal(key, rsa));
	else
		assert_string_equal(why.step, "attestation key");
	libdstack_tpm_key_free(key);
	return err;
}

static void key_of_a_certificate_needs_the_root(void **state)
{
	struct libdstack_tpm_chain chain = { .nr_certs = 1 };
	struct libdstack_tpm_blob blob[2];
	uint8_t *der[2];

	(void)state;
	make();
	make_chain(der, blob, false);
	chain.certs = blob;
	chain.root = blob[1].data;
	chain.root_len = blob[1].len;
	assert_int_equal(from_chain(&chain, PKI_NOW), 0);
	assert_int_equal(from_chain(&chain, PKI_NOW + 10 * PKI_DAY),
			 -EKEYEXPIRED);
	chain.root_len--;
	assert_int_equal(from_chain(&chain, PKI_NOW), -EBADMSG);
	/* The leaf is not its own root. */
	chain.root = blob[0].data;
	chain.root_len = blob[0].len;
	assert_int_equal(from_chain(&chain, PKI_NOW), -EKEYREJECTED);
	chain.root = NULL;
	chain.nr_certs = 2;
	assert_int_equal(from_chain(&chain, PKI_NOW), -EKEYREJECTED);
	assert_int_equal(why.reason, LIBDSTACK_REASON_ROOT);
	chain.nr_certs = 0;
	assert_int_equal(from_chain(&chain, PKI_NOW), -EKEYREJECTED);
	OPENSSL_free(der[0]);
	OPENSSL_free(der[1]);
	make_chain(der, blob, true);
	chain.root = blob[1].data;
	chain.root_len = blob[1].len;
	chain.nr_certs = 1;
	assert_int_equal(from_chain(&chain, PKI_NOW), -EKEYREJECTED);
	assert_int_equal(why.reason, LIBDSTACK_REASON_CHAIN);
	OPENSSL_free(der[0]);
	OPENSSL_free(der[1]);
}

static void extend(uint8_t value[32], uint8_t fill)
{
	uint8_t buf[64];

	memcpy(buf, value, 32);
	memset(buf + 32, fill, 32);
	assert_true(EVP_Digest(buf, sizeof(buf), value, NULL, EVP_sha256(),
			       NULL));
}

static void log_must_replay_to_the_registers(void **state)
{
	static const uint16_t bank[] = { LIBDSTACK_TCG_SHA256 };
	static struct tcg_fixture t;
	struct libdstack_tcg_log log;

	(void)state;
	make();
	tcg_begin(&t, bank, 1);
	tcg_add(&t, 0, 4, bank, 1, 0x41, "", 0);
	tcg_add(&t, 1, 4, bank, 1, 0x42, "", 0);
	assert_int_equal(libdstack_tcg_log_parse(t.data, t.len, &log, &why),
			 0);
	memset(f.bank.value[0], 0, 32);
	memset(f.bank.value[1], 0, 32);
	extend(f.bank.value[0], 0x41);
	extend(f.bank.value[1], 0x42);
	tpm_fixture_digest(&f);
	tpm_fixture_sign_rsa(&f, TPM2_ALG_SHA256, "SHA256");
	accepted();
	assert_int_equal(libdstack_tpm_check_log(&v, &log, bank[0], 3, &why),
			 0);
	/* Register 2 holds what no event put there. */
	assert_int_equal(libdstack_tpm_check_log(&v, &log, bank[0], 7, &why),
			 -EKEYREJECTED);
	assert_int_equal(why.reason, LIBDSTACK_REASON_MISMATCH);
	/* What was not quoted is not compared with anything. */
	assert_int_equal(libdstack_tpm_check_log(&v, &log, bank[0], 9, &why),
			 -EKEYREJECTED);
	assert_int_equal(why.reason, LIBDSTACK_REASON_POLICY);
	assert_int_equal(libdstack_tpm_check_log(&v, &log, bank[0], 0, &why),
			 -EKEYREJECTED);
	f.quote.nr_banks = 0;
	accepted();
	assert_int_equal(libdstack_tpm_check_log(&v, &log, bank[0], 3, &why),
			 -EKEYREJECTED);
}

static int check(const struct libdstack_tpm_policy *policy)
{
	int err = libdstack_tpm_check(&v, policy, &why);

	assert_int_equal(why.reason, err ? LIBDSTACK_REASON_POLICY :
					   LIBDSTACK_REASON_NONE);
	return err;
}

static void policy_compares_registers_that_are_proven(void **state)
{
	struct libdstack_tpm_bank want = { .alg = LIBDSTACK_TCG_SHA256 };
	struct libdstack_tpm_policy policy = { .banks = &want, .nr_banks = 1 };

	(void)state;
	make();
	accepted();
	want.mask = 2;
	memset(want.value[1], 2, 32);
	assert_int_equal(check(&policy), 0);
	want.value[1][31] = 0;
	assert_int_equal(check(&policy), -EKEYREJECTED);
	want.value[1][31] = 2;
	want.mask = 1 << 3;
	assert_int_equal(check(&policy), -EKEYREJECTED);
	want.mask = 2;
	want.alg = LIBDSTACK_TCG_SHA384;
	assert_int_equal(check(&policy), -EKEYREJECTED);
	want.alg = LIBDSTACK_TCG_SHA256;
	f.quote.nr_banks = 0;
	accepted();
	assert_int_equal(check(&policy), -EKEYREJECTED);
	policy.nr_banks = 0;
	assert_int_equal(check(&policy), 0);
	v.bank[0].alg = LIBDSTACK_TCG_SHA1;
	assert_int_equal(check(&policy), -EKEYREJECTED);
	policy.allow_sha1 = true;
	assert_int_equal(check(&policy), 0);
}

static void attack_48_quote_of_another_nonce_is_rejected(void **state)
{
	struct libdstack_tpm_policy policy = { .nonce_len = 5 };

	(void)state;
	make();
	accepted();
	policy.nonce = (const uint8_t *)"nonce";
	assert_int_equal(check(&policy), 0);
	policy.nonce = (const uint8_t *)"Nonce";
	assert_int_equal(check(&policy), -EKEYREJECTED);
	policy.nonce = (const uint8_t *)"nonce";
	policy.nonce_len = 4;
	assert_int_equal(check(&policy), -EKEYREJECTED);
}

static int drop_fixture(void **state)
{
	(void)state;
	libdstack_tpm_key_free(rsa);
	libdstack_tpm_key_free(ec);
	tpm_fixture_free(&f);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(quote_says_what_it_says),
		cmocka_unit_test(signature_has_three_forms),
		cmocka_unit_test(weak_hash_and_other_schemes_are_rejected),
		cmocka_unit_test(other_messages_are_no_quotes),
		cmocka_unit_test(flipped_bit_anywhere_is_rejected),
		cmocka_unit_test(quote_cut_off_anywhere_is_rejected),
		cmocka_unit_test(registers_must_be_those_that_were_quoted),
		cmocka_unit_test(attack_47_selections_that_lie_are_rejected),
		cmocka_unit_test(key_must_sign_nothing_but_what_its_tpm_made),
		cmocka_unit_test(malformed_public_part_is_rejected_silently),
		cmocka_unit_test(weak_keys_are_rejected),
		cmocka_unit_test(key_of_a_certificate_needs_the_root),
		cmocka_unit_test(log_must_replay_to_the_registers),
		cmocka_unit_test(policy_compares_registers_that_are_proven),
		cmocka_unit_test(attack_48_quote_of_another_nonce_is_rejected),
	};

	return cmocka_run_group_tests(tests, NULL, drop_fixture);
}
