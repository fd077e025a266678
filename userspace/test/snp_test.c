// SPDX-License-Identifier: MIT
/*
 * Reports of SEV-SNP are genuine as far as AMD's chain goes, or refused
 *
 * Copyright The dstack for Linux authors
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>

#include "snp_fixture.h"

static struct snp_fixture f;
static struct libdstack_snp_verdict v;

static int verify_at(time_t now)
{
	return libdstack_snp_verify(f.report, sizeof(f.report), &f.chain, now,
				    &v);
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

/* Signs again what was changed. */
static void refused_though_signed(int err, enum libdstack_reason reason,
				  const char *step)
{
	snp_fixture_sign(&f);
	refused(err, reason, step);
}

static void report_says_what_it_says(void **state)
{
	(void)state;
	snp_fixture_make(&f);
	accepted();
	assert_int_equal(v.report.version, 3);
	assert_int_equal(v.report.policy, LIBDSTACK_SNP_POLICY_ONE);
	assert_int_equal(v.report.report_data[63], 0xd1);
	assert_int_equal(v.report.measurement[47], 0xd2);
	assert_int_equal(v.report.host_data[31], 0xd3);
	assert_int_equal(v.report.chip_id[63], 7);
	assert_int_equal(v.report.reported.bootloader, 1);
	assert_int_equal(v.report.reported.tee, 2);
	assert_int_equal(v.report.reported.snp, 3);
	assert_int_equal(v.report.reported.microcode, 200);
	assert_int_equal(v.product, LIBDSTACK_SNP_MILAN);
	assert_false(v.report.vlek);
	assert_int_equal(v.earliest_expiry, PKI_NOW + 9 * PKI_DAY);
}

static void unknown_versions_and_fields_are_rejected(void **state)
{
	static const uint8_t versions[] = { 0, 1, 4, 6, 255 };
	static const uint16_t reserved[] = { 0x4c, 0x18b, 0x19f, 0x1eb, 0x1ef,
					     0x1f8, 0x208, 0x29f };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(versions); i++) {
		snp_fixture_make(&f);
		f.report[0] = versions[i];
		refused_though_signed(-EOPNOTSUPP, LIBDSTACK_REASON_UNSUPPORTED,
				      "report format");
	}
	for (i = 0; i < sizeof(reserved) / sizeof(reserved[0]); i++) {
		snp_fixture_make(&f);
		f.report[reserved[i]] = 1;
		refused_though_signed(-EOPNOTSUPP, LIBDSTACK_REASON_UNSUPPORTED,
				      "report format");
	}
	snp_fixture_make(&f);
	f.report[0] = 5;
	f.report[0x1f8] = 1;
	snp_fixture_sign(&f);
	accepted();
	assert_int_equal(v.report.launch_mitigations, 1);
	snp_fixture_make(&f);
	f.report[0x34] = 2;
	refused_though_signed(-EOPNOTSUPP, LIBDSTACK_REASON_UNSUPPORTED,
			      "report format");
}

static void report_left_unsigned_is_rejected(void **state)
{
	(void)state;
	snp_fixture_make(&f);
	f.report[0x48] = 2;
	refused_though_signed(-EKEYREJECTED, LIBDSTACK_REASON_SIGNATURE,
			      "report format");
	f.report[0x48] = 7 << 2;
	refused_though_signed(-EOPNOTSUPP, LIBDSTACK_REASON_UNSUPPORTED,
			      "report format");
	f.report[0x48] = 0x20;
	refused_though_signed(-EOPNOTSUPP, LIBDSTACK_REASON_UNSUPPORTED,
			      "report format");
}

static void report_of_another_size_is_rejected(void **state)
{
	uint8_t *copy;
	size_t len;

	(void)state;
	snp_fixture_make(&f);
	for (len = 0; len < sizeof(f.report); len++) {
		copy = malloc(len ? len : 1);
		assert_non_null(copy);
		memcpy(copy, f.report, len);
		assert_int_equal(libdstack_snp_verify(copy, len, &f.chain,
						      PKI_NOW, &v), -EBADMSG);
		free(copy);
	}
	assert_int_equal(libdstack_snp_verify(f.report, sizeof(f.report) + 1,
					      &f.chain, PKI_NOW, &v),
			 -EBADMSG);
}

