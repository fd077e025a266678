// SPDX-License-Identifier: MIT
/*
 * Upstream's .appkeys.json: read, and believe nothing of it unseen
 *
 * Copyright The dstack for Linux authors
 *
 * yyjson decodes strings where they stand, in memory that is wiped; jansson
 * would leave copies of them, and pieces of copies, on the heap.  yyjson keeps
 * fields that occur twice and strings with NUL in them; here both are refused,
 * and so are fields that are not known: of an optional one that is misspelt
 * nobody would hear.
 */
#include "app_keys.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>
#include <yyjson.h>

#include "epoch.h"
#include "pem.h"

#define NAME_SHOWN	32	/* bytes of a name that is not known */
#define NAME_LETTERS	"ABCDEFGHIJKLMNOPQRSTUVWXYZ" \
			"abcdefghijklmnopqrstuvwxyz0123456789_"

struct field {
	const char *name;
	bool optional;
	yyjson_val *value;
};

struct reader {
	const char *name;	/* of the file */
	const char *object;	/* of the field that is read; "": the outer */
	libdstack_message_fn tell;
	struct agent_app_keys *keys;
};

static int refuse(const struct reader *reader, const char *field,
		  const char *fmt, ...) __attribute__((format(printf, 3, 4)));

static int refuse(const struct reader *reader, const char *field,
		  const char *fmt, ...)
{
	char why[LIBDSTACK_MESSAGE_MAX / 2], line[LIBDSTACK_MESSAGE_MAX];
	va_list args;

	va_start(args, fmt);
	vsnprintf(why, sizeof(why), fmt, args);
	va_end(args);
	snprintf(line, sizeof(line), "'%s': %s%s%s%s%s", reader->name,
		 reader->object, *reader->object && *field ? "." : "", field,
		 *reader->object || *field ? ": " : "", why);
	reader->tell(line);
	return -EBADMSG;
}

static struct field *find(struct field *fields, yyjson_val *name)
{
	for (; fields->name; fields++)
		if (yyjson_equals_str(name, fields->name))
			return fields;
	return NULL;
}

/* A name may be a key that somebody pasted where it does not belong. */
static int refuse_unknown(const struct reader *reader, yyjson_val *name)
{
	const char *text = yyjson_get_str(name);
	size_t len = yyjson_get_len(name);

	if (len > NAME_SHOWN ||
	    strspn(text, NAME_LETTERS) != len)
		return refuse(reader, "", "a field is not known, and its name is not shown; remove it");
	return refuse(reader, text, "not known; remove it or correct its name");
}

/* @fields ends with one without a name. */
static int take_fields(const struct reader *reader, yyjson_val *object,
		       struct field *fields)
{
	yyjson_val *name, *value;
	struct field *field;
	size_t i, nr;

	if (!yyjson_is_obj(object))
		return refuse(reader, "", "want an object { ... }");
	yyjson_obj_foreach(object, i, nr, name, value) {
		field = find(fields, name);
		if (!field)
			return refuse_unknown(reader, name);
		if (field->value)
			return refuse(reader, field->name, "occurs twice; remove one");
		field->value = value;
	}
	for (field = fields; field->name; field++)
		if (!field->value && !field->optional)
			return refuse(reader, field->name, "is missing");
	return 0;
}

/* A string of up to @room bytes as hex; *@len of them. */
static bool get_hex(const struct field *field, uint8_t *out, size_t room,
		    size_t *len)
{
	const char *text = yyjson_get_str(field->value);

	*len = yyjson_get_len(field->value) / 2;
	return text && *len <= room &&
		libdstack_from_hex(text, yyjson_get_len(field->value), out,
				   *len);
}

static int take_key(const struct reader *reader, const struct field *field,
		    uint8_t key[DSTACK_KEY_SIZE])
{
	size_t len;

	if (get_hex(field, key, DSTACK_KEY_SIZE, &len) &&
	    len == DSTACK_KEY_SIZE)
		return 0;
	return refuse(reader, field->name, "want a string of %d hex digits",
		      2 * DSTACK_KEY_SIZE);
}

