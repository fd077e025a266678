// SPDX-License-Identifier: MIT
/*
 * Certificates with attestation: whose key it is, and whose it is not
 *
 * Copyright The dstack for Linux authors
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <archive.h>
#include <archive_entry.h>
#include <cmocka.h>
#include <errno.h>
#include <openssl/err.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "ratls_fixture.h"
#include "vectors.h"

static struct libdstack_peer peer;
static struct libdstack_failure failure;
static struct container c;

static int verify(X509 *cert)
{
	int err;

	assert_non_null(cert);
	err = libdstack_ratls_verify(cert, NULL, X509_PURPOSE_SSL_SERVER,
				     &trust, time(NULL), &peer, &failure);
	libdstack_peer_clear(&peer);
	assert_true(!err == !failure.reason);
	return err;
}

/* And the certificate goes. */
static int verify_once(X509 *cert)
{
	int err = verify(cert);

	X509_free(cert);
	return err;
}

static void assert_refused(X509 *cert, int err, const char *step)
{
	assert_int_equal(verify_once(cert), err);
	assert_string_equal(failure.step, step);
	assert_string_not_equal(failure.text, "");
}

static void evidence_says_whose_key_it_is(void **state)
{
	(void)state;
	need_guests();
	assert_int_equal(verify_once(make_cert(&alice)), 0);
	assert_string_equal(accepted, alice.instance);
}

/* "ELGZv1" and @data as gzip has it; as many bytes as it returns. */
static size_t compress(const void *data, size_t len, uint8_t *out, size_t size)
{
	struct archive *gz = archive_write_new();
	struct archive_entry *entry = archive_entry_new();
	size_t used = 0;

	memcpy(out, "ELGZv1", 6);
	archive_write_add_filter_gzip(gz);
	archive_write_set_format_raw(gz);
	archive_write_set_bytes_in_last_block(gz, 1);
	archive_write_open_memory(gz, out + 6, size - 6, &used);
	archive_entry_set_filetype(entry, AE_IFREG);
	assert_int_equal(archive_write_header(gz, entry), ARCHIVE_OK);
	assert_int_equal(archive_write_data(gz, data, len), len);
	assert_int_equal(archive_write_close(gz), ARCHIVE_OK);
	archive_entry_free(entry);
	archive_write_free(gz);
	return 6 + used;
}

/* As guests before 0.5.9 wrote it, and the same compressed. */
static void certificates_of_old_are_read(void **state)
{
	struct libdstack_ratls_request r;
	uint8_t packed[8192];
	char *log;

	(void)state;
	need_guests();
	fill_request(&alice, &c, &r);
	log = make_log(&alice);
	r.evidence.len = 0;
	r.quote = (struct libdstack_span){ f.data, f.len };
	r.event_log = (struct libdstack_span){ (uint8_t *)log, strlen(log) };
	assert_int_equal(verify_once(libdstack_ratls_make(&r)), 0);
	assert_string_equal(accepted, alice.instance);
	r.event_log.data = packed;
	r.event_log.len = compress(log, strlen(log), packed, sizeof(packed));
	assert_int_equal(verify_once(libdstack_ratls_make(&r)), 0);
	/* Cut off, none, and something else. */
	r.event_log.len -= 9;
	assert_refused(libdstack_ratls_make(&r), -EBADMSG, "certificate");
	r.event_log.len = 0;
	assert_refused(libdstack_ratls_make(&r), -EBADMSG, "certificate");
	r.event_log = (struct libdstack_span){ (uint8_t *)"ELGZv1[]", 8 };
	assert_refused(libdstack_ratls_make(&r), -EBADMSG, "certificate");
	free(log);
}

