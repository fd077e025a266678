// SPDX-License-Identifier: MIT
/*
 * A key from an enclave of the host: which one it is, and whose is refused
 *
 * Copyright The dstack for Linux authors
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>

#include "../boot/local.h"
#include "../kms/kms.h"
#include "key_enclave.h"
#include "pki_fixture.h"

/* Offsets in a TD's report. */
#define TD_RTMR3	472
#define TD_REPORT_DATA	520

static struct key_enclave *enclave;
static struct key_enclave_config config = {
	.seed = "one", .enclave = "the enclave",
};

static uint8_t mr_enclave[LOCAL_ENCLAVE_SIZE];
static uint8_t seed[DSTACK_KEY_SIZE], id[LOCAL_ENCLAVE_SIZE];
static uint8_t asked[DSTACK_REPORT_DATA_SIZE];	/* at last, in our quote */
static uint8_t measured;			/* in our register 3 */
static char url[256], pki[256];

/*
 * This machine
 */

static int make_own(void *arg,
		    const uint8_t report_data[DSTACK_REPORT_DATA_SIZE],
		    struct libdstack_quote *quote)
{
	(void)arg;
	make(4, 0);
	memcpy(asked, report_data, sizeof(asked));
	memcpy(f.data + f.body + TD_REPORT_DATA, report_data, sizeof(asked));
	f.data[f.body + TD_RTMR3] = measured;
	sign_all();
	quote->data = malloc(f.len);
	assert_non_null(quote->data);
	memcpy(quote->data, f.data, f.len);
	quote->len = f.len;
	return 0;
}

static int no_quote(void *arg,
		    const uint8_t report_data[DSTACK_REPORT_DATA_SIZE],
		    struct libdstack_quote *quote)
{
	(void)arg;
	(void)report_data;
	(void)quote;
	return -EIO;
}

static void start(void)
{
	if (enclave)
		return;
	need_pki();
	assert_int_equal(kms_init(), 0);
	make_collateral("--enclaves", "base/enclaves");
	make_collateral("--enclaves --status=OutOfDate", "base/old");
	snprintf(pki, sizeof(pki), "%s/base", dir);
	config.pki = pki;
	SHA256((const uint8_t *)config.enclave, strlen(config.enclave),
	       mr_enclave);
	enclave = key_enclave_start(&config);
	snprintf(url, sizeof(url), "%s/api", enclave->url);
}

static int teardown(void **state)
{
	if (enclave)
		key_enclave_stop(enclave);
	return pki_teardown(state);
}

/* Of the machine for the enclave that is there. */
static struct local request(void)
{
	struct local local = {
		.url = url, .timeout_s = 20,
		.enclave = mr_enclave, .enclave_len = sizeof(mr_enclave),
		.attest = make_own,
	};

	start();
	local.source.url = enclave->url;
	local.source.root = root;
	local.source.root_len = root_len;
	libdstack_quote_policy_default(&local.policy);
	return local;
}

static int get_with(const struct local *local, enum key_enclave_fault fault)
{
	int err;

	memset(seed, 0xee, sizeof(seed));
	enclave->fault = fault;
	err = local_get(local, seed, id);
	enclave->fault = KEY_ENCLAVE_GOOD;
	return err;
}

static int get(void)
{
	const struct local local = request();

	return get_with(&local, KEY_ENCLAVE_GOOD);
}

static bool is_untouched(void)
{
	static const uint8_t want[] = { [0 ... DSTACK_KEY_SIZE - 1] = 0xee };

	return !memcmp(seed, want, sizeof(want));
}

/* What a verifier finds in the quote that was made at last. */
static void judge_own(void)
{
	struct libdstack_collateral *collateral = read_collateral("base");

	assert_int_equal(libdstack_quote_verify(f.data, f.len, collateral,
						root, root_len, time(NULL),
						&verdict), 0);
	libdstack_collateral_free(collateral);
}

/*
 * Claims
 */

