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
#include <worker.pb-c.h>

#define METHOD(name, needs, request, response, call) \
	{ name, needs, &request##__descriptor, &response##__descriptor, NULL, \
	  call }
/* A request with a text that may have NULs. */
#define METHOD_TEXT(name, needs, request, text, response, call) \
	{ name, needs, &request##__descriptor, &response##__descriptor, text, \
	  call }

static const struct rpc_method v0[] = {
	METHOD("GetTlsKey", AGENT_ISSUE_CERT, guest__v0__get_tls_key_request,
	       guest__v0__get_tls_key_response, agent_issue_cert),
	METHOD("GetKey", AGENT_GET_KEY, guest__v0__get_key_request,
	       guest__v0__get_key_response, agent_v0_get_key),
	METHOD("GetQuote", AGENT_GET_QUOTE, guest__v0__report_data_request,
	       guest__v0__get_quote_response, agent_v0_get_quote),
	METHOD("Attest", AGENT_ATTEST, guest__v0__report_data_request,
	       guest__v0__attest_response, agent_v0_attest),
	METHOD("EmitEvent", AGENT_EMIT_EVENT, guest__v0__emit_event_request,
	       guest__v0__empty, agent_v0_emit_event),
	METHOD("Info", AGENT_INFO, guest__v0__empty, guest__v0__info_response,
	       agent_v0_info),
	METHOD("Sign", AGENT_SIGN, guest__v0__sign_request,
	       guest__v0__sign_response, agent_v0_sign),
	METHOD("Verify", AGENT_VERIFY, guest__v0__verify_request,
	       guest__v0__verify_response, agent_v0_verify),
	METHOD("Version", AGENT_TELL_VERSION, guest__v0__empty,
	       guest__v0__version_response, agent_v0_version),
	{ }
};

static const struct rpc_method v1[] = {
	METHOD("IssueCert", AGENT_ISSUE_CERT, guest__v0__get_tls_key_request,
	       guest__v0__get_tls_key_response, agent_issue_cert),
	METHOD_TEXT("GetKey", AGENT_GET_KEY, guest__v1__get_key_request,
		    "domain", guest__v1__get_key_response, agent_v1_get_key),
	METHOD("Attest", AGENT_ATTEST, guest__v1__attest_request,
	       guest__v1__attest_response, agent_v1_attest),
	METHOD("AttestGpu", AGENT_ATTEST_GPU, guest__v1__attest_gpu_request,
	       guest__v1__attest_gpu_response, agent_v1_attest_gpu),
	METHOD("Info", AGENT_INFO, guest__v1__info_request,
	       guest__v1__info_response, agent_v1_info),
	METHOD("BatchQuote", AGENT_GET_QUOTE, guest__v1__batch_quote_request,
	       guest__v1__batch_quote_response, agent_v1_batch_quote),
	METHOD("Version", AGENT_TELL_VERSION, guest__v1__version_request,
	       guest__v1__version_response, agent_v1_version),
	{ }
};

static const struct rpc_method tappd[] = {
	METHOD("DeriveKey", AGENT_GET_KEY | AGENT_ISSUE_CERT,
	       tappd__derive_key_request, guest__v0__get_tls_key_response,
	       agent_tappd_derive_key),
	METHOD("DeriveK256Key", AGENT_GET_KEY, guest__v0__get_key_request,
	       tappd__derive_k256_key_response, agent_tappd_derive_k256),
	METHOD("TdxQuote", AGENT_GET_QUOTE, tappd__tdx_quote_request,
	       tappd__quote_response, agent_tappd_tdx_quote),
	METHOD("RawQuote", AGENT_GET_QUOTE, guest__v0__report_data_request,
	       tappd__quote_response, agent_tappd_raw_quote),
	METHOD("Info", AGENT_INFO, guest__v0__empty, guest__v0__info_response,
	       agent_v0_info),
	METHOD("Version", AGENT_TELL_VERSION, guest__v0__empty,
	       guest__v0__version_response, agent_v0_version),
	{ }
};

static const struct rpc_method worker_v0[] = {
	METHOD("Info", 0, guest__v0__empty, guest__v0__info_response,
	       agent_worker_v0_info),
	METHOD("Version", 0, guest__v0__empty, guest__v0__version_response,
	       agent_v0_version),
	METHOD("GetAttestationForAppKey", 0, worker__app_key_request,
	       guest__v0__get_quote_response, agent_worker_attest_key),
	{ }
};

static const struct rpc_method worker_v1[] = {
	METHOD("Info", 0, guest__v1__info_request, guest__v1__info_response,
	       agent_worker_v1_info),
	METHOD("Version", 0, guest__v1__version_request,
	       guest__v1__version_response, agent_v1_version),
	METHOD("Health", 0, worker__health_request, worker__health_response,
	       agent_worker_health),
	{ }
};

/* Who asks is no container, which the application could say anything about. */
const struct rpc_mount agent_worker_routes[] = {
	{ "/prpc/v0/", "Worker.", worker_v0, NULL },
	{ "/prpc/v1/", "Worker.", worker_v1, NULL },
	{ "/prpc/", "Worker.", worker_v0, NULL },
	{ }
};

const struct rpc_mount agent_routes[] = {
	{ "/", NULL, v0, agent_allow },
	{ "/v0/", NULL, v0, agent_allow },
	{ "/v1/", NULL, v1, agent_allow },
	{ }
};

const struct rpc_mount agent_tappd_routes[] = {
	{ "/prpc/", "Tappd.", tappd, agent_allow },
	{ }
};
