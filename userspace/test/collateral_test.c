// SPDX-License-Identifier: MIT
/*
 * Collateral is fetched once, kept, refreshed in time, and never believed
 *
 * Copyright The dstack for Linux authors
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "dcap/source.h"
#include "pccs_fixture.h"

#define DAY		86400
#define FMSPC_FILE	"tdx-000d54455354-platform.json"
#define AT_ONCE		8
#define ROUNDS		50

extern char **environ;

static struct libdstack_collateral_source source;
static struct libdstack_failure failure;
static struct libdstack_collateral *got;
static char url[64], cache[4096];

/* An empty cache, and a service that works. */
static int setup(void **state)
{
	(void)state;
	make(4, 0);
	pccs_start();
	pccs_use("base");
	pccs.mode = PCCS_GOOD;
	pccs.delay_ms = 0;
	pccs.requests = 0;
	shell("rm -rf %s/cache", dir);
	snprintf(cache, sizeof(cache), "%s/cache", dir);
	snprintf(url, sizeof(url), "http://127.0.0.1:%d/", pccs.port);
	memset(&source, 0, sizeof(source));
	source.dir = cache;
	source.url = url;
	source.timeout_ms = 10000;
	source.root = root;
	source.root_len = root_len;
	return 0;
}

static int get_at(time_t now)
{
	int err;

	libdstack_collateral_free(got);
	got = NULL;
	err = libdstack_collateral_get(&source, f.data, f.len, now, &got,
				       &failure);
	assert_true(!err == !failure.reason);
	assert_true(!err == !!got);
	return err;
}

static int get(void)
{
	return get_at(time(NULL));
}

static void assert_unavailable(void)
{
	assert_int_equal(get(), -ENODATA);
	assert_int_equal(failure.reason, LIBDSTACK_REASON_UNAVAILABLE);
	assert_string_equal(failure.step, "collateral");
}

static bool is_kept(void)
{
	char path[8192];

	snprintf(path, sizeof(path), "%s/" FMSPC_FILE, cache);
	return !access(path, F_OK);
}

static void fetched_once_then_kept(void **state)
{
	(void)state;
	assert_int_equal(get(), 0);
	assert_int_equal(pccs.requests, 4);
	assert_true(is_kept());
	assert_int_equal(libdstack_quote_verify(f.data, f.len, got, root,
						root_len, time(NULL),
						&verdict), 0);
	assert_int_equal(verdict.status, LIBDSTACK_TCB_UP_TO_DATE);
	assert_int_equal(get(), 0);
	assert_int_equal(pccs.requests, 4);
	/* offline */
	source.url = NULL;
	assert_int_equal(get(), 0);
	source.dir = NULL;
	assert_unavailable();
}

static void works_without_a_directory(void **state)
{
	(void)state;
	source.dir = NULL;
	assert_int_equal(get(), 0);
	assert_int_equal(get(), 0);
	assert_int_equal(pccs.requests, 8);
	/* One that can't be is no reason to fail. */
	source.dir = "/dev/null/cache";
	assert_int_equal(get(), 0);
	assert_int_equal(pccs.requests, 12);
}

/* Whatever it answers: refused in time, and nothing is kept of it. */
static void hostile_replies_are_refused(void **state)
{
	struct timespec start, end;
	int mode;

	(void)state;
	for (mode = PCCS_GOOD + 1; mode < __PCCS_MAX; mode++) {
		pccs.mode = mode;
		source.timeout_ms = 700;
		clock_gettime(CLOCK_MONOTONIC, &start);
		assert_true(get() < 0);
		clock_gettime(CLOCK_MONOTONIC, &end);
		if (failure.reason != LIBDSTACK_REASON_UNAVAILABLE &&
		    failure.reason != LIBDSTACK_REASON_MALFORMED)
			fail_msg("mode %d: %s: %s", mode,
				 libdstack_reason_name(failure.reason),
				 failure.text);
		assert_true(end.tv_sec - start.tv_sec < 5);
		assert_false(is_kept());
	}
	pccs.mode = PCCS_GOOD;
	source.timeout_ms = 10000;
	assert_int_equal(get(), 0);
}

