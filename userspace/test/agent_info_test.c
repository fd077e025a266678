// SPDX-License-Identifier: MIT
/*
 * Info: values and shape are upstream's, and a verifier takes them
 *
 * Copyright The dstack for Linux authors
 *
 * The evidence is that of a real guest, whose own TCB info is known.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "../agent/agent.h"
#include "vectors.h"

#include <guest_v0.pb-c.h>
#include <guest_v1.pb-c.h>

#define TCB	"dstack/near-mpc-tcb_info.json"
#define QUOTE	"dcap/quotes/tdx4-b0c06f-near-mpc.bin"
#define VM	"{\"cpu_count\":4,\"os_image_hash\":\"7d47512fda31dc5a7318f72ae1869a3c76323981eea21fc30cafd0f79668642c\"}"

static struct vector quote, tcb_text;
static json_t *tcb;			/* as that guest has it */
static struct attest_evidence evidence;
static struct app_compose compose;
static struct app_sys_config config;
static struct agent_app app = { .compose = &compose, .config = &config };
static struct agent agent;
static const struct http_caller caller = { .id = "c1" };
static struct rpc_error failure;

/* In the place of the device; who asked frees it. */
int agent_evidence(const struct agent *of, const struct http_caller *who,
		   const uint8_t report_data[DSTACK_REPORT_DATA_SIZE],
		   struct attest_evidence *out, struct rpc_error *error)
{
	size_t i, cap = 0;

	(void)error;
	assert_ptr_equal(of, &agent);
	assert_ptr_equal(who, &caller);
	for (i = 0; i < DSTACK_REPORT_DATA_SIZE; i++)
		assert_int_equal(report_data[i], 0);
	*out = evidence;
	out->quote.data = malloc(evidence.quote.len);
	memcpy(out->quote.data, evidence.quote.data, evidence.quote.len);
	out->log = strdup(evidence.log);
	memset(&out->boot, 0, sizeof(out->boot));
	for (i = 0; i < evidence.boot.count; i++) {
		struct libdstack_event copy = evidence.boot.events[i];
		size_t len = strlen(copy.name) + 1;
		char *both = malloc(len + copy.payload_len);

		memcpy(both, copy.name, len);
		memcpy(both + len, copy.payload, copy.payload_len);
		copy.name = both;
		copy.payload = (uint8_t *)both + len;
		assert_int_equal(dstack_log_add(&out->boot, &cap, &copy), 0);
	}
	return 0;
}

/* Events of register 3 as a text, those of others as a log. */
static void take_events(const json_t *list)
{
	struct libdstack_attestation *a;
	struct libdstack_failure why;
	json_t *runtime = json_array();
	const json_t *event;
	size_t i, cap = 0;

	json_array_foreach(list, i, event)
		if (json_integer_value(json_object_get(event, "imr")) == 3)
			json_array_append(runtime, (json_t *)event);
	evidence.log = json_dumps(runtime, JSON_COMPACT);
	json_decref(runtime);
	assert_int_equal(libdstack_tcb_info_parse(tcb_text.data, tcb_text.len,
						  quote.data, quote.len, &a,
						  &why), 0);
	for (i = 0; i < a->boot.count; i++) {
		struct libdstack_event *from = &a->boot.events[i];

		assert_int_equal(dstack_log_add(&evidence.boot, &cap, from), 0);
		/* Ours from here on. */
		from->name = NULL;
	}
	libdstack_attestation_free(a);
	memcpy(evidence.quote.report_data, quote.data + 568, 64);
}

static int load(void **state)
{
	const char *where = getenv("DSTACK_VECTORS");
	const char *text;

	(void)state;
	if (!where || access(where, R_OK))
		return 0;
	quote = vector_load(QUOTE);
	tcb_text = vector_load(TCB);
	tcb = json_loadb(tcb_text.data, tcb_text.len, 0, NULL);
	assert_non_null(tcb);
	evidence.quote.data = (uint8_t *)quote.data;
	evidence.quote.len = quote.len;
	take_events(json_object_get(tcb, "event_log"));
	text = json_string_value(json_object_get(tcb, "app_compose"));
	compose.text = strdup(text);
	compose.len = strlen(text);
	compose.name = "an application";
	return 0;
}

static int unload(void **state)
{
	(void)state;
	dstack_log_clear(&evidence.boot);
	free(evidence.log);
	free(compose.text);
	json_decref(tcb);
	free(tcb_text.data);
	free(quote.data);
	return 0;
}

static int setup(void **state)
{
	(void)state;
	agent = (struct agent){ .app = &app, .vm_config = VM };
	memset(&failure, 0, sizeof(failure));
	return 0;
}

