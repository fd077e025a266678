/* SPDX-License-Identifier: MIT */
/*
 * An epoch with known roots, and one with others
 *
 * Copyright The dstack for Linux authors
 */
#ifndef ISSUE_FIXTURE_H
#define ISSUE_FIXTURE_H

#include <errno.h>
#include <openssl/pem.h>
#include <string.h>

#include "../issue/room.h"
#include "../keys/pem.h"

/* Of upstream's own tests: kdf.rs, and crypto.rs of its KMS. */
#define CA_SCALAR \
	"f57527cea4ab7ffb49af99b158cdc0e3ec06398f528349ea236b7d2afe19cec1"
#define K256_SCALAR \
	"0707070707070707070707070707070707070707070707070707070707070707"
#define APP		((const uint8_t *)"application number 1")
#define INSTANCE	"alice, the instance."
#define NOW		1700000000
#define DAY		86400
#define YEARS_10	(3650LL * DAY)

static struct issue_roots roots;
static struct issue *issue, *other;
static const char *why;

static inline void unhex(const char *hex, uint8_t *out, size_t len)
{
	assert_true(libdstack_from_hex(hex, strlen(hex), out, len));
}

static inline void assert_hex(const uint8_t *data, size_t len,
			      const char *want)
{
	char hex[512];

	assert_true(2 * len < sizeof(hex));
	assert_string_equal(libdstack_to_hex(data, len, hex), want);
}

static inline struct issue *open_new(const struct issue_roots *of, time_t now)
{
	static const char *const none[__ISSUE_CA_MAX];
	struct issue *made;

	assert_int_equal(issue_open(of, none, now, &made, &why), 0);
	return made;
}

static inline int issue_setup(void **state)
{
	struct issue_roots others;

	(void)state;
	unhex(CA_SCALAR, roots.ca, 32);
	unhex(K256_SCALAR, roots.k256, 32);
	memset(roots.temp_ca, 9, 32);
	issue = open_new(&roots, NOW);
	assert_int_equal(issue_roots_new(&others), 0);
	other = open_new(&others, NOW);
	return 0;
}

static inline int issue_teardown(void **state)
{
	(void)state;
	issue_close(issue);
	issue_close(other);
	return 0;
}

#endif /* ISSUE_FIXTURE_H */
