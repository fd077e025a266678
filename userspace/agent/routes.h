/* SPDX-License-Identifier: MIT */
/*
 * Which method is where
 *
 * Copyright The dstack for Linux authors
 */
#ifndef AGENT_ROUTES_H
#define AGENT_ROUTES_H

#include "../rpc/rpc.h"

/* On dstack.sock: the first API at / and /v0/, today's at /v1/. */
extern const struct rpc_mount agent_routes[];
/* On tappd.sock: what was before both, at /prpc/. */
extern const struct rpc_mount agent_tappd_routes[];
/* For other machines: facts of this one, at /prpc/. */
extern const struct rpc_mount agent_worker_routes[];

#endif /* AGENT_ROUTES_H */
