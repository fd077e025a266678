// SPDX-License-Identifier: MIT
/*
 * Upstream's .appkeys.json: what is read, and what is refused
 *
 * Copyright The dstack for Linux authors
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent_keys_fixture.h"
#include "app_keys_fixture.h"
#include "vectors.h"

#define APP_PUBLIC	"0375427ab8309aad26beea8142edf427674e4544604ae4dc5045108ad21fc8a0db"

static char dir[] = "/tmp/dstack-app-keys-XXXXXX";
static char said[LIBDSTACK_MESSAGE_MAX];
static void tell(const char *message)
{
	snprintf(said, sizeof(said), "%s", message);
	/* Whatever is wrong, what is secret is not said. */
	assert_null(strstr(said, "d15cd15c"));
	assert_null(strstr(said, "e4e4e4e4"));
	assert_null(strstr(said, "1a2b3c4d"));
	assert_null(strstr(said, "BEGIN PRIVATE KEY---"));
}

static void assert_says(const char *what)
{
	if (!strstr(said, what))
		fail_msg("'%s' is not in: %s", what, said);
}

static int setup(void **state)
{
	(void)state;
	make_authority();
	libdstack_set_message_callback(tell);
	return !mkdtemp(dir) || chdir(dir);
}

static int teardown(void **state)
{
	(void)state;
	unlink("keys");
	return chdir("/") || rmdir(dir);
}

static struct agent_app_keys *read_document(json_t *json)
{
	char *text = json_dumps(json, 0);
	struct agent_app_keys *keys;
	int err;

	assert_non_null(text);
	*said = '\0';
	err = agent_app_keys_parse("file", text, strlen(text), tell, &keys);
	if (err) {
		assert_int_equal(err, -EBADMSG);
		assert_null(keys);
		assert_says("'file': ");
	} else {
		assert_string_equal(said, "");
	}
	free(text);
	json_decref(json);
	return keys;
}

static void refuse_text(const char *text, size_t len, const char *says)
{
	struct agent_app_keys *keys;

	*said = '\0';
	assert_int_equal(agent_app_keys_parse("file", text, len, tell, &keys),
			 -EBADMSG);
	assert_null(keys);
	assert_says(says);
}

/* With @value, which this takes, in the place of @path, as "a.b". */
static struct agent_app_keys *read_with(const char *kind, const char *path,
					json_t *value)
{
	json_t *json = document(kind), *object = json;
	char name[64], *p = name;
	const char *dot;

	for (; (dot = strchr(path, '.')); path = dot + 1) {
		snprintf(name, sizeof(name), "%.*s", (int)(dot - path), path);
		object = json_object_get(object, p);
		assert_non_null(object);
	}
	if (value)
		json_object_set_new(object, path, value);
	else
		assert_int_equal(json_object_del(object, path), 0);
	return read_document(json);
}

static void refuse_with(const char *kind, const char *path, json_t *value,
			const char *says)
{
	assert_null(read_with(kind, path, value));
	assert_says(says);
	assert_says(strrchr(path, '.') ? strrchr(path, '.') + 1 : path);
}

static void check_common(const struct agent_app_keys *keys)
{
	assert_hex(keys->disk_key, DSTACK_KEY_SIZE, DISK_KEY);
	assert_true(keys->has_env_key);
	assert_hex(keys->env_key, DSTACK_KEY_SIZE, ENV_KEY);
	assert_hex(keys->k256_key, DSTACK_KEY_SIZE, APP_KEY);
	assert_hex(keys->k256_public.bytes, keys->k256_public.len, APP_PUBLIC);
	assert_int_equal(keys->k256_signature_len, AGENT_LINK_SIZE);
	assert_int_equal(keys->k256_signature[AGENT_LINK_SIZE - 1], 0x77);
	assert_string_equal(keys->gateway_app_id, "any");
	assert_string_equal(keys->ca_cert, cert_pem);
}

