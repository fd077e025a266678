// SPDX-License-Identifier: MIT
/*
 * dstackctl key, seal, unseal: where secrets may come from, and go to
 *
 * Copyright The dstack for Linux authors
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "../dstackctl/keys.h"
#include "cmd_fixture.h"

#define APP	"abababababababababababababababababababab"

static char dir[] = "/tmp/dstack-key-XXXXXX";
static struct dstack_get_key asked;
static int failure;		/* of the next ioctl */
static unsigned int calls;

/* Instead of the kernel: keys are 'k's, and a blob is 'b's and the data. */
static void answer(unsigned long cmd, void *arg)
{
	struct dstack_unseal *unseal = arg;
	struct dstack_seal *seal = arg;
	char *to;

	if (cmd == DSTACK_GET_KEY) {
		asked = *(struct dstack_get_key *)arg;
		if (asked.bytes)
			memset((void *)(uintptr_t)asked.bytes, 'k',
			       asked.key_len);
	} else if (cmd == DSTACK_SEAL) {
		to = (void *)(uintptr_t)seal->blob;
		memset(to, 'b', DSTACK_SEAL_OVERHEAD);
		memcpy(to + DSTACK_SEAL_OVERHEAD,
		       (void *)(uintptr_t)seal->data, seal->data_len);
	} else if (cmd == DSTACK_UNSEAL) {
		unseal->data_len = unseal->blob_len - DSTACK_SEAL_OVERHEAD;
		memcpy((void *)(uintptr_t)unseal->data,
		       (char *)(uintptr_t)unseal->blob + DSTACK_SEAL_OVERHEAD,
		       unseal->data_len);
	}
}

/* Before the C library's. */
int ioctl(int fd, unsigned long cmd, ...)
{
	va_list args;
	void *arg;

	(void)fd;
	va_start(args, cmd);
	arg = va_arg(args, void *);
	va_end(args);
	/* isatty(3) may come here, too. */
	if (_IOC_TYPE(cmd) != DSTACK_IOC_TYPE || failure) {
		errno = failure ? failure : ENOTTY;
		return -1;
	}
	calls++;
	answer(cmd, arg);
	return 0;
}

static void library_says(const char *message)
{
	fprintf(stderr, "%s\n", message);
}

static int setup(void **state)
{
	(void)state;
	libdstack_set_message_callback(library_says);
	setenv("DSTACK_DEVICE", "/dev/null", 1);
	return !mkdtemp(dir) || chdir(dir);
}

static int teardown(void **state)
{
	static const char *const names[] = { "root", "out", "in" };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(names) / sizeof(*names); i++)
		unlink(names[i]);
	return chdir("/") || rmdir(dir);
}

static int before(void **state)
{
	(void)state;
	memset(&asked, 0, sizeof(asked));
	failure = 0;
	calls = 0;
	unlink("out");
	return 0;
}

static void save(const char *name, const char *text, mode_t mode)
{
	unlink(name);
	assert_int_equal(write_file(name, text, strlen(text)), 0);
	assert_int_equal(chmod(name, mode), 0);
}

/* As run(), with @name as standard input, or with what is said as output. */
static int run_from(const char *name, int (*cmd)(int argc, char **argv),
		    const char *command, const char *args)
{
	int saved = dup(STDIN_FILENO), fd = open(name, O_RDONLY), status;

	assert_true(fd >= 0);
	dup2(fd, STDIN_FILENO);
	close(fd);
	status = run(cmd, command, args);
	dup2(saved, STDIN_FILENO);
	close(saved);
	return status;
}

static int run_said(int (*cmd)(int argc, char **argv), const char *command,
		    const char *args)
{
	int saved = dup(STDERR_FILENO), status;
	FILE *said = tmpfile();
	size_t len;

	dup2(fileno(said), STDERR_FILENO);
	status = run(cmd, command, args);
	dup2(saved, STDERR_FILENO);
	close(saved);
	rewind(said);
	len = fread(output, 1, sizeof(output) - 1, said);
	output[len] = '\0';
	fclose(said);
	return status;
}

