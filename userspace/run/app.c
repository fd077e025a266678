// SPDX-License-Identifier: MIT
/*
 * dstack-boot app: runs the containers of the application
 *
 * Copyright The dstack for Linux authors
 *
 * Nothing of it stays: podman's monitors keep the containers, and start them
 * again as the compose file says.  Started once more it finds them.
 */
#include "run.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <openssl/crypto.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "words.h"

#define DIR		"/dstack/.host-shared"
#define DATA		"/dstack/data/app"
#define COMPOSE		"app-compose.json"
#define INSTANCE	".instance_info"
#define ENVIRONMENT	".decrypted-env.json"
#define OUT		".compose.json"
#define SCALE_MAX	1000
#define EXIT_USAGE	2

struct app {
	const char *dir, *data;
	bool down, check, no_pull;
	unsigned int time_scale;
	struct app_compose *compose;
	struct app_instance instance;
	uint8_t app_id[APP_ID_SIZE];
	char app_id_text[2 * APP_ID_SIZE + 1];
	yyjson_doc *environment;
	struct run_compose *run;
	struct run_engine engine;
	char file[4096 + sizeof(OUT) + 1];
};

static void tell(const char *line)
{
	fprintf(stderr, "dstack-boot: app: %s\n", line);
}

static int say(int err, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

static int say(int err, const char *fmt, ...)
{
	char line[LIBDSTACK_MESSAGE_MAX];
	va_list args;

	va_start(args, fmt);
	vsnprintf(line, sizeof(line), fmt, args);
	va_end(args);
	tell(line);
	return err;
}

static void usage(FILE *out)
{
	fputs("Usage: dstack-boot app [OPTION]...\n\n"
	      "Runs the containers of the application that dstack-boot has booted, with podman.\n"
	      "What runs already is left alone.\n\n"
	      "  --app DIR       the application's directory\n"
	      "                  (default: " DIR ")\n"
	      "  --data DIR      what \"./\" is in the compose file\n"
	      "                  (default: " DATA ")\n"
	      "  --no-pull       take images from podman's store alone\n"
	      "  --check         read and check the compose file, print what would be run\n"
	      "  --down          end the containers and remove them; volumes stay\n"
	      "  --time-scale N  take N times as long before something is given up\n"
	      "  --help          this text\n\n"
	      "Exit status: 0 if all services run or have run, 1 if not, 2 for a wrong option.\n",
	      out);
}

static int wrong(void)
{
	fputs("Try 'dstack-boot app --help'.\n", stderr);
	return EXIT_USAGE;
}

static int set_option(struct app *app, int c)
{
	uint64_t scale;

	switch (c) {
	case 'a':
		app->dir = optarg;
		return -1;
	case 'd':
		app->data = optarg;
		return -1;
	case 'n':
		app->no_pull = true;
		return -1;
	case 'c':
		app->check = true;
		return -1;
	case 'D':
		app->down = true;
		return -1;
	case 't':
		if (libdstack_parse_u64(optarg, SCALE_MAX, &scale) && scale) {
			app->time_scale = scale;
			return -1;
		}
		say(0, "--time-scale: want a number from 1 to %d", SCALE_MAX);
		return wrong();
	case 'h':
		usage(stdout);
		return EXIT_SUCCESS;
	default:
		return wrong();
	}
}

/* Returns -1 to go on, or the exit status. */
static int parse(int argc, char **argv, struct app *app)
{
	static const struct option options[] = {
		{ "app", required_argument, NULL, 'a' },
		{ "data", required_argument, NULL, 'd' },
		{ "no-pull", no_argument, NULL, 'n' },
		{ "check", no_argument, NULL, 'c' },
		{ "down", no_argument, NULL, 'D' },
		{ "time-scale", required_argument, NULL, 't' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 }
	};
	int c, status;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		status = set_option(app, c);
		if (status >= 0)
			return status;
	}
	if (optind != argc) {
		say(0, "'%s' is not an option", argv[optind]);
		return wrong();
	}
	if (*app->dir == '/' && *app->data == '/')
		return -1;
	say(0, "--app, --data: want paths that begin with \"/\"");
	return wrong();
}

