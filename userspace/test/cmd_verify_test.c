// SPDX-License-Identifier: MIT
/*
 * dstackctl verify: what is accepted, what is refused, and what is said
 *
 * Copyright The dstack for Linux authors
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../dstackctl/common.c"
#include "../dstackctl/verify_events.c"
#include "../dstackctl/verify_log.c"
#include "../dstackctl/verify_input.c"
#include "../dstackctl/verify_outcome.c"
#include "../dstackctl/verify_report.c"
#include "../dstackctl/verify_attestation.c"
#include "../dstackctl/verify_cert.c"
#include "../dstackctl/verify_connect.c"
#include "../dstackctl/verify_batch.c"
#include "../dstackctl/verify_quote.c"
#include "../dstackctl/cmd_verify.c"
#include "cmd_fixture.h"
#include "event.h"

#define LINES_MAX	32

/* When the vectors' collateral was valid. */
#define AT_2023		"--at 2023-06-18T09:42:58Z"
#define AT_2025		"--at 2025-06-19T11:32:27Z"
#define AT_2026		"--at 2026-08-13T11:45:38Z"

static char dir[] = "/tmp/dstack-verify-XXXXXX";
static char quote_file[64], log_file[64], batch_file[64];

/* A log being made, and what its events make of the register. */
static char *lines[LINES_MAX];
static size_t nr_lines;
static uint8_t value[DSTACK_REGISTER_SIZE];

static int setup(void **state)
{
	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(quote_file, sizeof(quote_file), "%s/quote", dir);
	snprintf(log_file, sizeof(log_file), "%s/log", dir);
	snprintf(batch_file, sizeof(batch_file), "%s/batch", dir);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	while (nr_lines)
		free(lines[--nr_lines]);
	unlink(quote_file);
	unlink(log_file);
	unlink(batch_file);
	rmdir(dir);
	return 0;
}

static void add(const char *name, const char *payload)
{
	uint8_t digest[DSTACK_REGISTER_SIZE];

	assert_true(nr_lines < LINES_MAX);
	assert_int_equal(dstack_event_digest(name, strlen(name), payload,
					     strlen(payload), digest), 0);
	assert_int_equal(libdstack_event_to_json(name, strlen(name), payload,
						 strlen(payload), digest,
						 &lines[nr_lines++]), 0);
	assert_int_equal(dstack_event_fold(value, digest), 0);
}

/* The module was loaded and found the register as it is now. */
static void add_start(void)
{
	char hex[2 * DSTACK_REGISTER_SIZE + 1], payload[256];

	snprintf(payload, sizeof(payload), "v=1 backend=sim abi=1 base=%s",
		 libdstack_to_hex(value, sizeof(value), hex));
	add("dstack.start", payload);
}

static void add_exec(const char *id, const char *path)
{
	char payload[256];

	snprintf(payload, sizeof(payload),
		 "v=1 id=%s digest=sha256:0a reason=approved epoch=3 storage=disk path=%s",
		 id, path);
	add("dstack.exec", payload);
}

static void new_log(void)
{
	while (nr_lines)
		free(lines[--nr_lines]);
	memset(value, 0, sizeof(value));
}

/* A day in the life of a module, nine events. */
static void usual_log(void)
{
	new_log();
	add_start();
	add("system-ready", "");
	add("dstack.policy", "v=1 epoch=3 app=00 table=sha256:01 document=sha256:02 rules=4");
	add("dstack.state", "v=1 from=off to=enforce");
	add("dstack.container", "v=1 action=add id=web section=front app=00 image=sha256:03 cgroup=9 flags=none");
	add_exec("web", "/bin/server");
	add_exec("web", "/bin/server");
	add("dstack.deny", "v=1 id=web kind=exec digest=sha256:0b reason=unknown-digest count=1 epoch=3 storage=disk path=/tmp/x%0Ay");
	add("dstack.deny", "v=1 id=web kind=exec digest=sha256:0b reason=unknown-digest count=2 epoch=3 storage=disk path=/tmp/x%0Ay");
}

static void write_log(void)
{
	FILE *out = fopen(log_file, "w");
	size_t i;

	for (i = 0; i < nr_lines; i++)
		assert_true(fputs(lines[i], out) >= 0);
	assert_int_equal(fclose(out), 0);
}

