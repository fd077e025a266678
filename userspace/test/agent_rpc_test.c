// SPDX-License-Identifier: MIT
/*
 * How HTTP requests come to the guest agent's methods, and what they get
 *
 * Copyright The dstack for Linux authors
 */
#include "agent_rpc_fixture.h"

#include <error.pb-c.h>
#include <openssl/crypto.h>

#define OCTETS	"application/octet-stream"
#define TEXT	"text/plain; charset=utf-8"

static void get(const char *path, const char *query)
{
	const struct rpc_request request = {
		.method = "GET", .path = path, .query = query,
	};

	serve(&request);
}

/* With bytes that are protobuf unless something makes them JSON. */
static void post_as(const char *path, const char *query, const char *type,
		    const void *body, size_t len)
{
	const struct rpc_request request = {
		.method = "POST", .path = path, .query = query,
		.content_type = type, .body = body, .len = len,
	};

	serve(&request);
}

static void post_protobuf(const char *path, const void *body, size_t len)
{
	post_as(path, NULL, "application/octet-stream", body, len);
}

static void post_hex(const char *path, const char *hex)
{
	uint8_t body[64];
	size_t len = strlen(hex) / 2;

	assert_true(libdstack_from_hex(hex, strlen(hex), body, len));
	post_protobuf(path, body, len);
}

static void assert_protobuf_error(int status, const char *why)
{
	Rpc__ProtoError *error;

	assert_int_equal(reply.status, status);
	assert_string_equal(reply.type, OCTETS);
	error = rpc__proto_error__unpack(NULL, reply.len, reply.body);
	assert_non_null(error);
	assert_string_equal(error->message, why);
	rpc__proto_error__free_unpacked(error, NULL);
}

/*
 * Routes
 */

static void path_leads_to_the_method_of_its_generation(void **state)
{
	(void)state;
	post("/GetKey", "{}");
	assert_json("{'key':'','signature_chain':[]}");
	post("/v1/Version", "{}");
	assert_json("{'version':'','rev':''}");
	post("/prpc/GetKey", "{}");
	assert_json("{'key':'','signature_chain':[]}");
}

/* Before it is looked at: what is in a request is no way around a refusal. */
static void refused_method_does_not_see_the_request(void **state)
{
	static const char why[] = "{\n  'error': 'GetKey: not for you'\n}";

	(void)state;
	refusal = "not for you";
	post("/GetKey", "{'path': 'a'}");
	assert_reply(403, "application/json", why);
	assert_int_equal(calls, 0);
	post("/GetKey", "{");
	assert_reply(403, "application/json", why);
	post("/Nothing", "{}");
	assert_int_equal(reply.status, 404);
	post("/v1/Version", "{}");
	assert_int_equal(calls, 1);
	refusal = NULL;
	post("/GetKey", "{'path': 'a'}");
	assert_int_equal(calls, 1);
}

static void service_may_stand_before_the_name(void **state)
{
	(void)state;
	post("/prpc/Old.GetKey", "{}");
	assert_int_equal(calls, 1);
	post("/prpc/New.GetKey", "{}");
	assert_json_error(404, "Service not found: New.GetKey");
	post("/Old.GetKey", "{}");
	assert_json_error(404, "Service not found: Old.GetKey");
}

static void unknown_method_says_which_in_the_callers_codec(void **state)
{
	(void)state;
	post("/v1/GetQuote", "{}");
	assert_json_error(404, "Service not found: GetQuote");
	get("/v1/GetQuote", NULL);
	assert_json_error(404, "Service not found: GetQuote");
	post_hex("/v1/GetQuote", "");
	assert_protobuf_error(404, "Service not found: GetQuote");
	post("/getkey", "{}");
	assert_json_error(404, "Service not found: getkey");
	post("/GetKe", "{}");
	assert_json_error(404, "Service not found: GetKe");
	post("/prpc/Old.", "{}");
	assert_json_error(404, "Service not found: ");
}

