// SPDX-License-Identifier: MIT
/*
 * What a section of a policy table says besides its rules
 *
 * Copyright The dstack for Linux authors
 */
#include "table_fixture.h"

#include <stdio.h>

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

static bool allows(const struct table *t, const char *section, uint32_t kind,
		   uint32_t scope, uint32_t delivery, const char *path)
{
	return dstack_table_key_allows(t->header,
				       dstack_table_find(t->header, section),
				       kind, scope, delivery, path,
				       strlen(path));
}

/* Over all that can be asked for, one bit or any other number. */
static void key_is_allowed_only_as_its_term_says(void **state)
{
	struct table t = table_good();
	uint32_t kind, scope, delivery;

	(void)state;
	for (kind = 0; kind < 70; kind++) {
		for (scope = 0; scope < 6; scope++) {
			for (delivery = 0; delivery < 18; delivery++) {
				bool first = scope == DSTACK_SCOPE_CONTAINER &&
					delivery == DSTACK_DELIVER_HANDLE &&
					(kind == DSTACK_KEY_AEAD ||
					 kind == DSTACK_KEY_HMAC);
				bool second = scope == DSTACK_SCOPE_APP &&
					kind == DSTACK_KEY_BYTES &&
					(delivery == DSTACK_DELIVER_LOGON ||
					 delivery == DSTACK_DELIVER_FSCRYPT);

				assert_int_equal(allows(&t, "db", kind, scope,
							delivery, "db/a"),
						 first);
				assert_int_equal(allows(&t, "db", kind, scope,
							delivery, "db/disk"),
						 first || second);
			}
		}
	}
	assert_false(allows(&t, "db", 1U << 31, 1U << 31, 1U << 31, "db/"));
	free(t.header);
}

static void key_counts_only_in_its_section(void **state)
{
	struct table t = table_good();

	(void)state;
	assert_true(allows(&t, "web", DSTACK_KEY_ED25519, DSTACK_SCOPE_APP,
			   DSTACK_DELIVER_BYTES, "anything"));
	assert_true(allows(&t, "web", DSTACK_KEY_ED25519, DSTACK_SCOPE_APP,
			   DSTACK_DELIVER_BYTES, ""));
	assert_false(allows(&t, "api", DSTACK_KEY_ED25519, DSTACK_SCOPE_APP,
			    DSTACK_DELIVER_BYTES, "anything"));
	assert_false(allows(&t, "api", DSTACK_KEY_AEAD, DSTACK_SCOPE_CONTAINER,
			    DSTACK_DELIVER_HANDLE, "db/"));
	free(t.header);
}

static void prefix_is_bytes_from_the_first_on(void **state)
{
	static const char * const no[] = {
		"", "d", "db", "DB/", "/db/", " db/", "da/", "xdb/", "db\\"
	};
	struct table t = table_good();
	size_t i;

	(void)state;
	assert_true(allows(&t, "db", DSTACK_KEY_AEAD, DSTACK_SCOPE_CONTAINER,
			   DSTACK_DELIVER_HANDLE, "db/"));
	assert_true(allows(&t, "db", DSTACK_KEY_AEAD, DSTACK_SCOPE_CONTAINER,
			   DSTACK_DELIVER_HANDLE, "db/../web"));
	for (i = 0; i < ARRAY_SIZE(no); i++)
		assert_false(allows(&t, "db", DSTACK_KEY_AEAD,
				    DSTACK_SCOPE_CONTAINER,
				    DSTACK_DELIVER_HANDLE, no[i]));
	/* The padding is no part of it. */
	assert_false(dstack_table_key_allows(t.header, &t.sections[1],
					     DSTACK_KEY_BYTES, DSTACK_SCOPE_APP,
					     DSTACK_DELIVER_LOGON, "db/dis\0",
					     7));
	assert_true(dstack_table_key_allows(t.header, &t.sections[1],
					    DSTACK_KEY_BYTES, DSTACK_SCOPE_APP,
					    DSTACK_DELIVER_LOGON, "db/disk\0x",
					    9));
	free(t.header);
}

