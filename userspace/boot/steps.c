// SPDX-License-Identifier: MIT
/*
 * The steps of a boot, in their order
 *
 * Copyright The dstack for Linux authors
 *
 * Events are upstream's and in upstream's order, see
 * Documentation/admin-guide/boot.rst.  Nothing is measured before all that can
 * be refused without a measurement was looked at: what an operator can mend he
 * mends without a reboot.
 */
#include "boot.h"

#include <errno.h>
#include <string.h>

struct step {
	const char *name, *what;
	int (*run)(struct boot *boot);
	unsigned int seconds;	/* at most */
};

static int open_kernel(struct boot *boot)
{
	struct libdstack_status status;
	int err;

	boot->device = libdstack_device_open();
	if (boot->device < 0)
		return boot->device;
	err = libdstack_control_open(&boot->control);
	if (!err)
		err = libdstack_status(boot->control, &status);
	if (err)
		return err;
	boot->backend = status.backend;
	if (status.diverged)
		return boot_fail(-EIO, "the register is not what the event log says: nothing measured from here on could be verified; reboot");
	return 0;
}

static int get_ready(struct boot *boot)
{
	return measure(boot, "system-ready", NULL, 0) ?:
		provider_follow(boot);
}

static const struct step steps[] = {
	{ "directory", "the application's directory is in memory and ours",
	  directory_open, 10 },
	{ "kernel", "the module is there", open_kernel, 10 },
	{ "files", "the host's files are read", share_read, 60 },
	{ "requirements", "the machine is what the application requires",
	  requirements_check, 60 },
	{ "application", "the application is measured", measure_application,
	  30 },
	{ "store", "what others need of the host's files is stored",
	  share_store, 30 },
	{ "keys", "there are keys", provider_get_keys, 300 },
	{ "provider", "who gave the keys is measured", provider_measure, 60 },
	{ "key-store", "the keys are where they belong", provider_store, 30 },
	{ "disk", "the disk for data is there", disk_open, 600 },
	{ "environment", "the environment is decrypted", env_store, 30 },
	{ "policy", "the policy is loaded", policy_load, 60 },
	{ "ready", "the system is ready", get_ready, 30 },
	{ "state", "the policy's state is set", policy_set_state, 30 },
	{ "scripts", "the application's init scripts have run", scripts_run,
	  1800 },
};

#define STEPS	(sizeof(steps) / sizeof(*steps))

static int run_step(struct boot *boot, const struct step *step)
{
	int64_t start = now_us();
	double took;
	int err;

	message_step(step->name);
	err = limit_start(step->what, step->seconds * boot->opt->time_scale) ?:
		step->run(boot);
	limit_end();
	took = (double)(now_us() - start) / 1e6;
	if (err)
		boot_say("failed after %.3f s: %s", took, strerror(-err));
	else
		boot_say("%s (%.3f s)", step->what, took);
	message_step(NULL);
	return err;
}

int boot_run(struct boot *boot)
{
	size_t i;
	int err;

	for (i = 0; i < STEPS; i++) {
		err = run_step(boot, &steps[i]);
		if (err)
			return err;
		if (boot->opt->until && !strcmp(boot->opt->until,
						steps[i].name))
			break;
	}
	return 0;
}

bool boot_is_step(const char *name)
{
	size_t i;

	for (i = 0; i < STEPS; i++)
		if (!strcmp(name, steps[i].name))
			return true;
	return false;
}

void boot_list_steps(FILE *out)
{
	size_t i;

	for (i = 0; i < STEPS; i++)
		fprintf(out, "  %-13s %s\n", steps[i].name, steps[i].what);
}