/* Attack 47: a megabyte of blanks, in a thousand bytes. */
static void attack_47_gzip_bomb_ends_early(void **state)
{
	uint8_t packed[8192], *blanks = malloc(1 << 20);
	struct libdstack_ratls_request r;

	(void)state;
	need_guests();
	fill_request(&alice, &c, &r);
	r.evidence.len = 0;
	r.quote = (struct libdstack_span){ f.data, f.len };
	memset(blanks, ' ', 1 << 20);
	r.event_log.data = packed;
	r.event_log.len = compress(blanks, 1 << 20, packed, sizeof(packed));
	free(blanks);
	assert_refused(libdstack_ratls_make(&r), -EBADMSG, "certificate");
	assert_non_null(strstr(failure.text, "16384"));
}

/* Attack 68: genuine evidence, and a key that it does not name. */
static void attack_68_evidence_for_another_key_is_refused(void **state)
{
	struct libdstack_ratls_request r;

	(void)state;
	need_guests();
	fill_request(&alice, &c, &r);
	assert_int_equal(verify_once(libdstack_ratls_make(&r)), 0);
	r.key = bob.key;
	assert_refused(libdstack_ratls_make(&r), -EKEYREJECTED, "report data");
}

/* Attack 68: the same key in other bytes, whichever of them was hashed. */
static void attack_68_other_encoding_of_a_key_is_refused(void **state)
{
	const char *form = OSSL_PKEY_PARAM_EC_POINT_CONVERSION_FORMAT;
	EVP_PKEY *same;
	struct libdstack_ratls_request r;
	uint8_t report_data[64], *spki = NULL;
	int len;

	(void)state;
	need_guests();
	same = EVP_PKEY_dup(alice.key);
	assert_int_equal(EVP_PKEY_set_utf8_string_param(same, form,
							"compressed"), 1);
	fill_request(&alice, &c, &r);
	r.key = same;
	assert_refused(libdstack_ratls_make(&r), -EOPNOTSUPP, "certificate");
	len = i2d_PUBKEY(same, &spki);
	assert_true(len > 0 && len < RATLS_SPKI_SIZE);
	assert_int_equal(libdstack_report_data("ratls-cert", NULL, spki, len,
					       report_data), 0);
	make_evidence(&alice, report_data, &c);
	r.evidence.len = c.len;
	assert_refused(libdstack_ratls_make(&r), -EOPNOTSUPP, "certificate");
	assert_int_equal(libdstack_ratls_report_data(same, report_data),
			 -EOPNOTSUPP);
	OPENSSL_free(spki);
	EVP_PKEY_free(same);
}

static void attack_68_expired_certificate_is_refused(void **state)
{
	struct libdstack_ratls_request r;

	(void)state;
	need_guests();
	fill_request(&alice, &c, &r);
	r.not_after = time(NULL) - 30;
	assert_refused(libdstack_ratls_make(&r), -EKEYEXPIRED,
		       "certificate chain");
	r.not_after = time(NULL) + 600;
	r.not_before = time(NULL) + 300;
	assert_refused(libdstack_ratls_make(&r), -EKEYEXPIRED,
		       "certificate chain");
	assert_int_equal(failure.reason, LIBDSTACK_REASON_EARLY);
}

static X509 *make_ca(EVP_PKEY *key)
{
	X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, NULL,
						  NID_basic_constraints,
						  "critical,CA:TRUE");
	struct libdstack_ratls_request r = {
		.key = key, .subject = "A KMS", .not_after = time(NULL) + 600,
	};
	X509 *ca = libdstack_ratls_make(&r);

	/* A key usage without certificates would be in the way. */
	X509_EXTENSION_free(X509_delete_ext(ca, 0));
	assert_int_equal(X509_add_ext(ca, ext, -1), 1);
	assert_true(X509_sign(ca, key, EVP_sha256()) > 0);
	X509_EXTENSION_free(ext);
	return ca;
}

