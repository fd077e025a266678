// SPDX-License-Identifier: MIT
/*
 * What a platform's certificate (PCK) says about the platform
 *
 * Copyright The dstack for Linux authors
 *
 * The extension is described in Intel's "SGX PCK Certificate and Certificate
 * Revocation List Profile Specification".  It is a list of (id, value) pairs;
 * the TCB's value is such a list itself.
 */
#include "dcap.h"

#include <errno.h>
#include <openssl/asn1.h>
#include <openssl/err.h>
#include <string.h>

#define SGX_OID		"1.2.840.113741.1.13.1"

/* The same, encoded; its parts have one byte more, those of the TCB two. */
static const uint8_t sgx_oid[] = {
	0x2a, 0x86, 0x48, 0x86, 0xf8, 0x4d, 0x01, 0x0d, 0x01
};

enum part { PPID = 1, TCB, PCEID, FMSPC };

#define PCESVN		17	/* of the TCB; before it the components */

/* What is left to read of one level. */
struct der {
	const unsigned char *p;
	long left;
};

/* The next value, which must have this tag. */
static bool take(struct der *in, int tag, struct der *value)
{
	int is_tag, is_class, flags;

	value->p = in->p;
	flags = ASN1_get_object(&value->p, &value->left, &is_tag, &is_class,
				in->left);
	/* Bad, or of a length that only its end tells. */
	if (flags & 0x81 || is_tag != tag || is_class != V_ASN1_UNIVERSAL)
		return false;
	in->left -= value->p + value->left - in->p;
	in->p = value->p + value->left;
	return true;
}

/* A pair's id, if it is one of @prefix and one byte more; or else 0. */
static int part_of(const struct der *id, const uint8_t *prefix, long len)
{
	return id->left == len + 1 && !memcmp(id->p, prefix, len) ?
		id->p[len] : 0;
}

static bool get_bytes(struct der *pair, void *out, long len)
{
	struct der value;

	if (!take(pair, V_ASN1_OCTET_STRING, &value) || value.left != len)
		return false;
	memcpy(out, value.p, len);
	return true;
}

/* At most 16 bits, without sign and needless zeros. */
static bool get_number(struct der *pair, unsigned int max, unsigned int *out)
{
	struct der value;

	if (!take(pair, V_ASN1_INTEGER, &value) || value.left < 1 ||
	    value.left > 3 || value.p[0] & 0x80 ||
	    (value.left > 1 && !value.p[0] && !(value.p[1] & 0x80)))
		return false;
	for (*out = 0; value.left; value.left--)
		*out = *out << 8 | *value.p++;
	return *out <= max;
}

/* One of a list of (id, value): @part must not come twice. */
typedef bool (*pair_fn)(struct dcap_pck *pck, int part, struct der *pair);

static bool read_pairs(struct der *list, const uint8_t *prefix, long len,
		       pair_fn get, struct dcap_pck *pck, uint32_t *seen)
{
	struct der pair, id;
	int part;

	while (list->left) {
		if (!take(list, V_ASN1_SEQUENCE, &pair) ||
		    !take(&pair, V_ASN1_OBJECT, &id))
			return false;
		part = part_of(&id, prefix, len);
		if (part <= 0 || part >= 32)
			continue;
		if (*seen & 1U << part)
			return false;
		*seen |= 1U << part;
		if (!get(pck, part, &pair))
			return false;
	}
	return true;
}

static bool get_svn(struct dcap_pck *pck, int part, struct der *pair)
{
	unsigned int number;

	if (part > PCESVN)
		return true;	/* the CPUSVN: the components, as one */
	if (!get_number(pair, part == PCESVN ? UINT16_MAX : UINT8_MAX,
			&number) || pair->left)
		return false;
	if (part == PCESVN)
		pck->pcesvn = number;
	else
		pck->svn[part - 1] = number;
	return true;
}

static bool get_tcb(struct dcap_pck *pck, struct der *pair)
{
	const uint32_t all = (2U << PCESVN) - 2;
	uint8_t prefix[sizeof(sgx_oid) + 1];
	struct der list;
	uint32_t seen = 0;

	memcpy(prefix, sgx_oid, sizeof(sgx_oid));
	prefix[sizeof(sgx_oid)] = TCB;
	return take(pair, V_ASN1_SEQUENCE, &list) &&
		read_pairs(&list, prefix, sizeof(prefix), get_svn, pck,
			   &seen) && (seen & all) == all;
}

static bool get_part(struct dcap_pck *pck, int part, struct der *pair)
{
	bool good;

	switch (part) {
	case PPID:
		good = get_bytes(pair, pck->ppid, sizeof(pck->ppid));
		break;
	case TCB:
		good = get_tcb(pck, pair);
		break;
	case PCEID:
		good = get_bytes(pair, pck->pceid, sizeof(pck->pceid));
		break;
	case FMSPC:
		good = get_bytes(pair, pck->fmspc, sizeof(pck->fmspc));
		break;
	default:
		return true;
	}
	return good && !pair->left;
}

bool dcap_pck_read(const void *data, size_t len, struct dcap_pck *pck)
{
	const uint32_t all = 1U << PPID | 1U << TCB | 1U << PCEID |
		1U << FMSPC;
	struct der in = { data, len }, list;
	uint32_t seen = 0;

	return take(&in, V_ASN1_SEQUENCE, &list) && !in.left &&
		read_pairs(&list, sgx_oid, sizeof(sgx_oid), get_part, pck,
			   &seen) && (seen & all) == all;
}

static const ASN1_OCTET_STRING *sgx_extension(X509 *cert)
{
	ASN1_OBJECT *oid = OBJ_txt2obj(SGX_OID, 1);
	const ASN1_OCTET_STRING *data = NULL;
	int i = -1;

	if (oid)
		i = X509_get_ext_by_OBJ(cert, oid, -1);
	/* A second one would be somebody's idea of what we read. */
	if (i >= 0 && X509_get_ext_by_OBJ(cert, oid, i) < 0)
		data = X509_EXTENSION_get_data(X509_get_ext(cert, i));
	ASN1_OBJECT_free(oid);
	return data;
}

int dcap_pck_parse(X509 *cert, struct dcap_pck *pck, const char **why)
{
	const ASN1_OCTET_STRING *data = sgx_extension(cert);
	bool good;

	*why = NULL;
	pck->key = X509_get0_pubkey(cert);
	if (!data) {
		*why = "the certificate has no SGX extension";
		return -EBADMSG;
	}
	good = dcap_pck_read(ASN1_STRING_get0_data(data),
			     ASN1_STRING_length(data), pck);
	ERR_clear_error();
	if (good)
		return 0;
	*why = "the certificate's SGX extension is malformed";
	return -EBADMSG;
}
