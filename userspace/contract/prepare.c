// SPDX-License-Identifier: MIT
/*
 * What a transaction will cost, and which of its sender's it is
 *
 * Copyright The dstack for Linux authors
 *
 * That is what servers say: of several the one in the middle, so that one that
 * lies alone does not decide, and what it costs is bounded by the caller.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib.h"
#include "room.h"

#define GAS_MAX		16777216U	/* of one transaction, EIP-7825 */
#define GWEI		1000000000ULL
#define REFUSAL_MAX	1024		/* bytes that code returned */

int contract_blame(struct chain_why *why, int err, size_t i,
		   const struct chain_why *own)
{
	return chain_fail(why, err, "server %zu: %.*s", i + 1,
			  CHAIN_WHY_MAX - 32, own->text);
}

/* What servers say, and why some don't. */
struct numbers {
	uint64_t list[CHAIN_SERVERS_MAX];
	size_t nr;
	struct chain_why first;
	int err;
};

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static int middle(struct numbers *numbers, uint64_t *out,
		  struct chain_why *why)
{
	if (!numbers->nr)
		return chain_fail(why, numbers->err, "%s",
				  numbers->first.text);
	qsort(numbers->list, numbers->nr, sizeof(numbers->list[0]), compare);
	*out = numbers->list[numbers->nr / 2];
	return 0;
}

/* Of @field in the answers, or of the answers themselves. */
static int ask(const struct chain_client *client, const char *method,
	       const char *params, const char *field, uint64_t *out,
	       struct chain_why *why)
{
	struct numbers numbers = { .err = -EINVAL };
	struct chain_why own;
	yyjson_val *result;
	yyjson_doc *doc;
	size_t i;
	int err;

	for (i = 0; i < client->nr; i++) {
		own.text[0] = 0;
		err = chain_rpc_ask(client, client->urls[i], method, params,
				    &doc, &result, &own);
		if (!err && field)
			result = yyjson_obj_get(result, field);
		if (!err && !chain_json_u64(result,
					    &numbers.list[numbers.nr]))
			err = chain_fail(&own, -EBADMSG,
					 "its answer to %s is not what it should be",
					 method);
		yyjson_doc_free(doc);
		numbers.nr += !err;
		if (err)
			numbers.err = contract_blame(&numbers.first, err, i,
						     &own);
	}
	return middle(&numbers, out, why);
}

int contract_chain_id(const struct chain_client *client, uint64_t *id,
		      struct chain_why *why)
{
	return ask(client, "eth_chainId", "[]", NULL, id, why);
}

/*
 * Gas
 */

/* {"from": ..., "to": ..., "data": ...} */
static char *call_params(const uint8_t *from, const struct contract_tx *tx)
{
	char hex[2 * CHAIN_ADDRESS + 1], *text = NULL;
	size_t len, i;
	FILE *out = open_memstream(&text, &len);

	if (!out)
		return NULL;
	fprintf(out, "[{\"from\":\"0x%s\"",
		libdstack_to_hex(from, CHAIN_ADDRESS, hex));
	if (tx->to)
		fprintf(out, ",\"to\":\"0x%s\"",
			libdstack_to_hex(tx->to, CHAIN_ADDRESS, hex));
	fputs(",\"data\":\"0x", out);
	for (i = 0; i < tx->data.len; i++)
		fprintf(out, "%02x", tx->data.data[i]);
	fputs("\"}]", out);
	if (!fclose(out))
		return text;
	free(text);
	return NULL;
}

/* -EACCES if the server says what the code returned. */
static int read_refusal(yyjson_val *refusal, struct chain_why *why)
{
	yyjson_val *said = yyjson_obj_get(refusal, "data");
	uint8_t data[REFUSAL_MAX];
	char text[CONTRACT_TEXT];
	size_t len;

	if (yyjson_is_obj(said))
		said = yyjson_obj_get(said, "data");
	if (!chain_json_data(said, data, sizeof(data), &len))
		return -EREMOTEIO;
	why->text[0] = 0;
	return chain_fail(why, -EACCES, "the contract refuses: %s",
			  contract_refusal(data, len, text));
}

static int estimate_by(const struct chain_client *client, const char *url,
		       const char *params, uint64_t *gas,
		       struct chain_why *why)
{
	yyjson_val *result, *refusal;
	yyjson_doc *doc;
	int err = chain_rpc_try(client, url, "eth_estimateGas", params, &doc,
				&result, &refusal, why);