static void keys_of_each_provider_are_read(void **state)
{
	static const struct {
		const char *name, *id;
		enum agent_provider kind;
	} kinds[] = {
		{ "None", "", AGENT_PROVIDER_NONE },
		{ "Local", "abcdef", AGENT_PROVIDER_LOCAL },
		{ "Tpm", "abcdef", AGENT_PROVIDER_TPM },
		{ "Kms", "3059", AGENT_PROVIDER_KMS },
	};
	struct agent_app_keys *keys;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		bool kms = kinds[i].kind == AGENT_PROVIDER_KMS;

		keys = read_document(document(kinds[i].name));
		assert_non_null(keys);
		check_common(keys);
		assert_int_equal(keys->provider, kinds[i].kind);
		assert_hex(keys->provider_id, keys->provider_id_len,
			   kinds[i].id);
		assert_string_equal(keys->ca_key, kms ? "" : key_pem);
		assert_string_equal(keys->temp_ca_key, kms ? key_pem : "");
		assert_string_equal(keys->temp_ca_cert, kms ? cert_pem : "");
		assert_string_equal(keys->kms_url, kms ?
				    "https://kms.example:12001" : "");
		agent_app_keys_free(keys);
	}
}

static void what_may_be_left_out_or_empty_is(void **state)
{
	struct agent_app_keys *keys;
	json_t *json;

	(void)state;
	keys = read_with("None", "env_crypt_key", NULL);
	assert_non_null(keys);
	assert_false(keys->has_env_key);
	agent_app_keys_free(keys);
	json = document("Kms");
	json_object_set_new(json, "env_crypt_key", json_string(""));
	json_object_set_new(json, "k256_signature", json_string(""));
	json_object_set_new(json, "gateway_app_id", json_string(""));
	keys = read_document(json);
	assert_non_null(keys);
	assert_false(keys->has_env_key);
	assert_int_equal(keys->k256_signature_len, 0);
	assert_string_equal(keys->gateway_app_id, "");
	agent_app_keys_free(keys);
	json = json_pack("{s{ssssssss}}", "Kms", "url", "", "pubkey", "3059",
			 "tmp_ca_key", "", "tmp_ca_cert", "");
	keys = read_with("None", "key_provider", json);
	assert_non_null(keys);
	agent_app_keys_free(keys);
}

static void simulators_file_is_read(void **state)
{
	struct vector file = vector_load("dstack/simulator-appkeys.json");
	struct bytes app = hex("5bb4ff9a3837357f19dc176407a5709c62eb6c56");
	uint8_t root[AGENT_SECP256K1_SIZE];
	struct agent_app_keys *keys;

	(void)state;
	assert_int_equal(agent_app_keys_parse("file", file.data, file.len,
					      tell, &keys), 0);
	assert_hex(keys->k256_public.bytes, keys->k256_public.len,
		   "02818494263695e8839122dbd88e281d7380622999df4e60a14befa0f2d096fc7c");
	assert_int_equal(keys->provider, AGENT_PROVIDER_NONE);
	assert_string_equal(keys->gateway_app_id, "any");
	assert_int_equal(agent_issue_signer(app.data, keys->k256_public.bytes,
					    keys->k256_signature,
					    keys->k256_signature_len, root),
			 0);
	assert_hex(root, sizeof(root),
		   "0321529e458424ab1f710a3a57ec4dad2fb195ddca572f7469242ba6c7563085b6");
	agent_app_keys_free(keys);
	free(file.data);
}

static const struct {
	const char *kind, *path;
} all_fields[] = {
	{ "None", "disk_crypt_key" }, { "None", "k256_key" },
	{ "None", "k256_signature" }, { "None", "gateway_app_id" },
	{ "None", "ca_cert" }, { "None", "key_provider" },
	{ "None", "key_provider.None" }, { "None", "key_provider.None.key" },
	{ "Local", "key_provider.Local.key" },
	{ "Local", "key_provider.Local.mr" },
	{ "Tpm", "key_provider.Tpm.key" },
	{ "Tpm", "key_provider.Tpm.pubkey" },
	{ "Kms", "key_provider.Kms.url" },
	{ "Kms", "key_provider.Kms.pubkey" },
	{ "Kms", "key_provider.Kms.tmp_ca_key" },
	{ "Kms", "key_provider.Kms.tmp_ca_cert" },
};

