// SPDX-License-Identifier: MIT
/*
 * dstackd: arms the module, keeps its event log
 *
 * Copyright The dstack for Linux authors
 *
 * No exec ever waits for this program.  When it dies, hooks and verdicts stay
 * with the module; events wait there until the next one comes.
 */
#include "options.h"
#include "words.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define RUN_DIR		"/run/dstack"
#define PID_FILE	RUN_DIR "/dstackd.pid"
#define DEVICES_MAX	32

struct options {
	const char *log, *policy;
	const char *devices[DEVICES_MAX];
	size_t nr_devices;
	int state;		/* -1: measure, if the module is off */
	bool daemonize;
	struct option_file *file;	/* what texts of it may be in */
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

static int load(const struct options *opt, struct libdstack_control *control)
{
	size_t i;
	int err = 0;

	for (i = 0; !err && i < opt->nr_devices; i++)
		err = device_ensure(control, opt->devices[i]);
	if (!err && opt->policy)
		err = policy_ensure(control, opt->policy);
	return err;
}

/* Hooks before policy and state, so that no state is set that sees nothing. */
static int start(const struct options *opt, struct libdstack_control *control,
		 const char *log, struct drain *drain)
{
	int err = hooks_ensure(control);

	if (err >= 0)
		err = load(opt, control) ?: set_state(control, opt->state) ?:
			drain_open(drain, control, log);
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

/*
 * SIGHUP
 */

struct daemon {
	struct options opt;
	int argc;		/* what they came of, */
	char **argv;		/* and a file that may change */
	char *log;		/* the path, which stays */
	struct libdstack_control *control;
};

static int read_options(struct daemon *daemon, struct options *opt);

/* Returns true if another state is wanted than before. */
static bool read_again(struct daemon *daemon)
{
	struct options *now = &daemon->opt, wanted;
	bool other;

	if (read_options(daemon, &wanted) >= 0) {
		msg("the configuration is not good: it stays as it was");
		return false;
	}
	if (strcmp(now->log, wanted.log) != 0) {
		msg("to change log takes a restart: the configuration stays as it was");
		options_free(wanted.file);
		return false;
	}
	other = wanted.state >= 0 && wanted.state != now->state;
	options_free(now->file);
	*now = wanted;
	return other;
}

/* A state that a person has set meanwhile is left. */
static void reload(void *arg)
{
	struct daemon *daemon = arg;
	bool other = read_again(daemon);
	int err = hooks_ensure(daemon->control);

	/* State off made the module let go of them. */
	if (err > 0)
		msg_at(LOG_INFO, "the hooks are attached");
	if (err >= 0 && !load(&daemon->opt, daemon->control) && other)
		set_state(daemon->control, daemon->opt.state);
}

static int run(struct daemon *daemon, int ready)
{
	const struct options *opt = &daemon->opt;
	struct drain drain = { .device = -1, .store.fd = -1 };
	int lock, err;

	notify_init();
	lock = lock_instance();
	if (lock < 0)
		return lock;
	daemon->log = strdup(opt->log);
	err = daemon->log ? serve_init() : -ENOMEM;
	err = err ?: libdstack_control_open(&daemon->control) ?:
		start(opt, daemon->control, daemon->log, &drain);
	if (!err) {
		notify_manager("READY=1");
		if (ready >= 0)
			detach(ready);
		err = serve(&drain, reload, daemon);
	}
	drain_close(&drain);
	libdstack_control_close(daemon->control);
	free(daemon->log);
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

static bool set_log(struct options *opt, const char *path)
{
	opt->log = path;
	if (*path == '/')
		return true;
	msg("the log needs an absolute path, not '%s'", path);
	return false;
}

static const struct option_spec specs[] = {
	{ "log", 'l', OPTION_TEXT },
	{ "state", 's', OPTION_TEXT },
	{ "policy", 'p', OPTION_TEXT },
	{ "device", 'D', OPTION_LIST },
	{ "daemonize", 'd', OPTION_START },
	{ "foreground", 'f', OPTION_START },
	{ NULL, 0, 0 }
};

static bool set(void *options, int key, const char *arg)
{
	struct options *opt = options;

	switch (key) {
	case 'l':
		return set_log(opt, arg);
	case 's':
		opt->state = parse_state(arg);
		return opt->state >= 0;
	case 'p':
		opt->policy = arg;
		return true;
	case 'D':
		return add_device(opt, arg);
	default:
		opt->daemonize = key == 'd';
		return true;
	}
}

static int read_options(struct daemon *daemon, struct options *opt)
{
	static const struct option_role role = {
		"dstackd", specs, usage, set
	};

	*opt = (struct options){ .log = DSTACKD_LOG, .state = -1 };
	return options_read(&role, daemon->argc, daemon->argv, opt,
			    &opt->file);
}

int main(int argc, char **argv)
{
	struct daemon daemon = { .argc = argc, .argv = argv };
	int status, ready = -1;

	umask(077);
	setlinebuf(stderr);	/* a message is one write */
	libdstack_set_message_callback(library_message);
	if (argc > 1 && !strcmp(argv[1], "agent"))
		return agent_main(argc - 1, argv + 1);
	status = read_options(&daemon, &daemon.opt);
	if (status < 0 && daemon.opt.daemonize)
		status = fork_daemon(&ready);
	if (status >= 0)
		return status;
	status = run(&daemon, ready) ? EXIT_FAILURE : EXIT_SUCCESS;
	options_free(daemon.opt.file);
	return status;
}