static void prefix_of_every_length_is_taken(void **state)
{
	char path[DSTACK_KEY_PATH_MAX];
	struct table t = table_good();
	size_t len, asked;
	bool allowed;

	(void)state;
	memset(path, 'x', sizeof(path));
	for (len = 0; len <= DSTACK_TABLE_KEY_PREFIX; len++) {
		memset(t.keys[2].path, 0, sizeof(t.keys[2].path));
		memset(t.keys[2].path, 'x', len);
		t.keys[2].path_len = len;
		assert_int_equal(check(&t), 0);
		for (asked = 0; asked <= sizeof(path); asked++) {
			allowed = dstack_table_key_allows(t.header,
							  &t.sections[2],
							  DSTACK_KEY_AEAD,
							  DSTACK_SCOPE_APP,
							  DSTACK_DELIVER_HANDLE,
							  path, asked);
			assert_int_equal(allowed, asked >= len);
		}
	}
	free(t.header);
}

/* NULs are bytes of a path as any other. */
static void prefixes_that_differ_in_nuls_are_two(void **state)
{
	struct table t = table_good();

	(void)state;
	set_key(&t.keys[0], "a", DSTACK_KEY_AEAD, DSTACK_SCOPE_APP,
		DSTACK_DELIVER_HANDLE);
	t.keys[1] = t.keys[0];
	assert_int_equal(check(&t), -EBADMSG);
	t.keys[1].path_len = 2;
	assert_int_equal(check(&t), 0);
	t.keys[0].path_len = 3;
	assert_int_equal(check(&t), -EBADMSG);
	free(t.header);
}

static void most_key_terms_and_no_more_are_taken(void **state)
{
	struct table t = table_new(1, 0, DSTACK_TABLE_KEYS + 1);
	char path[8];
	uint32_t i;

	(void)state;
	strcpy(t.sections[0].name, "s");
	for (i = 0; i <= DSTACK_TABLE_KEYS; i++) {
		snprintf(path, sizeof(path), "%04u", i);
		set_key(&t.keys[i], path, DSTACK_KEY_HMAC, DSTACK_SCOPE_APP,
			DSTACK_DELIVER_HANDLE);
	}
	t.sections[0].count_keys = cpu_to_le32(DSTACK_TABLE_KEYS + 1);
	assert_int_equal(check(&t), -EBADMSG);
	t.size -= sizeof(*t.keys);
	t.header->size = cpu_to_le32(t.size);
	t.header->keys = cpu_to_le32(DSTACK_TABLE_KEYS);
	t.sections[0].count_keys = cpu_to_le32(DSTACK_TABLE_KEYS);
	assert_int_equal(check(&t), 0);
	assert_true(allows(&t, "s", DSTACK_KEY_HMAC, DSTACK_SCOPE_APP,
			   DSTACK_DELIVER_HANDLE, "0000"));
	assert_true(allows(&t, "s", DSTACK_KEY_HMAC, DSTACK_SCOPE_APP,
			   DSTACK_DELIVER_HANDLE, "0063"));
	assert_false(allows(&t, "s", DSTACK_KEY_HMAC, DSTACK_SCOPE_APP,
			    DSTACK_DELIVER_HANDLE, "0064"));
	free(t.header);
}

static void keys_more(struct table *t)
{
	t->header->keys = cpu_to_le32(KEYS + 1);
}

static void keys_huge(struct table *t)
{
	t->header->keys = cpu_to_le32(UINT32_MAX);
}

static void keys_gap(struct table *t)
{
	t->sections[2].first_key = cpu_to_le32(3);
}

static void keys_overlap(struct table *t)
{
	t->sections[2].first_key = cpu_to_le32(1);
}

static void keys_of_none(struct table *t)
{
	t->sections[0].first_key = cpu_to_le32(1);
}

static void keys_long(struct table *t)
{
	t->sections[2].count_keys = cpu_to_le32(2);
}

static void keys_many(struct table *t)
{
	t->sections[2].count_keys = cpu_to_le32(DSTACK_TABLE_KEYS + 1);
}

static void keys_endless(struct table *t)
{
	t->sections[2].count_keys = cpu_to_le32(UINT32_MAX);
}