#define NR_FIELDS	(sizeof(all_fields) / sizeof(*all_fields))

static void each_missing_field_is_refused(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < NR_FIELDS; i++)
		if (strcmp(all_fields[i].path, "key_provider.None") != 0)
			refuse_with(all_fields[i].kind, all_fields[i].path,
				    NULL, "is missing");
	assert_null(read_with("None", "key_provider.None", NULL));
	assert_says("key_provider: want one of");
}

static void each_field_of_another_type_is_refused(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < NR_FIELDS; i++) {
		const char *kind = all_fields[i].kind;
		const char *path = all_fields[i].path;

		assert_null(read_with(kind, path, json_integer(1)));
		assert_null(read_with(kind, path, json_null()));
		assert_null(read_with(kind, path, json_array()));
		assert_null(read_with(kind, path, json_object()));
		assert_null(read_with(kind, path, json_string("\x7f")));
		assert_null(read_with(kind, path,
				      json_stringn("a\0b", 3)));
	}
	refuse_with("None", "env_crypt_key", json_integer(1), "want");
	refuse_with("None", "env_crypt_key", json_null(), "want");
}

/* Which one counts, two readers might see differently. */
static void each_field_that_occurs_twice_is_refused(void **state)
{
	static const char *const names[] = {
		"disk_crypt_key", "env_crypt_key", "k256_key",
		"k256_signature", "gateway_app_id", "ca_cert", "key_provider",
		"None", "key",
	};
	char quoted[32], twice[32 + 8], *text, *at, *made;
	size_t i;

	(void)state;
	text = text_of("None");
	for (i = 0; i < sizeof(names) / sizeof(*names); i++) {
		snprintf(quoted, sizeof(quoted), "\"%s\":", names[i]);
		at = strstr(text, quoted);
		assert_non_null(at);
		snprintf(twice, sizeof(twice), "%s\"\",", quoted);
		assert_true(asprintf(&made, "%.*s%s%s", (int)(at - text), text,
				     twice, at) > 0);
		refuse_text(made, strlen(made), "occurs twice");
		assert_says(names[i]);
		free(made);
	}
	free(text);
}

static void unknown_fields_are_refused(void **state)
{
	(void)state;
	refuse_with("None", "env_crypt_keys", json_string(ENV_KEY),
		    "not known");
	refuse_with("None", "key_provider.Gpu", json_object(), "not known");
	refuse_with("None", "key_provider.None.mr", json_string("ab"),
		    "not known");
	assert_null(read_with("None", DISK_KEY, json_string("")));
	assert_says("not shown");
	assert_null(read_with("None", "\x1b[2J", json_string("")));
	assert_says("not shown");
}

static void two_providers_are_refused(void **state)
{
	json_t *json = document("Kms");

	(void)state;
	json_object_set_new(json_object_get(json, "key_provider"), "None",
			    json_pack("{ss}", "key", key_pem));
	assert_null(read_document(json));
	assert_says("want one of");
}

static void keys_of_another_size_are_refused(void **state)
{
	static const char *const names[] = {
		"disk_crypt_key", "env_crypt_key", "k256_key"
	};
	char digits[130];
	size_t i, len;

	(void)state;
	memset(digits, '1', sizeof(digits));
	for (i = 0; i < sizeof(names) / sizeof(*names); i++) {
		for (len = i == 1; len < sizeof(digits); len++)
			if (len != 2 * DSTACK_KEY_SIZE)
				refuse_with("None", names[i],
					    json_stringn(digits, len),
					    "want a string of 64 hex digits");
		digits[20] = 'g';
		refuse_with("None", names[i], json_stringn(digits, 64),
			    "want a string of 64 hex digits");
		digits[20] = '1';
	}
}

