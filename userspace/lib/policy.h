/* SPDX-License-Identifier: MIT */
/*
 * A policy in memory, shared by the files that read, write and compile it
 *
 * Copyright The dstack for Linux authors
 */
#ifndef DSTACK_LIB_POLICY_H
#define DSTACK_LIB_POLICY_H

#include <libdstack.h>

#include "table.h"

#define POLICY_VERSION	1
#define POLICY_KINDS	DSTACK_TABLE_KINDS
#define POLICY_CLASSES	6	/* bits of __DSTACK_STORAGE_ACCEPTABLE */
#define POLICY_WORDS	6	/* most bits of a mask of a key term */

/* What a table holds, all of it in one section. */
#define POLICY_RULES_MAX \
	((DSTACK_TABLE_MAX - sizeof(struct dstack_table_header) - \
	  sizeof(struct dstack_table_section)) / \
	 sizeof(struct dstack_table_rule))

/*
 * @place and @written are what sorting forgets of a document: the rule's index
 * in its array, and its kinds in their order, the rest zeros.
 */
struct policy_rule {
	struct dstack_digest digest;
	uint8_t kinds;
	uint8_t written[POLICY_KINDS];
	uint32_t place;
	char *path;
};

/*
 * Classes of storage, a bit for each enum dstack_storage.  @written: their
 * order in the document, which need not say any.
 */
struct policy_classes {
	uint16_t mask;
	bool said;
	uint8_t nr;
	uint8_t written[POLICY_CLASSES];
};

/* The same for each kind, from the lowest bit of enum dstack_kind. */
struct policy_use {
	bool said;
	struct policy_classes kinds[POLICY_KINDS];
};

/* Bits, and their order in the document, the rest zeros. */
struct policy_mask {
	uint8_t bits;
	uint8_t written[POLICY_WORDS];
};

/* @place: in its array of the document.  @path: what a key's begins with. */
struct policy_key {
	char path[DSTACK_TABLE_KEY_PREFIX + 1];
	uint8_t place;
	bool says_scope;
	struct policy_mask kinds, scopes, delivery;
};

/*
 * Of @rules the first @nr_sorted are sorted by digest, and each is there once.
 * Those behind them were added since.
 */
struct policy_section {
	char name[DSTACK_SECTION_SIZE];
	uint32_t measure;	/* enum dstack_mode */
	uint32_t memory;	/* 1: that is no file's is allowed */
	uint32_t revoked;	/* enum dstack_action */
	bool says_measure, says_memory, says_revoked;	/* the document does */
	bool says_keys;
	struct policy_use accept, trust;
	size_t nr_keys;
	struct policy_key *keys;	/* by path */
	size_t nr_rules, nr_sorted, cap;
	struct policy_rule *rules;
};

/*
 * @as_read: written the way its author did.  The first change ends this: from
 * then on the document is ours to write.
 */
struct libdstack_policy {
	uint8_t app_id[DSTACK_APP_ID_SIZE];
	uint64_t epoch;
	bool as_read;
	size_t nr_sections;
	size_t nr_rules, nr_keys;	/* of all sections */
	struct policy_section *sections[DSTACK_TABLE_SECTIONS];	/* by name */
};

/* policy.c */

/* No control characters, and not too long; whether it is UTF-8 isn't asked. */
bool policy_text_printable(const char *text);
/* Can this be shown and written as JSON without an escape but \" and \\? */
bool policy_text_ok(const char *text);
/* Of a settled policy, or of one that is being read. */
size_t policy_table_size(const struct libdstack_policy *policy);
/* NULL: there is none. */
struct policy_section *policy_find(const struct libdstack_policy *policy,
				   const char *name);
/* -E2BIG: the table has not @more bytes for one more @what, after a message. */
int policy_make_room(const struct libdstack_policy *policy, const char *what,
		     size_t more);
/* -E2BIG: no room in the table, after a message; -EINVAL: not a name. */
int policy_add_section(struct libdstack_policy *policy, const char *name,
		       struct policy_section **section);
/* Room for @more rules, in the table as well: -E2BIG, after a message. */
int policy_reserve(const struct libdstack_policy *policy,
		   struct policy_section *section, size_t more);
/* One that has the digest of a rule of a lower place; NULL: all differ. */
const struct policy_rule *policy_sort(struct policy_section *section);
/* Every rule sorted and there once, which readers of the sections rely on. */
void policy_settle(const struct libdstack_policy *policy);

/* policy_terms.c */

extern const uint8_t policy_kinds_by_name[POLICY_KINDS];
const char *policy_memory_name(uint32_t memory);
/* What holds unless the section says otherwise. */
void policy_terms_init(struct policy_section *section);

/* policy_keys.c */

/* Can a key term have this prefix? */
bool policy_prefix_ok(const char *path);
/* -EEXIST: the section has this prefix; -E2BIG: after a message. */
int policy_add_key(struct libdstack_policy *policy,
		   struct policy_section *section,
		   const struct policy_key *key);

/* policy_json.c */

#define POLICY_PADDING	4	/* zeros that the JSON reader wants behind */

/*
 * @copy is @text, for changing, and padded.  0 or -errno, after a message if
 * that is -EBADMSG; *@policy is the caller's in either case.
 */
int policy_from_json(const char *text, char *copy, size_t len,
		     struct libdstack_policy **policy);

#endif /* DSTACK_LIB_POLICY_H */
