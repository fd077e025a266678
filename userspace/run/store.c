// SPDX-License-Identifier: MIT
/*
 * What podman's store has under the name of an image
 *
 * Copyright The dstack for Linux authors
 *
 * podman checks each blob as it is pulled.  Here the chain from the pinned
 * digest is gone through once more, in what the store has now: the manifest,
 * or the index and the manifest, by their bytes; the configuration by its
 * bytes; the layers by the digests that the store computed when it unpacked
 * them.  Their files are not read again: what runs of them is the policy's
 * business, file by file.
 */
#include "run.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LIST_MAX	(64U << 20)	/* bytes of the store's lists */
#define BLOB_MAX	(4U << 20)	/* of a manifest or configuration */
#define LAYERS_MAX	512
#define PREFIX		"sha256:"
#define HEX_SIZE	(2 * DSTACK_DIGEST_SIZE + 1)
#define ADVICE		"remove it with 'podman rmi --force', and start again"

struct reader {
	const struct run_store *store;
	const struct run_image *image;
	libdstack_message_fn tell;
	char id[HEX_SIZE];		/* of the image, in the store */
	char layer[HEX_SIZE];		/* its upmost */
};

static int refuse(const struct reader *reader, const char *what)
{
	char line[LIBDSTACK_MESSAGE_MAX];

	snprintf(line, sizeof(line), "image %.600s: %s in the store; " ADVICE,
		 reader->image->name, what);
	reader->tell(line);
	return -EBADMSG;
}

static const char *text_in(yyjson_val *object, const char *name)
{
	const char *text = yyjson_get_str(yyjson_obj_get(object, name));

	return text ? text : "";
}

/* "sha256:HEX", or NULL. */
static const char *hex_of(const char *digest)
{
	if (strncmp(digest, PREFIX, strlen(PREFIX)) != 0)
		return NULL;
	digest += strlen(PREFIX);
	return strlen(digest) == HEX_SIZE - 1 &&
		strspn(digest, "0123456789abcdef") == HEX_SIZE - 1 ? digest :
		NULL;
}

/* A file of the store, @dir relative to it. */
static int read_file(const struct reader *reader, const char *dir,
		     const char *name, size_t max, char **text, size_t *len)
{
	char path[PATH_MAX + 128];
	int fd, err;

	snprintf(path, sizeof(path), "%s/%s%s", reader->store->root,
		 reader->store->driver, dir);
	fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	err = app_file_read(fd, name, max, text, len, reader->tell);
	close(fd);
	return err;
}

static int read_list(const struct reader *reader, const char *dir,
		     const char *name, yyjson_doc **doc)
{
	char *text;
	size_t len;
	int err;

	*doc = NULL;
	err = read_file(reader, dir, name, LIST_MAX, &text, &len);
	if (err)
		return err;
	*doc = yyjson_read(text, len, 0);
	free(text);
	return *doc ? 0 : refuse(reader, "its entry can't be read");
}

/* What the store calls a blob: names with other letters are encoded. */
static int read_blob(const struct reader *reader, const char *key,
		     char **text, size_t *len, char hex[HEX_SIZE])
{
	uint8_t digest[SHA256_DIGEST_LENGTH];
	char dir[96], name[160] = "=";
	int err;

	if (strspn(key, "abcdefghijklmnopqrstuvwxyz0123456789.") ==
	    strlen(key))
		snprintf(name, sizeof(name), "%s", key);
	else
		EVP_EncodeBlock((uint8_t *)name + 1, (const uint8_t *)key,
				strlen(key));
	snprintf(dir, sizeof(dir), "-images/%s", reader->id);
	err = read_file(reader, dir, name, BLOB_MAX, text, len);
	if (err)
		return err;
	SHA256((const uint8_t *)*text, *len, digest);
	libdstack_to_hex(digest, sizeof(digest), hex);
	return 0;
}

static int read_json(const struct reader *reader, const char *key,
		     yyjson_doc **doc, char hex[HEX_SIZE])
{
	char *text;
	size_t len;
	int err;

	*doc = NULL;
	err = read_blob(reader, key, &text, &len, hex);
	if (err)
		return err;
	*doc = yyjson_read(text, len, 0);
	free(text);
	return *doc ? 0 : refuse(reader, "what its manifest leads to is no JSON");
}

/* Names in the store are whole: REPOSITORY:TAG or REPOSITORY@DIGEST. */
static bool has_name(yyjson_val *image, const char *repository)
{
	size_t len = strlen(repository), i, nr;
	yyjson_val *name;

	yyjson_arr_foreach(yyjson_obj_get(image, "names"), i, nr, name) {
		const char *text = yyjson_get_str(name);

		if (text && !strncmp(text, repository, len) &&
		    strchr(":@", text[len]) && !strchr(text + len, '/'))
			return true;
	}
	return false;
}

static bool has_manifest(yyjson_val *image, const char *hex)
{
	const char *digest = hex_of(text_in(image, "digest"));
	yyjson_val *name;
	size_t i, nr;

	if (digest && !strcmp(digest, hex))
		return true;
	yyjson_arr_foreach(yyjson_obj_get(image, "big-data-names"), i, nr, name)
		if (!strncmp(yyjson_get_str(name) ?: "", "manifest-" PREFIX,
			     strlen("manifest-" PREFIX)) &&
		    !strcmp(yyjson_get_str(name) + strlen("manifest-" PREFIX),
			    hex))
			return true;
	return false;
}

static bool is_id(const char *text)
{
	return strlen(text) == HEX_SIZE - 1 &&
		strspn(text, "0123456789abcdef") == HEX_SIZE - 1;
}

