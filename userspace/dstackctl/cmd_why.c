// SPDX-License-Identifier: MIT
/*
 * dstackctl why: explain the verdict on a file
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
#include <linux/openat2.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define SCAN "add it with 'dstackctl policy scan', raise the epoch, then run 'dstackctl policy load'"

/* For each reason: what it means, and what to do about it. */
static const struct {
	const char *text, *next;
} reasons[__DSTACK_REASON_MAX] = {
	[DSTACK_REASON_APPROVED] = {
		"the policy names this digest in this role, or trusts what it rests on",
		NULL },
	[DSTACK_REASON_HOST] = {
		"outside of containers every file may run",
		"name a container with --container" },
	[DSTACK_REASON_OFF] = {
		"the module is off and checks nothing",
		"switch it on with 'dstackctl state measure' or 'enforce'" },
	[DSTACK_REASON_NO_POLICY] = {
		"no policy is loaded, so no file may run in a container",
		"load one with 'dstackctl policy load FILE'" },
	[DSTACK_REASON_NO_SECTION] = {
		"the policy has no section for this container",
		"register the container with a section of the policy, or "
		SCAN },
	[DSTACK_REASON_UNKNOWN] = {
		"the container's section does not name this digest",
		"if the file is what it should be, " SCAN },
	[DSTACK_REASON_KIND] = {
		"the section names this digest, but not in this role",
		SCAN },
	[DSTACK_REASON_WRITER] = {
		"the file is open for writing, so its content may change",
		"close it everywhere and try again" },
	[DSTACK_REASON_STORAGE] = {
		"the policy does not accept what the file rests on, for this role",
		"copy the file to what the section accepts, see 'dstackctl policy show'"
	},
	[DSTACK_REASON_UNSEALED] = {
		"it is a memfd that can still be written",
		"seal it against writes, growing and shrinking (F_ADD_SEALS)" },
	[DSTACK_REASON_LOG_FULL] = {
		"the event log is full, so nothing more can be recorded",
		"start dstackd, or make room on the disk that it writes to" },
	[DSTACK_REASON_REGISTER] = {
		"the register could not be extended",
		"look at the kernel's log; only a reboot helps if it stays" },
	[DSTACK_REASON_DIVERGED] = {
		"somebody else extended the register",
		"reboot: quotes of this boot no longer match the log" },
	[DSTACK_REASON_INTERNAL] = {
		"the file could not be read or hashed",
		"look at the kernel's log" },
};

struct options {
	const char *rootfs, *id;
	uint32_t kind;
	bool json;
};

static void usage(FILE *out)
{
	fputs("Usage: dstackctl why [OPTION]... PATH\n\n"
	      "Explains whether PATH may run in a container, without running it. Exits 0 if it\n"
	      "may, 1 if not.\n\n"
	      "  --container ID  which container (default: the caller's own)\n"
	      "  --kind KIND     exec, map, script, kernel or control (default: what the file is)\n"
	      "  --rootfs DIR    PATH is below DIR, as in the container\n"
	      "  --json          as JSON\n", out);
}

