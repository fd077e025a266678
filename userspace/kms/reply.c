// SPDX-License-Identifier: MIT
/*
 * What a KMS answers: a message, or why not
 *
 * Copyright The dstack for Linux authors
 */
#include "room.h"

#include <errno.h>
#include <kms.pb-c.h>
#include <stdlib.h>
#include <string.h>

#define OK		200
#define REFUSED		400
#define SHOWN		300	/* bytes of a reason */

static int read_message(const struct kms_body *body,
			const ProtobufCMessageDescriptor *desc,
			struct kms_reply *reply, struct rpc_error *error)
{
	const struct rpc_method method = { .in = desc };
	const struct rpc_request text = {
		.what = "it", .body = body->data, .len = body->len,
	};

	*reply = (struct kms_reply){
		.memory = { .left = body->len + (1u << 20), .secret = true },
	};
	return rpc_json_read(&text, &method, &reply->memory, &reply->msg,
			     error);
}

void kms_reply_free(struct kms_reply *reply)
{
	ProtobufCAllocator allocator = rpc_memory_for_messages(&reply->memory);

	protobuf_c_message_free_unpacked(reply->msg, &allocator);
	reply->msg = NULL;
}

/* Its own words if it has any. */
static int refused(struct kms_call *call, const struct kms_body *body)
{
	struct rpc_error error = { 0 };
	const char *text = "";
	struct kms_reply reply;
	int err;

	if (!read_message(body, &kms__error_response__descriptor, &reply,
			  &error))
		text = ((Kms__ErrorResponse *)reply.msg)->error;
	if (body->status == REFUSED && *text)
		err = kms_fail(call, -EACCES, "refused: %.*s", SHOWN, text);
	else if (body->status / 100 == 3)
		err = kms_fail(call, -EBADMSG,
			       "it redirects (HTTP %ld), which is not followed",
			       body->status);
	else
		err = kms_fail(call, -EBADMSG, "HTTP %ld%s%.*s", body->status,
			       *text ? ": " : "", SHOWN, text);
	kms_reply_free(&reply);
	return err;
}

int kms_reply_read(struct kms_call *call,
		   const ProtobufCMessageDescriptor *desc,
		   const struct kms_body *body, struct kms_reply *reply)
{
	struct rpc_error error = { 0 };
	int err;

	if (body->status != OK)
		return refused(call, body);
	err = read_message(body, desc, reply, &error);
	if (!err)
		return 0;
	kms_reply_free(reply);
	return kms_fail(call, err == -ENOMEM ? err : -EBADMSG,
			"its answer can't be read: %s", error.text);
}

static int post(struct kms_call *call, const char *method,
		const ProtobufCMessage *request, struct kms_body *body)
{
	char *url = kms_url(call, method);
	void *text = NULL;
	size_t len = 0;
	int err;

	if (!url)
		return -EINVAL;
	err = rpc_json_write(request, &text, &len);
	if (err == -EILSEQ)
		kms_fail(call, err, "was not asked: a text is not UTF-8");
	if (!err)
		err = kms_http_post(call, url, text, len, body);
	/* A share may be in it. */
	if (text)
		explicit_bzero(text, len);
	free(text);
	free(url);
	return err;
}

int kms_ask(struct kms_call *call, const char *method, const void *request,
	    const ProtobufCMessageDescriptor *desc, size_t max,
	    struct kms_reply *reply)
{
	struct kms_body body = { .max = max };
	int err;

	*reply = (struct kms_reply){ .msg = NULL };
	err = post(call, method, request, &body);
	if (!err)
		err = kms_reply_read(call, desc, &body, reply);
	kms_body_free(&body);
	return err;
}
