// SPDX-License-Identifier: GPL-2.0-only OR MIT
/*
 * Check a binary policy table, and look up in it
 *
 * Copyright The dstack for Linux authors
 */
#include "event.h"
#include "table.h"

static bool zero(const void *data, size_t len)
{
	const u8 *p = data;

	while (len--)
		if (*p++)
			return false;
	return true;
}

/**
 * dstack_table_sections() - the sections of a table
 * @table: a table whose header was checked
 *
 * Return: the first of header.sections.
 */
const struct dstack_table_section *dstack_table_sections(const void *table)
{
	const struct dstack_table_header *header = table;

	return (const void *)(header + 1);
}

/**
 * dstack_table_rules() - the rules of all sections
 * @table: a table whose header was checked
 *
 * Return: the first of header.rules.
 */
const struct dstack_table_rule *dstack_table_rules(const void *table)
{
	const struct dstack_table_header *header = table;

	return (const void *)(dstack_table_sections(table) +
			      le32_to_cpu(header->sections));
}

/**
 * dstack_table_keys() - the key terms of all sections
 * @table: a table whose header was checked
 *
 * Return: the first of header.keys.
 */
const struct dstack_table_key *dstack_table_keys(const void *table)
{
	const struct dstack_table_header *header = table;

	return (const void *)(dstack_table_rules(table) +
			      le32_to_cpu(header->rules));
}

static const char *check_header(const struct dstack_table_header *header,
				size_t size)
{
	u64 want = sizeof(*header);

	if (size < sizeof(*header) || size > DSTACK_TABLE_MAX)
		return "size out of bounds";
	if (memcmp(header->magic, DSTACK_TABLE_MAGIC, sizeof(header->magic)))
		return "not a policy table, or of another version";
	if (le32_to_cpu(header->sections) > DSTACK_TABLE_SECTIONS)
		return "too many sections";
	want += (u64)le32_to_cpu(header->sections) *
		sizeof(struct dstack_table_section);
	want += (u64)le32_to_cpu(header->rules) *
		sizeof(struct dstack_table_rule);
	want += (u64)le32_to_cpu(header->keys) *
		sizeof(struct dstack_table_key);
	if (want != size || le32_to_cpu(header->size) != size)
		return "size differs from what the header says";
	if (!zero(header->__reserved, sizeof(header->__reserved)))
		return "reserved bytes of the header are not zero";
	if (!header->epoch)
		return "epoch is 0";
	return NULL;
}

static const char *check_name(const struct dstack_table_section *section)
{
	size_t len = strnlen(section->name, sizeof(section->name));

	if (len == sizeof(section->name) ||
	    !dstack_event_name_ok(section->name))
		return "a section's name is malformed";
	if (!zero(section->name + len, sizeof(section->name) - len))
		return "a section's name is not padded with zeros";
	return NULL;
}

static int compare(const u8 digest[DSTACK_DIGEST_SIZE], u32 alg,
		   const struct dstack_table_rule *rule)
{
	int order = memcmp(digest, rule->digest, sizeof(rule->digest));

	return order ?: (int)alg - rule->alg;
}

static bool is_for(const struct dstack_table_rule *rule,
		   const struct dstack_digest *digest)
{
	return !memcmp(rule->digest, digest->value, sizeof(rule->digest)) &&
		rule->alg == digest->alg;
}

static const char *check_rules(const struct dstack_table_rule *rule, u32 count)
{
	u32 i;

	for (i = 0; i < count; i++, rule++) {
		if (rule->alg == DSTACK_ALG_NONE ||
		    rule->alg >= __DSTACK_ALG_MAX)
			return "a rule's digest algorithm is unknown";
		if (!rule->kinds || rule->kinds & ~__DSTACK_KIND_ALL)
			return "a rule's kinds are empty or unknown";
		if (!zero(rule->__reserved, sizeof(rule->__reserved)))
			return "reserved bytes of a rule are not zero";
		if (i && compare(rule[-1].digest, rule[-1].alg, rule) >= 0)
			return "rules are not sorted, or one occurs twice";
	}
	return NULL;
}

