// SPDX-License-Identifier: MIT
/*
 * dstackctl container: which cgroups are containers
 *
 * Copyright The dstack for Linux authors
 */
#include "dstackctl.h"
#include "words.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <jansson.h>
#include <string.h>
#include <unistd.h>

static void usage(FILE *out)
{
	fputs("Usage: dstackctl container list [--json]\n"
	      "       dstackctl container add --cgroup DIR --id ID --app-id HEX\n"
	      "                               [--section S] [--image sha256:HEX]\n"
	      "                               [--securebits]\n"
	      "       dstackctl container remove ID\n\n"
	      "  --cgroup DIR  its directory below /sys/fs/cgroup; add it before its first program\n"
	      "  --id ID       name of the container in events and quotes\n"
	      "  --section S   section of the policy that applies (default: ID, if it is short)\n"
	      "  --app-id HEX  the 20 bytes that name its application\n"
	      "  --image ...   digest of its image manifest\n"
	      "  --securebits  its interpreters must ask before they read a script (Linux 6.14)\n",
	      out);
}

static int print_container(const struct libdstack_container *c, void *arg)
{
	char app[2 * DSTACK_APP_ID_SIZE + 1];

	(void)arg;
	printf("%-24s %-16s %s %10" PRIu64 " %-7s %8" PRIu64 " %8" PRIu64
	       " %8" PRIu64 " %8" PRIu64 "\n",
	       c->id, c->section,
	       libdstack_to_hex(c->app_id, sizeof(c->app_id), app),
	       c->cgroup_id, dstack_mode_name(c->measure), c->allowed,
	       c->denied, c->pending, c->refused);
	return 0;
}

static int append_container(const struct libdstack_container *c, void *arg)
{
	char app[2 * DSTACK_APP_ID_SIZE + 1];
	char image[2 * DSTACK_DIGEST_SIZE + 1];
	json_t *item;

	item = json_pack("{s:s, s:s, s:s, s:s, s:I, s:s, s:b, s:I, s:I, s:I, s:I}",
			 "id", c->id, "section", c->section,
			 "app_id",
			 libdstack_to_hex(c->app_id, sizeof(c->app_id), app),
			 "image",
			 libdstack_to_hex(c->image, sizeof(c->image), image),
			 "cgroup_id", (json_int_t)c->cgroup_id,
			 "measure", dstack_mode_name(c->measure),
			 "securebits",
			 !!(c->flags & DSTACK_CONTAINER_F_SECUREBITS),
			 "allowed", (json_int_t)c->allowed,
			 "denied", (json_int_t)c->denied,
			 "pending", (json_int_t)c->pending,
			 "refused", (json_int_t)c->refused);
	return json_array_append_new(arg, item) ? -ENOMEM : 0;
}

static int list(struct libdstack_control *control, void *array)
{
	if (array)
		return libdstack_list_containers(control, append_container,
						 array);
	printf("%-24s %-16s %-40s %10s %-7s %8s %8s %8s %8s\n", "ID",
	       "SECTION", "APP ID", "CGROUP", "MEASURE", "ALLOWED", "DENIED",
	       "PENDING", "REFUSED");
	return libdstack_list_containers(control, print_container, NULL);
}

static bool set_name(char *out, size_t size, const char *name,
		     const char *text)
{
	if (!*text || strlen(text) >= size) {
		error_msg("%s must have 1 to %zu characters", name, size - 1);
		return false;
	}
	memcpy(out, text, strlen(text) + 1);
	return true;
}

static bool set_hex(uint8_t *out, size_t len, const char *name,
		    const char *text)
{
	if (hex_decode(text, out, len))
		return true;
	error_msg("%s must be %zu hex digits, not '%s'", name, 2 * len, text);
	return false;
}

static bool set_option(int c, const char *arg, struct libdstack_container *add,
		       const char **cgroup)
{
	switch (c) {
	case 'c':
		*cgroup = arg;
		return true;
	case 'i':
		return set_name(add->id, sizeof(add->id), "--id", arg);
	case 's':
		return set_name(add->section, sizeof(add->section), "--section",
				arg);
	case 'a':
		return set_hex(add->app_id, sizeof(add->app_id), "--app-id",
			       arg);
	case 'm':
		if (!strncmp(arg, "sha256:", 7))
			arg += 7;
		return set_hex(add->image, sizeof(add->image), "--image", arg);
	case 'b':
		add->flags |= DSTACK_CONTAINER_F_SECUREBITS;
		return true;
	default:
		return false;
	}
}

static int add_container(const char *cgroup, struct libdstack_container *add)
{
	struct libdstack_control *control;
	int fd, err;

	fd = open(cgroup, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0) {
		error_msg_errno(errno, "can't open cgroup '%s'", cgroup);
		return EXIT_FAILURE;
	}
	err = libdstack_control_open(&control);
	if (!err)
		err = libdstack_add_container(control, fd, add);
	libdstack_control_close(control);
	close(fd);
	return err ? EXIT_FAILURE : EXIT_SUCCESS;
}

static int container_add(int argc, char **argv)
{
	static const struct option options[] = {
		{ "cgroup", required_argument, NULL, 'c' },
		{ "id", required_argument, NULL, 'i' },
		{ "section", required_argument, NULL, 's' },
		{ "app-id", required_argument, NULL, 'a' },
		{ "image", required_argument, NULL, 'm' },
		{ "securebits", no_argument, NULL, 'b' },
		{ NULL, 0, NULL, 0 }
	};
	struct libdstack_container add = { .id = "" };
	const char *cgroup = NULL;
	bool have_app = false;
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (!set_option(c, optarg, &add, &cgroup))
			return usage_hint("container");
		have_app = have_app || c == 'a';
	}
	if (optind != argc || !cgroup || !*add.id || !have_app) {
		error_msg("--cgroup, --id and --app-id are needed");
		return usage_hint("container");
	}
	if (!*add.section &&
	    !set_name(add.section, sizeof(add.section), "--section", add.id))
		return usage_hint("container");
	return add_container(cgroup, &add);
}

static int container_remove(int argc, char **argv)
{
	struct libdstack_control *control;
	int err;

	if (argc != 2 || argv[1][0] == '-')
		return usage_hint("container");
	err = libdstack_control_open(&control);
	if (!err)
		err = libdstack_remove_container(control, argv[1]);
	libdstack_control_close(control);
	return err ? EXIT_FAILURE : EXIT_SUCCESS;
}

int cmd_container(int argc, char **argv)
{
	if (argc < 2)
		return usage_hint("container");
	if (!strcmp(argv[1], "--help")) {
		usage(stdout);
		return EXIT_SUCCESS;
	}
	if (!strcmp(argv[1], "list"))
		return list_command(argc - 1, argv + 1, "container", list);
	if (!strcmp(argv[1], "add"))
		return container_add(argc - 1, argv + 1);
	if (!strcmp(argv[1], "remove"))
		return container_remove(argc - 1, argv + 1);
	error_msg("unknown 'container %s'", argv[1]);
	return usage_hint("container");
}
