// SPDX-License-Identifier: MIT
/*
 * Policies by name, and what is left of one that is revoked
 *
 * Copyright The dstack for Linux authors
 *
 * The host shares further policies, and writes whatever it likes there: what
 * counts is that a document has the digest that the contract names.
 */
#include "follow.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <yyjson.h>

#define NAME_MAX_LEN	128

void follow_document_free(struct follow_document *document)
{
	free(document->text);
	*document = (struct follow_document){ .text = NULL };
}

int follow_document_take(char *text, struct follow_document *document)
{
	struct libdstack_policy *policy;
	int err = text ? libdstack_policy_parse(text, strlen(text), &policy) :
		-ENOMEM;

	if (!err) {
		err = libdstack_policy_digest(policy, document->digest);
		libdstack_policy_free(policy);
	}
	if (err)
		free(text);
	document->text = err ? NULL : text;
	return err;
}

/* What a change makes of a document, for free(); or NULL. */
static char *change(const char *text,
		    bool (*fn)(yyjson_mut_doc *doc, yyjson_mut_val *root,
			       const void *arg), const void *arg)
{
	yyjson_doc *doc = yyjson_read(text, strlen(text), 0);
	yyjson_mut_doc *copy = doc ? yyjson_doc_mut_copy(doc, NULL) : NULL;
	yyjson_mut_val *root = yyjson_mut_doc_get_root(copy);
	char *out = NULL;

	if (root && fn(copy, root, arg))
		out = yyjson_mut_write(copy, 0, NULL);
	yyjson_mut_doc_free(copy);
	yyjson_doc_free(doc);
	return out;
}

static bool add_id(yyjson_mut_doc *doc, yyjson_mut_val *root, const void *arg)
{
	return yyjson_mut_obj_get(root, "app_id") ||
		yyjson_mut_obj_add_strcpy(doc, root, "app_id", arg);
}

int follow_document_complete(const char *text,
			     const uint8_t app_id[APP_ID_SIZE],
			     struct follow_document *document)
{
	char id[2 * APP_ID_SIZE + 1];

	libdstack_to_hex(app_id, APP_ID_SIZE, id);
	return follow_document_take(change(text, add_id, id), document);
}

static bool take_out(yyjson_mut_doc *doc, yyjson_mut_val *root,
		     const void *arg)
{
	yyjson_mut_val *containers = yyjson_mut_obj_get(root, "containers");
	yyjson_mut_val *host = yyjson_mut_obj_get(containers, DSTACK_HOST_ID);
	yyjson_mut_val *left = yyjson_mut_obj(doc);

	(void)arg;
	if (!containers || !left)
		return false;
	if (host) {
		host = yyjson_mut_val_mut_copy(doc, host);
		if (!host ||
		    !yyjson_mut_obj_add_val(doc, left, DSTACK_HOST_ID, host))
			return false;
	}
	return yyjson_mut_obj_replace(root,
				      yyjson_mut_strcpy(doc, "containers"),
				      left);
}

int follow_document_withdraw(const struct follow_document *from,
			     struct follow_document *to)
{
	return follow_document_take(change(from->text, take_out, NULL), to);
}

static int check(const struct follow_document *document,
		 const struct kms_app_state *state,
		 const uint8_t app_id[APP_ID_SIZE], const char *name)
{
	struct libdstack_policy *policy;
	int err = libdstack_policy_parse(document->text,
					 strlen(document->text), &policy);

	if (err)
		return err;
	err = -EKEYREJECTED;
	if (memcmp(document->digest, state->policy_root, DSTACK_DIGEST_SIZE))
		follow_say("'%s' is not the policy of that name: its digest is another",
			   name);
	else if (libdstack_policy_epoch(policy) != state->policy_epoch)
		follow_say("'%s' is of epoch %llu, and was announced as that of %llu",
			   name,
			   (unsigned long long)libdstack_policy_epoch(policy),
			   (unsigned long long)state->policy_epoch);
	else if (memcmp(libdstack_policy_app_id(policy), app_id, APP_ID_SIZE))
		follow_say("'%s' is of another application", name);
	else
		err = 0;
	libdstack_policy_free(policy);
	return err;
}

int follow_document_find(int dir, const struct kms_app_state *state,
			 const uint8_t app_id[APP_ID_SIZE],
			 struct follow_document *document)
{
	char root[2 * DSTACK_DIGEST_SIZE + 1], name[NAME_MAX_LEN], *text;
	size_t len;
	int err;

	libdstack_to_hex(state->policy_root, DSTACK_DIGEST_SIZE, root);
	snprintf(name, sizeof(name), "policy-%s.json", root);
	err = app_file_read(dir, name, LIBDSTACK_POLICY_FILE_MAX, &text, &len,
			    follow_tell);
	if (err)
		return err;
	/* A text with a NUL in it would end there. */
	if (strlen(text) != len) {
		follow_say("'%s' is no text", name);
		free(text);
		return -EBADMSG;
	}
	err = follow_document_take(text, document) ?:
		check(document, state, app_id, name);
	if (err)
		follow_document_free(document);
	return err;
}