static void signature_and_id_of_another_size_are_refused(void **state)
{
	char digits[2 * AGENT_PROVIDER_ID_MAX + 3];
	struct agent_app_keys *keys;
	size_t len;

	(void)state;
	memset(digits, '1', sizeof(digits));
	for (len = 1; len < 200; len++)
		if (len != LINK_DIGITS)
			refuse_with("None", "k256_signature",
				    json_stringn(digits, len), "want");
	for (len = 0; len < sizeof(digits); len++) {
		keys = read_with("Local", "key_provider.Local.mr",
				 json_stringn(digits, len));
		assert_int_equal(!!keys, len && !(len % 2) &&
				 len <= 2 * AGENT_PROVIDER_ID_MAX);
		agent_app_keys_free(keys);
	}
}

/* A root that was pinned, and which that of the KMS succeeds. */
static void keys_are_of_their_root_and_one_it_succeeds(void **state)
{
	static const uint8_t none[1], pinned[] = { 0x11, 0x11 };
	char digits[2 * AGENT_PROVIDER_ID_MAX + 3];
	struct agent_app_keys *keys;
	size_t len;

	(void)state;
	memset(digits, '1', sizeof(digits));
	keys = read_with("Kms", "key_provider.Kms.pinned",
			 json_stringn(digits, 4));
	assert_non_null(keys);
	assert_true(agent_app_keys_are_of(keys, keys->provider_id,
					  keys->provider_id_len));
	assert_true(agent_app_keys_are_of(keys, pinned, 2));
	assert_false(agent_app_keys_are_of(keys, pinned, 1));
	assert_false(agent_app_keys_are_of(keys, none, 0));
	keys->pinned_id_len = 0;
	assert_false(agent_app_keys_are_of(keys, pinned, 2));
	assert_false(agent_app_keys_are_of(keys, none, 0));
	agent_app_keys_free(keys);
	for (len = 0; len < sizeof(digits); len++) {
		keys = read_with("Kms", "key_provider.Kms.pinned",
				 json_stringn(digits, len));
		assert_int_equal(!!keys, len && !(len % 2) &&
				 len <= 2 * AGENT_PROVIDER_ID_MAX);
		agent_app_keys_free(keys);
	}
	/* Of none but a KMS. */
	refuse_with("Local", "key_provider.Local.pinned",
		    json_stringn(digits, 4), "not known");
}

static void scalar_that_is_no_key_is_refused(void **state)
{
	static const char *const none[] = {
		"0000000000000000000000000000000000000000000000000000000000000000",
		"ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
		ORDER
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(none) / sizeof(*none); i++)
		refuse_with("None", "k256_key", json_string(none[i]),
			    "no key of secp256k1");
}

static json_t *joined(const char *first, const char *second)
{
	return json_sprintf("%s%s", first, second);
}

static void certificate_that_is_not_one_alone_is_refused(void **state)
{
	const char *want = "want one certificate in PEM";

	(void)state;
	refuse_with("None", "ca_cert", json_string(""), want);
	refuse_with("None", "ca_cert", json_string(key_pem), want);
	refuse_with("None", "ca_cert", joined(cert_pem, cert_pem), want);
	refuse_with("None", "ca_cert", joined(cert_pem, key_pem), want);
	refuse_with("None", "ca_cert", joined("\n", cert_pem), want);
	refuse_with("None", "ca_cert", joined(cert_pem, "x"), want);
	refuse_with("None", "ca_cert", json_stringn(cert_pem,
						    strlen(cert_pem) - 60),
		    want);
}

static json_t *key_of(EVP_PKEY *key, bool pkcs8, const char *passphrase)
{
	const EVP_CIPHER *cipher = passphrase ? EVP_aes_128_cbc() : NULL;
	int len = passphrase ? strlen(passphrase) : 0;
	BIO *bio = BIO_new(BIO_s_mem());
	char pem[4096];

	if (pkcs8)
		assert_int_equal(PEM_write_bio_PKCS8PrivateKey(bio, key,
							       cipher,
							       passphrase, len,
							       NULL, NULL), 1);
	else
		assert_int_equal(PEM_write_bio_PrivateKey_traditional(bio, key,
								      NULL,
								      NULL, 0,
								      NULL,
								      NULL),
				 1);
	take_text(bio, pem, sizeof(pem));
	EVP_PKEY_free(key);
	return json_string(pem);
}

