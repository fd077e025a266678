// SPDX-License-Identifier: MIT
/*
 * dstack-oci-hook: containers register themselves before their first program
 *
 * Copyright The dstack for Linux authors
 *
 * OCI runtimes call it with the container's state on standard input.  If it
 * fails at createRuntime, the runtime does not start the container: there is
 * no error here after which it would be right to go on.
 */
#include "oci-hook.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "event.h"

#define MODULE		"/sys/module/dstack"
#define EXIT_USAGE	2
#define BUSY_TRIES	40	/* 50 ms apart */

static void usage(FILE *out)
{
	fputs("Usage: dstack-oci-hook [--section NAME] [--app-id HEX] createRuntime|poststop\n\n"
	      "For OCI runtimes: registers a container with the dstack module before its first\n"
	      "program, and forgets it when it has stopped. Reads the container's state from\n"
	      "standard input. If it fails, the runtime does not start the container.\n\n"
	      "  --section NAME  for containers without annotation org.dstack.section\n"
	      "                  (default: \"" DEFAULT_SECTION "\")\n"
	      "  --app-id HEX    for containers without annotation org.dstack.app-id\n"
	      "                  (default: that of the active policy)\n", out);
}

/* Only a state in which the container has not run yet: later is too late. */
static int check_state(const struct oci_state *state)
{
	if (strcmp(state->status, "creating") != 0 &&
	    strcmp(state->status, "created") != 0) {
		msg("it is '%.32s' already: this hook must be called at createRuntime, before its first program",
		    state->status);
		return -EBUSY;
	}
	if (state->pid > 0)
		return 0;
	msg("the runtime's state names no process: this hook must be called at createRuntime");
	return -ESRCH;
}

/* Registered with a module that sees nothing, it would run unseen. */
static int check_module(const struct libdstack_status *status)
{
	if (!status->hooks) {
		msg("nothing would see what it runs: start dstackd ('systemctl start dstackd')");
		return -ENOLINK;
	}
	if (status->state != DSTACK_STATE_OFF)
		return 0;
	msg("the dstack module is off and would record nothing: 'dstackctl state measure' or 'dstackctl state enforce'");
	return -ENOLINK;
}

struct wanted {
	const struct libdstack_container *container;
	bool found;
};

static int compare(const struct libdstack_container *c, void *arg)
{
	struct wanted *wanted = arg;
	const struct libdstack_container *w = wanted->container;

	wanted->found = wanted->found ||
		(c->cgroup_id == w->cgroup_id && !strcmp(c->id, w->id) &&
		 !strcmp(c->section, w->section) && c->flags == w->flags &&
		 !memcmp(c->app_id, w->app_id, sizeof(c->app_id)) &&
		 !memcmp(c->image, w->image, sizeof(c->image)));
	return 0;
}

/*
 * A runtime that was killed leaves the cgroup behind, and another may start
 * the same container in it.  If it is the same in every respect, its process
 * is registered already, and keeps the registration: it can't be removed while
 * there is a process.
 */
static int accept_known(struct libdstack_control *control, int cgroup,
			struct libdstack_container *container)
{
	struct wanted wanted = { .container = container };
	struct stat st;

	if (fstat(cgroup, &st))
		return -errno;
	container->cgroup_id = st.st_ino;
	if (libdstack_list_containers(control, compare, &wanted) ||
	    !wanted.found)
		return -EEXIST;
	return 0;
}

static const char *hint_of(int err)
{
	static const char rootless[] =
		"the containers of rootless engines can't be registered";
	static const char inner[] =
		"what runs in a container is part of it and needs no hook";
	static const char taken[] =
		"end the container that has it, or start this one once more";
	static const char full[] = "the event log is full: start dstackd";

	return err == -EPERM ? rootless : err == -EACCES ? inner :
	       err == -EEXIST ? taken : err == -ENOBUFS ? full : "";
}

static int open_control(struct libdstack_control **control)
{
	int err = libdstack_control_open(control);

	if (err == -ENODEV && !access(MODULE, F_OK))
		msg_library("or it is, but not in this network namespace: run the engine in the host's");
	else if (err)
		msg_library(hint_of(err));
	return err;
}

