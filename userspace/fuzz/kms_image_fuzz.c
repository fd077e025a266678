// SPDX-License-Identifier: MIT
/*
 * OS images that a stranger made
 *
 * Copyright The dstack for Linux authors
 *
 * 's': sha256sum.txt; 'm': metadata.json; 'c': what a guest says of its
 * machine; 'a': an archive, which is unpacked.
 */
#include "fuzz.h"

#include <archive.h>
#include <archive_entry.h>
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

/* Its readers are nobody else's. */
#include "../kmsd/image/files.c"

#define FILE_SIZE	(1U << 20)	/* larger ones can't be stored here */
#define UNPACKED	"unpacked"

static int scratch = -1;
static char scratch_path[] = "/tmp/dstack-fuzz-XXXXXX";

static void hear(const char *line)
{
	must(*line);
}

static void try_sums(const char *text, size_t len)
{
	static struct sums sums;
	size_t i;

	sums.nr = 0;
	if (!read_lines(&sums, text, len))
		return;
	must(sums.nr <= IMAGE_FILES_MAX);
	for (i = 0; i < sums.nr; i++)
		must(image_name_ok(sums.sum[i].name) &&
		     find_sum(&sums, sums.sum[i].name) == &sums.sum[i]);
}

static void try_metadata(const char *text, size_t len)
{
	struct image_why why = { "" };
	struct reading reading = { .tell = hear, .why = &why };
	struct image_files files = { .cmdline = NULL };
	bool good = !parse_metadata(&reading, text, len, &files);
	int i;

	must(good == !why.text[0]);
	must(!good || strlen(files.cmdline) <= CMDLINE_MAX);
	for (i = 0; i < __IMAGE_PART_MAX; i++) {
		must(!good || strlen(reading.part[i]) <= NAME_SIZE);
		free(reading.part[i]);
	}
	image_files_clear(&files);
}

static void try_config(const char *text, size_t len)
{
	struct image_why why = { "" };
	uint64_t memory;

	must(!image_config_read(text, len, &memory, &why) == !why.text[0]);
}

static size_t check_files(int dir, bool (*good)(int dir, const char *name))
{
	DIR *entries = fdopendir(openat(dir, ".", O_RDONLY | O_DIRECTORY |
					O_CLOEXEC));
	struct dirent *entry;
	size_t nr = 0;

	must(entries);
	while ((entry = readdir(entries))) {
		if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
			continue;
		must(good(dir, entry->d_name));
		nr++;
	}
	closedir(entries);
	return nr;
}

static bool is_plain(int dir, const char *name)
{
	struct stat st;

	return image_name_ok(name) &&
		!fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) &&
		S_ISREG(st.st_mode) && st.st_nlink == 1 && !(st.st_mode & 077);
}

static bool is_unpacked(int dir, const char *name)
{
	(void)dir;
	return !strcmp(name, UNPACKED);
}

/* Whatever it was: plain files with plain names, and nothing beside them. */
static void check_unpacked(int dir)
{
	must(check_files(dir, is_plain) <= IMAGE_FILES_MAX);
	must(check_files(scratch, is_unpacked) == 1);
}

static void end_scratch(void)
{
	image_remove(scratch, UNPACKED);
	rmdir(scratch_path);
}

static void begin_scratch(void)
{
	const struct rlimit limit = { FILE_SIZE, FILE_SIZE };

	must(mkdtemp(scratch_path));
	scratch = open(scratch_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	must(scratch >= 0 && !atexit(end_scratch));
	/* A disk that is full soon: an error, and no signal. */
	signal(SIGXFSZ, SIG_IGN);
	must(!setrlimit(RLIMIT_FSIZE, &limit));
}

static void try_archive(const void *data, size_t len)
{
	struct image_why why = { "" };
	int fd = memfd_create("archive", MFD_CLOEXEC), dir;

	if (scratch < 0)
		begin_scratch();
	must(fd >= 0 && write(fd, data, len) == (ssize_t)len &&
	     !lseek(fd, 0, SEEK_SET));
	must(!mkdirat(scratch, UNPACKED, 0700));
	dir = openat(scratch, UNPACKED, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	must(dir >= 0);
	must(!image_unpack(fd, dir, &why) == !why.text[0]);
	check_unpacked(dir);
	close(dir);
	close(fd);
	image_remove(scratch, UNPACKED);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	char *text;

	if (!len)
		return 0;
	text = fuzz_copy(data + 1, len - 1);
	if (*data == 's')
		try_sums(text, len - 1);
	else if (*data == 'm')
		try_metadata(text, len - 1);
	else if (*data == 'c')
		try_config(text, len - 1);
	else
		try_archive(text, len - 1);
	free(text);
	return 0;
}

#define HASH	"0101010101010101010101010101010101010101010101010101010101010101"

static void add(struct archive *archive, const char *name, int type)
{
	struct archive_entry *entry = archive_entry_new();
	size_t len = type == AE_IFREG ? strlen(name) : 0;

	archive_entry_set_pathname(entry, name);
	archive_entry_set_filetype(entry, type);
	archive_entry_set_perm(entry, 0755);
	archive_entry_set_size(entry, len);
	if (type == AE_IFLNK)
		archive_entry_set_symlink(entry, "/etc/passwd");
	must(archive_write_header(archive, entry) == ARCHIVE_OK);
	if (len)
		must(archive_write_data(archive, name, len) == (la_ssize_t)len);
	archive_entry_free(entry);
}

static void seed_archive(bool gzip, const char *name, int type)
{
	static char data[65536] = { 'a' };
	struct archive *archive = archive_write_new();
	size_t len;

	if (gzip)
		archive_write_add_filter_gzip(archive);
	archive_write_set_format_pax_restricted(archive);
	must(!archive_write_open_memory(archive, data + 1, sizeof(data) - 1,
					&len));
	add(archive, "./", AE_IFDIR);
	add(archive, name, type);
	add(archive, "./sha256sum.txt", AE_IFREG);
	must(!archive_write_close(archive));
	archive_write_free(archive);
	fuzz_seed(data, 1 + len);
}

void fuzz_seeds(void)
{
	fuzz_seed_text("s" HASH "  ovmf.fd\n" HASH " *metadata.json\n");
	fuzz_seed_text("m{\"version\":\"0.5.9\",\"is_dev\":false,"
		       "\"bios\":\"ovmf.fd\",\"kernel\":\"bzImage\","
		       "\"initrd\":\"initrd.gz\",\"cmdline\":\"a=b\"}");
	fuzz_seed_text("c{\"cpu_count\":1,\"memory_size\":2147483648,"
		       "\"ovmf_variant\":\"pre202505\"}");
	fuzz_seed_text("c{\"vm_config\":\"{\\\"memory_size\\\":1}\"}");
	seed_archive(false, "./bzImage", AE_IFREG);
	seed_archive(true, "./bzImage", AE_IFREG);
	seed_archive(false, "./link", AE_IFLNK);
	seed_archive(false, "../out", AE_IFREG);
	seed_archive(false, "./sha256sum.txt", AE_IFREG);
}
