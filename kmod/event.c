// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * Encode and decode one event, and its digest
 *
 * Copyright The dstack for Linux authors
 */
#include "event.h"
#include "words.h"

/* The one list of the kernel's events: name, then keys in canonical order. */
static const struct dstack_schema {
	const char *name;
	const char *keys[DSTACK_EVENT_KEYS];
} schemas[__DSTACK_EVENT_MAX] = {
	[DSTACK_EVENT_START] = { "dstack.start", { "backend", "abi", "base" } },
	[DSTACK_EVENT_STATE] = { "dstack.state", { "from", "to" } },
	[DSTACK_EVENT_POLICY] = { "dstack.policy",
		{ "epoch", "app", "table", "document", "rules" } },
	[DSTACK_EVENT_CONTAINER] = { "dstack.container",
		{ "action", "id", "section", "app", "image", "cgroup",
		  "flags" } },
	[DSTACK_EVENT_EXEC] = { "dstack.exec",
		{ "id", "digest", "reason", "epoch", "storage", "path" } },
	[DSTACK_EVENT_SCRIPT] = { "dstack.script",
		{ "id", "digest", "reason", "epoch", "storage", "path" } },
	[DSTACK_EVENT_MAP] = { "dstack.map",
		{ "id", "digest", "reason", "epoch", "storage", "path" } },
	[DSTACK_EVENT_DENY] = { "dstack.deny",
		{ "id", "kind", "digest", "reason", "count", "epoch",
		  "storage", "path" } },
	[DSTACK_EVENT_USER] = { "dstack.user", { "id", "name", "data" } },
	[DSTACK_EVENT_MODE] = { "dstack.mode",
		{ "id", "from", "to", "epoch" } },
	[DSTACK_EVENT_REGISTER] = { "dstack.register",
		{ "id", "verdict", "count", "path" } },
	[DSTACK_EVENT_KERNEL] = { "dstack.kernel",
		{ "id", "digest", "reason", "epoch", "storage", "path" } },
	[DSTACK_EVENT_TAMPER] = { "dstack.tamper",
		{ "id", "what", "verdict", "count" } },
	[DSTACK_EVENT_QUOTA] = { "dstack.quota", { "id", "what", "count" } },
	[DSTACK_EVENT_REVOKE] = { "dstack.revoke",
		{ "id", "digest", "action", "epoch", "processes", "path" } },
	[DSTACK_EVENT_DEVICE] = { "dstack.device",
		{ "action", "class", "device", "root" } },
	[DSTACK_EVENT_MEMORY] = { "dstack.memory",
		{ "id", "from", "to", "epoch" } },
	[DSTACK_EVENT_FORMAT] = { "dstack.format",
		{ "id", "verdict", "count", "path" } },
	[DSTACK_EVENT_ROOT] = { "dstack.root",
		{ "action", "app", "epoch", "key" } },
	[DSTACK_EVENT_KEY] = { "dstack.key",
		{ "id", "path", "purpose", "kind", "scope", "epoch",
		  "delivery" } },
};

static const char hexdigits[] = "0123456789abcdef";
static const char escdigits[] = "0123456789ABCDEF";

/* Printable ASCII, but for ' ', '=' and '%': asked of each byte of a string. */
static bool plain(u8 c)
{
	static const bool is_plain[256] = {
		[0x21 ... 0x24] = true, [0x26 ... 0x3c] = true,
		[0x3e ... 0x7e] = true,
	};

	return is_plain[c];
}

/* Room for @len more bytes, or NULL. */
static u8 *room(struct dstack_event *ev, size_t len)
{
	u8 *to = ev->payload + ev->len;

	if (ev->err)
		return NULL;
	if (len > sizeof(ev->payload) - ev->len) {
		ev->err = -EMSGSIZE;
		return NULL;
	}
	ev->len += len;
	return to;
}

static void put(struct dstack_event *ev, const void *data, size_t len)
{
	u8 *to = room(ev, len);

	if (to)
		memcpy(to, data, len);
}

static void put_escaped(struct dstack_event *ev, const u8 *data, size_t len)
{
	while (len) {
		size_t run = 0;

		while (run < len && plain(data[run]))
			run++;
		put(ev, data, run);
		data += run;
		len -= run;
		if (len) {
			const char esc[3] = {
				'%', escdigits[*data >> 4],
				escdigits[*data & 15]
			};

			put(ev, esc, sizeof(esc));
			data++;
			len--;
		}
	}
}