static void flipped_bit_anywhere_is_rejected(void **state)
{
	size_t i;

	(void)state;
	snp_fixture_make(&f);
	for (i = 0; i < sizeof(f.report); i++) {
		f.report[i] ^= 1 << i % 8;
		if (!verify_at(PKI_NOW))
			fail_msg("a flip in byte 0x%zx was accepted", i);
		f.report[i] ^= 1 << i % 8;
	}
	accepted();
}

static void other_chip_and_other_levels_are_rejected(void **state)
{
	static const uint16_t at[] = { 0x180, 0x181, 0x186, 0x187, 0x1a0,
				       0x1df };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(at) / sizeof(at[0]); i++) {
		snp_fixture_make(&f);
		f.report[at[i]]--;
		refused_though_signed(-EKEYREJECTED, LIBDSTACK_REASON_MISMATCH,
				      "platform");
		f.report[at[i]] += 2;
		refused_though_signed(-EKEYREJECTED, LIBDSTACK_REASON_MISMATCH,
				      "platform");
	}
}

static void refused_leaf(enum libdstack_reason reason)
{
	snp_fixture_issue(&f);
	refused(reason == LIBDSTACK_REASON_MALFORMED ? -EBADMSG : -EKEYREJECTED,
		reason, "platform");
}

static void certificate_must_name_chip_product_and_levels(void **state)
{
	uint8_t nested[66] = { 4, 64 };

	(void)state;
	snp_fixture_make(&f);
	f.leaf.nr_extensions--;			/* no chip */
	refused_leaf(LIBDSTACK_REASON_MALFORMED);
	memset(nested + 2, 7, 64);
	snp_extension(&f, "1.3.6.1.4.1.3704.1.4", nested, sizeof(nested));
	snp_fixture_issue(&f);
	accepted();
	f.leaf.extension[f.leaf.nr_extensions - 1].value[1] = 63;
	refused_leaf(LIBDSTACK_REASON_MALFORMED);
	snp_fixture_leaf(&f);
	f.leaf.extension[0].value[2] = 'G';	/* another product */
	refused_leaf(LIBDSTACK_REASON_MISMATCH);
	snp_fixture_leaf(&f);
	f.leaf.extension[0].value[7] = 'x';	/* "Milanx" */
	refused_leaf(LIBDSTACK_REASON_MISMATCH);
	snp_fixture_leaf(&f);
	f.leaf.extension[3] = f.leaf.extension[5];	/* two of one level */
	refused_leaf(LIBDSTACK_REASON_MISMATCH);
	snp_fixture_leaf(&f);
	f.leaf.extension[4].value[2] = 1;	/* a level that means nothing */
	refused_leaf(LIBDSTACK_REASON_MISMATCH);
	snp_fixture_leaf(&f);
	f.leaf.extension[1].len = 2;		/* not a number */
	refused_leaf(LIBDSTACK_REASON_MISMATCH);
}

static void cpu_must_be_of_the_roots_product(void **state)
{
	(void)state;
	snp_fixture_make(&f);
	f.report[0x189] = 0x11;
	refused_though_signed(-EKEYREJECTED, LIBDSTACK_REASON_MISMATCH,
			      "platform");
	f.report[0x188] = 0x1a;
	f.report[0x189] = 1;
	refused_though_signed(-EKEYREJECTED, LIBDSTACK_REASON_MISMATCH,
			      "platform");
	/* Version 2 does not say. */
	f.report[0] = 2;
	f.report[0x188] = 0;
	f.report[0x189] = 0;
	snp_fixture_sign(&f);
	accepted();
}

