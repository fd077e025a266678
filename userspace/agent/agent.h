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

#include <libdstack.h>

#include "../attest/attest.h"
#include "caller.h"
#include "keys/app_keys.h"
#include "quote.h"
#include "rpc/rpc.h"

#define AGENT_VERSION		"0.1.0"		/* ours, as dkms.conf has it */
/* What v0's Version answers: the release that froze this API. */
#define AGENT_V0_VERSION	"0.5.11"

struct agent {
	const struct agent_app_keys *keys;	/* NULL: chains have no links */
	const char *log;	/* the file that dstackd keeps */
	struct agent_quotes *quotes;
	const char *vm_config;	/* of the machine's owner; NULL: not known */
};

/* device.c */

/* /dev/dstack, acting for the caller; or -errno with @error. */
int agent_device(const struct agent_caller *caller, struct rpc_error *error);

/* key.c */

/* Which key a method is about; what is missing comes of the policy. */
struct agent_key_request {
	enum agent_algorithm algorithm;
	enum dstack_key_delivery delivery;
	bool v1;
	const void *path;
	size_t path_len;
};

int agent_get_key(const struct agent_caller *caller,
		  const struct agent_key_request *request,
		  uint8_t key[DSTACK_KEY_SIZE], struct rpc_error *error);
/* The links for a key with this public one: two, or none without app keys. */
int agent_add_links(const struct agent *agent, const struct agent_claim *claim,
		    size_t *nr, ProtobufCBinaryData **links);

/* evidence.c */

/* A quote for the caller, and what explains it; or -errno with @error. */
int agent_evidence(const struct agent *agent, const struct agent_caller *caller,
		   const uint8_t report_data[DSTACK_REPORT_DATA_SIZE],
		   struct attest_evidence *evidence, struct rpc_error *error);
/* Adds what explains evidence->quote, which stays the caller's to free. */
int agent_explain(const struct agent *agent, struct attest_evidence *evidence,
		  struct rpc_error *error);
/* Up to 64 bytes, with zeros behind them. */
int agent_report_data(const ProtobufCBinaryData *data,
		      uint8_t out[DSTACK_REPORT_DATA_SIZE],
		      struct rpc_error *error);

/* Methods, by the file that has them */

#define AGENT_METHOD(name) \
	int name(struct agent *agent, const struct agent_caller *caller, \
		 const ProtobufCMessage *request, ProtobufCMessage *response, \
		 struct rpc_error *error)

/* method_key.c */
AGENT_METHOD(agent_v0_get_key);
AGENT_METHOD(agent_v1_get_key);
AGENT_METHOD(agent_tappd_derive_k256);

/* method_sign.c */
AGENT_METHOD(agent_v0_sign);
AGENT_METHOD(agent_v0_verify);

/* method_quote.c */
AGENT_METHOD(agent_v0_get_quote);
AGENT_METHOD(agent_tappd_tdx_quote);
AGENT_METHOD(agent_tappd_raw_quote);
AGENT_METHOD(agent_v1_batch_quote);

/* method_attest.c */
AGENT_METHOD(agent_v0_attest);
AGENT_METHOD(agent_v1_attest);
AGENT_METHOD(agent_v1_attest_gpu);

/* method_misc.c */
AGENT_METHOD(agent_v0_emit_event);
AGENT_METHOD(agent_v0_version);
AGENT_METHOD(agent_v1_version);

#endif /* AGENT_H */
