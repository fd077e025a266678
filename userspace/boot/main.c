// SPDX-License-Identifier: MIT
/*
 * dstack-boot: boots the application of this machine
 *
 * Copyright The dstack for Linux authors
 */
#include "boot.h"
#include "../follow/follow.h"
#include "../run/run.h"
#include "sign_cert.h"

#include <getopt.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#define HOST		"/run/dstack/host-shared"
#define DIR		"/dstack/.host-shared"
#define LOG		"/var/lib/dstack/log.jsonl"
#define MOUNT_POINT	"/dstack/data"
#define TPM		"device:/dev/tpmrm0"
#define SCALE_MAX	1000
#define EXIT_USAGE	2

static void usage(FILE *out)
{
	fputs("Usage: dstack-boot [OPTION]...\n"
	      "       dstack-boot sign-cert [OPTION]...\n"
	      "       dstack-boot follow [OPTION]...\n"
	      "       dstack-boot app [OPTION]...  (see 'dstack-boot app --help')\n\n"
	      "Boots the application whose files the host shares: checks and measures it, gets\n"
	      "its keys, opens its disk, decrypts its environment, loads its policy, runs its init\n"
	      "scripts.  It can be ended anywhere and started again, and goes on where it was.\n\n"
	      "  --host DIR         the host's files (default: " HOST ")\n"
	      "  --dir DIR          the application's directory, in memory\n"
	      "                     (default: " DIR ")\n"
	      "  --log FILE         the event log (default: " LOG ")\n"
	      "  --data-device DEV  a disk for data, which is formatted if it is empty\n"
	      "                     (default: none)\n"
	      "  --mount DIR        where to mount it (default: " MOUNT_POINT ")\n"
	      "  --tpm TCTI         how to reach the TPM (default: " TPM ")\n"
	      "  --enclave-root FILE\n"
	      "                     the root of platforms whose key enclaves are believed\n"
	      "                     (default: Intel's)\n"
	      "  --enclave-policy FILE\n"
	      "                     a policy of their quotes (default: platforms that are up\n"
	      "                     to date, enclaves that nobody can debug)\n"
	      "  --until STEP       end after this step\n"
	      "  --time-scale N     take N times as long before a step is given up\n"
	      "  --help             this text\n\n"
	      "Steps:\n", out);
	boot_list_steps(out);
	fputs("\nExit status: 0 if the application is booted, 1 if not, 2 for a wrong option.\n",
	      out);
}

static int wrong(void)
{
	fputs("Try 'dstack-boot --help'.\n", stderr);
	return EXIT_USAGE;
}

static int set_option(struct boot_options *opt, int c)
{
	uint64_t scale;

	switch (c) {
	case 'H':
		opt->host = optarg;
		return -1;
	case 'd':
		opt->dir = optarg;
		return -1;
	case 'l':
		opt->log = optarg;
		return -1;
	case 'D':
		opt->device = optarg;
		return -1;
	case 'm':
		opt->mount_point = optarg;
		return -1;
	case 'T':
		opt->tpm = optarg;
		return -1;
	case 'R':
		opt->enclave_root = optarg;
		return -1;
	case 'P':
		opt->enclave_policy = optarg;
		return -1;
	case 'u':
		opt->until = optarg;
		if (boot_is_step(optarg))
			return -1;
		boot_say("there is no step '%s'", optarg);
		return wrong();
	case 't':
		if (libdstack_parse_u64(optarg, SCALE_MAX, &scale) && scale) {
			opt->time_scale = scale;
			return -1;
		}
		boot_say("--time-scale: want a number from 1 to %d", SCALE_MAX);
		return wrong();
	case 'h':
		usage(stdout);
		return EXIT_SUCCESS;
	default:
		return wrong();
	}
}

/* Returns -1 to go on, or the exit status. */
static int parse(int argc, char **argv, struct boot_options *opt)
{
	static const struct option options[] = {
		{ "host", required_argument, NULL, 'H' },
		{ "dir", required_argument, NULL, 'd' },
		{ "log", required_argument, NULL, 'l' },
		{ "data-device", required_argument, NULL, 'D' },
		{ "mount", required_argument, NULL, 'm' },
		{ "tpm", required_argument, NULL, 'T' },
		{ "enclave-root", required_argument, NULL, 'R' },
		{ "enclave-policy", required_argument, NULL, 'P' },
		{ "until", required_argument, NULL, 'u' },
		{ "time-scale", required_argument, NULL, 't' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 }
	};
	int c, status;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		status = set_option(opt, c);
		if (status >= 0)
			return status;
	}
	if (optind == argc)
		return -1;
	boot_say("'%s' is not an option", argv[optind]);
	return wrong();
}

/* What was closed by the kernel anyway is not worth a line. */
static void end(struct boot *boot)
{
	agent_app_keys_free(boot->keys);
	app_compose_free(boot->compose);
	app_sys_config_free(boot->config);
	free(boot->sys_config.data);
	free(boot->user_config.data);
	free(boot->encrypted_env.data);
	libdstack_control_close(boot->control);
	if (boot->device >= 0)
		close(boot->device);
	if (boot->host >= 0)
		close(boot->host);
	if (boot->dir >= 0)
		close(boot->dir);
}

int main(int argc, char **argv)
{
	struct boot_options opt = {
		.host = HOST, .dir = DIR, .log = LOG,
		.mount_point = MOUNT_POINT, .tpm = TPM, .time_scale = 1,
	};
	struct boot boot = {
		.opt = &opt, .host = -1, .dir = -1, .device = -1,
	};
	int status, err;

	/* Keys are here for moments: in no core dump, and for no debugger. */
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0))
		return EXIT_FAILURE;
	if (argc > 1 && !strcmp(argv[1], "sign-cert"))
		return sign_cert_main(argc - 1, argv + 1);
	if (argc > 1 && !strcmp(argv[1], "follow"))
		return follow_main(argc - 1, argv + 1);
	if (argc > 1 && !strcmp(argv[1], "app"))
		return run_app_main(argc - 1, argv + 1);
	libdstack_set_message_callback(boot_tell);
	status = parse(argc, argv, &opt);
	if (status >= 0)
		return status;
	signal(SIGPIPE, SIG_IGN);
	umask(0077);
	err = boot_run(&boot);
	end(&boot);
	return err ? EXIT_FAILURE : EXIT_SUCCESS;
}
