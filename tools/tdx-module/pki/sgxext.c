// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Copyright (C) The dstack for Linux authors
 *
 * The extension by which a PCK certificate names its platform:
 *
 *	SEQUENCE of SEQUENCE { OBJECT IDENTIFIER, value }
 *
 * where the value of the TCB is again such a list. Built from OpenSSL's ASN.1
 * templates, so that lengths and encodings are the library's business.
 */
#include "cert.h"

#include <errno.h>
#include <stdio.h>
#include <openssl/asn1t.h>
#include <openssl/x509v3.h>

#include "crypto.h"
#include "platform.h"

#define SGX_OID		"1.2.840.113741.1.13.1"
#define OID_SIZE	48
#define TCB_COMPONENTS	16
#define PPID_SIZE	16
#define TYPE_SCALABLE	1

struct sgx_field {
	ASN1_OBJECT *id;
	ASN1_TYPE *value;
};

/* OpenSSL's macros make names out of a type's name. */
typedef struct sgx_field SGX_FIELD;

ASN1_SEQUENCE(SGX_FIELD) = {
	ASN1_SIMPLE(SGX_FIELD, id, ASN1_OBJECT),
	ASN1_SIMPLE(SGX_FIELD, value, ASN1_ANY),
} static_ASN1_SEQUENCE_END(SGX_FIELD)

DEFINE_STACK_OF(SGX_FIELD)
typedef STACK_OF(SGX_FIELD) SGX_FIELDS;

ASN1_ITEM_TEMPLATE(SGX_FIELDS) =
	ASN1_EX_TEMPLATE_TYPE(ASN1_TFLG_SEQUENCE_OF, 0, SGX_FIELDS, SGX_FIELD)
static_ASN1_ITEM_TEMPLATE_END(SGX_FIELDS)

static void free_field(struct sgx_field *field)
{
	ASN1_item_free((ASN1_VALUE *)field, ASN1_ITEM_rptr(SGX_FIELD));
}

static void free_fields(SGX_FIELDS *fields)
{
	sk_SGX_FIELD_pop_free(fields, free_field);
}

/* Takes the value over, also when it fails. */
static int add_field(SGX_FIELDS *fields, const char *oid, int type,
		     void *value)
{
	struct sgx_field *field;

	field = (struct sgx_field *)ASN1_item_new(ASN1_ITEM_rptr(SGX_FIELD));
	if (!field || !value) {
		free_field(field);
		ASN1_STRING_free(value);
		return -EIO;
	}
	ASN1_OBJECT_free(field->id);
	field->id = OBJ_txt2obj(oid, 1);
	ASN1_TYPE_set(field->value, type, value);
	if (field->id && sk_SGX_FIELD_push(fields, field) > 0)
		return 0;
	free_field(field);
	return -EIO;
}

static int add_number(SGX_FIELDS *fields, const char *oid, int type, long n)
{
	ASN1_STRING *value = ASN1_STRING_type_new(type);

	if (value && !ASN1_INTEGER_set(value, n)) {
		ASN1_STRING_free(value);
		value = NULL;
	}
	/* ASN1_INTEGER_set() leaves INTEGER; the content is the same. */
	if (value)
		value->type = type;
	return add_field(fields, oid, type, value);
}

static int add_bytes(SGX_FIELDS *fields, const char *oid, const uint8_t *bytes,
		     int size)
{
	ASN1_OCTET_STRING *value = ASN1_OCTET_STRING_new();

	if (value && !ASN1_OCTET_STRING_set(value, bytes, size)) {
		ASN1_OCTET_STRING_free(value);
		value = NULL;
	}
	return add_field(fields, oid, V_ASN1_OCTET_STRING, value);
}

static ASN1_STRING *encode(SGX_FIELDS *fields, int type)
{
	ASN1_STRING *string = ASN1_STRING_type_new(type);
	uint8_t *der = NULL;
	int size;

	size = ASN1_item_i2d((ASN1_VALUE *)fields, &der,
			     ASN1_ITEM_rptr(SGX_FIELDS));
	if (size > 0 && string) {
		ASN1_STRING_set0(string, der, size);
		return string;
	}
	OPENSSL_free(der);
	ASN1_STRING_free(string);
	return NULL;
}

static int add_tcb(SGX_FIELDS *fields)
{
	static const uint8_t svn[TCB_COMPONENTS] = PLATFORM_SGX_TCB_SVN;
	static const uint8_t cpusvn[16] = PLATFORM_CPUSVN;
	SGX_FIELDS *tcb = sk_SGX_FIELD_new_null();
	char oid[OID_SIZE];
	int err = tcb ? 0 : -EIO;
	int i;

	for (i = 0; !err && i < TCB_COMPONENTS; i++) {
		snprintf(oid, sizeof(oid), SGX_OID ".2.%d", i + 1);
		err = add_number(tcb, oid, V_ASN1_INTEGER, svn[i]);
	}
	if (!err)
		err = add_number(tcb, SGX_OID ".2.17", V_ASN1_INTEGER,
				 PLATFORM_PCE_SVN);
	if (!err)
		err = add_bytes(tcb, SGX_OID ".2.18", cpusvn, sizeof(cpusvn));
	if (!err)
		err = add_field(fields, SGX_OID ".2", V_ASN1_SEQUENCE,
				encode(tcb, V_ASN1_SEQUENCE));
	free_fields(tcb);
	return err;
}

static int add_platform(SGX_FIELDS *fields, const uint8_t fmspc[6])
{
	static const uint8_t pce_id[2] = PLATFORM_PCE_ID;
	uint8_t ppid[PPID_SIZE];

	random_bytes(ppid, sizeof(ppid));
	if (add_bytes(fields, SGX_OID ".1", ppid, sizeof(ppid)) ||
	    add_tcb(fields) ||
	    add_bytes(fields, SGX_OID ".3", pce_id, sizeof(pce_id)) ||
	    add_bytes(fields, SGX_OID ".4", fmspc, 6) ||
	    add_number(fields, SGX_OID ".5", V_ASN1_ENUMERATED, TYPE_SCALABLE))
		return -EIO;
	return 0;
}

int sgx_extension_add(X509 *cert, const uint8_t fmspc[6])
{
	SGX_FIELDS *fields = sk_SGX_FIELD_new_null();
	ASN1_OBJECT *id = OBJ_txt2obj(SGX_OID, 1);
	ASN1_OCTET_STRING *data = NULL;
	X509_EXTENSION *ext = NULL;
	int err = -EIO;

	if (fields && !add_platform(fields, fmspc))
		data = encode(fields, V_ASN1_OCTET_STRING);
	if (id && data)
		ext = X509_EXTENSION_create_by_OBJ(NULL, id, 0, data);
	if (ext && X509_add_ext(cert, ext, -1))
		err = 0;
	X509_EXTENSION_free(ext);
	ASN1_OCTET_STRING_free(data);
	ASN1_OBJECT_free(id);
	free_fields(fields);
	return err;
}