static void hostile_name_is_disarmed(void **state)
{
	char path[4096] = "/";

	(void)state;
	post("/a\"\x1b\xff<", "{}");
	assert_json_error(404, "Service not found: a\\'?\?<");
	memset(path + 1, 'a', sizeof(path) - 2);
	post(path, "{}");
	assert_int_equal(reply.status, 404);
	assert_true(reply.len < LIBDSTACK_MESSAGE_MAX + 32);
}

static void elsewhere_is_a_404_that_is_no_methods(void **state)
{
	static const char *const paths[] = {
		"", "/", "GetKey", "//GetKey", "/GetKey/", "/v2/GetKey",
		"/v1/", "/v1//GetKey", "/v1/x/GetKey", "/prpc/v1/Info", "*",
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(paths) / sizeof(*paths); i++) {
		post(paths[i], "{}");
		assert_reply(404, TEXT,
			     "404: there are no methods at this path\n");
	}
}

static void only_get_and_post_call(void **state)
{
	static const char *const methods[] = {
		"", "HEAD", "PUT", "get", "GETS", "OPTIONS",
	};
	struct rpc_request request = { .path = "/GetKey" };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(methods) / sizeof(*methods); i++) {
		request.method = methods[i];
		serve(&request);
		assert_reply(405, TEXT,
			     "405: methods are called by GET or POST\n");
	}
}

static void method_without_function_is_not_offered(void **state)
{
	(void)state;
	post("/Sign", "{");
	assert_json_error(400, "Sign is not offered here");
	post_hex("/Sign", "");
	assert_protobuf_error(400, "Sign is not offered here");
}

/*
 * Codecs
 */

static const struct {
	const char *query, *type;
	bool json;
} choices[] = {
	{ NULL, NULL, false },
	{ "", "", false },
	{ NULL, "application/octet-stream", false },
	{ NULL, "application/jsonp", false },
	{ NULL, "text/json", false },
	{ NULL, "xapplication/json", false },
	{ "json=false", NULL, false },
	{ "json=0", NULL, false },
	{ "json=truex", NULL, false },
	{ "jso", NULL, false },
	{ "jsonx=1", NULL, false },
	{ "xjson", NULL, false },
	{ "x=json", NULL, false },
	{ NULL, "application/json", true },
	{ NULL, "Application/JSON", true },
	{ NULL, "application/json; charset=utf-8", true },
	{ NULL, "application/json ;charset=utf-8", true },
	{ "json", NULL, true },
	{ "json=", NULL, true },
	{ "json=1", NULL, true },
	{ "json=true", "application/octet-stream", true },
	{ "a=b&json=true&c", NULL, true },
	{ "&&json", NULL, true },
};

static void json_is_spoken_to_who_asks_for_it(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(choices) / sizeof(*choices); i++) {
		post_as("/v1/Version", choices[i].query, choices[i].type, "",
			0);
		if ((strcmp(reply.type, OCTETS) != 0) != choices[i].json)
			fail_msg("'%s' '%s'", choices[i].query,
				 choices[i].type);
		if (choices[i].json)
			assert_json("{'version':'','rev':''}");
		else
			assert_int_equal(reply.len, 0);
	}
}

static void get_speaks_json(void **state)
{
	(void)state;
	get("/v1/Version", "json=0");
	assert_json("{'version':'','rev':''}");
}

/*
 * Queries
 */

#define GET_KEY(path, purpose) \
	"{'path':'" path "','purpose':'" purpose "','algorithm':''}"
#define TLS_KEY(names, ra_tls, before) \
	"{'subject':'','alt_names':" names ",'usage_ra_tls':" ra_tls \
	",'usage_server_auth':false,'usage_client_auth':false," \
	"'not_before':" before ",'not_after':null,'with_app_info':false}"

