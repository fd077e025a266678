/* SPDX-License-Identifier: MIT */
/*
 * dstack-kms: what its files share
 *
 * Copyright The dstack for Linux authors
 *
 *	main.c		its life
 *	serve.c		its sockets, and who comes by which
 *	tls.c		the certificate that it shows
 *	options.c	what its file says
 *	epochs*.c	roots that are ready to issue, and which of them live
 *	roots.c		where roots come of
 *	other.c		another KMS, as this one asks it
 *	self.c		its own evidence, and whether it may be a KMS
 *	limits.c	how much one address may ask for
 *	leases.c	on which machine an instance had its keys
 *	visit.c		one who asks: by evidence, judged, written down
 *	evidence.c	of each TEE: good enough, whose, of which machine
 *	tees*.c		TEEs besides TDX, see tees.h
 *	method_*.c	what can be asked
 *	routes.c	where
 *	audit*.c	what was given, and refused
 *	images.c	measurements of OS images that the file lists
 *	image_check.c	whether a machine booted its image
 *	sharing.c	a state that takes others to open, see sharing.h
 *
 * auth/ says who may have keys, image/ what an OS image measures, state/ keeps
 * roots, ../issue/ makes of them what is given.
 * Documentation/admin-guide/kms.rst is for who runs it.
 */
#ifndef KMSD_H
#define KMSD_H

#include <libdstack_collateral.h>
#include <libdstack_quote.h>
#include <stdatomic.h>

#include "../http/http.h"
#include "../issue/issue.h"
#include "../rpc/rpc.h"
#include "audit.h"
#include "auth/auth.h"
#include "image/image.h"
#include "images.h"
#include "leases.h"
#include "state/state.h"
#include "tees.h"

#define KMSD_VERSION	"0.1.0"		/* as dkms.conf has it */

/*
 * options.c
 */

struct kmsd_options {
	char **listen;			/* ADDRESS:PORT, NULL-ended */
	char **admin;			/* paths of sockets; or NULL */
	char *state, *witness, *audit, *app;
	char *domain;			/* to make a state for, at once */
	char *site_name, *root;
	size_t root_len;		/* 0: Intel's */
	struct auth_config auth;
	struct libdstack_collateral_source collateral;
	struct libdstack_quote_policy policy;
	struct tees *tees;		/* besides TDX; or NULL */
	struct images *images;
	struct image_options image;	/* without "dir": none by files */
	bool any_image, any_self;	/* not looked at */
	uint64_t loops, workers, rate, burst, request_rate, request_burst;
	uint64_t lease_s;
	/* Shares: where those of others are kept; NULL: nowhere, */
	char *keep;
	uint64_t quorum_k;		/* and who keeps ours */
	char **peers;			/* URLs, NULL-ended; or NULL */
};

/* -errno, after a line. */
int kmsd_options_read(const char *path, struct kmsd_options *options);
void kmsd_options_clear(struct kmsd_options *options);

/*
 * epochs.c: for many threads, as all of it
 */

#define EPOCH_OLDEST	UINT64_MAX	/* that lives */

struct epochs;

/* All of @state, which has to stay.  Certificates that end soon are renewed. */
int epochs_open(struct state *state, time_t now, struct epochs **epochs);
void epochs_close(struct epochs *epochs);
/*
 * What the KMS's contract says from now on, if it knows epochs: no older one
 * counts after it.  @epochs may be NULL.
 */
void epochs_limit(struct epochs *epochs, const struct auth_verdict *verdict);
/*
 * What issues for that epoch, not below @floor, until epochs_put(), before
 * which nothing else of these is to be called but epochs_ended(); *@number is
 * which it is.  NULL with @error: it does not live, or is not there.  @epochs
 * may be NULL.
 */
const struct issue *epochs_get(struct epochs *epochs, uint64_t floor,
			       uint64_t *number, struct rpc_error *error);
void epochs_put(struct epochs *epochs);
/* When the contract ended that one; 0: it has not. */
uint64_t epochs_ended(const struct epochs *epochs, uint64_t number);
/* EPOCH_OLDEST: none lives.  @epochs may be NULL. */
uint64_t epochs_oldest(struct epochs *epochs);
/* Those that live, the oldest first; for free(). */
int epochs_list(struct epochs *epochs, uint64_t floor, size_t *nr,
		uint64_t **numbers);

