/* SPDX-License-Identifier: MIT */
/*
 * Memory that is wiped when it is freed
 *
 * Copyright The dstack for Linux authors
 */
#ifndef RPC_WIPE_H
#define RPC_WIPE_H

#include <stddef.h>

/* As malloc(), realloc() and free(). */
void *wipe_alloc(size_t size);
void *wipe_realloc(void *old, size_t size);
void wipe_free(void *old);

#endif /* RPC_WIPE_H */
