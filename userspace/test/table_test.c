// SPDX-License-Identifier: MIT
/*
 * A policy table that the check lets through can be looked up in safely, and
 * everything else is refused with its reason
 *
 * Copyright The dstack for Linux authors
 */
#include "table_fixture.h"

static void well_formed_table_is_taken(void **state)
{
	struct table t = table_good();

	(void)state;
	assert_int_equal(check(&t), 0);
	free(t.header);
}

static void table_without_sections_is_taken(void **state)
{
	struct table t = table_new(0, 0, 0);

	(void)state;
	assert_int_equal(check(&t), 0);
	assert_null(dstack_table_find(t.header, "web"));
	free(t.header);
}

static void section_is_found_by_its_whole_name(void **state)
{
	static const char * const none[] = {
		"", "a", "ap", "apii", "da", "dbb", "we", "webb", "zzz", "API"
	};
	struct table t = table_good();
	size_t i;

	(void)state;
	assert_ptr_equal(dstack_table_find(t.header, "api"), &t.sections[0]);
	assert_ptr_equal(dstack_table_find(t.header, "db"), &t.sections[1]);
	assert_ptr_equal(dstack_table_find(t.header, "web"), &t.sections[2]);
	for (i = 0; i < ARRAY_SIZE(none); i++)
		assert_null(dstack_table_find(t.header, none[i]));
	free(t.header);
}

/* Nothing around it either. */
static uint32_t *make_index(const struct table *t)
{
	uint32_t *index = malloc(dstack_table_index_size(t->header));

	dstack_table_index(t->header, index);
	return index;
}

static uint32_t look_up(const struct table *t, const char *section,
			const struct dstack_digest *digest)
{
	uint32_t *index = make_index(t);
	uint32_t kinds = dstack_table_kinds(t->header, index,
					    dstack_table_find(t->header,
							      section),
					    digest);

	free(index);
	return kinds;
}

static uint32_t kinds_of(const struct table *t, const char *section,
			 uint8_t byte)
{
	struct dstack_digest digest = { .alg = DSTACK_ALG_SHA256 };

	memset(digest.value, byte, sizeof(digest.value));
	return look_up(t, section, &digest);
}

static void digest_counts_only_in_its_section(void **state)
{
	struct table t = table_good();

	(void)state;
	assert_int_equal(kinds_of(&t, "api", 0x20), DSTACK_KIND_MAP);
	assert_int_equal(kinds_of(&t, "api", 0x30), DSTACK_KIND_SCRIPT);
	assert_int_equal(kinds_of(&t, "web", 0x10),
			 DSTACK_KIND_MAP | DSTACK_KIND_SCRIPT);
	assert_int_equal(kinds_of(&t, "web", 0xff), __DSTACK_KIND_ALL);
	assert_int_equal(kinds_of(&t, "api", 0x00), 0);
	assert_int_equal(kinds_of(&t, "api", 0xff), 0);
	assert_int_equal(kinds_of(&t, "web", 0x20), 0);
	assert_int_equal(kinds_of(&t, "db", 0x10), 0);
	free(t.header);
}

static void program_may_be_mapped_too(void **state)
{
	struct table t = table_good();

	(void)state;
	assert_int_equal(kinds_of(&t, "api", 0x10),
			 DSTACK_KIND_EXEC | DSTACK_KIND_MAP);
	assert_int_equal(kinds_of(&t, "web", 0x00), DSTACK_KIND_EXEC |
			 DSTACK_KIND_MAP | DSTACK_KIND_SCRIPT);
	free(t.header);
}

/* Attack 75: one byte of the file is another, so is its digest. */
static void attack_75_nearly_the_digest_is_unknown(void **state)
{
	struct dstack_digest digest = { .alg = DSTACK_ALG_SHA256 };
	struct table t = table_good();
	size_t i;

	(void)state;
	for (i = 0; i < 8 * sizeof(digest.value); i++) {
		memset(digest.value, 0x10, sizeof(digest.value));
		digest.value[i / 8] ^= 1 << i % 8;
		assert_int_equal(look_up(&t, "api", &digest), 0);
	}
	free(t.header);
}

/*
 * Whoever may write a file can make its content the descriptor of which
 * another file's fs-verity digest is the SHA-256.
 */
