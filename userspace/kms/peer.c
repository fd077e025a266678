// SPDX-License-Identifier: MIT
/*
 * What a KMS asks of another one, which may have no roots yet
 *
 * Copyright The dstack for Linux authors
 *
 * As roots are taken over: the first connection shows the other's evidence, and
 * nothing of ours; the second one, on which we show who we are, is with the
 * same key.  There is no root that anything would lead to: evidence is all.
 */
#include "room.h"

#include <errno.h>
#include <openssl/err.h>
#include <quorum.pb-c.h>

#define VERSION		1
#define GREETING_MAX	4096		/* bytes of an answer */

struct asking {
	struct kms_asker asker;
	kms_allow_fn allow;
	void *arg;
	const struct kms_peer_call *what;
	struct kms_attested attested;	/* the KMS that is asked */
};

static int greet(struct kms_call *call, const struct kms_peer_call *what)
{
	Quorum__Empty empty = QUORUM__EMPTY__INIT;
	struct kms_reply reply;
	const Quorum__Greeting *in;
	int err = kms_ask(call, what->greeting, &empty,
			  &quorum__greeting__descriptor, GREETING_MAX, &reply);

	in = (const void *)reply.msg;
	if (!err && in->version != VERSION)
		err = kms_fail(call, -EBADMSG, "it has version %llu of this, not %d",
			       (unsigned long long)in->version, VERSION);
	kms_reply_free(&reply);
	return err;
}

static int ask_method(struct kms_call *call, const struct kms_peer_call *what)
{
	struct kms_reply reply;
	int err = kms_ask(call, what->method, what->request, what->reply,
			  what->max, &reply);

	if (!err && what->take && what->take(what->take_arg, reply.msg))
		err = kms_fail(call, -EBADMSG, "what it gives is none");
	kms_reply_free(&reply);
	return err;
}

static int ask(struct kms_call *call, void *arg)
{
	struct asking *asking = arg;
	int err;

	call->attested = &asking->attested;
	err = greet(call, asking->what) ?:
		kms_check_allowed(call, asking->allow, asking->arg) ?:
		kms_asker_show(call, &asking->asker, NULL) ?:
		ask_method(call, asking->what);
	X509_free(call->cert);
	kms_attested_clear(&asking->attested);
	return err;
}

int kms_ask_peer(const struct kms *kms, kms_allow_fn allow, void *arg,
		 const struct kms_peer_call *what)
{
	struct asking asking = { .allow = allow, .arg = arg, .what = what };
	int err;

	if (!kms->trust || !allow)
		return -EINVAL;
	err = kms_asker_init(kms, &asking.asker) ?: kms_run(kms, ask, &asking);
	kms_asker_clear(&asking.asker);
	ERR_clear_error();
	return err;
}
