// SPDX-License-Identifier: MIT
/*
 * Write a policy as canonical JSON
 *
 * Copyright The dstack for Linux authors
 */
#include "lib.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "policy.h"
#include "words.h"

#define CHUNK	65536	/* more than the longest string that is put */

/*
 * Takes the document piece by piece: into @hash a chunk at a time, or without
 * one into a buffer that grows.
 */
struct writer {
	const struct libdstack_policy *policy;
	const struct policy_rule **order;	/* room for a section's rules */
	EVP_MD_CTX *hash;
	char *text;
	size_t len, cap;
	bool failed;
};

static void make_room(struct writer *to)
{
	char *text;

	if (to->hash) {
		if (!EVP_DigestUpdate(to->hash, to->text, to->len))
			to->failed = true;
		to->len = 0;
		return;
	}
	text = realloc(to->text, 2 * to->cap);
	if (!text) {
		to->failed = true;
		to->len = 0;
		return;
	}
	to->text = text;
	to->cap *= 2;
}

/* For @len more bytes, at most half a chunk. */
static inline void reserve(struct writer *to, size_t len)
{
	if (len > to->cap - to->len)
		make_room(to);
}

static inline void put_bytes(struct writer *to, const char *text, size_t len)
{
	reserve(to, len);
	memcpy(to->text + to->len, text, len);
	to->len += len;
}

static inline void put(struct writer *to, const char *text)
{
	put_bytes(to, text, strlen(text));
}

/* What a policy lets in needs no escapes but these. */
static void put_path(struct writer *to, const char *path)
{
	size_t len = strcspn(path, "\"\\");

	put(to, "\"path\":\"");
	for (; path[len]; len = strcspn(path, "\"\\")) {
		put_bytes(to, path, len);
		put(to, "\\");
		put_bytes(to, path + len, 1);
		path += len + 1;
	}
	put_bytes(to, path, len);
	put(to, "\"");
}

/*
 * The words for some bits, one at least: in the order of the document that was
 * read, of @nr at most, or in that of the bits.
 */
static inline void put_words(struct writer *to, uint32_t bits,
			     const uint8_t *written, uint32_t nr,
			     const char *(*name_of)(uint32_t bit))
{
	const char *comma = "[\"";
	uint32_t i;

	for (i = 0; i < nr; i++) {
		uint32_t bit = to->policy->as_read ? written[i] :
			bits & 1U << i;

		if (!bit)
			continue;
		put(to, comma);
		put(to, name_of(bit));
		comma = "\",\"";
	}
	put(to, "\"]");
}

static void put_rule(struct writer *to, const struct policy_rule *rule)
{
	put(to, "{\"digest\":\"");
	reserve(to, LIBDSTACK_DIGEST_TEXT);
	to->len += strlen(libdstack_digest_to_text(&rule->digest,
						   to->text + to->len));
	put(to, "\",\"kinds\":");
	put_words(to, rule->kinds, rule->written, POLICY_KINDS,
		  dstack_kind_name);
	if (rule->path) {
		put(to, ",");
		put_path(to, rule->path);
	}
	put(to, "}");
}

/* As the document that was read says it, or if it is not the default. */
static void put_choice(struct writer *to, const char *field, bool said,
		       uint32_t choice, const char *name)
{
	if (!(to->policy->as_read ? said : choice))
		return;
	put(to, field);
	put(to, name);
	put(to, "\"");
}

static void put_classes(struct writer *to, const struct policy_classes *classes)
{
	uint32_t i, nr = to->policy->as_read ? classes->nr :
		__DSTACK_STORAGE_MAX;
	const char *comma = "";

	put(to, "[");
	for (i = 0; i < nr; i++) {
		uint32_t storage = to->policy->as_read ? classes->written[i] :
			i;

		if (!(classes->mask & 1U << storage))
			continue;
		put(to, comma);
		put(to, "\"");
		put(to, dstack_storage_name(storage));
		put(to, "\"");
		comma = ",";
	}
	put(to, "]");
}

static bool says_use(const struct writer *to, const struct policy_use *use,
		     uint32_t usual)
{
	size_t i;

	for (i = 0; i < POLICY_KINDS; i++)
		if (!to->policy->as_read && use->kinds[i].mask != usual)
			return true;
	return to->policy->as_read && use->said;
}

/* @usual: what holds for a kind that is left out. */
static void put_use(struct writer *to, const char *field,
		    const struct policy_use *use, uint32_t usual)
{
	const struct policy_classes *classes;
	const char *comma = "";
	size_t i;

	if (!says_use(to, use, usual))
		return;
	put(to, field);
	for (i = 0; i < POLICY_KINDS; i++) {
		classes = &use->kinds[policy_kinds_by_name[i]];
		if (!(to->policy->as_read ? classes->said :
		      classes->mask != usual))
			continue;
		put(to, comma);
		put(to, "\"");
		put(to, dstack_kind_name(1U << policy_kinds_by_name[i]));
		put(to, "\":");
		put_classes(to, classes);
		comma = ",";
	}
	put(to, "}");
}

