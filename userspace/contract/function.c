// SPDX-License-Identifier: MIT
/*
 * Functions of the contracts, and how a call is written
 *
 * Copyright The dstack for Linux authors
 *
 * All that is called takes words of 32 bytes; only the constructor of a proxy
 * takes more.
 */
#include "contract.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib.h"

#define WORD	32

static const char owner[] = "owner";
static const char owner_or_guardian[] = "owner or guardian";
static const char anybody[] = "anybody";

static const struct {
	const char *signature;
	unsigned int of;
	const char *who;
} functions[__CONTRACT_FUNCTIONS] = {
	[CONTRACT_ADD_OS_IMAGE] = {
		"addOsImageHash(bytes32)", CONTRACT_OF_KMS, owner
	},
	[CONTRACT_REMOVE_OS_IMAGE] = {
		"removeOsImageHash(bytes32)", CONTRACT_OF_KMS, owner
	},
	[CONTRACT_ADD_KMS_MR] = {
		"addKmsAggregatedMr(bytes32)", CONTRACT_OF_KMS, owner
	},
	[CONTRACT_REMOVE_KMS_MR] = {
		"removeKmsAggregatedMr(bytes32)", CONTRACT_OF_KMS, owner
	},
	[CONTRACT_ADD_KMS_DEVICE] = {
		"addKmsDevice(bytes32)", CONTRACT_OF_KMS, owner
	},
	[CONTRACT_REMOVE_KMS_DEVICE] = {
		"removeKmsDevice(bytes32)", CONTRACT_OF_KMS, owner
	},
	[CONTRACT_REGISTER_APP] = {
		"registerApp(address)", CONTRACT_OF_KMS, anybody
	},
	[CONTRACT_DEPLOY_APP] = {
		"deployAndRegisterApp(address,bool,bool,bool,bytes32,bytes32)",
		CONTRACT_OF_KMS, anybody
	},
	[CONTRACT_ADD_COMPOSE_HASH] = {
		"addComposeHash(bytes32)", CONTRACT_OF_APP, owner
	},
	[CONTRACT_REMOVE_COMPOSE_HASH] = {
		"removeComposeHash(bytes32)", CONTRACT_OF_APP, owner
	},
	[CONTRACT_ADD_DEVICE] = {
		"addDevice(bytes32)", CONTRACT_OF_APP, owner
	},
	[CONTRACT_REMOVE_DEVICE] = {
		"removeDevice(bytes32)", CONTRACT_OF_APP, owner
	},
	[CONTRACT_ALLOW_ANY_DEVICE] = {
		"setAllowAnyDevice(bool)", CONTRACT_OF_APP, owner
	},
	[CONTRACT_REQUIRE_TCB] = {
		"setRequireTcbUpToDate(bool)", CONTRACT_OF_APP, owner
	},
	[CONTRACT_ANNOUNCE_POLICY] = {
		"announceExecPolicy(bytes32,uint64)", CONTRACT_OF_APP, owner
	},
	[CONTRACT_REVOKE_POLICY] = {
		"revokeExecPolicy(uint64)", CONTRACT_OF_APP, owner_or_guardian
	},
	[CONTRACT_PIN_DEVICE] = {
		"pinDevice(bytes32)", CONTRACT_OF_APP, owner
	},
	[CONTRACT_UNPIN_DEVICE] = {
		"revokeDevicePin(bytes32)", CONTRACT_OF_APP, owner_or_guardian
	},
	[CONTRACT_REQUIRE_PINS] = {
		"setDevicePinsRequired(bool)", CONTRACT_OF_APP, owner
	},
	[CONTRACT_SET_DELAY] = {
		"setDelay(uint64)", CONTRACT_OF_KMS | CONTRACT_OF_APP, owner
	},
	[CONTRACT_SET_GUARDIAN] = {
		"setGuardian(address)", CONTRACT_OF_KMS | CONTRACT_OF_APP, owner
	},
	[CONTRACT_ANNOUNCE_KEYS] = {
		"announceKeyEpoch(uint64,uint64)",
		CONTRACT_OF_KMS | CONTRACT_OF_APP, owner
	},
	[CONTRACT_REVOKE_KEYS] = {
		"revokeKeyEpoch(uint64)", CONTRACT_OF_KMS | CONTRACT_OF_APP,
		owner_or_guardian
	},
};

const char *contract_signature(enum contract_function function)
{
	return functions[function].signature;
}

unsigned int contract_of(enum contract_function function)
{
	return functions[function].of;
}

const char *contract_who(enum contract_function function)
{
	return functions[function].who;
}

/* Where the type of argument @i begins, or NULL. */
static const char *type_of(enum contract_function function, size_t i)
{
	const char *type = strchr(functions[function].signature, '(');

	while (type && i--)
		type = strchr(type + 1, ',');
	return type ? type + 1 : NULL;
}

static bool is_type(const char *type, const char *name)
{
	return !strncmp(type, name, strlen(name));
}

