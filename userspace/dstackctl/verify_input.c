// SPDX-License-Identifier: MIT
/*
 * dstackctl verify: the files that the arguments name
 *
 * Copyright The dstack for Linux authors
 */
#include "verify.h"

#include <errno.h>
#include <libdstack_collateral.h>
#include <string.h>

#define ROOT_FILE_MAX	65536
#define CERTS_FILE_MAX	65536

int input_read(const struct request *request, size_t max, struct input *in)
{
	int err;

	err = read_file(request->file, max, &in->data, &in->len);
	return err ? err : input_read_others(request, in);
}

int input_read_others(const struct request *request, struct input *in)
{
	int err = 0;

	if (request->log)
		err = libdstack_log_read(request->log, &in->log);
	if (!err && request->root)
		err = read_file(request->root, ROOT_FILE_MAX, &in->root,
				&in->root_len);
	if (!err && request->certs)
		err = read_file(request->certs, CERTS_FILE_MAX, &in->certs,
				&in->certs_len);
	return err;
}

/* collateral.json beside the root, for free(). */
static char *default_collateral(const char *root)
{
	const char *slash = strrchr(root, '/');
	char *path;

	if (asprintf(&path, "%.*scollateral.json",
		     slash ? (int)(slash + 1 - root) : 0, root) < 0)
		return NULL;
	return path;
}

static int read_collateral(const struct request *request, struct input *in)
{
	char *path;
	int err;

	if (request->collateral)
		return libdstack_collateral_read(request->collateral,
						 &in->collateral);
	path = default_collateral(request->root);
	if (!path) {
		error_msg("out of memory");
		return -ENOMEM;
	}
	err = libdstack_collateral_read(path, &in->collateral);
	free(path);
	return err;
}

static void fetch_collateral(const struct request *request, struct input *in,
			     const void *quote, size_t len,
			     struct outcome *out)
{
	bool intel = request->pccs && !strcmp(request->pccs, "intel");
	struct libdstack_collateral_source source = {
		.dir = request->cache,
		.url = intel ? LIBDSTACK_PCS_URL : request->pccs,
		.root_crl_url = intel ? LIBDSTACK_PCS_ROOT_CRL_URL : NULL,
		.ca_file = request->pccs_ca,
		.root = in->root, .root_len = in->root_len,
	};
	struct libdstack_failure failure;

	if (libdstack_collateral_get(&source, quote, len, request->now,
				     &in->collateral, &failure))
		report_failure(&out->report, "collateral", &failure);
}

int input_get_collateral(const struct request *request, struct input *in,
			 const void *quote, size_t len, struct outcome *out)
{
	if (request->pccs || request->cache) {
		fetch_collateral(request, in, quote, len, out);
		return 0;
	}
	if (request->collateral || request->root)
		return read_collateral(request, in);
	error_msg("collateral of the platform is needed: a file (--collateral), or who has it (--pccs intel) and where to keep it (--cache)");
	return -EINVAL;
}

void input_free(struct input *in)
{
	libdstack_collateral_free(in->collateral);
	libdstack_attestation_free(in->attestation);
	libdstack_log_free(in->log);
	free(in->data);
	free(in->root);
	free(in->certs);
}