static const struct {
	const char *path, *query, *seen;
} queries[] = {
	{ "/GetKey", NULL, GET_KEY("", "") },
	{ "/GetKey", "", GET_KEY("", "") },
	{ "/GetKey", "path=a&purpose=b", GET_KEY("a", "b") },
	{ "/GetKey", "&path=a&&x&=y&", GET_KEY("a", "") },
	{ "/GetKey", "path=a=b", GET_KEY("a=b", "") },
	{ "/GetKey", "path", GET_KEY("", "") },
	{ "/GetKey", "path=a+b%20c%2Fd%26e", GET_KEY("a b c/d&e", "") },
	{ "/GetKey", "p%61th=a", GET_KEY("a", "") },
	{ "/GetKey", "path[]=a", GET_KEY("", "") },
	{ "/GetKey", "path%00x=a", GET_KEY("", "") },
	{ "/v1/GetKey", "domain=k%00ey",
	  "{'domain':'6b006579','algorithm':''}" },
	{ "/GetQuote", "report_data=0x00Ff", "{'report_data':'00ff'}" },
	{ "/GetTlsKey", "alt_names=b&alt_names[]=a&alt_names[7]=c",
	  TLS_KEY("['b','a','c']", "false", "null") },
	{ "/GetTlsKey", "usage_ra_tls=true", TLS_KEY("[]", "true", "null") },
	{ "/GetTlsKey", "usage_ra_tls=1", TLS_KEY("[]", "true", "null") },
	{ "/GetTlsKey", "usage_ra_tls", TLS_KEY("[]", "true", "null") },
	{ "/GetTlsKey", "usage_ra_tls=0", TLS_KEY("[]", "false", "null") },
	{ "/GetTlsKey", "usage_ra_tls=false", TLS_KEY("[]", "false", "null") },
	{ "/GetTlsKey", "not_before=18446744073709551615",
	  TLS_KEY("[]", "false", "18446744073709551615") },
};

static void query_is_the_request_of_a_get(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(queries) / sizeof(*queries); i++) {
		get(queries[i].path, queries[i].query);
		if (strcmp(seen, queries[i].seen) != 0)
			fail_msg("%s: '%s' %.*s", queries[i].query, seen,
				 (int)reply.len, (char *)reply.body);
	}
}

static const struct {
	const char *path, *query, *why;
} wrong_queries[] = {
	{ "/GetKey", "path=a&path=b", "path: given twice" },
	{ "/GetKey", "path=%", "the query has a '%'" },
	{ "/GetKey", "path=%4", "the query has a '%'" },
	{ "/GetKey", "path=%4g", "the query has a '%'" },
	{ "/GetKey", "%=a", "the query has a '%'" },
	{ "/GetKey", "path=a%00b", "path: a text can't have a NUL" },
	{ "/GetKey", "path=%ff", "path: not UTF-8" },
	{ "/v1/GetKey", "domain=%ff", "domain: not UTF-8" },
	{ "/GetQuote", "report_data=0", "report_data: not bytes" },
	{ "/GetTlsKey", "usage_ra_tls=no", "usage_ra_tls: true or" },
	{ "/GetTlsKey", "not_before=18446744073709551616",
	  "not_before: a whole number" },
	{ "/GetTlsKey", "not_before=-1", "not_before: a whole number" },
	{ "/GetTlsKey", "not_before=+1", "not_before: a whole number" },
	{ "/GetTlsKey", "not_before=0x1", "not_before: a whole number" },
	{ "/GetTlsKey", "not_before=", "not_before: a whole number" },
	{ "/v1/Attested", "boottime_gpu_evidence=1",
	  "boottime_gpu_evidence: can't be given in a query" },
};

static void wrong_query_is_refused(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(wrong_queries) / sizeof(*wrong_queries); i++) {
		get(wrong_queries[i].path, wrong_queries[i].query);
		if (calls || reply.status != 400 ||
		    !memmem(reply.body, reply.len, wrong_queries[i].why,
			    strlen(wrong_queries[i].why)))
			fail_msg("%s: '%s' %.*s", wrong_queries[i].query, seen,
				 (int)reply.len, (char *)reply.body);
	}
}

