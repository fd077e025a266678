// SPDX-License-Identifier: MIT
/*
 * Certificates that come with evidence are read whole, bounded and silently
 *
 * Copyright The dstack for Linux authors
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <openssl/pem.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "certs.h"
#include "pki.h"

static struct libdstack_failure why;
static EVP_PKEY *key;

static X509 *make(void)
{
	struct pki_spec spec = { .name = "root", .ca = true };

	if (!key)
		key = pki_ec_key("P-256");
	spec.key = key;
	return pki_cert(&spec);
}

/* The text of a certificate after @before.  The caller frees it. */
static char *text_of(X509 *cert, const char *before)
{
	BIO *out = BIO_new(BIO_s_mem());
	char *text, *copy;
	long len;

	assert_non_null(out);
	BIO_puts(out, before);
	assert_true(PEM_write_bio_X509(out, cert));
	len = BIO_get_mem_data(out, &text);
	copy = strndup(text, len);
	assert_non_null(copy);
	BIO_free(out);
	return copy;
}

static int add(const void *data, size_t len, int *nr)
{
	STACK_OF(X509) *certs = sk_X509_new_null();
	int err = certs_add(certs, data, len, &why);

	*nr = sk_X509_num(certs);
	certs_free(certs);
	return err;
}

static void der_is_one_certificate_and_nothing_else(void **state)
{
	X509 *cert = make();
	uint8_t *der, *copy;
	size_t len = pki_der(cert, &der);
	int nr;

	(void)state;
	assert_int_equal(add(der, len, &nr), 0);
	assert_int_equal(nr, 1);
	assert_int_not_equal(add(der, len - 1, &nr), 0);
	assert_int_not_equal(add(der, 0, &nr), 0);
	copy = calloc(1, len + 1);
	assert_non_null(copy);
	memcpy(copy, der, len);
	assert_int_not_equal(add(copy, len + 1, &nr), 0);
	free(copy);
	OPENSSL_free(der);
	X509_free(cert);
}

static void pem_may_have_text_before_it(void **state)
{
	X509 *cert = make(), *parsed;
	char *text = text_of(cert, "a root of mine\n");
	int nr;

	(void)state;
	assert_int_equal(add(text, strlen(text), &nr), 0);
	assert_int_equal(nr, 1);
	parsed = certs_parse(text, strlen(text));
	assert_int_equal(X509_cmp(parsed, cert), 0);
	X509_free(parsed);
	text[strlen(text) - 40] = '!';
	assert_int_not_equal(add(text, strlen(text), &nr), 0);
	free(text);
	X509_free(cert);
}

static const char locked[] =
	"-----BEGIN CERTIFICATE-----\n"
	"Proc-Type: 4,ENCRYPTED\n"
	"DEK-Info: AES-128-CBC,000102030405060708090A0B0C0D0E0F\n"
	"\n"
	"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n"
	"-----END CERTIFICATE-----\n";

static const char locked_crl[] =
	"-----BEGIN X509 CRL-----\n"
	"Proc-Type: 4,ENCRYPTED\n"
	"DEK-Info: AES-128-CBC,000102030405060708090A0B0C0D0E0F\n"
	"\n"
	"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n"
	"-----END X509 CRL-----\n";

/* OpenSSL asks the terminal, or who is at its input, for a passphrase. */
static void evidence_asks_nobody_for_a_passphrase(void **state)
{
	static const char answer[] = "passphrase\npassphrase\n";
	int ends[2], old = dup(STDIN_FILENO), left = 0, nr;

	(void)state;
	assert_int_equal(pipe(ends), 0);
	assert_int_equal(write(ends[1], answer, strlen(answer)),
			 strlen(answer));
	dup2(ends[0], STDIN_FILENO);
	assert_int_not_equal(add(locked, strlen(locked), &nr), 0);
	assert_null(certs_parse(locked, strlen(locked)));
	assert_null(certs_parse_crl(locked_crl, strlen(locked_crl)));
	assert_int_equal(ioctl(STDIN_FILENO, FIONREAD, &left), 0);
	assert_int_equal(left, strlen(answer));
	dup2(old, STDIN_FILENO);
	close(old);
	close(ends[0]);
	close(ends[1]);
}

static void attack_47_more_certificates_than_any_chain(void **state)
{
	X509 *cert = make();
	char *one = text_of(cert, ""), *many;
	size_t len = strlen(one), i;
	int nr;

	(void)state;
	many = malloc(17 * len);
	assert_non_null(many);
	for (i = 0; i < 17; i++)
		memcpy(many + i * len, one, len);
	assert_int_equal(add(many, 16 * len, &nr), 0);
	assert_int_equal(nr, CERTS_MAX);
	assert_int_not_equal(add(many, 17 * len, &nr), 0);
	assert_int_not_equal(add(many, CERTS_SIZE_MAX + 1, &nr), 0);
	free(many);
	free(one);
	X509_free(cert);
}

static int drop_key(void **state)
{
	(void)state;
	EVP_PKEY_free(key);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(der_is_one_certificate_and_nothing_else),
		cmocka_unit_test(pem_may_have_text_before_it),
		cmocka_unit_test(evidence_asks_nobody_for_a_passphrase),
		cmocka_unit_test(attack_47_more_certificates_than_any_chain),
	};

	return cmocka_run_group_tests(tests, NULL, drop_key);
}
