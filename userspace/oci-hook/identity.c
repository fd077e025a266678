// SPDX-License-Identifier: MIT
/*
 * What a container is registered as
 *
 * Copyright The dstack for Linux authors
 *
 * A container that says nothing is registered all the same.  One that says
 * something that is not understood is not: its owner would believe that it
 * runs under another section than it does.
 */
#include "oci-hook.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "event.h"

static int refuse(const char *name, const char *value, const char *want)
{
	msg("annotation " ANNOTATION_PREFIX "%s: '%.128s' is not %s", name,
	    value, want);
	return -EINVAL;
}

static int take_app_id(const char *value, struct libdstack_container *container)
{
	if (libdstack_from_hex(value, strlen(value), container->app_id,
			       sizeof(container->app_id)))
		return 0;
	return refuse("app-id", value, "40 hex digits");
}

static int take_section(const char *value,
			struct libdstack_container *container)
{
	if (!dstack_event_name_ok(value))
		return refuse("section", value, "the name of a section, 1 to 63 of A-Z a-z 0-9 . _ -");
	snprintf(container->section, sizeof(container->section), "%s", value);
	return 0;
}

static int take_image(const char *value, struct libdstack_container *container)
{
	static const uint8_t none[DSTACK_DIGEST_SIZE];
	const char *hex = value + strlen("sha256:");

	/* To the module all zeros are no digest. */
	if (!strncmp(value, "sha256:", strlen("sha256:")) &&
	    libdstack_from_hex(hex, strlen(hex), container->image,
			       sizeof(container->image)) &&
	    memcmp(container->image, none, sizeof(none)) != 0)
		return 0;
	return refuse("image-digest", value, "\"sha256:\" and the 64 hex digits of a manifest");
}

static int take_securebits(const char *value,
			   struct libdstack_container *container)
{
	if (strcmp(value, "restrict") != 0)
		return refuse("securebits", value, "\"restrict\"");
	container->flags |= DSTACK_CONTAINER_F_SECUREBITS;
	return 0;
}

static const struct annotation {
	const char *name;
	int (*take)(const char *value, struct libdstack_container *container);
} known[] = {
	{ "app-id", take_app_id },
	{ "section", take_section },
	{ "image-digest", take_image },
	{ "securebits", take_securebits },
};

static int take_one(const char *name, const char *value,
		    struct libdstack_container *container)
{
	size_t i;

	for (i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (!strcmp(known[i].name, name))
			return known[i].take(value, container);
	msg("unknown annotation " ANNOTATION_PREFIX "%.128s: there are app-id, section, image-digest and securebits",
	    name);
	return -EINVAL;
}

static int apply_annotations(const json_t *annotations,
			     struct libdstack_container *container)
{
	const size_t skip = strlen(ANNOTATION_PREFIX);
	const char *key;
	json_t *value;
	int err;

	json_object_foreach((json_t *)annotations, key, value) {
		if (strncmp(key, ANNOTATION_PREFIX, skip) != 0)
			continue;
		err = take_one(key + skip, json_string_value(value), container);
		if (err)
			return err;
	}
	return 0;
}

/* The application is the policy's, or nothing that the policy says applies. */
static int check_app_id(const struct libdstack_container *container,
			const struct libdstack_status *status)
{
	char own[2 * DSTACK_APP_ID_SIZE + 1], other[sizeof(own)];

	if (!status->policy_epoch || !memcmp(container->app_id,
					     status->policy_app_id,
					     sizeof(container->app_id)))
		return 0;
	msg("it belongs to app %s, the active policy to app %s: load the policy of its app with 'dstackctl policy load', or correct its app-id",
	    libdstack_to_hex(container->app_id, sizeof(container->app_id),
			     own),
	    libdstack_to_hex(status->policy_app_id,
			     sizeof(status->policy_app_id), other));
	return -EACCES;
}

int identity_of(const struct oci_state *state, const struct defaults *defaults,
		const struct libdstack_status *status,
		struct libdstack_container *container)
{
	const bool says_app_id =
		json_object_get(state->annotations, ANNOTATION_PREFIX "app-id");
	int err;

	memset(container, 0, sizeof(*container));
	snprintf(container->id, sizeof(container->id), "%s", state->id);
	snprintf(container->section, sizeof(container->section), "%s",
		 defaults->section ? defaults->section : DEFAULT_SECTION);
	if (defaults->has_app_id)
		memcpy(container->app_id, defaults->app_id,
		       sizeof(container->app_id));
	else
		memcpy(container->app_id, status->policy_app_id,
		       sizeof(container->app_id));
	err = apply_annotations(state->annotations, container);
	if (err)
		return err;
	if (!status->policy_epoch && !says_app_id && !defaults->has_app_id) {
		msg("no policy is active and nothing says which app it belongs to: load one with 'dstackctl policy load'");
		return -ENODATA;
	}
	return check_app_id(container, status);
}
