// SPDX-License-Identifier: MIT
/*
 * What operators are handed, and what hostile code returns
 *
 * Copyright The dstack for Linux authors
 *
 * 'b': the identity of a boot; 'p': pins; 'c': a contract as it was built; 'r':
 * what code returned when it refused.
 */
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "../contract/state.h"

static void boot(const char *text, size_t len)
{
	struct contract_boot read;
	struct chain_why why = { "" };

	if (contract_boot_read(text, len, &read, &why)) {
		must(why.text[0] && !read.doc);
		return;
	}
	must(strlen(read.boot.tcb_status) <= 128);
	must(read.boot.nr_advisory_ids <= 128);
	contract_boot_clear(&read);
}

static void pins(const char *text, size_t len)
{
	struct contract_pins read;
	struct chain_why why = { "" };
	size_t i;

	if (contract_pins_read(text, len, &read, &why)) {
		must(why.text[0]);
		return;
	}
	must(read.known.nr_codes <= CONTRACT_CODES_MAX);
	must(read.known.nr_proxies <= CONTRACT_CODES_MAX);
	for (i = 0; i < read.known.nr_codes; i++)
		must(contract_layout_name(read.codes[i].layout));
}

static void build(const char *text, size_t len)
{
	static const uint8_t address[CHAIN_ADDRESS] = { 1 };
	struct contract_build read;
	struct chain_why why = { "" };
	uint8_t hash[CHAIN_HASH];

	if (contract_build_read(text, len, &read, &why)) {
		must(why.text[0] && !read.code);
		return;
	}
	must(!contract_build_hash(&read, address, hash, &why));
	contract_build_clear(&read);
}

static void refusal(const uint8_t *data, size_t len)
{
	char text[CONTRACT_TEXT], *p;

	contract_refusal(data, len, text);
	must(memchr(text, 0, sizeof(text)));
	for (p = text; *p; p++)
		must(*p >= ' ' && *p <= '~');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	uint8_t *copy;

	if (!len || len > 65536)
		return 0;
	copy = fuzz_copy(data + 1, len - 1);
	if (data[0] == 'b')
		boot((const char *)copy, len - 1);
	else if (data[0] == 'p')
		pins((const char *)copy, len - 1);
	else if (data[0] == 'c')
		build((const char *)copy, len - 1);
	else if (data[0] == 'r')
		refusal(copy, len - 1);
	free(copy);
	return 0;
}

#define ID	"\"0x0101010101010101010101010101010101010101\""
#define HASH	"\"0x0202020202020202020202020202020202020202020202020202020202020202\""

void fuzz_seeds(void)
{
	/* Error("a"), and Panic(1). */
	uint8_t error[101] = { 'r', 0x08, 0xc3, 0x79, 0xa0 };
	uint8_t panic[37] = { 'r', 0x4e, 0x48, 0x7b, 0x71 };

	error[36] = 32;
	error[68] = 1;
	error[69] = 'a';
	panic[36] = 1;
	fuzz_seed(error, sizeof(error));
	fuzz_seed(panic, sizeof(panic));
	fuzz_seed_text("b{\"appId\":" ID ",\"composeHash\":" HASH
		       ",\"instanceId\":" ID ",\"deviceId\":" HASH
		       ",\"mrAggregated\":\"1\",\"osImageHash\":\"0x\""
		       ",\"teeVariant\":\"dstack-tdx\",\"tcbStatus\":\"\""
		       ",\"advisoryIds\":[\"INTEL-SA-1\",\"\"]}");
	fuzz_seed_text("p{\"chainId\":1,\"kms\":" ID ",\"proxies\":[" HASH
		       "],\"implementations\":[{\"codeHash\":" HASH
		       ",\"layout\":\"kms-linux\"}]}");
	fuzz_seed_text("c{\"bytecode\":\"0x01\",\"deployed\":" HASH
		       ",\"immutable\":{\"1\":[{\"start\":0,\"length\":32}]}}");
}