/* Attack 68: whose issuer is trusted has it, and nobody else. */
static void attack_68_self_signed_by_unknown_is_refused(void **state)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	struct libdstack_ratls_request r;
	X509 *ca = make_ca(key);

	(void)state;
	need_guests();
	trust.flags = 0;
	assert_refused(make_cert(&alice), -EKEYREJECTED, "certificate chain");
	assert_int_equal(failure.reason, LIBDSTACK_REASON_ROOT);
	trust.issuers = X509_STORE_new();
	X509_STORE_add_cert(trust.issuers, ca);
	assert_refused(make_cert(&alice), -EKEYREJECTED, "certificate chain");
	fill_request(&alice, &c, &r);
	r.issuer = ca;
	r.issuer_key = bob.key;
	assert_refused(libdstack_ratls_make(&r), -EKEYREJECTED,
		       "certificate chain");
	r.issuer_key = key;
	r.usage = "app:custom";
	assert_int_equal(verify_once(libdstack_ratls_make(&r)), 0);
	/* What it is for is the issuer's word, if it is one. */
	trust.usage = "kms:rpc";
	assert_refused(libdstack_ratls_make(&r), -EKEYREJECTED, "certificate");
	trust.usage = "app:custom";
	assert_int_equal(verify_once(libdstack_ratls_make(&r)), 0);
	X509_STORE_free(trust.issuers);
	trust.issuers = NULL;
	trust.flags = LIBDSTACK_RATLS_F_ANY_ISSUER;
	assert_refused(libdstack_ratls_make(&r), -EKEYREJECTED, "certificate");
	X509_free(ca);
	EVP_PKEY_free(key);
}

/* Attack 68: two of one kind, where readers may differ which they take. */
static void attack_68_double_extension_is_refused(void **state)
{
	X509 *cert;
	int i, nr;

	(void)state;
	need_guests();
	cert = make_cert(&alice);
	nr = X509_get_ext_count(cert);
	for (i = 0; i < nr; i++) {
		X509 *two = X509_dup(cert);

		assert_int_equal(X509_add_ext(two, X509_get_ext(cert, i), -1),
				 1);
		assert_true(X509_sign(two, alice.key, EVP_sha256()) > 0);
		assert_refused(two, -EBADMSG, "certificate");
	}
	X509_free(cert);
}

static void parts_of_a_certificate_must_agree(void **state)
{
	struct libdstack_ratls_request r;
	uint8_t zeros[64] = { 0 };
	char *quote;

	(void)state;
	need_guests();
	fill_request(&alice, &c, &r);
	r.app_id = (struct libdstack_span){ (const uint8_t *)APP, 20 };
	r.quote = (struct libdstack_span){ f.data, f.len };
	assert_int_equal(verify_once(libdstack_ratls_make(&r)), 0);
	r.app_id.data = (const uint8_t *)"application number 2";
	assert_refused(libdstack_ratls_make(&r), -EKEYREJECTED, "identity");
	r.app_id.len = 19;
	assert_refused(libdstack_ratls_make(&r), -EBADMSG, "certificate");
	r.app_id.len = 0;
	quote = malloc(f.len);
	memcpy(quote, f.data, f.len);
	r.quote.data = (uint8_t *)quote;
	quote[TD_REPORT_DATA] ^= 1;
	assert_refused(libdstack_ratls_make(&r), -EKEYREJECTED, "certificate");
	free(quote);
	r.quote.len = 0;
	r.evidence.len = 0;
	assert_refused(libdstack_ratls_make(&r), -EOPNOTSUPP, "certificate");
	r.app_info = (struct libdstack_span){ zeros, sizeof(zeros) };
	assert_refused(libdstack_ratls_make(&r), -EBADMSG, "certificate");
}

static int nr_found;

static int find_collateral(const void *quote, size_t len, time_t now,
			   void *data, struct libdstack_collateral **found,
			   struct libdstack_failure *why)
{
	(void)now;
	(void)data;
	(void)why;
	assert_int_equal(len, f.len);
	assert_memory_equal(quote, f.data, len);
	if (nr_found++)
		return -ENODATA;
	*found = read_collateral("base");
	return 0;
}

static void collateral_is_that_of_the_platform(void **state)
{
	(void)state;
	need_guests();
	trust.collateral = NULL;
	assert_refused(make_cert(&alice), -ENODATA, "collateral");
	trust.find = find_collateral;
	assert_int_equal(verify_once(make_cert(&alice)), 0);
	assert_refused(make_cert(&alice), -ENODATA, "collateral");
	assert_int_equal(failure.reason, LIBDSTACK_REASON_UNAVAILABLE);
}