static void redirection_is_refused_by_name(void **state)
{
	(void)state;
	pccs.mode = PCCS_REDIRECT;
	assert_unavailable();
	assert_non_null(strstr(failure.text, "redirects"));
	pccs.mode = PCCS_ENDLESS;
	assert_unavailable();
	assert_non_null(strstr(failure.text, "too large"));
	pccs.mode = PCCS_MANY_HEADERS;
	assert_unavailable();
}

static void service_that_is_down_is_unavailable(void **state)
{
	(void)state;
	/* A port that nobody listens on. */
	source.url = "http://127.0.0.1:1";
	assert_unavailable();
	source.url = "https://127.0.0.1:1";
	assert_unavailable();
	/* TLS is not spoken there. */
	snprintf(url, sizeof(url), "https://127.0.0.1:%d", pccs.port);
	source.url = url;
	assert_unavailable();
}

static void only_https_or_this_machine_is_asked(void **state)
{
	static const char * const urls[] = {
		"http://192.0.2.1", "http://pccs.example:8081",
		"http://127.0.0.1.example", "http://127.0.0.1@192.0.2.1",
		"file:///etc", "ftp://127.0.0.1", "127.0.0.1:80", "", "http:",
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
		source.url = urls[i];
		assert_unavailable();
		assert_non_null(strstr(failure.text,
				       "neither https nor on this machine"));
	}
	source.url = url;
	source.root_crl_url = "file:///dev/null";
	assert_unavailable();
	assert_false(is_kept());
}

/* Attack 53: signed and genuine, but of another platform, or of the past. */
static void attack_53_other_collateral_is_not_kept(void **state)
{
	static const struct {
		const char *options;
		enum libdstack_reason reason;
	} cases[] = {
		{ "--fmspc=00806F050000", LIBDSTACK_REASON_MISMATCH },
		{ "--expired", LIBDSTACK_REASON_EXPIRED },
		{ "--expired=crls", LIBDSTACK_REASON_EXPIRED },
		{ "--revoked-tcb-signer", LIBDSTACK_REASON_REVOKED },
		{ "--revoked-platform-ca", LIBDSTACK_REASON_REVOKED },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		make_collateral(cases[i].options, "other");
		pccs_use("other");
		assert_true(get() < 0);
		assert_int_equal(failure.reason, cases[i].reason);
		assert_false(is_kept());
	}
	/* Signed by another root of the same names. */
	shell("rm -rf %s/other && %s %s/other >%s/log 2>&1", dir, mkpki, dir,
	      dir);
	pccs_use("other");
	assert_int_equal(get(), -EKEYREJECTED);
	assert_false(is_kept());
}

/* The test PKI is valid for a year from a day ago. */
static time_t expiry(void)
{
	assert_int_equal(get(), 0);
	return got->trust->window.to;
}

static void refreshed_before_it_expires(void **state)
{
	time_t to = expiry();

	(void)state;
	assert_int_equal(get_at(to - 8 * DAY), 0);
	assert_int_equal(pccs.requests, 4);
	assert_int_equal(get_at(to - 6 * DAY), 0);
	assert_int_equal(pccs.requests, 8);
	/* Nothing newer was there: it is not asked again at once. */
	assert_int_equal(get_at(to - 6 * DAY), 0);
	assert_int_equal(pccs.requests, 8);
}

/* What is kept serves until its end, whatever the service does. */
static void kept_collateral_outlives_its_service(void **state)
{
	time_t to = expiry();
	char lock[8192];
	int mode;

	(void)state;
	snprintf(lock, sizeof(lock), "%s/" FMSPC_FILE ".lock", cache);
	for (mode = PCCS_GOOD + 1; mode < __PCCS_MAX; mode++) {
		pccs.mode = mode;
		source.timeout_ms = 300;
		unlink(lock);
		pccs.requests = 0;
		assert_int_equal(get_at(to - DAY), 0);
		assert_true(pccs.requests > 0);
		pccs.requests = 0;
		assert_int_equal(get_at(to), 0);
		assert_int_equal(pccs.requests, 0);
		assert_true(is_kept());
	}
	pccs.mode = PCCS_ERROR;
	unlink(lock);
	assert_true(get_at(to + 1) < 0);
	/* Nor without a service. */
	source.url = NULL;
	assert_int_equal(get_at(to + 1), -ENODATA);
	assert_non_null(strstr(failure.text, "has expired"));
}

