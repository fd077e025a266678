/* SPDX-License-Identifier: MIT */
/*
 * Policies to read and to compare, in one canonical form
 *
 * Copyright The dstack for Linux authors
 */
#ifndef POLICY_FIXTURE_H
#define POLICY_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <libdstack.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "event.h"
#include "lib.h"
#include "policy.h"
#include "table.h"

#define APP	"abababababababababababababababababababab"
#define ZEROS \
	"0000000000000000000000000000000000000000000000000000000000000000"
#define ONES \
	"ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"
#define ZERO_DIGEST	"\"sha256:" ZEROS "\""
#define ONE_DIGEST	"\"sha256:" ONES "\""

#define HEAD	"\"version\":1,\"epoch\":1,\"app_id\":\"" APP "\""
#define WITH(allow) \
	"{" HEAD ",\"containers\":{\"web\":{\"allow\":[" allow "]}}}"
#define ENTRY	"{\"digest\":" ZERO_DIGEST ",\"kinds\":[\"exec\"]}"

static char message[LIBDSTACK_MESSAGE_MAX];

static void keep_message(const char *text)
{
	snprintf(message, sizeof(message), "%s", text);
}

static int parse(const char *text, struct libdstack_policy **policy)
{
	*message = '\0';
	return libdstack_policy_parse(text, strlen(text), policy);
}

static struct libdstack_policy *parsed(const char *text)
{
	struct libdstack_policy *policy;

	assert_int_equal(parse(text, &policy), 0);
	assert_non_null(policy);
	return policy;
}

static inline void assert_canonical(const struct libdstack_policy *policy,
				    const char *want)
{
	size_t len;
	char *text;

	assert_int_equal(libdstack_policy_canonical(policy, &text, &len), 0);
	assert_string_equal(text, want);
	assert_int_equal(len, strlen(want));
	free(text);
}

#endif /* POLICY_FIXTURE_H */