static void nobody_is_accepted_without_a_policy(void **state)
{
	(void)state;
	need_guests();
	only_instance = bob.instance;
	assert_refused(make_cert(&alice), -EACCES, "policy");
	trust.accept = NULL;
	assert_refused(make_cert(&alice), -EKEYREJECTED, "policy");
}

/* Genuine evidence, judged as it would be for a key. */
static int check_vector(const char *name, time_t now)
{
	struct vector v = vector_load(name);
	int err;

	memset(&peer, 0, sizeof(peer));
	memset(&failure, 0, sizeof(failure));
	assert_int_equal(libdstack_attestation_parse(v.data, v.len,
						     &peer.attestation,
						     &failure), 0);
	err = ratls_check_evidence(peer.attestation->report_data, &trust, now,
				   &peer, &failure);
	free(v.data);
	return err;
}

static void evidence_of_other_tees_is_verified(void **state)
{
	static const char snp[] = "dstack/sev-snp-attestation.json";
	static const char nitro[] = "dstack/nitro_attestation.bin";
	const time_t at = 1766678659;	/* 2025-12-25T16:04:19Z */
	struct vector ark = vector_load("snp/milan-ark.pem");
	const struct libdstack_snp_blob cert = { ark.data, ark.len };
	const struct libdstack_snp_chain chain_of = {
		.certs = &cert, .nr_certs = 1,
	};
	uint8_t other[64] = { 0 };

	(void)state;
	memset(&trust, 0, sizeof(trust));
	trust.snp = &chain_of;
	assert_int_equal(check_vector(snp, at), -EKEYREJECTED);
	assert_string_equal(failure.step, "kind of evidence");
	libdstack_peer_clear(&peer);
	trust.tees = 1U << LIBDSTACK_TEE_SEV_SNP |
		1U << LIBDSTACK_TEE_NITRO_ENCLAVE;
	if (check_vector(snp, at + 200 * 86400))
		fail_msg("%s: %s", failure.step, failure.text);
	assert_int_equal(peer.identity.tee, LIBDSTACK_TEE_SEV_SNP);
	assert_int_equal(peer.identity.app_id.len, 20);
	assert_int_equal(ratls_check_evidence(other, &trust, at + 200 * 86400,
					      &peer, &failure), -EKEYREJECTED);
	assert_string_equal(failure.step, "report data");
	libdstack_peer_clear(&peer);
	if (check_vector(nitro, at))
		fail_msg("%s: %s", failure.step, failure.text);
	assert_int_equal(peer.identity.tee, LIBDSTACK_TEE_NITRO_ENCLAVE);
	assert_int_equal(ratls_check_evidence(other, &trust, at, &peer,
					      &failure), -EKEYREJECTED);
	libdstack_peer_clear(&peer);
	assert_true(check_vector("dstack/nitro_attestation_dbg.bin", at) < 0);
	libdstack_peer_clear(&peer);
	free(ark.data);
}

static void flipped_bit_anywhere_is_refused(void **state)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	struct libdstack_ratls_request r;
	uint8_t *der = NULL;
	X509 *ca, *cert;
	int len, i;

	(void)state;
	need_guests();
	ca = make_ca(key);
	trust.flags = 0;
	trust.issuers = X509_STORE_new();
	X509_STORE_add_cert(trust.issuers, ca);
	fill_request(&alice, &c, &r);
	r.issuer = ca;
	r.issuer_key = key;
	cert = libdstack_ratls_make(&r);
	assert_int_equal(verify(cert), 0);
	len = i2d_X509(cert, &der);
	X509_free(cert);
	for (i = 0; i < len; i++) {
		const uint8_t *p = der;

		der[i] ^= 1 << i % 8;
		cert = d2i_X509(NULL, &p, len);
		if (cert && !verify(cert))
			fail_msg("a flip in byte %d of %d was accepted", i,
				 len);
		X509_free(cert);
		der[i] ^= 1 << i % 8;
	}
	ERR_clear_error();
	OPENSSL_free(der);
	X509_STORE_free(trust.issuers);
	X509_free(ca);
	EVP_PKEY_free(key);
}

