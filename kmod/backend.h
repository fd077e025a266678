/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The backend in use
 *
 * Copyright The dstack for Linux authors
 */
#ifndef _DSTACK_BACKEND_H
#define _DSTACK_BACKEND_H

#include "backend_ops.h"

int dstack_backend_init(void);
void dstack_backend_exit(void);
const struct dstack_backend_ops *dstack_backend(void);
u64 dstack_backend_features(void);

#endif /* _DSTACK_BACKEND_H */
