// SPDX-License-Identifier: MIT
/*
 * A policy that is built, not read: merged, bounded, and one table for it
 *
 * Copyright The dstack for Linux authors
 */
#include "policy_fixture.h"

static const uint8_t app_id[DSTACK_APP_ID_SIZE] = { 0xab };

static struct libdstack_policy *new_policy(uint64_t epoch)
{
	struct libdstack_policy *policy;

	assert_int_equal(libdstack_policy_new(app_id, epoch, &policy), 0);
	return policy;
}

static void epoch_out_of_range_is_refused(void **state)
{
	struct libdstack_policy *policy;

	(void)state;
	assert_int_equal(libdstack_policy_new(app_id, 0, &policy), -EINVAL);
	assert_int_equal(libdstack_policy_new(app_id,
					      LIBDSTACK_POLICY_EPOCH_MAX + 1,
					      &policy), -EINVAL);
	assert_null(policy);
}

/* Recording less is asked for, kept, and part of what is approved. */
static void section_says_which_execs_are_measured(void **state)
{
	static const char text[] =
		"{\"app_id\":\"" APP "\",\"containers\":{"
		"\"a\":{\"allow\":[],\"measure\":\"every\"},"
		"\"b\":{\"allow\":[],\"measure\":\"first\"},"
		"\"c\":{\"allow\":[]}},\"epoch\":1,\"version\":1}";
	struct libdstack_policy *policy = parsed(text), *again;
	const struct dstack_table_section *section;
	uint8_t one[DSTACK_DIGEST_SIZE], two[DSTACK_DIGEST_SIZE];
	size_t size;
	void *table;

	(void)state;
	assert_canonical(policy, text);
	assert_int_equal(libdstack_policy_compile(policy, &table, &size), 0);
	section = dstack_table_sections(table);
	assert_int_equal(section[0].flags, 0);
	assert_int_equal(section[1].flags, DSTACK_SECTION_F_FIRST);
	assert_int_equal(section[2].flags, 0);
	free(table);

	assert_int_equal(libdstack_policy_new(libdstack_policy_app_id(policy),
					      1, &again), 0);
	assert_int_equal(libdstack_policy_add_section(again, "a"), 0);
	assert_int_equal(libdstack_policy_add_section(again, "c"), 0);
	assert_int_equal(libdstack_policy_set_measure(again, "b",
						      DSTACK_MODE_FIRST), 0);
	assert_int_equal(libdstack_policy_set_measure(again, "b",
						      __DSTACK_MODE_MAX),
			 -EINVAL);
	assert_int_equal(libdstack_policy_table_digest(policy, one), 0);
	assert_int_equal(libdstack_policy_table_digest(again, two), 0);
	assert_memory_equal(one, two, sizeof(one));
	assert_int_equal(libdstack_policy_set_measure(again, "b",
						      DSTACK_MODE_EVERY), 0);
	assert_int_equal(libdstack_policy_table_digest(again, two), 0);
	assert_memory_not_equal(one, two, sizeof(one));
	libdstack_policy_free(again);
	libdstack_policy_free(policy);
}

#define DISK	(1U << DSTACK_STORAGE_DISK)
#define VERITY	(1U << DSTACK_STORAGE_FSVERITY)
#define FUSE	(1U << DSTACK_STORAGE_UNTRUSTED)

