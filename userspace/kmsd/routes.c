// SPDX-License-Identifier: MIT
/*
 * Which method is where
 *
 * Copyright The dstack for Linux authors
 */
#include <kms.pb-c.h>
#include <quorum.pb-c.h>

#include "kmsd.h"

static const struct rpc_method methods[] = {
	{ .name = "GetAppKey", .call = kmsd_get_app_key,
	  .in = &kms__get_app_key_request__descriptor,
	  .out = &kms__get_app_key_response__descriptor },
	{ .name = "GetKmsKey", .call = kmsd_get_kms_key,
	  .in = &kms__get_kms_key_request__descriptor,
	  .out = &kms__get_kms_key_response__descriptor },
	{ .name = "GetAppEnvEncryptPubKey", .call = kmsd_get_env_key,
	  .in = &kms__app_id__descriptor,
	  .out = &kms__get_app_env_encrypt_pub_key_response__descriptor },
	{ .name = "GetMeta", .call = kmsd_get_meta,
	  .in = &kms__empty__descriptor,
	  .out = &kms__get_meta_response__descriptor },
	{ .name = "GetTempCaCert", .call = kmsd_get_temp_ca,
	  .in = &kms__empty__descriptor,
	  .out = &kms__get_temp_ca_cert_response__descriptor },
	{ .name = "SignCert", .call = kmsd_sign_cert,
	  .in = &kms__sign_cert_request__descriptor,
	  .out = &kms__sign_cert_response__descriptor },
	{ .name = "GetAppState", .call = kmsd_get_app_state,
	  .in = &kms__get_app_state_request__descriptor,
	  .out = &kms__get_app_state_response__descriptor },
	{ .name = "Greet", .call = kmsd_greet,
	  .in = &quorum__empty__descriptor,
	  .out = &quorum__greeting__descriptor },
	{ .name = "KeepShare", .call = kmsd_keep_share,
	  .in = &quorum__keep_share_request__descriptor,
	  .out = &quorum__keep_share_response__descriptor },
	{ .name = "GiveShare", .call = kmsd_give_share,
	  .in = &quorum__give_share_request__descriptor,
	  .out = &quorum__give_share_response__descriptor },
	{ }
};

/* All that one without roots does for others, who have none either. */
static const struct rpc_method sharing_methods[] = {
	{ .name = "Greet", .call = kmsd_greet,
	  .in = &quorum__empty__descriptor,
	  .out = &quorum__greeting__descriptor },
	{ .name = "GiveShare", .call = kmsd_give_share,
	  .in = &quorum__give_share_request__descriptor,
	  .out = &quorum__give_share_response__descriptor },
	{ }
};

/* Upstream has these at the public port until there are keys: attack 71. */
static const struct rpc_method admin_methods[] = {
	{ .name = "Bootstrap", .call = kmsd_bootstrap,
	  .in = &kms__bootstrap_request__descriptor,
	  .out = &kms__bootstrap_response__descriptor },
	{ .name = "Onboard", .call = kmsd_onboard,
	  .in = &kms__onboard_request__descriptor,
	  .out = &kms__onboard_response__descriptor },
	{ .name = "GetAttestationInfo", .call = kmsd_attestation_info,
	  .in = &kms__empty__descriptor,
	  .out = &kms__attestation_info_response__descriptor },
	{ .name = "ClearImageCache", .call = kmsd_clear_image_cache,
	  .in = &kms__clear_image_cache_request__descriptor,
	  .out = &kms__empty__descriptor },
	/* Of another service, whose name is not one that is left out. */
	{ .name = "Admin.ClearImageCache", .call = kmsd_clear_image_cache,
	  .in = &kms__clear_image_cache_request__descriptor,
	  .out = &kms__empty__descriptor },
	{ }
};

const struct rpc_mount kmsd_routes[] = {
	{ .prefix = "/prpc/", .service = "KMS.", .methods = methods },
	{ }
};

const struct rpc_mount kmsd_sharing_routes[] = {
	{ .prefix = "/prpc/", .service = "KMS.", .methods = sharing_methods },
	{ }
};

/* Of ours. */
static const struct rpc_method own_methods[] = {
	{ .name = "Status", .call = kmsd_status,
	  .in = &kms__empty__descriptor,
	  .out = &kms__status_response__descriptor },
	{ .name = "StartEpoch", .call = kmsd_start_epoch,
	  .in = &kms__empty__descriptor,
	  .out = &kms__key_epoch__descriptor },
	{ .name = "RetireEpoch", .call = kmsd_retire_epoch,
	  .in = &kms__key_epoch__descriptor,
	  .out = &kms__key_epoch__descriptor },
	{ .name = "FetchEpochs", .call = kmsd_fetch_epochs,
	  .in = &kms__fetch_epochs_request__descriptor,
	  .out = &kms__fetch_epochs_response__descriptor },
	{ .name = "ShareOut", .call = kmsd_share_out,
	  .in = &quorum__share_out_request__descriptor,
	  .out = &quorum__share_out_response__descriptor },
	{ }
};

const struct rpc_mount kmsd_admin_routes[] = {
	{ .prefix = "/prpc/Admin.", .methods = own_methods },
	{ .prefix = "/prpc/", .service = "Onboard.", .methods = admin_methods },
	{ }
};