static void query_of_a_post_is_not_its_request(void **state)
{
	(void)state;
	post_as("/GetKey", "json&path=a", NULL, "{\"purpose\":\"b\"}", 15);
	assert_string_equal(seen, GET_KEY("", "b"));
}

/*
 * Protobuf
 */

static void message_arrives_and_returns(void **state)
{
	Guest__V0__GetKeyRequest request = GUEST__V0__GET_KEY_REQUEST__INIT;
	uint8_t body[64];
	size_t len;

	(void)state;
	request.path = "a";
	request.purpose = "\xc3\xa9";
	len = guest__v0__get_key_request__pack(&request, body);
	post_protobuf("/GetKey", body, len);
	assert_int_equal(reply.status, 200);
	assert_string_equal(seen, GET_KEY("a", "\\u00E9"));
}

static void text_that_may_have_a_nul_has_it(void **state)
{
	(void)state;
	post_hex("/v1/GetKey", "0a046b006579");
	assert_string_equal(seen, "{'domain':'6b006579','algorithm':''}");
	post_hex("/v1/GetKey", "");
	assert_string_equal(seen, "{'domain':'','algorithm':''}");
}

static int answer_key(ProtobufCMessage *out, struct rpc_error *error)
{
	Guest__V0__GetKeyResponse *key = (Guest__V0__GetKeyResponse *)out;

	(void)error;
	assert_int_equal(rpc_put_bytes(&key->key, "secret bytes", 12), 0);
	return rpc_add_bytes(&key->n_signature_chain, &key->signature_chain,
			     "chain", 5);
}

static void response_is_protobuf(void **state)
{
	char hex[128];

	(void)state;
	answer = answer_key;
	post_protobuf("/GetKey", "", 0);
	assert_int_equal(reply.status, 200);
	assert_string_equal(reply.type, OCTETS);
	assert_true(reply.len < sizeof(hex) / 2);
	libdstack_to_hex(reply.body, reply.len, hex);
	assert_string_equal(hex, "0a0c7365637265742062797465731205636861696e");
}

static void optional_fields_of_value_0_are_there(void **state)
{
	(void)state;
	post_hex("/GetTlsKey", "3000");
	assert_string_equal(seen, TLS_KEY("[]", "false", "0"));
}

static void unknown_fields_are_ignored(void **state)
{
	(void)state;
	post_hex("/GetKey", "7a01780a0161");
	assert_string_equal(seen, GET_KEY("a", ""));
}

static void the_last_of_several_values_counts(void **state)
{
	(void)state;
	post_hex("/GetKey", "0a01610a0162");
	assert_string_equal(seen, GET_KEY("b", ""));
}

#define NOT_A(message) \
	"the request is not a protobuf message " message "; for JSON, " \
	"say 'Content-Type: application/json'"

static const struct {
	const char *path, *hex, *why;
} malformed[] = {
	{ "/GetKey", "0a", NOT_A("guest.v0.GetKeyRequest") },
	{ "/GetQuote", "0a0561", NOT_A("guest.v0.ReportDataRequest") },
	{ "/GetQuote", "0affffffff0f", NOT_A("guest.v0.ReportDataRequest") },
	{ "/GetQuote", "7b7d", NOT_A("guest.v0.ReportDataRequest") },
	{ "/GetKey", "810012060a01611a0100",
	  "guest.v0.GetKeyRequest: there is no field 0" },
	{ "/GetKey", "0a03610062", "path: a text can't have a NUL" },
	{ "/GetKey", "120100", "purpose: a text can't have a NUL" },
	{ "/GetKey", "0a01ff", "path: not UTF-8" },
	{ "/GetKey", "0a02c0af", "path: not UTF-8" },
	{ "/GetKey", "0a03eda080", "path: not UTF-8" },
	{ "/GetKey", "0a04f4908080", "path: not UTF-8" },
	{ "/GetKey", "0a0261c3", "path: not UTF-8" },
	{ "/GetTlsKey", "1201611201ff", "alt_names: not UTF-8" },
	{ "/v1/GetKey", "0a0200ff", "domain: not UTF-8" },
	{ "/v1/Attested", "12030a01ff", "vendor: not UTF-8" },
};

