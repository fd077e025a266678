// SPDX-License-Identifier: MIT
/*
 * The identity behind a TD's quote
 *
 * Copyright The dstack for Linux authors
 */
#include "identity.h"

#include <errno.h>
#include <string.h>

#define BOOT_END	"boot-mr-done"
#define CONFIG_ID_SIZE	48

/* Register 3 as it was when the boot's part ended. */
static bool boot_register(const struct libdstack_log *log,
			  uint8_t value[DSTACK_REGISTER_SIZE])
{
	size_t i, bad;

	for (i = 0; i < log->count; i++)
		if (!strcmp(log->events[i].name, BOOT_END)) {
			i++;
			break;
		}
	memset(value, 0, DSTACK_REGISTER_SIZE);
	return !libdstack_log_replay(log, i, value, &bad);
}

static bool mr_system(const struct libdstack_td *td,
		      struct libdstack_identity *identity)
{
	uint8_t provider[IDENT_HASH_SIZE] = { 0 };
	const struct libdstack_span parts[] = {
		ident_span(td->mr_td, sizeof(td->mr_td)),
		ident_span(td->rtmr, 3 * DSTACK_REGISTER_SIZE),
		ident_span(provider, sizeof(provider)),
	};

	return ident_mr_key_provider(identity, provider) &&
		ident_sha256(parts, 3, identity->mr_system);
}

/* Guests of old had none of the last three; they count if one is set. */
static bool mr_aggregated(const struct libdstack_td *td,
			  const uint8_t runtime[DSTACK_REGISTER_SIZE],
			  struct libdstack_identity *identity)
{
	const struct libdstack_span parts[] = {
		ident_span(td->mr_td, sizeof(td->mr_td)),
		ident_span(td->rtmr, 3 * DSTACK_REGISTER_SIZE),
		ident_span(runtime, DSTACK_REGISTER_SIZE),
		ident_span(td->mr_config_id, sizeof(td->mr_config_id)),
		ident_span(td->mr_owner, sizeof(td->mr_owner)),
		ident_span(td->mr_owner_config, sizeof(td->mr_owner_config)),
	};
	bool owned = !att_is_zero(td->mr_config_id, sizeof(td->mr_config_id)) ||
		!att_is_zero(td->mr_owner, sizeof(td->mr_owner)) ||
		!att_is_zero(td->mr_owner_config, sizeof(td->mr_owner_config));

	return ident_sha256(parts, owned ? 6 : 3, identity->mr_aggregated);
}

static int provider_byte(const char *name, uint8_t *byte)
{
	static const char *const names[] = {
		"none", "local-sgx", "kms", "tpm"
	};
	uint8_t i;

	for (i = 0; i < 4; i++) {
		*byte = i;
		if (!strcmp(names[i], name))
			return 0;
	}
	return -EOPNOTSUPP;
}

/* keccak256(compose hash, app id, kind of key provider, its id) */
static int config_id_2(const struct libdstack_identity *identity,
		       uint8_t out[IDENT_HASH_SIZE],
		       struct libdstack_failure *failure)
{
	uint8_t id[LIBDSTACK_KEY_PROVIDER_MAX / 2] = { 0 }, kind = 0;
	const char *hex = identity->key_provider_id;
	size_t len = strlen(hex) / 2;
	const struct libdstack_span parts[] = {
		ident_span(identity->compose_hash.data, IDENT_HASH_SIZE),
		ident_span(identity->app_id.data, identity->app_id.len),
		ident_span(&kind, 1), ident_span(id, len),
	};

	if (provider_byte(identity->key_provider, &kind) ||
	    !libdstack_from_hex(hex, strlen(hex), id, len))
		return verify_fail(failure, REASON(UNSUPPORTED),
				   "MRCONFIGID names a key provider, and '%s' is none that is known",
				   identity->key_provider);
	if (!ident_hash("KECCAK-256", parts, 4, out))
		return verify_fail(failure, REASON(UNSUPPORTED),
				   "MRCONFIGID is a Keccak-256, which this OpenSSL (before 3.2) does not have");
	return 0;
}

static int check_config_id(const struct libdstack_td *td,
			   struct libdstack_identity *identity,
			   struct libdstack_failure *failure)
{
	const uint8_t *id = td->mr_config_id;
	uint8_t want[IDENT_HASH_SIZE];
	int err = 0;

