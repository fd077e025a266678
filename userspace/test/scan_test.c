// SPDX-License-Identifier: MIT
/*
 * What holds for scans: every program is found, for the right kind, and
 * nothing outside is read
 *
 * Copyright The dstack for Linux authors
 */
#include "scan_fixture.h"

#include <link.h>
#include <sys/socket.h>
#include <sys/un.h>

/*
 * classification
 */

static uint32_t kinds_of(const void *data, size_t len)
{
	uint32_t kinds = 99;
	int fd;

	write_at("elf", data, len, 0755);
	fd = valid(open(in_dir("elf"), O_RDONLY));
	assert_int_equal(scan_elf_kinds(fd, &kinds), 0);
	close(fd);
	return kinds;
}

static uint32_t kinds_of_elf(const struct elf64 *elf)
{
	return kinds_of(elf, sizeof(*elf));
}

static void elf_type_and_flags_decide(void **state)
{
	struct elf64 elf = make_elf(ET_EXEC, 0);

	(void)state;
	assert_int_equal(kinds_of_elf(&elf), DSTACK_KIND_EXEC);
	elf.header.e_type = ET_REL;
	assert_int_equal(kinds_of_elf(&elf), 0);
	elf.header.e_type = ET_CORE;
	assert_int_equal(kinds_of_elf(&elf), 0);
	elf.header.e_type = ET_DYN;
	assert_int_equal(kinds_of_elf(&elf), DSTACK_KIND_MAP);

	/* A static program, position-independent. */
	elf.dynamic[0].d_tag = DT_FLAGS_1;
	elf.dynamic[0].d_un.d_val = DF_1_NOW | DF_1_PIE;
	assert_int_equal(kinds_of_elf(&elf), DSTACK_KIND_EXEC);
	elf.dynamic[0].d_un.d_val = DF_1_NOW;
	assert_int_equal(kinds_of_elf(&elf), DSTACK_KIND_MAP);

	/* A program of a linker that knew no such flag. */
	elf.segments[0].p_type = PT_INTERP;
	assert_int_equal(kinds_of_elf(&elf), DSTACK_KIND_EXEC);
}

static void elf_with_soname_is_never_a_program(void **state)
{
	struct elf64 elf = make_elf(ET_DYN, 0);

	(void)state;
	elf.segments[0].p_type = PT_INTERP;
	elf.dynamic[0].d_tag = DT_SONAME;
	assert_int_equal(kinds_of_elf(&elf), DSTACK_KIND_MAP);
	elf.dynamic[1].d_tag = DT_FLAGS_1;
	elf.dynamic[1].d_un.d_val = DF_1_PIE;
	assert_int_equal(kinds_of_elf(&elf), DSTACK_KIND_MAP);
}

static void entries_behind_the_last_are_ignored(void **state)
{
	struct elf64 elf = make_elf(ET_DYN, 0);

	(void)state;
	elf.dynamic[2].d_tag = DT_FLAGS_1;
	elf.dynamic[2].d_un.d_val = DF_1_PIE;
	assert_int_equal(kinds_of_elf(&elf), DSTACK_KIND_MAP);
}

static void malformed_elf_is_no_program(void **state)
{
	static const struct elf64 zero;
	struct elf64 elf = make_elf(ET_DYN, 0);
	const char *bytes = (const char *)&elf;
	size_t len;

	(void)state;
	for (len = 0; len < offsetof(struct elf64, serial); len++)
		assert_int_equal(kinds_of(bytes, len), 0);
	assert_int_equal(kinds_of_elf(&zero), 0);

	elf.header.e_ident[EI_CLASS] = 3;
	assert_int_equal(kinds_of_elf(&elf), 0);
	elf = make_elf(ET_DYN, 0);
	elf.header.e_ident[EI_DATA] = 0;
	assert_int_equal(kinds_of_elf(&elf), 0);
	elf = make_elf(ET_DYN, 0);
	elf.header.e_ident[EI_VERSION] = 2;
	assert_int_equal(kinds_of_elf(&elf), 0);
	elf = make_elf(ET_EXEC, 0);
	elf.header.e_phentsize = 55;
	assert_int_equal(kinds_of_elf(&elf), 0);
	elf = make_elf(ET_EXEC, 0);
	elf.header.e_phnum = 0;
	assert_int_equal(kinds_of_elf(&elf), 0);
	elf.header.e_phnum = PN_XNUM;
	assert_int_equal(kinds_of_elf(&elf), 0);
	elf = make_elf(ET_EXEC, 0);
	elf.header.e_phoff = UINT64_MAX - 10;
	assert_int_equal(kinds_of_elf(&elf), 0);
	elf.header.e_phoff = INT64_MAX - 10;
	assert_int_equal(kinds_of_elf(&elf), 0);
	elf = make_elf(ET_DYN, 0);
	elf.segments[1].p_offset = UINT64_MAX;
	assert_int_equal(kinds_of_elf(&elf), 0);
	elf = make_elf(ET_DYN, 0);
	elf.segments[1].p_filesz = UINT64_MAX;
	assert_int_equal(kinds_of_elf(&elf), 0);
	elf.segments[1].p_filesz = 0;
	assert_int_equal(kinds_of_elf(&elf), DSTACK_KIND_MAP);
}

