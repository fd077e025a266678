// SPDX-License-Identifier: MIT
/*
 * A webhook's answer counts if it is whole, and nothing else allows anything
 *
 * Copyright The dstack for Linux authors
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kmsd_auth_fixture.h"

static struct web web;
static const char *status, *body;	/* what it answers */
static struct auth_config config;
static struct auth *auth;

static bool answer(int fd, const char *request)
{
	(void)request;
	return web_reply(fd, status, body, strlen(body));
}

static void open_with(const char *fields)
{
	const struct auth_options options = {
		.config = &config, .version = "0.1.2", .tell = hear_line,
	};
	char text[512];

	snprintf(text, sizeof(text), "{\"type\":\"webhook\",\"url\":\"%s/\"%s}",
		 web.url, fields);
	assert_int_equal(config_of(text, &config), 0);
	assert_int_equal(auth_open(&options, &auth), 0);
}

static int begin(void **state)
{
	(void)state;
	status = "200 OK";
	web.answer = answer;
	web_start(&web);
	open_with("");
	return 0;
}

static int end(void **state)
{
	(void)state;
	auth_close(auth);
	auth_config_clear(&config);
	web_stop(&web);
	memset(&web, 0, sizeof(web));
	return 0;
}

static int ask(const char *text, struct auth_verdict *verdict)
{
	const struct auth_verdict nobody = { 0 };
	struct auth_boot boot = some_boot();
	struct chain_why why = { "" };
	int err;

	body = text;
	memset(verdict, 0xff, sizeof(*verdict));
	err = auth_app(auth, &boot, WEB_NOW, verdict, &why);
	assert_int_equal(!err, !why.text[0]);
	if (err)
		assert_memory_equal(verdict, &nobody, sizeof(nobody));
	return err;
}

/*
 * Answers
 */

static void allowed_is_allowed(void **state)
{
	struct auth_verdict verdict;

	(void)state;
	assert_int_equal(ask("{\"isAllowed\":true,\"gatewayAppId\":\"0xab\","
			     "\"reason\":\"\"}", &verdict), 0);
	assert_true(verdict.allowed);
	assert_int_equal(verdict.how, AUTH_BY_WEBHOOK);
	assert_string_equal(verdict.gateway_app_id, "0xab");
	assert_string_equal(verdict.reason, "");
}

static void denial_has_its_reason(void **state)
{
	struct auth_verdict verdict;

	(void)state;
	assert_int_equal(ask("{\"isAllowed\":false,\"gatewayAppId\":\"\","
			     "\"reason\":\"App not registered\",\"more\":1}",
			     &verdict), 0);
	assert_false(verdict.allowed);
	assert_string_equal(verdict.reason, "App not registered");
}

#define PROVIDER	"7b226e616d65223a226b6d73222c226964223a223030227d"

static bool heard(const char *part)
{
	return strstr(web.heard, part);
}

/* To the byte, in the order and with the names that upstream sends. */
static void question_is_upstreams(void **state)
{
	static const char a1[] = "a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1";
	struct auth_boot boot = some_boot();
	struct auth_verdict verdict;
	struct chain_why why = { "" };
	char want[64];

	(void)state;
	assert_int_equal(ask("{\"isAllowed\":true,\"gatewayAppId\":\"\","
			     "\"reason\":\"\"}", &verdict), 0);
	assert_ptr_equal(strstr(web.heard, "POST /bootAuth/app HTTP/1.1\r\n"),
			 web.heard);
	assert_non_null(strstr(web.heard,
			       "\r\nUser-Agent: dstack-kms/0.1.2\r\n"));
	assert_non_null(strstr(web.heard,
			       "\r\nContent-Type: application/json\r\n"));
	assert_true(heard("\r\n\r\n{\"teeVariant\":\"dstack-tdx\","
			  "\"mrAggregated\":\"1616"));
	snprintf(want, sizeof(want), "\"appId\":\"%s\",", a1);
	assert_non_null(strstr(web.heard, want));
	assert_true(heard("\"keyProviderInfo\":\"" PROVIDER "\""));
	assert_true(heard("\"tcbStatus\":\"UpToDate\",\"advisoryIds\":"
			  "[\"INTEL-SA-00837\",\"INTEL-SA-00960\"]}"));
	/* None of what may be missing. */
	boot.instance_id.len = 0;
	boot.tcb_status = "";
	boot.advisories[0] = 0;
	assert_int_equal(auth_kms(auth, &boot, WEB_NOW, &verdict, &why), 0);
	assert_ptr_equal(strstr(web.heard, "POST /bootAuth/kms "), web.heard);
	assert_non_null(strstr(web.heard, "\"instanceId\":\"\","));
	assert_non_null(strstr(web.heard,
			       "\"tcbStatus\":\"\",\"advisoryIds\":[]}"));
}