/* Attack 53: what is newer is of no older evaluation. */
static void attack_53_evaluation_is_not_rolled_back(void **state)
{
	time_t to;

	(void)state;
	to = expiry();
	make_collateral("--eval-number=19", "other");
	pccs_use("other");
	pccs.requests = 0;
	assert_int_equal(get_at(to - DAY), 0);
	assert_true(pccs.requests >= 4);
	assert_int_equal(got->trust->tcb_info.eval_number, 20);
	make_collateral("--eval-number=21", "other");
	pccs_use("other");
	shell("rm %s/*.lock", cache);
	assert_int_equal(get_at(to - DAY), 0);
	assert_int_equal(got->trust->tcb_info.eval_number, 21);
	/* Even when nothing else is left. */
	pccs_use("base");
	shell("rm %s/*.lock", cache);
	assert_int_equal(get_at(to + 30), -EKEYEXPIRED);
}

static void damaged_file_is_fetched_again(void **state)
{
	char path[8192];

	(void)state;
	assert_int_equal(get(), 0);
	snprintf(path, sizeof(path), "%s/" FMSPC_FILE, cache);
	assert_int_equal(truncate(path, 1000), 0);
	assert_int_equal(get(), 0);
	assert_int_equal(pccs.requests, 8);
	assert_int_equal(truncate(path, 0), 0);
	source.url = NULL;
	assert_unavailable();
	source.url = url;
	/* What a writer that died left behind does not matter. */
	shell("echo '{' >%s.abcdef", path);
	assert_int_equal(get(), 0);
	/* Nor does another platform's file under this one's name. */
	make_collateral("--fmspc=00806F050000", "other");
	shell("cp %s/other/collateral.json %s", dir, path);
	source.url = NULL;
	assert_unavailable();
	assert_non_null(strstr(failure.text, "another platform type"));
}

/* Quotes of nobody's platforms make no requests and no files. */
static void attack_54_stranger_causes_no_request(void **state)
{
	static const uint8_t junk[100];

	(void)state;
	source.root = NULL;
	assert_int_equal(get(), -EKEYREJECTED);
	assert_int_equal(failure.reason, LIBDSTACK_REASON_ROOT);
	source.root = junk;
	source.root_len = sizeof(junk);
	assert_int_equal(get(), -EBADMSG);
	source.root = root;
	source.root_len = root_len;
	f.data[f.chain + 300] ^= 1;
	assert_true(get() < 0);
	f.data[f.chain + 300] ^= 1;
	f.data[0] = 9;
	assert_int_equal(get(), -EOPNOTSUPP);
	f.data[0] = 4;
	assert_int_equal(pccs.requests, 0);
	assert_int_not_equal(access(cache, F_OK), 0);
}

/* All of them come at the same moment. */
static pthread_barrier_t start;

static void *get_in_thread(void *arg)
{
	struct libdstack_collateral *c = NULL;
	struct libdstack_failure why;

	pthread_barrier_wait(&start);
	*(int *)arg = libdstack_collateral_get(&source, f.data, f.len,
					       time(NULL), &c, &why);
	libdstack_collateral_free(c);
	return NULL;
}

static void get_in_threads(int results[AT_ONCE])
{
	pthread_t threads[AT_ONCE];
	int i;

	pthread_barrier_init(&start, NULL, AT_ONCE);
	for (i = 0; i < AT_ONCE; i++)
		assert_int_equal(pthread_create(&threads[i], NULL,
						get_in_thread, &results[i]),
				 0);
	for (i = 0; i < AT_ONCE; i++)
		pthread_join(threads[i], NULL);
	pthread_barrier_destroy(&start);
}

