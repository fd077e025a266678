// SPDX-License-Identifier: MIT
/*
 * Updates of a light client from a hostile server
 *
 * Copyright The dstack for Linux authors
 *
 * 'h': a header for light clients; 'u': an update; 'b': a bootstrap, of
 * whatever block it is of; 's': a state that was kept.  Nobody signs any of it,
 * so that a state stays as it was.
 */
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "../chain/light/light.h"

#define NOW		1800000000
#define HEADER_SIZE	(244 + 584)
#define FIXED		(8 + 7 * CHAIN_HASH + LIGHT_AGGREGATE_SIZE + 8)

static void follow(struct chain_bytes in)
{
	static struct light_store store, before;
	struct chain_why why = { "" };

	store.current.known = true;
	store.current.period = 1422;
	before = store;
	must(light_update(&light_mainnet, &store, in, NOW, &why) &&
	     why.text[0]);
	must(!memcmp(&store, &before, sizeof(store)));
}

static void begin(struct chain_bytes in)
{
	static struct light_store store;
	struct chain_why why = { "" };
	struct light_header header = { .slot = 0 };
	const size_t fixed = 4 + LIGHT_COMMITTEE_SIZE + 6 * CHAIN_HASH;
	struct chain_bytes rest = in;

	if (in.len > fixed) {
		rest.data += fixed;
		rest.len -= fixed;
		light_header_read(rest, &header, &why);
	}
	why.text[0] = 0;
	must(light_begin(&light_mainnet, header.root, in, &store, &why) &&
	     !store.current.known);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static struct light_store store;
	struct chain_why why = { "" };
	struct light_header header;
	struct chain_bytes in;
	uint8_t *copy;

	if (!len || len > 1 << 17)
		return 0;
	copy = fuzz_copy(data + 1, len - 1);
	in = (struct chain_bytes){ copy, len - 1 };
	if (data[0] == 'h' && !light_header_read(in, &header, &why))
		must(in.len >= HEADER_SIZE);
	else if (data[0] == 'u')
		follow(in);
	else if (data[0] == 'b')
		begin(in);
	else if (data[0] == 's' && !light_load(in, &store, &why))
		must(in.len == LIGHT_SAVED_SIZE && store.current.known);
	free(copy);
	return 0;
}

static void put_header(uint8_t *out)
{
	memset(out, 0, HEADER_SIZE);
	out[2] = 0xb1;		/* a slot of Electra's */
	out[112] = 244;
	out[244 + 436] = 584 & 255;
	out[244 + 437] = 584 >> 8;
}

void fuzz_seeds(void)
{
	static uint8_t bytes[1 + FIXED + LIGHT_SAVED_SIZE];
	uint8_t *at = bytes + 1;

	bytes[0] = 'h';
	put_header(at);
	fuzz_seed(bytes, 1 + HEADER_SIZE);
	memset(bytes, 0, sizeof(bytes));
	bytes[0] = 'u';
	at[0] = FIXED & 255;
	at[1] = FIXED >> 8;
	at[4] = (FIXED + HEADER_SIZE) & 255;
	at[5] = (FIXED + HEADER_SIZE) >> 8;
	put_header(at + FIXED);
	put_header(at + FIXED + HEADER_SIZE);
	fuzz_seed(bytes, 1 + FIXED + 2 * HEADER_SIZE);
	memset(bytes, 0, sizeof(bytes));
	memcpy(bytes, "sDSLIGHT1", 9);
	fuzz_seed(bytes, 1 + LIGHT_SAVED_SIZE);
	fuzz_seed_text("b");
}
