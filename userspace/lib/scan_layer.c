// SPDX-License-Identifier: MIT
/*
 * The layers of an image as the source of files
 *
 * Copyright The dstack for Linux authors
 *
 * A layer is a tar archive that was made by a stranger.  It is read as a
 * stream and never unpacked; libarchive is given the formats that the OCI
 * specification names and no others.
 */
#include "lib.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "scan.h"

#define WHITEOUT	".wh."
#define WHITEOUT_OPAQUE	".wh..wh..opq"

struct layer {
	struct scan *scan;
	struct scan_tree *tree;
	unsigned int nr;
	struct scan_blob *blob;
	struct archive *archive;
};

/*
 * Called for every block of the blob, so that it also bounds what libarchive
 * unpacks without showing it to us.
 */
static la_ssize_t read_blob(struct archive *archive, void *arg,
			    const void **data)
{
	struct layer *layer = arg;
	ssize_t n;

	if (archive_filter_bytes(archive, 0) > (int64_t)SCAN_BYTES_MAX) {
		archive_set_error(archive, EFBIG, "unpacks to more than %llu bytes",
				  SCAN_BYTES_MAX);
		return ARCHIVE_FATAL;
	}
	n = scan_blob_read(layer->blob, data);
	if (n < 0) {
		archive_set_error(archive, -n, "%s", strerror(-n));
		return ARCHIVE_FATAL;
	}
	return n;
}

static ssize_t read_entry(struct scan_source *source, void *buf, size_t len)
{
	struct layer *layer = source->arg;
	la_ssize_t n;

	do {
		n = archive_read_data(layer->archive, buf, len);
	} while (n == ARCHIVE_RETRY);
	return n < 0 ? -EBADMSG : n;
}

static int refuse_path(int err, const char *path)
{
	switch (err) {
	case 0:
	case -ENOMEM:
		return err;
	case -EXDEV:
		return scan_refuse(-EBADMSG, path, "has '..' in it, in a layer; the image is malformed");
	case -ENOTDIR:
		return scan_refuse(-EBADMSG, path, "leads through a file, in a layer; the image is malformed");
	case -ELOOP:
		return scan_refuse(err, path, "leads through too many directories or symlinks");
	default:
		return scan_refuse(err, path, "can't be placed: %s",
				   strerror(-err));
	}
}

/* @base is the last name in @path and starts with WHITEOUT. */
static int take_whiteout(struct layer *layer, char *path, char *base)
{
	char *name = base + strlen(WHITEOUT);
	int err;

	if (!strcmp(base, WHITEOUT_OPAQUE)) {
		*base = '\0';
		err = scan_tree_hide_below(layer->tree, path, layer->nr);
		return refuse_path(err, path);
	}
	if (!*name || !strcmp(name, ".") || !strcmp(name, ".."))
		return scan_refuse(-EBADMSG, path, "is a whiteout of nothing; the image is malformed");
	memmove(base, name, strlen(name) + 1);
	err = scan_tree_hide(layer->tree, path, layer->nr);
	return refuse_path(err, path);
}

/* The target may be what @path replaces, so it is copied before. */
static int take_hardlink(struct layer *layer, const char *path,
			 const char *to)
{
	struct scan_node *node;
	struct scan_content content;
	enum scan_type type;
	char *target;
	int err;

	err = scan_tree_get(layer->tree, to, &node);
	if (err == -ENOENT || (!err && node->type == SCAN_DIR))
		return scan_refuse(-EBADMSG, path, "is a hard link to no file of the image; the image is malformed");
	if (err)
		return refuse_path(err, to);
	content = node->content;
	type = node->type;
	target = node->target ? strdup(node->target) : NULL;
	if (node->target && !target)
		return -ENOMEM;
	err = scan_tree_put(layer->tree, path, layer->nr, type, &node);
	if (err) {
		free(target);
		return refuse_path(err, path);
	}
	node->content = content;
	node->target = target;
	return 0;
}

static int take_symlink(struct layer *layer, const char *path, const char *to)
{
	struct scan_node *node;
	int err;

	if (!to || strlen(to) >= PATH_MAX)
		return scan_refuse(-EBADMSG, path, "is a symlink without a usable target; the image is malformed");
	err = scan_tree_put(layer->tree, path, layer->nr, SCAN_SYMLINK, &node);
	if (err)
		return refuse_path(err, path);
	node->target = strdup(to);
	return node->target ? 0 : -ENOMEM;
}

