/* SPDX-License-Identifier: MIT */
/*
 * Genuine quotes and collateral, which are not ours to distribute
 *
 * Copyright The dstack for Linux authors
 *
 * Reads $DSTACK_VECTORS/dcap: expected.json, quotes/, collateral/, roots/.
 */
#ifndef VECTORS_FIXTURE_H
#define VECTORS_FIXTURE_H

#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dcap/dcap.h"

struct blob {
	char *data;
	size_t len;
};

static const char *vectors;
static struct blob root;

static inline void path_of(char *out, size_t size, const char *dir,
			   const char *name)
{
	snprintf(out, size, "%s/dcap/%s%s", vectors, dir, name);
}

static inline struct blob load(const char *dir, const char *name)
{
	struct blob blob;
	char path[4096];

	path_of(path, sizeof(path), dir, name);
	assert_int_equal(dstack_file_read(path, 1 << 20, &blob.data, &blob.len),
			 0);
	return blob;
}

static inline struct libdstack_collateral *load_collateral(const char *name)
{
	struct libdstack_collateral *c = NULL;
	char path[4096];

	path_of(path, sizeof(path), "collateral/", name);
	assert_int_equal(libdstack_collateral_read(path, &c), 0);
	return c;
}

/* Every test starts here, and ends here where there are no vectors. */
static inline void need_vectors(void)
{
	vectors = getenv("DSTACK_VECTORS");
	if (!vectors || access(vectors, R_OK)) {
		print_message("# no test vectors: set DSTACK_VECTORS to their directory\n");
		skip();
	}
	if (!root.data)
		root = load("roots/", "intel-sgx-root-ca.der");
}

static inline time_t parse_time(const char *text)
{
	struct tm tm = { .tm_year = 0 };

	assert_non_null(strptime(text, "%Y-%m-%dT%H:%M:%SZ", &tm));
	return timegm(&tm);
}

/* "INTEL-SA-1,INTEL-SA-2", as the verdict writes it. */
static inline void join(const json_t *array, char *out, size_t size)
{
	size_t i, len = 0;

	*out = '\0';
	for (i = 0; i < json_array_size(array); i++)
		len += snprintf(out + len, size - len, "%s%s", i ? "," : "",
				json_string_value(json_array_get(array, i)));
}

static inline const char *text_of(const json_t *row, const char *key)
{
	const char *text = json_string_value(json_object_get(row, key));

	return text ? text : "none";
}

#endif /* VECTORS_FIXTURE_H */
