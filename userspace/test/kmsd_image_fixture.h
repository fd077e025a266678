/* SPDX-License-Identifier: MIT */
/*
 * An OS image that tests make themselves, and the TD that booted it
 *
 * Copyright The dstack for Linux authors
 */
#ifndef KMSD_IMAGE_FIXTURE_H
#define KMSD_IMAGE_FIXTURE_H

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/sha.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "../kmsd/image/room.h"
#include "mr_fixture.h"

#define MEMORY		(2ULL << 30)
#define CONFIG		"{\"cpu_count\":1,\"memory_size\":2147483648}"
#define CMDLINE		"console=ttyS0 dstack.rootfs_hash=00"
#define METADATA_TEXT \
	"{\"version\":\"0.5.9\",\"is_dev\":false,\"bios\":\"ovmf.fd\"," \
	"\"kernel\":\"bzImage\",\"initrd\":\"initrd.gz\"," \
	"\"cmdline\":\"" CMDLINE "\"}"

struct fixture_file {
	const char *name;
	const void *data;
	size_t len;
};

static uint8_t fixture_ovmf[FIRMWARE_SIZE], fixture_bzimage[KERNEL_SIZE];
static const char fixture_initrd[] = "an initrd";
static char fixture_sums[16384];
static uint8_t fixture_hash[IMAGE_HASH];
static char fixture_name[2 * IMAGE_HASH + 1];
static char fixture_root[64], fixture_dir[80], fixture_tables[80];
static char fixture_said[4096];		/* to whoever operates it */
static struct libdstack_td fixture_td;
static struct image_why why;

static struct fixture_file fixture_files[] = {
	{ "ovmf.fd", fixture_ovmf, sizeof(fixture_ovmf) },
	{ "bzImage", fixture_bzimage, sizeof(fixture_bzimage) },
	{ "initrd.gz", fixture_initrd, sizeof(fixture_initrd) - 1 },
	{ "rootfs.img", "a root", 6 },
	{ "metadata.json", METADATA_TEXT, sizeof(METADATA_TEXT) - 1 },
};

#define FIXTURE_FILES	(sizeof(fixture_files) / sizeof(fixture_files[0]))

static inline void fixture_tell(const char *line)
{
	size_t len = strlen(fixture_said);

	snprintf(fixture_said + len, sizeof(fixture_said) - len, "%s\n", line);
}

static inline void fixture_write(const char *dir, const char *name,
				 const void *data, size_t len)
{
	char path[512];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, data, len), len);
	close(fd);
}

static inline void fixture_add_sum(const char *name, const void *data,
				   size_t len)
{
	uint8_t hash[IMAGE_HASH];
	char hex[2 * IMAGE_HASH + 1];
	size_t used = strlen(fixture_sums);

	SHA256(data, len, hash);
	libdstack_to_hex(hash, sizeof(hash), hex);
	snprintf(fixture_sums + used, sizeof(fixture_sums) - used, "%s  %s\n",
		 hex, name);
}

/* The image's name, of what fixture_sums says by now. */
static inline void fixture_name_it(void)
{
	SHA256((const uint8_t *)fixture_sums, strlen(fixture_sums),
	       fixture_hash);
	libdstack_to_hex(fixture_hash, sizeof(fixture_hash), fixture_name);
}

static inline void fixture_sum_up(void)
{
	size_t i;

	fixture_sums[0] = '\0';
	for (i = 0; i < FIXTURE_FILES; i++)
		fixture_add_sum(fixture_files[i].name, fixture_files[i].data,
				fixture_files[i].len);
	fixture_name_it();
}

/* The image's directory, with all its files; where it is. */
static inline const char *fixture_put(void)
{
	static char dir[160];
	size_t i;

	snprintf(dir, sizeof(dir), "%s/%s", fixture_dir, fixture_name);
	assert_int_equal(mkdir(dir, 0700), 0);
	for (i = 0; i < FIXTURE_FILES; i++)
		fixture_write(dir, fixture_files[i].name, fixture_files[i].data,
			      fixture_files[i].len);
	fixture_write(dir, "sha256sum.txt", fixture_sums,
		      strlen(fixture_sums));
	return dir;
}