static int take_signature(const struct reader *reader,
			  const struct field *field)
{
	struct agent_app_keys *keys = reader->keys;
	size_t *len = &keys->k256_signature_len;

	if (get_hex(field, keys->k256_signature, AGENT_LINK_SIZE, len) &&
	    (!*len || *len == AGENT_LINK_SIZE))
		return 0;
	return refuse(reader, field->name, "want a string of %d hex digits, or \"\" if the keys are from no KMS",
		      2 * AGENT_LINK_SIZE);
}

/* A TPM is known to the machine that it is in, and to nobody else. */
static int take_id(const struct reader *reader, const struct field *field)
{
	struct agent_app_keys *keys = reader->keys;

	if (get_hex(field, keys->provider_id, sizeof(keys->provider_id),
		    &keys->provider_id_len) &&
	    (keys->provider_id_len || keys->provider == AGENT_PROVIDER_TPM))
		return 0;
	return refuse(reader, field->name, "want a string of 2 to %d hex digits",
		      2 * AGENT_PROVIDER_ID_MAX);
}

/* All that it has to be is text; with @lines, of more than one line. */
static int take_text(const struct reader *reader, const struct field *field,
		     bool lines, char *out, size_t room)
{
	const char *text = yyjson_get_str(field->value);
	size_t i, len = yyjson_get_len(field->value);

	if (!text || len >= room)
		return refuse(reader, field->name, "want a string of at most %zu bytes",
			      room - 1);
	for (i = 0; i < len; i++)
		if (!(text[i] >= ' ' && text[i] <= '~') &&
		    !(lines && (text[i] == '\n' || text[i] == '\r')))
			return refuse(reader, field->name, "want printable ASCII");
	memcpy(out, text, len);
	out[len] = '\0';
	return 0;
}

static int take_pem(const struct reader *reader, const struct field *field,
		    char out[AGENT_PEM_MAX])
{
	return take_text(reader, field, true, out, AGENT_PEM_MAX);
}

/* None, Local and Tpm: the application is its own authority. */
static int take_own(const struct reader *reader, yyjson_val *value,
		    const char *id)
{
	struct field fields[] = {
		{ "key", false, NULL }, { id, false, NULL }, { 0 }
	};
	struct agent_app_keys *keys = reader->keys;
	int err;

	err = take_fields(reader, value, fields) ?:
		take_pem(reader, &fields[0], keys->ca_key);
	if (err)
		return err;
	if (!pem_is_key(keys->ca_key))
		return refuse(reader, "key", "want one key of P-256 in PEM, \"BEGIN PRIVATE KEY\", and nothing else");
	if (!pem_is_pair(keys->ca_cert, keys->ca_key))
		return refuse(reader, "key", "it is not the key of ca_cert");
	return id ? take_id(reader, &fields[1]) : 0;
}

static int take_pinned(const struct reader *reader, const struct field *field)
{
	struct agent_app_keys *keys = reader->keys;

	if (!field->value ||
	    (get_hex(field, keys->pinned_id, sizeof(keys->pinned_id),
		     &keys->pinned_id_len) && keys->pinned_id_len))
		return 0;
	return refuse(reader, field->name, "want a string of 2 to %d hex digits",
		      2 * AGENT_PROVIDER_ID_MAX);
}

enum { URL, PUBKEY, PINNED, TEMP_KEY, TEMP_CERT };

static int take_kms(const struct reader *reader, yyjson_val *value)
{
	struct field fields[] = {
		[URL] = { "url", false, NULL },
		[PUBKEY] = { "pubkey", false, NULL },
		[PINNED] = { "pinned", true, NULL },
		[TEMP_KEY] = { "tmp_ca_key", false, NULL },
		[TEMP_CERT] = { "tmp_ca_cert", false, NULL }, { 0 }
	};
	struct agent_app_keys *keys = reader->keys;
	int err;

	err = take_fields(reader, value, fields) ?:
		take_text(reader, &fields[URL], false, keys->kms_url,
			  sizeof(keys->kms_url)) ?:
		take_id(reader, &fields[PUBKEY]) ?:
		take_pinned(reader, &fields[PINNED]) ?:
		take_pem(reader, &fields[TEMP_KEY], keys->temp_ca_key) ?:
		take_pem(reader, &fields[TEMP_CERT], keys->temp_ca_cert);
	if (err)
		return err;
	if ((*keys->temp_ca_key || *keys->temp_ca_cert) &&
	    !pem_is_pair(keys->temp_ca_cert, keys->temp_ca_key))
		return refuse(reader, "tmp_ca_key", "want the key of tmp_ca_cert, of P-256, each in PEM and nothing else, or \"\" for both");
	return 0;
}

