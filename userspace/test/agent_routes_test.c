// SPDX-License-Identifier: MIT
/*
 * The guest agent's APIs are what their clients were built for
 *
 * Copyright The dstack for Linux authors
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "../agent/routes.h"

static const char *type_of(const ProtobufCFieldDescriptor *field)
{
	switch (field->type) {
	case PROTOBUF_C_TYPE_STRING:
		return "string";
	case PROTOBUF_C_TYPE_BYTES:
		return "bytes";
	case PROTOBUF_C_TYPE_BOOL:
		return "bool";
	case PROTOBUF_C_TYPE_UINT64:
		return "uint64";
	case PROTOBUF_C_TYPE_MESSAGE:
		return "message";
	default:
		fail_msg("%s has a type that the codecs don't have",
			 field->name);
		return "";
	}
}

/* "app_id=1:bytes signature_chain=2:bytes*", in the order of numbers. */
static void describe(FILE *out, const ProtobufCMessageDescriptor *desc,
		     unsigned int depth)
{
	const ProtobufCFieldDescriptor *field;
	unsigned int i;

	/* The codecs walk into messages without counting. */
	assert_true(depth < 3);
	for (i = 0; i < desc->n_fields; i++) {
		field = &desc->fields[i];
		fprintf(out, " %s=%u:%s%s%s", field->name, field->id,
			type_of(field),
			field->label == PROTOBUF_C_LABEL_REPEATED ? "*" : "",
			field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF ? "?" : "");
		if (field->type != PROTOBUF_C_TYPE_MESSAGE)
			continue;
		fprintf(out, "{");
		describe(out, field->descriptor, depth + 1);
		fprintf(out, " }");
	}
}

static void assert_method(const struct rpc_method *method, const char *wanted)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	assert_non_null(out);
	fprintf(out, "%s(", method->name);
	describe(out, method->in, 0);
	fprintf(out, " ) ->");
	describe(out, method->out, 0);
	fclose(out);
	assert_string_equal(text, wanted);
	free(text);
}

static void assert_api(const struct rpc_method *methods,
		       const char *const wanted[])
{
	for (; methods->name; methods++)
		assert_method(methods, *wanted++);
	assert_null(*wanted);
}

static const struct rpc_method *at(const struct rpc_mount *mount,
				   const char *prefix)
{
	for (; mount->prefix; mount++)
		if (!strcmp(mount->prefix, prefix))
			return mount->methods;
	fail_msg("nothing is at %s", prefix);
	return NULL;
}

#define APP_INFO \
	" app_id=1:bytes instance_id=2:bytes app_cert=3:string" \
	" tcb_info=4:string app_name=5:string device_id=8:bytes" \
	" mr_aggregated=9:bytes os_image_hash=10:bytes" \
	" key_provider_info=12:string compose_hash=13:bytes" \
	" vm_config=14:string cloud_vendor=15:string cloud_product=16:string"
#define VERSION	"Version( ) -> version=1:string rev=2:string"
#define CERTIFICATE \
	" subject=1:string alt_names=2:string* usage_ra_tls=3:bool" \
	" usage_server_auth=4:bool usage_client_auth=5:bool" \
	" not_before=6:uint64? not_after=7:uint64? with_app_info=8:bool" \
	" ) -> key=1:string certificate_chain=2:string*"
#define QUOTE \
	" quote=1:bytes event_log=2:string hash_algorithm=3:string" \
	" prefix=4:string"
#define EVIDENCE \
	":message*{ vendor=1:string format=2:string evidence=3:bytes }"

static void other_machines_are_told_facts_alone(void **state)
{
	static const char *const v0[] = {
		"Info( ) ->" APP_INFO, VERSION,
		"GetAttestationForAppKey( algorithm=1:string ) -> quote=1:bytes"
		" event_log=2:string report_data=3:bytes vm_config=4:string",
		NULL
	};
	const struct rpc_method *v1;
	size_t nr = 0;

	(void)state;
	assert_api(at(agent_worker_routes, "/prpc/"), v0);
	assert_api(at(agent_worker_routes, "/prpc/v0/"), v0);
	for (v1 = at(agent_worker_routes, "/prpc/v1/"); v1->name; v1++)
		nr++;
	assert_int_equal(nr, 3);
	assert_method(v1 - 1, "Health( ) -> healthy=1:bool unhealthy=2"
		      ":message*{ name=1:string status=2:string }"
		      " error=3:string");
}

