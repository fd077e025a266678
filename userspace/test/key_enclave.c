// SPDX-License-Identifier: MIT
/*
 * The stand-in's enclave: keys of registers, boxes, and quotes over them
 *
 * Copyright The dstack for Linux authors
 */
#include "key_enclave.h"

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/sha.h>
#include <sodium.h>
#include <string.h>

#include "dcap/dcap.h"
#include "quote_fixture.h"

#define SEALING_KEY	16		/* bytes of an enclave's */
#define MRENCLAVE	64		/* offsets in its report */
#define ATTRIBUTES	48
#define REPORT_DATA	320
#define DEBUG		2
#define INIT_MODE64	5

static json_t *read_json(const char *pki, const char *name)
{
	char path[4096];
	json_t *doc;

	snprintf(path, sizeof(path), "%s/%s", pki, name);
	doc = json_load_file(path, 0, NULL);
	stand_in_need(doc);
	return doc;
}

static FILE *open_in(const char *pki, const char *name)
{
	char path[4096];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", pki, name);
	file = fopen(path, "re");
	stand_in_need(file);
	return file;
}

void key_enclave_open(struct key_enclave_platform *platform, const char *pki)
{
	FILE *file = open_in(pki, "pck.key");

	stand_in_need(sodium_init() >= 0);
	platform->pck = PEM_read_PrivateKey(file, NULL, NULL, NULL);
	fclose(file);
	platform->attest = EVP_EC_gen("P-256");
	platform->chain = calloc(1, KEY_ENCLAVE_CHAIN_MAX);
	stand_in_need(platform->pck && platform->attest && platform->chain);
	file = open_in(pki, "pck_chain.pem");
	platform->chain_len = 1 + fread(platform->chain, 1,
					KEY_ENCLAVE_CHAIN_MAX - 1, file);
	fclose(file);
	platform->td = read_json(pki, "collateral.json");
	platform->enclaves = read_json(pki, "enclaves/collateral.json");
	platform->old = read_json(pki, "old/collateral.json");
}

void key_enclave_close(struct key_enclave_platform *platform)
{
	EVP_PKEY_free(platform->pck);
	EVP_PKEY_free(platform->attest);
	free(platform->chain);
	json_decref(platform->td);
	json_decref(platform->enclaves);
	json_decref(platform->old);
}

/*
 * Quotes
 */

static void sign(EVP_PKEY *key, const void *data, size_t len, uint8_t raw[64])
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	uint8_t der[256];
	const uint8_t *p = der;
	size_t der_len = sizeof(der);
	ECDSA_SIG *sig;

	stand_in_need(EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, key) ==
		      1 && EVP_DigestSign(ctx, der, &der_len, data, len) == 1);
	sig = d2i_ECDSA_SIG(NULL, &p, der_len);
	stand_in_need(sig);
	BN_bn2binpad(ECDSA_SIG_get0_r(sig), raw, 32);
	BN_bn2binpad(ECDSA_SIG_get0_s(sig), raw + 32, 32);
	ECDSA_SIG_free(sig);
	EVP_MD_CTX_free(ctx);
}

static void put_public(EVP_PKEY *key, uint8_t raw[64])
{
	uint8_t point[65];
	size_t len;

	stand_in_need(EVP_PKEY_get_octet_string_param(key,
						      OSSL_PKEY_PARAM_PUB_KEY,
						      point, sizeof(point),
						      &len) == 1);
	memcpy(raw, point + 1, 64);
}

/* The quoting enclave's report, which names the key that signs. */
static void make_certification(struct fixture *f,
			       const struct key_enclave_platform *platform)
{
	uint8_t named[64 + FIXTURE_AUTH_SIZE], *qe = f->data + f->qe_report;

	qe[QE_ATTRIBUTES] = 0x15;
	qe[QE_ATTRIBUTES + 8] = 0xe7;
	qe[QE_PRODID_AT] = QE_PRODID;
	qe[QE_SVN_AT] = QE_SVN;
	SHA256((const uint8_t *)QE_SIGNER, strlen(QE_SIGNER), qe + QE_MRSIGNER);
	put_public(platform->attest, f->data + f->key);
	memcpy(named, f->data + f->key, 64);
	memcpy(named + 64, f->data + f->auth, FIXTURE_AUTH_SIZE);
	SHA256(named, sizeof(named), qe + QE_REPORT_DATA);
	sign(platform->pck, qe, 384, f->data + f->qe_signature);
}

static void make_quote(const struct key_enclave_config *config,
		       const struct key_enclave_platform *platform,
		       enum key_enclave_fault fault,
		       const uint8_t report_data[64], struct fixture *f)
{
	uint8_t *body;

	fixture_make_body(f, 3, FIXTURE_SGX, platform->chain,
			  platform->chain_len);
	body = f->data + f->body;
	memset(body, 0, 384);
	body[ATTRIBUTES] = INIT_MODE64 |
		(fault == KEY_ENCLAVE_DEBUG ? DEBUG : 0);
	SHA256((const uint8_t *)config->enclave, strlen(config->enclave),
	       body + MRENCLAVE);
	memcpy(body + REPORT_DATA, report_data, 64);
	make_certification(f, platform);
	sign(platform->attest, f->data, f->sig_len, f->data + f->signature);
	if (fault == KEY_ENCLAVE_SIGNATURE)
		f->data[f->signature] ^= 1;
}