/* What the sim backend answers for the register as it is now. */
static void write_sim_quote_of(const uint8_t report_data[64])
{
	uint8_t quote[8 + 64 + 48] = "DSTKSIM1";

	memcpy(quote + 8, report_data, 64);
	memcpy(quote + 72, value, sizeof(value));
	assert_int_equal(write_file(quote_file, quote, sizeof(quote)), 0);
}

static void write_sim_quote(void)
{
	const uint8_t report_data[64] = { 0xaa, 0xaa };

	write_sim_quote_of(report_data);
}

/* Verify the log that is in @lines as one of the sim backend. */
static int verify_sim_with(const char *more)
{
	char args[2048];

	write_log();
	snprintf(args, sizeof(args), "quote %s --log %s --insecure-sim %s",
		 quote_file, log_file, more);
	return run(cmd_verify, "verify", args);
}

static void sim_quote_is_refused_unless_allowed(void **state)
{
	char args[2048];

	(void)state;
	usual_log();
	write_log();
	write_sim_quote();
	snprintf(args, sizeof(args), "quote %s --log %s", quote_file, log_file);
	assert_int_equal(run(cmd_verify, "verify", args), EXIT_FAILURE);
	assert_says("made by the sim backend, proves nothing");
	assert_says("REFUSED");
	assert_int_equal(verify_sim_with(""), EXIT_SUCCESS);
	assert_says("INSECURE");
	assert_null(strstr(output, "VERIFIED"));
	assert_int_equal(verify_sim_with("--json"), EXIT_SUCCESS);
	assert_says("\"trusted\": false");
	assert_says("\"insecure\": true");
}

#define PROGRAM	"d5000000000000000000000000000000" \
		"00000000000000000000000000000000"

/* The second part of three as the agent replies, and the quote of all. */
static void write_batch(const char *id)
{
	struct libdstack_batch parts[3] = { 0 };
	char path[2][2 * DSTACK_DIGEST_SIZE + 1];
	uint8_t nonce[64], report_data[64];
	FILE *out = fopen(batch_file, "w");
	size_t i;

	for (i = 0; i < 3; i++) {
		snprintf(parts[i].id, sizeof(parts[i].id), "c%zu", i);
		parts[i].report_data[0] = i;
		parts[i].program.alg = DSTACK_ALG_SHA256;
		parts[i].program.value[0] = 0xd5;
		parts[i].epoch = 7;
	}
	assert_int_equal(libdstack_batch_make(parts, 3, nonce), 0);
	assert_int_equal(libdstack_batch_report_data(&parts[1], report_data),
			 0);
	write_sim_quote_of(report_data);
	for (i = 0; i < 2; i++)
		libdstack_to_hex(parts[1].path[i], DSTACK_DIGEST_SIZE, path[i]);
	fprintf(out, "{\"quote\": \"\", \"batch\": {\"index\": 1, "
		"\"count\": 3, \"path\": [\"%s\", \"%s\"], "
		"\"container\": \"%s\", \"salt\": \"%064d\", "
		"\"report_data\": \"01%0126d\", \"policy_epoch\": 7, "
		"\"program\": \"sha256:" PROGRAM "\"}}", path[0], path[1], id,
		0, 0);
	assert_int_equal(fclose(out), 0);
}

static int verify_batch_with(const char *more)
{
	char args[1024];

	snprintf(args, sizeof(args), "--batch %s %s", batch_file, more);
	return verify_sim_with(args);
}

static void part_of_a_batch_is_verified(void **state)
{
	(void)state;
	usual_log();
	write_batch("c1");
	assert_int_equal(verify_batch_with(""), EXIT_SUCCESS);
	assert_says("container 'c1', part 2 of 3, says sha256:" PROGRAM
		    " of the host, policy epoch 7");
	assert_int_equal(verify_batch_with("--report-data 01 --container c1 --explain --program sha256:"
					   PROGRAM), EXIT_SUCCESS);
	assert_says("2 hashes up to the root");
	assert_int_equal(verify_batch_with("--json"), EXIT_SUCCESS);
	assert_says("\"container\": \"c1\"");
}

