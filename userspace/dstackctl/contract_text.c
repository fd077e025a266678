// SPDX-License-Identifier: MIT
/*
 * dstackctl contract: how addresses, times and calls are shown
 *
 * Copyright The dstack for Linux authors
 */
#include "contract.h"

#include <inttypes.h>
#include <time.h>

char *contract_hex(const uint8_t *data, size_t len, char text[HEX_TEXT])
{
	memcpy(text, "0x", 3);
	libdstack_to_hex(data, len, text + 2);
	return text;
}

json_t *contract_hex_json(const uint8_t *data, size_t len)
{
	char text[HEX_TEXT];

	return json_string(contract_hex(data, len, text));
}

void contract_put_hex(json_t *object, const char *name, const uint8_t *data,
		      size_t len)
{
	json_object_set_new(object, name, contract_hex_json(data, len));
}

void contract_put_number(json_t *object, const char *name, uint64_t value)
{
	json_object_set_new(object, name, json_integer((json_int_t)value));
}

void contract_put_text(json_t *object, const char *name, const char *text)
{
	/* What a contract of somebody else says may be no UTF-8. */
	json_object_set_new(object, name,
			    json_string(text) ?: json_string("?"));
}

char *contract_data_text(const uint8_t *data, size_t len)
{
	char *text = malloc(2 * len + 3);

	if (text) {
		memcpy(text, "0x", 3);
		libdstack_to_hex(data, len, text + 2);
	}
	return text;
}

char *contract_time(uint64_t at, char text[TIME_TEXT])
{
	time_t when = at > INT64_MAX ? INT64_MAX : (time_t)at;
	struct tm tm;

	if (!gmtime_r(&when, &tm) ||
	    !strftime(text, TIME_TEXT, "%F %T UTC", &tm))
		snprintf(text, TIME_TEXT, "%" PRIu64, at);
	return text;
}

json_t *contract_call_json(const struct contract_call *call,
			   const uint8_t to[CHAIN_ADDRESS])
{
	size_t nr = contract_args(call->function), len = 0, i;
	uint8_t data[CONTRACT_CALL_MAX];
	char text[CONTRACT_TEXT], *hex;
	json_t *args = json_array(), *root = json_object();

	if (!contract_encode(call, data, &len))
		len = 0;
	hex = contract_data_text(data, len);
	for (i = 0; i < nr; i++) {
		contract_arg_text(call, i, text);
		json_array_append_new(args, json_string(text));
	}
	contract_put_hex(root, "to", to, CHAIN_ADDRESS);
	contract_put_text(root, "function",
			  contract_signature(call->function));
	json_object_set_new(root, "arguments", args);
	contract_put_text(root, "data", hex ?: "");
	contract_put_text(root, "sender", contract_who(call->function));
	free(hex);
	return root;
}

void contract_call_print(const struct contract_call *call,
			 const uint8_t to[CHAIN_ADDRESS], const char *indent)
{
	const char *signature = contract_signature(call->function);
	size_t nr = contract_args(call->function), len = 0, i;
	uint8_t data[CONTRACT_CALL_MAX];
	char text[CONTRACT_TEXT], hex[HEX_TEXT], *all;

	if (!contract_encode(call, data, &len))
		len = 0;
	all = contract_data_text(data, len);
	printf("%s%.*s(", indent, (int)strcspn(signature, "("), signature);
	for (i = 0; i < nr; i++)
		printf("%s%s", i ? ", " : "", contract_arg_text(call, i, text));
	printf(")\n%s  to    %s\n%s  data  %s\n", indent,
	       contract_hex(to, CHAIN_ADDRESS, hex), indent, all ?: "");
	free(all);
}
