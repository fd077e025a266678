// SPDX-License-Identifier: MIT
/*
 * The text of a compose file, as a JSON document
 *
 * Copyright The dstack for Linux authors
 *
 * YAML can be read in more than one way: with names that occur twice, tags,
 * words like "yes", numbers like 0777, texts that grow when they are expanded.
 * Here there is one way, or none.
 */
#include "run.h"

#include <errno.h>
#include <string.h>
#include <yaml.h>

#define TAG(kind)	"tag:yaml.org,2002:" kind
#define DIGITS_MAX	15	/* of a number that every reader can hold */

struct reader {
	yaml_document_t yaml;
	yyjson_mut_doc *doc;
	size_t nodes, bytes;
	libdstack_message_fn tell;
};

static int refuse_at(const struct reader *reader, const yaml_node_t *node,
		     const char *text)
{
	return run_refuse(reader->tell, -EBADMSG, "line %zu: %s",
			  node->start_mark.line + 1, text);
}

static int count(struct reader *reader, const yaml_node_t *node, size_t len)
{
	reader->bytes += len;
	if (++reader->nodes <= RUN_NODES_MAX &&
	    reader->bytes <= RUN_DOCUMENT_MAX)
		return 0;
	return refuse_at(reader, node, "too much in one file: 20,000 values and 4 MiB is all it may have, with what its aliases stand for");
}

/* In the one form that no reader takes for another number, or a text. */
static bool is_number(const char *text)
{
	const char *digits = text + (*text == '-');
	size_t len = strlen(digits);

	if (!len || len > DIGITS_MAX || strspn(digits, "0123456789") != len)
		return false;
	return *digits != '0' || (len == 1 && digits == text);
}

static yyjson_mut_val *plain(yyjson_mut_doc *doc, const char *text, size_t len)
{
	static const char *const null[] = { "", "~", "null", "Null", "NULL",
					    NULL };
	static const char *const yes[] = { "true", "True", "TRUE", NULL };
	static const char *const no[] = { "false", "False", "FALSE", NULL };

	if (run_is_one_of(text, null))
		return yyjson_mut_null(doc);
	if (run_is_one_of(text, yes) || run_is_one_of(text, no))
		return yyjson_mut_bool(doc, run_is_one_of(text, yes));
	if (is_number(text))
		return yyjson_mut_sint(doc, strtoll(text, NULL, 10));
	return yyjson_mut_strncpy(doc, text, len);
}

static int read_scalar(struct reader *reader, const yaml_node_t *node,
		       yyjson_mut_val **out)
{
	const char *text = (const char *)node->data.scalar.value;
	size_t len = node->data.scalar.length;
	int err = count(reader, node, len);

	if (err)
		return err;
	if (memchr(text, 0, len))
		return refuse_at(reader, node, "a text with a zero byte in it");
	*out = node->data.scalar.style == YAML_PLAIN_SCALAR_STYLE ?
		plain(reader->doc, text, len) :
		yyjson_mut_strncpy(reader->doc, text, len);
	return *out ? 0 : -ENOMEM;
}

static int read_node(struct reader *reader, int id, unsigned int depth,
		     yyjson_mut_val **out);

static int read_sequence(struct reader *reader, const yaml_node_t *node,
			 unsigned int depth, yyjson_mut_val **out)
{
	yaml_node_item_t *item = node->data.sequence.items.start;
	yyjson_mut_val *value = NULL;
	int err;

	*out = yyjson_mut_arr(reader->doc);
	for (; item < node->data.sequence.items.top; item++) {
		err = read_node(reader, *item, depth + 1, &value);
		if (err)
			return err;
		if (!yyjson_mut_arr_append(*out, value))
			return -ENOMEM;
	}
	return *out ? 0 : -ENOMEM;
}

static bool is_merge(const yaml_node_t *key)
{
	return key->type == YAML_SCALAR_NODE &&
		key->data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
		!strcmp((const char *)key->data.scalar.value, "<<");
}

