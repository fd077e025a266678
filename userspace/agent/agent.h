/* SPDX-License-Identifier: MIT */
/*
 * The guest agent: what its methods share
 *
 * Copyright The dstack for Linux authors
 *
 * A method acts for the container of its caller: what the policy lets that one
 * have through the device, it has through the socket, and nothing else.
 */
#ifndef AGENT_H
#define AGENT_H

#include <libdstack_identity.h>

#include "../app/app.h"
#include "../attest/attest.h"
#include "../http/caller.h"
#include "../keys/app_keys.h"
#include "quote.h"
#include "../rpc/rpc.h"

#define AGENT_VERSION		"0.1.0"		/* ours, as dkms.conf has it */
/* What v0's Version answers: the release that froze this API. */
#define AGENT_V0_VERSION	"0.5.11"

struct agent_epochs;
struct agent_terms;
struct metrics_counters;

/* What the boot left about the application. */
struct agent_app {
	struct app_compose *compose;
	struct app_sys_config *config;
	struct agent_epochs *epochs;
	struct agent_terms *terms;
};

struct agent {
	const struct agent_app *app;	/* NULL: none is known */
	struct agent_epochs *epochs;	/* NULL: chains have no links */
	struct attest_log *log;	/* the file that dstackd keeps */
	struct agent_quotes *quotes;
	struct metrics_counters *counters;	/* NULL: nobody counts */
	struct agent_shared *shared;	/* NULL: nobody is remote */
	struct agent_demo *demo;	/* NULL: Info shows no certificate */
	const char *vm_config;	/* of the machine's owner, or "" */
	const struct agent_terms *terms;	/* NULL: each may call all */
	const char *section;	/* whose socket this is; NULL: everybody's */
	/* What asks KMSs for us, and about which application. */
	const char *boot, *app_dir;
};

/* app.c */

/* One line to @tell.  Returns @err. */
__attribute__((format(printf, 3, 4)))
int agent_say(libdstack_message_fn tell, int err, const char *fmt, ...);
/*
 * The directory that the boot left: app-compose.json, .sys-config.json and
 * .appkeys.json.  @epoch: of keys that name none.  0 or -errno, after one line
 * to @tell.
 */
int agent_app_read(const char *dir, uint64_t epoch, libdstack_message_fn tell,
		   struct agent_app **app);
/* @app may be NULL. */
void agent_app_free(struct agent_app *app);
/*
 * -EKEYREJECTED: the boot at the beginning of the log, which has @count events,
 * has measured another app-compose.json.
 */
int agent_app_check(const struct agent_app *app, const char *log,
		    uint64_t count, libdstack_message_fn tell);

/* The event that a boot measured app-compose.json with, or NULL. */
const struct libdstack_event *
agent_app_measured(const struct libdstack_log *log);

/* allow.c */

/* What a section may be allowed, whatever a generation of the API calls it. */
#define AGENT_GET_KEY		(1U << 0)
#define AGENT_GET_QUOTE		(1U << 1)
#define AGENT_ATTEST		(1U << 2)
#define AGENT_ATTEST_GPU	(1U << 3)
#define AGENT_ISSUE_CERT	(1U << 4)
#define AGENT_INFO		(1U << 5)
#define AGENT_EMIT_EVENT	(1U << 6)
#define AGENT_SIGN		(1U << 7)
#define AGENT_VERIFY		(1U << 8)
#define AGENT_TELL_VERSION	(1U << 9)

/*
 * What containers may call, by their sections.  -EBADMSG: there is no method of
 * that name, or a section is there twice, as @tell was told.
 */
int agent_terms_new(const struct app_compose *compose,
		    libdstack_message_fn tell, struct agent_terms **terms);
void agent_terms_free(struct agent_terms *terms);
/* For rpc_mount. */
int agent_allow(const void *server, const void *caller,
		const struct rpc_method *method, struct rpc_error *error);

/* device.c */

/* Whose process that is, and /dev/dstack acting for it, to @caller. */
int agent_device_find(pid_t pid, struct http_caller *caller);
/* That device, which is the call's to close; or -errno with @error. */
int agent_device(const struct http_caller *caller, struct rpc_error *error);
/* The same for who outlives the call, and closes it. */
int agent_device_keep(const struct http_caller *caller,
		      struct rpc_error *error);

/* epochs.c */

#define AGENT_EPOCH_NEWEST	UINT64_MAX
#define AGENT_EPOCH_OLDEST	(UINT64_MAX - 1)

/* The files of this directory, now and whenever they change. */
int agent_epochs_open(const char *dir, uint64_t unnamed,
		      libdstack_message_fn tell, struct agent_epochs **epochs);
void agent_epochs_close(struct agent_epochs *epochs);
enum agent_provider agent_epochs_provider(const struct agent_epochs *epochs);
/* Now and then: keys that are in no file any more are forgotten. */
void agent_epochs_look(struct agent_epochs *epochs);
/*
 * The keys of one epoch, which stay until agent_epochs_put(); that comes soon.
 * NULL with @error: they are not here, and there is nothing to put.
 */
const struct agent_app_keys *agent_epochs_get(struct agent_epochs *epochs,
					      uint64_t epoch,
					      struct rpc_error *error);
