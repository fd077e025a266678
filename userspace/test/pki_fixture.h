/* SPDX-License-Identifier: MIT */
/*
 * A platform of the test PKI, its quotes and its collateral
 *
 * Copyright The dstack for Linux authors
 *
 * The platform is the one of tools/tdx-module: its mkpki makes certificates
 * and collateral, the tests make quotes.
 */
#ifndef PKI_FIXTURE_H
#define PKI_FIXTURE_H

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "dcap/dcap.h"
#include "quote_fixture.h"

static char dir[] = "/tmp/dstack-pki-XXXXXX";
static char mkpki[4096];
static EVP_PKEY *pck, *attest;
static char *chain, *root;
static size_t chain_len, root_len;
static struct fixture f;
static struct libdstack_verdict verdict;

/* Beside this program's build directory, unless the environment says. */
static inline bool find_mkpki(void)
{
	const char *given = getenv("DSTACK_MKPKI");
	char exe[2048] = "";
	int i;

	if (given) {
		snprintf(mkpki, sizeof(mkpki), "%s", given);
		return !access(mkpki, X_OK);
	}
	if (readlink("/proc/self/exe", exe, sizeof(exe) - 1) < 0)
		return false;
	for (i = 0; i < 3 && strrchr(exe, '/'); i++)
		*strrchr(exe, '/') = '\0';
	snprintf(mkpki, sizeof(mkpki), "%s/tdx-module/mkpki", exe);
	return !access(mkpki, X_OK);
}

static inline void shell(const char *fmt, ...)
	__attribute__((format(printf, 1, 2)));

static inline void shell(const char *fmt, ...)
{
	char command[8192];
	va_list args;

	va_start(args, fmt);
	vsnprintf(command, sizeof(command), fmt, args);
	va_end(args);
	assert_int_equal(system(command), 0);
}

static inline char *load(const char *name, size_t *len)
{
	char path[4096];
	char *text;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	assert_int_equal(dstack_file_read(path, 65536, &text, len), 0);
	return text;
}

static inline EVP_PKEY *read_key(const char *name)
{
	size_t len;
	char *pem = load(name, &len);
	BIO *in = BIO_new_mem_buf(pem, len);
	EVP_PKEY *key = PEM_read_bio_PrivateKey(in, NULL, NULL, NULL);

	assert_non_null(key);
	BIO_free(in);
	free(pem);
	return key;
}

static inline void need_pki(void)
{
	if (pck)
		return;
	if (!find_mkpki()) {
		print_message("# no mkpki: build tools/tdx-module first, or set DSTACK_MKPKI\n");
		skip();
	}
	assert_non_null(mkdtemp(dir));
	shell("%s %s/base >%s/log 2>&1", mkpki, dir, dir);
	chain = load("base/pck_chain.pem", &chain_len);
	root = load("base/root.der", &root_len);
	pck = read_key("base/pck.key");
	attest = EVP_EC_gen("P-256");
}

static inline int pki_teardown(void **state)
{
	(void)state;
	if (pck)
		shell("rm -r %s", dir);
	EVP_PKEY_free(pck);
	EVP_PKEY_free(attest);
	free(chain);
	free(root);
	return 0;
}

static inline void sign(EVP_PKEY *key, const void *data, size_t len,
			uint8_t raw[64])
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	uint8_t der[256];
	const uint8_t *p = der;
	size_t der_len = sizeof(der);
	ECDSA_SIG *sig;

	assert_int_equal(EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, key),
			 1);
	assert_int_equal(EVP_DigestSign(ctx, der, &der_len, data, len), 1);
	sig = d2i_ECDSA_SIG(NULL, &p, der_len);
	BN_bn2binpad(ECDSA_SIG_get0_r(sig), raw, 32);
	BN_bn2binpad(ECDSA_SIG_get0_s(sig), raw + 32, 32);
	ECDSA_SIG_free(sig);
	EVP_MD_CTX_free(ctx);
}

static inline void raw_public(EVP_PKEY *key, uint8_t raw[64])
{
	const char *name = OSSL_PKEY_PARAM_PUB_KEY;
	uint8_t point[65];
	size_t len;

	assert_int_equal(EVP_PKEY_get_octet_string_param(key, name, point,
							 sizeof(point), &len),
			 1);
	assert_int_equal(len, sizeof(point));
	memcpy(raw, point + 1, 64);
}

/* The enclave's report names the key in the quote. */
static inline void name_key(void)
{
	uint8_t named[64 + FIXTURE_AUTH_SIZE];

	memcpy(named, f.data + f.key, 64);
	memcpy(named + 64, f.data + f.auth, FIXTURE_AUTH_SIZE);
	SHA256(named, sizeof(named), f.data + f.qe_report + QE_REPORT_DATA);
}

static inline void sign_enclave(EVP_PKEY *key)
{
	sign(key, f.data + f.qe_report, 384, f.data + f.qe_signature);
}

static inline void sign_quote(EVP_PKEY *key)
{
	sign(key, f.data, f.sig_len, f.data + f.signature);
}

static inline void sign_all(void)
{
	sign_enclave(pck);
	sign_quote(attest);
}

