// SPDX-License-Identifier: MIT
/*
 * Other KMSs that keep shares of this one's state
 *
 * Copyright The dstack for Linux authors
 *
 * Each is judged as one that asks for roots is, before it is told anything: by
 * its evidence, the contract and its image.
 */
#include <errno.h>
#include <quorum.pb-c.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../kms/kms.h"
#include "kmsd.h"
#include "sharing.h"

#define PEER_S		10
#define REPLY_MAX	4096

static const char *name_of(void *arg, size_t i)
{
	const struct asked *asked = arg;

	return asked->urls[i];
}

static int ask(const struct asked *asked, size_t i,
	       const struct kms_peer_call *what)
{
	struct kmsd *kmsd = asked->kmsd;
	const char *const urls[] = { asked->urls[i] };
	struct kms kms;

	other_ask(kmsd, urls, PEER_S, &kms);
	return kms_ask_peer(&kms, kmsd_is_kms, kmsd, what);
}

static ProtobufCBinaryData bytes(const void *data, size_t len)
{
	return (ProtobufCBinaryData){ .len = len, .data = (uint8_t *)data };
}

/* It says what it has now. */
static int take_kept(void *arg, const ProtobufCMessage *reply)
{
	const Quorum__KeepShareResponse *in = (const void *)reply;
	const struct quorum_deposit *deposit = arg;
	uint32_t want = deposit->share ? deposit->share->generation :
		deposit->in_use;

	return in->generation == want ? 0 : -EBADMSG;
}

static int keep(void *arg, size_t i, const struct quorum_deposit *deposit)
{
	const struct asked *asked = arg;
	Quorum__KeepShareRequest request = QUORUM__KEEP_SHARE_REQUEST__INIT;
	struct kms_peer_call call = {
		.greeting = "Greet", .method = "KeepShare",
		.reply = &quorum__keep_share_response__descriptor,
		.max = REPLY_MAX, .take = take_kept,
		.take_arg = (void *)deposit,
	};
	uint8_t share[SHARES_FILE_MAX];
	size_t len;
	int err;

	request.owner = bytes(deposit->owner, sizeof(deposit->owner));
	request.in_use = deposit->in_use;
	request.vm_config = asked->kmsd->vm_config;
	if (deposit->share) {
		len = share_write(deposit->share, share);
		request.share = bytes(share, len);
		request.check = bytes(deposit->check, sizeof(deposit->check));
	}
	call.request = &request;
	err = ask(asked, i, &call);
	explicit_bzero(share, sizeof(share));
	return err;
}

static int take_share(void *arg, const ProtobufCMessage *reply)
{
	const Quorum__GiveShareResponse *in = (const void *)reply;
	const char *why;

	return share_read(in->share.data, in->share.len, arg, &why);
}

static int give(void *arg, size_t i, const struct quorum_claim *claim,
		struct share *share)
{
	const struct asked *asked = arg;
	Quorum__GiveShareRequest request = QUORUM__GIVE_SHARE_REQUEST__INIT;
	struct kms_peer_call call = {
		.greeting = "Greet", .method = "GiveShare",
		.reply = &quorum__give_share_response__descriptor,
		.max = REPLY_MAX, .take = take_share, .take_arg = share,
	};

	if (sharing_is_ended(asked->kmsd->sharing))
		return -ECANCELED;
	request.owner = bytes(claim->owner, sizeof(claim->owner));
	request.generation = claim->generation;
	request.proof = bytes(claim->proof, sizeof(claim->proof));
	request.vm_config = asked->kmsd->vm_config;
	call.request = &request;
	return ask(asked, i, &call);
}

static bool wait_for_more(void *arg, unsigned int seconds)
{
	const struct asked *asked = arg;

	return sharing_wait(asked->kmsd->sharing, seconds);
}

void peers_init(struct asked *asked, struct kmsd *kmsd, char *const *urls,
		size_t nr, struct quorum_peers *peers)
{
	*asked = (struct asked){ .kmsd = kmsd, .urls = urls };
	*peers = (struct quorum_peers){
		.nr = nr, .name = name_of, .keep = keep, .give = give,
		.wait = wait_for_more, .tell = other_tell, .arg = asked,
	};
	other_begin();
}
