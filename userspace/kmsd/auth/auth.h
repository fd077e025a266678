/* SPDX-License-Identifier: MIT */
/*
 * Who may have keys: what a KMS asks before it gives any
 *
 * Copyright The dstack for Linux authors
 *
 * Nobody decides here: contracts on a chain do, read by proof; or a server that
 * the operator runs (upstream's webhook); or, for development, nobody at all.
 * A denial is an answer.  A failure is none, and nobody gets keys by it.
 *
 *	boot.c		what is asked about, of verified evidence
 *	config.c	the object of the configuration
 *	auth.c		which back end it is; the one that allows everything
 *	webhook.c	upstream's bootAuth
 *	chain.c		contracts, by proof
 *	head.c		which block is asked, for all who ask at a time
 *	follow.c	which block a light client believes
 *	proofs.c	what was proven at that block
 *
 * Functions return 0 or -errno with a reason: -EHOSTUNREACH, nobody answers;
 * -EBADMSG, what is answered is not what it has to be, or not true; -ESTALE, it
 * is too old; -EOPNOTSUPP, contracts run code that is not known; -EINVAL, the
 * evidence or the configuration does not say what is needed; -ENOMEM, -EIO.
 */
#ifndef KMSD_AUTH_H
#define KMSD_AUTH_H

#include <libdstack_ratls.h>

#include "../../app/json.h"
#include "../../chain/rpc.h"

#define AUTH_REASON_MAX		512	/* with NUL, as all of these */
#define AUTH_GATEWAY_MAX	CHAIN_GATEWAY_MAX
#define AUTH_TEXT_MAX		128
#define AUTH_LIGHT_MAX		(60U << 10)	/* bytes */

/*
 * boot.c
 */

/* Upstream's BootInfo. */
struct auth_boot {
	const char *tee_variant;	/* "dstack-tdx" */
	uint8_t app_id[DSTACK_APP_ID_SIZE];
	uint8_t compose_hash[32], os_image_hash[32], device_id[32];
	uint8_t mr_system[32], mr_aggregated[32];
	struct libdstack_id instance_id;	/* 20, or none */
	char key_provider_info[LIBDSTACK_KEY_PROVIDER_MAX];
	const char *tcb_status;		/* "": a TEE without one */
	char advisories[LIBDSTACK_ADVISORIES_MAX];	/* "," between */
};

/*
 * Of a peer that was verified.  @identity: NULL, that of the peer, for keys;
 * for a certificate one that was made with LIBDSTACK_IDENTITY_F_BOOT, where
 * nothing counts that was measured after boot.  -EINVAL: something is missing.
 */
int auth_boot_of(const struct libdstack_peer *peer,
		 const struct libdstack_identity *identity,
		 struct auth_boot *boot, struct chain_why *why);

/*
 * config.c
 */

enum auth_type { AUTH_TYPE_NONE, AUTH_TYPE_DEV, AUTH_TYPE_WEBHOOK,
		 AUTH_TYPE_CHAIN };

/* All zeros is none, which allows nothing.  For auth_config_clear(). */
struct auth_config {
	enum auth_type type;
	char *gateway_app_id;		/* dev */
	char *url, *socket;		/* webhook */
	bool plain_http;
	char *ca_file;			/* webhook, chain */
	uint64_t timeout_ms;
	/* chain */
	char **rpc_urls, **beacon_urls;	/* NULL-ended */
	uint64_t quorum, chain_id;
	uint8_t kms[CHAIN_ADDRESS];
	char *tag;
	struct chain_limits limits;
	uint64_t head_ms;		/* that all share one block */
	bool allow_unproven;
	uint8_t checkpoint[CHAIN_HASH];
	uint8_t (*proxies)[CHAIN_HASH];
	struct chain_code *codes;
	size_t nr_proxies, nr_codes;
};

/* Of @json, whose value is the object.  -EBADMSG or -ENOMEM, after a line. */
int auth_config_read(const struct app_json *json, struct auth_config *config);
void auth_config_clear(struct auth_config *config);

/*
 * auth.c.  Threads may ask at the same time.
 */

enum auth_how {
	AUTH_BY_NOBODY,			/* nothing was decided */
	AUTH_BY_DEV,			/* everything is allowed */
	AUTH_BY_WEBHOOK,		/* a server says so */
	AUTH_BY_PROOF,			/* it is what contracts have stored */
	AUTH_BY_ASKING,			/* a quorum says that contracts do */
};

/* "dev", "webhook", "proof", "asked"; "nobody". */
const char *auth_how_name(enum auth_how how);

struct auth_verdict {
	bool allowed;
	enum auth_how how;
	char reason[AUTH_REASON_MAX];	/* of a denial, else "" or a remark */
	char gateway_app_id[AUTH_GATEWAY_MAX];	/* "": none */
	/* Of contracts; zeros elsewhere. */
	struct chain_head block;
	uint64_t policy_epoch;		/* 0: no exec policy is in force */
	uint8_t policy_root[32];
	struct chain_epochs kms_keys, app_keys;
};

/* What GetMeta says of it; "" and 0: not said. */
struct auth_info {
	char kms_contract[AUTH_TEXT_MAX];
	char app_implementation[AUTH_TEXT_MAX];
	char gateway_app_id[AUTH_GATEWAY_MAX];
	uint64_t chain_id;
};

struct auth_options {
	const struct auth_config *config;	/* it has to stay */
	const char *version;		/* "0.1.0", said to a webhook */
	libdstack_message_fn tell;
	/*
	 * The newest block that was accepted before, so that nobody can take
	 * a KMS back by starting it again; all zeros: none was.
	 */
	struct chain_head head;
	/*
	 * Each time that it is another one, before anything is allowed by it;
	 * if it can't be kept (-errno), nothing is.  NULL: nobody keeps it.
	 */
	int (*keep)(void *arg, const struct chain_head *head);
	/*
	 * The same of what a light client believes, so that it does not begin
	 * at its checkpoint again: what load_light() gives is what
	 * keep_light() was given, and nobody else can have made it.  -ENOENT
	 * of either: there is none yet, or no place for it.  NULL: nobody
	 * keeps it.
	 */
	int (*load_light)(void *arg, void *data, size_t *len);	/* room, used */
	int (*keep_light)(void *arg, const void *data, size_t len);
	void *arg;
};

struct auth;

/* After chain_client_init(), or curl_global_init() by another name. */
int auth_open(const struct auth_options *options, struct auth **auth);
/* Nobody asks any more.  NULL is none. */
void auth_close(struct auth *auth);

/* @now: seconds since 1970.  *verdict denies if this fails. */
int auth_app(struct auth *auth, const struct auth_boot *boot, uint64_t now,
	     struct auth_verdict *verdict, struct chain_why *why);
/* The same of a KMS: another one that wants these keys, or this one. */
int auth_kms(struct auth *auth, const struct auth_boot *boot, uint64_t now,
	     struct auth_verdict *verdict, struct chain_why *why);
int auth_info(struct auth *auth, uint64_t now, struct auth_info *info,
	      struct chain_why *why);

#endif /* KMSD_AUTH_H */