	if (refusal)
		err = read_refusal(refusal, why);
	else if (!err && !chain_json_u64(result, gas))
		err = chain_fail(why, -EBADMSG, "it gives no number of gas");
	yyjson_doc_free(doc);
	return err;
}

/* The contract's own words are told before those of servers. */
static int estimate_all(const struct chain_client *client, const char *params,
			uint64_t *gas, struct chain_why *why)
{
	struct numbers numbers = { .err = -EINVAL };
	struct chain_why own, refused = { "" };
	size_t i;
	int err;

	for (i = 0; i < client->nr; i++) {
		own.text[0] = 0;
		err = estimate_by(client, client->urls[i], params,
				  &numbers.list[numbers.nr], &own);
		numbers.nr += !err;
		if (err == -EACCES)
			refused = own;
		else if (err)
			numbers.err = contract_blame(&numbers.first, err, i,
						     &own);
	}
	if (!numbers.nr && refused.text[0])
		return chain_fail(why, -EACCES, "%s", refused.text);
	return middle(&numbers, gas, why);
}

int contract_estimate(const struct contract_sender *sender,
		      struct contract_tx *tx, struct chain_why *why)
{
	char *params = call_params(sender->from, tx);
	int err;

	if (!params)
		return chain_fail(why, -ENOMEM, "out of memory");
	err = estimate_all(sender->client, params, &tx->gas, why);
	free(params);
	if (err)
		return err;
	if (tx->gas > GAS_MAX)
		return chain_fail(why, -EFBIG,
				  "a server wants %llu gas for it, more than a transaction can have",
				  (unsigned long long)tx->gas);
	/* What others send before it may make it dearer. */
	tx->gas += tx->gas / 5;
	if (tx->gas > GAS_MAX)
		tx->gas = GAS_MAX;
	return 0;
}

/*
 * The rest
 */

/* Twice the fee of now holds for six full blocks. */
static int set_fees(const struct contract_sender *sender,
		    struct contract_tx *tx, struct chain_why *why)
{
	const struct chain_client *client = sender->client;
	struct chain_why ignored = { "" };
	uint64_t base;
	int err = ask(client, "eth_getBlockByNumber", "[\"latest\",false]",
		      "baseFeePerGas", &base, why);

	if (err)
		return err;
	if (ask(client, "eth_maxPriorityFeePerGas", "[]", NULL,
		&tx->priority_fee, &ignored))
		tx->priority_fee = GWEI;
	/* The bound is far below half of what a u64 has. */
	if (base > sender->max_fee || tx->priority_fee > sender->max_fee ||
	    2 * base + tx->priority_fee > sender->max_fee)
		return chain_fail(why, -EFBIG,
				  "a server wants %llu and %llu gwei for a unit of gas, more than the %llu that --max-fee allows",
				  (unsigned long long)(base / GWEI),
				  (unsigned long long)(tx->priority_fee / GWEI),
				  (unsigned long long)(sender->max_fee / GWEI));
	tx->max_fee = 2 * base + tx->priority_fee;
	return 0;
}

int contract_newest(const struct chain_client *client,
		    struct chain_view *view, struct chain_why *why)
{
	struct chain_head head = { .number = 0 };

	return chain_client_agree(client, &head, time(NULL), view, why);
}

/* Behind what it sent before, in a block or not. */
static int set_nonce(const struct contract_sender *sender,
		     struct contract_tx *tx, struct chain_why *why)
{
	char hex[2 * CHAIN_ADDRESS + 1], params[64];

	snprintf(params, sizeof(params), "[\"0x%s\",\"pending\"]",
		 libdstack_to_hex(sender->from, CHAIN_ADDRESS, hex));
	return ask(sender->client, "eth_getTransactionCount", params, NULL,
		   &tx->nonce, why);
}

int contract_prepare(const struct contract_sender *sender,
		     struct contract_tx *tx, struct chain_why *why)
{
	struct chain_client client = *sender->client;
	struct chain_view view;
	int err;

	/* Of the right chain, and of today. */
	client.tag = "latest";
	err = contract_newest(&client, &view, why);
	if (!err)
		err = contract_estimate(sender, tx, why);
	if (!err)
		err = set_fees(sender, tx, why);
	return err ?: set_nonce(sender, tx, why);
}
