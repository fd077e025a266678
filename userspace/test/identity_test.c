// SPDX-License-Identifier: MIT
/*
 * Identity: the values of real guests, and none from what does not fit
 *
 * Copyright The dstack for Linux authors
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "container_fixture.h"
#include "identity/identity.h"
#include "vectors.h"

static struct libdstack_attestation *a;
static struct libdstack_failure failure;
static struct libdstack_identity identity;
static struct libdstack_td td;

static void assert_hex(const void *data, size_t len, const char *want)
{
	char hex[2 * 64 + 1];

	assert_string_equal(libdstack_to_hex(data, len, hex), want);
}

static void assert_id(const struct libdstack_id *id, const char *want)
{
	assert_hex(id->data, id->len, want);
}

/*
 * A guest that a test makes: its events, and a TD whose register they explain
 */

#define COMPOSE	"0123456789abcdef0123456789abcdef"
#define APP	"0123456789abcdefghij"
#define KMS	"{\"name\":\"kms\",\"id\":\"0a0b\"}"

static const struct container_event boot[] = {
	{ "system-preparing", "", 0 },
	{ "app-id", APP, 20 },
	{ "compose-hash", COMPOSE, 32 },
	{ "init-script-hash", COMPOSE, 32 },
	{ "instance-id", APP, 20 },
	{ "boot-mr-done", "", 0 },
	{ "os-image-hash", COMPOSE, 32 },
	{ "key-provider", KMS, sizeof(KMS) - 1 },
	{ "system-ready", "", 0 },
	{ "app-id", "of the application's", 20 },
};

#define IMAGE "{\"os_image_hash\":\"3031323334353637383961626364656630313233343536373839616263646566\"}"
#define ANOTHER_IMAGE "{\"vm_config\":\"{\\\"os_image_hash\\\":\\\"3131323334353637383961626364656630313233343536373839616263646566\\\"}\"}"
#define MR_CONFIG "{\"app_id\":\"1111111111111111111111111111111111111111\",\"compose_hash\":\"2222222222222222222222222222222222222222222222222222222222222222\",\"gpu_policy_hash\":\"5555555555555555555555555555555555555555555555555555555555555555\",\"instance_id\":\"4444444444444444444444444444444444444444\",\"key_provider\":\"kms\",\"key_provider_id\":\"3333333333333333333333333333333333333333333333333333333333333333\",\"version\":3}"
#define CONFIG_ID_2 "75b2fc0fcabf761eb40580bb9a9d882c38cd8b7f10775b7573806761e4948044"

#define EVENTS	(sizeof(boot) / sizeof(boot[0]))

static struct container_event events[EVENTS];
static const char *config;

static void begin(void)
{
	memcpy(events, boot, sizeof(boot));
	config = "{}";
	memset(&td, 0, sizeof(td));
}

/* Of the first @nr events. */
static int identify(size_t nr, uint32_t flags)
{
	struct container_parts parts = {
		.quote = "", .events = events, .nr_events = nr,
		.config = config,
	};
	struct container c;
	size_t bad;
	int err;

	container_scale(&c, &parts);
	if (libdstack_attestation_parse(c.data, c.len, &a, &failure))
		fail_msg("%s", failure.text);
	memset(td.rtmr[3], 0, sizeof(td.rtmr[3]));
	assert_int_equal(libdstack_log_replay(&a->runtime, a->runtime.count,
					      td.rtmr[3], &bad), 0);
	err = libdstack_identity_of_td(a, &td, NULL, flags, &identity,
				       &failure);
	libdstack_attestation_free(a);
	a = NULL;
	assert_true(!err == !failure.reason);
	if (err)
		assert_int_equal(identity.app_id.len, 0);
	return err;
}

static void only_the_boot_has_an_identity(void **state)
{
	(void)state;
	begin();
	assert_int_equal(identify(EVENTS, 0), 0);
	assert_memory_equal(identity.app_id.data, APP, 20);
	assert_memory_equal(identity.compose_hash.data, COMPOSE, 32);
	assert_memory_equal(identity.instance_id.data, APP, 20);
	assert_int_equal(identity.nr_init_scripts, 1);
	assert_string_equal(identity.key_provider, "kms");
	assert_string_equal(identity.key_provider_id, "0a0b");
	assert_string_equal(identity.key_provider_info, KMS);
	assert_true(identity.os_image_measured);
	assert_true(identity.ready);
	assert_false(identity.config_bound);
	assert_int_equal(identify(EVENTS - 2, 0), 0);
	assert_false(identity.ready);
	assert_int_equal(identify(EVENTS, LIBDSTACK_IDENTITY_F_BOOT), 0);
	assert_string_equal(identity.key_provider, "");
}

