// SPDX-License-Identifier: MIT
/*
 * What JSON the guest agent takes for a message, and makes of one
 *
 * Copyright The dstack for Linux authors
 */
#include "agent_rpc_fixture.h"

/*
 * Requests
 */

#define TLS_KEY(subject, names, ra_tls, before) \
	"{'subject':" subject ",'alt_names':" names ",'usage_ra_tls':" ra_tls \
	",'usage_server_auth':false,'usage_client_auth':false," \
	"'not_before':" before ",'not_after':null,'with_app_info':false}"
#define NO_TLS_KEY	TLS_KEY("''", "[]", "false", "null")

static const struct {
	const char *claim, *path, *body, *seen;
} taken[] = {
	{ "what is missing has its default", "/GetTlsKey", "{}", NO_TLS_KEY },
	{ "a text", "/GetTlsKey", "{'subject':'a b'}",
	  TLS_KEY("'a b'", "[]", "false", "null") },
	{ "texts", "/GetTlsKey", "{'alt_names':['b','','a']}",
	  TLS_KEY("''", "['b','','a']", "false", "null") },
	{ "no texts", "/GetTlsKey", "{'alt_names':[]}", NO_TLS_KEY },
	{ "true", "/GetTlsKey", "{'usage_ra_tls':true}",
	  TLS_KEY("''", "[]", "true", "null") },
	{ "false", "/GetTlsKey", "{'usage_ra_tls':false}", NO_TLS_KEY },
	{ "a number", "/GetTlsKey", "{'not_before':1}",
	  TLS_KEY("''", "[]", "false", "1") },
	{ "0 is not absent", "/GetTlsKey", "{'not_before':0}",
	  TLS_KEY("''", "[]", "false", "0") },
	{ "the largest number", "/GetTlsKey",
	  "{'not_before':18446744073709551615}",
	  TLS_KEY("''", "[]", "false", "18446744073709551615") },
	{ "what is optional may be null", "/GetTlsKey", "{'not_before':null}",
	  NO_TLS_KEY },
	{ "unknown fields are ignored, twice as well", "/GetTlsKey",
	  "{'not_there':{'a':[1]},'not_there':7,'Subject':1}", NO_TLS_KEY },
	{ "blanks", "/GetQuote", " {\n'report_data' :\t'00' }\r\n",
	  "{'report_data':'00'}" },
	{ "bytes", "/GetQuote", "{'report_data':'0012ff'}",
	  "{'report_data':'0012ff'}" },
	{ "bytes with 0x", "/GetQuote", "{'report_data':'0x0012ff'}",
	  "{'report_data':'0012ff'}" },
	{ "bytes in capitals", "/GetQuote", "{'report_data':'ABcd'}",
	  "{'report_data':'abcd'}" },
	{ "no bytes", "/GetQuote", "{'report_data':''}",
	  "{'report_data':''}" },
	{ "no bytes with 0x", "/GetQuote", "{'report_data':'0x'}",
	  "{'report_data':''}" },
	{ "escapes", "/GetKey", "{'path':'\\u0041\\u00e9\\ud83d\\ude00'}",
	  "{'path':'A\\u00E9\\uD83D\\uDE00','purpose':'','algorithm':''}" },
	{ "UTF-8", "/GetKey", "{'path':'\xc3\xa9'}",
	  "{'path':'\\u00E9','purpose':'','algorithm':''}" },
	{ "a text that may have a NUL", "/v1/GetKey",
	  "{'domain':'k\\u0000\\u00e9y','algorithm':'0x'}",
	  "{'domain':'6b00c3a979','algorithm':'0x'}" },
	{ "such a text that looks like hex", "/v1/GetKey",
	  "{'domain':'0x00'}", "{'domain':'30783030','algorithm':''}" },
	{ "such a text that is empty", "/v1/GetKey", "{'domain':''}",
	  "{'domain':'','algorithm':''}" },
	{ "messages in messages", "/v1/Attested",
	  "{'boottime_gpu_evidence':[{'vendor':'a'},{'evidence':'01'}]}",
	  "{'attestation':'','boottime_gpu_evidence':["
	  "{'vendor':'a','format':'','evidence':''},"
	  "{'vendor':'','format':'','evidence':'01'}]}" },
	{ "who has no fields reads nothing", "/Info", "]", "null" },
	{ "no body is a message", "/GetQuote", "", "{'report_data':''}" },
};

