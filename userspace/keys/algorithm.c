// SPDX-License-Identifier: MIT
/*
 * Algorithms by their names, which are not the same everywhere
 *
 * Copyright The dstack for Linux authors
 */
#include "keys.h"

#include <string.h>

struct name {
	const char *name;
	enum agent_algorithm algorithm;
};

static enum agent_algorithm find(const struct name *names, const char *name)
{
	for (; names->name; names++)
		if (!strcmp(name, names->name))
			return names->algorithm;
	return AGENT_UNSUPPORTED;
}

enum agent_algorithm agent_algorithm_of_key(const char *name)
{
	static const struct name names[] = {
		{ "", AGENT_SECP256K1 }, { "secp256k1", AGENT_SECP256K1 },
		{ "k256", AGENT_SECP256K1 }, { "ed25519", AGENT_ED25519 },
		{ 0 }
	};

	return find(names, name);
}

enum agent_algorithm agent_algorithm_of_signature(const char *name)
{
	static const struct name names[] = {
		{ "secp256k1", AGENT_SECP256K1 }, { "k256", AGENT_SECP256K1 },
		{ "secp256k1_prehashed", AGENT_SECP256K1_PREHASHED },
		{ "ed25519", AGENT_ED25519 }, { 0 }
	};

	return find(names, name);
}

enum agent_algorithm agent_algorithm_of_v1(const char *name)
{
	static const struct name names[] = {
		{ "secp256k1", AGENT_SECP256K1 },
		{ "ed25519", AGENT_ED25519 }, { 0 }
	};

	return find(names, name);
}
