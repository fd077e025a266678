// SPDX-License-Identifier: MIT
/*
 * What a section of a policy table says besides its rules
 *
 * Copyright The dstack for Linux authors
 */
#include "table_fixture.h"

static void section_may_ask_for_first_execs_only(void **state)
{
	struct table t = table_good();

	(void)state;
	t.sections[1].flags = cpu_to_le32(DSTACK_SECTION_F_FIRST);
	assert_int_equal(check(&t), 0);
	free(t.header);
}

static void section_may_allow_memory_and_say_its_action(void **state)
{
	struct table t = table_good();

	(void)state;
	t.sections[0].flags = cpu_to_le32(__DSTACK_SECTION_F_ALL);
	t.sections[0].revoked = DSTACK_ACTION_KILL;
	t.sections[2].revoked = DSTACK_ACTION_FREEZE;
	assert_int_equal(check(&t), 0);
	free(t.header);
}

static const uint32_t kinds[DSTACK_TABLE_KINDS] = {
	DSTACK_KIND_EXEC, DSTACK_KIND_MAP, DSTACK_KIND_SCRIPT,
	DSTACK_KIND_KERNEL, DSTACK_KIND_CONTROL
};

/* True for this kind and class alone, or for none. */
static void assert_only(const struct dstack_table_section *section,
			uint32_t kind, uint32_t storage)
{
	uint32_t i, k;

	for (i = 0; i < 40; i++) {
		for (k = 0; k < ARRAY_SIZE(kinds); k++) {
			bool same = kinds[k] == kind && i == storage;

			assert_int_equal(dstack_table_accepts(section, kinds[k],
							      i), same);
			assert_int_equal(dstack_table_trusts(section, kinds[k],
							     i), same);
		}
		assert_false(dstack_table_accepts(section, 0, i));
		assert_false(dstack_table_accepts(section, 3, i));
		assert_false(dstack_table_accepts(section, 32, i));
	}
}

/* Each class for each kind: what one bit says, no other does. */
static void storage_counts_only_for_its_kind_and_class(void **state)
{
	struct table t = table_good();
	struct dstack_table_section *s = &t.sections[1];
	uint32_t bit, k;

	(void)state;
	for (bit = 0; bit < 16; bit++) {
		for (k = 0; k < ARRAY_SIZE(kinds); k++) {
			memset(s->accept, 0, sizeof(s->accept));
			memset(s->trust, 0, sizeof(s->trust));
			s->accept[k] = cpu_to_le16(1U << bit);
			s->trust[k] = cpu_to_le16(1U << bit);
			if (__DSTACK_STORAGE_ACCEPTABLE & 1U << bit) {
				assert_int_equal(check(&t), 0);
				assert_only(s, kinds[k], bit);
			} else {
				assert_int_equal(check(&t), -EBADMSG);
			}
		}
	}
	free(t.header);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(section_may_ask_for_first_execs_only),
		cmocka_unit_test(section_may_allow_memory_and_say_its_action),
		cmocka_unit_test(storage_counts_only_for_its_kind_and_class),
	};

	return cmocka_run_group_tests_name("table_terms", tests, NULL, NULL);
}
