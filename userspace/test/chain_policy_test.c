// SPDX-License-Identifier: MIT
/*
 * A boot is allowed as the contracts would say it, in their words
 *
 * Copyright The dstack for Linux authors
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "../chain/policy.h"
#include "lib.h"

#define NOW	1000000
#define FACTS	32

/* Slots of a chain of its own; those that nobody wrote are zero. */
struct fact {
	uint8_t address[CHAIN_ADDRESS];
	struct chain_slot slot;
};

static struct fact facts[FACTS];
static size_t nr_facts;

static const uint8_t kms[20] = { 1 }, kms_code[20] = { 2 };
static const uint8_t app[20] = { 3 }, app_code[20] = { 4 };
static const uint8_t compose[32] = { 5 }, device[32] = { 6 };
static const uint8_t image[32] = { 7 }, mr[32] = { 8 };
static const uint8_t plain[32];
static uint8_t policy_base[32], keys_base[32];

static const uint8_t proxies[][CHAIN_HASH] = { { 1 } };

/* The hash of an account's code is the address of who has it, here. */
static const struct chain_code codes[] = {
	{ { 2 }, CHAIN_KMS_LINUX }, { { 4 }, CHAIN_APP_LINUX },
};

static const struct chain_known known = { proxies, 1, codes, 2 };

static int prove(void *arg, const uint8_t address[CHAIN_ADDRESS],
		 struct chain_slot *slots, size_t nr,
		 struct chain_account *account, struct chain_why *why)
{
	size_t i, j;

	(void)arg;
	(void)why;
	memset(account, 0, sizeof(*account));
	account->has_code = address[0] != 9;
	account->exists = account->has_code;
	account->code_hash[0] = address[0] == 3 ? 1 : address[0];
	for (i = 0; i < nr; i++) {
		memset(slots[i].value, 0, 32);
		for (j = 0; j < nr_facts; j++)
			if (!memcmp(facts[j].address, address, 20) &&
			    !memcmp(facts[j].slot.key, slots[i].key, 32))
				memcpy(slots[i].value, facts[j].slot.value,
				       32);
	}
	return 0;
}

static void from_hex(const char *text, uint8_t out[32])
{
	assert_true(libdstack_from_hex(text, 64, out, 32));
}

static struct chain_slot *fact(const uint8_t *address)
{
	assert_in_range(nr_facts, 0, FACTS - 1);
	memset(&facts[nr_facts], 0, sizeof(facts[0]));
	memcpy(facts[nr_facts].address, address, 20);
	return &facts[nr_facts++].slot;
}

static struct chain_slot *at(const uint8_t *address, const uint8_t *base,
			     uint8_t nr)
{
	struct chain_slot *slot = fact(address);

	chain_slot_at(slot, base, nr);
	return slot;
}

static struct chain_slot *of(const uint8_t *address, const uint8_t *base,
			     uint8_t nr, const void *key, size_t len)
{
	struct chain_slot *slot = fact(address);
	uint8_t word[32] = { 0 };

	memcpy(word + 32 - len, key, len);
	assert_true(chain_slot_of(slot, base, nr, word));
	return slot;
}

static void set_u64(struct chain_slot *slot, size_t from, uint64_t value)
{
	size_t i;

	for (i = 0; i < 8; i++)
		slot->value[31 - from - i] = value >> 8 * i;
}

static void behind(const uint8_t *address, const uint8_t *code)
{
	struct chain_slot *slot = fact(address);

	from_hex("360894a13ba1a3210667c828492db98dca3e2076cc3735a920a3ca505d382bbc",
		 slot->key);
	memcpy(slot->value + 12, code, 20);
}

static struct chain_slot *registered, *image_ok, *compose_ok, *flags;
static struct chain_slot *device_ok, *tcb, *mr_ok, *kms_device, *gateway;

