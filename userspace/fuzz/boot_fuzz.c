// SPDX-License-Identifier: MIT
/*
 * What a host, or anybody, has a boot read besides the application's files
 *
 * Copyright The dstack for Linux authors
 *
 * The first byte says which: an environment, decrypted; one that is not; the
 * document of MR_CONFIG_ID; what a TPM keeps; a user's configuration with a
 * launch token.
 */
#include "fuzz.h"

#include <openssl/sha.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "../boot/tpm.h"

/* message.c's, with nobody to read them. */
void boot_say(const char *fmt, ...)
{
	(void)fmt;
}

void boot_tell(const char *line)
{
	must(*line && strlen(line) < LIBDSTACK_MESSAGE_MAX);
}

int boot_fail(int err, const char *fmt, ...)
{
	char line[LIBDSTACK_MESSAGE_MAX];
	va_list args;

	va_start(args, fmt);
	must(vsnprintf(line, sizeof(line), fmt, args) > 0);
	va_end(args);
	return err;
}

static char name_a[] = "A", name_b[] = "B_2", name_odd[] = "1X", none[] = "";
static char *const allowed[] = { name_a, name_b, name_odd, none, NULL };

/* Each line is a name that was allowed, and a value without a line's end. */
static void check_shell(const struct env_text *text)
{
	size_t lines = 0, i;

	for (i = 0; i < text->shell_len; i++) {
		must(text->shell[i]);
		lines += text->shell[i] == '\n';
	}
	must(lines == text->count && text->count <= 2);
	must(!text->shell_len || text->shell[text->shell_len - 1] == '\n');
}

static void try_env(char *data, size_t len)
{
	struct env_text text;

	if (env_read(data, len, allowed, &text)) {
		must(!text.shell && !text.json);
		return;
	}
	check_shell(&text);
	must(text.json_len >= 2 && text.json[0] == '{');
	env_text_free(&text);
}

static void try_blob(const char *data, size_t len)
{
	static const uint8_t key[DSTACK_KEY_SIZE] = { 1 };
	char *plain = malloc(len + 1);
	size_t plain_len;

	must(plain);
	if (!env_decrypt(key, data, len, plain, &plain_len))
		must(plain_len < len);
	free(plain);
}

/* A register that is of this very document: the fields alone decide. */
static void try_document(const char *data, size_t len)
{
	static const uint8_t is[APP_HASH_SIZE] = { 0x22 };
	static char *scripts[] = { NULL };
	static const char domain[] = "dstack-mr-config-v3:";
	uint8_t value[BOOT_CONFIG_ID_SIZE] = { 3 };
	char *text = strndup(data, len), *all;
	size_t text_len;
	struct config_id local = {
		.compose_hash = is, .app_id = is, .instance_id = is,
		.gpu_policy_hash = is, .instance_id_len = APP_ID_SIZE,
		.provider = APP_PROVIDER_KMS, .provider_id = is,
		.provider_id_len = 1, .init_scripts = scripts,
		.document = text,
	};

	must(text);
	text_len = strlen(text);
	all = malloc(sizeof(domain) + text_len);
	must(all);
	memcpy(all, domain, sizeof(domain));
	memcpy(all + sizeof(domain), text, text_len);
	SHA256((uint8_t *)all, sizeof(domain) + text_len, value + 1);
	if (!config_id_check(value, &local))
		must(strstr(text, "compose_hash") && strstr(text, "kms"));
	free(all);
	free(text);
}

/* What comes apart and is joined again is how it began. */
static void try_sealed(const char *data, size_t len)
{
	struct libdstack_span parts[2];
	uint8_t again[TPM_BLOB_MAX];
	size_t again_len;

	if (len > TPM_BLOB_MAX ||
	    !tpm_blob_split((const uint8_t *)data, len, parts))
		return;
	must(tpm_blob_join(parts, again, &again_len));
	must(again_len <= len && !memcmp(again, data, again_len));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const uint8_t hash[APP_HASH_SIZE];
	char *text;

	if (!len)
		return 0;
	text = fuzz_copy(data + 1, len - 1);
	switch (*data) {
	case 'e':
		try_env(text, len - 1);
		break;
	case 'b':
		try_blob(text, len - 1);
		break;
	case 'd':
		try_document(text, len - 1);
		break;
	case 's':
		try_sealed(text, len - 1);
		break;
	default:
		must(app_launch_token_check(text, len - 1, hash, boot_tell));
	}
	free(text);
	return 0;
}

void fuzz_seeds(void)
{
	fuzz_seed_text("e{\"env\":[{\"key\":\"A\",\"value\":\"a b\\n$\"},{\"key\":\"B_2\",\"value\":\"\"},{\"key\":\"A\",\"value\":\"'\"}]}");
	fuzz_seed_text("b0123456789012345678901234567890123456789012345678901234567890123456789");
	fuzz_seed_text("d{\"app_id\":\"\",\"compose_hash\":\"2200000000000000000000000000000000000000000000000000000000000000\",\"key_provider\":\"kms\",\"key_provider_id\":\"22\",\"init_script_hashes\":[],\"version\":3}");
	fuzz_seed_text("s\f123\b45");
	fuzz_seed_text("t{\"dstack\":{\"launch_token\":\"00000000000000000000000000000000\"}}");
}