#define GATEWAY(value)	",\"gatewayAppId\":" value
#define REASON(value)	",\"reason\":" value
#define REST		",\"gatewayAppId\":\"\",\"reason\":\"\""

static void what_is_not_whole_is_refused(void **state)
{
	static const char *const bad[] = {
		"", "null", "[]", "true", "{}", "{\"isAllowed\":true",
		"{\"isAllowed\":true}",
		"{\"isAllowed\":true" GATEWAY("\"\"") "}",
		"{\"isAllowed\":true" REASON("\"\"") "}",
		"{\"is_allowed\":true" REST "}", "{\"a\":1" REST "}",
		"{\"isAllowed\":\"true\"" REST "}",
		"{\"isAllowed\":1" REST "}", "{\"isAllowed\":null" REST "}",
		"{\"isAllowed\":false,\"isAllowed\":true" REST "}",
		"{\"isAllowed\":true" GATEWAY("\"a\"") REST "}",
		"{\"isAllowed\":true" GATEWAY("null") REASON("\"\"") "}",
		"{\"isAllowed\":true" GATEWAY("\"a\\u0000b\"") REASON("\"\"")
		"}",
		"{\"isAllowed\":true" GATEWAY("\"\"") REASON("7") "}",
		"{\"isAllowed\":true" GATEWAY("\"\"") REASON("\"\\u001b[2J\"")
		"}",
		"{\"isAllowed\":true" REST "} x",
	};
	struct auth_verdict verdict;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (ask(bad[i], &verdict) != -EBADMSG)
			fail_msg("this is believed: %s", bad[i]);
}

static void what_is_too_long_is_refused(void **state)
{
	/* Of the server as well, which may still be at it. */
	static char text[2][70100];
	struct auth_verdict verdict;

	(void)state;
	snprintf(text[0], sizeof(text[0]),
		 "{\"isAllowed\":true,\"gatewayAppId\":\"\",\"reason\":\"%0*d\"}",
		 AUTH_REASON_MAX, 0);
	assert_int_equal(ask(text[0], &verdict), -EBADMSG);
	snprintf(text[1], sizeof(text[1]), "{\"isAllowed\":true%s%70000s}",
		 REST, "");
	assert_int_equal(ask(text[1], &verdict), -EBADMSG);
}

#define YES "{\"isAllowed\":true,\"gatewayAppId\":\"\",\"reason\":\"\"}"

static void other_statuses_are_failures(void **state)
{
	static const char *const bad[] = {
		"400 Bad Request", "401 Unauthorized", "500 Error",
		"503 Busy", "302 Found\r\nLocation: /bootAuth/kms",
		"307 Temporary\r\nLocation: http://127.0.0.1:1/",
	};
	struct auth_verdict verdict;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		status = bad[i];
		if (ask(YES, &verdict) != -EHOSTUNREACH)
			fail_msg("this is believed: %s", bad[i]);
	}
	/* A redirection is not followed. */
	assert_int_equal(web.requests, i);
}

static bool say_nothing(int fd, const char *request)
{
	char byte;

	(void)request;
	return recv(fd, &byte, 1, 0) < 0;
}

static bool hang_up(int fd, const char *request)
{
	(void)request;
	web_send(fd, "HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{", 41);
	return false;
}

static void silence_and_half_answers_are_failures(void **state)
{
	struct auth_verdict verdict;

	(void)state;
	web.answer = say_nothing;
	config.timeout_ms = 300;
	assert_int_equal(ask(YES, &verdict), -EHOSTUNREACH);
	config.timeout_ms = 5000;
	web.answer = hang_up;
	assert_int_equal(ask(YES, &verdict), -EHOSTUNREACH);
	web.answer = answer;
	assert_int_equal(ask(YES, &verdict), 0);
}

static void nobody_there_is_a_failure(void **state)
{
	struct auth_options options = {
		.config = &config, .version = "0.1.2", .tell = hear_line,
	};
	struct auth_verdict verdict;

	(void)state;
	auth_close(auth);
	strcpy(strrchr(config.url, ':'), ":1");
	assert_int_equal(auth_open(&options, &auth), 0);
	assert_int_equal(ask(YES, &verdict), -EHOSTUNREACH);
}

/*
 * Connections
 */

