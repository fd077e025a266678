// SPDX-License-Identifier: MIT
/*
 * Scan a root directory, an image or a file; hash and classify what can run
 *
 * Copyright The dstack for Linux authors
 */
#include "lib.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "policy.h"
#include "scan.h"

#define BLOCK		65536
#define SHOWN_MAX	256	/* bytes of a path in a message */

/* Paths and what parsers say of them come from the image: defuse them. */
static void defuse(char *text)
{
	for (; *text; text++)
		if (*text < 0x20 || *text == 0x7f)
			*text = '?';
}

/* The end of a long path says more than its start. */
void scan_note(const char *path, const char *text)
{
	char line[LIBDSTACK_MESSAGE_MAX - 16];
	size_t len = strlen(path);

	if (len > SHOWN_MAX)
		path += len - SHOWN_MAX;
	snprintf(line, sizeof(line), "'%s' %s", path, text);
	defuse(line);
	dstack_message("scan: %s", line);
}

int scan_refuse(int err, const char *path, const char *fmt, ...)
{
	char text[LIBDSTACK_MESSAGE_MAX / 2];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	scan_note(path, text);
	return err;
}

int scan_count_entry(struct scan *scan)
{
	if (scan->entries++ < SCAN_ENTRIES_MAX)
		return 0;
	dstack_message("scan: more than %u files and directories; scan its parts one by one",
		       SCAN_ENTRIES_MAX);
	return -E2BIG;
}