static void what_is_taken(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(taken) / sizeof(*taken); i++) {
		post(taken[i].path, taken[i].body);
		if (reply.status != 200 || strcmp(seen, taken[i].seen) != 0)
			fail_msg("%s: %d: '%s' %.*s", taken[i].claim,
				 reply.status, seen, (int)reply.len,
				 (char *)reply.body);
	}
}

static const struct {
	const char *path, *body, *why;
} refused[] = {
	{ "/GetQuote", "{", "the request is not JSON: " },
	{ "/GetQuote", "{}x", "the request is not JSON: " },
	{ "/GetQuote", "{'report_data':'00',}", "the request is not JSON: " },
	{ "/GetQuote", "\xff", "the request is not JSON: " },
	{ "/GetKey", "{'path':'\xff'}", "the request is not JSON: " },
	{ "/GetKey", "{'path':'\\ud800'}", "the request is not JSON: " },
	{ "/GetQuote", "[]", "the request is not a JSON object" },
	{ "/GetQuote", "null", "the request is not a JSON object" },
	{ "/GetQuote", "'00'", "the request is not a JSON object" },
	{ "/GetQuote", "{'report_data':7}", "report_data: a string is" },
	{ "/GetQuote", "{'report_data':null}", "report_data: a string is" },
	{ "/GetQuote", "{'report_data':[0]}", "report_data: a string is" },
	{ "/GetQuote", "{'report_data':'0'}", "report_data: not bytes in hex" },
	{ "/GetQuote", "{'report_data':'0x0'}",
	  "report_data: not bytes in hex" },
	{ "/GetQuote", "{'report_data':'0x0x00'}",
	  "report_data: not bytes in hex" },
	{ "/GetQuote", "{'report_data':'0g'}",
	  "report_data: not bytes in hex" },
	{ "/GetQuote", "{'report_data':' 00'}",
	  "report_data: not bytes in hex" },
	{ "/GetQuote", "{'report_data':'00','report_data':'00'}",
	  "report_data: given twice" },
	{ "/GetKey", "{'path':1}", "path: a string is wanted" },
	{ "/GetKey", "{'path':null}", "path: a string is wanted" },
	{ "/GetKey", "{'path':'a\\u0000b'}", "path: a text can't have a NUL" },
	{ "/GetTlsKey", "{'alt_names':'a'}", "alt_names: an array is wanted" },
	{ "/GetTlsKey", "{'alt_names':null}", "alt_names: an array is wanted" },
	{ "/GetTlsKey", "{'alt_names':['a',1]}",
	  "alt_names: a string is wanted" },
	{ "/GetTlsKey", "{'usage_ra_tls':1}",
	  "usage_ra_tls: true or false is" },
	{ "/GetTlsKey", "{'usage_ra_tls':'true'}",
	  "usage_ra_tls: true or false is" },
	{ "/GetTlsKey", "{'not_before':-1}",
	  "not_before: a whole number from 0 on is" },
	{ "/GetTlsKey", "{'not_before':1.0}",
	  "not_before: a whole number from 0 on is" },
	{ "/GetTlsKey", "{'not_before':18446744073709551616}",
	  "not_before: a whole number from 0 on is" },
	{ "/GetTlsKey", "{'not_before':'1'}",
	  "not_before: a whole number from 0 on is" },
	{ "/v1/Attested", "{'boottime_gpu_evidence':[1]}",
	  "boottime_gpu_evidence: an object is wanted" },
	{ "/v1/Attested", "{'boottime_gpu_evidence':[{'vendor':1}]}",
	  "vendor: a string is wanted" },
};

static void what_is_refused(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(refused) / sizeof(*refused); i++) {
		post(refused[i].path, refused[i].body);
		assert_int_equal(calls, 0);
		if (reply.status != 400 ||
		    !memmem(reply.body, reply.len, refused[i].why,
			    strlen(refused[i].why)))
			fail_msg("%s: %.*s", refused[i].body, (int)reply.len,
				 (char *)reply.body);
	}
}

/* "head", @nr times @each, "tail". */
static void post_many(const char *path, const char *head, const char *each,
		      size_t nr, const char *tail)
{
	size_t head_len = strlen(head), len = strlen(each), i;
	char *body = malloc(head_len + nr * len + strlen(tail) + 1);

	assert_non_null(body);
	strcpy(body, head);
	for (i = 0; i < nr; i++)
		memcpy(body + head_len + i * len, each, len);
	strcpy(body + head_len + nr * len, tail);
	post(path, body);
	free(body);
}