static void second_claim_to_a_name_is_refused(void **state)
{
	static const char * const names[] = {
		"app-id", "compose-hash", "instance-id", "key-provider",
	};
	size_t i, j;

	(void)state;
	for (i = 0; i < 4; i++) {
		begin();
		for (j = 0; strcmp(boot[j].name, names[i]); j++)
			;
		events[5] = boot[j];
		events[6] = boot[j];
		events[7] = boot[j];
		assert_int_equal(identify(EVENTS, 0), -EKEYREJECTED);
		assert_string_equal(failure.step, "identity");
	}
}

static void events_of_another_size_are_refused(void **state)
{
	(void)state;
	begin();
	events[1].len = 19;
	assert_int_equal(identify(EVENTS, 0), -EBADMSG);
	begin();
	events[2].len = 31;
	assert_int_equal(identify(EVENTS, 0), -EBADMSG);
	begin();
	events[4].len = 0;
	assert_int_equal(identify(EVENTS, 0), 0);
	assert_int_equal(identity.instance_id.len, 0);
	begin();
	events[7].payload = "{\"name\":\"kms\"}        ";
	events[7].len = 14;
	assert_int_equal(identify(EVENTS, 0), -EBADMSG);
}

static void image_that_was_measured_is_not_another(void **state)
{
	(void)state;
	begin();
	config = IMAGE;
	assert_int_equal(identify(EVENTS, 0), 0);
	assert_true(identity.os_image_measured);
	config = ANOTHER_IMAGE;
	assert_int_equal(identify(EVENTS, 0), -EKEYREJECTED);
	events[6] = boot[0];
	assert_int_equal(identify(EVENTS, 0), 0);
	assert_false(identity.os_image_measured);
	assert_int_equal(identity.os_image_hash.len, 32);
	config = "[]";
	assert_int_equal(identify(EVENTS, 0), -EBADMSG);
}

/* MRCONFIGID of each version, and of another application. */
static void launch_and_log_name_the_same_application(void **state)
{
	(void)state;
	begin();
	td.mr_config_id[0] = 1;
	memcpy(td.mr_config_id + 1, COMPOSE, 32);
	assert_int_equal(identify(EVENTS, 0), 0);
	assert_true(identity.config_bound);
	td.mr_config_id[40] = 1;
	assert_int_equal(identify(EVENTS, 0), -EKEYREJECTED);
	td.mr_config_id[40] = 0;
	td.mr_config_id[1] ^= 1;
	assert_int_equal(identify(EVENTS, 0), -EKEYREJECTED);
	/* keccak256 of compose hash, app id, 02, 0a0b */
	td.mr_config_id[0] = 2;
	assert_true(libdstack_from_hex(CONFIG_ID_2, 64, td.mr_config_id + 1,
				       32));
	assert_int_equal(identify(EVENTS, 0), 0);
	assert_true(identity.config_bound);
	assert_int_equal(identify(EVENTS, LIBDSTACK_IDENTITY_F_BOOT), 0);
	td.mr_config_id[32] ^= 1;
	assert_int_equal(identify(EVENTS, 0), -EKEYREJECTED);
	td.mr_config_id[0] = 3;
	assert_int_equal(identify(EVENTS, 0), 0);
	assert_false(identity.config_bound);
	td.mr_config_id[0] = 4;
	assert_int_equal(identify(EVENTS, 0), -EOPNOTSUPP);
}

static void mr_config_document_is_hashed_as_upstream_does(void **state)
{
	struct libdstack_span document =
		ident_span(MR_CONFIG, strlen(MR_CONFIG));
	struct ident_mr_config c;
	uint8_t hash[32];

	(void)state;
	assert_true(ident_mr_config_hash(&document, hash));
	assert_hex(hash, 32,
		   "90e5cffa571b22c2ca846872d6fb7b071aa1346f1a1f87f72869c47b39d94099");
	assert_int_equal(ident_read_mr_config(&document, &c, &failure), 0);
	assert_int_equal(c.app_id.len, 20);
	assert_string_equal(c.key_provider, "kms");
	document = ident_span("{\"key_provider\":\"kms\"}", 22);
	assert_int_equal(ident_read_mr_config(&document, &c, &failure),
			 -EBADMSG);
	document = ident_span("{\"x\":1}", 7);
	assert_int_equal(ident_read_mr_config(&document, &c, &failure),
			 -EBADMSG);
}

