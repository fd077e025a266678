// SPDX-License-Identifier: MIT
/*
 * What servers say that a contract says of itself, where its code is not known
 *
 * Copyright The dstack for Linux authors
 *
 * As many as the quorum run the same getters at the same block.  Nothing of it
 * is proven, and the state has that it was asked.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib.h"
#include "room.h"

#define WORD		32
#define WORDS_MAX	4

struct answer {
	uint8_t words[WORDS_MAX][WORD];
	bool good, refused;
};

static int ask_one(const struct chain_view *view, const char *url,
		   const char *params, size_t nr, struct answer *answer,
		   struct chain_why *why)
{
	yyjson_val *result, *refusal;
	yyjson_doc *doc;
	int err = chain_rpc_try(view->client, url, "eth_call", params, &doc,
				&result, &refusal, why);

	answer->refused = refusal;
	if (!err && !chain_json_fixed(result, answer->words, nr * WORD)) {
		/* Where there is no code, or no such function, it is empty. */
		answer->refused = yyjson_equals_str(result, "0x");
		err = chain_fail(why, -EBADMSG,
				 "its answer is not what it should be");
	}
	answer->good = !err;
	yyjson_doc_free(doc);
	return err;
}

static bool is_same(const struct answer *a, const struct answer *b, size_t nr)
{
	return (a->good && b->good &&
		!memcmp(a->words, b->words, nr * WORD)) ||
		(a->refused && b->refused);
}

/* -ENODATA: as many as the quorum say that it has no such function. */
static int ask(const struct chain_view *view, const uint8_t *address,
	       const char *signature, size_t nr, struct answer *out,
	       struct chain_why *why)
{
	struct answer answers[CHAIN_SERVERS_MAX] = { { .good = false } };
	char params[320], to[2 * CHAIN_ADDRESS + 1], data[9];
	char hash[2 * CHAIN_HASH + 1];
	const struct chain_client *client = view->client;
	struct chain_why own, first = { "" };
	uint8_t selector[4];
	size_t i, j, same;
	int err;

	if (!contract_selector(signature, selector))
		return chain_fail(why, -EIO, "there is no KECCAK-256");
	snprintf(params, sizeof(params),
		 "[{\"to\":\"0x%s\",\"data\":\"0x%s\"},{\"blockHash\":\"0x%s\"}]",
		 libdstack_to_hex(address, CHAIN_ADDRESS, to),
		 libdstack_to_hex(selector, sizeof(selector), data),
		 libdstack_to_hex(view->header.hash, CHAIN_HASH, hash));
	for (i = 0; i < client->nr; i++) {
		own.text[0] = 0;
		err = ask_one(view, client->urls[i], params, nr, &answers[i],
			      &own);
		if (err)
			chain_fail(&first, err, "server %zu: %.*s", i + 1,
				   CHAIN_WHY_MAX - 32, own.text);
	}
	for (i = 0; i < client->nr; i++) {
		for (same = 0, j = 0; j < client->nr; j++)
			same += is_same(&answers[i], &answers[j], nr);
		if (same < client->quorum)
			continue;
		*out = answers[i];
		return answers[i].good ? 0 : -ENODATA;
	}
	return chain_fail(why, -EBADMSG,
			  "not %zu of %zu servers agree on %s: %.*s",
			  client->quorum, client->nr, signature,
			  CHAIN_WHY_MAX - 96, first.text[0] ? first.text :
			  "they say different things");
}

enum kind {
	ADDRESS, NUMBER, TRUTH, ROOT,
};

/* A getter, and where what it gives belongs. */
struct getter {
	const char *signature;
	unsigned int of;
	bool ours;
	size_t nr;
	struct {
		enum kind kind;
		size_t at;
	} words[WORDS_MAX];
};

#define AT(member)	offsetof(struct contract_state, member)
#define BOTH		(CONTRACT_OF_KMS | CONTRACT_OF_APP)

