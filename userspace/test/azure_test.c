// SPDX-License-Identifier: MIT
/*
 * Azure's confidential VMs are genuine from hardware to their TPM, or refused
 *
 * Copyright The dstack for Linux authors
 *
 * Reads $DSTACK_VECTORS/azure, and of dcap and snp what belongs to it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>

#include "azure_fixture.h"
#include "snp_fixture.h"
#include "tpm_fixture.h"
#include "vectors.h"

#define IN_2025		1751883626	/* 2025-07-07T10:20:26Z */
#define IN_2026		1790000000	/* 2026-09-21 */
#define IN_JSON		0x880		/* a byte that is hashed */
#define REPORT_DATA	568		/* in a quote of version 4 */

static struct azure_fixture f;
static struct snp_fixture snp;
static struct tpm_fixture tpm;
static struct libdstack_azure_evidence evidence;
static struct libdstack_azure_verdict v;
static struct libdstack_failure why;

/* The report, signed for the JSON as it is. */
static void bind(void)
{
	memset(snp.report + 0x50, 0, 64);
	SHA256((const uint8_t *)f.json, strlen(f.json), snp.report + 0x50);
	snp_fixture_sign(&snp);
	azure_assemble(&f, snp.report, LIBDSTACK_AZURE_SNP);
	evidence.hcl = f.hcl;
	evidence.hcl_len = f.len;
	evidence.snp = snp.chain;
	evidence.tpm = tpm.quote;
}

/* A VM on SNP that is good at PKI_NOW. */
static void make(void)
{
	snp_fixture_make(&snp);
	tpm_fixture_make(&tpm);
	memset(&evidence, 0, sizeof(evidence));
	azure_json(&f, tpm.rsa);
	bind();
}

static int verify(void)
{
	return libdstack_azure_verify(&evidence, PKI_NOW, &v);
}

static void accepted(void)
{
	if (verify())
		fail_msg("%s: %s", v.failure.step, v.failure.text);
	assert_string_equal(v.failure.step, "");
}

static void refused(int err, const char *step)
{
	assert_int_equal(verify(), err);
	assert_string_equal(v.failure.step, step);
	assert_string_not_equal(v.failure.text, "");
}

static void vm_is_genuine_from_hardware_to_tpm(void **state)
{
	(void)state;
	make();
	accepted();
	assert_int_equal(v.hcl.type, LIBDSTACK_AZURE_SNP);
	assert_string_equal(v.hcl.vm_id, "vm-1");
	assert_true(v.hcl.secure_boot);
	assert_true(v.hcl.console);
	assert_int_equal(v.hcl.user_data[63], 7);
	assert_true(v.tpm.pcrs_proven);
	assert_int_equal(v.snp.product, LIBDSTACK_SNP_MILAN);
}

static void each_part_must_be_genuine(void **state)
{
	(void)state;
	make();
	f.hcl[32 + 0x2a0] ^= 1;
	refused(-EKEYREJECTED, "SNP report: report signature");
	make();
	tpm.message[20] ^= 1;
	refused(-EKEYREJECTED, "TPM quote: quote signature");
	make();
	tpm.bank.value[0][0] ^= 1;
	refused(-EKEYREJECTED, "TPM quote: registers");
	make();
	evidence.snp.nr_certs = 0;
	refused(-EKEYREJECTED, "SNP report: certificates");
}

/* A TPM of another VM's, with a genuine report that is not about it. */
static void key_must_be_the_one_that_hardware_reported(void **state)
{
	EVP_PKEY *other;

	(void)state;
	make();
	other = pki_rsa_key();
	azure_json(&f, other);
	azure_assemble(&f, snp.report, LIBDSTACK_AZURE_SNP);
	evidence.hcl_len = f.len;
	refused(-EKEYREJECTED, "binding of the TPM's key");
	assert_int_equal(v.failure.reason, LIBDSTACK_REASON_MISMATCH);
	bind();
	refused(-EKEYREJECTED, "TPM quote: quote signature");
	EVP_PKEY_free(other);
	make();
	snp.report[0x50 + 32] = 1;	/* more than a hash */
	snp_fixture_sign(&snp);
	azure_assemble(&f, snp.report, LIBDSTACK_AZURE_SNP);
	refused(-EKEYREJECTED, "binding of the TPM's key");
}