static void elf_of_32_bits_and_other_byte_orders_is_read(void **state)
{
	struct {
		Elf32_Ehdr header;
		Elf32_Phdr segment;
		Elf32_Dyn dynamic[2];
	} elf = {
		.header = {
			.e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3,
				     ELFCLASS32, ELFDATA2MSB, EV_CURRENT },
			.e_type = htobe16(ET_DYN),
			.e_version = htobe32(EV_CURRENT),
			.e_phoff = htobe32(sizeof(elf.header)),
			.e_phentsize = htobe16(sizeof(elf.segment)),
			.e_phnum = htobe16(1),
		},
		.segment = {
			.p_type = htobe32(PT_DYNAMIC),
			.p_offset = htobe32(sizeof(elf.header) +
					    sizeof(elf.segment)),
			.p_filesz = htobe32(sizeof(elf.dynamic)),
		},
		.dynamic = {
			{ .d_tag = (Elf32_Sword)htobe32(DT_FLAGS_1),
			  .d_un.d_val = htobe32(DF_1_PIE) },
		},
	};

	(void)state;
	assert_int_equal(kinds_of(&elf, sizeof(elf)), DSTACK_KIND_EXEC);
	elf.dynamic[0].d_un.d_val = 0;
	assert_int_equal(kinds_of(&elf, sizeof(elf)), DSTACK_KIND_MAP);
}

static uint32_t kinds_of_file(const char *path)
{
	int fd = open(path, O_RDONLY);
	uint32_t kinds;

	if (fd < 0)
		return 0;
	assert_int_equal(scan_elf_kinds(fd, &kinds), 0);
	close(fd);
	return kinds;
}

static int check_loaded(struct dl_phdr_info *info, size_t size, void *arg)
{
	int *seen = arg;

	(void)size;
	if (*info->dlpi_name != '/')	/* the program, the vDSO */
		return 0;
	if (strstr(info->dlpi_name, "/libc.so"))
		*seen |= 1;
	else if (strstr(info->dlpi_name, "/ld-"))
		*seen |= 2;
	assert_int_equal(kinds_of_file(info->dlpi_name), DSTACK_KIND_MAP);
	return 0;
}

static void files_of_this_system_are_what_they_are(void **state)
{
	int seen = 0;

	(void)state;
	assert_int_equal(kinds_of_file("/bin/ls"), DSTACK_KIND_EXEC);
	assert_int_equal(kinds_of_file("/proc/self/exe"), DSTACK_KIND_EXEC);
	/* Debian's is a static program, position-independent. */
	if (!access("/sbin/ldconfig", R_OK))
		assert_int_equal(kinds_of_file("/sbin/ldconfig"),
				 DSTACK_KIND_EXEC);
	dl_iterate_phdr(check_loaded, &seen);
	assert_int_equal(seen, 3);
}

/*
 * directories
 */

