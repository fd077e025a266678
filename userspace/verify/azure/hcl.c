// SPDX-License-Identifier: MIT
/*
 * Take the paravisor's report apart
 *
 * Copyright The dstack for Linux authors
 *
 * Header, a report of the hardware in 1,184 bytes, then what the report's data
 * are the hash of: a header and JSON.  All integers are little-endian.
 */
#include <errno.h>
#include <jansson.h>
#include <libdstack.h>
#include <libdstack_azure.h>
#include <openssl/sha.h>
#include <string.h>

#include "../cursor.h"
#include "../failure.h"
#include "../keys.h"
#include "../tpm/tpm.h"

#define RUNTIME_HEADER	20
#define TDREPORT_SIZE	1024
#define HASH_SHA256	1
#define KEY_NAME	"HCLAkPub"
#define NUMBER_MAX	512	/* bytes of a key's number */

static int malformed(struct libdstack_failure *failure, const char *what)
{
	return verify_fail(failure, REASON(MALFORMED), "%s", what);
}

static bool all_zero(const uint8_t *data, size_t len)
{
	while (len--)
		if (*data++)
			return false;
	return true;
}

static int parse_header(struct cursor *in, uint32_t *size,
			struct libdstack_failure *failure)
{
	const uint8_t *magic = cursor_take(in, 4);
	uint32_t version, request, status;

	if (!magic || memcmp(magic, "HCLA", 4))
		return malformed(failure, "not a report of Azure's paravisor");
	if (!cursor_u32(in, &version) || !cursor_u32(in, size) ||
	    !cursor_u32(in, &request) || !cursor_u32(in, &status) ||
	    !cursor_take(in, 12))
		return malformed(failure, "cut off in the header");
	if ((version != 1 && version != 2) || request != 2)
		return verify_fail(failure, REASON(UNSUPPORTED),
				   "version %u, request %u: versions 1 and 2 are known, and request 2",
				   version, request);
	if (status)
		return verify_fail(failure, REASON(MALFORMED),
				   "the paravisor could not make a report: status %u",
				   status);
	return 0;
}

static int parse_runtime(struct cursor *in, struct libdstack_azure_hcl *hcl,
			 struct libdstack_failure *failure)
{
	uint32_t size, version, type, hash, len;

	if (!cursor_u32(in, &size) || !cursor_u32(in, &version) ||
	    !cursor_u32(in, &type) || !cursor_u32(in, &hash) ||
	    !cursor_u32(in, &len))
		return malformed(failure, "cut off behind hardware's report");
	if (version != 1 || hash != HASH_SHA256 ||
	    (type != LIBDSTACK_AZURE_SNP && type != LIBDSTACK_AZURE_TDX))
		return verify_fail(failure, REASON(UNSUPPORTED),
				   "version %u, report of type %u, hash %u: 1, 2 or 4, and 1 are known",
				   version, type, hash);
	hcl->type = type;
	hcl->runtime_len = len;
	hcl->runtime = (const char *)cursor_take(in, len);
	if (!hcl->runtime || len > UINT32_MAX - RUNTIME_HEADER ||
	    size != len + RUNTIME_HEADER)
		return malformed(failure,
				 "sizes of the parts are not those of the whole");
	return 0;
}

static bool copy_text(const json_t *text, char *out, size_t size)
{
	const char *from = json_string_value(text);

	if (!from || json_string_length(text) >= size)
		return false;
	memcpy(out, from, json_string_length(text) + 1);
	return true;
}

/* Only the host could have asked for other settings: they are what it says. */
static int read_settings(const json_t *doc, struct libdstack_azure_hcl *hcl,
			 struct libdstack_failure *failure)
{
	const json_t *vm = json_object_get(doc, "vm-configuration");
	const json_t *data = json_object_get(doc, "user-data");

	if (!copy_text(json_object_get(vm, "vmUniqueId"), hcl->vm_id,
		       sizeof(hcl->vm_id)))
		return malformed(failure, "no vmUniqueId, or one that is too long");
	hcl->secure_boot = json_is_true(json_object_get(vm, "secure-boot"));
	hcl->console = !json_is_false(json_object_get(vm, "console-enabled"));
	if (!json_is_string(data) ||
	    !libdstack_from_hex(json_string_value(data),
				json_string_length(data), hcl->user_data,
				sizeof(hcl->user_data)))
		return malformed(failure, "user-data are not 64 bytes in hex");
	return 0;
}

static json_t *load_runtime(const struct libdstack_azure_hcl *hcl,
			    struct libdstack_failure *failure)
{
	json_t *doc = json_loadb(hcl->runtime, hcl->runtime_len,
				 JSON_REJECT_DUPLICATES, NULL);

	if (!doc)
		malformed(failure,
			  "what the report's data are the hash of is not JSON");
	return doc;
}