static int take_provider(struct reader *reader, const struct field *field)
{
	struct field kinds[] = {
		[AGENT_PROVIDER_NONE] = { "None", true, NULL },
		[AGENT_PROVIDER_LOCAL] = { "Local", true, NULL },
		[AGENT_PROVIDER_TPM] = { "Tpm", true, NULL },
		[AGENT_PROVIDER_KMS] = { "Kms", true, NULL }, { 0 }
	};
	static const char *const ids[] = {
		[AGENT_PROVIDER_LOCAL] = "mr", [AGENT_PROVIDER_TPM] = "pubkey",
		[AGENT_PROVIDER_KMS] = NULL,
	};
	enum agent_provider kind;
	int err;

	reader->object = field->name;
	err = take_fields(reader, field->value, kinds);
	if (err)
		return err;
	if (yyjson_obj_size(field->value) != 1)
		return refuse(reader, "", "want one of \"None\", \"Local\", \"Tpm\" and \"Kms\"");
	for (kind = 0; !kinds[kind].value; kind++)
		;
	reader->keys->provider = kind;
	return kind == AGENT_PROVIDER_KMS ?
		take_kms(reader, kinds[kind].value) :
		take_own(reader, kinds[kind].value, ids[kind]);
}

enum { DISK, ENV, K256, SIGNATURE, GATEWAY, CERT, EPOCH, PROVIDER };

static int take_env_key(const struct reader *reader, const struct field *field)
{
	struct agent_app_keys *keys = reader->keys;

	keys->has_env_key = field->value && yyjson_get_len(field->value);
	if (!field->value || yyjson_equals_str(field->value, ""))
		return 0;
	return take_key(reader, field, keys->env_key);
}

static int take_epoch(const struct reader *reader, const struct field *field)
{
	struct agent_app_keys *keys = reader->keys;

	if (!field->value)
		return 0;
	keys->key_epoch = yyjson_get_uint(field->value);
	if (!yyjson_is_uint(field->value) ||
	    keys->key_epoch > KEY_EPOCH_NUMBER_MAX)
		return refuse(reader, field->name, "want a whole number of at most %llu",
			      KEY_EPOCH_NUMBER_MAX);
	return 0;
}

static int take_root(struct reader *reader, yyjson_val *root)
{
	struct field fields[] = {
		[DISK] = { "disk_crypt_key", false, NULL },
		[ENV] = { "env_crypt_key", true, NULL },
		[K256] = { "k256_key", false, NULL },
		[SIGNATURE] = { "k256_signature", false, NULL },
		[GATEWAY] = { "gateway_app_id", false, NULL },
		[CERT] = { "ca_cert", false, NULL },
		[EPOCH] = { "key_epoch", true, NULL },
		[PROVIDER] = { "key_provider", false, NULL }, { 0 }
	};
	struct agent_app_keys *keys = reader->keys;
	int err;

	err = take_fields(reader, root, fields) ?:
		take_key(reader, &fields[DISK], keys->disk_key) ?:
		take_env_key(reader, &fields[ENV]) ?:
		take_key(reader, &fields[K256], keys->k256_key) ?:
		take_signature(reader, &fields[SIGNATURE]) ?:
		take_text(reader, &fields[GATEWAY], false, keys->gateway_app_id,
			  sizeof(keys->gateway_app_id)) ?:
		take_pem(reader, &fields[CERT], keys->ca_cert) ?:
		take_epoch(reader, &fields[EPOCH]);
	if (err)
		return err;
	err = agent_key_public(AGENT_SECP256K1, keys->k256_key,
			       &keys->k256_public);
	if (err == -EINVAL)
		return refuse(reader, "k256_key", "as a number it is 0 or too large, and so no key of secp256k1");
	if (err)
		return err;
	if (!pem_is_cert(keys->ca_cert))
		return refuse(reader, "ca_cert", "want one certificate in PEM and nothing else");
	err = take_provider(reader, &fields[PROVIDER]);
	reader->object = "";
	if (!err && keys->key_epoch && keys->provider != AGENT_PROVIDER_KMS)
		err = refuse(reader, "key_epoch", "only a KMS has others than 0");
	return err;
}