static void directory_gives_programs_libraries_and_scripts(void **state)
{
	static const char script[] = "#!/bin/sh\nexit\n";
	struct elf64 exec = make_elf(ET_EXEC, 1), lib = make_elf(ET_DYN, 2);
	struct elf64 object = make_elf(ET_REL, 3);
	struct libdstack_policy *policy = new_policy();

	(void)state;
	mkdir(in_dir("usr"), 0755);
	mkdir(in_dir("usr/bin"), 0755);
	write_at("usr/bin/exec", &exec, sizeof(exec), 04755);
	write_at("usr/lib.so", &lib, sizeof(lib), 0644);
	write_at("usr/module.ko", &object, sizeof(object), 0644);
	write_at("usr/bin/script", script, strlen(script), 0755);
	write_at("text", "hello\n", 6, 0755);
	write_at("empty", "", 0, 0755);
	write_at("short", "#", 1, 0755);
	assert_int_equal(scan_into(policy, dir), 0);
	assert_string_equal(message, "");
	assert_rules(policy, 3);
	assert_rule(policy, &exec, sizeof(exec), DSTACK_KIND_EXEC,
		    "/usr/bin/exec");
	assert_rule(policy, &lib, sizeof(lib), DSTACK_KIND_MAP, "/usr/lib.so");
	assert_rule(policy, script, strlen(script), DSTACK_KIND_SCRIPT,
		    "/usr/bin/script");
	libdstack_policy_free(policy);
}

static void copies_are_one_rule_with_the_first_path(void **state)
{
	struct elf64 exec = make_elf(ET_EXEC, 1);
	struct libdstack_policy *policy = new_policy();
	char other[PATH_MAX];

	(void)state;
	write_at("m", &exec, sizeof(exec), 0755);
	write_at("z", &exec, sizeof(exec), 0755);
	snprintf(other, sizeof(other), "%s", in_dir("a"));
	assert_int_equal(link(in_dir("m"), other), 0);
	assert_int_equal(scan_into(policy, dir), 0);
	assert_rules(policy, 1);
	assert_rule(policy, &exec, sizeof(exec), DSTACK_KIND_EXEC, "/a");
	libdstack_policy_free(policy);
}

/* Would hang, loop or leave the root if any of them were opened. */
static void links_fifos_and_sockets_are_passed_by(void **state)
{
	struct elf64 exec = make_elf(ET_EXEC, 1), out = make_elf(ET_EXEC, 2);
	struct libdstack_policy *policy = new_policy();
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = valid(socket(AF_UNIX, SOCK_STREAM, 0));
	char other[PATH_MAX];

	(void)state;
	mkdir(in_dir("root"), 0755);
	mkdir(in_dir("outside"), 0755);
	write_at("outside/prog", &out, sizeof(out), 0755);
	write_at("root/prog", &exec, sizeof(exec), 0755);
	assert_int_equal(symlink("/", in_dir("root/slash")), 0);
	assert_int_equal(symlink(".", in_dir("root/loop")), 0);
	assert_int_equal(symlink("self", in_dir("root/self")), 0);
	assert_int_equal(symlink("../outside", in_dir("root/up")), 0);
	assert_int_equal(symlink("../outside/prog", in_dir("root/file")), 0);
	assert_int_equal(mkfifo(in_dir("root/fifo"), 0644), 0);
	snprintf(address.sun_path, sizeof(address.sun_path), "%s",
		 in_dir("root/socket"));
	assert_int_equal(bind(fd, (struct sockaddr *)&address,
			      sizeof(address)), 0);
	close(fd);
	snprintf(other, sizeof(other), "%s", in_dir("root"));
	assert_int_equal(scan_into(policy, other), 0);
	assert_rules(policy, 1);
	assert_rule(policy, &exec, sizeof(exec), DSTACK_KIND_EXEC, "/prog");
	libdstack_policy_free(policy);
}

/* A path is for people: what can't be shown is left out, the file is not. */
static void file_without_a_printable_name_is_listed(void **state)
{
	struct elf64 one = make_elf(ET_EXEC, 1), two = make_elf(ET_EXEC, 2);
	struct libdstack_policy *policy = new_policy();

	(void)state;
	write_at("a\nb", &one, sizeof(one), 0755);
	write_at("\xff", &two, sizeof(two), 0755);
	assert_int_equal(scan_into(policy, dir), 0);
	assert_rules(policy, 2);
	assert_rule(policy, &one, sizeof(one), DSTACK_KIND_EXEC, "");
	assert_rule(policy, &two, sizeof(two), DSTACK_KIND_EXEC, "");
	libdstack_policy_free(policy);
}

