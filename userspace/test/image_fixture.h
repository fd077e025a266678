/* SPDX-License-Identifier: MIT */
/*
 * Image layouts for the tests, good and bad
 *
 * Copyright The dstack for Linux authors
 */
#ifndef IMAGE_FIXTURE_H
#define IMAGE_FIXTURE_H

#include "scan_fixture.h"

#include <archive.h>
#include <archive_entry.h>
#include <jansson.h>

#define MANIFEST	"application/vnd.oci.image.manifest.v1+json"
#define INDEX		"application/vnd.oci.image.index.v1+json"
#define CONFIG		"application/vnd.oci.image.config.v1+json"
#define LAYER		"application/vnd.oci.image.layer.v1.tar"

struct entry {
	const char *path;
	mode_t type;		/* 0: a hard link to @data */
	const void *data;
	size_t len;
};

static struct entry prog(const char *path, const struct elf64 *elf)
{
	return (struct entry){ path, AE_IFREG, elf, sizeof(*elf) };
}

static struct entry words(const char *path, const char *text)
{
	return (struct entry){ path, AE_IFREG, text, strlen(text) };
}

#define DIRECTORY(path)		{ path, AE_IFDIR, NULL, 0 }
#define SYMLINK(path, to)	{ path, AE_IFLNK, to, 0 }
#define HARDLINK(path, to)	{ path, 0, to, 0 }
#define WHITEOUT(path)		{ path, AE_IFREG, "", 0 }

static void add_entry(struct archive *archive, const struct entry *e)
{
	struct archive_entry *entry = archive_entry_new();

	archive_entry_set_pathname(entry, e->path);
	archive_entry_set_perm(entry, 0755);
	archive_entry_set_filetype(entry, e->type ? e->type : AE_IFREG);
	archive_entry_set_size(entry, e->len);
	if (!e->type)
		archive_entry_set_hardlink(entry, e->data);
	if (e->type == AE_IFLNK)
		archive_entry_set_symlink(entry, e->data);
	assert_true(archive_write_header(archive, entry) >= ARCHIVE_WARN);
	if (e->len)
		assert_int_equal(archive_write_data(archive, e->data, e->len),
				 e->len);
	archive_entry_free(entry);
}

#define TAR_MAX	(4 << 20)

/* @filter NULL: plain */
static char *make_tar(const struct entry *entries, size_t nr,
		      const char *filter, size_t *len)
{
	struct archive *archive = archive_write_new();
	char *data = allocated(malloc(TAR_MAX));
	size_t i;

	assert_int_equal(archive_write_set_format_pax_restricted(archive), 0);
	if (filter)
		assert_int_equal(archive_write_add_filter_by_name(archive,
								  filter), 0);
	assert_int_equal(archive_write_open_memory(archive, data, TAR_MAX,
						   len), 0);
	for (i = 0; i < nr; i++)
		add_entry(archive, &entries[i]);
	assert_int_equal(archive_write_close(archive), 0);
	archive_write_free(archive);
	return data;
}

/* Returns the blob's descriptor. */
static json_t *write_blob(const char *type, const void *data, size_t len)
{
	char name[128], text[96];
	char hex[2 * DSTACK_DIGEST_SIZE + 1];
	uint8_t digest[DSTACK_DIGEST_SIZE];

	sha256(data, len, digest);
	libdstack_to_hex(digest, sizeof(digest), hex);
	snprintf(name, sizeof(name), "blobs/sha256/%s", hex);
	snprintf(text, sizeof(text), "sha256:%s", hex);
	write_at(name, data, len, 0644);
	return json_pack("{s:s, s:s, s:I}", "mediaType", type, "digest", text,
			 "size", (json_int_t)len);
}

static json_t *write_json_blob(const char *type, json_t *root)
{
	char *text = json_dumps(root, 0);
	json_t *descriptor = write_blob(type, text, strlen(text));

	free(text);
	json_decref(root);
	return descriptor;
}

static void write_json(const char *name, json_t *root)
{
	char *text = json_dumps(root, 0);

	write_at(name, text, strlen(text), 0644);
	free(text);
	json_decref(root);
}

/* A layout as it grows: layers, then finish_*(). */
static json_t *layers;

static void start_layout(void)
{
	mkdir(in_dir("blobs"), 0755);
	mkdir(in_dir("blobs/sha256"), 0755);
	write_json("oci-layout", json_pack("{s:s}", "imageLayoutVersion",
					   "1.0.0"));
	layers = json_array();
}

static void add_layer_as(const char *type, const char *filter,
			 const struct entry *entries, size_t nr)
{
	size_t len;
	char *tar = make_tar(entries, nr, filter, &len);

	json_array_append_new(layers, write_blob(type, tar, len));
	free(tar);
}

#define add_layer(...) do { \
	const struct entry list[] = { __VA_ARGS__ }; \
	add_layer_as(LAYER, NULL, list, sizeof(list) / sizeof(list[0])); \
} while (0)

static json_t *write_manifest(const char *architecture)
{
	json_t *config = write_json_blob(CONFIG,
		json_pack("{s:s, s:s, s:{}}", "architecture", architecture,
			  "os", "linux", "config"));
	json_t *manifest = json_pack("{s:i, s:s, s:o, s:O}",
				     "schemaVersion", 2, "mediaType", MANIFEST,
				     "config", config, "layers", layers);

	return write_json_blob(MANIFEST, manifest);
}

static void set_platform(json_t *descriptor, const char *architecture)
{
	json_object_set_new(descriptor, "platform",
			    json_pack("{s:s, s:s}", "os", "linux",
				      "architecture", architecture));
}

static void write_index(json_t *manifests)
{
	write_json("index.json", json_pack("{s:i, s:o}", "schemaVersion", 2,
					   "manifests", manifests));
}

static void finish_layout(void)
{
	write_index(json_pack("[o]", write_manifest("amd64")));
	json_decref(layers);
}

static struct libdstack_policy *scan_layout(void)
{
	struct libdstack_policy *policy = new_policy();

	if (scan_into(policy, dir))
		fail_msg("the message is '%s'", message);
	assert_string_equal(message, "");
	return policy;
}

#endif /* IMAGE_FIXTURE_H */
