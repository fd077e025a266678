// SPDX-License-Identifier: MIT
/*
 * Which methods a container may call: what the application says, by section
 *
 * Copyright The dstack for Linux authors
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../agent/agent.h"
#include "../agent/routes.h"

static char said[LIBDSTACK_MESSAGE_MAX];
static struct agent_terms *terms;
static struct rpc_error failure;

static void tell(const char *text)
{
	snprintf(said, sizeof(said), "%s", text);
}

static int make(struct app_agent_section *sections, size_t nr)
{
	const struct app_compose compose = {
		.has_agent = true, .agent = sections, .agent_nr = nr,
	};

	agent_terms_free(terms);
	terms = NULL;
	*said = '\0';
	return agent_terms_new(&compose, tell, &terms);
}

/* "web" may have keys and certificates, "idle" nothing. */
static int setup(void **state)
{
	static char *web[] = { "GetKey", "IssueCert", NULL };
	static char *idle[] = { NULL };
	struct app_agent_section sections[] = {
		{ "web", web }, { "idle", idle },
	};

	(void)state;
	return make(sections, 2);
}

static int allow(const struct rpc_mount *mount, const char *prefix,
		 const char *name, const struct http_caller *caller,
		 const char *socket)
{
	const struct agent agent = { .terms = terms, .section = socket };
	const struct rpc_method *method;

	failure = (struct rpc_error){ .status = 400 };
	while (strcmp(mount->prefix, prefix) != 0)
		mount++;
	assert_non_null(mount->allow);
	for (method = mount->methods; method->name; method++)
		if (!strcmp(method->name, name))
			return mount->allow(&agent, caller, method, &failure);
	fail_msg("no method %s at %s", name, prefix);
	return 0;
}

static int may(const char *prefix, const char *name, const char *section)
{
	struct http_caller caller = { .id = "c1" };
	bool oldest = !strcmp(prefix, "/prpc/");

	strcpy(caller.section, section);
	return allow(oldest ? agent_tappd_routes : agent_routes, prefix, name,
		     &caller, NULL);
}

static void section_calls_what_the_application_names(void **state)
{
	(void)state;
	assert_int_equal(may("/v1/", "GetKey", "web"), 0);
	assert_int_equal(failure.status, 400);
	assert_int_equal(may("/v1/", "Attest", "web"), -EACCES);
	assert_int_equal(failure.status, 403);
	assert_non_null(strstr(failure.text, "section 'web' call Attest"));
	assert_non_null(strstr(failure.text, "\"agent\".\"web\".\"methods\" "
			       "has no \"Attest\""));
	assert_int_equal(may("/v1/", "Version", "idle"), -EACCES);
}

static void name_is_the_same_in_every_generation(void **state)
{
	static const char *const prefixes[] = { "/", "/v0/" };
	size_t i;

	(void)state;
	for (i = 0; i < 2; i++) {
		assert_int_equal(may(prefixes[i], "GetKey", "web"), 0);
		assert_int_equal(may(prefixes[i], "GetTlsKey", "web"), 0);
		assert_int_equal(may(prefixes[i], "Sign", "web"), -EACCES);
		assert_int_equal(may(prefixes[i], "GetQuote", "web"), -EACCES);
		assert_int_equal(may(prefixes[i], "Info", "web"), -EACCES);
	}
	assert_int_equal(may("/v1/", "IssueCert", "web"), 0);
	assert_int_equal(may("/prpc/", "DeriveK256Key", "web"), 0);
	assert_int_equal(may("/prpc/", "DeriveKey", "web"), 0);
	assert_int_equal(may("/prpc/", "TdxQuote", "web"), -EACCES);
	assert_non_null(strstr(failure.text, "call TdxQuote"));
	assert_non_null(strstr(failure.text, "has no \"GetQuote\""));
	assert_int_equal(may("/prpc/", "RawQuote", "web"), -EACCES);
}