/* Also while none of them finds the directory. */
static void threads_fetch_once(void **state)
{
	int results[AT_ONCE], round, i;

	(void)state;
	for (round = 0; round < ROUNDS; round++) {
		shell("rm -rf %s", cache);
		pccs.requests = 0;
		get_in_threads(results);
		for (i = 0; i < AT_ONCE; i++)
			assert_int_equal(results[i], 0);
		assert_int_equal(pccs.requests, 4);
	}
}

/* Nor does each wait for the same failure. */
static void threads_fail_once(void **state)
{
	int results[AT_ONCE], i;

	(void)state;
	pccs.delay_ms = 500;
	pccs.mode = PCCS_ERROR;
	get_in_threads(results);
	for (i = 0; i < AT_ONCE; i++)
		assert_int_equal(results[i], -ENODATA);
	assert_in_range(pccs.requests, 1, 2);
	/* Who comes later tries again. */
	pccs.mode = PCCS_GOOD;
	assert_int_equal(get(), 0);
}

/* A failure of the future is one of a clock that was wrong. */
static void clock_set_back_does_not_stop_fetching(void **state)
{
	struct timespec times[2] = {
		{ .tv_sec = time(NULL) + 365 * DAY },
		{ .tv_sec = time(NULL) + 365 * DAY },
	};
	char path[8192];

	(void)state;
	pccs.mode = PCCS_ERROR;
	assert_unavailable();
	snprintf(path, sizeof(path), "%s/" FMSPC_FILE ".lock", cache);
	assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
	pccs.mode = PCCS_GOOD;
	assert_int_equal(get(), 0);
}

