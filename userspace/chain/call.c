// SPDX-License-Identifier: MIT
/*
 * What servers say that a contract says, where its code is not known
 *
 * Copyright The dstack for Linux authors
 *
 * Nothing of this is proven: servers run the code.  So as many as the quorum
 * have to say the same, and the verdict has that it was asked.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib.h"
#include "rpc.h"

#define WORD		32
#define FIELDS		9	/* of AppBootInfo */
#define STATUS_MAX	128
#define ADVISORIES_MAX	128
#define ADVISORY_MAX	256
#define ANSWER_MAX	(3 * WORD + CHAIN_REASON_MAX)
#define IS_APP_ALLOWED	"1e079198"
#define IS_KMS_ALLOWED	"e067ec9d"

static size_t padded(size_t len)
{
	return (len + WORD - 1) / WORD * WORD;
}

static void put_number(FILE *out, size_t number)
{
	fprintf(out, "%064zx", number);
}

/* Numbers and addresses are at the end of a word. */
static void put_bytes(FILE *out, const uint8_t *bytes, size_t len)
{
	uint8_t word[WORD] = { 0 };
	char hex[2 * WORD + 1];

	memcpy(word + WORD - len, bytes, len);
	fputs(libdstack_to_hex(word, WORD, hex), out);
}

static void put_text(FILE *out, const char *text)
{
	size_t len = strlen(text), i;

	put_number(out, len);
	for (i = 0; i < padded(len); i++)
		fprintf(out, "%02x", i < len ? (uint8_t)text[i] : 0);
}

/* Offsets first, from where they begin; then what is there. */
static void put_list(FILE *out, const char *const *list, size_t nr)
{
	size_t at = nr * WORD, i;

	put_number(out, nr);
	for (i = 0; i < nr; i++) {
		put_number(out, at);
		at += WORD + padded(strlen(list[i]));
	}
	for (i = 0; i < nr; i++)
		put_text(out, list[i]);
}

static void put_boot(FILE *out, const struct chain_boot *boot)
{
	put_number(out, WORD);
	put_bytes(out, boot->app_id, CHAIN_ADDRESS);
	put_bytes(out, boot->compose_hash, WORD);
	put_bytes(out, boot->instance_id, CHAIN_ADDRESS);
	put_bytes(out, boot->device_id, WORD);
	put_bytes(out, boot->mr_aggregated, WORD);
	put_bytes(out, boot->mr_system, WORD);
	put_bytes(out, boot->os_image_hash, WORD);
	put_number(out, FIELDS * WORD);
	put_number(out, (FIELDS + 1) * WORD +
		   padded(strlen(boot->tcb_status)));
	put_text(out, boot->tcb_status);
	put_list(out, boot->advisory_ids, boot->nr_advisory_ids);
}

static int check_boot(const struct chain_boot *boot, struct chain_why *why)
{
	bool good = strlen(boot->tcb_status) <= STATUS_MAX &&
		boot->nr_advisory_ids <= ADVISORIES_MAX;
	size_t i;

	for (i = 0; good && i < boot->nr_advisory_ids; i++)
		good = strlen(boot->advisory_ids[i]) <= ADVISORY_MAX;
	return good ? 0 : chain_fail(why, -EINVAL,
				     "the boot's TCB status or advisories are too long to be asked about");
}

/* Of this very block, whatever number the server gives it. */
static char *call_params(const struct chain_view *view, const uint8_t *to,
			 const struct chain_boot *boot, bool is_kms)
{
	char hex[2 * CHAIN_HASH + 1], *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	if (!out)
		return NULL;
	fprintf(out, "[{\"to\":\"0x%s\",\"data\":\"0x%s",
		libdstack_to_hex(to, CHAIN_ADDRESS, hex),
		is_kms ? IS_KMS_ALLOWED : IS_APP_ALLOWED);
	put_boot(out, boot);
	fprintf(out, "\"},{\"blockHash\":\"0x%s\"}]",
		libdstack_to_hex(view->header.hash, CHAIN_HASH, hex));
	if (!fclose(out))
		return text;
	free(text);
	return NULL;
}

