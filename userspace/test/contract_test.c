// SPDX-License-Identifier: MIT
/*
 * Transactions are to the byte what others make, and hostile text is refused
 *
 * Copyright The dstack for Linux authors
 *
 * What they do on a chain is in contracts/test/dstackctl.mjs.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../chain/rlp.h"
#include "../contract/room.h"
#include "contract_vectors.h"
#include "lib.h"

#define COUNT(a)	(sizeof(a) / sizeof((a)[0]))
#define BYTES_MAX	1024

struct bytes {
	uint8_t data[BYTES_MAX];
	size_t len;
};

static struct bytes from_hex(const char *text)
{
	struct bytes bytes = { .len = strlen(text) / 2 };

	assert_in_range(bytes.len, 0, BYTES_MAX);
	assert_true(libdstack_from_hex(text, strlen(text), bytes.data,
				       bytes.len));
	return bytes;
}

static void same(const void *data, size_t len, const char *hex)
{
	struct bytes want = from_hex(hex);

	assert_int_equal(len, want.len);
	assert_memory_equal(data, want.data, len);
}

/*
 * As ethers does
 */

static void transactions_are_those_of_ethers(void **state)
{
	struct bytes key = from_hex(VECTOR_KEY), to, data;
	const struct tx_vector *v;
	struct contract_signed made;
	struct chain_why why;
	struct contract_tx tx;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(tx_vectors); i++) {
		v = &tx_vectors[i];
		to = from_hex(v->to ?: "");
		data = from_hex(v->data);
		tx = (struct contract_tx){
			.chain_id = v->chain_id, .nonce = v->nonce,
			.priority_fee = v->priority_fee,
			.max_fee = v->max_fee, .gas = v->gas,
			.to = v->to ? to.data : NULL,
			.data = { data.data, data.len },
		};
		why.text[0] = 0;
		assert_int_equal(contract_tx_sign(&tx, key.data, &made, &why),
				 0);
		same(made.raw.data, made.raw.len, v->raw);
		same(made.hash, CHAIN_HASH, v->hash);
		free(made.room);
	}
}

static void addresses_are_those_of_ethers(void **state)
{
	struct bytes key = from_hex(VECTOR_KEY);
	uint8_t address[CHAIN_ADDRESS], made[CHAIN_ADDRESS];

	(void)state;
	assert_int_equal(contract_key_address(key.data, address), 0);
	same(address, sizeof(address), VECTOR_ADDRESS);
	assert_true(contract_made_at(address, 0, made));
	same(made, sizeof(made), VECTOR_MADE_0);
	assert_true(contract_made_at(address, 300, made));
	same(made, sizeof(made), VECTOR_MADE_300);
}

static enum contract_function find(const char *signature)
{
	unsigned int i;

	for (i = 0; i < __CONTRACT_FUNCTIONS; i++)
		if (!strcmp(contract_signature(i), signature))
			return i;
	fail_msg("%s is not known", signature);
	return i;
}

static void calls_are_those_of_ethers(void **state)
{
	uint8_t data[CONTRACT_CALL_MAX];
	char args[1024], text[CONTRACT_TEXT], *arg;
	struct chain_why why = { "" };
	struct contract_call call;
	size_t i, n, len;

	(void)state;
	for (i = 0; i < COUNT(call_vectors); i++) {
		call.function = find(call_vectors[i].signature);
		snprintf(args, sizeof(args), "%s", call_vectors[i].args);
		arg = strtok(args, " ");
		for (n = 0; arg; n++, arg = strtok(NULL, " ")) {
			assert_int_equal(contract_set_arg(&call, n, arg, &why),
					 0);
			assert_string_equal(contract_arg_text(&call, n, text),
					    arg);
		}
		assert_int_equal(n, contract_args(call.function));
		assert_true(contract_encode(&call, data, &len));
		same(data, len, call_vectors[i].data);
	}
}

static void constructor_of_proxies_is_that_of_ethers(void **state)
{
	uint8_t a[CHAIN_ADDRESS], b[CHAIN_ADDRESS], c[CHAIN_ADDRESS];
	uint8_t out[6 * 32];
	size_t len = sizeof(out);

	(void)state;
	memset(a, 0xc1, sizeof(a));
	memset(b, 0xc2, sizeof(b));
	memset(c, 0xc3, sizeof(c));
	assert_true(contract_encode_proxy(a, b, c, out, &len));
	same(out, len, VECTOR_PROXY);
	len = sizeof(out) - 1;
	assert_false(contract_encode_proxy(a, b, c, out, &len));
}