/* Nobody vouches for the rest of it, but it can't deny its own signature. */
static void self_signed_certificate_is_signed_by_its_key(void **state)
{
	X509 *cert;

	(void)state;
	need_guests();
	cert = make_cert(&alice);
	assert_true(X509_sign(cert, bob.key, EVP_sha256()) > 0);
	assert_refused(cert, -EKEYREJECTED, "certificate chain");
	assert_int_equal(failure.reason, LIBDSTACK_REASON_SIGNATURE);
}

static void handshakes_verify_both_sides(void **state)
{
	struct pair p;

	(void)state;
	need_guests();
	pair_contexts(&p);
	pair_cert(p.client_ctx, &alice);
	pair_cert(p.server_ctx, &bob);
	assert_int_equal(libdstack_ratls_use(p.client_ctx, &trust), 0);
	assert_int_equal(libdstack_ratls_use(p.server_ctx, &trust), 0);
	pair_connect(&p, "guest.test");
	assert_int_equal(SSL_set1_host(p.client, "guest.test"), 1);
	if (!pair_handshake(&p))
		fail_msg("%s: %s", refusal.step, refusal.text);
	assert_false(SSL_session_reused(p.client));
	assert_int_equal(SSL_get_verify_result(p.client), X509_V_OK);
	SSL_free(p.client);
	SSL_free(p.server);
	/* A name that the certificate does not have. */
	pair_connect(&p, "other.test");
	assert_int_equal(SSL_set1_host(p.client, "other.test"), 1);
	assert_false(pair_handshake(&p));
	assert_string_equal(refusal.step, "server's name");
	SSL_free(p.client);
	SSL_free(p.server);
	only_instance = bob.instance;
	pair_connect(&p, NULL);
	assert_false(pair_handshake(&p));
	assert_string_equal(refusal.step, "policy");
	pair_close(&p);
}

static void context_without_clock_or_policy_is_refused(void **state)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_method());

	(void)state;
	need_guests();
	trust.accept = NULL;
	assert_int_equal(libdstack_ratls_use(ctx, &trust), -EINVAL);
	trust.accept = accept_app;
	trust.clock = NULL;
	assert_int_equal(libdstack_ratls_use(ctx, &trust), -EINVAL);
	SSL_CTX_free(ctx);
}

/* A server of one reply, for curl. */
static void *serve(void *arg)
{
	static const char reply[] =
		"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
	char request[4096];
	int fd, listener = *(int *)arg;
	SSL *ssl;

	pair_cert(ctx, &bob);
	fd = accept(listener, NULL, NULL);
	ssl = SSL_new(ctx);
	SSL_set_fd(ssl, fd);
	if (SSL_accept(ssl) == 1 && SSL_read(ssl, request, 4096) > 0) {
		SSL_write(ssl, reply, sizeof(reply) - 1);
		SSL_shutdown(ssl);
	}
	SSL_free(ssl);
	SSL_CTX_free(ctx);
	close(fd);
	return NULL;
}

static size_t swallow(char *data, size_t size, size_t nr, void *arg)
{
	(void)data;
	(void)arg;
	return size * nr;
}

static CURLcode get(void)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	CURL *curl = curl_easy_init();
	pthread_t thread;
	CURLcode code;

	snprintf(at.sun_path, sizeof(at.sun_path), "%s/socket", dir);
	unlink(at.sun_path);
	assert_int_equal(bind(listener, (void *)&at, sizeof(at)), 0);
	assert_int_equal(listen(listener, 1), 0);
	assert_int_equal(pthread_create(&thread, NULL, serve, &listener), 0);
	curl_easy_setopt(curl, CURLOPT_URL, "https://guest.test/");
	curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, at.sun_path);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, swallow);
	assert_int_equal(libdstack_ratls_curl(curl, &trust), CURLE_OK);
	code = curl_easy_perform(curl);
	curl_easy_cleanup(curl);
	pthread_join(thread, NULL);
	close(listener);
	return code;
}

