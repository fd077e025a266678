// SPDX-License-Identifier: MIT
/*
 * dstackctl policy diff, prove and learn
 *
 * Copyright The dstack for Linux authors
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>

#include "../dstackctl/policy.h"
#include "cmd_fixture.h"
#include "event.h"

#define APP	"abababababababababababababababababababab"
#define ONE	"1111111111111111111111111111111111111111111111111111111111111111"
#define TWO	"2222222222222222222222222222222222222222222222222222222222222222"

static char dir[] = "/tmp/dstack-policy-XXXXXX";

static int setup(void **state)
{
	(void)state;
	return !mkdtemp(dir) || chdir(dir);
}

static int teardown(void **state)
{
	static const char *const names[] = { "old", "new", "log", "out" };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(names) / sizeof(*names); i++)
		unlink(names[i]);
	return chdir("/") || rmdir(dir);
}

static void save(const char *name, const char *text)
{
	assert_int_equal(write_file(name, text, strlen(text)), 0);
}

/* In @sections a ' stands for a ". */
static void save_policy(const char *name, int epoch, const char *sections)
{
	char text[4096], *p;

	snprintf(text, sizeof(text), "{'version':1,'epoch':%d,'app_id':'" APP
		 "','containers':{%s}}", epoch, sections);
	for (p = text; *p; p++)
		if (*p == '\'')
			*p = '"';
	save(name, text);
}

static int policy(const char *args)
{
	return run(cmd_policy, "policy", args);
}

#define ALL	"disk,memory,memfd,fs-verity,dm-verity,authenticated"
#define RULE(digest, kinds) \
	"{'digest':'sha256:" digest "','kinds':[" kinds "],'path':'/x'}"

static void policies_that_say_the_same_do_not_differ(void **state)
{
	(void)state;
	save_policy("old", 1, "'a':{'allow':[" RULE(ONE, "'exec','map'") ","
		    RULE(TWO, "'map'") "],'memory':'deny'}");
	save_policy("new", 1, "'a':{'allow':[{'digest':'sha256:" TWO
		    "','kinds':['map']}," RULE(ONE, "'map','exec'") "],"
		    "'storage':{'map':['memfd','disk','memory','dm-verity',"
		    "'authenticated','fs-verity']}}");
	assert_int_equal(policy("diff old new"), 0);
	assert_string_equal(output, "");
	assert_int_equal(policy("diff --json old new"), 0);
	assert_says("\"same\": true");
}

static const char differences[] =
	"~ epoch 1 -> 2\n"
	"~ a measure every -> first\n"
	"~ a memory deny -> allow\n"
	"~ a revoked log -> kill\n"
	"~ a storage.exec " ALL " -> disk,memfd\n"
	"~ a storage.kernel " ALL " -> none\n"
	"- b section\n"
	"~ c trust.map disk -> none\n"
	"+ d section\n"
	"~ d revoked log -> freeze\n"
	"~ a sha256:" ONE " exec -> exec,map  /x\n"
	"+ a sha256:" TWO " kernel  /x\n"
	"- b sha256:" ONE " map  /x\n";

static void difference_is_named(void **state)
{
	(void)state;
	save_policy("old", 1, "'a':{'allow':[" RULE(ONE, "'exec'") "]},"
		    "'b':{'allow':[" RULE(ONE, "'map'") "]},"
		    "'c':{'allow':[],'trust':{'map':['disk']}}");
	save_policy("new", 2, "'a':{'allow':[" RULE(ONE, "'exec','map'") ","
		    RULE(TWO, "'kernel'") "],'measure':'first',"
		    "'memory':'allow','revoked':'kill',"
		    "'storage':{'exec':['disk','memfd'],'kernel':[]}},"
		    "'c':{'allow':[]},"
		    "'d':{'allow':[],'revoked':'freeze'}");
	assert_int_equal(policy("diff old new"), 1);
	assert_string_equal(output, differences);
	assert_int_equal(policy("diff --json old new"), 1);
	assert_says("\"same\": false");
	assert_says("\"what\": \"trust.map\"");
	assert_says("\"digest\": \"sha256:" TWO "\"");
}

#define KEYS(path, kinds, delivery) \
	"{'path':'" path "','kinds':[" kinds "],'delivery':[" delivery "]}"

static const char key_differences[] =
	"+ c section\n"
	"+ a keys \"\" bytes container bytes\n"
	"~ a keys \"db/\" hmac,aead container handle -> aead container,app handle\n"
	"- a keys \"web/\" bytes container logon,bytes\n"
	"+ c keys \"x\" p256 container bytes\n";

