// SPDX-License-Identifier: MIT
/*
 * dstackctl why: explain the verdict on a file
 *
 * Copyright The dstack for Linux authors
 */
#include "dstackctl.h"
#include "event.h"

#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
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
		"the policy names this digest in this role", NULL },
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
		"register the container with a section that the policy has, or " SCAN },
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
		"its file system may answer differently each time it is read",
		"copy the file to a local disk or a tmpfs" },
	[DSTACK_REASON_UNSEALED] = {
		"it is a memfd that can still be written",
		"seal it against writing, growing and shrinking (F_ADD_SEALS)" },
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
	      "Explains whether PATH may run in a container, without running "
	      "it. Exits 0 if it\nmay, 1 if not.\n\n"
	      "  --container ID  which container (default: the caller's own)\n"
	      "  --kind KIND     exec, map or script (default: what the file "
	      "is)\n"
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

/* A position-independent program differs from a library by this flag only. */
static bool dynamic_is_program(Elf *elf, const GElf_Phdr *phdr)
{
	Elf_Data *data;
	GElf_Dyn dyn;
	int i;

	data = elf_getdata_rawchunk(elf, phdr->p_offset, phdr->p_filesz,
				    ELF_T_DYN);
	for (i = 0; data && gelf_getdyn(data, i, &dyn); i++)
		if (dyn.d_tag == DT_FLAGS_1)
			return dyn.d_un.d_val & DF_1_PIE;
	return false;
}

static bool elf_is_library(int fd)
{
	bool program = false;
	GElf_Ehdr ehdr;
	GElf_Phdr phdr;
	size_t i, nr;
	Elf *elf;

	elf_version(EV_CURRENT);
	elf = elf_begin(fd, ELF_C_READ, NULL);
	if (!elf || !gelf_getehdr(elf, &ehdr) || elf_getphdrnum(elf, &nr)) {
		elf_end(elf);
		return false;
	}
	program = ehdr.e_type != ET_DYN;
	for (i = 0; !program && i < nr; i++) {
		if (!gelf_getphdr(elf, i, &phdr))
			break;
		program = phdr.p_type == PT_INTERP ||
			(phdr.p_type == PT_DYNAMIC &&
			 dynamic_is_program(elf, &phdr));
	}
	elf_end(elf);
	return !program;
}

static uint32_t guess_kind(int fd)
{
	char magic[4] = "";
	ssize_t n = pread(fd, magic, sizeof(magic), 0);

	if (n >= 2 && magic[0] == '#' && magic[1] == '!')
		return DSTACK_KIND_SCRIPT;
	if (n == sizeof(magic) && !memcmp(magic, ELFMAG, SELFMAG) &&
	    elf_is_library(fd))
		return DSTACK_KIND_MAP;
	return DSTACK_KIND_EXEC;
}

static bool would_run(const struct dstack_why *why)
{
	return !why->out_verdict;
}

static void print_text(const char *path, const struct dstack_why *why)
{
	uint32_t reason = why->out_reason < __DSTACK_REASON_MAX ?
		why->out_reason : DSTACK_REASON_INTERNAL;
	bool plain = reason == DSTACK_REASON_APPROVED ||
		reason == DSTACK_REASON_HOST || reason == DSTACK_REASON_OFF;
	char hex[2 * DSTACK_DIGEST_SIZE + 1];

	fputs("file       ", stdout);
	print_safe(stdout, path, strlen(path));
	printf(", as %s, on %s\n", dstack_kind_name(why->kind),
	       dstack_storage_name(why->out_storage));
	printf("digest     sha256:%s\n",
	       hex_encode(why->out_digest, sizeof(why->out_digest), hex));
	printf("container  %s\n", *why->id ? (const char *)why->id : "your own");
	if (why->out_epoch)
		printf("policy     epoch %" PRIu64 "\n",
		       (uint64_t)why->out_epoch);
	printf("verdict    %s (%s): %s\n", would_run(why) ?
	       (plain ? "runs" : "runs now, but not in state enforce") :
	       "denied", dstack_reason_name(why->out_reason),
	       reasons[reason].text);
	if (reasons[reason].next)
		printf("next       %s\n", reasons[reason].next);
}

static int print_json(const char *path, const struct dstack_why *why)
{
	char hex[2 * DSTACK_DIGEST_SIZE + 1];
	json_t *root;

	root = json_pack("{s:s%, s:s, s:s, s:s, s:s, s:b, s:i, s:s, s:I, s:I}",
		"path", path, strlen(path),
		"container", (const char *)why->id,
		"kind", dstack_kind_name(why->kind),
		"digest", hex_encode(why->out_digest,
				     sizeof(why->out_digest), hex),
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
	int file, fd, err;

	file = open_file(path, opt->rootfs);
	if (file < 0) {
		error_msg_errno(errno, "can't open '%s'", path);
		return -EIO;
	}
	fd = libdstack_device_open();
	err = fd < 0 ? fd :
		libdstack_why(fd, file, opt->kind ?: guess_kind(file), opt->id,
			      why);
	if (fd >= 0)
		close(fd);
	close(file);
	return err;
}

int explain_verdict(const char *path, const char *rootfs, const char *id)
{
	struct options opt = { .rootfs = rootfs, .id = id };
	struct dstack_why why;
	int err = ask(path, &opt, &why);

	if (!err)
		print_text(path, &why);
	return err;
}

static uint32_t parse_kind(const char *text)
{
	static const uint32_t kinds[] = {
		DSTACK_KIND_EXEC, DSTACK_KIND_MAP, DSTACK_KIND_SCRIPT
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(kinds); i++)
		if (!strcmp(text, dstack_kind_name(kinds[i])))
			return kinds[i];
	error_msg("the kind must be 'exec', 'map' or 'script', not '%s'", text);
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
		print_text(argv[optind], &why);
	else if (print_json(argv[optind], &why))
		return EXIT_FAILURE;
	return would_run(&why) ? EXIT_SUCCESS : EXIT_FAILURE;
}