static void attack_48_part_of_another_is_refused(void **state)
{
	(void)state;
	usual_log();
	write_batch("c1");
	assert_int_equal(verify_batch_with("--report-data 02"), EXIT_FAILURE);
	assert_says("batch report data: the part carries other data");
	assert_int_equal(verify_batch_with("--container c2"), EXIT_FAILURE);
	assert_says("another container asked for this part");
	assert_int_equal(verify_batch_with("--program fsverity-sha256:"
					   PROGRAM), EXIT_FAILURE);
	assert_says("another program vouches");
	/* As another container would have it. */
	write_batch("c2");
	assert_int_equal(verify_batch_with(""), EXIT_FAILURE);
	assert_says("does not lead to what the quote carries");
	assert_int_equal(verify_batch_with("--json"), EXIT_FAILURE);
	assert_null(strstr(output, "\"container\""));
	/* A quote of its own is no batch. */
	write_sim_quote();
	assert_int_equal(verify_batch_with(""), EXIT_FAILURE);
	assert_int_equal(write_file(batch_file, "{}", 2), 0);
	assert_int_equal(verify_batch_with(""), EXIT_FAILURE);
	assert_says("batch format");
	assert_int_equal(verify_sim_with("--container c1"), EXIT_USAGE);
}

static void programs_of_containers_are_summed_up(void **state)
{
	(void)state;
	usual_log();
	write_sim_quote();
	assert_int_equal(verify_sim_with(""), EXIT_SUCCESS);
	assert_says("container web: section front, app 00, image sha256:03");
	assert_says("exec        2 x sha256:0a /bin/server approved");
	assert_says("denied      2 x sha256:0b /tmp/x%0Ay unknown-digest");
	assert_says("state     enforce");
	assert_says("policy    epoch 3, table sha256:01, document sha256:02");
	assert_int_equal(verify_sim_with("--json"), EXIT_SUCCESS);
	assert_says("\"path\": \"/bin/server\"");
}

static void keys_that_left_the_kernel_are_told(void **state)
{
	(void)state;
	usual_log();
	add("dstack.root", "v=1 action=load app=00 epoch=7 key=aabb");
	add("dstack.key", "v=1 id=web path=disk/a purpose=luks kind=bytes scope=app epoch=7 delivery=bytes");
	add("dstack.key", "v=1 id=web path=disk/a purpose=luks kind=bytes scope=app epoch=7 delivery=bytes");
	add("dstack.key", "v=1 id=web path=disk/b purpose=luks kind=bytes scope=app epoch=7 delivery=bytes");
	write_sim_quote();
	assert_int_equal(verify_sim_with(""), EXIT_SUCCESS);
	assert_says("root key load: app 00, epoch 7, id aabb");
	assert_says("  key         2 x luks disk/a bytes");
	assert_says("  key         1 x luks disk/b bytes");
	assert_int_equal(verify_sim_with("--json"), EXIT_SUCCESS);
	assert_says("\"purpose\": \"luks\"");
}

static void later_events_are_told_from_covered_ones(void **state)
{
	(void)state;
	usual_log();
	write_sim_quote();
	add_exec("web", "/bin/late");
	assert_int_equal(verify_sim_with(""), EXIT_SUCCESS);
	assert_says("the first 9 events replay to RTMR3; 1 later ones");
	assert_null(strstr(output, "/bin/late"));
	assert_int_equal(verify_sim_with("--log-count 9"), EXIT_SUCCESS);
	assert_int_equal(verify_sim_with("--log-count 8"), EXIT_FAILURE);
	assert_says("the first 8 events do not replay");
	assert_int_equal(verify_sim_with("--log-count 11"), EXIT_FAILURE);
	assert_says("the log has 10 events, and the quote covers 11");
}

/* Attacks 41 and 43, through the command. */
static void attack_41_43_altered_log_is_refused(void **state)
{
	char *line;
	size_t i;

	(void)state;
	for (i = 0; i < 9; i++) {
		/* dropped */
		usual_log();
		write_sim_quote();
		free(lines[i]);
		nr_lines--;
		memmove(lines + i, lines + i + 1,
			(nr_lines - i) * sizeof(lines[0]));
		assert_int_equal(verify_sim_with(""), EXIT_FAILURE);
		assert_says("REFUSED");
		/* changed: the payload's last digit but one */
		usual_log();
		line = strstr(lines[i], "\"}");
		if (line[-1] == '"')
			continue;	/* an empty payload */
		line[-1] ^= 1;
		assert_int_equal(verify_sim_with(""), EXIT_FAILURE);
		assert_says("was changed: its digest is not that");
	}
	/* swapped with the next */
	for (i = 0; i < 8; i++) {
		usual_log();
		line = lines[i];
		lines[i] = lines[i + 1];
		lines[i + 1] = line;
		if (strcmp(lines[i], lines[i + 1]))
			assert_int_equal(verify_sim_with(""), EXIT_FAILURE);
	}
	new_log();
	assert_int_equal(verify_sim_with(""), EXIT_FAILURE);
	assert_says("the log is empty");
}

