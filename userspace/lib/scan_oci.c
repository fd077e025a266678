// SPDX-License-Identifier: MIT
/*
 * An OCI image layout: find the image for this machine, then its layers
 *
 * Copyright The dstack for Linux authors
 *
 * From index.json on everything is named by digest and size, and every blob is
 * checked against them.  Unknown fields are allowed: the format is not ours.
 */
#include "lib.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "scan.h"

#define OS		"linux"
#define ARCHITECTURE	"amd64"
#define DIGEST_PREFIX	"sha256:"
#define ADVICE		"copy one linux/amd64 image into a layout of its own"

static const char *const index_types[] = {
	"application/vnd.oci.image.index.v1+json",
	"application/vnd.docker.distribution.manifest.list.v2+json",
	NULL
};

static const char *const manifest_types[] = {
	"application/vnd.oci.image.manifest.v1+json",
	"application/vnd.docker.distribution.manifest.v2+json",
	NULL
};

static const char *const config_types[] = {
	"application/vnd.oci.image.config.v1+json",
	"application/vnd.docker.container.image.v1+json",
	NULL
};

static const char *const layer_types[] = {
	"application/vnd.oci.image.layer.v1.tar",
	"application/vnd.oci.image.layer.v1.tar+gzip",
	"application/vnd.oci.image.layer.v1.tar+zstd",
	"application/vnd.oci.image.layer.nondistributable.v1.tar",
	"application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
	"application/vnd.oci.image.layer.nondistributable.v1.tar+zstd",
	"application/vnd.docker.image.rootfs.diff.tar",
	"application/vnd.docker.image.rootfs.diff.tar.gzip",
	"application/vnd.docker.image.rootfs.diff.tar.zstd",
	NULL
};

/* Different manifests of one platform; @chosen is the first. */
struct candidates {
	size_t nr;
	struct scan_descriptor chosen;
};

struct oci {
	struct scan *scan;
	int dir;
	size_t indexes;
	struct candidates exact;	/* for linux/amd64 */
	struct candidates any;		/* that name no platform */
};

static bool is_one_of(json_t *object, const char *const *types)
{
	const char *type = json_string_value(json_object_get(object,
							     "mediaType"));

	for (; type && *types; types++)
		if (!strcmp(type, *types))
			return true;
	return false;
}

static int parse_json(const char *text, size_t len, const char *name,
		      json_t **root)
{
	json_error_t error;

	*root = json_loadb(text, len, JSON_REJECT_DUPLICATES, &error);
	if (*root)
		return 0;
	return scan_refuse(-EBADMSG, name, "line %d, column %d: %s",
			   error.line, error.column, error.text);
}

static int parse_descriptor(json_t *object, const char *name,
			    struct scan_descriptor *descriptor)
{
	const char *digest = json_string_value(json_object_get(object,
							       "digest"));
	json_t *size = json_object_get(object, "size");
	size_t skip = strlen(DIGEST_PREFIX);

	if (!digest || strncmp(digest, DIGEST_PREFIX, skip) ||
	    strlen(digest + skip) != 2 * DSTACK_DIGEST_SIZE ||
	    strspn(digest + skip, "0123456789abcdef") !=
	    2 * DSTACK_DIGEST_SIZE)
		return scan_refuse(-EBADMSG, name, "has a descriptor whose digest is not sha256:<64 lower-case hex digits>");
	if (!json_is_integer(size) || json_integer_value(size) < 0)
		return scan_refuse(-EBADMSG, name, "has a descriptor without a usable size");
	memcpy(descriptor->digest, digest + skip, sizeof(descriptor->digest));
	descriptor->size = json_integer_value(size);
	return 0;
}

static int load_json(const struct oci *oci,
		     const struct scan_descriptor *descriptor, json_t **root)
{
	char *text;
	int err;

	err = scan_blob_load(oci->dir, descriptor, &text);
	if (err)
		return err;
	err = parse_json(text, descriptor->size, descriptor->digest, root);
	free(text);
	return err;
}

static bool says(json_t *object, const char *field, const char *want)
{
	const char *value = json_string_value(json_object_get(object, field));

	return value && !strcmp(value, want);
}

