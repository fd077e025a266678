// SPDX-License-Identifier: MIT
/*
 * What upstream's clients send to a KMS, as they form it, and what they read in
 * the answer, byte by byte where nothing in it is drawn by chance
 *
 * Copyright The dstack for Linux authors
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kmsd_wire_fixture.h"

#define JSON		"application/json"
#define PROTOBUF	"application/octet-stream"
#define DISK_KEY \
	"b02a9633a61c1d2cb17a9fb7022762b5a30cdcfc95309e758989bf856db06883"
#define ENV_SCALAR \
	"e610b28c170a6e2f280677acad66285f7d58e48659c8dfa15b3077a5f24b1f44"
#define K256_KEY \
	"7b74a0e8ac2dd803201f34bc393932fbd0425982e06eb3de86c0c5604eb6df49"
#define ENV_KEY \
	"4ef0e7d7d04174c08cf1088015fdf03d980a847c48c5ab85ef8dbd06087a146e"
/* What stands behind upstream's fields, which its clients leave alone. */
#define OUR_JSON	",\"key_epoch\":0,\"key_epochs\":[0]"
#define APP_HEX		"6170706c69636174696f6e206e756d6265722031"

static void say(FILE *out, const char *name, const char *pem)
{
	fprintf(out, "\"%s\":\"", name);
	for (; *pem; pem++)
		if (*pem == '\n')
			fputs("\\n", out);
		else
			fputc(*pem, out);
	fputc('"', out);
}

static void say_bytes(FILE *out, const char *name, const void *data, size_t len)
{
	char hex[512];

	fprintf(out, "\"%s\":\"%s\"", name, libdstack_to_hex(data, len, hex));
}

/* The same: fields 101 and 102. */
static void say_epochs(struct wire *wire)
{
	static const uint8_t epochs[] = {
		0xa8, 0x06, 0, 0xb2, 0x06, 1, 0
	};

	memcpy(wire->data + wire->len, epochs, sizeof(epochs));
	wire->len += sizeof(epochs);
}

static void assert_json(const char *want)
{
	assert_int_equal(reply.status, 200);
	assert_string_equal(reply.type, JSON);
	assert_int_equal(reply.len, strlen(want));
	assert_memory_equal(reply.body, want, reply.len);
}

static void assert_wire(const struct wire *want)
{
	assert_int_equal(reply.status, 200);
	assert_string_equal(reply.type, PROTOBUF);
	assert_int_equal(reply.len, want->len);
	assert_memory_equal(reply.body, want->data, want->len);
}

/*
 * One method in each form that upstream's clients and servers know.  @json and
 * @wire: what it is asked; the answers are the same in all of them.
 */
static void assert_method(const char *name, const char *json,
			  const struct wire *wire, const char *want_json,
			  const struct wire *want_wire, X509 *cert)
{
	static const struct {
		const char *service, *query;
	} targets[] = {
		{ "", "json" }, { "", "json=1" }, { "", "json=true" },
		{ "KMS.", "json" },
	};
	char target[128];
	size_t i;

	for (i = 0; i < sizeof(targets) / sizeof(targets[0]); i++) {
		snprintf(target, sizeof(target), "/prpc/%s%s?%s",
			 targets[i].service, name, targets[i].query);
		/* RaClient has no type. */
		ask("POST", target, "", json, strlen(json), cert);
		assert_json(want_json);
	}
	snprintf(target, sizeof(target), "/prpc/%s", name);
	ask("POST", target, JSON, json, strlen(json), cert);
	assert_json(want_json);
	ask("POST", target, "", wire->data, wire->len, cert);
	assert_wire(want_wire);
	ask("POST", target, PROTOBUF, wire->data, wire->len, cert);
	assert_wire(want_wire);
}

