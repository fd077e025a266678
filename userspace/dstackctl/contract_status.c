// SPDX-License-Identifier: MIT
/*
 * dstackctl contract status: who decides, what is in force, what is announced
 *
 * Copyright The dstack for Linux authors
 */
#include "contract.h"
#include "policy.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <string.h>

static bool is_set(const uint8_t *data, size_t len)
{
	static const uint8_t zero[32];

	return memcmp(data, zero, len) != 0;
}

/* NULL in JSON where nobody is named. */
static json_t *address_json(const uint8_t address[CHAIN_ADDRESS])
{
	return is_set(address, CHAIN_ADDRESS) ?
		contract_hex_json(address, CHAIN_ADDRESS) : json_null();
}

static json_t *number_json(uint64_t value)
{
	return json_integer((json_int_t)value);
}

/* { "value": ..., "activeAt": ... }, or null if nothing is announced. */
static void put_announced(json_t *root, const char *name, json_t *value,
			  uint64_t at)
{
	json_t *announced = json_pack("{s:o, s:I}", "value", value, "activeAt",
				      (json_int_t)at);

	if (at) {
		json_object_set_new(root, name, announced);
		return;
	}
	json_decref(announced);
	json_object_set_new(root, name, json_null());
}

static json_t *policy_json(const struct contract_policy *policy)
{
	if (!policy->epoch)
		return json_null();
	return json_pack("{s:I, s:o, s:I, s:o}", "epoch",
			 (json_int_t)policy->epoch, "root",
			 contract_hex_json(policy->root, 32), "activeAt",
			 (json_int_t)policy->active_at, "revokedAt",
			 policy->revoked_at ? number_json(policy->revoked_at) :
			 json_null());
}

static json_t *keys_json(const struct contract_state *state)
{
	const struct chain_epochs *keys = &state->keys;
	json_t *next = state->next_keys_at ?
		json_pack("{s:I, s:I, s:I}", "epoch",
			  (json_int_t)state->next_keys, "startsAt",
			  (json_int_t)state->next_keys_at,
			  "previousRetiresAt",
			  (json_int_t)state->next_keys_retire) : json_null();

	return json_pack("{s:I, s:I, s:I, s:o}", "current",
			 (json_int_t)keys->current, "previousRetiresAt",
			 (json_int_t)keys->previous_ends, "firstLive",
			 (json_int_t)keys->first_live, "announced", next);
}

static void add_ours(json_t *root, const struct contract_state *state)
{
	contract_put_number(root, "delay", state->delay);
	put_announced(root, "announcedDelay", number_json(state->next_delay),
		      state->next_delay_at);
	json_object_set_new(root, "guardian", address_json(state->guardian));
	put_announced(root, "announcedGuardian",
		      address_json(state->next_guardian),
		      state->next_guardian_at);
	put_announced(root, "announcedImplementation",
		      address_json(state->next_code), state->next_code_at);
	json_object_set_new(root, "keyEpochs", keys_json(state));
	if (!state->is_app)
		return;
	json_object_set_new(root, "execPolicy", policy_json(&state->policy));
	json_object_set_new(root, "announcedExecPolicy",
			    policy_json(&state->next_policy));
	json_object_set_new(root, "devicePinsRequired",
			    json_boolean(state->pins_required));
	json_object_set_new(root, "devicePinsEndAt", state->pins_end_at ?
			    number_json(state->pins_end_at) : json_null());
}

static json_t *state_json(const uint8_t *address,
			  const struct contract_state *state)
{
	json_t *root = json_pack("{s:o, s:s, s:s, s:o, s:o}", "address",
				 contract_hex_json(address, CHAIN_ADDRESS),
				 "contract",
				 state->is_app ? "DstackApp" : "DstackKms",
				 "evidence",
				 state->asked ? "asked" : "proven", "owner",
				 address_json(state->owner), "pendingOwner",
				 address_json(state->pending_owner));

	if (!state->asked)
		json_object_set_new(root, "implementation",
				    address_json(state->implementation));
	if (!state->is_app)
		json_object_set_new(root, "appImplementation",
				    address_json(state->app_code));
	if (!state->is_app && !state->asked)
		json_object_set_new(root, "gatewayAppId",
				    json_string(state->gateway));
	if (state->is_app && !state->asked)
		json_object_set_new(root, "upgradesDisabled",
				    json_boolean(state->upgrades_off));
	if (state->is_app) {
		json_object_set_new(root, "allowAnyDevice",
				    json_boolean(state->any_device));
		json_object_set_new(root, "requireTcbUpToDate",
				    json_boolean(state->tcb_required));
	}
	if (state->is_ours)
		add_ours(root, state);
	return root;
}

/*
 * For people
 */

static void print_address(const char *name, const uint8_t *address)
{
	char hex[HEX_TEXT];

	printf("  %-18s %s\n", name, is_set(address, CHAIN_ADDRESS) ?
	       contract_hex(address, CHAIN_ADDRESS, hex) : "none");
}

static void print_bool(const char *name, bool value)
{
	printf("  %-18s %s\n", name, value ? "yes" : "no");
}

static void print_next(uint64_t at, const char *what)
{
	char text[TIME_TEXT];

	if (at)
		printf("  %-18s announced: %s, from %s on\n", "", what,
		       contract_time(at, text));
}

static void print_policy(const char *name,
			 const struct contract_policy *policy)
{
	char root[HEX_TEXT], at[TIME_TEXT];

	if (!policy->epoch)
		return;
	printf("  %-18s epoch %" PRIu64 ", root %s\n", name, policy->epoch,
	       contract_hex(policy->root, 32, root));
	printf("  %-18s from %s on\n", "",
	       contract_time(policy->active_at, at));
	if (policy->revoked_at)
		printf("  %-18s revoked at %s\n", "",
		       contract_time(policy->revoked_at, at));
}