/* Of a derived key there is a certificate, and the key itself. */
static void method_that_does_two_things_needs_both(void **state)
{
	static char *keys[] = { "GetKey", NULL };
	static char *certs[] = { "IssueCert", NULL };
	struct app_agent_section sections[] = {
		{ "keys", keys }, { "certs", certs },
	};

	(void)state;
	assert_int_equal(make(sections, 2), 0);
	assert_int_equal(may("/prpc/", "DeriveKey", "keys"), -EACCES);
	assert_non_null(strstr(failure.text, "has no \"IssueCert\""));
	assert_int_equal(may("/prpc/", "DeriveKey", "certs"), -EACCES);
	assert_non_null(strstr(failure.text, "has no \"GetKey\""));
}

static void every_method_can_be_withheld(void **state)
{
	const struct rpc_mount *all[] = { agent_routes, agent_tappd_routes };
	const struct rpc_mount *mount;
	const struct rpc_method *method;
	size_t i;

	(void)state;
	for (i = 0; i < 2; i++)
		for (mount = all[i]; mount->prefix; mount++)
			for (method = mount->methods; method->name; method++)
				assert_int_equal(may(mount->prefix,
						     method->name, "idle"),
						 -EACCES);
}

static void section_that_is_not_named_calls_all(void **state)
{
	(void)state;
	assert_int_equal(may("/v1/", "Attest", "other"), 0);
	assert_int_equal(may("/v1/", "Attest", "we"), 0);
	assert_int_equal(may("/v1/", "Attest", "webb"), 0);
	agent_terms_free(terms);
	terms = NULL;
	assert_int_equal(may("/v1/", "Attest", "idle"), 0);
}

static void socket_of_a_section_is_for_nobody_else(void **state)
{
	const struct http_caller web = { .id = "w", .section = "web" };
	const struct http_caller host = { .id = "host", .section = "host" };

	(void)state;
	assert_int_equal(allow(agent_routes, "/v1/", "GetKey", &web, "web"), 0);
	assert_int_equal(allow(agent_routes, "/v1/", "Attest", &web, "web"),
			 -EACCES);
	assert_int_equal(allow(agent_routes, "/v1/", "Version", &host, "web"),
			 -EACCES);
	assert_int_equal(failure.status, 403);
	assert_non_null(strstr(failure.text, "section 'web'"));
	assert_non_null(strstr(failure.text, "container 'host'"));
}

static void application_that_says_it_wrong_is_refused(void **state)
{
	static char *old_name[] = { "GetKey", "GetTlsKey", NULL };
	static char *key[] = { "GetKey", NULL };
	char longest[DSTACK_SECTION_SIZE + 1];
	struct app_agent_section sections[] = {
		{ "web", old_name }, { "web", key },
	};

	(void)state;
	assert_int_equal(make(sections, 2), -EBADMSG);
	assert_non_null(strstr(said, "no method 'GetTlsKey'"));
	assert_non_null(strstr(said, "IssueCert"));
	sections[0].methods = key;
	assert_int_equal(make(sections, 2), -EBADMSG);
	assert_non_null(strstr(said, "twice"));
	memset(longest, 'x', sizeof(longest) - 1);
	longest[DSTACK_SECTION_SIZE] = '\0';
	sections[0].section = longest;
	assert_int_equal(make(sections, 1), -EBADMSG);
	assert_non_null(strstr(said, "at most 63"));
}

#define TEST(name) cmocka_unit_test_setup(name, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(section_calls_what_the_application_names),
		TEST(name_is_the_same_in_every_generation),
		TEST(method_that_does_two_things_needs_both),
		TEST(every_method_can_be_withheld),
		TEST(section_that_is_not_named_calls_all),
		TEST(socket_of_a_section_is_for_nobody_else),
		TEST(application_that_says_it_wrong_is_refused),
	};
	int failed = cmocka_run_group_tests_name("agent_allow", tests, NULL,
						 NULL);

	agent_terms_free(terms);
	return failed;
}