static const struct getter getters[] = {
	{ "owner()", BOTH, false, 1, { { ADDRESS, AT(owner) } } },
	{ "pendingOwner()", BOTH, false, 1,
	  { { ADDRESS, AT(pending_owner) } } },
	{ "appImplementation()", CONTRACT_OF_KMS, false, 1,
	  { { ADDRESS, AT(app_code) } } },
	{ "allowAnyDevice()", CONTRACT_OF_APP, false, 1,
	  { { TRUTH, AT(any_device) } } },
	{ "requireTcbUpToDate()", CONTRACT_OF_APP, false, 1,
	  { { TRUTH, AT(tcb_required) } } },
	{ "delay()", BOTH, true, 1, { { NUMBER, AT(delay) } } },
	{ "announcedDelay()", BOTH, true, 2,
	  { { NUMBER, AT(next_delay) }, { NUMBER, AT(next_delay_at) } } },
	{ "guardian()", BOTH, true, 1, { { ADDRESS, AT(guardian) } } },
	{ "announcedGuardian()", BOTH, true, 2,
	  { { ADDRESS, AT(next_guardian) },
	    { NUMBER, AT(next_guardian_at) } } },
	{ "announcedUpgrade()", BOTH, true, 2,
	  { { ADDRESS, AT(next_code) }, { NUMBER, AT(next_code_at) } } },
	{ "keyEpochs()", BOTH, true, 3,
	  { { NUMBER, AT(keys.current) }, { NUMBER, AT(keys.previous_ends) },
	    { NUMBER, AT(keys.first_live) } } },
	{ "announcedKeyEpoch()", BOTH, true, 3,
	  { { NUMBER, AT(next_keys) }, { NUMBER, AT(next_keys_at) },
	    { NUMBER, AT(next_keys_retire) } } },
	{ "execPolicy()", CONTRACT_OF_APP, true, 3,
	  { { ROOT, AT(policy.root) }, { NUMBER, AT(policy.epoch) },
	    { NUMBER, AT(policy.active_at) } } },
	{ "announcedExecPolicy()", CONTRACT_OF_APP, true, 4,
	  { { ROOT, AT(next_policy.root) }, { NUMBER, AT(next_policy.epoch) },
	    { NUMBER, AT(next_policy.active_at) },
	    { NUMBER, AT(next_policy.revoked_at) } } },
	{ "devicePinsRequired()", CONTRACT_OF_APP, true, 1,
	  { { TRUTH, AT(pins_required) } } },
	{ "devicePinsEndAt()", CONTRACT_OF_APP, true, 1,
	  { { NUMBER, AT(pins_end_at) } } },
};

static void store(const struct getter *getter, const struct answer *answer,
		  struct contract_state *state)
{
	const uint8_t *word;
	uint8_t *to;
	uint64_t number;
	size_t i;

	for (i = 0; i < getter->nr; i++) {
		word = answer->words[i];
		to = (uint8_t *)state + getter->words[i].at;
		number = contract_get_u64(word);
		switch (getter->words[i].kind) {
		case ADDRESS:
			memcpy(to, word + WORD - CHAIN_ADDRESS, CHAIN_ADDRESS);
			break;
		case NUMBER:
			memcpy(to, &number, sizeof(number));
			break;
		case TRUTH:
			*(bool *)to = number;
			break;
		case ROOT:
			memcpy(to, word, WORD);
		}
	}
}

/*
 * What was announced last may be what is in force, or what was until it was
 * revoked.
 */
static void sort_policies(struct contract_state *state)
{
	struct contract_policy *next = &state->next_policy;
	bool ended = !state->policy.epoch && next->revoked_at &&
		next->active_at <= next->revoked_at;

	if (next->epoch != state->policy.epoch && !ended)
		return;
	state->policy = *next;
	memset(next, 0, sizeof(*next));
}

static int ask_all(const struct chain_view *view, const uint8_t *address,
		   struct contract_state *state, struct chain_why *why)
{
	unsigned int of = state->is_app ? CONTRACT_OF_APP : CONTRACT_OF_KMS;
	const struct getter *getter;
	bool is_upstream = false;
	struct answer answer;
	size_t i;
	int err;

	for (i = 0; i < sizeof(getters) / sizeof(getters[0]); i++) {
		getter = &getters[i];
		if (!(getter->of & of) || (getter->ours && is_upstream))
			continue;
		err = ask(view, address, getter->signature, getter->nr,
			  &answer, why);
		is_upstream = err == -ENODATA && getter->ours;
		if (is_upstream)
			continue;
		if (err == -ENODATA)
			return chain_fail(why, -ENOENT,
					  "nothing at this address answers to %s",
					  getter->signature);
		if (err)
			return err;
		state->is_ours = getter->ours;
		store(getter, &answer, state);
	}
	return 0;
}

int contract_state_ask(const struct chain_view *view,
		       const uint8_t address[CHAIN_ADDRESS], bool is_app,
		       struct contract_state *state, struct chain_why *why)
{
	int err;

	memset(state, 0, sizeof(*state));
	state->is_app = is_app;
	state->asked = true;
	err = ask_all(view, address, state, why);
	sort_policies(state);
	contract_settle(state, view->header.time);
	return err;
}

int contract_ask_owner(const struct chain_view *view,
		       const uint8_t address[CHAIN_ADDRESS],
		       uint8_t owner[CHAIN_ADDRESS], struct chain_why *why)
{
	struct answer answer;
	int err = ask(view, address, "owner()", 1, &answer, why);

	if (err)
		return chain_fail(why, err, "nobody owns what is there");
	memcpy(owner, answer.words[0] + WORD - CHAIN_ADDRESS, CHAIN_ADDRESS);
	return 0;
}
