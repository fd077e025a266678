// SPDX-License-Identifier: MIT
/*
 * The control plane, one function a command of the netlink family
 *
 * Copyright The dstack for Linux authors
 */
#include "lib.h"
#include "netlink.h"
#include "table.h"

#include <errno.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK_MAX	32768	/* bytes of the table in one message */
#define DUMP_TRIES	8	/* containers may come and go while we read */

/* For the many that only carry a few attributes: frees @msg on errors. */
static int request_checked(struct libdstack_control *control,
			   struct nl_msg *msg, int put_err, const char *what)
{
	if (put_err) {
		nlmsg_free(msg);
		dstack_message("can't %s: too long for one request", what);
		return -EMSGSIZE;
	}
	return dstack_request(control, msg, what, NULL, NULL);
}

static void get_bytes(struct nlattr *attr, void *out, size_t len)
{
	if (attr)
		memcpy(out, nla_data(attr), len);
}

static uint32_t get_u32(struct nlattr *attr)
{
	return attr ? nla_get_u32(attr) : 0;
}

static uint64_t get_u64(struct nlattr *attr)
{
	return attr ? nla_get_u64(attr) : 0;
}

static int status_reply(struct nlattr **attrs, void *arg)
{
	struct libdstack_status *s = arg;

	/* The others are zero when absent; these decide what happens next. */
	if (!attrs[DSTACK_A_STATE] || !attrs[DSTACK_A_BACKEND] ||
	    !attrs[DSTACK_A_REGISTER] || !attrs[DSTACK_A_BASE] ||
	    !attrs[DSTACK_A_LOG_COUNT] || !attrs[DSTACK_A_LOG_ACKED] ||
	    !attrs[DSTACK_A_HOOKS])
		return -EPROTO;
	s->state = get_u32(attrs[DSTACK_A_STATE]);
	s->backend = get_u32(attrs[DSTACK_A_BACKEND]);
	s->backend_flags = get_u32(attrs[DSTACK_A_BACKEND_FLAGS]);
	s->diverged = get_u32(attrs[DSTACK_A_DIVERGED]);
	s->hooks = get_u32(attrs[DSTACK_A_HOOKS]);
	s->containers = get_u32(attrs[DSTACK_A_CONTAINERS]);
	s->keys = get_u32(attrs[DSTACK_A_KEYS]);
	get_bytes(attrs[DSTACK_A_REGISTER], s->register_value,
		  sizeof(s->register_value));
	get_bytes(attrs[DSTACK_A_BASE], s->base, sizeof(s->base));
	s->log_count = get_u64(attrs[DSTACK_A_LOG_COUNT]);
	s->log_acked = get_u64(attrs[DSTACK_A_LOG_ACKED]);
	s->log_pending = get_u64(attrs[DSTACK_A_LOG_PENDING]);
	s->log_memory = get_u64(attrs[DSTACK_A_LOG_MEMORY]);
	s->log_first = get_u64(attrs[DSTACK_A_LOG_FIRST]);
	/* Without it, a log that was forgotten would pass for whole. */
	if (s->log_first && !attrs[DSTACK_A_LOG_START])
		return -EPROTO;
	get_bytes(attrs[DSTACK_A_LOG_START], s->log_start,
		  sizeof(s->log_start));
	s->policy_epoch = get_u64(attrs[DSTACK_A_POLICY_EPOCH]);
	/* Zeros are an application too: never those of a module without it. */
	if (s->policy_epoch && !attrs[DSTACK_A_APP_ID])
		return -EPROTO;
	get_bytes(attrs[DSTACK_A_APP_ID], s->policy_app_id,
		  sizeof(s->policy_app_id));
	get_bytes(attrs[DSTACK_A_POLICY_TABLE], s->policy_table,
		  sizeof(s->policy_table));
	get_bytes(attrs[DSTACK_A_POLICY_DOCUMENT], s->policy_document,
		  sizeof(s->policy_document));
	s->allowed = get_u64(attrs[DSTACK_A_ALLOWED]);
	s->denied = get_u64(attrs[DSTACK_A_DENIED]);
	s->cache_hits = get_u64(attrs[DSTACK_A_CACHE_HITS]);
	s->cache_misses = get_u64(attrs[DSTACK_A_CACHE_MISSES]);
	return 0;
}

int libdstack_status(struct libdstack_control *control,
		     struct libdstack_status *status)
{
	struct nl_msg *msg;

