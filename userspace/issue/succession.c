// SPDX-License-Identifier: MIT
/*
 * The roots of an epoch vouch for those of the next
 *
 * Copyright The dstack for Linux authors
 */
#include "room.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int sign_by_ca(const struct issue *issue, const uint8_t *message,
		      struct key_succession *record)
{
	uint8_t *made;
	size_t len;
	int err;

	err = libdstack_csr_sign(issue->ca[ISSUE_ROOT_CA].key, message,
				 KEY_SUCCESSION_MESSAGE_SIZE, &made, &len);
	if (err)
		return -EIO;
	if (len <= sizeof(record->ca_signature))
		memcpy(record->ca_signature, made, len);
	else
		err = -EIO;
	record->ca_signature_len = len;
	free(made);
	return err;
}

int issue_succession_make(const struct issue *issue, uint64_t epoch,
			  const struct issue_public *next,
			  struct key_succession *record)
{
	uint8_t bytes[KEY_SUCCESSION_MESSAGE_SIZE];
	const struct part message = { bytes, sizeof(bytes) };
	int err;

	if (!epoch || !secp_is_public(next->k256, sizeof(next->k256)))
		return -EINVAL;
	memset(record, 0, sizeof(*record));
	err = key_succession_name(record, epoch, next->k256, next->ca);
	if (err)
		return err;
	key_succession_message(record, bytes);
	return issue_vouch(issue->roots->k256, &message, 1,
			   record->k256_signature) ?:
		sign_by_ca(issue, bytes, record);
}