static void as_many_values_as_documented_and_no_more(void **state)
{
	(void)state;
	post_many("/GetTlsKey", "{'alt_names':[", "'',", RPC_ITEMS_MAX - 1,
		  "'']}");
	assert_int_equal(reply.status, 200);
	post_many("/GetTlsKey", "{'alt_names':[", "'',", RPC_ITEMS_MAX,
		  "'']}");
	assert_json_error(400, "alt_names: more than 1024 values");
}

static void memory_for_values_is_bounded_by_the_bodys_size(void **state)
{
	(void)state;
	post_many("/GetTlsKey", "{'x':[", "[],", 3 << 20, "[]]}");
	assert_json_error(400, "the request has too many values");
}

static void depth_is_bounded_by_the_same(void **state)
{
	(void)state;
	post_many("/GetTlsKey", "{'x':", "[", 1 << 20, "");
	assert_int_equal(reply.status, 400);
	post_many("/GetTlsKey", "{'x':", "[", RPC_BODY_MAX - 5, "");
	assert_json_error(400, "the request has too many values");
}

static void the_largest_value_fits(void **state)
{
	(void)state;
	post_many("/GetQuote", "{'report_data':'", "00", (5 << 20) - 10, "'}");
	assert_int_equal(reply.status, 200);
}

/*
 * Responses
 */

static int answer_key(ProtobufCMessage *out, struct rpc_error *error)
{
	Guest__V0__GetKeyResponse *key = (Guest__V0__GetKeyResponse *)out;

	(void)error;
	assert_int_equal(rpc_put_bytes(&key->key, "\x01\xab\xff", 3), 0);
	assert_int_equal(rpc_add_bytes(&key->n_signature_chain,
				       &key->signature_chain, "\0", 1), 0);
	assert_int_equal(rpc_add_bytes(&key->n_signature_chain,
				       &key->signature_chain, NULL, 0), 0);
	return 0;
}

static void bytes_are_hex_in_lower_case(void **state)
{
	(void)state;
	answer = answer_key;
	post("/GetKey", "{}");
	assert_json("{'key':'01abff','signature_chain':['00','']}");
}

static void all_fields_are_there(void **state)
{
	(void)state;
	post("/GetTlsKey", "{}");
	assert_json("{'key':'','certificate_chain':[]}");
	post("/Info", "{}");
	assert_json("{'app_id':'','instance_id':'','app_cert':'',"
		    "'tcb_info':'','app_name':'','device_id':'',"
		    "'mr_aggregated':'','os_image_hash':'',"
		    "'key_provider_info':'','compose_hash':'','vm_config':'',"
		    "'cloud_vendor':'','cloud_product':''}");
}

static void nothing_is_null(void **state)
{
	(void)state;
	post("/EmitEvent", "{'event':'a','payload':'00'}");
	assert_json("null");
}

static int answer_chain(ProtobufCMessage *out, struct rpc_error *error)
{
	Guest__V0__GetTlsKeyResponse *key = (Guest__V0__GetTlsKeyResponse *)out;

	(void)error;
	assert_int_equal(rpc_put_text(&key->key, "first"), 0);
	/* In its place. */
	assert_int_equal(rpc_put_text(&key->key, "a\n'\\\x7f\xc3\xa9"
				      "\xf0\x9f\x98\x80"), 0);
	assert_int_equal(rpc_add_text(&key->n_certificate_chain,
				      &key->certificate_chain, "1"), 0);
	assert_int_equal(rpc_add_text(&key->n_certificate_chain,
				      &key->certificate_chain, "2"), 0);
	return 0;
}

static void text_is_ascii(void **state)
{
	size_t i;

	(void)state;
	answer = answer_chain;
	post("/GetTlsKey", "{}");
	assert_json("{'key':'a\\n'\\\\\x7f\\u00E9\\uD83D\\uDE00',"
		    "'certificate_chain':['1','2']}");
	for (i = 0; i < reply.len; i++)
		assert_true(((uint8_t *)reply.body)[i] < 0x80);
}

static int answer_latin1(ProtobufCMessage *out, struct rpc_error *error)
{
	Guest__V0__GetTlsKeyResponse *key = (Guest__V0__GetTlsKeyResponse *)out;

	(void)error;
	return rpc_put_text(&key->key, "\xe9");
}

