// SPDX-License-Identifier: MIT
/*
 * What is kept of OS images
 *
 * Copyright The dstack for Linux authors
 */
#include <errno.h>
#include <kms.pb-c.h>

#include "kmsd.h"

KMSD_CALL(kmsd_clear_image_cache)
{
	const Kms__ClearImageCacheRequest *in = (const void *)request;
	struct image_why why;
	int err;

	(void)from;
	(void)response;
	if (!kmsd->images)
		return rpc_fail(error, -EOPNOTSUPP,
				"this KMS has no \"image_dir\"");
	err = image_store_clear(kmsd->images, in->image_hash, in->config_hash,
				&why);
	return err ? rpc_fail(error, err, "%s", why.text) : 0;
}
