// SPDX-License-Identifier: MIT
/*
 * What the runtime says about the container
 *
 * Copyright The dstack for Linux authors
 */
#include "oci-hook.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "event.h"

static int malformed(const char *field, const char *want)
{
	msg("the runtime's state has no good \"%s\": %s; this hook reads the state of the OCI runtime specification 1.x",
	    field, want);
	return -EBADMSG;
}

static int take_string(const json_t *root, const char *field,
		       const char **value)
{
	*value = json_string_value(json_object_get(root, field));
	return *value ? 0 : malformed(field, "want a string");
}

static int take_annotations(struct oci_state *state)
{
	const char *key;
	json_t *value;

	state->annotations = json_object_get(state->root, "annotations");
	if (!state->annotations)
		return 0;
	if (!json_is_object(state->annotations))
		return malformed("annotations", "want an object");
	json_object_foreach((json_t *)state->annotations, key, value)
		if (!json_is_string(value))
			return malformed("annotations", "want strings in it");
	return 0;
}

static int take_pid(struct oci_state *state)
{
	const json_t *pid = json_object_get(state->root, "pid");
	json_int_t value = json_integer_value(pid);

	if (!pid)
		return 0;
	if (!json_is_integer(pid) || value < 0 || value > INT_MAX)
		return malformed("pid", "want a process id");
	state->pid = (pid_t)value;
	return 0;
}

static int take_fields(struct oci_state *state)
{
	const char *version;
	int err;

	err = take_string(state->root, "ociVersion", &version) ?:
		take_string(state->root, "id", &state->id) ?:
		take_string(state->root, "status", &state->status) ?:
		take_string(state->root, "bundle", &state->bundle) ?:
		take_pid(state) ?: take_annotations(state);
	if (err)
		return err;
	if (strncmp(version, "1.", 2))
		return malformed("ociVersion", "want 1.x");
	if (!dstack_event_id_ok(state->id))
		return malformed("id", "dstack takes 1 to 127 of A-Z a-z 0-9 . _ -");
	if (*state->bundle != '/')
		return malformed("bundle", "want an absolute path");
	return 0;
}

int state_read(int fd, struct oci_state *state)
{
	int err;

	memset(state, 0, sizeof(*state));
	err = json_read(fd, STATE_MAX, "the runtime's state on standard input",
			&state->root);
	if (!err)
		err = take_fields(state);
	if (err)
		state_free(state);
	else
		msg_about(state->id);
	return err;
}

void state_free(struct oci_state *state)
{
	msg_about(NULL);
	json_decref(state->root);
	memset(state, 0, sizeof(*state));
}

/* No link leads elsewhere, and no pipe makes us wait. */
static int open_config(const char *bundle)
{
	struct stat st;
	int dir, fd;

	dir = open(bundle, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return -errno;
	fd = openat(dir, "config.json",
		    O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0) {
		int err = -errno;

		close(dir);
		return err;
	}
	close(dir);
	if (!fstat(fd, &st) && S_ISREG(st.st_mode))
		return fd;
	close(fd);
	return -EINVAL;
}

static int copy_path(const json_t *root, char **path)
{
	const json_t *linux_part = json_object_get(root, "linux");
	const json_t *value;

	*path = NULL;
	if (linux_part && !json_is_object(linux_part)) {
		msg("\"linux\" in the bundle's config.json is no object");
		return -EBADMSG;
	}
	value = json_object_get(linux_part, "cgroupsPath");
	if (value && !json_is_string(value)) {
		msg("\"linux.cgroupsPath\" in the bundle's config.json is no string");
		return -EBADMSG;
	}
	if (!value || !json_string_length(value))
		return 0;
	*path = strdup(json_string_value(value));
	if (*path)
		return 0;
	msg("not enough memory");
	return -ENOMEM;
}

int state_cgroups_path(const struct oci_state *state, char **path)
{
	json_t *root;
	int fd, err;

	*path = NULL;
	fd = open_config(state->bundle);
	if (fd < 0) {
		msg("can't open config.json of the bundle '%s': %s",
		    state->bundle, strerror(-fd));
		return fd;
	}
	err = json_read(fd, CONFIG_MAX, "the bundle's config.json", &root);
	close(fd);
	if (err)
		return err;
	err = copy_path(root, path);
	json_decref(root);
	return err;
}
