/* SPDX-License-Identifier: MIT */
/*
 * The client of a KMS: keys, certificates, public keys of environments
 *
 * Copyright The dstack for Linux authors
 *
 * KMSs are asked one after the other until one gives what was asked for.
 * Nothing here measures anything: who was given keys decides, afterwards and
 * once, what is measured of the KMS that gave them.
 * Documentation/admin-guide/kms-client.rst says what is asked of a KMS, and
 * what each check protects from.
 *
 * Functions return 0 or -errno, after a line to tell() for each KMS that did
 * not give it.  If several fail, they return what is first in this list:
 *
 * -ENOMEM	no memory: no other KMS was asked
 * -EACCES	a KMS refused, and the line says why in its words
 * -EKEYREJECTED it is not the KMS that was asked for, or can't show it
 * -EBADMSG	what it answered is not what a KMS answers
 * -EHOSTUNREACH it could not be reached in time
 * -EINVAL	there is no KMS to ask, or its URL is none
 */
#ifndef KMS_H
#define KMS_H

#include <libdstack_ratls.h>
#include <protobuf-c/protobuf-c.h>

#include "../keys/app_keys.h"
#include "../keys/epoch.h"

#define KMS_KEY_SIZE		32
#define KMS_SIGNATURE_SIZE	65	/* r, s, and which of four keys */
#define KMS_K256_PUBLIC_SIZE	33	/* compressed */
#define KMS_OS_IMAGE_HASH_SIZE	32
#define KMS_ENV_AGE_MAX		300	/* seconds that a public key is new, */
#define KMS_ENV_AHEAD_MAX	60	/* and that clocks may differ */
/* Whom a KMS shows itself as. */
#define KMS_USAGE		"kms:rpc"

/* Whom to ask, and how.  All of it must stay. */
struct kms {
	/* https://NAME[:PORT], in this order. */
	const char *const *urls;
	size_t nr;
	const char *vm_config;		/* passed on unread; NULL: "" */
	/*
	 * The public key of its root (SPKI, DER), or of one that its root
	 * succeeds, by records that the KMS shows (kms.rst, "Succession").  Of
	 * no length: any, and then only what is measured says which KMS it was.
	 */
	const uint8_t *provider_id;
	size_t provider_id_len;
	/*
	 * What the evidence in its certificate must be: issuers, usage and
	 * flags are not looked at.  NULL: evidence is not asked for.
	 */
	const struct libdstack_trust *trust;
	/* Evidence of this machine for this report data, for free(). */
	int (*attest)(void *arg, const uint8_t report_data[64],
		      uint8_t **attestation, size_t *len);
	void *arg;
	void (*tell)(const char *line);	/* no secret is in a line */
	unsigned int timeout_s;		/* of each KMS; 0: 30 */
	unsigned int total_s;		/* of all of them; 0: 120 */
};

/*
 * What curl needs.  Once, before there are threads or other users of curl:
 * then what passes through curl's buffers is wiped.
 */
int kms_init(void);

/*
 * The application's keys.  Where this struct is kept is the caller's choice:
 * it belongs in memory of libdstack_secret_alloc().
 */
struct kms_app_keys {
	/* Whose all of it is, and which live, in order; none: it knows none. */
	uint64_t key_epoch, key_epochs[KEY_EPOCHS_MAX];
	size_t nr_key_epochs;
	char *ca_cert;			/* PEM: the root of that epoch */
	uint8_t disk_crypt_key[KMS_KEY_SIZE], env_crypt_key[KMS_KEY_SIZE];
	uint8_t k256_key[KMS_KEY_SIZE];
	uint8_t k256_signature[KMS_SIGNATURE_SIZE];
	size_t k256_signature_len;
	char *gateway_app_id;		/* "" and "any" are possible */
	uint8_t os_image_hash[KMS_OS_IMAGE_HASH_SIZE];
	size_t os_image_hash_len;	/* 0 or all */
	uint8_t *provider_id;		/* of the root, as above */
	size_t provider_id_len;
	bool followed;			/* it succeeds kms->provider_id */
	char *url;			/* whose keys these are */
	/* PEM; "" if @ca_cert is not the root that it showed. */
	char *tmp_ca_key, *tmp_ca_cert;
};

#define KMS_EPOCH_OLDEST	UINT64_MAX	/* that lives */

/*
 * kms->attest is called once, before any KMS is asked.  A KMS shows the root of
 * the oldest epoch that lives, whatever @epoch is asked for: who named one is
 * told its root with its keys, which must succeed the one that is shown.
 */
int kms_get_app_keys(const struct kms *kms, uint64_t epoch,
		     struct kms_app_keys *keys);
