// SPDX-License-Identifier: MIT
/*
 * What contracts say of a boot, by proof
 *
 * Copyright The dstack for Linux authors
 */
#include "chain_room.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib.h"

#define ADVISORIES_SPLIT	128
#define SLOT_IMPLEMENTATION	9	/* of DstackKms */
#define SLOT_GATEWAY		4

struct chain {
	struct chain_client client;
	struct chain_known known;
	struct heads *heads;
	struct proofs *proofs;
	struct follow *follow;
};

/* One block, for all that one verdict needs. */
struct glance {
	struct proofs_view view;
	struct chain_source source;
};

static int look(struct chain *chain, uint64_t now, struct glance *glance,
		struct chain_why *why)
{
	int err = heads_view(chain->heads, now, &glance->view.chain, why);

	glance->view.proofs = chain->proofs;
	glance->source = (struct chain_source){
		.prove = proofs_prove, .arg = &glance->view,
		.time = glance->view.chain.header.time,
	};
	return err;
}

/*
 * Verdicts
 */

struct question {
	struct chain_boot boot;
	char names[LIBDSTACK_ADVISORIES_MAX];
	const char *list[ADVISORIES_SPLIT];
};

static int put_question(const struct auth_boot *boot, struct question *q,
			struct chain_why *why)
{
	struct chain_boot *to = &q->boot;
	char *at = q->names, *name;

	memset(q, 0, sizeof(*q));
	memcpy(to->app_id, boot->app_id, CHAIN_ADDRESS);
	memcpy(to->compose_hash, boot->compose_hash, 32);
	memcpy(to->device_id, boot->device_id, 32);
	memcpy(to->mr_aggregated, boot->mr_aggregated, 32);
	memcpy(to->mr_system, boot->mr_system, 32);
	memcpy(to->os_image_hash, boot->os_image_hash, 32);
	/* The contracts' zero address, where there is none. */
	memcpy(to->instance_id, boot->instance_id.data,
	       boot->instance_id.len);
	to->tcb_status = boot->tcb_status;
	to->advisory_ids = q->list;
	memcpy(q->names, boot->advisories, sizeof(q->names));
	while ((name = strsep(&at, ","))) {
		if (!*name)
			continue;
		if (to->nr_advisory_ids == ADVISORIES_SPLIT)
			return chain_fail(why, -EINVAL,
					  "the evidence has more than %d advisories",
					  ADVISORIES_SPLIT);
		q->list[to->nr_advisory_ids++] = name;
	}
	return 0;
}

static void put_verdict(const struct chain_verdict *said,
			const struct chain_header *header,
			struct auth_verdict *verdict)
{
	verdict->allowed = said->allowed;
	verdict->how = said->asked ? AUTH_BY_ASKING : AUTH_BY_PROOF;
	snprintf(verdict->reason, sizeof(verdict->reason), "%s",
		 said->reason);
	memcpy(verdict->gateway_app_id, said->gateway_app_id,
	       sizeof(verdict->gateway_app_id));
	/* They go into messages and replies, like a webhook's. */
	dstack_disarm(verdict->reason);
	dstack_disarm(verdict->gateway_app_id);
	memcpy(verdict->block.hash, header->hash, CHAIN_HASH);
	verdict->block.number = header->number;
	verdict->block.time = header->time;
	verdict->policy_epoch = said->policy_epoch;
	memcpy(verdict->policy_root, said->policy_root, 32);
	verdict->kms_keys = said->kms_keys;
	verdict->app_keys = said->app_keys;
}

static int chain_ask(struct auth *auth, const struct auth_boot *boot,
		     bool is_kms, uint64_t now, struct auth_verdict *verdict,
		     struct chain_why *why)
{
	struct chain *chain = auth->own;
	typeof(chain_app_allowed) *allowed;
	struct chain_why own = { "" };
	struct chain_verdict said;
	struct question question;
	struct glance glance;
	int err = put_question(boot, &question, why);

	if (!err)
		err = look(chain, now, &glance, why);
	if (err)
		return err;
	allowed = is_kms ? chain_kms_allowed : chain_app_allowed;
	err = allowed(&glance.source, &chain->known, auth->config->kms,
		      &question.boot, &said, &own);
	if (err == -EOPNOTSUPP && auth->config->allow_unproven) {
		own.text[0] = 0;
		err = chain_view_ask(&glance.view.chain, auth->config->kms,
				     &question.boot, is_kms, &said, &own);
	}
	if (err)
		return chain_fail(why, err, "%s", own.text);
	put_verdict(&said, &glance.view.chain.header, verdict);
	return 0;
}

/*
 * What GetMeta says
 */

static int read_info(const struct chain *chain, const struct glance *glance,
		     const uint8_t *kms, struct auth_info *info,
		     struct chain_why *why)
{
	static const uint8_t base[32];
	struct chain_slot slots[3];	/* the first is for the proxy's */
	char hex[2 * CHAIN_ADDRESS + 1];
	enum chain_layout layout;
	size_t len = 0;
	int err;