/* Append " key=" if @key is the one that the schema wants next. */
static void put_key(struct dstack_event *ev, const char *key)
{
	const char *want = NULL;
	size_t len = 0;
	u8 *to;

	if (ev->err)
		return;
	if (ev->id < __DSTACK_EVENT_MAX && ev->key < DSTACK_EVENT_KEYS)
		want = schemas[ev->id].keys[ev->key];
	while (want && key[len] && key[len] == want[len])
		len++;
	if (!want || key[len] != want[len]) {
		ev->err = -EINVAL;
		return;
	}
	ev->key++;
	to = room(ev, len + 2);
	if (!to)
		return;
	*to = ' ';
	memcpy(to + 1, key, len);
	to[len + 1] = '=';
}

/**
 * dstack_event_begin() - start an event of the kernel's
 * @ev: the event
 * @id: which one
 */
void dstack_event_begin(struct dstack_event *ev, enum dstack_event_id id)
{
	ev->id = id;
	ev->key = 0;
	ev->err = 0;
	ev->len = 0;
	ev->name = schemas[id].name;
	ev->quota = NULL;
	put(ev, DSTACK_EVENT_VERSION, strlen(DSTACK_EVENT_VERSION));
}

/**
 * dstack_event_text() - append bytes, escaped where needed
 * @ev: the event
 * @key: key of the schema
 * @value: the bytes
 * @len: how many
 */
void dstack_event_text(struct dstack_event *ev, const char *key,
		       const void *value, size_t len)
{
	put_key(ev, key);
	put_escaped(ev, value, len);
}

/**
 * dstack_event_str() - append a string, escaped where needed
 * @ev: the event
 * @key: key of the schema
 * @value: NUL-terminated
 */
void dstack_event_str(struct dstack_event *ev, const char *key,
		      const char *value)
{
	dstack_event_text(ev, key, value, strlen(value));
}

/**
 * dstack_event_path() - append a path, of a long one the tail
 * @ev: the event
 * @key: key of the schema
 * @path: NUL-terminated
 *
 * A path is a hint for people: identity is the digest.  A long one is cut at
 * the front and marked with "...", which keeps the event bounded.
 */
void dstack_event_path(struct dstack_event *ev, const char *key,
		       const char *path)
{
	size_t len = strlen(path);

	put_key(ev, key);
	if (len > DSTACK_PATH_SHOWN) {
		put(ev, "...", 3);
		path += len - DSTACK_PATH_SHOWN;
		len = DSTACK_PATH_SHOWN;
	}
	put_escaped(ev, (const u8 *)path, len);
}

/**
 * dstack_event_u64() - append a number in decimal
 * @ev: the event
 * @key: key of the schema
 * @value: the number
 */
void dstack_event_u64(struct dstack_event *ev, const char *key, u64 value)
{
	char text[20];		/* of 2^64 - 1 */
	size_t at = sizeof(text);

	do {
		text[--at] = '0' + value % 10;
		value /= 10;
	} while (value);
	put_key(ev, key);
	put(ev, text + at, sizeof(text) - at);
}

static void put_hex(struct dstack_event *ev, const u8 *data, size_t len)
{
	u8 *to = room(ev, 2 * len);
	size_t i;

	for (i = 0; to && i < len; i++) {
		to[2 * i] = hexdigits[data[i] >> 4];
		to[2 * i + 1] = hexdigits[data[i] & 15];
	}
}

/**
 * dstack_event_hex() - append bytes in lower-case hex
 * @ev: the event
 * @key: key of the schema
 * @value: the bytes
 * @len: how many
 */
void dstack_event_hex(struct dstack_event *ev, const char *key,
		      const void *value, size_t len)
{
	put_key(ev, key);
	put_hex(ev, value, len);
}

/**
 * dstack_event_sha256() - append a SHA-256 with its algorithm
 * @ev: the event
 * @key: key of the schema
 * @digest: 32 bytes
 */
void dstack_event_sha256(struct dstack_event *ev, const char *key,
			 const u8 digest[DSTACK_DIGEST_SIZE])
{
	put_key(ev, key);
	put(ev, "sha256:", 7);
	put_hex(ev, digest, DSTACK_DIGEST_SIZE);
}

/**
 * dstack_event_file() - append what a file is known by
 * @ev: the event
 * @key: key of the schema
 * @digest: of the file, may be none
 */