static void authority_with_another_key_is_refused(void **state)
{
	static const char *const paths[] = {
		"key_provider.None.key", "key_provider.Local.key",
		"key_provider.Tpm.key"
	};
	static const char *const kinds[] = { "None", "Local", "Tpm" };
	const char *want = "want one key of P-256";
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(paths) / sizeof(*paths); i++) {
		refuse_with(kinds[i], paths[i], json_string(other_pem),
			    "not the key of ca_cert");
		refuse_with(kinds[i], paths[i], json_string(""), want);
		refuse_with(kinds[i], paths[i], json_string(cert_pem), want);
		refuse_with(kinds[i], paths[i], joined(key_pem, key_pem),
			    want);
	}
	refuse_with("None", paths[0], key_of(pki_ec_key("P-384"), true, NULL),
		    want);
	refuse_with("None", paths[0], key_of(pki_rsa_key(), true, NULL), want);
	refuse_with("None", paths[0], key_of(pki_ec_key("P-256"), false, NULL),
		    want);
	/* Nobody is there to be asked for it. */
	refuse_with("None", paths[0], key_of(pki_ec_key("P-256"), true, "a"),
		    want);
	refuse_with("Kms", "key_provider.Kms.tmp_ca_key",
		    json_string(other_pem), "want the key of tmp_ca_cert");
	refuse_with("Kms", "key_provider.Kms.tmp_ca_key", json_string(""),
		    "want the key of tmp_ca_cert");
}

static void texts_that_are_too_long_are_refused(void **state)
{
	char text[AGENT_PEM_MAX + 1];

	(void)state;
	memset(text, 'a', sizeof(text));
	refuse_with("None", "gateway_app_id",
		    json_stringn(text, AGENT_GATEWAY_MAX), "at most 63 bytes");
	refuse_with("Kms", "key_provider.Kms.url",
		    json_stringn(text, AGENT_URL_MAX), "at most 1023 bytes");
	refuse_with("None", "ca_cert", json_stringn(text, AGENT_PEM_MAX),
		    "at most 8191 bytes");
	refuse_with("None", "gateway_app_id", json_string("a\nb"),
		    "printable ASCII");
}

static void what_is_cut_off_anywhere_is_refused(void **state)
{
	char *text = text_of("Kms");
	size_t len;

	(void)state;
	for (len = 0; len < strlen(text); len++)
		refuse_text(text, len, "line ");
	free(text);
}

static void what_is_no_object_is_refused(void **state)
{
	(void)state;
	refuse_text("[]", 2, "want an object");
	refuse_text("\"a\"", 3, "want an object");
	refuse_text("{}{}", 4, "line 1, column 3");
	refuse_text("{}", 2, "is missing");
	refuse_text("\xff", 1, "line 1, column 1");
}

static void text_that_is_too_long_is_refused(void **state)
{
	size_t len = AGENT_APP_KEYS_FILE_MAX + 1;
	struct agent_app_keys *keys;
	char *text = malloc(len);

	(void)state;
	memset(text, ' ', len);
	text[0] = '{';
	text[1] = '}';
	assert_int_equal(agent_app_keys_parse("file", text, len, tell, &keys),
			 -EFBIG);
	assert_says("more than 65536 bytes");
	refuse_text(text, len - 1, "is missing");
	free(text);
}

/*
 * Files.
 */

