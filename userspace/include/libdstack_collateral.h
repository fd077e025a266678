/* SPDX-License-Identifier: MIT */
/*
 * libdstack_collateral: what Intel publishes about platforms, fetched and kept
 *
 * Copyright The dstack for Linux authors
 *
 * The only part of the verifier that asks the network or writes files.  What
 * it gets is signed; whoever is in between can hold it back, but not change it.
 */
#ifndef LIBDSTACK_COLLATERAL_H
#define LIBDSTACK_COLLATERAL_H

#include <libdstack_verify.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Intel's own service (PCS), and its root's revocation list. */
#define LIBDSTACK_PCS_URL "https://api.trustedservices.intel.com"
#define LIBDSTACK_PCS_ROOT_CRL_URL \
	"https://certificates.trustedservices.intel.com/IntelSGXRootCA.der"

/* Where collateral comes from.  Zeros: nowhere. */
struct libdstack_collateral_source {
	/*
	 * A directory to keep it in, one file for each kind, platform type and
	 * CA; made if it is missing.  NULL: nothing is kept.
	 */
	const char *dir;
	/*
	 * A PCS or PCCS, up to the host and port: "https://pccs.example:8081".
	 * Without TLS only on this machine.  NULL: work offline.
	 */
	const char *url;
	/* NULL: where a PCCS has it, "/sgx/certification/v4/rootcacrl". */
	const char *root_crl_url;
	const char *ca_file;	/* for its TLS, PEM; NULL: the system's */
	uint32_t timeout_ms;	/* of all requests together; 0: 30 seconds */
	const void *root;	/* as of libdstack_quote_verify() */
	size_t root_len;
};

/*
 * Collateral to verify @quote with at @now, checked as by
 * libdstack_collateral_check() and valid at that time; free it.
 *
 * What is kept is used until three quarters of its time are over, or a week
 * before its end, whichever is later; then newer is fetched, by one process
 * and thread at a time, while what is kept still serves if that fails.  Newer
 * never means an older evaluation.  Only a platform of the trusted root makes
 * anything be fetched.
 *
 * 0, or -errno and @failure: -ENODATA with the reason UNAVAILABLE if there is
 * none, kept or fetched; else what is wrong with the quote or with what was
 * fetched.
 */
int libdstack_collateral_get(const struct libdstack_collateral_source *source,
			     const void *quote, size_t len, time_t now,
			     struct libdstack_collateral **collateral,
			     struct libdstack_failure *failure);

/*
 * The same, kept in memory as well, checked, for who verifies many quotes on
 * many threads.  What was used lately is kept, for as many kinds of platforms
 * as LIBDSTACK_COLLATERAL_KINDS.  After LIBDSTACK_COLLATERAL_ASK_S seconds
 * libdstack_collateral_get() is asked again, by one thread, while what is kept
 * serves the others as long as it is valid.
 */
struct libdstack_collateral_memory;

#define LIBDSTACK_COLLATERAL_KINDS	64
#define LIBDSTACK_COLLATERAL_ASK_S	600

/* @src must stay.  -ENOMEM. */
int
libdstack_collateral_memory_open(const struct libdstack_collateral_source *src,
				 struct libdstack_collateral_memory **memory);
/* Nobody else may use @memory; what was found in it stays. */
void
libdstack_collateral_memory_close(struct libdstack_collateral_memory *memory);
/*
 * As of libdstack_collateral_get().  The platform is the one that the quote
 * claims to be from, so of that claim nothing follows.
 */
int libdstack_collateral_find(struct libdstack_collateral_memory *memory,
			      const void *quote, size_t len, time_t now,
			      struct libdstack_collateral **collateral,
			      struct libdstack_failure *failure);

#ifdef __cplusplus
}
#endif

#endif /* LIBDSTACK_COLLATERAL_H */