	msg = dstack_request_new(control, DSTACK_CMD_STATUS_GET, 0, 0);
	if (!msg)
		return -ENOMEM;
	memset(status, 0, sizeof(*status));
	return dstack_request(control, msg, "get the status", status_reply,
			      status);
}

int libdstack_set_state(struct libdstack_control *control, uint32_t state)
{
	struct nl_msg *msg;

	msg = dstack_request_new(control, DSTACK_CMD_STATE_SET, 0, 0);
	if (!msg)
		return -ENOMEM;
	return request_checked(control, msg,
			       nla_put_u32(msg, DSTACK_A_STATE, state),
			       "set the state");
}

static int send_begin(struct libdstack_control *control, size_t size,
		      const uint8_t document[DSTACK_DIGEST_SIZE])
{
	struct nl_msg *msg;
	int err;

	msg = dstack_request_new(control, DSTACK_CMD_POLICY_BEGIN, 0, 0);
	if (!msg)
		return -ENOMEM;
	err = nla_put_u32(msg, DSTACK_A_POLICY_SIZE, size) ?:
		nla_put(msg, DSTACK_A_POLICY_DOCUMENT, DSTACK_DIGEST_SIZE,
			document);
	return request_checked(control, msg, err, "start loading the policy");
}

static int send_chunk(struct libdstack_control *control, const void *data,
		      size_t len)
{
	struct nl_msg *msg;

	msg = dstack_request_new(control, DSTACK_CMD_POLICY_DATA, 0, len);
	if (!msg)
		return -ENOMEM;
	return request_checked(control, msg,
			       nla_put(msg, DSTACK_A_POLICY_CHUNK, len, data),
			       "load the policy");
}

int libdstack_load_table(struct libdstack_control *control,
			 const void *table, size_t size,
			 const uint8_t document[DSTACK_DIGEST_SIZE])
{
	const uint8_t *data = table;
	struct nl_msg *msg;
	size_t at, n;
	int err;

	if (!size || size > DSTACK_TABLE_MAX) {
		dstack_message("a policy table of %zu bytes, more than %d",
			       size, DSTACK_TABLE_MAX);
		return -EFBIG;
	}
	err = send_begin(control, size, document);
	for (at = 0; !err && at < size; at += n) {
		n = size - at < CHUNK_MAX ? size - at : CHUNK_MAX;
		err = send_chunk(control, data + at, n);
	}
	if (err)
		return err;
	msg = dstack_request_new(control, DSTACK_CMD_POLICY_COMMIT, 0, 0);
	if (!msg)
		return -ENOMEM;
	return dstack_request(control, msg, "make the policy active", NULL,
			      NULL);
}

int libdstack_ensure_policy(struct libdstack_control *control,
			    const struct libdstack_policy *policy,
			    uint8_t app_id[DSTACK_APP_ID_SIZE])
{
	uint8_t document[DSTACK_DIGEST_SIZE];
	struct libdstack_status status;
	size_t size;
	void *table;
	int err;

	memcpy(app_id, libdstack_policy_app_id(policy), DSTACK_APP_ID_SIZE);
	err = libdstack_policy_digest(policy, document) ?:
		libdstack_status(control, &status);
	if (err || (status.policy_epoch &&
		    !memcmp(status.policy_document, document,
			    sizeof(document))))
		return err;
	err = libdstack_policy_compile(policy, &table, &size);
	if (err)
		return err;
	err = libdstack_load_table(control, table, size, document);
	free(table);
	return err;
}

static bool all_zero(const uint8_t *data, size_t len)
{
	while (len--)
		if (*data++)
			return false;
	return true;
}

int libdstack_add_container(struct libdstack_control *control, int cgroup_fd,
			    const struct libdstack_container *container)
{
	struct nl_msg *msg;
	int err;

	msg = dstack_request_new(control, DSTACK_CMD_CONTAINER_ADD, 0, 512);
	if (!msg)
		return -ENOMEM;
	err = nla_put_u32(msg, DSTACK_A_CGROUP_FD, cgroup_fd) ?:
		nla_put_string(msg, DSTACK_A_ID, container->id) ?:
		nla_put_string(msg, DSTACK_A_SECTION, container->section) ?:
		nla_put(msg, DSTACK_A_APP_ID, sizeof(container->app_id),
			container->app_id);
	if (!err && !all_zero(container->image, sizeof(container->image)))
		err = nla_put(msg, DSTACK_A_IMAGE, sizeof(container->image),
			      container->image);
	/* Without flags also older modules understand. */
	if (!err && container->flags)
		err = nla_put_u32(msg, DSTACK_A_FLAGS, container->flags);
	return request_checked(control, msg, err, "register the container");
}