/* @copy: of @text, with room behind it, to be decoded there. */
static int take_json(struct reader *reader, const char *text, char *copy,
		     size_t len)
{
	size_t line = 1, column = 1, character;
	yyjson_read_err error;
	yyjson_doc *doc;
	int err;

	doc = yyjson_read_opts(copy, len, YYJSON_READ_INSITU, NULL, &error);
	if (doc) {
		err = take_root(reader, yyjson_doc_get_root(doc));
		yyjson_doc_free(doc);
		return err;
	}
	if (error.code == YYJSON_READ_ERROR_MEMORY_ALLOCATION)
		return -ENOMEM;
	yyjson_locate_pos(text, len, error.pos, &line, &column, &character);
	return refuse(reader, "", "line %zu, column %zu: %s", line, column,
		      error.msg);
}

int agent_app_keys_parse(const char *name, const char *text, size_t len,
			 libdstack_message_fn tell,
			 struct agent_app_keys **keys)
{
	struct reader reader = { .name = name, .object = "", .tell = tell };
	size_t size = len + YYJSON_PADDING_SIZE;
	void *copy, *made;
	int err;

	*keys = NULL;
	if (len > AGENT_APP_KEYS_FILE_MAX) {
		refuse(&reader, "", "more than %d bytes",
		       AGENT_APP_KEYS_FILE_MAX);
		return -EFBIG;
	}
	err = libdstack_secret_alloc(sizeof(**keys), &made) ?:
		libdstack_secret_alloc(size, &copy);
	if (!err) {
		reader.keys = made;
		if (len)
			memcpy(copy, text, len);
		err = take_json(&reader, text, copy, len);
		libdstack_secret_free(copy, size);
	}
	if (!err) {
		*keys = made;
		return 0;
	}
	agent_app_keys_free(made);
	if (err != -EBADMSG)
		refuse(&reader, "", "%s", strerror(-err));
	return err;
}

int agent_app_keys_read(const char *path, libdstack_message_fn tell,
			struct agent_app_keys **keys)
{
	int fd = libdstack_secret_open(path), err;
	void *text;
	size_t len;

	*keys = NULL;
	if (fd < 0)
		return fd;
	err = libdstack_secret_read(fd, path, AGENT_APP_KEYS_FILE_MAX, &text,
				    &len);
	close(fd);
	if (err)
		return err;
	err = agent_app_keys_parse(path, text, len, tell, keys);
	libdstack_secret_free(text, AGENT_APP_KEYS_FILE_MAX + 1);
	return err;
}

unsigned int agent_app_keys_flags(const struct agent_app_keys *keys)
{
	return keys->provider == AGENT_PROVIDER_KMS ? 0 : LIBDSTACK_ROOT_LOCAL;
}

static bool is_id(const uint8_t *have, size_t have_len, const uint8_t *id,
		  size_t len)
{
	return have_len == len && !memcmp(have, id, len);
}

bool agent_app_keys_are_of(const struct agent_app_keys *keys,
			   const uint8_t *id, size_t len)
{
	return is_id(keys->provider_id, keys->provider_id_len, id, len) ||
		(keys->pinned_id_len &&
		 is_id(keys->pinned_id, keys->pinned_id_len, id, len));
}

void agent_app_keys_free(struct agent_app_keys *keys)
{
	libdstack_secret_free(keys, sizeof(*keys));
}