/* A word that is a small number; -1: it is none. */
static long small(const uint8_t *word)
{
	size_t i;

	for (i = 0; i < WORD - 2; i++)
		if (word[i])
			return -1;
	return word[WORD - 2] << 8 | word[WORD - 1];
}

static int read_answer(const uint8_t *answer, size_t len,
		       struct chain_verdict *verdict, struct chain_why *why)
{
	long allowed = len >= 3 * WORD ? small(answer) : -1;
	long reason = allowed < 0 ? -1 : small(answer + 2 * WORD);

	if (allowed < 0 || allowed > 1 || small(answer + WORD) != 2 * WORD ||
	    reason < 0 || reason >= CHAIN_REASON_MAX ||
	    len != 3 * WORD + padded(reason) ||
	    memchr(answer + 3 * WORD, 0, reason))
		return chain_fail(why, -EBADMSG,
				  "the contract's answer is not what it should be");
	memcpy(verdict->reason, answer + 3 * WORD, reason);
	verdict->reason[reason] = 0;
	dstack_disarm(verdict->reason);
	verdict->allowed = allowed;
	verdict->asked = true;
	return 0;
}

struct answer {
	uint8_t data[ANSWER_MAX];
	size_t len;			/* 0: there is none */
};

static void ask_all(const struct chain_view *view, const char *params,
		    struct answer *answers, struct chain_why *first)
{
	const struct chain_client *client = view->client;
	struct chain_why why;
	yyjson_val *result;
	yyjson_doc *doc;
	size_t i;
	int err;

	for (i = 0; i < client->nr; i++) {
		why.text[0] = 0;
		err = chain_rpc_ask(client, client->urls[i], "eth_call",
				    params, &doc, &result, &why);
		if (!err && !chain_json_data(result, answers[i].data,
					     ANSWER_MAX, &answers[i].len))
			err = chain_fail(&why, -EBADMSG,
					 "its answer is not what it should be");
		yyjson_doc_free(doc);
		if (!err)
			continue;
		answers[i].len = 0;
		chain_fail(first, err, "server %zu: %.*s", i + 1,
			   CHAIN_WHY_MAX - 32, why.text);
	}
}

static const struct answer *agreed(const struct chain_client *client,
				   const struct answer *answers)
{
	size_t i, j, nr;

	for (i = 0; i < client->nr; i++) {
		for (nr = 0, j = 0; answers[i].len && j < client->nr; j++)
			nr += answers[j].len == answers[i].len &&
				!memcmp(answers[j].data, answers[i].data,
					answers[i].len);
		if (nr >= client->quorum)
			return &answers[i];
	}
	return NULL;
}

int chain_view_ask(const struct chain_view *view,
		   const uint8_t kms[CHAIN_ADDRESS],
		   const struct chain_boot *boot, bool is_kms,
		   struct chain_verdict *verdict, struct chain_why *why)
{
	struct answer answers[CHAIN_SERVERS_MAX] = { { .len = 0 } };
	const struct answer *answer;
	struct chain_why first = { "" };
	char *params;
	int err;

	verdict->allowed = false;
	verdict->asked = false;
	if (!view->client || !view->client->quorum ||
	    view->client->nr > CHAIN_SERVERS_MAX)
		return chain_fail(why, -EINVAL, "there is nobody to ask");
	err = check_boot(boot, why);
	if (err)
		return err;
	params = call_params(view, kms, boot, is_kms);
	if (!params)
		return chain_fail(why, -ENOMEM, "out of memory");
	ask_all(view, params, answers, &first);
	free(params);
	answer = agreed(view->client, answers);
	if (!answer)
		return chain_fail(why, -EBADMSG,
				  "not %zu of %zu servers agree on what the contract says: %.*s",
				  view->client->quorum, view->client->nr,
				  CHAIN_WHY_MAX - 96, first.text[0] ?
				  first.text : "they say different things");
	return read_answer(answer->data, answer->len, verdict, why);
}
