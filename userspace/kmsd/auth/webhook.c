// SPDX-License-Identifier: MIT
/*
 * Upstream's bootAuth: a server of the operator's that decides
 *
 * Copyright The dstack for Linux authors
 *
 * What it says is believed, so all depends on who can answer in its place: it
 * is on this machine, or it has a certificate.
 */
#include "room.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib.h"

#define REPLY_MAX	65536		/* bytes */
#define URL_MAX		1024
#define AGENT_MAX	64

/*
 * The question
 */

static bool put_hex(yyjson_mut_doc *doc, const char *name, const void *data,
		    size_t len)
{
	char hex[2 * LIBDSTACK_KEY_PROVIDER_MAX + 1];

	libdstack_to_hex(data, len, hex);
	return yyjson_mut_obj_add_strcpy(doc, yyjson_mut_doc_get_root(doc),
					 name, hex);
}

static bool put_advisories(yyjson_mut_doc *doc, const char *text)
{
	yyjson_mut_val *list = yyjson_mut_arr(doc);
	size_t len;
	bool good = list;

	for (; good && *text; text += len + (text[len] == ',')) {
		len = strcspn(text, ",");
		good = yyjson_mut_arr_add_strncpy(doc, list, text, len);
	}
	return good && yyjson_mut_obj_add_val(doc, yyjson_mut_doc_get_root(doc),
					      "advisoryIds", list);
}

static bool put_boot(yyjson_mut_doc *doc, const struct auth_boot *boot)
{
	yyjson_mut_val *root = yyjson_mut_obj(doc);

	yyjson_mut_doc_set_root(doc, root);
	return root && yyjson_mut_obj_add_str(doc, root, "teeVariant",
					      boot->tee_variant) &&
	       put_hex(doc, "mrAggregated", boot->mr_aggregated, 32) &&
	       put_hex(doc, "osImageHash", boot->os_image_hash, 32) &&
	       put_hex(doc, "mrSystem", boot->mr_system, 32) &&
	       put_hex(doc, "appId", boot->app_id, sizeof(boot->app_id)) &&
	       put_hex(doc, "composeHash", boot->compose_hash, 32) &&
	       put_hex(doc, "instanceId", boot->instance_id.data,
		       boot->instance_id.len) &&
	       put_hex(doc, "deviceId", boot->device_id, 32) &&
	       put_hex(doc, "keyProviderInfo", boot->key_provider_info,
		       strlen(boot->key_provider_info)) &&
	       yyjson_mut_obj_add_str(doc, root, "tcbStatus",
				      boot->tcb_status) &&
	       put_advisories(doc, boot->advisories);
}

/* For free(). */
static char *write_boot(const struct auth_boot *boot)
{
	yyjson_mut_doc *doc = yyjson_mut_doc_new(NULL);
	char *text = NULL;

	if (doc && put_boot(doc, boot))
		text = yyjson_mut_write(doc, 0, NULL);
	yyjson_mut_doc_free(doc);
	return text;
}

/*
 * The answer.  Fields that are not known are left alone, as upstream does:
 * servers of operators say more than they have to.
 */

static bool once(yyjson_val *object, const char *name)
{
	yyjson_val *key, *value;
	size_t i, max, nr = 0;

	yyjson_obj_foreach(object, i, max, key, value)
		nr += yyjson_equals_str(key, name);
	return nr == 1;
}

/* A text goes into messages and replies of the KMS: no control characters. */
static int get_text(yyjson_val *object, const char *name, char *out,
		    size_t room, struct chain_why *why)
{
	yyjson_val *value = yyjson_obj_get(object, name);
	const char *text = yyjson_get_str(value);
	size_t len = yyjson_get_len(value), i;

	if (!text || !once(object, name))
		return chain_fail(why, -EBADMSG,
				  "the webhook's answer does not have one text %s",
				  name);
	if (len >= room)
		return chain_fail(why, -EBADMSG,
				  "the webhook's %s is longer than %zu bytes",
				  name, room - 1);
	for (i = 0; i < len; i++)
		if ((unsigned char)text[i] < ' ' || text[i] == 0x7f)
			return chain_fail(why, -EBADMSG,
					  "the webhook's %s has control characters in it",
					  name);
	memcpy(out, text, len + 1);
	return 0;
}

static int get_verdict(yyjson_val *reply, struct auth_verdict *verdict,
		       struct chain_why *why)
{
	yyjson_val *allowed = yyjson_obj_get(reply, "isAllowed");
	int err;

