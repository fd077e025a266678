// SPDX-License-Identifier: MIT
/*
 * Names of images: [HOST[:PORT]/]PATH[:TAG]@sha256:HEX
 *
 * Copyright The dstack for Linux authors
 *
 * Names without a host are docker.io's, as docker has it, and not whatever a
 * file of the machine says.  A tag beside a digest says nothing and goes.
 */
#include "run.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define DIGEST		"@sha256:"
#define HOST		"docker.io/"
#define LETTERS		"abcdefghijklmnopqrstuvwxyz0123456789._-/"
#define HOST_LETTERS	"abcdefghijklmnopqrstuvwxyz0123456789.-"
#define HEX		"0123456789abcdef"

static int refuse(const char **why, const char *text)
{
	*why = text;
	return -EINVAL;
}

/* Bytes of a host, without its slash; 0 if the name begins with none. */
static size_t host_len(const char *name)
{
	size_t len = strcspn(name, "/");

	if (!name[len])
		return 0;
	if (memchr(name, '.', len) || memchr(name, ':', len) ||
	    (len == 9 && !memcmp(name, "localhost", 9)))
		return len;
	return 0;
}

static bool host_ok(const char *host, size_t len)
{
	const char *port = memchr(host, ':', len);
	size_t name = port ? (size_t)(port - host) : len;

	if (port && (port + 1 == host + len ||
		     port + 1 + strspn(port + 1, "0123456789") != host + len))
		return false;
	return name && !strchr(".-", *host) &&
		strspn(host, HOST_LETTERS) >= name;
}

static bool name_ok(const char *name)
{
	size_t host = host_len(name);
	const char *path = host ? name + host + 1 : name;

	if ((host && !host_ok(name, host)) || !*path ||
	    strchr("./-_:", *path))
		return false;
	return strspn(path, LETTERS) == strlen(path) && !strstr(path, "//") &&
		!strstr(path, "..") && path[strlen(path) - 1] != '/';
}

int run_image_parse(const char *text, struct run_image *image,
		    const char **why)
{
	const char *digest = strstr(text, DIGEST), *tag;
	const char *hex = digest ? digest + strlen(DIGEST) : "";
	char name[RUN_IMAGE_MAX - 32];
	size_t len;

	if (!digest || strspn(hex, HEX) != 2 * DSTACK_DIGEST_SIZE ||
	    !libdstack_from_hex(hex, strlen(hex), image->digest,
				sizeof(image->digest)))
		return refuse(why, "not pinned: what a tag names can change; write NAME@sha256:... ('podman image inspect --format {{.Digest}} NAME' says it)");
	tag = memchr(text + host_len(text), ':',
		     digest - text - host_len(text));
	/* The colon of a host's port is before a slash. */
	len = (tag && !memchr(tag, '/', digest - tag) ? tag : digest) - text;
	if (len >= sizeof(name))
		return refuse(why, "the name is too long");
	memcpy(name, text, len);
	name[len] = '\0';
	if (!name_ok(name))
		return refuse(why, "no name of an image");
	snprintf(image->repository, sizeof(image->repository), "%s%s%s",
		 host_len(name) ? "" : HOST,
		 host_len(name) || strchr(name, '/') ? "" : "library/", name);
	snprintf(image->name, sizeof(image->name), "%s%s", image->repository,
		 digest);
	return 0;
}
