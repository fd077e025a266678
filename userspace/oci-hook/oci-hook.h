/* SPDX-License-Identifier: MIT */
/*
 * What the parts of dstack-oci-hook share
 *
 * Copyright The dstack for Linux authors
 *
 * Functions return 0 or -errno, after a message: the only line that the
 * person who started the container will see, so it names the next step.
 */
#ifndef OCI_HOOK_H
#define OCI_HOOK_H

#include <jansson.h>
#include <libdstack.h>
#include <limits.h>
#include <stdbool.h>
#include <sys/types.h>

#define STATE_MAX	1048576U	/* bytes of the state on stdin */
#define CONFIG_MAX	4194304U	/* bytes of a bundle's config.json */

#define ANNOTATION_PREFIX	"org.dstack."
#define DEFAULT_SECTION		"default"

/* message.c */

/* One line to standard error, which crun throws away, and to syslog. */
void msg(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* What every later line is about. */
void msg_about(const char *id);
/* The library's message callback keeps the last one, for msg_library(). */
void library_message(const char *message);
/* What the library said last, and @hint, which may be empty. */
void msg_library(const char *hint);

/* json.c */

/* An object of at most @max bytes, to the end of @fd; @what it is called. */
int json_read(int fd, size_t max, const char *what, json_t **root);

/* state.c */

struct oci_state {
	json_t *root;			/* owns what the others point to */
	const char *id;			/* checked by dstack_event_id_ok() */
	const char *status;
	const char *bundle;		/* absolute */
	const json_t *annotations;	/* strings only; NULL: none */
	pid_t pid;			/* 0: none */
};

/* The state of the OCI runtime specification; other fields are allowed. */
int state_read(int fd, struct oci_state *state);
void state_free(struct oci_state *state);
/* linux.cgroupsPath of the bundle's config.json for free(); NULL: not set. */
int state_cgroups_path(const struct oci_state *state, char **path);

/* identity.c */

/* From the hook's own arguments, for containers that do not say. */
struct defaults {
	const char *section;		/* NULL: not given */
	bool has_app_id;
	uint8_t app_id[DSTACK_APP_ID_SIZE];
};

/* What a container is registered as: annotations, defaults, active policy. */
int identity_of(const struct oci_state *state, const struct defaults *defaults,
		const struct libdstack_status *status,
		struct libdstack_container *container);

/* path.c: pure */

/* The path of /proc/PID/cgroup's text.  Refuses every v1 hierarchy. */
int path_of_process(const char *text, char path[PATH_MAX]);
/*
 * The cgroup that is the whole container: the runtime may have put its first
 * process, at @own, into one below.  @cgroups_path: of its configuration; NULL:
 * it has none, and the runtime chose a name by the @id.
 */
int path_of_container(const char *own, const char *cgroups_path, const char *id,
		      char top[PATH_MAX]);
bool path_is_below(const char *path, const char *top);

/* cgroup.c */

/* A descriptor of the container's cgroup, which holds nothing of the host. */
int cgroup_of_container(const struct oci_state *state, int *fd);

#endif /* OCI_HOOK_H */
