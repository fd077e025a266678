/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Make older kernels look like the newest; included before every file
 *
 * Copyright The dstack for Linux authors
 */
#ifndef _DSTACK_COMPAT_H
#define _DSTACK_COMPAT_H

#ifdef __KERNEL__
#include <linux/kconfig.h>
#include <linux/version.h>

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 12, 0)
#error "dstack needs Linux 6.12 or later"
#endif

#undef pr_fmt
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

/* Sized allocation by object, from 7.0.  Drop when minimum >= 7.0. */
#ifdef COMPAT_NEEDS_KMALLOC_OBJ
#define kmalloc_obj(obj, gfp) kmalloc(sizeof(obj), gfp)
#define kzalloc_obj(obj, gfp) kzalloc(sizeof(obj), gfp)
#endif

/* The cgroup core's own in 6.12, public in 7.3.  Drop when minimum >= 7.3. */
#ifdef COMPAT_NEEDS_CGROUP_IS_DEAD
#define cgroup_is_dead(cgrp) (!((cgrp)->self.flags & CSS_ONLINE))
#endif

/* Interpreters that must ask, from 6.14.  Drop when minimum >= 6.14. */
#ifdef COMPAT_NEEDS_SECBIT_EXEC
#define SECBIT_EXEC_RESTRICT_FILE		0
#define SECBIT_EXEC_RESTRICT_FILE_LOCKED	0
#define SECBIT_EXEC_DENY_INTERACTIVE		0
#define SECBIT_EXEC_DENY_INTERACTIVE_LOCKED	0
#endif

#endif /* __KERNEL__ */
#endif /* _DSTACK_COMPAT_H */
