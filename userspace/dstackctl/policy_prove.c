// SPDX-License-Identifier: MIT
/*
 * dstackctl policy prove: what a policy with this root says
 *
 * Copyright The dstack for Linux authors
 */
#include "policy.h"

#include <errno.h>
#include <getopt.h>
#include <string.h>

static int print_proof(const struct libdstack_proof *proof,
		       const uint8_t root[DSTACK_DIGEST_SIZE])
{
	char hex[2 * LIBDSTACK_LEAF_MAX + 1], text[LIBDSTACK_DIGEST_TEXT];
	json_t *path = json_array();
	size_t i;

	for (i = 0; i < proof->nr; i++) {
		libdstack_to_hex(proof->path[i], DSTACK_DIGEST_SIZE, hex);
		json_array_append_new(path, json_string(hex));
	}
	libdstack_to_hex(proof->leaf, proof->leaf_len, hex);
	return write_json("-", json_pack("{s:s, s:s, s:I, s:I, s:o}",
					 "root", sha256_text(root, text),
					 "leaf", hex,
					 "index", (json_int_t)proof->index,
					 "leaves", (json_int_t)proof->count,
					 "path", path));
}

static int prove_rule(const struct libdstack_policy *policy,
		      const char *section, const char *text,
		      struct libdstack_proof *proof)
{
	struct dstack_digest digest;
	int err;

	if (!libdstack_digest_from_text(text, &digest)) {
		error_msg("'%s' is no digest: want 'sha256:' or 'fsverity-sha256:' and 64 hex digits",
			  text);
		return -EINVAL;
	}
	err = libdstack_policy_prove(policy, section, &digest, proof);
	if (err == -ENOENT)
		error_msg("section '%s' has no rule for %s", section, text);
	return err;
}

static int prove_keys(const struct libdstack_policy *policy,
		      const char *section, const char *path,
		      struct libdstack_proof *proof)
{
	int err = libdstack_policy_prove_keys(policy, section, path, proof);

	if (err == -ENOENT)
		error_msg("section '%s' has no key term for \"%s\"", section,
			  path);
	return err;
}

static int prove(const struct libdstack_policy *policy, const char *section,
		 const char *text, bool keys)
{
	struct libdstack_proof proof;
	uint8_t root[DSTACK_DIGEST_SIZE];
	int err;

	err = keys ? prove_keys(policy, section, text, &proof) :
		prove_rule(policy, section, text, &proof);
	if (err == -EINVAL)
		return usage_hint("policy");
	if (err == -ENOENT)
		return EXIT_FAILURE;
	err = err ?: libdstack_policy_root(policy, root) ?:
		libdstack_proof_check(&proof, root);
	if (!err)
		return print_proof(&proof, root);
	error_msg_errno(err, "can't prove it");
	return EXIT_FAILURE;
}

int policy_prove(int argc, char **argv)
{
	static const struct option options[] = {
		{ "keys", no_argument, NULL, 'k' },
		{ NULL, 0, NULL, 0 }
	};
	struct libdstack_policy *policy;
	bool keys = false;
	int c, status;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c != 'k')
			return usage_hint("policy");
		keys = true;
	}
	if (argc - optind != 3) {
		error_msg("policy prove needs a file, a section and a digest or a path of keys");
		return usage_hint("policy");
	}
	if (libdstack_policy_read(argv[optind], &policy))
		return EXIT_FAILURE;
	status = prove(policy, argv[optind + 1], argv[optind + 2], keys);
	libdstack_policy_free(policy);
	return status;
}
