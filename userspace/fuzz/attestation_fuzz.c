// SPDX-License-Identifier: MIT
/*
 * Containers of evidence, in each of their forms
 *
 * Copyright The dstack for Linux authors
 */
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "../attest/attest.h"
#include "../test/container_fixture.h"
#include "attestation/attestation.h"

static uint8_t seen;

/* Reads all of it: every byte must be there. */
static void touch(const struct libdstack_span *span)
{
	size_t i;

	for (i = 0; i < span->len; i++)
		seen ^= span->data[i];
}

static void check(const struct libdstack_attestation *a)
{
	uint8_t value[DSTACK_REGISTER_SIZE] = { 0 };
	size_t i, bad;

	must(libdstack_tee_name(a->tee));
	must(a->nr_certs <= LIBDSTACK_ATTESTATION_CERTS_MAX);
	touch(&a->evidence);
	touch(&a->mr_config);
	touch(&a->config);
	touch(&a->payload);
	touch(&a->tpm.message);
	touch(&a->tpm.ak_cert);
	for (i = 0; i < a->nr_certs; i++)
		touch(&a->certs[i]);
	for (i = 0; i < a->tpm.nr_pcrs; i++)
		touch(&a->tpm.pcrs[i].value);
	for (i = 0; i < a->tpm.nr_events; i++)
		touch(&a->tpm.events[i].digest);
	for (i = 0; i < a->boot.count; i++)
		must(a->boot.events[i].imr < 3);
	libdstack_log_replay(&a->runtime, a->runtime.count, value, &bad);
}

/* What can be written is read again, with as much in it. */
static void rewrite(const struct libdstack_attestation *a,
		    enum libdstack_attestation_form form)
{
	struct libdstack_attestation *again = NULL;
	struct libdstack_failure failure;
	uint8_t *out;
	size_t len;

	if (attest_encode(a, form, false, &out, &len))
		return;
	must(!libdstack_attestation_parse(out, len, &again, &failure));
	must(again->evidence.len == a->evidence.len);
	must(again->boot.count == a->boot.count);
	must(again->runtime.count == a->runtime.count);
	libdstack_attestation_free(again);
	free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	uint8_t *copy = fuzz_copy(data, len);
	struct libdstack_attestation *a = NULL;
	struct libdstack_failure failure;
	int err;

	err = libdstack_attestation_parse(copy, len, &a, &failure);
	free(copy);
	must(!err == !!a && !err == !failure.reason);
	if (a) {
		check(a);
		rewrite(a, LIBDSTACK_FORM_SCALE);
		rewrite(a, LIBDSTACK_FORM_MSGPACK);
	}
	libdstack_attestation_free(a);
	return 0;
}

void fuzz_seeds(void)
{
	static const struct container_event events[] = {
		{ "app-id", "0123456789abcdefghij", 20 },
		{ "dstack.start", "v=1", 3 },
	};
	static const char reply[] =
		"{\"quote\":\"00\",\"vm_config\":\"{}\",\"event_log\":\"[{"
		"\\\"imr\\\":3,\\\"event_type\\\":134217729,\\\"digest\\\":"
		"\\\"\\\",\\\"event\\\":\\\"a\\\","
		"\\\"event_payload\\\":\\\"00\\\"}]\"}";
	struct container_parts parts = {
		.quote = "quote", .quote_len = 5, .events = events,
		.nr_events = 2, .config = "{}",
	};
	static const uint8_t gcp[] = {
		0, 1, 4, 0xaa, 0, 4, 1, 4, 2, 4, 1, 0, 0, 0, 4, 's', 4, 9, 4,
		3, 1, 4, 14, 0, 0, 0, 4, 7, 0,
	};
	static struct container c;

	container_scale(&c, &parts);
	fuzz_seed(c.data, c.len);
	/* A SEV-SNP report with one certificate; a document of Nitro. */
	c.len = 0;
	container_put(&c, "\0\3\4r\4\4c\10{}\0", 11);
	container_put(&c, parts.report_data, 64);
	container_number(&c, 0, 1);
	fuzz_seed(c.data, c.len);
	c.len = 0;
	container_put(&c, gcp, sizeof(gcp));
	container_put(&c, parts.report_data, 64);
	container_number(&c, 0, 1);
	fuzz_seed(c.data, c.len);
	container_msgpack(&c, &parts);
	fuzz_seed(c.data, c.len);
	parts.pod = "payload";
	parts.version = 2;
	container_msgpack(&c, &parts);
	fuzz_seed(c.data, c.len);
	fuzz_seed_text(reply);
	fuzz_seed_text("{\"attestation\":\"000000\"}");
}