/* The terms that a built policy has are those of the document it writes. */
static void terms_of_a_section_are_built_as_they_are_read(void **state)
{
	static const char text[] =
		"{\"app_id\":\"" APP "\",\"containers\":{"
		"\"a\":{\"allow\":[],\"memory\":\"allow\","
		"\"revoked\":\"kill\",\"storage\":{\"exec\":[\"disk\","
		"\"fs-verity\"],\"kernel\":[]},\"trust\":{\"exec\":"
		"[\"fs-verity\"],\"map\":[\"dm-verity\"]}},"
		"\"b\":{\"allow\":[]}},\"epoch\":1,\"version\":1}";
	struct libdstack_policy *policy = parsed(text), *again;
	const struct dstack_table_section *section;
	size_t size;
	void *table;

	(void)state;
	assert_canonical(policy, text);
	assert_int_equal(libdstack_policy_compile(policy, &table, &size), 0);
	section = dstack_table_sections(table);
	assert_int_equal(section[0].flags, DSTACK_SECTION_F_MEMORY);
	assert_int_equal(section[0].revoked, DSTACK_ACTION_KILL);
	assert_int_equal(section[0].accept[0], DISK | VERITY);
	assert_int_equal(section[0].accept[1], __DSTACK_STORAGE_ACCEPTABLE);
	assert_int_equal(section[0].accept[2], __DSTACK_STORAGE_ACCEPTABLE);
	assert_int_equal(section[0].accept[3], 0);
	assert_int_equal(section[0].trust[0], VERITY);
	assert_int_equal(section[0].trust[1], 1U << DSTACK_STORAGE_DMVERITY);
	assert_int_equal(section[1].flags, 0);
	assert_int_equal(section[1].revoked, DSTACK_ACTION_LOG);
	assert_int_equal(section[1].accept[3], __DSTACK_STORAGE_ACCEPTABLE);
	assert_int_equal(section[1].trust[0], 0);

	assert_int_equal(libdstack_policy_new(libdstack_policy_app_id(policy),
					      1, &again), 0);
	libdstack_policy_add_section(again, "b");
	libdstack_policy_set_memory(again, "a", true);
	libdstack_policy_set_revoked(again, "a", DSTACK_ACTION_KILL);
	libdstack_policy_set_storage(again, "a", DSTACK_KIND_EXEC,
				     DISK | VERITY, VERITY);
	libdstack_policy_set_storage(again, "a", DSTACK_KIND_MAP,
				     __DSTACK_STORAGE_ACCEPTABLE,
				     1U << DSTACK_STORAGE_DMVERITY);
	libdstack_policy_set_storage(again, "a", DSTACK_KIND_KERNEL, 0, 0);
	assert_canonical(again, text);
	free(table);
	libdstack_policy_free(again);
	libdstack_policy_free(policy);
}

static void terms_that_no_section_can_have_are_refused(void **state)
{
	struct libdstack_policy *policy = new_policy(1);

	(void)state;
	assert_int_equal(libdstack_policy_set_revoked(policy, "a",
						      __DSTACK_ACTION_MAX),
			 -EINVAL);
	assert_int_equal(libdstack_policy_set_storage(policy, "a", 3, DISK, 0),
			 -EINVAL);
	assert_int_equal(libdstack_policy_set_storage(policy, "a", 0, DISK, 0),
			 -EINVAL);
	assert_int_equal(libdstack_policy_set_storage(policy, "a", 32, DISK,
						      0), -EINVAL);
	assert_int_equal(libdstack_policy_set_storage(policy, "a", 1, FUSE, 0),
			 -EINVAL);
	assert_int_equal(libdstack_policy_set_storage(policy, "a", 1, DISK,
						      VERITY), -EINVAL);
	assert_int_equal(libdstack_policy_set_storage(policy, "a:b", 1, DISK,
						      DISK), -EINVAL);
	libdstack_policy_free(policy);
}

static void malformed_rule_is_refused(void **state)
{
	struct libdstack_policy *policy = new_policy(1);
	struct dstack_digest digest = { DSTACK_ALG_SHA256, { 1 } };
	char path[LIBDSTACK_POLICY_PATH_MAX + 1];

	(void)state;
	memset(path, 'x', sizeof(path) - 1);
	path[sizeof(path) - 1] = '\0';
	assert_int_equal(libdstack_policy_add(policy, "a", &digest, 0, NULL),
			 -EINVAL);
	assert_int_equal(libdstack_policy_add(policy, "a", &digest, 32, NULL),
			 -EINVAL);
	assert_int_equal(libdstack_policy_add(policy, "a:b", &digest, 1, NULL),
			 -EINVAL);
	assert_int_equal(libdstack_policy_add(policy, "a", &digest, 1, "/\n"),
			 -EINVAL);
	assert_int_equal(libdstack_policy_add(policy, "a", &digest, 1, "\xff"),
			 -EINVAL);
	assert_int_equal(libdstack_policy_add(policy, "a", &digest, 1, path),
			 -EINVAL);
	path[LIBDSTACK_POLICY_PATH_MAX - 1] = '\0';
	assert_int_equal(libdstack_policy_add(policy, "a", &digest, 1, path),
			 0);
	libdstack_policy_free(policy);
}