static Guest__V0__InfoResponse *ask_v0(int wanted)
{
	Guest__V0__InfoResponse *out = malloc(sizeof(*out));

	guest__v0__info_response__init(out);
	assert_int_equal(agent_v0_info(&agent, &caller, NULL, &out->base,
				       &failure), wanted);
	return out;
}

static void done_v0(Guest__V0__InfoResponse *out)
{
	guest__v0__info_response__free_unpacked(out, NULL);
}

static void refused(int wanted, const char *word)
{
	done_v0(ask_v0(wanted));
	if (!strstr(failure.text, word))
		fail_msg("'%s' has no '%s'", failure.text, word);
}

static void assert_hex(const ProtobufCBinaryData *have, const char *name)
{
	char hex[129];

	assert_true(have->len <= 64);
	libdstack_to_hex(have->data, have->len, hex);
	assert_string_equal(hex, json_string_value(json_object_get(tcb, name)));
}

static void tcb_info_is_that_of_upstreams_guest(void **state)
{
	Guest__V0__InfoResponse *out;
	const char *name;
	json_t *ours, *value;

	(void)state;
	vectors_need();
	out = ask_v0(0);
	ours = json_loads(out->tcb_info, JSON_REJECT_DUPLICATES, NULL);
	assert_non_null(ours);
	json_object_foreach(tcb, name, value)
		if (!json_equal(json_object_get(ours, name), value))
			fail_msg("%s is another", name);
	/* What that guest did not tell yet. */
	assert_int_equal(json_object_size(ours), json_object_size(tcb) + 1);
	assert_non_null(json_object_get(ours, "mr_aggregated"));
	json_decref(ours);
	done_v0(out);
}

static void verifier_accepts_it(void **state)
{
	struct libdstack_attestation *a;
	struct libdstack_failure why;
	Guest__V0__InfoResponse *out;

	(void)state;
	vectors_need();
	out = ask_v0(0);
	assert_int_equal(libdstack_tcb_info_parse(out->tcb_info,
						  strlen(out->tcb_info),
						  quote.data, quote.len, &a,
						  &why), 0);
	assert_int_equal(a->boot.count, evidence.boot.count);
	libdstack_attestation_free(a);
	done_v0(out);
}

static void first_api_tells_who_it_is(void **state)
{
	Guest__V0__InfoResponse *out;

	(void)state;
	vectors_need();
	out = ask_v0(0);
	assert_int_equal(out->app_id.len, 20);
	assert_memory_equal(out->app_id.data, out->compose_hash.data, 20);
	assert_hex(&out->compose_hash, "compose_hash");
	assert_hex(&out->os_image_hash, "os_image_hash");
	assert_hex(&out->device_id, "device_id");
	assert_int_equal(out->mr_aggregated.len, 32);
	assert_string_equal(out->app_name, "an application");
	assert_string_equal(out->vm_config, VM);
	assert_non_null(strstr(out->key_provider_info, "\"name\":"));
	done_v0(out);
}

static void todays_api_tells_the_same(void **state)
{
	Guest__V1__InfoResponse *out;

	(void)state;
	vectors_need();
	out = malloc(sizeof(*out));
	guest__v1__info_response__init(out);
	assert_int_equal(agent_v1_info(&agent, &caller, NULL, &out->base,
				       &failure), 0);
	assert_hex(&out->compose_hash, "compose_hash");
	assert_hex(&out->os_image_hash, "os_image_hash");
	assert_hex(&out->device_id, "device_id");
	assert_string_equal(out->app_compose, compose.text);
	assert_string_equal(out->vm_config, VM);
	guest__v1__info_response__free_unpacked(out, NULL);
}

static void strangers_see_what_the_application_makes_public(void **state)
{
	Guest__V0__InfoResponse *v0 = malloc(sizeof(*v0));
	Guest__V1__InfoResponse *v1 = malloc(sizeof(*v1));

	(void)state;
	vectors_need();
	guest__v0__info_response__init(v0);
	guest__v1__info_response__init(v1);
	compose.public_tcbinfo = true;
	assert_int_equal(agent_worker_v0_info(&agent, &caller, NULL, &v0->base,
					      &failure), 0);
	assert_non_null(strstr(v0->tcb_info, "rtmr3"));
	assert_string_equal(v0->vm_config, VM);
	done_v0(v0);
	v0 = malloc(sizeof(*v0));
	guest__v0__info_response__init(v0);
	compose.public_tcbinfo = false;
	assert_int_equal(agent_worker_v0_info(&agent, &caller, NULL, &v0->base,
					      &failure), 0);
	assert_string_equal(v0->tcb_info, "");
	assert_string_equal(v0->vm_config, "");
	assert_int_equal(v0->app_id.len, 20);
	done_v0(v0);
	assert_int_equal(agent_worker_v1_info(&agent, &caller, NULL, &v1->base,
					      &failure), 0);
	assert_string_equal(v1->app_compose, "");
	assert_string_equal(v1->vm_config, "");
	assert_string_equal(v1->key_provider_info, "");
	assert_hex(&v1->compose_hash, "compose_hash");
	guest__v1__info_response__free_unpacked(v1, NULL);
}

