// SPDX-License-Identifier: MIT
/*
 * What the layers of an image add up to
 *
 * Copyright The dstack for Linux authors
 *
 * A tree of names in memory; nothing is ever unpacked.  Paths are resolved as
 * a container runtime would when it unpacks a layer over the lower ones:
 * symlinks in the directory part are followed, inside this root only.
 */
#include "lib.h"

#include <errno.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>

#include "scan.h"

static int compare(const void *a, const void *b)
{
	const struct scan_node *left = a, *right = b;

	return strcmp(left->name, right->name);
}

static struct scan_node *find(const struct scan_node *dir, char *name)
{
	const struct scan_node key = { .name = name };
	void *const *node = tfind(&key, &dir->children, compare);

	return node ? *node : NULL;
}

/* Recursion ends at SCAN_DEPTH_MAX, which make() sees to. */
static void free_node(void *arg)
{
	struct scan_node *node = arg;

	tdestroy(node->children, free_node);
	free(node->target);
	free(node->name);
	free(node);
}

static void drop(struct scan_node *node)
{
	tdelete(node, &node->parent->children, compare);
	node->parent->nr_children--;
	free_node(node);
}

static int make(struct scan_node *dir, const char *name, unsigned int layer,
		enum scan_type type, struct scan_node **out)
{
	struct scan_node *node;

	if (dir->depth == SCAN_DEPTH_MAX)
		return -ELOOP;
	node = calloc(1, sizeof(*node));
	if (!node)
		return -ENOMEM;
	node->name = strdup(name);
	if (!node->name || !tsearch(node, &dir->children, compare)) {
		free_node(node);
		return -ENOMEM;
	}
	dir->nr_children++;
	node->parent = dir;
	node->depth = dir->depth + 1;
	node->layer = layer;
	node->type = type;
	*out = node;
	return 0;
}

/*
 * A path on its way through the tree.  @layer is that of the directories that
 * are made for what is missing, 0: none are.
 */
struct way {
	struct scan_tree *tree;
	struct scan_node *at;
	unsigned int layer;
	unsigned int steps;
	char todo[PATH_MAX];
};

static int follow(struct way *way, const char *target, const char *rest)
{
	char todo[PATH_MAX];
	int n;

	n = snprintf(todo, sizeof(todo), "%s/%s", target, rest);
	if (n < 0 || (size_t)n >= sizeof(todo))
		return -ENAMETOOLONG;
	if (*target == '/')
		way->at = &way->tree->root;
	memcpy(way->todo, todo, n + 1);
	return 0;
}

static int step(struct way *way, char *name, const char *rest, bool *followed)
{
	struct scan_node *child;

	*followed = false;
	if (++way->steps > SCAN_STEPS_MAX)
		return -ELOOP;
	if (!*name || !strcmp(name, "."))
		return 0;
	if (!strcmp(name, "..")) {
		if (way->at->parent)
			way->at = way->at->parent;
		return 0;
	}
	child = find(way->at, name);
	if (!child && way->layer) {
		int err = make(way->at, name, way->layer, SCAN_DIR, &child);

		if (err)
			return err;
	}
	if (!child)
		return -ENOENT;
	if (child->type == SCAN_SYMLINK) {
		*followed = true;
		return follow(way, child->target, rest);
	}
	if (child->type != SCAN_DIR)
		return -ENOTDIR;
	/* A layer that puts a file there names its directories, too. */
	if (way->layer)
		child->layer = way->layer;
	way->at = child;
	return 0;
}

/* Goes to the directory @todo, every symlink in it followed. */
static int go(struct way *way)
{
	char *name = way->todo;
	bool followed;
	int err;

	while (*name) {
		size_t len = strcspn(name, "/");
		char *rest = name + len + (name[len] == '/');

		name[len] = '\0';
		err = step(way, name, rest, &followed);
		if (err)
			return err;
		name = followed ? way->todo : rest;
	}
	return 0;
}

/*
 * The directory of @path, and the last name in it.  No name: @path is the
 * root.  Layers name their files from the root, so ".." has no honest use.
 */
static int locate(struct scan_tree *tree, const char *path, unsigned int layer,
		  struct scan_node **dir, char name[NAME_MAX + 1])
{
	struct way way = {
		.tree = tree, .at = &tree->root, .layer = layer,
	};
	size_t done = 0;
	const char *p;
	int err;

	*name = '\0';
	for (p = path; *p; ) {
		size_t len = strcspn(p, "/");

		if (len == 2 && !strncmp(p, "..", 2))
			return -EXDEV;
		if (len > NAME_MAX)
			return -ENAMETOOLONG;
		if (len && !(len == 1 && *p == '.')) {
			size_t n = strlen(name);

			if (done + n + 2 > sizeof(way.todo))
				return -ENAMETOOLONG;
			memcpy(way.todo + done, name, n);
			done += n;
			way.todo[done++] = '/';
			memcpy(name, p, len);
			name[len] = '\0';
		}
		p += len + (p[len] == '/');
	}
	way.todo[done] = '\0';
	err = go(&way);
	*dir = way.at;
	return err;
}

/**
 * scan_tree_put() - a layer names a path
 * @tree: the tree
 * @path: as the layer writes it
 * @layer: its number
 * @type: of the entry
 * @node: the entry's node; it replaces what was there, but a directory that
 *	is named again keeps what it holds
 *
 * Return: 0, -EXDEV if the path has "..", -ENOTDIR if it leads through a file,
 * or -errno.
 */
