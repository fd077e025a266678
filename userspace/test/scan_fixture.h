/* SPDX-License-Identifier: MIT */
/*
 * A directory to scan, small ELF files, and claims about the policy
 *
 * Copyright The dstack for Linux authors
 */
#ifndef SCAN_FIXTURE_H
#define SCAN_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <libdstack.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib.h"
#include "scan.h"

static char message[LIBDSTACK_MESSAGE_MAX];
static char top[] = "/tmp/scan_test.XXXXXX";
static char dir[PATH_MAX / 2];		/* of the running test, in @top */

static void keep_message(const char *text)
{
	snprintf(message, sizeof(message), "%s", text);
}

static int remove_one(const char *path, const struct stat *st, int type,
		      struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static int make_top(void **state)
{
	(void)state;
	return mkdtemp(top) ? 0 : -1;
}

static int remove_top(void **state)
{
	(void)state;
	return nftw(top, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static int make_dir(void **state)
{
	static int nr;

	(void)state;
	*message = '\0';
	snprintf(dir, sizeof(dir), "%s/%d", top, nr++);
	return mkdir(dir, 0755);
}

static const char *in_dir(const char *name)
{
	static char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return path;
}

/* What tests can't do without; unlike cmocka's, analysers know abort(). */
static int valid(int fd)
{
	if (fd < 0)
		abort();
	return fd;
}

static void *allocated(void *memory)
{
	if (!memory)
		abort();
	return memory;
}

static void write_at(const char *name, const void *data, size_t len,
		     mode_t mode)
{
	int fd = valid(open(in_dir(name), O_WRONLY | O_CREAT | O_TRUNC, 0600));

	assert_int_equal(write(fd, data, len), len);
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
}

static void sha256(const void *data, size_t len, uint8_t *digest)
{
	assert_int_equal(EVP_Digest(data, len, digest, NULL, EVP_sha256(),
				    NULL), 1);
}

/*
 * The smallest files that count: an ELF header, program headers and a dynamic
 * section.
 */
struct elf64 {
	Elf64_Ehdr header;
	Elf64_Phdr segments[2];
	Elf64_Dyn dynamic[3];
	uint32_t serial;	/* makes files differ */
};

static struct elf64 make_elf(uint16_t type, uint32_t serial)
{
	struct elf64 elf = {
		.header = {
			.e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3,
				     ELFCLASS64, ELFDATA2LSB, EV_CURRENT },
			.e_type = type,
			.e_machine = EM_X86_64,
			.e_version = EV_CURRENT,
			.e_phoff = offsetof(struct elf64, segments),
			.e_ehsize = sizeof(Elf64_Ehdr),
			.e_phentsize = sizeof(Elf64_Phdr),
			.e_phnum = 2,
		},
		.segments = {
			{ .p_type = PT_LOAD },
			{ .p_type = PT_DYNAMIC,
			  .p_offset = offsetof(struct elf64, dynamic),
			  .p_filesz = sizeof(elf.dynamic) },
		},
		.dynamic = {
			{ .d_tag = DT_NEEDED }, { .d_tag = DT_NULL },
		},
		.serial = serial,
	};

	return elf;
}

static struct libdstack_policy *new_policy(void)
{
	static const uint8_t app_id[DSTACK_APP_ID_SIZE];
	struct libdstack_policy *policy;

	assert_int_equal(libdstack_policy_new(app_id, 1, &policy), 0);
	return policy;
}

static uint32_t scan_flags;

static int scan_into(struct libdstack_policy *policy, const char *path)
{
	uint8_t image[DSTACK_DIGEST_SIZE];

	*message = '\0';
	return libdstack_policy_scan(policy, "s", path, scan_flags, image);
}

static void assert_scan_fails(const char *path, int err, const char *says)
{
	struct libdstack_policy *policy = new_policy();

	assert_int_equal(scan_into(policy, path), err);
	if (!strstr(message, says))
		fail_msg("the message is '%s'", message);
	libdstack_policy_free(policy);
}

struct wanted {
	const uint8_t *digest;
	uint32_t kinds;
	char path[PATH_MAX];
	size_t rules;
};

static int look(const struct libdstack_rule *rule, void *arg)
{
	struct wanted *wanted = arg;

	wanted->rules++;
	if (wanted->digest &&
	    rule->digest.alg == DSTACK_ALG_SHA256 &&
	    !memcmp(rule->digest.value, wanted->digest,
		    sizeof(rule->digest.value))) {
		wanted->kinds = rule->kinds;
		snprintf(wanted->path, sizeof(wanted->path), "%s",
			 rule->path ? rule->path : "");
	}
	return 0;
}

static void assert_rules(const struct libdstack_policy *policy, size_t rules)
{
	struct wanted wanted = { 0 };

	libdstack_policy_each_rule(policy, "s", look, &wanted);
	assert_int_equal(wanted.rules, rules);
}

/* @path NULL: any; @kinds 0: must not be there. */
static void assert_rule(const struct libdstack_policy *policy,
			const void *data, size_t len, uint32_t kinds,
			const char *path)
{
	uint8_t digest[DSTACK_DIGEST_SIZE];
	struct wanted wanted = { .digest = digest };

	sha256(data, len, digest);
	libdstack_policy_each_rule(policy, "s", look, &wanted);
	assert_int_equal(wanted.kinds, kinds);
	if (path)
		assert_string_equal(wanted.path, path);
}

#define scan_unit_test(name) cmocka_unit_test_setup(name, make_dir)

#endif /* SCAN_FIXTURE_H */