void agent_epochs_put(struct agent_epochs *epochs);

/* key.c */

/* Which key a method is about; what is missing comes of the policy. */
struct agent_key_request {
	enum agent_algorithm algorithm;
	enum dstack_key_kind kind;	/* 0: the algorithm's */
	enum dstack_key_delivery delivery;
	bool v1;
	const void *path;
	size_t path_len;
};

/* *@epoch: which key epoch it is of, the newest. */
int agent_get_key(const struct http_caller *caller,
		  const struct agent_key_request *request,
		  uint8_t key[DSTACK_KEY_SIZE], uint64_t *epoch,
		  struct rpc_error *error);
/*
 * The links for a key of that epoch with this public one: two, or none without
 * app keys.
 */
int agent_add_links(const struct agent *agent, const struct agent_claim *claim,
		    uint64_t epoch, size_t *nr, ProtobufCBinaryData **links,
		    struct rpc_error *error);

/* demo.c */

struct agent_demo;

int agent_demo_open(libdstack_message_fn tell, struct agent_demo **demo);
/* -EBUSY: one is being made; then what is used for that stays. */
int agent_demo_close(struct agent_demo *demo);
/* The chain as one text; nothing while there is none. */
int agent_demo_put(const struct agent *agent, char **field);

/* shared.c */

struct agent_shared;

int agent_shared_open(struct agent_shared **shared);
/* No caller may be left; @shared may be NULL. */
void agent_shared_close(struct agent_shared *shared);
/* As agent_quote(), for remote callers: the host's, and not quite new. */
int agent_shared_quote(const struct agent *agent,
		       const struct http_caller *caller,
		       const uint8_t report_data[DSTACK_REPORT_DATA_SIZE],
		       struct libdstack_quote *quote, struct rpc_error *error);

/* evidence.c */

/* A quote for the caller, and what explains it; or -errno with @error. */
int agent_evidence(const struct agent *agent, const struct http_caller *caller,
		   const uint8_t report_data[DSTACK_REPORT_DATA_SIZE],
		   struct attest_evidence *evidence, struct rpc_error *error);

/* Methods, by the file that has them */

#define AGENT_METHOD(name) \
	int name(void *server, const void *caller, \
		 const ProtobufCMessage *request, ProtobufCMessage *response, \
		 struct rpc_error *error)

/* The same, for who knows its agent and its caller. */
#define AGENT_CALL(name) \
	static int name##_call(struct agent *agent, \
			       const struct http_caller *caller, \
			       const ProtobufCMessage *request, \
			       ProtobufCMessage *response, \
			       struct rpc_error *error); \
	AGENT_METHOD(name) \
	{ \
		return name##_call(server, caller, request, response, error); \
	} \
	static int name##_call(struct agent *agent, \
			       const struct http_caller *caller, \
			       const ProtobufCMessage *request, \
			       ProtobufCMessage *response, \
			       struct rpc_error *error)

/* method_key.c */
AGENT_METHOD(agent_v0_get_key);
AGENT_METHOD(agent_v1_get_key);
AGENT_METHOD(agent_tappd_derive_k256);

/* method_sign.c */
AGENT_METHOD(agent_v0_sign);
AGENT_METHOD(agent_v0_verify);

/* method_quote.c */

/* Adds what explains evidence->quote, which stays the caller's to free. */
int agent_explain(const struct agent *agent, struct attest_evidence *evidence,
		  struct rpc_error *error);
/* Up to 64 bytes, with zeros behind them. */
int agent_report_data(const ProtobufCBinaryData *data,
		      uint8_t out[DSTACK_REPORT_DATA_SIZE],
		      struct rpc_error *error);
/* As GetQuote answers. */
int agent_quote_reply(struct agent *agent, const struct http_caller *caller,
		      const uint8_t report_data[DSTACK_REPORT_DATA_SIZE],
		      ProtobufCMessage *response,
		      struct rpc_error *error);
AGENT_METHOD(agent_v0_get_quote);
AGENT_METHOD(agent_tappd_tdx_quote);
AGENT_METHOD(agent_tappd_raw_quote);
AGENT_METHOD(agent_v1_batch_quote);

/* method_attest.c */
AGENT_METHOD(agent_v0_attest);
AGENT_METHOD(agent_v1_attest);
AGENT_METHOD(agent_v1_attest_gpu);

/* method_cert.c */
AGENT_METHOD(agent_issue_cert);
AGENT_METHOD(agent_tappd_derive_key);

/* method_info.c */

/* Who the evidence is of, as verifiers see it. */
int agent_identity(const struct agent *agent,
		   const struct attest_evidence *evidence,
		   struct libdstack_identity *identity,
		   struct rpc_error *error);
AGENT_METHOD(agent_v0_info);
AGENT_METHOD(agent_v1_info);

/* method_worker.c */
AGENT_METHOD(agent_worker_v0_info);
AGENT_METHOD(agent_worker_v1_info);
AGENT_METHOD(agent_worker_attest_key);
AGENT_METHOD(agent_worker_health);

/* method_misc.c */
AGENT_METHOD(agent_v0_emit_event);
AGENT_METHOD(agent_v0_version);
AGENT_METHOD(agent_v1_version);

#endif /* AGENT_H */