/*
 * Real guests.  The values were computed apart from this code, by the formulas
 * in Documentation/verify/identity.rst.
 */

#define AUGUST_2026	1786621538	/* 2026-08-13T11:45:38Z */
#define FEBRUARY_2026	1771415931	/* 2026-02-18T11:58:51Z */

static struct libdstack_attestation_verdict verdict;

static void verify(const char *collateral, time_t now)
{
	struct libdstack_collateral *c;
	struct vector v = vector_load(collateral);

	assert_int_equal(libdstack_collateral_parse(v.data, v.len, &c), 0);
	assert_int_equal(libdstack_attestation_verify(a, c, NULL, 0, now,
						      &verdict), 0);
	libdstack_collateral_free(c);
	free(v.data);
}

static void take(uint32_t flags)
{
	if (libdstack_identity_of_td(a, &verdict.quote.td, verdict.quote.ppid,
				     flags, &identity, &failure))
		fail_msg("%s", failure.text);
}

static void parse_vector(const char *name)
{
	struct vector v = vector_load(name);

	a = NULL;
	if (libdstack_attestation_parse(v.data, v.len, &a, &failure))
		fail_msg("%s: %s", name, failure.text);
	free(v.data);
}

static void parse_near(void)
{
	struct vector info = vector_load("dstack/near-mpc-tcb_info.json");
	struct vector quote =
		vector_load("dcap/quotes/tdx4-b0c06f-near-mpc.bin");

	assert_int_equal(libdstack_tcb_info_parse(info.data, info.len,
						  quote.data, quote.len, &a,
						  &failure), 0);
	free(info.data);
	free(quote.data);
}

static void guest_of_another_party_has_its_identity(void **state)
{
	(void)state;
	parse_near();
	verify("dcap/collateral/b0c06f-2026-08.json", AUGUST_2026);
	take(0);
	assert_id(&identity.app_id, "2911e1f733466216dedb862d6d669e11256ee7a3");
	assert_id(&identity.compose_hash,
		  "2911e1f733466216dedb862d6d669e11256ee7a34ce4dbc66c4b807ba7a9c895");
	assert_id(&identity.os_image_hash,
		  "7d47512fda31dc5a7318f72ae1869a3c76323981eea21fc30cafd0f79668642c");
	assert_int_equal(identity.instance_id.len, 0);
	assert_string_equal(identity.key_provider, "local-sgx");
	assert_string_equal(identity.key_provider_id,
			    "6b5ed02e549a1c30aaa8e3171a045f1f449b0017353ef595e78e39c348c98d01");
	assert_hex(identity.mr_system, 32,
		   "258c7f55cb0046a5c98597388c30b916e96da0ce368e2f6f9f5996878d4796fc");
	assert_hex(identity.mr_aggregated, 32,
		   "5cd7c8e25647053ff6e0df9ea21170b355bb48b9032db7bce27410ad10a150e0");
	assert_hex(identity.device_id, 32,
		   "34b13d4228e918e3fb33f90afa2bbe21c6d23d6a96b08971a527d4317dbcd053");
	assert_true(identity.ready);
	assert_true(identity.config_bound);
	take(LIBDSTACK_IDENTITY_F_BOOT);
	assert_hex(identity.mr_system, 32,
		   "5520817ff6b3a80ad0f6d56096fb14999f460a40cb419175c9e9b0c504a0aa8a");
	assert_hex(identity.mr_aggregated, 32,
		   "005074848897d6531f8887146d3633252630e381bc48bf7f0d2229fa68b564da");
	libdstack_attestation_free(a);
}

static void reply_of_get_quote_has_its_identity(void **state)
{
	(void)state;
	parse_vector("dstack/quote-report.json");
	verify("dcap/collateral/90c06f-2026-02.json", FEBRUARY_2026);
	take(0);
	assert_id(&identity.app_id, "3763bc34552cf3a27ff71ad5f7a90471562a1a2d");
	assert_id(&identity.instance_id,
		  "c3714eb66990eace777b4e664c16e09375dec4c9");
	assert_id(&identity.os_image_hash,
		  "14ad42d0270b444eaeb53918a5a94d9b17eec7a817cd336173b17c5327541c67");
	assert_false(identity.os_image_measured);
	assert_false(identity.config_bound);
	assert_hex(identity.mr_system, 32,
		   "e1ae776a1492d4f87937b7e563d265c16300be4aba5d748207587023bb7dbb75");
	assert_hex(identity.mr_aggregated, 32,
		   "233c659f83048505bb1ef7f105245aa80f5d04e3d096c329da272d7ee13fbf38");
	assert_hex(identity.device_id, 32,
		   "ea0ba482106a22ecb76b59b95fed32b5cc3a81534b27ee01a25a10a87cca7d03");
	take(LIBDSTACK_IDENTITY_F_BOOT);
	assert_hex(identity.mr_system, 32,
		   "3d124836c59609fdfdb93185f7d251268d7da9b3f95e9a43cee5c4edc10a5b5f");
	assert_hex(identity.mr_aggregated, 32,
		   "f9a9159f75a175a0a65052b78f764a312456db56f5c397c600d08445ab68937b");
	libdstack_attestation_free(a);
}

