// SPDX-License-Identifier: MIT
/*
 * Events of the caller's container, and which API this is
 *
 * Copyright The dstack for Linux authors
 */
#include "agent.h"

#include <errno.h>
#include <string.h>

#include <guest_v0.pb-c.h>
#include <guest_v1.pb-c.h>

#define REV	"dstack-linux " AGENT_VERSION

AGENT_CALL(agent_v0_emit_event)
{
	const Guest__V0__EmitEventRequest *in = (const void *)request;
	uint64_t seq;
	int fd, err;

	(void)agent;
	(void)response;
	fd = agent_device(caller, error);
	if (fd < 0)
		return fd;
	err = libdstack_extend(fd, in->event, in->payload.data,
			       in->payload.len, &seq);
	switch (err) {
	case 0:
		return 0;
	case -EINVAL:
		return rpc_fail(error, err,
				"an event's name is 1 to %d of [A-Za-z0-9._-], its payload at most %d bytes",
				DSTACK_NAME_SIZE - 1, DSTACK_USER_DATA_MAX);
	case -EDQUOT:
	case -ENOBUFS:
		return rpc_fail(error, err,
				"this container recorded too much: try again later");
	case -ESTALE:
		return rpc_fail(error, err,
				"the container that asked has ended");
	default:
		return rpc_fail(error, err, "can't record the event: %s",
				strerror(-err));
	}
}

AGENT_CALL(agent_v0_version)
{
	Guest__V0__VersionResponse *out = (void *)response;

	(void)agent;
	(void)caller;
	(void)request;
	(void)error;
	return rpc_put_text(&out->version, AGENT_V0_VERSION) ?:
		rpc_put_text(&out->rev, REV);
}

AGENT_CALL(agent_v1_version)
{
	Guest__V1__VersionResponse *out = (void *)response;

	(void)agent;
	(void)caller;
	(void)request;
	(void)error;
	return rpc_put_text(&out->version, AGENT_VERSION) ?:
		rpc_put_text(&out->rev, REV);
}
