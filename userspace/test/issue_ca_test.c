// SPDX-License-Identifier: MIT
/*
 * The authorities of an epoch: what they are like, and which are refused
 *
 * Copyright The dstack for Linux authors
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <jansson.h>

#include "issue_cert_fixture.h"
#include "vectors.h"

static struct issue *opened;

static int try_open(const char *root, const char *temp)
{
	const char *const certs[__ISSUE_CA_MAX] = { root, temp };
	int err;

	issue_close(opened);
	err = issue_open(&roots, certs, NOW, &opened, &why);
	assert_true(!err == !!opened);
	return err;
}

static int forget(void **state)
{
	(void)state;
	issue_close(opened);
	opened = NULL;
	return 0;
}

static void assert_ca(enum issue_ca which, const char *name, long level)
{
	X509 *cert = read_cert(issue_cert(issue, which));
	uint8_t *spki = NULL;

	assert_name(X509_get_subject_name(cert), name);
	assert_name(X509_get_issuer_name(cert), name);
	assert_true(X509_check_ca(cert) == 1);
	assert_int_equal(X509_get_pathlen(cert), level);
	assert_times(cert, 157766400, NOW + YEARS_10);
	assert_int_equal(X509_get_ext_count(cert), 3);
	assert_true(verifies(cert, NULL, cert, X509_PURPOSE_ANY, NOW));
	if (which == ISSUE_ROOT_CA) {
		assert_int_equal(i2d_X509_PUBKEY(X509_get_X509_PUBKEY(cert),
						 &spki), ISSUE_SPKI_SIZE);
		assert_memory_equal(spki, issue_public(issue)->ca,
				    ISSUE_SPKI_SIZE);
	}
	OPENSSL_free(spki);
	X509_free(cert);
}

static void authorities_have_upstreams_names_and_limits(void **state)
{
	(void)state;
	assert_ca(ISSUE_ROOT_CA, "CN=Dstack KMS CA,O=Dstack", 1);
	assert_ca(ISSUE_TEMP_CA, "CN=Dstack Client Temp CA,O=Dstack", 0);
}

static void take_scalar(const char *pem, uint8_t scalar[32])
{
	EVP_PKEY *key = pem_read_key(pem);
	BIGNUM *number = NULL;

	assert_non_null(key);
	assert_int_equal(EVP_PKEY_get_bn_param(key, "priv", &number), 1);
	assert_int_equal(BN_bn2binpad(number, scalar, 32), 32);
	BN_clear_free(number);
	EVP_PKEY_free(key);
}

static void keys_of_authorities_are_the_roots(void **state)
{
	const uint8_t *want[] = { roots.ca, roots.temp_ca };
	uint8_t scalar[32];
	char *pem;
	int i;

	(void)state;
	for (i = 0; i < __ISSUE_CA_MAX; i++) {
		pem = issue_key(issue, i);
		assert_true(pem_is_pair(issue_cert(issue, i), pem));
		take_scalar(pem, scalar);
		assert_memory_equal(scalar, want[i], 32);
		free(pem);
	}
}

static void certificate_that_was_kept_is_used_again(void **state)
{
	const char *root = issue_cert(issue, ISSUE_ROOT_CA);
	const char *temp = issue_cert(issue, ISSUE_TEMP_CA);

	(void)state;
	assert_int_equal(try_open(root, temp), 0);
	assert_string_equal(issue_cert(opened, ISSUE_ROOT_CA), root);
	assert_string_equal(issue_cert(opened, ISSUE_TEMP_CA), temp);
	assert_int_equal(try_open(root, NULL), 0);
	assert_string_equal(issue_cert(opened, ISSUE_ROOT_CA), root);
	assert_string_not_equal(issue_cert(opened, ISSUE_TEMP_CA), temp);
}

static void certificate_is_due_in_its_last_year(void **state)
{
	const time_t end = NOW + YEARS_10;

	(void)state;
	assert_false(issue_cert_is_due(issue, ISSUE_ROOT_CA, NOW));
	assert_false(issue_cert_is_due(issue, ISSUE_ROOT_CA,
				       end - 365 * DAY));
	assert_true(issue_cert_is_due(issue, ISSUE_ROOT_CA,
				      end - 365 * DAY + 1));
	assert_true(issue_cert_is_due(issue, ISSUE_TEMP_CA, end + 1));
}

/* Leaves that were issued below the old one lead to the new one. */
static void certificate_of_the_same_key_replaces_another(void **state)
{
	struct issue *later = open_new(&roots, NOW + 9 * 365LL * DAY);
	X509 *old = read_cert(issue_cert(issue, ISSUE_ROOT_CA));
	X509 *new = read_cert(issue_cert(later, ISSUE_ROOT_CA));
	const struct libdstack_span none = { NULL, 0 };
	EVP_PKEY *key = EVP_EC_gen("P-256");
	char *pem;
	X509 *leaf;

	(void)state;
	assert_int_equal(issue_rpc_cert(issue, key, "kms.test", &none, NOW,
					&pem, &why), 0);
	leaf = read_cert(pem);
	assert_true(verifies(old, NULL, leaf, X509_PURPOSE_SSL_SERVER, NOW));
	assert_true(verifies(new, NULL, leaf, X509_PURPOSE_SSL_SERVER, NOW));
	free(pem);
	X509_free(leaf);
	X509_free(old);
	X509_free(new);
	EVP_PKEY_free(key);
	issue_close(later);
}

