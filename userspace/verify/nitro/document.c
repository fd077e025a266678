// SPDX-License-Identifier: MIT
/*
 * Take a document apart
 *
 * Copyright The dstack for Linux authors
 */
#include "nitro.h"

#include <string.h>

#define TAG_COSE_SIGN1		0xd2	/* which libcbor refuses */
#define HEADER_ALG		1
#define ALG_ES384		34	/* -35 */
#define CERTIFICATE_MAX		1024

static int malformed(struct nitro *n, const char *what)
{
	return nitro_fail(n, REASON(MALFORMED), "wrong or missing: %s", what);
}

/* {1: -35} and nothing else. */
static bool is_es384(const struct cbor_item *protected)
{
	struct cbor_in in = { .p = protected->data, .left = protected->value };
	struct cbor_item map, key, value;

	return cbor_in_take(&in, CBOR_IN_MAP, &map) && map.value == 1 &&
		cbor_in_take(&in, CBOR_IN_UINT, &key) &&
		key.value == HEADER_ALG &&
		cbor_in_take(&in, CBOR_IN_NEGATIVE, &value) &&
		value.value == ALG_ES384 && !in.left;
}

static int parse_cose(struct nitro *n)
{
	struct cbor_in in = { .p = n->data, .left = n->len };
	struct cbor_item item;

	if (in.left && *in.p == TAG_COSE_SIGN1) {
		in.p++;
		in.left--;
	}
	if (!cbor_in_take(&in, CBOR_IN_ARRAY, &item) || item.value != 4 ||
	    !cbor_in_take(&in, CBOR_IN_BYTES, &n->protected))
		return malformed(n, "COSE_Sign1");
	/* Nobody signs what is in the second header. */
	if (!cbor_in_take(&in, CBOR_IN_MAP, &item) || item.value ||
	    !cbor_in_take(&in, CBOR_IN_BYTES, &n->payload) ||
	    !cbor_in_take(&in, CBOR_IN_BYTES, &n->signature) || in.left)
		return malformed(n, "parts of COSE_Sign1");
	if (!is_es384(&n->protected) ||
	    n->signature.value != NITRO_SIGNATURE_SIZE)
		return nitro_fail(n, REASON(UNSUPPORTED),
				  "the signature is not ES384");
	return 0;
}

/* It is printed. */
static bool is_plain(const struct cbor_item *text)
{
	uint64_t i;

	for (i = 0; i < text->value; i++)
		if (text->data[i] < 0x21 || text->data[i] > 0x7e)
			return false;
	return text->value;
}

static bool parse_module_id(struct nitro *n, struct cbor_in *in)
{
	struct libdstack_nitro_document *d = &n->verdict->document;
	struct cbor_item text;

	if (!cbor_in_take(in, CBOR_IN_TEXT, &text) || !is_plain(&text) ||
	    text.value >= sizeof(d->module_id))
		return false;
	memcpy(d->module_id, text.data, text.value);
	return true;
}

static bool parse_digest(struct nitro *n, struct cbor_in *in)
{
	struct cbor_item text;

	(void)n;
	return cbor_in_take(in, CBOR_IN_TEXT, &text) &&
		cbor_in_text_is(&text, "SHA384");
}

static bool parse_timestamp(struct nitro *n, struct cbor_in *in)
{
	struct cbor_item number;

	if (!cbor_in_take(in, CBOR_IN_UINT, &number))
		return false;
	n->verdict->document.timestamp = number.value;
	return true;
}

static bool parse_pcrs(struct nitro *n, struct cbor_in *in)
{
	struct libdstack_nitro_document *d = &n->verdict->document;
	struct cbor_item map, index, value;

	if (!cbor_in_take(in, CBOR_IN_MAP, &map))
		return false;
	while (cbor_in_more(in, &map.value)) {
		if (!cbor_in_take(in, CBOR_IN_UINT, &index) ||
		    index.value >= LIBDSTACK_NITRO_PCRS ||
		    d->pcrs & 1U << index.value ||
		    !cbor_in_take(in, CBOR_IN_BYTES, &value) ||
		    value.value != LIBDSTACK_NITRO_PCR_SIZE)
			return false;
		d->pcrs |= 1U << index.value;
		memcpy(d->pcr[index.value], value.data, value.value);
	}
	return !in->bad && d->pcrs;
}

static bool parse_tpm_pcrs(struct nitro *n, struct cbor_in *in)
{
	n->verdict->document.tpm = true;
	return parse_pcrs(n, in);
}

static bool parse_certificate(struct nitro *n, struct cbor_in *in)
{
	return cbor_in_take(in, CBOR_IN_BYTES, &n->certificate) &&
		n->certificate.value && n->certificate.value <= CERTIFICATE_MAX;
}

static bool parse_bundle(struct nitro *n, struct cbor_in *in)
{
	struct cbor_item array, cert;

	if (!cbor_in_take(in, CBOR_IN_ARRAY, &array))
		return false;
	while (cbor_in_more(in, &array.value))
		if (!cbor_in_take(in, CBOR_IN_BYTES, &cert) ||
		    cert.value > CERTIFICATE_MAX ||
		    certs_add(n->bundle, cert.data, cert.value,
			      &n->verdict->failure))
			return false;
	return !in->bad && sk_X509_num(n->bundle);
}