/* Attack 42: whoever extends the register can't speak for the kernel. */
static void attack_42_kernel_events_must_be_a_kernels(void **state)
{
	(void)state;
	new_log();
	add_exec("web", "/bin/server");
	write_sim_quote();
	assert_int_equal(verify_sim_with(""), EXIT_FAILURE);
	assert_says("event 0 ('dstack.exec') comes before any dstack.start");

	usual_log();
	add("dstack.exec", "v=1 id=web");
	write_sim_quote();
	assert_int_equal(verify_sim_with(""), EXIT_FAILURE);
	assert_says("event 9 ('dstack.exec') has a payload that no kernel writes");

	usual_log();
	add("dstack.new", "v=1");
	write_sim_quote();
	assert_int_equal(verify_sim_with(""), EXIT_FAILURE);
	assert_says("('dstack.new') has a payload that no kernel writes");
}

static void start_must_have_found_the_register_as_it_was(void **state)
{
	(void)state;
	/* After a boot of upstream's, and after a second load: as it was. */
	new_log();
	add("system-preparing", "");
	add_start();
	add_start();
	write_sim_quote();
	assert_int_equal(verify_sim_with(""), EXIT_SUCCESS);
	assert_says("2 starts of the module");
	/* A second start that found something else. */
	new_log();
	add_start();
	add("dstack.start", "v=1 backend=sim abi=1 base=00");
	write_sim_quote();
	assert_int_equal(verify_sim_with(""), EXIT_FAILURE);
	assert_says("event 1: the module found a register that the events before it do not make");
}

static void log_that_starts_late_needs_its_base(void **state)
{
	char hex[2 * DSTACK_REGISTER_SIZE + 1], more[256];

	(void)state;
	new_log();
	add("before", "");
	snprintf(more, sizeof(more), "--base %s",
		 libdstack_to_hex(value, sizeof(value), hex));
	free(lines[--nr_lines]);
	add_start();
	write_sim_quote();
	assert_int_equal(verify_sim_with(""), EXIT_FAILURE);
	assert_says("the log starts after something else extended RTMR3");
	assert_int_equal(verify_sim_with(more), EXIT_SUCCESS);
}

/* Attack 48: a quote that was made for somebody else's nonce. */
static void attack_48_other_report_data_is_refused(void **state)
{
	(void)state;
	usual_log();
	write_sim_quote();
	assert_int_equal(verify_sim_with("--report-data aaaa"), EXIT_SUCCESS);
	assert_int_equal(verify_sim_with("--report-data aaab"), EXIT_FAILURE);
	assert_says("the quote carries other data");
	assert_int_equal(verify_sim_with("--report-data aa"), EXIT_FAILURE);
}