static void turin_has_its_own_order_and_shorter_ids(void **state)
{
	(void)state;
	snp_fixture_make(&f);
	snp_fixture_cas(&f, "ARK-Turin", "SEV-Turin");
	snp_fixture_leaf(&f);
	f.leaf.nr_extensions = 0;
	snp_extension(&f, "1.3.6.1.4.1.3704.1.2", "\x16\x05Turin", 7);
	snp_level(&f, "1.3.6.1.4.1.3704.1.3.1", 2);
	snp_level(&f, "1.3.6.1.4.1.3704.1.3.2", 3);
	snp_level(&f, "1.3.6.1.4.1.3704.1.3.3", 4);
	snp_level(&f, "1.3.6.1.4.1.3704.1.3.8", 9);
	snp_level(&f, "1.3.6.1.4.1.3704.1.3.9", 1);
	snp_extension(&f, "1.3.6.1.4.1.3704.1.4", "chipchip", 8);
	snp_fixture_issue(&f);
	f.report[0x188] = 0x1a;
	memcpy(f.report + 0x180, "\1\2\3\4\0\0\0\11", 8);
	memset(f.report + 0x1a0, 0, 64);
	memcpy(f.report + 0x1a0, "chipchip", 8);
	snp_fixture_sign(&f);
	accepted();
	assert_int_equal(v.product, LIBDSTACK_SNP_TURIN);
	assert_int_equal(v.report.reported.fmc, 1);
	assert_int_equal(v.report.reported.snp, 4);
	f.report[0x1df] = 1;
	refused_though_signed(-EKEYREJECTED, LIBDSTACK_REASON_MISMATCH,
			      "platform");
}

static void clouds_key_needs_the_clouds_chain(void **state)
{
	(void)state;
	snp_fixture_make(&f);
	f.report[0x48] = 1 << 2;
	refused_though_signed(-EKEYREJECTED, LIBDSTACK_REASON_MISMATCH,
			      "certificates");
	f.leaf.name = "SEV-VLEK";
	snp_fixture_issue(&f);
	refused(-EKEYREJECTED, LIBDSTACK_REASON_CHAIN, "certificate chain");
	snp_fixture_cas(&f, "ARK-Milan", "SEV-VLEK-Milan");
	f.leaf.issuer = f.ask;
	snp_fixture_issue(&f);
	accepted();
	assert_true(v.report.vlek);
	/* And its chain does not do for a chip. */
	f.report[0x48] = 0;
	f.leaf.name = "SEV-VCEK";
	snp_fixture_issue(&f);
	refused_though_signed(-EKEYREJECTED, LIBDSTACK_REASON_CHAIN,
			      "certificate chain");
}

static void roots_and_links_are_checked(void **state)
{
	(void)state;
	snp_fixture_make(&f);
	f.chain.root = NULL;		/* AMD's own, then */
	refused(-EKEYREJECTED, LIBDSTACK_REASON_ROOT, "trusted root");
	snp_fixture_make(&f);
	f.chain.root_len--;
	refused(-EBADMSG, LIBDSTACK_REASON_MALFORMED, "trusted root");
	snp_fixture_make(&f);
	f.chain.nr_certs = 1;
	refused(-EKEYREJECTED, LIBDSTACK_REASON_CHAIN, "certificate chain");
	snp_fixture_make(&f);
	f.chain.nr_certs = 0;
	refused(-EKEYREJECTED, LIBDSTACK_REASON_MISMATCH, "certificates");
	snp_fixture_make(&f);
	f.certs[1].len--;
	refused(-EBADMSG, LIBDSTACK_REASON_MALFORMED, "certificates");
	snp_fixture_make(&f);
	snp_fixture_cas(&f, "ARK-Rome", "SEV-Rome");
	refused(-EOPNOTSUPP, LIBDSTACK_REASON_UNSUPPORTED, "trusted root");
	/* Of the right names, and of other keys. */
	snp_fixture_make(&f);
	f.leaf.issuer_key = f.ark_key;
	snp_fixture_issue(&f);
	refused(-EKEYREJECTED, LIBDSTACK_REASON_CHAIN, "certificate chain");
	snp_fixture_make(&f);
	f.leaf.pss = false;
	snp_fixture_issue(&f);
	refused(-EOPNOTSUPP, LIBDSTACK_REASON_UNSUPPORTED, "certificate chain");
	snp_fixture_make(&f);
	f.leaf.md = "SHA256";
	snp_fixture_issue(&f);
	refused(-EOPNOTSUPP, LIBDSTACK_REASON_UNSUPPORTED, "certificate chain");
}

static void root_alone_need_not_come_with_the_evidence(void **state)
{
	(void)state;
	snp_fixture_make(&f);
	f.chain.nr_certs = 2;
	accepted();
}

static void key_must_be_on_p384(void **state)
{
	EVP_PKEY *other = pki_ec_key("P-256");

	(void)state;
	snp_fixture_make(&f);
	f.leaf.key = other;
	snp_fixture_issue(&f);
	refused(-EOPNOTSUPP, LIBDSTACK_REASON_UNSUPPORTED, "report signature");
	EVP_PKEY_free(other);
}

