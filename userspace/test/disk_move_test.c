// SPDX-License-Identifier: MIT
/*
 * A disk's key is changed: ended anywhere, the disk opens with one of the two
 *
 * Copyright The dstack for Linux authors
 *
 * In the place of cryptsetup is the test: a key is in the clear where a header
 * says that it is.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../disk/disk.h"
#include "../spawn/spawn.h"
#include "luks_fixture.h"

#define FIRST		LUKS_JSON("aes-xts-plain64", LUKS_SLOT("0", "32768"))
#define SECOND		LUKS_JSON("aes-xts-plain64", LUKS_SLOT("0", "290816"))
#define KILLED		9
#define DEVICE		"device"
#define USED		1048576		/* bytes that are not all zero */

static char dir[64], said[512];
static struct disk disk;
static uint8_t old_key[DSTACK_KEY_SIZE], new_key[DSTACK_KEY_SIZE];
static uint8_t *data;
static int kill_at, fail_at;		/* 0: never */
static int status;			/* not 0: of cryptsetup */
static const char *made;		/* header by luksChangeKey */
static int changed;

static void tell(const char *line)
{
	snprintf(said, sizeof(said), "%s", line);
}

static bool step(void)
{
	if (kill_at && !--kill_at)
		_exit(KILLED);
	return fail_at && !--fail_at;
}

int __real_renameat(int olddir, const char *old, int newdir, const char *new);
int __wrap_renameat(int olddir, const char *old, int newdir, const char *new);
ssize_t __real_pwrite(int fd, const void *from, size_t len, off_t at);
ssize_t __wrap_pwrite(int fd, const void *from, size_t len, off_t at);
int __real_fsync(int fd);
int __wrap_fsync(int fd);

int __wrap_renameat(int olddir, const char *old, int newdir, const char *new)
{
	if (!step())
		return __real_renameat(olddir, old, newdir, new);
	errno = EIO;
	return -1;
}

/* A piece at a time, so that it is ended in the middle of a header, too. */
ssize_t __wrap_pwrite(int fd, const void *from, size_t len, off_t at)
{
	const size_t most = len == LUKS_TEST_SIZE ? len / 2 :
		len > 131072 && len < USED ? 131072 : len;

	if (!step())
		return __real_pwrite(fd, from, len < most ? len : most, at);
	errno = EIO;
	return -1;
}

int __wrap_fsync(int fd)
{
	if (!step())
		return __real_fsync(fd);
	errno = EIO;
	return -1;
}

/*
 * cryptsetup
 */

static void load(const char *name)
{
	int file = openat(disk.dir, name, O_RDONLY);

	assert_true(file >= 0);
	assert_int_equal(read(file, data, USED), USED);
	close(file);
}

