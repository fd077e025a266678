// SPDX-License-Identifier: MIT
/*
 * The sample of a certificate that Info shows
 *
 * Copyright The dstack for Linux authors
 *
 * Made once, when it is asked for: that can take a quote and a KMS, for which
 * Info has no time, as clients give it half a second.  Its key is thrown away,
 * so nobody can use it, and the policy is not asked.
 */
#include "cert.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define SUBJECT		"demo-cert"	/* upstream's */
#define AGAIN_S		60		/* after what went wrong */

struct agent_demo {
	struct agent agent;		/* of who asked first */
	libdstack_message_fn tell;
	pthread_mutex_t lock;		/* of all below */
	bool making;
	time_t again;			/* not before; of CLOCK_MONOTONIC */
	char *pem;			/* NULL: there is none yet */
	uint64_t epoch;			/* of @pem, or of what is made */
};

static time_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec;
}

int agent_demo_open(libdstack_message_fn tell, struct agent_demo **out)
{
	struct agent_demo *demo = calloc(1, sizeof(*demo));

	if (!demo)
		return -ENOMEM;
	demo->tell = tell;
	pthread_mutex_init(&demo->lock, NULL);
	*out = demo;
	return 0;
}

int agent_demo_close(struct agent_demo *demo)
{
	bool making;

	if (!demo)
		return 0;
	pthread_mutex_lock(&demo->lock);
	making = demo->making;
	pthread_mutex_unlock(&demo->lock);
	if (making)
		return -EBUSY;
	pthread_mutex_destroy(&demo->lock);
	free(demo->pem);
	free(demo);
	return 0;
}

/* One text of them all, as upstream has it. */
static char *join(const struct agent_chain_text *chain)
{
	size_t i, len;
	char *text;
	FILE *out = open_memstream(&text, &len);

	if (!out)
		return NULL;
	for (i = 0; i < chain->nr; i++)
		fprintf(out, "%s%s", i ? "\n" : "", chain->pem[i]);
	return fclose(out) ? NULL : text;
}

static void drop(struct agent_chain_text *chain)
{
	size_t i;

	for (i = 0; i < chain->nr; i++)
		free(chain->pem[i]);
	free(chain->pem);
}

static char *issue(struct agent_demo *demo, struct rpc_error *error)
{
	struct http_caller host = {
		.id = DSTACK_HOST_ID, .section = DSTACK_HOST_ID,
		.device = libdstack_device_open(),
	};
	struct agent_cert cert = {
		.key = EVP_EC_gen("P-256"), .subject = SUBJECT,
		.evidence = true, .client = true,
		.key_epoch = demo->epoch,
	};
	struct agent_chain_text chain = { .nr = 0 };
	char *text = NULL;

	if (cert.key && !agent_cert_make(&demo->agent, &host, &cert, &chain,
					 error))
		text = join(&chain);
	drop(&chain);
	EVP_PKEY_free(cert.key);
	caller_forget(&host);
	return text;
}

static void *run(void *arg)
{
	struct agent_demo *demo = arg;
	struct rpc_error error = { .text = "no memory" };
	char *pem = issue(demo, &error);

	if (!pem)
		agent_say(demo->tell, 0, "Info has no app_cert until it can be issued: %s",
			  error.text);
	pthread_mutex_lock(&demo->lock);
	demo->pem = pem;
	demo->making = false;
	demo->again = now() + AGAIN_S;
	pthread_mutex_unlock(&demo->lock);
	return NULL;
}

/* With the lock held. */
static void start(struct agent_demo *demo, const struct agent *agent,
		  uint64_t epoch)
{
	pthread_attr_t attr;
	pthread_t thread;

	if (demo->making)
		return;
	/* Another authority signs now. */
	if (demo->pem && demo->epoch != epoch) {
		free(demo->pem);
		demo->pem = NULL;
		demo->again = 0;
	}
	if (demo->pem || now() < demo->again)
		return;
	demo->epoch = epoch;
	demo->agent = *agent;
	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	demo->making = !pthread_create(&thread, &attr, run, demo);
	pthread_attr_destroy(&attr);
}

int agent_demo_put(const struct agent *agent, char **field)
{
	const struct agent_app_keys *keys;
	struct agent_demo *demo = agent->demo;
	struct rpc_error none = { 0 };
	uint64_t epoch;
	int err;

	if (!demo || !agent->epochs)
		return 0;
	keys = agent_epochs_get(agent->epochs, AGENT_EPOCH_NEWEST, &none);
	if (!keys)
		return 0;
	epoch = keys->key_epoch;
	agent_epochs_put(agent->epochs);
	pthread_mutex_lock(&demo->lock);
	start(demo, agent, epoch);
	err = demo->pem ? rpc_put_text(field, demo->pem) : 0;
	pthread_mutex_unlock(&demo->lock);
	return err;
}