static void certificates_of_other_keys_are_refused(void **state)
{
	const char *root = issue_cert(issue, ISSUE_ROOT_CA);
	const char *temp = issue_cert(issue, ISSUE_TEMP_CA);

	(void)state;
	assert_int_equal(try_open(issue_cert(other, ISSUE_ROOT_CA), temp),
			 -EKEYREJECTED);
	assert_int_equal(try_open(root, issue_cert(other, ISSUE_TEMP_CA)),
			 -EKEYREJECTED);
	assert_int_equal(try_open(temp, root), -EKEYREJECTED);
	assert_non_null(strstr(why, "another key"));
}

/*
 * What is of the right key and yet no such authority
 */

struct forged {
	const char *organisation, *name;
	bool ca;
	uint32_t level;
	bool by_other;			/* the other epoch's root signs */
	int err;
};

static char *forge(const struct forged *how)
{
	struct issue_authority *root = &issue->ca[ISSUE_ROOT_CA];
	struct issue_authority *signer = &other->ca[ISSUE_ROOT_CA];
	const struct libdstack_ratls_request request = {
		.key = root->key, .org_name = how->organisation,
		.subject = how->name, .ca = how->ca, .ca_level = how->level,
		.not_after = NOW + DAY,
		.issuer = how->by_other ? signer->cert : NULL,
		.issuer_key = signer->key,
	};
	char *pem;
	X509 *cert;

	assert_int_equal(issue_make_cert(&request, &cert, &pem), 0);
	X509_free(cert);
	return pem;
}

static void certificates_that_are_no_kmss_are_refused(void **state)
{
	static const struct forged tried[] = {
		{ "Dstack", "Dstack KMS CA", true, 1, false, 0 },
		{ "Dstack", "Dstack KMS CA", true, 0, false, -EBADMSG },
		{ "Dstack", "Dstack KMS CA", true, 2, false, -EBADMSG },
		{ "Dstack", "Dstack KMS CA", false, 0, false, -EBADMSG },
		{ "Dstack", "Dstack App CA", true, 1, false, -EBADMSG },
		{ NULL, "Dstack KMS CA", true, 1, false, -EBADMSG },
		{ "Dstack", "Dstack KMS CA", true, 1, true,
		  -EKEYREJECTED },
	};
	size_t i;
	char *pem;

	(void)state;
	for (i = 0; i < sizeof(tried) / sizeof(tried[0]); i++) {
		pem = forge(&tried[i]);
		assert_int_equal(try_open(pem, NULL), tried[i].err);
		free(pem);
	}
}

static void what_is_no_certificate_is_refused(void **state)
{
	const char *root = issue_cert(issue, ISSUE_ROOT_CA);
	char *twice, *flipped = strdup(root), *key, *padded;

	(void)state;
	key = issue_key(issue, ISSUE_ROOT_CA);
	assert_true(asprintf(&twice, "%s%s", root, root) > 0);
	assert_true(asprintf(&padded, "%s%*s", root, ISSUE_PEM_MAX, "") > 0);
	memset(padded + strlen(root), '\n', ISSUE_PEM_MAX);
	flipped[strlen(flipped) / 2] ^= 1;
	assert_int_equal(try_open("", NULL), -EBADMSG);
	assert_int_equal(try_open(twice, NULL), -EBADMSG);
	assert_int_equal(try_open(key, NULL), -EBADMSG);
	assert_int_equal(try_open(padded, NULL), -EBADMSG);
	assert_int_not_equal(try_open(flipped, NULL), 0);
	free(twice);
	free(padded);
	free(flipped);
	free(key);
}