static void td_needs_a_quote(void **state)
{
	static uint8_t tdreport[1184];

	(void)state;
	make();
	azure_assemble(&f, tdreport, LIBDSTACK_AZURE_TDX);
	refused(-EKEYREJECTED, "TD quote");
	tdreport[1024] = 1;
	azure_assemble(&f, tdreport, LIBDSTACK_AZURE_TDX);
	refused(-EBADMSG, "paravisor's report");
	/* Of one type, and said to be of the other. */
	make();
	azure_assemble(&f, snp.report, LIBDSTACK_AZURE_TDX);
	refused(-EKEYREJECTED, "TD quote");
	azure_assemble(&f, tdreport, LIBDSTACK_AZURE_SNP);
	refused(-EOPNOTSUPP, "SNP report: report format");
}

static void refused_format(int err)
{
	struct libdstack_azure_hcl hcl;

	assert_int_equal(libdstack_azure_hcl_parse(f.hcl, f.len, &hcl, &why),
			 err);
	assert_string_equal(why.step, "paravisor's report");
}

static void unknown_versions_types_hashes_are_rejected(void **state)
{
	static const struct {
		size_t at;
		uint8_t value;
		int err;
	} rows[] = {
		{ 0, 'X', -EBADMSG }, { 4, 3, -EOPNOTSUPP },
		{ 12, 1, -EOPNOTSUPP }, { 16, 1, -EBADMSG },
		{ 1216 + 4, 2, -EOPNOTSUPP }, { 1216 + 8, 3, -EOPNOTSUPP },
		{ 1216 + 12, 2, -EOPNOTSUPP }, { 1216 + 19, 1, -EBADMSG },
		{ 1216 + 3, 1, -EBADMSG }, { 10, 1, -EBADMSG },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		make();
		f.hcl[rows[i].at] = rows[i].value;
		refused_format(rows[i].err);
	}
	make();
	f.hcl[f.len - 1] = 1;
	refused_format(-EBADMSG);
}

static void report_cut_off_anywhere_is_rejected(void **state)
{
	struct libdstack_azure_hcl hcl;
	size_t len, end;
	uint8_t *copy;

	(void)state;
	make();
	end = AZURE_RUNTIME + strlen(f.json);
	for (len = 0; len < end; len++) {
		copy = malloc(len ? len : 1);
		assert_non_null(copy);
		memcpy(copy, f.hcl, len);
		assert_int_equal(libdstack_azure_hcl_parse(copy, len, &hcl,
							   &why), -EBADMSG);
		free(copy);
	}
	assert_int_equal(libdstack_azure_hcl_parse(f.hcl, end, &hcl, &why), 0);
}

/* With these keys, and settings that are good. */
static void put_keys(const char *keys)
{
	snprintf(f.json, sizeof(f.json),
		 "{\"keys\":%s,\"vm-configuration\":{\"vmUniqueId\":\"1\"},\"user-data\":\"%0128d\"}",
		 keys, 0);
}

static void json_must_hold_one_key(void **state)
{
#define NAMED "[{\"kid\":\"HCLAkPub\""
#define RSA NAMED ",\"kty\":\"RSA\",\"e\":\"AQAB\",\"n\":"
	static const char *const none[] = {
		"7", "[]", "[7,{\"kid\":\"HCLEkPub\"}]", NAMED "}]",
		NAMED ",\"kty\":\"EC\"}]", RSA "7}]", RSA "\"\"}]",
		RSA "\"!!!!\"}]", RSA "\"====\"}]", RSA "\" AAA\"}]",
		RSA "\"A\"}]", RSA "\"A+AA\"}]",
		RSA "\"AAAA\"},{\"kid\":\"HCLAkPub\"}]",
	};
	size_t i;

	(void)state;
	make();
	for (i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
		put_keys(none[i]);
		bind();
		refused(-EBADMSG, "TPM's key");
	}
	put_keys(RSA "\"yJsX\"}]");	/* too weak */
	bind();
	refused(-EOPNOTSUPP, "TPM's key");
#undef RSA
#undef NAMED
}

