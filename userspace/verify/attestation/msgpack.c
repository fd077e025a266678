// SPDX-License-Identifier: MIT
/*
 * MessagePack of bounded size
 *
 * Copyright The dstack for Linux authors
 *
 * msgpack-c allocates what an array's head promises before it looks whether
 * that many items follow.  So the heads are walked first: every count must be
 * within what is left, nesting and the number of values have their bounds.
 */
#include "attestation.h"

#include <errno.h>
#include <string.h>

#define DEPTH_MAX	8		/* upstream's containers nest 6 deep */
#define VALUES_MAX	1048576		/* 24 bytes each, once unpacked */

struct walk {
	const uint8_t *next;
	size_t left, values;
	const char *why;
};

static bool refuse(struct walk *w, const char *why)
{
	if (!w->why)
		w->why = why;
	return false;
}

static bool skip(struct walk *w, uint64_t len)
{
	if (len > w->left)
		return refuse(w, "cut off");
	w->next += len;
	w->left -= len;
	return true;
}

/* A big-endian length of @len bytes. */
static bool get(struct walk *w, size_t len, uint64_t *value)
{
	const uint8_t *p = w->next;

	if (!skip(w, len))
		return false;
	for (*value = 0; len--; p++)
		*value = *value << 8 | *p;
	return true;
}

static bool walk(struct walk *w, int depth);

static bool walk_items(struct walk *w, uint64_t nr, int depth)
{
	if (nr > w->left)
		return refuse(w, "more items than bytes");
	while (nr--)
		if (!walk(w, depth + 1))
			return false;
	return true;
}

/* What heads of 0xc0 to 0xdf mean: a length's size, then a payload's. */
enum what { NEVER, SCALAR, BYTES, ITEMS, PAIRS };

static const struct {
	enum what what;
	uint8_t len;		/* of the length, or of the scalar */
} heads[32] = {
	[0x00] = { SCALAR, 0 },					/* nil */
	[0x02] = { SCALAR, 0 }, { SCALAR, 0 },			/* bool */
	[0x04] = { BYTES, 1 }, { BYTES, 2 }, { BYTES, 4 },	/* bin */
	[0x0c] = { SCALAR, 1 }, { SCALAR, 2 }, { SCALAR, 4 },	/* unsigned */
	[0x0f] = { SCALAR, 8 },
	[0x10] = { SCALAR, 1 }, { SCALAR, 2 }, { SCALAR, 4 },	/* signed */
	[0x13] = { SCALAR, 8 },
	[0x19] = { BYTES, 1 }, { BYTES, 2 }, { BYTES, 4 },	/* text */
	[0x1c] = { ITEMS, 2 }, { ITEMS, 4 },
	[0x1e] = { PAIRS, 2 }, { PAIRS, 4 },
};

static bool walk_long(struct walk *w, uint8_t head, int depth)
{
	enum what what = heads[head & 31].what;
	size_t len = heads[head & 31].len;
	uint64_t nr;

	if (what == NEVER)
		return refuse(w, "a type that containers do not have");
	if (what == SCALAR)
		return skip(w, len);
	if (!get(w, len, &nr))
		return false;
	if (what == BYTES)
		return skip(w, nr);
	return walk_items(w, what == PAIRS ? 2 * nr : nr, depth);
}

static bool walk(struct walk *w, int depth)
{
	uint64_t head;

	if (depth > DEPTH_MAX)
		return refuse(w, "nested too deep");
	if (w->values++ == VALUES_MAX)
		return refuse(w, "too many values");
	if (!get(w, 1, &head))
		return false;
	if (head < 0x80 || head >= 0xe0)
		return true;
	if (head < 0x90)
		return walk_items(w, 2 * (head & 15), depth);
	if (head < 0xa0)
		return walk_items(w, head & 15, depth);
	if (head < 0xc0)
		return skip(w, head & 31);
	return walk_long(w, head, depth);
}

int mp_parse(const uint8_t *data, size_t len, msgpack_zone *zone,
	     msgpack_object *obj, const char **why)
{
	struct walk w = { .next = data, .left = len };

	if (!walk(&w, 0) || (w.left && !refuse(&w, "something follows"))) {
		*why = w.why;
		return -EBADMSG;
	}
	*why = "no memory";
	if (!msgpack_zone_init(zone, 4096))
		return -ENOMEM;
	if (msgpack_unpack((const char *)data, len, NULL, zone, obj) ==
	    MSGPACK_UNPACK_SUCCESS)
		return 0;
	*why = "can't be unpacked";
	msgpack_zone_destroy(zone);
	return -EBADMSG;
}

bool mp_is(const msgpack_object *obj, const char *text)
{
	return obj->type == MSGPACK_OBJECT_STR &&
		obj->via.str.size == strlen(text) &&
		!memcmp(obj->via.str.ptr, text, obj->via.str.size);
}

static int index_of(const char *const *names, const msgpack_object *key)
{
	int i;

	for (i = 0; names[i]; i++)
		if (mp_is(key, names[i] + (*names[i] == MP_OPTIONAL)))
			return i;
	return -1;
}

bool mp_fields(const msgpack_object *obj, const char *const *names,
	       const msgpack_object *out[MP_FIELDS_MAX])
{
	uint32_t i;
	int at;

	memset(out, 0, MP_FIELDS_MAX * sizeof(*out));
	if (obj->type != MSGPACK_OBJECT_MAP)
		return false;
	for (i = 0; i < obj->via.map.size; i++) {
		at = index_of(names, &obj->via.map.ptr[i].key);
		if (at < 0 || out[at])
			return false;
		out[at] = &obj->via.map.ptr[i].val;
	}
	for (at = 0; names[at]; at++) {
		bool optional = *names[at] == MP_OPTIONAL;

		if (!out[at] && !optional)
			return false;
		if (optional && out[at] && out[at]->type == MSGPACK_OBJECT_NIL)
			out[at] = NULL;
	}
	return true;
}

bool mp_text(const msgpack_object *obj, struct libdstack_span *out)
{
	if (obj->type != MSGPACK_OBJECT_STR)
		return false;
	out->data = (const uint8_t *)obj->via.str.ptr;
	out->len = obj->via.str.size;
	return true;
}

bool mp_u32(const msgpack_object *obj, uint32_t *out)
{
	if (obj->type != MSGPACK_OBJECT_POSITIVE_INTEGER ||
	    obj->via.u64 > UINT32_MAX)
		return false;
	*out = obj->via.u64;
	return true;
}

static bool bytes_of_array(struct libdstack_attestation *out,
			   const msgpack_object_array *array,
			   struct libdstack_span *bytes)
{
	uint8_t *copy = att_alloc(out, array->size);
	uint32_t i, value;

	if (!copy)
		return false;
	for (i = 0; i < array->size; i++) {
		if (!mp_u32(&array->ptr[i], &value) || value > UINT8_MAX)
			return false;
		copy[i] = value;
	}
	*bytes = (struct libdstack_span){ copy, array->size };
	return true;
}

bool mp_bytes(struct libdstack_attestation *out, const msgpack_object *obj,
	      struct libdstack_span *bytes)
{
	if (obj->type == MSGPACK_OBJECT_ARRAY)
		return bytes_of_array(out, &obj->via.array, bytes);
	if (obj->type != MSGPACK_OBJECT_BIN)
		return false;
	bytes->data = (const uint8_t *)obj->via.bin.ptr;
	bytes->len = obj->via.bin.size;
	return true;
}