static int everything_is_allowed(void **state)
{
	(void)state;
	nr_facts = 0;
	from_hex("9f92227d6b0f48c4b85dbad6443f056b4ade0c37fcbb36e0a7a7a84a0cd33b00",
		 policy_base);
	from_hex("e286e81d0efc19484f946f86c63a693eecb81ef2b8d4e69ed584892562c12400",
		 keys_base);
	behind(kms, kms_code);
	behind(app, app_code);
	gateway = at(kms, plain, 4);
	registered = of(kms, plain, 5, app, 20);
	mr_ok = of(kms, plain, 6, mr, 32);
	kms_device = of(kms, plain, 7, device, 32);
	image_ok = of(kms, plain, 8, image, 32);
	compose_ok = of(app, plain, 0, compose, 32);
	flags = at(app, plain, 1);
	device_ok = of(app, plain, 2, device, 32);
	tcb = at(app, plain, 3);
	registered->value[31] = 1;
	mr_ok->value[31] = 1;
	kms_device->value[31] = 1;
	image_ok->value[31] = 1;
	compose_ok->value[31] = 1;
	device_ok->value[31] = 1;
	return 0;
}

static struct chain_boot boot_of(const char *status)
{
	struct chain_boot boot = { .tcb_status = status };

	memcpy(boot.app_id, app, 20);
	memcpy(boot.compose_hash, compose, 32);
	memcpy(boot.device_id, device, 32);
	memcpy(boot.os_image_hash, image, 32);
	memcpy(boot.mr_aggregated, mr, 32);
	return boot;
}

typedef typeof(chain_app_allowed) ask_fn;

static int ask(ask_fn *fn, const struct chain_boot *boot,
	       struct chain_verdict *verdict)
{
	const struct chain_source source = { prove, NULL, NOW };
	struct chain_why why = { "" };
	int err = fn(&source, &known, kms, boot, verdict, &why);

	assert_int_equal(!err, !why.text[0]);
	assert_true(!err || !verdict->allowed);
	return err;
}

static void says(ask_fn *fn, const char *status, const char *want)
{
	struct chain_boot boot = boot_of(status);
	struct chain_verdict verdict;

	assert_int_equal(ask(fn, &boot, &verdict), 0);
	assert_string_equal(verdict.reason, want);
	assert_int_equal(verdict.allowed, !*want);
}

/* Everything that denies holds at once; the first is the reason. */
static void app_is_denied_in_order(void **state)
{
	(void)state;
	says(chain_app_allowed, "OutOfDate", "");
	tcb->value[31] = 1;
	says(chain_app_allowed, "UpToDate", "");
	device_ok->value[31] = 0;
	says(chain_app_allowed, "UpToDate", "Device not allowed");
	compose_ok->value[31] = 0;
	says(chain_app_allowed, "UpToDate", "Compose hash not allowed");
	says(chain_app_allowed, "OutOfDate", "TCB status is not up to date");
	image_ok->value[31] = 0;
	says(chain_app_allowed, "OutOfDate", "OS image is not allowed");
	registered->value[31] = 0;
	says(chain_app_allowed, "OutOfDate", "App not registered");
}

static void kms_is_denied_in_order(void **state)
{
	(void)state;
	says(chain_kms_allowed, "UpToDate", "");
	kms_device->value[31] = 0;
	says(chain_kms_allowed, "UpToDate",
	     "KMS is not allowed to boot on this device");
	mr_ok->value[31] = 0;
	says(chain_kms_allowed, "UpToDate", "Aggregated MR not allowed");
	image_ok->value[31] = 0;
	says(chain_kms_allowed, "UpToDate", "OS image is not allowed");
	says(chain_kms_allowed, "OutOfDate", "TCB status is not up to date");
}

static void packed_flags_are_told_apart(void **state)
{
	(void)state;
	device_ok->value[31] = 0;
	flags->value[31] = 1;
	says(chain_app_allowed, "UpToDate", "Device not allowed");
	flags->value[30] = 1;
	says(chain_app_allowed, "UpToDate", "");
}

