// SPDX-License-Identifier: MIT
/*
 * dstackctl verify: the outcome, for people and as JSON
 *
 * Copyright The dstack for Linux authors
 */
#include "verify.h"

#include <string.h>

#define HEX_MAX	(2 * DSTACK_REPORT_DATA_SIZE + 1)

static void print_text(const char *name, const char *text)
{
	if (!*text)
		return;
	printf("      %-14s ", name);
	print_safe(stdout, text, strlen(text));
	putchar('\n');
}

static void print_hex(const char *name, const void *data, size_t len)
{
	char hex[HEX_MAX];

	if (len)
		printf("      %-14s %s\n", name,
		       libdstack_to_hex(data, len, hex));
}

static void print_td(const struct libdstack_td *td)
{
	print_hex("MRTD", td->mr_td, sizeof(td->mr_td));
	print_hex("RTMR0", td->rtmr[0], sizeof(td->rtmr[0]));
	print_hex("RTMR1", td->rtmr[1], sizeof(td->rtmr[1]));
	print_hex("RTMR2", td->rtmr[2], sizeof(td->rtmr[2]));
	print_hex("RTMR3", td->rtmr[3], sizeof(td->rtmr[3]));
}

static void print_identity(const struct libdstack_identity *id)
{
	print_hex("app id", id->app_id.data, id->app_id.len);
	print_hex("compose hash", id->compose_hash.data, id->compose_hash.len);
	print_hex("instance id", id->instance_id.data, id->instance_id.len);
	print_hex("os image hash", id->os_image_hash.data,
		  id->os_image_hash.len);
	print_hex("mr_system", id->mr_system, sizeof(id->mr_system));
	print_hex("mr_aggregated", id->mr_aggregated,
		  sizeof(id->mr_aggregated));
	print_hex("device id", id->device_id, sizeof(id->device_id));
	print_text("key provider", id->key_provider);
}

static void print_all(const struct request *request, const struct outcome *out)
{
	const struct libdstack_verdict *quote = &out->quote;

	report_print(&out->report, request->explain);
	if (out->have_report_data)
		print_hex("report data", out->report_data,
			  sizeof(out->report_data));
	if (out->part)
		print_hex("of the part", out->part->report_data,
			  sizeof(out->part->report_data));
	if (out->have_quote && quote->kind == LIBDSTACK_QUOTE_TD)
		print_td(&quote->td);
	if (out->have_quote && quote->kind == LIBDSTACK_QUOTE_ENCLAVE) {
		print_hex("MRENCLAVE", quote->enclave.mr_enclave,
			  sizeof(quote->enclave.mr_enclave));
		print_hex("MRSIGNER", quote->enclave.mr_signer,
			  sizeof(quote->enclave.mr_signer));
	}
	if (out->have_quote)
		print_text("advisories", quote->advisories);
	if (out->have_identity)
		print_identity(&out->identity);
	if (out->runs)
		runs_print(out->runs);
	if (out->report.failed)
		puts("REFUSED");
	else
		puts(out->insecure ?
		     "INSECURE: made by the sim backend, proves nothing" :
		     "VERIFIED");
}

static void set_hex(json_t *obj, const char *key, const void *data, size_t len)
{
	char hex[HEX_MAX];

	json_object_set_new(obj, key, len ?
			    json_string(libdstack_to_hex(data, len, hex)) :
			    json_null());
}

static json_t *td_json(const struct libdstack_td *td)
{
	json_t *obj = json_object();

	set_hex(obj, "attributes", td->attributes, sizeof(td->attributes));
	set_hex(obj, "xfam", td->xfam, sizeof(td->xfam));
	set_hex(obj, "mrtd", td->mr_td, sizeof(td->mr_td));
	set_hex(obj, "rtmr0", td->rtmr[0], sizeof(td->rtmr[0]));
	set_hex(obj, "rtmr1", td->rtmr[1], sizeof(td->rtmr[1]));
	set_hex(obj, "rtmr2", td->rtmr[2], sizeof(td->rtmr[2]));
	set_hex(obj, "rtmr3", td->rtmr[3], sizeof(td->rtmr[3]));
	set_hex(obj, "mrconfigid", td->mr_config_id, sizeof(td->mr_config_id));
	set_hex(obj, "mrowner", td->mr_owner, sizeof(td->mr_owner));
	set_hex(obj, "mrownerconfig", td->mr_owner_config,
		sizeof(td->mr_owner_config));
	set_hex(obj, "mrservicetd", td->mr_service_td,
		sizeof(td->mr_service_td));
	set_hex(obj, "tee_tcb_svn", td->tee_tcb_svn, sizeof(td->tee_tcb_svn));
	return obj;
}