struct epoch_shown {
	uint64_t number;
	const char *life;		/* "lives", "retired" and so on */
	struct issue_public public;
	uint8_t succession[KEY_SUCCESSION_MAX];
	size_t succession_len;		/* 0: no other vouches for it */
};

/* The @i-th, of those that do not live as well.  False: there is none. */
bool epochs_show(struct epochs *epochs, size_t i, struct epoch_shown *shown);
/* False: no contract limits them. */
bool epochs_get_limits(struct epochs *epochs, struct chain_epochs *limits);

/*
 * epochs_change.c
 */

/* The first of all: roots by chance, in a new state. */
int epochs_create(const struct state_options *options, const char *domain,
		  time_t now, struct state **state);
/* The next one, by chance, which the one before it vouches for. */
int epochs_start(struct epochs *epochs, time_t now, uint64_t *number);
/*
 * Its keys are gone for good.  -ENOENT; -EBUSY: it is the newest, or no other
 * lives.  Twice is once.
 */
int epochs_retire(struct epochs *epochs, uint64_t number, time_t now,
		  struct rpc_error *error);

/* What was learned of another KMS. */
struct epochs_news {
	uint64_t added[KEY_EPOCHS_MAX], retired[KEY_EPOCHS_MAX];
	size_t nr_added, nr_retired;
};

/*
 * What a KMS of the same roots has besides, and has retired.  -EKEYREJECTED: it
 * is none, and nothing was taken.
 */
int epochs_take(struct epochs *epochs, const struct key_epoch *theirs,
		size_t nr, time_t now, struct epochs_news *news,
		struct rpc_error *error);

/*
 * self.c
 */

struct self;

struct kmsd;

/* A container for @report_data, for free(). */
int self_attest(struct kmsd *kmsd,
		const uint8_t report_data[DSTACK_REPORT_DATA_SIZE],
		uint8_t **data, size_t *len);
/* Its identity, by its own evidence, verified as others' is. */
int self_open(struct kmsd *kmsd, struct self **self);
void self_close(struct self *self);
const struct auth_boot *self_boot(const struct self *self);
const struct libdstack_peer *self_peer(const struct self *self);
/* -errno with @error: this may not be a KMS, or nobody says that it may. */
int self_allowed(struct kmsd *kmsd, time_t now, struct rpc_error *error);

/*
 * limits.c: for many threads
 */

enum limit {
	LIMIT_EVIDENCE = 0,		/* requests with it */
	LIMIT_REQUESTS,			/* of any kind */
	LIMIT_CONNECTIONS,		/* on which nothing was asked */
	__LIMIT_MAX
};

struct limits;

int limits_open(const struct kmsd_options *options, struct limits **limits);
void limits_close(struct limits *limits);
/* Counts one of @id: 0; or the ms until it may be; or -ENOMEM. */
int64_t limits_take(struct limits *limits, enum limit what, const char *id);
/*
 * The same of a request: the status for who comes too soon, who is counted,
 * with the seconds until it may be; or 0.
 */
int limits_status(struct kmsd *kmsd, enum limit what, const char *id,
		  unsigned int *retry_after);
/* Might one be?  It is not counted. */
bool limits_allow(struct limits *limits, enum limit what, const char *id);

/*
 * visit.c
 */

/* Counted since it began. */
struct kmsd_counters {
	atomic_ullong attestations, attestation_failures;
	atomic_ullong given, denied, failed, limited, turned_away, moved;
};

struct kmsd {
	const struct kmsd_options *options;
	struct state_options state_options;
	const struct state_seal *seal;	/* this machine's */
	char *vm_config;		/* of its own machine, or "" */
	struct state *state;		/* NULL: it has no keys yet */
	struct epochs *epochs;
	struct auth *auth;
	struct audit *audit;
	struct image_store *images;	/* NULL: only those that are listed */
	struct self *self;		/* NULL: it is not asked about */
	struct sharing *sharing;	/* NULL: it has nothing with shares */
	struct libdstack_collateral_memory *collateral;
	struct libdstack_trust trust;	/* whose evidence is looked at */
	struct limits *limits;
	struct leases *leases;
	struct kmsd_counters counters;
	struct http *onboarding;	/* ends once it has keys; or NULL */
	pthread_mutex_t onboard_lock;	/* of who makes them */
};

