// SPDX-License-Identifier: GPL-2.0-only
/*
 * dstack: run-time measurement, policy and evidence for confidential VMs
 *
 * Copyright The dstack for Linux authors
 *
 * The order of the rooms.  Surfaces come last: nobody calls in before what
 * answers is ready.
 */
#include <linux/init.h>
#include <linux/kernel.h>
#include <linux/module.h>

#include "backend.h"
#include "cache.h"
#include "control.h"
#include "device.h"
#include "hash.h"
#include "identity.h"
#include "key.h"
#include "kfuncs.h"
#include "measure.h"
#include "memory.h"
#include "netlink.h"
#include "revoke.h"
#include "root.h"
#include "tamper.h"
#include "witness.h"

static int __init dstack_mod_init(void)
{
	int err;

	err = dstack_hash_init();
	if (err)
		return err;
	err = dstack_backend_init();
	if (err)
		goto err_hash;
	err = dstack_cache_init();
	if (err)
		goto err_backend;
	err = dstack_identity_init();
	if (err)
		goto err_cache;
	err = dstack_measure_init();
	if (err)
		goto err_identity;
	err = dstack_kfuncs_init();
	if (err)
		goto err_measure;
	err = dstack_revoke_init();
	if (err)
		goto err_measure;
	err = dstack_control_init();
	if (err)
		goto err_revoke;
	err = dstack_key_init();
	if (err)
		goto err_control;
	err = dstack_netlink_init();
	if (err)
		goto err_key;
	err = dstack_device_init();
	if (err)
		goto err_netlink;
	dstack_witness_init();
	pr_info("ABI %u, backend %s, state off\n", DSTACK_ABI,
		dstack_backend()->name);
	return 0;

err_netlink:
	dstack_netlink_exit();
err_key:
	dstack_key_exit();
err_control:
	dstack_control_exit();
err_revoke:
	dstack_revoke_exit();
err_measure:
	dstack_measure_exit();
err_identity:
	dstack_identity_exit();
err_cache:
	dstack_cache_exit();
err_backend:
	dstack_backend_exit();
err_hash:
	dstack_hash_exit();
	return err;
}

static void __exit dstack_mod_exit(void)
{
	dstack_witness_exit();
	dstack_device_exit();
	dstack_netlink_exit();
	dstack_key_exit();
	dstack_root_exit();
	dstack_memory_exit();
	dstack_revoke_exit();
	dstack_control_exit();
	dstack_tamper_exit();
	dstack_measure_exit();
	dstack_identity_exit();
	dstack_cache_exit();
	dstack_backend_exit();
	dstack_hash_exit();
}

module_init(dstack_mod_init);
module_exit(dstack_mod_exit);

MODULE_AUTHOR("The dstack for Linux authors");
MODULE_DESCRIPTION("Run-time measurement, policy and evidence for confidential VMs");
MODULE_VERSION("0.1.0");
MODULE_LICENSE("GPL");