/* Somebody who was stopped while fetching. */
static void stopped_fetcher_holds_nobody_up(void **state)
{
	time_t to = expiry();
	char path[8192];
	int fd;

	(void)state;
	snprintf(path, sizeof(path), "%s/" FMSPC_FILE ".lock", cache);
	fd = open(path, O_RDWR | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(flock(fd, LOCK_EX), 0);
	pccs.requests = 0;
	/* What is kept serves at once, */
	assert_int_equal(get_at(to - DAY), 0);
	/* and without it one waits for as long as fetching may take. */
	shell("rm %s/" FMSPC_FILE, cache);
	source.timeout_ms = 100;
	assert_unavailable();
	assert_int_equal(pccs.requests, 0);
	close(fd);
	source.timeout_ms = 10000;
	assert_int_equal(get(), 0);
}

static void no_proxy_comes_between(void **state)
{
	(void)state;
	setenv("http_proxy", "http://127.0.0.1:1", 1);
	setenv("all_proxy", "http://127.0.0.1:1", 1);
	assert_int_equal(get(), 0);
	unsetenv("http_proxy");
	unsetenv("all_proxy");
}

static void processes_fetch_once(void **state)
{
	char quote[4200], *argv[] = {
		"collateral_test", "get", url, cache, quote, dir, NULL
	};
	pid_t pids[AT_ONCE];
	FILE *out;
	int i, status;

	(void)state;
	snprintf(quote, sizeof(quote), "%s/quote", dir);
	out = fopen(quote, "w");
	assert_int_equal(fwrite(f.data, 1, f.len, out), f.len);
	assert_int_equal(fclose(out), 0);
	pccs.delay_ms = 50;
	for (i = 0; i < AT_ONCE; i++)
		assert_int_equal(posix_spawn(&pids[i], "/proc/self/exe", NULL,
					     NULL, argv, environ), 0);
	for (i = 0; i < AT_ONCE; i++) {
		assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
		assert_int_equal(status, 0);
	}
	assert_int_equal(pccs.requests, 4);
}

/* One of these processes: get URL CACHE QUOTE DIR. */
static int child(char **argv)
{
	char path[4096], *quote;
	size_t len;

	source.url = argv[2];
	source.dir = argv[3];
	snprintf(path, sizeof(path), "%s/base/root.der", argv[5]);
	if (dstack_file_read(path, 65536, &root, &root_len) ||
	    dstack_file_read(argv[4], 65536, &quote, &len))
		return 1;
	source.root = root;
	source.root_len = root_len;
	if (libdstack_collateral_get(&source, quote, len, time(NULL), &got,
				     &failure))
		return 1;
	libdstack_collateral_free(got);
	free(quote);
	free(root);
	return 0;
}

static void replies_are_taken_apart_exactly(void **state)
{
	char sig[129];
	static const struct {
		const char *before, *after;
		bool good;
	} cases[] = {
		{ "{\"tcbInfo\":{\"a\" : [1] },\"signature\":\"", "\"}", true },
		{ " {\n\"tcbInfo\" : {\"a\" : [1] }\t,\"signature\": \"",
		  "\" }\r\n", true },
		{ "{\"signature\":\"", "\",\"tcbInfo\":{\"a\" : [1] }}", true },
		{ "{\"tcbInfo\":{\"a\" : [1] },\"signature\":\"", "\"", false },
		{ "{\"tcbInfo\":{\"a\" : [1] },\"signature\":\"", "\"}}",
		  false },
		{ "{\"tcbInfo\":{\"a\" : [1] },\"signature\":\"", "0\"}",
		  false },
		{ "{\"tcbInfo\":{\"a\" : [1] },\"signatures\":\"", "\"}",
		  false },
		{ "{\"tcbInfo\":[],\"signature\":\"", "\"}", false },
		{ "{\"tcbInfo\":{},\"tcbInfo\":{},\"signature\":\"", "\"}",
		  false },
		{ "{\"tcbInfo\":{\"a\":1,\"a\":1},\"signature\":\"", "\"}",
		  false },
		{ "{\"tcbInfo\" {\"a\" : [1] },\"signature\":\"", "\"}",
		  false },
		{ "[\"", "\"]", false }, { "", "", false }, { "{", "", false },
	};
	struct dcap_signed part;
	char text[512];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(sig) - 1; i++)
		sig[i] = "0123456789abcdefABCDEF"[i % 22];
	sig[i] = '\0';
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		snprintf(text, sizeof(text), "%s%s%s", cases[i].before, sig,
			 cases[i].after);
		assert_int_equal(dcap_reply_signed(text, strlen(text),
						   "tcbInfo", &part),
				 cases[i].good);
		if (!cases[i].good)
			continue;
		assert_int_equal(part.len, strlen("{\"a\" : [1] }"));
		assert_memory_equal(part.text, "{\"a\" : [1] }", part.len);
		assert_int_equal(strncasecmp(part.signature, sig, 128), 0);
	}
}

static int teardown(void **state)
{
	libdstack_collateral_free(got);
	pccs_stop();
	return pki_teardown(state);
}

#define TEST(name) cmocka_unit_test_setup(name, setup)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(fetched_once_then_kept),
		TEST(works_without_a_directory),
		TEST(hostile_replies_are_refused),
		TEST(redirection_is_refused_by_name),
		TEST(service_that_is_down_is_unavailable),
		TEST(only_https_or_this_machine_is_asked),
		TEST(attack_53_other_collateral_is_not_kept),
		TEST(refreshed_before_it_expires),
		TEST(kept_collateral_outlives_its_service),
		TEST(attack_53_evaluation_is_not_rolled_back),
		TEST(damaged_file_is_fetched_again),
		TEST(attack_54_stranger_causes_no_request),
		TEST(threads_fetch_once),
		TEST(threads_fail_once),
		TEST(clock_set_back_does_not_stop_fetching),
		TEST(stopped_fetcher_holds_nobody_up),
		TEST(no_proxy_comes_between),
		TEST(processes_fetch_once),
		cmocka_unit_test(replies_are_taken_apart_exactly),
	};

	if (argc > 5)
		return child(argv);
	return cmocka_run_group_tests_name("collateral", tests, NULL,
					   teardown);
}
