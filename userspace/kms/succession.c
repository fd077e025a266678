// SPDX-License-Identifier: MIT
/*
 * A root that is not the pinned one: does it follow from that
 *
 * Copyright The dstack for Linux authors
 *
 * Whoever has the roots of one key epoch signs those of the next.  A chain of
 * such records is a proof wherever it was read, so it is read of whom nothing
 * is known yet; and nothing else that he says is believed for it.
 */
#include "room.h"

#include <errno.h>
#include <kms.pb-c.h>
#include <string.h>

#include "../keys/succession.h"

#define META_MAX	(1U << 20)	/* bytes of an answer */

/* One of the two roots, as a record has it. */
struct kind {
	size_t size;
	size_t offset;			/* in a Kms__Succession */
	int (*check)(const struct key_succession *record, const uint8_t *root);
};

static const struct kind kinds[] = {
	[KMS_ROOT_CA] = {
		KEY_CA_SIZE, offsetof(Kms__Succession, ca_pubkey),
		key_succession_check_ca,
	},
	[KMS_ROOT_K256] = {
		AGENT_SECP256K1_SIZE, offsetof(Kms__Succession, k256_pubkey),
		key_succession_check_k256,
	},
};

struct following {
	const struct kind *kind;
	const uint8_t *from, *to;
	Kms__Succession *const *records;	/* the oldest first */
	size_t nr;
	/* Of who answers; its why is the reason. */
	struct kms_call *call;
};

static const uint8_t *root_of(const struct following *following, size_t i)
{
	const char *record = (const char *)following->records[i];
	const ProtobufCBinaryData *data =
		(const void *)(record + following->kind->offset);

	return data->data;
}

static bool same(const struct following *following, const uint8_t *a,
		 const uint8_t *b)
{
	return !memcmp(a, b, following->kind->size);
}

static int refuse(const struct following *following, size_t i,
		  const char *text)
{
	unsigned long long epoch = following->records[i]->epoch;

	return kms_fail(following->call, -EKEYREJECTED,
			"its record of key epoch %llu %s", epoch, text);
}

/*
 * What they say, before anything is verified: the parts have their lengths,
 * each epoch is there once, in order, and so is each root.
 */
static int check_one(const struct following *following, size_t i)
{
	const Kms__Succession *record = following->records[i];
	struct key_succession signatures;
	size_t j;

	if (record->k256_pubkey.len != AGENT_SECP256K1_SIZE ||
	    record->ca_pubkey.len != KEY_CA_SIZE)
		return refuse(following, i, "names keys of another length");
	if (!key_succession_read(record->record.data, record->record.len,
				 &signatures))
		return refuse(following, i, "is not two signatures");
	if (i && record->epoch != following->records[i - 1]->epoch + 1)
		return refuse(following, i, "is out of order: there is one for each, and they rise");
	for (j = 0; j < i; j++)
		if (same(following, root_of(following, i),
			 root_of(following, j)))
			return refuse(following, i, "names a root that another one names");
	return 0;
}

static int check_all(const struct following *following)
{
	size_t i;
	int err = 0;

	if (!following->nr)
		return kms_fail(following->call, -EKEYREJECTED,
				"it has no record that leads there");
	if (following->nr > KEY_EPOCHS_MAX)
		return kms_fail(following->call, -EKEYREJECTED,
				"it gives %zu records, more than %d",
				following->nr, KEY_EPOCHS_MAX);
	for (i = 0; i < following->nr && !err; i++)
		err = check_one(following, i);
	return err;
}

/* @root vouches for the @i-th. */
static int verify(const struct following *following, size_t i,
		  const uint8_t *root)
{
	const Kms__Succession *in = following->records[i];
	struct key_succession record;
	int err;

	key_succession_read(in->record.data, in->record.len, &record);
	err = key_succession_name(&record, in->epoch, in->k256_pubkey.data,
				  in->ca_pubkey.data);
	if (err)
		return kms_fail(following->call, -ENOMEM, "out of memory");
	return following->kind->check(&record, root) ?
		refuse(following, i, "is not by the root before it") : 0;
}

/* From behind the pinned root, which the list has unless it is the first. */
static int walk(const struct following *following)
{
	const uint8_t *root = following->from;
	size_t i = following->nr;
	int err;

	while (i && !same(following, root_of(following, i - 1), root))
		i--;
	for (; i < following->nr; i++) {
		err = verify(following, i, root);
		if (err)
			return err;
		root = root_of(following, i);
		if (same(following, root, following->to))
			return 0;
	}
	return kms_fail(following->call, -EKEYREJECTED,
			"its records do not lead there");
}

/* Asked as if it were the only question: what fails is not its last word. */
static int ask_records(struct kms_call *asking, struct following *following)
{
	Kms__Empty empty = KMS__EMPTY__INIT;
	const Kms__Successions *in;
	struct kms_reply reply;
	int err;

	err = kms_ask(asking, "GetMeta", &empty, &kms__successions__descriptor,
		      META_MAX, &reply);
	if (!err) {
		in = (const void *)reply.msg;
		following->records = in->successions;
		following->nr = in->n_successions;
		err = check_all(following) ?: walk(following);
	}
	kms_reply_free(&reply);
	return err;
}

int kms_follow_root(struct kms_call *call, enum kms_root which,
		    const uint8_t *from, const uint8_t *to, const char *what)
{
	struct kms_call asking = *call;
	struct following following = {
		.kind = &kinds[which], .from = from, .to = to,
		.call = &asking,
	};
	int err;

	asking.why[0] = '\0';
	err = ask_records(&asking, &following);
	if (!err || err == -ENOMEM)
		return err;
	return kms_fail(call, -EKEYREJECTED,
			"%s: %s: if it is meant all the same, pin its root",
			what, asking.why[0] ? asking.why : strerror(-err));
}