static void key_is_of_the_enclave_and_the_registers(void **state)
{
	uint8_t data[32 + 5 * 48], *key = data + 16;

	(void)state;
	measured = 0;
	assert_int_equal(get(), 0);
	assert_memory_equal(id, mr_enclave, sizeof(id));
	/* 16 bytes of the enclave's own key, then MRTD, then the registers. */
	SHA256((const uint8_t *)"one", 3, data);
	judge_own();
	memcpy(key, verdict.td.mr_td, 48);
	memcpy(key + 48, verdict.td.rtmr, 4 * 48);
	SHA256(data, 16 + 5 * 48, data);
	assert_memory_equal(seed, data, sizeof(seed));
}

static void same_machine_gets_the_same_key(void **state)
{
	uint8_t first[DSTACK_KEY_SIZE], question[DSTACK_REPORT_DATA_SIZE];

	(void)state;
	measured = 1;
	assert_int_equal(get(), 0);
	memcpy(first, seed, sizeof(first));
	memcpy(question, asked, sizeof(question));
	assert_int_equal(get(), 0);
	assert_memory_equal(seed, first, sizeof(first));
	/* By another question each time, with zeros behind it. */
	assert_memory_not_equal(asked, question, 32);
	assert_memory_equal(asked + 32, question + 32, 32);
	assert_int_equal(asked[32] | asked[63], 0);
	measured = 2;
	assert_int_equal(get(), 0);
	assert_memory_not_equal(seed, first, sizeof(first));
}

static void only_the_enclave_that_is_named_will_do(void **state)
{
	struct local local = request();
	uint8_t other[LOCAL_ENCLAVE_SIZE];

	(void)state;
	memcpy(other, mr_enclave, sizeof(other));
	other[31] ^= 1;
	local.enclave = other;
	assert_int_equal(get_with(&local, KEY_ENCLAVE_GOOD), -EKEYREJECTED);
	assert_true(is_untouched());
	local.enclave = mr_enclave;
	local.enclave_len = 31;
	assert_int_equal(get_with(&local, KEY_ENCLAVE_GOOD), -EKEYREJECTED);
	local.enclave_len = 0;
	assert_int_equal(get_with(&local, KEY_ENCLAVE_GOOD), 0);
	assert_memory_equal(id, mr_enclave, sizeof(id));
}

static const struct {
	enum key_enclave_fault fault;
	int err;
} refusals[] = {
	{ KEY_ENCLAVE_CLOSES, -EHOSTUNREACH },
	{ KEY_ENCLAVE_TRUNCATES, -EBADMSG },
	{ KEY_ENCLAVE_OVERSIZE, -EBADMSG },
	{ KEY_ENCLAVE_REDIRECTS, -EBADMSG },
	{ KEY_ENCLAVE_ERROR, -EBADMSG },
	{ KEY_ENCLAVE_DENIES, -EACCES },
	{ KEY_ENCLAVE_GARBAGE, -EBADMSG },
	{ KEY_ENCLAVE_TWICE, -EBADMSG },
	{ KEY_ENCLAVE_NUMBER, -EBADMSG },
	{ KEY_ENCLAVE_SHORT_BOX, -EBADMSG },
	{ KEY_ENCLAVE_LONG_BOX, -EBADMSG },
	{ KEY_ENCLAVE_OTHER_READER, -EKEYREJECTED },
	{ KEY_ENCLAVE_NO_QUOTE, -EBADMSG },
	{ KEY_ENCLAVE_NO_ENCLAVE, -EBADMSG },
	{ KEY_ENCLAVE_OTHER_BOX, -EKEYREJECTED },
	{ KEY_ENCLAVE_MORE_DATA, -EKEYREJECTED },
	{ KEY_ENCLAVE_SIGNATURE, -EKEYREJECTED },
	{ KEY_ENCLAVE_DEBUG, -EKEYREJECTED },
	{ KEY_ENCLAVE_TD, -EKEYREJECTED },
	{ KEY_ENCLAVE_NO_COLLATERAL, -ENODATA },
	{ KEY_ENCLAVE_OUT_OF_DATE, -EKEYREJECTED },
};

static void what_is_wrong_is_refused_and_gives_no_key(void **state)
{
	const struct local local = request();
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(refusals) / sizeof(*refusals); i++) {
		print_message("# %s\n",
			      key_enclave_fault_name(refusals[i].fault));
		assert_int_equal(get_with(&local, refusals[i].fault),
				 refusals[i].err);
		assert_true(is_untouched());
	}
	assert_int_equal(get(), 0);
}