static const char *check_key(const struct dstack_table_key *key)
{
	if (key->path_len > sizeof(key->path))
		return "a key term's prefix is too long";
	if (!zero(key->path + key->path_len,
		  sizeof(key->path) - key->path_len))
		return "a key term's prefix is not padded with zeros";
	if (!key->kinds || key->kinds & ~__DSTACK_KEY_KIND_ALL)
		return "a key term's kinds are empty or unknown";
	if (!key->scopes || key->scopes & ~__DSTACK_SCOPE_ALL)
		return "a key term's scopes are empty or unknown";
	if (!key->delivery || key->delivery & ~__DSTACK_DELIVER_ALL)
		return "a key term's delivery is empty or unknown";
	if (!zero(key->__reserved, sizeof(key->__reserved)))
		return "reserved bytes of a key term are not zero";
	return NULL;
}

/* The padding sorts a prefix before what it begins, but for one of NULs. */
static int compare_keys(const struct dstack_table_key *left,
			const struct dstack_table_key *right)
{
	int order = memcmp(left->path, right->path, sizeof(left->path));

	return order ?: left->path_len - right->path_len;
}

static const char *check_keys(const struct dstack_table_key *key, u32 count)
{
	const char *why;
	u32 i;

	for (i = 0; i < count; i++, key++) {
		why = check_key(key);
		if (why)
			return why;
		if (i && compare_keys(key - 1, key) >= 0)
			return "key terms are not sorted, or one occurs twice";
	}
	return NULL;
}

static const char *check_storage(const struct dstack_table_section *section)
{
	u32 i;

	for (i = 0; i < DSTACK_TABLE_KINDS; i++) {
		u32 accept = le16_to_cpu(section->accept[i]);
		u32 trust = le16_to_cpu(section->trust[i]);

		if (accept & ~__DSTACK_STORAGE_ACCEPTABLE)
			return "a section accepts storage that no policy can";
		if (trust & ~accept)
			return "a section trusts what it does not accept";
	}
	return NULL;
}

static const char *check_section(const struct dstack_table_section *section)
{
	const char *why = check_name(section);

	if (why)
		return why;
	if (le32_to_cpu(section->flags) & ~__DSTACK_SECTION_F_ALL)
		return "a section has unknown flags";
	if (section->revoked >= __DSTACK_ACTION_MAX)
		return "a section's action is unknown";
	if (!zero(section->__reserved, sizeof(section->__reserved)))
		return "reserved bytes of a section are not zero";
	return check_storage(section);
}

/*
 * What is a section's own must begin where that of the one before it ended;
 * @rules and @keys are where, and are moved on.
 */
static const char *check_parts(const void *table,
			       const struct dstack_table_section *section,
			       u32 *rules, u32 *keys)
{
	const struct dstack_table_header *header = table;
	u32 nr_rules = le32_to_cpu(section->count);
	u32 nr_keys = le32_to_cpu(section->count_keys);
	const char *why;

	if (le32_to_cpu(section->first) != *rules ||
	    nr_rules > le32_to_cpu(header->rules) - *rules)
		return "a section's rules are out of bounds";
	if (nr_keys > DSTACK_TABLE_KEYS)
		return "a section has too many key terms";
	if (le32_to_cpu(section->first_key) != *keys ||
	    nr_keys > le32_to_cpu(header->keys) - *keys)
		return "a section's key terms are out of bounds";
	why = check_rules(dstack_table_rules(table) + *rules, nr_rules);
	if (!why)
		why = check_keys(dstack_table_keys(table) + *keys, nr_keys);
	*rules += nr_rules;
	*keys += nr_keys;
	return why;
}

static const char *check_sections(const void *table)
{
	const struct dstack_table_header *header = table;
	const struct dstack_table_section *section =
		dstack_table_sections(table);
	u32 i, rules = 0, keys = 0;
	const char *why;

	for (i = 0; i < le32_to_cpu(header->sections); i++, section++) {
		why = check_section(section);
		if (why)
			return why;
		if (i && strcmp(section[-1].name, section->name) >= 0)
			return "sections are not sorted, or one occurs twice";
		why = check_parts(table, section, &rules, &keys);
		if (why)
			return why;
	}
	if (rules != le32_to_cpu(header->rules))
		return "rules outside every section";
	if (keys != le32_to_cpu(header->keys))
		return "key terms outside every section";
	return NULL;
}

/**
 * dstack_table_check() - is this a well-formed table
 * @table: the bytes, aligned to 8
 * @size: how many
 * @why: what is wrong, for the person who must mend it
 *
 * Every other function here relies on it.
 *
 * Return: 0 or -EBADMSG.
 */
int dstack_table_check(const void *table, size_t size, const char **why)
{
	*why = check_header(table, size);
	if (!*why)
		*why = check_sections(table);
	return *why ? -EBADMSG : 0;
}

