// SPDX-License-Identifier: MIT
/*
 * dstack-boot follow: its options, and the files that a boot left
 *
 * Copyright The dstack for Linux authors
 */
#include "follow.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../attest/attest.h"

#define APP		"/dstack/.host-shared"
#define HOST		"/run/dstack/host-shared"
#define LOG		"/var/lib/dstack/log.jsonl"
#define RUN		"/run/dstack"
#define ONE_S		10	/* of one KMS; who waits denies late */
#define ALL_S		30
#define EXIT_USAGE	2

/* What a boot left. */
struct files {
	struct app_compose *compose;
	struct app_sys_config *config;
	struct app_instance instance;
};

void follow_say(const char *fmt, ...)
{
	char line[LIBDSTACK_MESSAGE_MAX];
	va_list args;

	va_start(args, fmt);
	vsnprintf(line, sizeof(line), fmt, args);
	va_end(args);
	fprintf(stderr, "dstack-boot: follow: %s\n", line);
}

void follow_tell(const char *line)
{
	follow_say("%s", line);
}

/* What KMSs and the library say, unless it was said a moment ago. */
static bool hushed;

void follow_hush(bool hush)
{
	hushed = hush;
}

static void tell_unless_hushed(const char *line)
{
	if (!hushed)
		follow_tell(line);
}

static void usage(FILE *out)
{
	fputs("Usage: dstack-boot follow [OPTION]...\n\n"
	      "Asks the KMS that gave the application its keys what the\n"
	      "contract says now, each second, and does it: a policy that is\n"
	      "in force is loaded, one that is revoked withdrawn, with the keys.\n\n"
	      "  --app DIR      the application, as its boot left it\n"
	      "                 (default: " APP ")\n"
	      "  --host DIR     where the host puts further policies\n"
	      "                 (default: " HOST ")\n"
	      "  --log FILE     the event log (default: " LOG ")\n"
	      "  --run DIR      what is kept until the machine ends\n"
	      "                 (default: " RUN ")\n"
	      "  --help         this text\n",
	      out);
}

/* Returns -1 to go on, or the exit status. */
static int set_option(struct follow_options *opt, int c)
{
	switch (c) {
	case 'a':
		opt->app = optarg;
		return -1;
	case 'H':
		opt->host = optarg;
		return -1;
	case 'l':
		opt->log = optarg;
		return -1;
	case 'r':
		opt->run = optarg;
		return -1;
	case 'h':
		usage(stdout);
		return EXIT_SUCCESS;
	default:
		usage(stderr);
		return EXIT_USAGE;
	}
}

static int parse(int argc, char **argv, struct follow_options *opt)
{
	static const struct option options[] = {
		{ "app", required_argument, NULL, 'a' },
		{ "host", required_argument, NULL, 'H' },
		{ "log", required_argument, NULL, 'l' },
		{ "run", required_argument, NULL, 'r' },
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
	usage(stderr);
	return EXIT_USAGE;
}

/*
 * What a boot left
 */

static int path_in(const char *dir, const char *name, char path[PATH_MAX])
{
	if (snprintf(path, PATH_MAX, "%s/%s", dir, name) < PATH_MAX)
		return 0;
	follow_say("the name of the directory is too long");
	return -ENAMETOOLONG;
}

static int read_instance(int dir, struct app_instance *instance)
{
	char *text;
	size_t len;
	int err = app_file_read(dir, ".instance_info", APP_INSTANCE_MAX, &text,
				&len, follow_tell);

	if (err)
		return err == -ENOENT ? 0 : err;
	err = app_instance_parse(text, len, instance, follow_tell);
	free(text);
	return err;
}

/* The policy that is a file beside was found to be the one that is named. */
static int read_policy(int dir, struct app_compose *compose)
{
	size_t len;
	int err;

	if (!compose->has_policy_hash || compose->policy)
		return 0;
	err = app_file_read(dir, "policy.json", LIBDSTACK_POLICY_FILE_MAX,
			    &compose->policy, &len, follow_tell);
	return err == -ENOENT ? 0 : err;
}

static int read_files(const char *dir, int app, struct files *files)
{
	char path[PATH_MAX];

	return path_in(dir, "app-compose.json", path) ?:
		app_compose_read(path, &files->compose, follow_tell) ?:
		path_in(dir, ".sys-config.json", path) ?:
		app_sys_config_read(path, &files->config, follow_tell) ?:
		read_instance(app, &files->instance) ?:
		read_policy(app, files->compose);
}

static void free_files(struct files *files)
{
	app_compose_free(files->compose);
	app_sys_config_free(files->config);
}

static int open_directory(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd >= 0)
		return fd;
	fd = -errno;
	follow_say("can't open '%s': %s", path, strerror(-fd));
	return fd;
}

/*
 * Whom it asks
 */

struct asker {
	const struct follow_options *opt;
	const struct app_sys_config *config;
};

static int attest(void *arg, const uint8_t report_data[64], uint8_t **out,
		  size_t *len)
{
	const struct asker *asker = arg;

	return attest_make(asker->opt->log, report_data,
			   asker->config->vm_config, true,
			   LIBDSTACK_FORM_SCALE, out, len);
}

static int run(struct follow *follow, const struct files *files)
{
	struct asker asker = { follow->options, files->config };
	char *const *urls = files->config->kms_urls;
	struct kms *kms = &follow->kms;
	int err;

	*kms = (struct kms){
		.urls = (const char *const *)urls,
		.vm_config = files->config->vm_config,
		.attest = attest, .arg = &asker, .tell = tell_unless_hushed,
		.timeout_s = ONE_S, .total_s = ALL_S,
	};

	while (urls && urls[kms->nr])
		kms->nr++;
	err = kms_init() ?: libdstack_control_open(&follow->control) ?:
		record_read_block(follow->run, &follow->view.block) ?:
		/* The root that gave the keys, whatever was asked for. */
		epochs_pin(follow, follow->keys[0]);
	if (!err)
		err = loop_run(follow, follow->compose->follow_interval_s);
	kms_session_close(follow->session);
	libdstack_control_close(follow->control);
	return err;
}

static int follow_app(const struct follow_options *opt)
{
	struct files files = { .compose = NULL };
	struct follow follow = { .options = opt };
	int err;

	if (mkdir(opt->run, 0755) && errno != EEXIST)
		return -errno;
	follow.app = open_directory(opt->app);
	follow.host = open_directory(opt->host);
	follow.run = open_directory(opt->run);
	if (follow.app < 0 || follow.host < 0 || follow.run < 0)
		return -ENOENT;
	err = read_files(opt->app, follow.app, &files) ?: epochs_read(&follow);
	if (!err && follow.keys[0]->provider != AGENT_PROVIDER_KMS) {
		follow_say("the application's keys are from no KMS: there is nobody to follow");
	} else if (!err) {
		follow.compose = files.compose;
		follow.view.grace_s = files.compose->follow_grace_s;
		app_id_of(files.compose, &files.instance, follow.app_id);
		err = run(&follow, &files);
	}
	follow_document_free(&follow.active);
	follow_document_free(&follow.left);
	agent_app_keys_free_all(follow.keys);
	free_files(&files);
	return err;
}

int follow_main(int argc, char **argv)
{
	struct follow_options opt = {
		.app = APP, .host = HOST, .log = LOG, .run = RUN,
	};
	int status = parse(argc, argv, &opt);

	if (status >= 0)
		return status;
	libdstack_set_message_callback(tell_unless_hushed);
	signal(SIGPIPE, SIG_IGN);
	umask(0077);
	return follow_app(&opt) ? EXIT_FAILURE : EXIT_SUCCESS;
}
