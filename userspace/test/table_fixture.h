/* SPDX-License-Identifier: MIT */
/*
 * A small table, byte by byte
 *
 * Copyright The dstack for Linux authors
 */
#ifndef TABLE_FIXTURE_H
#define TABLE_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "table.h"

#define SECTIONS	3
#define RULES		6	/* of sections "api": 3, "db": 0, "web": 3 */

/* A table with nothing around it, so that a byte too far is noticed. */
struct table {
	struct dstack_table_header *header;
	struct dstack_table_section *sections;
	struct dstack_table_rule *rules;
	size_t size;
};

static struct table table_new(uint32_t sections, uint32_t rules)
{
	struct table t;

	t.size = sizeof(*t.header) + sections * sizeof(*t.sections) +
		rules * sizeof(*t.rules);
	t.header = calloc(1, t.size);
	t.sections = (struct dstack_table_section *)(t.header + 1);
	t.rules = (struct dstack_table_rule *)(t.sections + sections);
	memcpy(t.header->magic, DSTACK_TABLE_MAGIC, 8);
	t.header->size = cpu_to_le32(t.size);
	t.header->sections = cpu_to_le32(sections);
	t.header->rules = cpu_to_le32(rules);
	t.header->epoch = cpu_to_le64(1);
	return t;
}

static void set_rule(struct dstack_table_rule *rule, uint8_t digest,
		     uint8_t kinds)
{
	memset(rule->digest, digest, sizeof(rule->digest));
	rule->alg = DSTACK_ALG_SHA256;
	rule->kinds = kinds;
}

static void accept_all(struct dstack_table_section *section)
{
	size_t i;

	for (i = 0; i < DSTACK_TABLE_KINDS; i++)
		section->accept[i] = cpu_to_le16(__DSTACK_STORAGE_ACCEPTABLE);
}

static struct table table_good(void)
{
	static const char * const names[SECTIONS] = { "api", "db", "web" };
	static const uint32_t counts[SECTIONS] = { 3, 0, 3 };
	struct table t = table_new(SECTIONS, RULES);
	uint32_t i, next = 0;

	for (i = 0; i < SECTIONS; i++) {
		strcpy(t.sections[i].name, names[i]);
		t.sections[i].first = cpu_to_le32(next);
		t.sections[i].count = cpu_to_le32(counts[i]);
		next += counts[i];
		accept_all(&t.sections[i]);
	}
	set_rule(&t.rules[0], 0x10, DSTACK_KIND_EXEC);
	set_rule(&t.rules[1], 0x20, DSTACK_KIND_MAP);
	set_rule(&t.rules[2], 0x30, DSTACK_KIND_SCRIPT);
	set_rule(&t.rules[3], 0x00, DSTACK_KIND_EXEC | DSTACK_KIND_SCRIPT);
	set_rule(&t.rules[4], 0x10, DSTACK_KIND_MAP | DSTACK_KIND_SCRIPT);
	set_rule(&t.rules[5], 0xff, __DSTACK_KIND_ALL);
	return t;
}

static int check(const struct table *t)
{
	const char *why;
	int err = dstack_table_check(t->header, t->size, &why);

	assert_true(!err == !why);
	return err;
}

#endif /* TABLE_FIXTURE_H */