static void certificates_hold_for_their_time_only(void **state)
{
	(void)state;
	snp_fixture_make(&f);
	assert_int_equal(verify_at(PKI_NOW + 10 * PKI_DAY), -EKEYEXPIRED);
	assert_int_equal(v.failure.reason, LIBDSTACK_REASON_EXPIRED);
	assert_int_equal(verify_at(PKI_NOW - 10 * PKI_DAY), -EKEYEXPIRED);
	assert_int_equal(v.failure.reason, LIBDSTACK_REASON_EARLY);
	f.leaf.to = PKI_DAY;
	snp_fixture_issue(&f);
	accepted();
	assert_int_equal(v.earliest_expiry, PKI_NOW + PKI_DAY);
	assert_int_equal(verify_at(PKI_NOW + 2 * PKI_DAY), -EKEYEXPIRED);
}

static void use_crl(X509_CRL *crl)
{
	uint8_t *der = NULL;

	f.chain.crl_len = i2d_X509_CRL(crl, &der);
	f.chain.crl = der;
	X509_CRL_free(crl);
}

static void drop_crl(void)
{
	OPENSSL_free((void *)f.chain.crl);
	f.chain.crl = NULL;
}

static void revoked_ask_is_rejected(void **state)
{
	(void)state;
	snp_fixture_make(&f);
	use_crl(pki_crl(f.ark, f.ark_key, NULL, true));
	accepted();
	assert_int_equal(v.earliest_expiry, PKI_NOW + PKI_DAY);
	assert_int_equal(verify_at(PKI_NOW + 2 * PKI_DAY), -EKEYEXPIRED);
	assert_string_equal(v.failure.step, "revocation list");
	f.chain.crl_len = 10;
	refused(-EBADMSG, LIBDSTACK_REASON_MALFORMED, "revocation list");
	drop_crl();
	use_crl(pki_crl(f.ark, f.ark_key, f.ask, true));
	refused(-EKEYREVOKED, LIBDSTACK_REASON_REVOKED, "revocation list");
	drop_crl();
	/* Of somebody else, it says nothing, and is not taken for nothing. */
	use_crl(pki_crl(f.ask, f.ask_key, NULL, true));
	refused(-EKEYREJECTED, LIBDSTACK_REASON_CHAIN, "revocation list");
	drop_crl();
}

static void attack_47_too_many_certificates_are_rejected(void **state)
{
	struct libdstack_snp_blob certs[20];
	char *big;
	size_t i;

	(void)state;
	snp_fixture_make(&f);
	for (i = 0; i < sizeof(certs) / sizeof(certs[0]); i++)
		certs[i] = f.certs[i % SNP_FIXTURE_CERTS];
	f.chain.certs = certs;
	f.chain.nr_certs = 16;
	accepted();
	f.chain.nr_certs = 17;
	refused(-EBADMSG, LIBDSTACK_REASON_MALFORMED, "certificates");
	big = calloc(1, 65537);
	assert_non_null(big);
	certs[1].data = big;
	certs[1].len = 65537;
	refused(-EBADMSG, LIBDSTACK_REASON_MALFORMED, "certificates");
	free(big);
}

/* Of what was accepted. */
static void policy_refuses(const struct libdstack_snp_policy *policy)
{
	struct libdstack_failure why;

	assert_int_equal(libdstack_snp_check(&v.report, policy, &why),
			 -EKEYREJECTED);
	assert_int_equal(why.reason, LIBDSTACK_REASON_POLICY);
	assert_string_equal(why.step, "policy");
}

static void policy_accepts(const struct libdstack_snp_policy *policy)
{
	struct libdstack_failure why;

	assert_int_equal(libdstack_snp_check(&v.report, policy, &why), 0);
	assert_string_equal(why.step, "");
}

