// SPDX-License-Identifier: MIT
/*
 * Encrypted environments
 *
 * Copyright The dstack for Linux authors
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../boot/boot.h"

#define SECRET	"7c282bf94b35dc47801dc953bfa0896fc2bd313381d3e8eca4e42f6536d2a96f"
#define BLOB	"0bd18749612f4c8b9dd583c7d6a646b90abd34e3c731a7708d0caf9039095641" \
		"e1f0948e775f0b7351788db7f246d51806954626dcccb6a60d64665ca3715c6b" \
		"ef75616cab476d27bba04080361200d6a58cec"
#define BLOB_LEN	83
#define PLAIN_LEN	(BLOB_LEN - 60)

static uint8_t key[DSTACK_KEY_SIZE], blob[BLOB_LEN];
static char a[] = "A", b[] = "B_2", odd[] = "1X";
static char *const allowed[] = { a, b, odd, NULL };

static int setup(void **state)
{
	(void)state;
	return !libdstack_from_hex(SECRET, strlen(SECRET), key, sizeof(key)) ||
		!libdstack_from_hex(BLOB, strlen(BLOB), blob, sizeof(blob));
}

static void upstreams_vector_is_decrypted(void **state)
{
	char plain[PLAIN_LEN + 1] = { 0 };
	size_t len;

	(void)state;
	assert_int_equal(env_decrypt(key, blob, sizeof(blob), plain, &len), 0);
	assert_int_equal(len, PLAIN_LEN);
	assert_string_equal(plain, "[{\"key\":\"\",\"value\":\"\"}]");
}

static void no_byte_of_it_may_change(void **state)
{
	char plain[PLAIN_LEN];
	size_t i, len;

	(void)state;
	for (i = 0; i < sizeof(blob); i++) {
		/* X25519 leaves out the highest bit. */
		blob[i] ^= 1;
		assert_int_equal(env_decrypt(key, blob, sizeof(blob), plain,
					     &len), -EBADMSG);
		blob[i] ^= 1;
	}
	for (i = 0; i < sizeof(blob); i++)
		assert_int_equal(env_decrypt(key, blob, i, plain, &len),
				 -EBADMSG);
}

/* With such a public key everybody knows the secret. */
static void a_point_of_small_order_is_refused(void **state)
{
	uint8_t other[BLOB_LEN] = { 0 };
	char plain[PLAIN_LEN];
	size_t len;

	(void)state;
	assert_int_equal(env_decrypt(key, other, sizeof(other), plain, &len),
			 -EBADMSG);
	other[0] = 1;
	assert_int_equal(env_decrypt(key, other, sizeof(other), plain, &len),
			 -EBADMSG);
}

static int read_text(const char *json, struct env_text *text)
{
	char *copy = strdup(json);
	int err;

	assert_non_null(copy);
	err = env_read(copy, strlen(copy), allowed, text);
	free(copy);
	return err;
}

static void assert_reads(const char *json, const char *shell,
			 const char *written)
{
	struct env_text text;

	assert_int_equal(read_text(json, &text), 0);
	assert_int_equal(text.shell_len, strlen(shell));
	assert_memory_equal(text.shell, shell, text.shell_len);
	assert_int_equal(text.json_len, strlen(written));
	assert_memory_equal(text.json, written, text.json_len);
	env_text_free(&text);
}

static void refuse(const char *json)
{
	struct env_text text;

	assert_int_equal(read_text(json, &text), -EBADMSG);
	assert_null(text.shell);
	assert_null(text.json);
}

#define ONE(name, value) \
	"{\"env\":[{\"key\":\"" name "\",\"value\":\"" value "\"}]}"