void dstack_event_file(struct dstack_event *ev, const char *key,
		       const struct dstack_digest *digest)
{
	const char *alg = dstack_alg_name(digest->alg);

	put_key(ev, key);
	put(ev, alg, strlen(alg));
	if (digest->alg == DSTACK_ALG_NONE)
		return;
	put(ev, ":", 1);
	put_hex(ev, digest->value, sizeof(digest->value));
}

/**
 * dstack_event_end() - check that the event is whole
 * @ev: the event
 *
 * Return: 0, -EMSGSIZE if it outgrew DSTACK_PAYLOAD_MAX, -EINVAL if a key was
 * missing or out of order.
 */
int dstack_event_end(const struct dstack_event *ev)
{
	if (ev->err)
		return ev->err;
	if (ev->id < __DSTACK_EVENT_MAX && ev->key < DSTACK_EVENT_KEYS &&
	    schemas[ev->id].keys[ev->key])
		return -EINVAL;
	return 0;
}

/**
 * dstack_event_foreign() - an event whose name is not the kernel's
 * @ev: the event
 * @name: NUL-terminated, must not be reserved; the event keeps the pointer
 * @payload: any bytes
 * @len: how many
 *
 * Return: 0, -EINVAL for a name that is malformed or reserved, -EMSGSIZE.
 */
int dstack_event_foreign(struct dstack_event *ev, const char *name,
			 const void *payload, size_t len)
{
	if (!dstack_event_name_ok(name) || dstack_event_name_reserved(name))
		return -EINVAL;
	ev->id = __DSTACK_EVENT_MAX;
	ev->key = 0;
	ev->err = 0;
	ev->len = 0;
	ev->name = name;
	ev->quota = NULL;
	put(ev, payload, len);
	return ev->err;
}

/* 1 to @size - 1 of [A-Za-z0-9._-]. */
static bool is_word(const char *word, size_t size)
{
	size_t i;

	for (i = 0; word[i]; i++) {
		u8 c = word[i];

		if (i == size - 1)
			return false;
		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
		      (c >= '0' && c <= '9') || c == '.' || c == '_' ||
		      c == '-'))
			return false;
	}
	return i > 0;
}

/**
 * dstack_event_name_ok() - is this a name that cannot be mistaken
 * @name: NUL-terminated; of an event or of a section
 *
 * ':' separates name and payload in the digest, so a name with ':' could be
 * read as another name with another payload.
 *
 * Return: true for 1 to DSTACK_NAME_SIZE - 1 of [A-Za-z0-9._-].
 */
bool dstack_event_name_ok(const char *name)
{
	return is_word(name, DSTACK_NAME_SIZE);
}

/**
 * dstack_event_id_ok() - can a container be called so
 * @id: NUL-terminated
 *
 * Return: true for 1 to DSTACK_ID_SIZE - 1 of [A-Za-z0-9._-].
 */
bool dstack_event_id_ok(const char *id)
{
	return is_word(id, DSTACK_ID_SIZE);
}

/**
 * dstack_event_name_reserved() - is this a name that only the kernel may use
 * @name: NUL-terminated
 *
 * Return: true if it starts with "dstack.".
 */
bool dstack_event_name_reserved(const char *name)
{
	return !strncmp(name, DSTACK_EVENT_PREFIX, strlen(DSTACK_EVENT_PREFIX));
}

/**
 * dstack_event_name() - the name of one of the kernel's events
 * @id: which one
 *
 * Return: the name.
 */
const char *dstack_event_name(enum dstack_event_id id)
{
	return schemas[id].name;
}

static int event_id(const char *name)
{
	int id;

	for (id = 0; id < __DSTACK_EVENT_MAX; id++)
		if (!strcmp(schemas[id].name, name))
			return id;
	return -ENOENT;
}

