// SPDX-License-Identifier: MIT
/*
 * Record events as the daemon does: ctl_event NAME [HEX] [NAME HEX]...
 *
 * Copyright The dstack for Linux authors
 */
#include <libdstack.h>
#include <stdio.h>
#include <string.h>

static int add(struct libdstack_control *control, const char *name,
	       const char *hex)
{
	uint8_t payload[DSTACK_USER_DATA_MAX];
	size_t len = strlen(hex) / 2;
	int err;

	if (len > sizeof(payload) ||
	    !libdstack_from_hex(hex, strlen(hex), payload, len))
		return 2;
	err = libdstack_add_event(control, name, payload, len);
	if (!err)
		return 0;
	fprintf(stderr, "%s: %s\n", name, strerror(-err));
	return 1;
}

int main(int argc, char **argv)
{
	struct libdstack_control *control;
	int i, status = argc < 2 ? 2 : 0;

	if (libdstack_control_open(&control))
		return 1;
	for (i = 1; !status && i < argc; i += 2)
		status = add(control, argv[i], argv[i + 1] ?: "");
	libdstack_control_close(control);
	return status;
}