/**
 * dstack_table_find() - the section with this name
 * @table: a checked table
 * @name: NUL-terminated
 *
 * Return: the section or NULL.
 */
const struct dstack_table_section *
dstack_table_find(const void *table, const char *name)
{
	const struct dstack_table_header *header = table;
	const struct dstack_table_section *sections =
		dstack_table_sections(table);
	u32 lo = 0, hi = le32_to_cpu(header->sections);

	while (lo < hi) {
		u32 mid = lo + (hi - lo) / 2;
		int order = strcmp(name, sections[mid].name);

		if (!order)
			return &sections[mid];
		if (order < 0)
			hi = mid;
		else
			lo = mid + 1;
	}
	return NULL;
}

/* How many of a digest's first bits tell @count rules apart. */
static u32 bits_for(u32 count)
{
	u32 bits = 0;

	while (1U << bits < count)
		bits++;
	return bits;
}

/* The first @bits bits of a digest as a number. */
static u32 bucket_of(const u8 digest[DSTACK_DIGEST_SIZE], u32 bits)
{
	u32 head = (u32)digest[0] << 24 | digest[1] << 16 | digest[2] << 8 |
		digest[3];

	return bits ? head >> (32 - bits) : 0;
}

/* Positions apart, which are of the whole table. */
static bool same_section(const void *a, const struct dstack_table_section *x,
			 const void *b, const struct dstack_table_section *y)
{
	u32 rules = le32_to_cpu(x->count), keys = le32_to_cpu(x->count_keys);

	return x->count == y->count && x->flags == y->flags &&
	       x->revoked == y->revoked && x->count_keys == y->count_keys &&
	       !memcmp(x->accept, y->accept, sizeof(x->accept)) &&
	       !memcmp(x->trust, y->trust, sizeof(x->trust)) &&
	       !memcmp(dstack_table_rules(a) + le32_to_cpu(x->first),
		       dstack_table_rules(b) + le32_to_cpu(y->first),
		       rules * sizeof(struct dstack_table_rule)) &&
	       !memcmp(dstack_table_keys(a) + le32_to_cpu(x->first_key),
		       dstack_table_keys(b) + le32_to_cpu(y->first_key),
		       keys * sizeof(struct dstack_table_key));
}

/**
 * dstack_table_withdraws() - is a table another one without its containers
 * @table: a checked table
 * @of: another one
 *
 * Return: true if @table is of the same application and epoch and allows what
 * @of allows to the host, and nothing else; and @of allows more.
 */
bool dstack_table_withdraws(const void *table, const void *of)
{
	const struct dstack_table_header *new = table, *old = of;
	const struct dstack_table_section *host =
		dstack_table_find(of, DSTACK_HOST_ID);
	u32 sections = host ? 1 : 0;

	if (new->epoch != old->epoch ||
	    memcmp(new->app_id, old->app_id, sizeof(new->app_id)) ||
	    le32_to_cpu(new->sections) != sections ||
	    le32_to_cpu(old->sections) <= sections)
		return false;
	return !host ||
		(!strcmp(dstack_table_sections(table)->name, host->name) &&
		 same_section(table, dstack_table_sections(table), of, host));
}

/**
 * dstack_table_index_size() - room for the index
 * @table: a checked table
 *
 * Return: bytes, at most twice a quarter of the table's.
 */
size_t dstack_table_index_size(const void *table)
{
	const struct dstack_table_header *header = table;
	const struct dstack_table_section *section =
		dstack_table_sections(table);
	size_t words = 0;
	u32 i;

	for (i = 0; i < le32_to_cpu(header->sections); i++, section++)
		words += 2 + (1U << bits_for(le32_to_cpu(section->count))) + 1;
	return words * sizeof(u32);
}

/* For each bucket the first rule that is not below it; at last the end. */
static void index_section(const struct dstack_table_rule *rules,
			  const struct dstack_table_section *section, u32 bits,
			  u32 *buckets)
{
	u32 rule = le32_to_cpu(section->first);
	u32 end = rule + le32_to_cpu(section->count);
	u32 bucket;

	for (bucket = 0; bucket < 1U << bits; bucket++) {
		while (rule < end &&
		       bucket_of(rules[rule].digest, bits) < bucket)
			rule++;
		buckets[bucket] = rule;
	}
	buckets[bucket] = end;
}

/**
 * dstack_table_index() - build the index
 * @table: a checked table
 * @index: dstack_table_index_size() bytes
 *
 * For each section two words, where its buckets begin and how many bits choose
 * one; then the buckets.
 */