static void connection_is_kept(void **state)
{
	struct auth_verdict verdict;
	size_t i;

	(void)state;
	for (i = 0; i < 20; i++)
		assert_int_equal(ask(YES, &verdict), 0);
	assert_int_equal(web.connections, 1);
	assert_int_equal(web.requests, 20);
}

static void *ask_often(void *arg)
{
	struct auth_boot boot = some_boot();
	struct chain_why why = { "" };
	struct auth_verdict verdict;
	atomic_int *allowed = arg;
	size_t i;

	for (i = 0; i < 50; i++)
		if (!auth_app(auth, &boot, WEB_NOW, &verdict, &why))
			*allowed += verdict.allowed;
	return NULL;
}

static void threads_ask_at_once(void **state)
{
	pthread_t threads[8];
	atomic_int allowed = 0;
	size_t i;

	(void)state;
	body = YES;
	for (i = 0; i < 8; i++)
		pthread_create(&threads[i], NULL, ask_often, &allowed);
	for (i = 0; i < 8; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(allowed, 400);
	assert_in_range(web.connections, 1, 8);
}

static void unix_socket_is_asked(void **state)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	struct web local = { .answer = answer };
	struct auth_verdict verdict;
	char fields[256];

	(void)state;
	snprintf(at.sun_path, sizeof(at.sun_path), "/tmp/kmsd-auth-%d.sock",
		 getpid());
	web_listen(&local, AF_UNIX, &at, sizeof(at));
	auth_close(auth);
	auth_config_clear(&config);
	strcpy(web.url, "http://auth");
	snprintf(fields, sizeof(fields), ",\"unix_socket\":\"%s\"",
		 at.sun_path);
	open_with(fields);
	assert_int_equal(ask(YES, &verdict), 0);
	assert_true(verdict.allowed);
	assert_non_null(strstr(local.heard, "\r\nHost: auth\r\n"));
	auth_close(auth);
	auth = NULL;
	web_stop(&local);
	unlink(at.sun_path);
}

/*
 * What GetMeta says
 */

static int ask_info(const char *text, struct auth_info *info)
{
	struct chain_why why = { "" };

	body = text;
	return auth_info(auth, WEB_NOW, info, &why);
}

static void info_is_what_the_webhook_says(void **state)
{
	struct auth_info info;

	(void)state;
	assert_int_equal(ask_info("{\"status\":\"ok\",\"kmsContractAddr\":\"0x1\","
				  "\"ethRpcUrl\":\"http://x\",\"gatewayAppId\":\"g\","
				  "\"chainId\":8453,\"appImplementation\":\"0x2\"}",
				  &info), 0);
	assert_ptr_equal(strstr(web.heard, "GET / HTTP/1.1\r\n"), web.heard);
	assert_string_equal(info.kms_contract, "0x1");
	assert_string_equal(info.app_implementation, "0x2");
	assert_string_equal(info.gateway_app_id, "g");
	assert_int_equal(info.chain_id, 8453);
	assert_int_equal(ask_info("{\"status\":\"ok\",\"kmsContractAddr\":\"0x1\","
				  "\"gatewayAppId\":\"g\",\"chainId\":\"1\","
				  "\"appImplementation\":\"0x2\"}", &info),
			 -EBADMSG);
	assert_string_equal(info.kms_contract, "");
}

static void plain_http_is_for_this_machine(void **state)
{
	struct auth_options options = {
		.config = &config, .version = "0.1.2", .tell = hear_line,
	};

	(void)state;
	auth_close(auth);
	auth_config_clear(&config);
	assert_int_equal(config_of("{\"type\":\"webhook\",\"url\":\"http://auth-api:8000\"}",
				   &config), 0);
	assert_int_equal(auth_open(&options, &auth), -EINVAL);
	assert_null(auth);
	config.plain_http = true;
	assert_int_equal(auth_open(&options, &auth), 0);
}

#define test(name)	cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(allowed_is_allowed),
		test(denial_has_its_reason),
		test(question_is_upstreams),
		test(what_is_not_whole_is_refused),
		test(what_is_too_long_is_refused),
		test(other_statuses_are_failures),
		test(silence_and_half_answers_are_failures),
		test(nobody_there_is_a_failure),
		test(connection_is_kept),
		test(threads_ask_at_once),
		test(unix_socket_is_asked),
		test(info_is_what_the_webhook_says),
		test(plain_http_is_for_this_machine),
	};

	chain_client_init();
	return cmocka_run_group_tests_name("kmsd_auth_webhook", tests, NULL,
					   NULL);
}