static void get_meta_is_upstreams(void **state)
{
	const char *ca = issue_cert(known, ISSUE_ROOT_CA);
	const uint8_t *k256 = issue_public(known)->k256;
	static const struct wire nothing;
	static struct wire want;
	char *json;
	size_t len;
	FILE *out = open_memstream(&json, &len);

	(void)state;
	fputc('{', out);
	say(out, "ca_cert", ca);
	fputs(",\"allow_any_upgrade\":true,", out);
	say_bytes(out, "k256_pubkey", k256, 33);
	fputs(",\"bootstrap_info\":null,\"is_dev\":true,\"gateway_app_id\":\"any\",\"kms_contract_address\":null,\"chain_id\":null,\"app_auth_implementation\":null",
	      out);
	/* Ours, of which there is nothing on the wire. */
	fputs(",\"successions\":[]}", out);
	fclose(out);
	wire_text(&want, 1, ca);
	wire_value(&want, 2, 1);
	wire_bytes(&want, 3, k256, 33);
	wire_value(&want, 5, 1);
	wire_text(&want, 6, "any");
	assert_method("GetMeta", "null", &nothing, json, &want, NULL);
	assert_method("GetMeta", "{}", &nothing, json, &want, NULL);
	assert_method("GetMeta", "", &nothing, json, &want, NULL);
	ask("GET", "/prpc/GetMeta", "", "", 0, NULL);
	assert_json(json);
	free(json);
}

static void get_temp_ca_cert_is_upstreams(void **state)
{
	const char *temp = issue_cert(known, ISSUE_TEMP_CA);
	const char *ca = issue_cert(known, ISSUE_ROOT_CA);
	char *key = issue_key(known, ISSUE_TEMP_CA), *json;
	static const struct wire nothing;
	static struct wire want;
	size_t len;
	FILE *out = open_memstream(&json, &len);

	(void)state;
	fputc('{', out);
	say(out, "temp_ca_cert", temp);
	fputc(',', out);
	say(out, "temp_ca_key", key);
	fputc(',', out);
	say(out, "ca_cert", ca);
	fputc('}', out);
	fclose(out);
	wire_text(&want, 1, temp);
	wire_text(&want, 2, key);
	wire_text(&want, 3, ca);
	assert_method("GetTempCaCert", "null", &nothing, json, &want, NULL);
	ask("GET", "/prpc/KMS.GetTempCaCert", "", "", 0, NULL);
	assert_json(json);
	free(json);
	free(key);
}

/* The first three are upstream's derivations of its own test's roots. */
static void get_app_key_is_upstreams(void **state)
{
	static const char request[] =
		"{\"api_version\":1,\"vm_config\":"
		"\"{\\\"os_image_hash\\\":\\\"" IMAGE_HEX "\\\"}\"}";
	static const char *const derived[][2] = {
		{ "disk_crypt_key", DISK_KEY },
		{ "env_crypt_key", ENV_SCALAR },
		{ "k256_key", K256_KEY },
	};
	const char *ca = issue_cert(known, ISSUE_ROOT_CA);
	struct libdstack_id instance = { .len = 20 };
	static struct wire wire, want;
	struct issue_app_keys own;
	uint8_t image[32];
	size_t i, len;
	char *json;
	FILE *out = open_memstream(&json, &len);

	(void)state;
	memcpy(instance.data, alice.instance, 20);
	assert_int_equal(issue_app_keys(known, (const uint8_t *)APP, &instance,
					&own), 0);
	assert_true(libdstack_from_hex(IMAGE_HEX, 64, image, 32));
	fputc('{', out);
	say(out, "ca_cert", ca);
	for (i = 0; i < 3; i++)
		fprintf(out, ",\"%s\":\"%s\"", derived[i][0], derived[i][1]);
	fputc(',', out);
	say_bytes(out, "k256_signature", own.k256_signature, 65);
	fputs(",\"tproxy_app_id\":\"any\",\"gateway_app_id\":\"any\",", out);
	say_bytes(out, "os_image_hash", image, 32);
	fputs(OUR_JSON "}", out);
	fclose(out);
	wire_value(&wire, 1, 1);
	wire_text(&wire, 2, VM_CONFIG);
	wire_text(&want, 1, ca);
	wire_bytes(&want, 2, own.disk, 32);
	wire_bytes(&want, 3, own.env, 32);
	wire_bytes(&want, 4, own.k256, 32);
	wire_bytes(&want, 5, own.k256_signature, 65);
	wire_text(&want, 6, "any");
	wire_text(&want, 7, "any");
	wire_bytes(&want, 8, image, 32);
	say_epochs(&want);
	assert_method("GetAppKey", request, &wire, json, &want, client);
	/* Of old: version 0, and what a client of today does not know. */
	assert_method("GetAppKey", "{\"vm_config\":\"\"}",
		      &(struct wire){ { 0x12, 0 }, 2 }, json, &want, client);
	free(json);
}

