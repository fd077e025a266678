/* SPDX-License-Identifier: MIT */
/*
 * What the subcommands of dstackctl policy share
 *
 * Copyright The dstack for Linux authors
 */
#ifndef DSTACKCTL_POLICY_H
#define DSTACKCTL_POLICY_H

#include <jansson.h>

#include "dstackctl.h"

#define DIGEST_TEXT_SIZE	(sizeof("sha256:") + 2 * DSTACK_DIGEST_SIZE)

/* cmd_policy.c */

/* "sha256:<hex>"; returns @out. */
char *digest_text(const uint8_t digest[DSTACK_DIGEST_SIZE],
		  char out[DIGEST_TEXT_SIZE]);
/* Takes @root over, NULL included.  Returns an exit status. */
int write_json(const char *path, json_t *root);

/* policy_scan.c */
int policy_scan(int argc, char **argv);

#endif /* DSTACKCTL_POLICY_H */