static void policy_decides_what_is_good_enough(void **state)
{
	struct local local = request();

	(void)state;
	local.policy.enclave_debug = true;
	assert_int_equal(get_with(&local, KEY_ENCLAVE_DEBUG), 0);
	assert_int_equal(get_with(&local, KEY_ENCLAVE_OUT_OF_DATE),
			 -EKEYREJECTED);
	local.policy.tcb_allowed |= 1U << LIBDSTACK_TCB_OUT_OF_DATE;
	assert_int_equal(get_with(&local, KEY_ENCLAVE_OUT_OF_DATE), 0);
}

static void other_root_is_not_believed(void **state)
{
	struct local local = request();

	(void)state;
	local.source.root = NULL;
	assert_int_equal(get_with(&local, KEY_ENCLAVE_GOOD), -EKEYREJECTED);
	assert_true(is_untouched());
}

static void silent_host_is_waited_for_so_long(void **state)
{
	struct local local = request();
	int64_t start = now_us();

	(void)state;
	local.timeout_s = 1;
	assert_int_equal(get_with(&local, KEY_ENCLAVE_SILENT), -EHOSTUNREACH);
	assert_true(now_us() - start >= 1000000);
	assert_true(now_us() - start < 10000000);
	assert_true(is_untouched());
}

static void address_must_be_one(void **state)
{
	static const char *const bad[] = {
		"", "vsock://", "vsock://2", "vsock://2/api", "vsock://2:/api",
		"vsock://:1/api", "vsock://2:12345", "vsock://-1:1/api",
		"vsock://2:4294967296/api", "vsock://4294967296:1/api",
		"vsock://2:1:1/api", "vsock://a:1/api", "ftp://127.0.0.1/",
		"file:///etc/passwd", "http://127.0.0.1/a b",
		"http://127.0.0.1/\n", "http://user@127.0.0.1/",
		"http://127.0.0.1/?a", "http://127.0.0.1/#a", "2:12345/api",
	};
	struct local local = request();
	int requests = enclave->requests;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		local.url = bad[i];
		assert_int_equal(get_with(&local, KEY_ENCLAVE_GOOD), -EINVAL);
	}
	assert_int_equal(enclave->requests, requests);
}

static void slash_at_the_end_makes_no_difference(void **state)
{
	struct local local = request();
	char slashed[300];

	(void)state;
	snprintf(slashed, sizeof(slashed), "%s//", url);
	local.url = slashed;
	assert_int_equal(get_with(&local, KEY_ENCLAVE_GOOD), 0);
}

/* Nobody listens: not on this port, and not on a vsock of this machine. */
static void nobody_is_there(void **state)
{
	static const char *const nobody[] = {
		"http://127.0.0.1:1/api", "vsock://1:1/api",
		"vsock://4294967295:4294967295/",
	};
	struct local local = request();
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(nobody) / sizeof(*nobody); i++) {
		local.url = nobody[i];
		assert_int_equal(get_with(&local, KEY_ENCLAVE_GOOD),
				 -EHOSTUNREACH);
	}
}

static void without_a_quote_nobody_is_asked(void **state)
{
	struct local local = request();
	int requests = enclave->requests;

	(void)state;
	local.attest = no_quote;
	assert_int_equal(get_with(&local, KEY_ENCLAVE_GOOD), -EIO);
	assert_int_equal(enclave->requests, requests);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(key_is_of_the_enclave_and_the_registers),
		cmocka_unit_test(same_machine_gets_the_same_key),
		cmocka_unit_test(only_the_enclave_that_is_named_will_do),
		cmocka_unit_test(what_is_wrong_is_refused_and_gives_no_key),
		cmocka_unit_test(policy_decides_what_is_good_enough),
		cmocka_unit_test(other_root_is_not_believed),
		cmocka_unit_test(silent_host_is_waited_for_so_long),
		cmocka_unit_test(address_must_be_one),
		cmocka_unit_test(slash_at_the_end_makes_no_difference),
		cmocka_unit_test(nobody_is_there),
		cmocka_unit_test(without_a_quote_nobody_is_asked),
	};

	return cmocka_run_group_tests_name("boot_local", tests, NULL,
					   teardown);
}
