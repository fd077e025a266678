// SPDX-License-Identifier: MIT
/*
 * Info: which application this is, and what was measured
 *
 * Copyright The dstack for Linux authors
 *
 * The values are computed from a fresh quote and its log, by the rules of those
 * who verify.  They are shown, not proven: that is what quotes are for.
 */
#include "agent.h"

#include <errno.h>
#include <libdstack_identity.h>
#include <stdlib.h>
#include <string.h>
#include <yyjson.h>

#include "dcap/dcap.h"

#include <guest_v0.pb-c.h>
#include <guest_v1.pb-c.h>

#define DMI	"/sys/class/dmi/id/"

/* What a call of Info is answered from. */
struct info {
	struct attest_evidence evidence;
	struct libdstack_td td;
	bool is_td;			/* and not the sim backend's */
	struct libdstack_identity identity;
};

/* The sim backend has one register, and nothing to prove it with. */
static int read_sim(const struct libdstack_quote *quote, struct info *info)
{
	struct libdstack_sim_quote sim;
	int err = libdstack_sim_quote_parse(quote->data, quote->len, &sim);

	if (err)
		return err;
	memcpy(info->td.rtmr[3], sim.register_value, sizeof(info->td.rtmr[3]));
	memcpy(info->td.report_data, sim.report_data,
	       sizeof(info->td.report_data));
	return 0;
}

static int read_td(struct info *info, struct rpc_error *error)
{
	const struct libdstack_quote *from = &info->evidence.quote;
	struct dcap_quote quote;
	const char *why;

	memset(&info->td, 0, sizeof(info->td));
	info->is_td = !dcap_quote_parse(from->data, from->len, &quote, &why) &&
		quote.body_type != DCAP_BODY_SGX;
	if (info->is_td)
		dcap_quote_td(&quote, &info->td);
	else if (read_sim(from, info))
		return rpc_fail(error, -EOPNOTSUPP, "this machine is no TD");
	return 0;
}

static int identify(const struct agent *agent, struct info *info,
		    struct libdstack_attestation *parts,
		    struct rpc_error *error)
{
	const struct app_compose *compose = agent->app->compose;
	struct libdstack_failure failure;
	int err;

	if (!agent_app_measured(&parts->runtime))
		return rpc_fail(error, -ENODATA,
				"the event log has no compose-hash: no boot measured this application");
	parts->app_compose = (struct libdstack_span){
		(const uint8_t *)compose->text, compose->len
	};
	/* Of the registers that the firmware's events explain it has none. */
	if (!info->is_td)
		parts->boot.count = 0;
	/* Nobody has verified the platform's certificate, so its id is none. */
	err = libdstack_identity_of_td(parts, &info->td, NULL, 0,
				       &info->identity, &failure);
	return err ? rpc_fail(error, err, "%s: %s", failure.step,
			      failure.text) : 0;
}

static int explain(const struct agent *agent, struct info *info,
		   struct rpc_error *error)
{
	struct libdstack_attestation parts;
	int err = attest_parts(&info->evidence, agent->vm_config, &parts);

	if (err)
		return err;
	err = identify(agent, info, &parts, error);
	attest_parts_free(&parts);
	return err;
}

static int make(struct agent *agent, const struct http_caller *caller,
		struct info *info, struct rpc_error *error)
{
	static const uint8_t none[DSTACK_REPORT_DATA_SIZE];
	int err;

	if (!agent->app)
		return rpc_fail(error, -ENODATA,
				"this agent was not told which application it serves: app-compose.json and .sys-config.json are missing (dstackd agent --app DIR)");
	err = agent_evidence(agent, caller, none, &info->evidence, error);
	if (err)
		return err;
	err = read_td(info, error) ?: explain(agent, info, error);
	if (err)
		attest_evidence_free(&info->evidence);
	return err;
}

int agent_identity(const struct agent *agent,
		   const struct attest_evidence *evidence,
		   struct libdstack_identity *identity,
		   struct rpc_error *error)
{
	struct info info = { .evidence = *evidence };
	int err = read_td(&info, error) ?: explain(agent, &info, error);

	if (!err)
		*identity = info.identity;
	return err;
}

/*
 * The TCB info: a JSON text
 */

static bool put_hex(yyjson_mut_doc *doc, yyjson_mut_val *obj, const char *name,
		    const uint8_t *data, size_t len)
{
	char hex[2 * DSTACK_REGISTER_SIZE + 1];

	return yyjson_mut_obj_add_strcpy(doc, obj, name,
					 libdstack_to_hex(data, len, hex));
}

static bool put_registers(yyjson_mut_doc *doc, yyjson_mut_val *obj,
			  const struct info *info)
{
	static const char *const names[] = {
		"rtmr0", "rtmr1", "rtmr2", "rtmr3",
	};
	const struct libdstack_td *td = &info->td;
	bool good;
	size_t i;

	good = info->is_td ?
		put_hex(doc, obj, "mrtd", td->mr_td, sizeof(td->mr_td)) :
		yyjson_mut_obj_add_null(doc, obj, "mrtd");
	for (i = 0; good && i < 4; i++)
		good = info->is_td || i == 3 ?
			put_hex(doc, obj, names[i], td->rtmr[i],
				sizeof(td->rtmr[i])) :
			yyjson_mut_obj_add_null(doc, obj, names[i]);
	return good;
}

