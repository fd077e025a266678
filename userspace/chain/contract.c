// SPDX-License-Identifier: MIT
/*
 * A contract behind a proxy: that its code is known, and what its slots hold
 *
 * Copyright The dstack for Linux authors
 */
#include <errno.h>
#include <string.h>

#include "lib.h"
#include "policy.h"

/* keccak256("eip1967.proxy.implementation") - 1 */
static const uint8_t implementation_slot[32] = {
	0x36, 0x08, 0x94, 0xa1, 0x3b, 0xa1, 0xa3, 0x21,
	0x06, 0x67, 0xc8, 0x28, 0x49, 0x2d, 0xb9, 0x8d,
	0xca, 0x3e, 0x20, 0x76, 0xcc, 0x37, 0x35, 0xa9,
	0x20, 0xa3, 0xca, 0x50, 0x5d, 0x38, 0x2b, 0xbc,
};

void chain_slot_at(struct chain_slot *slot, const uint8_t base[32],
		   uint8_t nr)
{
	size_t i = 32;
	unsigned int carry = nr;

	memcpy(slot->key, base, 32);
	while (carry && i--) {
		carry += slot->key[i];
		slot->key[i] = carry;
		carry >>= 8;
	}
}

bool chain_slot_of(struct chain_slot *slot, const uint8_t base[32],
		   uint8_t nr, const uint8_t key[32])
{
	struct chain_slot mapping;

	chain_slot_at(&mapping, base, nr);
	return chain_mapping_slot(key, mapping.key, slot->key);
}

uint64_t chain_slot_u64(const struct chain_slot *slot, size_t from)
{
	uint64_t value = 0;
	size_t i;

	for (i = 8; i--;)
		value = value << 8 | slot->value[31 - from - i];
	return value;
}

bool chain_slot_bool(const struct chain_slot *slot, size_t from)
{
	return slot->value[31 - from];
}

static int unknown(struct chain_why *why, const uint8_t *address,
		   const struct chain_account *account, const char *what)
{
	char where[2 * CHAIN_ADDRESS + 1], hash[2 * CHAIN_HASH + 1];

	return chain_fail(why, -EOPNOTSUPP,
			  "the %s at 0x%s has code with the hash 0x%s, which is not among those that are known",
			  what,
			  libdstack_to_hex(address, CHAIN_ADDRESS, where),
			  libdstack_to_hex(account->code_hash, CHAIN_HASH,
					   hash));
}

static bool is_proxy(const struct chain_known *known, const uint8_t *hash)
{
	size_t i;

	for (i = 0; i < known->nr_proxies; i++)
		if (!memcmp(known->proxies[i], hash, CHAIN_HASH))
			return true;
	return false;
}

static enum chain_layout find_code(const struct chain_known *known,
				   const uint8_t *hash)
{
	size_t i;

	for (i = 0; i < known->nr_codes; i++)
		if (!memcmp(known->codes[i].hash, hash, CHAIN_HASH))
			return known->codes[i].layout;
	return CHAIN_NO_LAYOUT;
}

int chain_contract_read(const struct chain_source *source,
			const struct chain_known *known,
			const uint8_t address[CHAIN_ADDRESS],
			struct chain_slot *slots, size_t nr,
			enum chain_layout *layout, struct chain_why *why)
{
	static const uint8_t zero[32 - CHAIN_ADDRESS];
	struct chain_account account;
	const uint8_t *behind;
	int err;

	*layout = CHAIN_NO_LAYOUT;
	memcpy(slots[0].key, implementation_slot, 32);
	err = source->prove(source->arg, address, slots, nr, &account, why);
	if (err || !account.has_code)
		return err;
	if (!is_proxy(known, account.code_hash))
		return unknown(why, address, &account, "contract");
	if (memcmp(slots[0].value, zero, sizeof(zero)))
		return chain_fail(why, -EBADMSG,
				  "the implementation's slot holds no address");
	behind = slots[0].value + sizeof(zero);
	err = source->prove(source->arg, behind, NULL, 0, &account, why);
	if (err)
		return err;
	*layout = find_code(known, account.code_hash);
	return *layout != CHAIN_NO_LAYOUT ? 0 :
		unknown(why, behind, &account, "implementation");
}

/* What is longer than 31 bytes is behind the hash of its slot's number. */
static int read_long(const struct chain_source *source, const uint8_t *address,
		     const struct chain_slot *slot, uint8_t *out, size_t len,
		     struct chain_why *why)
{
	struct chain_slot part;
	struct chain_account account;
	uint8_t base[32];
	size_t at, nr;
	int err;

	if (!chain_keccak(slot->key, 32, base))
		return chain_fail(why, -EIO, "there is no KECCAK-256");
	for (at = 0; at < len; at += nr) {
		nr = len - at < 32 ? len - at : 32;
		chain_slot_at(&part, base, at / 32);
		err = source->prove(source->arg, address, &part, 1, &account,
				    why);
		if (err)
			return err;
		memcpy(out + at, part.value, nr);
	}
	return 0;
}

int chain_text_read(const struct chain_source *source,
		    const uint8_t address[CHAIN_ADDRESS],
		    const struct chain_slot *slot, size_t max, uint8_t *out,
		    size_t *len, struct chain_why *why)
{
	static const uint8_t zero[24];
	uint64_t coded = chain_slot_u64(slot, 0);

	if (!(coded & 1)) {
		*len = slot->value[31] / 2;
		if (*len > 31 || *len > max)
			return chain_fail(why, -EBADMSG,
					  "a slot holds no text");
		memcpy(out, slot->value, *len);
		return 0;
	}
	if (memcmp(slot->value, zero, sizeof(zero)) || coded / 2 < 32 ||
	    coded / 2 > max || coded / 2 > 32 * UINT8_MAX)
		return chain_fail(why, -EBADMSG,
				  "a text of %llu bytes is not read: %zu are the most",
				  (unsigned long long)(coded / 2), max);
	*len = coded / 2;
	return read_long(source, address, slot, out, *len, why);
}
