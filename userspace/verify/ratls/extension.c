// SPDX-License-Identifier: MIT
/*
 * What a certificate carries below our arc
 *
 * Copyright The dstack for Linux authors
 */
#include "ratls.h"

#include <openssl/asn1.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>

#define EXTENSIONS_MAX	64
#define OID_MAX		80

bool ratls_slot_known(int slot)
{
	return (slot >= RATLS_QUOTE && slot <= RATLS_USAGE) ||
		slot == RATLS_ATTESTATION || slot == RATLS_APP_INFO;
}

/* 0: of another arc; -1: of ours, and not known. */
static int slot_of(const char *oid)
{
	const size_t len = strlen(RATLS_ARC);
	int slot;

	if (strncmp(oid, RATLS_ARC, len) != 0)
		return 0;
	oid += len;
	if (strlen(oid) != 1)
		return -1;
	slot = *oid - '0';
	return ratls_slot_known(slot) ? slot : -1;
}

/* The OCTET STRING in the OCTET STRING, which it fills. */
static bool unwrap(const ASN1_OCTET_STRING *data, struct libdstack_span *value)
{
	const unsigned char *p = ASN1_STRING_get0_data(data);
	long len, all = ASN1_STRING_length(data);
	int tag, class, flags;

	flags = ASN1_get_object(&p, &len, &tag, &class, all);
	if (flags || tag != V_ASN1_OCTET_STRING ||
	    class != V_ASN1_UNIVERSAL || len > LIBDSTACK_ATTESTATION_MAX ||
	    ASN1_object_size(0, (int)len, tag) != all)
		return false;
	*value = (struct libdstack_span){ p, len };
	return true;
}

static int take(X509_EXTENSION *extension, struct ratls_extensions *ext,
		struct libdstack_failure *failure)
{
	char oid[OID_MAX];
	int slot;

	OBJ_obj2txt(oid, sizeof(oid), X509_EXTENSION_get_object(extension), 1);
	slot = slot_of(oid);
	if (!slot)
		return 0;
	if (slot < 0)
		return verify_fail(failure, REASON(UNSUPPORTED),
				   "an unknown extension, %s", oid);
	if (!unwrap(X509_EXTENSION_get_data(extension), &ext->value[slot]))
		return verify_fail(failure, REASON(MALFORMED),
				   "extension %s is no OCTET STRING", oid);
	return 0;
}

/* OpenSSL looks for doubles of those only that it knows. */
static bool is_double(X509 *cert, int i)
{
	const ASN1_OBJECT *id =
		X509_EXTENSION_get_object(X509_get_ext(cert, i));

	return X509_get_ext_by_OBJ(cert, id, i) >= 0;
}

int ratls_extensions(X509 *cert, struct ratls_extensions *ext,
		     struct libdstack_failure *failure)
{
	int i, err, nr = X509_get_ext_count(cert);

	memset(ext, 0, sizeof(*ext));
	if (nr > EXTENSIONS_MAX)
		return verify_fail(failure, REASON(MALFORMED),
				   "more than %d extensions", EXTENSIONS_MAX);
	for (i = 0; i < nr; i++) {
		if (is_double(cert, i))
			return verify_fail(failure, REASON(MALFORMED),
					   "an extension occurs twice");
		err = take(X509_get_ext(cert, i), ext, failure);
		if (err)
			return err;
	}
	return 0;
}