/* The same rules in two orders, with what merges in different pieces. */
static void order_of_adding_does_not_matter(void **state)
{
	struct libdstack_policy *one = new_policy(7), *two = new_policy(7);
	uint8_t first[DSTACK_DIGEST_SIZE], second[DSTACK_DIGEST_SIZE];
	struct dstack_digest digest = { DSTACK_ALG_SHA256, { 0 } };
	char *left, *right;
	size_t len;
	int i;

	(void)state;
	for (i = 0; i < 200; i++) {
		digest.value[0] = i;
		digest.value[31] = 255 - i;
		assert_int_equal(libdstack_policy_add(one, i % 2 ? "a" : "b",
						      &digest, 1, "/p"), 0);
		assert_int_equal(libdstack_policy_add(one, i % 2 ? "a" : "b",
						      &digest, 6, "/q"), 0);
	}
	for (i = 199; i >= 0; i--) {
		digest.value[0] = i;
		digest.value[31] = 255 - i;
		assert_int_equal(libdstack_policy_add(two, i % 2 ? "a" : "b",
						      &digest, 4, NULL), 0);
		assert_int_equal(libdstack_policy_add(two, i % 2 ? "a" : "b",
						      &digest, 2, "/q"), 0);
		assert_int_equal(libdstack_policy_add(two, i % 2 ? "a" : "b",
						      &digest, 1, "/p"), 0);
	}
	assert_int_equal(libdstack_policy_canonical(one, &left, &len), 0);
	assert_int_equal(libdstack_policy_canonical(two, &right, &len), 0);
	assert_string_equal(left, right);
	free(left);
	free(right);
	assert_int_equal(libdstack_policy_table_digest(one, first), 0);
	assert_int_equal(libdstack_policy_table_digest(two, second), 0);
	assert_memory_equal(first, second, sizeof(first));
	libdstack_policy_free(one);
	libdstack_policy_free(two);
}

static void built_policy_can_be_read_back(void **state)
{
	struct libdstack_policy *policy = new_policy(3), *again;
	struct dstack_digest digest = { DSTACK_ALG_SHA256, { 0x80 } };
	size_t len;
	char *text;

	(void)state;
	assert_int_equal(libdstack_policy_add_section(policy, "host"), 0);
	assert_int_equal(libdstack_policy_add(policy, "web", &digest, 7,
					      "/\"\\\xc3\xbc"), 0);
	assert_int_equal(libdstack_policy_canonical(policy, &text, &len), 0);
	assert_int_equal(libdstack_policy_parse(text, len, &again), 0);
	assert_canonical(again, text);
	assert_int_equal(libdstack_policy_epoch(again), 3);
	assert_memory_equal(libdstack_policy_app_id(again), app_id,
			    sizeof(app_id));
	free(text);
	libdstack_policy_free(again);
	libdstack_policy_free(policy);
}

/* The rule's kinds follow from its number, so that each can be looked up. */
static void number_rule(uint32_t i, struct dstack_digest *digest,
			uint32_t *kinds)
{
	memset(digest, 0, sizeof(*digest));
	digest->alg = i % 3 ? DSTACK_ALG_SHA256 : DSTACK_ALG_FSVERITY_SHA256;
	memcpy(digest->value + 13, &i, sizeof(i));
	digest->value[0] = i * 37;
	*kinds = i % __DSTACK_KIND_ALL + 1;
}