static inline void fixture_put_tables(const char *name)
{
	char dir[256];

	snprintf(dir, sizeof(dir), "%s/%s", fixture_tables, name);
	assert_int_equal(mkdir(dir, 0700), 0);
	fixture_write(dir, "table-loader", "loader", 6);
	fixture_write(dir, "rsdp", name, strlen(name));
	fixture_write(dir, "tables", "tables", 6);
}

/* What a TD measures that booted it, by a computation of its own. */
static inline void fixture_boot(const char *tables, bool two_pass)
{
	struct libdstack_mr_input input = {
		.firmware = { fixture_ovmf, sizeof(fixture_ovmf) },
		.kernel = { fixture_bzimage, sizeof(fixture_bzimage) },
		.initrd = { fixture_initrd, sizeof(fixture_initrd) - 1 },
		.cmdline = CMDLINE, .memory = MEMORY, .two_pass = two_pass,
		.have_acpi = true,
	};
	struct libdstack_failure failure;
	struct libdstack_mr mr;

	SHA384((const uint8_t *)"loader", 6, input.acpi[LIBDSTACK_ACPI_LOADER]);
	SHA384((const uint8_t *)tables, strlen(tables),
	       input.acpi[LIBDSTACK_ACPI_RSDP]);
	SHA384((const uint8_t *)"tables", 6, input.acpi[LIBDSTACK_ACPI_TABLES]);
	assert_int_equal(libdstack_mr_predict(&input, &mr, &failure), 0);
	memcpy(fixture_td.mr_td, mr.value[LIBDSTACK_MRTD], LIBDSTACK_MR_SIZE);
	memcpy(fixture_td.rtmr, mr.value[LIBDSTACK_RTMR0],
	       3UL * LIBDSTACK_MR_SIZE);
}

static inline int fixture_setup(void **state)
{
	(void)state;
	strcpy(fixture_root, "/tmp/dstack-image-XXXXXX");
	if (!mkdtemp(fixture_root))
		return -1;
	snprintf(fixture_dir, sizeof(fixture_dir), "%s/images", fixture_root);
	snprintf(fixture_tables, sizeof(fixture_tables), "%s/acpi",
		 fixture_root);
	mkdir(fixture_dir, 0700);
	mkdir(fixture_tables, 0700);
	fixture_firmware(fixture_ovmf);
	fixture_kernel(fixture_bzimage);
	fixture_sum_up();
	fixture_put_tables("small");
	fixture_put_tables("large");
	fixture_boot("large", false);
	fixture_said[0] = '\0';
	return 0;
}

static inline int fixture_teardown(void **state)
{
	char command[128];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf %s", fixture_root);
	return system(command);
}

static inline struct image_store *fixture_open(const char *url)
{
	const struct image_options options = {
		.dir = fixture_dir, .acpi = fixture_tables, .url = url,
		.seconds = 2, .tell = fixture_tell,
	};
	struct image_store *store;

	assert_int_equal(image_store_open(&options, &store), 0);
	return store;
}

static inline int fixture_ask(struct image_store *store, const char *config)
{
	const struct image_guest guest = {
		.hash = fixture_hash, .config = config,
		.config_len = strlen(config), .td = &fixture_td,
	};

	why.text[0] = '\0';
	return image_store_check(store, &guest, &why);
}

static inline void fixture_refused(struct image_store *store,
				   const char *config, int err,
				   const char *text)
{
	assert_int_equal(fixture_ask(store, config), err);
	if (!strstr(why.text, text))
		fail_msg("'%s' does not say '%s'", why.text, text);
}

/* How many things are in the directory of images. */
static inline size_t fixture_count(void)
{
	DIR *dir = opendir(fixture_dir);
	size_t nr = 0;

	assert_non_null(dir);
	while (readdir(dir))
		nr++;
	closedir(dir);
	return nr - 2;
}

#endif /* KMSD_IMAGE_FIXTURE_H */
