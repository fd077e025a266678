// SPDX-License-Identifier: MIT
/*
 * What a boot lacks of being allowed, and the transactions that would mend it
 *
 * Copyright The dstack for Linux authors
 *
 * The contracts give one reason at a time.  So each is taken away in a copy of
 * what is proven, and they are asked again, until they say yes or there is
 * nothing that a transaction could do.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "room.h"

#define WORD	32

enum {
	CURRENT_ROOT, CURRENT, NEXT_ROOT, NEXT, PINS, PIN,
};

static const char tcb_reason[] = "TCB status is not up to date";

enum note {
	NO_NOTE, ONLY_UPDATE, BETTER_UPDATE, NO_APP, NO_ROOT, WAITS, ANY_DEVICE,
	NAMES_NONE,
};

static const char *const notes[] = {
	[NO_NOTE] = NULL,
	[ONLY_UPDATE] =
		"no transaction allows this: update the platform's firmware and microcode",
	[BETTER_UPDATE] =
		"better: update the platform's firmware and microcode",
	[NO_APP] =
		"nothing is at this id, and no transaction puts anything there: 'dstackctl contract app-deploy' makes an application with an id of its own",
	[NO_ROOT] =
		"name the root of another policy by --root; 'dstackctl policy show' prints it",
	[WAITS] =
		"it is announced already: nothing is to be done but to wait",
	[ANY_DEVICE] =
		"the boot names no device: so this lets any in",
	[NAMES_NONE] =
		"the boot names none, and none can't be allowed",
};

struct rule {
	const char *reason;
	bool of_kms;			/* who has to be told */
	bool may_be_kms;		/* the boot, that is */
	bool may_be_app;
	bool has_call;
	enum contract_function function;
	size_t from;			/* of struct chain_boot: the argument */
	size_t len;			/* 0: none, which is false */
	enum note note;
};

#define AT(member)	offsetof(struct chain_boot, member)

static const struct rule rules[] = {
	{ "App not registered", true, false, true, true,
	  CONTRACT_REGISTER_APP, AT(app_id), CHAIN_ADDRESS, NO_NOTE },
	{ "OS image is not allowed", true, true, true, true,
	  CONTRACT_ADD_OS_IMAGE, AT(os_image_hash), WORD, NO_NOTE },
	{ "Aggregated MR not allowed", true, true, false, true,
	  CONTRACT_ADD_KMS_MR, AT(mr_aggregated), WORD, NO_NOTE },
	{ "KMS is not allowed to boot on this device", true, true, false, true,
	  CONTRACT_ADD_KMS_DEVICE, AT(device_id), WORD, NO_NOTE },
	{ tcb_reason, true, true, false, false, __CONTRACT_FUNCTIONS, 0, 0,
	  ONLY_UPDATE },
	{ tcb_reason, false, false, true, true, CONTRACT_REQUIRE_TCB, 0, 0,
	  BETTER_UPDATE },
	{ "App not deployed or invalid address", false, false, true, false,
	  __CONTRACT_FUNCTIONS, 0, 0, NO_APP },
	{ "Compose hash not allowed", false, false, true, true,
	  CONTRACT_ADD_COMPOSE_HASH, AT(compose_hash), WORD, NO_NOTE },
	{ "Device not allowed", false, false, true, true,
	  CONTRACT_ADD_DEVICE, AT(device_id), WORD, NO_NOTE },
	{ "Device not pinned", false, false, true, true,
	  CONTRACT_PIN_DEVICE, AT(device_id), WORD, NO_NOTE },
	{ "Exec policy revoked", false, false, true, true,
	  CONTRACT_ANNOUNCE_POLICY, 0, 0, NO_NOTE },
};

