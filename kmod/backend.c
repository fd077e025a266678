// SPDX-License-Identifier: GPL-2.0-only
/*
 * Choose the backend; the only file that names them
 *
 * Copyright The dstack for Linux authors
 */
#include <linux/kernel.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/string.h>

#include "backend.h"

/* In the order of preference.  sim proves nothing: only ever by name. */
static const struct dstack_backend_ops * const backends[] = {
	&dstack_backend_tdx,
	&dstack_backend_sim,
};

static const struct dstack_backend_ops *chosen;

static char *backend;
module_param(backend, charp, 0444);
MODULE_PARM_DESC(backend, "tdx or sim; default: the hardware that is there");

static bool wanted(const struct dstack_backend_ops *ops)
{
	if (backend)
		return !strcmp(backend, ops->name);
	return !(ops->flags & DSTACK_BACKEND_F_INSECURE);
}

/**
 * dstack_backend_init() - take the named backend, or the first that is there
 *
 * Return: 0, -ENODEV if none is there, -EINVAL for an unknown name, or what
 * the named backend's probe said.
 */
int __init dstack_backend_init(void)
{
	int err = backend ? -EINVAL : -ENODEV;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(backends); i++) {
		if (!wanted(backends[i]))
			continue;
		err = backends[i]->probe();
		if (!err) {
			chosen = backends[i];
			return 0;
		}
		if (backend)
			break;
	}
	if (err == -EINVAL)
		pr_err("unknown backend '%s'\n", backend);
	else
		pr_err("no usable backend (%d); this is not a TD of kernel 6.16 or later; backend=sim is for development\n",
		       err);
	return err;
}

/**
 * dstack_backend_exit() - give the backend back
 */
void dstack_backend_exit(void)
{
	chosen->remove();
}

/**
 * dstack_backend() - the backend in use
 *
 * Return: its operations; constant from init to exit.
 */
const struct dstack_backend_ops *dstack_backend(void)
{
	return chosen;
}

/**
 * dstack_backend_features() - the backends that this kernel could have
 *
 * Return: DSTACK_FEATURE_* bits.
 */
u64 dstack_backend_features(void)
{
	u64 features = 0;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(backends); i++)
		features |= backends[i]->feature;
	return features;
}
