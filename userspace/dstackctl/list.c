// SPDX-License-Identifier: MIT
/*
 * What the commands share that list something of the module's
 *
 * Copyright The dstack for Linux authors
 */
#include "dstackctl.h"

#include <errno.h>
#include <getopt.h>
#include <jansson.h>

static int list_json(struct libdstack_control *control, list_fn list)
{
	json_t *array = json_array();
	int err;

	err = list(control, array);
	if (!err && json_dumpf(array, stdout, JSON_INDENT(2)))
		err = -EIO;
	if (!err)
		putchar('\n');
	json_decref(array);
	return err;
}

int list_command(int argc, char **argv, const char *command, list_fn list)
{
	static const struct option options[] = {
		{ "json", no_argument, NULL, 'j' },
		{ NULL, 0, NULL, 0 }
	};
	struct libdstack_control *control;
	bool json = false;
	int c, err;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c != 'j')
			return usage_hint(command);
		json = true;
	}
	if (optind != argc)
		return usage_hint(command);
	err = libdstack_control_open(&control);
	if (err)
		return EXIT_FAILURE;
	err = json ? list_json(control, list) : list(control, NULL);
	libdstack_control_close(control);
	return err ? EXIT_FAILURE : EXIT_SUCCESS;
}