static void wrong_use_is_told_from_refusal(void **state)
{
	static const char * const wrong[] = {
		"", "quote", "log x", "quote x y --log z", "--json",
		"quote x --at 2026-11-27T01:00:00", "quote x --log-count 1",
		"attestation x --log y", "quote x --log y --tcb-info z",
		"quote x --log y --report-data abc",
		"quote x --log y --report-data zz",
		"quote x --log y --log-count -1", "quote x --log y --base 00",
		"quote x --log y --at now", "quote x --log y --unknown",
		"quote x --log y --allow-status Fine",
		"quote x --log y --allow-status Revoked",
		"quote x --log y --allow-status NotSupported",
		"quote x --log y --allow-status none",
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_int_equal(run(cmd_verify, "verify", wrong[i]),
				 EXIT_USAGE);
	assert_int_equal(run(cmd_verify, "verify", "--help"), EXIT_SUCCESS);
	assert_int_equal(run(cmd_verify, "verify", "quote /none --log /none"),
			 EXIT_FAILURE);
}

/* A genuine quote, its collateral and time; RTMR3 is zero in all of these. */
static int verify_vector(const char *quote, const char *collateral,
			 const char *more)
{
	const char *vectors = getenv("DSTACK_VECTORS");
	char args[4096];

	if (!vectors || access(vectors, R_OK)) {
		print_message("# no test vectors: set DSTACK_VECTORS to their directory\n");
		skip();
	}
	new_log();
	write_log();
	snprintf(args, sizeof(args),
		 "quote %s/dcap/quotes/%s --log %s --collateral %s/dcap/collateral/%s %s",
		 vectors, quote, log_file, vectors, collateral, more);
	return run(cmd_verify, "verify", args);
}

static void genuine_quote_is_verified(void **state)
{
	(void)state;
	assert_int_equal(verify_vector("tdx4-b0c06f-phala.bin",
				       "b0c06f-2025-07.json",
				       AT_2025), EXIT_SUCCESS);
	assert_says("VERIFIED");
	assert_int_equal(verify_vector("tdx4-b0c06f-phala.bin",
				       "b0c06f-2025-07.json",
				       AT_2025 " --json"),
			 EXIT_SUCCESS);
	assert_says("\"trusted\": true");
	assert_int_equal(verify_vector("tdx4-b0c06f-phala.bin",
				       "b0c06f-2025-07.json",
				       AT_2026), EXIT_FAILURE);
	assert_says("FAIL");
	assert_says("expired at 2025-07-19T10:00:35Z: get newer collateral");
}

static void other_status_must_be_allowed(void **state)
{
	const char *quote = "tdx4-b0c06f-phala.bin";
	const char *collateral = "b0c06f-2026-08.json";
	static const char others[] =
		AT_2026 " --allow-status ConfigurationNeeded";
	static const char this[] =
		AT_2026 " --allow-status OutOfDate";

	(void)state;
	assert_int_equal(verify_vector(quote, collateral, AT_2026),
			 EXIT_FAILURE);
	assert_says("OutOfDate is a TCB status that the policy does not allow");
	assert_int_equal(verify_vector(quote, collateral, others),
			 EXIT_FAILURE);
	assert_int_equal(verify_vector(quote, collateral, this), EXIT_SUCCESS);
	assert_says("INTEL-SA-01192,INTEL-SA-01245,INTEL-SA-01312,INTEL-SA-01313");
}

/* Attack 51. */
static void attack_51_debug_td_must_be_allowed(void **state)
{
	const char *quote = "tdx4-50806f-debug.bin";
	const char *collateral = "50806f-2023-07.json";

	(void)state;
	assert_int_equal(verify_vector(quote, collateral, AT_2023),
			 EXIT_FAILURE);
	assert_says("a debug TD");
	assert_int_equal(verify_vector(quote, collateral,
				       AT_2023 " --allow-debug"),
			 EXIT_SUCCESS);
	assert_says("UpToDate, DEBUG: its host sees into it, as the options allow");
}

static void attack_51_service_td_is_refused(void **state)
{
	(void)state;
	assert_int_equal(verify_vector("tdx5-90c06f-alibaba-servicetd.bin",
				       "90c06f-2025-06.json",
				       AT_2025), EXIT_FAILURE);
	assert_says("a service TD is bound to the TD");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sim_quote_is_refused_unless_allowed),
		cmocka_unit_test(part_of_a_batch_is_verified),
		cmocka_unit_test(attack_48_part_of_another_is_refused),
		cmocka_unit_test(programs_of_containers_are_summed_up),
		cmocka_unit_test(keys_that_left_the_kernel_are_told),
		cmocka_unit_test(later_events_are_told_from_covered_ones),
		cmocka_unit_test(attack_41_43_altered_log_is_refused),
		cmocka_unit_test(attack_42_kernel_events_must_be_a_kernels),
		cmocka_unit_test(start_must_have_found_the_register_as_it_was),
		cmocka_unit_test(log_that_starts_late_needs_its_base),
		cmocka_unit_test(attack_48_other_report_data_is_refused),
		cmocka_unit_test(wrong_use_is_told_from_refusal),
		cmocka_unit_test(genuine_quote_is_verified),
		cmocka_unit_test(other_status_must_be_allowed),
		cmocka_unit_test(attack_51_debug_td_must_be_allowed),
		cmocka_unit_test(attack_51_service_td_is_refused),
	};

	return cmocka_run_group_tests_name("cmd_verify", tests, setup,
					   teardown);
}