static void compiled_table_answers_for_every_rule(void **state)
{
	static const char *const sections[] = { "web", "a", "web-1", "host" };
	struct libdstack_policy *policy = new_policy(42);
	struct dstack_digest digest;
	const struct dstack_table_section *section;
	const struct dstack_table_header *header;
	uint32_t i, s, kinds, want;
	const char *why;
	uint32_t *index;
	size_t size;
	void *table;

	(void)state;
	assert_int_equal(libdstack_policy_add_section(policy, "empty"), 0);
	for (i = 0; i < 1000; i++) {
		number_rule(i, &digest, &kinds);
		assert_int_equal(libdstack_policy_add(policy, sections[i % 4],
						      &digest, kinds, NULL), 0);
	}
	assert_int_equal(libdstack_policy_compile(policy, &table, &size), 0);
	assert_int_equal(dstack_table_check(table, size, &why), 0);
	index = malloc(dstack_table_index_size(table));
	dstack_table_index(table, index);
	header = table;
	assert_int_equal(header->epoch, 42);
	assert_int_equal(header->sections, 5);
	assert_int_equal(header->rules, 1000);
	assert_memory_equal(header->app_id, app_id, sizeof(app_id));
	for (i = 0; i < 1000; i++) {
		number_rule(i, &digest, &kinds);
		want = kinds & DSTACK_KIND_EXEC ? kinds | DSTACK_KIND_MAP :
			kinds;
		for (s = 0; s < 4; s++) {
			section = dstack_table_find(table, sections[s]);
			assert_non_null(section);
			assert_int_equal(dstack_table_kinds(table, index,
							    section, &digest),
					 s == i % 4 ? want : 0);
		}
	}
	section = dstack_table_find(table, "empty");
	assert_non_null(section);
	assert_int_equal(dstack_table_kinds(table, index, section, &digest),
			 0);
	assert_null(dstack_table_find(table, "other"));
	free(index);
	free(table);
	libdstack_policy_free(policy);
}

static void document_without_sections_compiles(void **state)
{
	struct libdstack_policy *policy = parsed("{" HEAD ",\"containers\":{}}");
	size_t size;
	void *table;

	(void)state;
	assert_int_equal(libdstack_policy_compile(policy, &table, &size), 0);
	assert_int_equal(size, sizeof(struct dstack_table_header));
	free(table);
	libdstack_policy_free(policy);
}

static void table_holds_4096_sections_and_no_more(void **state)
{
	struct libdstack_policy *policy = new_policy(1);
	char name[32];
	size_t size;
	void *table;
	int i;

	(void)state;
	for (i = 0; i < DSTACK_TABLE_SECTIONS; i++) {
		snprintf(name, sizeof(name), "s%d", i);
		assert_int_equal(libdstack_policy_add_section(policy, name),
				 0);
	}
	assert_int_equal(libdstack_policy_add_section(policy, "s0"), 0);
	assert_int_equal(libdstack_policy_add_section(policy, "one-more"),
			 -E2BIG);
	assert_int_equal(libdstack_policy_compile(policy, &table, &size), 0);
	free(table);
	libdstack_policy_free(policy);
}

static void table_is_filled_to_its_limit_and_no_further(void **state)
{
	struct libdstack_policy *policy = new_policy(1);
	struct dstack_digest digest;
	uint32_t i, kinds;
	size_t size;
	void *table;

	(void)state;
	for (i = 0; i < POLICY_RULES_MAX; i++) {
		number_rule(i, &digest, &kinds);
		if (libdstack_policy_add(policy, "a", &digest, kinds, NULL))
			fail_msg("no room for rule %u", i);
	}
	/* What is there may be named again; what is new has no room. */
	assert_int_equal(libdstack_policy_add(policy, "a", &digest, 7, "/p"),
			 0);
	number_rule(i, &digest, &kinds);
	assert_int_equal(libdstack_policy_add(policy, "a", &digest, 1, NULL),
			 -E2BIG);
	assert_int_equal(libdstack_policy_compile(policy, &table, &size), 0);
	assert_in_range(size, DSTACK_TABLE_MAX -
			sizeof(struct dstack_table_rule) + 1,
			DSTACK_TABLE_MAX);
	free(table);
	libdstack_policy_free(policy);
}

static int count_sections(const struct libdstack_section *section, void *arg)
{
	size_t *total = arg;

	assert_string_equal(section->name, *total ? "b" : "a");
	*total += section->rules;
	return 0;
}

/* The last place is named often, in many ways, before another wants one. */
static void what_is_there_twice_takes_no_room(void **state)
{
	struct libdstack_policy *policy = new_policy(1);
	struct dstack_digest digest;
	uint32_t i, kinds;

	(void)state;
	for (i = 0; i < POLICY_RULES_MAX; i++) {
		number_rule(i, &digest, &kinds);
		if (libdstack_policy_add(policy, "a", &digest, kinds, NULL) ||
		    libdstack_policy_add(policy, "a", &digest, 7, "/p"))
			fail_msg("no room for rule %u", i);
	}
	number_rule(i, &digest, &kinds);
	assert_int_equal(libdstack_policy_add(policy, "a", &digest, 1, NULL),
			 -E2BIG);
	libdstack_policy_free(policy);
}

