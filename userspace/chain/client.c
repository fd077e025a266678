// SPDX-License-Identifier: MIT
/*
 * Servers that are asked, one after the other, and none of them believed
 *
 * Copyright The dstack for Linux authors
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib.h"
#include "rpc.h"

/* What one server says of the chain. */
struct said {
	struct chain_header header;
	bool good;
};

static int check_client(const struct chain_client *client,
			struct chain_why *why)
{
	if (!client->nr || client->nr > CHAIN_SERVERS_MAX)
		return chain_fail(why, -EINVAL,
				  "%zu servers are named: from 1 to %d can be",
				  client->nr, CHAIN_SERVERS_MAX);
	/* Else two parts of them could agree on two chains. */
	if (client->quorum > client->nr || 2 * client->quorum <= client->nr)
		return chain_fail(why, -EINVAL,
				  "%zu of %zu servers are no quorum: it has to be more than half of them",
				  client->quorum, client->nr);
	return 0;
}

static int check_chain(const struct chain_client *client, const char *url,
		       struct chain_why *why)
{
	yyjson_val *result;
	yyjson_doc *doc;
	uint64_t id = 0;
	int err = chain_rpc_ask(client, url, "eth_chainId", "[]", &doc,
				&result, why);

	if (!err && !chain_json_u64(result, &id))
		err = chain_fail(why, -EBADMSG, "its chain has no number");
	if (!err && id != client->chain_id)
		err = chain_fail(why, -EBADMSG,
				 "it serves chain %llu, not %llu",
				 (unsigned long long)id,
				 (unsigned long long)client->chain_id);
	yyjson_doc_free(doc);
	return err;
}

static int ask_block(const struct chain_client *client, const char *url,
		     const char *which, struct chain_header *header,
		     struct chain_why *why)
{
	yyjson_val *result;
	char params[64];
	yyjson_doc *doc;
	int err;

	snprintf(params, sizeof(params), "[\"%s\",false]", which);
	err = chain_rpc_ask(client, url, "eth_getBlockByNumber", params, &doc,
			    &result, why);
	if (!err)
		err = chain_json_header(result, header, why);
	yyjson_doc_free(doc);
	return err;
}

static int ask_number(const struct chain_client *client, const char *url,
		      uint64_t number, struct chain_header *header,
		      struct chain_why *why)
{
	char which[32];
	int err;

	snprintf(which, sizeof(which), "0x%llx", (unsigned long long)number);
	err = ask_block(client, url, which, header, why);
	if (!err && header->number != number)
		err = chain_fail(why, -EBADMSG,
				 "it gives block %llu for block %llu",
				 (unsigned long long)header->number,
				 (unsigned long long)number);
	return err;
}

/* Why it was, in the caller's words: "server 2: ..."; URLs may have keys. */
static int blame(struct chain_why *why, int err, size_t i,
		 const struct chain_why *own)
{
	return chain_fail(why, err, "server %zu: %.*s", i + 1,
			  CHAIN_WHY_MAX - 32, own->text);
}

/* The highest number that as many as the quorum have reached, or 0. */
static uint64_t common_number(const struct chain_client *client,
			      const struct said *said)
{
	uint64_t best = 0;
	size_t i, j, nr;

	for (i = 0; i < client->nr; i++) {
		for (nr = 0, j = 0; j < client->nr; j++)
			nr += said[j].good && said[j].header.number >=
				said[i].header.number;
		if (said[i].good && nr >= client->quorum &&
		    said[i].header.number > best)
			best = said[i].header.number;
	}
	return best;
}

/* Of one server, whose thread it is. */
struct asking {
	const struct chain_client *client;
	const char *url;
	struct said *said;
	struct chain_why why;
	pthread_t thread;
	bool runs;
	int err;
};

static void *ask_head(void *arg)
{
	struct asking *asking = arg;
	const struct chain_client *client = asking->client;
	int err = check_chain(client, asking->url, &asking->why);

	if (!err)
		err = ask_block(client, asking->url, client->tag,
				&asking->said->header, &asking->why);
	asking->said->good = !err;
	asking->err = err;
	return NULL;
}

/* All at once: one that is silent takes its time, but not that of others. */
static void ask_heads(const struct chain_client *client, struct said *said,
		      struct chain_why *first)
{
	struct asking askings[CHAIN_SERVERS_MAX] = { { .err = 0 } };
	struct asking *asking;
	size_t i;

	for (i = 0; i < client->nr; i++) {
		asking = &askings[i];
		asking->client = client;
		asking->url = client->urls[i];
		asking->said = &said[i];
		asking->runs = !pthread_create(&asking->thread, NULL,
					       ask_head, asking);
		if (!asking->runs)
			ask_head(asking);
	}
	for (i = 0; i < client->nr; i++) {
		asking = &askings[i];
		if (asking->runs)
			pthread_join(asking->thread, NULL);
		if (asking->err)
			blame(first, asking->err, i, &asking->why);
	}
}

