// SPDX-License-Identifier: MIT
/*
 * The device, asked as the caller's container would ask it
 *
 * Copyright The dstack for Linux authors
 */
#include "agent.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

int agent_device(const struct agent_caller *caller, struct rpc_error *error)
{
	struct libdstack_acts_for who;
	int fd = libdstack_device_open(), err;

	if (fd < 0)
		return rpc_fail(error, fd, "the dstack module is not there: %s",
				strerror(-fd));
	err = libdstack_act_for(fd, caller->pid, &who);
	/* By now it may have ended, and its pid be another's. */
	if (!err && (who.cgroup_id != caller->cgroup_id ||
		     strcmp(who.section, caller->section) != 0))
		err = -ESRCH;
	if (!err)
		return fd;
	close(fd);
	if (err == -ESRCH)
		return rpc_fail(error, err,
				"the process that asked has ended, or moved to another container");
	return rpc_fail(error, err, "can't act for container '%s': %s",
			caller->id, strerror(-err));
}
