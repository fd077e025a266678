// SPDX-License-Identifier: MIT
/*
 * What a PCCS answers, taken apart
 *
 * Copyright The dstack for Linux authors
 *
 * Nothing of it is believed: what comes out is collateral that is still to be
 * checked.
 */
#include "source.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

struct text {
	const char *p;
	size_t left;
};

static void skip_blanks(struct text *in)
{
	while (in->left && strchr(" \t\r\n", *in->p) && *in->p) {
		in->p++;
		in->left--;
	}
}

static bool take_char(struct text *in, char c)
{
	skip_blanks(in);
	if (!in->left || *in->p != c)
		return false;
	in->p++;
	in->left--;
	return true;
}

/* The next value, and where it stands; NULL if it is none. */
static json_t *take_value(struct text *in, struct text *at)
{
	const size_t flags = JSON_DECODE_ANY | JSON_DISABLE_EOF_CHECK |
		JSON_REJECT_DUPLICATES;
	json_error_t error;
	json_t *value;

	skip_blanks(in);
	value = json_loadb(in->p, in->left, flags, &error);
	if (!value || error.position < 0 ||
	    (size_t)error.position > in->left) {
		json_decref(value);
		return NULL;
	}
	at->p = in->p;
	at->left = error.position;
	in->p += error.position;
	in->left -= error.position;
	return value;
}

static bool keep_signature(const json_t *value, struct dcap_signed *out)
{
	uint8_t raw[DCAP_SIGNATURE_SIZE];

	if (*out->signature ||
	    !libdstack_from_hex(json_string_value(value),
				json_string_length(value), raw, sizeof(raw)))
		return false;
	libdstack_to_hex(raw, sizeof(raw), out->signature);
	return true;
}

/* One member: either of the two that there are. */
static bool take_member(struct text *in, const char *member,
			struct dcap_signed *out)
{
	struct text at, at_value;
	json_t *key = take_value(in, &at), *value = NULL;
	const char *name = json_string_value(key);
	bool good;

	good = name && take_char(in, ':');
	if (good)
		value = take_value(in, &at_value);
	if (!value) {
		good = false;
	} else if (!strcmp(name, "signature")) {
		good = keep_signature(value, out);
	} else {
		good = !strcmp(name, member) && !out->text &&
			json_is_object(value);
		out->text = at_value.p;
		out->len = at_value.left;
	}
	json_decref(key);
	json_decref(value);
	return good;
}

bool dcap_reply_signed(const char *data, size_t len, const char *member,
		       struct dcap_signed *out)
{
	struct text in = { data, len };

	memset(out, 0, sizeof(*out));
	if (!take_char(&in, '{') || !take_member(&in, member, out) ||
	    !take_char(&in, ',') || !take_member(&in, member, out) ||
	    !take_char(&in, '}'))
		return false;
	skip_blanks(&in);
	return !in.left;
}

static char *hex_of(const void *data, size_t len)
{
	char *hex = malloc(2 * len + 1);

	return hex ? libdstack_to_hex(data, len, hex) : NULL;
}

static char *crl_of_pem(const char *data, size_t len)
{
	X509_CRL *crl = certs_parse_crl(data, len);
	uint8_t *der = NULL;
	char *hex = NULL;
	int der_len;

	der_len = crl ? i2d_X509_CRL(crl, &der) : 0;
	if (der_len > 0)
		hex = hex_of(der, der_len);
	OPENSSL_free(der);
	X509_CRL_free(crl);
	return hex;
}

/* Digits as they are, without what is around them. */
static char *crl_of_hex(const char *data, size_t len)
{
	struct text in = { data, len };
	size_t i;

	skip_blanks(&in);
	while (in.left && isspace((unsigned char)in.p[in.left - 1]))
		in.left--;
	for (i = 0; i < in.left; i++)
		if (!isxdigit((unsigned char)in.p[i]))
			return NULL;
	return in.left && in.left % 2 == 0 ? strndup(in.p, in.left) : NULL;
}

char *dcap_reply_crl(const char *data, size_t len)
{
	static const char pem[] = "-----BEGIN";

	/* A SEQUENCE; as a digit this one would be '0', of the value 0. */
	if (len > 1 && data[0] == 0x30 && (uint8_t)data[1] & 0x80)
		return hex_of(data, len);
	if (len > sizeof(pem) && !memcmp(data, pem, sizeof(pem) - 1))
		return crl_of_pem(data, len);
	return crl_of_hex(data, len);
}