static void refusals_are_told_by_name(void **state)
{
	char text[CONTRACT_TEXT];
	struct bytes data;
	size_t i, len;

	(void)state;
	for (i = 0; i < COUNT(refusal_vectors); i++) {
		data = from_hex(refusal_vectors[i].data);
		assert_string_equal(contract_refusal(data.data, data.len, text),
				    refusal_vectors[i].text);
		/* Cut off anywhere, it is still told. */
		for (len = 0; len < data.len; len++)
			contract_refusal(data.data, len, text);
	}
	assert_string_equal(contract_refusal(NULL, 0, text),
			    "without a reason");
}

static void refusal_that_lies_about_length_is_not_read(void **state)
{
	struct bytes data = from_hex(refusal_vectors[0].data);
	char text[CONTRACT_TEXT];

	(void)state;
	memset(data.data + 36, 0xff, 32);
	assert_string_equal(contract_refusal(data.data, data.len, text),
			    "an unknown error 0x08c379a0");
	/* What a terminal would obey. */
	data = from_hex(refusal_vectors[0].data);
	data.data[68] = '\033';
	data.data[69] = 0xce;
	contract_refusal(data.data, data.len, text);
	assert_memory_equal(text, "??", 2);
}

/*
 * RLP
 */

static void lists_fit_or_are_not_there(void **state)
{
	uint8_t room[64], number[4] = { 0, 0, 1, 2 };
	struct chain_bytes rlp;
	struct rlp_out out;
	size_t i;

	(void)state;
	rlp_begin(&out, room, sizeof(room));
	rlp_put_number(&out, number, sizeof(number));
	rlp_put_u64(&out, 0);
	rlp_put_empty(&out);
	rlp = rlp_end(&out);
	same(rlp.data, rlp.len, "c582010280c0");
	for (i = 0; i < sizeof(room); i++) {
		rlp_begin(&out, room, i);
		rlp_put(&out, number, sizeof(number));
		rlp_put_empty(&out);
		rlp = rlp_end(&out);
		assert_int_equal(!!rlp.data, i >= 10);
	}
	rlp_begin(&out, room, 3);
	rlp_put_empty(&out);
	assert_null(rlp_end(&out).data);
}

static void too_long_a_transaction_is_not_signed(void **state)
{
	struct bytes key = from_hex(VECTOR_KEY);
	struct contract_tx tx = { .data.len = 49153 };
	struct contract_signed made;
	struct chain_why why = { "" };
	uint8_t *data = calloc(1, tx.data.len);

	(void)state;
	tx.data.data = data;
	assert_int_equal(contract_tx_sign(&tx, key.data, &made, &why), -EFBIG);
	tx.data.len--;
	why.text[0] = 0;
	assert_int_equal(contract_tx_sign(&tx, key.data, &made, &why), 0);
	free(made.room);
	/* Neither of these is a key. */
	memset(key.data, 0, 32);
	assert_int_equal(contract_tx_sign(&tx, key.data, &made, &why), -EINVAL);
	memset(key.data, 0xff, 32);
	assert_int_equal(contract_tx_sign(&tx, key.data, &made, &why), -EINVAL);
	free(data);
}

/*
 * Slots
 */

static void namespaces_are_those_of_the_table(void **state)
{
	static const struct {
		const char *name, *base;
	} names[] = {
		{
			"dstack.linux.timelock",
			"3e126a19083b3bba72dc2f0a06aeaa7c9b64cc26fe878bede02eb63350ef8a00",
		},
		{
			"dstack.linux.keys",
			"e286e81d0efc19484f946f86c63a693eecb81ef2b8d4e69ed584892562c12400",
		},
		{
			"openzeppelin.storage.Ownable",
			"9016d09d72d40fdae2fd8ceac6b6234c7706214fd39c1cd1e609a0528c199300",
		},
		{
			"openzeppelin.storage.Ownable2Step",
			"237e158222e3e6968b72b9db0d8043aacf074ad9f650f0d1606b4d82ee432c00",
		},
	};
	uint8_t base[32];
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(names); i++) {
		assert_true(contract_namespace(names[i].name, base));
		same(base, sizeof(base), names[i].base);
	}
}

/* All bits of all slots are @arg's. */
static int prove(void *arg, const uint8_t address[CHAIN_ADDRESS],
		 struct chain_slot *slots, size_t nr,
		 struct chain_account *account, struct chain_why *why)
{
	size_t i;

	(void)address;
	(void)why;
	memset(account, 0, sizeof(*account));
	for (i = 0; i < nr; i++)
		memset(slots[i].value, *(uint8_t *)arg, 32);
	return 0;
}