static bool parse_data(struct cbor_in *in, struct libdstack_nitro_data *data)
{
	struct cbor_item item;

	if (!cbor_in_next(in, &item))
		return false;
	if (item.type == CBOR_IN_NULL)
		return true;
	if (item.type != CBOR_IN_BYTES ||
	    item.value > LIBDSTACK_NITRO_DATA_MAX)
		return false;
	data->data = item.data;
	data->len = item.value;
	return true;
}

static bool parse_public_key(struct nitro *n, struct cbor_in *in)
{
	return parse_data(in, &n->verdict->document.public_key);
}

static bool parse_user_data(struct nitro *n, struct cbor_in *in)
{
	return parse_data(in, &n->verdict->document.user_data);
}

static bool parse_nonce(struct nitro *n, struct cbor_in *in)
{
	return parse_data(in, &n->verdict->document.nonce);
}

/* Both kinds of registers have one bit: a document has one of them. */
enum {
	HAS_PCRS = 1U << 0, HAS_MODULE_ID = 1U << 1, HAS_DIGEST = 1U << 2,
	HAS_TIMESTAMP = 1U << 3, HAS_CERTIFICATE = 1U << 4,
	HAS_BUNDLE = 1U << 5, HAS_ALL = HAS_BUNDLE * 2 - 1,
	HAS_PUBLIC_KEY = 1U << 6, HAS_USER_DATA = 1U << 7, HAS_NONCE = 1U << 8,
};

static const struct field {
	const char *name;
	unsigned int bit;
	bool (*parse)(struct nitro *n, struct cbor_in *in);
} fields[] = {
	{ "pcrs", HAS_PCRS, parse_pcrs },
	{ "nitrotpm_pcrs", HAS_PCRS, parse_tpm_pcrs },
	{ "module_id", HAS_MODULE_ID, parse_module_id },
	{ "digest", HAS_DIGEST, parse_digest },
	{ "timestamp", HAS_TIMESTAMP, parse_timestamp },
	{ "certificate", HAS_CERTIFICATE, parse_certificate },
	{ "cabundle", HAS_BUNDLE, parse_bundle },
	{ "public_key", HAS_PUBLIC_KEY, parse_public_key },
	{ "user_data", HAS_USER_DATA, parse_user_data },
	{ "nonce", HAS_NONCE, parse_nonce },
};

static const struct field *find_field(const struct cbor_item *key)
{
	size_t i;

	for (i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		if (cbor_in_text_is(key, fields[i].name))
			return &fields[i];
	return NULL;
}

static int parse_field(struct nitro *n, struct cbor_in *in,
		       unsigned int *seen)
{
	const struct field *field;
	struct cbor_item key;

	if (!cbor_in_take(in, CBOR_IN_TEXT, &key))
		return malformed(n, "name of a field");
	field = find_field(&key);
	if (!field)
		return nitro_fail(n, REASON(UNSUPPORTED),
				  "the document has a field that is not known");
	if (*seen & field->bit)
		return nitro_fail(n, REASON(MALFORMED), "%s twice",
				  field->name);
	*seen |= field->bit;
	return field->parse(n, in) ? 0 : malformed(n, field->name);
}

static int parse_payload(struct nitro *n)
{
	struct cbor_in in = { .p = n->payload.data, .left = n->payload.value };
	unsigned int seen = 0;
	struct cbor_item map;
	int err = 0;

	if (!cbor_in_take(&in, CBOR_IN_MAP, &map))
		return malformed(n, "payload");
	while (!err && cbor_in_more(&in, &map.value))
		err = parse_field(n, &in, &seen);
	if (err)
		return err;
	if (in.bad || in.left)
		return malformed(n, "end of the payload");
	if ((seen & HAS_ALL) != HAS_ALL)
		return malformed(n, "one of the fields that all documents have");
	return 0;
}

int nitro_document_parse(struct nitro *n)
{
	int err;

	if (n->len > LIBDSTACK_NITRO_DOCUMENT_MAX)
		return nitro_fail(n, REASON(MALFORMED),
				  "%zu bytes: more than %u", n->len,
				  LIBDSTACK_NITRO_DOCUMENT_MAX);
	n->bundle = sk_X509_new_null();
	if (!n->bundle)
		return nitro_fail(n, REASON(MEMORY), "out of memory");
	err = parse_cose(n);
	if (!err)
		err = parse_payload(n);
	if (err)
		return err;
	n->leaf = certs_parse(n->certificate.data, n->certificate.value);
	return n->leaf ? 0 : malformed(n, "certificate");
}

/* {@key: a value of @type} and nothing else. */
static bool only_member(struct cbor_in *in, const char *key,
			enum cbor_in_type type, struct cbor_item *value)
{
	struct cbor_item map, name;

	return cbor_in_take(in, CBOR_IN_MAP, &map) && map.value == 1 &&
		cbor_in_take(in, CBOR_IN_TEXT, &name) &&
		cbor_in_text_is(&name, key) &&
		(!value || cbor_in_take(in, type, value));
}

int libdstack_nitro_unwrap(const void *response, size_t len,
			   const void **document, size_t *document_len,
			   struct libdstack_failure *failure)
{
	struct cbor_in in = { .p = response, .left = len };
	struct cbor_item bytes;

	memset(failure, 0, sizeof(*failure));
	if (!only_member(&in, "Attestation", CBOR_IN_MAP, NULL) ||
	    !only_member(&in, "document", CBOR_IN_BYTES, &bytes) || in.left) {
		verify_step(failure, "device's answer");
		return verify_fail(failure, REASON(MALFORMED),
				   "not an answer with a document");
	}
	*document = bytes.data;
	*document_len = bytes.value;
	return 0;
}
