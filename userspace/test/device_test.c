// SPDX-License-Identifier: MIT
/*
 * What the library does without a dstack device
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
#include <libdstack.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static char said[LIBDSTACK_MESSAGE_MAX];

static void on_message(const char *message)
{
	snprintf(said, sizeof(said), "%s", message);
}

static int setup(void **state)
{
	(void)state;
	*said = '\0';
	libdstack_set_message_callback(on_message);
	return 0;
}

static void missing_device_names_the_next_step(void **state)
{
	(void)state;
	setenv("DSTACK_DEVICE", "/nonexistent/dstack", 1);
	assert_int_equal(libdstack_device_open(), -ENOENT);
	assert_non_null(strstr(said, "modprobe dstack"));
}

static void other_device_is_told_from_ours(void **state)
{
	struct dstack_info info;
	int fd;

	(void)state;
	setenv("DSTACK_DEVICE", "/dev/null", 1);
	fd = libdstack_device_open();
	assert_true(fd >= 0);
	assert_int_equal(libdstack_info(fd, &info), -ENOTTY);
	assert_non_null(strstr(said, "not a dstack device"));
	close(fd);
}

static void names_that_do_not_fit_are_not_cut(void **state)
{
	struct dstack_why why;
	char name[DSTACK_NAME_SIZE + 1], id[DSTACK_ID_SIZE + 1];
	uint64_t seq;

	(void)state;
	memset(name, 'a', DSTACK_NAME_SIZE);
	memset(id, 'a', DSTACK_ID_SIZE);
	name[DSTACK_NAME_SIZE] = '\0';
	id[DSTACK_ID_SIZE] = '\0';
	assert_int_equal(libdstack_extend(-1, name, "", 0, &seq), -EINVAL);
	assert_int_equal(libdstack_why(-1, -1, DSTACK_KIND_EXEC, id, &why),
			 -EINVAL);
	name[DSTACK_NAME_SIZE - 1] = '\0';
	id[DSTACK_ID_SIZE - 1] = '\0';
	assert_int_equal(libdstack_extend(-1, name, "", 0, &seq), -EBADF);
	assert_int_equal(libdstack_why(-1, -1, DSTACK_KIND_EXEC, id, &why),
			 -EBADF);
}

static void too_much_data_is_not_cut(void **state)
{
	static const char data[DSTACK_USER_DATA_MAX + 1];
	uint64_t seq;

	(void)state;
	assert_int_equal(libdstack_extend(-1, "a", data, sizeof(data), &seq),
			 -EMSGSIZE);
}

static uint32_t kind_of(const char *content)
{
	int fd = memfd_create("kind", MFD_CLOEXEC);
	uint32_t kind = 0;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, content, strlen(content)), strlen(content));
	assert_int_equal(libdstack_file_kind(fd, &kind), 0);
	close(fd);
	return kind;
}

static void kind_is_what_the_file_would_run_as(void **state)
{
	uint32_t kind = 0;
	int fd;

	(void)state;
	assert_int_equal(kind_of("#!/bin/sh\n"), DSTACK_KIND_SCRIPT);
	assert_int_equal(kind_of("#"), DSTACK_KIND_EXEC);
	assert_int_equal(kind_of(""), DSTACK_KIND_EXEC);
	fd = open("/proc/self/exe", O_RDONLY);
	assert_int_equal(libdstack_file_kind(fd, &kind), 0);
	assert_int_equal(kind, DSTACK_KIND_EXEC);
	close(fd);
	assert_int_equal(libdstack_file_kind(-1, &kind), -EBADF);
}

#define TEST(name) cmocka_unit_test_setup(name, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(missing_device_names_the_next_step),
		TEST(other_device_is_told_from_ours),
		TEST(names_that_do_not_fit_are_not_cut),
		TEST(too_much_data_is_not_cut),
		TEST(kind_is_what_the_file_would_run_as),
	};

	return cmocka_run_group_tests_name("device", tests, NULL, NULL);
}
