// SPDX-License-Identifier: MIT
/*
 * Messages to JSON: every field, in ASCII
 *
 * Copyright The dstack for Linux authors
 */
#include "codec.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* Of longer texts so much at a time. */
#define PIECE	16384
/* Keys and certificates are shorter. */
#define KEEP	131072

static yyjson_mut_val *object_of(yyjson_mut_doc *doc,
				 const ProtobufCMessage *msg);

/* NULL as well if @bytes have no hex digits because there is no memory. */
static yyjson_mut_val *hex_of(yyjson_mut_doc *doc,
			      const ProtobufCBinaryData *bytes)
{
	const yyjson_alc *alc = &doc->alc;
	yyjson_mut_val *value;
	char *hex = alc->malloc(alc->ctx, 2 * bytes->len + 1);

	if (!hex)
		return NULL;
	libdstack_to_hex(bytes->data, bytes->len, hex);
	value = yyjson_mut_strncpy(doc, hex, 2 * bytes->len);
	alc->free(alc->ctx, hex);
	return value;
}

/* Of @len bytes as many as end with a character. */
static size_t whole(const char *text, size_t len)
{
	size_t i;

	for (i = len; i && len - i < 4; i--)
		if ((text[i] & 0xc0) != 0x80)
			return i;
	return len;
}

/* What is written so far of a text, with memory of its document. */
struct pieces {
	const yyjson_alc *alc;
	char *data;
	size_t used, size;
};

/* And for the quote that ends it. */
static bool make_room(struct pieces *all, size_t len)
{
	size_t size = 2 * all->size + len;
	char *grown;

	if (all->used + len < all->size)
		return true;
	grown = all->alc->realloc(all->alc->ctx, all->data, all->size, size);
	if (!grown)
		return false;
	all->data = grown;
	all->size = size;
	return true;
}

/* As it is between its quotes. */
static bool add_piece(struct pieces *all, const char *piece, size_t len)
{
	yyjson_mut_val value = { 0 };
	bool good = false;
	char *text;

	yyjson_mut_set_strn(&value, piece, len);
	text = yyjson_mut_val_write_opts(&value, YYJSON_WRITE_ESCAPE_UNICODE,
					 all->alc, &len, NULL);
	if (text)
		good = make_room(all, len);
	if (good) {
		memcpy(all->data + all->used, text + 1, len - 2);
		all->used += len - 2;
	}
	all->alc->free(all->alc->ctx, text);
	return good;
}

static bool add_pieces(struct pieces *all, const char *text, size_t len)
{
	size_t piece;

	for (; len; text += piece, len -= piece) {
		piece = len > PIECE ? whole(text, PIECE) : len;
		if (!add_piece(all, text, piece))
			return false;
	}
	return true;
}

/*
 * The last long text, and what became of it: many replies have one event log,
 * and none that is so long is a secret.
 */
static struct {
	pthread_mutex_t lock;		/* of all below */
	char *text, *json;		/* NULL: none */
	size_t len, json_len;
	bool used;			/* of late */
} last = { .lock = PTHREAD_MUTEX_INITIALIZER };

/* With the lock held. */
static void forget_last(void)
{
	free(last.text);
	free(last.json);
	last.text = NULL;
	last.json = NULL;
}

static void keep_last(const char *text, size_t len, const struct pieces *json)
{
	pthread_mutex_lock(&last.lock);
	forget_last();
	last.text = malloc(len);
	last.json = malloc(json->used);
	if (last.text && last.json) {
		memcpy(last.text, text, len);
		memcpy(last.json, json->data, json->used);
		last.len = len;
		last.json_len = json->used;
		last.used = true;
	} else {
		forget_last();
	}
	pthread_mutex_unlock(&last.lock);
}

static yyjson_mut_val *last_of(yyjson_mut_doc *doc, const char *text,
			       size_t len)
{
	yyjson_mut_val *value = NULL;

	pthread_mutex_lock(&last.lock);
	if (last.text && last.len == len && !memcmp(last.text, text, len)) {
		value = yyjson_mut_rawncpy(doc, last.json, last.json_len);
		last.used = true;
	}
	pthread_mutex_unlock(&last.lock);
	return value;
}

void rpc_json_rest(void)
{
	pthread_mutex_lock(&last.lock);
	if (!last.used)
		forget_last();
	last.used = false;
	pthread_mutex_unlock(&last.lock);
}

/*
 * For a text the writer takes six times its memory, and more to copy and wipe
 * that.  An event log can have mebibytes, of which few are escaped.
 */
static yyjson_mut_val *long_text_of(yyjson_mut_doc *doc, const char *text,
				    size_t len)
{
	struct pieces all = { .alc = &doc->alc, .size = len + len / 4 };
	yyjson_mut_val *value = last_of(doc, text, len);

	if (value)
		return value;
	all.data = all.alc->malloc(all.alc->ctx, all.size);
	if (!all.data)
		return NULL;
	all.data[all.used++] = '"';
	if (add_pieces(&all, text, len)) {
		all.data[all.used++] = '"';
		value = yyjson_mut_rawncpy(doc, all.data, all.used);
		if (len > KEEP)
			keep_last(text, len, &all);
	} else {
		/* The writer says why. */
		value = yyjson_mut_strn(doc, text, len);
	}
	all.alc->free(all.alc->ctx, all.data);
	return value;
}