/* What they would change is what is looked for, and nothing else will do. */
static void effects_are_shown_where_they_are(void **state)
{
	static const uint8_t to[CHAIN_ADDRESS] = { 1 }, other[CHAIN_ADDRESS];
	uint8_t bits = 0x55;
	const struct chain_source below = { prove, &bits, 0x1234 };
	struct contract_overlay overlay = { .below = &below };
	const struct chain_source above = {
		contract_overlay_prove, &overlay, 0x1234,
	};
	struct chain_why why = { "" };
	struct contract_call call;
	unsigned int i;
	bool shown;

	(void)state;
	for (i = 0; i < __CONTRACT_FUNCTIONS; i++) {
		memset(&call, 0, sizeof(call));
		call.function = i;
		call.args[0][31] = 1;
		contract_put_u64(call.args[1], 7);
		if (i == CONTRACT_DEPLOY_APP || i == CONTRACT_REVOKE_POLICY)
			continue;
		overlay.nr = 0;
		assert_true(contract_apply(&overlay, to, &call));
		assert_int_equal(contract_shown(&above, to, &call, &shown,
						&why), 0);
		assert_true(shown);
		/* Any time that is set will do; there is one everywhere. */
		if (i == CONTRACT_UNPIN_DEVICE)
			continue;
		assert_int_equal(contract_shown(&above, other, &call, &shown,
						&why), 0);
		assert_false(shown);
	}
	call.function = CONTRACT_DEPLOY_APP;
	assert_int_equal(contract_shown(&above, to, &call, &shown, &why),
			 -EOPNOTSUPP);
	overlay.nr = CONTRACT_CHANGES_MAX;
	call.function = CONTRACT_ADD_DEVICE;
	assert_false(contract_apply(&overlay, to, &call));
}

/*
 * Texts
 */

static void arguments_that_are_wrong_are_refused(void **state)
{
	static const struct {
		enum contract_function function;
		const char *text;
	} bad[] = {
		{ CONTRACT_ADD_DEVICE, "" },
		{ CONTRACT_ADD_DEVICE, "0x" },
		{ CONTRACT_ADD_DEVICE, "7" },
		{ CONTRACT_REGISTER_APP, "0x01" },
		{ CONTRACT_REGISTER_APP,
		  "0x0x01010101010101010101010101010101010101" },
		{ CONTRACT_ALLOW_ANY_DEVICE, "1" },
		{ CONTRACT_ALLOW_ANY_DEVICE, "" },
		{ CONTRACT_SET_DELAY, "-1" },
		{ CONTRACT_SET_DELAY, "18446744073709551616" },
	};
	struct contract_call call;
	struct chain_why why;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(bad); i++) {
		why.text[0] = 0;
		call.function = bad[i].function;
		assert_int_equal(contract_set_arg(&call, 0, bad[i].text, &why),
				 -EINVAL);
		assert_int_not_equal(why.text[0], 0);
	}
}

#define ID	"\"0x0101010101010101010101010101010101010101\""
#define WHOLE	"\"appId\":" ID ",\"composeHash\":\"7\",\"instanceId\":\"\"," \
		"\"deviceId\":\"0x123\",\"mrAggregated\":\"ab\"," \
		"\"osImageHash\":\"06\""

static int boot(const char *text, struct contract_boot *boot)
{
	struct chain_why why = { "" };
	int err = contract_boot_read(text, strlen(text), boot, &why);

	assert_int_equal(!err, !why.text[0]);
	return err;
}

static void boots_are_whole_or_refused(void **state)
{
	static const char *const bad[] = {
		"", "[]", "{}", "{" WHOLE, "{" WHOLE "}x",
		"{" WHOLE ",\"appId\":" ID "}", "{" WHOLE ",\"x\":1}",
		"{" WHOLE ",\"tcbStatus\":\"a\\u0000b\"}",
		"{" WHOLE ",\"mrSystem\":\"0x0x1\"}",
		"{" WHOLE ",\"mrSystem\":\"-1\"}",
		"{" WHOLE ",\"advisoryIds\":\"\"}",
		"{" WHOLE ",\"advisoryIds\":[1]}",
		"{" WHOLE ",\"advisoryIds\":[],\"advisoryIds\":[]}",
	};
	struct contract_boot read;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(bad); i++)
		assert_int_equal(boot(bad[i], &read), -EINVAL);
	assert_int_equal(boot("{" WHOLE "}", &read), 0);
	assert_string_equal(read.boot.tcb_status, "");
	assert_int_equal(read.boot.compose_hash[31], 7);
	assert_int_equal(read.boot.device_id[30], 1);
	assert_int_equal(read.boot.device_id[31], 0x23);
	contract_boot_clear(&read);
	assert_int_equal(boot("{" WHOLE ",\"advisoryIds\":[\"a\",\"\"]}",
			      &read), 0);
	assert_int_equal(read.boot.nr_advisory_ids, 2);
	contract_boot_clear(&read);
}

