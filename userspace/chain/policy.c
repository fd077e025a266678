// SPDX-License-Identifier: MIT
/*
 * What DstackKms and DstackApp say of a boot, read from their storage
 *
 * Copyright The dstack for Linux authors
 */
#include "policy.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Upstream's state begins at slot 0 in both. */
static const uint8_t upstream[32];

enum {
	KMS_CODE, KMS_GATEWAY, KMS_APP, KMS_MR, KMS_DEVICE, KMS_IMAGE,
	KMS_KEYS, KMS_SLOTS = KMS_KEYS + CHAIN_KEYS_SLOTS,
};

enum {
	APP_CODE, APP_COMPOSE, APP_FLAGS, APP_DEVICE, APP_TCB, APP_POLICY,
	APP_KEYS = APP_POLICY + CHAIN_POLICY_SLOTS,
	APP_SLOTS = APP_KEYS + CHAIN_KEYS_SLOTS,
};

static bool up_to_date(const struct chain_boot *boot)
{
	return !strcmp(boot->tcb_status, "UpToDate");
}

static int deny(struct chain_verdict *verdict, const char *reason)
{
	verdict->allowed = !*reason;
	snprintf(verdict->reason, sizeof(verdict->reason), "%s", reason);
	return 0;
}

static bool kms_slots(struct chain_slot *slots, const struct chain_boot *boot)
{
	uint8_t app[32] = { 0 };

	memcpy(app + 32 - CHAIN_ADDRESS, boot->app_id, CHAIN_ADDRESS);
	chain_slot_at(&slots[KMS_GATEWAY], upstream, 4);
	chain_keys_slots(&slots[KMS_KEYS]);
	return chain_slot_of(&slots[KMS_APP], upstream, 5, app) &&
	       chain_slot_of(&slots[KMS_MR], upstream, 6,
			     boot->mr_aggregated) &&
	       chain_slot_of(&slots[KMS_DEVICE], upstream, 7,
			     boot->device_id) &&
	       chain_slot_of(&slots[KMS_IMAGE], upstream, 8,
			     boot->os_image_hash);
}

/* All that is asked of the KMS's contract, and what does not deny. */
static int read_kms(const struct chain_source *source,
		    const struct chain_known *known, const uint8_t *kms,
		    const struct chain_boot *boot, struct chain_slot *slots,
		    struct chain_verdict *verdict, struct chain_why *why)
{
	enum chain_layout layout;
	size_t len = 0;
	int err;

	memset(verdict, 0, sizeof(*verdict));
	snprintf(verdict->reason, sizeof(verdict->reason), "nothing is proven");
	if (!kms_slots(slots, boot))
		return chain_fail(why, -EIO, "there is no KECCAK-256");
	err = chain_contract_read(source, known, kms, slots, KMS_SLOTS,
				  &layout, why);
	if (err)
		return err;
	if (layout != CHAIN_KMS_UPSTREAM && layout != CHAIN_KMS_LINUX)
		return chain_fail(why, -EOPNOTSUPP,
				  "there is no DstackKms at the address of the KMS's contract");
	if (layout == CHAIN_KMS_LINUX)
		chain_keys_read(&slots[KMS_KEYS], source->time,
				&verdict->kms_keys);
	err = chain_text_read(source, kms, &slots[KMS_GATEWAY],
			      CHAIN_GATEWAY_MAX - 1,
			      (uint8_t *)verdict->gateway_app_id, &len, why);
	if (!err && memchr(verdict->gateway_app_id, 0, len))
		err = chain_fail(why, -EBADMSG,
				 "the gateway's id has a zero byte in it");
	return err;
}

int chain_kms_allowed(const struct chain_source *source,
		      const struct chain_known *known,
		      const uint8_t kms[CHAIN_ADDRESS],
		      const struct chain_boot *boot,
		      struct chain_verdict *verdict, struct chain_why *why)
{
	struct chain_slot slots[KMS_SLOTS];
	int err = read_kms(source, known, kms, boot, slots, verdict, why);