int libdstack_remove_container(struct libdstack_control *control,
			       const char *id)
{
	struct nl_msg *msg;

	msg = dstack_request_new(control, DSTACK_CMD_CONTAINER_REMOVE, 0, 256);
	if (!msg)
		return -ENOMEM;
	return request_checked(control, msg,
			       nla_put_string(msg, DSTACK_A_ID, id),
			       "remove the container");
}

struct container_list {
	struct libdstack_container *items;
	size_t nr, cap;
};

static int container_reply(struct nlattr **attrs, void *arg)
{
	struct container_list *list = arg;
	struct libdstack_container *c;

	if (!attrs[DSTACK_A_ID] || !attrs[DSTACK_A_SECTION] ||
	    !attrs[DSTACK_A_CGROUP_ID])
		return -EPROTO;
	if (list->nr == list->cap) {
		size_t cap = list->cap ? 2 * list->cap : 64;

		c = reallocarray(list->items, cap, sizeof(*c));
		if (!c)
			return -ENOMEM;
		list->items = c;
		list->cap = cap;
	}
	c = &list->items[list->nr++];
	memset(c, 0, sizeof(*c));
	nla_strlcpy(c->id, attrs[DSTACK_A_ID], sizeof(c->id));
	nla_strlcpy(c->section, attrs[DSTACK_A_SECTION], sizeof(c->section));
	get_bytes(attrs[DSTACK_A_APP_ID], c->app_id, sizeof(c->app_id));
	get_bytes(attrs[DSTACK_A_IMAGE], c->image, sizeof(c->image));
	c->cgroup_id = get_u64(attrs[DSTACK_A_CGROUP_ID]);
	c->measure = get_u32(attrs[DSTACK_A_MODE]);
	c->flags = get_u32(attrs[DSTACK_A_FLAGS]);
	c->allowed = get_u64(attrs[DSTACK_A_ALLOWED]);
	c->denied = get_u64(attrs[DSTACK_A_DENIED]);
	c->pending = get_u64(attrs[DSTACK_A_LOG_PENDING]);
	c->refused = get_u64(attrs[DSTACK_A_REFUSED]);
	return 0;
}

int libdstack_list_containers(struct libdstack_control *control,
			      int (*fn)(const struct libdstack_container *c,
					void *arg), void *arg)
{
	struct container_list list = { NULL, 0, 0 };
	int err, tries = 0;
	size_t i;

	do {
		struct nl_msg *msg;

		list.nr = 0;
		msg = dstack_request_new(control, DSTACK_CMD_CONTAINER_GET,
					 NLM_F_DUMP, 0);
		err = msg ? dstack_request(control, msg, "list the containers",
					   container_reply, &list) : -ENOMEM;
	} while (err == -ESTALE && ++tries < DUMP_TRIES);
	/* Called last, so that @fn may use the socket itself. */
	for (i = 0; !err && i < list.nr; i++)
		err = fn(&list.items[i], arg);
	free(list.items);
	return err;
}

int libdstack_add_event(struct libdstack_control *control, const char *name,
			const void *payload, size_t len)
{
	struct nl_msg *msg;
	int err;

	if (len > 65000)
		return -EMSGSIZE;
	msg = dstack_request_new(control, DSTACK_CMD_EVENT_ADD, 0,
				 strlen(name) + len);
	if (!msg)
		return -ENOMEM;
	err = nla_put_string(msg, DSTACK_A_EVENT_NAME, name) ?:
		nla_put(msg, DSTACK_A_EVENT_PAYLOAD, len, payload);
	return request_checked(control, msg, err, "add the event");
}

int libdstack_ack_log(struct libdstack_control *control, uint64_t count)
{
	struct nl_msg *msg;

	msg = dstack_request_new(control, DSTACK_CMD_LOG_ACK, 0, 0);
	if (!msg)
		return -ENOMEM;
	return request_checked(control, msg,
			       nla_put_u64(msg, DSTACK_A_LOG_ACKED, count),
			       "acknowledge the event log");
}

int libdstack_set_hooks(struct libdstack_control *control,
			const int links[__DSTACK_HOOK_MAX])
{
	struct nl_msg *msg = dstack_request_new(control, DSTACK_CMD_HOOKS_SET,
						0, 0);
	int err;

	if (!msg)
		return -ENOMEM;
	err = nla_put(msg, DSTACK_A_LINKS, __DSTACK_HOOK_MAX * sizeof(*links),
		      links);
	return request_checked(control, msg, err,
			       "hand the hooks to the module");
}