size_t contract_args(enum contract_function function)
{
	size_t nr = 0;

	while (type_of(function, nr))
		nr++;
	return nr;
}

void contract_put_u64(uint8_t word[32], uint64_t value)
{
	size_t i;

	memset(word, 0, WORD);
	for (i = WORD; value; value >>= 8)
		word[--i] = value;
}

uint64_t contract_get_u64(const uint8_t word[32])
{
	uint64_t value = 0;
	size_t i;

	for (i = WORD - sizeof(value); i < WORD; i++)
		value = value << 8 | word[i];
	return value;
}

static bool from_hex(const char *text, uint8_t *out, size_t len)
{
	if (text[0] == '0' && text[1] == 'x')
		text += 2;
	return libdstack_from_hex(text, strlen(text), out, len);
}

bool contract_address(const char *text, uint8_t address[CHAIN_ADDRESS])
{
	return from_hex(text, address, CHAIN_ADDRESS);
}

static bool set_bool(uint8_t *word, const char *text)
{
	bool yes = !strcmp(text, "true");

	contract_put_u64(word, yes);
	return yes || !strcmp(text, "false");
}

int contract_set_arg(struct contract_call *call, size_t i, const char *text,
		     struct chain_why *why)
{
	const char *type = type_of(call->function, i);
	uint8_t *word = call->args[i];
	uint64_t value;

	memset(word, 0, WORD);
	if (is_type(type, "bytes32"))
		return from_hex(text, word, WORD) ? 0 :
			chain_fail(why, -EINVAL, "'%.80s' is not 64 hex digits",
				   text);
	if (is_type(type, "address"))
		return contract_address(text, word + WORD - CHAIN_ADDRESS) ? 0 :
			chain_fail(why, -EINVAL,
				   "'%.80s' is no address: 40 hex digits",
				   text);
	if (is_type(type, "bool"))
		return set_bool(word, text) ? 0 :
			chain_fail(why, -EINVAL,
				   "'%.80s' is neither true nor false", text);
	if (!libdstack_parse_u64(text, UINT64_MAX, &value))
		return chain_fail(why, -EINVAL, "'%.80s' is no number", text);
	contract_put_u64(word, value);
	return 0;
}

char *contract_arg_text(const struct contract_call *call, size_t i,
			char text[CONTRACT_TEXT])
{
	const char *type = type_of(call->function, i);
	const uint8_t *word = call->args[i];

	snprintf(text, CONTRACT_TEXT, "0x");
	if (is_type(type, "bytes32"))
		libdstack_to_hex(word, WORD, text + 2);
	else if (is_type(type, "address"))
		libdstack_to_hex(word + WORD - CHAIN_ADDRESS, CHAIN_ADDRESS,
				 text + 2);
	else if (is_type(type, "bool"))
		snprintf(text, CONTRACT_TEXT, "%s",
			 word[WORD - 1] ? "true" : "false");
	else
		snprintf(text, CONTRACT_TEXT, "%llu",
			 (unsigned long long)contract_get_u64(word));
	return text;
}

bool contract_selector(const char *signature, uint8_t selector[4])
{
	uint8_t hash[CHAIN_HASH];

	if (!chain_keccak(signature, strlen(signature), hash))
		return false;
	memcpy(selector, hash, 4);
	return true;
}

bool contract_encode(const struct contract_call *call,
		     uint8_t data[CONTRACT_CALL_MAX], size_t *len)
{
	size_t nr = contract_args(call->function);

	if (!contract_selector(contract_signature(call->function), data))
		return false;
	memcpy(data + 4, call->args, nr * WORD);
	*len = 4 + nr * WORD;
	return true;
}

/* initialize(address,address) is what the proxy calls when it is made. */
bool contract_encode_proxy(const uint8_t implementation[CHAIN_ADDRESS],
			   const uint8_t kms_owner[CHAIN_ADDRESS],
			   const uint8_t app_code[CHAIN_ADDRESS], uint8_t *out,
			   size_t *len)
{
	const size_t call = 4 + 2 * WORD, padded = 3 * WORD;

	if (*len < 3 * WORD + padded ||
	    !contract_selector("initialize(address,address)",
			       out + 3 * WORD))
		return false;
	*len = 3 * WORD + padded;
	contract_put_u64(out, 0);
	memcpy(out + WORD - CHAIN_ADDRESS, implementation, CHAIN_ADDRESS);
	contract_put_u64(out + WORD, 2 * WORD);
	contract_put_u64(out + 2 * WORD, call);
	memset(out + 3 * WORD + 4, 0, padded - 4);
	memcpy(out + 3 * WORD + 4 + WORD - CHAIN_ADDRESS, kms_owner,
	       CHAIN_ADDRESS);
	memcpy(out + 3 * WORD + 4 + 2 * WORD - CHAIN_ADDRESS, app_code,
	       CHAIN_ADDRESS);
	return true;
}
