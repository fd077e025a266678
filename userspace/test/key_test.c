// SPDX-License-Identifier: MIT
/*
 * What the library asks for when it asks for keys, and what it says of answers
 *
 * Copyright The dstack for Linux authors
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <libdstack.h>
#include <linux/keyctl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

static char said[LIBDSTACK_MESSAGE_MAX];

/* The kernel's part: what was asked, and what is to be answered. */
static struct {
	unsigned long cmd;
	unsigned int calls;
	int err;
	uint32_t check;
	struct dstack_get_key get;
	struct dstack_hmac hmac;
	struct dstack_seal seal;
	struct dstack_unseal unseal;
} kernel;

static void answer(void *arg)
{
	struct dstack_unseal *unseal = arg;
	struct dstack_get_key *get = arg;
	struct dstack_hmac *hmac = arg;

	switch (kernel.cmd) {
	case DSTACK_GET_KEY:
		kernel.get = *get;
		get->epoch = 9;
		get->out_serial = 1234;
		break;
	case DSTACK_HMAC:
		kernel.hmac = *hmac;
		memset(hmac->tag, 0x77, sizeof(hmac->tag));
		break;
	case DSTACK_SEAL:
		kernel.seal = *(struct dstack_seal *)arg;
		break;
	case DSTACK_UNSEAL:
		kernel.unseal = *unseal;
		unseal->data_len = 5;
		unseal->out_check = kernel.check;
		break;
	}
}

/* Before the C library's. */
int ioctl(int fd, unsigned long cmd, ...)
{
	va_list args;

	(void)fd;
	va_start(args, cmd);
	kernel.cmd = cmd;
	kernel.calls++;
	answer(va_arg(args, void *));
	va_end(args);
	errno = kernel.err;
	return kernel.err ? -1 : 0;
}

static void on_message(const char *message)
{
	snprintf(said, sizeof(said), "%s", message);
}

static int setup(void **state)
{
	(void)state;
	*said = '\0';
	memset(&kernel, 0, sizeof(kernel));
	libdstack_set_message_callback(on_message);
	return 0;
}

static struct libdstack_key handle(void)
{
	return (struct libdstack_key) {
		.kind = DSTACK_KEY_AEAD, .scope = DSTACK_SCOPE_CONTAINER,
		.delivery = DSTACK_DELIVER_HANDLE, .path = "a\0b",
		.path_len = 3, .purpose = "top", .purpose_len = 3,
		.keyring = KEY_SPEC_PROCESS_KEYRING, .name = "mine",
	};
}

static void handle_is_asked_for_as_it_is_named(void **state)
{
	struct libdstack_key key = handle();
	struct dstack_get_key *req = &kernel.get;
	int32_t serial = 0;

	(void)state;
	key.epoch = 5;		/* without its flag it is not there */
	assert_int_equal(libdstack_get_key(3, &key, NULL, &serial), 0);
	assert_int_equal(req->size, sizeof(*req));
	assert_int_equal(req->flags, 0);
	assert_int_equal(req->kind, DSTACK_KEY_AEAD);
	assert_int_equal(req->scope, DSTACK_SCOPE_CONTAINER);
	assert_int_equal(req->delivery, DSTACK_DELIVER_HANDLE);
	assert_int_equal(req->key_len, DSTACK_KEY_SIZE);
	assert_int_equal(req->keyring, KEY_SPEC_PROCESS_KEYRING);
	assert_int_equal(req->path, (uintptr_t)key.path);
	assert_int_equal(req->path_len, 3);
	assert_int_equal(req->purpose_len, 3);
	assert_int_equal(req->epoch, 0);
	assert_int_equal(req->bytes, 0);
	assert_string_equal((const char *)req->name, "mine");
	assert_int_equal(serial, 1234);
	assert_int_equal(key.epoch, 9);
}