static void app_without_code_is_denied(void **state)
{
	static const uint8_t none[20] = { 9 };
	struct chain_boot boot = boot_of("UpToDate");
	struct chain_verdict verdict;

	(void)state;
	of(kms, plain, 5, none, 20)->value[31] = 1;
	memcpy(boot.app_id, none, 20);
	assert_int_equal(ask(chain_app_allowed, &boot, &verdict), 0);
	assert_string_equal(verdict.reason,
			    "App not deployed or invalid address");
}

static void unknown_code_is_not_answered_for(void **state)
{
	static const uint8_t other[20] = { 77 };
	struct chain_boot boot = boot_of("UpToDate");
	struct chain_verdict verdict;

	(void)state;
	/* The implementation, then the contract itself. */
	memcpy(facts[1].slot.value + 12, other, 20);
	assert_int_equal(ask(chain_app_allowed, &boot, &verdict),
			 -EOPNOTSUPP);
	of(kms, plain, 5, other, 20)->value[31] = 1;
	memcpy(boot.app_id, other, 20);
	assert_int_equal(ask(chain_app_allowed, &boot, &verdict),
			 -EOPNOTSUPP);
	/* One that is known, but for something else. */
	everything_is_allowed(NULL);
	boot = boot_of("UpToDate");
	memcpy(facts[1].slot.value + 12, kms_code, 20);
	assert_int_equal(ask(chain_app_allowed, &boot, &verdict),
			 -EOPNOTSUPP);
	everything_is_allowed(NULL);
	memcpy(facts[0].slot.value + 12, app_code, 20);
	assert_int_equal(ask(chain_kms_allowed, &boot, &verdict),
			 -EOPNOTSUPP);
}

static void gateway_is_read_short_and_long(void **state)
{
	static const char *const texts[] = {
		"", "any", "0123456789012345678901234567890",
		"0123456789012345678901234567890123456789012345678901234567890123",
	};
	struct chain_boot boot = boot_of("UpToDate");
	struct chain_verdict verdict;
	uint8_t data[32];
	size_t i, len;

	(void)state;
	for (i = 0; i < 3; i++) {
		len = strlen(texts[i]);
		memset(gateway->value, 0, 32);
		memcpy(gateway->value, texts[i], len);
		gateway->value[31] = 2 * len;
		assert_int_equal(ask(chain_app_allowed, &boot, &verdict), 0);
		assert_string_equal(verdict.gateway_app_id, texts[i]);
	}
	memset(gateway->value, 0, 32);
	gateway->value[31] = 129;
	assert_true(chain_keccak(gateway->key, 32, data));
	memcpy(at(kms, data, 0)->value, texts[3], 32);
	memcpy(at(kms, data, 1)->value, texts[3] + 32, 32);
	assert_int_equal(ask(chain_app_allowed, &boot, &verdict), 0);
	assert_string_equal(verdict.gateway_app_id, texts[3]);
	/* Of a form that no compiler writes, and too long. */
	gateway->value[31] = 64;
	assert_int_equal(ask(chain_app_allowed, &boot, &verdict), -EBADMSG);
	gateway->value[30] = 3;
	gateway->value[31] = 1;
	assert_int_equal(ask(chain_app_allowed, &boot, &verdict), -EBADMSG);
}

/*
 * The extension
 */

static void announce(uint64_t epoch, uint64_t at_time, uint64_t revoked,
		     bool next)
{
	at(app, policy_base, next ? 2 : 0)->value[0] = epoch;
	set_u64(at(app, policy_base, next ? 3 : 1), 0, epoch);
	set_u64(&facts[nr_facts - 1].slot, 8, at_time);
	set_u64(&facts[nr_facts - 1].slot, 16, revoked);
}

static uint64_t policy_epoch(void)
{
	struct chain_boot boot = boot_of("UpToDate");
	struct chain_verdict verdict;

	assert_int_equal(ask(chain_app_allowed, &boot, &verdict), 0);
	assert_int_equal(verdict.policy_root[0], verdict.policy_epoch);
	return verdict.policy_epoch;
}