static void malformed_messages_are_refused(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(malformed) / sizeof(*malformed); i++) {
		post_hex(malformed[i].path, malformed[i].hex);
		assert_protobuf_error(400, malformed[i].why);
		assert_int_equal(calls, 0);
	}
}

/* @nr times an empty text in that field. */
static void post_empty_texts(char tag, size_t nr)
{
	char *body = calloc(nr, 2);
	size_t i;

	assert_non_null(body);
	for (i = 0; i < nr; i++)
		body[2 * i] = tag;
	post_protobuf("/GetTlsKey", body, 2 * nr);
	free(body);
}

static void values_are_as_many_as_in_json(void **state)
{
	(void)state;
	post_empty_texts(0x12, RPC_ITEMS_MAX);
	assert_int_equal(reply.status, 200);
	post_empty_texts(0x12, RPC_ITEMS_MAX + 1);
	assert_protobuf_error(400, "alt_names: more than 1024 values");
}

static void memory_for_values_is_bounded(void **state)
{
	(void)state;
	post_empty_texts(0x12, 1 << 20);
	assert_protobuf_error(400, "the request has too many values");
	/* Unknown. */
	post_empty_texts(0x7a, 1 << 20);
	assert_protobuf_error(400, "the request has too many values");
}

/*
 * Errors
 */

static void too_large_is_413(void **state)
{
	char *body = calloc(1, RPC_BODY_MAX + 1);
	static const char why[] =
		"the request is larger than 10485760 bytes, "
		"or its query than 65536";

	(void)state;
	assert_non_null(body);
	body[0] = 0x0a;
	memcpy(body + 1, "\xfb\xff\xff\x04", 4);
	post_protobuf("/GetQuote", body, RPC_BODY_MAX);
	assert_int_equal(reply.status, 200);
	post_protobuf("/GetQuote", body, RPC_BODY_MAX + 1);
	assert_protobuf_error(413, why);
	post_as("/GetQuote", "json", NULL, body, RPC_BODY_MAX + 1);
	assert_json_error(413, why);
	memset(body, '&', RPC_QUERY_MAX);
	body[RPC_QUERY_MAX] = '\0';
	get("/GetQuote", body);
	assert_int_equal(reply.status, 200);
	memset(body, '&', RPC_QUERY_MAX + 1);
	body[RPC_QUERY_MAX + 1] = '\0';
	get("/GetQuote", body);
	assert_json_error(413, why);
	free(body);
}

static int answer_error(ProtobufCMessage *out, struct rpc_error *error)
{
	assert_int_equal(answer_key(out, error), 0);
	return rpc_fail(error, -EINVAL, "%s: too\nlong", "Report data");
}

static void error_is_the_methods_text_and_nothing_else(void **state)
{
	(void)state;
	answer = answer_error;
	post("/GetKey", "{}");
	assert_json_error(400, "Report data: too?long");
	post_hex("/GetKey", "");
	assert_protobuf_error(400, "Report data: too?long");
}

static int answer_busy(ProtobufCMessage *out, struct rpc_error *error)
{
	(void)out;
	error->status = 429;
	return rpc_fail(error, -EBUSY, "later");
}

static void method_chooses_the_status(void **state)
{
	(void)state;
	answer = answer_busy;
	post("/GetKey", "{}");
	assert_json_error(429, "later");
}

static int answer_errno(ProtobufCMessage *out, struct rpc_error *error)
{
	(void)out;
	(void)error;
	return -EACCES;
}