static void file_that_can_not_be_read_fails_the_scan(void **state)
{
	uid_t uid = geteuid();

	(void)state;
	write_at("prog", "#!x", 3, 0000);
	chmod(top, 0755);
	if (!uid)
		assert_int_equal(seteuid(65534), 0);
	assert_scan_fails(dir, -EACCES, "'/prog' can't be opened");
	if (!uid)
		assert_int_equal(seteuid(0), 0);
}

static void directory_too_deep_fails_the_scan(void **state)
{
	int i, fd, next;

	(void)state;
	fd = valid(open(dir, O_RDONLY | O_DIRECTORY));
	for (i = 0; i <= SCAN_DEPTH_MAX; i++) {
		assert_int_equal(mkdirat(fd, "d", 0755), 0);
		next = valid(openat(fd, "d", O_RDONLY | O_DIRECTORY));
		close(fd);
		fd = next;
	}
	close(fd);
	assert_scan_fails(dir, -ELOOP, "directories deep");
}

static void other_file_system_is_left_out_and_named(void **state)
{
	struct libdstack_policy *policy;
	struct stat dev, pts;

	(void)state;
	if (stat("/dev", &dev) || stat("/dev/pts", &pts) ||
	    dev.st_dev == pts.st_dev || access("/dev", R_OK) || geteuid())
		skip();
	policy = new_policy();
	assert_int_equal(scan_into(policy, "/dev"), 0);
	assert_non_null(strstr(message, "is on another file system"));
	libdstack_policy_free(policy);
}

static void file_is_scanned_alone(void **state)
{
	struct elf64 exec = make_elf(ET_EXEC, 1);
	struct libdstack_policy *policy = new_policy();
	char path[PATH_MAX];

	(void)state;
	write_at("prog", &exec, sizeof(exec), 0755);
	snprintf(path, sizeof(path), "%s", in_dir("prog"));
	assert_int_equal(scan_into(policy, path), 0);
	assert_rule(policy, &exec, sizeof(exec), DSTACK_KIND_EXEC, path);
	libdstack_policy_free(policy);
	write_at("text", "hello", 5, 0755);
	assert_scan_fails(in_dir("text"), -EINVAL, "neither a program");
}

static void missing_or_strange_path_fails(void **state)
{
	(void)state;
	assert_scan_fails(in_dir("none"), -ENOENT, "can't be opened");
	assert_scan_fails("/dev/null", -ENOTDIR, "neither a root directory");
}

/* linux/Documentation/filesystems/fsverity.rst, of a file of one block. */
static void verity_digest(const void *data, size_t len, uint8_t *digest)
{
	struct {
		uint8_t version, hash_algorithm, log_blocksize, salt_size;
		uint32_t sig_size;
		uint64_t data_size;
		uint8_t root_hash[64], salt[32], reserved[144];
	} descriptor = {
		.version = 1, .hash_algorithm = 1, .log_blocksize = 12,
		.data_size = htole64(len),
	};
	uint8_t block[4096] = { 0 };

	assert_int_equal(sizeof(descriptor), 256);
	assert_true(len <= sizeof(block));
	memcpy(block, data, len);
	sha256(block, sizeof(block), descriptor.root_hash);
	sha256(&descriptor, sizeof(descriptor), digest);
}

struct verity {
	uint8_t digest[DSTACK_DIGEST_SIZE];
	uint32_t kinds;
};

static int look_for_verity(const struct libdstack_rule *rule, void *arg)
{
	struct verity *wanted = arg;

	if (rule->digest.alg == DSTACK_ALG_FSVERITY_SHA256 &&
	    !memcmp(rule->digest.value, wanted->digest,
		    sizeof(wanted->digest)))
		wanted->kinds = rule->kinds;
	return 0;
}