static void policy_refuses_what_was_not_allowed(void **state)
{
	struct libdstack_snp_policy policy = { .allow_debug = false };

	(void)state;
	snp_fixture_make(&f);
	accepted();
	policy_accepts(&policy);
	v.report.policy |= LIBDSTACK_SNP_POLICY_DEBUG;
	policy_refuses(&policy);
	policy.allow_debug = true;
	policy_accepts(&policy);
	v.report.policy |= LIBDSTACK_SNP_POLICY_MIGRATE;
	policy_refuses(&policy);
	policy.allow_migration = true;
	policy_accepts(&policy);
	v.report.policy |= 1ULL << 26;
	policy_refuses(&policy);
	policy.allow_unknown_bits = true;
	policy_accepts(&policy);
	v.report.policy &= ~LIBDSTACK_SNP_POLICY_ONE;
	policy_refuses(&policy);
	v.report.policy |= LIBDSTACK_SNP_POLICY_ONE;
	v.report.vmpl = 1;
	policy_refuses(&policy);
	policy.max_vmpl = 1;
	policy_accepts(&policy);
	policy.min_guest_svn = 1;
	policy_refuses(&policy);
}

static void policy_compares_levels_one_by_one(void **state)
{
	struct libdstack_snp_policy policy = { .allow_debug = false };
	uint8_t *level[] = { &policy.min_tcb.fmc, &policy.min_tcb.bootloader,
			     &policy.min_tcb.tee, &policy.min_tcb.snp,
			     &policy.min_tcb.microcode };
	size_t i;

	(void)state;
	snp_fixture_make(&f);
	accepted();
	policy.min_tcb = v.report.reported;
	policy_accepts(&policy);
	for (i = 0; i < sizeof(level) / sizeof(level[0]); i++) {
		++*level[i];
		policy_refuses(&policy);
		--*level[i];
	}
	v.report.committed.snp--;
	policy_refuses(&policy);
}

static void policy_compares_what_it_was_given(void **state)
{
	struct libdstack_snp_policy policy = { .allow_debug = false };
	uint8_t other[64] = { 0x55 };
	const struct {
		const uint8_t **want, *is;
	} values[] = {
		{ &policy.report_data, v.report.report_data },
		{ &policy.measurement, v.report.measurement },
		{ &policy.host_data, v.report.host_data },
		{ &policy.id_key_digest, v.report.id_key_digest },
		{ &policy.author_key_digest, v.report.author_key_digest },
		{ &policy.chip_id, v.report.chip_id },
	};
	size_t i;

	(void)state;
	snp_fixture_make(&f);
	accepted();
	for (i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		*values[i].want = values[i].is;
		policy_accepts(&policy);
		*values[i].want = other;
		policy_refuses(&policy);
		*values[i].want = NULL;
	}
}

static void attack_48_report_of_another_nonce_rejected(void **state)
{
	struct libdstack_snp_policy policy = { .allow_debug = false };
	uint8_t nonce[64];

	(void)state;
	snp_fixture_make(&f);
	accepted();
	memset(nonce, 0xd1, sizeof(nonce));
	policy.report_data = nonce;
	policy_accepts(&policy);
	nonce[63] ^= 1;
	policy_refuses(&policy);
}

static int drop_fixture(void **state)
{
	(void)state;
	snp_fixture_free(&f);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(report_says_what_it_says),
		cmocka_unit_test(unknown_versions_and_fields_are_rejected),
		cmocka_unit_test(report_left_unsigned_is_rejected),
		cmocka_unit_test(report_of_another_size_is_rejected),
		cmocka_unit_test(flipped_bit_anywhere_is_rejected),
		cmocka_unit_test(other_chip_and_other_levels_are_rejected),
		cmocka_unit_test(certificate_must_name_chip_product_and_levels),
		cmocka_unit_test(cpu_must_be_of_the_roots_product),
		cmocka_unit_test(turin_has_its_own_order_and_shorter_ids),
		cmocka_unit_test(clouds_key_needs_the_clouds_chain),
		cmocka_unit_test(roots_and_links_are_checked),
		cmocka_unit_test(root_alone_need_not_come_with_the_evidence),
		cmocka_unit_test(key_must_be_on_p384),
		cmocka_unit_test(certificates_hold_for_their_time_only),
		cmocka_unit_test(revoked_ask_is_rejected),
		cmocka_unit_test(attack_47_too_many_certificates_are_rejected),
		cmocka_unit_test(policy_refuses_what_was_not_allowed),
		cmocka_unit_test(policy_compares_levels_one_by_one),
		cmocka_unit_test(policy_compares_what_it_was_given),
		cmocka_unit_test(attack_48_report_of_another_nonce_rejected),
	};

	return cmocka_run_group_tests(tests, NULL, drop_fixture);
}
