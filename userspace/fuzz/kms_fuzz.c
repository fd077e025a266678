// SPDX-License-Identifier: MIT
/*
 * What a KMS answers
 *
 * Copyright The dstack for Linux authors
 *
 * A letter says what is asked for, a digit which status the last answer has;
 * then come the answers, "\n--\n" between them.  TLS is not played: whoever
 * answers is taken for the KMS.
 */
#include "fuzz.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

#include "../keys/p256.h"
#include "../kms/room.h"
#include "../test/stand_in_kms.h"

#define BETWEEN		"\n--\n"
#define BODY_MAX	65536
#define APP		"application number 1"
#define SUBJECT		"app.test"

static const char *rest;		/* answers that were not given yet */
static size_t rest_len;
static int last_status;
static bool accepted;			/* what was asked for was had */
static struct stand_in_roots roots, before;
static uint8_t *csr_data, *csr_signature;
static struct kms_csr csr;
static char *root_pem;

/*
 * In the place of http.c
 */

char *kms_url(struct kms_call *call, const char *method)
{
	(void)call;
	return strdup(method);
}

int kms_http_post(struct kms_call *call, const char *url, const void *data,
		  size_t len, struct kms_body *body)
{
	const char *end = memmem(rest, rest_len, BETWEEN, strlen(BETWEEN));
	size_t nr = end ? (size_t)(end - rest) : rest_len;

	(void)url;
	(void)data;
	(void)len;
	if (nr > body->max)
		return kms_fail(call, -EBADMSG, "too large");
	body->status = end ? 200 : last_status;
	body->len = nr;
	must(!libdstack_secret_alloc(body->max, (void **)&body->data));
	if (nr)
		memcpy(body->data, rest, nr);
	rest = end ? end + strlen(BETWEEN) : rest + nr;
	rest_len -= end ? nr + strlen(BETWEEN) : nr;
	return 0;
}

void kms_body_free(struct kms_body *body)
{
	libdstack_secret_free(body->data, body->max);
}

/*
 * What is asked for
 */

/* A log of one event in a container that is otherwise empty: "V0", of a TD. */
static int attest(void *arg, const uint8_t report_data[64],
		  uint8_t **attestation, size_t *len)
{
	static const uint8_t head[] = "\0\0\0\0\4\30app-id\120" APP;
	uint8_t *out = malloc(sizeof(head) + 64);

	(void)arg;
	must(out);
	memcpy(out, head, sizeof(head) - 1);
	memcpy(out + sizeof(head) - 1, report_data, 64);
	out[sizeof(head) + 63] = 0;
	*attestation = out;
	*len = sizeof(head) + 64;
	return 0;
}

static void make_csr(void)
{
	static const uint8_t scalar[DSTACK_KEY_SIZE] = { 1, 2, 3 };
	EVP_PKEY *key = p256_key(scalar);
	uint8_t *spki = NULL, *evidence = NULL, report_data[64];
	struct libdstack_csr request = {
		.version = 2, .pubkey.len = i2d_PUBKEY(key, &spki),
		.subject = { (const uint8_t *)SUBJECT, strlen(SUBJECT) },
		.server = true, .ext_quote = true,
	};

	request.pubkey.data = spki;
	must(!libdstack_ratls_report_data(key, report_data) &&
	     !attest(NULL, report_data, &evidence, &request.attestation.len));
	request.attestation.data = evidence;
	must(!libdstack_csr_encode(&request, &csr_data, &csr.len) &&
	     !libdstack_csr_sign(key, csr_data, csr.len, &csr_signature,
				 &csr.signature_len));
	csr.data = csr_data;
	csr.signature = csr_signature;
	OPENSSL_free(spki);
	free(evidence);
	EVP_PKEY_free(key);
}

static void begin(void)
{
	static const uint8_t seed[STAND_IN_SEED] = "fuzz";
	static const uint8_t old[STAND_IN_SEED] = "what was before";

	if (root_pem)
		return;
	stand_in_roots_init(&roots, seed);
	stand_in_roots_init(&before, old);
	root_pem = strdup(issue_cert(roots.issue, ISSUE_ROOT_CA));
	make_csr();
}

/* Whatever is said is one line of plain text. */
static void tell(const char *line)
{
	must(*line);
	for (; *line; line++)
		must(*line >= ' ' && *line <= '~');
}

static void get_keys(const struct kms *kms)
{
	static const struct kms_app_keys none;
	struct kms_app_keys keys;
	int err = kms_get_app_keys(kms, KMS_EPOCH_OLDEST, &keys);

	accepted = !err;
	if (err) {
		must(!memcmp(&keys, &none, sizeof(keys)));
		return;
	}
	must(keys.k256_signature_len == KMS_SIGNATURE_SIZE &&
	     keys.provider_id_len == 91 && keys.url && keys.ca_cert &&
	     keys.tmp_ca_key && keys.tmp_ca_cert && keys.gateway_app_id &&
	     strlen(keys.gateway_app_id) < 64);
	kms_app_keys_wipe(&keys);
}

/* Of a KMS whose root is not the one that is pinned. */
static void follow(const struct kms *kms)
{
	struct kms pinned = *kms;

	pinned.provider_id = issue_public(before.issue)->ca;
	pinned.provider_id_len = ISSUE_SPKI_SIZE;
	get_keys(&pinned);
}

static void sign_cert(const struct kms *kms)
{
	const struct kms_signer signer = {
		.epoch = KMS_EPOCH_OLDEST, .ca_cert = root_pem,
	};
	char *chain;
	int err = kms_sign_cert(kms, &signer, &csr, &chain);

	accepted = !err;
	must(err ? !chain : !strncmp(chain, "-----BEGIN CERT", 15));
	free(chain);
}