/* What the module says of itself in a TD report. */
static inline void make_td(int td15)
{
	uint8_t *td = f.data + f.body;

	memset(td, 0, 16);
	td[TD_SVN] = MODULE_SVN;
	td[TD_SVN + 1] = MODULE_VERSION;
	td[TD_SVN + 2] = UCODE_SVN;
	memset(td + TD_SIGNER, 0, 48);
	memset(td + TD_SEAM_ATTRIBUTES, 0, 8);
	if (td15)
		memcpy(td + TD_SVN2, td + TD_SVN, 16);
}

/* The attributes are those of a TD that nobody can look into. */
static inline void make_attributes(int type)
{
	uint8_t *body = f.data + f.body;

	if (type == FIXTURE_SGX) {
		memset(body + 48, 0, 16);
		body[48] = 5;
		return;
	}
	memset(body + TD_ATTRIBUTES, 0, 8);
	body[TD_ATTRIBUTES + 3] = 0x10;
	if (type == FIXTURE_TD15)
		memset(body + TD_SERVICE, 0, 48);
}

/* A quote of the test platform as it is, signed, with this chain. */
static inline void make_with(int version, int type, const char *pem,
			     size_t pem_len)
{
	uint8_t *qe;

	fixture_make_body(&f, version, type, pem, pem_len);
	if (type != FIXTURE_SGX)
		make_td(type == FIXTURE_TD15);
	make_attributes(type);
	qe = f.data + f.qe_report;
	qe[QE_ATTRIBUTES] = 0x15;
	qe[QE_ATTRIBUTES + 8] = 0xe7;
	qe[QE_PRODID_AT] = QE_PRODID;
	qe[QE_SVN_AT] = QE_SVN;
	SHA256((const uint8_t *)QE_SIGNER, strlen(QE_SIGNER), qe + QE_MRSIGNER);
	raw_public(attest, f.data + f.key);
	name_key();
	sign_all();
}

static inline void make_body(int version, int type)
{
	need_pki();
	/* With the NUL that file_read appended, as Intel's service does. */
	make_with(version, type, chain, chain_len + 1);
}

static inline void make(int version, int td15)
{
	make_body(version, td15 ? FIXTURE_TD15 : FIXTURE_TD10);
}

/* Other collateral on the same keys, made with @options in @name. */
static inline void make_collateral(const char *options, const char *name)
{
	shell("rm -rf %s/%s && %s --from=%s/base %s %s/%s >%s/log 2>&1", dir,
	      name, mkpki, dir, options, dir, name, dir);
}

static inline struct libdstack_collateral *read_collateral(const char *name)
{
	struct libdstack_collateral *c = NULL;
	char path[4096];

	snprintf(path, sizeof(path), "%s/%s/collateral.json", dir, name);
	assert_int_equal(libdstack_collateral_read(path, &c), 0);
	return c;
}

/* @text with every @from replaced, for free(). */
static inline char *replaced(const char *text, const char *from,
			     const char *to)
{
	char *out = malloc(2 * strlen(text) + 4096), *p = out;
	const char *next;

	while ((next = strstr(text, from))) {
		p += sprintf(p, "%.*s%s", (int)(next - text), text, to);
		text = next + strlen(from);
	}
	strcpy(p, text);
	return out;
}

/* Changes one of the two signed texts, and signs it again. */
static inline void edit_signed(json_t *doc, EVP_PKEY *signer, const char *key,
			       const char *from, const char *to)
{
	char hex[2 * 64 + 1], name[64], *text;
	uint8_t raw[64];

	text = replaced(json_string_value(json_object_get(doc, key)), from, to);
	sign(signer, text, strlen(text), raw);
	json_object_set_new(doc, key, json_string(text));
	snprintf(name, sizeof(name), "%s_signature", key);
	json_object_set_new(doc, name,
			    json_string(libdstack_to_hex(raw, 64, hex)));
	free(text);
}

static inline struct libdstack_collateral *parse_doc(json_t *doc)
{
	struct libdstack_collateral *c = NULL;
	char *text = json_dumps(doc, 0);

	assert_int_equal(libdstack_collateral_parse(text, strlen(text), &c),
			 0);
	free(text);
	return c;
}

/* The collateral of the platform, its signed texts changed like that. */
static inline struct libdstack_collateral *
edited_collateral(const char *const edits[][2], size_t nr)
{
	struct libdstack_collateral *c;
	EVP_PKEY *signer;
	size_t i, len;
	json_t *doc;
	char *text;

	need_pki();
	text = load("base/collateral.json", &len);
	signer = read_key("base/signing.key");
	doc = json_loadb(text, len, 0, NULL);
	for (i = 0; i < nr; i++) {
		edit_signed(doc, signer, "tcb_info", edits[i][0], edits[i][1]);
		edit_signed(doc, signer, "qe_identity", edits[i][0],
			    edits[i][1]);
	}
	c = parse_doc(doc);
	json_decref(doc);
	EVP_PKEY_free(signer);
	free(text);
	return c;
}

#endif /* PKI_FIXTURE_H */
