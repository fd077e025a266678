// SPDX-License-Identifier: MIT
/*
 * dstackd: arms the module, keeps its event log
 *
 * Copyright The dstack for Linux authors
 *
 * No exec ever waits for this program.  When it dies, hooks and verdicts stay
 * with the module; events wait there until the next one comes.
 */
#include "dstackd.h"
#include "words.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define RUN_DIR		"/run/dstack"
#define PID_FILE	RUN_DIR "/dstackd.pid"
#define EXIT_USAGE	2
#define DEVICES_MAX	32

struct options {
	const char *log, *policy;
	const char *devices[DEVICES_MAX];
	size_t nr_devices;
	int state;		/* -1: measure, if the module is off */
	bool daemonize;
};

static void usage(FILE *out)
{
	fputs("Usage: dstackd [OPTION]...\n"
	      "       dstackd agent [OPTION]...\n\n"
	      "Attaches the hooks of the dstack module, sets its state, and stores its event log.\n\n"
	      "  --log FILE     where to (default: " DSTACKD_LOG ")\n"
	      "  --state STATE  measure, enforce, locked or off (default: measure, if the module is off)\n"
	      "  --policy FILE  load this policy first, unless it is active already\n"
	      "  --device PATH  this block device checks what it reads; may be repeated\n"
	      "  --daemonize    go to the background once all is up, or fail\n"
	      "  --foreground   stay in the foreground (default)\n\n"
	      "'dstackd agent --help' is about the sockets that containers use.\n",
	      out);
}

/* Two daemons would store every event twice.  The lock ends with us. */
static int lock_instance(void)
{
	char text[32] = "";
	int fd, err;

	if (mkdir(RUN_DIR, 0755) && errno != EEXIST)
		goto fail;
	fd = open(PID_FILE, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (fd < 0)
		goto fail;
	if (flock(fd, LOCK_EX | LOCK_NB)) {
		if (errno != EWOULDBLOCK)
			goto fail;
		if (read(fd, text, sizeof(text) - 1) < 0)
			*text = '\0';
		msg("dstackd is running already, as process %.*s",
		    (int)strcspn(text, "\n"), text);
		return -EBUSY;
	}
	snprintf(text, sizeof(text), "%d\n", getpid());
	if (ftruncate(fd, 0) || write(fd, text, strlen(text)) < 0)
		goto fail;
	return fd;
fail:
	err = -errno;
	msg("can't lock '%s': %s", PID_FILE, strerror(-err));
	return err;
}

static int set_state(struct libdstack_control *control, int wanted)
{
	struct libdstack_status status;
	int err;

	err = libdstack_status(control, &status);
	if (err)
		return err;
	if (wanted < 0 && status.state == DSTACK_STATE_OFF)
		wanted = DSTACK_STATE_MEASURE;
	/* What cannot be left is no reason not to start again. */
	if (wanted < 0 || status.state == (uint32_t)wanted ||
	    status.state == DSTACK_STATE_LOCKED)
		return 0;
	if (wanted == DSTACK_STATE_LOCKED) {
		err = libdstack_set_state(control, DSTACK_STATE_ENFORCE);
		if (err)
			return err;
	}
	return libdstack_set_state(control, wanted);
}

/* Hooks before policy and state, so that no state is set that sees nothing. */
static int start(const struct options *opt, struct libdstack_control *control,
		 struct drain *drain)
{
	size_t i;
	int err;

	err = hooks_ensure(control);
	if (err > 0)
		err = 0;
	for (i = 0; !err && i < opt->nr_devices; i++)
		err = device_ensure(control, opt->devices[i]);
	if (!err && opt->policy)
		err = policy_ensure(control, opt->policy);
	if (!err)
		err = set_state(control, opt->state);
	if (!err)
		err = drain_open(drain, control, opt->log);
	if (err)
		return err;
	err = drain_run(drain);
	/* Who waits for --daemonize wants to know; others see us try again. */
	return err > 0 && !opt->daemonize ? 0 : err;
}

/* Tell the waiting parent that all is up, and let go of its terminal. */
static void detach(int ready)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	msg_use_syslog();
	if (null >= 0) {
		dup2(null, STDIN_FILENO);
		dup2(null, STDOUT_FILENO);
		dup2(null, STDERR_FILENO);
		close(null);
	}
	if (write(ready, "", 1) < 0)
		msg("nobody waits for dstackd to start");
	close(ready);
}

