// SPDX-License-Identifier: MIT
/*
 * Files of a host that would rather be read in another way
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
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "../app/app.h"

#define MAX	4096

static char dir[] = "/tmp/dstack-app-read-XXXXXX";
static char said[LIBDSTACK_MESSAGE_MAX];
static int dirfd_ = -1;

static void tell(const char *message)
{
	snprintf(said, sizeof(said), "%s", message);
}

static int setup(void **state)
{
	(void)state;
	if (!mkdtemp(dir) || chdir(dir))
		return 1;
	dirfd_ = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	return dirfd_ < 0;
}

static int teardown(void **state)
{
	(void)state;
	close(dirfd_);
	return chdir("/") || rmdir(dir);
}

static void put(const char *name, const char *text, size_t len)
{
	int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, len), len);
	close(fd);
}

static void refuse(const char *name, int err, const char *says)
{
	char *text;
	size_t len;

	*said = '\0';
	assert_int_equal(app_file_read(dirfd_, name, MAX, &text, &len, tell),
			 err);
	assert_null(text);
	assert_int_equal(len, 0);
	if (!strstr(said, says))
		fail_msg("'%s' is not in: %s", says, said);
}

static void a_file_is_read_as_it_is(void **state)
{
	char *text;
	size_t len;

	(void)state;
	put("f", "a\0b", 3);
	assert_int_equal(app_file_read(dirfd_, "f", MAX, &text, &len, tell), 0);
	assert_int_equal(len, 3);
	assert_memory_equal(text, "a\0b\0", 4);
	free(text);
	put("f", "", 0);
	assert_int_equal(app_file_read(dirfd_, "f", MAX, &text, &len, tell), 0);
	assert_int_equal(len, 0);
	assert_string_equal(text, "");
	free(text);
	unlink("f");
}

static void links_are_not_followed(void **state)
{
	(void)state;
	put("f", "x", 1);
	assert_int_equal(symlink("f", "l"), 0);
	refuse("l", -EBADMSG, "l: a symbolic link");
	unlink("l");
	assert_int_equal(symlink("/proc/self/environ", "l"), 0);
	refuse("l", -EBADMSG, "l: a symbolic link");
	unlink("l");
	unlink("f");
}

static void what_is_no_file_is_not_waited_for(void **state)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX,
				       .sun_path = "s" };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)state;
	assert_int_equal(mkfifo("p", 0600), 0);
	refuse("p", -EBADMSG, "p: a pipe");
	unlink("p");
	assert_int_equal(mkdir("d", 0700), 0);
	refuse("d", -EBADMSG, "d: a directory");
	rmdir("d");
	assert_int_equal(bind(fd, (struct sockaddr *)&address,
			      sizeof(address)), 0);
	refuse("s", -EBADMSG, "s: a socket");
	unlink("s");
	close(fd);
	/* Only root can make one. */
	if (!mknod("c", S_IFCHR | 0600, 0x105)) {
		refuse("c", -EBADMSG, "c: a device");
		unlink("c");
	}
}

static void names_are_only_names(void **state)
{
	(void)state;
	assert_int_equal(mkdir("d", 0700), 0);
	put("d/f", "x", 1);
	refuse("d/f", -EINVAL, "d/f: ");
	refuse("/etc/passwd", -EINVAL, "/etc/passwd: ");
	refuse("..", -EXDEV, "..: ");
	unlink("d/f");
	rmdir("d");
	refuse("none", -ENOENT, "");
	assert_string_equal(said, "");
}

static void a_larger_file_is_refused(void **state)
{
	char data[MAX + 1] = { 0 }, *text;
	size_t len;

	(void)state;
	put("f", data, MAX);
	assert_int_equal(app_file_read(dirfd_, "f", MAX, &text, &len, tell), 0);
	assert_int_equal(len, MAX);
	free(text);
	put("f", data, MAX + 1);
	refuse("f", -EFBIG, "f: larger than 4096 bytes");
	/* However large it says that it is, no more is read or allocated. */
	assert_int_equal(truncate("f", 1LL << 40), 0);
	refuse("f", -EFBIG, "f: larger than 4096 bytes");
	unlink("f");
}

/* What has a size of 0 and yet something in it. */
static void the_size_is_not_believed(void **state)
{
	int proc = open("/proc/self", O_PATH | O_DIRECTORY | O_CLOEXEC);
	char *text;
	size_t len;

	(void)state;
	assert_true(proc >= 0);
	assert_int_equal(app_file_read(proc, "stat", MAX, &text, &len, tell),
			 0);
	assert_true(len > 0);
	free(text);
	close(proc);
}

static bool done;

/* A file, a link out of here, a pipe and nothing, all of one name. */
static void *swap(void *arg)
{
	(void)arg;
	while (!__atomic_load_n(&done, __ATOMIC_RELAXED)) {
		put("new", "good", 4);
		rename("new", "f");
		if (!symlink("/etc/hostname", "new"))
			rename("new", "f");
		if (!mkfifo("new", 0600))
			rename("new", "f");
		unlink("f");
	}
	return NULL;
}

static void a_swap_in_between_is_of_no_use(void **state)
{
	pthread_t thread;
	int i, err, read = 0;
	char *text;
	size_t len;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, swap, NULL), 0);
	for (i = 0; i < 20000 || (read < 10 && i < 2000000); i++) {
		err = app_file_read(dirfd_, "f", MAX, &text, &len, tell);
		if (err) {
			assert_true(err == -ENOENT || err == -EBADMSG);
			continue;
		}
		/* A file that is still being written is empty. */
		assert_true(!len || (len == 4 && !memcmp(text, "good", 4)));
		read++;
		free(text);
	}
	__atomic_store_n(&done, true, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	unlink("f");
	unlink("new");
	assert_true(read > 0);
}

static void a_document_is_read_from_its_directory(void **state)
{
	static const char text[] =
		"{\"manifest_version\":2,\"name\":\"n\",\"runner\":\"r\"}";
	struct app_sys_config *config;
	struct app_compose *compose;

	(void)state;
	put("app-compose.json", text, sizeof(text) - 1);
	assert_int_equal(app_compose_read("app-compose.json", &compose, tell),
			 0);
	assert_string_equal(compose->name, "n");
	app_compose_free(compose);
	assert_int_equal(app_sys_config_read("./app-compose.json", &config,
					     tell), 0);
	app_sys_config_free(config);
	unlink("app-compose.json");
	assert_int_equal(app_compose_read("app-compose.json", &compose, tell),
			 -ENOENT);
	assert_null(compose);
	assert_non_null(strstr(said, "app-compose.json: No such file"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_file_is_read_as_it_is),
		cmocka_unit_test(links_are_not_followed),
		cmocka_unit_test(what_is_no_file_is_not_waited_for),
		cmocka_unit_test(names_are_only_names),
		cmocka_unit_test(a_larger_file_is_refused),
		cmocka_unit_test(the_size_is_not_believed),
		cmocka_unit_test(a_swap_in_between_is_of_no_use),
		cmocka_unit_test(a_document_is_read_from_its_directory),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