/* Everybody's block of that number; who is not there yet has none. */
static void ask_common(const struct chain_client *client, struct said *said,
		       uint64_t number, struct chain_why *first)
{
	struct chain_why why;
	size_t i;
	int err;

	for (i = 0; i < client->nr; i++) {
		if (!said[i].good || said[i].header.number == number)
			continue;
		why.text[0] = 0;
		err = said[i].header.number < number ?
			chain_fail(&why, -ESTALE, "it is behind the others") :
			ask_number(client, client->urls[i], number,
				   &said[i].header, &why);
		said[i].good = !err;
		if (err)
			blame(first, err, i, &why);
	}
}

/* One that as many as the quorum have, or NULL. */
static const struct chain_header *agreed(const struct chain_client *client,
					 const struct said *said)
{
	size_t i, j, nr;

	for (i = 0; i < client->nr; i++) {
		for (nr = 0, j = 0; said[i].good && j < client->nr; j++)
			nr += said[j].good && !memcmp(said[j].header.hash,
						      said[i].header.hash,
						      CHAIN_HASH);
		if (nr >= client->quorum)
			return &said[i].header;
	}
	return NULL;
}

int chain_client_agree(const struct chain_client *client,
		       struct chain_head *head, uint64_t now,
		       struct chain_view *view, struct chain_why *why)
{
	struct said said[CHAIN_SERVERS_MAX] = { { .good = false } };
	const struct chain_header *header;
	struct chain_why first = { "" };
	size_t i;
	int err = check_client(client, why);

	memset(view, 0, sizeof(*view));
	if (err)
		return err;
	ask_heads(client, said, &first);
	ask_common(client, said, common_number(client, said), &first);
	header = agreed(client, said);
	if (!header)
		return chain_fail(why, -EBADMSG,
				  "not %zu of %zu servers agree on a block: %.*s",
				  client->quorum, client->nr,
				  CHAIN_WHY_MAX - 80, first.text[0] ?
				  first.text : "they have different ones");
	err = chain_head_accept(head, header, &client->limits, now, why);
	if (err)
		return err;
	view->client = client;
	view->header = *header;
	for (i = 0; i < client->nr; i++)
		view->agrees[i] = said[i].good &&
			!memcmp(said[i].header.hash, header->hash, CHAIN_HASH);
	return 0;
}

/*
 * Proofs
 */

static char *proof_params(const struct chain_view *view,
			  const uint8_t *address,
			  const struct chain_slot *slots, size_t nr)
{
	char hex[2 * 32 + 1], *text = NULL;
	size_t len, i;
	FILE *out = open_memstream(&text, &len);

	if (!out)
		return NULL;
	fprintf(out, "[\"0x%s\",[",
		libdstack_to_hex(address, CHAIN_ADDRESS, hex));
	for (i = 0; i < nr; i++)
		fprintf(out, "%s\"0x%s\"", i ? "," : "",
			libdstack_to_hex(slots[i].key, 32, hex));
	fprintf(out, "],\"0x%llx\"]",
		(unsigned long long)view->header.number);
	if (!fclose(out))
		return text;
	free(text);
	return NULL;
}

static int ask_proof(const struct chain_view *view, const char *url,
		     const char *params, const uint8_t *address,
		     struct chain_slot *slots, size_t nr,
		     struct chain_account *account, struct chain_why *why)
{
	yyjson_val *result;
	yyjson_doc *doc;
	int err = chain_rpc_ask(view->client, url, "eth_getProof", params,
				&doc, &result, why);

	if (!err)
		err = chain_json_prove(result, view->header.state_root,
				       address, slots, nr, account, why);
	yyjson_doc_free(doc);
	return err;
}

/* The i-th to be asked: first those that have the block. */
static size_t in_turn(const struct chain_view *view, size_t i)
{
	bool agrees = true;
	size_t at;

	for (;; agrees = false)
		for (at = 0; at < view->client->nr; at++)
			if (view->agrees[at] == agrees && !i--)
				return at;
}

int chain_view_prove(void *arg, const uint8_t address[CHAIN_ADDRESS],
		     struct chain_slot *slots, size_t nr,
		     struct chain_account *account, struct chain_why *why)
{
	const struct chain_view *view = arg;
	struct chain_why own, first = { "" };
	char *params;
	size_t i, at;
	int err = -EINVAL;

	if (!view->client || nr > CHAIN_SLOTS_MAX)
		return chain_fail(why, -EINVAL, "there is nothing to prove by");
	params = proof_params(view, address, slots, nr);
	if (!params)
		return chain_fail(why, -ENOMEM, "out of memory");
	for (i = 0; err && i < view->client->nr; i++) {
		own.text[0] = 0;
		at = in_turn(view, i);
		err = ask_proof(view, view->client->urls[at], params, address,
				slots, nr, account, &own);
		if (err)
			blame(&first, err, at, &own);
	}
	free(params);
	if (!err)
		return 0;
	/* Whatever the last one did not prove is not used either. */
	memset(account, 0, sizeof(*account));
	for (i = 0; i < nr; i++)
		memset(slots[i].value, 0, sizeof(slots[i].value));
	return chain_fail(why, err, "no server proves what is asked: %.*s",
			  CHAIN_WHY_MAX - 48, first.text);
}