static void difference_in_keys_is_named(void **state)
{
	(void)state;
	save_policy("old", 1, "'a':{'allow':[],'keys':["
		    KEYS("web/", "'bytes'", "'bytes','logon'") ","
		    KEYS("db/", "'aead','hmac'", "'handle'") ","
		    KEYS("same", "'aead','hmac'", "'handle','bytes'") "]},"
		    "'b':{'allow':[],'keys':[]}");
	save_policy("new", 1, "'a':{'allow':[],'keys':["
		    "{'path':'same','scope':['container'],"
		    "'kinds':['hmac','aead'],'delivery':['bytes','handle']},"
		    "{'path':'db/','scope':['app','container'],"
		    "'kinds':['aead'],'delivery':['handle']},"
		    KEYS("", "'bytes'", "'bytes'") "]},"
		    "'b':{'allow':[]},"
		    "'c':{'allow':[],'keys':[" KEYS("x", "'p256'", "'bytes'")
		    "]}");
	assert_int_equal(policy("diff old new"), 1);
	assert_string_equal(output, key_differences);
	assert_int_equal(policy("diff --json old new"), 1);
	assert_says("\"what\": \"keys\"");
	assert_says("\"path\": \"db/\"");
	assert_says("\"to\": \"aead container,app handle\"");
}

static void keys_of_a_section_are_shown(void **state)
{
	(void)state;
	save_policy("old", 1, "'a':{'allow':[],'keys':["
		    KEYS("db/", "'aead','hmac'", "'handle'") "]},"
		    "'b':{'allow':[]}");
	assert_int_equal(policy("show old"), 0);
	assert_says("\n  keys \"db/\": hmac,aead container handle\nb ");
	assert_int_equal(policy("show --json old"), 0);
	assert_says("\"path\": \"db/\"");
	assert_says("\"keys\": []");
}

static void diff_that_cannot_be_told_is_two(void **state)
{
	(void)state;
	save_policy("old", 1, "");
	save("new", "{}");
	assert_int_equal(policy("diff old new"), 2);
	assert_int_equal(policy("diff old none"), 2);
	assert_int_equal(policy("diff old"), 2);
	assert_int_equal(policy("diff --long old old"), 2);
}

static void proof_is_printed_for_a_rule_only(void **state)
{
	(void)state;
	save_policy("old", 1, "'a':{'allow':[" RULE(ONE, "'exec'") "]}");
	assert_int_equal(policy("prove old a sha256:" ONE), 0);
	assert_says("\"index\": 2");
	assert_says("\"leaves\": 3");
	assert_says("\"leaf\": \"520161" ONE "0101\"");
	assert_int_equal(policy("prove old a sha256:" TWO), 1);
	assert_int_equal(policy("prove old b sha256:" ONE), 1);
	assert_int_equal(policy("prove old a fsverity-sha256:" ONE), 1);
	assert_int_equal(policy("prove old a " ONE), 2);
	assert_int_equal(policy("prove old a"), 2);
}

static void proof_is_printed_for_a_key_term(void **state)
{
	(void)state;
	save_policy("old", 1, "'a':{'allow':[" RULE(ONE, "'exec'") "],"
		    "'keys':[" KEYS("db/", "'aead','hmac'", "'handle'") "]}");
	assert_int_equal(policy("prove old a --keys db/"), 0);
	assert_says("\"index\": 3");
	assert_says("\"leaves\": 4");
	assert_says("\"leaf\": \"4b01610364622f060101\"");
	assert_int_equal(policy("prove old a --keys db"), 1);
	assert_int_equal(policy("prove old a --keys db/x"), 1);
	assert_int_equal(policy("prove old b --keys db/"), 1);
	assert_int_equal(policy("prove old a --keys"), 2);
	assert_int_equal(policy("prove old a db/"), 2);
}

/*
 * learn
 */

static uint8_t value[DSTACK_REGISTER_SIZE];
static FILE *log_out;
static char learn_args[512];

static void start_log(void)
{
	memset(value, 0, sizeof(value));
	log_out = fopen("log", "w");
	assert_non_null(log_out);
}

static void event(const char *name, const char *payload)
{
	uint8_t digest[DSTACK_REGISTER_SIZE];
	size_t len = strlen(payload);
	char *line;

	assert_int_equal(dstack_event_digest(name, strlen(name), payload, len,
					     digest), 0);
	assert_int_equal(dstack_event_fold(value, digest), 0);
	assert_int_equal(libdstack_event_to_json(name, strlen(name), payload,
						 len, digest, &line), 0);
	fputs(line, log_out);
	free(line);
}

