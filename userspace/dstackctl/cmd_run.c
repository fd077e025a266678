// SPDX-License-Identifier: MIT
/*
 * dstackctl run: run a command as a container of its own
 *
 * Copyright The dstack for Linux authors
 */
#include "event.h"
#include "run.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

struct options {
	const char *name, *section, *policy;
	char *rootfs;
	char **argv;
	bool keep, securebits;
};

static void usage(FILE *out)
{
	fputs("Usage: dstackctl run --name N --policy FILE [OPTION]... [--] COMMAND [ARG]...\n\n"
	      "Runs COMMAND in a cgroup and namespaces of its own, registered as container N\n"
	      "before its first program. Exits as COMMAND does; 126 if it may not run, 127 if\n"
	      "it is not there.\n\n"
	      "  --name N       the container's id\n"
	      "  --policy FILE  the policy; loaded unless it is active already\n"
	      "  --section S    section of the policy that applies (default: N)\n"
	      "  --rootfs DIR   the container's root directory (default: the host's)\n"
	      "  --securebits   its interpreters must ask before they read a script (Linux 6.14)\n"
	      "  --keep         leave cgroup and registration behind\n", out);
}

static int load_policy(struct libdstack_control *control, const char *path,
		       uint8_t app_id[DSTACK_APP_ID_SIZE])
{
	struct libdstack_policy *policy;
	int err;

	err = libdstack_policy_read(path, &policy);
	if (err)
		return err;
	err = libdstack_ensure_policy(control, policy, app_id);
	libdstack_policy_free(policy);
	return err;
}

/* Everything that must be true before the first program of the container. */
static int prepare(const struct options *opt,
		   struct libdstack_control *control,
		   struct run_cgroup *cgroup)
{
	struct libdstack_container container = { .id = "" };
	struct libdstack_status status;
	int err;

	cgroup->fd = -1;
	err = libdstack_status(control, &status);
	if (err)
		return err;
	if (status.state == DSTACK_STATE_OFF)
		error_msg("warning: the module is off and records nothing: start dstackd, then 'dstackctl state measure'");
	err = load_policy(control, opt->policy, container.app_id);
	if (err)
		return err;
	snprintf(container.id, sizeof(container.id), "%s", opt->name);
	snprintf(container.section, sizeof(container.section), "%s",
		 opt->section);
	if (opt->securebits)
		container.flags |= DSTACK_CONTAINER_F_SECUREBITS;
	err = run_cgroup_make(cgroup, opt->name, control);
	if (err)
		return err;
	err = libdstack_add_container(control, cgroup->fd, &container);
	if (err)
		run_cgroup_remove(cgroup);
	return err;
}

struct denials {
	const char *id;
	uint64_t count;
};

static int count_denials(const struct libdstack_container *c, void *arg)
{
	struct denials *denials = arg;

	if (!strcmp(c->id, denials->id))
		denials->count = c->denied;
	return 0;
}

static void clean_up(const struct options *opt,
		     struct libdstack_control *control,
		     struct run_cgroup *cgroup)
{
	struct denials denials = { .id = opt->name };

	if (!libdstack_list_containers(control, count_denials, &denials) &&
	    denials.count)
		error_msg("the policy did not name %" PRIu64 " of the files that '%s' ran or mapped: see 'dstackctl log'",
			  denials.count, opt->name);
	if (opt->keep) {
		close(cgroup->fd);
		return;
	}
	if (run_cgroup_kill(cgroup))
		return;
	(void)libdstack_remove_container(control, opt->name);
	run_cgroup_remove(cgroup);
}

static int print_result(const struct options *opt,
			const struct run_result *result, int status)
{
	switch (result->stage) {
	case RUN_STAGE_OK:
		return status;
	case RUN_STAGE_SETUP:
		error_msg_errno(result->err, "can't %s", result->text);
		return EXIT_FAILURE;
	case RUN_STAGE_FIND:
		error_msg_errno(result->err, "can't run '%s'", result->text);
		return 127;
	case RUN_STAGE_DENIED:
		error_msg("'%s' was denied by policy; 'dstackctl why' says:",
			  result->text);
		(void)explain_verdict(stderr, result->text, opt->rootfs,
				      opt->name);
		return 126;
	default:
		error_msg_errno(result->err, "can't run '%s'%s", result->text,
				result->err == -ENOBUFS ?
				" (the event log is full: start dstackd)" : "");
		return 126;
	}
}

static int run(const struct options *opt)
{
	struct libdstack_control *control;
	struct run_command command = {
		.name = opt->name,
		.rootfs = opt->rootfs,
		.argv = opt->argv,
	};
	struct run_cgroup cgroup;
	struct run_result result;
	int status;

	if (libdstack_control_open(&control))
		return EXIT_FAILURE;
	if (prepare(opt, control, &cgroup)) {
		libdstack_control_close(control);
		return EXIT_FAILURE;
	}
	command.cgroup_fd = cgroup.fd;
	status = run_child(&command, &result);
	if (status < 0) {
		error_msg_errno(status, "can't start a process in '%s'",
				cgroup.path);
		status = EXIT_FAILURE;
	}
	status = print_result(opt, &result, status);
	clean_up(opt, control, &cgroup);
	libdstack_control_close(control);
	return status;
}

/* Names a directory and an event's id: neither "..", nor '/', nor empty. */
static bool name_ok(const char *name)
{
	return name && dstack_event_id_ok(name) && *name != '.';
}

static int check_options(struct options *opt, int argc, char **argv)
{
	if (!name_ok(opt->name) || !opt->policy || optind == argc) {
		error_msg("--name, --policy and a command are needed; a name has up to %d of A-Z a-z 0-9 . _ -",
			  DSTACK_ID_SIZE - 1);
		return usage_hint("run");
	}
	if (!opt->section)
		opt->section = opt->name;
	if (!dstack_event_name_ok(opt->section)) {
		error_msg("'%s' can't be the name of a section", opt->section);
		return usage_hint("run");
	}
	if (opt->rootfs) {
		const char *given = opt->rootfs;

		opt->rootfs = realpath(given, NULL);
		if (!opt->rootfs) {
			error_msg_errno(errno, "can't find rootfs '%s'", given);
			return EXIT_FAILURE;
		}
	}
	opt->argv = argv + optind;
	return -1;
}

int cmd_run(int argc, char **argv)
{
	static const struct option options[] = {
		{ "name", required_argument, NULL, 'n' },
		{ "policy", required_argument, NULL, 'p' },
		{ "section", required_argument, NULL, 's' },
		{ "rootfs", required_argument, NULL, 'r' },
		{ "securebits", no_argument, NULL, 'b' },
		{ "keep", no_argument, NULL, 'k' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 }
	};
	struct options opt = { .name = NULL };
	int c, status;

	/* '+': options behind the command are the command's. */
	while ((c = getopt_long(argc, argv, "+", options, NULL)) != -1) {
		switch (c) {
		case 'n':
			opt.name = optarg;
			break;
		case 'p':
			opt.policy = optarg;
			break;
		case 's':
			opt.section = optarg;
			break;
		case 'r':
			opt.rootfs = optarg;
			break;
		case 'k':
			opt.keep = true;
			break;
		case 'b':
			opt.securebits = true;
			break;
		case 'h':
			usage(stdout);
			return EXIT_SUCCESS;
		default:
			return usage_hint("run");
		}
	}
	status = check_options(&opt, argc, argv);
	if (status >= 0)
		return status;
	status = run(&opt);
	free(opt.rootfs);
	return status;
}