static void bytes_are_asked_for_without_a_keyring(void **state)
{
	struct libdstack_key key = handle();
	struct dstack_get_key *req = &kernel.get;
	uint8_t bytes[16];

	(void)state;
	key.kind = DSTACK_KEY_BYTES;
	key.delivery = DSTACK_DELIVER_BYTES;
	key.flags = DSTACK_KEY_F_EPOCH;
	key.epoch = 5;
	key.len = sizeof(bytes);
	assert_int_equal(libdstack_get_key(3, &key, bytes, NULL), 0);
	assert_int_equal(req->flags, DSTACK_KEY_F_EPOCH);
	assert_int_equal(req->epoch, 5);
	assert_int_equal(req->key_len, sizeof(bytes));
	assert_int_equal(req->keyring, 0);
	assert_int_equal(req->bytes, (uintptr_t)bytes);
	assert_int_equal(req->name[0], 0);
}

static void names_that_do_not_fit_are_not_cut(void **state)
{
	char name[DSTACK_KEY_NAME_SIZE + 1] = "";
	struct libdstack_key key = handle();
	int32_t serial;

	(void)state;
	memset(name, 'a', DSTACK_KEY_NAME_SIZE);
	key.name = name;
	assert_int_equal(libdstack_get_key(3, &key, NULL, &serial), -EINVAL);
	key = handle();
	key.path_len = DSTACK_KEY_PATH_MAX + 1;
	assert_int_equal(libdstack_get_key(3, &key, NULL, &serial), -EINVAL);
	key = handle();
	key.purpose_len = DSTACK_KEY_PURPOSE_MAX + 1;
	assert_int_equal(libdstack_get_key(3, &key, NULL, &serial), -EINVAL);
	assert_int_equal(kernel.calls, 0);
}

static const struct help {
	int err;
	const char *word;
} get_helps[] = {
	{ EACCES, "\"keys\" of its section" }, { EPERM, "to sign" },
	{ EINVAL, "fit together" },
	{ ENODATA, "without one" }, { ENOKEY, "key load --test" },
	{ EKEYREVOKED, "retired" }, { EKEYREJECTED, "another path" },
	{ EEXIST, "another name" }, { EDQUOT, "too many keys" },
	{ ENODEV, "CONFIG_FS_ENCRYPTION" }, { ENOTTY, "not a dstack device" },
	{ ENOBUFS, "dstackd" }, { EOPNOTSUPP, "older than this program" },
}, use_helps[] = {
	{ EACCES, "another container" }, { EINVAL, "no key for it" },
	{ ENOKEY, "no such key" }, { EKEYREVOKED, "ask for the key again" },
	{ EKEYEXPIRED, "expired" }, { ENODATA, "no policy" },
	{ ENOPKG, "CONFIG_CRYPTO_GCM" }, { ENOMEM, "memory" },
}, act_helps[] = {
	{ EPERM, "inside a container" }, { EACCES, "\"control\"" },
	{ ESRCH, "no such process" }, { ENOTTY, "not a dstack device" },
};

static void every_refusal_of_a_key_names_the_next_step(void **state)
{
	struct libdstack_key key = handle();
	int32_t serial;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(get_helps) / sizeof(get_helps[0]); i++) {
		kernel.err = get_helps[i].err;
		*said = '\0';
		assert_int_equal(libdstack_get_key(3, &key, NULL, &serial),
				 -kernel.err);
		assert_non_null(strstr(said, get_helps[i].word));
	}
	/* Of bytes too many are too many events. */
	key.delivery = DSTACK_DELIVER_BYTES;
	kernel.err = EDQUOT;
	assert_int_equal(libdstack_get_key(3, &key, &serial, NULL), -EDQUOT);
	assert_non_null(strstr(said, "later"));
}

static void every_refusal_to_act_names_the_next_step(void **state)
{
	struct libdstack_acts_for who;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(act_helps) / sizeof(act_helps[0]); i++) {
		kernel.err = act_helps[i].err;
		*said = '\0';
		assert_int_equal(libdstack_act_for(3, 1, &who),
				 -kernel.err);
		assert_non_null(strstr(said, act_helps[i].word));
	}
}

