// SPDX-License-Identifier: MIT
/*
 * dstackctl mr: which measurements a TD will have
 *
 * Copyright The dstack for Linux authors
 */
#include "dstackctl.h"

#include <errno.h>
#include <getopt.h>
#include <jansson.h>
#include <libdstack_mr.h>
#include <openssl/sha.h>
#include <string.h>

static const char *const registers[__LIBDSTACK_MR_MAX] = {
	"mrtd", "rtmr0", "rtmr1", "rtmr2"
};

enum file {
	FIRMWARE, KERNEL, INITRD, CMDLINE,
	LOADER, RSDP, TABLES,		/* as enum libdstack_acpi */
	FILES
};

struct options {
	const char *path[FILES];
	const char *cmdline;
	bool emulated, events, json;
	struct libdstack_mr_input input;
	void *data[FILES];		/* of the files */
};

static void usage(FILE *out)
{
	fputs("Usage: dstackctl mr [OPTION]...\n\n"
	      "Computes MRTD and RTMR0 to 2 of a TD that QEMU boots directly, as "
	      "far as what is\ngiven decides them.\n\n"
	      "  --firmware FILE     OVMF for TDX\n"
	      "  --kernel FILE       Linux with its EFI stub\n"
	      "  --initrd FILE\n"
	      "  --cmdline TEXT      as given to QEMU\n"
	      "  --cmdline-file FILE the same from a file\n"
	      "  --memory SIZE       of the machine: bytes, or with M or G "
	      "behind\n"
	      "  --acpi-loader FILE, --acpi-rsdp FILE, --acpi-tables FILE\n"
	      "                      what QEMU gives to the firmware, for RTMR0: "
	      "etc/table-loader,\n"
	      "                      etc/acpi/rsdp and etc/acpi/tables below\n"
	      "                      /sys/firmware/qemu_fw_cfg/by_name of such a "
	      "guest\n"
	      "  --two-pass          QEMU before 9, which adds all pages first\n"
	      "  --kernel-as-file    QEMU does not write into the kernel's "
	      "header\n"
	      "  --emulated          what tools/tdx-module makes of the same "
	      "files\n"
	      "  --events            each event, too\n"
	      "  --json              print JSON\n", out);
}

static bool set_memory(const char *text, uint64_t *memory)
{
	size_t len = strlen(text);
	char number[32];
	int shift = 0;

	if (len && len < sizeof(number)) {
		memcpy(number, text, len + 1);
		if (text[len - 1] == 'G')
			shift = 30;
		else if (text[len - 1] == 'M')
			shift = 20;
		if (shift)
			number[len - 1] = '\0';
		if (libdstack_parse_u64(number, UINT64_MAX >> shift, memory)) {
			*memory <<= shift;
			return true;
		}
	}
	error_msg("--memory must be a size like 2G, not '%s'", text);
	return false;
}

static const struct option long_options[] = {
	{ "firmware", required_argument, NULL, FIRMWARE },
	{ "kernel", required_argument, NULL, KERNEL },
	{ "initrd", required_argument, NULL, INITRD },
	{ "cmdline-file", required_argument, NULL, CMDLINE },
	{ "acpi-loader", required_argument, NULL, LOADER },
	{ "acpi-rsdp", required_argument, NULL, RSDP },
	{ "acpi-tables", required_argument, NULL, TABLES },
	{ "cmdline", required_argument, NULL, 'c' },
	{ "memory", required_argument, NULL, 'm' },
	{ "two-pass", no_argument, NULL, '2' },
	{ "kernel-as-file", no_argument, NULL, 'k' },
	{ "emulated", no_argument, NULL, 'u' },
	{ "events", no_argument, NULL, 'e' },
	{ "json", no_argument, NULL, 'j' },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 }
};

static bool set_option(int c, const char *arg, struct options *opt)
{
	switch (c) {
	case 'c':
		opt->cmdline = arg;
		return true;
	case 'm':
		return set_memory(arg, &opt->input.memory);
	case '2':
		opt->input.two_pass = true;
		return true;
	case 'k':
		opt->input.kernel_as_file = true;
		return true;
	case 'u':
		opt->emulated = true;
		return true;
	case 'e':
		opt->events = true;
		return true;
	case 'j':
		opt->json = true;
		return true;
	default:
		if (c < 0 || c >= FILES)
			return false;
		opt->path[c] = arg;
		return true;
	}
}

/* What would be left out in silence is most often a mistake. */
static int check_options(const struct options *opt)
{
	int i, acpi = 0;

	for (i = LOADER; i <= TABLES; i++)
		acpi += !!opt->path[i];
	if (acpi && acpi != __LIBDSTACK_ACPI_MAX)
		error_msg("RTMR0 needs all three of --acpi-loader, --acpi-rsdp and --acpi-tables");
	else if (opt->cmdline && opt->path[CMDLINE])
		error_msg("either --cmdline or --cmdline-file");
	else if (acpi && !(opt->path[FIRMWARE] && opt->input.memory))
		error_msg("RTMR0 needs --firmware and --memory, too");
	else if (opt->path[KERNEL] && !opt->emulated && !opt->input.memory &&
		 !opt->input.kernel_as_file)
		error_msg("RTMR1 needs --memory: QEMU writes into the kernel where the initrd goes");
	else if (opt->path[INITRD] && !opt->cmdline && !opt->path[CMDLINE])
		error_msg("RTMR2 needs --cmdline, be it empty");
	else
		return 0;
	return -EINVAL;
}