static void json_must_hold_the_settings(void **state)
{
	static const char *const without[] = {
		"", "{", "7", "{\"keys\":[]}", "{\"keys\":[],\"keys\":[]}",
		"{\"vm-configuration\":{\"vmUniqueId\":\"1\"}}",
		"{\"vm-configuration\":{\"vmUniqueId\":\"1\"},"
		"\"user-data\":\"00\"}",
		"{\"vm-configuration\":{\"vmUniqueId\":"
		"\"0123456789012345678901234567890123456789\"}}",
	};
	size_t i;

	(void)state;
	make();
	for (i = 0; i < sizeof(without) / sizeof(without[0]); i++) {
		snprintf(f.json, sizeof(f.json), "%s", without[i]);
		bind();
		refused(-EBADMSG, "paravisor's report");
	}
}

static void attack_47_bombs_are_rejected(void **state)
{
	struct libdstack_azure_hcl hcl;
	static uint8_t big[LIBDSTACK_AZURE_HCL_MAX + 1];

	(void)state;
	make();
	memcpy(big, f.hcl, f.len);
	assert_int_equal(libdstack_azure_hcl_parse(big, sizeof(big), &hcl,
						   &why), -EBADMSG);
	assert_int_equal(libdstack_azure_hcl_parse(big, sizeof(big) - 1, &hcl,
						   &why), 0);
	/* Deeper than any, and still JSON as far as it goes. */
	memset(f.json, '[', sizeof(f.json) - 1);
	f.json[sizeof(f.json) - 1] = '\0';
	bind();
	refused(-EBADMSG, "paravisor's report");
}

static void attack_48_quote_of_another_nonce_is_rejected(void **state)
{
	struct libdstack_tpm_policy policy = { .nonce_len = 5 };

	(void)state;
	make();
	accepted();
	policy.nonce = (const uint8_t *)"nonce";
	assert_int_equal(libdstack_tpm_check(&v.tpm, &policy, &why), 0);
	policy.nonce = (const uint8_t *)"other";
	assert_int_equal(libdstack_tpm_check(&v.tpm, &policy, &why),
			 -EKEYREJECTED);
}

/* A quote of real machines: as hex, or as arrays of numbers. */
struct real_quote {
	uint8_t message[1024], signature[1024];
	struct libdstack_tpm_bank bank;
	struct libdstack_tpm_quote quote;
};

static size_t read_bytes(const json_t *from, uint8_t *out, size_t size)
{
	const char *text = json_string_value(from);
	size_t i, len = text ? strlen(text) / 2 : json_array_size(from);

	assert_true(len && len <= size);
	if (text)
		assert_true(libdstack_from_hex(text, strlen(text), out, len));
	for (i = 0; !text && i < len; i++)
		out[i] = json_integer_value(json_array_get(from, i));
	return len;
}

static void read_quote(const json_t *doc, struct real_quote *q)
{
	const json_t *pcrs = json_object_get(doc, "pcrs");
	size_t i;

	memset(q, 0, sizeof(*q));
	q->quote.message = q->message;
	q->quote.message_len = read_bytes(json_object_get(doc, "message"),
					  q->message, sizeof(q->message));
	q->quote.signature = q->signature;
	q->quote.signature_len = read_bytes(json_object_get(doc, "signature"),
					    q->signature,
					    sizeof(q->signature));
	q->bank.alg = LIBDSTACK_TCG_SHA256;
	for (i = 0; i < json_array_size(pcrs); i++) {
		read_bytes(json_array_get(pcrs, i), q->bank.value[i], 32);
		q->bank.mask |= 1U << i;
	}
	q->quote.banks = &q->bank;
	q->quote.nr_banks = 1;
}

