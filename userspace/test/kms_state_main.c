// SPDX-License-Identifier: MIT
/*
 * The state of a KMS, as a program for machines: sealed by the module
 *
 * Copyright The dstack for Linux authors
 */
#include <stdio.h>

#include "../kmsd/state/state.h"
#include "key_epoch_fixture.h"

static struct key_epoch epoch;
static struct state *state;

static void tell(const char *line)
{
	fprintf(stderr, "kms-state: %s\n", line);
}

static int show(void)
{
	size_t i;

	printf("generation %llu\n",
	       (unsigned long long)state_generation(state));
	for (i = 0; i < state_count(state); i++) {
		state_get_epoch(state, i, &epoch);
		printf("epoch %llu %s\n", (unsigned long long)epoch.number,
		       epoch.retired ? "retired" : "live");
	}
	return 0;
}

static int add(void)
{
	epoch_make(state_count(state), &epoch);
	return state_add_epoch(state, &epoch);
}

static int act(const struct state_options *options, const char *what)
{
	int err;

	if (!strcmp(what, "create")) {
		epoch_make(0, &epoch);
		return state_create(options, "kms.test", &epoch, 1, &state);
	}
	err = state_open(options, &state);
	if (err)
		return err;
	if (!strcmp(what, "show"))
		return show();
	if (!strcmp(what, "add"))
		return add();
	return state_retire_epoch(state, 0, time(NULL));
}

int main(int argc, char **argv)
{
	struct state_seal seal = { .id = 0 };
	struct state_options options = { .seal = &seal, .tell = tell };
	int err;

	if (argc < 3) {
		fputs("Usage: kms-state create|show|add|retire DIR [WITNESS]\n",
		      stderr);
		return 2;
	}
	libdstack_set_message_callback(tell);
	options.dir = argv[2];
	options.witness = argv[3];
	err = state_seal_module_open(&seal) ?: act(&options, argv[1]);
	if (!err)
		err = state_close(state);
	state_seal_module_close(&seal);
	if (err)
		fprintf(stderr, "kms-state: %s\n", strerror(-err));
	return err != 0;
}