static const struct rule *find_rule(const char *reason, bool is_kms)
{
	size_t i;

	for (i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
		if (!strcmp(rules[i].reason, reason) &&
		    (is_kms ? rules[i].may_be_kms : rules[i].may_be_app))
			return &rules[i];
	return NULL;
}

static bool is_zero(const uint8_t *word)
{
	static const uint8_t zero[WORD];

	return !memcmp(word, zero, WORD);
}

bool contract_remedy_of(const struct contract_question *question,
			const char *reason, struct contract_remedy *remedy)
{
	const struct chain_boot *boot = question->boot;
	const struct rule *rule = find_rule(reason, question->is_kms);
	uint8_t *word = remedy->call.args[0];

	memset(remedy, 0, sizeof(*remedy));
	snprintf(remedy->reason, sizeof(remedy->reason), "%s", reason);
	if (!rule)
		return false;
	memcpy(remedy->to, rule->of_kms ? question->kms : boot->app_id,
	       CHAIN_ADDRESS);
	remedy->has_call = rule->has_call;
	remedy->note = notes[rule->note];
	remedy->call.function = rule->function;
	memcpy(word + WORD - rule->len, (const uint8_t *)boot + rule->from,
	       rule->len);
	/* The contract takes 0 for no device and no hash. */
	if (rule->has_call && rule->len && !rule->of_kms && is_zero(word)) {
		remedy->has_call = rule->function == CONTRACT_ADD_DEVICE;
		remedy->call.function = CONTRACT_ALLOW_ANY_DEVICE;
		word[WORD - 1] = remedy->has_call;
		remedy->note = notes[remedy->has_call ? ANY_DEVICE :
				     NAMES_NONE];
	}
	return true;
}

/*
 * What is announced and waits is not announced again.  A policy that was
 * revoked needs another, of a greater epoch.
 */
static int look_at_policy(const struct contract_question *question,
			  const struct contract_state *state,
			  struct contract_remedy *remedy,
			  struct chain_why *why)
{
	const struct chain_source *source = question->source;
	struct chain_slot slots[CHAIN_POLICY_SLOTS];
	const struct contract_policy *next = &state->next_policy;
	uint64_t epoch = state->policy.epoch, at;
	struct chain_account account;
	int err;

	if (remedy->call.function == CONTRACT_PIN_DEVICE) {
		if (!chain_policy_slots(slots, question->boot->device_id))
			return chain_fail(why, -EIO, "there is no KECCAK-256");
		err = source->prove(source->arg, remedy->to, &slots[PIN], 1,
				    &account, why);
		if (err)
			return err;
		at = chain_slot_u64(&slots[PIN], 0);
		if (at > source->time && !chain_slot_u64(&slots[PIN], 8))
			remedy->wait_until = at;
		return 0;
	}
	if (next->epoch > epoch && !next->revoked_at) {
		remedy->wait_until = next->active_at;
		memcpy(remedy->call.args[0], next->root, WORD);
		contract_put_u64(remedy->call.args[1], next->epoch);
		return 0;
	}
	if (next->epoch > epoch)
		epoch = next->epoch;
	contract_put_u64(remedy->call.args[1], epoch + 1);
	if (question->root)
		memcpy(remedy->call.args[0], question->root, WORD);
	else
		remedy->note = notes[NO_ROOT];
	return 0;
}

static int complete(const struct contract_question *question,
		    struct contract_remedy *remedy, struct chain_why *why)
{
	struct contract_state state;
	int err;

	if (!remedy->has_call)
		return 0;
	err = contract_state_read(question->source, question->known,
				  remedy->to, &state, why);
	if (err)
		return err;
	if (strcmp(contract_who(remedy->call.function), "anybody") != 0)
		memcpy(remedy->owner, state.owner, CHAIN_ADDRESS);
	if (remedy->call.function != CONTRACT_PIN_DEVICE &&
	    remedy->call.function != CONTRACT_ANNOUNCE_POLICY)
		return 0;
	remedy->delay = state.delay;
	err = look_at_policy(question, &state, remedy, why);
	if (!err && remedy->wait_until)
		remedy->note = notes[WAITS];
	return err;
}

/* What the contracts would say after the calls so far. */
static int judge(const struct contract_question *question,
		 struct contract_overlay *overlay,
		 struct chain_verdict *verdict, struct chain_why *why)
{
	const struct chain_source source = {
		.prove = contract_overlay_prove, .arg = overlay,
		.time = question->source->time,
	};

	return (question->is_kms ? chain_kms_allowed : chain_app_allowed)
		(&source, question->known, question->kms, question->boot,
		 verdict, why);
}

static bool apply(struct contract_overlay *overlay,
		  const struct contract_remedy *remedy)
{
	struct contract_call call = remedy->call;

	/* Any root shows what would be. */
	if (call.function == CONTRACT_ANNOUNCE_POLICY &&
	    is_zero(call.args[0]))
		memset(call.args[0], 0xff, WORD);
	return remedy->has_call && contract_apply(overlay, remedy->to, &call);
}

int contract_why(const struct contract_question *question,
		 struct contract_answer *answer, struct chain_why *why)
{
	struct contract_overlay overlay = { .below = question->source };
	struct contract_remedy *remedy;
	struct chain_verdict verdict;
	int err;

	memset(answer, 0, sizeof(*answer));
	err = judge(question, &overlay, &answer->verdict, why);
	verdict = answer->verdict;
	while (!err && !verdict.allowed &&
	       answer->nr < CONTRACT_REMEDIES_MAX) {
		remedy = &answer->remedies[answer->nr++];
		if (!contract_remedy_of(question, verdict.reason, remedy)) {
			remedy->note = "nothing is known that would allow it";
			return 0;
		}
		err = complete(question, remedy, why);
		if (err || !apply(&overlay, remedy))
			return err;
		err = judge(question, &overlay, &verdict, why);
	}
	answer->can_be_allowed = !err && verdict.allowed;
	if (err != -EOPNOTSUPP || !answer->nr)
		return err;
	answer->beyond = *why;
	why->text[0] = 0;
	return 0;
}
