// SPDX-License-Identifier: MIT
/*
 * What registers hold after the events of a log
 *
 * Copyright The dstack for Linux authors
 */
#include "tcg.h"

#include <string.h>

const EVP_MD *tcg_md(uint16_t alg)
{
	static const struct {
		uint16_t alg;
		const char *name;
	} mds[] = {
		{ LIBDSTACK_TCG_SHA1, "SHA1" },
		{ LIBDSTACK_TCG_SHA256, "SHA256" },
		{ LIBDSTACK_TCG_SHA384, "SHA384" },
		{ LIBDSTACK_TCG_SHA512, "SHA512" },
		{ LIBDSTACK_TCG_SM3, "SM3" },
		{ 0x27, "SHA3-256" },
		{ 0x28, "SHA3-384" },
		{ 0x29, "SHA3-512" },
	};
	size_t i;

	for (i = 0; i < sizeof(mds) / sizeof(mds[0]); i++)
		if (mds[i].alg == alg)
			return EVP_get_digestbyname(mds[i].name);
	return NULL;
}

bool libdstack_tcg_data_is_measured(const struct libdstack_tcg_log *log,
				    const struct libdstack_tcg_event *event)
{
	uint8_t digest[EVP_MAX_MD_SIZE];
	bool measured = false;
	const EVP_MD *md;
	unsigned int i;

	for (i = 0; i < log->nr_banks; i++) {
		md = tcg_md(log->bank[i].alg);
		if (!md)
			continue;
		if (EVP_Digest(event->data, event->len, digest, NULL, md,
			       NULL) != 1 ||
		    memcmp(digest, event->digest[i], log->bank[i].size))
			return false;
		measured = true;
	}
	return measured;
}

static bool extend(const EVP_MD *md, uint8_t *value, const uint8_t *digest,
		   size_t size)
{
	uint8_t buf[2 * LIBDSTACK_TCG_DIGEST_MAX];

	memcpy(buf, value, size);
	memcpy(buf + size, digest, size);
	return EVP_Digest(buf, 2 * size, value, NULL, md, NULL) == 1;
}

static int replay(const struct libdstack_tcg_log *log, uint16_t alg,
		  uint32_t mr, uint8_t *value,
		  struct libdstack_failure *failure)
{
	struct libdstack_tcg_event event = { 0 };
	size_t size = libdstack_tcg_digest_size(alg);
	int bank = tcg_bank(log, alg);
	const EVP_MD *md = tcg_md(alg);

	if (bank < 0 || !md)
		return verify_fail(failure, REASON(UNSUPPORTED),
				   "the log has no digests of algorithm 0x%x, or they can't be computed here",
				   alg);
	if (!mr)
		value[size - 1] = log->locality;
	while (libdstack_tcg_log_next(log, &event))
		if (event.mr == mr &&
		    event.type != LIBDSTACK_TCG_EV_NO_ACTION &&
		    !extend(md, value, event.digest[bank], size))
			return verify_fail(failure, REASON(MEMORY),
					   "out of memory");
	return 0;
}

int libdstack_tcg_replay(const struct libdstack_tcg_log *log, uint16_t alg,
			 uint32_t mr, uint8_t value[LIBDSTACK_TCG_DIGEST_MAX],
			 struct libdstack_failure *failure)
{
	int err;

	memset(failure, 0, sizeof(*failure));
	memset(value, 0, LIBDSTACK_TCG_DIGEST_MAX);
	err = replay(log, alg, mr, value, failure);
	if (err)
		verify_step(failure, "event log replay");
	return err;
}