static json_t *load_json(const char *name)
{
	struct vector file = vector_load(name);
	json_t *doc = json_loadb(file.data, file.len, 0, NULL);

	assert_non_null(doc);
	free(file.data);
	return doc;
}

/* The verdict on @evidence, and that it is another with one bit flipped. */
static void judge_real(struct libdstack_azure_evidence *e, struct vector *hcl,
		       const char *quote, struct real_quote *q, time_t now)
{
	json_t *doc = load_json(quote);

	read_quote(doc, q);
	json_decref(doc);
	e->hcl = hcl->data;
	e->hcl_len = hcl->len;
	e->tpm = q->quote;
	hcl->data[IN_JSON] ^= 1;
	assert_int_not_equal(libdstack_azure_verify(e, now, &v), 0);
	hcl->data[IN_JSON] ^= 1;
	if (libdstack_azure_verify(e, now, &v))
		fail_msg("%s: %s", v.failure.step, v.failure.text);
	assert_int_equal(v.tpm.nonce_len, 9);
	assert_memory_equal(v.tpm.nonce, "challenge", 9);
	assert_int_equal(v.tpm.bank[0].mask, 0xffffff);
	assert_true(v.tpm.pcrs_proven);
}

static void real_vm_on_tdx_is_genuine(void **state)
{
	static const uint8_t pcr0[] = { 0x78, 0x2b, 0x20, 0xb1 };
	struct libdstack_azure_evidence e = { .td_quote = NULL };
	struct vector hcl, quote, collateral;
	struct libdstack_collateral *c;
	static struct real_quote q;

	(void)state;
	hcl = vector_load("azure/tdx-hcl.bin");
	quote = vector_load("dcap/quotes/tdx4-00806f05-azure.bin");
	collateral = vector_load("dcap/collateral/00806f05-2025-07.json");
	assert_int_equal(libdstack_collateral_parse(collateral.data,
						    collateral.len, &c), 0);
	e.collateral = c;
	e.td_quote = quote.data;
	e.td_quote_len = quote.len;
	judge_real(&e, &hcl, "azure/tdx-tpmquote.json", &q, IN_2025);
	assert_int_equal(v.hcl.type, LIBDSTACK_AZURE_TDX);
	assert_int_equal(v.td.status, LIBDSTACK_TCB_OUT_OF_DATE);
	assert_memory_equal(v.tpm.bank[0].value[0], pcr0, sizeof(pcr0));
	assert_true(v.hcl.secure_boot);
	libdstack_collateral_free(c);
	free(hcl.data);
	free(quote.data);
	free(collateral.data);
}

static void real_vm_on_snp_is_genuine(void **state)
{
	struct libdstack_azure_evidence e = { .td_quote = NULL };
	struct libdstack_snp_policy policy = { .allow_debug = false };
	struct libdstack_snp_blob certs;
	static struct real_quote q;
	struct vector hcl, chain;

	(void)state;
	hcl = vector_load("azure/snp-hcl.bin");
	chain = vector_load("azure/snp-vcek-chain.pem");
	certs.data = chain.data;
	certs.len = chain.len;
	e.snp.certs = &certs;
	e.snp.nr_certs = 1;
	judge_real(&e, &hcl, "azure/snp-tpmquote.json", &q, IN_2026);
	assert_int_equal(v.hcl.type, LIBDSTACK_AZURE_SNP);
	assert_int_equal(v.snp.product, LIBDSTACK_SNP_MILAN);
	assert_int_equal(libdstack_snp_check(&v.snp.report, &policy, &why), 0);
	free(hcl.data);
	free(chain.data);
}