static int allow(const struct libdstack_peer *peer, void *arg,
		 struct libdstack_failure *failure)
{
	(void)peer;
	(void)arg;
	(void)failure;
	return 0;
}

static void get_roots(const struct kms *kms)
{
	static const struct libdstack_trust trust;
	struct kms judged = *kms;
	struct kms_roots got;
	const char *why;

	judged.trust = &trust;
	accepted = !kms_get_roots(&judged, allow, NULL, &got);
	must(accepted == !!got.epochs && accepted == !!got.nr);
	must(!accepted || !key_epochs_check(got.epochs, got.nr, &why));
	kms_roots_wipe(&got);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const char *const urls[] = { "https://kms.test" };
	const struct kms kms = {
		.urls = urls, .nr = 1, .attest = attest, .tell = tell,
	};
	struct kms_env_key env;
	char *copy;

	if (len < 2 || len > BODY_MAX)
		return 0;
	begin();
	copy = fuzz_copy(data, len);
	last_status = data[1] == '2' ? 200 : 100 * (data[1] & 7);
	rest = copy + 2;
	rest_len = len - 2;
	if (data[0] == 'k')
		get_keys(&kms);
	else if (data[0] == 'f')
		follow(&kms);
	else if (data[0] == 'r')
		get_roots(&kms);
	else if (data[0] == 's')
		sign_cert(&kms);
	else if (data[0] == 'e')
		accepted = !kms_env_public_key(&kms, (const uint8_t *)APP,
					       NULL, &env);
	free(copy);
	return 0;
}

/*
 * Answers to begin with, which are good
 */

static size_t nr_epochs;
static struct stand_in_record record;

static char *answer(const char *method, X509 *client, const char *body)
{
	const struct stand_in_config config = {
		.name = "kms", .epochs = nr_epochs,
		.records = &record, .nr_records = 1,
	};
	static struct stand_in_state state = { .key_epoch = 1 };
	struct stand_in_call call = {
		.config = &config, .roots = &roots, .others = &roots,
		.state = &state,
		.client = client, .body = body, .len = strlen(body),
	};
	char *text;

	stand_in_answer(&call, method);
	must(call.status == 200);
	text = strndup(call.answer, call.answer_len);
	free(call.answer);
	return text;
}

/* Two answers, one behind the other. */
static char *both(char *one, char *other)
{
	char *text;

	must(asprintf(&text, "%s%s%s", one, BETWEEN, other) > 0);
	free(one);
	free(other);
	return text;
}

static X509 *make_client(void)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	struct libdstack_ratls_request request = {
		.key = key, .subject = "client", .not_after = 4000000000,
	};
	uint8_t report_data[64], *evidence = NULL;
	X509 *cert;

	must(!libdstack_ratls_report_data(key, report_data) &&
	     !attest(NULL, report_data, &evidence, &request.evidence.len));
	request.evidence.data = evidence;
	cert = libdstack_ratls_make(&request);
	must(cert);
	free(evidence);
	EVP_PKEY_free(key);
	return cert;
}

static void seed(const char *head, char *first, char *second)
{
	char *text;

	must(asprintf(&text, "%s%s%s%s", head, first, second ? BETWEEN : "",
		      second ? second : "") > 0);
	fuzz_seed_text(text);
	/* Or it would be no good beginning. */
	LLVMFuzzerTestOneInput((const uint8_t *)text, strlen(text));
	must(accepted == (head[1] == '2'));
	free(text);
	free(first);
	free(second);
}

void fuzz_seeds(void)
{
	static const char app[] = "{\"app_id\":\"%s\"}";
	char hex[41], body[128], *csr_hex, *sign_hex, *request;
	X509 *client;

	begin();
	stand_in_succeed(before.issue, 1, roots.issue, &record);
	client = make_client();
	seed("f2", both(answer("GetTempCaCert", NULL, "null"),
			answer("GetMeta", NULL, "null")),
	     answer("GetAppKey", client, "{\"api_version\":1}"));
	seed("k2", answer("GetTempCaCert", NULL, "null"),
	     answer("GetAppKey", client, "{\"api_version\":1}"));
	seed("k4", answer("GetTempCaCert", NULL, "null"),
	     strdup("{\"error\":\"Boot denied: why\"}"));
	for (nr_epochs = 0; nr_epochs <= 2; nr_epochs += 2)
		seed("r2", answer("GetTempCaCert", NULL, "null"),
		     answer("GetKmsKey", client, "{\"vm_config\":\"{}\"}"));
	X509_free(client);
	snprintf(body, sizeof(body), app, libdstack_to_hex(APP, 20, hex));
	seed("e2", answer("GetAppEnvEncryptPubKey", NULL, body), NULL);
	csr_hex = malloc(2 * csr.len + 1);
	sign_hex = malloc(2 * csr.signature_len + 1);
	must(asprintf(&request,
		      "{\"api_version\":2,\"csr\":\"%s\",\"signature\":\"%s\"}",
		      libdstack_to_hex(csr.data, csr.len, csr_hex),
		      libdstack_to_hex(csr.signature, csr.signature_len,
				       sign_hex)) > 0);
	seed("s2", answer("GetTempCaCert", NULL, "null"),
	     answer("SignCert", NULL, request));
	free(request);
	free(csr_hex);
	free(sign_hex);
	fuzz_seed_text("k3");
	fuzz_seed_text("s5{\"error\":\"a\\u0001b\"}");
}
