// SPDX-License-Identifier: MIT
/*
 * What a policy says of keys is read in one way, and is what the table says
 *
 * Copyright The dstack for Linux authors
 */
#include "policy_fixture.h"

#define LONGEST \
	"pppppppppppppppppppppppppppppppppppppppppppppppppppppppp" \
	"pppppppppppppppppppppppppppppppppppppppppppppppppppppppp"

/* In these a ' stands for a ". */
#define SECTION(section) "{" HEAD ",'containers':{'a':{" section "}}}"
#define TERMS(terms)	SECTION("'allow':[],'keys':[" terms "]")
#define GOOD(path) \
	"{'path':'" path "','kinds':['aead'],'delivery':['handle']}"
#define PATH(path) \
	TERMS("{'path':" path ",'kinds':['aead'],'delivery':['handle']}")
#define KINDS(kinds) \
	TERMS("{'path':'','kinds':" kinds ",'delivery':['handle']}")
#define DELIVERY(delivery) \
	TERMS("{'path':'','kinds':['aead'],'delivery':" delivery "}")
#define SCOPE(scope) \
	TERMS("{'path':'','kinds':['aead'],'delivery':['handle'],'scope':" \
	      scope "}")

static const struct refusal {
	const char *text, *says;
} refusals[] = {
	{ SECTION("'allow':[],'keys':{}"), "containers.a.keys: want" },
	{ SECTION("'allow':[],'keys':null"), "containers.a.keys: want" },
	{ SECTION("'allow':[],'keys':[],'keys':[]"),
	  "containers.a: field 'keys' occurs twice" },
	{ TERMS("'db/'"), "containers.a.keys[0]: want an object" },
	{ TERMS(GOOD("a") ",{}"), "containers.a.keys[1]: field 'path'" },
	{ TERMS(GOOD("b") "," GOOD("a") "," GOOD("b")),
	  "containers.a.keys[2].path: an entry above has the same path" },
	{ TERMS(GOOD("b") "," GOOD("\\u0062")),
	  "containers.a.keys[1].path: an entry above has the same path" },
	{ TERMS("{'kinds':['aead'],'delivery':['handle']}"),
	  "containers.a.keys[0]: field 'path' is missing" },
	{ TERMS("{'path':'','delivery':['handle']}"),
	  "containers.a.keys[0]: field 'kinds' is missing" },
	{ TERMS("{'path':'','kinds':['aead']}"),
	  "containers.a.keys[0]: field 'delivery' is missing" },
	{ TERMS("{'path':'','path':'','kinds':['aead'],'delivery':['handle']}"),
	  "containers.a.keys[0]: field 'path' occurs twice" },
	{ TERMS("{'path':'','purpose':'','kinds':['aead'],"
		"'delivery':['handle']}"),
	  "containers.a.keys[0]: unknown field 'purpose'" },
	{ PATH("null"), "containers.a.keys[0].path: want" },
	{ PATH("1"), "containers.a.keys[0].path: want" },
	{ PATH("['db/']"), "containers.a.keys[0].path: want" },
	{ PATH("'" LONGEST "p'"), "containers.a.keys[0].path: want" },
	{ PATH("'db\\u0000'"), "containers.a.keys[0].path: want" },
	{ PATH("'db\\n'"), "containers.a.keys[0].path: want" },
	{ PATH("'db\\u009b'"), "containers.a.keys[0].path: want" },
	{ PATH("'\xff'"), "line 1" },
	{ KINDS("[]"), "containers.a.keys[0].kinds: want" },
	{ KINDS("'aead'"), "containers.a.keys[0].kinds: want" },
	{ KINDS("null"), "containers.a.keys[0].kinds: want" },
	{ KINDS("['aead','rsa']"), "containers.a.keys[0].kinds: [1]: want" },
	{ KINDS("['AEAD']"), "containers.a.keys[0].kinds: [0]: want" },
	{ KINDS("['exec']"), "containers.a.keys[0].kinds: [0]: want" },
	{ KINDS("['unknown']"), "containers.a.keys[0].kinds: [0]: want" },
	{ KINDS("['aead\\u0000']"), "containers.a.keys[0].kinds: [0]: want" },
	{ KINDS("[4]"), "containers.a.keys[0].kinds: [0]: want" },
	{ KINDS("['hmac','aead','hmac']"),
	  "containers.a.keys[0].kinds: 'hmac' occurs twice" },
	{ DELIVERY("[]"), "containers.a.keys[0].delivery: want" },
	{ DELIVERY("'bytes'"), "containers.a.keys[0].delivery: want" },
	{ DELIVERY("['keyring']"),
	  "containers.a.keys[0].delivery: [0]: want 'handle'" },
	{ DELIVERY("['bytes','bytes']"),
	  "containers.a.keys[0].delivery: 'bytes' occurs twice" },
	{ SCOPE("[]"), "containers.a.keys[0].scope: want" },
	{ SCOPE("null"), "containers.a.keys[0].scope: want" },
	{ SCOPE("'app'"), "containers.a.keys[0].scope: want" },
	{ SCOPE("['host']"), "containers.a.keys[0].scope: [0]: want" },
	{ SCOPE("['app','app']"),
	  "containers.a.keys[0].scope: 'app' occurs twice" },
	/* What comes behind the array is not said to be in it. */
	{ SECTION("'allow':[1],'keys':[" GOOD("") "]"),
	  "containers.a.allow[0]: want" },
	{ SECTION("'allow':1,'keys':[" GOOD("") "]"),
	  "containers.a.allow: want" },
};

