// SPDX-License-Identifier: MIT
/*
 * Which block a light client believes, of what servers of beacons say
 *
 * Copyright The dstack for Linux authors
 *
 * By the light client's part of the beacon chain's REST interface, in SSZ,
 * which servers have beside JSON and which is what is hashed.  One server that
 * can do it is enough: what it says is signed, or not used.
 */
#include "chain_room.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../../chain/light/light.h"
#include "lib.h"

#define URL_MAX		2048
#define ANSWER_MAX	(1U << 20)	/* bytes; an update has 27,000 */
#define UPDATES_MAX	16		/* in one answer */
#define ROUNDS_MAX	64		/* of answers: three years */
#define CHUNK_HEAD	8		/* the length of what follows */
#define DIGEST_SIZE	4		/* of the fork, before an update */

/* What is kept: the store, and the checkpoint that it goes back to. */
#define KEPT_SIZE	(LIGHT_SAVED_SIZE + CHAIN_HASH)

_Static_assert(KEPT_SIZE <= AUTH_LIGHT_MAX, "there is room for it");

struct follow {
	const struct auth *auth;
	const struct auth_config *config;
	bool begun;
	struct light_store store;
	/* Of the store, as it was kept last. */
	uint64_t kept_slot;
	bool kept_next;
	uint8_t data[AUTH_LIGHT_MAX];	/* of what is kept, or was */
};

/*
 * From one start to the next
 */

static void note_kept(struct follow *follow)
{
	follow->kept_slot = follow->store.slot;
	follow->kept_next = follow->store.next.known;
}

static int load(struct follow *follow, struct chain_why *why)
{
	const struct auth_options *options = &follow->auth->options;
	const uint8_t *checkpoint = follow->data + LIGHT_SAVED_SIZE;
	size_t len = sizeof(follow->data);
	int err = options->load_light(options->arg, follow->data, &len);

	if (err)
		return chain_fail(why, err, "%s", strerror(-err));
	if (len != KEPT_SIZE)
		return chain_fail(why, -EBADMSG, "it is not as long as it has to be");
	if (memcmp(checkpoint, follow->config->checkpoint, CHAIN_HASH) != 0)
		return chain_fail(why, -ESTALE, "it goes back to another checkpoint");
	return light_load((struct chain_bytes){ follow->data,
						LIGHT_SAVED_SIZE },
			  &follow->store, why);
}

/*
 * Whoever can break what was kept can take it away as well, and then it is a
 * first start: so the checkpoint is what there is to fall back on.
 */
static void resume(struct follow *follow)
{
	struct chain_why why = { "" };
	int err;

	if (!follow->auth->options.load_light)
		return;
	err = load(follow, &why);
	follow->begun = !err;
	if (!err)
		note_kept(follow);
	else if (err != -ENOENT)
		auth_say(follow->auth, "auth: what the light client believed last can't be used, so that it begins at its checkpoint: %s",
			 why.text);
}

/* Nothing now depends on it: it is for the next start. */
static void keep(struct follow *follow)
{
	const struct auth_options *options = &follow->auth->options;
	const struct light_store *store = &follow->store;
	int err;

	if (!options->keep_light || !follow->begun ||
	    (store->slot == follow->kept_slot &&
	     store->next.known == follow->kept_next))
		return;
	light_save(store, follow->data);
	memcpy(follow->data + LIGHT_SAVED_SIZE, follow->config->checkpoint,
	       CHAIN_HASH);
	err = options->keep_light(options->arg, follow->data, KEPT_SIZE);
	/* There will be a place, as soon as there are keys. */
	if (err == -ENOENT)
		return;
	if (err)
		auth_say(follow->auth, "auth: what the light client believes can't be kept: %s",
			 strerror(-err));
	/* If it was not: the next one is, in some minutes. */
	note_kept(follow);
}

struct follow *follow_new(const struct auth *auth)
{
	struct follow *follow = calloc(1, sizeof(*follow));

	if (!follow)
		return NULL;
	follow->auth = auth;
	follow->config = auth->config;
	resume(follow);
	return follow;
}

void follow_free(struct follow *follow)
{
	free(follow);
}

/*
 * Servers
 */

/* *@data is for free(). */
static int get(const struct follow *follow, const char *server,
	       const char *path, char **data, size_t *len,
	       struct chain_why *why)
{
	size_t end = strlen(server);
	char url[URL_MAX];
	const struct chain_request request = {
		.url = url, .accept = "application/octet-stream",
		.ca_file = follow->config->ca_file, .max = ANSWER_MAX,
		.timeout_ms = follow->config->timeout_ms,
	};

