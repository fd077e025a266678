// SPDX-License-Identifier: MIT
/*
 * What the certificate of a VCEK or VLEK says of the platform
 *
 * Copyright The dstack for Linux authors
 *
 * The key was derived from the levels that the report names, so the report must
 * have the very same; and a VCEK is of one chip.
 */
#include "snp.h"

#include <openssl/asn1.h>
#include <openssl/err.h>
#include <string.h>

#define AMD_OID		"1.3.6.1.4.1.3704.1."
#define OID_PRODUCT	AMD_OID "2"
#define OID_LEVEL	AMD_OID "3."
#define OID_HWID	AMD_OID "4"
#define LEVEL_FIRST	1
#define LEVEL_LAST	9
#define OID_MAX		64

/* The value of the only extension with this id, or NULL. */
static const ASN1_OCTET_STRING *find(X509 *cert, const char *oid)
{
	ASN1_OBJECT *id = OBJ_txt2obj(oid, 1);
	const ASN1_OCTET_STRING *value = NULL;
	int i = id ? X509_get_ext_by_OBJ(cert, id, -1) : -1;

	if (i >= 0 && X509_get_ext_by_OBJ(cert, id, i) < 0)
		value = X509_EXTENSION_get_data(X509_get_ext(cert, i));
	ASN1_OBJECT_free(id);
	return value;
}

/* A whole number of one byte, or -1. */
static int read_level(X509 *cert, int nr)
{
	const ASN1_OCTET_STRING *value;
	const unsigned char *p, *end;
	ASN1_INTEGER *number;
	char oid[OID_MAX];
	int64_t level = -1;

	snprintf(oid, sizeof(oid), OID_LEVEL "%d", nr);
	value = find(cert, oid);
	if (!value)
		return -1;
	p = ASN1_STRING_get0_data(value);
	end = p + ASN1_STRING_length(value);
	number = d2i_ASN1_INTEGER(NULL, &p, end - p);
	if (!number || p != end || !ASN1_INTEGER_get_int64(&level, number) ||
	    level < 0 || level > UINT8_MAX)
		level = -1;
	ASN1_INTEGER_free(number);
	ERR_clear_error();
	return level;
}

/* What the certificate must say for each of 1 to 9; -1: nothing, or zero. */
static void wanted_levels(const struct snp *s, int want[LEVEL_LAST + 1])
{
	const struct libdstack_snp_tcb *tcb = &s->verdict->report.reported;
	int i;

	for (i = LEVEL_FIRST; i <= LEVEL_LAST; i++)
		want[i] = -1;
	want[1] = tcb->bootloader;
	want[2] = tcb->tee;
	want[3] = tcb->snp;
	want[8] = tcb->microcode;
	if (s->verdict->product == LIBDSTACK_SNP_TURIN)
		want[9] = tcb->fmc;
}

static int check_levels(struct snp *s)
{
	int want[LEVEL_LAST + 1], i, level;

	wanted_levels(s, want);
	for (i = LEVEL_FIRST; i <= LEVEL_LAST; i++) {
		level = read_level(s->leaf, i);
		if (want[i] >= 0 ? level != want[i] : level > 0)
			return snp_fail(s, REASON(MISMATCH),
					"level %d of the certificate is %d, of the report %d: get the certificate for the levels that the report names",
					i, level, want[i] < 0 ? 0 : want[i]);
	}
	return 0;
}

/* "Milan", or "Milan-B0" with the stepping. */
static int check_product(struct snp *s)
{
	const ASN1_OCTET_STRING *value = find(s->leaf, OID_PRODUCT);
	const char *name = libdstack_snp_product_name(s->verdict->product);
	const size_t len = strlen(name);
	const uint8_t *p;
	size_t left;

	p = value ? ASN1_STRING_get0_data(value) : NULL;
	left = value ? ASN1_STRING_length(value) : 0;
	if (left < 2 + len || p[0] != V_ASN1_IA5STRING || p[1] != left - 2 ||
	    memcmp(p + 2, name, len) || (left > 2 + len && p[2 + len] != '-'))
		return snp_fail(s, REASON(MISMATCH),
				"the certificate is not of a %s, which its root is for",
				name);
	return 0;
}

/* From version 3 on a report says what CPU it is of. */
static int check_cpu(struct snp *s)
{
	static const struct {
		uint8_t family, from, to;
		enum libdstack_snp_product product;
	} cpus[] = {
		{ 0x19, 0x00, 0x0f, LIBDSTACK_SNP_MILAN },
		{ 0x19, 0x10, 0x1f, LIBDSTACK_SNP_GENOA },
		{ 0x19, 0xa0, 0xaf, LIBDSTACK_SNP_GENOA },
		{ 0x1a, 0x00, 0x1f, LIBDSTACK_SNP_TURIN },
	};
	const struct libdstack_snp_report *r = &s->verdict->report;
	size_t i;

	if (r->version < 3)
		return 0;
	for (i = 0; i < sizeof(cpus) / sizeof(cpus[0]); i++)
		if (r->cpu_family == cpus[i].family &&
		    r->cpu_model >= cpus[i].from &&
		    r->cpu_model <= cpus[i].to &&
		    s->verdict->product == cpus[i].product)
			return 0;
	return snp_fail(s, REASON(MISMATCH),
			"CPU family 0x%x, model 0x%x is no %s, which the root is for",
			r->cpu_family, r->cpu_model,
			libdstack_snp_product_name(s->verdict->product));
}

/* Plain, or, in newer certificates, as an OCTET STRING of its own. */
static const uint8_t *hwid_of(X509 *cert, size_t size)
{
	const ASN1_OCTET_STRING *value = find(cert, OID_HWID);
	const uint8_t *p;
	size_t len;

	if (!value)
		return NULL;
	p = ASN1_STRING_get0_data(value);
	len = ASN1_STRING_length(value);
	if (len == size)
		return p;
	return len == size + 2 && p[0] == V_ASN1_OCTET_STRING && p[1] == size ?
		p + 2 : NULL;
}

/* A VLEK is of a cloud's, not of a chip. */
static int check_chip(struct snp *s)
{
	const size_t size = s->verdict->product == LIBDSTACK_SNP_TURIN ?
		SNP_TURIN_CHIP_SIZE : SNP_CHIP_SIZE;
	const struct libdstack_snp_report *r = &s->verdict->report;
	uint8_t want[SNP_CHIP_SIZE] = { 0 };
	const uint8_t *hwid;

	if (r->vlek)
		return 0;
	hwid = hwid_of(s->leaf, size);
	if (!hwid)
		return snp_fail(s, REASON(MALFORMED),
				"the certificate names no chip");
	memcpy(want, hwid, size);
	if (memcmp(want, r->chip_id, sizeof(want)))
		return snp_fail(s, REASON(MISMATCH),
				"the certificate is of another chip, or the host masks the chip's id");
	return 0;
}

int snp_vcek_check(struct snp *s)
{
	int err;

	err = check_product(s);
	if (!err)
		err = check_cpu(s);
	if (!err)
		err = check_levels(s);
	return err ? err : check_chip(s);
}
