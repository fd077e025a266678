// SPDX-License-Identifier: MIT
/*
 * Attestations that are written are those that readers know, byte by byte
 *
 * Copyright The dstack for Linux authors
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "../attest/attest.h"
#include "container_fixture.h"
#include "vectors.h"

static const struct container_event events[] = {
	{ "system-preparing", "", 0 },
	{ "app-id", "0123456789abcdefghij", 20 },
	{ "key-provider", "{\"name\":\"none\",\"id\":\"\"}", 23 },
};

static uint8_t quote[20000];

static struct container_parts parts = {
	.quote = quote, .quote_len = 5000, .events = events, .nr_events = 3,
	.report_data = { 1, 2, 0xfe }, .config = "{\"cpu_count\":1}",
};

static struct container made;
static uint8_t *out;
static size_t out_len;

static struct libdstack_attestation *parse(const void *data, size_t len)
{
	struct libdstack_attestation *a = NULL;
	struct libdstack_failure failure;

	if (libdstack_attestation_parse(data, len, &a, &failure))
		fail_msg("%s", failure.text);
	return a;
}

static int encode(const struct libdstack_attestation *a,
		  enum libdstack_attestation_form form, bool stripped)
{
	free(out);
	out = NULL;
	return attest_encode(a, form, stripped, &out, &out_len);
}

static void assert_written(const void *data, size_t len)
{
	assert_int_equal(out_len, len);
	assert_memory_equal(out, data, len);
}

static int setup(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(quote); i++)
		quote[i] = i;
	parts.quote_len = 5000;
	parts.config = "{\"cpu_count\":1}";
	return 0;
}

/* The fixture has them as certificates do: without digests. */
static void both_forms_are_written_as_they_are_read(void **state)
{
	struct libdstack_attestation *a;

	(void)state;
	container_scale(&made, &parts);
	a = parse(made.data, made.len);
	assert_int_equal(encode(a, LIBDSTACK_FORM_SCALE, true), 0);
	assert_written(made.data, made.len);
	container_msgpack(&made, &parts);
	assert_int_equal(encode(a, LIBDSTACK_FORM_MSGPACK, true), 0);
	assert_written(made.data, made.len);
	libdstack_attestation_free(a);
}

static void lengths_of_every_size_are_written(void **state)
{
	static const size_t sizes[] = {
		0, 1, 63, 64, 127, 128, 255, 256, 16383, 16384, 20000,
	};
	static char config[20001];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct libdstack_attestation *a;

		memset(config, 'x', sizes[i]);
		config[sizes[i]] = '\0';
		parts.config = config;
		parts.quote_len = sizes[i];
		container_scale(&made, &parts);
		a = parse(made.data, made.len);
		assert_int_equal(encode(a, LIBDSTACK_FORM_SCALE, true), 0);
		assert_written(made.data, made.len);
		container_msgpack(&made, &parts);
		assert_int_equal(encode(a, LIBDSTACK_FORM_MSGPACK, true), 0);
		assert_written(made.data, made.len);
		libdstack_attestation_free(a);
	}
}

static void assert_same_log(const struct libdstack_log *a,
			    const struct libdstack_log *b)
{
	size_t i;

	assert_int_equal(a->count, b->count);
	for (i = 0; i < a->count; i++) {
		const struct libdstack_event *x = &a->events[i];
		const struct libdstack_event *y = &b->events[i];

		assert_int_equal(x->imr, y->imr);
		assert_int_equal(x->event_type, y->event_type);
		assert_string_equal(x->name, y->name);
		assert_memory_equal(x->digest, y->digest, sizeof(x->digest));
		assert_int_equal(x->payload_len, y->payload_len);
		assert_memory_equal(x->payload, y->payload, x->payload_len);
	}
}

static void assert_same(const struct libdstack_attestation *a,
			const struct libdstack_attestation *b)
{
	assert_int_equal(a->tee, b->tee);
	assert_int_equal(a->evidence.len, b->evidence.len);
	assert_memory_equal(a->evidence.data, b->evidence.data,
			    a->evidence.len);
	assert_memory_equal(a->report_data, b->report_data, 64);
	assert_int_equal(a->config.len, b->config.len);
	assert_memory_equal(a->config.data, b->config.data, a->config.len);
	assert_same_log(&a->boot, &b->boot);
	assert_same_log(&a->runtime, &b->runtime);
}

static void upstreams_container_is_written_to_the_same_bytes(void **state)
{
	struct vector v = vector_load("dstack/simulator-attestation.bin");
	struct libdstack_attestation *a, *b;

	(void)state;
	a = parse(v.data, v.len);
	assert_true(a->boot.count > 0);
	assert_int_equal(encode(a, LIBDSTACK_FORM_SCALE, false), 0);
	assert_written(v.data, v.len);
	assert_int_equal(encode(a, LIBDSTACK_FORM_MSGPACK, false), 0);
	b = parse(out, out_len);
	assert_same(a, b);
	libdstack_attestation_free(b);
	libdstack_attestation_free(a);
	free(v.data);
}

