// SPDX-License-Identifier: MIT
/*
 * Keys from a KMS
 *
 * Copyright The dstack for Linux authors
 */
#include "provider.h"

#include <errno.h>

int provider_ask_kms(struct boot *boot)
{
	(void)boot;
	return boot_fail(-EOPNOTSUPP, BOOT_COMPOSE ": key_provider: 'kms' is not asked here");
}