/* A file of the directory; -ENOENT, of which nothing is said: there is none. */
static int read_file(const struct app *app, const char *name, size_t max,
		     char **text, size_t *len)
{
	int dir = open(app->dir, O_PATH | O_DIRECTORY | O_CLOEXEC), err;

	if (dir < 0)
		return say(-errno, "%s: %s: run dstack-boot first", app->dir,
			   strerror(errno));
	err = app_file_read(dir, name, max, text, len, tell);
	close(dir);
	return err;
}

/* dstack-boot wrote it, in memory; no environment is an empty one. */
static int read_environment(struct app *app)
{
	char *text;
	size_t len;
	int err;

	err = read_file(app, ENVIRONMENT, RUN_ENVIRONMENT_MAX, &text, &len);
	if (err)
		return err == -ENOENT ? 0 : err;
	app->environment = yyjson_read(text, len, 0);
	OPENSSL_cleanse(text, len);
	free(text);
	if (yyjson_is_obj(yyjson_doc_get_root(app->environment)))
		return 0;
	return say(-EBADMSG, ENVIRONMENT ": not as dstack-boot writes it: run dstack-boot once more");
}

/* Which application it is: the host's word, or of the hash, as measured. */
static int read_identity(struct app *app)
{
	char *text;
	size_t len;
	int err;

	err = read_file(app, INSTANCE, APP_INSTANCE_MAX, &text, &len);
	if (!err) {
		err = app_instance_parse(text, len, &app->instance, tell);
		free(text);
	}
	if (err && err != -ENOENT)
		return err;
	app_id_of(app->compose, &app->instance, app->app_id);
	libdstack_to_hex(app->app_id, sizeof(app->app_id), app->app_id_text);
	return 0;
}

/* What is not run says what to do instead, and is not left out in silence. */
static int check_runner(const struct app_compose *compose)
{
	const char *runner = compose->runner;

	if (!strcmp(runner, "bash"))
		return say(-EOPNOTSUPP, COMPOSE ": runner \"bash\": a script would run outside of every container: put it into an image, and run that by \"docker-compose\"");
	if (strcmp(runner, "docker-compose") != 0)
		return say(-EOPNOTSUPP, COMPOSE ": runner \"%.32s\": use \"docker-compose\": podman runs it",
			   runner);
	if (compose->has_pre_launch_script)
		return say(-EOPNOTSUPP, COMPOSE ": pre_launch_script: it would run outside of every container: make it a service that others depend on (\"service_completed_successfully\")");
	if (!compose->docker_compose_file)
		return say(-EBADMSG, COMPOSE ": docker_compose_file: is missing");
	return 0;
}

static int read_all(struct app *app)
{
	struct run_input input = {
		.app_id = app->app_id_text, .dir = app->dir,
		.data = app->data, .tell = tell,
		.live = !app->check && !app->down,
	};
	char path[4096 + sizeof(COMPOSE) + 1];
	int err;

	snprintf(path, sizeof(path), "%.4095s/" COMPOSE, app->dir);
	err = app_compose_read(path, &app->compose, tell);
	if (err)
		return err;
	err = check_runner(app->compose) ?: read_identity(app) ?:
		read_environment(app);
	if (err)
		return err;
	input.app = app->compose;
	input.environment = yyjson_doc_get_root(app->environment);
	return run_compose_read(app->compose->docker_compose_file, &input,
				&app->run);
}

/* What dstack-boot has done, and somebody may have undone. */
static int check_kernel(const struct app *app,
			struct libdstack_control *control)
{
	const struct app_compose *compose = app->compose;
	struct libdstack_status status;
	int err = libdstack_status(control, &status);

	if (err)
		return err;
	if (status.state == DSTACK_STATE_OFF)
		return say(-ENOLINK, "the dstack module is off: 'dstackctl state measure', or let dstackd set a state");
	if ((compose->policy || compose->has_policy_hash) &&
	    (!status.policy_epoch ||
	     memcmp(status.policy_app_id, app->app_id, APP_ID_SIZE)))
		return say(-ENOKEY, "the policy of " COMPOSE " is not the active one: run dstack-boot, which loads it");
	if (compose->state != APP_STATE_UNSAID &&
	    status.state < compose->state)
		return say(-EPERM, "the application asks for state %s, and the machine is in state %s: run dstack-boot, which says what is missing",
			   dstack_state_name(compose->state),
			   dstack_state_name(status.state));
	return 0;
}