static void kms_measured_the_image_of_the_simulator(void **state)
{
	(void)state;
	parse_vector("dstack/simulator-attestation.bin");
	verify("dcap/collateral/b0c06f-2026-08.json", AUGUST_2026);
	take(0);
	assert_string_equal(identity.key_provider, "kms");
	assert_true(identity.os_image_measured);
	assert_true(identity.config_bound);
	assert_id(&identity.compose_hash,
		  "c143116fef3940e7f776bfc0919c256232ae5338a6e948c96b711e0b2383483a");
	libdstack_attestation_free(a);
}

/* Attack 48: evidence and log of different TDs. */
static void attack_48_log_of_another_td_gives_no_identity(void **state)
{
	(void)state;
	parse_vector("dstack/simulator-attestation.bin");
	verify("dcap/collateral/b0c06f-2026-08.json", AUGUST_2026);
	libdstack_attestation_free(a);
	parse_near();
	assert_int_equal(libdstack_identity_of_td(a, &verdict.quote.td,
						  verdict.quote.ppid, 0,
						  &identity, &failure),
			 -EKEYREJECTED);
	assert_int_equal(identity.app_id.len, 0);
	libdstack_attestation_free(a);
}

static void app_compose_is_the_measured_one(void **state)
{
	(void)state;
	parse_near();
	verify("dcap/collateral/b0c06f-2026-08.json", AUGUST_2026);
	a->app_compose.len--;
	assert_int_equal(libdstack_identity_of_td(a, &verdict.quote.td, NULL,
						  0, &identity, &failure),
			 -EKEYREJECTED);
	libdstack_attestation_free(a);
}

static void snp_guest_is_what_host_data_says(void **state)
{
	const uint8_t *report;
	uint8_t host_data[32];

	(void)state;
	parse_vector("dstack/sev_snp_attestation.bin");
	report = a->evidence.data;
	memcpy(host_data, report + 0xc0, 32);
	if (libdstack_identity_of_snp(a, report + 0x90, host_data,
				      report + 0x1a0, &identity, &failure))
		fail_msg("%s", failure.text);
	assert_int_equal(identity.app_id.len, 20);
	assert_int_equal(identity.compose_hash.len, 32);
	assert_true(identity.config_bound);
	host_data[0] ^= 1;
	assert_int_equal(libdstack_identity_of_snp(a, report + 0x90, host_data,
						   report + 0x1a0, &identity,
						   &failure), -EKEYREJECTED);
	assert_int_equal(identity.app_id.len, 0);
	libdstack_attestation_free(a);
}

static void enclave_is_its_image(void **state)
{
	static const char * const pcrs[3] = {
		"eb7d0dab08ff41546d7e5659aee883af7b32bb2e58e46815b719f9f7bfae7b880188a10d86317e6509923740526cf74a",
		"0343b056cd8485ca7890ddd833476d78460aed2aa161548e4e26bedf321726696257d623e8805f3f605946b3d8b0c6aa",
		"d7b0a76788c1be24898bd148117ea1239578ba0e72f5d87a33a6c6476026675b6f996940f062e0e3f0b5edd2ddf78811"
	};
	static const char module[] = "i-0827e799ec9232d44-enc0";
	uint8_t pcr[3][48], debug[3][48] = { { 0 } };
	int i;

	(void)state;
	for (i = 0; i < 3; i++)
		assert_true(libdstack_from_hex(pcrs[i], 96, pcr[i], 48));
	parse_vector("dstack/nitro_attestation.bin");
	if (libdstack_identity_of_enclave(a, pcr, module, &identity, &failure))
		fail_msg("%s", failure.text);
	assert_hex(identity.mr_system, 32,
		   "1894b0b29e94a9db16e88a2914f0923e52bb16c08bf3bb484df786a147e2eb79");
	assert_memory_equal(identity.mr_system, identity.mr_aggregated, 32);
	assert_int_equal(libdstack_identity_of_enclave(a, debug, module,
						       &identity, &failure),
			 -EKEYREJECTED);
	assert_int_equal(failure.reason, LIBDSTACK_REASON_POLICY);
	pcr[0][0] ^= 1;
	assert_int_equal(libdstack_identity_of_enclave(a, pcr, module,
						       &identity, &failure),
			 -EKEYREJECTED);
	libdstack_attestation_free(a);
}

