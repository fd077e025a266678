// SPDX-License-Identifier: MIT
/*
 * Which method is where
 *
 * Copyright The dstack for Linux authors
 */
#include "routes.h"

#include "agent.h"

#include <guest_v0.pb-c.h>
#include <guest_v1.pb-c.h>
#include <tappd.pb-c.h>

#define METHOD(name, request, response, call) \
	{ name, &request##__descriptor, &response##__descriptor, NULL, call }
/* A request with a text that may have NULs. */
#define METHOD_TEXT(name, request, text, response, call) \
	{ name, &request##__descriptor, &response##__descriptor, text, call }

static const struct rpc_method v0[] = {
	METHOD("GetTlsKey", guest__v0__get_tls_key_request,
	       guest__v0__get_tls_key_response, NULL),
	METHOD("GetKey", guest__v0__get_key_request,
	       guest__v0__get_key_response, agent_v0_get_key),
	METHOD("GetQuote", guest__v0__report_data_request,
	       guest__v0__get_quote_response, agent_v0_get_quote),
	METHOD("Attest", guest__v0__report_data_request,
	       guest__v0__attest_response, agent_v0_attest),
	METHOD("EmitEvent", guest__v0__emit_event_request,
	       guest__v0__empty, agent_v0_emit_event),
	METHOD("Info", guest__v0__empty, guest__v0__info_response, NULL),
	METHOD("Sign", guest__v0__sign_request, guest__v0__sign_response,
	       agent_v0_sign),
	METHOD("Verify", guest__v0__verify_request, guest__v0__verify_response,
	       agent_v0_verify),
	METHOD("Version", guest__v0__empty, guest__v0__version_response,
	       agent_v0_version),
	{ }
};

static const struct rpc_method v1[] = {
	METHOD("IssueCert", guest__v1__issue_cert_request,
	       guest__v1__issue_cert_response, NULL),
	METHOD_TEXT("GetKey", guest__v1__get_key_request, "domain",
		    guest__v1__get_key_response, agent_v1_get_key),
	METHOD("Attest", guest__v1__attest_request, guest__v1__attest_response,
	       agent_v1_attest),
	METHOD("AttestGpu", guest__v1__attest_gpu_request,
	       guest__v1__attest_gpu_response, agent_v1_attest_gpu),
	METHOD("Info", guest__v1__info_request, guest__v1__info_response,
	       NULL),
	METHOD("BatchQuote", guest__v1__batch_quote_request,
	       guest__v1__batch_quote_response, agent_v1_batch_quote),
	METHOD("Version", guest__v1__version_request,
	       guest__v1__version_response, agent_v1_version),
	{ }
};

static const struct rpc_method tappd[] = {
	METHOD("DeriveKey", tappd__derive_key_request,
	       guest__v0__get_tls_key_response, NULL),
	METHOD("DeriveK256Key", guest__v0__get_key_request,
	       tappd__derive_k256_key_response, agent_tappd_derive_k256),
	METHOD("TdxQuote", tappd__tdx_quote_request, tappd__quote_response,
	       agent_tappd_tdx_quote),
	METHOD("RawQuote", guest__v0__report_data_request,
	       tappd__quote_response, agent_tappd_raw_quote),
	METHOD("Info", guest__v0__empty, guest__v0__info_response, NULL),
	METHOD("Version", guest__v0__empty, guest__v0__version_response,
	       agent_v0_version),
	{ }
};

const struct rpc_mount agent_routes[] = {
	{ "/", NULL, v0 },
	{ "/v0/", NULL, v0 },
	{ "/v1/", NULL, v1 },
	{ }
};

const struct rpc_mount agent_tappd_routes[] = {
	{ "/prpc/", "Tappd.", tappd },
	{ }
};