static void attack_74_a_policy_counts_when_its_time_has_come(void **state)
{
	(void)state;
	assert_int_equal(policy_epoch(), 0);
	announce(3, NOW - 5, 0, false);
	assert_int_equal(policy_epoch(), 3);
	announce(4, NOW + 1, 0, true);
	assert_int_equal(policy_epoch(), 3);
	set_u64(&facts[nr_facts - 1].slot, 8, NOW);
	assert_int_equal(policy_epoch(), 4);
	/* Revoked before its time: the one before stays. */
	set_u64(&facts[nr_facts - 1].slot, 16, NOW - 1);
	assert_int_equal(policy_epoch(), 3);
}

static void attack_76_an_older_policy_does_not_come_back(void **state)
{
	(void)state;
	announce(3, NOW - 5, 0, false);
	announce(2, NOW - 1, 0, true);
	assert_int_equal(policy_epoch(), 3);
}

static void attack_78_a_revoked_policy_denies_the_boot(void **state)
{
	(void)state;
	announce(3, NOW - 5, NOW - 1, false);
	says(chain_app_allowed, "UpToDate", "Exec policy revoked");
	assert_int_equal(policy_epoch(), 0);
}

static void pins_are_asked_until_their_end(void **state)
{
	struct chain_slot *pins = at(app, policy_base, 4), *pin;

	(void)state;
	pins->value[31] = 1;
	says(chain_app_allowed, "UpToDate", "Device not pinned");
	set_u64(pins, 1, NOW + 1);
	says(chain_app_allowed, "UpToDate", "Device not pinned");
	set_u64(pins, 1, NOW);
	says(chain_app_allowed, "UpToDate", "");
	set_u64(pins, 1, 0);
	pin = of(app, policy_base, 5, device, 32);
	set_u64(pin, 0, NOW + 1);
	says(chain_app_allowed, "UpToDate", "Device not pinned");
	set_u64(pin, 0, NOW);
	says(chain_app_allowed, "UpToDate", "");
	set_u64(pin, 8, NOW);
	says(chain_app_allowed, "UpToDate", "Device not pinned");
}

static void attack_63_retired_epochs_are_dead(void **state)
{
	struct chain_boot boot = boot_of("UpToDate");
	struct chain_slot *now = at(kms, keys_base, 0);
	struct chain_slot *next = at(kms, keys_base, 1);
	const struct chain_epochs *keys;
	struct chain_verdict verdict;

	(void)state;
	keys = &verdict.kms_keys;
	assert_int_equal(ask(chain_kms_allowed, &boot, &verdict), 0);
	assert_true(chain_epoch_lives(keys, 0, NOW));
	assert_false(chain_epoch_lives(keys, 1, NOW));
	set_u64(next, 0, 1);
	set_u64(next, 8, NOW);
	set_u64(next, 16, NOW + 10);
	assert_int_equal(ask(chain_kms_allowed, &boot, &verdict), 0);
	assert_int_equal(keys->current, 1);
	assert_true(chain_epoch_lives(keys, 0, NOW + 9));
	assert_true(chain_epoch_lives(keys, 1, NOW + 9));
	assert_false(chain_epoch_lives(keys, 0, NOW + 10));
	set_u64(now, 24, 1);
	assert_int_equal(ask(chain_kms_allowed, &boot, &verdict), 0);
	assert_false(chain_epoch_lives(keys, 0, NOW));
	assert_false(chain_epoch_lives(keys, UINT64_MAX, NOW));
}

#define test(name)	cmocka_unit_test_setup(name, everything_is_allowed)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(app_is_denied_in_order),
		test(kms_is_denied_in_order),
		test(packed_flags_are_told_apart),
		test(app_without_code_is_denied),
		test(unknown_code_is_not_answered_for),
		test(gateway_is_read_short_and_long),
		test(attack_74_a_policy_counts_when_its_time_has_come),
		test(attack_76_an_older_policy_does_not_come_back),
		test(attack_78_a_revoked_policy_denies_the_boot),
		test(pins_are_asked_until_their_end),
		test(attack_63_retired_epochs_are_dead),
	};

	return cmocka_run_group_tests_name("chain_policy", tests, NULL, NULL);
}