/* Links in @rootfs lead to where they do inside the container. */
static int open_file(const char *path, const char *rootfs)
{
	struct open_how how = {
		.flags = O_RDONLY | O_CLOEXEC,
		.resolve = RESOLVE_IN_ROOT,
	};
	int dir, fd;

	if (!rootfs)
		return open(path, O_RDONLY | O_CLOEXEC);
	dir = open(rootfs, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return -1;
	fd = syscall(SYS_openat2, dir, path, &how, sizeof(how));
	close(dir);
	return fd;
}

static bool would_run(const struct dstack_why *why)
{
	return !why->out_verdict;
}

/* Where everything runs the module looks at nothing. */
static bool looked_at(const struct dstack_why *why)
{
	return why->out_reason != DSTACK_REASON_HOST &&
		why->out_reason != DSTACK_REASON_OFF;
}

static const char *verdict_text(const struct dstack_why *why)
{
	if (!would_run(why))
		return "denied";
	if (why->out_reason == DSTACK_REASON_APPROVED || !looked_at(why))
		return "runs";
	return "runs now, but not in state enforce";
}

static void print_text(FILE *out, const char *path,
		       const struct dstack_why *why)
{
	uint32_t reason = why->out_reason < __DSTACK_REASON_MAX ?
		why->out_reason : DSTACK_REASON_INTERNAL;
	char digest[LIBDSTACK_DIGEST_TEXT];

	fputs("file       ", out);
	print_safe(out, path, strlen(path));
	fprintf(out, ", as %s", dstack_kind_name(why->kind));
	if (looked_at(why))
		fprintf(out, ", on %s\ndigest     %s",
			dstack_storage_name(why->out_storage),
			libdstack_digest_to_text(&why->out_digest, digest));
	fprintf(out, "\ncontainer  %s\n",
		*why->id ? (const char *)why->id : "your own");
	if (why->out_epoch)
		fprintf(out, "policy     epoch %" PRIu64 "\n",
			(uint64_t)why->out_epoch);
	fprintf(out, "verdict    %s (%s): %s\n", verdict_text(why),
		dstack_reason_name(why->out_reason), reasons[reason].text);
	if (reasons[reason].next)
		fprintf(out, "next       %s\n", reasons[reason].next);
}

static int print_json(const char *path, const struct dstack_why *why)
{
	char digest[LIBDSTACK_DIGEST_TEXT];
	json_t *root;

	root = json_pack("{s:s%, s:s, s:s, s:s, s:s, s:b, s:i, s:s, s:I, s:I}",
			 "path", path, strlen(path),
			 "container", (const char *)why->id,
			 "kind", dstack_kind_name(why->kind),
			 "digest",
			 libdstack_digest_to_text(&why->out_digest, digest),
			 "storage", dstack_storage_name(why->out_storage),
			 "runs", would_run(why),
			 "errno", -why->out_verdict,
			 "reason", dstack_reason_name(why->out_reason),
			 "kinds", (json_int_t)why->out_kinds,
			 "epoch", (json_int_t)why->out_epoch);
	if (!root || json_dumpf(root, stdout, JSON_INDENT(2))) {
		json_decref(root);
		error_msg("can't write JSON: is '%s' UTF-8?", path);
		return -EINVAL;
	}
	json_decref(root);
	putchar('\n');
	return 0;
}

static int ask(const char *path, const struct options *opt,
	       struct dstack_why *why)
{
	int file, fd = -1, err = 0;
	uint32_t kind = opt->kind;

	file = open_file(path, opt->rootfs);
	if (file < 0) {
		error_msg_errno(errno, "can't open '%s'", path);
		return -EIO;
	}
	if (!kind)
		err = libdstack_file_kind(file, &kind);
	if (err)
		error_msg_errno(err, "can't read '%s'", path);
	else
		fd = libdstack_device_open();
	if (fd >= 0) {
		err = libdstack_why(fd, file, kind, opt->id, why);
		close(fd);
	} else if (!err) {
		err = fd;
	}
	close(file);
	return err;
}

int explain_verdict(FILE *out, const char *path, const char *rootfs,
		    const char *id)
{
	struct options opt = { .rootfs = rootfs, .id = id };
	struct dstack_why why;
	int err = ask(path, &opt, &why);

	if (!err)
		print_text(out, path, &why);
	return err;
}

static uint32_t parse_kind(const char *text)
{
	static const uint32_t kinds[] = {
		DSTACK_KIND_EXEC, DSTACK_KIND_MAP, DSTACK_KIND_SCRIPT,
		DSTACK_KIND_KERNEL, DSTACK_KIND_CONTROL
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(kinds); i++)
		if (!strcmp(text, dstack_kind_name(kinds[i])))
			return kinds[i];
	error_msg("the kind must be 'exec', 'map', 'script', 'kernel' or 'control', not '%s'",
		  text);
	return 0;
}

/* Returns -1 to go on, or the exit status. */
static int parse_options(int argc, char **argv, struct options *opt)
{
	static const struct option options[] = {
		{ "container", required_argument, NULL, 'c' },
		{ "kind", required_argument, NULL, 'k' },
		{ "rootfs", required_argument, NULL, 'r' },
		{ "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 }
	};
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 'c':
			opt->id = optarg;
			break;
		case 'k':
			opt->kind = parse_kind(optarg);
			if (!opt->kind)
				return usage_hint("why");
			break;
		case 'r':
			opt->rootfs = optarg;
			break;
		case 'j':
			opt->json = true;
			break;
		case 'h':
			usage(stdout);
			return EXIT_SUCCESS;
		default:
			return usage_hint("why");
		}
	}
	if (argc - optind != 1)
		return usage_hint("why");
	return -1;
}

int cmd_why(int argc, char **argv)
{
	struct options opt = { .rootfs = NULL };
	int status = parse_options(argc, argv, &opt);
	struct dstack_why why;

	if (status >= 0)
		return status;
	if (ask(argv[optind], &opt, &why))
		return EXIT_FAILURE;
	if (!opt.json)
		print_text(stdout, argv[optind], &why);
	else if (print_json(argv[optind], &why))
		return EXIT_FAILURE;
	return would_run(&why) ? EXIT_SUCCESS : EXIT_FAILURE;
}