static bool put_tcb(yyjson_mut_doc *doc, yyjson_mut_val *obj,
		    const struct agent *agent, const struct info *info,
		    const char *log)
{
	const struct libdstack_identity *id = &info->identity;
	const struct app_compose *compose = agent->app->compose;

	return put_registers(doc, obj, info) &&
		put_hex(doc, obj, "mr_aggregated", id->mr_aggregated,
			sizeof(id->mr_aggregated)) &&
		put_hex(doc, obj, "os_image_hash", id->os_image_hash.data,
			id->os_image_hash.len) &&
		put_hex(doc, obj, "compose_hash", id->compose_hash.data,
			id->compose_hash.len) &&
		put_hex(doc, obj, "device_id", id->device_id,
			sizeof(id->device_id)) &&
		yyjson_mut_obj_add_val(doc, obj, "event_log",
				       yyjson_mut_raw(doc, log)) &&
		yyjson_mut_obj_add_strn(doc, obj, "app_compose", compose->text,
					compose->len);
}

/* For free(); NULL: no memory. */
static char *write_tcb(const struct agent *agent, const struct info *info,
		       const char *log)
{
	yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
	yyjson_mut_val *obj = doc ? yyjson_mut_obj(doc) : NULL;
	char *text = NULL;

	if (obj && put_tcb(doc, obj, agent, info, log)) {
		yyjson_mut_doc_set_root(doc, obj);
		text = yyjson_mut_write(doc, YYJSON_WRITE_PRETTY_TWO_SPACES,
					NULL);
	}
	yyjson_mut_doc_free(doc);
	return text;
}

static int put_tcb_info(const struct agent *agent, const struct info *info,
			char **field)
{
	char *log, *text;
	int err = attest_text(&info->evidence, false, &log);

	if (err)
		return err;
	text = write_tcb(agent, info, log);
	free(log);
	if (!text)
		return -ENOMEM;
	*field = text;
	return 0;
}

/*
 * Answers
 */

static int put_id(ProtobufCBinaryData *field, const struct libdstack_id *id)
{
	return rpc_put_bytes(field, id->data, id->len);
}

/* One line that the host may have written; "" where there is none. */
static int put_dmi(char **field, const char *path)
{
	char line[128] = "";
	FILE *file = fopen(path, "re");
	size_t len, i;

	if (file && !fgets(line, sizeof(line), file))
		line[0] = '\0';
	if (file)
		fclose(file);
	for (i = 0; line[i]; i++)
		if (line[i] < ' ' || line[i] > '~')
			line[i] = line[i] == '\n' ? ' ' : '?';
	for (len = i; len && line[len - 1] == ' '; len--)
		line[len - 1] = '\0';
	return rpc_put_text(field, line + strspn(line, " "));
}

static int put_cloud(char **vendor, char **product)
{
	return put_dmi(vendor, DMI "sys_vendor") ?:
		put_dmi(product, DMI "product_name");
}

static int answer_v0(const struct agent *agent, const struct info *info,
		     Guest__V0__InfoResponse *out)
{
	const struct libdstack_identity *id = &info->identity;

	return put_id(&out->app_id, &id->app_id) ?:
		put_id(&out->instance_id, &id->instance_id) ?:
		put_tcb_info(agent, info, &out->tcb_info) ?:
		rpc_put_text(&out->app_name, agent->app->compose->name) ?:
		rpc_put_bytes(&out->device_id, id->device_id,
			      sizeof(id->device_id)) ?:
		rpc_put_bytes(&out->mr_aggregated, id->mr_aggregated,
			      sizeof(id->mr_aggregated)) ?:
		put_id(&out->os_image_hash, &id->os_image_hash) ?:
		rpc_put_text(&out->key_provider_info, id->key_provider_info) ?:
		put_id(&out->compose_hash, &id->compose_hash) ?:
		rpc_put_text(&out->vm_config, agent->vm_config) ?:
		put_cloud(&out->cloud_vendor, &out->cloud_product);
}

static int answer_v1(const struct agent *agent, const struct info *info,
		     Guest__V1__InfoResponse *out)
{
	const struct libdstack_identity *id = &info->identity;

	return put_id(&out->app_id, &id->app_id) ?:
		rpc_put_text(&out->app_name, agent->app->compose->name) ?:
		put_id(&out->compose_hash, &id->compose_hash) ?:
		rpc_put_text(&out->app_compose, agent->app->compose->text) ?:
		put_id(&out->instance_id, &id->instance_id) ?:
		rpc_put_bytes(&out->device_id, id->device_id,
			      sizeof(id->device_id)) ?:
		put_id(&out->os_image_hash, &id->os_image_hash) ?:
		rpc_put_bytes(&out->mr_aggregated, id->mr_aggregated,
			      sizeof(id->mr_aggregated)) ?:
		rpc_put_text(&out->vm_config, agent->vm_config) ?:
		rpc_put_text(&out->key_provider_info, id->key_provider_info) ?:
		put_cloud(&out->cloud_vendor, &out->cloud_product);
}

AGENT_CALL(agent_v0_info)
{
	Guest__V0__InfoResponse *out = (void *)response;
	struct info info;
	int err = make(agent, caller, &info, error);

	(void)request;
	if (err)
		return err;
	err = answer_v0(agent, &info, out) ?:
		agent_demo_put(agent, &out->app_cert);
	attest_evidence_free(&info.evidence);
	return err;
}

AGENT_CALL(agent_v1_info)
{
	struct info info;
	int err = make(agent, caller, &info, error);

	(void)request;
	if (err)
		return err;
	err = answer_v1(agent, &info, (Guest__V1__InfoResponse *)response);
	attest_evidence_free(&info.evidence);
	return err;
}