static int get_image(const struct app *app, const struct run_store *store,
		     const struct run_image *image)
{
	int err = run_store_check(store, image, tell);

	if (err == -ENOENT && !app->no_pull) {
		err = run_engine_pull(&app->engine, image);
		if (err)
			return err;
		err = run_store_check(store, image, tell);
	}
	if (err == -ENOENT)
		return say(err, "image %s is not in podman's store",
			   image->name);
	return err ?: say(0, "image %s is there: manifest, configuration and layers are those of its digest",
			  image->name);
}

static int get_images(const struct app *app)
{
	const struct run_compose *run = app->run;
	struct run_store store;
	size_t i, j;
	int err;

	err = run_engine_store(&app->engine, &store);
	for (i = 0; !err && i < run->nr; i++) {
		for (j = 0; j < i; j++)
			if (!strcmp(run->services[i].image.name,
				    run->services[j].image.name))
				break;
		if (j == i)
			err = get_image(app, &store, &run->services[i].image);
	}
	return err;
}

static int write_all(int fd, const char *text, size_t len)
{
	while (len) {
		ssize_t n = write(fd, text, len);

		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0) {
			text += n;
			len -= n;
		}
	}
	return 0;
}

/* For root alone, in memory: it has what was encrypted. */
static int write_file(struct app *app)
{
	int fd, err;

	snprintf(app->file, sizeof(app->file), "%.4095s/" OUT, app->dir);
	unlink(app->file);
	fd = open(app->file, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW |
		  O_CLOEXEC, 0600);
	err = fd < 0 ? -errno : write_all(fd, app->run->text, app->run->len);
	if (fd >= 0)
		close(fd);
	app->engine.file = app->file;
	return err ? say(err, "can't write '%s': %s", app->file,
			 strerror(-err)) : 0;
}

static int start(struct app *app, struct libdstack_control *control,
		 struct run_known *known)
{
	int err;

	err = get_images(app) ?: write_file(app);
	if (err)
		return err;
	say(0, "starting %zu services", app->run->nr);
	err = run_engine_up(&app->engine, app->run->project) ?:
		run_known_check(&app->engine, app->run, control, known);
	/* What should not run does not go on running. */
	if (err == -EPERM)
		run_engine_down(&app->engine, app->run->project);
	return err;
}

static int run_services(struct app *app, struct libdstack_control *control)
{
	struct run_known known;
	int err;

	err = check_kernel(app, control) ?:
		run_known_check(&app->engine, app->run, control, &known);
	if (err)
		return err;
	if (known.running + known.ended == app->run->nr && known.running)
		return say(0, "%zu of %zu services run already", known.running,
			   app->run->nr);
	err = start(app, control, &known);
	if (err)
		return err;
	if (known.absent)
		return say(-ENOEXEC, "%zu of %zu services did not start: 'dstackctl log' shows what a policy denied, 'podman logs' what they said",
			   known.absent, app->run->nr);
	return say(0, "%zu services run, each registered before its first program; %zu have ended",
		   known.running, known.ended);
}

static int work(struct app *app)
{
	struct libdstack_control *control;
	int err;

	err = read_all(app);
	if (err)
		return err;
	if (app->check)
		return write_all(STDOUT_FILENO, app->run->text, app->run->len);
	if (app->down)
		return run_engine_down(&app->engine, app->run->project);
	err = libdstack_control_open(&control);
	if (err)
		return err;
	err = run_services(app, control);
	libdstack_control_close(control);
	return err;
}

int run_app_main(int argc, char **argv)
{
	struct app app = { .dir = DIR, .data = DATA, .time_scale = 1 };
	int status;

	libdstack_set_message_callback(tell);
	status = parse(argc, argv, &app);
	if (status >= 0)
		return status;
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0))
		return EXIT_FAILURE;
	umask(0077);
	app.engine.time_scale = app.time_scale;
	app.engine.tell = tell;
	status = work(&app) ? EXIT_FAILURE : EXIT_SUCCESS;
	run_compose_free(app.run);
	yyjson_doc_free(app.environment);
	app_compose_free(app.compose);
	return status;
}
