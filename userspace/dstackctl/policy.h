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

/* policy_keys.c */

#define KEY_TERM_TEXT	128	/* all kinds, scopes and deliveries */

/* "aead,hmac container handle"; returns @text. */
char *key_term_text(const struct libdstack_key_term *term,
		    char text[KEY_TERM_TEXT]);
json_t *key_term_json(const struct libdstack_key_term *term);

/* policy_show.c */
int policy_show(const struct libdstack_policy *policy, bool json);

/* Each its own file. */
int policy_scan(int argc, char **argv);
int policy_learn(int argc, char **argv);
int policy_diff(int argc, char **argv);
int policy_prove(int argc, char **argv);

#endif /* DSTACKCTL_POLICY_H */