static void fsverity_digests_are_added_when_asked_for(void **state)
{
	static const char script[] = "#!/bin/sh\n", text[] = "text";
	struct elf64 elf = make_elf(ET_EXEC, 7);
	struct libdstack_policy *policy = new_policy();
	struct verity wanted = { .kinds = 0 };

	(void)state;
	write_at("program", &elf, sizeof(elf), 0755);
	write_at("script", script, sizeof(script) - 1, 0755);
	write_at("text", text, sizeof(text) - 1, 0755);
	assert_int_equal(scan_into(policy, dir), 0);
	assert_rules(policy, 2);
	libdstack_policy_free(policy);

	policy = new_policy();
	scan_flags = LIBDSTACK_SCAN_FSVERITY;
	assert_int_equal(scan_into(policy, dir), 0);
	scan_flags = 0;
	assert_rules(policy, 4);
	assert_rule(policy, &elf, sizeof(elf), DSTACK_KIND_EXEC, NULL);
	verity_digest(&elf, sizeof(elf), wanted.digest);
	libdstack_policy_each_rule(policy, "s", look_for_verity, &wanted);
	assert_int_equal(wanted.kinds, DSTACK_KIND_EXEC);
	verity_digest(script, sizeof(script) - 1, wanted.digest);
	libdstack_policy_each_rule(policy, "s", look_for_verity, &wanted);
	assert_int_equal(wanted.kinds, DSTACK_KIND_SCRIPT);
	libdstack_policy_free(policy);
}

static void modules_and_firmware_are_listed_when_asked_for(void **state)
{
	static const char packed[] = "\3757zXZ", other[] = "other";
	struct elf64 module = make_elf(ET_REL, 7);
	struct libdstack_policy *policy = new_policy();

	(void)state;
	mkdir(in_dir("lib"), 0755);
	mkdir(in_dir("lib/firmware"), 0755);
	write_at("a.ko", &module, sizeof(module), 0644);
	write_at("b.ko.xz", packed, sizeof(packed), 0644);
	write_at("lib/firmware/c", other, sizeof(other), 0644);
	write_at("d.ko.txt", "no", 2, 0644);
	assert_int_equal(scan_into(policy, dir), 0);
	assert_rules(policy, 0);

	scan_flags = LIBDSTACK_SCAN_KERNEL;
	assert_int_equal(scan_into(policy, dir), 0);
	scan_flags = 0;
	assert_rules(policy, 3);
	assert_rule(policy, &module, sizeof(module), DSTACK_KIND_KERNEL,
		    "/a.ko");
	assert_rule(policy, packed, sizeof(packed), DSTACK_KIND_KERNEL,
		    "/b.ko.xz");
	assert_rule(policy, other, sizeof(other), DSTACK_KIND_KERNEL,
		    "/lib/firmware/c");
	libdstack_policy_free(policy);
}

static void large_file_is_hashed_whole(void **state)
{
	size_t len = 300000;
	struct libdstack_policy *policy = new_policy();
	struct elf64 exec = make_elf(ET_EXEC, 1);
	char *data = allocated(calloc(1, len));

	(void)state;
	memcpy(data, &exec, sizeof(exec));
	data[len - 1] = 1;
	write_at("prog", data, len, 0755);
	assert_int_equal(scan_into(policy, dir), 0);
	assert_rule(policy, data, len, DSTACK_KIND_EXEC, "/prog");
	free(data);
	libdstack_policy_free(policy);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		scan_unit_test(elf_type_and_flags_decide),
		scan_unit_test(elf_with_soname_is_never_a_program),
		scan_unit_test(entries_behind_the_last_are_ignored),
		scan_unit_test(malformed_elf_is_no_program),
		scan_unit_test(elf_of_32_bits_and_other_byte_orders_is_read),
		scan_unit_test(files_of_this_system_are_what_they_are),
		scan_unit_test(directory_gives_programs_libraries_and_scripts),
		scan_unit_test(copies_are_one_rule_with_the_first_path),
		scan_unit_test(links_fifos_and_sockets_are_passed_by),
		scan_unit_test(file_without_a_printable_name_is_listed),
		scan_unit_test(file_that_can_not_be_read_fails_the_scan),
		scan_unit_test(directory_too_deep_fails_the_scan),
		scan_unit_test(other_file_system_is_left_out_and_named),
		scan_unit_test(file_is_scanned_alone),
		scan_unit_test(missing_or_strange_path_fails),
		scan_unit_test(fsverity_digests_are_added_when_asked_for),
		scan_unit_test(modules_and_firmware_are_listed_when_asked_for),
		scan_unit_test(large_file_is_hashed_whole),
	};

	libdstack_set_message_callback(keep_message);
	return cmocka_run_group_tests(tests, make_top, remove_top);
}