static char *with_quotes(const char *text)
{
	char *copy = strdup(text), *p;

	assert_non_null(copy);
	for (p = copy; *p; p++)
		if (*p == '\'')
			*p = '"';
	return copy;
}

static void malformed_keys_are_refused_where_they_are(void **state)
{
	struct libdstack_policy *policy;
	char *text, *says;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(refusals); i++) {
		text = with_quotes(refusals[i].text);
		says = with_quotes(refusals[i].says);
		if (parse(text, &policy) != -EBADMSG)
			fail_msg("taken, or another errno: %s", text);
		assert_null(policy);
		if (!strstr(message, says))
			fail_msg("%s: the message is '%s'", text, message);
		free(text);
		free(says);
	}
}

static struct libdstack_policy *quoted(const char *text)
{
	char *copy = with_quotes(text);
	struct libdstack_policy *policy = parsed(copy);

	free(copy);
	return policy;
}

static void assert_document(const struct libdstack_policy *policy,
			    const char *want)
{
	char *copy = with_quotes(want);

	assert_canonical(policy, copy);
	free(copy);
}

static void document_keeps_the_order_of_its_keys(void **state)
{
	static const char text[] =
		"{'app_id':'" APP "','containers':{'a':{'allow':[],'keys':["
		"{'delivery':['bytes','handle'],'kinds':['p256','bytes'],"
		"'path':'web/','scope':['app','container']},"
		"{'delivery':['logon'],'kinds':['bytes'],'path':'',"
		"'scope':['container']},"
		"{'delivery':['fscrypt'],'kinds':['bytes'],"
		"'path':'a \\\\ \xc3\xbc'}],'measure':'every'},"
		"'b':{'allow':[],'keys':[]}},'epoch':1,'version':1}";
	struct libdstack_policy *policy = quoted(text);

	(void)state;
	assert_document(policy, text);
	libdstack_policy_free(policy);
}

static void changed_document_has_its_keys_sorted(void **state)
{
	static const char text[] =
		TERMS("{'path':'b','kinds':['p256','bytes'],"
		      "'delivery':['bytes','handle'],'scope':['container']},"
		      "{'path':'a','scope':['app','container'],"
		      "'delivery':['logon'],'kinds':['bytes']}");
	static const char sorted[] =
		"{'app_id':'" APP "','containers':{'a':{'allow':[],'keys':["
		"{'delivery':['logon'],'kinds':['bytes'],'path':'a',"
		"'scope':['container','app']},"
		"{'delivery':['handle','bytes'],'kinds':['bytes','p256'],"
		"'path':'b'}],'measure':'first'}},'epoch':1,'version':1}";
	struct libdstack_policy *policy = quoted(text);

	(void)state;
	assert_int_equal(libdstack_policy_set_measure(policy, "a",
						      DSTACK_MODE_FIRST), 0);
	assert_document(policy, sorted);
	libdstack_policy_free(policy);
}

