// SPDX-License-Identifier: MIT
/*
 * Quotes of real TPMs, and their logs, get the verdict that is due to them
 *
 * Copyright The dstack for Linux authors
 *
 * Reads $DSTACK_VECTORS/tpm and, for the certificates of Azure's, azure.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <jansson.h>
#include <libdstack_tpm.h>
#include <openssl/evp.h>
#include <string.h>

#include "certs.h"
#include "vectors.h"

#define IN_2026		1790000000	/* 2026-09-21 */
#define ALL		0xffffffU	/* registers */
#define BOOT		0x3ffU		/* what the log of firmware is about */

static struct libdstack_tpm_verdict v;
static struct libdstack_failure why;

/* Of protobuf: a number, or bytes. */
struct field {
	unsigned int nr;
	uint64_t value;
	const uint8_t *data;
};

struct fields {
	const uint8_t *p, *end;
};

static uint64_t varint(struct fields *in)
{
	uint64_t value = 0;
	int shift = 0;

	do {
		assert_true(in->p < in->end && shift < 64);
		value |= (uint64_t)(*in->p & 0x7f) << shift;
		shift += 7;
	} while (*in->p++ & 0x80);
	return value;
}

static bool next_field(struct fields *in, struct field *f)
{
	uint64_t tag;

	if (in->p == in->end)
		return false;
	tag = varint(in);
	f->nr = tag >> 3;
	f->value = varint(in);
	f->data = in->p;
	if ((tag & 7) == 2) {
		assert_true(f->value <= (size_t)(in->end - in->p));
		in->p += f->value;
	}
	return true;
}

static struct fields within(const struct field *f)
{
	return (struct fields){ f->data, f->data + f->value };
}

/* The number and the value of one register. */
static void read_pcr(const struct field *entry, struct libdstack_tpm_bank *bank)
{
	struct fields in = within(entry);
	unsigned int index = 0;
	struct field f;

	while (next_field(&in, &f)) {
		if (f.nr == 1) {
			index = f.value;
			continue;
		}
		assert_true(index < LIBDSTACK_TCG_PCRS);
		assert_int_equal(f.value,
				 libdstack_tcg_digest_size(bank->alg));
		memcpy(bank->value[index], f.data, f.value);
		bank->mask |= 1U << index;
	}
}

static void read_bank(const struct field *f, struct libdstack_tpm_bank *bank)
{
	struct fields in = within(f);
	struct field entry;

	memset(bank, 0, sizeof(*bank));
	while (next_field(&in, &entry)) {
		if (entry.nr == 1)
			bank->alg = entry.value;
		else
			read_pcr(&entry, bank);
	}
}

static void check_quote(const struct field *f,
			const struct libdstack_tpm_key *key,
			const struct libdstack_tcg_log *log)
{
	static struct libdstack_tpm_bank bank;
	struct libdstack_tpm_quote q = { .banks = &bank, .nr_banks = 1 };
	struct fields in = within(f);
	struct field part;

	while (next_field(&in, &part)) {
		if (part.nr == 1) {
			q.message = part.data;
			q.message_len = part.value;
		} else if (part.nr == 2) {
			q.signature = part.data;
			q.signature_len = part.value;
		} else {
			read_bank(&part, &bank);
		}
	}
	if (libdstack_tpm_quote_verify(&q, key, &v))
		fail_msg("%s: %s", v.failure.step, v.failure.text);
	assert_true(v.pcrs_proven);
	assert_int_equal(v.bank[0].mask, ALL);
	if (bank.alg != LIBDSTACK_TCG_SHA384)
		assert_int_equal(libdstack_tpm_check_log(&v, log, bank.alg,
							 BOOT, &why), 0);
	bank.value[23][0] ^= 1;
	assert_int_equal(libdstack_tpm_quote_verify(&q, key, &v),
			 -EKEYREJECTED);
}

