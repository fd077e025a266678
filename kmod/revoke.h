/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What runs although a newer policy dropped it
 *
 * Copyright The dstack for Linux authors
 */
#ifndef _DSTACK_REVOKE_H
#define _DSTACK_REVOKE_H

struct dstack_policy;

int dstack_revoke_init(void);
void dstack_revoke_exit(void);
void dstack_revoke_former(struct dstack_policy *former);

#endif /* _DSTACK_REVOKE_H */
