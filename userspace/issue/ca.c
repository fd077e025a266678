// SPDX-License-Identifier: MIT
/*
 * An epoch's authorities: their keys, and their certificates
 *
 * Copyright The dstack for Linux authors
 */
#include "room.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

#include "../keys/pem.h"

#define DUE_S		(365 * 86400LL)
#define LAST_SECOND	253402300799	/* the last second of the year 9999 */

static const struct kind {
	const char *name;
	uint32_t level;			/* CAs that may be below it */
} kinds[__ISSUE_CA_MAX] = {
	[ISSUE_ROOT_CA] = { "Dstack KMS CA", 1 },
	[ISSUE_TEMP_CA] = { "Dstack Client Temp CA", 0 },
};

/*
 * Certificates of any kind
 */

int issue_make_cert(const struct libdstack_ratls_request *request,
		    X509 **cert, char **pem)
{
	*cert = libdstack_ratls_make(request);
	*pem = *cert ? pem_write_cert(*cert) : NULL;
	if (*pem)
		return 0;
	X509_free(*cert);
	*cert = NULL;
	ERR_clear_error();
	return -EIO;
}

/*
 * Those of the authorities
 */

static int make(struct issue_authority *ca, const struct kind *kind, time_t now,
		const char **why)
{
	const struct libdstack_ratls_request request = {
		.key = ca->key, .org_name = ISSUE_ORGANISATION,
		.subject = kind->name, .ca = true, .ca_level = kind->level,
		.not_before = ISSUE_NOT_BEFORE,
		.not_after = now + ISSUE_VALID_S,
	};

	if (issue_make_cert(&request, &ca->cert, &ca->pem))
		return issue_fail(why, -EIO, "can't make a CA's certificate");
	return 0;
}

/* What is issued names its issuer so: chains lead to no other name. */
static bool has_name(const X509 *cert, const char *text)
{
	X509_NAME *want = X509_NAME_new();
	bool good;

	good = want &&
		X509_NAME_add_entry_by_txt(want, "O", MBSTRING_UTF8,
					   (const uint8_t *)ISSUE_ORGANISATION,
					   -1, -1, 0) &&
		X509_NAME_add_entry_by_txt(want, "CN", MBSTRING_UTF8,
					   (const uint8_t *)text, -1, -1, 0) &&
		!X509_NAME_cmp(X509_get_subject_name(cert), want) &&
		!X509_NAME_cmp(X509_get_issuer_name(cert), want);
	X509_NAME_free(want);
	return good;
}

static bool is_authority(X509 *cert, const struct kind *kind)
{
	uint32_t flags = X509_get_extension_flags(cert);

	return !(flags & (EXFLAG_INVALID | EXFLAG_CRITICAL)) &&
		(flags & EXFLAG_CA) && (flags & EXFLAG_BCONS) &&
		X509_get_pathlen(cert) == (long)kind->level &&
		(X509_get_key_usage(cert) & KU_KEY_CERT_SIGN) &&
		has_name(cert, kind->name);
}

static int check(const struct issue_authority *ca, const struct kind *kind,
		 const char **why)
{
	if (X509_check_private_key(ca->cert, ca->key) != 1)
		return issue_fail(why, -EKEYREJECTED,
				  "a CA's certificate is of another key than its root");
	if (X509_verify(ca->cert, ca->key) != 1)
		return issue_fail(why, -EKEYREJECTED,
				  "a CA's certificate was not signed by its own key");
	if (!is_authority(ca->cert, kind))
		return issue_fail(why, -EBADMSG,
				  "a CA's certificate has another name, purpose or path length than a KMS's");
	return 0;
}

static int read_pem(struct issue_authority *ca, const struct kind *kind,
		    const char *pem, const char **why)
{
	int err;

	if (strnlen(pem, ISSUE_PEM_MAX) < ISSUE_PEM_MAX)
		ca->cert = pem_read_cert(pem);
	if (ca->cert)
		err = check(ca, kind, why);
	else
		err = issue_fail(why, -EBADMSG,
				 "a CA's certificate is not one certificate in PEM and nothing else");
	ERR_clear_error();
	if (err)
		return err;
	ca->pem = strdup(pem);
	return ca->pem ? 0 : issue_fail(why, -ENOMEM, "no memory");
}

