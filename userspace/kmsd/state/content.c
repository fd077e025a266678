// SPDX-License-Identifier: MIT
/*
 * What is sealed, as bytes
 *
 * Copyright The dstack for Linux authors
 *
 * Numbers are little-endian.  There is one way to write a content, and what is
 * read must be all of it and make sense: it was sealed by a KMS, but by which
 * version nobody knows, and a disk may have an old one.
 */
#include "room.h"

#include <errno.h>
#include <string.h>

#define LABEL_MAX	63	/* of a domain */

struct writer {
	uint8_t *at;
	size_t left;
	bool full;
};

struct reader {
	const uint8_t *at;
	size_t left;
	bool bad;
};

static void put(struct writer *to, const void *data, size_t len)
{
	if (to->full || len > to->left) {
		to->full = true;
		return;
	}
	memcpy(to->at, data, len);
	to->at += len;
	to->left -= len;
}

static void put_number(struct writer *to, uint64_t value, int size)
{
	uint8_t bytes[8] = { 0 };
	int i;

	for (i = 0; i < size; i++)
		bytes[i] = value >> (8 * i);
	put(to, bytes, size);
}

static void put_text(struct writer *to, const char *text)
{
	size_t len = strlen(text);

	put_number(to, len, 2);
	put(to, text, len);
}

static void put_epoch(struct writer *to, const struct key_epoch *epoch)
{
	put_number(to, epoch->number, 8);
	put_number(to, epoch->created, 8);
	put_number(to, epoch->retired, 8);
	put(to, epoch->ca, sizeof(epoch->ca));
	put(to, epoch->temp_ca, sizeof(epoch->temp_ca));
	put(to, epoch->k256, sizeof(epoch->k256));
	put(to, epoch->k256_public, sizeof(epoch->k256_public));
	put_text(to, epoch->ca_cert);
	put_text(to, epoch->temp_ca_cert);
	put_number(to, epoch->succession_len, 1);
	put(to, epoch->succession, epoch->succession_len);
}

size_t content_write(const struct content *content, uint8_t out[CONTENT_MAX])
{
	struct writer to = { .at = out, .left = CONTENT_MAX };
	size_t i;

	put_number(&to, content->generation, 8);
	put_number(&to, content->head.number, 8);
	put_number(&to, content->head.time, 8);
	put(&to, content->head.hash, sizeof(content->head.hash));
	put_text(&to, content->domain);
	put_number(&to, content->nr, 2);
	for (i = 0; i < content->nr; i++)
		put_epoch(&to, &content->epochs[i]);
	return to.full ? 0 : CONTENT_MAX - to.left;
}

static void get(struct reader *from, void *out, size_t len)
{
	if (from->bad || len > from->left) {
		from->bad = true;
		memset(out, 0, len);
		return;
	}
	memcpy(out, from->at, len);
	from->at += len;
	from->left -= len;
}

static uint64_t get_number(struct reader *from, int size)
{
	uint8_t bytes[8] = { 0 };
	uint64_t value = 0;
	int i;

	get(from, bytes, size);
	for (i = 0; i < size; i++)
		value |= (uint64_t)bytes[i] << (8 * i);
	return value;
}

/* @room: with the NUL, which is not in the bytes, nor another. */
static void get_text(struct reader *from, char *out, size_t room)
{
	size_t len = get_number(from, 2);

	*out = '\0';
	if (len >= room)
		from->bad = true;
	if (from->bad)
		return;
	get(from, out, len);
	out[len] = '\0';
	if (strlen(out) != len)
		from->bad = true;
}

static void get_epoch(struct reader *from, struct key_epoch *epoch)
{
	epoch->number = get_number(from, 8);
	epoch->created = get_number(from, 8);
	epoch->retired = get_number(from, 8);
	get(from, epoch->ca, sizeof(epoch->ca));
	get(from, epoch->temp_ca, sizeof(epoch->temp_ca));
	get(from, epoch->k256, sizeof(epoch->k256));
	get(from, epoch->k256_public, sizeof(epoch->k256_public));
	get_text(from, epoch->ca_cert, sizeof(epoch->ca_cert));
	get_text(from, epoch->temp_ca_cert, sizeof(epoch->temp_ca_cert));
	epoch->succession_len = get_number(from, 1);
	if (epoch->succession_len > sizeof(epoch->succession))
		from->bad = true;
	else
		get(from, epoch->succession, epoch->succession_len);
}

static void get_all(struct reader *from, struct content *content)
{
	size_t i;

	content->generation = get_number(from, 8);
	content->head.number = get_number(from, 8);
	content->head.time = get_number(from, 8);
	get(from, content->head.hash, sizeof(content->head.hash));
	get_text(from, content->domain, sizeof(content->domain));
	content->nr = get_number(from, 2);
	if (content->nr > KEY_EPOCHS_MAX)
		from->bad = true;
	for (i = 0; i < content->nr && !from->bad; i++)
		get_epoch(from, &content->epochs[i]);
	if (from->left)
		from->bad = true;
}

int content_read(const uint8_t *data, size_t len, struct content *content,
		 const char **why)
{
	struct reader from = { .at = data, .left = len };
	int err;

	get_all(&from, content);
	*why = from.bad ? "it does not have the parts of a state" :
		!state_domain_ok(content->domain) ? "its domain is none" :
		NULL;
	err = *why ? -EBADMSG :
		key_epochs_check(content->epochs, content->nr, why);
	return err == -EINVAL ? -EBADMSG : err;
}

static bool is_label(const char *text, size_t len)
{
	size_t i;

	if (!len || len > LABEL_MAX || text[0] == '-' || text[len - 1] == '-')
		return false;
	for (i = 0; i < len; i++)
		if (!(text[i] >= 'a' && text[i] <= 'z') &&
		    !(text[i] >= 'A' && text[i] <= 'Z') &&
		    !(text[i] >= '0' && text[i] <= '9') && text[i] != '-')
			return false;
	return true;
}

/* Letters, digits and hyphens: it becomes the name in certificates. */
bool state_domain_ok(const char *domain)
{
	const char *end;

	if (strlen(domain) > STATE_DOMAIN_MAX)
		return false;
	for (;; domain = end + 1) {
		end = strchrnul(domain, '.');
		if (!is_label(domain, end - domain))
			return false;
		if (!*end)
			return true;
	}
}
