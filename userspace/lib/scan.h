/* SPDX-License-Identifier: MIT */
/*
 * Find what can run in a root directory or an image
 *
 * Copyright The dstack for Linux authors
 *
 *	scan.c		what to scan; hash and classify one file
 *	elf.c		which kind an ELF file is
 *	scan_verity.c	the fs-verity digest of a file
 *	scan_dir.c	a directory as the source of files
 *	scan_oci.c	an OCI image layout: index, manifest, configuration
 *	scan_blob.c	a blob of the layout, checked against its descriptor
 *	scan_layer.c	the layers of an image as the source of files
 *	scan_tree.c	what the layers add up to
 *
 * Images come from strangers: every size and count has a bound.
 */
#ifndef DSTACK_LIB_SCAN_H
#define DSTACK_LIB_SCAN_H

#include <libdstack.h>
#include <limits.h>

#define SCAN_ENTRIES_MAX	(1U << 20)	/* files, directories, ... */
#define SCAN_BYTES_MAX		(64ULL << 30)	/* of all files in all layers */
#define SCAN_FILE_MAX		(4ULL << 30)	/* of one program or script */
#define SCAN_DEPTH_MAX		256		/* of directories */
#define SCAN_LAYERS_MAX		512
#define SCAN_INDEXES_MAX	64		/* nested in index.json */
#define SCAN_JSON_MAX		(4U << 20)	/* of an index or manifest */
#define SCAN_STEPS_MAX		1024		/* to one path, with symlinks */

/*
 * @flags are LIBDSTACK_SCAN_*.  @spool is an unlinked file for contents that
 * come as a stream, -1 until one is needed.
 */
struct scan {
	struct libdstack_policy *policy;
	const char *section;
	uint32_t flags;
	uint64_t entries;
	uint64_t bytes;
	int spool;
};

/* The bytes of one file; @fd, if not -1, gives them at any offset as well. */
struct scan_source {
	int fd;
	ssize_t (*read)(struct scan_source *source, void *buf, size_t len);
	void *arg;
};

/*
 * @kinds is 0 for a file that can't run; the digests are then unset.  @verity
 * is none if nobody asked for it.
 */
struct scan_content {
	uint32_t kinds;
	struct dstack_digest digest, verity;
};

/* scan.c */
int scan_content(struct scan *scan, const char *path,
		 struct scan_source *source, struct scan_content *content);
int scan_add(struct scan *scan, const char *path,
	     const struct scan_content *content);
int scan_count_entry(struct scan *scan);
ssize_t scan_read_fd(struct scan_source *source, void *buf, size_t len);
/* What was left out, and what is wrong; the latter returns @err. */
void scan_note(const char *path, const char *text);
int scan_refuse(int err, const char *path, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* elf.c */
int scan_elf_kinds(int fd, uint32_t *kinds);

/* scan_verity.c */
int scan_verity(struct scan *scan, int fd, struct dstack_digest *digest);

/* scan_dir.c */
int scan_dir(struct scan *scan, int dir);

/* scan_oci.c */
bool scan_is_oci(int dir);
int scan_oci(struct scan *scan, int dir, uint8_t image[DSTACK_DIGEST_SIZE]);

/* scan_blob.c */
struct scan_blob;
struct scan_descriptor {
	char digest[2 * DSTACK_DIGEST_SIZE + 1];	/* SHA-256 in hex */
	uint64_t size;
};

int scan_blob_open(int dir, const struct scan_descriptor *descriptor,
		   struct scan_blob **blob);
const char *scan_blob_name(const struct scan_blob *blob);
ssize_t scan_blob_read(struct scan_blob *blob, const void **data);
/* Reads what is left; 0 if size and digest are the descriptor's. */
int scan_blob_finish(struct scan_blob *blob);
void scan_blob_close(struct scan_blob *blob);
/* A small blob at once, NUL-terminated, for free(). */
int scan_blob_load(int dir, const struct scan_descriptor *descriptor,
		   char **text);

/* scan_tree.c */
enum scan_type { SCAN_DIR, SCAN_FILE, SCAN_SYMLINK, SCAN_OTHER };

/*
 * @layer is the last that named the node; @pruned the last that hid what
 * lower layers have below it.
 */
struct scan_node {
	struct scan_node *parent;
	void *children;
	size_t nr_children;
	unsigned int depth;
	unsigned int layer;
	unsigned int pruned;
	enum scan_type type;
	struct scan_content content;
	char *target;		/* of a symlink */
	char *name;
};

struct scan_tree {
	struct scan_node root;
};

/* Layers count from 1. */
int scan_tree_put(struct scan_tree *tree, const char *path, unsigned int layer,
		  enum scan_type type, struct scan_node **node);
int scan_tree_get(struct scan_tree *tree, const char *path,
		  struct scan_node **node);
int scan_tree_hide(struct scan_tree *tree, const char *path,
		   unsigned int layer);
int scan_tree_hide_below(struct scan_tree *tree, const char *path,
			 unsigned int layer);
int scan_tree_each_file(struct scan_tree *tree,
			int (*fn)(const char *path,
				  const struct scan_content *content,
				  void *arg), void *arg);
void scan_tree_free(struct scan_tree *tree);

/* scan_layer.c */
int scan_layer(struct scan *scan, struct scan_tree *tree, unsigned int layer,
	       struct scan_blob *blob);

#endif /* DSTACK_LIB_SCAN_H */