static void consider(struct candidates *candidates,
		     const struct scan_descriptor *descriptor)
{
	if (candidates->nr &&
	    !strcmp(candidates->chosen.digest, descriptor->digest))
		return;		/* a second tag of the same image */
	if (!candidates->nr++)
		candidates->chosen = *descriptor;
}

static int search_index(struct oci *oci, json_t *index, const char *name,
			bool nested);

static int search_nested(struct oci *oci,
			 const struct scan_descriptor *descriptor)
{
	json_t *index;
	int err;

	if (++oci->indexes > SCAN_INDEXES_MAX)
		return scan_refuse(-E2BIG, "index.json", "has more than %d indexes in it; %s",
				   SCAN_INDEXES_MAX, ADVICE);
	err = load_json(oci, descriptor, &index);
	if (err)
		return err;
	err = search_index(oci, index, descriptor->digest, true);
	json_decref(index);
	return err;
}

static int search_entry(struct oci *oci, json_t *entry, const char *name,
			bool nested)
{
	json_t *platform = json_object_get(entry, "platform");
	struct scan_descriptor descriptor;
	bool match = says(platform, "os", OS) &&
		says(platform, "architecture", ARCHITECTURE);
	bool manifest = is_one_of(entry, manifest_types);
	int err;

	if ((platform && !match) ||
	    (!manifest && !is_one_of(entry, index_types)))
		return 0;
	err = parse_descriptor(entry, name, &descriptor);
	if (err)
		return err;
	if (manifest) {
		consider(platform ? &oci->exact : &oci->any, &descriptor);
		return 0;
	}
	if (nested)
		return scan_refuse(-EBADMSG, name, "is an index in an index and has one itself; %s",
				   ADVICE);
	return search_nested(oci, &descriptor);
}

static int search_index(struct oci *oci, json_t *index, const char *name,
			bool nested)
{
	json_t *entries = json_object_get(index, "manifests");
	json_t *entry;
	size_t i;
	int err;

	if (!json_is_array(entries))
		return scan_refuse(-EBADMSG, name, "has no array \"manifests\"; it is no image index");
	json_array_foreach(entries, i, entry) {
		err = search_entry(oci, entry, name, nested);
		if (err)
			return err;
	}
	return 0;
}

/* Small files of the layout itself, which no descriptor names. */
static int load_file(int dir, const char *name, json_t **root)
{
	struct scan_source source = { .read = scan_read_fd };
	char *text = malloc(SCAN_JSON_MAX + 1);
	size_t len = 0;
	ssize_t n = -ENOMEM;
	int err;

	source.fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK |
			   O_NOCTTY | O_CLOEXEC);
	if (source.fd < 0)
		n = -errno;
	while (text && source.fd >= 0) {
		n = source.read(&source, text + len, SCAN_JSON_MAX + 1 - len);
		if (n <= 0)
			break;
		len += n;
	}
	if (source.fd >= 0)
		close(source.fd);
	if (n < 0)
		err = scan_refuse(n, name, "can't be read: %s", strerror(-n));
	else if (len > SCAN_JSON_MAX)
		err = scan_refuse(-EFBIG, name, "is larger than %u bytes, which is the limit",
				  SCAN_JSON_MAX);
	else
		err = parse_json(text, len, name, root);
	free(text);
	return err;
}

static int check_layout(int dir)
{
	json_t *layout;
	int err;

	err = load_file(dir, "oci-layout", &layout);
	if (err)
		return err;
	if (!says(layout, "imageLayoutVersion", "1.0.0"))
		err = scan_refuse(-EBADMSG, "oci-layout", "is not of version 1.0.0, the only one known");
	json_decref(layout);
	return err;
}

static int find_manifest(struct oci *oci, struct scan_descriptor *manifest)
{
	const struct candidates *found = &oci->exact;
	json_t *index;
	int err;

	err = load_file(oci->dir, "index.json", &index);
	if (err)
		return err;
	err = search_index(oci, index, "index.json", false);
	json_decref(index);
	if (err)
		return err;
	if (!found->nr)
		found = &oci->any;
	if (found->nr != 1)
		return scan_refuse(-EBADMSG, "index.json", "names %zu images for %s/%s, not one; %s",
				   found->nr, OS, ARCHITECTURE, ADVICE);
	*manifest = found->chosen;
	return 0;
}