/* One request that evidence comes with. */
struct visit {
	struct kmsd *kmsd;
	const struct http_request *from;
	const char *method;
	struct rpc_error *error;
	time_t now;
	struct libdstack_peer peer;
	struct auth_boot boot;
	struct auth_verdict verdict;
	struct lease_moved moved;
	uint8_t evidence[32];		/* SHA-256 of its container */
};

/* May it be answered at all?  In the order in which upstream asks. */
int visit_begin(struct visit *visit);
/* Who shows a certificate; what @vm_config says if its evidence does not. */
int visit_verify(struct visit *visit, const char *vm_config);
/* The same; what was measured after its boot does not count. */
int visit_verify_booted(struct visit *visit, const char *vm_config);
/* That of a request for a certificate. */
int visit_verify_csr(struct visit *visit, const ProtobufCBinaryData *csr,
		     const ProtobufCBinaryData *signature, uint32_t version,
		     struct libdstack_csr *parsed);
/*
 * May it have that: by ask(), which is auth_app() or auth_kms(), and by the
 * measurements of the image that it says it booted.
 */
int visit_judge(struct visit *visit,
		int (*ask)(struct auth *auth, const struct auth_boot *boot,
			   uint64_t now, struct auth_verdict *verdict,
			   struct chain_why *why));
/*
 * Whether it booted the image that it says it did.  -EACCES with @why: it did
 * not; others: nobody knows.
 */
int visit_check_image(struct visit *visit, struct image_why *why);
/* Which epochs are none for it: those before. */
uint64_t visit_floor(const struct visit *visit);
/* It is written down; only then it may be given. */
int visit_grant(struct visit *visit, uint64_t epoch);
void visit_end(struct visit *visit);

/*
 * evidence.c
 */

/* Of struct libdstack_trust; @data: the struct kmsd. */
int kmsd_accept(const struct libdstack_peer *peer, void *data,
		struct libdstack_failure *failure);
/*
 * Its identity once more, as its attestation has it now.  What an enclave of
 * Nitro says it is counts for who asks a contract about it, and nobody else.
 */
int kmsd_identify(const struct libdstack_peer *peer, uint32_t flags,
		  struct libdstack_identity *identity,
		  struct libdstack_failure *failure);
/* Which machine it runs on; false: nothing tells it from others. */
bool kmsd_machine(const struct libdstack_peer *peer,
		  uint8_t machine[LEASES_MACHINE]);

/*
 * other.c
 */

struct kms;

/*
 * May @peer be a KMS, for @arg, a struct kmsd?  As who asks us for roots is
 * judged: by the contract, and by its image.
 */
int kmsd_is_kms(const struct libdstack_peer *peer, void *arg,
		struct libdstack_failure *failure);
/*
 * How this KMS asks the one at @url, within that time, for kms_get_roots() and
 * kms_ask_peer(), with kmsd_is_kms().  Both have to stay.
 */
void other_ask(struct kmsd *kmsd, const char *const url[1],
	       unsigned int seconds, struct kms *kms);
/* The last line of this thread since other_begin(), or what @err means. */
void other_begin(void);
void other_tell(const char *line);
const char *other_said(int err);

/*
 * roots.c
 */

/* A state with roots, which it has not; then all that comes of them. */
int kmsd_make_roots(struct kmsd *kmsd, const char *domain);
/* The same of roots that another KMS gives. */
int kmsd_take_roots(struct kmsd *kmsd, const char *url, const char *domain,
		    struct rpc_error *error);
/* What that KMS, of the same roots, has besides. */
int kmsd_fetch_roots(struct kmsd *kmsd, const char *url,
		     struct epochs_news *news, struct rpc_error *error);

/*
 * sharing.c
 */

struct sharing;
struct ssl_ctx_st;