static bool allows(const struct libdstack_policy *policy, const char *section,
		   uint32_t kind, uint32_t scope, uint32_t delivery,
		   const char *path)
{
	bool answer;
	void *table;
	size_t size;

	assert_int_equal(libdstack_policy_compile(policy, &table, &size), 0);
	answer = dstack_table_key_allows(table,
					 dstack_table_find(table, section),
					 kind, scope, delivery, path,
					 strlen(path));
	free(table);
	return answer;
}

static void table_says_what_the_document_says(void **state)
{
	static const char text[] =
		"{" HEAD ",'containers':{'a':{'allow':[" ENTRY "],'keys':["
		GOOD("web/") "," GOOD("db/") "]},'b':{'allow':[" ENTRY "]},"
		"'c':{'allow':[],'keys':[{'path':'" LONGEST "',"
		"'kinds':['bytes','hmac','aead','ed25519','secp256k1','p256'],"
		"'delivery':['handle','logon','fscrypt','bytes'],"
		"'scope':['container','app']}]}}}";
	struct libdstack_policy *policy = quoted(text);

	(void)state;
	assert_true(allows(policy, "a", DSTACK_KEY_AEAD, DSTACK_SCOPE_CONTAINER,
			   DSTACK_DELIVER_HANDLE, "db/1"));
	assert_true(allows(policy, "a", DSTACK_KEY_AEAD, DSTACK_SCOPE_CONTAINER,
			   DSTACK_DELIVER_HANDLE, "web/"));
	assert_false(allows(policy, "a", DSTACK_KEY_AEAD, DSTACK_SCOPE_APP,
			    DSTACK_DELIVER_HANDLE, "web/"));
	assert_false(allows(policy, "a", DSTACK_KEY_HMAC,
			    DSTACK_SCOPE_CONTAINER, DSTACK_DELIVER_HANDLE,
			    "web/"));
	assert_false(allows(policy, "a", DSTACK_KEY_AEAD,
			    DSTACK_SCOPE_CONTAINER, DSTACK_DELIVER_BYTES,
			    "web/"));
	assert_false(allows(policy, "b", DSTACK_KEY_AEAD,
			    DSTACK_SCOPE_CONTAINER, DSTACK_DELIVER_HANDLE,
			    "web/"));
	assert_true(allows(policy, "c", DSTACK_KEY_P256, DSTACK_SCOPE_APP,
			   DSTACK_DELIVER_BYTES, LONGEST "/x"));
	assert_false(allows(policy, "c", DSTACK_KEY_P256, DSTACK_SCOPE_APP,
			    DSTACK_DELIVER_BYTES, "ppp"));
	libdstack_policy_free(policy);
}

static void order_of_keys_makes_no_other_table(void **state)
{
	struct libdstack_policy *a = quoted(TERMS(GOOD("x") "," GOOD("w")));
	struct libdstack_policy *b = quoted(TERMS(GOOD("w") "," GOOD("x")));
	struct libdstack_policy *c = quoted(TERMS(GOOD("w")));
	uint8_t left[DSTACK_DIGEST_SIZE], right[DSTACK_DIGEST_SIZE];

	(void)state;
	assert_int_equal(libdstack_policy_table_digest(a, left), 0);
	assert_int_equal(libdstack_policy_table_digest(b, right), 0);
	assert_memory_equal(left, right, sizeof(left));
	assert_int_equal(libdstack_policy_root(a, left), 0);
	assert_int_equal(libdstack_policy_root(b, right), 0);
	assert_memory_equal(left, right, sizeof(left));
	assert_int_equal(libdstack_policy_digest(a, left), 0);
	assert_int_equal(libdstack_policy_digest(b, right), 0);
	assert_memory_not_equal(left, right, sizeof(left));
	assert_int_equal(libdstack_policy_table_digest(a, left), 0);
	assert_int_equal(libdstack_policy_table_digest(c, right), 0);
	assert_memory_not_equal(left, right, sizeof(left));
	libdstack_policy_free(a);
	libdstack_policy_free(b);
	libdstack_policy_free(c);
}