ssize_t scan_read_fd(struct scan_source *source, void *buf, size_t len)
{
	ssize_t n;

	do {
		n = read(source->fd, buf, len);
	} while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

/* Disk rather than memory: programs of a gigabyte exist. */
static int spool_open(void)
{
	const char *dir = secure_getenv("TMPDIR");
	int fd;

	fd = open(dir && *dir ? dir : "/var/tmp",
		  O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (fd < 0)
		fd = memfd_create("dstack-scan", MFD_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static int spool_reset(struct scan *scan)
{
	if (scan->spool < 0) {
		scan->spool = spool_open();
		return scan->spool < 0 ? scan->spool : 0;
	}
	if (ftruncate(scan->spool, 0) || lseek(scan->spool, 0, SEEK_SET))
		return -errno;
	return 0;
}

static int spool_write(int fd, const char *data, size_t len)
{
	while (len) {
		ssize_t n = write(fd, data, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		data += n;
		len -= n;
	}
	return 0;
}

/* A whole block, or less at the end. */
static ssize_t read_block(struct scan_source *source, char *block)
{
	size_t done = 0;

	while (done < BLOCK) {
		ssize_t n = source->read(source, block + done, BLOCK - done);

		if (n < 0)
			return n;
		if (!n)
			break;
		done += n;
	}
	return done;
}

/* Hash everything from @block on, and spool it if @spool is not -1. */
static int digest_rest(struct scan_source *source, char *block, ssize_t n,
		       int spool, EVP_MD_CTX *md)
{
	uint64_t size = 0;
	int err = 0;

	for (; n > 0; n = read_block(source, block)) {
		size += n;
		if (size > SCAN_FILE_MAX)
			return -EFBIG;
		if (!EVP_DigestUpdate(md, block, n))
			return -ENOMEM;
		if (spool >= 0)
			err = spool_write(spool, block, n);
		if (err)
			return err;
		if (n < BLOCK)
			break;
	}
	return n < 0 ? n : 0;
}

static int digest_all(struct scan_source *source, char *block, ssize_t n,
		      int spool, uint8_t *digest)
{
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	int err = -ENOMEM;

	if (md && EVP_DigestInit_ex(md, EVP_sha256(), NULL))
		err = digest_rest(source, block, n, spool, md);
	if (!err && !EVP_DigestFinal_ex(md, digest, NULL))
		err = -ENOMEM;
	EVP_MD_CTX_free(md);
	return err;
}

static bool ends_with(const char *text, const char *end)
{
	size_t len = strlen(text), end_len = strlen(end);

	return len >= end_len && !strcmp(text + len - end_len, end);
}

/*
 * Modules and firmware have no common form, and the kernel may take them
 * compressed: their names are what it looks for.
 */
static bool is_for_kernel(const struct scan *scan, const char *path)
{
	static const char *const ends[] = { ".ko", ".ko.gz", ".ko.xz",
					    ".ko.zst" };
	size_t i;

	if (!(scan->flags & LIBDSTACK_SCAN_KERNEL))
		return false;
	for (i = 0; i < ARRAY_SIZE(ends); i++)
		if (ends_with(path, ends[i]))
			return true;
	return strstr(path, "/lib/firmware/") ||
		!strncmp(path, "lib/firmware/", 13);
}

/*
 * Everything of a file that can run, from its first block on.  Of an ELF file
 * the rest says in which roles.
 */
static int read_program(struct scan *scan, struct scan_source *source,
			char *block, ssize_t n, bool elf,
			struct scan_content *content)
{
	int err, fd = source->fd, spool = -1;
	uint32_t kinds = 0;

	if (fd < 0) {
		err = spool_reset(scan);
		if (err)
			return err;
		spool = scan->spool;
		fd = spool;
	}
	err = digest_all(source, block, n, spool, content->digest.value);
	if (err)
		return err;
	content->digest.alg = DSTACK_ALG_SHA256;
	if (elf)
		err = scan_elf_kinds(fd, &kinds);
	content->kinds |= kinds;
	if (err || !content->kinds)
		return err;
	return scan_verity(scan, fd, &content->verity);
}

/**
 * scan_content() - what a file is: the one way from bytes to a rule
 * @scan: the scan
 * @path: of the file, for messages
 * @source: its bytes
 * @content: digests and kinds, no kinds for a file that can't run
 *
 * Return: 0 or -errno.
 */
int scan_content(struct scan *scan, const char *path,
		 struct scan_source *source, struct scan_content *content)
{
	char block[BLOCK];
	ssize_t n;
	int err = 0;
	bool elf;

	memset(content, 0, sizeof(*content));
	if (is_for_kernel(scan, path))
		content->kinds = DSTACK_KIND_KERNEL;
	n = read_block(source, block);
	elf = n >= SELFMAG && !memcmp(block, ELFMAG, SELFMAG);
	if (n >= 2 && !memcmp(block, "#!", 2))
		content->kinds |= DSTACK_KIND_SCRIPT;
	if (n < 0)
		err = n;
	else if (elf || content->kinds)
		err = read_program(scan, source, block, n, elf, content);
	if (err == -EFBIG)
		return scan_refuse(err, path, "is larger than %llu bytes, which is the limit for a program",
				   SCAN_FILE_MAX);
	return err ? scan_refuse(err, path, "can't be read: %s",
				 strerror(-err)) : 0;
}

/**
 * scan_add() - add a file to the section
 * @scan: the scan
 * @path: in the container
 * @content: of the file
 *
 * Return: 0 or -errno.
 */
int scan_add(struct scan *scan, const char *path,
	     const struct scan_content *content)
{
	const char *shown = policy_text_ok(path) ? path : NULL;
	int err;

	if (!content->kinds)
		return 0;
	err = libdstack_policy_add(scan->policy, scan->section,
				   &content->digest, content->kinds, shown);
	if (err || content->verity.alg == DSTACK_ALG_NONE)
		return err;
	return libdstack_policy_add(scan->policy, scan->section,
				    &content->verity, content->kinds, shown);
}

static int scan_one(struct scan *scan, const char *path, int fd)
{
	struct scan_source source = { .fd = fd, .read = scan_read_fd };
	struct scan_content content;
	char *full;
	int err;

	full = realpath(path, NULL);
	if (!full)
		return scan_refuse(-errno, path, "can't be found: %s",
				   strerror(errno));
	err = scan_content(scan, full, &source, &content);
	if (!err && !content.kinds)
		err = scan_refuse(-EINVAL, full, "is neither a program or library nor a script");
	if (!err)
		err = scan_add(scan, full, &content);
	free(full);
	return err;
}

int libdstack_file_digest(int file, struct dstack_digest *digest)
{
	struct scan scan = { .spool = -1 };
	struct scan_source source = { .fd = file, .read = scan_read_fd };
	struct scan_content content;
	int err = scan_content(&scan, "the program", &source, &content);

	if (err)
		return err;
	if (!content.kinds)
		return -ENOEXEC;
	*digest = content.verity.alg == DSTACK_ALG_NONE ? content.digest :
							  content.verity;
	return 0;
}

static int scan_path(struct scan *scan, const char *path, int fd,
		     uint8_t image[DSTACK_DIGEST_SIZE])
{
	struct stat st;

	if (fstat(fd, &st))
		return scan_refuse(-errno, path, "%s", strerror(errno));
	if (S_ISREG(st.st_mode))
		return scan_one(scan, path, fd);
	if (!S_ISDIR(st.st_mode))
		return scan_refuse(-ENOTDIR, path, "is neither a root directory nor an OCI image layout nor a file");
	return scan_is_oci(fd) ? scan_oci(scan, fd, image) :
		scan_dir(scan, fd);
}

int libdstack_policy_scan(struct libdstack_policy *policy, const char *section,
			  const char *path, uint32_t flags,
			  uint8_t image[DSTACK_DIGEST_SIZE])
{
	struct scan scan = {
		.policy = policy, .section = section, .flags = flags,
		.spool = -1,
	};
	int fd, err;

	memset(image, 0, DSTACK_DIGEST_SIZE);
	err = libdstack_policy_add_section(policy, section);
	if (err)
		return err;
	fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0)
		return scan_refuse(-errno, path, "can't be opened: %s",
				   strerror(errno));
	err = scan_path(&scan, path, fd, image);
	if (scan.spool >= 0)
		close(scan.spool);
	close(fd);
	return err;
}