static void bytes_go_to_a_new_file_for_its_owner(void **state)
{
	struct stat st;

	(void)state;
	assert_int_equal(run(cmd_key, "key",
			     "get --deliver bytes --length 20 -o out disk"),
			 EXIT_SUCCESS);
	assert_int_equal(stat("out", &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(st.st_size, 20);
	assert_string_equal(output, "");
	assert_int_equal(asked.kind, DSTACK_KEY_BYTES);
	/* Somebody may have it open already. */
	assert_int_equal(run(cmd_key, "key",
			     "get --deliver bytes -o out disk"),
			 EXIT_FAILURE);
}

static void bytes_go_down_a_pipe_as_they_are(void **state)
{
	(void)state;
	assert_int_equal(run(cmd_key, "key", "get --deliver bytes disk"),
			 EXIT_SUCCESS);
	assert_string_equal(output, "kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk");
}

static void handle_is_told_by_its_number_and_name(void **state)
{
	(void)state;
	assert_int_equal(run(cmd_key, "key",
			     "get --purpose db --epoch 3 data/disk#1"),
			 EXIT_SUCCESS);
	assert_says("dstack:data-disk-1 epoch 3\n");
	assert_int_equal(asked.kind, DSTACK_KEY_AEAD);
	assert_int_equal(asked.delivery, DSTACK_DELIVER_HANDLE);
	assert_int_equal(asked.scope, DSTACK_SCOPE_CONTAINER);
	assert_int_equal(asked.flags, DSTACK_KEY_F_EPOCH);
	assert_int_equal(asked.purpose_len, 2);
	assert_string_equal((const char *)asked.name, "data-disk-1");
}

static const char *const wrong[] = {
	"", "unknown", "get", "get a b", "get --kind rsa a",
	"get --scope all a", "get --deliver paper a", "get --keyring user a",
	"get --length 15 a", "get --length 65 a", "get --epoch one a",
	"get --deliver bytes --name n a", "get --deliver bytes --keyring process a",
	"get --output out a", "list a", "load",
	"load --app-id " APP " --epoch 1",
	"load --app-id " APP " --epoch 1 --test --file root",
	"load --app-id ab --epoch 1 --test", "load --app-id " APP " --test",
	"load --app-id " APP " --epoch 1 --all --test",
	"revoke", "revoke --app-id " APP, "revoke --epoch 1",
	"revoke --all --epoch 1", "revoke --all --app-id " APP,
};

static void wrong_options_ask_for_nothing(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
		assert_int_equal(run_said(cmd_key, "key", wrong[i]),
				 EXIT_USAGE);
	assert_int_equal(run_said(cmd_seal, "seal", ""), EXIT_USAGE);
	assert_int_equal(run_said(cmd_seal, "seal", "a b"), EXIT_USAGE);
	assert_int_equal(run_said(cmd_unseal, "unseal", "--policy a"),
			 EXIT_USAGE);
	assert_int_equal(calls, 0);
}

#define LOAD "load --app-id " APP " --epoch 1 --file "

static void root_key_that_others_may_read_is_refused(void **state)
{
	static const mode_t open_modes[] = { 0640, 0604, 0620, 0601 };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(open_modes) / sizeof(*open_modes); i++) {
		save("root", "0123456789abcdef0123456789abcdef",
		     open_modes[i]);
		assert_int_equal(run_said(cmd_key, "key", LOAD "root"),
				 EXIT_FAILURE);
		assert_says("chmod 600");
	}
	assert_int_equal(run_said(cmd_key, "key", LOAD "/dev/null"),
			 EXIT_FAILURE);
	assert_says("must be a file");
	assert_int_equal(run_said(cmd_key, "key", LOAD "missing"),
			 EXIT_FAILURE);
	assert_says("can't open 'missing'");
}

static void root_key_of_another_size_is_refused(void **state)
{
	(void)state;
	save("root", "0123456789abcdef0123456789abcde", 0600);
	assert_int_equal(run_said(cmd_key, "key", LOAD "root"), EXIT_FAILURE);
	assert_says("has 31 bytes");
	save("root", "0123456789abcdef0123456789abcdef\n", 0600);
	assert_int_equal(run_said(cmd_key, "key", LOAD "root"), EXIT_FAILURE);
	assert_says("more than 32 bytes");
}

static void what_was_sealed_comes_back(void **state)
{
	struct stat st;

	(void)state;
	save("in", "a secret", 0600);
	assert_int_equal(run_from("in", cmd_seal, "seal", "-o root disk"),
			 EXIT_SUCCESS);
	assert_int_equal(stat("root", &st), 0);
	assert_int_equal(st.st_size, DSTACK_SEAL_OVERHEAD + 8);
	assert_int_equal(asked.kind, DSTACK_KEY_AEAD);
	assert_int_equal(run_from("root", cmd_unseal, "unseal", "disk"),
			 EXIT_SUCCESS);
	assert_string_equal(output, "a secret");
	assert_int_equal(run_from("root", cmd_unseal, "unseal", "-o out disk"),
			 EXIT_SUCCESS);
	assert_int_equal(stat("out", &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(st.st_size, 8);
}

static void what_is_refused_leaves_no_file(void **state)
{
	(void)state;
	save("in", "a secret", 0600);
	failure = EACCES;
	assert_int_equal(run_from("in", cmd_seal, "seal", "-o out disk"),
			 EXIT_FAILURE);
	assert_int_equal(access("out", F_OK), -1);
	assert_int_equal(run_from("in", cmd_unseal, "unseal", "-o out disk"),
			 EXIT_FAILURE);
	assert_int_equal(access("out", F_OK), -1);
	assert_int_equal(run(cmd_key, "key", "get --deliver bytes -o out a"),
			 EXIT_FAILURE);
	assert_int_equal(access("out", F_OK), -1);
}

static void usage_names_every_command(void **state)
{
	(void)state;
	assert_int_equal(run(cmd_key, "key", "--help"), EXIT_SUCCESS);
	assert_says("key get");
	assert_says("key list");
	assert_says("key load");
	assert_says("key revoke");
	assert_int_equal(run(cmd_seal, "seal", "--help"), EXIT_SUCCESS);
	assert_says("--policy");
	assert_int_equal(run(cmd_unseal, "unseal", "--help"), EXIT_SUCCESS);
	assert_says("--epoch");
}

#define TEST(name) cmocka_unit_test_setup(name, before)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(bytes_go_to_a_new_file_for_its_owner),
		TEST(bytes_go_down_a_pipe_as_they_are),
		TEST(handle_is_told_by_its_number_and_name),
		TEST(wrong_options_ask_for_nothing),
		TEST(root_key_that_others_may_read_is_refused),
		TEST(root_key_of_another_size_is_refused),
		TEST(what_was_sealed_comes_back),
		TEST(what_is_refused_leaves_no_file),
		TEST(usage_names_every_command),
	};

	return cmocka_run_group_tests_name("cmd_key", tests, setup, teardown);
}
