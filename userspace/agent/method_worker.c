// SPDX-License-Identifier: MIT
/*
 * What anybody may ask, from other machines as well
 *
 * Copyright The dstack for Linux authors
 *
 * Facts of the machine, for verifiers: no container speaks here, nothing is
 * changed or recorded, and no secret is told.
 */
#include "agent.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../keys/p256.h"
#include "../keys/primitives.h"
#include "quotes.h"

#include <guest_v0.pb-c.h>
#include <guest_v1.pb-c.h>
#include <worker.pb-c.h>

#define PATH	"vms"		/* of the key that is attested */

/* What app-compose.json does not make public. */
static bool is_private(const struct agent *agent)
{
	return !agent->app->compose->public_tcbinfo;
}

AGENT_CALL(agent_worker_v0_info)
{
	Guest__V0__InfoResponse *out = (void *)response;
	int err = agent_v0_info(agent, caller, request, response, error);

	if (err || !is_private(agent))
		return err;
	return rpc_put_text(&out->tcb_info, "") ?:
		rpc_put_text(&out->vm_config, "");
}

AGENT_CALL(agent_worker_v1_info)
{
	Guest__V1__InfoResponse *out = (void *)response;
	int err = agent_v1_info(agent, caller, request, response, error);

	if (err || !is_private(agent))
		return err;
	return rpc_put_text(&out->app_compose, "") ?:
		rpc_put_text(&out->vm_config, "") ?:
		rpc_put_text(&out->key_provider_info, "");
}

/* Only its public half leaves us: that is no use of the key. */
static int find_public(const struct agent *agent,
		       enum agent_algorithm algorithm,
		       struct agent_public *public, struct rpc_error *error)
{
	const struct part path = { PATH, strlen(PATH) };
	const struct agent_app_keys *keys;
	uint8_t key[DSTACK_KEY_SIZE];
	int err;

	keys = agent_epochs_get(agent->epochs, AGENT_EPOCH_NEWEST, error);
	if (!keys)
		return -EAGAIN;
	err = p256_derive(keys->k256_key, &path, 1, key) ?:
		agent_key_public(algorithm, key, public);
	agent_epochs_put(agent->epochs);
	explicit_bzero(key, sizeof(key));
	return err;
}

AGENT_CALL(agent_worker_attest_key)
{
	const Worker__AppKeyRequest *in = (const void *)request;
	enum agent_algorithm algorithm = agent_algorithm_of_key(in->algorithm);
	uint8_t report_data[DSTACK_REPORT_DATA_SIZE];
	struct agent_public public;
	int err;

	if (algorithm == AGENT_UNSUPPORTED)
		return rpc_fail(error, -EINVAL, AGENT_UNSUPPORTED_TEXT);
	if (!agent->epochs)
		return rpc_fail(error, -ENOKEY,
				"this agent was not told which application it serves (dstackd agent --app DIR)");
	err = find_public(agent, algorithm, &public, error) ?:
		agent_key_report_data(algorithm, &public, report_data);
	return err ?: agent_quote_reply(agent, caller, report_data, response,
					error);
}

static int add_unhealthy(Worker__HealthResponse *out, const char *name,
			 const char *status)
{
	Worker__Unhealthy **all = reallocarray(out->unhealthy,
					       out->n_unhealthy + 1,
					       sizeof(*all));
	Worker__Unhealthy *one = malloc(sizeof(*one));

	if (all)
		out->unhealthy = all;
	if (!all || !one) {
		free(one);
		return -ENOMEM;
	}
	worker__unhealthy__init(one);
	all[out->n_unhealthy++] = one;
	return rpc_put_text(&one->name, name) ?:
		rpc_put_text(&one->status, status);
}

/* Of the machine: of the health of containers the kernel knows nothing. */
AGENT_CALL(agent_worker_health)
{
	Worker__HealthResponse *out = (void *)response;
	struct rpc_error why = { 0 };
	int err = 0;

	(void)request;
	(void)error;
	if (agent_device(caller, &why) < 0)
		err = add_unhealthy(out, "module", why.text);
	if (!err && !agent->app)
		err = add_unhealthy(out, "application", "not known");
	if (!err && quotes_fail_stuck(agent->quotes, &why))
		err = add_unhealthy(out, "quotes", why.text);
	out->healthy = !out->n_unhealthy;
	return err;
}