static void time_that_no_certificate_has_is_refused(void **state)
{
	static const char *const none[__ISSUE_CA_MAX];

	(void)state;
	assert_int_equal(issue_open(&roots, none, 0, &opened, &why), -EINVAL);
	assert_int_equal(issue_open(&roots, none, INT64_MAX, &opened, &why),
			 -EINVAL);
	assert_int_equal(issue_open(&roots, none, 253402300799, &opened, &why),
			 -EINVAL);
}

/*
 * Upstream's own
 */

/*
 * All but number, times and signature are the same.  Of the bits of the key
 * usage upstream's library of then wrote one zero byte more than DER has.
 */
static void assert_alike(const X509 *made, const X509 *theirs)
{
	const ASN1_OCTET_STRING *a, *b;
	X509_EXTENSION *mine, *its;
	int i;

	assert_int_equal(X509_NAME_cmp(X509_get_subject_name(made),
				       X509_get_subject_name(theirs)), 0);
	assert_int_equal(ASN1_TIME_compare(X509_get0_notBefore(made),
					   X509_get0_notBefore(theirs)), 0);
	assert_int_equal(X509_get_ext_count(made), X509_get_ext_count(theirs));
	for (i = 0; i < X509_get_ext_count(made); i++) {
		mine = X509_get_ext(made, i);
		its = X509_get_ext(theirs, i);
		assert_int_equal(OBJ_cmp(X509_EXTENSION_get_object(mine),
					 X509_EXTENSION_get_object(its)), 0);
		assert_int_equal(X509_EXTENSION_get_critical(mine),
				 X509_EXTENSION_get_critical(its));
		a = X509_EXTENSION_get_data(mine);
		b = X509_EXTENSION_get_data(its);
		if (i)
			assert_int_equal(ASN1_OCTET_STRING_cmp(a, b), 0);
		else
			assert_int_equal(a->data[3], b->data[3]);
	}
}

/* The simulator's has the key of the root beside its certificate. */
static void upstreams_root_goes_on_issuing(void **state)
{
	struct vector file = vector_load("dstack/simulator-appkeys.json");
	json_t *json = json_loadb(file.data, file.len, 0, NULL);
	struct issue_roots theirs = roots;
	const char *certs[__ISSUE_CA_MAX] = { NULL }, *key;
	X509 *made, *root;
	struct issue *new;

	(void)state;
	assert_int_equal(json_unpack(json, "{s:s,s:{s:{s:s}}}", "ca_cert",
				     &certs[ISSUE_ROOT_CA], "key_provider",
				     "None", "key", &key), 0);
	take_scalar(key, theirs.ca);
	assert_int_equal(issue_open(&theirs, certs, NOW, &opened, &why), 0);
	new = open_new(&theirs, NOW);
	root = read_cert(issue_cert(opened, ISSUE_ROOT_CA));
	made = read_cert(issue_cert(new, ISSUE_ROOT_CA));
	assert_alike(made, root);
	X509_free(made);
	X509_free(root);
	issue_close(new);
	json_decref(json);
	free(file.data);
}

int main(void)
{
#define ONE(name) cmocka_unit_test_teardown(name, forget)
	const struct CMUnitTest tests[] = {
		ONE(authorities_have_upstreams_names_and_limits),
		ONE(keys_of_authorities_are_the_roots),
		ONE(certificate_that_was_kept_is_used_again),
		ONE(certificate_is_due_in_its_last_year),
		ONE(certificate_of_the_same_key_replaces_another),
		ONE(certificates_of_other_keys_are_refused),
		ONE(certificates_that_are_no_kmss_are_refused),
		ONE(what_is_no_certificate_is_refused),
		ONE(time_that_no_certificate_has_is_refused),
		ONE(upstreams_root_goes_on_issuing),
	};

	return cmocka_run_group_tests_name("issue_ca", tests, issue_setup,
					   issue_teardown);
}
