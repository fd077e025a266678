/* SPDX-License-Identifier: MIT */
/*
 * Requests to the generic netlink family "dstack", and their answers
 *
 * Copyright The dstack for Linux authors
 */
#ifndef DSTACK_LIB_NETLINK_H
#define DSTACK_LIB_NETLINK_H

#include <libdstack.h>
#include <netlink/attr.h>
#include <netlink/msg.h>

extern const struct nla_policy dstack_attr_policy[__DSTACK_A_MAX];

/* Called for each answer with data; @attrs is indexed by enum dstack_attr. */
typedef int (*dstack_reply_fn)(struct nlattr **attrs, void *arg);

/* A request with @room bytes for attributes; NULL if there is no memory. */
struct nl_msg *dstack_request_new(struct libdstack_control *control, int cmd,
				  int flags, size_t room);
/*
 * Sends and frees @msg, takes answers until the kernel is done.  @what
 * completes "can't ...".  Returns the kernel's errno, the first error of @fn,
 * or -ESTALE for a dump that changed while it was read.
 */
int dstack_request(struct libdstack_control *control, struct nl_msg *msg,
		   const char *what, dstack_reply_fn fn, void *arg);

/* The same for a request with a secret in it, and no answer. */
int dstack_request_secret(struct libdstack_control *control,
			  struct nl_msg *msg, const char *what);
/* Frees a request that is not sent, with a secret in it. */
void dstack_request_wipe(struct nl_msg *msg);

#endif /* DSTACK_LIB_NETLINK_H */