static void container(const char *id, const char *section)
{
	char payload[512];

	snprintf(payload, sizeof(payload),
		 "v=1 action=add id=%s section=%s app=" APP " image=sha256:"
		 ONE " cgroup=1 flags=none", id, section);
	event("dstack.container", payload);
}

static void ran(const char *name, const char *id, const char *digest,
		const char *path)
{
	char payload[512];

	snprintf(payload, sizeof(payload),
		 "v=1 id=%s digest=%s reason=unknown-digest epoch=0 storage=disk path=%s",
		 id, digest, path);
	event(name, payload);
}

/* @more: further options, each with a space before it. */
static int learn_with(const char *more)
{
	char hex[2 * DSTACK_REGISTER_SIZE + 1];

	fclose(log_out);
	libdstack_to_hex(value, sizeof(value), hex);
	snprintf(learn_args, sizeof(learn_args),
		 "learn --output out --register %s%s log", hex, more);
	return policy(learn_args);
}

/* The canonical form of what was written. */
static void assert_learnt(const char *want)
{
	struct libdstack_policy *learnt;
	char *text, *p, copy[4096];
	size_t len;

	snprintf(copy, sizeof(copy), "%s", want);
	for (p = copy; *p; p++)
		if (*p == '\'')
			*p = '"';
	assert_int_equal(libdstack_policy_read("out", &learnt), 0);
	assert_int_equal(libdstack_policy_canonical(learnt, &text, &len), 0);
	assert_string_equal(text, copy);
	free(text);
	libdstack_policy_free(learnt);
}

#define ZEROS48	"000000000000000000000000000000000000000000000000"
#define ZEROS20	"0000000000000000000000000000000000000000"

static void what_ran_is_allowed_in_its_section(void **state)
{
	(void)state;
	start_log();
	event("system-ready", "");
	container("one", "web");
	container("two", "db");
	ran("dstack.exec", "one", "sha256:" ONE, "/bin/a%20b");
	ran("dstack.exec", "one", "sha256:" ONE, "/bin/a%20b");
	ran("dstack.map", "one", "fsverity-sha256:" TWO, "/lib/%0A");
	ran("dstack.script", "two", "sha256:" TWO, "/s");
	ran("dstack.exec", "two", "none", "/fuse");
	event("dstack.deny", "v=1 id=two kind=exec digest=sha256:" ONE
	      " reason=unknown-digest count=1 epoch=0 storage=disk path=/no");
	assert_int_equal(learn_with(""), 0);
	assert_learnt("{'app_id':'" ZEROS20 "','containers':{"
		      "'db':{'allow':[{'digest':'sha256:" TWO
		      "','kinds':['script'],'path':'/s'}]},"
		      "'web':{'allow':[{'digest':'sha256:" ONE
		      "','kinds':['exec'],'path':'/bin/a b'},"
		      "{'digest':'fsverity-sha256:" TWO "','kinds':['map']}]}},"
		      "'epoch':1,'version':1}");
}

static void executed_memory_is_allowed_in_its_section(void **state)
{
	static const char memory[] = "v=1 id=one digest=none reason=memory "
		"epoch=0 storage=memory path=[anonymous]";

	(void)state;
	save_policy("old", 6, "'web':{'allow':[],'revoked':'kill'}");
	start_log();
	container("one", "web");
	container("two", "db");
	ran("dstack.exec", "two", "none", "/fuse");
	event("dstack.map", memory);
	assert_int_equal(learn_with(""), 0);
	assert_learnt("{'app_id':'" ZEROS20 "','containers':{"
		      "'db':{'allow':[]},"
		      "'web':{'allow':[],'memory':'allow'}},"
		      "'epoch':1,'version':1}");
	learn_args[0] = '\0';
	log_out = fopen("log", "a");
	assert_int_equal(learn_with(" --base old"), 0);
	save_policy("new", 7, "'db':{'allow':[]},'web':{'allow':[],"
		    "'memory':'allow','revoked':'kill'}");
	assert_int_equal(policy("diff out new"), 0);
}

