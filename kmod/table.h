/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * The binary policy table: what the daemon compiles and the kernel looks up
 *
 * Copyright The dstack for Linux authors
 *
 * A table is one block of little-endian bytes without a pointer in it:
 *
 *	struct dstack_table_header
 *	struct dstack_table_section[header.sections]	sorted by name
 *	struct dstack_table_rule[header.rules]		the sections' in turn,
 *							each sorted by digest,
 *							then algorithm
 *	struct dstack_table_key[header.keys]		the sections' in turn,
 *							each sorted by prefix,
 *							then length
 *
 * Everything is sorted and dense, so that equal policies are equal bytes and
 * the SHA-256 of the table names the policy.
 *
 * Whoever looks up often builds an index of the checked table first.  Digests
 * are as good as random, so their first bits say nearly where a rule is: a
 * lookup costs the same in a section of a thousand rules and of a hundred
 * thousand.
 */
#ifndef _DSTACK_TABLE_H
#define _DSTACK_TABLE_H

#include "pure.h"

#define DSTACK_TABLE_MAGIC	"DSTKPOL3"
#define DSTACK_TABLE_SECTIONS	4096	/* most sections of a table */
#define DSTACK_TABLE_KEYS	64	/* most key terms of a section */
#define DSTACK_TABLE_KINDS	5	/* bits of __DSTACK_KIND_ALL */
#define DSTACK_TABLE_KEY_PREFIX	112	/* bytes of a key term's prefix */

/**
 * struct dstack_table_header - start of a table
 * @magic: DSTACK_TABLE_MAGIC without NUL; the last byte is the version
 * @size: bytes of the whole table
 * @sections: number of sections
 * @rules: number of rules of all sections
 * @keys: number of key terms of all sections
 * @epoch: rises with every policy of an application, from 1
 * @app_id: the application
 * @__reserved: 0
 */
struct dstack_table_header {
	u8 magic[8];
	__le32 size;
	__le32 sections;
	__le32 rules;
	__le32 keys;
	__le64 epoch;
	u8 app_id[DSTACK_APP_ID_SIZE];
	u8 __reserved[12];
};

/**
 * struct dstack_table_section - what one kind of container may run
 * @name: [A-Za-z0-9._-]+, padded with NULs, at least one
 * @first: index of its first rule
 * @count: number of its rules
 * @flags: DSTACK_SECTION_F_*
 * @revoked: enum dstack_action, for containers that run what a newer policy
 *	drops
 * @__reserved: 0
 * @accept: for each kind, from the lowest bit of enum dstack_kind, which
 *	storage its files may rest on, a bit for each enum dstack_storage
 * @trust: the same of storage whose files need no rule; part of @accept
 * @first_key: index of its first key term
 * @count_keys: number of its key terms
 */
struct dstack_table_section {
	char name[DSTACK_SECTION_SIZE];
	__le32 first;
	__le32 count;
	__le32 flags;
	u8 revoked;
	u8 __reserved[3];
	__le16 accept[DSTACK_TABLE_KINDS];
	__le16 trust[DSTACK_TABLE_KINDS];
	__le32 first_key;
	__le32 count_keys;
};

/* Of execs only the first of each file is recorded. */
#define DSTACK_SECTION_F_FIRST	1U
/* Executable memory that is no file's, or no longer, may be had. */
#define DSTACK_SECTION_F_MEMORY	2U
#define __DSTACK_SECTION_F_ALL \
	(DSTACK_SECTION_F_FIRST | DSTACK_SECTION_F_MEMORY)

/**
 * struct dstack_table_rule - one file that may run
 * @digest: of the file
 * @alg: enum dstack_alg, not DSTACK_ALG_NONE
 * @kinds: mask of enum dstack_kind
 * @__reserved: 0
 */
struct dstack_table_rule {
	u8 digest[DSTACK_DIGEST_SIZE];
	u8 alg;
	u8 kinds;
	u8 __reserved[6];
};

/**
 * struct dstack_table_key - keys that the containers of a section may ask for
 * @path: what their paths begin with, padded with NULs; none: any path
 * @path_len: bytes of @path without the padding
 * @kinds: mask of enum dstack_key_kind
 * @scopes: mask of enum dstack_key_scope
 * @delivery: mask of enum dstack_key_delivery
 * @__reserved: 0
 */
struct dstack_table_key {
	u8 path[DSTACK_TABLE_KEY_PREFIX];
	u8 path_len;
	u8 kinds;
	u8 scopes;
	u8 delivery;
	u8 __reserved[4];
};

int dstack_table_check(const void *table, size_t size, const char **why);
const struct dstack_table_section *
dstack_table_find(const void *table, const char *name);
bool dstack_table_withdraws(const void *table, const void *of);
size_t dstack_table_index_size(const void *table);
void dstack_table_index(const void *table, u32 *index);
u32 dstack_table_kinds(const void *table, const u32 *index,
		       const struct dstack_table_section *section,
		       const struct dstack_digest *digest);
bool dstack_table_accepts(const struct dstack_table_section *section,
			  u32 kind, u32 storage);
bool dstack_table_trusts(const struct dstack_table_section *section, u32 kind,
			 u32 storage);
bool dstack_table_key_allows(const void *table,
			     const struct dstack_table_section *section,
			     u32 kind, u32 scope, u32 delivery,
			     const void *path, size_t len);
const struct dstack_table_section *dstack_table_sections(const void *table);
const struct dstack_table_rule *dstack_table_rules(const void *table);
const struct dstack_table_key *dstack_table_keys(const void *table);

#endif /* _DSTACK_TABLE_H */