int scan_tree_put(struct scan_tree *tree, const char *path, unsigned int layer,
		  enum scan_type type, struct scan_node **node)
{
	char name[NAME_MAX + 1];
	struct scan_node *dir, *old;
	int err;

	err = locate(tree, path, layer, &dir, name);
	if (err)
		return err;
	if (!*name) {
		*node = &tree->root;
		return type == SCAN_DIR ? 0 : -EISDIR;
	}
	old = find(dir, name);
	if (old && old->type == SCAN_DIR && type == SCAN_DIR) {
		old->layer = layer;
		*node = old;
		return 0;
	}
	if (old)
		drop(old);
	return make(dir, name, layer, type, node);
}

/**
 * scan_tree_get() - what is at a path
 * @tree: the tree
 * @path: as a layer writes it; a symlink at its end is not followed
 * @node: what is there
 *
 * Return: 0, -ENOENT, or -errno as scan_tree_put().
 */
int scan_tree_get(struct scan_tree *tree, const char *path,
		  struct scan_node **node)
{
	char name[NAME_MAX + 1];
	struct scan_node *dir;
	int err;

	err = locate(tree, path, 0, &dir, name);
	if (err)
		return err;
	*node = *name ? find(dir, name) : &tree->root;
	return *node ? 0 : -ENOENT;
}

struct list {
	struct scan_node **nodes;
	size_t nr;
};

static void collect(const void *node, VISIT which, void *closure)
{
	struct list *list = closure;

	if (which == postorder || which == leaf)
		list->nodes[list->nr++] =
			*(struct scan_node *const *)node;
}

/*
 * Drop what lower layers have below @dir.  Once is enough for a layer: what
 * comes after has its own number.
 */
static int prune(struct scan_node *dir, unsigned int layer)
{
	struct list list = { 0 };
	int err = 0;
	size_t i;

	if (dir->type != SCAN_DIR || dir->pruned == layer)
		return 0;
	dir->pruned = layer;
	if (!dir->nr_children)
		return 0;
	list.nodes = calloc(dir->nr_children, sizeof(struct scan_node *));
	if (!list.nodes)
		return -ENOMEM;
	twalk_r(dir->children, collect, &list);
	for (i = 0; i < list.nr && !err; i++) {
		if (list.nodes[i]->layer < layer)
			drop(list.nodes[i]);
		else
			err = prune(list.nodes[i], layer);
	}
	free(list.nodes);
	return err;
}

/**
 * scan_tree_hide() - a whiteout: lower layers have nothing at this path
 * @tree: the tree
 * @path: without the prefix that marks a whiteout
 * @layer: the layer with the whiteout, whose own files stay
 *
 * Return: 0 or -errno as scan_tree_put().
 */
int scan_tree_hide(struct scan_tree *tree, const char *path,
		   unsigned int layer)
{
	struct scan_node *node;
	int err;

	err = scan_tree_get(tree, path, &node);
	if (err)
		return err == -ENOENT ? 0 : err;
	if (node == &tree->root)
		return -EISDIR;
	if (node->layer == layer)
		return prune(node, layer);
	drop(node);
	return 0;
}

/**
 * scan_tree_hide_below() - an opaque directory: lower layers have it empty
 * @tree: the tree
 * @path: the directory
 * @layer: the layer that says so, whose own files stay
 *
 * Return: 0 or -errno as scan_tree_put().
 */
int scan_tree_hide_below(struct scan_tree *tree, const char *path,
			 unsigned int layer)
{
	struct scan_node *node;
	int err;

	err = scan_tree_get(tree, path, &node);
	if (err)
		return err == -ENOENT ? 0 : err;
	return prune(node, layer);
}

struct each {
	int (*fn)(const char *path, const struct scan_content *content,
		  void *arg);
	void *arg;
	int err;
	size_t len;
	char path[(SCAN_DEPTH_MAX + 1) * (NAME_MAX + 1)];
};

static void each_node(const void *arg, VISIT which, void *closure)
{
	const struct scan_node *node = *(struct scan_node *const *)arg;
	struct each *each = closure;
	size_t len = each->len, n = strlen(node->name);

	if ((which != postorder && which != leaf) || each->err)
		return;
	each->path[len] = '/';
	memcpy(each->path + len + 1, node->name, n + 1);
	each->len += n + 1;
	if (node->type == SCAN_FILE)
		each->err = each->fn(each->path, &node->content, each->arg);
	twalk_r(node->children, each_node, each);
	each->len = len;
}

/**
 * scan_tree_each_file() - the files that no layer replaced or hid
 * @tree: the tree
 * @fn: called with path and content, in order of names
 * @arg: for @fn
 *
 * Return: 0, or what @fn returned other than 0.
 */
int scan_tree_each_file(struct scan_tree *tree,
			int (*fn)(const char *path,
				  const struct scan_content *content,
				  void *arg), void *arg)
{
	struct each *each = calloc(1, sizeof(*each));
	int err;

	if (!each)
		return -ENOMEM;
	each->fn = fn;
	each->arg = arg;
	twalk_r(tree->root.children, each_node, each);
	err = each->err;
	free(each);
	return err;
}

void scan_tree_free(struct scan_tree *tree)
{
	tdestroy(tree->root.children, free_node);
	tree->root.children = NULL;
}
