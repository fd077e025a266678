/* SPDX-License-Identifier: MIT */
/*
 * Roots in shares, of which some make them whole again
 *
 * Copyright The dstack for Linux authors
 *
 * Shamir's scheme over GF(2^8), by libgfshare: of n shares any k give the
 * secret, and fewer say nothing of it.  libgfshare makes something of whatever
 * it is given; each share therefore says which others it belongs to, and
 * commits to the secret.  Documentation/admin-guide/kms-state.rst has what
 * this protects from, and what not.
 *
 * Functions return 0 or -errno, and *@why then says what is wrong, without a
 * secret; it lives for ever.
 */
#ifndef KMSD_SHARES_H
#define KMSD_SHARES_H

#include <stddef.h>
#include <stdint.h>

#define SHARES_MIN		2	/* k */
#define SHARES_MAX		32	/* n */
#define SHARES_SECRET_MAX	4096
#define SHARES_SALT_SIZE	32
#define SHARES_DATA_MAX		(SHARES_SALT_SIZE + SHARES_SECRET_MAX)
#define SHARES_HASH_SIZE	32
#define SHARES_HEADER_SIZE	60
#define SHARES_FILE_MAX		(SHARES_HEADER_SIZE + SHARES_DATA_MAX)

/* A secret of its own: in memory of libdstack_secret_alloc(). */
struct share {
	uint8_t k, n, x;		/* x: which of them, from 1 to n */
	uint64_t epoch;			/* whose roots these are */
	uint32_t generation;		/* how often they were shared anew */
	uint8_t commitment[SHARES_HASH_SIZE];
	size_t len;			/* of salt and secret */
	uint8_t data[SHARES_DATA_MAX];
};

/* What is to be shared, and how. */
struct shares_plan {
	uint8_t k, n;
	uint64_t epoch;
	uint32_t generation;
};

/*
 * To @n shares.  -EINVAL: not SHARES_MIN <= k <= n <= SHARES_MAX, or a secret
 * of no bytes or of too many; -EIO, -ENOMEM.
 */
int shares_split(const struct shares_plan *plan, const void *secret,
		 size_t len, struct share *shares, const char **why);
/*
 * Of @nr shares, k at least, the secret: @secret has SHARES_SECRET_MAX bytes.
 * @generation: the one that holds.  -ESTALE: a share is of another;
 * -ENODATA: fewer than k; -EEXIST: one is there twice; -EINVAL: they do not
 * belong together; -EBADMSG: one is not what it was.
 */
int shares_combine(const struct share *const *shares, size_t nr,
		   uint32_t generation, void *secret, size_t *len,
		   const char **why);
/*
 * The same secret in shares of the next generation, which do not go together
 * with those before: @k of @n.  -EOVERFLOW: there is no next one.
 */
int shares_renew(const struct share *const *old, size_t nr,
		 uint32_t generation, uint8_t k, uint8_t n,
		 struct share *shares, const char **why);

/* As bytes, at most SHARES_FILE_MAX; returns how many. */
size_t share_write(const struct share *share, uint8_t *out);
/* -EBADMSG: no share; -EPROTONOSUPPORT: of another version. */
int share_read(const void *data, size_t len, struct share *share,
	       const char **why);

#endif /* KMSD_SHARES_H */