/* A key's text: a number is one, too, as it stands there. */
static int read_key(struct reader *reader, const yaml_node_t *node,
		    yyjson_mut_val **out)
{
	const char *text;
	size_t len;
	int err;

	if (!node || node->type != YAML_SCALAR_NODE)
		return run_refuse(reader->tell, -EBADMSG, "a key that is no text");
	text = (const char *)node->data.scalar.value;
	len = node->data.scalar.length;
	err = count(reader, node, len);
	if (err)
		return err;
	if (!len || memchr(text, 0, len))
		return refuse_at(reader, node, "a key without a name");
	*out = yyjson_mut_strncpy(reader->doc, text, len);
	return *out ? 0 : -ENOMEM;
}

static int add_pair(struct reader *reader, const yaml_node_pair_t *pair,
		    unsigned int depth, yyjson_mut_val *object)
{
	yaml_node_t *node = yaml_document_get_node(&reader->yaml, pair->key);
	yyjson_mut_val *key = NULL, *value = NULL;
	int err;

	err = read_key(reader, node, &key);
	if (err)
		return err;
	if (yyjson_mut_obj_get(object, yyjson_mut_get_str(key)))
		return refuse_at(reader, node, "this key is there twice");
	if (yyjson_mut_obj_size(object) >= RUN_KEYS_MAX)
		return refuse_at(reader, node, "more than 1,024 keys in one mapping");
	err = read_node(reader, pair->value, depth + 1, &value);
	if (err)
		return err;
	return yyjson_mut_obj_add(object, key, value) ? 0 : -ENOMEM;
}

/* What the mapping does not say itself. */
static int merge_one(struct reader *reader, int id, unsigned int depth,
		     yyjson_mut_val *object)
{
	yaml_node_t *node = yaml_document_get_node(&reader->yaml, id);
	yyjson_mut_val *other = NULL, *key, *value;
	yyjson_mut_obj_iter iter;
	int err;

	if (!node || node->type != YAML_MAPPING_NODE)
		return run_refuse(reader->tell, -EBADMSG, "\"<<\" takes mappings only");
	err = read_node(reader, id, depth + 1, &other);
	if (err)
		return err;
	iter = yyjson_mut_obj_iter_with(other);
	while ((key = yyjson_mut_obj_iter_next(&iter))) {
		if (yyjson_mut_obj_get(object, yyjson_mut_get_str(key)))
			continue;
		value = yyjson_mut_obj_iter_remove(&iter);
		if (yyjson_mut_obj_size(object) >= RUN_KEYS_MAX)
			return refuse_at(reader, node, "more than 1,024 keys in one mapping");
		if (!yyjson_mut_obj_add(object, key, value))
			return -ENOMEM;
	}
	return 0;
}

static int merge(struct reader *reader, int id, unsigned int depth,
		 yyjson_mut_val *object)
{
	yaml_node_t *node = yaml_document_get_node(&reader->yaml, id);
	yaml_node_item_t *item;
	int err = 0;

	if (!node || node->type != YAML_SEQUENCE_NODE)
		return merge_one(reader, id, depth, object);
	for (item = node->data.sequence.items.start;
	     !err && item < node->data.sequence.items.top; item++)
		err = merge_one(reader, *item, depth, object);
	return err;
}

static int read_mapping(struct reader *reader, const yaml_node_t *node,
			unsigned int depth, yyjson_mut_val **out)
{
	yaml_node_pair_t *pair = node->data.mapping.pairs.start;
	int err, merged = 0;

	*out = yyjson_mut_obj(reader->doc);
	if (!*out)
		return -ENOMEM;
	for (; pair < node->data.mapping.pairs.top; pair++) {
		yaml_node_t *key = yaml_document_get_node(&reader->yaml,
							  pair->key);

		if (key && is_merge(key)) {
			if (merged)
				return refuse_at(reader, key, "\"<<\" is there twice");
			merged = pair->value;
			continue;
		}
		err = add_pair(reader, pair, depth, *out);
		if (err)
			return err;
	}
	return merged ? merge(reader, merged, depth, *out) : 0;
}