/*
 * Keys
 */

static bool read_td(const void *quote, size_t len, struct libdstack_td *td)
{
	struct dcap_quote parts;
	const char *why;

	if (dcap_quote_parse(quote, len, &parts, &why) ||
	    parts.body_type == DCAP_BODY_SGX)
		return false;
	dcap_quote_td(&parts, td);
	return true;
}

static void derive(const struct key_enclave_config *config,
		   const struct libdstack_td *td, uint8_t key[32])
{
	uint8_t hash[32], data[SEALING_KEY + 5 * 48];

	SHA256((const uint8_t *)config->seed, strlen(config->seed), hash);
	memcpy(data, hash, SEALING_KEY);
	memcpy(data + SEALING_KEY, td->mr_td, 48);
	memcpy(data + SEALING_KEY + 48, td->rtmr, 4 * 48);
	SHA256(data, sizeof(data), key);
}

bool key_enclave_key(const struct key_enclave_config *config,
		     const void *quote, size_t len, uint8_t key[32])
{
	struct libdstack_td td;

	if (!read_td(quote, len, &td))
		return false;
	derive(config, &td, key);
	return true;
}

/* One byte more has room in both. */
static void make_box(const struct libdstack_td *td,
		     enum key_enclave_fault fault, const uint8_t key[32],
		     uint8_t box[KEY_ENCLAVE_BOX + 1], size_t *len)
{
	uint8_t reader[32], secret[32], text[33] = { 0 };

	memcpy(text, key, 32);
	memcpy(reader, td->report_data, 32);
	if (fault == KEY_ENCLAVE_OTHER_READER)
		crypto_box_keypair(reader, secret);
	*len = fault == KEY_ENCLAVE_SHORT_BOX ? 31 :
		fault == KEY_ENCLAVE_LONG_BOX ? 33 : 32;
	stand_in_need(!crypto_box_seal(box, text, *len, reader));
	*len += crypto_box_SEALBYTES;
}

static char *to_hex(const void *data, size_t len)
{
	char *hex = malloc(2 * len + 1);

	stand_in_need(hex);
	libdstack_to_hex(data, len, hex);
	return hex;
}

static char *write_answer(enum key_enclave_fault fault, const uint8_t *box,
			  size_t box_len, const void *quote, size_t quote_len)
{
	char *a = to_hex(box, box_len), *b = to_hex(quote, quote_len), *text;
	const char *more = fault == KEY_ENCLAVE_TWICE ?
		",\"encrypted_key\":\"00\"" : "";
	int len;

	if (fault == KEY_ENCLAVE_NUMBER)
		len = asprintf(&text, "{\"encrypted_key\":7,\"provider_quote\":\"%s\"}",
			       b);
	else
		len = asprintf(&text, "{\"encrypted_key\":\"%s\",\"provider_quote\":\"%s\"%s}",
			       a, b, more);
	stand_in_need(len > 0);
	free(a);
	free(b);
	return text;
}

static char *answer(const struct key_enclave_config *config,
		    const struct key_enclave_platform *platform,
		    enum key_enclave_fault fault, const uint8_t *quote,
		    size_t len)
{
	uint8_t box[KEY_ENCLAVE_BOX + 1], report_data[64] = { 0 }, key[32];
	struct libdstack_td td;
	struct fixture f;
	size_t box_len;

	if (!read_td(quote, len, &td))
		return NULL;
	derive(config, &td, key);
	make_box(&td, fault, key, box, &box_len);
	SHA256(box, box_len, report_data);
	report_data[0] ^= fault == KEY_ENCLAVE_OTHER_BOX;
	report_data[63] ^= fault == KEY_ENCLAVE_MORE_DATA;
	make_quote(config, platform, fault, report_data, &f);
	if (fault == KEY_ENCLAVE_NO_QUOTE)
		f.len = 0;
	if (fault == KEY_ENCLAVE_NO_ENCLAVE)
		f.len = 400;
	if (fault == KEY_ENCLAVE_TD)
		return write_answer(fault, box, box_len, quote, len);
	return write_answer(fault, box, box_len, f.data, f.len);
}

char *key_enclave_answer(const struct key_enclave_config *config,
			 const struct key_enclave_platform *platform,
			 enum key_enclave_fault fault, const char *request,
			 size_t len)
{
	json_t *doc = json_loadb(request, len, 0, NULL);
	const char *hex = json_string_value(json_object_get(doc, "quote"));
	size_t size = hex ? strlen(hex) / 2 : 0;
	uint8_t *quote = malloc(size + 1);
	char *text = NULL;

	stand_in_need(quote);
	if (hex && libdstack_from_hex(hex, 2 * size, quote, size))
		text = answer(config, platform, fault, quote, size);
	free(quote);
	json_decref(doc);
	return text;
}