	if (!yyjson_is_bool(allowed) || !once(reply, "isAllowed"))
		return chain_fail(why, -EBADMSG,
				  "the webhook's answer does not have one isAllowed that is true or false");
	err = get_text(reply, "gatewayAppId", verdict->gateway_app_id,
		       sizeof(verdict->gateway_app_id), why);
	if (!err)
		err = get_text(reply, "reason", verdict->reason,
			       sizeof(verdict->reason), why);
	if (err)
		return err;
	verdict->allowed = yyjson_get_bool(allowed);
	verdict->how = AUTH_BY_WEBHOOK;
	return 0;
}

static int get_info(yyjson_val *reply, struct auth_info *info,
		    struct chain_why *why)
{
	yyjson_val *id = yyjson_obj_get(reply, "chainId");
	int err = get_text(reply, "kmsContractAddr", info->kms_contract,
			   sizeof(info->kms_contract), why);

	if (!err)
		err = get_text(reply, "gatewayAppId", info->gateway_app_id,
			       sizeof(info->gateway_app_id), why);
	if (!err)
		err = get_text(reply, "appImplementation",
			       info->app_implementation,
			       sizeof(info->app_implementation), why);
	if (!err && (!yyjson_is_uint(id) || !once(reply, "chainId")))
		err = chain_fail(why, -EBADMSG,
				 "the webhook's answer does not have one number chainId");
	info->chain_id = yyjson_get_uint(id);
	return err;
}

/*
 * Both
 */

/* *@doc is for yyjson_doc_free(); @body NULL: it is asked what it is. */
static int call(const struct auth *auth, const char *path, const char *body,
		yyjson_doc **doc, struct chain_why *why)
{
	const struct auth_config *config = auth->config;
	char url[URL_MAX], agent[AGENT_MAX], *reply;
	struct chain_why own = { "" };
	const struct chain_request request = {
		.url = url, .body = body, .agent = agent,
		.accept = "application/json", .socket = config->socket,
		.ca_file = config->ca_file, .max = REPLY_MAX,
		.timeout_ms = config->timeout_ms, .plain = config->plain_http,
	};
	size_t len;
	int err;

	*doc = NULL;
	snprintf(url, sizeof(url), "%s%s", config->url, path);
	snprintf(agent, sizeof(agent), "dstack-kms/%s", auth->options.version);
	err = chain_http_ask(auth->pool, &request, &reply, &len, &own);
	if (err)
		return chain_fail(why, err, "the webhook: %s", own.text);
	*doc = yyjson_read(reply, len, 0);
	free(reply);
	if (yyjson_is_obj(yyjson_doc_get_root(*doc)))
		return 0;
	yyjson_doc_free(*doc);
	*doc = NULL;
	return chain_fail(why, -EBADMSG,
			  "the webhook's answer is no JSON object");
}

static int webhook_ask(struct auth *auth, const struct auth_boot *boot,
		       bool is_kms, uint64_t now,
		       struct auth_verdict *verdict, struct chain_why *why)
{
	char *body = write_boot(boot);
	yyjson_doc *doc;
	int err;

	(void)now;
	if (!body)
		return chain_fail(why, -ENOMEM, "out of memory");
	err = call(auth, is_kms ? "/bootAuth/kms" : "/bootAuth/app", body,
		   &doc, why);
	free(body);
	if (!err)
		err = get_verdict(yyjson_doc_get_root(doc), verdict, why);
	yyjson_doc_free(doc);
	return err;
}

static int webhook_info(struct auth *auth, uint64_t now,
			struct auth_info *info, struct chain_why *why)
{
	yyjson_doc *doc;
	int err = call(auth, "", NULL, &doc, why);

	(void)now;
	if (!err)
		err = get_info(yyjson_doc_get_root(doc), info, why);
	yyjson_doc_free(doc);
	return err;
}

static int webhook_open(struct auth *auth, struct chain_why *why)
{
	const struct chain_request request = {
		.url = auth->config->url, .socket = auth->config->socket,
		.plain = auth->config->plain_http,
	};

	if (strlen(auth->config->url) + sizeof("/bootAuth/app") > URL_MAX ||
	    !chain_http_is_good(&request))
		return chain_fail(why, -EINVAL,
				  "the webhook's URL is not https, nor http to this machine");
	if (strlen(auth->options.version) + sizeof("dstack-kms/") > AGENT_MAX)
		return chain_fail(why, -EINVAL, "the version is too long");
	return 0;
}

const struct auth_ops auth_webhook = {
	.open = webhook_open, .ask = webhook_ask, .info = webhook_info,
};