static int read_files(struct options *opt)
{
	struct libdstack_mr_file file[FILES] = { 0 };
	size_t i;
	int err;

	for (i = 0; i < FILES; i++) {
		if (!opt->path[i])
			continue;
		err = read_file(opt->path[i], LIBDSTACK_MR_FILE_MAX,
				&opt->data[i], &file[i].len);
		if (err)
			return err;
		file[i].data = opt->data[i];
	}
	opt->input.firmware = file[FIRMWARE];
	opt->input.kernel = file[KERNEL];
	opt->input.initrd = file[INITRD];
	opt->input.cmdline = opt->cmdline;
	if (opt->data[CMDLINE]) {
		opt->input.cmdline = opt->data[CMDLINE];
		if (strlen(opt->input.cmdline) != file[CMDLINE].len) {
			error_msg("'%s' has a NUL in it", opt->path[CMDLINE]);
			return -EINVAL;
		}
	}
	opt->input.have_acpi = opt->data[LOADER];
	for (i = 0; opt->input.have_acpi && i < __LIBDSTACK_ACPI_MAX; i++)
		SHA384(file[LOADER + i].data, file[LOADER + i].len,
		       opt->input.acpi[i]);
	return 0;
}

static void print_text(const struct options *opt, const struct libdstack_mr *mr)
{
	char hex[2 * LIBDSTACK_MR_SIZE + 1];
	size_t i;

	for (i = 0; i < __LIBDSTACK_MR_MAX; i++) {
		if (!mr->have[i])
			continue;
		libdstack_to_hex(mr->value[i], LIBDSTACK_MR_SIZE, hex);
		printf("%-5s %s\n", registers[i], hex);
	}
	for (i = 0; opt->events && i < mr->nr; i++) {
		libdstack_to_hex(mr->event[i].digest, LIBDSTACK_MR_SIZE, hex);
		printf("event %s %s %s\n", registers[mr->event[i].reg], hex,
		       mr->event[i].what);
	}
}

static json_t *events_json(const struct libdstack_mr *mr)
{
	char hex[2 * LIBDSTACK_MR_SIZE + 1];
	const struct libdstack_mr_event *event;
	json_t *events = json_array();
	size_t i;

	for (i = 0; i < mr->nr; i++) {
		event = &mr->event[i];
		libdstack_to_hex(event->digest, LIBDSTACK_MR_SIZE, hex);
		json_array_append_new(events,
				      json_pack("{s:s, s:s, s:s}", "register",
						registers[event->reg],
						"digest", hex,
						"what", event->what));
	}
	return events;
}

static int print_json(const struct options *opt, const struct libdstack_mr *mr)
{
	char hex[2 * LIBDSTACK_MR_SIZE + 1];
	json_t *root = json_object();
	size_t i;
	int err;

	for (i = 0; i < __LIBDSTACK_MR_MAX; i++) {
		if (!mr->have[i])
			continue;
		libdstack_to_hex(mr->value[i], LIBDSTACK_MR_SIZE, hex);
		json_object_set_new(root, registers[i], json_string(hex));
	}
	if (opt->events)
		json_object_set_new(root, "events", events_json(mr));
	err = json_dumpf(root, stdout, JSON_INDENT(2));
	json_decref(root);
	if (err) {
		error_msg("can't write JSON");
		return EXIT_FAILURE;
	}
	putchar('\n');
	return EXIT_SUCCESS;
}

static int predict(struct options *opt)
{
	struct libdstack_failure failure;
	struct libdstack_mr mr;
	int err;

	if (read_files(opt))
		return EXIT_FAILURE;
	err = opt->emulated ?
		libdstack_mr_emulated(&opt->input, &mr, &failure) :
		libdstack_mr_predict(&opt->input, &mr, &failure);
	if (err) {
		error_msg("%s", failure.text);
		return EXIT_FAILURE;
	}
	if (opt->json)
		return print_json(opt, &mr);
	print_text(opt, &mr);
	return EXIT_SUCCESS;
}

int cmd_mr(int argc, char **argv)
{
	struct options opt = { 0 };
	int c, i, status;

	while ((c = getopt_long(argc, argv, "h", long_options, NULL)) != -1) {
		if (c == 'h') {
			usage(stdout);
			return EXIT_SUCCESS;
		}
		if (!set_option(c, optarg, &opt))
			return usage_hint("mr");
	}
	if (optind != argc) {
		error_msg("mr takes no argument '%s'", argv[optind]);
		return usage_hint("mr");
	}
	if (!opt.emulated && !opt.path[FIRMWARE] && !opt.path[KERNEL] &&
	    !opt.cmdline && !opt.path[CMDLINE]) {
		error_msg("nothing to measure: give --firmware, --kernel or --cmdline");
		return usage_hint("mr");
	}
	if (check_options(&opt))
		return usage_hint("mr");
	status = predict(&opt);
	for (i = 0; i < FILES; i++)
		free(opt.data[i]);
	return status;
}