static json_t *enclave_json(const struct libdstack_enclave *enclave)
{
	json_t *obj = json_pack("{s:i, s:i}", "isv_prod_id", enclave->prod_id,
				"isv_svn", enclave->svn);

	set_hex(obj, "attributes", enclave->attributes,
		sizeof(enclave->attributes));
	set_hex(obj, "mrenclave", enclave->mr_enclave,
		sizeof(enclave->mr_enclave));
	set_hex(obj, "mrsigner", enclave->mr_signer,
		sizeof(enclave->mr_signer));
	return obj;
}

static json_t *quote_json(const struct libdstack_verdict *v)
{
	json_t *obj;

	obj = v->kind == LIBDSTACK_QUOTE_TD ? td_json(&v->td) :
					      enclave_json(&v->enclave);
	json_object_set_new(obj, "version", json_integer(v->quote_version));
	json_object_set_new(obj, "tcb_date", json_string(v->tcb_date));
	json_object_set_new(obj, "tcb_evaluation",
			    json_integer(v->tcb_eval_number));
	json_object_set_new(obj, "collateral_expires",
			    json_integer(v->earliest_expiry));
	set_hex(obj, "fmspc", v->fmspc, sizeof(v->fmspc));
	return obj;
}

static void set_id(json_t *obj, const char *key, const struct libdstack_id *id)
{
	set_hex(obj, key, id->data, id->len);
}

static json_t *identity_json(const struct libdstack_identity *id)
{
	json_t *obj = json_pack("{s:s, s:s, s:s, s:b, s:b, s:b}", "tee",
				libdstack_tee_name(id->tee), "key_provider",
				id->key_provider, "key_provider_id",
				id->key_provider_id, "os_image_measured",
				id->os_image_measured, "config_bound",
				id->config_bound, "ready", id->ready);

	set_id(obj, "app_id", &id->app_id);
	set_id(obj, "compose_hash", &id->compose_hash);
	set_id(obj, "instance_id", &id->instance_id);
	set_id(obj, "os_image_hash", &id->os_image_hash);
	set_hex(obj, "device_id", id->device_id, sizeof(id->device_id));
	set_hex(obj, "mr_system", id->mr_system, sizeof(id->mr_system));
	set_hex(obj, "mr_aggregated", id->mr_aggregated,
		sizeof(id->mr_aggregated));
	return obj;
}

/* "A,B" as ["A", "B"] */
static json_t *advisories_json(const char *text)
{
	json_t *array = json_array();
	size_t len;

	while (*text) {
		len = strcspn(text, ",");
		json_array_append_new(array, json_stringn(text, len));
		text += len + (text[len] == ',');
	}
	return array;
}

static json_t *status_json(const struct outcome *out)
{
	if (!out->have_quote || out->quote.status == LIBDSTACK_TCB_NONE)
		return json_null();
	return json_string(libdstack_tcb_status_name(out->quote.status));
}

static json_t *part_json(const struct libdstack_batch *part)
{
	char text[LIBDSTACK_DIGEST_TEXT];
	json_t *obj = json_pack("{s:s, s:I, s:I, s:s, s:I}",
				"container", part->id,
				"index", (json_int_t)part->index,
				"count", (json_int_t)part->count, "program",
				libdstack_digest_to_text(&part->program, text),
				"policy_epoch", (json_int_t)part->epoch);

	set_hex(obj, "report_data", part->report_data,
		sizeof(part->report_data));
	return obj;
}

static json_t *outcome_json(const struct request *request,
			    const struct outcome *out)
{
	const struct report *report = &out->report;
	json_t *obj;

	obj = json_pack("{s:b, s:b, s:s?, s:o, s:o, s:s?, s:s, s:s?, s:o}",
			"trusted", !report->failed && !out->insecure,
			"insecure", out->insecure,
			"tee", out->tee,
			"tcb_status", status_json(out),
			"advisory_ids", advisories_json(out->have_quote ?
						out->quote.advisories : ""),
			"step", report->failed ? report->step : NULL,
			"reason", libdstack_reason_name(report->reason),
			"text", report->failed ? report->text : NULL,
			"checks", report_json(report, false));
	if (!obj)
		return NULL;
	set_hex(obj, "report_data", out->report_data, out->have_report_data ?
		sizeof(out->report_data) : 0);
	json_object_set_new(obj, "identity", out->have_identity ?
			    identity_json(&out->identity) : json_null());
	if (out->have_quote)
		json_object_set_new(obj, "quote", quote_json(&out->quote));
	if (out->part)
		json_object_set_new(obj, "batch", part_json(out->part));
	if (out->runs)
		json_object_set_new(obj, "log", runs_json(out->runs));
	if (request->explain)
		json_object_set_new(obj, "steps", report_json(report, true));
	return obj;
}

int outcome_print(const struct request *request, const struct outcome *out)
{
	json_t *obj;
	int err;

	if (request->json) {
		obj = outcome_json(request, out);
		err = !obj || json_dumpf(obj, stdout, JSON_INDENT(2));
		json_decref(obj);
		if (err) {
			error_msg("can't write JSON");
			return EXIT_FAILURE;
		}
		putchar('\n');
	} else {
		print_all(request, out);
	}
	return out->report.failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
