// SPDX-License-Identifier: MIT
/*
 * JSON-RPC: one call, and its result or why there is none
 *
 * Copyright The dstack for Linux authors
 */
#include "rpc.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ID	1

static int read_error(yyjson_val *error, struct chain_why *why)
{
	const char *text = yyjson_get_str(yyjson_obj_get(error, "message"));

	return chain_fail(why, -EREMOTEIO, "it refuses: %.120s",
			  text ? text : "without a reason");
}

static int read_reply(yyjson_doc *doc, yyjson_val **result,
		      yyjson_val **refusal, struct chain_why *why)
{
	yyjson_val *root = yyjson_doc_get_root(doc);
	yyjson_val *error = yyjson_obj_get(root, "error");

	if (!yyjson_equals_str(yyjson_obj_get(root, "jsonrpc"), "2.0") ||
	    yyjson_get_uint(yyjson_obj_get(root, "id")) != ID)
		return chain_fail(why, -EBADMSG,
				  "its answer is no JSON-RPC, or to another call");
	if (error && !yyjson_is_null(error)) {
		*refusal = error;
		return read_error(error, why);
	}
	*result = yyjson_obj_get(root, "result");
	return *result ? 0 :
		chain_fail(why, -EBADMSG, "its answer has no result");
}

int chain_rpc_try(const struct chain_client *client, const char *url,
		  const char *method, const char *params, yyjson_doc **doc,
		  yyjson_val **result, yyjson_val **refusal,
		  struct chain_why *why)
{
	char *text = NULL, *reply = NULL;
	size_t len = 0;
	int err;

	*doc = NULL;
	*result = NULL;
	*refusal = NULL;
	if (asprintf(&text,
		     "{\"jsonrpc\":\"2.0\",\"id\":%d,\"method\":\"%s\",\"params\":%s}",
		     ID, method, params) < 0)
		return chain_fail(why, -ENOMEM, "out of memory");
	err = chain_http_post(client, url, text, &reply, &len, why);
	free(text);
	if (err)
		return err;
	*doc = yyjson_read(reply, len, 0);
	free(reply);
	if (!*doc)
		return chain_fail(why, -EBADMSG, "its answer is no JSON");
	err = read_reply(*doc, result, refusal, why);
	if (err && !*refusal) {
		yyjson_doc_free(*doc);
		*doc = NULL;
	}
	return err;
}

int chain_rpc_ask(const struct chain_client *client, const char *url,
		  const char *method, const char *params, yyjson_doc **doc,
		  yyjson_val **result, struct chain_why *why)
{
	yyjson_val *refusal;
	int err = chain_rpc_try(client, url, method, params, doc, result,
				&refusal, why);

	if (err) {
		yyjson_doc_free(*doc);
		*doc = NULL;
	}
	return err;
}