	end -= end && server[end - 1] == '/';
	snprintf(url, sizeof(url), "%.*s/eth/v1/beacon/light_client/%s",
		 (int)end, server, path);
	return chain_http_ask(follow->auth->pool, &request, data, len, why);
}

static int begin(struct follow *follow, const char *server,
		 struct chain_why *why)
{
	char path[16 + 2 * CHAIN_HASH], hex[2 * CHAIN_HASH + 1], *data;
	size_t len;
	int err;

	libdstack_to_hex(follow->config->checkpoint, CHAIN_HASH, hex);
	snprintf(path, sizeof(path), "bootstrap/0x%s", hex);
	err = get(follow, server, path, &data, &len, why);
	if (err)
		return err;
	err = light_begin(&light_mainnet, follow->config->checkpoint,
			  (struct chain_bytes){ (uint8_t *)data, len },
			  &follow->store, why);
	free(data);
	follow->begun = !err;
	return err;
}

/* Updates of one answer, each with its length and its fork before it. */
static int apply(struct follow *follow, const uint8_t *at, size_t len,
		 uint64_t now, struct chain_why *why)
{
	uint64_t size;
	int err = 0;

	while (len && !err) {
		size = 0;
		if (len > CHUNK_HEAD)
			memcpy(&size, at, CHUNK_HEAD);
		size = le64toh(size);
		if (size < DIGEST_SIZE || size > len - CHUNK_HEAD)
			return chain_fail(why, -EBADMSG,
					  "its updates are not as long as it says");
		err = light_update(&light_mainnet, &follow->store,
				   (struct chain_bytes){
					at + CHUNK_HEAD + DIGEST_SIZE,
					size - DIGEST_SIZE }, now, why);
		at += CHUNK_HEAD + size;
		len -= CHUNK_HEAD + size;
	}
	return err;
}

static uint64_t period_at(uint64_t now)
{
	return now < light_mainnet.genesis_time ? 0 :
		light_period((now - light_mainnet.genesis_time) /
			     LIGHT_SLOT_SECONDS);
}

/* Committees, up to the one that signs today, or as far as it has them. */
static int catch_up(struct follow *follow, const char *server, uint64_t now,
		    struct chain_why *why)
{
	const struct light_store *store = &follow->store;
	uint64_t from, last = UINT64_MAX;
	unsigned int rounds = 0;
	char path[64], *data;
	size_t len;
	int err = 0;

	while (!err && store->current.period < period_at(now)) {
		from = store->current.period + store->next.known;
		if (from == last || rounds++ == ROUNDS_MAX)
			break;
		last = from;
		snprintf(path, sizeof(path),
			 "updates?start_period=%llu&count=%d",
			 (unsigned long long)from, UPDATES_MAX);
		err = get(follow, server, path, &data, &len, why);
		if (err)
			return err;
		err = apply(follow, (uint8_t *)data, len, now, why);
		free(data);
	}
	return err;
}

static int finish(struct follow *follow, const char *server, uint64_t now,
		  struct chain_why *why)
{
	size_t len;
	char *data;
	int err = get(follow, server, "finality_update", &data, &len, why);

	if (err)
		return err;
	err = light_update(&light_mainnet, &follow->store,
			   (struct chain_bytes){ (uint8_t *)data, len }, now,
			   why);
	free(data);
	return err;
}

int follow_head(struct follow *follow, uint64_t now,
		struct chain_header *header, struct chain_why *why)
{
	char *const *servers = follow->config->beacon_urls;
	struct chain_why own, first = { "" };
	size_t i;
	int err = -EINVAL;

	for (i = 0; err && servers[i]; i++) {
		own.text[0] = 0;
		err = follow->begun ? 0 : begin(follow, servers[i], &own);
		if (!err)
			err = catch_up(follow, servers[i], now, &own);
		if (!err)
			err = finish(follow, servers[i], now, &own);
		/* Whatever it led to: each step of it was signed. */
		keep(follow);
		if (err)
			chain_fail(&first, err, "beacon %zu: %.*s", i + 1,
				   CHAIN_WHY_MAX - 32, own.text);
	}
	if (err)
		return chain_fail(why, err, "no server leads to a block that is final: %.*s",
				  CHAIN_WHY_MAX - 64, first.text);
	*header = follow->store.header;
	return 0;
}