static int register_container(struct libdstack_control *control,
			      const struct oci_state *state,
			      const struct defaults *defaults)
{
	struct libdstack_container container;
	struct libdstack_status status;
	int cgroup, err;

	err = libdstack_status(control, &status);
	if (err) {
		msg_library(hint_of(err));
		return err;
	}
	err = check_module(&status) ?:
		identity_of(state, defaults, &status, &container) ?:
		cgroup_of_container(state, &cgroup);
	if (err)
		return err;
	err = libdstack_add_container(control, cgroup, &container);
	if (err == -EEXIST)
		err = accept_known(control, cgroup, &container);
	if (err)
		msg_library(hint_of(err));
	close(cgroup);
	return err;
}

static int create_runtime(const struct oci_state *state,
			  const struct defaults *defaults)
{
	struct libdstack_control *control;
	int err;

	err = check_state(state);
	if (err)
		return err;
	err = open_control(&control);
	if (err)
		return err;
	err = register_container(control, state, defaults);
	libdstack_control_close(control);
	return err;
}

/* A process that was killed may be counted in its cgroup for a moment. */
static int forget_container(struct libdstack_control *control, const char *id)
{
	int i, err = -EBUSY;

	for (i = 0; err == -EBUSY && i < BUSY_TRIES; i++) {
		if (i)
			poll(NULL, 0, 50);
		err = libdstack_remove_container(control, id);
	}
	return err;
}

/* What is not registered (any more) need not be forgotten. */
static int poststop(const struct oci_state *state,
		    const struct defaults *defaults)
{
	struct libdstack_control *control;
	int err;

	(void)defaults;
	err = libdstack_control_open(&control);
	if (err == -ENODEV)
		return 0;
	if (!err)
		err = forget_container(control, state->id);
	libdstack_control_close(control);
	if (err == -ENOENT)
		return 0;
	if (err)
		msg_library(hint_of(err));
	return err;
}

static const struct point {
	const char *name;
	int (*serve)(const struct oci_state *state,
		     const struct defaults *defaults);
} points[] = {
	{ "createRuntime", create_runtime },
	{ "poststop", poststop },
};

static const struct point *find_point(const char *name)
{
	size_t i;

	for (i = 0; i < sizeof(points) / sizeof(points[0]); i++)
		if (!strcmp(points[i].name, name))
			return &points[i];
	msg("this hook serves createRuntime and poststop, not '%.64s': correct the argument in its configuration",
	    name);
	return NULL;
}

static bool take_option(int c, struct defaults *defaults)
{
	switch (c) {
	case 's':
		defaults->section = optarg;
		if (dstack_event_name_ok(optarg))
			return true;
		msg("--section '%.128s' can't be the name of a section",
		    optarg);
		return false;
	case 'a':
		defaults->has_app_id =
			libdstack_from_hex(optarg, strlen(optarg),
					   defaults->app_id,
					   sizeof(defaults->app_id));
		if (defaults->has_app_id)
			return true;
		msg("--app-id needs 40 hex digits, not '%.128s'", optarg);
		return false;
	default:
		msg("unknown option: see 'dstack-oci-hook --help'");
		return false;
	}
}

/* Returns -1 to go on, or the exit status. */
static int take_arguments(int argc, char **argv, struct defaults *defaults,
			  const struct point **point)
{
	static const struct option options[] = {
		{ "section", required_argument, NULL, 's' },
		{ "app-id", required_argument, NULL, 'a' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 }
	};
	int c;

	opterr = 0;	/* our line says it, and goes to syslog as well */
	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == 'h') {
			usage(stdout);
			return EXIT_SUCCESS;
		}
		if (!take_option(c, defaults))
			return EXIT_USAGE;
	}
	if (argc - optind != 1) {
		msg("one argument is needed, createRuntime or poststop: see 'dstack-oci-hook --help'");
		return EXIT_USAGE;
	}
	*point = find_point(argv[optind]);
	return *point ? -1 : EXIT_USAGE;
}

/* Or a file that we open could become standard error. */
static void open_standard_files(void)
{
	int fd;

	do {
		fd = open("/dev/null", O_RDWR);
	} while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd > STDERR_FILENO)
		close(fd);
}

int main(int argc, char **argv)
{
	struct defaults defaults = { .section = NULL };
	const struct point *point;
	struct oci_state state;
	int status, err;

	open_standard_files();
	signal(SIGPIPE, SIG_IGN);
	libdstack_set_message_callback(library_message);
	status = take_arguments(argc, argv, &defaults, &point);
	if (status >= 0)
		return status;
	err = state_read(STDIN_FILENO, &state);
	if (err)
		return EXIT_FAILURE;
	err = point->serve(&state, &defaults);
	state_free(&state);
	return err ? EXIT_FAILURE : EXIT_SUCCESS;
}