#define HASH	"\"0x0202020202020202020202020202020202020202020202020202020202020202\""

static int pins(const char *text, struct contract_pins *read)
{
	struct chain_why why = { "" };
	int err = contract_pins_read(text, strlen(text), read, &why);

	assert_int_equal(!err, !why.text[0]);
	return err;
}

static void pins_are_known_or_refused(void **state)
{
	static const char *const bad[] = {
		"", "[]", "{\"chainId\":0}", "{\"chainId\":\"1\"}",
		"{\"kms\":" HASH "}", "{\"proxies\":" HASH "}",
		"{\"proxies\":[" ID "]}", "{\"pins\":[]}",
		"{\"implementations\":[{\"codeHash\":" HASH "}]}",
		"{\"implementations\":[{\"codeHash\":" HASH
			",\"layout\":\"other\"}]}",
		"{\"implementations\":[{\"codeHash\":" HASH
			",\"layout\":\"app-linux\",\"x\":1}]}",
	};
	struct contract_pins read;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(bad); i++)
		assert_int_equal(pins(bad[i], &read), -EINVAL);
	assert_int_equal(pins("{\"chainId\":5,\"kms\":" ID ",\"proxies\":["
			      HASH "],\"implementations\":[{\"codeHash\":" HASH
			      ",\"layout\":\"app-upstream\"}]}", &read), 0);
	assert_int_equal(read.chain_id, 5);
	assert_int_equal(read.known.nr_proxies, 1);
	assert_int_equal(read.known.codes[0].layout, CHAIN_APP_UPSTREAM);
}

static void builds_are_whole_or_refused(void **state)
{
	static const char *const bad[] = {
		"", "{}", "{\"bytecode\":\"0x\",\"deployed\":\"0x01\"}",
		"{\"bytecode\":\"0x01\",\"deployed\":\"01\"}",
		"{\"bytecode\":\"0x01\",\"deployed\":\"0x01\",\"immutable\":{\"1\":[{\"start\":0,\"length\":32}]}}",
		"{\"bytecode\":\"0x01\",\"deployed\":" HASH ",\"immutable\":{\"1\":[{\"start\":1,\"length\":32}]}}",
		"{\"bytecode\":\"0x01\",\"deployed\":" HASH ",\"immutable\":{\"1\":[{\"start\":0,\"length\":31}]}}",
	};
	static const char good[] =
		"{\"bytecode\":\"0x01\",\"deployed\":" HASH
		",\"immutable\":{\"1\":[{\"start\":0,\"length\":32}]}}";
	static const uint8_t address[CHAIN_ADDRESS] = { 9 };
	struct contract_build build;
	uint8_t hash[CHAIN_HASH];
	struct chain_why why;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(bad); i++) {
		why.text[0] = 0;
		assert_int_equal(contract_build_read(bad[i], strlen(bad[i]),
						     &build, &why), -EINVAL);
	}
	assert_int_equal(contract_build_read(good, strlen(good), &build, &why),
			 0);
	assert_int_equal(contract_build_hash(&build, address, hash, &why), 0);
	assert_int_equal(build.deployed[11], 2);
	assert_int_equal(build.deployed[12], 9);
	contract_build_clear(&build);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(transactions_are_those_of_ethers),
		cmocka_unit_test(addresses_are_those_of_ethers),
		cmocka_unit_test(calls_are_those_of_ethers),
		cmocka_unit_test(constructor_of_proxies_is_that_of_ethers),
		cmocka_unit_test(refusals_are_told_by_name),
		cmocka_unit_test(refusal_that_lies_about_length_is_not_read),
		cmocka_unit_test(lists_fit_or_are_not_there),
		cmocka_unit_test(too_long_a_transaction_is_not_signed),
		cmocka_unit_test(namespaces_are_those_of_the_table),
		cmocka_unit_test(effects_are_shown_where_they_are),
		cmocka_unit_test(arguments_that_are_wrong_are_refused),
		cmocka_unit_test(boots_are_whole_or_refused),
		cmocka_unit_test(pins_are_known_or_refused),
		cmocka_unit_test(builds_are_whole_or_refused),
	};

	return cmocka_run_group_tests_name("contract", tests, NULL, NULL);
}
