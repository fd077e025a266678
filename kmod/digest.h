/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a file is known by: its fs-verity digest, or the SHA-256 of its content
 *
 * Copyright The dstack for Linux authors
 */
#ifndef _DSTACK_DIGEST_H
#define _DSTACK_DIGEST_H

#include <linux/types.h>
#include <uapi/linux/dstack.h>

struct file;

int dstack_digest_peek(struct file *file, struct dstack_digest *out);
int dstack_digest_file(struct file *file, struct dstack_digest *out);
struct file *dstack_digest_program(void);

#endif /* _DSTACK_DIGEST_H */