static void get_kms_key_is_upstreams(void **state)
{
	char *temp = issue_key(known, ISSUE_TEMP_CA);
	char *ca = issue_key(known, ISSUE_ROOT_CA), *json;
	static struct wire wire, inner, want;
	size_t len;
	FILE *out = open_memstream(&json, &len);

	(void)state;
	fputc('{', out);
	say(out, "temp_ca_key", temp);
	fputs(",\"keys\":[{", out);
	say(out, "ca_key", ca);
	fputs(",\"k256_key\":\"" K256_SCALAR "\"}]", out);
	fflush(out);
	wire_text(&wire, 1, VM_CONFIG);
	wire_text(&inner, 1, ca);
	wire_bytes(&inner, 2, known_roots.k256, 32);
	wire_text(&want, 1, temp);
	wire_bytes(&want, 2, inner.data, inner.len);
	ask("POST", "/prpc/GetKmsKey?json", "", "{\"vm_config\":\"\"}", 16,
	    client);
	assert_int_equal(reply.status, 200);
	assert_true(reply.len > len);
	assert_memory_equal(reply.body, json, len);
	ask("POST", "/prpc/GetKmsKey", "", wire.data, wire.len, client);
	assert_int_equal(reply.status, 200);
	assert_true(reply.len >= want.len);
	assert_memory_equal(reply.body, want.data, want.len);
	fclose(out);
	free(json);
	free(temp);
	free(ca);
}

/* The number behind a name. */
static uint64_t number_of(const char *name)
{
	const char *at = strstr(reply.body, name);

	assert_non_null(at);
	return strtoull(at + strlen(name), NULL, 10);
}

static void get_app_env_encrypt_pub_key_is_upstreams(void **state)
{
	static const char *const requests[] = {
		"{\"app_id\":\"" APP_HEX "\"}", "{\"app_id\":\"0x" APP_HEX "\"}"
	};
	static struct wire wire, want, ours;
	struct issue_env_key key;
	const uint8_t *end;
	uint64_t at;
	char *json;
	size_t i, len;
	FILE *out;

	(void)state;
	for (i = 0; i < 2; i++) {
		ask("POST", "/prpc/GetAppEnvEncryptPubKey?json", "",
		    requests[i], strlen(requests[i]), NULL);
		at = number_of("\"timestamp\":");
		assert_true(at + 60 > (uint64_t)time(NULL));
		assert_int_equal(issue_env_key(known, (const uint8_t *)APP, at,
					       &key), 0);
		out = open_memstream(&json, &len);
		fputc('{', out);
		fputs("\"public_key\":\"" ENV_KEY "\",", out);
		say_bytes(out, "signature", key.signature, 65);
		fprintf(out, ",\"timestamp\":%llu,", (unsigned long long)at);
		say_bytes(out, "signature_v1", key.signature_v1, 65);
		fputs(OUR_JSON "}", out);
		fclose(out);
		assert_json(json);
		free(json);
	}
	wire_bytes(&wire, 1, APP, 20);
	ask("POST", "/prpc/GetAppEnvEncryptPubKey", "", wire.data, wire.len,
	    NULL);
	wire_bytes(&want, 1, key.public, 32);
	wire_bytes(&want, 2, key.signature, 65);
	assert_int_equal(reply.status, 200);
	assert_memory_equal(reply.body, want.data, want.len);
	/* timestamp is 3, and signature_v1 is 4, with 65 bytes; then ours. */
	say_epochs(&ours);
	end = (uint8_t *)reply.body + reply.len - ours.len;
	assert_memory_equal(end, ours.data, ours.len);
	assert_int_equal(((uint8_t *)reply.body)[want.len], 3 << 3);
	assert_int_equal(end[-67], 4 << 3 | 2);
	assert_int_equal(end[-66], 65);
}

/*
 * SignCert
 */

struct csr_request {
	uint8_t *data, *signature;
	size_t len, signature_len;
};

static void make_csr(struct csr_request *request, uint32_t version)
{
	static struct container evidence;
	uint8_t report_data[64], *spki = NULL;
	struct libdstack_csr csr = {
		.version = version, .server = true, .ext_app_info = true,
		.subject = { (const uint8_t *)"app.example", 11 },
	};
	int len = i2d_PUBKEY(alice.key, &spki);

	assert_true(len > 0);
	csr.pubkey = (struct libdstack_span){ spki, len };
	assert_int_equal(libdstack_ratls_report_data(alice.key, report_data),
			 0);
	make_evidence(&alice, report_data, &evidence);
	csr.attestation = (struct libdstack_span){ evidence.data,
						   evidence.len };
	assert_int_equal(libdstack_csr_encode(&csr, &request->data,
					      &request->len), 0);
	assert_int_equal(libdstack_csr_sign(alice.key, request->data,
					    request->len, &request->signature,
					    &request->signature_len), 0);
	OPENSSL_free(spki);
}