static void store(const char *name)
{
	int file = openat(disk.dir, name, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(file >= 0);
	assert_int_equal(write(file, data, USED), USED);
	assert_int_equal(ftruncate(file, LUKS_TEST_LEN), 0);
	close(file);
}

/* Of what a boot would open of it: 0 is none. */
static bool has_key(const char *hex)
{
	struct luks luks;

	return !dstack_luks_keep_checked(data, LUKS_TEST_LEN, &luks) &&
		!memcmp(data + luks.area, hex, 2 * DSTACK_KEY_SIZE);
}

static void put_key(size_t at, const uint8_t *key)
{
	char hex[2 * DSTACK_KEY_SIZE + 1];

	libdstack_to_hex(key, DSTACK_KEY_SIZE, hex);
	memcpy(data + at, hex, 2 * DSTACK_KEY_SIZE);
}

static int change_key(const char *header, const char *key_file,
		      const char *hex)
{
	uint8_t read_key[2 * DSTACK_KEY_SIZE];
	int file;

	changed++;
	load(header);
	if (!has_key(hex))
		return 2;
	file = openat(disk.dir, key_file, O_RDONLY);
	assert_int_equal(read(file, read_key, sizeof(read_key)),
			 sizeof(read_key));
	close(file);
	luks_put(data, false, 4, made);
	luks_put(data, true, 4, made);
	memset(data + 32768, 0, 258048);
	memcpy(data + 290816, read_key, sizeof(read_key));
	store(header);
	return 0;
}

int __wrap_spawn_run(const struct spawn *spawn);

int __wrap_spawn_run(const struct spawn *spawn)
{
	const char *const *argv = spawn->argv;
	size_t nr = 0;

	while (argv[nr])
		nr++;
	assert_string_equal(argv[0], "cryptsetup");
	assert_int_equal(spawn->input_len, 2 * DSTACK_KEY_SIZE);
	step();
	if (status)
		return status;
	if (!strcmp(argv[1], "luksChangeKey"))
		return change_key(strrchr(argv[nr - 2], '/') + 1,
				  strrchr(argv[nr - 1], '/') + 1,
				  spawn->input);
	assert_string_equal(argv[2], "--test-passphrase");
	load(strrchr(argv[nr - 1], '/') + 1);
	return has_key(spawn->input) ? 0 : 2;
}

/*
 * A machine whose disk is open
 */

static void begin(void)
{
	char path[128];
	int file;

	memset(data, 0, USED);
	luks_put(data, false, 3, FIRST);
	luks_put(data, true, 3, FIRST);
	put_key(32768, old_key);
	store(DEVICE);
	store(DISK_HEADER);
	unlinkat(disk.dir, DISK_HEADER_NEXT, 0);
	snprintf(path, sizeof(path), "%s/" DEVICE, dir);
	file = openat(disk.dir, DISK_DEVICE, O_WRONLY | O_CREAT | O_TRUNC,
		      0600);
	assert_int_equal(write(file, path, strlen(path)), strlen(path));
	close(file);
	changed = 0;
}

static int setup(void **state)
{
	(void)state;
	kill_at = 0;
	fail_at = 0;
	status = 0;
	made = SECOND;
	*said = '\0';
	strcpy(dir, "/tmp/disk-XXXXXX");
	assert_non_null(mkdtemp(dir));
	disk = (struct disk){
		dir, open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), tell,
	};
	memset(old_key, 1, sizeof(old_key));
	memset(new_key, 2, sizeof(new_key));
	data = calloc(1, LUKS_TEST_LEN);
	assert_non_null(data);
	begin();
	return 0;
}

static int teardown(void **state)
{
	char command[128];

	(void)state;
	free(data);
	close(disk.dir);
	snprintf(command, sizeof(command), "rm -r %s", dir);
	return system(command);
}

static int move(void)
{
	return disk_move(&disk, old_key, new_key);
}

/* What a boot finds: it opens with this key. */
static bool opens(const char *name, const uint8_t *key)
{
	char hex[2 * DSTACK_KEY_SIZE + 1];

	load(name);
	return has_key(libdstack_to_hex(key, DSTACK_KEY_SIZE, hex));
}

static void assert_moved(void)
{
	struct luks luks;

	assert_true(opens(DEVICE, new_key));
	assert_true(opens(DISK_HEADER, new_key));
	assert_true(faccessat(disk.dir, DISK_HEADER_NEXT, F_OK, 0));
	assert_true(faccessat(disk.dir, ".disk-key", F_OK, 0));
	/* Both headers say so, and of the old key nothing is left. */
	load(DEVICE);
	memset(data, 0, LUKS_TEST_SIZE);
	assert_int_equal(dstack_luks_keep_checked(data, LUKS_TEST_LEN, &luks),
			 0);
	assert_int_equal(luks.area, 290816);
	assert_int_equal(data[32768], 0);
}

static void disk_opens_with_the_new_key_alone(void **state)
{
	(void)state;
	assert_int_equal(move(), 0);
	assert_moved();
	assert_false(opens(DEVICE, old_key));
	/* Once. */
	assert_int_equal(move(), 0);
	assert_int_equal(changed, 1);
}