static void every_refusal_of_a_use_names_the_next_step(void **state)
{
	uint8_t tag[DSTACK_KEY_TAG_SIZE], blob[DSTACK_SEAL_OVERHEAD + 1];
	enum dstack_seal_check check;
	size_t i, len = 1;

	(void)state;
	for (i = 0; i < sizeof(use_helps) / sizeof(use_helps[0]); i++) {
		kernel.err = use_helps[i].err;
		*said = '\0';
		assert_int_equal(libdstack_hmac(3, 7, "x", 1, tag),
				 -kernel.err);
		assert_non_null(strstr(said, use_helps[i].word));
		*said = '\0';
		assert_int_equal(libdstack_seal(3, 7, 0, "x", 1, blob),
				 -kernel.err);
		assert_non_null(strstr(said, use_helps[i].word));
		*said = '\0';
		assert_int_equal(libdstack_unseal(3, 7, blob, sizeof(blob),
						  tag, &len, &check),
				 -kernel.err);
		assert_non_null(strstr(said, use_helps[i].word));
		assert_int_equal(check, DSTACK_SEAL_OK);
	}
}

static void hmac_is_told_or_compared(void **state)
{
	uint8_t tag[DSTACK_KEY_TAG_SIZE] = { 1, 2, 3 };

	(void)state;
	assert_int_equal(libdstack_hmac_verify(3, 7, "xyz", 3, tag), 0);
	assert_int_equal(kernel.hmac.size, sizeof(kernel.hmac));
	assert_int_equal(kernel.hmac.key, 7);
	assert_int_equal(kernel.hmac.data_len, 3);
	assert_int_equal(kernel.hmac.flags, DSTACK_HMAC_F_VERIFY);
	assert_memory_equal(kernel.hmac.tag, tag, sizeof(tag));
	kernel.err = EBADMSG;
	assert_int_equal(libdstack_hmac_verify(3, 7, "xyz", 3, tag),
			 -EBADMSG);
	assert_non_null(strstr(said, "not that of this data"));
	kernel.err = 0;
	assert_int_equal(libdstack_hmac(3, 7, "xyz", 3, tag), 0);
	assert_int_equal(kernel.hmac.flags, 0);
	assert_int_equal(tag[31], 0x77);
}

static void check_that_failed_is_named(void **state)
{
	static const char * const words[] = {
		[DSTACK_SEAL_FORMAT] = "'format'", [DSTACK_SEAL_APP] = "'app'",
		[DSTACK_SEAL_IMAGE] = "'image'", [DSTACK_SEAL_NAME] = "'name'",
		[DSTACK_SEAL_EPOCH] = "'epoch'",
		[DSTACK_SEAL_POLICY] = "'policy'", [DSTACK_SEAL_TAG] = "'tag'",
		[__DSTACK_SEAL_MAX] = "does not know",
	};
	enum dstack_seal_check check;
	char data[8];
	size_t len;

	(void)state;
	kernel.err = EKEYREJECTED;
	for (kernel.check = DSTACK_SEAL_FORMAT;
	     kernel.check <= __DSTACK_SEAL_MAX; kernel.check++) {
		len = sizeof(data);
		assert_int_equal(libdstack_unseal(3, 7, "blob", 4, data, &len,
						  &check), -EKEYREJECTED);
		assert_int_equal(check, kernel.check);
		assert_non_null(strstr(said, words[kernel.check]));
	}
	assert_int_equal(kernel.unseal.size, sizeof(kernel.unseal));
	assert_int_equal(kernel.unseal.blob_len, 4);
	assert_int_equal(kernel.unseal.data_len, sizeof(data));
}