/* A manifest that names no platform has it in its configuration. */
static int check_config(const struct oci *oci, json_t *manifest)
{
	json_t *config = json_object_get(manifest, "config");
	struct scan_descriptor descriptor;
	json_t *root;
	int err;

	if (!is_one_of(config, config_types))
		return scan_refuse(-EBADMSG, "manifest", "has no container image's configuration; is it an image?");
	err = parse_descriptor(config, "manifest", &descriptor);
	if (!err)
		err = load_json(oci, &descriptor, &root);
	if (err)
		return err;
	if (!says(root, "os", OS) || !says(root, "architecture", ARCHITECTURE))
		err = scan_refuse(-EBADMSG, descriptor.digest, "is the configuration of an image for another platform; %s",
				  ADVICE);
	json_decref(root);
	return err;
}

static int apply_layer(const struct oci *oci, struct scan_tree *tree,
		       json_t *layer, unsigned int nr)
{
	struct scan_descriptor descriptor;
	struct scan_blob *blob;
	int err;

	err = parse_descriptor(layer, "manifest", &descriptor);
	if (err)
		return err;
	if (!is_one_of(layer, layer_types))
		return scan_refuse(-EBADMSG, descriptor.digest, "is a layer of a media type that is not known: want tar, plain or with gzip or zstd");
	err = scan_blob_open(oci->dir, &descriptor, &blob);
	if (err)
		return err;
	err = scan_layer(oci->scan, tree, nr, blob);
	scan_blob_close(blob);
	return err;
}

static int add_file(const char *path, const struct scan_content *content,
		    void *arg)
{
	return scan_add(arg, path, content);
}

static int apply_layers(const struct oci *oci, json_t *manifest)
{
	json_t *layers = json_object_get(manifest, "layers");
	struct scan_tree tree = { .root.type = SCAN_DIR };
	size_t i;
	int err = 0;

	if (!json_is_array(layers) || json_array_size(layers) > SCAN_LAYERS_MAX)
		return scan_refuse(-EBADMSG, "manifest", "has no array \"layers\" of at most %d",
				   SCAN_LAYERS_MAX);
	for (i = 0; i < json_array_size(layers) && !err; i++) {
		json_t *layer = json_array_get(layers, i);

		err = apply_layer(oci, &tree, layer, i + 1);
	}
	if (!err)
		err = scan_tree_each_file(&tree, add_file, oci->scan);
	scan_tree_free(&tree);
	return err;
}

/**
 * scan_is_oci() - is this directory an image layout
 * @dir: the directory
 *
 * Return: true if it has both files that a layout must have.
 */
bool scan_is_oci(int dir)
{
	struct stat st;

	return !fstatat(dir, "oci-layout", &st, AT_SYMLINK_NOFOLLOW) &&
		S_ISREG(st.st_mode) &&
		!fstatat(dir, "index.json", &st, AT_SYMLINK_NOFOLLOW) &&
		S_ISREG(st.st_mode);
}

/**
 * scan_oci() - add what can run in the image of a layout
 * @scan: the scan
 * @dir: the layout's directory
 * @image: SHA-256 of the image's manifest
 *
 * Return: 0 or -errno.
 */
int scan_oci(struct scan *scan, int dir, uint8_t image[DSTACK_DIGEST_SIZE])
{
	struct oci oci = { .scan = scan, .dir = dir };
	struct scan_descriptor descriptor;
	json_t *manifest;
	int err;

	err = check_layout(dir);
	if (!err)
		err = find_manifest(&oci, &descriptor);
	if (!err)
		err = load_json(&oci, &descriptor, &manifest);
	if (err)
		return err;
	err = check_config(&oci, manifest);
	if (!err)
		err = apply_layers(&oci, manifest);
	json_decref(manifest);
	if (!err)
		libdstack_from_hex(descriptor.digest,
				   strlen(descriptor.digest), image,
				   DSTACK_DIGEST_SIZE);
	return err;
}
