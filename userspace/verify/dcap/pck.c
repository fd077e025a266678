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
#define SGX_TCB_OID	SGX_OID ".2"
#define OID_MAX		64
#define PAIRS_MAX	32

/* One (id, value) of a list; @value lives as long as the list. */
struct pair {
	char oid[OID_MAX];
	const ASN1_TYPE *value;
};

struct pairs {
	ASN1_SEQUENCE_ANY *items[PAIRS_MAX];
	struct pair pair[PAIRS_MAX];
	int nr;
};

static void free_sequence(ASN1_SEQUENCE_ANY *seq)
{
	sk_ASN1_TYPE_pop_free(seq, ASN1_TYPE_free);
}

static void free_pairs(struct pairs *pairs)
{
	int i;

	for (i = 0; i < pairs->nr; i++)
		free_sequence(pairs->items[i]);
}

/* A SEQUENCE that fills @data exactly, or NULL. */
static ASN1_SEQUENCE_ANY *read_sequence(const uint8_t *data, int len)
{
	const unsigned char *p = data;
	ASN1_SEQUENCE_ANY *seq = d2i_ASN1_SEQUENCE_ANY(NULL, &p, len);

	if (seq && p != data + len) {
		free_sequence(seq);
		seq = NULL;
	}
	return seq;
}

static bool read_pair(ASN1_SEQUENCE_ANY *seq, struct pair *pair)
{
	const ASN1_TYPE *id;
	int len;

	if (sk_ASN1_TYPE_num(seq) != 2)
		return false;
	id = sk_ASN1_TYPE_value(seq, 0);
	pair->value = sk_ASN1_TYPE_value(seq, 1);
	if (id->type != V_ASN1_OBJECT)
		return false;
	len = OBJ_obj2txt(pair->oid, sizeof(pair->oid), id->value.object, 1);
	return len > 0 && len < OID_MAX;
}

static bool add_pair(struct pairs *pairs, const ASN1_TYPE *item)
{
	ASN1_SEQUENCE_ANY *seq;

	if (pairs->nr == PAIRS_MAX || item->type != V_ASN1_SEQUENCE)
		return false;
	seq = read_sequence(item->value.sequence->data,
			    item->value.sequence->length);
	if (!seq)
		return false;
	pairs->items[pairs->nr] = seq;
	return read_pair(seq, &pairs->pair[pairs->nr++]);
}

static bool read_pairs(const uint8_t *data, int len, struct pairs *pairs)
{
	ASN1_SEQUENCE_ANY *list = read_sequence(data, len);
	bool good = list;
	int i;

	for (i = 0; good && i < sk_ASN1_TYPE_num(list); i++)
		good = add_pair(pairs, sk_ASN1_TYPE_value(list, i));
	free_sequence(list);
	return good;
}

/* The only value with this id and type, or NULL. */
static const ASN1_TYPE *find(const struct pairs *pairs, const char *oid,
			     int type)
{
	const ASN1_TYPE *found = NULL;
	int i;

	for (i = 0; i < pairs->nr; i++) {
		if (strcmp(pairs->pair[i].oid, oid))
			continue;
		if (found)
			return NULL;
		found = pairs->pair[i].value;
	}
	return found && found->type == type ? found : NULL;
}

static bool find_bytes(const struct pairs *pairs, const char *oid, void *out,
		       int len)
{
	const ASN1_TYPE *value = find(pairs, oid, V_ASN1_OCTET_STRING);

	if (!value || ASN1_STRING_length(value->value.octet_string) != len)
		return false;
	memcpy(out, ASN1_STRING_get0_data(value->value.octet_string), len);
	return true;
}

static bool find_number(const struct pairs *pairs, const char *oid,
			uint64_t max, uint64_t *out)
{
	const ASN1_TYPE *value = find(pairs, oid, V_ASN1_INTEGER);

	return value && ASN1_INTEGER_get_uint64(out, value->value.integer) &&
		*out <= max;
}

static bool parse_tcb(const struct pairs *pairs, struct dcap_pck *pck)
{
	char oid[OID_MAX];
	uint64_t number;
	int i;

	for (i = 0; i < DCAP_SVNS; i++) {
		snprintf(oid, sizeof(oid), "%s.%d", SGX_TCB_OID, i + 1);
		if (!find_number(pairs, oid, UINT8_MAX, &number))
			return false;
		pck->svn[i] = number;
	}
	if (!find_number(pairs, SGX_TCB_OID ".17", UINT16_MAX, &number))
		return false;
	pck->pcesvn = number;
	return true;
}

static bool parse_extension(const struct pairs *pairs, struct dcap_pck *pck)
{
	const ASN1_TYPE *tcb = find(pairs, SGX_TCB_OID, V_ASN1_SEQUENCE);
	struct pairs tcb_pairs = { .nr = 0 };
	bool good;

	if (!tcb || !find_bytes(pairs, SGX_OID ".1", pck->ppid,
				sizeof(pck->ppid)) ||
	    !find_bytes(pairs, SGX_OID ".3", pck->pceid,
			sizeof(pck->pceid)) ||
	    !find_bytes(pairs, SGX_OID ".4", pck->fmspc, sizeof(pck->fmspc)))
		return false;
	good = read_pairs(tcb->value.sequence->data,
			  tcb->value.sequence->length, &tcb_pairs) &&
		parse_tcb(&tcb_pairs, pck);
	free_pairs(&tcb_pairs);
	return good;
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
	struct pairs pairs = { .nr = 0 };
	bool good;

	*why = NULL;
	pck->key = X509_get0_pubkey(cert);
	if (!data) {
		*why = "the certificate has no SGX extension";
		return -EBADMSG;
	}
	good = read_pairs(ASN1_STRING_get0_data(data), ASN1_STRING_length(data),
			  &pairs) && parse_extension(&pairs, pck);
	free_pairs(&pairs);
	ERR_clear_error();
	if (good)
		return 0;
	*why = "the certificate's SGX extension is malformed";
	return -EBADMSG;
}
