// SPDX-License-Identifier: MIT
/*
 * Requests to the guest agent
 *
 * Copyright The dstack for Linux authors
 *
 * A line "POST /GetKey?json=1", one with the content type, and the body.  Most
 * methods here answer what they were asked.
 */
#include "fuzz.h"

#include <guest_v0.pb-c.h>
#include <guest_v1.pb-c.h>
#include <stdlib.h>
#include <string.h>

#include "../rpc/codec.h"

/* @out becomes what @in is, by way of protobuf. */
static int echo(void *server, const void *caller,
		const ProtobufCMessage *in, ProtobufCMessage *out,
		struct rpc_error *error)
{
	size_t size = in->descriptor->sizeof_message, len;
	ProtobufCMessage *copy;
	void *packed;

	(void)server;
	(void)caller;
	(void)error;
	must(!rpc_protobuf_write(in, &packed, &len));
	copy = protobuf_c_message_unpack(in->descriptor, NULL, len, packed);
	must(copy);
	memcpy(out, copy, size);
	free(copy);
	free(packed);
	return 0;
}

static int fail(void *server, const void *caller,
		const ProtobufCMessage *in, ProtobufCMessage *out,
		struct rpc_error *error)
{
	Guest__V1__GetKeyRequest *request = (Guest__V1__GetKeyRequest *)in;

	(void)server;
	(void)caller;
	(void)out;
	return rpc_fail(error, -1, "%s", request->algorithm);
}

#define ECHO(name, message) \
	{ name, 0, &message##__descriptor, &message##__descriptor, NULL, \
	  echo }

static const struct rpc_method methods[] = {
	ECHO("GetTlsKey", guest__v0__get_tls_key_request),
	ECHO("GetKey", guest__v0__get_key_request),
	ECHO("GetQuote", guest__v0__report_data_request),
	ECHO("Info", guest__v0__empty),
	ECHO("SignResponse", guest__v0__sign_response),
	ECHO("Sign", guest__v0__sign_request),
	ECHO("Attested", guest__v1__attest_response),
	{ "Fail", 0, &guest__v1__get_key_request__descriptor,
	  &guest__v1__version_response__descriptor, "domain", fail },
	{ }
};

static const struct rpc_mount mounts[] = {
	{ "/", NULL, methods, NULL },
	{ "/prpc/", "Tappd.", methods, NULL },
	{ }
};

static void must_be_ascii(const char *text, size_t len)
{
	while (len--)
		must(!(*text++ & 0x80));
}

static void check_reply(const struct rpc_reply *reply)
{
	yyjson_doc *doc;

	must(reply->status >= 200 && reply->status < 500 && reply->type);
	if (strcmp(reply->type, "application/json") != 0)
		return;
	must_be_ascii(reply->body, reply->len);
	doc = yyjson_read(reply->body, reply->len, 0);
	must(doc);
	must((reply->status != 200) ==
	     !!yyjson_obj_get(yyjson_doc_get_root(doc), "error"));
	yyjson_doc_free(doc);
}

/* An answer is asked for, and is the same again. */
static void ask_again(const char *path, const struct rpc_reply *first)
{
	const struct rpc_request request = {
		.method = "POST", .path = path, .content_type = first->type,
		.body = first->body, .len = first->len,
	};
	struct rpc_reply reply;

	rpc_serve(mounts, NULL, NULL, &request, &reply);
	must(reply.status == 200 && reply.len == first->len &&
	     !memcmp(reply.body, first->body, reply.len));
	rpc_reply_free(&reply);
}

/* The part of *@rest before @end, which is skipped. */
static char *part(char **rest, const char *end)
{
	char *found = strsep(rest, end);

	return found ? found : "";
}

static void serve(char *head, const void *body, size_t len)
{
	char *line = part(&head, "\n");
	struct rpc_request request = {
		.method = part(&line, " "), .path = part(&line, "?"),
		.query = line, .content_type = head,
		.body = body, .len = len,
	};
	struct rpc_reply reply;

	rpc_serve(mounts, NULL, NULL, &request, &reply);
	check_reply(&reply);
	if (reply.status == 200)
		ask_again(request.path, &reply);
	rpc_reply_free(&reply);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	const uint8_t *end = data, *body = data + len;
	int lines;
	char *head;
	void *copy;

	for (lines = 0; lines < 2 && end < body; lines++) {
		end = memchr(end, '\n', body - end);
		end = end ? end + 1 : body;
	}
	head = strndup((const char *)data, end - data);
	must(head);
	if (*head && head[strlen(head) - 1] == '\n')
		head[strlen(head) - 1] = '\0';
	copy = fuzz_copy(end, body - end);
	serve(head, copy, body - end);
	free(copy);
	free(head);
	return 0;
}

#define JSON	"application/json\n"

void fuzz_seeds(void)
{
	static const char key[] =
		"POST /prpc/GetKey\n\n\x0a\x01\x61\x12\x01\x62";
	static const char tls[] =
		"POST /GetTlsKey\n\n\x12\x01\x61\x12\x01\x62\x18\x01\x30\x00";
	static const char gpu[] =
		"POST /Attested\n\n\x0a\x01\0\x12\x06\x0a\x01\x61\x1a\x01\0";
	static const char domain[] =
		"POST /Fail\n\n\x0a\x02\0\x61\x12\x01\x61";

	fuzz_seed(key, sizeof(key) - 1);
	fuzz_seed(tls, sizeof(tls) - 1);
	fuzz_seed(gpu, sizeof(gpu) - 1);
	fuzz_seed(domain, sizeof(domain) - 1);
	fuzz_seed_text("GET /GetTlsKey?subject=%41+b&alt_names[]=a&alt_names=b&usage_ra_tls=true&not_before=7\n\n");
	fuzz_seed_text("GET /GetQuote?report_data=0x00ff&json\n\n");
	fuzz_seed_text("POST /prpc/Tappd.GetKey\n" JSON "{\"path\":\"a\",\"purpose\":\"\\u00e9\",\"algorithm\":\"\"}");
	fuzz_seed_text("POST /GetTlsKey\n" JSON "{\"alt_names\":[\"a\",\"b\"],\"usage_ra_tls\":true,\"not_before\":18446744073709551615,\"not_after\":null}");
	fuzz_seed_text("POST /Attested?json=1\n\n{\"attestation\":\"00\",\"boottime_gpu_evidence\":[{\"vendor\":\"a\"},{}]}");
	fuzz_seed_text("POST /SignResponse\n" JSON "{\"signature\":\"0x00\",\"signature_chain\":[\"\",\"00\"],\"x\":[1.5,{}]}");
	fuzz_seed_text("POST /Fail\n" JSON "{\"domain\":\"\\u0000\",\"algorithm\":\"\\u0001\"}");
	fuzz_seed_text("POST /Info\n" JSON "null");
	fuzz_seed_text("POST /nothing\n" JSON);
	fuzz_seed_text("POST /a/b\n\n");
	fuzz_seed_text("PUT /Info\n\n");
}