static void values_are_escaped_as_upstream_does(void **state)
{
	(void)state;
	assert_reads("{\"env\":[]}", "", "{}");
	assert_reads(ONE("A", "simple"), "A=simple\n", "{\"A\":\"simple\"}");
	assert_reads(ONE("A", ""), "A=\n", "{\"A\":\"\"}");
	assert_reads(ONE("A", "hello world"), "A=\"hello world\"\n",
		     "{\"A\":\"hello world\"}");
	assert_reads(ONE("A", "a\\nb"), "A=\"a\\nb\"\n", "{\"A\":\"a\\nb\"}");
	assert_reads(ONE("A", "say \\\"hi\\\""), "A=\"say \\\"hi\\\"\"\n",
		     "{\"A\":\"say \\\"hi\\\"\"}");
	assert_reads(ONE("A", "price=$100"), "A=\"price=\\$100\"\n",
		     "{\"A\":\"price=$100\"}");
	assert_reads(ONE("A", "`date`"), "A=\"\\`date\\`\"\n",
		     "{\"A\":\"`date`\"}");
	assert_reads(ONE("A", "end\\\\"), "A=\"end\\\\\"\n",
		     "{\"A\":\"end\\\\\"}");
	assert_reads(ONE("A", "it's"), "A=\"it's\"\n", "{\"A\":\"it's\"}");
}

static void names_are_sorted_and_the_last_one_counts(void **state)
{
	(void)state;
	assert_reads("{\"env\":[{\"key\":\"B_2\",\"value\":\"1\"},"
		     "{\"key\":\"A\",\"value\":\"2\"},"
		     "{\"key\":\"B_2\",\"value\":\"3\"}]}",
		     "A=2\nB_2=3\n", "{\"A\":\"2\",\"B_2\":\"3\"}");
}

static void what_is_not_allowed_is_left_out(void **state)
{
	struct env_text text;

	(void)state;
	assert_int_equal(read_text("{\"env\":[{\"key\":\"C\",\"value\":\"1\"},"
				   "{\"key\":\"A\",\"value\":\"2\"}]}", &text),
			 0);
	assert_int_equal(text.count, 1);
	assert_int_equal(text.skipped, 1);
	assert_memory_equal(text.shell, "A=2\n", text.shell_len);
	env_text_free(&text);
	/* Whatever it is. */
	assert_reads(ONE("", ""), "", "{}");
	assert_reads(ONE("x y", ""), "", "{}");
}

static void what_can_not_be_a_variable_is_refused(void **state)
{
	(void)state;
	refuse(ONE("1X", "v"));
	refuse(ONE("A", "nul \\u0000"));
	refuse("");
	refuse("[]");
	refuse("{\"env\":{}}");
	refuse("{\"env\":[{\"key\":\"A\"}]}");
	refuse("{\"env\":[{\"key\":\"A\",\"value\":1}]}");
	refuse("{\"env\":[1]}");
}

static char *many(size_t nr, size_t value_len)
{
	size_t size = 64 + nr * (value_len + 40), len, i;
	char *text = malloc(size);

	assert_non_null(text);
	len = sprintf(text, "{\"env\":[");
	for (i = 0; i < nr; i++)
		len += sprintf(text + len, "%s{\"key\":\"A\",\"value\":\"%0*d\"}",
			       i ? "," : "", (int)value_len, 0);
	strcpy(text + len, "]}");
	return text;
}

static void there_is_a_limit_to_all_of_it(void **state)
{
	struct env_text text;
	char *json = many(1024, 1);

	(void)state;
	assert_int_equal(read_text(json, &text), 0);
	env_text_free(&text);
	free(json);
	json = many(1025, 1);
	refuse(json);
	free(json);
	json = many(1, 131072);
	assert_int_equal(read_text(json, &text), 0);
	env_text_free(&text);
	free(json);
	json = many(1, 131073);
	refuse(json);
	free(json);
	json = many(9, 131072);
	refuse(json);
	free(json);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(upstreams_vector_is_decrypted),
		cmocka_unit_test(no_byte_of_it_may_change),
		cmocka_unit_test(a_point_of_small_order_is_refused),
		cmocka_unit_test(values_are_escaped_as_upstream_does),
		cmocka_unit_test(names_are_sorted_and_the_last_one_counts),
		cmocka_unit_test(what_is_not_allowed_is_left_out),
		cmocka_unit_test(what_can_not_be_a_variable_is_refused),
		cmocka_unit_test(there_is_a_limit_to_all_of_it),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
