// SPDX-License-Identifier: MIT
/*
 * dstack-kms: gives keys to the code that a contract approves
 *
 * Copyright The dstack for Linux authors
 */
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>

#include "../app/app.h"
#include "../daemon/daemon.h"
#include "../kms/kms.h"
#include "kmsd.h"

#define CONFIG		"/etc/dstack/dstack-kms.json"
#define SYS_CONFIG	".sys-config.json"
#define EXIT_USAGE	2

static void usage(FILE *out)
{
	fputs("Usage: dstack-kms [OPTION]...\n"
"\n"
"Gives keys and certificates to applications that prove what they are, as far\n"
"as contracts on a chain, or whoever else the configuration names, allow it.\n"
"\n"
"  --config FILE   what to do (default " CONFIG ")\n"
"  --check-config  only say whether that file is good\n"
"  --check-audit FILE\n"
"                  only say whether that record of what was given is whole\n"
"  --version       which it is\n"
"  --help          this text\n"
"\n"
"Without keys it waits for a Bootstrap, or an Onboard, at a socket of \"admin\".\n"
"See dstack-kms(8) and Documentation/admin-guide/kms.rst.\n", out);
}

static void tell(const char *line)
{
	msg("%s", line);
}

static int find_collateral(const void *quote, size_t len, time_t now,
			   void *data,
			   struct libdstack_collateral **collateral,
			   struct libdstack_failure *failure)
{
	struct kmsd *kmsd = data;

	return libdstack_collateral_find(kmsd->collateral, quote, len, now,
					 collateral, failure);
}

static int keep_head(void *arg, const struct chain_head *head)
{
	struct kmsd *kmsd = arg;
	struct state_head seen = {
		.number = head->number, .time = head->time,
	};

	if (!kmsd->state)
		return 0;
	memcpy(seen.hash, head->hash, sizeof(seen.hash));
	return state_set_head(kmsd->state, &seen);
}

/* Beside the state, once there is one. */
static int load_light(void *arg, void *data, size_t *len)
{
	const struct kmsd *kmsd = arg;

	return kmsd->state ? state_load_light(kmsd->state, kmsd->seal, data,
					      len) : -ENOENT;
}

static int keep_light(void *arg, const void *data, size_t len)
{
	const struct kmsd *kmsd = arg;

	return kmsd->state ? state_keep_light(kmsd->state, kmsd->seal, data,
					      len) : -ENOENT;
}

/* What there is; -ENOENT is none. */
static int open_state(struct kmsd *kmsd)
{
	int err = state_open(&kmsd->state_options, &kmsd->state);

	return err ? err : epochs_open(kmsd->state, time(NULL), &kmsd->epochs);
}

static int open_auth(struct kmsd *kmsd)
{
	struct auth_options options = {
		.config = &kmsd->options->auth, .version = KMSD_VERSION,
		.tell = tell, .keep = keep_head, .load_light = load_light,
		.keep_light = keep_light, .arg = kmsd,
	};
	struct state_head seen = { 0 };

	if (kmsd->state)
		state_get_head(kmsd->state, &seen);
	options.head.number = seen.number;
	options.head.time = seen.time;
	memcpy(options.head.hash, seen.hash, sizeof(seen.hash));
	return auth_open(&options, &kmsd->auth);
}

static int read_vm_config(struct kmsd *kmsd)
{
	const char *dir = kmsd->options->app;
	struct app_sys_config *config;
	char *path = NULL;
	int err = 0;

	if (!dir) {
		kmsd->vm_config = strdup("");
		return kmsd->vm_config ? 0 : -ENOMEM;
	}
	if (asprintf(&path, "%s/" SYS_CONFIG, dir) < 0)
		return -ENOMEM;
	err = app_sys_config_read(path, &config, tell);
	free(path);
	if (err)
		return err;
	kmsd->vm_config = strdup(config->vm_config);
	app_sys_config_free(config);
	return kmsd->vm_config ? 0 : -ENOMEM;
}

static int open_parts(struct kmsd *kmsd)
{
	const struct kmsd_options *options = kmsd->options;
	int err = read_vm_config(kmsd);

	if (!err)
		err = limits_open(options, &kmsd->limits) ?:
			leases_open(options->lease_s, &kmsd->leases);
	if (!err)
		err = audit_open(options->audit, tell, &kmsd->audit);
	if (!err)
		err = libdstack_collateral_memory_open(&options->collateral,
						       &kmsd->collateral);
	if (!err && options->image.dir)
		err = image_store_open(&options->image, &kmsd->images);
	if (!err)
		err = open_auth(kmsd);
	if (!err && !options->any_self)
		err = self_open(kmsd, &kmsd->self);
	return err;
}

/* Roots at the first start, if the configuration names who this is. */
static int onboard(struct kmsd *kmsd, bool *ended)
{
	struct rpc_error error = { 0 };
	int err;

	if (!kmsd->options->domain)
		return kmsd_serve_onboarding(kmsd, ended);
	err = self_allowed(kmsd, time(NULL), &error);
	if (err)
		msg("%s", error.text);
	return err ? err : kmsd_make_roots(kmsd, kmsd->options->domain);
}