/* As they are kept.  -EMSGSIZE: a text is too long for that. */
int kms_app_keys_keep(const struct kms_app_keys *from,
		      struct agent_app_keys *keys);
/* What @keys holds; it may be all zeros, and is so afterwards. */
void kms_app_keys_wipe(struct kms_app_keys *keys);

/* libdstack_csr_encode() and libdstack_csr_sign(), of version 2. */
struct kms_csr {
	const uint8_t *data, *signature;
	size_t len, signature_len;
};

/* Whose certificate is wanted. */
struct kms_signer {
	uint64_t epoch;			/* or KMS_EPOCH_OLDEST */
	const char *ca_cert;		/* PEM: the root of that epoch */
	/* The root that the KMS may show as long as another epoch lives. */
	const char *older_ca_cert;	/* NULL: none */
};

/*
 * A certificate under the root of the KMS that gave the keys, or, if no epoch
 * is named, the one that the KMS has now, if that succeeds it.  *@chain: the
 * certificate and its issuers up to that root, PEM, for free().
 * kms->provider_id: if it is there, it is whom the KMS must succeed or be.
 */
int kms_sign_cert(const struct kms *kms, const struct kms_signer *signer,
		  const struct kms_csr *csr, char **chain);

/* The roots of a KMS, for another one that takes them over. */
struct kms_roots {
	/* For libdstack_secret_free() with KMS_ROOTS_SIZE. */
	struct key_epoch *epochs;
	size_t nr;
};

#define KMS_ROOTS_SIZE	(KEY_EPOCHS_MAX * sizeof(struct key_epoch))

/* May it be a KMS: 0, or -errno with a text. */
typedef int (*kms_allow_fn)(const struct libdstack_peer *peer, void *arg,
			    struct libdstack_failure *failure);

/*
 * The KMS is judged by its evidence (kms->trust, which must be there) before it
 * is asked anything, by @allow before we show who we are, and the connection
 * on which it gives roots is held to the key that was judged.  Upstream's gives
 * one set of roots, which is epoch 0; ours all epochs.
 */
int kms_get_roots(const struct kms *kms, kms_allow_fn allow, void *arg,
		  struct kms_roots *roots);
void kms_roots_wipe(struct kms_roots *roots);

/* As a contract has them: contracts.rst, "Key epochs". */
struct kms_key_epochs {
	uint64_t current;
	uint64_t previous_ends;		/* until then, by the block's time */
	uint64_t first_live;		/* those before it are revoked */
};

/* What is true now of this application, and by which block of a chain. */
struct kms_app_state {
	bool allowed;
	char reason[512];		/* why not; printable */
	uint64_t block, block_time;	/* 0: no chain was asked */
	uint64_t policy_epoch;		/* the exec policy in force; 0: none */
	uint8_t policy_root[32];
	/* Of the KMS's roots, and what of them the application's revokes. */
	struct kms_key_epochs kms_keys, app_keys;
};

struct kms_session;

/*
 * For who asks again and again: one connection to one KMS, which is kept, and
 * another one if that fails.  Nothing is asked yet.  @kms stays, and what it
 * has.  Once a KMS has answered whose root succeeds the pinned one, that is
 * pinned, and no KMS of a root before it is believed any more.
 */
int kms_session_open(const struct kms *kms, struct kms_session **session);
void kms_session_close(struct kms_session *session);
/* kms->attest is called once for all of them, before the first. */
int kms_get_app_state(struct kms_session *session,
		      struct kms_app_state *state);

/*
 * Another method of such a KMS, judged and pinned in the same way; it may be
 * one that has no roots.  take() is given what it answers, a message of that
 * kind, in at most @max bytes.
 */
struct kms_peer_call {
	const char *greeting, *method;	/* first: without evidence */
	const void *request;		/* a message */
	const ProtobufCMessageDescriptor *reply;
	size_t max;
	int (*take)(void *arg, const ProtobufCMessage *reply);
	void *take_arg;
};

int kms_ask_peer(const struct kms *kms, kms_allow_fn allow, void *arg,
		 const struct kms_peer_call *what);

/* What environments of an application are encrypted to. */
struct kms_env_key {
	uint8_t public_key[KMS_KEY_SIZE];	/* of X25519 */
	uint8_t signer[KMS_K256_PUBLIC_SIZE];	/* the KMS's root */
	/* When it said so; 0: it did not say, and it may be an old answer. */
	uint64_t timestamp;
};

/*
 * @signer: who must have signed it, or whom who signed it must succeed; NULL:
 * see what it was.
 */
int kms_env_public_key(const struct kms *kms,
		       const uint8_t app_id[DSTACK_APP_ID_SIZE],
		       const uint8_t signer[KMS_K256_PUBLIC_SIZE],
		       struct kms_env_key *key);

#endif /* KMS_H */