static void free_csr(struct csr_request *request)
{
	free(request->data);
	free(request->signature);
}

static X509 *read_cert(const char *pem)
{
	BIO *bio = BIO_new_mem_buf(pem, -1);
	X509 *cert = PEM_read_bio_X509(bio, NULL, NULL, NULL);

	BIO_free(bio);
	assert_non_null(cert);
	return cert;
}

/* Leaf, application's CA, root: each signed by the next, for that key. */
static void assert_chain(yyjson_val *list)
{
	X509 *certs[3];
	size_t i;

	assert_int_equal(yyjson_arr_size(list), 3);
	for (i = 0; i < 3; i++)
		certs[i] = read_cert(yyjson_get_str(yyjson_arr_get(list, i)));
	assert_int_equal(X509_verify(certs[0], X509_get0_pubkey(certs[1])), 1);
	assert_int_equal(X509_verify(certs[1], X509_get0_pubkey(certs[2])), 1);
	assert_int_equal(EVP_PKEY_eq(X509_get0_pubkey(certs[0]), alice.key), 1);
	assert_string_equal(yyjson_get_str(yyjson_arr_get(list, 2)),
			    issue_cert(known, ISSUE_ROOT_CA));
	for (i = 0; i < 3; i++)
		X509_free(certs[i]);
}

static char *csr_json(const struct csr_request *request, unsigned int version)
{
	char *json, *hex = malloc(2 * request->len + 1);
	size_t len;
	FILE *out = open_memstream(&json, &len);

	fprintf(out, "{\"api_version\":%u,\"csr\":\"%s\",", version,
		libdstack_to_hex(request->data, request->len, hex));
	free(hex);
	say_bytes(out, "signature", request->signature, request->signature_len);
	fputs(",\"vm_config\":\"\"}", out);
	fclose(out);
	return json;
}

static void sign_cert_is_upstreams(void **state)
{
	struct csr_request request;
	static struct wire wire;
	yyjson_doc *doc;
	char *json;

	(void)state;
	make_csr(&request, 2);
	json = csr_json(&request, 2);
	ask("POST", "/prpc/SignCert?json", "", json, strlen(json), NULL);
	free(json);
	assert_int_equal(reply.status, 200);
	doc = yyjson_read(reply.body, reply.len, 0);
	/* Upstream's one field, and our two. */
	assert_int_equal(yyjson_obj_size(yyjson_doc_get_root(doc)), 3);
	assert_chain(yyjson_obj_get(yyjson_doc_get_root(doc),
				    "certificate_chain"));
	yyjson_doc_free(doc);
	wire_value(&wire, 1, 2);
	wire_bytes(&wire, 2, request.data, request.len);
	wire_bytes(&wire, 3, request.signature, request.signature_len);
	ask("POST", "/prpc/SignCert", "", wire.data, wire.len, NULL);
	assert_int_equal(reply.status, 200);
	/* A list of texts, number 1. */
	assert_int_equal(((uint8_t *)reply.body)[0], 1 << 3 | 2);
	assert_non_null(memmem(reply.body, reply.len, "BEGIN CERTIFICATE", 17));
	free_csr(&request);
}

/*
 * Refusals
 */

static void assert_refused(int status, const char *text)
{
	char want[1024];

	assert_int_equal(reply.status, status);
	if (!strcmp(reply.type, JSON)) {
		snprintf(want, sizeof(want), "{\n  \"error\": \"%s\"\n}", text);
		assert_int_equal(reply.len, strlen(want));
		assert_memory_equal(reply.body, want, reply.len);
	} else {
		struct wire wire = { .len = 0 };

		wire_text(&wire, 1, text);
		assert_string_equal(reply.type, PROTOBUF);
		assert_int_equal(reply.len, wire.len);
		assert_memory_equal(reply.body, wire.data, wire.len);
	}
}