static void method_that_says_nothing_has_its_errno_said(void **state)
{
	(void)state;
	answer = answer_errno;
	post("/GetKey", "{}");
	assert_json_error(400, "GetKey failed: Permission denied");
}

/*
 * Secrets.  This stands for OpenSSL's, and wipes as well.
 */

static const char *secret;
static unsigned int wiped;

void OPENSSL_cleanse(void *data, size_t len)
{
	if (secret && memmem(data, len, secret, strlen(secret)))
		wiped++;
	explicit_bzero(data, len);
}

static void what_methods_answer_is_wiped(void **state)
{
	(void)state;
	answer = answer_key;
	secret = "secret bytes";
	wiped = 0;
	post_hex("/GetKey", "");
	assert_int_equal(wiped, 1);
	rpc_reply_free(&reply);
	assert_int_equal(wiped, 2);
	secret = NULL;
}

/* The digits, their copy in the document, and the text that is written. */
static void json_on_its_way_is_wiped(void **state)
{
	(void)state;
	answer = answer_key;
	secret = "7365637265742062797465";
	wiped = 0;
	post("/GetKey", "{}");
	assert_int_equal(wiped, 3);
	rpc_reply_free(&reply);
	assert_int_equal(wiped, 4);
	secret = NULL;
}

static void errors_wipe_as_well(void **state)
{
	(void)state;
	answer = answer_error;
	secret = "secret bytes";
	wiped = 0;
	post("/GetKey", "{}");
	assert_int_equal(wiped, 1);
	secret = NULL;
}

/* Once in the message, once in what the method here makes of it. */
static void what_was_asked_for_is_wiped(void **state)
{
	(void)state;
	secret = "asked";
	wiped = 0;
	post_hex("/GetKey", "0a0561736b6564");
	assert_int_equal(wiped, 2);
	secret = NULL;
}

#define rpc_unit_test(name) \
	cmocka_unit_test_teardown(name, forget)

int main(void)
{
	const struct CMUnitTest tests[] = {
		rpc_unit_test(path_leads_to_the_method_of_its_generation),
		rpc_unit_test(refused_method_does_not_see_the_request),
		rpc_unit_test(service_may_stand_before_the_name),
		rpc_unit_test(unknown_method_says_which_in_the_callers_codec),
		rpc_unit_test(hostile_name_is_disarmed),
		rpc_unit_test(elsewhere_is_a_404_that_is_no_methods),
		rpc_unit_test(only_get_and_post_call),
		rpc_unit_test(method_without_function_is_not_offered),
		rpc_unit_test(json_is_spoken_to_who_asks_for_it),
		rpc_unit_test(get_speaks_json),
		rpc_unit_test(query_is_the_request_of_a_get),
		rpc_unit_test(wrong_query_is_refused),
		rpc_unit_test(query_of_a_post_is_not_its_request),
		rpc_unit_test(message_arrives_and_returns),
		rpc_unit_test(text_that_may_have_a_nul_has_it),
		rpc_unit_test(response_is_protobuf),
		rpc_unit_test(optional_fields_of_value_0_are_there),
		rpc_unit_test(unknown_fields_are_ignored),
		rpc_unit_test(the_last_of_several_values_counts),
		rpc_unit_test(malformed_messages_are_refused),
		rpc_unit_test(values_are_as_many_as_in_json),
		rpc_unit_test(memory_for_values_is_bounded),
		rpc_unit_test(too_large_is_413),
		rpc_unit_test(error_is_the_methods_text_and_nothing_else),
		rpc_unit_test(method_chooses_the_status),
		rpc_unit_test(method_that_says_nothing_has_its_errno_said),
		rpc_unit_test(what_methods_answer_is_wiped),
		rpc_unit_test(json_on_its_way_is_wiped),
		rpc_unit_test(errors_wipe_as_well),
		rpc_unit_test(what_was_asked_for_is_wiped),
	};

	return cmocka_run_group_tests_name("agent_rpc", tests, NULL, NULL);
}