static int take_file(struct layer *layer, const char *path, int64_t size)
{
	struct scan_source source = {
		.fd = -1, .read = read_entry, .arg = layer,
	};
	struct scan_node *node;
	int err;

	if (size < 0 || (uint64_t)size > SCAN_BYTES_MAX - layer->scan->bytes)
		return scan_refuse(-EFBIG, path, "makes the image larger than %llu bytes, which is the limit",
				   SCAN_BYTES_MAX);
	layer->scan->bytes += size;
	err = scan_tree_put(layer->tree, path, layer->nr, SCAN_FILE, &node);
	if (err)
		return refuse_path(err, path);
	return scan_content(layer->scan, path, &source, &node->content);
}

static int take_entry(struct layer *layer, struct archive_entry *entry,
		      char *path)
{
	const char *link = archive_entry_hardlink(entry);
	char *base = strrchr(path, '/');
	struct scan_node *node;
	enum scan_type type;

	base = base ? base + 1 : path;
	if (!strncmp(base, WHITEOUT, strlen(WHITEOUT)))
		return take_whiteout(layer, path, base);
	if (link)
		return take_hardlink(layer, path, link);
	switch (archive_entry_filetype(entry)) {
	case AE_IFREG:
		return take_file(layer, path, archive_entry_size(entry));
	case AE_IFLNK:
		return take_symlink(layer, path, archive_entry_symlink(entry));
	case AE_IFDIR:
		type = SCAN_DIR;
		break;
	default:
		type = SCAN_OTHER;
	}
	return refuse_path(scan_tree_put(layer->tree, path, layer->nr, type,
					 &node), path);
}

static int copy_path(struct archive_entry *entry, char path[PATH_MAX])
{
	const char *name = archive_entry_pathname(entry);
	size_t len;

	if (!name)
		name = archive_entry_pathname_utf8(entry);
	if (!name || !*name) {
		dstack_message("scan: a layer has an entry without a name; the image is malformed");
		return -EBADMSG;
	}
	len = strlen(name);
	if (len >= PATH_MAX)
		return scan_refuse(-ENAMETOOLONG, name, "is longer than the kernel takes");
	memcpy(path, name, len + 1);
	while (len && path[len - 1] == '/')
		path[--len] = '\0';
	return 0;
}

static int refuse_archive(struct layer *layer)
{
	const char *why = archive_error_string(layer->archive);

	return scan_refuse(-EBADMSG, scan_blob_name(layer->blob), "is not a layer that can be read: %s",
			   why ? why : "unknown error");
}

static int take_entries(struct layer *layer)
{
	struct archive_entry *entry;
	char path[PATH_MAX];
	int err, ret;

	for (;;) {
		ret = archive_read_next_header(layer->archive, &entry);
		if (ret == ARCHIVE_EOF)
			return 0;
		if (ret == ARCHIVE_RETRY)
			continue;
		if (ret < ARCHIVE_WARN)
			return refuse_archive(layer);
		err = scan_count_entry(layer->scan);
		if (!err)
			err = copy_path(entry, path);
		if (!err)
			err = take_entry(layer, entry, path);
		if (err)
			return err;
	}
}

static int open_archive(struct layer *layer)
{
	struct archive *archive = archive_read_new();

	layer->archive = archive;
	if (!archive)
		return -ENOMEM;
	if (archive_read_support_format_tar(archive) < ARCHIVE_WARN ||
	    archive_read_support_filter_gzip(archive) < ARCHIVE_WARN ||
	    archive_read_support_filter_zstd(archive) < ARCHIVE_WARN)
		return -ENOMEM;
	return 0;
}

/**
 * scan_layer() - put a layer over those before it
 * @scan: the scan
 * @tree: what the layers before add up to
 * @layer: the layer's number, from 1
 * @blob: the layer
 *
 * Return: 0 or -errno; a blob with a wrong digest is always refused, whatever
 * is in it.
 */
int scan_layer(struct scan *scan, struct scan_tree *tree, unsigned int layer,
	       struct scan_blob *blob)
{
	struct layer state = {
		.scan = scan, .tree = tree, .nr = layer, .blob = blob,
	};
	int err, blob_err;

	err = open_archive(&state);
	if (!err && archive_read_open(state.archive, &state, NULL, read_blob,
				      NULL))
		err = refuse_archive(&state);
	if (!err)
		err = take_entries(&state);
	archive_read_free(state.archive);

	/* The better explanation of both. */
	blob_err = scan_blob_finish(blob);
	return blob_err ? blob_err : err;
}