	chain_slot_at(&slots[1], base, SLOT_GATEWAY);
	chain_slot_at(&slots[2], base, SLOT_IMPLEMENTATION);
	err = chain_contract_read(&glance->source, &chain->known, kms, slots,
				  3, &layout, why);
	if (!err && layout != CHAIN_KMS_UPSTREAM && layout != CHAIN_KMS_LINUX)
		err = chain_fail(why, -EOPNOTSUPP,
				 "there is no DstackKms at the address of the KMS's contract");
	if (!err)
		err = chain_text_read(&glance->source, kms, &slots[1],
				      sizeof(info->gateway_app_id) - 1,
				      (uint8_t *)info->gateway_app_id, &len,
				      why);
	if (err)
		return err;
	dstack_disarm(info->gateway_app_id);
	libdstack_to_hex(slots[2].value + 32 - CHAIN_ADDRESS, CHAIN_ADDRESS,
			 hex);
	snprintf(info->app_implementation, sizeof(info->app_implementation),
		 "0x%s", hex);
	return 0;
}

static int chain_info(struct auth *auth, uint64_t now, struct auth_info *info,
		      struct chain_why *why)
{
	struct chain *chain = auth->own;
	char hex[2 * CHAIN_ADDRESS + 1];
	struct chain_why own = { "" };
	struct glance glance;
	int err = look(chain, now, &glance, why);

	if (err)
		return err;
	info->chain_id = auth->config->chain_id;
	libdstack_to_hex(auth->config->kms, CHAIN_ADDRESS, hex);
	snprintf(info->kms_contract, sizeof(info->kms_contract), "0x%s", hex);
	err = read_info(chain, &glance, auth->config->kms, info, &own);
	/* Code that is asked for verdicts is not read: that is not said. */
	if (err == -EOPNOTSUPP && auth->config->allow_unproven)
		return 0;
	return err ? chain_fail(why, err, "%s", own.text) : 0;
}

/*
 * Beginning and end
 */

static void chain_close(struct auth *auth)
{
	struct chain *chain = auth->own;

	heads_free(chain->heads);
	follow_free(chain->follow);
	proofs_free(chain->proofs);
	free(chain);
}

static int check_urls(char *const *urls, const char *what,
		      struct chain_why *why)
{
	struct chain_request request = { .url = NULL };
	size_t i;

	for (i = 0; urls && urls[i]; i++) {
		request.url = urls[i];
		if (!chain_http_is_good(&request))
			return chain_fail(why, -EINVAL,
					  "%s[%zu] is not https, nor http to this machine",
					  what, i);
	}
	return 0;
}

static void fill(struct auth *auth, struct chain *chain)
{
	const struct auth_config *config = auth->config;

	chain->client = (struct chain_client){
		.urls = (const char *const *)config->rpc_urls,
		.quorum = config->quorum, .chain_id = config->chain_id,
		.tag = config->tag, .ca_file = config->ca_file,
		.timeout_ms = config->timeout_ms, .limits = config->limits,
		.pool = auth->pool,
	};
	while (config->rpc_urls[chain->client.nr])
		chain->client.nr++;
	chain->known = (struct chain_known){
		.proxies = (const uint8_t (*)[CHAIN_HASH])config->proxies,
		.nr_proxies = config->nr_proxies,
		.codes = config->codes, .nr_codes = config->nr_codes,
	};
}

static void warn(const struct auth *auth)
{
	const struct auth_config *config = auth->config;

	if (config->allow_unproven)
		auth_say(auth, "auth: allow_unproven: of contracts whose code is not known, what servers say is believed");
	if (!config->beacon_urls && strcmp(config->tag, "finalized"))
		auth_say(auth, "auth: block \"%s\": a block that is taken back later may have given keys",
			 config->tag);
}

static int chain_open(struct auth *auth, struct chain_why *why)
{
	const struct auth_config *config = auth->config;
	struct heads_options heads = {
		.share_ms = config->head_ms, .head = auth->options.head,
		.keep = auth->options.keep, .arg = auth->options.arg,
	};
	struct chain *chain;
	int err = check_urls(config->rpc_urls, "rpc_urls", why);

	if (!err)
		err = check_urls(config->beacon_urls, "beacon_urls", why);
	if (err)
		return err;
	chain = calloc(1, sizeof(*chain));
	if (!chain)
		return chain_fail(why, -ENOMEM, "out of memory");
	auth->own = chain;
	fill(auth, chain);
	chain->proofs = proofs_new();
	if (config->beacon_urls)
		chain->follow = follow_new(auth);
	heads.client = &chain->client;
	heads.follow = chain->follow;
	chain->heads = heads_new(&heads);
	warn(auth);
	if (chain->proofs && chain->heads &&
	    (chain->follow || !config->beacon_urls))
		return 0;
	chain_close(auth);
	return chain_fail(why, -ENOMEM, "out of memory");
}

const struct auth_ops auth_chain = {
	.open = chain_open, .close = chain_close, .ask = chain_ask,
	.info = chain_info,
};
