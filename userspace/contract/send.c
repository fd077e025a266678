// SPDX-License-Identifier: MIT
/*
 * A transaction on its way, until it is shown
 *
 * Copyright The dstack for Linux authors
 *
 * In which block it is, servers say, and that is only a hint where to look for
 * the proof.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib.h"
#include "room.h"

#define NAP_MS		250
#define LOGS_MAX	16
#define TOPICS		3	/* of the one that is looked for */

struct journey {
	struct chain_client client;	/* asks for the newest block */
	const struct contract_sender *sender;
	const struct contract_tx *tx;
	const struct contract_check *check;
	struct contract_receipt *receipt;
	struct timespec end;
};

static long left_ms(const struct journey *journey)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (journey->end.tv_sec - now.tv_sec) * 1000 +
		(journey->end.tv_nsec - now.tv_nsec) / 1000000;
}

/* No request is longer than what is left. */
static bool still(struct journey *journey)
{
	long left = left_ms(journey);

	if (left <= 0)
		return false;
	if (journey->client.timeout_ms > left)
		journey->client.timeout_ms = left;
	return true;
}

static char *raw_params(const struct contract_signed *made)
{
	char *hex = malloc(2 * made->raw.len + 1), *params = NULL;

	if (hex && asprintf(&params, "[\"0x%s\"]",
			    libdstack_to_hex(made->raw.data, made->raw.len,
					     hex)) < 0)
		params = NULL;
	free(hex);
	return params;
}

/* Every server hears of it, as one may keep it to itself. */
static int hand_in(const struct chain_client *client,
		   const struct contract_signed *made, struct chain_why *why)
{
	struct chain_why own, first = { "" };
	char *params = raw_params(made);
	uint8_t hash[CHAIN_HASH];
	yyjson_val *result;
	yyjson_doc *doc;
	bool taken = false;
	size_t i;
	int err = 0;

	if (!params)
		return chain_fail(why, -ENOMEM, "out of memory");
	for (i = 0; i < client->nr; i++) {
		own.text[0] = 0;
		err = chain_rpc_ask(client, client->urls[i],
				    "eth_sendRawTransaction", params, &doc,
				    &result, &own);
		if (!err && (!chain_json_fixed(result, hash, CHAIN_HASH) ||
			     memcmp(hash, made->hash, CHAIN_HASH) != 0))
			err = chain_fail(&own, -EBADMSG,
					 "it says that another transaction was sent");
		yyjson_doc_free(doc);
		taken = taken || !err;
		if (err)
			contract_blame(&first, err, i, &own);
	}
	free(params);
	return taken ? 0 : chain_fail(why, err ? err : -EINVAL, "%s",
				      first.text);
}

/* The application in AppDeployedViaFactory(appId, deployer), if it is that. */
static bool read_log(yyjson_val *log, const struct journey *journey,
		     uint8_t app[CHAIN_ADDRESS])
{
	static const char event[] = "AppDeployedViaFactory(address,address)";
	yyjson_val *list = yyjson_obj_get(log, "topics");
	uint8_t at[CHAIN_ADDRESS], hash[CHAIN_HASH], topics[TOPICS][32];
	size_t i;

	if (!journey->tx->to || yyjson_arr_size(list) != TOPICS ||
	    !chain_json_fixed(yyjson_obj_get(log, "address"), at,
			      CHAIN_ADDRESS) ||
	    memcmp(at, journey->tx->to, CHAIN_ADDRESS) != 0)
		return false;
	for (i = 0; i < TOPICS; i++)
		if (!chain_json_fixed(yyjson_arr_get(list, i), topics[i], 32))
			return false;
	if (!chain_keccak(event, strlen(event), hash) ||
	    memcmp(hash, topics[0], CHAIN_HASH) != 0 ||
	    memcmp(topics[2] + 32 - CHAIN_ADDRESS, journey->sender->from,
		   CHAIN_ADDRESS) != 0)
		return false;
	memcpy(app, topics[1] + 32 - CHAIN_ADDRESS, CHAIN_ADDRESS);
	return true;
}

/* 1: done, says the server; 0: refused; -EAGAIN: it is in no block. */
static int read_receipt(yyjson_val *result, const struct journey *journey,
			struct contract_receipt *receipt,
			struct chain_why *why)
{
	yyjson_val *logs = yyjson_obj_get(result, "logs");
	uint8_t hash[CHAIN_HASH];
	uint64_t status;
	size_t i;

	if (yyjson_is_null(result))
		return -EAGAIN;
	if (!chain_json_fixed(yyjson_obj_get(result, "transactionHash"), hash,
			      CHAIN_HASH) ||
	    memcmp(hash, receipt->hash, CHAIN_HASH) != 0 ||
	    !chain_json_u64(yyjson_obj_get(result, "blockNumber"),
			    &receipt->block) ||
	    !chain_json_u64(yyjson_obj_get(result, "gasUsed"),
			    &receipt->gas_used) ||
	    !chain_json_u64(yyjson_obj_get(result, "status"), &status) ||
	    status > 1 || yyjson_arr_size(logs) > LOGS_MAX)
		return chain_fail(why, -EBADMSG,
				  "its receipt is not what it should be");
	receipt->has_app = false;
	for (i = 0; i < yyjson_arr_size(logs) && !receipt->has_app; i++)
		receipt->has_app = read_log(yyjson_arr_get(logs, i), journey,
					    receipt->app);
	return status;
}