static int open_alone(struct kmsd *kmsd, bool *ended)
{
	int err = open_state(kmsd);
	bool none = err == -ENOENT;

	if (none)
		err = 0;
	err = err ?: open_parts(kmsd);
	return !err && none ? onboard(kmsd, ended) : err;
}

/* All who are asked, or ask, have to be judged: first the parts for that. */
static int open_shared(struct kmsd *kmsd, bool *ended)
{
	int err = open_parts(kmsd) ?: kmsd_serve_sharing(kmsd, ended);

	if (err || *ended)
		return err;
	/* From here on no block counts that is before the one in the state. */
	auth_close(kmsd->auth);
	kmsd->auth = NULL;
	err = open_auth(kmsd) ?:
		epochs_open(kmsd->state, time(NULL), &kmsd->epochs);
	if (!err)
		sharing_settle(kmsd->sharing);
	return err;
}

static int live(struct kmsd *kmsd)
{
	bool ended = false;
	int err = sharing_open(kmsd);

	if (!err)
		err = sharing_is_shared(kmsd->sharing) ?
			open_shared(kmsd, &ended) : open_alone(kmsd, &ended);
	if (err || ended)
		return err;
	if (!state_has_info(kmsd->state) && kmsd_prove_roots(kmsd))
		msg("there is no evidence yet of whose roots these are: it is tried again at the next start");
	return kmsd_serve(kmsd);
}

static void end(struct kmsd *kmsd)
{
	self_close(kmsd->self);
	auth_close(kmsd->auth);
	libdstack_collateral_memory_close(kmsd->collateral);
	audit_close(kmsd->audit);
	image_store_close(kmsd->images);
	limits_close(kmsd->limits);
	leases_close(kmsd->leases);
	epochs_close(kmsd->epochs);
	if (state_close(kmsd->state))
		msg("the newest block that was seen could not be kept");
	sharing_close(kmsd->sharing);
	free(kmsd->vm_config);
}

static int run(const struct kmsd_options *options)
{
	static struct state_seal seal;
	struct kmsd kmsd = {
		.options = options, .seal = &seal,
		.state_options = {
			.dir = options->state, .witness = options->witness,
			.seal = &seal, .tell = tell,
		},
		.trust = {
			.find = find_collateral, .root = options->root,
			.root_len = options->root_len,
			.flags = LIBDSTACK_RATLS_F_ANY_ISSUER,
			.accept = kmsd_accept, .clock = time,
		},
	};
	int err;

	kmsd.trust.data = &kmsd;
	tees_trust(options->tees, &kmsd.trust);
	pthread_mutex_init(&kmsd.onboard_lock, NULL);
	notify_init();
	/* Keys are here: in no core dump, and not for our peers. */
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0))
		return -errno;
	err = kms_init() ?: state_seal_module_open(&seal);
	if (err)
		return err;
	err = live(&kmsd);
	/* A handler that has not returned uses all of it. */
	if (err != -ETIMEDOUT) {
		end(&kmsd);
		state_seal_module_close(&seal);
	}
	return err;
}

static int check_audit(const char *path)
{
	struct audit_head head = { 0 };
	char hash[2 * AUDIT_HASH_SIZE + 1];
	uint64_t bad = 0;
	FILE *file = fopen(path, "re");
	int err = file ? audit_check(file, &head, &bad) : -errno;

	if (file)
		fclose(file);
	if (err == -EBADMSG)
		msg("'%s': line %llu does not follow the one before it", path,
		    (unsigned long long)bad);
	else if (err)
		msg("'%s': %s", path, strerror(-err));
	else
		printf("%llu lines, SHA-256 of the last: %s\n",
		       (unsigned long long)head.lines,
		       libdstack_to_hex(head.hash, sizeof(head.hash), hash));
	return err ? EXIT_FAILURE : EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "check-config", no_argument, NULL, 'k' },
		{ "check-audit", required_argument, NULL, 'a' },
		{ "version", no_argument, NULL, 'v' },
		{ "help", no_argument, NULL, 'h' },
		{ }
	};
	struct kmsd_options options;
	const char *config = CONFIG, *audit = NULL;
	bool check = false;
	int c, err;

	msg_name("dstack-kms");
	libdstack_set_message_callback(library_message);
	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		switch (c) {
		case 'c':
			config = optarg;
			break;
		case 'k':
			check = true;
			break;
		case 'a':
			audit = optarg;
			break;
		case 'v':
			puts("dstack-kms " KMSD_VERSION);
			return 0;
		case 'h':
			usage(stdout);
			return 0;
		default:
			return EXIT_USAGE;
		}
	}
	if (optind != argc) {
		msg("'%s' is one too many: see --help", argv[optind]);
		return EXIT_USAGE;
	}
	if (audit)
		return check_audit(audit);
	err = kmsd_options_read(config, &options);
	if (!err && !check)
		err = run(&options);
	if (err)
		msg("ended: %s", strerror(-err));
	kmsd_options_clear(&options);
	return err ? EXIT_FAILURE : EXIT_SUCCESS;
}
