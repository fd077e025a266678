/* SPDX-License-Identifier: MIT */
/*
 * Key providers that are more than a few lines
 *
 * Copyright The dstack for Linux authors
 */
#ifndef BOOT_PROVIDER_H
#define BOOT_PROVIDER_H

#include "boot.h"

/* provider_kms.c */

int provider_ask_kms(struct boot *boot);
/*
 * Keys of the newest key epoch that lives, which are stored beside the others;
 * for agent_app_keys_free().  -ENODATA: there are no others than those.
 */
int provider_next(struct boot *boot, struct agent_app_keys **keys);

/* provider_local.c */

int provider_ask_local(struct boot *boot);

/* provider_tpm.c */

int provider_ask_tpm(struct boot *boot);
int provider_follow_tpm(struct boot *boot);

#endif /* BOOT_PROVIDER_H */
