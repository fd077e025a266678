// SPDX-License-Identifier: MIT
/*
 * A contract as its compiler made it
 *
 * Copyright The dstack for Linux authors
 *
 * Of the files that contracts/build.mjs writes.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "room.h"

#define WORD		32
#define CODE_MAX	49152	/* EIP-3860, with its arguments */
#define DEPLOYED_MAX	24576	/* EIP-170 */
#define ARGS_ROOM	256

static uint8_t *read_code(yyjson_val *value, size_t max, size_t *len)
{
	uint8_t *code = malloc(max + ARGS_ROOM);

	if (code && chain_json_data(value, code, max, len) && *len)
		return code;
	free(code);
	return NULL;
}

/* {"123": [{"start": 4, "length": 32}]}: each is the contract's address. */
static bool read_places(yyjson_val *lists, struct contract_build *build)
{
	yyjson_obj_iter iter = yyjson_obj_iter_with(lists);
	yyjson_arr_iter places;
	yyjson_val *key, *place;
	uint64_t start;

	while ((key = yyjson_obj_iter_next(&iter))) {
		places = yyjson_arr_iter_with(yyjson_obj_iter_get_val(key));
		while ((place = yyjson_arr_iter_next(&places))) {
			start = yyjson_get_uint(yyjson_obj_get(place, "start"));
			if (build->nr_places == CONTRACT_PLACES_MAX ||
			    yyjson_get_uint(yyjson_obj_get(place, "length")) !=
				    WORD ||
			    start > build->deployed_len ||
			    build->deployed_len - start < WORD)
				return false;
			build->places[build->nr_places++] = start;
		}
	}
	return true;
}

int contract_build_read(const char *text, size_t len,
			struct contract_build *build, struct chain_why *why)
{
	yyjson_doc *doc = yyjson_read(text, len, 0);
	yyjson_val *root = yyjson_doc_get_root(doc);
	bool good;

	memset(build, 0, sizeof(*build));
	build->code = read_code(yyjson_obj_get(root, "bytecode"), CODE_MAX,
				&build->code_len);
	build->deployed = read_code(yyjson_obj_get(root, "deployed"),
				    DEPLOYED_MAX, &build->deployed_len);
	good = build->code && build->deployed &&
		read_places(yyjson_obj_get(root, "immutable"), build);
	yyjson_doc_free(doc);
	if (good)
		return 0;
	contract_build_clear(build);
	return chain_fail(why, -EINVAL, "it is no contract of 'make contracts'");
}

void contract_build_clear(struct contract_build *build)
{
	free(build->code);
	free(build->deployed);
	memset(build, 0, sizeof(*build));
}

int contract_build_hash(struct contract_build *build,
			const uint8_t address[CHAIN_ADDRESS],
			uint8_t hash[CHAIN_HASH], struct chain_why *why)
{
	size_t i;

	for (i = 0; i < build->nr_places; i++)
		memcpy(build->deployed + build->places[i] + WORD -
		       CHAIN_ADDRESS, address, CHAIN_ADDRESS);
	return chain_keccak(build->deployed, build->deployed_len, hash) ? 0 :
		chain_fail(why, -EIO, "there is no KECCAK-256");
}