static void quotes_of_google_are_genuine_in_three_banks(void **state)
{
	struct libdstack_tpm_key *key = NULL;
	struct field f, quote[3] = { { .nr = 0 } };
	struct libdstack_tcg_log log = { .len = 0 };
	struct fields in;
	struct vector file;
	size_t i, nr = 0;

	(void)state;
	file = vector_load("tpm/gce-cos85-nonce9009.pb");
	in.p = (const uint8_t *)file.data;
	in.end = in.p + file.len;
	while (next_field(&in, &f)) {
		if (f.nr == 1)
			assert_int_equal(libdstack_tpm_key_from_public(f.data,
								       f.value,
								       &key,
								       &why),
					 0);
		if (f.nr == 2 && nr < 3)
			quote[nr++] = f;
		if (f.nr == 3)
			assert_int_equal(libdstack_tcg_log_parse(f.data,
								 f.value, &log,
								 &why), 0);
	}
	assert_int_equal(nr, 3);
	for (i = 0; i < nr; i++) {
		check_quote(&quote[i], key, &log);
		assert_int_equal(v.nonce_len, 2);
		assert_memory_equal(v.nonce, "\x90\x09", 2);
	}
	libdstack_tpm_key_free(key);
	free(file.data);
}

static void logs_of_google_are_whole(void **state)
{
	static const struct {
		const char *name;
		size_t events;
	} rows[] = {
		{ "tpm/gce-cos101-eventlog.bin", 48 },
		{ "tpm/gce-ubuntu2404-sevsnp-eventlog.bin", 116 },
	};
	struct libdstack_tcg_log log;
	struct vector file;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		file = vector_load(rows[i].name);
		assert_int_equal(libdstack_tcg_log_parse(file.data, file.len,
							 &log, &why), 0);
		assert_int_equal(log.nr_events, rows[i].events);
		free(file.data);
	}
}

static void message_without_signature_is_read_only(void **state)
{
	struct vector file;

	(void)state;
	file = vector_load("tpm/tpm_quote_sample.bin");
	assert_int_equal(libdstack_tpm_message_parse(file.data, file.len, &v),
			 0);
	assert_int_equal(v.nonce_len, 4);
	assert_memory_equal(v.nonce, "\x12\x34\x56\x78", 4);
	assert_int_equal(v.nr_banks, 1);
	assert_int_equal(v.bank[0].alg, LIBDSTACK_TCG_SHA256);
	assert_int_equal(v.bank[0].mask, 7);
	assert_false(v.pcrs_proven);
	free(file.data);
}

/* Into as many bytes as the base64 has, at most. */
static size_t from_base64(const json_t *text, uint8_t *out, size_t size)
{
	const char *in = json_string_value(text);
	size_t len = strlen(in);
	int got;

	assert_true(len % 4 == 0 && len / 4 * 3 <= size);
	got = EVP_DecodeBlock(out, (const uint8_t *)in, len);
	assert_true(got > 0);
	return got - (in[len - 1] == '=') - (in[len - 2] == '=');
}

static void read_pcrs(const json_t *array, struct libdstack_tpm_bank *bank)
{
	const char *hex;
	size_t i;

	memset(bank, 0, sizeof(*bank));
	bank->alg = LIBDSTACK_TCG_SHA256;
	for (i = 0; i < json_array_size(array); i++) {
		hex = json_string_value(json_array_get(array, i));
		assert_true(libdstack_from_hex(hex, strlen(hex), bank->value[i],
					       32));
		bank->mask |= 1U << i;
	}
}