static void base_stays_but_for_what_is_replaced(void **state)
{
	static const char base[] =
		"'host':{'allow':[" RULE(ONE, "'kernel'") "],'trust':"
		"{'kernel':['dm-verity']}},'web':{'allow':[" RULE(ONE, "'map'")
		"],'keys':[" KEYS("db/", "'aead'", "'handle'") "],"
		"'revoked':'kill'}";

	(void)state;
	save_policy("old", 6, base);
	start_log();
	container("one", "web");
	ran("dstack.exec", "one", "sha256:" TWO, "/two");
	assert_int_equal(learn_with(" --base old"), 0);
	save_policy("new", 7, "'host':{'allow':[" RULE(ONE, "'kernel'") "],"
		    "'trust':{'kernel':['dm-verity']}},'web':{'allow':["
		    RULE(ONE, "'map'") "," RULE(TWO, "'exec'") "],'keys':["
		    KEYS("db/", "'aead'", "'handle'") "],'revoked':'kill'}");
	assert_int_equal(policy("diff out new"), 0);
	learn_args[0] = '\0';
	log_out = fopen("log", "a");
	assert_int_equal(learn_with(" --replace --base old --epoch 9"), 0);
	save_policy("new", 9, "'host':{'allow':[" RULE(ONE, "'kernel'") "],"
		    "'trust':{'kernel':['dm-verity']}},'web':{'allow':["
		    RULE(TWO, "'exec'") "],'keys':["
		    KEYS("db/", "'aead'", "'handle'") "],'revoked':'kill'}");
	assert_int_equal(policy("diff out new"), 0);
}

/* What the register does not cover is not even looked at. */
static void later_events_are_not_learnt(void **state)
{
	uint8_t covered[DSTACK_REGISTER_SIZE];

	(void)state;
	start_log();
	container("one", "web");
	memcpy(covered, value, sizeof(value));
	ran("dstack.exec", "one", "sha256:" ONE, "/a");
	memcpy(value, covered, sizeof(value));
	assert_int_equal(learn_with(""), 0);
	assert_learnt("{'app_id':'" ZEROS20 "','containers':{'web':"
		      "{'allow':[]}},'epoch':1,'version':1}");
}

static void hostile_log_is_refused(void **state)
{
	size_t i, len;
	char *text;

	(void)state;
	/* It does not replay to the register. */
	start_log();
	container("one", "web");
	ran("dstack.exec", "one", "sha256:" ONE, "/a");
	value[0] ^= 1;
	assert_int_equal(learn_with(""), 1);
	value[0] ^= 1;
	/* A byte of it was changed: whichever it is. */
	assert_int_equal(read_file("log", 65536, (void **)&text, &len), 0);
	assert_int_equal(policy(learn_args), 1);
	log_out = fopen("log", "a");
	assert_int_equal(learn_with(""), 0);
	for (i = 0; i < len; i += 7) {
		unlink("out");
		text[i] ^= 1;
		assert_int_equal(write_file("log", text, len), 0);
		text[i] ^= 1;
		if (!policy(learn_args))
			assert_learnt("{'app_id':'" ZEROS20 "','containers':{"
				      "'web':{'allow':[{'digest':'sha256:" ONE
				      "','kinds':['exec'],'path':'/a'}]}},"
				      "'epoch':1,'version':1}");
		else
			assert_int_equal(access("out", F_OK), -1);
	}
	free(text);
	/* No kernel wrote these. */
	start_log();
	ran("dstack.exec", "one", "sha256:" ONE, "/a");
	assert_int_equal(learn_with(""), 1);
	start_log();
	container("one", "web");
	event("dstack.exec", "v=1 id=one digest=sha256:" ONE);
	assert_int_equal(learn_with(""), 1);
	start_log();
	container("one", "we%20b");
	assert_int_equal(learn_with(""), 1);
	/* An earlier boot's containers are not this one's. */
	start_log();
	container("one", "web");
	event("dstack.start", "v=1 backend=sim abi=1 base=" ZEROS48 ZEROS48);
	ran("dstack.exec", "one", "sha256:" ONE, "/a");
	assert_int_equal(learn_with(""), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(policies_that_say_the_same_do_not_differ),
		cmocka_unit_test(difference_is_named),
		cmocka_unit_test(diff_that_cannot_be_told_is_two),
		cmocka_unit_test(difference_in_keys_is_named),
		cmocka_unit_test(keys_of_a_section_are_shown),
		cmocka_unit_test(proof_is_printed_for_a_rule_only),
		cmocka_unit_test(proof_is_printed_for_a_key_term),
		cmocka_unit_test(what_ran_is_allowed_in_its_section),
		cmocka_unit_test(executed_memory_is_allowed_in_its_section),
		cmocka_unit_test(base_stays_but_for_what_is_replaced),
		cmocka_unit_test(later_events_are_not_learnt),
		cmocka_unit_test(hostile_log_is_refused),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
