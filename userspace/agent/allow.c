// SPDX-License-Identifier: MIT
/*
 * Which methods a container may call, by its section of the policy
 *
 * Copyright The dstack for Linux authors
 *
 * What app-compose.json says is measured, so that a verifier knows it, too.  It
 * can only take away: what a method then gives is the policy's to decide.
 */
#include "agent.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const struct {
	const char *name;
	uint32_t bit;
} names[] = {
	{ "GetKey", AGENT_GET_KEY },
	{ "GetQuote", AGENT_GET_QUOTE },
	{ "Attest", AGENT_ATTEST },
	{ "AttestGpu", AGENT_ATTEST_GPU },
	{ "IssueCert", AGENT_ISSUE_CERT },
	{ "Info", AGENT_INFO },
	{ "EmitEvent", AGENT_EMIT_EVENT },
	{ "Sign", AGENT_SIGN },
	{ "Verify", AGENT_VERIFY },
	{ "Version", AGENT_TELL_VERSION },
};

#define NAMES	(sizeof(names) / sizeof(names[0]))

struct term {
	char section[DSTACK_SECTION_SIZE];
	uint32_t methods;
};

struct agent_terms {
	size_t nr;
	struct term term[];
};

static uint32_t bit_of(const char *name)
{
	size_t i;

	for (i = 0; i < NAMES; i++)
		if (!strcmp(names[i].name, name))
			return names[i].bit;
	return 0;
}

static const struct term *term_of(const struct agent_terms *terms,
				  const char *section)
{
	size_t i;

	for (i = 0; terms && i < terms->nr; i++)
		if (!strcmp(terms->term[i].section, section))
			return &terms->term[i];
	return NULL;
}

static int read_methods(char *const *methods, struct term *term,
			libdstack_message_fn tell)
{
	uint32_t bit;

	for (; *methods; methods++) {
		bit = bit_of(*methods);
		if (!bit)
			return agent_say(tell, -EBADMSG, "app-compose.json: \"dstack\".\"agent\".\"%s\": there is no method '%.32s'; there are GetKey, GetQuote, Attest, AttestGpu, IssueCert, Info, EmitEvent, Sign, Verify and Version",
				      term->section, *methods);
		term->methods |= bit;
	}
	return 0;
}

static int add(struct agent_terms *terms, const struct app_agent_section *from,
	       libdstack_message_fn tell)
{
	struct term *term = &terms->term[terms->nr];

	if (strlen(from->section) >= sizeof(term->section))
		return agent_say(tell, -EBADMSG, "app-compose.json: \"dstack\".\"agent\": a section has at most %zu characters",
			      sizeof(term->section) - 1);
	if (term_of(terms, from->section))
		return agent_say(tell, -EBADMSG, "app-compose.json: \"dstack\".\"agent\" has section '%s' twice",
			      from->section);
	memcpy(term->section, from->section, strlen(from->section) + 1);
	terms->nr++;
	return read_methods(from->methods, term, tell);
}

int agent_terms_new(const struct app_compose *compose,
		    libdstack_message_fn tell, struct agent_terms **out)
{
	struct agent_terms *terms;
	size_t i;
	int err = 0;

	terms = calloc(1, sizeof(*terms) +
		       compose->agent_nr * sizeof(terms->term[0]));
	if (!terms)
		return -ENOMEM;
	for (i = 0; !err && i < compose->agent_nr; i++)
		err = add(terms, &compose->agent[i], tell);
	if (err)
		free(terms);
	else
		*out = terms;
	return err;
}

void agent_terms_free(struct agent_terms *terms)
{
	free(terms);
}

/* The first of what is missing. */
static const char *name_of(uint32_t bits)
{
	size_t i;

	for (i = 0; i < NAMES - 1; i++)
		if (names[i].bit & bits)
			break;
	return names[i].name;
}

int agent_allow(const void *server, const void *who,
		const struct rpc_method *method, struct rpc_error *error)
{
	const struct agent *agent = server;
	const struct http_caller *caller = who;
	const struct term *term = term_of(agent->terms, caller->section);
	uint32_t missing = term ? method->needs & ~term->methods : 0;

	error->status = 403;
	if (agent->section && strcmp(agent->section, caller->section) != 0)
		return rpc_fail(error, -EACCES,
				"this socket is for containers of section '%s', and container '%s' is of section '%s': give it the socket of its own",
				agent->section, caller->id, caller->section);
	if (missing)
		return rpc_fail(error, -EACCES,
				"the application does not let section '%s' call %s: in app-compose.json, \"dstack\".\"agent\".\"%s\".\"methods\" has no \"%s\"",
				caller->section, method->name, caller->section,
				name_of(missing));
	error->status = 400;
	return 0;
}