static void without_a_disk_there_is_nothing_to_do(void **state)
{
	(void)state;
	unlinkat(disk.dir, DISK_HEADER, 0);
	status = 1;
	assert_int_equal(move(), 0);
}

/* The host writes to the disk meanwhile; what was opened counts. */
static void header_on_the_disk_is_not_read(void **state)
{
	(void)state;
	memset(data, 0xff, USED);
	store(DEVICE);
	assert_int_equal(move(), 0);
	assert_true(opens(DEVICE, new_key));
}

static void attack_66_header_that_does_not_pass_is_not_written(void **state)
{
	static const char *const bad[] = {
		LUKS_JSON("cipher_null-ecb", LUKS_SLOT("0", "290816")),
		LUKS_JSON("aes-xts-plain64", LUKS_SLOT("0", "32768") ","
			  LUKS_SLOT("1", "290816")),
		/* Over the old key, which is needed until the end. */
		LUKS_JSON("aes-xts-plain64", LUKS_SLOT("0", "36864")),
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		begin();
		made = bad[i];
		assert_true(move() < 0);
		assert_true(opens(DEVICE, old_key));
	}
}

static void key_of_another_disk_changes_nothing(void **state)
{
	(void)state;
	memset(old_key, 3, sizeof(old_key));
	assert_int_equal(move(), -EIO);
	assert_non_null(strstr(said, "can't be changed"));
	memset(old_key, 1, sizeof(old_key));
	assert_true(opens(DEVICE, old_key));
	assert_int_equal(move(), 0);
	assert_moved();
}

static int in_a_process(int at)
{
	pid_t pid = fork();
	int how;

	assert_true(pid >= 0);
	if (!pid) {
		kill_at = at;
		_exit(move() ? 1 : 0);
	}
	assert_int_equal(waitpid(pid, &how, 0), pid);
	assert_true(WIFEXITED(how));
	return WEXITSTATUS(how);
}

static void ended_anywhere_it_opens_with_one_of_the_two(void **state)
{
	int at, how = KILLED;

	(void)state;
	for (at = 1; how == KILLED; at++) {
		begin();
		how = in_a_process(at);
		assert_true(opens(DEVICE, old_key) || opens(DEVICE, new_key));
		assert_int_equal(move(), 0);
		assert_moved();
	}
	assert_int_equal(how, 0);
	assert_true(at > 12);
}

/* The machine ended with it: what is in memory is gone, and read anew. */
static void boot_finds_it_as_well_and_begins_anew(void **state)
{
	int at, how = KILLED;

	(void)state;
	for (at = 1; how == KILLED; at++) {
		begin();
		how = in_a_process(at);
		unlinkat(disk.dir, DISK_HEADER_NEXT, 0);
		load(DEVICE);
		opens(DEVICE, old_key);		/* leaves the checked one */
		store(DISK_HEADER);
		assert_int_equal(move(), 0);
		assert_true(opens(DEVICE, new_key));
		assert_true(opens(DISK_HEADER, new_key));
	}
}

static void each_failure_is_told_and_made_good(void **state)
{
	int at, err = 1;

	(void)state;
	for (at = 1; err; at++) {
		begin();
		*said = '\0';
		fail_at = at;
		err = move();
		if (fail_at) {
			assert_int_equal(err, 0);
			break;
		}
		assert_true(!err || *said);
		assert_true(opens(DEVICE, old_key) || opens(DEVICE, new_key));
		assert_int_equal(move(), 0);
		assert_moved();
		err = 1;
	}
	assert_true(at > 12);
}

#define CLAIM(name)	cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CLAIM(disk_opens_with_the_new_key_alone),
		CLAIM(without_a_disk_there_is_nothing_to_do),
		CLAIM(header_on_the_disk_is_not_read),
		CLAIM(attack_66_header_that_does_not_pass_is_not_written),
		CLAIM(key_of_another_disk_changes_nothing),
		CLAIM(ended_anywhere_it_opens_with_one_of_the_two),
		CLAIM(boot_finds_it_as_well_and_begins_anew),
		CLAIM(each_failure_is_told_and_made_good),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
