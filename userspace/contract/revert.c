// SPDX-License-Identifier: MIT
/*
 * Why code refused, in words
 *
 * Copyright The dstack for Linux authors
 *
 * What a server says that code returned: nothing of it is trusted, and all of
 * it is only shown.
 */
#include "contract.h"

#include <stdio.h>
#include <string.h>

#include "lib.h"

#define WORD		32
#define REASON_MAX	96

/* Of OpenZeppelin's contracts and of the compiler, less Error(string). */
static const char *const errors[] = {
	"OwnableUnauthorizedAccount(address)", "OwnableInvalidOwner(address)",
	"InvalidInitialization()", "NotInitializing()",
	"UUPSUnauthorizedCallContext()",
	"UUPSUnsupportedProxiableUUID(bytes32)",
	"ERC1967InvalidImplementation(address)", "ERC1967NonPayable()",
	"AddressEmptyCode(address)", "FailedCall()", "Panic(uint256)",
};

static const char *find(const uint8_t *selector)
{
	uint8_t known[4];
	size_t i;

	for (i = 0; i < sizeof(errors) / sizeof(errors[0]); i++)
		if (contract_selector(errors[i], known) &&
		    !memcmp(known, selector, sizeof(known)))
			return errors[i];
	return NULL;
}

/* The text in Error(string), as far as there is room. */
static bool read_reason(const uint8_t *data, size_t len, char *text)
{
	uint8_t known[4];
	uint64_t reason;
	char *p;

	if (len < 4 + 2 * WORD || !contract_selector("Error(string)", known) ||
	    memcmp(data, known, sizeof(known)) != 0)
		return false;
	reason = contract_get_u64(data + 4 + WORD);
	if (reason > len - 4 - 2 * WORD)
		return false;
	if (reason > REASON_MAX)
		reason = REASON_MAX;
	snprintf(text, CONTRACT_TEXT, "%.*s", (int)reason,
		 (const char *)data + 4 + 2 * WORD);
	for (p = text; *p; p++)
		if (*p < ' ' || *p > '~')
			*p = '?';
	return true;
}

char *contract_refusal(const uint8_t *data, size_t len,
		       char text[CONTRACT_TEXT])
{
	char hex[2 * WORD + 1];
	const char *name, *type;
	size_t skip = 0;

	if (read_reason(data, len, text))
		return text;
	name = len >= 4 ? find(data) : NULL;
	if (!name) {
		snprintf(text, CONTRACT_TEXT, "%s%s",
			 len < 4 ? "without a reason" : "an unknown error 0x",
			 len < 4 ? "" : libdstack_to_hex(data, 4, hex));
		return text;
	}
	type = strchr(name, '(') + 1;
	if (*type == ')' || len < 4 + WORD) {
		snprintf(text, CONTRACT_TEXT, "%.*s", (int)(type - name - 1),
			 name);
		return text;
	}
	if (*type == 'a')
		skip = WORD - CHAIN_ADDRESS;
	else if (*type == 'u')
		skip = WORD - 1;
	snprintf(text, CONTRACT_TEXT, "%.*s(0x%s)", (int)(type - name - 1),
		 name, libdstack_to_hex(data + 4 + skip, WORD - skip, hex));
	return text;
}
