// SPDX-License-Identifier: MIT
/*
 * Policies in JSON
 *
 * Copyright The dstack for Linux authors
 */
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

#include <libdstack.h>

#include "table.h"

/* What was read is written in a form that is read as the same. */
static void write_again(const struct libdstack_policy *policy)
{
	struct libdstack_policy *again;
	char *first, *second;
	size_t len, again_len;

	must(!libdstack_policy_canonical(policy, &first, &len));
	must(!libdstack_policy_parse(first, len, &again));
	must(!libdstack_policy_canonical(again, &second, &again_len));
	must(len == again_len && !memcmp(first, second, len));
	free(first);
	free(second);
	libdstack_policy_free(again);
}

/* ... and compiled to a table that the kernel takes. */
static void compile(const struct libdstack_policy *policy)
{
	const char *why;
	void *table;
	size_t size;

	if (libdstack_policy_compile(policy, &table, &size))
		return;
	must(!dstack_table_check(table, size, &why));
	free(table);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct libdstack_policy *policy;
	char *text = fuzz_copy(data, len);

	if (!libdstack_policy_parse(text, len, &policy)) {
		write_again(policy);
		compile(policy);
		libdstack_policy_free(policy);
	}
	free(text);
	return 0;
}

#define HEAD	"{\"version\":1,\"epoch\":7,\"app_id\":\"abababababababababababababababababababab\",\"containers\":{"
#define DIGEST	"\"sha256:00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\""

void fuzz_seeds(void)
{
	fuzz_seed_text(HEAD "\"web\":{\"allow\":[]}}}");
	fuzz_seed_text(HEAD "\"web\":{\"allow\":[{\"digest\":" DIGEST
		       ",\"kinds\":[\"exec\",\"map\"],\"path\":\"/bin/a\"}],"
		       "\"measure\":\"first\"}}}");
	fuzz_seed_text(HEAD "\"web\":{\"allow\":[],\"memory\":\"allow\","
		       "\"revoked\":\"kill\","
		       "\"storage\":{\"exec\":[\"disk\",\"fs-verity\"]},"
		       "\"trust\":{\"map\":[\"dm-verity\"]}}}}");
	fuzz_seed_text(HEAD "\"web\":{\"allow\":[],\"keys\":["
		       "{\"path\":\"db/\",\"kinds\":[\"hmac\",\"aead\"],"
		       "\"delivery\":[\"handle\"]},{\"path\":\"\","
		       "\"kinds\":[\"bytes\"],\"delivery\":[\"bytes\"],"
		       "\"scope\":[\"app\",\"container\"]}]}}}");
}