static void certificates_get_the_events_that_describe_the_machine(void **state)
{
	struct vector v = vector_load("dstack/simulator-attestation.bin");
	enum libdstack_attestation_form form;
	struct libdstack_attestation *a, *b;
	size_t i;

	(void)state;
	a = parse(v.data, v.len);
	for (form = LIBDSTACK_FORM_SCALE; form <= LIBDSTACK_FORM_MSGPACK;
	     form++) {
		assert_int_equal(encode(a, form, true), 0);
		assert_true(out_len < v.len);
		b = parse(out, out_len);
		assert_same_log(&a->runtime, &b->runtime);
		assert_int_equal(b->boot.count, 3);
		for (i = 0; i < 3; i++)
			assert_int_equal(b->boot.events[i].event_type, 10);
		libdstack_attestation_free(b);
	}
	libdstack_attestation_free(a);
	free(v.data);
}

static void what_cannot_be_written_is_refused(void **state)
{
	struct libdstack_attestation *a;

	(void)state;
	container_scale(&made, &parts);
	a = parse(made.data, made.len);
	assert_int_equal(encode(a, LIBDSTACK_FORM_JSON, false), -EOPNOTSUPP);
	a->runtime.events[0].version = 2;
	assert_int_equal(encode(a, LIBDSTACK_FORM_SCALE, false), -EOPNOTSUPP);
	a->runtime.events[0].version = 1;
	a->tee = LIBDSTACK_TEE_SEV_SNP;
	assert_int_equal(encode(a, LIBDSTACK_FORM_SCALE, false), -EOPNOTSUPP);
	a->tee = LIBDSTACK_TEE_TDX;
	a->config = (struct libdstack_span){
		calloc(1, LIBDSTACK_ATTESTATION_MAX), LIBDSTACK_ATTESTATION_MAX
	};
	assert_int_equal(encode(a, LIBDSTACK_FORM_MSGPACK, false), -EFBIG);
	free((void *)a->config.data);
	libdstack_attestation_free(a);
}

/*
 * What the firmware measured
 */

static void boot_events_are_those_of_upstream(void **state)
{
	struct vector v = vector_load("eventlog/dstack-ccel.bin");
	static const char *const names[] = {
		"acpi-loader", "acpi-rsdp", "acpi-tables"
	};
	struct libdstack_log boot;
	size_t i, acpi = 0;

	(void)state;
	assert_int_equal(attest_boot_parse(v.data, v.len, &boot), 0);
	assert_true(boot.count > 10);
	for (i = 0; i < boot.count; i++) {
		const struct libdstack_event *event = &boot.events[i];

		assert_true(event->imr < 3);
		if (!*event->name)
			continue;
		assert_true(acpi < 3);
		assert_string_equal(event->name, names[acpi++]);
		assert_int_equal(event->imr, 0);
		assert_int_equal(event->event_type, 10);
		assert_memory_equal(event->payload, "ACPI DATA", 9);
	}
	assert_int_equal(acpi, 3);
	dstack_log_clear(&boot);
	free(v.data);
}

static void machine_without_a_boot_log_has_no_boot_events(void **state)
{
	struct libdstack_log boot;

	(void)state;
	assert_int_equal(attest_boot_read("/nonexistent/CCEL", &boot), 0);
	assert_int_equal(boot.count, 0);
}

static void boot_log_that_is_none_is_refused(void **state)
{
	struct libdstack_log boot;

	(void)state;
	assert_int_equal(attest_boot_parse("", 0, &boot), -EBADMSG);
	assert_int_equal(attest_boot_parse(quote, sizeof(quote), &boot),
			 -EBADMSG);
}

static void whole_log_is_one_array(void **state)
{
	struct vector v = vector_load("eventlog/dstack-ccel.bin");
	char runtime[] = "[{\"imr\":3,\"event_type\":134217729,"
		"\"digest\":\"\",\"event\":\"a\",\"event_payload\":\"00\"}]";
	struct attest_evidence evidence = { .log = runtime };
	struct libdstack_log *log;
	char *text, *stripped;

	(void)state;
	assert_int_equal(attest_text(&evidence, false, &text), 0);
	assert_string_equal(text, runtime);
	free(text);
	assert_int_equal(attest_boot_parse(v.data, v.len, &evidence.boot), 0);
	assert_int_equal(attest_text(&evidence, false, &text), 0);
	assert_int_equal(libdstack_log_parse(text, strlen(text), &log), 0);
	assert_int_equal(log->count, 1);
	assert_int_equal(log->others, evidence.boot.count);
	libdstack_log_free(log);
	assert_int_equal(attest_text(&evidence, true, &stripped), 0);
	assert_true(strlen(stripped) < strlen(text));
	assert_non_null(strstr(stripped, "\"acpi-rsdp\",\"event_payload\":"
			       "\"414350492044415441\""));
	free(stripped);
	free(text);
	evidence.log = (char []){ "[]" };
	assert_int_equal(attest_text(&evidence, true, &text), 0);
	assert_int_equal(libdstack_log_parse(text, strlen(text), &log), 0);
	assert_int_equal(log->count, 0);
	libdstack_log_free(log);
	free(text);
	dstack_log_clear(&evidence.boot);
	free(v.data);
}

#define TEST(name) cmocka_unit_test_setup(name, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(both_forms_are_written_as_they_are_read),
		TEST(lengths_of_every_size_are_written),
		TEST(upstreams_container_is_written_to_the_same_bytes),
		TEST(certificates_get_the_events_that_describe_the_machine),
		TEST(what_cannot_be_written_is_refused),
		TEST(boot_events_are_those_of_upstream),
		TEST(machine_without_a_boot_log_has_no_boot_events),
		TEST(boot_log_that_is_none_is_refused),
		TEST(whole_log_is_one_array),
	};
	int failed = cmocka_run_group_tests_name("attest", tests, NULL, NULL);

	free(out);
	return failed;
}