static void sizes_are_told_also_when_there_is_no_room(void **state)
{
	enum dstack_seal_check check;
	char data[8];
	size_t len = sizeof(data);

	(void)state;
	assert_int_equal(libdstack_unseal(3, 7, "blob", 4, data, &len, &check),
			 0);
	assert_int_equal(len, 5);
	len = 2;
	kernel.err = ENOSPC;
	assert_int_equal(libdstack_unseal(3, 7, "blob", 4, data, &len, &check),
			 -ENOSPC);
	assert_int_equal(len, 5);
	/* A kernel that says that it wrote more than there is room for. */
	len = 2;
	kernel.err = 0;
	assert_int_equal(libdstack_unseal(3, 7, "blob", 4, data, &len, &check),
			 -EPROTO);
}

static void too_much_data_is_not_cut(void **state)
{
	size_t more = DSTACK_KEY_DATA_MAX + 1, len = 1;
	uint8_t tag[DSTACK_KEY_TAG_SIZE];
	enum dstack_seal_check check;

	(void)state;
	assert_int_equal(libdstack_hmac(3, 7, NULL, more, tag), -EINVAL);
	assert_int_equal(libdstack_seal(3, 7, 0, NULL, more, NULL), -EINVAL);
	assert_int_equal(libdstack_unseal(3, 7, NULL,
					  more + DSTACK_SEAL_OVERHEAD, tag,
					  &len, &check), -EINVAL);
	assert_int_equal(kernel.calls, 0);
	assert_int_equal(libdstack_seal(3, 7, DSTACK_SEAL_F_POLICY, "x", 1,
					tag), 0);
	assert_int_equal(kernel.seal.flags, DSTACK_SEAL_F_POLICY);
	assert_int_equal(kernel.seal.blob_len, 1 + DSTACK_SEAL_OVERHEAD);
}

#define LINE 512

/* "VmFlags:" of the mapping that @address is in. */
static void vm_flags(const void *address, char flags[LINE])
{
	FILE *file = fopen("/proc/self/smaps", "re");
	unsigned long from, to;
	bool in = false;
	char line[LINE];

	assert_non_null(file);
	*flags = '\0';
	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, "%lx-%lx ", &from, &to) == 2)
			in = (uintptr_t)address >= from &&
			     (uintptr_t)address < to;
		else if (in && !strncmp(line, "VmFlags:", 8))
			snprintf(flags, LINE, "%s", line);
	}
	fclose(file);
}

static void secrets_are_in_no_dump_and_no_child(void **state)
{
	char flags[LINE];
	void *secret;
	int status;

	(void)state;
	assert_int_equal(libdstack_secret_alloc(33, &secret), 0);
	memset(secret, 's', 33);
	vm_flags(secret, flags);
	assert_non_null(strstr(flags, " dd"));
	assert_non_null(strstr(flags, " wf"));
	if (!fork())
		_exit(*(char *)secret);
	wait(&status);
	assert_int_equal(status, 0);
	libdstack_secret_free(secret, 33);
	libdstack_secret_free(NULL, 33);
	assert_int_equal(libdstack_secret_alloc(SIZE_MAX, &secret), -ENOMEM);
	assert_null(secret);
}

#define TEST(name) cmocka_unit_test_setup(name, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(handle_is_asked_for_as_it_is_named),
		TEST(bytes_are_asked_for_without_a_keyring),
		TEST(names_that_do_not_fit_are_not_cut),
		TEST(every_refusal_of_a_key_names_the_next_step),
		TEST(every_refusal_to_act_names_the_next_step),
		TEST(every_refusal_of_a_use_names_the_next_step),
		TEST(hmac_is_told_or_compared),
		TEST(check_that_failed_is_named),
		TEST(sizes_are_told_also_when_there_is_no_room),
		TEST(too_much_data_is_not_cut),
		TEST(secrets_are_in_no_dump_and_no_child),
	};

	return cmocka_run_group_tests_name("key", tests, NULL, NULL);
}