static void real_vm_on_genoa_is_genuine(void **state)
{
	struct libdstack_azure_evidence e = { .td_quote = NULL };
	struct libdstack_snp_blob certs[3];
	static struct real_quote q;
	struct vector ask, ark;
	uint8_t hcl[4096];
	json_t *doc;

	(void)state;
	doc = load_json("azure/snp-evidence-genoa.json");
	ask = vector_load("snp/genoa-ask.pem");
	ark = vector_load("snp/genoa-ark.pem");
	certs[0].data = json_string_value(json_object_get(doc, "vcek"));
	certs[0].len = strlen(certs[0].data);
	certs[1].data = ask.data;
	certs[1].len = ask.len;
	certs[2].data = ark.data;
	certs[2].len = ark.len;
	e.snp.certs = certs;
	e.snp.nr_certs = 3;
	e.hcl = hcl;
	e.hcl_len = read_bytes(json_object_get(doc, "report"), hcl,
			       sizeof(hcl));
	read_quote(json_object_get(doc, "quote"), &q);
	e.tpm = q.quote;
	if (libdstack_azure_verify(&e, IN_2026, &v))
		fail_msg("%s: %s", v.failure.step, v.failure.text);
	assert_int_equal(v.snp.product, LIBDSTACK_SNP_GENOA);
	json_decref(doc);
	free(ask.data);
	free(ark.data);
}

/* There is no collateral for it; but its key has a certificate. */
static void real_key_is_that_of_its_certificate(void **state)
{
	struct libdstack_tpm_key *key, *certified;
	struct libdstack_tpm_chain chain = { .nr_certs = 4 };
	struct libdstack_tpm_blob blob[4];
	struct libdstack_azure_hcl parsed;
	const json_t *attestation, *more;
	static struct real_quote q;
	struct vector hcl, root;
	json_t *doc;
	int i;

	(void)state;
	hcl = vector_load("azure/tdx2-hcl.bin");
	root = vector_load("azure/azure-virtual-tpm-root-2023.pem");
	doc = load_json("azure/tdx2-full.json");
	attestation = json_object_get(doc, "tpm_attestation");
	more = json_object_get(attestation, "ak_intermediate_certificates_pem");
	blob[0].data = json_string_value(json_object_get(attestation,
							 "ak_certificate_pem"));
	for (i = 1; i < 3; i++)
		blob[i].data = json_string_value(json_array_get(more, i - 1));
	for (i = 0; i < 3; i++)
		blob[i].len = strlen(blob[i].data);
	blob[3].data = root.data;
	blob[3].len = root.len;
	chain.certs = blob;
	assert_int_equal(libdstack_tpm_key_from_chain(&chain, IN_2026,
						      &certified, &why), 0);
	assert_int_equal(libdstack_azure_hcl_parse(hcl.data, hcl.len, &parsed,
						   &why), 0);
	assert_int_equal(libdstack_azure_hcl_key(&parsed, &key, &why), 0);
	assert_true(libdstack_tpm_key_equal(key, certified));
	read_quote(json_object_get(attestation, "quote"), &q);
	assert_int_equal(libdstack_tpm_quote_verify(&q.quote, key, &v.tpm), 0);
	libdstack_tpm_key_free(key);
	libdstack_tpm_key_free(certified);
	json_decref(doc);
	free(root.data);
	free(hcl.data);
}

static int drop_fixtures(void **state)
{
	(void)state;
	snp_fixture_free(&snp);
	tpm_fixture_free(&tpm);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(vm_is_genuine_from_hardware_to_tpm),
		cmocka_unit_test(each_part_must_be_genuine),
		cmocka_unit_test(key_must_be_the_one_that_hardware_reported),
		cmocka_unit_test(td_needs_a_quote),
		cmocka_unit_test(unknown_versions_types_hashes_are_rejected),
		cmocka_unit_test(report_cut_off_anywhere_is_rejected),
		cmocka_unit_test(json_must_hold_one_key),
		cmocka_unit_test(json_must_hold_the_settings),
		cmocka_unit_test(attack_47_bombs_are_rejected),
		cmocka_unit_test(attack_48_quote_of_another_nonce_is_rejected),
		cmocka_unit_test(real_vm_on_tdx_is_genuine),
		cmocka_unit_test(real_vm_on_snp_is_genuine),
		cmocka_unit_test(real_vm_on_genoa_is_genuine),
		cmocka_unit_test(real_key_is_that_of_its_certificate),
	};

	return cmocka_run_group_tests(tests, NULL, drop_fixtures);
}