static void quote_of_a_plain_tpm_is_genuine(void **state)
{
	uint8_t message[1024], signature[1024], spki[1024];
	static struct libdstack_tpm_bank bank;
	struct libdstack_tpm_quote q = {
		.message = message, .signature = signature, .banks = &bank,
		.nr_banks = 1,
	};
	struct libdstack_tpm_key *key;
	json_t *doc, *quote;
	struct vector file;
	size_t len;

	(void)state;
	file = vector_load("tpm/trustee-tpm-evidence.json");
	doc = json_loadb(file.data, file.len, 0, NULL);
	quote = json_object_get(doc, "tpm_quote");
	len = from_base64(json_object_get(doc, "ak_public"), spki,
			  sizeof(spki));
	q.message_len = from_base64(json_object_get(quote, "message"), message,
				    sizeof(message));
	q.signature_len = from_base64(json_object_get(quote, "signature"),
				      signature, sizeof(signature));
	read_pcrs(json_object_get(quote, "pcrs"), &bank);
	assert_int_equal(libdstack_tpm_key_from_spki(spki, len, &key, &why), 0);
	assert_int_equal(libdstack_tpm_quote_verify(&q, key, &v), 0);
	assert_true(v.pcrs_proven);
	libdstack_tpm_key_free(key);
	json_decref(doc);
	free(file.data);
}

static void microsofts_root_leads_to_a_key(void **state)
{
	struct libdstack_tpm_chain chain = { .nr_certs = 4 };
	struct libdstack_tpm_blob blob[4];
	struct libdstack_tpm_key *key;
	const json_t *attestation, *more;
	struct vector file, root;
	json_t *doc;
	int i;

	(void)state;
	file = vector_load("azure/tdx2-full.json");
	root = vector_load("azure/azure-virtual-tpm-root-2023.pem");
	doc = json_loadb(file.data, file.len, 0, NULL);
	attestation = json_object_get(doc, "tpm_attestation");
	more = json_object_get(attestation, "ak_intermediate_certificates_pem");
	blob[0].data = json_string_value(json_object_get(attestation,
							 "ak_certificate_pem"));
	blob[1].data = json_string_value(json_array_get(more, 0));
	blob[2].data = json_string_value(json_array_get(more, 1));
	for (i = 0; i < 3; i++)
		blob[i].len = strlen(blob[i].data);
	blob[3].data = root.data;
	blob[3].len = root.len;
	chain.certs = blob;
	assert_int_equal(libdstack_tpm_key_from_chain(&chain, IN_2026, &key,
						      &why), 0);
	libdstack_tpm_key_free(key);
	chain.nr_certs = 3;
	assert_int_equal(libdstack_tpm_key_from_chain(&chain, IN_2026, &key,
						      &why), -EKEYREJECTED);
	assert_int_equal(why.reason, LIBDSTACK_REASON_ROOT);
	json_decref(doc);
	free(root.data);
	free(file.data);
}

/* It issues keys' certificates, of which there is none here. */
static void googles_root_issued_the_intermediate(void **state)
{
	struct libdstack_tpm_chain chain = { .nr_certs = 2 };
	struct certs_path path = { .min = 2, .max = 2, .now = IN_2026 };
	struct libdstack_tpm_blob blob[2];
	struct libdstack_tpm_key *key;
	int64_t expires = INT64_MAX;
	struct vector root, ca;

	(void)state;
	root = vector_load("tpm/gcp-ek-ak-root.pem");
	ca = vector_load("tpm/gcp-ek-ak-intermediate-v3.crt");
	path.root = certs_parse(root.data, root.len);
	path.leaf = certs_parse(ca.data, ca.len);
	assert_int_equal(certs_check(&path, &expires, &why), 0);
	X509_free(path.root);
	X509_free(path.leaf);
	/* The root is known; but the intermediate signs no quotes. */
	blob[0].data = ca.data;
	blob[0].len = ca.len;
	blob[1].data = root.data;
	blob[1].len = root.len;
	chain.certs = blob;
	assert_int_equal(libdstack_tpm_key_from_chain(&chain, IN_2026, &key,
						      &why), -EKEYREJECTED);
	assert_int_equal(why.reason, LIBDSTACK_REASON_CHAIN);
	free(root.data);
	free(ca.data);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(quotes_of_google_are_genuine_in_three_banks),
		cmocka_unit_test(logs_of_google_are_whole),
		cmocka_unit_test(message_without_signature_is_read_only),
		cmocka_unit_test(quote_of_a_plain_tpm_is_genuine),
		cmocka_unit_test(microsofts_root_leads_to_a_key),
		cmocka_unit_test(googles_root_issued_the_intermediate),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
