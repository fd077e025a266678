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

/* cmd_policy.c */

/* Of a document, table or manifest: "sha256:<hex>"; returns @out. */
char *sha256_text(const uint8_t digest[DSTACK_DIGEST_SIZE],
		  char out[LIBDSTACK_DIGEST_TEXT]);
/* Takes @root over, NULL included.  Returns an exit status. */
int write_json(const char *path, json_t *root);

/* policy_scan.c */
int policy_scan(int argc, char **argv);

#endif /* DSTACKCTL_POLICY_H */