static void curl_talks_to_verified_guests_only(void **state)
{
	(void)state;
	need_guests();
	signal(SIGPIPE, SIG_IGN);
	assert_int_equal(get(), CURLE_OK);
	assert_string_equal(accepted, bob.instance);
	only_instance = alice.instance;
	assert_int_not_equal(get(), CURLE_OK);
	assert_string_equal(refusal.step, "policy");
}

/* The values, and their order, are what upstream's library writes. */
static void authoritys_extensions_are_upstreams(void **state)
{
	static const struct {
		int nid, critical;
		size_t len;
		uint8_t value[8];
	} want[] = {
		{ NID_key_usage, 1, 4, { 3, 2, 1, 0x86 } },
		{ NID_subject_key_identifier, 0, 22, { 4, 20 } },
		{ NID_basic_constraints, 1, 8,
		  { 0x30, 6, 1, 1, 0xff, 2, 1, 1 } },
	};
	EVP_PKEY *key = EVP_EC_gen("P-256");
	const struct libdstack_ratls_request r = {
		.key = key, .subject = "authority", .ca = true, .ca_level = 1,
		.not_before = 157766400, .not_after = 4102444800,
	};
	uint8_t *spki = NULL, hash[32];
	X509_EXTENSION *ext;
	size_t i, len;
	X509 *cert;

	(void)state;
	cert = libdstack_ratls_make(&r);
	assert_non_null(cert);
	assert_int_equal(X509_get_ext_count(cert), 3);
	for (i = 0; i < 3; i++) {
		ext = X509_get_ext(cert, i);
		assert_int_equal(OBJ_obj2nid(X509_EXTENSION_get_object(ext)),
				 want[i].nid);
		assert_int_equal(X509_EXTENSION_get_critical(ext),
				 want[i].critical);
		assert_int_equal(X509_EXTENSION_get_data(ext)->length,
				 want[i].len);
		assert_memory_equal(X509_EXTENSION_get_data(ext)->data,
				    want[i].value, i == 1 ? 2 : want[i].len);
	}
	len = i2d_PUBKEY(key, &spki);
	assert_int_equal(EVP_Digest(spki, len, hash, NULL, EVP_sha256(), NULL),
			 1);
	ext = X509_get_ext(cert, 1);
	assert_memory_equal(X509_EXTENSION_get_data(ext)->data + 2, hash, 20);
	OPENSSL_free(spki);
	X509_free(cert);
	EVP_PKEY_free(key);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(evidence_says_whose_key_it_is),
		cmocka_unit_test(certificates_of_old_are_read),
		cmocka_unit_test(attack_47_gzip_bomb_ends_early),
		cmocka_unit_test(attack_68_evidence_for_another_key_is_refused),
		cmocka_unit_test(attack_68_other_encoding_of_a_key_is_refused),
		cmocka_unit_test(attack_68_expired_certificate_is_refused),
		cmocka_unit_test(attack_68_self_signed_by_unknown_is_refused),
		cmocka_unit_test(attack_68_double_extension_is_refused),
		cmocka_unit_test(parts_of_a_certificate_must_agree),
		cmocka_unit_test(collateral_is_that_of_the_platform),
		cmocka_unit_test(nobody_is_accepted_without_a_policy),
		cmocka_unit_test(evidence_of_other_tees_is_verified),
		cmocka_unit_test(flipped_bit_anywhere_is_refused),
		cmocka_unit_test(self_signed_certificate_is_signed_by_its_key),
		cmocka_unit_test(handshakes_verify_both_sides),
		cmocka_unit_test(context_without_clock_or_policy_is_refused),
		cmocka_unit_test(curl_talks_to_verified_guests_only),
		cmocka_unit_test(authoritys_extensions_are_upstreams),
	};

	return cmocka_run_group_tests_name("ratls", tests, NULL,
					   guests_teardown);
}