static const struct {
	const char *method, *json, *wire;
	size_t len;
	int status;
	const char *text;
} refusals[] = {
	{ "GetAppKey", "{\"api_version\":1}", "\x08\x01", 2, 400,
	  "No attestation provided" },
	{ "GetAppKey", "{\"api_version\":2}", "\x08\x02", 2, 400,
	  "Unsupported API version: 2" },
	{ "GetKmsKey", "{}", "", 0, 400, "No attestation provided" },
	{ "SignCert", "{\"api_version\":0}", "", 0, 400,
	  "Unsupported API version: 0" },
	{ "SignCert", "{\"api_version\":3}", "\x08\x03", 2, 400,
	  "Unsupported API version: 3" },
	{ "GetAppEnvEncryptPubKey", "{\"app_id\":\"00\"}", "\x0a\x01\x00", 3,
	  400, "Invalid app ID: want 20 bytes" },
	{ "GetAppEnvEncryptPubKey", "{}", "", 0, 400,
	  "Invalid app ID: want 20 bytes" },
	{ "GetRootKey", "null", "", 0, 404, "Service not found: GetRootKey" },
	{ "Onboard.Bootstrap", "null", "", 0, 404,
	  "Service not found: Onboard.Bootstrap" },
	{ "Admin.ClearImageCache", "null", "", 0, 404,
	  "Service not found: Admin.ClearImageCache" },
};

static void refusals_have_the_form_that_clients_read(void **state)
{
	char target[128];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
		snprintf(target, sizeof(target), "/prpc/%s?json",
			 refusals[i].method);
		ask("POST", target, "", refusals[i].json,
		    strlen(refusals[i].json), NULL);
		assert_refused(refusals[i].status, refusals[i].text);
		*strchr(target, '?') = '\0';
		ask("POST", target, "", refusals[i].wire, refusals[i].len,
		    NULL);
		assert_refused(refusals[i].status, refusals[i].text);
	}
}

static void who_is_denied_is_told_why(void **state)
{
	static const char why[] =
		"Boot denied: the measurements are none that are known "
		"of its OS image";

	(void)state;
	kms_options.any_image = false;
	ask("POST", "/prpc/GetAppKey?json", "", "{\"api_version\":1}", 17,
	    client);
	assert_refused(400, why);
	ask("POST", "/prpc/GetAppKey", "", "\x08\x01", 2, client);
	assert_refused(400, why);
	kms_options.any_image = true;
}

/* Of an image that is to be looked at by its files, and is not there. */
static void who_booted_an_unknown_image_is_told_so(void **state)
{
	const struct image_options image = { .dir = work, .tell = note };
	static const char why[] =
		"Boot denied: its vm_config does not say "
		"how much memory it has";

	(void)state;
	kms_options.any_image = false;
	assert_int_equal(image_store_open(&image, &kms.images), 0);
	ask("POST", "/prpc/GetAppKey?json", "", "{\"api_version\":1}", 17,
	    client);
	assert_refused(400, why);
	image_store_close(kms.images);
	kms.images = NULL;
	kms_options.any_image = true;
}

static void attack_68_evidence_for_another_key_gives_nothing(void **state)
{
	static const char text[] =
		"\"error\": \"attestation verification failed: ";
	struct guest thief = { bob.key, alice.instance };
	static struct container c;
	struct libdstack_ratls_request r;
	X509 *cert;

	(void)state;
	fill_request(&alice, &c, &r);
	r.key = thief.key;
	cert = libdstack_ratls_make(&r);
	assert_non_null(cert);
	ask("POST", "/prpc/GetAppKey?json", "", "{\"api_version\":1}", 17,
	    cert);
	assert_int_equal(reply.status, 400);
	assert_non_null(memmem(reply.body, reply.len, text, sizeof(text) - 1));
	X509_free(cert);
}

static int begin(void **state)
{
	(void)state;
	need_kms();
	return 0;
}

#define claim(name) cmocka_unit_test_setup(name, begin)

int main(void)
{
	const struct CMUnitTest tests[] = {
		claim(get_meta_is_upstreams),
		claim(get_temp_ca_cert_is_upstreams),
		claim(get_app_key_is_upstreams),
		claim(get_kms_key_is_upstreams),
		claim(get_app_env_encrypt_pub_key_is_upstreams),
		claim(sign_cert_is_upstreams),
		claim(refusals_have_the_form_that_clients_read),
		claim(who_is_denied_is_told_why),
		claim(who_booted_an_unknown_image_is_told_so),
		claim(attack_68_evidence_for_another_key_gives_nothing),
	};

	return cmocka_run_group_tests_name("kmsd_wire", tests, NULL,
					   wire_teardown);
}