/*
 * What ran
 */

static const struct container_event kernel[] = {
	{ "dstack.start", NULL, 0 },
	{ "dstack.container",
	  "v=1 action=add id=web section=web app=shop image=sha256:0b cgroup=7 flags=none",
	  0 },
	{ "dstack.exec",
	  "v=1 id=web digest=sha256:0a reason=approved epoch=3 storage=disk path=/bin/sh",
	  0 },
	{ "dstack.exec",
	  "v=1 id=web digest=sha256:0a reason=approved epoch=3 storage=disk path=/bin/ash",
	  0 },
};

static struct libdstack_log log_of(const struct container_event *list,
				   size_t nr)
{
	struct libdstack_log log = { .count = 0 };
	size_t i, cap = 0;

	for (i = 0; i < nr; i++) {
		struct libdstack_event e = { .imr = 3 };

		e.name = strdup(list[i].name);
		e.payload_len = strlen(list[i].payload);
		e.payload = (uint8_t *)list[i].payload;
		assert_int_equal(dstack_log_digest(&e, e.digest), 0);
		assert_int_equal(dstack_log_add(&log, &cap, &e), 0);
	}
	return log;
}

static void log_says_which_binaries_ran_where(void **state)
{
	static const uint8_t zeros[DSTACK_REGISTER_SIZE];
	struct libdstack_kernel_events found;
	struct container_event list[4];
	struct libdstack_runs *runs;
	char start[256], hex[97];
	struct libdstack_log log;

	(void)state;
	memcpy(list, kernel, sizeof(list));
	snprintf(start, sizeof(start), "v=1 backend=tdx abi=1 base=%s",
		 libdstack_to_hex(zeros, sizeof(zeros), hex));
	list[0].payload = start;
	log = log_of(list, 4);
	if (libdstack_kernel_events_check(&log, 4, zeros, &found, &failure))
		fail_msg("%s", failure.text);
	assert_int_equal(found.nr, 4);
	assert_int_equal(found.starts, 1);
	assert_int_equal(libdstack_runs_of_log(&log, 4, &runs), 0);
	assert_int_equal(runs->nr, 2);
	assert_int_equal(runs->run[0].kind, LIBDSTACK_RUN_CONTAINER);
	assert_memory_equal(runs->run[0].digest.data, "sha256:0b", 9);
	assert_int_equal(runs->run[1].kind, LIBDSTACK_RUN_EXEC);
	assert_int_equal(runs->run[1].count, 2);
	assert_memory_equal(runs->run[1].path.data, "/bin/sh ", 7);
	libdstack_runs_free(runs);
	/* The rule of digests that no kernel uses. */
	log.events[2].version = 2;
	assert_int_equal(libdstack_kernel_events_check(&log, 4, zeros, &found,
						       &failure), -EBADMSG);
	assert_string_equal(failure.step, "kernel events");
	dstack_log_clear(&log);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_the_boot_has_an_identity),
		cmocka_unit_test(second_claim_to_a_name_is_refused),
		cmocka_unit_test(events_of_another_size_are_refused),
		cmocka_unit_test(image_that_was_measured_is_not_another),
		cmocka_unit_test(launch_and_log_name_the_same_application),
		cmocka_unit_test(mr_config_document_is_hashed_as_upstream_does),
		cmocka_unit_test(guest_of_another_party_has_its_identity),
		cmocka_unit_test(reply_of_get_quote_has_its_identity),
		cmocka_unit_test(kms_measured_the_image_of_the_simulator),
		cmocka_unit_test(attack_48_log_of_another_td_gives_no_identity),
		cmocka_unit_test(app_compose_is_the_measured_one),
		cmocka_unit_test(snp_guest_is_what_host_data_says),
		cmocka_unit_test(enclave_is_its_image),
		cmocka_unit_test(log_says_which_binaries_ran_where),
	};

	return cmocka_run_group_tests_name("identity", tests, NULL, NULL);
}