static int parse(struct cursor *in, struct libdstack_azure_hcl *hcl,
		 struct libdstack_failure *failure)
{
	const uint8_t *begin = in->p;
	uint32_t size = 0;
	json_t *doc;
	int err;

	err = parse_header(in, &size, failure);
	if (err)
		return err;
	hcl->report = cursor_take(in, LIBDSTACK_SNP_REPORT_SIZE);
	hcl->report_len = LIBDSTACK_SNP_REPORT_SIZE;
	if (!hcl->report)
		return malformed(failure, "cut off in hardware's report");
	err = parse_runtime(in, hcl, failure);
	if (err)
		return err;
	if (size != (size_t)(in->p - begin) || !all_zero(in->p, in->left))
		return malformed(failure,
				 "something other than zeros follows the report");
	if (hcl->type == LIBDSTACK_AZURE_TDX) {
		hcl->report_len = TDREPORT_SIZE;
		if (!all_zero(hcl->report + TDREPORT_SIZE,
			      LIBDSTACK_SNP_REPORT_SIZE - TDREPORT_SIZE))
			return malformed(failure,
					 "something follows the TDREPORT");
	}
	SHA256((const uint8_t *)hcl->runtime, hcl->runtime_len,
	       hcl->runtime_hash);
	doc = load_runtime(hcl, failure);
	err = doc ? read_settings(doc, hcl, failure) : -EBADMSG;
	json_decref(doc);
	return err;
}

int libdstack_azure_hcl_parse(const void *data, size_t len,
			      struct libdstack_azure_hcl *hcl,
			      struct libdstack_failure *failure)
{
	struct cursor in = { data, len };
	int err;

	memset(hcl, 0, sizeof(*hcl));
	memset(failure, 0, sizeof(*failure));
	if (len > LIBDSTACK_AZURE_HCL_MAX)
		err = malformed(failure, "longer than any report");
	else
		err = parse(&in, hcl, failure);
	if (err)
		verify_step(failure, "paravisor's report");
	return err;
}

/* The only key with this name. */
static const json_t *find_key(const json_t *doc)
{
	const json_t *keys = json_object_get(doc, "keys");
	const json_t *key, *found = NULL;
	const char *kid;
	size_t i;

	json_array_foreach(keys, i, key) {
		kid = json_string_value(json_object_get(key, "kid"));
		if (!kid || strcmp(kid, KEY_NAME))
			continue;
		if (found)
			return NULL;
		found = key;
	}
	return found;
}

/* base64url without "=", as JWKs have it (RFC 7515).  Returns bytes or 0. */
static size_t decode(const json_t *text, uint8_t out[NUMBER_MAX])
{
	unsigned char in[NUMBER_MAX / 3 * 4 + 4], raw[NUMBER_MAX + 4];
	size_t i, len = json_string_length(text);
	size_t padded = (len + 3) / 4 * 4;
	const char *from = json_string_value(text);

	if (!from || !len || len % 4 == 1 || padded > sizeof(in) ||
	    padded / 4 * 3 > sizeof(raw) || len / 4 * 3 + 3 > NUMBER_MAX)
		return 0;
	for (i = 0; i < len; i++)
		in[i] = from[i] == '-' ? '+' : from[i] == '_' ? '/' :
			strchr("+/=", from[i]) ? '!' : from[i];
	memset(in + len, 'A', padded - len);
	if (EVP_DecodeBlock(raw, in, padded) != (int)(padded / 4 * 3))
		return 0;
	len = len / 4 * 3 + (len % 4 ? len % 4 - 1 : 0);
	memcpy(out, raw, len);
	return len;
}

static bool is_rsa(const json_t *key)
{
	const char *type = json_string_value(json_object_get(key, "kty"));

	return type && !strcmp(type, "RSA");
}

static int read_key(const json_t *doc, struct libdstack_tpm_key **key,
		    struct libdstack_failure *failure)
{
	uint8_t n[NUMBER_MAX], e[NUMBER_MAX];
	const json_t *jwk = find_key(doc);
	size_t n_len, e_len;

	if (!jwk || !is_rsa(jwk))
		return malformed(failure,
				 "not exactly one RSA key is called " KEY_NAME);
	n_len = decode(json_object_get(jwk, "n"), n);
	e_len = decode(json_object_get(jwk, "e"), e);
	if (!n_len || !e_len)
		return malformed(failure,
				 "the numbers of " KEY_NAME " are not base64url");
	return tpm_key_new(keys_rsa(n, n_len, e, e_len), key, failure);
}

int libdstack_azure_hcl_key(const struct libdstack_azure_hcl *hcl,
			    struct libdstack_tpm_key **key,
			    struct libdstack_failure *failure)
{
	json_t *doc;
	int err;

	*key = NULL;
	memset(failure, 0, sizeof(*failure));
	doc = load_runtime(hcl, failure);
	err = doc ? read_key(doc, key, failure) : -EBADMSG;
	json_decref(doc);
	if (err)
		verify_step(failure, "TPM's key");
	return err;
}