static void digest_of_another_algorithm_is_another(void **state)
{
	struct dstack_digest digest = { .alg = DSTACK_ALG_FSVERITY_SHA256 };
	struct table t = table_good();

	(void)state;
	memset(digest.value, 0x10, sizeof(digest.value));
	assert_int_equal(look_up(&t, "api", &digest), 0);
	/* Both may be named, each for its kinds. */
	set_rule(&t.rules[1], 0x10, DSTACK_KIND_MAP);
	t.rules[1].alg = DSTACK_ALG_FSVERITY_SHA256;
	assert_int_equal(check(&t), 0);
	assert_int_equal(look_up(&t, "api", &digest), DSTACK_KIND_MAP);
	digest.alg = DSTACK_ALG_SHA256;
	assert_int_equal(look_up(&t, "api", &digest),
			 DSTACK_KIND_EXEC | DSTACK_KIND_MAP);
	digest.alg = DSTACK_ALG_NONE;
	assert_int_equal(look_up(&t, "api", &digest), 0);
	free(t.header);
}

static void name_dot(struct table *t)
{
	strcpy(t->sections[0].name, "a b");
}

static void name_empty(struct table *t)
{
	memset(t->sections[0].name, 0, DSTACK_SECTION_SIZE);
}

static void name_without_end(struct table *t)
{
	memset(t->sections[2].name, 'w', DSTACK_SECTION_SIZE);
}

static void name_with_tail(struct table *t)
{
	t->sections[0].name[DSTACK_SECTION_SIZE - 1] = 'x';
}

static void names_equal(struct table *t)
{
	strcpy(t->sections[1].name, "api");
}

static void names_unsorted(struct table *t)
{
	strcpy(t->sections[1].name, "aaa");
}

static void section_flags(struct table *t)
{
	t->sections[0].flags = cpu_to_le32(4);
}

static void section_reserved(struct table *t)
{
	t->sections[2].__reserved[2] = 1;
}

static void section_action(struct table *t)
{
	t->sections[2].revoked = __DSTACK_ACTION_MAX;
}

static void section_accepts_untrusted(struct table *t)
{
	t->sections[1].accept[3] |= cpu_to_le16(1 << DSTACK_STORAGE_UNTRUSTED);
}

static void section_accepts_pseudo(struct table *t)
{
	t->sections[1].accept[0] |= cpu_to_le16(1 << DSTACK_STORAGE_PSEUDO);
}

static void section_accepts_open_memfd(struct table *t)
{
	t->sections[1].accept[1] |= cpu_to_le16(1 << DSTACK_STORAGE_MEMFD_OPEN);
}

static void section_accepts_unknown(struct table *t)
{
	t->sections[1].accept[2] |= cpu_to_le16(1 << __DSTACK_STORAGE_MAX);
}

static void section_trusts_more(struct table *t)
{
	t->sections[0].accept[1] = cpu_to_le16(1 << DSTACK_STORAGE_DISK);
	t->sections[0].trust[1] = cpu_to_le16(1 << DSTACK_STORAGE_DISK |
					      1 << DSTACK_STORAGE_DMVERITY);
}

static void section_trusts_untrusted(struct table *t)
{
	t->sections[0].trust[0] = cpu_to_le16(1 << DSTACK_STORAGE_UNTRUSTED);
}

static void section_gap(struct table *t)
{
	t->sections[2].first = cpu_to_le32(4);
}

static void section_overlap(struct table *t)
{
	t->sections[2].first = cpu_to_le32(2);
}

static void section_long(struct table *t)
{
	t->sections[2].count = cpu_to_le32(4);
}

static void section_huge(struct table *t)
{
	t->sections[2].count = cpu_to_le32(UINT32_MAX);
}

static void section_short(struct table *t)
{
	t->sections[2].count = cpu_to_le32(2);
}

static void rule_alg(struct table *t)
{
	t->rules[0].alg = __DSTACK_ALG_MAX;
}

static void rule_no_alg(struct table *t)
{
	t->rules[0].alg = DSTACK_ALG_NONE;
}

static void rules_alg_unsorted(struct table *t)
{
	memset(t->rules[1].digest, 0x10, DSTACK_DIGEST_SIZE);
	t->rules[0].alg = DSTACK_ALG_FSVERITY_SHA256;
}

static void rule_no_kinds(struct table *t)
{
	t->rules[0].kinds = 0;
}

static void rule_unknown_kind(struct table *t)
{
	t->rules[5].kinds = 32;
}

static void rule_reserved(struct table *t)
{
	t->rules[5].__reserved[5] = 1;
}

static void rules_equal(struct table *t)
{
	memset(t->rules[1].digest, 0x10, DSTACK_DIGEST_SIZE);
}

static void rules_unsorted(struct table *t)
{
	memset(t->rules[1].digest, 0x0f, DSTACK_DIGEST_SIZE);
}