static void save(mode_t mode)
{
	json_t *json = document("None");
	int fd;

	unlink("keys");
	fd = open("keys", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(json_dumpfd(json, fd, 0), 0);
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
	json_decref(json);
}

static void file_that_others_may_read_is_refused(void **state)
{
	static const mode_t open_modes[] = { 0644, 0640, 0604, 0620, 0601 };
	struct agent_app_keys *keys;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(open_modes) / sizeof(*open_modes); i++) {
		save(open_modes[i]);
		assert_int_equal(agent_app_keys_read("keys", tell, &keys),
				 -EPERM);
		assert_null(keys);
		assert_says("chmod 600");
	}
	save(0600);
	assert_int_equal(agent_app_keys_read("keys", tell, &keys), 0);
	check_common(keys);
	agent_app_keys_free(keys);
}

static void what_is_no_file_is_refused(void **state)
{
	struct agent_app_keys *keys;

	(void)state;
	unlink("keys");
	assert_int_equal(agent_app_keys_read("keys", tell, &keys), -ENOENT);
	assert_int_equal(agent_app_keys_read("/dev/null", tell, &keys),
			 -EPERM);
	assert_int_equal(agent_app_keys_read(".", tell, &keys), -EPERM);
	/* Nobody writes to it, and nobody waits for that. */
	assert_int_equal(mkfifo("keys", 0600), 0);
	assert_int_equal(agent_app_keys_read("keys", tell, &keys), -EPERM);
	assert_null(keys);
}

static void file_that_is_too_large_is_refused(void **state)
{
	struct agent_app_keys *keys;

	(void)state;
	save(0600);
	assert_int_equal(truncate("keys", AGENT_APP_KEYS_FILE_MAX + 1), 0);
	assert_int_equal(agent_app_keys_read("keys", tell, &keys), -EFBIG);
	assert_null(keys);
	assert_says("more than 65536 bytes");
}

/* "dd": not in core dumps; "wf": zeros in a child. */
static void keys_are_in_no_core_dump_and_no_child(void **state)
{
	struct agent_app_keys *keys = read_document(document("None"));
	FILE *maps = fopen("/proc/self/smaps", "re");
	unsigned long from, to, want = (unsigned long)keys;
	bool inside = false, found = false;
	char line[512];

	(void)state;
	assert_non_null(maps);
	while (fgets(line, sizeof(line), maps)) {
		if (sscanf(line, "%lx-%lx ", &from, &to) == 2)
			inside = from <= want && want < to;
		if (!inside || strncmp(line, "VmFlags:", 8) != 0)
			continue;
		found = true;
		assert_non_null(strstr(line, " dd"));
		assert_non_null(strstr(line, " wf"));
	}
	assert_true(found);
	fclose(maps);
	agent_app_keys_free(keys);
	agent_app_keys_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keys_of_each_provider_are_read),
		cmocka_unit_test(what_may_be_left_out_or_empty_is),
		cmocka_unit_test(simulators_file_is_read),
		cmocka_unit_test(each_missing_field_is_refused),
		cmocka_unit_test(each_field_of_another_type_is_refused),
		cmocka_unit_test(each_field_that_occurs_twice_is_refused),
		cmocka_unit_test(unknown_fields_are_refused),
		cmocka_unit_test(two_providers_are_refused),
		cmocka_unit_test(keys_of_another_size_are_refused),
		cmocka_unit_test(signature_and_id_of_another_size_are_refused),
		cmocka_unit_test(keys_are_of_their_root_and_one_it_succeeds),
		cmocka_unit_test(scalar_that_is_no_key_is_refused),
		cmocka_unit_test(certificate_that_is_not_one_alone_is_refused),
		cmocka_unit_test(authority_with_another_key_is_refused),
		cmocka_unit_test(texts_that_are_too_long_are_refused),
		cmocka_unit_test(what_is_cut_off_anywhere_is_refused),
		cmocka_unit_test(what_is_no_object_is_refused),
		cmocka_unit_test(text_that_is_too_long_is_refused),
		cmocka_unit_test(file_that_others_may_read_is_refused),
		cmocka_unit_test(what_is_no_file_is_refused),
		cmocka_unit_test(file_that_is_too_large_is_refused),
		cmocka_unit_test(keys_are_in_no_core_dump_and_no_child),
	};

	return cmocka_run_group_tests_name("app_keys", tests, setup, teardown);
}
