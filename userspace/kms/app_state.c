// SPDX-License-Identifier: MIT
/*
 * What is true now of this application: asked again and again
 *
 * Copyright The dstack for Linux authors
 *
 * A connection is kept with all that was found out about its other side.  Once
 * something fails nothing of that is believed any more, and it is begun anew:
 * with the first KMS that answers.
 */
#include "room.h"

#include <errno.h>
#include <kms.pb-c.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>

#define STATE_MAX	16384		/* bytes of an answer */
#define TIMEOUT_S	30

struct kms_session {
	const struct kms *asked;	/* the caller's */
	struct kms kms;			/* with what is pinned by now */
	uint8_t *pin;			/* NULL: as the caller has it */
	size_t pin_len;
	struct kms_asker asker;
	bool shown;			/* there is evidence to show */
	struct kms_call call;		/* the one that is kept */
	struct kms_temp_ca ca;		/* that its root is of */
};

int kms_session_open(const struct kms *kms, struct kms_session **out)
{
	struct kms_session *session = calloc(1, sizeof(*session));

	if (!session)
		return -ENOMEM;
	session->asked = kms;
	*out = session;
	return 0;
}

static void hang_up(struct kms_session *session)
{
	curl_easy_cleanup(session->call.curl);
	X509_free(session->call.cert);
	kms_temp_ca_clear(&session->ca);
	session->call = (struct kms_call){ .kms = NULL };
}

void kms_session_close(struct kms_session *session)
{
	if (!session)
		return;
	hang_up(session);
	kms_asker_clear(&session->asker);
	OPENSSL_free(session->pin);
	free(session);
}

static int take_policy(struct kms_call *call,
		       const Kms__GetAppStateResponse *in,
		       struct kms_app_state *state)
{
	size_t want = in->policy_epoch ? sizeof(state->policy_root) : 0;

	if (in->policy_root.len != want)
		return kms_fail(call, -EBADMSG,
				"policy_root has %zu bytes, not %zu",
				in->policy_root.len, want);
	state->policy_epoch = in->policy_epoch;
	if (want)
		memcpy(state->policy_root, in->policy_root.data, want);
	return 0;
}

/* None: a KMS that does not know them. */
static int take_epochs(struct kms_call *call, const Kms__KeyEpochs *in,
		       struct kms_key_epochs *epochs)
{
	if (!in)
		return 0;
	epochs->current = in->current;
	epochs->previous_ends = in->previous_ends;
	epochs->first_live = in->first_live;
	return in->current <= KEY_EPOCH_NUMBER_MAX &&
		in->first_live <= in->current + 1 ? 0 :
		kms_fail(call, -EBADMSG, "its key epochs make no sense");
}

static int take(struct kms_call *call, const Kms__GetAppStateResponse *in,
		struct kms_app_state *state)
{
	memset(state, 0, sizeof(*state));
	state->allowed = in->allowed;
	state->block = in->block_number;
	state->block_time = in->block_time;
	snprintf(state->reason, sizeof(state->reason), "%s",
		 in->allowed ? "" : *in->reason ? in->reason : "it says no");
	kms_make_plain(state->reason);
	return take_policy(call, in, state) ?:
		take_epochs(call, in->kms_keys, &state->kms_keys) ?:
		take_epochs(call, in->app_keys, &state->app_keys);
}

static int ask_state(struct kms_call *call, struct kms_app_state *state)
{
	Kms__GetAppStateRequest request = KMS__GET_APP_STATE_REQUEST__INIT;
	struct kms_reply reply;
	int err;

	if (call->kms->vm_config)
		request.vm_config = (char *)call->kms->vm_config;
	err = kms_ask(call, "GetAppState", &request,
		      &kms__get_app_state_response__descriptor, STATE_MAX,
		      &reply);
	if (err)
		return err;
	err = take(call, (const Kms__GetAppStateResponse *)reply.msg, state);
	kms_reply_free(&reply);
	return err;
}

struct asking {
	struct kms_session *session;
	struct kms_app_state *state;
};

/*
 * That a root was chosen to succeed another one says not that it is in force
 * yet; that a KMS has it does.
 */
static int move_on(struct kms_session *session)
{
	struct kms_call *call = &session->call;
	uint8_t *id;
	size_t len;
	int err;

	if (!call->followed)
		return 0;
	err = kms_root_id(call, call->root, &id, &len);
	if (err)
		return err;
	OPENSSL_free(session->pin);
	session->pin = id;
	session->pin_len = len;
	return 0;
}

/* In the session's own call, which is there as long as its connection. */
static int begin(struct kms_call *of, void *arg)
{
	struct asking *asking = arg;
	struct kms_session *session = asking->session;
	struct kms_call *call = &session->call;
	int err;

	*call = *of;
	err = kms_temp_ca_get(call, &session->ca) ?:
		kms_asker_show(call, &session->asker, &session->ca);
	if (!err) {
		call->curl = curl_easy_init();
		err = call->curl ? ask_state(call, asking->state) : -ENOMEM;
	}
	if (!err)
		err = move_on(session);
	if (!err)
		return 0;
	memcpy(of->why, call->why, sizeof(of->why));
	hang_up(session);
	return err;
}

/* -ENOTCONN: there is none. */
static int go_on(struct kms_session *session, struct kms_app_state *state)
{
	const struct kms *kms = &session->kms;
	struct kms_call *call = &session->call;
	int err;

	if (!call->curl)
		return -ENOTCONN;
	call->end = kms_now_ms() +
		(kms->timeout_s ? kms->timeout_s : TIMEOUT_S) * 1000LL;
	err = ask_state(call, state);
	if (err)
		hang_up(session);
	return err;
}

int kms_get_app_state(struct kms_session *session,
		      struct kms_app_state *state)
{
	struct asking asking = { session, state };
	int err = 0;

	session->kms = *session->asked;
	if (session->pin) {
		session->kms.provider_id = session->pin;
		session->kms.provider_id_len = session->pin_len;
	}
	if (!session->shown) {
		err = kms_asker_init(&session->kms, &session->asker);
		session->shown = !err;
		if (err)
			kms_asker_clear(&session->asker);
	}
	/* Whatever failed may be over with a new connection. */
	if (!err && go_on(session, state))
		err = kms_run(&session->kms, begin, &asking);
	if (err)
		memset(state, 0, sizeof(*state));
	ERR_clear_error();
	return err;
}