	if (err)
		return err;
	if (!up_to_date(boot))
		return deny(verdict, "TCB status is not up to date");
	if (!chain_slot_bool(&slots[KMS_IMAGE], 0))
		return deny(verdict, "OS image is not allowed");
	if (!chain_slot_bool(&slots[KMS_MR], 0))
		return deny(verdict, "Aggregated MR not allowed");
	if (!chain_slot_bool(&slots[KMS_DEVICE], 0))
		return deny(verdict,
			    "KMS is not allowed to boot on this device");
	return deny(verdict, "");
}

static bool app_slots(struct chain_slot *slots, const struct chain_boot *boot)
{
	chain_slot_at(&slots[APP_FLAGS], upstream, 1);
	chain_slot_at(&slots[APP_TCB], upstream, 3);
	chain_keys_slots(&slots[APP_KEYS]);
	return chain_slot_of(&slots[APP_COMPOSE], upstream, 0,
			     boot->compose_hash) &&
	       chain_slot_of(&slots[APP_DEVICE], upstream, 2,
			     boot->device_id) &&
	       chain_policy_slots(&slots[APP_POLICY], boot->device_id);
}

static const char *judge_app(const struct chain_slot *slots,
			     const struct chain_boot *boot,
			     enum chain_layout layout, uint64_t now,
			     struct chain_verdict *verdict)
{
	const char *reason = "";

	/* Read whatever is decided: who is denied has an epoch as well. */
	if (layout == CHAIN_APP_LINUX) {
		reason = chain_policy_read(&slots[APP_POLICY], now, verdict);
		chain_keys_read(&slots[APP_KEYS], now, &verdict->app_keys);
	}
	if (chain_slot_bool(&slots[APP_TCB], 0) && !up_to_date(boot))
		return "TCB status is not up to date";
	if (!chain_slot_bool(&slots[APP_COMPOSE], 0))
		return "Compose hash not allowed";
	if (!chain_slot_bool(&slots[APP_FLAGS], 1) &&
	    !chain_slot_bool(&slots[APP_DEVICE], 0))
		return "Device not allowed";
	return reason;
}

static int ask_app(const struct chain_source *source,
		   const struct chain_known *known,
		   const struct chain_boot *boot,
		   struct chain_verdict *verdict, struct chain_why *why)
{
	struct chain_slot slots[APP_SLOTS];
	enum chain_layout layout;
	int err;

	if (!app_slots(slots, boot))
		return chain_fail(why, -EIO, "there is no KECCAK-256");
	err = chain_contract_read(source, known, boot->app_id, slots,
				  APP_SLOTS, &layout, why);
	if (err)
		return err;
	if (layout == CHAIN_NO_LAYOUT)
		return deny(verdict, "App not deployed or invalid address");
	if (layout != CHAIN_APP_UPSTREAM && layout != CHAIN_APP_LINUX)
		return chain_fail(why, -EOPNOTSUPP,
				  "there is no DstackApp at the application's address");
	return deny(verdict, judge_app(slots, boot, layout, source->time,
				       verdict));
}

int chain_app_allowed(const struct chain_source *source,
		      const struct chain_known *known,
		      const uint8_t kms[CHAIN_ADDRESS],
		      const struct chain_boot *boot,
		      struct chain_verdict *verdict, struct chain_why *why)
{
	struct chain_slot slots[KMS_SLOTS];
	int err = read_kms(source, known, kms, boot, slots, verdict, why);

	if (err)
		return err;
	if (!chain_slot_bool(&slots[KMS_APP], 0))
		return deny(verdict, "App not registered");
	if (!chain_slot_bool(&slots[KMS_IMAGE], 0))
		return deny(verdict, "OS image is not allowed");
	return ask_app(source, known, boot, verdict, why);
}
