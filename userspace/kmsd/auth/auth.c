// SPDX-License-Identifier: MIT
/*
 * Which back end it is that decides, and the one that allows everything
 *
 * Copyright The dstack for Linux authors
 */
#include "room.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

void auth_say(const struct auth *auth, const char *fmt, ...)
{
	char line[LIBDSTACK_MESSAGE_MAX];
	va_list args;

	if (!auth->options.tell)
		return;
	va_start(args, fmt);
	vsnprintf(line, sizeof(line), fmt, args);
	va_end(args);
	auth->options.tell(line);
}

const char *auth_how_name(enum auth_how how)
{
	switch (how) {
	case AUTH_BY_DEV:
		return "dev";
	case AUTH_BY_WEBHOOK:
		return "webhook";
	case AUTH_BY_PROOF:
		return "proof";
	case AUTH_BY_ASKING:
		return "asked";
	default:
		return "nobody";
	}
}

/*
 * For development
 */

static int dev_open(struct auth *auth, struct chain_why *why)
{
	(void)why;
	auth_say(auth, "auth: type \"dev\": whoever asks gets keys; this is for development only");
	return 0;
}

static int dev_ask(struct auth *auth, const struct auth_boot *boot,
		   bool is_kms, uint64_t now, struct auth_verdict *verdict,
		   struct chain_why *why)
{
	(void)boot;
	(void)is_kms;
	(void)now;
	(void)why;
	verdict->how = AUTH_BY_DEV;
	verdict->allowed = true;
	snprintf(verdict->gateway_app_id, sizeof(verdict->gateway_app_id),
		 "%s", auth->config->gateway_app_id);
	return 0;
}

static int dev_info(struct auth *auth, uint64_t now, struct auth_info *info,
		    struct chain_why *why)
{
	(void)now;
	(void)why;
	snprintf(info->gateway_app_id, sizeof(info->gateway_app_id), "%s",
		 auth->config->gateway_app_id);
	return 0;
}

static const struct auth_ops auth_dev = {
	.open = dev_open, .ask = dev_ask, .info = dev_info,
};

/*
 * All of them
 */

static const struct auth_ops *ops_of(enum auth_type type)
{
	switch (type) {
	case AUTH_TYPE_DEV:
		return &auth_dev;
	case AUTH_TYPE_WEBHOOK:
		return &auth_webhook;
	case AUTH_TYPE_CHAIN:
		return &auth_chain;
	default:
		return NULL;
	}
}

int auth_open(const struct auth_options *options, struct auth **out)
{
	struct auth *auth = calloc(1, sizeof(*auth));
	struct chain_why why = { "" };
	int err;

	*out = NULL;
	if (!auth)
		return -ENOMEM;
	auth->options = *options;
	auth->config = options->config;
	auth->ops = ops_of(auth->config->type);
	auth->pool = chain_pool_new();
	if (!auth->pool)
		err = chain_fail(&why, -ENOMEM, "out of memory");
	else if (!auth->ops)
		err = chain_fail(&why, -EINVAL,
				 "nothing says who may have keys");
	else
		err = auth->ops->open(auth, &why);
	if (!err) {
		*out = auth;
		return 0;
	}
	auth_say(auth, "auth: %s", why.text);
	chain_pool_free(auth->pool);
	free(auth);
	return err;
}

void auth_close(struct auth *auth)
{
	if (!auth)
		return;
	if (auth->ops->close)
		auth->ops->close(auth);
	chain_pool_free(auth->pool);
	free(auth);
}

static int ask(struct auth *auth, const struct auth_boot *boot, bool is_kms,
	       uint64_t now, struct auth_verdict *verdict,
	       struct chain_why *why)
{
	int err;

	memset(verdict, 0, sizeof(*verdict));
	err = auth->ops->ask(auth, boot, is_kms, now, verdict, why);
	/* Nothing of what was not decided is left to be taken for a verdict. */
	if (err)
		memset(verdict, 0, sizeof(*verdict));
	return err;
}

int auth_app(struct auth *auth, const struct auth_boot *boot, uint64_t now,
	     struct auth_verdict *verdict, struct chain_why *why)
{
	return ask(auth, boot, false, now, verdict, why);
}

int auth_kms(struct auth *auth, const struct auth_boot *boot, uint64_t now,
	     struct auth_verdict *verdict, struct chain_why *why)
{
	return ask(auth, boot, true, now, verdict, why);
}

int auth_info(struct auth *auth, uint64_t now, struct auth_info *info,
	      struct chain_why *why)
{
	int err;

	memset(info, 0, sizeof(*info));
	err = auth->ops->info(auth, now, info, why);
	if (err)
		memset(info, 0, sizeof(*info));
	return err;
}