static int ask_receipt(struct journey *journey, const char *url,
		       struct chain_why *why)
{
	char params[2 * CHAIN_HASH + 8], hex[2 * CHAIN_HASH + 1];
	yyjson_val *result;
	yyjson_doc *doc;
	int ret;

	snprintf(params, sizeof(params), "[\"0x%s\"]",
		 libdstack_to_hex(journey->receipt->hash, CHAIN_HASH, hex));
	ret = chain_rpc_ask(&journey->client, url,
			    "eth_getTransactionReceipt", params, &doc,
			    &result, why);
	if (!ret)
		ret = read_receipt(result, journey, journey->receipt, why);
	yyjson_doc_free(doc);
	return ret;
}

/* What it was for, in a block that is not before the one that is said. */
static int show(struct journey *journey, struct chain_why *why)
{
	const struct contract_receipt *receipt = journey->receipt;
	struct chain_source source = { .prove = chain_view_prove };
	struct chain_view view;
	bool shown = false;
	int err = contract_newest(&journey->client, &view, why);

	if (err)
		return err;
	if (view.header.number < receipt->block)
		return chain_fail(why, -EAGAIN,
				  "it is said to be in block %llu, but the newest is %llu",
				  (unsigned long long)receipt->block,
				  (unsigned long long)view.header.number);
	source.arg = &view;
	source.time = view.header.time;
	err = journey->check->shown(journey->check->arg, &source, receipt,
				    &shown, why);
	if (err || shown)
		return err;
	return chain_fail(why, -EAGAIN,
			  "it is said to be in block %llu, but what it was for is not so in block %llu",
			  (unsigned long long)receipt->block,
			  (unsigned long long)view.header.number);
}

/* Why it was refused in its block, as it would be now. */
static int refused(const struct journey *journey, struct chain_why *why)
{
	struct contract_tx again = *journey->tx;
	struct chain_why own = { "" };

	if (contract_estimate(journey->sender, &again, &own) == -EACCES)
		return chain_fail(why, -EACCES, "%s", own.text);
	return chain_fail(why, -EACCES,
			  "the contract refused in block %llu, and no longer would",
			  (unsigned long long)journey->receipt->block);
}

/* Every server once.  -EAGAIN: once more; 0: it is shown. */
static int look(struct journey *journey, struct chain_why *last)
{
	const struct chain_client *client = &journey->client;
	size_t i, nr_refused = 0;
	struct chain_why own;
	int ret;

	for (i = 0; i < client->nr && still(journey); i++) {
		own.text[0] = 0;
		ret = ask_receipt(journey, client->urls[i], &own);
		if (ret == 1) {
			ret = show(journey, &own);
			if (!ret)
				return 0;
		}
		nr_refused += !ret;
		/* That the time is up says less than what was said before. */
		if (!own.text[0] ||
		    (last->text[0] && left_ms(journey) < NAP_MS))
			continue;
		last->text[0] = 0;
		contract_blame(last, ret, i, &own);
	}
	return nr_refused >= client->quorum ? -EACCES : -EAGAIN;
}

static int travel(struct journey *journey, struct chain_why *why)
{
	const struct timespec nap = { .tv_nsec = NAP_MS * 1000000L };
	struct chain_why last = { "" };
	int err;

	do {
		err = look(journey, &last);
		if (err == -EACCES)
			return refused(journey, why);
		if (!err)
			return 0;
		nanosleep(&nap, NULL);
	} while (still(journey));
	return chain_fail(why, -ETIMEDOUT, "after %u seconds nothing is shown, and it may still come: %.*s",
			  journey->sender->wait, CHAIN_WHY_MAX - 80,
			  last.text[0] ? last.text :
			  "no server has it in a block");
}

int contract_send(const struct contract_sender *sender,
		  const struct contract_tx *tx,
		  const struct contract_check *check,
		  struct contract_receipt *receipt, struct chain_why *why)
{
	struct journey journey = {
		.client = *sender->client, .sender = sender, .tx = tx,
		.check = check, .receipt = receipt,
	};
	struct contract_signed made;
	int err = contract_tx_sign(tx, sender->key, &made, why);

	memset(receipt, 0, sizeof(*receipt));
	if (err)
		return err;
	memcpy(receipt->hash, made.hash, CHAIN_HASH);
	journey.client.tag = "latest";
	clock_gettime(CLOCK_MONOTONIC, &journey.end);
	journey.end.tv_sec += sender->wait;
	err = hand_in(&journey.client, &made, why);
	free(made.room);
	return err ? err : travel(&journey, why);
}
