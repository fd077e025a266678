/* SPDX-License-Identifier: MIT */
/*
 * Memory that is wiped when it is freed
 *
 * Copyright The dstack for Linux authors
 */
#ifndef AGENT_HTTP_WIPE_H
#define AGENT_HTTP_WIPE_H

#include <stddef.h>

/* These keep the size themselves. */
void *wipe_alloc(size_t size);
void *wipe_realloc(void *old, size_t size);
void wipe_free(void *old);

#endif /* AGENT_HTTP_WIPE_H */