/* Value of one hex digit as the escape uses it, or -1. */
static int escdigit(u8 c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* Take one escaped value off the front of @in; only the canonical form. */
static int take_value(struct dstack_bytes *in, struct dstack_bytes *value)
{
	const u8 *p = in->data;
	size_t i = 0;

	while (i < in->len && p[i] != ' ') {
		if (p[i] == '%') {
			int hi, lo;

			if (in->len - i < 3)
				return -EBADMSG;
			hi = escdigit(p[i + 1]);
			lo = escdigit(p[i + 2]);
			if (hi < 0 || lo < 0 || plain(hi << 4 | lo))
				return -EBADMSG;
			i += 3;
		} else if (plain(p[i])) {
			i++;
		} else {
			return -EBADMSG;
		}
	}
	value->data = p;
	value->len = i;
	in->data = p + i;
	in->len -= i;
	return 0;
}

static int take_literal(struct dstack_bytes *in, const char *text)
{
	size_t len = strlen(text);

	if (in->len < len || memcmp(in->data, text, len))
		return -EBADMSG;
	in->data = (const u8 *)in->data + len;
	in->len -= len;
	return 0;
}

/**
 * dstack_event_decode() - split the payload of one of the kernel's events
 * @name: NUL-terminated
 * @payload: its payload
 * @len: bytes in @payload
 * @out: the fields
 *
 * Return: 0, -ENOENT if the name is not the kernel's, -EBADMSG if the payload
 * is not exactly what the encoder writes.
 */
int dstack_event_decode(const char *name, const void *payload, size_t len,
			struct dstack_event_fields *out)
{
	struct dstack_bytes in = { payload, len };
	int id = event_id(name);
	u32 i;

	if (id < 0)
		return dstack_event_name_reserved(name) ? -EBADMSG : -ENOENT;
	if (len > DSTACK_PAYLOAD_MAX ||
	    take_literal(&in, DSTACK_EVENT_VERSION))
		return -EBADMSG;
	out->id = id;
	out->nr = 0;
	for (i = 0; i < DSTACK_EVENT_KEYS && schemas[id].keys[i]; i++) {
		const char *key = schemas[id].keys[i];

		if (take_literal(&in, " ") || take_literal(&in, key) ||
		    take_literal(&in, "=") || take_value(&in, &out->value[i]))
			return -EBADMSG;
		out->key[i] = key;
		out->nr++;
	}
	return in.len ? -EBADMSG : 0;
}

/**
 * dstack_event_field() - look a value up by its key
 * @fields: from dstack_event_decode()
 * @key: the key
 *
 * Return: the value, still escaped, or NULL.
 */
const struct dstack_bytes *
dstack_event_field(const struct dstack_event_fields *fields, const char *key)
{
	u32 i;

	for (i = 0; i < fields->nr; i++)
		if (!strcmp(fields->key[i], key))
			return &fields->value[i];
	return NULL;
}

/**
 * dstack_event_unescape() - the bytes behind a value
 * @value: from dstack_event_decode(), so known to be well-formed
 * @out: where they go; a NUL is appended
 * @cap: its size
 *
 * Return: number of bytes before the NUL, or -ENOSPC.
 */
int dstack_event_unescape(const struct dstack_bytes *value, void *out,
			  size_t cap)
{
	const u8 *in = value->data;
	u8 *to = out;
	size_t i, n = 0;

	for (i = 0; i < value->len; i++) {
		u8 c = in[i];

		if (c == '%' && value->len - i >= 3) {
			c = escdigit(in[i + 1]) << 4 | escdigit(in[i + 2]);
			i += 2;
		}
		if (n + 1 >= cap)
			return -ENOSPC;
		to[n++] = c;
	}
	to[n] = '\0';
	return n;
}

/**
 * dstack_event_digest() - what the register is extended with
 * @name: the event's name
 * @name_len: bytes of it, without a NUL
 * @payload: its payload
 * @len: bytes of it
 * @out: the digest
 *
 * Return: 0 or -errno of the hash.
 */
int dstack_event_digest(const void *name, size_t name_len, const void *payload,
			size_t len, u8 out[DSTACK_REGISTER_SIZE])
{
	/* Little-endian, byte by byte: correct on every machine. */
	static const u8 type[4] = {
		DSTACK_EVENT_TYPE & 0xff, DSTACK_EVENT_TYPE >> 8 & 0xff,
		DSTACK_EVENT_TYPE >> 16 & 0xff, DSTACK_EVENT_TYPE >> 24,
	};
	const struct dstack_bytes parts[] = {
		{ type, sizeof(type) }, { ":", 1 }, { name, name_len },
		{ ":", 1 }, { payload, len },
	};

	return dstack_sha384(parts, ARRAY_SIZE(parts), out);
}

/**
 * dstack_event_fold() - do in software what an extend does to the register
 * @value: the register's value before, and after
 * @digest: what it is extended with
 *
 * Return: 0 or -errno of the hash.
 */
int dstack_event_fold(u8 value[DSTACK_REGISTER_SIZE],
		      const u8 digest[DSTACK_REGISTER_SIZE])
{
	const struct dstack_bytes parts[] = {
		{ value, DSTACK_REGISTER_SIZE },
		{ digest, DSTACK_REGISTER_SIZE },
	};

	return dstack_sha384(parts, ARRAY_SIZE(parts), value);
}