	/* A document is not at hand; its hash is in mr_aggregated. */
	if (!*id || *id == 3)
		return 0;
	if (*id > 3)
		return verify_fail(failure, REASON(UNSUPPORTED),
				   "MRCONFIGID of version %u", *id);
	if (*id == 1)
		memcpy(want, identity->compose_hash.data, sizeof(want));
	else
		err = config_id_2(identity, want, failure);
	if (err)
		return err;
	identity->config_bound = true;
	if (!memcmp(id + 1, want, sizeof(want)) &&
	    att_is_zero(id + 1 + sizeof(want),
			CONFIG_ID_SIZE - 1 - sizeof(want)))
		return 0;
	return verify_fail(failure, REASON(MISMATCH),
			   "MRCONFIGID is for another application than the log");
}

static int check_compose(const struct libdstack_attestation *a,
			 const struct libdstack_identity *identity,
			 struct libdstack_failure *failure)
{
	uint8_t hash[IDENT_HASH_SIZE];

	if (!a->app_compose.len)
		return 0;
	if (!ident_sha256(&a->app_compose, 1, hash))
		return ident_no_hash(failure);
	if (ident_is(&identity->compose_hash, hash, sizeof(hash)))
		return 0;
	return verify_fail(failure, REASON(MISMATCH),
			   "app_compose is not the one that was measured");
}

static int make_hashes(const struct libdstack_attestation *a,
		       const struct libdstack_td *td, const uint8_t *ppid,
		       bool boot, struct libdstack_identity *identity,
		       struct libdstack_failure *failure)
{
	const struct libdstack_span device = ident_span(ppid, ppid ? 16 : 0);
	uint8_t runtime[DSTACK_REGISTER_SIZE];

	memcpy(runtime, td->rtmr[3], sizeof(runtime));
	if ((boot && !boot_register(&a->runtime, runtime)) ||
	    !mr_system(td, identity) || !mr_aggregated(td, runtime, identity) ||
	    !ident_sha256(&device, 1, identity->device_id))
		return ident_no_hash(failure);
	return 0;
}

/* MRCONFIGID names the key provider, which a boot's identity leaves out. */
static int check_bindings(const struct libdstack_attestation *a,
			  const struct libdstack_td *td,
			  struct libdstack_identity *identity,
			  struct libdstack_failure *failure)
{
	struct libdstack_identity whole = { .tee = a->tee };
	int err;

	err = ident_read_events(&a->runtime, false, &whole, failure);
	if (!err)
		err = check_config_id(td, &whole, failure);
	if (!err)
		err = check_compose(a, &whole, failure);
	identity->config_bound = whole.config_bound;
	return err;
}

static int make_identity(const struct libdstack_attestation *a,
			 const struct libdstack_td *td, const uint8_t *ppid,
			 bool boot, struct libdstack_identity *identity,
			 struct libdstack_failure *failure)
{
	int err;

	err = ident_read_events(&a->runtime, boot, identity, failure);
	if (!err)
		err = ident_read_config(&a->config, identity, failure);
	if (!err)
		err = check_bindings(a, td, identity, failure);
	return err ? err : make_hashes(a, td, ppid, boot, identity, failure);
}

int libdstack_identity_of_td(const struct libdstack_attestation *att,
			     const struct libdstack_td *td,
			     const uint8_t ppid[16], uint32_t flags,
			     struct libdstack_identity *identity,
			     struct libdstack_failure *failure)
{
	bool replayed[ATT_REGISTERS];
	int err;

	ident_begin(att, identity, failure);
	/* Nobody gets an identity from a log that is not the TD's. */
	err = libdstack_attestation_explains(att, td, replayed,
					     failure);
	if (err)
		return ident_end(err, identity, failure);
	verify_step(failure, "identity");
	if (att->tee != LIBDSTACK_TEE_TDX)
		err = verify_fail(failure, REASON(UNSUPPORTED),
				  "not evidence of a TD alone");
	else
		err = make_identity(att, td, ppid,
				    flags & LIBDSTACK_IDENTITY_F_BOOT,
				    identity, failure);
	return ident_end(err, identity, failure);
}