static void first_api_is_frozen(void **state)
{
	static const char *const api[] = {
		"GetTlsKey(" CERTIFICATE,
		"GetKey( path=1:string purpose=2:string algorithm=3:string )"
		" -> key=1:bytes signature_chain=2:bytes*",
		"GetQuote( report_data=1:bytes ) -> quote=1:bytes"
		" event_log=2:string report_data=3:bytes vm_config=4:string",
		"Attest( report_data=1:bytes ) -> attestation=1:bytes",
		"EmitEvent( event=1:string payload=2:bytes ) ->",
		"Info( ) ->" APP_INFO,
		"Sign( algorithm=1:string data=2:bytes ) -> signature=1:bytes"
		" signature_chain=2:bytes* public_key=3:bytes",
		"Verify( algorithm=1:string data=2:bytes signature=3:bytes"
		" public_key=4:bytes ) -> valid=1:bool",
		VERSION, NULL
	};

	(void)state;
	assert_api(at(agent_routes, "/v0/"), api);
	assert_ptr_equal(at(agent_routes, "/"), at(agent_routes, "/v0/"));
}

/* Where it says "domain", clients have a string. */
static void todays_api_is_what_it_is(void **state)
{
	static const char *const api[] = {
		"IssueCert(" CERTIFICATE,
		"GetKey( domain=1:bytes algorithm=2:string ) -> key=1:bytes"
		" public_key=2:bytes signature_chain=3:bytes*",
		"Attest( report_data=1:bytes"
		" include_boottime_gpu_evidence=2:bool ) -> attestation=1:bytes"
		" boottime_gpu_evidence=2" EVIDENCE,
		"AttestGpu( nonce=1:bytes ) -> bundles=1" EVIDENCE,
		"Info( ) -> app_id=1:bytes app_name=2:string"
		" compose_hash=3:bytes app_compose=4:string instance_id=5:bytes"
		" device_id=6:bytes os_image_hash=7:bytes mr_aggregated=8:bytes"
		" vm_config=9:string key_provider_info=10:string"
		" cloud_vendor=11:string cloud_product=12:string",
		"BatchQuote( report_data=1:bytes ) -> quote=1:bytes"
		" event_log=2:string report_data=3:bytes vm_config=4:string"
		" batch=5:message{ index=1:uint64 count=2:uint64 path=3:bytes*"
		" container=4:string salt=5:bytes report_data=6:bytes"
		" program=7:string policy_epoch=8:uint64 }",
		VERSION, NULL
	};

	(void)state;
	assert_api(at(agent_routes, "/v1/"), api);
	assert_string_equal(at(agent_routes, "/v1/")[1].text, "domain");
}

static void oldest_api_is_frozen(void **state)
{
	static const char *const api[] = {
		"DeriveKey( path=1:string subject=2:string alt_names=3:string*"
		" usage_ra_tls=4:bool usage_server_auth=5:bool"
		" usage_client_auth=6:bool random_seed=7:bool )"
		" -> key=1:string certificate_chain=2:string*",
		"DeriveK256Key( path=1:string purpose=2:string"
		" algorithm=3:string )"
		" -> k256_key=1:bytes k256_signature_chain=2:bytes*",
		"TdxQuote( report_data=1:bytes hash_algorithm=2:string"
		" prefix=3:string ) ->" QUOTE,
		"RawQuote( report_data=1:bytes ) ->" QUOTE,
		"Info( ) ->" APP_INFO,
		VERSION, NULL
	};

	(void)state;
	assert_api(at(agent_tappd_routes, "/prpc/"), api);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(other_machines_are_told_facts_alone),
		cmocka_unit_test(first_api_is_frozen),
		cmocka_unit_test(todays_api_is_what_it_is),
		cmocka_unit_test(oldest_api_is_frozen),
	};

	return cmocka_run_group_tests_name("agent_routes", tests, NULL, NULL);
}