static void print_keys(const struct contract_state *state)
{
	const struct chain_epochs *keys = &state->keys;
	char at[TIME_TEXT], text[64];

	printf("  %-18s %" PRIu64, "key epoch", keys->current);
	if (keys->previous_ends)
		printf(", the one before it until %s",
		       contract_time(keys->previous_ends, at));
	if (keys->first_live)
		printf(", revoked below %" PRIu64, keys->first_live);
	putchar('\n');
	snprintf(text, sizeof(text), "epoch %" PRIu64, state->next_keys);
	print_next(state->next_keys_at, text);
}

static void print_ours(const struct contract_state *state)
{
	char text[HEX_TEXT];

	printf("  %-18s %" PRIu64 " s\n", "delay", state->delay);
	snprintf(text, sizeof(text), "%" PRIu64 " s", state->next_delay);
	print_next(state->next_delay_at, text);
	print_address("guardian", state->guardian);
	print_next(state->next_guardian_at,
		   contract_hex(state->next_guardian, CHAIN_ADDRESS, text));
	if (state->next_code_at) {
		print_address("next code", state->next_code);
		print_next(state->next_code_at, "an upgrade");
	}
	print_keys(state);
	if (!state->is_app)
		return;
	if (!state->policy.epoch)
		printf("  %-18s none\n", "exec policy");
	print_policy("exec policy", &state->policy);
	print_policy("announced policy", &state->next_policy);
	print_bool("pins required", state->pins_required);
	print_next(state->pins_end_at, "none are");
}

static void state_print(const uint8_t *address,
			const struct contract_state *state)
{
	char hex[HEX_TEXT];

	printf("%s %s, %s\n", state->is_app ? "DstackApp" : "DstackKms",
	       contract_hex(address, CHAIN_ADDRESS, hex), state->asked ?
	       "as servers say, not proven" : "proven");
	print_address("owner", state->owner);
	if (is_set(state->pending_owner, CHAIN_ADDRESS))
		print_address("owner to come", state->pending_owner);
	if (!state->asked)
		print_address("implementation", state->implementation);
	if (state->is_app) {
		print_bool("any device", state->any_device);
		print_bool("TCB up to date", state->tcb_required);
	} else {
		print_address("applications' code", state->app_code);
	}
	if (state->is_app && !state->asked)
		print_bool("upgrades off", state->upgrades_off);
	if (!state->is_app && !state->asked) {
		printf("  %-18s ", "gateway");
		print_safe(stdout, state->gateway, strlen(state->gateway));
		puts(state->gateway[0] ? "" : "none");
	}
	if (state->is_ours)
		print_ours(state);
	else
		puts("  it is upstream's: without delay, policies and epochs");
}

/* By proof; where that is not possible and one wants it, by asking. */
static int read_state(struct contract_session *session, const uint8_t *address,
		      bool is_app, struct contract_state *state)
{
	struct chain_why why = { "" };
	char hex[HEX_TEXT];
	int err = contract_state_read(&session->source, &session->pins.known,
				      address, state, &why);

	if (!err && state->is_app != is_app) {
		error_msg("there is no Dstack%s at %s", is_app ? "App" : "Kms",
			  contract_hex(address, CHAIN_ADDRESS, hex));
		return -EINVAL;
	}
	if (err == -EOPNOTSUPP && session->options->ask) {
		why.text[0] = 0;
		err = contract_state_ask(&session->view, address, is_app,
					 state, &why);
	} else if (err == -EOPNOTSUPP) {
		error_msg("%s: name it in --pins, or --ask servers", why.text);
		return err;
	}
	return err ? contract_error(err, &why) : 0;
}

static int show(struct contract_session *session)
{
	const struct contract_options *options = session->options;
	const uint64_t time = session->source.time;
	struct contract_state kms, app;
	char at[TIME_TEXT];
	json_t *root;

	if (options->has_kms &&
	    read_state(session, options->kms, false, &kms))
		return EXIT_FAILURE;
	if (options->has_app && read_state(session, options->app, true, &app))
		return EXIT_FAILURE;
	if (!options->json) {
		printf("chain %" PRIu64 ", block %" PRIu64 " of %s\n",
		       options->client.chain_id, session->view.header.number,
		       contract_time(time, at));
		if (options->has_kms)
			state_print(options->kms, &kms);
		if (options->has_app)
			state_print(options->app, &app);
		return EXIT_SUCCESS;
	}
	root = json_pack("{s:I, s:I, s:o, s:I}", "chainId",
			 (json_int_t)options->client.chain_id, "block",
			 (json_int_t)session->view.header.number, "blockHash",
			 contract_hex_json(session->view.header.hash,
					   CHAIN_HASH), "time",
			 (json_int_t)time);
	if (options->has_kms)
		json_object_set_new(root, "kms",
				    state_json(options->kms, &kms));
	if (options->has_app)
		json_object_set_new(root, "app",
				    state_json(options->app, &app));
	return write_json("-", root);
}

int contract_status(int argc, char **argv)
{
	struct contract_options options;
	struct contract_session session;
	int status = EXIT_FAILURE;

	if (!contract_options(argc, argv, CONTRACT_READS "a", &options) ||
	    optind != argc)
		return usage_hint("contract");
	if (!contract_open(&session, &options, false)) {
		if (!options.has_kms && !options.has_app)
			error_msg("--kms ADDRESS or --app ADDRESS is needed");
		else if (!contract_look(&session))
			status = show(&session);
	}
	contract_close(&session);
	return status;
}