static yyjson_mut_val *text_of(yyjson_mut_doc *doc, const char *text)
{
	size_t len = text ? strlen(text) : 0;

	return len > PIECE ? long_text_of(doc, text, len) :
		yyjson_mut_strn(doc, text ? text : "", len);
}

static yyjson_mut_val *value_of(yyjson_mut_doc *doc,
				const ProtobufCFieldDescriptor *field,
				const void *value)
{
	switch (field->type) {
	case PROTOBUF_C_TYPE_STRING:
		return text_of(doc, *(char * const *)value);
	case PROTOBUF_C_TYPE_BYTES:
		return hex_of(doc, value);
	case PROTOBUF_C_TYPE_BOOL:
		return yyjson_mut_bool(doc, *(protobuf_c_boolean *)value);
	case PROTOBUF_C_TYPE_UINT64:
		return yyjson_mut_uint(doc, *(uint64_t *)value);
	case PROTOBUF_C_TYPE_MESSAGE:
		return object_of(doc, *(ProtobufCMessage * const *)value);
	default:
		/* No message of ours has others. */
		return NULL;
	}
}

static yyjson_mut_val *array_of(yyjson_mut_doc *doc,
				const ProtobufCFieldDescriptor *field,
				const struct rpc_values *values)
{
	yyjson_mut_val *array = yyjson_mut_arr(doc), *value;
	size_t i;

	for (i = 0; i < values->nr; i++) {
		value = value_of(doc, field, values->at + i * values->step);
		if (!yyjson_mut_arr_append(array, value))
			return NULL;
	}
	return array;
}

static yyjson_mut_val *field_of(yyjson_mut_doc *doc,
				const ProtobufCMessage *msg,
				const ProtobufCFieldDescriptor *field)
{
	struct rpc_values values;

	rpc_field_get(msg, field, &values);
	if (field->label == PROTOBUF_C_LABEL_REPEATED)
		return array_of(doc, field, &values);
	if (!values.nr)
		return yyjson_mut_null(doc);
	return value_of(doc, field, values.at);
}

/* As deep as the types of messages are: none of ours has itself as a field. */
static yyjson_mut_val *object_of(yyjson_mut_doc *doc,
				 const ProtobufCMessage *msg)
{
	const ProtobufCMessageDescriptor *desc = msg->descriptor;
	yyjson_mut_val *object = yyjson_mut_obj(doc), *value;
	const ProtobufCFieldDescriptor *field;
	unsigned int i;

	for (i = 0; i < desc->n_fields; i++) {
		field = &desc->fields[i];
		value = field_of(doc, msg, field);
		if (!yyjson_mut_obj_add_val(doc, object, field->name, value))
			return NULL;
	}
	return object;
}

static int write_doc(yyjson_mut_doc *doc, yyjson_write_flag flags,
		     void **body, size_t *len)
{
	yyjson_write_err why = { 0 };
	char *text = yyjson_mut_write_opts(doc, flags |
					   YYJSON_WRITE_ESCAPE_UNICODE,
					   &doc->alc, len, &why);

	if (!text)
		return why.code == YYJSON_WRITE_ERROR_INVALID_STRING ?
			-EILSEQ : -ENOMEM;
	*body = malloc(*len);
	if (*body)
		memcpy(*body, text, *len);
	doc->alc.free(doc->alc.ctx, text);
	return *body ? 0 : -ENOMEM;
}

/* Keys are in it: all memory that is used on the way is wiped. */
static yyjson_mut_doc *doc_new(struct rpc_memory *memory)
{
	const yyjson_alc alc = rpc_memory_for_json(memory);

	*memory = (struct rpc_memory){ .left = SIZE_MAX / 2, .secret = true };
	return yyjson_mut_doc_new(&alc);
}

static int finish(yyjson_mut_doc *doc, yyjson_mut_val *root,
		  yyjson_write_flag flags, void **body, size_t *len)
{
	int err = -ENOMEM;

	if (root) {
		yyjson_mut_doc_set_root(doc, root);
		err = write_doc(doc, flags, body, len);
	}
	yyjson_mut_doc_free(doc);
	return err;
}

int rpc_json_write(const ProtobufCMessage *msg, void **body, size_t *len)
{
	struct rpc_memory memory;
	yyjson_mut_doc *doc = doc_new(&memory);
	yyjson_mut_val *root;

	if (!doc)
		return -ENOMEM;
	root = msg->descriptor->n_fields ? object_of(doc, msg) :
		yyjson_mut_null(doc);
	return finish(doc, root, YYJSON_WRITE_NOFLAG, body, len);
}

int rpc_json_write_error(const char *text, void **body, size_t *len)
{
	struct rpc_memory memory;
	yyjson_mut_doc *doc = doc_new(&memory);
	yyjson_mut_val *root = yyjson_mut_obj(doc);

	if (!yyjson_mut_obj_add_str(doc, root, "error", text))
		root = NULL;
	return finish(doc, root, YYJSON_WRITE_PRETTY_TWO_SPACES, body, len);
}