static void sixty_four_entries_and_no_more_are_taken(void **state)
{
	struct libdstack_policy *policy;
	char text[8192], *end;
	size_t nr, i;

	(void)state;
	for (nr = DSTACK_TABLE_KEYS; nr <= DSTACK_TABLE_KEYS + 1; nr++) {
		end = text + sprintf(text, "{" HEAD ",\"containers\":{\"a\":"
				     "{\"allow\":[],\"keys\":[");
		for (i = 0; i < nr; i++)
			end += sprintf(end, "%s{\"path\":\"%zu\",\"kinds\":"
				       "[\"aead\"],\"delivery\":[\"handle\"]}",
				       i ? "," : "", (7 * i) % nr);
		strcpy(end, "]}}}");
		if (nr > DSTACK_TABLE_KEYS) {
			assert_int_equal(parse(text, &policy), -EBADMSG);
			assert_non_null(strstr(message, "at most 64"));
			continue;
		}
		policy = parsed(text);
		assert_true(allows(policy, "a", DSTACK_KEY_AEAD,
				   DSTACK_SCOPE_CONTAINER,
				   DSTACK_DELIVER_HANDLE, "63"));
		libdstack_policy_free(policy);
	}
}

static int keep_term(const struct libdstack_key_term *term, void *arg)
{
	struct libdstack_key_term **next = arg;

	*(*next)++ = *term;
	return 0;
}

static void built_keys_are_those_that_were_set_last(void **state)
{
	static const char want[] =
		"{'app_id':'" APP "','containers':{'a':{'allow':[],'keys':["
		"{'delivery':['bytes'],'kinds':['bytes'],'path':''},"
		"{'delivery':['handle'],'kinds':['hmac','aead'],'path':'db',"
		"'scope':['app']}]}},'epoch':1,'version':1}";
	struct libdstack_key_term shown[3], *next = shown;
	struct libdstack_key_term any = {
		"a", "", DSTACK_KEY_BYTES, DSTACK_SCOPE_CONTAINER,
		DSTACK_DELIVER_BYTES
	};
	struct libdstack_key_term db = {
		"a", "db", DSTACK_KEY_P256, DSTACK_SCOPE_APP,
		DSTACK_DELIVER_BYTES
	};
	struct libdstack_policy *policy;
	uint8_t app_id[DSTACK_APP_ID_SIZE];

	(void)state;
	memset(app_id, 0xab, sizeof(app_id));
	assert_int_equal(libdstack_policy_new(app_id, 1, &policy), 0);
	assert_int_equal(libdstack_policy_set_keys(policy, &db), 0);
	assert_int_equal(libdstack_policy_set_keys(policy, &any), 0);
	db.kinds = DSTACK_KEY_AEAD | DSTACK_KEY_HMAC;
	db.delivery = DSTACK_DELIVER_HANDLE;
	assert_int_equal(libdstack_policy_set_keys(policy, &db), 0);
	assert_document(policy, want);
	assert_int_equal(libdstack_policy_each_keys(policy, NULL, keep_term,
						    &next), 0);
	assert_int_equal(next - shown, 2);
	assert_string_equal(shown[0].path, "");
	assert_string_equal(shown[1].path, "db");
	assert_int_equal(shown[1].kinds, DSTACK_KEY_AEAD | DSTACK_KEY_HMAC);
	assert_int_equal(libdstack_policy_each_keys(policy, "b", keep_term,
						    &next), -ENOENT);
	libdstack_policy_free(policy);
}