static void magic_version(struct table *t)
{
	t->header->magic[7] = '2';
}

static void size_field(struct table *t)
{
	t->header->size = cpu_to_le32(t->size + 1);
}

static void sections_more(struct table *t)
{
	t->header->sections = cpu_to_le32(SECTIONS + 1);
}

static void sections_many(struct table *t)
{
	t->header->sections = cpu_to_le32(DSTACK_TABLE_SECTIONS + 1);
}

static void sections_huge(struct table *t)
{
	t->header->sections = cpu_to_le32(UINT32_MAX);
}

static void rules_more(struct table *t)
{
	t->header->rules = cpu_to_le32(RULES + 1);
}

static void rules_huge(struct table *t)
{
	t->header->rules = cpu_to_le32(UINT32_MAX);
}

static void epoch_zero(struct table *t)
{
	t->header->epoch = 0;
}

static void header_reserved(struct table *t)
{
	t->header->__reserved[11] = 1;
}

static void malformed_table_is_refused_with_its_reason(void **state)
{
	static const struct {
		void (*spoil)(struct table *t);
		const char *why;
	} cases[] = {
		{ magic_version, "not a policy table, or of another version" },
		{ size_field, "size differs from what the header says" },
		{ sections_more, "size differs from what the header says" },
		{ sections_many, "too many sections" },
		{ sections_huge, "too many sections" },
		{ rules_more, "size differs from what the header says" },
		{ rules_huge, "size differs from what the header says" },
		{ epoch_zero, "epoch is 0" },
		{ header_reserved,
		  "reserved bytes of the header are not zero" },
		{ name_dot, "a section's name is malformed" },
		{ name_empty, "a section's name is malformed" },
		{ name_without_end, "a section's name is malformed" },
		{ name_with_tail,
		  "a section's name is not padded with zeros" },
		{ names_equal, "sections are not sorted, or one occurs twice" },
		{ names_unsorted,
		  "sections are not sorted, or one occurs twice" },
		{ section_flags, "a section has unknown flags" },
		{ section_reserved,
		  "reserved bytes of a section are not zero" },
		{ section_action, "a section's action is unknown" },
		{ section_accepts_untrusted,
		  "a section accepts storage that no policy can" },
		{ section_accepts_pseudo,
		  "a section accepts storage that no policy can" },
		{ section_accepts_open_memfd,
		  "a section accepts storage that no policy can" },
		{ section_accepts_unknown,
		  "a section accepts storage that no policy can" },
		{ section_trusts_more,
		  "a section trusts what it does not accept" },
		{ section_trusts_untrusted,
		  "a section trusts what it does not accept" },
		{ section_gap, "a section's rules are out of bounds" },
		{ section_overlap, "a section's rules are out of bounds" },
		{ section_long, "a section's rules are out of bounds" },
		{ section_huge, "a section's rules are out of bounds" },
		{ section_short, "rules outside every section" },
		{ rule_alg, "a rule's digest algorithm is unknown" },
		{ rule_no_alg, "a rule's digest algorithm is unknown" },
		{ rule_no_kinds, "a rule's kinds are empty or unknown" },
		{ rule_unknown_kind, "a rule's kinds are empty or unknown" },
		{ rule_reserved, "reserved bytes of a rule are not zero" },
		{ rules_equal, "rules are not sorted, or one occurs twice" },
		{ rules_unsorted, "rules are not sorted, or one occurs twice" },
		{ rules_alg_unsorted,
		  "rules are not sorted, or one occurs twice" },
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

static void table_cut_off_anywhere_is_refused(void **state)
{
	struct table t = table_good();
	const char *why;
	size_t size;

	(void)state;
	for (size = 0; size < t.size; size++) {
		void *copy = malloc(size ? size : 1);

		memcpy(copy, t.header, size);
		assert_int_equal(dstack_table_check(copy, size, &why),
				 -EBADMSG);
		free(copy);
	}
	free(t.header);
}

static void table_beyond_the_limit_is_refused(void **state)
{
	uint32_t rules = DSTACK_TABLE_MAX / sizeof(struct dstack_table_rule);
	struct table t = table_new(0, rules, 0);

	(void)state;
	assert_true(t.size > DSTACK_TABLE_MAX);
	assert_int_equal(check(&t), -EBADMSG);
	free(t.header);
}

/* Whatever passes the check must be safe to look up in, and hold its rules. */
static void look_everything_up(const struct table *t)
{
	uint32_t *index = make_index(t);
	uint32_t i, k;

	for (i = 0; i < le32_to_cpu(t->header->sections); i++) {
		const struct dstack_table_section *s = &t->sections[i];
		uint32_t first = le32_to_cpu(s->first);

		assert_ptr_equal(dstack_table_find(t->header, s->name), s);
		for (k = first; k < first + le32_to_cpu(s->count); k++) {
			const struct dstack_table_rule *rule = &t->rules[k];
			struct dstack_digest digest = { .alg = rule->alg };

			memcpy(digest.value, rule->digest,
			       sizeof(digest.value));
			assert_int_equal(dstack_table_kinds(t->header, index, s,
							    &digest) &
					 rule->kinds, rule->kinds);
		}
	}
	free(index);
}

static void mutated_table_is_sound_or_refused(void **state)
{
	unsigned int seed = 3, accepted = 0;
	size_t i, n;

	(void)state;
	for (i = 0; i < 50000; i++) {
		struct table t = table_good();
		uint8_t *bytes = (uint8_t *)t.header;

		for (n = rand_r(&seed) % 2 + 1; n; n--)
			bytes[rand_r(&seed) % t.size] = rand_r(&seed);
		if (!check(&t)) {
			accepted++;
			look_everything_up(&t);
		}
		free(t.header);
	}
	/* Both happen, or nothing was tested. */
	assert_in_range(accepted, 500, 49500);
}

static void large_table_finds_every_rule(void **state)
{
	const uint32_t sections = 100, each = 50;
	struct table t = table_new(sections, sections * each, 0);
	uint32_t i, k;

	(void)state;
	for (i = 0; i < sections; i++) {
		snprintf(t.sections[i].name, DSTACK_SECTION_SIZE, "s%04u", i);
		t.sections[i].first = cpu_to_le32(i * each);
		t.sections[i].count = cpu_to_le32(each);
		for (k = 0; k < each; k++) {
			set_rule(&t.rules[i * each + k], 0, DSTACK_KIND_MAP);
			t.rules[i * each + k].digest[3] = k;
		}
	}
	assert_int_equal(check(&t), 0);
	look_everything_up(&t);
	free(t.header);
}

/* How many rules share a bucket at most, and in how many buckets they are. */
static void digests_fall_into_buckets_of_their_own(void **state)
{
	static const uint32_t counts[] = { 1, 2, 3, 1000, 1024, 1025, 100000 };
	uint32_t *index, *bucket;
	uint32_t i, k, bits, most;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(counts); i++) {
		struct table t = table_new(1, counts[i], 0);

		strcpy(t.sections[0].name, "s");
		t.sections[0].count = cpu_to_le32(counts[i]);
		for (k = 0; k < counts[i]; k++) {
			/* As evenly as the best hash does. */
			uint64_t head = ((uint64_t)k << 32) / counts[i];

			set_rule(&t.rules[k], 0, DSTACK_KIND_MAP);
			t.rules[k].digest[0] = head >> 24;
			t.rules[k].digest[1] = head >> 16;
			t.rules[k].digest[2] = head >> 8;
			t.rules[k].digest[3] = head;
		}
		assert_int_equal(check(&t), 0);
		look_everything_up(&t);
		index = make_index(&t);
		bucket = index + index[0];
		bits = index[1];
		assert_in_range(1U << bits, counts[i], 2 * counts[i] - 1);
		for (k = 0, most = 0; k < 1U << bits; k++)
			if (bucket[k + 1] - bucket[k] > most)
				most = bucket[k + 1] - bucket[k];
		assert_int_equal(most, 1);
		assert_int_equal(bucket[k], counts[i]);
		free(index);
		free(t.header);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(well_formed_table_is_taken),
		cmocka_unit_test(table_without_sections_is_taken),
		cmocka_unit_test(section_is_found_by_its_whole_name),
		cmocka_unit_test(digest_counts_only_in_its_section),
		cmocka_unit_test(program_may_be_mapped_too),
		cmocka_unit_test(attack_75_nearly_the_digest_is_unknown),
		cmocka_unit_test(digest_of_another_algorithm_is_another),
		cmocka_unit_test(digests_fall_into_buckets_of_their_own),
		cmocka_unit_test(malformed_table_is_refused_with_its_reason),
		cmocka_unit_test(table_cut_off_anywhere_is_refused),
		cmocka_unit_test(table_beyond_the_limit_is_refused),
		cmocka_unit_test(mutated_table_is_sound_or_refused),
		cmocka_unit_test(large_table_finds_every_rule),
	};

	return cmocka_run_group_tests_name("table", tests, NULL, NULL);
}
