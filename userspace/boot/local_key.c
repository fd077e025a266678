// SPDX-License-Identifier: MIT
/*
 * Is it a key, and from the enclave that it is said to be from
 *
 * Copyright The dstack for Linux authors
 *
 * The enclave's quote is over the box, and the box opens with a key that this
 * machine made for this one question: so the enclave made it for whoever had
 * that key in his quote.  Documentation/admin-guide/boot.rst has the forms, and
 * says what this does not prove.
 */
#include "local.h"

#include <assert.h>
#include <errno.h>
#include <openssl/sha.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define HOST_S		60

/* What is made for one question, and wiped after it. */
struct pair {
	uint8_t public_key[crypto_box_PUBLICKEYBYTES];
	uint8_t secret_key[crypto_box_SECRETKEYBYTES];
};

static_assert(crypto_box_SEALBYTES + DSTACK_KEY_SIZE == LOCAL_BOX_SIZE,
	      "that is the size of a sealed key");
static_assert(SHA256_DIGEST_LENGTH + crypto_box_PUBLICKEYBYTES ==
	      DSTACK_REPORT_DATA_SIZE, "each is half of it");

/*
 * The enclave
 */

static int refuse(const struct libdstack_failure *failure, int err)
{
	return boot_fail(err, "the quote of the host's key enclave does not hold: %s: %s",
			 failure->step, failure->text);
}

static int verify(const struct local *local, const struct local_answer *answer,
		  struct libdstack_verdict *verdict)
{
	const struct libdstack_collateral_source *source = &local->source;
	struct libdstack_collateral *collateral;
	struct libdstack_failure failure;
	time_t now = time(NULL);
	int err;

	err = libdstack_collateral_get(source, answer->quote,
				       answer->quote_len, now, &collateral,
				       &failure);
	if (err)
		return refuse(&failure, err);
	err = libdstack_quote_verify(answer->quote, answer->quote_len,
				     collateral, source->root,
				     source->root_len, now, verdict);
	libdstack_collateral_free(collateral);
	if (err)
		return refuse(&verdict->failure, err);
	if (verdict->kind != LIBDSTACK_QUOTE_ENCLAVE)
		return boot_fail(-EKEYREJECTED, "what the host gave is the quote of a TD, and not of a key enclave");
	err = libdstack_quote_policy_check(&local->policy, verdict, NULL, NULL,
					   &failure);
	return err ? refuse(&failure, err) : 0;
}

/* Any other would give a key as well, one that its maker knows. */
static int check_enclave(const struct local *local,
			 const uint8_t enclave[LOCAL_ENCLAVE_SIZE])
{
	char is[2 * LOCAL_ENCLAVE_SIZE + 1];

	libdstack_to_hex(enclave, LOCAL_ENCLAVE_SIZE, is);
	if (!local->enclave_len) {
		boot_say(BOOT_COMPOSE " has no key_provider_id: any enclave that the host names will do, and this one is %s",
			 is);
		return 0;
	}
	if (local->enclave_len == LOCAL_ENCLAVE_SIZE &&
	    !memcmp(local->enclave, enclave, LOCAL_ENCLAVE_SIZE))
		return 0;
	return boot_fail(-EKEYREJECTED, "the host's key enclave (MRENCLAVE %s) is not the one that the application's key_provider_id names",
			 is);
}

/* What it says in the second half nobody knows: nothing is. */
static int check_binding(const struct local_answer *answer,
			 const uint8_t said[DSTACK_REPORT_DATA_SIZE])
{
	uint8_t want[DSTACK_REPORT_DATA_SIZE] = { 0 };

	SHA256(answer->box, sizeof(answer->box), want);
	if (!memcmp(want, said, sizeof(want)))
		return 0;
	return boot_fail(-EKEYREJECTED, "the quote of the host's key enclave is for another key than the one that came with it");
}

/*
 * The key
 */

static int open_box(const struct local *local,
		    const struct local_answer *answer, const struct pair *pair,
		    uint8_t seed[DSTACK_KEY_SIZE],
		    uint8_t enclave[LOCAL_ENCLAVE_SIZE])
{
	struct libdstack_verdict verdict;
	int err = verify(local, answer, &verdict) ?:
		check_enclave(local, verdict.enclave.mr_enclave) ?:
		check_binding(answer, verdict.enclave.report_data);

	if (err)
		return err;
	if (crypto_box_seal_open(seed, answer->box, sizeof(answer->box),
				 pair->public_key, pair->secret_key))
		return boot_fail(-EKEYREJECTED, "the host gave a key that was made for another machine, or for an earlier start of this one");
	memcpy(enclave, verdict.enclave.mr_enclave, LOCAL_ENCLAVE_SIZE);
	return 0;
}

static int ask(const struct local *local, const struct pair *pair,
	       struct local_answer *answer)
{
	uint8_t report_data[DSTACK_REPORT_DATA_SIZE] = { 0 };
	struct libdstack_quote quote = { .data = NULL };
	int err;

	memcpy(report_data, pair->public_key, sizeof(pair->public_key));
	err = local->attest(local->arg, report_data, &quote);
	if (err)
		return boot_fail(err, "no quote of this machine could be had: %s",
				 strerror(-err));
	err = local_ask(local->url, local->timeout_s ?: HOST_S, &quote,
			answer);
	libdstack_quote_free(&quote);
	return err;
}

int local_get(const struct local *local, uint8_t seed[DSTACK_KEY_SIZE],
	      uint8_t enclave[LOCAL_ENCLAVE_SIZE])
{
	struct local_answer answer = { .quote = NULL };
	struct pair *pair;
	void *memory;
	int err;

	if (sodium_init() < 0)
		return boot_fail(-EIO, "libsodium can't be used");
	err = libdstack_secret_alloc(sizeof(*pair), &memory);
	if (err)
		return err;
	pair = memory;
	crypto_box_keypair(pair->public_key, pair->secret_key);
	err = ask(local, pair, &answer) ?:
		open_box(local, &answer, pair, seed, enclave);
	free(answer.quote);
	libdstack_secret_free(pair, sizeof(*pair));
	return err;
}