static void keys_short(struct table *t)
{
	t->sections[2].count_keys = 0;
}

static void key_long(struct table *t)
{
	t->keys[1].path_len = DSTACK_TABLE_KEY_PREFIX + 1;
}

static void key_with_tail(struct table *t)
{
	t->keys[1].path[DSTACK_TABLE_KEY_PREFIX - 1] = 'x';
}

static void key_cut(struct table *t)
{
	t->keys[0].path_len = 2;
}

static void key_no_kinds(struct table *t)
{
	t->keys[0].kinds = 0;
}

static void key_unknown_kind(struct table *t)
{
	t->keys[0].kinds |= 64;
}

static void key_no_scope(struct table *t)
{
	t->keys[2].scopes = 0;
}

static void key_unknown_scope(struct table *t)
{
	t->keys[2].scopes = 4;
}

static void key_no_delivery(struct table *t)
{
	t->keys[0].delivery = 0;
}

static void key_unknown_delivery(struct table *t)
{
	t->keys[0].delivery = 32;
}

static void key_reserved(struct table *t)
{
	t->keys[2].__reserved[3] = 1;
}

static void keys_equal(struct table *t)
{
	memcpy(t->keys[1].path, t->keys[0].path, sizeof(t->keys[0].path));
	t->keys[1].path_len = t->keys[0].path_len;
}

static void keys_unsorted(struct table *t)
{
	t->keys[0].path[0] = 'e';
}

static void malformed_key_term_is_refused_with_its_reason(void **state)
{
	static const struct {
		void (*spoil)(struct table *t);
		const char *why;
	} cases[] = {
		{ keys_more, "size differs from what the header says" },
		{ keys_huge, "size differs from what the header says" },
		{ keys_gap, "a section's key terms are out of bounds" },
		{ keys_overlap, "a section's key terms are out of bounds" },
		{ keys_of_none, "a section's key terms are out of bounds" },
		{ keys_long, "a section's key terms are out of bounds" },
		{ keys_many, "a section has too many key terms" },
		{ keys_endless, "a section has too many key terms" },
		{ keys_short, "key terms outside every section" },
		{ key_long, "a key term's prefix is too long" },
		{ key_with_tail,
		  "a key term's prefix is not padded with zeros" },
		{ key_cut, "a key term's prefix is not padded with zeros" },
		{ key_no_kinds, "a key term's kinds are empty or unknown" },
		{ key_unknown_kind, "a key term's kinds are empty or unknown" },
		{ key_no_scope, "a key term's scopes are empty or unknown" },
		{ key_unknown_scope,
		  "a key term's scopes are empty or unknown" },
		{ key_no_delivery,
		  "a key term's delivery is empty or unknown" },
		{ key_unknown_delivery,
		  "a key term's delivery is empty or unknown" },
		{ key_reserved, "reserved bytes of a key term are not zero" },
		{ keys_equal,
		  "key terms are not sorted, or one occurs twice" },
		{ keys_unsorted,
		  "key terms are not sorted, or one occurs twice" },
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		struct table t = table_good();
		const char *why = NULL;

		cases[i].spoil(&t);
		assert_int_equal(dstack_table_check(t.header, t.size, &why),
				 -EBADMSG);
		assert_string_equal(why, cases[i].why);
		free(t.header);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(section_may_ask_for_first_execs_only),
		cmocka_unit_test(section_may_allow_memory_and_say_its_action),
		cmocka_unit_test(storage_counts_only_for_its_kind_and_class),
		cmocka_unit_test(key_is_allowed_only_as_its_term_says),
		cmocka_unit_test(key_counts_only_in_its_section),
		cmocka_unit_test(prefix_is_bytes_from_the_first_on),
		cmocka_unit_test(prefix_of_every_length_is_taken),
		cmocka_unit_test(prefixes_that_differ_in_nuls_are_two),
		cmocka_unit_test(most_key_terms_and_no_more_are_taken),
		cmocka_unit_test(malformed_key_term_is_refused_with_its_reason),
	};

	return cmocka_run_group_tests_name("table_terms", tests, NULL, NULL);
}