static void terms_that_no_table_has_are_not_built(void **state)
{
	static const struct libdstack_key_term terms[] = {
		{ "a", "", 0, 1, 1 }, { "a", "", 64, 1, 1 },
		{ "a", "", 1, 0, 1 }, { "a", "", 1, 4, 1 },
		{ "a", "", 1, 1, 0 }, { "a", "", 1, 1, 32 },
		{ "a", LONGEST "p", 1, 1, 1 }, { "a", "\n", 1, 1, 1 },
		{ "a", "\xff", 1, 1, 1 }, { "a b", "", 1, 1, 1 },
	};
	static const char unchanged[] =
		"{'app_id':'" APP "','containers':{'a':{'allow':[]}},"
		"'epoch':1,'version':1}";
	struct libdstack_policy *policy = quoted(SECTION("'allow':[]"));
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(terms); i++)
		assert_int_equal(libdstack_policy_set_keys(policy, &terms[i]),
				 -EINVAL);
	assert_document(policy, unchanged);
	libdstack_policy_free(policy);
}

/* All but the room of one rule, which is less than that of a term. */
static void table_that_is_full_takes_no_key_term(void **state)
{
	struct libdstack_key_term term = { "a", "x", 1, 1, 1 };
	struct dstack_digest digest = { .alg = DSTACK_ALG_SHA256 };
	struct libdstack_policy *policy = quoted(SECTION("'allow':[]"));
	uint32_t i;

	(void)state;
	for (i = 0; i < POLICY_RULES_MAX - 1; i++) {
		memcpy(digest.value, &i, sizeof(i));
		assert_int_equal(libdstack_policy_add(policy, "a", &digest,
						      DSTACK_KIND_MAP, NULL),
				 0);
	}
	assert_int_equal(libdstack_policy_set_keys(policy, &term), -E2BIG);
	libdstack_policy_free(policy);
}

static void every_key_term_has_a_proof_that_holds(void **state)
{
	static const char *const paths[] = { "", "a", "ab", "b/" };
	struct libdstack_policy *policy =
		quoted(TERMS(GOOD("b/") "," GOOD("ab") "," GOOD("") ","
			     GOOD("a")));
	struct libdstack_proof proof;
	uint8_t root[DSTACK_DIGEST_SIZE];
	size_t i;

	(void)state;
	assert_int_equal(libdstack_policy_root(policy, root), 0);
	for (i = 0; i < ARRAY_SIZE(paths); i++) {
		size_t len = strlen(paths[i]);

		assert_int_equal(libdstack_policy_prove_keys(policy, "a",
							     paths[i], &proof),
				 0);
		assert_int_equal(proof.index, 2 + i);
		assert_int_equal(proof.count, 6);
		assert_int_equal(libdstack_proof_check(&proof, root), 0);
		assert_int_equal(proof.leaf_len, 1 + 2 + 1 + len + 3);
		assert_int_equal(proof.leaf[0], 'K');
		assert_int_equal(proof.leaf[3], len);
		assert_memory_equal(proof.leaf + 4, paths[i], len);
		proof.leaf[4 + len] ^= DSTACK_KEY_BYTES;
		assert_int_equal(libdstack_proof_check(&proof, root), -EBADMSG);
	}
	assert_int_equal(libdstack_policy_prove_keys(policy, "a", "b", &proof),
			 -ENOENT);
	assert_int_equal(libdstack_policy_prove_keys(policy, "a", LONGEST "p",
						     &proof), -ENOENT);
	assert_int_equal(libdstack_policy_prove_keys(policy, ZEROS ZEROS, "b",
						     &proof), -ENOENT);
	libdstack_policy_free(policy);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(malformed_keys_are_refused_where_they_are),
		cmocka_unit_test(document_keeps_the_order_of_its_keys),
		cmocka_unit_test(changed_document_has_its_keys_sorted),
		cmocka_unit_test(table_says_what_the_document_says),
		cmocka_unit_test(order_of_keys_makes_no_other_table),
		cmocka_unit_test(sixty_four_entries_and_no_more_are_taken),
		cmocka_unit_test(built_keys_are_those_that_were_set_last),
		cmocka_unit_test(terms_that_no_table_has_are_not_built),
		cmocka_unit_test(table_that_is_full_takes_no_key_term),
		cmocka_unit_test(every_key_term_has_a_proof_that_holds),
	};

	libdstack_set_message_callback(keep_message);
	return cmocka_run_group_tests_name("policy_keys", tests, NULL, NULL);
}