static void put_mask(struct writer *to, const struct policy_mask *mask,
		     const char *(*name_of)(uint32_t bit))
{
	put_words(to, mask->bits, mask->written, POLICY_WORDS, name_of);
}

static void put_key(struct writer *to, const struct policy_key *key)
{
	put(to, "{\"delivery\":");
	put_mask(to, &key->delivery, dstack_key_delivery_name);
	put(to, ",\"kinds\":");
	put_mask(to, &key->kinds, dstack_key_kind_name);
	put(to, ",");
	put_path(to, key->path);
	if (to->policy->as_read ? key->says_scope :
	    key->scopes.bits != DSTACK_SCOPE_CONTAINER) {
		put(to, ",\"scope\":");
		put_mask(to, &key->scopes, dstack_key_scope_name);
	}
	put(to, "}");
}

static void put_keys(struct writer *to, const struct policy_section *section)
{
	const struct policy_key *order[DSTACK_TABLE_KEYS];
	size_t i;

	if (!(to->policy->as_read ? section->says_keys : section->nr_keys))
		return;
	for (i = 0; i < section->nr_keys; i++) {
		const struct policy_key *key = &section->keys[i];

		order[to->policy->as_read ? key->place : i] = key;
	}
	put(to, ",\"keys\":[");
	for (i = 0; i < section->nr_keys; i++) {
		if (i)
			put(to, ",");
		put_key(to, order[i]);
	}
	put(to, "]");
}

/* Fields in the order of their names, all of which are behind "allow". */
static void put_terms(struct writer *to, const struct policy_section *section)
{
	put_keys(to, section);
	put_choice(to, ",\"measure\":\"", section->says_measure,
		   section->measure, dstack_mode_name(section->measure));
	put_choice(to, ",\"memory\":\"", section->says_memory,
		   section->memory, policy_memory_name(section->memory));
	put_choice(to, ",\"revoked\":\"", section->says_revoked,
		   section->revoked, dstack_action_name(section->revoked));
	put_use(to, ",\"storage\":{", &section->accept,
		__DSTACK_STORAGE_ACCEPTABLE);
	put_use(to, ",\"trust\":{", &section->trust, 0);
}

static void put_section(struct writer *to, const struct policy_section *section)
{
	size_t i;

	for (i = 0; i < section->nr_rules; i++) {
		const struct policy_rule *rule = &section->rules[i];

		to->order[to->policy->as_read ? rule->place : i] = rule;
	}
	put(to, "\"");
	put(to, section->name);
	put(to, "\":{\"allow\":[");
	for (i = 0; i < section->nr_rules; i++) {
		if (i)
			put(to, ",");
		put_rule(to, to->order[i]);
	}
	put(to, "]");
	put_terms(to, section);
	put(to, "}");
}

static void put_document(struct writer *to)
{
	const struct libdstack_policy *policy = to->policy;
	char app_id[2 * DSTACK_APP_ID_SIZE + 1], tail[64];
	size_t i;

	put(to, "{\"app_id\":\"");
	put(to, libdstack_to_hex(policy->app_id, sizeof(policy->app_id),
				 app_id));
	put(to, "\",\"containers\":{");
	for (i = 0; i < policy->nr_sections; i++) {
		if (i)
			put(to, ",");
		put_section(to, policy->sections[i]);
	}
	snprintf(tail, sizeof(tail), "},\"epoch\":%llu,\"version\":%d}",
		 (unsigned long long)policy->epoch, POLICY_VERSION);
	put(to, tail);
}

/*
 * RFC 8785, for what a policy has: fields are put in their order; the keys are
 * ASCII, so that the order of bytes is the order of UTF-16 units; numbers are
 * whole and below 2^53.  By hand, as a JSON library's tree of 100,000 rules
 * would cost more than reading them.
 */
static int write_document(struct writer *to)
{
	policy_settle(to->policy);
	to->cap = CHUNK;
	to->text = malloc(to->cap);
	to->order = reallocarray(NULL, to->policy->nr_rules + 1,
				 sizeof(*to->order));
	if (to->text && to->order)
		put_document(to);
	else
		to->failed = true;
	free(to->order);
	return to->failed ? -ENOMEM : 0;
}

int libdstack_policy_canonical(const struct libdstack_policy *policy,
			       char **text, size_t *len)
{
	struct writer to = { .policy = policy };

	*text = NULL;
	if (!write_document(&to))
		put_bytes(&to, "", 1);
	if (to.failed) {
		free(to.text);
		return -ENOMEM;
	}
	*text = to.text;
	*len = to.len - 1;
	return 0;
}

int libdstack_policy_digest(const struct libdstack_policy *policy,
			    uint8_t digest[DSTACK_DIGEST_SIZE])
{
	struct writer to = { .policy = policy, .hash = EVP_MD_CTX_new() };
	int err = -ENOMEM;

	if (to.hash && EVP_DigestInit_ex(to.hash, EVP_sha256(), NULL))
		err = write_document(&to);
	if (!err && (!EVP_DigestUpdate(to.hash, to.text, to.len) ||
		     !EVP_DigestFinal_ex(to.hash, digest, NULL)))
		err = -ENOMEM;
	free(to.text);
	EVP_MD_CTX_free(to.hash);
	return err;
}