static void text_that_is_not_utf8_is_an_error(void **state)
{
	(void)state;
	answer = answer_latin1;
	post("/GetTlsKey", "{}");
	assert_json_error(400, "the response has a text that is not UTF-8");
}

#define LONG	100000

static size_t cut;		/* where a character of several bytes is */

/* Characters of one byte, with some of more among them. */
static int answer_long(ProtobufCMessage *out, struct rpc_error *error)
{
	Guest__V0__GetTlsKeyResponse *key = (Guest__V0__GetTlsKeyResponse *)out;
	char *text = malloc(LONG + 1);

	(void)error;
	assert_non_null(text);
	memset(text, 'a', LONG);
	memcpy(text + cut, "\xf0\x9f\x98\x80\xc3\xa9\"", 7);
	memcpy(text + LONG - 2, "\xc3\xa9", 3);
	key->key = text;
	return 0;
}

static void long_text_is_like_a_short_one(void **state)
{
	static const char chars[] = "\\uD83D\\uDE00\\u00E9\\\"";
	static const char last[] = "a\\u00E9\",\"certificate_chain\":[]}";
	const char *at;
	size_t i;

	(void)state;
	answer = answer_long;
	/* Wherever the writer has one piece of it end. */
	for (cut = 16384 - 8; cut < 16384 + 4; cut++) {
		post("/GetTlsKey", "{}");
		assert_int_equal(reply.status, 200);
		at = (const char *)reply.body + strlen("{\"key\":\"");
		for (i = 0; i < cut; i++)
			assert_int_equal(at[i], 'a');
		assert_memory_equal(at + cut, chars, strlen(chars));
		at = (const char *)reply.body + reply.len;
		assert_memory_equal(at - strlen(last), last, strlen(last));
		forget(NULL);
		answer = answer_long;
	}
}

static int answer_long_latin1(ProtobufCMessage *out, struct rpc_error *error)
{
	int err = answer_long(out, error);

	((Guest__V0__GetTlsKeyResponse *)out)->key[LONG / 2] = (char)0xe9;
	return err;
}

static void long_text_that_is_not_utf8_is_an_error(void **state)
{
	(void)state;
	cut = 0;
	answer = answer_long_latin1;
	post("/GetTlsKey", "{}");
	assert_json_error(400, "the response has a text that is not UTF-8");
}

static int answer_evidence(ProtobufCMessage *out, struct rpc_error *error)
{
	Guest__V1__AttestResponse *attest = (Guest__V1__AttestResponse *)out;
	Guest__V1__GpuEvidenceBundle **all = calloc(1, sizeof(*all));

	(void)error;
	assert_non_null(all);
	all[0] = malloc(sizeof(**all));
	assert_non_null(all[0]);
	guest__v1__gpu_evidence_bundle__init(all[0]);
	assert_int_equal(rpc_put_text(&all[0]->vendor, "nvidia"), 0);
	assert_int_equal(rpc_put_bytes(&all[0]->evidence, "{}", 2), 0);
	attest->boottime_gpu_evidence = all;
	attest->n_boottime_gpu_evidence = 1;
	return 0;
}

static void messages_are_objects(void **state)
{
	(void)state;
	answer = answer_evidence;
	post("/v1/Attest", "{}");
	assert_json("{'attestation':'','boottime_gpu_evidence':["
		    "{'vendor':'nvidia','format':'','evidence':'7b7d'}]}");
}

#define json_unit_test(name) \
	cmocka_unit_test_teardown(name, forget)

int main(void)
{
	const struct CMUnitTest tests[] = {
		json_unit_test(what_is_taken),
		json_unit_test(what_is_refused),
		json_unit_test(as_many_values_as_documented_and_no_more),
		json_unit_test(memory_for_values_is_bounded_by_the_bodys_size),
		json_unit_test(depth_is_bounded_by_the_same),
		json_unit_test(the_largest_value_fits),
		json_unit_test(bytes_are_hex_in_lower_case),
		json_unit_test(all_fields_are_there),
		json_unit_test(nothing_is_null),
		json_unit_test(text_is_ascii),
		json_unit_test(text_that_is_not_utf8_is_an_error),
		json_unit_test(long_text_is_like_a_short_one),
		json_unit_test(long_text_that_is_not_utf8_is_an_error),
		json_unit_test(messages_are_objects),
	};

	return cmocka_run_group_tests_name("agent_json", tests, NULL, NULL);
}