/* An alias can lead to what it is in: depth ends that, as everything. */
static int read_node(struct reader *reader, int id, unsigned int depth,
		     yyjson_mut_val **out)
{
	static const char *const tags[] = {
		[YAML_SCALAR_NODE] = TAG("str"),
		[YAML_SEQUENCE_NODE] = TAG("seq"),
		[YAML_MAPPING_NODE] = TAG("map"),
	};
	yaml_node_t *node = yaml_document_get_node(&reader->yaml, id);
	int err;

	if (!node || node->type == YAML_NO_NODE)
		return run_refuse(reader->tell, -EBADMSG, "no value where one should be");
	if (depth > RUN_DEPTH_MAX)
		return refuse_at(reader, node, "more than 32 levels deep, or an alias of what it is in");
	if (node->tag && strcmp((const char *)node->tag, tags[node->type]))
		return refuse_at(reader, node, "tags (\"!...\") are not taken: leave it out");
	if (node->type == YAML_SCALAR_NODE)
		return read_scalar(reader, node, out);
	err = count(reader, node, 0);
	if (err)
		return err;
	return node->type == YAML_SEQUENCE_NODE ?
		read_sequence(reader, node, depth, out) :
		read_mapping(reader, node, depth, out);
}

static int read_root(struct reader *reader)
{
	yaml_node_t *node = yaml_document_get_root_node(&reader->yaml);
	yyjson_mut_val *root = NULL;
	int err;

	if (!node || node->type != YAML_MAPPING_NODE)
		return run_refuse(reader->tell, -EBADMSG, "not a compose file: want a mapping with \"services\"");
	err = read_node(reader, 1, 0, &root);
	if (!err)
		yyjson_mut_doc_set_root(reader->doc, root);
	return err;
}

static int refuse_syntax(const struct reader *reader,
			 const yaml_parser_t *parser)
{
	if (parser->error == YAML_MEMORY_ERROR)
		return -ENOMEM;
	return run_refuse(reader->tell, -EBADMSG, "line %zu: %s",
			  parser->problem_mark.line + 1,
			  parser->problem ? parser->problem : "no YAML");
}

/* One document: what follows would be read by others, or not. */
static int check_end(const struct reader *reader, yaml_parser_t *parser)
{
	yaml_document_t next;
	int err = 0;

	if (!yaml_parser_load(parser, &next))
		return refuse_syntax(reader, parser);
	if (yaml_document_get_root_node(&next))
		err = run_refuse(reader->tell, -EBADMSG, "more than one document (\"---\") in the file");
	yaml_document_delete(&next);
	return err;
}

static int load(struct reader *reader, yaml_parser_t *parser)
{
	int err;

	if (!yaml_parser_load(parser, &reader->yaml))
		return refuse_syntax(reader, parser);
	err = read_root(reader) ?: check_end(reader, parser);
	yaml_document_delete(&reader->yaml);
	return err;
}

int run_yaml_parse(const char *text, size_t len, yyjson_mut_doc **out,
		   libdstack_message_fn tell)
{
	struct reader reader = { .tell = tell };
	yaml_parser_t parser;
	int err;

	*out = NULL;
	if (len > RUN_COMPOSE_MAX)
		return run_refuse(tell, -EFBIG, "larger than 1 MiB");
	reader.doc = yyjson_mut_doc_new(NULL);
	if (!reader.doc)
		return -ENOMEM;
	if (!yaml_parser_initialize(&parser)) {
		yyjson_mut_doc_free(reader.doc);
		return -ENOMEM;
	}
	yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&parser, (const unsigned char *)text, len);
	err = load(&reader, &parser);
	yaml_parser_delete(&parser);
	if (err)
		yyjson_mut_doc_free(reader.doc);
	else
		*out = reader.doc;
	return err;
}