static void without_an_application_it_says_what_is_missing(void **state)
{
	(void)state;
	agent.app = NULL;
	refused(-ENODATA, "app-compose.json and .sys-config.json are missing");
}

static void application_that_was_not_measured_is_refused(void **state)
{
	const char last = compose.len ? compose.text[compose.len - 1] : 0;

	(void)state;
	vectors_need();
	compose.text[compose.len - 1] = ' ';
	refused(-EKEYREJECTED, "app_compose is not the one");
	compose.text[compose.len - 1] = last;
}

static void image_that_was_not_measured_is_refused(void **state)
{
	static const char other[] = "{\"os_image_hash\":\"00\"}";

	(void)state;
	vectors_need();
	agent.vm_config = other;
	refused(-EBADMSG, "os_image_hash");
}

static void machine_that_was_not_booted_so_is_refused(void **state)
{
	static uint8_t none[8192];
	struct attest_evidence kept = evidence;

	(void)state;
	vectors_need();
	evidence.quote.data = none;
	refused(-EOPNOTSUPP, "no TD");
	evidence = kept;
	evidence.log = (char []){ "[]" };
	refused(-ENODATA, "no boot measured");
	evidence = kept;
}

static char said[LIBDSTACK_MESSAGE_MAX];

static void hear(const char *text)
{
	snprintf(said, sizeof(said), "%s", text);
}

static void add_event(FILE *file, const char *name, const uint8_t *payload,
		      size_t len)
{
	static const uint8_t digest[DSTACK_REGISTER_SIZE];
	char *line;

	assert_int_equal(libdstack_event_to_json(name, strlen(name), payload,
						 len, digest, &line), 0);
	fputs(line, file);
	free(line);
}

#define BEFORE	3000	/* events that are not the boot's */

/* A log in which this was measured after others; "": nothing was. */
static int check_log(const char *name, const uint8_t hash[APP_HASH_SIZE])
{
	char path[] = "/tmp/agent-info-XXXXXX";
	FILE *file = fdopen(mkstemp(path), "w");
	int i, err;

	assert_non_null(file);
	for (i = 0; i < BEFORE; i++)
		add_event(file, "dstack.exec", (const uint8_t *)name,
			  strlen(name));
	add_event(file, "app-id", NULL, 0);
	if (*name)
		add_event(file, name, hash, APP_HASH_SIZE);
	add_event(file, "system-ready", NULL, 0);
	/* Behind the boot there is no boot. */
	add_event(file, "compose-hash", NULL, 0);
	assert_int_equal(fclose(file), 0);
	*said = '\0';
	err = agent_app_check(&app, path, BEFORE + 3 + !!*name, hear);
	unlink(path);
	return err;
}

static void application_is_checked_however_late_its_boot_is(void **state)
{
	uint8_t hash[APP_HASH_SIZE];

	(void)state;
	memcpy(hash, compose.hash, sizeof(hash));
	assert_int_equal(check_log("compose-hash", hash), 0);
	assert_string_equal(said, "");
	hash[0] ^= 1;
	assert_int_equal(check_log("compose-hash", hash), -EKEYREJECTED);
	assert_non_null(strstr(said, "not the one"));
	assert_int_equal(check_log("", hash), 0);
	assert_non_null(strstr(said, "no boot measured"));
}

#define TEST(name) cmocka_unit_test_setup(name, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(tcb_info_is_that_of_upstreams_guest),
		TEST(verifier_accepts_it),
		TEST(first_api_tells_who_it_is),
		TEST(todays_api_tells_the_same),
		TEST(strangers_see_what_the_application_makes_public),
		TEST(without_an_application_it_says_what_is_missing),
		TEST(application_that_was_not_measured_is_refused),
		TEST(image_that_was_not_measured_is_refused),
		TEST(machine_that_was_not_booted_so_is_refused),
		TEST(application_is_checked_however_late_its_boot_is),
	};

	return cmocka_run_group_tests_name("agent_info", tests, load, unload);
}