struct seen {
	size_t rules;
	struct dstack_digest last;
};

static int sorted_and_whole(const struct libdstack_rule *rule, void *arg)
{
	struct seen *seen = arg;

	if (seen->rules++)
		assert_true(memcmp(seen->last.value, rule->digest.value,
				   DSTACK_DIGEST_SIZE) < 0);
	assert_int_equal(rule->kinds, __DSTACK_KIND_ALL);
	assert_string_equal(rule->path, "/1");
	seen->last = rule->digest;
	return 0;
}

/* Added in steps with looks in between, which must not change the outcome. */
static void rules_are_whole_however_they_came(void **state)
{
	static const char *const paths[] = { "/2", "/1", "/3" };
	static const uint32_t steps[] = { 1, 2, 28 };
	struct libdstack_policy *policy = new_policy(1);
	struct dstack_digest digest;
	struct seen seen = { 0 };
	uint32_t i, kinds;
	size_t total;

	(void)state;
	for (i = 0; i < 3 * 3000; i++) {
		number_rule(i * 7919U % 3000, &digest, &kinds);
		digest.alg = DSTACK_ALG_SHA256;
		assert_int_equal(libdstack_policy_add(policy, "a", &digest,
						      steps[i / 3000],
						      paths[i / 3000]), 0);
		if (i % 997)
			continue;
		total = 0;
		libdstack_policy_each_section(policy, count_sections, &total);
		assert_int_equal(total, i < 3000 ? i + 1 : 3000);
	}
	libdstack_policy_each_rule(policy, "a", sorted_and_whole, &seen);
	assert_int_equal(seen.rules, 3000);
	libdstack_policy_free(policy);
}

static int stop_at_third(const struct libdstack_rule *rule, void *arg)
{
	int *seen = arg;

	assert_int_equal(rule->kinds, DSTACK_KIND_MAP);
	return ++*seen == 3 ? 99 : 0;
}

static void rules_are_walked_until_the_caller_stops(void **state)
{
	struct libdstack_policy *policy = new_policy(1);
	struct dstack_digest digest = { DSTACK_ALG_SHA256, { 0 } };
	size_t total = 0;
	int i, seen = 0;

	(void)state;
	for (i = 0; i < 10; i++) {
		digest.value[5] = i;
		assert_int_equal(libdstack_policy_add(policy,
						      i < 2 ? "b" : "a",
						      &digest, DSTACK_KIND_MAP,
						      NULL), 0);
	}
	libdstack_policy_each_section(policy, count_sections, &total);
	assert_int_equal(total, 10);
	assert_int_equal(libdstack_policy_each_rule(policy, NULL,
						    stop_at_third, &seen), 99);
	assert_int_equal(seen, 3);
	seen = 0;
	assert_int_equal(libdstack_policy_each_rule(policy, "b",
						    stop_at_third, &seen), 0);
	assert_int_equal(seen, 2);
	assert_int_equal(libdstack_policy_each_rule(policy, "none",
						    stop_at_third, &seen),
			 -ENOENT);
	libdstack_policy_free(policy);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(epoch_out_of_range_is_refused),
		cmocka_unit_test(section_says_which_execs_are_measured),
		cmocka_unit_test(terms_of_a_section_are_built_as_they_are_read),
		cmocka_unit_test(terms_that_no_section_can_have_are_refused),
		cmocka_unit_test(malformed_rule_is_refused),
		cmocka_unit_test(order_of_adding_does_not_matter),
		cmocka_unit_test(built_policy_can_be_read_back),
		cmocka_unit_test(compiled_table_answers_for_every_rule),
		cmocka_unit_test(document_without_sections_compiles),
		cmocka_unit_test(table_holds_4096_sections_and_no_more),
		cmocka_unit_test(table_is_filled_to_its_limit_and_no_further),
		cmocka_unit_test(what_is_there_twice_takes_no_room),
		cmocka_unit_test(rules_are_whole_however_they_came),
		cmocka_unit_test(rules_are_walked_until_the_caller_stops),
	};

	libdstack_set_message_callback(keep_message);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