void dstack_table_index(const void *table, u32 *index)
{
	const struct dstack_table_header *header = table;
	const struct dstack_table_section *section =
		dstack_table_sections(table);
	u32 sections = le32_to_cpu(header->sections);
	u32 i, at = 2 * sections;

	for (i = 0; i < sections; i++, section++) {
		u32 bits = bits_for(le32_to_cpu(section->count));

		index[2 * i] = at;
		index[2 * i + 1] = bits;
		index_section(dstack_table_rules(table), section, bits,
			      index + at);
		at += (1U << bits) + 1;
	}
}

/**
 * dstack_table_kinds() - the kinds for which a section names a digest
 * @table: a checked table
 * @index: its index
 * @section: one of its sections
 * @digest: the file's digest
 *
 * What may be executed may be mapped: a program is mapped when it runs.
 *
 * Return: mask of enum dstack_kind, 0 if the digest is unknown.
 */
u32 dstack_table_kinds(const void *table, const u32 *index,
		       const struct dstack_table_section *section,
		       const struct dstack_digest *digest)
{
	const struct dstack_table_rule *rules = dstack_table_rules(table);
	const u32 *words = index + 2 * (section - dstack_table_sections(table));
	const u32 *bucket = index + words[0] +
		bucket_of(digest->value, words[1]);
	u32 lo = bucket[0], hi = bucket[1];

	/* Mostly one rule; whoever chose the digests to be alike may wait. */
	while (lo < hi) {
		u32 mid = lo + (hi - lo) / 2;

		/* That it is the one is seen sooner than their order. */
		if (is_for(&rules[mid], digest)) {
			u32 kinds = rules[mid].kinds;

			if (kinds & DSTACK_KIND_EXEC)
				kinds |= DSTACK_KIND_MAP;
			return kinds;
		}
		if (compare(digest->value, digest->alg, &rules[mid]) < 0)
			hi = mid;
		else
			lo = mid + 1;
	}
	return 0;
}

static bool has_storage(const __le16 classes[DSTACK_TABLE_KINDS], u32 kind,
			u32 storage)
{
	u32 i;

	for (i = 0; i < DSTACK_TABLE_KINDS; i++)
		if (kind == 1U << i)
			return storage < __DSTACK_STORAGE_MAX &&
				le16_to_cpu(classes[i]) & 1U << storage;
	return false;
}

/**
 * dstack_table_accepts() - may files rest on this storage
 * @section: of a checked table
 * @kind: one enum dstack_kind
 * @storage: enum dstack_storage
 *
 * Return: true if they may, which approves none of them.
 */
bool dstack_table_accepts(const struct dstack_table_section *section,
			  u32 kind, u32 storage)
{
	return has_storage(section->accept, kind, storage);
}

/**
 * dstack_table_trusts() - are all files on this storage approved
 * @section: of a checked table
 * @kind: one enum dstack_kind
 * @storage: enum dstack_storage
 *
 * Return: true if no rule is needed.
 */
bool dstack_table_trusts(const struct dstack_table_section *section, u32 kind,
			 u32 storage)
{
	return has_storage(section->trust, kind, storage);
}

/* One bit, and one of @mask. */
static bool has_bit(u32 mask, u32 bit)
{
	return !(bit & (bit - 1)) && mask & bit;
}

/**
 * dstack_table_key_allows() - may a container have this key
 * @table: a checked table
 * @section: one of its sections
 * @kind: one enum dstack_key_kind
 * @scope: one enum dstack_key_scope
 * @delivery: one enum dstack_key_delivery
 * @path: of the key
 * @len: bytes of it
 *
 * A path is bytes: "db/" begins "db/" and "db/../web", but not "db".
 *
 * Return: true if one term of the section allows all of it.
 */
bool dstack_table_key_allows(const void *table,
			     const struct dstack_table_section *section,
			     u32 kind, u32 scope, u32 delivery,
			     const void *path, size_t len)
{
	const struct dstack_table_key *key = dstack_table_keys(table) +
		le32_to_cpu(section->first_key);
	u32 i;

	for (i = 0; i < le32_to_cpu(section->count_keys); i++, key++)
		if (key->path_len <= len &&
		    !memcmp(key->path, path, key->path_len) &&
		    has_bit(key->kinds, kind) && has_bit(key->scopes, scope) &&
		    has_bit(key->delivery, delivery))
			return true;
	return false;
}
