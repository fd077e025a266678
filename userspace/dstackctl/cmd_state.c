// SPDX-License-Identifier: MIT
/*
 * dstackctl state: measure, enforce, lock, or neither
 *
 * Copyright The dstack for Linux authors
 */
#include "dstackctl.h"
#include "words.h"

#include <errno.h>
#include <getopt.h>
#include <string.h>

static void usage(FILE *out)
{
	fputs("Usage: dstackctl state measure|enforce|locked|off\n\n"
	      "  measure  record every program in a container, deny none\n"
	      "  enforce  deny what the policy does not name\n"
	      "  locked   the same until the next boot, and outside of containers too:\n"
	      "           there the policy's section \"host\" applies\n"
	      "  off      do neither; the module can be unloaded\n", out);
}

static bool parse_state(const char *text, uint32_t *state)
{
	uint32_t i;

	for (i = DSTACK_STATE_OFF; i < __DSTACK_STATE_MAX; i++) {
		if (!strcmp(text, dstack_state_name(i))) {
			*state = i;
			return true;
		}
	}
	return false;
}

static int set_state(uint32_t state)
{
	struct libdstack_control *control;
	struct libdstack_status status;
	int err;

	err = libdstack_control_open(&control);
	if (err)
		return EXIT_FAILURE;
	err = libdstack_set_state(control, state) ?:
		libdstack_status(control, &status);
	libdstack_control_close(control);
	if (err == -ENOLINK)
		error_msg("if dstackd is running, let it attach them again: 'systemctl reload dstackd', or send it SIGHUP");
	if (err)
		return EXIT_FAILURE;
	printf("state %s\n", dstack_state_name(status.state));
	if (state == DSTACK_STATE_ENFORCE && !status.policy_epoch)
		error_msg("warning: no policy is loaded, so nothing runs in a container: use 'dstackctl policy load'");
	return EXIT_SUCCESS;
}

int cmd_state(int argc, char **argv)
{
	static const struct option options[] = {
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 }
	};
	uint32_t state;
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c != 'h')
			return usage_hint("state");
		usage(stdout);
		return EXIT_SUCCESS;
	}
	if (argc - optind != 1 || !parse_state(argv[optind], &state)) {
		error_msg("the state must be 'measure', 'enforce', 'locked' or 'off'");
		return usage_hint("state");
	}
	return set_state(state);
}
