// SPDX-License-Identifier: MIT
/*
 * The files of an image are those that its hash names
 *
 * Copyright The dstack for Linux authors
 *
 * What is measured later is what was hashed here, and not read again: somebody
 * may write to the directory meanwhile.
 */
#include "room.h"

#include <ctype.h>
#include <errno.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../app/app.h"
#include "../../app/json.h"

#define SUMS		"sha256sum.txt"
#define METADATA	"metadata.json"
#define TEXT_MAX	65536		/* bytes of each of the two */
#define CMDLINE_MAX	4096
#define NAME_SIZE	129
#define BLOCK		65536

struct sum {
	char name[NAME_SIZE];
	uint8_t hash[IMAGE_HASH];
};

struct sums {
	struct sum sum[IMAGE_FILES_MAX];
	size_t nr;
};

/* While an image is read. */
struct reading {
	int dir;
	libdstack_message_fn tell;
	struct image_why *why;
	struct sums sums;
	char *part[__IMAGE_PART_MAX];	/* names */
	uint64_t left;			/* bytes */
};

int image_fail(struct image_why *why, int err, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(why->text, sizeof(why->text), fmt, args);
	va_end(args);
	return err;
}

bool image_name_ok(const char *name)
{
	const char *p = name;

	while (isalnum((unsigned char)*p) || (*p && strchr("._-+", *p)))
		p++;
	return p > name && !*p && *name != '.' && p - name < NAME_SIZE;
}

/*
 * Sums
 */

static const struct sum *find_sum(const struct sums *sums, const char *name)
{
	size_t i;

	for (i = 0; i < sums->nr; i++)
		if (!strcmp(sums->sum[i].name, name))
			return &sums->sum[i];
	return NULL;
}

/* As sha256sum(1) writes them: the digest, two characters, the name. */
static bool read_line(struct sums *sums, const char *line, size_t len)
{
	const size_t hex = 2 * IMAGE_HASH;
	struct sum *sum = &sums->sum[sums->nr];

	if (sums->nr == IMAGE_FILES_MAX || len < hex + 3 ||
	    len - hex - 2 >= NAME_SIZE || line[hex] != ' ' ||
	    (line[hex + 1] != ' ' && line[hex + 1] != '*') ||
	    !libdstack_from_hex(line, hex, sum->hash, IMAGE_HASH))
		return false;
	memcpy(sum->name, line + hex + 2, len - hex - 2);
	sum->name[len - hex - 2] = '\0';
	if (strlen(sum->name) != len - hex - 2 || !image_name_ok(sum->name) ||
	    find_sum(sums, sum->name))
		return false;
	sums->nr++;
	return true;
}

static bool read_lines(struct sums *sums, const char *text, size_t len)
{
	const char *end = text + len, *stop;

	while (text < end) {
		stop = memchr(text, '\n', end - text);
		stop = stop ? stop : end;
		if (!read_line(sums, text, stop - text))
			return false;
		text = stop + (stop < end);
	}
	return true;
}

static int read_sums(struct reading *reading, const uint8_t hash[IMAGE_HASH])
{
	uint8_t have[IMAGE_HASH];
	char *text = NULL;
	size_t len;
	int err = app_file_read(reading->dir, SUMS, TEXT_MAX, &text, &len,
				reading->tell);

	if (err)
		return image_fail(reading->why, -EBADMSG,
				  "its " SUMS " can't be read: %s",
				  strerror(-err));
	SHA256((const uint8_t *)text, len, have);
	if (memcmp(have, hash, IMAGE_HASH) != 0)
		err = image_fail(reading->why, -EBADMSG,
				 "its " SUMS " has another hash");
	else if (!read_lines(&reading->sums, text, len))
		err = image_fail(reading->why, -EBADMSG,
				 "its " SUMS " is no list of digests, each with a plain name that occurs once");
	free(text);
	return err;
}

/*
 * Files
 */

static int take_size(struct reading *reading, const char *name, size_t size)
{
	if (size > reading->left)
		return image_fail(reading->why, -EBADMSG,
				  "'%s' makes it larger than %llu bytes", name,
				  IMAGE_SIZE_MAX);
	reading->left -= size;
	return 0;
}

static int compare(struct reading *reading, const struct sum *sum,
		   const uint8_t have[IMAGE_HASH])
{
	return memcmp(sum->hash, have, IMAGE_HASH) ?
		image_fail(reading->why, -EBADMSG, "'%s' has another sum",
			   sum->name) : 0;
}

static int not_read(struct reading *reading, const char *name, int err)
{
	return image_fail(reading->why, err == -ENOMEM ? err : -EBADMSG,
			  "'%s' can't be read: %s", name, strerror(-err));
}

/* One that is needed: in memory, and compared there. */
static int read_whole(struct reading *reading, const char *name, size_t max,
		      char **data, size_t *len)
{
	const struct sum *sum = find_sum(&reading->sums, name);
	uint8_t have[IMAGE_HASH];
	int err;

	if (!sum)
		return image_fail(reading->why, -EBADMSG,
				  "'%s' is not in its " SUMS, name);
	err = app_file_read(reading->dir, name, max, data, len, reading->tell);
	if (err)
		return not_read(reading, name, err);
	SHA256((const uint8_t *)*data, *len, have);
	return take_size(reading, name, *len) ?: compare(reading, sum, have);
}