static bool read_time(const ASN1_TIME *time, int64_t *out)
{
	struct tm tm;

	if (ASN1_TIME_to_tm(time, &tm) != 1)
		return false;
	*out = timegm(&tm);
	return true;
}

static int read_times(struct issue_authority *ca, const char **why)
{
	if (read_time(X509_get0_notBefore(ca->cert), &ca->not_before) &&
	    read_time(X509_get0_notAfter(ca->cert), &ca->not_after))
		return 0;
	return issue_fail(why, -EBADMSG,
			  "a CA's certificate has no time in its validity");
}

static int open_ca(struct issue_authority *ca, const struct kind *kind,
		   const uint8_t scalar[DSTACK_KEY_SIZE], const char *pem,
		   time_t now, const char **why)
{
	int err;

	ca->key = p256_key(scalar);
	if (!ca->key)
		return issue_fail(why, -EINVAL,
				  "a CA's root is no key of P-256");
	err = pem ? read_pem(ca, kind, pem, why) : make(ca, kind, now, why);
	return err ?: read_times(ca, why);
}

/*
 * All of an epoch
 */

static int take_public(struct issue *issue, const char **why)
{
	uint8_t *p = issue->public.ca;
	EVP_PKEY *key = issue->ca[ISSUE_ROOT_CA].key;
	int err = secp_public(issue->roots->k256, issue->public.k256);

	if (err)
		return issue_fail(why, err,
				  "the root of applications' keys is no key of secp256k1");
	if (i2d_PUBKEY(key, NULL) == ISSUE_SPKI_SIZE &&
	    i2d_PUBKEY(key, &p) == ISSUE_SPKI_SIZE)
		return 0;
	return issue_fail(why, -EIO,
			  "can't write the key of the root certificate");
}

static int fill(struct issue *issue, const char *const certs[__ISSUE_CA_MAX],
		time_t now, const char **why)
{
	return open_ca(&issue->ca[ISSUE_ROOT_CA], &kinds[ISSUE_ROOT_CA],
		       issue->roots->ca, certs[ISSUE_ROOT_CA], now, why) ?:
		open_ca(&issue->ca[ISSUE_TEMP_CA], &kinds[ISSUE_TEMP_CA],
			issue->roots->temp_ca, certs[ISSUE_TEMP_CA], now,
			why) ?:
		take_public(issue, why);
}

/* Secrets on pages of their own, and what OpenSSL has of them beside it. */
static struct issue *alloc(const struct issue_roots *roots)
{
	struct issue *issue = calloc(1, sizeof(*issue));
	void *secret;

	if (!issue || libdstack_secret_alloc(sizeof(*roots), &secret)) {
		free(issue);
		return NULL;
	}
	issue->roots = secret;
	*issue->roots = *roots;
	return issue;
}

int issue_open(const struct issue_roots *roots,
	       const char *const certs[__ISSUE_CA_MAX], time_t now,
	       struct issue **out, const char **why)
{
	struct issue *issue;
	int err;

	*out = NULL;
	if (now < ISSUE_NOT_BEFORE || now > LAST_SECOND - ISSUE_VALID_S)
		return issue_fail(why, -EINVAL,
				  "the time is none that certificates have: is the clock right?");
	issue = alloc(roots);
	if (!issue)
		return issue_fail(why, -ENOMEM, "no memory for secrets");
	err = fill(issue, certs, now, why);
	if (err)
		issue_close(issue);
	else
		*out = issue;
	return err;
}

void issue_close(struct issue *issue)
{
	size_t i;

	if (!issue)
		return;
	for (i = 0; i < __ISSUE_CA_MAX; i++) {
		EVP_PKEY_free(issue->ca[i].key);
		X509_free(issue->ca[i].cert);
		free(issue->ca[i].pem);
	}
	libdstack_secret_free(issue->roots, sizeof(*issue->roots));
	free(issue);
}

const struct issue_public *issue_public(const struct issue *issue)
{
	return &issue->public;
}

const char *issue_cert(const struct issue *issue, enum issue_ca which)
{
	return issue->ca[which].pem;
}

char *issue_key(const struct issue *issue, enum issue_ca which)
{
	return p256_pem(issue->ca[which].key);
}

bool issue_cert_is_due(const struct issue *issue, enum issue_ca which,
		       time_t now)
{
	return issue->ca[which].not_after - DUE_S < now;
}