static int run(const struct options *opt, int ready)
{
	struct libdstack_control *control = NULL;
	struct drain drain = { .device = -1, .store.fd = -1 };
	int lock, err;

	notify_init();
	lock = lock_instance();
	if (lock < 0)
		return lock;
	err = serve_init() ?: libdstack_control_open(&control);
	if (!err)
		err = start(opt, control, &drain);
	if (!err) {
		notify_manager("READY=1");
		if (ready >= 0)
			detach(ready);
		err = serve(&drain, opt->policy);
	}
	drain_close(&drain);
	libdstack_control_close(control);
	close(lock);
	return err;
}

/* In the parent: wait for the child's word.  In the child: the pipe to it. */
static int fork_daemon(int *ready)
{
	int fds[2];
	char byte;
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC)) {
		msg("can't make a pipe: %s", strerror(errno));
		return EXIT_FAILURE;
	}
	pid = fork();
	if (pid < 0) {
		msg("can't fork: %s", strerror(errno));
		return EXIT_FAILURE;
	}
	if (!pid) {
		close(fds[0]);
		*ready = fds[1];
		setsid();
		return -1;
	}
	close(fds[1]);
	return read(fds[0], &byte, 1) == 1 ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int parse_state(const char *text)
{
	int i;

	for (i = DSTACK_STATE_OFF; i < __DSTACK_STATE_MAX; i++)
		if (!strcmp(text, dstack_state_name(i)))
			return i;
	msg("the state must be 'measure', 'enforce', 'locked' or 'off', not '%s'",
	    text);
	return -1;
}

static bool add_device(struct options *opt, const char *path)
{
	if (opt->nr_devices == DEVICES_MAX) {
		msg("more than %d devices", DEVICES_MAX);
		return false;
	}
	opt->devices[opt->nr_devices++] = path;
	return true;
}

/* Returns -1 to go on, or the exit status. */
static int parse_options(int argc, char **argv, struct options *opt)
{
	static const struct option options[] = {
		{ "log", required_argument, NULL, 'l' },
		{ "state", required_argument, NULL, 's' },
		{ "policy", required_argument, NULL, 'p' },
		{ "device", required_argument, NULL, 'D' },
		{ "daemonize", no_argument, NULL, 'd' },
		{ "foreground", no_argument, NULL, 'f' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 }
	};
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 'l':
			opt->log = optarg;
			break;
		case 's':
			opt->state = parse_state(optarg);
			if (opt->state < 0)
				return EXIT_USAGE;
			break;
		case 'p':
			opt->policy = optarg;
			break;
		case 'D':
			if (!add_device(opt, optarg))
				return EXIT_USAGE;
			break;
		case 'd':
			opt->daemonize = true;
			break;
		case 'f':
			opt->daemonize = false;
			break;
		case 'h':
			usage(stdout);
			return EXIT_SUCCESS;
		default:
			usage(stderr);
			return EXIT_USAGE;
		}
	}
	if (optind != argc || *opt->log != '/') {
		if (optind == argc)
			msg("--log needs an absolute path");
		usage(stderr);
		return EXIT_USAGE;
	}
	return -1;
}

int main(int argc, char **argv)
{
	struct options opt = { .log = DSTACKD_LOG, .state = -1 };
	int status, ready = -1;

	umask(077);
	setlinebuf(stderr);	/* a message is one write */
	libdstack_set_message_callback(library_message);
	if (argc > 1 && !strcmp(argv[1], "agent"))
		return agent_main(argc - 1, argv + 1);
	status = parse_options(argc, argv, &opt);
	if (status < 0 && opt.daemonize)
		status = fork_daemon(&ready);
	if (status >= 0)
		return status;
	return run(&opt, ready) ? EXIT_FAILURE : EXIT_SUCCESS;
}
