// SPDX-License-Identifier: MIT
/*
 * Which cgroup is the whole container
 *
 * Copyright The dstack for Linux authors
 */
#include "oci-hook.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DELETED " (deleted)"

bool path_is_below(const char *path, const char *top)
{
	size_t len = strlen(top);

	return !strncmp(path, top, len) && (!path[len] || path[len] == '/');
}

static bool ends_with(const char *text, size_t len, const char *end)
{
	size_t n = strlen(end);

	return len >= n && !memcmp(text + len - n, end, n);
}

/* Is one of the path's components ".."? */
static bool has_dotdot(const char *path)
{
	const char *p = path;

	while ((p = strstr(p, ".."))) {
		if ((p == path || p[-1] == '/') && (!p[2] || p[2] == '/'))
			return true;
		p += 2;
	}
	return false;
}

static int refuse_v1(void)
{
	msg("this host has cgroup v1 hierarchies, in which a process can be in two places at once: boot with 'systemd.unified_cgroup_hierarchy=1' and mount none, so that /proc/self/cgroup has one line, \"0::...\"");
	return -EOPNOTSUPP;
}

static int check_own(const char *path)
{
	if (*path != '/') {
		msg("the container's cgroup is no path: '%.256s'", path);
		return -EBADMSG;
	}
	if (has_dotdot(path)) {
		msg("the container's cgroup '%.256s' is outside of this cgroup namespace: run the engine in the host's",
		    path);
		return -EXDEV;
	}
	if (ends_with(path, strlen(path), DELETED)) {
		msg("the container's cgroup '%.256s' was removed: its process has ended",
		    path);
		return -ENODEV;
	}
	if (!path[1]) {
		msg("the container is in the root cgroup, which is the host's: let the engine make a cgroup for each (podman without '--cgroups=disabled')");
		return -ELOOP;
	}
	return 0;
}

int path_of_process(const char *text, char path[PATH_MAX])
{
	size_t len;

	/* Hierarchies of v1 have other numbers, and all have a line. */
	if (strncmp(text, "0::", 3) != 0)
		return refuse_v1();
	text += 3;
	len = strcspn(text, "\n");
	if (text[len] != '\n' || len >= PATH_MAX) {
		msg("the container's cgroup has a path that is too long");
		return -ENAMETOOLONG;
	}
	if (text[len + 1])
		return refuse_v1();
	memcpy(path, text, len);
	path[len] = '\0';
	return check_own(path);
}

/* "a//b/./c/" as "/a/b/c"; the leading slash is for comparing, too. */
static int normalize(const char *path, char out[PATH_MAX])
{
	size_t used = 0;

	if (strlen(path) > PATH_MAX - 2 || has_dotdot(path))
		return -EINVAL;
	while (*path) {
		size_t len = strcspn(path, "/");

		if (len && !(len == 1 && *path == '.')) {
			out[used++] = '/';
			memcpy(out + used, path, len);
			used += len;
		}
		path += len + (path[len] == '/');
	}
	out[used] = '\0';
	return used ? 0 : -EINVAL;
}

/* The first place from the root on where whole components are @part's. */
static size_t find_part(const char *own, const char *part)
{
	size_t len = strlen(part);
	const char *p = own;

	while ((p = strstr(p, part))) {
		if (!p[len] || p[len] == '/')
			return p - own + len;
		p++;
	}
	return 0;
}

/* systemd's "slice:prefix:name" is a unit of the name "/prefix-name.scope". */
static int unit_of(const char *cgroups_path, char unit[PATH_MAX])
{
	const char *prefix = strchr(cgroups_path, ':');
	const char *name = prefix ? strchr(prefix + 1, ':') : NULL;

	if (!name || strpbrk(name + 1, ":/") || !name[1] ||
	    memchr(prefix, '/', name - prefix) ||
	    strlen(cgroups_path) > PATH_MAX - 16)
		return -EINVAL;
	if (ends_with(name + 1, strlen(name + 1), ".slice"))
		snprintf(unit, PATH_MAX, "/%s", name + 1);
	else
		snprintf(unit, PATH_MAX, "/%.*s-%s.scope",
			 (int)(name - prefix - 1), prefix + 1, name + 1);
	return 0;
}

static size_t find_configured(const char *own, const char *cgroups_path)
{
	char part[PATH_MAX];
	size_t len = 0;

	if (!normalize(cgroups_path, part)) {
		if (*cgroups_path == '/')
			len = path_is_below(own, part) ? strlen(part) : 0;
		else
			len = find_part(own, part);
	}
	if (!len && !unit_of(cgroups_path, part))
		len = find_part(own, part);
	return len;
}

/* What runtimes choose: ID, or a scope like crun-ID.scope. */
static size_t find_by_id(const char *own, const char *id)
{
	const char *p = own;

	while (*p == '/') {
		size_t len = strcspn(p + 1, "/");
		const char *name = p + 1;
		size_t n = len;

		p += len + 1;
		if (ends_with(name, n, ".scope")) {
			n -= strlen(".scope");
			if (ends_with(name, n, id) &&
			    n > strlen(id) && name[n - strlen(id) - 1] == '-')
				return p - own;
		} else if (n == strlen(id) && !memcmp(name, id, n)) {
			return p - own;
		}
	}
	return strlen(own);
}

int path_of_container(const char *own, const char *cgroups_path, const char *id,
		      char top[PATH_MAX])
{
	size_t len = cgroups_path ? find_configured(own, cgroups_path) :
				    find_by_id(own, id);

	if (!len || len >= PATH_MAX) {
		msg("its process is in cgroup '%.256s', not below 'linux.cgroupsPath' of its config.json, '%.256s': later processes could be elsewhere, so correct that path",
		    own, cgroups_path ? cgroups_path : "");
		return -EXDEV;
	}
	memcpy(top, own, len);
	top[len] = '\0';
	return 0;
}