static int find_image(struct reader *reader, const char *hex)
{
	yyjson_val *image;
	yyjson_doc *doc;
	size_t i, nr;
	int err;

	err = read_list(reader, "-images", "images.json", &doc);
	if (err)
		return err;
	err = -ENOENT;
	yyjson_arr_foreach(yyjson_doc_get_root(doc), i, nr, image) {
		if (!has_name(image, reader->image->repository) ||
		    !has_manifest(image, hex))
			continue;
		if (!is_id(text_in(image, "id")) ||
		    !is_id(text_in(image, "layer"))) {
			err = refuse(reader, "its entry has no id or no layer");
			break;
		}
		memcpy(reader->id, text_in(image, "id"), HEX_SIZE);
		memcpy(reader->layer, text_in(image, "layer"), HEX_SIZE);
		err = 0;
		break;
	}
	yyjson_doc_free(doc);
	return err;
}

/* An index names manifests for many kinds of machines. */
static bool names(yyjson_val *index, const char *hex)
{
	yyjson_val *entry;
	size_t i, nr;

	yyjson_arr_foreach(yyjson_obj_get(index, "manifests"), i, nr, entry) {
		const char *digest = hex_of(text_in(entry, "digest"));

		if (digest && !strcmp(digest, hex))
			return true;
	}
	return false;
}

/* *@manifest: of this machine, by the pinned digest. */
static int check_manifest(const struct reader *reader, const char *pinned,
			  yyjson_doc **manifest)
{
	char key[sizeof("manifest-" PREFIX) + HEX_SIZE], hex[HEX_SIZE];
	yyjson_doc *index;
	int err;

	snprintf(key, sizeof(key), "manifest-" PREFIX "%s", pinned);
	err = read_json(reader, key, manifest, hex);
	if (err == -ENOENT)
		err = read_json(reader, "manifest", manifest, hex);
	if (err)
		return err == -ENOENT ? refuse(reader, "there is no manifest") :
			err;
	if (strcmp(hex, pinned) != 0)
		return refuse(reader, "the manifest has another digest");
	if (!yyjson_obj_get(yyjson_doc_get_root(*manifest), "manifests"))
		return 0;
	index = *manifest;
	err = read_json(reader, "manifest", manifest, hex);
	if (!err && !names(yyjson_doc_get_root(index), hex))
		err = refuse(reader, "the index does not name the manifest");
	yyjson_doc_free(index);
	return err;
}

static int check_config(const struct reader *reader, yyjson_val *manifest,
			yyjson_doc **config)
{
	const char *digest = text_in(yyjson_obj_get(manifest, "config"),
				     "digest");
	char hex[HEX_SIZE];
	int err;

	if (!hex_of(digest))
		return refuse(reader, "the manifest names no configuration");
	err = read_json(reader, digest, config, hex);
	if (err)
		return err == -ENOENT ?
			refuse(reader, "there is no configuration") : err;
	if (strcmp(hex, hex_of(digest)) != 0)
		return refuse(reader, "the configuration has another digest");
	return 0;
}

static yyjson_val *find_layer(yyjson_val *layers, const char *id)
{
	yyjson_val *layer;
	size_t i, nr;

	yyjson_arr_foreach(layers, i, nr, layer)
		if (!strcmp(text_in(layer, "id"), id))
			return layer;
	return NULL;
}

/* From the upmost down to the one that rests on none. */
static int compare_layers(const struct reader *reader, yyjson_val *layers,
			  yyjson_val *diff_ids)
{
	size_t nr = yyjson_arr_size(diff_ids);
	const char *id = reader->layer;

	if (!nr || nr > LAYERS_MAX)
		return refuse(reader, "the configuration names no layers, or more than 512");
	while (nr) {
		yyjson_val *layer = find_layer(layers, id);
		const char *want = yyjson_get_str(yyjson_arr_get(diff_ids,
								 --nr));

		if (!layer)
			return refuse(reader, "a layer is missing");
		if (!want || !hex_of(want) ||
		    strcmp(want, text_in(layer, "diff-digest")) != 0)
			return refuse(reader, "a layer has another digest");
		id = text_in(layer, "parent");
	}
	if (!*id)
		return 0;
	return refuse(reader, "there are more layers than in the configuration");
}

static int check_layers(const struct reader *reader, yyjson_val *config)
{
	yyjson_val *diff_ids = yyjson_obj_get(yyjson_obj_get(config, "rootfs"),
					      "diff_ids");
	yyjson_doc *layers;
	int err;

	err = read_list(reader, "-layers", "layers.json", &layers);
	if (err)
		return err == -ENOENT ? refuse(reader, "there are no layers") :
			err;
	err = compare_layers(reader, yyjson_doc_get_root(layers), diff_ids);
	yyjson_doc_free(layers);
	return err;
}

int run_store_check(const struct run_store *store,
		    const struct run_image *image,
		    libdstack_message_fn tell)
{
	struct reader reader = { .store = store, .image = image,
				 .tell = tell };
	yyjson_doc *manifest = NULL, *config = NULL;
	char pinned[HEX_SIZE];
	int err;

	libdstack_to_hex(image->digest, sizeof(image->digest), pinned);
	err = find_image(&reader, pinned);
	if (err)
		return err;
	err = check_manifest(&reader, pinned, &manifest) ?:
		check_config(&reader, yyjson_doc_get_root(manifest), &config) ?:
		check_layers(&reader, yyjson_doc_get_root(config));
	yyjson_doc_free(manifest);
	yyjson_doc_free(config);
	return err;
}
