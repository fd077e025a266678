// SPDX-License-Identifier: MIT
/*
 * The device, asked as the caller's container would ask it
 *
 * Copyright The dstack for Linux authors
 *
 * It is opened once for a request, by who finds out whose that is.  The kernel
 * keeps to that container, whatever becomes of the process and its number.
 */
#include "agent.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

int agent_device(const struct http_caller *caller, struct rpc_error *error)
{
	if (caller->device >= 0)
		return caller->device;
	return rpc_fail(error, -ENODEV, "nothing acts for container '%s': %s",
			caller->id, strerror(ENODEV));
}

int agent_device_keep(const struct http_caller *caller,
		      struct rpc_error *error)
{
	int fd = agent_device(caller, error), copy;

	if (fd < 0)
		return fd;
	copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	return copy < 0 ? rpc_fail(error, -errno,
				   "too much is asked for at once: %s",
				   strerror(errno)) : copy;
}

int agent_device_find(pid_t pid, struct http_caller *caller)
{
	struct libdstack_acts_for who;
	int fd = libdstack_device_open(), err;

	if (fd < 0)
		return fd;
	err = libdstack_act_for(fd, pid, &who);
	if (err) {
		close(fd);
		return err;
	}
	memcpy(caller->id, who.id, sizeof(caller->id));
	memcpy(caller->section, who.section, sizeof(caller->section));
	caller->cgroup_id = who.cgroup_id;
	caller->device = fd;
	return 0;
}
