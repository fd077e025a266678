// SPDX-License-Identifier: MIT
/*
 * A header is what its hash says, and the head never gets older
 *
 * Copyright The dstack for Linux authors
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>

#include "chain_fixture.h"

static yyjson_val *block_of(yyjson_doc *doc)
{
	return yyjson_obj_get(yyjson_doc_get_root(doc), "block");
}

static int read_block(yyjson_val *block, struct chain_header *header)
{
	struct chain_why why = { "" };
	int err = chain_json_header(block, header, &why);

	assert_int_equal(!err, !why.text[0]);
	return err;
}

static void hash_is_made_of_the_fields(void **state)
{
	yyjson_doc *doc = chain_load("eth/anvil/proof.json");
	struct chain_header header;
	uint8_t want[CHAIN_HASH];

	(void)state;
	chain_hex("7807e2dd4ef9608b15beb7e3824e1d6803131c51395625648e40d3c14b582e55",
		  want, CHAIN_HASH);
	assert_int_equal(read_block(block_of(doc), &header), 0);
	assert_memory_equal(header.hash, want, CHAIN_HASH);
	assert_int_equal(header.number, 2);
	assert_int_equal(header.time, 0x6b045409);
	yyjson_doc_free(doc);
}

/* The last digit of each field of text, one after the other. */
static void no_field_can_be_another(void **state)
{
	static const char *const covered[] = {
		"hash", "parentHash", "sha3Uncles", "miner", "stateRoot",
		"transactionsRoot", "receiptsRoot", "logsBloom", "difficulty",
		"number", "gasLimit", "gasUsed", "timestamp", "extraData",
		"mixHash", "nonce", "baseFeePerGas", "withdrawalsRoot",
		"blobGasUsed", "excessBlobGas", "parentBeaconBlockRoot",
		"requestsHash",
	};
	yyjson_doc *doc = chain_load("eth/anvil/proof.json");
	struct chain_header header;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(covered) / sizeof(covered[0]); i++) {
		yyjson_val *field = yyjson_obj_get(block_of(doc), covered[i]);
		char *last;

		assert_non_null(field);
		last = (char *)yyjson_get_str(field) + yyjson_get_len(field) -
			1;
		*last ^= 1;
		if (read_block(block_of(doc), &header) != -EBADMSG)
			fail_msg("%s may be another", covered[i]);
		*last ^= 1;
	}
	assert_int_equal(read_block(block_of(doc), &header), 0);
	yyjson_doc_free(doc);
}

static void a_header_that_is_none_is_refused(void **state)
{
	static const uint8_t bytes[] = { 0xc2, 1, 2 };
	struct chain_why why = { "" };
	struct chain_header header;

	(void)state;
	assert_int_equal(chain_header_read((struct chain_bytes){ bytes, 3 },
					   &header, &why), -EBADMSG);
	assert_int_equal(read_block(NULL, &header), -EBADMSG);
}

static struct chain_header header_at(uint64_t number)
{
	struct chain_header header = {
		.number = number, .time = 1000 + 12 * number,
	};

	memset(header.hash, (int)number, CHAIN_HASH);
	memset(header.parent, (int)number - 1, CHAIN_HASH);
	return header;
}

static void parents_are_linked_to_the_trusted(void **state)
{
	struct chain_header head = header_at(9);
	struct chain_header older[] = {
		header_at(8), header_at(7), header_at(6),
	};
	struct chain_why why = { "" };

	(void)state;
	assert_int_equal(chain_header_link(&head, older, 3, &why), 0);
	older[2].hash[0] ^= 1;
	assert_int_equal(chain_header_link(&head, older, 3, &why), -EBADMSG);
	older[2].hash[0] ^= 1;
	older[1].number++;
	assert_int_equal(chain_header_link(&head, older, 3, &why), -EBADMSG);
	older[1].number--;
	older[0].time = head.time;
	assert_int_equal(chain_header_link(&head, older, 3, &why), -EBADMSG);
}

/*
 * Freshness, of attacks 72 and 79
 */

static const struct chain_limits limits = { .max_age = 60, .max_ahead = 5 };

static int accept(struct chain_head *head, const struct chain_header *header,
		  uint64_t now)
{
	struct chain_why why = { "" };

	return chain_head_accept(head, header, &limits, now, &why);
}

static void attack_79_an_old_head_is_refused(void **state)
{
	struct chain_header header = header_at(5);
	struct chain_head head = { .number = 0 };

	(void)state;
	assert_int_equal(accept(&head, &header, header.time + 61), -ESTALE);
	assert_int_equal(accept(&head, &header, header.time - 6), -EBADMSG);
	assert_int_equal(head.number, 0);
	assert_int_equal(accept(&head, &header, header.time + 60), 0);
	assert_int_equal(head.number, 5);
}

static void attack_72_a_head_before_the_last_is_refused(void **state)
{
	struct chain_header five = header_at(5), four = header_at(4);
	struct chain_head head = { .number = 0 };

	(void)state;
	assert_int_equal(accept(&head, &five, five.time), 0);
	assert_int_equal(accept(&head, &four, five.time), -ESTALE);
	assert_int_equal(accept(&head, &five, five.time), 0);
	/* As high and of an older time: neither is older. */
	five.time--;
	assert_int_equal(accept(&head, &five, five.time), -ESTALE);
}

static void attack_72_a_fork_is_refused(void **state)
{
	struct chain_header five = header_at(5), other = header_at(5);
	struct chain_header six = header_at(6);
	struct chain_head head = { .number = 0 };

	(void)state;
	assert_int_equal(accept(&head, &five, five.time), 0);
	other.hash[0] ^= 1;
	assert_int_equal(accept(&head, &other, five.time), -EBADMSG);
	six.parent[0] ^= 1;
	assert_int_equal(accept(&head, &six, six.time), -EBADMSG);
	six.parent[0] ^= 1;
	assert_int_equal(accept(&head, &six, six.time), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hash_is_made_of_the_fields),
		cmocka_unit_test(no_field_can_be_another),
		cmocka_unit_test(a_header_that_is_none_is_refused),
		cmocka_unit_test(parents_are_linked_to_the_trusted),
		cmocka_unit_test(attack_79_an_old_head_is_refused),
		cmocka_unit_test(attack_72_a_head_before_the_last_is_refused),
		cmocka_unit_test(attack_72_a_fork_is_refused),
	};

	return cmocka_run_group_tests_name("chain_header", tests, NULL, NULL);
}