static int hash_blocks(struct reading *reading, const struct sum *sum, int fd,
		       EVP_MD_CTX *ctx)
{
	uint8_t block[BLOCK], have[IMAGE_HASH];
	ssize_t n;
	int err;

	while ((n = read(fd, block, sizeof(block))) > 0) {
		err = take_size(reading, sum->name, n);
		if (err)
			return err;
		if (!EVP_DigestUpdate(ctx, block, n))
			return not_read(reading, sum->name, -ENOMEM);
	}
	if (n < 0)
		return not_read(reading, sum->name, -errno);
	if (!EVP_DigestFinal_ex(ctx, have, NULL))
		return not_read(reading, sum->name, -ENOMEM);
	return compare(reading, sum, have);
}

/* One that is booted later, by a hash that the others have. */
static int hash_file(struct reading *reading, const struct sum *sum)
{
	int fd = app_file_open(reading->dir, sum->name, reading->tell), err;
	EVP_MD_CTX *ctx;

	if (fd < 0)
		return not_read(reading, sum->name, fd);
	ctx = EVP_MD_CTX_new();
	if (ctx && EVP_DigestInit_ex(ctx, EVP_sha256(), NULL))
		err = hash_blocks(reading, sum, fd, ctx);
	else
		err = not_read(reading, sum->name, -ENOMEM);
	EVP_MD_CTX_free(ctx);
	close(fd);
	return err;
}

static bool is_read(const struct reading *reading, const char *name)
{
	int i;

	for (i = 0; i < __IMAGE_PART_MAX; i++)
		if (!strcmp(reading->part[i], name))
			return true;
	return !strcmp(name, METADATA);
}

/*
 * What is booted
 */

/* Newer images say more there than is asked for here. */
static int parse_metadata(struct reading *reading, const char *text, size_t len,
			  struct image_files *files)
{
	static const char *const names[] = { "bios", "kernel", "initrd" };
	struct app_json json = {
		.file = METADATA, .object = "", .tell = reading->tell,
	};
	yyjson_doc *doc = NULL;
	int i, err = app_json_open(&json, text, len, &doc) ?:
		app_json_check(&json, NULL) ?:
		app_json_text(&json, "cmdline", CMDLINE_MAX, &files->cmdline);

	for (i = 0; !err && i < __IMAGE_PART_MAX; i++)
		err = app_json_text(&json, names[i], NAME_SIZE,
				    &reading->part[i]);
	yyjson_doc_free(doc);
	if (err)
		return image_fail(reading->why, err,
				  "its " METADATA " can't be understood");
	for (i = 0; i < __IMAGE_PART_MAX; i++)
		if (!reading->part[i])
			return image_fail(reading->why, -EBADMSG,
					  "its " METADATA " does not say its %s",
					  names[i]);
	if (!files->cmdline)
		return image_fail(reading->why, -EBADMSG,
				  "its " METADATA " does not say its command line");
	return 0;
}

static int read_metadata(struct reading *reading, struct image_files *files)
{
	char *text = NULL;
	size_t len = 0;
	int err = read_whole(reading, METADATA, TEXT_MAX, &text, &len) ?:
		parse_metadata(reading, text, len, files);

	free(text);
	return err;
}

static int read_all(struct reading *reading, struct image_files *files)
{
	size_t i;
	int err = read_metadata(reading, files);

	for (i = 0; !err && i < __IMAGE_PART_MAX; i++)
		err = read_whole(reading, reading->part[i],
				 LIBDSTACK_MR_FILE_MAX, &files->data[i],
				 &files->len[i]);
	for (i = 0; !err && i < reading->sums.nr; i++)
		if (!is_read(reading, reading->sums.sum[i].name))
			err = hash_file(reading, &reading->sums.sum[i]);
	return err;
}

int image_files_read(int dir, const uint8_t hash[IMAGE_HASH],
		     libdstack_message_fn tell, struct image_files *files,
		     struct image_why *why)
{
	struct reading *reading = calloc(1, sizeof(*reading));
	int i, err;

	memset(files, 0, sizeof(*files));
	if (!reading)
		return image_fail(why, -ENOMEM, "out of memory");
	reading->dir = dir;
	reading->tell = tell;
	reading->why = why;
	reading->left = IMAGE_SIZE_MAX;
	err = read_sums(reading, hash) ?: read_all(reading, files);
	for (i = 0; i < __IMAGE_PART_MAX; i++)
		free(reading->part[i]);
	free(reading);
	if (err)
		image_files_clear(files);
	return err;
}

void image_files_clear(struct image_files *files)
{
	int i;

	for (i = 0; i < __IMAGE_PART_MAX; i++)
		free(files->data[i]);
	free(files->cmdline);
	memset(files, 0, sizeof(*files));
}