/* kmsd->sharing, as the configuration has it, before the state is opened. */
int sharing_open(struct kmsd *kmsd);
void sharing_close(struct sharing *sharing);
/* Others have to be asked for the state; NULL: they have not. */
bool sharing_is_shared(const struct sharing *sharing);
/* A thread opens it, and stops @http when that is done, or can't be. */
int sharing_begin(struct sharing *sharing, struct http *http);
/* That is ended, with -ECANCELED if it was not open yet. */
int sharing_end(struct sharing *sharing, struct state **state);
/* Those who keep shares are told which are of use. */
void sharing_settle(struct sharing *sharing);
/* A certificate that signed itself, for one that has no roots. */
int sharing_tls_context(struct kmsd *kmsd, struct ssl_ctx_st **ctx);

/*
 * serve.c
 */

/* At the admin sockets alone, until it has keys or is ended: *@ended. */
int kmsd_serve_onboarding(struct kmsd *kmsd, bool *ended);
/*
 * For others who want their shares, while it asks for its own; until the state
 * is open or it is ended: *@ended.
 */
int kmsd_serve_sharing(struct kmsd *kmsd, bool *ended);
/* At all, until it is ended. */
int kmsd_serve(struct kmsd *kmsd);

/*
 * tls.c
 */

/* A certificate of its own with fresh evidence, for its own name. */
int kmsd_tls_context(struct kmsd *kmsd, SSL_CTX **ctx);

/*
 * image_check.c
 */

/*
 * Whether that machine booted the image that it says it did.  -EACCES: it did
 * not, or nobody knows that image; others: it could not be looked at.
 */
int kmsd_check_image(const struct kmsd *kmsd,
		     const struct libdstack_peer *peer, struct image_why *why);

/*
 * method_*.c
 */

#define KMSD_METHOD(name) \
	int name(void *server, const void *caller, \
		 const ProtobufCMessage *request, ProtobufCMessage *response, \
		 struct rpc_error *error)

/* The same, for who knows its server and its caller. */
#define KMSD_CALL(name) \
	static int name##_call(struct kmsd *kmsd, \
			       const struct http_request *from, \
			       const ProtobufCMessage *request, \
			       ProtobufCMessage *response, \
			       struct rpc_error *error); \
	KMSD_METHOD(name) \
	{ \
		return name##_call(server, caller, request, response, error); \
	} \
	static int name##_call(struct kmsd *kmsd, \
			       const struct http_request *from, \
			       const ProtobufCMessage *request, \
			       ProtobufCMessage *response, \
			       struct rpc_error *error)

/* method_keys.c */
KMSD_METHOD(kmsd_get_app_key);

/* method_roots.c */
KMSD_METHOD(kmsd_get_kms_key);

/* method_follow.c */
KMSD_METHOD(kmsd_get_app_state);

/* method_certs.c */
KMSD_METHOD(kmsd_get_temp_ca);
KMSD_METHOD(kmsd_sign_cert);

/* method_meta.c */
KMSD_METHOD(kmsd_get_env_key);
KMSD_METHOD(kmsd_get_meta);

/* method_images.c */
KMSD_METHOD(kmsd_clear_image_cache);

/* method_onboard.c */

/* Evidence of this machine for its roots, beside the state. */
int kmsd_prove_roots(struct kmsd *kmsd);
KMSD_METHOD(kmsd_bootstrap);
KMSD_METHOD(kmsd_onboard);
KMSD_METHOD(kmsd_attestation_info);

/* method_admin.c */
KMSD_METHOD(kmsd_status);
KMSD_METHOD(kmsd_start_epoch);
KMSD_METHOD(kmsd_retire_epoch);
KMSD_METHOD(kmsd_fetch_epochs);

/* method_shares.c */
KMSD_METHOD(kmsd_greet);
KMSD_METHOD(kmsd_keep_share);
KMSD_METHOD(kmsd_give_share);
KMSD_METHOD(kmsd_share_out);

/* routes.c */
extern const struct rpc_mount kmsd_routes[], kmsd_admin_routes[];
extern const struct rpc_mount kmsd_sharing_routes[];

#endif /* KMSD_H */
